"""Kernels that train an RBM: its layers drawn with their means, and weights moved along a sum over weighted states.

Training keeps W^T as rows of hidden units, float32 (H', V'), and a copy in tiles (H' / UNITS, V'', UNITS), from which
both layers are added up: hidden tiles as the layered engine has them, and for visible units 36 neighbouring numbers
are UNITS terms of UNITS inputs. H' and V'' are the numbers of units rounded up to whole tiles, V' to whole vectors;
what fills up is 0 and stays 0. Layers are drawn to the same bits as by the layered engine.

A gradient is one sum over states n with coefficients c_n, those of data above 0 and those of the model below:
sum_n c_n v_n h_n^T. Its terms are added one after the other, c_n h_n times 0 or 1, so that the sum does not depend on
how tiles are shared among threads, nor on a BLAS.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import LOWEST_EXPONENT, exp2, exp64
from fastgibbs.engines.contract import GIBBS
from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.layered import UNITS, WIDE, add_inputs, add_inputs_wide, decide
from fastgibbs.engines.streams import SWEEP, next_word, next_words, stream_state
from fastgibbs.engines.vectors import (
    add_product,
    at,
    bitcast,
    convert,
    full,
    interleave,
    load,
    select,
    store,
    transpose,
)
from fastgibbs.jit import inlined, njit

MINUS_LOG2E = -1.4426950408889634  # exp(-x) = 2^(MINUS_LOG2E x)
_SIGN = -(2**31)


class Chains(NamedTuple):
    """States of an RBM in lanes, a multiple of 16; visible units from row 0, hidden ones from row `hidden_row`."""

    spins: np.ndarray  # float32 (V'' + H', lanes): 0 or 1
    means: np.ndarray  # float32 (H', lanes): 1 / (1 + exp(-beta x)) of hidden units, when they were last drawn
    streams: np.ndarray  # uint64 (4, lanes)
    scale: np.ndarray  # float32 (lanes,): MINUS_LOG2E beta
    energies: np.ndarray  # float32 (lanes,): -sum_j h_j x_j, when hidden units were last drawn
    inputs: np.ndarray  # float32 (UNITS, lanes): those of one tile


def whole(units: int, width: int) -> int:
    """`units` rounded up to a multiple of `width`."""
    return -(-units // width) * width


def chains_of(visible: int, hidden: int, count: int, entropy, domain: int = SWEEP) -> Chains:
    """At least `count` chains, all units 0, at beta = 1, with the streams of a domain."""
    lanes = whole(count, GROUP)
    return Chains(
        np.zeros((whole(visible, UNITS) + whole(hidden, UNITS), lanes), np.float32),
        np.zeros((whole(hidden, UNITS), lanes), np.float32),
        np.column_stack([stream_state(entropy, domain, *divmod(lane, 64)) for lane in range(lanes)]),
        np.full(lanes, MINUS_LOG2E, np.float32),
        np.zeros(lanes, np.float32),
        np.empty((UNITS, lanes), np.float32),
    )


def _adding_visible(width):
    """The function that adds up UNITS visible inputs in `width` lanes."""

    @inlined
    def add_visible(tiles, bias, units, given, first, lane, inputs):
        """a_i + W_i1 h_1 + W_i2 h_2 + ... for units i from `first` on; h are rows `given` ... of `units`."""
        lanes, row = units.shape[1], tiles.shape[1] * UNITS
        place, weight = given * lanes + lane, first * UNITS
        x0 = full(at(bias, first), np.float32, width)
        x1 = full(at(bias, first + 1), np.float32, width)
        x2 = full(at(bias, first + 2), np.float32, width)
        x3 = full(at(bias, first + 3), np.float32, width)
        x4 = full(at(bias, first + 4), np.float32, width)
        x5 = full(at(bias, first + 5), np.float32, width)
        for _ in range(tiles.shape[0]):
            for j in range(UNITS):
                u = load(units, place, width)
                x0 = add_product(x0, at(tiles, weight + j), u)
                x1 = add_product(x1, at(tiles, weight + UNITS + j), u)
                x2 = add_product(x2, at(tiles, weight + 2 * UNITS + j), u)
                x3 = add_product(x3, at(tiles, weight + 3 * UNITS + j), u)
                x4 = add_product(x4, at(tiles, weight + 4 * UNITS + j), u)
                x5 = add_product(x5, at(tiles, weight + 5 * UNITS + j), u)
                place += lanes
            weight += row
        store(inputs, lane, x0)
        store(inputs, lanes + lane, x1)
        store(inputs, 2 * lanes + lane, x2)
        store(inputs, 3 * lanes + lane, x3)
        store(inputs, 4 * lanes + lane, x4)
        store(inputs, 5 * lanes + lane, x5)

    return add_visible


_add_visible_wide, _add_visible = _adding_visible(WIDE), _adding_visible(GROUP)


@inlined
def _mean(exponent):
    """1 / (1 + 2^exponent) of float32 lanes, without overflow."""
    sign = bitcast(exponent, np.int32)
    rarity = bitcast(sign | _SIGN, np.float32)
    lowest = full(LOWEST_EXPONENT, np.float32, GROUP)
    e = exp2(select(rarity < lowest, lowest, rarity))
    one = full(1.0, np.float32, GROUP)
    return select(exponent > full(0.0, np.float32, GROUP), e, one) / (e + 1.0)


@njit
def draw_hidden(tiles, bias, chains, hidden, draws, first, last):
    """Means of the hidden units of lanes `first` ... `last - 1` given the visible ones; if `draws`, also the units.

    With them the energies: `energies` = -sum_j h_j x_j.
    """
    lanes, row0 = chains.spins.shape[1], tiles.shape[1]
    lane = first
    if draws:
        for k in range(first, last):
            chains.energies[k] = 0.0
    while lane < last:
        width = WIDE if lane + WIDE <= last else GROUP
        for tile in range(tiles.shape[0]):
            if width == WIDE:
                add_inputs_wide(tiles, bias, chains.spins, 0, tile, lane, chains.inputs)
            else:
                add_inputs(tiles, bias, chains.spins, 0, tile, lane, chains.inputs)
            for j in range(0, min(UNITS, hidden - tile * UNITS), 2):
                row = tile * UNITS + j
                paired = row + 1 < hidden
                for group in range(lane, lane + width, GROUP):
                    scale = load(chains.scale, group, GROUP)
                    x = load(chains.inputs, j * lanes + group, GROUP)
                    store(chains.means, row * lanes + group, _mean(x * scale))
                    if paired:
                        y = load(chains.inputs, (j + 1) * lanes + group, GROUP)
                        store(chains.means, (row + 1) * lanes + group, _mean(y * scale))
                    if draws:
                        words = next_words(chains.streams, group, GROUP)
                        energy = load(chains.energies, group, GROUP)
                        decide(chains, GIBBS, row0 + row, j, group, convert(words, np.uint32))
                        energy = energy - load(chains.spins, (row0 + row) * lanes + group, GROUP) * x
                        if paired:
                            decide(chains, GIBBS, row0 + row + 1, j + 1, group, convert(words >> 32, np.uint32))
                            y = load(chains.inputs, (j + 1) * lanes + group, GROUP)
                            energy = energy - load(chains.spins, (row0 + row + 1) * lanes + group, GROUP) * y
                        store(chains.energies, group, energy)
        lane += width


@njit
def draw_visible(tiles, bias, chains, visible, first, last):
    """Draw the visible units of lanes `first` ... `last - 1` given the hidden ones."""
    lane = first
    while lane < last:
        width = WIDE if lane + WIDE <= last else GROUP
        for unit in range(0, visible, UNITS):
            if width == WIDE:
                _add_visible_wide(tiles, bias, chains.spins, tiles.shape[1], unit, lane, chains.inputs)
            else:
                _add_visible(tiles, bias, chains.spins, tiles.shape[1], unit, lane, chains.inputs)
            for i in range(0, min(UNITS, visible - unit), 2):
                for group in range(lane, lane + width, GROUP):
                    words = next_words(chains.streams, group, GROUP)
                    decide(chains, GIBBS, unit + i, i, group, convert(words, np.uint32))
                    if unit + i + 1 < visible:
                        decide(chains, GIBBS, unit + i + 1, i + 1, group, convert(words >> 32, np.uint32))
        lane += width


@njit
def swap(chains, bias, visible, lane_at, betas, streams, number):
    """Swap round `number` of ladders, right after hidden units were drawn; `lane_at` int64 (ladders, rungs) changes.

    p = min(1, exp((beta_{r+1} - beta_r) (E_{r+1} - E_r))) of the energies E(v, h), between neighbouring rungs, the
    lower one even or odd in turn (Syed et al., J. R. Stat. Soc. B 84, 321 (2022)).
    """
    ladders, rungs = lane_at.shape
    for ladder in range(ladders):
        for rung in range(number % 2, rungs - 1, 2):
            a, b = lane_at[ladder, rung], lane_at[ladder, rung + 1]
            difference = np.float64(chains.energies[b]) - np.float64(chains.energies[a])
            for i in range(visible):
                difference -= np.float64(bias[i]) * np.float64(chains.spins[i, b] - chains.spins[i, a])
            gain = (betas[rung + 1] - betas[rung]) * difference
            p = 1.0
            if gain < 0:
                p = exp64(max(gain, -700.0))
            if np.float64(next_word(streams[ladder]) >> np.uint64(11)) * 2.0**-53 < p:
                lane_at[ladder, rung], lane_at[ladder, rung + 1] = b, a
                chains.scale[a], chains.scale[b] = chains.scale[b], chains.scale[a]


@njit
def put_columns(rows, count, units, ones, layer):
    """The first `count` rows as lanes of a layer (units, lanes); lanes up to the next sixteenth get what follows.

    `ones`: float32, sixteen of them.
    """
    lanes = layer.shape[1]
    for block in range(0, count, GROUP):
        for unit in range(0, units - GROUP + 1, GROUP):
            transpose(rows, block * rows.shape[1] + unit, rows.shape[1], ones, 0, layer, unit * lanes + block, lanes)
        for unit in range(units - units % GROUP, units):
            for k in range(block, min(block + GROUP, count)):
                layer[unit, k] = rows[k, unit]


@njit
def take_first_rows(layer, units, count, factors, rows, first):
    """`take_rows` of the first `count` lanes; sixteen rows more may be written, and as many factors are read."""
    lanes, columns = layer.shape[1], rows.shape[1]
    for block in range(0, count, GROUP):
        for unit in range(0, units - GROUP + 1, GROUP):
            place = (first + block) * columns + unit
            transpose(layer, unit * lanes + block, lanes, factors, block, rows, place, columns)
        for unit in range(units - units % GROUP, units):
            for k in range(block, min(block + GROUP, count)):
                rows[first + k, unit] = layer[unit, k] * factors[k]


@njit
def take_rows(layer, units, lanes, factors, rows, first):
    """Lane `lanes[k]` of a layer (units, lanes), times `factors[k]` float32, as row `first` + k of `rows`."""
    wide = layer.shape[1]
    for block in range(0, units, GROUP):
        for k in range(lanes.size):
            lane, factor, row = lanes[k], factors[k], rows[first + k]
            for unit in range(block, min(block + GROUP, units)):
                row[unit] = at(layer, unit * wide + lane) * factor


@njit
def add_up(coefficients, rows, first, last, total):
    """total_i = sum_n c_n rows_ni over rows `first` ... `last - 1`, one after the other; float32."""
    total[:] = 0
    for n in range(first, last):
        for i in range(0, total.size, GROUP):
            term = load(rows, n * total.size + i, GROUP) * at(coefficients, n)
            store(total, i, load(total, i, GROUP) + term)


@njit
def projections(rows, count, direction, result):
    """result_n = sum_i rows_ni direction_i in float32, sixteen sums side by side, then those."""
    for n in range(count):
        sums = full(0.0, np.float32, GROUP)
        for i in range(0, direction.size, GROUP):
            sums = sums + load(rows, n * direction.size + i, GROUP) * load(direction, i, GROUP)
        store(result, n, sums)  # result has room for sixteen more
        total = np.float32(0)
        for k in range(GROUP):
            total += result[n + k]
        result[n] = total


class Step(NamedTuple):
    """How weights are moved: v <- momentum v + rate (g - l2 W - l1 sign W), W <- W + v."""

    rate: float
    momentum: float
    l1: float
    l2: float


@njit
def move(weights, velocity, tiles, v, h, count, dv, dh, mu, lam, step, norms, scratch, first, last):
    """Move tiles `first` ... `last - 1` of W along g = sum_n v_n h_n^T - mu dh^T - dv lambda^T.

    `weights` and `velocity`: (H', V'). `v`: (N, V') units 0 or 1; `h`: (N, H'') means times coefficients; `count` rows
    of them. `dv`, `mu`: (V',); `dh`, `lam`: (H'',), H'' being H' rounded up to whole vectors. `norms` (tiles,) float64
    gets sum g^2 of each. `scratch`: float32 (UNITS, WIDE), of this thread.
    """
    columns, hiddens = weights.shape[1], h.shape[1]
    rate, momentum = np.float32(step.rate), np.float32(step.momentum)
    l1, l2 = np.float32(step.l1), np.float32(step.l2)
    for tile in range(first, last):
        norms[tile] = 0.0
    for i in range(0, columns, WIDE):
        for tile in range(first, last):
            j = tile * UNITS
            g0 = full(0.0, np.float32, WIDE)
            g1, g2, g3, g4, g5 = g0, g0, g0, g0, g0
            for n in range(count):
                u = load(v, n * columns + i, WIDE)
                place = n * hiddens + j
                g0 = add_product(g0, at(h, place), u)
                g1 = add_product(g1, at(h, place + 1), u)
                g2 = add_product(g2, at(h, place + 2), u)
                g3 = add_product(g3, at(h, place + 3), u)
                g4 = add_product(g4, at(h, place + 4), u)
                g5 = add_product(g5, at(h, place + 5), u)
            store(scratch, 0, g0)
            store(scratch, WIDE, g1)
            store(scratch, 2 * WIDE, g2)
            store(scratch, 3 * WIDE, g3)
            store(scratch, 4 * WIDE, g4)
            store(scratch, 5 * WIDE, g5)
            square = full(0.0, np.float32, GROUP)
            for k in range(UNITS):
                for e in range(0, WIDE, GROUP):
                    place = (j + k) * columns + i + e
                    g = load(scratch, k * WIDE + e, GROUP)
                    g = g - load(mu, i + e, GROUP) * dh[j + k] - load(dv, i + e, GROUP) * lam[j + k]
                    square = square + g * g
                    W = load(weights, place, GROUP)
                    if l2 != 0:
                        g = g - W * l2
                    if l1 != 0:
                        zero = full(0.0, np.float32, GROUP)
                        pull = full(l1, np.float32, GROUP)
                        g = g - select(zero < W, pull, select(zero > W, zero - pull, zero))
                    g = g * rate
                    if momentum != 0:
                        g = g + load(velocity, place, GROUP) * momentum
                        store(velocity, place, g)
                    W = W + g
                    store(weights, place, W)
                    store(scratch, k * WIDE + e, W)
            for e in range(0, WIDE, GROUP):
                inside = tiles.shape[1] - i - e
                if inside >= GROUP:
                    interleave(scratch, e, WIDE, tiles, (tile * tiles.shape[1] + i + e) * UNITS)
                else:
                    for unit in range(inside):
                        for k in range(UNITS):
                            tiles[tile, i + e + unit, k] = scratch[k, e + unit]
            store(scratch, 0, square)
            for e in range(GROUP):
                norms[tile] += np.float64(scratch[0, e])
