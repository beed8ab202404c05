"""Numba values that are LLVM vectors: a kernel says `f + J * s` for 16 lanes and gets SIMD code, on any CPU.

A `Lanes` value is one element of each of `width` neighbouring lanes, held in registers. Operators act lane by
lane; a scalar operand is cast to the lanes' type and copied to every lane. LLVM splits or joins vectors to
the registers the machine has, so the same code runs on 128, 256 and 512 bits with the same results; what the
loop vectoriser happens to think of a loop no longer matters.
"""

import operator

from llvmlite import ir
from numba.core import types
from numba.core.typing import signature
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model

LANE_GROUP = 16  # a block's lanes are a multiple of this: float32 lanes of the widest registers there are


class Lanes(types.Type):
    """The Numba type of `width` lanes of `dtype`."""

    def __init__(self, dtype, width):
        self.dtype = dtype
        self.width = width
        super().__init__(name=f"Lanes({dtype}, {width})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, lanes):
        # a mask is a vector of single bits, while Numba keeps a scalar boolean in a byte
        element = ir.IntType(1) if lanes.dtype is types.boolean else dmm.lookup(lanes.dtype).get_data_type()
        super().__init__(dmm, lanes, ir.VectorType(element, lanes.width))


def copied(builder, scalar, width):
    """The LLVM vector that holds `scalar` in every lane."""
    undefined = ir.Constant(ir.VectorType(scalar.type, width), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), width), None))


