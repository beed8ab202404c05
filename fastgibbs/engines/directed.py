"""Kernels that draw the layers of directed machines, one given another, and move the weights between them.

A passage leads from a layer, the source, to another one, the target; a layer without a source has a source of no
units. The gradient of log p(target | source) is a sum over states of source times error, the target less its mean.
Inputs and gradients are sums of marked rows, taken in fours (see fours.py). All numbers of a machine are in a few
arrays, since every array of a call takes time: one call draws all layers, and another one moves all parameters.

Weights are in tiles of GROUP units of the target, float32 (T' / GROUP, S', GROUP), T' and S' being the numbers of
units rounded up to whole groups and fours; what fills up is 0 and stays 0.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.contract import GIBBS
from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.fours import SPAN, TABLE, add_narrow, add_wide
from fastgibbs.engines.gradients import Step, moving_row, project
from fastgibbs.engines.layered import decide
from fastgibbs.engines.phases import mean
from fastgibbs.engines.streams import stepped
from fastgibbs.engines.vectors import at, bits, convert, full, load, select, store, total, transpose
from fastgibbs.jit import called, inlined, njit

WORDS = GROUP // 2  # of random bits that a lane takes for a group of units
_DRAWN = 8  # lanes of streams that registers hold


class Passage(NamedTuple):
    """A passage: numbers of units, and where its numbers begin in the arrays of a net."""

    source: int  # S
    target: int  # T
    downwards: int  # or upwards, which draws awake and learns asleep
    rows: int  # S'
    weights: int
    biases: int
    moving: int
    mu: int
    x: int  # rows of the source
    columns: int  # of these
    y: int  # rows of the target
    y_columns: int


class Net(NamedTuple):
    """A directed machine, and the states of all its layers in lanes; from `inputs` on what calls use meanwhile."""

    weights: np.ndarray  # float32
    biases: np.ndarray  # float32
    velocity: np.ndarray  # float32, as the weights: what the last step added
    bias_velocity: np.ndarray  # float64
    offsets: np.ndarray  # float32: mu of all layers
    streams: np.ndarray  # uint64 (4, lanes)
    rows: np.ndarray  # float32 (2, -): layers (lanes, columns) of 0 and 1, awake and asleep
    factors: np.ndarray  # float32 (2, lanes): coefficients of states awake and asleep
    scale: np.ndarray  # float32 (lanes,): -log2(e)
    passages: np.ndarray  # int64 (passages, numbers of a `Passage`)
    inputs: np.ndarray  # float32 (lanes, SPAN)
    across: np.ndarray  # float32 (lanes, GROUP): inputs of a group of units in a group of lanes
    units: np.ndarray  # float32 (lanes, GROUP): what is drawn of them
    words: np.ndarray  # uint64 (lanes, WORDS)
    of_lanes: np.ndarray  # uint32 (lanes, -): which units of the source are 1, a bit each
    of_units: np.ndarray  # uint32 (lanes / SPAN, -): the rows where a unit of the source is 1, a bit each
    tables: np.ndarray  # float32 (-, TABLE): what add_fours writes, one for each group of lanes or block of units
    errors: np.ndarray  # float32 (-, lanes, SPAN): target less mean, times coefficients
    products: np.ndarray  # float32 (units, SPAN): sums of these over the rows where a unit of the source is 1
    sums: np.ndarray  # float32 (2, -): sum_n e_n and sum_n e_n (x_n . mu)
    along: np.ndarray  # float32 (lanes,): x_n . mu
    parts: np.ndarray  # float32 (2, GROUP, GROUP): of these, as they are added up
    squares: np.ndarray  # float32 (blocks, SPAN): of the gradient of the weights of GROUP units of the source


@inlined
def _passage(net, number):
    """A passage of a net."""
    p, k = net.passages, number * net.passages.shape[1]
    return Passage(
        at(p, k),
        at(p, k + 1),
        at(p, k + 2),
        at(p, k + 3),
        at(p, k + 4),
        at(p, k + 5),
        at(p, k + 6),
        at(p, k + 7),
        at(p, k + 8),
        at(p, k + 9),
        at(p, k + 10),
        at(p, k + 11),
    )


@inlined
def _width(p, tile):
    """How many units of the target are added up at once from this tile on."""
    return SPAN if (tile + 1) * GROUP < p.target else GROUP


@inlined
def _mark_lanes(net, p, x, first, last):
    """Mark the units of the source that are 1, lane by lane."""
    words = -(-p.source // SPAN)
    for k in range(first, last):
        for number in range(words):
            place = x + k * p.columns + number * SPAN
            low, high = (
                np.uint32(bits(load(net.rows, place, GROUP) > 0)),
                np.uint32(bits(load(net.rows, place + GROUP, GROUP) > 0)),
            )
            store(net.of_lanes, k * words + number, full(low | high << np.uint32(GROUP), np.uint32, 1))


@inlined
def _add_inputs(net, p, tile, first, last):
    """b_j + sum_i W_ji x_i for units j of the target from `tile` on, of lanes that are marked, to `inputs`."""
    apart, place, words = p.rows * GROUP, p.biases + tile * GROUP, -(-p.source // SPAN)
    marked, table = (net.of_lanes, 0, words, 1), (net.tables, first // GROUP * TABLE)
    rows = p.weights + tile * apart, apart
    if _width(p, tile) == SPAN:
        for k in range(first, last):
            store(net.inputs, k * SPAN, load(net.biases, place, SPAN))
        add_wide(net.weights, rows, GROUP, p.source, marked, net.inputs, (first, last), table)
    else:
        for k in range(first, last):
            store(net.inputs, k * SPAN, load(net.biases, place, GROUP))
        add_narrow(net.weights, rows, GROUP, p.source, marked, net.inputs, (first, last), table)


@inlined
def _draw_words(net, lane, count):
    """The next words of the streams of 16 lanes, `count` each."""
    streams = net.streams
    lanes = streams.shape[1]
    for here in range(lane, lane + GROUP, _DRAWN):
        a, b = load(streams, here, _DRAWN), load(streams, lanes + here, _DRAWN)
        c, counter = load(streams, 2 * lanes + here, _DRAWN), load(streams, 3 * lanes + here, _DRAWN)
        for k in range(count):
            word, a, b, c, counter = stepped(a, b, c, counter)
            store(net.words, lane * WORDS + k * GROUP + here - lane, word)
        store(streams, here, a)
        store(streams, lanes + here, b)
        store(streams, 2 * lanes + here, c)
        store(streams, 3 * lanes + here, counter)


@inlined
def _draw_units(net, lane, part, count):
    """Draw `count` units, at most 16, in 16 lanes, given their inputs from `part` on; others are 0."""
    place = lane * GROUP
    transpose(net.inputs, lane * SPAN + part, SPAN, net.across, place, GROUP)
    _draw_words(net, lane, (count + 1) >> 1)
    for j in range(0, count, 2):
        words, here = load(net.words, lane * WORDS + (j >> 1) * GROUP, GROUP), place + j * GROUP
        low, high = convert(words, np.uint32), convert(words >> 32, np.uint32)
        decide(net.units, here, net.across, here, net.scale, lane, GIBBS, low)
        decide(net.units, here + GROUP, net.across, here + GROUP, net.scale, lane, GIBBS, high)
    for j in range(count, GROUP):
        store(net.units, place + j * GROUP, full(0.0, np.float32, GROUP))


@called
def _draw(net, number, first, last):
    p = _passage(net, number)
    here = p.downwards * net.rows.shape[1]
    _mark_lanes(net, p, here + p.x, first, last)
    tile = np.int64(0)
    while tile * GROUP < p.target:
        _add_inputs(net, p, tile, first, last)
        width = _width(p, tile)
        for part in range(0, width, GROUP):
            unit = tile * GROUP + part
            for lane in range(first, last, GROUP):
                _draw_units(net, lane, part, min(GROUP, p.target - unit))
                to = here + p.y + lane * p.y_columns + unit
                transpose(net.units, lane * GROUP, GROUP, net.rows, to, p.y_columns)
        tile += width // GROUP


@called
def _err(net, number, first, last):
    """e = c (target - mean) of the units of the target."""
    p = _passage(net, number)
    phase = 1 - p.downwards
    here, lanes = phase * net.rows.shape[1], net.factors.shape[1]
    _mark_lanes(net, p, here + p.x, first, last)
    tile = np.int64(0)
    while tile * GROUP < p.target:
        _add_inputs(net, p, tile, first, last)
        width, errors = _width(p, tile), tile * GROUP // SPAN * lanes * SPAN
        for k in range(first, last):
            c, y = at(net.factors, phase * lanes + k), here + p.y + k * p.y_columns + tile * GROUP
            for part in range(0, width, GROUP):
                exponent = load(net.inputs, k * SPAN + part, GROUP) * at(net.scale, k)
                store(net.errors, errors + k * SPAN + part, (load(net.rows, y + part, GROUP) - mean(exponent)) * c)
            for j in range(p.target - tile * GROUP, width):
                store(net.errors, errors + k * SPAN + j, full(0.0, np.float32, 1))
        tile += width // GROUP


@inlined
def _square(mu):
    """|mu|^2 in float64."""
    total = 0.0
    for i in range(mu.size):
        total += np.float64(mu[i]) ** 2
    return total


@called
def _add_up(net, number, count):
    """The sums over `count` rows that weights are moved by, terms one after the other; with offsets those by mu too."""
    p = _passage(net, number)
    lanes, columns, off = net.factors.shape[1], net.sums.shape[1], full(0, np.uint32, GROUP)
    x = (1 - p.downwards) * net.rows.shape[1] + p.x
    for i in range(0, p.source, GROUP):
        for begin in range(0, count, SPAN):
            words = off
            for n in range(begin, min(begin + SPAN, count)):
                bit = full(np.uint32(1) << np.uint32(n - begin), np.uint32, GROUP)
                words = words | select(load(net.rows, x + n * p.columns + i, GROUP) > 0, bit, off)
            store(net.of_units, begin // SPAN * p.columns + i, words)
    mu = net.offsets[p.mu : p.mu + p.columns]
    centered, zero = _square(mu) > 0, full(0.0, np.float32, SPAN)
    if centered:
        rows = net.rows.reshape(net.rows.size)[x : x + lanes * p.columns].reshape(lanes, p.columns)
        project(rows, count, mu, net.parts, net.along)
    for j in range(0, p.target, SPAN):
        one, along = zero, zero
        for n in range(count):
            row = load(net.errors, (j // SPAN * lanes + n) * SPAN, SPAN)
            one = one + row
            if centered:
                along = along + row * at(net.along, n)
        store(net.sums, j, one)
        store(net.sums, columns + j, along)


def _moving(width):
    """The function that moves the weights of `width` units of the target."""
    move_row, add_fours = moving_row(width), add_wide if width == SPAN else add_narrow

    @called
    def move_tile(net, p, tile, count, step, first, last):
        """Move those of units `first` ... `last - 1` of the source, whole blocks, with the units from `tile` on."""
        for i in range(first, last):
            store(net.products, i * SPAN, full(0.0, np.float32, width))
        errors = tile * GROUP // SPAN * net.factors.shape[1] * SPAN
        marked, table = (net.of_units, 0, 1, p.columns), (net.tables, first // GROUP * TABLE)
        add_fours(net.errors, (errors, GROUP), SPAN, count, marked, net.products, (first, last), table)
        dh, apart = load(net.sums, tile * GROUP, width), p.rows * GROUP
        for block in range(first, last, GROUP):
            squares = load(net.squares, block // GROUP * SPAN, width)
            for i in range(block, min(block + GROUP, last)):
                g = load(net.products, i * SPAN, width) - dh * at(net.offsets, p.mu + i)
                squares = squares + g * g
                move_row(net.weights, net.velocity, p.weights + tile * apart + i * GROUP, apart, g, step)
            store(net.squares, block // GROUP * SPAN, squares)

    return move_tile


_move_wide, _move_narrow = _moving(SPAN), _moving(GROUP)


@called
def _move(net, number, count, step, first, last):
    """Move the weights of blocks `first` ... `last - 1` of GROUP units of the source along sum_n (x_n - mu) e_n."""
    p, tile = _passage(net, number), np.int64(0)
    end = min(last * GROUP, p.source)
    for block in range(first, last):
        store(net.squares, block * SPAN, full(0.0, np.float32, SPAN))
    while tile * GROUP < p.target:
        width = _width(p, tile)
        if width == SPAN:
            _move_wide(net, p, tile, count, step, first * GROUP, end)
        else:
            _move_narrow(net, p, tile, count, step, first * GROUP, end)
        tile += width // GROUP


@called
def _follow(net, number, count, step, whole, following):
    """Move biases along sum_n e_n - dW mu, let mu follow the mean of the source awake; |gradient|^2.

    dW mu = sum_n e_n (x_n . mu) - |mu|^2 sum_n e_n, in float64; mu moves the share `following` of the way.
    """
    p = _passage(net, number)
    mu, of_weights = net.offsets[p.mu : p.mu + p.columns], full(0.0, np.float64, GROUP)
    mu2 = _square(mu)
    for k in range(0, -(-p.source // GROUP) * SPAN, GROUP):
        of_weights = of_weights + convert(load(net.squares, k, GROUP), np.float64)
    square = total(of_weights)
    for j in range(p.target):
        dh, along = net.sums[0, j], net.sums[1, j]
        change = dh - (along - dh * mu2)
        square += change**2
        moved = step.momentum * net.bias_velocity[p.moving + j] + step.rate * change
        net.bias_velocity[p.moving + j] = moved
        net.biases[p.biases + j] = np.float32(np.float64(net.biases[p.biases + j]) + moved)
    if following > 0 and p.downwards > 0:
        for i in range(0, p.source, GROUP):
            mean_of, away = full(0.0, np.float32, GROUP), load(mu, i, GROUP)
            for n in range(count):
                mean_of = mean_of + load(net.rows, p.x + n * p.columns + i, GROUP) * at(net.factors, n)
            store(mu, i, away + (mean_of - away * np.float32(whole)) * np.float32(following))
    return square


@njit
def draw(net, begin, end, first, last):
    """Draw the targets of passages `begin` ... `end - 1`, in turn, in lanes `first` ... `last - 1`, whole groups.

    Those upwards awake, those downwards asleep. Of all kernels: `net` is the plain tuple of a `Net`, `step` of a
    `Step`; threads may share lanes and blocks, in whole groups of the former.
    """
    net = Net(*net)
    for number in range(begin, end):
        _draw(net, number, first, last)


@njit
def learn(net, begin, end, count, step, whole, following):
    """Move all parameters of passages `begin` ... `end - 1`, those upwards by states asleep, others by those awake.

    By `count` lanes, whose coefficients sum to `whole`; the norm of the gradient.
    """
    net, step, square = Net(*net), Step(*step), 0.0
    for number in range(begin, end):
        _err(net, number, 0, count)
        _add_up(net, number, count)
        _move(net, number, count, step, 0, -(-at(net.passages, number * net.passages.shape[1]) // GROUP))
        square += _follow(net, number, count, step, whole, following)
    return np.sqrt(square)


@njit
def err(net, number, first, last):
    """The first part of `learn` for one passage, of lanes `first` ... `last - 1`."""
    _err(Net(*net), number, first, last)


@njit
def add_up(net, number, count):
    """The second part."""
    _add_up(Net(*net), number, count)


@njit
def move(net, number, count, step, first, last):
    """The third part, of blocks `first` ... `last - 1` of GROUP units of the source."""
    _move(Net(*net), number, count, Step(*step), first, last)


@njit
def follow(net, number, count, step, whole, following):
    """The last part; the square of the norm of the gradient."""
    return _follow(Net(*net), number, count, Step(*step), whole, following)
