"""The command `campaign`: the tasks that a TOML file describes, their plan, a part of them or all, and a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fastgibbs import info
from fastgibbs.analysis.disorder import disorder_average
from fastgibbs.analysis.reports import Report
from fastgibbs.campaigns.collected import Campaign
from fastgibbs.campaigns.driving import asked_tasks, begun, campaign
from fastgibbs.campaigns.grids import described
from fastgibbs.campaigns.plans import plan
from fastgibbs.io import replace_file
from fastgibbs.io.descriptions import parsed
from fastgibbs.pages.page import code, page
from fastgibbs.pages.reporting import facts, found

CONFIGURATION, PAGE = "campaign.toml", "report.html"
_MOST_GROUPS = 12  # that have a section of their own on the page


class Ended(NamedTuple):
    """How a call of the command has ended."""

    text: str
    interrupted: bool
    failed: bool


def carry_out(
    path: Path, output: str | None = None, part: str | None = None, dry: bool = False, progress: bool = True
) -> Ended:
    """Run the campaign of a TOML file, or `part` "3/100" of it; `dry` says what it is and costs, and no more.

    The plan is printed first. ValueError or TypeError names the file, the section and what is wrong.
    """
    values, text = parsed(path)
    asked = described(path, values)
    folder = Path(output or asked.folder).absolute()
    try:
        tasks = asked_tasks(asked.tasks)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    mine = tasks if part is None else tasks[_part(part)]
    told = f"{path.name}: {len(tasks)} tasks of {asked.verb}" + (f", part {part}: {len(mine)}" if part else "")
    print(f"{told}\n{plan(begun(mine, folder))}", flush=True)
    if dry:
        return Ended("nothing was run", False, False)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / CONFIGURATION, text.encode())
    run = campaign(mine, folder, progress=progress)
    lines = [repr(run), *run.report().notes]
    whole = begun(tasks, folder)
    if whole.done.all():
        replace_file(folder / PAGE, _page(path, whole, text))
        lines.append(f"written to {folder}: {CONFIGURATION}, {PAGE} and a file for each task")
    elif run.interrupted:
        lines.append("stopped early: the same command goes on")
    elif run.done.all():
        lines.append(f"{int(whole.done.sum())} of all {len(whole)} tasks are done; {PAGE} is written when all are")
    return Ended("\n".join(lines), run.interrupted, bool(run.failed))


def _part(text: str) -> slice:
    """Every N-th task, from the K-th on, of "K/N"."""
    first, _, parts = text.partition("/")
    if not (first.isdecimal() and parts.isdecimal() and 1 <= int(first) <= int(parts)):
        raise ValueError(f"--part is {text!r}: give K/N, a part K of 1 to N, as 3/100")
    return slice(int(first) - 1, None, int(parts))


def groups(run: Campaign) -> dict[str, Campaign]:
    """Tasks that differ by seeds alone, by what they are."""
    names = run.varied()
    parts: dict[str, list[int]] = {}
    for k in range(len(run)):
        told = ", ".join(f"{name} = {values[k]}" for name, values in names.items())
        parts.setdefault(told or "all tasks", []).append(k)
    return {told: run.part(indices) for told, indices in parts.items()}


def _page(path: Path, run: Campaign, text: str) -> bytes:
    return page(f"fastgibbs campaign {path.name}", _sections(run, text))


def _sections(run: Campaign, text: str) -> Iterator[tuple[str, str]]:
    apart = groups(run)
    counts = {told: f"{len(part)} tasks" for told, part in apart.items()}
    yield "What was run", Report([repr(run)], counts, {}, []).html()
    for told, part in list(apart.items())[:_MOST_GROUPS]:
        yield told, _found(part)
    if len(apart) > _MOST_GROUPS:
        yield "Others", Report([f"{len(apart) - _MOST_GROUPS} more are in the first table alone"], {}, {}, []).html()
    yield "How to repeat it", code(f"# python -m fastgibbs campaign {CONFIGURATION}, a file of these lines\n{text}")
    yield "Provenance", facts({"directory": run.directory} | info.machine())


def _found(part: Campaign) -> str:
    """The average over samples, if there is one, or what each task has found in a line."""
    if len(part) > 1:
        try:
            return found(disorder_average(part))
        except (TypeError, ValueError):  # of no pairs of replicas
            reports = {str(task.seed): result.report().lines[0] for task, result in zip(part.tasks, part, strict=True)}
            return Report(["results by seed"], reports, {}, []).html()
    return found(part[0])
