"""The dense engine: couplings of all pairs, local fields kept up to date, so that an attempt reads a single number.

Fields are integers, J and h being multiples of a step: the common scale of couplings that have one, in 16 or 32 bits;
else what makes the largest field fill 32 bits. Sums of integers are exact: fields do not drift, and flips may be added
in any order, so a sweep goes panel by panel. The fields of 32 sites, lanes in SIMD, follow every flip at once; then all
fields, lane by lane, follow all flips of the panel, from rows of J that are in cache and sums that are in registers.
Where few lanes are asked for, they go one after the other instead, and every flip changes all fields at once: none
waits for another, and those that nobody asked for do nothing.

What couplings without a common scale have beyond the step, to 2^-20 of it for 1000 sites, makes fields of its own,
which energies need and decisions do not: they follow the flips of sweeps that are measured, or all at once what has
changed in others. Where the fields of some sites are much smaller than those of others, all are 64-bit integers in
place of both.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, precision, sparse
from fastgibbs.engines.arithmetic import at_points
from fastgibbs.engines.bytespins import start_spins
from fastgibbs.engines.contract import Engine
from fastgibbs.engines.layouts import LINE, aligned
from fastgibbs.engines.spiking import Neurons, neurons
from fastgibbs.engines.streams import ORDER, lane_streams, stream_state
from fastgibbs.jit import called, njit
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy

PANEL = 32  # attempts between two passes over the fields: a bit each in a word of every lane
FEW = 4  # lanes that go one after the other
TILE = 512  # bytes that registers hold: eight of 512 bits
_DIVISORS = 16  # a common scale that is no power of two is sought among the least |J| or |h| over 1 ... _DIVISORS
_FIELD_BITS, _TOTAL_BITS = 31, 61  # of a field, and of all fields together in 64 bits
_LEAST_BITS = 27  # of the smallest field beside the largest in 32 bits
_ROUNDING = 0.29  # of a step: what rounding to the nearest is off by, root mean square
_PART = 4096  # numbers that are looked at at once: most models show soon that they have no common step


class DensePlan(NamedTuple):
    """An Ising model for this engine. Rows are an odd number of cache lines apart, so that they share no cache set."""

    doubled: np.ndarray  # int16, int32 or int64 (n, stride): 2 J / step, modulo the integer's range
    lowest: np.ndarray  # of the same type (stride,): the fields where all spins are down, (h_i - sum_j J_ij) / step
    own: np.ndarray  # int64 (n,): h / step
    shifts: np.ndarray  # int64 (n,): how many low bits of each field are dropped for a decision
    factors: np.ndarray  # float32 (n,): 2^shift step / unit
    fine: np.ndarray  # int32 (n or 0, stride): 2 (J / step - the nearest integer) / fineness of sites j < i, else 0
    fine_lowest: np.ndarray  # int32 (stride,): as `lowest`, of sites j > i
    fineness: float
    grain: float  # step / unit
    unit: float  # a power of two that keeps float32 fields in range
    offset: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field at every beta
    pushes: np.ndarray  # float32 (rungs,): what the extra field adds to it
    free: np.ndarray  # int32: the sites that sweeps visit


class DenseState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    asked: int  # lanes that somebody sees: the first ones
    spins: np.ndarray  # int8 (n, lanes)
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    words: np.ndarray  # uint64 (lanes,): random words of this attempt and the next
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    push: np.ndarray  # float32 (lanes,): the push of each lane's rung
    fields: np.ndarray  # of the couplings' type (lanes, stride): (h_i + sum_j J_ij s_j) / step
    totals: np.ndarray  # int64 (lanes,): (sum_{i<j} J_ij s_i s_j + sum_i h_i s_i) / step
    stale: np.ndarray  # uint8 (2,): whether fields and totals, and whether fine ones, are those of other spins
    fine: np.ndarray  # int32 (lanes or 0, stride): h_i + sum_{j > i} J_ij s_j of what is left of h and J
    seen: np.ndarray  # int8 (n or 0, lanes): the spins that stale fine fields are of
    sites: np.ndarray  # int64 (PANEL,): the site of every attempt of a panel
    panel: np.ndarray  # of the couplings' type (PANEL, lanes): the fields of these sites
    up: np.ndarray  # uint64 (lanes,): bit p: attempt p of the panel has turned its spin up
    down: np.ndarray  # uint64 (lanes,)
    neurons: Neurons | None  # if they spike


def drowned(model, unit, step, cut: bool, tolerance) -> str | None:
    """Which site's decisions the rounding of J and h to steps, and if it is `cut` of a field to 31 bits, may spoil."""
    most = checks.largest(model.couplings) * model.degree + checks.largest(model.fields)
    if _ROUNDING * np.sqrt(model.n) * step + 2.0 ** (1 - _FIELD_BITS) * most <= tolerance:
        return None
    sums, largest, steps = precision.field_parts(model)
    if not cut and multiples(model, 1.0, step):
        errors = (2.0**-50 if any(np.fmod(part, step).any() for part in _parts(model)) else 0.0) * sums
    else:
        errors = _ROUNDING * np.sqrt(np.diff(model.indptr) + 1) * step
    errors = np.where(steps < step, errors, 0.0)
    if cut:
        errors = errors + precision.rounded(sums, steps, _FIELD_BITS - 1, unit)
    return precision.drowned(sums, largest, errors, tolerance)


