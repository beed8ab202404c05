"""Kernels that draw the layers of an RBM that is trained, with the means of hidden units.

Training keeps W in tiles of GROUP hidden units, float32 (H' / GROUP, V', GROUP); H' and V' are the numbers of units
rounded up to whole groups and to whole UNITS; what fills up is 0 and stays 0. Hidden inputs are added up in vectors of
TALL hidden units, the weights of visible units that are 1 one after the other, which words of 64 bits tell: others
would change no bit. Weights of a word's units come to all lanes before those of the next, from the first cache.
Visible inputs are added up in vectors of chains, UNITS units at once, whose weights come to all lanes too. Layers are
drawn to the bits of the layered engine.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import LOWEST_EXPONENT, acceptance, exp2
from fastgibbs.engines.contract import GIBBS
from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.inputs import TALL, UNITS, WIDE, adding_marked, mark_rows
from fastgibbs.engines.layered import decide
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.streams import SWEEP, chance, lane_streams, next_words
from fastgibbs.engines.vectors import (
    add_product,
    at,
    bitcast,
    convert,
    full,
    load,
    select,
    store,
    transpose,
)
from fastgibbs.jit import called, inlined, njit

MINUS_LOG2E = -1.4426950408889634  # exp(-x) = 2^(MINUS_LOG2E x)
_SIGN = -(2**31)


class Weights(NamedTuple):
    """Parameters, what the last step added to them, and the offsets of hidden units."""

    tiles: np.ndarray  # float32 (H' / GROUP, V', GROUP)
    visible_bias: np.ndarray  # float32 (V',)
    hidden_bias: np.ndarray  # float32 (H',)
    velocity: np.ndarray  # float32, as the tiles
    visible_velocity: np.ndarray  # float64 (V,)
    hidden_velocity: np.ndarray  # float64 (H,)
    offsets: np.ndarray  # float32 (H'',), H' and up to a whole vector: lambda


class Layers(NamedTuple):
    """What layers are drawn by: no more of all weights, since every array of a call takes time."""

    tiles: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    visible: int  # V
    hidden: int  # H


class LayerRows(NamedTuple):
    """States of a step, a row each: those of data, then those of the model; N rows and more, which can be read."""

    v: np.ndarray  # float32 (N, V''), V'' whole words of 64 units: 0 or 1
    h: np.ndarray  # float32 (H'' / TALL, N, TALL), H'' whole vectors: means times coefficients
    coefficients: np.ndarray  # float32 (N,): above 0 of data, below of the model
    ones: np.ndarray  # float32 (N,)


class Phases(NamedTuple):
    """How both phases of a step are drawn."""

    shown: int  # lanes of data
    model: int  # lanes of the model
    steps: int  # Gibbs steps of these
    cd: bool  # whether they start from the data


class LayerChains(NamedTuple):
    """States of an RBM in lanes, a multiple of 16; visible units from row 0, hidden ones from row V'."""

    spins: np.ndarray  # float32 (V' + H', lanes): 0 or 1
    means: np.ndarray  # float32 (lanes, H'): 1 / (1 + exp(-beta x)) of hidden units, when they were last drawn
    streams: np.ndarray  # uint64 (4, lanes)
    scale: np.ndarray  # float32 (lanes,): MINUS_LOG2E beta
    energies: np.ndarray  # float32 (lanes,): -sum_j h_j x_j, when hidden units were last drawn
    inputs: np.ndarray  # float32 (GROUP, lanes): those of one tile
    sums: np.ndarray  # float32 (lanes, TALL): hidden inputs as they are added up
    marked: np.ndarray  # uint64 (lanes, V'' / 64): the visible units that are 1, a bit each
    units: np.ndarray  # float32 (lanes * H',): hidden units, those of a vector of lanes one after the other


