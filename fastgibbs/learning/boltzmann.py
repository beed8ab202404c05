"""Gradients of the log-likelihood of a Boltzmann machine, exact or sampled with persistent chains.

With L = (1/N) sum_n log p(v_n), dL/dW_ij = <x_i x_j>_data - <x_i x_j>_model and dL/db_i = <x_i>_data - <x_i>_model: the
mean over the data has hidden units drawn given the visible ones, which are clamped; the other has all units free.
Ackley, Hinton and Sejnowski, Cogn. Sci. 9, 147 (1985), eq. (8).
"""

from typing import NamedTuple

import numpy as np

from fastgibbs import exact
from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods.sampling import sample
from fastgibbs.models import BoltzmannMachine, checks


class Gradient(NamedTuple):
    """dL/dW_ij of some pairs, float64 (pairs,), whether they are coupled yet or not, and dL/db, float64 (n,)."""

    weights: np.ndarray
    biases: np.ndarray


def exact_gradient(machine, data, i, j) -> Gradient:
    """The gradient by enumeration of all states of a machine of up to 20 units, at beta = 1.

    `data`: (N, V) visible units; `i`, `j`: (pairs,) units. Errors as for `fastgibbs.exact.states` and `log_likelihood`.
    """
    data, i, j = _checked(machine, data, i, j)
    x = (exact.states(machine.n) + 1) // 2
    places = 1 << np.arange(machine.n_visible)
    visible = x[:, machine.visible] @ places
    exponents = -machine.energy(x)
    top = np.full(2**machine.n_visible, -np.inf)
    np.maximum.at(top, visible, exponents)
    given = np.exp(exponents - top[visible])  # p(x | v) but for a factor
    sums = np.bincount(visible, given, len(top))
    shares = np.bincount(data @ places, minlength=len(top)) / len(data)
    joint = np.exp(exponents - exponents.max())
    difference = given * (shares / sums)[visible] - joint / joint.sum()
    return Gradient((difference[:, None] * x[:, i] * x[:, j]).sum(axis=0), difference @ x)


def sampled_gradient(machine, data, chains, i, j, *, steps=1, seed=None, threads=None) -> tuple[Gradient, np.ndarray]:
    """An estimate of the gradient at beta = 1, and where the persistent chains have come to, int8 (chains, n).

    `data`: (N, V) visible units, clamped while one chain each draws the hidden ones in `steps` sweeps; `chains`: states
    (chains, n) that make `steps` sweeps with all units free. `i`, `j`: (pairs,) units. `seed`, `threads` as for
    `sample`. Tieleman, ICML 2008; Salakhutdinov and Hinton, AISTATS 2009, section 2.
    """
    data, i, j = _checked(machine, data, i, j)
    entropy = np.random.SeedSequence(entropy_of(seed)).spawn(2)
    kwargs = dict(beta=1.0, sweeps=steps, thin=steps, threads=threads)
    clamp = dict(zip(machine.visible.tolist(), data.T, strict=True))
    given = sample(machine, chains=len(data), clamp=clamp, seed=entropy[0], **kwargs)
    free = sample(machine, chains=len(chains), start=chains, seed=entropy[1], **kwargs)
    if given.interrupted or free.interrupted:
        raise KeyboardInterrupt
    (pairs, units), (free_pairs, free_units) = (_means(run.states, i, j) for run in (given, free))
    return Gradient(pairs - free_pairs, units - free_units), free.states


def _means(states, i, j):
    """<x_i x_j> of the pairs and <x> of all units."""
    return (states[:, i] & states[:, j]).mean(axis=0), states.mean(axis=0)


def _checked(machine, data, i, j):
    """Data (N, V) and pairs of units, as arrays."""
    if not isinstance(machine, BoltzmannMachine):
        raise TypeError(f"machine is {machine!r}: give a BoltzmannMachine")
    data = checks.units("data", data, machine.n_visible)
    if data.ndim != 2 or not len(data):
        raise ValueError(f"data has shape {data.shape}: give (N, {machine.n_visible}), N of at least 1")
    i, j = checks.indices("i", i, machine.n), checks.indices("j", j, machine.n)
    if i.shape != j.shape:
        raise ValueError(f"i has {i.size} units and j has {j.size}: give one of each per pair")
    return data, i, j
