"""Where lanes lie in memory: arrays that begin with a cache line, lanes side by side."""

import math

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LINE = 64  # bytes


def aligned(shape, kind) -> np.ndarray:
    """Zeros that begin with a cache line: registers that straddle two lines take twice as long to load and store."""
    size = math.prod(shape) if isinstance(shape, tuple) else shape
    room = np.zeros(size * np.dtype(kind).itemsize + LINE, np.uint8)
    return np.ndarray(shape, kind, room, -room.ctypes.data % LINE)


@intrinsic
def interleaved(typing, even, odd):
    """even_0, odd_0, even_1, odd_1, ... as a tuple of the first half and the second, of lanes as many as either."""

    def lower(context, builder, sig, values):
        places = [which * even.width + e for e in range(even.width) for which in (0, 1)]
        halves = places[: even.width], places[even.width :]
        order = [ir.Constant(ir.VectorType(ir.IntType(32), even.width), half) for half in halves]
        return context.make_tuple(builder, sig.return_type, [builder.shuffle_vector(*values, half) for half in order])

    return (types.UniTuple(even, 2)(even, odd), lower) if even == odd else None
