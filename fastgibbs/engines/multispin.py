"""The multi-spin engine: 64 lanes in every word, couplings +-J on any graph of degree up to 12, one uniform field.

A colour class is updated at once, eight words at a time, or in parts of four where registers are narrow. Of a word's
64 lanes every one decides by a uniform number of its own, compared with the lane's own threshold bit by bit: PLANES
words of 64 fresh bits decide all lanes but one in 16384, and those draw 64 more bits each, from streams of their own.
So lanes are independent, and probabilities are exact to 2^-78. The kernels are in multispin_kernels.py. At low
temperatures, where nearly all of this is wasted, only the rare outcomes are drawn (rare.py).

Word w of a cell at place c of its group draws from stream (w, c % 8) of its tile: how many words lie side by side in a
block never shows in the results. Tiles are fixed parts of a colour class, with streams of their own, that several
threads may update at once.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import precision, rare
from fastgibbs.engines.arithmetic import exp64
from fastgibbs.engines.bitslices import FUNCTIONS, PART
from fastgibbs.engines.contract import METROPOLIS, Engine
from fastgibbs.engines.graphs import VECTOR, Layout, cells, coloured_order, layout, runs, signs, unturned_lanes
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.multispin_counters import PENDING
from fastgibbs.engines.streams import SWEEP, TAIL, stream_state
from fastgibbs.models import Ising

SLOTS = 8  # streams of each word
PLANES = 14  # words drawn for every 64 decisions
MAX_DEGREE = 12
BITS = 53  # of a field
SMALL = 2**12  # sites of a model that takes longer to lay out than to sweep
TILE_CELLS, MAX_TILES = 4096, 64  # a tile's least number of cells, and how many a group is cut into at most
FEW = 3, 4  # classes that kernels of their own are for: without a field of up to 5 and 7 neighbours
KINDS, MASKS = 15, 7  # classes of all others, and how many of them are known when a kernel is compiled; both odd


class MultispinPlan(NamedTuple):
    """An Ising model for blocks of `words` words a cell; vector v is words 8 v ... 8 v + 7 of all cells in order."""

    words: int
    slots: int  # the largest degree, rounded up to an even number
    together: int  # how many numbers of neighbours are added up before they are added to the counters
    number: tuple  # as long as what numbers of neighbours may reach
    kinds: tuple  # as long as the number of thresholds of a degree, at most
    tiles: np.ndarray  # int64 (tiles, 10), see `_tile_rows`
    phases: np.ndarray  # int64 (colours, 4): first tile, end, first vector of ghosts, end
    runs: np.ndarray  # int32 (vectors * slots,): where a neighbour's eight words begin, or -1 - where they are listed
    listed: np.ndarray  # int32: the eight words one by one, where they do not lie together
    sign_bytes: np.ndarray  # uint8 (vectors * slots or 0,): J < 0 for each of eight words, the same in all lanes
    sign_words: np.ndarray  # uint64 (vectors * slots * 8 or 0,): J < 0 lane by lane
    degrees: np.ndarray  # int64 (tables,): the degree that each table of thresholds is for
    codes: np.ndarray  # uint64 (rungs, -): thresholds and likelier spins at every beta, bit after bit
    looked: np.ndarray  # uint8 (rungs, tables, -): the same where all lanes of a word are alike, see `_lookups`
    rest: np.ndarray  # uint64 (rungs, tables * kinds): the next 64 bits of each threshold
    rare: rare.Rarities
    ghosts: int  # where their words begin
    ghost_originals: np.ndarray  # int32 (ghosts * words,): word by word
    ghost_shifts: np.ndarray  # uint64 (2, ghosts * words): lanes on, and strips - lanes on
    ghost_lanes: np.ndarray  # uint64 (ghosts * words,): lanes whose neighbour strip is in the same turn of strips
    position: np.ndarray  # int64 (cells,)
    coupling: float
    field: float
    folds: bool  # whether no field tells up from down: classes are those of both sides
    offsets: np.ndarray  # float64 (columns,)
    bonds: int
    sites: int
    strips: int
    twice: bool  # whether measuring meets every bond twice


class MultispinState(NamedTuple):
    """What sweeps change in a block; tiles of one colour have their own streams and scratch, workers their counters."""

    spins: np.ndarray  # uint64 (positions * words,)
    streams: np.ndarray  # uint64 (tiles of a colour, 5, 8 * words): slot by slot; the last row keeps tiles apart
    tails: np.ndarray  # uint64 (tiles of a colour, 64 * words, 4): a stream for every lane
    current: np.ndarray  # int64 (64 * words,): the rung of each lane that the planes show
    planes: np.ndarray  # uint64 (bits of the codes * 8,): the codes, bit by bit in words of 64 lanes
    scratch: np.ndarray  # uint64 (tiles of a colour, -)
    counters: np.ndarray  # uint64 (tiles of a colour, 2, planes + 1, 8): unsatisfied bonds and up spins
    numbers: np.ndarray  # uint64 (tiles of a colour, -): unsatisfied bonds of some vectors, to be added up
    alike: np.ndarray  # int64 (words + 1,): the rung of all lanes of a word in this sweep, or -1; last, of all words
    rare: np.ndarray  # uint64 (tiles of a colour, -): the candidates of each word, and what they may turn
    counted: np.ndarray  # bool (1,): whether the last sweep has counted unsatisfied bonds


def _right(model, most: int) -> int:
    """The largest number of strips, a power of two up to `most`, that a model can be cut into."""
    while most > 1:
        try:
            cells([model], most)
        except ValueError:
            most //= 2
        else:
            break
    return most


class Prepared(NamedTuple):
    """What blocks of any width are cut from: a model or one model per chain, laid out."""

    models: list
    layout: Layout
    plans: dict  # words, folds -> the plan of such blocks, without thresholds, if it is small and the model one


def show_ghosts(plan: MultispinPlan, spins):
    """Write the ghosts of the cells, as sweeps leave them."""
    originals, (on, around) = spins[plan.ghost_originals], plan.ghost_shifts
    ghosts = spins[plan.ghosts : plan.ghosts + originals.size]
    ghosts[:] = (originals >> on & plan.ghost_lanes) | (originals << around & ~plan.ghost_lanes)


def _tiles(place: Layout, words: int, start, count) -> tuple[np.ndarray, np.ndarray]:
    """The tiles of a block and the phases of its sweeps; `start` and `count` have a number for every degree.

    A tile: first vector, end, table, degree, the first vector whose bonds are counted and the end of those that sweeps
    count (they leave dummies out), streams, cells in the last 8 places, where numbers of neighbours start, classes.
    """
    colours, degrees = place.colour_ends.size, np.unique(place.groups[:, 2])
    apart = colours > 2 or place.swept < colours  # bonds are not counted by a sweep of the last colour
    tiles, phases = [], []
    for colour in range(colours):
        first_tile = len(tiles)
        for first, end, d, _, members in place.groups[place.groups[:, 3] == colour]:
            cut = min(MAX_TILES, max(1, (end - first) // TILE_CELLS))
            size = VECTOR * -(-(end - first) // (VECTOR * cut))
            for begin in range(first, end, size):
                stop = min(begin + size, end)
                last = members - (end - first - VECTOR) if stop == end else VECTOR
                table = np.searchsorted(degrees, d)
                counted_from = begin if colour == colours - 1 or apart else stop
                counted_to = stop - (VECTOR if last < VECTOR else 0) if colour == colours - 1 and not apart else begin
                vectors = np.array([begin, stop, counted_from, counted_to]) * words // VECTOR
                own = len(tiles) - first_tile
                tiles.append((*vectors[:2], table, d, *vectors[2:], own, last, start[table], count[table]))
        ghosts = np.searchsorted(place.ghosts[:, 0], [colour, colour + 1]) * words // VECTOR
        if colour < place.swept:
            phases.append((first_tile, len(tiles), *ghosts))
    return np.array(tiles, np.int64).reshape(-1, 10), np.array(phases, np.int64).reshape(-1, 4), apart


def _plan(prepared: Prepared, lanes: range, betas, rule, fields) -> MultispinPlan:
    """The plan of a block of whole words; where rungs have `fields` of their own, all outcomes are drawn."""
    model, words = prepared.models[0], len(lanes) // 64
    folds = model.field == 0 and fields is None
    plan = prepared.plans.get((words, folds))
    if plan is None:
        plan = _laid_out(prepared, lanes, folds)
        if len(prepared.models) == 1 and plan.sites <= SMALL:
            prepared.plans[words, folds] = plan
    rarities = rare.rarities(model, plan.degrees, betas, rule)
    if fields is not None:
        rarities = rarities._replace(rates=np.full_like(rarities.rates, -1))
    fields = model.field + (np.zeros(betas.size) if fields is None else fields)
    codes, rest, looked = _thresholds(model.coupling_unit, plan, betas, fields, rule)
    return plan._replace(codes=codes, rest=rest, looked=looked, rare=rarities)


def _laid_out(prepared: Prepared, lanes: range, folds: bool) -> MultispinPlan:
    """The plan of a block of whole words, without thresholds."""
    model, place, words = prepared.models[0], prepared.layout, len(lanes) // 64
    slots, degrees = place.graph.slots, np.unique(place.groups[:, 2])
    begins, listed = runs(place, words)
    sign_bytes, sign_words = signs(place, lanes)
    count = degrees // 2 + 1 if folds else degrees + 1
    kinds = next((k for k in FEW if count.max(initial=1) <= k), KINDS)
    most = 7 if kinds < KINDS else 15
    start = (most - 1 + degrees % 2 - degrees) // 2 * folds  # so that the middle is that of what planes hold
    tiles, phases, apart = _tiles(
        place, words, start, np.full(count.size, kinds) if kinds < KINDS else count + 1 - count % 2
    )
    columns, shifts = len(lanes) // place.strips, place.ghosts[:, 1]
    first = lanes.start // place.strips
    several = len(prepared.models) > 1
    models = prepared.models[first : first + columns] if several else prepared.models * columns
    return MultispinPlan(
        words=words,
        slots=slots,
        together=len(PENDING) // slots,
        number=(0,) * most,
        kinds=(0,) * kinds,
        tiles=tiles,
        phases=phases,
        runs=begins,
        listed=listed,
        sign_bytes=sign_bytes,
        sign_words=sign_words,
        degrees=degrees,
        codes=np.empty((0, 0), np.uint64),
        rest=np.empty((0, 0), np.uint64),
        looked=np.empty((0, 0, 0), np.uint8),
        rare=None,
        ghosts=place.cell.size * words,
        ghost_originals=(place.ghosts[:, 2:] * words + np.arange(words)).astype(np.int32).ravel(),
        ghost_shifts=np.repeat([shifts, place.strips - shifts], words, axis=1).astype(np.uint64),
        ghost_lanes=np.repeat(unturned_lanes(shifts, place.strips), words),
        position=place.position,
        coupling=model.coupling_unit,
        field=model.field,
        folds=folds,
        offsets=np.array([m.offset for m in models] + [0.0] * (columns - len(models))),
        bonds=model.bond_count,
        sites=model.n,
        strips=place.strips,
        twice=apart,
    )


def _thresholds(coupling: float, plan: MultispinPlan, betas, fields, rule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes and rest of the thresholds of every class at every rung, of beta and the whole field h, and their lookups.

    Where fields tell up from down a cell of degree d with k neighbours pushing up is of class k; its field is f = (2k -
    d) |J| + h. Without, it is of class |2k - d| // 2, and f is the field on the side where more neighbours push up. The
    likelier spin is up if beta f > 0. With e = exp(-2 |beta f|) the rarer one has probability e / (1 + e) under the
    Gibbs rule; under Metropolis a likelier spin turns with probability e, a rarer one always. At beta = inf, beta f = 0
    where f = 0. A code's bit (table * PLANES + j) * kinds + k is bit j of a threshold, highest first. After all of
    them, from bit table * (kinds + 3) on: whether up is likelier, below the middle if there is one; whether there is;
    whether besides d is even; and whether another spin is likelier above the middle. Bits of k > 0 say whether they are
    other ones than that of k = 0.
    """
    degrees, folds, kinds = plan.degrees, plan.folds, len(plan.kinds)
    k = np.arange(kinds)
    pull = (2 * k + degrees[:, None] % 2 if folds else 2 * k - degrees[:, None]) * coupling
    field = pull + fields[:, None, None]  # (rungs, tables, classes)
    g = np.zeros(field.shape)
    np.multiply(2.0 * betas[:, None, None], field, out=g, where=field != 0)
    e = exp64.py_func(-np.minimum(np.abs(g), 700.0))
    p = e if rule == METROPOLIS else e / (1.0 + e)
    head = (p * 2.0**PLANES).astype(np.int64)
    rest = ((p * 2.0**PLANES - head) * 2.0**64).astype(np.uint64)
    head[p >= 1], rest[p >= 1] = 2**PLANES - 1, 2**64 - 1  # as close to 1 as they come
    bits, likely = head[:, :, None] >> np.arange(PLANES - 1, -1, -1)[:, None] & 1 == 1, g < 0 if folds else g > 0
    looked = _lookups(np.concatenate([bits, likely[..., None, :]], axis=2), folds & (betas != 0))
    bits[..., 1:] ^= bits[..., :1]
    likely[..., 1:] ^= likely[..., :1]
    middle = np.empty((betas.size, degrees.size, 3), bool)
    middle[:], middle[..., 1], middle[..., 2] = folds, folds & (degrees % 2 == 0), folds & (betas != 0)[:, None]
    likely = np.concatenate([likely, middle], axis=2)
    parts = bits.reshape(betas.size, -1), likely.reshape(betas.size, -1)
    size = sum(part.shape[1] for part in parts)
    bits = np.concatenate([*parts, np.zeros((betas.size, -size % 64), bool)], axis=1)
    codes = np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return codes, rest.reshape(betas.size, -1), looked


