"""An RBM learns small digits: exact log-likelihoods, what its hidden units know, filters, dreams and in-painting."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import plots
from fastgibbs.gallery.output import Pixels, archive, comma_separated, picture, table
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.learning import Information, fill_in, information, train
from fastgibbs.methods.log_z import log_likelihood
from fastgibbs.methods.sampling import sample
from fastgibbs.models import RBM, checks
from fastgibbs.models.logistic import logistic
from fastgibbs.results.parts import ENERGY_METHODS
from fastgibbs.results.trained import TrainResult
from fastgibbs.types import AnyArray, FloatArray, Progress, Seed, States

TOLD = 20  # epochs that tell what hidden units know


@dataclass(frozen=True)
class Config:
    """What the run is told; see rbm_digits.toml."""

    hidden: int
    epochs: int
    batch_size: int
    steps: int
    learning_rates: list[float]
    method: str
    held_out: float
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Train, compare training and held-out data by exact log-likelihoods, and draw what was learnt."""
    require(config)
    rng = np.random.default_rng(config.seed)
    shown, unseen, shape, origin = divided(config.held_out, rng)
    every = dict(likelihood_every=1, information_every=-(-config.epochs // TOLD))
    result = trained(config, shown, rng, progress, checkpoint, **every)
    return told("rbm_digits", result, unseen, shape, origin, config.seed)


def require(config: Any) -> None:
    """ValueError, before any file is made, if the training would refuse what it is told."""
    for name in ("hidden", "epochs", "batch_size", "steps"):
        checks.integer(name, getattr(config, name))
    checks.choice("method", config.method, ENERGY_METHODS)


def trained(
    config: Any, shown: Pixels, rng: np.random.Generator, progress: Progress, checkpoint: SavedAs, **every: Any
) -> TrainResult:
    """What `train` makes of the data as the configuration says; `every`: so often the history tells what it may."""
    return train(
        RBM.random(shown.shape[1], config.hidden, shown, seed=rng),
        shown,
        method=config.method,
        steps=config.steps,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=falling(config.learning_rates, config.epochs),
        seed=config.seed,
        progress=progress,
        checkpoint=checkpoint("training"),
        **every,
    )


def falling(rates: list[float], epochs: int) -> np.ndarray:
    """Rates from the first of two to the second in equal ratios, one an epoch."""
    if len(rates) != 2 or min(rates) <= 0:
        raise ValueError(f"learning_rates is {rates}: give the first and the last, above 0")
    return np.geomspace(rates[0], rates[1], epochs)


def told(name: str, result: TrainResult, unseen: Pixels, shape: tuple[int, ...], origin: str, seed: Seed) -> Findings:
    """The report of a training: a table of epochs, and pictures of filters, dreams and in-painting."""
    if not result.epochs:
        raise Interrupted("interrupted before there was anything to report: the same command goes on")
    model, history = result.model, result.history
    assert isinstance(model, RBM), "as `trained` began with one"
    known = np.isfinite(history.log_likelihood)
    columns: dict[str, tuple[str, AnyArray]] = {
        "epoch": ("d", history.epoch),
        "log-likelihood": (".3f", history.log_likelihood),
        "error": (".3f", history.log_likelihood_error),
        "pseudo-likelihood": (".3f", history.pseudo_likelihood),
        "reconstruction": (".5f", history.reconstruction),
        "gradient": (".4f", history.gradient_norm),
    }
    chosen = np.flatnonzero(known)
    chosen = chosen[plots.style.spread(len(chosen), 12)]
    shown = {name: (form, values[chosen]) for name, (form, values) in columns.items()}
    of_unseen = log_likelihood(model, unseen, seed=seed)
    how = "exactly" if of_unseen.log_z.method == "exact" else f"by annealing, error {of_unseen.error:.3f}"
    text = (
        f"{model!r} trained on {origin} by {result.method}, {result.timing.kernel:.1f} s\n{table(shown)}\n"
        f"log-likelihood of {len(unseen)} rows held out: {of_unseen.value:.3f} nats a row, {how}"
    )
    found = None if result.information is None else information(model, unseen, seed=seed)
    text += f"\nentropies of layers of the model, and of the rows held out:\n{found.summary()}" if found else ""
    side = int(np.prod(shape))
    dreams = logistic(dreamt(result, 50, seed)[:, side:] @ model.weights.T + model.visible_bias)
    examples = unseen[:10]
    upper = np.arange(side) < side // 2
    filled = fill_in(model, examples, upper, seed=seed)
    files = {
        "training.csv": comma_separated(columns),
        "result.npz": archive(
            weights=model.weights,
            visible_bias=model.visible_bias,
            hidden_bias=model.hidden_bias,
            chains=result.chains,
            dreams=dreams,
            examples=examples,
            filled=filled,
        ),
    }
    title = f"An RBM of {model.n_visible} and {model.n_hidden} units learns {origin}"
    return Findings(text, files, result.interrupted).with_pictures(
        lambda: {f"{name}.png": _draw(result, found, dreams, (examples, upper, filled), shape, title)}
    )


def _draw(
    result: TrainResult,
    found: Information | None,
    dreams: FloatArray,
    inpainted: tuple[AnyArray, AnyArray, AnyArray],
    shape: tuple[int, ...],
    title: str,
) -> bytes:
    """The training, filters, dreams and lower halves filled in, and what hidden units know if it was found, as PNG."""
    model: Any = result.model
    figure, axes = plots.figure(2, 3 if found else 2, size=(14.5 if found else 10.5, 6.3))
    plots.training_history(result, ax=axes[0, 0])
    plots.filters(model, shape, count=50, ax=axes[0, 1])
    plots.fantasies(dreams, shape, ax=axes[1, 0])
    plots.inpaintings(*inpainted, shape, ax=axes[1, 1])
    axes[0, 1].set_title("filters: weights of hidden units")
    axes[1, 0].set_title("what the machine dreams of")
    axes[1, 1].set_title("lower halves filled in")
    if found is not None and found.activity is not None:
        plots.information_history(result, ax=axes[0, 2])
        axes[1, 2].bar(range(model.n_hidden), found.activity, color=plots.PALETTE[0])
        axes[1, 2].set_title("mean activity of hidden units, held-out data")
        axes[1, 2].set(xlabel="hidden unit", ylim=(0, 1))
    figure.suptitle(title)
    return picture(figure)


def dreamt(result: TrainResult, count: int, seed: Seed) -> States:
    """States (count, n) after 1000 sweeps from the persistent chains, again and again, or without them from noise."""
    start = np.resize(result.chains, (count, result.model.n)) if len(result.chains) else None
    options: dict[str, Any] = dict(beta=1.0, sweeps=1000, thin=1000, chains=count, seed=seed, start=start)
    return sample(result.model, **options).states


def divided(held_out: float, rng: np.random.Generator) -> tuple[Pixels, Pixels, tuple[int, int], str]:
    """Rows to learn from and rows held out, a share of all, as they come; their shape, and what they are."""
    if not 0 < held_out < 1:
        raise ValueError(f"held_out is {held_out}: give a share of the data, between 0 and 1")
    rows, shape, origin = pictures()
    rows = rng.permutation(rows)
    held = max(1, round(held_out * len(rows)))
    return rows[held:], rows[:held], shape, origin


def pictures() -> tuple[Pixels, tuple[int, int], str]:
    """Rows of units, their shape, and what they are: digits from scikit-learn, or bars and stripes without it."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        lines = np.arange(256)[:, None] >> np.arange(8) & 1
        pictures = np.concatenate([np.repeat(lines, 8, axis=1), np.tile(lines, 8)])
        return pictures.astype(np.uint8), (8, 8), "bars and stripes of 8 x 8 pixels"
    return (load_digits().data > 7).astype(np.uint8), (8, 8), "digits of 8 x 8 pixels"
