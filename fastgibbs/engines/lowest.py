"""The lowest states that the reads of a block were in after any sweep: K distinct ones, and which reads were in each.

States are told apart by the XOR of one random word for every site that is up (Zobrist, Tech. Rep. 88, Univ. of
Wisconsin (1970)): of 10^6 states two share the same 64 bits with probability 3 10^-8. They are kept in the order of
(energy, hash), the same whenever they are found: what falls out never comes back, and a state among the K lowest of a
run is among those of each block that has been in it, so that tables of blocks are merged without loss.

A lane's hash follows its spins only when its energy might enter the table: until then a sweep costs a comparison a
lane.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.engines.contract import LANE_GROUP
from fastgibbs.engines.entries import exactly, snapshot
from fastgibbs.engines.sparse import SparsePlan
from fastgibbs.engines.streams import HASH, stream
from fastgibbs.engines.vectors import at, load, nonzero, trailing_zeros
from fastgibbs.jit import called, gives, inlined, stub


class Lowest(NamedTuple):
    """The table of a block, in no order, and how far each lane has been followed."""

    words: np.ndarray  # uint64 (n,): of every site
    slack: float  # by how much energies may be off that were followed from flip to flip
    energies: np.ndarray  # float64 (K,): exact ones, infinite where there is no state yet
    hashes: np.ndarray  # uint64 (K,)
    states: np.ndarray  # uint8 (K, n // 8 rounded up): bit i is site i
    reads: np.ndarray  # uint8 (K, lanes): whether the lane was in the state
    highest: np.ndarray  # int64 (1,): the entry that leaves next
    packed: np.ndarray  # uint16 (n, lanes // 16): the spins now,
    followed: np.ndarray  # and as they were when each lane was last looked at,
    lane_hashes: np.ndarray  # uint64 (lanes,): which these are the hashes of
    waiting: np.ndarray  # uint8 (lanes,): whether the lane's state has still to be looked up
    ups: np.ndarray  # uint8 (n,): which spins of one lane are up
    near: np.ndarray  # uint16 (lanes,): the lanes whose energies are low enough, 16 bits a group, 16 times


def site_words(entropy, n: int, keep: int) -> np.ndarray:
    """The random words of a run's sites, uint64 (n,), read-only; none if no states are kept."""
    words = stream(entropy, HASH).random_raw(n) if keep else np.empty(0, np.uint64)
    words.flags.writeable = False
    return words


