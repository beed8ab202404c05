"""The sparse engine: any couplings in CSR form, one attempt at one site in all lanes at a time, lanes in SIMD.

Float32 fields and couplings; an attempt's uniform has 32 bits, half a word of the lane's stream. Spins are int8 with
the lane innermost, so that a neighbour's spins are one contiguous load and J s is a flip of J's sign bit.

Where couplings and fields are whole multiples of a power of two, few enough that 8 bits hold every local field, sums
are taken in int8, 64 lanes in a register. Both ways are exact then, and give the same bits.

Where they are not, energies take as long as a sweep. While annealing they are followed instead from flip to flip, by
the float32 fields that decide them, and measured every MOST_FOLLOWED sweeps: in between they are a little off.

Where float32 sums lose small fields among large couplings (precision.py), plans of float64 numbers run on the same
kernels, with the rounding errors of their sums added up beside them: the engine of sparse64.py.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, precision
from fastgibbs.engines.arithmetic import decide, scales
from fastgibbs.engines.bytespins import start_spins
from fastgibbs.engines.contract import FOLLOWED, RANDOM, Engine
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.sparse_sums import adding, turned
from fastgibbs.engines.streams import ORDER, below, lane_streams, next_words, stream_state
from fastgibbs.engines.vectors import at, convert, full, load, store
from fastgibbs.jit import gives, inlined
from fastgibbs.models import checks

BITS = 24  # of a sum
MOST_FOLLOWED = 64  # sweeps
_ROWS = 2**16  # looked at at once, so that a large model takes no more memory than it must


class SparsePlan(NamedTuple):
    """An Ising model for this engine. `unit` is a power of two that keeps float32 couplings in range."""

    indptr: np.ndarray  # int64 (n + 1,)
    upper: np.ndarray  # int64 (n,): where the neighbours j > i begin in row i
    indices: np.ndarray  # int32 (nnz,)
    couplings: np.ndarray  # float64 (nnz,): J / coupling_unit, for energies
    fields: np.ndarray  # float64 (n,): h / field_unit
    coupling_unit: float
    field_unit: float
    offset: float
    scaled_couplings: np.ndarray  # float32, or of sparse64 float64 (nnz,): J / unit
    scaled_fields: np.ndarray  # of the same type (n,): h / unit
    unit: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field at every beta
    step: float  # the power of two of which all couplings and fields are whole multiples, or 0.0
    doubled: np.ndarray  # int8 (nnz or 0,): 2 J / step, modulo 256
    row_sums: np.ndarray  # int8 (n or 0,): (h_i + sum_j J_ij) / step
    upper_sums: np.ndarray  # int8 (n or 0,): sum_{j > i} J_ij / step
    own: np.ndarray  # int8 (n or 0,): h_i / step
    free: np.ndarray  # int32: the sites that sweeps visit


class SparseState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # int8 (n, lanes)
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    words: np.ndarray  # uint64 (lanes,): random words of this attempt and the next
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    fields: np.ndarray  # as J / unit is (lanes,): the local field of one site in every lane, in units of `unit`
    energies: np.ndarray  # float64 (lanes,): as they were measured last, and followed since, in units of `unit`
    followed: np.ndarray  # int64 (1,): for how many sweeps, MOST_FOLLOWED or more if energies are not known


def unit_of(model) -> float:
    """A power of two near the largest |J| or |h|, or 1 if all are zero."""
    largest = max(checks.largest(model.couplings), checks.largest(model.fields))
    return float(2.0 ** (np.frexp(largest)[1] - 1)) if largest > 0 else 1.0


_NO_NUMBERS = (np.empty(0, np.int8),) * 4
_NO_NUMBERS[0].flags.writeable = False  # as numbers are, so that one compilation serves both


def _whole_numbers(model, upper) -> tuple:
    """`step` and the whole numbers of a plan, or 0.0 and nothing."""
    parts = [values[k : k + 2**16] for values in (model.couplings, model.fields) for k in range(0, values.size, 2**16)]
    exponent = int(np.frexp(max((np.abs(part).max() for part in parts), default=0.0))[1])
    for step in 2.0 ** np.arange(exponent - 1, exponent - 8, -1):
        if all((part / step == np.rint(part / step)).all() for part in parts):
            break
    else:
        return 0.0, *_NO_NUMBERS
    rows = np.repeat(np.arange(model.n), np.diff(model.indptr))
    J, h = model.couplings / step, model.fields / step
    above = np.arange(J.size) >= upper[rows]
    if (np.abs(h) + np.bincount(rows, np.abs(J), model.n)).max(initial=0) > 127 or model.n > 2**24:
        return 0.0, *_NO_NUMBERS
    row_sums, upper_sums = h + np.bincount(rows, J, model.n), np.bincount(rows[above], J[above], model.n)
    whole = [numbers.astype(np.int64).astype(np.int8) for numbers in (2 * J, row_sums, upper_sums, h)]
    for numbers in whole:
        numbers.flags.writeable = False
    return float(step), *whole


def with_numbers(plan: SparsePlan, couplings, fields, offset: float) -> SparsePlan:
    """The plan with other couplings J, float64 (nnz,), fields h, float64 (n,), and offset, in units of 1."""
    scaled = couplings.astype(np.float32), fields.astype(np.float32)
    for array in (couplings, fields, *scaled):
        array.flags.writeable = False
    numbers = dict(couplings=couplings, fields=fields, coupling_unit=1.0, field_unit=1.0, offset=offset)
    numbers |= dict(scaled_couplings=scaled[0], scaled_fields=scaled[1], scales=plan.scales / np.float32(plan.unit))
    whole = dict(zip(("doubled", "row_sums", "upper_sums", "own"), _NO_NUMBERS, strict=True))
    return plan._replace(**numbers, unit=1.0, step=0.0, **whole)


class Sparse(Engine):
    """The engine as Python calls it."""

    name = "sparse"
    plan = SparsePlan
    follows = True
    kind = np.float32  # of the numbers that are summed up

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these Ising models, or None if it can."""
        if why := super().refusal(models, scan, strips):
            return why
        return precision.refusal(models[0], unit_of(models[0]), BITS, tolerance)

    def prepare(self, models: list, strips: int, free=None) -> SparsePlan:
        """The plan of an Ising model, which all blocks share."""
        (model,) = models
        upper = np.empty(model.n, np.int64)
        for first in range(0, model.n, _ROWS):
            ends = model.indptr[first : first + _ROWS + 1]
            rows = np.repeat(np.arange(ends.size - 1), np.diff(ends))
            lower = model.indices[ends[0] : ends[-1]] < first + rows
            upper[first : first + _ROWS] = ends[:-1] + np.bincount(rows[lower], minlength=ends.size - 1)
        unit = unit_of(model)
        scaled_couplings = np.empty(model.couplings.size, self.kind)
        np.divide(model.couplings, unit, out=scaled_couplings, casting="same_kind")  # needs no float64 copy
        scaled_fields = (model.fields / unit).astype(self.kind)
        couplings = model.couplings if model.coupling_unit == 1 else model.couplings / model.coupling_unit
        fields = model.fields if model.field_unit == 1 else model.fields / model.field_unit
        for array in (upper, couplings, fields, scaled_couplings, scaled_fields):
            array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
        return SparsePlan(
            model.indptr,
            upper,
            model.indices,
            couplings,
            fields,
            model.coupling_unit,
            model.field_unit,
            model.offset,
            scaled_couplings,
            scaled_fields,
            unit,
            np.empty(0, np.float32),
            *_whole_numbers(model, upper),
            contract.free_sites(model.n, free),
        )

    def at_betas(self, plan: SparsePlan, betas) -> SparsePlan:
        """The plan with rungs at these betas, float64 (rungs,)."""
        return plan._replace(scales=scales(betas, plan.unit))

    def start(self, plan: SparsePlan, lanes: range, ups, entropy, betas, rule) -> tuple[SparsePlan, SparseState]:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        spins = start_spins(plan.fields.size, len(lanes), ups)
        streams = lane_streams(entropy, lanes)
        order = stream_state(entropy, ORDER)
        plan = self.at_betas(plan, betas)
        kinds = np.uint64, np.float32, plan.scaled_fields.dtype
        words, scale, fields = (np.zeros(len(lanes), kind) for kind in kinds)
        followed = np.full(1, MOST_FOLLOWED)
        return plan, SparseState(spins, streams, order, words, scale, fields, np.zeros(len(lanes)), followed)


