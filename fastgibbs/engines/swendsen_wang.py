"""The move of Swendsen and Wang, of spins in words of sites: which bonds are on, what they connect, what is turned.

What diagonals have (bonds.py) is drawn for a line of eight words at once: each undecided bond compares a bit of its
uniform with one of p, from the highest on, until all are decided. Bonds along diagonal 1 make runs of sites, and only
runs have labels, in order of sites: the label of a site is a count of bits. Labels are united, the larger under the
smaller, and the ghost has label 0, so that one pass in order finds each root before those that it is the root of.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.bitslices import ones
from fastgibbs.engines.bonds import ALL, LINE, ONE, PAD, TWO, probability, satisfied, up
from fastgibbs.engines.streams import chance, close_streams, next_word, open_streams, stepped
from fastgibbs.engines.vectors import at, full, load, nonzero, store, trailing_zeros
from fastgibbs.jit import called, inlined

_LOW = 0xFFFFFFFF


class Wanted(NamedTuple):
    """Which bonds may be on, and how likely: with probability 1 - exp(-2 |beta J|) where they are satisfied.

    In both of two chains, which may be one; or, `once`, in one of them alone.
    """

    model: int  # whose bonds
    beta: float
    one: np.ndarray  # uint64 (PAD + words,): spins
    other: np.ndarray
    once: bool


@inlined
def _unlike(spins, word, back, shift, against):
    """The bits of a line of bonds whose spins are unlike, or alike if J < 0."""
    low, high = load(spins, PAD + word - back - 1, LINE), load(spins, PAD + word - back, LINE)
    other = (high << shift) | ((low >> (np.uint64(63) - shift)) >> ONE)
    return load(spins, PAD + word, LINE) ^ other ^ against


@called
def _draw_diagonal(bonds, kind, wanted, streams, active):
    """Set the bonds of a kind that are on in the row of its offset."""
    offset, words = bonds.offsets[bonds.rows[kind]], bonds.present.shape[1]
    p = probability(wanted.beta, bonds.strengths[kind])
    threshold = np.uint64(p * 2.0**64) if p < 1.0 else ALL
    alike = ALL if wanted.beta > 0 else np.uint64(0)
    back, shift = offset >> 6, np.uint64(offset & 63)
    signs = (wanted.model * len(bonds.present) + kind) * words
    a, b, c, counter = open_streams(streams, 0, LINE, LINE)
    for word in range((back // LINE) * LINE, words, LINE):
        against = load(bonds.against, signs + word, LINE)
        one = _unlike(wanted.one, word, back, shift, against) ^ alike
        other = _unlike(wanted.other, word, back, shift, against) ^ alike
        open_ = (one ^ other if wanted.once else one & other) & load(bonds.present, kind * words + word, LINE)
        on, digits = full(0, np.uint64, LINE), threshold
        while digits != 0 and nonzero(open_) != 0:
            r, a, b, c, counter = stepped(a, b, c, counter)
            digit = np.uint64(0) - (digits >> np.uint64(63))
            on = on | (open_ & ((r ^ ALL) & digit))
            open_ = open_ & (r ^ digit ^ ALL)
            digits <<= ONE
        store(active, PAD + word, load(active, PAD + word, LINE) | on)
    close_streams(streams, 0, LINE, (a, b, c, counter))


@called
def draw_diagonals(clusters, k, wanted, first):
    """Draw the bonds of move k that diagonals have, to rows `first` ..."""
    bonds = clusters.bonds
    for kind in range(bonds.rows.size if wanted.beta != 0 else 0):
        _draw_diagonal(bonds, kind, wanted, clusters.streams[k], clusters.active[first + bonds.rows[kind]])


@inlined
def _label(clusters, site):
    """The label of a site's run."""
    word, bit = site >> 6, np.uint64(site & 63)
    return at(clusters.before, word) + ones(at(clusters.starts, word) & ((TWO << bit) - ONE))


@inlined
def _root(parents, label):
    """The root of a label, most often its parent: then no branch is a guess."""
    found = at(parents, label)
    while at(parents, found) != found:
        found = at(parents, found)
    return found


@inlined
def _unite(parents, one, other):
    """Put two labels and their roots under the smaller root."""
    a, b = _root(parents, one), _root(parents, other)
    root = full(min(a, b), np.int32, 1)
    store(parents, max(a, b), root)
    store(parents, one, root)
    store(parents, other, root)


@called
def begin_runs(clusters):
    """Runs of sites along the bonds of diagonal 1 that are on, each alone under its label; how many."""
    n, count = clusters.bonds.n, 0
    for word in range(clusters.starts.size):
        sites = ALL >> np.uint64(64 - min(n - 64 * word, 64)) if 64 * word < n else np.uint64(0)
        starts = (clusters.active[0, PAD + word] ^ ALL) & sites
        clusters.starts[word], clusters.before[word] = starts, count
        count += ones(starts)
    for label in range(count + 1):
        clusters.parents[label] = label
    return count


@called
def unite_diagonals(clusters, first):
    """Unite runs by the bonds of rows `first` ..., but those that made them."""
    active, parents = clusters.active, clusters.parents
    along = active[0]
    for row in range(max(first, 1), first + clusters.bonds.offsets.size):
        offset = clusters.bonds.offsets[row - first]
        back, shift = offset >> 6, np.uint64(offset & 63)
        for word in range(back, clusters.starts.size):
            here, there = PAD + word, PAD + word - back
            on = active[row, here]
            if on == 0:
                continue
            below_ = (along[there] << shift) | ((along[there - 1] >> (np.uint64(63) - shift)) >> ONE)
            left = (on << ONE) | (active[row, here - 1] >> np.uint64(63))
            on &= (left & along[here] & below_) ^ ALL  # but those between runs that the bond before has united
            while on != 0:
                site = 64 * word + trailing_zeros(on)
                on &= on - ONE
                _unite(parents, _label(clusters, site), _label(clusters, site - offset))


