"""Where the curves of two sizes of a system cross: the finite-size estimate of a critical point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.analysis.reweighting import Reweighted
from fastgibbs.types import FloatArray


class Crossing(NamedTuple):
    """Where two Binder cumulants are equal, and their value there, each with its error.

    >>> import fastgibbs as fg
    >>> fg.analysis.Crossing(temperature=2.27, temperature_error=0.01, binder=0.61, binder_error=0.01).binder
    0.61
    """

    temperature: float
    temperature_error: float
    binder: float
    binder_error: float


def binder_crossing(first: Reweighted, second: Reweighted) -> Crossing:
    """T with U_1(T) = U_2(T), between neighbouring betas of two `Reweighted` of the same betas: a `Crossing`.

    With independent errors d_i of U_i and slopes s_i there, T is uncertain by sqrt(d_1^2 + d_2^2) / |s_1 - s_2| and U
    by sqrt((s_2 d_1)^2 + (s_1 d_2)^2) / |s_1 - s_2|. Of several crossings it is the steepest, the others being noise.
    As the sizes grow it tends to the critical T and the universal U (Binder, Z. Phys. B 43, 119 (1981)).

    ValueError if the betas differ, are not above 0 or do not ascend, or if the curves do not cross.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> betas, runs = np.linspace(0.40, 0.48, 9), {}
    >>> for L in (4, 8):
    ...     run = fg.sample(fg.lattice((L, L)), beta=np.tile([0.42, 0.46], 32), sweeps=1000, burn_in=100, seed=1)
    ...     runs[L] = fg.analysis.reweight(run, betas)
    >>> print(f"T = {fg.analysis.binder_crossing(runs[4], runs[8]).temperature:.2f}")  # tends to 2.269
    T = 2.24
    """
    betas = first.betas
    if not np.array_equal(betas, second.betas) or betas.size < 2 or betas[0] <= 0 or (np.diff(betas) <= 0).any():
        raise ValueError("first and second must have the same betas, two or more, positive and ascending")
    gap = first.binder - second.binder
    crossed = np.flatnonzero(np.signbit(gap[1:]) != np.signbit(gap[:-1]))
    if crossed.size == 0:
        raise ValueError(
            f"Binder cumulants do not cross between beta = {betas[0]:g} and {betas[-1]:g}: reweight to a wider range"
        )
    i = crossed[np.abs(np.diff(gap))[crossed].argmax()]
    t = gap[i] / (gap[i] - gap[i + 1])

    def between(values: FloatArray) -> float:
        return values[i] + t * (values[i + 1] - values[i])

    beta = between(betas)
    d1, d2 = between(first.binder_error), between(second.binder_error)
    s1, s2 = (between(np.gradient(curve.binder, betas)) for curve in (first, second))
    return Crossing(
        float(1 / beta),
        float(np.hypot(d1, d2) / abs(s1 - s2) / beta**2),
        float(between(first.binder)),
        float(np.hypot(s2 * d1, s1 * d2) / abs(s1 - s2)),
    )
