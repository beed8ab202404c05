"""How many minima random energies have: by enumeration, beside theory; and what lies between them, as trees."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fastgibbs import exact, plots
from fastgibbs.gallery.output import comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.methods.running import running
from fastgibbs.models import checks, edwards_anderson, p_spin, sherrington_kirkpatrick
from fastgibbs.types import FloatArray, ModelLike, Progress

RING = np.log(2) / 3  # <log minima> / n of a Gaussian ring: a bond in three is weaker than both of its neighbours
SK = 0.1992  # log <minima> / n of large n: Bray and Moore, J. Phys. C 13, L469 (1980); Tanaka and Edwards (1980)


@dataclass(frozen=True)
class Config:
    """What the run is told; see landscape.toml."""

    sizes: list[int]
    samples: int
    orders: list[int]
    tree_size: int
    tree_order: int
    valleys: int
    seed: int


def random_energies(n: FloatArray) -> FloatArray:
    """log <minima> / n of independent energies: of n + 1 states each is the lowest equally often, 2^n / (n + 1)."""
    return np.log(2) - np.log1p(n) / n


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Count the minima of every model, report means with errors beside theory, and draw two trees.

    It takes seconds, so it is not saved.
    """
    checks.integer("samples", config.samples, minimum=2)
    sizes = [checks.integer("sizes", n, minimum=3, maximum=20) for n in config.sizes]
    for name, orders, most in (("orders", config.orders, min(sizes)), ("tree_order", [config.tree_order], 20)):
        for p in orders:
            checks.integer(name, p, maximum=min(most, config.tree_size) if name == "tree_order" else most)
    checks.integer("tree_size", config.tree_size, minimum=2, maximum=20)
    checks.integer("valleys", config.valleys)
    kinds: dict[str, Callable[[int, np.random.Generator], ModelLike]] = {
        "Gaussian ring": lambda n, rng: edwards_anderson((n,), "gaussian", seed=rng),
        "SK": lambda n, rng: sherrington_kirkpatrick(n, seed=rng),
        **{f"p = {p}": partial(_p_spin, p) for p in config.orders},
        "p = n/2": lambda n, rng: p_spin(n, n // 2, seed=rng),  # of covariance 1 - 2 p / n between neighbours
    }
    rng = np.random.default_rng(config.seed)
    counts = np.empty((len(kinds), len(sizes), config.samples))
    jobs = [(kind, size) for size in range(len(sizes)) for kind in range(len(kinds))]
    with running(progress) as under_way:
        for done, (kind, size) in enumerate(jobs, 1):
            build = list(kinds.values())[kind]
            counts[kind, size] = [len(exact.minima(build(sizes[size], rng)).states) for _ in range(config.samples)]
            if under_way.report(done, len(jobs)) is True or under_way.asked:
                raise Interrupted("interrupted before there was anything to report")
    n, few = np.array(sizes, float), np.sqrt(config.samples)
    values = np.log(counts.mean(axis=2)) / n  # of a mean, but of the ring, whose theory is of the logarithm
    errors = counts.std(axis=2, ddof=1) / few / counts.mean(axis=2) / n
    values[0] = np.log(counts[0]).mean(axis=1) / n
    errors[0] = np.log(counts[0]).std(axis=1, ddof=1) / few / n
    columns: dict[str, Any] = {"n": ("d", sizes)}
    for name, found, error in zip(kinds, values, errors, strict=True):
        columns |= {name: (".4f", found), f"error {name}": (".4f", error)}
    columns["random energies"] = (".4f", random_energies(n))
    text = (
        f"minima, which no flip lowers, of {config.samples} models of each kind: log of their mean number over n, "
        f"of the ring the mean log\n{table(columns)}\ntheory: ring {RING:.4f}, SK {SK} of large n, and p = n/2, where "
        "energies of neighbours are independent, nearly random energies, 2^n / (n + 1)"
    )
    files = {"table.csv": comma_separated(columns)}
    trees = [
        exact.barriers(sherrington_kirkpatrick(config.tree_size, seed=config.seed)),
        exact.barriers(p_spin(config.tree_size, config.tree_order, seed=config.seed)),
    ]
    names = "SK", f"p = {config.tree_order}"
    for name, tree in zip(names, trees, strict=True):
        text += f"\n{name}, n = {config.tree_size}: {len(tree.energies)} valleys, highest barrier " + (
            f"{tree.barriers[1:].max():.3f}" if len(tree.energies) > 1 else "none"
        )
    found = {name: (values[k], errors[k]) for k, name in enumerate(kinds)}
    return Findings(text, files).with_pictures(
        lambda: {"landscape.png": _draw(config, n, found, dict(zip(names, trees, strict=True)))}
    )


def _draw(
    config: Config, n: FloatArray, found: dict[str, tuple[FloatArray, FloatArray]], trees: dict[str, exact.Valleys]
) -> bytes:
    """Minima against size beside theory, and two trees, as PNG."""
    figure, (left, *others) = plots.figure(1, 3, size=(12.5, 4))
    fine = np.linspace(n.min(), n.max(), 200)
    lines = np.full(200, RING), np.full(200, SK), random_energies(fine)
    for line, color, label in zip(lines, (0, 1, 6), (None, None, "random energies"), strict=True):
        left.plot(fine, line, color=plots.PALETTE[color], linewidth=1, linestyle="--", label=label)
    for k, (name, pair) in enumerate(found.items()):
        left.errorbar(n, *pair, fmt="o", markersize=4, color=plots.PALETTE[k % 6], label=name)
    left.set_xlabel("spins n")
    left.set_ylabel("log (number of minima) / n")
    left.set_ylim(0, None)
    left.legend(frameon=False, fontsize=8, ncols=2, loc="lower right")
    for ax, (name, tree) in zip(others, trees.items(), strict=True):
        plots.disconnectivity(tree, config.valleys, ax=ax)
        shown = min(config.valleys, len(tree.energies))
        ax.set_title(f"{name}, n = {config.tree_size}: {shown} of {len(tree.energies)} valleys")
    figure.suptitle("Minima of random energies, counted (points) and in theory (dashed), and the saddles between them")
    return picture(figure)


def _p_spin(p: int, n: int, rng: np.random.Generator) -> ModelLike:
    return p_spin(n, p, seed=rng)
