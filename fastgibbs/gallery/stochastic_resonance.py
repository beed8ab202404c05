"""Stochastic resonance: the response of a ring and of a torus to a weak field that comes and goes, by temperature."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import analysis, exact, plots
from fastgibbs.analysis.response import Response
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.sampling import sample
from fastgibbs.models import Ising, checks, lattice
from fastgibbs.models.protocols import Protocol, oscillating
from fastgibbs.results.sampled import SampleResult
from fastgibbs.types import FloatArray, Progress

FINE = 120  # temperatures of the exact line


@dataclass(frozen=True)
class Config:
    """What the run is told; see stochastic_resonance.toml."""

    ring: int
    size: int
    temperatures: list[float]
    amplitude: float
    period: int
    periods: int
    warm: int
    chains: int
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Drive both at all temperatures, and compare the ring's amplitude and lag with those of its 2^n states.

    L. Gammaitoni et al., Rev. Mod. Phys. 70, 223 (1998); Ising lattices: Z. Neda, Phys. Rev. E 51, 5315 (1995).
    """
    temperatures = np.sort(config.temperatures)
    if temperatures[0] <= 0:
        raise ValueError(f"temperatures holds {temperatures[0]}: give temperatures above 0")
    for name in ("periods", "chains"):
        checks.integer(name, getattr(config, name), minimum=4)
    drive = oscillating(config.amplitude, config.period)
    ring, square = lattice((config.ring,)), lattice((config.size, config.size))
    of_ring, of_square = (
        _driven(config, model, temperatures, drive, progress, checkpoint, name)
        for model, name in ((ring, "ring"), (square, "square"))
    )
    found, others = analysis.response(of_ring), analysis.response(of_square)
    known = [exact.driven(ring, 1 / T, drive, order=of_ring.order) for T in temperatures]
    amplitudes, lags = np.array([(one.amplitude, one.lag) for one in known]).T
    columns: dict[str, Any] = {
        "T": (".3g", temperatures),
        "|X| exact": (".5f", amplitudes),
        "|X| ring": (".5f", found.amplitude),
        "error": (".5f", found.amplitude_error),
        "off": ("+.1f", (found.amplitude - amplitudes) / found.amplitude_error),
        "lag exact": (".3f", lags),
        "lag ring": (".3f", found.lag),
        f"|X| {config.size}^2": (".5f", others.amplitude),
        "error ": (".5f", others.amplitude_error),
        f"lag {config.size}^2": (".3f", others.lag),
        "signal/noise": (".1f", others.signal_to_noise),
    }
    best = int(others.amplitude.argmax())
    text = (
        f"Mean spin in the field {config.amplitude:g} cos(2 pi t / {config.period}), {config.chains} chains at each T, "
        f"{config.periods} periods; |X|, its amplitude, and off, in standard errors\n{table(columns)}\n\n"
        f"The ring of {config.ring} follows best at T = {temperatures[amplitudes.argmax()]:g}, the torus at T = "
        f"{temperatures[best]:g}: the amplitude is {others.amplitude[best] / config.amplitude:.1f} times the field's\n"
        f"{of_square.timing.updates_per_second / 1e9:.2f} spin updates per ns, every sweep measured"
    )
    files = {"table.csv": comma_separated(columns)}
    line = _exact_line(ring, temperatures, drive, of_ring)
    return Findings(text, files).with_pictures(
        lambda: {"stochastic_resonance.png": _draw(config, temperatures, found, others, line)}
    )


def _driven(
    config: Config,
    model: Ising,
    temperatures: FloatArray,
    drive: Protocol,
    progress: Progress,
    checkpoint: SavedAs,
    name: str,
) -> SampleResult:
    result = sample(
        model,
        beta=np.repeat(1 / temperatures, config.chains),
        field=drive,
        sweeps=config.periods * config.period,
        burn_in=config.warm * config.period,
        seed=np.random.SeedSequence(config.seed, spawn_key=(model.n,)),
        engine="multispin",
        strips=1,
        progress=progress,
        checkpoint=checkpoint(name),
    )
    if result.interrupted:
        raise Interrupted(f"interrupted at the {name}, in the middle of a period: the same command goes on")
    return result


def _exact_line(ring: Ising, temperatures: FloatArray, drive: Protocol, run: SampleResult) -> FloatArray:
    """T, amplitude and lag of the ring, float64 (3, FINE)."""
    fine = np.geomspace(temperatures[0], temperatures[-1], FINE)
    known = [exact.driven(ring, 1 / T, drive, order=run.order) for T in fine]
    return np.array([fine, [one.amplitude for one in known], [one.lag for one in known]])


def _draw(config: Config, temperatures: FloatArray, ring: Response, square: Response, line: FloatArray) -> bytes:
    """Amplitudes and lags against temperature, as PNG."""
    figure, (left, right) = plots.figure(1, 2, size=(9.5, 3.7))
    names = f"ring of {config.ring}", f"{config.size} x {config.size}"
    Tc = 1 / exact.CRITICAL_BETA
    for ax, exactly in ((left, line[1]), (right, line[2])):
        if temperatures[0] < Tc < temperatures[-1]:
            ax.axvline(Tc, color="0.8", linewidth=1.5, zorder=0, label="T$_c$ of the square lattice")
        ax.plot(line[0], exactly, color=plots.PALETTE[0], linewidth=1.2, label=f"{names[0]}, exact")
    for of, name, color, mark in ((ring, names[0], plots.PALETTE[0], "o"), (square, names[1], plots.PALETTE[1], "s")):
        how: Any = dict(color=color, fmt=mark, markersize=3.5, elinewidth=1, capsize=2, label=f"{name}, sampled")
        left.errorbar(temperatures, of.amplitude, of.amplitude_error, **how)
        told = of.lag_error < 0.5  # of chains that hardly follow nobody knows when
        right.errorbar(temperatures[told], of.lag[told], of.lag_error[told], **how)
    left.set_ylabel("amplitude of the mean spin |X|")
    right.set_ylabel("lag behind the field (radians)")
    right.set_ylim(0, None)
    left.set_ylim(0, None)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    for ax in (left, right):
        plots.style.temperature_axis(ax, temperatures)
    figure.suptitle(f"Stochastic resonance: {config.amplitude:g} J cos(2$\\pi$t/{config.period})")
    return picture(figure)
