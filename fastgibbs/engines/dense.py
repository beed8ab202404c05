"""The dense engine: couplings of all pairs, local fields kept up to date, so that an attempt reads a single number.

Fields are integers, J and h being multiples of a step: the common scale of couplings that have one, in 16 or 32 bits;
else what makes the largest field fill 32 bits. Sums of integers are exact: fields do not drift, and flips may be added
in any order, so a sweep goes panel by panel. The fields of 64 sites, lanes in SIMD, follow every flip at once; then all
fields, lane by lane, follow all flips of the panel, from rows of J that are in cache and sums that are in registers.

What couplings without a common scale have beyond the step, to 2^-20 of it for 1000 sites, makes fields of its own,
which energies need and decisions do not: they follow when energies are measured. Where the fields of some sites are
much smaller than those of others, all are 64-bit integers in place of both.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, precision, sparse
from fastgibbs.engines.arithmetic import scales
from fastgibbs.engines.bytespins import start_spins
from fastgibbs.engines.contract import Engine
from fastgibbs.engines.streams import ORDER, lane_streams, stream_state
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy

PANEL = 64  # attempts between two passes over the fields: a bit each in a word of every lane
LINE, TILE = 64, 512  # bytes of a cache line, and of what is held in registers: eight of 512 bits
_DIVISORS = 16  # a common scale that is no power of two is sought among the least |J| or |h| over 1 ... _DIVISORS
_FIELD_BITS, _TOTAL_BITS = 31, 61  # of a field, and of all fields together in 64 bits
_LEAST_BITS = 27  # of the smallest field beside the largest in 32 bits
_ROUNDING = 0.29  # of a step: what rounding to the nearest is off by, root mean square
_ROWS = 256  # handled at once by NumPy


class DensePlan(NamedTuple):
    """An Ising model for this engine. Rows are an odd number of cache lines apart, so that they share no cache set."""

    doubled: np.ndarray  # int16, int32 or int64 (n, stride): 2 J / step, modulo the integer's range
    lowest: np.ndarray  # of the same type (stride,): the fields where all spins are down, (h_i - sum_j J_ij) / step
    own: np.ndarray  # int64 (n,): h / step
    shifts: np.ndarray  # int64 (n,): how many low bits of each field are dropped for a decision
    factors: np.ndarray  # float32 (n,): 2^shift step / unit
    fine: np.ndarray  # int32 (n or 0, stride): 2 (J / step - the nearest integer) / fineness
    fine_lowest: np.ndarray  # int32 (stride,): as `lowest`
    fine_own: np.ndarray  # int64 (n,)
    fineness: float
    grain: float  # step / unit
    unit: float  # a power of two that keeps float32 fields in range
    offset: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field at every beta
    free: np.ndarray  # int32: the sites that sweeps visit


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
    fine: np.ndarray  # int32 (lanes or 0, stride): as `fields`, of the spins `seen`
    seen: np.ndarray  # int8 (n or 0, lanes)
    sites: np.ndarray  # int64 (PANEL,): the site of every attempt of a panel
    panel: np.ndarray  # of the couplings' type (PANEL, lanes): the fields of these sites
    up: np.ndarray  # uint64 (lanes,): bit p: attempt p of the panel has turned its spin up
    down: np.ndarray  # uint64 (lanes,)


def drowned(model, unit, step, cut: bool, tolerance) -> str | None:
    """Which site's decisions the rounding of J and h to steps, and if it is `cut` of a field to 31 bits, may spoil."""
    most = checks.largest(model.couplings) * model.degree + checks.largest(model.fields)
    if _ROUNDING * np.sqrt(model.n) * step + 2.0 ** (1 - _FIELD_BITS) * most <= tolerance:
        return None
    sums, largest, steps = precision.field_parts(model)
    numbers = model.couplings, model.fields
    if not cut and all(multiples(np.abs(x) / step, 1.0) for x in numbers):
        errors = (2.0**-50 if any(np.fmod(x, step).any() for x in numbers) else 0.0) * sums
    else:
        errors = _ROUNDING * np.sqrt(np.diff(model.indptr) + 1) * step
    errors = np.where(steps < step, errors, 0.0)
    if cut:
        errors = errors + precision.rounded(sums, steps, _FIELD_BITS - 1, unit)
    return precision.drowned(sums, largest, errors, tolerance)


