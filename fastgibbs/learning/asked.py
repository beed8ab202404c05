"""What is asked of a training: its arguments, checked before anything is prepared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastgibbs import analysis
from fastgibbs.engines import ENGINES
from fastgibbs.engines.gradients import Step
from fastgibbs.learning import exact
from fastgibbs.learning import history as monitors
from fastgibbs.learning.exact import Machine
from fastgibbs.learning.machines import Estimation
from fastgibbs.methods import directed
from fastgibbs.methods.log_z import given_units, log_likelihood
from fastgibbs.methods.schedules import Schedule
from fastgibbs.methods.settings import tolerable
from fastgibbs.models import RBM, BoltzmannMachine, Helmholtz, checks
from fastgibbs.types import ArrayLike, FloatArray, IntArray

RATES = 0.2, 0.01  # of the first and the last epoch, by default
WAKE_SLEEP = "wake-sleep"  # the method of Helmholtz machines
CHAINS = 128  # that may be more than there are rows, if a batch is to hold as many

Rates = float | ArrayLike | Callable[[int], float] | None  # learning rates: of all epochs, of each, or of the k-th
Betas = float | ArrayLike | Schedule | Callable[[int], float] | None  # so too


class Course(NamedTuple):
    """By which steps parameters are moved, and after which epochs something is recorded."""

    first: int  # epochs that came before, in the result that it goes on from
    begun: int  # steps of its first epoch that were made there
    batches: int  # steps of an epoch
    rates: FloatArray  # float64 (epochs,)
    betas: FloatArray  # float64 (epochs,)
    step: Step  # of every epoch, but for its rate
    history_every: int  # epochs between two rows, or 0
    likelihood_every: int  # epochs between two log-likelihoods, or 0
    information_every: int  # epochs between two rows of information, or 0

    @property
    def epochs(self) -> int:
        """Epochs asked for."""
        return self.rates.size

    @property
    def steps(self) -> int:
        """Steps in all of them."""
        return self.epochs * self.batches

    @property
    def informed(self) -> IntArray:
        """The epochs that have a row of information."""
        numbers = self.first + 1 + np.arange(self.epochs)
        return numbers[numbers % self.information_every == 0] if self.information_every else numbers[:0]


def check_model(model: object, method: str, chains: int | None, steps: int) -> None:
    """TypeError or ValueError unless this model can be trained by this method, which may have no chains."""
    if not isinstance(model, RBM | BoltzmannMachine | Helmholtz):
        raise TypeError(f"model is {checks.shown(model)}: give an RBM, a BoltzmannMachine or a Helmholtz machine")
    if isinstance(model, Helmholtz) != (method == WAKE_SLEEP):
        right = f"{WAKE_SLEEP!r} trains a Helmholtz machine, and nothing else does"
        raise ValueError(f"method is {method!r}, model {checks.shown(model)}: {right}")
    if isinstance(model, Helmholtz):
        for name, value in (("chains", chains), ("steps", None if steps == 1 else steps)):
            if value is not None:
                raise ValueError(f"{name} is {value}: method={method!r} draws each layer once a row, leave it out")
        return directed.check(model)
    if not model.n_visible or (isinstance(model, RBM) and 0 in model.weights.shape):
        raise ValueError(f"model is {checks.shown(model)}: give at least one visible unit, and an RBM one hidden unit")
    if chains is not None and method in ("cd", "exact"):
        raise ValueError(f'chains is {chains}: method={method!r} has no chains of its own, use "pcd"')
    if method == "exact":
        exact.require_small(model)


def check_precision(model: Machine, method: str, beta: float) -> None:
    """ValueError unless the engine that draws from this model can do so up to this beta."""
    if method not in ("exact", WAKE_SLEEP):
        name, form = ("layered", model) if isinstance(model, RBM) else ("sparse", model.to_ising())
        if why := ENGINES[name].refusal([form], "sequential", 1, tolerable(beta)):
            raise ValueError(f'model is {model!r}: {why}; method="exact" sums in float64')


def check_given(model: Machine, given: ArrayLike | None, method: str) -> tuple[int, ...]:
    """The units that both phases hold; TypeError or ValueError unless such a training can hold them."""
    if given is None:
        return ()
    if method not in ("cd", "exact"):
        raise ValueError(f'given is given: chains of method={method!r} are those of no row; use "cd" or "exact"')
    return given_units(model, given)


def check_callback(callback: object) -> None:
    """TypeError unless it can be called, or is None."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {checks.shown(callback)}: give a callable of (epoch, model, history), or None")


