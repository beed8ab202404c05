"""The kernels of the multi-spin engine: sweep, measure, snapshot."""

import numpy as np

from fastgibbs.engines import contract, rare
from fastgibbs.engines.bitslices import (
    PART,
    choose,
    classes,
    equal,
    folded,
    increment,
    keep,
    lowest_bit,
    number,
    reflected,
    seldom,
    transpose,
)
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.gates import meet
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.multispin import MASKS, PLANES, SLOTS, MultispinPlan
from fastgibbs.engines.multispin_counters import add_column_sums, add_numbers, count_ups
from fastgibbs.engines.multispin_neighbors import fetch_neighbors, neighbor
from fastgibbs.engines.multispin_rare import sweep_rarely
from fastgibbs.engines.streams import next_word
from fastgibbs.engines.vectors import at, bitcast, full, gather, load, nonzero, store
from fastgibbs.jit import called, gives, inlined


@inlined
def _bits(plan, state, kinds, masks, count, index):
    """In each lane the bit of its class, of `count` classes whose bits are planes `index` ... of the codes."""
    bits = choose(kinds, state.planes, VECTOR * index + (masks & (VECTOR - 1)))
    if len(plan.kinds) > MASKS:
        for k in range(MASKS, count, 2):
            place, entry = masks + VECTOR * k, VECTOR * (index + k) + (masks & (VECTOR - 1))
            one = load(state.scratch, place, PART) & load(state.planes, entry, PART)
            other = load(state.scratch, place + VECTOR, PART) & load(state.planes, entry + VECTOR, PART)
            bits = bits ^ one ^ other
    return bits


@inlined
def decision(plan, state, tile, first):
    """The likelier spins of words `first` ..., in which lanes which threshold counts, how many neighbours push up.

    `tile`: its table, degree, streams, where numbers of neighbours start, and classes. The lanes of classes beyond the
    first MASKS are written to scratch, where `turned` finds them.
    """
    table, degree, own, start, count = tile
    part, entry, ups = first & (VECTOR - 1), first // VECTOR * plan.slots, number(plan.number, start)
    for slot in range(0, degree, 2):
        one, other = neighbor(plan, state, entry + slot, part), neighbor(plan, state, entry + slot + 1, part)
        ups = increment(ups, one, other)
    likely = plan.degrees.size * PLANES * len(plan.kinds) + table * (len(plan.kinds) + 3)
    at_sides = VECTOR * (likely + len(plan.kinds)) + part
    sides, evens = load(state.planes, at_sides, PART), load(state.planes, at_sides + VECTOR, PART)
    distance, masks = folded(ups, sides, evens), _masks(state, own, part)
    kinds = classes(distance, plan.kinds)
    if len(plan.kinds) > MASKS:
        for k in range(MASKS, count):
            store(state.scratch, masks + VECTOR * k, equal(distance, k))
    above = ups[len(ups) - 1] & load(state.planes, at_sides + 2 * VECTOR, PART)
    return above ^ _bits(plan, state, kinds, masks, count, likely), kinds, ups


@inlined
def _masks(state, own, part):
    """Where the lanes of class 0 are in scratch."""
    return own * state.scratch.shape[1] + 2 * VECTOR + part


@inlined
def turned(plan, state, spins, undecided, kinds, tile, first):
    """The spins of words `first` ..., turned where a fresh uniform of lanes `undecided` is below their threshold."""
    table, _, own, _, count = tile
    part = first & (VECTOR - 1)
    masks = _masks(state, own, part)
    columns = state.streams.shape[2]  # a power of two: a division would be felt
    column = state.streams.shape[1] * columns * own + (first & (columns - 1))
    a = load(state.streams, column, PART)
    b = load(state.streams, columns + column, PART)
    c = load(state.streams, 2 * columns + column, PART)
    counter = load(state.streams, 3 * columns + column, PART)
    for j in range(PLANES):
        word = a + b + counter  # SFC64, as in streams.next_words, its state kept in registers
        counter = counter + 1
        a = b ^ (b >> 11)
        b = c + (c << 3)
        c = ((c << 24) | (c >> 40)) + word
        threshold = _bits(plan, state, kinds, masks, count, (table * PLANES + j) * len(plan.kinds))
        differs = word ^ threshold
        spins = spins ^ (undecided & differs & threshold)
        undecided = undecided & (differs ^ -1)
    store(state.streams, column, a)
    store(state.streams, columns + column, b)
    store(state.streams, 2 * columns + column, c)
    store(state.streams, 3 * columns + column, counter)
    left = nonzero(undecided)
    if seldom(left != 0):
        scratch = state.scratch[own]
        store(scratch, part, spins)
        store(scratch, VECTOR + part, undecided)
        keep(kinds, scratch, 2 * VECTOR + part)
        while left != 0:
            element = lowest_bit(left)
            left &= left - np.uint64(1)
            _decide_left(plan, state, scratch, count, table, own, part + np.int64(element))
        spins = load(scratch, part, PART)
    return spins


