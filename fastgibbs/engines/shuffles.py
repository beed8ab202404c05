"""Vectors whose elements change places, and what else asks LLVM for one instruction of a machine in particular."""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgibbs.engines.vectors import Lanes, copied, shuffled


def picking(order, dtype):
    """The function that gives the elements `order` of lanes that are looked at as lanes of `dtype`."""

    @intrinsic
    def picked(typing, lanes):
        result, element = Lanes(dtype, len(order)), ir.IntType(dtype.bitwidth)

        def lower(context, builder, sig, values):
            count = lanes.dtype.bitwidth * lanes.width // dtype.bitwidth
            parts = builder.bitcast(values[0], ir.VectorType(element, count))
            return shuffled(builder, parts, parts, order)

        return result(lanes), lower

    return picked


@intrinsic(prefer_literal=True)
def joined(typing, words, upper):
    """Float32 lanes of 16 upper bits `upper` and 16 lower ones of uint32 lanes."""

    def lower(context, builder, sig, values):
        halves = ir.VectorType(ir.IntType(16), 2 * words.width)
        low = builder.bitcast(values[0], halves)
        high = ir.Constant(halves, [upper.literal_value] * 2 * words.width)
        both = [k if k % 2 == 0 else 2 * words.width + k for k in range(2 * words.width)]
        return builder.bitcast(shuffled(builder, low, high, both), ir.VectorType(ir.FloatType(), words.width))

    return (Lanes(types.float32, words.width)(words, upper), lower) if isinstance(upper, types.Literal) else None


@intrinsic
def any_within(typing, lanes, bound):
    """Whether 0 <= x < bound for any of float32 lanes x: as integers without a sign, negative ones are the greatest."""

    def lower(context, builder, sig, values):
        left = builder.bitcast(values[0], ir.VectorType(ir.IntType(32), lanes.width))
        while left.type.count > 8:
            half = left.type.count // 2
            low, high = (shuffled(builder, left, left, range(first, first + half)) for first in (0, half))
            left = builder.select(builder.icmp_unsigned("<", low, high), low, high)
        limit = builder.bitcast(context.cast(builder, values[1], sig.args[1], types.float32), ir.IntType(32))
        found = builder.icmp_unsigned("<", left, copied(builder, limit, left.type.count))
        found = builder.bitcast(found, ir.IntType(left.type.count))
        return builder.icmp_unsigned("!=", found, ir.Constant(found.type, 0))

    return types.boolean(lanes, bound), lower


@intrinsic
def align_stack(typing):
    """Have the stack of this function begin with a cache line, so that no vector that is put there crosses two.

    LLVM aligns a stack for what the function asks room for, and not for registers that turn out to be too few.
    """

    def lower(context, builder, sig, values):
        place = cgutils.alloca_once(builder, ir.IntType(64))
        place.align = 64
        asks = ir.FunctionType(ir.VoidType(), [place.type])
        builder.call(ir.InlineAsm(asks, "", "r", side_effect=True), [place])
        return context.get_dummy_value()

    return types.void(), lower


@intrinsic
def alternating(typing, even, odd):
    """even_0, odd_0, even_1, odd_1, ... as a tuple of the first half and the second, of lanes as many as either."""

    def lower(context, builder, sig, values):
        places = [which * even.width + e for e in range(even.width) for which in (0, 1)]
        halves = places[: even.width], places[even.width :]
        return context.make_tuple(builder, sig.return_type, [shuffled(builder, *values, half) for half in halves])

    return (types.UniTuple(even, 2)(even, odd), lower) if even == odd else None


@intrinsic
def interleaved(typing, a, b, c, d):
    """Lanes 0 of all four, then their lanes 1, and so on."""
    result = Lanes(a.dtype, 4 * a.width)

    def lower(context, builder, sig, values):
        both = range(2 * a.width)
        left, right = shuffled(builder, *values[:2], both), shuffled(builder, *values[2:], both)
        return shuffled(builder, left, right, [k * a.width + j for j in range(a.width) for k in range(4)])

    return result(a, b, c, d), lower