def step_of(momentum: float, l1: float, l2: float) -> Step:
    """The step of every epoch, but for its rate."""
    momentum, l1, l2 = (at_least_0(*one) for one in (("momentum", momentum), ("l1", l1), ("l2", l2)))
    if momentum >= 1:
        raise ValueError(f"momentum is {momentum}: give a number from 0 to below 1")
    return Step(0.0, momentum, l1, l2)


def at_least_0(name: str, value: float) -> float:
    """`value` as a float; TypeError or ValueError unless it is a number from 0 on."""
    value = checks.finite_number(name, value)
    if value < 0:
        raise ValueError(f"{name} is {value}: give a number of at least 0")
    return value


def learning_rates(learning_rate: Rates, first: int, epochs: int) -> FloatArray:
    """The learning rate of every epoch, float64 (epochs,); those that go on after others stay where these came to."""
    if learning_rate is None:
        learning_rate = RATES[1] if first else np.linspace(*RATES, epochs)
    return _of_epochs("learning_rate", learning_rate, first, epochs, "rates")


def model_betas(model: Machine, beta: Betas, before: float, first: int, epochs: int) -> FloatArray:
    """The beta of every epoch, float64 (epochs,); by default the one `before`."""
    if beta is None:
        beta = before
    elif isinstance(model, Helmholtz):
        raise ValueError(
            f"beta is {checks.shown(beta)}: layers of {model!r} have no energy that it scales, leave it out"
        )
    return _of_epochs("beta", beta.betas(epochs) if isinstance(beta, Schedule) else beta, first, epochs, "numbers")


def _of_epochs(name: str, value: Any, first: int, epochs: int, what: str) -> FloatArray:
    """Numbers above 0, one per epoch, float64 (epochs,), of one for all, of each, or of a callable of the epoch."""
    if callable(value):
        value = [value(first + epoch) for epoch in range(epochs)]
    found = checks.finite_array(name, value)
    if found.shape not in ((), (epochs,)):
        raise ValueError(f"{name} has shape {found.shape}: give a number, or one per epoch, ({epochs},)")
    found = np.broadcast_to(found, (epochs,))
    if not (found > 0).all():
        epoch = int((found <= 0).argmax())
        raise ValueError(f"{name} is {found[epoch]} in epoch {first + epoch}: give {what} above 0")
    return found.copy()


def information_spacing(information_every: int, model: Machine) -> int:
    """Epochs between two rows of information, or 0; ValueError of a machine whose hidden units are no layer."""
    often = checks.integer("information_every", information_every, minimum=0)
    if often and not (isinstance(model, RBM) and model.restricted):
        raise ValueError(f"information_every is {often}: {model!r} has no hidden layer, as an RBM has; leave it out")
    return often


def sizes(method: str, batch_size: int, chains: int | None, rows: int) -> tuple[int, int]:
    """Rows of a batch, and chains, or ladders of them."""
    batch_size = checks.integer("batch_size", batch_size)
    asked, batch_size = min(batch_size, max(rows, CHAINS)), min(batch_size, rows)
    default = {"pcd": asked, "tempering": max(1, asked // 8)}.get(method, batch_size)
    return batch_size, default if chains is None else checks.integer("chains", chains)


def spacing(
    history_every: int | None, likelihood_every: int | None, epochs: int, model: Machine, estimation: Estimation
) -> tuple[int, int]:
    """Epochs between two rows of the history, and between two log-likelihoods; 0 for never."""
    often = -(-epochs // monitors.ROWS)
    if history_every is not None:
        often = checks.integer("history_every", history_every, minimum=0)
    given = estimation.given
    if likelihood_every is None:
        products = estimation.batches * monitors.STEP + estimation.steps * estimation.rows * model.weights.size
        exactly = estimation.method == "exact"
        return often, often if exactly else monitors.affordable(model, epochs, often, products, given)
    likely = checks.integer("likelihood_every", likelihood_every, minimum=0)
    if likely and not often:
        raise ValueError(f"likelihood_every is {likely}, history_every 0, for no history: leave one of them out")
    row = np.zeros((1, model.n_visible), np.int8)  # ValueError if hidden units are too many
    if likely and given:
        log_likelihood(model, row, given=given)
    elif likely and isinstance(model, BoltzmannMachine):
        analysis.log_weights(model, row)
    return often, likely
