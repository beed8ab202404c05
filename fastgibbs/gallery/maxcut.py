"""Max-cut by cold sampling: the best cut that chains at several low temperatures meet on a weighted graph."""

from dataclasses import dataclass

import numpy as np

from fastgibbs.gallery.output import archive, comma_separated, table
from fastgibbs.gallery.runs import Report
from fastgibbs.io import read_rudy
from fastgibbs.methods.sampling import sample
from fastgibbs.models import Ising, checks, random_regular

QUENCH = 50  # sweeps that take each chain's best draw to the bottom of its valley


@dataclass(frozen=True)
class Config:
    """What the run is told; see maxcut.toml."""

    input: str
    temperatures: list[float]
    chains: int
    sweeps: int
    thin: int
    seed: int


def run(config: Config, progress) -> Report:
    """Sample all temperatures in one call, quench the best draw of each chain, report the largest cut (W - E) / 2."""
    checks.integer("chains", config.chains)
    if config.input:
        model = read_rudy(config.input)
    else:
        i, j, _ = random_regular(2000, 3, "ferromagnet", seed=config.seed).bonds
        model = Ising.from_edges(2000, i, j, -1.0)
    weights = -model.bonds[2]
    if not weights.size:
        raise ValueError(f"{config.input} has no edges: there is nothing to cut")
    unit = np.sqrt(2 * (weights**2).sum() / model.n)  # the typical local field of random spins
    beta = 1 / (unit * np.repeat(np.array(config.temperatures, float), config.chains))
    cold = sample(
        model,
        beta=beta,
        sweeps=config.sweeps,
        thin=config.thin,
        seed=config.seed,
        keep_states=True,
        progress=progress,
    )
    if not cold.energy.size:
        raise ValueError("interrupted before there was anything to report")
    best_draws = cold.samples[np.arange(beta.size), cold.energy.argmin(axis=1)]
    quenched = sample(model, beta=np.full(beta.size, 1e3 / unit), sweeps=QUENCH, start=best_draws, seed=config.seed + 1)
    cuts = ((weights.sum() - quenched.energy[:, -1]) / 2).reshape(-1, config.chains)
    best = int(cuts.argmax())
    columns = {
        "T": (".2f", config.temperatures),
        "best cut": (".6g", cuts.max(axis=1)),
        "mean": (".1f", cuts.mean(axis=1)),
        "worst": (".6g", cuts.min(axis=1)),
    }
    text = (
        f"{model.n} sites, {weights.size} edges, total weight {weights.sum():.6g}; T in units of {unit:.4g}; "
        f"{config.chains} chains per temperature\n{table(columns)}\n"
        f"best cut {cuts.flat[best]:.10g}, {cold.timing.kernel:.1f} s at {cold.timing.updates_per_second / 1e9:.2f} "
        f"spin updates per ns{' (interrupted)' if cold.interrupted else ''}"
    )
    side = quenched.states[best] > 0
    files = {
        "table.csv": comma_separated(columns),
        "result.npz": archive(energy=cold.energy, beta=cold.beta, cuts=cuts, side=side),
    }
    return Report(text, files)
