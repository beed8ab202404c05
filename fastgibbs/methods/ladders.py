"""Ladders of replicas packed into blocks of lanes, run, and gathered ladder by ladder."""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import drivers
from fastgibbs.engines.contract import LANE_GROUP
from fastgibbs.engines.observables import Observables, observables
from fastgibbs.engines.overlaps import Pairs
from fastgibbs.engines.streams import CLUSTER, SWAP, stream_state
from fastgibbs.methods import restoring, running
from fastgibbs.methods.blocks import Clamp, first_ups
from fastgibbs.models import Hopfield, Ising, checks
from fastgibbs.models.bounds import most_energy
from fastgibbs.models.energy import has_ising_form, is_even

MAX_RUNGS = 256  # two ladders are compared in one block of 512 lanes
FIRST_ROUND = 64  # sweeps of the first round of adaptation, doubled from round to round
BINS = 1001  # of the histograms of q, where there are more sites


RECORDS = "energies", "magnetizations", "observables.record", "samples.packed", "samples.lane_at"  # of a block, by draw


class Setting(NamedTuple):
    """What is the same in every round of a run; ladder g belongs to model g // ladders."""

    models: list  # as the engine takes them
    engine: object
    ladders: int
    rule: int
    swap_every: int
    overlap_every: int
    clusters: bool
    threads: int
    weights: np.ndarray | None = None
    """Of linear observables, float64 (observables, n), or None if there are none."""
    keeps: bool = False
    """Whether the states of all draws are kept."""
    clamp: Clamp | None = None

    @property
    def free(self) -> np.ndarray | None:
        """The sites that sweeps visit, or None for all."""
        return None if self.clamp is None else self.clamp.free


class Block(NamedTuple):
    """Ladders that are advanced together, with room for what they record."""

    plan: tuple
    state: tuple
    ladders: drivers.Ladders
    pairs: Pairs
    energies: np.ndarray  # float64 (draws, ladders * rungs)
    magnetizations: np.ndarray  # float64 (draws, ladders * rungs)
    observables: Observables
    samples: drivers.LadderSamples


class Run(NamedTuple):
    """Blocks that have been run; arrays are gathered in the order of the ladders."""

    setting: Setting
    blocks: list[Block]
    draws: int
    updates: int
    end: running.Advanced

    def of_ladders(self, name: str) -> np.ndarray:
        """An array of `drivers.Ladders`, (ladders, ...)."""
        return np.concatenate([getattr(block.ladders, name) for block in self.blocks])

    def of_pairs(self, name: str) -> np.ndarray:
        """An array of `Pairs`, (pairs, ...)."""
        return np.concatenate([getattr(block.pairs, name) for block in self.blocks])

    def record(self, name: str) -> np.ndarray:
        """Energies or magnetisations, float64 (ladders, rungs, draws)."""
        return self._by_ladder([getattr(block, name) for block in self.blocks])

    def observable(self, number: int) -> np.ndarray:
        """A linear observable, float64 (ladders, rungs, draws)."""
        return self._by_ladder([block.observables.record[:, number] for block in self.blocks])

    def _by_ladder(self, records: list) -> np.ndarray:
        parts = []
        for block, record in zip(self.blocks, records, strict=True):
            shape = len(block.ladders.lane_at), block.ladders.betas.size, self.draws
            parts.append(record[: self.draws].T.reshape(shape))
        return np.concatenate(parts)

    def sample(self, draw: int) -> np.ndarray:
        """The spins at every rung at a draw, int8 (ladders, rungs, n), of a run that keeps them."""
        parts = []
        for block in self.blocks:
            ones = np.unpackbits(block.samples.packed[draw].view(np.uint8), axis=1, bitorder="little").view(np.int8)
            parts.append(2 * ones.T[block.samples.lane_at[draw]] - 1)
        return np.concatenate(parts)

    def spins(self) -> np.ndarray:
        """The spins at every rung now, int8 (ladders, rungs, n)."""
        lanes = [self.setting.engine.spins(block.plan, block.state) for block in self.blocks]
        return np.concatenate([spins.T[block.ladders.lane_at] for block, spins in zip(self.blocks, lanes, strict=True)])


