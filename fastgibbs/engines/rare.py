"""Low temperatures of the multi-spin engine: where most outcomes are certain, only the rare ones are drawn.

In lanes without a field a spin is one bit of a random word. In all others the rarer outcome of class k has a small
probability p_k. All lanes of a word, cell after cell of a tile, are candidates with the same probability c >= p_k; a
skip says how many are passed over before the next one, and a candidate of class k is accepted with p_k / c. Words
whose lanes are all at one beta are swept so, in cells of a degree for which candidates are few enough: this depends on
the model, that beta and the rule alone. In a run of several betas what a chain draws depends on whether all of its word
share one.

**The law of a skip** G is geometric, P(G = g) = (1 - c)^g c, with c = 1 - exp(-x). The bits of such a number are
independent: bit i is set with probability 1 / (1 + exp(2^i x)). So all are decided at once, as lanes are elsewhere:
the j-th word drawn has the j-th binary digits of uniform numbers, one for every bit, highest first, until all differ
from those of the probabilities, which are right to their last digit, 2^-64. No logarithm rounds anything: P(G = g) is
right to 2^-56 of itself and 2^-63 c, for short skips and long ones. x is rounded up to four binary digits, m 2^-s with
m = 8 ... 15, so that one table serves all betas; where it is below 2^-57 there are no candidates. With p_k / c, of 63
bits, every p_k is right to 1e-15 of itself and 2^-57. What is memoryless may begin anew: skips do in every tile of
every sweep, so that nothing is pending in a state. A candidate draws as many words whatever its class, so that no lane
changes what others draw.

Bits of geometric numbers: Devroye, Non-Uniform Random Variate Generation (1986), X.2. Thinning: Lewis and Shedler, Nav.
Res. Logist. 26, 403 (1979).
"""

from functools import cache, reduce
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastgibbs.engines.arithmetic import exp64
from fastgibbs.engines.bitslices import whole_masks
from fastgibbs.engines.contract import METROPOLIS
from fastgibbs.engines.graphs import VECTOR
from fastgibbs.engines.streams import stepped
from fastgibbs.engines.vectors import (
    Lanes,
    at,
    bitcast,
    copied,
    full,
    load,
    nonzero,
    shuffled,
    store,
    trailing_zeros,
)
from fastgibbs.jit import called, inlined

CROSSING = 3.0 * 2.0**-10  # the largest x: with more candidates, drawing for all lanes is faster
FINEST = 60  # the largest s
NEVER = np.uint64(2**62)  # where no candidate is
AHEAD = 4  # candidates of a word that are drawn at once, and the streams they are drawn from
NUMBER = 4  # planes of how many neighbours push up, at most
COINS, TURNS = 4, 5  # columns of the limits after the bits
EVERY, RARELY, BOTH = 1, 2, 3  # what words of a block are drawn: all outcomes, rare ones, or some words so, some so
# rows of eight words in scratch: what turns the likelier spin, the words whose rare outcomes alone are drawn, their
# next candidates, the spins that candidates may turn, how many neighbours push up, x and shares of each word, the last
# attempt that is a candidate drawn ahead, which of these is next, these, streams put aside
TURNED, MINE, NEXT, LIKELY, UPS, RATE, SHARES, LAST, TAKEN, QUEUE, ASIDE = 0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 20


class Rarities(NamedTuple):
    """What decides the rare outcomes of cells of each degree, at every beta."""

    rates: np.ndarray  # int64 (rungs, tables): 16 s + m of x = m 2^-s, 0 without candidates, -1 where all are drawn
    shares: np.ndarray  # uint64 (rungs * tables * classes,): 2^63 p_k / c
    turned: np.ndarray  # bool (rungs,): beta < 0
    limits: np.ndarray  # uint64 (tables * 8,): all bits as those of ~u, u the last number with f <= 0; whether f = 0
    # there; whether there is no such class
    skips: np.ndarray  # uint64 (8, 64): bit b of word j is the j-th digit of 1 / (1 + exp(m 2^(b - 61))), for each m