class Sizes(NamedTuple):
    """How large the fields of a model can be."""

    unit: float  # a power of two near the largest |J| or |h|
    bounds: np.ndarray  # float64 (n,): (|h_i| + sum_j |J_ij|) / unit, what no local field exceeds
    least: float  # the least |J| or |h| above 0, over unit, or infinity

    @classmethod
    def of(cls, model):
        """Those of an Ising model."""
        unit, bounds = sparse.unit_of(model), np.empty(model.n)
        return cls(unit, bounds, _add_up(model.indptr, model.couplings, model.fields, unit, bounds))


@njit
def _add_up(indptr, couplings, fields, unit, bounds):
    """Write the bounds of local fields, and return the least |J| or |h| above 0."""
    least = np.inf
    for site in range(fields.size):
        total, own = 0.0, abs(fields[site] / unit)
        for k in range(indptr[site], indptr[site + 1]):
            J = abs(couplings[k] / unit)
            total += J
            least = min(least, J if J > 0 else np.inf)
        bounds[site] = own + total
        least = min(least, own if own > 0 else np.inf)
    return least


def _scale(model) -> tuple[float, float, np.dtype]:
    """unit, grain = step / unit, and the integers that hold all local fields in steps."""
    sizes = Sizes.of(model)
    unit, bounds, most = sizes.unit, sizes.bounds, sizes.bounds.max(initial=0.0)
    grain = common_step(model, sizes, most, _FIELD_BITS)
    if grain is not None:
        return unit, grain, np.dtype(np.int16 if most / grain < 2**15 - 0.5 else np.int32)
    grain = 2.0 ** (np.frexp(most * (1 + 2.0**-11))[1] - _FIELD_BITS)  # rounding adds n / 2 steps to a field
    if model.n < 2**20 and (bounds[bounds > 0] >= 2.0**_LEAST_BITS * grain).all():
        return unit, float(grain), np.dtype(np.int32)
    return unit, float(2.0 ** (np.frexp(bounds.sum())[1] - _TOTAL_BITS)), np.dtype(np.int64)


def common_step(model, sizes: Sizes, most: float, bits: int) -> float | None:
    """The largest grain of which all J and h are whole multiples, if `most` is below 2^bits of it, or None.

    It is sought among the powers of two, and among the least |J| or |h| over 1 ... _DIVISORS.
    """
    if sizes.least == np.inf:
        return 2.0 ** (1 - bits)
    finest = 2.0 ** (np.frexp(most)[1] - bits)
    for grain in (finest, *(sizes.least / divisor for divisor in range(1, _DIVISORS + 1))):
        if most < (2**bits - 0.5) * grain and multiples(model, sizes.unit, grain):
            whole = (np.rint(part / sizes.unit / grain).astype(np.int64) for part in _parts(model))
            return float(grain * np.gcd.reduce([np.gcd.reduce(numbers) for numbers in whole]))
    return None


def _parts(model):
    """All h and J, some at a time."""
    for values in (model.fields, model.couplings):
        yield from (values[first : first + _PART] for first in range(0, values.size, _PART))


def multiples(model, unit: float, grain: float) -> bool:
    """Whether all J and h over `unit` are whole multiples of `grain`, up to their own rounding."""
    ratios = (np.abs(part) / unit / grain for part in _parts(model))
    return all((np.abs(part - np.rint(part)) <= 2.0**-50 * part).all() for part in ratios)


