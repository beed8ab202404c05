"""Small integers of 64 lanes at once, one bit plane a word: counting, telling classes apart, choosing by class.

A number is a tuple of planes, lowest bit first; a plane is `Lanes` of PART 64-bit words. How many planes or classes
there are is known when a kernel is compiled, from the length of a tuple, so that everything here is unrolled. In arrays
planes are VECTOR words apart: a vector's parts lie side by side, whatever the registers of the machine hold.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.vectors import Lanes, copied, load, store
from fastgibbs.jit import called, target

PART = 8 if target()[1] == 512 else 4  # words of a vector handled at once: more would not stay in the registers
PLANE = Lanes(types.uint64, PART)
FUNCTIONS = 16  # of two planes
_WORDS = ir.VectorType(ir.IntType(64), PART)


def _unrolled(emit):
    """The lowering of an intrinsic whose tuples are taken apart: `emit(builder, *arguments)` gives the result."""

    def lower(context, builder, sig, values):
        arguments = [
            [builder.extract_value(value, k) for k in range(kind.count)] if isinstance(kind, types.UniTuple) else value
            for kind, value in zip(sig.args, values, strict=True)
        ]
        result = emit(builder, *arguments)
        return context.make_tuple(builder, sig.return_type, result) if isinstance(result, list) else result

    return lower


def _planes(context, builder, kinds, values, count, words=_WORDS):
    """Pointers to `count` planes in an array of words, the first at a flat position (unchecked): `values` are both."""
    data = context.make_array(kinds[0])(context, builder, values[0]).data
    first = context.cast(builder, values[1], kinds[1], types.intp)
    places = [builder.gep(data, [builder.add(first, ir.Constant(first.type, VECTOR * k))]) for k in range(count)]
    return [builder.bitcast(place, words.as_pointer()) for place in places]


def whole_bit(builder, whole, k, width=PART):
    """Bit k of a 64-bit integer in all lanes: a plane, of so many words."""
    bit = builder.and_(builder.lshr(whole, ir.Constant(whole.type, k)), ir.Constant(whole.type, 1))
    return copied(builder, builder.neg(bit), width)


def _numbering(width):
    """The function that gives a number in all lanes, in planes of `width` words."""

    @intrinsic
    def number(typing, most, value):
        """The number `value` in all lanes, with planes enough to count to the length of `most`."""
        planes = types.UniTuple(Lanes(types.uint64, width), most.count.bit_length())

        def lower(context, builder, sig, values):
            whole = context.cast(builder, values[1], value, types.int64)
            bits = [whole_bit(builder, whole, k, width) for k in range(planes.count)]
            return context.make_tuple(builder, planes, bits)

        return planes(most, value), lower

    return number


number, whole_number = _numbering(PART), _numbering(VECTOR)


@intrinsic
def increment(typing, number, bit, other):
    """The number plus two bits a lane, modulo 2^planes."""

    def emit(builder, planes, bit, other):
        half = builder.xor(bit, other)
        result = [builder.xor(planes[0], half)]
        carry = builder.or_(builder.and_(bit, other), builder.and_(planes[0], half))
        for plane in planes[1:]:
            result.append(builder.xor(plane, carry))
            carry = builder.and_(plane, carry)
        return result

    return number(number, bit, other), _unrolled(emit)


@intrinsic
def plus(typing, number, other):
    """The sum of two numbers, modulo 2^planes of the first, which has at least as many planes."""

    def emit(builder, planes, others):
        result, carry = [], None
        for k, plane in enumerate(planes):
            addends = [a for a in (others[k] if k < len(others) else None, carry) if a is not None]
            total, carry = plane, None
            for addend in addends:
                overflow = builder.and_(total, addend)
                total = builder.xor(total, addend)
                carry = overflow if carry is None else builder.or_(carry, overflow)
            result.append(total)
        return result

    return number(number, other), _unrolled(emit)


@intrinsic
def reflected(typing, number, bit, total, start):
    """With n = number - start: total - n in the lanes where the bit is set, n in the others; modulo 2^planes.

    Two's complement: total - n = ~number + (total + start + 1).
    """

    def lower(context, builder, sig, values):
        whole, first = (context.cast(builder, values[k], sig.args[k], types.int64) for k in (2, 3))
        above, below = builder.add(builder.add(whole, first), ir.Constant(whole.type, 1)), builder.neg(first)
        result, carry = [], None
        for k in range(number.count):
            turned = builder.xor(builder.extract_value(values[0], k), values[1])
            other, width = whole_bit(builder, below, k, number.dtype.width), number.dtype.width
            addend = builder.xor(
                other, builder.and_(values[1], builder.xor(other, whole_bit(builder, above, k, width)))
            )
            half = builder.xor(turned, addend)
            overflow = builder.and_(turned, addend)
            result.append(half if carry is None else builder.xor(half, carry))
            carry = overflow if carry is None else builder.or_(overflow, builder.and_(half, carry))
        return context.make_tuple(builder, sig.return_type, result)

    return number(number, bit, total, start), lower


@intrinsic
def folded(typing, number, sides, evens):
    """In lanes of `sides` how far a number of p planes is from the middle, rounded down; the number itself in others.

    The middle is 2^(p-1) - 1 in lanes of `evens`, which are some of the `sides`, and in others a half more.
    """

    def emit(builder, planes, sides, evens):
        turned, carry = builder.and_(builder.not_(planes[-1]), sides), builder.and_(planes[-1], evens)
        result = []
        for plane in planes[:-1]:
            bit = builder.xor(plane, turned)
            result.append(builder.xor(bit, carry))
            carry = builder.and_(bit, carry)
        return [*result, builder.and_(planes[-1], builder.not_(sides))]

    return number(number, sides, evens), _unrolled(emit)


@intrinsic
def classes(typing, number, kinds):
    """For k = 0 ... 6 and below len(kinds), the lanes in which the number, which is below len(kinds), is k."""
    masks = types.UniTuple(PLANE, min(kinds.count, 7))

    def emit(builder, planes, _):
        result = []
        for k in range(masks.count):
            mask = None
            for i, plane in enumerate(planes):
                if not k >> i & 1:
                    if k | 1 << i >= kinds.count:  # a bit that no such number has
                        continue
                    plane = builder.not_(plane)
                mask = plane if mask is None else builder.and_(mask, plane)
            result.append(mask)
        return result

    return masks(number, kinds), _unrolled(emit)


@intrinsic
def equal(typing, number, value):
    """The lanes in which a number is `value`."""

    def lower(context, builder, sig, values):
        whole = context.cast(builder, values[1], value, types.int64)
        differs = None
        for k in range(number.count):
            other = builder.xor(builder.extract_value(values[0], k), whole_bit(builder, whole, k))
            differs = other if differs is None else builder.or_(differs, other)
        return builder.not_(differs)

    return PLANE(number, value), lower


@intrinsic
def choose(typing, masks, table, index):
    """In each lane the bit of its class: that of class 0, turned where table[index + 8 k ...] says so for its class k.

    The table has the bits of class 0 first; every lane is of one class, so that class 0 needs no mask.
    """

    def lower(context, builder, sig, values):
        planes = _planes(context, builder, sig.args[1:], values[1:], masks.count)
        result = builder.load(planes[0], align=1)
        for k in range(1, masks.count):
            turned = builder.and_(builder.extract_value(values[0], k), builder.load(planes[k], align=1))
            result = builder.xor(result, turned)
        return result

    return PLANE(masks, table, index), lower


@intrinsic
def keep(typing, planes, array, index):
    """Write all planes of a tuple to an array of words, the first at flat position `index` (unchecked)."""

    def lower(context, builder, sig, values):
        words = context.get_value_type(planes.dtype)
        for k, plane in enumerate(_planes(context, builder, sig.args[1:], values[1:], planes.count, words)):
            builder.store(builder.extract_value(values[0], k), plane, align=1)
        return context.get_dummy_value()

    return types.void(planes, array, index), lower


@intrinsic
def keep_functions(typing, number, kinds, array, index):
    """Write all functions of the number n of a number's two lower planes: function i holds where bit n of i is set.

    n is below 4 and len(kinds). Each is PART words, side by side, the first at flat position `index` (unchecked).
    """
    count = min(kinds.count, 4)

    def lower(context, builder, sig, values):
        low, high = (builder.extract_value(values[0], k) for k in range(2))
        both = builder.and_(low, high)
        others = [builder.xor(low, both), builder.xor(high, both), both] if count == 4 else [low, high]
        functions = [ir.Constant(_WORDS, None), builder.not_(builder.or_(low, high))]
        for mask in others:
            functions += [builder.xor(function, mask) for function in functions]
        data = context.make_array(array)(context, builder, values[2]).data
        first = context.cast(builder, values[3], index, types.intp)
        for k, function in enumerate(functions):
            place = builder.gep(data, [builder.add(first, ir.Constant(first.type, PART * k))])
            builder.store(function, builder.bitcast(place, _WORDS.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(number, kinds, array, index), lower


@intrinsic
def kept(typing, most, array, index):
    """The number of `len(most).bit_length()` planes that `keep` wrote to an array at flat position `index`."""
    planes = types.UniTuple(PLANE, most.count.bit_length())

    def lower(context, builder, sig, values):
        pointers = _planes(context, builder, sig.args[1:], values[1:], planes.count)
        return context.make_tuple(builder, planes, [builder.load(plane, align=1) for plane in pointers])

    return planes(most, array, index), lower


def _masking(width):
    """The function that gives `width` words whose bits are all set or all clear."""

    @intrinsic
    def masks(typing, bits, part):
        """Words whose bits are all set or all clear, as bits `part` ... of a byte say."""
        lanes = Lanes(types.uint64, width)

        def lower(context, builder, sig, values):
            words = context.get_value_type(lanes)
            if PART == VECTOR:  # a mask register of the machine
                return builder.sext(builder.bitcast(values[0], ir.VectorType(ir.IntType(1), width)), words)
            rows = [ir.Constant(words, [-(row >> k & 1) for k in range(width)]) for row in range(2**width)]
            table = cgutils.global_constant(builder, "masks", ir.Constant(ir.ArrayType(words, 2**width), rows))
            first = context.cast(builder, values[1], part, types.uint8)
            row = builder.and_(builder.lshr(values[0], first), ir.Constant(first.type, 2**width - 1))
            place = [ir.Constant(ir.IntType(64), 0), builder.zext(row, ir.IntType(64))]
            return builder.load(builder.gep(table, place, inbounds=True))

        return (lanes(bits, part), lower) if bits == types.uint8 else None

    return masks


masks, whole_masks = _masking(PART), _masking(VECTOR)


@intrinsic
def prefetch(typing, array, index):
    """Ask for the cache line of `array[index]`, and go on: nothing is read."""

    def lower(context, builder, sig, values):
        whole = ir.IntType(32)
        (plane,) = _planes(context, builder, sig.args, values, 1)
        place = builder.bitcast(plane, ir.IntType(8).as_pointer())
        of_kind = ir.FunctionType(ir.VoidType(), [place.type, whole, whole, whole])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], of_kind)
        builder.call(fetch, [place, whole(0), whole(3), whole(1)])  # to read, into all caches, data
        return context.get_dummy_value()

    return types.void(array, index), lower


@intrinsic
def seldom(typing, condition):
    """The condition, with a hint that it is nearly always false: its branch leaves the hot path's registers alone."""

    def lower(context, builder, sig, values):
        bit = ir.IntType(1)
        expect = builder.module.declare_intrinsic("llvm.expect", [bit], ir.FunctionType(bit, [bit, bit]))
        return builder.call(expect, [values[0], ir.Constant(bit, 0)])

    return types.boolean(condition), lower


@intrinsic
def ones(typing, word):
    """How many bits of a word are set."""

    def lower(context, builder, sig, values):
        return builder.ctpop(values[0])

    return types.int64(word), lower


@called
def transpose(rows, first):
    """Transpose eight 64 x 64 bit matrices: bit b of word first + 8 r + c becomes bit r of word first + 8 b + c.

    Off-diagonal quarters change places, then those of each quarter, and so on (Warren, Hacker's Delight, 2013, 7-3).
    """
    step, mask = 32, 0xFFFFFFFF
    while step > 0:
        for row in range(64):
            if row & step == 0:
                a, b = load(rows, first + 8 * row, 8), load(rows, first + 8 * (row + step), 8)
                change = ((a >> step) ^ b) & mask
                store(rows, first + 8 * row, a ^ (change << step))
                store(rows, first + 8 * (row + step), b ^ change)
        step >>= 1
        mask ^= mask << step
