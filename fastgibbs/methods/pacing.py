"""How long the batches of an annealing run are: as was asked for, or as a clock allows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgibbs.models import checks, resources
from fastgibbs.types import AnyArray

SWEEPS = 1000  # of a run that was told nothing
FIRST = 16  # sweeps of the first batch against a clock
GROWTH = 4  # times as many as the batch before has each that follows
LONGEST = 2**20  # sweeps that a clock gives to one batch
PLANNED = 0.9  # of the time left: no machine is always as fast as it just was


class Pace:
    """The sweeps of one batch after another: as `sweeps` says, a number or several, or what `time_limit` allows.

    Against a clock batches grow, and the last is as long as the time that is left, as far as the one before it tells.
    Once a number of sweeps that was asked for fits, it is made, and is the last batch.

    TypeError or ValueError, naming `sweeps` or `time_limit`, unless they are above 0 and go together, and there is
    memory for what so many sweeps of `reads` reads leave behind.
    """

    def __init__(self, sweeps: int | Sequence[int] | AnyArray | None, time_limit: float | None, reads: int) -> None:
        self._limit = np.inf if time_limit is None else checks.finite_number("time_limit", time_limit)
        if self._limit <= 0:
            raise ValueError(f"time_limit is {time_limit}: give seconds above 0")
        self.asked = _asked(sweeps, () if self.timed else (SWEEPS,))
        """The sweeps of each batch, as they were asked for; none if a clock alone decides."""
        if self.timed and len(self.asked) > 1:
            raise ValueError("sweeps of several batches leave a time_limit nothing to say: give one number, or none")
        each = reads + 100  # bytes of traces and schedule that a sweep takes
        if self.timed:
            most = max(FIRST, int(min(resources.memory(), 2.0**62) / 4 / each))
        else:
            most = max(self.asked)
            shorter = "give fewer sweeps, or a time_limit"
            checks.require_memory(most * each, f"what sweeps={most} of {reads} reads leave behind", shorter)
        self._longest = min(LONGEST, most)
        self._goal = self.asked[0] if self.timed and self.asked and self.asked[0] <= most else None
        self.sweeps = min(FIRST, self._goal or FIRST) if self.timed else self.asked[0]
        """Of the batch that comes next, or was just made."""
        self.number = 0
        """Of that batch: its random numbers hang on it."""

    @property
    def timed(self) -> bool:
        """Whether a clock ends the run."""
        return self._limit < np.inf

    def begin(self) -> None:
        """The clock begins to run."""
        self._began = self._batch_began = time.perf_counter()

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._limit - (time.perf_counter() - self._began)

    def goes_on(self, batch: Any) -> bool:
        """Whether another batch follows this one, which came to its end: `sweeps` and `number` are then that one's.

        Compiling does not count as time."""
        now = time.perf_counter()
        self._began += batch.end.compiling
        rest = now - self._batch_began - batch.end.seconds - batch.end.compiling  # it takes besides its sweeps
        self._batch_began, made = now, self.sweeps
        if not self.timed:
            self.number += 1
            self.sweeps = self.asked[self.number] if self.number < len(self.asked) else 0
            return self.sweeps > 0
        if made == self._goal:
            return False
        fits = int(max(0.0, PLANNED * self.left - rest) * made / max(batch.end.seconds, 1e-9))
        grown = min(GROWTH * made, self._longest)
        self.number += 1
        if self._goal is not None and self._goal <= fits:
            self.sweeps, self.number = self._goal, 0
        else:
            self.sweeps = grown if fits >= grown + made else min(fits, self._longest)
        return self.sweeps >= max(FIRST, made // GROWTH) or self.sweeps == self._goal

    def replaces(self, batch: Any) -> bool:
        """Whether a batch is all that was asked for, as if there had been no clock: those before it do not count."""
        return self.timed and batch.sweeps == batch.done == self.asked


def _asked(sweeps: int | Sequence[int] | AnyArray | None, none: tuple[int, ...]) -> tuple[int, ...]:
    if sweeps is None:
        return none
    if isinstance(sweeps, list | tuple | np.ndarray) and np.ndim(sweeps) == 1 and len(sweeps):
        return tuple(checks.integer(f"sweeps[{k}]", number) for k, number in enumerate(sweeps))
    return (checks.integer("sweeps", sweeps),)
