"""The layered engine in NumPy: an RBM's hidden units given its visible ones, then the visible ones given those.

An input is a sum of float32 terms taken one after the other, and so is an energy, in float64: units are 0 or 1, so
that products are exact, and the order of the additions fixes every bit: terms of held units first, then those of
drawn ones, both in ascending order."""

from typing import NamedTuple

import numpy as np

from fastgibbs.reference import sampling
from fastgibbs.reference.arithmetic import LOG2E
from fastgibbs.reference.sparse import RULES, uniform
from fastgibbs.reference.streams import SWEEP, next_words, seeded, start_spins


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


def sample(model, beta, sweeps, chains, burn_in, thin, rule, seed):
    """`sampling.sample` of `chains` lanes, from the `start` with these arguments."""
    state = start(model, chains, seed, rule)
    return sampling.sample(sweep, state, model, beta, sweeps, burn_in, thin, energies)


def start(model, lanes, seed, rule, spins=None, free=None):
    """A `State` of `lanes` lanes: weights and biases over a power of two near the largest of them, as float32.

    `model`: an RBM, or a sequence of `lanes` times the same; the rest as for `sparse.start`.
    """
    rbm = sampling.as_models(model)[0]
    parts = rbm.weights, rbm.visible_bias, rbm.hidden_bias
    largest = max(np.abs(part).max(initial=0.0) for part in parts)
    unit = 2.0 ** (np.frexp(largest)[1] - 1) if largest > 0 else 1.0
    spins = start_spins(seed, rbm.n, lanes) if spins is None else spins.copy()
    W, a, b = (np.float32(part / unit) + np.float32(0) for part in parts)  # no -0.0, whose sign would decide
    free = np.arange(rbm.n) if free is None else free
    return State(spins, W, a, b, unit, seeded(seed, SWEEP, lanes), rule, free)


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


def energies(models, spins):
    """E = -(((a_1 v_1 + a_2 v_2) + ... + h_1 x_1) + h_2 x_2 + ...), x = b + W v: float64 (lanes,).

    `models`: one RBM in a list; `spins`: int8 (lanes, V + H).
    """
    rbm = models[0]
    v, h = np.split(spins.T > 0, [rbm.n_visible])
    total = np.zeros(len(spins))
    for a, u in zip(rbm.visible_bias, v, strict=True):
        total += a * u
    for x, u in zip(inputs(rbm.hidden_bias, rbm.weights, v), h, strict=True):
        total += x * u
    return -total


def _draw(state, inputs, layer, units, scale):
    """New spins of `units` of a layer (units, lanes), in place: the j-th by half of word j // 2, low if even."""
    for j, i in enumerate(units):
        if j % 2 == 0:
            words = next_words(state.streams)
        bits = words >> 32 if j % 2 else words & 0xFFFFFFFF
        layer[i] = RULES[state.rule](inputs[i], layer[i], scale, uniform(bits))
