"""Where the curves of two sizes of a system cross: the finite-size estimate of a critical point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastgibbs.analysis.disorder import DisorderAverage
from fastgibbs.analysis.reweighting import Reweighted
from fastgibbs.models import checks
from fastgibbs.types import FloatArray

_RESAMPLES = 1000  # whose spread knows an error to 3 %
_WITHIN = 0.6827  # of a normal law within a standard deviation


class Crossing(NamedTuple):
    """Where two curves are equal, and their value there, each with its error.

    >>> import fastgibbs as fg
    >>> fg.analysis.Crossing(temperature=2.27, temperature_error=0.01, value=0.61, value_error=0.01).value
    0.61
    """

    temperature: float
    temperature_error: float
    value: float
    value_error: float


def binder_crossing(first: Reweighted | DisorderAverage, second: Reweighted | DisorderAverage) -> Crossing:
    """T with U_1(T) = U_2(T), or g_1(T) = g_2(T), between neighbouring betas that both have: a `Crossing`.

    Of two `Reweighted` with independent errors d_i of U_i and slopes s_i there, T is uncertain by sqrt(d_1^2 + d_2^2) /
    |s_1 - s_2| and U by sqrt((s_2 d_1)^2 + (s_1 d_2)^2) / |s_1 - s_2|. Of two `DisorderAverage`, whose rungs share
    their noise, errors are bootstrapped: 1000 times as many samples of each are drawn with replacement from those there
    are, by random numbers that are always the same, and the errors are half the widths of the 68 % of the crossings in
    the middle; where curves do not cross, that counts as half a crossing on either side of all others. Of several
    crossings it is the steepest, the others being noise. As the sizes grow it tends to the critical T and the universal
    U or g (Binder, Z. Phys. B 43, 119 (1981)).

    TypeError if they are not both of one kind; ValueError if the betas differ, are not above 0 or do not ascend, or if
    the curves do not cross.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> betas, runs = np.linspace(0.40, 0.48, 9), {}
    >>> for L in (4, 8):
    ...     run = fg.sample(fg.lattice((L, L)), beta=np.tile([0.42, 0.46], 32), sweeps=1000, burn_in=100, seed=1)
    ...     runs[L] = fg.analysis.reweight(run, betas)
    >>> print(f"T = {fg.analysis.binder_crossing(runs[4], runs[8]).temperature:.2f}")  # tends to 2.269
    T = 2.24
    """
    if isinstance(first, DisorderAverage) and isinstance(second, DisorderAverage):
        return _bootstrapped("Binder cumulants", "binder", first, second)
    if not isinstance(first, Reweighted) or not isinstance(second, Reweighted):
        kinds = f"{type(first).__name__} and {type(second).__name__}"
        raise TypeError(f"first and second are {kinds}: give two of reweight, or two of disorder_average")
    betas = _common(first.betas, second.betas)
    place = _crossed(first.binder - second.binder)
    if place is None:
        raise ValueError(f"Binder cumulants do not cross {_range(betas)}: reweight to a wider range")
    beta, d1, d2 = (_between(values, *place) for values in (betas, first.binder_error, second.binder_error))
    s1, s2 = (_between(np.gradient(curve.binder, betas), *place) for curve in (first, second))
    return Crossing(
        1 / beta,
        float(np.hypot(d1, d2) / abs(s1 - s2) / beta**2),
        _between(first.binder, *place),
        float(np.hypot(s2 * d1, s1 * d2) / abs(s1 - s2)),
    )


def xi_crossing(first: DisorderAverage, second: DisorderAverage) -> Crossing:
    """T with xi_1(T) / L_1 = xi_2(T) / L_2, with errors as of `binder_crossing`: a `Crossing`, value xi / L.

    It shows a transition better than g, whose curves hardly part below it (Ballesteros et al., Phys. Rev. B 62, 14237
    (2000)).

    TypeError or ValueError as there, and if they are no averages of lattices.

    >>> import fastgibbs as fg
    >>> averages = {}
    >>> for L in (3, 4):
    ...     glasses = [fg.edwards_anderson((L, L, L), seed=k) for k in range(20)]
    ...     runs = fg.temper(glasses, betas=[0.4, 0.6, 0.8, 1.0, 1.2], sweeps=1000, seed=L)
    ...     averages[L] = fg.analysis.disorder_average(runs)
    >>> print(fg.analysis.xi_crossing(averages[3], averages[4]).temperature > 0.8)  # so few samples tell little
    True
    """
    for name, average in (("first", first), ("second", second)):
        if not isinstance(average, DisorderAverage):
            raise TypeError(f"{name} is {checks.shown(average)}: give what disorder_average returned")
        if average.side is None:
            raise ValueError(f"{name} is of samples that are no lattices: these have no correlation length")
    return _bootstrapped("curves of xi / L", "xi_ratio", first, second)


def _bootstrapped(what: str, name: str, first: DisorderAverage, second: DisorderAverage) -> Crossing:
    """The crossing of curves of this name, and its errors from samples that are drawn again."""
    betas = _common(*(average.betas[average.betas > 0] for average in (first, second)))  # infinite T is no place
    rng, drawn = np.random.default_rng(0), []
    for average in (first, second):
        alike = np.full((1, average.samples), 1 / average.samples)
        again = rng.multinomial(average.samples, alike[0], _RESAMPLES) / average.samples
        drawn.append(average.resampled(name, np.concatenate([alike, again]))[:, average.betas > 0])
    places = [_crossed(one - other) for one, other in zip(*drawn, strict=True)]
    if places[0] is None:
        raise ValueError(f"{what} do not cross {_range(betas)}: give more samples, or a wider range if they should")
    found = [(1 / _between(betas, *at), _between(one, *at)) for one, at in zip(drawn[0], places, strict=True) if at]
    (T, *others), (value, *values) = np.transpose(found)
    return Crossing(float(T), _spread(others), float(value), _spread(values))


def _spread(found: Sequence[float]) -> float:
    """Half the width of the middle 68 % of what resamples gave; those that gave nothing lie half below, half above."""
    missing = _RESAMPLES - len(found)
    ends = np.concatenate([np.full(missing // 2, -np.inf), np.sort(found), np.full(missing - missing // 2, np.inf)])
    low, high = ends[[round((1 - _WITHIN) / 2 * _RESAMPLES), round((1 + _WITHIN) / 2 * _RESAMPLES) - 1]]
    return float((high - low) / 2)


def _common(betas: FloatArray, others: FloatArray) -> FloatArray:
    """The betas of both curves; ValueError unless they are the same, above 0 and ascending."""
    if not np.array_equal(betas, others) or betas.size < 2 or betas[0] <= 0 or (np.diff(betas) <= 0).any():
        raise ValueError("first and second must have the same betas, two or more, positive and ascending")
    return betas


def _range(betas: FloatArray) -> str:
    return f"between beta = {betas[0]:g} and {betas[-1]:g}"


def _crossed(gap: FloatArray) -> tuple[int, float] | None:
    """Where a difference of curves is 0: after which beta, and how far on to the next; where it changes fastest.

    None if it nowhere changes its sign.
    """
    crossed = np.flatnonzero(np.signbit(gap[1:]) != np.signbit(gap[:-1]))
    if crossed.size == 0:
        return None
    i = int(crossed[np.abs(np.diff(gap))[crossed].argmax()])
    return i, float(gap[i] / (gap[i] - gap[i + 1]))


def _between(values: FloatArray, i: int, t: float) -> float:
    return float(values[i] + t * (values[i + 1] - values[i]))
