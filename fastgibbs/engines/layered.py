"""The layered engine: an RBM's hidden units all at once given the visible ones, then the visible ones given those.

A layer's inputs x = b + W u are a matrix product. The other layer's units u are 0 or 1, so that every product W u is
exact, and an input is the float32 sum of its terms one after the other, fused or not: the same bits on any machine and
in NumPy, with any number of chains and threads, which no BLAS promises. Tiles of UNITS inputs of many lanes are added
up in registers and decided at once, so a product is never written out, and W is laid out for it once for all sweeps:
this is also twice as fast as a BLAS that must do both at each call. Terms of units that are held are added first, once
a run: sweeps go on from there with those of free units.

Unit j of a layer is decided by half a word of its lane's stream: the low half of word j / 2 of that layer if j is even.

Energies come from the inputs of visible units that a sweep ends with, whose hidden units are still there: E = -b.h -
v.(a + W h) is a sum over units, in float64, of numbers that are float32. It is the same if inputs are added up anew.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import binding

from fastgibbs.engines import contract, precision, sparse
from fastgibbs.engines.arithmetic import LOWEST_EXPONENT, exp2, scales, uniform
from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.contract import METROPOLIS, UNMEASURED, Engine
from fastgibbs.engines.streams import lane_streams, next_words
from fastgibbs.engines.vectors import add_product, at, bitcast, convert, full, load, select, store
from fastgibbs.jit import called, gives, inlined, njit
from fastgibbs.models import RBM, checks

UNITS = 6  # of a tile: with WIDE lanes of each, their sums fill three quarters of the registers
WIDE = 64 if binding.get_host_cpu_features().get("avx512f") else 16
_SIGN = -(2**31)
_ONE = 0x3F800000  # the bits of 1.0


class LayeredPlan(NamedTuple):
    """An RBM for this engine. `unit` is a power of two that keeps float32 weights in range.

    Tiles are (tiles, units of the other layer, UNITS), and biases (tiles * UNITS,); zeros fill up the last tile. Those
    of sweeps hold free units alone, of both layers, in the order of `hidden_rows` and `visible_rows`; the others go on
    with held units. In a block with held units, biases are (tiles * UNITS, lanes), what held units add included.
    """

    visible: int
    hidden: int
    unit: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of input at every beta
    hidden_tiles: np.ndarray  # float32: W / unit, tiles of hidden units
    hidden_bias: np.ndarray  # float32: b / unit
    visible_tiles: np.ndarray  # float32: W^T / unit, tiles of visible units
    visible_bias: np.ndarray  # float32: a / unit
    held_visible: np.ndarray  # float32: tiles of hidden units, of the terms of held visible ones
    held_hidden: np.ndarray  # float32: tiles of visible units, of the terms of held hidden ones
    held: np.ndarray  # float64 (lanes,): -E / unit if all free units were 0
    hidden_rows: np.ndarray  # int32: the units that sweeps draw, from V on
    visible_rows: np.ndarray  # int32: those below V


class LayeredState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # float32 (V + H, lanes): the units, 0 or 1, visible ones first
    streams: np.ndarray  # uint64 (4, lanes)
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    inputs: np.ndarray  # float32 (UNITS, lanes): those of one tile
    products: np.ndarray  # float64 (lanes,): sum of v x over free visible units, x being their inputs
    multiplied: np.ndarray  # int64 (1,): 1 if those are of the units as they are now


def _unit(rbm) -> float:
    """A power of two near the largest weight or bias, or 1 if all are zero."""
    largest = max(checks.largest(part) for part in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    return float(2.0 ** (np.frexp(largest)[1] - 1)) if largest > 0 else 1.0


def _tiles(weights) -> np.ndarray:
    """Weights (terms, units) in tiles."""
    terms, units = weights.shape
    padded = np.pad(weights, ((0, 0), (0, -units % UNITS)))
    return np.ascontiguousarray(padded.reshape(terms, -(-units // UNITS), UNITS).swapaxes(0, 1))


def _padded(bias) -> np.ndarray:
    """Biases of whole tiles; one of -0.0 becomes 0.0, so that no sum of terms is -0.0."""
    return np.pad(bias, (0, -bias.size % UNITS)) + np.float32(0)


def with_visible_bias(plan: LayeredPlan, bias) -> LayeredPlan:
    """The plan of an RBM of free units with another visible bias, for sweeps only: energies keep theirs."""
    return plan._replace(visible_bias=_padded(np.float32(bias / plan.unit)))


def _beginning(width, held):
    """The function that gives a unit's bias in `width` lanes; `held`: of a block with held units."""

    @inlined
    def begin(bias, unit, lane, lanes):
        return load(bias, unit * lanes + lane, width) if held else full(at(bias, unit), np.float32, width)

    return begin


