"""Simulated annealing with any of the twins: every read at the beta of the sweep."""

from typing import NamedTuple

import numpy as np

from fastgibbs.reference.sampling import as_models
from fastgibbs.reference.streams import run_entropy

GROUP = 16  # reads whose energies are added before the groups are: it fixes the rounding of the mean


class Annealing(NamedTuple):
    """Energies float64 (reads,), states int8 (reads, n) in the model's own units, traces float64 (sweeps,)."""

    best_energies: np.ndarray
    best_states: np.ndarray
    energies: np.ndarray
    states: np.ndarray
    trace_min: np.ndarray
    trace_mean: np.ndarray


def anneal(engine, model, betas, reads, rule, seed, start=None):
    """min_s E(s), looked for by sweeps at rising beta: sweep t of every read is at betas[t]; an `Annealing`.

    After each sweep a read whose energy is strictly below its best so far takes its present state for the best; a start
    that was given is its best at first.
    `engine`: a twin, the module; `betas`: (sweeps,), in inverse units of J; `rule`: "gibbs" or "metropolis", KeyError
    on another; `seed`: of `streams.run_entropy`; `start`: (n,) or (reads, n), the first states, by default random. The
    traces are the least and the mean energy of the reads after each sweep.
    Kirkpatrick, Gelatt and Vecchi, Science 220, 671 (1983).
    """
    models = as_models(model)
    follow = getattr(engine, "followed", lambda models, state, t: engine.energies(models, state.spins))
    if start is not None:
        start = np.broadcast_to(models[0].to_spins(start), (reads, models[0].n))
    state = engine.start(model, reads, run_entropy(seed, "anneal", start), rule, spins=start)
    best_energies = np.full(reads, np.inf) if start is None else engine.energies(models, start)
    best_spins = state.spins.copy()
    trace_min, trace_mean = np.empty(len(betas)), np.empty(len(betas))
    for t, beta in enumerate(betas):
        engine.sweep(state, np.full(reads, beta))
        energy = follow(models, state, t)
        better = energy < best_energies
        best_energies[better] = energy[better]
        best_spins[better] = state.spins[better]
        trace_min[t] = energy.min()
        trace_mean[t] = sum_in_order([sum_in_order(energy[k : k + GROUP]) for k in range(0, reads, GROUP)]) / reads
    own = models[0].from_spins
    last = engine.energies(models, state.spins)
    return Annealing(
        engine.energies(models, best_spins), own(best_spins), last, own(state.spins), trace_min, trace_mean
    )


def sum_in_order(terms):
    """((0 + t_0) + t_1) + ...: one term after the other, where `numpy.sum` adds in pairs."""
    total = 0.0
    for term in terms:
        total += term
    return total
