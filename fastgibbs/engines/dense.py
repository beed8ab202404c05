"""The dense engine: couplings of all pairs, local fields kept up to date, so that an attempt reads a single number.

Fields are integers, J and h being multiples of a step: the common scale of couplings that have one, in 16 or 32 bits;
else 2^-61 of all couplings together, in 64 bits. Sums of integers are exact: fields and energies do not drift, and
flips may be added in any order, so a sweep goes panel by panel. The fields of 64 sites, lanes in SIMD, follow every
flip at once; then all fields, lane by lane, follow all flips of the panel, from rows of J that are in cache and sums
that are in registers: a flip of one lane is read of one row, a rejected attempt none.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, sparse
from fastgibbs.engines.arithmetic import decide
from fastgibbs.engines.bytespins import copy_lanes, pack, start_spins, unpack
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.contract import RANDOM
from fastgibbs.engines.streams import ORDER, SWEEP, below, next_words, stream_state
from fastgibbs.engines.vectors import at, bits, convert, full, load, select, store, trailing_zeros
from fastgibbs.jit import called, implements, inlined
from fastgibbs.models import checks

PANEL = 64  # attempts between two passes over the fields: a bit each in a word of every lane
_LINE, _TILE = 64, 512  # bytes of a cache line, and of what is held in registers: eight of 512 bits
_DIVISORS = 16  # a common scale that is no power of two is sought among the least |J| or |h| over 1 ... _DIVISORS
_FIELD_BITS, _TOTAL_BITS = 31, 61  # of a field turned to float32, and of all fields together
_ROWS = 256  # handled at once by NumPy


class DensePlan(NamedTuple):
    """An Ising model for this engine. Rows are an odd number of cache lines apart, so that they share no cache set."""

    doubled: np.ndarray  # int16, int32 or int64 (n, stride): 2 J / step, modulo the integer's range
    lowest: np.ndarray  # of the same type (stride,): the fields where all spins are down, (h_i - sum_j J_ij) / step
    own: np.ndarray  # int64 (n,): h / step
    shifts: np.ndarray  # int64 (n,): how many low bits of each field are dropped for a decision
    factors: np.ndarray  # float32 (n,): 2^shift step / unit
    grain: float  # step / unit
    unit: float  # a power of two that keeps float32 fields in range
    offset: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field at every beta


class DenseState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # int8 (n, lanes)
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    words: np.ndarray  # uint64 (lanes,): random words of this attempt and the next
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    fields: np.ndarray  # of the couplings' type (lanes, stride): (h_i + sum_j J_ij s_j) / step
    totals: np.ndarray  # int64 (lanes,): (sum_{i<j} J_ij s_i s_j + sum_i h_i s_i) / step
    stale: np.ndarray  # uint8 (1,): whether fields and totals are those of other spins
    sites: np.ndarray  # int64 (PANEL,): the site of every attempt of a panel
    panel: np.ndarray  # of the couplings' type (PANEL, lanes): the fields of these sites
    up: np.ndarray  # uint64 (lanes,): bit p: attempt p of the panel has turned its spin up
    down: np.ndarray  # uint64 (lanes,)


strips, cut, crew, spins = sparse.strips, sparse.cut, sparse.crew, sparse.spins  # chains are lanes, a spin is a byte


def pays(model) -> bool:
    """Whether it is faster than the sparse engine: a flip reads n couplings, an attempt of the other its neighbours."""
    return model.n >= 48 and model.couplings.size >= 0.25 * model.n**2


def refusal(models, scan: str, strips: int) -> str | None:
    """Why the engine cannot run these Ising models, or None if it can."""
    if len(models) > 1:
        return "it runs one model at a time"
    if strips > 1:
        return "it does not cut lattices into strips"
    (model,) = models
    _, grain, kind = _scale(model)
    try:
        checks.require_memory(model.n * _stride(model.n, kind) * kind.itemsize, f"the coupling matrix of {model!r}")
    except ValueError as error:
        return str(error)
    if kind == np.int64:
        bounds = _bounds(model) / grain
        coarse = (bounds > 0) & (bounds < 2.0 ** (_FIELD_BITS - 1))
        if coarse.any():
            return f"J and h of site {coarse.argmax()} are too small beside those of all sites together"
    return None


def _unit(model) -> float:
    largest = max(np.abs(model.couplings).max(initial=0.0), np.abs(model.fields).max(initial=0.0))
    return float(2.0 ** (np.frexp(largest)[1] - 1)) if largest > 0 else 1.0


def _bounds(model) -> np.ndarray:
    """(|h_i| + sum_j |J_ij|) / unit, float64 (n,): what no local field exceeds."""
    unit, rows = _unit(model), np.repeat(np.arange(model.n), np.diff(model.indptr))
    return np.abs(model.fields) / unit + np.bincount(rows, np.abs(model.couplings) / unit, model.n)


def _scale(model) -> tuple[float, float, np.dtype]:
    """unit, grain = step / unit, and the integers that hold all local fields in steps."""
    unit, bounds = _unit(model), _bounds(model)
    values = np.concatenate([model.fields, model.couplings])
    values = np.abs(values[values != 0]) / unit
    most, least = (bounds.max(), values.min()) if values.size else (1.0, 1.0)
    finest = 2.0 ** (np.frexp(most)[1] - _FIELD_BITS)
    for grain in (finest, *(least / divisor for divisor in range(1, _DIVISORS + 1))):
        if most / grain < 2**_FIELD_BITS and _multiples(values[:_ROWS], grain) and _multiples(values, grain):
            grain *= np.gcd.reduce(np.rint(values / grain).astype(np.int64)) if values.size else 1
            return unit, float(grain), np.dtype(np.int16 if most / grain < 2**15 - 0.5 else np.int32)
    return unit, float(2.0 ** (np.frexp(bounds.sum())[1] - _TOTAL_BITS)), np.dtype(np.int64)


def _multiples(values, grain) -> bool:
    """Whether all values are whole multiples of `grain`, up to their own rounding."""
    ratios = values / grain
    return bool((np.abs(ratios - np.rint(ratios)) <= 2.0**-50 * ratios).all())


def _stride(n: int, kind: np.dtype) -> int:
    """How far rows of n integers are apart: whole tiles and one line."""
    return (-(-n * kind.itemsize // _TILE) * _TILE + _LINE) // kind.itemsize


def _aligned(shape, kind) -> np.ndarray:
    """Zeros that begin with a cache line."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    raw = np.zeros(size + _LINE, np.uint8)
    first = -raw.ctypes.data % _LINE
    return raw[first : first + size].view(kind).reshape(shape)


