"""A run of any engine by its contract alone: blocks of chains, advanced by threads and crews."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastgibbs.engines.carrying import carry
from fastgibbs.engines.contract import GIBBS, RULES, SCANS, SEQUENTIAL, Crew
from fastgibbs.engines.drivers import Moves, advance, record, times
from fastgibbs.engines.vectors import LANE_GROUP
from fastgibbs.results.lanes import unpacked
from fastgibbs.types import AnyArray, ArrayLike, Engine, FloatArray, IntArray, States

T = TypeVar("T")
OF_RULE: dict[str, dict[str, Any]] = {"spiking": {"refractory": 3}}  # what blocks and twins start with, besides


class Draws(NamedTuple):
    """The states of some chains after every thin-th sweep, and what was recorded."""

    spins: States  # int8 (draws, chains, n)
    energies: FloatArray  # float64 (draws, chains)
    magnetizations: FloatArray  # float64 (draws, chains), sums of spins

    def of(self, chains: int) -> Draws:
        """Those of the first chains."""
        return Draws(self.spins[:, :chains], self.energies[:, :chains], self.magnetizations[:, :chains])


def run(
    engine: Engine,
    model: Any,
    spins: States,
    betas: FloatArray,
    sweeps: int,
    *,
    thin: int = 1,
    rule: str = "gibbs",
    scan: str = "sequential",
    seed: int = 1,
    free: ArrayLike | None = None,
    threads: int = 1,
    workers: int = 1,
) -> Draws:
    """Advance chains from `spins`, int8 (chains, n), at `betas`, float64 (chains,), and record every thin-th sweep.

    `free`: the sites that sweeps visit, all by default; `workers`: that each block is advanced by together, of engines
    that can.
    """
    prepared, rungs = engine.prepare([model], 1, free), np.unique(betas)

    def advanced(lanes: range) -> Draws:
        plan, state, count = _started(engine, prepared, lanes, spins, rungs, rule, seed)
        of_lanes = np.zeros((1, len(lanes)), np.int64)
        of_lanes[0, :count] = np.searchsorted(rungs, betas[lanes.start : lanes.start + count])
        crew = min(workers, engine.crew(plan))
        moves = Moves(RULES[rule], SCANS[scan])
        return _recorded(plan, state, of_lanes, model.n, moves, sweeps, thin, crew).of(count)

    blocks = _together(advanced, engine.cut(len(spins), threads), threads)
    return Draws(*(np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True)))


def carried(engine: Engine, model: Any, spins: States, others: States, betas: FloatArray) -> str | None:
    """What is wrong with states carried from one block into another, from which both go on, or None."""
    prepared = engine.prepare([model], 1)
    for lanes in engine.cut(len(spins), 1):
        (plan, state, _), (_, other, _), (_, third, _) = (
            _started(engine, prepared, lanes, start, np.unique(betas), "gibbs", 1) for start in (spins, others, others)
        )
        before, after = engine.spins(plan, state).copy(), engine.spins(plan, other).copy()
        words = np.empty((model.n, len(lanes) // LANE_GROUP), np.uint16)
        better = np.random.default_rng(2).integers(0, 2, len(lanes)).astype(np.uint8)
        carry(plan, state, words, other, third.spins, better)
        if not np.array_equal(_unpacked(words[None])[0].T, before):
            return "`snapshot` writes other spins than the block's"
        if not np.array_equal(engine.spins(plan, other), before):
            return "`restore` sets other spins than `snapshot` wrote"
        if not np.array_equal(engine.spins(plan, third), np.where(better, before, after)):
            return "`retain` keeps other spins than those of the lanes that are better"
        rungs = np.zeros((1, len(lanes)), np.int64)
        ends = [_recorded(plan, block, rungs, model.n, Moves(GIBBS, SEQUENTIAL), 1) for block in (state, other)]
        if not all(np.array_equal(*pair) for pair in zip(*ends, strict=True)):
            return "a block goes on from restored spins otherwise than from its own"
    return None


def _started(
    engine: Engine, prepared: Any, lanes: range, spins: States, rungs: FloatArray, rule: str, seed: int
) -> tuple[Any, Any, int]:
    """Plan and state of a block, and how many of its lanes are chains; others start up."""
    of_lanes = spins[lanes.start : lanes.stop]
    ups = np.ones((len(lanes), spins.shape[1]), np.uint8)
    ups[: len(of_lanes)] = of_lanes > 0
    more = OF_RULE.get(rule, {})
    return *engine.start(prepared, lanes, [(0, ups)], seed, rungs, RULES[rule], **more), len(of_lanes)


def _recorded(
    plan: Any, state: Any, rungs: IntArray, n: int, moves: Moves, sweeps: int, thin: int = 1, workers: int = 1
) -> Draws:
    """Advance a block by a crew of so many, and record every thin-th sweep of all lanes, at `rungs`, (1, lanes)."""
    lanes, gate = rungs.shape[1], np.zeros(1, np.uint64)
    draws = record(times(0, thin), (sweeps // thin, lanes), np.empty((0, n)), lanes, keeps=True)

    def work(worker: int) -> None:
        crew = Crew(worker, workers, gate, 0)
        advance(plan, state, rungs, moves, draws, 0, sweeps, crew)

    _together(work, range(workers), workers)
    return Draws(_unpacked(draws.samples), draws.energies, draws.magnetizations)


def _together(work: Callable[[Any], T], tasks: Iterable[Any], threads: int) -> list[T]:
    """The results of `work` on each task, on so many threads."""
    if threads == 1:
        return [work(task) for task in tasks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, tasks))


def _unpacked(words: AnyArray) -> States:
    """Spins int8 (draws, lanes, n) of what `snapshot` wrote, uint16 (draws, n, lanes // 16)."""
    draws, n, groups = words.shape
    return unpacked([words], LANE_GROUP * groups).reshape(-1, draws, n).swapaxes(0, 1)
