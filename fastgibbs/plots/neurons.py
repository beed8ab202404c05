"""When neurons spike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.models import checks
from fastgibbs.plots.style import given_or_new, look, nothing, require
from fastgibbs.results.sampled import SampleResult
from fastgibbs.types import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def raster(
    result: SampleResult, *, chain: int = 0, neurons: ArrayLike | None = None, ax: Axes | None = None, **marks: Any
) -> Axes:
    """A mark for every spike of a chain: neurons from the bottom up, against sweeps.

    `result`: of `sample` by rule="spiking", with keep_states=True. `neurons`: which, in the order of rows, by default
    all. `marks`: keywords of `Axes.plot`. TypeError or ValueError names a bad argument.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> machine = fg.RBM(np.random.default_rng(1).normal(size=(20, 10)))
    >>> options = dict(rule="spiking", refractory=10, keep_states=True)
    >>> run = fg.sample(machine, beta=1.0, sweeps=300, chains=1, seed=1, **options)
    >>> fg.plots.raster(run).figure.savefig("raster.png")
    """
    require(result, "fastgibbs.sample", "refractory")
    chain = checks.integer("chain", chain, 0, len(result.states) - 1)
    n = result.states.shape[1]
    shown = np.arange(n) if neurons is None else checks.indices("neurons", neurons, n)
    spikes = result.spikes[chain][:, shown]
    ax = given_or_new(ax)
    ax.set_xlabel("sweeps")
    ax.set_ylabel("neurons")
    if not spikes.size:
        return nothing(ax, "no draws")
    draws, rows = np.nonzero(spikes)
    sweeps = result.drawn_at
    ax.plot(sweeps[draws], rows, **look(marks, color="black", linestyle="none", marker="|", markersize=3))
    ax.set_xlim(sweeps[0] - 1, sweeps[-1] + 1)
    ax.set_ylim(-1, len(shown))
    return ax
