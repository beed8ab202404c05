"""`temper`: parallel tempering, ladders of replicas that exchange their temperatures."""

import time
from dataclasses import replace

import numpy as np

from fastgibbs.engines import drivers
from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods import observing
from fastgibbs.methods.adapting import FIRST_RUNGS, adapting, saved_ladder
from fastgibbs.methods.blocks import check_betas, clamped, settled, tolerable
from fastgibbs.methods.checkpoints import NONE, Checkpoint, holding
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.ladders import MAX_RUNGS, Gathered, Ladders
from fastgibbs.methods.run import Length, begin, through
from fastgibbs.methods.running import running
from fastgibbs.methods.schedules import coldest
from fastgibbs.models import checks
from fastgibbs.results.base import Timing
from fastgibbs.results.tempered import Overlap, TemperResult


@holding
def temper(
    model,
    *,
    betas=None,
    rungs=None,
    sweeps=10_000,
    ladders=2,
    rule="gibbs",
    swap_every=1,
    burn_in=None,
    thin=1,
    seed=None,
    threads=None,
    adapt=True,
    clusters=False,
    overlap_every=10,
    engine="auto",
    progress=False,
    observe=None,
    clamp=None,
    checkpoint=None,
    every=60.0,
) -> "TemperResult | list[TemperResult]":
    """Draw from p(s) = exp(-beta E(s)) / Z at a ladder of betas whose replicas exchange their temperatures.

    After a sweep of every replica, neighbouring rungs r, r + 1 swap with probability
    min(1, exp((beta_{r+1} - beta_r) (E_{r+1} - E_r))), even and odd r in turn (non-reversible).

    Args:
        model: any (`fastgibbs.Energy`), or a sequence of Ising models that differ in the signs of their couplings
            only, for which a list of results is returned.
        betas: ascending inverse temperatures, run as they are; the two ends of a ladder of `rungs` rungs; or None, from
            0 to the coldest the model asks for (`fastgibbs.methods.schedules.coldest`).
        rungs: number of rungs; by default as many as the barrier Lambda met in adaptation asks for, 2 Lambda + 1.
        sweeps: sweeps after burn-in; every thin-th is recorded, after the swaps.
        ladders: independent ladders of every model.
        rule: "gibbs" or "metropolis", as in `sample`. At beta = 0 a Gibbs sweep draws all spins afresh.
        swap_every: sweeps between swap rounds.
        burn_in: sweeps made first and not recorded, by default sweeps // 5.
        thin: sweeps from one draw to the next. What a draw costs on each engine `sample` says; here every swap round
            computes energies too, so that a draw right after one, each with swap_every=1, costs next to nothing.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        adapt: unless all betas are given, space the ladder so that all swaps are equally likely, in rounds of doubling
            length before the run; False spaces it evenly.
        clusters: before swaps, exchange clusters between ladders 0 and 1, 2 and 3 ... at the rungs where they do not
            percolate (Houdayer): faster on sparse glasses at low temperature.
        overlap_every: sweeps between measurements of the overlaps of ladders 0 and 1, 2 and 3 ...; 0 for none.
        engine: "auto", "multispin", "dense", "sparse", "sparse64", "overlap", "layered" or "terms", as in `sample`.
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        observe: a dict of names to weights (n,) or functions, as in `sample`; to a function the chains are the rungs
            of ladder 0, then those of ladder 1 ..., of all models.
        clamp: sites that keep their values, as in `sample`, alike in all replicas: a dict of sites to values, or a pair
            (mask, states), states (n,); log Z sums over the others.
        checkpoint, every: a file to save the run to and go on from, and the seconds between, as in `sample`. With more
            sweeps a run goes on whose ladder is not adapted, if burn_in is given or happens to be the same.

    Returns a TemperResult; after Ctrl-C what was done so far, with `interrupted` set. The same seed gives the same
    bytes at any number of threads, and ladder g is the same however many ladders there are, if betas are given.

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Sources: Geyer, Computing Science and Statistics 23, 156 (1991); Hukushima and Nemoto, J. Phys. Soc. Jpn. 65, 1604
    (1996); Syed, Bouchard-Cote, Deligiannidis, Doucet, J. R. Stat. Soc. B 84, 321 (2022), algorithms 1 and 4.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.2, 0.3, 0.4], sweeps=1000, seed=1)
    >>> run.energy.shape, (run.energy.mean(axis=(0, 2)) / 64).round(2).tolist()
    ((2, 3, 1000), [-0.42, -0.7, -1.21])
    """
    began = time.perf_counter()
    models = checks.models("model", model)
    checks.progress(progress)
    adapt, clusters = checks.flag("adapt", adapt), checks.flag("clusters", clusters)
    sweeps = checks.integer("sweeps", sweeps)
    length = Length.of(sweeps, sweeps // 5 if burn_in is None else burn_in, thin)
    ladders, swap_every = checks.integer("ladders", ladders), checks.integer("swap_every", swap_every)
    overlap_every = checks.integer("overlap_every", overlap_every, minimum=0)
    if clusters and ladders < 2:
        raise ValueError("clusters is True: clusters are exchanged between two ladders, give ladders=2 or more")
    betas, grows, adapt = _first_ladder(betas, rungs, adapt, models)
    check_betas("betas", betas, models)
    if rule == "metropolis" and betas[0] == 0:
        raise ValueError(
            'betas[0] is 0: there Metropolis flips every spin in order; use rule="gibbs", which draws afresh'
        )
    count, n = len(models) * ladders * betas.size, models[0].n
    observed = observing.asked(observe, models[0], count)
    needed = count * ((16 + observed.nbytes(n)) * length.draws + n)
    checks.require_memory(needed, f"{len(models) * ladders} ladders")
    clamp = clamped(models[0], clamp, None)
    setting = settled(models, engine, rule=rule, chains=count, clamp=clamp, threads=threads, tolerance=tolerable(betas))

    weights, seed = observed.matrix(n), None if seed is None else entropy_of(seed)
    asked = dict(ladders=ladders, swap_every=swap_every, overlap_every=overlap_every, clusters=clusters)
    settings = setting.saved() | length._asdict() | asked | dict(rungs=rungs, betas=betas, adapt=adapt, seed=seed)
    settings["observe"] = [*observed.names, weights]
    longer = () if adapt else ("sweeps",)  # rounds of adaptation are as long as sweeps ask for
    checkpoint = Checkpoint(checkpoint, every, "temper", settings, grows=longer)
    seed = checkpoint.settings["seed"]
    keeps = bool(observed.functions)
    job = Ladders(setting, betas, length, **asked, seed=run_entropy(seed, "temper"), weights=weights, keeps=keeps)
    adapted = saved_ladder(checkpoint, job, grows, adapt)

    with running(progress, checkpoint) as under_way:
        under_way.announce(drivers.temper)
        if adapt:
            adapted = adapting(job, adapted, grows, under_way)
        if unfinished := bool(under_way.asked):
            under_way = under_way._replace(checkpoint=NONE)  # the file keeps the round that was stopped
        under_way.checkpoint.enter({"rounds": adapted.rounds}, {"betas": adapted.betas})
        job = replace(job, betas=adapted.betas, starts=adapted.starts)
        blocks, end, updates = through(under_way, begin(job, under_way.checkpoint))
        end = end._replace(interrupted=end.interrupted or unfinished, compiling=adapted.compiling + end.compiling)
        found = Gathered(job, blocks, length.rows(min(end.done)))
        found, observables = _observables(found, observed, under_way.asked)
        end = end._replace(interrupted=end.interrupted or found.draws < length.rows(min(end.done)))
        results = _results(found, observables, tuple(adapted.rounds), seed, end, Timing.of(end, updates, began))
        return results if isinstance(model, list | tuple) else results[0]


def _first_ladder(betas, rungs, adapt: bool, models) -> tuple[np.ndarray, bool, bool]:
    """The ladder to begin with, whether its number of rungs may change, and whether it is adapted at all."""
    if rungs is not None:
        rungs = checks.integer("rungs", rungs, minimum=2)
        if rungs > MAX_RUNGS:
            raise ValueError(f"rungs is {rungs}: give at most {MAX_RUNGS}")
    if betas is None:
        ends = 0.0, coldest(models[0])
    else:
        betas = checks.finite_array("betas", betas).copy()
        if betas.ndim != 1 or not 2 <= betas.size <= MAX_RUNGS:
            raise ValueError(f"betas has shape {betas.shape}: give 2 to {MAX_RUNGS} inverse temperatures, ascending")
        bad = np.append(betas[0] < 0, np.diff(betas) <= 0)
        if bad.any():
            where = bad.argmax()
            raise ValueError(f"betas[{where}] is {betas[where]}: give betas of at least 0, each above the one before")
        if rungs is None or rungs == betas.size:
            return betas, False, False
        if betas.size > 2:
            raise ValueError(f"rungs is {rungs} but betas holds {betas.size}: give the two ends, or leave rungs out")
        ends = betas
    return np.linspace(*ends, rungs or FIRST_RUNGS), rungs is None, adapt


def _observables(found: Gathered, observed, asked) -> tuple[Gathered, dict[str, np.ndarray]]:
    """What was observed, (ladders, rungs, draws, ...), and the draws of which all of it is known."""
    job, model = found.job, found.job.setting.given[0]
    shape = job.count, job.betas.size

    def states(draw):
        return model.from_spins(found.sample(draw).reshape(-1, model.n))

    values, draws = observing.evaluated(observed, states, job.count * job.betas.size, found.draws, asked)
    found = found._replace(draws=draws)
    values = {name: of_draws.reshape(*shape, *of_draws.shape[1:]) for name, of_draws in values.items()}
    values |= {name: found.observable(number) for number, name in enumerate(observed.weights)}
    return found, {name: values[name] for name in observed.names}


def _results(found: Gathered, observables, rounds, seed, end, timing) -> list[TemperResult]:
    """One result for every model."""
    job, setting = found.job, found.job.setting
    energies, magnetizations, spins = found.record("energies"), found.record("magnetizations"), found.spins()
    restarts, round_trips = found.of_ladders("restarts"), found.of_ladders("round_trips")
    visits = np.concatenate([block.ladders.visits for block in found.blocks], axis=1)
    results = []
    for k, model in enumerate(setting.given):
        mine = slice(k * job.ladders, (k + 1) * job.ladders)
        hot, cold = visits[:, mine].sum(axis=1)
        results.append(
            TemperResult(
                model=model,
                betas=job.betas,
                energy=energies[mine],
                magnetization=magnetizations[mine] / max(model.n, 1),
                observables={name: values[mine] for name, values in observables.items()},
                states=model.from_spins(spins[mine]),
                acceptance=found.acceptance(mine),
                round_trips=round_trips[mine],
                restarts=restarts[mine],
                flow=hot / np.maximum(hot + cold, 1),
                overlap=_overlap(found, k),
                adaptation=rounds,
                seed=seed,
                engine=setting.name,
                rule=setting.rule,
                swap_every=job.swap_every,
                burn_in=job.length.burn_in,
                thin=job.length.thin,
                timing=timing,
                interrupted=end.interrupted,
                clamped=setting.clamped,
            )
        )
    return results


def _overlap(found: Gathered, number: int) -> Overlap | None:
    """What the pairs of ladders of a model have in common, if they were compared."""
    job = found.job
    if not job.overlap_every or job.ladders < 2:
        return None
    pairs = slice(number * (job.ladders // 2), (number + 1) * (job.ladders // 2))
    histogram = found.of_pairs("histogram")[pairs]
    draws = histogram.sum(axis=2)
    means = found.of_pairs("moments")[pairs] / np.maximum(draws, 1)[..., None]
    return Overlap(draws[:, 0], histogram, *np.moveaxis(means, 2, 0))
