"""`sample FILE.toml` and `temper FILE.toml`: a model, a verb with its arguments, and what is written, in one file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fastgibbs.gallery.output import comma_separated
from fastgibbs.gallery.runs import Content, Findings, Interrupted, SavedAs, Task, parsed
from fastgibbs.integrations.tables import long, table
from fastgibbs.io import read
from fastgibbs.methods.sampling import sample
from fastgibbs.methods.tempering import temper
from fastgibbs.models import (
    checks,
    edwards_anderson,
    lattice,
    p_spin,
    power_law,
    random_regular,
    sherrington_kirkpatrick,
    triangular,
    viana_bray,
)
from fastgibbs.results.sampled import SampleResult
from fastgibbs.results.tempered import TemperResult
from fastgibbs.types import Progress

T = TypeVar("T")
HERE = Path(__file__).parent  # a file of each kind is there
VERBS: dict[str, Callable[..., Any]] = {"sample": sample, "temper": temper}
RECIPES: dict[str, Callable[..., Any]] = {
    recipe.__name__: recipe
    for recipe in (
        lattice,
        triangular,
        edwards_anderson,
        sherrington_kirkpatrick,
        random_regular,
        viana_bray,
        power_law,
        p_spin,
    )
}
ELSEWHERE = {"model", "start", "clamp", "progress", "checkpoint"}  # arguments of verbs that no file gives
EACH = "chains_per_beta"  # of `sample`, whose `beta` is one per chain
OUTPUT = {"folder": str, "npz": bool, "csv": bool}


def task(verb: str, path: Path) -> Task:
    """The run that a TOML file describes, in the sections [model], [sample] or [temper], and [output] if need be.

    Raises ValueError or TypeError that names the file and the section for all that is wrong with it, FileNotFoundError
    if there is none.
    """
    values, text = parsed(path)
    for other in VERBS.keys() & values.keys() - {verb}:
        raise ValueError(f"{path} describes what to {other}: python -m fastgibbs {other} {path} carries it out")
    sections = ("model", verb, "output")
    for name, section in values.items():
        checks.choice(f"{path}: a section", name, sections)
        if not isinstance(section, dict):
            raise ValueError(f"{path}: {name} is {checks.shown(section)}: begin a section by [{name}]")
    for name in sections[:2]:
        if name not in values:
            raise ValueError(f"{path} has no section [{name}]: python -m fastgibbs {verb} --help shows such a file")
    output = _output(f"{path}: [output]", values.get("output", {}))
    model = _model(f"{path}: [model]", values["model"])
    where, arguments = f"{path}: [{verb}]", dict(values[verb])
    each = {EACH} if verb == "sample" else set()
    _check_keys(where, arguments, VERBS[verb], ELSEWHERE, each)
    if each & arguments.keys():
        count = _within(where, checks.integer, EACH, arguments.pop(EACH))
        beta = _within(where, checks.inverse_temperatures, "beta", arguments["beta"])
        if beta.ndim > 1 or "chains" in arguments:
            raise ValueError(f"{where}: {EACH} goes with a number or a list of numbers as beta, and without chains")
        _within(where, checks.require_memory, 8.0 * beta.size * count, f"{EACH}={count}", "give fewer")
        arguments["beta"] = np.repeat(beta, count)
    run = partial(_run, verb, where, model, arguments, output)
    title = f"fastgibbs {verb} {path.name}"
    return Task(verb, title, run, Path(output.get("folder", Path("results") / path.stem)), text.encode())


def _run(
    verb: str,
    where: str,
    model: Any,
    arguments: dict[str, Any],
    output: dict[str, Any],
    progress: Progress,
    checkpoint: SavedAs,
) -> Findings:
    """Call the verb and report on what it returns."""
    result: SampleResult | TemperResult = _within(
        where, VERBS[verb], model, **arguments, progress=progress, checkpoint=checkpoint(verb)
    )
    records = table(result)
    if result.interrupted and not records.variables["energy"][1].size:
        raise Interrupted("interrupted before there was anything to report: the same command goes on")
    text = result.summary()
    files: dict[str, Content] = {"summary.txt": f"{text}\n".encode()}
    if output.get("npz", True):
        files["result.npz"] = result.save
    if output.get("csv", False):
        files["draws.csv"] = comma_separated({name: ("", column) for name, column in long(records).items()})
    return Findings(text, files, result.interrupted, result)


def _model(where: str, section: dict[str, Any]) -> Any:
    """The model of a recipe, or of a file."""
    given = dict(section)
    if ("recipe" in given) == ("file" in given):
        raise ValueError(f"{where}: give recipe, one of {', '.join(RECIPES)}, or file")
    if "file" in given:
        _check_names(where, given, ["file", "format"])
        return _within(where, read, given["file"], given.get("format"))
    recipe = RECIPES[checks.choice(f"{where}: recipe", given.pop("recipe"), RECIPES)]
    _check_keys(where, given, recipe, set(), set())
    return _within(where, recipe, **given)


def _output(where: str, section: dict[str, Any]) -> dict[str, Any]:
    """What is written, and to where."""
    _check_names(where, section, OUTPUT)
    for key, value in section.items():
        if OUTPUT[key] is str:
            _within(where, checks.path, key, value)
        else:
            _within(where, checks.flag, key, value)
    return section


def _check_keys(
    where: str, given: dict[str, Any], function: Callable[..., Any], without: set[str], more: set[str]
) -> None:
    """ValueError unless they are arguments of the function, with all that it needs; a seed is among these."""
    arguments = inspect.signature(function).parameters
    _check_names(where, given, [*(name for name in arguments if name not in without), *more])
    for name, argument in arguments.items():
        needed = argument.default is argument.empty or name == "seed"
        if needed and name not in without and name not in given:
            raise ValueError(f"{where}: missing key {name!r}")


def _check_names(where: str, given: dict[str, Any], names: Any) -> None:
    for name in given:
        checks.choice(f"{where}: a key", name, names)


def _within(where: str, function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """What a function returns; its errors name the section whose values it was given."""
    try:
        return function(*arguments, **named)
    except Interrupted:
        raise
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from error
