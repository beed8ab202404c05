"""Kernels for machines some of whose visible units are on either side, or hidden ones on both: deep machines.

What `phases` calls visible and hidden units are there the first and the second side. Units that data tells are held:
a side is drawn whole, or as much of it as has free units, and what is held is written over it.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.inputs import TALL, UNITS, adding_marked
from fastgibbs.engines.phases import draw_hidden, draw_visible, take_row
from fastgibbs.engines.vectors import at, full, load, store, total
from fastgibbs.jit import called, njit

_add_marked = adding_marked(GROUP)
_draw_hidden, _draw_visible = (called(kernel.py_func) for kernel in (draw_hidden, draw_visible))


class Held(NamedTuple):
    """Units that are held while others are drawn, and which of the first side may be free."""

    first: np.ndarray  # int64 (m,): held ones of the first side, from `begin` to `end`
    second: np.ndarray  # int64 (k,): held ones of the second
    v: np.ndarray  # float32 (N, m): what they are in each lane
    h: np.ndarray  # float32 (N, k)
    begin: int  # whole UNITS
    end: int  # whole UNITS too, or all


class Walk(NamedTuple):
    """What is drawn of each lane, one after the other."""

    given: int  # the row of lane 0
    begins: bool  # whether the second side is drawn before the first sweep
    steps: int  # sweeps: the first side, then the second
    draws: bool  # whether the last second side is drawn, and not its means alone


@called
def _hold_first(chains, v, held, given, first, last):
    for m in range(held.first.size):
        unit = held.first[m]
        for k in range(first, last):
            chains.spins[unit, k] = held.v[k, m]
            v[given + k, unit] = held.v[k, m]


@called
def _hold_second(chains, held, row0, first, last):
    for m in range(held.second.size):
        unit = held.second[m]
        for k in range(first, last):
            chains.spins[row0 + unit, k] = held.h[k, m]
            chains.means[k, unit] = held.h[k, m]


@njit
def draw_held(layers, chains, rows, held, walk, first, last):
    """Sweep the free units of lanes `first` ... `last - 1`; rows get the first side and the means of the second."""
    v, given, row0 = rows.v, walk.given, layers.tiles.shape[1]
    if walk.begins:
        _draw_hidden(layers, chains, v, given, walk.draws or walk.steps > 0, first, last)
        _hold_second(chains, held, row0, first, last)
    for step in range(walk.steps):
        _draw_visible(layers, chains, v, given, held.begin, held.end, first, last)
        _hold_first(chains, v, held, given, first, last)
        _draw_hidden(layers, chains, v, given, walk.draws or step + 1 < walk.steps, first, last)
        _hold_second(chains, held, row0, first, last)
    for k in range(first, last):
        take_row(chains.means, layers.hidden, k, at(rows.coefficients, given + k), rows.h, given + k)


@njit
def leave_out(weights, rows, count, sums, apart, places):
    """Take pairs of units that are not coupled out of the sums of a gradient, after `move` and before `move_biases`.

    `apart`: float32 as the tiles, 1 where a pair is not coupled; `places`: int64 (P, 2), the tiles and units of the
    first side where there are such pairs. They leave dW lambda, dW^T mu and the squares of dW.
    """
    h, lam, columns = rows.h, weights.offsets, sums.marked.shape[1]
    wide = lam.size
    for p in range(len(places)):
        tile, i = places[p, 0], places[p, 1]
        j, g = tile * GROUP, full(0.0, np.float32, GROUP)
        hidden = j // TALL * h.shape[1] * TALL + j % TALL
        for number in range(-(-count // 64)):
            word = at(sums.marked, number * columns + i)
            g = _add_marked(g, word, h, hidden + number * 64 * TALL, TALL, GROUP)
        g = g - load(sums.h, j, GROUP) * at(sums.mu, i) - load(lam, j, GROUP) * at(sums.v, i)
        g = g * load(apart, (tile * weights.tiles.shape[1] + i) * GROUP, GROUP)
        square = i // UNITS * TALL
        store(sums.squares, square, load(sums.squares, square, GROUP) - g * g)
        sums.v[1, i] -= total(g * load(lam, j, GROUP))
        store(sums.h, wide + j, load(sums.h, wide + j, GROUP) - g * at(sums.mu, i))