def _stride(n: int, kind: np.dtype) -> int:
    """How far rows of n integers are apart: whole tiles and one line."""
    return (-(-n * kind.itemsize // TILE) * TILE + LINE) // kind.itemsize


@njit
def _fill(model, units, whole_parts, rests, bounds):
    """Write what a plan has of a model, (indptr, indices, couplings, fields), in `units`, (unit, grain, fineness).

    (2 J, the fields where all spins are down, h) in whole grains, and if it is wanted (2 J, fields) of what is left, a
    bond counted once; `bounds`, float64 (n,), of local fields.
    """
    indptr, indices, couplings, fields = model
    doubled, lowest, own = whole_parts
    fine, fine_lowest = rests
    for site in range(own.size):
        whole, rest = _whole_and_rest(fields[site], units)
        own[site] = whole
        bound = 0
        for k in range(indptr[site], indptr[site + 1]):
            J, left = _whole_and_rest(couplings[k], units)
            doubled[site, indices[k]] = 2 * J
            whole -= J
            bound += abs(J)
            if len(fine) > 0 and indices[k] < site:
                fine[site, indices[k]] = 2 * left
            else:
                rest -= left
        lowest[site], bounds[site] = whole, np.float64(bound) + abs(own[site])
        if len(fine) > 0:
            fine_lowest[site] = rest


@called
def _whole_and_rest(number, units):
    """The nearest integer of grains, and what is left in units of `fineness`: int64."""
    unit, grain, fineness = units
    number = number / unit / grain
    whole = np.rint(number)
    return np.int64(whole), np.int64(np.rint((number - whole) / fineness))


class Dense(Engine):
    """The engine as Python calls it."""

    name = "dense"
    plan = DensePlan
    field_bits = precision.FLOAT32
    rules = tuple(contract.RULES)

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
            bounds = Sizes.of(model).bounds
            coarse = (bounds > 0) & (bounds < 2.0**_LEAST_BITS * grain)
            if coarse.any():
                return f"J and h of site {coarse.argmax()} are too small beside those of all sites together"
        return drowned(model, unit, grain * unit, kind == np.int64, tolerance)

    def prepare(self, models: list, strips: int, free=None) -> DensePlan:
        """The plan of an Ising model, which all blocks share."""
        (model,) = models
        unit, grain, kind = _scale(model)
        n, stride = model.n, _stride(model.n, kind)
        exact = kind == np.int64 or multiples(model, unit, grain)
        fineness = 2.0 ** (int(n).bit_length() - _FIELD_BITS)
        doubled, fine = aligned((n, stride), kind), aligned((0 if exact else n, stride), np.int32)
        lowest, fine_lowest = np.zeros(stride, kind), np.zeros(stride, np.int32)
        own, bounds = np.zeros(n, np.int64), np.zeros(n)
        rows = model.indptr, model.indices, model.couplings, model.fields
        _fill(rows, (unit, grain, fineness), (doubled, lowest, own), (fine, fine_lowest), bounds)
        shifts = np.maximum(np.frexp(bounds)[1].astype(np.int64) - _FIELD_BITS, 0)
        factors = (np.ldexp(grain, shifts)).astype(np.float32)
        arrays = doubled, lowest, own, shifts, factors, fine, fine_lowest
        for array in arrays:
            array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
        sites = contract.free_sites(n, free)
        rungs = np.empty(0, np.float32), np.empty(0, np.float32)
        return DensePlan(*arrays, fineness, grain, unit, model.offset, *rungs, sites)

    def start(self, plan: DensePlan, lanes: range, ups, entropy, betas, rule, fields=None, refractory=None) -> tuple:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        size, kind, stride, parts = len(lanes), plan.doubled.dtype, plan.lowest.size, list(ups)
        fine = aligned((size if len(plan.fine) else 0, stride), np.int32)
        fine[:] = plan.fine_lowest
        spins = start_spins(plan.own.size, size, parts)
        return at_points(plan, plan.unit, betas, fields, refractory), DenseState(
            asked=len(parts[0][1]) if parts else size,
            spins=spins,
            streams=lane_streams(entropy, lanes),
            order=stream_state(entropy, ORDER),
            words=np.zeros(size, np.uint64),
            scale=np.zeros(size, np.float32),
            push=np.zeros(size, np.float32),
            fields=aligned((size, stride), kind),
            totals=np.zeros(size, np.int64),
            stale=np.ones(2, np.uint8),
            fine=fine,
            seen=np.full((len(plan.fine), size), -1, np.int8),
            sites=np.zeros(PANEL, np.int64),
            panel=aligned((PANEL, size), kind),
            up=np.zeros(size, np.uint64),
            down=np.zeros(size, np.uint64),
            neurons=neurons(spins, lanes, entropy, refractory),
        )
