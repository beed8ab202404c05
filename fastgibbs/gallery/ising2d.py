"""The square-lattice Ising ferromagnet around Tc: sampled against Kaufman's exact torus and Onsager's magnetisation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgibbs import analysis, exact, plots
from fastgibbs.gallery.output import archive, comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.sampling import sample
from fastgibbs.models import checks, lattice
from fastgibbs.results.sampled import SampleResult
from fastgibbs.types import FloatArray, IntArray, Progress

TC = 1 / exact.CRITICAL_BETA
WARM = 1.04  # over Tc: clusters of many sizes
TRACED = 250  # draws of each chain in the picture of burn-in


@dataclass(frozen=True)
class Config:
    """What the run is told; see ising2d.toml."""

    size: int
    temperatures: list[float]
    chains: int
    burn_in: int
    sweeps: int
    thin: int
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Sample all temperatures in one call and compare E/N and C/N with the exact values of this very torus."""
    checks.integer("chains", config.chains, minimum=2)
    model = lattice((config.size, config.size))
    temperatures = np.array(config.temperatures, float)
    if (temperatures <= 0).any():
        raise ValueError(f"temperatures holds {temperatures.min()}: give temperatures above 0")
    result = sample(
        model,
        beta=np.repeat(1 / temperatures, config.chains),
        sweeps=config.sweeps,
        burn_in=config.burn_in,
        thin=config.thin,
        start=np.ones(model.n),  # cold chains that start from random spins get stuck in stripes
        seed=config.seed,
        progress=progress,
        checkpoint=checkpoint("chains"),
    )
    draws = result.energy.shape[1]
    if draws < 2:
        raise Interrupted("interrupted before there was anything to report: the same command goes on")
    shape = (len(temperatures), config.chains, draws)
    energy = result.energy.reshape(shape) / model.n
    magnetization = np.abs(result.magnetization.reshape(shape))

    def estimates(statistic: Callable[[FloatArray, float], float], records: FloatArray) -> FloatArray:
        """Values and errors of a statistic at all temperatures."""
        records_at = zip(records, temperatures, strict=True)
        return np.transpose([analysis.jackknife(lambda r, T=T: statistic(r, T), r) for r, T in records_at])

    E, dE = estimates(lambda e, T: e.mean(), energy)
    C, dC = estimates(lambda e, T: model.n * e.var() / T**2, energy)
    m, dm = estimates(lambda m, T: m.mean(), magnetization)
    known = exact.torus((config.size, config.size), 1 / temperatures)
    columns = {
        "T": (".3f", temperatures),
        "E/N": (".5f", E),
        "error E": (".5f", dE),
        "exact E": (".5f", known.energy / model.n),
        "z": ("+.2f", (E - known.energy / model.n) / dE),
        "|m|": (".4f", m),
        "error m": (".4f", dm),
        "C/N": (".4f", C),
        "error C": (".4f", dC),
        "exact C": (".4f", known.heat_capacity / model.n),
        "tau": (".1f", [config.thin * analysis.autocorrelation_time(e) for e in energy]),
        "ESS": (".0f", [analysis.effective_sample_size(e) for e in energy]),
    }
    text = (
        f"{config.size} x {config.size} torus, J = 1, {config.chains} chains x {draws} draws per temperature; tau, the "
        f"autocorrelation time of E, in sweeps\n{table(columns)}\n"
        f"{result.timing.updates_per_second / 1e9:.2f} spin updates per ns in {result.timing.kernel:.1f} s"
        f"{' (interrupted)' if result.interrupted else ''}"
    )
    draws = archive(energy=result.energy, magnetization=result.magnetization, beta=result.beta, states=result.states)
    files = {"table.csv": comma_separated(columns), "result.npz": draws}
    return Findings(text, files, result.interrupted).with_pictures(
        lambda: {"ising2d.png": _draw(config, result), "ising2d_traces.png": _draw_traces(config)}
    )


def _shown(temperatures: FloatArray) -> IntArray:
    """The coldest, those nearest to Tc and a little above, and the hottest."""
    wanted = [temperatures.min(), TC, WARM * TC, temperatures.max()]
    return np.unique(np.abs(temperatures[:, None] - wanted).argmin(axis=0))


def _draw(config: Config, result: SampleResult) -> bytes:
    """Means against temperature beside what is known, and spins at some of them, as PNG."""
    figure, (curves, images) = plots.figure(2, 4, size=(13, 6.2))
    measures = plots.energy_curve, plots.heat_capacity_curve, plots.magnetization_curve, plots.susceptibility_curve
    for ax, draw in zip(curves, measures, strict=True):
        draw(result, ax=ax)
    temperatures = np.array(config.temperatures, float)
    shown = _shown(temperatures)
    states = result.states.reshape(len(temperatures), config.chains, config.size, config.size)[shown, 0]
    for ax, T, spins in zip(images, temperatures[shown], states, strict=False):
        plots.spin_image(spins, ax=ax)
        ax.set_xlabel(f"T = {T:.3f} J/k$_B$")
    for ax in images[shown.size :]:
        ax.remove()
    figure.suptitle(f"Ising ferromagnet on a {config.size} x {config.size} torus")
    return picture(figure)


def _draw_traces(config: Config) -> bytes:
    """Two chains each of the same start at some temperatures, recorded from the first sweep on, as PNG."""
    temperatures = np.array(config.temperatures, float)
    thin = max(2 * config.burn_in // TRACED, 1)
    model = lattice((config.size, config.size))
    trace = sample(
        model,
        beta=np.repeat(1 / temperatures[_shown(temperatures)], 2),
        sweeps=thin * TRACED,
        thin=thin,
        start=np.ones(model.n),
        seed=config.seed,
    )
    figure, axes = plots.figure(1, 2, size=(10, 3.4))
    for ax, draw in zip(axes, (plots.energy_trace, plots.magnetization_trace), strict=True):
        draw(trace, burn_in=config.burn_in, ax=ax)
    return picture(figure)
