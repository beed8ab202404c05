"""A population of chains resampled by weights: how many copies of each, and states carried between lanes and blocks."""

import math

import numpy as np

from fastgibbs.engines.arithmetic import exp64
from fastgibbs.engines.drivers import driver
from fastgibbs.engines.entries import restore, snapshot
from fastgibbs.jit import njit


@njit
def weigh(energies, least, gap, weights):
    """Write w_r = exp(-gap (E_r - E_0)), float64 (reads,), E_0 the `least` energy; their sum, one after the other."""
    total = 0.0
    for read in range(energies.size):
        weights[read] = exp64(max(-gap * (energies[read] - least), -700.0))
        total += weights[read]
    return total


@njit
def choose(weights, total, uniform, order, sources):
    """Write of each read the one whose state it takes, int64 (reads,), by systematic resampling in an order of reads.

    The r-th in order has floor(c_r + u) - floor(c_{r-1} + u) copies, c_r = R (w_1 + ... + w_r) / sum w, and one u for
    all: R w_r / sum w in the mean. Who has any stays where it is; copies beyond the first go to those who have none.
    """
    reads, summed, before = weights.size, 0.0, 0
    for place in range(reads):
        read = order[place]
        summed += weights[read]
        upto = min(np.int64(math.floor(reads * (summed / total) + uniform)), reads)
        if place == reads - 1:
            upto = reads
        sources[read] = upto - before
        before = upto
    free = 0
    for read in range(reads):  # of each its number of copies, until it is known to whom they go: then -1 - the source
        copies = sources[read]
        if copies > 0:
            sources[read] = -1 - read
        for _ in range(1, copies):
            while sources[free] != 0:
                free += 1
            sources[free] = -1 - read
    for read in range(reads):
        sources[read] = -1 - sources[read]


@njit
def move(words, sources, takers):
    """Give each lane the spins of its source, in the words of snapshots, uint16 (n, groups); sources keep their own.

    `takers`, int64 (lanes,), is scratch.
    """
    count = 0
    for lane in range(sources.size):
        if sources[lane] != lane:
            takers[count] = lane
            count += 1
    for site in range(len(words)):
        for k in range(count):
            lane = takers[k]
            source = sources[lane]
            differs = (words[site, source >> 4] >> (source & 15) ^ words[site, lane >> 4] >> (lane & 15)) & 1
            words[site, lane >> 4] ^= np.uint16(differs << (lane & 15))


@driver
def carry_states(block, words, writes):
    """`contract.snapshot` of a block, or where it `writes` `contract.restore`."""
    if writes:
        restore(block, words)
    else:
        snapshot(block, words)
