"""The kernels of the multi-spin engine: sweep, measure, snapshot."""

import numpy as np
from numba.extending import overload

from fastgibbs.engines import contract
from fastgibbs.engines.arithmetic import exp64
from fastgibbs.engines.bitslices import choose, classes, folded, increment, keep, lowest_bit, plus, seldom, zero
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.multispin import PENDING, PLANES, SLOTS, MultispinPlan
from fastgibbs.engines.streams import next_word
from fastgibbs.engines.vectors import at, full, gather, load, nonzero, spread, store
from fastgibbs.jit import inlined

_ALL = np.uint64(2**64 - 1)


@inlined
def _neighbor(plan, state, entry):
    """The eight words of one slot of a vector, turned so that 1 pushes up; `entry` is vector * slots + slot."""
    begin = at(plan.runs, entry)
    words = load(state.spins, begin, VECTOR) if begin >= 0 else gather(state.spins, plan.listed, -1 - begin, VECTOR)
    if plan.sign_bytes.size > 0:
        words = words ^ spread(at(plan.sign_bytes, entry), np.uint64, VECTOR)
    elif plan.sign_words.size > 0:
        words = words ^ load(plan.sign_words, VECTOR * entry, VECTOR)
    return words


@inlined
def accepted(state, kinds, table, vector, words):
    """In each lane of a vector whether a fresh uniform lies below the threshold of the lane's class."""
    columns = state.streams.shape[1]
    column = (VECTOR * vector) & (columns - 1)  # columns is a power of two, and a division would be felt
    a = load(state.streams, column, VECTOR)
    b = load(state.streams, columns + column, VECTOR)
    c = load(state.streams, 2 * columns + column, VECTOR)
    counter = load(state.streams, 3 * columns + column, VECTOR)
    accept = full(0, np.uint64, VECTOR)
    undecided = full(-1, np.uint64, VECTOR)
    for j in range(PLANES):
        word = a + b + counter  # SFC64, as in streams.next_words, its state kept in registers
        counter = counter + 1
        a = b ^ (b >> 11)
        b = c + (c << 3)
        c = ((c << 24) | (c >> 40)) + word
        threshold = choose(kinds, state.planes, (table * PLANES + j) * len(kinds) * VECTOR)
        differs = word ^ threshold
        accept = accept | (undecided & differs & threshold)
        undecided = undecided & (differs ^ -1)
    store(state.streams, column, a)
    store(state.streams, columns + column, b)
    store(state.streams, 2 * columns + column, c)
    store(state.streams, 3 * columns + column, counter)
    left = nonzero(undecided)
    if seldom(left != 0):
        store(state.scratch, 0, accept)
        store(state.scratch, VECTOR, undecided)
        keep(kinds, state.scratch, 2 * VECTOR)
        while left != 0:
            element = lowest_bit(left)
            left &= left - np.uint64(1)
            _decide_left(state, len(kinds), table, np.int64(element), words)
        accept = load(state.scratch, 0, VECTOR)
    return accept


@inlined
def _decide_left(state, kinds, table, element, words):
    """Let the undecided lanes of one word, in scratch, draw 64 more bits each, from streams of their own."""
    word = element % words
    left = state.scratch[VECTOR + element]
    while left != 0:
        lane = np.int64(lowest_bit(left))
        bit = np.uint64(1) << np.uint64(lane)
        left &= left - np.uint64(1)
        kind = 0
        while not state.scratch[(2 + kind) * VECTOR + element] & bit:
            kind += 1
        rest = state.rest[((table * kinds + kind) * words + word) * 64 + lane]
        if next_word(state.tails[64 * word + lane]) < rest:
            state.scratch[element] |= bit


@inlined
def decision(plan, state, table, vector):
    """The likelier spins of a vector's cells, and in which lanes which threshold counts."""
    slots = len(plan.slots)
    ups = zero(plan.slots)
    for slot in range(slots):
        ups = increment(ups, _neighbor(plan, state, vector * slots + slot))
    masks = classes(ups, plan.slots)
    return choose(masks, state.likely, table * (slots + 1) * VECTOR), folded(masks, plan.folds)


