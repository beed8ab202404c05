"""`anneal`: independent runs that are cooled, and the lowest states that they have seen."""

import time
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, drivers
from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods import restoring
from fastgibbs.methods.blocks import (
    DESCENT,
    ENGINES,
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
from fastgibbs.methods.results import Result, run_result
from fastgibbs.methods.running import running
from fastgibbs.methods.schedules import Schedule, beta_schedule
from fastgibbs.models import checks

OFF = 1e-6  # of sum |J|: more than energies are off by that were followed from flip to flip


class Block(NamedTuple):
    """Reads that are cooled together."""

    plan: tuple
    state: tuple
    reads: drivers.Reads


@run_result
class AnnealResult(Result):
    """What `anneal` returns: the best state seen in each read, lowest energy first."""

    model: object
    energy: np.ndarray
    """The lowest energy that each read has seen, ascending, float64 (reads,)."""
    states: np.ndarray
    """The states of these energies, int8 (reads, n), in the model's own units."""
    last_states: np.ndarray
    """The states of the same reads at the end of the schedule, before the descent, int8 (reads, n)."""
    read: np.ndarray
    """The number of each read: energy[np.argsort(read)] is in the order of the reads, int64 (reads,)."""
    ground_states: np.ndarray
    """The distinct states of the lowest energy, int8 (candidates, n)."""
    ground_counts: np.ndarray
    """In how many reads each of them was the best, int64 (candidates,)."""
    trace_min: np.ndarray
    """Least energy of all reads after every sweep, float64 (sweeps,).

    The sparse engine follows energies from flip to flip, in float32 steps: where couplings are no whole multiples of
    one number, traces and the choice of the best state are off by up to 10^-6 sum |J|, 10^-9 in large models; `energy`
    is that of the states."""
    trace_mean: np.ndarray
    """Mean energy of all reads after every sweep, float64 (sweeps,)."""
    betas: np.ndarray
    """The schedule: beta of every sweep, float64 (sweeps,)."""
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    engine: str
    rule: str
    scan: str
    timing: Timing
    interrupted: bool
    """True if the run was stopped before the last sweep; what it had seen by then is here."""

    def __repr__(self):
        stopped = ", interrupted" if self.interrupted else ""
        lowest = f"lowest={self.energy.min(initial=np.inf):g} in {self.ground_counts.sum()}"
        return f"AnnealResult({self.model!r}, reads={self.energy.size}, {lowest}, engine={self.engine!r}{stopped})"


@holding
def anneal(
    model,
    *,
    betas=None,
    sweeps=1000,
    reads=64,
    rule="gibbs",
    scan="sequential",
    start=None,
    seed=None,
    threads=None,
    time_limit=None,
    target_energy=None,
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
        sweeps: sweeps of n single-spin attempts in each read.
        reads: independent runs. The first k of them are the same however many there are, unless each has its own start.
        rule: "gibbs" (p = 1 / (1 + exp(beta dE))) or "metropolis" (p = min(1, exp(-beta dE))), which is a little faster
            on glasses, and in sequence carries domain walls along that cost nothing to move: it may never solve a ring.
        scan: "sequential" or "random" (the sites of a sweep are drawn with replacement), as in `sample`.
        start: states (n,) or (reads, n) in the model's units, each the first that its read has seen: no result is above
            it; by default every spin is drawn at random.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        time_limit: seconds after which the run stops.
        target_energy: the run stops once a read has seen an energy this low.
        engine: "auto", "multispin", "dense", "sparse", "sparse64", "overlap" or "layered", as in `sample`.
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        clamp: sites that keep their values, as in `sample`: a dict of sites to values, one for all reads or
            (reads,), or a pair (mask, states), states (n,) or (reads, n).
        checkpoint, every: a file to save the run to and go on from, and the seconds between, as in `sample`.

    Returns an AnnealResult, also of a run that was stopped. The same seed gives the same bytes at any number of
    threads, unless a time limit or a target stopped it; with another start, or in another verb, it gives other random
    numbers.

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Source: Kirkpatrick, Gelatt, Vecchi, Science 220, 671 (1983).
    """
    began = time.perf_counter()
    checks.model("model", model)
    sweeps, reads = checks.integer("sweeps", sweeps), checks.integer("reads", reads)
    checks.choice("rule", rule, contract.RULES)
    checks.choice("scan", scan, contract.SCANS)
    checks.choice("engine", engine, ("auto", *ENGINES))
    checks.progress(progress)
    limit = np.inf if time_limit is None else checks.finite_number("time_limit", time_limit)
    if limit <= 0:
        raise ValueError(f"time_limit is {time_limit}: give seconds above 0")
    target = -np.inf if target_energy is None else checks.finite_number("target_energy", target_energy)
    seed, threads = None if seed is None else entropy_of(seed), checks.thread_count(threads)
    spins = given_start(model, start, reads)
    checks.require_memory(reads * (3 * model.n + sweeps) + 100 * sweeps, f"{reads} reads of {sweeps} sweeps")
    schedule = _schedule(betas, sweeps, model)
    check_betas("betas", schedule, [model])

    clamp = clamped(model, clamp, reads)
    free = None if clamp is None else clamp.free
    name, _, taken = choose_engine(engine, [model], scan, 1, reads, _tolerance(schedule, betas is None))
    engine = ENGINES[name]
    settings = dict(model=[model], betas=schedule, reads=reads, rule=rule, scan=scan, start=spins, engine=name)
    settings |= dict(seed=seed, clamp=None if clamp is None else list(clamp[:2]))
    checkpoint = Checkpoint(checkpoint, every, "anneal", settings)
    seed = checkpoint.settings["seed"]
    address = run_entropy(seed, "anneal", spins)
    prepared = engine.prepare(taken, 1, free)
    cut = checkpoint.cut(engine.cut, reads, threads)
    blocks = [
        _block(engine, taken[0], prepared, lanes, reads, spins, clamp, schedule, contract.RULES[rule], address)
        for lanes in cut
    ]
    follows = getattr(engine, "FOLLOWS", False)
    near = target
    if follows and target_energy is not None:
        near += OFF * (np.abs(taken[0].couplings).sum() + np.abs(taken[0].fields).sum())

    def kept(block):
        """The spins of the best states of a block's reads, int8 (n, lanes)."""
        return engine.spins(block.plan, block.state._replace(spins=block.reads.kept))

    def best_of(block):
        """The lowest energies of a block's reads: where they were followed, those of the states that were kept."""
        best = block.reads.best[: block.reads.count].copy()
        seen = best < np.inf
        if follows:
            best[seen] = taken[0].energy(kept(block).T[: best.size][seen])
        return best

    def check(block, lanes, done):
        _check(block, kept(block), model, done)
        if follows and done:
            energies, spins = block.state.energies * block.plan.unit, engine.spins(block.plan, block.state)
            restoring.check_draws(energies, None, [model] * energies.size, lambda: spins.T)

    rows = dict.fromkeys(("reads.lowest", "reads.sums"), lambda done: done)
    begun = checkpoint.restore(blocks, cut, rows, sweeps, check)

    def run(block, first, last, crew):
        how = contract.RULES[rule], contract.SCANS[scan]
        drivers.anneal(block.plan, block.state, block.reads, *how, first, last, crew)
        return bool(block.reads.best[: block.reads.count].min() <= near and best_of(block).min() <= target)

    with running(progress, checkpoint) as under_way:
        under_way.announce(drivers.anneal)
        end = under_way.advance(run, blocks, begun, sweeps, threads, limit=limit)
        begun_reads = np.flatnonzero(np.concatenate([b.reads.best[: b.reads.count] for b in blocks]) < np.inf)
        seen = by_lane([kept(block) for block in blocks], reads)[begun_reads]
        distinct, which = np.unique(quenched(model, model.from_spins(seen), free, threads), axis=0, return_inverse=True)
        energies = np.array([model.energy(state) for state in distinct])  # an RBM adds up by the number of rows
        best, states = energies[which], distinct[which]
        order = np.argsort(best, kind="stable")
        best, states = best[order], states[order]
        last_spins = by_lane([engine.spins(block.plan, block.state) for block in blocks], reads)
        lowest = states[best == best.min(initial=np.inf)]
        ground_states, ground_counts = np.unique(lowest, axis=0, return_counts=True)
        done = min(end.done)
        sums = np.concatenate([block.reads.sums[:done] for block in blocks], axis=1)
        advanced = sum(b.reads.count * (now - then) for b, then, now in zip(blocks, begun, end.done, strict=True))
        return AnnealResult(
            model=model,
            energy=best,
            states=states,
            read=begun_reads[order],
            last_states=model.from_spins(last_spins)[begun_reads[order]],
            ground_states=ground_states,
            ground_counts=ground_counts,
            trace_min=np.concatenate([block.reads.lowest[:done] for block in blocks], axis=1).min(axis=1),
            trace_mean=np.add.accumulate(sums, axis=1)[:, -1] / reads,
            betas=schedule,
            seed=seed,
            engine=name,
            rule=rule,
            scan=scan,
            timing=Timing.of(end, advanced * (model.n if clamp is None else free.size), began),
            interrupted=end.interrupted,
        )


def _tolerance(schedule: np.ndarray, default: bool) -> float:
    """By how much local fields may be wrong: what the last tenth of the default schedule misses, the descent finds."""
    return tolerable(np.quantile(schedule, 0.9) if default else schedule, DESCENT)


def _schedule(betas, sweeps: int, model) -> np.ndarray:
    """One beta per sweep, float64 (sweeps,)."""
    if betas is None:
        return beta_schedule(model, sweeps)
    if isinstance(betas, Schedule):
        return betas.betas(sweeps)
    betas = checks.finite_array("betas", betas)
    if betas.ndim != 1 or betas.size == 0:
        raise ValueError(f"betas has shape {betas.shape}: give a 1-D array, a schedule or None")
    if (betas < 0).any():
        where = (betas < 0).argmax()
        raise ValueError(f"betas[{where}] is {betas[where]}: give inverse temperatures of at least 0")
    return np.interp(np.linspace(0, 1, sweeps), np.linspace(0, 1, betas.size), betas)


def _check(block: Block, kept: np.ndarray, model, done: int):
    """ValueError unless the records of a block that was saved fit the states that it kept, spins (n, lanes)."""
    reads, most = block.reads, restoring.most_energy(model)
    best = reads.best[: reads.count]
    seen = best < np.inf
    if done and not seen.all():
        raise ValueError(f"cannot be of this run: read {seen.argmin()} has no energy after {done} sweeps")
    restoring.check_draws(best[seen], None, [model] * int(seen.sum()), lambda: kept.T[: reads.count][seen])
    lowest, sums = reads.lowest[:done], reads.sums[:done]
    restoring.check_record("reads.lowest", lowest, most)
    sizes = np.bincount(np.arange(reads.count) // drivers.READ_GROUP)
    restoring.check_record("reads.sums", sums, most * sizes)
    least = np.minimum.reduceat(best, np.arange(0, reads.count, drivers.READ_GROUP)) if reads.count else best
    if (lowest < least).any() or (sums < lowest * sizes - restoring.ROUNDING * (most + 1) * sizes).any():
        raise ValueError("cannot be of this run: reads.lowest does not fit reads.best and reads.sums")


def _block(engine, model, prepared, lanes: range, reads, spins, clamp, schedule, rule, seed) -> Block:
    """A block of reads; lanes beyond the last read fill it up."""
    chains = [read if read < reads else None for read in lanes]
    ups = first_ups(seed, spins, chains, model.n, clamp=clamp)
    plan, state = engine.start(prepared, lanes, ups, seed, schedule, rule)
    count, size = sum(chain is not None for chain in chains), len(lanes)
    groups = -(-count // drivers.READ_GROUP)
    best = np.full(size, np.inf)
    if spins is not None:
        seen = engine.spins(plan, state).T[:count]  # clamped sites too
        alike = (seen == seen[0]).all()
        best[:count] = model.energy(model.from_spins(seen[:1] if alike else seen))
    return Block(
        plan,
        state,
        drivers.Reads(
            count=count,
            rungs=np.zeros(size, np.int64),
            energies=np.empty(size),
            magnetizations=np.empty(size),
            best=best,
            better=np.zeros(size, np.uint8),
            kept=state.spins.copy(),
            lowest=np.empty((schedule.size, groups)),
            sums=np.empty((schedule.size, groups)),
        ),
    )
