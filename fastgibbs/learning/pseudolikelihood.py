"""The couplings and fields of the greatest pseudo-likelihood, of all pairs, of a graph, or of one that l1 chooses."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from fastgibbs.fields import described
from fastgibbs.learning.conditionals import Rows, slopes
from fastgibbs.learning.orthants import minimise
from fastgibbs.models import checks
from fastgibbs.types import FloatArray, IntArray, Sites

LENGTH = 20  # of the path of l1 that is made by default
_DOWN = 50.0  # the first l1 of it over the last
_RISES = 3  # of the criterion in a row, after which a path ends
_CHANGED = 1.5  # by which a spin's width may differ from that which scales were made for
_FLAT = 1e-3  # of the largest eigenvalue of the covariance, below which directions count as that


class Numbers(NamedTuple):
    """Couplings and fields."""

    J: FloatArray  # float64 (n, n), symmetric, of zero diagonal
    h: FloatArray  # float64 (n,)
    converged: bool


@checks.by_contents
@described
class IsingPath(NamedTuple):
    """The graphs that one l1 after the other chooses, from the greatest l1 down.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> ring = fg.lattice((8,), J=0.5)
    >>> samples = fg.sample(ring, beta=1.0, sweeps=200, burn_in=100, chains=64, keep_states=True, seed=1).samples
    >>> path = fg.fit_ising(samples[:, ::10], l1="path").path
    >>> path.bonds[path.bic.argmin()].item()
    8
    """

    l1: Annotated[FloatArray, "float64 (models,)", "Those tried, descending."]
    bonds: Annotated[IntArray, "int64 (models,)", "Pairs that are coupled."]
    pseudo_likelihood: Annotated[FloatArray, "float64 (models,)", "Of the graph without l1, a row's mean, in nats."]
    bic: Annotated[
        FloatArray, "float64 (models,)", "The criterion, least where the graph is chosen (`fastgibbs.fit_ising`)."
    ]
    graphs: Annotated[tuple[IntArray, ...], "int64 (2, bonds) of each model: its pairs i < j."]


class _Scale:
    """About the inverse curvature, where a spin's width is taken for independent of the others.

    Then it is dJ -> D dJ C + C dJ D, D the widths and C the covariance, which eigenvectors of both together invert.
    """

    def __init__(self, C: FloatArray, i: Sites, j: Sites, l2: float) -> None:
        self.C, self.i, self.j, self.l2 = C, i, j, l2
        self.widths = self.made_for = np.empty(0)

    def __call__(self, x: FloatArray) -> FloatArray:
        bonds, n = self.i.size, len(self.C)
        if not self.made_for.size or (np.abs(np.log(self.widths / self.made_for)) > np.log(_CHANGED)).any():
            self.made_for = np.maximum(self.widths, 1e-6)
            roots = np.sqrt(self.made_for)
            M = self.C / np.outer(roots, roots) + np.diag(self.l2 / (2 * self.made_for**2))
            values, self.vectors = np.linalg.eigh(M)
            values = np.maximum(values, _FLAT * values[-1])
            self.sums, self.roots = values[:, None] + values, np.outer(roots, roots)
        G = np.zeros((n, n))
        G[self.i, self.j] = G[self.j, self.i] = x[:bonds]
        U = self.vectors
        G = U @ ((U.T @ (G / self.roots) @ U) / self.sums) @ U.T / self.roots
        return np.concatenate([G[self.i, self.j], x[bonds:] / self.made_for])


def fitted(
    rows: Rows, C: FloatArray, i: Sites, j: Sites, l1: float, l2: float, start: Numbers | None = None
) -> Numbers:
    """The maximum of L - l2/2 sum J_ij^2 - l1 sum |J_ij| over the pairs i, j (bonds,), to 10^-3 of its noise.

    `C`: the covariance of the rows. It looks for fields of s - <s>, which know little of couplings.
    """
    n, bonds, means = rows.means.size, i.size, rows.means
    scale = _Scale(C, i, j, l2)
    if start is None:
        start = Numbers(np.zeros((n, n)), np.arctanh(means), True)

    def numbers(x: FloatArray, converged: bool = True) -> Numbers:
        J = np.zeros((n, n))
        J[i, j] = J[j, i] = x[:bonds]
        return Numbers(J, x[bonds:] - J @ means, converged)

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        now = numbers(x)
        found = slopes(rows, now.J, now.h)
        scale.widths = np.maximum(found.widths, 1e-6)
        G = found.couplings - np.outer(found.fields, means) - np.outer(means, found.fields)
        pull = l2 * x[:bonds]
        return float(pull @ x[:bonds]) / 2 - found.value, np.concatenate([pull - G[i, j], -found.fields])

    x = np.concatenate([start.J[i, j], start.h + start.J @ means])
    kinks = np.concatenate([np.full(bonds, l1), np.zeros(n)])
    return numbers(*minimise(loss, x, kinks, scale, 1e-3 / np.sqrt(max(rows.total, 1.0))))


def path_of(rows: Rows, C: FloatArray, i: Sites, j: Sites, l1: FloatArray | None, l2: float) -> IsingPath:
    """The graphs of these l1, descending, or of 20 from that at which no pair is coupled; see `fit_ising`."""
    n = rows.means.size
    if l1 is None:
        most = 2 * np.abs(C[i, j]).max(initial=0.0)  # the slopes at J = 0
        l1 = np.geomspace(most, most / _DOWN, LENGTH) if most > 0 else np.zeros(1)
    start = whole = None
    likelihoods, criteria, graphs = [], [], []
    for one in l1:
        start = fitted(rows, C, i, j, float(one), l2, start)
        on = start.J[i, j] != 0
        whole = fitted(rows, C, i[on], j[on], 0.0, l2, start)
        value = slopes(rows, whole.J, whole.h).value
        bonds = int(on.sum())
        likelihoods.append(value)
        criteria.append(-2 * rows.total * value + (2 * bonds + n) * np.log(rows.total) + 4 * bonds * np.log(n))
        graphs.append(np.array([i[on], j[on]], np.int64))
        if len(criteria) > _RISES and (np.diff(criteria[-_RISES - 1 :]) > 0).all():
            break
    count = np.array([graph.shape[1] for graph in graphs], np.int64)
    return IsingPath(l1[: len(graphs)], count, np.array(likelihoods), np.array(criteria), tuple(graphs))
