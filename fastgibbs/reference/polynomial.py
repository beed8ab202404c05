"""The engine of polynomials in NumPy: fields are float32 sums over the terms of a site, one lane a chain.

Random numbers and decisions are those of the sparse twin.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import exponents, power_of_two
from fastgibbs.reference.sparse import RULES, drawn, rough_attempts
from fastgibbs.reference.streams import ORDER, SWEEP, seeded, start_spins, stream


class State(NamedTuple):
    """What a sweep reads and changes."""

    spins: np.ndarray  # int8 (lanes, n), changed in place
    fields: list  # of each site the terms that it is in: (others, number over `unit` float32) each
    unit: float
    low: int  # -1 of spins, 0 of units
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    order: np.ndarray  # uint64 (4, 1), changed in place by the random scan
    rule: str
    scan: str
    free: np.ndarray  # the sites that are visited


def start(model, lanes, seed, rule, scan="sequential", spins=None, free=None):
    """A `State` of `lanes` lanes of a Polynomial; arguments as of the sparse twin."""
    model = sampling.own(sampling.as_models(model)[0])
    half = 1.0 if model.low else 0.5
    numbers = [-half * c for c in model.terms.values()]
    unit = power_of_two([x for key, x in zip(model.terms, numbers, strict=True) if key])
    fields: list[list[tuple[list[int], np.float32]]] = [[] for _ in range(model.n)]
    for key, number in zip(model.terms, numbers, strict=True):
        for site in key:
            fields[site].append(([other for other in key if other != site], np.float32(number / unit)))
    spins = start_spins(seed, model.n, lanes) if spins is None else spins.copy()
    free = np.arange(model.n) if free is None else free
    return State(spins, fields, unit, model.low, seeded(seed, SWEEP, lanes), stream(seed, ORDER), rule, scan, free)


def energies(models, spins, free=None):
    """E(s) of every lane, float64 (lanes,), of spins int8 (lanes, n)."""
    model = sampling.own(models[0])
    return model.energy(model.from_spins(spins))


def sweep(state, betas, fields=None):
    """One sweep of every lane, in place: an attempt a free site, each with f_i = sum_k v_k prod of the others.

    `betas` and `fields`, as of the sparse twin. KeyError on an unknown rule or scan.
    """
    scale, push = exponents(betas, fields, state.unit)
    spins = state.spins.T
    for i, upper in rough_attempts(state):
        f = np.zeros(spins.shape[1], np.float32)
        for others, number in state.fields[i]:
            values = spins[others] if state.low else (spins[others] + 1) // 2
            f = f + number * values.prod(axis=0).astype(np.float32)
        spins[i] = drawn(RULES[state.rule], scale * f + push, spins[i], upper, state.streams)
