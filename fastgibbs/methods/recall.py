"""`recall`: what a Hopfield memory makes of cues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, contract
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.drivers import Moves, advance, no_record
from fastgibbs.engines.streams import SWEEP, entropy_of, stream_state
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.jobs import Job, Length, begin, through
from fastgibbs.methods.running import running
from fastgibbs.methods.settings import Setting, numbered, settled, tolerable
from fastgibbs.models import Hopfield, checks
from fastgibbs.results.recalled import RecallResult
from fastgibbs.types import ArrayLike, FloatArray, IntArray, Seed, States


def recall(
    model: Hopfield,
    cues: ArrayLike,
    *,
    beta: float = np.inf,
    sweeps: int = 50,
    seed: Seed = None,
    threads: int | None = None,
) -> RecallResult:
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
    cold = isinstance(beta, float | np.floating) and beta == np.inf
    beta = np.inf if cold else checks.finite_number("beta", beta)
    if beta <= 0:
        raise ValueError(f"beta is {beta}: give an inverse temperature above 0")
    sweeps = checks.integer("sweeps", sweeps)
    seed, threads = entropy_of(seed), checks.thread_count(threads)
    room = len(cues) * (8 * sweeps * len(model.patterns) + 4 * model.n)
    checks.require_memory(room, f"{len(cues)} cues and {sweeps} sweeps")

    most = np.inf if cold else tolerable(beta)
    name = "dense" if ENGINES["overlap"].refusal([model], "sequential", 1, most) else "overlap"
    setting = settled([model], name, rule="gibbs", chains=len(cues), clamp=None, threads=threads, tolerance=most)
    overlaps, needed = np.empty((len(cues), sweeps, len(model.patterns))), np.zeros(len(cues), np.int64)
    job = Recalling(setting, cues, beta, Length(sweeps, 0, 1), seed, overlaps, needed)
    with running() as under_way:
        blocks, end, _ = through(under_way, begin(job))
        states = np.concatenate([block.seen[0] for block in blocks])
        done = min(end.done)
        return RecallResult(
            model, states, overlaps[:, :done], needed < done, needed, beta, seed, setting.name, end.interrupted
        )


class CueBlock(NamedTuple):
    """Cues that are advanced together."""

    plan: Any
    state: Any
    rungs: IntArray  # int64 (1, lanes)
    cues: slice  # which
    seen: list[States]  # of one array, int8 (cues, n): their states after the last sweep


@dataclass(frozen=True)
class Recalling(Job):
    """Cues of a memory, each of which is recalled alike among any others."""

    setting: Setting
    cues: States  # int8 (cues, n)
    beta: float  # or inf
    length: Length
    seed: int
    overlaps: FloatArray  # float64 (cues, sweeps, P): what is recorded
    needed: IntArray  # int64 (cues,): the last sweep that changed each

    @property
    def cold(self) -> bool:
        """Whether spins turn along their fields."""
        return self.beta == np.inf

    @property
    def lanes(self) -> int:
        """A lane a cue."""
        return len(self.cues)

    def block(self, lanes: range) -> CueBlock:
        """A block of lanes; those beyond the last cue fill it up."""
        chains, mine = numbered(lanes, len(self.cues)), slice(lanes.start, min(lanes.stop, len(self.cues)))
        betas = np.array([1.0 if self.cold else self.beta])
        plan, state = self.setting.start(self.prepared, lanes, chains, betas, self.seed, self.cues[mine])
        for column, cue in enumerate(self.cues[mine]):
            own = run_entropy(self.seed, "recall", cue[None])
            state.streams[:, column] = stream_state(own, SWEEP, *divmod(lanes.start + column, 64))
        return CueBlock(plan, state, np.zeros((1, len(lanes)), np.int64), mine, [self.cues[mine]])

    def advance(self, block: CueBlock, first: int, last: int, crew: Crew) -> None:
        """Run sweeps `first` ... `last - 1`, and see after each which cues have changed."""
        plan, state, rungs, mine, seen = block
        model: Any = self.setting.given[0]
        nothing = no_record(self.setting.n, rungs.size)
        moves = Moves(contract.ALIGN if self.cold else contract.GIBBS, contract.SEQUENTIAL)
        if first == last:  # compiles
            advance(plan, state, rungs, moves, nothing, first, last, crew)
        for done in range(first, last):
            if self.cold and done and self.needed[mine].max() < done:  # nothing changes any more
                self.overlaps[mine, done] = self.overlaps[mine, done - 1]
                continue
            advance(plan, state, rungs, moves, nothing, done, done + 1, crew)
            before, seen[0] = seen[0], self.engine.spins(plan, state).T[: len(seen[0])].copy()
            self.needed[mine][(seen[0] != before).any(axis=1)] = done + 1
            self.overlaps[mine, done] = model.overlaps(seen[0])

    def attempts(self, block: CueBlock) -> int:
        """One a site in every cue."""
        return len(block.seen[0]) * self.setting.attempts
