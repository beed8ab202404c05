"""Overlaps of replicas, 64 sites at a time, and the cluster moves that exchange parts of two replicas.

Spins come as words, uint64 (sites, words): bit b of word w is lane 64 w + b, 1 is up. Turned by 64 x 64 bit transposes,
a lane's spins are words of 64 sites, and what two lanes have unequal is a count of bits.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.bitslices import ones, transpose
from fastgibbs.engines.entries import restore, snapshot
from fastgibbs.engines.moves import due, move
from fastgibbs.engines.streams import below
from fastgibbs.engines.waves import Planes, add_squares, count_planes
from fastgibbs.jit import called, gives, stub

HOUDAYER = "houdayer"  # as `clusters=` has these moves


class Pairs(NamedTuple):
    """The pairs of ladders that are compared, and room to do it in."""

    ladders: np.ndarray  # int64 (pairs, 2)
    bonds: np.ndarray  # int32 (2, bonds)
    complete: bool  # whether all pairs of sites are bonds, of which none is listed
    indptr: np.ndarray  # int64 (n + 1,): the graph
    indices: np.ndarray  # int32 (nnz,)
    symmetric: bool  # whether no site has a field
    every: int  # sweeps from one exchange of clusters to the next, or 0 for none
    lane_at: np.ndarray  # int64 (ladders, rungs): the lane at every rung
    streams: np.ndarray  # uint64 (pairs, 4)
    packed: np.ndarray  # uint16 (n, lanes // 16 or more): what snapshots fill
    words: np.ndarray  # uint64 (n, 1, 2, 4 or 8): the same memory
    rows: np.ndarray  # uint64 (512,)
    unequal: np.ndarray  # int64 (2, pairs, rungs): sites and bonds
    queue: np.ndarray  # int32 (n,)
    histogram: np.ndarray  # int64 (pairs, rungs, bins)
    moments: np.ndarray  # float64 (pairs, rungs, 6 + waves): sums of q, |q|, q^2, q^4, link, its square, |q(k)|^2
    planes: Planes  # whose sites have the same k.r, of each k
    in_planes: np.ndarray  # int32 (pairs, rungs, planes): sites at which two replicas differ
    in_chunk: np.ndarray  # int64, room for as many planes as 512 rows have


@called
def _add_unequal(pairs, words, counts):
    """Add to counts (pairs, rungs) the sites, in `rows` before it is transposed, at which each two lanes differ."""
    rows, lane_at = pairs.rows, pairs.lane_at
    transpose(rows, 0)
    for pair in range(len(pairs.ladders)):
        one, other = pairs.ladders[pair]
        for rung in range(lane_at.shape[1]):
            a, b = lane_at[one, rung], lane_at[other, rung]
            first, second = 8 * (a & 63) + (a >> 6), 8 * (b & 63) + (b >> 6)
            for k in range(0, 8, words):
                counts[pair, rung] += ones(rows[first + k] ^ rows[second + k])


@called
def count_unequal_sites(pairs, by_plane):
    """At how many sites the two replicas of each pair and rung differ, to `unequal[0]`; if asked to in planes too."""
    words = pairs.words.shape[1]
    flat = pairs.words.reshape(pairs.words.size)
    pairs.unequal[0] = 0
    for first in range(0, flat.size, 512):
        for k in range(512):
            pairs.rows[k] = flat[first + k] if first + k < flat.size else np.uint64(0)
        _add_unequal(pairs, words, pairs.unequal[0])
        if by_plane:
            into = pairs.in_chunk, pairs.in_planes
            count_planes(pairs.planes, pairs.rows, pairs.ladders, pairs.lane_at, words, first // 512, *into)


@called
def count_unequal_bonds(pairs):
    """On how many bonds s_i s_j differs between the two replicas of each pair and rung, to `unequal[1]`."""
    words = pairs.words.shape[1]
    each = 512 // words
    pairs.unequal[1] = 0
    for first in range(0, pairs.bonds.shape[1], each):
        for k in range(each):
            for word in range(words):
                differs = np.uint64(0)
                if first + k < pairs.bonds.shape[1]:
                    i, j = pairs.bonds[0, first + k], pairs.bonds[1, first + k]
                    differs = pairs.words[i, word] ^ pairs.words[j, word]
                pairs.rows[k * words + word] = differs
        _add_unequal(pairs, words, pairs.unequal[1])


@stub
def add_overlaps(pairs, block):
    """Add the overlaps of every pair at every rung to histogram and moments, if pairs are compared."""


@gives(add_overlaps, Pairs)
def _compare(pairs, block):
    snapshot(block, pairs.packed)
    _add_overlaps(pairs)


@called
def _add_overlaps(pairs):
    lane_at = pairs.lane_at
    n, bonds, bins = len(pairs.words), max(pairs.bonds.shape[1], 1), pairs.histogram.shape[2]
    count_unequal_sites(pairs, pairs.planes.numbers.size > 0)
    count_unequal_bonds(pairs)
    for pair in range(len(pairs.ladders)):
        for rung in range(lane_at.shape[1]):
            equal = n - pairs.unequal[0, pair, rung]
            pairs.histogram[pair, rung, equal * bins // (n + 1)] += 1
            q = (2 * equal - n) / max(n, 1)
            link = (pairs.bonds.shape[1] - 2 * pairs.unequal[1, pair, rung]) / bonds
            if pairs.complete:  # the mean of q_i q_j over i < j
                link = (np.float64(2 * equal - n) ** 2 - n) / max(n * (n - 1.0), 1.0)
            moments = pairs.moments[pair, rung]
            moments[0] += q
            moments[1] += abs(q)
            moments[2] += q * q
            moments[3] += (q * q) * (q * q)
            moments[4] += link
            moments[5] += link * link
            add_squares(pairs.planes, pairs.in_planes[pair, rung], n, moments[6:])


@gives(due, Pairs)
def _due(moves, done):
    return done % moves.every == 0


@gives(move, Pairs)
def _exchange(moves, block):
    snapshot(block, moves.packed)
    exchange_packed_clusters(moves)
    restore(block, moves.packed)


@called
def exchange_packed_clusters(pairs):
    """In each pair, at each rung where they do not percolate, exchange a cluster of sites at which the replicas differ.

    With q_i = s_i^a s_i^b, a site is drawn from those with q_i = -1 (or +1, if those are fewer and there is no field),
    and the cluster of such sites around it is turned in both replicas: E_a + E_b is conserved (Houdayer, Eur. Phys. J.
    B 22, 479 (2001); Zhu, Ochoa, Katzgraber, Phys. Rev. Lett. 115, 077201 (2015)). A rung takes part while fewer than
    n / (d - 1) sites differ, d the mean degree: 1 / (d - 1) is where they percolate on a Bethe lattice (Fisher, Essam,
    J. Math. Phys. 2, 609 (1961)). The q_i do not change, so this condition does not bias the move.
    """
    lane_at = pairs.lane_at
    n = len(pairs.words)
    count_unequal_sites(pairs, False)
    reach = n - 2.0 if pairs.complete else 2.0 * pairs.bonds.shape[1] / max(n, 1) - 1.0
    for pair in range(len(pairs.ladders)):
        one, other = pairs.ladders[pair]
        for rung in range(lane_at.shape[1]):
            size, wanted = pairs.unequal[0, pair, rung], np.uint64(1)
            if pairs.symmetric and 2 * size > n:
                size, wanted = n - size, np.uint64(0)
            if size > 0 and size * reach < n:
                _exchange_cluster(
                    pairs, lane_at[one, rung], lane_at[other, rung], wanted, below(pairs.streams[pair], size)
                )


@called
def _exchange_cluster(pairs, a, b, wanted, number):
    """Turn in lanes a and b the cluster around the site that is number `number` of those that differ as wanted."""
    words, queue = pairs.words, pairs.queue
    a_word, a_bit, b_word, b_bit = a >> 6, np.uint64(a & 63), b >> 6, np.uint64(b & 63)
    site = -1
    while number >= 0:
        site += 1
        if ((words[site, a_word] >> a_bit) ^ (words[site, b_word] >> b_bit)) & np.uint64(1) == wanted:
            number -= 1
    one = np.uint64(1)
    # A turned spin of b alone makes q_i unlike what is wanted, and so marks the site; a follows at the end.
    queue[0], begin, end = site, 0, 1
    words[site, b_word] ^= one << b_bit
    while begin < end:
        site = queue[begin]
        begin += 1
        for k in range(pairs.indptr[site], pairs.indptr[site + 1]):
            near = pairs.indices[k]
            if ((words[near, a_word] >> a_bit) ^ (words[near, b_word] >> b_bit)) & one == wanted:
                words[near, b_word] ^= one << b_bit
                queue[end] = near
                end += 1
    for k in range(end):
        words[queue[k], a_word] ^= one << a_bit
