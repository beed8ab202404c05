"""Neighbours of the multi-spin engine's cells: words side by side where they lie together, or one by one."""

from fastgibbs.engines import rare
from fastgibbs.engines.bitslices import PART, negative, prefetch
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.vectors import at, gather, load
from fastgibbs.jit import inlined

CACHED = 2**16  # words of spins that are near anyway: no line is asked for ahead
AHEAD = 4  # vectors: some 300 ns, more than memory takes


@inlined
def neighbor(plan, state, entry, part):
    """A neighbour of words `part` ... of a vector, turned so that 1 pushes up; `entry` is vector * slots + slot."""
    begin = at(plan.runs, entry)
    if begin >= 0:
        words = load(state.spins, begin + part, PART)
    else:
        words = gather(state.spins, plan.listed, part - 1 - begin, PART)
    if plan.sign_bytes.size > 0:
        words = words ^ negative(at(plan.sign_bytes, entry), part)
    elif plan.sign_words.size > 0:
        words = words ^ load(plan.sign_words, VECTOR * entry + part, PART)
    return words


@inlined
def whole_neighbor(plan, state, entry):
    """As `neighbor`, of a whole vector."""
    begin = at(plan.runs, entry)
    words = load(state.spins, begin, VECTOR) if begin >= 0 else gather(state.spins, plan.listed, -1 - begin, VECTOR)
    if plan.sign_bytes.size > 0:
        words = words ^ rare.masks(at(plan.sign_bytes, entry))
    elif plan.sign_words.size > 0:
        words = words ^ load(plan.sign_words, VECTOR * entry, VECTOR)
    return words


@inlined
def fetch_neighbors(plan, state, vector, end, degree):
    """Ask for the neighbours of a vector that comes soon, before vector `end`, where they lie together."""
    if state.spins.size > CACHED and vector + AHEAD < end:
        for entry in range((vector + AHEAD) * plan.slots, (vector + AHEAD) * plan.slots + degree):
            begin = at(plan.runs, entry)
            if begin >= 0:
                prefetch(state.spins, begin)
