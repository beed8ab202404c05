"""The +-J Edwards-Anderson glass in three dimensions: tempering, with all that tells whether to believe it."""

from dataclasses import dataclass

import numpy as np

from fastgibbs import analysis, plots
from fastgibbs.gallery.output import archive, comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.tempering import temper
from fastgibbs.models import checks, edwards_anderson
from fastgibbs.results.tempered import TemperResult
from fastgibbs.types import Progress


@dataclass(frozen=True)
class Config:
    """What the run is told; see spinglass3d.toml."""

    size: int
    coldest: float
    rungs: int
    ladders: int
    burn_in: int
    sweeps: int
    thin: int
    shown: list[float]
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Temper one disorder sample; report energies, swaps, overlaps, flow and log Z by rung, and the verdict."""
    checks.integer("ladders", config.ladders, minimum=2)
    if config.coldest <= 0:
        raise ValueError(f"coldest is {config.coldest}: give a temperature above 0")
    if min(config.shown) <= 0:
        raise ValueError(f"shown holds {min(config.shown)}: give temperatures above 0")
    model = edwards_anderson((config.size,) * 3, seed=config.seed)
    result = temper(
        model,
        betas=[0, 1 / config.coldest],
        rungs=config.rungs,
        sweeps=config.sweeps,
        burn_in=config.burn_in,
        thin=config.thin,
        ladders=config.ladders,
        seed=config.seed,
        progress=progress,
        checkpoint=checkpoint("ladders"),
    )
    draws, overlap = result.energy.shape[2], result.overlap
    if draws < 2 or overlap is None or not overlap.draws.all():
        raise Interrupted("interrupted before there was anything to report: the same command goes on")
    temperatures = np.divide(1, result.betas, out=np.full(result.betas.size, np.inf), where=result.betas > 0)
    energies = np.moveaxis(result.energy, 1, 0) / model.n
    barrier, log_z, verdict = result.barrier, result.log_z, result.equilibration
    columns = {
        "T": (".3f", temperatures),
        "E/N": (".5f", energies.mean(axis=(1, 2))),
        "error E": (".5f", [e.std() / np.sqrt(analysis.effective_sample_size(e)) for e in energies]),
        "tau": (".0f", [config.thin * analysis.autocorrelation_time(e) for e in energies]),
        "swaps": (".3f", [*result.acceptance, np.nan]),
        "<q^2>": (".4f", overlap.q2.mean(axis=0)),
        "<q_link>": (".4f", overlap.link.mean(axis=0)),
        "flow f": (".3f", result.flow),
        "log Z": (".3f", log_z.bar),
        "error": (".3f", log_z.bar_error),
    }
    trips = result.round_trips
    text = (
        f"{config.size}^3 +-J spin glass, T in J / k_B; {config.ladders} ladders x {draws} draws; tau, the "
        f"autocorrelation time of E, in sweeps; swaps, accepted with the next colder rung\n{table(columns)}\n"
        f"barrier Lambda = {barrier.total:.2f}, which asks for {analysis.enough_rungs(barrier.total)} rungs; "
        f"round trips of a replica: {trips.min()} to {trips.max()}, {trips.mean():.1f} on average\n"
        f"{' '.join(verdict.problems) or 'No sign of disequilibrium.'}\n"
        f"{result.timing.updates_per_second / 1e9:.2f} spin updates per ns in {result.timing.kernel:.1f} s"
        f"{' (interrupted)' if result.interrupted else ''}"
    )
    files = {
        "table.csv": comma_separated(columns),
        "result.npz": archive(
            betas=result.betas,
            energy=result.energy,
            overlaps=overlap.histogram,
            round_trips=trips,
            states=result.states,
        ),
    }
    return Findings(text, files, result.interrupted).with_pictures(lambda: {"spinglass3d.png": _draw(config, result)})


def _draw(config: Config, result: TemperResult) -> bytes:
    """Overlaps, swaps and flow of the replicas, as PNG."""
    figure, (left, middle, right) = plots.figure(1, 3, size=(12.5, 3.8))
    figure.set_layout_engine("constrained", wspace=0.06)  # the middle panel has an axis on either side
    plots.overlap_distribution(result, config.shown, ax=left)
    plots.swap_rates(result, ax=middle)
    plots.replica_flow(result, ax=right)
    figure.suptitle(
        f"{config.size}$^3$ $\\pm J$ spin glass, one sample, {config.ladders} ladders of {config.rungs} rungs"
    )
    return picture(figure)
