"""A stranger's engine: one file outside the package, plain loops over a matrix of couplings, with faults to find."""

import math
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.streams import SWEEP, next_word, stream_state
from fastgibbs.jit import implements

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
    streams: np.ndarray  # uint64 (lanes, 4)


class Scalar:
    """The functions that Python calls, as those of a module."""

    def __init__(self, fault=NONE):
        self.fault = fault

    def refusal(self, models, scan, strips, tolerance):
        """Why it cannot run these models, or None."""
        return "it scans in sequence" if scan == "random" or strips > 1 or len(models) > 1 else None

    def strips(self, models, chains):
        """None: a lane is a chain."""
        return 1

    def prepare(self, models, strips, free=None):
        """The plan of all blocks."""
        (model,) = models
        J, (i, j, values) = np.zeros((model.n, model.n)), model.bonds
        J[i, j] = J[j, i] = values
        h = np.array(model.fields)
        return ScalarPlan(J, h, model.offset, np.zeros(1), contract.free_sites(model.n, free), self.fault)

    def cut(self, lanes, threads, together=16):
        """Blocks of 16 lanes."""
        return [range(first, first + 16) for first in range(0, lanes, 16)]

    def start(self, plan, lanes, ups, entropy, betas, rule):
        """Plan and state of a block."""
        spins = np.ones((plan.h.size, len(lanes)), np.int8)
        for first, part in ups:
            spins[first : first + part.shape[1]] = 2 * part.T.astype(np.int8) - 1
        streams = np.array([stream_state(entropy, SWEEP, *divmod(lane, 64)) for lane in lanes])
        return plan._replace(betas=np.array(betas)), ScalarState(spins, spins.copy(), streams)

    def crew(self, plan):
        """One thread a block."""
        return 1

    def spins(self, plan, state):
        """Spins int8 (n, lanes)."""
        return state.spins


@implements(contract.sweep)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    if getattr(plan, "instance_class", None) is not ScalarPlan:
        return None

    def sweep(plan, state, rungs, rule, scan, counts, crew):
        n, lanes = state.spins.shape
        for i in range(n):
            for lane in range(lanes):
                state.before[i, lane] = state.spins[i, lane]
        if plan.fault == DRAWS and counts == contract.MEASURED:
            next_word(state.streams[0])
        seen = state.before if plan.fault == STALE else state.spins
        for number in range(plan.free.size - (1 if plan.fault == SITE else 0)):
            i = plan.free[number]
            u = 0.0
            for lane in range(lanes):
                field = plan.h[i]
                for j in range(n):
                    field += plan.J[i, j] * seen[j, lane]
                if lane == 0 or plan.fault != SHARED:
                    u = np.float64(next_word(state.streams[lane]) >> np.uint64(11)) * 2.0**-53
                cost = 2 * plan.betas[rungs[lane]] * field
                if rule == contract.GIBBS:
                    state.spins[i, lane] = 1 if u < 1 / (1 + math.exp(-cost)) else -1
                elif u < math.exp(-cost * state.spins[i, lane]):
                    state.spins[i, lane] = -state.spins[i, lane]

    return sweep


@implements(contract.measure)
def _measure(plan, state, energies, magnetizations, crew):
    if getattr(plan, "instance_class", None) is not ScalarPlan:
        return None

    def measure(plan, state, energies, magnetizations, crew):
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

    return measure


@implements(contract.snapshot)
def _snapshot(plan, state, words):
    if getattr(plan, "instance_class", None) is not ScalarPlan:
        return None

    def snapshot(plan, state, words):
        for i in range(len(state.spins)):
            words[i, 0] = 0
            for lane in range(16):
                if state.spins[i, 15 - lane if plan.fault == SNAPSHOT else lane] > 0:
                    words[i, 0] |= 1 << lane

    return snapshot


@implements(contract.restore)
def _restore(plan, state, words):
    if getattr(plan, "instance_class", None) is not ScalarPlan:
        return None

    def restore(plan, state, words):
        for i in range(len(state.spins) - (1 if plan.fault == RESTORE else 0)):
            for lane in range(16):
                state.spins[i, lane] = 2 * ((words[i, 0] >> lane) & 1) - 1
        if plan.fault == SPENT:
            next_word(state.streams[0])

    return restore


@implements(contract.retain)
def _retain(plan, state, kept, better):
    if getattr(plan, "instance_class", None) is not ScalarPlan:
        return None

    def retain(plan, state, kept, better):
        for lane in range(16):
            if better[lane] > 0 or plan.fault == RETAIN:
                for i in range(len(state.spins)):
                    kept[i, lane] = state.spins[i, lane]

    return retain
