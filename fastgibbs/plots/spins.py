"""Images of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.models import checks
from fastgibbs.plots.style import given_or_new, look
from fastgibbs.types import ArrayLike, Shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def spin_image(spins: ArrayLike, shape: Shape | None = None, *, ax: Axes | None = None, **image: Any) -> Axes:
    """The +-1 spins of a two-dimensional lattice as an image, up dark.

    `spins`: (rows, columns), or any shape if `shape` is (rows, columns). `image`: keywords of `Axes.imshow`. ValueError
    or TypeError if these are not spins, or not of two axes.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((64, 64)), beta=0.44, chains=1, sweeps=100, seed=1)
    >>> fg.plots.spin_image(run.states[0], shape=(64, 64)).figure.savefig("spins.png")
    """
    spins = checks.spins("spins", spins)
    shape = spins.shape if shape is None else tuple(shape)
    if len(shape) != 2:
        raise ValueError(f"shape is {shape}: an image has rows and columns, give shape=(rows, columns) or one layer")
    if spins.size != np.prod(shape):
        raise ValueError(f"spins has {spins.size} sites: shape {shape} asks for {np.prod(shape)}")
    ax = given_or_new(ax)
    ax.imshow(spins.reshape(shape), **look(image, cmap="binary", vmin=-1, vmax=1, interpolation="nearest"))
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(True)  # white spins at an edge would run into the page
    return ax
