"""The campaign: which tasks are left, who runs them, and what has become of them."""

from __future__ import annotations

import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from queue import Empty, Queue
from threading import Thread
from typing import Any, Protocol

from fastgibbs.campaigns import files
from fastgibbs.campaigns.collected import Campaign
from fastgibbs.campaigns.files import FAILED, Entry
from fastgibbs.campaigns.provenance import note
from fastgibbs.campaigns.tasks import Task
from fastgibbs.campaigns.working import Outcome, perform, warm
from fastgibbs.io import replace_file
from fastgibbs.methods.running import SAVES, reporting
from fastgibbs.models import checks, resources
from fastgibbs.threads import TICK_SECONDS, Asked, stoppable, work_for
from fastgibbs.types import PathLike, Progress

WINDOW = 512  # tasks that are submitted and not done: what an executor has to remember
_WARM = -1  # in place of the number of a task: its kernels are compiled first
_MOST_KINDS = 16  # of tasks, to be compiled before they are submitted
_PATIENCE = 5.0  # seconds, for tasks that another's executor runs, when asked to stop


class Future(Protocol):
    """What comes of a call later; `add_done_callback` and `cancel` are used where it has them."""

    def result(self) -> Any:
        """What the call returned, or its error."""


class Executor(Protocol):
    """Of `concurrent.futures`, loky, dask.distributed ..."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Call a function somewhere: a `Future`."""


def campaign(
    tasks: Iterable[Task],
    directory: PathLike,
    executor: Executor | None = None,
    progress: Progress = True,
    *,
    every: float = 60.0,
) -> Campaign:
    """Run all tasks whose results are not in `directory` yet: a `Campaign`, a sequence of results, read when asked for.

    Args:
        tasks: `Task`s, or tuples of what makes one, each a run of its own. The same task twice is refused.
        directory: made if it is not there. It receives a file for each task, by its digest, written whole; results
            that are there and sound are not computed again, so that more samples, sizes or temperatures cost what is
            new. Of more sweeps a run goes on from its checkpoint, if it has one; shorter runs are refused.
        executor: anything with `submit`, whose answer has `result()`: of `concurrent.futures` (processes by "spawn"
            or "forkserver"), loky, a client of dask.distributed or what its `get_executor()` returns, MPI ... Workers
            need `directory` under the same path. At most 512 tasks are submitted at a time. None: threads of this
            process, as many as it may use cores, which is as fast as processes as long as tasks take 5 ms or more for
            each of its cores. Results are the same bytes, whoever computes them.
        progress: True shows one bar, with the time left; a callable gets (done, total) in tasks, and stops the
            campaign by returning True.
        every: seconds from one checkpoint of a task to the next, and to the first: a kill costs a task as much at most.
            A run of `sample` or `temper` that took longer keeps its checkpoint, to be gone on with to more sweeps, and
            a shorter one is run again then.

    A task that fails does not stop the others: its traceback is in `Campaign.failed`, and the next call tries again.
    Ctrl-C, `fg.stop()`, SIGTERM and SIGUSR1 leave a checkpoint of the tasks that this process runs, and the next call
    goes on from there. Two calls may work at one directory at once: no task is run twice at a time.

    TypeError or ValueError names the task that is none. RuntimeError if the executor breaks, as when the system kills a
    worker for its memory: what was done by then is there.

    >>> import fastgibbs as fg
    >>> glasses = [{"recipe": "edwards_anderson", "shape": (4, 4), "seed": k} for k in range(4)]
    >>> arguments = {"betas": [0.5, 1.0], "sweeps": 400}
    >>> tasks = [fg.Task(glass, "temper", arguments, seed=k) for k, glass in enumerate(glasses)]
    >>> run = fg.campaign(tasks, "glasses", progress=False)
    >>> run, fg.analysis.disorder_average(run).samples, run[3].energy.shape
    (Campaign(4 of 4 tasks done), 4, (2, 2, 400))
    """
    todo = asked_tasks(tasks)
    folder = os.path.abspath(os.fsdecode(checks.path("directory", directory)))
    every = checks.finite_number("every", every)
    if every < 0:
        raise ValueError(f"every is {every}: give seconds between two checkpoints, at least 0")
    if executor is not None:
        checks.able("executor", executor, "submit", "anything with submit, as of concurrent.futures, or None")
    checks.progress(progress)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ValueError(f"directory {folder} is a file: give a folder")
    os.makedirs(folder, exist_ok=True)
    return _Drive(todo, folder, every).through(executor, progress)


def asked_tasks(tasks: Iterable[Task]) -> list[Task]:
    """`tasks` as a list; TypeError or ValueError names the one that is no task, or is the same as another."""
    found: list[Task] = []
    first: dict[str, int] = {}
    for k, one in enumerate(tasks):
        if not isinstance(one, Task | tuple):
            raise TypeError(f"tasks[{k}] is {checks.shown(one)}: give a Task, or (model, verb, arguments, seed)")
        try:
            found.append(one if isinstance(one, Task) else Task(*one))
        except (TypeError, ValueError) as error:
            raise type(error)(f"tasks[{k}]: {error}") from None
        other = first.setdefault(found[-1].digest, k)
        if other != k:
            raise ValueError(f"tasks[{k}] is the run of tasks[{other}] again: give each once, or another seed")
    return found


