"""The records of a result, sorted by temperature."""

from typing import NamedTuple

import numpy as np

from fastgibbs.analysis.bins import Binned, Bins
from fastgibbs.models import checks


class Group(NamedTuple):
    """Chains of one model at one beta."""

    beta: float
    model: int
    """Its number, where there are several."""
    energy: np.ndarray | Binned
    """E of every draw, float64 (chains, draws), or in bins."""
    magnetization: np.ndarray | Binned
    """Mean spin of every draw, float64 (chains, draws), or in bins."""
    bins: Bins | None = None
    """What was kept in place of draws."""

    @classmethod
    def of(cls, beta: float, model: int, bins: Bins) -> "Group":
        """The chains of these bins."""
        return cls(beta, model, bins.energy, bins.magnetization, bins)


def by_beta(result) -> list[Group]:
    """The chains of a SampleResult, or the ladders of a TemperResult rung by rung, beta ascending, model by model.

    TypeError at anything that has no `by_beta()` of its own.
    """
    return checks.able("result", result, "by_beta", "a SampleResult or a TemperResult").by_beta()
