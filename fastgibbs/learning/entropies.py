"""What the layers of an RBM know of each other: entropies and mutual information, in nats.

All six numbers of a law of (v, h) follow from three, H(v, h), H(h | v) and H(v | h). The last two are means of the
entropies of independent units, H(h | v) = E_v sum_j Hb(p(h_j = 1 | v)), and H(v) and H(h) are log Z less the means of
the log-weights of a layer whose other one is summed out.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.errors import FEWEST_DRAWS, LARGEST_SCORE, disagreement, standard_error
from fastgibbs.analysis.reports import Report, shown, with_error
from fastgibbs.engines.streams import ADAPT, ORDER, entropy_of, stream
from fastgibbs.fields import described
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.log_z import SMALL, Estimate
from fastgibbs.methods.log_z import log_z as estimated
from fastgibbs.methods.sampling import sample
from fastgibbs.models import RBM, checks
from fastgibbs.models.logistic import logistic, numbered, summed_out
from fastgibbs.types import ArrayLike, FloatArray, Seed, States

DRAWS = 100  # of each chain, at most
_PART = 2**20  # numbers held at once
_TERMS = 2**27  # products of a row with a draw
_OF = np.array([[1, -1, 0], [1, 0, -1], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, -1, -1]])  # by H(v, h), H(h | v), H(v | h)


@described
class Entropies(NamedTuple):
    """Of a law of visible units v and hidden units h, in nats.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> found = fg.learning.information(fg.RBM(np.zeros((2, 1)))).model  # three coins
    >>> print(f"{found.joint / np.log(2):.3f} bits")
    3.000 bits
    """

    visible: Annotated[float, "H(v)."]
    hidden: Annotated[float, "H(h)."]
    joint: Annotated[float, "H(v, h)."]
    visible_given_hidden: Annotated[float, "H(v | h) = H(v, h) - H(h)."]
    hidden_given_visible: Annotated[float, "H(h | v) = H(v, h) - H(v)."]
    mutual: Annotated[float, "I(v; h) = H(v) + H(h) - H(v, h)."]


@checks.by_contents
@described
class Information(NamedTuple):
    """What `information` returns: entropies of the model's law, and of data and what it makes of them.

    >>> import fastgibbs as fg
    >>> found = fg.learning.information(fg.RBM([[4.0], [4.0]], hidden_bias=[-4.0]))
    >>> print(f"H(h) = {found.model.hidden:.3f}, of which v knows {found.model.mutual:.3f}")
    H(h) = 0.243, of which v knows 0.113
    """

    model: Annotated[Entropies, "Of p(v, h) = exp(-beta E(v, h)) / Z."]
    model_error: Annotated[Entropies, "Standard errors, that of log Z among them; 0 of what is exact."]
    data: Annotated[
        Entropies | None,
        "Of q(v, h) = q(v) p(h | v), v being a row of the data, each as likely; None without data. H(v) counts equal "
        "rows, and I(v; h) is at most that.",
    ]
    data_error: Annotated[Entropies | None, "Standard errors of what was drawn, for these very rows; 0 of the rest."]
    activity: Annotated[FloatArray | None, "float64 (H,)", "q(h_j = 1), the mean activity under the data, or None."]
    log_z: Annotated[float, "log Z, in nats."]
    log_z_error: Annotated[float, "Its standard error; 0 if it is exact."]
    disagreement: Annotated[
        float,
        "How far the model's chains differ, a normal score (`fastgibbs.analysis.disagreement`); NaN of no chains.",
    ]

    def summary(self) -> str:
        """A table of all entropies with errors, and whether to believe it.

        >>> import fastgibbs as fg
        >>> print(fg.learning.information(fg.RBM([[4.0], [4.0]], hidden_bias=[-4.0])).summary().splitlines()[-1])
         I(v; h)  0.113248
        """
        return str(self.report())

    def _repr_html_(self) -> str:
        return shown(self)

    def report(self) -> Report:
        """The same as a report.

        >>> import fastgibbs as fg
        >>> type(fg.learning.information(fg.RBM([[2.0], [-1.0]])).report()).__name__
        'Report'
        """
        table = {"nats": ["H(v)", "H(h)", "H(v, h)", "H(v | h)", "H(h | v)", "I(v; h)"]}
        table["model"] = [with_error(*one) for one in zip(self.model, self.model_error, strict=True)]
        lines, notes = [f"log Z = {with_error(self.log_z, self.log_z_error)}"], []
        if self.data is not None and self.data_error is not None and self.activity is not None:
            table["data"] = [with_error(*one) for one in zip(self.data, self.data_error, strict=True)]
            low, mean, high = self.activity.min(), self.activity.mean(), self.activity.max()
            lines.append(f"hidden units are 1 in {mean:.3f} of the data on average, {low:.3f} to {high:.3f} each")
        if self.disagreement > LARGEST_SCORE:
            notes.append(
                f"WARNING: the model's chains disagree (a score of {self.disagreement:.1f}): make more sweeps, or "
                "start from states that are draws from the model."
            )
        return Report(lines, {}, table, notes)


def information(
    rbm: RBM,
    data: ArrayLike | None = None,
    *,
    beta: float = 1.0,
    log_z: float | Estimate | None = None,
    chains: int = 100,
    sweeps: int = 1000,
    start: ArrayLike | None = None,
    seed: Seed = None,
    threads: int | None = None,
) -> Information:
    """H(v), H(h), H(v, h), H(v | h), H(h | v) and I(v; h) = H(h) - H(h | v) of the layers of an RBM: `Information`.

    Of the model's own law, and of data: there v is a row, each as likely, and h is drawn given it, so that I(v; h) is
    what a representation tells of the row that it is of, H(h) the entropy of all representations together.

    A layer of up to 16 units is summed over all its states. If both are, all is exact; if one is, log Z, H(v, h),
    its own entropy and that of the other layer given it are exact, and the rest is from chains x 100 independent draws.
    If none is, all comes from chains of Gibbs sweeps, each number with the error of its own record, autocorrelation
    included, and of log Z where that is part of it. Of the data all is exact, but for H(h), H(v | h) and I(v; h) with
    more than 16 hidden units: these are means over draws of the log of the mean of p(h | v) over all rows.

    Args:
        rbm: an RBM with at least one visible and one hidden unit; of a deep machine v and h are its sides.
        data: (N, V) rows of units 0 and 1, or none.
        beta: inverse temperature, at least 0.
        log_z: a number or an `Estimate` if it is known, at this beta; where it is enumerated it is not used. By default
            it is annealed (`fastgibbs.log_z`), from the mean of the data if there are any.
        chains: of Gibbs sweeps.
        sweeps: of each chain, after half as many that do not count; at most 100 draws are evenly spread among them.
        start: states (chains, V + H), or one for all, as `fastgibbs.sample` takes them; of a trained machine its chains
            are closer to the model's law than states drawn by coins, the default.
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.

    Chains that stay where they began know nothing of the rest: `summary()` warns if they disagree.
    TypeError or ValueError names the argument before anything is compiled; KeyboardInterrupt if it is stopped.

    >>> import fastgibbs as fg
    >>> rbm = fg.RBM([[6.0], [6.0]], visible_bias=[-3.0, -3.0], hidden_bias=[-6.0])  # three units that are alike
    >>> found = fg.learning.information(rbm, data=[[0, 0], [0, 1], [1, 1]])
    >>> print(f"{found.model.mutual:.2f} of log 2 = 0.69 nats; of the data {found.data.mutual:.2f}")
    0.61 of log 2 = 0.69 nats; of the data 0.45
    """
    if not isinstance(rbm, RBM):
        raise TypeError(f"rbm is {checks.shown(rbm)}: give an RBM")
    if not all(rbm.weights.shape):
        raise ValueError(f"rbm is {rbm!r}: give at least one visible and one hidden unit")
    beta, threads = checks.finite_number("beta", beta), checks.thread_count(threads)
    if beta < 0:
        raise ValueError(f"beta is {beta}: give an inverse temperature of at least 0")
    chains, sweeps = checks.integer("chains", chains), checks.integer("sweeps", sweeps)
    rows: States | None = None
    if data is not None:
        V = rbm.weights.shape[0]
        if not rbm.restricted:
            raise ValueError(f"data is given: what it shows of {rbm!r} is not the first side, v; leave it out")
        rows = checks.units("data", data, V)
        if rows.ndim != 2 or not len(rows):
            raise ValueError(f"data has shape {rows.shape}: give (N, {V}), N of at least 1")
    if log_z is not None and not isinstance(log_z, Estimate):
        log_z = checks.finite_number("log_z", log_z)
    own = run_entropy(entropy_of(seed), "information")
    rng = np.random.Generator(stream(own, ORDER))
    model = RBM(beta * rbm.weights, beta * rbm.visible_bias, beta * rbm.hidden_bias)
    small = [size <= SMALL for size in model.weights.shape]
    if any(small):
        of_model = _enumerated(model, small, chains, rng)
    else:
        if log_z is None:
            other = entropy_of(np.random.SeedSequence(own, spawn_key=(ADAPT,)))
            log_z = estimated(model, data=rows, seed=other, threads=threads)
        Z = (log_z.value, log_z.error) if isinstance(log_z, Estimate) else (log_z, 0.0)
        of_model = _sampled(model, Z, sweeps, dict(chains=chains, start=start, seed=own, threads=threads))
    found, error, (value, spread), score = of_model
    if rows is None:
        return Information(found, error, None, None, None, value, spread, score)
    return Information(found, error, *_of_data(model, rows, chains * DRAWS, rng), value, spread, score)


_Found = tuple[Entropies, Entropies, tuple[float, float], float]  # with errors, log Z with its own, and disagreement


class _Layer(NamedTuple):
    """All states of a layer, the other one summed out."""

    log_z: float
    p: FloatArray  # float64 (2^n,)
    entropy: float
    other: float  # entropy of the other layer given this one


def _sums(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of independent units of inputs (..., units): log sum_h exp(h.x), and their entropy, float64 (...,) each."""
    gap = np.abs(x)
    e = np.exp(-gap)
    rare = np.log1p(e)
    return (np.maximum(x, 0) + rare).sum(axis=-1), (rare + gap * e / (1 + e)).sum(axis=-1)