def _lookups(bits, turns) -> np.ndarray:
    """How the bits of thresholds are looked up, the likelier spin being the last: `bits` (rungs, tables, -, classes).

    Entries are places of the functions that `keep_functions` writes. With up to four classes each bit has two: of the
    bit, and of what it differs by from the one before. With more it has four, a b c d, and with the number's upper
    planes u, t the bit is a ^ (u & b) ^ (t & (c ^ (u & d))). Last of a row, whether another spin is likelier above the
    middle: `turns` (rungs,).
    """
    packed = np.packbits(bits, axis=-1, bitorder="little")  # bit n of a function's number: whether it holds of n
    entries = np.repeat(packed, 2, axis=-1)
    if packed.shape[-1] == 1:
        entries[:, :, 1:, 1] ^= packed[:, :, :-1, 0]
    else:
        entries[..., ::2] &= 15
        entries[..., 1::2] >>= 4
        entries[..., 3] ^= entries[..., 0] ^ entries[..., 1] ^ entries[..., 2]
        entries[..., 1:3] ^= entries[..., :1]
    rows = np.empty((*bits.shape[:2], bits.shape[2] * entries.shape[3] + 1), np.uint8)
    rows[..., :-1], rows[..., -1] = PART * entries.reshape(*rows[..., :-1].shape), turns[:, None]
    return rows


