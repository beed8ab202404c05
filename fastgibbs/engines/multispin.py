"""The multi-spin engine: 64 lanes in every word, couplings +-J on any graph of degree up to 12, one uniform field.

A colour class is updated at once, eight words at a time. Of a word's 64 lanes every one decides by a uniform number of
its own, compared with the lane's own threshold bit by bit: PLANES words of 64 fresh bits decide all lanes but one in
16384, and those draw 64 more bits each, from streams of their own. So lanes are independent, and probabilities are
exact to 2^-78. The kernels are in multispin_kernels.py.

Word w of a cell at place c of its group draws from stream (w, c % 8): how many words lie side by side in a block never
shows in the results.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.graphs import VECTOR, Layout, cells, layout, runs, signs, unturned_lanes
from fastgibbs.engines.streams import SWEEP, TAIL, stream_state

SLOTS = 8  # streams of each word
PLANES = 14  # words drawn for every 64 decisions
MAX_DEGREE = 12
PENDING = (0,) * 127  # what sums may reach before they are added to the counters, as the length of a tuple


class MultispinPlan(NamedTuple):
    """An Ising model for blocks of `words` words a cell; vector v is words 8 v ... 8 v + 7 of all cells in order."""

    words: int
    slots: tuple  # as long as the largest degree
    folds: tuple  # as long as the number of thresholds: folded, if classes k and degree - k share one
    groups: (
        np.ndarray
    )  # int64 (groups, 8): first vector, end, table, degree, counted, first vector of ghosts, end, last cells
    runs: np.ndarray  # int32 (vectors * slots,): where a neighbour's eight words begin, or -1 - where they are listed
    listed: np.ndarray  # int32: the eight words one by one, where they do not lie together
    sign_bytes: np.ndarray  # uint8 (vectors * slots or 0,): J < 0 for each of eight words, the same in all lanes
    sign_words: np.ndarray  # uint64 (vectors * slots * 8 or 0,): J < 0 lane by lane
    degrees: np.ndarray  # int64 (tables,): the degree that each table of thresholds is for
    ghosts: int  # where their words begin
    ghost_originals: np.ndarray  # int32 (ghosts * words,): word by word
    ghost_shifts: np.ndarray  # uint64 (2, ghosts * words): lanes on, and strips - lanes on
    ghost_lanes: np.ndarray  # uint64 (ghosts * words,): lanes whose neighbour strip is in the same turn of strips
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
    planes: np.ndarray  # uint64 (tables * PLANES * folds * 8,): bit by bit the first PLANES bits of thresholds
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
    degree = place.neighbors.shape[1]
    begins, listed = runs(place.neighbors, words)
    sign_bytes, sign_words = signs(place, lanes)
    colours, shifts = place.groups[:, 3].max(initial=0) + 1, place.ghosts[:, 1]
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
            ghost_firsts * words // VECTOR,
            np.where(last_of_colour, ghost_ends, ghost_firsts) * words // VECTOR,
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
        runs=begins,
        listed=listed,
        sign_bytes=sign_bytes,
        sign_words=sign_words,
        degrees=degrees,
        ghosts=place.occupied.size * words,
        ghost_originals=(place.ghosts[:, 2:] * words + np.arange(words)).astype(np.int32).ravel(),
        ghost_shifts=np.repeat([shifts, place.strips - shifts], words, axis=1).astype(np.uint64),
        ghost_lanes=np.repeat(unturned_lanes(shifts, place.strips), words),
        position=place.position,
        coupling=model.coupling_unit,
        field=field,
        offsets=np.array([m.offset for m in models] + [0.0] * (columns - len(models))),
        bonds=model.indices.size // 2,
        sites=model.n,
        strips=place.strips,
        twice=bool(colours > 2),
    )
    tables, folds = degrees.size, len(plan.folds)
    largest = max(plan.sites, plan.bonds * (1 + plan.twice))  # that a counter must hold
    depth = max(largest, len(PENDING)).bit_length()
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
        scratch=np.zeros((2 + max(folds, len(PENDING).bit_length())) * VECTOR, np.uint64),
        counters=np.zeros((3, depth, VECTOR), np.uint64)[:2],  # loads of upper halves read past the end
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
