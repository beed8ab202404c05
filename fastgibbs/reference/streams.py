"""The random streams in NumPy: one SFC64 generator a chain, and the spins that a run starts from."""

import numpy as np

START, SWEEP, ORDER, TAIL = 0, 1, 2, 3  # domains: no two uses of randomness ever share a stream
TILE = 64  # chains under one key of the seed tree


def seeded(entropy, domain, chains):
    """SFC64(SeedSequence(entropy, spawn_key=(domain, k // 64, 0, k % 64))) of the chains k = 0..chains-1.

    uint64 (4, chains): the rows a, b, c and counter of each stream. `entropy` as `numpy.random.SeedSequence`
    takes it. The site order, shared by all chains, is the one stream of `seeded(entropy, ORDER, 1)`.
    """
    states = [_generator(entropy, domain, k).state["state"]["state"] for k in range(chains)]
    return np.array(states, np.uint64).reshape(chains, 4).T.copy()


def next_words(streams):
    """t = a + b + counter; counter += 1, a = b ^ (b >> 11), b = c + (c << 3), c = rotl(c, 24) + t, mod 2^64.

    `streams`: uint64 (4, L), advanced in place. Returns t, uint64 (L,): the next word of every lane.
    SFC64: Doty-Humphrey, PractRand (2010), as in `numpy.random.SFC64`.
    """
    a, b, c, counter = streams.copy()
    t = a + b + counter
    streams[0] = b ^ (b >> 11)
    streams[1] = c + (c << 3)
    streams[2] = (c << 24 | c >> 40) + t
    streams[3] = counter + 1
    return t


def start_spins(entropy, n, chains):
    """s_i = +1 where bit i % 64, least significant first, of word i // 64 of stream START is set, else -1.

    int8 (n, chains): every chain from its own stream, each spin +-1 with equal probability.
    """
    spins = np.empty((n, chains), np.int8)
    for k in range(chains):
        words = _generator(entropy, START, k).random_raw((n + 63) // 64)
        for i in range(n):
            bit = int(words[i // 64]) >> (i % 64) & 1
            spins[i, k] = 2 * bit - 1
    return spins


def _generator(entropy, domain, k):
    spawn_key = (domain, k // TILE, 0, k % TILE)
    return np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=spawn_key))
