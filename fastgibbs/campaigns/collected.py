"""The results of a campaign, read from its directory when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, overload

import numpy as np

from fastgibbs.analysis.reports import Report
from fastgibbs.campaigns import files
from fastgibbs.campaigns.files import FAILED
from fastgibbs.campaigns.tasks import Task
from fastgibbs.integrations.tables import Coordinates, Table, long, table
from fastgibbs.models import checks
from fastgibbs.types import Mask

_NOT_SHOWN = {"seed", "digest"}  # of a model: a seed is that of the verb
_MOST_NOTES = 8


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
            return self.part(range(len(self))[index])
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

    def part(self, indices: Sequence[int]) -> Campaign:
        """The tasks of these numbers."""
        tasks, done = [self.tasks[k] for k in indices], self.done[list(indices)].tolist()
        return Campaign(tasks, self.directory, done, self.interrupted)

    def finished(self) -> Campaign:
        """Those tasks of which there is a result.

        >>> import fastgibbs as fg
        >>> tasks = [fg.Task(fg.lattice((4, 4)), "sample", {"beta": beta, "sweeps": 9}, seed=1) for beta in (0.1, 0.2)]
        >>> run = fg.campaign(tasks, "two", progress=False)
        >>> len(run.finished()), len(run.part([1])), run.failed, run.varied()
        (2, 1, {}, {'beta': [0.1, 0.2]})
        >>> list(run.report().table)
        ['task', 'beta', 'seed', 'state']
        """
        return self.part(np.flatnonzero(self.done).tolist())

    def by(self, name: str) -> dict[Any, Campaign]:
        """Parts of it by the value that an argument of the model or the verb has, in order of appearance.

        Lists and arrays are tuples there; None where there is no such argument.
        """
        parts: dict[Any, list[int]] = {}
        for k, task in enumerate(self.tasks):
            parts.setdefault(_key(arguments(task).get(name)), []).append(k)
        if list(parts) == [None]:
            raise ValueError(f"name is {checks.shown(name)}: no task has such an argument")
        return {value: self.part(indices) for value, indices in parts.items()}

    def varied(self) -> dict[str, list[Any]]:
        """The arguments of models and verbs that are not the same in all tasks, and the value of each task."""
        told = [arguments(task) for task in self.tasks]
        names = dict.fromkeys(name for one in told for name in one if name not in _NOT_SHOWN)
        values = {name: [_key(one.get(name)) for one in told] for name in names}
        return {name: found for name, found in values.items() if len(set(found)) > 1}

    def table(self) -> Table:
        """The records of all results that are there, row by row, with the number of the task and what varies.

        So `fastgibbs.integrations.to_dataframe` takes it. It is read whole: a column has a row for each draw of all.

        >>> import fastgibbs as fg
        >>> asked = [fg.Task(fg.lattice((4, 4)), "sample", {"beta": beta, "sweeps": 9}, seed=1) for beta in (0.1, 0.2)]
        >>> run = fg.campaign(asked, "square", progress=False)
        >>> list(fg.integrations.to_dataframe(run).columns)
        ['task', 'chain', 'draw', 'beta', 'energy', 'magnetization']
        """
        varied = self.varied()
        parts = []
        for k in np.flatnonzero(self.done).tolist():
            records = long(table(self[k]))
            rows = len(next(iter(records.values())))
            told = {name: np.repeat(_cell(values[k]), rows) for name, values in varied.items() if name not in records}
            parts.append({"task": np.repeat(k, rows), **told, **records})
        if not parts:
            raise ValueError("no task has been run")
        names = [name for name in parts[0] if all(name in part for part in parts)]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in names}
        first = names.index("energy") if "energy" in names else len(names) - 1
        coordinates: Coordinates = {name: ("row", columns[name]) for name in names[:first]}
        return Table({name: (("row",), columns[name]) for name in names[first:]}, coordinates, {"tasks": len(self)})

    def report(self) -> Report:
        """What has become of its tasks; results have reports of their own."""
        failed = self.failed
        states = ["done" if done else "failed" if k in failed else "not run" for k, done in enumerate(self.done)]
        rows = {name: list(map(_text, values)) for name, values in self.varied().items()}
        seeds = [str(task.seed) for task in self.tasks]
        first = {text.splitlines()[-1]: k for k, text in reversed(failed.items())}
        notes = [f"WARNING: tasks[{k}] failed: {told}" for told, k in sorted(first.items(), key=lambda one: one[1])]
        numbers = [str(k) for k in range(len(self))]
        return Report(
            [repr(self)], {}, {"task": numbers} | rows | {"seed": seeds, "state": states}, notes[:_MOST_NOTES]
        )

    def summary(self) -> str:
        """The same as text.

        >>> import fastgibbs as fg
        >>> tasks = [fg.Task(fg.lattice((4, 4)), "log_z", {"method": "exact"}, seed=1)]
        >>> print(fg.campaign(tasks, "exact", progress=False).summary().splitlines()[0])
        Campaign(1 of 1 tasks done)
        """
        return str(self.report())

    def _repr_html_(self) -> str:
        return self.report().html()

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


def arguments(task: Task) -> dict[str, Any]:
    """The arguments of its model and of its verb, by name."""
    told = task.told
    return {**told["model"], **told["arguments"], "seed": task.seed}


def _cell(value: Any) -> Any:
    """A value as a cell of a column: a number or a text."""
    return value if isinstance(value, int | float | str) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    return "" if value is None else str(value)


def _key(value: Any) -> Any:
    """A JSON value that can be a key."""
    if isinstance(value, dict):
        return tuple((name, _key(one)) for name, one in value.items())
    return tuple(map(_key, value)) if isinstance(value, list) else value
