"""E(x) = min((sum_i x_i - k)^2, 4): about k of n units are on, and where they are not it costs 4 at most."""

import numba
import numpy as np

import fastgibbs as fg


@numba.njit
def penalty(total, k):
    """min((total - k)^2, 4)."""
    return min((total - k) ** 2, 4.0)


def cost(spins, site, sums, k):
    """What it costs to turn a unit: `sums` holds how many are on."""
    return penalty(sums[0] - spins[site], k) - penalty(sums[0], k)


def turn(spins, site, sums, k):
    """One unit more if it was off, one less if it was on."""
    sums[0] -= spins[site]


class Budget(fg.Energy):
    """n units 0 and 1, k of which should be on."""

    low = 0

    def __init__(self, n, k):
        super().__init__(n, k=float(k))

    def energy(self, states):
        """E(x) of states (..., n)."""
        on = (self.to_spins(states) > 0).sum(axis=-1)
        return np.minimum((on - self.k) ** 2, 4.0)

    def flips(self):
        """What a flip costs, by the number of units that are on: 0 where all are off."""
        return fg.Flips(cost, (self.k,), turn, np.zeros(1))
