"""Couplings of glasses from samples of them: with errors, by three methods beside each other, and a graph by l1."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import exact, plots
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.learning import IsingFit, fit_ising
from fastgibbs.methods.sampling import sample
from fastgibbs.models import Ising, checks, edwards_anderson
from fastgibbs.results.parts import FIT_METHODS as METHODS
from fastgibbs.types import FloatArray, Progress, Sites

BURN_IN = 1000  # sweeps
NAMES: dict[str, str] = dict(zip(METHODS, ("pseudo-likelihood", "mean field", "pcd"), strict=True))


@dataclass(frozen=True)
class Config:
    """What the run is told; see inverse_ising.toml."""

    side: int
    temperature: float
    samples: list[int]
    graph_side: int
    graph_samples: int
    chains: int
    thin: int
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Fit exact samples of a glass by all methods, then find the bonds of a larger one, and report.

    It takes seconds, so only the chains of the larger glass are saved.
    """
    _check(config)
    glass = edwards_anderson((config.side, config.side), "gaussian", seed=config.seed)
    p = exact.spectrum(glass).probabilities(1 / config.temperature)
    draws = exact.states(glass.n)[np.random.default_rng(config.seed).choice(p.size, config.samples[-1], p=p)]
    wanted = edwards_anderson((config.graph_side,) * 2, "gaussian", periodic=False, seed=config.seed + 1)
    chains = sample(
        wanted,
        beta=1 / config.temperature,
        sweeps=-(-config.graph_samples // config.chains) * config.thin,
        burn_in=BURN_IN,
        thin=config.thin,
        chains=config.chains,
        keep_states=True,
        seed=config.seed,
        progress=progress,
        checkpoint=checkpoint("chains"),
    )
    if chains.interrupted:
        raise Interrupted("interrupted while sampling, before the end: the same command goes on")
    fits: dict[str, list[IsingFit]] = {
        method: [fit_ising(draws[:count], method, l2=1 / count, seed=config.seed) for count in config.samples]
        for method in METHODS
    }
    errors: dict[str, Any] = {"samples": ("d", config.samples)}
    for method, found in fits.items():
        errors[NAMES[method]] = (".4f", [_rms(fit, glass, config.temperature) for fit in found])
    errors["its errors"] = (".4f", [np.sqrt((fit.couplings_error**2).mean()) for fit in fits[METHODS[0]]])
    chosen = fit_ising(chains.samples.reshape(-1, wanted.n)[: config.graph_samples], l1="path")
    right, missed, wrong = _judged(chosen, wanted)
    assert chosen.path is not None
    path: dict[str, Any] = {
        "l1": (".4f", chosen.path.l1),
        "bonds": ("d", chosen.path.bonds),
        "pseudo-likelihood": (".4f", chosen.path.pseudo_likelihood),
        "criterion": (".1f", chosen.path.bic - chosen.path.bic.min()),
    }
    text = (
        f"Gaussian glass of {config.side}^2 at T = {config.temperature:g} J, exact samples, l2 = 1 / samples: rms "
        f"error of J / T of all {glass.n * (glass.n - 1) // 2} pairs\n{table(errors)}\n\n"
        f"Open Gaussian glass of {config.graph_side}^2, {config.graph_samples} samples, graphs that l1 chooses: of "
        f"{wanted.bond_count} bonds {right.shape[1]} are found at l1 = {chosen.l1:.4f},\nand {wrong.shape[1]} that are "
        f"none; the strongest that is missed has |J| / T = {_strongest(wanted, missed) / config.temperature:.3f}\n"
        f"{table(path)}"
    )
    files = {"errors.csv": comma_separated(errors), "path.csv": comma_separated(path)}
    return Findings(text, files).with_pictures(
        lambda: {"inverse_ising.png": _draw(config, glass, fits, errors, wanted, chosen)}
    )


def _check(config: Config) -> None:
    checks.integer("side", config.side, minimum=2, maximum=4)
    checks.integer("graph_side", config.graph_side, minimum=2)
    checks.integer("graph_samples", config.graph_samples, minimum=100)
    checks.integer("samples", min(config.samples), minimum=100)
    if config.temperature <= 0:
        raise ValueError(f"temperature is {config.temperature}: give one above 0")
    if sorted(config.samples) != config.samples:
        raise ValueError(f"samples is {config.samples}: give ascending numbers")


def _matrix(model: Ising) -> FloatArray:
    J = np.zeros((model.n, model.n))
    i, j, values = model.bonds
    J[i, j] = J[j, i] = values
    return J


def _rms(fit: IsingFit, glass: Ising, temperature: float) -> float:
    return float(np.sqrt(((fit.couplings - _matrix(glass)[fit.i, fit.j] / temperature) ** 2).mean()))


def _judged(chosen: IsingFit, wanted: Ising) -> tuple[Sites, Sites, Sites]:
    """Pairs (2, bonds): those found, those missed, and those that are none."""
    found, true = np.zeros((2, wanted.n, wanted.n), np.bool_)
    found[chosen.i, chosen.j] = True
    true[wanted.bonds[:2]] = True
    right, missed, wrong = (
        np.array(np.nonzero(which), np.int32) for which in (found & true, true & ~found, found & ~true)
    )
    return right, missed, wrong


def _strongest(model: Ising, pairs: Sites) -> float:
    return float(np.abs(_matrix(model)[pairs[0], pairs[1]]).max(initial=0.0))


def _draw(
    config: Config,
    glass: Ising,
    fits: dict[str, list[IsingFit]],
    errors: dict[str, Any],
    wanted: Ising,
    chosen: IsingFit,
) -> bytes:
    """Found against true couplings, errors against samples, the path of l1 and the graph, as PNG."""
    figure, axes = plots.figure(2, 2, size=(9.6, 7.8))
    from matplotlib.ticker import LogLocator

    (left, right), (below, graph) = axes
    palette, mark = plots.style.PALETTE, plots.style.MARK
    for method, color in ((METHODS[1], palette[1]), (METHODS[0], palette[0])):
        fit = fits[method][-1]
        true = _matrix(glass)[fit.i, fit.j] / config.temperature
        left.errorbar(
            true, fit.couplings, fit.couplings_error, color=color, fmt="o", markersize=4, capsize=2, label=NAMES[method]
        )
    ends = 1.1 * np.abs(true).max() * np.array([-1, 1])
    left.plot(ends, ends, color=mark, linewidth=1, zorder=0)
    beyond = fits[METHODS[1]][-1].couplings
    beyond = beyond[np.abs(beyond) > 1.5 * ends[1]]
    left.set_ylim(*1.5 * ends)
    left.set_xlabel("true J / T")
    left.set_ylabel("found J / T")
    title = f"{config.samples[-1]} samples of a glass, {config.side} x {config.side}"
    if beyond.size:
        title += f"\n{beyond.size} of mean field beyond, up to {np.abs(beyond).max():.1f}"
    plots.style.legend_above(left, title)
    for method, color, form in zip(METHODS, palette, ("o-", "s-", "--"), strict=False):
        wide = {"linewidth": 3.5, "markersize": 6} if method == METHODS[0] else {"markersize": 5}  # pcd lies on it
        right.plot(config.samples, errors[NAMES[method]][1], form, color=color, label=NAMES[method], **wide)
    right.plot(config.samples, errors["its errors"][1], color=mark, linewidth=4, zorder=0, label="its errors")
    right.set_xscale("log")
    right.set_yscale("log")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter("{x:g}")
    right.yaxis.set_minor_formatter("")
    right.set_xlabel("samples")
    right.set_ylabel("rms error of J / T, all pairs")
    plots.style.legend_above(right)
    assert chosen.path is not None
    below.plot(chosen.path.l1, chosen.path.bonds, "o-", color=palette[2], markersize=4.5, label="bonds")
    below.axhline(wanted.bond_count, color=mark, linewidth=1, zorder=0)
    below.axvline(chosen.l1, color=mark, linewidth=1, zorder=0)
    below.set_xscale("log")
    below.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    below.xaxis.set_major_formatter("{x:g}")
    below.xaxis.set_minor_formatter("")
    below.set_xlabel("l1")
    below.set_ylabel("bonds")
    below.set_title(f"lines: {wanted.bond_count} bonds of the glass; l1 of least criterion", loc="left", fontsize=9)
    _draw_graph(graph, config, wanted, chosen)
    figure.suptitle("Inverse Ising: couplings from samples, and the graph they are on")
    return picture(figure)


def _draw_graph(ax: Any, config: Config, wanted: Ising, chosen: IsingFit) -> None:
    """Bonds by their strength: found, missed and wrong."""
    palette = plots.style.PALETTE
    J = _matrix(wanted)
    styles = (("found", palette[0], "-"), ("missed", palette[1], ":"), ("wrong", palette[3], "--"))
    side = config.graph_side
    for (name, color, line), pairs in zip(styles, _judged(chosen, wanted), strict=True):
        for k, (i, j) in enumerate(pairs.T):
            ends = np.array([np.divmod(i, side), np.divmod(j, side)])
            width = 1 + 3 * min(abs(J[i, j]), 1.0)
            label = f"{pairs.shape[1]} {name}" if k == 0 else None
            ax.plot(ends[:, 1], ends[:, 0], line, color=color, linewidth=width, label=label)
    x, y = np.meshgrid(range(side), range(side))
    ax.scatter(x, y, s=30, color="black", zorder=3)
    ax.set_aspect("equal")
    ax.set_axis_off()
    plots.style.legend_above(ax, f"{config.graph_samples} samples, {side} x {side}")