def _layer(W: FloatArray, bias: FloatArray, other_bias: FloatArray) -> _Layer:
    """That of n units with such a bias, W being (n, m)."""
    n, m = W.shape
    step = max(1, _PART // m)
    logs, others = np.empty(2**n), np.empty(2**n)
    for first in range(0, 2**n, step):
        units = numbered(np.arange(first, min(first + step, 2**n)), n)
        part = slice(first, first + len(units))
        summed, others[part] = _sums(units @ W + other_bias)
        logs[part] = units @ bias + summed
    p = np.exp(logs - logs.max())
    log_z = float(logs.max() + np.log(p.sum()))
    p /= p.sum()
    return _Layer(log_z, p, float(log_z - p @ logs), float(p @ others))


def _of_three(three: list[float], errors: list[float]) -> tuple[Entropies, Entropies]:
    """All from H(v, h), H(h | v) and H(v | h), and their errors from independent ones of these."""
    return Entropies(*(_OF @ three).tolist()), Entropies(*np.sqrt(_OF**2 @ np.square(errors)).tolist())


def _enumerated(rbm: RBM, small: list[bool], chains: int, rng: np.random.Generator) -> _Found:
    """From the states of one layer, or of both."""
    W, a, b = rbm.weights, rbm.visible_bias, rbm.hidden_bias
    given, errors = [0.0, 0.0], [0.0, 0.0]  # H(h | v) and H(v | h)
    for k, (weights, bias, other_bias) in enumerate([(W, a, b), (W.T, b, a)]):
        if not small[k]:
            continue
        layer = _layer(weights, bias, other_bias)
        given[k] = layer.other
        if small[1 - k]:
            continue
        mine = numbered(rng.choice(layer.p.size, chains * DRAWS, p=layer.p), len(bias))
        theirs = rng.random((len(mine), len(other_bias))) < logistic(mine @ weights + other_bias)
        _, record = _sums(theirs @ weights.T + bias)
        given[1 - k], errors[1 - k] = record.mean(), record.std(ddof=1) / math.sqrt(record.size)
    joint = layer.entropy + layer.other
    return *_of_three([joint, *given], [0.0, *errors]), (layer.log_z, 0.0), math.nan


def _sampled(rbm: RBM, log_z: tuple[float, float], sweeps: int, options: dict[str, Any]) -> _Found:
    """From Gibbs sweeps: each number with the error of its own record, since all share draws, and that of log Z.

    `options`: what `sample` is told besides.
    H(v, h) is the mean of H(v) + H(h | v) and H(h) + H(v | h), each from the marginal of its layer.
    """
    V = rbm.weights.shape[0]

    def three(states: States) -> FloatArray:
        v, h = states[:, :V].astype(np.float64), states[:, V:].astype(np.float64)
        of_v, hidden = _sums(v @ rbm.weights + rbm.hidden_bias)
        of_h, visible = _sums(h @ rbm.weights.T + rbm.visible_bias)
        weights = v @ rbm.visible_bias + of_v + h @ rbm.hidden_bias + of_h
        return np.stack([(hidden + visible - weights) / 2, hidden, visible], axis=1)

    thin = -(-sweeps // DRAWS)
    length: dict[str, Any] = dict(sweeps=sweeps - sweeps % thin, burn_in=sweeps // 2, thin=thin)
    run = sample(rbm, beta=1.0, observe={"three": three}, **length, **options)
    if run.interrupted:
        raise KeyboardInterrupt
    records = run.observables["three"] @ _OF.T
    means = [standard_error(records[..., k]) for k in range(len(_OF))]
    found = Entropies(*(float(one.mean + log_z[0] * of) for one, of in zip(means, _OF[:, 0], strict=True)))
    error = Entropies(*(math.hypot(one.error, log_z[1] * of) for one, of in zip(means, _OF[:, 0], strict=True)))
    score = disagreement(records[..., 2]) if records.shape[1] >= FEWEST_DRAWS else math.nan
    return found, error, log_z, score


def _of_data(rbm: RBM, rows: States, draws: int, rng: np.random.Generator) -> tuple[Entropies, Entropies, FloatArray]:
    """Entropies of q(v) p(h | v), their errors, and q(h_j = 1)."""
    packed, counts = np.unique(np.packbits(rows, axis=1), axis=0, return_counts=True)
    shares, step = counts / len(rows), max(1, _PART // rows.shape[1])
    parts = (packed[first : first + step] for first in range(0, len(packed), step))
    units = (np.unpackbits(part, axis=1, count=rows.shape[1]) for part in parts)
    x = np.concatenate([v @ rbm.weights for v in units]) + rbm.hidden_bias
    given, visible = float(shares @ _sums(x)[1]), -float(shares @ np.log(shares))
    hidden, error = _aggregate(x, shares) if x.shape[1] <= SMALL else _aggregate_drawn(x, shares, draws, rng)
    joint = visible + given
    found, errors = _of_three([joint, given, joint - hidden], [0.0, 0.0, error])
    return found, errors, shares @ logistic(x)


def _aggregate(x: FloatArray, shares: FloatArray) -> tuple[float, float]:
    """H(h), and no error, of q(h) = sum_n shares_n prod_j p(h_j | x_nj), from all states: those of half the units each.

    `x`: (rows, H) inputs of hidden units.
    """
    half = x.shape[1] // 2
    q = np.zeros((2**half, 2 ** (x.shape[1] - half)))
    step = max(1, _PART // q.shape[1])
    for first in range(0, len(x), step):
        part = x[first : first + step]
        of_halves = [
            np.exp(side @ numbered(np.arange(2 ** side.shape[1]), side.shape[1]).T - summed_out(side)[:, None])
            for side in np.split(part, [half], axis=1)
        ]
        q += (of_halves[0] * shares[first : first + step, None]).T @ of_halves[1]
    q = q[q > 0]
    return -float((q * np.log(q)).sum()), 0.0


def _aggregate_drawn(x: FloatArray, shares: FloatArray, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """H(h) of the same law, and its error, from draws of it: the mean of -log q(h)."""
    draws = max(DRAWS, min(draws, _TERMS // len(x)))
    chosen = rng.choice(len(x), draws, p=shares)
    h = (rng.random((draws, x.shape[1])) < logistic(x[chosen])).astype(np.float64)
    offsets, record = np.log(shares) - summed_out(x), np.empty(draws)
    step = max(1, _PART // len(x))
    for first in range(0, draws, step):
        logs = h[first : first + step] @ x.T + offsets
        top = logs.max(axis=1)
        record[first : first + step] = -top - np.log(np.exp(logs - top[:, None]).sum(axis=1))
    return float(record.mean()), float(record.std(ddof=1) / math.sqrt(draws))
