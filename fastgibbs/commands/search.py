"""The search of `solve`: rounds of annealing against the clock, and the best state that they have come to.

Each round is longer than the one before, as batches of `anneal` are, up to a third of the time: so much of it is lost
at most if somebody wants an end.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.io.formats import FORMATS
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.pacing import FIRST, GROWTH, LONGEST, PLANNED
from fastgibbs.models.bounds import most_energy
from fastgibbs.results.annealed import TIE, AnnealResult
from fastgibbs.types import States

SHARE = 1 / 3  # of the time, for one round at most: without it glasses of 14^3 come 0.1 % lower in 5 s, others do not
STDIN = "standard input"


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
    def call(self) -> str:
        """The Python that reads it."""
        source = "FILE" if self.source == STDIN else self.source
        return f"fg.read({source!r}{f', {self.format!r}' if self.format in FORMATS else ''})"

    @property
    def labels(self) -> list[Any]:
        """What the file calls its variables."""
        first = FORMATS[self.format].first if self.format in FORMATS else 0
        return list(self.model.labels or range(first, first + self.model.n))

    def energy(self, target: float) -> float:
        """The energy that is as good as a target, but for rounding."""
        energy = -self.model.bonds[2].sum() - 2 * target if self.cuts else target
        return float(energy + TIE * most_energy(self.model))

    @property
    def unit(self) -> str:
        """What it is judged by."""
        return "cut" if self.cuts else "energy"

    def value(self, energy: float) -> float:
        """The cut of an energy, or the energy."""
        return float((-self.model.bonds[2].sum() - energy) / 2 if self.cuts else energy) + 0.0

    def told(self, energy: float) -> str:
        """What is shown of an energy."""
        return f"{self.unit} {self.value(energy):.12g}"


class Found(NamedTuple):
    """The best state so far, and what found it."""

    energy: float
    state: States
    told: str  # in words
    repeat: str  # the Python that finds it again, or nothing
    origin: dict[str, Any]  # for machines


class Round(NamedTuple):
    """A round of annealing."""

    sweeps: int
    seconds: float  # on the clock, at its end
    energy: float  # the lowest that its reads have seen


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
    rounds: list[Round] = field(default_factory=list)
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
            longest = max(FIRST, int(min(SHARE * self.seconds * sweeps / took, LONGEST)))
            grown, least = min(GROWTH * sweeps, longest), max(FIRST, sweeps // GROWTH)
            sweeps = grown if fits >= grown + sweeps // GROWTH else min(fits, longest) if fits >= least else 0

    def _hears(self, done: int, total: int) -> bool:
        """Ten times a second: whether the time is up."""
        if done and self.began is None:
            self.began = time.perf_counter()
        if self.progress and self.on_line:
            best = f"best {self.given.told(self.found.energy)}" if self.found else "nothing yet"
            line = (
                f"{self.spent:6.1f} s of {self.seconds:g}  {best}  (round {len(self.rounds) + 1}: {done / total:.0%})"
            )
            with suppress(OSError):  # it is no terminal after all
                line = line[: os.get_terminal_size(sys.stderr.fileno()).columns - 1]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
        return self.spent >= self.seconds

    def _note(self, result: AnnealResult, sweeps: int) -> None:
        """Keep the best state of a round, if it is better than what there was."""
        if self.progress and self.on_line:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        if not result.energy.size:
            return
        energy, hits, model = float(result.energy[0]), int(result.ground_counts.sum()), self.given.model
        self.rounds.append(Round(sweeps, self.spent, energy))
        if self.found and energy >= self.found.energy:
            return
        origin = dict(method="annealing", reads=self.reads, sweeps=sweeps, seed=str(result.seed), engine=result.engine)
        again = f"fg.anneal({self.given.call}, reads={self.reads}, sweeps={sweeps}, seed={result.seed})"
        told = f"found after {self.spent:.1f} s, in {hits} of {self.reads} reads of {sweeps} sweeps, "
        told += f"engine {result.engine!r}"
        self.found = Found(energy, result.states[0], told, "" if result.interrupted else again, origin)
        if self.progress:
            shown = self.given.told(float(model.energy(result.states[0])))
            print(f"{self.spent:6.1f} s  {shown}  ({sweeps} sweeps)", file=sys.stderr, flush=True)
