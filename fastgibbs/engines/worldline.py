"""The worldline engine: spins in a transverse field, an attempt drawing all M spins of a site given its neighbours.

Given these a worldline is a ring of M spins in fields 2 dt f_t, neighbours being bound by tanh(dt Gamma) = r. It is
drawn exactly: messages from the last slice to the first, one for either value of s_0, then s_0, and then each slice
given the one before (reference/worldline.py has the formulas). What is drawn depends on no spin of its own, so that the
number of slices costs time and no sweeps, and without a field worldlines turn as whole as classical spins do.

Spins of a worldline lie side by side, lanes innermost. Fields of whole numbers are added up in 8 bits as the sparse
engine's are, whose plan of the classical model this is; all else is float32. Uniforms have 31 bits, half a word each.

Measured, a bond is the number of slices in which its spins are equal, and a kink one in which a spin differs from that
before it: both are counted in 8 bits. `tell` has what a quantum energy takes besides, at the rung of each lane.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.arithmetic import exp2, scales
from fastgibbs.engines.bytespins import start_spins
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.contract import RANDOM, Engine, Exponents
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.shuffles import align_stack
from fastgibbs.engines.sparse import Sparse, SparsePlan
from fastgibbs.engines.sparse_draws import highs, lows, paired
from fastgibbs.engines.sparse_sums import floating, whole
from fastgibbs.engines.streams import ORDER, below, lane_streams, stepped, stream_state
from fastgibbs.engines.vectors import at, bitcast, convert, full, load, select, store
from fastgibbs.jit import gives, inlined

MOST = 40.0  # of |2 dt f log2 e|, and 2^-MOST is the least r: products of three such numbers are in range
TOLD = "total_energy", "energy_slope", "x", "zz", "kinks", "abs_m", "m2", "m4"
_DRAWN = 8  # lanes of streams that registers hold
_COUNTED = 64  # slices, of which each adds 0 or -2 to 8 bits


class WorldlinePlan(NamedTuple):
    """A transverse-field model for this engine. A kind is a value of Gamma."""

    classical: SparsePlan  # of E, the indices times M
    slices: int
    kinds: np.ndarray  # int32 (sites,)
    sites: np.ndarray  # int64 (kinds,): how many sites are of each
    gammas: np.ndarray  # float64 (kinds,)
    strengths: np.ndarray  # float64 (rungs,): by which all Gamma are multiplied, or (0,) if by none
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field
    tunnels: np.ndarray  # float32 (rungs, kinds): r
    norms: np.ndarray  # float64 (rungs,): M sum_i log cosh(dt Gamma_i)
    terms: np.ndarray  # float64 (rungs, kinds, 4): of x and of the slope, per site and per kinks over M
    free: np.ndarray  # int32 (n,): the variables, all of which sweeps visit


class WorldlineState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # int8 (n, lanes), n = sites x slices
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    scale: np.ndarray  # float32 (lanes,): of each lane's rung
    tunnels: np.ndarray  # float32 (kinds, lanes): likewise
    sums: np.ndarray  # int8 (M, lanes): the local fields of one site in whole numbers
    uniforms: np.ndarray  # float32 (M or M + 1, lanes): of one attempt
    messages: np.ndarray  # float32 (2 M, lanes): of one attempt
    kinks: np.ndarray  # float64 (kinds, lanes): counted by `measure`
    totals: np.ndarray  # int32 (M, lanes): sums of spins in each slice, likewise
    means: np.ndarray  # float64 (5, lanes): E and the means of zz, |m|, m^2 and m^4, likewise


def terms(beta_gamma, gammas, slices: int) -> np.ndarray:
    """What `WorldlinePlan.terms` has, float64 (..., kinds, 4), of beta Gamma (..., kinds)."""
    g = np.maximum(beta_gamma / slices, np.arctanh(2.0**-MOST))
    tanh, coth = (np.where(beta_gamma > 0, one, 0.0) for one in (np.tanh(g), 1 / np.tanh(g)))
    sech2, csch2, bend = 1 - tanh**2, np.where(beta_gamma > 0, coth**2 - 1, 0.0), gammas**2 / slices
    return np.stack([tanh, coth - tanh, bend * sech2, -bend * (sech2 + csch2)], axis=-1)


class Worldline(Engine):
    """The engine as Python calls it."""

    name, plan, native = "worldline", WorldlinePlan, True
    rules, told, weighs = ("gibbs",), TOLD, True
    classical = Sparse()

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why it cannot run these models, or None if it can."""
        if not getattr(models[0], "by_worldlines", False):
            return "it runs models in a transverse field"
        return super().refusal(models, scan, strips) or self.classical.refusal([models[0].ising], scan, 1, tolerance)

    def pays(self, model, chains: int, strips: int | None) -> bool:
        """Nothing else runs its models."""
        return getattr(model, "by_worldlines", False)

    def prepare(self, models: list, strips: int, free=None) -> WorldlinePlan:
        """The plan of a model, which all blocks share."""
        (model,) = models
        classical = self.classical.prepare([model.ising], 1)
        indices = classical.indices * np.int32(model.slices)
        gammas, kinds, sites = np.unique(model.gamma, return_inverse=True, return_counts=True)
        kinds = kinds.astype(np.int32)
        for array in (indices, kinds, sites, gammas):
            array.flags.writeable = False
        return WorldlinePlan(
            classical._replace(indices=indices),
            model.slices,
            kinds,
            sites,
            gammas,
            np.empty(0),
            np.empty(0, np.float32),
            np.empty((0, gammas.size), np.float32),
            np.empty(0),
            np.empty((0, gammas.size, 4)),
            contract.free_sites(model.n, free),
        )

    def start(self, plan: WorldlinePlan, lanes: range, ups, entropy, betas, rule) -> tuple:
        """Plan and state of a block; betas are finite and not negative, `plan.strengths` as many, or none."""
        M, size = plan.slices, len(lanes)
        kinds = plan.gammas.size
        state = WorldlineState(
            start_spins(plan.free.size, size, ups),
            lane_streams(entropy, lanes),
            stream_state(entropy, ORDER),
            aligned(size, np.float32),
            aligned((kinds, size), np.float32),
            aligned((M, size), np.int8),
            aligned((M + M % 2, size), np.float32),
            aligned((2 * M, size), np.float32),
            np.zeros((kinds, size)),
            aligned((M, size), np.int32),
            np.zeros((5, size)),
        )
        strengths = plan.strengths if plan.strengths.size else np.ones(betas.size)
        gammas = strengths[:, None] * plan.gammas
        g = betas[:, None] * gammas / M
        tunnels = np.maximum(np.tanh(g), 2.0**-MOST).astype(np.float32)
        norms = M * ((np.logaddexp(g, -g) - np.log(2)) @ plan.sites)
        rungs = dict(tunnels=tunnels, norms=norms, terms=terms(M * g, gammas, M), strengths=strengths)
        return plan._replace(scales=-scales(betas / M, plan.classical.unit), **rungs), state

    def exponents(self, plan: WorldlinePlan, state: WorldlineState) -> Exponents:
        """A kink weighs tanh(dt Gamma), and every spin of a slice cosh(dt Gamma) besides."""
        return Exponents(np.log(np.maximum(plan.terms[..., 0], 2.0**-MOST)), plan.norms, state.kinks)