def prepare(models: list, strips: int) -> DensePlan:
    """The plan of an Ising model, which all blocks share."""
    (model,) = models
    unit, grain, kind = _scale(model)
    n = model.n
    doubled, lowest = _aligned((n, _stride(n, kind)), kind), _aligned(_stride(n, kind), kind)
    own = np.rint(model.fields / unit / grain).astype(np.int64)
    bounds = np.abs(own).astype(np.float64)
    for first in range(0, n, _ROWS):
        last = min(first + _ROWS, n)
        entries = slice(model.indptr[first], model.indptr[last])
        rows = np.repeat(np.arange(first, last), np.diff(model.indptr[first : last + 1]))
        J = np.zeros((last - first, n), np.int64)
        J[rows - first, model.indices[entries]] = np.rint(model.couplings[entries] / unit / grain)
        doubled[first:last, :n] = (2 * J).astype(kind)
        lowest[first:last] = (own[first:last] - J.sum(axis=1)).astype(kind)
        bounds[first:last] += np.abs(J).sum(axis=1)
    shifts = np.maximum(np.frexp(bounds)[1].astype(np.int64) - _FIELD_BITS, 0)
    factors = (np.ldexp(grain, shifts)).astype(np.float32)
    for array in (doubled, lowest, own, shifts, factors):
        array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
    return DensePlan(doubled, lowest, own, shifts, factors, grain, unit, model.offset, np.empty(0, np.float32))


