"""Scripts in cells, `# %%` and `# %% [markdown]`, carried out and written as a page: what they say, do and show."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from html import escape
from typing import Any, NamedTuple

from fastgibbs.io import opened
from fastgibbs.pages.page import Picture, code, image, page
from fastgibbs.pages.pictures import picture
from fastgibbs.types import PathLike

_WIDE = 6  # inches: a wider figure is scrolled on a phone


class Cell(NamedTuple):
    """Some lines of a script."""

    is_text: bool
    lines: str


def rendered(path: PathLike) -> bytes:
    """The page of a script: its text, its code, and below each cell what that prints and the value that ends it.

    Headings are lines of text that begin with #, the first of them the title; a value is a table where it has
    `_repr_html_`, and a picture where it is a matplotlib Figure. An error of the script is raised.
    """
    with opened(path) as file:
        found = cells(file.read().decode("utf-8"))
    title, sections, held = str(path), [("", "")], {"__name__": "__page__"}
    for cell in found:
        for heading, content in _told(cell.lines) if cell.is_text else [("", _done(cell.lines, held))]:
            if heading and len(sections) == 1 and sections[0] == ("", ""):
                title, sections = heading, [("What this is", content)]
            elif heading:
                sections.append((heading, content))
            else:
                sections[-1] = (sections[-1][0], sections[-1][1] + content)
    return page(title, sections)


def cells(script: str) -> list[Cell]:
    """The cells of a script, without what stands before the first."""
    parts = re.split(r"^# %%(.*)\n", script, flags=re.MULTILINE)[1:]
    found = [Cell("[markdown]" in kind, lines.strip("\n")) for kind, lines in zip(parts[::2], parts[1::2], strict=True)]
    return [
        cell._replace(lines=re.sub(r"^# ?", "", cell.lines, flags=re.M)) if cell.is_text else cell for cell in found
    ]


def _told(text: str) -> Iterator[tuple[str, str]]:
    """Headings and paragraphs, as HTML; names between backticks are code."""
    for part in re.split(r"\n\s*\n", text):
        heading, _, rest = part.partition("\n") if part.startswith("#") else ("", "", part)
        words = re.sub(r"`(.+?)`", r"<code>\1</code>", escape(rest))
        yield heading.lstrip("# "), f"<p>{words}</p>" if rest else ""


def _done(lines: str, held: dict[str, Any]) -> str:
    """A cell of code, what it prints, and what its last expression is, as HTML."""
    tree, printed, value = ast.parse(lines), io.StringIO(), None
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), held)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), held)
    said = printed.getvalue()
    return code(lines) + (code(said) if said else "") + _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if hasattr(value, "savefig"):
        kind = "wide" if value.get_figwidth() > _WIDE else "panel"
        return f'<div class="{kind}">{image(Picture("figure", picture(value)))}</div>'
    return value._repr_html_() if hasattr(value, "_repr_html_") else code(repr(value))
