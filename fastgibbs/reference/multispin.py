"""The multi-spin engine in NumPy: 64 lanes a word, each with its own threshold, all against the bits of one stream.

A lane of a word is a chain, or one of the equal strips of a chain's lattice; what a kernel keeps as the bits of a word
is here an array (..., words, 64)."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.models.ising import Ising
from fastgibbs.reference import rare, sampling
from fastgibbs.reference.arithmetic import exp64
from fastgibbs.reference.streams import SWEEP, TAIL, next_words, seeded, start_spins
from fastgibbs.types import AnyArray

LANES = 64  # a word: lane b is bit b
SLOTS = 8  # places decided at once, the cell at place c of its group by the stream of slot c % 8
TILE, MOST_TILES = 4096, 64  # a group of more places is cut in tiles, each with streams of its own
BITS = 14  # of a uniform number, drawn before it is compared with a threshold
energies = sampling.energies


class State(NamedTuple):
    """What a sweep reads and changes."""

    spins: np.ndarray  # int8 (chains, n), changed in place
    model: Ising  # gives the graph, |J| and h
    signs: np.ndarray  # int8 (nnz, 1 or chains), of J_ij
    order: list[ColourGroup]
    streams: list[AnyArray]  # of every tile: uint64 (4, 8, words), changed in place
    tails: list[AnyArray]  # of every tile: uint64 (4, words, 64), changed in place
    rule: str
    strips: int


class ColourGroup(NamedTuple):
    """The cells of one colour and degree. Cell q is the sites q, q + n/S, q + 2 n/S, ..., one in each strip.

    Their places are 0, 1, ..., filled up by dummies to a multiple of 8; place c is in tile first_tile + c // size.
    """

    degree: int
    cells: np.ndarray  # int (cells, S), the sites
    first_tile: int
    size: int


def start(model, lanes, seed, rule, strips=1, spins=None, free=None):
    """A `State` of `lanes` chains.

    `model`: an `Ising` of couplings +J and -J, one |J| and one field, degree <= 12; or a sequence of `lanes` of them,
    one a chain, that differ in signs and offset only. `seed`: the entropy of `streams.stream`; `rule`: "gibbs" or
    "metropolis". `strips`: S, a power of two <= 64; above 1 the graph stays the same when n / S is added to all sites,
    modulo n, and no bond joins sites that are a multiple of n / S apart. Chain k is the lanes k S, ..., k S + S - 1,
    counted through all words, one a strip. `spins`: int8 (lanes, n), by default random, chain k from stream k of START.
    `free`: with strips = 1, the sites that sweeps visit, by default all.
    """
    models = sampling.as_models(model)
    graph = models[0]
    words = -(-lanes * strips // LANES)
    order = groups(graph, strips, range(graph.n) if free is None else free)
    tiles = range(1 + max((tile_of(group, len(group.cells) - 1) for group in order), default=-1))
    slots = [seeded(seed, SWEEP, words * LANES, tile).reshape(4, words, LANES)[:, :, :SLOTS] for tile in tiles]
    return State(
        spins=start_spins(seed, graph.n, lanes) if spins is None else spins.copy(),
        model=graph,
        signs=np.stack([np.sign(one.couplings).astype(np.int8) for one in models], axis=1),
        order=order,
        streams=[streams.swapaxes(1, 2).copy() for streams in slots],
        tails=[seeded(seed, TAIL, words * LANES, tile).reshape(4, words, LANES) for tile in tiles],
        rule=rule,
        strips=strips,
    )


def colours(neighbours):
    """A colour for every cell, a list of ints: no two neighbours share one.

    `neighbours`: for every cell q the cells it has a bond to. Two colours where they suffice, the lowest cell of
    each connected part having colour 0; otherwise each cell in turn takes the smallest that is free.
    """
    colour: list[Any] = [None] * len(neighbours)
    for first in range(len(neighbours)):
        if colour[first] is None:
            colour[first] = 0
            reached = deque([first])
            while reached:
                q = reached.popleft()
                for r in neighbours[q]:
                    if colour[r] is None:
                        colour[r] = 1 - colour[q]
                        reached.append(r)
    if all(colour[q] != colour[r] for q, around in enumerate(neighbours) for r in around):
        return colour
    colour = []
    for q, around in enumerate(neighbours):
        taken = {colour[r] for r in around if r < q}
        colour.append(min(set(range(len(taken) + 1)) - taken))
    return colour


def groups(model, strips, free):
    """The order of a sweep: a list of `ColourGroup` of the free cells, colour by colour and in each by degree.

    A group of P places, dummies counted, has T = min(64, max(1, P // 4096)) tiles of 8 ceil(P / 8T) places, the last
    one shorter; tiles are numbered through the groups of one colour, afresh in each.
    """
    cells = model.n // strips
    # Bonds from strip 0 show all of the graph of the cells: moved by a strip, the lattice is the same.
    rows_of = (slice(model.indptr[q], model.indptr[q + 1]) for q in range(cells))
    neighbours = [(model.indices[row] % cells).tolist() for row in rows_of]
    members: dict[tuple[int, int], list[range]] = {}
    visited = set(free)
    for q, colour in enumerate(colours(neighbours)):
        if q in visited:
            members.setdefault((colour, len(neighbours[q])), []).append(range(q, model.n, cells))
    order = []
    next_tile: dict[int, int] = {}
    for (colour, degree), sites in sorted(members.items()):
        rows = -(-len(sites) // SLOTS)
        tiles = min(MOST_TILES, max(1, SLOTS * rows // TILE))
        first_tile = next_tile.get(colour, 0)
        next_tile[colour] = first_tile + tiles
        order.append(ColourGroup(degree, np.array(sites), first_tile, SLOTS * -(-rows // tiles)))
    return order


def tile_of(group, place):
    """The tile of a place of a group."""
    return group.first_tile + place // group.size


def sweep(state, betas, fields=None):
    """One sweep of every chain, in place: group by group, 8 places at a time, with f_i = h + sum_j J_ij s_j.

    `betas`: float64 (chains,), in inverse units of J; `fields`: of each chain one beside h, float64 (chains,), or None:
    where there are, all outcomes are drawn. KeyError on an unknown rule.
    New spins: gibbs, likely ^ accept; metropolis, likely ^ (accept & ~(s ^ likely)), s being the old ones.
    """
    model, spins = state.model, state.spins.T
    J, chains = np.abs(model.couplings).max(initial=0.0), len(betas)
    words = -(-chains * state.strips // LANES)

    def by_lane(of_strips):
        """(places, S, chains) lane by lane, (8, words, 64): zero at dummies and at idle lanes of the last word."""
        lanes = np.zeros((SLOTS, words * LANES), of_strips.dtype)
        lanes[: len(of_strips), : chains * state.strips] = of_strips.swapaxes(1, 2).reshape(len(of_strips), -1)
        return lanes.reshape(SLOTS, words, LANES)

    used = [np.repeat(betas, state.strips)[word * LANES : (word + 1) * LANES] for word in range(words)]
    betas = by_lane(np.broadcast_to(betas, (SLOTS, state.strips, chains)))
    every_h = by_lane(np.broadcast_to(0.0 if fields is None else fields, (SLOTS, state.strips, chains)))
    every_h += model.fields[:1].sum()
    rows: list[Any] = []
    for group in state.order:
        h = model.fields[0]
        alike = [fields is None and (of == of[0]).all() for of in used]
        ways = [
            rare.shares(group.degree, J, h, of[0], state.rule) if same else None
            for of, same in zip(used, alike, strict=True)
        ]
        every = [word for word in range(words) if ways[word] is None]
        for place in range(0, len(group.cells), SLOTS):
            tile = tile_of(group, place)
            streams, tails = state.streams[tile], state.tails[tile]
            if place % group.size == 0:
                places = min(group.size, SLOTS * -(-len(group.cells) // SLOTS) - place)
                rows = candidates(ways, places, tails)
            sites = group.cells[place : place + SLOTS]
            entries = model.indptr[sites][..., None] + np.arange(group.degree)
            k = by_lane((spins[model.indices[entries]] == state.signs[entries]).sum(axis=2))
            likely, head, rest = thresholds(k, group.degree, J, every_h, betas, state.rule)
            accept = np.zeros_like(likely)
            some = streams[:, :, every], tails[:, every]
            accept[:, every] = decide(head[:, every], rest[:, every], *some)
            streams[:, :, every], tails[:, every] = some
            for word, way in enumerate(ways):
                if way is not None:
                    row = rows[word][place % group.size : place % group.size + SLOTS]
                    f = (2 * k[:, word] - group.degree) * J + h
                    accept[:, word] = row < way.accepted[np.minimum(k[:, word], group.degree)]
                    likely[:, word] = (f > 0) != (betas[:, word] < 0)
                    if way.coins and state.rule == "gibbs":
                        coins = next_words(streams[:, :, word])[:, None] >> np.arange(LANES, dtype=np.uint64) & 1 == 1
                        accept[:, word] |= coins & (f == 0)
                    elif way.coins:
                        accept[:, word] |= f == 0
            if state.rule == "metropolis":
                accept &= ~(by_lane(spins[sites] == 1) ^ likely)
            up = (likely ^ accept).reshape(SLOTS, -1)[: len(sites), : chains * state.strips]
            spins[sites] = np.where(up, 1, -1).reshape(len(sites), chains, state.strips).swapaxes(1, 2)


def candidates(ways, places, tails):
    """The numbers of 63 bits of the candidates in a tile, 2^63 elsewhere: of each word uint64 (places, 64), or None."""
    rows: list[Any] = []
    for word, way in enumerate(ways):
        of_word: Any = None if way is None else np.full((places, LANES), 2**63, np.uint64)
        if way is not None and way.x is not None:
            for attempt, uniform in rare.candidates(way.x, places * LANES, tails[:, word, : rare.TOGETHER]):
                of_word[divmod(attempt, LANES)] = uniform
        rows.append(of_word)
    return rows


def thresholds(k, degree, J, h, betas, rule):
    """g = 2 beta f, f = (2k - d) |J| + h: up is likely if g > 0; the other spin has p = e / (1 + e), e = exp(-|g|).

    At beta = inf the other spin has p = 0, or 1/2 where f = 0.

    That is rule "gibbs"; for "metropolis" p = e, the probability to leave the likely spin. `k`: int (8, words, 64),
    how many of the d = `degree` neighbours push up, J_ij s_j > 0; `betas`: float64 (8, words, 64).
    Returns likely, bool, then head and rest, uint64, all (8, words, 64): p = (head + rest 2^-64) / 2^14 to 2^-78.
    Geman and Geman, IEEE Trans. PAMI 6, 721 (1984); Metropolis et al., J. Chem. Phys. 21, 1087 (1953).
    """
    f = (2 * k - degree) * J + h
    g = np.multiply(2.0 * betas, f, out=np.zeros_like(f), where=f != 0)
    e = exp64(-np.minimum(np.abs(g), 700.0))
    p = {"gibbs": e / (1.0 + e), "metropolis": e}[rule]
    head = np.floor(p * 2.0**BITS)
    rest = np.floor((p * 2.0**BITS - head) * 2.0**64).astype(np.uint64)
    certain = p >= 1.0  # as close to 1 as head and rest can come
    head = np.where(certain, 2**BITS - 1, head.astype(np.uint64))
    return g > 0, head, np.where(certain, np.uint64(2**64 - 1), rest)


def decide(head, rest, streams, tails):
    """Whether u + v 2^-64 < head + rest 2^-64 in each lane, u uniform of 14 bits and v of 64: bool (8, words, 64).

    `head`, `rest`: uint64 (8, words, 64); `streams`: uint64 (4, 8, words), `tails`: (4, words, 64), advanced in place.
    The first word drawn holds the highest bit of u for its 64 lanes, the next one the second, and so on; then every
    lane with u = head, place by place, draws its v from a stream of its own (the tail): lanes never affect each other.
    """
    u = np.zeros_like(head)
    for _ in range(BITS):
        bits = next_words(streams)[..., None] >> np.arange(LANES, dtype=np.uint64) & 1
        u = u << 1 | bits
    accept = u < head
    for place, word, lane in np.argwhere(u == head):
        v = next_words(tails[:, word, lane : lane + 1])[0]
        accept[place, word, lane] = v < rest[place, word, lane]
    return accept