def whole(units: int, width: int) -> int:
    """`units` rounded up to a multiple of `width`."""
    return -(-units // width) * width


def chains_of(visible: int, hidden: int, count: int, entropy, domain: int = SWEEP) -> LayerChains:
    """At least `count` chains, all units 0, at beta = 1, with the streams of a domain."""
    lanes, V, H = whole(count, GROUP), whole(visible, UNITS), whole(hidden, GROUP)
    return LayerChains(
        np.zeros((V + H, lanes), np.float32),
        np.zeros((lanes, H), np.float32),
        lane_streams(entropy, range(lanes), domain),
        np.full(lanes, MINUS_LOG2E, np.float32),
        np.zeros(lanes, np.float32),
        np.zeros((GROUP, lanes), np.float32),
        aligned((lanes, TALL), np.float32),
        np.zeros((lanes, whole(V, 64) // 64), np.uint64),
        aligned(lanes * H, np.float32),
    )


def _adding_hidden(width):
    """The function that adds up `width` hidden inputs."""
    add_marked = adding_marked(width)

    @called
    def add_hidden(tiles, bias, chains, tile, first, last):
        """b_j + W_1j v_1 + W_2j v_2 + ... for hidden units j from `tile` on, in lanes `first` ... `last - 1`."""
        apart, words = tiles.shape[1] * GROUP, chains.marked.shape[1]
        for k in range(first, last):
            store(chains.sums, k * TALL, load(bias, tile * GROUP, width))
        for number in range(words):
            place = tile * apart + number * 64 * GROUP
            for k in range(first, last):
                total = load(chains.sums, k * TALL, width)
                total = add_marked(total, at(chains.marked, k * words + number), tiles, place, GROUP, apart)
                store(chains.sums, k * TALL, total)

    return add_hidden


_add_hidden_wide, _add_hidden = _adding_hidden(TALL), _adding_hidden(GROUP)


def _adding_visible(width):
    """The function that adds up UNITS visible inputs in `width` lanes."""

    @inlined
    def add_visible(tiles, bias, chains, first, lane):
        """a_i + W_i1 h_1 + W_i2 h_2 + ... for visible units i from `first` on."""
        lanes = chains.spins.shape[1]
        place, weight = lane * tiles.shape[0] * GROUP, first * GROUP
        x0 = full(at(bias, first), np.float32, width)
        x1 = full(at(bias, first + 1), np.float32, width)
        x2 = full(at(bias, first + 2), np.float32, width)
        x3 = full(at(bias, first + 3), np.float32, width)
        x4 = full(at(bias, first + 4), np.float32, width)
        x5 = full(at(bias, first + 5), np.float32, width)
        for _ in range(tiles.shape[0]):
            for j in range(GROUP):
                u = load(chains.units, place, width)
                x0 = add_product(x0, at(tiles, weight + j), u)
                x1 = add_product(x1, at(tiles, weight + GROUP + j), u)
                x2 = add_product(x2, at(tiles, weight + 2 * GROUP + j), u)
                x3 = add_product(x3, at(tiles, weight + 3 * GROUP + j), u)
                x4 = add_product(x4, at(tiles, weight + 4 * GROUP + j), u)
                x5 = add_product(x5, at(tiles, weight + 5 * GROUP + j), u)
                place += width
            weight += tiles.shape[1] * GROUP
        store(chains.inputs, lane, x0)
        store(chains.inputs, lanes + lane, x1)
        store(chains.inputs, 2 * lanes + lane, x2)
        store(chains.inputs, 3 * lanes + lane, x3)
        store(chains.inputs, 4 * lanes + lane, x4)
        store(chains.inputs, 5 * lanes + lane, x5)

    return add_visible


@inlined
def mean(exponent):
    """1 / (1 + 2^exponent) of float32 lanes, without overflow."""
    sign = bitcast(exponent, np.int32)
    rarity = bitcast(sign | _SIGN, np.float32)
    lowest = full(LOWEST_EXPONENT, np.float32, GROUP)
    e = exp2(select(rarity < lowest, lowest, rarity))
    one = full(1.0, np.float32, GROUP)
    return select(exponent > full(0.0, np.float32, GROUP), e, one) / (e + 1.0)


@njit
def draw_hidden(layers, chains, v, given, draws, first, last):
    """Means of the hidden units of lanes `first` ... `last - 1` given the visible ones; if `draws`, also the units.

    `v`: float32 (N, V''), V'' whole words of 64 units; lane k is row `given` + k.
    With units the energies: `energies` = -sum_j h_j x_j.
    Lanes up to the next sixteenth are drawn from stale inputs.
    """
    tiles, bias, hidden = layers.tiles, layers.hidden_bias, layers.hidden
    lanes, row0, columns = chains.spins.shape[1], tiles.shape[1], chains.means.shape[1]
    if draws:
        for k in range(first, last):
            chains.energies[k] = 0.0
    mark_rows(v, given * v.shape[1], v.shape[1], chains.marked.shape[1], chains.marked, first, last)
    tile = np.int64(0)  # not the literal, which functions would be compiled for besides
    while tile < tiles.shape[0]:
        width = TALL if tile + TALL // GROUP <= tiles.shape[0] else GROUP
        if width == TALL:
            _add_hidden_wide(tiles, bias, chains, tile, first, last)
        else:
            _add_hidden(tiles, bias, chains, tile, first, last)
        for part in range(0, width, GROUP):
            unit = tile * GROUP + part
            for k in range(first, last):
                x = load(chains.sums, k * TALL + part, GROUP)
                store(chains.means, k * columns + unit, mean(x * at(chains.scale, k)))
            if not draws:
                continue
            for group in range(first, last, GROUP):
                transpose(chains.sums, group * TALL + part, TALL, chains.inputs, group, lanes)
                energy = load(chains.energies, group, GROUP)
                for j in range(0, min(GROUP, hidden - unit), 2):
                    words = next_words(chains.streams, group, GROUP)
                    x, place = j * lanes + group, (row0 + unit + j) * lanes + group
                    low, high = convert(words, np.uint32), convert(words >> 32, np.uint32)
                    decide(chains.spins, place, chains.inputs, x, chains.scale, group, GIBBS, low)
                    energy = energy - load(chains.spins, place, GROUP) * load(chains.inputs, x, GROUP)
                    if unit + j + 1 < hidden:
                        x, place = x + lanes, place + lanes
                        decide(chains.spins, place, chains.inputs, x, chains.scale, group, GIBBS, high)
                        energy = energy - load(chains.spins, place, GROUP) * load(chains.inputs, x, GROUP)
                store(chains.energies, group, energy)
        tile += width // GROUP


def _drawing_visible(width):
    """The functions that draw visible units in `width` lanes."""
    add_visible = _adding_visible(width)

    @called
    def take_hidden(layers, chains, lane):
        """Hidden units one after the other, as they are multiplied."""
        lanes, first, count = chains.spins.shape[1], layers.tiles.shape[1], layers.tiles.shape[0] * GROUP
        for j in range(count):
            store(chains.units, lane * count + j * width, load(chains.spins, (first + j) * lanes + lane, width))

    @called
    def draw(layers, chains, unit, lane):
        """Draw UNITS visible units from `unit` on given the hidden ones."""
        lanes = chains.spins.shape[1]
        add_visible(layers.tiles, layers.visible_bias, chains, unit, lane)
        for i in range(0, min(UNITS, layers.visible - unit), 2):
            for group in range(lane, lane + width, GROUP):
                words = next_words(chains.streams, group, GROUP)
                x, place = i * lanes + group, (unit + i) * lanes + group
                low, high = convert(words, np.uint32), convert(words >> 32, np.uint32)
                decide(chains.spins, place, chains.inputs, x, chains.scale, group, GIBBS, low)
                if unit + i + 1 < layers.visible:
                    x, place = x + lanes, place + lanes
                    decide(chains.spins, place, chains.inputs, x, chains.scale, group, GIBBS, high)

    return take_hidden, draw


(_take_wide, _draw_wide), (_take, _draw) = _drawing_visible(WIDE), _drawing_visible(GROUP)


@njit
def draw_visible(layers, chains, v, given, begin, end, first, last):
    """Draw visible units `begin` ... `end - 1` of lanes `first` ... `last - 1`, and up to the next sixteenth.

    They are whole UNITS from `begin` on, and up to `end` or to the last of all. Row `given` + k of `v`, float32
    (N, V''), gets those of lane k.
    """
    lanes, columns = chains.spins.shape[1], v.shape[1]
    wide = first + max(0, last + GROUP - 1 - first) // WIDE * WIDE  # lanes until there are whole vectors
    for lane in range(first, wide, WIDE):
        _take_wide(layers, chains, lane)
    for lane in range(wide, last, GROUP):
        _take(layers, chains, lane)
    for unit in range(begin, end, UNITS):  # whose weights come to all lanes
        for lane in range(first, wide, WIDE):
            _draw_wide(layers, chains, unit, lane)
        for lane in range(wide, last, GROUP):
            _draw(layers, chains, unit, lane)
    for group in range(first, last, GROUP):
        for unit in range(begin, end - GROUP + 1, GROUP):
            transpose(chains.spins, unit * lanes + group, lanes, v, (given + group) * columns + unit, columns)
        for unit in range(end - (end - begin) % GROUP, end):
            for k in range(group, group + GROUP):
                v[given + k, unit] = chains.spins[unit, k]


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
            if chance(streams[ladder], acceptance((betas[rung + 1] - betas[rung]) * difference)):
                lane_at[ladder, rung], lane_at[ladder, rung + 1] = b, a
                chains.scale[a], chains.scale[b] = chains.scale[b], chains.scale[a]


@called
def take_row(source, units, taken, factor, rows, number):
    """Row `taken` of `source`, times a factor, as row `number` of `rows`: (N, columns) or (tiles, N, TALL)."""
    place, target = taken * source.shape[1], number * rows.shape[-1]
    apart = rows.shape[1] * TALL if rows.ndim == 3 else TALL
    for unit in range(0, units - GROUP + 1, GROUP):
        there = target + unit // TALL * apart + unit % TALL
        store(rows, there, load(source, place + unit, GROUP) * factor)
    for unit in range(units - units % GROUP, units):
        there = target + unit // TALL * apart + unit % TALL
        store(rows, there, load(source, place + unit, 1) * factor)


@njit
def take_rows(source, units, taken, factors, rows, first):
    """Row `taken[k]` of `source`, times `factors[k]` float32, as row `first` + k of `rows`, one after the other."""
    for k in range(taken.size):
        take_row(source, units, taken[k], at(factors, k), rows, first + k)


# in one kernel, not made machine code on their own
_draw_hidden, _draw_visible = (called(kernel.py_func) for kernel in (draw_hidden, draw_visible))


@njit
def draw_phases(layers, shown, chains, rows, phases, first, last):
    """Both phases of a step, of lanes `first` ... `last - 1` of data and of the model, in one call.

    Rows of the model come after those of data. All tuples are plain ones: Numba takes 0.6 us longer for a named one.
    """
    layers, shown, chains = Layers(*layers), LayerChains(*shown), LayerChains(*chains)
    rows, phases = LayerRows(*rows), Phases(*phases)
    v, data = rows.v, phases.shown
    end = min(last, data)
    if first < end:
        _draw_hidden(layers, shown, v, np.int64(0), phases.cd, first, end)
        for k in range(first, end):
            take_row(shown.means, layers.hidden, k, at(rows.coefficients, k), rows.h, k)
    end = min(last, phases.model)
    if first < end:
        for step in range(phases.steps):
            _draw_visible(layers, chains, v, data, np.int64(0), layers.visible, first, end)
            _draw_hidden(layers, chains, v, data, not phases.cd or step + 1 < phases.steps, first, end)
        for k in range(first, end):
            take_row(chains.means, layers.hidden, k, at(rows.coefficients, data + k), rows.h, data + k)
