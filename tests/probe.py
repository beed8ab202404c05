"""Reads an engine's own probabilities and fields off its kernel."""

import numpy as np

from fastgibbs.engines import layered, multispin, multispin_kernels, sparse
from fastgibbs.engines.contract import RULES
from fastgibbs.engines.sparse import attempt, gather_fields, local_field
from fastgibbs.engines.vectors import convert, load, store
from fastgibbs.jit import njit


@njit
def _attempt_everywhere(plan, state, rule, site, bits):
    gather_fields(plan, state, site)
    for lane in range(0, bits.size, 16):
        attempt(plan, state, rule, site, lane, convert(load(bits, lane, 16), np.uint32))


@njit
def _fields(plan, state, site, out):
    gather_fields(plan, state, site)
    for lane in range(0, out.size, 16):
        store(out, lane, local_field(plan, state, site, lane))


def block(engine, model, states, beta=0.0, rule="gibbs"):
    """Plan and state of one block of an engine at `states` (lanes, n), filled up with lanes that are all up."""
    (lanes,) = engine.cut(len(states), 1) if engine is multispin else [range(-(-len(states) // 16) * 16)]
    ups = np.ones((len(lanes), model.n), np.uint8)
    ups[: len(states)] = np.asarray(states) > 0
    betas = np.array([float(beta)])
    return engine.start(engine.prepare([model], 1), lanes, [(0, ups)], 0, betas, RULES[rule])


def fields(model, states):
    """The sparse kernel's local fields of every site in every state, float64 (states, n)."""
    plan, state = block(sparse, model, states)
    out = np.empty((model.n, state.spins.shape[1]), np.float32)
    for site in range(model.n):
        _fields(plan, state, site, out[site])
    return out.T[: len(states)].astype(np.float64) * plan.unit


def flip_probabilities(model, states, beta, rule):
    """The sparse kernel's own probability that an attempt flips site i in each state, (states, n), exact to 2^-32."""
    plan, state = block(sparse, model, states, beta)
    state.scale[:] = plan.scales[0]
    return _bisected(
        plan, state, len(states), lambda site, bits: _attempt_everywhere(plan, state, RULES[rule], site, bits)
    )


def _bisected(plan, state, count, attempt):
    """The probability that `attempt(site, bits)` changes the site in each of `count` lanes, (count, n), to 2^-32.

    An attempt changes it in an interval of its 32 bits at one end of the range; bisection finds where it ends.
    """
    n, lanes = state.spins.shape
    probabilities = np.empty((count, n))
    before = state.spins.copy()
    for site in range(n):

        def flips(bits, site=site):
            state.spins[:] = before
            attempt(site, bits.astype(np.uint64))
            return (state.spins[site] != before[site])[:count]

        at_zero = flips(np.zeros(lanes))
        low, high = np.zeros(lanes, np.int64), np.full(lanes, 2**32, np.int64)  # decided as at 0, otherwise
        for _ in range(32):
            middle = (low + high) // 2
            same = np.pad(flips(middle) == at_zero, (0, lanes - count))
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        share = high[:count] / 2**32
        probabilities[:, site] = np.where(at_zero, share, 1 - share)
    state.spins[:] = before
    return probabilities


@njit
def _decide_everywhere(plan, state, rule, site, bits):
    for lane in range(0, bits.size, 16):
        words = convert(load(bits, lane, 16), np.uint32)
        if site < plan.visible:
            layered.add_inputs(
                plan.visible_tiles, plan.visible_bias, state.spins, plan.visible, site // 6, lane, state.inputs
            )
            layered.decide(state, rule, site, site % 6, lane, words)
        else:
            unit = site - plan.visible
            layered.add_inputs(plan.hidden_tiles, plan.hidden_bias, state.spins, 0, unit // 6, lane, state.inputs)
            layered.decide(state, rule, site, unit % 6, lane, words)


def layered_order_and_flips(model, states, beta, rule):
    """The layered kernel's order of units, and its own flip probabilities (states, n), exact to 2^-32.

    A unit's probability depends on the other layer alone, so units of a layer may be taken one after the other.
    """
    plan, state = block(layered, model, states, beta)
    state.scale[:] = plan.scales[0]
    order = [*range(model.n_visible, model.n), *range(model.n_visible)]
    flips = _bisected(
        plan, state, len(states), lambda site, bits: _decide_everywhere(plan, state, RULES[rule], site, bits)
    )
    return order, flips


@njit
def _decisions(plan, state, rungs, likely, kinds):
    multispin_kernels.show_codes(plan, state, rungs)
    for tile in range(len(plan.tiles)):
        for vector in range(plan.tiles[tile, 0], plan.tiles[tile, 1]):
            words, masks, _ = multispin_kernels.decision(plan, state, plan.tiles[tile, 2], vector)
            store(likely[vector], 0, words)
            multispin_kernels.keep(masks, kinds[vector], 0)


def multispin_order_and_flips(model, states, beta, rule):
    """The multi-spin kernel's order of cells, and its own flip probabilities (states, n), exact to 2^-78.

    The kernel says the likelier spin and the class of each decision; the probability of the rarer spin is read off
    the bit planes and the rest of the threshold of that class.
    """
    plan, state = block(multispin, model, states, beta, rule)
    vectors, folds = state.spins.size // 8, len(plan.folds)
    likely, kinds = np.zeros((vectors, 8), np.uint64), np.zeros((vectors, folds * 8), np.uint64)
    _decisions(plan, state, np.zeros(64 * plan.words, np.int64), likely, kinds)

    def bit(words, cell, lane):  # words (vectors, 8): the word of a cell and a lane, then the lane's bit
        flat = words.reshape(-1)[plan.position[cell] * plan.words + lane // 64]
        return (flat >> (lane % 64).astype(np.uint64)) & np.uint64(1)

    thresholds = plan.degrees.size * multispin.PLANES * folds * 8
    planes = state.planes[:thresholds].reshape(-1, multispin.PLANES, folds, 8)
    rest = plan.rest.reshape(-1, folds)
    tables = np.repeat(plan.tiles[:, 2], (plan.tiles[:, 1] - plan.tiles[:, 0]) * 8 // plan.words)
    lane = np.arange(len(states))
    probabilities = np.empty((len(states), model.n))
    for cell in range(model.n):
        table = tables[plan.position[cell]]
        classes = np.array([bit(kinds.reshape(vectors, folds, 8)[:, k], cell, lane) for k in range(folds)])
        assert (classes.sum(axis=0) == 1).all()
        kind = classes.argmax(axis=0)
        bits = (planes[table][:, kind, lane // 64] >> (lane % 64).astype(np.uint64)) & np.uint64(1)
        head = (bits * 2 ** np.arange(multispin.PLANES - 1, -1, -1, dtype=np.uint64)[:, None]).sum(axis=0)
        rare = (head + rest[table, kind] / 2.0**64) / 2.0**multispin.PLANES
        at_likelier = np.asarray(states)[:, cell] == np.where(bit(likely, cell, lane), 1, -1)
        gibbs = np.where(at_likelier, rare, 1 - rare)
        probabilities[:, cell] = gibbs if rule == "gibbs" else np.where(at_likelier, rare, 1.0)
    return np.argsort(plan.position), probabilities
