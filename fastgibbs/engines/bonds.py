"""The bonds of an Ising model as cluster moves read them: whole words of them where they lie on diagonals.

A bond (i, j), i < j, lies on diagonal j - i. A lattice has few diagonals with many bonds of one |J| each: whether 64 of
these are satisfied is then a few operations on words of 64 sites, and chance takes a few more. All other bonds are in
a list. Fields bind sites to a ghost, a spin that is always up.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import exp64
from fastgibbs.engines.streams import next_word
from fastgibbs.jit import inlined

LINE = 8  # words that are handled at once
FEWEST = 8  # bonds of a diagonal
_SPARSEST = 64  # and at least one in so many sites
PAD = LINE  # words of zeros before the bits of sites, where some are read that lie before the first
ALL, ONE, TWO = np.uint64(2**64 - 1), np.uint64(1), np.uint64(2)


class Bonds(NamedTuple):
    """A model's bonds. Bit i % 64 of word i // 64 of a diagonal is that between sites i - offset and i."""

    n: int
    offsets: np.ndarray  # int64 (rows,): of the diagonals, each once; the first is 1, whether or not there are such
    rows: np.ndarray  # int64 (kinds,): where the offset of each kind stands
    strengths: np.ndarray  # float64 (kinds,): |J|
    present: np.ndarray  # uint64 (kinds, words): its bonds; the words are whole lines
    against: np.ndarray  # uint64 (kinds, words): those of J < 0
    pairs: np.ndarray  # int32 (2, others): all other bonds
    couplings: np.ndarray  # float64 (others,): their J
    sites: np.ndarray  # int32 (fields,): the sites with a field
    fields: np.ndarray  # float64 (fields,): h of these
    held: np.ndarray  # int32: the sites that are clamped


def words_of(n: int) -> int:
    """Words of n bits, in whole lines."""
    return -(-n // (64 * LINE)) * LINE


def bonds_of(model, held=()) -> Bonds:
    """The bonds of an Ising model, whose sites `held` are clamped."""
    i, j, J = model.bonds
    strength, distance, listed, kinds = np.abs(J), j - i, np.ones(J.size, bool), []
    order = np.lexsort((strength, distance))
    alike = (np.diff(distance[order]) == 0) & (np.diff(strength[order]) == 0)
    ends = [0, *np.flatnonzero(~alike) + 1, J.size]
    fewest = max(FEWEST, model.n / _SPARSEST)
    for number in np.flatnonzero(np.diff(ends) >= fewest):
        mine = order[ends[number] : ends[number + 1]]
        listed[mine] = False
        against = j[mine[J[mine] < 0]]
        kinds.append((distance[mine[0]], strength[mine[0]], _bits(model.n, j[mine]), _bits(model.n, against)))
    offsets = np.unique([1, *(kind[0] for kind in kinds)]).astype(np.int64)
    sites = np.flatnonzero(model.fields)
    shape = len(kinds), words_of(model.n)
    arrays = (
        offsets,
        np.searchsorted(offsets, [kind[0] for kind in kinds]),
        np.array([kind[1] for kind in kinds], float),
        np.array([kind[2] for kind in kinds], np.uint64).reshape(shape),
        np.array([kind[3] for kind in kinds], np.uint64).reshape(shape),
        np.stack([i[listed], j[listed]]).astype(np.int32),
        J[listed],
        sites.astype(np.int32),
        model.fields[sites],
        np.array(held, np.int32),
    )
    for array in arrays:
        array.flags.writeable = False  # as the arrays of models are: checkpoints hold what is not
    return Bonds(model.n, *arrays)


def _bits(n: int, sites) -> np.ndarray:
    """Words whose bits are set at these sites, uint64."""
    ups = np.zeros(64 * words_of(n), np.uint8)
    ups[sites] = 1
    return np.packbits(ups, bitorder="little").view("<u8").astype(np.uint64)


@inlined
def satisfied(J, beta, alike):
    """Whether beta J s s' > 0, of spins that are alike or not."""
    return J != 0 and beta != 0 and ((J > 0) == (beta > 0)) == alike


@inlined
def probability(beta, J):
    """Of a satisfied bond to be on: 1 - exp(-2 |beta J|)."""
    return 1.0 - exp64(max(-2.0 * abs(beta * J), -700.0))


@inlined
def chance(stream, p):
    """True with probability p."""
    return np.float64(next_word(stream) >> np.uint64(11)) * 2.0**-53 < p


@inlined
def up(spins, site):
    """1 if a site is up, else 0, of a row of words."""
    return (spins[PAD + (site >> 6)] >> np.uint64(site & 63)) & ONE