def run_ladders(
    setting: Setting, betas, sweeps: int, burn_in: int, thin: int, entropy, starts, under_way: running.Run
) -> Run:
    """Start every ladder (see `start_ladders`) and run it."""
    blocks, cut = start_ladders(setting, betas, sweeps, burn_in, thin, entropy, starts, under_way.checkpoint)

    def rows(done):
        return max(done - burn_in, 0) // thin

    def check(block, lanes, done):
        before = sum(len(blocks[k].ladders.lane_at) for k in range(cut.index(lanes)))
        _check(setting, block, before, rows(done), (done - burn_in) % thin == 0)

    begun = under_way.checkpoint.restore(blocks, cut, dict.fromkeys(RECORDS, rows), burn_in + sweeps, check)

    def run(block, first, last, crew):
        advance(setting.rule, block, first, last, crew)

    end = under_way.advance(run, blocks, begun, burn_in + sweeps, setting.threads)
    advanced = sum(len(b.ladders.lane_at) * (now - then) for b, then, now in zip(blocks, begun, end.done, strict=True))
    updates = advanced * betas.size * (setting.models[0].n if setting.free is None else setting.free.size)
    return Run(setting, blocks, rows(min(end.done)), updates, end)


def start_ladders(
    setting: Setting, betas, sweeps: int, burn_in: int, thin: int, entropy, starts, checkpoint
) -> tuple[list[Block], list[range]]:
    """Blocks of ladders and their lanes, replica r at rung r, at random or at `starts` int8 (ladders, rungs, n)."""
    count, rungs = len(setting.models) * setting.ladders, betas.size
    words, per_unit = packing(rungs)
    stride = setting.ladders + setting.ladders % 2 if setting.ladders > 1 else 1  # pairs lie side by side
    slots = np.arange(count) // setting.ladders * stride + np.arange(count) % setting.ladders
    first_lanes = slots // per_unit * 64 * words + slots % per_unit * rungs
    models = [setting.models[0]] * int(first_lanes[-1] + rungs) if len(setting.models) > 1 else setting.models
    for ladder, lane in enumerate(first_lanes if len(setting.models) > 1 else []):
        models[lane : lane + rungs] = [setting.models[ladder // setting.ladders]] * rungs
    prepared = setting.engine.prepare(models, 1, setting.free)
    blocks = []
    cut = checkpoint.cut(setting.engine.cut, int(first_lanes[-1]) + rungs, setting.threads, 64 * words)
    for lanes in cut:
        inside = np.flatnonzero((first_lanes >= lanes.start) & (first_lanes < lanes.stop))
        blocks.append(
            _block(setting, prepared, lanes, inside, first_lanes[inside], betas, sweeps, burn_in, thin, entropy, starts)
        )
    return blocks, cut


def _check(setting: Setting, block: Block, first: int, draws: int, at_draw: bool):
    """ValueError unless a block that was saved, of ladders from `first` on, has records that fit its states."""
    ladders, rungs = block.ladders.lane_at.shape
    models = [setting.models[(first + k) // setting.ladders] for k in range(ladders) for _ in range(rungs)]
    weights = np.abs(block.observables.weights).sum(axis=(1, 2))
    restoring.check_record("magnetizations", block.magnetizations[:draws], models[0].n)
    restoring.check_record("energies", block.energies[:draws], max(map(most_energy, setting.models)))
    restoring.check_record("observables", block.observables.record[:draws], weights[:, None])
    if (block.ladders.round_trips > block.ladders.restarts).any():
        raise ValueError("cannot be of this run: more round trips than restarts")
    if draws and at_draw:
        lanes = block.ladders.lane_at.ravel()
        records = block.energies[draws - 1], block.magnetizations[draws - 1]
        restoring.check_draws(*records, models, lambda: setting.engine.spins(block.plan, block.state).T[lanes])


def saved_ladder(checkpoint, betas, grows: bool, adapt: bool, sweeps: int) -> tuple[list[tuple], np.ndarray]:
    """The numbers of each round of adaptation that a checkpoint knows, and their ladder; else none, and `betas`."""
    if checkpoint.saved is None:
        return [], betas
    try:
        rounds, ladder = [], checks.finite_array("betas", checkpoint.arrays.get("betas"))
        for k, (length, rungs, barrier, acceptance) in enumerate(checkpoint.stage.get("rounds", [])):
            length, rungs = checks.integer("sweeps", length), checks.integer("rungs", rungs, 2, MAX_RUNGS)
            barrier, acceptance = (checks.finite_number("a number", number) for number in (barrier, acceptance))
            asked = 4 * length <= sweeps if k else adapt
            size = rungs if grows and k else betas.size
            possible = 0 <= barrier <= rungs and 0 <= acceptance <= 1
            if not asked or not possible or (length, rungs) != (FIRST_ROUND * 2**k, size):
                raise ValueError(f"round {k} of adaptation is {[length, rungs, barrier, acceptance]}")
            rounds.append((length, rungs, barrier, acceptance))
        right = ladder.ndim == 1 and 2 <= ladder.size <= MAX_RUNGS and (np.diff(ladder) > 0).all()
        right = right and (ladder[0], ladder[-1]) == (betas[0], betas[-1])
        if (
            not right
            or not ((grows and rounds) or ladder.size == betas.size)
            or not (rounds or (ladder == betas).all())
        ):
            raise ValueError(f"betas are {ladder.size} numbers that are no ladder of it")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{checkpoint.path} cannot be of this run: {error}") from None
    return rounds, ladder


def advance(rule: int, block: Block, first: int, last: int, crew):
    """Run sweeps `first` ... `last - 1` of a block."""
    drivers.temper(
        block.plan,
        block.state,
        block.ladders,
        block.pairs,
        rule,
        first,
        last,
        block.energies,
        block.magnetizations,
        block.observables,
        block.samples,
        crew,
    )


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
    ups = first_ups(entropy, spins, chains, model.n, clamp=setting.clamp)
    plan, state = setting.engine.start(prepared, lanes, ups, entropy, betas, setting.rule)
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
    draws, size = sweeps // thin, len(inside) * rungs
    weights = np.empty((0, model.n)) if setting.weights is None else setting.weights
    kept = draws if setting.keeps else 0
    return Block(
        plan,
        state,
        ladders,
        _pairs(setting, inside, rungs, len(lanes), entropy),
        np.empty((draws, size)),
        np.empty((draws, size)),
        observables(weights, 1, len(lanes), draws, size),
        drivers.LadderSamples(
            np.empty((kept, model.n, len(lanes) // LANE_GROUP), np.uint16), np.empty((kept, *shape), np.int64)
        ),
    )


def _pairs(setting, inside, rungs: int, lanes: int, entropy) -> Pairs:
    """The pairs of ladders of one model, 0 and 1, 2 and 3 ..., that are compared."""
    number = inside % setting.ladders
    first = np.flatnonzero((number % 2 == 0) & (number + 1 < setting.ladders))
    if not setting.overlap_every and not setting.clusters:
        first = first[:0]
    index = inside[first] // setting.ladders * (setting.ladders // 2) + number[first] // 2
    given = setting.models[0]
    complete = isinstance(given, Hopfield) or not has_ising_form(given)  # all pairs are bonds, and none is listed
    model = given if complete else given.to_ising() if first.size else Ising(np.zeros((0, 0)))
    i, j = np.empty((2, 0), np.int32) if complete else model.bonds[:2]
    width = 2 ** (-(-lanes // 64) - 1).bit_length()  # words are compared eight at a time
    words = np.zeros((model.n if first.size else 0, width), np.uint64)
    bins = min(setting.models[0].n + 1, BINS) if setting.overlap_every else 1
    streams = [stream_state(entropy, CLUSTER, int(pair)) for pair in index]
    return Pairs(
        ladders=np.column_stack([first, first + 1]),
        bonds=np.stack([i, j]),
        complete=complete,
        indptr=np.zeros(model.n + 1, np.int64) if complete else model.indptr,
        indices=np.empty(0, np.int32) if complete else model.indices,
        symmetric=setting.clamp is None and is_even(model),
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
