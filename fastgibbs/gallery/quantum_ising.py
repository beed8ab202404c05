"""Quantum spins: the transverse-field chain beside free fermions, and a glass annealed by quantum and by heat."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import analysis, exact, plots
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.sampling import sample
from fastgibbs.methods.schedules import linear
from fastgibbs.models import TransverseIsing, checks, edwards_anderson, lattice
from fastgibbs.results.sampled import SampleResult
from fastgibbs.types import Progress

_FIELD = 3.0  # from which the glass is annealed, in units of J: above it spins follow it
_COLD = 0.05  # its temperature then


@dataclass(frozen=True)
class Config:
    """What the run is told; see quantum_ising.toml."""

    size: int
    temperature: float
    gammas: list[float]
    slices: int
    sweeps: int
    burn_in: int
    chains: int
    side: int
    annealings: list[int]
    reads: int
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Sample the chain at each field in few and in twice as many slices, anneal the glass both ways, and report.

    P. Pfeuty, Ann. Phys. 57, 79 (1970); G. E. Santoro et al., Science 295, 2427 (2002).
    """
    if config.temperature <= 0:
        raise ValueError(f"temperature is {config.temperature}: give one above 0")
    checks.integer("slices", config.slices)
    few, many = (_chains(config, slices, progress, checkpoint) for slices in (config.slices, 2 * config.slices))
    rate = many[-1].timing.updates_per_second
    means = [analysis.extrapolate(*of_field)[0] for of_field in zip(few, many, strict=True)]
    known = exact.transverse_chain(1 / config.temperature, config.gammas)
    columns: dict[str, Any] = {"Gamma/J": ("g", config.gammas)}
    for name, of_size, theirs in (("E/N", config.size, known.energy), ("x", 1, known.x), ("zz", 1, known.zz)):
        values, errors = np.array([getattr(of, {"E/N": "energy"}.get(name, name)) for of in means]).T / of_size
        columns |= {name: (".4f", values), f"error {name}": (".4f", errors), f"exact {name}": (".4f", theirs)}
    glass, rows = edwards_anderson((config.side, config.side), "gaussian", seed=config.seed), []
    for sweeps in config.annealings:
        how: dict[str, Any] = dict(sweeps=sweeps, reads=config.reads, seed=config.seed, progress=progress)
        faded = anneal(TransverseIsing(glass, _FIELD, config.slices), beta=1 / _COLD, gammas=linear(_FIELD, 0.0), **how)
        heated = anneal(glass, **how | dict(sweeps=sweeps * config.slices))
        if faded.interrupted or heated.interrupted:
            raise Interrupted("interrupted while annealing, before the end: the same command goes on")
        rows.append((faded.energy.mean(), heated.energy.mean(), min(faded.energy[0], heated.energy[0])))
    quantum, thermal, least = np.array(rows).T
    annealed: dict[str, Any] = {
        "sweeps": ("d", config.annealings),
        "updates a site": ("d", [sweeps * config.slices for sweeps in config.annealings]),
        "quantum": (".5f", (quantum - least.min()) / glass.n),
        "thermal": (".5f", (thermal - least.min()) / glass.n),
    }
    text = (
        f"Chain of {config.size} spins at T = {config.temperature:g} J, {config.chains} chains of {config.sweeps} "
        f"sweeps, extrapolated from {config.slices} and {2 * config.slices} slices; exact: the infinite chain\n"
        f"{table(columns)}\n"
        f"{rate / 1e9:.2f} spins of slices per ns, every sweep measured\n"
        f"Gaussian glass of {config.side}^2, {config.reads} reads: mean energy above the lowest found, per site\n"
        f"{table(annealed)}"
    )
    files = {"table.csv": comma_separated(columns), "annealing.csv": comma_separated(annealed)}
    return Findings(text, files).with_pictures(lambda: {"quantum_ising.png": _draw(config, columns, annealed)})


def _chains(config: Config, slices: int, progress: Progress, checkpoint: SavedAs) -> list[SampleResult]:
    """The run at each field, from all spins up."""
    found = []
    for number, gamma in enumerate(config.gammas):
        result = sample(
            TransverseIsing(lattice((config.size,)), gamma, slices),
            beta=1 / config.temperature,
            sweeps=config.sweeps,
            burn_in=config.burn_in,
            chains=config.chains,
            start=np.ones(config.size * slices),
            seed=np.random.SeedSequence(config.seed, spawn_key=(slices, number)),
            progress=progress,
            checkpoint=checkpoint(f"slices{slices}field{number}"),
        )
        if result.interrupted:
            raise Interrupted(f"interrupted at Gamma = {gamma:g}, before its end: the same command goes on")
        found.append(result)
    return found


def _plain_numbers(ax: Any) -> None:
    """Label a logarithmic y axis at 1, 2 and 5 times powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())


def _draw(config: Config, columns: dict[str, Any], annealed: dict[str, Any]) -> bytes:
    """Energy, <x> and <zz> against the field, and residual energies against work, as PNG."""
    figure, (left, middle, right) = plots.figure(1, 3, size=(12.0, 3.7))
    fine = np.linspace(0.01, 1.1 * max(config.gammas), 200)
    known = exact.transverse_chain(1 / config.temperature, fine)
    palette = plots.style.PALETTE
    for ax, name, curve, color, label in (
        (left, "E/N", known.energy, palette[0], "energy"),
        (middle, "x", known.x, palette[1], r"$\langle\sigma^x\rangle$"),
        (middle, "zz", known.zz, palette[2], r"$\langle\sigma^z_i\sigma^z_{i+1}\rangle$"),
    ):
        ax.plot(fine, curve, color=color, linewidth=1.2, alpha=0.6)
        ax.errorbar(
            config.gammas,
            columns[name][1],
            columns[f"error {name}"][1],
            color=color,
            fmt="o",
            markersize=4.5,
            capsize=2,
            label=label,
        )
    for ax in (left, middle):
        ax.axvline(1.0, color=plots.style.MARK, linewidth=1, zorder=0)
        ax.set_xlabel(r"transverse field $\Gamma$ (J)")
    left.set_ylabel("energy per site (J)")
    middle.set_ylabel("mean per site, per bond")
    plots.style.legend_above(middle)
    left.set_title(f"T = {config.temperature:g} J; lines: free fermions", loc="left", fontsize=9)
    for name, color in (("quantum", palette[0]), ("thermal", palette[1])):
        right.plot(annealed["updates a site"][1], annealed[name][1], "o-", color=color, markersize=4.5, label=name)
    right.set_xscale("log")
    right.set_yscale("log")
    _plain_numbers(right)
    right.set_xlabel("spin updates a site, of all slices")
    right.set_ylabel("energy above the lowest, per site (J)")
    plots.style.legend_above(right, f"annealing of a Gaussian glass, {config.side} x {config.side}")
    figure.suptitle(f"Spins in a transverse field: a chain of {config.size}, and a glass annealed both ways")
    return picture(figure)
