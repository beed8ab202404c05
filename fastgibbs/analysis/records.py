"""The records of a result, sorted by temperature."""

from typing import NamedTuple

import numpy as np

from fastgibbs.models import checks


class Group(NamedTuple):
    """Chains of one model at one beta."""

    beta: float
    model: int
    """Its number, where there are several."""
    energy: np.ndarray
    """E of every draw, float64 (chains, draws)."""
    magnetization: np.ndarray
    """Mean spin of every draw, float64 (chains, draws)."""


def by_beta(result) -> list[Group]:
    """The chains of a SampleResult, or the ladders of a TemperResult rung by rung, beta ascending, model by model.

    TypeError at anything else.
    """
    match type(result).__name__:  # the classes stand on a floor above
        case "SampleResult":
            number = result.model_number
            keys = sorted(set(zip(result.beta.tolist(), number.tolist(), strict=True)))
            chains = [(result.beta == beta) & (number == model) for beta, model in keys]
            return [
                Group(*key, result.energy[mine], result.magnetization[mine])
                for key, mine in zip(keys, chains, strict=True)
            ]
        case "TemperResult":
            return [
                Group(float(beta), 0, result.energy[:, rung], result.magnetization[:, rung])
                for rung, beta in enumerate(result.betas)
            ]
        case _:
            raise TypeError(f"result is {checks.shown(result)}: give a SampleResult or a TemperResult")
