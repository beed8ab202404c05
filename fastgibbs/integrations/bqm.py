"""Models and results as dimod has them. Needs dimod."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.integrations.tables import Tabular
from fastgibbs.io.problems import problem
from fastgibbs.models import checks, foreign
from fastgibbs.types import Problem

if TYPE_CHECKING:
    import dimod


def _imported(what: str) -> Any:
    try:
        import dimod
    except ImportError as error:
        raise ImportError(f"{what} needs dimod: pip install 'fastgibbs[dimod]'") from error
    return dimod


def require_names(name: str, labels: Sequence[Hashable]) -> None:
    """ValueError at a label that dimod takes for none, and names by a number."""
    if None in labels:
        raise ValueError(f"{name} has the label None, which dimod takes for no label: give the variable another")


def to_bqm(model: Problem) -> dimod.BinaryQuadraticModel:
    """The model as a `dimod.BinaryQuadraticModel`, with its labels: SPIN of spins -1 and 1, BINARY of units 0 and 1.

    Energies are those of the model; `fastgibbs.as_model` is the way back. ImportError if dimod is missing; ValueError
    at terms of more than two variables.

    >>> import fastgibbs as fg
    >>> bqm = fg.to_bqm(fg.Ising([[0, 1], [1, 0]], fields=[0.5, 0]).with_labels("ab"))
    >>> bqm.vartype.name, bqm.energy({"a": 1, "b": 1}).item()
    ('SPIN', -1.5)
    """
    library = _imported("to_bqm")
    kind, linear, (i, j, c), offset = foreign.as_quadratic("model", model := problem("model", model))
    labels = foreign.names_of(model)
    require_names("model", labels)
    bqm = library.BinaryQuadraticModel.from_numpy_vectors(
        linear, (i, j, c), offset, foreign.CALLED[kind], variable_order=list(labels)
    )
    found: dimod.BinaryQuadraticModel = bqm
    return found


def to_sampleset(result: Tabular) -> dimod.SampleSet:
    """The states of a result, with labels and energies, as a `dimod.SampleSet`, in the order of the result.

    Of `anneal` those of all reads, of `sample`, `temper` and `recall` those at the end. `info` has the settings of the
    run, as `to_dataframe` has them. ImportError if dimod is missing; TypeError at another result, or one of several
    models.

    >>> import fastgibbs as fg
    >>> best = fg.anneal({("x", "x"): 1, ("x", "y"): -3, ("y", "y"): 1}, reads=2, seed=1).to_sampleset()
    >>> float(best.first.energy), dict(best.first.sample) == {"x": 1, "y": 1}
    (-1.0, True)
    """
    library = _imported("to_sampleset")
    given: Any = checks.able("result", result, "table", "what sample, anneal, temper or recall returned")
    model = given.model
    if isinstance(model, tuple) or not hasattr(given, "states"):
        raise TypeError(f"result is {checks.shown(given)}: give one that holds states of one model")
    labels, states = foreign.names_of(model), np.asarray(given.states)
    require_names("result.model", labels)
    rows = checks.rows(states)
    found: dimod.SampleSet = library.SampleSet.from_samples(
        (rows, list(labels)),
        vartype="BINARY" if getattr(model, "low", -1) == 0 else "SPIN",
        energy=model.energy(rows),
        info=given.table().attributes,
        sort_labels=False,
    )
    return found
