"""What a machine has learnt: its filters, the states it dreams of, and how training went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.models import RBM, checks
from fastgibbs.plots.style import PALETTE, bars, given_or_new, legend_above, look, mosaic, nothing, require
from fastgibbs.results.trained import TrainResult
from fastgibbs.types import ArrayLike, FloatArray, Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ENTROPIES = "H(v)", "H(h)", "H(v,h)", "H(v|h)", "H(h|v)", "I(v;h)"


def filters(model: RBM, shape: Shape, *, count: int = 100, ax: Axes | None = None, **image: Any) -> Axes:
    """The weights W[:, j] of hidden units as images, the strongest first: red where a unit wants 1, blue where 0.

    `model`: an RBM; `shape`: (rows, columns) of its visible units, those of the first side; `count`: at most so many.
    Each filter is scaled by its own largest weight. `image`: keywords of `Axes.imshow`. TypeError or ValueError names a
    bad argument.

    >>> import fastgibbs as fg
    >>> fg.plots.filters(fg.RBM.random(16, 4, seed=1), shape=(4, 4)).figure.savefig("filters.png")
    """
    require(model, "fastgibbs.train in its result's model", "weights", "hidden_bias", "sides", argument="model")
    W = model.weights[model.sides.first]
    order = np.argsort(-np.abs(W).sum(axis=0), kind="stable")[: checks.integer("count", count)]
    chosen = W[:, order].T
    largest = np.abs(chosen).max(axis=1, keepdims=True)
    scaled = np.divide(chosen, largest, out=np.zeros_like(chosen), where=largest > 0)
    return _mosaic(ax, scaled, shape, **look(image, cmap="RdBu_r", vmin=-1, vmax=1))


def fantasies(states: ArrayLike, shape: Shape, *, count: int = 100, ax: Axes | None = None, **image: Any) -> Axes:
    """Visible units, or their means, as images, 1 dark: what a machine draws when nothing is held.

    `states`: (N, V), or joint states (N, V + H) whose first V are shown; `shape`: (rows, columns), V in all. Otherwise
    as `filters`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> states = np.random.default_rng(1).integers(0, 2, (9, 16))
    >>> fg.plots.fantasies(states, shape=(4, 4)).figure.savefig("fantasies.png")
    """
    states = checks.finite_array("states", states)
    count = checks.integer("count", count)
    if states.ndim == 2:
        states = states[:count, : int(np.prod(shape))]
    return _mosaic(ax, states, shape, **look(image, cmap="binary", vmin=0, vmax=1))


def inpaintings(
    originals: ArrayLike, known: ArrayLike, filled: ArrayLike, shape: Shape, *, ax: Axes | None = None, **image: Any
) -> Axes:
    """Three rows of images: what was there, what was given, and what a machine made of it.

    `originals` and `filled`: (N, V); `known`: bool (V,) or (N, V), the units that were given; the others are grey in
    the second row. Otherwise as `filters`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> originals, known = np.eye(4), np.array([True, True, False, False])
    >>> fg.plots.inpaintings(originals, known, 0.5 + 0 * originals, shape=(2, 2)).figure.savefig("inpaintings.png")
    """
    originals, filled = checks.finite_array("originals", originals), checks.finite_array("filled", filled)
    if originals.shape != filled.shape:
        raise ValueError(f"filled has shape {filled.shape}: give that of originals, {originals.shape}")
    given = np.where(np.broadcast_to(known, originals.shape), originals, 0.35)
    rows, labels = np.concatenate([originals, given, filled]), ["data", "given", "filled in"]
    keywords = look(image, cmap="binary", vmin=0, vmax=1)
    return _mosaic(ax, rows, shape, columns=len(originals), labels=labels, **keywords)


def training_history(result: TrainResult, *, ax: Axes | None = None, **line: Any) -> Axes:
    """Log-likelihood, where it is known, pseudo-likelihood, or the bound of a Helmholtz machine, per row and epoch.

    The errors of a likelihood are a band. `result`: what `train` returned. `line`: keywords of `Axes.plot`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> run = fg.train(fg.RBM.random(4, 2, seed=1), np.eye(4), epochs=20, seed=1)
    >>> fg.plots.training_history(run).figure.savefig("training_history.png")
    """
    require(result, "fastgibbs.train", "history", "epochs")
    ax = given_or_new(ax)
    ax.set_xlabel("epochs")
    ax.set_ylabel("nats per row")
    if not result.epochs:
        return nothing(ax, "no epoch was finished")
    if not result.history.epoch.size:
        return nothing(ax, "no epoch is in the history")
    names = "log-likelihood", "pseudo-likelihood", "bound"
    for label, color in zip(names, PALETTE, strict=False):
        values = getattr(result.history, label.replace("-", "_"))
        known = np.isfinite(values)
        if known.any():
            marker = "o" if known.sum() < 12 else ""
            keywords = look(line, color=color, linewidth=1.2, marker=marker, markersize=3, label=label)
            ax.plot(result.history.epoch[known], values[known], **keywords)
            if label == "log-likelihood" and (error := bars(result.history.log_likelihood_error[known])).any():
                low, high = values[known] - error, values[known] + error
                ax.fill_between(result.history.epoch[known], low, high, color=color, alpha=0.25, linewidth=0)
    ax.locator_params(axis="x", integer=True)
    legend_above(ax)
    return ax


def information_history(result: TrainResult, *, ax: Axes | None = None, **line: Any) -> Axes:
    """Entropy of hidden units and what they know of visible ones against epochs, of the model and of the data.

    `result`: what `train` returned with `information_every`; errors are bands of one. `line`: keywords of `Axes.plot`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> run = fg.train(fg.RBM.random(4, 2, seed=1), np.eye(4), epochs=20, information_every=2, seed=1)
    >>> fg.plots.information_history(run).figure.savefig("information_history.png")
    """
    require(result, "fastgibbs.train", "history", "information")
    ax = given_or_new(ax)
    ax.set_xlabel("epochs")
    ax.set_ylabel("nats")
    told = result.information
    if told is None or not told.epoch.size:
        return nothing(ax, "no epoch tells: give information_every")
    curves = {
        "H(h), data": (told.data_hidden, told.data_hidden_error),
        "H(h), model": (told.hidden, told.hidden_error),
        "I(v; h), data": (told.data_mutual, told.data_mutual_error),
        "I(v; h), model": (told.mutual, told.mutual_error),
    }
    for k, (label, (values, errors)) in enumerate(curves.items()):
        color = PALETTE[k // 2]
        keywords = look(line, color=color, linewidth=1.2, marker="o", markersize=4, label=label)
        if not k % 2:
            keywords = look(keywords, linestyle="--", markerfacecolor="white")
        ax.plot(told.epoch, values, **keywords)
        ax.fill_between(told.epoch, values - errors, values + errors, color=color, alpha=0.2, linewidth=0)
    ax.locator_params(axis="x", integer=True)
    legend_above(ax)
    return ax


def entropies(found: Any, *, ax: Axes | None = None, **bar: Any) -> Axes:
    """Entropies of the layers of an RBM and what they know of each other, of the model beside those of the data.

    `found`: what `fastgibbs.learning.information` returned. `bar`: keywords of `Axes.bar`. TypeError if it is none.

    >>> import fastgibbs as fg
    >>> found = fg.learning.information(fg.RBM([[4.0], [4.0]], hidden_bias=[-4.0]))
    >>> fg.plots.entropies(found).figure.savefig("entropies.png")
    """
    require(found, "fastgibbs.learning.information", "model", "model_error", "data", argument="found")
    ax = given_or_new(ax)
    ax.set_ylabel("nats")
    pairs = {"model": (found.model, found.model_error), "data": (found.data, found.data_error)}
    told = {name: pair for name, pair in pairs.items() if pair[0] is not None}
    places, width = np.arange(len(_ENTROPIES)), 0.8 / len(told)
    for k, (name, (values, errors)) in enumerate(told.items()):
        x = places + (k - (len(told) - 1) / 2) * width
        house = dict(width=width, color=PALETTE[k], label=name, capsize=2, error_kw={"elinewidth": 1})
        ax.bar(x, values, yerr=bars(np.array(errors)), **look(bar, **house))
    ax.set_xticks(places, _ENTROPIES, fontsize=8)
    legend_above(ax)
    return ax


def _mosaic(ax: Axes | None, images: FloatArray, shape: Shape, **keywords: Any) -> Axes:
    """A mosaic right below the title of its Axes."""
    ax = mosaic(ax, images, shape, **keywords)
    ax.set_anchor("N")
    return ax
