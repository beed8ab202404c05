"""States taken down to local minima: no single flip lowers what `quenched` returns."""

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.descents import Terms, descend
from fastgibbs.models import RBM, BoltzmannMachine, Hopfield

_LANES = 64  # states that descend together


def quenched(model, states: np.ndarray, free: np.ndarray | None = None) -> np.ndarray:
    """What is left of `states` (reads, n), in the model's units, when sites have turned along their fields, in order.

    A site without field stays as it is, and so do sites that are not `free`; passes go on until one changes nothing.
    """
    if isinstance(model, Hopfield) and model.rule != "storkey":
        return _remembered(model, states, contract.free_sites(model.n, free))
    terms, found = _terms(model, free), states.copy()
    for first in range(0, len(states), _LANES):
        lanes = np.ascontiguousarray(states[first : first + _LANES].T)
        descend(terms, lanes, np.empty(lanes.shape[1]), np.empty(lanes.shape[1]))
        found[first : first + _LANES] = lanes.T
    return found


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


def _remembered(model: Hopfield, states: np.ndarray, free: np.ndarray) -> np.ndarray:
    """`quenched` of a Hopfield model, by its overlaps: they are whole numbers, and so are costs of the Hebb rule."""
    spins, sums, changed = states.copy(), model.sums(states), True
    patterns = model.patterns.astype(np.int64)
    if model.inverse is not None:
        weights = model.inverse @ patterns
        own = (patterns * weights).sum(axis=0)
    half = model.energy_unit  # of the cost of a flip
    unsure = 2.0**-50 * np.abs(model.fields) + (0.0 if model.inverse is None else 2.0**-40)
    while changed:
        changed = False
        for site in free:
            spin, xi = spins[:, site].astype(np.int64), patterns[:, site]
            if model.inverse is not None:
                gain = own[site] - spin * (sums @ weights[:, site])
            elif model.order == 2:
                gain = xi.size - spin * (sums @ xi)
            else:
                after = sums - 2 * spin[:, None] * xi
                gain = (after**model.order - sums**model.order).sum(axis=1) / 2
            turns = np.flatnonzero(gain * half - spin * model.fields[site] > unsure[site])
            spins[turns, site] *= -1
            sums[turns] -= 2 * spin[turns, None] * xi
            changed |= turns.size > 0
    return spins
