"""Data of machines, checked and read a part at a time: arrays, memory-mapped arrays, sparse matrices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from fastgibbs.models import checks
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray

_PART = 2**22  # numbers looked at at once


class SparseRows(Protocol):
    """A SciPy-like sparse matrix."""

    def tocsr(self) -> Any:
        """The matrix by rows."""


RowsLike = ArrayLike | SparseRows


class Rows:
    """N rows of V units or of probabilities in [0, 1].

    `data`: bool, integer or float (N, V), memory-mapped or not, or a scipy.sparse matrix; only parts are copied.
    `weights`: (N,) how much each row counts, at least 0, by default all alike; kept with mean 1.
    `mean` is that of each unit, float64 (V,); `certain`, whether all are units.
    TypeError or ValueError names the argument and the first index that is wrong.
    """

    def __init__(self, data: RowsLike, visible: int, weights: ArrayLike | None = None) -> None:
        self._data: Any = data.tocsr() if hasattr(data, "tocsr") else checks.real_array("data", data)
        self._sparse = not isinstance(self._data, np.ndarray)
        kind = self._data.dtype.kind
        if self._sparse:
            checks.real_array("data", self._data.data)
        if len(self._data.shape) != 2 or self._data.shape[1] != visible:
            raise ValueError(f"data has shape {self._data.shape}: give (N, {visible}), a row an observation")
        self.count = self._data.shape[0]
        if not self.count:
            raise ValueError("data is empty: give at least one row")
        self.weights = np.ones(self.count)
        if weights is not None:
            given = checks.finite_array("weights", weights, (self.count,))
            if given.min() < 0 or not given.sum():
                raise ValueError(f"weights holds {given.min()}: give numbers of at least 0, not all of them 0")
            self.weights = given / given.mean()
        self.mean, self.certain = np.zeros(visible), True
        for first, part in self.parts():
            if not (part.min(initial=0) >= 0 and part.max(initial=0) <= 1):  # so that a NaN is seen
                bad = ~((part >= 0) & (part <= 1))
                row, unit = np.unravel_index(bad.argmax(), bad.shape)
                raise ValueError(
                    f"data[{first + row}, {unit}] is {part[row, unit]}: give units or probabilities, 0 to 1"
                )
            if kind == "f":
                self.certain &= bool(((part == 0) | (part == 1)).all())
            if weights is None:
                self.mean += part.sum(axis=0)
            else:
                self.mean += (part * self.weights[first : first + len(part), None]).sum(axis=0)
        self.mean /= self.count

    @property
    def log_odds(self) -> FloatArray:
        """log(m / (1 - m)) of the mean m of each unit, kept 1/(N + 2) away from 0 and 1: biases to start from."""
        least = 1 / (self.count + 2)
        mean = np.clip(self.mean, least, 1 - least)
        return np.log(mean / (1 - mean))

    def parts(self) -> Iterator[tuple[int, AnyArray]]:
        """Yield (first row, rows) of all rows, as many at once as are cheap to hold."""
        step = max(1, _PART // max(1, self._data.shape[1]))
        for first in range(0, self.count, step):
            yield first, self.rows(slice(first, first + step))

    def rows(self, chosen: slice | IntArray) -> AnyArray:
        """Some rows as an array (rows, V)."""
        if isinstance(self._data, np.ndarray) and isinstance(chosen, np.ndarray) and self._data.flags.c_contiguous:
            return self._data.take(chosen, axis=0)  # in half the time of an index
        part = self._data[chosen]
        return part.toarray() if self._sparse else part