def start(plan: DensePlan, lanes: range, ups, entropy, betas, rule) -> tuple[DensePlan, DenseState]:
    """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
    size, kind = len(lanes), plan.doubled.dtype
    plan = plan._replace(scales=np.clip(sparse.MINUS_TWO_LOG2E * betas * plan.unit, -1e30, 1e30).astype(np.float32))
    return plan, DenseState(
        spins=start_spins(plan.own.size, size, ups),
        streams=np.column_stack([stream_state(entropy, SWEEP, *divmod(lane, 64)) for lane in lanes]),
        order=stream_state(entropy, ORDER).copy(),
        words=np.zeros(size, np.uint64),
        scale=np.zeros(size, np.float32),
        fields=_aligned((size, plan.lowest.size), kind),
        totals=np.zeros(size, np.int64),
        stale=np.ones(1, np.uint8),
        sites=np.zeros(PANEL, np.int64),
        panel=_aligned((PANEL, size), kind),
        up=np.zeros(size, np.uint64),
        down=np.zeros(size, np.uint64),
    )


def _add_flips(doubled, state):
    """Add 2 J of the sites that `up` marks to all fields of each lane, and subtract that of those that `down` marks."""
    raise NotImplementedError("only compiled kernels call this")


@implements(_add_flips)
def _adding_flips(doubled, state):
    tile = 8 * _TILE // doubled.dtype.bitwidth
    line = 8 * _LINE // doubled.dtype.bitwidth

    def add_flips(doubled, state):
        fields, sites = state.fields, state.sites
        lanes, stride = fields.shape
        for first in range(0, stride - line, tile):
            for lane in range(lanes):
                up, down = at(state.up, lane), at(state.down, lane)
                if up | down != 0:
                    field = load(fields, lane * stride + first, tile)
                    while up != 0:
                        field = field + load(doubled, at(sites, trailing_zeros(up)) * stride + first, tile)
                        up &= up - np.uint64(1)
                    while down != 0:
                        field = field - load(doubled, at(sites, trailing_zeros(down)) * stride + first, tile)
                        down &= down - np.uint64(1)
                    store(fields, lane * stride + first, field)

    return add_flips


@called
def refresh(plan, state):
    """Build fields and totals from the spins, if they are stale."""
    if state.stale[0] == 0:
        return
    n, lanes = state.spins.shape
    state.stale[0] = 0
    state.down[:] = 0
    for lane in range(lanes):
        for i in range(n):
            state.fields[lane, i] = plan.lowest[i]
    for first in range(0, n, PANEL):
        state.up[:] = 0
        for p in range(min(PANEL, n - first)):
            state.sites[p] = first + p
            for lane in range(lanes):
                state.up[lane] |= np.uint64(state.spins[first + p, lane] > 0) << np.uint64(p)
        _add_flips(plan.doubled, state)
    for lane in range(lanes):
        total = np.int64(0)
        for i in range(n):
            total += state.spins[i, lane] * (np.int64(state.fields[lane, i]) + plan.own[i])
        state.totals[lane] = total >> 1  # every bond has been met twice, every field too


@inlined
def show_panel(plan, state, size):
    """Copy the fields of the panel's sites, lanes side by side, and forget the flips of the panel before."""
    lanes, stride = state.fields.shape
    for lane in range(lanes):
        state.up[lane] = 0
        state.down[lane] = 0
        for p in range(size):
            state.panel[p, lane] = at(state.fields, lane * stride + at(state.sites, p))


@inlined
def local_field(plan, state, p, lane):
    """h_i + sum_j J_ij s_j in units of `unit`, float32 lanes, of attempt p of the panel."""
    site = at(state.sites, p)
    field = load(state.panel, p * state.spins.shape[1] + lane, WIDTH)
    return convert(convert(field >> at(plan.shifts, site), np.int32), np.float32) * at(plan.factors, site)


