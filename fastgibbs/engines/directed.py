"""Kernels that draw a layer of units given another one, and move the weights between them, of directed machines.

Units of the target are drawn given those of the source, whose weights are as those of an RBM from visible to hidden
units (see phases.py); a layer without a source has a source of no units. The gradient of log p(target | source) is a
sum over states of source times error, the target less its mean (see gradients.py).
"""

import numpy as np

from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.gradients import Step, Sums, move, project
from fastgibbs.engines.inputs import TALL, mark
from fastgibbs.engines.phases import LayerChains, LayerRows, Layers, Weights, draw_hidden
from fastgibbs.engines.vectors import at, convert, full, load, store, total, transpose
from fastgibbs.jit import called, inlined, njit

# in one kernel, not made machine code on their own
_draw_hidden, _move = (called(kernel.py_func) for kernel in (draw_hidden, move))


@njit
def draw(layers, chains, source, target, first, last):
    """Draw the target's units of lanes `first` ... `last - 1`, and up to the next sixteenth, given the source's.

    `source`, `target`: float32 (N, S'') and (N, T''), whole words of 64 units, a row a lane. Tuples are plain ones.
    """
    layers, chains = Layers(*layers), LayerChains(*chains)
    _draw_hidden(layers, chains, source, np.int64(0), True, first, last, True)
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
def _add_up(rows, count, sums):
    """The sums over `count` rows that weights are moved by, terms one after the other; with offsets those by mu too."""
    v, h, zero = rows.v, rows.h, full(0.0, np.float32, TALL)
    for i in range(0, v.shape[1], GROUP):
        mark(v, i, v.shape[1], count, sums.marked, i, v.shape[1])
    centered = _square(sums.mu) > 0
    if centered:
        project(v, count, sums.mu, sums.parts, sums.along_mu)
    for j in range(0, sums.h.shape[1], TALL):
        one, along = zero, zero
        for n in range(count):
            row = load(h, (j * h.shape[1] // TALL + n) * TALL, TALL)
            one = one + row
            if centered:
                along = along + row * at(sums.along_mu, n)
        store(sums.h, j, one)
        store(sums.h, sums.h.shape[1] + j, along)


@inlined
def _square(mu):
    """|mu|^2 in float64."""
    total = 0.0
    for i in range(mu.size):
        total += np.float64(mu[i]) ** 2
    return total


@called
def _follow(weights, rows, count, sums, step, whole, following):
    """Move biases along dh - dW^T mu, let mu follow the mean of the source; the norm of the gradient.

    dW^T mu = sum_n h_n (v_n . mu) - dh |mu|^2, in float64; mu moves the share `following` of the way.
    """
    velocity, dh, along_h, mu, mu2 = weights.hidden_velocity, sums.h[0], sums.h[1], sums.mu, _square(sums.mu)
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
        for i in range(0, mu.size, GROUP):
            dv, away = full(0.0, np.float32, GROUP), load(mu, i, GROUP)
            for n in range(count):
                dv = dv + load(rows.v, n * mu.size + i, GROUP) * at(rows.coefficients, n)
            store(mu, i, away + (dv - away * np.float32(whole)) * np.float32(following))
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
    _add_up(rows, count, sums)
    _move(weights, rows, count, sums, step, 0, len(sums.squares))
    return _follow(weights, rows, count, sums, step, whole, following)


@njit
def add_up(rows, count, sums):
    """The sums of `learn`, after `err` and before `gradients.move`. Tuples are plain ones."""
    _add_up(LayerRows(*rows), count, Sums(*sums))


@njit
def follow(weights, rows, count, sums, step, whole, following):
    """The end of `learn`. Tuples are plain ones."""
    return _follow(Weights(*weights), LayerRows(*rows), count, Sums(*sums), Step(*step), whole, following)
