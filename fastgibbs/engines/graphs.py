"""Graphs as the multi-spin engine wants them: lattices cut into strips, cells coloured, sorted and placed."""

from typing import NamedTuple

import numpy as np

from fastgibbs.jit import called, njit
from fastgibbs.models.cells import two_colours
from fastgibbs.models.lattices import Lattice

VECTOR = 8  # words handled at once; cells of a group are filled up to a multiple, so that a vector lies in one group
MOST_COLOURS = 128  # numbers of 8 bits
_CHUNK = 2**17  # cells laid out at once, so that a giant lattice needs little more memory than its spins


class Cells(NamedTuple):
    """A model's sites, or the cells of a lattice cut into strips: cell q of strip t is site t * n / strips + q."""

    indptr: np.ndarray  # int64 (cells + 1,)
    neighbors: np.ndarray  # int32 (entries + 1,): cells; at the end -1, the neighbour that is missing
    shifts: np.ndarray  # int8 (entries + 1,): how many strips further on the neighbour lies, modulo strips
    negative: np.ndarray  # bool (rows, entries + 1): J < 0, of every strip of every distinct model
    row: np.ndarray  # int64 (lanes,): that of lane k is row[k % lanes]

    @property
    def slots(self) -> int:
        """Room for neighbours: their largest number, rounded up to an even one."""
        return -(-int(np.diff(self.indptr).max(initial=1)) // 2) * 2

    def degrees(self) -> np.ndarray:
        """How many neighbours each cell has."""
        return np.diff(self.indptr).astype(np.int8)

    def colours(self) -> np.ndarray:
        """The colour of each cell, int8 (cells,): ValueError unless those of neighbours differ."""
        count = self.indptr.size - 1
        colour = np.full(count, -1, np.int8)
        clash = colours(self.indptr, self.neighbors, colour, np.empty(count, np.int32))
        if clash >= 0:
            raise ValueError(
                f"cell {clash} has no colour that differs from those of its neighbours: they would move at once"
            )
        return colour

    def seam(self) -> np.ndarray:
        """The cells with a neighbour in another strip."""
        return np.unique(np.searchsorted(self.indptr, np.flatnonzero(self.shifts), "right") - 1)

    def rows(self, cells) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours (cells, slots), -1 where there is none, and how many strips further on they lie."""
        entries = self._entries(cells)
        return self.neighbors[entries], self.shifts[entries]

    def signs(self, cells, rows) -> np.ndarray:
        """Whether J < 0 in these rows, bool (rows, cells, slots)."""
        return self.negative[rows[:, None, None], self._entries(cells)]

    def _entries(self, cells):
        entries = self.indptr[cells][:, None] + np.arange(self.slots)
        return np.where(entries < self.indptr[cells + 1][:, None], entries, -1)


class Box(NamedTuple):
    """The cells of a uniform lattice of two colours, which follow from their number: nothing is stored.

    `odd`: int8, for each axis whether the colour changes from one cell of the lattice to the next, then the colour of
    each site of the first one.
    """

    lattice: Lattice
    strips: int
    odd: np.ndarray

    @classmethod
    def of(cls, model, strips):
        """The cells of a model, if it is such a lattice and its strips are too; otherwise None."""
        if not isinstance(model, Lattice) or model.sides[0] % strips:
            return None
        odd = two_colours(model.cell, (model.sides[0] // strips, *model.sides[1:]))
        return None if odd is None else cls(model, strips, odd)

    @property
    def count(self) -> int:
        """The number of cells."""
        return self.lattice.n // self.strips

    @property
    def slots(self) -> int:
        """Room for neighbours: their number, rounded up to an even one."""
        return -(-self.lattice.degree // 2) * 2

    @property
    def negative(self) -> np.ndarray:
        """J < 0, the same for all bonds, bool (1, 1)."""
        return np.array([[self.lattice.J < 0]])

    @property
    def row(self) -> np.ndarray:
        """That of all lanes."""
        return np.zeros(1, np.int64)

    def degrees(self) -> np.ndarray:
        """How many neighbours each cell has."""
        return np.full(self.count, self.lattice.degree, np.int8)

    def colours(self) -> np.ndarray:
        """The colour of each cell, int8 (cells,)."""
        colour, sides = np.zeros(1, np.int8), self.lattice.sides
        for side, odd in zip((sides[0] // self.strips, *sides[1:]), self.odd, strict=False):
            colour = (colour[:, None] ^ (np.arange(side) % 2 * odd).astype(np.int8)).ravel()
        return (colour[:, None] ^ self.odd[len(sides) :]).ravel()

    def seam(self) -> np.ndarray:
        """The cells with a neighbour in another strip: those of the first and of the last layers."""
        reach = max(abs(offset[0]) for _, _, offset, _ in self.lattice.cell.bonds) if self.strips > 1 else 0
        edge = min(reach * (self.lattice.n // self.lattice.sides[0]), self.count)
        return np.unique(np.concatenate([np.arange(edge), np.arange(self.count - edge, self.count)]))

    def rows(self, cells) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours (cells, slots), -1 where there is none, and how many strips further on they lie."""
        strip, neighbors = np.divmod(self.lattice.neighbors(cells), self.count)
        missing = (0, 0), (0, self.slots - self.lattice.degree)
        return np.pad(neighbors, missing, constant_values=-1), np.pad(strip, missing)

    def signs(self, cells, rows) -> np.ndarray:
        """Whether J < 0, bool (rows, cells, slots)."""
        there = np.arange(self.slots) < self.lattice.degree
        return np.broadcast_to(self.negative & there, (rows.size, cells.size, self.slots))


def coloured_order(model, strips: int, free) -> np.ndarray:
    """The sites that are visited, colour by colour, int64."""
    per_strip = model.n // strips
    of_cells = np.argsort(cells([model], strips).colours(), kind="stable")
    order = (of_cells[:, None] + per_strip * np.arange(strips)).ravel()
    return order if free is None else order[np.isin(order, free)]


def cells(models: list, strips: int = 1) -> Cells | Box:
    """The cell graph of Ising models that differ in signs alone: ValueError if it cannot be cut into so many strips."""
    model = models[0]
    box = Box.of(model, strips) if len(models) == 1 else None
    if box is not None:
        return box
    distinct = {id(one): one for one in models}  # of chains by the hundred that share a model
    number = {of: k for k, of in enumerate(distinct)}
    row = np.array([number[id(one)] for one in models])[:, None] * strips + np.arange(strips)
    negative = np.array([one.couplings < 0 for one in distinct.values()])
    if strips == 1:
        shifts = np.zeros(model.indices.size + 1, np.int8)
        neighbors = np.append(model.indices, np.int32(-1))
        return Cells(model.indptr, neighbors, shifts, np.pad(negative, ((0, 0), (0, 1))), row.ravel())
    key, order = _entries_by_strip(model, strips)
    target, shift = np.divmod(key, strips)
    count = model.n // strips
    negative = negative.reshape(len(distinct), strips, -1)
    negative = np.take_along_axis(negative, order[None], axis=2).reshape(len(distinct) * strips, -1)
    return Cells(
        model.indptr[: count + 1],
        np.append(target % count, -1).astype(np.int32),
        np.append(shift, 0).astype(np.int8),
        np.pad(negative, ((0, 0), (0, 1))),
        row.ravel(),
    )


def _entries_by_strip(model, strips):
    """(row * cells + neighbour) * strips + shift of a strip's entries, ascending, and their order in each strip.

    ValueError unless the strips all look alike, and no cell is its own neighbour in another one: strips move together.
    """
    count, rest = divmod(model.n, strips)
    if rest or not count:
        raise ValueError(f"strips is {strips}: {model.n} sites make no {strips} equal strips")
    alike = ValueError(f"strips is {strips}: the strips of this lattice do not all look alike")
    degrees = np.diff(model.indptr)
    if (degrees.reshape(strips, count) != degrees[:count]).any():
        raise alike
    site = np.repeat(np.arange(model.n), degrees)
    if ((model.indices - site) % count == 0).any():
        raise ValueError(f"strips is {strips}: sites would be neighbours of themselves in other strips")
    shift = (model.indices // count - site // count) % strips
    key = ((site % count * count + model.indices % count) * strips + shift).reshape(strips, -1)
    order = np.argsort(key, axis=1, kind="stable")
    key = np.take_along_axis(key, order, axis=1)
    if (key != key[0]).any():
        raise alike
    return key[0], order


@njit
def colours(indptr, neighbors, colour, queue):
    """Colour a graph, neighbours differently: with two colours if possible, otherwise greedily.

    `colour` int8 (cells,) holds -1 at first and the colours at the end; `queue` int32 (cells,) is room to work in.
    Returns a cell without a colour that its neighbours have not, or -1 if there is none.
    """
    if not _colour_in_two(indptr, neighbors, colour, queue):
        _colour_greedily(indptr, neighbors, colour, queue)
    for cell in range(colour.size):
        if colour[cell] < 0:  # more colours than int8 holds
            return cell
        for k in range(indptr[cell], indptr[cell + 1]):
            if colour[neighbors[k]] == colour[cell]:
                return cell
    return -1


@called
def _colour_in_two(indptr, neighbors, colour, queue):
    """Colour every connected part with 0 and 1, its first cell with 0; False as soon as that fails."""
    for root in range(colour.size):
        if colour[root] >= 0:
            continue
        colour[root] = 0
        queue[0] = root
        begin, end = 0, 1
        while begin < end:
            cell = queue[begin]
            begin += 1
            for k in range(indptr[cell], indptr[cell + 1]):
                neighbor = neighbors[k]
                if colour[neighbor] < 0:
                    colour[neighbor] = 1 - colour[cell]
                    queue[end] = neighbor
                    end += 1
                elif colour[neighbor] == colour[cell]:
                    return False
    return True


@called
def _colour_greedily(indptr, neighbors, colour, seen):
    """Every cell in turn takes the lowest colour that no neighbour has; `seen`: the last cell next to each colour."""
    colour[:] = -1
    seen[:] = -1
    for cell in range(colour.size):
        for k in range(indptr[cell], indptr[cell + 1]):
            if colour[neighbors[k]] >= 0:
                seen[colour[neighbors[k]]] = cell
        lowest = 0
        while seen[lowest] == cell:
            lowest += 1
        colour[cell] = lowest


class Layout(NamedTuple):
    """Where every cell lies, colour by colour and degree by degree.

    Positions: the cells with the dummies that fill up groups, then ghosts - copies of cells seen from the next strip,
    lanes shifted -, then VECTOR positions that are always zero, for neighbours that are missing.
    """

    graph: Cells | Box
    strips: int
    position: np.ndarray  # int32 (cells,)
    cell: np.ndarray  # int32 (positions of cells and dummies,): -1 in a dummy
    groups: np.ndarray  # int64 (groups, 5): first position, end, degree, colour, cells
    swept: int  # colours that sweeps update: all, or all but the last one, of the cells that are not free
    ghost_keys: np.ndarray  # int64 (true ghosts,): colour, shift and position of the original in one, ascending
    ghost_places: np.ndarray  # int64 (true ghosts,): positions
    ghosts: np.ndarray  # int64 (ghosts, 3): colour, shift, position of the original; whole vectors a colour
    size: int  # positions in all

    def neighbors(self, first: int, last: int) -> np.ndarray:
        """The positions of the neighbours of positions `first` ... `last - 1`, int32 (positions, slots)."""
        cells = self.cell[first:last]
        rows, shifts = self.graph.rows(np.maximum(cells, 0))
        targets = self.position[rows]
        seam = shifts != 0
        if seam.any():
            colour = np.searchsorted(self.colour_ends, targets[seam], "right")
            key = (colour * self.strips + shifts[seam]) * self.cell.size + targets[seam]
            targets[seam] = self.ghost_places[np.searchsorted(self.ghost_keys, key)]
        missing = (rows < 0) | (cells < 0)[:, None]
        zeros = self.size - VECTOR + np.arange(first, last) % VECTOR
        return np.where(missing, zeros[:, None], targets).astype(np.int32)

    def signs(self, first: int, last: int, rows) -> np.ndarray:
        """Whether J < 0 at positions `first` ... `last - 1` in these rows, bool (rows, positions, slots)."""
        cells = self.cell[first:last]
        return self.graph.signs(np.maximum(cells, 0), rows) & (cells >= 0)[:, None]

    @property
    def colour_ends(self) -> np.ndarray:
        """Where each colour's positions end, int64 (colours,)."""
        last = np.diff(self.groups[:, 3], append=-1) != 0
        return self.groups[last, 1]


def layout(graph: Cells | Box, strips: int, free=None) -> Layout:
    """Sort cells by (colour, degree, index), place them, and find out which ghosts their neighbours need.

    Cells other than `free`, if that is not None, have a colour of their own, the last one.
    """
    degree, colour = graph.degrees(), graph.colours()
    swept = int(colour.max(initial=-1)) + 1
    if free is not None:
        frozen = np.ones(colour.size, bool)
        frozen[free] = False
        colour[frozen] = swept
        swept = np.unique(colour[free]).size
        colour = np.unique(colour, return_inverse=True)[1].astype(np.int8)
    kinds = [(c, d) for c in range(colour.max(initial=-1) + 1) for d in range(degree.max(initial=0) + 1)]
    position = np.empty(degree.size, np.int32)
    cell = np.full(degree.size + VECTOR * len(kinds), -1, np.int32)
    groups, end = [], 0
    for c, d in kinds:
        members = np.flatnonzero((colour == c) & (degree == d))
        if members.size:
            first, end = end, end - (-members.size // VECTOR) * VECTOR
            position[members] = np.arange(first, first + members.size, dtype=np.int32)
            cell[first : first + members.size] = members
            groups.append((first, end, d, c, members.size))
    seam = graph.seam()
    rows, shifts = graph.rows(seam)
    crossing = shifts != 0
    key = (colour[rows[crossing]].astype(np.int64) * strips + shifts[crossing]) * end + position[rows[crossing]]
    keys = np.unique(key)
    counts = np.bincount(keys // max(end * strips, 1))
    filled = -(-counts // VECTOR) * VECTOR  # each colour's ghosts are whole vectors too
    places = np.arange(keys.size) + np.repeat(np.cumsum(filled - counts) - filled + counts, counts)
    zeros = end + int(filled.sum())
    ghosts = np.empty((filled.sum(), 3), np.int64)
    ghosts[:, 0] = np.repeat(np.arange(filled.size), filled)
    ghosts[:, 1:] = 1, zeros
    ghosts[places, 1:] = np.column_stack([keys // max(end, 1) % strips, keys % max(end, 1)])
    return Layout(
        graph,
        strips,
        position,
        cell[:end],
        np.array(groups, np.int64).reshape(-1, 5),
        swept,
        keys,
        end + places,
        ghosts,
        zeros + VECTOR,
    )


def runs(place: Layout, words: int) -> tuple[np.ndarray, np.ndarray]:
    """For each vector and slot where the eight neighbour words begin, or -1 - where they are listed; and the list."""
    if place.size * words >= 2**31:
        raise ValueError(f"the model has {place.position.size} cells: at most {2**31 // words} fit into one block")
    each = VECTOR // words
    steps = np.arange(each, dtype=np.int32)[:, None]
    begins, listed, entries = [], [np.empty(0, np.int32)], 0
    for first in range(0, place.cell.size, _CHUNK):
        together = place.neighbors(first, min(first + _CHUNK, place.cell.size))
        together = together.reshape(-1, each, together.shape[1])
        vector, slot = np.nonzero((together != together[:, :1] + steps).any(axis=1))
        begin = together[:, 0] * np.int32(words)
        begin[vector, slot] = -1 - VECTOR * (entries + np.arange(vector.size))
        entries += vector.size
        begins.append(begin.ravel())
        apart = together[vector, :, slot][:, :, None] * words + np.arange(words, dtype=np.int32)
        listed.append(apart.astype(np.int32).ravel())
    return np.concatenate(begins or [np.empty(0, np.int32)]), np.concatenate(listed)


def signs(place: Layout, lanes: range) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and words of negative couplings, of which at most one is not empty."""
    words, negative = len(lanes) // 64, place.graph.negative
    nothing = np.empty(0, np.uint8), np.empty(0, np.uint64)
    if not negative.any():
        return nothing
    if (negative == negative[0]).all():
        parts = []
        for first in range(0, place.cell.size, _CHUNK):
            of_cells = place.signs(first, first + _CHUNK, np.zeros(1, np.int64))[0]
            eight = np.repeat(of_cells.reshape(-1, VECTOR // words, of_cells.shape[1]), words, axis=1)
            parts.append(np.packbits(eight, axis=1, bitorder="little").ravel())
        return np.concatenate(parts), nothing[1]
    row = place.graph.row
    rows, of_lane = np.unique(row[np.arange(lanes.start, lanes.stop) % row.size], return_inverse=True)
    of_cells = place.signs(0, place.cell.size, rows)
    columns = [
        np.packbits(np.moveaxis(of_cells[of_lane[64 * w : 64 * (w + 1)]], 0, 2), axis=2, bitorder="little").view("<u8")
        for w in range(words)
    ]
    by_site = np.concatenate(columns, axis=2).reshape(-1, VECTOR // words, of_cells.shape[2], words)
    return nothing[0], by_site.swapaxes(1, 2).ravel().astype(np.uint64)


def unturned_lanes(shifts: np.ndarray, strips: int) -> np.ndarray:
    """Words of the lanes whose strip plus the shift stays below the number of strips."""
    lanes = np.arange(64) % strips < strips - shifts[:, None]
    return np.packbits(lanes, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64)