def _adding(width, held=False):
    """The function that adds up a tile's inputs in `width` lanes."""
    begin = _beginning(width, held)

    @inlined
    def add_inputs(tiles, bias, units, given, tile, lane, inputs):
        """b_j + W_1j u_1 + W_2j u_2 + ... for the units j of a tile, to `inputs` (UNITS, lanes).

        u are rows `given`, `given` + 1, ... of `units`, as many as tiles have terms. With held units `given` lists the
        rows, and every lane has its own b_j.
        """
        terms, lanes = tiles.shape[1], units.shape[1]
        weight, j = tile * terms * UNITS, tile * UNITS
        x0 = begin(bias, j, lane, lanes)
        x1 = begin(bias, j + 1, lane, lanes)
        x2 = begin(bias, j + 2, lane, lanes)
        x3 = begin(bias, j + 3, lane, lanes)
        x4 = begin(bias, j + 4, lane, lanes)
        x5 = begin(bias, j + 5, lane, lanes)
        for term in range(terms):
            row = at(given, term) if held else given + term
            u = load(units, row * lanes + lane, width)
            x0 = add_product(x0, at(tiles, weight), u)
            x1 = add_product(x1, at(tiles, weight + 1), u)
            x2 = add_product(x2, at(tiles, weight + 2), u)
            x3 = add_product(x3, at(tiles, weight + 3), u)
            x4 = add_product(x4, at(tiles, weight + 4), u)
            x5 = add_product(x5, at(tiles, weight + 5), u)
            weight += UNITS
        store(inputs, lane, x0)
        store(inputs, lanes + lane, x1)
        store(inputs, 2 * lanes + lane, x2)
        store(inputs, 3 * lanes + lane, x3)
        store(inputs, 4 * lanes + lane, x4)
        store(inputs, 5 * lanes + lane, x5)

    return add_inputs


add_inputs_wide, add_inputs = _adding(WIDE), _adding(GROUP)
add_free_wide, add_free = _adding(WIDE, held=True), _adding(GROUP, held=True)
_bias, _bias_of_lanes = _beginning(GROUP, held=False), _beginning(GROUP, held=True)


@njit
def _add_held(tiles, biases, units, rows):
    """Add the terms of `rows` of `units` to `biases`, float32 (tiles * UNITS, lanes)."""
    for tile in range(tiles.shape[0]):
        inputs = biases[tile * UNITS : (tile + 1) * UNITS]
        for lane in range(0, units.shape[1], GROUP):
            add_free(tiles, biases, units, rows, tile, lane, inputs)


@inlined
def decide(state, rule, row, input_, lane, words):
    """Draw unit number `row` in lanes `lane` ... `lane + 15` from its input, by 32 random bits a lane."""
    place = row * state.spins.shape[1] + lane
    exponent = bitcast(
        load(state.inputs, input_ * state.spins.shape[1] + lane, GROUP) * load(state.scale, lane, GROUP), np.int32
    )
    lowest = full(LOWEST_EXPONENT, np.float32, GROUP)
    u = uniform(words)
    if rule == METROPOLIS:  # change with probability min(1, 2^exponent), or 2^-exponent if the unit is 0
        old = bitcast(load(state.spins, place, GROUP), np.int32)
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
    store(state.spins, place, bitcast(new, np.float32))


