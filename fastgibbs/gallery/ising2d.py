"""The square-lattice Ising ferromagnet around Tc: sampled against Kaufman's exact torus and Onsager's magnetisation."""

from dataclasses import dataclass

import numpy as np

from fastgibbs import analysis, exact, plots
from fastgibbs.gallery.output import archive, comma_separated, picture, table
from fastgibbs.gallery.runs import Report
from fastgibbs.methods.sampling import sample
from fastgibbs.models import checks, lattice

TC = 2 / np.log(1 + np.sqrt(2))


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


def run(config: Config, progress) -> Report:
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
    )
    draws = result.energy.shape[1]
    if draws < 2:
        raise ValueError("interrupted before there was anything to report")
    shape = (len(temperatures), config.chains, draws)
    energy = result.energy.reshape(shape) / model.n
    magnetization = np.abs(result.magnetization.reshape(shape))

    def estimates(statistic, records):
        """Values and errors of a statistic at all temperatures."""
        records_at = zip(records, temperatures, strict=True)
        return np.transpose([analysis.jackknife(lambda r, T=T: statistic(r, T), r) for r, T in records_at])

    E, dE = estimates(lambda e, T: e.mean(), energy)
    C, dC = estimates(lambda e, T: model.n * e.var() / T**2, energy)
    m, dm = estimates(lambda m, T: m.mean(), magnetization)
    known = exact.torus(model.shape, 1 / temperatures)
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
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return Report(f'{text}\nno picture: matplotlib is missing, pip install "fastgibbs[plot]"', files)

    figure = Figure(figsize=(11, 7), layout="constrained")
    curves, images = figure.subplots(2, 3, height_ratios=(1, 1))
    fine = np.linspace(temperatures.min(), temperatures.max(), 200)
    smooth = exact.torus(model.shape, 1 / fine)
    for ax, label, value, error, line in (
        (curves[0], "energy per spin E / NJ", E, dE, smooth.energy / model.n),
        (curves[1], "heat capacity per spin C / N", C, dC, smooth.heat_capacity / model.n),
        (curves[2], "magnetisation |m|", m, dm, exact.onsager_magnetization(1 / fine)),
    ):
        plots.temperature_curve(temperatures, value, error, (fine, line), TC, ax)
        ax.set_ylabel(label)
    curves[2].legend(["Tc", "infinite lattice", "sampled"], frameon=False)
    for ax, k in zip(images, (0, np.abs(temperatures - TC).argmin(), -1), strict=True):
        plots.spin_image(result.states.reshape(len(temperatures), config.chains, *model.shape)[k, 0], ax=ax)
        ax.set_xlabel(f"T = {temperatures[k]:.3f} J")
    figure.suptitle(f"Ising ferromagnet on a {config.size} x {config.size} torus")
    return Report(text, files | {"ising2d.png": picture(figure)})
