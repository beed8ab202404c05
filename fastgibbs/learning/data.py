"""Data to learn from, checked and read a batch at a time: arrays, memory-mapped arrays, sparse matrices."""

import hashlib

import numpy as np

from fastgibbs.engines.streams import ORDER, stream
from fastgibbs.models import checks

_PART = 2**22  # numbers looked at at once
MONITORED = 1000  # rows that a training is judged by


class Data:
    """N rows of V units or of probabilities in [0, 1]; from the latter units are drawn whenever they are shown.

    `data`: bool, integer or float (N, V), memory-mapped or not, or a scipy.sparse matrix; only batches are copied.
    `weights`: (N,) how much each row counts, at least 0, by default all alike; kept with mean 1.
    TypeError or ValueError names the argument and the first index that is wrong.
    """

    def __init__(self, data, visible: int, weights=None):
        self._sparse = hasattr(data, "tocsr") and not isinstance(data, np.ndarray)
        self._data = data.tocsr() if self._sparse else checks.real_array("data", data)
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
        step = max(1, _PART // max(1, visible))
        for first in range(0, self.count, step):
            part = self._rows(slice(first, first + step))
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
                self.mean += (part * self.weights[first : first + step, None]).sum(axis=0)
        self.mean /= self.count

    def digest(self) -> str:
        """A digest of all rows, in the order and type they are in."""
        found, step = hashlib.sha256(), max(1, _PART // max(1, self._data.shape[1]))
        for first in range(0, self.count, step):
            found.update(np.ascontiguousarray(self._rows(slice(first, first + step))))
        return f"{self._data.dtype}{list(self._data.shape)} {found.hexdigest()}"

    def order(self, entropy, epoch: int) -> np.ndarray:
        """The rows in the order of an epoch, a permutation, int64 (N,)."""
        return np.random.Generator(stream(entropy, ORDER, epoch)).permutation(self.count)

    def units(self, rows, entropy, *address) -> np.ndarray:
        """Units 0 and 1 of these rows, (len(rows), V): as they are, or drawn from the stream at an address."""
        part = self._rows(rows)
        if self.certain:
            return part
        generator = np.random.Generator(stream(entropy, ORDER, *address))
        return generator.random(part.shape, np.float32) < part

    def monitored(self, entropy) -> np.ndarray:
        """Units of all rows, or of MONITORED of them, always the same, int8 (rows, V)."""
        rows = np.arange(self.count)
        if self.count > MONITORED:
            rows = np.sort(np.random.Generator(stream(entropy, ORDER, 0, 2)).permutation(self.count)[:MONITORED])
        return self.units(rows, entropy, 0, 3).astype(np.int8)

    def _rows(self, rows):
        part = self._data[rows]
        return part.toarray() if self._sparse else part
