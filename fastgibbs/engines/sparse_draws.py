"""How the sparse engine draws: an attempt takes 16 random bits a lane, and 16 more where these do not decide.

The law is that of a uniform of 32 bits (arithmetic.py). With the upper 16 of them a lane's outcome is known unless its
odds are within one part in 2^16 or so; that is looked for in fewer operations than the odds themselves take, within a
bound that holds however these are rounded. One lane in 5000 is left: it is decided in all bits, the lower 16 from a
word more of its stream if they matter.
"""

import numpy as np
from numba import types

from fastgibbs.engines.arithmetic import ROUNDER, cost_exponent, surplus, uniform
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.shuffles import any_within, joined, picking
from fastgibbs.engines.sparse_sums import signs
from fastgibbs.engines.streams import next_words, stepped
from fastgibbs.engines.vectors import add_product, bitcast, bits, convert, full, load, nonzero, store, trailing_zeros
from fastgibbs.jit import called, inlined

CHUNK = 32  # attempts whose random numbers are drawn at once
_DRAWN = 8  # lanes of streams that registers hold
_SIGN = -(2**31)
_UPPER_BITS, _UPPER = 0x4300, 128.0 + 5 * 2.0**-16  # of a float32 whose last 16 bits count in 2^-16: 128; and so less
_C0, _C1, _C2, _C3 = 0.99994695, 0.69331371, 0.24251706, 0.05494835  # 2^f, |f| <= 1/2, within 1.2e-4; 5.7e-5 for f < 0
# u is less than a uniform by 5 to 6 parts in 2^16, e within 5.7e-5: a surplus by which 32 bits decide is then between
# 5 / 2^16 (1 + e) - 5.7e-5 > 0 and 6 / 2^16 (1 + e) + 5.7e-5, with room for roundings
_UNSURE = 2.5e-4
_UNSURE_BITS = np.uint32(np.float32(_UNSURE).view(np.uint32))
_TAKEN, _LEFT = -1.0, 2.0  # uniforms that decide whatever the odds are

# of eight words of streams in two registers, two by two as 256 bits are joined best; their low halves, their high ones
paired = picking([0, 1, 4, 5, 2, 3, 6, 7], types.uint64)
lows = picking([0, 2, 8, 10, 4, 6, 12, 14], types.uint32)
highs = picking([1, 3, 9, 11, 5, 7, 13, 15], types.uint32)


@inlined
def rough_uniform(words):
    """(r - 5) / 2^16 from the lower halves r of uint32 lanes."""
    return joined(words, _UPPER_BITS) - _UPPER


@inlined
def draw(streams, uniforms, words):
    """Rough uniforms of the next attempts from so many words of each stream: four of a word, the lowest bits first."""
    lanes = streams.shape[1]
    for lane in range(0, lanes, _DRAWN):
        a = paired(load(streams, lane, _DRAWN))  # one after another: by `open_streams` many terms took 5 % longer
        b = paired(load(streams, lanes + lane, _DRAWN))
        c = paired(load(streams, 2 * lanes + lane, _DRAWN))
        counter = paired(load(streams, 3 * lanes + lane, _DRAWN))
        for place in range(lane, lane + 4 * words * lanes, 4 * lanes):
            word, a, b, c, counter = stepped(a, b, c, counter)
            low, high = lows(word), highs(word)
            store(uniforms, place, rough_uniform(low))
            store(uniforms, place + lanes, rough_uniform(low >> 16))
            store(uniforms, place + 2 * lanes, rough_uniform(high))
            store(uniforms, place + 3 * lanes, rough_uniform(high >> 16))
        store(streams, lane, paired(a))
        store(streams, lanes + lane, paired(b))
        store(streams, 2 * lanes + lane, paired(c))
        store(streams, 3 * lanes + lane, paired(counter))


@inlined
def rough_surplus(rule, exponent, signs, u, width):
    """What `surplus` is of rough uniforms, nearly: its sign decides unless it is `unsure`, however this is rounded."""
    t = cost_exponent(rule, exponent, signs, width)
    rounded = t + ROUNDER
    f = t - (rounded - ROUNDER)
    power = add_product(full(_C2, np.float32, width), np.float32(_C3), f)
    power = add_product(full(_C1, np.float32, width), power, f)
    power = add_product(full(_C0, np.float32, width), power, f)
    e = bitcast(bitcast(power, np.int32) + (bitcast(rounded, np.int32) << 23), np.float32)
    return e - u if rule == METROPOLIS else add_product(e - u, e * -1.0, u)


@inlined
def unsure(spare):
    """Whether any of these rough surpluses does not decide."""
    return any_within(spare, _UNSURE)


@inlined
def settle(rule, spins, state, site, lane, place, spare, exponent):
    """Decide by 32 bits the lanes from `lane` on whose rough surpluses do not: their uniforms at `place` then do."""
    lanes = spins.shape[1]
    store(state.uniforms, CHUNK * lanes + lane, exponent)
    lacking = np.uint64(bits(bitcast(spare, np.uint32) < _UNSURE_BITS))
    _settle(rule, spins, state.uniforms, state.streams, site * lanes + lane, lane, place, lacking)


@called
def _settle(rule, spins, uniforms, streams, position, lane, place, lacking):
    lanes = streams.shape[1]
    while lacking > 0:
        here = trailing_zeros(lacking)
        lacking &= lacking - np.uint64(1)
        exponent = load(uniforms, CHUNK * lanes + lane + here, 1)
        old, rough = signs(load(spins, position + here, 1)), load(uniforms, place + here, 1)
        number = bitcast(rough + _UPPER, np.uint32) << 16
        least = surplus(rule, exponent, old, uniform(number | 0xFFFF), 1)
        most = surplus(rule, exponent, old, uniform(number), 1)
        if nonzero(bitcast(least, np.int32) & _SIGN) != nonzero(bitcast(most, np.int32) & _SIGN):
            number = number | convert(next_words(streams, lane + here, 1) >> 48, np.uint32)
            most = surplus(rule, exponent, old, uniform(number), 1)
        taken = nonzero(bitcast(most, np.int32) & _SIGN) == 0
        store(uniforms, place + here, full(_TAKEN if taken else _LEFT, np.float32, 1))