_WIDE = 64  # sums of so many lanes at once do not wait for each other
(_sum_wide, _write_wide), (_, _write) = adding(_WIDE), adding(WIDTH)


@inlined
def gather_fields(plan, state, site):
    """Write the local field of a site in all lanes to the state."""
    lanes = state.spins.shape[1]
    if lanes % _WIDE == 0:
        for lane in range(0, lanes, _WIDE):
            _write_wide(plan, state, site, lane)
    else:
        for lane in range(0, lanes, WIDTH):
            _write(plan, state, site, lane)


@inlined
def attempt(plan, state, rule, site, lane, words, follows):
    """One attempt at `site` in lanes `lane` ... `lane + 15`, decided by 32 random bits a lane.

    If it `follows`, energies change by (s - s') f, s and s' being the spins before and after.
    """
    position = site * state.spins.shape[1] + lane
    field, old = load(state.fields, lane, WIDTH), load(state.spins, position, WIDTH)
    new = decide(rule, convert(field, np.float32) * load(state.scale, lane, WIDTH), old, words, WIDTH)
    store(state.spins, position, new)
    if follows:
        change = convert(convert(old - new, state.fields.dtype) * field, np.float64)
        store(state.energies, lane, load(state.energies, lane, WIDTH) + change)


@gives(contract.sweep, SparsePlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    free, lanes = plan.free.size, state.spins.shape[1]
    follows = counts == FOLLOWED and plan.step == 0
    state.followed[0] = state.followed[0] + 1 if follows else MOST_FOLLOWED
    for lane in range(lanes):
        state.scale[lane] = plan.scales[rungs[lane]]
    for number in range(free):
        site = np.int64(at(plan.free, below(state.order, free) if scan == RANDOM else number))
        gather_fields(plan, state, site)
        if number % 2 == 0:
            for lane in range(0, lanes, WIDTH):
                store(state.words, lane, next_words(state.streams, lane, WIDTH))
            for lane in range(0, lanes, WIDTH):
                words = convert(load(state.words, lane, WIDTH), np.uint32)
                attempt(plan, state, rule, site, lane, words, follows)
        else:
            for lane in range(0, lanes, WIDTH):
                words = convert(load(state.words, lane, WIDTH) >> 32, np.uint32)
                attempt(plan, state, rule, site, lane, words, follows)


@inlined
def _measure_whole(plan, spins, lane, energies, magnetizations):
    """Energies and sums of spins of 64 lanes in whole numbers: exact, and so the same as in any other order."""
    n, lanes = spins.shape
    bonds, fields, total = (full(0, np.int32, _WIDE), full(0, np.int32, _WIDE), full(0, np.int32, _WIDE))
    for i in range(n):
        spin = load(spins, i * lanes + lane, _WIDE)
        upper = _sum_wide(plan, spins, at(plan.upper_sums, i), at(plan.upper, i), at(plan.indptr, i + 1), lane)
        bonds = bonds + convert(upper - ((upper + upper) & spin), np.int32)
        own = full(at(plan.own, i), np.int8, _WIDE)
        fields = fields + convert(own - ((own + own) & spin), np.int32)
        total = total + convert(spin, np.int32)
    energy = full(plan.offset, np.float64, _WIDE) - convert(bonds, np.float64) * plan.step
    store(energies, lane, energy - convert(fields, np.float64) * plan.step)
    store(magnetizations, lane, convert(total, np.float64))


def _measuring(width):
    """The function that measures `width` lanes with one addition after the other, bond by bond, as `Ising.energy`."""

    @inlined
    def measure_lanes(plan, spins, lane, energies, magnetizations):
        n, lanes = spins.shape
        bonds = full(0.0, np.float64, width)
        fields = full(0.0, np.float64, width)
        total = full(0, np.int64, width)
        for i in range(n):
            own = convert(load(spins, i * lanes + lane, width), np.int64)
            for k in range(at(plan.upper, i), at(plan.indptr, i + 1)):
                other = convert(load(spins, at(plan.indices, k) * lanes + lane, width), np.int64)
                bonds = bonds + turned(full(at(plan.couplings, k), np.float64, width), own ^ other)
            total = total + own
            fields = fields + turned(full(at(plan.fields, i), np.float64, width), own)
        energy = full(plan.offset, np.float64, width) - bonds * plan.coupling_unit
        store(energies, lane, energy - fields * plan.field_unit)
        store(magnetizations, lane, convert(total, np.float64))

    return measure_lanes


_measure_wide, _measure = _measuring(_WIDE), _measuring(WIDTH)


@gives(contract.measure, SparsePlan)
def _measured(plan, state, energies, magnetizations, crew):
    spins = state.spins
    lanes = spins.shape[1]
    if state.followed[0] < MOST_FOLLOWED:
        for lane in range(lanes):
            energies[lane] = state.energies[lane] * plan.unit
        return
    if lanes % _WIDE == 0:
        for lane in range(0, lanes, _WIDE):
            if plan.step > 0:
                _measure_whole(plan, spins, lane, energies, magnetizations)
            else:
                _measure_wide(plan, spins, lane, energies, magnetizations)
    else:
        for lane in range(0, lanes, WIDTH):
            _measure(plan, spins, lane, energies, magnetizations)
    for lane in range(lanes):
        state.energies[lane] = energies[lane] / plan.unit
    state.followed[0] = 0