@called
def _decide_left(plan, state, scratch, count, table, own, element):
    """Let the undecided lanes of one word, in scratch, draw 64 more bits each, from streams of their own."""
    word = element & (plan.words - 1)
    left = scratch[VECTOR + element]
    while left != 0:
        lane = np.int64(lowest_bit(left))
        bit = np.uint64(1) << np.uint64(lane)
        left &= left - np.uint64(1)
        kind = count - 1
        while kind > 0 and not scratch[(2 + kind) * VECTOR + element] & bit:
            kind -= 1
        rest = plan.rest[state.current[64 * word + lane], table * len(plan.kinds) + kind]
        if next_word(state.tails[own, 64 * word + lane]) < rest:
            scratch[element] ^= bit


@called
def _copy_ghosts(plan, state, first, end):
    """Refresh vectors of ghosts from their originals, lanes moved on by the shift within each turn of strips."""
    back = plan.ghost_originals.size
    for vector in range(first, end):
        words = gather(state.spins, plan.ghost_originals, VECTOR * vector, VECTOR)
        lanes = load(plan.ghost_lanes, VECTOR * vector, VECTOR)
        on = words >> load(plan.ghost_shifts, VECTOR * vector, VECTOR)
        around = words << load(plan.ghost_shifts, back + VECTOR * vector, VECTOR)
        store(state.spins, plan.ghosts + VECTOR * vector, (on & lanes) | (around & (lanes ^ -1)))


@called
def show_codes(plan, state, rungs):
    """Bring the planes up to date with the lanes' rungs: their codes, 64 lanes by 64 bits, transposed."""
    new = False
    for lane in range(rungs.size):
        new |= state.current[lane] != rungs[lane]
        state.current[lane] = rungs[lane]
    if new:
        for part in range(plan.codes.shape[1]):
            for lane in range(64):
                for place in range(VECTOR):
                    word = place & (plan.words - 1)
                    state.planes[(64 * part + lane) * VECTOR + place] = plan.codes[rungs[64 * word + lane], part]
            transpose(state.planes, 64 * part * VECTOR)