def begun(tasks: list[Task], directory: PathLike) -> Campaign:
    """What has become of tasks by now, as far as it is known without reading their files; nothing is run."""
    folder = os.path.abspath(os.fsdecode(checks.path("directory", directory)))
    return Campaign(tasks, folder, _done(tasks, files.known(folder)), False)


def _done(tasks: list[Task], known: dict[str, Entry]) -> list[bool]:
    return [(entry := known.get(task.digest)) is not None and entry.length == task.length for task in tasks]


class _Drive:
    """A call of `campaign` under way."""

    def __init__(self, tasks: list[Task], directory: str, every: float) -> None:
        self._tasks, self._directory, self._every = tasks, directory, every
        self._done = _done(tasks, files.known(directory))
        self._finished = sum(self._done)
        self._entries: dict[str, Entry] = {}
        self._landed: Queue[int] = Queue()
        self._under_way: dict[int, Any] = {}

    def through(self, executor: Executor | None, progress: Progress) -> Campaign:
        """Run what is left."""
        todo = deque(k for k, done in enumerate(self._done) if not done)
        with stoppable(SAVES) as asked, reporting(progress, "task") as report:
            if todo:
                note(self._directory, self._tasks, len(todo))
            try:
                with self._threads(asked) if executor is None else nullcontext(executor) as workers:
                    self._run(workers, todo, asked, report, executor is None)
            finally:
                if self._entries:
                    files.remember(self._directory, self._entries)
            return Campaign(self._tasks, self._directory, self._done, bool(asked))

    @contextmanager
    def _threads(self, asked: Asked) -> Iterator[Executor]:
        """Threads of this process, as many as there are cores for."""
        most = max((task.threads for task in self._tasks), default=1)
        count = max(1, resources.cores() // most)
        with ThreadPoolExecutor(count, "fastgibbs", work_for, (asked,)) as executor:
            try:
                yield executor
            except BaseException:
                asked.ask()
                raise

    def _run(
        self, executor: Executor, todo: deque[int], asked: Asked, report: Callable[[int, int], object], own: bool
    ) -> None:
        total, shown, until = len(self._tasks), 0.0, None
        if not own and todo and (short := self._shortened(todo)):
            self._submit(executor, _WARM, warm, short)
        while (todo and not asked) or self._under_way:
            while todo and not asked and len(self._under_way) < WINDOW and _WARM not in self._under_way:
                k = todo.popleft()
                self._submit(executor, k, perform, self._tasks[k], self._directory, self._every)
            if asked and until is None:
                until = time.monotonic() + _PATIENCE
                for future in list(self._under_way.values()):
                    getattr(future, "cancel", bool)()
            if until is not None and not own and time.monotonic() > until:
                break  # they go on where they are, and leave their files
            with suppress(Empty):
                self._land(self._landed.get(timeout=TICK_SECONDS))
            if time.monotonic() - shown > TICK_SECONDS:
                shown = time.monotonic()
                if report(self._finished, total):
                    asked.ask()
        report(self._finished, total)

    def _shortened(self, todo: Iterable[int]) -> list[Task]:
        """A short task of each of the kinds that are left."""
        first = {self._tasks[k].kind: self._tasks[k] for k in todo}
        found = [task.shortened() for task in list(first.values())[:_MOST_KINDS]]
        return [task for task in found if task is not None]

    def _submit(self, executor: Executor, k: int, *call: Any) -> None:
        future = executor.submit(*call)
        self._under_way[k] = future
        if hasattr(future, "add_done_callback"):
            future.add_done_callback(lambda _: self._landed.put(k))
        else:
            Thread(target=self._wait, args=(k, future), daemon=True).start()

    def _wait(self, k: int, future: Future) -> None:
        """Wait in a thread of its own for one that does not call back."""
        try:
            future.result()
        finally:
            self._landed.put(k)

    def _land(self, k: int) -> None:
        """A task has come back."""
        future = self._under_way.pop(k)
        try:
            outcome: Outcome | None = future.result()
        except BrokenExecutor as error:
            told = f"what was done by then is in {self._directory}, and the next call goes on"
            raise RuntimeError(f"the executor broke ({error}): {told}") from error
        except BaseException as error:
            if "Cancelled" not in type(error).__name__ and k != _WARM:
                self._lost(k)
            return
        if outcome is not None and outcome.entry is not None:
            self._done[k] = True
            self._finished += 1
            self._entries[self._tasks[k].digest] = outcome.entry

    def _lost(self, k: int) -> None:
        """A task whose worker could not tell what became of it, as one that died of it."""
        path = files.path_of(self._directory, self._tasks[k].digest, FAILED)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace_file(path, traceback.format_exc().encode("utf-8", "replace"), durable=False)
