"""Associative memories: overlaps after recall, and the states themselves as images."""

from itertools import cycle

import numpy as np

from fastgibbs.plots.style import MARK, colors, given_or_new, legend_above

_MARKERS = "o^sDv"


def recall_curves(x, overlaps, errors, labels, theory=None, critical=None, *, ax=None, **errorbar):
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
        look = {"color": color, "marker": marker, "markersize": 4, "linewidth": 0.8, "capsize": 2, "label": label}
        ax.errorbar(x, values, bars, **(look | errorbar))
    ax.set_ylim(0, 1.05)
    ax.set_ylabel("overlap m with the pattern")
    legend_above(ax)
    return ax


def recall_images(rows, labels, shape, *, ax=None, **image):
    """Rows of +-1 states (rows, states, n) as images of `shape`, up dark, each row with its label.

    `image`: keywords of `Axes.imshow`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> patterns = np.ones((1, 3, 16))
    >>> fg.plots.recall_images(patterns, ["ones"], shape=(4, 4)).figure.savefig("patterns.png")
    """
    ax = given_or_new(ax)
    height, width = shape
    count = len(rows[0])
    canvas = np.full((len(rows) * (height + 1) - 1, count * (width + 1) - 1), np.nan)
    for k, states in enumerate(rows):
        for j, state in enumerate(states):
            top, left = k * (height + 1), j * (width + 1)
            canvas[top : top + height, left : left + width] = np.reshape(state, shape)
    ax.imshow(canvas, **({"cmap": "binary", "vmin": -1.6, "vmax": 1, "interpolation": "nearest"} | image))
    ax.set_yticks([k * (height + 1) + (height - 1) / 2 for k in range(len(rows))], labels)
    ax.set_xticks([])
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax
