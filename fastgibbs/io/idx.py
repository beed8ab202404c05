"""IDX files, in which MNIST and its like come."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from typing import IO

import numpy as np

from fastgibbs.io.files import opened
from fastgibbs.models import checks
from fastgibbs.types import AnyArray, PathLike

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_MOST_AXES = 64  # of a NumPy array
_PIECE = 2**20  # bytes that are unpacked at once
_MOST_PACKED = 1032  # bytes that a byte of a gzip stream can stand for


def read_idx(path: PathLike) -> AnyArray:
    """The array of an IDX file, gzipped or not, in native byte order.

    Two zero bytes, a byte for the type of the numbers, one for the number of axes, the length of each axis as a big-
    endian 32-bit integer, then the numbers, big-endian, the last axis fastest. ValueError names the file and what is
    wrong: no IDX file, an unknown type, too few or too many bytes, a damaged gzip stream; no more is unpacked than the
    header announces. TypeError if `path` is none.
    Format: Y. LeCun, C. Cortes, C. Burges, the MNIST database of handwritten digits (1998).

    >>> import fastgibbs as fg
    >>> from pathlib import Path
    >>> _ = Path("labels.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    >>> fg.read_idx("labels.idx").tolist()
    [5, 0, 4]
    """
    with opened(path) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        most = os.fstat(file.fileno()).st_size * (_MOST_PACKED if packed else 1)
        try:
            with gzip.GzipFile(fileobj=file) if packed else file as stream:
                return _read(path, stream, most)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip stream: {error}" if packed else f"{path}: {error}") from None


def _read(path: PathLike, stream: IO[bytes] | gzip.GzipFile, most: int) -> AnyArray:
    """The array of a stream of at most `most` bytes."""
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise ValueError(f"{path} is no IDX file: it begins with {head!r}, two zero bytes belong there")
    kind, axes = head[2], head[3]
    if kind not in _TYPES:
        raise ValueError(f"{path}: type {kind} of the numbers is unknown, it is one of {', '.join(map(str, _TYPES))}")
    if axes > _MOST_AXES:
        raise ValueError(f"{path} announces {axes} axes: an array has at most {_MOST_AXES}")
    lengths = stream.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise ValueError(f"{path} ends in its header: {4 + len(lengths)} bytes, {axes} axes need {4 + 4 * axes}")
    shape, dtype = tuple(np.frombuffer(lengths, ">u4").tolist()), np.dtype(_TYPES[kind])
    size = dtype.itemsize * math.prod(shape)
    content = bytearray()
    if size <= most:
        checks.require_memory(2 * size, f"{path}: an array of shape {shape}")
        while len(content) <= size and (piece := stream.read(min(_PIECE, size + 1 - len(content)))):
            content += piece
    if len(content) != size:
        found = "too few" if len(content) < size else "more"
        raise ValueError(f"{path} holds {found} bytes of numbers, its header {shape} announces {size}")
    try:
        return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError:  # no numbers, but other axes too long
        raise ValueError(f"{path} announces the shape {shape}, which no array can have") from None
