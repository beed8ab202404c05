"""The overlap engine in NumPy: Hopfield models and perceptrons by M_mu = sum_i xi_i^mu s_i, one lane a chain.

Overlaps are whole numbers, and so are Hebb fields and numbers of examples; what decides a spin is float32 as in the
sparse twin, whose random numbers and decisions these are."""

from typing import NamedTuple

import numpy as np

from fastgibbs.models import Perceptron
from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import exponents
from fastgibbs.reference.sparse import RULES, attempts
from fastgibbs.reference.streams import ORDER, SWEEP, seeded, start_spins, stream


class State(NamedTuple):
    """What a sweep reads and changes."""

    spins: np.ndarray  # int8 (lanes, n), changed in place
    model: object
    unit: float  # of fields: 1/N, or 1/(n N^(n-1)) of order n, or 1/2 of a perceptron
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    order: np.ndarray  # uint64 (4, 1), changed in place by the random scan
    rule: str
    scan: str
    free: np.ndarray  # the sites that are visited


def energies(models, spins, free=None):
    """E(s) of every lane, float64 (lanes,), as the model says; spins int8 (lanes, n)."""
    return sampling.own(models[0]).energy(spins)


def start(model, lanes, seed, rule, scan="sequential", spins=None, free=None):
    """A `State` of `lanes` lanes; arguments as of the sparse twin. `model`: one, its `Whole`, or a list."""
    model = sampling.own(sampling.as_models(model)[0])
    spins = start_spins(seed, model.n, lanes) if spins is None else spins.copy()
    unit = UNITS[kind(model)](model)
    free = np.arange(model.n) if free is None else free
    return State(spins, model, unit, seeded(seed, SWEEP, lanes), stream(seed, ORDER), rule, scan, free)


def sweep(state, betas, fields=None):
    """One sweep of every lane, in place: an attempt a free site, each in the field of one; a flip moves the overlaps.

    `betas` and `fields`, as of the sparse twin. KeyError on an unknown rule or scan.
    """
    scale, push = exponents(betas, fields, state.unit)
    model, spins = state.model, state.spins.T
    field, factors = FIELDS[kind(model)], factors_of(model)
    own = np.zeros(model.n, np.float32) if kind(model) == "steps" else (model.fields / state.unit).astype(np.float32)
    overlaps = state.spins.astype(np.int64) @ model.patterns.T.astype(np.int64)  # (lanes, P)
    decide = RULES[state.rule]
    for i, u in attempts(state):
        f = field(model, overlaps, i, spins[i], factors) + own[i]
        with np.errstate(over="ignore"):
            new = decide(scale * f + push, spins[i], u)
        overlaps -= (spins[i].astype(np.int64) - new)[:, None] * model.patterns[:, i]
        spins[i] = new


def kind(model):
    """What the field is made of: "hebb", "pseudoinverse", "powers" or "steps"."""
    if isinstance(model, Perceptron):
        return "steps"
    return model.rule if model.order == 2 else "powers"


def factors_of(model):
    """y = Q^-1 xi as float32 (P, n) and c_i = sum_mu y_i^mu xi_i^mu as float32 (n,), or None."""
    if kind(model) != "pseudoinverse":
        return None
    y = model.patterns.T.astype(np.float64) @ model.inverse
    by_site = np.ascontiguousarray(model.patterns.T)
    return np.float32(y).T, np.float32((y * by_site).sum(axis=1))


def hebb(model, overlaps, i, s, factors):
    """N h_i = sum_mu xi_i^mu M_mu - P s_i, float32 (lanes,)."""
    return np.float32(overlaps @ model.patterns[:, i].astype(np.int64) - len(model.patterns) * s.astype(np.int64))


def pseudoinverse(model, overlaps, i, s, factors):
    """sum_mu y_i^mu M_mu - c_i s_i, float32 (lanes,), one term after the other."""
    y, c = factors
    f = np.zeros(len(s), np.float32)
    for mu in range(len(y)):
        f = f + np.float32(overlaps[:, mu]) * y[mu, i]
    return f - np.float32(s) * c[i]


def powers(model, overlaps, i, s, factors):
    """s_i (sum_mu F(M_mu) - F(M_mu - 2 xi_i^mu s_i)) / 2 with F(x) = x^n: half the cost of a flip, times s_i."""
    s, n = s.astype(np.int64), model.order
    flipped = overlaps - 2 * s[:, None] * model.patterns[:, i]
    return np.float32(s * (overlaps**n - flipped**n).sum(axis=1) // 2)


def steps(model, overlaps, i, s, factors):
    """s_i times how many more examples are wrong once s_i has turned, float32 (lanes,): twice the field."""
    s = s.astype(np.int64)
    flipped = overlaps - 2 * s[:, None] * model.patterns[:, i]
    return np.float32(s * ((flipped < 0).sum(axis=1) - (overlaps < 0).sum(axis=1)))


FIELDS = {"hebb": hebb, "pseudoinverse": pseudoinverse, "powers": powers, "steps": steps}
UNITS = {
    "hebb": lambda model: 1 / model.n,
    "pseudoinverse": lambda model: 1 / model.n,
    "powers": lambda model: 1 / (model.order * model.n ** (model.order - 1)),
    "steps": lambda model: 0.5,
}