@inlined
def _draw(state):
    """Uniforms of one attempt in all lanes, two of a word, the low half first: u = r 2^-31 + 2^-32."""
    streams, uniforms = state.streams, state.uniforms
    lanes = streams.shape[1]
    for lane in range(0, lanes, _DRAWN):
        a, b = paired(load(streams, lane, _DRAWN)), paired(load(streams, lanes + lane, _DRAWN))
        c, counter = paired(load(streams, 2 * lanes + lane, _DRAWN)), paired(load(streams, 3 * lanes + lane, _DRAWN))
        for place in range(lane, uniforms.size, 2 * lanes):
            word, a, b, c, counter = stepped(a, b, c, counter)
            low, high = bitcast(lows(word) >> 1, np.int32), bitcast(highs(word) >> 1, np.int32)
            store(uniforms, place, convert(low, np.float32) * 2.0**-31 + 2.0**-32)
            store(uniforms, place + lanes, convert(high, np.float32) * 2.0**-31 + 2.0**-32)
        store(streams, lane, paired(a))
        store(streams, lanes + lane, paired(b))
        store(streams, 2 * lanes + lane, paired(c))
        store(streams, 3 * lanes + lane, paired(counter))


_MOST_BYTES, _LEAST_BYTES = 64, 16
_most, _least = whole(_MOST_BYTES), whole(_LEAST_BYTES)


