"""`anneal`: independent runs that are cooled, and the lowest states that they have seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import overload

import numpy as np

from fastgibbs.engines.streams import entropy_of
from fastgibbs.io.problems import problem
from fastgibbs.methods.checkpoints import Checkpoint, holding
from fastgibbs.methods.cooling import Batch, Cooling
from fastgibbs.methods.jobs import Begun, begin, through
from fastgibbs.methods.many import How, annealed, of_several
from fastgibbs.methods.pacing import Pace
from fastgibbs.methods.population import READS, Populating, asked_population, heating
from fastgibbs.methods.quantum import Fading, fields
from fastgibbs.methods.running import Run, running
from fastgibbs.methods.schedules import Schedule, beta_schedule, cooling, stretched
from fastgibbs.methods.settings import DESCENT, LAW, Clamping, check_betas, clamped, given_start, settled, tolerable
from fastgibbs.models import Ising, TransverseIsing, checks
from fastgibbs.results.annealed import AnnealResult, lowest_states
from fastgibbs.results.base import Timing
from fastgibbs.results.lanes import distinct
from fastgibbs.types import ArrayLike, FloatArray, IntArray, ModelLike, PathLike, Problem, Progress, Rule, Scan, Seed

_POINTS = 1001  # of a schedule that goes to inf, which tell how cold it is


@overload
def anneal(  # type: ignore[overload-overlap]  # a path is a sequence of letters
    model: Problem,
    *,
    betas: ArrayLike | Schedule | None = ...,
    beta: float | None = ...,
    gammas: ArrayLike | Schedule | None = ...,
    sweeps: int | Sequence[int] | IntArray | None = ...,
    reads: int | None = ...,
    population: bool = ...,
    resample_every: int | None = ...,
    rule: Rule = ...,
    scan: Scan = ...,
    start: ArrayLike | None = ...,
    seed: Seed = ...,
    threads: int | None = ...,
    time_limit: float | None = ...,
    target_energy: float | None = ...,
    keep: int = ...,
    engine: str = ...,
    progress: Progress = ...,
    clamp: Clamping | None = ...,
    checkpoint: PathLike | None = ...,
    every: float = ...,
) -> AnnealResult: ...
@overload
def anneal(
    model: Sequence[Problem],
    *,
    betas: ArrayLike | Schedule | None = ...,
    sweeps: int | Sequence[int] | IntArray | None = ...,
    reads: int | None = ...,
    rule: Rule = ...,
    scan: Scan = ...,
    start: ArrayLike | None = ...,
    seed: Seed = ...,
    threads: int | None = ...,
    time_limit: float | None = ...,
    target_energy: float | None = ...,
    keep: int = ...,
    engine: str = ...,
    progress: Progress = ...,
    clamp: Clamping | None = ...,
    checkpoint: PathLike | None = ...,
    every: float = ...,
) -> list[AnnealResult]: ...
@holding
def anneal(
    model: Problem | Sequence[Problem],
    *,
    betas: ArrayLike | Schedule | None = None,
    beta: float | None = None,
    gammas: ArrayLike | Schedule | None = None,
    sweeps: int | Sequence[int] | IntArray | None = None,
    reads: int | None = None,
    population: bool = False,
    resample_every: int | None = None,
    rule: Rule = "gibbs",
    scan: Scan = "sequential",
    start: ArrayLike | None = None,
    seed: Seed = None,
    threads: int | None = None,
    time_limit: float | None = None,
    target_energy: float | None = None,
    keep: int = 0,
    engine: str = "auto",
    progress: Progress = False,
    clamp: Clamping | None = None,
    checkpoint: PathLike | None = None,
    every: float = 60.0,
) -> AnnealResult | list[AnnealResult]:
    """Look for the minimum of E(s): `reads` independent runs of `sweeps` sweeps at beta_1, beta_2, ...

    At the end the best state that each read has seen descends, site by site, until no single flip lowers it; on graphs
    of few loops, or in fields, no domain of satisfied bonds either.

    Args:
        model: any (`fastgibbs.Energy`); or a sequence of Ising models of any sizes and graphs, for which a list of
            results is returned: many small ones take as long as their sweeps. Each has the bytes of a run of its own,
            `anneal(models[k], seed=results[k].seed, engine="sparse")`, its default schedule, and the timing of all.
            They go without population, start, time_limit, target_energy, keep, clamp, checkpoint and more than one
            batch.
        betas: inverse temperatures: an array, one per sweep or stretched to `sweeps` by linear interpolation; a
            schedule, `fastgibbs.geometric(first, last)` or `fastgibbs.linear(first, last)`; or None,
            `fastgibbs.beta_schedule(model, sweeps)`, read off what flips cost. What was used is in the result. An array
            may hold inf, next to which T = 1 / beta is interpolated: there a spin goes along its field, and one without
            field by a fair coin, or by "metropolis" turns.
        beta, gammas: of a `TransverseIsing` model, in place of betas: its inverse temperature, and the largest Gamma at
            every sweep, as an array or a schedule, by default from the model's own down to 0; other sites have theirs
            in proportion. Each sweep draws all worldlines; states are those of the classical model, of each read the
            lowest slice of the worldlines whose mean energy over slices was lowest, and traces are of these means.
            They go without population, start, time_limit, target_energy, keep, clamp, checkpoint, and more than one
            batch.
        sweeps: sweeps of n single-spin attempts in each read, by default 1000; or several such numbers: batches, in
            each of which all reads are cooled again, from fresh spins or from `start`, with other random numbers.
        reads: independent runs, by default 64, of each of which the best of all batches counts. The first k of them are
            the same however many there are, by the same engine, unless each has its own start.
        population: True makes the reads, by default 1024, one population that has the law of Boltzmann at every beta,
            from 0 on, where it begins: `result.population` has log Z and <E> with errors, and says how many families of
            reads are left; `last_states` are draws at the last beta. From beta to beta' each read gives way to as many
            copies of it as exp(-(beta' - beta) E) asks for, in the mean. Betas ascend from 0; by default they part what
            sites ask for as `beta_schedule` does, from 0 on. One law: no start, no time_limit, one batch.
        resample_every: sweeps at each beta of a population, by default 10, before it is resampled.
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
        engine: "auto", "multispin", "coloured", "dense", "sparse", "sparse64", "overlap", "layered", "polynomial" or
            "terms", as in `sample`.
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        clamp: sites that keep their values, as in `sample`: a dict of sites to values, one for all reads or
            (reads,), or a pair (mask, states), states (n,) or (reads, n).
        checkpoint, every: a file to save the run to and go on from, and the seconds between, as in `sample`; of runs of
            one batch.

    Returns an AnnealResult, also of a run that was stopped. The same seed and sweeps give the same bytes at any number
    of threads, unless it was stopped, by a limit or a target too, between the first and the last sweep of a batch; with
    another start, or in another verb, a seed gives other random numbers.

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Sources: Kirkpatrick, Gelatt, Vecchi, Science 220, 671 (1983); Santoro, Martonak, Tosatti and Car, Science 295, 2427
    (2002); of populations Hukushima and Iba, AIP Conf. Proc. 690, 200 (2003).

    >>> import fastgibbs as fg
    >>> glass = fg.edwards_anderson((4, 4), seed=1)
    >>> print(fg.anneal(glass, seed=1).energy[0], fg.exact.spectrum(glass).ground_energy)
    -22.0 -22.0
    >>> run = fg.anneal(glass, population=True, betas=fg.linear(0, 2), seed=1)
    >>> print(run.population.log_z[-1].round(1), fg.exact.spectrum(glass).log_z(2.0).round(1))
    44.7 44.7
    >>> glasses = [fg.random_regular(n, 3, seed=n) for n in (10, 20, 30)]
    >>> [float(run.energy[0]) for run in fg.anneal(glasses, seed=1)]
    [-11.0, -24.0, -35.0]
    >>> quantum = fg.TransverseIsing(glass, gamma=3.0, slices=16)
    >>> print(fg.anneal(quantum, beta=8.0, sweeps=100, seed=1).energy[0])
    -22.0
    """
    began = time.perf_counter()
    if not isinstance(model, list | tuple):
        model = problem("model", model, worldlines=True)
    checks.progress(progress)
    population = checks.flag("population", population)
    if resample_every is not None and not population:
        raise ValueError(f"resample_every is {checks.shown(resample_every)}: it goes with population=True")
    reads = checks.integer("reads", (READS if population else 64) if reads is None else reads)
    keep = checks.integer("keep", keep, minimum=0)
    unasked: dict[str, object] = dict(start=start, time_limit=time_limit)
    of_one = dict(target_energy=target_energy, keep=keep or None, clamp=clamp, checkpoint=checkpoint)
    of_one |= dict(population=population or None)
    how = How(rule, scan, engine, seed, threads, progress, began)
    if isinstance(model, TransverseIsing):
        unasked |= of_one | dict(betas=betas)
        return _of_worldlines(model, beta, gammas, Pace(sweeps, None, reads), reads, unasked, how)
    for name, value in (("beta", beta), ("gammas", gammas)):
        if value is not None:
            raise ValueError(f"{name} is given: it goes with a TransverseIsing model, other models take betas")
    if isinstance(model, list | tuple):
        return _of_several(of_several(model, unasked | of_one), betas, Pace(sweeps, None, reads), reads, how)
    target = -np.inf if target_energy is None else checks.finite_number("target_energy", target_energy)
    spins = given_start(model, start, reads)
    checks.require_memory(3 * reads * model.n, f"{reads} reads")
    pace = Pace(sweeps, time_limit, reads)
    if checkpoint is not None and (pace.timed or len(pace.asked) > 1):
        raise ValueError("a checkpoint is of one batch: give sweeps as one number, and no time_limit")
    held = clamped(model, clamp, reads)
    if population:
        resample_every = asked_population(resample_every, reads, pace.asked, held, unasked)
        schedule, coldest = heating(betas, model, pace.sweeps, resample_every)
    else:
        schedule, coldest = _schedule(betas, [model], pace.sweeps)
    setting = settled(
        [model],
        engine,
        rule=rule,
        scan=scan,
        chains=reads,
        clamp=held,
        threads=threads,
        tolerance=tolerable(coldest, LAW if population else DESCENT),
    )
    blocks = len(setting.engine.cut(reads, setting.threads))
    needed = keep * (3 * model.n * blocks + 2 * reads) + reads * model.n // 4 if keep else 0
    checks.require_memory(needed, f"keep={keep} in each of {blocks} blocks", "keep fewer states")
    betas, seed = schedule(pace.sweeps), None if seed is None else entropy_of(seed)
    settings = setting.saved() | dict(betas=betas, reads=reads, start=spins, seed=seed, keep=keep)
    settings |= dict(resample_every=resample_every) if population else {}
    file = Checkpoint(checkpoint, every, "anneal", settings)
    parts = setting, reads, spins, int(file.settings["seed"]), keep, target, betas
    job = Cooling(*parts) if resample_every is None else Populating(*parts, every=resample_every)
    begun = begin(job, file)
    with running(progress, file) as run:
        return _result(job, _in_batches(run, job, begun, pace, schedule), pace.asked, began)


def _in_batches(run: Run, job: Cooling, begun: Begun, pace: Pace, schedule: Callable[[int], FloatArray]) -> Batch:
    """What came of cooling all reads in one batch after another, until the pace, the target or a stop ends it."""
    pace.begin()
    found = None
    while True:
        ran = through(run.after(sum(found.done) if found else 0), begun, pace.left)
        batch = job.outcome(begun, ran)
        found = batch if found is None or pace.replaces(batch) else found.joined(batch)
        if run.asked or batch.best.min() <= job.target or not pace.goes_on(batch):
            return found
        job = job.batch(schedule(pace.sweeps), pace.number)
        begun = begin(job)


def _of_several(
    models: list[Ising], betas: ArrayLike | Schedule | None, pace: Pace, reads: int, how: How
) -> list[AnnealResult]:
    """A result for each of several models."""
    if len(pace.asked) > 1:
        raise ValueError(f"sweeps is {list(pace.asked)}: several models have one batch each, give a number")
    given = None
    if betas is not None:
        schedule, coldest = _schedule(betas, models, pace.sweeps)
        given = schedule(pace.sweeps), coldest
    return annealed(models, given, pace.sweeps, reads, how)


def _of_worldlines(
    model: TransverseIsing,
    beta: float | None,
    gammas: ArrayLike | Schedule | None,
    pace: Pace,
    reads: int,
    without: dict[str, object],
    how: How,
) -> AnnealResult:
    """Simulated quantum annealing."""
    for name, value in without.items():
        if value is not None:
            raise ValueError(f"{name} is given: an annealing of worldlines goes without")
    if beta is None:
        raise ValueError("beta is None: give the inverse temperature of the worldlines")
    at_beta = np.full(pace.sweeps, checks.finite_number("beta", beta))
    check_betas("beta", at_beta, [model])
    if len(pace.asked) > 1:
        raise ValueError(f"sweeps is {pace.asked}: worldlines are annealed in one batch, give a number")
    fading = fields(model, gammas, pace.sweeps)
    checks.require_memory(8 * reads * model.n, f"{reads} reads")
    setting = settled(
        [model],
        how.engine,
        rule=how.rule,
        scan=how.scan,
        chains=reads,
        clamp=None,
        threads=how.threads,
        tolerance=tolerable(at_beta, DESCENT),
    )
    strengths = fading / model.gamma.max()
    job = Fading(setting, reads, None, entropy_of(how.seed), 0, -np.inf, at_beta, strengths=strengths)
    begun = begin(job)
    with running(how.progress) as run:
        found = job.outcome(begun, through(run, begun))
        return replace(_result(job, found, pace.asked, how.began), gammas=fading, slices=model.slices)


def _result(job: Cooling, found: Batch, asked: tuple[int, ...], began: float) -> AnnealResult:
    """What all batches have found; `asked`: their sweeps, as they were asked for."""
    setting, model = job.setting, job.model
    order = np.argsort(found.best, kind="stable")
    order = order[found.best[order] < np.inf]  # a run that was stopped at once may not have begun all reads
    energy, states = found.best[order], found.states[order]
    lowest = states[energy == energy.min(initial=np.inf)]
    first, _, ground_counts = distinct(lowest)
    kept = lowest_states(model, found.tables)
    return AnnealResult(
        model=model,
        energy=energy,
        states=states,
        read=order,
        last_states=found.last_states[order],
        ground_states=lowest[first],
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
        seed=job.seed,
        engine=setting.name,
        rule=setting.rule,
        scan=setting.scan,
        timing=Timing.of(found.end, found.updates, began),
        interrupted=found.done != (asked or found.sweeps),
        clamped=setting.clamped,
        start="random" if job.start is None else "states",
        population=found.population and found.population._replace(families=found.population.families[order]),
    )


def _schedule(
    betas: ArrayLike | Schedule | None, models: Sequence[ModelLike], sweeps: int
) -> tuple[Callable[[int], FloatArray], float]:
    """The function of a number of sweeps that gives the beta of each, and the coldest at which draws must be right.

    What the last tenth of the default schedule, that of the first model, misses, or of betas that go to inf, the
    descent finds.
    """
    if betas is None:
        return partial(beta_schedule, models[0]), cooling(models[0], sweeps)[1]
    if isinstance(betas, Schedule):
        check_betas("betas", np.array([betas.first, betas.last]), models)
        return betas.betas, max(betas.first, betas.last)
    betas = checks.inverse_temperatures("betas", betas)
    if betas.ndim != 1 or betas.size == 0:
        raise ValueError(f"betas has shape {betas.shape}: give a 1-D array, a schedule or None")
    checks.refuse("betas", betas, betas < 0, "give inverse temperatures of at least 0")
    check_betas("betas", betas, models)
    coldest = betas.max()
    if coldest == np.inf:
        coldest = np.quantile(_cooled(betas, _POINTS), 0.9, method="higher")
    return partial(_cooled, betas), coldest


def _cooled(betas: FloatArray, sweeps: int) -> FloatArray:
    """Given betas, float64 (sweeps,): in equal steps of beta, but next to inf of T = 1 / beta."""
    linear = stretched(betas, sweeps)
    with np.errstate(divide="ignore", over="ignore"):  # beta = 0, or nearly
        return np.where(linear == np.inf, 1 / stretched(1 / betas, sweeps), linear)
