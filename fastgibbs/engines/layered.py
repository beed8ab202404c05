"""The layered engine: an RBM's hidden units all at once given the visible ones, then the visible ones given those.

A layer's inputs x = b + W u are a matrix product. The other layer's units u are 0 or 1, so that every product W u is
exact, and an input is the float32 sum of its terms one after the other, fused or not: the same bits on any machine and
in NumPy, with any number of chains and threads, which no BLAS promises. Tiles of inputs are added up in registers, in
one of two ways (see engines/inputs.py), and decided at once, so a product is never written out; W is laid out for it
once for all sweeps. Both layers of SPAN lanes are drawn before those of the next, from units that lie in the order in
which they are multiplied: taken from rows of all lanes, each would be a line of the cache, all in the same few places.
Terms of units that are held are added first, once a run: sweeps go on from there with those of free units.

Unit j of a layer is decided by half a word of its lane's stream: the low half of word j / 2 of that layer if j is even.

Energies come from the inputs of visible units that a sweep ends with, whose hidden units are still there: E = -b.h -
v.(a + W h) is a sum over units, in float64, of numbers that are float32. It is the same if inputs are added up anew.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, precision, sparse
from fastgibbs.engines.arithmetic import LOWEST_EXPONENT, exp2, scales, uniform
from fastgibbs.engines.bytespins import start_spins, sum_spins, unpack
from fastgibbs.engines.contract import GIBBS, METROPOLIS, UNMEASURED, Engine
from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.inputs import TALL, UNITS, WIDE, adding, adding_tall, beginning, mark
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.streams import lane_streams, next_words
from fastgibbs.engines.vectors import add_product, at, bitcast, convert, full, load, select, store
from fastgibbs.jit import called, gives, inlined, njit
from fastgibbs.models import RBM

SPAN = 64  # lanes whose layers are drawn before those of the next: weights come to them all
_SIGN = -(2**31)
_ONE = 0x3F800000  # the bits of 1.0


class LayeredPlan(NamedTuple):
    """An RBM for this engine. `unit` is a power of two that keeps float32 weights in range.

    Tiles are (tiles, units of the other layer, UNITS), and biases (tiles * UNITS,); zeros fill up the last tile. Those
    of sweeps hold free units alone, of both layers, in the order of `free`; the others go on with held units. In a
    block with held units, biases are (tiles * UNITS, lanes), what held units add included.
    """

    n: int
    visible: int  # how many units of `free` are visible: the first
    unit: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of input at every beta
    hidden_tiles: np.ndarray  # float32: W / unit, tiles of hidden units
    hidden_bias: np.ndarray  # float32: b / unit
    visible_tiles: np.ndarray  # float32: W^T / unit, tiles of visible units
    visible_bias: np.ndarray  # float32: a / unit
    held_visible: np.ndarray  # float32: tiles of hidden units, of the terms of held visible ones
    held_hidden: np.ndarray  # float32: tiles of visible units, of the terms of held hidden ones
    held: np.ndarray  # float64 (lanes,): -E / unit if all free units were 0
    free: np.ndarray  # int32: the units that sweeps draw, in ascending order


class LayeredState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # int8 (V + H, lanes): 2 u - 1, visible units first
    streams: np.ndarray  # uint64 (4, lanes)
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    units: np.ndarray  # float32 (SPAN * free units,): those of SPAN lanes, as many at once as there are sums
    inputs: np.ndarray  # float32 (TALL * SPAN,): those of one tile
    sums: np.ndarray  # float32 (TALL * SPAN,): the same, lane by lane
    marked: np.ndarray  # uint64 (units of a layer / 64 * SPAN,): which units of the given layer are 1
    products: np.ndarray  # float64 (lanes,): sum of v x over free visible units, x being their inputs
    multiplied: np.ndarray  # int64 (1,): 1 if those are of the units as they are now


def _unit(rbm) -> float:
    return precision.power_of_two(rbm.weights, rbm.visible_bias, rbm.hidden_bias)


def _tiles(weights, height=UNITS) -> np.ndarray:
    """Weights (terms, units) in tiles."""
    terms, units = weights.shape
    padded = np.pad(weights, ((0, 0), (0, -units % height))).reshape(terms, -(-units // height), height)
    tiles = aligned((padded.shape[1], terms, height), np.float32)
    tiles[:] = padded.swapaxes(0, 1)
    return tiles


def _height(weights) -> int:
    """Units of a tile: TALL where a word has its terms and little fills up the last tile, UNITS otherwise."""
    terms, units = weights.shape
    return TALL if terms >= TALL and 2 * (units + -units % TALL) <= 3 * units else UNITS


def _padded(bias) -> np.ndarray:
    """Biases of whole tiles, and more; one of -0.0 becomes 0.0, so that no sum of terms is -0.0."""
    return np.pad(bias, (0, TALL)) + np.float32(0)


def with_visible_bias(plan: LayeredPlan, bias) -> LayeredPlan:
    """The plan of an RBM of free units with another visible bias, for sweeps only: energies keep theirs."""
    return plan._replace(visible_bias=_padded(np.float32(bias / plan.unit)))


@inlined
def decide(units, place, inputs, given, scale, lane, rule, words):
    """Draw a unit in 16 lanes from its inputs and their scales, by 32 random bits a lane."""
    exponent = bitcast(load(inputs, given, GROUP) * load(scale, lane, GROUP), np.int32)
    lowest = full(LOWEST_EXPONENT, np.float32, GROUP)
    u = uniform(words)
    if rule == METROPOLIS:  # change with probability min(1, 2^exponent), or 2^-exponent if the unit is 0
        old = bitcast(load(units, place, GROUP), np.int32)
        cost = bitcast(exponent ^ ((old ^ _ONE) << 2 & _SIGN), np.float32)
        certain = full(0.0, np.float32, GROUP)
        cost = select(cost < lowest, lowest, cost)
        cost = select(cost > certain, certain, cost)
        new = select(u <= exp2(cost), old ^ _ONE, old)
    else:  # 1 with probability 1 / (1 + 2^exponent): the rarer value has e / (1 + e), decided where u is finest
        likelier = exponent >> 31 & _ONE
        rarity = bitcast(exponent | _SIGN, np.float32)
        e = exp2(select(rarity < lowest, lowest, rarity))
        new = select(u * e + u <= e, likelier ^ _ONE, likelier)
    store(units, place, bitcast(new, np.float32))


@cache
def drawing(width, held):
    """The functions that take the free units of groups of lanes, that draw layers there, and that give them back.

    They become part of what calls them, once each: a call would copy the hundreds of words of a plan and a state.
    """
    add_inputs, add_tall = adding(width, held), adding_tall(width, held)

    @inlined
    def take_units(plan, state, lane, groups):
        """Units of 0 and 1, those of `width` lanes (free units, width), then those of the next."""
        rows, lanes = plan.free.size, state.spins.shape[1]
        for k in range(rows):
            place = np.int64(at(plan.free, k)) * lanes + lane
            for group in range(groups):
                spins = convert(load(state.spins, place + group * width, width), np.int32)
                store(state.units, (group * rows + k) * width, bitcast((spins ^ -1) & _ONE, np.float32))

    @inlined
    def give_units(plan, state, lane, groups):
        """Write units back to where they were taken from."""
        rows, lanes = plan.free.size, state.spins.shape[1]
        for k in range(rows):
            place = np.int64(at(plan.free, k)) * lanes + lane
            for group in range(groups):
                up = load(state.units, (group * rows + k) * width, width) > 0
                store(state.spins, place + group * width, select(up, full(1, np.int8, width), full(-1, np.int8, width)))

    @inlined
    def draw_layer(plan, state, rule, lane, groups, hidden, draws, multiplies):
        """Draw the hidden layer, or the visible one, given the other.

        If `multiplies`, keep the sums of units times inputs, of units as they are if not `draws`.
        """
        tiles, bias = plan.visible_tiles, plan.visible_bias
        first, given, end, rows, lanes = 0, plan.visible, plan.visible, plan.free.size, state.spins.shape[1]
        if hidden:
            tiles, bias, first, given, end = plan.hidden_tiles, plan.hidden_bias, plan.visible, 0, rows
        height, span = tiles.shape[2], groups * width
        for here in range(0, span if height == TALL else 0, GROUP):
            place = (here // width * rows + given) * width + here % width
            mark(state.units, place, width, tiles.shape[1], state.marked, here, SPAN)
        for tile in range(tiles.shape[0]):
            unit = first + tile * height
            inside = min(height, end - unit)
            if height == TALL:
                add_tall(tiles, bias, state.marked, tile, lane, span, state.sums, state.inputs)
            for group in range(groups if height == UNITS else 0):  # first all sums, then all decisions
                here, row, x = lane + group * width, group * rows + given, group * UNITS * width
                add_inputs(tiles, bias, state.units, row * width, tile, here, lanes, state.inputs, x)
            for group in range(groups):
                here, place, x = lane + group * width, (group * rows + unit) * width, group * height * width
                for j in range(0, inside if draws else 0, 2):
                    for part in range(0, width, GROUP):
                        words, k, chain = next_words(state.streams, here + part, GROUP), j * width + part, here + part
                        low, high = convert(words, np.uint32), convert(words >> 32, np.uint32)
                        decide(state.units, place + k, state.inputs, x + k, state.scale, chain, rule, low)
                        if j + 1 < inside:
                            k += width
                            decide(state.units, place + k, state.inputs, x + k, state.scale, chain, rule, high)
                for part in range(0, width if multiplies else 0, GROUP):
                    total = load(state.products, here + part, GROUP)
                    for k in range(part, part + inside * width, width):
                        product = load(state.units, place + k, GROUP) * load(state.inputs, x + k, GROUP)
                        total = total + convert(product, np.float64)
                    store(state.products, here + part, total)

    @inlined
    def draw_layers(plan, state, rule, lane, groups, hidden, visible, multiplies):
        take_units(plan, state, lane, groups)
        for of_hidden in (True, False):
            draws = hidden if of_hidden else visible
            if draws or (multiplies and not of_hidden):
                draw_layer(plan, state, rule, lane, groups, of_hidden, draws, multiplies and not of_hidden)
        if hidden or visible:
            give_units(plan, state, lane, groups)

    return take_units, draw_layers, give_units


def _updating(held):
    """The function that draws layers whose biases are a lane's own if there are `held` units."""
    (_, draw_wide, _), (_, draw, _) = drawing(WIDE, held), drawing(GROUP, held)

    @called
    def update_layers(plan, state, rule, hidden, visible, multiplies):
        """Draw the layers that are asked for of all lanes, the hidden one first.

        If `multiplies`, keep the sums of visible units times inputs.
        """
        lanes = state.spins.shape[1]
        if multiplies:
            state.products[:] = 0.0
        for lane in range(0, lanes - SPAN + 1, SPAN):
            draw_wide(plan, state, rule, lane, SPAN // WIDE, hidden, visible, multiplies)
        if lanes % SPAN:
            draw(plan, state, rule, lanes - lanes % SPAN, lanes % SPAN // GROUP, hidden, visible, multiplies)

    return update_layers


update_layers, _update_free = _updating(held=False), _updating(held=True)
_bias, _bias_of_lanes = beginning(GROUP, held=False), beginning(GROUP, held=True)


@njit
def _add_held(tiles, biases, units):
    """Add the terms of held `units`, float32 (units, lanes), to `biases`, float32 (tiles * UNITS, lanes)."""
    tile_count, terms, _ = tiles.shape
    for unit in range(tile_count * UNITS):
        weights = unit // UNITS * terms * UNITS + unit % UNITS
        for lane in range(0, units.shape[1], GROUP):
            x = load(biases, unit * units.shape[1] + lane, GROUP)
            for term in range(terms):
                x = add_product(x, at(tiles, weights + term * UNITS), load(units, term * units.shape[1] + lane, GROUP))
            store(biases, unit * units.shape[1] + lane, x)


class Layered(Engine):
    """The engine as Python calls it."""

    name = "layered"
    plan = LayeredPlan
    native = True  # RBMs, not their Ising form

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these models, or None if it can."""
        if not all(isinstance(model, RBM) for model in models):
            return "the model is not an RBM"
        if scan != "sequential":
            return "it scans layer by layer"
        if why := super().refusal(models, scan, strips):
            return why
        tolerance *= 2  # x is twice a field
        return precision.refusal_of_layers(models[0], _unit(models[0]), sparse.BITS, tolerance)

    def prepare(self, models: list, strips: int, free=None) -> LayeredPlan:
        """The plan of an RBM, which all blocks share."""
        (rbm,) = models
        unit = _unit(rbm)
        W, a, b = ((part / unit).astype(np.float32) for part in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
        units = contract.free_sites(rbm.n, free)
        V, H = W.shape
        v, h = units[units < V], units[units >= V] - V
        held_v, held_h = np.delete(np.arange(V), v), np.delete(np.arange(H), h)
        all_v, all_h = np.concatenate([v, held_v]), np.concatenate([h, held_h])
        free_W = W[np.ix_(v, h)]
        return LayeredPlan(
            rbm.n,
            v.size,
            unit,
            np.empty(0, np.float32),
            _tiles(free_W, _height(free_W)),
            _padded(b[all_h]),
            _tiles(free_W.T, _height(free_W.T)),
            _padded(a[all_v]),
            _tiles(W[np.ix_(held_v, all_h)]),
            _tiles(W[np.ix_(all_v, held_h)].T),
            np.empty(0),
            units,
        )

    def order(self, model, strips: int = 1, free=None) -> np.ndarray:
        """Hidden units first."""
        sites = contract.free_sites(model.n, free)
        return np.roll(sites, -int((sites < len(model.weights)).sum()))

    def at_betas(self, plan: LayeredPlan, betas) -> LayeredPlan:
        """The plan with rungs at these betas, float64 (rungs,)."""
        return plan._replace(scales=scales(betas, plan.unit / 2))

    def start(self, plan: LayeredPlan, lanes: range, ups, entropy, betas, rule) -> tuple[LayeredPlan, LayeredState]:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        spins = start_spins(plan.n, len(lanes), ups)
        plan = self.at_betas(plan, betas)._replace(held=np.zeros(len(lanes)))
        held = np.delete(np.arange(plan.n), plan.free)
        if held.size:
            a, b = (np.repeat(bias[:, None], len(lanes), axis=1) for bias in (plan.visible_bias, plan.hidden_bias))
            v, h = np.split(np.float32(spins[held] > 0), [plan.held_visible.shape[1]])
            terms = a[plan.visible :][: len(v)] * v  # as long as a is the bias alone
            _add_held(plan.held_visible, b, v)
            _add_held(plan.held_hidden, a, h)
            terms = np.concatenate([terms, b[plan.free.size - plan.visible :][: len(h)] * h])
            plan = plan._replace(hidden_bias=b, visible_bias=a, held=np.add.accumulate(terms, dtype=np.float64)[-1])
        return plan, LayeredState(
            spins,
            lane_streams(entropy, lanes),
            np.zeros(len(lanes), np.float32),
            aligned(SPAN * plan.free.size, np.float32),
            aligned(TALL * SPAN, np.float32),
            aligned(TALL * SPAN, np.float32),
            np.zeros(-(-plan.n // 64) * SPAN, np.uint64),
            np.empty(len(lanes)),
            np.zeros(1, np.int64),
        )


def _of_plan(plan):
    """How layers are drawn in a block, by the Numba type of its plan, and how biases are read there."""
    held = plan[plan.fields.index("hidden_bias")].ndim == 2
    return (_update_free, _bias_of_lanes) if held else (update_layers, _bias)


@gives(contract.sweep, LayeredPlan, by_type=True)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    update, _ = _of_plan(plan)

    def sweep(plan, state, rungs, rule, scan, counts, crew):
        yes = np.bool_(True)  # not the literal, which layers would be compiled for besides
        for lane in range(state.scale.size):
            state.scale[lane] = plan.scales[rungs[lane]]
        state.multiplied[0] = counts != UNMEASURED
        update(plan, state, rule, yes, yes, counts != UNMEASURED)

    return sweep


@gives(contract.measure, LayeredPlan, by_type=True)
def _measure(plan, state, energies, magnetizations, crew):
    update, bias_of = _of_plan(plan)

    def measure(plan, state, energies, magnetizations, crew):
        # E = -unit (c + h_1 b_1 + h_2 b_2 + ... + (v_1 x_1 + v_2 x_2 + ...)): one addition after the other
        lanes, off, yes = state.spins.shape[1], full(0.0, np.float32, GROUP), np.bool_(True)
        sum_spins(state.spins, magnetizations)
        if state.multiplied[0] == 0:  # units are not as a sweep left them, or it was not to be measured
            update(plan, state, np.int64(GIBBS), not yes, not yes, yes)
            state.multiplied[0] = 1
        for lane in range(0, lanes, GROUP):
            energy = load(plan.held, lane, GROUP)
            for k in range(plan.visible, plan.free.size):
                up = load(state.spins, np.int64(at(plan.free, k)) * lanes + lane, GROUP) > 0
                bias = bias_of(plan.hidden_bias, k - plan.visible, lane, lanes)
                energy = energy + convert(select(up, bias, off), np.float64)
            energy = energy + load(state.products, lane, GROUP)
            store(energies, lane, energy * -plan.unit)

    return measure


@gives(contract.restore, LayeredPlan)
def _restore(plan, state, words):
    unpack(words, state.spins)
    state.multiplied[0] = 0
