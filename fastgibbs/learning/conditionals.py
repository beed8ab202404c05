"""The pseudo-likelihood of spins and its slopes, joint and symmetric: one J_ij, which both its spins see.

    L(J, h) = <sum_i log p(s_i | the others)> = -<sum_i log(1 + exp(-2 s_i f_i))>, f_i = h_i + sum_j J_ij s_j,

the mean over rows by their weights. With e_i = s_i - tanh f_i its slopes are dL/dJ_ij = <e_i s_j + e_j s_i> and
dL/dh_i = <e_i>; it is concave (Besag, J. R. Stat. Soc. D 24, 179 (1975)).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastgibbs.types import FloatArray, Mask, Sites, States

MOST = 4096  # couplings and fields that have errors: matrices of so many rows
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


def errors(rows: Rows, J: FloatArray, h: FloatArray, i: Sites, j: Sites, l2: float) -> FloatArray:
    """Standard errors of J_ij of the pairs i, j (bonds,) and then of h, at the maximum of L - l2/2 sum J_ij^2.

    These are of the sandwich A^-1 B A^-1 / N, A the curvature, B the covariance of a row's slopes: as a spin is in
    many conditionals, A alone would not do. float64 (bonds + n,), or NaN of more than MOST.
    """
    n, bonds = h.size, i.size
    if bonds + n > MOST:
        return np.full(bonds + n, np.nan)
    ends = np.concatenate([i, j])
    of_site = np.split(np.argsort(ends, kind="stable"), np.cumsum(np.bincount(ends, minlength=n))[:-1])
    others = np.concatenate([j, i])
    A, B, mean = np.zeros((bonds + n, bonds + n)), np.zeros((bonds + n, bonds + n)), np.zeros(bonds + n)
    for s, shares in parts(rows, bonds + n):
        t = np.tanh(s @ J + h)
        e, width = s - t, shares * (1 - t * t)
        score = np.concatenate([e[:, i] * s[:, j] + e[:, j] * s[:, i], e], axis=1)
        mean += (shares * score).sum(axis=0)
        B += score.T @ (shares * score)
        for site, mine in enumerate(of_site):
            seen = np.concatenate([s[:, others[mine]], np.ones((len(s), 1))], axis=1)
            numbers = np.append(mine % max(bonds, 1), bonds + site)
            A[np.ix_(numbers, numbers)] += seen.T @ (width[:, site, None] * seen)
    A[np.arange(bonds), np.arange(bonds)] += l2
    inverse = np.linalg.inv(A)
    variances = ((inverse @ (B - np.outer(mean, mean))) * inverse).sum(axis=1) / rows.total
    return np.sqrt(np.maximum(variances, 0.0)).astype(np.float64)


def likelihood_errors(rows: Rows, i: Sites, j: Sites) -> FloatArray:
    """Standard errors at the maximum of the likelihood, of I^-1 / N, I the covariance of s_i s_j and s_i in the rows.

    float64 (bonds + n,), or NaN of more than MOST.
    """
    n, bonds = rows.means.size, i.size
    if bonds + n > MOST:
        return np.full(bonds + n, np.nan)
    seen, mean = np.zeros((bonds + n, bonds + n)), np.zeros(bonds + n)
    for s, shares in parts(rows, bonds + n):
        x = np.concatenate([s[:, i] * s[:, j], s], axis=1)
        mean += (shares * x).sum(axis=0)
        seen += x.T @ (shares * x)
    variances = np.linalg.inv(seen - np.outer(mean, mean)).diagonal() / rows.total
    return np.sqrt(np.maximum(variances, 0.0)).astype(np.float64)
