"""The overlap engine: Hopfield models and perceptrons as P overlaps M_mu = sum_i xi_i^mu s_i in every lane.

There is never an N x N array. An attempt at site i sums up the field from all overlaps, by the Hebb rule N h_i =
sum_mu xi_i^mu M_mu - P s_i, lanes in SIMD; flips change the overlaps, M_mu -= 2 s_i xi_i^mu, when the next attempt
reads them: one pass over memory serves both, and where no lane has flipped there is nothing to write. A pattern's sign
is the same in all lanes: a scalar.

Overlaps of fewer than 2^15 sites are 16-bit integers, by the Hebb rule two in a lane of 32 bits: one instruction
multiplies and adds 32 of them. Overlaps are exact, and so are Hebb fields; random numbers are used as the dense engine
uses them, which gives the same bits where its couplings are exact too. The kernels are in memories.py.
"""

import math
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, precision, sparse
from fastgibbs.engines.arithmetic import at_points, show_points
from fastgibbs.engines.bytespins import start_spins, unpack
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.contract import RANDOM, Engine
from fastgibbs.engines.memories import (
    ATTEMPTS,
    KERNELS,
    Factors,
    Halves,
    OverlapState,
    Powers,
    Steps,
    Wholes,
    WideSteps,
)
from fastgibbs.engines.streams import ORDER, below, lane_streams, next_words, stream_state
from fastgibbs.engines.vectors import at, bitcast, convert, full, load, store
from fastgibbs.jit import gives
from fastgibbs.models.energy import as_energy
from fastgibbs.models.hopfield import Hopfield
from fastgibbs.models.perceptron import Perceptron

MOST_HALVES, MOST_FLOATS = 2**15 - 1, 2**24  # sites: up to here overlaps fit 16 bits, and float32 holds them exactly
_SIGN64 = -(2**63)

LARGEST_MATRIX = 10_000
Memory = Halves | Wholes | Factors | Powers | Steps | WideSteps


class OverlapPlan(NamedTuple):
    """A model for this engine."""

    memory: Memory
    scaled_fields: np.ndarray  # float32 (n,): h / unit
    fields: np.ndarray  # float64 (n,): h / field_unit
    field_unit: float
    in_field: bool
    unit: float  # of fields
    size: int  # what is taken from the sum of the energy: N P, or 0 if the order is above 2
    denominator: float  # E = -(sum - size) / denominator - field energy; -1 of perceptrons, whose E is the sum
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field at every beta
    pushes: np.ndarray  # float32 (rungs,): what the extra field adds to it
    free: np.ndarray  # int32: the sites that sweeps visit


class Prepared(NamedTuple):
    """A model and its plan, which all blocks share."""

    model: Hopfield | Perceptron
    plan: OverlapPlan


def _drowned(model: Hopfield, tolerance) -> str | None:
    """Which site's field the rounding of h and of a pseudo-inverse to float32 may spoil, or None: other sums are exact.

    The fields of patterns are |f_i| <= P, or by the pseudo-inverse rule sums of terms of up to |y_i^mu|, and c_i / N.
    """
    unit, own = model.energy_unit, np.abs(model.fields)
    if (own > unit * 2.0**126).any():
        return f"h of site {int(own.argmax())} is too large beside 1 / N"
    if model.inverse is None:
        sums = own + len(model.patterns)
        whole = model.fields / unit == np.rint(model.fields / unit)
        steps = np.where(own == 0, np.inf, np.where(whole, unit, 0.0))
    else:
        factors = model.inverse @ model.patterns
        own_terms = np.abs((factors * model.patterns).sum(axis=0)) / model.n
        sums, steps = own + np.abs(factors).sum(axis=0) + own_terms, np.zeros(model.n)
    return precision.drowned(sums, own, precision.rounded(sums, steps, sparse.BITS, unit), tolerance)


def _memory(model: Hopfield | Perceptron) -> Memory:
    count, n = model.patterns.shape
    by_site = np.ascontiguousarray(model.patterns.T)
    if isinstance(model, Perceptron):
        return (Steps if max(n, count) <= MOST_HALVES else WideSteps)(by_site.astype(np.int16))
    if model.order > 2:
        odd = range(1, model.order + 1, 2)
        return Powers(by_site, tuple(math.comb(model.order, k) for k in odd), model.order)
    if model.inverse is not None:
        factors = model.patterns.T.astype(np.float64) @ model.inverse
        own = (factors * by_site).sum(axis=1).astype(np.float32)
        return Factors(by_site, factors.astype(np.float32), own, model.inverse)
    if n <= MOST_HALVES:
        filled = np.pad(by_site.astype(np.int16), ((0, 0), (0, count % 2)))
        return Halves(filled.view(np.int32).reshape(n, -1), count)
    return Wholes(by_site, count)


