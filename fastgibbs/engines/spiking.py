"""Neurons that spike: a state that lasts, beside the spins of engines that attempt one site after the other.

A neuron counts zeta in 0 ... tau, and is on, z = 1 or s = +1, while zeta > 0. Where zeta > 1 an attempt counts down;
else the neuron spikes with probability sigma(u - log tau), u being the log odds of z = 1 given the others, and zeta is
tau then, else 0. It is a heat-bath draw in a field beside the neuron's own, -log tau, that neurons which are refractory
do not follow. Any order of attempts leaves p(zeta) = p(z) tau^-|z| as it is: spins have their law, though no attempt of
a neuron is reversible (Buesing, Bill, Nessler, Maass, PLoS Comput. Biol. 7, e1002211 (2011)).
"""

from typing import NamedTuple

import numpy as np
from numba import types

from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.streams import COUNT, random_words
from fastgibbs.engines.vectors import LANE_GROUP as WIDTH
from fastgibbs.engines.vectors import bits, full, load, select, store
from fastgibbs.jit import by_types, called

MOST = 127  # sweeps that a spike lasts: what 8 bits hold
_PART = 2**20  # counts drawn at once


class Neurons(NamedTuple):
    """What a block has of them beside its spins."""

    refractory: int  # tau
    zeta: np.ndarray  # int8 (n, lanes)


def neurons(spins, lanes: range, entropy, refractory: int | None) -> Neurons | None:
    """Neurons of these spins, (n, lanes), those that are on anywhere from 1 to tau; None if nothing is refractory.

    zeta = 1 + floor(r tau / 2^32) of 32 random bits r a neuron, half a word of the stream COUNT of its lane, the low
    half first: so states that have their law before a run have it in all its sweeps.
    """
    if refractory is None:
        return None
    zeta = aligned(spins.shape, np.int8)
    n, step = len(spins), max(1, _PART // max(1, len(spins)))
    for first in range(0, len(lanes), step):
        some = np.arange(len(lanes))[first : first + step]
        halves = random_words(entropy, COUNT, lanes.start + some, -(-n // 2)).view(np.uint32)[:, :n]
        counts = 1 + (halves.astype(np.uint64) * np.uint64(refractory) >> np.uint64(32))
        zeta[:, some] = np.where(spins[:, some] > 0, counts.T, 0)
    return Neurons(refractory, zeta)


@by_types
def lasting(neurons, position, new):
    """The new spins of lanes from `position` on: up where a neuron is refractory, and counts on; else as drawn."""
    if neurons is types.none:
        return lambda neurons, position, new: new
    width, kind = new.width, np.float32 if new.dtype is types.float32 else np.int8

    def count(neurons, position, new):
        zeta = load(neurons.zeta, position, width)
        refractory = zeta > 1
        new = select(refractory, full(1, kind, width), new)
        spiked = select(new > 0, full(neurons.refractory, np.int8, width), full(0, np.int8, width))
        store(neurons.zeta, position, select(refractory, zeta - 1, spiked))
        return new

    return count


@by_types
def pack_spikes(neurons, words):
    """Write to rows n ... of uint16 (2 n, lanes // 16 or more), as `snapshot` does, which neurons spiked last."""
    if neurons is types.none:
        return lambda neurons, words: None
    return lambda neurons, words: _pack(neurons, words)


@called
def _pack(neurons, words):
    n, lanes = neurons.zeta.shape
    for i in range(n if len(words) > n else 0):
        for lane in range(0, lanes, WIDTH):
            words[n + i, lane // WIDTH] = bits(load(neurons.zeta, i * lanes + lane, WIDTH) > neurons.refractory - 1)
