"""`temper`: parallel tempering, ladders of replicas that exchange their temperatures."""

import time

import numpy as np

from fastgibbs import analysis
from fastgibbs.engines import contract, drivers
from fastgibbs.engines.streams import ADAPT, entropy_of
from fastgibbs.methods import observing
from fastgibbs.methods.blocks import ENGINES, check_betas, choose_engine, clamped, tolerable
from fastgibbs.methods.checkpoints import NONE, Checkpoint, holding
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.ladders import FIRST_ROUND, MAX_RUNGS, Run, Setting, run_ladders, saved_ladder
from fastgibbs.methods.running import running
from fastgibbs.methods.schedules import coldest
from fastgibbs.models import checks
from fastgibbs.results.base import Timing, no_sites
from fastgibbs.results.tempered import Overlap, Round, TemperResult

FIRST_RUNGS = 16  # of the ladder of the first round of adaptation


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
    sweeps, thin = checks.integer("sweeps", sweeps), checks.integer("thin", thin)
    burn_in = sweeps // 5 if burn_in is None else checks.integer("burn_in", burn_in, minimum=0)
    ladders, swap_every = checks.integer("ladders", ladders), checks.integer("swap_every", swap_every)
    overlap_every = checks.integer("overlap_every", overlap_every, minimum=0)
    if thin > sweeps:
        raise ValueError(f"thin is {thin}: give at most sweeps = {sweeps}, or nothing is recorded")
    if clusters and ladders < 2:
        raise ValueError("clusters is True: clusters are exchanged between two ladders, give ladders=2 or more")
    checks.choice("rule", rule, contract.RULES)
    checks.choice("engine", engine, ("auto", *ENGINES))
    betas, grows, adapt = _first_ladder(betas, rungs, adapt, models)
    check_betas("betas", betas, models)
    if rule == "metropolis" and betas[0] == 0:
        raise ValueError(
            'betas[0] is 0: there Metropolis flips every spin in order; use rule="gibbs", which draws afresh'
        )
    seed, threads = None if seed is None else entropy_of(seed), checks.thread_count(threads)
    count = len(models) * ladders
    observed = observing.asked(observe, models[0], count * betas.size)
    per_draw = 16 + observed.nbytes(models[0].n)
    checks.require_memory(count * betas.size * (per_draw * (sweeps // thin) + models[0].n), f"{count} ladders")
    clamp = clamped(models[0], clamp, None)
    name, _, taken = choose_engine(engine, models, "sequential", 1, count * betas.size, tolerable(betas))
    setting = Setting(
        models=taken,
        engine=ENGINES[name],
        ladders=ladders,
        rule=contract.RULES[rule],
        swap_every=swap_every,
        overlap_every=overlap_every,
        clusters=clusters,
        threads=threads,
        clamp=clamp,
    )

    settings = dict(model=models, rungs=rungs, betas=betas, sweeps=sweeps, ladders=ladders, rule=rule, thin=thin)
    settings |= dict(swap_every=swap_every, burn_in=burn_in, adapt=adapt, clusters=clusters, engine=name)
    settings |= dict(overlap_every=overlap_every, observe=[*observed.names, observed.matrix(models[0].n)], seed=seed)
    settings |= dict(clamp=None if clamp is None else list(clamp[:2]))
    longer = () if adapt else ("sweeps",)  # rounds of adaptation are as long as sweeps ask for
    checkpoint = Checkpoint(checkpoint, every, "temper", settings, grows=longer)
    seed = checkpoint.settings["seed"]
    address = run_entropy(seed, "temper")
    rounds, betas = saved_ladder(checkpoint, betas, grows, adapt, sweeps)
    rounds = [Round(*numbers) for numbers in rounds]

    starts, compiling = None, 0.0
    with running(progress, checkpoint) as under_way:
        under_way.announce(drivers.temper)
        report = under_way.report

        def hear(done, total):
            """Sweeps of adaptation are not counted."""
            return report(done if total == burn_in + sweeps else 0, burn_in + sweeps)

        under_way = under_way._replace(report=hear)
        while adapt and not under_way.asked and (not rounds or 8 * rounds[-1].sweeps <= sweeps):
            checkpoint.enter({"rounds": rounds}, {"betas": betas})
            round_, betas, starts, run = _adapted(setting, betas, grows, rounds, starts, address, under_way)
            rounds = [*rounds, round_]
            compiling += run.end.compiling
        if unfinished := bool(under_way.asked):
            under_way = under_way._replace(checkpoint=NONE)  # the file keeps the round that was stopped
        under_way.checkpoint.enter({"rounds": rounds}, {"betas": betas})
        watching = setting._replace(weights=observed.matrix(models[0].n), keeps=bool(observed.functions))
        run = run_ladders(watching, betas, sweeps, burn_in, thin, address, starts, under_way)
        end = run.end._replace(interrupted=run.end.interrupted or unfinished, compiling=compiling + run.end.compiling)
        run, observables = _observables(run._replace(end=end), observed, models[0], count, betas.size, under_way.asked)
        timing = Timing.of(end, run.updates, began)
        results = _results(models, run, observables, betas, tuple(rounds), seed, name, rule, burn_in, thin, timing)
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


def _adapted(setting: Setting, betas, grows: bool, rounds: list, starts, address, under_way):
    """One round of adaptation: what it met, the new ladder, states to start it from, and the run.

    Its entropy is the round's own, so that no random number of the run is used twice.
    """
    sweeps = 2 * rounds[-1].sweeps if rounds else FIRST_ROUND
    own = entropy_of(np.random.SeedSequence(address, spawn_key=(ADAPT, len(rounds))))
    quiet = setting._replace(overlap_every=0)
    run = run_ladders(quiet, betas, sweeps, sweeps // 4, sweeps, own, starts, under_way)
    rejections = 1 - _acceptance(run)
    barrier = analysis.barrier(betas, rejections)
    size = min(analysis.enough_rungs(barrier.total), MAX_RUNGS) if grows else betas.size
    new = analysis.equalized(betas, rejections, size)
    nearest = np.abs(new[:, None] - betas).argmin(axis=1)
    return Round(sweeps, betas.size, barrier.total, float(1 - rejections.max())), new, run.spins()[:, nearest], run


def _acceptance(run: Run, ladders=slice(None)) -> np.ndarray:
    """Mean swap probabilities of neighbouring rungs, float64 (rungs - 1,)."""
    attempts = run.of_ladders("attempts")[ladders].sum(axis=0)
    return run.of_ladders("acceptance")[ladders].sum(axis=0) / np.maximum(attempts, 1)


def _observables(run: Run, observed, model, ladders: int, rungs: int, asked) -> tuple[Run, dict[str, np.ndarray]]:
    """What was observed, (ladders, rungs, draws, ...), and the run with the draws of which all of it is known."""

    def states(draw):
        return model.from_spins(run.sample(draw).reshape(ladders * rungs, model.n))

    found, draws = observing.evaluated(observed, states, ladders * rungs, run.draws, asked)
    end = run.end._replace(interrupted=run.end.interrupted or draws < run.draws)
    run = run._replace(draws=draws, end=end)
    found = {name: values.reshape(ladders, rungs, *values.shape[1:]) for name, values in found.items()}
    found |= {name: run.observable(number) for number, name in enumerate(observed.weights)}
    return run, {name: found[name] for name in observed.names}


def _results(
    models, run: Run, observables, betas, rounds, seed, engine, rule, burn_in, thin, timing
) -> list[TemperResult]:
    """One result for every model."""
    energies, magnetizations, spins = run.record("energies"), run.record("magnetizations"), run.spins()
    restarts, round_trips = run.of_ladders("restarts"), run.of_ladders("round_trips")
    visits = np.concatenate([block.ladders.visits for block in run.blocks], axis=1)
    histogram, moments = run.of_pairs("histogram"), run.of_pairs("moments")
    results = []
    for k, model in enumerate(models):
        mine = slice(k * run.setting.ladders, (k + 1) * run.setting.ladders)
        pairs = slice(k * (run.setting.ladders // 2), (k + 1) * (run.setting.ladders // 2))
        hot, cold = visits[:, mine].sum(axis=1)
        overlap = None
        if run.setting.overlap_every and run.setting.ladders > 1:
            draws = histogram[pairs].sum(axis=2)
            means = moments[pairs] / np.maximum(draws, 1)[..., None]
            overlap = Overlap(draws[:, 0], histogram[pairs], *np.moveaxis(means, 2, 0))
        results.append(
            TemperResult(
                model=model,
                betas=betas,
                energy=energies[mine],
                magnetization=magnetizations[mine] / max(model.n, 1),
                observables={name: values[mine] for name, values in observables.items()},
                states=model.from_spins(spins[mine]),
                acceptance=_acceptance(run, mine),
                round_trips=round_trips[mine],
                restarts=restarts[mine],
                flow=hot / np.maximum(hot + cold, 1),
                overlap=overlap,
                adaptation=rounds,
                seed=seed,
                engine=engine,
                rule=rule,
                swap_every=run.setting.swap_every,
                burn_in=burn_in,
                thin=thin,
                timing=timing,
                interrupted=run.end.interrupted,
                clamped=no_sites() if run.setting.clamp is None else run.setting.clamp.sites,
            )
        )
    return results
