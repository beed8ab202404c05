"""Unnormalised probabilities and pseudo-likelihoods of states, and means of weights given by their logarithms."""

from __future__ import annotations

import numpy as np

from fastgibbs.io.problems import problem
from fastgibbs.models import RBM, Energy, checks
from fastgibbs.models.energy import as_energy
from fastgibbs.models.logistic import summed_out
from fastgibbs.types import ArrayLike, FloatArray, Problem, States

_MOST_VARIANCE = 50.0  # of log w: beyond it nothing is known of the mean from any number of weights
_CHUNK, _CACHED = 2**22, 2**16  # inputs of hidden units held at once, and of several flips


def log_weights(model: Problem, states: ArrayLike, beta: float = 1.0) -> FloatArray:
    """log p*(s) = -beta E(s), or with hidden units log sum_h exp(-beta E(v, h)): `model.log_marginal(states, beta)`.

    `states`: (..., n), with hidden units visible ones (..., V). float64 in the shape of the leading axes.
    TypeError or ValueError as for `model.energy`.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> fg.analysis.log_weights(fg.lattice((4, 4)), np.ones((1, 16)), beta=0.5).tolist()
    [16.0]
    """
    return as_energy(problem("model", model)).log_marginal(states, beta)


def log_mean(log_weights: ArrayLike, distance: float = 0.0) -> tuple[float, float, float]:
    """log mean w, its standard error, and (sum w)^2 / sum w^2, of weights w > 0.

    The error is that of the logarithm to first order, sd(w) / (mean w sqrt(N)), or if it is larger that of log-normal
    weights, sqrt((exp(var log w) - 1) / N): where few weights carry the mean, those that were not drawn would count.
    `distance` is the least that var log w may be: a path of distributions that has it (`methods.paths`) cannot have
    weights that vary by less, but chains stuck at its end can.
    `log_weights`: (N,), N >= 2, otherwise ValueError.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> print("{:.3f} +- {:.3f}, {:.1f} effective".format(*fg.analysis.log_mean(np.log([1.0, 2.0, 3.0]))))
    0.693 +- 0.347, 2.6 effective
    """
    logs = checks.finite_array("log_weights", log_weights)
    if logs.ndim != 1 or logs.size < 2:
        raise ValueError(f"log_weights has shape {logs.shape}: give (N,) with N of at least 2")
    w = np.exp(logs - logs.max())
    mean = w.mean()
    variance = max(logs.var(ddof=1), distance)
    normal = np.expm1(variance) if variance < _MOST_VARIANCE else np.inf
    return (
        float(logs.max() + np.log(mean)),
        float(np.sqrt(max(w.var(ddof=1) / mean**2, normal) / w.size)),
        float(w.sum() ** 2 / (w @ w)),
    )


def pseudo_likelihood(model: Problem, data: ArrayLike, beta: float = 1.0) -> float:
    """The mean over rows of `pseudo_likelihoods`, in nats.

    Besag, J. R. Stat. Soc. D 24, 179 (1975).

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> print(f"{fg.pseudo_likelihood(fg.RBM(np.zeros((3, 2))), [[0, 1, 1]]):.3f}")  # three fair coins
    -2.079
    """
    rows = pseudo_likelihoods(model, data, beta)
    return float(rows.sum() / max(rows.size, 1))


def pseudo_likelihoods(model: Problem, data: ArrayLike, beta: float = 1.0) -> FloatArray:
    """sum_i log p(s_i | the other units) in nats, of each row exactly, hidden units summed out; float64 (N,).

    p(s_i | rest) = p*(s) / (p*(s) + p*(s with i flipped)), log p* being the `log_weights`; one half each, n log(1/2) in
    all, if the units ignore each other. `data`: (N, n) states in the model's own units, or visible ones (N, V); of an
    RBM also probabilities v in [0, 1], whose flip is to 1 - v. TypeError or ValueError as for `log_weights`.

    >>> import fastgibbs as fg
    >>> rbm = fg.RBM([[3.0], [3.0]], visible_bias=[-1.5, -1.5], hidden_bias=[-3.0])  # units that agree
    >>> fg.analysis.pseudo_likelihoods(rbm, [[0, 0], [1, 0], [1, 1]]).round(2).tolist()
    [-0.71, -2.42, -0.71]
    """
    model = as_energy(problem("model", model))
    beta = checks.finite_number("beta", beta)
    if isinstance(model, RBM) and model.restricted:
        grey = checks.rows(checks.grey("data", data, model.n_visible))
        rows = max(1, _CHUNK // max(1, model.n_hidden))
        parts = [_rbm_terms(model, grey[k : k + rows], beta) for k in range(0, len(grey), rows)]
        return np.concatenate([np.empty(0), *parts])
    if model.n_hidden or model.low == 0 or not model.has_ising_form:
        values = checks.spins if model.low else checks.units
        v = values("data", data, model.n_visible)
        return _by_marginals(model, checks.rows(v), beta)
    ising = model.to_ising()
    s = checks.rows(model.to_spins(data))
    sites = np.repeat(np.arange(ising.n), np.diff(ising.indptr))
    found = np.empty(len(s))
    for row, spins in enumerate(s):
        fields = ising.fields + np.bincount(sites, ising.couplings * spins[ising.indices], ising.n)
        found[row] = -np.logaddexp(0, -2 * beta * spins * fields).sum()
    return found


def _by_marginals(model: Energy, v: States, beta: float) -> FloatArray:
    """sum_i -log(1 + p*(v with i flipped) / p*(v)) of every state."""
    here = model.log_marginal(v, beta)
    found = np.zeros(here.size)
    for i in range(model.n_visible):
        flipped = v.copy()
        flipped[:, i] = 1 + model.low - v[:, i]
        found -= np.logaddexp(0, model.log_marginal(flipped, beta) - here)
    return found


def _rbm_terms(rbm: RBM, v: FloatArray, beta: float) -> FloatArray:
    """sum_i -log(1 + p*(v with i flipped) / p*(v)) of every state."""
    x = v @ rbm.weights + rbm.hidden_bias
    here, found = summed_out(beta * x)[:, None], np.zeros(len(v))
    step = max(1, _CACHED // max(1, x.size))
    for i in range(0, rbm.n_visible, step):
        turn, W = 1.0 - 2.0 * v[:, i : i + step], rbm.weights[i : i + step]
        there = summed_out(beta * (x[:, None] + turn[:, :, None] * W))
        found -= summed_out(beta * turn * rbm.visible_bias[i : i + step] + there - here)
    return found
