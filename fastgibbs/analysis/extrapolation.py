"""What means of quantum spins in slices of imaginary time come to in continuous time."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.analysis.quantum import QuantumMeans, quantum
from fastgibbs.models import checks
from fastgibbs.types import FloatArray


class ContinuousMeans(NamedTuple):
    """Means of H itself at one beta, each with its error: those of `QuantumMeans` without slices.

    >>> import fastgibbs as fg
    >>> "zz" in fg.analysis.ContinuousMeans._fields
    True
    """

    beta: float
    gamma: float
    energy: tuple[float, float]
    heat_capacity: tuple[float, float]
    x: tuple[float, float]
    zz: tuple[float, float]
    abs_m: tuple[float, float]
    susceptibility: tuple[float, float]
    binder: tuple[float, float]


def extrapolate(*results: Any) -> list[ContinuousMeans]:
    """sum_k w_k v_k of runs at M_k slices, w_k = prod_{j != k} M_k^2 / (M_k^2 - M_j^2): `ContinuousMeans` of each beta.

    Of M and 2M slices (4 v_2M - v_M) / 3. Means at M slices are off by a series in 1 / M^2: two runs take away the
    first term, and each run more another. Errors are those of runs independent of each other: give each a seed of its
    own. Means are as `quantum` has them, beta by beta, or rung by rung of ladders.

    `results`: two or more, of `sample` or `temper`, of one model at different numbers of slices, at the same betas and
    fields. TypeError or ValueError names the one that is not so.

    >>> import fastgibbs as fg
    >>> ring = [fg.TransverseIsing(fg.lattice((6,)), 1.0, slices) for slices in (8, 16)]
    >>> runs = [fg.sample(one, beta=2.0, sweeps=4000, burn_in=50, seed=one.slices) for one in ring]
    >>> (zz, error), exact = fg.analysis.extrapolate(*runs)[0].zz, fg.exact.transverse(ring[0], beta=2.0).zz
    >>> abs(zz - exact) < 4 * error < 0.01
    True
    """
    if len(results) < 2:
        raise ValueError(f"results holds {len(results)} runs: give two or more, of different numbers of slices")
    each = [quantum(result) for result in results]
    first, points = results[0].model, [(of.beta, of.gamma) for of in each[0]]
    for k, (result, found) in enumerate(zip(results, each, strict=True)):
        model = result.model
        if model.model != first.model or not np.array_equal(model.gamma, first.gamma):
            raise ValueError(f"results[{k}] is of {checks.shown(model)}, results[0] of another model or field")
        if any(model.slices == other.model.slices for other in results[:k]):
            raise ValueError(f"results[{k}] is of {model.slices} slices, as one before: give different numbers of them")
        if [(of.beta, of.gamma) for of in found] != points:
            raise ValueError(f"results[{k}] is at other betas or fields than results[0]: give the same")
    weights = continuous([result.model.slices for result in results])
    return [_weighed(weights, of_point) for of_point in zip(*each, strict=True)]


def continuous(slices: list[int]) -> FloatArray:
    """The weights w_k, float64 (runs,), of means at these numbers of slices."""
    squares = np.array(slices, np.float64) ** 2
    ratios = squares[:, None] - squares
    np.fill_diagonal(ratios, squares)
    return (squares[:, None] / ratios).prod(axis=1)


def _weighed(weights: FloatArray, means: tuple[QuantumMeans, ...]) -> ContinuousMeans:
    """Of the means at one point in different numbers of slices."""
    found = {}
    for name in ContinuousMeans._fields[2:]:
        values, errors = np.array([getattr(of, name)[:2] for of in means]).T
        found[name] = float(weights @ values), float(np.hypot.reduce(weights * errors))
    return ContinuousMeans(means[0].beta, means[0].gamma, **found)
