"""Data to learn from, shown a batch at a time: in which order, and as which units."""

from __future__ import annotations

import hashlib

import numpy as np

from fastgibbs.engines.streams import ORDER, stream, stream_state
from fastgibbs.models.rows import Rows, RowsLike
from fastgibbs.types import AnyArray, ArrayLike, IntArray, States

MONITORED = 1000  # rows that a training is judged by


class Data(Rows):
    """Rows to learn from; of probabilities units are drawn whenever they are shown."""

    def __init__(self, data: RowsLike, visible: int, weights: ArrayLike | None = None) -> None:
        super().__init__(data, visible, weights)
        self._generator = np.random.Generator(np.random.SFC64(0))  # moved to where it is to draw: a new one takes long

    def digest(self) -> str:
        """A digest of all rows, in the order and type they are in."""
        found = hashlib.sha256()
        for _, part in self.parts():
            found.update(np.ascontiguousarray(part).data)
        return f"{self._data.dtype}{list(self._data.shape)} {found.hexdigest()}"

    def order(self, entropy: int, epoch: int) -> IntArray:
        """The rows in the order of an epoch, a permutation, int64 (N,)."""
        return np.random.Generator(stream(entropy, ORDER, epoch)).permutation(self.count)

    def units(self, rows: IntArray, entropy: int, *address: int) -> AnyArray:
        """Units 0 and 1 of these rows, (len(rows), V): as they are, or drawn from the stream at an address."""
        part = self.rows(rows)
        if self.certain:
            return part
        uniforms = np.empty(part.shape, np.float32)
        self._draw(stream_state(entropy, ORDER, *address), uniforms)
        return uniforms < part

    def batches(self, rows: IntArray, size: int, entropy: int, epoch: int, first: int) -> AnyArray:
        """The same of rows of batches `first`, `first` + 1, ..., each of `size`, all at once: in half the time."""
        part = self.rows(rows)
        if self.certain:
            return part
        uniforms, begins = np.empty(part.shape, np.float32), np.arange(0, len(rows), size)
        states = stream_state(entropy, ORDER, epoch, 1, first + begins // size)
        for begin, state in zip(begins.tolist(), states, strict=True):
            self._draw(state, uniforms[begin : begin + size])
        return uniforms < part

    def _draw(self, state: AnyArray, uniforms: AnyArray) -> None:
        """Fill an array from a stream."""
        told = dict(bit_generator="SFC64", state={"state": state}, has_uint32=0, uinteger=0)
        self._generator.bit_generator.state = told
        self._generator.random(dtype=np.float32, out=uniforms)

    def monitored(self, entropy: int) -> States:
        """Units of all rows, or of MONITORED of them, always the same, int8 (rows, V)."""
        rows = np.arange(self.count)
        if self.count > MONITORED:
            rows = np.sort(np.random.Generator(stream(entropy, ORDER, 0, 2)).permutation(self.count)[:MONITORED])
        return self.units(rows, entropy, 0, 3).astype(np.int8)
