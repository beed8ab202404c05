"""What a worker does with a task, on whatever machine: it is held, run if it must be, and written whole."""

from __future__ import annotations

import inspect
import os
import time
import traceback
from contextlib import ExitStack, suppress
from typing import Any, Literal, NamedTuple

from fastgibbs.campaigns import files
from fastgibbs.campaigns.files import CHECKPOINT, FAILED, RESULT, Entry
from fastgibbs.campaigns.tasks import VERBS, Task
from fastgibbs.io import held, replace_file
from fastgibbs.methods.checkpoints import patient


class Outcome(NamedTuple):
    """What has become of a task: it was run, found, stopped early, failed, or is in another worker's hands."""

    state: Literal["ran", "found", "stopped", "failed", "held"]
    entry: Entry | None = None  # of its file, if that is there
    seconds: float = 0.0  # that it took here


def perform(task: Task, directory: str, every: float) -> Outcome:
    """Run a task, unless its result is there; go on where a checkpoint, or a shorter run, has left it.

    One that fails leaves its traceback, and is tried again by the next call. Nobody else runs it meanwhile.
    """
    began = time.perf_counter()
    path, checkpoint, failed = (files.path_of(directory, task.digest, of) for of in (RESULT, CHECKPOINT, FAILED))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(held(path))
        except ValueError:
            return Outcome("held")
        try:
            entry = files.sound(directory, task)
            if entry is not None and entry.length == task.length:
                return Outcome("found", entry)
            if entry is not None and entry.length > task.length:
                told = f"{path} holds {entry.length} sweeps of this task, more than {task.length}"
                raise ValueError(f"{told}: ask for as many or more, or give another directory")
            result = _result(task, checkpoint, every)
            if getattr(result, "interrupted", False):
                return Outcome("stopped")
            entry = files.write(directory, task, result)
            for done in (failed, *([checkpoint] if not task.length else [])):
                with suppress(FileNotFoundError):
                    os.remove(done)
            return Outcome("ran", entry, time.perf_counter() - began)
        except KeyboardInterrupt:  # of a verb that has nothing to return before its end
            return Outcome("stopped")
        except Exception:
            replace_file(failed, traceback.format_exc().encode("utf-8", "replace"), durable=False)
            return Outcome("failed")


def warm(tasks: list[Task]) -> None:
    """Compile what these need, into the cache of this machine, so that workers who start together find it there."""
    for task in tasks:
        with suppress(Exception):  # it will be told of the task itself
            task.run()


def _result(task: Task, checkpoint: str, every: float) -> Any:
    """What a task returns; from a checkpoint, if there is one, and anew where that is damaged, which is set aside."""
    if "checkpoint" not in inspect.signature(VERBS[task.verb]).parameters:
        return task.run()
    with patient():
        try:
            return task.run(checkpoint=checkpoint, every=every)
        except ValueError as error:
            if checkpoint not in str(error) or not os.path.exists(checkpoint):
                raise
            files.set_aside(checkpoint)
        return task.run(checkpoint=checkpoint, every=every)
