"""Exponentials and uniforms in plain IEEE operations, so that every machine and NumPy itself get the same bits."""

import math

import numpy as np

from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.vectors import bitcast, convert, full, select
from fastgibbs.jit import inlined

LOWEST_EXPONENT = -126.0  # 2^-126 is the smallest normal float32
_ROUNDER = 12582912.0  # 1.5 * 2^23: adding it rounds a small float32 to an integer, held in the low bits
_INVERSE_FACTORIALS = tuple(1.0 / math.factorial(i) for i in range(12, -1, -1))
_SIGN = -(2**31)
_MINUS_TWO_LOG2E = -2.0 * 1.4426950408889634  # exp(-2 x) = 2^(_MINUS_TWO_LOG2E x)
_C1, _C2, _C3, _C4, _C5 = 0.69314698, 0.24022242, 0.05550734, 0.00967151, 0.00132647


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
def decide(rule, exponent, spin, words, width):
    """The new spins, int8 lanes, in the field f: `exponent` is -2 beta f log2(e), float32; 32 random bits a lane."""
    return convert(signs_of(rule, exponent, convert(spin, np.int32), uniform(words), width) >> 31 | 1, np.int8)


@inlined
def signs_of(rule, exponent, signs, u, width):
    """The signs of new spins, bit 31 of int32 lanes, given the old ones: `exponent` as of `decide`, uniforms `u`."""
    lowest = full(LOWEST_EXPONENT, np.float32, width)
    if rule == METROPOLIS:  # flip with probability min(1, 2^(s exponent))
        exponent = bitcast(bitcast(exponent, np.int32) ^ (signs & _SIGN), np.float32)
        certain = full(0.0, np.float32, width)
        exponent = select(exponent < lowest, lowest, exponent)
        exponent = select(exponent > certain, certain, exponent)
        return signs ^ bitcast(exp2(exponent) - u, np.int32) ^ -1
    # up with probability 1 / (1 + 2^exponent): the rarer spin has e / (1 + e), decided where u is finest
    rarer = bitcast(exponent, np.int32)
    exponent = bitcast(rarer | _SIGN, np.float32)
    e = exp2(select(exponent < lowest, lowest, exponent))
    return rarer ^ bitcast(e - (u * e + u), np.int32)


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
