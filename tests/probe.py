"""Reads an engine's own probabilities and fields off its kernel."""

from functools import cache

import numba
import numpy as np

from fastgibbs import exact
from fastgibbs.engines import (
    ENGINES,
    coloured,
    contract,
    dense_kernels,
    inputs,
    layered,
    multispin,
    multispin_decisions,
    multispin_kernels,
)
from fastgibbs.engines.bitslices import PART, keep
from fastgibbs.engines.memories import ATTEMPTS
from fastgibbs.engines.sparse import attempting
from fastgibbs.engines.sparse_draws import rough_uniform
from fastgibbs.engines.sparse_sums import adding, gather
from fastgibbs.engines.vectors import convert, full, load, store
from fastgibbs.jit import njit
from fastgibbs.testing.laws import boltzmann

_attempt, _local_field = attempting(16), adding(16)


@njit
def _attempt_everywhere(plan, state, rule, site, bits):
    gather(plan, state, site)
    for lane in range(bits.size):  # the next word of a lane has the lower half of its 32 bits uppermost
        state.streams[0, lane], state.streams[1, lane], state.streams[3, lane] = bits[lane] << np.uint64(48), 0, 0
    for lane in range(0, bits.size, 16):
        store(state.uniforms, lane, rough_uniform(convert(load(bits, lane, 16) >> 16, np.uint32)))
        _attempt(plan, state, rule, site, lane, lane, False)


@njit
def _fields(plan, state, site, out):
    gather(plan, state, site)
    for lane in range(0, out.size, 16):
        store(out, lane, _local_field(plan, state, site, lane))


