"""The multi-spin engine in NumPy: 64 lanes a word, each with its own threshold, all against the bits of one stream.

A lane is a chain, or one of the equal strips of a chain's lattice; what a kernel keeps as the bits of a word is here
an array (words, 64)."""

from collections import deque

import numpy as np

from fastgibbs.models.ising import Ising
from fastgibbs.reference.streams import SWEEP, TAIL, next_words, seeded, start_spins

LANES = 64  # a word: lane b is bit b
SLOTS = 8  # streams of a word: the cell at place c of its group draws from stream c % 8
BITS = 14  # of a uniform number, drawn before it is compared with a threshold
LOG2E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6  # m * LN2_HIGH is exact: it ends in zero bits
# exp(r) = 1 + r + ... + r^13/13! on [-ln(2)/2, ln(2)/2], highest power first
POLYNOMIAL = 1.0 / np.cumprod([1.0, *range(1, 14)])[::-1]


def sample(model, beta, sweeps, chains, burn_in, thin, rule, seed, strips=1):
    """Draws from p(s) ~ exp(-beta E(s)): `burn_in` sweeps, then `sweeps`, each thin-th recorded.

    `model`: an `Ising` of couplings +J and -J, one |J| and one field, degree <= 12; or, with strips = 1, a sequence of
    `chains` of them, one a chain, that differ in signs and offset only. `beta`: a number or (chains,), in inverse units
    of J; `rule`: "gibbs" or "metropolis", KeyError on another. `seed`: the entropy of `streams.seeded`. `strips`: S,
    a power of two <= 64; above 1 the lattice is periodic along axis 0, whose side is a multiple of S, at least 2 S.
    Returns energies and magnetisations per spin, float64 (chains, draws), then the final states, int8 (chains, n);
    draws = sweeps // thin. Chain k is the lanes k S, ..., k S + S - 1, counted through all words, one a strip. What is
    left of the last word are idle chains: they start all up and run at beta = 0, and no other lane notices them.
    """
    models = [model] if isinstance(model, Ising) else model
    graph = models[0]
    words = -(-chains * strips // LANES)
    in_words = words * LANES // strips  # chains, the idle ones included
    up = np.ones((graph.n, in_words), bool)
    up[:, :chains] = start_spins(seed, graph.n, chains) == 1
    betas = np.zeros(in_words)
    betas[:chains] = beta
    betas = np.repeat(betas, strips).reshape(words, LANES)
    positive = np.zeros((graph.couplings.size, in_words), bool)  # at beta = 0 no sign decides anything
    positive[:, :chains] = np.stack([one.couplings > 0 for one in models], axis=1)
    streams = seeded(seed, SWEEP, words * LANES).reshape(4, words, LANES)[:, :, :SLOTS]  # key (SWEEP, word, 0, slot)
    tails = seeded(seed, TAIL, words * LANES).reshape(4, words, LANES)
    order = groups(graph, strips)
    energies = np.empty((chains, sweeps // thin))
    magnetizations = np.empty((chains, sweeps // thin))
    for _ in range(burn_in):
        sweep(graph, order, up, positive, streams, tails, betas, rule)
    for done in range(1, sweeps + 1):
        sweep(graph, order, up, positive, streams, tails, betas, rule)
        if done % thin == 0:
            spins = _spins(up, chains)
            energies[:, done // thin - 1] = _energy(models, spins)
            magnetizations[:, done // thin - 1] = spins.sum(axis=1, dtype=np.float64) / max(graph.n, 1)
    return energies, magnetizations, _spins(up, chains)


def colours(neighbours):
    """A colour for every cell, a list of ints: no two neighbours share one.

    `neighbours`: for every cell q the cells it has a bond to. Two colours where they suffice, the lowest cell of
    each connected part having colour 0; otherwise each cell in turn takes the smallest that is free.
    """
    colour = [None] * len(neighbours)
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


def groups(model, strips):
    """The order of a sweep: a list of (degree, places), the cells of one colour and degree, in turn.

    Cell q is the sites q, q + n/S, q + 2 n/S, ..., one in each strip, that are updated together. A place is the list
    of the sites of a cell, by index, or an empty list: a dummy, which fills its group up to a multiple of 8 places.
    """
    cells = model.n // strips
    # Bonds from strip 0 show all of the graph of the cells: moved by a strip, the lattice is the same.
    rows = (slice(model.indptr[q], model.indptr[q + 1]) for q in range(cells))
    neighbours = [(model.indices[row] % cells).tolist() for row in rows]
    members = {}
    for q, colour in enumerate(colours(neighbours)):
        places = members.setdefault((colour, len(neighbours[q])), [])
        places.append(list(range(q, model.n, cells)))
    for places in members.values():
        places.extend([] for _ in range(-len(places) % SLOTS))
    return [(degree, places) for (_, degree), places in sorted(members.items())]


def sweep(model, order, up, positive, streams, tails, betas, rule):
    """One sweep of every lane, in place: the cells in `order`, each with f_i = h + sum_j J_ij s_j at its sites.

    `up`: bool (n, chains), s_i = +1; `positive`: bool (nnz, chains), J_ij > 0; `streams`: uint64 (4, words, 8);
    `tails`: (4, words, 64); `betas`: float64 (words, 64). KeyError on an unknown `rule`. `model` gives graph, |J|, h.
    New spins: gibbs, likely ^ accept; metropolis, likely ^ (accept & ~(s ^ likely)), s being the old ones.
    """
    J = np.abs(model.couplings).max(initial=0.0)
    for degree, places in order:
        for c, sites in enumerate(places):
            k = np.zeros(betas.shape, np.int64)
            if sites:
                rows = (slice(model.indptr[i], model.indptr[i + 1]) for i in sites)
                k = _by_lane([(up[model.indices[row]] == positive[row]).sum(axis=0) for row in rows])
            likely, head, rest = thresholds(k, degree, J, model.fields[0], betas, rule)
            accept = decide(head, rest, streams[:, :, c % SLOTS], tails)
            if sites:
                if rule == "metropolis":
                    accept &= ~(_by_lane(up[sites]) ^ likely)
                up[sites] = (likely ^ accept).reshape(-1, len(sites)).T


def thresholds(k, degree, J, h, betas, rule):
    """g = 2 beta f, f = (2k - d) |J| + h: up is likely if g > 0; the other spin has p = e / (1 + e), e = exp(-|g|).

    That is rule "gibbs"; for "metropolis" p = e, the probability to leave the likely spin. `k`: int (words, 64),
    how many of the d = `degree` neighbours push up, J_ij s_j > 0; `betas`: float64 (words, 64).
    Returns likely, bool, then head and rest, uint64, all (words, 64): p = (head + rest 2^-64) / 2^14 to 2^-78.
    Geman and Geman, IEEE Trans. PAMI 6, 721 (1984); Metropolis et al., J. Chem. Phys. 21, 1087 (1953).
    """
    f = (2 * k - degree) * J + h
    g = 2.0 * betas * f
    e = exp64(-np.minimum(np.abs(g), 700.0))
    p = {"gibbs": e / (1.0 + e), "metropolis": e}[rule]
    head = np.floor(p * 2.0**BITS)
    rest = np.floor((p * 2.0**BITS - head) * 2.0**64).astype(np.uint64)
    certain = p >= 1.0  # as close to 1 as head and rest can come
    head = np.where(certain, 2**BITS - 1, head.astype(np.uint64))
    return g > 0, head, np.where(certain, np.uint64(2**64 - 1), rest)


def exp64(x):
    """exp(x) = 2^m exp(r) with m the integer nearest to x / ln 2 and r = x - m ln 2, within 4e-16 relatively.

    `x`: float64, any shape, in [-700, 0]. One rounding per operation, in the order written: a compiled kernel
    gives the same bits.
    """
    m = np.rint(x * LOG2E)
    r = (x - m * LN2_HIGH) - m * LN2_LOW
    y = np.full_like(r, POLYNOMIAL[0])
    for c in POLYNOMIAL[1:]:
        y = y * r + c
    return np.ldexp(y, m.astype(np.int32))


def decide(head, rest, streams, tails):
    """Whether u + v 2^-64 < head + rest 2^-64 in each lane, u uniform of 14 bits and v of 64: bool (words, 64).

    `head` and `rest`: uint64 (words, 64); `streams`: uint64 (4, words) and `tails`: (4, words, 64), advanced in place.
    The first word drawn holds the highest bit of u for its 64 lanes, the next one the second, and so on; then every
    lane with u = head draws its v from a stream of its own (the tail), so that lanes never affect each other.
    """
    u = np.zeros_like(head)
    for _ in range(BITS):
        bits = next_words(streams)[:, None] >> np.arange(LANES, dtype=np.uint64) & 1
        u = u << 1 | bits
    accept = u < head
    for word, lane in np.argwhere(u == head):
        v = next_words(tails[:, word, lane : lane + 1])[0]
        accept[word, lane] = v < rest[word, lane]
    return accept


def _by_lane(of_strips):
    """What each strip of a cell has for every chain, (S, chains), lane by lane: (words, 64)."""
    return np.asarray(of_strips).T.reshape(-1, LANES)


def _spins(up, chains):
    return 2 * up[:, :chains].T.astype(np.int8) - 1


def _energy(models, spins):
    if len(models) == 1:
        return models[0].energy(spins)
    return [one.energy(s) for one, s in zip(models, spins, strict=True)]
