"""Associative memories: overlaps after recall, and the states themselves as images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.plots.style import MARK, PALETTE, colors, given_or_new, legend_above, look, mosaic, nothing, require
from fastgibbs.results.recalled import RecallResult
from fastgibbs.types import AnyArray, ArrayLike, Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = "o^sDv"
_MOST_CUES = 12  # that have a line each
_MOST_MEMORIES = 12  # that have a bar each


def recall_curves(
    x: ArrayLike,
    overlaps: Sequence[ArrayLike] | AnyArray,
    errors: Sequence[ArrayLike] | AnyArray,
    labels: Sequence[str],
    theory: tuple[ArrayLike, ArrayLike] | None = None,
    critical: float | None = None,
    *,
    ax: Axes | None = None,
    **errorbar: Any,
) -> Axes:
    """Overlaps after recall (curves, points) with error bars against `x`; `theory` (x, m) as a line, `critical` x.

    `errorbar`: keywords of `Axes.errorbar`. The x axis is left to the caller to label.

    >>> import fastgibbs as fg
    >>> ax = fg.plots.recall_curves([0.05, 0.1], [[1.0, 0.97]], [[0.01, 0.01]], ["N = 100"])
    >>> ax.figure.savefig("recall_curves.png")
    """
    ax = given_or_new(ax)
    if critical is not None:
        ax.axvline(critical, color=MARK, linewidth=1.5, zorder=0)
    if theory is not None:
        ax.plot(*theory, color="0.2", linewidth=1.2, label="N to infinity")
    for values, bars, label, color, marker in zip(
        overlaps, errors, labels, colors(len(overlaps)), cycle(_MARKERS), strict=False
    ):
        house = dict(color=color, marker=marker, markersize=4, linewidth=0.8, capsize=2, label=label)
        ax.errorbar(x, values, bars, **look(errorbar, **house))
    ax.set_ylim(0, 1.05)
    ax.set_ylabel("overlap m with the pattern")
    legend_above(ax)
    return ax


def overlap_trace(result: RecallResult, *, ax: Axes | None = None, **line: Any) -> Axes:
    """The largest |m| of a cue with any memory after every sweep, of the first twelve cues, and the mean of all.

    `result`: what `recall` returned. `line`: keywords of `Axes.plot`, for the mean. TypeError if it is none.

    >>> import fastgibbs as fg
    >>> memory = fg.Hopfield([[1, 1, 1, 1], [1, 1, -1, -1]])
    >>> run = fg.recall(memory, [[1, 1, 1, -1], [1, -1, -1, -1]], sweeps=5)
    >>> fg.plots.overlap_trace(run).figure.savefig("overlap_trace.png")
    """
    require(result, "fastgibbs.recall", "overlaps", "converged")
    ax = given_or_new(ax)
    ax.set_xlabel("sweeps")
    ax.set_ylabel("largest overlap |m|")
    ax.set_ylim(0, 1.05)
    largest = np.abs(result.overlaps).max(axis=2, initial=0)
    if not largest.size:
        return nothing(ax, "no sweeps")
    sweeps = np.arange(1, largest.shape[1] + 1)
    ax.plot(sweeps, largest[:_MOST_CUES].T, color=MARK, linewidth=0.8)
    house = dict(color=PALETTE[0], linewidth=1.2, marker="o" if sweeps.size < 12 else "", markersize=3)
    ax.plot(sweeps, largest.mean(axis=0), **look(line, **house, label=f"mean of {len(largest)} cues"))
    ax.locator_params(axis="x", nbins=5, integer=True)
    legend_above(ax)
    return ax


def recall_histogram(result: RecallResult, *, ax: Axes | None = None, **bar: Any) -> Axes:
    """How many cues came to each memory, by the largest |m| at the end: the twelve that most came to, others together.

    Above stands how many ended in a memory itself. `result`: what `recall` returned. `bar`: keywords of `Axes.bar`.
    TypeError if it is none.

    >>> import fastgibbs as fg
    >>> memory = fg.Hopfield([[1, 1, 1, 1], [1, 1, -1, -1]])
    >>> run = fg.recall(memory, [[1, 1, 1, -1], [1, -1, -1, -1]], sweeps=5)
    >>> fg.plots.recall_histogram(run).figure.savefig("recall_histogram.png")
    """
    require(result, "fastgibbs.recall", "overlaps", "converged")
    ax = given_or_new(ax)
    ax.set_xlabel("memory")
    ax.set_ylabel("cues")
    cues, sweeps, patterns = result.overlaps.shape
    if not cues or not sweeps:
        return nothing(ax, "no sweeps")
    ends = np.abs(result.overlaps[:, -1])
    counts = np.bincount(ends.argmax(axis=1), minlength=patterns)
    most = np.sort(np.argsort(-counts, kind="stable")[:_MOST_MEMORIES])
    others = [("others", cues - counts[most].sum())] if patterns > most.size else []
    labels, heights = zip(*[(str(k), counts[k]) for k in most], *others, strict=True)
    ax.bar(labels, heights, **look(bar, color=PALETTE[0], width=0.8))
    ax.set_title(f"{(ends.max(axis=1) == 1).sum()} of {cues} cues end in a memory itself", loc="left", fontsize=9)
    ax.locator_params(axis="y", integer=True)
    return ax


def recall_images(
    rows: Sequence[Sequence[ArrayLike] | AnyArray],
    labels: Sequence[str],
    shape: Shape,
    *,
    ax: Axes | None = None,
    **image: Any,
) -> Axes:
    """Rows of +-1 states (rows, states, n) as images of `shape`, up dark, each row with its label.

    `image`: keywords of `Axes.imshow`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> patterns = np.ones((1, 3, 16))
    >>> fg.plots.recall_images(patterns, ["ones"], shape=(4, 4)).figure.savefig("patterns.png")
    """
    images = np.concatenate([np.asarray(states).reshape(len(rows[0]), -1) for states in rows])
    keywords = look(image, cmap="binary", vmin=-1.6, vmax=1)
    return mosaic(ax, images, shape, columns=len(rows[0]), labels=labels, **keywords)
