"""Couplings that were found from samples: with errors, against true ones, and the moments that they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.models import Ising, checks
from fastgibbs.models.foreign import names_of
from fastgibbs.plots.style import MARK, PALETTE, bars, given_or_new, legend_above, look, nothing, require
from fastgibbs.results.fitted import IsingFit
from fastgibbs.types import FloatArray, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS = 2000  # couplings with bars of errors
_NAMED = 12  # pairs whose spins are named


def fitted_couplings(
    fit: IsingFit,
    true: Ising | None = None,
    *,
    beta: float = 1.0,
    most: int = 100,
    ax: Axes | None = None,
    **errorbar: Any,
) -> Axes:
    """Couplings that were fitted, with their errors: the strongest in the order of |J|, or all against true ones.

    `fit`: what `fit_ising` returned; `true`: the model that samples are of, drawn at `beta`; without it the `most`
    strongest are drawn, each with its pair if they are few. `errorbar`: keywords of `Axes.errorbar`. TypeError or
    ValueError names a bad argument.

    >>> import fastgibbs as fg
    >>> fit = fg.fit_ising([[1, 1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> fg.plots.fitted_couplings(fit).figure.savefig("fitted_couplings.png")
    """
    require(fit, "fastgibbs.fit_ising", "couplings", "couplings_error", argument="fit")
    if true is not None:
        require(true, "fastgibbs.Ising", "n", "bonds", argument="true")
        if true.n != fit.model.n:
            raise ValueError(f"true has {true.n} sites: the fit has {fit.model.n}")
    beta, most = checks.finite_number("beta", beta), checks.integer("most", most)
    ax = given_or_new(ax)
    ax.set_ylabel("found J / T")
    if not fit.couplings.size:
        return nothing(ax, "no couplings")
    house: dict[str, Any] = {"fmt": "o", "markersize": 3, "elinewidth": 1}
    if true is None:
        order = np.argsort(-np.abs(fit.couplings), kind="stable")[:most]
        places = np.arange(1, order.size + 1)
        ax.axhline(0, color=MARK, linewidth=1, zorder=0)
        shown = look(errorbar, color=PALETTE[0], capsize=2, **house)
        ax.errorbar(places, fit.couplings[order], bars(fit.couplings_error[order]), **shown)
        ax.set_xlabel(f"the {order.size} strongest of {fit.couplings.size} pairs")
        if order.size <= _NAMED:
            names = names_of(fit.model)
            ax.set_xticks(places, [f"{names[fit.i[k]]}, {names[fit.j[k]]}" for k in order], rotation=45)
            ax.set_xlabel("pairs of spins")
        return ax
    known, bond = _true(fit, true)
    ends = 1.1 * beta * np.array([min(known.min(), 0.0), max(known.max(), 0.0)])
    ax.plot(ends, ends, color=MARK, linewidth=1, zorder=0)
    for among, color, label in ((~bond, PALETTE[5], "no bond"), (bond, PALETTE[0], "bonds")):
        if among.any():
            errors = bars(fit.couplings_error[among]) if fit.couplings.size <= _MOST_BARS else None
            shown = look(errorbar, color=color, label=label, **house)
            ax.errorbar(beta * known[among], fit.couplings[among], errors, **shown)
    ax.set_xlabel("true J / T")
    legend_above(ax)
    return ax


def _true(result: IsingFit, true: Ising) -> tuple[FloatArray, Mask]:
    """The true couplings of the pairs of a fit, and which of these are bonds."""
    i, j, J = true.bonds
    n = np.int64(true.n)
    keys, wanted = i * n + j, result.i * n + result.j
    place = np.searchsorted(keys, wanted)
    bond = np.isin(wanted, keys)
    known = np.zeros(wanted.size)
    known[bond] = J[place[bond]]
    return known, bond


def fitted_moments(result: IsingFit, *, ax: Axes | None = None, **line: Any) -> Axes:
    """Moments of the model against those of the samples: on the line they are met.

    `result`: what `fit_ising` returned, of up to 16 spins. `line`: keywords of `Axes.plot`.

    >>> import fastgibbs as fg
    >>> fit = fg.fit_ising([[1, 1], [1, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> fg.plots.fitted_moments(fit).figure.savefig("fitted_moments.png")
    """
    require(result, "fastgibbs.fit_ising", "moments", "moments_seen")
    ax = given_or_new(ax)
    ax.set_xlabel("of the samples")
    ax.set_ylabel("of the model")
    if not result.moments.size:
        return nothing(ax, "moments of more than 16 spins are not summed")
    ax.plot([-1, 1], [-1, 1], color=MARK, linewidth=1, zorder=0)
    n = result.model.n
    parts = (slice(n, None), PALETTE[0], "<s$_i$ s$_j$>"), (slice(n), PALETTE[1], "<s$_i$>")
    for which, color, label in parts:
        keywords = look(line, color=color, label=label, marker="o", markersize=3, linestyle="")
        ax.plot(result.moments_seen[which], result.moments[which], **keywords)
    legend_above(ax)
    return ax
