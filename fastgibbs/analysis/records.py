"""The records of a result, sorted by temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastgibbs.analysis.bins import Bins
from fastgibbs.models import checks
from fastgibbs.types import FloatArray, IntArray


class Group(NamedTuple):
    """Chains of one model at one beta, in one field."""

    beta: float
    model: int
    """Its number, where there are several."""
    energy: Any  # an array or Binned
    """E of every draw, float64 (chains, draws), or in bins."""
    magnetization: Any  # likewise
    """Mean spin of every draw, float64 (chains, draws), or in bins."""
    bins: Bins | None = None
    """What was kept in place of draws."""
    field: float = 0.0
    """That beside the model's own: energies are without."""
    gamma: float | None = None
    """The largest Gamma, where it is another than that of the model."""
    observables: Mapping[str, Any] = {}
    """What was observed, and what moves and engines told, by name, likewise; more axes are a function's."""
    chains: Any = None
    """Which they are of those of a SampleResult, bool (chains,)."""

    @classmethod
    def of(cls, beta: float, model: int, bins: Bins) -> Group:
        """The chains of these bins."""
        return cls(beta, model, bins.energy, bins.magnetization, bins, observables=bins.observables)


class ByBeta(Protocol):
    """A SampleResult or a TemperResult: what has records by beta."""

    @property
    def model(self) -> Any:
        """The model, or a tuple of them."""

    @property
    def thin(self) -> int:
        """Sweeps from one draw to the next."""

    def by_beta(self) -> list[Group]:
        """The chains of each beta, ascending, and of each model."""


def first_model(result: Any) -> Any:
    """The model of a result, or the first of several, which have their number of sites in common."""
    return result.model[0] if isinstance(result.model, tuple) else result.model


def sites_of(model: Any) -> int:
    """The sites that numbers are per, at least 1: worldlines are of one each, and their energy is the diagonal part."""
    return max(model.sites if getattr(model, "by_worldlines", False) else model.n, 1)


def keys(groups: list[Group]) -> tuple[FloatArray, IntArray]:
    """beta and the number of the model of each group, float64 and int64 (groups,)."""
    return np.array([group.beta for group in groups]), np.array([group.model for group in groups], np.int64)


def by_beta(result: ByBeta) -> list[Group]:
    """The chains of a SampleResult, or the ladders of a TemperResult rung by rung, beta ascending, model by model.

    TypeError at anything that has no `by_beta()` of its own, ValueError if draws were made at sweeps of choice.
    """
    if np.size(chosen := getattr(result, "at", ())):
        raise ValueError(f"result has draws at the sweeps {checks.shown(chosen)}: give one of evenly spaced draws")
    return checks.able("result", result, "by_beta", "a SampleResult or a TemperResult").by_beta()
