"""Exponentials and uniforms in plain IEEE operations, so that every machine and NumPy itself get the same bits."""

import math

import numpy as np

from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.vectors import bitcast, convert, full, load, select
from fastgibbs.jit import inlined

LOWEST_EXPONENT = -126.0  # 2^-126 is the smallest normal float32
ROUNDER = 12582912.0  # 1.5 * 2^23: adding it rounds a small float32 to an integer, held in the low bits
_INVERSE_FACTORIALS = tuple(1.0 / math.factorial(i) for i in range(12, -1, -1))
_SIGN = -(2**31)
_MINUS_TWO_LOG2E = -2.0 * 1.4426950408889634  # exp(-2 x) = 2^(_MINUS_TWO_LOG2E x)
_C1, _C2, _C3, _C4, _C5 = 0.69314698, 0.24022242, 0.05550734, 0.00967151, 0.00132647


def scales(betas, unit: float) -> np.ndarray:
    """-2 beta log2(e) unit, float32 (rungs,): times a field in units of `unit`, what `decide` takes."""
    return np.clip(_MINUS_TWO_LOG2E * (betas * unit), -1e30, 1e30).astype(np.float32)


def pushes(scales, fields, unit: float, refractory: int | None = None) -> np.ndarray:
    """What fields b, float64 (rungs,), add to the exponents of `decide` at these scales: float32 (rungs,), or (0,).

    -0.0 where b = 0, which changes no bit of a sum; log2 tau of neurons besides, refractory for tau > 1 sweeps (see
    spiking.py); nothing where `fields` is None and there are no such neurons.
    """
    lasts = refractory is not None and refractory > 1
    if fields is None and not lasts:
        return scales[..., :0].copy()
    fields = np.zeros(scales.shape) if fields is None else fields
    exponents = np.clip(scales.astype(np.float64) * (fields / unit), -1e38, 1e38).astype(np.float32)
    exponents = np.where(fields == 0, np.float32(-0.0), exponents).astype(scales.dtype)
    return exponents + scales.dtype.type(math.log2(refractory)) if lasts else exponents


def at_points(plan, unit: float, betas, fields=None, refractory: int | None = None):
    """The plan with rungs at these betas and extra fields, float64 (rungs,); local fields are in units of `unit`."""
    factors = scales(betas, unit)
    return plan._replace(scales=factors, pushes=pushes(factors, fields, unit, refractory))


@inlined
def pushed(plan, state, exponent, lane, width):
    """The exponent of lanes `lane` ... with what their fields beside the model's add, if there are any."""
    if plan.pushes.size > 0:  # an addition is one in thirty instructions of an attempt
        exponent = exponent + load(state.push, lane, width)
    return exponent


@inlined
def show_points(plan, state, rungs):
    """Write down the scale of each lane's rung, and its push if there are any."""
    for lane in range(rungs.size):
        state.scale[lane] = plan.scales[rungs[lane]]
    for lane in range(rungs.size if plan.pushes.size > 0 else 0):
        state.push[lane] = plan.pushes[rungs[lane]]


@inlined
def exp2(t):
    """2^t for float32 lanes, -126 <= t <= 0, within 2e-7 of the value; exactly 1 at t = 0.

    t = k + f with k an integer and |f| <= 1/2; 2^f = 1 + c1 f + ... + c5 f^5 (minimax for the relative error, fixed
    to 1 at f = 0); k is added to the exponent bits.
    """
    rounded = t + ROUNDER
    f = t - (rounded - ROUNDER)
    power = ((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + 1.0
    return bitcast(bitcast(power, np.int32) + (bitcast(rounded, np.int32) << 23), np.float32)


@inlined
def uniform(words):
    """(r + 1/2) / 2^32 from uint32 lanes r, in float32: resolved to 2^-32 near zero, where rare moves live."""
    return convert(words, np.float32) * 2.0**-32 + 2.0**-33


@inlined
def decide(rule, exponent, spin, words, width):
    """The new spins, int8 lanes, in the field f: `exponent` is -2 beta f log2(e), float32; 32 random bits a lane."""
    signs = convert(spin, np.int32)
    spare = surplus(rule, exponent, signs, uniform(words), width)
    return convert(outcome(rule, exponent, signs, spare) >> 31 | 1, np.int8)


@inlined
def cost_exponent(rule, exponent, signs, width):
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
    e = exp2(cost_exponent(rule, exponent, signs, width))
    return e - u if rule == METROPOLIS else e - (u * e + u)


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


@inlined
def acceptance(gain):
    """min(1, e^gain), of an exchange of two replicas."""
    return exp64(max(gain, -700.0)) if gain < 0 else 1.0
