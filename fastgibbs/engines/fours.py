"""Sums of rows that are marked by the bits of words, taken four rows at a time: of a product with units 0 and 1.

All 16 sums of any of four rows are written down, and come to every unit or lane that marks some of them: a fourth of
the additions of a product, half of those of rows that are 1, without a branch that depends on units. Sums of the 32
rows of a word are 16 KB, half of the first cache. The sum of four is taken first, one row after the other,
x + (((0 + r_1) + r_2) + r_3) + r_4, and then added to those before: the same bits however many lanes there are.
"""

import numpy as np

from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.engines.vectors import at, full, load, load_groups, store
from fastgibbs.jit import called, inlined

SPAN = 32  # rows of a word, and numbers of a row that are added up at once
TABLE = SPAN // 4 * 16 * SPAN  # numbers that are written down at once


def adding_fours(width):
    """The function that adds up rows of `width` numbers."""

    @inlined
    def write_sums(rows, place, row, fours, sums, first):
        """The sums of any of every four rows to `sums` from `first` on; that of none is 0, and stays it."""
        zero, four_rows = full(0.0, np.float32, width), 4 * row
        for _ in range(fours):
            a = zero + load_groups(rows, place[0], place[1], width)
            b = zero + load_groups(rows, place[0] + row, place[1], width)
            c = zero + load_groups(rows, place[0] + 2 * row, place[1], width)
            d = zero + load_groups(rows, place[0] + 3 * row, place[1], width)
            ab, ac, bc = a + b, a + c, b + c
            abc = ab + c
            store(sums, first + SPAN, a)
            store(sums, first + 2 * SPAN, b)
            store(sums, first + 3 * SPAN, ab)
            store(sums, first + 4 * SPAN, c)
            store(sums, first + 5 * SPAN, ac)
            store(sums, first + 6 * SPAN, bc)
            store(sums, first + 7 * SPAN, abc)
            store(sums, first + 8 * SPAN, d)
            store(sums, first + 9 * SPAN, a + d)
            store(sums, first + 10 * SPAN, b + d)
            store(sums, first + 11 * SPAN, ab + d)
            store(sums, first + 12 * SPAN, c + d)
            store(sums, first + 13 * SPAN, ac + d)
            store(sums, first + 14 * SPAN, bc + d)
            store(sums, first + 15 * SPAN, abc + d)
            place, first = (place[0] + four_rows, place[1]), first + 16 * SPAN

    @called
    def add_fours(rows, place, row, terms, words, totals, span, table):
        """totals_k + the rows of `terms` that the words of k mark, for k of a range `span`; four after four.

        `place`: where the first row begins, in groups of 16 numbers that are so far apart. `words`: uint32, where those
        of k = 0 begin, and steps from one k to the next and from word to word. `totals`: (K, SPAN) numbers; `table`: an
        array and where its TABLE numbers begin, of which those of no row are 0.
        """
        marked, begin, each, apart = words
        sums, top = table
        for number in range(-(-terms // SPAN)):
            fours = min(SPAN // 4, (terms - number * SPAN + 3) // 4)
            write_sums(rows, (place[0] + number * SPAN * row, place[1]), row, fours, sums, top)
            for k in range(span[0], span[1]):
                total, word = load(totals, k * SPAN, width), np.int64(at(marked, begin + k * each + number * apart))
                here = top
                for _ in range(fours):
                    total = total + load(sums, here + (word & 15) * SPAN, width)
                    word, here = word >> 4, here + 16 * SPAN
                store(totals, k * SPAN, total)

    return add_fours


add_wide, add_narrow = adding_fours(SPAN), adding_fours(GROUP)
