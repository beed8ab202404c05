"""The gradient of an RBM's log-likelihood from all states of its smaller layer, and an RBM that is moved along it."""

from typing import NamedTuple

import numpy as np

from fastgibbs.models import RBM, checks

MOST_UNITS = 16  # of the smaller layer
_PART = 2**20  # numbers held at once


class Gradient(NamedTuple):
    """Derivatives of the mean log-likelihood by W, a and b, float64."""

    weights: np.ndarray  # (V, H)
    visible_bias: np.ndarray  # (V,)
    hidden_bias: np.ndarray  # (H,)


def gradient(model, data) -> Gradient:
    """d/dtheta (1/N) sum_n log p(v_n) = <-dE/dtheta>_data - <-dE/dtheta>_model, exactly.

    -dE/dW_ij = v_i h_j, -dE/da_i = v_i, -dE/db_j = h_j; in the data h_j has the mean 1 / (1 + exp(-b_j - v.W_j)), in
    the model all states count. `data`: (N, V), units or probabilities. TypeError or ValueError as from `train`; also
    for more than 16 units in the smaller layer. Ackley, Hinton, Sejnowski, Cogn. Sci. 9, 147 (1985).
    """
    if not isinstance(model, RBM):
        raise TypeError(f"model is {model!r}: give an RBM")
    require_small(model)
    v = checks.finite_array("data", data)
    parameters = model.weights, model.visible_bias, model.hidden_bias
    seen = of_data(*parameters, v, np.full(len(v), 1 / len(v)))
    return Gradient(*(one - other for one, other in zip(seen, of_model(*parameters), strict=True)))


def require_small(model):
    """ValueError, with the size, if there are too many states."""
    running = min(model.n_visible, model.n_hidden)
    if running > MOST_UNITS:
        raise ValueError(
            f'method is "exact": {model!r} has 2^{running} states of its smaller layer, at most 2^{MOST_UNITS} are '
            'enumerated; use "pcd"'
        )


def of_data(W, a, b, v, coefficients):
    """sum_n c_n of v h^T, v and h, with h at its mean given v (N, V): (V, H), (V,), (H,)."""
    # einsum adds in one order; what BLAS adds depends on its threads
    h = coefficients[:, None] / (1 + np.exp(-np.clip(np.einsum("ni,ij->nj", v, W) + b, -700, 700)))
    return np.einsum("ni,nj->ij", v, h), np.einsum("n,ni->i", coefficients, v), h.sum(axis=0)


def of_model(W, a, b):
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
        index = np.arange(first, min(first + step, 2**n))
        v = (index[:, None] >> np.arange(n) & 1).astype(np.float64)
        x = np.einsum("ni,ij->nj", v, W) + b
        log = np.einsum("ni,i->n", v, a) + np.logaddexp(0, x).sum(axis=1)
        parts.append(of_data(W, a, b, v, np.exp(log - log.max())))
        logs.append((log.max(), np.exp(log - log.max()).sum()))
    highest = max(top for top, _ in logs)
    scales = [np.exp(top - highest) for top, _ in logs]
    Z = sum(scale * total for scale, (_, total) in zip(scales, logs, strict=True))
    return tuple(sum(s * part[k] for s, part in zip(scales, parts, strict=True)) / Z for k in range(3))
