"""The worldline engine: spins in a transverse field, an attempt drawing all M spins of a site given its neighbours.

Given these a worldline is a ring of M spins in fields 2 dt f_t, neighbours being bound by tanh(dt Gamma) = r. It is
drawn exactly: messages from the last slice to the first, a pair for either value of s_0, then s_0, and then each slice
given the one before (reference/worldline.py has the formulas, worldline_draws.py the kernel). What is drawn depends on
no spin of its own, so that the number of slices costs time and no sweeps, and without a field worldlines turn as whole
as classical spins do. Spins of a worldline lie side by side, lanes innermost.

Measured, a bond is the number of slices in which its spins are equal, and a kink one in which a spin differs from that
before it: both are counted in 8 bits. `tell` has what a quantum energy takes besides, at the rung of each lane.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.arithmetic import scales
from fastgibbs.engines.bytespins import start_spins
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.contract import RANDOM, Engine, Exponents
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.shuffles import align_stack
from fastgibbs.engines.sparse import Sparse, SparsePlan
from fastgibbs.engines.streams import ORDER, below, lane_streams, stream_state
from fastgibbs.engines.vectors import at, convert, full, load, select, store
from fastgibbs.engines.worldline_draws import LARGEST, MOST, WIDE, draw_last, draw_uniforms, draw_wide, gather
from fastgibbs.jit import gives, inlined

TOLD = "total_energy", "energy_slope", "x", "zz", "kinks", "abs_m", "m2", "m4"
_COUNTED = 64  # slices, of which each adds 0 or -2 to 8 bits


class WorldlinePlan(NamedTuple):
    """A transverse-field model for this engine. A kind is a value of Gamma."""

    classical: SparsePlan  # of E, the indices times M
    slices: int
    places: int  # of the numbers of fields that a site may have, where a table has their weights, or 0
    least: np.ndarray  # int8 (sites,): the least of them in whole numbers, which all are above by twice a number; or 0
    period: int  # slices after which messages are scaled anew
    kinds: np.ndarray  # int32 (sites,)
    sites: np.ndarray  # int64 (kinds,): how many sites are of each
    gammas: np.ndarray  # float64 (kinds,)
    strengths: np.ndarray  # float64 (rungs,): by which all Gamma are multiplied, or (0,) if by none
    scales: np.ndarray  # float32 (rungs,): exponent of 2 per unit of field
    tunnels: np.ndarray  # float32 (rungs, kinds): r
    norms: np.ndarray  # float64 (rungs,): M sum_i log cosh(dt Gamma_i)
    terms: np.ndarray  # float64 (rungs, kinds, 4): of x and of the slope, per site and per kinks over M
    bound: float  # of |f| of any site
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
    table: np.ndarray  # float32 (8, lanes drawn at once): weights of fields of the least, and 2, 4 ... above it
    messages: np.ndarray  # float32 (4 M, lanes drawn at once): of one attempt
    kinks: np.ndarray  # float64 (kinds, lanes): counted by `measure`
    totals: np.ndarray  # int32 (M, lanes): sums of spins in each slice, likewise
    means: np.ndarray  # float64 (5, lanes): E and the means of zz, |m|, m^2 and m^4, likewise


def terms(beta_gamma, gammas, slices: int) -> np.ndarray:
    """What `WorldlinePlan.terms` has, float64 (..., kinds, 4), of beta Gamma (..., kinds)."""
    g = np.maximum(beta_gamma / slices, np.arctanh(2.0**-MOST))
    tanh, coth = (np.where(beta_gamma > 0, one, 0.0) for one in (np.tanh(g), 1 / np.tanh(g)))
    sech2, csch2, bend = 1 - tanh**2, np.where(beta_gamma > 0, coth**2 - 1, 0.0), gammas**2 / slices
    return np.stack([tanh, coth - tanh, bend * sech2, -bend * (sech2 + csch2)], axis=-1)


def few_fields(classical: SparsePlan, slices: int) -> tuple:
    """`places` and `least` of a plan: with a table where no site has more than 8 fields, or half as many as slices."""
    least = np.zeros(classical.indptr.size - 1, np.int8)
    if classical.step > 0:
        rows = np.repeat(np.arange(least.size), np.diff(classical.indptr))
        couplings = np.bincount(rows, np.abs(classical.doubled) // 2, least.size)
        places = max(2, int(couplings.max(initial=0)).bit_length())
        if places <= 3 and 2 ** (places + 1) <= slices:
            return places, (classical.own - couplings).astype(np.int8)
    return 0, least


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
            *few_fields(classical, model.slices),
            1,
            kinds,
            sites,
            gammas,
            np.empty(0),
            np.empty(0, np.float32),
            np.empty((0, gammas.size), np.float32),
            np.empty(0),
            np.empty((0, gammas.size, 4)),
            model.field_bound,
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
            aligned((8, WIDE), np.float32),
            aligned((4 * M, WIDE), np.float32),
            np.zeros((kinds, size)),
            aligned((M, size), np.int32),
            np.zeros((5, size)),
        )
        strengths = plan.strengths if plan.strengths.size else np.ones(betas.size)
        gammas = strengths[:, None] * plan.gammas
        g = betas[:, None] * gammas / M
        tunnels = np.maximum(np.tanh(g), 2.0**-MOST).astype(np.float32)
        norms = M * ((np.logaddexp(g, -g) - np.log(2)) @ plan.sites)
        most = min(MOST, 2 * np.log2(np.e) * betas.max(initial=0.0) / M * plan.bound)
        rungs = dict(tunnels=tunnels, norms=norms, terms=terms(M * g, gammas, M), strengths=strengths)
        rungs["period"] = max(1, int((LARGEST - most) // (most + 1)))
        return plan._replace(scales=-scales(betas / M, plan.classical.unit), **rungs), state

    def exponents(self, plan: WorldlinePlan, state: WorldlineState) -> Exponents:
        """A kink weighs tanh(dt Gamma), and every spin of a slice cosh(dt Gamma) besides."""
        return Exponents(np.log(np.maximum(plan.terms[..., 0], 2.0**-MOST)), plan.norms, state.kinks)


@gives(contract.sweep, WorldlinePlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    align_stack()
    lanes, sites = state.spins.shape[1], plan.kinds.size
    wide = lanes - lanes % WIDE
    for lane in range(lanes):
        state.scale[lane] = plan.scales[rungs[lane]]
        for kind in range(plan.gammas.size):
            state.tunnels[kind, lane] = plan.tunnels[rungs[lane], kind]
    for number in range(sites):
        site = below(state.order, sites) if scan == RANDOM else number
        draw_uniforms(state)
        gather(plan, state, site)
        for lane in range(0, wide, WIDE):
            draw_wide(plan, state, site, lane)
        for lane in range(wide, lanes, WIDTH):
            draw_last(plan, state, site, lane)


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
