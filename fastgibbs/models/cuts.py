"""Max-cut: the weight of the edges that a state cuts."""

from __future__ import annotations

import numpy as np

from fastgibbs.models import checks, foreign
from fastgibbs.models.ising import Ising
from fastgibbs.types import ArrayLike, FloatArray, Problem

_CHUNK = 2**22  # edges x states at once


def cut(model: Problem, states: ArrayLike) -> FloatArray:
    """cut(s) = sum_<ij> w_ij [s_i != s_j] with w = -J, the weight of the edges between the two sides of each state.

    `model`: an Ising model without fields, of `fastgibbs.read` or `Ising.from_edges(n, i, j, -weights)`, or a networkx
    graph; an offset does not matter. `states`: spins of -1 and +1, (n,) gives a float, (k, n) float64 (k,). Exact for
    whole weights of which no sum exceeds 2^53. The lowest energy is the largest cut: cut(s) = (W - E(s)) / 2 without an
    offset, W the sum of all weights.

    TypeError if the model is not Ising or states are no numbers; ValueError at a field, or at a spin that is not +-1.

    >>> import fastgibbs as fg
    >>> square = fg.Ising.from_edges(4, [0, 1, 2, 3], [1, 2, 3, 0], J=-1.0)
    >>> print(fg.cut(square, [1, -1, 1, -1]))
    4.0
    """
    model = foreign.taken("model", model)
    if not isinstance(model, Ising):
        raise TypeError(f"model is {checks.shown(model)}: give an Ising model, whose couplings are minus the weights")
    checks.refuse("fields", model.fields, model.fields != 0, "a max-cut instance has couplings only")
    spins = model.to_spins(states)
    if spins.ndim > 2:
        raise ValueError(f"states has shape {spins.shape}: give ({model.n},) or (k, {model.n})")
    i, j, J = model.bonds
    rows, step = np.atleast_2d(spins), max(1, _CHUNK // max(1, J.size))
    cuts = np.zeros(len(rows))
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        cuts[first : first + step] = np.where(part[:, i] != part[:, j], -J, 0.0).sum(axis=1)
    return cuts[0] if spins.ndim == 1 else cuts
