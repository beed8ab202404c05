"""A deep machine learns small digits beside a shallow one: log-likelihoods, or bounds on them, filters and dreams."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import plots
from fastgibbs.gallery.output import Pixels, archive, comma_separated, picture, table
from fastgibbs.gallery.rbm_digits import divided, dreamt, falling
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.learning import train
from fastgibbs.methods.log_z import log_likelihood, log_z
from fastgibbs.models import RBM, checks
from fastgibbs.models.logistic import logistic
from fastgibbs.results.trained import TrainResult
from fastgibbs.types import FloatArray, Progress


@dataclass(frozen=True)
class Config:
    """What the run is told; see deep_digits.toml."""

    hidden: list[int]
    epochs: int
    batch_size: int
    steps: int
    learning_rates: list[float]
    likelihood_every: int
    held_out: float
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Train both on the same rows by the same schedule, and compare what they make of the rows held out.

    R. Salakhutdinov and G. Hinton, AISTATS 2009.
    """
    if len(config.hidden) < 2:
        raise ValueError(f"hidden is {config.hidden}: give two layers or more")
    for name in ("epochs", "batch_size", "steps", "likelihood_every"):
        checks.integer(name, getattr(config, name))
    shown, unseen, shape, origin = divided(config.held_out, np.random.default_rng(config.seed))
    results = {}
    for name, hidden in (("shallow", config.hidden[:1]), ("deep", config.hidden)):
        results[name] = train(
            RBM.deep([shown.shape[1], *hidden], shown, seed=config.seed),
            shown,
            epochs=config.epochs,
            batch_size=config.batch_size,
            steps=config.steps,
            learning_rate=falling(config.learning_rates, config.epochs),
            centered=False,  # both learn better without, on these data
            history_every=config.likelihood_every,
            likelihood_every=config.likelihood_every,
            seed=config.seed,
            progress=progress,
            checkpoint=checkpoint(name),
        )
        if results[name].interrupted:
            raise Interrupted("interrupted before both machines were trained: the same command goes on")
    return _told(config, results, shown, unseen, shape, origin)


def _told(
    config: Config,
    results: dict[str, TrainResult],
    shown: Pixels,
    unseen: Pixels,
    shape: tuple[int, int],
    origin: str,
) -> Findings:
    """Log-likelihoods in a table, and pictures."""
    told: dict[str, tuple[str, Any]] = {"machine": ("", list(results))}
    columns: dict[str, list[Any]] = {name: [] for name in ("hidden", "training", "held out", "error", "told by")}
    dreams: dict[str, FloatArray] = {}
    curves: dict[str, tuple[str, FloatArray]] = {}
    for name, result in results.items():
        model = result.model
        assert isinstance(model, RBM), "as it began with one"
        found = log_z(model, steps=4000, seed=config.seed)
        of_shown, of_unseen = (log_likelihood(model, data, log_z=found) for data in (shown, unseen))
        told_by = "mean-field bound" if of_unseen.bound else "sum over hidden units"
        values = model.n_hidden, of_shown.value, of_unseen.value, of_unseen.error, told_by
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
        dreams[name], history = _dreams(result, config.seed), result.history
        curves |= {f"{name}": ("+.3f", history.log_likelihood), f"{name} error": (".3f", history.log_likelihood_error)}
    forms = "d", ".3f", ".3f", ".3f", ""
    told |= {name: (form, column) for (name, column), form in zip(columns.items(), forms, strict=True)}
    text = (
        f"Machines of {shape[0] * shape[1]} visible units and hidden layers of {' and '.join(map(str, config.hidden))} "
        f"(shallow: the first alone) trained on {origin} by persistent chains\n{table(told)}\n"
        f"nats a row, of {len(shown)} rows of training and {len(unseen)} held out; log Z by annealing, which tends to "
        "make it too low and likelihoods too high"
    )
    epochs: dict[str, Any] = {"epoch": ("d", results["deep"].history.epoch)}
    models = {f"{name}.{part}": getattr(result.model, part) for name, result in results.items() for part in _PARTS}
    files = {
        "table.csv": comma_separated(told),
        "training.csv": comma_separated(epochs | curves),
        "result.npz": archive(**models, **{f"{name}.dreams": dream for name, dream in dreams.items()}),
    }
    return Findings(text, files).with_pictures(
        lambda: {"deep_digits.png": _draw(config, results, columns, dreams, shape)}
    )


_PARTS = "weights", "visible_bias", "hidden_bias", "visible"


def _dreams(result: TrainResult, seed: int, count: int = 50) -> FloatArray:
    """Means of visible units given all others, after 1000 sweeps from the persistent chains: (count, V)."""
    model = result.model
    assert isinstance(model, RBM)
    return logistic(model.inputs(dreamt(result, count, seed))[:, model.visible])


def _draw(
    config: Config,
    results: dict[str, TrainResult],
    columns: dict[str, list[Any]],
    dreams: dict[str, FloatArray],
    shape: tuple[int, int],
) -> bytes:
    """Likelihoods against epochs, the deep machine's filters, and dreams of both, as PNG."""
    figure, axes = plots.figure(2, 2, size=(10.5, 6.3))
    curves, filters = axes[0]
    for (name, result), color, value in zip(results.items(), plots.style.PALETTE, columns["held out"], strict=False):
        history, bound = result.history, " (bound)" if "bound" in columns["told by"][list(results).index(name)] else ""
        values = history.log_likelihood, history.log_likelihood_error
        curves.errorbar(
            history.epoch, *values, color=color, fmt="o-", markersize=3, linewidth=1.2, label=f"{name}{bound}"
        )
        curves.axhline(value, color=color, linestyle="--", linewidth=1)
    curves.set_xlabel("epoch")
    curves.set_ylabel("log-likelihood (nats a row)")
    plots.style.legend_above(curves, "training; dashed: held out at the end")
    deep: Any = results["deep"].model
    plots.filters(deep, shape, count=50, ax=filters)
    filters.set_title("filters of the deep machine's first hidden layer")
    for ax, (name, dream) in zip(axes[1], dreams.items(), strict=True):
        plots.fantasies(dream, shape, ax=ax)
        ax.set_title(f"what the {name} machine dreams of")
    layers = " - ".join(map(str, (shape[0] * shape[1], *config.hidden)))
    figure.suptitle(f"A deep machine, {layers}, beside a shallow one")
    return picture(figure)
