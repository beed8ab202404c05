"""The pseudo-likelihood of couplings on a sparse graph, spin by spin from its neighbours alone; with its curvature.

Given J, the conditional of a spin is its own: its sums over rows take a matrix of its neighbours' spins, and so do its
second derivatives, which are a block of few numbers. The curvature of the whole is the sum of the blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastgibbs.learning.conditionals import Rows
from fastgibbs.types import AnyArray, FloatArray, Mask, Sites

_PART = 8192  # rows at once: numbers of a spin and its neighbours stay in the cache
_CLOSE, _MOST_STEPS = 1e-4, 200  # of conjugate gradients: what is left of the right-hand side, and steps
_LEAST = 1e-9  # of a width: conditionals that are certain still have a curvature


class Sums(NamedTuple):
    """What the conditionals of all spins add up to."""

    value: float  # sum_i <log p(s_i | the others)>
    slopes: FloatArray  # float64 (bonds + n,), by J_ij and then by h
    widths: FloatArray  # float64 (n,): <1 - tanh^2 f_i>
    told: Mask  # bool (n,): whether f_i has the sign of s_i in every row
    curvature: FloatArray  # float64 (entries,): the blocks, minus the second derivatives


class Site(NamedTuple):
    """A spin and its neighbours in some rows."""

    seen: FloatArray  # float64 (neighbours + 1, rows): neighbours less their origins, and 1
    shares: FloatArray  # float64 (rows,)
    aligned: FloatArray  # float64 (rows,): s_i f_i
    small: FloatArray  # float64 (rows,): exp(-2 |f_i|)
    away: FloatArray  # float64 (rows,): s_i - tanh f_i


class Neighbors:
    """Sums over rows for couplings of the pairs i < j (bonds,), and f_i = h_i + sum_j J_ij (s_j - origin_j)."""

    def __init__(self, rows: Rows, i: Sites, j: Sites, origin: FloatArray) -> None:
        self.rows, self.i, self.j, self.origin = rows, i, j, origin
        self.spins = np.ascontiguousarray(rows.spins.T)
        bonds, n = i.size, origin.size
        ends, others = np.concatenate([i, j]), np.concatenate([j, i])
        order = np.argsort(ends, kind="stable")
        cuts = np.cumsum(np.bincount(ends, minlength=n))[:-1]
        self.others = np.split(others[order], cuts)
        self.numbers = [
            np.append(mine, bonds + site) for site, mine in enumerate(np.split(order % max(bonds, 1), cuts))
        ]  # of each spin, those among all that its conditional hangs on
        sizes = [mine.size for mine in self.numbers]
        self.ends = np.concatenate([[0], np.cumsum(np.square(sizes))])
        self.columns = np.concatenate([np.tile(mine, mine.size) for mine in self.numbers])
        self.lines = np.concatenate([np.repeat(mine, mine.size) for mine in self.numbers])

    def each(self, x: FloatArray) -> Iterator[tuple[int, int, Site]]:
        """Every spin in some rows, then in the next: the first of these rows, the spin, and what it sees."""
        count = self.spins.shape[1]
        for first in range(0, count, _PART):
            part = slice(first, first + _PART)
            for site, (others, mine) in enumerate(zip(self.others, self.numbers, strict=True)):
                s = self.spins[site, part]
                seen = np.ones((mine.size, s.size))
                np.subtract(self.spins[others, part], self.origin[others, None], out=seen[:-1])
                aligned = s * (x[mine] @ seen)
                small = np.exp(-2 * np.abs(aligned))
                away = 2 * s * np.where(aligned > 0, small, 1.0) / (1 + small)
                yield first, site, Site(seen, self.rows.shares[part], aligned, small, away)

    def sums(self, x: FloatArray) -> Sums:
        """All sums at x, J_ij of the pairs and then h."""
        value, n = 0.0, self.origin.size
        slopes, widths, told = np.zeros(x.size), np.zeros(n), np.ones(n, np.bool_)
        curvature = np.zeros(self.ends[-1])
        for _, site, (seen, shares, aligned, small, away) in self.each(x):
            value -= shares @ (np.log1p(small) - 2 * np.minimum(aligned, 0))
            slopes[self.numbers[site]] += seen @ (shares * away)
            size = np.abs(away)
            width = shares * size * (2 - size)
            widths[site] += width.sum()
            told[site] &= bool((aligned > 0).all())
            curvature[self.ends[site] : self.ends[site + 1]] += ((seen * width) @ seen.T).ravel()
        return Sums(float(value), slopes, widths, told, curvature)

    def matrix(self, curvature: FloatArray) -> FloatArray:
        """The curvature as a matrix (bonds + n, bonds + n)."""
        size = self.i.size + self.origin.size
        found = np.zeros((size, size))
        np.add.at(found, (self.lines, self.columns), curvature)
        return found

    def solved(self, curvature: FloatArray, diagonal: FloatArray, q: FloatArray) -> FloatArray:
        """(curvature + diagonal)^-1 q among the numbers whose q is not 0, by conjugate gradients."""
        among = q != 0
        own = self.lines == self.columns
        steep = np.bincount(self.lines[own], curvature[own], q.size) + diagonal + _LEAST

        def times(v: FloatArray) -> FloatArray:
            found: FloatArray = np.bincount(self.lines, curvature * v[self.columns], q.size) + diagonal * v
            return np.where(among, found + _LEAST * v, 0.0)

        x, left = np.zeros(q.size), q.copy()
        towards = scaled = left / steep
        size = left @ scaled
        for _ in range(_MOST_STEPS):
            if np.sqrt(left @ left) <= _CLOSE * np.sqrt(q @ q):
                break
            pushed = times(towards)
            step = size / (towards @ pushed)
            x, left = x + step * towards, left - step * pushed
            scaled = left / steep
            size, before = left @ scaled, size
            towards = scaled + size / before * towards
        return x


def is_sparse(i: Sites, j: Sites, n: int) -> bool:
    """Whether blocks of all spins are fewer numbers than all pairs: products of whole matrices take longer then."""
    degrees: AnyArray = np.bincount(i, minlength=n) + np.bincount(j, minlength=n)
    return bool(np.square(degrees + 1.0).sum() <= n * n)
