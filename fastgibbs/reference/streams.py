"""The random streams in NumPy: SFC64 generators, each at its own address, and the spins that a run starts from."""

import hashlib

import numpy as np

START, SWEEP, ORDER, TAIL, SWAP, CLUSTER = range(6)  # domains: no two uses of randomness ever share a stream
HASH, SITES, COUNT, RESAMPLE = 7, 8, 9, 10
LANES = 64  # of a block: lane k of a run is lane k % 64 of block k // 64


def stream(entropy, domain, block=0, tile=0, lane=0):
    """SFC64(SeedSequence(entropy, spawn_key=(domain, block, tile, lane))): a, b, c and counter, uint64 (4, 1).

    `entropy` as `numpy.random.SeedSequence` takes it.
    """
    state = _generator(entropy, domain, block, tile, lane).state["state"]["state"]
    return state.astype(np.uint64).reshape(4, 1)


def seeded(entropy, domain, lanes, tile=0):
    """`stream(entropy, domain, k // 64, tile, k % 64)` of the lanes k = 0..lanes-1, side by side: uint64 (4, lanes)."""
    return np.hstack([stream(entropy, domain, k // LANES, tile, k % LANES) for k in range(lanes)])


def run_entropy(seed, verb, start=None):
    """The entropy of a run's streams: 128 bits of SHA-256 over "streams of verb seed ", then "shape " and the start.

    `seed` in hexadecimal; `start`: int8 (lanes, n), of which one row stands for all if all are alike; None adds
    nothing. A run of `sample` without a start has its seed.
    """
    if verb == "sample" and start is None:
        return seed
    text = f"streams of {verb} {seed:x} ".encode()
    if start is not None:
        start = start[:1] if (start == start[0]).all() else start
        text += f"{start.shape} ".encode() + start.tobytes()
    return int.from_bytes(hashlib.sha256(text).digest()[:16], "little")


def next_words(streams):
    """t = a + b + counter; counter += 1, a = b ^ (b >> 11), b = c + (c << 3), c = rotl(c, 24) + t, mod 2^64.

    `streams`: uint64 (4, ...), advanced in place. Returns t, uint64 (...): the next word of every stream.
    SFC64: Doty-Humphrey, PractRand (2010), as in `numpy.random.SFC64`.
    """
    a, b, c, counter = streams.copy()
    t = a + b + counter
    streams[0] = b ^ (b >> 11)
    streams[1] = c + (c << 3)
    streams[2] = (c << 24 | c >> 40) + t
    streams[3] = counter + 1
    return t


def half_words(streams, count):
    """Yield `count` numbers of 32 bits of every stream, uint64 (...): halves of its next words, the low half first."""
    for number in range(count):
        if number % 2 == 0:
            words = next_words(streams)
        yield words >> 32 if number % 2 else words & 0xFFFFFFFF


def fraction(stream):
    """u = r 2^-53 of the upper 53 bits r of the next word of a stream, uint64 (4, 1)."""
    return (int(next_words(stream)[0]) >> 11) * 2.0**-53


def below(stream, n):
    """i = floor(r n / 2^32) of a 32-bit r, drawn again where r n mod 2^32 < 2^32 mod n: uniform on 0..n-1.

    Every i then has the same number of r. `stream`: uint64 (4, 1), advanced in place; n <= 2^32. Lemire, ACM Trans.
    Model. Comput. Simul. 29, 3 (2019), algorithm 5.
    """
    while True:
        product = (int(next_words(stream)[0]) >> 32) * n
        if product % 2**32 >= 2**32 % n:
            return product >> 32


def start_spins(entropy, n, lanes):
    """s_i = +1 where bit i % 64, least significant first, of word i // 64 of stream START is set, else -1.

    int8 (lanes, n): every lane from its own stream, each spin +-1 with equal probability.
    """
    spins = np.empty((lanes, n), np.int8)
    for k in range(lanes):
        words = _generator(entropy, START, k // LANES, 0, k % LANES).random_raw((n + 63) // 64)
        for i in range(n):
            bit = int(words[i // 64]) >> (i % 64) & 1
            spins[k, i] = 2 * bit - 1
    return spins


def site_words(entropy, n):
    """A random word of 64 bits for each of n sites, uint64 (n,): their XOR over the sites that are up is a hash."""
    return _generator(entropy, HASH, 0, 0, 0).random_raw(n)


def _generator(entropy, *address):
    return np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=address))
