"""What engines share that keep a spin a byte: arrays int8 (n, lanes), lanes a multiple of 16."""

import numpy as np

from fastgibbs.engines.vectors import LANE_GROUP as WIDTH
from fastgibbs.engines.vectors import bits, load, select, store
from fastgibbs.jit import called


@called
def pack(spins, words):
    """What `contract.snapshot` does."""
    n, lanes = spins.shape
    for i in range(n):
        for lane in range(0, lanes, WIDTH):
            words[i, lane // WIDTH] = bits(load(spins, i * lanes + lane, WIDTH) > 0)


@called
def unpack(words, spins):
    """What `contract.restore` does."""
    n, lanes = spins.shape
    for i in range(n):
        for lane in range(lanes):
            spins[i, lane] = 2 * ((words[i, lane >> 4] >> (lane & 15)) & 1) - 1


@called
def copy_lanes(spins, kept, better):
    """What `contract.retain` does."""
    n, lanes = spins.shape
    for lane in range(0, lanes, WIDTH):
        copied = load(better, lane, WIDTH) > 0
        for place in range(lane, n * lanes if bits(copied) > 0 else 0, lanes):
            store(kept, place, select(copied, load(spins, place, WIDTH), load(kept, place, WIDTH)))


def start_spins(n: int, lanes: int, ups) -> np.ndarray:
    """Spins of a block, int8 (n, lanes), from the parts that `start` of an engine is given; up where they end."""
    spins = np.ones((n, lanes), np.int8)
    for first, part in ups:
        spins[first : first + part.shape[1], : len(part)] = part.T
    spins *= 2
    spins -= 1
    return spins
