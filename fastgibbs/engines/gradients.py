"""Kernels that move the parameters of an RBM along a sum over weighted states.

A gradient is one sum over states n with coefficients c_n, those of data above 0 and those of the model below:
sum_n c_n v_n h_n^T. Its terms are added one after the other, c_n h_n of the states where a visible unit is 1, so that
the sum does not depend on how units are shared among threads, nor on a BLAS. Which states these are words of 64 bits
tell; the rows of a word are added for all units before those of the next, from the first cache.
Weights are in tiles (see engines/phases.py).
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.inputs import TALL, UNITS, adding_marked, mark
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.phases import LayerRows, Weights, whole
from fastgibbs.engines.vectors import (
    at,
    convert,
    full,
    load,
    load_groups,
    select,
    store,
    store_groups,
    total,
    transpose,
)
from fastgibbs.jit import called, inlined, njit


class Step(NamedTuple):
    """How weights are moved: v <- momentum v + rate (g - l2 W - l1 sign W), W <- W + v."""

    rate: float
    momentum: float
    l1: float
    l2: float


class Sums(NamedTuple):
    """Sums over the states of a step and what goes with them, float32."""

    v: np.ndarray  # (2, V''): sum_n c_n v_n and sum_n v_n (c_n h_n . lambda)
    h: np.ndarray  # (3, H''): sum_n c_n h_n, sum_n c_n h_n (v_n . mu), and the first of data alone
    mu: np.ndarray  # (V'',)
    along_lambda: np.ndarray  # (N,): c_n h_n . lambda
    along_mu: np.ndarray  # (N,): v_n . mu
    parts: np.ndarray  # (2, GROUP, GROUP): of scalar products, as they are added up
    squares: np.ndarray  # (V' / UNITS, TALL): of the gradient of W
    marked: np.ndarray  # uint64 (N / 64, V''): the rows where a visible unit is 1, a bit each
    products: np.ndarray  # (V', TALL): sum_n c_n v_n h_n, as they are added up


def sums_of(rows: int, columns: int, hidden: int, count: int) -> Sums:
    """Sums of at most `count` states, V' being `rows`, V'' `columns` and H'' `hidden`; all are 0."""
    return Sums(
        np.zeros((2, columns), np.float32),
        np.zeros((3, hidden), np.float32),
        np.zeros(columns, np.float32),
        np.zeros(count, np.float32),
        np.zeros(count, np.float32),
        np.zeros((2, GROUP, GROUP), np.float32),
        np.zeros((rows // UNITS, TALL), np.float32),
        np.zeros((whole(count, 64) // 64, columns), np.uint64),
        aligned((rows, TALL), np.float32),
    )


@called
def project(rows, count, direction, parts, result):
    """result_n = sum_i rows_ni direction_i in float32, sixteen sums side by side, then those.

    `rows`: (N, columns) or (tiles, N, TALL). Rows and results up to the next sixteenth are taken with them.
    """
    row, apart = rows.shape[-1], rows.shape[1] * TALL if rows.ndim == 3 else TALL
    for first in range(0, count, GROUP):
        for k in range(0, GROUP, 4):
            s0 = full(0.0, np.float32, GROUP)
            s1, s2, s3 = s0, s0, s0
            for i in range(0, direction.size, GROUP):
                d, place = load(direction, i, GROUP), (first + k) * row + i // TALL * apart + i % TALL
                s0 = s0 + load(rows, place, GROUP) * d
                s1 = s1 + load(rows, place + row, GROUP) * d
                s2 = s2 + load(rows, place + 2 * row, GROUP) * d
                s3 = s3 + load(rows, place + 3 * row, GROUP) * d
            store(parts, k * GROUP, s0)
            store(parts, (k + 1) * GROUP, s1)
            store(parts, (k + 2) * GROUP, s2)
            store(parts, (k + 3) * GROUP, s3)
        transpose(parts, 0, GROUP, parts, GROUP * GROUP, GROUP)
        dots = full(0.0, np.float32, GROUP)
        for e in range(GROUP):
            dots = dots + load(parts, (GROUP + e) * GROUP, GROUP)
        store(result, first, dots)


@inlined
def _add_rows(rows, factors, others, first, last, i, one, other):
    """one + sum_n f_n r_n and other + sum_n o_n r_n over rows n, in TALL columns, those of row 0 from `i` on."""
    for n in range(first, last):
        row = load(rows, n * rows.shape[-1] + i, TALL)
        one = one + row * at(factors, n)
        other = other + row * at(others, n)
    return one, other


@njit
def add_up(rows, shown, count, lam, sums):
    """All sums but those of squares, terms one after the other, over `count` rows, of which `shown` are data."""
    v, h, ones = rows.v, rows.h, rows.ones
    project(h, count, lam, sums.parts, sums.along_lambda)
    for i in range(0, v.shape[1], GROUP):
        mark(v, i, v.shape[1], count, sums.marked, i, v.shape[1])
    project(v, count, sums.mu, sums.parts, sums.along_mu)
    zero = full(0.0, np.float32, TALL)
    for i in range(0, v.shape[1], TALL):
        one, other = _add_rows(v, rows.coefficients, sums.along_lambda, 0, count, i, zero, zero)
        store(sums.v, i, one)
        store(sums.v, v.shape[1] + i, other)
    columns = lam.size
    for j in range(0, columns, TALL):
        one, other = _add_rows(h, ones, sums.along_mu, 0, shown, j * h.shape[1], zero, zero)
        store(sums.h, 2 * columns + j, one)
        one, other = _add_rows(h, ones, sums.along_mu, shown, count, j * h.shape[1], one, other)
        store(sums.h, j, one)
        store(sums.h, columns + j, other)


def moving_row(width):
    """The function that moves `width` weights."""

    @inlined
    def move_row(tiles, velocity, place, apart, g, step):
        """Move weights in groups of 16 that are `apart`, from `place` on, along g."""
        W = load_groups(tiles, place, apart, width)
        if step.l2 != 0:
            g = g - W * np.float32(step.l2)
        if step.l1 != 0:
            zero, pull = full(0.0, np.float32, width), full(step.l1, np.float32, width)
            g = g - select(zero < W, pull, select(zero > W, zero - pull, zero))
        g = g * np.float32(step.rate)
        if step.momentum != 0:
            g = g + load_groups(velocity, place, apart, width) * np.float32(step.momentum)
            store_groups(velocity, place, apart, g)
        store_groups(tiles, place, apart, W + g)

    return move_row


def _moving(width):
    """The function that moves the weights of `width` hidden units."""
    add_marked, move_row = adding_marked(width), moving_row(width)

    @called
    def move_tile(weights, rows, count, sums, step, tile, first, last):
        """Move the weights of visible units `first` ... `last - 1` with hidden ones from `tile` on."""
        tiles, velocity, lam, h = weights.tiles, weights.velocity, weights.offsets, rows.h
        j, columns, apart = tile * GROUP, sums.marked.shape[1], tiles.shape[1] * GROUP
        hidden = j // TALL * h.shape[1] * TALL + j % TALL
        for number in range(-(-count // 64)):
            place = hidden + number * 64 * TALL
            for i in range(first, last):
                g = load(sums.products, i * TALL, width) if number > 0 else full(0.0, np.float32, width)
                g = add_marked(g, at(sums.marked, number * columns + i), h, place, TALL, GROUP)
                store(sums.products, i * TALL, g)
        dh, away = load(sums.h, j, width), load(lam, j, width)
        for i in range(first, last):
            g, block = load(sums.products, i * TALL, width), i // UNITS
            g = g - dh * at(sums.mu, i) - away * at(sums.v, i)
            store(sums.squares, block * TALL, load(sums.squares, block * TALL, width) + g * g)
            move_row(tiles, velocity, tile * apart + i * GROUP, apart, g, step)

    return move_tile


_move_wide, _move = _moving(TALL), _moving(GROUP)


@njit
def move(weights, rows, count, sums, step, first, last):
    """Move W along g = sum_n c_n v_n h_n^T - mu dh^T - dv lambda^T, of UNITS visible units `first` ... `last - 1`.

    `sums`: as `add_up` left them over `count` rows; they get squares.
    """
    tile, tiles = np.int64(0), weights.tiles.shape[0]  # not the literal, which functions would be compiled for besides
    for block in range(first, last):
        store(sums.squares, block * TALL, full(0.0, np.float32, TALL))
    while tile < tiles:
        if tile + TALL // GROUP <= tiles:
            _move_wide(weights, rows, count, sums, step, tile, first * UNITS, last * UNITS)
            tile += TALL // GROUP
        else:
            _move(weights, rows, count, sums, step, tile, first * UNITS, last * UNITS)
            tile += 1


@inlined
def _move_bias(bias, velocity, i, change, step):
    velocity[i] = step.momentum * velocity[i] + step.rate * change
    bias[i] = np.float32(np.float64(bias[i]) + velocity[i])


@njit
def move_biases(weights, sums, step, whole, following):
    """Move biases along da = dv - dW lambda and db = dh - dW^T mu, then let lambda follow; the norm of the gradient.

    dW lambda = sum_n v_n (c_n h_n . lambda) - mu (dh . lambda) - dv |lambda|^2, and dW^T mu likewise, in float64;
    lambda moves the share `following` of the way to the mean of h given data, whose coefficients sum to `whole`.
    """
    lam, visible_velocity, hidden_velocity = weights.offsets, weights.visible_velocity, weights.hidden_velocity
    dv, along_v, dh, along_h = sums.v[0], sums.v[1], sums.h[0], sums.h[1]
    mu2, v_mu, lam2, h_lam = 0.0, 0.0, 0.0, 0.0
    for i in range(visible_velocity.size):
        mu2 += np.float64(sums.mu[i]) ** 2
        v_mu += np.float64(dv[i]) * sums.mu[i]
    for j in range(hidden_velocity.size):
        lam2 += np.float64(lam[j]) ** 2
        h_lam += np.float64(dh[j]) * lam[j]
    of_weights = full(0.0, np.float64, GROUP)
    for k in range(0, sums.squares.size, GROUP):
        of_weights = of_weights + convert(load(sums.squares, k, GROUP), np.float64)
    square = total(of_weights)
    for i in range(visible_velocity.size):
        change = dv[i] - (along_v[i] - sums.mu[i] * h_lam - dv[i] * lam2)
        square += change**2
        _move_bias(weights.visible_bias, visible_velocity, i, change, step)
    for j in range(hidden_velocity.size):
        change = dh[j] - (along_h[j] - lam[j] * v_mu - dh[j] * mu2)
        square += change**2
        _move_bias(weights.hidden_bias, hidden_velocity, j, change, step)
        lam[j] += np.float32(following) * (sums.h[2, j] - np.float32(whole) * lam[j])
    return np.sqrt(square)


# in one kernel, not made machine code on their own
_add_up, _move_all, _move_biases = (called(kernel.py_func) for kernel in (add_up, move, move_biases))


@njit
def learn(weights, rows, shown, count, sums, step, whole, following):
    """`add_up`, `move` and `move_biases` of all units in one call; the norm of the gradient.

    All tuples are plain ones: Numba takes 0.6 us longer for a named one.
    """
    weights, rows, sums, step = Weights(*weights), LayerRows(*rows), Sums(*sums), Step(*step)
    _add_up(rows, shown, count, weights.offsets, sums)
    _move_all(weights, rows, count, sums, step, 0, len(sums.squares))
    return _move_biases(weights, sums, step, whole, following)
