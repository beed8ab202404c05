"""TOML files that describe what to run: their sections and keys, the model of one, and the arguments of functions."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fastgibbs.io.files import opened
from fastgibbs.io.formats import recognised
from fastgibbs.models import Energy, checks
from fastgibbs.models.recipes import RECIPES


class Parameters(NamedTuple):
    """Arguments of a function that may be given."""

    defaults: dict[str, Any]
    needed: tuple[str, ...]  # those without a default, and seeds


@cache
def parameters(function: Callable[..., Any], without: frozenset[str] = frozenset()) -> Parameters:
    """All of a function but some."""
    found = {name: one.default for name, one in inspect.signature(function).parameters.items() if name not in without}
    needed = (name for name, default in found.items() if default is inspect.Parameter.empty or name == "seed")
    return Parameters(found, tuple(needed))


def parsed(path: Path) -> tuple[dict[str, Any], str]:
    """What a TOML file says, and its text; ValueError with the line where it is no TOML."""
    with opened(path) as file:
        try:
            text = file.read().decode("utf-8-sig")
            return tomllib.loads(text), text
        except (ValueError, RecursionError) as error:  # TOML, UTF-8, or an integer of too many digits
            raise ValueError(f"{path} is not valid TOML: {error}") from None


def require_sections(path: Path, values: Mapping[str, Any], names: Collection[str]) -> None:
    """ValueError unless a file has sections of these names alone."""
    for name, section in values.items():
        checks.choice(f"{path}: a section", name, names)
        if not isinstance(section, dict):
            raise ValueError(f"{path}: {name} is {checks.shown(section)}: begin a section by [{name}]")


def require_names(
    where: str,
    given: Collection[str],
    allowed: Collection[str],
    needed: Iterable[str] = (),
    kind: Literal["a key", "an argument"] = "a key",
) -> None:
    """ValueError unless names that are given are among the allowed ones, and the needed ones among them."""
    for name in given:
        if name not in allowed:
            checks.choice(f"{where}: {kind}", name, allowed)
    for name in needed:
        if name not in given:
            raise ValueError(f"{where}: missing {kind.split()[1]} {name!r}")


def model_of_file(where: str, section: Mapping[str, Any]) -> tuple[Energy, str] | None:
    """The model of a section that names a file, and the format of that; None of one that names a recipe."""
    if ("recipe" in section) == ("file" in section):
        raise ValueError(f"{where}: give recipe, one of {', '.join(RECIPES)}, or file")
    if "recipe" in section:
        return None
    require_names(where, section, ["file", "format"])
    return checks.within(where, recognised, section["file"], section.get("format"))
