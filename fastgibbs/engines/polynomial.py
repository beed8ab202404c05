"""The engine of polynomials: products of any number of spins or units, one attempt at one site in all lanes at a time.

A product of spins has the sign of the XOR of their sign bits, one of units is 0 where the OR of them is set: of int8
spins one instruction for 64 lanes, and one more to give a float32 coefficient that sign, or to take it away. Fields are
float32 sums over the terms of a site, decided as the sparse engine's, with the same random numbers; energies are
float64, one term after the other as `Polynomial.energy` adds them.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, precision
from fastgibbs.engines.arithmetic import at_points, outcome, pushed, show_points
from fastgibbs.engines.bytespins import fill_spins
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.contract import RANDOM, Engine
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.shuffles import interleaved
from fastgibbs.engines.sparse_draws import CHUNK, draw, rough_surplus, settle, unsure
from fastgibbs.engines.streams import ORDER, below, lane_streams, stream_state
from fastgibbs.engines.vectors import at, bitcast, convert, full, load, store
from fastgibbs.jit import gives, inlined
from fastgibbs.models.polynomial import Polynomial

BITS = 24  # of a sum
_SIGN, _SIGN64 = -(2**31), -(2**63)


class PolynomialPlan(NamedTuple):
    """A polynomial for this engine. `unit` is a power of two that keeps float32 numbers in range."""

    first: np.ndarray  # int64 (n + 1,): where the entries of each site begin
    starts: np.ndarray  # int64 (entries + 1,): where the others of each entry begin
    others: np.ndarray  # int32
    numbers: np.ndarray  # float32 (entries,): what the product of these counts in the field, over `unit`
    of_spins: bool  # or of units
    ends: np.ndarray  # int64 (terms + 1,): where the sites of each term begin
    sites: np.ndarray  # int32
    coefficients: np.ndarray  # float64 (terms,)
    offset: float
    unit: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field at every beta
    pushes: np.ndarray  # float32 (rungs,): what the extra field adds to it
    free: np.ndarray  # int32: the sites that sweeps visit


class PolynomialState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # int8 (n, lanes)
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    uniforms: np.ndarray  # float32 (CHUNK + 1, lanes): of a chunk of attempts; exponents of one of them
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    push: np.ndarray  # float32 (lanes,): the push of each lane's rung


def field_parts(model: Polynomial) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each site the sum, the largest and the step of what its terms count in its field: float64 (n,).

    Of units the largest is 0: any term may be left out.
    """
    first, _, _, numbers = model.entries
    sites, sizes = np.repeat(np.arange(model.n), np.diff(first)), np.abs(numbers)
    largest, steps = np.zeros(model.n), np.full(model.n, np.inf)
    if model.low:
        np.maximum.at(largest, sites, sizes)
    np.minimum.at(steps, sites, precision.whole_steps(numbers))
    return np.bincount(sites, sizes, model.n), largest, steps


