"""Draws against the law p(s) = exp(-beta E(s)) / Z of a small model, all of whose states are counted."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from fastgibbs.exact import states
from fastgibbs.models.energy import as_energy
from fastgibbs.types import AnyArray, FloatArray, ModelLike, States


def boltzmann(model: ModelLike, beta: float) -> FloatArray:
    """p(s) = exp(-beta E(s)) / Z of every state, float64 (2^n,), in the order of `exact.states(n)`.

    Or the law of worldlines, of a model in a transverse field.
    """
    known = as_energy(model)
    exponent = known.log_marginal(states(known.n), beta) if known.by_worldlines else -beta * energies(model)
    p = np.exp(exponent - exponent.max())
    return p / p.sum()


def energies(model: ModelLike) -> FloatArray:
    """E(s) of every state, float64 (2^n,), in the order of `exact.states(n)`."""
    return model.energy(model.from_spins(states(model.n)))


def draw_exactly(model: ModelLike, beta: float, rng: np.random.Generator, chains: int) -> tuple[FloatArray, States]:
    """The law of all states, float64 (2^n,), and independent draws from it, (chains, n) in the model's units."""
    p = boltzmann(model, beta)
    return p, model.from_spins(states(model.n)[rng.choice(p.size, chains, p=p)])


def pvalue(model: ModelLike, drawn: States, p: FloatArray) -> float:
    """Twice the smaller of two chances to be as far from the law `p` as `drawn` is, by states and by energy levels.

    `drawn`: independent states (chains, n) in the model's units; `p`: float64 (2^n,). A right law gives less than x at
    a rate of x at most.
    """
    counts = np.bincount((model.to_spins(drawn) > 0) @ (1 << np.arange(model.n)), minlength=p.size)
    energy = energies(model)
    _, level = np.unique((energy / (np.abs(energy).max() or 1.0)).round(9), return_inverse=True)
    expected = p * len(drawn)
    by_level = np.bincount(level, counts), np.bincount(level, expected)
    return min(1.0, 2 * min(chi_square([(counts, expected)]), chi_square([by_level])))


def chi_square(laws: Iterable[tuple[AnyArray, AnyArray]]) -> float:
    """The chance to be as far from what is expected as was observed, rare classes pooled to 5 expected or more.

    `laws`: pairs of counts and of what is expected, float64 (classes,), which are added up.
    """
    total = freedom = 0
    for observed, expected in laws:
        if (observed[expected == 0] > 0).any():
            return 0.0
        order = np.argsort(expected)
        observed, expected = observed[order], expected[order]
        group = np.minimum((np.cumsum(expected) - expected) // 10, expected.sum() // 10 - 1).astype(int).clip(0)
        pooled, expected = np.bincount(group, observed), np.bincount(group, expected)
        seen = expected > 0
        total += ((pooled - expected)[seen] ** 2 / expected[seen]).sum()
        freedom += int(seen.sum()) - 1
    return _beyond(total, freedom) if freedom else 1.0


def _beyond(total: float, freedom: int) -> float:
    """P(X > total), X being the sum of the squares of `freedom` normal numbers: a sum of Poisson terms.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), (26.4.4) and (26.4.5).
    """
    if total <= 0:
        return 1.0
    half = total / 2
    powers = np.arange(freedom % 2, freedom, 2) / 2
    terms = [math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers.tolist()]
    return min(1.0, math.fsum(terms) + (math.erfc(math.sqrt(half)) if freedom % 2 else 0.0))