@inlined
def _wants(wanted, J, i, j):
    """Whether the bond J between sites i and j, or of i to the ghost if j < 0, may be on."""
    one = satisfied(J, wanted.beta, up(wanted.one, i) == (up(wanted.one, j) if j >= 0 else ONE))
    other = satisfied(J, wanted.beta, up(wanted.other, i) == (up(wanted.other, j) if j >= 0 else ONE))
    return one != other if wanted.once else one and other


@called
def unite_listed(clusters, wanted, stream):
    """Unite runs by the bonds that no diagonal has, and with the ghost."""
    bonds, parents = clusters.bonds, clusters.parents
    couplings, fields = bonds.couplings[wanted.model], bonds.fields[wanted.model]
    strength, p = 0.0, 0.0
    for k in range(couplings.size):
        J, i, j = couplings[k], np.int64(bonds.pairs[0, k]), np.int64(bonds.pairs[1, k])
        if _wants(wanted, J, i, j):
            if abs(J) != strength:
                strength, p = abs(J), probability(wanted.beta, J)
            if chance(stream, p):
                _unite(parents, _label(clusters, i), _label(clusters, j))
    for k in range(fields.size):
        h, i = fields[k], np.int64(bonds.sites[k])
        if _wants(wanted, h, i, np.int64(-1)):
            if abs(h) != strength:
                strength, p = abs(h), probability(wanted.beta, h)
            if chance(stream, p):
                _unite(parents, np.int64(0), _label(clusters, i))
    for k in range(bonds.held.size):
        _unite(parents, np.int64(0), _label(clusters, np.int64(bonds.held[k])))


@inlined
def _add(sizes, root, run):
    """Add a run to its cluster: what that adds to the sums of squares of M_c and of sizes, and the size then."""
    known = at(sizes, root)
    store(sizes, root, full(known + run, np.int64, 1))
    size, before = run >> 32, known >> 32
    m, M = 2 * (run & _LOW) - size, 2 * (known & _LOW) - before
    return m * (2 * M + m), size * (2 * before + size), before + size


@called
def draw_turns(clusters, spins, stream, count):
    """Draw which clusters are turned, each but the ghost's with probability 1/2, to `turns`; sums of squares of these.

    Of M_c of a chain's spins and of sizes, and the largest size. A word of coins is drawn for each 64 sites: that of a
    cluster is the one of its first site.
    """
    parents, turned, sizes, n = clusters.parents, clusters.coins, clusters.sizes, clusters.bonds.n
    for label in range(count + 1):
        sizes[label] = 0
    turned[0] = 0
    squares, size_squares, largest = np.int64(0), np.int64(0), np.int64(0)
    root, turn, run, label = np.int64(0), np.uint64(0), np.int64(0), 0
    for word in range(-(-n // 64)):
        coins, starts, here = next_word(stream), clusters.starts[word], spins[PAD + word]
        sites = ALL >> np.uint64(64 - min(n - 64 * word, 64))
        low = starts & (np.uint64(0) - starts)
        part = (low - ONE) & sites  # of the run that began before
        change = part & turn
        run += (ones(part) << 32) + ones(part & here)
        while starts != 0:
            square, size_square, size = _add(sizes, root, run)
            squares, size_squares, largest = squares + square, size_squares + size_square, max(largest, size)
            label += 1
            root = np.int64(at(parents, at(parents, label)))
            store(parents, label, full(root, np.int32, 1))
            store(turned, label, full(np.uint8((coins & low) != 0), np.uint8, 1))
            turn = np.uint64(0) - np.uint64(at(turned, root))  # its own, or that of a label before
            starts ^= low
            following = starts & (np.uint64(0) - starts)
            part = ((following - ONE) ^ (low - ONE)) & sites
            change |= part & turn
            run = (ones(part) << 32) + ones(part & here)
            low = following
        clusters.turns[word] = change
    square, size_square, size = _add(sizes, root, run)
    return squares + square, size_squares + size_square, max(largest, size)


@called
def turn(clusters, spins):
    """Turn the spins of a chain that are to be turned."""
    for word in range(clusters.turns.size):
        spins[PAD + word] ^= clusters.turns[word]


@called
def swendsen_wang(clusters, k):
    """Move k, of one chain."""
    place = clusters.taken[k, 0]
    spins, stream, n = clusters.spins[clusters.lane_at[place]], clusters.single[k], clusters.bonds.n
    wanted = Wanted(clusters.models[k], clusters.betas[place % clusters.betas.size], spins, spins, False)
    clusters.active[:] = 0
    draw_diagonals(clusters, k, wanted, 0)
    count = begin_runs(clusters)
    unite_diagonals(clusters, 0)
    unite_listed(clusters, wanted, stream)
    squares, size_squares, largest = draw_turns(clusters, spins, stream, count)
    turn(clusters, spins)
    clusters.estimates[0, k] = np.float64(squares) / n / n
    clusters.estimates[1, k] = np.float64(size_squares) / n / n
    clusters.estimates[2, k] = np.float64(largest) / n