class Overlap(Engine):
    """The engine as Python calls it."""

    name = "overlap"
    plan = OverlapPlan
    field_bits = precision.FLOAT32
    native = True

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these models, or None if it can."""
        first = models[0]
        if not isinstance(first, Hopfield | Perceptron):
            return "it runs Hopfield models and perceptrons"
        if isinstance(first, Hopfield) and first.rule == "storkey":
            return "couplings of the Storkey rule have not rank P"
        why = super().refusal(models, scan, strips)
        if why or isinstance(first, Perceptron):
            return why
        if first.order == 2 and first.patterns.size >= 2**31:
            return f"P N is {first.patterns.size}: fields fit 32 bits up to 2^31 - 1"
        if first.inverse is not None and first.n > MOST_FLOATS:
            return f"N is {first.n}: float32 overlaps are exact up to {MOST_FLOATS}"
        return _drowned(first, tolerance)

    def pays(self, model, chains: int, strips: int | None) -> bool:
        """Whether this engine is the faster one for a model, as far as N and P tell.

        Measured at 64 chains against the dense engine, at high and low acceptance: 1.2 to 7 times as fast up to
        P = N / 4, half as fast at P = N / 2. A matrix of all pairs takes seconds and gigabytes from LARGEST_MATRIX
        sites on.
        """
        if isinstance(model, Perceptron):
            return True
        if not as_energy(model).by_overlaps:
            return False
        return model.order > 2 or len(model.patterns) <= model.n / 4 or model.n >= LARGEST_MATRIX

    def prepare(self, models: list, strips: int, free=None) -> Prepared:
        """The plan of a model, which all blocks share."""
        (model,) = models
        memory = _memory(model)
        if isinstance(model, Perceptron):
            own, field_unit, unit, size, denominator = np.zeros(model.n), 1.0, 0.5, 0, -1.0
        else:
            own, field_unit, unit = model.fields, model.field_unit, model.energy_unit
            size = model.patterns.size if model.order == 2 else 0
            denominator = float(model.order * model.n ** (model.order - 1))
        scaled_fields, fields = (own / unit).astype(np.float32), own / field_unit
        arrays = [array for array in memory if isinstance(array, np.ndarray)]
        for array in (*arrays, scaled_fields, fields):
            array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
        plan = OverlapPlan(
            memory,
            scaled_fields,
            fields,
            field_unit,
            bool(own.any()),
            unit,
            size,
            denominator,
            *np.empty((2, 0), np.float32),
            contract.free_sites(model.n, free),
        )
        return Prepared(model, plan)

    def start(self, prepared: Prepared, lanes: range, ups, entropy, betas, rule, fields=None) -> tuple:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        model, plan = prepared
        spins = start_spins(model.n, len(lanes), ups)
        sums = model.sums(spins.T)
        if isinstance(plan.memory, Halves):
            pairs = np.pad(sums.astype(np.int16), ((0, 0), (0, sums.shape[1] % 2)))
            overlaps = pairs.view(np.int32).reshape(len(lanes), -1).T.copy()
        else:
            overlaps = sums.T.astype(KERNELS[type(plan.memory)].held, order="C")
        state = OverlapState(
            spins=spins,
            overlaps=overlaps,
            turned=np.zeros(len(lanes), overlaps.dtype),
            pending=np.zeros(2, np.int64),
            streams=lane_streams(entropy, lanes),
            order=stream_state(entropy, ORDER),
            words=np.zeros(len(lanes), np.uint64),
            scale=np.zeros(len(lanes), np.float32),
            push=np.zeros(len(lanes), np.float32),
            fields=np.zeros(len(lanes), np.float32),
        )
        return at_points(plan, plan.unit, betas, fields), state


def _kind(plan):
    """The kind of memory of a plan's Numba type."""
    return plan.types[plan.fields.index("memory")].instance_class


@gives(contract.sweep, OverlapPlan, by_type=True)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    _, attempt, settle = ATTEMPTS[_kind(plan)]

    def sweep(plan, state, rungs, rule, scan, counts, crew):
        free, lanes = plan.free.size, state.spins.shape[1]
        show_points(plan, state, rungs)
        for number in range(free):
            site = np.int64(at(plan.free, below(state.order, free) if scan == RANDOM else number))
            if number % 2 == 0:
                for lane in range(0, lanes, WIDTH):
                    store(state.words, lane, next_words(state.streams, lane, WIDTH))
            attempt(plan, state, rule, site, 32 * (number % 2))
        settle(plan, state)

    return sweep


@gives(contract.measure, OverlapPlan, by_type=True)
def _measure(plan, state, energies, magnetizations, crew):
    weight = KERNELS[_kind(plan)].weight

    def measure(plan, state, energies, magnetizations, crew):
        n, lanes = state.spins.shape
        for lane in range(0, lanes, WIDTH):
            store(energies, lane, weight(plan.memory, state.overlaps, lane, plan.size))
            total, fields = full(0, np.int64, WIDTH), full(0.0, np.float64, WIDTH)
            for i in range(n):
                spin = convert(load(state.spins, i * lanes + lane, WIDTH), np.int64)
                total = total + spin
                if plan.in_field:
                    field = bitcast(full(at(plan.fields, i), np.float64, WIDTH), np.int64)
                    fields = fields + bitcast(field ^ (spin & _SIGN64), np.float64)
            store(magnetizations, lane, convert(total, np.float64))
            field_energy = fields * plan.field_unit
            for k in range(WIDTH):
                energies[lane + k] = -(energies[lane + k] / plan.denominator)
            if plan.in_field:
                store(energies, lane, load(energies, lane, WIDTH) - field_energy)

    return measure


@gives(contract.restore, OverlapPlan, by_type=True)
def _restore(plan, state, words):
    (_, _, settle), turn = ATTEMPTS[_kind(plan)], KERNELS[_kind(plan)].turn

    def restore(plan, state, words):
        unpack(words, state.spins)
        state.overlaps[:] = 0
        n, lanes = state.spins.shape
        for i in range(n):  # as if every site had turned
            for lane in range(0, lanes, WIDTH):
                spin = convert(load(state.spins, i * lanes + lane, WIDTH), np.int32)
                store(state.turned, lane, turn(spin * -1))
            state.pending[0], state.pending[1] = i, 1
            settle(plan, state)

    return restore
