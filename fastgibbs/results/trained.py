"""What a model has learned, and how."""

from typing import NamedTuple

import numpy as np

from fastgibbs.models import checks
from fastgibbs.results.base import Timing, run_result


@checks.by_contents
class History(NamedTuple):
    """What some epochs came to, float64 (rows,), one row for each of them."""

    epoch: np.ndarray
    """The epochs that have a row, from 1, int64 (rows,)."""
    reconstruction: np.ndarray
    """Mean of (v - v')^2 over units and data; v' is the mean of v given the mean of h given v, and of a
    BoltzmannMachine that of each visible unit given all other units, h being drawn given v."""
    pseudo_likelihood: np.ndarray
    """`fastgibbs.pseudo_likelihood` in nats; of a large machine, estimated from some units of each row. NaN if more
    than 20 hidden units are coupled to each other."""
    gradient_norm: np.ndarray
    """Mean over the epoch's steps of the length of the gradient, of all parameters together."""
    log_likelihood: np.ndarray
    """Mean log p(v) of the data in nats, or NaN where it was not asked for."""
    log_likelihood_error: np.ndarray
    """The standard error that log Z gives it: 0 if it is exact."""


@run_result
class TrainResult:
    """What `train` returns."""

    model: object
    """The model trained; of a training that diverged, as it was after the last epoch that had not."""
    history: History
    """Of the epochs that were finished, those that have a row."""
    chains: np.ndarray
    """The states of the model's chains at the end, int8 (chains, n): persistent ones, or those of the last batch."""
    method: str
    epochs: int
    """Epochs finished."""
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    timing: Timing
    interrupted: bool
    """True if the training was stopped before the last step."""
    diverged: bool

    def __repr__(self):
        state = ", diverged" if self.diverged else ", interrupted" if self.interrupted else ""
        return f"TrainResult({self.model!r}, method={self.method!r}, epochs={self.epochs}{state})"
