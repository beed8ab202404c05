"""Random streams: one SFC64 generator per lane, bit-identical to `numpy.random.SFC64`, stepped in SIMD.

A stream's address is logical, never a thread or a position in memory: chain k draws from
`SFC64(SeedSequence(entropy, spawn_key=(domain, k // 64, 0, k % 64)))`, a tile of a lattice has its number in place
of the 0. So results depend neither on threads nor on how chains are cut into blocks, and chain k is the same whether 8
or 64 chains were asked for.
"""

import math

import numpy as np

from fastgibbs.engines.vectors import load, store
from fastgibbs.jit import inlined
from fastgibbs.models import checks

START, SWEEP, ORDER, TAIL, SWAP, CLUSTER, ADAPT, HASH = range(8)  # domains keep the uses of randomness apart

_INIT_A, _MULT_A, _INIT_B, _MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED  # of NumPy's SeedSequence
_MIX_LEFT, _MIX_RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)


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


def stream_state(entropy, domain: int, block: int = 0, lane: int = 0, tile: int = 0) -> np.ndarray:
    """The state of the stream at an address, uint64 (4,): SFC64's a, b, c and counter."""
    return stream(entropy, domain, block, lane, tile).state["state"]["state"]


def lane_streams(entropy, lanes: range) -> np.ndarray:
    """The streams of these lanes' sweeps, uint64 (4, lanes)."""
    return np.column_stack([stream_state(entropy, SWEEP, *divmod(lane, 64)) for lane in lanes])


def lane_states(entropy, domain: int, lanes: int) -> np.ndarray:
    """`stream_state(entropy, domain, *divmod(lane, 64))` of lanes 0 ... `lanes` - 1, uint64 (4, lanes), all at once.

    A lane's number is the last word that NumPy's SeedSequence mixes into its pool: what comes before is the same for
    the 64 lanes of a block.
    """
    number = np.arange(lanes, dtype=np.uint32)
    blocks = [np.random.SeedSequence(entropy, spawn_key=(domain, block, 0)).pool for block in range(-(-lanes // 64))]
    before = np.array(blocks, np.uint32).reshape(-1, 4).T[:, number // np.uint32(64)]
    mixed = (
        max(4, -(-int(entropy).bit_length() // 32)) + 3
    )  # words: those of the entropy, padded, and three of one each
    factors = _powers(_INIT_A, _MULT_A, 4 * mixed, 5)
    hashed = np.array([_hashed(number % np.uint32(64), *factors[k : k + 2]) for k in range(4)])
    pool, factors = _folded(_MIX_LEFT * before - _MIX_RIGHT * hashed), _powers(_INIT_B, _MULT_B, 0, 7)
    words = np.array([_hashed(pool[k % 4], *factors[k : k + 2]) for k in range(6)]).astype(np.uint64)
    a, b, c = words[::2] | words[1::2] << np.uint64(32)
    for counter in range(1, 13):  # as SFC64 begins
        word = a + b + np.uint64(counter)
        a, b = b ^ (b >> np.uint64(11)), c + (c << np.uint64(3))
        c = ((c << np.uint64(24)) | (c >> np.uint64(40))) + word
    return np.array([a, b, c, np.full_like(a, 13)])


def _powers(first: int, ratio: int, begin: int, count: int) -> np.ndarray:
    """first ratio^begin, first ratio^(begin + 1), ... modulo 2^32, uint32 (count,)."""
    return np.array([first * pow(ratio, begin + k, 2**32) % 2**32 for k in range(count)], np.uint32)


def _hashed(words, key, factor) -> np.ndarray:
    return _folded((words ^ key) * factor)


def _folded(words) -> np.ndarray:
    return words ^ words >> np.uint32(16)


def random_ups(entropy, chain: int, n: int) -> np.ndarray:
    """Which of a chain's spins are up at first, uint8 (n // 8 rounded up,): bit after bit of its START stream."""
    words = stream(entropy, START, *divmod(chain, 64)).random_raw(-(-n // 64)).astype("<u8")
    return words.view(np.uint8)[: -(-n // 8)]


@inlined
def stepped(a, b, c, counter):
    """The next word of streams in this state, and their state then; SFC64 by Chris Doty-Humphrey, 2014."""
    word = a + b + counter
    return word, b ^ (b >> 11), c + (c << 3), ((c << 24) | (c >> 40)) + word, counter + 1


@inlined
def next_words(streams, lane, width):
    """The next 64-bit word of lanes `lane` ... `lane + width - 1`."""
    lanes = streams.shape[1]
    a, b = load(streams, lane, width), load(streams, lanes + lane, width)
    c, counter = load(streams, 2 * lanes + lane, width), load(streams, 3 * lanes + lane, width)
    word, a, b, c, counter = stepped(a, b, c, counter)
    store(streams, lane, a)
    store(streams, lanes + lane, b)
    store(streams, 2 * lanes + lane, c)
    store(streams, 3 * lanes + lane, counter)
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
def below(state, n):
    """A uniform integer in [0, n), n <= 2^32, without bias: multiply, shift, reject (Lemire 2019)."""
    n = np.uint64(n)
    while True:
        product = (next_word(state) >> np.uint64(32)) * n
        remainder = product & np.uint64(0xFFFFFFFF)
        # the division is wanted only where a rejection is possible
        if remainder >= n or remainder >= np.uint64(2**32) % n:
            return np.int64(product >> np.uint64(32))
