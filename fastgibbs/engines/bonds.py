"""The bonds of Ising models as cluster moves read them: whole words of them where they lie on diagonals.

A bond (i, j), i < j, lies on diagonal j - i. A lattice has few diagonals with many bonds of one |J| each: whether 64 of
these are satisfied is then a few operations on words of 64 sites, and chance takes a few more. All other bonds are in
a list, and so are those whose |J| is not the same in all models of one graph. Fields bind sites to a ghost, a spin that
is always up.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import exp64
from fastgibbs.jit import inlined

LINE = 8  # words that are handled at once
FEWEST = 8  # bonds of a diagonal
_SPARSEST = 64  # and at least one in so many sites
PAD = LINE  # words of zeros before the bits of sites, where some are read that lie before the first
ALL, ONE, TWO = np.uint64(2**64 - 1), np.uint64(1), np.uint64(2)


class Bonds(NamedTuple):
    """Those of models on one graph. Bit i % 64 of word i // 64 of a diagonal is that between sites i - offset and i."""

    n: int
    offsets: np.ndarray  # int64 (rows,): of the diagonals, each once; the first is 1, whether or not there are such
    rows: np.ndarray  # int64 (kinds,): where the offset of each kind stands
    strengths: np.ndarray  # float64 (kinds,): |J|
    present: np.ndarray  # uint64 (kinds, words): its bonds; the words are whole lines
    against: np.ndarray  # uint64 (models, kinds, words): those of J < 0
    pairs: np.ndarray  # int32 (2, others): all other bonds
    couplings: np.ndarray  # float64 (models, others): their J
    sites: np.ndarray  # int32 (fields,): the sites with a field
    fields: np.ndarray  # float64 (models, fields): h of these
    held: np.ndarray  # int32: the sites that are clamped


def words_of(n: int) -> int:
    """Words of n bits, in whole lines."""
    return -(-n // (64 * LINE)) * LINE


def bonds_of(models: list, held=()) -> Bonds:
    """The bonds of Ising models on one graph, whose sites `held` are clamped."""
    first = models[0]
    i, j, _ = first.bonds
    J, h = (np.stack(rows) for rows in zip(*((model.bonds[2], model.fields) for model in models), strict=True))
    strength, distance, n = np.abs(J[0]), j - i, first.n
    listed, kinds = np.ones(j.size, bool), []
    shared = np.flatnonzero((np.abs(J) == strength).all(axis=0))
    order = shared[np.lexsort((strength[shared], distance[shared]))]
    alike = (np.diff(distance[order]) == 0) & (np.diff(strength[order]) == 0)
    ends = [0, *np.flatnonzero(~alike) + 1, order.size]
    for number in np.flatnonzero(np.diff(ends) >= max(FEWEST, n / _SPARSEST)):
        mine = order[ends[number] : ends[number + 1]]
        listed[mine] = False
        against = [_bits(n, j[mine[of_model[mine] < 0]]) for of_model in J]
        kinds.append((distance[mine[0]], strength[mine[0]], _bits(n, j[mine]), against))
    offsets = np.unique([1, *(kind[0] for kind in kinds)]).astype(np.int64)
    sites = np.flatnonzero(h.any(axis=0))
    shape = len(kinds), words_of(n)
    arrays = (
        offsets,
        np.searchsorted(offsets, [kind[0] for kind in kinds]),
        np.array([kind[1] for kind in kinds], float),
        np.array([kind[2] for kind in kinds], np.uint64).reshape(shape),
        np.array([kind[3] for kind in kinds], np.uint64).reshape(shape[0], len(models), shape[1]).swapaxes(0, 1).copy(),
        np.stack([i[listed], j[listed]]).astype(np.int32),
        np.ascontiguousarray(J[:, listed]),
        sites.astype(np.int32),
        np.ascontiguousarray(h[:, sites]),
        np.array(held, np.int32),
    )
    for array in arrays:
        array.flags.writeable = False  # as the arrays of models are: checkpoints hold what is not
    return Bonds(n, *arrays)


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
def up(spins, site):
    """1 if a site is up, else 0, of a row of words."""
    return (spins[PAD + (site >> 6)] >> np.uint64(site & 63)) & ONE
