"""States carried out of a block and into another, for proofs of the functions that do it (fastgibbs.testing)."""

from fastgibbs.engines.contract import restore, retain, snapshot
from fastgibbs.jit import njit


@njit
def carry(plan, state, words, other, kept, better):
    """Write the state to `words`, set the state `other` from these, and copy the lanes that are `better` to `kept`."""
    snapshot(plan, state, words)
    restore(plan, other, words)
    retain(plan, state, kept, better)
