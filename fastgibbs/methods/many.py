"""`sample` and `anneal` of a sequence of Ising models: all laid end to end, and run one after the other, by one engine.

A model takes as long as its sweeps, and no longer: what a run does besides is done for all at once, or in kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, contract, many
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.descents import RowTerms
from fastgibbs.engines.drivers import Moves
from fastgibbs.engines.sparse import BITS
from fastgibbs.engines.streams import entropy_of
from fastgibbs.io.problems import problems
from fastgibbs.methods.descent import costs_of_rows, quenched_rows, units_of
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.jobs import Length
from fastgibbs.methods.running import Advanced, Run, running
from fastgibbs.methods.schedules import COLD, HOT, asked_for, felt
from fastgibbs.methods.settings import DESCENT, LAW, check_rule, first_ups, require_ising, tolerable
from fastgibbs.models import Ising, checks
from fastgibbs.models.csr import MAX_SITES
from fastgibbs.results.annealed import AnnealResult
from fastgibbs.results.base import Timing
from fastgibbs.results.lanes import distinct
from fastgibbs.results.sampled import SampleResult
from fastgibbs.types import ChainRule, FloatArray, IntArray, ModelLike, Progress, Scan, Seed, States

_PARTS = 8  # blocks of a thread: models differ in size
_ENGINES = "auto", "sparse"


class Block(NamedTuple):
    """Models that one thread runs."""

    models: range
    desk: many.Desk


class Ends(NamedTuple):
    """What the reads of all models have come to, and when."""

    states: States  # int8 (reads, sites)
    energies: FloatArray  # float64 (models, reads)
    last_states: States
    done: IntArray  # int64 (models,): sweeps


def of_several(given: Sequence[Any], without: dict[str, object]) -> list[Ising]:
    """The models that were given; TypeError unless they are Ising models, ValueError at arguments that are set."""
    for name, value in without.items():
        if value is not None:
            raise ValueError(f"{name} is {checks.shown(value)}: runs of several models go without, leave {name} out")
    models: list[Any] = problems("model", given)
    require_ising(models)
    if (sites := sum(one.n for one in models)) > MAX_SITES:
        raise ValueError(f"model has {sites} sites in all: site indices are 32-bit, give at most {MAX_SITES} at once")
    return models


def apart(models: Sequence[ModelLike], engine: str) -> bool:
    """Whether each of several models has chains of its own: they are more than signs of couplings apart.

    Ising models that differ in these alone share the words of the multi-spin engine, if they have +-J at few
    neighbours.
    """
    if len(models) == 1 or engine not in _ENGINES or not all(isinstance(one, Ising) for one in models):
        return False
    return ENGINES["multispin"].refusal(list(models), "sequential", 1) is not None


class How(NamedTuple):
    """How several models are run, as a user asks for it, and when the call began."""

    rule: ChainRule
    scan: Scan
    engine: str
    seed: Seed
    threads: int | None
    progress: Progress
    began: float


class Laid(NamedTuple):
    """Several models end to end, and how they are run."""

    models: list[Ising]
    rows: RowTerms
    plans: many.Plans
    seeds: list[int]  # of each run
    moves: Moves
    settings: dict[str, Any]  # as results have them

    @classmethod
    def of(cls, models: list[Ising], verb: str, how: How) -> Laid:
        """What a user asks for; ValueError or TypeError, naming the argument, at what cannot be."""
        rule, scan = how.rule, how.scan
        check_rule(rule)
        checks.choice("scan", scan, contract.SCANS)
        checks.choice("engine", how.engine, _ENGINES)
        entropy, rows = entropy_of(how.seed), many.rows(models)
        seeds = [run_entropy(entropy, f"{verb} model {k}") for k in range(len(models))]
        moves = Moves(contract.RULES[rule], contract.SCANS[scan])
        settings = dict(engine="sparse", rule=rule, scan=scan, start="random")
        return cls(models, rows, many.plans(models, rows), seeds, moves, settings)

    def refuse(self, coldest: FloatArray, change: float) -> None:
        """ValueError at a model that the engine refuses, at the coldest beta of each; `change` as of `tolerable`."""
        sizes = np.array([model.degree for model in self.models]) + 1.0
        for k in np.flatnonzero(4 / change * self.plans.units * sizes * coldest > 2.0**BITS).tolist():  # it may
            if why := ENGINES["sparse"].refusal([self.models[k]], "sequential", 1, tolerable(coldest[k], change)):
                raise ValueError(f"model[{k}]: engine 'sparse', which runs several models, cannot run this: {why}")

    def runs(self, verb: str, count: int, sweeps: int, betas: FloatArray) -> many.Runs:
        """Chains or reads of all; `betas` float64 (models, rungs)."""
        with np.errstate(over="ignore"):  # beta may be as large as it likes on the way to inf
            entropies = [run_entropy(one, verb) for one in self.seeds]
            return many.runs(self.plans, self.moves, count, sweeps, betas, entropies)


def sampled(
    models: list[Ising],
    betas: FloatArray,
    length: Length,
    keep_states: bool,
    how: How,
) -> list[SampleResult]:
    """A result for each model, of chains at `betas`, float64 (chains,)."""
    threads, sites, lanes = checks.thread_count(how.threads), sum(model.n for model in models), betas.size + 15
    needed = (4 * lanes + 100) * sites + 32 * lanes * length.draws * len(models)
    needed += lanes // 8 * length.draws * sites if keep_states else 0
    checks.require_memory(needed, f"{betas.size} chains of {len(models)} models", "sample fewer at once")
    laid = Laid.of(models, "sample", how)
    laid.refuse(np.full(len(models), checks.largest(betas)), LAW)
    rungs, of_chains = np.unique(betas, return_inverse=True)
    runs = laid.runs("sample", betas.size, length.total, np.tile(rungs, (len(models), 1)))
    drawn = many.draws(runs, of_chains, length.times, length.draws, keep_states)

    def advance(block: Block, first: int, last: int, crew: Crew) -> None:
        if first == last:
            _first_states(models[0], 1, 0)
        many.sample(laid.plans, runs, drawn, block.desk, first, last, crew)

    with running(how.progress) as run:
        end, done = _advance(run, advance, runs, threads)
        timing = Timing.of(end, int((done * np.diff(laid.plans.starts)).sum()) * betas.size, how.began)
        return _sampled(laid, runs, drawn, betas, length, done.tolist(), timing)


def annealed(
    models: list[Ising],
    given: tuple[FloatArray, float] | None,
    sweeps: int,
    reads: int,
    how: How,
) -> list[AnnealResult]:
    """A result for each model; `given`: betas of all models and the coldest that counts, or None for those of each."""
    threads, sites = checks.thread_count(how.threads), sum(model.n for model in models)
    needed = (12 * (reads + 15) + 400) * sites + (reads + 50) * sweeps * len(models)  # 400 in the descent
    checks.require_memory(needed, f"{reads} reads of {len(models)} models", "anneal fewer at once")
    laid = Laid.of(models, "anneal", how)
    rows, plans = laid.rows, laid.plans
    betas, coldest = _betas(rows, plans.starts, sweeps) if given is None else _alike(len(models), *given)
    laid.refuse(coldest, DESCENT)
    runs = laid.runs("anneal", reads, sweeps, betas)
    found = many.found(runs)

    def advance(block: Block, first: int, last: int, crew: Crew) -> None:
        if first == last:
            _minima(rows, plans, np.ones((1, rows.fields.size), np.int8), 1)
        many.anneal(plans, runs, found, block.desk, first, last, crew)

    with running(how.progress) as run:
        end, done = _advance(run, advance, runs, threads)
        last, best = (spins[:, :reads].T.astype(np.int8, order="C") for spins in (runs.spins, found.kept))
        ends = Ends(*_minima(rows, plans, best, threads), last, done)
        timing = Timing.of(end, int((done * np.diff(plans.starts)).sum()) * reads, how.began)
        return _annealed(laid, runs, found, betas, ends, timing)


def _betas(rows: RowTerms, starts: IntArray, sweeps: int) -> tuple[FloatArray, FloatArray]:
    """The default schedules, float64 (models, sweeps), and the coldest beta of each at which draws must be right."""
    costs = np.split(costs_of_rows(rows, *units_of(rows), starts), starts[1:-1])
    of_each = [asked_for(sweeps, *felt(HOT, COLD, own)) for own in costs]
    return np.array([betas for betas, _ in of_each]), np.array([coldest for _, coldest in of_each])


def _alike(models: int, betas: FloatArray, coldest: float) -> tuple[FloatArray, FloatArray]:
    return np.tile(betas, (models, 1)), np.full(models, coldest)


def _advance(
    run: Run, advance: Callable[[Block, int, int, Crew], None], runs: many.Runs, threads: int
) -> tuple[Advanced, IntArray]:
    """Run all models, unless the run is stopped; the sweeps that each has made.

    `advance(block, first, last, crew)` runs sweeps `first` ... `last - 1` of all.
    """
    models, sweeps = len(runs.scales), runs.sweeps
    size = -(-models // min(models, 1 if threads == 1 else _PARTS * threads))
    cut = [range(first, min(first + size, models)) for first in range(0, models, size)]
    blocks = [Block(of_block, many.desk(runs)) for of_block in cut]

    def part(block: Block, first: int, last: int, crew: Crew) -> None:
        begin, end = block.models.start * sweeps, block.models.stop * sweeps
        advance(block, min(begin + first, end), min(begin + last, end), crew)

    def report(done: int, total: int) -> object:
        return run.report(done * models // size, models * sweeps)

    ended = run._replace(report=report).advance(part, blocks, [0] * len(blocks), size * sweeps, threads)
    done = [np.arange(len(of_block)) * -sweeps + past for of_block, past in zip(cut, ended.done, strict=True)]
    return ended, np.concatenate(done).clip(0, sweeps)


def _first_states(model: Ising, chains: int, seed: int) -> States:
    """Those that chains of a model start from."""
    parts = [2 * ups.view(np.int8) - 1 for _, ups in first_ups(seed, None, np.arange(chains), model.n)]
    return np.concatenate([np.empty((chains, 0), np.int8), *parts], axis=1)


def _sampled(
    laid: Laid,
    runs: many.Runs,
    drawn: many.Draws,
    betas: FloatArray,
    length: Length,
    done: list[int],
    timing: Timing,
) -> list[SampleResult]:
    """One for each model."""
    chains, rows, results, first = betas.size, length.draws if len(drawn.samples) else 0, [], 0
    states = runs.spins[:, :chains].T.astype(np.int8, order="C")
    for k, model in enumerate(laid.models):
        mine, draws = slice(first, first + model.n), length.rows(done[k])
        words = drawn.samples[rows * first : rows * mine.stop].reshape(rows, model.n, drawn.samples.shape[1])
        energy, magnetization = (of[k, :draws, :chains].T.copy() for of in (drawn.energies, drawn.magnetizations))
        result = SampleResult._without_streams(
            states[:, mine] if done[k] else _first_states(model, chains, laid.seeds[k]),
            words[:draws],
            model=model,
            energy=energy,
            magnetization=magnetization / max(model.n, 1),
            observables={},
            beta=betas.copy(),
            seed=laid.seeds[k],
            strips=1,
            burn_in=length.burn_in,
            thin=length.thin,
            at=length.chosen(draws),
            timing=timing,
            interrupted=done[k] != length.total,
            **laid.settings,
        )
        results.append(result)
        first = mine.stop
    return results


def _minima(rows: RowTerms, plans: many.Plans, states: States, threads: int) -> tuple[States, FloatArray]:
    """What is left of states (reads, sites) of all models when they descend, and energies, float64 (models, reads)."""
    found, energies = quenched_rows(rows, plans.starts, states, threads), np.empty((plans.units.size, len(states)))
    many.energies(plans, found, energies)
    return found, energies


def _annealed(
    laid: Laid, runs: many.Runs, found: many.Found, betas: FloatArray, ends: Ends, timing: Timing
) -> list[AnnealResult]:
    """One for each model."""
    reads, sweeps, results, first = runs.count, runs.sweeps, [], 0
    orders = np.argsort(ends.energies, axis=1, kind="stable")
    energies = np.take_along_axis(ends.energies, orders, axis=1)
    trace_min, trace_mean = found.lowest.min(axis=2), np.add.accumulate(found.sums, axis=2)[:, :, -1] / reads
    for k, (model, done) in enumerate(zip(laid.models, ends.done.tolist(), strict=True)):
        count, mine = reads if done else 0, slice(first, first + model.n)  # a stop may come before it begins
        order, energy, first = orders[k, :count], energies[k, :count], mine.stop
        states = ends.states[order, mine]
        ground = states[: energy.searchsorted(energy[0], "right")] if count else states
        places, _, counts = distinct(ground)
        result = AnnealResult(
            model=model,
            energy=energy,
            states=states,
            read=order,
            last_states=ends.last_states[order, mine],
            ground_states=ground[places],
            ground_counts=counts,
            kept_energy=np.empty(0),
            kept_states=np.empty((0, model.n), np.int8),
            kept_counts=np.empty(0, np.int64),
            trace_min=trace_min[k, :done],
            trace_mean=trace_mean[k, :done],
            betas=betas[k],
            sweeps=np.array([sweeps]),
            done=np.array([done]),
            attempts=reads * model.n * done / max(1, count),
            seed=laid.seeds[k],
            timing=timing,
            interrupted=done != sweeps,
            **laid.settings,
        )
        results.append(result)
    return results
