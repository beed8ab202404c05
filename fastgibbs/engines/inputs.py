"""Inputs of a layer's units: sums of the weights of units that are 1, added one after the other, in either of two ways.

In vectors of chains, UNITS inputs at once: a weight times a unit is exact, and fused or not the sums are the same. Or
in vectors of TALL units, chain by chain, of the rows of weights that words of 64 bits mark: half of all terms where
half the units are 1, fewer where data are sparse, each in half an instruction for eight numbers. The rows of a word,
16 KB, come to all chains before those of the next, from the first cache. Gradients are sums of marked rows too.
"""

import numpy as np

from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.engines.vectors import (
    add_product,
    at,
    bits,
    full,
    load,
    load_groups,
    select,
    store,
    trailing_zeros,
    transpose,
)
from fastgibbs.jit import called, inlined, target

UNITS = 6  # of a tile: with WIDE lanes of each, sums fill three quarters of the registers
WIDE = 64 if target()[1] == 512 else 16
TALL = 64  # numbers of a row, which do not wait for the addition before, and rows of a word


def beginning(width, held):
    """The function that gives a unit's bias in `width` lanes; `held`: of a block with held units."""

    @inlined
    def begin(bias, unit, lane, lanes):
        return load(bias, unit * lanes + lane, width) if held else full(at(bias, unit), np.float32, width)

    return begin


def adding(width, held):
    """The function that adds up a tile's inputs in `width` lanes."""
    begin = beginning(width, held)

    @inlined
    def add_inputs(tiles, bias, units, place, tile, lane, lanes, inputs, out):
        """b_j + W_1j u_1 + W_2j u_2 + ... for the units j of a tile, to `inputs` (UNITS, width).

        `units` holds u_1 of these lanes from `place` on, then u_2, ...; with held units each lane has its own b_j.
        """
        terms = tiles.shape[1]
        weight, j = tile * terms * UNITS, tile * UNITS
        x0 = begin(bias, j, lane, lanes)
        x1 = begin(bias, j + 1, lane, lanes)
        x2 = begin(bias, j + 2, lane, lanes)
        x3 = begin(bias, j + 3, lane, lanes)
        x4 = begin(bias, j + 4, lane, lanes)
        x5 = begin(bias, j + 5, lane, lanes)
        for _ in range(terms):
            u = load(units, place, width)
            x0 = add_product(x0, at(tiles, weight), u)
            x1 = add_product(x1, at(tiles, weight + 1), u)
            x2 = add_product(x2, at(tiles, weight + 2), u)
            x3 = add_product(x3, at(tiles, weight + 3), u)
            x4 = add_product(x4, at(tiles, weight + 4), u)
            x5 = add_product(x5, at(tiles, weight + 5), u)
            weight += UNITS
            place += width
        store(inputs, out, x0)
        store(inputs, out + width, x1)
        store(inputs, out + 2 * width, x2)
        store(inputs, out + 3 * width, x3)
        store(inputs, out + 4 * width, x4)
        store(inputs, out + 5 * width, x5)

    return add_inputs


def adding_marked(width):
    """The function that adds up rows of `width` numbers that a word marks."""

    @inlined
    def add_marked(total, word, rows, place, row, apart):
        """total + r_i + r_j + ... for the bits i < j < ... of a word, r_i being at `place` + i `row`.

        A row is in groups of 16 numbers, which are `apart`.
        """
        while word != 0:
            total = total + load_groups(rows, place + trailing_zeros(word) * row, apart, width)
            word &= word - np.uint64(1)
        return total

    return add_marked


add_marked_tall = adding_marked(TALL)


@called
def mark(rows, first, row, count, marked, place, apart):
    """Write words, uint64 at `place` and each `apart`, of where `count` rows of 16 numbers above 0 are."""
    off = full(0, np.uint64, GROUP)
    for begin in range(0, count, 64):
        words = off
        for n in range(begin, min(begin + 64, count)):
            bit = full(np.uint64(1) << np.uint64(n - begin), np.uint64, GROUP)
            words = words | select(load(rows, first + n * row, GROUP) > 0, bit, off)
        store(marked, place + begin // 64 * apart, words)


@called
def mark_rows(rows, first, row, words, marked, begin, end):
    """Write words, uint64 (rows, words), of where numbers of rows `begin` ... `end - 1` are above 0.

    Row 0 is at `first`, and each `row` numbers from the one before.
    """
    for k in range(begin, end):
        for number in range(words):
            word, place = np.uint64(0), first + k * row + number * 64
            for part in range(0, 64, GROUP):
                word |= np.uint64(bits(load(rows, place + part, GROUP) > 0)) << np.uint64(part)
            store(marked, k * words + number, full(word, np.uint64, 1))


def adding_tall(width, held):
    """The function that adds up TALL inputs of lanes; `held`: of a block with held units."""

    @called
    def add_tall(tiles, bias, marked, tile, lane, span, sums, inputs):
        """b_j + W_1j u_1 + W_2j u_2 + ... in lanes `lane` ... `lane + span - 1`, as `add_inputs` of layers has them.

        `marked`: which u are 1, uint64 (terms / 64, TALL lanes); `sums`: float32 (TALL lanes, TALL), which is used.
        """
        terms = tiles.shape[1]
        for here in range(0, span, GROUP):
            for part in range(0, TALL, GROUP):
                unit = tile * TALL + part
                if held:
                    lanes = bias.shape[1]
                    transpose(bias, unit * lanes + lane + here, lanes, sums, here * TALL + part, TALL)
                else:
                    for k in range(here, here + GROUP):
                        store(sums, k * TALL + part, load(bias, unit, GROUP))
        for number in range(-(-terms // 64)):
            place = (tile * terms + number * 64) * TALL
            for k in range(span):
                total = load(sums, k * TALL, TALL)
                total = add_marked_tall(total, at(marked, number * TALL + k), tiles, place, TALL, GROUP)
                store(sums, k * TALL, total)
        for here in range(0, span, GROUP):
            first = here // width * TALL * width + here % width
            for part in range(0, TALL, GROUP):
                transpose(sums, here * TALL + part, TALL, inputs, first + part * width, width)

    return add_tall
