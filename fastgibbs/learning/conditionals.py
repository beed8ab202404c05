"""The pseudo-likelihood of spins and its slopes, joint and symmetric: one J_ij, which both its spins see.

    L(J, h) = <sum_i log p(s_i | the others)> = -<sum_i log(1 + exp(-2 s_i f_i))>, f_i = h_i + sum_j J_ij s_j,

the mean over rows by their weights. With e_i = s_i - tanh f_i its slopes are dL/dJ_ij = <e_i s_j + e_j s_i> and
dL/dh_i = <e_i>; it is concave (Besag, J. R. Stat. Soc. D 24, 179 (1975)).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastgibbs.types import FloatArray, Mask, States

_PART = 2**19  # numbers handled at once, where these are not fewer rows than
_LEAST = 1024  # for which products of matrices are fast


class Rows(NamedTuple):
    """Samples, each different row once."""

    spins: States  # int8 (rows, n)
    shares: FloatArray  # float64 (rows,), of the sum of all weights
    total: float  # that sum: the number of samples
    means: FloatArray  # float64 (n,): <s_i>


class Slopes(NamedTuple):
    """L, its slopes and what else is known at some J and h."""

    value: float
    couplings: FloatArray  # float64 (n, n), symmetric, of zero diagonal
    fields: FloatArray  # float64 (n,)
    widths: FloatArray  # float64 (n,): <1 - tanh^2 f_i>
    told: Mask  # bool (n,): whether f_i has the sign of s_i in every row


def rows_of(spins: States, weights: FloatArray) -> Rows:
    """The different rows of `spins` (rows, n), and what they weigh together."""
    packed = np.packbits(spins > 0, axis=1)
    keys = packed.view(np.dtype((np.void, packed.shape[1])))[:, 0]
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    weight = np.bincount(inverse, weights, first.size)
    first, weight = first[weight > 0], weight[weight > 0]
    total = float(weight.sum())
    return Rows(spins[first], weight / total, total, weight / total @ spins[first])


def parts(rows: Rows, width: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Some rows at a time, where each takes `width` numbers: spins as float64 (some, n), and shares (some, 1)."""
    step = max(_LEAST, _PART // width)
    for k in range(0, len(rows.spins), step):
        yield rows.spins[k : k + step].astype(np.float64), rows.shares[k : k + step, None]


def covariance(rows: Rows) -> FloatArray:
    """<s_i s_j> - <s_i> <s_j>, float64 (n, n)."""
    n = rows.means.size
    found = np.zeros((n, n))
    for s, shares in parts(rows, n):
        x = s - rows.means
        found += x.T @ (x * shares)
    return found


def slopes(rows: Rows, J: FloatArray, h: FloatArray) -> Slopes:
    """L and the rest at J (n, n), symmetric of zero diagonal, and h (n,)."""
    n = h.size
    value, of_J, of_h, widths, told = 0.0, np.zeros((n, n)), np.zeros(n), np.zeros(n), np.ones(n, np.bool_)
    for s, shares in parts(rows, n):
        aligned = s * (s @ J + h)
        small = np.exp(-2 * np.abs(aligned))
        value -= shares[:, 0] @ (np.log(1 + small) - 2 * np.minimum(aligned, 0)).sum(axis=1)
        wrong = np.where(aligned > 0, small, 1.0) / (1 + small)  # p(-s_i | the others)
        told &= (aligned > 0).all(axis=0)
        widths += (shares * wrong * (4 - 4 * wrong)).sum(axis=0)
        wrong *= 2 * s * shares  # shares of e_i
        of_J += s.T @ wrong
        of_h += wrong.sum(axis=0)
    of_J += of_J.T.copy()
    np.fill_diagonal(of_J, 0.0)
    return Slopes(float(value), of_J, of_h, widths, told)