def nothing_yet(words, keep: int, lanes: int, slack: float) -> Lowest:
    """An empty table of `keep` entries for a block."""
    n, groups = words.size, lanes // LANE_GROUP if keep else 0
    return Lowest(
        words,
        slack,
        energies=np.full(keep, np.inf),
        hashes=np.zeros(keep, np.uint64),
        states=np.zeros((keep, -(-n // 8)), np.uint8),
        reads=np.zeros((keep, lanes), np.uint8),
        highest=np.zeros(1, np.int64),
        packed=np.zeros((n, groups), np.uint16),
        followed=np.zeros((n, groups), np.uint16),
        lane_hashes=np.zeros(lanes, np.uint64),
        waiting=np.ones(lanes, np.uint8),
        ups=np.zeros(n, np.uint8),
        near=np.zeros(groups * LANE_GROUP, np.uint16),
    )


def hashes(words, states) -> np.ndarray:
    """The hashes of packed states, uint8 (rows, n // 8 rounded up): uint64 (rows,)."""
    ups = (np.unpackbits(state, count=words.size, bitorder="little") for state in states)
    return np.array([np.bitwise_xor.reduce(words[up > 0]) for up in ups], np.uint64)


def unpacked(states, n: int) -> np.ndarray:
    """Spins int8 (rows, n) of packed states."""
    return 2 * np.unpackbits(states, axis=1, count=n, bitorder="little").astype(np.int8) - 1


def enter(table: Lowest, energies, states, reads):
    """Take more states into a table: their energies, packed, and which lanes were in each, uint8 (states, lanes)."""
    if not table.energies.size:
        return
    known, more = table.energies < np.inf, energies < np.inf
    energies = np.concatenate([table.energies[known], energies[more]])
    states = np.concatenate([table.states[known], states[more]])
    reads = np.concatenate([table.reads[known], reads[more]])
    keys, first, which = np.unique(hashes(table.words, states), return_index=True, return_inverse=True)
    together = np.zeros((keys.size, reads.shape[1]), np.uint8)
    np.maximum.at(together, which, reads)
    order = np.lexsort((keys, energies[first]))[: table.energies.size]
    table.energies[: order.size] = energies[first][order]
    table.states[: order.size] = states[first][order]
    table.reads[: order.size] = together[order]
    renew(table)


def renew(table: Lowest):
    """Compute again what follows from the states and energies of a table."""
    table.hashes[:] = hashes(table.words, table.states)
    if table.hashes.size:
        table.highest[0] = np.lexsort((table.hashes, table.energies))[-1]


@stub
def note(table, block, energies, count):
    """Mark the states of the first `count` lanes, of these energies, in the table, and take in those that are lower.

    If there is a table.
    """


@gives(note, Lowest)
def _note(table, block, energies, count):
    bound = table.energies[table.highest[0]] + table.slack
    table.near[:] = 0
    groups, found = table.packed.shape[1], False
    for lane in range(count):
        if energies[lane] <= bound:
            table.near[lane >> 4] |= np.uint16(1 << (lane & 15))
            found = True
    if not found:
        return
    for place in range(groups, table.near.size):
        table.near[place] = table.near[place - groups]
    snapshot(block, table.packed)
    _follow(table)
    for lane in range(count):
        if energies[lane] <= bound and table.waiting[lane]:
            table.waiting[lane] = 0
            _look_up(block, table, lane, energies[lane])


@inlined
def _follow(table):
    """Follow the spins of the lanes that are near, and let those wait that have changed."""
    size, period, start = table.packed.size, table.near.size, 0
    for place in range(0, size - size % 16, 16):
        changes = (load(table.packed, place, 16) ^ load(table.followed, place, 16)) & load(table.near, start, 16)
        start = start + 16 if start + 16 < period else 0
        changed = nonzero(changes)
        while changed != 0:
            _turn(table, place + trailing_zeros(changed))
            changed &= changed - np.uint64(1)
    for place in range(size - size % 16, size):
        _turn(table, place)


@inlined
def _turn(table, place):
    """Follow the spins of one site in 16 lanes."""
    groups = table.packed.shape[1]
    site, group = place // groups, place % groups
    changes = (table.packed[site, group] ^ table.followed[site, group]) & table.near[group]
    table.followed[site, group] ^= np.uint16(changes)
    word, left = table.words[site], np.uint64(changes)
    while left != 0:
        lane = 16 * group + trailing_zeros(left)
        table.lane_hashes[lane] ^= word
        table.waiting[lane] = 1
        left &= left - np.uint64(1)


@called
def _look_up(block, table, lane, energy):
    """Mark the state of a lane if the table has it; else let it take the place of the last if it comes before that."""
    key, last, keep = table.lane_hashes[lane], table.highest[0], table.energies.size
    for entry in range(keep):
        if table.hashes[entry] == key and table.energies[entry] < np.inf:
            table.reads[entry, lane] = 1
            return
    n, groups = table.followed.shape
    for site in range(n):
        table.ups[site] = at(table.followed, site * groups + (lane >> 4)) >> (lane & 15) & 1
    energy = exactly(block, table.ups, energy)
    if energy > table.energies[last] or (energy == table.energies[last] and key > table.hashes[last]):
        return
    table.energies[last], table.hashes[last] = energy, key
    table.reads[last] = 0
    table.reads[last, lane] = 1
    for byte in range(table.states.shape[1]):
        packed = 0
        for site in range(8 * byte, min(8 * byte + 8, n)):
            packed |= at(table.ups, site) << (site & 7)
        table.states[last, byte] = packed
    for entry in range(keep):
        other = table.energies[entry]
        if other > table.energies[last] or (other == table.energies[last] and table.hashes[entry] > table.hashes[last]):
            last = entry
    table.highest[0] = last


@gives(contract.exactly, SparsePlan)
def _exactly(plan, ups, energy):
    bonds, fields = 0.0, 0.0
    for i in range(plan.fields.size):
        up = np.int64(at(ups, i))
        for k in range(at(plan.upper, i), at(plan.indptr, i + 1)):
            differs = up ^ np.int64(at(ups, at(plan.indices, k)))
            bonds += at(plan.couplings, k) * (1 - 2 * differs)
        fields += at(plan.fields, i) * (2 * up - 1)
    return plan.offset - bonds * plan.coupling_unit - fields * plan.field_unit
