"""Decisions of the multi-spin engine: bits of a lane's uniform number against those of its threshold, highest first.

Lanes whose PLANES bits are all those of their threshold are left undecided, and draw 64 more bits each. Where lanes
are at several betas each bit of their thresholds is put together from the classes. Where all are at one, it is a
function of the class alone, of which two planes have 16: all are written down for the lanes at hand, and looked up.
"""

import numpy as np

from fastgibbs.engines.bitslices import (
    FUNCTIONS,
    PART,
    choose,
    classes,
    equal,
    folded,
    increment,
    keep,
    keep_functions,
    number,
    seldom,
)
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.multispin import MASKS, PLANES
from fastgibbs.engines.multispin_neighbors import bonds_of, neighbor
from fastgibbs.engines.streams import close_streams, next_word, open_streams, stepped
from fastgibbs.engines.vectors import at, full, load, nonzero, store, trailing_zeros
from fastgibbs.jit import called, inlined


@inlined
def count_up(plan, state, degree, start, first):
    """How many neighbours of words `first` ... push up, counted from `start`."""
    part, entry, ups = first & (VECTOR - 1), first // VECTOR * plan.slots, number(plan.number, start)
    bonds = bonds_of(plan)
    for slot in range(0, degree, 2):
        one = neighbor(bonds, state.spins, entry + slot, part)
        ups = increment(ups, one, neighbor(bonds, state.spins, entry + slot + 1, part))
    return ups


@inlined
def _bits(state, kinds, masks, count, index):
    """In each lane the bit of its class, of `count` classes whose bits are planes `index` ... of the codes."""
    bits = choose(kinds, state.planes, VECTOR * index + (masks & (VECTOR - 1)))
    if len(kinds) == MASKS:
        for k in range(MASKS, count, 2):
            place, entry = masks + VECTOR * k, VECTOR * (index + k) + (masks & (VECTOR - 1))
            one = load(state.scratch, place, PART) & load(state.planes, entry, PART)
            other = load(state.scratch, place + VECTOR, PART) & load(state.planes, entry + VECTOR, PART)
            bits = bits ^ one ^ other
    return bits


@inlined
def _masks(scratch, own, part):
    """Where the lanes of class 0 are in scratch."""
    return own * scratch.shape[1] + 2 * VECTOR + part


@inlined
def _column(streams, own, first):
    """Where the streams of words `first` ... are."""
    columns = streams.shape[2]  # a power of two: a division would be felt
    return streams.shape[1] * columns * own + (first & (columns - 1))


@inlined
def decision(plan, state, ups, tile, first):
    """The likelier spins of words `first` ..., how far `ups` is from the middle, and in which lanes which class counts.

    `tile`: its table, degree, streams, and classes. The lanes of classes beyond the first MASKS are written to scratch,
    where `turned` finds them.
    """
    table, _, own, count = tile
    part = first & (VECTOR - 1)
    likely = plan.degrees.size * PLANES * len(plan.kinds) + table * (len(plan.kinds) + 3)
    at_sides = VECTOR * (likely + len(plan.kinds)) + part
    sides, evens = load(state.planes, at_sides, PART), load(state.planes, at_sides + VECTOR, PART)
    distance, masks = folded(ups, sides, evens), _masks(state.scratch, own, part)
    kinds = classes(distance, plan.kinds)
    if len(plan.kinds) > MASKS:
        for k in range(MASKS, count):
            store(state.scratch, masks + VECTOR * k, equal(distance, k))
    above = ups[len(ups) - 1] & load(state.planes, at_sides + 2 * VECTOR, PART)
    return above ^ _bits(state, kinds, masks, count, likely), distance, kinds


@inlined
def turned(plan, state, spins, undecided, distance, kinds, tile, first):
    """The spins of words `first` ..., turned where a fresh uniform of lanes `undecided` is below their threshold."""
    table, _, own, count = tile
    masks, bit = _masks(state.scratch, own, first & (VECTOR - 1)), table * PLANES * len(plan.kinds)
    column, columns = _column(state.streams, own, first), state.streams.shape[2]
    a, b, c, counter = open_streams(state.streams, column, columns, PART)
    for _ in range(PLANES):
        word, a, b, c, counter = stepped(a, b, c, counter)
        threshold = _bits(state, kinds, masks, count, bit)
        differs = word ^ threshold
        spins = spins ^ (undecided & differs & threshold)
        undecided = undecided & (differs ^ -1)
        bit += len(plan.kinds)
    close_streams(state.streams, column, columns, (a, b, c, counter))
    if seldom(nonzero(undecided) != 0):
        rest, lanes = table * len(plan.kinds), (np.int64(-1), state.current, state.tails[own])
        spins = _decide_left(plan.rest, rest, lanes, state.scratch[own], spins, undecided, distance, first)
    return spins


