"""`anneal`: independent runs that are cooled, and the lowest states that they have seen."""

import time
from functools import partial
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, drivers
from fastgibbs.engines.lowest import Lowest, enter, nothing_yet, site_words
from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods import restoring
from fastgibbs.methods.answers import AnnealResult, lowest_states
from fastgibbs.methods.blocks import (
    DESCENT,
    ENGINES,
    Clamp,
    Timing,
    by_lane,
    check_betas,
    choose_engine,
    clamped,
    first_ups,
    given_start,
    tolerable,
)
from fastgibbs.methods.checkpoints import Checkpoint, holding
from fastgibbs.methods.descent import quenched
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.pacing import Pace
from fastgibbs.methods.reads import check_lowest, check_reads
from fastgibbs.methods.running import Advanced, running
from fastgibbs.methods.schedules import Schedule, stretched, windows
from fastgibbs.models import checks

OFF = 1e-6  # of sum |J|: more than energies are off by that were followed from flip to flip


class Block(NamedTuple):
    """Reads that are cooled together."""

    plan: tuple
    state: tuple
    reads: drivers.Reads
    lowest: Lowest


@holding
def anneal(
    model,
    *,
    betas=None,
    sweeps=None,
    reads=64,
    rule="gibbs",
    scan="sequential",
    start=None,
    seed=None,
    threads=None,
    time_limit=None,
    target_energy=None,
    keep=0,
    engine="auto",
    progress=False,
    clamp=None,
    checkpoint=None,
    every=60.0,
) -> AnnealResult:
    """Look for the minimum of E(s): `reads` independent runs of `sweeps` sweeps at beta_1, beta_2, ...

    At the end the best state that each read has seen descends, site by site, until no single flip lowers it; on graphs
    of few loops, or in fields, no domain of satisfied bonds either.

    Args:
        model: Ising, Hopfield, RBM or BoltzmannMachine.
        betas: inverse temperatures: an array, one per sweep or stretched to `sweeps` by linear interpolation; a
            schedule, `fastgibbs.geometric(first, last)` or `fastgibbs.linear(first, last)`; or None,
            `fastgibbs.beta_schedule(model, sweeps)`, read off what flips cost. What was used is in the result.
        sweeps: sweeps of n single-spin attempts in each read, by default 1000; or several such numbers: batches, in
            each of which all reads are cooled again, from fresh spins or from `start`, with other random numbers.
        reads: independent runs, of each of which the best of all batches counts. The first k of them are the same
            however many there are, unless each has its own start.
        rule: "gibbs" (p = 1 / (1 + exp(beta dE))) or "metropolis" (p = min(1, exp(-beta dE))), which is a little faster
            on glasses, and in sequence carries domain walls along that cost nothing to move: it may never solve a ring.
        scan: "sequential" or "random" (the sites of a sweep are drawn with replacement), as in `sample`.
        start: states (n,) or (reads, n) in the model's units, each the first that its read has seen: no result is above
            it; by default every spin is drawn at random.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        time_limit: seconds, without those of compiling, in which to find the best answer. Reads are cooled in batches
            of 16, 64, 256 ... sweeps, the last as long as the time that is left. If `sweeps` are given (one number)
            and fit, they alone are made, as if there were no limit. `sweeps` and `done` of the result tell what was
            made, and repeat it.
        target_energy: the run stops once a read has seen an energy this low, or comes down to it in the descent that
            ends a batch; one that no state has is never met.
        keep: how many of the lowest distinct states to keep that any read was in after any sweep, or came to in the
            descent, for `result.lowest`. 20 take next to no time on dense models, and half as much time again as the
            run, twice at most, where sweeps are fast or few; many more take longer. 0 keeps the best of each read.
        engine: "auto", "multispin", "dense", "sparse", "sparse64", "overlap" or "layered", as in `sample`.
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        clamp: sites that keep their values, as in `sample`: a dict of sites to values, one for all reads or
            (reads,), or a pair (mask, states), states (n,) or (reads, n).
        checkpoint, every: a file to save the run to and go on from, and the seconds between, as in `sample`; of runs of
            one batch.

    Returns an AnnealResult, also of a run that was stopped. The same seed and sweeps give the same bytes at any number
    of threads, unless it was stopped, by a limit or a target too, between the first and the last sweep of a batch; with
    another start, or in another verb, a seed gives other random numbers.

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Source: Kirkpatrick, Gelatt, Vecchi, Science 220, 671 (1983).
    """
    began = time.perf_counter()
    checks.model("model", model)
    reads, threads = checks.integer("reads", reads), checks.thread_count(threads)
    keep = checks.integer("keep", keep, minimum=0)
    checks.choice("rule", rule, contract.RULES)
    checks.choice("scan", scan, contract.SCANS)
    checks.choice("engine", engine, ("auto", *ENGINES))
    checks.progress(progress)
    target = -np.inf if target_energy is None else checks.finite_number("target_energy", target_energy)
    seed = None if seed is None else entropy_of(seed)
    spins = given_start(model, start, reads)
    checks.require_memory(3 * reads * model.n, f"{reads} reads")
    pace = Pace(sweeps, time_limit, reads)
    if checkpoint is not None and (pace.timed or len(pace.asked) > 1):
        raise ValueError("a checkpoint is of one batch: give sweeps as one number, and no time_limit")
    schedule, coldest = _schedule(betas, model)

    clamp = clamped(model, clamp, reads)
    free = None if clamp is None else clamp.free
    name, _, taken = choose_engine(engine, [model], scan, 1, reads, tolerable(coldest, DESCENT))
    betas = schedule(pace.sweeps)
    settings = dict(model=[model], betas=betas, reads=reads, rule=rule, scan=scan, start=spins, engine=name)
    settings |= dict(seed=seed, keep=keep, clamp=None if clamp is None else list(clamp[:2]))
    checkpoint = Checkpoint(checkpoint, every, "anneal", settings)
    cut = checkpoint.cut(ENGINES[name].cut, reads, threads)
    needed = keep * (3 * model.n * len(cut) + 2 * reads) + reads * model.n // 4 if keep else 0
    checks.require_memory(needed, f"keep={keep} in each of {len(cut)} blocks", "keep fewer states")
    first_seed = run_entropy(checkpoint.settings["seed"], "anneal", spins)
    cooling = Cooling(
        model=model,
        taken=taken[0],
        engine=ENGINES[name],
        prepared=ENGINES[name].prepare(taken, 1, free),
        cut=cut,
        reads=reads,
        start=spins,
        clamp=clamp,
        rule=contract.RULES[rule],
        scan=contract.SCANS[scan],
        seed=checkpoint.settings["seed"],
        keep=keep,
        words=site_words(first_seed, model.n, keep),
        off=_off(ENGINES[name], taken[0]),
        target=target,
    )
    blocks = cooling.blocks(betas, 0)
    rows = dict.fromkeys(("reads.lowest", "reads.sums"), lambda done: done)
    begun = checkpoint.restore(blocks, cooling.cut, rows, pace.sweeps, cooling.check)

    with running(progress, checkpoint) as run:
        run.announce(drivers.anneal)
        pace.begin()
        found = None
        while True:
            end = run.after(sum(found.done) if found else 0).advance(
                cooling.advance, blocks, begun, pace.sweeps, threads, limit=pace.left
            )
            batch = cooling.batch(blocks, betas, begun, end)
            found = batch if found is None or pace.replaces(batch) else found.joined(batch)
            if run.asked or batch.best.min() <= target or not pace.goes_on(batch):
                break
            betas = schedule(pace.sweeps)
            blocks = cooling.blocks(betas, pace.number)
            begun = [0] * len(blocks)
        order = np.argsort(found.best, kind="stable")
        order = order[found.best[order] < np.inf]  # a run that was stopped at once may not have begun all reads
        energy, states = found.best[order], found.states[order]
        ground_states, ground_counts = np.unique(
            states[energy == energy.min(initial=np.inf)], axis=0, return_counts=True
        )
        kept = lowest_states(model, found.tables)
        return AnnealResult(
            model=model,
            energy=energy,
            states=states,
            read=order,
            last_states=found.last_states[order],
            ground_states=ground_states,
            ground_counts=ground_counts,
            kept_energy=kept.energy,
            kept_states=kept.states,
            kept_counts=kept.counts,
            trace_min=found.trace_min,
            trace_mean=found.trace_mean,
            betas=found.betas,
            sweeps=np.array(found.sweeps),
            done=np.array(found.done),
            attempts=found.attempts / max(1, order.size),
            seed=cooling.seed,
            engine=name,
            rule=rule,
            scan=scan,
            timing=Timing.of(found.end, found.updates, began),
            interrupted=found.done != (pace.asked or found.sweeps),
        )


