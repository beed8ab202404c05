"""The API reference: every public name with its docstring, as a folder of HTML that opens offline. By pdoc.

Docstrings are plain text with formulas, so that nothing in them is taken for Markdown but code between backticks;
types are shown as signatures write them, and fields with their shapes and descriptions.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ForwardRef

from fastgibbs.fields import fields
from fastgibbs.io import VERSION, replace_file
from fastgibbs.types import PathLike

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"  # what the first page begins with
WRAPPERS = ("fastgibbs.integrations.dimod", "fastgibbs.integrations.sklearn")  # which need their libraries


def write_reference(folder: PathLike) -> list[str]:
    """Write the reference into a folder, index.html first of all; returns the names of its modules.

    A module whose library is missing is left out. ImportError without pdoc.
    """
    import pdoc

    pdoc.doc.safe_eval_type = _as_written
    pdoc.render.configure(docformat="markdown", show_source=False, footer_text=f"fastgibbs {VERSION}")
    modules = {module.__name__: pdoc.doc.Module(module) for module in _modules()}
    places = {
        (member.obj.__module__, member.qualname): (module.modulename, member.qualname)
        for module in modules.values()
        for member in module.members.values()
        if member.kind == "class"
    }
    for module in modules.values():
        _tidy(module, places)
        module.submodules = [part for part in module.submodules if part.fullname in modules]
    guide = re.sub(r"\[(.*?)\]\(.*?\)", r"`\1`", GUIDE.read_text(encoding="utf-8"))  # pages that are not beside it
    modules["fastgibbs"].docstring = guide.replace("`fg.", "`fastgibbs.")  # which pdoc makes links
    for name, module in modules.items():
        path = Path(folder, *name.split(".")).with_suffix(".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, pdoc.render.html_module(module, modules).encode())
    replace_file(Path(folder, "index.html"), pdoc.render.html_index(modules).encode())
    replace_file(Path(folder, "search.js"), pdoc.render.search_index(modules).encode())
    return list(modules)


def _modules() -> Iterator[ModuleType]:
    """The package, those that it offers, and wrappers of libraries that are here."""
    package = importlib.import_module("fastgibbs")
    yield package
    yield from (value for name in package.__all__ if isinstance(value := getattr(package, name), ModuleType))
    for name in WRAPPERS:
        try:
            yield importlib.import_module(name)
        except ImportError:
            continue


class _Written(str):
    """A type as it stands in a signature."""

    def __repr__(self) -> str:
        return str(self)


def _as_written(annotation: Any, *_: Any) -> Any:
    """In place of pdoc's, which tells what `ArrayLike` is made of."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    return _Written(annotation) if isinstance(annotation, str) else annotation


def _tidy(doc: Any, places: dict[tuple[str, str], tuple[str, str]]) -> None:
    """Make docstrings of a module or class and of all its members Markdown, and leave out what is not ours to tell.

    `places`: where the reference has a class, by module and name. What a class inherits of none of these is its own.
    """
    told = {field.name: field for field in fields(doc.obj)} if doc.kind == "class" else {}
    described = any(field.text for field in told.values())
    doc.docstring = _markdown(doc.docstring.partition("\nFields:\n")[0] if told else doc.docstring)
    for name, member in list(doc.members.items()):
        foreign = member.taken_from[0].partition(".")[0] != "fastgibbs"
        if doc.kind == "class":
            base = (member.taken_from[0], member.taken_from[1].rpartition(".")[0])
            module, qualname = places.get(base, (doc.modulename, doc.qualname))
            member.taken_from = (module, f"{qualname}.{name}")
        if name in told:
            member.annotation = _Written(told[name].shape) if told[name].shape else told[name].type
            member.docstring = _markdown(told[name].text)
        elif member.kind == "class":
            _tidy(member, places)
        else:
            member.docstring = "" if name == "__init__" and told else _markdown(member.docstring)
        if member.kind in {"function", "class"}:
            member.decorators = [word for word in member.decorators if word in {"@classmethod", "@staticmethod"}]
        undescribed = member.kind == "variable" and not member.docstring
        if foreign or undescribed or (described and name == "__init__"):  # no result is made by hand
            del doc.members[name]


def _markdown(text: str) -> str:
    """A docstring as Markdown: examples and what stands in columns are code, arguments a list, formulas themselves."""
    return "\n\n".join(map(_paragraph, re.split(r"\n\s*\n", text)))


def _paragraph(text: str) -> str:
    if text.lstrip().startswith(">>>"):
        return f"```python\n{text}\n```"
    head, _, arguments = text.partition("Args:\n")
    if arguments and not head:
        items = re.findall(r"^    (\S.*?): (.*(?:\n {5,}.*)*)", arguments, re.MULTILINE)
        return "\n".join(f"- **{_escaped(name)}**: {_escaped(' '.join(told.split()))}" for name, told in items)
    if re.search(r"^    |\S {2,}\S", text, re.MULTILINE):
        return f"```text\n{text}\n```"
    first, words = (re.match(r"(?:- |1\. )?", text) or [""])[0], _escaped(text)
    return words if first else re.sub(r"^(- |\+ |\d+\. )", r"\\\1", words, flags=re.MULTILINE)


def _escaped(text: str) -> str:
    """Signs that Markdown would take for its own, but for those between backticks."""
    words = re.split(r"(`[^`]*`)", text)
    words[::2] = [re.sub(r"([\\*_#])", r"\\\1", word).replace("<", "&lt;").replace(">", "&gt;") for word in words[::2]]
    return "".join(words)