def rarities(model, degrees: np.ndarray, betas: np.ndarray, rule: int) -> Rarities:
    """Of cells of each degree d, with k = 0 ... d neighbours pushing up, f_k = (2k - d) |J| + h.

    With e = exp(-2 |beta f|) the rarer outcome has p = e / (1 + e) by the Gibbs rule, and c >= p with x = e; by
    Metropolis p = e and x = e / (1 - e).
    """
    k = np.arange(degrees.max(initial=0) + 1)
    field, met = (2 * k - degrees[:, None]) * model.coupling_unit + model.field, k <= degrees[:, None]
    certain = np.full((betas.size, *field.shape), 700.0)
    np.multiply(2.0 * np.abs(betas)[:, None, None], np.abs(field), out=certain, where=(field != 0) & met)
    e = np.where((field != 0) & met, exp64.py_func(-np.minimum(certain, 700.0)), 0.0)
    largest = e.max(axis=2)
    few = largest <= CROSSING
    p, x = (e, largest / (1.0 - np.where(few, largest, 0.0))) if rule == METROPOLIS else (e / (1.0 + e), largest)
    fraction, exponent = np.frexp(x)
    m = np.ceil(16.0 * fraction)
    m, exponent = np.where(m > 15, 8.0, m), exponent + (m > 15)
    s = np.where(x > 0, 4 - exponent, FINEST + 1)
    x = np.ldexp(m, -s)
    c = np.ones_like(x)
    for j in range(9, 1, -1):  # 1 - exp(-x) = x (1 - x / 2 (1 - x / 3 ...))
        c = 1.0 - x / j * c
    shares = np.minimum(p / np.where(few & (x > 0), x * c, 1.0)[..., None], 1.0) * 2.0**63
    last = ((field <= 0) & met).sum(axis=1) - 1
    limits = np.zeros((degrees.size, VECTOR), np.uint64)
    limits[:, :NUMBER] = -(~last[:, None] >> np.arange(NUMBER) & 1).astype(np.int64).view(np.uint64)
    limits[:, COINS] = ((field == 0) & met).any(axis=1)
    limits[:, TURNS] = -(last < 0).astype(np.int64).view(np.uint64)
    rates = np.where(few & (x <= CROSSING), np.where(s > FINEST, 0, 16 * s + m.astype(np.int64)), -1)
    table = skip_digits() if (rates > 0).any() else np.zeros((8, 64), np.uint64)
    return Rarities(rates, shares.astype(np.uint64).ravel(), betas < 0, limits.ravel(), table)


@cache
def skip_digits() -> np.ndarray:
    """The digits of all bits of skips, in whole numbers of 320 bits: exp(2 y) is the square of exp(y)."""
    one = 1 << 320
    digits = np.zeros((8, 64), np.uint64)
    for m in range(8, 16):
        y = (one * m) >> 61
        power = one + y + (y * y >> 321) + (y * y * y >> 640) // 6 + (y * y * y * y >> 960) // 24
        for b in range(64):
            digit = (one << 64) // (one + power)
            for j in range(64):
                digits[m - 8, j] |= np.uint64((digit >> (63 - j) & 1) << b)
            power = power * power >> 320
    return digits


@intrinsic
def beside_middle(typing, number):
    """Lanes in which a number of p planes is above the middle, 2^(p-1) - 1, and in which it is there."""

    def lower(context, builder, sig, values):
        *planes, greater = (builder.extract_value(values[0], k) for k in range(number.count))
        there = reduce(builder.and_, planes, builder.not_(greater))
        return context.make_tuple(builder, sig.return_type, [greater, there])

    return types.UniTuple(number.dtype, 2)(number), lower


@intrinsic
def columns(typing, table):
    """The columns of a table of four rows and columns, as Lanes, from all of it row by row."""
    column = Lanes(table.dtype, 4)

    def lower(context, builder, sig, values):
        found = [shuffled(builder, values[0], values[0], range(k, 16, 4)) for k in range(4)]
        return context.make_tuple(builder, sig.return_type, found)

    return types.UniTuple(column, 4)(table), lower


