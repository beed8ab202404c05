"""Wake and sleep in NumPy: draws of layers and moves of weights, float32, every sum taken one term after the other.

Terms of inputs and of gradients are taken in fours: x + (((t_1 + t_2) + t_3) + t_4) + ...

Layers are (units, lanes), bool. A layer is drawn like the hidden one of an RBM (see layered.py): units 0 and 1 by the
low and the high half of a lane's next word, 2 and 3 by those of the one after, and so on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.reference.arithmetic import LOG2E, sum_in_order
from fastgibbs.reference.sparse import LOWEST, exp2, gibbs, uniform
from fastgibbs.reference.streams import SWEEP, half_words, seeded

GROUP = 16
FOUR = 4  # terms of an input or of a gradient that are added up before they are added to the others
SCALE = np.float32(-LOG2E)


class Passage(NamedTuple):
    """What leads from layer `source` to layer `target`; the layer above the top one has no units."""

    source: int
    target: int
    W: np.ndarray  # float32 (source units, target units), changed in place
    b: np.ndarray  # float32 (target units,), changed in place
    velocity: np.ndarray  # float32, as W
    bias_velocity: np.ndarray  # float64


class State(NamedTuple):
    """What a step reads and changes."""

    up: list  # of `Passage`s, from the visible layer on
    down: list  # from the layer of no units on
    offsets: list  # float32 mu of every layer
    streams: np.ndarray  # uint64 (4, lanes), changed in place
    following: float  # share of the way that mu of hidden layers goes to their means awake


def start(machine, lanes, entropy, offsets=None, following=0.0):
    """A `State`; `offsets` of all layers, by default 0. `entropy`: of the streams."""
    top = len(machine.layers) - 1
    sizes = (*machine.layers, 0)

    def passage(source, target, W, b):
        W, b = np.float32(W.T), np.float32(b)
        return Passage(source, target, W, b, np.zeros_like(W), np.zeros(b.size))

    up = [
        passage(k, k + 1, R, r)
        for k, (R, r) in enumerate(zip(machine.recognition, machine.recognition_biases, strict=True))
    ]
    generative = [*machine.generative, np.zeros((sizes[top], 0))]
    down = [passage(k + 1, k, G, b) for k, (G, b) in enumerate(zip(generative, machine.biases, strict=True))][::-1]
    offsets = [np.float32(mu) for mu in offsets or map(np.zeros, sizes)]
    return State(up, down, offsets, seeded(entropy, SWEEP, -(-lanes // GROUP) * GROUP), following)


def inputs(bias, W, x):
    """b_j + sum_i W_ij x_i, (target units, lanes), of units x (source units, lanes): four terms, then the next four."""
    found = np.repeat(bias[:, None], x.shape[1], axis=1)
    for first in range(0, len(x), FOUR):
        found += _sum(W[i][:, None] * x[i] for i in range(first, min(first + FOUR, len(x))))
    return found


def draw(passage, layers, streams):
    """Draw the target of all lanes given the source; `layers`: of the layers, in place."""
    x = inputs(passage.b, passage.W, layers[passage.source])
    drawn = np.empty(x.shape, bool)
    for j, bits in enumerate(half_words(streams, len(x))):
        drawn[j] = gibbs(SCALE * x[j], None, uniform(bits[: x.shape[1]])) > 0
    layers[passage.target] = drawn


def step(state, v, coefficients, rate, momentum=0.0, l1=0.0, l2=0.0):
    """Wake with the data `v` (V, lanes), sleep with as many dreams, and move all parameters; the layers of both.

    `coefficients`: float32 (lanes,). v <- m v + r (g - l2 W - l1 sign W), W <- W + v, biases without l1 and l2.
    """
    lanes, top = v.shape[1], len(state.up)
    nothing = np.zeros((0, lanes), bool)
    wake, sleep = [v, *[None] * top, nothing], [*[None] * (top + 1), nothing]
    streams = state.streams[:, : -(-lanes // GROUP) * GROUP]  # kernels draw in whole groups
    for passage in state.up:
        draw(passage, wake, streams)
    for passage in state.down:
        draw(passage, sleep, streams)
    total = float(np.add.reduce(coefficients, dtype=np.float64))
    shares = np.full(lanes, total / lanes, np.float32)
    for passage in state.up:
        learn(passage, sleep, shares, state.offsets, rate, momentum, l1, l2)
    for passage in state.down:
        learn(passage, wake, coefficients, state.offsets, rate, momentum, l1, l2)
        if 0 < passage.source <= top and state.following:
            mu = state.offsets[passage.source]
            mean = _sum(coefficients[n] * wake[passage.source][:, n] for n in range(lanes))
            mu += np.float32(state.following) * (mean - np.float32(total) * mu)
    return wake, sleep


def learn(passage, layers, coefficients, offsets, rate, momentum, l1, l2):
    """Move W along sum_n c_n (x_n - mu) e_n, e_n the target less its mean, and b along sum_n c_n e_n - dW mu."""
    x, mu = layers[passage.source], offsets[passage.source]
    t = SCALE * inputs(passage.b, passage.W, x)
    e = exp2(np.maximum(-np.abs(t), LOWEST))
    mean = np.where(t > 0, e, np.float32(1)) / (e + np.float32(1))
    errors = ((layers[passage.target] - mean) * coefficients).T  # (lanes, target units)
    of_biases = _sum(errors)
    g = np.zeros_like(passage.W)
    for first in range(0, len(errors), FOUR):
        g += _sum(x[:, lane, None] * errors[lane] for lane in range(first, min(first + FOUR, len(errors))))
    g -= mu[:, None] * of_biases
    g -= np.float32(l2) * passage.W if l2 else np.float32(0)
    g -= np.float32(l1) * np.sign(passage.W) if l1 else np.float32(0)
    g *= np.float32(rate)
    if momentum:
        g += passage.velocity * np.float32(momentum)
        passage.velocity[:] = g
    passage.W[:] += g
    along_mu = _projections(x, mu)
    along = _sum(error * product for error, product in zip(errors, along_mu, strict=True))
    square = np.float64(0)
    for one in mu:
        square += np.float64(one) ** 2
    change = of_biases - (along - of_biases * square)
    passage.bias_velocity[:] = momentum * passage.bias_velocity + rate * change
    passage.b[:] = np.float32(passage.b + passage.bias_velocity)


def _sum(terms):
    """Terms one after the other, float32, from 0 on."""
    return sum_in_order(terms, np.float32(0))


def _projections(x, mu):
    """sum_i x_i mu_i of every lane, float32: sixteen sums side by side, then those, one after the other."""
    padding = [(0, -len(x) % GROUP), (0, 0)]
    terms = np.pad(x * mu[:, None], padding).reshape(-1, GROUP, x.shape[1])
    return _sum(_sum(terms)) if len(terms) else np.zeros(x.shape[1], np.float32)
