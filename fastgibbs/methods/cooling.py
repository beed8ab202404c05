"""How all reads of an annealing run are cooled once, and what came of it: the job of `anneal`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import drivers, precision
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.lowest import Lowest, enter, nothing_yet, site_words
from fastgibbs.engines.sparse import MOST_FOLLOWED, TAKEN_UP
from fastgibbs.methods import restoring
from fastgibbs.methods.descent import like, quenched, random_spins
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.jobs import Begun, Job, Ran
from fastgibbs.methods.keeping import kept
from fastgibbs.methods.reads import check_lowest, check_reads
from fastgibbs.methods.running import Advanced
from fastgibbs.methods.settings import NOBODY, Setting, numbered
from fastgibbs.models import Ising, checks
from fastgibbs.results.annealed import Population, energy_of_each
from fastgibbs.results.lanes import by_lane, distinct
from fastgibbs.types import AnyArray, Engine, FloatArray, IntArray, ModelLike, States

ADDED = 1e-9  # of the energies of random states: more than those are off by that were added up in float64


class Members(NamedTuple):
    """What a block's reads are in a population."""

    families: IntArray  # int64 (lanes,): the read that each descends from
    influence: FloatArray  # float64 (lanes,): what the family of each has added to log Z
    energies: FloatArray  # float64 (lanes,): of the states
    record: FloatArray  # float64 (temperatures, -) in the first block, what is known of all at each beta; else (0, -)


class ReadBlock(NamedTuple):
    """Reads that are cooled together."""

    plan: Any
    state: Any
    reads: drivers.Reads
    lowest: Lowest
    members: Members | None = None


class Batch(NamedTuple):
    """What came of cooling all reads once, or of several such batches."""

    sweeps: tuple[int, ...]  # of each batch
    done: tuple[int, ...]  # of them
    best: FloatArray  # float64 (reads,): the lowest energies, infinite where a read had not begun
    states: States  # int8 (reads, n): theirs, in the model's units
    betas: FloatArray  # of the batch that saw the lowest energy, and so the rest
    last_states: States
    trace_min: FloatArray
    trace_mean: FloatArray
    tables: list[Lowest]  # of each block, its lowest states
    attempts: int  # of all reads
    updates: int  # those that this call has made
    end: Advanced
    population: Population | None = None

    def joined(self, later: Batch) -> Batch:
        """The better of two batches in each read."""
        lower = later.best < self.best
        for mine, theirs in zip(self.tables, later.tables, strict=True):
            enter(theirs, mine.energies, mine.states, mine.reads)
        leads = later.trace_min.min(initial=np.inf) < self.trace_min.min(initial=np.inf)
        return (later if leads else self)._replace(
            sweeps=self.sweeps + later.sweeps,
            done=self.done + later.done,
            best=np.where(lower, later.best, self.best),
            states=np.where(lower[:, None], later.states, self.states),
            tables=later.tables,
            attempts=self.attempts + later.attempts,
            updates=self.updates + later.updates,
            end=later.end._replace(
                compiling=self.end.compiling + later.end.compiling, seconds=self.end.seconds + later.end.seconds
            ),
        )


