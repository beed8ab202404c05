"""Descent of a memory to states that no flip of a site lowers, by its overlaps M_mu = sum_i xi_i^mu s_i.

Half of what a flip costs is s_i h_i - unit g_i, where g_i is

    Halves, Wholes  P - s_i sum_mu xi_i^mu M_mu                              Hebb; n < 2^15, or any n
    Factors         c_i - s_i sum_mu y_i^mu M_mu                             pseudo-inverse: y = Q^-1 xi, c_i = y_i.xi_i
    Powers          sum_mu ((M_mu - 2 s_i xi_i^mu)^order - M_mu^order) / 2   order above 2

Sums of whole numbers are exact. States are int8 (n, LANES).
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.descents import LANES
from fastgibbs.engines.vectors import at, bits, convert, full, load, products, store, trailing_zeros
from fastgibbs.jit import gives, njit, stub


class Halves(NamedTuple):
    """Two patterns, and two overlaps, in 32 bits; with P odd, a pattern of zeros fills them up."""

    patterns: np.ndarray  # int16 (n, 2 rows)
    pairs: np.ndarray  # int32 (n, rows): the same bytes
    overlaps: np.ndarray  # int16 (rows, LANES, 2)
    both: np.ndarray  # int32 (rows, LANES): the same bytes
    own: int  # P


class Wholes(NamedTuple):
    """32-bit overlaps, whose weighed sums fit 64."""

    patterns: np.ndarray  # int8 (n, P)
    overlaps: np.ndarray  # int32 (P, LANES)
    own: int  # P


class Factors(NamedTuple):
    """Overlaps that are weighed."""

    patterns: np.ndarray  # int8 (n, P)
    factors: np.ndarray  # float64 (n, P): y
    overlaps: np.ndarray  # float64 (P, LANES): whole numbers
    own: np.ndarray  # float64 (n,): c


class Powers(NamedTuple):
    """Overlaps whose powers fit 63 bits."""

    patterns: np.ndarray  # int8 (n, P)
    overlaps: np.ndarray  # int64 (P, LANES)
    order: int


@stub
def _gains(memory, site, spins):
    """g of a site in all lanes, float64, given its spins, int8: here of Powers."""
    total, count = full(0, np.int64, LANES), memory.patterns.shape[1]
    turned = convert(spins, np.int64) * 2
    for mu in range(count):
        then = load(memory.overlaps, mu * LANES, LANES)
        now = then - turned * at(memory.patterns, site * count + mu)
        power_then, power_now = then, now
        for _ in range(1, memory.order):
            power_then, power_now = power_then * then, power_now * now
        total = total + power_now - power_then
    return convert(total, np.float64) * 0.5


@gives(_gains, Halves)
def _halves_gains(memory, site, spins):
    total, rows = full(0, np.int32, LANES), memory.pairs.shape[1]
    for row in range(rows):
        total = total + products(load(memory.both, row * LANES, LANES), at(memory.pairs, site * rows + row))
    return memory.own - convert(spins, np.float64) * convert(total, np.float64)


@gives(_gains, Wholes)
def _wholes_gains(memory, site, spins):
    total, count = full(0, np.int64, LANES), memory.patterns.shape[1]
    for mu in range(count):
        sign = np.int32(at(memory.patterns, site * count + mu)) >> np.int32(1)
        total = total + convert((load(memory.overlaps, mu * LANES, LANES) ^ sign) - sign, np.int64)
    return memory.own - convert(spins, np.float64) * convert(total, np.float64)


@gives(_gains, Factors)
def _factors_gains(memory, site, spins):
    total, count = full(0.0, np.float64, LANES), memory.patterns.shape[1]
    for mu in range(count):
        total = total + load(memory.overlaps, mu * LANES, LANES) * at(memory.factors, site * count + mu)
    return at(memory.own, site) - convert(spins, np.float64) * total


@stub
def _flip(memory, site, lane, spin):
    """Change the overlaps of a lane whose spin of a site was `spin`."""
    for mu in range(memory.patterns.shape[1]):
        memory.overlaps[mu, lane] -= 2 * spin * memory.patterns[site, mu]


@gives(_flip, Halves)
def _halves_flip(memory, site, lane, spin):
    rows = memory.pairs.shape[1]
    for row in range(rows):
        for half in range(2):
            change = 2 * spin * at(memory.patterns, 2 * (site * rows + row) + half)
            memory.overlaps[row, lane, half] -= np.int16(change)


@njit
def add_overlaps(patterns, states, overlaps):
    """Write M_mu of all lanes, int32 (P, LANES), of patterns int8 (n, P)."""
    n, count = patterns.shape
    for mu in range(count):
        total = full(0, np.int32, LANES)
        for site in range(n):
            sign = np.int32(at(patterns, site * count + mu)) >> np.int32(1)
            total = total + ((convert(load(states, site * LANES, LANES), np.int32) ^ sign) - sign)
        store(overlaps, mu * LANES, total)


@njit
def remember(memory, fields, unit, unsure, free, states, count):
    """Flip sites of the first `count` lanes that cost less than -2 `unsure`, in order, until none has for one round."""
    given, number, quiet = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(LANES - count), 0, 0
    while quiet < free.size:
        site = at(free, number)
        spins = load(states, site * LANES, LANES)
        costs = convert(spins, np.float64) * at(fields, site) - _gains(memory, site, spins) * unit
        turning = bits(costs < -at(unsure, site)) & given
        number, quiet = (number + 1) % free.size, 0 if turning != 0 else quiet + 1
        while turning != 0:
            lane = trailing_zeros(turning)
            turning &= turning - np.uint64(1)
            _flip(memory, site, lane, states[site, lane])
            states[site, lane] = -states[site, lane]
