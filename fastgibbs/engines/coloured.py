"""The coloured engine: few chains of any couplings, sixteen sites of one colour of a chain at a time, sites in SIMD.

Sites of a colour are no neighbours: they are decided at once, from local fields that are kept, and each flip is added
to the fields of its neighbours. So an attempt costs a sixteenth of a decision, and a flip as many additions as the site
has neighbours: the colder, the faster. Energies follow from the fields, flip by flip, for next to nothing.

Fields are 64-bit integers, J and h being multiples of a step: the common scale of couplings that have one, else what
leaves the sum of all fields below 2^61. Sums of integers are exact: fields and energies do not drift.

A chain's sites lie colour by colour, each colour filled up to a multiple of sixteen. Chains lie one after the other;
those that nobody asked for take no time. Chain k draws from eight streams of its own, the k-th of SITES at tiles 0 to
7, each of them for two sites of every sixteen.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, graphs, precision
from fastgibbs.engines.arithmetic import at_points, decide
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.contract import Engine
from fastgibbs.engines.dense import Sizes, common_step, drowned
from fastgibbs.engines.multispin import Multispin
from fastgibbs.engines.streams import SITES, next_words, stream_state
from fastgibbs.engines.vectors import at, bitcast, bits, convert, full, load, store, trailing_zeros
from fastgibbs.jit import called, gives, inlined
from fastgibbs.models.energy import as_energy
from fastgibbs.models.ising import Ising

TOGETHER = 64  # places that are decided before their flips are added: a bit each in a word
SLOTS = WIDTH // 2  # streams of each chain: a word for two sites
FEW = 4  # chains that take less time here than in lanes beside idle ones: 5 to 8 cost the same, of 64 each a half
MAX_DEGREE = 126  # so that colours are numbers of 8 bits
_TOTAL_BITS = 61  # of all fields together


class ColouredPlan(NamedTuple):
    """An Ising model for this engine, place by place: sites sorted by colour, those that sweeps leave alone last."""

    ends: np.ndarray  # int64 (colours + 1,): where each colour that sweeps visit begins, and the last one ends
    position: np.ndarray  # int32 (n,): the place of each site
    indptr: np.ndarray  # int64 (places + 1,)
    neighbors: np.ndarray  # int32 (nnz,): places
    doubled: np.ndarray  # int64 (nnz,): 2 J / step
    own: np.ndarray  # int64 (places,): h / step
    sites: np.ndarray  # uint16 (places // 16,): which of sixteen places have a site
    grain: float  # step / unit
    unit: float
    offset: float
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per step of field at every beta
    pushes: np.ndarray  # float32 (rungs,): what the extra field adds to it
    free: np.ndarray  # int32: the sites that sweeps visit


class ColouredState(NamedTuple):
    """What sweeps change in a block: `chains` are its first lanes, those that were asked for."""

    spins: np.ndarray  # int8 (chains, places)
    streams: np.ndarray  # uint64 (4, chains * SLOTS)
    fields: np.ndarray  # int64 (chains, places): (h_i + sum_j J_ij s_j) / step
    totals: np.ndarray  # int64 (chains,): (sum_{i<j} J_ij s_i s_j + sum_i h_i s_i) / step
    ups: np.ndarray  # int64 (chains,): sums of spins
    stale: np.ndarray  # uint8 (1,): whether fields, totals and ups are those of other spins


def _places(model, free) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The place of each site, int32 (n,), the site at each place or -1, int64 (places,), and `ends` of a plan."""
    colour = graphs.cells([model]).colours().astype(np.int64)
    swept = np.ones(model.n, bool)
    if free is not None:
        swept[:] = False
        swept[free] = True
        colour[~swept] = graphs.MOST_COLOURS
    counts = np.unique(colour, return_counts=True)[1]
    filled = -(-counts // WIDTH) * WIDTH
    order = np.argsort(colour, kind="stable")
    places = np.arange(model.n) + np.repeat(np.cumsum(filled - counts) - filled + counts, counts)
    site = np.full(filled.sum(), -1)
    site[places] = order
    position = np.empty(model.n, np.int32)
    position[order] = places
    return position, site, np.cumsum([0, *filled])[: np.unique(colour[swept]).size + 1]


class Coloured(Engine):
    """The engine as Python calls it."""

    name = "coloured"
    plan = ColouredPlan
    field_bits = precision.FLOAT32

    def pays(self, model, chains: int, strips: int | None) -> bool:
        """Whether the lanes of other engines would be idle but for a few, strips counted."""
        if chains > FEW or not as_energy(model).has_ising_form:
            return False
        lattice = strips is None and isinstance(model, Ising) and model.shape is not None and model.coupling is not None
        return not lattice or chains * Multispin().strips([model], chains) <= FEW

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these Ising models, or None if it can."""
        if why := super().refusal(models, scan, strips):
            return why
        if scan != "sequential":
            return "it scans colour by colour"
        (model,) = models
        if model.degree > MAX_DEGREE:
            return f"a site has more than {MAX_DEGREE} neighbours"
        unit, grain = _scale(model)
        return drowned(model, unit, grain * unit, False, tolerance)

    def prepare(self, models: list, strips: int, free=None) -> ColouredPlan:
        """The plan of an Ising model, which all blocks share."""
        (model,) = models
        position, site, ends = _places(model, free)
        unit, grain = _scale(model)
        taken = np.maximum(site, 0)
        degrees = np.where(site < 0, 0, np.diff(model.indptr)[taken]) if model.n else np.zeros(0, np.int64)
        indptr = np.concatenate([[0], np.cumsum(degrees)])
        entries = np.arange(indptr[-1]) + np.repeat(model.indptr[taken] - indptr[:-1], degrees)
        own = np.zeros(site.size, np.int64)
        own[position] = np.rint(model.fields / unit / grain)
        arrays = (
            ends,
            position,
            indptr,
            position[model.indices[entries]],
            2 * np.rint(model.couplings[entries] / unit / grain).astype(np.int64),
            own,
            np.packbits(site >= 0, bitorder="little").view("<u2").astype(np.uint16),
        )
        for array in arrays:
            array.flags.writeable = False  # as the model's arrays are, so that one compilation serves all
        free = contract.free_sites(model.n, free)
        return ColouredPlan(*arrays, grain, unit, model.offset, *np.empty((2, 0), np.float32), free)

    def start(self, plan: ColouredPlan, lanes: range, ups, entropy, betas, rule, fields=None) -> tuple:
        """Plan and state of a block; `ups` gives (first site, which are up uint8 (chains, sites)) part by part."""
        parts = list(ups)
        chains = len(parts[0][1]) if parts else len(lanes)
        spins = np.ones((chains, plan.own.size), np.int8)
        for first, part in parts:
            spins[:, plan.position[first : first + part.shape[1]]] = 2 * part.view(np.int8) - 1
        block, lane = np.divmod(np.arange(lanes.start, lanes.start + chains), 64)
        streams = stream_state(entropy, SITES, block[:, None], lane[:, None], np.arange(SLOTS)).reshape(-1, 4)
        whole = (np.zeros(chains, np.int64) for _ in range(2))
        local = np.zeros(spins.shape, np.int64)
        state = ColouredState(spins, np.ascontiguousarray(streams.T), local, *whole, np.ones(1, np.uint8))
        return at_points(plan, plan.grain * plan.unit, betas, fields), state

    def order(self, model, strips: int = 1, free=None) -> np.ndarray:
        """Colour by colour."""
        return graphs.coloured_order(model, strips, free)

    def spins(self, plan: ColouredPlan, state: ColouredState) -> np.ndarray:
        """The spins of the chains that were asked for, int8 (n, chains)."""
        return state.spins[:, plan.position].T


def _scale(model) -> tuple[float, float]:
    """unit and grain = step / unit."""
    sizes = Sizes.of(model)
    most = sizes.bounds.sum()
    return sizes.unit, common_step(model, sizes, most, _TOTAL_BITS) or 2.0 ** float(np.frexp(most)[1] - _TOTAL_BITS)


@called
def refresh(plan, state):
    """Build fields, totals and sums of spins from the spins, if they are stale."""
    if state.stale[0] == 0:
        return
    state.stale[0] = 0
    chains, places = state.spins.shape
    for chain in range(chains):
        total, ups = np.int64(0), np.int64(0)
        for place in range(places):
            field = plan.own[place]
            for k in range(plan.indptr[place], plan.indptr[place + 1]):
                field += (plan.doubled[k] >> 1) * state.spins[chain, plan.neighbors[k]]
            state.fields[chain, place] = field
            total += (field + plan.own[place]) * state.spins[chain, place]
        for site in range(plan.position.size):
            ups += state.spins[chain, plan.position[site]]
        state.totals[chain] = total >> 1  # every bond has been met twice, every field too
        state.ups[chain] = ups


@inlined
def rounded(fields):
    """64-bit integer lanes below 2^61 as float32, within 2^-23 of the value, by what machines do to 32 bits.

    f = 2^31 m + r, -2^30 <= r < 2^30: where m is not 0, r is no larger than what it is added to.
    """
    moved = fields + 2**30
    rest = convert(moved & (2**31 - 1), np.int32) - 2**30
    return convert(convert(moved >> 31, np.int32), np.float32) * 2.0**31 + convert(rest, np.float32)


@inlined
def decided(plan, state, rule, chain, rung, place, words):
    """Decide sixteen places of a chain by 32 random bits each: which of their sites have turned, bit after bit.

    `rung`: its scale and push.
    """
    here = chain * state.spins.shape[1] + place
    old = load(state.spins, here, WIDTH)
    scale, push = rung
    exponent = rounded(load(state.fields, here, WIDTH)) * scale + push
    new = decide(rule, exponent, old, words, WIDTH)
    store(state.spins, here, new)
    return np.uint64(bits((new ^ old) < 0) & at(plan.sites, place // WIDTH))


@gives(contract.sweep, ColouredPlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    refresh(plan, state)
    chains, places = state.spins.shape
    for chain in range(chains):
        scale, push = plan.scales[rungs[chain]], np.float32(-0.0)
        if plan.pushes.size > 0:
            push = plan.pushes[rungs[chain]]
        origin, totals, ups = chain * places, np.int64(0), np.int64(0)
        for colour in range(plan.ends.size - 1):
            end = at(plan.ends, colour + 1)
            for first in range(at(plan.ends, colour), end, TOGETHER):
                flips = np.uint64(0)
                for place in range(first, min(first + TOGETHER, end), WIDTH):
                    words = bitcast(next_words(state.streams, chain * SLOTS, SLOTS), np.uint32)
                    flips |= decided(plan, state, rule, chain, (scale, push), place, words) << np.uint64(place - first)
                while flips != 0:
                    place = first + trailing_zeros(flips)
                    flips &= flips - np.uint64(1)
                    spin = np.int64(at(state.spins, origin + place))
                    totals += spin * at(state.fields, origin + place)
                    ups += spin
                    for k in range(at(plan.indptr, place), at(plan.indptr, place + 1)):
                        other = origin + at(plan.neighbors, k)
                        field = at(state.fields, other) + spin * at(plan.doubled, k)
                        store(state.fields, other, full(field, np.int64, 1))
        state.totals[chain] += 2 * totals
        state.ups[chain] += 2 * ups


@gives(contract.measure, ColouredPlan)
def _measure(plan, state, energies, magnetizations, crew):
    refresh(plan, state)
    for lane in range(energies.size):
        total, ups = np.int64(0), np.int64(0)
        if lane < state.totals.size:
            total, ups = state.totals[lane], state.ups[lane]
        energies[lane] = plan.offset - np.float64(total) * plan.grain * plan.unit
        magnetizations[lane] = ups


@gives(contract.snapshot, ColouredPlan)
def _snapshot(plan, state, words):
    for site in range(plan.position.size):
        for group in range(words.shape[1]):
            word = 0
            for lane in range(WIDTH * group, min(WIDTH * (group + 1), len(state.spins))):
                word |= np.int64(state.spins[lane, plan.position[site]] > 0) << (lane - WIDTH * group)
            words[site, group] = word


@gives(contract.restore, ColouredPlan)
def _restore(plan, state, words):
    state.stale[0] = 1
    for lane in range(len(state.spins)):
        for site in range(plan.position.size):
            up = (words[site, lane // WIDTH] >> (lane % WIDTH)) & 1
            state.spins[lane, plan.position[site]] = 2 * np.int8(up) - 1


@gives(contract.retain, ColouredPlan)
def _retain(plan, state, kept, better):
    for lane in range(len(state.spins)):
        if better[lane] > 0:
            for place in range(state.spins.shape[1]):
                kept[lane, place] = state.spins[lane, place]
