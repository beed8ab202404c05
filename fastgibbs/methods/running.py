"""The life of a run: how its blocks are advanced on threads, with progress, and stopped without loss.

Kernels release the GIL and know nothing of threads. A worker takes the block that has waited longest, advances it by
about CHUNK_SECONDS and puts it back, so that blocks progress evenly at any number of threads, and a stop takes effect
within one chunk, or one sweep where that takes longer. Where chunks end never shows in the results. A single worker is
the thread that calls, whose signals are answered between chunks; another one compiles, which takes longer.
Where there are fewer blocks than threads, several threads make a crew that advances one block together.
Blocks that have to do with one another meet: each waits at the same sweep until all are there. Blocks that are all at
that sweep have met: nothing can come between, a stop or a checkpoint.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines.contract import Crew
from fastgibbs.engines.gates import BROKEN
from fastgibbs.jit import NotCompiled, compilations, compiled_only
from fastgibbs.methods.checkpoints import NONE, Checkpoint
from fastgibbs.models import checks
from fastgibbs.threads import Asked, Team, here, on_threads, stoppable
from fastgibbs.types import Progress

CHUNK_SECONDS = 0.02
MOST_GROWTH = 100  # of a chunk after the one before: a clock may be coarse
ALONE = Crew(0, 1, np.zeros(1, np.uint64), 0)
SAVES = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]

Hearing = Callable[[int, int], object]  # hears (done, total)
Advance = Callable[[Any, int, int, Crew], bool | None]  # takes a block from a sweep to another; True stops the run


class Meetings(NamedTuple):
    """When all blocks meet, and at the end; `hold(blocks, done)` is called while they rest, after so many sweeps."""

    every: int  # sweeps
    hold: Callable[[list[Any], int], object]

    def after(self, done: int, sweeps: int) -> int:
        """The sweep of the next, for blocks of which the last has done so many, of `sweeps`."""
        return min((done // self.every + 1) * self.every, sweeps)


class Advanced(NamedTuple):
    """What came of advancing blocks."""

    done: list[int]  # sweeps of each block
    interrupted: bool  # whether the run was stopped before the end
    compiling: float  # seconds
    seconds: float  # of all that came after


class Run(NamedTuple):
    """A run under way, from `running`."""

    asked: Asked  # whether it was asked to stop
    report: Hearing  # report(done, total), which says whether to stop
    checkpoint: Checkpoint

    def after(self, past: int) -> Run:
        """The run, of which `past` sweeps have come before those that are reported now."""
        return self._replace(report=lambda done, total: self.report(past + done, past + total))

    def advance(
        self,
        advance: Advance,
        blocks: list[Any],
        done: list[int],
        sweeps: int,
        threads: int,
        largest_crew: int = 1,
        limit: float = np.inf,
        *,
        meetings: Meetings | None = None,
    ) -> Advanced:
        """Call `advance(block, first, last, crew)` until every block has done `sweeps` sweeps or the run is stopped.

        `done`: sweeps that each block has done before. Each thread begins with a call for which first = last, which
        compiles; it may come while others advance that block.
        `report(done, sweeps)` hears the mean number of sweeps done ten times a second. An `advance` that returns True
        asks the run to stop, and so does the end of `limit` seconds. SIGTERM or SIGUSR1 (which SLURM sends before it
        kills) save a run with a checkpoint.
        """
        done, began, begun, ready = list(done), time.perf_counter(), done[0], []
        turns = _Turns(blocks, done, sweeps, meetings, self.checkpoint)
        chunks = [1] * len(blocks)
        workers = max(1, min(threads // len(blocks), largest_crew))

        def prepare() -> None:
            advance(blocks[0], begun, begun, ALONE)
            ready.append(time.perf_counter())

        def work() -> Generator[None, None, None]:
            team = Team(workers)
            try:
                while not self.asked and (index := turns.take(self.asked)) is not None:
                    last = min(done[index] + chunks[index], turns.end)
                    start = time.perf_counter()
                    stops = _together(team, advance, blocks[index], done[index], last)
                    now = time.perf_counter()
                    growth = min(CHUNK_SECONDS / max(now - start, 1e-9), MOST_GROWTH)
                    chunks[index] = min(max(1, int(chunks[index] * growth)), sweeps)
                    turns.give_back(index, last)
                    if stops is True or now - ready[0] > limit:
                        self.asked.ask()
                    yield
            finally:
                team.close()

        def tick() -> None:
            if self.report(sum(done) // len(done), sweeps):
                self.asked.ask()
            self.checkpoint.attend(blocks, done, sweeps if meetings is None else None)

        self.checkpoint.began(blocks, done)
        if min(done) < sweeps and not self.asked:
            if threads == 1 or len(blocks) == 1:
                with suppress(NotCompiled), compiled_only():
                    prepare()
            if ready:
                here(work(), tick)
            else:
                on_threads(lambda: deque(work(), 0), min(threads, len(blocks)), prepare, tick)
        self.checkpoint.ended(blocks, done, sweeps)
        if self.report(sum(done) // len(done), sweeps):
            self.asked.ask()  # of what comes next
        compiled = ready[0] if ready else time.perf_counter()
        return Advanced(done, min(done) < sweeps, compiled - began, time.perf_counter() - compiled)


class _Turns:
    """Which block is advanced next, the one that has waited longest, and how far: to the end, or to where all meet."""

    def __init__(
        self, blocks: list[Any], done: list[int], sweeps: int, meetings: Meetings | None, checkpoint: Checkpoint
    ) -> None:
        self._blocks, self._done, self._sweeps, self._meetings = blocks, done, sweeps, meetings
        self._checkpoint, self._changed = checkpoint, threading.Condition()
        self.end = sweeps if meetings is None else meetings.after(min(done), sweeps)
        self._waiting = deque(index for index in range(len(blocks)) if done[index] < self.end)

    def take(self, asked: Asked) -> int | None:
        """A block that can go on, or None if none is left for this thread, or the run was asked to stop."""
        while True:
            with suppress(IndexError):
                return self._waiting.popleft()
            if self._meetings is None:
                return None
            with self._changed:
                while not self._waiting and not asked and min(self._done) < self._sweeps:
                    self._changed.wait(CHUNK_SECONDS)  # nobody tells of a stop
                if not self._waiting:
                    return None

    def give_back(self, index: int, done: int) -> None:
        """A block has come to so many sweeps: it waits for its next turn, or for the others."""
        if self._meetings is None or done < self.end:
            self._checkpoint.saw(index, self._blocks[index], done)
            self._done[index] = done
            if done < self.end:
                self._waiting.append(index)
            return
        with self._changed:
            self._done[index] = done
            if min(self._done) == self.end:
                self._meetings.hold(self._blocks, self.end)
                self._checkpoint.met(self._blocks, self.end)
                if self.end < self._sweeps:
                    self.end = self._meetings.after(self.end, self._sweeps)
                    self._waiting.extend(range(len(self._blocks)))
                self._changed.notify_all()


def _together(team: Team, advance: Advance, block: Any, first: int, last: int) -> bool | None:
    """Advance a block by the whole team as one crew; what its first worker returns."""
    if team.size == 1:
        return advance(block, first, last, ALONE)
    gate, returned = np.zeros(1, np.uint64), []

    def take_part(worker: int) -> None:
        try:
            stops = advance(block, first, last, Crew(worker, team.size, gate, 0))
        except BaseException:
            gate[0] = BROKEN  # nobody waits for a worker that will not come
            raise
        if worker == 0:
            returned.append(stops)

    team.call([(take_part, worker) for worker in range(team.size)])
    return returned[0]


class running:
    """`with running(progress, checkpoint) as run:` is a `Run`, in which a stop loses nothing.

    `progress`: False, True (a tqdm bar, or a plain line) or a callable.
    """

    def __init__(self, progress: Progress = False, checkpoint: Checkpoint = NONE) -> None:
        self._stoppable = stoppable(SAVES if checkpoint.path is not None else ())
        self._reporting = reporting(progress)
        self._checkpoint = checkpoint

    def __enter__(self) -> Run:
        asked = self._stoppable.__enter__()
        try:
            return Run(asked, self._reporting.__enter__(), self._checkpoint)
        except BaseException:
            self._stoppable.__exit__()
            raise

    def __exit__(self, *error: Any) -> None:
        try:
            self._reporting.__exit__(*error)
        finally:
            self._checkpoint.release()
            self._stoppable.__exit__(*error)


@contextmanager
def reporting(progress: Progress, unit: str = "sweep") -> Iterator[Hearing]:
    """A `report(done, total)` for `progress`, which says whether to stop."""
    if callable(progress):
        yield lambda done, total: checks.says_stop(progress(done, total))
    elif not progress:
        yield lambda done, total: None
    else:
        with compilations(lambda: print("compiling (once) ...", file=sys.stderr, flush=True)), bar(unit) as report:
            yield report


@contextmanager
def bar(unit: str = "sweep") -> Iterator[Hearing]:
    """A tqdm bar, or a plain line, as a `report(done, total)`."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield lambda done, total: print(f"\r{done}/{total} {unit}s", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    else:
        with tqdm(unit=unit, mininterval=0) as bar:

            def report(done: int, total: int) -> None:
                if total != bar.total:  # by `reset` alone a bar in a notebook learns of it, whose clock goes on
                    began = bar.start_t
                    bar.reset(total)
                    bar.start_t = began
                if done != bar.n:  # a file that hears it would hear it ten times a second
                    bar.update(done - bar.n)

            yield report
