"""Images of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.models import checks
from fastgibbs.plots.style import given_or_new, look
from fastgibbs.types import ArrayLike, Shape, States

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKED_AT = 64  # sites whose nearest neighbours say how large discs are: a lattice is the same all over


def spin_image(
    spins: ArrayLike,
    shape: Shape | None = None,
    *,
    positions: ArrayLike | None = None,
    ax: Axes | None = None,
    **image: Any,
) -> Axes:
    """The +-1 spins of a two-dimensional lattice as an image, up dark.

    `spins`: (rows, columns), or any shape if `shape` is (rows, columns); or, with `positions`, (sites, 2), as
    `model.positions` has them, a spin for each: they are drawn as discs that touch those of nearest neighbours.
    `image`: keywords of `Axes.imshow`, or of matplotlib's `EllipseCollection`. ValueError or TypeError if these are not
    spins, or not of two axes.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((64, 64)), beta=0.44, chains=1, sweeps=100, seed=1)
    >>> fg.plots.spin_image(run.states[0], shape=(64, 64)).figure.savefig("spins.png")
    >>> kagome = fg.lattice((12, 12), cell="kagome")
    >>> run = fg.sample(kagome, beta=0.44, chains=1, sweeps=100, seed=1)
    >>> fg.plots.spin_image(run.states[0], positions=kagome.positions).figure.savefig("kagome.png")
    """
    spins = checks.spins("spins", spins)
    if positions is not None:
        ax = _discs(spins, positions, given_or_new(ax), image)
    else:
        shape = spins.shape if shape is None else tuple(shape)
        if len(shape) != 2:
            raise ValueError(
                f"shape is {shape}: an image has rows and columns, give shape=(rows, columns) or one layer"
            )
        if spins.size != np.prod(shape):
            raise ValueError(f"spins has {spins.size} sites: shape {shape} asks for {np.prod(shape)}")
        ax = given_or_new(ax)
        ax.imshow(spins.reshape(shape), **look(image, cmap="binary", vmin=-1, vmax=1, interpolation="nearest"))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(True)  # white spins at an edge would run into the page
    return ax


def _discs(spins: States, positions: ArrayLike, ax: Axes, image: dict[str, Any]) -> Axes:
    from matplotlib.collections import EllipseCollection

    places = checks.finite_array("positions", positions)
    if places.ndim != 2 or places.shape[1] != 2:
        raise ValueError(f"positions has shape {places.shape}: give (sites, 2), of one layer")
    if spins.size != len(places):
        raise ValueError(f"spins has {spins.size} sites: positions has {len(places)}")
    apart = np.linalg.norm(places[:_LOOKED_AT, None] - places, axis=2)
    width = float(apart[apart > 0].min(initial=np.inf)) if len(places) > 1 else 1.0
    house = {"cmap": "binary", "clim": (-1, 1), "edgecolors": "0.6", "linewidths": 0.3}
    own: dict[str, Any] = {"units": "xy", "offsets": places, "offset_transform": ax.transData}
    discs = EllipseCollection([width], [width], [0], **own, **look(image, **house))
    discs.set_array(spins.ravel())
    ax.add_collection(discs)
    ax.set_aspect("equal")
    ax.autoscale_view()
    return ax