@inlined
def _gather(plan, state, site):
    """Write whole numbers of a site's local fields in all slices to `state.sums`, if they are what it takes."""
    classical, spins, lanes = plan.classical, state.spins, state.spins.shape[1]
    if classical.step > 0:
        total, first, end = at(classical.row_sums, site), at(classical.indptr, site), at(classical.indptr, site + 1)
        rows = plan.slices * lanes
        wide = rows - rows % _MOST_BYTES  # slices of a worldline follow each other, and so do their lanes
        for place in range(0, wide, _MOST_BYTES):
            store(state.sums, place, _most(classical, spins, total, first, end, place))
        for place in range(wide, rows, _LEAST_BYTES):
            store(state.sums, place, _least(classical, spins, total, first, end, place))


def _drawing(width):
    """The function that draws worldlines in `width` lanes at once."""
    float_sum = floating(width)

    @inlined
    def weight(plan, state, site, place, scale):
        """exp(2 dt f_t) of fields at `place`."""
        classical = plan.classical
        if classical.step > 0:
            field = convert(load(state.sums, place, width), np.float32) * np.float32(classical.step / classical.unit)
        else:
            field = float_sum(classical, state.spins, site, place)
        exponent, most = field * scale, full(MOST, np.float32, width)
        exponent = select(exponent > most, most, exponent)
        least = full(-MOST, np.float32, width)
        return exp2(select(exponent < least, least, exponent))

    @inlined
    def draw_worldline(plan, state, site, lane):
        lanes, M, messages, uniforms = state.spins.shape[1], plan.slices, state.messages, state.uniforms
        r = load(state.tunnels, at(plan.kinds, site) * lanes + lane, width)
        scale = load(state.scale, lane, width)
        one = full(1.0, np.float32, width)
        up, down, v = one / r, r, r
        t = M - 1
        while True:  # so that there is one copy of the weights, which take long to compile
            w = weight(plan, state, site, t * lanes + lane, scale)
            x, y = w * up, w * down
            if t == 0:
                break
            store(messages, 2 * t * lanes + lane, x)
            store(messages, (2 * t + 1) * lanes + lane, y)
            a, b = r * x + 1.0, r * y + 1.0
            q = one / (a * b)
            up, down, v = (x + r) * b * q, (y + r) * a * q, v * (a * a * q)
            t -= 1
        odds = x * v
        rarer = load(uniforms, lane, width) * (odds + 1.0) - select(odds < one, odds, one)
        first = bitcast(odds - 1.0, np.int32) ^ bitcast(rarer, np.int32)  # of which the signs are those of spins
        position, s = site * M * lanes + lane, first
        store(state.spins, position, convert(s >> 31 | 1, np.int8))
        for t in range(1, M):
            x = select(
                first < 0,
                load(messages, (2 * t + 1) * lanes + lane, width),
                load(messages, 2 * t * lanes + lane, width),
            )
            turn, stay = select(s < 0, r * x, r), select(s < 0, one, x)
            s = s ^ bitcast(load(uniforms, t * lanes + lane, width) * (turn + stay) - turn, np.int32)
            store(state.spins, position + t * lanes, convert(s >> 31 | 1, np.int8))

    return draw_worldline


_WIDE = 4 * WIDTH
_draw_wide, _draw_last = _drawing(_WIDE), _drawing(WIDTH)


