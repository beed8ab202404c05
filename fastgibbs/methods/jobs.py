"""The life of a run: a verb says what its job is, and this is how it is begun, advanced, saved and brought to its end.

job = Chains(...)                        what a block is, and what advancing it means
begun = begin(job, checkpoint)           its blocks, at their start or where the checkpoint has them
with running(progress, checkpoint) as under_way:
    ran = through(under_way, begun)      every block at its last sweep, or where the run was stopped
    return Result(...)                   nothing is called after it: a Ctrl-C there would cost the result
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastgibbs.engines.contract import Crew
from fastgibbs.engines.drivers import Times, times
from fastgibbs.methods import restoring
from fastgibbs.methods.checkpoints import NONE, Checkpoint
from fastgibbs.methods.running import Advanced, Meetings, Run
from fastgibbs.methods.settings import Setting
from fastgibbs.models import checks
from fastgibbs.results.lanes import Left
from fastgibbs.types import ArrayLike, Engine, IntArray


class Length(NamedTuple):
    """How long a run is: `burn_in` sweeps, then `sweeps`, of which every thin-th is a draw that is recorded."""

    sweeps: int
    burn_in: int
    thin: int
    at: list[int] | None = None
    """The sweeps past burn-in that are draws, ascending, where they were chosen."""

    @classmethod
    def of(cls, sweeps: int | None, burn_in: int, thin: int, before: int = 0, at: ArrayLike | None = None) -> Length:
        """What a user gave; ValueError or TypeError, naming the argument, unless there is a draw.

        Sweeps that runs `before` have made count as burn-in.
        """
        if at is not None:
            return cls._of_chosen(at, before, sweeps=(sweeps, None), burn_in=(burn_in, 0), thin=(thin, 1))
        if sweeps is None:
            raise TypeError("sweeps is missing: give a number of sweeps, or at, the sweeps to draw at")
        sweeps, thin = checks.integer("sweeps", sweeps), checks.integer("thin", thin)
        if thin > sweeps:
            raise ValueError(f"thin is {thin}: give at most sweeps = {sweeps}, or nothing is recorded")
        return cls(sweeps, before + checks.integer("burn_in", burn_in, minimum=0), thin)

    @classmethod
    def _of_chosen(cls, at: ArrayLike, before: int, **left_out: tuple[object, object]) -> Length:
        """Draws `at` these sweeps; `left_out`: what else was given, and what it is if it was not."""
        for name, (given, default) in left_out.items():
            if given is not default and not (isinstance(given, int) and given == default):
                raise ValueError(f"{name} is {checks.shown(given)}, and at says when draws are made: leave {name} out")
        given = checks.integers("at", at)
        if given.ndim != 1 or not given.size:
            raise ValueError(f"at has shape {given.shape}: give the sweeps to draw at, one or more in a 1-D array")
        chosen = given.tolist()
        for k, sweep in enumerate(chosen):
            checks.integer(f"at[{k}]", sweep)
            if k and sweep <= chosen[k - 1]:
                raise ValueError(f"at[{k}] is {sweep} after {chosen[k - 1]}: give sweeps that ascend")
        return cls(chosen[-1], before, 1, chosen)

    @property
    def times(self) -> Times:
        """When draws are made."""
        return times(self.burn_in, self.thin, self.at or [])

    def chosen(self, draws: int) -> IntArray:
        """The first of the sweeps that were chosen, int64, so many or none."""
        return np.array((self.at or [])[:draws], np.int64)

    @property
    def total(self) -> int:
        """All sweeps."""
        return self.burn_in + self.sweeps

    @property
    def draws(self) -> int:
        """That are recorded in all."""
        return self.rows(self.total)

    def rows(self, done: int) -> int:
        """The draws that are recorded after so many sweeps."""
        past = max(done - self.burn_in, 0)
        return past // self.thin if self.at is None else bisect_right(self.at, past)

    def at_draw(self, done: int) -> bool:
        """Whether states after so many sweeps are those of the last draw."""
        past = done - self.burn_in
        return past % self.thin == 0 if self.at is None else past == self.at[self.rows(done) - 1]


class Job:
    """What a verb has to do: blocks of lanes, each advanced sweep by sweep, that know nothing of each other or meet.

    Of a job: its `setting`, its `length` or `sweeps`, and how many `lanes` it has in all.
    """

    RECORDS: tuple[str, ...] = ()
    """Names of the arrays of a block whose rows are written one after the other."""
    before: tuple[Left, ...] = ()
    """Where a run has left its blocks that this one goes on from; its sweeps are counted by `sweeps` too."""
    in_bins: bool = False
    """Whether bins are kept in place of draws."""

    if TYPE_CHECKING:  # fields or properties of each

        @property
        def setting(self) -> Setting:
            """What all its blocks share."""

        @property
        def length(self) -> Length:
            """How long it is."""

        @property
        def lanes(self) -> int:
            """All."""

    @property
    def together(self) -> tuple[int, ...]:
        """How many lanes stay in one block, if that matters."""
        return ()

    @property
    def engine(self) -> Engine:
        """Its setting's."""
        return self.setting.engine

    @cached_property
    def prepared(self) -> Any:
        """The plan that all blocks share."""
        return self.setting.prepare(self.setting.models)

    def cut(self, first: int, last: int, threads: int) -> list[range]:
        """Lanes `first` ... `last - 1` in blocks, as the engine has them for so many threads."""
        cut = self.engine.cut(last - first, threads, *self.together)
        return [range(first + lanes.start, first + lanes.stop) for lanes in cut]

    @property
    def threads(self) -> int:
        """Its setting's."""
        return self.setting.threads

    @property
    def models(self) -> int:
        """How many its setting has."""
        return len(self.setting.given)

    def lanes_of(self, models: int) -> int:
        """The lanes that it would have with so many models, the first of its own."""
        return self.lanes

    @property
    def sweeps(self) -> int:
        """That each block is to make."""
        return self.length.total

    def rows(self, done: int) -> int:
        """How many rows of its records are written after so many sweeps."""
        return 0 if self.in_bins else self.length.rows(done)

    def block(self, lanes: range) -> Any:
        """The block of these lanes, just started: a NamedTuple with its `plan` and `state`."""
        raise NotImplementedError

    def advance(self, block: Any, first: int, last: int, crew: Crew) -> bool | None:
        """Run sweeps `first` ... `last - 1` of a block; of none, compile. A job that returns True is done."""
        raise NotImplementedError

    def attempts(self, block: Any) -> int:
        """Single-spin attempts that a sweep of a block makes."""
        raise NotImplementedError

    def go_on(self, block: Any, left: Left) -> None:
        """Bring a block that has just been started to where that of the run before was left."""
        restoring.go_on(block, left.arrays)

    def crew(self, block: Any) -> int:
        """How many threads may advance a block together."""
        return 1

    @property
    def meetings(self) -> Meetings | None:
        """When its blocks meet, if they have to do with one another."""
        return None

    def check(self, block: Any, lanes: range, done: int) -> None:
        """ValueError unless a block that was saved is as a run leaves it."""


