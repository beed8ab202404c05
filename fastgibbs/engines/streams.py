"""Random streams: one SFC64 generator per lane, bit-identical to `numpy.random.SFC64`, stepped in SIMD.

A stream's address is logical, never a thread or a position in memory: chain k draws from
`SFC64(SeedSequence(entropy, spawn_key=(domain, k // 64, 0, k % 64)))`, a tile of a lattice has its number in place
of the 0, and so has each of several streams of a chain. So results depend neither on threads nor on how chains are cut
into blocks, and chain k is the same whether 8 or 64 chains were asked for, by one engine.
"""

import math
from functools import lru_cache

import numpy as np

from fastgibbs.engines.vectors import load, store
from fastgibbs.jit import inlined, njit
from fastgibbs.models import checks

# domains keep the uses of randomness apart
START, SWEEP, ORDER, TAIL, SWAP, CLUSTER, ADAPT, HASH, SITES, COUNT, RESAMPLE = range(11)

_INIT_A, _MULT_A, _INIT_B, _MULT_B = map(np.uint32, (0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED))
_MIX_LEFT, _MIX_RIGHT, _HALF = map(np.uint32, (0xCA01F9DD, 0x4973F715, 16))  # all of NumPy's SeedSequence


def entropy_of(seed) -> int:
    """The integer that addresses all streams of a run, so that giving it as the seed repeats the run.

    An int stands for itself, as in NumPy; a SeedSequence for its entropy, or for a digest if it is a spawned one; None
    for fresh entropy; a Generator for 128 bits drawn from it.
    """
    if seed is None:
        return np.random.SeedSequence().entropy
    if isinstance(seed, np.random.Generator):
        return int.from_bytes(seed.bytes(16), "little")
    if isinstance(seed, np.random.SeedSequence):
        if isinstance(seed.entropy, int) and not seed.spawn_key:
            return seed.entropy
        return int.from_bytes(seed.generate_state(4).astype("<u4").tobytes(), "little")
    return checks.integer("seed", seed, minimum=0, maximum=math.inf)


def stream(entropy, domain: int, block: int = 0, lane: int = 0, tile: int = 0) -> np.random.SFC64:
    """The stream at an address, as NumPy's own generator."""
    return np.random.SFC64(np.random.SeedSequence(entropy, spawn_key=(domain, block, tile, lane)))


def stream_state(entropy: int, domain: int, block=0, lane=0, tile=0) -> np.ndarray:
    """The states of the streams at addresses, uint64 (..., 4): SFC64's a, b, c and counter.

    `block`, `lane` and `tile`: numbers, or arrays that are broadcast to the shape of the leading axes.
    """
    addresses = np.empty((*np.broadcast(block, lane, tile).shape, 4), np.uint32)
    if not addresses.size:
        return addresses.astype(np.uint64)
    for place, part in enumerate((domain, block, tile, lane)):
        addresses[..., place] = part
    states = np.empty(addresses.shape, np.uint64)
    begin(*mixed(int(entropy)), addresses.reshape(-1, 4), states.reshape(-1, 4))
    return states