@gives(contract.sweep, WorldlinePlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    align_stack()
    lanes, sites = state.spins.shape[1], plan.kinds.size
    wide = lanes - lanes % _WIDE
    for lane in range(lanes):
        state.scale[lane] = plan.scales[rungs[lane]]
        for kind in range(plan.gammas.size):
            state.tunnels[kind, lane] = plan.tunnels[rungs[lane], kind]
    for number in range(sites):
        site = below(state.order, sites) if scan == RANDOM else number
        _draw(state)
        _gather(plan, state, site)
        for lane in range(0, wide, _WIDE):
            _draw_wide(plan, state, site, lane)
        for lane in range(wide, lanes, WIDTH):
            _draw_last(plan, state, site, lane)


@inlined
def _equal(spins, one, other, slices, lanes):
    """sum_t s_t s'_t of two lines of spins at these places, int32 lanes: spins that differ are -2 by exclusive or."""
    total = full(0, np.int32, WIDTH)
    for first in range(0, slices, _COUNTED):
        part = full(0, np.int8, WIDTH)
        for t in range(first, min(first + _COUNTED, slices)):
            part = part + (load(spins, one + t * lanes, WIDTH) ^ load(spins, other + t * lanes, WIDTH))
        total = total + convert(part, np.int32)
    return total + slices


@inlined
def _sum_up(plan, state, site, lane):
    """Add the spins of a worldline to `state.totals`; their sum, float64 lanes."""
    spins, lanes, total = state.spins, state.spins.shape[1], full(0, np.int32, WIDTH)
    for t in range(plan.slices):
        spin = convert(load(spins, (site * plan.slices + t) * lanes + lane, WIDTH), np.int32)
        store(state.totals, t * lanes + lane, load(state.totals, t * lanes + lane, WIDTH) + spin)
        total = total + spin
    return convert(total, np.float64)


@inlined
def _count(plan, state, lane, energies, magnetizations):
    """Measure 16 lanes."""
    classical, M, lanes = plan.classical, plan.slices, state.spins.shape[1]
    for kind in range(plan.gammas.size):
        store(state.kinks, kind * lanes + lane, full(0.0, np.float64, WIDTH))
    for t in range(M):
        store(state.totals, t * lanes + lane, full(0, np.int32, WIDTH))
    bonds, fields = full(0.0, np.float64, WIDTH), full(0.0, np.float64, WIDTH)
    alike, total = full(0.0, np.float64, WIDTH), full(0.0, np.float64, WIDTH)
    for site in range(plan.kinds.size):
        own = site * M * lanes + lane
        for k in range(at(classical.upper, site), at(classical.indptr, site + 1)):
            equal = _equal(state.spins, own, at(classical.indices, k) * lanes + lane, M, lanes)
            equal = convert(equal, np.float64)
            bonds = bonds + equal * at(classical.couplings, k)
            alike = alike + equal
        whole_line = _sum_up(plan, state, site, lane)
        fields = fields + whole_line * at(classical.fields, site)
        total = total + whole_line
        along = _equal(state.spins, own, own + lanes, M - 1, lanes)
        ends = load(state.spins, own, WIDTH) ^ load(state.spins, own + (M - 1) * lanes, WIDTH)
        along = convert(along + convert(ends, np.int32) + 1, np.float64)
        place = at(plan.kinds, site) * lanes + lane
        store(state.kinks, place, load(state.kinks, place, WIDTH) + (along * -0.5 + 0.5 * M))
    energy = full(classical.offset, np.float64, WIDTH)
    energy = energy - (bonds * classical.coupling_unit + fields * classical.field_unit) / np.float64(M)
    store(energies, lane, energy)
    store(magnetizations, lane, total)
    store(state.means, lane, energy)
    store(state.means, lanes + lane, alike / np.float64(max(1, M * (classical.couplings.size // 2))))


@inlined
def _moments(plan, state, lane):
    """Means over slices of |m|, m^2 and m^4 of 16 lanes."""
    lanes, sites = state.spins.shape[1], np.float64(max(1, plan.kinds.size))
    zero = full(0.0, np.float64, WIDTH)
    first, second, fourth = zero, zero, zero
    for t in range(plan.slices):
        m = convert(load(state.totals, t * lanes + lane, WIDTH), np.float64) / sites
        first = first + select(m < zero, m * -1.0, m)
        second = second + m * m
        fourth = fourth + (m * m) * (m * m)
    slices = np.float64(plan.slices)
    store(state.means, 2 * lanes + lane, first / slices)
    store(state.means, 3 * lanes + lane, second / slices)
    store(state.means, 4 * lanes + lane, fourth / slices)


@gives(contract.measure, WorldlinePlan)
def _measure(plan, state, energies, magnetizations, crew):
    for lane in range(0, state.spins.shape[1], WIDTH):
        _count(plan, state, lane, energies, magnetizations)
        _moments(plan, state, lane)


@gives(contract.tell, WorldlinePlan)
def _tell(plan, state, rungs, values, row):
    M, sites, means = np.float64(plan.slices), np.float64(max(1, plan.kinds.size)), state.means
    for lane in range(values.shape[1]):
        x, energy, slope, kinks = 0.0, 0.0, 0.0, 0.0
        for kind in range(plan.gammas.size):
            of_rung, share = plan.terms[rungs[lane], kind], state.kinks[kind, lane] / M
            of_kind = np.float64(plan.sites[kind])
            along = of_kind * of_rung[0] + share * of_rung[1]
            x += along
            energy += plan.strengths[rungs[lane]] * plan.gammas[kind] * along
            slope += of_kind * of_rung[2] + share * of_rung[3]
            kinks += share
        values[row, lane] = means[0, lane] - energy
        values[row + 1, lane] = slope
        values[row + 2, lane] = x / sites
        values[row + 3, lane] = means[1, lane]
        values[row + 4, lane] = kinks / sites
        for moment in range(3):
            values[row + 5 + moment, lane] = means[2 + moment, lane]
