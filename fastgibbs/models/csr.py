"""Couplings as CSR arrays: of dense and sparse symmetric matrices, and of edges."""

from __future__ import annotations

import operator
from numbers import Number
from typing import Any, NoReturn

import numpy as np

from fastgibbs.models import checks
from fastgibbs.types import AnyArray, FloatArray, IntArray, Mask, Sites

_SYMBOLS = {"couplings": "J", "weights": "W"}
MAX_SITES = 2**31 - 1  # site indices are int32
Csr = tuple[IntArray, Sites, FloatArray]
DENSE_BYTES = 24  # per entry of a dense J: the matrix, masks and a CSR form of 12


def check_size(n: int) -> None:
    """ValueError on more sites than have indices."""
    if n > MAX_SITES:
        raise ValueError(f"n is {n}: site indices are 32-bit, give at most {MAX_SITES} sites")


def symmetric_csr(name: str, matrix: Any, diagonal: str) -> Csr:
    """indptr, indices and values of a dense or SciPy-like symmetric matrix of zero diagonal, columns ascending.

    Errors call it `name`, and say by `diagonal` where diagonal entries belong.
    """
    if hasattr(matrix, "tocoo"):
        return _sparse_csr(name, matrix, diagonal)
    if not (isinstance(matrix, np.ndarray | list | tuple | Number) or hasattr(matrix, "__array__")):
        raise TypeError(
            f"{name} is {checks.shown(matrix)}: give a symmetric matrix (n, n), dense or SciPy-like; from_edges takes "
            "a graph as its edges i, j and a number for each"
        )
    return _dense_csr(name, matrix, diagonal)


def square(name: str, matrix: Any) -> int:
    """n, once `matrix` is known to be (n, n)."""
    try:
        shape = tuple(map(operator.index, matrix.shape))
    except (TypeError, AttributeError):
        raise TypeError(f"{name} is {checks.shown(matrix)}, without a shape: give a square matrix (n, n)") from None
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 0:
        raise ValueError(f"{name} has shape {shape}: give a square matrix (n, n)")
    check_size(shape[0])
    return shape[0]


def _refuse_diagonal(name: str, site: int, value: float, advice: str) -> NoReturn:
    raise ValueError(f"{name}[{site}, {site}] is {value}: the diagonal must be zero, {advice}")


def _refuse_asymmetry(name: str, i: int, j: int, value: float, mirrored: float) -> NoReturn:
    A = _SYMBOLS[name]
    one_half = not (value and mirrored)
    advice = f"an upper-triangular {A} must be symmetrised first ({A} + {A}.T)" if one_half else f"({A} + {A}.T) / 2 is"
    raise ValueError(f"{name}[{i}, {j}] is {value} but {name}[{j}, {i}] is {mirrored}: {A} must be symmetric; {advice}")


def _dense_csr(name: str, matrix: Any, diagonal: str) -> Csr:
    size = matrix.size if isinstance(matrix, np.ndarray) else 0  # a list is in memory already
    checks.require_memory(DENSE_BYTES * size, f"a dense coupling matrix of {size} entries")
    J = checks.finite_array(name, matrix)
    n = square(name, J)
    if J.diagonal().any():
        site = (J.diagonal() != 0).argmax()
        _refuse_diagonal(name, site, J[site, site], diagonal)
    asymmetric = J != J.T
    if asymmetric.any():
        i, j = divmod(asymmetric.argmax(), n)
        _refuse_asymmetry(name, i, j, J[i, j], J[j, i])
    bonds = J != 0
    indices = np.broadcast_to(np.arange(n, dtype=np.int32), (n, n))[bonds]
    return _row_starts(np.count_nonzero(bonds, axis=1)), indices, J[bonds]


def _sparse_csr(name: str, matrix: Any, diagonal: str) -> Csr:
    n = square(name, matrix)
    entries = matrix.tocoo()
    row = checks.indices(f"{name}.row", entries.row, n).astype(np.int64)
    column = checks.indices(f"{name}.col", entries.col, n)
    if column.shape != row.shape:
        raise ValueError(f"{name}.row has {row.size} entries and {name}.col has {column.size}")
    key, J = _summed(row * n + column, checks.finite_array(f"{name}.data", entries.data, row.shape), n**2)
    row, column = np.divmod(key, n)
    if (row == column).any():
        entry = (row == column).argmax()
        _refuse_diagonal(name, row[entry], J[entry], diagonal)
    mirror = np.minimum(np.searchsorted(key, column * n + row), key.size - 1)
    mirrored = np.where(key[mirror] == column * n + row, J[mirror], 0.0)
    if (mirrored != J).any():
        entry = (mirrored != J).argmax()
        _refuse_asymmetry(name, row[entry], column[entry], J[entry], mirrored[entry])
    return _row_starts(np.bincount(row, minlength=n)), column.astype(np.int32), J


def edges_csr(n: int, i: Sites, j: Sites, J: FloatArray) -> Csr:
    """indptr, indices and values of edges (edges,), either way round; those of a pair add up."""
    key, J = _summed(np.minimum(i, j).astype(np.int64) * n + np.maximum(i, j), J, n**2)
    low, high = (key // n).astype(np.int32), (key % n).astype(np.int32)
    counts = np.stack([np.bincount(high, minlength=n), np.bincount(low, minlength=n)], axis=1)
    indptr = _row_starts(counts.sum(axis=1))
    # A row holds its columns below the diagonal, then those above; both come out in the order of the rows.
    is_above = np.repeat(np.tile([False, True], n), counts.ravel())
    del key, counts  # freed early: the edges of a big lattice take more memory than the model
    transposed = _order(high, n)
    low, J_below = low[transposed], J[transposed]
    del transposed
    couplings = _interleave(is_above, J, J_below)
    del J, J_below
    return indptr, _interleave(is_above, high, low), couplings


def _order(key: AnyArray, end: int) -> IntArray:
    """`np.argsort(key, kind="stable")` of keys 0 ... end - 1: by 16 bits after 16, which NumPy counts, not compares."""
    little = key.astype(key.dtype.newbyteorder("<"), copy=False)
    parts = little.view("<u2").reshape(key.size, key.itemsize // 2).T  # the lowest first
    order = np.argsort(parts[0], kind="stable").astype(np.min_scalar_type(key.size))
    for part in parts[1 : -(-(end - 1).bit_length() // 16)]:
        order = order[np.argsort(part[order], kind="stable")]
    return order.astype(np.int64)


def _summed(key: IntArray, values: FloatArray, end: int) -> tuple[IntArray, FloatArray]:
    """The distinct keys 0 ... end - 1, ascending, and the sum of the values of each, added in order; zeros left out."""
    order = _order(key, end)
    key, values = key[order], values[order]
    repeated = key[1:] == key[:-1]
    if repeated.any():
        first = np.flatnonzero(np.append(True, ~repeated))
        with np.errstate(over="ignore", invalid="ignore"):  # refused with the model
            key, values = key[first], np.add.reduceat(values, first)
    nonzero = values != 0
    return (key, values) if nonzero.all() else (key[nonzero], values[nonzero])


def _interleave(is_first: Mask, first: AnyArray, second: AnyArray) -> AnyArray:
    merged = np.empty(is_first.size, first.dtype)
    merged[is_first] = first
    merged[~is_first] = second
    return merged


def _row_starts(lengths: AnyArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
