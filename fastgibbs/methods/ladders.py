"""Ladders of replicas packed into blocks of lanes, run, and gathered ladder by ladder."""

import time
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import drivers
from fastgibbs.engines.overlaps import Pairs
from fastgibbs.engines.streams import CLUSTER, SWAP, stream_state
from fastgibbs.methods.blocks import first_ups
from fastgibbs.methods.running import ALONE, run_blocks
from fastgibbs.models import Ising

MAX_RUNGS = 256  # two ladders are compared in one block of 512 lanes
BINS = 1001  # of the histograms of q, where there are more sites


class Setting(NamedTuple):
    """What is the same in every round of a run; ladder g belongs to model g // ladders."""

    models: list
    engine: object
    ladders: int
    rule: int
    swap_every: int
    overlap_every: int
    clusters: bool
    threads: int


class Block(NamedTuple):
    """Ladders that are advanced together, with room for what they record."""

    plan: tuple
    state: tuple
    ladders: drivers.Ladders
    pairs: Pairs
    energies: np.ndarray  # float64 (draws, ladders * rungs)
    magnetizations: np.ndarray  # float64 (draws, ladders * rungs)


class Run(NamedTuple):
    """Blocks that have been run; arrays are gathered in the order of the ladders."""

    setting: Setting
    blocks: list[Block]
    draws: int
    updates: int
    compiling: float
    seconds: float
    interrupted: bool

    def of_ladders(self, name: str) -> np.ndarray:
        """An array of `drivers.Ladders`, (ladders, ...)."""
        return np.concatenate([getattr(block.ladders, name) for block in self.blocks])

    def of_pairs(self, name: str) -> np.ndarray:
        """An array of `Pairs`, (pairs, ...)."""
        return np.concatenate([getattr(block.pairs, name) for block in self.blocks])

    def record(self, name: str) -> np.ndarray:
        """Energies or magnetisations, float64 (ladders, rungs, draws)."""
        parts = []
        for block in self.blocks:
            shape = len(block.ladders.lane_at), block.ladders.betas.size, self.draws
            parts.append(getattr(block, name)[: self.draws].T.reshape(shape))
        return np.concatenate(parts)

    def spins(self) -> np.ndarray:
        """The spins at every rung now, int8 (ladders, rungs, n)."""
        lanes = [self.setting.engine.spins(block.plan, block.state) for block in self.blocks]
        return np.concatenate([spins.T[block.ladders.lane_at] for block, spins in zip(self.blocks, lanes, strict=True)])


