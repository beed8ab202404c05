"""The layered engine in NumPy: an RBM's hidden units given its visible ones, then the visible ones given those.

An input is a sum of float32 terms taken one after the other, and so is an energy, of such inputs in float64: units are
0 or 1, so that products are exact, and the order of the additions fixes every bit: terms of held units first, then
those of drawn ones, both in ascending order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import LOG2E, power_of_two, sum_in_order
from fastgibbs.reference.sparse import RULES, uniform
from fastgibbs.reference.streams import SWEEP, half_words, seeded, start_spins
from fastgibbs.types import AnyArray


class State(NamedTuple):
    """What a sweep reads and changes; weights and biases are in units of `unit`."""

    spins: np.ndarray  # int8 (lanes, V + H), changed in place: 2 u - 1, visible units first
    W: np.ndarray  # float32 (V, H)
    a: np.ndarray  # float32 (V,)
    b: np.ndarray  # float32 (H,)
    unit: float
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    rule: str
    free: np.ndarray  # the units that are drawn


def start(model, lanes, seed, rule, spins=None, free=None):
    """A `State` of `lanes` lanes.

    `model`: an RBM, or a sequence of `lanes` times the same; the rest as for `sparse.start`.
    """
    rbm = sampling.as_models(model)[0]
    spins = start_spins(seed, rbm.n, lanes) if spins is None else spins.copy()
    free = np.arange(rbm.n) if free is None else free
    return State(spins, *scaled(rbm), seeded(seed, SWEEP, lanes), rule, free)


def scaled(rbm) -> tuple[AnyArray, AnyArray, AnyArray, float]:
    """Weights and biases over a power of two near the largest of them, as float32, and that unit: W, a, b, unit."""
    parts = rbm.weights, rbm.visible_bias, rbm.hidden_bias
    unit = power_of_two(*parts)
    W, a, b = ((part / unit).astype(np.float32) + np.float32(0) for part in parts)  # no -0.0, whose sign would decide
    return W, a, b, unit


def sweep(state, betas):
    """One sweep of every lane, in place: all hidden units at once given the visible ones, then those given the hidden.

    A unit of input x is a spin in the field x / 2: P(u = 1) = 1 / (1 + exp(-beta x)), or it changes with probability
    min(1, exp(-+ beta x)). `betas`: float64 (lanes,). KeyError on an unknown rule.
    """
    scale = np.float32(np.clip(-LOG2E * betas * state.unit, -1e30, 1e30))
    visible, hidden = state.W.shape
    v, h = np.split(state.spins.T, [visible])
    drawn_v, drawn_h = state.free[state.free < visible], state.free[state.free >= visible] - visible
    of_v, of_h = _held_first(visible, drawn_v), _held_first(hidden, drawn_h)
    _draw(state, inputs(state.b, state.W[of_v], v[of_v] > 0), h, drawn_h, scale)
    _draw(state, inputs(state.a, state.W.T[of_h], h[of_h] > 0), v, drawn_v, scale)


def _held_first(units, drawn):
    """The order of the terms of a layer of `units`."""
    return np.concatenate([np.setdiff1d(np.arange(units), drawn), drawn])


def inputs(bias, weights, units):
    """x_j = ((b_j + W_1j u_1) + W_2j u_2) + ...: in the type of the weights, (units of the layer, lanes).

    `weights`: (terms, units of the layer); `units`: (terms, lanes), bool.
    """
    x = np.repeat(bias[:, None], units.shape[1], axis=1)
    for row, u in zip(weights, units, strict=True):
        x += row[:, None] * u
    return x


def energies(models, spins, free=None):
    """E = -unit (c + (h_1 b_1 + h_2 b_2 + ...) + (v_1 x_1 + v_2 x_2 + ...)) of drawn units: float64 (lanes,).

    x is the input of a visible unit, b that of a hidden one of which only held units are 1, and c is the same of held
    units: a visible one's bias, and a hidden one's b, if it is 1. `models`: one RBM in a list; `spins`: int8 (lanes,
    V + H); `free`: the units that are drawn, by default all.
    """
    W, a, b, unit = scaled(models[0])
    visible, hidden = W.shape
    v, h = np.split(spins.T > 0, [visible])
    free = np.arange(visible + hidden) if free is None else free
    drawn_v, drawn_h = free[free < visible], free[free >= visible] - visible
    held_v, held_h = np.setdiff1d(np.arange(visible), drawn_v), np.setdiff1d(np.arange(hidden), drawn_h)
    order = _held_first(hidden, drawn_h)
    x, y = inputs(a, W.T[order], h[order]), inputs(b, W[held_v], v[held_v])
    zeros = np.zeros(len(spins))
    held = sum_in_order([a[i] * v[i] for i in held_v] + [y[j] * h[j] for j in (*held_h, *drawn_h)], zeros)
    return (held + sum_in_order([x[i] * v[i] for i in drawn_v], zeros)) * -unit


def _draw(state, inputs, layer, units, scale):
    """New spins of `units` of a layer (units, lanes), in place: the j-th by half of word j // 2, low if even."""
    for i, bits in zip(units, half_words(state.streams, len(units)), strict=True):
        layer[i] = RULES[state.rule](scale * inputs[i], layer[i], uniform(bits))
