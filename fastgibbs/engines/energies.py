"""Energies of many states of an Ising model as `Ising.energy` has them, bit by bit: sixteen states at a time.

A sum starts at 0.0 and adds one term after the other: it takes the latency of an addition a bond, in one lane or many.
"""

import numpy as np

from fastgibbs.engines.vectors import LANE_GROUP as WIDTH
from fastgibbs.engines.vectors import add_product, at, full, load, store
from fastgibbs.jit import njit


@njit
def _add_terms(rows, spins, sums):
    """Write sum_{i<j} J_ij s_i s_j and sum_i h_i s_i, float64 (2, WIDTH), of spins float64 (n, WIDTH)."""
    indptr, indices, couplings, fields = rows
    of_bonds, of_fields = full(0.0, np.float64, WIDTH), full(0.0, np.float64, WIDTH)
    for i in range(fields.size):
        own = load(spins, i * WIDTH, WIDTH)
        of_fields = add_product(of_fields, at(fields, i), own)
        for k in range(at(indptr, i), at(indptr, i + 1)):
            j = np.int64(at(indices, k))
            if j > i:
                of_bonds = add_product(of_bonds, at(couplings, k), own * load(spins, j * WIDTH, WIDTH))
    store(sums, 0, of_bonds)
    store(sums, WIDTH, of_fields)


def energies(model, states) -> np.ndarray:
    """E of states (k, n) of an `Ising` model, float64 (k,)."""
    units = model.coupling_unit, model.field_unit
    couplings, fields = (x if u == 1 else x / u for x, u in zip((model.couplings, model.fields), units, strict=True))
    for array in (couplings, fields):
        array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
    found, spins, sums = np.empty(len(states)), np.ones((model.n, WIDTH)), np.empty((2, WIDTH))
    for first in range(0, len(states), WIDTH):
        some = states[first : first + WIDTH]
        spins[:, : len(some)] = some.T
        _add_terms((model.indptr, model.indices, couplings, fields), spins, sums)
        found[first : first + WIDTH] = ((model.offset - units[0] * sums[0]) - units[1] * sums[1])[: len(some)]
    return found
