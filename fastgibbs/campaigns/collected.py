"""The results of a campaign, read from its directory when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, overload

import numpy as np

from fastgibbs.campaigns import files
from fastgibbs.campaigns.files import FAILED
from fastgibbs.campaigns.tasks import Task
from fastgibbs.models import checks
from fastgibbs.types import Mask


class Campaign(Sequence[Any]):
    """What `fastgibbs.campaign` returns: the result of each task, in order, read from its file at each access.

    Slices and `by` give parts of it, which hold no result either. `tasks`, `directory`; `done`: bool (tasks,), of which
    there is a result; `interrupted`: whether it was stopped.

    Of a task that failed, or that was not run, an access is a RuntimeError, which says why; of a file that was damaged
    since, a ValueError.

    >>> import fastgibbs as fg
    >>> models = [{"recipe": "lattice", "shape": (side, side)} for side in (4, 8)]
    >>> tasks = [fg.Task(model, "sample", {"beta": 0.4, "sweeps": 100}, seed=1) for model in models]
    >>> run = fg.campaign(tasks, "squares", progress=False)
    >>> {shape: part[0].model.n for shape, part in run.by("shape").items()}
    {(4, 4): 16, (8, 8): 64}
    """

    def __init__(self, tasks: Sequence[Task], directory: str, done: Sequence[bool], interrupted: bool) -> None:
        self.tasks, self.directory, self.interrupted = tuple(tasks), directory, interrupted
        self.done: Mask = np.array(done, bool)

    def __len__(self) -> int:
        return len(self.tasks)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Campaign: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._part(range(len(self))[index])
        task = self.tasks[index]
        try:
            return files.read(self.directory, task)
        except FileNotFoundError:
            told = self._failure(task)
            what = "has not been run" if told is None else f"failed: {told.splitlines()[-1]}"
            raise RuntimeError(f"tasks[{index}] {what}; `done` tells which have results, `failed` why") from None

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        ends = ", interrupted" if self.interrupted else ""
        return f"Campaign({self.done.sum()} of {len(self)} tasks done{ends})"

    def _part(self, indices: Sequence[int]) -> Campaign:
        tasks, done = [self.tasks[k] for k in indices], self.done[list(indices)].tolist()
        return Campaign(tasks, self.directory, done, self.interrupted)

    def finished(self) -> Campaign:
        """Those tasks of which there is a result."""
        return self._part(np.flatnonzero(self.done).tolist())

    def by(self, name: str) -> dict[Any, Campaign]:
        """Parts of it by the value that an argument of the model or the verb has, in order of appearance.

        Lists and arrays are tuples there; None where there is no such argument.
        """
        parts: dict[Any, list[int]] = {}
        for k, task in enumerate(self.tasks):
            parts.setdefault(argument(task, name), []).append(k)
        if list(parts) == [None]:
            raise ValueError(f"name is {checks.shown(name)}: no task has such an argument")
        return {value: self._part(indices) for value, indices in parts.items()}

    @property
    def failed(self) -> dict[int, str]:
        """The tracebacks of tasks that failed, by their numbers."""
        told = {int(k): self._failure(self.tasks[k]) for k in np.flatnonzero(~self.done)}
        return {k: text for k, text in told.items() if text is not None}

    def _failure(self, task: Task) -> str | None:
        with suppress(OSError):
            path = Path(files.path_of(self.directory, task.digest, FAILED))
            return path.read_text(encoding="utf-8", errors="replace").rstrip()
        return None


def argument(task: Task, name: str) -> Any:
    """The value of an argument of its model or its verb, that can be a key; None if it has none."""
    value = {**task.told["model"], **task.told["arguments"], "seed": task.seed}.get(name)
    return _key(value)


def _key(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((name, _key(one)) for name, one in value.items())
    return tuple(map(_key, value)) if isinstance(value, list) else value
