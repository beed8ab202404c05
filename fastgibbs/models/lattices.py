"""Ising models on lattices, a cell again and again: periodic, open, antiperiodic or twisted along each axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from fastgibbs.models import cells, checks
from fastgibbs.models.cells import Cell
from fastgibbs.models.edges import assemble, boundaries, edges, geometry, sides
from fastgibbs.models.ising import Ising
from fastgibbs.types import AnyArray, ArrayLike, Couplings, FloatArray, IntArray, LatticeName, Periodic, Shape, Sites

Array = TypeVar("Array", bound=AnyArray)
_CHUNK = 2**16  # neighbours handled at once: few enough to stay in a core's cache


class Lattice(Ising):
    """E(s) = -J sum_<ij> s_i s_j - h sum_i s_i on a periodic lattice that is the same seen from every cell.

    Made by `lattice` and `triangular`, which check the arguments: every site has the same number of neighbours, each of
    them once. `sides`: cells along each axis; `cell`: a `Cell` of tuples; `J`, not 0, and `h`: floats.

    It has all of an `Ising` model, but `indptr`, `indices`, `couplings` and `fields` are built when first asked
    for: ValueError if memory is too small. `energy` and `bonds` need none of them.
    """

    shape: tuple[int, ...]
    sides: tuple[int, ...]
    cell: Cell
    J: float
    h: float

    def __init__(self, sides: tuple[int, ...], cell: Cell, J: float, h: float) -> None:
        where = geometry(sides, cell, boundaries(True, len(sides)))
        n, bond_count = math.prod(where.shape), math.prod(sides) * len(cell.joined())
        checks.require_range(8.0 * (bond_count * abs(J) + n * abs(h)), "J and h")
        own = {"n": n, "shape": where.shape, "sides": sides, "cell": cell, "J": J, "h": h, "offset": 0.0}
        counts = {"degree": 2 * bond_count // n, "bond_count": bond_count}
        self.__setstate__({**own, **counts, "coupling": abs(J), "field": h, "geometry": where})

    def __reduce__(self) -> tuple[Any, ...]:
        return Lattice, (self.sides, self.cell, self.J, self.h)

    def neighbors(self, sites: IntArray | Sites) -> IntArray:
        """The sites at the other ends of the bonds of each of `sites`.

        `sites`: integers (k,). Returns int64 (k, degree), bond after bond of the cell, of a bond from a site to one of
        its kind first the site ahead, then the one behind. ValueError at a site out of range.
        """
        position = np.unravel_index(sites, self.shape)
        which = position[-1] if len(self.cell.basis) > 1 else 0
        neighbors = np.empty((len(sites), self.degree), np.int64)
        for column, moves in enumerate(self._moves):
            moved = [x + move for x, move in zip(position, moves[which].T, strict=True)]
            neighbors[:, column] = np.ravel_multi_index(moved, self.shape, mode="wrap")
        return neighbors

    @cached_property
    def _moves(self) -> IntArray:
        """From each site of a cell to each of its neighbours, along each axis of `shape`: (degree, sites, axes)."""
        own = enumerate(_around(self.cell))
        moves = [[(*offset, end - start)[: len(self.shape)] for end, offset in ends] for start, ends in own]
        return np.array(moves).swapaxes(0, 1)

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


def lattice(
    shape: Shape | int,
    J: Couplings = 1.0,
    h: ArrayLike = 0.0,
    periodic: Periodic = True,
    cell: LatticeName | Cell = "hypercubic",
) -> Ising:
    """E(s) = -sum_<ij> J_ij s_i s_j - sum_i h_i s_i on a lattice of `shape` cells.

    `shape`: a tuple of 1 or more sides, in cells; an int is a chain. `cell`: "hypercubic" in as many dimensions as
    there are sides, "chain", "square", "cubic", "triangular", "honeycomb", "kagome", "checkerboard", or, by their cubic
    cells of 2, 4, 8 and 16 sites, "bcc", "fcc", "diamond" and "pyrochlore"; or a `Cell` of your own. Sites are in C
    order of the cells, those of a cell side by side: `model.shape` is `shape`, and the number of sites in a cell if
    there are several. `model.positions`: where they are, in units of the distance of nearest neighbours, or of your
    `Cell`.

    `J`: a number for the bonds between nearest neighbours; or a sequence (J1, J2, ...), one for each shell of
    neighbours by distance, or for each kind of bonds that the cell has (of the checkerboard: sides, diagonals).
    An entry may be a sequence itself, a J for each bond of the shell in a cell: J=[(1, 0.2)] is a square lattice of
    J_x = 1 and J_y = 0.2. `h`: a number, or an array of n or of the shape of the model.

    `periodic`: True, False (open) or "antiperiodic" (bonds change sign where they go around), for all axes or one per
    axis; of one axis also a tuple, a twist: who goes around it comes back so many cells further along each axis, all of
    them periodic or antiperiodic. On a periodic axis every cell has a bond to its next, small sides too: bonds between
    the same two sites add up (a square of side 2 has couplings 2J), and those from a site to itself go to the offset.

    TypeError or ValueError names the bad argument and value; ValueError if memory is too small.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> model = fg.lattice((4, 4), h=0.5)
    >>> print(model, model.energy(np.ones(16)))
    Ising(n=16, bonds=32, fields=16) -40.0
    >>> kagome = fg.lattice((4, 4), J=-1.0, cell="kagome")
    >>> kagome, kagome.shape, kagome.positions[:3].round(3).tolist()
    (Ising(n=48, bonds=96, fields=0), (4, 4, 3), [[0.0, 0.0], [1.0, 0.0], [0.5, 0.866]])
    """
    shape = sides((shape,) if isinstance(shape, int) else shape)
    cell = cells.known(cell, shape, cells.shells(J))
    shape = sides(shape, len(cell.basis))
    each, h = cells.couplings(J, cell.joined()), checks.finite_array("h", h)
    one = each.item(0) if np.ptp(each) == 0 else 0.0
    plain = all(boundary.plain for boundary in boundaries(periodic, len(shape)))
    if plain and one and not h.ndim and _alike(shape, cell):
        return Lattice(shape, cell, one, float(h))
    return assemble(edges(shape, cell, each, periodic), h)


def triangular(shape: Shape, J: Couplings = 1.0, h: ArrayLike = 0.0, periodic: Periodic = True) -> Ising:
    """E(s) = -sum_<ij> J_ij s_i s_j - sum_i h_i s_i on the triangular lattice of two sides.

    The bonds of site (x, y) go to (x+1, y), (x, y+1) and (x+1, y+1). Arguments, small sides and errors are
    those of `lattice`.

    >>> import fastgibbs as fg
    >>> frustrated = fg.triangular((3, 3), J=-1.0)
    >>> frustrated.bond_count, fg.exact.spectrum(frustrated).ground_energy
    (27, -9.0)
    """
    return lattice(shape, J, h, periodic, "triangular")


def _around(cell: Cell) -> list[list[tuple[int, tuple[int, ...]]]]:
    """For each site of a cell its neighbours: which site of a cell, and the offset of that cell."""
    around: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in cell.basis]
    for start, end, offset, _ in cell.joined():
        around[start].append((end, offset))
        around[end].append((start, tuple(-x for x in offset)))
    return around


def _alike(sides: tuple[int, ...], cell: Cell) -> bool:
    """Whether all sites of a periodic lattice have the same number of neighbours, none twice, and not themselves."""
    around = _around(cell)
    for site, own in enumerate(around):
        ends = {(end, *(x % side for x, side in zip(offset, sides, strict=True))) for end, offset in own}
        if not len(ends) == len(own) == len(around[0]) or (site, *(0,) * len(sides)) in ends:
            return False
    return bool(around[0])


def _read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array