def block(engine, model, states, beta=0.0, rule="gibbs"):
    """Plan and state of one block of an engine at `states` (lanes, n), filled up with lanes that are all up."""
    (lanes,) = ENGINES[engine].cut(len(states), 1) if engine == "multispin" else [range(-(-len(states) // 16) * 16)]
    ups = np.ones((len(lanes), model.n), np.uint8)
    ups[: len(states)] = np.asarray(states) > 0
    betas = np.array([float(beta)])
    engine = ENGINES[engine]
    form = model if engine.native else model.to_ising()
    return engine.start(engine.prepare([form], 1), lanes, [(0, ups)], 0, betas, contract.RULES[rule])


@njit
def _dense_attempt_everywhere(plan, state, rule, site, bits):
    dense_kernels.refresh(plan, state)
    state.sites[0] = site
    dense_kernels.show_panel(plan, state, 1)
    for lane in range(0, bits.size, 16):
        dense_kernels.attempt(plan, state, rule, 0, 1, lane, convert(load(bits, lane, 16), np.uint32))


@njit
def _dense_fields(plan, state, site, out):
    dense_kernels.refresh(plan, state)
    state.sites[0] = site
    dense_kernels.show_panel(plan, state, 1)
    for lane in range(0, out.size, 16):
        store(out, lane, dense_kernels.local_field(plan, state, 0, lane))


KERNELS = dict.fromkeys(("sparse", "sparse64"), (_fields, _attempt_everywhere))
KERNELS["dense"] = _dense_fields, _dense_attempt_everywhere


def fields(model, states, engine="sparse"):
    """The kernel's local fields of every site in every state, float64 (states, n)."""
    plan, state = block(engine, model, states)
    kind = np.float64 if engine == "sparse64" else np.float32
    out = np.empty((model.n, state.spins.shape[1]), kind)
    for site in range(model.n):
        KERNELS[engine][0](plan, state, site, out[site])
    return out.T[: len(states)].astype(np.float64) * plan.unit


def flip_probabilities(model, states, beta, rule, engine="sparse"):
    """The kernel's own probability that an attempt flips site i in each state, (states, n), exact to 2^-32.

    An attempt flips in an interval of its 32 bits at one end of the range; bisection finds where it ends.
    """
    plan, state = block(engine, model, states, beta)
    state.scale[:] = plan.scales[0]
    flips = _flipping(
        state, lambda site, bits: KERNELS[engine][1](plan, state, contract.RULES[rule], site, bits), engine
    )
    return _where_flips_end(flips, state.spins.shape, len(states))


def _flipping(state, attempt, engine=None):
    """`flips(site, bits)`: the lanes in which `attempt(site, bits)` changes the site of the spins as they are now."""
    before = state.spins.copy()

    def flips(site, bits):
        state.spins[:] = before
        if engine == "dense":
            state.stale[:] = 1
        attempt(site, bits.astype(np.uint64))
        return state.spins[site] != before[site]

    return flips


def _where_flips_end(flips, shape, count):
    """Flip probabilities (count, n) from `flips(site, bits)`, what all lanes do at these bits; `shape` (n, lanes)."""
    n, lanes = shape
    probabilities = np.empty((count, n))
    for site in range(n):
        at_zero = flips(site, np.zeros(lanes, np.int64))
        low, high = np.zeros(lanes, np.int64), np.full(lanes, 2**32, np.int64)  # decided as at 0, otherwise
        for _ in range(32):
            middle = (low + high) // 2
            same = flips(site, middle) == at_zero
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        share = high / 2**32
        probabilities[:, site] = np.where(at_zero, share, 1 - share)[:count]
    return probabilities


def transition_matrix(order, flip):
    """That of one attempt at each site of `order` in turn; `flip`: probabilities (2^n, n), states as in `exact`."""
    size = len(flip)
    matrix, here = np.eye(size), np.arange(size)
    for site in order:
        step = np.zeros((size, size))
        step[here, here] = 1 - flip[:, site]
        step[here, here ^ (1 << site)] = flip[:, site]
        matrix = matrix @ step
    return matrix


@cache
def _memory_probe(kind):
    """Functions that read fields and decisions of all sites off the overlap engine's kernels for a kind of memory."""
    gather_fields, attempt, _ = ATTEMPTS[kind]

    @numba.njit
    def fields(plan, state, site):
        gather_fields(plan, state, site)

    @numba.njit
    def decisions(plan, state, rule, site):
        attempt(plan, state, rule, site, 0)

    return fields, decisions


def memory_fields(model, states):
    """The overlap kernel's local fields of every site in every state, in units of the plan, float64 (states, n)."""
    plan, state = block("overlap", model, states)
    gather, _ = _memory_probe(type(plan.memory))
    out = np.empty((len(states), model.n))
    for site in range(model.n):
        gather(plan, state, site)
        out[:, site] = state.fields[: len(states)]
    return out


def memory_flip_probabilities(model, states, beta, rule):
    """The overlap kernel's own probability that an attempt flips site i in each state, as `flip_probabilities`."""
    plan, state = block("overlap", model, states, beta)
    state.scale[:] = plan.scales[0]
    _, attempt = _memory_probe(type(plan.memory))
    before, overlaps = state.spins.copy(), state.overlaps.copy()

    def flips(site, bits):
        state.spins[:], state.overlaps[:], state.pending[:] = before, overlaps, 0
        state.words[:] = bits
        attempt(plan, state, contract.RULES[rule], site)
        return state.spins[site] != before[site]

    return _where_flips_end(flips, before.shape, len(states))


_add_inputs, (_take_units, _, _give_units) = inputs.adding(16, False), layered.drawing(16, False)


@njit
def _decide_everywhere(plan, state, rule, site, bits):
    tiles, bias, own, given = plan.visible_tiles, plan.visible_bias, site, plan.visible
    if site >= plan.visible:
        tiles, bias, own, given = plan.hidden_tiles, plan.hidden_bias, site - plan.visible, 0
    for lane in range(0, bits.size, 16):
        words, x = convert(load(bits, lane, 16), np.uint32), own % 6 * 16
        _take_units(plan, state, lane, 1)
        _add_inputs(tiles, bias, state.units, given * 16, own // 6, lane, bits.size, state.inputs, 0)
        layered.decide(state.units, site * 16, state.inputs, x, state.scale, lane, rule, words)
        _give_units(plan, state, lane, 1)


def layered_order_and_flips(model, states, beta, rule):
    """The layered kernel's order of units, and its own flip probabilities (states, n), exact to 2^-32.

    A unit's probability depends on the other layer alone, so units of a layer may be taken one after the other.
    """
    plan, state = block("layered", model, states, beta)
    state.scale[:] = plan.scales[0]
    order = [*range(model.n_visible, model.n), *range(model.n_visible)]
    flips = _flipping(state, lambda site, bits: _decide_everywhere(plan, state, contract.RULES[rule], site, bits))
    return order, _where_flips_end(flips, state.spins.shape, len(states))


@njit
def _decide_coloured(plan, state, rule, place, draws, turned):
    coloured.refresh(plan, state)
    for chain in range(draws.size):
        words = full(draws[chain], np.uint32, 16)
        flips = coloured.decided(
            plan, state, rule, chain, (plan.scales[0], np.float32(-0.0)), place - place % 16, words
        )
        turned[chain] = flips >> np.uint64(place % 16) & np.uint64(1)


def coloured_order_and_flips(model, states, beta, rule):
    """The coloured kernel's order of sites, and its own flip probabilities (states, n), exact to 2^-32.

    Those of a colour are not coupled, so that they may be taken one after the other.
    """
    plan, state = block("coloured", model, states, beta)
    before, turned = state.spins.copy(), np.empty(len(state.spins), np.uint8)

    def flips(site, draws):
        state.spins[:] = before
        place = plan.position[site]
        _decide_coloured(plan, state, contract.RULES[rule], place, draws.astype(np.uint32), turned)
        return turned == 1

    return np.argsort(plan.position), _where_flips_end(flips, (model.n, len(before)), len(states))


@njit
def _decisions(plan, state, rungs, likely, kinds):
    multispin_kernels.show_codes(plan, state, rungs)
    for tile in range(len(plan.tiles)):
        first, end, table, degree, _, _, own, _, start, count = plan.tiles[tile]
        for word in range(8 * first, 8 * end, PART):
            ups = multispin_decisions.count_up(plan, state, degree, start, word)
            words, _, masks = multispin_decisions.decision(plan, state, ups, (table, degree, own, count), word)
            store(likely, word, words)
            keep(masks, kinds[word // 8], word % 8)
            for kind in range(multispin.MASKS, min(count, len(plan.kinds))):
                store(kinds[word // 8], 8 * kind + word % 8, load(state.scratch[own], 16 + 8 * kind + word % 8, PART))


def multispin_order_and_flips(model, states, beta, rule):
    """The multi-spin kernel's order of cells, and its own flip probabilities (states, n), exact to 2^-78.

    The kernel says the likelier spin and the class of each decision; the probability of the rarer spin is read off
    the bit planes and the rest of the threshold of that class.
    """
    plan, state = block("multispin", model, states, beta, rule)
    vectors, count = state.spins.size // 8, len(plan.kinds)
    likely, kinds = np.zeros((vectors, 8), np.uint64), np.zeros((vectors, count * 8), np.uint64)
    _decisions(plan, state, np.zeros(64 * plan.words, np.int64), likely, kinds)

    def bit(words, cell, lane):  # words (vectors, 8): the word of a cell and a lane, then the lane's bit
        flat = words.reshape(-1)[plan.position[cell] * plan.words + lane // 64]
        return (flat >> (lane % 64).astype(np.uint64)) & np.uint64(1)

    thresholds = plan.degrees.size * multispin.PLANES * count * 8
    planes = state.planes[:thresholds].reshape(-1, multispin.PLANES, count, 8).copy()
    planes[:, :, 1:] ^= planes[:, :, :1]
    rest = plan.rest.reshape(-1, count)
    tables = np.repeat(plan.tiles[:, 2], (plan.tiles[:, 1] - plan.tiles[:, 0]) * 8 // plan.words)
    lane = np.arange(len(states))
    probabilities = np.empty((len(states), model.n))
    for cell in range(model.n):
        table = tables[plan.position[cell]]
        classes = np.array([bit(kinds.reshape(vectors, count, 8)[:, k], cell, lane) for k in range(count)])
        assert (classes.sum(axis=0) == 1).all()
        kind = classes.argmax(axis=0)
        bits = (planes[table][:, kind, lane // 64] >> (lane % 64).astype(np.uint64)) & np.uint64(1)
        head = (bits * 2 ** np.arange(multispin.PLANES - 1, -1, -1, dtype=np.uint64)[:, None]).sum(axis=0)
        rare = (head + rest[table, kind] / 2.0**64) / 2.0**multispin.PLANES
        at_likelier = np.asarray(states)[:, cell] == np.where(bit(likely, cell, lane), 1, -1)
        gibbs = np.where(at_likelier, rare, 1 - rare)
        probabilities[:, cell] = gibbs if rule == "gibbs" else np.where(at_likelier, rare, 1.0)
    return np.argsort(plan.position), probabilities


def sweep_matrix(engine, model, beta, rule):
    """Transition matrix of one sequential sweep, from the kernel's own flip probabilities."""
    states, order = exact.states(model.n), range(model.n)
    if engine == "layered":
        order, flip = layered_order_and_flips(model, states, beta, rule)
    elif engine == "multispin":
        order, flip = multispin_order_and_flips(model, states, beta, rule)
    elif engine == "coloured":
        order, flip = coloured_order_and_flips(model, states, beta, rule)
    elif engine == "overlap":
        flip = memory_flip_probabilities(model, states, beta, rule)
    else:
        flip = flip_probabilities(model, states, beta, rule, engine)
    return transition_matrix(order, flip)


def assert_one_sweep_leaves_the_law(engine, model, beta, rule, tolerance):
    """max |p T - p| of the Boltzmann law is below the tolerance, and that of the broken twin, 5 % off in beta, not."""
    p = boltzmann(model, beta)
    assert np.abs(p @ sweep_matrix(engine, model, beta, rule) - p).max() < tolerance
    if beta:
        assert np.abs(p @ sweep_matrix(engine, model, 1.05 * beta, rule) - p).max() > 10 * tolerance


def z_score(values, expected):
    """Between-chain z-score of the mean of (chains, ...) against its exact value."""
    chain = values.reshape(len(values), -1).mean(axis=1)
    return (chain.mean() - expected) / (chain.std(ddof=1) / np.sqrt(chain.size))
