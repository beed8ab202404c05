"""Spins in a transverse field by diagonalisation: of H, and of the transfer matrix of slices of imaginary time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.exact.enumeration import states
from fastgibbs.models import TransverseIsing, checks
from fastgibbs.types import ArrayLike, FloatArray

_MOMENTA = 2**14
_MOST = 12  # sites: matrices of 4096 x 4096


class Quantum(NamedTuple):
    """Thermal means of H = E(sigma^z) - sum_i Gamma_i sigma^x_i at one beta; energies are totals, k_B = 1.

    `m` is the mean of sigma^z over sites, and `zz` that of sigma^z_i sigma^z_j over the bonds of E, 0 without bonds,
    at one time. `x` is the mean of sigma^x over sites, `kinks` the share of neighbouring slices in which a spin
    differs, 0 in continuous time, where their number stays finite.

    >>> import fastgibbs as fg
    >>> pair = fg.TransverseIsing(fg.Ising.from_edges(2, [0], [1], 1.0), gamma=1.0)
    >>> print(f"{fg.exact.transverse(pair, beta=50.0).energy:.6f}")  # -sqrt(1 + (2 Gamma)^2)
    -2.236068
    """

    log_z: float
    energy: float
    heat_capacity: float
    x: float
    zz: float
    m2: float
    m4: float
    abs_m: float
    kinks: float


def transverse(model: TransverseIsing, beta: float, slices: int | None = None) -> Quantum:
    """Means of a `TransverseIsing` model of up to 12 sites at inverse temperature `beta` >= 0: a `Quantum`.

    In continuous time, by diagonalising H, whatever the model's `slices` are; or of Z_M with `slices` = M, which is the
    law that `sample` draws from: its energy is -d log Z_M / d beta, its heat capacity beta^2 d^2 log Z_M / d beta^2 and
    x the derivative of log Z_M by fields, over beta. 12 sites take a minute and 2 GB, 10 a second.

    TypeError if `model` is none; ValueError if it has more sites, or beta or slices are not such numbers.

    >>> import fastgibbs as fg
    >>> ring = fg.TransverseIsing(fg.lattice((6,)), gamma=1.0)
    >>> for slices in (16, 32, None):
    ...     print(f"{fg.exact.transverse(ring, 2.0, slices).zz:.6f}")
    0.695610
    0.690742
    0.689096
    """
    if not isinstance(model, TransverseIsing):
        raise TypeError(f"model is {checks.shown(model)}: give a TransverseIsing model")
    beta = checks.finite_number("beta", beta)
    if beta < 0:
        raise ValueError(f"beta is {beta}: give a number of at least 0")
    if model.sites > _MOST:
        raise ValueError(f"{checks.shown(model)} has {model.sites} sites: at most {_MOST} are diagonalised")
    if slices is not None:
        slices = checks.integer("slices", slices)
    checks.require_memory(6 * 8 * 4**model.sites, f"matrices of 2^{model.sites} x 2^{model.sites}")
    return _continuous(model, beta) if slices is None else _of_slices(model, beta, slices)


class QuantumChain(NamedTuple):
    """Means of the infinite chain H = -J sum_i sigma^z_i sigma^z_i+1 - Gamma sum_i sigma^x_i, per site.

    >>> import fastgibbs as fg
    >>> print(f"{fg.exact.transverse_chain(beta=1.0, gamma=0.0).zz:.6f}")  # tanh(beta J)
    0.761594
    """

    energy: FloatArray
    x: FloatArray
    zz: FloatArray


def transverse_chain(beta: float, gamma: ArrayLike, J: float = 1.0) -> QuantumChain:
    """The infinite chain at inverse temperature `beta` > 0: a `QuantumChain`.

    It is of free fermions of energies 2 sqrt(J^2 + Gamma^2 - 2 J Gamma cos k).
    `gamma`: a number or an array, in whose shape the means are. Sums over 2^14 momenta, right to 10^-8
    where beta is at most 100. The chain is critical at Gamma = |J| and T = 0. TypeError or ValueError names what is no
    number. P. Pfeuty, Ann. Phys. 57, 79 (1970).

    >>> import fastgibbs as fg
    >>> print(f"{fg.exact.transverse_chain(beta=1000.0, gamma=1.0).energy:.5f}")  # -4 / pi
    -1.27324
    """
    beta, J = checks.finite_number("beta", beta), checks.finite_number("J", J)
    fields = checks.finite_array("gamma", gamma)
    if beta <= 0:
        raise ValueError(f"beta is {beta}: give a number above 0")
    k = np.pi * (2 * np.arange(_MOMENTA) + 1) / _MOMENTA
    across = fields[..., None] - J * np.cos(k)
    along = J - fields[..., None] * np.cos(k)
    size = np.hypot(across, J * np.sin(k))
    filled = np.divide(np.tanh(beta * size), size, out=np.full(size.shape, beta), where=size > 0)
    x, zz = (across * filled).mean(axis=-1), (along * filled).mean(axis=-1)
    return QuantumChain(-J * zz - fields * x, x, zz)


def _diagonal(model: TransverseIsing) -> tuple[FloatArray, FloatArray]:
    """E of every state, (2^n,), and what is averaged over states: zz, m^2, m^4 and |m|, (4, 2^n)."""
    ising, spins = model.ising, states(model.sites).astype(np.float64)
    i, j, _ = ising.bonds
    m = spins.mean(axis=1) if model.sites else np.zeros(1)
    zz = (spins[:, i] * spins[:, j]).mean(axis=1) if i.size else np.zeros(m.size)
    return ising.energy(states(model.sites)), np.array([zz, m**2, m**4, np.abs(m)])


def _flips(vectors: FloatArray, gamma: FloatArray) -> FloatArray:
    """sum_i Gamma_i sigma^x_i times vectors, the states being their first axis."""
    order, total = np.arange(len(vectors)), np.zeros_like(vectors)
    for site, field in enumerate(gamma.tolist()):
        if field:
            total += field * vectors[order ^ 1 << site]
    return total


def _continuous(model: TransverseIsing, beta: float) -> Quantum:
    diagonal, watched = _diagonal(model)
    levels, vectors = np.linalg.eigh(np.diag(diagonal) - _flips(np.eye(diagonal.size), model.gamma))
    p, log_z = _weights(-beta * levels)
    energy = p @ levels
    heat = beta**2 * (p @ (levels - energy) ** 2)
    x = p @ (vectors * _flips(vectors, np.ones(model.sites))).sum(axis=0) / max(model.sites, 1)
    return _found(log_z, energy, heat, (float(x), 0.0), watched @ (vectors**2 @ p))


def _of_slices(model: TransverseIsing, beta: float, slices: int) -> Quantum:
    """By T = A P A, A = exp(-dt E / 2) and P the product over sites of [[cosh, sinh], [sinh, cosh]] (dt Gamma_i).

    With G = sum_i Gamma_i sigma^x_i, which P commutes with, S = A G P A and Q = A G^2 P A,
    M dT/dbeta = S - (E T + T E) / 2 and M^2 d^2T/dbeta^2 = Q - E S - S E + E^2 T / 4 + E T E / 2 + T E^2 / 4.
    """
    n, dt = model.sites, beta / slices
    diagonal, watched = _diagonal(model)
    shift = diagonal.min()
    E = diagonal - shift
    A = np.exp(-dt * E / 2)
    P = np.ones((1, 1))
    for field in model.gamma[::-1].tolist():  # site 0 is the last factor
        c, s = np.cosh(dt * field), np.sinh(dt * field)
        P = np.kron(P, np.array([[c, s], [s, c]]))
    GP = _flips(P, model.gamma)
    T, S, Q = (A[:, None] * matrix * A for matrix in (P, GP, _flips(GP, model.gamma)))
    sums = E[:, None] + E
    slope = (S - sums / 2 * T) / slices
    bend = (Q - sums * S + sums**2 / 4 * T) / slices**2
    levels, vectors = np.linalg.eigh(T)
    logs = np.log(np.maximum(levels, levels[-1] * 2.0**-52))
    p, log_z = _weights(slices * logs)
    around = (vectors * np.exp((slices - 1) * logs - log_z)) @ vectors.T  # T^(M - 1) / Z
    first = slices * (around * slope).sum()
    second = slices * ((around * bend).sum() + ((vectors.T @ slope @ vectors) ** 2 * _pairs(logs, slices, log_z)).sum())
    x = [float((around * (A[:, None] * _flips(P, one) * A)).sum()) for one in np.eye(n)]
    t = np.tanh(dt * model.gamma)
    kinks = np.divide((x - t) * t, 1 - t**2, out=np.zeros(n), where=(t > 0) & (t < 1))
    means = float(np.mean(x)) if n else 0.0, float(np.mean(kinks)) if n else 0.0
    moments = watched @ (vectors**2 @ p)
    return _found(log_z - beta * shift, shift - first, beta**2 * (second - first**2), means, moments)


def _weights(logs: FloatArray) -> tuple[FloatArray, float]:
    """exp(logs) over its sum, and the logarithm of that."""
    top = logs.max()
    weights = np.exp(logs - top)
    return weights / weights.sum(), float(top + np.log(weights.sum()))


def _pairs(logs: FloatArray, slices: int, log_z: float) -> FloatArray:
    """sum over a + b = M - 2 of l_k^a l_l^b / Z, of levels l given by their logarithms."""
    if slices == 1:
        return np.zeros((logs.size, logs.size))
    high, gap = np.maximum(logs[:, None], logs), -np.abs(logs[:, None] - logs)
    terms = np.divide(np.expm1((slices - 1) * gap), np.expm1(gap), out=np.full(gap.shape, slices - 1.0), where=gap < 0)
    return np.exp((slices - 2) * high - log_z) * terms


def _found(log_z: float, energy: float, heat: float, means: tuple[float, float], moments: FloatArray) -> Quantum:
    zz, m2, m4, abs_m = moments.tolist()
    return Quantum(float(log_z), float(energy), float(heat), means[0], zz, m2, m4, abs_m, means[1])
