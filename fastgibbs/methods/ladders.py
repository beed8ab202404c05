"""Ladders of replicas packed into blocks of lanes, and gathered ladder by ladder: the job of `temper`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.analysis.bins import Bins
from fastgibbs.engines import binning, drivers
from fastgibbs.engines.bonds import Bonds
from fastgibbs.engines.clusters import PAIRED, Clusters, Places, clusters
from fastgibbs.engines.clusters import told as told_by_clusters
from fastgibbs.engines.contract import Crew, Exponents
from fastgibbs.engines.replicas import HOUDAYER, Pairs
from fastgibbs.engines.streams import CLUSTER, SWAP, stream_state
from fastgibbs.engines.waves import Planes, planes_in_words
from fastgibbs.methods import binned, restoring
from fastgibbs.methods.jobs import Job, Length
from fastgibbs.methods.keeping import kept
from fastgibbs.methods.moving import bonds_of_clusters
from fastgibbs.methods.settings import NOBODY, Setting
from fastgibbs.models import Ising, checks
from fastgibbs.models.energy import as_energy
from fastgibbs.models.waves import factors, is_lattice, planes, smallest_waves, turns
from fastgibbs.results.lanes import Left, taken
from fastgibbs.types import AnyArray, Engine, FloatArray, IntArray, States

RATIOS = "log_up", "log_down"  # of the weights of a draw at the next rung, and the one before, to that at its own
MAX_RUNGS = 256  # two ladders are compared in one block of 512 lanes
NO_BONDS = Ising(np.zeros((0, 0)))
BINS, FEW_BINS = 1001, 129  # of the histograms of q, where there are more sites; of runs that keep bins of all


class LadderBlock(NamedTuple):
    """Ladders that are advanced together, with room for what they record, by rung."""

    plan: Any
    state: Any
    ladders: drivers.Exchanges
    pairs: Pairs
    record: drivers.Record


@dataclass(frozen=True)
class Ladders(Job):
    """So many ladders of each model of a setting, ladder g of model g // ladders, a replica at each of `betas`."""

    setting: Setting
    betas: FloatArray  # float64 (rungs,)
    length: Length
    ladders: int
    swap_every: int
    overlap_every: int
    clusters: str | None  # the kind of cluster moves
    cluster_every: int | None  # sweeps from one to the next, None without
    seed: int  # of their streams
    starts: States | None = None  # int8 (ladders, rungs, n), or None for spins at random
    weights: FloatArray | None = None  # float64 (observables, n): of linear observables
    keeps: bool = False  # whether the states of all draws are kept
    in_bins: bool = False  # whether bins are kept in place of draws
    before: tuple[Left, ...] = ()
    fields: FloatArray | None = None  # float64 (rungs,): beside the model's
    gammas: FloatArray | None = None  # float64 (rungs,): of worldlines, the largest Gamma

    RECORDS = (
        "record.energies",
        "record.magnetizations",
        "record.observables.record",
        "record.samples",
        "ladders.lanes_of_draws",
    )

    @property
    def count(self) -> int:
        """Ladders of all models."""
        return len(self.setting.models) * self.ladders

    @property
    def ladder(self) -> FloatArray:
        """What is spaced, ascending: betas, or gammas with the sign turned."""
        return self.betas if self.gammas is None else -self.gammas

    def at(self, ladder: FloatArray, starts: States | None) -> Ladders:
        """The same along another ladder, from these states, int8 (ladders, rungs, n), or random ones."""
        if self.gammas is None:
            return replace(self, betas=ladder, starts=starts)
        return replace(self, betas=np.full(ladder.size, self.betas[0]), gammas=-ladder, starts=starts)

    @property
    def lanes(self) -> int:
        """Up to the last of them."""
        return self.lanes_of(self.models)

    def lanes_of(self, models: int) -> int:
        """Up to the last ladder of so many models."""
        return int(self.first_lanes[models * self.ladders - 1]) + self.betas.size

    @property
    def together(self) -> tuple[int, ...]:
        """The lanes of words that hold whole ladders."""
        return (64 * packing(self.betas.size)[0],)

    @cached_property
    def bins(self) -> binning.RunningBins:
        """Those of all ladders, rung by rung, if they are kept."""
        weights = 0 if self.weights is None else len(self.weights)
        return binning.bins(self.count * self.betas.size, weights + len(self.told))

    @cached_property
    def first_lanes(self) -> IntArray:
        """The lane of the first replica of every ladder, int64 (ladders,); pairs lie side by side."""
        words, per_unit = packing(self.betas.size)
        stride = self.ladders + self.ladders % 2 if self.ladders > 1 else 1
        slots = np.arange(self.count) // self.ladders * stride + np.arange(self.count) % self.ladders
        return slots // per_unit * 64 * words + slots % per_unit * self.betas.size

    @cached_property
    def prepared(self) -> Any:
        """The plan that all blocks share."""
        given = self.setting.models
        models = [given[0]] * self.lanes if len(given) > 1 else given
        for ladder, lane in enumerate(self.first_lanes if len(given) > 1 else []):
            models[lane : lane + self.betas.size] = [given[ladder // self.ladders]] * self.betas.size
        plan = self.setting.prepare(models)
        return plan if self.gammas is None else plan._replace(strengths=self.gammas / given[0].gamma.max())

    @cached_property
    def histogram(self) -> AnyArray:
        """Of the overlaps of all pairs, int64 (pairs, rungs, bins), of which each block has a part."""
        pairs = len(self.setting.models) * (self.ladders // 2) if self.compares else 0
        bins = min(self.setting.n + 1, FEW_BINS if self.in_bins else BINS) if self.overlap_every else 1
        return np.zeros((pairs, self.betas.size, bins), np.int64)

    def planes(self, words: int) -> Planes:
        """Of the smallest k along each axis of a lattice, for replicas in so many words a site; none if none meet."""
        model = self.setting.models[0]
        if not self.overlap_every or self.ladders < 2 or not is_lattice(model):
            return planes_in_words([], [], words)

        def made(model: Any) -> Planes:
            of_sites, of_planes = planes(turns(model, smallest_waves(model)))
            return planes_in_words(of_sites, [factors(mine) for mine in of_planes], words)

        return kept(model, "planes", words, made)

    @property
    def compares(self) -> bool:
        """Whether ladders meet in pairs."""
        return bool(self.overlap_every or self.clusters == HOUDAYER)

    @property
    def told(self) -> tuple[str, ...]:
        """What draws tell, by name: observables that follow those of weights."""
        return told(self.engine, self.clusters)

    @cached_property
    def cluster_bonds(self) -> tuple[list[Any], Bonds]:
        """The models whose clusters move, and the bonds that these are made of."""
        return bonds_of_clusters(self.setting)

    def inside(self, lanes: range) -> IntArray:
        """The ladders that lie in a block of these lanes."""
        return np.flatnonzero((self.first_lanes >= lanes.start) & (self.first_lanes < lanes.stop))

    def block(self, lanes: range) -> LadderBlock:
        """The block of these lanes, replica r of its ladders at rung r; other lanes are idle at rung 0."""
        inside, rungs, n = self.inside(lanes), self.betas.size, self.setting.n
        first_lane = self.first_lanes[inside] - lanes.start
        lane_at = first_lane[:, None] + np.arange(rungs)
        chains = np.full(len(lanes), NOBODY)
        chains[lane_at] = lane_at + lanes.start
        spins = None if self.starts is None else checks.rows(self.starts[inside])
        plan, state = self.setting.start(self.prepared, lanes, chains, (self.betas, self.fields), self.seed, spins)
        weights = np.empty((0, n)) if self.weights is None else self.weights
        shape = 1 if self.in_bins else self.length.draws, inside.size * rungs
        times, more = self.length.times, len(self.told)
        room = drivers.record(times, shape, weights, len(lanes), keeps=self.keeps, told=more)
        if self.in_bins:
            room = room._replace(bins=binned.part(self.bins, inside[0] * rungs, (inside[-1] + 1) * rungs))
        ladders = self._weighed(self._ladders(inside, first_lane, lane_at, len(lanes)), plan, state)
        if self.clusters not in (None, HOUDAYER):
            ladders = ladders._replace(clusters=self._clusters(inside, lane_at, lanes))
        return LadderBlock(plan, state, ladders, self._pairs(inside, lane_at, len(lanes)), room)

    def _ladders(self, inside: IntArray, first_lane: IntArray, lane_at: IntArray, lanes: int) -> drivers.Exchanges:
        """Ladders number `inside`, whose replicas are at these lanes of a block of so many."""
        shape = inside.size, self.betas.size
        of_lanes = np.zeros(lanes, np.int64)
        of_lanes[lane_at] = np.arange(self.betas.size)
        return drivers.Exchanges(
            betas=self.betas,
            pushes=np.empty((0, 0)),
            norms=np.zeros(self.betas.size),
            rule=self.setting.moves.rule,
            burn_in=self.length.burn_in,
            swap_every=self.swap_every,
            overlap_every=self.overlap_every,
            first_lane=first_lane,
            rungs=of_lanes,
            lane_at=lane_at,
            streams=stream_state(self.seed, SWAP, inside),
            energies=np.empty(lanes),
            magnetizations=np.empty(lanes),
            sums=np.empty((0, lanes)),
            acceptance=np.zeros((inside.size, self.betas.size - 1)),
            attempts=np.zeros((inside.size, self.betas.size - 1), np.int64),
            labels=np.zeros(shape, np.int8),
            restarts=np.zeros(shape, np.int64),
            round_trips=np.zeros(shape, np.int64),
            visits=np.zeros((2, *shape), np.int64),
            lanes_of_draws=np.empty((self.length.draws if self.keeps else 0, *shape), np.int64),
        )

    def _weighed(self, ladders: drivers.Exchanges, plan: Any, state: Any) -> drivers.Exchanges:
        """Ladders with the numbers that weights depend on."""
        found = self.engine.exponents(plan, state)
        if found is None:
            pushes = np.zeros(self.betas.size) if self.fields is None else self.betas * self.fields
            found = Exponents(pushes[:, None], ladders.norms, ladders.magnetizations[None])
        row = (0 if self.weights is None else len(self.weights)) + len(self.engine.told) if self.engine.weighs else -1
        return ladders._replace(**found._asdict(), ratios=row)

    def _first_of_pairs(self, inside: IntArray) -> IntArray:
        """Which of these ladders are the first of a pair of one model, 0 of 0 and 1, 2 of 2 and 3 ..."""
        number = inside % self.ladders
        return np.flatnonzero((number % 2 == 0) & (number + 1 < self.ladders))

    def _clusters(self, inside: IntArray, lane_at: IntArray, lanes: range) -> Clusters:
        """Moves at every rung of these ladders, or of pairs of them."""
        rungs = np.arange(self.betas.size)
        if self.clusters in PAIRED:
            first = self._first_of_pairs(inside)[:, None, None] + np.arange(2)
            taken = (first * rungs.size + rungs[:, None]).reshape(-1, 2)
        else:
            taken = np.arange(lane_at.size)[:, None]
        of_model = inside[taken[:, 0] // rungs.size] // self.ladders
        places = Places(len(lanes), lane_at.reshape(-1), self.betas, taken, of_model)
        asked: dict[str, Any] = dict(kind=self.clusters, every=self.cluster_every)
        return clusters(*self.cluster_bonds, places, lanes.start, self.seed, **asked)

    def _pairs(self, inside: IntArray, lane_at: IntArray, lanes: int) -> Pairs:
        """The pairs of ladders that are compared."""
        number, rungs, first = inside % self.ladders, self.betas.size, self._first_of_pairs(inside)
        if not self.compares:
            first = first[:0]
        index = inside[first] // self.ladders * (self.ladders // 2) + number[first] // 2
        given = as_energy(self.setting.models[0])
        complete = given.fully_connected
        model: Any = given if complete else given.to_ising() if first.size else NO_BONDS
        width = 2 ** (-(-lanes // 64) - 1).bit_length()  # words are compared eight at a time
        words = np.zeros((model.n if first.size else 0, width), np.uint64)
        made = self.planes(width)
        return Pairs(
            ladders=first[:, None] + np.arange(2),
            bonds=np.empty((2, 0), np.int32) if complete or not first.size else np.stack(model.bonds[:2]),
            complete=complete,
            indptr=np.zeros(model.n + 1, np.int64) if complete else model.indptr,
            indices=np.empty(0, np.int32) if complete else model.indices,
            symmetric=self.setting.clamp is None and self.fields is None and model.even,
            every=self.cluster_every or 0 if self.clusters == HOUDAYER and first.size else 0,
            lane_at=lane_at,
            streams=stream_state(self.seed, CLUSTER, index),
            packed=words.view(np.uint16),
            words=words,
            rows=np.zeros(512, np.uint64),
            unequal=np.zeros((2, len(first), rungs), np.int64),
            queue=np.zeros(len(words), np.int32),
            histogram=self.histogram[index[0] : index[-1] + 1] if index.size else self.histogram[:0],
            moments=np.zeros((len(first), rungs, 6 + made.first.size - 1)),
            planes=made,
            in_planes=np.zeros((len(first), rungs, made.sizes.size), np.int32),
            in_chunk=np.zeros(np.diff(made.starts).max(initial=0), np.int64),
        )

    def go_on(self, block: LadderBlock, left: Left) -> None:
        """Replicas are where they were, and known by where they come from, unless a burn-in lies between."""
        super().go_on(block, left)
        if self.length.burn_in > left.done:
            block.ladders.labels[:] = 0

    def advance(self, block: LadderBlock, first: int, last: int, crew: Crew) -> None:
        """Run sweeps `first` ... `last - 1` of a block."""
        drivers.temper(*block, first, last, crew)

    def attempts(self, block: LadderBlock) -> int:
        """One a free site in every replica."""
        return block.ladders.lane_at.size * self.setting.attempts

    def check(self, block: LadderBlock, lanes: range, done: int) -> None:
        """ValueError unless a block that was saved has records that fit its states."""
        models = [self.setting.models[g // self.ladders] for g in self.inside(lanes) for _ in range(self.betas.size)]
        draws, kept = self.rows(done), block.record
        by_engine = len(self.told) - len(told_by_clusters(self.clusters))
        restoring.check_records(kept, self.length.rows(done), self.setting, by_engine)
        most = block.ladders.restarts + bool(self.before)  # a trip may have been half made
        if (block.ladders.round_trips > most).any():
            raise ValueError("cannot be of this run: more round trips than restarts")
        if draws and self.length.at_draw(done):
            lanes_at = block.ladders.lane_at.ravel()
            records = kept.energies[draws - 1], kept.magnetizations[draws - 1]
            restoring.check_draws(*records, models, lambda: self.engine.spins(block.plan, block.state).T[lanes_at])


class Gathered(NamedTuple):
    """What blocks of ladders hold, in the order of the ladders."""

    job: Ladders
    blocks: list[LadderBlock]
    draws: int  # that are kept of all
    done: list[int]  # sweeps of each block

    def of_ladders(self, name: str) -> AnyArray:
        """An array of `drivers.Exchanges`, (ladders, ...)."""
        return np.concatenate([getattr(block.ladders, name) for block in self.blocks])

    def record(self, name: str) -> AnyArray:
        """Energies or magnetisations, float64 (ladders, rungs, draws), of which the blocks let go."""
        shape = self.job.count, self.job.betas.size, self.draws
        return taken(self.blocks, name, self.draws, shape[0] * shape[1]).reshape(shape)

    def observable(self, number: int) -> FloatArray:
        """A linear observable, float64 (ladders, rungs, draws)."""
        return self._by_ladder([block.record.observables.record[:, number] for block in self.blocks])

    def _by_ladder(self, records: list[AnyArray]) -> FloatArray:
        parts = []
        for block, record in zip(self.blocks, records, strict=True):
            shape = len(block.ladders.lane_at), block.ladders.betas.size, self.draws
            parts.append(record[: self.draws].T.reshape(shape))
        return np.concatenate(parts)

    def sample(self, draw: int) -> States:
        """The spins at every rung at a draw, int8 (ladders, rungs, n), of ladders that keep them."""
        parts = []
        for block in self.blocks:
            words = block.record.samples[draw]
            ones = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").view(np.int8)
            parts.append(2 * ones.T[block.ladders.lanes_of_draws[draw]] - 1)
        return np.concatenate(parts)

    def spins(self) -> States:
        """The spins at every rung now, int8 (ladders, rungs, n)."""
        spins, first = np.empty((self.job.count, self.job.betas.size, self.job.setting.n), np.int8), 0
        for block in self.blocks:
            last = first + len(block.ladders.lane_at)
            spins[first:last] = self.job.engine.spins(block.plan, block.state).T[block.ladders.lane_at]
            first = last
        return spins

    def acceptance(self, models: int = 1) -> AnyArray:
        """Mean swap probabilities of neighbouring rungs, of the ladders of each model, float64 (models, rungs - 1)."""
        shape = models, -1, self.job.betas.size - 1
        accepted, attempts = (self.of_ladders(name).reshape(shape).sum(axis=1) for name in ("acceptance", "attempts"))
        return accepted / np.maximum(attempts, 1)

    def bins(self, names: Iterable[str]) -> Bins:
        """What the bins of all ladders have kept, rung by rung; `names` of what is observed."""
        sweeps = zip(self.blocks, self.done, strict=True)
        draws = [(block.ladders.lane_at.size, self.job.length.rows(done)) for block, done in sweeps]
        return binned.kept(self.job.bins, draws, self.job.setting.n, names)


def told(engine: Engine, kind: str | None) -> tuple[str, ...]:
    """What an engine and cluster moves of this kind tell of draws of a ladder, by name."""
    return *((*engine.told, *RATIOS) if engine.weighs else ()), *told_by_clusters(kind)


@cache
def packing(rungs: int) -> tuple[int, int]:
    """How many words hold how many ladders, an even number: the fewest words of which nine tenths are used.

    If none is used so well, those used best. This depends on nothing but the rungs, so that a ladder has the same lanes
    and with them the same random numbers in every run.
    """
    ladders = {words: 64 * words // (2 * rungs) * 2 for words in (1, 2, 4, 8)}
    used = {words: ladders[words] * rungs / (64 * words) for words in ladders}
    best = next((words for words in used if used[words] >= 0.9), max(used, key=lambda words: used[words]))
    return best, ladders[best]
