"""`recall`: what a Hopfield memory makes of cues."""

import numpy as np

from fastgibbs.engines import contract, overlap
from fastgibbs.engines.drivers import advance
from fastgibbs.engines.streams import SWEEP, entropy_of, stream_state
from fastgibbs.methods.blocks import ENGINES, choose_engine, first_ups, tolerable, unrecorded
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.running import running
from fastgibbs.models import Hopfield, checks
from fastgibbs.results.recalled import RecallResult


def recall(model, cues, *, beta=np.inf, sweeps=50, seed=None, threads=None) -> RecallResult:
    """Let the states of a Hopfield memory run from `cues` for `sweeps` sweeps, site after site.

    At zero temperature, beta = inf, every spin turns along its field in its turn, s_i = sign(f_i), and stays as it is
    where f_i = 0; once no cue changes any more, the sweeps that are left are not run. At a finite beta it is a Gibbs
    sweep, P(s_i = 1) = 1 / (1 + exp(-2 beta f_i)).

    Args:
        model: Hopfield, of any rule and order.
        cues: spins (n,) or (cues, n).
        beta: inverse temperature, above 0.
        sweeps: sweeps of n spins.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.

    Returns a RecallResult, also of a run that was stopped. Raises ValueError or TypeError, naming the argument, before
    anything is compiled.

    Source: Hopfield, Proc. Natl. Acad. Sci. 79, 2554 (1982).

    >>> import fastgibbs as fg
    >>> memory = fg.Hopfield([[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]])
    >>> fg.recall(memory, [1, 1, 1, -1, -1, -1, -1, -1]).states.tolist()  # the first pattern, mended
    [[1, 1, 1, 1, -1, -1, -1, -1]]
    """
    if not isinstance(model, Hopfield):
        raise TypeError(f"model is {checks.shown(model)}: give a Hopfield model")
    cues = np.atleast_2d(checks.spins("cues", cues, model.n))
    if cues.ndim != 2 or not len(cues):
        raise ValueError(f"cues has shape {cues.shape}: give ({model.n},) or (cues, {model.n})")
    cold = isinstance(beta, float) and beta == np.inf
    beta = np.inf if cold else checks.finite_number("beta", beta)
    if beta <= 0:
        raise ValueError(f"beta is {beta}: give an inverse temperature above 0")
    sweeps = checks.integer("sweeps", sweeps)
    seed, threads = entropy_of(seed), checks.thread_count(threads)
    count = len(cues)
    checks.require_memory(count * (8 * sweeps * len(model.patterns) + 4 * model.n), f"{count} cues and {sweeps} sweeps")

    most = np.inf if cold else tolerable(beta)
    refused = overlap.refusal([model], "sequential", 1, most)
    name, _, taken = choose_engine("dense" if refused else "overlap", [model], "sequential", 1, count, most)
    engine = ENGINES[name]
    prepared = engine.prepare(taken, 1)
    rule = contract.ALIGN if cold else contract.GIBBS
    betas = np.array([1.0 if cold else beta])
    overlaps = np.empty((count, sweeps, len(model.patterns)))
    needed = np.zeros(count, np.int64)
    blocks = []
    for lanes in engine.cut(count, threads):
        chains = [lane if lane < count else None for lane in lanes]
        ups = first_ups(seed, cues, chains, model.n)
        plan, state = engine.start(prepared, lanes, ups, seed, betas, contract.GIBBS)
        for column, cue in enumerate(cues[lanes.start : lanes.stop], lanes.start):  # a cue is recalled alike among any
            own = run_entropy(seed, "recall", cue[None])
            state.streams[:, column - lanes.start] = stream_state(own, SWEEP, *divmod(column, 64))
        of_block = slice(lanes.start, min(lanes.stop, count))
        blocks.append((plan, state, np.zeros(len(lanes), np.int64), of_block, [cues[of_block]]))

    def run(block, first, last, crew):
        plan, state, rungs, of_block, at_end = block
        nothing = unrecorded(model.n, rungs.size)
        if first == last:  # compiles
            advance(plan, state, rungs, rule, contract.SEQUENTIAL, first, last, sweeps, 1, *nothing, crew)
        for done in range(first, last):
            if cold and done and needed[of_block].max() < done:  # nothing changes any more
                overlaps[of_block, done] = overlaps[of_block, done - 1]
                continue
            advance(plan, state, rungs, rule, contract.SEQUENTIAL, done, done + 1, sweeps, 1, *nothing, crew)
            before, at_end[0] = at_end[0], engine.spins(plan, state).T[: len(at_end[0])].copy()
            needed[of_block][(at_end[0] != before).any(axis=1)] = done + 1
            overlaps[of_block, done] = model.overlaps(at_end[0])

    with running() as under_way:
        end = under_way.advance(run, blocks, [0] * len(blocks), sweeps, threads)
        done = min(end.done)
        states = np.concatenate([at_end[0] for *_, at_end in blocks])
        return RecallResult(model, states, overlaps[:, :done], needed < done, needed, beta, seed, name, end.interrupted)
