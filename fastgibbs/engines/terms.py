"""The engine of any energy: what a flip costs is a function of its author's, called lane by lane.

Costs are float64, as exact as that function computes them; an attempt is decided in float32 by 32 bits, half a word of
the lane's stream, with the random numbers of the sparse engine. Energies are added up by the same function, flip by
flip on the way from all spins down to the state, and so are the running sums that it may keep: before each sweep anew.
Both follow from the state alone, so that nothing drifts. An energy takes nearly as long as a sweep.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, flips, precision
from fastgibbs.engines.arithmetic import decide, pushes
from fastgibbs.engines.bytespins import start_spins, sum_spins
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.contract import RANDOM, Engine
from fastgibbs.engines.flips import Code
from fastgibbs.engines.streams import ORDER, below, lane_streams, next_words, stream_state
from fastgibbs.engines.vectors import at, convert, load, store
from fastgibbs.jit import gives, inlined, njit
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy

MOST = 1e30  # of an exponent of 2: far beyond what decides
LOG2E = 1.4426950408889634
_UP, _SITES = 64, 4  # of a state that is looked at before a run: sites turned up, and sites whose flips are compared
CLOSE = 1e-6  # of the largest of these numbers: more than rounding


class TermsPlan(NamedTuple):
    """An energy for this engine."""

    code: Code  # what a flip costs
    parameters: tuple  # of that function
    sums: np.ndarray  # float64 (m,): the running sums where all spins are down
    energy: float  # there
    scales: np.ndarray  # float64 (rungs,): exponent of 2 per unit of cost at every beta
    pushes: np.ndarray  # float64 (rungs,): what the extra field adds to that of an up spin's cost
    free: np.ndarray  # int32: the sites that sweeps visit


class TermsState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # int8 (n, lanes)
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    words: np.ndarray  # uint64 (lanes,): random words of this attempt and the next
    fields: np.ndarray  # float32 (lanes,): exponents of 2 of the attempt at one site
    turned: np.ndarray  # int8 (lanes,): the spins that it decides for
    sums: np.ndarray  # float64 (lanes, m)
    path: np.ndarray  # int8 (n,): where the way from all spins down to a state has come to


def _refuse_wrong_costs(model, told, parameters):
    """ValueError where a cost of a few flips is no difference of energies; in Python, which checks indices too."""
    rng, spins = np.random.default_rng(0), np.full(model.n, -1)
    cost, turn = (getattr(function, "py_func", function) for function in (told.cost, told.turn))
    sums = () if told.sums is None else (np.array(told.sums, np.float64),)
    for site in rng.permutation(model.n)[: min(_UP, model.n // 2)].tolist():
        if sums:
            turn(spins, site, *sums, *parameters)
        spins[site] = 1
    spins.flags.writeable, sites = False, rng.permutation(model.n)[:_SITES]
    turned = np.where(np.arange(model.n) == sites[:, None], -spins, spins)
    states = model.from_spins(np.concatenate([spins[None], turned]).astype(np.int8))
    energies = checks.finite_array("model.energy(states)", model.energy(states), (len(states),))
    for site, expected in zip(sites.tolist(), energies[1:] - energies[0], strict=True):
        found = checks.finite_number("flips().cost(spins, site, ...)", cost(spins, site, *sums, *parameters))
        if not abs(found - expected) <= CLOSE * max(np.abs(energies).max(), abs(found)):
            raise ValueError(
                f"{checks.shown(model)}: flips().cost of site {site} is {found:.6g} where energy(states) changes by "
                f"{expected:.6g}; fastgibbs.testing.check_energy looks at all flips"
            )


class Terms(Engine):
    """The engine as Python calls it."""

    name = "terms"
    plan = TermsPlan
    field_bits = precision.FLOAT32
    native = True

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these models, or None if it can."""
        if as_energy(models[0]).flips() is None:
            return "the model does not say what a flip costs, by a method flips()"
        if why := super().refusal(models, scan, strips):
            return why
        return "at beta = inf the rounding of a cost would decide, give a finite beta" if tolerance == 0 else None

    def prepare(self, models: list, strips: int, free=None) -> TermsPlan:
        """The plan of an energy, which all blocks share; ValueError if costs are not differences of energies."""
        (model,) = models
        told = model.flips()
        parameters, sums = flips.checked(told)
        _refuse_wrong_costs(model, told, parameters)
        energy = float(model.energy(model.from_spins(np.full((1, model.n), -1, np.int8)))[0])
        return TermsPlan(Code(told), parameters, sums, energy, *np.empty((2, 0)), contract.free_sites(model.n, free))

    def start(self, plan: TermsPlan, lanes: range, ups, entropy, betas, rule, fields=None) -> tuple:
        """Plan and state of a block; `ups` gives (first site, which spins are up uint8 (lanes, sites)) part by part."""
        size, parts = len(lanes), list(ups)
        n = sum(part.shape[1] for _, part in parts)
        state = TermsState(
            spins=start_spins(n, size, parts),
            streams=lane_streams(entropy, lanes),
            order=stream_state(entropy, ORDER),
            words=np.zeros(size, np.uint64),
            fields=np.zeros(size, np.float32),
            turned=np.zeros(size, np.int8),
            sums=np.zeros((size, plan.sums.size)),
            path=np.zeros(n, np.int8),
        )
        with np.errstate(over="ignore"):  # and no scale is infinite, which times 0 is no number
            scales = np.clip(-LOG2E * betas, -np.finfo(np.float64).max, np.finfo(np.float64).max)
        return plan._replace(scales=scales, pushes=pushes(scales, fields, 0.5)), state


