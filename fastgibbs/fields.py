"""Fields that say what they are, where `help` shows it: `Annotated[np.ndarray, "float64 (chains,)", "What it is."]`."""

import inspect
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from fastgibbs import markup

T = TypeVar("T")
_WIDTH = 108  # of a description, whose class `help` indents


class Field(NamedTuple):
    """A field of a class, as it was annotated.

    `shape` of an array tells its type, its axes and what need not be finite, as "float64 (chains, draws), or inf".
    """

    name: str
    type: Any
    shape: str
    text: str


def fields(cls: type) -> list[Field]:
    """The public fields of a dataclass or NamedTuple, in order; shape and text are empty where none was given.

    The type of an array is `np.ndarray`, whatever it holds.
    """
    found = []
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if name.startswith("_"):
            continue
        kind, *told = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        found.append(Field(name, _plain(kind), "".join(told[:-1]), "".join(told[-1:])))
    return found


def _plain(kind: Any) -> Any:
    """A type without what an array of it holds, which is told by its shape."""
    return np.ndarray if get_origin(kind) is np.ndarray else kind


def described(cls: type[T]) -> type[T]:
    """The class, with all its public fields at the end of its docstring: name, shape and description of each.

    A notebook shows values and descriptions in a table, unless the class shows itself.
    """
    lines = [textwrap.fill(told, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8) for told in _told(cls)]
    make: Any = cls.__new__ if issubclass(cls, tuple) else cls.__init__
    hints = get_type_hints(cls).items()
    plain = {name: _plain(hint) for name, hint in hints}
    make.__annotations__ = make.__annotations__ | plain  # the signature shows types alone
    cls.__doc__ = "\n".join([inspect.cleandoc(cls.__doc__ or ""), "", "Fields:", *lines])
    if not hasattr(cls, "_repr_html_"):
        cls._repr_html_ = _tabulated  # type: ignore[attr-defined]
    return cls


def _tabulated(found: Any) -> str:
    """Name, value and description of every field, as HTML."""
    rows = [(field.name, markup.short(getattr(found, field.name)), field.text) for field in fields(type(found))]
    return f"<div><code>{type(found).__name__}</code>{markup.facts(rows)}</div>"


def _told(cls: type, prefix: str = "") -> Iterator[str]:
    """Every field of a class, each followed by those of a NamedTuple that it holds."""
    for name, kind, shape, text in fields(cls):
        yield f"{prefix}{name}{shape and ', '}{shape}: {text}"
        for part in (kind, *get_args(kind)):
            if hasattr(part, "_fields"):
                yield from _told(part, f"{prefix}{name}.")
