"""How all reads of an annealing run are cooled once: their blocks, and what came of them."""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import drivers, precision
from fastgibbs.engines.lowest import Lowest, enter, nothing_yet
from fastgibbs.methods import restoring
from fastgibbs.methods.blocks import Clamp, first_ups
from fastgibbs.methods.descent import quenched, random_spins
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.reads import check_lowest, check_reads
from fastgibbs.methods.running import Advanced
from fastgibbs.models import RBM, checks
from fastgibbs.results.annealed import energy_of_each
from fastgibbs.results.lanes import by_lane, distinct

OFF = 1e-6  # of sum |J|: more than energies are off by that were followed from flip to flip
ADDED = 1e-9  # of the energies of random states: more than those are off by that were added up in float64


class Block(NamedTuple):
    """Reads that are cooled together."""

    plan: tuple
    state: tuple
    reads: drivers.Reads
    lowest: Lowest


class Batch(NamedTuple):
    """What came of cooling all reads once, or of several such batches."""

    sweeps: tuple  # of each batch
    done: tuple  # of them
    best: np.ndarray  # float64 (reads,): the lowest energies, infinite where a read had not begun
    states: np.ndarray  # int8 (reads, n): theirs, in the model's units
    betas: np.ndarray  # of the batch that saw the lowest energy, and so the rest
    last_states: np.ndarray
    trace_min: np.ndarray
    trace_mean: np.ndarray
    tables: list  # of each block, its lowest states
    attempts: int  # of all reads
    updates: int  # those that this call has made
    end: Advanced

    def joined(self, later: "Batch") -> "Batch":
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


