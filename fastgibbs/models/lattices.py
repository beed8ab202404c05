"""Ising models on periodic or open lattices: hypercubic in any dimension, and triangular."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.ising import MAX_SITES, Ising
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray, Shape, Sites

Array = TypeVar("Array", bound=AnyArray)
_MOST_SIDES = 64  # of a NumPy array
_CHUNK = 2**16  # neighbours handled at once: few enough to stay in a core's cache


class Lattice(Ising):
    """E(s) = -J sum_<ij> s_i s_j - h sum_i s_i on a periodic lattice that is the same seen from every site.

    Made by `lattice` and `triangular`, which check the arguments. `shape`: sides of at least 3, sites in C
    order. `steps`: a tuple of moves, one int per axis, one move per bond direction. `J`, not 0, and `h`: floats.

    It has all of an `Ising` model, but `indptr`, `indices`, `couplings` and `fields` are built when first asked
    for: ValueError if memory is too small. `energy` and `bonds` need none of them.
    """

    shape: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]
    J: float
    h: float

    def __init__(self, shape: tuple[int, ...], steps: tuple[tuple[int, ...], ...], J: float, h: float) -> None:
        n = math.prod(shape)
        checks.require_range(8.0 * n * (len(steps) * abs(J) + abs(h)), "J and h")
        own = {"n": n, "shape": shape, "steps": steps, "J": J, "h": h, "offset": 0.0}
        counts = {"degree": 2 * len(steps), "bond_count": n * len(steps)}
        self.__setstate__({**own, **counts, "coupling": abs(J), "field": h})

    def __reduce__(self) -> tuple[Any, ...]:
        return Lattice, (self.shape, self.steps, self.J, self.h)

    def neighbors(self, sites: IntArray | Sites) -> IntArray:
        """The sites one step ahead of and one behind each of `sites`, for every step in turn.

        `sites`: integers (k,). Returns int64 (k, 2 * len(steps)): +step 0, -step 0, +step 1, ... ValueError at
        a site out of range.
        """
        position = np.unravel_index(sites, self.shape)
        neighbors = np.empty((len(sites), self.degree), np.int64)
        for column, (step, sign) in enumerate(itertools.product(self.steps, (1, -1))):
            moved = [x + sign * move for x, move in zip(position, step, strict=True)]
            neighbors[:, column] = np.ravel_multi_index(moved, self.shape, mode="wrap")
        return neighbors

    @cached_property
    def indptr(self) -> IntArray:  # type: ignore[override]  # as all that is frozen, never written
        """Where each row of J starts in `indices` and `couplings`, int64 (n+1,)."""
        self._require(8 * self.n, "indptr")
        return _read_only(np.arange(0, self.n * self.degree + 1, self.degree, dtype=np.int64))

    @cached_property
    def indices(self) -> Sites:  # type: ignore[override]  # as all that is frozen, never written
        """The columns of J, row by row and ascending, int32 (nnz,)."""
        self._require(4 * self.n * self.degree, "indices")
        indices = np.empty((self.n, self.degree), np.int32)
        for sites, columns in self._rows():
            indices[sites] = columns
        return _read_only(indices.reshape(-1))

    @cached_property
    def couplings(self) -> FloatArray:  # type: ignore[override]  # as all that is frozen, never written
        """The entries of J, float64 (nnz,)."""
        self._require(8 * self.n * self.degree, "couplings")
        return _read_only(np.full(self.n * self.degree, self.J))

    @cached_property
    def fields(self) -> FloatArray:  # type: ignore[override]  # as all that is frozen, never written
        """The field of every site, float64 (n,)."""
        self._require(8 * self.n, "fields")
        return _read_only(np.full(self.n, self.h))

    def _require(self, nbytes: int, name: str) -> None:
        checks.require_memory(nbytes, f"the array {name} of a lattice of shape {self.shape}")

    def _rows(self) -> Iterator[tuple[Sites, Sites]]:
        """Yield sites (k,) and their neighbours (k, degree), ascending, both int32, about _CHUNK at a time."""
        step = max(_CHUNK // self.degree, 1)
        for start in range(0, self.n, step):
            sites = np.arange(start, min(start + step, self.n), dtype=np.int32)
            yield sites, np.sort(self.neighbors(sites).astype(np.int32), axis=1)

    def _bond_chunks(self) -> Iterator[tuple[Sites, Sites, FloatArray]]:
        """Yield the bonds (i, j, J) of whole rows, about _CHUNK entries of J at a time."""
        for sites, columns in self._rows():
            upper = columns > sites[:, None]
            if upper.any():
                i = np.broadcast_to(sites[:, None], columns.shape)[upper]
                yield i, columns[upper], np.full(i.size, self.J)


def lattice(shape: Shape, J: float = 1.0, h: ArrayLike = 0.0, periodic: bool | Sequence[bool] = True) -> Ising:
    """E(s) = -J sum_<ij> s_i s_j - sum_i h_i s_i on the hypercubic lattice of sides `shape`.

    `shape`: a tuple of 1 or more sides; sites are in C order. `J`: a number. `h`: a number, or an array of
    n or of the shape of the lattice. `periodic`: a bool, or one per axis. On a periodic axis every site has
    a bond to its next site, small sides too: a side of 2 has double bonds (coupling 2J), a side of 1
    self-bonds (each -J in the offset). TypeError or ValueError names the bad argument and value; ValueError
    if memory is too small.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> model = fg.lattice((4, 4), h=0.5)
    >>> print(model, model.energy(np.ones(16)))
    Ising(n=16, bonds=32, fields=16) -40.0
    """
    shape = sides(shape)
    return _model(shape, np.eye(len(shape), dtype=int).tolist(), J, h, periodic)


def triangular(shape: Shape, J: float = 1.0, h: ArrayLike = 0.0, periodic: bool | Sequence[bool] = True) -> Ising:
    """E(s) = -J sum_<ij> s_i s_j - sum_i h_i s_i on the triangular lattice of two sides.

    The bonds of site (x, y) go to (x+1, y), (x, y+1) and (x+1, y+1). Arguments, small sides and errors are
    those of `lattice`.

    >>> import fastgibbs as fg
    >>> frustrated = fg.triangular((3, 3), J=-1.0)
    >>> frustrated.bond_count, fg.exact.spectrum(frustrated).ground_energy
    (27, -9.0)
    """
    shape = sides(shape)
    if len(shape) != 2:
        raise ValueError(f"shape is {shape}: a triangular lattice has two sides")
    return _model(shape, [(1, 0), (0, 1), (1, 1)], J, h, periodic)


def sides(shape: Shape) -> tuple[int, ...]:
    """`shape` as a tuple of one or more ints of at least 1."""
    if not isinstance(shape, tuple | list) or not shape:
        raise TypeError(f"shape is {checks.shown(shape)}: give a tuple of one or more sides")
    shape = tuple(checks.integer(f"shape[{axis}]", side) for axis, side in enumerate(shape))
    if len(shape) > _MOST_SIDES:
        raise ValueError(f"shape has {len(shape)} sides: give at most {_MOST_SIDES}")
    if math.prod(shape) > MAX_SITES:
        sites = checks.shown(math.prod(shape))
        raise ValueError(f"shape is {checks.shown(shape)}, {sites} sites: at most {MAX_SITES} can be held")
    return shape


def bonds(
    shape: tuple[int, ...], steps: Sequence[Sequence[int]], periodic: bool | Sequence[bool]
) -> tuple[Sites, Sites]:
    """Sites (i, j), int32, of the bonds from every site along every one of `steps`; self-bonds included."""
    periodic = _per_axis(shape, periodic)
    n = math.prod(shape)
    # Building takes about 70 bytes a bond, measured, more than the model itself.
    checks.require_memory(n * (32 + 80 * len(steps)), f"a lattice of shape {shape}")
    sites = np.arange(n, dtype=np.int32).reshape(shape)
    starts, ends = [], []
    for step in steps:
        # A step never leaves a lattice by a periodic axis; by an open one it does from the last site.
        axes = zip(shape, step, periodic, strict=True)
        inside = tuple(slice(None if wrap else side - move) for side, move, wrap in axes)
        starts.append(sites[inside].ravel())
        ends.append(np.roll(sites, [-move for move in step], axis=range(len(shape)))[inside].ravel())
    return np.concatenate(starts), np.concatenate(ends)


def assemble(shape: tuple[int, ...], i: Sites, j: Sites, J: ArrayLike, h: ArrayLike) -> Ising:
    """The `Ising` model of these bonds, `J` a number or one per bond; self-bonds go to the offset."""
    n = math.prod(shape)
    h = checks.finite_array("h", h)
    if h.shape not in ((), (n,), shape):
        raise ValueError(f"h has shape {h.shape}: give a number, ({n},) or {shape}")
    fields = np.full(n, h) if h.ndim == 0 else h.reshape(n)
    checks.require_range(8.0 * (checks.largest(J) * i.size + checks.largest(h) * n), "J and h")
    offset, own = 0.0, i == j
    if own.any():
        J = np.broadcast_to(J, i.shape)
        offset, i, j, J = -float(J[own].sum()), i[~own], j[~own], J[~own]
    return Ising.from_edges(n, i, j, J, fields, offset, shape)


def _model(
    shape: tuple[int, ...], steps: Sequence[Sequence[int]], J: float, h: ArrayLike, periodic: bool | Sequence[bool]
) -> Ising:
    """The model of one J: a `Lattice` where every site sees the same, otherwise an `Ising` of the bonds."""
    periodic = _per_axis(shape, periodic)
    J, h = checks.finite_number("J", J), checks.finite_array("h", h)
    if all(periodic) and min(shape) >= 3 and J and not h.ndim:
        return Lattice(shape, tuple(map(tuple, steps)), J, float(h))
    return assemble(shape, *bonds(shape, steps, periodic), J, h)


def _per_axis(shape: tuple[int, ...], periodic: bool | Sequence[bool]) -> Sequence[bool]:
    """`periodic` as one bool per axis."""
    if isinstance(periodic, bool | np.bool_):
        periodic = (periodic,) * len(shape)
    if not (isinstance(periodic, tuple | list) and all(isinstance(wrap, bool | np.bool_) for wrap in periodic)):
        raise TypeError(f"periodic is {checks.shown(periodic)}: give a bool, or one per axis")
    if len(periodic) != len(shape):
        raise ValueError(f"periodic has {len(periodic)} entries: shape has {len(shape)} axes")
    return periodic


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
