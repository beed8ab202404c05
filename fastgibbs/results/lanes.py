"""The lanes of blocks as chains: who asked for them, side by side, unpacked; and which of their states are distinct."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.types import AnyArray, FloatArray, IntArray, States

_LARGE, _PARTS = 2**20, 16  # bytes of records that are turned in place, in so many parts


class Left(NamedTuple):
    """Where a run has left a block of lanes, for another to go on from there."""

    lanes: int
    done: int  # sweeps of this run and of those before it
    arrays: dict[str, AnyArray]  # states, random streams and places, by name


def by_lane(blocks: list[AnyArray], lanes: int) -> AnyArray:
    """Arrays (rows, lanes) of all blocks as one (lanes, rows), without the lanes that nobody asked for."""
    found = np.empty((lanes, blocks[0].shape[0]), blocks[0].dtype)
    first = 0
    for block in blocks:
        members = found[first : first + block.shape[1]]
        members[:] = block.T[: len(members)]
        first += len(members)
    return found


def taken(blocks: list[Any], name: str, draws: int, lanes: int) -> FloatArray:
    """`by_lane` of what all blocks have recorded under a name, (lanes, draws): each lets go of it.

    Records may be most of what a run holds: no more than a lane of them is there twice, and a part of one block's.
    """
    if len(blocks) == 1 and getattr(blocks[0].record, name).nbytes > _LARGE:
        return turned(_let_go(blocks, 0, name)[:draws])[:lanes]
    found, first = np.empty((lanes, draws)), 0
    for index in range(len(blocks)):
        rows = _let_go(blocks, index, name)
        last = min(first + rows.shape[1], lanes)
        if rows.nbytes > _LARGE:
            turned(rows[:draws])
            for lane in range(last - first - 1, -1, -1):
                found[first + lane] = rows.reshape(-1)[lane * draws : (lane + 1) * draws]
                with suppress(ValueError):  # somebody else looks at them
                    rows.resize(lane * draws)
        else:
            found[first:last] = rows[:draws, : last - first].T
        first = last
    return found


def _let_go(blocks: list[Any], index: int, name: str) -> FloatArray:
    """What a block has recorded under a name, which it holds no more."""
    record = blocks[index].record
    rows: FloatArray = getattr(record, name)
    blocks[index] = blocks[index]._replace(record=record._replace(**{name: rows[:0].copy()}))
    return rows


def turned(rows: FloatArray) -> FloatArray:
    """Contiguous rows (draws, lanes) as (lanes, draws), in the memory that they have, which is overwritten.

    Each of _PARTS parts of the rows is turned alone; the pieces of lanes change places, and make room for what is left
    over.
    """
    draws, lanes = rows.shape
    flat, size = rows.reshape(-1), draws // _PARTS
    rest = rows[_PARTS * size :].T.copy()
    for part in flat[: _PARTS * size * lanes].reshape(_PARTS, -1):
        part.reshape(lanes, size)[:] = part.reshape(size, lanes).T.copy()
    pieces = flat[: _PARTS * size * lanes].reshape(_PARTS * lanes, size)
    comes_from = np.arange(len(pieces)).reshape(_PARTS, lanes).T.ravel()
    left = set(range(len(pieces)))
    while left:  # one cycle after the other
        first = place = left.pop()
        held = pieces[first].copy()
        while (source := int(comes_from[place])) != first:
            pieces[place] = pieces[source]
            left.remove(source)
            place = source
        pieces[place] = held
    for lane in range(lanes - 1, -1, -1):
        for number in range(_PARTS - 1, -1, -1):
            begin = lane * draws + number * size
            flat[begin : begin + size] = pieces[lane * _PARTS + number]
        flat[(lane + 1) * draws - rest.shape[1] : (lane + 1) * draws] = rest[lane]
    return flat.reshape(lanes, draws)


def unpacked(packed: list[AnyArray], lanes: int) -> States:
    """Packed spins of all blocks, uint16 (draws, sites of a lane, lanes // 16), as int8 (lanes, draws x sites)."""
    ones = [np.unpackbits(words.view(np.uint8), axis=2, bitorder="little").view(np.int8) for words in packed]
    return 2 * by_lane([block.reshape(-1, block.shape[2]) for block in ones], lanes) - 1


def joined(lanes: AnyArray, chains: int, strips: int, draws: tuple[int, ...] = ()) -> AnyArray:
    """Spins (lanes, draws x sites of a lane) as (chains, *draws, n), the strips of a chain side by side."""
    of_strips = lanes.reshape(chains, strips, *draws, -1)
    return np.moveaxis(of_strips, 1, -2).reshape(chains, *draws, -1)


def distinct(states: States) -> tuple[IntArray, IntArray, IntArray]:
    """Where each distinct row of states (k, n) stands first, in lexicographic order; which it is, and how often it is.

    Int64 (distinct,), (k,) and (distinct,), as of `numpy.unique`, which takes longer than many a run.
    """
    keys = [row.tobytes() for row in np.packbits(states > 0, axis=1)]
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    numbers = {key: number for number, key in enumerate(sorted(first))}
    which = np.array([numbers[key] for key in keys], np.int64)
    return np.array([first[key] for key in numbers], np.int64), which, np.bincount(which, minlength=len(numbers))