def _updating(add_inputs_wide, add_inputs):
    """The function that draws a layer whose inputs are added up by these."""

    @called
    def update_layer(tiles, bias, state, rule, given, rows, draws=True, multiplies=False):
        """Draw the units `rows` of all lanes, those of the tiles in order, given the units that `given` tells.

        If `multiplies`, keep the sums of units times inputs, of units as they are if not `draws`.
        """
        lanes, count = state.spins.shape[1], rows.size
        if multiplies:
            state.products[:] = 0.0
        lane = 0
        while lane < lanes:
            width = WIDE if lane + WIDE <= lanes else GROUP
            for tile in range(tiles.shape[0]):
                if width == WIDE:
                    add_inputs_wide(tiles, bias, state.spins, given, tile, lane, state.inputs)
                else:
                    add_inputs(tiles, bias, state.spins, given, tile, lane, state.inputs)
                first, inside = tile * UNITS, min(UNITS, count - tile * UNITS)
                for j in range(0, inside if draws else 0, 2):
                    for group in range(lane, lane + width, GROUP):
                        words = next_words(state.streams, group, GROUP)
                        decide(state, rule, rows[first + j], j, group, convert(words, np.uint32))
                        if j + 1 < inside:
                            decide(state, rule, rows[first + j + 1], j + 1, group, convert(words >> 32, np.uint32))
                for group in range(lane, lane + width if multiplies else lane, GROUP):
                    total = load(state.products, group, GROUP)
                    for j in range(inside):
                        unit = load(state.spins, np.int64(at(rows, first + j)) * lanes + group, GROUP)
                        total = total + convert(unit * load(state.inputs, j * lanes + group, GROUP), np.float64)
                    store(state.products, group, total)
            lane += width

    return update_layer


update_layer, _update_free = _updating(add_inputs_wide, add_inputs), _updating(add_free_wide, add_free)


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
        hidden_rows, visible_rows = units[units >= rbm.n_visible], units[units < rbm.n_visible]
        v, h = visible_rows, hidden_rows - rbm.n_visible
        held_v, held_h = np.delete(np.arange(rbm.n_visible), v), np.delete(np.arange(rbm.n_hidden), h)
        all_v, all_h = np.concatenate([v, held_v]), np.concatenate([h, held_h])
        return LayeredPlan(
            rbm.n_visible,
            rbm.n_hidden,
            unit,
            np.empty(0, np.float32),
            _tiles(W[np.ix_(v, h)]),
            _padded(b[all_h]),
            _tiles(W[np.ix_(v, h)].T),
            _padded(a[all_v]),
            _tiles(W[np.ix_(held_v, all_h)]),
            _tiles(W[np.ix_(all_v, held_h)].T),
            np.empty(0),
            hidden_rows,
            visible_rows,
        )

    def at_betas(self, plan: LayeredPlan, betas) -> LayeredPlan:
        """The plan with rungs at these betas, float64 (rungs,)."""
        return plan._replace(scales=scales(betas, plan.unit / 2))

    def start(self, plan: LayeredPlan, lanes: range, ups, entropy, betas, rule) -> tuple[LayeredPlan, LayeredState]:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        spins = np.ones((plan.visible + plan.hidden, len(lanes)), np.float32)
        for first, part in ups:
            spins[first : first + part.shape[1], : len(part)] = part.T
        plan = self.at_betas(plan, betas)
        held = np.delete(np.arange(len(spins)), np.concatenate([plan.visible_rows, plan.hidden_rows]))
        plan = plan._replace(held=np.zeros(len(lanes)))
        if held.size:
            visible, hidden = held[held < plan.visible], held[held >= plan.visible]
            a, b = (np.repeat(bias[:, None], len(lanes), axis=1) for bias in (plan.visible_bias, plan.hidden_bias))
            terms = a[plan.visible_rows.size :][: visible.size] * spins[visible]  # as long as a is the bias alone
            _add_held(plan.held_visible, b, spins, visible)
            _add_held(plan.held_hidden, a, spins, hidden)
            terms = np.concatenate([terms, b[plan.hidden_rows.size :][: hidden.size] * spins[hidden]])
            held = np.add.accumulate(terms, dtype=np.float64)[-1]
            plan = plan._replace(hidden_bias=b, visible_bias=a, held=held)
        return plan, LayeredState(
            spins,
            lane_streams(entropy, lanes),
            np.zeros(len(lanes), np.float32),
            np.empty((UNITS, len(lanes)), np.float32),
            np.empty(len(lanes)),
            np.zeros(1, np.int64),
        )

    def spins(self, plan: LayeredPlan, state: LayeredState) -> np.ndarray:
        """The block's spins 2 u - 1, int8 (V + H, lanes)."""
        return 2 * state.spins.astype(np.int8) - 1


