"""A stranger's engine: one file outside the package, plain loops over a matrix of couplings, with faults to find."""

import math
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.bytespins import copy_lanes, pack, start_spins, unpack
from fastgibbs.engines.streams import lane_streams, next_word
from fastgibbs.jit import gives

NONE, SNAPSHOT, RESTORE, RETAIN, STALE, ENERGY, SUM, SITE, SHARED, SPENT, DRAWS = range(11)  # faults


class ScalarPlan(NamedTuple):
    """An Ising model for this engine."""

    J: np.ndarray  # float64 (n, n)
    h: np.ndarray
    offset: float
    betas: np.ndarray
    free: np.ndarray
    fault: int


class ScalarState(NamedTuple):
    """What sweeps change."""

    spins: np.ndarray  # int8 (n, lanes)
    before: np.ndarray  # int8 (n, lanes): the spins at the sweep's beginning
    streams: np.ndarray  # uint64 (4, lanes)


class Scalar(contract.Engine):
    """Chains one by one."""

    name, plan, block_lanes = "scalar", ScalarPlan, 16

    def __init__(self, fault=NONE):
        self.fault = fault

    def refusal(self, models, scan, strips, tolerance=np.inf):
        """Why it cannot run these models, or None."""
        return "it scans in sequence" if scan == "random" else super().refusal(models, scan, strips)

    def prepare(self, models, strips, free=None):
        """The plan of all blocks."""
        (model,) = models
        J, (i, j, values) = np.zeros((model.n, model.n)), model.bonds
        J[i, j] = J[j, i] = values
        h = np.array(model.fields)
        return ScalarPlan(J, h, model.offset, np.zeros(1), contract.free_sites(model.n, free), self.fault)

    def start(self, plan, lanes, ups, entropy, betas, rule):
        """Plan and state of a block."""
        spins = start_spins(plan.h.size, len(lanes), ups)
        return plan._replace(betas=np.array(betas)), ScalarState(spins, spins.copy(), lane_streams(entropy, lanes))


@gives(contract.sweep, ScalarPlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    n, lanes = state.spins.shape
    for i in range(n):
        for lane in range(lanes):
            state.before[i, lane] = state.spins[i, lane]
    if plan.fault == DRAWS and counts == contract.MEASURED:
        next_word(state.streams[:, 0])
    seen = state.before if plan.fault == STALE else state.spins
    for number in range(plan.free.size - (1 if plan.fault == SITE else 0)):
        i = plan.free[number]
        u = 0.0
        for lane in range(lanes):
            field = plan.h[i]
            for j in range(n):
                field += plan.J[i, j] * seen[j, lane]
            if lane == 0 or plan.fault != SHARED:
                u = np.float64(next_word(state.streams[:, lane]) >> np.uint64(11)) * 2.0**-53
            cost = 2 * plan.betas[rungs[lane]] * field
            if rule == contract.GIBBS:
                state.spins[i, lane] = 1 if u < 1 / (1 + math.exp(-cost)) else -1
            elif u < math.exp(-cost * state.spins[i, lane]):
                state.spins[i, lane] = -state.spins[i, lane]


@gives(contract.measure, ScalarPlan)
def _measure(plan, state, energies, magnetizations, crew):
    n, lanes = state.spins.shape
    for lane in range(lanes):
        energy, total = plan.offset, 1.0 if plan.fault == SUM else 0.0
        for i in range(n - (1 if plan.fault == ENERGY else 0)):
            energy -= plan.h[i] * state.spins[i, lane]
            for j in range(i):
                energy -= plan.J[i, j] * state.spins[i, lane] * state.spins[j, lane]
        for i in range(n):
            total += state.spins[i, lane]
        energies[lane], magnetizations[lane] = energy, total


# The defaults, but for faults


@gives(contract.snapshot, ScalarPlan)
def _snapshot(plan, state, words):
    pack(state.spins, words)
    for i in range(len(words) if plan.fault == SNAPSHOT else 0):
        words[i, 0] = (words[i, 0] << 8) | (words[i, 0] >> 8)


@gives(contract.restore, ScalarPlan)
def _restore(plan, state, words):
    unpack(words, state.spins[:-1] if plan.fault == RESTORE else state.spins)
    if plan.fault == SPENT:
        next_word(state.streams[:, 0])


@gives(contract.retain, ScalarPlan)
def _retain(plan, state, kept, better):
    copy_lanes(state.spins, kept, better)
    for i in range(len(kept) if plan.fault == RETAIN else 0):
        for lane in range(16):
            kept[i, lane] = state.spins[i, lane]
