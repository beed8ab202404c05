"""What epochs of a training came to: how well the model knows the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgibbs import analysis
from fastgibbs.engines.streams import ORDER, entropy_of, stream
from fastgibbs.learning import exact
from fastgibbs.learning.data import MONITORED
from fastgibbs.learning.exact import Machine
from fastgibbs.methods.directed import recognized
from fastgibbs.methods.sampling import sample
from fastgibbs.models import RBM, Helmholtz
from fastgibbs.models.logistic import MOST_HIDDEN, logistic, summed_out
from fastgibbs.results.trained import History
from fastgibbs.types import IntArray, Mask, States

ROWS = 200  # of a history, by default
CHEAP = 2**12  # terms of an exact log-likelihood that every row has
TERM, STEP = 16, 50_000  # products of units that take as long as such a term, and as a step of none
TERMS = 2**16  # of a pseudo-likelihood
_COUPLED = 10  # sweeps of hidden units that are coupled to each other, given the visible ones


def unknown(epoch: IntArray) -> History:
    """A history of such epochs, of which nothing is known yet."""
    epoch = epoch.copy()
    epoch.flags.writeable = False  # no training changes it
    return History(epoch, *(np.full(epoch.size, np.nan) for _ in History._fields[1:]))


def planned(epoch: IntArray, every: int, likelihood_every: int) -> tuple[History, Mask]:
    """The rows that such epochs have, however many come after, and which have a log-likelihood, bool (rows,).

    Rows are of each `every`-th epoch and each `likelihood_every`-th, 0 for never.
    """
    kept, likely = (epoch % often == 0 if often else np.zeros(epoch.size, bool) for often in (every, likelihood_every))
    return unknown(epoch[kept | likely]), likely[kept | likely]


def affordable(model: Machine, epochs: int, every: int, products: int, given: tuple[int, ...] = ()) -> int:
    """Epochs between two exact log-likelihoods, each in a row, that take about a quarter of a training's time; or 0.

    `products`: of a unit with a unit in an epoch; 0 too if there would be fewer than two.
    """
    small = model.n_enumerated
    large = model.n - small or model.n
    terms = 2**small * large
    if isinstance(model, RBM) and (given or not model.restricted):  # hidden units are summed over given data too
        summed = max(model.summed_hidden, model.with_visible(given).summed_hidden if given else 0)
        terms += 2**summed * model.n * MONITORED
    if not every or small > exact.MOST_UNITS:
        return 0
    if terms <= CHEAP:
        return every
    count = epochs * products // (4 * TERM * terms)
    return every * -(-epochs // (every * count)) if count >= 2 else 0


def reconstruction(model: Machine, v: States, entropy: int, threads: int) -> tuple[float, float]:
    """The mean of (v - v')^2, and the bound of a Helmholtz machine or NaN."""
    if isinstance(model, RBM) and model.restricted:
        return float(np.mean((v - model.visible_means(model.hidden_means(v))) ** 2)), np.nan
    if isinstance(model, Helmholtz):
        seed = entropy_of(np.random.SeedSequence(entropy, spawn_key=(ORDER, 0, 5)))
        (x,) = recognized(model, v, 1, seed)
        above = x[:, model.n_visible :][:, : model.layers[1]]
        expected = logistic(above @ model.generative[0].T + model.biases[0])
        return float(np.mean((v - expected) ** 2)), float(np.mean(-model.energy(x) - model.log_recognition(x)))
    x = np.zeros((len(v), model.n), np.int8)
    x[:, model.visible] = v
    if model.n_hidden:
        coupled = model.summed_hidden > 0 if isinstance(model, RBM) else model.coupled_hidden > 1
        sweeps, engine = _COUPLED if coupled else 1, "layered" if isinstance(model, RBM) else "sparse"
        clamp = np.isin(np.arange(model.n), model.visible), x
        seed = entropy_of(np.random.SeedSequence(entropy, spawn_key=(ORDER, 0, 5)))
        chains: dict[str, Any] = dict(chains=len(v), sweeps=sweeps, thin=sweeps, clamp=clamp, seed=seed, engine=engine)
        drawn = sample(model, beta=1.0, threads=threads, **chains)
        if drawn.interrupted:  # with the training that it is a part of
            raise KeyboardInterrupt
        x = drawn.states
    return float(np.mean((v - logistic(model.inputs(x)[:, model.visible])) ** 2)), np.nan


def has_pseudo_likelihood(model: Machine, given: tuple[int, ...] = ()) -> bool:
    """Whether its hidden units can be summed out, of a deep machine at little cost, and no visible units are given."""
    if isinstance(model, Helmholtz):
        return False
    if isinstance(model, RBM):
        return not given and (model.restricted or model.n_hidden * 2**model.summed_hidden <= CHEAP)
    return model.coupled_hidden <= MOST_HIDDEN


def pseudo_likelihood(model: Machine, v: States, entropy: int) -> float:
    """`fastgibbs.pseudo_likelihood`, or its estimate from as many units of each row as TERMS allows, always the same.

    V / k sum over k units i of -log(1 + p*(v with i flipped) / p*(v)), each row with units of its own.
    """
    rows, V = np.arange(len(v)), model.n_visible
    terms = model.weights.size + model.n
    if isinstance(model, RBM):
        terms = model.n_hidden if model.restricted else model.n_hidden * 2**model.summed_hidden + model.n_visible
    count = max(1, TERMS // (rows.size * terms))
    if count >= V:
        return analysis.pseudo_likelihood(model, v)
    total = 0.0
    chosen = np.random.Generator(stream(entropy, ORDER, 0, 4)).integers(V, size=(count, rows.size))
    if isinstance(model, RBM) and model.restricted:
        x, turns = v @ model.weights + model.hidden_bias, 1.0 - 2.0 * v[rows, chosen]
        there = [
            summed_out(x + turn[:, None] * model.weights[units]) for turn, units in zip(turns, chosen, strict=True)
        ]
        total -= summed_out((turns * model.visible_bias[chosen] + there - summed_out(x)).T).mean()
    else:
        here = model.log_marginal(v)
        for units in chosen:
            flipped = v.copy()
            flipped[rows, units] ^= 1
            total -= np.logaddexp(0, model.log_marginal(flipped) - here).mean()
    return float(total * V / count)