@inlined
def attempt(plan, state, rule, p, size, lane, words):
    """Attempt p of a panel of `size` in lanes `lane` ... `lane + 15`, decided by 32 random bits a lane.

    A flip changes the fields of the attempts that follow in the panel, and is marked for all others.
    """
    lanes, stride = state.spins.shape[1], state.fields.shape[1]
    site = at(state.sites, p)
    position = site * lanes + lane
    spin = load(state.spins, position, WIDTH)
    exponent = local_field(plan, state, p, lane) * load(state.scale, lane, WIDTH)
    new = decide(rule, exponent, spin, words, WIDTH)
    if bits((new ^ spin) < 0) == 0:
        return
    up, down = new > spin, new < spin
    store(state.spins, position, new)
    none, mark = full(0, np.uint64, WIDTH), full(np.uint64(1) << np.uint64(p), np.uint64, WIDTH)
    store(state.up, lane, load(state.up, lane, WIDTH) | select(up, mark, none))
    store(state.down, lane, load(state.down, lane, WIDTH) | select(down, mark, none))
    gain = convert(load(state.panel, p * lanes + lane, WIDTH), np.int64) << 1
    total = load(state.totals, lane, WIDTH)
    total = select(up, total + gain, total)
    store(state.totals, lane, select(down, total - gain, total))
    for q in range(p + 1, size):
        change = at(plan.doubled, site * stride + at(state.sites, q))
        field = load(state.panel, q * lanes + lane, WIDTH)
        field = select(up, field + change, field)
        store(state.panel, q * lanes + lane, select(down, field - change, field))


@implements(contract.sweep)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    if getattr(plan, "instance_class", None) is not DensePlan:
        return None

    def sweep(plan, state, rungs, rule, scan, counts, crew):
        n, lanes = state.spins.shape
        refresh(plan, state)
        for lane in range(lanes):
            state.scale[lane] = plan.scales[rungs[lane]]
        for first in range(0, n, PANEL):
            size = min(PANEL, n - first)
            for p in range(size):
                state.sites[p] = below(state.order, n) if scan == RANDOM else first + p
            show_panel(plan, state, size)
            for p in range(0, size, 2):
                for lane in range(0, lanes, WIDTH):
                    words = next_words(state.streams, lane, WIDTH)
                    store(state.words, lane, words)
                    attempt(plan, state, rule, p, size, lane, convert(words, np.uint32))
                if p + 1 < size:
                    for lane in range(0, lanes, WIDTH):
                        words = convert(load(state.words, lane, WIDTH) >> 32, np.uint32)
                        attempt(plan, state, rule, p + 1, size, lane, words)
            _add_flips(plan.doubled, state)

    return sweep


@implements(contract.measure)
def _measure(plan, state, energies, magnetizations, crew):
    if getattr(plan, "instance_class", None) is not DensePlan:
        return None

    def measure(plan, state, energies, magnetizations, crew):
        n, lanes = state.spins.shape
        refresh(plan, state)
        for lane in range(0, lanes, WIDTH):
            total = full(0, np.int32, WIDTH)
            for i in range(n):
                total = total + convert(load(state.spins, i * lanes + lane, WIDTH), np.int32)
            store(magnetizations, lane, convert(total, np.float64))
        for lane in range(lanes):
            energies[lane] = plan.offset - state.totals[lane] * plan.grain * plan.unit

    return measure


@implements(contract.snapshot)
def _snapshot(plan, state, words):
    if getattr(plan, "instance_class", None) is not DensePlan:
        return None
    return lambda plan, state, words: pack(state.spins, words)


@implements(contract.restore)
def _restore(plan, state, words):
    if getattr(plan, "instance_class", None) is not DensePlan:
        return None

    def restore(plan, state, words):
        unpack(words, state.spins)
        state.stale[0] = 1

    return restore


@implements(contract.retain)
def _retain(plan, state, kept, better):
    if getattr(plan, "instance_class", None) is not DensePlan:
        return None
    return lambda plan, state, kept, better: copy_lanes(state.spins, kept, better)
