"""Means and fluctuations against temperature, beside what is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from fastgibbs import analysis, exact
from fastgibbs.analysis.bins import Binned
from fastgibbs.analysis.errors import blocks, moments
from fastgibbs.models import checks
from fastgibbs.models.lattices import Lattice, lattice
from fastgibbs.plots.curves import LABELS
from fastgibbs.plots.style import (
    MARK,
    PALETTE,
    Drawn,
    given_or_new,
    legend_above,
    look,
    nothing,
    records,
    sites,
    temperature_axis,
)
from fastgibbs.types import ArrayLike, FloatArray, ModelLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Line = tuple[ArrayLike, ArrayLike, str]  # temperatures, values and a label
Known = Callable[[Lattice, FloatArray], tuple[FloatArray, str]]  # values of a model at temperatures, and their label
_POINTS = 150  # of an exact curve
_LARGEST_TORUS = 1024  # side; beyond it Kaufman's sum takes seconds


def temperature_curve(
    temperatures: ArrayLike,
    values: ArrayLike,
    errors: ArrayLike | None = None,
    *,
    line: Line | None = None,
    critical: float | None = None,
    ax: Axes | None = None,
    **errorbar: Any,
) -> Axes:
    """Values with error bars against T; `line`: (temperatures, values, label) of a curve, `critical`: T to mark.

    `temperatures`, `values`, `errors` (k,), a NaN error for none. `errorbar`: keywords of `Axes.errorbar`. ValueError
    if they have other axes, or lengths that differ. The y axis is left to the caller to label.

    >>> import fastgibbs as fg
    >>> fg.plots.temperature_curve([1.0, 2.0, 3.0], [0.9, 0.5, 0.1]).get_xlabel()
    'temperature T (J/k$_B$)'
    """
    temperatures, values = checks.real_array("temperatures", temperatures), checks.real_array("values", values)
    if temperatures.ndim != 1:
        raise ValueError(f"temperatures has shape {temperatures.shape}: give a 1-D array")
    errors = None if errors is None else checks.real_array("errors", errors)
    for name, array in (("values", values), ("errors", errors)):
        if array is not None and array.shape != temperatures.shape:
            raise ValueError(f"{name} has shape {array.shape}: give one per temperature, {temperatures.shape}")
    ax = given_or_new(ax)
    if critical is not None:
        ax.axvline(critical, color=MARK, linewidth=1.5, zorder=0, label="T$_c$")
    if line is not None:
        ax.plot(line[0], line[1], color=PALETTE[1], linewidth=1.2, label=line[2])
    keywords = look(errorbar, color=PALETTE[0], fmt="o", markersize=3.5, elinewidth=1, capsize=2, label="sampled")
    ax.errorbar(temperatures, values, errors, **keywords)
    legend_above(ax)
    return temperature_axis(ax, temperatures)


def energy_curve(result: Drawn, *, ax: Axes | None = None, **errorbar: Any) -> Axes:
    """<E> / N against T, beside Kaufman's exact energy of the torus where the model is a square ferromagnet.

    Draws of chains at one beta are pooled, chains at beta = 0 or below, or at inf, left out; errors are jackknifed over
    chains, or over 16 stretches where there are fewer. `result`: of one model. `errorbar`: keywords of `Axes.errorbar`.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=100, seed=1)
    >>> fg.plots.energy_curve(run).figure.savefig("energy_curve.png")
    """
    return _curve(result, "energy", _kaufman(1), ax, errorbar)


def heat_capacity_curve(result: Drawn, *, ax: Axes | None = None, **errorbar: Any) -> Axes:
    """C / N = var E / (N T^2) against T, beside Kaufman's exact one; all else as in `energy_curve`.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=100, seed=1)
    >>> fg.plots.heat_capacity_curve(run).figure.savefig("heat_capacity_curve.png")
    """
    return _curve(result, "heat_capacity", _kaufman(2), ax, errorbar)


def magnetization_curve(result: Drawn, *, ax: Axes | None = None, **errorbar: Any) -> Axes:
    """<|m|> against T, beside Onsager's m of the infinite square lattice; all else as in `energy_curve`.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=100, seed=1)
    >>> fg.plots.magnetization_curve(run).figure.savefig("magnetization_curve.png")
    """

    def onsager(model: Lattice, T: FloatArray) -> tuple[FloatArray, str]:
        return exact.onsager_magnetization(1 / T, model.J), "infinite lattice"

    return _curve(result, "magnetization", onsager, ax, errorbar)


def susceptibility_curve(result: Drawn, *, ax: Axes | None = None, **errorbar: Any) -> Axes:
    """chi = N (<m^2> - <|m|>^2) / T against T, per site; all else as in `energy_curve`.

    Above Tc, where <m> = 0, the susceptibility of the infinite lattice is N <m^2> / T, larger by 1 / (1 - 2/pi).

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=100, seed=1)
    >>> fg.plots.susceptibility_curve(run).figure.savefig("susceptibility_curve.png")
    """
    return _curve(result, "susceptibility", None, ax, errorbar)


def _kaufman(column: int) -> Known:
    """The exact energy (1) or heat capacity (2) per site of a square lattice, as a function of model and T."""

    def known(model: Lattice, T: FloatArray) -> tuple[FloatArray, str]:
        return exact.torus(model.shape, 1 / T, model.J)[column] / model.n, "exact torus"

    return known


def _curve(result: Drawn, name: str, known: Known | None, ax: Axes | None, errorbar: dict[str, Any]) -> Axes:
    """A mean of draws at each beta, or their variance times what makes it a response."""
    of_energy = name in ("energy", "heat_capacity")
    betas, values = records(result, "energy" if of_energy else "magnetization")
    n = 1 if name == "magnetization" else sites(result)
    values = values / n if name == "energy" else values if of_energy else np.abs(values)
    scale = {"heat_capacity": betas**2 / n, "susceptibility": betas * n}.get(name)
    if isinstance(result.model, tuple):
        raise ValueError(f"result holds {len(result.model)} models: sample one, so that its draws can be pooled")
    field = getattr(result, "field", None)
    if getattr(result, "driven", False) or (field is not None and np.ptp(field) > 0):
        raise ValueError("result is of a driven run, or of several fields: sample at one, so that draws can be pooled")
    points = []
    for beta in np.unique(betas[(betas > 0) & (betas < np.inf)])[::-1] if values.shape[1] else ():
        here = betas == beta
        value, error = _estimate(values[here], None if scale is None else scale[here][0])
        points.append((analysis.temperature(beta), value, error))
    ax = given_or_new(ax)
    ax.set_ylabel(LABELS[name])
    if not points:
        return nothing(temperature_axis(ax, []), "no draws at T > 0")
    temperatures, means, errors = np.array(points).T
    line = critical = None
    if _is_square_ferromagnet(result.model):
        Tc = result.model.J / exact.CRITICAL_BETA
        critical = Tc if temperatures[0] <= Tc <= temperatures[-1] else None
        if known and temperatures.size > 1 and max(result.model.shape) <= _LARGEST_TORUS:
            fine = np.geomspace(temperatures[0], temperatures[-1], _POINTS)
            line = fine, *known(result.model, fine)
    return temperature_curve(temperatures, means, errors, line=line, critical=critical, ax=ax, **errorbar)


def _is_square_ferromagnet(model: ModelLike) -> TypeGuard[Lattice]:
    if not isinstance(model, Lattice) or len(model.sides) != 2:
        return False
    return model.J > 0 and model == lattice(model.sides, model.J)


def _estimate(record: FloatArray | Binned, scale: float | None) -> tuple[float, float]:
    """The mean of all draws, or `scale` times their variance, and its jackknifed error; NaN for a single draw."""
    centre = record.mean()
    whole, rows = moments(record, centre), moments(blocks(record), centre)

    def statistic(rows: FloatArray) -> float:
        mean, square = rows.mean(axis=0)
        return mean + centre if scale is None else scale * (square - mean**2)

    return statistic(whole), analysis.jackknife(statistic, rows)[1] if len(rows) > 1 else np.nan
