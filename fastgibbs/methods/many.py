"""`anneal` of a sequence of Ising models: all laid end to end, and annealed one after the other by the sparse engine.

A model takes as long as its sweeps, and no longer: what a run does besides is done for all at once, or in kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, contract, many
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.descents import RowTerms
from fastgibbs.engines.drivers import Moves
from fastgibbs.engines.sparse import BITS
from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods.descent import costs_of_rows, quenched_rows
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.running import Advanced, Run, running
from fastgibbs.methods.schedules import COLD, HOT, asked_for, felt
from fastgibbs.methods.settings import DESCENT, tolerable
from fastgibbs.models import Ising, checks
from fastgibbs.models.ising import MAX_SITES
from fastgibbs.results.annealed import AnnealResult
from fastgibbs.results.base import Timing
from fastgibbs.results.lanes import distinct
from fastgibbs.types import FloatArray, IntArray, Progress, Rule, Scan, Seed, States

_PARTS = 8  # blocks of a thread: models differ in size


class Block(NamedTuple):
    """Models that one thread anneals."""

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
    if not given:
        raise TypeError(f"model is {given}: give a model, or a sequence of them")
    for name, value in without.items():
        if value is not None:
            raise ValueError(f"{name} is {checks.shown(value)}: runs of several models go without, leave {name} out")
    for k, one in enumerate(given):
        if not isinstance(one, Ising):
            checks.model("model", one, f" at index {k}")
            raise TypeError(f"model[{k}] is {checks.shown(one)}: give several models as Ising models, its to_ising()")
    if (sites := sum(one.n for one in given)) > MAX_SITES:
        raise ValueError(f"model has {sites} sites in all: site indices are 32-bit, give at most {MAX_SITES} at once")
    return list(given)


def annealed(
    models: list[Ising],
    given: tuple[FloatArray, float] | None,
    sweeps: int,
    reads: int,
    *,
    rule: Rule,
    scan: Scan,
    engine: str,
    seed: Seed,
    threads: int | None,
    progress: Progress,
    began: float,
) -> list[AnnealResult]:
    """A result for each model; `given`: betas of all models and the coldest that counts, or None for those of each."""
    checks.choice("rule", rule, contract.RULES)
    checks.choice("scan", scan, contract.SCANS)
    checks.choice("engine", engine, ("auto", "sparse"))
    threads, sites = checks.thread_count(threads), sum(model.n for model in models)
    needed = (12 * (reads + 15) + 400) * sites + (reads + 50) * sweeps * len(models)  # 400 in the descent
    checks.require_memory(needed, f"{reads} reads of {len(models)} models", "anneal fewer at once")
    entropy = entropy_of(seed)
    rows = many.rows(models)
    plans = many.plans(models, rows)
    betas, coldest = _betas(rows, plans.starts, sweeps) if given is None else _alike(len(models), *given)
    _refuse(models, plans, coldest)
    seeds = [run_entropy(entropy, f"anneal model {k}") for k in range(len(models))]
    moves = Moves(contract.RULES[rule], contract.SCANS[scan])
    with np.errstate(over="ignore"):  # beta may be as large as it likes on the way to inf
        runs = many.runs(plans, moves, reads, betas, [run_entropy(one, "anneal") for one in seeds])
    with running(progress) as run:
        end, done = _advance(run, rows, plans, runs, threads)
        last, best = (spins[:, :reads].T.astype(np.int8, order="C") for spins in (runs.spins, runs.kept))
        ends = Ends(*_minima(rows, plans, best, threads), last, done)
        timing = Timing.of(end, int((done * np.diff(plans.starts)).sum()) * reads, began)
        return _results(models, runs, betas, seeds, ends, timing, dict(engine="sparse", rule=rule, scan=scan))


def _betas(rows: RowTerms, starts: IntArray, sweeps: int) -> tuple[FloatArray, FloatArray]:
    """The default schedules, float64 (models, sweeps), and the coldest beta of each at which draws must be right."""
    costs = np.split(costs_of_rows(rows, starts), starts[1:-1])
    of_each = [asked_for(sweeps, *felt(HOT, COLD, own)) for own in costs]
    return np.array([betas for betas, _ in of_each]), np.array([coldest for _, coldest in of_each])


def _alike(models: int, betas: FloatArray, coldest: float) -> tuple[FloatArray, FloatArray]:
    return np.tile(betas, (models, 1)), np.full(models, coldest)


def _refuse(models: list[Ising], plans: many.Plans, coldest: FloatArray) -> None:
    """ValueError at a model that the engine refuses."""
    sizes = np.array([model.degree for model in models]) + 1.0
    for k in np.flatnonzero(2 * plans.units * sizes * coldest > 2.0**BITS).tolist():  # it may
        if why := ENGINES["sparse"].refusal([models[k]], "sequential", 1, tolerable(coldest[k], DESCENT)):
            raise ValueError(f"model[{k}]: engine 'sparse', which runs several models, cannot run this: {why}")


def _advance(run: Run, rows: RowTerms, plans: many.Plans, runs: many.Runs, threads: int) -> tuple[Advanced, IntArray]:
    """Anneal all models, unless the run is stopped; the sweeps that each has made."""
    models, sweeps = runs.scales.shape
    size = -(-models // min(models, 1 if threads == 1 else _PARTS * threads))
    cut = [range(first, min(first + size, models)) for first in range(0, models, size)]
    blocks = [Block(of_block, many.desk(runs)) for of_block in cut]

    def advance(block: Block, first: int, last: int, crew: Crew) -> None:
        if first == last:
            _minima(rows, plans, np.ones((1, rows.fields.size), np.int8), 1)
        begin, end = block.models.start * sweeps, block.models.stop * sweeps
        many.anneal(plans, runs, block.desk, min(begin + first, end), min(begin + last, end), crew)

    def report(done: int, total: int) -> object:
        return run.report(done * models // size, models * sweeps)

    ended = run._replace(report=report).advance(advance, blocks, [0] * len(blocks), size * sweeps, threads)
    done = [np.arange(len(of_block)) * -sweeps + past for of_block, past in zip(cut, ended.done, strict=True)]
    return ended, np.concatenate(done).clip(0, sweeps)


def _minima(rows: RowTerms, plans: many.Plans, states: States, threads: int) -> tuple[States, FloatArray]:
    """What is left of states (reads, sites) of all models when they descend, and energies, float64 (models, reads)."""
    found, energies = quenched_rows(rows, plans.starts, states, threads), np.empty((plans.units.size, len(states)))
    many.energies(plans, found, energies)
    return found, energies


def _results(
    models: list[Ising],
    runs: many.Runs,
    betas: FloatArray,
    seeds: list[int],
    ends: Ends,
    timing: Timing,
    settings: dict[str, Any],
) -> list[AnnealResult]:
    """One for each model."""
    reads, sweeps, results, first = runs.count, runs.sweeps, [], 0
    orders = np.argsort(ends.energies, axis=1, kind="stable")
    energies = np.take_along_axis(ends.energies, orders, axis=1)
    trace_min, trace_mean = runs.lowest.min(axis=2), np.add.accumulate(runs.sums, axis=2)[:, :, -1] / reads
    for k, (model, done) in enumerate(zip(models, ends.done.tolist(), strict=True)):
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
            seed=seeds[k],
            timing=timing,
            interrupted=done != sweeps,
            **settings,
        )
        results.append(result)
    return results
