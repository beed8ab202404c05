"""What a campaign will cost, by short runs of its tasks: core hours and disk."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from fastgibbs.analysis.reports import Report
from fastgibbs.campaigns import files
from fastgibbs.campaigns.collected import Campaign
from fastgibbs.campaigns.tasks import VERBS, Task, canonical
from fastgibbs.io.descriptions import parameters
from fastgibbs.methods.pacing import SWEEPS
from fastgibbs.models import resources

_ENOUGH = 0.2  # seconds that tell how long a sweep takes
_MOST = 24  # kinds of tasks that are measured; of others nothing is said


class Cost(NamedTuple):
    """Of one task."""

    seconds: float  # of one core
    bytes: float


def plan(run: Campaign) -> Report:
    """The tasks of a campaign that are left, those that differ by seeds alone in one row, and what they cost.

    A task of each kind is run for a fifth of a second or so. Ladders that adapt take longer than is told.
    """
    kinds: dict[bytes, list[int]] = {}
    for k, task in enumerate(run.tasks):
        if not run.done[k]:
            kinds.setdefault(canonical(_unseeded(task)), []).append(k)
    costs = [cost(run.tasks[of[0]]) for of in list(kinds.values())[:_MOST]]
    left = int((~run.done).sum())
    varied = run.varied()
    first = [of[0] for of in kinds.values()][:_MOST]
    counts = [len(of) for of in kinds.values()]
    columns = {name: [str(values[k]) for k in first] for name, values in varied.items()}
    columns |= {"tasks": [str(count) for count in counts[:_MOST]]}
    columns |= {"seconds each": ["?" if of is None else f"{of.seconds:.3g}" for of in costs]}
    columns |= {"MB each": ["?" if of is None else f"{of.bytes / 1e6:.3g}" for of in costs]}
    known = [(count, of) for count, of in zip(counts, costs, strict=False) if of is not None]
    seconds, size = (sum(count * of[k] for count, of in known) for k in (0, 1))
    cores = resources.cores()
    facts = {
        "tasks": f"{len(run)}, of which {left} are left",
        "cost": f"{seconds / 3600:.3g} core hours, {seconds / cores:.3g} s on the {cores} cores of this machine",
        "disk": f"{size / 1e6:.3g} MB, and as much again for checkpoints of runs of a minute or more",
    }
    unknown = left - sum(count for count, _ in known)
    notes = [f"{unknown} tasks besides were not measured."] if unknown else []
    return Report(["plan"], facts, columns if first else {}, notes)


def _unseeded(task: Task) -> Any:
    model = {name: value for name, value in task.told["model"].items() if name not in ("seed", "digest")}
    return task.told | {"model": model, "seed": 0}


def cost(task: Task) -> Cost | None:
    """What a task costs, by two short runs; None where none is as short, or it fails."""
    name = "steps" if task.verb == "log_z" else "sweeps"
    short = task.shortened()
    whole = task.arguments.get(name, SWEEPS if task.verb == "anneal" else parameters(VERBS[task.verb]).defaults[name])
    if short is None or whole is None or "at" in task.arguments:
        return None
    sweeps = fewest = int(short.arguments[name])
    try:
        short.run()  # compiles
        seconds, size = least, fewest_bytes = _measured(short)
        while sweeps < whole and seconds < _ENOUGH:
            sweeps = min(4 * sweeps, whole)
            seconds, size = _measured(Task(short.model, short.verb, {**short.arguments, name: sweeps}, short.seed))
    except (ValueError, TypeError, MemoryError):  # the task itself will say so
        return None
    burn_in, made = task.told["arguments"].get("burn_in", 0), max(sweeps - fewest, 1)
    each, more = max(seconds - least, 0) / made, max(size - fewest_bytes, 0) / made
    return Cost(least + each * (whole + burn_in - fewest), fewest_bytes + more * (whole - fewest))


def _measured(task: Task) -> Cost:
    began = time.perf_counter()
    result = task.run()
    return Cost(time.perf_counter() - began, len(files.packed(task, result)))
