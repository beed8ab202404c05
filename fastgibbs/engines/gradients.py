"""Kernels that move the parameters of an RBM along a sum over weighted states.

A gradient is one sum over states n with coefficients c_n, those of data above 0 and those of the model below:
sum_n c_n v_n h_n^T. Its terms are added one after the other, c_n h_n times 0 or 1, so that the sum does not depend on
how units are shared among threads, nor on a BLAS; states whose v are 0 in all of UNITS units are left out.
Weights are in tiles (see engines/phases.py).
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.layered import UNITS, WIDE
from fastgibbs.engines.phases import LayerRows, Weights
from fastgibbs.engines.vectors import (
    add_product,
    at,
    bits,
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
    listed: np.ndarray  # int32 (V' / UNITS, 1 + N): how many rows are not 0 in UNITS units, and which; 0, 1, ... first
    squares: np.ndarray  # (V' / UNITS, WIDE): of the gradient of W
    terms: np.ndarray  # (V' / UNITS, (1 + N) UNITS): v of the rows that are listed


@called
def _project(rows, count, direction, parts, result):
    """result_n = sum_i rows_ni direction_i in float32, sixteen sums side by side, then those.

    `rows`: (N, columns) or (tiles, N, WIDE). Rows and results up to the next sixteenth are taken with them.
    """
    row, apart = rows.shape[-1], rows.shape[1] * WIDE if rows.ndim == 3 else WIDE
    for first in range(0, count, GROUP):
        for k in range(0, GROUP, 4):
            s0 = full(0.0, np.float32, GROUP)
            s1, s2, s3 = s0, s0, s0
            for i in range(0, direction.size, GROUP):
                d, place = load(direction, i, GROUP), (first + k) * row + i // WIDE * apart + i % WIDE
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
    """one + sum_n f_n r_n and other + sum_n o_n r_n over rows n, in WIDE columns, those of row 0 from `i` on."""
    for n in range(first, last):
        row = load(rows, n * rows.shape[-1] + i, WIDE)
        one = one + row * at(factors, n)
        other = other + row * at(others, n)
    return one, other


@njit
def add_up(rows, shown, count, lam, sums):
    """All sums but those of squares, terms one after the other, over `count` rows, of which `shown` are data."""
    v, h, ones = rows.v, rows.h, rows.ones
    _project(h, count, lam, sums.parts, sums.along_lambda)
    _project(v, count, sums.mu, sums.parts, sums.along_mu)
    zero = full(0.0, np.float32, WIDE)
    for i in range(0, v.shape[1], WIDE):
        one, other = _add_rows(v, rows.coefficients, sums.along_lambda, 0, count, i, zero, zero)
        store(sums.v, i, one)
        store(sums.v, v.shape[1] + i, other)
    columns = lam.size
    for j in range(0, columns, WIDE):
        one, other = _add_rows(h, ones, sums.along_mu, 0, shown, j * h.shape[1], zero, zero)
        store(sums.h, 2 * columns + j, one)
        one, other = _add_rows(h, ones, sums.along_mu, shown, count, j * h.shape[1], one, other)
        store(sums.h, j, one)
        store(sums.h, columns + j, other)


def _moving(width):
    """The function that moves the weights between UNITS visible and `width` hidden units."""

    @inlined
    def move_row(tiles, velocity, place, apart, g, step):
        """Move `width` weights, those of one visible unit, along g."""
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

    @inlined
    def move_block(weights, rows, sums, step, tile, block):
        """Move weights of `block` along the rows that are listed for it, and add g^2 to the squares."""
        tiles, velocity, lam, h = weights.tiles, weights.velocity, weights.offsets, rows.h
        i, j = block * UNITS, tile * GROUP
        listed, place = block * sums.listed.shape[1], block * sums.terms.shape[1]
        hidden = j // WIDE * h.shape[1] * WIDE + j % WIDE
        g0 = full(0.0, np.float32, width)
        g1, g2, g3, g4, g5 = g0, g0, g0, g0, g0
        for k in range(at(sums.listed, listed)):
            u = load(h, hidden + np.int64(at(sums.listed, listed + 1 + k)) * WIDE, width)
            g0 = add_product(g0, at(sums.terms, place), u)
            g1 = add_product(g1, at(sums.terms, place + 1), u)
            g2 = add_product(g2, at(sums.terms, place + 2), u)
            g3 = add_product(g3, at(sums.terms, place + 3), u)
            g4 = add_product(g4, at(sums.terms, place + 4), u)
            g5 = add_product(g5, at(sums.terms, place + 5), u)
            place += UNITS
        dh, away = load(sums.h, j, width), load(lam, j, width)
        g0 = g0 - dh * at(sums.mu, i) - away * at(sums.v, i)
        g1 = g1 - dh * at(sums.mu, i + 1) - away * at(sums.v, i + 1)
        g2 = g2 - dh * at(sums.mu, i + 2) - away * at(sums.v, i + 2)
        g3 = g3 - dh * at(sums.mu, i + 3) - away * at(sums.v, i + 3)
        g4 = g4 - dh * at(sums.mu, i + 4) - away * at(sums.v, i + 4)
        g5 = g5 - dh * at(sums.mu, i + 5) - away * at(sums.v, i + 5)
        square = load(sums.squares, block * WIDE, width)
        store(sums.squares, block * WIDE, square + g0 * g0 + g1 * g1 + g2 * g2 + g3 * g3 + g4 * g4 + g5 * g5)
        apart = tiles.shape[1] * GROUP
        place = tile * apart + i * GROUP
        move_row(tiles, velocity, place, apart, g0, step)
        move_row(tiles, velocity, place + GROUP, apart, g1, step)
        move_row(tiles, velocity, place + 2 * GROUP, apart, g2, step)
        move_row(tiles, velocity, place + 3 * GROUP, apart, g3, step)
        move_row(tiles, velocity, place + 4 * GROUP, apart, g4, step)
        move_row(tiles, velocity, place + 5 * GROUP, apart, g5, step)

    return move_block


_move_wide, _move = _moving(WIDE), _moving(GROUP)


@njit
def move(weights, rows, count, sums, step, first, last):
    """Move W along g = sum_n c_n v_n h_n^T - mu dh^T - dv lambda^T, of UNITS visible units `first` ... `last - 1`.

    `sums`: as `add_up` left them over `count` rows; they get lists of rows and squares. Of a single tile all rows are
    taken, in less time than it takes to know which.
    """
    tiles, v = weights.tiles, rows.v
    for block in range(first, last):
        listed, place = 0, block * sums.terms.shape[1]
        for n in range(count):
            units = load(v, n * v.shape[1] + block * UNITS, 8)
            store(sums.terms, place + listed * UNITS, units)  # two too many, which the next ones replace
            sums.listed[block, 1 + listed] = n
            listed += tiles.shape[0] == 1 or bits(units > 0) & (2**UNITS - 1) != 0
        sums.listed[block, 0] = listed
        store(sums.squares, block * WIDE, full(0.0, np.float32, WIDE))
    tile = 0
    while tile < tiles.shape[0]:
        width = WIDE if tile + WIDE // GROUP <= tiles.shape[0] else GROUP
        for block in range(first, last):
            if width == WIDE:
                _move_wide(weights, rows, sums, step, tile, block)
            else:
                _move(weights, rows, sums, step, tile, block)
        tile += width // GROUP


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


@njit
def learn(weights, rows, shown, count, sums, step, whole, following):
    """`add_up`, `move` and `move_biases` of all units in one call; the norm of the gradient.

    All tuples are plain ones: Numba takes 0.6 us longer for a named one.
    """
    weights, rows, sums, step = Weights(*weights), LayerRows(*rows), Sums(*sums), Step(*step)
    add_up(rows, shown, count, weights.offsets, sums)
    move(weights, rows, count, sums, step, 0, len(sums.squares))
    return move_biases(weights, sums, step, whole, following)
