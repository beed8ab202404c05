"""Fourier sums of overlaps: q(k) = (1/n) sum_i s_i^a s_i^b exp(-i k.r_i) of two replicas a and b, at a few k.

Sites of equal k.r are a plane. What two replicas have unequal in a plane is counted, 64 sites at a time, by masks:
whole numbers, which cosines and sines of the planes make sums of.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.bitslices import ones
from fastgibbs.jit import called


class Planes(NamedTuple):
    """The planes of some waves, one wave's after the other."""

    numbers: np.ndarray  # int64 (entries,): the planes that sites of a chunk of rows lie in, chunk after chunk
    starts: np.ndarray  # int64 (chunks + 1,): the entries of each chunk
    masks: np.ndarray  # uint64 (words of a lane * entries,): of each chunk, its planes' sites in each word in turn
    sizes: np.ndarray  # int64 (planes,): sites of each plane
    first: np.ndarray  # int64 (waves + 1,): the planes of each wave
    factors: np.ndarray  # float64 (planes, 2): cos k.r and sin k.r


def planes_in_words(of_sites, factors, words: int) -> Planes:
    """Those of `of_sites`, a list of the planes (n,) of each wave, of replicas in so many words a site.

    `factors`: of each wave (cosines, sines) of its planes. In a chunk of 512 rows that were transposed, word k of a
    lane, k = 0, `words` ... below 8, has site (8 r + k) / `words` at its bit r (`replicas.py`).
    """
    n, each, of_lane = len(of_sites[0]) if of_sites else 0, 512 // words, 8 // words
    chunk, inside = np.divmod(np.arange(n), each)
    row, word = np.divmod(inside * words, 8)
    sizes = [np.bincount(planes, minlength=len(of[0])) for planes, of in zip(of_sites, factors, strict=True)]
    first = np.cumsum([0, *map(len, sizes)])
    total = max(int(first[-1]), 1)
    keys = [chunk * total + start + planes for start, planes in zip(first, of_sites, strict=False)]
    entries, which = np.unique(np.concatenate([*keys, np.empty(0, np.int64)]), return_inverse=True)
    starts = np.searchsorted(entries, total * np.arange(-(-n // each) + 1))
    counts = np.diff(starts)
    masks = np.zeros(of_lane * entries.size, np.uint64)
    before = (of_lane - 1) * starts[chunk] + word // words * counts[chunk]
    for of_wave in which.reshape(len(of_sites), n):
        np.bitwise_or.at(masks, before + of_wave, np.uint64(1) << row.astype(np.uint64))
    constant = (
        entries % total,
        starts.astype(np.int64),
        masks,
        np.concatenate([*sizes, np.empty(0, np.int64)]),
        first.astype(np.int64),
        np.concatenate([*(np.stack(of_wave, axis=1) for of_wave in factors), np.empty((0, 2))]),
    )
    for array in constant:
        array.flags.writeable = False
    return Planes(*constant)


@called
def count_planes(planes, rows, ladders, lane_at, words, chunk, room, counts):
    """Add to counts, int32 (pairs, rungs, planes), what two replicas have unequal in each plane of a chunk of rows.

    `room`: int64, for as many planes as a chunk has.
    """
    start, size = planes.starts[chunk], planes.starts[chunk + 1] - planes.starts[chunk]
    for pair in range(len(ladders)):
        one, other = ladders[pair]
        for rung in range(lane_at.shape[1]):
            a, b = lane_at[one, rung], lane_at[other, rung]
            mine, others = 8 * (a & 63) + (a >> 6), 8 * (b & 63) + (b >> 6)
            room[:size] = 0
            first = 8 // words * start
            for k in range(0, 8, words):
                differs = rows[mine + k] ^ rows[others + k]
                for plane in range(size):
                    room[plane] += ones(differs & planes.masks[first + plane])
                first += size
            for plane in range(size):
                counts[pair, rung, planes.numbers[start + plane]] += room[plane]


@called
def add_squares(planes, counts, n, sums):
    """Add |q(k)|^2 of each wave to `sums`, plane after plane in turn, and forget the counts, int32 (planes,)."""
    for wave in range(planes.first.size - 1):
        real, imaginary = 0.0, 0.0
        for plane in range(planes.first[wave], planes.first[wave + 1]):
            total = planes.sizes[plane] - 2 * counts[plane]
            real += total * planes.factors[plane, 0]
            imaginary += total * planes.factors[plane, 1]
        sums[wave] += (real * real + imaginary * imaginary) / (np.float64(n) * np.float64(n))
    counts[:] = 0
