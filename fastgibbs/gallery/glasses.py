"""Where a +-J Edwards-Anderson glass freezes: averages over samples of several sizes, and where their curves cross."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from fastgibbs import analysis, plots
from fastgibbs.analysis import Crossing, DisorderAverage
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs, require_sizes
from fastgibbs.methods.tempering import temper
from fastgibbs.models import checks, edwards_anderson
from fastgibbs.types import Progress

_DRAWS = 128  # of a replica: enough to judge it by
_SHOWN = "energy", "binder", "xi_ratio", "link"


@dataclass(frozen=True)
class Config:
    """What the run is told; see spinglass_binder.toml and spinglass_binder2d.toml."""

    sizes: list[int]
    samples: list[int]
    sweeps: list[int]
    hottest: float
    coldest: float
    rungs: int
    seed: int


def locate(
    config: Config, dimensions: int, critical: tuple[float, float] | None, name: str, progress: Progress, saved: SavedAs
) -> Findings:
    """Temper samples of all sizes at the same temperatures, and report g and xi / L with their crossings.

    `critical`: the critical temperature and its error, if there is one.
    """
    require_sizes(config, "samples", "sweeps")
    for key, least in (("samples", 2), ("sweeps", _DRAWS)):
        checks.integer(key, min(getattr(config, key)), minimum=least)
    checks.integer("rungs", config.rungs, minimum=2)
    if not 0 < config.coldest < config.hottest:
        raise ValueError(f"coldest is {config.coldest}, hottest {config.hottest}: give temperatures above 0, ascending")
    averages: dict[int, DisorderAverage] = {}
    seconds, updates, stopped = 0.0, 0.0, False
    for size, samples, sweeps in zip(config.sizes, config.samples, config.sweeps, strict=True):
        if stopped:
            raise Interrupted("interrupted before all sizes were sampled: the same command goes on")
        results = temper(
            [edwards_anderson((size,) * dimensions, seed=seed) for seed in _seeds(config.seed, size).spawn(samples)],
            betas=1 / np.geomspace(config.hottest, config.coldest, config.rungs),
            sweeps=sweeps,
            burn_in=sweeps // 4,
            thin=sweeps // _DRAWS,
            ladders=2,
            seed=_seeds(config.seed, size),
            progress=progress,
            checkpoint=saved(f"L{size}"),
        )
        stopped = results[0].interrupted
        if stopped and results[0].energy.shape[2] < _DRAWS // 4:
            raise Interrupted("interrupted before there was anything to report: the same command goes on")
        averages[size] = analysis.disorder_average(results)
        seconds += results[0].timing.kernel
        updates += results[0].timing.kernel * results[0].timing.updates_per_second
    columns, found = _columns(averages), _crossings(averages)
    shape = " x ".join(["L"] * dimensions)
    known = (
        "known: none at T > 0; far below the gap all curves are those of ground states"
        if critical is None
        else f"known: Tc = {critical[0]}({round(1e4 * critical[1])})"
    )
    text = (
        f"+-J spin glass on {shape} tori, J = k_B = 1; g of q, second-moment xi, link overlap q_l, errors over "
        f"samples\n{table(columns)}\n\n{_verdict(averages)}\n\nCrossings of g and of xi / L; '-' where curves do not "
        f"cross\n{table(found)}\n{known}\n{updates / max(seconds, 1e-9) / 1e9:.2f} spin updates per ns in "
        f"{seconds:.1f} s{' (interrupted)' if stopped else ''}"
    )
    files = {"table.csv": comma_separated(columns), "crossings.csv": comma_separated(found)}
    return Findings(text, files, stopped).with_pictures(lambda: {f"{name}.png": _draw(averages, critical, shape)})


def _draw(averages: Mapping[int, DisorderAverage], critical: tuple[float, float] | None, shape: str) -> bytes:
    """g and xi / L against temperature, as PNG."""
    figure, (left, right) = plots.figure(1, 2, size=(9.5, 3.7))
    plots.glass_crossing(averages, "binder", critical, ax=left)
    plots.glass_crossing(averages, "xi_ratio", critical, ax=right)
    counts = ", ".join(str(average.samples) for average in averages.values())
    figure.suptitle(f"$\\pm J$ spin glass on {shape} tori, averages over {counts} samples")
    return picture(figure)


def _seeds(seed: int, size: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(size,))


def _columns(averages: Mapping[int, DisorderAverage]) -> dict[str, tuple[str, Any]]:
    """What each size has at each temperature."""
    every = list(averages.items())
    found: dict[str, tuple[str, Any]] = {
        "L": ("d", [size for size, average in every for _ in average.betas]),
        "T": (".4f", [1 / beta for _, average in every for beta in average.betas]),
    }
    for name, heading in zip(_SHOWN, ("E/N", "g", "xi/L", "q_l"), strict=True):
        for suffix, before in (("", ""), ("_error", "error ")):
            found[before + heading] = ".4f", np.concatenate([getattr(one, name + suffix) for _, one in every])
    return found


def _verdict(averages: Mapping[int, DisorderAverage]) -> str:
    told = [f"{(~one.equilibrated).sum()} of {one.samples} of L = {size}" for size, one in averages.items()]
    return f"samples with a sign of disequilibrium: {', '.join(told)}"


def _crossings(averages: Mapping[int, DisorderAverage]) -> dict[str, tuple[str, Any]]:
    """Of every two sizes."""
    pairs = list(combinations(averages, 2))
    found: dict[str, tuple[str, Any]] = {"L": ("d", [one for one, _ in pairs]), "and": ("d", [two for _, two in pairs])}
    for heading, cross in (("g", analysis.binder_crossing), ("xi/L", analysis.xi_crossing)):
        each = [_crossed(cross, averages[one], averages[two]) for one, two in pairs]
        for name in Crossing._fields:
            what = f"{'T of ' if name.startswith('temperature') else ''}{heading}"
            column = f"error {what}" if name.endswith("error") else what
            found[column] = "", [f"{getattr(one, name):.4f}" if one else "-" for one in each]
    return found


def _crossed(cross: Any, one: DisorderAverage, other: DisorderAverage) -> Crossing | None:
    try:
        return cross(one, other)
    except ValueError:  # they do not cross
        return None
