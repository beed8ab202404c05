"""Exponents, the double-precision exponential, sums and units in NumPy, as a compiled kernel has them bit for bit."""

import math

import numpy as np

LOG2E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6  # m * LN2_HIGH is exact: it ends in zero bits
# exp(r) = 1 + r + ... + r^13/13! on [-ln(2)/2, ln(2)/2], highest power first
POLYNOMIAL = 1.0 / np.cumprod([1.0, *range(1, 14)])[::-1]


def exponents(betas, fields, unit, refractory=None):
    """c and d, float32 (lanes,): c f + d = -2 beta (f + b) log2(e) + log2(tau), f a local field in units of `unit`.

    `betas`: float64 (lanes,), inf too; `fields`: the b of all lanes, or None; `refractory`: tau, or None for 1. Where
    b = 0 and tau = 1, d = -0.0 changes no sum.
    """
    later = np.float32(math.log2(refractory)) if refractory is not None and refractory > 1 else np.float32(-0.0)
    with np.errstate(over="ignore", invalid="ignore"):  # an infinite product is clipped like any other
        scale = np.float32(np.clip((-2.0 * LOG2E) * (betas * unit), -1e30, 1e30))
    if fields is None:
        return scale, later
    push = np.float32(np.clip(np.float64(scale) * (fields / unit), -1e38, 1e38))
    return scale, np.where(fields == 0, np.float32(-0.0), push) + later


def exp64(x):
    """exp(x) = 2^m exp(r) with m the integer nearest to x / ln 2 and r = x - m ln 2, within 4e-16 relatively.

    `x`: float64, any shape, in [-700, 0]. One rounding per operation, in the order written.
    """
    m = np.rint(x * LOG2E)
    r = (x - m * LN2_HIGH) - m * LN2_LOW
    y = np.full_like(r, POLYNOMIAL[0])
    for c in POLYNOMIAL[1:]:
        y = y * r + c
    return np.ldexp(y, m.astype(np.int32))


def sum_in_order(terms, start=0.0):
    """((start + t_0) + t_1) + ...: one term after the other, where `numpy.sum` adds in pairs."""
    total = start
    for term in terms:
        total = total + term
    return total


def power_of_two(*parts):
    """2^floor(log2(largest)) of the largest |x| of some arrays, or 1 if all are zero."""
    largest = max(np.abs(part).max(initial=0.0) for part in parts)
    # exact by frexp, where a rounded log2 may reach the next integer
    return math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else 1.0