class Multispin(Engine):
    """The engine as Python calls it."""

    name = "multispin"
    plan = MultispinPlan
    field_bits = precision.FLOAT64

    def pays(self, model, chains: int, strips: int | None) -> bool:
        """Whether groups of cells, of one colour and degree, fill vectors: else the sparse engine is as fast or faster.

        Measured: graphs of one degree from 10 sites or so on, random ones of mean degree 4 from 150 on, at 64 chains.
        """
        if not isinstance(model, Ising) or model.n >= 2 * (MAX_DEGREE + 1) ** 2:
            return True
        degrees = np.unique(np.diff(model.indptr)).size
        return model.n * -(-chains // 64) >= 2 * degrees * (model.degree + 1)

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these Ising models, or None if it can."""
        first = models[0]
        if scan != "sequential":
            return "it scans colour by colour"
        if first.coupling is None:
            return "the couplings are not all +J or -J"
        if first.field is None:
            return "the field is not uniform"
        if first.degree > MAX_DEGREE:
            return f"a site has more than {MAX_DEGREE} neighbours"
        for k, model in enumerate(models[1:], 1):
            same_graph = np.array_equal(model.indptr, first.indptr) and np.array_equal(model.indices, first.indices)
            if not (same_graph and model.coupling == first.coupling):
                return f"model {k} has not the bonds and the |J| of model 0"
            if model.field != first.field:
                return f"model {k} has not the field of model 0"
        if strips > 1:
            try:
                cells([first], strips)
            except ValueError as error:
                return f"{error}; give {_right(first, strips // 2)} at most"
        h = np.array([abs(first.field)])
        sums = first.degree * first.coupling + h
        both = np.minimum(*precision.whole_steps([first.coupling, *h]))
        steps = np.where(h > 0, both, np.inf)  # J alone cancels to 0
        return precision.drowned(sums, h, precision.rounded(sums, steps, BITS, 0.0), tolerance)

    def strips(self, models, chains: int) -> int:
        """How many strips a lattice is best cut into: what fills the word of few chains, or as many as are right."""
        model, most = models[0], 64 // chains
        if model.shape is None or most < 2:
            return 1
        side, count = model.shape[0], 2 ** (most.bit_length() - 1)
        while count > 1 and (side % count or side // count < 2 or model.n // count < 64):
            count //= 2
        return _right(model, count)

    def prepare(self, models: list, strips: int, free=None) -> Prepared:
        """Lay out Ising models on one graph: a single one for all chains, or one per chain."""
        return Prepared(models, layout(cells(models, strips), strips, free), {})

    def cut(self, lanes: int, threads: int, together: int = 64) -> list[range]:
        """Ranges of lanes, whole words, that make blocks of 8, 4, 2 or 1 words; smaller ones if there are idle threads.

        Each `together` lanes, 1, 2, 4 or 8 words, stay in one block.
        """
        words, least = -(-lanes // 64), together // 64
        most = max(least, min(VECTOR, words // threads))
        blocks, first = [], 0
        while first < words:
            left = words - first
            width = 2 ** (min(most, left).bit_length() - 1) if left >= least else 2 ** (left - 1).bit_length()
            blocks.append(range(64 * first, 64 * (first + width)))
            first += width
        return blocks

    def start(self, prepared: Prepared, lanes: range, ups, entropy, betas, rule, fields=None) -> tuple:
        """Plan and state of a block; `ups` gives (first cell, which are up uint8 (lanes, cells)) part by part."""
        place, words = prepared.layout, len(lanes) // 64
        up_words = aligned((place.size, words), np.uint64)
        for first, part in ups:
            filled = np.ones((len(lanes), part.shape[1]), np.uint8)
            filled[: len(part)] = part
            of_words = np.packbits(filled.reshape(words, 64, -1), axis=1, bitorder="little")
            of_cells = of_words.transpose(2, 0, 1).copy().view("<u8")[..., 0]
            up_words[place.position[first : first + part.shape[1]]] = of_cells
        plan, spins = _plan(prepared, lanes, betas, rule, fields), up_words.ravel()
        show_ghosts(plan, spins)
        sets = self.crew(plan)
        largest = max(plan.sites, plan.bonds * (1 + plan.twice))  # that a counter must hold
        depth = max(largest, len(PENDING)).bit_length()
        blocks, tiles = np.arange(lanes.start // 64, lanes.stop // 64), np.arange(sets)[:, None]
        streams = stream_state(entropy, SWEEP, blocks, np.arange(SLOTS)[:, None], tiles[..., None])
        apart = aligned((sets, 5, SLOTS * words), np.uint64)  # no two tiles share a cache line
        apart[:, :4] = np.swapaxes(streams.reshape(sets, -1, 4), 1, 2)
        together = plan.together * len(plan.number).bit_length()
        state = MultispinState(
            spins=spins,
            streams=apart,
            tails=stream_state(entropy, TAIL, *np.divmod(np.arange(lanes.start, lanes.stop), 64), tiles),
            current=np.full(len(lanes), -1),
            planes=aligned((64 * plan.codes.shape[1] * VECTOR,), np.uint64),
            scratch=aligned(
                (sets, (2 + max(len(plan.kinds), len(PENDING).bit_length()) + FUNCTIONS) * VECTOR), np.uint64
            ),
            counters=aligned((sets, 2, depth + 1, VECTOR), np.uint64),  # upper halves are read past the last plane
            numbers=aligned((sets, together * VECTOR), np.uint64),
            alike=np.zeros(words + 1, np.int64),
            rare=aligned((sets, (rare.ASIDE + 4 * words) * VECTOR), np.uint64),
            counted=np.zeros(1, bool),
        )
        return plan, state

    def order(self, model, strips: int = 1, free=None) -> np.ndarray:
        """Colour by colour."""
        return coloured_order(model, strips, free)

    def crew(self, plan: MultispinPlan) -> int:
        """How many threads may share a block: as many as a colour has tiles."""
        return int(plan.tiles[:, 6].max(initial=0)) + 1

    def spins(self, plan: MultispinPlan, state: MultispinState) -> np.ndarray:
        """The block's spins, int8 (cells, lanes)."""
        words = state.spins.reshape(-1, plan.words)[plan.position].astype("<u8")
        ones = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").view(np.int8)
        ones *= 2
        ones -= 1
        return ones