@lru_cache(8)
def mixed(entropy: int) -> tuple[np.ndarray, np.uint32]:
    """The pool of SeedSequence(entropy), uint32 (4,), and the key by which it hashes the next word."""
    words = max(4, -(-entropy.bit_length() // 32))  # of the entropy, each hashed by four keys
    key = np.uint32(int(_INIT_A) * pow(int(_MULT_A), 4 * words, 2**32) % 2**32)
    return np.random.SeedSequence(entropy).pool, key


def lane_streams(entropy: int, lanes: range, domain: int = SWEEP) -> np.ndarray:
    """The streams of these lanes, those of their sweeps by default, uint64 (4, lanes)."""
    return np.ascontiguousarray(stream_state(entropy, domain, *np.divmod(np.arange(lanes.start, lanes.stop), 64)).T)


def random_ups(entropy: int, chains, n: int) -> np.ndarray:
    """Which spins of these chains are up at first, uint64 (chains, n // 64 rounded up).

    Spin i of a chain is bit i % 64 of its word i // 64: bit after bit of its START stream.
    """
    return random_words(entropy, START, chains, -(-n // 64))


def random_words(entropy: int, domain: int, chains, count: int) -> np.ndarray:
    """The first words of a stream of each of these chains, uint64 (chains, count)."""
    words = np.empty((len(chains), count), np.uint64)
    _draw(stream_state(entropy, domain, *np.divmod(chains, 64)), words)
    return words


@inlined
def _folded(word):
    return np.uint32(word ^ (word >> _HALF))


@inlined
def _hashed(word, key, factor):
    """A word hashed by a key, and the next key."""
    following = np.uint32(key * factor)
    return _folded(np.uint32(np.uint32(word ^ key) * following)), following


@njit
def begin(pool, key, addresses, states):
    """Write the states of SFC64(SeedSequence(entropy, spawn_key=address)), uint64 (k, 4), of uint32 (k, 4) addresses.

    The `pool` takes in the four numbers of an address, hashed by `key` and those after it. SeedSequence: O'Neill,
    "Developing a seed_seq alternative" (2015), as NumPy has it.
    """
    for k in range(len(addresses)):
        state, following = states[k], key
        for place in range(4):
            state[place] = pool[place]
        for part in range(4):
            for place in range(4):
                word, following = _hashed(addresses[k, part], following, _MULT_A)
                left, right = np.uint32(_MIX_LEFT * np.uint32(state[place])), np.uint32(_MIX_RIGHT * word)
                state[place] = _folded(np.uint32(left - right))
        p0, p1, p2, p3 = np.uint32(state[0]), np.uint32(state[1]), np.uint32(state[2]), np.uint32(state[3])
        following = _INIT_B
        for place, (low, high) in enumerate(((p0, p1), (p2, p3), (p0, p1))):
            low, following = _hashed(low, following, _MULT_B)
            high, following = _hashed(high, following, _MULT_B)
            state[place] = np.uint64(low) | (np.uint64(high) << np.uint64(32))
        state[3] = 1
        for _ in range(12):  # as SFC64 begins
            next_word(state)


@njit
def _draw(states, words):
    """Draw the next words of streams, row by row; `states` uint64 (k, 4), `words` uint64 (k, -)."""
    for k in range(len(words)):
        for place in range(words.shape[1]):
            words[k, place] = next_word(states[k])


@njit
def unpack_ups(words, first, ups):
    """Write bits of `random_ups` one a byte: of strips of sites that make a chain, those from site `first` of each on.

    `words` uint64 (chains, -); `ups` uint8 (chains, strips, sites); `first` and the sites of a strip are int64.
    """
    begin, sites = first
    for chain in range(len(words)):
        for strip in range(ups.shape[1]):
            for k in range(ups.shape[2]):
                bit = strip * sites + begin + k
                ups[chain, strip, k] = (words[chain, bit >> 6] >> np.uint64(bit & 63)) & np.uint64(1)


@inlined
def stepped(a, b, c, counter):
    """The next word of streams in this state, and their state then; SFC64 by Chris Doty-Humphrey, 2014."""
    word = a + b + counter
    return word, b ^ (b >> 11), c + (c << 3), ((c << 24) | (c >> 40)) + word, counter + 1


@inlined
def open_streams(streams, place, apart, width):
    """The states of `width` streams from a flat place on, rows `apart`: in registers until `close_streams`."""
    a, b = load(streams, place, width), load(streams, apart + place, width)
    return a, b, load(streams, 2 * apart + place, width), load(streams, 3 * apart + place, width)


@inlined
def close_streams(streams, place, apart, state):
    """Write states back to where they were."""
    a, b, c, counter = state
    store(streams, place, a)
    store(streams, apart + place, b)
    store(streams, 2 * apart + place, c)
    store(streams, 3 * apart + place, counter)


@inlined
def next_words(streams, lane, width):
    """The next 64-bit word of lanes `lane` ... `lane + width - 1`."""
    lanes = streams.shape[1]
    a, b, c, counter = open_streams(streams, lane, lanes, width)
    word, a, b, c, counter = stepped(a, b, c, counter)
    close_streams(streams, lane, lanes, (a, b, c, counter))
    return word


@inlined
def next_word(state):
    """The next 64-bit word of a single stream, `state` uint64 (4,)."""
    a, b, c, counter = state
    word = a + b + counter
    state[0] = b ^ (b >> np.uint64(11))
    state[1] = c + (c << np.uint64(3))
    state[2] = ((c << np.uint64(24)) | (c >> np.uint64(40))) + word
    state[3] = counter + np.uint64(1)
    return word


@inlined
def chance(state, p):
    """True with probability p, by 53 bits of the next word of a single stream."""
    return np.float64(next_word(state) >> np.uint64(11)) * 2.0**-53 < p


@inlined
def below(state, n):
    """A uniform integer in [0, n), n <= 2^32, without bias: multiply, shift, reject (Lemire 2019)."""
    n = np.uint64(n)
    while True:
        product = (next_word(state) >> np.uint64(32)) * n
        remainder = product & np.uint64(0xFFFFFFFF)
        # the division is wanted only where a rejection is possible
        if remainder >= n or remainder >= np.uint64(2**32) % n:
            return np.int64(product >> np.uint64(32))
