"""The multi-spin engine: 64 lanes in every word, couplings +-J on any graph of degree up to 12, one uniform field.

A colour class is updated at once, eight words at a time. Of a word's 64 lanes every one decides by a uniform number of
its own, compared with the lane's own threshold bit by bit: PLANES words of 64 fresh bits decide all lanes but one in
4096, and those draw 64 more bits each, from a stream of their own. So lanes are independent and probabilities exact to 2^-76.

Word w of a cell at place c of its group draws from stream (w, c % 8): how many words lie side by side in a block never
shows in the results.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from fastgibbs.engines import contract
from fastgibbs.engines.arithmetic import exp64
from fastgibbs.engines.bitslices import choose, classes, folded, increment, keep, lowest_bit, plus, zero
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.graphs import Layout, cells, layout
from fastgibbs.engines.streams import SWEEP, TAIL, next_word, stream_state
from fastgibbs.engines.vectors import at, full, gather, load, nonzero, spread, store
from fastgibbs.jit import inlined

VECTOR = 8  # words handled at once: the widest registers there are
SLOTS = 8  # streams of each word
PLANES = 12  # words drawn for every 64 decisions
MAX_DEGREE = 12
_PENDING = (0,) * 127  # what sums may reach before they are added to the counters, as the length of a tuple
_ALL = np.uint64(2**64 - 1)


class MultispinPlan(NamedTuple):
    """An Ising model for blocks of `words` words a cell; vector v is the words 8 v ... 8 v + 7 of all cells in order."""

    words: int
    slots: tuple  # as long as the largest degree
    folds: tuple  # as long as the number of thresholds: folded, if classes k and degree - k share one
    groups: np.ndarray  # int64 (groups, 8): first vector, end, table, degree, counted, first ghost, end, last cells
    runs: np.ndarray  # int32 (vectors * slots,): where a neighbour's eight words begin, or -1 - where they are listed
    listed: np.ndarray  # int32: the eight words one by one, where they do not lie together
    sign_bytes: np.ndarray  # uint8 (vectors * slots or 0,): J < 0 for each of eight words, the same in all lanes
    sign_words: np.ndarray  # uint64 (vectors * slots * 8 or 0,): J < 0 lane by lane
    degrees: np.ndarray  # int64 (tables,): the degree that each table of thresholds is for
    ghosts: np.ndarray  # int64 (ghosts, 3): position, original, shift in lanes
    ghost_lanes: np.ndarray  # uint64 (ghosts,): lanes whose neighbour strip is in the same turn of strips
    position: np.ndarray  # int64 (cells,)
    coupling: float
    field: float
    offsets: np.ndarray  # float64 (columns,)
    bonds: int
    sites: int
    strips: int
    twice: bool  # whether measuring meets every bond twice


class MultispinState(NamedTuple):
    """What sweeps change in a block."""

    spins: np.ndarray  # uint64 (positions * words,)
    streams: np.ndarray  # uint64 (4, 8 * words): slot by slot
    tails: np.ndarray  # uint64 (64 * words, 4): a stream for every lane
    current: np.ndarray  # float64 (64 * words + 1,): the betas and the rule that the thresholds are for
    planes: np.ndarray  # uint64 (tables * PLANES * folds * 8,): bit by bit the first 11 bits of thresholds
    rest: np.ndarray  # uint64 (tables * folds * 64 * words,): the next 64 bits
    likely: np.ndarray  # uint64 (tables * (slots + 1) * 8,): the likelier spin in each class
    scratch: np.ndarray  # uint64 (16 + 8 * folds,)
    counters: np.ndarray  # uint64 (2, planes, 8): unsatisfied bonds and up spins
    totals: np.ndarray  # int64 (64,)


def refusal(models, scan: str, strips: int) -> str | None:
    """Why the engine cannot run these Ising models, or None if it can."""
    first = models[0]
    magnitudes = np.abs(first.couplings)
    if scan != "sequential":
        return "it scans colour by colour"
    if magnitudes.size and (magnitudes != magnitudes[0]).any():
        return "the couplings are not all +J or -J"
    if (first.fields != first.fields[:1]).any():
        return "the field is not uniform"
    if np.diff(first.indptr).max(initial=0) > MAX_DEGREE:
        return f"a site has more than {MAX_DEGREE} neighbours"
    for k, model in enumerate(models[1:], 1):
        same_graph = np.array_equal(model.indptr, first.indptr) and np.array_equal(model.indices, first.indices)
        if not (same_graph and np.array_equal(np.abs(model.couplings), magnitudes)):
            return f"model {k} has not the bonds and the |J| of model 0"
        if not np.array_equal(model.fields, first.fields):
            return f"model {k} has not the field of model 0"
    return None


def strips(models, chains: int) -> int:
    """How many strips a lattice is best cut into: what fills the word of few chains, if the strips are alike."""
    (model, *others), most = models, 64 // chains
    if others or model.shape is None or most < 2:
        return 1
    side, count = model.shape[0], 2 ** (most.bit_length() - 1)
    while count > 1 and (side % count or side // count < 2 or model.n // count < 64):
        count //= 2
    try:
        cells(model, count)
    except ValueError:  # an open boundary
        return 1
    return count


class Prepared(NamedTuple):
    """What blocks of any width are cut from: a model or one model per chain, laid out."""

    models: list
    layout: Layout


def prepare(models: list, strips: int) -> Prepared:
    """Lay out Ising models on one graph: a single one for all chains, or one per chain."""
    graph = cells(models[0], strips)
    if len(models) > 1:
        graph = graph._replace(negative=np.array([model.couplings < 0 for model in models]))
    return Prepared(models, layout(graph, strips))


def cut(lanes: int, threads: int) -> list[range]:
    """Ranges of lanes, whole words, that make blocks of 8, 4, 2 or 1 words; smaller ones if there are idle threads."""
    words = -(-lanes // 64)
    most = max(1, min(VECTOR, words // threads))
    blocks, first = [], 0
    while first < words:
        width = 2 ** (min(most, words - first).bit_length() - 1)
        blocks.append(range(64 * first, 64 * (first + width)))
        first += width
    return blocks


def start(prepared: Prepared, lanes: range, spins: np.ndarray, entropy) -> tuple[MultispinPlan, MultispinState]:
    """Plan and state of a block of whole words at `spins` int8 (cells, lanes)."""
    model, place = prepared.models[0], prepared.layout
    words = len(lanes) // 64
    vectors, degree = place.occupied.size * words // VECTOR, place.neighbors.shape[1]
    runs, listed = _runs(place.neighbors, words)
    sign_bytes, sign_words = _signs(prepared, lanes, vectors)
    colours = place.groups[:, 3].max(initial=0) + 1
    degrees = np.unique(place.groups[:, 2])
    field = float(model.fields[0]) if model.n else 0.0
    fold = field == 0 and (degrees == degree).all()
    ghost_ends = np.searchsorted(place.ghosts[:, 0], place.groups[:, 3], "right")
    ghost_firsts = np.searchsorted(place.ghosts[:, 0], place.groups[:, 3], "left")
    last_of_colour = np.diff(place.groups[:, 3], append=-1) != 0
    last_vector = place.occupied.reshape(-1, VECTOR)[place.groups[:, 1] // VECTOR - 1]
    groups = np.column_stack(
        [
            place.groups[:, 0] * words // VECTOR,
            place.groups[:, 1] * words // VECTOR,
            np.searchsorted(degrees, place.groups[:, 2]),
            place.groups[:, 2],
            (place.groups[:, 3] == 0) | (colours > 2),
            ghost_firsts,
            np.where(last_of_colour, ghost_ends, ghost_firsts),
            last_vector.sum(axis=1),
        ]
    )
    columns = len(lanes) // place.strips
    first = lanes.start // place.strips
    several = len(prepared.models) > 1
    models = prepared.models[first : first + columns] if several else prepared.models * columns
    plan = MultispinPlan(
        words=words,
        slots=(0,) * degree,
        folds=(0,) * (degree // 2 + 1 if fold else degree + 1),
        groups=groups.astype(np.int64),
        runs=runs,
        listed=listed,
        sign_bytes=sign_bytes,
        sign_words=sign_words,
        degrees=degrees,
        ghosts=np.column_stack(
            [place.occupied.size + np.arange(len(place.ghosts)), place.ghosts[:, 2], place.ghosts[:, 1]]
        ).astype(np.int64),
        ghost_lanes=_unturned_lanes(place.ghosts[:, 1], place.strips),
        position=place.position,
        coupling=float(np.abs(model.couplings[:1]).sum()),
        field=field,
        offsets=np.array([m.offset for m in models] + [0.0] * (columns - len(models))),
        bonds=model.indices.size // 2,
        sites=model.n,
        strips=place.strips,
        twice=bool(colours > 2),
    )
    tables, folds = degrees.size, len(plan.folds)
    state = MultispinState(
        spins=np.zeros((place.size, words), np.uint64),
        streams=np.column_stack(
            [
                stream_state(entropy, SWEEP, lanes.start // 64 + word, slot)
                for slot in range(SLOTS)
                for word in range(words)
            ]
        ),
        tails=np.array([stream_state(entropy, TAIL, lane // 64, lane % 64) for lane in lanes]),
        current=np.full(len(lanes) + 1, np.nan),
        planes=np.zeros(tables * PLANES * folds * VECTOR, np.uint64),
        rest=np.zeros(tables * folds * len(lanes), np.uint64),
        likely=np.zeros(tables * (degree + 1) * VECTOR, np.uint64),
        scratch=np.zeros((2 + max(folds, len(_PENDING).bit_length())) * VECTOR, np.uint64),
        counters=np.zeros((2, max(8, (2 * plan.sites + 2 * plan.bonds).bit_length() + 1), VECTOR), np.uint64),
        totals=np.zeros(64, np.int64),
    )
    state.spins[place.position] = np.packbits(spins > 0, axis=1, bitorder="little").view("<u8")
    return plan, state._replace(spins=state.spins.ravel())


def spins(plan: MultispinPlan, state: MultispinState) -> np.ndarray:
    """The block's spins, int8 (cells, lanes)."""
    words = state.spins.reshape(-1, plan.words)[plan.position].astype("<u8")
    ones = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").view(np.int8)
    ones *= 2
    ones -= 1
    return ones


