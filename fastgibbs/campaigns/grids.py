"""A campaign as a TOML file describes it: a model, a verb, and a grid, of which every combination is a task."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fastgibbs.campaigns.tasks import VERBS, Task
from fastgibbs.io.descriptions import model_of_file, require_names, require_sections
from fastgibbs.models import checks

SAMPLES = "samples"  # of a grid: so many seeds of the model


class Described(NamedTuple):
    """What a file describes."""

    tasks: list[Task]
    folder: Path  # to write to, if the user names no other
    verb: str


def described(path: Path, values: dict[str, Any]) -> Described:
    """The campaign of a TOML file that holds these values; ValueError or TypeError names the file and the section."""
    verbs = [name for name in values if name in VERBS]
    if len(verbs) != 1:
        told = " and ".join(f"[{name}]" for name in verbs) or "no section of a verb"
        raise ValueError(f"{path} has {told}: give one of {', '.join(f'[{name}]' for name in VERBS)}")
    verb = verbs[0]
    require_sections(path, values, ["model", verb, "grid", "output"])
    output = values.get("output", {})
    require_names(f"{path}: [output]", output, ["folder"])
    folder = checks.within(f"{path}: [output]", checks.path, "folder", output.get("folder", f"results/{path.stem}"))
    model, arguments = values.get("model", {}), dict(values[verb])
    seed = arguments.pop("seed", None)
    if seed is None:
        raise ValueError(f"{path}: [{verb}]: missing key 'seed'")
    where = f"{path}: [model]"
    fixed = model_of_file(where, model)
    tasks = []
    for of_model, of_verb in _combined(path, values.get("grid", {}), verb):
        for section, given, more in ((where, model, of_model), (f"{path}: [{verb}]", arguments, of_verb)):
            for name in given.keys() & more.keys():
                raise ValueError(f"{section}: {name} is given here and in [grid]: give it once")
        if fixed is not None and of_model:
            raise ValueError(f"{path}: [grid]: the model is that of a file, which has no {min(of_model)}")
        of = model | of_model if fixed is None else fixed[0]
        tasks.append(checks.within(f"{path}", _seeded, of, verb, arguments | of_verb, seed))
    return Described(tasks, Path(folder), verb)


def _seeded(model: Any, verb: str, arguments: dict[str, Any], seed: int) -> Task:
    """A task with a seed of its own, which is of what it is, and of no other task."""
    task = Task(model, verb, arguments, seed)
    return Task(task.model, verb, arguments, int(task.digest[:16], 16))


def _combined(path: Path, grid: dict[str, Any], verb: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Arguments of the model and of the verb, of every combination; the seeds of samples run fastest."""
    axes: list[list[tuple[str, str, Any]]] = []
    for name, section in grid.items():
        if name == SAMPLES:
            continue
        checks.choice(f"{path}: [grid]: a key", name, [SAMPLES, "model", verb])
        if not isinstance(section, dict):
            raise ValueError(f"{path}: [grid]: {name} is {checks.shown(section)}: begin a section by [grid.{name}]")
        for key, values in section.items():
            if not isinstance(values, list) or not values:
                told = f"{path}: [grid.{name}]: {key} is {checks.shown(values)}"
                raise ValueError(f"{told}: give a list of the values that it takes in turn")
            axes.append([(name, key, value) for value in values])
    if SAMPLES in grid:
        count = checks.within(f"{path}: [grid]", checks.integer, SAMPLES, grid[SAMPLES])
        axes.append([("model", "seed", seed) for seed in range(count)])
    for chosen in itertools.product(*axes):
        found: tuple[dict[str, Any], dict[str, Any]] = {}, {}
        for name, key, value in chosen:
            found[name != "model"][key] = value
        yield found
