"""`report`: what a run was, what it found and whether to believe it, pictures, provenance, and how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastgibbs import info
from fastgibbs.analysis.reports import WARNING, Report, Reporting
from fastgibbs.io import absolute, replace_file
from fastgibbs.models import checks
from fastgibbs.pages.page import Picture, code, gallery, page
from fastgibbs.pages.pictures import pictures
from fastgibbs.pages.repeating import lines
from fastgibbs.types import PathLike

_MOST_ROWS = 400
_MOST_RESULTS = 12  # of a list, that have a section of their own
_SAID = "interrupted", "diverged"  # by a warning
_TRACED = "seed", "engine"
_RIGHT = "what sample, anneal, temper, recall, train, log_z or an analysis returned, or a list of such"


def report(result: Reporting | Sequence[Reporting], path: PathLike) -> None:
    """Write what a result has to say into one file of HTML, to be sent and opened offline; whole or not at all.

    It holds what was run, the table and the warnings of `summary()`, pictures of `fastgibbs.plots`, versions, seed and
    machine, and the lines of Python that repeat it. Of a list it has a line for each, and a section for each of the
    first twelve. Pictures need matplotlib (the extra `plot`): without it the page says so. `result`: whatever has a
    method `report`. TypeError or ValueError at anything else; OSError names path and reason.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.3, 0.4], sweeps=100, seed=1)
    >>> fg.report(run, "report.html")
    """
    several = isinstance(result, list | tuple) and not hasattr(result, "report")
    results: list[Any] = list(result) if several else [result]  # type: ignore[arg-type]  # a sequence
    if not results:
        raise ValueError(f"result is an empty {type(result).__name__}: give {_RIGHT}")
    path = absolute("path", path)
    for k, one in enumerate(results):
        checks.able(f"result[{k}]" if several else "result", one, "report", _RIGHT)
    title = f"fastgibbs: {len(results)} results" if several else f"fastgibbs: {getattr(results[0], 'KIND', 'report')}"
    replace_file(path, page(title, _several(results)) if several else of_result(title, results[0]))


def of_result(title: str, result: Any, repeat: str | None = None) -> bytes:
    """The page of what a verb or an analysis returned; `repeat`: lines that repeat it, else those of Python."""
    if not hasattr(result, "KIND"):
        return of_run(title, found(result), repeat or "")
    settings = {name: str(value) for name, value in result._settings().items() if name not in _SAID}
    traced = {name: settings.pop(name) for name in _TRACED if name in settings}
    if hasattr(result, "timing"):
        traced["took"] = f"{result.timing.total:.3g} s, of these {result.timing.kernel:.3g} s in kernels"
    return of_run(title, found(result), repeat or lines(result), {"verb": result.KIND} | settings, traced)


def of_run(
    title: str,
    shown: str,
    repeat: str,
    settings: dict[str, str] | None = None,
    traced: dict[str, str] | None = None,
) -> bytes:
    """The page of a run: what was found, as HTML, its settings, lines that repeat it, and what it can be traced by."""
    sections = [("What was found", shown)]
    sections += [("What was run", facts(settings))] if settings else []
    sections += [("How to repeat it", code(repeat))] if repeat else []
    return page(title, [*sections, ("Provenance", facts((traced or {}) | info.machine()))])


def _several(results: list[Any]) -> Iterator[tuple[str, str]]:
    reports = [one.report() for one in results]
    warnings = [sum(note.startswith(WARNING) for note in told.notes) for told in reports]
    said = (f"; {count} warning{'s' * (count > 1)}" if count else "" for count in warnings)
    each = {str(k): told.lines[0] + warned for k, (told, warned) in enumerate(zip(reports, said, strict=True))}
    yield "All results", facts(each)
    for k, one in enumerate(results[:_MOST_RESULTS]):
        yield f"Result {k}", found(one)
        if hasattr(one, "KIND"):
            yield f"How to repeat result {k}", code(lines(one))
    if len(results) > _MOST_RESULTS:
        yield "Others", f"<div>Results {_MOST_RESULTS} to {len(results) - 1} are in the first table alone.</div>"
    yield "Provenance", facts(info.machine())


def found(result: Any) -> str:
    """Lines, table and warnings of a result, and its pictures."""
    return result.report().html(_MOST_ROWS) + drawn(lambda: pictures(result))


def drawn(draw: Callable[[], list[Picture]]) -> str:
    """Pictures as HTML, or what they need that is missing."""
    try:
        return gallery(draw())
    except ImportError as missing:
        return Report([], {}, {}, [f"No pictures: {missing}"]).html()


def facts(told: dict[str, str]) -> str:
    """Names and what is told of them, a row each."""
    return Report([], told, {}, []).html()
