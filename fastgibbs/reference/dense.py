"""The dense engine in NumPy: couplings and fields as integers, each local field summed afresh at every attempt.

Sums of integers are exact, so fields that a kernel keeps up to date, flip by flip in any order, are these."""

import math
from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import exponents, power_of_two
from fastgibbs.reference.sparse import RULES, attempts
from fastgibbs.reference.spiking import Neurons, lasting, neurons
from fastgibbs.reference.streams import ORDER, SWEEP, seeded, start_spins, stream

energies = sampling.energies

DIVISORS = 16
ROUNDING = 2.0**-50  # of a ratio of two numbers that are whole multiples of a step


class State(NamedTuple):
    """What a sweep reads and changes: J = unit grain `J`, h = unit grain `h`."""

    spins: np.ndarray  # int8 (lanes, n), changed in place
    J: np.ndarray  # int64 (n, n), rounded to the nearest
    h: np.ndarray  # int64 (n,)
    fine_J: np.ndarray  # int64 (n, n): what is left, in units of `fineness`; energies have it, decisions do not
    fine_h: np.ndarray  # int64 (n,)
    fineness: float
    shift: np.ndarray  # int64 (n,): low bits of a local field that no decision sees
    grain: float
    unit: float
    offset: float
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    order: np.ndarray  # uint64 (4, 1), changed in place by the random scan
    rule: str
    scan: str
    free: np.ndarray  # the sites that are visited
    neurons: Neurons | None  # if they spike


def start(model, lanes, seed, rule, scan="sequential", spins=None, free=None, refractory=None):
    """A `State` of `lanes` lanes.

    `model`: a model, or a sequence that repeats one; `seed`: the entropy of `streams.stream`; `rule`: "gibbs" or
    "metropolis", or "spiking" with `refractory`, the sweeps that a spike lasts; `scan`: "sequential" or "random", one
    order for all lanes. `spins`: int8 (lanes, n), by default random, lane k from stream k of START. `free`: the sites
    that sweeps visit, by default all.
    """
    ising = sampling.as_models(model)[0].to_ising()
    unit = power_of_two(ising.couplings, ising.fields)
    J = np.zeros((ising.n, ising.n))
    J[np.repeat(np.arange(ising.n), np.diff(ising.indptr)), ising.indices] = ising.couplings / unit
    h = ising.fields / unit
    grain, rounds = grain_of(J, h)
    J, h = J / grain, h / grain
    fineness = 2.0 ** (ising.n.bit_length() - 31)
    fine_J, fine_h = (np.rint((x - np.rint(x)) / fineness).astype(np.int64) * rounds for x in (J, h))
    J, h = np.rint(J).astype(np.int64), np.rint(h).astype(np.int64)
    most = [int(abs(h[i])) + sum(map(int, abs(J[i]))) for i in range(ising.n)]
    spins = start_spins(seed, ising.n, lanes) if spins is None else spins.copy()
    return State(
        spins=spins,
        J=J,
        h=h,
        fine_J=fine_J,
        fine_h=fine_h,
        fineness=fineness,
        shift=np.array([max(0, math.frexp(float(bound))[1] - 31) for bound in most], np.int64),
        grain=grain,
        unit=unit,
        offset=ising.offset,
        streams=seeded(seed, SWEEP, lanes),
        order=stream(seed, ORDER),
        rule=rule,
        scan=scan,
        free=np.arange(ising.n) if free is None else free,
        neurons=neurons(seed, spins, refractory),
    )


def grain_of(J, h):
    """A step, and whether J and h are rounded to whole multiples of it with something left that energies want.

    `J`: (n, n), `h`: (n,), both over a unit. A common step, if no field can be 2^31 of it. Else the power of two of
    which the largest field is just below 2^31, if no site's largest field is below 2^27 of it. Else that of which
    (sum_i |h_i| + sum_ij |J_ij|) is just below 2^61, with nothing left.
    """
    values = np.abs(np.concatenate([J.ravel(), h]))
    values = values[values > 0]
    bounds = np.abs(h) + np.abs(J).sum(axis=1)
    if values.size == 0:
        return 2.0**-30, False
    grain = common_step(values, bounds.max(), 31)
    if grain is not None:
        return grain, False
    grain = math.ldexp(1.0, math.frexp(bounds.max() * (1 + 2.0**-11))[1] - 31)
    if (bounds[bounds > 0] >= 2**27 * grain).all():
        return grain, True
    return math.ldexp(1.0, math.frexp(bounds.sum())[1] - 61), False


def common_step(values, most, bits):
    """The largest step of which all `values` > 0 are whole multiples, if `most` is below 2^bits of it, or None.

    A whole number of times the finest power of two, or the least value over an integer up to 16.
    """
    finest = math.ldexp(1.0, math.frexp(most)[1] - bits)
    for step in [finest] + [values.min() / divisor for divisor in range(1, DIVISORS + 1)]:
        if most < (2**bits - 0.5) * step:
            ratios = values / step
            if (np.abs(ratios - np.rint(ratios)) <= ROUNDING * ratios).all():
                return float(step) * math.gcd(*map(int, np.rint(ratios)))
    return None


def sweep(state, betas, fields=None):
    """One sweep of every lane, in place: an attempt a free site, each visiting one with f_i = h_i + sum_j J_ij s_j.

    `betas` and `fields`, as of the sparse twin. KeyError on an unknown rule or scan.
    """
    scale, push = exponents(betas, fields, state.unit, state.neurons and state.neurons.refractory)
    spins = state.spins.T
    decide = RULES[state.rule]
    for i, u in attempts(state):
        spins[i] = lasting(state.neurons, i, decide(scale * field(state, i) + push, spins[i], u))


def field(state, i):
    """f_i over the unit, rounded to float32 (lanes,): the exact sum, its low bits dropped."""
    exact = state.h[i] + state.J[i] @ state.spins.T.astype(np.int64)
    factor = np.float32(math.ldexp(state.grain, int(state.shift[i])))
    return (exact >> state.shift[i]).astype(np.float32) * factor


def state_energies(state):
    """E(s) = offset - (sum_{i<j} J_ij s_i s_j + sum_i h_i s_i), summed in integers: float64 (lanes,)."""
    total = (
        halved_sums(state.J, state.h, state.spins)
        + halved_sums(state.fine_J, state.fine_h, state.spins) * state.fineness
    )
    return state.offset - total * state.grain * state.unit


def halved_sums(J, h, spins):
    """(s.J.s + 2 h.s) / 2 of integers, float64 (lanes,)."""
    spins = spins.astype(np.int64)
    twice = ((spins @ J) * spins).sum(axis=1) + 2 * spins @ h
    return (twice >> 1).astype(np.float64)
