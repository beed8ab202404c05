"""The betas that dwave-samplers begins and ends with by default."""

from __future__ import annotations

import warnings
from typing import Any

import dimod
import numpy as np

from fastgibbs.models import checks


def default_beta_range(
    bqm: dimod.BinaryQuadraticModel, max_single_qubit_excitation_rate: float = 0.01, scale_T_with_N: bool = True
) -> list[float]:
    """The range that dwave-samplers takes by default, for `beta_range`, so that runs of it are repeated as they were.

    [log 2 / (2 max_i f_i), log(N / rate) / (2 min_i g_i)], f_i the sum and g_i the least of the |h_i|, |J_ij| of spin i
    that are not 0, N how many spins have the least g_i, or 1. Of a problem without biases [0.1, 1], with a warning.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import default_beta_range
    >>> [round(beta, 3) for beta in default_beta_range(dimod.BinaryQuadraticModel.from_ising({}, {"ab": 1}))]
    [0.347, 2.649]
    """
    spins = bqm.change_vartype(dimod.SPIN, inplace=False)
    return _default_ising_beta_range(spins.linear, spins.quadratic, max_single_qubit_excitation_rate, scale_T_with_N)


def _default_ising_beta_range(
    h: Any, J: Any, max_single_qubit_excitation_rate: float = 0.01, scale_T_with_N: bool = True
) -> list[float]:
    rate = checks.finite_number("max_single_qubit_excitation_rate", max_single_qubit_excitation_rate)
    if not 0 < rate < 1:
        raise ValueError(f"max_single_qubit_excitation_rate is {rate}: give a number between 0 and 1")
    total: dict[Any, float] = {}
    least: dict[Any, float] = {}
    for labels, bias in [*(((label,), bias) for label, bias in h.items()), *J.items()]:
        for label in labels if bias else ():
            total[label] = total.get(label, 0.0) + abs(bias)
            least[label] = min(least.get(label, np.inf), abs(bias))
    if not total:
        warnings.warn("no bias differs from 0: all states are alike, at any beta", UserWarning, stacklevel=3)
        return [0.1, 1.0]
    smallest = min(least.values())
    count = list(least.values()).count(smallest) if scale_T_with_N else 1
    return [float(np.log(2) / (2 * max(total.values()))), float(np.log(count / rate) / (2 * smallest))]
