"""The engine of any energy in plain Python: the author's own functions, spin by spin, one lane a chain.

Costs are float64; what decides a spin is float32 as in the sparse twin, whose random numbers and decisions these are.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import LOG2E
from fastgibbs.reference.sparse import RULES, attempts
from fastgibbs.reference.streams import ORDER, SWEEP, seeded, start_spins, stream


class State(NamedTuple):
    """What a sweep reads and changes."""

    spins: np.ndarray  # int8 (lanes, n), changed in place
    model: object
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    order: np.ndarray  # uint64 (4, 1), changed in place by the random scan
    rule: str
    scan: str
    free: np.ndarray  # the sites that are visited


def start(model, lanes, seed, rule, scan="sequential", spins=None, free=None):
    """A `State` of `lanes` lanes; arguments as of the sparse twin. `model`: any with `flips`, a `Whole`, or a list."""
    model = sampling.own(sampling.as_models(model)[0])
    spins = start_spins(seed, model.n, lanes) if spins is None else spins.copy()
    free = np.arange(model.n) if free is None else free
    return State(spins, model, seeded(seed, SWEEP, lanes), stream(seed, ORDER), rule, scan, free)


def energies(models, spins, free=None):
    """E(s) of every lane, float64 (lanes,), added up as spins turn up in order from all down; int8 (lanes, n)."""
    return np.array([_climbed(sampling.own(models[0]), one)[0] for one in spins])


def sweep(state, betas, fields=None):
    """One sweep of every lane, in place: an attempt a free site, decided by the cost of its flip.

    `betas` and `fields`, as of the sparse twin. KeyError on an unknown rule or scan.
    """
    with np.errstate(over="ignore"):
        scale = np.clip(-LOG2E * betas, -np.finfo(np.float64).max, np.finfo(np.float64).max)
    push = np.full(len(betas), -0.0)
    if fields is not None:
        push = np.where(fields == 0, push, np.float32(np.clip(scale * (2 * fields), -1e38, 1e38)))
    spins = state.spins.astype(np.int64)
    cost, turn, parameters = _functions(state.model)
    sums = [_climbed(state.model, one)[1] for one in state.spins]
    decide = RULES[state.rule]
    for i, u in attempts(state):
        costs = np.array([float(cost(one, i, *own, *parameters)) for one, own in zip(spins, sums, strict=True)])
        with np.errstate(over="ignore"):
            exponents = np.float32(np.clip(scale * (costs * spins[:, i]) + push, -1e30, 1e30))
        new = decide(exponents, spins[:, i].astype(np.int8), u)
        for lane in np.flatnonzero(new != spins[:, i]):
            turn(spins[lane], i, *sums[lane], *parameters)
            spins[lane, i] = new[lane]
    state.spins[:] = spins


def flip_costs(model, spins, sites):
    """What it costs to turn each of some sites of spins (n,), float64 (sites,)."""
    cost, _, parameters = _functions(model)
    spins, (_, sums) = spins.astype(np.int64), _climbed(model, spins)
    return np.array([float(cost(spins, site, *sums, *parameters)) for site in sites])


def turned_sums(model, spins, site):
    """The running sums of spins (n,) once a site has turned, as they follow it, and as they are there: float64 (m,)."""
    _, turn, parameters = _functions(model)
    (_, (followed,)), turned = _climbed(model, spins), spins.astype(np.int64)
    turn(turned, site, followed, *parameters)
    turned[site] *= -1
    return followed, _climbed(model, turned)[1][0]


def _functions(model):
    """cost, turn and parameters, as Python has them: numbers are int64 and float64, as compiled code has them."""
    flips = model.flips()
    cost, turn = (getattr(function, "py_func", function) for function in (flips.cost, flips.turn))
    return cost, turn or (lambda *arguments: None), flips.parameters


def _climbed(model, spins):
    """The energy of spins (n,), and their running sums, a tuple of one array or of none."""
    cost, turn, parameters = _functions(model)
    path, energy = np.full(model.n, -1), float(model.energy(model.from_spins(np.full((1, model.n), -1, np.int8)))[0])
    sums = () if model.flips().sums is None else (np.array(model.flips().sums, np.float64),)
    for i in np.flatnonzero(spins > 0).tolist():
        energy += float(cost(path, i, *sums, *parameters))
        turn(path, i, *sums, *parameters)
        path[i] = 1
    return energy, sums
