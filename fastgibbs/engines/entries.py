"""A block as drivers see it: a room that holds plan and state, and the addresses of what the engine does with them.

Drivers know nothing of engines, so that one compilation of each serves all, and what an engine does is compiled once
for all drivers. A call by address costs a few nanoseconds where a sweep takes hundreds.
"""

import numpy as np
from llvmlite import ir
from numba import typeof, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from fastgibbs.engines import contract
from fastgibbs.engines.contract import Crew
from fastgibbs.jit import called, inlined, njit

ROOM = 1024  # words: more than any plan and state take
_HELD = 8  # the word where they begin, past the addresses


class _Held(types.Type):
    """The Numba type of the place where a tuple lies, for those who know what it holds."""

    def __init__(self, content):
        self.content = content
        super().__init__(name=f"Held({content})")


@register_model(_Held)
class _HeldModel(models.PrimitiveModel):
    def __init__(self, dmm, held):
        super().__init__(dmm, held, ir.IntType(8).as_pointer())


def _word(context, builder, kind, room, number):
    """Where a word of a room lies."""
    data = context.make_array(kind)(context, builder, room).data
    return builder.gep(data, [context.get_constant(types.intp, number)])


@intrinsic
def _hold(typing, room, content):
    """Write a tuple to a room; where it lies."""

    def lower(context, builder, sig, values):
        of_tuple = context.get_value_type(sig.args[1])
        if context.get_abi_sizeof(of_tuple) > 8 * (ROOM - _HELD):
            raise ValueError(f"{sig.args[1]} takes more than {ROOM} words")
        place = _word(context, builder, sig.args[0], values[0], _HELD)
        builder.store(values[1], builder.bitcast(place, of_tuple.as_pointer()), align=8)
        return builder.bitcast(place, ir.IntType(8).as_pointer())

    return _Held(content)(room, content), lower


@intrinsic
def _content(typing, held):
    """The tuple that lies there."""

    def lower(context, builder, sig, values):
        of_tuple = context.get_value_type(sig.return_type)
        return builder.load(builder.bitcast(values[0], of_tuple.as_pointer()), align=8)

    return held.content(held), lower


@called
def _sweep(held, rungs, rule, scan, counts, crew):
    plan, state, _ = _content(held)
    contract.sweep(plan, state, rungs, rule, scan, counts, crew)


@called
def _measure(held, energies, magnetizations, crew):
    plan, state, _ = _content(held)
    contract.measure(plan, state, energies, magnetizations, crew)


@called
def _tell(held, rungs, values, row):
    plan, state, _ = _content(held)
    contract.tell(plan, state, rungs, values, row)


@called
def _snapshot(held, words):
    plan, state, _ = _content(held)
    contract.snapshot(plan, state, words)


@called
def _restore(held, words):
    plan, state, _ = _content(held)
    contract.restore(plan, state, words)


@called
def _retain(held, better):
    plan, state, kept = _content(held)
    contract.retain(plan, state, kept, better)


@called
def _exactly(held, ups, energy):
    plan, _, _ = _content(held)
    return contract.exactly(plan, ups, energy)


_INTEGERS, _FLOATS, _WORDS, _BYTES = types.int64[::1], types.float64[::1], types.uint16[:, ::1], types.uint8[::1]
_ROWS = types.float64[:, ::1]
_CREW = typeof(Crew(0, 1, np.zeros(1, np.uint64), 0))
_SWEEP, _MEASURE, _SNAPSHOT, _RESTORE, _RETAIN, _EXACTLY, _TELL = range(7)
_ENTRIES = (  # each: its body, the types of its arguments but the first, and that of what it returns
    (_sweep, (_INTEGERS, types.int64, types.int64, types.int64, _CREW), types.none),
    (_measure, (_FLOATS, _FLOATS, _CREW), types.none),
    (_snapshot, (_WORDS,), types.none),
    (_restore, (_WORDS,), types.none),
    (_retain, (_BYTES,), types.none),
    (_exactly, (_BYTES, types.float64), types.float64),
    (_tell, (_INTEGERS, _ROWS, types.int64), types.none),
)


@intrinsic(prefer_literal=True)
def _address(typing, held, number):
    """The address of an entry that knows what lies there."""
    if not isinstance(number, types.Literal):  # the second try, after what the first has raised
        return None
    body, kinds, _ = _ENTRIES[number.literal_value]
    body.compile((held, *kinds))
    compiled = body.overloads[held, *kinds]

    def lower(context, builder, sig, values):
        context.active_code_library.add_linking_library(compiled.library)
        function = context.declare_function(builder.module, compiled.fndesc)
        return builder.ptrtoint(function, ir.IntType(64))

    return types.uint64(held, number), lower


@intrinsic(prefer_literal=True)
def _call(typing, room, number, arguments):
    """Call an entry of a room."""
    if not isinstance(number, types.Literal):
        return None
    _, kinds, returned = _ENTRIES[number.literal_value]

    def lower(context, builder, sig, values):
        convention, of_body = context.call_conv, (_Held(types.none), *kinds)
        address = builder.load(_word(context, builder, sig.args[0], values[0], number.literal_value))
        function = builder.inttoptr(address, convention.get_function_type(returned, of_body).as_pointer())
        place = _word(context, builder, sig.args[0], values[0], _HELD)
        given = [builder.extract_value(values[2], k) for k in range(len(kinds))]
        held = builder.bitcast(place, ir.IntType(8).as_pointer())
        status, result = convention.call_function(builder, function, returned, of_body, [held, *given])
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result

    return returned(room, number, types.BaseTuple.from_types(kinds)), lower


@njit
def hold(plan, state, kept, room):
    """Make a room, uint64 (ROOM,), the block of a plan and a state."""
    held = _hold(room, (plan, state, kept))
    room[_SWEEP] = _address(held, _SWEEP)
    room[_MEASURE] = _address(held, _MEASURE)
    room[_SNAPSHOT] = _address(held, _SNAPSHOT)
    room[_RESTORE] = _address(held, _RESTORE)
    room[_RETAIN] = _address(held, _RETAIN)
    room[_EXACTLY] = _address(held, _EXACTLY)
    room[_TELL] = _address(held, _TELL)


def opened(plan, state, kept=None) -> np.ndarray:
    """The block of a plan and a state, uint64 (words,), for as long as these live; `retain` copies to `kept`."""
    room = np.empty(ROOM, np.uint64)
    hold(plan, state, state.spins if kept is None else kept, room)
    return room


@inlined
def sweep(block, rungs, rule, scan, counts, crew):
    """`contract.sweep` of a block."""
    _call(block, _SWEEP, (rungs, rule, scan, counts, crew))


@inlined
def measure(block, energies, magnetizations, crew):
    """`contract.measure` of a block."""
    _call(block, _MEASURE, (energies, magnetizations, crew))


@inlined
def tell(block, rungs, values, row):
    """`contract.tell` of a block."""
    _call(block, _TELL, (rungs, values, row))


@inlined
def snapshot(block, words):
    """`contract.snapshot` of a block."""
    _call(block, _SNAPSHOT, (words,))


@inlined
def restore(block, words):
    """`contract.restore` of a block."""
    _call(block, _RESTORE, (words,))


@inlined
def retain(block, better):
    """`contract.retain` of a block, to what it was opened with."""
    _call(block, _RETAIN, (better,))


@inlined
def exactly(block, ups, energy):
    """`contract.exactly` of a block."""
    return _call(block, _EXACTLY, (ups, energy))
