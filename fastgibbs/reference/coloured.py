"""The coloured engine in NumPy: couplings and fields as integers, the sites of a colour decided sixteen at a time.

Each local field is summed afresh: sums of integers are exact, so fields that a kernel keeps up to date are these."""

import math
from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import exponents, power_of_two
from fastgibbs.reference.dense import common_step
from fastgibbs.reference.multispin import colours
from fastgibbs.reference.sparse import RULES, uniform
from fastgibbs.reference.streams import SITES, next_words, seeded, start_spins

SLOTS = 8  # streams of a chain, each for two of sixteen places
TOTAL_BITS = 61  # of (sum_i |h_i| + sum_ij |J_ij|)


class State(NamedTuple):
    """What a sweep reads and changes: J = unit grain `J`, h = unit grain `h`."""

    spins: np.ndarray  # int8 (chains, n), changed in place
    rows: list  # of each site: the sites that it has bonds to, and their J, int64
    h: np.ndarray  # int64 (n,)
    grain: float
    unit: float
    order: list  # of each colour: the sites that are visited, ascending
    streams: np.ndarray  # uint64 (4, chains, 8), changed in place
    rule: str


def start(model, lanes, seed, rule, spins=None, free=None):
    """A `State` of `lanes` chains.

    `model`: a model, or a sequence that repeats one; `seed`: the entropy of `streams.stream`; `rule`: "gibbs" or
    "metropolis". `spins`: int8 (lanes, n), by default random, chain k from stream k of START. `free`: the sites that
    sweeps visit, by default all.
    """
    ising = sampling.as_models(model)[0].to_ising()
    unit, grain, J, h = whole(ising)
    rows = [(ising.indices[a:b], J[a:b]) for a, b in zip(ising.indptr, ising.indptr[1:], strict=False)]
    colour = np.array(colours([sites.tolist() for sites, _ in rows]), int)
    visited = np.zeros(ising.n, bool)
    visited[np.arange(ising.n) if free is None else free] = True
    slots = [seeded(seed, SITES, lanes, tile) for tile in range(SLOTS)]
    return State(
        spins=start_spins(seed, ising.n, lanes) if spins is None else spins.copy(),
        rows=rows,
        h=h,
        grain=grain,
        unit=unit,
        order=[np.flatnonzero((colour == c) & visited) for c in np.unique(colour[visited])],
        streams=np.stack(slots, axis=2),
        rule=rule,
    )


def whole(ising):
    """unit, grain, and J (nnz,) and h (n,) over both, rounded to int64.

    The grain is their common step, where the sum of all |h_i| and |J_ij|, i and j both ways, is below 2^61 of it. Else
    the power of two of which that sum is just below 2^61.
    """
    unit = power_of_two(ising.couplings, ising.fields)
    J, h = ising.couplings / unit, ising.fields / unit
    values = np.abs(np.concatenate([h, J]))
    values = values[values > 0]
    grain = 2.0 ** (1 - TOTAL_BITS)
    if values.size:
        grain = common_step(values, values.sum(), TOTAL_BITS)
        if grain is None:
            grain = math.ldexp(1.0, math.frexp(values.sum())[1] - TOTAL_BITS)
    return unit, grain, np.rint(J / grain).astype(np.int64), np.rint(h / grain).astype(np.int64)


def sweep(state, betas, fields=None):
    """One sweep of every chain, in place: colour by colour, sixteen sites at a time, f_i = h_i + sum_j J_ij s_j.

    The sites of a colour are no neighbours, so that their order in time is of no account. Site e of sixteen has the
    low half of the next word of slot e // 2 if e is even, else the high half; the last sixteen of a colour may be
    fewer, and draw as many words. `betas` and `fields`, as of the sparse twin. KeyError on an unknown rule.
    """
    scale, push = exponents(betas, fields, state.grain * state.unit)
    spins = state.spins.T
    decide = RULES[state.rule]
    for sites in state.order:
        for first in range(0, len(sites), 2 * SLOTS):
            words = next_words(state.streams)
            for e, i in enumerate(sites[first : first + 2 * SLOTS]):
                u = uniform(words[:, e // 2] >> 32 if e % 2 else words[:, e // 2] & 0xFFFFFFFF)
                spins[i] = decide(scale * rounded(field(state, spins, i)) + push, spins[i], u)


def field(state, spins, i):
    """f_i in units of unit grain, int64 (chains,)."""
    neighbours, J = state.rows[i]
    return state.h[i] + J @ spins[neighbours].astype(np.int64)


def rounded(field):
    """f = 2^31 m + r as float32, m and r being rounded first: -2^30 <= r < 2^30, f an integer below 2^61."""
    m = (field + 2**30) >> 31
    return m.astype(np.float32) * np.float32(2.0**31) + (field - (m << 31)).astype(np.float32)


def energies(models, spins, free=None):
    """E(s) = offset - (sum_{i<j} J_ij s_i s_j + sum_i h_i s_i), summed in integers: float64 (chains,)."""
    ising = models[0].to_ising()
    unit, grain, J, h = whole(ising)
    rows, spins = np.repeat(np.arange(ising.n), np.diff(ising.indptr)), spins.astype(np.int64)
    twice = (J * spins[:, rows] * spins[:, ising.indices]).sum(axis=1) + 2 * spins @ h
    return ising.offset - (twice >> 1).astype(np.float64) * grain * unit
