"""Tables of HTML for notebooks and pages: texts in, escaped; and values as texts."""

import reprlib
from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np

_FEW = 8  # numbers of an array that are shown one by one


def short(value: Any) -> str:
    """A value in a few words: of a large array its shape and its range."""
    if not isinstance(value, np.ndarray):
        return f"{value:.6g}" if isinstance(value, float) else reprlib.repr(value)
    if value.size <= _FEW or value.dtype.kind not in "biuf":
        return np.array2string(value, precision=5, threshold=_FEW)
    known = value[np.isfinite(value)]
    low, high = (f"{known.min():.5g}", f"{known.max():.5g}") if known.size else ("nan", "nan")
    return f"{value.shape}, " + (f"all {low}" if low == high else f"{low} to {high}")


def facts(rows: Iterable[Iterable[str]]) -> str:
    """Rows of cells, each headed by its first; nothing of none."""
    left = ' style="text-align: left"'  # notebooks have numbers in mind
    lines = [f"<tr>{_cells('th', [name], left)}{_cells('td', cells, left)}</tr>" for name, *cells in rows]
    return _tabulated(lines, "facts")


def numbers(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Rows of cells below headings; nothing without headings."""
    lines = [f"<tr>{_cells('th', headings)}</tr>", *(f"<tr>{_cells('td', row)}</tr>" for row in rows)]
    return _tabulated(lines, "numbers") if headings else ""


def _cells(kind: str, texts: Iterable[str], style: str = "") -> str:
    return "".join(f"<{kind}{style}>{escape(text)}</{kind}>" for text in texts)


def _tabulated(rows: list[str], kind: str) -> str:
    """A table that can be scrolled where it is wider than its page."""
    return f'<div style="overflow-x: auto"><table class="{kind}">{"".join(rows)}</table></div>' if rows else ""
