"""Disconnectivity trees: valleys as lines that hang from the saddles where they join."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.models import checks
from fastgibbs.plots.style import PALETTE, given_or_new, look
from fastgibbs.types import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastgibbs.exact.landscape import Valleys


def disconnectivity(valleys: Valleys, most: int = 100, *, ax: Axes | None = None, **lines: Any) -> Axes:
    """The tree of an energy: every line ends at the bottom of a valley, and joins another at the saddle between them.

    `valleys`: what `fastgibbs.exact.barriers` returns, of which the `most` lowest are drawn. `lines`: keywords of
    matplotlib's LineCollection. TypeError if it is none.

    >>> import fastgibbs as fg
    >>> tree = fg.exact.barriers(fg.sherrington_kirkpatrick(12, seed=1))
    >>> fg.plots.disconnectivity(tree).figure.savefig("tree.png")
    """
    if not all(hasattr(valleys, name) for name in ("energies", "into", "saddles")):
        raise TypeError(f"valleys is {checks.shown(valleys)}: give what fastgibbs.exact.barriers returns")
    from matplotlib.collections import LineCollection

    ax, count = given_or_new(ax), min(checks.integer("most", most), len(valleys.energies))
    bottoms, into, saddles = valleys.energies[:count], valleys.into[:count], valleys.saddles[:count]
    places, parts = _places(into, saddles), []
    left, right, top = places.copy(), places.copy(), bottoms.copy()
    for valley in _joining(saddles):
        whole = into[valley]
        ends = [(left[k] + right[k]) / 2 for k in (valley, whole)]
        parts += [[(x, top[k]), (x, saddles[valley])] for x, k in zip(ends, (valley, whole), strict=True)]
        parts.append([(ends[0], saddles[valley]), (ends[1], saddles[valley])])
        left[whole], right[whole], top[whole] = min(ends), max(ends), saddles[valley]
    peak = top[0] + 0.04 * max(np.ptp(np.append(bottoms, top[0])), 1e-300)
    parts.append([((left[0] + right[0]) / 2, top[0]), ((left[0] + right[0]) / 2, peak)])
    ax.add_collection(LineCollection(parts, **look(lines, colors=PALETTE[0], linewidths=1.0)))
    ax.set_xlim(-1, count)
    ax.autoscale_view(scalex=False)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.set_ylabel("energy E")
    return ax


def _joining(saddles: FloatArray) -> list[int]:
    """The valleys but the first as the level rises; at one saddle what joins another before that joins a third."""
    order: list[int] = np.lexsort((-np.arange(saddles.size), saddles)).tolist()
    return order[:-1]


def _places(into: IntArray, saddles: FloatArray) -> FloatArray:
    """Where the valleys stand, 0, 1, ..., so that lines do not cross: what joins stands side by side, as in the tree.

    Branches of a valley go to its right and to its left in turn, the first that joins nearest.
    """
    branches: list[list[int]] = [[k] for k in range(into.size)]
    for number, valley in enumerate(_joining(saddles)):
        whole = int(into[valley])
        both = branches[whole], branches[valley]
        branches[whole] = both[0] + both[1] if number % 2 else both[1] + both[0]
    places = np.empty(into.size)
    places[branches[0]] = np.arange(into.size)
    return places
