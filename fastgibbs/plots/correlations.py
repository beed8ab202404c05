"""Correlations: structure factors, C(r), two times, and the length that they tell against temperature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs import analysis
from fastgibbs.analysis.ageing import TwoTime
from fastgibbs.analysis.correlations import Correlations
from fastgibbs.analysis.fourier import CorrelationLength, StructureFactor
from fastgibbs.models import checks
from fastgibbs.plots.style import (
    MARK,
    TEMPERATURE,
    bars,
    colors,
    given_or_new,
    legend_above,
    look,
    nearest_rungs,
    nothing,
    require,
    spread,
    temperature_axis,
)
from fastgibbs.types import ArrayLike, FloatArray, IntArray, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_TIMES = 5  # waiting times that get a line each


def structure_factor(
    found: StructureFactor, temperatures: ArrayLike | None = None, *, ax: Axes | None = None, **errorbar: Any
) -> Axes:
    """S(k) against |k|, on a logarithmic scale, a line for each of the groups nearest to `temperatures`.

    `found`: what `analysis.structure_factor` or `analysis.overlap_structure_factor` returned. Waves of one |k| are
    points of one line; by default up to four temperatures. `errorbar`: keywords of `Axes.errorbar`.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((16, 16))
    >>> waves = fg.waves(model, [[m, 0] for m in range(1, 9)])
    >>> run = fg.sample(model, beta=[0.3, 0.4] * 8, sweeps=100, observe=waves, seed=1)
    >>> ax = fg.plots.structure_factor(fg.analysis.structure_factor(run))
    >>> ax.figure.savefig("structure_factor.png")
    """
    require(found, "fastgibbs.analysis.structure_factor", "m", "k", "mean", "error", argument="found")
    ax = given_or_new(ax)
    ax.set_xlabel("wave vector |k|")
    ax.set_ylabel("structure factor S(k)")
    lengths = np.linalg.norm(found.k, axis=1)
    order = np.argsort(lengths, kind="stable")
    return _by_temperature(ax, found, lengths, lambda rung: order, temperatures, errorbar)


def structure_map(found: StructureFactor, group: int = 0, *, ax: Axes | None = None, **image: Any) -> Axes:
    """S(k) of a two-dimensional lattice as a map over k_x and k_y, on a logarithmic scale; S(-k) = S(k) fills it up.

    `found`: what `analysis.structure_factor` returned of all k that are wanted; `group`: which of its betas. `image`:
    keywords of `Axes.pcolormesh`. ValueError if the lattice has not two axes.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((8, 8))
    >>> waves = fg.waves(model, [[a, b] for a in range(5) for b in range(-3, 5)])
    >>> run = fg.sample(model, beta=0.4, sweeps=100, observe=waves, seed=1)
    >>> ax = fg.plots.structure_map(fg.analysis.structure_factor(run))
    >>> ax.figure.savefig("structure_map.png")
    """
    require(found, "fastgibbs.analysis.structure_factor", "m", "k", "mean", "error", argument="found")
    if found.m.shape[1] != 2 or found.k.shape[1] != 2:
        raise ValueError(f"found has wave vectors of shape {found.k.shape}: a map is of two axes")
    group = checks.integer("group", group, 0, len(found.mean) - 1)
    ax = given_or_new(ax)
    from matplotlib.colors import LogNorm

    m, values = np.concatenate([found.m, -found.m]), np.tile(found.mean[group], 2)
    reciprocal, *_ = np.linalg.lstsq(found.m, found.k, rcond=None)
    most = np.abs(m).max(axis=0)
    grid = np.full(tuple(2 * most + 1), np.nan)
    grid[tuple((m + most).T)] = values
    corners = np.stack(np.meshgrid(*(np.arange(-a, a + 2) - 0.5 for a in most), indexing="ij"), axis=-1) @ reciprocal
    shown = ax.pcolormesh(*np.moveaxis(corners, -1, 0), grid, **look(image, cmap="magma", norm=LogNorm()))
    scale = ax.figure.colorbar(shown, ax=ax, label="structure factor S(k)").ax.yaxis
    scale.set_major_formatter("{x:g}")
    scale.set_minor_formatter("{x:g}")
    ax.set_aspect("equal")
    ax.set_xlabel("$k_x$")
    ax.set_ylabel("$k_y$")
    return ax


def correlations(
    found: Correlations, temperatures: ArrayLike | None = None, *, ax: Axes | None = None, **errorbar: Any
) -> Axes:
    """C(r) against r, on a logarithmic scale, a line for each of the groups nearest to `temperatures`.

    `found`: what `analysis.correlations` returned; what is not above its error has no place. By default up to four
    temperatures. `errorbar`: keywords of `Axes.errorbar`.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((16, 16)), beta=[0.3, 0.4] * 8, sweeps=100, keep_states=True, seed=1)
    >>> fg.plots.correlations(fg.analysis.correlations(run)).figure.savefig("correlations.png")
    """
    require(found, "fastgibbs.analysis.correlations", "r", "mean", "error", argument="found")
    ax = given_or_new(ax)
    ax.set_xlabel("distance r")
    ax.set_ylabel("correlation C(r)")
    positive = found.mean > found.error
    return _by_temperature(ax, found, found.r, lambda rung: positive[rung], temperatures, errorbar)


def two_time(found: TwoTime, group: int = 0, *, ax: Axes | None = None, **errorbar: Any) -> Axes:
    """C(t_w, t_w + t) against t, both on logarithmic scales, a line for each of up to five waiting times t_w.

    `found`: what `analysis.two_time` returned; `group`: which of its betas. Where lines of all t_w are one, the run is
    stationary; where later ones lie higher, it ages. `errorbar`: keywords of `Axes.errorbar`.

    >>> import fastgibbs as fg
    >>> at = [1, 2, 4, 8, 16, 32, 64, 128]
    >>> run = fg.sample(fg.lattice((32, 32)), beta=1.0, at=at, keep_states=True, seed=1)
    >>> fg.plots.two_time(fg.analysis.two_time(run)).figure.savefig("two_time.png")
    """
    require(found, "fastgibbs.analysis.two_time", "at", "mean", "error", argument="found")
    group = checks.integer("group", group, 0, len(found.mean) - 1)
    ax = given_or_new(ax)
    ax.set_xlabel("sweeps t")
    ax.set_ylabel("C(t$_w$, t$_w$ + t)")
    if found.at.size < 2:
        return nothing(ax, "no two draws")
    most = found.at.size - 1
    waits = spread(most, _MOST_TIMES)
    for wait, color in zip(waits, colors(waits.size), strict=True):
        later = slice(wait + 1, None)
        t, mean = found.at[later] - found.at[wait], found.mean[group, wait, later]
        error = bars(found.error[group, wait, later])
        keywords = look(errorbar, color=color, fmt="o-", markersize=3.5, linewidth=1, capsize=2)
        ax.errorbar(t, mean, error, **keywords | {"label": f"{found.at[wait]}"})
    ax.set_xscale("log")
    ax.set_ylim(min(0.0, float(found.mean[group].min())), 1)
    legend_above(ax, "t$_w$ (sweeps)")
    return ax


def length_crossing(
    found: Mapping[int, CorrelationLength], critical: float | None = None, *, ax: Axes | None = None, **errorbar: Any
) -> Axes:
    """xi / L against T, a line for each size: they cross at the critical temperature; `critical`: T to mark.

    `found` maps a size to what `analysis.correlation_length`, or that of overlaps, returned. Groups at beta = 0 or
    below have no place. `errorbar`: keywords of `Axes.errorbar`.

    >>> import fastgibbs as fg
    >>> found = {}
    >>> for L in (4, 8):
    ...     model = fg.lattice((L, L))
    ...     observe = fg.waves(model, fg.smallest_waves(model))
    ...     run = fg.sample(model, beta=[0.4, 0.44, 0.48] * 8, sweeps=200, observe=observe, seed=1)
    ...     found[L] = fg.analysis.correlation_length(run)
    >>> fg.plots.length_crossing(found, critical=2.269).figure.savefig("length_crossing.png")
    """
    if not isinstance(found, Mapping):
        raise TypeError(f"found is {checks.shown(found)}: give a dict of sizes to correlation lengths")
    ax = given_or_new(ax)
    if critical is not None:
        ax.axvline(critical, color=MARK, linewidth=1.5, zorder=0, label="T$_c$")
    temperatures: list[float] = []
    for (size, one), color in zip(found.items(), colors(len(found)), strict=True):
        require(one, "fastgibbs.analysis.correlation_length", "beta", "ratio", "ratio_error", argument=f"found[{size}]")
        warm = (one.beta > 0) & np.isfinite(one.beta)
        error, T = bars(one.ratio_error[warm]), analysis.temperature(one.beta[warm])
        keywords = look(errorbar, color=color, fmt="o-", markersize=3.5, linewidth=1, capsize=2)
        ax.errorbar(T, one.ratio[warm], error, **keywords | {"label": f"L = {size}"})
        temperatures += T.tolist()
    ax.set_ylim(bottom=0)
    ax.set_ylabel(r"correlation length $\xi$ / L")
    legend_above(ax)
    return temperature_axis(ax, temperatures)


def _by_temperature(
    ax: Axes,
    found: StructureFactor | Correlations,
    x: FloatArray,
    shown: Callable[[int], IntArray | Mask],
    temperatures: ArrayLike | None,
    errorbar: dict[str, Any],
) -> Axes:
    """Means against x, on a logarithmic scale, of each of the groups nearest to `temperatures` those that are shown."""
    rungs = nearest_rungs(found.beta, temperatures)
    if not rungs.size:
        return nothing(ax, "no draws at finite T")
    for rung, color in zip(rungs.tolist(), colors(rungs.size), strict=True):
        mine, label = shown(rung), f"{analysis.temperature(found.beta[rung]):.4g}"
        keywords = look(errorbar, color=color, fmt="o-", markersize=3.5, linewidth=1, capsize=2, label=label)
        ax.errorbar(x[mine], found.mean[rung, mine], bars(found.error[rung, mine]), **keywords)
    ax.set_yscale("log")
    legend_above(ax, TEMPERATURE)
    return ax
