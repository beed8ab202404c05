"""A run of any engine by its contract alone: blocks of chains, advanced by threads and crews."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fastgibbs.engines.carrying import carry
from fastgibbs.engines.contract import GIBBS, LANE_GROUP, RULES, SCANS, SEQUENTIAL, Crew
from fastgibbs.engines.drivers import Moves, advance, record
from fastgibbs.results.lanes import unpacked


class Draws(NamedTuple):
    """The states of some chains after every thin-th sweep, and what was recorded."""

    spins: np.ndarray  # int8 (draws, chains, n)
    energies: np.ndarray  # float64 (draws, chains)
    magnetizations: np.ndarray  # float64 (draws, chains), sums of spins

    def of(self, chains: int) -> "Draws":
        """Those of the first chains."""
        return Draws(*(array[:, :chains] for array in self))


def run(
    engine,
    model,
    spins,
    betas,
    sweeps,
    *,
    thin=1,
    rule="gibbs",
    scan="sequential",
    seed=1,
    free=None,
    threads=1,
    workers=1,
) -> Draws:
    """Advance chains from `spins`, int8 (chains, n), at `betas`, float64 (chains,), and record every thin-th sweep.

    `free`: the sites that sweeps visit, all by default; `workers`: that each block is advanced by together, of engines
    that can.
    """
    prepared, rungs = engine.prepare([model], 1, free), np.unique(betas)

    def advanced(lanes):
        plan, state, count = _started(engine, prepared, lanes, spins, rungs, rule, seed)
        of_lanes = np.zeros(len(lanes), np.int64)
        of_lanes[:count] = np.searchsorted(rungs, betas[lanes.start : lanes.start + count])
        crew = min(workers, engine.crew(plan))
        moves = Moves(RULES[rule], SCANS[scan])
        return _recorded(plan, state, of_lanes, model.n, moves, sweeps, thin, crew).of(count)

    blocks = _together(advanced, engine.cut(len(spins), threads), threads)
    return Draws(*(np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True)))


def carried(engine, model, spins, others, betas) -> str | None:
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
        rungs = np.zeros(len(lanes), np.int64)
        ends = [_recorded(plan, block, rungs, model.n, Moves(GIBBS, SEQUENTIAL), 1) for block in (state, other)]
        if not all(np.array_equal(*pair) for pair in zip(*ends, strict=True)):
            return "a block goes on from restored spins otherwise than from its own"
    return None


def _started(engine, prepared, lanes, spins, rungs, rule, seed):
    """Plan and state of a block, and how many of its lanes are chains; others start up."""
    of_lanes = spins[lanes.start : lanes.stop]
    ups = np.ones((len(lanes), spins.shape[1]), np.uint8)
    ups[: len(of_lanes)] = of_lanes > 0
    return *engine.start(prepared, lanes, [(0, ups)], seed, rungs, RULES[rule]), len(of_lanes)


def _recorded(plan, state, rungs, n, moves, sweeps, thin=1, workers=1) -> Draws:
    """Advance a block by a crew of so many, and record every thin-th sweep of all lanes, each at its rung."""
    lanes, gate = rungs.size, np.zeros(1, np.uint64)
    draws = record(0, thin, (sweeps // thin, lanes), np.empty((0, n)), lanes, keeps=True)

    def work(worker):
        crew = Crew(worker, workers, gate, 0)
        advance(plan, state, rungs, moves, draws, 0, sweeps, crew)

    _together(work, range(workers), workers)
    return Draws(_unpacked(draws.samples), draws.energies, draws.magnetizations)


def _together(work, tasks, threads) -> list:
    """The results of `work` on each task, on so many threads."""
    if threads == 1:
        return [work(task) for task in tasks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, tasks))


def _unpacked(words) -> np.ndarray:
    """Spins int8 (draws, lanes, n) of what `snapshot` wrote, uint16 (draws, n, lanes // 16)."""
    draws, n, groups = words.shape
    return unpacked([words], LANE_GROUP * groups).reshape(-1, draws, n).swapaxes(0, 1)
