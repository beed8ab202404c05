"""Simulated annealing with any of the twins: every read at the beta of the sweep, and a descent at the end."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.reference.arithmetic import sum_in_order
from fastgibbs.reference.population import Population
from fastgibbs.reference.sampling import as_models, own
from fastgibbs.reference.streams import run_entropy, site_words
from fastgibbs.reference.terms import flip_costs

GROUP = 16  # reads whose energies are added before the groups are: it fixes the rounding of the mean


class Annealing(NamedTuple):
    """Energies float64 (reads,), states int8 (reads, n) in the model's own units, traces float64 (sweeps,)."""

    best_energies: np.ndarray
    best_states: np.ndarray
    energies: np.ndarray
    states: np.ndarray
    trace_min: np.ndarray
    trace_mean: np.ndarray
    lowest: tuple[np.ndarray, ...]  # the `keep` lowest states: energies, states, and in how many reads each was seen
    population: Population  # of all reads, if they are resampled


def anneal(engine, model, betas, reads, rule, seed, *, start=None, scan="sequential", keep=0, every=0):
    """min_s E(s), looked for by sweeps at rising beta: sweep t of every read is at betas[t]; an `Annealing`.

    After each sweep a read whose energy is strictly below its best so far takes its present state for the best; a start
    that was given is its best at first. At the end the best states descend, see `quenched`. Of all states after any
    sweep and the descent, the `keep` first in the order of (energy, hash) are the lowest; see `streams.site_words`.
    `engine`: a twin, the module; `betas`: (sweeps,), in inverse units of J; `rule`: "gibbs" or "metropolis", KeyError
    on another; `scan`: "random" for twins that know it; `seed`: of `streams.run_entropy`; `start`: (n,) or (reads, n),
    the first states, by default random. The traces are the least and the mean energy of the reads after each sweep.
    `every`: sweeps after which the reads are resampled as a population, 0 for never.
    Kirkpatrick, Gelatt and Vecchi, Science 220, 671 (1983).
    """
    models = as_models(model)
    follow = getattr(engine, "followed", lambda models, state, t: engine.energies(models, state.spins))
    if start is not None:
        start = np.broadcast_to(models[0].to_spins(start), (reads, models[0].n))
    scans = {} if scan == "sequential" else {"scan": scan}
    entropy = run_entropy(seed, "anneal", start)
    seen: dict[Any, Any] = {}
    state = engine.start(model, reads, entropy, rule, spins=start, **scans)
    best_energies = np.full(reads, np.inf) if start is None else engine.energies(models, start)
    best_spins = state.spins.copy()
    trace_min, trace_mean = np.empty(len(betas)), np.empty(len(betas))
    population, since = Population(reads, models[0].n, entropy), 0
    for t, beta in enumerate(betas):
        engine.sweep(state, np.full(reads, beta))
        energy = follow(models, state, t - since)
        better = energy < best_energies
        best_energies[better] = energy[better]
        best_spins[better] = state.spins[better]
        for read in range(reads if keep else 0):
            seen.setdefault(state.spins[read].tobytes(), set()).add(read)
        trace_min[t] = energy.min()
        trace_mean[t] = sum_in_order([sum_in_order(energy[k : k + GROUP]) for k in range(0, reads, GROUP)]) / reads
        if every and ((t + 1) % every == 0 or t + 1 == len(betas)):
            population.look(energy)
            if t + 1 < len(betas):
                state.spins[:] = state.spins[population.step(energy, betas[t + 1] - beta)]
                since = t + 1
    from_spins, given = models[0].from_spins, own(models[0])
    last = engine.energies(models, state.spins)
    best_states = np.array([quenched(given, state) for state in from_spins(best_spins)])
    best_energies = np.array([given.energy(state) for state in best_states])
    for read in range(reads if keep else 0):
        seen.setdefault(given.to_spins(best_states[read]).tobytes(), set()).add(read)
    lowest = _lowest(given, seen, site_words(entropy, given.n), keep)
    states = from_spins(state.spins)
    return Annealing(best_energies, best_states, last, states, trace_min, trace_mean, lowest, population)


