"""`sample`: independent Markov chains of one model, each at its own inverse temperature."""

import sys
import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract, sparse
from fastgibbs.engines.drivers import advance
from fastgibbs.engines.streams import ORDER, SWEEP, entropy_of, random_spins, stream_states
from fastgibbs.jit import must_compile
from fastgibbs.methods.running import reporting, run_blocks, thread_count
from fastgibbs.models import checks

ENGINES = {"sparse": sparse}
BLOCK_LANES = 64  # as many lanes as keep an engine busy while each waits for its own arithmetic


class Timing(NamedTuple):
    """Seconds spent compiling (or loading compiled code), in kernels, and in all; attempts per kernel second."""

    compile: float
    kernel: float
    total: float
    updates_per_second: float


class Block(NamedTuple):
    """Lanes that are advanced together, with room for what they record."""

    chains: range
    state: tuple
    betas: np.ndarray  # float64 (lanes,)
    energies: np.ndarray  # float64 (draws, lanes)
    magnetizations: np.ndarray  # float64 (draws, lanes)
    samples: np.ndarray  # uint16 (draws or 0, n, lanes // 16)


@dataclass(frozen=True, repr=False)
class SampleResult:
    """What `sample` returns. A draw is recorded after every thin-th sweep past burn_in."""

    model: object
    energy: np.ndarray
    """E of every draw, float64 (chains, draws)."""
    magnetization: np.ndarray
    """Mean spin of every draw, in [-1, 1], float64 (chains, draws); of an RBM, the mean of 2 x - 1."""
    states: np.ndarray
    """The states at the end, int8 (chains, n), in the model's own units."""
    beta: np.ndarray
    """Inverse temperature of each chain, float64 (chains,)."""
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    engine: str
    rule: str
    scan: str
    burn_in: int
    thin: int
    timing: Timing
    interrupted: bool
    """True if the run was stopped: the draws are those that every chain had done."""
    _packed: list | None

    @property
    def samples(self) -> np.ndarray:
        """The states of every draw, int8 (chains, draws, n), unpacked from one bit a spin at each call."""
        if self._packed is None:
            raise ValueError("samples were not kept: call sample(..., keep_states=True)")
        chains, draws = self.energy.shape
        checks.require_memory(chains * draws * self.model.n, "samples unpacked to int8")
        lanes = [np.unpackbits(words.view(np.uint8), axis=2, bitorder="little") for words in self._packed]
        ones = _by_chain([block.reshape(draws * self.model.n, -1) for block in lanes], chains)
        return self.model.from_spins(2 * ones.view(np.int8).reshape(chains, draws, self.model.n) - 1)

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
) -> SampleResult:
    """Draw from p(s) = exp(-beta E(s)) / Z by `sweeps` sweeps of n single-spin attempts in each chain.

    Args:
        model: Ising, Hopfield or RBM.
        beta: inverse temperature 1/T, a number or one per chain; negative and 0 are allowed.
        sweeps: sweeps after burn-in; every thin-th is recorded, so there are sweeps // thin draws.
        chains: independent chains; by default one per beta, or 64 if beta is a number.
        burn_in: sweeps made first and not recorded.
        thin: sweeps from one draw to the next.
        rule: "gibbs" (heat bath: p = 1 / (1 + exp(beta dE))) or "metropolis" (p = min(1, exp(-beta dE))).
        scan: "sequential" (sites in order) or "random" (n sites drawn with replacement, the same in all chains).
            Sequential Metropolis is not ergodic in corners: on a ring without field it never forgets its start. At
            beta = 0 Metropolis flips every spin that a scan visits, alike in all chains: refused in sequence, or with
            a start of your own.
        start: states (n,) or (chains, n) in the model's units; by default every spin is drawn at random.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.
        engine: "auto" or the name of an engine ("sparse").
        progress: True shows a bar; a callable gets (done, total) in sweeps and stops the run by returning True.
        keep_states: keep the state of every draw, one bit a spin, for `result.samples`.

    Returns a SampleResult; after Ctrl-C the draws made so far, with `interrupted` set. The same seed gives the same
    bytes at any number of threads, and chain k is the same however many chains there are.

    Raises ValueError or TypeError, naming the argument, before anything is compiled.

    Sources: Metropolis et al., J. Chem. Phys. 21, 1087 (1953), eq. (2); Geman and Geman, IEEE PAMI 6, 721 (1984).
    """
    began = time.perf_counter()
    if not hasattr(model, "to_ising"):
        raise TypeError(f"model is {model!r}: give an Ising, Hopfield or RBM model")
    if not isinstance(progress, bool) and not callable(progress):
        raise TypeError(f"progress is {progress!r}: give True, False or a callable of (done, total)")
    sweeps, thin = checks.integer("sweeps", sweeps), checks.integer("thin", thin)
    burn_in = checks.integer("burn_in", burn_in, minimum=0)
    if thin > sweeps:
        raise ValueError(f"thin is {thin}: give at most sweeps = {sweeps}, or nothing is recorded")
    checks.choice("rule", rule, contract.RULES)
    checks.choice("scan", scan, contract.SCANS)
    checks.choice("engine", engine, ("auto", *ENGINES))
    betas = _betas(beta, chains)
    if rule == "metropolis" and (betas == 0).any() and (scan == "sequential" or start is not None):
        raise ValueError(
            f"beta is 0 in chain {int((betas == 0).argmax())}: there Metropolis flips every spin that the scan visits, "
            'in all chains alike; use rule="gibbs"'
        )
    seed = entropy_of(seed)
    threads = thread_count(threads)
    spins = _start(model, start, betas.size)
    draws = sweeps // thin
    checks.require_memory(
        betas.size * (32 * draws + 4 * model.n + (draws * model.n // 8 if keep_states else 0)),
        f"a result of chains x draws = {betas.size} x {draws}",
    )

    engine = "sparse" if engine == "auto" else engine
    plan = ENGINES[engine].plan(model.to_ising())
    lanes = min(BLOCK_LANES, _whole_groups(-(-betas.size // threads)))
    blocks = []
    for first in range(0, betas.size, lanes):
        chains = range(first, min(first + lanes, betas.size))
        blocks.append(_block(ENGINES[engine], plan, model.n, spins, betas, chains, seed, draws, keep_states))

    def run(block, first, last):
        advance(
            plan,
            block.state,
            block.betas,
            contract.RULES[rule],
            contract.SCANS[scan],
            first,
            last,
            burn_in,
            thin,
            block.energies,
            block.magnetizations,
            block.samples,
        )

    if progress is True and must_compile(advance):
        print("compiling (once) ...", file=sys.stderr, flush=True)
    compiling = time.perf_counter()
    run(blocks[0], 0, 0)
    running = time.perf_counter()
    with reporting(progress) as report:
        done, interrupted = run_blocks(run, blocks, burn_in + sweeps, threads, report)
    seconds = time.perf_counter() - running
    draws = max(min(done) - burn_in, 0) // thin
    updates = sum(len(block.chains) * count for block, count in zip(blocks, done, strict=True)) * model.n
    return SampleResult(
        model=model,
        energy=_by_chain([block.energies[:draws] for block in blocks], betas.size),
        magnetization=_by_chain([block.magnetizations[:draws] for block in blocks], betas.size) / max(model.n, 1),
        states=model.from_spins(_by_chain([block.state.spins for block in blocks], betas.size)),
        beta=betas.copy(),
        seed=seed,
        engine=engine,
        rule=rule,
        scan=scan,
        burn_in=burn_in,
        thin=thin,
        timing=Timing(running - compiling, seconds, time.perf_counter() - began, updates / max(seconds, 1e-9)),
        interrupted=interrupted,
        _packed=[block.samples[:draws] for block in blocks] if keep_states else None,
    )


def _betas(beta, chains) -> np.ndarray:
    """One inverse temperature per chain, float64 (chains,), read-only."""
    if np.ndim(beta) == 0:
        chains = 64 if chains is None else checks.integer("chains", chains)
        return np.broadcast_to(checks.finite_number("beta", beta), chains)
    betas = checks.finite_array("beta", beta)
    if betas.ndim != 1 or betas.size == 0:
        raise ValueError(f"beta has shape {betas.shape}: give a number or a 1-D array, one per chain")
    if chains is not None and checks.integer("chains", chains) != betas.size:
        raise ValueError(f"chains is {chains} but beta holds {betas.size} values: give one beta per chain")
    return betas


def _start(model, start, chains: int) -> np.ndarray | None:
    """Spins to start from, int8 (chains, n), or None for random ones."""
    if start is None:
        return None
    spins = model.to_spins(start)
    if spins.shape not in ((model.n,), (chains, model.n)):
        raise ValueError(f"start has shape {spins.shape}: give ({model.n},) or (chains, n) = ({chains}, {model.n})")
    return np.broadcast_to(spins, (chains, model.n))


def _whole_groups(lanes: int) -> int:
    return -(-lanes // contract.LANE_GROUP) * contract.LANE_GROUP


def _block(engine, plan, n, spins, betas, chains: range, seed, draws: int, keep_states: bool) -> Block:
    """A block for `chains`; lanes that only fill up the last group run at beta = 0 and are not reported."""
    lanes = _whole_groups(len(chains))
    start = np.ones((n, lanes), np.int8)
    for lane, chain in enumerate(chains):
        start[:, lane] = random_spins(seed, chain, n) if spins is None else spins[chain]
    return Block(
        chains,
        engine.start(
            plan,
            start,
            stream_states(seed, SWEEP, range(chains.start, chains.start + lanes)),
            stream_states(seed, ORDER, range(1))[:, 0].copy(),
        ),
        np.pad(betas[chains.start : chains.stop], (0, lanes - len(chains))),
        np.empty((draws, lanes)),
        np.empty((draws, lanes)),
        np.empty((draws if keep_states else 0, n, lanes // contract.LANE_GROUP), np.uint16),
    )


def _by_chain(blocks: list, chains: int) -> np.ndarray:
    """Arrays (rows, lanes) of all blocks as one (chains, rows), without the lanes that nobody asked for."""
    joined = np.empty((chains, blocks[0].shape[0]), blocks[0].dtype)
    first = 0
    for block in blocks:
        members = joined[first : first + block.shape[1]]
        members[:] = block.T[: len(members)]
        first += len(members)
    return joined
