"""Counters of the multi-spin engine: numbers of every lane, bit plane by bit plane, added up over cells and lanes."""

import numpy as np

from fastgibbs.engines.bitslices import PART, increment, keep, kept, number, ones, plus
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.vectors import bitcast, convert, full, load, spread, store
from fastgibbs.jit import called

PENDING = (0,) * 127  # what sums may reach before they are added to the counters, as the length of a tuple


@called
def _flush(addends, counters, scratch, part):
    """Add a number to the words from `part` on of counters, uint64 (planes + 1, 8)."""
    keep(addends, scratch, 0)
    carry = full(0, np.uint64, PART)
    for j in range(len(counters) - 1):
        plane = load(counters, VECTOR * j + part, PART)
        addend = full(0, np.uint64, PART)
        if j < len(addends):
            addend = load(scratch, VECTOR * j, PART)
        half = plane ^ addend
        store(counters, VECTOR * j + part, half ^ carry)
        carry = (plane & addend) | (half & carry)


@called
def add_numbers(most, numbers, held, counters, scratch):
    """Add numbers, `held` of them one after the other, to counters."""
    for part in range(0, VECTOR, PART):
        total, place = number(PENDING, 0), part
        for _ in range(held):
            addends = kept(most, numbers, place)
            total, place = plus(total, addends), place + VECTOR * len(addends)
        _flush(total, counters, scratch, part)


@called
def add_column_sums(counters, words, strips, sums):
    """Add counters, uint64 (planes + 1, 8), summed over each column's lanes, to `sums` float64 (columns,)."""
    step = VECTOR // 2
    while step >= words:  # elements of the same word are added: the upper half to the lower, plane by plane
        carry = full(0, np.uint64, VECTOR)
        for j in range(len(counters) - 1):
            plane, addend = load(counters, VECTOR * j, VECTOR), load(counters, VECTOR * j + step, VECTOR)
            half = plane ^ addend
            store(counters, VECTOR * j, half ^ carry)
            carry = (plane & addend) | (half & carry)
        step //= 2
    depth = len(counters) - 1
    for word in range(words):
        if strips == 1:  # eight planes at a time make a byte of every lane
            for low in range(0, depth, 8):
                lanes = full(0, np.uint8, 64)
                for j in range(low, min(low + 8, depth)):
                    lanes = lanes + (spread(counters[j, word], np.uint8, 64) & (1 << (j - low)))
                store(counters, VECTOR * depth, bitcast(lanes, np.uint64))
                for k in range(VECTOR):
                    first = 64 * word + VECTOR * k
                    part = convert(bitcast(counters[depth, k], np.uint8), np.float64) * 2.0**low
                    store(sums, first, load(sums, first, VECTOR) + part)
        else:
            members = np.uint64(2**64 - 1) >> np.uint64(64 - strips)
            for column in range(64 // strips):
                total = 0
                for j in range(depth):
                    total += ones((counters[j, word] >> np.uint64(strips * column)) & members) << j
                sums[64 // strips * word + column] += total


@called
def count_ups(state, first, end, counters, scratch):
    """Add the up spins of vectors `first` ... `end - 1` to counters."""
    for part in range(0, VECTOR, PART):
        ups, pending = number(PENDING, 0), 0
        for vector in range(first, end, 2):
            other = full(0, np.uint64, PART)
            if vector + 1 < end:
                other = load(state.spins, VECTOR * (vector + 1) + part, PART)
            ups = increment(ups, load(state.spins, VECTOR * vector + part, PART), other)
            pending += 2
            if pending + 2 > len(PENDING):
                _flush(ups, counters, scratch, part)
                ups, pending = number(PENDING, 0), 0
        _flush(ups, counters, scratch, part)
