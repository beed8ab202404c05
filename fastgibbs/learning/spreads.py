"""Standard errors of couplings and fields that were found from samples."""

from __future__ import annotations

import numpy as np

from fastgibbs.learning.conditionals import Rows
from fastgibbs.learning.neighbors import Neighbors
from fastgibbs.results.fitted import MOST
from fastgibbs.types import FloatArray, Sites

ADVICE = "give l2 above 0, l1, a graph= of fewer pairs, or more rows"
_LOOSE = 2.0  # of a number by the curvature alone: some states that would bound it are in no row
_PART = 2**22  # numbers of rows handled at once


def of_pseudo_likelihood(rows: Rows, i: Sites, j: Sites, J: FloatArray, h: FloatArray, l2: float) -> FloatArray:
    """Standard errors of J of the pairs i, j (bonds,) and then of h, at the maximum of L - l2/2 sum J_ij^2.

    These are of the sandwich A^-1 B A^-1 / N, A the curvature, B the covariance of a row's slopes: as a spin is in
    many conditionals, A alone would not do. float64 (bonds + n,), or NaN of more than MOST. ValueError if, without l2,
    the curvature tells that a number has no bound: both A and B vanish along it.
    """
    n, bonds = h.size, i.size
    if bonds + n > MOST:
        return np.full(bonds + n, np.nan)
    x, near = np.concatenate([J, h]), Neighbors(rows, i, j, np.zeros(n))
    A = near.matrix(near.sums(x).curvature)
    A[np.arange(bonds), np.arange(bonds)] += l2
    away = np.empty((n, len(rows.spins)))
    for first, site, seen in near.each(x):
        away[site, first : first + seen.away.size] = seen.away
    B, mean = _scatter(rows, i, j, away)
    inverse = _inverted(A)
    loose = np.argmax(inverse.diagonal()) if (inverse.diagonal() > 0).all() else np.argmin(A.diagonal())
    if not l2 and not 0 < inverse[loose, loose] <= rows.total * _LOOSE**2:
        what = (
            f"the coupling of spins {i[loose]} and {j[loose]}"
            if loose < bonds
            else f"the field of spin {loose - bonds}"
        )
        raise ValueError(
            f"samples: {what} has no bound, as states of these and other spins that would hold it are in no row: "
            f"{ADVICE}"
        )
    variances = ((inverse @ (B - np.outer(mean, mean))) * inverse).sum(axis=1) / rows.total
    return np.sqrt(np.maximum(variances, 0.0)).astype(np.float64)


def of_likelihood(rows: Rows, i: Sites, j: Sites) -> FloatArray:
    """Standard errors at the maximum of the likelihood, of I^-1 / N, I the covariance of s_i s_j and s_i in the rows.

    float64 (bonds + n,), or NaN of more than MOST.
    """
    n, bonds = rows.means.size, i.size
    if bonds + n > MOST:
        return np.full(bonds + n, np.nan)
    seen, mean = _scatter(rows, i, j, None)
    variances = np.linalg.inv(seen - np.outer(mean, mean)).diagonal() / rows.total
    return np.sqrt(np.maximum(variances, 0.0)).astype(np.float64)


def _inverted(A: FloatArray) -> FloatArray:
    """A^-1; of a singular one NaN."""
    try:
        inverse: FloatArray = np.linalg.inv(A).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        return np.full(A.shape, np.nan)
    return inverse


def _scatter(rows: Rows, i: Sites, j: Sites, away: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """Means over rows of z z^T and of z: slopes e_i s_j + e_j s_i and e_i, `away` e (n, rows), or s_i s_j and s_i."""
    size = i.size + rows.means.size
    products, mean = np.zeros((size, size)), np.zeros(size)
    step = max(1024, _PART // size)
    for first in range(0, len(rows.spins), step):
        part = slice(first, first + step)
        s, roots = rows.spins[part].T.astype(np.float64), np.sqrt(rows.shares[part])
        e = s if away is None else away[:, part]
        z = np.concatenate([e[i] * s[j], e])
        if away is not None:
            z[: i.size] += e[j] * s[i]
        z *= roots
        mean += z @ roots
        products += z @ z.T  # of itself by its transpose, which takes half
    return products, mean
