"""The records of a result, sorted by temperature."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from fastgibbs.models import checks
from fastgibbs.types import FloatArray


class Group(NamedTuple):
    """Chains of one model at one beta."""

    beta: float
    model: int
    """Its number, where there are several."""
    energy: FloatArray
    """E of every draw, float64 (chains, draws)."""
    magnetization: FloatArray
    """Mean spin of every draw, float64 (chains, draws)."""


class Drawn(Protocol):
    """A SampleResult or a TemperResult: what has records by beta."""

    @property
    def model(self) -> Any:
        """The model, or a tuple of them."""

    @property
    def thin(self) -> int:
        """Sweeps from one draw to the next."""

    def by_beta(self) -> list[Group]:
        """The chains of each beta, ascending, and of each model."""


def by_beta(result: Drawn) -> list[Group]:
    """The chains of a SampleResult, or the ladders of a TemperResult rung by rung, beta ascending, model by model.

    TypeError at anything that has no `by_beta()` of its own.
    """
    return checks.able("result", result, "by_beta", "a SampleResult or a TemperResult").by_beta()
