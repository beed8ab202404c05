"""Gradients of the log-likelihood by summing over states: of an RBM those of its smaller layer, otherwise all."""

from __future__ import annotations

from typing import Annotated, NamedTuple, overload

import numpy as np

from fastgibbs.fields import described
from fastgibbs.models import RBM, BoltzmannMachine, Helmholtz, checks
from fastgibbs.models.free_units import Given, Sides
from fastgibbs.models.logistic import logistic, numbered
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, Sites

Machine = RBM | BoltzmannMachine | Helmholtz
Sums = tuple[FloatArray, FloatArray, FloatArray]
MOST_UNITS = 16  # whose states are summed over
_PART = 2**20  # numbers held at once
_TURNED = "second", "first", "second_columns", "columns", "second_free", "free"  # of `Sides`, the other way round


@checks.by_contents
@described
class Gradient(NamedTuple):
    """Derivatives of the mean log-likelihood of an RBM."""

    weights: Annotated[FloatArray, "float64 (V, H)", "By W, also of pairs of weight 0."]
    visible_bias: Annotated[FloatArray, "float64 (V,)", "By a."]
    hidden_bias: Annotated[FloatArray, "float64 (H,)", "By b."]


@checks.by_contents
@described
class MachineGradient(NamedTuple):
    """Derivatives of the mean log-likelihood of a Boltzmann machine."""

    weights: Annotated[
        FloatArray, "float64 (n, n)", "By W_ij = W_ji, also of pairs that are not coupled; the diagonal is 0."
    ]
    biases: Annotated[FloatArray, "float64 (n,)", "By b_i."]


@overload
def gradient(model: RBM, data: ArrayLike) -> Gradient: ...
@overload
def gradient(model: BoltzmannMachine, data: ArrayLike) -> MachineGradient: ...
def gradient(model: RBM | BoltzmannMachine, data: ArrayLike) -> Gradient | MachineGradient:
    """d/dtheta (1/N) sum_n log p(v_n) = <-dE/dtheta>_data - <-dE/dtheta>_model, exactly, at beta = 1.

    Of an RBM, a `Gradient`: -dE/dW_ij = v_i h_j, -dE/da_i = v_i, -dE/db_j = h_j. Of a BoltzmannMachine, a
    `MachineGradient`: -dE/dW_ij = x_i x_j, -dE/db_i = x_i. In the data hidden units have their means given the visible
    ones; in the model all states count. `data`: (N, V), units of 0 and 1, of an RBM whose visible units are its first
    side also probabilities. TypeError or ValueError as from `train`; also for more than 16 units in an RBM's smaller
    layer, or in all.
    Ackley, Hinton and Sejnowski, Cogn. Sci. 9, 147 (1985), eq. (8).

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> fg.learning.gradient(fg.RBM(np.zeros((2, 1))), [[1, 1], [1, 0]]).visible_bias.tolist()
    [0.5, 0.0]
    """
    if not isinstance(model, RBM | BoltzmannMachine):
        raise TypeError(f"model is {checks.shown(model)}: give an RBM or a BoltzmannMachine")
    require_small(model)
    whole = not isinstance(model, RBM) or not model.restricted
    v = checks.units("data", data, model.n_visible) if whole else checks.finite_array("data", data)
    if v.ndim != 2 or v.shape[1] != model.n_visible or not len(v):
        raise ValueError(f"data has shape {v.shape}: give (N, {model.n_visible}), N of at least 1")
    shares = np.full(len(v), 1 / len(v))
    if isinstance(model, RBM):
        parameters = model.weights, model.visible_bias, model.hidden_bias
        seen = of_data(*parameters, v, shares) if model.restricted else of_rows(*parameters, model.sides, v, shares)
        known = of_model(*parameters)
        return Gradient(*(one - other for one, other in zip(seen, known, strict=True)))
    states, W = AllStates(model.n, model.visible), np.zeros((model.n, model.n))
    W[np.repeat(np.arange(model.n), np.diff(model.indptr)), model.indices] = model.weights
    given, drawn = states.given_visible(W, model.biases, v, shares), states.of_model(W, model.biases)
    products, units = (one - other for one, other in zip(given, drawn, strict=True))
    np.fill_diagonal(products, 0.0)
    return MachineGradient(products, units)


def require_small(model: RBM | BoltzmannMachine) -> None:
    """ValueError, with the size, if there are too many states."""
    running = model.n_enumerated
    if running > MOST_UNITS:
        whose = "of its smaller layer" if running < model.n else "of its units"
        raise ValueError(
            f'method is "exact": {model!r} has 2^{running} states {whose}, at most 2^{MOST_UNITS} are enumerated; '
            'use "pcd"'
        )


