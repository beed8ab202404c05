"""Pictures of associative memories, as in `plots`: Axes in, Axes out."""

from itertools import cycle

import numpy as np

from fastgibbs import plots

MARKERS = "o^sDv"


def recall_curves(x, overlaps, errors, labels, theory=None, critical=None, ax=None):
    """Overlaps after recall (curves, points) with error bars against `x`; `theory` (x, m) as a line, `critical` x."""
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots()[1]
    if critical is not None:
        ax.axvline(critical, color="0.8", linewidth=1, zorder=0)
    if theory is not None:
        ax.plot(*theory, color="0.2", linewidth=1.2, label="N to infinity")
    for values, bars, label, colour, marker in zip(
        overlaps, errors, labels, cycle(plots.PALETTE), cycle(MARKERS), strict=False
    ):
        ax.errorbar(x, values, bars, color=colour, marker=marker, markersize=4, linewidth=0.8, capsize=2, label=label)
    ax.set_ylim(0, 1.05)
    ax.set_ylabel("overlap m with the pattern")
    ax.legend(frameon=False)
    return ax


def recall_images(rows, labels, shape, ax=None):
    """Rows of +-1 states (rows, states, n) as images of `shape`, up dark, each row with its label."""
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots()[1]
    height, width = shape
    count = len(rows[0])
    canvas = np.full((len(rows) * (height + 1) - 1, count * (width + 1) - 1), np.nan)
    for k, states in enumerate(rows):
        for j, state in enumerate(states):
            top, left = k * (height + 1), j * (width + 1)
            canvas[top : top + height, left : left + width] = np.reshape(state, shape)
    ax.imshow(canvas, cmap="binary", vmin=-1.6, vmax=1, interpolation="nearest")
    ax.set_yticks([k * (height + 1) + (height - 1) / 2 for k in range(len(rows))], labels)
    ax.set_xticks([])
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    return ax
