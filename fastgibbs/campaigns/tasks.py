"""A task: a model, or how one is made, a verb, its arguments and a seed, as plain data that names itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastgibbs.io import as_model, digest
from fastgibbs.io.descriptions import parameters, require_names
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.log_z import log_z
from fastgibbs.methods.sampling import sample
from fastgibbs.methods.tempering import temper
from fastgibbs.models import Cell, checks
from fastgibbs.models.protocols import Protocol
from fastgibbs.models.recipes import RECIPES
from fastgibbs.types import Problem

VERBS: dict[str, Callable[..., Any]] = {"sample": sample, "temper": temper, "anneal": anneal, "log_z": log_z}
ELSEWHERE = frozenset(
    {"model", "seed", "start", "progress", "checkpoint", "every", "time_limit"}
)  # not among a task's arguments
_EXACT = 2**53  # whole numbers up to it are themselves as float64
_RIGHT = "numbers, texts, arrays, and lists or dicts of these"


@dataclass(frozen=True, eq=False)
class Task:
    """A run of `verb`, "sample", "temper", "anneal" or "log_z", that anybody can make anywhere, to the same bytes.

    `model`: any problem, as verbs take it, or a recipe, {"recipe": name, argument: value, ...}, a function of fastgibbs
    that makes one, with a seed if it draws: "lattice", "triangular", "edwards_anderson", "sherrington_kirkpatrick",
    "random_regular", "viana_bray", "power_law" or "p_spin". `arguments` of the verb are plain data, without start,
    time_limit and functions to observe; threads is 1 unless it is among them. `seed`: an int of at least 0.

    Tasks are equal if they make the same run. TypeError or ValueError names what is no part of a task.

    >>> import fastgibbs as fg
    >>> glass = {"recipe": "edwards_anderson", "shape": (4, 4), "seed": 1}
    >>> task = fg.Task(glass, "sample", {"beta": 0.5, "sweeps": 100}, seed=2)
    >>> task.digest[:8], task.length
    ('bbfee2e2', 100)
    """

    model: Problem | Mapping[str, Any]
    verb: str
    arguments: Mapping[str, Any]
    seed: int

    def __post_init__(self) -> None:
        checks.choice("verb", self.verb, VERBS)
        if not isinstance(self.arguments, Mapping):
            raise TypeError(f"arguments is {checks.shown(self.arguments)}: give a dict of arguments of {self.verb}")
        known = parameters(VERBS[self.verb], ELSEWHERE)
        require_names(f"arguments of {self.verb}", self.arguments, known.defaults, known.needed, "an argument")
        model: Any = self.model
        if is_recipe(model):
            recipe = RECIPES[checks.choice("recipe", model["recipe"], RECIPES)]
            model, known = dict(model), parameters(recipe)
            given = [name for name in model if name != "recipe"]
            require_names(f"recipe {model['recipe']}", given, known.defaults, known.needed, "an argument")
        else:
            model = as_model(model)
        seed = checks.integer("seed", self.seed, 0, np.inf)
        for name, value in {"model": model, "arguments": dict(self.arguments), "seed": seed}.items():
            object.__setattr__(self, name, value)
        self.digest  # noqa: B018 - it tells what is no plain data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return (self.digest, self.length) == (other.digest, other.length)

    def __hash__(self) -> int:
        return hash((self.digest, self.length))

    def __reduce__(self) -> tuple[Any, ...]:  # it is checked again where it arrives
        return Task, (self.model, self.verb, self.arguments, self.seed)

    @property
    def told(self) -> dict[str, Any]:
        """What it is, as JSON values, without what is as by default or changes no byte.

        >>> import fastgibbs as fg
        >>> task = fg.Task(fg.lattice((4, 4)), "sample", {"beta": 0.4, "sweeps": 9}, seed=1)
        >>> task.told["verb"], task.told["arguments"], task.threads
        ('sample', {'beta': 0.4, 'sweeps': 9}, 1)
        """
        model: Any = self.model
        if is_recipe(model):
            told = {"recipe": model["recipe"], **_told(model, RECIPES[model["recipe"]], "recipe")}
        else:
            told = {"digest": digest(model), "is": repr(model)}
        arguments = _told(self.arguments, VERBS[self.verb], "threads")
        if self.verb == "temper" and self.arguments.get("burn_in") is None:
            arguments["burn_in"] = self._sweeps // 5  # what it is by default
        return {"model": told, "verb": self.verb, "arguments": arguments, "seed": self.seed}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what it is, in hexadecimal: the same in any process and version of Python.

        Of runs of which the longer begin with the shorter, `length` is left out: all have one name.
        """
        told = self.told
        if self.length:
            told = told | {"arguments": {k: value for k, value in told["arguments"].items() if k != "sweeps"}}
        return hashlib.sha256(canonical(told)).hexdigest()

    @property
    def length(self) -> int:
        """Its sweeps, if longer runs begin with it; else 0.

        So it is in `sample`, and in `temper` where all points are given, at one burn-in, which is part of the name.
        """
        given = self.arguments
        if self.verb == "sample":
            grows = given.get("at") is None
        else:
            ladder = given.get("betas") is not None and given.get("rungs") is None
            grows = self.verb == "temper" and (ladder or given.get("adapt") is False)
        return self._sweeps if grows else 0

    @property
    def _sweeps(self) -> int:
        return checks.integer("sweeps", self.arguments.get("sweeps", parameters(VERBS[self.verb]).defaults["sweeps"]))

    @property
    def threads(self) -> int:
        """That it runs on."""
        return checks.thread_count(self.arguments.get("threads", 1))

    def shortened(self) -> Task | None:
        """One of as few sweeps that needs the same kernels, to have them compiled; None of what has none, or fails."""
        fewest = {"sweeps": self.arguments.get("thin", 1), "burn_in": 0}
        short = {"sample": fewest, "temper": fewest, "anneal": {"sweeps": 2}, "log_z": {"steps": 2}}[self.verb]
        if self.arguments.get("method") in ("exact", "integration"):
            return None
        left_out = {"at"} if self.verb == "sample" else {"betas"} if self.verb == "anneal" else set()
        arguments = {name: value for name, value in self.arguments.items() if name not in left_out}
        with suppress(TypeError, ValueError):
            return Task(self.model, self.verb, arguments | short, self.seed)
        return None

    @property
    def kind(self) -> str:
        """What tasks that need the same kernels have in common, but for numbers and for models given as such."""
        return canonical(_without_numbers(self.told | {"seed": 0})).decode()

    def run(self, **more: Any) -> Any:
        """What the verb returns, called with these arguments besides.

        >>> import fastgibbs as fg
        >>> task = fg.Task(fg.lattice((4, 4)), "sample", {"beta": 0.4, "sweeps": 9}, seed=1)
        >>> task.run().energy.shape, task.shortened().length, task.kind == task.shortened().kind
        ((64, 9), 1, True)
        """
        model: Any = self.model
        if is_recipe(model):
            model = RECIPES[model["recipe"]](**{name: value for name, value in model.items() if name != "recipe"})
        return VERBS[self.verb](model, **{"threads": 1} | dict(self.arguments) | more, seed=self.seed)


