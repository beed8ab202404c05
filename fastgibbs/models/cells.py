"""Cells of lattices: their vectors, sites and bonds, the named ones, and where the sites of a model are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.models import checks
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray, States

Vectors = tuple[tuple[float, ...], ...]
Bond = tuple[int, int, tuple[int, ...], int]
MOST_AXES = 64  # of a NumPy array
_MOST_PAIRS = 2**22  # of sites looked at for neighbour shells
_SAME = 1e-9  # two distances, in units of the larger one


class Cell(checks.Frozen):
    """A lattice is a cell again and again: its sites, shifted by whole numbers of every vector, and bonds between them.

    `vectors`: (axes, dimensions), along which it repeats. `basis`: (sites, dimensions), where the sites of the first
    cell are. `bonds`: of (from, to, offset) or (from, to, offset, kind): a bond of every cell, from its site `from` to
    the site `to` of the cell `offset` further on, a whole number for every axis. The kinds, 0 by default, are 0, 1, ...
    and may have a J each. None: kind k joins all sites that are at the (k+1)-th shortest distance from each other.

    TypeError or ValueError at what no cell has: vectors that depend on each other, sites that are not there, bonds of a
    site to itself or given twice, kinds with gaps.

    >>> import fastgibbs as fg
    >>> lieb = fg.Cell([[2, 0], [0, 2]], [[0, 0], [1, 0], [0, 1]])
    >>> fg.lattice((4, 4), cell=lieb)
    Ising(n=48, bonds=64, fields=0)
    """

    vectors: Vectors
    basis: Vectors
    bonds: tuple[Bond, ...] | None

    def __init__(self, vectors: ArrayLike, basis: ArrayLike, bonds: Sequence[Sequence[Any]] | None = None) -> None:
        along, places = checks.finite_array("vectors", vectors), checks.finite_array("basis", basis)
        if along.ndim != 2 or not 1 <= len(along) <= along.shape[1] <= MOST_AXES:
            raise ValueError(f"vectors has shape {along.shape}: give (axes, dimensions), not more axes than dimensions")
        if np.linalg.matrix_rank(along) < len(along):
            raise ValueError(f"vectors is {checks.shown(vectors)}: give vectors that do not depend on each other")
        if places.ndim != 2 or not len(places) or places.shape[1] != along.shape[1]:
            raise ValueError(f"basis has shape {places.shape}: give (sites, {along.shape[1]}), of one or more sites")
        if len(along) == MOST_AXES and len(places) > 1:
            raise ValueError(f"basis has {len(places)} sites: with {MOST_AXES} axes give 1")
        found = None if bonds is None else _listed(bonds, len(along), len(places))
        self.__setstate__({"vectors": tuples(along), "basis": tuples(places), "bonds": found})

    def __reduce__(self) -> tuple[Any, ...]:
        return Cell, (self.vectors, self.basis, self.bonds)

    def joined(self, shells: int = 1) -> tuple[Bond, ...]:
        """Its bonds; if it says none, those of so many neighbour shells, each in one of its directions.

        >>> import fastgibbs as fg
        >>> square = fg.Cell([[1, 0], [0, 1]], [[0, 0]])
        >>> len(square.joined()), len(square.joined(2))  # sides, and diagonals
        (2, 4)
        """
        if self.bonds is not None:
            return self.bonds
        return _neighbours(np.array(self.vectors), np.array(self.basis), shells)


class Geometry(NamedTuple):
    """Where the sites of a lattice are: those of the cells of a box of `sides`, in C order, the basis running fastest.

    `periods`: the vectors by which the whole lattice repeats, one for each axis; of an open axis, the edge of the box.
    `sites`: int64, which of all these there are, ascending; None if all.
    """

    sides: tuple[int, ...]
    vectors: Vectors
    basis: Vectors
    periods: Vectors
    sites: IntArray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """`sides`, and the number of sites in a cell if there are several."""
        return self.sides if len(self.basis) == 1 else (*self.sides, len(self.basis))

    def positions(self) -> FloatArray:
        """Where the sites are, float64 (n, dimensions)."""
        count = math.prod(self.shape) if self.sites is None else self.sites.size
        checks.require_memory(24 * count * len(self.basis[0]), f"the positions of {count} sites")
        cell, which = np.divmod(np.arange(count) if self.sites is None else self.sites, len(self.basis))
        positions: FloatArray = np.array(self.basis)[which]
        for x, vector in zip(np.unravel_index(cell, self.sides), self.vectors, strict=True):
            positions += x[:, None] * np.array(vector)
        return positions


def located(parts: Any, sites: Any, n: int) -> Geometry:
    """The `Geometry` of a model of n sites from the parts of it: TypeError or ValueError at what has none."""
    if not isinstance(parts, tuple | list) or len(parts) != 4:
        raise TypeError(f"geometry is {checks.shown(parts)}: give sides, vectors, basis and periods")
    sides, vectors, basis, periods = parts
    cell, around = Cell(vectors, basis), checks.finite_array("periods", periods)
    if around.shape != np.shape(cell.vectors):
        raise ValueError(f"periods has shape {around.shape}: give {np.shape(cell.vectors)}, that of vectors")
    if not isinstance(sides, tuple | list) or len(sides) != len(cell.vectors):
        raise ValueError(f"sides is {checks.shown(sides)}: give {len(cell.vectors)}, one for each of vectors")
    own = tuple(checks.integer(f"sides[{axis}]", side) for axis, side in enumerate(sides))
    count = math.prod(own) * len(cell.basis)
    if sites is None:
        if count != n:
            raise ValueError(f"sides is {own}, of cells of {len(cell.basis)} sites: the model has {n}")
        return Geometry(own, cell.vectors, cell.basis, tuples(around))
    places = checks.integers("sites", sites).astype(np.int64)
    if places.shape != (n,) or (n and not (places[0] >= 0 and places[-1] < count and (np.diff(places) > 0).all())):
        raise ValueError(f"sites has shape {places.shape}: give {n} of the {count} sites of the lattice, ascending")
    places.flags.writeable = False
    return Geometry(own, cell.vectors, cell.basis, tuples(around), places)


_FCC = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
_TETRAHEDRON = [(0, 0, 0), (0, 0.25, 0.25), (0.25, 0, 0.25), (0.25, 0.25, 0)]
_TRIANGULAR = np.array([[1, 0], [-0.5, math.sqrt(0.75)]])
# Sides, and the diagonals of every second square, which are of a kind of their own.
_CROSSED = [(0, 1, (0, 0)), (0, 1, (-1, 0)), (0, 1, (0, 1)), (0, 1, (-1, 1)), (0, 0, (0, 1), 1), (1, 1, (1, 0), 1)]


def _together(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    """All sums of one of each, those of one of the first side by side."""
    return [tuple(x + y for x, y in zip(one, other, strict=True)) for one in first for other in second]


def _cubic(a: float, basis: Sequence[Sequence[float]]) -> tuple[FloatArray, FloatArray]:
    return a * np.eye(3), a * np.array(basis)


_NAMED: dict[str, Any] = {
    "chain": (np.eye(1), [[0]]),
    "square": (np.eye(2), [[0, 0]]),
    "cubic": (np.eye(3), [[0, 0, 0]]),
    "triangular": (_TRIANGULAR, [[0, 0]]),
    "honeycomb": (math.sqrt(3) * _TRIANGULAR, [[0, 0], [math.sqrt(0.75), 0.5]]),
    "kagome": (2 * _TRIANGULAR, [[0, 0], [1, 0], [0.5, math.sqrt(0.75)]]),
    "checkerboard": (math.sqrt(2) * np.eye(2), [[0, math.sqrt(0.5)], [math.sqrt(0.5), 0]], _CROSSED),
    "bcc": _cubic(2 / math.sqrt(3), [(0, 0, 0), (0.5, 0.5, 0.5)]),
    "fcc": _cubic(math.sqrt(2), _FCC),
    "diamond": _cubic(4 / math.sqrt(3), _together(_FCC, [(0, 0, 0), (0.25, 0.25, 0.25)])),
    "pyrochlore": _cubic(math.sqrt(8), _together(_FCC, _TETRAHEDRON)),
}


def known(cell: Cell | str, shape: tuple[int, ...], shells: int) -> Cell:
    """A cell, or that of this name, with its bonds: ValueError if it has not as many axes as `shape` has sides."""
    if isinstance(cell, Cell):
        own, name = cell, "the cell"
    else:
        checks.choice("cell", cell, ("hypercubic", *_NAMED))
        own, name = _named(cell, len(shape), shells), f"the {cell} lattice"
    if len(own.vectors) != len(shape):
        raise ValueError(f"shape is {shape}: {name} has {len(own.vectors)} axes, give so many sides")
    return own if own.bonds is not None else Cell(own.vectors, own.basis, own.joined(shells))


@cache
def _named(name: str, axes: int, shells: int) -> Cell:
    if name == "hypercubic":
        eye = np.eye(axes, dtype=int).tolist()
        one = Cell(eye, [[0] * axes], [(0, 0, step) for step in eye] if shells == 1 else None)
    else:
        one = Cell(*_NAMED[name])
    return Cell(one.vectors, one.basis, one.joined(shells))


def two_colours(cell: Cell, sides: tuple[int, ...]) -> States | None:
    """Colours 0 and 1 of a lattice of these sides, two at the ends of each bond, also around axes; None if none are so.

    Of each axis whether colours change from one cell to the next, then the colour of each site of the first cell, int8
    and not to be written to.
    """
    return _two_colours(cell.joined(), len(cell.basis), tuple(side % 2 == 1 for side in sides))


@lru_cache(maxsize=64)
def _two_colours(bonds: tuple[Bond, ...], sites: int, odd: tuple[bool, ...]) -> States | None:
    """For each bond an equation modulo 2, which elimination solves. The first site has colour 0."""
    axes, unknowns = len(odd), len(odd) + sites
    equations = np.zeros((len(bonds), unknowns + 1), np.int8)
    for row, (start, end, offset, _) in zip(equations, bonds, strict=True):
        row[:axes] = [move % 2 for move in offset]
        row[axes + start] ^= 1
        row[axes + end] ^= 1
        row[-1] = 1
    equations[:, [axes, *np.flatnonzero(odd)]] = 0
    pivots: list[int] = []
    for column in range(unknowns):
        pivot = len(pivots)
        below = np.flatnonzero(equations[pivot:, column])
        if below.size:
            equations[[pivot, pivot + below[0]]] = equations[[pivot + below[0], pivot]]
            others = equations[:, column] == 1
            others[pivot] = False
            equations[others] ^= equations[pivot]
            pivots.append(column)
    if equations[len(pivots) :, -1].any():
        return None
    found = np.zeros(unknowns, np.int8)
    found[pivots] = equations[: len(pivots), -1]
    found.flags.writeable = False
    return found


def tuples(array: FloatArray) -> Vectors:
    """The rows of a matrix, of one zero only."""
    return tuple(map(tuple, (array + 0.0).tolist()))


def _listed(bonds: Any, axes: int, sites: int) -> tuple[Bond, ...]:
    """Bonds that somebody gave: TypeError or ValueError at the first that is none, is given twice, or of no kind."""
    if not isinstance(bonds, list | tuple) or not bonds:
        raise TypeError(f"bonds is {checks.shown(bonds)}: give one or more of (from, to, offset) or with a kind")
    found: list[Bond] = []
    seen: dict[tuple[int, int, tuple[int, ...]], int] = {}
    for k, bond in enumerate(bonds):
        name = f"bonds[{k}]"
        if not isinstance(bond, list | tuple) or len(bond) not in (3, 4):
            raise TypeError(f"{name} is {checks.shown(bond)}: give (from, to, offset) or (from, to, offset, kind)")
        start, end = (checks.integer(f"{name}[{e}]", bond[e], -math.inf) for e in (0, 1))
        for e, site in enumerate((start, end)):
            if not 0 <= site < sites:
                raise ValueError(f"{name}[{e}] is {site}: basis has {sites} sites, give 0 to {sites - 1}")
        moves = bond[2].tolist() if isinstance(bond[2], np.ndarray) else bond[2]
        if not isinstance(moves, list | tuple) or len(moves) != axes:
            raise ValueError(f"{name}[2] is {checks.shown(moves)}: give {axes} whole numbers, one for each axis")
        offset = tuple(checks.integer(f"{name}[2][{axis}]", x, -(2**20), 2**20) for axis, x in enumerate(moves))
        if start == end and not any(offset):
            raise ValueError(f"{name} joins site {start} to itself: give bonds between two sites")
        back = end, start, tuple(-x for x in offset)
        other = seen.get((start, end, offset), seen.get(back))
        if other is not None:
            raise ValueError(f"{name} is bonds[{other}] again: give each bond once, in one of its directions")
        seen[start, end, offset] = k
        found.append((start, end, offset, checks.integer(f"{name}[3]", bond[3], 0) if len(bond) == 4 else 0))
    kinds = {bond[3] for bond in found}
    if missing := set(range(len(kinds))) - kinds:
        raise ValueError(f"bonds has no bond of kind {min(missing)}: number kinds 0, 1, ... without gaps")
    return tuple(found)


def _neighbours(vectors: FloatArray, basis: FloatArray, shells: int) -> tuple[Bond, ...]:
    """The bonds between sites at the `shells` shortest distances, kind by kind, each in one direction."""
    inverse = np.linalg.pinv(vectors)
    planes = 1 / np.linalg.norm(inverse, axis=0)  # between neighbouring layers of cells along each axis
    spread = np.ptp(basis @ inverse, axis=0)
    axes, sites = len(vectors), len(basis)
    for reach in itertools.count(1):
        if (2 * reach + 1.0) ** axes * sites**2 > _MOST_PAIRS:
            raise ValueError(
                f"J has {shells} entries: with {axes} axes and {sites} sites in a cell these are too many shells of "
                "neighbours to look for, give the bonds of a cell"
            )
        moves = np.array(list(itertools.product(range(-reach, reach + 1), repeat=axes)))
        start, end, move = (one.ravel() for one in np.indices((sites, sites, len(moves))))
        once = (start < end) | ((start == end) & _ahead(moves)[move])
        start, end, offset = start[once], end[once], moves[move[once]]
        distance = np.linalg.norm(offset @ vectors + basis[end] - basis[start], axis=1)
        order = np.argsort(distance, kind="stable")
        steps = np.diff(distance[order], prepend=-1.0) > _SAME * distance[order]
        shell = np.cumsum(steps)[np.argsort(order, kind="stable")] - 1
        if distance.min() <= _SAME * planes.max():
            pair = distance.argmin()
            raise ValueError(f"basis[{end[pair]}] lies where a site {start[pair]} is: give sites that are apart")
        farthest, unseen = distance[shell < shells].max(), ((reach + 1 - spread) * planes).min()
        if shell.max() >= shells and (1 + _SAME) * farthest < unseen:
            break
    near = np.flatnonzero(shell < shells)
    bonds = [(int(start[b]), int(end[b]), tuple(map(int, offset[b])), int(shell[b])) for b in near]
    return tuple(sorted(bonds, key=lambda bond: (bond[3], *bond[:2], bond[2][::-1])))


def _ahead(moves: AnyArray) -> AnyArray:
    """Whether the first of each row of moves that is not 0 is above 0."""
    first = (moves != 0).argmax(axis=1)
    return moves[np.arange(len(moves)), first] > 0


def couplings(J: Any, bonds: tuple[Bond, ...]) -> FloatArray:
    """J of each bond of a cell: `J` is a number, or has a number, or one for each bond, for each kind."""
    kinds = np.array([bond[3] for bond in bonds])
    if not _several(J):
        return np.full(kinds.size, checks.finite_number("J", J))
    if len(J) != kinds.max() + 1:
        raise ValueError(f"J has {len(J)} entries: give {kinds.max() + 1}, one for each kind of bonds")
    values = np.empty(kinds.size)
    for kind, own in enumerate(J):
        of_kind = np.flatnonzero(kinds == kind)
        given = checks.finite_array(f"J[{kind}]", own)
        if given.shape not in ((), of_kind.shape):
            raise ValueError(
                f"J[{kind}] has shape {given.shape}: give a number, or ({of_kind.size},), one for each bond of the kind"
            )
        values[of_kind] = given
    return values


def shells(J: Any) -> int:
    """How many neighbour shells have a J."""
    if not _several(J):
        return 1
    if not len(J):
        raise ValueError("J is empty: give a number, or one for each kind of bonds")
    return len(J)


def _several(J: Any) -> bool:
    return isinstance(J, list | tuple) or (isinstance(J, np.ndarray) and J.ndim > 0)
