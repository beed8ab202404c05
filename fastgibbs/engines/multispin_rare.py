"""Sweeps of the multi-spin engine at low temperatures, of words whose rare outcomes alone are drawn: see rare.py."""

import numpy as np

from fastgibbs.engines import rare
from fastgibbs.engines.bitslices import increment, keep, reflected, seldom, whole_number
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.multispin_counters import add_numbers
from fastgibbs.engines.multispin_neighbors import bonds_of, fetch_neighbors, whole_neighbor
from fastgibbs.engines.streams import next_words
from fastgibbs.engines.vectors import bits, full, load, store
from fastgibbs.jit import inlined


@inlined
def with_two(bonds, spins, entry, ups):
    """A number plus two neighbours of a vector."""
    return increment(ups, whole_neighbor(bonds, spins, entry), whole_neighbor(bonds, spins, entry + 1))


@inlined
def sides(folds, ups, limits, table):
    """Lanes of a vector in which up is likelier where beta > 0, and those without a field if any cell has none."""
    if folds:
        greater, free = rare.beside_middle(ups)
    else:
        greater, free = rare.above(ups, limits, VECTOR * table)
    return greater, free


@inlined
def sweep_rarely(plan, state, rule, tile, both, counted_to, counters):
    """Sweep a tile, or those of its words whose rare outcomes alone are drawn, as rare.py says."""
    first, end, table, degree, _, _, own, _, start, _ = plan.tiles[tile]
    begin, attempts, held = VECTOR * first, 64 * VECTOR * (end - first) // plan.words, 0
    numbers, scratch, tails, streams = state.numbers[own], state.rare[own], state.tails[own], state.streams[own]
    coins, following = plan.rare.limits[VECTOR * table + rare.COINS] != 0, rare.next_candidates(scratch)
    forced, bonds = full(0, np.uint64, VECTOR), bonds_of(plan)
    toss = full(-np.int64(coins), np.uint64, VECTOR)
    for word in range(begin, VECTOR * end, VECTOR):
        fetch_neighbors(plan.runs, state.spins, plan.slots, degree, word // VECTOR, end)
        if coins and rule != METROPOLIS:  # before all else: it takes many registers
            toss = next_words(streams, word & (streams.shape[1] - 1), VECTOR)
        ups, entry = whole_number(plan.number, start), word // VECTOR * plan.slots  # few planes: registers hold them
        if degree > 0:  # one by one: a loop over so much is never unrolled
            ups = with_two(bonds, state.spins, entry, ups)
        if degree > 2:
            ups = with_two(bonds, state.spins, entry + 2, ups)
        if degree > 4:
            ups = with_two(bonds, state.spins, entry + 4, ups)
        if degree > 6:
            ups = with_two(bonds, state.spins, entry + 6, ups)
        if degree > 8:
            ups = with_two(bonds, state.spins, entry + 8, ups)
        if degree > 10:
            ups = with_two(bonds, state.spins, entry + 10, ups)
        greater, free = sides(plan.folds, ups, plan.rare.limits, table)
        likely = greater ^ load(scratch, VECTOR * rare.TURNED, VECTOR)
        spins = likely ^ (free & toss)
        if rule == METROPOLIS:  # what was not the likelier spin turns always
            forced = load(state.spins, word, VECTOR) ^ likely
            spins = likely ^ ((spins ^ likely) & (forced ^ -1))
        if both:
            ours = load(scratch, VECTOR * rare.MINE, VECTOR)
            spins = (spins & ours) | (load(state.spins, word, VECTOR) & (ours ^ -1))
        store(state.spins, word, spins)
        end_bit = 64 * (word + VECTOR - begin)
        found = np.uint64(bits(following < end_bit))
        if seldom(found != 0):
            store(scratch, VECTOR * rare.LIKELY, forced ^ -1)
            keep(ups, scratch, VECTOR * rare.UPS)
            drawn = plan.words, attempts, tails, scratch
            following = rare.try_candidates(plan.rare, drawn, state.spins, following, found, begin, end_bit)
        if word < counted_to:
            spins = load(state.spins, word, VECTOR)
            keep(reflected(ups, spins, degree, start), numbers, held * VECTOR * len(ups))
            held += 1
            if held == plan.together or word + VECTOR == counted_to:
                add_numbers(plan.number, numbers, held, counters, state.scratch[own])
                held = 0
