"""The sparse engine: any couplings in CSR form, one attempt at one site in all lanes at a time, lanes in SIMD.

Float32 fields and couplings; random numbers are drawn for CHUNK attempts at once, so that the streams stay in registers
meanwhile, a quarter of a word each (sparse_draws.py). Spins have the lane innermost: those of a neighbour are one
contiguous load. They are float32 while all of a block fit a core's cache, and J s costs no instruction; otherwise int8,
that lie in fewer lines, and lines of sites to come are fetched early.

Where couplings and fields are whole multiples of a power of two, few enough that 8 bits hold every local field, sums
are taken in int8. Both ways are exact then, and give the same bits.

Energies take half as long as a sweep. While annealing they are followed instead from flip to flip, by the fields that
decide them, and measured every MOST_FOLLOWED sweeps. Changes of TAKEN_UP attempts are added up in float32: exact in
whole numbers, else energies are a little off in between (precision.py says by how much).

Where float32 sums lose small fields among large couplings (precision.py), plans of float64 numbers run on the same
kernels, with the rounding errors of their sums added up beside them: the engine of sparse64.py.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, precision
from fastgibbs.engines.arithmetic import at_points, outcome, pushed, show_points
from fastgibbs.engines.bitslices import prefetch
from fastgibbs.engines.bytespins import fill_spins, pack, unpack
from fastgibbs.engines.contract import FOLLOWED, GIBBS, METROPOLIS, RANDOM, Engine
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.shuffles import align_stack
from fastgibbs.engines.sparse_draws import CHUNK, draw, rough_surplus, settle, unsure
from fastgibbs.engines.sparse_sums import adding, gather, like, measuring, numbers, signs
from fastgibbs.engines.spiking import Neurons, lasting, neurons, pack_spikes
from fastgibbs.engines.streams import ORDER, below, lane_streams, stream_state
from fastgibbs.engines.vectors import add_product, at, convert, full, load, store
from fastgibbs.jit import gives, inlined

BITS = 24  # of a sum
MOST_FOLLOWED = 64  # sweeps
TAKEN_UP = 16  # attempts whose changes are added up in float32
CACHE = 2**19  # bytes: float32 spins take no more
AHEAD = 32  # attempts: by so much lines of neighbours are fetched early
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
    pushes: np.ndarray  # float32 (rungs,): what the extra field adds to it
    step: float  # the power of two of which all couplings and fields are whole multiples, or 0.0
    doubled: np.ndarray  # int8 (nnz or 0,): 2 J / step, modulo 256
    row_sums: np.ndarray  # int8 (n or 0,): (h_i + sum_j J_ij) / step
    upper_sums: np.ndarray  # int8 (n or 0,): sum_{j > i} J_ij / step
    own: np.ndarray  # int8 (n or 0,): h_i / step
    free: np.ndarray  # int32: the sites that sweeps visit


class SparseState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # float32 or int8 (n, lanes)
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    uniforms: np.ndarray  # float32 (CHUNK + 1, lanes): of a chunk of attempts; exponents of one of them
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    push: np.ndarray  # float32 (lanes,): the push of each lane's rung
    sums: np.ndarray  # int8 (lanes,): the local field of one site in whole numbers
    energies: np.ndarray  # float64 (lanes,): (E - offset) / unit, as measured last and followed since
    changes: np.ndarray  # float32, or of sparse64 float64 (lanes,): by how much some attempts have changed them
    followed: np.ndarray  # int64 (1,): for how many sweeps, MOST_FOLLOWED or more if energies are not known
    neurons: Neurons | None  # if they spike


def unit_of(model) -> float:
    """The unit of an Ising model's plans."""
    return precision.power_of_two(model.couplings, model.fields)


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
    whole = [part.astype(np.int64).astype(np.int8) for part in (2 * J, row_sums, upper_sums, h)]
    for part in whole:
        part.flags.writeable = False
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
    field_bits = precision.FLOAT32
    rules = tuple(contract.RULES)
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
            np.empty(0, np.float32),
            *_whole_numbers(model, upper),
            contract.free_sites(model.n, free),
        )

    def at_betas(self, plan: SparsePlan, betas, fields=None, refractory=None) -> SparsePlan:
        """The plan with rungs at these betas, float64 (rungs,), and extra fields, likewise."""
        return at_points(plan, plan.unit, betas, fields, refractory)

    def start(self, plan: SparsePlan, lanes: range, ups, entropy, betas, rule, fields=None, refractory=None) -> tuple:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        n, size = plan.fields.size, len(lanes)
        floats = plan.step == 0 and plan.scaled_fields.dtype == np.float32 and 4 * n * size <= CACHE
        spins = fill_spins(aligned((n, size), np.float32 if floats else np.int8), ups)
        streams, followed = aligned((4, size), np.uint64), np.full(1, MOST_FOLLOWED)
        streams[:] = lane_streams(entropy, lanes)
        order = stream_state(entropy, ORDER)
        uniforms = aligned((CHUNK + 1, size), np.float32)
        scale, push = aligned(size, np.float32), aligned(size, np.float32)
        sums, energies = aligned(size, np.int8), aligned(size, np.float64)
        changes = aligned(size, plan.scaled_fields.dtype)
        changes[:] = 0
        last = neurons(spins, lanes, entropy, refractory)
        state = SparseState(spins, streams, order, uniforms, scale, push, sums, energies, changes, followed, last)
        return self.at_betas(plan, betas, fields, refractory), state

    def spins(self, plan, state) -> np.ndarray:
        """The block's spins, int8 (n, lanes)."""
        return state.spins.astype(np.int8, copy=False)

    def seen(self, plan):
        """Nothing: a state has them all."""
        return None


