"""Where lanes lie in memory: arrays that begin with a cache line, lanes side by side."""

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LINE = 64  # bytes


def aligned(shape, kind) -> np.ndarray:
    """Zeros that begin with a cache line: registers that straddle two lines take twice as long to load and store."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    room = np.zeros(size + LINE, np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + size].view(kind).reshape(shape)


@intrinsic
def interleaved(typing, even, odd):
    """even_0, odd_0, even_1, odd_1, ... as a tuple of the first half and the second, of lanes as many as either."""

    def lower(context, builder, sig, values):
        places = [which * even.width + e for e in range(even.width) for which in (0, 1)]
        halves = places[: even.width], places[even.width :]
        order = [ir.Constant(ir.VectorType(ir.IntType(32), even.width), half) for half in halves]
        return context.make_tuple(builder, sig.return_type, [builder.shuffle_vector(*values, half) for half in order])

    return (types.UniTuple(even, 2)(even, odd), lower) if even == odd else None
