"""Means and errors of quantum spins, from what draws of worldlines tell."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.analysis.errors import Mean, blocks, jackknife, moments, standard_error
from fastgibbs.analysis.records import Group, by_beta, sites_of
from fastgibbs.analysis.thermodynamics import cumulant, susceptibility
from fastgibbs.models import checks
from fastgibbs.types import FloatArray


class QuantumMeans(NamedTuple):
    """Means of H = E(sigma^z) - sum_i Gamma_i sigma^x_i at one beta, those of Z_M, each with its error.

    `gamma` is the largest Gamma_i. Totals with k_B = 1 are `energy` and `heat_capacity`; of each site are `x`, the mean
    sigma^x, and `susceptibility`, the static one in z, beta n (<m^2> - <|m|>^2) with m averaged over imaginary time.
    `zz` is the mean of sigma^z_i sigma^z_j over bonds, `abs_m` that of |m| and `binder` 1 - <m^4> / (3 <m^2>^2) at one
    time, `kinks` the share of neighbouring slices in which a spin differs.

    >>> import fastgibbs as fg
    >>> quantum = fg.TransverseIsing(fg.lattice((6,)), gamma=1.0, slices=16)
    >>> run = fg.sample(quantum, beta=2.0, sweeps=2000, burn_in=50, seed=1)
    >>> found, exact = fg.analysis.quantum(run)[0], fg.exact.transverse(quantum, 2.0, slices=16)
    >>> abs(found.energy.mean - exact.energy) < 4 * found.energy.error < 0.02
    True
    """

    beta: float
    gamma: float
    energy: Mean
    heat_capacity: tuple[float, float]
    x: Mean
    zz: Mean
    abs_m: Mean
    susceptibility: tuple[float, float]
    binder: tuple[float, float]
    kinks: Mean


def quantum(result: Any) -> list[QuantumMeans]:
    """What `sample` of a `TransverseIsing` model has found, beta ascending, or `temper` rung by rung: `QuantumMeans`.

    The heat capacity is beta^2 (var of the total energy + mean of its slope), beta^2 d^2 log Z_M / d beta^2: the
    estimator of the energy depends on beta itself. TypeError at another result, ValueError if there are fewer than 2
    draws.

    >>> import fastgibbs as fg
    >>> pair = fg.TransverseIsing(fg.Ising.from_edges(2, [0], [1], 1.0), gamma=1.0)
    >>> run = fg.sample(pair, beta=[1.0, 4.0] * 32, sweeps=1000, burn_in=50, seed=1)
    >>> [f"{found.x.mean:.2f}" for found in fg.analysis.quantum(run)]
    ['0.65', '0.89']
    """
    if not getattr(getattr(result, "model", None), "by_worldlines", False):
        raise TypeError(f"result is {checks.shown(result)}: give what sample returned of a TransverseIsing model")
    return [of_group(group, result.model) for group in by_beta(result)]


def of_group(group: Group, model: Any) -> QuantumMeans:
    """The means of the chains at one beta, of this model but for the field."""
    told, n = group.observables, sites_of(model)
    gamma = checks.largest(model.gamma) if group.gamma is None else group.gamma
    energy, x, zz, abs_m, kinks = (standard_error(told[name]) for name in ("total_energy", "x", "zz", "abs_m", "kinks"))
    of_energy = moments(blocks(told["total_energy"]), energy.mean)
    heat = jackknife(
        lambda rows: group.beta**2 * (rows[:, 1].mean() - rows[:, 0].mean() ** 2 + rows[:, 2].mean()),
        np.column_stack([of_energy, _means(told["energy_slope"])]),
    )
    binder = jackknife(cumulant, np.column_stack([_means(told["m2"]), _means(told["m4"])]))
    chi = susceptibility(group.magnetization, group.beta, n)
    return QuantumMeans(group.beta, gamma, energy, heat, x, zz, abs_m, chi, binder, kinks)


def _means(record: Any) -> FloatArray:
    """Those of the rows of a jackknife."""
    return moments(blocks(record), 0.0)[:, 0]