def run_ladders(setting: Setting, betas, sweeps: int, burn_in: int, thin: int, entropy, starts, report) -> Run:
    """Start every ladder with replica r at rung r, at random or at `starts` int8 (ladders, rungs, n), and run it."""
    count, rungs = len(setting.models) * setting.ladders, betas.size
    words, per_unit = packing(rungs)
    stride = setting.ladders + setting.ladders % 2 if setting.ladders > 1 else 1  # pairs lie side by side
    slots = np.arange(count) // setting.ladders * stride + np.arange(count) % setting.ladders
    first_lanes = slots // per_unit * 64 * words + slots % per_unit * rungs
    models = [setting.models[0]] * int(first_lanes[-1] + rungs) if len(setting.models) > 1 else setting.models
    for ladder, lane in enumerate(first_lanes if len(setting.models) > 1 else []):
        models[lane : lane + rungs] = [setting.models[ladder // setting.ladders]] * rungs
    prepared = setting.engine.prepare(models, 1)
    blocks = []
    for lanes in setting.engine.cut(int(first_lanes[-1]) + rungs, setting.threads, 64 * words):
        inside = np.flatnonzero((first_lanes >= lanes.start) & (first_lanes < lanes.stop))
        blocks.append(
            _block(setting, prepared, lanes, inside, first_lanes[inside], betas, sweeps, burn_in, thin, entropy, starts)
        )

    def advance(block, first, last, crew):
        drivers.temper(
            block.plan,
            block.state,
            block.ladders,
            block.pairs,
            setting.rule,
            first,
            last,
            block.energies,
            block.magnetizations,
            crew,
        )

    compiling = time.perf_counter()
    advance(blocks[0], 0, 0, ALONE)
    running = time.perf_counter()
    done, interrupted = run_blocks(advance, blocks, burn_in + sweeps, setting.threads, 1, report)
    seconds = time.perf_counter() - running
    updates = sum(len(b.ladders.lane_at) * k for b, k in zip(blocks, done, strict=True)) * rungs * setting.models[0].n
    draws = max(min(done) - burn_in, 0) // thin
    return Run(setting, blocks, draws, updates, running - compiling, seconds, interrupted)


def packing(rungs: int) -> tuple[int, int]:
    """How many words hold how many ladders, an even number: the fewest words of which nine tenths are used.

    If none is used so well, those used best. This depends on nothing but the rungs, so that a ladder has the same lanes
    and with them the same random numbers in every run.
    """
    ladders = {words: 64 * words // (2 * rungs) * 2 for words in (1, 2, 4, 8)}
    used = {words: ladders[words] * rungs / (64 * words) for words in ladders}
    best = next((words for words in used if used[words] >= 0.9), max(used, key=used.get))
    return best, ladders[best]


def _block(
    setting, prepared, lanes: range, inside, first_lanes, betas, sweeps, burn_in, thin, entropy, starts
) -> Block:
    """The block of these lanes, with ladders number `inside` at `first_lanes`; other lanes are idle at rung 0."""
    model, rungs, first_lane = setting.models[0], betas.size, first_lanes - lanes.start
    lane_at = first_lane[:, None] + np.arange(rungs)
    of_lanes = np.zeros(len(lanes), np.int64)
    of_lanes[lane_at] = np.arange(rungs)
    chains = [None] * len(lanes)
    for lane in lane_at.ravel():
        chains[lane] = lanes.start + int(lane)
    spins = None
    if starts is not None:
        spins = dict(zip((lane_at + lanes.start).ravel().tolist(), starts[inside].reshape(-1, model.n), strict=True))
    plan, state = setting.engine.start(
        prepared, lanes, first_ups(entropy, spins, chains, model.n), entropy, betas, setting.rule
    )
    shape = (len(inside), rungs)
    ladders = drivers.Ladders(
        betas=betas,
        burn_in=burn_in,
        thin=thin,
        swap_every=setting.swap_every,
        overlap_every=setting.overlap_every,
        first_lane=first_lane,
        rungs=of_lanes,
        lane_at=lane_at,
        streams=np.array([stream_state(entropy, SWAP, int(ladder)) for ladder in inside]),
        energies=np.empty(len(lanes)),
        magnetizations=np.empty(len(lanes)),
        acceptance=np.zeros((len(inside), rungs - 1)),
        attempts=np.zeros((len(inside), rungs - 1), np.int64),
        labels=np.zeros(shape, np.int8),
        restarts=np.zeros(shape, np.int64),
        round_trips=np.zeros(shape, np.int64),
        visits=np.zeros((2, *shape), np.int64),
    )
    draws = sweeps // thin
    record = np.empty((draws, len(inside) * rungs)), np.empty((draws, len(inside) * rungs))
    return Block(plan, state, ladders, _pairs(setting, inside, rungs, len(lanes), entropy), *record)


def _pairs(setting, inside, rungs: int, lanes: int, entropy) -> Pairs:
    """The pairs of ladders of one model, 0 and 1, 2 and 3 ..., that are compared."""
    number = inside % setting.ladders
    first = np.flatnonzero((number % 2 == 0) & (number + 1 < setting.ladders))
    if not setting.overlap_every and not setting.clusters:
        first = first[:0]
    index = inside[first] // setting.ladders * (setting.ladders // 2) + number[first] // 2
    model = setting.models[0].to_ising() if first.size else Ising(np.zeros((0, 0)))
    i, j, _ = model.bonds
    width = 2 ** (-(-lanes // 64) - 1).bit_length()  # words are compared eight at a time
    words = np.zeros((model.n, width), np.uint64)
    bins = min(setting.models[0].n + 1, BINS) if setting.overlap_every else 1
    streams = [stream_state(entropy, CLUSTER, int(pair)) for pair in index]
    return Pairs(
        ladders=np.column_stack([first, first + 1]),
        bonds=np.stack([i, j]),
        indptr=model.indptr,
        indices=model.indices,
        symmetric=model.field == 0,
        clusters=setting.clusters and first.size > 0,
        streams=np.array(streams, np.uint64).reshape(-1, 4),
        packed=words.view(np.uint16)[:, : lanes // 16],
        words=words,
        rows=np.zeros(512, np.uint64),
        unequal=np.zeros((2, len(first), rungs), np.int64),
        queue=np.zeros(len(words), np.int32),
        histogram=np.zeros((len(first), rungs, bins), np.int64),
        moments=np.zeros((len(first), rungs, 6)),
    )
