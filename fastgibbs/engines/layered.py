"""The layered engine: an RBM's hidden units all at once given the visible ones, then the visible ones given those.

A layer's inputs x = b + W u are a matrix product. The other layer's units u are 0 or 1, so that every product W u is
exact, and an input is the float32 sum of its terms one after the other, fused or not: the same bits on any machine and
in NumPy, with any number of chains and threads, which no BLAS promises. Tiles of UNITS inputs of many lanes are added
up in registers and decided at once, so a product is never written out, and W is laid out for it once for all sweeps:
this is also twice as fast as a BLAS that must do both at each call. Terms of units that are held are added first, once
a run: sweeps go on from there with those of free units.

Unit j of a layer is decided by half a word of its lane's stream: the low half of word j / 2 of that layer if j is even.
"""

from typing import NamedTuple

import numpy as np
from llvmlite import binding

from fastgibbs.engines import contract, precision, sparse
from fastgibbs.engines.arithmetic import LOWEST_EXPONENT, exp2, uniform
from fastgibbs.engines.contract import LANE_GROUP as GROUP
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.streams import SWEEP, next_words, stream_state
from fastgibbs.engines.vectors import add_product, at, bitcast, bits, convert, full, load, select, store
from fastgibbs.jit import called, implements, inlined, njit
from fastgibbs.models import RBM, checks

NATIVE = True  # it takes RBMs, not their Ising form
UNITS = 6  # of a tile: with WIDE lanes of each, their sums fill three quarters of the registers
WIDE = 64 if binding.get_host_cpu_features().get("avx512f") else 16
_SIGN = -(2**31)
_ONE = 0x3F800000  # the bits of 1.0
_MINUS_LOG2E = -1.4426950408889634  # exp(-x) = 2^(_MINUS_LOG2E x)


class LayeredPlan(NamedTuple):
    """An RBM for this engine. `unit` is a power of two that keeps float32 weights in range.

    Tiles are (tiles, units of the other layer, UNITS), and biases (tiles * UNITS,); zeros fill up the last tile. Those
    of sweeps hold free units alone, of both layers, in the order of `hidden_rows` and `visible_rows`. In a block with
    held units, biases are (tiles * UNITS, lanes), what held units add included.
    """

    visible: int
    hidden: int
    unit: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of input at every beta
    hidden_tiles: np.ndarray  # float32: W / unit, tiles of hidden units
    hidden_bias: np.ndarray  # float32: b / unit
    visible_tiles: np.ndarray  # float32: W^T / unit, tiles of visible units
    visible_bias: np.ndarray  # float32: a / unit
    held_visible: np.ndarray  # float32: tiles of free hidden units, of the terms of held visible ones
    held_hidden: np.ndarray  # float32: tiles of free visible units, of the terms of held hidden ones
    energy_tiles: np.ndarray  # float64: W, tiles of hidden units
    energy_bias: np.ndarray  # float64: b
    visible_energies: np.ndarray  # float64 (V,): a
    hidden_rows: np.ndarray  # int32: the units that sweeps draw, from V on
    visible_rows: np.ndarray  # int32: those below V


class LayeredState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # float32 (V + H, lanes): the units, 0 or 1, visible ones first
    streams: np.ndarray  # uint64 (4, lanes)
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    inputs: np.ndarray  # float32 (UNITS, lanes): those of one tile
    energy_inputs: np.ndarray  # float64 (UNITS, lanes)


strips, cut, crew = sparse.strips, sparse.cut, sparse.crew  # a lane is a chain here too


