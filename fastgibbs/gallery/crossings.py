"""The critical point of an Ising ferromagnet from the Binder cumulants of several sizes, reweighted in temperature."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fastgibbs import analysis, plots
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs, require_sizes
from fastgibbs.methods.sampling import sample
from fastgibbs.models import checks, lattice
from fastgibbs.types import FloatArray, Progress

FINE = 201  # temperatures of a reweighted curve
ZOOM = 0.2  # of the range of temperatures, in the second panel
FEWEST_DRAWS = 16


class Critical(NamedTuple):
    """The critical temperature of the infinite lattice, and U there in a large periodic square or cube."""

    temperature: float
    binder: float


@dataclass(frozen=True)
class Config:
    """What the run is told; see binder2d.toml and ising3d.toml."""

    sizes: list[int]
    temperatures: list[float]
    chains: int
    sweeps: list[int]
    thin: list[int]
    seed: int


def locate(
    config: Config, dimensions: int, critical: Critical, name: str, progress: Progress, checkpoint: SavedAs
) -> Findings:
    """Sample lattices of all sizes at the same temperatures, reweight to those between, report where U is the same."""
    require_sizes(config, "sweeps", "thin")
    sizes, temperatures = config.sizes, np.sort(config.temperatures)
    if temperatures[0] <= 0:
        raise ValueError(f"temperatures holds {temperatures[0]}: give temperatures above 0")
    checks.integer("chains", config.chains)
    betas = 1 / temperatures[::-1]
    fine = np.linspace(betas[0], betas[-1], FINE)
    curves, rows, seconds, updates = {}, [], 0.0, 0.0
    for size, sweeps, thin in zip(sizes, config.sweeps, config.thin, strict=True):
        model = lattice((size,) * dimensions)
        result = sample(
            model,
            beta=np.repeat(betas, config.chains),
            sweeps=sweeps,
            burn_in=sweeps // 5,
            thin=thin,
            start=np.ones(model.n),
            seed=np.random.SeedSequence(config.seed, spawn_key=(size,)),
            progress=progress,
            checkpoint=checkpoint(f"L{size}"),
        )
        if result.interrupted and size != sizes[-1]:
            raise Interrupted(f"interrupted at L = {size}, before all sizes were sampled: the same command goes on")
        if result.energy.shape[1] < FEWEST_DRAWS:
            made = result.energy.shape[1]
            raise ValueError(f"there are {made} draws of L = {size}: at least {FEWEST_DRAWS} are needed")
        curves[size] = analysis.reweight(result, fine)
        for beta, m in zip(betas, result.magnetization.reshape(betas.size, config.chains, -1), strict=True):
            tau = analysis.autocorrelation_time(np.abs(m))
            rows.append((size, 1 / beta, thin * tau, m.size / tau, *analysis.binder_cumulant(m)))
        seconds += result.timing.kernel
        updates += result.timing.kernel * result.timing.updates_per_second
    forms = {"L": "d", "T": ".4f", "tau": ".0f", "ESS": ".0f", "U": ".5f", "error U": ".5f"}
    columns = {name: (forms[name], values) for name, values in zip(forms, zip(*rows, strict=True), strict=True)}
    found = _crossings(curves, critical)
    shape = " x ".join(["L"] * dimensions)
    text = (
        f"Ising ferromagnet on {shape} tori, J = k_B = 1, {config.chains} chains at each temperature; tau, the "
        f"autocorrelation time of |m|, in sweeps\n{table(columns)}\n\n"
        f"Crossings of the curves U(T), reweighted from all temperatures; off, in standard errors. They drift to the "
        f"critical point as L grows.\n{table(found)}\n"
        f"known: Tc = {critical.temperature:.6f}, Uc = {critical.binder:.5f}\n"
        f"{updates / seconds / 1e9:.2f} spin updates per ns in {seconds:.1f} s"
        f"{' (interrupted)' if result.interrupted else ''}"
    )
    lines = {
        f"{part} {size}": (".5f", values)
        for size in sizes
        for part, values in (("U", curves[size].binder), ("error U", curves[size].binder_error))
    }
    files = {
        "table.csv": comma_separated(columns),
        "crossings.csv": comma_separated(found),
        "curves.csv": comma_separated({"T": (".5f", 1 / fine), **lines}),
    }
    drawn = {size: (1 / fine, curve.binder, curve.binder_error) for size, curve in curves.items()}
    points = {size: np.transpose([(T, U, dU) for L, T, _, _, U, dU in rows if size == L]) for size in sizes}
    title = f"Ising ferromagnet on {shape} tori"
    return Findings(text, files, result.interrupted).with_pictures(
        lambda: {f"{name}.png": _draw(drawn, points, critical, title)}
    )


def _crossings(curves: Mapping[int, analysis.Reweighted], critical: Critical) -> dict[str, tuple[str, Any]]:
    """Of every size and the next."""
    pairs = list(pairwise(curves))
    T, dT, U, dU = np.transpose([analysis.binder_crossing(curves[small], curves[large]) for small, large in pairs])
    return {
        "L": ("d", [small for small, _ in pairs]),
        "and": ("d", [large for _, large in pairs]),
        "T": (".5f", T),
        "error T": (".5f", dT),
        "off Tc": ("+.2f", (T - critical.temperature) / dT),
        "U": (".5f", U),
        "error U": (".5f", dU),
        "off Uc": ("+.2f", (U - critical.binder) / dU),
    }


def _draw(
    curves: Mapping[int, tuple[FloatArray, FloatArray, FloatArray]],
    points: Mapping[int, FloatArray],
    critical: Critical,
    title: str,
) -> bytes:
    """All temperatures, and those around the critical one, as PNG; arguments as in `plots.binder_crossing`."""
    figure, (whole, near) = plots.figure(1, 2, size=(9.5, 3.7))
    plots.binder_crossing(curves, points, critical, ax=whole)
    plots.binder_crossing(curves, points, critical, ax=near)
    temperatures = next(iter(curves.values()))[0]
    half = ZOOM / 2 * np.ptp(temperatures)
    shown = np.abs(temperatures - critical.temperature) <= half
    heights = np.concatenate([values[shown] for _, values, _ in curves.values()])
    near.set_xlim(critical.temperature - half, critical.temperature + half)
    if heights.size:  # a user's own temperatures may lie elsewhere
        near.set_ylim(heights.min(), heights.max())
    figure.suptitle(f"{title}: sampled (points) and reweighted (lines)")
    return picture(figure)
