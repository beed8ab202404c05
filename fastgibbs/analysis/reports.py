"""What a result has to say: lines, facts and a table, as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple, Protocol

import numpy as np

_MOST_ROWS = 24  # of a table in HTML: from the middle of a longer one rows are left out


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

    def html(self) -> str:
        """The same, every text escaped; of a table of more than 24 rows the first and last twelve."""
        facts = [f"<tr><th>{escape(name)}</th><td>{escape(fact)}</td></tr>" for name, fact in self.facts.items()]
        first, *others = self.lines
        rows = list(zip(*self.table.values(), strict=True))
        if len(rows) > _MOST_ROWS:
            rows[_MOST_ROWS // 2 : -_MOST_ROWS // 2] = [("...",) * len(self.table)]
        headings = [_row("th", self.table)] if self.table else []
        return "".join(
            [
                f"<div><code>{escape(first)}</code>",
                *(f"<div>{escape(line)}</div>" for line in others),
                "<table>",
                *facts,
                *headings,
                *(_row("td", row) for row in rows),
                "</table>",
                *(f"<div>{escape(note)}</div>" for note in self.notes),
                "</div>",
            ]
        )


class Reporting(Protocol):
    """Any result: what has a report of itself."""

    def report(self) -> Report:
        """What it has to say."""


def _row(kind: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in cells)}</tr>"


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
