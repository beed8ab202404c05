"""Reads an engine's own probabilities and fields off its kernel, by driving the decision with chosen random bits."""

import numpy as np

from fastgibbs.engines import contract, sparse, streams
from fastgibbs.engines.sparse import attempt, local_field
from fastgibbs.engines.vectors import convert, load, store
from fastgibbs.jit import inlined


@inlined
def _attempt_everywhere(plan, state, rule, site, bits):
    for lane in range(0, bits.size, 16):
        attempt(plan, state, rule, site, lane, convert(load(bits, lane, 16), np.uint32))


@inlined
def _fields(plan, spins, site, out):
    for lane in range(0, out.size, 16):
        store(out, lane, local_field(plan, spins, site, lane))


def lanes_of(states):
    """States (lanes, n) as a block's spins (n, lanes), filled up to whole groups of 16 lanes."""
    return np.ascontiguousarray(np.pad(states.T, ((0, 0), (0, -len(states) % 16)), constant_values=1))


def block(model, states, betas, entropy=0):
    """A sparse engine's plan and the state of a block at `states` (lanes, n), ready for an attempt."""
    plan = sparse.plan(model.to_ising())
    spins = lanes_of(np.asarray(states, np.int8))
    lanes = range(spins.shape[1])
    order = streams.stream_states(entropy, streams.ORDER, range(1))[:, 0].copy()
    state = sparse.start(plan, spins, streams.stream_states(entropy, streams.SWEEP, lanes), order)
    state.scale[:] = np.clip(sparse._MINUS_TWO_LOG2E * np.asarray(betas) * plan.unit, -1e30, 1e30)
    return plan, state


def fields(model, states):
    """The kernel's local fields of every site in every state, float64 (states, n)."""
    plan, state = block(model, states, 1.0)
    out = np.empty((model.n, state.spins.shape[1]), np.float32)
    for site in range(model.n):
        _fields(plan, state.spins, site, out[site])
    return out.T[: len(states)].astype(np.float64) * plan.unit


def flip_probabilities(model, states, beta, rule):
    """The kernel's own probability that an attempt flips site i in each state, (states, n), exact to 2^-32.

    An attempt flips in an interval of its 32 bits at one end of the range; bisection finds where it ends.
    """
    probabilities = np.empty((len(states), model.n))
    plan, state = block(model, states, beta)
    before = state.spins.copy()
    for site in range(model.n):

        def flips(bits, site=site):
            state.spins[:] = before
            _attempt_everywhere(plan, state, contract.RULES[rule], site, bits.astype(np.uint64))
            return (state.spins[site] != before[site])[: len(states)]

        lanes = before.shape[1]
        at_zero = flips(np.zeros(lanes))
        low, high = np.zeros(lanes, np.int64), np.full(lanes, 2**32, np.int64)  # decided as at 0, otherwise
        for _ in range(32):
            middle = (low + high) // 2
            same = np.pad(flips(middle) == at_zero, (0, lanes - len(states)))
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        share = high[: len(states)] / 2**32
        probabilities[:, site] = np.where(at_zero, share, 1 - share)
    return probabilities
