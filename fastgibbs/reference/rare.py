"""Low temperatures of the multi-spin engine in NumPy: candidates for the rarer outcome, a skip apart, and their shares.

All lanes of a word, place after place of a tile, are attempts 0, 1, 2, ...; a candidate is accepted by its class.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache
from typing import NamedTuple

import numpy as np

from fastgibbs.reference.arithmetic import exp64
from fastgibbs.reference.streams import next_words

LARGEST = 3.0 * 2.0**-10  # x above it: all outcomes are drawn
FINEST = 60  # x below 2^-57, 8 2^-FINEST: no candidates
TOGETHER = 4  # candidates drawn at once, each from a stream of its own
TERMS = 9  # of 1 - exp(-x)


class Shares(NamedTuple):
    """How the rarer outcome of a word whose lanes are at one beta is drawn, in places of one degree."""

    x: tuple[int, int] | None  # (m, s), x = m 2^-s, or None without candidates
    accepted: np.ndarray  # uint64 (degree + 1,), 2^63 p_k / c: of class k, all of those with f_k = 0 being 0
    coins: bool  # whether some class has f_k = 0


def shares(degree, J, h, beta, rule):
    """`Shares`, or None where all outcomes are drawn: p_k = c accepted_k / 2^63, with f_k = (2k - d) |J| + h.

    With e = exp(-2 |beta f|), by Gibbs p = e / (1 + e) and x >= max e, by Metropolis p = e and x >= max e / (1 - e),
    over the classes k = 0 ... d = `degree` of f_k != 0; m has four binary digits, and c = 1 - exp(-x) >= p.
    """
    f = (2 * np.arange(degree + 1) - degree) * J + h
    e = np.zeros(degree + 1)
    e[f != 0] = exp64(-np.minimum(2.0 * abs(beta) * np.abs(f[f != 0]), 700.0))
    largest = e.max()
    if largest > LARGEST:
        return None
    least = largest / (1.0 - largest) if rule == "metropolis" else largest
    nothing = Shares(None, np.zeros(degree + 1, np.uint64), bool((f == 0).any()))
    if least == 0:
        return nothing
    m, s = least, 0
    while m <= 7.5:
        m, s = 2.0 * m, s + 1
    m = int(np.ceil(m))
    if m == 16:
        m, s = 8, s - 1
    x = m * 2.0**-s
    if x > LARGEST:
        return None
    if s > FINEST:
        return nothing
    bracket = 1.0
    for k in range(TERMS, 1, -1):
        bracket = 1.0 - x / k * bracket
    p = {"gibbs": e / (1.0 + e), "metropolis": e}[rule]
    return nothing._replace(x=(m, s), accepted=(np.minimum(p / (x * bracket), 1.0) * 2.0**63).astype(np.uint64))


@cache
def bits(m, s):
    """2^64 / (1 + exp(2^i m 2^-s)), rounded down, i = 0 ... s + 2: the probability that bit i of a skip is set.

    1 - exp(-x) is the probability that a skip is 0, and the bits of what is geometric are independent.
    """
    with localcontext() as context:
        context.prec = 60
        return [int(2**64 / (1 + (Decimal(m) * Decimal(2) ** (i - s)).exp())) for i in range(s + 3)]


def skips(x, streams):
    """TOGETHER skips and as many uniform numbers of 63 bits, from `streams`, uint64 (4, TOGETHER), advanced in place.

    The j-th word of a stream has the j-th binary digits of uniform numbers, one a bit of its skip; bit i is set where
    its number is below that of `bits`. All streams draw until no number has all digits in common with its probability.
    """
    probabilities, numbers = bits(*x), [0] * TOGETHER
    undecided = [(lane, i) for lane in range(TOGETHER) for i in range(len(probabilities))]
    for j in range(64):
        if not undecided:
            break
        words, left = [int(word) for word in next_words(streams)], []
        for lane, i in undecided:
            digit, wanted = words[lane] >> i & 1, probabilities[i] >> (63 - j) & 1
            if digit == wanted:
                left.append((lane, i))
            elif digit < wanted:
                numbers[lane] |= 1 << i
        undecided = left
    return numbers, next_words(streams) >> np.uint64(1)


def candidates(x, attempts, streams):
    """Yield (attempt, uniform number of 63 bits) of every candidate among so many attempts; `streams` as in `skips`."""
    attempt = -1
    while True:
        for skip, uniform in zip(*skips(x, streams), strict=True):
            attempt += 1 + skip
            if attempt >= attempts:
                return
            yield attempt, uniform