class Polynomials(Engine):
    """The engine as Python calls it."""

    name = "polynomial"
    plan = PolynomialPlan
    field_bits = precision.FLOAT32
    native = True

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these models, or None if it can."""
        if not isinstance(models[0], Polynomial):
            return "the model is no Polynomial"
        if why := super().refusal(models, scan, strips):
            return why
        unit = precision.power_of_two(models[0].entries.numbers)
        sums, largest, steps = field_parts(models[0])
        return precision.drowned(sums, largest, precision.rounded(sums, steps, BITS, unit), tolerance)

    def pays(self, model, chains: int, strips: int | None) -> bool:
        """Where there is no Ising form, which other engines know better."""
        return not isinstance(model, Polynomial) or not model.has_ising_form

    def prepare(self, models: list, strips: int, free=None) -> PolynomialPlan:
        """The plan of a polynomial, which all blocks share."""
        (model,) = models
        first, starts, others, numbers = model.entries
        unit = precision.power_of_two(numbers)
        scaled, ends = (numbers / unit).astype(np.float32), np.concatenate([[0], np.cumsum(model.degrees)])
        for array in (scaled, ends):
            array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
        return PolynomialPlan(
            first,
            starts,
            others,
            scaled,
            model.kind == "spin",
            ends,
            model.sites,
            model.coefficients,
            model.offset,
            unit,
            *np.empty((2, 0), np.float32),
            contract.free_sites(model.n, free),
        )

    def start(self, plan: PolynomialPlan, lanes: range, ups, entropy, betas, rule, fields=None):
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        n, size = plan.first.size - 1, len(lanes)
        streams = aligned((4, size), np.uint64)
        streams[:] = lane_streams(entropy, lanes)
        state = PolynomialState(
            fill_spins(aligned((n, size), np.int8), ups),
            streams,
            stream_state(entropy, ORDER),
            aligned((CHUNK + 1, size), np.float32),
            aligned(size, np.float32),
            aligned(size, np.float32),
        )
        return at_points(plan, plan.unit, betas, fields), state


def _summing(width):
    """The functions that add up the field of a site in `width` lanes: of spins, and of units."""

    @inlined
    def of_spins(plan, spins, site, lane):
        lanes, field = spins.shape[1], full(0.0, np.float32, width)
        for k in range(at(plan.first, site), at(plan.first, site + 1)):
            product = full(0, np.int8, width)
            for place in range(at(plan.starts, k), at(plan.starts, k + 1)):
                product = product ^ load(spins, at(plan.others, place) * lanes + lane, width)
            number = bitcast(full(at(plan.numbers, k), np.float32, width), np.int32)
            field = field + bitcast(number ^ (convert(product, np.int32) & _SIGN), np.float32)
        return field

    @inlined
    def of_units(plan, spins, site, lane):
        lanes, field = spins.shape[1], full(0.0, np.float32, width)
        for k in range(at(plan.first, site), at(plan.first, site + 1)):
            down = full(0, np.int8, width)
            for place in range(at(plan.starts, k), at(plan.starts, k + 1)):
                down = down | load(spins, at(plan.others, place) * lanes + lane, width)
            number = bitcast(full(at(plan.numbers, k), np.float32, width), np.int32)
            is_down = convert(down, np.int32) >> 1  # -1 >> 1 = -1, 1 >> 1 = 0
            field = field + bitcast(number & (is_down ^ -1), np.float32)
        return field

    return of_spins, of_units


def _summing_four(width):
    """`_summing` in four sums of every fourth lane: a byte of each comes to the sign by a shift, and by no widening."""
    each = width // 4

    @inlined
    def of_spins(plan, spins, site, lane):
        lanes, zero = spins.shape[1], full(0.0, np.float32, each)
        a, b, c, d = zero, zero, zero, zero
        for k in range(at(plan.first, site), at(plan.first, site + 1)):
            product = full(0, np.int8, width)
            for place in range(at(plan.starts, k), at(plan.starts, k + 1)):
                product = product ^ load(spins, at(plan.others, place) * lanes + lane, width)
            number, four = bitcast(full(at(plan.numbers, k), np.float32, each), np.int32), bitcast(product, np.int32)
            a = a + bitcast(number ^ (four << 24 & _SIGN), np.float32)
            b = b + bitcast(number ^ (four << 16 & _SIGN), np.float32)
            c = c + bitcast(number ^ (four << 8 & _SIGN), np.float32)
            d = d + bitcast(number ^ (four & _SIGN), np.float32)
        return interleaved(a, b, c, d)

    @inlined
    def of_units(plan, spins, site, lane):
        lanes, zero = spins.shape[1], full(0.0, np.float32, each)
        a, b, c, d = zero, zero, zero, zero
        for k in range(at(plan.first, site), at(plan.first, site + 1)):
            up = full(-1, np.int8, width)
            for place in range(at(plan.starts, k), at(plan.starts, k + 1)):
                up = up & (load(spins, at(plan.others, place) * lanes + lane, width) ^ -1)
            number, four = bitcast(full(at(plan.numbers, k), np.float32, each), np.int32), bitcast(up, np.int32)
            a = a + bitcast(number & (four << 24 >> 31), np.float32)
            b = b + bitcast(number & (four << 16 >> 31), np.float32)
            c = c + bitcast(number & (four << 8 >> 31), np.float32)
            d = d + bitcast(number & (four >> 31), np.float32)
        return interleaved(a, b, c, d)

    return of_spins, of_units


def _attempting(width):
    """The function that makes one attempt in `width` lanes."""
    of_spins, of_units = _summing_four(width) if width > WIDTH else _summing(width)

    @inlined
    def attempt(plan, state, rule, site, lane, place):
        """One attempt at `site`, in lanes from `lane` on, decided by the uniforms at `place`."""
        spins, position = state.spins, site * state.spins.shape[1] + lane
        field = of_spins(plan, spins, site, lane) if plan.of_spins else of_units(plan, spins, site, lane)
        exponent = pushed(plan, state, field * load(state.scale, lane, width), lane, width)
        while True:
            signs = convert(load(spins, position, width), np.int32)
            spare = rough_surplus(rule, exponent, signs, load(state.uniforms, place, width), width)
            if not unsure(spare):
                break
            settle(rule, spins, state, site, lane, place, spare, exponent)
        store(spins, position, convert(outcome(rule, exponent, signs, spare) >> 31 | 1, np.int8))

    return attempt


_WIDE = 4 * WIDTH
_attempt_wide, _attempt_last = _attempting(_WIDE), _attempting(WIDTH)


@gives(contract.sweep, PolynomialPlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    free, lanes = plan.free.size, state.spins.shape[1]
    wide = lanes - lanes % _WIDE
    show_points(plan, state, rungs)
    for first in range(0, free, CHUNK):
        end = min(first + CHUNK, free)
        draw(state.streams, state.uniforms, (end - first + 3) >> 2)
        for number in range(first, end):
            site = np.int64(at(plan.free, below(state.order, free) if scan == RANDOM else number))
            place = (number - first) * lanes
            for lane in range(0, wide, _WIDE):
                _attempt_wide(plan, state, rule, site, lane, place + lane)
            for lane in range(wide, lanes, WIDTH):
                _attempt_last(plan, state, rule, site, lane, place + lane)


@gives(contract.measure, PolynomialPlan)
def _measure(plan, state, energies, magnetizations, crew):
    n, lanes = state.spins.shape
    for lane in range(0, lanes, WIDTH):
        energy, total = full(plan.offset, np.float64, WIDTH), full(0, np.int64, WIDTH)
        for k in range(plan.coefficients.size):
            product = full(0, np.int8, WIDTH)
            for place in range(at(plan.ends, k), at(plan.ends, k + 1)):
                spin = load(state.spins, at(plan.sites, place) * lanes + lane, WIDTH)
                product = product ^ spin if plan.of_spins else product | spin
            signs = convert(product, np.int64)
            number = bitcast(full(at(plan.coefficients, k), np.float64, WIDTH), np.int64)
            number = number ^ (signs & _SIGN64) if plan.of_spins else number & ((signs >> 1) ^ -1)
            energy = energy + bitcast(number, np.float64)
        for site in range(n):  # not by `sum_spins`: in one loop with the energy it is a tenth faster
            total = total + convert(load(state.spins, site * lanes + lane, WIDTH), np.int64)
        store(energies, lane, energy)
        store(magnetizations, lane, convert(total, np.float64))
