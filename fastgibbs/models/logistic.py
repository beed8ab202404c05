"""The mean of a unit that is 0 or 1, from its input."""

import numpy as np


def logistic(x) -> np.ndarray:
    """p(unit = 1) = 1 / (1 + exp(-x)) of inputs `x`, float64 in their shape, without overflow."""
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))
