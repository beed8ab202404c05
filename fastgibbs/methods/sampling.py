"""`sample`: independent Markov chains of one model, each at its own inverse temperature."""

import sys
import time
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.drivers import advance
from fastgibbs.engines.streams import entropy_of
from fastgibbs.jit import must_compile
from fastgibbs.methods.blocks import ENGINES, Timing, by_lane, choose_engine, first_ups, given_start, one_model
from fastgibbs.methods.running import ALONE, reporting, run_blocks
from fastgibbs.models import checks


class Block(NamedTuple):
    """Lanes that are advanced together, with room for what they record."""

    chains: int  # that were asked for
    plan: tuple
    state: tuple
    rungs: np.ndarray  # int64 (lanes,)
    energies: np.ndarray  # float64 (draws, chains)
    magnetizations: np.ndarray  # float64 (draws, chains)
    samples: np.ndarray  # uint16 (draws or 0, sites of a lane, lanes // 16)


@dataclass(frozen=True, repr=False)
class SampleResult:
    """What `sample` returns. A draw is recorded after every thin-th sweep past burn_in."""

    model: object
    """The model, or a tuple of models."""
    energy: np.ndarray
    """E of every draw, float64 (chains, draws)."""
    magnetization: np.ndarray
    """Mean spin of every draw, in [-1, 1], float64 (chains, draws); of an RBM, the mean of 2 x - 1."""
    beta: np.ndarray
    """Inverse temperature of each chain, float64 (chains,)."""
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    engine: str
    strips: int
    """Strips that each lattice was cut into; the same seed gives the same bytes only at the same number."""
    rule: str
    scan: str
    burn_in: int
    thin: int
    timing: Timing
    interrupted: bool
    """True if the run was stopped: the draws are those that every chain had done."""
    _blocks: list[Block]

    @cached_property
    def states(self) -> np.ndarray:
        """The states at the end, int8 (chains, n), in the model's own units."""
        lanes = [ENGINES[self.engine].spins(block.plan, block.state) for block in self._blocks]
        return self._in_units(by_lane(lanes, self.beta.size * self.strips), ())

    @property
    def samples(self) -> np.ndarray:
        """The states of every draw, int8 (chains, draws, n), unpacked from one bit a spin at each call."""
        chains, draws = self.energy.shape
        packed = [block.samples[:draws] for block in self._blocks]
        if packed[0].shape[0] < draws:
            raise ValueError("samples were not kept: call sample(..., keep_states=True)")
        sites = packed[0].shape[1]
        checks.require_memory(2 * chains * draws * sites * self.strips, "samples unpacked to int8")
        ones = [np.unpackbits(words.view(np.uint8), axis=2, bitorder="little").view(np.int8) for words in packed]
        lanes = by_lane([block.reshape(draws * sites, -1) for block in ones], chains * self.strips)
        return self._in_units(2 * lanes - 1, (draws,))

    def _in_units(self, lanes, draws):
        """Spins (lanes, draws x sites of a lane) as states (chains, *draws, n) in the model's units."""
        strips = lanes.reshape(self.beta.size, self.strips, *draws, -1)
        spins = np.moveaxis(strips, 1, -2).reshape(self.beta.size, *draws, -1)
        return (self.model[0] if isinstance(self.model, tuple) else self.model).from_spins(spins)

    def __repr__(self):
        chains, draws = self.energy.shape
        stopped = ", interrupted" if self.interrupted else ""
        return f"SampleResult({self.model!r}, chains={chains}, draws={draws}, engine={self.engine!r}{stopped})"


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
) -> SampleResult:
    """Draw from p(s) = exp(-beta E(s)) / Z by `sweeps` sweeps of n single-spin attempts in each chain.

    Args:
        model: Ising, Hopfield or RBM; or a sequence of Ising models that differ in the signs of their couplings only,
            of which chain k runs number k * len(model) // chains.
        beta: inverse temperature 1/T, a number or one per chain; negative and 0 are allowed.
        sweeps: sweeps after burn-in; every thin-th is recorded, so there are sweeps // thin draws.
        chains: independent chains; by default one per beta, or one per model of a sequence, or 64.
        burn_in: sweeps made first and not recorded.
        thin: sweeps from one draw to the next.
        rule: "gibbs" (heat bath: p = 1 / (1 + exp(beta dE))) or "metropolis" (p = min(1, exp(-beta dE))).
        scan: "sequential" (sites in order) or "random" (n sites drawn with replacement, the same in all chains).
            Sequential Metropolis, by sites or by colours, is not ergodic in corners: on a ring without field it never
            forgets its start. At beta = 0 Metropolis flips every spin that a scan visits, alike in all chains: refused
            in sequence, or with a start of your own.
        start: states (n,) or (chains, n) in the model's units; by default every spin is drawn at random.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        engine: "auto", "layered" (an RBM; updates all hidden units at once, then all visible ones), "multispin"
            (couplings +-J, degree at most 12, uniform field; updates a graph colour by colour instead of site by site)
            or "sparse" (any couplings).
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        keep_states: keep the state of every draw, one bit a spin, for `result.samples`.
        strips: a power of two up to 64, for the multi-spin engine: cut a periodic lattice along its first axis, so that
            few chains fill the 64 lanes of a word. By default as many as do; the number is in the result.

    Returns a SampleResult; after Ctrl-C the draws made so far, with `interrupted` set. The same seed gives the same
    bytes at any number of threads, and chain k is the same however many chains there are (at the same `strips`).

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Sources: Metropolis et al., J. Chem. Phys. 21, 1087 (1953), eq. (2); Geman and Geman, IEEE PAMI 6, 721 (1984).
    """
    began = time.perf_counter()
    models = list(model) if isinstance(model, list | tuple) else [model]
    for one in models or [model]:
        one_model(one)
    checks.progress(progress)
    sweeps, thin = checks.integer("sweeps", sweeps), checks.integer("thin", thin)
    burn_in = checks.integer("burn_in", burn_in, minimum=0)
    if thin > sweeps:
        raise ValueError(f"thin is {thin}: give at most sweeps = {sweeps}, or nothing is recorded")
    checks.choice("rule", rule, contract.RULES)
    checks.choice("scan", scan, contract.SCANS)
    checks.choice("engine", engine, ("auto", *ENGINES))
    betas = _betas(beta, chains, len(models))
    if rule == "metropolis" and (betas == 0).any() and (scan == "sequential" or start is not None):
        raise ValueError(
            f"beta is 0 in chain {int((betas == 0).argmax())}: there Metropolis flips every spin that the scan visits, "
            'in all chains alike; use rule="gibbs"'
        )
    seed = entropy_of(seed)
    threads = checks.thread_count(threads)
    n, draws = models[0].n, sweeps // thin
    spins = given_start(models[0], start, betas.size)
    checks.require_memory(
        betas.size * (32 * draws + n + (draws * n // 8 if keep_states else 0)),
        f"a result of chains x draws = {betas.size} x {draws}",
    )

    engine, strips = choose_engine(engine, models, scan, strips, betas.size)
    per_chain = [models[k * len(models) // betas.size] for k in range(betas.size)] if len(models) > 1 else models
    prepared = ENGINES[engine].prepare(per_chain, strips)
    blocks = [
        _block(
            ENGINES[engine], prepared, lanes, strips, n, spins, betas, contract.RULES[rule], seed, draws, keep_states
        )
        for lanes in ENGINES[engine].cut(betas.size * strips, threads)
    ]

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
            block.samples,
            crew,
        )

    if progress is True and must_compile(advance):
        print("compiling (once) ...", file=sys.stderr, flush=True)
    compiling = time.perf_counter()
    run(blocks[0], 0, 0, ALONE)
    running = time.perf_counter()
    crew = ENGINES[engine].crew(blocks[0].plan)
    with reporting(progress) as report:
        done, interrupted = run_blocks(run, blocks, burn_in + sweeps, threads, crew, report)
    seconds = time.perf_counter() - running
    draws = max(min(done) - burn_in, 0) // thin
    updates = sum(block.chains * count for block, count in zip(blocks, done, strict=True)) * n
    return SampleResult(
        model=models[0] if len(models) == 1 else tuple(models),
        energy=by_lane([block.energies[:draws] for block in blocks], betas.size),
        magnetization=by_lane([block.magnetizations[:draws] for block in blocks], betas.size) / max(n, 1),
        beta=betas.copy(),
        seed=seed,
        engine=engine,
        strips=strips,
        rule=rule,
        scan=scan,
        burn_in=burn_in,
        thin=thin,
        timing=Timing(running - compiling, seconds, time.perf_counter() - began, updates / max(seconds, 1e-9)),
        interrupted=interrupted,
        _blocks=blocks,
    )


def _betas(beta, chains, models: int) -> np.ndarray:
    """One inverse temperature per chain, float64 (chains,), read-only."""
    if np.ndim(beta) == 0:
        chains = (models if models > 1 else 64) if chains is None else checks.integer("chains", chains)
        betas = np.broadcast_to(checks.finite_number("beta", beta), chains)
    else:
        betas = checks.finite_array("beta", beta)
        if betas.ndim != 1 or betas.size == 0:
            raise ValueError(f"beta has shape {betas.shape}: give a number or a 1-D array, one per chain")
        if chains is not None and checks.integer("chains", chains) != betas.size:
            raise ValueError(f"chains is {chains} but beta holds {betas.size} values: give one beta per chain")
    if betas.size % models:
        raise ValueError(f"chains is {betas.size}: give a multiple of the {models} models")
    return betas


def _block(engine, prepared, lanes: range, strips, n, spins, betas, rule, seed, draws, keep_states) -> Block:
    """A block of lanes; those beyond the last chain fill it up: they start up, at the first beta, and are not seen."""
    columns = range(lanes.start // strips, lanes.stop // strips)
    chains = [chain if chain < betas.size else None for chain in columns]
    rungs, inside = np.unique(betas[columns.start : columns.stop], return_inverse=True)
    of_lanes = np.zeros(len(lanes), np.int64)
    of_lanes[: inside.size * strips] = np.repeat(inside, strips)
    plan, state = engine.start(prepared, lanes, first_ups(seed, spins, chains, n, strips), seed, rungs, rule)
    return Block(
        inside.size,
        plan,
        state,
        of_lanes,
        np.empty((draws, len(columns))),
        np.empty((draws, len(columns))),
        np.empty((draws if keep_states else 0, n // strips, len(lanes) // contract.LANE_GROUP), np.uint16),
    )