@intrinsic
def rows(typing, a, b, c, d):
    """The table that has these columns."""
    table = Lanes(a.dtype, 16)

    def lower(context, builder, sig, values):
        left, right = (shuffled(builder, *values[k : k + 2], range(8)) for k in (0, 2))
        return shuffled(builder, left, right, [4 * column + row for row in range(4) for column in range(4)])

    return table(a, b, c, d), lower


@intrinsic
def above(typing, number, limits, index):
    """Lanes in which a number is greater than u, and in which it is u; all bits of limits[index + j] are bit j of ~u.

    number + ~u overflows, or has all bits set without a carry.
    """

    def lower(context, builder, sig, values):
        data = context.make_array(sig.args[1])(context, builder, values[1]).data
        first = context.cast(builder, values[2], sig.args[2], types.intp)
        greater = equal = None
        for j in range(number.count):
            plane = builder.extract_value(values[0], j)
            place = builder.gep(data, [builder.add(first, ir.Constant(first.type, j))])
            limit = copied(builder, builder.load(place), number.dtype.width)
            sum_ = builder.xor(plane, limit)
            if j == 0:
                greater, equal = builder.and_(plane, limit), sum_
            else:
                greater = builder.xor(plane, builder.and_(sum_, builder.xor(plane, greater)))
                equal = builder.and_(equal, sum_)
        return context.make_tuple(builder, sig.return_type, [greater, equal])

    return types.UniTuple(number.dtype, 2)(number, limits, index), lower


@called
def find_alike(rates, rungs, words, alike):
    """Write down the rung that all lanes of each word share, or -1, and last that of all words.

    Whether any lanes need thresholds of their own.
    """
    drawn, alike[words] = False, rungs[0]
    for word in range(words):
        rung = rungs[64 * word]
        other = load(rungs, 64 * word, 8) ^ rung
        for lane in range(8, 64, 8):
            other = other | (load(rungs, 64 * word + lane, 8) ^ rung)
        alike[word] = -1 if nonzero(other) != 0 else rung
        alike[words] = alike[words] if alike[word] == alike[words] else -1
        for table in range(rates.shape[1]):
            drawn |= alike[word] < 0 or rates[rung, table] < 0
    return drawn and alike[words] < 0


@called
def begin(rare, alike, words, table, start, attempts, tails, scratch):
    """Draw the first candidates of each word in a tile of so many attempts a word, streams uint64 (64 * words, 4).

    How its words are drawn: EVERY, RARELY or BOTH.
    """
    tables, ways = rare.rates.shape[1], 0
    classes = rare.shares.size // rare.rates.size
    for place in range(VECTOR):
        word = place & (words - 1)
        rung = alike[word]
        rate = rare.rates[rung, table] if rung >= 0 else -1
        ways |= EVERY if rate < 0 else RARELY
        turned = rare.limits[VECTOR * table + TURNS]
        if rung >= 0 and rare.turned[rung]:
            turned ^= np.uint64(2**64 - 1)
        scratch[VECTOR * TURNED + place] = turned
        scratch[VECTOR * MINE + place] = np.uint64(0) if rate < 0 else np.uint64(2**64 - 1)
        scratch[VECTOR * NEXT + place] = NEVER
        scratch[VECTOR * LAST + place] = np.uint64(2**64 - 1)
        scratch[VECTOR * RATE + place] = np.uint64(max(rate, 0))
        scratch[VECTOR * SHARES + place] = np.uint64((max(rung, 0) * tables + table) * classes - start)
        scratch[VECTOR * TAKEN + place] = 0
        if place < words and rate > 0:
            draw(rare.skips, word, words, attempts, tails, scratch)
            scratch[VECTOR * NEXT + word] = scratch[VECTOR * QUEUE + 2 * AHEAD * word]
    return ways


