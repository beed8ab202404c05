"""What every method does before it runs: choose the engine, and give the lanes of a block their first spins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, contract, precision
from fastgibbs.engines.drivers import Moves
from fastgibbs.engines.streams import random_ups, unpack_ups
from fastgibbs.methods.keeping import kept
from fastgibbs.models import Ising, checks
from fastgibbs.models.energy import as_energy, require_flips
from fastgibbs.results.base import Result
from fastgibbs.types import AnyArray, ArrayLike, Engine, FloatArray, IntArray, ModelLike, Sites, States

STRIPS = (1, 2, 4, 8, 16, 32, 64)
LAW, DESCENT = 2.0**-8, 2.0  # what rounding may change in the log odds of a spin: draws stay right, or the way downhill
_PART = 2**21  # spins unpacked at once

NOBODY = -1  # in place of the number of a chain that nobody asked for
Clamping = Mapping[int, ArrayLike] | tuple[ArrayLike, ArrayLike]  # what users give: see `clamped`


class Clamp(NamedTuple):
    """Sites that keep their spins, the same sites in all chains, and the others."""

    sites: IntArray  # int64 (k,), ascending
    spins: States  # int8 (k, 1), or (k, chains)
    free: IntArray | Sites  # int64 (n - k,)


class Setting(NamedTuple):
    """What all blocks of a run share: models on an engine, what attempts are, and which sites they visit."""

    given: list[ModelLike]  # the models
    models: list[Any]  # as the engine takes them
    name: str  # of the engine
    rule: str
    scan: str
    strips: int
    clamp: Clamp | None
    threads: int
    refractory: int | None = None  # sweeps that a spike lasts, by the rule "spiking"

    @property
    def engine(self) -> Engine:
        """The engine that runs them."""
        return ENGINES[self.name]

    @property
    def n(self) -> int:
        """Sites of a model."""
        return self.given[0].n

    @property
    def moves(self) -> Moves:
        """Rule and scan as kernels have them."""
        return Moves(contract.RULES[self.rule], contract.SCANS[self.scan])

    @property
    def free(self) -> IntArray | Sites | None:
        """The sites that sweeps visit, or None for all."""
        return None if self.clamp is None else self.clamp.free

    @property
    def attempts(self) -> int:
        """Of a sweep of one chain."""
        return self.n if self.free is None else self.free.size

    @property
    def clamped(self) -> IntArray:
        """The sites that keep their values, int64."""
        return np.empty(0, np.int64) if self.clamp is None else self.clamp.sites

    def saved(self) -> dict[str, Any]:
        """What a run that goes on must have in common with one that was saved."""
        clamp = None if self.clamp is None else list(self.clamp[:2])
        found = dict(
            model=self.given, engine=self.name, rule=self.rule, scan=self.scan, strips=self.strips, clamp=clamp
        )
        return found if self.refractory is None else found | dict(refractory=self.refractory)

    def prepare(self, models: list[Any]) -> Any:
        """What all blocks share, of one model or of one for each chain, as the engine takes them."""
        if len(models) > 1:
            return self.engine.prepare(models, self.strips, self.free)
        key = self.engine, self.strips, None if self.free is None else self.free.tobytes()
        return kept(models[0], "prepared", key, lambda model: self.engine.prepare([model], self.strips, self.free))

    def start(
        self,
        prepared: Any,
        lanes: range,
        chains: IntArray,
        points: FloatArray | tuple[FloatArray, FloatArray | None],
        seed: int,
        spins: States | None = None,
    ) -> tuple[Any, Any]:
        """Plan and state of a block: chain after chain, each in `strips` lanes, at random or at `spins` (first_ups).

        `points`: the betas of its rungs, (rungs,), or a pair of betas and fields.
        """
        ups = first_ups(seed, spins, chains, self.n, self.strips, self.clamp)
        betas, fields = points if isinstance(points, tuple) else (points, None)
        of_fields = () if fields is None else (fields,)
        lasts = {} if self.refractory is None else dict(refractory=self.refractory)
        return self.engine.start(prepared, lanes, ups, seed, betas, contract.RULES[self.rule], *of_fields, **lasts)


def settled(
    models: list[ModelLike],
    engine: str,
    *,
    rule: str,
    scan: str = "sequential",
    strips: int | None = 1,
    chains: int,
    clamp: Clamp | None,
    threads: int | None,
    tolerance: float,
    fields: FloatArray | None = None,
    refractory: int | None = None,
) -> Setting:
    """The setting that a user asks for; `chains` run these models, whose fields may be wrong by `tolerance`.

    `fields`: those beside the models' own, of any shape; `refractory`: sweeps that a spike lasts.

    ValueError or TypeError says which argument cannot be, and why.
    """
    check_rule(rule, refractory)
    checks.choice("scan", scan, contract.SCANS)
    checks.choice("engine", engine, ("auto", *ENGINES))
    threads = checks.thread_count(threads)
    if clamp is not None:
        if as_energy(models[0]).by_worldlines:
            raise ValueError("clamp is given: worldlines are drawn whole, and none is clamped")
        if strips not in (None, 1):
            raise ValueError(f"strips is {strips}: a lattice with clamped sites is not cut, leave strips out")
        strips = 1
    name, strips, taken = choose_engine(engine, models, scan, strips, chains, tolerance, fields, rule == "spiking")
    if rule not in ENGINES[name].rules:
        raise ValueError(f"rule is {rule!r}: engine {name!r} has {', '.join(map(repr, ENGINES[name].rules))}")
    return Setting(models, taken, name, rule, scan, strips, clamp, threads, refractory)


def require_ising(models: Sequence[ModelLike]) -> None:
    """TypeError unless all of several models are Ising models."""
    for k, one in enumerate(models):
        if not isinstance(one, Ising):
            raise TypeError(
                f"model[{k}] is {checks.shown(one)}: give several models as Ising models, "
                "[fastgibbs.as_model(one).to_ising() for one in model]"
            )


def check_rule(rule: str, refractory: int | None = None) -> None:
    """ValueError unless it is a rule of every verb, or of neurons that are `refractory` after a spike."""
    if rule == "spiking" and refractory is None:
        raise ValueError("rule is 'spiking': only `sample` of one model has neurons that spike, give another rule")
    checks.choice("rule", rule, contract.USUAL_RULES if refractory is None else contract.RULES)


def tolerable(betas: ArrayLike, change: float = LAW) -> float:
    """By how much a local field may be wrong at all `betas`: 2 beta times as much changes the log odds of a spin.

    Not at all at beta = inf, where its sign is all that counts.
    """
    largest = checks.largest(betas)
    return change / 2 / largest if largest > 0 else np.inf


def choose_engine(
    engine: str,
    models: list[ModelLike],
    scan: str,
    strips: int | None,
    chains: int,
    tolerance: float = np.inf,
    fields: FloatArray | None = None,
    spikes: bool = False,
) -> tuple[str, int, list[Any]]:
    """The engine's name, the number of strips, and the models as the engine takes them: as they are, or Ising models.

    `tolerance`: by how much local fields may be wrong; `fields`: those beside the models' own; `spikes`: whether it
    must have the rule "spiking".

    ValueError says why none, or not this one, can run the models.
    """
    if strips is not None:
        strips = checks.integer("strips", strips)
        if strips not in STRIPS:
            raise ValueError(f"strips is {strips}: give one of {', '.join(map(str, STRIPS))}")
    for model in models:
        known = as_energy(model)
        if known.normalized:
            raise ValueError(f"{checks.shown(model)} is drawn from without chains: by fastgibbs.learning.dream")
        require_flips(known)
    refusals: dict[str, str | None] = {}
    taken = {True: models}
    for name in _by_speed(models[0], chains, strips) if engine == "auto" else [engine]:
        native = ENGINES[name].native
        if native not in taken and not all(as_energy(one).has_ising_form for one in models):
            refusals[name] = "the model has no Ising form"
            continue
        if spikes and "spiking" not in ENGINES[name].rules:
            refusals[name] = "it has no neurons that spike"
            continue
        if native not in taken:
            taken[native] = [one.to_ising() for one in models]
        why = None if fields is None else _refusal_of_fields(ENGINES[name], models, fields, tolerance)
        refusals[name] = why or _refusal(name, taken[native], scan, strips or 1, tolerance)
        if refusals[name] is None:
            return name, ENGINES[name].strips(taken[native], chains) if strips is None else strips, taken[native]
    reasons = "; ".join(f"engine {name!r} cannot run this: {why}" for name, why in refusals.items())
    if engine != "auto":
        with suppress(ValueError):
            able, *_ = choose_engine("auto", models, scan, strips, chains, tolerance, fields, spikes)
            reasons += f"; engine {able!r} can"
    raise ValueError(reasons)


def _refusal(name: str, models: list[Any], scan: str, strips: int, tolerance: float) -> str | None:
    """`Engine.refusal`; that there is none is kept with the model, that there is one may be for want of memory."""
    if len(models) > 1:
        return ENGINES[name].refusal(models, scan, strips, tolerance)

    def ask(model: Any) -> str | None:
        return ENGINES[name].refusal([model], scan, strips, tolerance)

    key = ENGINES[name], scan, strips, tolerance
    return kept(models[0], f"refusal of {name}", key, ask) and ask(models[0])


def _refusal_of_fields(engine: Engine, models: list[ModelLike], fields: FloatArray, tolerance: float) -> str | None:
    """Why an engine cannot run models in these fields beside their own, or None if it can."""
    if not engine.field_bits:
        return "it takes no field beside the model's"
    reasons = (precision.refusal_of_fields(as_energy(one), fields, engine.field_bits, tolerance) for one in models)
    return next((why for why in reasons if why), None)


def _by_speed(model: ModelLike, chains: int, strips: int | None) -> list[str]:
    """The engines that "auto" tries, best first."""
    slow = {name for name, one in ENGINES.items() if not one.pays(model, chains, strips)}
    return sorted(ENGINES, key=slow.__contains__)


def check_betas(name: str, betas: FloatArray, models: Sequence[ModelLike], fields: FloatArray | None = None) -> None:
    """ValueError if beta times what a flip costs, 2 (|h_i| + sum_j |J_ij| + |b|), might overflow at any finite beta.

    Or where worldlines have no law: below 0, and at beta = inf.
    """
    largest, beside = checks.largest(betas[betas < np.inf]), 0.0 if fields is None else checks.largest(fields)
    for model in models:
        bound = (as_energy(model).field_bound or 0.0) + beside
        checks.require_range(8 * largest * bound, f"{name} times the cost of a flip")
        if as_energy(model).by_worldlines and (bad := (betas < 0) | (betas == np.inf)).any():
            raise ValueError(f"{name} is {betas.flat[bad.argmax()]:g}: worldlines have a law at finite betas from 0 on")


def given_start(model: ModelLike, start: ArrayLike | None, chains: int) -> States | None:
    """Spins to start from, int8 (chains, n), or None for random ones."""
    if start is None:
        return None
    if isinstance(start, Result):
        raise TypeError(f"start is a {type(start).__name__}: give states, as in start=result.states")
    try:
        spins = model.to_spins(start)
    except (TypeError, ValueError) as error:
        raise type(error)(f"start: {error}") from None
    if spins.shape not in ((model.n,), (chains, model.n)):
        raise ValueError(f"start has shape {spins.shape}: give ({model.n},) or (chains, n) = ({chains}, {model.n})")
    return np.broadcast_to(spins, (chains, model.n))


def clamped(model: ModelLike, clamp: Clamping | None, chains: int | None) -> Clamp | None:
    """`clamp` in either of its forms as a `Clamp`, or None if nothing is clamped.

    A dict of site -> value in the model's units, one for all chains or (chains,); or a pair of a mask, bool (n,), and
    states (n,) or (chains, n), of which the sites of the mask are read. `chains` None if values cannot differ.
    """
    if clamp is None:
        return None
    low = int(model.from_spins(-np.ones(model.n, np.int8)).min(initial=1))
    match clamp:
        case dict():
            sites, values = _listed(clamp, chains, model.n, low)
        case (mask, states) if isinstance(clamp, tuple):
            sites, values = _masked(mask, states, chains, model.n, low)
        case _:
            raise TypeError(
                f"clamp is a {type(clamp).__name__}: give a dict of site indices to values, or a pair (mask, states)"
            )
    if not sites.size:
        return None
    return Clamp(sites, np.where(values == 1, 1, -1).astype(np.int8), np.setdiff1d(np.arange(model.n), sites))


def _listed(clamp: dict[Any, Any], chains: int | None, n: int, low: int) -> tuple[IntArray, AnyArray]:
    """The sites of a dict, ascending, and their values (k, 1) or (k, chains)."""
    given = {}
    for site, value in clamp.items():
        site = checks.integer("clamp: a site", site, minimum=0)
        if site >= n:
            raise ValueError(f"clamp has the site {site}: give site indices from 0 to {n - 1}")
        values = checks.finite_array(f"clamp[{site}]", value)
        if values.shape not in ((), (chains,)):
            several = "" if chains is None else f", or one for each of {chains} chains"
            raise ValueError(f"clamp[{site}] has shape {values.shape}: give one value{several}")
        if (bad := (values != low) & (values != 1)).any():
            raise ValueError(f"clamp[{site}] is {values.flat[bad.argmax()]:g}: give {low} or 1")
        given[site] = values
    sites = np.array(sorted(given), np.int64)
    shape = np.broadcast_shapes((1,), *(values.shape for values in given.values()))
    return sites, np.array([np.broadcast_to(given[site], shape) for site in sites.tolist()])


def _masked(mask: ArrayLike, states: ArrayLike, chains: int | None, n: int, low: int) -> tuple[IntArray, AnyArray]:
    """The sites of a mask, ascending, and their values (k, 1) or (k, chains)."""
    mask, states = checks.mask("clamp: the mask", mask, n), checks.real_array("clamp: states", states)
    if states.shape not in ((n,), (chains, n)):
        several = "" if chains is None else f" or (chains, n) = ({chains}, {n})"
        raise ValueError(f"clamp: states have shape {states.shape}: give ({n},){several}")
    sites = np.flatnonzero(mask)
    values = states[..., sites]
    if (bad := (values != low) & (values != 1)).any():
        *chain, number = np.unravel_index(bad.argmax(), bad.shape)
        place = ", ".join(map(str, (*chain, sites[number])))
        raise ValueError(f"clamp: states[{place}] is {values[(*chain, number)]:g}: give {low} or 1")
    return sites, np.atleast_2d(values).T


def numbered(columns: range, count: int) -> IntArray:
    """The chain of each column of a block, int64 (columns,), NOBODY beyond the last of `count`."""
    chains = np.arange(columns.start, columns.stop)
    chains[chains >= count] = NOBODY
    return chains


def first_ups(
    seed: int, spins: States | None, chains: IntArray, n: int, strips: int = 1, clamp: Clamp | None = None
) -> Iterator[tuple[int, AnyArray]]:
    """Which spins of a block's lanes are up at first: yields (first site, uint8 (lanes, sites)), part by part.

    `chains`: of each column of `strips` lanes, int64 (columns,), NOBODY where it is asked for by none: it starts up,
    and is left out after the last of the others. These start at `spins`, int8 (chains that are asked for, n), or at
    random, but for the sites that are clamped, of a block without strips.
    """
    chains = chains[: np.flatnonzero(chains != NOBODY).max(initial=-1) + 1]
    asked, sites = chains != NOBODY, n // strips
    if spins is None:
        words = np.full((chains.size, -(-n // 64)), ~np.uint64(0))
        words[asked] = random_ups(seed, chains[asked], n)
    step = max(1, _PART // max(1, chains.size * strips))
    for first in range(0, sites, step):
        last = min(first + step, sites)
        of_strips = np.ones((chains.size, strips, last - first), np.uint8)
        if spins is None:
            unpack_ups(words, (first, sites), of_strips)
        else:
            of_strips[asked] = spins.reshape(-1, strips, sites)[..., first:last] > 0
        ups = of_strips.reshape(-1, last - first)
        if clamp is not None:
            inside = (clamp.sites >= first) & (clamp.sites < last)
            columns = np.maximum(chains, 0) if clamp.spins.shape[1] > 1 else np.zeros_like(chains)
            ups[:, clamp.sites[inside] - first] = clamp.spins[inside][:, columns].T > 0
        yield first, ups