def is_recipe(model: Any) -> bool:
    """Whether it says how a model is made; in a QUBO a label "recipe" has a number."""
    return isinstance(model, Mapping) and isinstance(model.get("recipe"), str)


_encoded = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def canonical(told: Any) -> bytes:
    """JSON values as the one text that says them."""
    return _encoded(told).encode()


def _told(given: Mapping[str, Any], function: Callable[..., Any], without: str) -> dict[str, Any]:
    """Arguments as JSON values, but for those that are as by default."""
    defaults = parameters(function).defaults
    told = {}
    for name, value in given.items():
        if name != without and not _alike(plain := _plain(name, value), defaults[name]):
            told[name] = plain
    return told


def _alike(value: Any, default: Any) -> bool:
    return value is default or (type(value) in (type(default), int) and type(default) is not bool and value == default)


def _without_numbers(told: Any) -> Any:
    """JSON values without their numbers, lists of which are as long as they are."""
    if isinstance(told, dict):
        return {name: _without_numbers(value) for name, value in told.items() if name != "digest"}
    if isinstance(told, list):
        return [_without_numbers(value) for value in told]
    return told if isinstance(told, str | bool) else 0


def _plain(name: str, value: Any) -> Any:
    """A value as a JSON value, equal ones alike: arrays and tuples as lists, 1.0 as 1; TypeError if it is no data."""
    kind = type(value)
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if kind is int or kind is str or kind is bool or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_plain(name, one) for one in value]
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.dtype.hasobject):
        return _plain(name, value.tolist())
    if isinstance(value, Mapping):
        pairs = [[_plain(name, key), _plain(name, one)] for key, one in value.items()]
        return {"pairs": sorted(pairs, key=canonical)}
    if isinstance(value, Protocol):
        return {"protocol": _plain(name, value.values)}
    if isinstance(value, Cell):
        return {"cell": _plain(name, (value.vectors, value.basis, value.bonds))}
    raise TypeError(f"{name} is {checks.shown(value)}: a task holds plain data, {_RIGHT}")
