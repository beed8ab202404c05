"""`temper`: parallel tempering, ladders of replicas that exchange their temperatures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from fastgibbs.engines.replicas import HOUDAYER
from fastgibbs.engines.streams import entropy_of
from fastgibbs.io.problems import problems
from fastgibbs.methods import binned, observing
from fastgibbs.methods.adapting import adapting, saved_ladder
from fastgibbs.methods.binned import Recording
from fastgibbs.methods.checkpoints import NONE, Checkpoint, holding
from fastgibbs.methods.continuing import Before
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.jobs import Length, begin, first_sweep, left, through
from fastgibbs.methods.ladders import Gathered, Ladders, told
from fastgibbs.methods.moving import of_ladders
from fastgibbs.methods.observing import Observe, Observed
from fastgibbs.methods.rungs import asked_rungs
from fastgibbs.methods.running import Advanced, running
from fastgibbs.methods.settings import Clamping, check_betas, clamped, tolerable
from fastgibbs.methods.several import Several, groups, seeds_of, settled_each
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy
from fastgibbs.results.base import Timing
from fastgibbs.results.drawn import IN_BINS
from fastgibbs.results.tempered import ReplicaOverlaps, Round, TemperResult
from fastgibbs.threads import Asked
from fastgibbs.types import (
    ArrayLike,
    FloatArray,
    LadderMoves,
    PathLike,
    Problem,
    Progress,
    Rule,
    Seed,
    States,
)


@overload
def temper(  # type: ignore[overload-overlap]  # a path is a sequence of letters
    model: Problem,
    *,
    betas: ArrayLike | None = ...,
    fields: ArrayLike | None = ...,
    gammas: ArrayLike | None = ...,
    rungs: int | None = ...,
    sweeps: int = ...,
    ladders: int | None = ...,
    rule: Rule = ...,
    swap_every: int = ...,
    burn_in: int | None = ...,
    thin: int = ...,
    start: TemperResult | list[TemperResult] | None = ...,
    seed: Seed = ...,
    threads: int | None = ...,
    adapt: bool = ...,
    clusters: bool | LadderMoves | None = ...,
    cluster_every: int | None = ...,
    overlap_every: int = ...,
    engine: str = ...,
    progress: Progress = ...,
    observe: Observe | None = ...,
    record: Recording = ...,
    clamp: Clamping | None = ...,
    checkpoint: PathLike | None = ...,
    every: float = ...,
) -> TemperResult: ...
@overload
def temper(
    model: Sequence[Problem],
    *,
    betas: ArrayLike | None = ...,
    fields: ArrayLike | None = ...,
    gammas: ArrayLike | None = ...,
    rungs: int | None = ...,
    sweeps: int = ...,
    ladders: int | None = ...,
    rule: Rule = ...,
    swap_every: int = ...,
    burn_in: int | None = ...,
    thin: int = ...,
    start: TemperResult | list[TemperResult] | None = ...,
    seed: Seed = ...,
    threads: int | None = ...,
    adapt: bool = ...,
    clusters: bool | LadderMoves | None = ...,
    cluster_every: int | None = ...,
    overlap_every: int = ...,
    engine: str = ...,
    progress: Progress = ...,
    observe: Observe | None = ...,
    record: Recording = ...,
    clamp: Clamping | None = ...,
    checkpoint: PathLike | None = ...,
    every: float = ...,
) -> list[TemperResult]: ...
@holding
def temper(
    model: Problem | Sequence[Problem],
    *,
    betas: ArrayLike | None = None,
    fields: ArrayLike | None = None,
    gammas: ArrayLike | None = None,
    rungs: int | None = None,
    sweeps: int = 10_000,
    ladders: int | None = None,
    rule: Rule = "gibbs",
    swap_every: int = 1,
    burn_in: int | None = None,
    thin: int = 1,
    start: TemperResult | list[TemperResult] | None = None,
    seed: Seed = None,
    threads: int | None = None,
    adapt: bool = True,
    clusters: bool | LadderMoves | None = False,
    cluster_every: int | None = None,
    overlap_every: int = 10,
    engine: str = "auto",
    progress: Progress = False,
    observe: Observe | None = None,
    record: Recording = "draws",
    clamp: Clamping | None = None,
    checkpoint: PathLike | None = None,
    every: float = 60.0,
) -> TemperResult | list[TemperResult]:
    """Draw from p(s) = exp(-beta E(s)) / Z at a ladder of betas whose replicas exchange their temperatures.

    After a sweep of every replica, neighbouring rungs r, r + 1 swap with probability
    min(1, exp((beta_{r+1} - beta_r) (E_{r+1} - E_r))), even and odd r in turn (non-reversible). A rung may have a field
    of its own too: replicas then exchange points (beta_r, b_r). Worldlines of a `TransverseIsing` model exchange beta,
    or the transverse field, by the weights of Z_M.

    Args:
        model: any (`fastgibbs.Energy`), or a sequence of Ising models of one n, for which a list of results is
            returned, all of one ladder, which is adapted to all. Models that differ in the signs of their couplings
            alone share the words of the multi-spin engine, and the seed. Of any others each has an engine, a seed and
            the bytes of its own, `temper(models[k], betas=results[k].betas, seed=results[k].seed)`, runs as fast as
            alone, and shares threads and the timing of all; they go without functions to observe.
        betas: ascending inverse temperatures, run as they are; the two ends of a ladder of `rungs` rungs; or None, from
            0 to the coldest the model asks for (`fastgibbs.methods.schedules.coldest`).
        fields: b_r beside the model's own field, (rungs,), for draws from exp(-beta_r (E(s) - b_r sum_i s_i)) / Z;
            `energy` is E, without b. `betas` are then as many, or one number for all; both may go up and down. Not with
            clusters, nor adapted; `log_z` is that of each point.
        gammas: of a `TransverseIsing` model, in place of a ladder of betas, which is then one number: the largest Gamma
            at each rung, descending, other sites having theirs in proportion; or the two ends of `rungs` rungs, spaced
            as betas are. Draws tell what they do in `sample`, and "log_up" and "log_down", the logarithms of their
            weights at the next rung, and the one before, over that at their own, 0 at the ends, of which `log_z` is
            made. Worldlines go without overlaps, clusters, fields and clamp, and betas have no default.
        rungs: number of rungs; by default as many as the barrier Lambda met in adaptation asks for, 2 Lambda + 1.
        sweeps: sweeps after burn-in; every thin-th is recorded, after the swaps.
        ladders: independent ladders of every model, by default 2.
        rule: "gibbs" or "metropolis", as in `sample`. At beta = 0 a Gibbs sweep draws all spins afresh.
        swap_every: sweeps between swap rounds.
        burn_in: sweeps made first and not recorded, by default sweeps // 5, of a run that goes on 0.
        thin: sweeps from one draw to the next. What a draw costs on each engine `sample` says; here every swap round
            computes energies too, so that a draw right after one, each with swap_every=1, costs next to nothing.
        start: None, or what `temper` returned, a TemperResult or all of a list: that run goes on, with its ladder, its
            replicas where they stood, its random numbers and its engine. Draws are those which as many more sweeps
            would have added to it; everything else is counted from here on. Refused as in `sample`.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced). A run that goes on has one.
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        adapt: unless all betas are given, space the ladder so that all swaps are equally likely, in rounds of doubling
            length before the run; False spaces it evenly.
        clusters: cluster moves beside sweeps, of a model with an Ising form. "houdayer", or True, exchanges clusters
            between ladders 0 and 1, 2 and 3 ... at the rungs where they do not percolate. "joerg" turns clusters of
            satisfied bonds in both replicas of such a pair at once, at fixed overlap, and "cmr" (Chayes, Machta,
            Redner) draws overlaps of clusters afresh besides. "swendsen-wang" and "wolff" are moves of every replica,
            as in `sample`, and tell `result.observables` what they tell there. Round trips a second, glasses: in 2D
            Houdayer every 10th sweep and Joerg every 100th pay by a fifth, in 3D by little or nothing; the others cost
            more than they save there: they are for what is little frustrated.
        cluster_every: sweeps from one cluster move to the next, by default `swap_every`; before swaps.
        overlap_every: sweeps between measurements of the overlaps of ladders 0 and 1, 2 and 3 ...; 0 for none.
        engine: "auto", "multispin", "coloured", "dense", "sparse", "sparse64", "overlap", "layered", "polynomial" or
            "terms", as in `sample`.
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        observe: a dict of names to weights (n,) or functions, as in `sample`; to a function the chains are the rungs
            of ladder 0, then those of ladder 1 ..., of all models.
        record: "draws" keeps every draw; "bins" keeps, at each rung of a ladder, sums in 16 to 32 bins of time and a
            histogram of its energies, and 128 bins of an overlap, so that memory and checkpoints do not grow with
            sweeps: 3.2 kB a rung and 0.5 kB an observable. Records are then `fastgibbs.analysis.Binned`, which all
            statistics take, in `result.bins`; the draws are the same. Not with functions to observe.
        clamp: sites that keep their values, as in `sample`, alike in all replicas: a dict of sites to values, or a pair
            (mask, states), states (n,); log Z sums over the others.
        checkpoint, every: a file to save the run to and go on from, and the seconds between, as in `sample`. With more
            sweeps, or more models, a run goes on whose ladder is not adapted, if burn_in is given or happens to be the
            same.

    Returns a TemperResult; after Ctrl-C what was done so far, with `interrupted` set. The same seed gives the same
    bytes at any number of threads, and ladder g is the same however many ladders there are, by the same engine, if
    betas are given.

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Sources: Geyer, Computing Science and Statistics 23, 156 (1991); Hukushima and Nemoto, J. Phys. Soc. Jpn. 65, 1604
    (1996); Syed, Bouchard-Cote, Deligiannidis, Doucet, J. R. Stat. Soc. B 84, 321 (2022), algorithms 1 and 4.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.2, 0.3, 0.4], sweeps=1000, seed=1)
    >>> run.energy.shape, (run.energy.mean(axis=(0, 2)) / 64).round(2).tolist()
    ((2, 3, 1000), [-0.42, -0.7, -1.21])
    >>> quantum = fg.TransverseIsing(fg.lattice((6,)), gamma=1.0, slices=16)
    >>> run = fg.temper(quantum, betas=2.0, gammas=[2.0, 1.0, 0.5], sweeps=1000, seed=1)
    >>> [f"{found.gamma:g}: {found.x.mean:.2f}" for found in fg.analysis.quantum(run)]
    ['2: 0.93', '1: 0.58', '0.5: 0.27']
    """
    began = time.perf_counter()
    models = problems("model", model, worldlines=True)
    checks.progress(progress)
    adapt = checks.flag("adapt", adapt)
    sweeps = checks.integer("sweeps", sweeps)
    before = Before(start, TemperResult, models)
    engine, betas, ladders, seed = before.same(engine=engine, betas=betas, ladders=ladders, seed=seed)
    fields, gammas = before.same(fields=fields, gammas=gammas)
    kind, cluster_every = before.same(clusters=_asked(clusters), cluster_every=cluster_every)
    burn_in = (0 if before.left else sweeps // 5) if burn_in is None else burn_in
    length, swap_every = Length.of(sweeps, burn_in, thin, before.done), checks.integer("swap_every", swap_every)
    ladders = checks.integer("ladders", 2 if ladders is None else ladders)
    overlap_every = checks.integer("overlap_every", overlap_every, minimum=0)
    overlap_every = 0 if as_energy(models[0]).by_worldlines else overlap_every
    moved_every = of_ladders(kind, cluster_every, models, ladders, swap_every)
    betas, fields, gammas, grows, adapt = asked_rungs(betas, fields, gammas, rungs, adapt, kind, models[0])
    check_betas("betas", betas, models, fields)
    if rule == "metropolis" and (betas == 0).any():
        raise ValueError(
            f'betas[{(betas == 0).argmax()}] is 0: there Metropolis flips every spin in order; use rule="gibbs", which '
            "draws afresh"
        )
    count, n = len(models) * ladders * betas.size, models[0].n
    observed = observing.asked(observe, models[0], count)
    plans = groups(models, engine, observed)
    common: dict[str, Any] = dict(rule=rule, threads=threads, clamp=clamped(models[0], clamp, None), fields=fields)
    engines = before.of_each("engine", [engine] * len(plans))
    each = settled_each(plans, engines, ladders * betas.size, **common, tolerance=tolerable(betas))
    more = len(told(each[0].engine, kind))
    in_bins, of_draw = binned.checked(record, observed), 16 + observed.nbytes(n) + 8 * more
    what, of_draws = f"{len(models) * ladders} ladders", of_draw * length.draws
    binned.require_memory(what, count, of_draws, len(observed.weights) + more, in_bins, count * n)
    before.require_clamp(each[0])

    weights, seed = observed.matrix(n), None if seed is None else entropy_of(seed)
    asked: dict[str, Any] = dict(ladders=ladders, swap_every=swap_every, overlap_every=overlap_every)
    asked |= dict(clusters=kind, cluster_every=moved_every)
    settings = each[0].saved() | length._asdict() | asked | dict(rungs=rungs, betas=betas, adapt=adapt, seed=seed)
    settings |= dict(observe=[*observed.names, weights], record=record)
    settings |= dict(start=before.states() if before.left and checkpoint is not None else None)
    settings |= {name: of for name, of in (("fields", fields), ("gammas", gammas)) if of is not None}
    settings |= dict(model=models) | (dict(apart=True) if len(plans) > 1 else {})
    longer = () if adapt else ("sweeps", "model")  # rounds of adaptation are as long as sweeps ask for, of all models
    file = Checkpoint(checkpoint, every, "temper", settings, grows=longer)
    seeds = before.of_each("seed", seeds_of(int(file.settings["seed"]), len(plans)))
    kept: dict[str, Any] = dict(weights=weights, keeps=bool(observed.functions), in_bins=in_bins, before=before.left)
    asked |= dict(betas=betas, fields=fields, gammas=gammas, length=length)
    jobs = [Ladders(s, **asked, seed=run_entropy(k, "temper"), **kept) for s, k in zip(each, seeds, strict=True)]
    job = Several(tuple(jobs), before.left, in_bins)
    adapted = saved_ladder(file, job, grows, adapt)

    with running(progress, file) as under_way:
        if adapt:
            adapted = adapting(job, adapted, grows, under_way)
        if unfinished := bool(under_way.asked):
            under_way = under_way._replace(checkpoint=NONE)  # the file keeps the round that was stopped
        under_way.checkpoint.enter({"rounds": adapted.rounds}, {"betas": adapted.ladder})
        job = job.at(adapted.ladder, adapted.starts)
        begun = begin(job, under_way.checkpoint)
        ran = through(under_way, begun)
        blocks, end, updates = ran
        end = end._replace(interrupted=end.interrupted or unfinished, compiling=adapted.compiling + end.compiling)
        draws, places = job.rows(min(end.done)), left(begun, ran)
        found = [_observables(one, observed, under_way.asked) for one in job.gathered(blocks, draws, end.done)]
        end = end._replace(interrupted=end.interrupted or found[0][0].draws < draws)
        timing, rounds = Timing.of(end, updates, began), tuple(adapted.rounds)
        pairs = zip(found, seeds, strict=True)
        parts = [_results(one, seen, rounds, seed, end, timing, places) for (one, seen), seed in pairs]
        results = [result for part in parts for result in part]
        return results if isinstance(model, list | tuple) else results[0]


def _asked(clusters: bool | str | None) -> str | None:
    """The kind of cluster moves, or None for none; TypeError if it is neither a flag nor a text."""
    if isinstance(clusters, str) or clusters is None:
        return clusters
    return HOUDAYER if checks.flag("clusters", clusters) else None


def _observables(found: Gathered, observed: Observed, asked: Asked) -> tuple[Gathered, dict[str, FloatArray]]:
    """What was observed, (ladders, rungs, draws, ...), and the draws of which all of it is known."""
    job, model = found.job, found.job.setting.given[0]
    shape = job.count, job.betas.size

    def states(draw: int) -> States:
        return model.from_spins(checks.rows(found.sample(draw)))

    values, draws = observing.evaluated(observed, states, job.count * job.betas.size, found.draws, asked)
    found = found._replace(draws=draws)
    values = {name: of_draws.reshape(*shape, *of_draws.shape[1:]) for name, of_draws in values.items()}
    values |= {name: found.observable(number) for number, name in enumerate((*observed.weights, *job.told))}
    return found, {name: values[name] for name in (*observed.names, *job.told)}


def _results(
    found: Gathered,
    observables: dict[str, Any],
    rounds: tuple[Round, ...],
    seed: int,
    end: Advanced,
    timing: Timing,
    places: Any,
) -> list[TemperResult]:
    """One result for every model."""
    job, setting = found.job, found.job.setting
    n, spins = max(setting.n, 1), found.spins()
    kept = dict(energy=found.record("energies"), magnetization=found.record("magnetizations"))
    kept["magnetization"] /= n
    bins = found.bins(observables) if job.in_bins else None
    restarts, round_trips = found.of_ladders("restarts"), found.of_ladders("round_trips")
    acceptance, overlaps = found.acceptance(len(setting.given)), _overlaps(found)
    visits = np.concatenate([block.ladders.visits for block in found.blocks], axis=1)
    results = []
    for k, model in enumerate(setting.given):
        mine = slice(k * job.ladders, (k + 1) * job.ladders)
        hot, cold = visits[:, mine].sum(axis=1)
        if bins is not None:
            rungs = slice(mine.start * job.betas.size, mine.stop * job.betas.size)
            of_model = IN_BINS | {"bins": bins.of(rungs)}
        else:
            of_model = {name: values[mine] for name, values in kept.items()}
            of_model["observables"] = {name: values[mine] for name, values in observables.items()}
        results.append(
            TemperResult(
                model=model,
                betas=job.betas,
                fields=job.fields,
                gammas=job.gammas,
                **of_model,
                states=model.from_spins(spins[mine]),
                acceptance=acceptance[k],
                round_trips=round_trips[mine],
                restarts=restarts[mine],
                flow=hot / np.maximum(hot + cold, 1),
                overlap=overlaps[k],
                adaptation=rounds,
                seed=seed,
                engine=setting.name,
                rule=setting.rule,
                swap_every=job.swap_every,
                burn_in=job.length.burn_in - first_sweep(job),
                thin=job.length.thin,
                timing=timing,
                interrupted=end.interrupted,
                clamped=setting.clamped,
                clusters=job.clusters,
                cluster_every=job.cluster_every,
                start="run" if job.before else "random",
                together=len(setting.given) if len(setting.given) > 1 else None,
                _blocks=places,
            )
        )
    return results


def _overlaps(found: Gathered) -> list[ReplicaOverlaps | None]:
    """What the pairs of ladders of each model have in common, if they were compared."""
    job, models = found.job, len(found.job.setting.given)
    if not job.overlap_every or job.ladders < 2:
        return [None] * models
    histogram, moments = job.histogram, np.concatenate([block.pairs.moments for block in found.blocks])
    draws = histogram.sum(axis=2)
    means = moments / np.maximum(draws, 1)[..., None]
    values = draws[:, 0], histogram, *np.moveaxis(means[..., :6], 2, 0), means[..., 6:]
    parts = (np.split(of_all, models) for of_all in values)
    return [ReplicaOverlaps(*of_model) for of_model in zip(*parts, strict=True)]
