"""The couplings and fields of the greatest pseudo-likelihood, of all pairs, of a graph, or of one that l1 chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from fastgibbs.learning.conditionals import Rows, Slopes, covariance, slopes
from fastgibbs.learning.neighbors import Neighbors, Sums, is_sparse
from fastgibbs.learning.orthants import minimise
from fastgibbs.methods.running import Run
from fastgibbs.results.fitted import IsingPath
from fastgibbs.types import FloatArray, Mask, Sites

LENGTH = 20  # of the path of l1 that is made by default
_DOWN = 50.0  # the first l1 of it over the last
_RISES = 3  # of the criterion in a row, after which a path ends
_CHANGED = 1.5  # by which a spin's width may differ from that which scales were made for
_FLAT = 1e-3  # of the largest eigenvalue of the covariance, below which directions count as that
_CLOSE, _COUNT, _LEAST = 1e-3, 0.02, 1e-9  # slopes at a maximum: in units of their noise, of one row, and at least

Stop = Callable[[], object]  # whether to stop where it is


class Fit(NamedTuple):
    """What all maxima of a fit are found by."""

    rows: Rows
    l2: float
    stop: Stop


class Numbers(NamedTuple):
    """Couplings and fields."""

    i: Sites  # int32 (bonds,), of pairs i < j, ascending
    j: Sites
    J: FloatArray  # float64 (bonds,)
    h: FloatArray  # float64 (n,)
    converged: bool

    @classmethod
    def none(cls, means: FloatArray) -> Self:
        """No couplings, and the fields that have these means."""
        return cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0), np.arctanh(means), True)

    def matrix(self) -> FloatArray:
        """J, float64 (n, n), symmetric."""
        n = self.h.size
        J = np.zeros((n, n))
        J[self.i, self.j] = J[self.j, self.i] = self.J
        return J

    def of(self, i: Sites, j: Sites) -> FloatArray:
        """The couplings of these pairs, 0 where there are none."""
        n = np.int64(self.h.size)
        keys, wanted = self.i * n + self.j, i * n + j
        place = np.minimum(np.searchsorted(keys, wanted), max(keys.size - 1, 0))
        return np.where(keys[place] == wanted, self.J[place], 0.0) if keys.size else np.zeros(i.size)

    def felt(self, values: FloatArray) -> FloatArray:
        """sum_j J_ij values_j, float64 (n,)."""
        n = self.h.size
        found = np.zeros(n)
        np.add.at(found, self.i, self.J * values[self.j])
        np.add.at(found, self.j, self.J * values[self.i])
        return found


class _Near:
    """The loss of couplings on a sparse graph and fields of s - <s>, which know little of couplings; Newton's steps."""

    def __init__(self, rows: Rows, i: Sites, j: Sites, l2: float) -> None:
        self.neighbors = Neighbors(rows, i, j, rows.means)
        self.pull = np.concatenate([np.full(i.size, l2), np.zeros(rows.means.size)])

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray]:
        found = self.neighbors.sums(x)
        self.curvature = found.curvature
        return float(self.pull @ (x * x)) / 2 - found.value, self.pull * x - found.slopes

    def scaled(self, q: FloatArray) -> FloatArray:
        """The inverse of the curvature times q."""
        return self.neighbors.solved(self.curvature, self.pull, q)


class _Wide:
    """The same of whatever pairs, by products of whole matrices.

    The curvature is about that where a spin's width is taken for independent of the others: dJ -> D dJ C + C dJ D,
    D the widths and C the covariance, which eigenvectors of both together invert.
    """

    def __init__(self, rows: Rows, i: Sites, j: Sites, l2: float) -> None:
        self.rows, self.i, self.j, self.l2 = rows, i, j, l2
        self.C = covariance(rows)
        self.made_for = np.empty(0)

    def __call__(self, x: FloatArray) -> tuple[float, FloatArray]:
        bonds, means = self.i.size, self.rows.means
        J = Numbers(self.i, self.j, x[:bonds], means, True).matrix()
        found = slopes(self.rows, J, x[bonds:] - J @ means)
        self.widths = np.maximum(found.widths, 1e-6)
        G = found.couplings - np.outer(found.fields, means) - np.outer(means, found.fields)
        pull = self.l2 * x[:bonds]
        return float(pull @ x[:bonds]) / 2 - found.value, np.concatenate([pull - G[self.i, self.j], -found.fields])

    def scaled(self, q: FloatArray) -> FloatArray:
        """About the inverse of the curvature, times q."""
        bonds, n = self.i.size, len(self.C)
        if not self.made_for.size or (np.abs(np.log(self.widths / self.made_for)) > np.log(_CHANGED)).any():
            self.made_for = self.widths
            roots = np.sqrt(self.made_for)
            M = self.C / np.outer(roots, roots) + np.diag(self.l2 / (2 * self.made_for**2))
            values, self.vectors = np.linalg.eigh(M)
            values = np.maximum(values, _FLAT * values[-1])
            self.sums, self.roots = values[:, None] + values, np.outer(roots, roots)
        G = np.zeros((n, n))
        G[self.i, self.j] = G[self.j, self.i] = q[:bonds]
        U = self.vectors
        G = U @ ((U.T @ (G / self.roots) @ U) / self.sums) @ U.T / self.roots
        return np.concatenate([G[self.i, self.j], q[bonds:] / self.made_for])


