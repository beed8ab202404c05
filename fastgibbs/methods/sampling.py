"""`sample`: independent Markov chains of one model, each at its own inverse temperature."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, overload

from fastgibbs.engines.clusters import told
from fastgibbs.engines.streams import entropy_of
from fastgibbs.io.problems import problems
from fastgibbs.methods import binned, observing
from fastgibbs.methods.binned import Recording
from fastgibbs.methods.chains import Chains
from fastgibbs.methods.checkpoints import Checkpoint, holding
from fastgibbs.methods.continuing import Before
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.jobs import Length, Ran, begin, first_sweep, left, through
from fastgibbs.methods.many import How, apart, of_several, sampled
from fastgibbs.methods.moving import of_chains
from fastgibbs.methods.observing import Observe
from fastgibbs.methods.points import Points, asked_points, require_chance, require_still
from fastgibbs.methods.running import running
from fastgibbs.methods.settings import Clamping, check_betas, clamped, given_start, settled, tolerable
from fastgibbs.methods.spiking import asked_refractory
from fastgibbs.models import Ising, checks
from fastgibbs.models.protocols import Protocol
from fastgibbs.results.base import Result, Timing
from fastgibbs.results.drawn import IN_BINS
from fastgibbs.results.lanes import Left, by_lane, taken
from fastgibbs.results.sampled import ChainBlock, SampleResult, states_alone
from fastgibbs.threads import Asked
from fastgibbs.types import ArrayLike, ChainRule, ClusterMoves, PathLike, Problem, Progress, Scan, Seed

_LANES = 64  # of a word: with cluster moves, which pass over all of them, engines for few chains are no faster


@overload
def sample(
    model: Problem,
    *,
    beta: ArrayLike | Protocol,
    field: ArrayLike | Protocol | None = ...,
    sweeps: int | None = ...,
    chains: int | None = ...,
    burn_in: int = ...,
    thin: int = ...,
    at: ArrayLike | None = ...,
    rule: ChainRule = ...,
    refractory: int | None = ...,
    scan: Scan = ...,
    start: ArrayLike | SampleResult | None = ...,
    seed: Seed = ...,
    threads: int | None = ...,
    engine: str = ...,
    progress: Progress = ...,
    keep_states: bool = ...,
    strips: int | None = ...,
    record: Recording = ...,
    observe: Observe | None = ...,
    clamp: Clamping | None = ...,
    clusters: ClusterMoves | None = ...,
    cluster_every: int | None = ...,
    checkpoint: PathLike | None = ...,
    every: float = ...,
) -> SampleResult: ...
@overload
def sample(
    model: Sequence[Problem],
    *,
    beta: ArrayLike | Protocol,
    field: ArrayLike | Protocol | None = ...,
    sweeps: int | None = ...,
    chains: int | None = ...,
    burn_in: int = ...,
    thin: int = ...,
    at: ArrayLike | None = ...,
    rule: ChainRule = ...,
    refractory: int | None = ...,
    scan: Scan = ...,
    start: ArrayLike | SampleResult | None = ...,
    seed: Seed = ...,
    threads: int | None = ...,
    engine: str = ...,
    progress: Progress = ...,
    keep_states: bool = ...,
    strips: int | None = ...,
    record: Recording = ...,
    observe: Observe | None = ...,
    clamp: Clamping | None = ...,
    clusters: ClusterMoves | None = ...,
    cluster_every: int | None = ...,
    checkpoint: PathLike | None = ...,
    every: float = ...,
) -> SampleResult | list[SampleResult]: ...
@holding
def sample(
    model: Problem | Sequence[Problem],
    *,
    beta: ArrayLike | Protocol,
    field: ArrayLike | Protocol | None = None,
    sweeps: int | None = None,
    chains: int | None = None,
    burn_in: int = 0,
    thin: int = 1,
    at: ArrayLike | None = None,
    rule: ChainRule = "gibbs",
    refractory: int | None = None,
    scan: Scan = "sequential",
    start: ArrayLike | SampleResult | None = None,
    seed: Seed = None,
    threads: int | None = None,
    engine: str = "auto",
    progress: Progress = False,
    keep_states: bool = False,
    strips: int | None = None,
    record: Recording = "draws",
    observe: Observe | None = None,
    clamp: Clamping | None = None,
    clusters: ClusterMoves | None = None,
    cluster_every: int | None = None,
    checkpoint: PathLike | None = None,
    every: float = 60.0,
) -> SampleResult | list[SampleResult]:
    """Draw from p(s) = exp(-beta E(s)) / Z by `sweeps` sweeps of n single-spin attempts in each chain.

    Args:
        model: any (`fastgibbs.Energy`), or a sequence of Ising models that differ in the signs of their couplings
            only, of which chain k runs number k * len(model) // chains. Or of Ising models of any sizes, graphs and
            weights, for which a list of results is returned: many small ones take as long as their sweeps. Each has
            `chains` of its own, the bytes of `sample(models[k], seed=results[k].seed, engine="sparse")`, and the timing
            of all. They go without start, strips, record="bins", observe, clamp and checkpoint, and no run goes on from
            them. Or a `TransverseIsing` model: a sweep draws each worldline whole, and `result.observables` has of each
            draw "total_energy", "energy_slope", "x", "zz", "kinks", "abs_m", "m2" and "m4", of which
            `fastgibbs.analysis.quantum` makes means; `energy` is the diagonal part. Not with clamp or clusters, nor
            rule="metropolis"; beta is finite and at least 0.
        beta: inverse temperature 1/T, a number or one per chain; negative and 0 are allowed, and with "gibbs" inf. At
            T = 0 a spin goes along its field, and one without field by a fair coin: chains go down to where no field
            turns a spin, and what they reach is no draw from a law. Fields must be exact there: where those of float32
            are not, "auto" takes a slower engine. Or a `fastgibbs.protocol` of the beta of each sweep.
        field: b beside the model's own field, a number or one per chain: draws are from exp(-beta (E(s) - b sum_i s_i))
            / Z, and `energy` is E, without b. Or a protocol of the b of each sweep, `fastgibbs.oscillating` or
            `fastgibbs.protocol`: a driven run, whose draws have no law of their own but that of their sweep
            (`fastgibbs.analysis.response`). Protocols begin with the first sweep of the call, burn-in included, and
            burn_in and sweeps are whole periods each, or one protocol long together. Not with clusters; "layered" takes
            none.
        sweeps: sweeps after burn-in; every thin-th is recorded, so there are sweeps // thin draws.
        chains: independent chains; by default one per beta or field, or one per model of a sequence, or 64.
        burn_in: sweeps made first and not recorded.
        thin: sweeps from one draw to the next. A draw computes energies anew: it takes 0.3 to 0.7 of the time of a
            sweep on the multispin engine, 0.4 on the sparse one, 0.6 on the dense one, so that thin=1 slows the run by
            as much, thin=10 by a tenth of that. It takes next to nothing on the coloured and the overlap engine, which
            have energies, and 0.02 to 0.2 on the layered one, the less the larger the machine, which has the inputs
            they are sums of.
        at: the sweeps after which draws are made, ascending from 1, in place of sweeps, burn_in and thin: [1, 2, 4, 8]
            makes 8 sweeps and 4 draws. Of a run that goes on they are counted from there. For what changes with time,
            as `fastgibbs.analysis.two_time`; not with record="bins".
        rule: "gibbs" (heat bath: p = 1 / (1 + exp(beta dE))), "metropolis" (p = min(1, exp(-beta dE))) or "spiking":
            units that are 1, or spins up, are neurons that have spiked, and stay on for `refractory` sweeps; one that
            is not refractory spikes with p = 1 / (1 + refractory exp(-u)), u = -beta dE being the log odds of 1. Draws
            have the same law, by either scan, and forget more slowly: it is a model of neurons, and no better sampler.
            `result.spikes` tells when they spiked, where states are kept. At first those that are on have been so for
            a random part of that time. Engines "sparse", "sparse64" and "dense", one model, not with clusters.
        refractory: how many sweeps a spike lasts, 1 (which is "gibbs") to 127, by rule="spiking"; else leave it out.
        scan: "sequential" (sites in order, or colour by colour) or "random" (n sites drawn with replacement, the same
            in all chains). Sequential Metropolis, by sites or by colours, need not forget its start, at any beta: where
            a move costs nothing it is always made, and what it carries along is carried round for ever. So on a ring
            without field, at sites that feel neither bond nor field, in pieces that clamps leave with fields that
            cancel, and in small dense models with nearly free spins (of 65 +-J models of 7 spins, all coupled, one).
            Nothing in a result may show it. At beta = 0 it flips every spin that the scan visits, alike in all chains:
            refused in sequence, or with a start of your own. "gibbs", or scan="random" at a beta above 0, has no such
            corner.
        start: states (n,) or (chains, n) in the model's units; by default every spin is drawn at random. A run from
            states of another shares no random number with it, though the seed be the same. Or the SampleResult of a
            run, which goes on: with its chains, where they stood, its random numbers, its engine and strips, and draws
            that are those which as many more sweeps would have added to it, at the same beta; beta, rule (but "spiking"
            only after "spiking", as refractory), scan and what is recorded may be others. Refused for other models or
            another clamp, of a result that was loaded from a file, and where a stop left blocks at different sweeps:
            there start=result.states begins a new run.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced). A run that goes on has one.
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        engine: "auto", "multispin" (couplings +-J, degree at most 12, uniform field; updates a graph colour by colour
            instead of site by site), "coloured" (any couplings, in that order, sixteen sites of a colour at once: for
            few chains; "auto" takes it for up to 4), "dense" (most pairs coupled: fields are kept, and a flip costs n
            sums), "sparse" (any couplings), "sparse64" (the same in 104 bits in place of 24, for small fields beside
            large couplings that cancel: other engines refuse them, by how much beta makes of what rounding loses),
            "overlap" (Hopfield models by their patterns), "layered" (an RBM: all hidden units at once, then all visible
            ones), "polynomial" (products of any number of variables), "worldline" (quantum spins) or "terms" (any
            energy that says what a flip costs, not at beta = inf).
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        keep_states: keep the state of every draw, one bit a spin, for `result.samples`; of a neuron two.
        strips: a power of two up to 64, for the multi-spin engine: cut a periodic lattice along its first axis, so that
            few chains fill the 64 lanes of a word. By default as many as do; the number is in the result.
        record: "draws" keeps every draw; "bins" keeps, of each chain, sums in 16 to 32 bins of time and a histogram of
            its energies, so that memory and checkpoints do not grow with sweeps: 3.2 kB a chain and 0.5 kB an
            observable. Records are then `fastgibbs.analysis.Binned`, which all statistics take, in `result.bins`; the
            draws are the same. Not with functions to observe, nor keep_states.
        observe: a dict of names to weights w (n,), for w.s at every draw in `result.observables`, s =
            model.to_spins(state); or to functions of the states of a draw, int8 (chains, n) in the model's units, that
            return (chains,) or (chains, ...) real numbers. Functions are called when the run has ended (until then
            its states take one bit a spin), and once before, on random states, to see what they return.
        clamp: sites that keep their values, and no sweep visits, while the others are drawn given those: a dict of
            sites to values in the model's units, a number or one per chain, (chains,); or a pair (mask, states), where
            the mask, bool (n,), is True, of states (n,) or (chains, n).
        clusters: cluster moves of all chains beside the sweeps, of a model with an Ising form: "swendsen-wang" (bonds
            that J and the spins satisfy are on with probability 1 - exp(-2 beta |J|), and each cluster that they
            connect is turned with probability 1/2; any signs and weights of J, fields, clamps; fastest where few
            distances i - j have most bonds of one |J|, as on lattices) or "wolff" (the cluster of one random site is
            turned; slower at Tc of square lattices, of 64^2 to 1024^2 sites). `result.observables` then has of each
            draw what the last move told: "cluster_m2", an estimate of m^2 with less noise and the same mean, so that
            beta n <cluster_m2> is chi where <m> = 0; "cluster_size", the share of sites in the cluster of a random
            site; and, by "swendsen-wang", "largest_cluster", the share in the largest. They pay near critical points of
            large ferromagnets and of what is little frustrated; where clusters hold nearly all sites, as in glasses and
            strong fields, they do nothing, and the summary says so.
        cluster_every: sweeps from one cluster move to the next, by default 1, the first after the first sweep. At 0
            chains make no single-spin attempts: a sweep is a cluster move.
        checkpoint: path of a file that the run is saved to; where it is there, saved by the same run, the call goes on
            from it and returns the same bytes as if it had never stopped. With more sweeps than it was saved with, it
            returns what so many would have at once; so it does with more models, at the end of the sequence, each with
            as many chains. Ctrl-C, SIGTERM and the end save it too. No other run may use it meanwhile, and what no run
            of this kind can have written is refused.
        every: seconds between two such savings.

    Returns a SampleResult, or a list of them; after Ctrl-C the draws made so far, with `interrupted` set. The same seed
    gives the same bytes at any number of threads, and chain k is the same however many chains there are (by the same
    engine, at the same `strips`, unless each chain has a start of its own, and by the multi-spin engine unless chains
    are at several betas, of which some are so cold that it draws the rare flips alone).

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Sources: Metropolis et al., J. Chem. Phys. 21, 1087 (1953), eq. (2); Geman and Geman, IEEE PAMI 6, 721 (1984);
    Swendsen and Wang, Phys. Rev. Lett. 58, 86 (1987); Wolff, Phys. Rev. Lett. 62, 361 (1989); Buesing, Bill, Nessler
    and Maass, PLoS Comput. Biol. 7, e1002211 (2011).

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.3, 0.6], sweeps=1000, burn_in=100, seed=1)
    >>> run.energy.shape, (run.energy.mean(axis=1) / 64).round(2).tolist()
    ((2, 1000), [-0.72, -1.9])
    >>> glasses = [fg.random_regular(n, 3, seed=n) for n in (10, 20)]
    >>> [run.energy.mean().round(1).item() for run in fg.sample(glasses, beta=1.0, sweeps=1000, seed=1)]
    [-9.2, -20.6]
    """
    began = time.perf_counter()
    models = problems("model", model, worldlines=True)
    checks.progress(progress)
    if apart(models, engine):
        without: dict[str, object] = dict(rule="spiking" if rule == "spiking" else None, refractory=refractory)
        without |= dict(field=field, start=start, strips=strips, observe=observe, clamp=clamp, checkpoint=checkpoint)
        without |= dict(clusters=clusters, cluster_every=cluster_every)
        several = of_several(models, without | dict(record=None if record == "draws" else record))
        how = How(rule, scan, engine, seed, threads, progress, began)
        return _of_each(several, beta, chains, Length.of(sweeps, burn_in, thin, at=at), keep_states, how)
    before = Before(start if isinstance(start, Result) else None, SampleResult, models)
    engine, strips, chains, seed = before.same(engine=engine, strips=strips, chains=chains, seed=seed)
    clusters, cluster_every = before.same(clusters=clusters, cluster_every=cluster_every)
    moved_every = of_chains(clusters, cluster_every, models)
    refractory = asked_refractory(rule, refractory, clusters, before)
    if moved_every is not None:
        if strips not in (None, 1):
            raise ValueError(f"strips is {strips}: clusters cross strips, leave them out")
        strips = 1
    keep_states, length = checks.flag("keep_states", keep_states), Length.of(sweeps, burn_in, thin, before.done, at)
    points = asked_points(beta, field, chains, len(models), length._replace(burn_in=length.burn_in - before.done))
    chains, betas = points.chains, points.betas
    require_still(clusters, points)
    observed = observing.asked(observe, models[0], chains)
    keeps, n = keep_states or bool(observed.functions), models[0].n
    spins = None if isinstance(start, Result) else given_start(models[0], start, chains)
    in_bins = binned.checked(record, observed, keep_states, length.at is not None)
    bits = keep_states * (1 if refractory is None else 2)
    _require_memory(points, n, length.draws, observed, clusters, bits, in_bins)
    require_chance(rule, scan, points, start)
    check_betas("beta", betas, models, points.fields)
    setting = settled(
        models,
        engine,
        rule=rule,
        scan=scan,
        strips=strips,
        chains=chains if clusters is None else max(chains, _LANES),
        clamp=clamped(models[0], clamp, chains),
        threads=threads,
        tolerance=tolerable(betas),
        fields=points.fields,
        refractory=refractory,
    )
    before.require_clamp(setting)
    weights, seed = observed.matrix(n), None if seed is None else entropy_of(seed)
    settings = setting.saved() | length._asdict() | dict(seed=seed, record=record)
    settings |= dict(start=before.states() if before.left and checkpoint is not None else spins, keep_states=keeps)
    moves: dict[str, Any] = dict(clusters=clusters, cluster_every=moved_every)
    settings |= moves | dict(observe=[*observed.names, weights])
    saved = points.saved(len(models))
    grows = ("sweeps", "model", *saved, *(["at"] if length.at else []))
    file = Checkpoint(checkpoint, every, "sample", settings | saved, grows=grows)
    address = run_entropy(int(file.settings["seed"]), "sample", spins)
    kept: dict[str, Any] = dict(weights=weights, keeps=keeps, in_bins=in_bins, before=before.left)
    job = Chains(setting, points, length, spins, address, **kept, **moves)
    begun = begin(job, file)
    with running(progress, file) as under_way:
        ran = through(under_way, begun)
        found = _found(job, ran, observed, under_way.asked)
        blocks = _ended(job, ran, left(begun, ran), keep_states)
        return _result(job, found, blocks, int(file.settings["seed"]), Timing.of(ran.end, ran.updates, began))


def _of_each(
    models: list[Ising], beta: ArrayLike | Protocol, chains: int | None, length: Length, keep_states: bool, how: How
) -> list[SampleResult]:
    """A result for each of several models on graphs of their own."""
    if isinstance(beta, Protocol):
        raise ValueError("beta is a protocol: several models on graphs of their own take none, give numbers")
    points = asked_points(beta, None, chains, 1, length)
    require_chance(how.rule, how.scan, points, None)
    check_betas("beta", points.betas, models)
    return sampled(models, points.shown(points.betas), length, checks.flag("keep_states", keep_states), how)


def _require_memory(
    points: Points,
    n: int,
    draws: int,
    observed: observing.Observed,
    clusters: str | None,
    bits: int,
    in_bins: bool,
) -> None:
    """ValueError unless there is memory for a run and its result; `bits` of a spin are kept at each draw."""
    more, chains = len(told(clusters)), points.chains
    of_draw = 32 + observed.nbytes(n) + 8 * more + bits * n // 8
    rest = chains * (n + 16 * points.rows) + (0 if clusters is None else 32 * n * -(-chains // _LANES))
    what = f"a result of chains x draws = {chains} x {draws}"
    binned.require_memory(what, chains, draws * of_draw, len(observed.weights) + more, in_bins, rest)


def _ended(job: Chains, ran: Ran, places: Iterable[Left], keep_states: bool) -> list[ChainBlock]:
    """Blocks as a result holds them: what they have come to, without what it took."""
    return [
        block._replace(
            plan=job.setting.engine.seen(block.plan),
            record=states_alone(block.record, keep_states),
            left=place,
            clusters=None,
        )
        for block, place in zip(ran.blocks, places, strict=True)
    ]


def _result(job: Chains, found: dict[str, Any], blocks: list[ChainBlock], seed: int, timing: Timing) -> SampleResult:
    """What a run has come to; `found` as of `_found`, `seed` that of the run."""
    setting, points, models = job.setting, job.points, job.setting.given
    return SampleResult(
        model=models[0] if len(models) == 1 else tuple(models),
        **found,
        beta=points.shown(points.betas),
        field=None if points.fields is None else points.shown(points.fields),
        seed=seed,
        engine=setting.name,
        strips=setting.strips,
        rule=setting.rule,
        refractory=setting.refractory,
        scan=setting.scan,
        burn_in=job.length.burn_in - first_sweep(job),
        thin=job.length.thin,
        timing=timing,
        _blocks=blocks,
        clamped=setting.clamped,
        clusters=job.clusters,
        cluster_every=job.cluster_every,
        start="run" if job.before else "random" if job.start is None else "states",
    )


def _found(job: Chains, ran: Ran, observed: observing.Observed, asked: Asked) -> dict[str, Any]:
    """What chains have recorded, draws or bins, and whether they were interrupted before the last of these."""
    blocks, end, chains = ran.blocks, ran.end, job.chains
    if job.in_bins:
        bins = job.kept(blocks, end.done, (*observed.names, *job.told))
        return IN_BINS | dict(bins=bins, interrupted=end.interrupted)
    draws = job.rows(min(end.done))
    found, evaluated = observing.evaluated(observed, partial(job.states, blocks), chains, draws, asked)
    interrupted, draws = end.interrupted or evaluated < draws, evaluated
    for number, name in enumerate((*observed.weights, *job.told)):
        found[name] = by_lane([block.record.observables.record[:draws, number] for block in blocks], chains)
    magnetization = taken(blocks, "magnetizations", draws, chains)
    magnetization /= max(job.setting.n, 1)
    return dict(
        energy=taken(blocks, "energies", draws, chains),
        magnetization=magnetization,
        observables={name: found[name] for name in (*observed.names, *job.told)},
        interrupted=interrupted,
        at=job.length.chosen(draws),
    )
