"""States taken down to local minima, and what flips cost there: no single flip lowers what `quenched` returns."""

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.descents import Terms, descend, turn_clusters
from fastgibbs.models import RBM, BoltzmannMachine, Hopfield

_LANES = 64  # states that descend together
_SITES = 64  # of a memory whose costs are found at once
_ENTRIES = 2**22  # patterns x sites x states at once
_LOOPS = 3  # neighbours of a site: with as many or more, satisfied bonds leave no domains but the whole
_IN_FIELDS = 64  # neighbours: with more it takes too long
_TURNS, _ALL = 8, 2**62  # passes that come near a minimum, and as many as there are


def quenched(model, states: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
    """What is left of `states` (reads, n), in the model's units, when sites have turned along their fields, in order.

    A site without field stays as it is, and so do sites that are not `free`; passes go on until one changes nothing.
    Then clusters of spins that satisfied bonds connect turn where that lowers E, and sites again, while any do: where
    there are few loops, or fields, in which all of a model may be the wrong way up.
    """
    if isinstance(model, Hopfield) and model.rule != "storkey":
        return _remembered(model, states, contract.free_sites(model.n, free))
    terms, found = _terms(model, free), states.copy()
    clusters, queue = np.empty(model.n, np.int32), np.empty(model.n, np.int32)
    _descend(terms, found, _ALL)
    most = _IN_FIELDS if terms.fields.any() else _LOOPS
    domains = terms.low == -1 and terms.indices.size < most * model.n
    while domains and turn_clusters(terms, found, clusters, queue):
        _descend(terms, found, _ALL)
    return found


def _descend(terms: Terms, states: np.ndarray, most: int):
    """At most `most` passes over the sites of states (reads, n), changed in place."""
    for first in range(0, len(states), _LANES):
        lanes = np.ascontiguousarray(states[first : first + _LANES].T)
        descend(terms, lanes, np.empty(lanes.shape[1]), np.empty(lanes.shape[1]), most)
        states[first : first + _LANES] = lanes.T


def _terms(model, free) -> Terms:
    """The energy of a model in its own units, row by row."""
    match model:
        case RBM():
            V, H = model.weights.shape
            indptr = np.concatenate([np.arange(V) * H, V * H + np.arange(H + 1) * V])
            indices = np.concatenate([np.tile(np.arange(V, V + H), V), np.tile(np.arange(V), H)]).astype(np.int32)
            couplings = np.concatenate([model.weights.ravel(), model.weights.T.ravel()])
            fields, low = np.concatenate([model.visible_bias, model.hidden_bias]), 0
        case BoltzmannMachine():
            indptr, indices, couplings, fields, low = model.indptr, model.indices, model.weights, model.biases, 0
        case _:
            ising = model.to_ising()
            indptr, indices, couplings, fields, low = ising.indptr, ising.indices, ising.couplings, ising.fields, -1
    degrees = np.diff(indptr)
    sums = np.abs(fields) + np.bincount(np.repeat(np.arange(fields.size), degrees), np.abs(couplings), fields.size)
    least = (degrees + 1.0) ** 2 * 2.0**-105 * sums
    for array in (indptr, indices, couplings, fields):
        array.flags.writeable = False  # as a model's arrays are, so that one compilation serves all
    return Terms(indptr, indices, couplings, fields, least, contract.free_sites(fields.size, free), low)


def flip_costs(model) -> np.ndarray:
    """What a flip of each site costs at a local minimum, root mean square of those below random states: float64 (n,).

    Units are those of E. The same numbers at every call; 0 where a flip is free in all of them, and where sites are
    coupled also at those that are not: they find their value in the descent.
    """
    spins = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (16, model.n))
    if isinstance(model, Hopfield) and model.rule != "storkey":
        costs, bounds = _costs_of_memory(model, spins), np.ones(model.n)
    else:
        states, terms = model.from_spins(spins), _terms(model, None)
        _descend(terms, states, _TURNS)
        degrees = np.diff(terms.indptr)
        sites = np.repeat(np.arange(model.n), degrees)
        fields = [np.bincount(sites, terms.couplings * state[terms.indices], model.n) for state in states]
        costs = (1 - terms.low) * np.abs(np.array(fields) + terms.fields)
        bounds = np.abs(terms.fields) + np.bincount(sites, np.abs(terms.couplings), model.n)
        if degrees.any():
            costs[:, degrees == 0] = 0.0
    costs = np.where(costs > 2.0**-40 * bounds, costs, 0.0)  # less is rounding
    unit = costs.max(initial=0.0) or 1.0
    return np.sqrt(((costs / unit) ** 2).mean(axis=0)) * unit


def _costs_of_memory(model: Hopfield, spins: np.ndarray) -> np.ndarray:
    """What flips cost near local minima, float64 (reads, n): all sites that would lower E have turned at once."""
    step = _ENTRIES // (len(spins) * max(1, len(model.patterns)))
    parts = [slice(first, first + step) for first in range(0, model.n, step)]
    for _ in range(_TURNS):
        sums = model.sums(spins)
        costs = np.concatenate([2 * _half_costs(model, part, spins[:, part], sums) for part in parts], axis=1)
        spins = np.where(costs < 0, -spins, spins)
    return np.abs(costs)


def _remembered(model: Hopfield, states: np.ndarray, free: np.ndarray) -> np.ndarray:
    """`quenched` of a Hopfield model, by its overlaps: several sites are looked at, up to the first that turns."""
    spins, sums, changed = states.copy(), model.sums(states), True
    unsure = 2.0**-50 * np.abs(model.fields) + (0.0 if model.inverse is None else 2.0**-40)
    step = _SITES if model.order == 2 else 1
    while changed:
        changed, first = False, 0
        while first < free.size:
            sites = free[first : first + step]
            turns = _half_costs(model, sites, spins[:, sites], sums) < -unsure[sites]
            turned = np.flatnonzero(turns.any(axis=0))
            if turned.size:
                site, reads = sites[turned[0]], np.flatnonzero(turns[:, turned[0]])
                sums[reads] -= 2 * spins[reads, site, None].astype(np.int64) * model.patterns[:, site]
                spins[reads, site] *= -1
                changed = True
            first += turned[0] + 1 if turned.size else sites.size
    return spins


def _half_costs(model: Hopfield, sites, spins: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Half of what flips of `sites` cost, float64 (reads, sites), given their spins and all sums M_mu (reads, P).

    By the Hebb rule whole numbers of `energy_unit`, but for the field.
    """
    xi = model.patterns[:, sites].astype(np.float64)
    if model.order > 2:
        flipped = sums[:, :, None] - 2 * spins[:, None, :].astype(np.int64) * model.patterns[:, sites]
        gain = (flipped**model.order - sums[:, :, None] ** model.order).sum(axis=1) / 2
    else:
        weights = xi if model.inverse is None else model.inverse @ xi
        gain = (xi * weights).sum(axis=0) - spins * (sums @ weights)
    return spins * model.fields[sites] - gain * model.energy_unit