def _lowest(model, seen, words, keep):
    """The first `keep` states, of spins `seen` by sets of reads, in the order of (energy, hash)."""
    spins = [np.frombuffer(state, np.int8) for state in seen]
    energies = [model.energy(model.from_spins(state)) for state in spins]
    hashes = [np.bitwise_xor.reduce(words[state > 0]) for state in spins]
    order = sorted(range(len(spins)), key=lambda k: (energies[k], hashes[k]))[:keep]
    counts = [len(reads) for reads in seen.values()]
    states = [model.from_spins(spins[k]) for k in order]
    return np.array([energies[k] for k in order]), np.array(states), np.array([counts[k] for k in order])


def quenched(model, state):
    """Turn each site of a state (n,), in order, to what lowers E, pass by pass, until a pass changes nothing.

    A site whose value makes no difference stays as it is. Costs are sums of exact terms, rounded once. Then, of spins
    -1 and 1 with fewer than 1.5 bonds a site, or 32 in fields, clusters that satisfied bonds connect turn where that
    lowers E, and sites again, while any do.
    """
    state, domains, before = state.copy(), False, None
    if model.by_overlaps:
        cost = _cost_by_overlaps(model)
    elif not model.has_ising_form:
        cost = _cost_by_flips(model)
    else:
        rows = model.quadratic()
        if rows.low != model.low:
            return model.from_spins(quenched(model.to_ising(), model.to_spins(state)))
        cost = _cost_by_row(rows)
        domains = rows.low == -1 and rows.indices.size / 2 < (32 if rows.fields.any() else 1.5) * model.n
    while before is None or (state != before).any():
        before = state.copy()
        for site in range(state.size):
            if cost(site, state) < 0:
                state[site] = model.low if state[site] == 1 else 1
        if domains and (state == before).all():
            _turn_clusters(model.to_ising(), state)
    return state


def _turn_clusters(ising, state):
    """Turn each cluster of a state, in the order of their first sites, if that lowers E; in place."""
    i, j, J = ising.bonds
    clusters = np.arange(ising.n)
    for a, b, satisfied in zip(i, j, J * state[i] * state[j] > 0, strict=True):
        if satisfied:
            clusters[clusters == max(clusters[a], clusters[b])] = min(clusters[a], clusters[b])
    for cluster in np.unique(clusters):
        inside = clusters == cluster
        around = inside[i] != inside[j]
        terms = [*(J * state[i] * state[j])[around], *(ising.fields * state)[inside]]
        if inside.sum() > 1 and math.fsum(terms) < -(2.0**-40) * np.abs(terms).sum():
            state[inside] *= -1


def _cost_by_row(rows):
    """The function of a site and a state that gives the sign of what it costs to change that site."""
    n = rows.fields.size
    J = np.zeros((n, n))
    J[np.repeat(np.arange(n), np.diff(rows.indptr)), rows.indices] = rows.couplings

    def cost(site, state):
        field = math.fsum([rows.fields[site], *(J[site] * state)])
        return field if state[site] == 1 else -field

    return cost


def _cost_by_flips(model):
    """The same of a model that says itself what a flip costs, where that is no rounding."""

    def cost(site, state):
        (change,) = flip_costs(model, model.to_spins(state), [site])
        return 0.0 if abs(change) < 1e-12 else change

    return cost


def _cost_by_overlaps(model):
    """The same of a Hopfield model, from the change of its energy by whole numbers where the rule is Hebb's."""

    def cost(site, state):
        sums, spin, xi = model.sums(state), int(state[site]), model.patterns[:, site].astype(np.int64)
        if model.inverse is not None:
            row = model.inverse @ xi
            change = (spin * (row @ sums) - row @ xi) / model.n + spin * model.fields[site]
            return 0.0 if abs(change) < 1e-12 else change
        change = int((sums**model.order - (sums - 2 * spin * xi) ** model.order).sum())
        scale = 4 * model.n if model.order == 2 else 2 * model.order * model.n ** (model.order - 1)
        return change / scale + spin * model.fields[site]

    return cost
