"""Neurons that spike, in NumPy: what they count beside the spins of a twin whose attempts go site by site.

An attempt at a neuron: zeta -> zeta - 1 where zeta > 1; else zeta -> tau with probability 1 / (1 + tau exp(-u)), u
being the log odds of the neuron, or 0. It is on, s = +1, while zeta > 0.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.reference.streams import COUNT, half_words, seeded


class Neurons(NamedTuple):
    """What neurons have beside their spins."""

    refractory: int  # tau
    zeta: np.ndarray  # int8 (lanes, n), changed in place


def neurons(seed, spins, refractory):
    """Neurons of these spins, int8 (lanes, n), or None if `refractory` is.

    Where they are on, zeta = 1 + floor(r tau / 2^32), r being half a word of the lane's stream COUNT, the low half
    first.
    """
    if refractory is None:
        return None
    lanes, n = spins.shape
    counts = [1 + (half * refractory >> 32) for half in half_words(seeded(seed, COUNT, lanes), n)]
    zeta = np.array(counts, np.int8).reshape(n, lanes).T
    return Neurons(refractory, np.where(spins > 0, zeta, np.int8(0)))


def counted(zeta, drawn, refractory):
    """What neurons count after an attempt, given what they counted and the spins that were drawn: int8, any shape."""
    return np.where(zeta > 1, zeta - 1, np.where(drawn > 0, refractory, 0)).astype(np.int8)


def lasting(neurons, i, drawn):
    """The new spins int8 (lanes,) of site i, given those that were drawn; those themselves if `neurons` is None."""
    if neurons is None:
        return drawn
    neurons.zeta[:, i] = counted(neurons.zeta[:, i], drawn, neurons.refractory)
    return np.where(neurons.zeta[:, i] > 0, np.int8(1), np.int8(-1))