class Begun(NamedTuple):
    """A job whose blocks stand ready."""

    job: Job
    blocks: list[Any]
    cut: list[range]  # the lanes of each
    done: list[int]  # sweeps that each has done in calls before


class Ran(NamedTuple):
    """What has become of a job."""

    blocks: list[Any]
    end: Advanced
    updates: int  # single-spin attempts that this call has made


def begin(job: Job, checkpoint: Checkpoint = NONE) -> Begun:
    """The blocks of a job, where the checkpoint has them if it was saved before; ValueError if it cannot be of it.

    Else they are where the run before left them, if there was one, in its cut.
    """
    cut = checkpoint.cut(job) if not job.before else _side_by_side([left.lanes for left in job.before])
    blocks = [job.block(lanes) for lanes in cut]
    for index, place in enumerate(job.before):
        job.go_on(blocks[index], place)
    records = dict.fromkeys(job.RECORDS, job.rows)
    done = checkpoint.restore(blocks, cut, records, job.sweeps, job.check, first_sweep(job))
    if job.meetings is not None and max(done) > (meeting := job.meetings.after(min(done), job.sweeps)):
        raise ValueError(f"{checkpoint.path} cannot be of this run: one has done {max(done)}, all meet at {meeting}")
    return Begun(job, blocks, cut, done)


def first_sweep(job: Job) -> int:
    """The sweeps that runs before this one have made."""
    return job.before[0].done if job.before else 0


def _side_by_side(sizes: list[int]) -> list[range]:
    ends = np.cumsum(sizes).tolist()
    return [range(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def left(begun: Begun, ran: Ran) -> list[Left]:
    """Where a run has left its blocks."""
    each = zip(ran.blocks, begun.cut, ran.end.done, strict=True)
    return [Left(len(lanes), done, restoring.left(block)) for block, lanes, done in each]


def through(under_way: Run, begun: Begun, limit: float = np.inf) -> Ran:
    """Advance all blocks to their last sweep, unless the run is stopped, or `limit` seconds end it, before that."""
    job, blocks, _, done = begun
    under_way = under_way.after(-first_sweep(job))
    crew, meetings = job.crew(blocks[0]), job.meetings
    end = under_way.advance(job.advance, blocks, done, job.sweeps, job.threads, crew, limit, meetings=meetings)
    made = (job.attempts(block) * (now - then) for block, then, now in zip(blocks, done, end.done, strict=True))
    return Ran(blocks, end, sum(made))
