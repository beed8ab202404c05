"""How much a Hopfield memory holds: overlaps after recall beside the theory of many patterns, and pictures recalled."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import exact, plots
from fastgibbs.gallery.output import archive, comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.recall import recall
from fastgibbs.methods.running import running
from fastgibbs.models import Hopfield, checks
from fastgibbs.types import FloatArray, Progress, States


@dataclass(frozen=True)
class Config:
    """What the run is told; see hopfield_capacity.toml."""

    sizes: list[int]
    loads: list[float]
    samples: int
    cues: int
    sweeps: int
    load: float
    temperatures: list[float]
    noise: float
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Recall patterns at every size and load and at every temperature, then digits; report overlaps and theory.

    It takes seconds, so it is not saved.
    """
    checks.integer("samples", config.samples, minimum=2)
    for name, values in (("sizes", config.sizes), ("loads", config.loads), ("temperatures", config.temperatures)):
        if min(values) <= 0:
            raise ValueError(f"{name} holds {min(values)}: give numbers above 0")
    if not 0 <= config.noise <= 1:
        raise ValueError(f"noise is {config.noise}: give a share of the pixels, 0 to 1")
    rng = np.random.default_rng(config.seed)
    jobs = [(n, load, np.inf) for n in config.sizes for load in config.loads]
    jobs += [(n, config.load, 1 / T) for n in config.sizes for T in config.temperatures]
    means, errors = np.empty(len(jobs)), np.empty(len(jobs))
    with running(progress) as under_way:
        for k, (n, load, beta) in enumerate(jobs):
            of_samples = [_recalled(config, n, load, beta, rng) for _ in range(config.samples)]
            means[k], errors[k] = np.mean(of_samples), np.std(of_samples, ddof=1) / np.sqrt(config.samples)
            if under_way.report(k + 1, len(jobs)) is True or under_way.asked:
                raise Interrupted("interrupted before there was anything to report")
    sizes, cold = len(config.sizes), len(config.sizes) * len(config.loads)
    at_loads = means[:cold].reshape(sizes, -1), errors[:cold].reshape(sizes, -1)
    at_temperatures = means[cold:].reshape(sizes, -1), errors[cold:].reshape(sizes, -1)
    theory = exact.retrieval_overlap(config.loads)
    warm = exact.retrieval_overlap(config.load, config.temperatures)
    columns: list[dict[str, Any]] = [
        {name: (".3f", x), "N = oo": (".4f", line)}
        | {f"N = {n}": (".4f", m) for n, m in zip(config.sizes, values, strict=True)}
        | {f"error {n}": (".4f", e) for n, e in zip(config.sizes, bars, strict=True)}
        for name, x, line, (values, bars) in (
            ("P/N", config.loads, theory, at_loads),
            ("T", config.temperatures, warm, at_temperatures),
        )
    ]
    patterns, shape, origin = _pictures(rng)
    cues = np.where(rng.random(patterns.shape) < config.noise, -patterns, patterns)
    recalled = [recall(Hopfield(patterns, rule), cues, seed=config.seed).states for rule in ("hebb", "pseudoinverse")]
    found = [int((states == patterns).all(axis=1).sum()) for states in recalled]
    text = (
        f"Hebb rule at T = 0, overlap with a pattern after recall from it; {config.samples} sets of patterns, up to "
        f"{config.cues} recalled of each\n{table(columns[0])}\nthe theory's last load is {exact.CRITICAL_LOAD:.6f}\n\n"
        f"at P/N = {config.load} against temperature\n{table(columns[1])}\n\n"
        f"{len(patterns)} {origin}, {config.noise:.0%} of the pixels turned: recalled without error by the Hebb rule "
        f"{found[0]}, by the pseudo-inverse {found[1]}"
    )
    files = {
        "loads.csv": comma_separated(columns[0]),
        "temperatures.csv": comma_separated(columns[1]),
        "result.npz": archive(overlap=means, error=errors, patterns=patterns, cues=cues, recalled=recalled),
    }
    images = [patterns, cues, *recalled]
    return Findings(text, files).with_pictures(
        lambda: {"hopfield_capacity.png": _draw(config, at_loads, at_temperatures, images, shape)}
    )


def _draw(
    config: Config,
    at_loads: tuple[FloatArray, FloatArray],
    at_temperatures: tuple[FloatArray, FloatArray],
    images: list[States],
    shape: tuple[int, int],
) -> bytes:
    """Overlaps and their errors (2, sizes, values) against load and temperature on the theory, and pictures, as PNG."""
    figure, axes = plots.figure(2, 2, size=(11, 7.5))
    left, right = axes[0]
    below = figure.add_subplot(axes[1, 0].get_gridspec()[1, :])
    for ax in axes[1]:
        ax.remove()
    labels = [f"N = {n}" for n in config.sizes]
    fine = np.linspace(0, max(config.loads), 400)
    line = fine, exact.retrieval_overlap(fine)
    plots.recall_curves(config.loads, *at_loads, labels, line, exact.CRITICAL_LOAD, ax=left)
    left.set_xlabel("load $\\alpha$ = P / N, at T = 0")
    fine = np.linspace(min(config.temperatures), max(config.temperatures), 200)
    line = fine, exact.retrieval_overlap(config.load, fine)
    plots.recall_curves(config.temperatures, *at_temperatures, labels, line, ax=right)
    right.set_xlabel(f"temperature T, at $\\alpha$ = {config.load:g}")
    plots.recall_images(images, ("stored", "cue", "Hebb", "pseudo-inverse"), shape, ax=below)
    figure.suptitle("Hopfield memories: overlap after recall, and pictures recalled from noisy cues")
    return picture(figure)


def _recalled(config: Config, n: int, load: float, beta: float, rng: np.random.Generator) -> float:
    """The mean overlap with their patterns of cues that start there, in one set of random patterns."""
    count = max(1, round(load * n))
    patterns = rng.choice(np.array([-1, 1], np.int8), (count, n))
    cues = patterns[: config.cues]
    result = recall(Hopfield(patterns), cues, beta=beta, sweeps=config.sweeps, seed=rng)
    own = np.arange(len(cues))
    last = result.overlaps[own, -1 if np.isinf(beta) else slice(config.sweeps // 2, None), own]
    return float(last.mean())


def _pictures(rng: np.random.Generator) -> tuple[States, tuple[int, int], str]:
    """Patterns (P, n), their shape, and what they are: ten digits from scikit-learn, or random ones without it."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        return rng.choice(np.array([-1, 1], np.int8), (10, 64)), (8, 8), "random pictures"
    digits = load_digits()
    first = [int((digits.target == digit).argmax()) for digit in range(10)]
    return np.where(digits.data[first] > 7, 1, -1).astype(np.int8), (8, 8), "digits of 8 x 8 pixels"
