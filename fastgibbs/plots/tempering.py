"""Tempering: swaps, the way of the replicas, overlaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs import analysis
from fastgibbs.models.energy import as_energy
from fastgibbs.plots.style import (
    GAMMA,
    PALETTE,
    TEMPERATURE,
    colors,
    given_or_new,
    legend_above,
    look,
    nearest_rungs,
    nothing,
    require,
    right_axis,
    temperature_axis,
)
from fastgibbs.results.tempered import TemperResult
from fastgibbs.types import ArrayLike, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 61  # of P(q): more are noise to the eye
_MAKER = "fastgibbs.temper"


def swap_rates(result: TemperResult, *, ax: Axes | None = None, **line: Any) -> Axes:
    """Swap acceptance of neighbouring rungs against T, and on an axis at the right the barrier density lambda(beta).

    A gap stands at the T of its mean beta; of a ladder in Gamma at its mean Gamma, in which lambda is the density then.
    `line`: keywords of `Axes.plot`, for the acceptance. The axis at the right is the last of `ax.figure.axes`.
    TypeError if `result` is not a TemperResult, ValueError if its ladder is in fields.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> fg.plots.swap_rates(run).figure.savefig("swap_rates.png")
    """
    require(result, _MAKER, "betas", "acceptance", "barrier")
    density, gammas = result.barrier.density, result.gammas
    gaps = 2 / (result.betas[1:] + result.betas[:-1]) if gammas is None else (gammas[1:] + gammas[:-1]) / 2
    ax = given_or_new(ax)
    ax.plot(gaps, result.acceptance, **look(line, color=PALETTE[0], marker="o", markersize=3))
    ax.set_ylim(0, 1)
    ax.set_ylabel("swap acceptance", color=PALETTE[0])
    ax.tick_params(axis="y", colors=PALETTE[0], labelsize=9)
    other = right_axis(ax, f"barrier density $\\lambda$ ({'J' if gammas is None else '1/J'})", PALETTE[1])
    other.plot(gaps, density, "s--", color=PALETTE[1], markersize=2.5, linewidth=1)
    other.set_ylim(bottom=0)
    return _along(ax, result, gaps)


def _along(ax: Axes, result: TemperResult, points: FloatArray) -> Axes:
    """Label the x axis as one of temperature, or of Gamma if the ladder is in that."""
    if result.gammas is None:
        return temperature_axis(ax, points)
    ax.set_xlabel(GAMMA)
    return ax


def replica_flow(result: TemperResult, *, ax: Axes | None = None, **line: Any) -> Axes:
    """f, of the replicas met at a rung the share that was last at the hot end, against T, or Gamma of a ladder in it.

    Infinite T has no place, and the hot end of a ladder in Gamma is that of the largest.

    In the number of the rung a straight drop from 1 to 0 is best; where f falls steeply in T, replicas are held up
    (Katzgraber, Trebst, Huse and Troyer, J. Stat. Mech. P03018 (2006)). `line`: keywords of `Axes.plot`. TypeError if
    `result` is not a TemperResult.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> fg.plots.replica_flow(run).figure.savefig("replica_flow.png")
    """
    require(result, _MAKER, "betas", "flow")
    rungs = analysis.temperature(result.betas) if result.gammas is None else result.gammas
    placed = rungs < np.inf
    ax = given_or_new(ax)
    ax.plot(rungs[placed], result.flow[placed], **look(line, color=PALETTE[0], marker="o", markersize=3))
    ax.set_ylim(0, 1)
    ax.set_ylabel("replicas from the hot end f")
    return _along(ax, result, rungs[placed])


def overlap_distribution(
    result: TemperResult | analysis.DisorderAverage,
    temperatures: ArrayLike | None = None,
    *,
    ax: Axes | None = None,
    **line: Any,
) -> Axes:
    """P(q) of the overlaps at the rungs nearest to `temperatures`, of integral 1, with its standard error over pairs.

    Of what `fastgibbs.analysis.disorder_average` returned, the mean over samples and its error over these, as they are
    there. Else, without fields P(q) = P(-q), and both are averaged; more than 61 values of q are gathered in 61 bins;
    the band is missing for a single pair, and rough for a few. By default up to four rungs, spread over the ladder.
    `line`: keywords of `Axes.plot`. TypeError if `result` is neither, ValueError if overlaps were not asked for.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> fg.plots.overlap_distribution(run).figure.savefig("overlap_distribution.png")
    """
    if not isinstance(result, analysis.DisorderAverage):
        require(result, _MAKER, "betas", "overlap", "model")
        if result.overlap is None:
            raise ValueError("result has no overlaps: temper with ladders=2 or more and overlap_every above 0")
    rungs = nearest_rungs(result.betas, temperatures)
    ax = given_or_new(ax)
    ax.set_xlim(-1, 1)
    ax.set_xticks([-1, -0.5, 0, 0.5, 1])
    ax.set_xlabel("overlap q")
    ax.set_ylabel("P(q)")
    curves = _averaged(result, rungs) if isinstance(result, analysis.DisorderAverage) else _over_pairs(result, rungs)
    if not curves:
        return nothing(ax, "no overlaps measured")
    for rung, (q, mean, error), color in zip(rungs, curves, colors(rungs.size), strict=True):
        ax.plot(q, mean, **look(line, color=color, linewidth=1.2, label=f"{1 / result.betas[rung]:.3g}"))
        if error is not None:
            ax.fill_between(q, mean - error, mean + error, color=color, alpha=0.25, linewidth=0)
    ax.set_ylim(bottom=0)
    legend_above(ax, TEMPERATURE)
    return ax


Curve = tuple[FloatArray, FloatArray, FloatArray | None]  # q, P(q) and its error


def _averaged(average: analysis.DisorderAverage, rungs: IntArray) -> list[Curve]:
    """P(q) over samples at each of these rungs."""
    return [(average.q, average.distribution[rung], average.distribution_error[rung]) for rung in rungs]


def _over_pairs(result: TemperResult, rungs: IntArray) -> list[Curve]:
    """P(q) over pairs of ladders at each of these rungs; none if no overlaps were measured."""
    if result.overlap is None or not (result.overlap.draws > 0).any():
        return []
    measured, symmetric = result.overlap.histogram[result.overlap.draws > 0], as_energy(result.model).even
    found: list[Curve] = []
    for rung in rungs:
        q, densities = _densities(measured[:, rung].astype(float), symmetric)
        error = densities.std(axis=0, ddof=1) / np.sqrt(len(densities)) if len(densities) > 1 else None
        found.append((q, densities.mean(axis=0), error))
    return found


def _densities(histograms: FloatArray, symmetric: bool) -> tuple[FloatArray, FloatArray]:
    """q (k,) and P(q) of each of `histograms` (pairs, bins), in at most 61 bins."""
    if symmetric:
        histograms = histograms + histograms[:, ::-1]
    bins = histograms.shape[1]
    fine = np.linspace(-1, 1, bins + 1) * bins / max(bins - 1, 1)  # the outermost bins are centred on -1 and 1
    coarse = np.linspace(fine[0], fine[-1], min(bins, _BINS) + 1)
    cumulated = np.cumsum(histograms, axis=1) / histograms.sum(axis=1, keepdims=True)
    cumulated = np.array([np.interp(coarse, fine, np.append(0, one)) for one in cumulated])
    return (coarse[1:] + coarse[:-1]) / 2, np.diff(cumulated, axis=1) / np.diff(coarse)
