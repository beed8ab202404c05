"""What ladders of replicas have drawn at every rung, how they moved, and log Z."""

from dataclasses import field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastgibbs import analysis
from fastgibbs.models import checks
from fastgibbs.results.base import Result, Timing, run_result


class Round(NamedTuple):
    """One round of adaptation."""

    sweeps: int
    rungs: int
    barrier: float
    least_acceptance: float


@checks.by_contents
class Overlap(NamedTuple):
    """Overlaps q = (1/n) sum_i s_i^a s_i^b of ladders a and b at every rung, and link overlaps, float64 (pairs, rungs).

    `histogram` counts q in bins of equal width from -1 to 1, int64 (pairs, rungs, bins), one bin a value up to 1000
    spins; the link overlap is the mean over bonds of s_i^a s_j^a s_i^b s_j^b. All are means over `draws` measurements.
    """

    draws: np.ndarray
    histogram: np.ndarray
    q: np.ndarray
    q_abs: np.ndarray
    q2: np.ndarray
    q4: np.ndarray
    link: np.ndarray
    link2: np.ndarray


@run_result
class TemperResult(Result):
    """What `temper` returns for one model. Rungs ascend in beta; a replica is a state that moves between them."""

    model: object
    betas: np.ndarray
    """float64 (rungs,)"""
    energy: np.ndarray
    """E of every draw, float64 (ladders, rungs, draws)."""
    magnetization: np.ndarray
    """Mean spin of every draw, float64 (ladders, rungs, draws); of an RBM, the mean of 2 x - 1."""
    observables: dict[str, np.ndarray]
    """What was observed, by name: float64 (ladders, rungs, draws), of a function (ladders, rungs, draws, ...)."""
    states: np.ndarray
    """The states at the end, int8 (ladders, rungs, n), in the model's own units."""
    acceptance: np.ndarray
    """Mean swap probability of each two neighbouring rungs, float64 (rungs - 1,)."""
    round_trips: np.ndarray
    """How often each replica went from the hot end to the cold one and back, int64 (ladders, rungs)."""
    restarts: np.ndarray
    """How often each replica reached the cold end coming from the hot one, int64 (ladders, rungs)."""
    flow: np.ndarray
    """f: of the replicas met at a rung, the share that was last at the hot end; float64 (rungs,), 1 ... 0."""
    overlap: Overlap | None
    """Of ladders 0 and 1, 2 and 3 ...; None if there is one ladder or overlap_every = 0."""
    adaptation: tuple[Round, ...]
    """The rounds in which the ladder was built; none of their draws is in the result."""
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    engine: str
    rule: str
    swap_every: int
    burn_in: int
    thin: int
    timing: Timing
    interrupted: bool
    """True if the run was stopped: the draws are those that every ladder had done."""
    clamped: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """The sites that kept their values, int64 (k,)."""

    @property
    def barrier(self) -> analysis.Barrier:
        """Lambda, the sum of the rejection rates, and its density (see `fastgibbs.analysis.barrier`)."""
        return analysis.barrier(self.betas, 1 - self.acceptance)

    @cached_property
    def log_z(self) -> analysis.LogZ:
        """log Z at every rung, with errors (see `fastgibbs.analysis.log_z`); log Z / Z(betas[0]) if betas[0] > 0.

        Clamped sites are not summed over.
        """
        reference = (self.model.n - self.clamped.size) * np.log(2) if self.betas[0] == 0 else 0.0
        return analysis.log_z(self.betas, self.energy, reference)

    @cached_property
    def equilibration(self) -> analysis.Equilibration:
        """Whether the run looks equilibrated, and what speaks against it."""
        return analysis.equilibration(self.energy, self.round_trips, self.model.n)

    def summary(self) -> str:
        """A table by temperature with errors, and warnings (see `fastgibbs.analysis.summary`)."""
        return analysis.summary(self)

    def to_u_kn(self) -> tuple[np.ndarray, np.ndarray]:
        """u_kn and N_k of nearly independent draws, for pymbar (see `fastgibbs.analysis.to_u_kn`)."""
        return analysis.to_u_kn(self)

    def __repr__(self):
        ladders, rungs, draws = self.energy.shape
        stopped = ", interrupted" if self.interrupted else ""
        size = f"ladders={ladders}, rungs={rungs}, draws={draws}"
        return f"TemperResult({self.model!r}, {size}, engine={self.engine!r}{stopped})"
