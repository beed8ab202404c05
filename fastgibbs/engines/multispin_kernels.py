"""The kernels of the multi-spin engine: sweep, measure, snapshot."""

import numpy as np

from fastgibbs.engines import contract, rare
from fastgibbs.engines.bitslices import PART, increment, keep, number, reflected, transpose
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.gates import meet
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.multispin import SLOTS, MultispinPlan
from fastgibbs.engines.multispin_counters import add_column_sums, add_numbers, count_ups
from fastgibbs.engines.multispin_decisions import count_up, decision, turned, turned_alike
from fastgibbs.engines.multispin_neighbors import bonds_of, fetch_neighbors, neighbor
from fastgibbs.engines.multispin_rare import sweep_rarely
from fastgibbs.engines.vectors import at, bitcast, full, gather, load, store
from fastgibbs.jit import called, gives, inlined


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
    new, alike = False, True
    for lane in range(rungs.size):
        new |= state.current[lane] != rungs[lane]
        alike &= rungs[lane] == rungs[0]
        state.current[lane] = rungs[lane]
    if not new:
        return
    for part in range(plan.codes.shape[1]):
        if alike:
            for bit in range(64):
                one = np.int64(plan.codes[rungs[0], part] >> np.uint64(bit)) & 1
                store(state.planes, (64 * part + bit) * VECTOR, full(-one, np.uint64, VECTOR))
        else:
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
    of_tile, rung = (table, degree, own, count), state.alike[plan.words]
    for word in range(VECTOR * first, VECTOR * end, PART):
        part = word & (VECTOR - 1)
        if part == 0:
            fetch_neighbors(plan.runs, state.spins, plan.slots, degree, word // VECTOR, end)
        ups = count_up(plan, state, degree, start, word)
        if both:
            ours = load(state.rare, state.rare.shape[1] * own + VECTOR * rare.MINE + part, PART) ^ -1
        if rung >= 0:
            likely, spins = turned_alike(plan, state, ups, ours, of_tile, word, rung)
        else:
            likely, distance, kinds = decision(plan, state, ups, of_tile, word)
            spins = turned(plan, state, likely, ours, distance, kinds, of_tile, word)
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
            first, end, table, _, _, end_counted, own, last_cells, start, _ = plan.tiles[tile]
            attempts, counted_to = 64 * VECTOR * (end - first) // plan.words, VECTOR * end_counted if counts else 0
            streams, scratch = state.streams[own], state.rare[own]
            ways = rare.begin(plan.rare, state.alike, plan.words, table, start, attempts, state.tails[own], scratch)
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
    held, bonds = 0, bonds_of(plan)
    for word in range(VECTOR * first, VECTOR * end, PART):
        part, entry = word & (VECTOR - 1), word // VECTOR * plan.slots
        spins, unsatisfied = load(state.spins, word, PART), number(plan.number, 0)
        for slot in range(0, degree - 1, 2):
            one = spins ^ neighbor(bonds, state.spins, entry + slot, part)
            unsatisfied = increment(unsatisfied, one, spins ^ neighbor(bonds, state.spins, entry + slot + 1, part))
        if degree % 2 == 1:
            last = neighbor(bonds, state.spins, entry + degree - 1, part)
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