class AllStates:
    """The 2^n states of n units, and sums over them of x x^T (n, n) and x (n,), W being (n, n) and b (n,)."""

    def __init__(self, n: int, visible: Sites) -> None:
        self.x = numbered(np.arange(2**n), n)
        self.places = 1 << np.arange(visible.size)
        self.v = self.x[:, visible].astype(np.int64) @ self.places  # the number of the visible units' states

    def of_model(self, W: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
        """<x x^T> and <x> of the model at beta = 1."""
        logs = self._logs(W, b)
        p = np.exp(logs - logs.max())
        return self._sums(p / p.sum())

    def given_visible(
        self, W: FloatArray, b: FloatArray, v: AnyArray, coefficients: AnyArray
    ) -> tuple[FloatArray, FloatArray]:
        """sum_n c_n <x x^T> and sum_n c_n <x> given visible units v_n, (N, V)."""
        logs, top = self._logs(W, b), np.full(2**self.places.size, -np.inf)
        np.maximum.at(top, self.v, logs)
        given = np.exp(logs - top[self.v])  # p(x | v) but for a factor
        shares = np.bincount(np.int64(v) @ self.places, coefficients, top.size) / np.bincount(self.v, given, top.size)
        return self._sums(given * shares[self.v])

    def _logs(self, W: FloatArray, b: FloatArray) -> FloatArray:
        """log p(x) but for a constant. einsum adds in one order; what BLAS adds depends on its threads."""
        return np.einsum("si,si->s", np.einsum("si,ij->sj", self.x, W) / 2 + b, self.x)

    def _sums(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        weighted = p[:, None] * self.x
        return np.einsum("si,sj->ij", weighted, self.x), weighted.sum(axis=0)


def of_data(W: FloatArray, a: FloatArray, b: FloatArray, v: AnyArray, coefficients: FloatArray) -> Sums:
    """sum_n c_n of v h^T, v and h, with h at its mean given v (N, V): (V, H), (V,), (H,)."""
    # einsum adds in one order; what BLAS adds depends on its threads
    h = coefficients[:, None] / (1 + np.exp(-np.clip(np.einsum("ni,ij->nj", v, W) + b, -700, 700)))
    return np.einsum("ni,nj->ij", v, h), np.einsum("n,ni->i", coefficients, v), h.sum(axis=0)


def of_rows(W: FloatArray, a: FloatArray, b: FloatArray, sides: Sides, v: AnyArray, coefficients: FloatArray) -> Sums:
    """sum_n c_n of <v h^T>, <v> and <h> of both sides given visible units of either, rows of `v` (N, visible)."""
    if sides.free.size > sides.second_free.size:
        other = Sides(*(getattr(sides, name) for name in _TURNED))
        products, second, first = of_rows(W.T, b, a, other, v, coefficients)
        return products.T, first, second
    given = Given.of(W, a, b, sides, v)
    logs, M = given.log_sum(), np.zeros(given.second.shape)
    U, UM = np.zeros(given.first.shape), np.zeros(given.weights.shape)
    for u, log, inputs in given.states():
        p = coefficients[:, None] * np.exp(log - logs[:, None])
        m = p[:, :, None] * logistic(inputs)
        U += np.einsum("ns,si->ni", p, u)
        M += np.einsum("nsj->nj", m)
        UM += np.einsum("si,sj->ij", u, np.einsum("nsj->sj", m))
    known, other_known = (v[:, columns].astype(np.float64) for columns in (sides.columns, sides.second_columns))
    products, first, second = np.zeros(W.shape), np.zeros(len(a)), np.zeros(len(b))
    shares = coefficients[:, None] * known
    products[np.ix_(sides.first, sides.second)] = np.einsum("ni,nj->ij", shares, other_known)
    products[np.ix_(sides.first, sides.second_free)] = np.einsum("ni,nj->ij", known, M)
    products[np.ix_(sides.free, sides.second)] = np.einsum("ni,nj->ij", U, other_known)
    products[np.ix_(sides.free, sides.second_free)] = UM
    first[sides.first], first[sides.free] = shares.sum(axis=0), U.sum(axis=0)
    second[sides.second] = np.einsum("n,nj->j", coefficients, other_known)
    second[sides.second_free] = M.sum(axis=0)
    return products, first, second


def of_model(W: FloatArray, a: FloatArray, b: FloatArray) -> Sums:
    """<v h^T>, <v> and <h> of the model at beta = 1, from all states of the smaller layer, the larger one summed out.

    p(v) ~ exp(a.v) prod_j (1 + exp(b_j + v.W_j)) if that is the visible one.
    """
    if W.shape[0] > W.shape[1]:
        products, hidden, visible = of_model(W.T, b, a)
        return products.T, visible, hidden
    n = W.shape[0]
    step = max(1, _PART // W.shape[1])
    logs, parts = [], []
    for first in range(0, 2**n, step):
        v = numbered(np.arange(first, min(first + step, 2**n)), n)
        x = np.einsum("ni,ij->nj", v, W) + b
        log = np.einsum("ni,i->n", v, a) + np.logaddexp(0, x).sum(axis=1)
        parts.append(of_data(W, a, b, v, np.exp(log - log.max())))
        logs.append((log.max(), np.exp(log - log.max()).sum()))
    highest = max(top for top, _ in logs)
    scales = [np.exp(top - highest) for top, _ in logs]
    Z = sum(scale * total for scale, (_, total) in zip(scales, logs, strict=True))
    return tuple(sum(s * part[k] for s, part in zip(scales, parts, strict=True)) / Z for k in range(3))
