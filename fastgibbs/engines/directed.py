"""Kernels that draw a layer of units given another one, and move the weights between them, of directed machines.

Units of the target are drawn given those of the source, whose weights are as those of an RBM from visible to hidden
units (see phases.py); a layer without a source has a source of no units. The gradient of log p(target | source) is a
sum over states of source times error, the target less its mean (see gradients.py).
"""

import numpy as np

from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.gradients import Step, Sums, add_up, move
from fastgibbs.engines.inputs import TALL
from fastgibbs.engines.phases import LayerChains, LayerRows, Layers, Weights, draw_hidden
from fastgibbs.engines.vectors import at, convert, full, load, store, total, transpose
from fastgibbs.jit import called, njit

# in one kernel, not made machine code on their own
_draw_hidden, _add_up, _move = (called(kernel.py_func) for kernel in (draw_hidden, add_up, move))


@njit
def draw(layers, chains, source, target, first, last):
    """Draw the target's units of lanes `first` ... `last - 1`, and up to the next sixteenth, given the source's.

    `source`, `target`: float32 (N, S'') and (N, T''), whole words of 64 units, a row a lane. Tuples are plain ones.
    """
    layers, chains = Layers(*layers), LayerChains(*chains)
    _draw_hidden(layers, chains, source, np.int64(0), True, first, last)
    lanes, columns, row0 = chains.spins.shape[1], target.shape[1], layers.tiles.shape[1]
    for group in range(first, last, GROUP):
        for unit in range(0, layers.tiles.shape[0] * GROUP, GROUP):
            transpose(chains.spins, (row0 + unit) * lanes + group, lanes, target, group * columns + unit, columns)


@called
def _err(layers, chains, rows, target, first, last):
    """rows.h = c (target - mean) of lanes `first` ... `last - 1`; what fills up stays 0."""
    _draw_hidden(layers, chains, rows.v, np.int64(0), False, first, last)
    means, apart = chains.means, rows.h.shape[1] * TALL
    for k in range(first, last):
        place, here, c = k * means.shape[1], k * target.shape[1], at(rows.coefficients, k)
        for unit in range(0, layers.hidden - GROUP + 1, GROUP):
            error = load(target, here + unit, GROUP) - load(means, place + unit, GROUP)
            store(rows.h, unit // TALL * apart + k * TALL + unit % TALL, error * c)
        for unit in range(layers.hidden - layers.hidden % GROUP, layers.hidden):
            error = load(target, here + unit, 1) - load(means, place + unit, 1)
            store(rows.h, unit // TALL * apart + k * TALL + unit % TALL, error * c)


@called
def _follow(weights, rows, sums, step, whole, following):
    """Move biases along dh - dW^T mu, let mu follow the mean of the source; the norm of the gradient.

    dW^T mu = sum_n h_n (v_n . mu) - dh |mu|^2, in float64; mu moves the share `following` of the way.
    """
    velocity, dv, dh, along_h, mu = weights.hidden_velocity, sums.v[0], sums.h[0], sums.h[1], sums.mu
    mu2 = 0.0
    for i in range(mu.size):
        mu2 += np.float64(mu[i]) ** 2
    of_weights = full(0.0, np.float64, GROUP)
    for k in range(0, sums.squares.size, GROUP):
        of_weights = of_weights + convert(load(sums.squares, k, GROUP), np.float64)
    square = total(of_weights)
    for j in range(velocity.size):
        change = dh[j] - (along_h[j] - dh[j] * mu2)
        square += change**2
        velocity[j] = step.momentum * velocity[j] + step.rate * change
        weights.hidden_bias[j] = np.float32(np.float64(weights.hidden_bias[j]) + velocity[j])
    if following > 0:
        for i in range(mu.size):
            mu[i] += np.float32(following) * (dv[i] - np.float32(whole) * mu[i])
    return np.sqrt(square)


@njit
def err(layers, chains, rows, target, first, last):
    """Errors of lanes `first` ... `last - 1`, times their coefficients, to `rows.h`. Tuples are plain ones."""
    _err(Layers(*layers), LayerChains(*chains), LayerRows(*rows), target, first, last)


@njit
def learn(layers, chains, weights, rows, target, count, sums, step, whole, following):
    """`err`, and what follows from it, of all units in one call; the norm of the gradient. Tuples are plain ones."""
    layers, chains, weights, rows = Layers(*layers), LayerChains(*chains), Weights(*weights), LayerRows(*rows)
    sums, step = Sums(*sums), Step(*step)
    _err(layers, chains, rows, target, 0, count)
    _add_up(rows, count, count, weights.offsets, sums)
    _move(weights, rows, count, sums, step, 0, len(sums.squares))
    return _follow(weights, rows, sums, step, whole, following)


@njit
def follow(weights, rows, sums, step, whole, following):
    """The end of `learn`, after `err`, `gradients.add_up` and `gradients.move`. Tuples are plain ones."""
    return _follow(Weights(*weights), LayerRows(*rows), Sums(*sums), Step(*step), whole, following)
