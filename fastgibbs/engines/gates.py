"""Gates at which the threads that share a block wait for each other, between the colours of a sweep.

Who may touch what: between two meetings either every worker works, or worker 0 alone, never both. Where every worker
works, each reads what nobody writes until they meet again, and writes what is its own: spins, streams and scratch of
its tiles, its counters. Where worker 0 works alone - it prepares a sweep, copies ghosts, adds up and records what was
measured - it may touch everything, and the others do nothing at all, not even to what is their own: a sweep begins
with worker 0 alone, and a measurement ends so. A worker that is `late`, as tests make it, shows what breaks this rule.

A gate is a counter, uint64 (1,), zero at first: each arrival adds 1, and a crew goes on when all have come, or when
the gate is BROKEN, since one of them never will.
Waiting is spinning, since a colour takes microseconds; a thread that waits longer offers its core to others.
"""

import sys

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastgibbs.jit import inlined

BROKEN = 2**63  # more than all arrivals
_YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"


def _counter(context, builder, sig, values):
    return context.make_array(sig.args[0])(context, builder, values[0]).data


@intrinsic
def _arrive(typing, gate):
    """Add 1 to the gate and return what it was."""

    def lower(context, builder, sig, values):
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", _counter(context, builder, sig, values), one, "seq_cst")

    return types.uint64(gate), lower


@intrinsic
def _arrivals(typing, gate):
    """What the gate is now."""

    def lower(context, builder, sig, values):
        return builder.load_atomic(_counter(context, builder, sig, values), "seq_cst", 8)

    return types.uint64(gate), lower


@intrinsic
def _offer_core(typing):
    """Let other threads run on this core."""

    def lower(context, builder, sig, values):
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), _YIELD)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), lower


@inlined
def meet(crew):
    """Wait until every worker of the crew has come here."""
    workers = crew.workers
    if workers > 1:
        goal = (_arrive(crew.gate) // np.uint64(workers) + np.uint64(1)) * np.uint64(workers)
        goal = min(goal, np.uint64(BROKEN))
        tries = 0
        while _arrivals(crew.gate) < goal:
            tries += 1
            if tries > 2000:
                _offer_core()
        for _ in range(crew.late):
            _offer_core()
