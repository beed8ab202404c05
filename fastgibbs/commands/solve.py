"""`solve FILE`: the lowest energy, or the largest cut, that annealing against the clock finds of a problem in a file.

Rounds of annealing are each longer than the one before, as batches of `anneal` are; the last takes the time that is
left.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.exact import spectrum
from fastgibbs.gallery.runs import Interrupted, versions
from fastgibbs.io import absolute, replace_file, writable
from fastgibbs.io.formats import FORMATS, FormatName, recognised
from fastgibbs.io.problems import problem
from fastgibbs.jit import compilations
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.pacing import FIRST, GROWTH, LONGEST, PLANNED
from fastgibbs.methods.running import SAVES
from fastgibbs.models import checks, cut
from fastgibbs.models.bounds import most_energy
from fastgibbs.results.annealed import TIE, AnnealResult
from fastgibbs.threads import stoppable
from fastgibbs.types import States

ENUMERATED = 20  # variables, of which all states are looked at instead
SHOWN = 64  # variables whose values are printed


class Given(NamedTuple):
    """The problem: what makes its energy small makes its cut large, if it is a graph to be cut."""

    source: str
    model: Any
    format: str

    @property
    def cuts(self) -> bool:
        """Whether it is a graph to be cut."""
        return self.format == "rudy"

    @property
    def labels(self) -> list[Any]:
        """What the file calls its variables."""
        first = FORMATS[self.format].first if self.format in FORMATS else 0
        return list(self.model.labels or range(first, first + self.model.n))

    def energy(self, target: float) -> float:
        """The energy that is as good as a target, but for rounding."""
        energy = -self.model.bonds[2].sum() - 2 * target if self.cuts else target
        return float(energy + TIE * most_energy(self.model))

    def told(self, energy: float) -> str:
        """What is shown of an energy."""
        if not self.cuts:
            return f"energy {energy + 0.0:.12g}"
        return f"cut {(-self.model.bonds[2].sum() - energy) / 2 + 0.0:.12g}"


class Found(NamedTuple):
    """The best state so far, and what found it."""

    energy: float
    state: States
    told: str  # in words
    origin: dict[str, Any]  # for machines


@dataclass
class Search:
    """Rounds of annealing of one problem, and the clock, which begins to run when everything is compiled."""

    given: Given
    seconds: float
    reads: int
    target: float  # energy, -inf for none
    seeds: np.random.SeedSequence
    threads: int | None
    progress: bool
    began: float | None = None
    rounds: int = 0
    found: Found | None = None
    on_line: bool = field(default_factory=lambda: sys.stderr.isatty())  # whether lines can be written over

    @property
    def spent(self) -> float:
        """Seconds since the clock began to run."""
        return 0.0 if self.began is None else time.perf_counter() - self.began

    @property
    def solved(self) -> bool:
        """Whether the target is reached."""
        return self.found is not None and self.found.energy <= self.target

    def run(self, asked: object) -> None:
        """Anneal until the target is reached, the time is up or somebody wants an end."""
        sweeps = FIRST
        while sweeps and not asked and not self.solved:
            before = self.spent
            self.rounds += 1
            result = anneal(
                self.given.model,
                sweeps=sweeps,
                reads=self.reads,
                seed=self.seeds.spawn(1)[0],
                target_energy=self.target if np.isfinite(self.target) else None,
                threads=self.threads,
                progress=self._hears,
            )
            self._note(result, sweeps)
            took, left = max(self.spent - before, 1e-9), self.seconds - self.spent
            fits = int(min(max(0.0, PLANNED * left) * sweeps / took, 2 * LONGEST))
            grown, least = min(GROWTH * sweeps, LONGEST), max(FIRST, sweeps // GROWTH)
            sweeps = grown if fits >= grown + sweeps else min(fits, LONGEST) if fits >= least else 0

    def _hears(self, done: int, total: int) -> bool:
        """Ten times a second: whether the time is up."""
        if done and self.began is None:
            self.began = time.perf_counter()
        if self.progress and self.on_line:
            best = f"best {self.given.told(self.found.energy)}" if self.found else "nothing yet"
            line = f"{self.spent:6.1f} s of {self.seconds:g}  {best}  (round {self.rounds}: {done} of {total} sweeps)"
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        return self.spent >= self.seconds

    def _note(self, result: AnnealResult, sweeps: int) -> None:
        """Keep the best state of a round, if it is better than what there was."""
        if self.progress and self.on_line:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        if not result.energy.size or (self.found and result.energy[0] >= self.found.energy):
            return
        energy, hits, model = float(result.energy[0]), int(result.ground_counts.sum()), self.given.model
        origin = dict(method="annealing", reads=self.reads, sweeps=sweeps, seed=str(result.seed), engine=result.engine)
        of = checks.shown(self.given.source) + (f", {self.given.format!r}" if self.given.format in FORMATS else "")
        call = f"fg.anneal(fg.read({of}), reads={self.reads}, sweeps={sweeps}, seed={result.seed})"
        if result.interrupted:
            words = "in a round that was stopped on its way, so not to be repeated"
        else:
            words, origin["repeat"] = f"to repeat: {call}", call
        told = f"after {self.spent:.1f} s, in {hits} of {self.reads} reads of {sweeps} sweeps, engine {result.engine!r}"
        self.found = Found(energy, result.states[0], f"found {told}\n{words}", origin)
        if self.progress:
            shown = self.given.told(float(model.energy(result.states[0])))
            print(f"{self.spent:6.1f} s  {shown}  ({sweeps} sweeps)", file=sys.stderr, flush=True)


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
) -> tuple[str, bool]:
    """What is to be printed of the best state of a file, or of the standard input, "-", and whether it was stopped.

    Of up to 20 variables all states are looked at. `output`: a JSON file for labels, state, energy, cut and where they
    come from, which must not be there yet, unless `replace`. ValueError, TypeError or OSError that names what is wrong,
    before the search begins; Interrupted if it was stopped before anything was found.
    """
    seconds = checks.finite_number("--time", seconds)
    if seconds <= 0:
        raise ValueError(f"--time is {seconds:g}: give seconds above 0")
    reads, threads = checks.integer("--reads", reads), None if threads is None else checks.integer("--threads", threads)
    seeds = np.random.SeedSequence(None if seed is None else checks.integer("--seed", seed, 0, np.inf))
    goal = None if target is None else checks.finite_number("--target", target)
    if output is not None:
        if Path(absolute("--output", output)).exists() and not replace:
            raise ValueError(f"{output} is there already: give another --output, or --restart, which replaces it")
        writable(output)
    with _file(source) as path:
        model, name = recognised(path, format)
    given = Given("standard input" if source == "-" else source, problem("FILE", model), name)
    with stoppable(SAVES if output else ()) as asked, compilations(_compiling if progress else lambda: None):
        lowest = -np.inf if goal is None else given.energy(goal)
        search = Search(given, seconds, reads, lowest, seeds, threads, progress)
        proven = given.model.n <= ENUMERATED
        if proven:
            state = spectrum(given.model, threads).ground_states[0]
            told = f"all 2^{given.model.n} states were looked at: no other is better"
            search.found = Found(float(given.model.energy(state)), state, told, dict(method="enumeration"))
        else:
            search.run(asked)
        if search.found is None and not asked:
            raise ValueError(f"--time is {seconds:g}: it was over before anything was found, give more seconds")
        if search.found is None:
            raise Interrupted("interrupted before anything was found")
        stopped = bool(asked)
        text = _report(search, goal, stopped)
        if output is not None:
            replace_file(output, _answer(search, proven, stopped))
            text += f"\nwritten to {output}"
        return text, stopped


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
            raise ValueError(str(error).replace(str(path), "standard input")) from error


def _report(search: Search, goal: float | None, stopped: bool) -> str:
    """What was found, for people."""
    given, found = search.given, search.found
    assert found is not None
    lines = [f"{given.model!r} of {given.source} ({given.format})"]
    lines.append(f"best {given.told(found.energy)}" + (f", energy {found.energy + 0.0:.12g}" if given.cuts else ""))
    lines.append(found.told)
    if search.rounds:
        rounds = f"{search.rounds} round{'s' * (search.rounds > 1)}"
        lines.append(f"{rounds} in {search.spent:.1f} s" + (", then interrupted" if stopped else ""))
    if goal is not None:
        lines.append(f"target {goal:.12g} {'' if search.solved else 'not '}reached")
    if 0 < given.model.n <= SHOWN:
        pairs = zip(given.labels, found.state.tolist(), strict=True)
        lines.append("state: " + " ".join(f"{label}:{value}" for label, value in pairs))
    return "\n".join(lines)


def _answer(search: Search, proven: bool, stopped: bool) -> bytes:
    """What was found, as JSON, a line for each name."""
    given, found = search.given, search.found
    assert found is not None
    origin = {"file": given.source, "format": given.format, "model": repr(given.model), **found.origin}
    origin |= dict(seconds=round(search.spent, 3), interrupted=stopped, versions=versions())
    answer: dict[str, Any] = {"energy": found.energy}
    if given.cuts:
        answer["cut"] = float(cut(given.model, found.state))
    answer |= dict(proven=proven, labels=given.labels, state=found.state.tolist(), provenance=origin)
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in answer.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
