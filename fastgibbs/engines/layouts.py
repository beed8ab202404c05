"""Where lanes lie in memory: arrays that begin with a cache line, lines that are fetched early, lanes side by side."""

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
def prefetch(typing, array, index):
    """Ask for the cache line of an element of a contiguous array, at a flat position (unchecked), without waiting."""

    def lower(context, builder, sig, values):
        data = context.make_array(sig.args[0])(context, builder, values[0]).data
        place = builder.gep(data, [context.cast(builder, values[1], sig.args[1], types.intp)])
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        ask = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        to_read, near, of_data = number(0), number(3), number(1)
        builder.call(ask, [builder.bitcast(place, pointer), to_read, near, of_data])
        return context.get_dummy_value()

    return (types.void(array, index), lower) if array.layout == "C" else None


@intrinsic
def interleaved(typing, even, odd):
    """even_0, odd_0, even_1, odd_1, ... as a tuple of the first half and the second, of lanes as many as either."""

    def lower(context, builder, sig, values):
        places = [which * even.width + e for e in range(even.width) for which in (0, 1)]
        halves = places[: even.width], places[even.width :]
        order = [ir.Constant(ir.VectorType(ir.IntType(32), even.width), half) for half in halves]
        return context.make_tuple(builder, sig.return_type, [builder.shuffle_vector(*values, half) for half in order])

    return (types.UniTuple(even, 2)(even, odd), lower) if even == odd else None