@inlined
def _update(plan, state, rule, first, end, table, last_cells):
    """Update the cells of one group, vectors `first` ... `end` - 1, the last of which holds `last_cells` of 8 cells."""
    for vector in range(first, end):
        likely, kinds = decision(plan, state, table, vector)
        accept = accepted(state, kinds, table, vector, plan.words)
        if rule == METROPOLIS:
            accept = accept & (load(state.spins, VECTOR * vector, VECTOR) ^ likely ^ -1)
        store(state.spins, VECTOR * vector, likely ^ accept)
    for word in range(last_cells * plan.words, SLOTS * plan.words):  # dummies stay down
        state.spins[VECTOR * end - SLOTS * plan.words + word] = 0


@inlined
def _copy_ghosts(plan, state, first, end):
    """Refresh vectors of ghosts from their originals, lanes moved on by the shift within each turn of strips."""
    back = plan.ghost_originals.size
    for vector in range(first, end):
        words = gather(state.spins, plan.ghost_originals, VECTOR * vector, VECTOR)
        lanes = load(plan.ghost_lanes, VECTOR * vector, VECTOR)
        on = words >> load(plan.ghost_shifts, VECTOR * vector, VECTOR)
        around = words << load(plan.ghost_shifts, back + VECTOR * vector, VECTOR)
        store(state.spins, plan.ghosts + VECTOR * vector, (on & lanes) | (around & (lanes ^ -1)))


@inlined
def set_thresholds(plan, state, betas, rule):
    """Thresholds and likelier spins of every class at the lanes' betas, cut into bit planes.

    A cell of degree d with k neighbours pushing up has the field f = (2k - d) |J| + h. Its likelier spin is up if
    beta f > 0. With e = exp(-2 |beta f|) the rarer one has probability e / (1 + e) under the Gibbs rule; under
    Metropolis a likelier spin turns with probability e, a rarer one always.
    """
    slots, folds, words = len(plan.slots), len(plan.folds), plan.words
    state.planes[:] = 0
    state.likely[:] = 0
    for table in range(plan.degrees.size):
        for lane in range(64 * words):
            word = lane // 64
            bit = np.uint64(1) << np.uint64(lane % 64)
            for k in range(slots + 1):
                field = (2 * k - plan.degrees[table]) * plan.coupling + plan.field
                g = 2.0 * betas[lane] * field
                if g > 0:
                    state.likely[(table * (slots + 1) + k) * VECTOR + word] |= bit
                if k >= folds:
                    continue
                e = exp64(-min(abs(g), 700.0))
                p = e if rule == METROPOLIS else e / (1.0 + e)
                scaled = p * 2.0**PLANES
                head, rest = 2**PLANES - 1, _ALL
                if p < 1.0:
                    head = np.int64(scaled)
                    rest = np.uint64((scaled - head) * 2.0**64)
                state.rest[(table * folds + k) * 64 * words + lane] = rest
                for j in range(PLANES):
                    if head >> (PLANES - 1 - j) & 1:
                        state.planes[((table * PLANES + j) * folds + k) * VECTOR + word] |= bit
    for array in (state.planes, state.likely):
        for place in range(array.size):
            array[place] = array[place - place % VECTOR + place % VECTOR % words]