@dataclass(frozen=True)
class Cooling(Job):
    """Reads of a setting that are cooled once: batch `number` of a run."""

    setting: Setting
    reads: int
    start: States | None  # int8 (reads, n), or None for spins at random
    seed: int  # of the run
    keep: int  # the lowest states of every block
    target: float
    betas: FloatArray  # float64 (sweeps,)
    number: int = 0

    RECORDS = "reads.lowest", "reads.sums"

    @property
    def model(self) -> ModelLike:
        """The model."""
        return self.setting.given[0]

    @property
    def lanes(self) -> int:
        """A lane a read."""
        return self.reads

    @property
    def sweeps(self) -> int:
        """One at each beta."""
        return self.betas.size

    def rows(self, done: int) -> int:
        """A row a sweep."""
        return done

    @cached_property
    def streams(self) -> int:
        """The entropy of this batch."""
        return run_entropy(self.seed, f"anneal {self.number}" if self.number else "anneal", self.start)

    @cached_property
    def words(self) -> AnyArray:
        """Of the sites, by which states are told apart."""
        return site_words(run_entropy(self.seed, "anneal", self.start), self.model.n, self.keep)

    @cached_property
    def off(self) -> float:
        """By how much energies may be off: where they are as near to the target, states are asked."""
        return energy_error(self.engine, self.setting.models[0])

    def batch(self, betas: FloatArray, number: int) -> Cooling:
        """Another batch of the same run."""
        other = replace(self, betas=betas, number=number)
        vars(other).update({name: vars(self)[name] for name in ("prepared", "words", "off") if name in vars(self)})
        return other

    def block(self, lanes: range) -> ReadBlock:
        """A block of lanes; those beyond the last read fill it up."""
        chains = numbered(lanes, self.reads)
        spins = None if self.start is None else self.start[lanes.start : lanes.stop]
        with np.errstate(over="ignore"):  # beta may be as large as it likes on the way to inf
            plan, state = self.setting.start(self.prepared, lanes, chains, self.betas, self.streams, spins)
        count, size = int((chains != NOBODY).sum()), len(lanes)
        groups = -(-count // drivers.READ_GROUP)
        best = np.full(size, np.inf)
        if self.start is not None:
            seen = self.engine.spins(plan, state).T[:count]  # clamped sites too
            alike = (seen == seen[0]).all()
            best[:count] = self.model.energy(self.model.from_spins(seen[:1] if alike else seen))
        reads = drivers.Reads(
            moves=self.setting.moves,
            count=count,
            rungs=np.zeros(size, np.int64),
            energies=np.empty(size),
            magnetizations=np.empty(size),
            best=best,
            better=np.zeros(size, np.uint8),
            kept=state.spins.copy(),
            lowest=np.empty((self.betas.size, groups)),
            sums=np.empty((self.betas.size, groups)),
        )
        return ReadBlock(plan, state, reads, nothing_yet(self.words, self.keep, size, self.off if self.keep else 0.0))

    def advance(self, block: ReadBlock, first: int, last: int, crew: Crew) -> bool:
        """Run sweeps `first` ... `last - 1` of a block; whether one of its reads has come down to the target.

        A call for no sweeps compiles all that the run will need.
        """
        if first == last:
            self._compile_end()
        drivers.anneal(block.plan, block.state, block.reads, block.lowest, first, last, crew)
        if self.target == -np.inf:
            return False
        best = block.reads.best[: block.reads.count].min()
        return bool(best <= self.target + self.off and self.lowest(block).min() <= self.target)

    def _compile_end(self) -> None:
        """Compile what `outcome` does, once a model, or of Ising models once for all of a kind."""
        model, free = self.model, self.setting.free
        if type(model) is Ising:
            model, free = like(model, free), None

        def end(model: ModelLike) -> FloatArray:
            return energy_of_each(model, quenched(model, model.from_spins(np.ones((1, model.n), np.int8)), free))

        kept(model, "end", None if free is None else free.tobytes(), end)

    def attempts(self, block: ReadBlock) -> int:
        """One a free site in every read."""
        return block.reads.count * self.setting.attempts

    def kept(self, block: ReadBlock) -> States:
        """The spins of the best states of a block's reads, int8 (n, lanes)."""
        return self.engine.spins(block.plan, block.state._replace(spins=block.reads.kept))

    def lowest(self, block: ReadBlock) -> FloatArray:
        """The lowest energies of a block's reads: where they may be off, those of the states that were kept."""
        best = block.reads.best[: block.reads.count].copy()
        seen = best < np.inf
        if self.off:
            taken = self.setting.models[0]
            best[seen] = taken.energy(taken.from_spins(self.kept(block).T[: best.size][seen]))
        return best

    def states_of(self, spins: States) -> States:
        """The states of spins that reads have, int8 (reads, spins), in the model's units."""
        return self.model.from_spins(spins)

    def outcome(self, begun: Begun, ran: Ran) -> Batch:
        """What came of it."""
        blocks, end = ran.blocks, ran.end
        best = np.concatenate([block.reads.best[: block.reads.count] for block in blocks])
        states = self.states_of(by_lane([self.kept(block) for block in blocks], self.reads))
        seen = best < np.inf
        ends = quenched(self.model, states[seen], self.setting.free, self.threads)
        first, which, _ = distinct(ends)
        best[seen], states[seen] = energy_of_each(self.model, ends[first])[which], ends
        for block, lanes in zip(blocks, begun.cut, strict=True) if self.keep else ():
            mine = slice(lanes.start, lanes.start + block.reads.count)
            packed = np.packbits(self.model.to_spins(states[mine]) > 0, axis=1, bitorder="little")
            enter(block.lowest, best[mine], packed, np.eye(len(packed), len(lanes), dtype=np.uint8))
        last = by_lane([self.engine.spins(block.plan, block.state) for block in blocks], self.reads)
        done = min(end.done)
        sums = np.concatenate([block.reads.sums[:done] for block in blocks], axis=1)
        lowest = np.concatenate([block.reads.lowest[:done] for block in blocks], axis=1)
        return Batch(
            sweeps=(self.sweeps,),
            done=(done,),
            best=best,
            states=states,
            betas=self.betas,
            last_states=self.states_of(last),
            trace_min=lowest.min(axis=1),
            trace_mean=np.add.accumulate(sums, axis=1)[:, -1] / self.reads,
            tables=[block.lowest for block in blocks],
            attempts=sum(self.attempts(block) * now for block, now in zip(blocks, end.done, strict=True)),
            updates=ran.updates,
            end=end,
        )

    def check(self, block: ReadBlock, lanes: range, done: int) -> None:
        """ValueError unless a block that was saved is as a run leaves it."""
        check_reads(block.reads, self.kept(block), self.model, done)
        check_lowest(block.lowest, block.reads.count, self.model, lanes, self.setting.clamp)
        if self.engine.follows and done and block.state.followed[0] < MOST_FOLLOWED:
            energies = block.state.energies * block.plan.unit + block.plan.offset
            spins = self.engine.spins(block.plan, block.state)
            restoring.check_draws(energies, None, [self.model] * energies.size, lambda: spins.T)


def energy_error(engine: Engine, model: Any) -> float:
    """How far energies may be off by which an engine anneals: sums of float32 inputs by layers, or of what flips cost.

    Or those that it has followed.
    """
    if engine.name == "terms":
        return ADDED * checks.largest(model.energy(model.from_spins(random_spins(model.n))))
    if engine.name == "layered":
        return precision.energy_error(model)
    return precision.following_error(model, MOST_FOLLOWED, TAKEN_UP) if engine.follows else 0.0
