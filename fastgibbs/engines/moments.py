"""Sums over lanes of units and of products of two units, which the gradient of a Boltzmann machine is made of."""

import numpy as np

from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.vectors import at, full, load, select, store
from fastgibbs.jit import njit


@njit
def add_moments(spins, coefficients, i, j, first, last, scratch, moments):
    """moments_k += sum_l c_l x_i(k) x_j(k) over lanes l, for pairs k = `first` ... `last - 1`; x = 1 for a spin up.

    `spins`: (n, lanes); `coefficients`: float64 (lanes,); `i`, `j`: int32 (pairs,), alike for sums of single
    units; `moments`: float64 (pairs,); `scratch`: float64 (16,), of this thread.
    """
    lanes = spins.shape[1]
    for k in range(first, last):
        row, other = np.int64(at(i, k)) * lanes, np.int64(at(j, k)) * lanes
        total = full(0.0, np.float64, GROUP)
        for lane in range(0, lanes, GROUP):
            both = (load(spins, row + lane, GROUP) > 0) & (load(spins, other + lane, GROUP) > 0)
            total = total + select(both, load(coefficients, lane, GROUP), full(0.0, np.float64, GROUP))
        store(scratch, 0, total)
        for e in range(GROUP):
            moments[k] += scratch[e]