@called
def draw(skips, word, words, attempts, tails, scratch):
    """Draw the AHEAD next candidates of a word, from streams of its first lanes, side by side.

    All draw words until every bit of every skip is decided, then one that says whether the candidate is accepted.
    """
    rate = np.int64(scratch[VECTOR * RATE + word])
    a, b, c, counter = columns(load(tails, 256 * word, 16))
    beyond = np.uint64(FINEST + 1 - (rate >> 4))
    skip, undecided = full(0, np.uint64, AHEAD), full(np.uint64(2**64 - 1) >> beyond, np.uint64, AHEAD)
    place, end = 64 * (rate & 7), 64 * (rate & 7) + 64
    accept = full(0, np.uint64, AHEAD)
    drawing = True
    while drawing:
        drawing = place < end and nonzero(undecided) != 0
        accept, a, b, c, counter = stepped(a, b, c, counter)
        if drawing:
            digits = at(skips, place) >> beyond
            differs = accept ^ digits
            skip = skip | (undecided & differs & digits)
            undecided = undecided & (differs ^ -1)
            place += 1
    store(tails, 256 * word, rows(a, b, c, counter))
    queue = VECTOR * QUEUE + 2 * AHEAD * word
    store(scratch, queue, skip)
    store(scratch, queue + AHEAD, accept >> 1)
    last = np.int64(scratch[VECTOR * LAST + word])
    for lane in range(AHEAD):
        following = NEVER
        if scratch[queue + lane] < np.uint64(attempts - 1 - last):
            last += 1 + np.int64(scratch[queue + lane])
            following = np.uint64(((last >> 6) * words + word) << 6 | last & 63)
        else:
            last = attempts - 1
        scratch[queue + lane] = following
    scratch[VECTOR * LAST + word] = last


@inlined
def next_candidates(scratch):
    """Where the next candidate of each word is, int64 lanes."""
    return bitcast(load(scratch, VECTOR * NEXT, VECTOR), np.int64)


@inlined
def try_candidates(rare, drawn, spins, following, found, begin, end):
    """Let the candidates of the words `found`, before bit `end` of the tile that begins at word `begin`, turn spins.

    `drawn`: words, attempts, tails, scratch, as `draw` takes them. Where the next ones are.
    """
    words, attempts, tails, scratch = drawn
    while found != 0:
        word = trailing_zeros(found)
        taken, queue = np.int64(at(scratch, VECTOR * TAKEN + word)), VECTOR * QUEUE + 2 * AHEAD * word
        position = np.int64(at(scratch, queue + taken))
        place, lane = position >> 6, np.uint64(position) & np.uint64(63)
        element = place & (VECTOR - 1)
        share = np.int64(at(scratch, VECTOR * SHARES + word))
        for j in range(NUMBER):
            share += np.int64((at(scratch, VECTOR * (UPS + j) + element) >> lane) & np.uint64(1)) << j
        accepted = np.uint64(at(scratch, queue + AHEAD + taken) < at(rare.shares, share))
        spins[begin + place] ^= (accepted << lane) & at(scratch, VECTOR * LIKELY + element)
        taken += 1
        if taken == AHEAD:
            taken = 0
            draw(rare.skips, word, words, attempts, tails, scratch)
        scratch[VECTOR * TAKEN + word] = taken
        position = np.int64(at(scratch, queue + taken))
        bit = np.uint64(1) << np.uint64(word)
        following = following ^ ((following ^ position) & bitcast(whole_masks(np.uint8(bit), 0), np.int64))
        if position >= end:
            found ^= bit
    return following


@called
def exchange(streams, scratch, kind):
    """Words' streams, uint64 (5, 8 * words): of words of a kind as they were put aside, and put aside those of others.

    A word that is swept in one way draws nothing in the other.
    """
    columns = streams.shape[1]
    for row in range(4):
        for column in range(columns):
            aside = VECTOR * ASIDE + row * columns + column
            if scratch[VECTOR * MINE + column % VECTOR] == kind:
                streams[row, column] = scratch[aside]
            else:
                scratch[aside] = streams[row, column]