def _operator(function, floating, signed, unsigned, compares=False):
    """Teach Numba one binary operator on lanes: the builder method for each kind of element."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, args, kws):
            lanes = next((a for a in args if isinstance(a, Lanes)), None)
            if lanes is not None and all(a == lanes or isinstance(a, types.Number) for a in args):
                return signature(Lanes(types.boolean, lanes.width) if compares else lanes, *args)

    def lower(context, builder, sig, values):
        lanes = next(a for a in sig.args if isinstance(a, Lanes))
        operands = [
            v if a == lanes else copied(builder, context.cast(builder, v, a, lanes.dtype), lanes.width)
            for a, v in zip(sig.args, values, strict=True)
        ]
        if isinstance(lanes.dtype, types.Float):
            return floating(builder, *operands)
        return (signed if getattr(lanes.dtype, "signed", False) else unsigned)(builder, *operands)

    for pair in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(function, *pair)(lower)


def _comparison(symbol):
    return (
        lambda builder, a, b: builder.fcmp_ordered(symbol, a, b),
        lambda builder, a, b: builder.icmp_signed(symbol, a, b),
        lambda builder, a, b: builder.icmp_unsigned(symbol, a, b),
        True,
    )


_B = ir.IRBuilder
_operator(operator.add, _B.fadd, _B.add, _B.add)
_operator(operator.sub, _B.fsub, _B.sub, _B.sub)
_operator(operator.mul, _B.fmul, _B.mul, _B.mul)
_operator(operator.truediv, _B.fdiv, None, None)
_operator(operator.and_, None, _B.and_, _B.and_)
_operator(operator.or_, None, _B.or_, _B.or_)
_operator(operator.xor, None, _B.xor, _B.xor)
_operator(operator.lshift, None, _B.shl, _B.shl)
_operator(operator.rshift, None, _B.ashr, _B.lshr)
_operator(operator.lt, *_comparison("<"))
_operator(operator.le, *_comparison("<="))
_operator(operator.gt, *_comparison(">"))


def _pointer(context, builder, sig, values, width):
    """Pointer to lanes `index` ... `index + width - 1` of a contiguous array, which is the first argument."""
    array, index = sig.args[:2]
    data = context.make_array(array)(context, builder, values[0]).data
    offset = context.cast(builder, values[1], index, types.intp)
    lanes = ir.VectorType(context.get_data_type(array.dtype), width)
    return builder.bitcast(builder.gep(data, [offset]), lanes.as_pointer())


@intrinsic
def at(typing, array, index):
    """`array[index]` of a contiguous array, unchecked: the test for a negative index costs a tenth of a sweep."""

    def lower(context, builder, sig, values):
        data = context.make_array(sig.args[0])(context, builder, values[0]).data
        return builder.load(builder.gep(data, [context.cast(builder, values[1], sig.args[1], types.intp)]))

    return (array.dtype(array, index), lower) if array.layout == "C" else None


@intrinsic(prefer_literal=True)
def load(typing, array, index, width):
    """Lanes from `width` elements of a contiguous array, the first at flat position `index` (unchecked)."""
    lanes = Lanes(array.dtype, width.literal_value)

    def lower(context, builder, sig, values):
        return builder.load(_pointer(context, builder, sig, values, lanes.width), align=1)

    return (lanes(array, index, width), lower) if array.layout == "C" else None


@intrinsic
def store(typing, array, index, lanes):
    """Write lanes to a contiguous array of their type, the first at flat position `index` (unchecked)."""

    def lower(context, builder, sig, values):
        builder.store(values[2], _pointer(context, builder, sig, values, lanes.width), align=1)
        return context.get_dummy_value()

    return (types.void(array, index, lanes), lower) if lanes.dtype == array.dtype and array.layout == "C" else None


@intrinsic(prefer_literal=True)
def full(typing, value, dtype, width):
    """Lanes of type `dtype` that all hold `value`."""
    lanes = Lanes(dtype.dtype, width.literal_value)

    def lower(context, builder, sig, values):
        return copied(builder, context.cast(builder, values[0], sig.args[0], lanes.dtype), lanes.width)

    return lanes(value, dtype, width), lower


@intrinsic
def convert(typing, lanes, dtype):
    """Each lane converted by value: integers truncated, extended or rounded to floats; floats rounded or extended."""
    source, target = lanes.dtype, dtype.dtype
    result = Lanes(target, lanes.width)

    def lower(context, builder, sig, values):
        if isinstance(source, types.Float):
            cast = builder.fpext if target.bitwidth >= source.bitwidth else builder.fptrunc
        elif isinstance(target, types.Float):
            cast = builder.sitofp if source.signed else builder.uitofp
        elif target.bitwidth < source.bitwidth:
            cast = builder.trunc
        else:
            cast = builder.sext if source.signed else builder.zext
        return cast(values[0], context.get_value_type(result))

    known = isinstance(source, types.Integer) or isinstance(target, types.Float)
    return (result(lanes, dtype), lower) if known else None


@intrinsic
def add_product(typing, total, factor, lanes):
    """total + factor * lanes, `factor` a scalar or lanes, in one instruction if there is one: it must be exact."""

    def lower(context, builder, sig, values):
        contract = ("contract",)  # with one rounding or with two, an exact product gives the same bits
        first = values[1] if factor == lanes else copied(builder, values[1], lanes.width)
        product = builder.fmul(first, values[2], flags=contract)
        return builder.fadd(values[0], product, flags=contract)

    return (total(total, factor, lanes), lower) if total == lanes and factor in (lanes, lanes.dtype) else None


@intrinsic
def bitcast(typing, value, dtype):
    """The same bits, of lanes or of one integer, as lanes of another type; wide ones give several, low first."""
    bitwidth = value.dtype.bitwidth * value.width if isinstance(value, Lanes) else value.bitwidth
    result = Lanes(dtype.dtype, bitwidth // dtype.dtype.bitwidth)

    def lower(context, builder, sig, values):
        return builder.bitcast(values[0], context.get_value_type(result))

    return result(value, dtype), lower


def _halves(context, builder, sig, values):
    """32-bit lanes, or a scalar for all of them, as vectors of 16-bit integers, the low half first."""
    lanes = next(a for a in sig.args if isinstance(a, Lanes))
    parts = [
        v if a == lanes else copied(builder, context.cast(builder, v, a, lanes.dtype), lanes.width)
        for a, v in zip(sig.args, values, strict=True)
    ]
    return [builder.bitcast(part, ir.VectorType(ir.IntType(16), 2 * lanes.width)) for part in parts]


@intrinsic
def products(typing, a, b):
    """a_low b_low + a_high b_high of lanes `a` that hold two signed 16-bit integers each; `b` may be a scalar."""

    def lower(context, builder, sig, values):
        # of all ways to say this, the one that LLVM knows as one instruction of the machine
        wide = ir.VectorType(ir.IntType(32), 2 * a.width)
        product = builder.mul(*(builder.sext(part, wide) for part in _halves(context, builder, sig, values)))
        undefined = ir.Constant(wide, ir.Undefined)
        low, high = (
            ir.Constant(ir.VectorType(ir.IntType(32), a.width), [2 * k + half for k in range(a.width)])
            for half in (0, 1)
        )
        return builder.add(
            builder.shuffle_vector(product, undefined, low), builder.shuffle_vector(product, undefined, high)
        )

    return a(a, b), lower


@intrinsic
def less_products(typing, a, b, c):
    """a - b c of both 16-bit integers that each lane holds; `c` may be a scalar."""

    def lower(context, builder, sig, values):
        first, second, third = _halves(context, builder, sig, values)
        return builder.bitcast(builder.sub(first, builder.mul(second, third)), values[0].type)

    return a(a, b, c), lower


@intrinsic
def select(typing, mask, a, b):
    """`a` in the lanes where `mask` is set, `b` in the others."""
    return a(mask, a, b), lambda context, builder, sig, values: builder.select(*values)


@intrinsic
def total(typing, lanes):
    """The sum of float lanes, one after the other."""

    def lower(context, builder, sig, values):
        found = builder.extract_element(values[0], ir.Constant(ir.IntType(32), 0))
        for e in range(1, lanes.width):
            found = builder.fadd(found, builder.extract_element(values[0], ir.Constant(ir.IntType(32), e)))
        return found

    return lanes.dtype(lanes), lower


@intrinsic
def bits(typing, mask):
    """A mask as an unsigned integer of as many bits, lane 0 in the lowest."""
    integer = types.Integer.from_bitwidth(mask.width, False)

    def lower(context, builder, sig, values):
        return builder.bitcast(values[0], ir.IntType(mask.width))

    return integer(mask), lower


@intrinsic
def flags(typing, words):
    """The bits of unsigned lanes as a mask, the lowest bit of the first lane first: what `bits` makes, undone."""
    mask = Lanes(types.boolean, words.width * words.dtype.bitwidth)

    def lower(context, builder, sig, values):
        return builder.bitcast(values[0], context.get_value_type(mask))

    return mask(words), lower


@intrinsic(prefer_literal=True)
def gather(typing, array, positions, index, width):
    """Lanes `array[positions[index + e]]`, e = 0 ... width - 1, of flat positions (unchecked)."""
    lanes = Lanes(array.dtype, width.literal_value)

    def lower(context, builder, sig, values):
        data = context.make_array(sig.args[0])(context, builder, values[0]).data
        listed = context.make_array(sig.args[1])(context, builder, values[1]).data
        first = context.cast(builder, values[2], sig.args[2], types.intp)
        vector = ir.Constant(context.get_value_type(lanes), ir.Undefined)
        for e in range(lanes.width):
            position = builder.load(builder.gep(listed, [builder.add(first, ir.Constant(first.type, e))]))
            position = context.cast(builder, position, sig.args[1].dtype, types.intp)
            element = builder.load(builder.gep(data, [position]))
            vector = builder.insert_element(vector, element, ir.Constant(ir.IntType(32), e))
        return vector

    return lanes(array, positions, index, width), lower


@intrinsic
def trailing_zeros(typing, word):
    """The number of the lowest bit that is set in an unsigned integer, which is not 0."""

    def lower(context, builder, sig, values):
        count = builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))
        return builder.zext(count, ir.IntType(64))

    return (types.int64(word), lower) if word in (types.uint32, types.uint64) else None


@intrinsic
def nonzero(typing, lanes):
    """The lanes that are not zero, as an unsigned integer of one bit a lane."""

    def lower(context, builder, sig, values):
        mask = builder.icmp_unsigned("!=", values[0], ir.Constant(values[0].type, None))
        return builder.zext(builder.bitcast(mask, ir.IntType(lanes.width)), ir.IntType(64))

    return types.uint64(lanes), lower


@intrinsic(prefer_literal=True)
def spread(typing, word, dtype, width):
    """Lanes whose bits are all set or all clear, as bit e of an unsigned integer of `width` bits says for lane e."""
    lanes = Lanes(dtype.dtype, width.literal_value)

    def lower(context, builder, sig, values):
        mask = builder.bitcast(values[0], ir.VectorType(ir.IntType(1), lanes.width))
        return builder.sext(mask, context.get_value_type(lanes))

    return (lanes(word, dtype, width), lower) if word.bitwidth == lanes.width else None


def _lanes_at(context, builder, array, value, first, width):
    """A function of an LLVM offset: the pointer to `width` elements of a contiguous array from `first` + offset on."""
    data = context.make_array(array)(context, builder, value).data
    lanes = ir.VectorType(context.get_data_type(array.dtype), width)
    return lambda offset: builder.bitcast(builder.gep(data, [builder.add(first, offset)]), lanes.as_pointer())


def shuffled(builder, a, b, places):
    """The lanes `places` of a and b side by side."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places)))


