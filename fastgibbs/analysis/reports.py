"""What a result has to say: lines, facts and a table, as text for a terminal and as HTML for notebooks and pages."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastgibbs import markup

WARNING = "WARNING"  # begins lines that tell of one
_MOST_ROWS = 24  # of a table in a notebook: from the middle of a longer one rows are left out


class Report(NamedTuple):
    """Lines, the first of which is the result in short; facts by name; columns of cells by heading; closing lines."""

    lines: list[str]
    facts: dict[str, str]
    table: dict[str, list[str]]
    notes: list[str]

    def __str__(self) -> str:
        facts = [f"{name:<16}  {fact}" for name, fact in self.facts.items()]
        parts = [part for part in (self.lines, facts, aligned(self.table), self.notes) if part]
        return "\n\n".join("\n".join(part) for part in parts)

    def html(self, most_rows: int = _MOST_ROWS) -> str:
        """The same, every text escaped; of a table of more than `most_rows` rows those at its two ends."""
        rows = list(zip(*self.table.values(), strict=True))
        if len(rows) > most_rows:
            rows[most_rows // 2 : -(most_rows // 2)] = [("...",) * len(self.table)]
        return "".join(
            [
                "<div>",
                *(f"<code>{escape(first)}</code>" for first in self.lines[:1]),
                *(_line(line) for line in self.lines[1:]),
                markup.facts(self.facts.items()),
                markup.numbers(self.table, rows),
                *(_line(note) for note in self.notes),
                "</div>",
            ]
        )


class Reporting(Protocol):
    """Any result: what has a report of itself."""

    def report(self) -> Report:
        """What it has to say."""


SHOWN: list[Callable[[Any], str]] = []
"""What a notebook shows of a result below its report, as HTML: rooms above this one add to it."""


def shown(result: Reporting) -> str:
    """What a notebook shows of whatever has a report: its `_repr_html_`."""
    return result.report().html() + "".join(show(result) for show in SHOWN)


def _line(text: str) -> str:
    kind = ' class="warning"' if text.startswith(WARNING) else ""
    return f"<div{kind}>{escape(text)}</div>"


def with_error(value: float, error: float) -> str:
    """A value with the error of its last digits, two of them: 0.4321(12), 12.3(4.5); (?) if the error is not known."""
    if not np.isfinite(value) or error == 0:
        return f"{value:.6g}"
    if not np.isfinite(error):
        return f"{value:.4g}(?)"
    exponent = int(f"{error:.1e}".split("e")[1])
    decimals = max(1 - exponent, 0)
    shown = f"{error:.{decimals}f}"
    return f"{value:.{decimals}f}({shown if exponent >= 0 else shown.replace('.', '').lstrip('0')})"


def aligned(columns: dict[str, list[str]]) -> list[str]:
    """The lines of a table: headings, a rule and rows, every column with its decimal points below each other."""
    padded = []
    for heading, cells in columns.items():
        tails = [len(cell) - cell.find(".") if "." in cell else 0 for cell in cells]
        cells = [cell + " " * (max(tails) - tail) for cell, tail in zip(cells, tails, strict=True)]
        width = max(map(len, (heading, *cells)))
        padded.append([heading.rjust(width), "-" * width, *(cell.rjust(width) for cell in cells)])
    return ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
