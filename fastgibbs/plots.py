"""Pictures: every function draws on the Axes it is given, or on new ones, and returns them. Needs matplotlib."""

import numpy as np

SAMPLED, EXACT = "#0072b2", "#d55e00"  # distinguishable to every eye (Okabe and Ito 2008)


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
