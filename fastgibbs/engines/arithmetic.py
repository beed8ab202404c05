"""Exponentials and uniforms in plain IEEE operations, so that every machine and NumPy itself get the same bits."""

import math

import numpy as np

from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.vectors import add_product, below_whole, bitcast, convert, full, select
from fastgibbs.jit import inlined

LOWEST_EXPONENT = -126.0  # 2^-126 is the smallest normal float32
_ROUNDER = 12582912.0  # 1.5 * 2^23: adding it rounds a small float32 to an integer, held in the low bits
_INVERSE_FACTORIALS = tuple(1.0 / math.factorial(i) for i in range(12, -1, -1))
_SIGN = -(2**31)
_WHOLE, _WHOLE_BITS = 128.0 + 5 * 2.0**-16, 0x4300  # whose last 16 bits count in 2^-16
_MINUS_TWO_LOG2E = -2.0 * 1.4426950408889634  # exp(-2 x) = 2^(_MINUS_TWO_LOG2E x)
_C1, _C2, _C3, _C4, _C5 = 0.69314698, 0.24022242, 0.05550734, 0.00967151, 0.00132647
_N0, _N1, _N2, _N3 = 0.99994695, 0.69331371, 0.24251706, 0.05494835  # 2^f within 5.7e-5 f < 0, 1.2e-4 else
NEAR = 5.5 * 2.0**-16  # of that 5.7e-5, 2^-17 (1 + e) for u, and roundings


def scales(betas, unit: float) -> np.ndarray:
    """-2 beta log2(e) unit, float32 (rungs,): times a field in units of `unit`, what `decide` takes."""
    return np.clip(_MINUS_TWO_LOG2E * (betas * unit), -1e30, 1e30).astype(np.float32)


@inlined
def exp2(t):
    """2^t for float32 lanes, -126 <= t <= 0, within 2e-7 of the value; exactly 1 at t = 0.

    t = k + f with k an integer and |f| <= 1/2; 2^f = 1 + c1 f + ... + c5 f^5 (minimax for the relative error, fixed
    to 1 at f = 0); k is added to the exponent bits.
    """
    rounded = t + _ROUNDER
    f = t - (rounded - _ROUNDER)
    power = ((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + 1.0
    return bitcast(bitcast(power, np.int32) + (bitcast(rounded, np.int32) << 23), np.float32)


@inlined
def uniform(words):
    """(r + 1/2) / 2^32 from uint32 lanes r, in float32: resolved to 2^-32 near zero, where rare moves live."""
    return convert(words, np.float32) * 2.0**-32 + 2.0**-33


@inlined
def rough_uniform(words):
    """(r + 1/2) / 2^16 from the lower halves r of uint32 lanes."""
    return below_whole(words, _WHOLE_BITS) - _WHOLE


@inlined
def upper_half(u):
    """2^16 r, uint32 lanes, of rough uniforms."""
    return bitcast(u + _WHOLE, np.uint32) << 16


@inlined
def decide(rule, exponent, spin, words, width):
    """The new spins, int8 lanes, in the field f: `exponent` is -2 beta f log2(e), float32; 32 random bits a lane."""
    signs = convert(spin, np.int32)
    spare = surplus(rule, exponent, signs, uniform(words), width)
    return convert(outcome(rule, exponent, signs, spare) >> 31 | 1, np.int8)


@inlined
def _cost(rule, exponent, signs, width):
    """The exponent of e: the rarer spin has probability e / (1 + e) by Gibbs, a flip min(1, e) by Metropolis."""
    lowest = full(LOWEST_EXPONENT, np.float32, width)
    if rule == METROPOLIS:
        certain = full(0.0, np.float32, width)
        exponent = bitcast(bitcast(exponent, np.int32) ^ (signs & _SIGN), np.float32)
        exponent = select(exponent < lowest, lowest, exponent)
        return select(exponent > certain, certain, exponent)
    exponent = bitcast(bitcast(exponent, np.int32) | _SIGN, np.float32)
    return select(exponent < lowest, lowest, exponent)


@inlined
def surplus(rule, exponent, signs, u, width):
    """Not negative where the rarer spin is drawn (Gibbs) or the spin flips (Metropolis), given the old signs.

    `exponent` as of `decide`, uniforms `u`; signs are bit 31 of int32 lanes. Decided where u is finest.
    """
    e = exp2(_cost(rule, exponent, signs, width))
    return e - u if rule == METROPOLIS else e - (u * e + u)


@inlined
def near_surplus(rule, exponent, signs, u, width):
    """The same, within NEAR, in fewer operations: however they are rounded, u being within 2^-17 of its uniforms."""
    t = _cost(rule, exponent, signs, width)
    rounded = t + _ROUNDER
    f = t - (rounded - _ROUNDER)
    power = add_product(full(_N2, np.float32, width), np.float32(_N3), f)
    power = add_product(full(_N1, np.float32, width), power, f)
    power = add_product(full(_N0, np.float32, width), power, f)
    e = bitcast(bitcast(power, np.int32) + (bitcast(rounded, np.int32) << 23), np.float32)
    return e - u if rule == METROPOLIS else add_product(e - u, e * -1.0, u)


@inlined
def outcome(rule, exponent, signs, spare):
    """The signs of the new spins, bit 31 of int32 lanes, given the surplus."""
    return (signs ^ -1 if rule == METROPOLIS else bitcast(exponent, np.int32)) ^ bitcast(spare, np.int32)


@inlined
def aligned(exponent, spin, width):
    """Spins along their field, and as they were where it is zero, int8 lanes; as `decide` at beta = infinity."""
    zero = full(0.0, np.float32, width)
    return select(exponent < zero, full(1, np.int8, width), select(exponent > zero, full(-1, np.int8, width), spin))


@inlined
def exp64(x):
    """e^x for float64, -700 <= x <= 0, within 4e-16 of the value, in plain IEEE operations.

    x = m ln 2 + r with m an integer and |r| <= ln 2 / 2 (ln 2 in two parts, so that r is exact); e^r by its Taylor
    polynomial of degree 13.
    """
    m = np.rint(x * 1.4426950408889634)
    r = (x - m * 6.93145751953125e-1) - m * 1.42860682030941723212e-6
    power = 1.0 / 6227020800.0
    for inverse in _INVERSE_FACTORIALS:
        power = power * r + inverse
    return np.ldexp(power, np.int32(m))