def refusal(models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
    """Why the engine cannot run these models, or None if it can."""
    if not all(isinstance(model, RBM) for model in models):
        return "the model is not an RBM"
    if len(models) > 1:
        return "it runs one model at a time"
    if scan != "sequential":
        return "it scans layer by layer"
    if strips > 1:
        return "it does not cut lattices into strips"
    return _drowned(models[0], 2 * tolerance)  # a flip costs x here, and 2 f elsewhere


def _drowned(rbm, tolerance) -> str | None:
    """Which unit's input the rounding of float32 sums may spoil, or None."""
    W, biases = np.abs(rbm.weights), np.abs(np.concatenate([rbm.visible_bias, rbm.hidden_bias]))
    sums = biases + np.concatenate([W.sum(axis=1), W.sum(axis=0)])
    if max(checks.largest(sums) * 2.0**-sparse.BITS, precision.SMALLEST * _unit(rbm)) <= tolerance:
        return None
    largest = np.maximum(biases, np.concatenate([W.max(axis=1, initial=0), W.max(axis=0, initial=0)]))
    alone = precision.RELATIVE * (2 * largest - sums) > sums * 2.0**-sparse.BITS  # an input is large, or without it
    steps = precision.whole_steps(rbm.weights)
    steps = np.concatenate([steps.min(axis=1, initial=np.inf), steps.min(axis=0, initial=np.inf)])
    steps = np.minimum(steps, precision.whole_steps(biases))
    sums = np.where(alone, sums - largest, sums)
    errors = precision.rounded(sums, steps, sparse.BITS, _unit(rbm))
    return precision.drowned(sums, np.zeros(rbm.n), errors, tolerance)


def _unit(rbm) -> float:
    """A power of two near the largest weight or bias, or 1 if all are zero."""
    largest = max(checks.largest(part) for part in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    return float(2.0 ** (np.frexp(largest)[1] - 1)) if largest > 0 else 1.0


def prepare(models: list, strips: int, free=None) -> LayeredPlan:
    """The plan of an RBM, which all blocks share."""
    (rbm,) = models
    unit = _unit(rbm)
    W, a, b = ((part / unit).astype(np.float32) for part in (rbm.weights, rbm.visible_bias, rbm.hidden_bias))
    units = contract.free_sites(rbm.n, free)
    hidden_rows, visible_rows = units[units >= rbm.n_visible], units[units < rbm.n_visible]
    v, h = visible_rows, hidden_rows - rbm.n_visible
    return LayeredPlan(
        rbm.n_visible,
        rbm.n_hidden,
        unit,
        np.empty(0, np.float32),
        *_tiles(W[np.ix_(v, h)], b[h]),
        *_tiles(W[np.ix_(v, h)].T, a[v]),
        _tiles(np.delete(W, v, axis=0)[:, h], b[h])[0],
        _tiles(np.delete(W, h, axis=1)[v].T, a[v])[0],
        *_tiles(rbm.weights, rbm.hidden_bias),
        rbm.visible_bias,
        hidden_rows,
        visible_rows,
    )


def _tiles(weights, bias) -> tuple[np.ndarray, np.ndarray]:
    """Weights (terms, units) in tiles, and the biases; a bias of -0.0 becomes 0.0, so that no sum of terms is -0.0."""
    terms, units = weights.shape
    whole = -(-units // UNITS) * UNITS
    padded = np.pad(weights, ((0, 0), (0, whole - units)))
    tiles = np.ascontiguousarray(padded.reshape(terms, whole // UNITS, UNITS).swapaxes(0, 1))
    return tiles, np.pad(bias, (0, whole - units)) + bias.dtype.type(0)


def at_betas(plan: LayeredPlan, betas) -> LayeredPlan:
    """The plan with rungs at these betas, float64 (rungs,)."""
    return plan._replace(scales=np.clip(_MINUS_LOG2E * betas * plan.unit, -1e30, 1e30).astype(np.float32))


def with_visible_bias(plan: LayeredPlan, bias) -> LayeredPlan:
    """The plan of an RBM of free units with another visible bias, for sweeps only: energies keep theirs."""
    scaled = np.zeros_like(plan.visible_bias)
    scaled[: plan.visible] = bias / plan.unit
    return plan._replace(visible_bias=scaled)


def start(plan: LayeredPlan, lanes: range, ups, entropy, betas, rule) -> tuple[LayeredPlan, LayeredState]:
    """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
    spins = np.empty((plan.visible + plan.hidden, len(lanes)), np.float32)
    for first, part in ups:
        spins[first : first + part.shape[1]] = part.T
    plan = at_betas(plan, betas)
    held = np.delete(np.arange(len(spins)), np.concatenate([plan.visible_rows, plan.hidden_rows]))
    if held.size:
        visible, hidden = held[held < plan.visible], held[held >= plan.visible]
        plan = plan._replace(
            hidden_bias=_with_held(plan.held_visible, plan.hidden_bias, spins, visible),
            visible_bias=_with_held(plan.held_hidden, plan.visible_bias, spins, hidden),
        )
    return plan, LayeredState(
        spins,
        np.column_stack([stream_state(entropy, SWEEP, *divmod(lane, 64)) for lane in lanes]),
        np.zeros(len(lanes), np.float32),
        np.empty((UNITS, len(lanes)), np.float32),
        np.empty((UNITS, len(lanes))),
    )


def _with_held(tiles, bias, units, rows) -> np.ndarray:
    """Biases and the terms of the held `rows` of `units`, float32 (tiles * UNITS, lanes)."""
    biases = np.repeat(bias[:, None], units.shape[1], axis=1)
    _add_held(tiles, biases, units, rows)
    return biases


def spins(plan: LayeredPlan, state: LayeredState) -> np.ndarray:
    """The block's spins 2 u - 1, int8 (V + H, lanes)."""
    return 2 * state.spins.astype(np.int8) - 1


def _adding(dtype, width, held=False):
    """The function that adds up a tile's inputs in `width` lanes; `held`: of a block with held units."""

    @inlined
    def begin(bias, unit, lane, lanes):
        return load(bias, unit * lanes + lane, width) if held else full(at(bias, unit), dtype, width)

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
            u = convert(load(units, row * lanes + lane, width), dtype)
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


add_inputs_wide, add_inputs = _adding(np.float32, WIDE), _adding(np.float32, GROUP)
add_free_wide, add_free = _adding(np.float32, WIDE, held=True), _adding(np.float32, GROUP, held=True)
_HALF = WIDE // 2  # lanes of float64 that take the same registers
_add_energies_wide, _add_energies = _adding(np.float64, _HALF), _adding(np.float64, GROUP // 2)


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
    def update_layer(tiles, bias, state, rule, given, rows):
        """Draw the units `rows` of all lanes, those of the tiles in order, given the units that `given` tells."""
        lanes, count = state.spins.shape[1], rows.size
        lane = 0
        while lane < lanes:
            width = WIDE if lane + WIDE <= lanes else GROUP
            for tile in range(tiles.shape[0]):
                if width == WIDE:
                    add_inputs_wide(tiles, bias, state.spins, given, tile, lane, state.inputs)
                else:
                    add_inputs(tiles, bias, state.spins, given, tile, lane, state.inputs)
                for j in range(0, min(UNITS, count - tile * UNITS), 2):
                    row = tile * UNITS + j
                    for group in range(lane, lane + width, GROUP):
                        words = next_words(state.streams, group, GROUP)
                        decide(state, rule, rows[row], j, group, convert(words, np.uint32))
                        if row + 1 < count:
                            decide(state, rule, rows[row + 1], j + 1, group, convert(words >> 32, np.uint32))
            lane += width

    return update_layer


update_layer, _update_free = _updating(add_inputs_wide, add_inputs), _updating(add_free_wide, add_free)


@implements(contract.sweep)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    if getattr(plan, "instance_class", None) is not LayeredPlan:
        return None

    def sweep(plan, state, rungs, rule, scan, counts, crew):
        for lane in range(state.scale.size):
            state.scale[lane] = plan.scales[rungs[lane]]
        update_layer(plan.hidden_tiles, plan.hidden_bias, state, rule, 0, plan.hidden_rows)
        update_layer(plan.visible_tiles, plan.visible_bias, state, rule, plan.visible, plan.visible_rows)

    def sweep_of_free_units(plan, state, rungs, rule, scan, counts, crew):
        for lane in range(state.scale.size):
            state.scale[lane] = plan.scales[rungs[lane]]
        _update_free(plan.hidden_tiles, plan.hidden_bias, state, rule, plan.visible_rows, plan.hidden_rows)
        _update_free(plan.visible_tiles, plan.visible_bias, state, rule, plan.hidden_rows, plan.visible_rows)

    return sweep if plan[plan.fields.index("hidden_bias")].ndim == 1 else sweep_of_free_units


@implements(contract.measure)
def _measure(plan, state, energies, magnetizations, crew):
    if getattr(plan, "instance_class", None) is not LayeredPlan:
        return None

    def measure(plan, state, energies, magnetizations, crew):
        # E = -(a_1 v_1 + a_2 v_2 + ... + h_1 x_1 + h_2 x_2 + ...), x = b + W v: one addition after the other
        n, lanes = state.spins.shape
        for lane in range(0, lanes, GROUP):
            energy, total = full(0.0, np.float64, GROUP), full(0.0, np.float32, GROUP)
            for i in range(n):
                unit = load(state.spins, i * lanes + lane, GROUP)
                total = total + unit
                if i < plan.visible:
                    energy = add_product(energy, at(plan.visible_energies, i), convert(unit, np.float64))
            store(energies, lane, energy)
            store(magnetizations, lane, convert(total, np.float64) * 2.0 - float(n))
        lane = 0
        while lane < lanes:
            width = _HALF if lane + _HALF <= lanes else GROUP // 2
            for tile in range(plan.energy_tiles.shape[0]):
                if width == _HALF:
                    _add_energies_wide(
                        plan.energy_tiles, plan.energy_bias, state.spins, 0, tile, lane, state.energy_inputs
                    )
                else:
                    _add_energies(plan.energy_tiles, plan.energy_bias, state.spins, 0, tile, lane, state.energy_inputs)
                for j in range(min(UNITS, plan.hidden - tile * UNITS)):
                    row = plan.visible + tile * UNITS + j
                    for k in range(lane, lane + width):
                        energies[k] += state.energy_inputs[j, k] if state.spins[row, k] > 0 else 0.0
            lane += width
        for lane in range(lanes):
            energies[lane] = -energies[lane]

    return measure


@implements(contract.snapshot)
def _snapshot(plan, state, words):
    if getattr(plan, "instance_class", None) is not LayeredPlan:
        return None

    def snapshot(plan, state, words):
        n, lanes = state.spins.shape
        for i in range(n):
            for lane in range(0, lanes, GROUP):
                words[i, lane // GROUP] = bits(load(state.spins, i * lanes + lane, GROUP) > 0)

    return snapshot


@implements(contract.restore)
def _restore(plan, state, words):
    if getattr(plan, "instance_class", None) is not LayeredPlan:
        return None

    def restore(plan, state, words):
        n, lanes = state.spins.shape
        for i in range(n):
            for lane in range(lanes):
                state.spins[i, lane] = (words[i, lane >> 4] >> (lane & 15)) & 1

    return restore


@implements(contract.retain)
def _retain(plan, state, kept, better):
    if getattr(plan, "instance_class", None) is not LayeredPlan:
        return None

    def retain(plan, state, kept, better):
        n, lanes = state.spins.shape
        for lane in range(0, lanes, GROUP):
            copied = load(better, lane, GROUP) > 0
            for place in range(lane, n * lanes, lanes):
                store(kept, place, select(copied, load(state.spins, place, GROUP), load(kept, place, GROUP)))

    return retain