class Cooling(NamedTuple):
    """What all batches of a run share: how its reads are cooled."""

    model: object
    taken: object  # the model as the engine takes it
    engine: object
    prepared: tuple
    cut: list  # the lanes of each block
    reads: int
    start: np.ndarray | None
    clamp: Clamp | None
    rule: int
    scan: int
    threads: int
    seed: int
    keep: int
    words: np.ndarray  # of its sites
    off: float  # by how much energies may be off: where they are as near to the target, states are asked
    target: float

    @property
    def free(self) -> np.ndarray | None:
        """The sites that are not clamped, or None for all."""
        return None if self.clamp is None else self.clamp.free

    def blocks(self, betas: np.ndarray, number: int) -> list[Block]:
        """The blocks of batch `number`, none of whose sweeps is done; lanes beyond the last read fill them up."""
        seed = run_entropy(self.seed, f"anneal {number}" if number else "anneal", self.start)
        return [self._block(lanes, betas, seed) for lanes in self.cut]

    def _block(self, lanes: range, betas: np.ndarray, seed: int) -> Block:
        chains = [read if read < self.reads else None for read in lanes]
        ups = first_ups(seed, self.start, chains, self.model.n, clamp=self.clamp)
        with np.errstate(over="ignore"):  # beta may be as large as it likes on the way to inf
            plan, state = self.engine.start(self.prepared, lanes, ups, seed, betas, self.rule)
        count, size = sum(chain is not None for chain in chains), len(lanes)
        groups = -(-count // drivers.READ_GROUP)
        best = np.full(size, np.inf)
        if self.start is not None:
            seen = self.engine.spins(plan, state).T[:count]  # clamped sites too
            alike = (seen == seen[0]).all()
            best[:count] = self.model.energy(self.model.from_spins(seen[:1] if alike else seen))
        reads = drivers.Reads(
            count=count,
            rungs=np.zeros(size, np.int64),
            energies=np.empty(size),
            magnetizations=np.empty(size),
            best=best,
            better=np.zeros(size, np.uint8),
            kept=state.spins.copy(),
            lowest=np.empty((betas.size, groups)),
            sums=np.empty((betas.size, groups)),
        )
        table = nothing_yet(self.words, self.keep, size, self.off)
        return Block(plan, state, reads, table)

    def advance(self, block: Block, first: int, last: int, crew) -> bool:
        """Run sweeps `first` ... `last - 1` of a block; whether one of its reads has come down to the target.

        A call for no sweeps compiles all that the run will need.
        """
        if first == last:
            quenched(self.model, self.model.from_spins(self.kept(block).T[:1]), self.free)
        drivers.anneal(*block, self.rule, self.scan, first, last, crew)
        best = block.reads.best[: block.reads.count].min()
        return bool(best <= self.target + self.off and self.lowest(block).min() <= self.target)

    def kept(self, block: Block) -> np.ndarray:
        """The spins of the best states of a block's reads, int8 (n, lanes)."""
        return self.engine.spins(block.plan, block.state._replace(spins=block.reads.kept))

    def lowest(self, block: Block) -> np.ndarray:
        """The lowest energies of a block's reads: where they may be off, those of the states that were kept."""
        best = block.reads.best[: block.reads.count].copy()
        seen = best < np.inf
        if self.off:
            best[seen] = self.taken.energy(self.taken.from_spins(self.kept(block).T[: best.size][seen]))
        return best

    def batch(self, blocks: list[Block], betas: np.ndarray, begun: list[int], end: Advanced) -> Batch:
        """What came of blocks that had `begun` sweeps behind them when they were advanced."""
        best = np.concatenate([block.reads.best[: block.reads.count] for block in blocks])
        states = self.model.from_spins(by_lane([self.kept(block) for block in blocks], self.reads))
        seen = best < np.inf
        ends = quenched(self.model, states[seen], self.free, self.threads)
        first, which, _ = distinct(ends)
        best[seen], states[seen] = energy_of_each(self.model, ends[first])[which], ends
        for block, lanes in zip(blocks, self.cut, strict=True) if self.keep else ():
            mine = slice(lanes.start, lanes.start + block.reads.count)
            packed = np.packbits(self.model.to_spins(states[mine]) > 0, axis=1, bitorder="little")
            enter(block.lowest, best[mine], packed, np.eye(len(packed), len(lanes), dtype=np.uint8))
        last = by_lane([self.engine.spins(block.plan, block.state) for block in blocks], self.reads)
        done = min(end.done)
        sums = np.concatenate([block.reads.sums[:done] for block in blocks], axis=1)
        lowest = np.concatenate([block.reads.lowest[:done] for block in blocks], axis=1)
        advanced = sum(b.reads.count * (now - then) for b, then, now in zip(blocks, begun, end.done, strict=True))
        sites = self.model.n if self.free is None else self.free.size
        made = sum(block.reads.count * now for block, now in zip(blocks, end.done, strict=True))
        return Batch(
            sweeps=(betas.size,),
            done=(done,),
            best=best,
            states=states,
            betas=betas,
            last_states=self.model.from_spins(last),
            trace_min=lowest.min(axis=1),
            trace_mean=np.add.accumulate(sums, axis=1)[:, -1] / self.reads,
            tables=[block.lowest for block in blocks],
            attempts=made * sites,
            updates=advanced * sites,
            end=end,
        )

    def check(self, block: Block, lanes: range, done: int):
        """ValueError unless a block that was saved is as a run leaves it."""
        check_reads(block.reads, self.kept(block), self.model, done)
        check_lowest(block.lowest, block.reads.count, self.model, lanes, self.clamp)
        if follows(self.engine) and done:
            energies = block.state.energies * block.plan.unit
            spins = self.engine.spins(block.plan, block.state)
            restoring.check_draws(energies, None, [self.model] * energies.size, lambda: spins.T)


def follows(engine) -> bool:
    """Whether an engine follows energies from flip to flip while it anneals."""
    return engine.follows


def energy_error(engine, model) -> float:
    """How far energies may be off by which an engine anneals: sums of float32 inputs of an RBM, or of what flips cost.

    Or those that it has followed.
    """
    if engine.name == "terms":
        return ADDED * checks.largest(model.energy(model.from_spins(random_spins(model.n))))
    if isinstance(model, RBM):
        return precision.energy_error(model)
    return OFF * (np.abs(model.couplings).sum() + np.abs(model.fields).sum()) if follows(engine) else 0.0
