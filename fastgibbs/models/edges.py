"""The bonds of a lattice, from every cell: within its sides, and around axes as their boundaries say."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.models import cells, checks
from fastgibbs.models.cells import Cell, Geometry
from fastgibbs.models.csr import MAX_SITES
from fastgibbs.models.ising import Ising
from fastgibbs.types import ArrayLike, FloatArray, Mask, Periodic, Shape, Sites, States


class Edges(NamedTuple):
    """The bonds of a lattice, self-bonds included: i and j int32, J a number or one per bond; and where sites are."""

    i: Sites
    j: Sites
    J: FloatArray | float
    geometry: Geometry


def sides(shape: Shape, sites: int = 1) -> tuple[int, ...]:
    """`shape` as a tuple of one or more ints of at least 1, of cells of so many sites."""
    if not isinstance(shape, tuple | list) or not shape:
        raise TypeError(f"shape is {checks.shown(shape)}: give a tuple of one or more sides")
    shape = tuple(checks.integer(f"shape[{axis}]", side) for axis, side in enumerate(shape))
    if len(shape) > cells.MOST_AXES:
        raise ValueError(f"shape has {len(shape)} sides: give at most {cells.MOST_AXES}")
    if (n := sites * math.prod(shape)) > MAX_SITES:
        raise ValueError(f"shape is {checks.shown(shape)}, {checks.shown(n)} sites: at most {MAX_SITES} can be held")
    return shape


class Boundary(NamedTuple):
    """What bonds do that go around an axis: their sign, 0 if there are none, and cells that they go on along others."""

    sign: int
    shift: tuple[int, ...]

    @property
    def plain(self) -> bool:
        """Whether it is periodic and nothing else."""
        return self.sign == 1 and not any(self.shift)


def boundaries(periodic: Any, axes: int) -> list[Boundary]:
    """`periodic` of each axis: TypeError or ValueError at the first that the axis cannot have."""
    each = periodic if isinstance(periodic, tuple | list) else (periodic,) * axes
    if not all(isinstance(one, bool | np.bool_ | tuple | list) or _named(one) for one in each):
        raise TypeError(
            f"periodic is {checks.shown(periodic)}: give True, False or 'antiperiodic', or per axis one of these or a "
            "twist"
        )
    if len(each) != axes:
        raise ValueError(f"periodic has {len(each)} entries: shape has {axes} axes")
    found = [_boundary(f"periodic[{axis}]", one, axes) for axis, one in enumerate(each)]
    for axis, boundary in enumerate(found):
        for along, shift in enumerate(boundary.shift):
            if not shift:
                continue
            if along == axis or not found[along].sign or any(found[along].shift):
                why = "is the same" if along == axis else "is twisted itself" if found[along].sign else "is open"
                raise ValueError(
                    f"periodic[{axis}][{along}] is {shift}, and axis {along} {why}: a twist shifts along other axes, "
                    "which are periodic or antiperiodic"
                )
    return found


def _named(periodic: Any) -> bool:
    return isinstance(periodic, str) and periodic == "antiperiodic"


def _boundary(name: str, periodic: Any, axes: int) -> Boundary:
    if isinstance(periodic, bool | np.bool_ | str):
        return Boundary(-1 if isinstance(periodic, str) else int(periodic), (0,) * axes)
    if len(periodic) != axes:
        raise ValueError(f"{name} is {checks.shown(periodic)}: a twist has a shift along each of the {axes} axes")
    return Boundary(1, tuple(checks.integer(f"{name}[{a}]", x, -(2**31), 2**31) for a, x in enumerate(periodic)))


def geometry(shape: tuple[int, ...], cell: Cell, around: list[Boundary]) -> Geometry:
    """Where the sites of a lattice are."""
    vectors: FloatArray = np.array(cell.vectors)
    periods = np.array(shape)[:, None] * vectors - np.array([one.shift for one in around]) @ vectors
    return Geometry(shape, cell.vectors, cell.basis, cells.tuples(periods))


def edges(shape: tuple[int, ...], cell: Cell, J: FloatArray, periodic: Periodic) -> Edges:
    """The bonds from all cells of a lattice, one bond of the cell after the other; `J`: one for each of these."""
    around, bonds, count = boundaries(periodic, len(shape)), cell.joined(), len(cell.basis)
    n = count * math.prod(shape)
    # Building takes about 70 bytes a bond, measured, more than the model itself.
    checks.require_memory(32 * n + 80 * len(bonds) * math.prod(shape), f"a lattice of shape {shape}")
    firsts = np.arange(0, n, count, dtype=np.int32).reshape(shape)
    alike = np.ptp(J) == 0 and all(boundary.sign >= 0 for boundary in around)
    starts, ends, couplings = [], [], []
    for (start, end, offset, _), one in zip(bonds, J.tolist(), strict=True):
        number, inside, sign = _moved(shape, offset, around)
        starts.append(firsts[inside] + np.int32(start))
        ends.append(number[inside] * np.int32(count) + np.int32(end))
        couplings.append(np.empty(0) if alike else one * sign[inside])
    values = J.item(0) if alike else np.concatenate(couplings)
    return Edges(np.concatenate(starts), np.concatenate(ends), values, geometry(shape, cell, around))


def _moved(shape: tuple[int, ...], offset: tuple[int, ...], around: list[Boundary]) -> tuple[Sites, Mask, States]:
    """The number of the cell `offset` further on from each, whether there is one, and the sign of bonds to it."""
    axes = len(shape)
    x: list[Any] = [
        (np.arange(side) + move).reshape([-1 if a == axis else 1 for a in range(axes)])
        for axis, (side, move) in enumerate(zip(shape, offset, strict=True))
    ]
    for turns, boundary in zip([one // side for one, side in zip(x, shape, strict=True)], around, strict=True):
        for axis, shift in enumerate(boundary.shift):
            if shift:
                x[axis] = x[axis] + turns * shift
    number, inside, sign = np.zeros([1] * axes, np.int32), np.ones([1] * axes, bool), np.ones([1] * axes, np.int8)
    for one, side, boundary in zip(x, shape, around, strict=True):
        turns, rest = np.divmod(one, side)
        number = number * np.int32(side) + rest.astype(np.int32)
        if boundary.sign < 0:
            sign = sign * (1 - 2 * (turns % 2)).astype(np.int8)
        if boundary.sign == 0:
            inside = inside & (turns == 0)
    return np.broadcast_to(number, shape), np.broadcast_to(inside, shape), np.broadcast_to(sign, shape)


def fields_of(h: ArrayLike, geometry: Geometry) -> FloatArray:
    """The field of every site of a lattice: ValueError unless `h` is one, or has one for each."""
    n, h = math.prod(geometry.shape), checks.finite_array("h", h)
    if h.shape not in ((), (n,), geometry.shape):
        raise ValueError(f"h has shape {h.shape}: give a number, ({n},) or {geometry.shape}")
    return np.full(n, h) if h.ndim == 0 else h.reshape(n)


def assemble(edges: Edges, h: ArrayLike, there: Mask | None = None) -> Ising:
    """The `Ising` model of these bonds and fields, of the sites that are there; self-bonds go to the offset."""
    i, j, J, geometry = edges
    shape: tuple[int, ...] | None = geometry.shape
    fields = fields_of(h, geometry)
    n = fields.size
    checks.require_range(8.0 * (checks.largest(J) * i.size + checks.largest(fields) * n), "J and h")
    if there is not None and not there.all():
        J, both, number = np.broadcast_to(J, i.shape), there[i] & there[j], np.cumsum(there, dtype=np.int32) - 1
        i, j, J, fields = number[i[both]], number[j[both]], J[both], fields[there]
        n, shape, geometry = fields.size, None, geometry._replace(sites=np.flatnonzero(there))
    offset, own = 0.0, i == j
    if own.any():
        J = np.broadcast_to(J, i.shape)
        offset, i, j, J = -float(J[own].sum()), i[~own], j[~own], J[~own]
    return Ising.from_edges(n, i, j, J, fields, offset, shape, geometry)
