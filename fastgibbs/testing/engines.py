"""What proves an engine: its own decisions, records and law against the energies of all states, and its NumPy twin.

Nothing is read off an engine's insides. Whatever keeps the contract (engines/contract.py) can be proven, and what is
proven is what the drivers get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from fastgibbs import exact
from fastgibbs.engines import contract, precision
from fastgibbs.models import (
    RBM,
    Energy,
    Hopfield,
    Ising,
    Perceptron,
    Polynomial,
    TransverseIsing,
    edwards_anderson,
    random_regular,
)
from fastgibbs.testing.blocks import OF_RULE, Draws, carried, run
from fastgibbs.testing.energies import Triples, require
from fastgibbs.testing.laws import boltzmann, draw_exactly, energies, pvalue
from fastgibbs.types import AnyArray, Engine, FloatArray, IntArray, Mask, ModelLike, States

ENUMERATED = 10  # spins of the models whose states are all looked at
CHAINS, SWEEPS = 3 * 2**12, 30  # whose law is tested: 5 % of beta shows where the heat capacity is above 2
UNIFORM = 2**11  # chains that must be uniform at beta = 0
LANES = 75  # of other tests: more than a word, and no whole number of vector registers
BITS = 20  # of the number that a lane decides by, found by bisection
CERTAIN = 25.0  # beta dE, where a spin does not turn: once in 10^11
ROUNDED = 1e-6  # of the largest energy: what float32 leaves open in the cost of a flip
_RNG = np.random.default_rng(1)
_GLASS = random_regular(6, 4, "bimodal", seed=3)
MODELS: dict[str, Energy] = {
    "+-J": _GLASS,
    "+-J in a field": Ising.from_edges(6, *_GLASS.bonds, np.full(6, 0.5)),
    "Gaussian": edwards_anderson((2, 3), "gaussian", seed=1),
    "memories": Hopfield([[1, 1, -1, 1, -1, 1], [1, -1, -1, 1, 1, 1]]),
    "memories of order 3": Hopfield(_RNG.choice([-1, 1], (3, 7)), field=0.1, order=3),
    "students": Perceptron(np.random.default_rng(2).choice([-1, 1], (12, 7))),
    "triples": Triples(7),
    "products of spins": Polynomial({(0, 1, 2): 1.0, (1, 2, 3, 4): -0.7, (0, 4): 0.5, (3,): 0.3}, n=6),
    "products of units": Polynomial({(0, 1, 2): 1.0, (1, 2, 3, 4): -1.5, (0, 4): 0.5, (3,): 0.3}, "binary", 6),
    "worldlines": TransverseIsing(Ising.from_edges(3, [0, 1], [1, 2], [1.0, -0.7], [0.3, 0, 0]), [0.5, 1, 1.5], 3),
    "machine": RBM(_RNG.normal(size=(4, 3)), [0.5, -1, 0, 0.2], [1, -0.5, 0]),
}


class Case(NamedTuple):
    """What is proven at a time.

    >>> import fastgibbs as fg
    >>> case = fg.testing.Case("square", fg.lattice((4, 4)), rule="gibbs", scan="sequential", first=True)
    >>> case.model
    Ising(n=16, bonds=32, fields=0)
    """

    name: str  # of the model
    model: Any  # as the engine takes it: as it is, or as an Ising model
    rule: str
    scan: str
    first: bool  # of its model: what no rule and no scan changes is proven with it


def check_engine(
    engine: Engine,
    models: Mapping[str, ModelLike] | None = None,
    *,
    twin: ModuleType | None = None,
    rules: Sequence[str] = tuple(contract.RULES),
    false_alarm: float = 1e-6,
) -> float:
    """Prove an engine on every model that it does not refuse, by each rule and scan that it has.

    The proof is that turning any spin of any state costs the difference of energies; that a sweep visits every site,
    and leaves the Boltzmann law of all states as it is; that recorded energies and magnetisations are those of the
    states; that states are carried from block to block as they are; that threads, crews and other chains never show;
    and that every spin is that of the twin.

    Args:
        engine: an `fastgibbs.engines.contract.Engine`; without "metropolis" what single flips cost is not asked.
        models: a dict of names to models, by default `MODELS`. Of those of more than 10 spins no law is tested.
        twin: the engine again in NumPy, as the modules of `fastgibbs.reference`, or None.
        rules: of "gibbs", "metropolis" and "spiking", where a spike lasts 3 sweeps.
        false_alarm: the rate at which tests of laws fail a right engine, all together. Seeds are fixed: one that has
            passed passes again, on any machine.

    Returns the smallest of the p-values of all laws. Raises AssertionError that says what is wrong, of which model,
    rule and scan; ValueError if the engine refuses all models.

    >>> import fastgibbs as fg
    >>> from fastgibbs.engines import ENGINES
    >>> square = {"square": fg.lattice((3, 3))}
    >>> fg.testing.check_engine(ENGINES["multispin"], square, rules=("gibbs",)) > 1e-6
    True
    """
    proven = cases(engine, models, rules)
    found = [check_case(engine, case, twin, false_alarm / len(proven)) for case in proven]
    return min((p for p in found if p is not None), default=1.0)


def cases(
    engine: Engine, models: Mapping[str, ModelLike] | None = None, rules: Sequence[str] = tuple(contract.RULES)
) -> list[Case]:
    """Every model that the engine does not refuse, by each rule and scan; ValueError if there is none.

    >>> import fastgibbs as fg
    >>> from fastgibbs.engines import ENGINES
    >>> case = fg.testing.cases(ENGINES["multispin"], {"ring": fg.lattice((5,))})[0]
    >>> case.name, case.rule, case.scan
    ('ring', 'gibbs', 'sequential')
    """
    found: list[Case] = []
    refusals: dict[str, str | None] = {}
    for name, model in (MODELS if models is None else models).items():
        try:
            taken = model if engine.native else model.to_ising()
        except ValueError as error:  # it has no such form
            refusals[name] = str(error)
            continue
        for rule in (rule for rule in rules if rule in engine.rules):
            for scan in contract.SCANS:
                refusals[name] = engine.refusal([taken], scan, 1, np.inf)
                if refusals[name] is None:
                    first = not found or found[-1].name != name
                    found.append(Case(name, taken, rule, scan, first))
    if not found:
        raise ValueError("; ".join(f"it cannot run {name}: {why}" for name, why in refusals.items()))
    return found


def check_case(engine: Engine, case: Case, twin: ModuleType | None = None, false_alarm: float = 1e-6) -> float | None:
    """The p-value of the law of a case, of large models None; AssertionError that says what is wrong.

    `false_alarm`: the rate at which it says so of the law of a right engine.

    >>> import fastgibbs as fg
    >>> from fastgibbs.engines import ENGINES
    >>> case = fg.testing.cases(ENGINES["multispin"], {"square": fg.lattice((4, 4))})[0]
    >>> fg.testing.check_case(ENGINES["multispin"], case)  # None: of so many spins no law is tested
    """
    model, (spins, betas) = case.model, _chains(case.model)
    enumerated = model.n <= ENUMERATED
    if case.first:
        if enumerated and "metropolis" in engine.rules:
            _check_costs(engine, case)
        _check_company(engine, case, spins, betas)
        why = carried(engine, model, spins, -spins[::-1], betas)
        require(why is None, f"{_title(case)}: {why}")
    draws = run(engine, model, spins, betas, max(3, min(40, 2000 // model.n)), seed=5, rule=case.rule, scan=case.scan)
    _check_records(case, draws)
    if twin is not None:
        known = {"scan": case.scan} if "scan" in signature(twin.start).parameters else {}
        known |= OF_RULE.get(case.rule, {})
        state = twin.start(model, len(spins), 5, case.rule, spins=spins, **known)
        for sweep, found in enumerate(draws.spins, 1):
            twin.sweep(state, betas)
            _equal(case, f"spins after sweep {sweep}", found, state.spins, "the twin's")
    return _check_law(engine, case, false_alarm / 2) if enumerated else None


def _check_company(engine: Engine, case: Case, spins: States, betas: FloatArray) -> None:
    """Threads, crews, other chains and draws never show."""
    alone, few = run(engine, case.model, spins, betas, 5), len(spins) // 2
    for threads, workers in ((2, 1), (5, 1), (1, 2), (1, 3)):
        other = run(engine, case.model, spins, betas, 5, threads=threads, workers=workers)
        _same(case, f"draws by {threads} threads and crews of {workers}", other, alone)
    last = Draws(alone.spins[-1:], alone.energies[-1:], alone.magnetizations[-1:])
    _same(case, "draws after five sweeps", run(engine, case.model, spins, betas, 5, thin=5), last)
    _same(case, f"draws of {few} chains", run(engine, case.model, spins[:few], betas[:few], 5), alone.of(few))


def _check_law(engine: Engine, case: Case, level: float) -> float:
    """Every site is visited, and the law of exact draws is the same after sweeps: the p-value of that."""
    model = case.model
    how: dict[str, Any] = dict(rule=case.rule, scan=case.scan)
    up, free = np.ones((UNIFORM, model.n), np.int8), np.zeros(UNIFORM)
    if case.rule == "gibbs":
        sweeps = SWEEPS if case.scan == "random" else 1
        end = run(engine, model, up, free, sweeps, thin=sweeps, seed=6, **how).spins[-1]
        p = pvalue(model, model.from_spins(end), boltzmann(model, 0.0))
        require(p >= level, f"{_title(case)}: at beta = 0 a sweep leaves states that are not uniform: p = {p:.0e}")
    elif case.rule == "metropolis" and case.scan == "sequential":
        end = run(engine, model, up, free, 1, seed=6, **how).spins[-1]
        _equal(case, "spins after a sweep at beta = 0", end, -up, "all turned")
    beta = _middle(model)
    law, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    betas, how["thin"] = np.full(CHAINS, beta), SWEEPS
    end = run(engine, model, model.to_spins(start), betas, SWEEPS, seed=12, **how).spins[-1]
    p = pvalue(model, model.from_spins(end), law)
    require(p >= level, f"{_title(case)}: sweeps change the Boltzmann law at beta = {beta:.3g}: p = {p:.0e}")
    return p


def _check_costs(engine: Engine, case: Case) -> None:
    """Where sweeps visit one site, a lane turns its spin if its random number says so: u < exp(-beta dE).

    So -ln u = beta dE at the beta where it stops to turn. Each lane shows its number by one state, found by bisection,
    and decides another state by the same number.
    """
    model, states = case.model, exact.states(case.model.n)
    energy = energies(model)
    open_ = ROUNDED * np.abs(energy - energy.mean()).max()
    other = np.random.default_rng(3).permutation(len(states))
    for site in range(model.n):
        cost = energy[np.arange(len(states)) ^ 1 << site] - energy
        clear = np.abs(cost) > open_
        divisors = np.where(clear, cost, np.abs(cost).max() or 1.0)

        def turned(
            x: FloatArray, order: IntArray | slice = slice(None), site: int = site, divisors: IntArray = divisors
        ) -> Mask:
            """Which lanes turn their spin where beta dE is x; lane k is in state order[k]."""
            start = states[order]
            end = run(engine, model, start, x / divisors[order], 1, rule="metropolis", free=[site]).spins[0]
            others = np.arange(model.n) != site
            _equal(case, f"spins that site {site} alone is swept", end[:, others], start[:, others], "as they were")
            return end[:, site] != start[:, site]

        low, high = np.zeros(len(states)), np.full(len(states), CERTAIN)
        stays = ~turned(high)
        _decided(case, site, states, cost, clear == stays, "as if it cost something else")
        for _ in range(BITS):
            middle = (low + high) / 2
            turns = turned(middle)
            low, high = np.where(turns, middle, low), np.where(turns, high, middle)
        both = clear & clear[other]
        slack = 2.0**-BITS * CERTAIN + open_ * high * (1 / np.abs(divisors) + 1 / np.abs(divisors[other]))
        for x, turning, how in ((np.maximum(low - slack, 0), True, "more"), (high + slack, False, "less")):
            right = ~both | (turned(x, other) == turning)
            _decided(case, site, states[other], cost[other], right, f"as if it cost {how}, beside other states")


def _decided(case: Case, site: int, states: States, cost: FloatArray, right: Mask, how: str) -> None:
    if not right.all():
        k = right.argmin()
        raise AssertionError(
            f"{_title(case)}: turning site {site} of {states[k].tolist()} costs {cost[k]:.6g}; it is decided {how}"
        )


def _check_records(case: Case, draws: Draws) -> None:
    model = case.model
    energy = model.energy(model.from_spins(draws.spins))
    # by layers they are sums of float32 inputs
    error = precision.energy_error(model) if isinstance(model, RBM) else 1e-12 * np.abs(energy).max(initial=0)
    wrong = np.abs(draws.energies - energy) > error
    if wrong.any():
        draw, chain = np.unravel_index(wrong.argmax(), wrong.shape)
        raise AssertionError(
            f"{_title(case)}: the energy of draw {draw} of chain {chain} is {draws.energies[draw, chain]!r}, that of "
            f"its state {energy[draw, chain]!r}"
        )
    _equal(case, "sums of spins", draws.magnetizations, draws.spins.sum(axis=2), "those of the states")


def _same(case: Case, what: str, found: Draws, expected: Draws) -> None:
    for name in Draws._fields:
        one, other = getattr(found, name), getattr(expected, name)
        _equal(case, f"{name} of {what}", one, other, "those of one thread, all chains and every draw")


def _equal(case: Case, what: str, found: AnyArray, expected: AnyArray, whose: str) -> None:
    if not np.array_equal(found, expected):
        place = tuple(np.argwhere(found != expected)[0].tolist())
        raise AssertionError(
            f"{_title(case)}: {what} are not {whose}: {found[place]} at {list(place)} in place of {expected[place]}"
        )


def _title(case: Case) -> str:
    return f"{case.name}, {case.rule}, {case.scan}"


def _chains(model: ModelLike) -> tuple[States, FloatArray]:
    """Spins to start from, int8 (chains, n), and betas of either sign, float64 (chains,)."""
    chains = LANES if model.n <= ENUMERATED else 3
    spins = np.random.default_rng(4).choice(np.array([-1, 1], np.int8), (chains, model.n))
    if model.n <= ENUMERATED:
        return spins, _middle(model) * np.linspace(-0.3, 3, chains)
    return spins, np.sqrt(model.n) / model.energy(model.from_spins(spins)).std() * np.linspace(0.3, 1, chains)


def _middle(model: ModelLike) -> float:
    """The beta of the largest heat capacity, where a wrong one shows best; 1 if all energies are the same."""
    energy = energies(model)
    unit = np.ptp(energy)
    if unit == 0:
        return 1.0
    energy = (energy - energy.min()) / unit
    betas = np.geomspace(0.1, 30, 60) / energy.std()
    weights = np.exp(-np.outer(betas, energy))
    laws = weights / weights.sum(axis=1, keepdims=True)
    heat = betas**2 * (laws @ energy**2 - (laws @ energy) ** 2)
    return float(betas[heat.argmax()] / unit)
