"""The minimum of a smooth function plus sum_k l1_k |x_k|, by quasi-Newton steps that stay within an orthant.

L-BFGS (Nocedal, Math. Comput. 35, 773 (1980)) where l1 = 0; elsewhere numbers that are 0 and want to stay so are left
out, and none changes its sign within a step (Andrew and Gao, ICML 2007).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastgibbs.types import FloatArray

MOST_STEPS = 1000
_MEMORY = 10  # steps whose curvature is remembered
_SHORTEST = 2.0**-30  # of a step, over that which curvature suggests

Function = Callable[[FloatArray], tuple[float, FloatArray]]  # its value and its gradient
Scale = Callable[[FloatArray], FloatArray]  # roughly the inverse of its curvature, symmetric and positive


def minimise(
    f: Function, x: FloatArray, l1: FloatArray, scale: Scale, tolerance: float, stop: Callable[[], object]
) -> tuple[FloatArray, bool]:
    """The x at which no slope is above `tolerance`, from an `x` on, and whether it was reached before a stop."""
    value, gradient = f(x)
    value += float(l1 @ np.abs(x))
    steps: list[tuple[FloatArray, FloatArray]] = []
    for _ in range(MOST_STEPS):
        slope = _steepest(x, gradient, l1)
        if np.abs(slope).max(initial=0.0) <= tolerance:
            return x, True
        if stop():
            break
        direction = _direction(slope, steps, scale)
        direction[(x == 0) & (l1 > 0) & (direction * slope >= 0)] = 0
        if direction @ slope >= 0:
            if not steps:
                return x, False
            steps.clear()
            continue
        sign = np.where(x == 0, -np.sign(slope), np.sign(x))
        length = 1.0
        while True:
            there = x + length * direction
            there[(l1 > 0) & (there * sign < 0)] = 0
            told, new = f(there)
            told += float(l1 @ np.abs(there))
            if told <= value + 1e-4 * (slope @ (there - x)):
                break
            length /= 2
            if length < _SHORTEST:  # rounding hides what is left
                return x, False
        if (there - x) @ (new - gradient) > 0:
            steps = [*steps[1 - _MEMORY :], (there - x, new - gradient)]
        x, value, gradient = there, told, new
    return x, False


def _steepest(x: FloatArray, gradient: FloatArray, l1: FloatArray) -> FloatArray:
    """The least slope of the whole at x, of any that its kinks allow: 0 where x_k = 0 wants to stay so."""
    at_kink = np.sign(gradient) * np.maximum(np.abs(gradient) - l1, 0)
    return np.where(x == 0, at_kink, gradient + l1 * np.sign(x))


def _direction(slope: FloatArray, steps: list[tuple[FloatArray, FloatArray]], scale: Scale) -> FloatArray:
    """-H slope, H from `scale` and the steps made before."""
    free = slope != 0
    q, shares = slope.copy(), []
    for step, change in reversed(steps):
        share = step @ q / (step @ change)
        q -= share * change
        shares.append(share)
    q = np.where(free, scale(np.where(free, q, 0.0)), 0.0)
    for (step, change), share in zip(steps, reversed(shares), strict=True):
        q += step * (share - change @ q / (step @ change))
    return -np.where(free, q, 0.0)