def _bounds(model) -> np.ndarray:
    """(|h_i| + sum_j |J_ij|) / unit, float64 (n,): what no local field exceeds."""
    unit, rows = sparse.unit_of(model), np.repeat(np.arange(model.n), np.diff(model.indptr))
    return np.abs(model.fields) / unit + np.bincount(rows, np.abs(model.couplings) / unit, model.n)


def _scale(model) -> tuple[float, float, np.dtype]:
    """unit, grain = step / unit, and the integers that hold all local fields in steps."""
    unit, bounds = sparse.unit_of(model), _bounds(model)
    values = np.concatenate([model.fields, model.couplings])
    values = np.abs(values[values != 0]) / unit
    most = bounds.max(initial=0.0)
    grain = common_step(values, most, _FIELD_BITS)
    if grain is not None:
        return unit, grain, np.dtype(np.int16 if most / grain < 2**15 - 0.5 else np.int32)
    grain = 2.0 ** (np.frexp(most * (1 + 2.0**-11))[1] - _FIELD_BITS)  # rounding adds n / 2 steps to a field
    if model.n < 2**20 and (bounds[bounds > 0] >= 2.0**_LEAST_BITS * grain).all():
        return unit, float(grain), np.dtype(np.int32)
    return unit, float(2.0 ** (np.frexp(bounds.sum())[1] - _TOTAL_BITS)), np.dtype(np.int64)


def common_step(values, most: float, bits: int) -> float | None:
    """The largest number of which all `values` above 0 are whole multiples, if `most` is below 2^bits of it, or None.

    It is sought among the powers of two, and among the least value over 1 ... _DIVISORS.
    """
    if not values.size:
        return 2.0 ** (1 - bits)
    finest, least = 2.0 ** (np.frexp(most)[1] - bits), values.min()
    for grain in (finest, *(least / divisor for divisor in range(1, _DIVISORS + 1))):
        if most < (2**bits - 0.5) * grain and multiples(values[:_ROWS], grain) and multiples(values, grain):
            return float(grain * np.gcd.reduce(np.rint(values / grain).astype(np.int64)))
    return None


def multiples(values, grain) -> bool:
    """Whether all values are whole multiples of `grain`, up to their own rounding."""
    ratios = values / grain
    return bool((np.abs(ratios - np.rint(ratios)) <= 2.0**-50 * ratios).all())


