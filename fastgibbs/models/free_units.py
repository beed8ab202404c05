"""What is left of a bipartite machine where its visible units are given: the free units of both sides, summed out.

Given rows v of visible units, -beta E = c + x.u + y.w + u.W.w of free units u of one side and w of the other, each row
with numbers of its own but for W. One side is summed out analytically, so that the other, the smaller one, is gone
through state by state; where that is too much, independent units bound the sum from below.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastgibbs.models.logistic import logistic, numbered, summed_out
from fastgibbs.types import AnyArray, FloatArray, IntArray, Sites

_CHUNK = 2**20  # inputs held at once
_ITERATIONS, _CLOSE = 500, 1e-6  # of a mean field, at most, and the change of a unit at which it ends


class Sides(NamedTuple):
    """Which units of two sides of V' and H' are visible, and which columns of data tell them."""

    first: IntArray  # of the first side
    second: IntArray  # of the second, from 0
    columns: IntArray  # of data, those of `first`
    second_columns: IntArray  # those of `second`
    free: IntArray  # the others of the first side
    second_free: IntArray  # the others of the second, from 0

    @classmethod
    def of(cls, visible: Sites | IntArray, shape: tuple[int, ...]) -> Sides:
        """Those of machines with weights (V', H')."""
        (V, H), visible = shape, visible.astype(np.int64)
        columns, second_columns = (np.flatnonzero(side) for side in (visible < V, visible >= V))
        first, second = visible[columns], visible[second_columns] - V
        free, second_free = np.delete(np.arange(V), first), np.delete(np.arange(H), second)
        parts = first, second, columns, second_columns, free, second_free
        for part in parts:
            part.flags.writeable = False
        return cls(*parts)


class Given(NamedTuple):
    """-E of free units u and w, at beta = 1, for each of N rows of visible units."""

    constant: FloatArray  # (N,)
    first: FloatArray  # (N, F): x
    second: FloatArray  # (N, G): y
    weights: FloatArray  # (F, G): W

    @classmethod
    def of(cls, W: FloatArray, a: FloatArray, b: FloatArray, sides: Sides, v: AnyArray) -> Given:
        """That of rows `v` (N, visible). einsum adds in one order; what BLAS adds depends on its threads."""
        p, q = (v[:, columns].astype(np.float64) for columns in (sides.columns, sides.second_columns))
        held = W[np.ix_(sides.first, sides.second)]
        constant = np.einsum("ni,i->n", p, a[sides.first]) + np.einsum("nj,j->n", q, b[sides.second])
        constant += np.einsum("ni,ni->n", p, np.einsum("nj,ij->ni", q, held))
        return cls(
            constant,
            a[sides.free] + np.einsum("nj,ij->ni", q, W[np.ix_(sides.free, sides.second)]),
            b[sides.second_free] + np.einsum("ni,ij->nj", p, W[np.ix_(sides.first, sides.second_free)]),
            W[np.ix_(sides.free, sides.second_free)],
        )

    def turned(self) -> Given:
        """The same with the sides exchanged."""
        return Given(self.constant, self.second, self.first, self.weights.T)

    def states(self) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """Yield some states u (S, F), log sum_w exp(-E) of each, (N, S), and inputs of w, (N, S, G), till all are."""
        count = self.weights.shape[0]
        step = max(1, _CHUNK // max(1, self.constant.size * (1 + self.weights.shape[1])))
        for first in range(0, 2**count, step):
            u = numbered(np.arange(first, min(first + step, 2**count)), count)
            inputs = self.second[:, None] + np.einsum("si,ij->sj", u, self.weights)
            logs = self.constant[:, None] + np.einsum("ni,si->ns", self.first, u) + summed_out(inputs)
            yield u, logs, inputs

    def log_sum(self) -> FloatArray:
        """log sum_{u, w} exp(-E), float64 (N,)."""
        one = self if self.weights.shape[0] <= self.weights.shape[1] else self.turned()
        total = np.full(len(self.constant), -np.inf)
        for _, logs, _ in one.states():
            total = np.logaddexp(total, np.logaddexp.reduce(logs, axis=1))
        return total

    def bound(self) -> FloatArray:
        """The mean-field bound on `log_sum`: max <-E> + entropy over independent u and w, float64 (N,).

        Means are updated side after side, from one half each until they stand: it is that of a fixed point
        (Salakhutdinov and Hinton, AISTATS 2009).
        """
        x, before = np.zeros(self.first.shape), np.full(self.first.shape, np.inf)
        for _ in range(_ITERATIONS):
            u = logistic(x)
            if np.abs(u - before).max(initial=0) < _CLOSE:
                break
            x, before = self.first + logistic(self.second + u @ self.weights) @ self.weights.T, u
        u = logistic(x)
        of_first = (u * (self.first - x)).sum(axis=1) + summed_out(x)  # with its entropy
        return self.constant + of_first + summed_out(self.second + u @ self.weights)
