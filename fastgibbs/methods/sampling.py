"""`sample`: independent Markov chains of one model, each at its own inverse temperature."""

import time

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.drivers import advance
from fastgibbs.engines.observables import observables
from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods import observing, restoring
from fastgibbs.methods.blocks import (
    ENGINES,
    check_betas,
    choose_engine,
    clamped,
    first_ups,
    given_start,
    tolerable,
)
from fastgibbs.methods.checkpoints import Checkpoint, holding
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.running import running
from fastgibbs.models import checks
from fastgibbs.models.bounds import most_energy
from fastgibbs.results.base import Timing, no_sites
from fastgibbs.results.lanes import by_lane, joined, unpacked
from fastgibbs.results.sampled import Block, SampleResult

RECORDS = "energies", "magnetizations", "observables.record", "samples"  # of a block, a row a draw


@holding
def sample(
    model,
    *,
    beta,
    sweeps,
    chains=None,
    burn_in=0,
    thin=1,
    rule="gibbs",
    scan="sequential",
    start=None,
    seed=None,
    threads=None,
    engine="auto",
    progress=False,
    keep_states=False,
    strips=None,
    observe=None,
    clamp=None,
    checkpoint=None,
    every=60.0,
) -> SampleResult:
    """Draw from p(s) = exp(-beta E(s)) / Z by `sweeps` sweeps of n single-spin attempts in each chain.

    Args:
        model: any (`fastgibbs.Energy`), or a sequence of Ising models that differ in the signs of their couplings
            only, of which chain k runs number k * len(model) // chains.
        beta: inverse temperature 1/T, a number or one per chain; negative and 0 are allowed, and with "gibbs" inf. At
            T = 0 a spin goes along its field, and one without field by a fair coin: chains go down to where no field
            turns a spin, and what they reach is no draw from a law. Fields must be exact there: where those of float32
            are not, "auto" takes a slower engine.
        sweeps: sweeps after burn-in; every thin-th is recorded, so there are sweeps // thin draws.
        chains: independent chains; by default one per beta, or one per model of a sequence, or 64.
        burn_in: sweeps made first and not recorded.
        thin: sweeps from one draw to the next. A draw computes energies anew: it takes 0.3 to 0.7 of the time of a
            sweep on the multispin engine, 0.4 on the sparse one, 0.6 on the dense one, so that thin=1 slows the run by
            as much, thin=10 by a tenth of that. It takes next to nothing on the overlap engine, which has energies, and
            0.02 to 0.2 on the layered one, the less the larger the machine, which has the inputs they are sums of.
        rule: "gibbs" (heat bath: p = 1 / (1 + exp(beta dE))) or "metropolis" (p = min(1, exp(-beta dE))).
        scan: "sequential" (sites in order) or "random" (n sites drawn with replacement, the same in all chains).
            Sequential Metropolis, by sites or by colours, need not forget its start, at any beta: where a move costs
            nothing it is always made, and what it carries along is carried round for ever. So on a ring without field,
            at sites that feel neither bond nor field, in pieces that clamps leave with fields that cancel, and in small
            dense models with nearly free spins (of 65 +-J models of 7 spins, all coupled, one). Nothing in a result may
            show it. At beta = 0 it flips every spin that the scan visits, alike in all chains: refused in sequence, or
            with a start of your own. "gibbs", or scan="random" at a beta above 0, has no such corner.
        start: states (n,) or (chains, n) in the model's units; by default every spin is drawn at random. A run from
            states of another shares no random number with it, though the seed be the same.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        engine: "auto", "multispin" (couplings +-J, degree at most 12, uniform field; updates a graph colour by colour
            instead of site by site), "dense" (most pairs coupled: fields are kept, and a flip costs n sums), "sparse"
            (any couplings), "sparse64" (the same in 104 bits in place of 24, for small fields beside large couplings
            that cancel: other engines refuse them, by how much beta makes of what rounding loses), "overlap" (Hopfield
            models by their patterns), "layered" (an RBM: all hidden units at once, then all visible ones) or "terms"
            (any energy that says what a flip costs, not at beta = inf).
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        keep_states: keep the state of every draw, one bit a spin, for `result.samples`.
        strips: a power of two up to 64, for the multi-spin engine: cut a periodic lattice along its first axis, so that
            few chains fill the 64 lanes of a word. By default as many as do; the number is in the result.
        observe: a dict of names to weights w (n,), for w.s at every draw in `result.observables`, s =
            model.to_spins(state); or to functions of the states of a draw, int8 (chains, n) in the model's units, that
            return (chains,) or (chains, ...) real numbers. Functions are called when the run has ended (until then
            its states take one bit a spin), and once before, on random states, to see what they return.
        clamp: sites that keep their values, and no sweep visits, while the others are drawn given those: a dict of
            sites to values in the model's units, a number or one per chain, (chains,); or a pair (mask, states), where
            the mask, bool (n,), is True, of states (n,) or (chains, n).
        checkpoint: path of a file that the run is saved to; where it is there, saved by the same run, the call goes on
            from it and returns the same bytes as if it had never stopped. With more sweeps than it was saved with, it
            returns what so many would have at once. Ctrl-C, SIGTERM and the end save it too. No other run may use it
            meanwhile, and what no run of this kind can have written is refused.
        every: seconds between two such savings.

    Returns a SampleResult; after Ctrl-C the draws made so far, with `interrupted` set. The same seed gives the same
    bytes at any number of threads, and chain k is the same however many chains there are (at the same `strips`, and
    unless each chain has a start of its own).

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Sources: Metropolis et al., J. Chem. Phys. 21, 1087 (1953), eq. (2); Geman and Geman, IEEE PAMI 6, 721 (1984).

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.3, 0.6], sweeps=1000, burn_in=100, seed=1)
    >>> run.energy.shape, (run.energy.mean(axis=1) / 64).round(2).tolist()
    ((2, 1000), [-0.7, -1.9])
    """
    began = time.perf_counter()
    models = checks.models("model", model)
    checks.progress(progress)
    keep_states = checks.flag("keep_states", keep_states)
    sweeps, thin = checks.integer("sweeps", sweeps), checks.integer("thin", thin)
    burn_in = checks.integer("burn_in", burn_in, minimum=0)
    if thin > sweeps:
        raise ValueError(f"thin is {thin}: give at most sweeps = {sweeps}, or nothing is recorded")
    checks.choice("rule", rule, contract.RULES)
    checks.choice("scan", scan, contract.SCANS)
    checks.choice("engine", engine, ("auto", *ENGINES))
    betas = _betas(beta, chains, len(models))
    seed = None if seed is None else entropy_of(seed)
    threads = checks.thread_count(threads)
    n, draws = models[0].n, sweeps // thin
    observed = observing.asked(observe, models[0], betas.size)
    keeps = keep_states or bool(observed.functions)
    spins = given_start(models[0], start, betas.size)
    checks.require_memory(
        betas.size * (draws * (32 + observed.nbytes(n)) + n + (draws * n // 8 if keep_states else 0)),
        f"a result of chains x draws = {betas.size} x {draws}",
    )
    if rule == "metropolis" and (betas == 0).any() and (scan == "sequential" or start is not None):
        raise ValueError(
            f"beta is 0 in chain {int((betas == 0).argmax())}: there Metropolis flips every spin that the scan visits, "
            'in all chains alike; use rule="gibbs"'
        )
    if rule == "metropolis" and (betas == np.inf).any():
        raise ValueError(
            f"beta is inf in chain {int((betas == np.inf).argmax())}: there Metropolis leaves nothing to chance, and "
            'turns every spin without field at each visit; use rule="gibbs"'
        )
    check_betas("beta", betas, models)
    clamp = clamped(models[0], clamp, betas.size)
    if clamp is not None:
        if strips not in (None, 1):
            raise ValueError(f"strips is {strips}: a lattice with clamped sites is not cut, leave strips out")
        strips = 1
    engine, strips, taken = choose_engine(engine, models, scan, strips, betas.size, tolerable(betas))
    settings = dict(model=models, beta=betas, sweeps=sweeps, burn_in=burn_in, thin=thin, rule=rule, scan=scan)
    weights = observed.matrix(n)
    settings |= dict(start=spins, keep_states=keeps, engine=engine, strips=strips, seed=seed)
    settings |= dict(observe=[*observed.names, weights], clamp=None if clamp is None else list(clamp[:2]))
    checkpoint = Checkpoint(checkpoint, every, "sample", settings, grows=("sweeps",))
    seed = checkpoint.settings["seed"]
    address = run_entropy(seed, "sample", spins)
    per_chain = [taken[k * len(taken) // betas.size] for k in range(betas.size)] if len(taken) > 1 else taken
    free = None if clamp is None else clamp.free
    prepared = ENGINES[engine].prepare(per_chain, strips, free)
    cut = checkpoint.cut(ENGINES[engine].cut, betas.size * strips, threads)
    blocks = [
        _block(
            ENGINES[engine],
            prepared,
            lanes,
            strips,
            weights,
            spins,
            clamp,
            betas,
            contract.RULES[rule],
            address,
            draws,
            keeps,
        )
        for lanes in cut
    ]

    def rows(done):
        return max(done - burn_in, 0) // thin

    def check(block, lanes, done):
        _check(block, lanes, rows(done), (done - burn_in) % thin == 0, ENGINES[engine], models, betas.size, strips)

    begun = checkpoint.restore(blocks, cut, dict.fromkeys(RECORDS, rows), burn_in + sweeps, check)

    def run(block, first, last, crew):
        advance(
            block.plan,
            block.state,
            block.rungs,
            contract.RULES[rule],
            contract.SCANS[scan],
            first,
            last,
            burn_in,
            thin,
            block.energies,
            block.magnetizations,
            block.observables,
            block.samples,
            crew,
        )

    def states(draw):
        lanes = unpacked([block.samples[draw : draw + 1] for block in blocks], betas.size * strips)
        return models[0].from_spins(joined(lanes, betas.size, strips))

    with running(progress, checkpoint) as under_way:
        under_way.announce(advance)
        crew = ENGINES[engine].crew(blocks[0].plan)
        end = under_way.advance(run, blocks, begun, burn_in + sweeps, threads, crew)
        draws = rows(min(end.done))
        found, evaluated = observing.evaluated(observed, states, betas.size, draws, under_way.asked)
        interrupted, draws = end.interrupted or evaluated < draws, evaluated
        for number, name in enumerate(observed.weights):
            found[name] = by_lane([block.observables.record[:draws, number] for block in blocks], betas.size)
        if not keep_states:
            blocks = [block._replace(samples=block.samples[:0].copy()) for block in blocks]
        updates = sum(b.chains * (now - then) for b, then, now in zip(blocks, begun, end.done, strict=True)) * (
            n if clamp is None else free.size
        )
        return SampleResult(
            model=models[0] if len(models) == 1 else tuple(models),
            energy=by_lane([block.energies[:draws] for block in blocks], betas.size),
            magnetization=by_lane([block.magnetizations[:draws] for block in blocks], betas.size) / max(n, 1),
            observables={name: found[name] for name in observed.names},
            beta=betas.copy(),
            seed=seed,
            engine=engine,
            strips=strips,
            rule=rule,
            scan=scan,
            burn_in=burn_in,
            thin=thin,
            timing=Timing.of(end, updates, began),
            interrupted=interrupted,
            _blocks=blocks,
            clamped=no_sites() if clamp is None else clamp.sites,
        )


def _betas(beta, chains, models: int) -> np.ndarray:
    """One inverse temperature per chain, float64 (chains,), read-only."""
    betas = checks.inverse_temperatures("beta", beta)
    if betas.ndim == 0:
        chains = (models if models > 1 else 64) if chains is None else checks.integer("chains", chains)
        betas = np.broadcast_to(betas, chains)
    else:
        if betas.ndim != 1 or betas.size == 0:
            raise ValueError(f"beta has shape {betas.shape}: give a number or a 1-D array, one per chain")
        if chains is not None and checks.integer("chains", chains) != betas.size:
            raise ValueError(f"chains is {chains} but beta holds {betas.size} values: give one beta per chain")
    if betas.size % models:
        raise ValueError(f"chains is {betas.size}: give a multiple of the {models} models")
    return betas


def _check(block: Block, lanes: range, draws: int, at_draw: bool, engine, models: list, chains: int, strips: int):
    """ValueError unless a block that was saved has records that fit its states: at a draw, or those that are kept."""
    first, n, count = lanes.start // strips, models[0].n, block.chains * strips
    mine = [models[k * len(models) // chains] for k in range(first, first + block.chains)]
    weights = np.abs(block.observables.weights).sum(axis=1)[:, :strips].sum(axis=1)
    restoring.check_record("magnetizations", block.magnetizations[:draws], n)
    restoring.check_record("energies", block.energies[:draws], max(map(most_energy, models)))
    restoring.check_record("observables", block.observables.record[:draws], weights[:, None])
    energies, magnetizations = (record[:draws, : block.chains].T for record in (block.energies, block.magnetizations))
    if len(block.samples):
        packed = [block.samples[:draws]]
        states = lambda: joined(unpacked(packed, count), block.chains, strips, (draws,))  # noqa: E731
        restoring.check_draws(energies, magnetizations, mine, states)
    if draws and at_draw:
        states = lambda: joined(by_lane([engine.spins(block.plan, block.state)], count), block.chains, strips)  # noqa: E731
        restoring.check_draws(energies[:, -1], magnetizations[:, -1], mine, states)


def _block(engine, prepared, lanes: range, strips, weights, spins, clamp, betas, rule, seed, draws, keeps) -> Block:
    """A block of lanes; those beyond the last chain fill it up: they start up, at the first beta, and are not seen."""
    n, columns = weights.shape[1], range(lanes.start // strips, lanes.stop // strips)
    chains = [chain if chain < betas.size else None for chain in columns]
    rungs, inside = np.unique(betas[columns.start : columns.stop], return_inverse=True)
    of_lanes = np.zeros(len(lanes), np.int64)
    of_lanes[: inside.size * strips] = np.repeat(inside, strips)
    ups = first_ups(seed, spins, chains, n, strips, clamp)
    plan, state = engine.start(prepared, lanes, ups, seed, rungs, rule)
    return Block(
        inside.size,
        plan,
        state,
        of_lanes,
        np.empty((draws, len(columns))),
        np.empty((draws, len(columns))),
        observables(weights, strips, len(lanes), draws, len(columns)),
        np.empty((draws if keeps else 0, n // strips, len(lanes) // contract.LANE_GROUP), np.uint16),
    )