def _stride(n: int, kind: np.dtype) -> int:
    """How far rows of n integers are apart: whole tiles and one line."""
    return (-(-n * kind.itemsize // TILE) * TILE + LINE) // kind.itemsize


def _aligned(shape, kind) -> np.ndarray:
    """Zeros that begin with a cache line."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    raw = np.zeros(size + LINE, np.uint8)
    first = -raw.ctypes.data % LINE
    return raw[first : first + size].view(kind).reshape(shape)


def _whole_and_rest(numbers, fineness) -> tuple[np.ndarray, np.ndarray]:
    """The nearest integers, and what is left in units of `fineness`: int64."""
    whole = np.rint(numbers)
    return whole.astype(np.int64), np.rint((numbers - whole) / fineness).astype(np.int64)


class Dense(Engine):
    """The engine as Python calls it."""

    name = "dense"
    plan = DensePlan

    def pays(self, model, chains: int, strips: int | None) -> bool:
        """Whether it is faster than the sparse engine: a flip reads n couplings, an attempt there its neighbours."""
        model = as_energy(model)
        if model.n < 100 or not model.has_ising_form or model.n_enumerated < model.n:  # layers are not coupled within
            return False
        return model.fully_connected or 2 * model.to_ising().bond_count >= 0.4 * model.n**2

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these Ising models, or None if it can."""
        if why := super().refusal(models, scan, strips):
            return why
        (model,) = models
        unit, grain, kind = _scale(model)
        try:
            checks.require_memory(model.n * _stride(model.n, kind) * kind.itemsize, f"the coupling matrix of {model!r}")
        except ValueError as error:
            return str(error)
        if kind == np.int64:
            bounds = _bounds(model)
            coarse = (bounds > 0) & (bounds < 2.0**_LEAST_BITS * grain)
            if coarse.any():
                return f"J and h of site {coarse.argmax()} are too small beside those of all sites together"
        return drowned(model, unit, grain * unit, kind == np.int64, tolerance)

    def prepare(self, models: list, strips: int, free=None) -> DensePlan:
        """The plan of an Ising model, which all blocks share."""
        (model,) = models
        unit, grain, kind = _scale(model)
        n, stride = model.n, _stride(model.n, kind)
        exact = kind == np.int64 or all(multiples(np.abs(x) / unit, grain) for x in (model.couplings, model.fields))
        fineness = 2.0 ** (int(n).bit_length() - _FIELD_BITS)
        doubled, fine = _aligned((n, stride), kind), _aligned((0 if exact else n, stride), np.int32)
        own, fine_own = _whole_and_rest(model.fields / unit / grain, fineness)
        lowest, fine_lowest, bounds = np.zeros(stride, kind), np.zeros(stride, np.int32), np.abs(own).astype(np.float64)
        for first in range(0, n, _ROWS):
            part = slice(first, min(first + _ROWS, n))
            entries = slice(model.indptr[part.start], model.indptr[part.stop])
            J = np.zeros((part.stop - first, n))
            rows = np.repeat(np.arange(len(J)), np.diff(model.indptr[first : part.stop + 1]))
            J[rows, model.indices[entries]] = model.couplings[entries] / unit / grain
            whole, rest = _whole_and_rest(J, fineness)
            doubled[part, :n] = (2 * whole).astype(kind)
            lowest[part] = (own[part] - whole.sum(axis=1)).astype(kind)
            bounds[part] += np.abs(whole).sum(axis=1)
            if not exact:
                fine[part, :n] = 2 * rest
                fine_lowest[part] = fine_own[part] - rest.sum(axis=1)
        shifts = np.maximum(np.frexp(bounds)[1].astype(np.int64) - _FIELD_BITS, 0)
        factors = (np.ldexp(grain, shifts)).astype(np.float32)
        arrays = doubled, lowest, own, shifts, factors, fine, fine_lowest, fine_own
        for array in arrays:
            array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
        sites = contract.free_sites(n, free)
        return DensePlan(*arrays, fineness, grain, unit, model.offset, np.empty(0, np.float32), sites)

    def start(self, plan: DensePlan, lanes: range, ups, entropy, betas, rule) -> tuple[DensePlan, DenseState]:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        size, kind, stride = len(lanes), plan.doubled.dtype, plan.lowest.size
        fine = _aligned((size if len(plan.fine) else 0, stride), np.int32)
        fine[:] = plan.fine_lowest
        plan = plan._replace(scales=scales(betas, plan.unit))
        return plan, DenseState(
            spins=start_spins(plan.own.size, size, ups),
            streams=lane_streams(entropy, lanes),
            order=stream_state(entropy, ORDER),
            words=np.zeros(size, np.uint64),
            scale=np.zeros(size, np.float32),
            fields=_aligned((size, stride), kind),
            totals=np.zeros(size, np.int64),
            stale=np.ones(1, np.uint8),
            fine=fine,
            seen=np.full((len(plan.fine), size), -1, np.int8),
            sites=np.zeros(PANEL, np.int64),
            panel=_aligned((PANEL, size), kind),
            up=np.zeros(size, np.uint64),
            down=np.zeros(size, np.uint64),
        )
