"""Graphs as the multi-spin engine wants them: lattices cut into strips, cells coloured, sorted and placed."""

from typing import NamedTuple

import numpy as np

from fastgibbs.jit import inlined, njit

VECTOR = 8  # words handled at once; cells of a group are filled up to a multiple, so that a vector lies in one group


class Cells(NamedTuple):
    """A model's sites, or the cells of a lattice cut into strips: cell q of strip t is site t * n / strips + q."""

    indptr: np.ndarray  # int64 (cells + 1,)
    neighbors: np.ndarray  # int32 (entries,): cells
    shifts: np.ndarray  # int32 (entries,): how many strips further on the neighbour lies, modulo strips
    negative: np.ndarray  # bool (strips or models, entries): J < 0


class Layout(NamedTuple):
    """Where every cell lies, colour by colour and degree by degree, and which positions its neighbours have.

    Positions: the cells with the dummies that fill up groups, then ghosts - copies of cells seen from the next strip,
    lanes shifted -, then VECTOR positions that are always zero, for neighbours that are missing.
    """

    strips: int
    position: np.ndarray  # int64 (cells,)
    occupied: np.ndarray  # bool (positions of cells and dummies,)
    groups: np.ndarray  # int64 (groups, 4): first position, end, degree, colour
    neighbors: np.ndarray  # int32 (positions, largest degree)
    negative: np.ndarray  # bool (strips or models, positions, largest degree)
    ghosts: np.ndarray  # int64 (ghosts, 3): colour, shift, position of the original; sorted, whole vectors a colour
    size: int  # positions in all


