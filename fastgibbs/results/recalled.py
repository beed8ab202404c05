"""What a memory has made of cues."""

import numpy as np

from fastgibbs.models import Hopfield
from fastgibbs.results.base import run_result


@run_result
class RecallResult:
    """What `recall` returns."""

    model: Hopfield
    states: np.ndarray
    """The states at the end, int8 (cues, n)."""
    overlaps: np.ndarray
    """m_mu = (1/n) sum_i xi_i^mu s_i after every sweep, float64 (cues, sweeps, P)."""
    converged: np.ndarray
    """Whether the last sweep left a state as it was, bool (cues,)."""
    sweeps_needed: np.ndarray
    """After how many sweeps a state was what it is at the end, int64 (cues,)."""
    beta: float
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    engine: str
    interrupted: bool
    """True if it was stopped: the sweeps are those that every cue had done."""

    def __repr__(self):
        cues, sweeps, _ = self.overlaps.shape
        return f"RecallResult({self.model!r}, cues={cues}, sweeps={sweeps}, converged={self.converged.sum()})"
