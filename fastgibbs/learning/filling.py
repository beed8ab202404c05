"""What a machine makes of half a picture."""

from __future__ import annotations

import numpy as np

from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.sampling import sample
from fastgibbs.models import RBM, checks
from fastgibbs.models.logistic import logistic
from fastgibbs.types import ArrayLike, FloatArray, Seed


def fill_in(
    rbm: RBM,
    states: ArrayLike,
    known: ArrayLike,
    *,
    sweeps: int = 200,
    averaged: int = 100,
    seed: Seed = None,
    threads: int | None = None,
) -> FloatArray:
    """P(v_i = 1 | the known units) of each row, estimated by Gibbs sampling with these held: float64 (N, V).

    It is the mean of 1 / (1 + exp(-a_i - sum_j W_ij h_j)) over the units h of the other side of the last `averaged` of
    `sweeps` sweeps, one chain a row, which varies less than that of v_i (Rao-Blackwell).

    `states`: (N, V) units; `known`: bool (V,), True where they are held; `seed`, `threads` as for `fastgibbs.sample`.
    TypeError or ValueError names the argument; KeyboardInterrupt if it is stopped.

    >>> import fastgibbs as fg
    >>> rbm = fg.RBM([[8.0], [8.0]], visible_bias=[-4.0, -4.0], hidden_bias=[-8.0])  # two units that are alike
    >>> fg.learning.fill_in(rbm, [[1, 0], [0, 0]], [True, False], seed=1).round(1).tolist()
    [[1.0, 0.9], [0.0, 0.0]]
    """
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm is {checks.shown(rbm)}: give an RBM")
    V, sides = rbm.n_visible, rbm.sides
    v = np.atleast_2d(checks.units("states", states, V))
    if v.ndim != 2 or not len(v):
        raise ValueError(f"states has shape {v.shape}: give (N, {V}), N of at least 1")
    known = checks.mask("known", known, V)
    held, states = np.zeros(rbm.n, bool), np.zeros((len(v), rbm.n), np.int8)
    held[rbm.visible], states[:, rbm.visible] = known, v
    sweeps = checks.integer("sweeps", sweeps)
    averaged = min(checks.integer("averaged", averaged), sweeps)
    result = sample(
        rbm,
        beta=1.0,
        sweeps=averaged,
        burn_in=sweeps - averaged,
        chains=len(v),
        clamp=(held, states),
        keep_states=True,
        seed=run_entropy(entropy_of(seed), "fill_in", v),
        threads=threads,
    )
    if result.interrupted:
        raise KeyboardInterrupt
    first, second = np.split(result.samples, [len(rbm.weights)], axis=-1)
    filled, W, a, b = v.astype(np.float64), rbm.weights, rbm.visible_bias, rbm.hidden_bias
    for units, columns, weights, bias, others in (
        (sides.first, sides.columns, W, a, second),
        (sides.second, sides.second_columns, W.T, b, first),
    ):
        asked = ~known[columns]
        weights, bias = weights[units[asked]], bias[units[asked]]
        means = sum(logistic(bias + others[:, draw] @ weights.T) for draw in range(averaged)) / averaged
        filled[:, columns[asked]] = means
    return filled
