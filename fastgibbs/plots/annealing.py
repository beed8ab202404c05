"""Annealing: how the reads cool, and where they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.plots.style import PALETTE, given_or_new, legend_above, look, nothing, require
from fastgibbs.results.annealed import AnnealResult
from fastgibbs.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LEVELS = 60  # of energy that get a bar each
_ROUNDING = 1e-9  # of the largest energy: closer ones are the same
_MAKER = "fastgibbs.anneal"


def annealing_trace(result: AnnealResult, *, ax: Axes | None = None, **line: Any) -> Axes:
    """The mean and the lowest energy of all reads after every sweep.

    `line`: keywords of `Axes.plot`, for both. TypeError if `result` is not an AnnealResult.

    >>> import fastgibbs as fg
    >>> fg.plots.annealing_trace(fg.anneal(fg.lattice((8, 8)), seed=1)).figure.savefig("annealing_trace.png")
    """
    require(result, _MAKER, "trace_mean", "trace_min")
    ax = given_or_new(ax)
    ax.set_xlabel("sweeps")
    ax.set_ylabel("energy E (J)")
    if not result.trace_mean.size:
        return nothing(ax, "no sweeps")
    sweeps = np.arange(1, result.trace_mean.size + 1)
    for trace, color, label in (
        (result.trace_mean, PALETTE[0], "mean of the reads"),
        (result.trace_min, PALETTE[1], "lowest of the reads"),
    ):
        ax.plot(sweeps, trace, **look(line, color=color, linewidth=1.2, label=label))
    ax.locator_params(axis="x", nbins=5)
    legend_above(ax)
    return ax


def read_histogram(result: AnnealResult, *, ax: Axes | None = None, **bar: Any) -> Axes:
    """How many reads have their lowest energy at each value; how many share the lowest of all stands above.

    Where the energies are levels on a grid of up to 60, each has a bar; otherwise numpy's "auto" bins have. `bar`:
    keywords of `Axes.bar`. TypeError if `result` is not an AnnealResult.

    >>> import fastgibbs as fg
    >>> fg.plots.read_histogram(fg.anneal(fg.lattice((8, 8)), seed=1)).figure.savefig("read_histogram.png")
    """
    require(result, _MAKER, "energy", "ground_counts", "trace_min")
    ax = given_or_new(ax)
    ax.set_xlabel("lowest energy of a read E (J)")
    ax.set_ylabel("reads")
    if not result.energy.size:
        return nothing(ax, "no reads")
    levels, counts, widths = _bars(result.energy)
    ax.bar(levels, counts, **look(bar, width=widths, color=PALETTE[0], edgecolor="white", linewidth=0.5))
    best = f"{result.ground_counts.sum()} of {result.energy.size} reads at {result.energy.min():.10g} J"
    ax.set_title(best, loc="left", fontsize=9)
    ax.locator_params(axis="y", integer=True)
    ax.locator_params(axis="x", nbins=6)
    return ax


def _bars(energy: FloatArray) -> tuple[FloatArray, IntArray, FloatArray | float]:
    """Where bars stand, how many reads each holds, and its width."""
    levels, counts = np.unique(energy, return_counts=True)
    gap = np.diff(levels).min(initial=np.inf)
    if levels[-1] - levels[0] <= _ROUNDING * np.abs(levels).max():
        return levels[:1], np.array([energy.size]), 1.0
    if levels[-1] - levels[0] < _MOST_LEVELS * gap:
        return levels, counts, gap
    counts, edges = np.histogram(energy, "auto")
    return (edges[1:] + edges[:-1]) / 2, counts, np.diff(edges)
