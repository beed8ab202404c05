"""The lanes of blocks as chains: who asked for them, side by side, unpacked; and which of their states are distinct."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.types import AnyArray, FloatArray, IntArray, States


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

    Records may be most of what a run holds: no more than those of one block are there twice.
    """
    found, first = np.empty((lanes, draws)), 0
    for index, block in enumerate(blocks):
        rows = getattr(block.record, name)
        members = found[first : first + rows.shape[1]]
        members[:] = rows[:draws].T[: len(members)]
        first += len(members)
        blocks[index] = block._replace(record=block.record._replace(**{name: rows[:0].copy()}))
        del block, rows
    return found


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
