"""Neighbours of the multi-spin engine's cells: words side by side where they lie together, or one by one."""

from fastgibbs.engines.bitslices import PART, masks, prefetch, whole_masks
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.vectors import at, gather, load
from fastgibbs.jit import inlined

CACHED = 2**16  # words of spins that are near anyway: no line is asked for ahead
AHEAD = 4  # vectors: some 300 ns, more than memory takes


@inlined
def bonds_of(plan):
    """What of a plan says where neighbours are: compiling calls that take all of it would be felt."""
    return plan.runs, plan.listed, plan.sign_bytes, plan.sign_words


@inlined
def neighbor(bonds, spins, entry, part):
    """A neighbour of words `part` ... of a vector, turned so that 1 pushes up; `entry` is vector * slots + slot."""
    runs, listed, sign_bytes, sign_words = bonds
    begin = at(runs, entry)
    words = load(spins, begin + part, PART) if begin >= 0 else gather(spins, listed, part - 1 - begin, PART)
    if sign_bytes.size > 0:
        words = words ^ masks(at(sign_bytes, entry), part)
    elif sign_words.size > 0:
        words = words ^ load(sign_words, VECTOR * entry + part, PART)
    return words


@inlined
def whole_neighbor(bonds, spins, entry):
    """As `neighbor`, of a whole vector."""
    runs, listed, sign_bytes, sign_words = bonds
    begin = at(runs, entry)
    words = load(spins, begin, VECTOR) if begin >= 0 else gather(spins, listed, -1 - begin, VECTOR)
    if sign_bytes.size > 0:
        words = words ^ whole_masks(at(sign_bytes, entry), 0)
    elif sign_words.size > 0:
        words = words ^ load(sign_words, VECTOR * entry, VECTOR)
    return words


@inlined
def fetch_neighbors(runs, spins, slots, degree, vector, end):
    """Ask for the neighbours of a vector that comes soon, before vector `end`, where they lie together."""
    if spins.size > CACHED and vector + AHEAD < end:
        for entry in range((vector + AHEAD) * slots, (vector + AHEAD) * slots + degree):
            begin = at(runs, entry)
            if begin >= 0:
                prefetch(spins, begin)
