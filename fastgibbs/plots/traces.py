"""Records of a run against its sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs import analysis
from fastgibbs.analysis.bins import Binned
from fastgibbs.analysis.records import first_model, sites_of
from fastgibbs.models import checks
from fastgibbs.plots.curves import FIELD, LABELS
from fastgibbs.plots.style import (
    SHADE,
    TEMPERATURE,
    Drawn,
    colors,
    given_or_new,
    legend_above,
    look,
    nothing,
    records,
    spread,
)
from fastgibbs.types import ArrayLike, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_TEMPERATURES, _MOST_CHAINS = 4, 3  # drawn unless chains are named


def energy_trace(
    result: Drawn, *, chains: ArrayLike | None = None, burn_in: int | None = None, ax: Axes | None = None, **line: Any
) -> Axes:
    """E / N of every draw against sweeps, a line a chain, one colour a temperature; burn-in is shaded.

    Of quantum spins E is of all of H. `chains`: which; number r + rungs * g is rung r of ladder g of a TemperResult. By
    default the first three at each of up to four temperatures, or where there is one, fields or Gammas. `burn_in`:
    sweeps to shade, by default those that the run made before its first draw. `line`: keywords of `Axes.plot`.
    TypeError or ValueError names a bad argument.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=100, seed=1)
    >>> fg.plots.energy_trace(run).figure.savefig("energy_trace.png")
    """
    return _trace(result, "energy", chains, burn_in, ax, line)


def magnetization_trace(
    result: Drawn, *, chains: ArrayLike | None = None, burn_in: int | None = None, ax: Axes | None = None, **line: Any
) -> Axes:
    """Mean spin m of every draw against sweeps; arguments as in `energy_trace`.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=100, seed=1)
    >>> fg.plots.magnetization_trace(run).figure.savefig("magnetization_trace.png")
    """
    return _trace(result, "magnetization", chains, burn_in, ax, line)


def _trace(
    result: Drawn, name: str, chains: ArrayLike | None, burn_in: int | None, ax: Axes | None, line: dict[str, Any]
) -> Axes:
    betas, values = records(result, name)
    divisor = sites_of(first_model(result)) if name == "energy" else 1
    title, places = _apart(result, betas)
    chains = _few(places) if chains is None else checks.indices("chains", chains, betas.size)
    burn_in = result.burn_in if burn_in is None else checks.integer("burn_in", burn_in, minimum=0)
    ax = given_or_new(ax)
    ax.set_xlabel("sweeps")
    ax.set_ylabel(LABELS[name].replace("<|m|>", "m"))
    draws = values.shape[1]
    if not draws or not len(chains):
        return nothing(ax, "no draws")
    sweeps = getattr(result, "drawn_at", result.burn_in + result.thin * np.arange(1, draws + 1))
    if isinstance(values, Binned):  # the mean of each bin, at its middle
        last = values.counts.cumsum()
        sweeps, values = (sweeps[last - 1] + sweeps[last - values.counts]) / 2, values.means
    shown = np.unique(places[chains]).tolist()
    named = set()
    for k in chains:
        label = None if places[k] in named else f"{places[k]:.4g}"
        named.add(places[k])
        color = colors(len(shown))[shown.index(places[k])]
        ax.plot(sweeps, values[k] / divisor, **look(line, color=color, linewidth=0.8, label=label))
    if burn_in:
        ax.axvspan(0, burn_in, color=SHADE, linewidth=0, zorder=0, label="burn-in")
    ax.set_xlim(0, max(sweeps[-1], burn_in))
    ax.locator_params(axis="x", nbins=5)
    legend_above(ax, title)
    return ax


def _apart(result: Drawn, betas: FloatArray) -> tuple[str, FloatArray]:
    """What chains are told apart by, and its values: temperatures, or where there is one, fields or Gammas."""
    if np.unique(betas).size == 1:
        for name, title in (("field", FIELD), ("fields", FIELD), ("gammas", "$\\Gamma$ (J)")):
            values = getattr(result, name, None)
            if values is not None and values.ndim == 1:
                return title, np.tile(values, betas.size // values.size)
    return TEMPERATURE, analysis.temperature(betas)


def _few(places: FloatArray) -> IntArray:
    """The first chains at a few of the places, infinite temperature left out if there are others."""
    different = np.unique(places[places < np.inf] if (places < np.inf).any() else places)
    few = different[spread(different.size, _MOST_TEMPERATURES)]
    return np.concatenate([np.flatnonzero(places == place)[:_MOST_CHAINS] for place in few])
