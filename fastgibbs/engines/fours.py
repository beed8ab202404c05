"""Sums of rows that are marked by the bits of words, taken four rows at a time: products with units of 0 and 1.

The 16 sums of any of four rows are written down, and come to every lane, or unit, that marks some: a fourth of the
additions of a product, and no branch that depends on units. Those of the 64 rows of a word are 16 KB, half of the first
cache. To write them takes as long as to add them in a dozen lanes or two.

A four is added up first, ((0 + r_1) + r_2) + ..., and then added to what was before: the same bits in any number of
lanes.
"""

import numpy as np

from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.engines.vectors import at, full, load, store
from fastgibbs.jit import called, inlined

SPAN = 64  # rows of a word
TABLE = SPAN // 4 * 16 * GROUP  # numbers that are written down at once


@inlined
def _write_sums(rows, place, row, fours, sums, first):
    """The sums of any of every four rows to `sums` from `first` on; that of none is 0, and stays it."""
    zero = full(0.0, np.float32, GROUP)
    for _ in range(fours):
        a = zero + load(rows, place, GROUP)
        b = zero + load(rows, place + row, GROUP)
        c = zero + load(rows, place + 2 * row, GROUP)
        d = zero + load(rows, place + 3 * row, GROUP)
        ab, ac, bc = a + b, a + c, b + c
        abc = ab + c
        store(sums, first + GROUP, a)
        store(sums, first + 2 * GROUP, b)
        store(sums, first + 3 * GROUP, ab)
        store(sums, first + 4 * GROUP, c)
        store(sums, first + 5 * GROUP, ac)
        store(sums, first + 6 * GROUP, bc)
        store(sums, first + 7 * GROUP, abc)
        store(sums, first + 8 * GROUP, d)
        store(sums, first + 9 * GROUP, a + d)
        store(sums, first + 10 * GROUP, b + d)
        store(sums, first + 11 * GROUP, ab + d)
        store(sums, first + 12 * GROUP, c + d)
        store(sums, first + 13 * GROUP, ac + d)
        store(sums, first + 14 * GROUP, bc + d)
        store(sums, first + 15 * GROUP, abc + d)
        place, first = place + 4 * row, first + 16 * GROUP


@inlined
def _sum_of(sums, top, word, four):
    """The sum of the rows of a four that a word marks."""
    marked = np.int64(word >> np.uint64(4 * four) & np.uint64(15))
    return load(sums, top + (16 * four + marked) * GROUP, GROUP)


@called
def add_fours(rows, place, terms, words, totals, span, table):
    """totals_k + the rows of `terms` that the words of k mark, for k of a range `span`; four after four.

    `place`: where the first row begins, each of GROUP numbers. `words`: uint64, where those of k = 0 begin, and steps
    from one k to the next and from word to word. `totals`: (K, GROUP) numbers; `table`: an array and where its TABLE
    numbers begin, of which those of no row are 0.
    """
    marked, begin, each, apart = words
    sums, top = table
    for number in range(-(-terms // SPAN)):
        fours = min(SPAN // 4, (terms - number * SPAN + 3) // 4)
        _write_sums(rows, place + number * SPAN * GROUP, GROUP, fours, sums, top)
        if fours == SPAN // 4:  # a loop of known length is unrolled
            for k in range(span[0], span[1]):
                total, word = load(totals, k * GROUP, GROUP), at(marked, begin + k * each + number * apart)
                for four in range(SPAN // 4):
                    total = total + _sum_of(sums, top, word, four)
                store(totals, k * GROUP, total)
        else:
            for k in range(span[0], span[1]):
                total, word = load(totals, k * GROUP, GROUP), at(marked, begin + k * each + number * apart)
                for four in range(fours):
                    total = total + _sum_of(sums, top, word, four)
                store(totals, k * GROUP, total)
