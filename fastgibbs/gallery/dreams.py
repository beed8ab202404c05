"""Digits dreamed by a Helmholtz machine, learned by wake and sleep, and by an RBM: bounds and likelihoods in nats."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastgibbs import plots
from fastgibbs.gallery.output import Pixels, archive, comma_separated, picture, table
from fastgibbs.gallery.rbm_digits import divided, dreamt, falling
from fastgibbs.gallery.runs import Findings, Interrupted, SavedAs
from fastgibbs.learning import dream, train
from fastgibbs.methods.log_z import Likelihood, log_likelihood, log_z
from fastgibbs.models import RBM, Helmholtz, checks
from fastgibbs.models.logistic import logistic
from fastgibbs.results.trained import TrainResult
from fastgibbs.types import FloatArray, Progress

SHOWN = 50  # dreams, and digits


@dataclass(frozen=True)
class Config:
    """What the run is told; see dreams.toml."""

    layers: list[int]
    hidden: int
    epochs: int
    rbm_epochs: int
    batch_size: int
    steps: int
    momentum: float
    learning_rates: list[float]
    draws: int
    held_out: float
    seed: int


def run(config: Config, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Train both machines on the same digits, and compare what they give to those held out and what they dream."""
    for name in ("hidden", "epochs", "rbm_epochs", "batch_size", "steps"):
        checks.integer(name, getattr(config, name))
    checks.integer("draws", config.draws, minimum=2)
    rng = np.random.default_rng(config.seed)
    shown, unseen, shape, origin = divided(config.held_out, rng)
    settings: dict[str, Any] = dict(batch_size=config.batch_size, seed=config.seed, progress=progress)
    asleep = train(
        Helmholtz.random((shown.shape[1], *config.layers), shown, seed=rng),
        shown,
        method="wake-sleep",
        epochs=config.epochs,
        momentum=config.momentum,
        learning_rate=falling(config.learning_rates, config.epochs),
        checkpoint=checkpoint("wake-sleep"),
        **settings,
    )
    rbm = train(
        RBM.random(shown.shape[1], config.hidden, shown, seed=rng),
        shown,
        epochs=config.rbm_epochs,
        steps=config.steps,
        learning_rate=falling(config.learning_rates, config.rbm_epochs),
        likelihood_every=max(1, config.rbm_epochs // 10),
        checkpoint=checkpoint("rbm"),
        **settings,
    )
    if not (asleep.epochs and rbm.epochs):
        raise Interrupted("interrupted before there was anything to report: the same command goes on")
    return told(config, asleep, rbm, (shown, unseen), shape, origin)


def likelihoods(config: Config, asleep: TrainResult, rbm: TrainResult, data: tuple[Pixels, ...]) -> list[Likelihood]:
    """log p of the rows learned from and of those held out, of the Helmholtz machine and then of the RBM."""
    known = log_z(rbm.model, steps=2000, data=data[0], seed=config.seed)
    of_rbm = [log_likelihood(rbm.model, rows, log_z=known) for rows in data]
    return [*(log_likelihood(asleep.model, rows, draws=config.draws, seed=config.seed) for rows in data), *of_rbm]


def told(
    config: Config,
    asleep: TrainResult,
    rbm: TrainResult,
    data: tuple[Pixels, Pixels],
    shape: tuple[int, int],
    origin: str,
) -> Findings:
    """The report: what both give to the data, and a picture of their dreams beside it."""
    machine, other = asleep.model, rbm.model
    assert isinstance(machine, Helmholtz)
    assert isinstance(other, RBM)
    found = likelihoods(config, asleep, rbm, data)
    names = [f"{model!r}, {rows}" for model in (machine, other) for rows in ("learned", "held out")]
    columns: dict[str, tuple[str, Any]] = {
        "machine, rows": ("s", names),
        "log p": (".2f", [one.value for one in found]),
        "error": (".2f", [one.error for one in found]),
        "effective draws": (".0f", [one.effective_draws for one in found]),
    }
    text = (
        f"{origin}: {asleep.timing.kernel:.1f} s of wake and sleep, {rbm.timing.kernel:.1f} s of the RBM\n"
        f"{table(columns)}\n"
        f"bound of the Helmholtz machine: {asleep.history.bound[-1]:.2f} nats a row learned"
    )
    x = dream(machine, SHOWN, seed=config.seed)[:, machine.n_visible :][:, : machine.layers[1]]
    of_machine = logistic(x @ machine.generative[0].T + machine.biases[0])
    of_rbm = other.visible_means(dreamt(rbm, SHOWN, config.seed)[:, other.n_visible :])
    history = asleep.history
    files = {
        "bounds.csv": comma_separated({"epoch": ("d", history.epoch), "bound": (".3f", history.bound)}),
        "likelihoods.csv": comma_separated(columns),
        "result.npz": archive(dreams=of_machine, rbm_dreams=of_rbm, examples=data[1][:SHOWN]),
    }
    interrupted = asleep.interrupted or rbm.interrupted
    images = data[1], of_machine, of_rbm
    title = f"What two machines dream of, which have learned {origin}"
    return Findings(text, files, interrupted).with_pictures(
        lambda: {"dreams.png": _draw(asleep, rbm, found, images, shape, title)}
    )


def _draw(
    asleep: TrainResult,
    rbm: TrainResult,
    found: list[Likelihood],
    images: tuple[FloatArray | Pixels, ...],
    shape: tuple[int, int],
    title: str,
) -> bytes:
    """Curves of both trainings with the rows held out, digits and dreams, as PNG."""
    figure, axes = plots.figure(2, 2, size=(10.5, 6.3))
    ax, (machine, other) = axes[0, 0], plots.PALETTE[:2]
    known = np.isfinite(rbm.history.log_likelihood)
    ax.plot(asleep.history.epoch, asleep.history.bound, color=machine, linewidth=1.2, label="bound, wake and sleep")
    ax.errorbar(
        rbm.history.epoch[known],
        rbm.history.log_likelihood[known],
        rbm.history.log_likelihood_error[known],
        color=other,
        marker="o",
        markersize=3,
        linewidth=1.2,
        label="log p, RBM",
    )
    of_unseen = (found[1], machine, asleep, "wake and sleep"), (found[3], other, rbm, "RBM")
    for one, color, ends, name in of_unseen:
        look: dict[str, Any] = dict(color=color, marker="s", markersize=5, linestyle="")
        ax.errorbar(ends.epochs, one.value, one.error, **look, label=f"log p of rows held out, {name}")
    ax.set_xscale("log")
    ax.set_xlabel("epochs")
    ax.set_ylabel("nats per row")
    ax.legend(loc="lower right", fontsize=8)
    names = "digits held out", "dreams of the Helmholtz machine", "dreams of the RBM"
    for place, rows, name in zip((axes[0, 1], axes[1, 0], axes[1, 1]), images, names, strict=True):
        plots.fantasies(rows, shape, count=SHOWN, ax=place)
        place.set_title(name)
    figure.suptitle(title)
    return picture(figure)