@overload(contract.sweep)
def _sweep(plan, state, betas, rule, scan):
    if getattr(plan, "instance_class", None) is not MultispinPlan:
        return None

    def sweep(plan, state, betas, rule, scan):
        new = state.current[betas.size] != rule
        for lane in range(betas.size):
            new |= state.current[lane] != betas[lane]
        if new:
            set_thresholds(plan, state, betas, rule)
            for lane in range(betas.size):
                state.current[lane] = betas[lane]
            state.current[betas.size] = rule
            _copy_ghosts(plan, state, 0, plan.ghost_originals.size // VECTOR)
        for group in range(len(plan.groups)):
            first, end, table, _, _, first_ghost, end_ghost, last_cells = plan.groups[group]
            _update(plan, state, rule, first, end, table, last_cells)
            _copy_ghosts(plan, state, first_ghost, end_ghost)

    return sweep


@inlined
def _flush(number, counters, scratch):
    """Add a number to counters, uint64 (planes, 8)."""
    keep(number, scratch, 0)
    carry = full(0, np.uint64, VECTOR)
    for j in range(counters.shape[0]):
        plane = load(counters, VECTOR * j, VECTOR)
        addend = full(0, np.uint64, VECTOR)
        if j < len(number):
            addend = load(scratch, VECTOR * j, VECTOR)
        half = plane ^ addend
        store(counters, VECTOR * j, half ^ carry)
        carry = (plane & addend) | (half & carry)


@inlined
def _column_sums(counters, totals, words, strips, sums):
    """Turn counters, uint64 (planes, 8), into the sum over each column's lanes, float64 (columns,)."""
    step = VECTOR // 2
    while step >= words:  # elements of the same word are added: the upper half to the lower, plane by plane
        carry = full(0, np.uint64, VECTOR)
        for j in range(counters.shape[0]):
            plane, addend = load(counters, VECTOR * j, VECTOR), load(counters, VECTOR * j + step, VECTOR)
            half = plane ^ addend
            store(counters, VECTOR * j, half ^ carry)
            carry = (plane & addend) | (half & carry)
        step //= 2
    sums[:] = 0.0
    for word in range(words):
        totals[:] = 0
        for j in range(counters.shape[0]):
            plane = counters[j, word]
            for lane in range(64):
                totals[lane] += np.int64((plane >> np.uint64(lane)) & np.uint64(1)) << j
        for lane in range(64):
            sums[(64 * word + lane) // strips] += totals[lane]


@overload(contract.measure)
def _measure(plan, state, energies, magnetizations):
    if getattr(plan, "instance_class", None) is not MultispinPlan:
        return None

    def measure(plan, state, energies, magnetizations):
        slots = len(plan.slots)
        unsatisfied, ups = zero(PENDING), zero(PENDING)
        state.counters[:] = 0
        unsatisfied_pending, ups_pending = 0, 0
        for group in range(len(plan.groups)):
            first, end, _, degree, counted, _, _, _ = plan.groups[group]
            for vector in range(first, end):
                spins = load(state.spins, VECTOR * vector, VECTOR)
                ups = increment(ups, spins)
                ups_pending += 1
                if ups_pending == len(PENDING):
                    _flush(ups, state.counters[1], state.scratch)
                    ups, ups_pending = zero(PENDING), 0
                if counted:
                    number = zero(plan.slots)
                    for slot in range(degree):
                        number = increment(number, spins ^ _neighbor(plan, state, vector * slots + slot))
                    unsatisfied = plus(unsatisfied, number)
                    unsatisfied_pending += 1
                    if unsatisfied_pending == len(PENDING) // slots:
                        _flush(unsatisfied, state.counters[0], state.scratch)
                        unsatisfied, unsatisfied_pending = zero(PENDING), 0
        _flush(unsatisfied, state.counters[0], state.scratch)
        _flush(ups, state.counters[1], state.scratch)
        _column_sums(state.counters[0], state.totals, plan.words, plan.strips, energies)
        _column_sums(state.counters[1], state.totals, plan.words, plan.strips, magnetizations)
        for column in range(energies.size):
            broken = energies[column] / 2 if plan.twice else energies[column]
            magnetizations[column] = 2 * magnetizations[column] - plan.sites
            bonds = plan.coupling * (plan.bonds - 2 * broken)
            energies[column] = plan.offsets[column] - bonds - plan.field * magnetizations[column]

    return measure


@overload(contract.snapshot)
def _snapshot(plan, state, words):
    if getattr(plan, "instance_class", None) is not MultispinPlan:
        return None

    def snapshot(plan, state, words):
        for cell in range(plan.position.size):
            for word in range(plan.words):
                spins = state.spins[plan.position[cell] * plan.words + word]
                for part in range(4):
                    words[cell, 4 * word + part] = (spins >> np.uint64(16 * part)) & np.uint64(0xFFFF)

    return snapshot
