"""What a memory has made of cues."""

from __future__ import annotations

from typing import Annotated, Any, Self

import numpy as np

from fastgibbs import analysis
from fastgibbs.analysis.reports import Report
from fastgibbs.integrations.tables import Coordinates, Table
from fastgibbs.models import Hopfield
from fastgibbs.results.base import Result, run_result
from fastgibbs.types import FloatArray, IntArray, Mask, States

_MOST = 10  # memories in a summary


@run_result
class RecallResult(Result):
    """What `recall` returns.

    >>> import fastgibbs as fg
    >>> run = fg.recall(fg.Hopfield([[1, 1, 1, 1], [1, 1, -1, -1]]), [1, 1, 1, -1])
    >>> run, run.overlaps[:, -1].tolist()
    (RecallResult(Hopfield(n=4, patterns=2), cues=1, sweeps=50, converged=1), [[0.0, 1.0]])
    """

    KIND = "recall"
    model: Annotated[Hopfield, "The memory."]
    states: Annotated[States, "int8 (cues, n)", "The states at the end."]
    overlaps: Annotated[
        FloatArray, "float64 (cues, sweeps, patterns)", "m_mu = (1/n) sum_i xi_i^mu s_i after every sweep, in [-1, 1]."
    ]
    converged: Annotated[Mask, "bool (cues,)", "Whether the last sweep left a state as it was."]
    sweeps_needed: Annotated[IntArray, "int64 (cues,)", "After how many sweeps a state was what it is at the end."]
    beta: Annotated[float, "float, or inf", "Inverse temperature, inf at T = 0."]
    seed: Annotated[int, "Pass it as `seed` to get the same bytes again."]
    engine: Annotated[str, "The engine that ran it."]
    interrupted: Annotated[bool, "True if it was stopped: the sweeps are those that every cue had done."]

    @property
    def temperature(self) -> float:
        """T = 1 / beta, 0 at beta = inf (`fastgibbs.analysis.temperature`)."""
        return float(analysis.temperature(self.beta))

    def report(self) -> Report:
        """Which memories the cues came to, by the largest |m| at the end."""
        _, sweeps, patterns = self.overlaps.shape
        lines = [
            repr(self),
            f"{sweeps} sweeps at beta = {self.beta:g}, engine {self.engine!r}; no state changed after sweep "
            f"{self.sweeps_needed.max(initial=0)}",
        ]
        if not sweeps:
            return Report(lines, {}, {}, ["WARNING: the run was stopped before its first sweep."])
        ends = self.overlaps[:, -1]
        nearest = np.abs(ends).argmax(axis=1)
        m = np.take_along_axis(ends, nearest[:, None], axis=1)[:, 0]
        counts = np.bincount(nearest, minlength=patterns)
        order = np.argsort(-counts, kind="stable")[: min(_MOST, np.count_nonzero(counts))]
        mine = [nearest == memory for memory in order]
        table = {
            "memory": [str(memory) for memory in order],
            "cues": [str(counts[memory]) for memory in order],
            "mean |m|": [f"{np.abs(m[cues]).mean():.4f}" for cues in mine],
            "reversed": [str((m[cues] < 0).sum()) for cues in mine],
            "converged": [str(self.converged[cues].sum()) for cues in mine],
        }
        notes = [
            f"{np.abs(m).mean():.4f} is the mean of the largest |m|; {(np.abs(m) == 1).sum()} cues end in a memory."
        ]
        if (others := np.count_nonzero(counts) - len(order)) > 0:
            notes.append(f"Cues came to {others} more memories.")
        if self.interrupted:
            notes.append("WARNING: the run was stopped before its last sweep.")
        return Report(lines, {}, table, notes)

    def table(self) -> Table:
        """The overlaps as a named array, (cue, sweep, pattern); converged and sweeps_needed belong to cues.

        >>> import numpy as np
        >>> import fastgibbs as fg
        >>> memory = fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (3, 100)))
        >>> run = fg.recall(memory, memory.patterns, seed=1)
        >>> sorted(run.table().variables), list(run.report().table), run.temperature
        (['overlaps'], ['memory', 'cues', 'mean |m|', 'reversed', 'converged'], 0.0)
        """
        axes = "cue", "sweep", "pattern"
        numbers: Coordinates = {
            axis: (axis, np.arange(size)) for axis, size in zip(axes, self.overlaps.shape, strict=True)
        }
        of_cues: Coordinates = {"converged": ("cue", self.converged), "sweeps_needed": ("cue", self.sweeps_needed)}
        return Table({"overlaps": (axes, self.overlaps)}, numbers | of_cues, self._settings())

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        if not isinstance(values["model"], Hopfield):
            raise ValueError(f"model is {values['model']!r}: give a Hopfield model")
        if not (np.abs(values["overlaps"]) <= 1).all():
            raise ValueError("overlaps are beyond 1")
        return super()._of(values)

    def __repr__(self) -> str:
        cues, sweeps, _ = self.overlaps.shape
        size = f"cues={cues}, sweeps={sweeps}, converged={self.converged.sum()}"
        return f"RecallResult({self.model!r}, {size}{self._ends()})"
