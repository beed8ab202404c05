"""Binder cumulants of several sizes, and what else crosses at the critical point."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastgibbs.analysis import DisorderAverage
from fastgibbs.models import checks
from fastgibbs.plots.style import MARK, TEMPERATURE, colors, given_or_new, legend_above, look
from fastgibbs.types import ArrayLike, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = tuple[ArrayLike, ArrayLike, ArrayLike] | FloatArray  # temperatures, values and errors
Curves = Mapping[int, Curve]  # of each size
_RATIOS = {
    "binder": r"Binder ratio $g = (3 - [\langle q^4\rangle]\,/\,[\langle q^2\rangle]^2)\,/\,2$",
    "xi_ratio": r"correlation length $\xi_L\,/\,L$",
}
_DASHES = "-", "--", "-.", ":"


def binder_crossing(
    curves: Curves,
    sampled: Curves | None = None,
    critical: tuple[float, float] | None = None,
    *,
    ax: Axes | None = None,
    **line: Any,
) -> Axes:
    """Binder cumulants against T, a line with an error band for each size, and the critical point they cross at.

    `curves` maps a size to (temperatures, values, errors), `sampled` likewise to points with error bars; `critical`
    is (T, U) of the infinite lattice. `line`: keywords of `Axes.plot`.

    >>> import fastgibbs as fg
    >>> curves = {L: ([2.0, 2.5], [0.65, 0.65 - 0.01 * L], [0.01, 0.01]) for L in (8, 16)}
    >>> fg.plots.binder_crossing(curves, critical=(2.269, 0.6107)).figure.savefig("binder_crossing.png")
    """
    ax = given_or_new(ax)
    if critical is not None:
        ax.axvline(critical[0], color=MARK, linewidth=1.5, zorder=0, label="infinite lattice")
        ax.axhline(critical[1], color=MARK, linewidth=1.5, zorder=0)
    for (size, (T, value, error)), color, dashes in zip(
        curves.items(), colors(len(curves)), cycle(_DASHES), strict=False
    ):
        ax.fill_between(T, np.subtract(value, error), np.add(value, error), color=color, alpha=0.25, linewidth=0)
        ax.plot(T, value, **look(line, color=color, linestyle=dashes, linewidth=1.2, label=f"L = {size}"))
        if sampled is not None:
            T, value, error = sampled[size]
            ax.errorbar(T, value, error, color=color, fmt="o", markersize=3.5, capsize=2)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel(f"temperature {TEMPERATURE}")
    ax.set_ylabel(r"Binder cumulant $1 - \langle m^4\rangle\,/\,3\langle m^2\rangle^2$")
    legend_above(ax)
    return ax


def glass_crossing(
    averages: Mapping[int, DisorderAverage],
    ratio: Literal["binder", "xi_ratio"] = "xi_ratio",
    critical: tuple[float, float] | None = None,
    *,
    ax: Axes | None = None,
    **line: Any,
) -> Axes:
    """xi / L, or the Binder ratio g, of a spin glass against T: points with error bars over samples, a line a size.

    `averages` maps a size to what `fastgibbs.analysis.disorder_average` returned; `critical` is the critical T of the
    infinite lattice and its error. `line`: keywords of `Axes.plot`. Rungs at beta = 0 have no place. ValueError at
    another ratio.

    >>> import fastgibbs as fg
    >>> glasses = [fg.edwards_anderson((4, 4), seed=k) for k in range(8)]
    >>> runs = fg.temper(glasses, betas=[0.5, 1.0], sweeps=200, seed=1)
    >>> averages = {4: fg.analysis.disorder_average(runs)}
    >>> fg.plots.glass_crossing(averages, "binder").figure.savefig("glass_crossing.png")
    """
    checks.choice("ratio", ratio, _RATIOS)
    ax = given_or_new(ax)
    if critical is not None:
        low, high = critical[0] - critical[1], critical[0] + critical[1]
        ax.axvspan(low, high, color=MARK, zorder=0, linewidth=1.5, label="infinite lattice")
    for (size, average), color, dashes in zip(averages.items(), colors(len(averages)), cycle(_DASHES), strict=False):
        warm = average.betas > 0
        T, value, error = (
            1 / average.betas[warm],
            getattr(average, ratio)[warm],
            getattr(average, f"{ratio}_error")[warm],
        )
        house = dict(color=color, linestyle=dashes, linewidth=1.2, marker="o", markersize=3, capsize=2)
        ax.errorbar(T, value, error, **look(line, **house, label=f"L = {size}"))
    ax.locator_params(axis="x", nbins=6)
    ax.set_xlabel(f"temperature {TEMPERATURE}")
    ax.set_ylabel(_RATIOS[ratio])
    legend_above(ax)
    return ax
