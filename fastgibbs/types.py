"""The words of signatures: what arrays hold, and what all verbs understand by an argument."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike as ArrayLike  # one of these words

_Sides = tuple[Any, ...]  # written out: what an NDArray of NumPy 2.5 is of, nothing that reads a field's type is told
FloatArray = np.ndarray[_Sides, np.dtype[np.float64]]
IntArray = np.ndarray[_Sides, np.dtype[np.int64]]
Sites = np.ndarray[_Sides, np.dtype[np.int32]]  # numbers of sites, or of units
States = np.ndarray[_Sides, np.dtype[np.int8]]  # spins of -1 and 1, or units of 0 and 1
Mask = np.ndarray[_Sides, np.dtype[np.bool_]]
AnyArray = np.ndarray[_Sides, np.dtype[Any]]

Shape = tuple[int, ...] | list[int]
Seed = int | np.random.SeedSequence | np.random.Generator | None
Progress = bool | Callable[[int, int], object]  # called with (done, total); a True that it returns stops the run
PathLike = str | os.PathLike[str]
Rule = Literal["gibbs", "metropolis"]
ChainRule = Literal["gibbs", "metropolis", "spiking"]  # of `sample`
Scan = Literal["sequential", "random"]
ClusterMoves = Literal["swendsen-wang", "wolff"]
LadderMoves = Literal["houdayer", "swendsen-wang", "wolff", "joerg", "cmr"]
Disorder = Literal["bimodal", "gaussian"]
Couplings = float | Sequence[float | Sequence[float]] | FloatArray  # one, or of each kind of bonds, or of each of them
Boundary = bool | Literal["antiperiodic"] | Sequence[int]  # of one axis: periodic, open, or a twist
Periodic = bool | Literal["antiperiodic"] | Sequence[Boundary]
LatticeName = Literal[
    "hypercubic",
    "chain",
    "square",
    "cubic",
    "triangular",
    "honeycomb",
    "kagome",
    "checkerboard",
    "bcc",
    "fcc",
    "diamond",
    "pyrochlore",
]

Engine = Any  # a module, or another object that keeps the contract (engines/contract.py)


class SparseMatrix(Protocol):
    """A SciPy-like sparse matrix."""

    def tocoo(self) -> Any:
        """The matrix with its entries as `row`, `col` and `data`."""


Matrix = ArrayLike | SparseMatrix


class ModelLike(Protocol):
    """What the verbs ask of a model: every `Energy` has it, and so may a class of another base."""

    @property
    def n(self) -> int:
        """The number of variables."""

    def energy(self, states: ArrayLike, /) -> Any:
        """E of states (..., n), float64 in the shape of the leading axes."""

    def to_ising(self) -> Any:
        """The same energy as an `Ising` model."""

    def to_spins(self, states: ArrayLike, /) -> States:
        """The spins of states (..., n)."""

    def from_spins(self, spins: ArrayLike, /) -> States:
        """The states of spins (..., n)."""


class Bqm(Protocol):
    """A dimod `BinaryQuadraticModel`, of whatever class."""

    @property
    def vartype(self) -> Any:
        """SPIN or BINARY."""

    def to_numpy_vectors(self) -> Any:
        """Its biases."""


class Graph(Protocol):
    """A networkx graph."""

    @property
    def adjacency(self) -> Any:
        """Its edges, node by node."""

    def is_directed(self) -> bool:
        """Whether edges have directions."""


Problem = ModelLike | Mapping[Any, Any] | Bqm | Graph | PathLike  # what `fastgibbs.as_model` makes a model of