@inlined
def climb(plan, state, lane):
    """The energy of a lane, whose running sums it writes: all spins are down, and those that are up turn in order."""
    path, sums, energy = state.path, state.sums[lane], plan.energy
    path[:] = -1
    for k in range(sums.size):
        sums[k] = plan.sums[k]
    for site in range(path.size):
        if state.spins[site, lane] > 0:
            energy += flips.cost(plan.code, path, site, sums, plan.parameters)
            flips.turn(plan.code, path, site, sums, plan.parameters)
            path[site] = 1
    return energy


@inlined
def attempt(plan, state, rungs, rule, site, shift):
    """One attempt at `site` in all lanes, decided by the 32 bits of each lane's word from bit `shift` on."""
    lanes = state.spins.shape[1]
    for lane in range(lanes):
        cost = flips.cost(plan.code, state.spins[:, lane], site, state.sums[lane], plan.parameters)
        exponent = plan.scales[rungs[lane]] * (cost * state.spins[site, lane])
        if plan.pushes.size > 0:
            exponent += plan.pushes[rungs[lane]]
        state.fields[lane] = np.float32(min(max(exponent, -MOST), MOST))
    for lane in range(0, lanes, WIDTH):
        words = convert(load(state.words, lane, WIDTH) >> shift, np.uint32)
        old = load(state.spins, site * lanes + lane, WIDTH)
        store(state.turned, lane, decide(rule, load(state.fields, lane, WIDTH), old, words, WIDTH))
    for lane in range(lanes):
        if state.turned[lane] != state.spins[site, lane]:
            flips.turn(plan.code, state.spins[:, lane], site, state.sums[lane], plan.parameters)
            state.spins[site, lane] = state.turned[lane]


@gives(contract.sweep, TermsPlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    free, lanes = plan.free.size, state.spins.shape[1]
    for lane in range(lanes if plan.sums.size > 0 else 0):
        climb(plan, state, lane)
    for number in range(free):
        site = np.int64(at(plan.free, below(state.order, free) if scan == RANDOM else number))
        if number % 2 == 0:
            for lane in range(0, lanes, WIDTH):
                store(state.words, lane, next_words(state.streams, lane, WIDTH))
        attempt(plan, state, rungs, rule, site, 32 * (number % 2))


@gives(contract.measure, TermsPlan)
def _measure(plan, state, energies, magnetizations, crew):
    for lane in range(state.spins.shape[1]):
        energies[lane] = climb(plan, state, lane)
    sum_spins(state.spins, magnetizations)


@njit
def descend(plan, state, costs, least, most):
    """Turn sites whose flip lowers E by more than `least`, in order, pass by pass, until none does, or `most` passes.

    `costs`, float64 (n, lanes), get those of all flips at the end; `least` is float64 (lanes,). Every flip lowers E, so
    the passes come to an end.
    """
    n, lanes = state.spins.shape
    for lane in range(lanes):
        climb(plan, state, lane)
        changed, passes, spins, sums = True, 0, state.spins[:, lane], state.sums[lane]
        while changed and passes < most:
            changed, passes = False, passes + 1
            for site in plan.free:
                if flips.cost(plan.code, spins, site, sums, plan.parameters) < -least[lane]:
                    flips.turn(plan.code, spins, site, sums, plan.parameters)
                    spins[site] = -spins[site]
                    changed = True
        for site in range(n):
            costs[site, lane] = flips.cost(plan.code, spins, site, sums, plan.parameters)
