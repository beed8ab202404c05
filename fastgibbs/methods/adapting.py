"""How a ladder is spaced so that all its swaps are equally likely: short runs, each with the ladder of the one before.

Source: Syed, Bouchard-Cote, Deligiannidis, Doucet, J. R. Stat. Soc. B 84, 321 (2022), algorithm 4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs import analysis
from fastgibbs.methods.checkpoints import Checkpoint
from fastgibbs.methods.jobs import Length, begin, through
from fastgibbs.methods.ladders import MAX_RUNGS
from fastgibbs.methods.running import Run
from fastgibbs.methods.several import Several
from fastgibbs.models import checks
from fastgibbs.results.tempered import Round
from fastgibbs.types import FloatArray, States

FIRST_RUNGS = 16  # of the ladder of the first round
FIRST_ROUND = 64  # sweeps of it, doubled from round to round


class Adapted(NamedTuple):
    """What rounds of adaptation have come to."""

    rounds: list[Round]
    ladder: FloatArray  # float64 (rungs,), as of `Ladders.ladder`: files name it "betas"
    starts: list[States] | None  # int8 (ladders, rungs, n), of each job: the states that the last round ended with
    compiling: float  # seconds


def adapting(job: Several, adapted: Adapted, grows: bool, under_way: Run) -> Adapted:
    """All rounds that a run of this job asks for and has not had, unless it is stopped; `grows`: rungs are added."""
    sweeps, total = job.length.sweeps, job.length.total

    def report(done: int, of_round: int) -> object:
        """Sweeps of adaptation are not counted."""
        return under_way.report(0, total)

    quiet = under_way._replace(report=report)
    while not under_way.asked and (not adapted.rounds or 8 * adapted.rounds[-1].sweeps <= sweeps):
        under_way.checkpoint.enter({"rounds": adapted.rounds}, {"betas": adapted.ladder})
        adapted = _round(job, adapted, grows, quiet)
    return adapted


def _round(job: Several, adapted: Adapted, grows: bool, under_way: Run) -> Adapted:
    """One more round."""
    sweeps = 2 * adapted.rounds[-1].sweeps if adapted.rounds else FIRST_ROUND
    length, ladder = Length(sweeps, sweeps // 4, sweeps), adapted.ladder
    job = job.trial(len(adapted.rounds), length).at(ladder, adapted.starts)
    blocks, end, _ = through(under_way, begin(job, under_way.checkpoint))
    found = job.gathered(blocks, length.draws, end.done)
    rejections = 1 - np.mean([of_job.acceptance()[0] for of_job in found], axis=0)
    barrier = analysis.barrier(ladder, rejections)
    size = min(analysis.enough_rungs(barrier.total), MAX_RUNGS) if grows else ladder.size
    new = analysis.equalized(ladder, rejections, size)
    nearest = np.abs(new[:, None] - ladder).argmin(axis=1)
    now = Round(sweeps, ladder.size, barrier.total, float(1 - rejections.max()))
    starts = [of_job.spins()[:, nearest] for of_job in found]
    return Adapted([*adapted.rounds, now], new, starts, adapted.compiling + end.compiling)


def saved_ladder(checkpoint: Checkpoint, job: Several, grows: bool, adapt: bool) -> Adapted:
    """The rounds of adaptation that a checkpoint knows, and their ladder; else none, and that of the job."""
    asked, sweeps = job.ladder, job.length.sweeps
    if checkpoint.saved is None:
        return Adapted([], asked, None, 0.0)
    try:
        rounds, ladder = [], checks.finite_array("betas", checkpoint.arrays.get("betas"))
        for k, (length, rungs, barrier, acceptance) in enumerate(checkpoint.stage.get("rounds", [])):
            length, rungs = checks.integer("sweeps", length), checks.integer("rungs", rungs, 2, MAX_RUNGS)
            barrier, acceptance = (checks.finite_number("a number", number) for number in (barrier, acceptance))
            due = 4 * length <= sweeps if k else adapt
            size = rungs if grows and k else asked.size
            possible = 0 <= barrier <= rungs and 0 <= acceptance <= 1
            if not due or not possible or (length, rungs) != (FIRST_ROUND * 2**k, size):
                raise ValueError(f"round {k} of adaptation is {[length, rungs, barrier, acceptance]}")
            rounds.append(Round(length, rungs, barrier, acceptance))
        right = ladder.ndim == 1 and 2 <= ladder.size <= MAX_RUNGS
        right = right and (not rounds or (np.diff(ladder) > 0).all())  # what was not adapted is as it was given
        right = right and (ladder[0], ladder[-1]) == (asked[0], asked[-1])
        right = right and (ladder.size == asked.size or (grows and bool(rounds)))
        right = right and (bool(rounds) or (ladder == asked).all())
        if not right:
            raise ValueError(f"betas are {ladder.size} numbers that are no ladder of it")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{checkpoint.path} cannot be of this run: {error}") from None
    return Adapted(rounds, ladder, None, 0.0)
