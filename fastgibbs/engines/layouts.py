"""Where lanes lie in memory: arrays that begin with a cache line."""

import math

import numpy as np

LINE = 64  # bytes


def aligned(shape, kind) -> np.ndarray:
    """Zeros that begin with a cache line: registers that straddle two lines take twice as long to load and store."""
    size = math.prod(shape) if isinstance(shape, tuple) else shape
    room = np.zeros(size * np.dtype(kind).itemsize + LINE, np.uint8)
    return np.ndarray(shape, kind, room, -room.ctypes.data % LINE)