def fitted(fit: Fit, i: Sites, j: Sites, l1: float, start: Numbers) -> Numbers:
    """The maximum of L - l2/2 sum J_ij^2 - l1 sum |J_ij| over the pairs i < j (bonds,), to 10^-3 of its noise.

    And so near that a row more or less would be seen: what has no bound is then far away.
    """
    rows, means, bonds, n = fit.rows, fit.rows.means, i.size, fit.rows.means.size
    loss = (_Near if is_sparse(i, j, n) else _Wide)(rows, i, j, fit.l2)
    x = np.concatenate([start.of(i, j), start.h + start.felt(means)])
    kinks = np.concatenate([np.full(bonds, l1), np.zeros(n)])
    close = min(_CLOSE / np.sqrt(rows.total), max(_COUNT / rows.total, _LEAST))
    x, converged = minimise(loss, x, kinks, loss.scaled, close, fit.stop)
    found = Numbers(i, j, x[:bonds], x[bonds:], converged)
    return found._replace(h=found.h - found.felt(means))


def chosen(fit: Fit, i: Sites, j: Sites, l1: float, start: Numbers, wanted: FloatArray) -> tuple[Numbers, FloatArray]:
    """The same, without the pairs that l1 leaves uncoupled; and the slopes (bonds,) of all pairs there.

    `wanted`: those at the start. Pairs whose slopes are steep may be coupled, and then those besides that want to be,
    until there are none: others were 0 all the while (Tibshirani et al., J. R. Stat. Soc. B 74, 245 (2012)).
    """
    steep = np.abs(wanted).max(initial=0.0)
    among = (start.of(i, j) != 0) | (np.abs(wanted) >= (2 * l1 - steep if 2 * l1 > steep else l1))
    while True:
        found = fitted(fit, i[among], j[among], l1, start)
        left = found.J != 0
        start = found._replace(i=found.i[left], j=found.j[left], J=found.J[left])
        wanted = slopes(fit.rows, start.matrix(), start.h).couplings[i, j]
        more: Mask = ~among & (np.abs(wanted) > l1 + _CLOSE / np.sqrt(fit.rows.total))
        if not more.any() or not found.converged:
            return start, wanted
        among |= more


def path_of(rows: Rows, pairs: tuple[Sites, Sites], l1: FloatArray | None, l2: float, under_way: Run) -> IsingPath:
    """The graphs of these l1, descending, or of 20 from that at which no pair is coupled; see `fit_ising`.

    A path that is stopped ends with the last graph that was whole, or with the first.
    """
    i, j = pairs
    fit = Fit(rows, l2, under_way.asked.__bool__)
    n, start = rows.means.size, Numbers.none(rows.means)
    wanted = slopes_of_none(rows, i, j)
    if l1 is None:
        most = np.abs(wanted).max(initial=0.0)
        l1 = np.geomspace(most, most / _DOWN, LENGTH) if most > 0 else np.zeros(1)
    whole = start
    likelihoods: list[float] = []
    criteria: list[float] = []
    graphs: list[Sites] = []
    for done, one in enumerate(l1, 1):
        start, wanted = chosen(fit, i, j, float(one), start, wanted)
        whole = fitted(fit, start.i, start.j, 0.0, whole)
        if fit.stop() and graphs:
            break
        value, bonds = told(rows, whole).value, whole.i.size
        likelihoods.append(value)
        criteria.append(-2 * rows.total * value + (2 * bonds + n) * np.log(rows.total) + 4 * bonds * np.log(n))
        graphs.append(np.stack([whole.i, whole.j], axis=1))
        if under_way.report(done, l1.size):
            under_way.asked.ask()
        if len(criteria) > _RISES and (np.diff(criteria[-_RISES - 1 :]) > 0).all():
            break
    count = np.array([len(graph) for graph in graphs], np.int64)
    return IsingPath(l1[: len(graphs)], count, np.array(likelihoods), np.array(criteria), np.concatenate(graphs))


def slopes_of_none(rows: Rows, i: Sites, j: Sites) -> FloatArray:
    """Those of pairs (bonds,) without couplings, 2 (<s_i s_j> - <s_i> <s_j>)."""
    if is_sparse(i, j, rows.means.size):
        x = np.concatenate([np.zeros(i.size), np.arctanh(rows.means)])
        return Neighbors(rows, i, j, rows.means).sums(x).slopes[: i.size]
    return 2 * covariance(rows)[i, j]


def told(rows: Rows, numbers: Numbers) -> Slopes | Sums:
    """The pseudo-likelihood of these numbers, and which spins the others tell."""
    i, j, J, h, _ = numbers
    if is_sparse(i, j, h.size):
        return Neighbors(rows, i, j, np.zeros(h.size)).sums(np.concatenate([J, h]))
    return slopes(rows, numbers.matrix(), h)