@intrinsic
def transpose(typing, source, first, stride, target, place, step):
    """target[place + step e + k] = source[first + stride k + e], e and k of a line of 64 bytes, flat and unchecked.

    Rounds exchange the lanes of rows that differ in one bit: four of 16 numbers of 32 bits, three of 8 of 64.
    """
    size = 512 // source.dtype.bitwidth

    def lower(context, builder, sig, values):
        whole = [context.cast(builder, values[k], sig.args[k], types.intp) for k in (1, 2, 4, 5)]
        read = _lanes_at(context, builder, source, values[0], whole[0], size)
        write = _lanes_at(context, builder, target, values[3], whole[2], size)
        rows = [builder.load(read(builder.mul(whole[1], whole[1].type(k))), align=1) for k in range(size)]
        for bit in (1, 2, 4, 8)[: size.bit_length() - 1]:
            low = [k if not k & bit else size + (k ^ bit) for k in range(size)]
            high = [k | bit if not k & bit else size + k for k in range(size)]
            for k in range(size):
                if not k & bit:
                    a, b = rows[k], rows[k | bit]
                    rows[k], rows[k | bit] = shuffled(builder, a, b, low), shuffled(builder, a, b, high)
        for e in range(size):
            builder.store(rows[e], write(builder.mul(whole[3], whole[3].type(e))), align=1)
        return context.get_dummy_value()

    return types.void(source, first, stride, target, place, step), lower