def _schedule(betas, model):
    """The function of a number of sweeps that gives the beta of each, and the coldest at which draws must be right.

    What the last tenth of the default schedule misses, the descent finds.
    """
    if betas is None:
        asked = windows(model)
        return partial(stretched, asked), np.quantile(asked, 0.9)
    if isinstance(betas, Schedule):
        check_betas("betas", np.array([betas.first, betas.last]), [model])
        return betas.betas, max(betas.first, betas.last)
    betas = checks.finite_array("betas", betas)
    if betas.ndim != 1 or betas.size == 0:
        raise ValueError(f"betas has shape {betas.shape}: give a 1-D array, a schedule or None")
    if (betas < 0).any():
        where = (betas < 0).argmax()
        raise ValueError(f"betas[{where}] is {betas[where]}: give inverse temperatures of at least 0")
    check_betas("betas", betas, [model])
    return lambda sweeps: np.interp(np.linspace(0, 1, sweeps), np.linspace(0, 1, betas.size), betas), betas.max()


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
    seed: int
    keep: int
    words: np.ndarray  # of its sites
    off: float  # by how much energies may be off: where they are as near to the target, states are asked
    target: float

    def blocks(self, betas: np.ndarray, number: int) -> list[Block]:
        """The blocks of batch `number`, none of whose sweeps is done; lanes beyond the last read fill them up."""
        seed = run_entropy(self.seed, f"anneal {number}" if number else "anneal", self.start)
        return [self._block(lanes, betas, seed) for lanes in self.cut]

    def _block(self, lanes: range, betas: np.ndarray, seed: int) -> Block:
        chains = [read if read < self.reads else None for read in lanes]
        ups = first_ups(seed, self.start, chains, self.model.n, clamp=self.clamp)
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
        """Run sweeps `first` ... `last - 1` of a block; whether one of its reads has come down to the target."""
        drivers.anneal(*block, self.rule, self.scan, first, last, crew)
        best = block.reads.best[: block.reads.count].min()
        return bool(best <= self.target + self.off and self.lowest(block).min() <= self.target)

    def kept(self, block: Block) -> np.ndarray:
        """The spins of the best states of a block's reads, int8 (n, lanes)."""
        return self.engine.spins(block.plan, block.state._replace(spins=block.reads.kept))

    def lowest(self, block: Block) -> np.ndarray:
        """The lowest energies of a block's reads: where they were followed, those of the states that were kept."""
        best = block.reads.best[: block.reads.count].copy()
        seen = best < np.inf
        if _follows(self.engine):
            best[seen] = self.taken.energy(self.kept(block).T[: best.size][seen])
        return best

    def batch(self, blocks: list[Block], betas: np.ndarray, begun: list[int], end: Advanced) -> Batch:
        """What came of blocks that had `begun` sweeps behind them when they were advanced."""
        best = np.concatenate([block.reads.best[: block.reads.count] for block in blocks])
        free = None if self.clamp is None else self.clamp.free
        states = self.model.from_spins(by_lane([self.kept(block) for block in blocks], self.reads))
        seen = best < np.inf
        distinct, which = np.unique(quenched(self.model, states[seen], free), axis=0, return_inverse=True)
        energies = np.array([self.model.energy(state) for state in distinct])  # an RBM adds up by the number of rows
        best[seen], states[seen] = energies[which], distinct[which]
        for block, lanes in zip(blocks, self.cut, strict=True):
            mine = slice(lanes.start, lanes.start + block.reads.count)
            ends = np.packbits(self.model.to_spins(states[mine]) > 0, axis=1, bitorder="little")
            enter(block.lowest, best[mine], ends, np.eye(len(ends), len(lanes), dtype=np.uint8))
        last = by_lane([self.engine.spins(block.plan, block.state) for block in blocks], self.reads)
        done = min(end.done)
        sums = np.concatenate([block.reads.sums[:done] for block in blocks], axis=1)
        lowest = np.concatenate([block.reads.lowest[:done] for block in blocks], axis=1)
        advanced = sum(b.reads.count * (now - then) for b, then, now in zip(blocks, begun, end.done, strict=True))
        sites = self.model.n if free is None else free.size
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
        if _follows(self.engine) and done:
            energies = block.state.energies * block.plan.unit
            spins = self.engine.spins(block.plan, block.state)
            restoring.check_draws(energies, None, [self.model] * energies.size, lambda: spins.T)


def _follows(engine) -> bool:
    """Whether an engine follows energies from flip to flip while it anneals."""
    return getattr(engine, "FOLLOWS", False)


def _off(engine, model) -> float:
    """How far energies may be off that an engine has followed."""
    return OFF * (np.abs(model.couplings).sum() + np.abs(model.fields).sum()) if _follows(engine) else 0.0
