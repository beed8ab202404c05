"""`sample`, `temper` and `anneal FILE.toml`: a model, a verb with its arguments, and what is written, in one file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.commands.search import Given
from fastgibbs.gallery.output import comma_separated
from fastgibbs.gallery.runs import Content, Findings, Interrupted, Ready, SavedAs
from fastgibbs.integrations.tables import long, table
from fastgibbs.io.descriptions import model_of_file, parameters, parsed, require_names, require_sections
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
WITHOUT = {"model", "progress", "checkpoint"}  # arguments that no file gives
QUANTUM = {"gammas"}  # which go with models that no file describes
OF_VERB = {  # arguments that no file gives to a verb
    "sample": frozenset(WITHOUT),
    "temper": frozenset(WITHOUT | QUANTUM | {"start"}),
    "anneal": frozenset(WITHOUT | QUANTUM | {"beta"}),
}
BETAS = {"sample": "beta", "temper": "betas", "anneal": "betas"}
TEMPERATURES = "temperatures"  # in place of betas
EACH = "chains_per_beta"  # of `sample`, whose `beta` is one per chain
UPS = {"up": 1, "down": -1}  # words for `start`
WAVES = "smallest_waves"  # a word for `observe`
OUTPUT: dict[str, Callable[..., Any]] = {"folder": checks.path, "npz": checks.flag, "csv": checks.flag}


class Call(NamedTuple):
    """What a file describes."""

    verb: str
    model: Any
    arguments: dict[str, Any]
    where: str  # they stand, for errors
    output: dict[str, Any]


def described(verb: str, path: Path) -> Ready:
    """The run that a TOML file describes, in the sections [model], that of the verb, and [output] if need be.

    Raises ValueError or TypeError that names the file and the section for all that is wrong with it, FileNotFoundError
    if there is none.
    """
    values, text = parsed(path)
    for other in VERBS.keys() & values.keys() - {verb}:
        raise ValueError(f"{path} describes what to {other}: python -m fastgibbs {other} {path} carries it out")
    require_sections(path, values, ["model", verb, "output"])
    for name in ("model", verb):
        if name not in values:
            raise ValueError(f"{path} has no section [{name}]: python -m fastgibbs {verb} --help shows such a file")
    output = _output(f"{path}: [output]", values.get("output", {}))
    given = _model(f"{path}: [model]", values["model"])
    where = f"{path}: [{verb}]"
    call = Call(verb, given.model, _arguments(where, verb, dict(values[verb]), given), where, output)
    folder = Path(output.get("folder", Path("results") / path.stem))
    return Ready(verb, f"fastgibbs {verb} {path.name}", partial(_run, call), folder, text.encode())


def _run(call: Call, progress: Progress, checkpoint: SavedAs) -> Findings:
    """Call the verb and report on what it returns."""
    more: dict[str, Any] = {"progress": progress}
    if not np.ndim(call.arguments.get("sweeps", 0)) and "time_limit" not in call.arguments:
        more["checkpoint"] = checkpoint(call.verb)
    result: SampleResult | TemperResult | AnnealResult = checks.within(
        call.where, VERBS[call.verb], call.model, **call.arguments, **more
    )
    records = table(result)
    if result.interrupted and not records.variables["energy"][1].size:
        raise Interrupted("interrupted before there was anything to report: the same command goes on")
    text = result.summary()
    files: dict[str, Content] = {"summary.txt": f"{text}\n".encode()}
    if call.output.get("npz", True):
        files["result.npz"] = result.save
    if call.output.get("csv", False):
        files["draws.csv"] = comma_separated({name: ("", column) for name, column in long(records).items()})
    return Findings(text, files, result.interrupted, result)


def _arguments(where: str, verb: str, arguments: dict[str, Any], given: Given) -> dict[str, Any]:
    """The arguments of a verb, of which a file says some in words of its own."""
    if TEMPERATURES in arguments and BETAS[verb] in arguments:
        raise ValueError(f"{where}: {TEMPERATURES} and {BETAS[verb]} are given: give one of them")
    if TEMPERATURES in arguments:
        temperatures = checks.within(where, checks.finite_array, TEMPERATURES, arguments.pop(TEMPERATURES))
        with np.errstate(divide="ignore"):  # at T = 0
            betas = 1 / temperatures
        arguments[BETAS[verb]] = np.sort(betas) if verb == "temper" else betas
    known = parameters(VERBS[verb], OF_VERB[verb])
    more = [TEMPERATURES, EACH] if verb == "sample" else [TEMPERATURES]
    require_names(where, arguments, [*known.defaults, *more], known.needed)
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
    if (found := model_of_file(where, section)) is not None:
        return Given(section["file"], *found)
    given = dict(section)
    recipe = RECIPES[checks.choice(f"{where}: recipe", given.pop("recipe"), RECIPES)]
    known = parameters(recipe)
    require_names(where, given, known.defaults, known.needed)
    return Given("", checks.within(where, recipe, **given), "")


def _output(where: str, section: dict[str, Any]) -> dict[str, Any]:
    """What is written, and to where."""
    require_names(where, section, OUTPUT)
    for key, value in section.items():
        checks.within(where, OUTPUT[key], key, value)
    return section
