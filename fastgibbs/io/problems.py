"""The model that a user gives: of fastgibbs or a class of their own, of another library, or the path of a file."""

from __future__ import annotations

import os
from typing import Any

from fastgibbs.io.formats import read
from fastgibbs.models import checks, foreign
from fastgibbs.models.foreign import Kind
from fastgibbs.types import Matrix, ModelLike, Problem


def as_model(given: Problem | Matrix, kind: Kind | None = None) -> ModelLike:
    """The model that `given` holds, as every verb takes it; one of fastgibbs is returned as it is.

    | `given` | E(x) |
    |---|---|
    | dimod `BinaryQuadraticModel`, `BinaryPolynomial` | its energy: SPIN spins -1 and 1, BINARY units 0 and 1 |
    | dict {tuple of labels: w} (QUBO, HUBO) | sum w prod x; () is the offset, (i, i) is (i,) of units |
    | networkx graph | sum_i b_i x_i + sum_<ij> w_ij x_i x_j, by attributes "weight" or "bias" of nodes and edges |
    | matrix, dense or sparse, with a `kind` | "binary": x.Q.x of a QUBO; "spin": `Ising(J)`, -1/2 s.J.s |
    | path of a file | what `read` finds in it |

    `kind`: what variables are where `given` does not say: "spin", or "binary", units 0 and 1. By default dicts are
    binary and graphs spins, in which an edge without weight has w = 1 and the ground state is the largest cut. A bare
    matrix is refused: a QUBO and couplings look alike, and differ in sign. States are in the units of the problem;
    their order is that of the labels in it, which the model keeps (`labels`, `labelled`), but for the numbers 0 to
    n - 1, which are their own order; a pandas frame has labels, the same of rows and columns. Edges of a node to itself
    go to the offset of spins or the bias of a unit, with a UserWarning, as where a graph has numbers by other names.

    TypeError at anything else, and at what is no number; ValueError at a NaN or an infinity, naming the key, and at a
    label that is a NaN; at a kind that `given` contradicts; of a directed graph.

    >>> import fastgibbs as fg
    >>> qubo = fg.as_model({("a", "a"): -1.0, ("a", "b"): 2.0, ("b", "b"): -1.5})
    >>> qubo, qubo.labels, qubo.energy([0, 1]).item()
    (Polynomial(n=2, terms=3, degree=2, kind='binary'), ('a', 'b'), -1.5)
    >>> fg.anneal({("a", "a"): -1.0, ("a", "b"): 2.0, ("b", "b"): -1.5}, seed=1).energy[0].item()
    -1.5
    """
    return problem("given", given, kind=kind, worldlines=True)


def problem(name: str, value: Any, place: str = "", worldlines: bool = False, kind: Kind | None = None) -> ModelLike:
    """`value` as a model; TypeError at what holds none, also at one of worldlines where that is not wanted."""
    if isinstance(value, str | os.PathLike):
        value = read(value)
    return checks.model(name, foreign.taken(name + place, value, kind), place, worldlines)


def problems(name: str, value: Any, worldlines: bool = False) -> list[ModelLike]:
    """`value`, a problem or a sequence of them, as a list of models; TypeError at anything else, and if it is empty.

    One of worldlines, alone, where that is wanted.
    """
    if not isinstance(value, list | tuple):
        return [problem(name, value, worldlines=worldlines)]
    if not value:
        raise TypeError(f"{name} is {value}: give a model, or a sequence of them")
    return [problem(name, one, f" at index {k}") for k, one in enumerate(value)]
