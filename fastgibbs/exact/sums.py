"""Sums over all states of a few spins, and energies of all of them, added so that no rounding piles up."""

import numpy as np

from fastgibbs.models import Ising
from fastgibbs.types import FloatArray, IntArray, States

Moments = tuple[float, float, float, float]  # as in `mix`
Part = FloatArray | float


def mix(beta: float, reference: FloatArray, log_sum: Part = 0.0, excess: Part = 0.0, variance: Part = 0.0) -> Moments:
    """The four numbers of all states together from those of parts of them: reference energy, log sum, excess, variance.

    A part has log Z = log_sum - beta reference, mean energy reference + excess and this variance of the energy; with
    the reference apart, nothing cancels at large |beta|.
    """
    exponent = log_sum - beta * reference
    top = exponent.argmax()
    weights = np.exp(exponent - exponent[top])
    total = weights.sum()
    distance = reference - reference[top] + excess
    mean = (weights * distance).sum() / total
    spread = (weights * (variance + (distance - mean) ** 2)).sum() / total
    return reference[top], np.broadcast_to(log_sum, exponent.shape)[top] + np.log(total), mean, spread


def dense(ising: Ising) -> FloatArray:
    """J as a matrix (n, n)."""
    J = np.zeros((ising.n, ising.n))
    J[np.repeat(np.arange(ising.n), np.diff(ising.indptr)), ising.indices] = ising.couplings
    return J


def spins_of(index: IntArray, n: int) -> States:
    """int8 (len(index), n): spin k is +1 where bit k of the index is set, otherwise -1."""
    spins = np.empty((len(index), n), np.int8)
    for k in range(n):
        spins[:, k] = 2 * (index >> k & 1) - 1
    return spins


def linear_sums(weights: FloatArray) -> FloatArray:
    """sum_k w_k s_k of all 2^len(w) states, in the order of `states`."""
    sums = np.zeros(1)
    for weight in weights:
        sums = np.concatenate([sums - weight, sums + weight])
    return sums


def energies_of(J: FloatArray, h: FloatArray) -> FloatArray:
    """-1/2 s.J.s - h.s of all 2^len(h) states, in the order of `states`: each spin in the field of those before."""
    energies = np.zeros(1)
    for k in range(len(h)):
        field = h[k] + linear_sums(J[k, :k])
        energies = np.concatenate([energies + field, energies - field])
    return energies


def product_sums(weights: FloatArray, of_spins: bool) -> FloatArray:
    """sum_k w_k prod_{i in k} x_i of all states, in the order of `states`: bit i of k says whether i is in term k.

    `weights`: float64 (2^n,), changed. Spin after spin, what has it adds with its sign: the Walsh-Hadamard transform;
    of units 0 and 1 only where it is 1.
    """
    for bit in range(weights.size.bit_length() - 1):
        pairs = weights.reshape(-1, 2, 2**bit)
        without, with_it = pairs[:, 0].copy(), pairs[:, 1].copy()
        pairs[:, 0] = without - with_it if of_spins else without
        pairs[:, 1] = without + with_it
    return weights