@inlined
def _looked_up(looked, scratch, functions, entry, distance, count):
    """In each lane the bit of its class, as entries `entry` ... of the lookups say."""
    bits = load(scratch, functions + at(looked, entry), PART)
    if len(distance) > 3:
        third, fourth = distance[len(distance) - 2], distance[len(distance) - 1]
        bits = bits ^ (third & load(scratch, functions + at(looked, entry + 1), PART))
        if count > 8:
            other = third & load(scratch, functions + at(looked, entry + 3), PART)
            bits = bits ^ (fourth & (other ^ load(scratch, functions + at(looked, entry + 2), PART)))
    return bits


@inlined
def turned_alike(plan, state, ups, undecided, tile, first, rung):
    """The likelier spins, and these `turned`, of words `first` ... whose lanes are all at one rung.

    Of up to four classes a spin changes with every bit by what that differs from the one before: up to the bit that
    decides a lane this adds up to that bit.
    """
    table, degree, own, count = tile
    folds, steps = plan.folds, len(plan.kinds) <= 4
    sides, evens = full(-np.int64(folds), np.uint64, PART), full(-np.int64(folds and degree & 1 == 0), np.uint64, PART)
    distance, functions = folded(ups, sides, evens), (own + 1) * state.scratch.shape[1] - FUNCTIONS * VECTOR
    keep_functions(distance, plan.kinds, state.scratch, functions)
    looked, entries, width = plan.looked, plan.looked.shape[2], 2 if steps else 4
    entry = entries * (rung * plan.degrees.size + table)
    turns = full(-np.int64(at(looked, entry + entries - 1)), np.uint64, PART)
    likely = _looked_up(looked, state.scratch, functions, entry + width * PLANES, distance, count)
    likely = likely ^ (ups[len(ups) - 1] & turns)
    spins = likely
    column, columns = _column(state.streams, own, first), state.streams.shape[2]
    a, b, c, counter = open_streams(state.streams, column, columns, PART)
    for _ in range(PLANES):
        word, a, b, c, counter = stepped(a, b, c, counter)
        differs = word ^ _looked_up(looked, state.scratch, functions, entry, distance, count)
        if steps:
            spins = spins ^ (undecided & load(state.scratch, functions + at(looked, entry + 1), PART))
        else:
            spins = spins ^ (undecided & differs & (differs ^ word))
        undecided = undecided & (differs ^ -1)
        entry += width
    close_streams(state.streams, column, columns, (a, b, c, counter))
    if seldom(nonzero(undecided) != 0):
        if steps:  # nothing has decided these
            spins = spins ^ (undecided & load(state.scratch, functions + at(looked, entry - width), PART))
        rest, lanes = table * len(plan.kinds), (rung, state.current, state.tails[own])
        spins = _decide_left(plan.rest, rest, lanes, state.scratch[own], spins, undecided, distance, first)
    return likely, spins


@called
def _decide_left(rests, table, lanes, scratch, spins, undecided, distance, first):
    """Let the undecided lanes of words draw 64 more bits each, from streams of their own; `table`: where rests begin.

    `lanes`: the rung of all or -1, those of each, and their streams.
    """
    common, rungs, tails = lanes
    part, left, words = first & (VECTOR - 1), nonzero(undecided), rungs.size // 64
    store(scratch, part, spins)
    store(scratch, VECTOR + part, undecided)
    keep(distance, scratch, 2 * VECTOR + part)
    while left != 0:
        element = part + trailing_zeros(left)
        left &= left - np.uint64(1)
        word, ones = element & (words - 1), scratch[VECTOR + element]
        while ones != 0:
            place = trailing_zeros(ones)
            ones &= ones - np.uint64(1)
            lane, bit, kind = 64 * word + place, np.uint64(place), 0
            for j in range(len(distance)):
                kind += np.int64((scratch[(2 + j) * VECTOR + element] >> bit) & np.uint64(1)) << j
            rung = common if common >= 0 else rungs[lane]
            if next_word(tails[lane]) < rests[rung, table + kind]:
                scratch[element] ^= np.uint64(1) << bit
    return load(scratch, part, PART)
