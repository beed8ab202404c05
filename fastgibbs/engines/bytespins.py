"""What engines share that keep a spin a byte: arrays int8 (n, lanes), or float32, lanes a multiple of 16."""

import numpy as np
from numba import types

from fastgibbs.engines.vectors import LANE_GROUP as WIDTH
from fastgibbs.engines.vectors import bitcast, bits, convert, full, load, store
from fastgibbs.jit import by_types, called


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
def sum_spins(spins, sums):
    """Write the sum of every lane's spins, float64 (lanes,)."""
    n, lanes = spins.shape
    for lane in range(0, lanes, WIDTH):
        total = full(0, np.int64, WIDTH)
        for i in range(n):
            total = total + convert(load(spins, i * lanes + lane, WIDTH), np.int64)
        store(sums, lane, convert(total, np.float64))


@by_types
def merged(one, other, chosen):
    """Lanes of `one` where `chosen`, uint8 lanes, is 1, of `other` where it is 0."""
    of_bits, of_spins = (np.int32, np.float32) if one.dtype is types.float32 else (np.int8, np.int8)

    def by_bits(one, other, chosen):
        # in place of a choice, which LLVM would make a masked store, slow on half the machines
        a, b = bitcast(one, of_bits), bitcast(other, of_bits)
        return bitcast(b ^ ((a ^ b) & (convert(chosen, of_bits) * -1)), of_spins)

    return by_bits


@called
def copy_lanes(spins, kept, better):
    """What `contract.retain` does."""
    n, lanes = spins.shape
    for lane in range(0, lanes, WIDTH):
        copied = load(better, lane, WIDTH)
        for place in range(lane, n * lanes if bits(copied > 0) > 0 else 0, lanes):
            store(kept, place, merged(load(spins, place, WIDTH), load(kept, place, WIDTH), copied))


def start_spins(n: int, lanes: int, ups) -> np.ndarray:
    """Spins of a block, int8 (n, lanes), from the parts that `start` of an engine is given; up where they end."""
    return fill_spins(np.empty((n, lanes), np.int8), ups)


def fill_spins(spins: np.ndarray, ups) -> np.ndarray:
    """The same, written to an array (n, lanes) of any type, which is returned."""
    spins[:] = 1
    for first, part in ups:
        spins[first : first + part.shape[1], : len(part)] = part.T
    spins *= 2
    spins -= 1
    return spins