@inlined
def _sweep_all(plan, state, rule, tile, both, counted_to, counters):
    """Sweep a tile, or those of its words that are drawn for all lanes; count bonds of words before `counted_to`."""
    first, end, table, degree, _, _, own, _, start, count = plan.tiles[tile]
    numbers, held, ours = state.numbers[own], 0, full(-1, np.uint64, PART)
    for word in range(VECTOR * first, VECTOR * end, PART):
        part = word & (VECTOR - 1)
        if part == 0:
            fetch_neighbors(plan, state, word // VECTOR, end, degree)
        likely, kinds, ups = decision(plan, state, (table, degree, own, start, count), word)
        if both:
            ours = load(state.rare, state.rare.shape[1] * own + VECTOR * rare.MINE + part, PART) ^ -1
        spins = turned(plan, state, likely, ours, kinds, (table, degree, own, start, count), word)
        if rule == METROPOLIS:  # what was not the likelier spin turns always
            spins = likely ^ ((spins ^ likely) & (load(state.spins, word, PART) ^ likely ^ -1))
        if both:
            spins = (spins & ours) | (load(state.spins, word, PART) & (ours ^ -1))
        store(state.spins, word, spins)
        if word < counted_to:
            keep(reflected(ups, spins, degree, start), numbers, held * VECTOR * len(ups) + part)
            held += part + PART == VECTOR
            if held == plan.together or word + PART == counted_to:
                add_numbers(plan.number, numbers, held, counters, state.scratch[own])
                held = 0


@gives(contract.sweep, MultispinPlan)
def _sweep(plan, state, rungs, rule, scan, counts, crew):
    if crew.worker == 0:
        if rare.find_alike(plan.rare.rates, rungs, plan.words, state.alike):
            show_codes(plan, state, rungs)
        state.counted[0] = counts > 0
    meet(crew)
    counters = state.counters[crew.worker, 0]
    if counts:
        counters[:] = 0
    for phase in range(len(plan.phases)):
        first_tile, end_tile, first_ghost, end_ghost = plan.phases[phase]
        for tile in range(first_tile + crew.worker, end_tile, crew.workers):
            first, end, table, _, _, end_counted, own, last_cells, _, _ = plan.tiles[tile]
            attempts, counted_to = 64 * VECTOR * (end - first) // plan.words, VECTOR * end_counted if counts else 0
            streams, scratch = state.streams[own], state.rare[own]
            ways = rare.begin(plan.rare, state.alike, plan.words, table, attempts, state.tails[own], scratch)
            both = ways == rare.BOTH
            if both:
                rare.exchange(streams, scratch, np.uint64(1))
            if ways != rare.RARELY:
                _sweep_all(plan, state, rule, tile, both, 0 if both else counted_to, counters)
            if both:
                rare.exchange(streams, scratch, np.uint64(2**64 - 1))
            if ways != rare.EVERY:
                sweep_rarely(plan, state, rule, tile, both, counted_to, counters)
            if both:
                rare.exchange(streams, scratch, np.uint64(0))
            for word in range(last_cells * plan.words, SLOTS * plan.words):  # dummies stay down
                state.spins[VECTOR * end - SLOTS * plan.words + word] = 0
        meet(crew)
        if end_ghost > first_ghost:
            if crew.worker == 0:
                _copy_ghosts(plan, state, first_ghost, end_ghost)
            meet(crew)


@called
def _count_unsatisfied(plan, state, first, end, degree, counters, numbers, scratch):
    """Add the unsatisfied bonds of vectors `first` ... `end - 1` to counters."""
    held = 0
    for word in range(VECTOR * first, VECTOR * end, PART):
        part, entry = word & (VECTOR - 1), word // VECTOR * plan.slots
        spins, unsatisfied = load(state.spins, word, PART), number(plan.number, 0)
        for slot in range(0, degree - 1, 2):
            one, other = neighbor(plan, state, entry + slot, part), neighbor(plan, state, entry + slot + 1, part)
            unsatisfied = increment(unsatisfied, spins ^ one, spins ^ other)
        if degree % 2 == 1:
            last = neighbor(plan, state, entry + degree - 1, part)
            unsatisfied = increment(unsatisfied, spins ^ last, full(0, np.uint64, PART))
        keep(unsatisfied, numbers, held * VECTOR * len(unsatisfied) + part)
        held += part + PART == VECTOR
        if held == plan.together or word + PART == VECTOR * end:
            add_numbers(plan.number, numbers, held, counters, scratch)
            held = 0


@gives(contract.measure, MultispinPlan)
def _measure(plan, state, energies, magnetizations, crew):
    counters, scratch = state.counters[crew.worker], state.scratch[crew.worker]
    counters[1] = 0
    if not state.counted[0]:
        counters[0] = 0
    for tile in range(crew.worker, len(plan.tiles), crew.workers):
        first, end, _, degree, begin_counted, end_counted, _, _, _, _ = plan.tiles[tile]
        count_ups(state, first, end, counters[1], scratch)
        begin = max(begin_counted, end_counted) if state.counted[0] else begin_counted
        if begin < end:
            _count_unsatisfied(plan, state, begin, end, degree, counters[0], state.numbers[crew.worker], scratch)
    meet(crew)
    if crew.worker == 0:
        energies[:] = 0.0
        magnetizations[:] = 0.0
        for worker in range(crew.workers):
            for kind in range(2):
                sums = magnetizations if kind else energies
                add_column_sums(state.counters[worker, kind], plan.words, plan.strips, sums)
        for column in range(energies.size):
            broken = energies[column] / 2 if plan.twice else energies[column]
            magnetizations[column] = 2 * magnetizations[column] - plan.sites
            bonds = plan.coupling * (plan.bonds - 2 * broken)
            energies[column] = plan.offsets[column] - bonds - plan.field * magnetizations[column]


@gives(contract.snapshot, MultispinPlan)
def _snapshot(plan, state, words):
    for cell in range(plan.position.size):
        for word in range(plan.words):
            spins = load(state.spins, at(plan.position, cell) * plan.words + word, 1)
            store(words, 4 * (cell * plan.words + word), bitcast(spins, np.uint16))


@gives(contract.restore, MultispinPlan)
def _restore(plan, state, words):
    for cell in range(plan.position.size):
        for word in range(plan.words):
            spins = bitcast(load(words, 4 * (cell * plan.words + word), 4), np.uint64)
            store(state.spins, at(plan.position, cell) * plan.words + word, spins)
    state.counted[0] = False


@gives(contract.retain, MultispinPlan)
def _retain(plan, state, kept, better):
    scratch = state.scratch[0]
    for place in range(VECTOR):
        scratch[place] = 0
        for lane in range(64):
            scratch[place] |= np.uint64(better[64 * (place & (plan.words - 1)) + lane]) << np.uint64(lane)
    lanes = load(scratch, 0, VECTOR)
    for first in range(0, kept.size, VECTOR):
        old = load(kept, first, VECTOR)
        store(kept, first, old ^ ((old ^ load(state.spins, first, VECTOR)) & lanes))
