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
from fastgibbs.engines.fours import SPAN, TABLE, add_fours
from fastgibbs.engines.gradients import Step, moving_row, project
from fastgibbs.engines.inputs import mark, mark_rows
from fastgibbs.engines.layered import decide
from fastgibbs.engines.phases import mean
from fastgibbs.engines.streams import close_streams, open_streams, stepped
from fastgibbs.engines.vectors import at, bitcast, convert, full, load, store, total, transpose
from fastgibbs.jit import called, inlined, njit

WORDS = GROUP // 2  # that a lane takes for a group of units, and lanes whose streams are drawn from at once
_move_row = moving_row(GROUP)


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
    scale: np.ndarray  # float32 (GROUP,): -log2(e)
    passages: np.ndarray  # int64 (passages, numbers of a `Passage`)
    inputs: np.ndarray  # float32 (lanes, GROUP): of a group of units
    words: np.ndarray  # uint64 (lanes, WORDS)
    of_lanes: np.ndarray  # uint64 (lanes, -): which units of the source are 1, a bit each
    of_units: np.ndarray  # uint64 (lanes / SPAN, -): the rows where a unit of the source is 1, a bit each
    tables: np.ndarray  # float32 (-, TABLE): what add_fours writes, one for each group of lanes or block of units
    errors: np.ndarray  # float32 (-, lanes, GROUP): target less mean, times coefficients
    products: np.ndarray  # float32 (units, GROUP): sums of these over the rows where a unit of the source is 1
    sums: np.ndarray  # float32 (2, -): sum_n e_n and sum_n e_n (x_n . mu)
    along: np.ndarray  # float32 (lanes,): x_n . mu
    parts: np.ndarray  # float32 (2, GROUP, GROUP): of these, as they are added up
    squares: np.ndarray  # float32 (blocks, GROUP): of the gradient of the weights of GROUP units of the source


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
def _add_inputs(net, p, tile, first, last):
    """b_j + sum_i W_ji x_i for the units j of a tile of the target, of lanes that are marked, to `inputs`."""
    for k in range(first, last):
        store(net.inputs, k * GROUP, load(net.biases, p.biases + tile * GROUP, GROUP))
    marked, table = (net.of_lanes, 0, -(-p.source // SPAN), 1), (net.tables, first // GROUP * TABLE)
    place = p.weights + tile * p.rows * GROUP
    add_fours(net.weights, place, p.source, marked, net.inputs, (first, last), table)


@inlined
def _draw_words(net, lane, count):
    """The next words of the streams of eight lanes, `count` each, those of a lane side by side."""
    lanes = net.streams.shape[1]
    a, b, c, counter = open_streams(net.streams, lane, lanes, WORDS)
    for k in range(count):
        word, a, b, c, counter = stepped(a, b, c, counter)
        store(net.words, (lane + k) * WORDS, word)
    close_streams(net.streams, lane, lanes, (a, b, c, counter))
    transpose(net.words, lane * WORDS, WORDS, net.words, lane * WORDS, WORDS)


@called
def _draw(net, number, first, last):
    p = _passage(net, number)
    here = p.downwards * net.rows.shape[1]
    mark_rows(net.rows, here + p.x, p.columns, -(-p.source // SPAN), net.of_lanes, first, last)
    for tile in range(-(-p.target // GROUP)):
        _add_inputs(net, p, tile, first, last)
        count, place = min(GROUP, p.target - tile * GROUP), here + p.y + tile * GROUP
        for lane in range(first, last, WORDS):
            _draw_words(net, lane, (count + 1) >> 1)
        for k in range(first, last):
            bits_of_units, row = bitcast(load(net.words, k * WORDS, WORDS), np.uint32), place + k * p.y_columns
            decide(net.rows, row, net.inputs, k * GROUP, net.scale, 0, GIBBS, bits_of_units)
            for j in range(count, GROUP):
                store(net.rows, row + j, full(0.0, np.float32, 1))


@called
def _err(net, number, first, last):
    """e = c (target - mean) of the units of the target."""
    p = _passage(net, number)
    phase = 1 - p.downwards
    here, lanes = phase * net.rows.shape[1], net.factors.shape[1]
    mark_rows(net.rows, here + p.x, p.columns, -(-p.source // SPAN), net.of_lanes, first, last)
    for tile in range(-(-p.target // GROUP)):
        _add_inputs(net, p, tile, first, last)
        for k in range(first, last):
            place, y = (tile * lanes + k) * GROUP, here + p.y + k * p.y_columns + tile * GROUP
            means = mean(load(net.inputs, k * GROUP, GROUP) * load(net.scale, 0, GROUP))
            store(net.errors, place, (load(net.rows, y, GROUP) - means) * at(net.factors, phase * lanes + k))
            for j in range(p.target - tile * GROUP, GROUP):
                store(net.errors, place + j, full(0.0, np.float32, 1))


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
    lanes, columns = net.factors.shape[1], net.sums.shape[1]
    x = (1 - p.downwards) * net.rows.shape[1] + p.x
    for i in range(0, p.source, GROUP):
        mark(net.rows, x + i, p.columns, count, net.of_units, i, p.columns)
    mu = net.offsets[p.mu : p.mu + p.columns]
    centered, zero = _square(mu) > 0, full(0.0, np.float32, GROUP)
    if centered:
        rows = net.rows.reshape(net.rows.size)[x : x + lanes * p.columns].reshape(lanes, p.columns)
        project(rows, count, mu, net.parts, net.along)
    for j in range(0, p.target, GROUP):
        one, along = zero, zero
        for n in range(count):
            row = load(net.errors, j * lanes + n * GROUP, GROUP)
            one = one + row
            if centered:
                along = along + row * at(net.along, n)
        store(net.sums, j, one)
        store(net.sums, columns + j, along)


@called
def _move(net, number, count, step, first, last):
    """Move the weights of blocks `first` ... `last - 1` of GROUP units of the source along sum_n (x_n - mu) e_n."""
    p = _passage(net, number)
    span, marked = (first * GROUP, min(last * GROUP, p.source)), (net.of_units, 0, 1, p.columns)
    for block in range(first, last):
        store(net.squares, block * GROUP, full(0.0, np.float32, GROUP))
    for tile in range(-(-p.target // GROUP)):
        for i in range(span[0], span[1]):
            store(net.products, i * GROUP, full(0.0, np.float32, GROUP))
        place, table = tile * net.factors.shape[1] * GROUP, (net.tables, first * TABLE)
        add_fours(net.errors, place, count, marked, net.products, span, table)
        dh, weight = load(net.sums, tile * GROUP, GROUP), p.weights + tile * p.rows * GROUP
        for block in range(first, last):
            squares = load(net.squares, block * GROUP, GROUP)
            for i in range(block * GROUP, min(block * GROUP + GROUP, p.source)):
                g = load(net.products, i * GROUP, GROUP) - dh * at(net.offsets, p.mu + i)
                squares = squares + g * g
                _move_row(net.weights, net.velocity, weight + i * GROUP, GROUP, g, step)
            store(net.squares, block * GROUP, squares)


@called
def _follow(net, number, count, step, whole, following):
    """Move biases along sum_n e_n - dW mu, let mu follow the mean of the source awake; |gradient|^2.

    dW mu = sum_n e_n (x_n . mu) - |mu|^2 sum_n e_n, in float64; mu moves the share `following` of the way.
    """
    p = _passage(net, number)
    mu, of_weights = net.offsets[p.mu : p.mu + p.columns], full(0.0, np.float64, GROUP)
    mu2 = _square(mu)
    for k in range(0, -(-p.source // GROUP) * GROUP, GROUP):
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
