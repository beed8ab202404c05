"""Pictures: every function draws on the Axes it is given, or on new ones, and returns them. Needs matplotlib."""

from itertools import cycle

import numpy as np

PALETTE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"  # distinguishable to every eye (Okabe and Ito 2008)
SAMPLED, EXACT = PALETTE[:2]
OVERLAP_BINS = 61


def _axes(ax):
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots()[1]
    return ax


def spin_image(spins, shape=None, ax=None):
    """The +-1 spins of a two-dimensional lattice as an image, up dark; `shape` (rows, columns) if spins is flat."""
    ax = _axes(ax)
    ax.imshow(np.reshape(spins, shape or np.shape(spins)), cmap="binary", vmin=-1, vmax=1, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def temperature_curve(temperature, value, error, exact=None, critical=None, ax=None):
    """Sampled values with error bars against T; `exact` (temperatures, values) as a line, `critical` T as a mark."""
    ax = _axes(ax)
    if critical is not None:
        ax.axvline(critical, color="0.8", linewidth=1, zorder=0)
    if exact is not None:
        ax.plot(*exact, color=EXACT, linewidth=1.2, label="exact")
    ax.errorbar(temperature, value, error, color=SAMPLED, fmt="o", markersize=3.5, capsize=2, label="sampled")
    ax.set_xlabel("temperature T / J")
    ax.legend(frameon=False)
    return ax


def binder_crossing(curves, sampled=None, critical=None, ax=None):
    """Binder cumulants against T, a line with an error band for each size, and the critical point they cross at.

    `curves` maps a size to (temperatures, values, errors), `sampled` likewise to points with error bars; `critical`
    is (T, U), of the infinite lattice.
    """
    ax = _axes(ax)
    if critical is not None:
        ax.axvline(critical[0], color="0.6", linewidth=0.8, zorder=0, label="infinite lattice")
        ax.axhline(critical[1], color="0.6", linewidth=0.8, zorder=0)
    for (size, (T, value, error)), colour, style in zip(
        curves.items(), cycle(PALETTE), cycle(("-", "--", "-.", ":")), strict=False
    ):
        low, high = np.subtract(value, error), np.add(value, error)
        ax.fill_between(T, low, high, color=colour, alpha=0.25, linewidth=0)
        ax.plot(T, value, style, color=colour, linewidth=1.2, label=f"L = {size}")
        if sampled is not None:
            ax.errorbar(*sampled[size], color=colour, fmt="o", markersize=3.5, capsize=2)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("temperature T (J/k$_B$)")
    ax.set_ylabel(r"Binder cumulant $1 - \langle m^4\rangle\,/\,3\langle m^2\rangle^2$")
    ax.legend(frameon=False)
    return ax


def overlap_distribution(histogram, temperatures, ax=None):
    """P(q) = P(-q) of the overlap at each temperature; `histogram` (temperatures, bins) counts q from -1 to 1."""
    ax = _axes(ax)
    histogram = np.asarray(histogram, float)
    histogram = histogram + histogram[:, ::-1]
    bins = histogram.shape[1]
    fine = np.linspace(-1, 1, bins + 1) * bins / max(bins - 1, 1)  # the outermost bins are centred on -1 and 1
    coarse = np.linspace(fine[0], fine[-1], min(bins, OVERLAP_BINS) + 1)
    for counts, temperature, colour in zip(histogram, temperatures, cycle(PALETTE), strict=False):
        cumulated = np.append(0, np.cumsum(counts)) / counts.sum()
        density = np.diff(np.interp(coarse, fine, cumulated)) / np.diff(coarse)
        ax.plot((coarse[1:] + coarse[:-1]) / 2, density, color=colour, label=f"{temperature:.2f}")
    ax.set_xlim(-1, 1)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("overlap q")
    ax.set_ylabel("P(q)")
    ax.legend(title="T (J/k$_B$)", frameon=False)
    return ax


def swap_rates(betas, acceptance, density, ax=None):
    """Swap acceptance (rungs - 1,) against T, and on the axis at the right the barrier density lambda(beta)."""
    ax = _axes(ax)
    temperatures = 2 / (np.asarray(betas)[1:] + np.asarray(betas)[:-1])
    ax.plot(temperatures, acceptance, "o-", color=PALETTE[0], markersize=3.5, label="swap acceptance")
    ax.set_ylim(0, 1)
    ax.set_ylabel("swap acceptance", color=PALETTE[0])
    other = ax.twinx()
    other.plot(temperatures, density, "s--", color=PALETTE[1], markersize=3.5)
    other.set_ylim(bottom=0)
    other.set_ylabel("barrier density $\\lambda$ (J)", color=PALETTE[1])
    return _temperature_axis(ax)


def replica_flow(betas, flow, ax=None):
    """f, of the replicas met at a rung the share that was last at the hot end, against T; a straight drop is best."""
    ax = _axes(ax)
    warm = np.asarray(betas) > 0
    ax.plot(1 / np.asarray(betas)[warm], np.asarray(flow)[warm], "o-", color=PALETTE[0], markersize=3.5)
    ax.set_ylim(0, 1)
    ax.set_ylabel("replicas from the hot end, f")
    return _temperature_axis(ax)


def _temperature_axis(ax):
    """A logarithmic axis of T, labelled in plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("temperature T (J/k$_B$)")
    return ax
