"""IDX files, in which MNIST and its like come."""

import gzip
import zlib
from pathlib import Path

import numpy as np

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path) -> np.ndarray:
    """The array of an IDX file, gzipped or not, in native byte order.

    Two zero bytes, a byte for the type of the numbers, one for the number of axes, the length of each axis as a big-
    endian 32-bit integer, then the numbers, big-endian, the last axis fastest. ValueError names the file and what is
    wrong: no IDX file, an unknown type, too few or too many bytes, a damaged gzip stream.
    Format: Y. LeCun, C. Cortes, C. Burges, the MNIST database of handwritten digits (1998).
    """
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip stream: {error}") from None
    if len(content) < 4 or content[:2] != b"\0\0":
        raise ValueError(f"{path} is no IDX file: it begins with {content[:4]!r}, two zero bytes belong there")
    kind, axes = content[2], content[3]
    if kind not in _TYPES:
        raise ValueError(f"{path}: type {kind} of the numbers is unknown, it is one of {', '.join(map(str, _TYPES))}")
    start = 4 + 4 * axes
    if len(content) < start:
        raise ValueError(f"{path} ends in its header: {len(content)} bytes, {axes} axes need {start}")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", axes, 4))
    dtype = np.dtype(_TYPES[kind])
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    if len(content) - start != size:
        raise ValueError(f"{path} holds {len(content) - start} bytes of numbers, its header {shape} announces {size}")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