@intrinsic(prefer_literal=True)
def load_groups(typing, array, index, step, width):
    """Lanes from groups of 16 neighbouring elements, the groups `step` apart, the first at `index` (unchecked)."""
    lanes, size = Lanes(array.dtype, width.literal_value), 16

    def lower(context, builder, sig, values):
        first, apart = (context.cast(builder, values[k], sig.args[k], types.intp) for k in (1, 2))
        read = _lanes_at(context, builder, sig.args[0], values[0], first, size)
        groups = [builder.load(read(builder.mul(apart, apart.type(k))), align=1) for k in range(lanes.width // size)]
        while len(groups) > 1:
            both = range(2 * groups[0].type.count)
            groups = [shuffled(builder, a, b, both) for a, b in zip(groups[::2], groups[1::2], strict=True)]
        return groups[0]

    return (lanes(array, index, step, width), lower) if array.layout == "C" else None


@intrinsic
def store_groups(typing, array, index, step, lanes):
    """Write lanes in groups of 16 neighbouring elements, the groups `step` apart, the first at `index` (unchecked)."""
    size = 16

    def lower(context, builder, sig, values):
        first, apart = (context.cast(builder, values[k], sig.args[k], types.intp) for k in (1, 2))
        write = _lanes_at(context, builder, sig.args[0], values[0], first, size)
        for k in range(lanes.width // size):
            group = shuffled(builder, values[3], values[3], range(size * k, size * k + size))
            builder.store(group, write(builder.mul(apart, apart.type(k))), align=1)
        return context.get_dummy_value()

    return (types.void(array, index, step, lanes), lower) if array.layout == "C" else None
