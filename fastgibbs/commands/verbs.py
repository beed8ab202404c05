"""`sample`, `temper` and `anneal FILE.toml`: a model, a verb with its arguments, and what is written, in one file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fastgibbs.commands.search import Given
from fastgibbs.gallery.output import comma_separated
from fastgibbs.gallery.runs import Content, Findings, Interrupted, SavedAs, Task, parsed
from fastgibbs.integrations.tables import long, table
from fastgibbs.io.formats import recognised
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.sampling import sample
from fastgibbs.methods.tempering import temper
from fastgibbs.models import checks, smallest_waves, waves
from fastgibbs.models.recipes import RECIPES
from fastgibbs.results.annealed import AnnealResult
from fastgibbs.results.sampled import SampleResult
from fastgibbs.results.saving import load
from fastgibbs.results.tempered import TemperResult
from fastgibbs.types import Progress

HERE = Path(__file__).parent  # a file of each kind is there
VERBS: dict[str, Callable[..., Any]] = {"sample": sample, "temper": temper, "anneal": anneal}
WITHOUT = {"model", "progress", "checkpoint"}  # arguments that no file gives, and those of each verb
QUANTUM = {"gammas"}  # which go with models that no file describes
OF_VERB: dict[str, set[str]] = {
    "sample": set(),
    "temper": QUANTUM | {"start"},
    "anneal": QUANTUM | {"beta"},
}  # likewise
BETAS = {"sample": "beta", "temper": "betas", "anneal": "betas"}
TEMPERATURES = "temperatures"  # in place of betas
EACH = "chains_per_beta"  # of `sample`, whose `beta` is one per chain
UPS = {"up": 1, "down": -1}  # words for `start`
WAVES = "smallest_waves"  # a word for `observe`
OUTPUT = {"folder": str, "npz": bool, "csv": bool}


def task(verb: str, path: Path) -> Task:
    """The run that a TOML file describes, in the sections [model], that of the verb, and [output] if need be.

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
    given = _model(f"{path}: [model]", values["model"])
    where = f"{path}: [{verb}]"
    arguments = _arguments(where, verb, dict(values[verb]), given)
    run = partial(_run, verb, where, given.model, arguments, output)
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
    saved = {} if np.ndim(arguments.get("sweeps", 0)) or "time_limit" in arguments else {"checkpoint": checkpoint(verb)}
    result: SampleResult | TemperResult | AnnealResult = checks.within(
        where, VERBS[verb], model, **arguments, progress=progress, **saved
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


def _arguments(where: str, verb: str, arguments: dict[str, Any], given: Given) -> dict[str, Any]:
    """The arguments of a verb, of which a file says some in words of its own."""
    without = WITHOUT | OF_VERB[verb]
    more = {TEMPERATURES, *([EACH] if verb == "sample" else [])}
    if TEMPERATURES in arguments and BETAS[verb] in arguments:
        raise ValueError(f"{where}: {TEMPERATURES} and {BETAS[verb]} are given: give one of them")
    if TEMPERATURES in arguments:
        temperatures = checks.within(where, checks.finite_array, TEMPERATURES, arguments.pop(TEMPERATURES))
        with np.errstate(divide="ignore"):  # at T = 0
            betas = 1 / temperatures
        arguments[BETAS[verb]] = np.sort(betas) if verb == "temper" else betas
    _check_keys(where, arguments, VERBS[verb], without, more)
    if EACH in arguments:
        count = checks.within(where, checks.integer, EACH, arguments.pop(EACH))
        beta = checks.within(where, checks.inverse_temperatures, "beta", arguments["beta"])
        if beta.ndim > 1 or "chains" in arguments:
            raise ValueError(f"{where}: {EACH} goes with a number or a list of numbers as beta, and without chains")
        checks.within(where, checks.require_memory, 8.0 * beta.size * count, f"{EACH}={count}", "give fewer")
        arguments["beta"] = np.repeat(beta, count)
    if "start" in arguments:
        arguments["start"] = checks.within(where, _start, arguments["start"], given.model)
    if isinstance(arguments.get("clamp"), dict):
        sites = {str(label): site for site, label in enumerate(given.labels)}
        for label in arguments["clamp"]:
            if label not in sites:
                shown = f"{given.labels[0]} to {given.labels[-1]}" if sites else "none"
                raise ValueError(f"{where}: clamp has the site {checks.shown(label)}: the model has {shown}")
        arguments["clamp"] = {sites[label]: value for label, value in arguments["clamp"].items()}
    if "observe" in arguments and not isinstance(arguments["observe"], dict):
        checks.choice(f"{where}: observe", arguments["observe"], [WAVES])
        arguments["observe"] = checks.within(where, lambda: waves(given.model, smallest_waves(given.model)))
    return arguments


def _start(start: Any, model: Any) -> Any:
    """The states that a run begins with: a word for all spins, or a file of the result that it goes on from."""
    if isinstance(start, str) and start in UPS:
        return model.from_spins(np.full(model.n, UPS[start], np.int8))
    if not isinstance(start, str) or not start.endswith(".npz"):
        raise ValueError(f'start is {checks.shown(start)}: give "up", "down" or the file result.npz of a run')
    states = getattr(load(start), "states", None)
    if states is None:
        raise ValueError(f"start is {start!r}, which holds no states: give the file result.npz of a run")
    return states.reshape(-1, states.shape[-1])


def _model(where: str, section: dict[str, Any]) -> Given:
    """The model of a recipe, or of a file."""
    given = dict(section)
    if ("recipe" in given) == ("file" in given):
        raise ValueError(f"{where}: give recipe, one of {', '.join(RECIPES)}, or file")
    if "file" in given:
        _check_names(where, given, ["file", "format"])
        return Given(given["file"], *checks.within(where, recognised, given["file"], given.get("format")))
    recipe = RECIPES[checks.choice(f"{where}: recipe", given.pop("recipe"), RECIPES)]
    _check_keys(where, given, recipe, set(), set())
    return Given("", checks.within(where, recipe, **given), "")


def _output(where: str, section: dict[str, Any]) -> dict[str, Any]:
    """What is written, and to where."""
    _check_names(where, section, OUTPUT)
    for key, value in section.items():
        if OUTPUT[key] is str:
            checks.within(where, checks.path, key, value)
        else:
            checks.within(where, checks.flag, key, value)
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
