"""What students of many +-1 weights learn from a teacher of their kind, in replica symmetry."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np

from fastgibbs.exact.hopfield import at_points
from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, FloatArray

_PERFECT = 0.95  # no imperfect student is more like another: from here on iteration ends at the teacher
_Z = np.linspace(-8, 8, 641)  # an even grid is exact for what is smooth; at high T, H becomes a step, to 2e-5
_DENSITY = np.exp(-_Z * _Z / 2) / np.sqrt(2 * np.pi)
_WEIGHTS = _DENSITY * (_Z[1] - _Z[0])


@checks.by_contents
@described
class LearningCurve(NamedTuple):
    """Students at equilibrium, by load and temperature.

    >>> import fastgibbs as fg
    >>> fg.exact.learning_curve(1.0).error.round(4).tolist()
    0.3105
    """

    overlap: Annotated[FloatArray, "float64", "R = s.teacher / N."]
    log_z: Annotated[FloatArray, "float64", "log Z / N, at T = 0 that of the number of students without error."]

    @property
    def error(self) -> FloatArray:
        """How often a student's answer to a new input is not the teacher's: arccos(R) / pi.

        >>> import fastgibbs as fg
        >>> fg.exact.learning_curve([0.0, 1.0], 1.0).error.round(3).tolist()
        [0.5, 0.413]
        """
        return np.arccos(self.overlap) / np.pi


def learning_curve(alpha: ArrayLike, temperature: ArrayLike = 0.0) -> LearningCurve:
    """R and log Z / N of students of `Perceptron` at load alpha = P / N of a teacher's examples, N to infinity.

    With <...> over a normal z, H(x) = P(z > x), g = exp(-1/T), F(h) = log(g + (1 - g) H(-h / sqrt(1 - q))), it is the
    extremum of

        log Z / N = <log 2 cosh(sqrt(a) z + b)> - a (1 - q) / 2 - b R + 2 alpha <H(-R z / sqrt(q - R^2)) F(sqrt(q) z)>

    that iteration from q = R = 0 comes to; or the teacher, R = 1 and log Z = 0, where that is more. So from
    alpha = 1.245 on at T = 0, the teacher is the only student.
    `alpha` and `temperature`: numbers of at least 0 or arrays that broadcast; float64 in their shape.
    Gyorgyi, Phys. Rev. A 41, 7097 (1990); Seung, Sompolinsky and Tishby, Phys. Rev. A 45, 6056 (1992).

    >>> import fastgibbs as fg
    >>> fg.exact.learning_curve([1.0, 1.2, 1.3]).overlap.round(4).tolist()
    [0.5607, 0.6687, 1.0]
    """
    pairs, shape = at_points(alpha, temperature)
    found = np.reshape([_equilibrium(a, math.exp(-1 / T) if T else 0.0) for a, T in pairs], (*shape, 2))
    return LearningCurve(found[..., 0][()], found[..., 1][()])


def _equilibrium(alpha: float, g: float) -> tuple[float, float]:
    """R and log Z / N at equilibrium, g = exp(-1/T)."""
    q, R, before = 0.0, 0.0, np.inf
    while abs(q - before) > 1e-12:
        spread = math.sqrt(max(q - R * R, 1e-300))
        of_teacher = 2 * alpha * _WEIGHTS * _tail(-R * _Z / spread)
        a = of_teacher @ _slope(math.sqrt(q) * _Z, q, g) ** 2
        b = 2 * alpha / math.sqrt(2 * np.pi) * (_WEIGHTS @ _slope(spread * _Z, q, g))
        field = math.sqrt(a) * _Z + b
        before, q, R = q, float(_WEIGHTS @ np.tanh(field) ** 2), float(_WEIGHTS @ np.tanh(field))
        if q > _PERFECT:
            return 1.0, 0.0
    log_cosh = _WEIGHTS @ np.logaddexp(field, -field)
    log_z = log_cosh - a * (1 - q) / 2 - b * R + of_teacher @ np.log(_right(math.sqrt(q) * _Z, q, g))
    return (R, float(log_z)) if log_z > 0 else (1.0, 0.0)


def _right(h: FloatArray, q: float, g: float) -> FloatArray:
    """exp F(h): the mean of exp(-E/T) of an example."""
    return g + (1 - g) * _tail(-h / math.sqrt(1 - q))


def _slope(h: FloatArray, q: float, g: float) -> FloatArray:
    """F'(h)."""
    x = h / math.sqrt(1 - q)
    return (1 - g) * np.exp(-x * x / 2) / math.sqrt(2 * np.pi * (1 - q)) / _right(h, q, g)


def _tail(x: FloatArray) -> FloatArray:
    """H(x)."""
    return np.array([math.erfc(one) / 2 for one in (x / math.sqrt(2)).tolist()])