def _runs(neighbors: np.ndarray, words: int) -> tuple[np.ndarray, np.ndarray]:
    """For each vector and slot where the eight neighbour words begin, or -1 - where they are listed; and the list."""
    if neighbors.max(initial=0) * words >= 2**31:
        raise ValueError(f"the model has {len(neighbors)} sites: at most {2**31 // words} fit into one block")
    together = neighbors.reshape(-1, VECTOR // words, neighbors.shape[1])
    steps = np.arange(VECTOR // words, dtype=np.int32)[:, None]
    vector, slot = np.nonzero((together != together[:, :1] + steps).any(axis=1))
    listed = together[vector, :, slot][:, :, None] * words + np.arange(words, dtype=np.int32)
    runs = together[:, 0] * np.int32(words)
    runs[vector, slot] = -1 - VECTOR * np.arange(vector.size)
    return runs.ravel(), listed.astype(np.int32).ravel()


def _signs(prepared: Prepared, lanes: range, vectors: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and words of negative couplings, of which at most one is not empty."""
    negative = prepared.layout.negative  # (strips or models, positions, slots)
    degree, words = negative.shape[2], len(lanes) // 64
    nothing = np.empty(0, np.uint8), np.empty(0, np.uint64)
    if not negative.any():
        return nothing
    if (negative == negative[0]).all():
        eight = np.repeat(negative[0].reshape(vectors, -1, degree), words, axis=1)
        return np.packbits(eight, axis=1, bitorder="little").ravel(), nothing[1]
    of_lane = np.arange(lanes.start, lanes.stop)
    of_lane = of_lane % len(negative) if prepared.layout.strips > 1 else np.minimum(of_lane, len(negative) - 1)
    columns = [
        np.packbits(np.moveaxis(negative[of_lane[64 * w : 64 * (w + 1)]], 0, 2), axis=2, bitorder="little").view("<u8")
        for w in range(words)
    ]
    by_site = np.concatenate(columns, axis=2).reshape(vectors, -1, degree, words)
    return nothing[0], by_site.swapaxes(1, 2).ravel().astype(np.uint64)


def _unturned_lanes(shifts: np.ndarray, strips: int) -> np.ndarray:
    """Words of the lanes whose strip plus the shift stays below the number of strips."""
    lanes = np.arange(64) % strips < strips - shifts[:, None]
    return np.packbits(lanes, axis=1, bitorder="little").view("<u8").ravel().astype(np.uint64)


@inlined
def _neighbor(plan, state, entry):
    """The eight words of one slot of a vector, turned so that 1 pushes up; `entry` is vector * slots + slot."""
    begin = at(plan.runs, entry)
    if begin >= 0:
        words = load(state.spins, begin, VECTOR)
    else:
        words = gather(state.spins, plan.listed, -1 - begin, VECTOR)
    if plan.sign_bytes.size > 0:
        words = words ^ spread(at(plan.sign_bytes, entry), np.uint64, VECTOR)
    elif plan.sign_words.size > 0:
        words = words ^ load(plan.sign_words, VECTOR * entry, VECTOR)
    return words


@inlined
def accepted(state, kinds, table, vector, words):
    """In each lane whether a fresh uniform lies below the threshold of the lane's class, for eight words of a vector."""
    columns = state.streams.shape[1]
    column = VECTOR * vector % columns
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
    if left != 0:
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
def _update(plan, state, rule, first, end, table, last_cells):
    """Update the cells of one group, vectors `first` ... `end` - 1, the last of which holds `last_cells` of 8 cells."""
    slots = len(plan.slots)
    for vector in range(first, end):
        ups = zero(plan.slots)
        for slot in range(slots):
            ups = increment(ups, _neighbor(plan, state, vector * slots + slot))
        masks = classes(ups, plan.slots)
        likely = choose(masks, state.likely, table * (slots + 1) * VECTOR)
        accept = accepted(state, folded(masks, plan.folds), table, vector, plan.words)
        if rule == METROPOLIS:
            accept = accept & (load(state.spins, VECTOR * vector, VECTOR) ^ likely ^ -1)
        store(state.spins, VECTOR * vector, likely ^ accept)
    for word in range(last_cells * plan.words, SLOTS * plan.words):  # dummies stay down
        state.spins[VECTOR * end - SLOTS * plan.words + word] = 0


@inlined
def _copy_ghosts(plan, state, first, end):
    """Refresh ghosts from their originals, lanes moved on by the ghost's shift within each turn of strips."""
    for ghost in range(first, end):
        position, original, shift = plan.ghosts[ghost]
        for word in range(plan.words):
            x = state.spins[original * plan.words + word]
            on = x >> np.uint64(shift)
            back = x << np.uint64(plan.strips - shift)
            lanes = plan.ghost_lanes[ghost]
            state.spins[position * plan.words + word] = (on & lanes) | (back & ~lanes)


@inlined
def _set_thresholds(plan, state, betas, rule):
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
            _set_thresholds(plan, state, betas, rule)
            for lane in range(betas.size):
                state.current[lane] = betas[lane]
            state.current[betas.size] = rule
            _copy_ghosts(plan, state, 0, len(plan.ghosts))
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
    """Turn counters into the sum over a column's lanes, float64 (columns,)."""
    sums[:] = 0.0
    for word in range(words):
        totals[:] = 0
        for element in range(word, VECTOR, words):
            for j in range(counters.shape[0]):
                plane = counters[j, element]
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
        unsatisfied, ups = zero(_PENDING), zero(_PENDING)
        state.counters[:] = 0
        pending = 0
        for group in range(len(plan.groups)):
            first, end, _, degree, counted, _, _, _ = plan.groups[group]
            for vector in range(first, end):
                spins = load(state.spins, VECTOR * vector, VECTOR)
                ups = increment(ups, spins)
                if counted:
                    number = zero(plan.slots)
                    for slot in range(degree):
                        number = increment(number, spins ^ _neighbor(plan, state, vector * slots + slot))
                    unsatisfied = plus(unsatisfied, number)
                pending += 1
                if pending == len(_PENDING) // slots:
                    _flush(unsatisfied, state.counters[0], state.scratch)
                    _flush(ups, state.counters[1], state.scratch)
                    unsatisfied, ups = zero(_PENDING), zero(_PENDING)
                    pending = 0
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
