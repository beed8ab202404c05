"""Hysteresis of the square lattice: loops of the mean spin in a field that goes up and down, and their areas."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import analysis, plots
from fastgibbs.analysis.response import Response
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.sampling import sample
from fastgibbs.models import checks, lattice
from fastgibbs.models.protocols import oscillating
from fastgibbs.types import FloatArray, Progress


@dataclass(frozen=True)
class Config:
    """What the run is told; see hysteresis.toml."""

    size: int
    temperature: float
    amplitude: float
    periods: list[int]
    cycles: int
    chains: int
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Drive the lattice at each rate, from all spins up, and report areas and where half of the spins have turned.

    M. Rao, H. R. Krishnamurthy and R. Pandit, Phys. Rev. B 42, 856 (1990).
    """
    if config.temperature <= 0:
        raise ValueError(f"temperature is {config.temperature}: give one above 0")
    if config.amplitude <= 0:
        raise ValueError(f"amplitude is {config.amplitude}: give one above 0")
    for name in ("cycles", "chains"):
        checks.integer(name, getattr(config, name), minimum=1 if name == "cycles" else 2)
    periods = sorted(config.periods)
    model, loops, rate = lattice((config.size, config.size)), {}, 0.0
    for period in periods:
        checks.integer("periods: one", period, minimum=4)
        result = sample(
            model,
            beta=1 / config.temperature,
            field=oscillating(config.amplitude, period, waveform="triangle"),
            chains=config.chains,
            sweeps=config.cycles * period,
            burn_in=period,
            start=np.ones(model.n),
            strips=1,
            seed=np.random.SeedSequence(config.seed, spawn_key=(period,)),
            progress=progress,
            checkpoint=checkpoint(f"period{period}"),
        )
        if result.interrupted:
            raise Interrupted(f"interrupted at the period {period}, before its end: the same command goes on")
        loops[period], rate = analysis.response(result), result.timing.updates_per_second
    columns: dict[str, Any] = {
        "period": ("d", periods),
        "field a sweep": (".2g", [4 * config.amplitude / period for period in periods]),
        "area": (".4f", [loop.area[0] for loop in loops.values()]),
        "error": (".4f", [loop.area_error[0] for loop in loops.values()]),
        "coercive field": (".3f", [coercive(loop.drive[0], loop.curve[0]) for loop in loops.values()]),
        "lag": (".3f", [loop.lag[0] for loop in loops.values()]),
    }
    text = (
        f"Square lattice of {config.size}^2 at T = {config.temperature:g} J in a field from {config.amplitude:g} J to "
        f"{-config.amplitude:g} J and back, {config.chains} chains, {config.cycles} cycles\n{table(columns)}\n"
        f"{rate / 1e9:.2f} spin updates per ns, every sweep measured"
    )
    files = {"table.csv": comma_separated(columns)}
    for period, loop in loops.items():
        curve = {"field": (".5f", loop.drive[0]), "m": (".5f", loop.curve[0]), "error": (".5f", loop.curve_error[0])}
        files[f"loop{period}.csv"] = comma_separated(curve)
    return Findings(text, files).with_pictures(lambda: {"hysteresis.png": _draw(config, loops)})


def coercive(field: FloatArray, m: FloatArray) -> float:
    """Minus the field where the mean spin first is 0, between sweeps by a straight line; NaN if it never is.

    `field` and `m`: float64 (period,), from the largest field on.
    """
    turned = np.flatnonzero(m <= 0)
    if not turned.size or turned[0] == 0:
        return np.nan
    k = turned[0]
    return float(-np.interp(0.0, [m[k], m[k - 1]], [field[k], field[k - 1]]))


def _draw(config: Config, loops: dict[int, Response]) -> bytes:
    """The loops, and their areas against the period, as PNG."""
    figure, (left, right) = plots.figure(1, 2, size=(9.5, 3.7))
    for (period, loop), color in zip(loops.items(), plots.style.colors(len(loops)), strict=True):
        field, m = (np.append(of, of[0]) for of in (loop.drive[0], loop.curve[0]))
        left.plot(field, m, color=color, linewidth=1.2, label=f"{period}")
        right.errorbar(period, loop.area[0], loop.area_error[0], color=color, fmt="o", markersize=5, capsize=2)
    left.set_xlabel("field b (J)")
    left.set_ylabel("mean spin m")
    plots.style.legend_above(left, "period (sweeps)")
    right.plot(list(loops), [loop.area[0] for loop in loops.values()], color="0.8", linewidth=1.2, zorder=0)
    right.set_xscale("log", base=2)
    right.xaxis.set_major_formatter("{x:g}")
    right.set_xlabel("period (sweeps)")
    right.set_ylabel(r"area of the loop $-\oint m\,db$ (J)")
    right.set_ylim(0, None)
    figure.suptitle(f"Hysteresis of the square lattice, {config.size} x {config.size}, T = {config.temperature:g} J")
    return picture(figure)