def attempting(width):
    """The function that makes one attempt in `width` lanes."""
    local_field = adding(width)

    @inlined
    def attempt(plan, state, rule, site, lane, place, follows):
        """One attempt at `site`, gathered, in lanes from `lane` on, decided by the uniforms at `place`.

        If it `follows`, (s - s') f is added to the changes of energies, s and s' being the spins before and after.
        """
        spins, position = state.spins, site * state.spins.shape[1] + lane
        while True:
            field, old = local_field(plan, state, site, lane), load(spins, position, width)
            exponent = convert(field, np.float32) * load(state.scale, lane, width)
            exponent = pushed(plan, state, exponent, lane, width)
            spare = rough_surplus(rule, exponent, signs(old), load(state.uniforms, place, width), width)
            if not unsure(spare):
                break
            settle(rule, spins, state, site, lane, place, spare, exponent)
        new = lasting(state.neurons, position, like(outcome(rule, exponent, signs(old), spare), old))
        store(spins, position, new)
        if follows:
            turned = convert(numbers(old - new), plan.scaled_fields.dtype)
            store(state.changes, lane, add_product(load(state.changes, lane, width), turned, field))

    return attempt


_MOST_LANES = 4 * WIDTH  # of one attempt, so that they do not wait for each other
_attempt_wide, _attempt_last = attempting(_MOST_LANES), attempting(WIDTH)


@inlined
def _attempts(plan, state, rule, site, place, follows):
    """An attempt at a site, gathered, in all lanes, decided by the uniforms from `place` on."""
    lanes = state.spins.shape[1]
    wide = lanes - lanes % _MOST_LANES
    if rule == METROPOLIS and follows:  # so that each has its own code: eight vectors are many to keep at a branch
        for lane in range(0, wide, _MOST_LANES):
            _attempt_wide(plan, state, METROPOLIS, site, lane, place + lane, True)
    elif rule == METROPOLIS:
        for lane in range(0, wide, _MOST_LANES):
            _attempt_wide(plan, state, METROPOLIS, site, lane, place + lane, False)
    elif follows:
        for lane in range(0, wide, _MOST_LANES):
            _attempt_wide(plan, state, GIBBS, site, lane, place + lane, True)
    else:
        for lane in range(0, wide, _MOST_LANES):
            _attempt_wide(plan, state, GIBBS, site, lane, place + lane, False)
    for lane in range(wide, lanes, WIDTH):
        _attempt_last(plan, state, rule, site, lane, place + lane, follows)


@inlined
def _fetch(plan, spins, site):
    """Ask for the spins of a site's neighbours."""
    for k in range(at(plan.indptr, site), at(plan.indptr, site + 1)):
        prefetch(spins, at(plan.indices, k) * spins.shape[1])


@inlined
def _take_up(state):
    """Add the changes of some attempts to the energies."""
    none = full(0, state.changes.dtype, WIDTH)
    for lane in range(0, state.changes.size, WIDTH):
        change = convert(load(state.changes, lane, WIDTH), np.float64)
        store(state.energies, lane, load(state.energies, lane, WIDTH) + change)
        store(state.changes, lane, none)


@gives(contract.sweep, SparsePlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    align_stack()
    free, lanes = plan.free.size, state.spins.shape[1]
    far = scan != RANDOM and state.spins.size * state.spins.itemsize > 2 * CACHE
    follows = counts == FOLLOWED
    state.followed[0] = state.followed[0] + 1 if follows else MOST_FOLLOWED
    show_points(plan, state, rungs)
    for first in range(0, free, CHUNK):
        end = min(first + CHUNK, free)
        draw(state.streams, state.uniforms, (end - first + 3) >> 2)
        for number in range(first, end):
            if far:
                _fetch(plan, state.spins, np.int64(at(plan.free, min(number + AHEAD, free - 1))))
            site = np.int64(at(plan.free, below(state.order, free) if scan == RANDOM else number))
            gather(plan, state, site)
            _attempts(plan, state, rule, site, (number - first) * lanes, follows)
            if follows and (number + 1) % TAKEN_UP == 0:
                _take_up(state)
    if follows:
        _take_up(state)


_WIDE = 2 * WIDTH  # lanes whose energies registers hold
_measure_wide, _measure = measuring(_WIDE), measuring(WIDTH)


@gives(contract.measure, SparsePlan)
def _measured(plan, state, energies, magnetizations, crew):
    lanes = state.spins.shape[1]
    wide = lanes - lanes % _WIDE
    if state.followed[0] < MOST_FOLLOWED:
        for lane in range(lanes):
            energies[lane] = state.energies[lane] * plan.unit + plan.offset
        return
    for lane in range(0, wide, _WIDE):
        _measure_wide(plan, state.spins, lane, energies, magnetizations)
    for lane in range(wide, lanes, WIDTH):
        _measure(plan, state.spins, lane, energies, magnetizations)
    for lane in range(lanes):
        state.energies[lane] = (energies[lane] - plan.offset) / plan.unit
    state.followed[0] = 0


@gives(contract.snapshot, SparsePlan)
def _snapshot(plan, state, words):
    pack(state.spins, words)
    pack_spikes(state.neurons, words)


@gives(contract.restore, SparsePlan)
def _restore(plan, state, words):
    unpack(words, state.spins)
    state.followed[0] = MOST_FOLLOWED