def cells(model, strips: int = 1) -> Cells:
    """The cell graph of an Ising model; ValueError if the strips of its lattice do not all look alike."""
    if strips == 1:
        shifts = np.zeros(model.indices.size, np.int32)
        return Cells(model.indptr, model.indices, shifts, (model.couplings < 0)[None])
    count = model.n // strips
    strip = np.repeat(np.arange(model.n) // count, np.diff(model.indptr))
    shifts = (model.indices // count - strip) % strips
    neighbors = model.indices % count
    rows = np.repeat(np.arange(model.n) % count, np.diff(model.indptr))
    per_strip = np.bincount(strip, minlength=strips)
    if (per_strip != per_strip[0]).any():
        raise ValueError(f"strips is {strips}: the strips of this lattice do not all look alike")
    key = ((rows * count + neighbors) * strips + shifts).reshape(strips, -1)
    order = np.argsort(key, axis=1, kind="stable")
    key = np.take_along_axis(key, order, axis=1)
    if (key != key[0]).any():
        raise ValueError(f"strips is {strips}: the strips of this lattice do not all look alike")
    first = order[0]
    negative = np.take_along_axis((model.couplings < 0).reshape(strips, -1), order, axis=1)
    return Cells(
        model.indptr[: count + 1],
        neighbors[first].astype(np.int32),
        shifts[first].astype(np.int32),
        negative,
    )


@njit
def colours(indptr, neighbors, colour, queue):
    """Colour a graph, neighbours differently: with two colours if possible, otherwise greedily.

    `colour` int8 (cells,) holds -1 at first and the colours at the end; `queue` int32 (cells,) is room to work in.
    """
    count = colour.size
    for root in range(count):
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
                    _colour_greedily(indptr, neighbors, colour)
                    return


@inlined
def _colour_greedily(indptr, neighbors, colour):
    colour[:] = -1
    for cell in range(colour.size):
        taken = 0
        for k in range(indptr[cell], indptr[cell + 1]):
            if colour[neighbors[k]] >= 0:
                taken |= 1 << colour[neighbors[k]]
        while taken >> (colour[cell] + 1) & 1:
            colour[cell] += 1
        colour[cell] += 1


def layout(graph: Cells, strips: int) -> Layout:
    """Sort cells by (colour, degree, index), place them, and give every position its neighbours' positions."""
    count = graph.indptr.size - 1
    degree = np.diff(graph.indptr)
    colour = np.full(count, -1, np.int8)
    colours(graph.indptr, graph.neighbors, colour, np.empty(count, np.int32))
    colour = colour.astype(np.int64)
    order = np.lexsort((np.arange(count), degree, colour))
    kind = colour[order] * (degree.max(initial=0) + 1) + degree[order]
    starts = np.flatnonzero(np.diff(kind, prepend=-1))
    sizes = np.diff(starts, append=count)
    padded = -(-sizes // VECTOR) * VECTOR
    firsts = np.concatenate([[0], np.cumsum(padded)]).astype(np.int64)
    position = np.empty(count, np.int64)
    position[order] = np.arange(count) + np.repeat(firsts[:-1] - starts, sizes)
    groups = np.column_stack([firsts[:-1], firsts[1:], degree[order[starts]], colour[order[starts]]]).astype(np.int64)
    occupied = np.zeros(firsts[-1], bool)
    occupied[position] = True

    seam = graph.shifts != 0
    targets = position[graph.neighbors]
    ghost_key = (colour[graph.neighbors[seam]] * strips + graph.shifts[seam]) * occupied.size + targets[seam]
    keys, ghost = np.unique(ghost_key, return_inverse=True)
    of_colour = keys // (occupied.size * strips)
    counts = np.bincount(of_colour)
    filled = -(-counts // VECTOR) * VECTOR  # each colour's ghosts are whole vectors too
    places = np.arange(keys.size) + (np.cumsum(filled - counts) - filled + counts)[of_colour]
    zeros = occupied.size + filled.sum()
    ghosts = np.empty((filled.sum(), 3), np.int64)
    ghosts[:, 0] = np.repeat(np.arange(filled.size), filled)
    ghosts[:, 1:] = 1, zeros
    ghosts[places, 1:] = np.column_stack([keys // occupied.size % strips, keys % occupied.size])
    targets[seam] = occupied.size + places[ghost]

    rows = np.repeat(position, degree)
    slots = np.arange(graph.neighbors.size) - np.repeat(graph.indptr[:-1], degree)
    shape = (occupied.size, max(1, degree.max(initial=0)))
    neighbors = np.broadcast_to((zeros + np.arange(occupied.size) % VECTOR)[:, None], shape).astype(np.int32)
    neighbors[rows, slots] = targets
    negative = np.zeros((len(graph.negative), *shape), bool)
    negative[:, rows, slots] = graph.negative
    return Layout(strips, position, occupied, groups, neighbors, negative, ghosts, zeros + VECTOR)


def runs(neighbors: np.ndarray, words: int) -> tuple[np.ndarray, np.ndarray]:
    """For each vector and slot where the eight neighbour words begin, or -1 - where they are listed; and the list."""
    if neighbors.max(initial=0) * words >= 2**31:
        raise ValueError(f"the model has {len(neighbors)} sites: at most {2**31 // words} fit into one block")
    together = neighbors.reshape(-1, VECTOR // words, neighbors.shape[1])
    steps = np.arange(VECTOR // words, dtype=np.int32)[:, None]
    vector, slot = np.nonzero((together != together[:, :1] + steps).any(axis=1))
    listed = together[vector, :, slot][:, :, None] * words + np.arange(words, dtype=np.int32)
    runs = together[:, 0] * np.int32(words)
    runs[vector, slot] = -1 - VECTOR * np.arange(vector.size)
    return runs.ravel(), listed.astype(np.int32).ravel()


def signs(place: Layout, lanes: range) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and words of negative couplings, of which at most one is not empty."""
    negative, words = place.negative, len(lanes) // 64
    degree, vectors = negative.shape[2], negative.shape[1] * words // VECTOR
    nothing = np.empty(0, np.uint8), np.empty(0, np.uint64)
    if not negative.any():
        return nothing
    if (negative == negative[0]).all():
        eight = np.repeat(negative[0].reshape(vectors, -1, degree), words, axis=1)
        return np.packbits(eight, axis=1, bitorder="little").ravel(), nothing[1]
    of_lane = np.arange(lanes.start, lanes.stop)
    of_lane = of_lane % len(negative) if place.strips > 1 else np.minimum(of_lane, len(negative) - 1)
    columns = [
        np.packbits(np.moveaxis(negative[of_lane[64 * w : 64 * (w + 1)]], 0, 2), axis=2, bitorder="little").view("<u8")
        for w in range(words)
    ]
    by_site = np.concatenate(columns, axis=2).reshape(vectors, -1, degree, words)
    return nothing[0], by_site.swapaxes(1, 2).ravel().astype(np.uint64)


def unturned_lanes(shifts: np.ndarray, strips: int) -> np.ndarray:
    """Words of the lanes whose strip plus the shift stays below the number of strips."""
    lanes = np.arange(64) % strips < strips - shifts[:, None]
    return np.packbits(lanes, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64)
