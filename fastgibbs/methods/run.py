"""The life of a run: a verb says what its job is, and this is how it is begun, advanced, saved and brought to its end.

job = Chains(...)                        what a block is, and what advancing it means
begun = begin(job, checkpoint)           its blocks, at their start or where the checkpoint has them
with running(progress, checkpoint) as under_way:
    ran = through(under_way, begun)      every block at its last sweep, or where the run was stopped
    return Result(...)                   nothing is called after it: a Ctrl-C there would cost the result
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.methods.checkpoints import NONE
from fastgibbs.methods.running import Advanced, Run
from fastgibbs.models import checks


class Length(NamedTuple):
    """How long a run is: `burn_in` sweeps, then `sweeps`, of which every thin-th is a draw that is recorded."""

    sweeps: int
    burn_in: int
    thin: int

    @classmethod
    def of(cls, sweeps, burn_in, thin) -> "Length":
        """What a user gave; ValueError or TypeError, naming the argument, unless there is a draw."""
        sweeps, thin = checks.integer("sweeps", sweeps), checks.integer("thin", thin)
        if thin > sweeps:
            raise ValueError(f"thin is {thin}: give at most sweeps = {sweeps}, or nothing is recorded")
        return cls(sweeps, checks.integer("burn_in", burn_in, minimum=0), thin)

    @property
    def total(self) -> int:
        """All sweeps."""
        return self.burn_in + self.sweeps

    @property
    def draws(self) -> int:
        """That are recorded in all."""
        return self.sweeps // self.thin

    def rows(self, done: int) -> int:
        """The draws that are recorded after so many sweeps."""
        return max(done - self.burn_in, 0) // self.thin

    def at_draw(self, done: int) -> bool:
        """Whether states after so many sweeps are those of the last draw."""
        return (done - self.burn_in) % self.thin == 0


class Job:
    """What a verb has to do: blocks of lanes that know nothing of each other, each advanced sweep by sweep.

    Of a job: its `setting`, its `length` or `sweeps`, and how many `lanes` it has in all.
    """

    RECORDS = ()
    """Names of the arrays of a block whose rows are written one after the other."""
    together = ()
    """How many lanes stay in one block, if that matters."""

    @property
    def engine(self):
        """Its setting's."""
        return self.setting.engine

    @property
    def threads(self) -> int:
        """Its setting's."""
        return self.setting.threads

    @property
    def sweeps(self) -> int:
        """That each block is to make."""
        return self.length.total

    def rows(self, done: int) -> int:
        """How many rows of its records are written after so many sweeps."""
        return self.length.rows(done)

    def block(self, lanes: range):
        """The block of these lanes, just started: a NamedTuple with its `plan` and `state`."""
        raise NotImplementedError

    def advance(self, block, first: int, last: int, crew):
        """Run sweeps `first` ... `last - 1` of a block; of none, compile. A job that returns True is done."""
        raise NotImplementedError

    def attempts(self, block) -> int:
        """Single-spin attempts that a sweep of a block makes."""
        raise NotImplementedError

    def crew(self, block) -> int:
        """How many threads may advance a block together."""
        return 1

    def check(self, block, lanes: range, done: int):
        """ValueError unless a block that was saved is as a run leaves it."""


class Begun(NamedTuple):
    """A job whose blocks stand ready."""

    job: Job
    blocks: list
    cut: list[range]  # the lanes of each
    done: list[int]  # sweeps that each has done in calls before


class Ran(NamedTuple):
    """What has become of a job."""

    blocks: list
    end: Advanced
    updates: int  # single-spin attempts that this call has made


def begin(job: Job, checkpoint=NONE) -> Begun:
    """The blocks of a job, where the checkpoint has them if it was saved before; ValueError if it cannot be of it."""
    cut = checkpoint.cut(job.engine.cut, job.lanes, job.threads, *job.together)
    blocks = [job.block(lanes) for lanes in cut]
    done = checkpoint.restore(blocks, cut, dict.fromkeys(job.RECORDS, job.rows), job.sweeps, job.check)
    return Begun(job, blocks, cut, done)


def through(under_way: Run, begun: Begun, limit: float = np.inf) -> Ran:
    """Advance all blocks to their last sweep, unless the run is stopped, or `limit` seconds end it, before that."""
    job, blocks, _, done = begun
    end = under_way.advance(job.advance, blocks, done, job.sweeps, job.threads, job.crew(blocks[0]), limit)
    made = (job.attempts(block) * (now - then) for block, then, now in zip(blocks, done, end.done, strict=True))
    return Ran(blocks, end, sum(made))
