"""`solve FILE`: the lowest energy, or the largest cut, that is found of a problem in a file, and what is told of it."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from fastgibbs import plots
from fastgibbs.analysis.reports import Report
from fastgibbs.commands.search import STDIN, Found, Given, Search
from fastgibbs.exact import spectrum
from fastgibbs.gallery.runs import Interrupted, versions
from fastgibbs.io import absolute, held, replace_file, writable
from fastgibbs.io.formats import FORMATS, FormatName, recognised
from fastgibbs.io.problems import problem
from fastgibbs.jit import compilations
from fastgibbs.methods.running import SAVES
from fastgibbs.models import checks, cut
from fastgibbs.pages.page import Picture
from fastgibbs.pages.pictures import picture
from fastgibbs.pages.reporting import drawn, of_run
from fastgibbs.plots.style import PALETTE
from fastgibbs.threads import stoppable

ENUMERATED = 20  # variables, of which all states are looked at instead
SHOWN = 64  # variables whose values are printed
REPEAT = "to repeat: "


def solve(
    source: str,
    format: FormatName | None = None,
    *,
    seconds: float = 10.0,
    target: float | None = None,
    reads: int = 64,
    seed: int | None = None,
    threads: int | None = None,
    output: str | None = None,
    replace: bool = False,
    progress: bool = True,
) -> bool:
    """Print the best state of a file, or of the standard input, "-"; returns whether the search was stopped.

    Of up to 20 variables all states are looked at. `output`: a JSON file for labels, state, energy, cut and where they
    come from; the report is written beside it, its name ending in .html. Neither must be there yet, unless `replace`.
    ValueError, TypeError or OSError that names what is wrong, before the search begins; Interrupted if it was stopped
    before anything was found.
    """
    seconds = checks.finite_number("--time", seconds)
    if seconds <= 0:
        raise ValueError(f"--time is {seconds:g}: give seconds above 0")
    reads, threads = checks.integer("--reads", reads), None if threads is None else checks.integer("--threads", threads)
    seeds = np.random.SeedSequence(None if seed is None else checks.integer("--seed", seed, 0, np.inf))
    goal = None if target is None else checks.finite_number("--target", target)
    files = [] if output is None else _files(output, replace)
    with _file(source) as path:
        model, name = recognised(path, format)
    given = Given(STDIN if source == "-" else source, problem("FILE", model), name)
    with (
        held(files[0]) if files else nullcontext(),
        stoppable(SAVES if files else ()) as asked,
        compilations(_compiling if progress else lambda: None),
    ):
        lowest = -np.inf if goal is None else given.energy(goal)
        search = Search(given, seconds, reads, lowest, seeds, threads, progress)
        proven = given.model.n <= ENUMERATED
        if proven:
            state = spectrum(given.model, threads).ground_states[0]
            told = f"all 2^{given.model.n} states were looked at: no other is better"
            again = f"fg.exact.spectrum({given.call}).ground_states[0]"
            search.found = Found(float(given.model.energy(state)), state, told, again, dict(method="enumeration"))
        else:
            search.run(asked)
        if search.found is None and not asked:
            raise ValueError(f"--time is {seconds:g}: it was over before anything was found, give more seconds")
        if search.found is None:
            raise Interrupted("interrupted before anything was found")
        stopped, lines = bool(asked), _lines(search, goal, bool(asked))
        if format is None and name == "rudy" and os.path.splitext(source.removesuffix(".gz"))[1] not in _CUTS:
            lines.insert(1, _OTHERS)
        if files:
            replace_file(files[0], _answer(search, proven, stopped))
        print("\n".join(lines), flush=True)
        if files:
            replace_file(files[1], _page(search, lines, stopped))
            print(f"written to {files[0]} and {files[1]}")
        return stopped


_CUTS = FORMATS["rudy"].endings[:-1]  # names of .txt may hold anything
_OTHERS = (
    "read as a graph to be cut, as `n m` at its head says: if it is none, give --format mqlib, biqmac or spinglass"
)


def _files(output: str, replace: bool) -> list[str]:
    """The files for the answer and the report; ValueError or OSError unless both can be written."""
    report = str(Path(absolute("--output", output)).with_suffix(".html"))
    files = [output, os.path.join(os.path.dirname(output), os.path.basename(report))]
    if Path(output).suffix == ".html":
        raise ValueError(f"--output is {output}: that is where the report goes, give a name as sol.json for the answer")
    for file in files:
        if Path(absolute("--output", file)).exists() and not replace:
            raise ValueError(f"{file} is there already: give another --output, or --restart, which replaces it")
        writable(file)
    return files


def _compiling() -> None:
    print("compiling (once) ...", file=sys.stderr, flush=True)


@contextmanager
def _file(source: str) -> Iterator[str]:
    """The path of the file; of the standard input that of a copy."""
    if source != "-":
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stdin"
        path.write_bytes(sys.stdin.buffer.read())
        try:
            yield str(path)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), STDIN)) from error


def _lines(search: Search, goal: float | None, stopped: bool) -> list[str]:
    """What was found, for people."""
    given, found = search.given, search.found
    assert found is not None
    lines = [f"{given.model!r} of {given.source} ({given.format})"]
    lines.append(f"best {given.told(found.energy)}" + (f", energy {found.energy + 0.0:.12g}" if given.cuts else ""))
    lines.append(found.told)
    lines.append(f"{REPEAT}{found.repeat}" if found.repeat else "in a round that was stopped: not to be repeated")
    if search.rounds:
        rounds = f"{len(search.rounds)} round{'s' * (len(search.rounds) > 1)}"
        lines.append(f"{rounds} in {search.spent:.1f} s" + (", then interrupted" if stopped else ""))
    if goal is not None:
        lines.append(f"target {goal:.12g} {'' if search.solved else 'not '}reached")
    if 0 < given.model.n <= SHOWN:
        pairs = zip(given.labels, found.state.tolist(), strict=True)
        lines.append("state: " + " ".join(f"{label}:{value}" for label, value in pairs))
    return lines


def _answer(search: Search, proven: bool, stopped: bool) -> bytes:
    """What was found, as JSON, a line for each name."""
    given, found = search.given, search.found
    assert found is not None
    origin = {"file": given.source, "format": given.format, "model": repr(given.model), **found.origin}
    origin |= {"repeat": found.repeat} if found.repeat else {}
    origin |= dict(seconds=round(search.spent, 3), interrupted=stopped, versions=versions())
    answer: dict[str, Any] = {"energy": found.energy}
    if given.cuts:
        answer["cut"] = float(cut(given.model, found.state))
    answer |= dict(proven=proven, labels=given.labels, state=found.state.tolist(), provenance=origin)
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in answer.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _page(search: Search, lines: list[str], stopped: bool) -> bytes:
    """What was found, as a page: the lines, all rounds, the best against seconds, and how to find it again."""
    given, found, rounds = search.given, search.found, search.rounds
    assert found is not None
    each = {
        "seconds": [f"{one.seconds:.1f}" for one in rounds],
        "sweeps": [str(one.sweeps) for one in rounds],
        f"best {given.unit}": [f"{given.value(one.energy):.12g}" for one in rounds],
    }
    warnings = ["WARNING: the search was stopped early."] if stopped else []
    lines = [line for line in lines if not line.startswith(REPEAT)]  # which has a section
    shown = Report(lines, {}, each if rounds else {}, warnings).html()
    shown += drawn(lambda: [Picture(f"Best {given.unit} against seconds", _drawn(search))] if rounds else [])
    settings = {"file": given.source, "format": given.format, "model": repr(given.model)}
    settings |= {"seconds": f"{search.seconds:g}", "reads": str(search.reads)} if rounds else {}
    if found.repeat:
        where = "  # FILE: what was given on the standard input" * (given.source == STDIN)
        repeat = f"import fastgibbs as fg\n\nfound = {found.repeat}{where}"
    else:
        repeat = "# the round that found it was stopped on its way: the state is in the file that was written"
    traced = {name: str(value) for name, value in found.origin.items() if name in ("method", "engine", "seed")}
    return of_run(f"fastgibbs solve {Path(given.source).name}", shown, repeat, settings, traced)


def _drawn(search: Search) -> bytes:
    """The best of each round, and of all until then, against seconds."""
    given, rounds = search.given, search.rounds
    seconds, values = [one.seconds for one in rounds], [given.value(one.energy) for one in rounds]
    best = (np.maximum if given.cuts else np.minimum).accumulate(values)
    figure, ax = plots.figure()
    ax.step(seconds, best, where="post", color=PALETTE[0], label="so far")
    ax.plot(seconds, values, "o", markersize=4, color=PALETTE[1], label="of a round")
    ax.set_xlabel("seconds")
    ax.set_ylabel(f"best {given.unit}")
    ax.ticklabel_format(useOffset=False)
    ax.legend(frameon=False)
    return picture(figure)