def _of_plan(plan):
    """Whether a block, by the Numba type of its plan, has held units; how layers are drawn there, and biases read."""
    held = plan[plan.fields.index("hidden_bias")].ndim == 2
    return (held, _update_free, _bias_of_lanes) if held else (held, update_layer, _bias)


@gives(contract.sweep, LayeredPlan, by_type=True)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    held, update, _ = _of_plan(plan)

    def sweep(plan, state, rungs, rule, scan, counts, crew):
        v, h, measured = plan.visible_rows, plan.hidden_rows, counts != UNMEASURED
        for lane in range(state.scale.size):
            state.scale[lane] = plan.scales[rungs[lane]]
        state.multiplied[0] = measured
        update(plan.hidden_tiles, plan.hidden_bias, state, rule, v if held else 0, h, True, False)
        update(plan.visible_tiles, plan.visible_bias, state, rule, h if held else plan.visible, v, True, measured)

    return sweep


@gives(contract.measure, LayeredPlan, by_type=True)
def _measure(plan, state, energies, magnetizations, crew):
    held, update, bias_of = _of_plan(plan)

    def measure(plan, state, energies, magnetizations, crew):
        # E = -unit (c + h_1 b_1 + h_2 b_2 + ... + (v_1 x_1 + v_2 x_2 + ...)): one addition after the other
        (n, lanes), v, h = state.spins.shape, plan.visible_rows, plan.hidden_rows
        if state.multiplied[0] == 0:  # units are not as a sweep left them, or it was not to be measured
            given = h if held else plan.visible
            update(plan.visible_tiles, plan.visible_bias, state, 0, given, v, False, True)
            state.multiplied[0] = 1
        for lane in range(0, lanes, GROUP):
            energy, total = load(plan.held, lane, GROUP), full(0.0, np.float32, GROUP)
            for j in range(h.size):
                unit = load(state.spins, np.int64(at(h, j)) * lanes + lane, GROUP)
                energy = energy + convert(unit * bias_of(plan.hidden_bias, j, lane, lanes), np.float64)
            energy = energy + load(state.products, lane, GROUP)
            for i in range(0, n - 3, 4):  # whole numbers: in any order
                place = i * lanes + lane
                pair = load(state.spins, place, GROUP) + load(state.spins, place + lanes, GROUP)
                place += 2 * lanes
                total = total + (pair + (load(state.spins, place, GROUP) + load(state.spins, place + lanes, GROUP)))
            for i in range(n - n % 4, n):
                total = total + load(state.spins, i * lanes + lane, GROUP)
            store(energies, lane, energy * -plan.unit)
            store(magnetizations, lane, convert(total, np.float64) * 2.0 - float(n))

    return measure


@gives(contract.restore, LayeredPlan)
def _restore(plan, state, words):
    n, lanes = state.spins.shape
    for i in range(n):
        for lane in range(lanes):
            state.spins[i, lane] = (words[i, lane >> 4] >> (lane & 15)) & 1
    state.multiplied[0] = 0
