"""How the overlap engine holds a memory: kinds of overlaps and patterns, and the kernels of an attempt for each.

With M_mu = sum_i xi_i^mu s_i, the field of site i in units of `unit` is

    Halves, Wholes  sum_mu xi_i^mu M_mu - P s_i              Hebb; n < 2^15, or any n
    Factors         sum_mu y_i^mu M_mu - c_i s_i             pseudo-inverse: y = Q^-1 xi, c_i = sum_mu y_i^mu xi_i^mu
    Powers          sum_mu xi_i^mu (F(C + 1) - F(C - 1)) / 2   order n: F(x) = x^n, C = M_mu - xi_i^mu s_i
    Steps           sum_mu xi_i^mu [C = -1 or 0]               perceptron: examples that s_i decides; C as above

and the field h_i. Powers: (F(C + 1) - F(C - 1)) / 2 = sum over odd k of binomial(n, k) C^(n - k), a whole number.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import aligned, decide, pushed
from fastgibbs.engines.contract import ALIGN
from fastgibbs.engines.contract import LANE_GROUP as WIDTH
from fastgibbs.engines.vectors import at, convert, full, less_products, load, nonzero, products, select, store
from fastgibbs.jit import inlined


class Halves(NamedTuple):
    """Two patterns in 32 bits, two overlaps in a lane of 32 bits; with P odd, a pattern of zeros fills them up."""

    patterns: np.ndarray  # int32 (n, rows)
    own: int  # P


class Wholes(NamedTuple):
    """32-bit overlaps."""

    patterns: np.ndarray  # int8 (n, P)
    own: int  # P


class Factors(NamedTuple):
    """Float32 overlaps, whole numbers."""

    patterns: np.ndarray  # int8 (n, P)
    factors: np.ndarray  # float32 (n, P): y
    own: np.ndarray  # float32 (n,): c
    inverse: np.ndarray  # float64 (P, P): Q^-1


class Powers(NamedTuple):
    """32-bit overlaps of an energy of order n > 2."""

    patterns: np.ndarray  # int8 (n, P)
    binomials: tuple  # of n and odd k
    order: int


class Steps(NamedTuple):
    """16-bit overlaps of a perceptron, and sums of as many examples: n and P < 2^15."""

    patterns: np.ndarray  # int16 (n, P)


class WideSteps(NamedTuple):
    """32-bit overlaps of a perceptron, and sums of examples."""

    patterns: np.ndarray  # int16 (n, P)


class OverlapState(NamedTuple):
    """What sweeps change in a block of lanes, a multiple of 16."""

    spins: np.ndarray  # int8 (n, lanes)
    overlaps: np.ndarray  # int16, int32 or float32 (rows, lanes): M_mu, but for the flips of the last attempt
    turned: np.ndarray  # as overlaps (lanes,): 2 s of those flips, s the spin before, and 0 elsewhere
    pending: np.ndarray  # int64 (2,): the site of the last attempt, and whether it flipped anything
    streams: np.ndarray  # uint64 (4, lanes)
    order: np.ndarray  # uint64 (4,): the stream of site orders, the same in all blocks of a run
    words: np.ndarray  # uint64 (lanes,): random words of this attempt and the next
    scale: np.ndarray  # float32 (lanes,): the scale of each lane's rung
    push: np.ndarray  # float32 (lanes,): the push of each lane's rung
    fields: np.ndarray  # float32 (lanes,): of the site of this attempt


class Kernels(NamedTuple):
    """What differs from kind to kind, compiled functions of (memory, ...) on lanes."""

    held: type  # of overlaps
    total: type  # of sums over patterns
    wide: int  # lanes that are handled at once where there are enough
    term: object  # (memory, k, overlap, spin): what entry k of the patterns adds to the field
    less: object  # (memory, k, overlap, turned): the overlap after flips
    field: object  # (memory, site, total, spin): float32
    turn: object  # (lanes): s - s' = 2 s or 0, int32, as `turned` holds it
    weight: object  # (memory, overlaps, lane, size): the sum that the energy is made of, float64, 16 lanes


@inlined
def _sign(memory, k):
    """0 or -1, as entry k of the patterns is 1 or -1: (x ^ sign) - sign = +-x."""
    return np.int32(at(memory.patterns, k)) >> np.int32(1)


@inlined
def _halves_term(memory, k, overlap, spin):
    return products(overlap, at(memory.patterns, k))


@inlined
def _halves_less(memory, k, overlap, turned):
    return less_products(overlap, turned, at(memory.patterns, k))


@inlined
def _halves_turn(turned):
    return (turned << 16) | (turned & 0xFFFF)


@inlined
def _halves_weight(memory, overlaps, lane, size):
    rows, lanes = overlaps.shape
    total = full(-size, np.int64, WIDTH)
    for row in range(rows):
        both = load(overlaps, row * lanes + lane, WIDTH)
        low, high = convert((both << 16) >> 16, np.int64), convert(both >> 16, np.int64)
        total = total + low * low + high * high
    return convert(total, np.float64)


@inlined
def _hebb_field(memory, site, total, spin):
    return convert(total - spin * memory.own, np.float32)


@inlined
def _wholes_term(memory, k, overlap, spin):
    sign = _sign(memory, k)
    return (overlap ^ sign) - sign


@inlined
def _wholes_less(memory, k, overlap, turned):
    sign = _sign(memory, k)
    return overlap - ((turned ^ sign) - sign)


@inlined
def _wholes_turn(turned):
    return turned


@inlined
def _wholes_weight(memory, overlaps, lane, size):
    rows, lanes = overlaps.shape
    total = full(-size, np.int64, WIDTH)
    for row in range(rows):
        overlap = convert(load(overlaps, row * lanes + lane, WIDTH), np.int64)
        total = total + overlap * overlap
    return convert(total, np.float64)


@inlined
def _factors_term(memory, k, overlap, spin):
    return overlap * at(memory.factors, k)


@inlined
def _factors_less(memory, k, overlap, turned):
    return overlap - turned * np.float32(at(memory.patterns, k))


@inlined
def _factors_field(memory, site, total, spin):
    return total - convert(spin, np.float32) * at(memory.own, site)


@inlined
def _factors_turn(turned):
    return convert(turned, np.float32)


@inlined
def _factors_weight(memory, overlaps, lane, size):
    rows, lanes = overlaps.shape
    total = full(0.0, np.float64, WIDTH)
    for mu in range(rows):
        inner = full(0.0, np.float64, WIDTH)
        for nu in range(rows):
            overlap = convert(load(overlaps, nu * lanes + lane, WIDTH), np.float64)
            inner = inner + overlap * at(memory.inverse, nu * rows + mu)
        total = total + convert(load(overlaps, mu * lanes + lane, WIDTH), np.float64) * inner
    return total - size


@inlined
def _powers_term(memory, k, overlap, spin):
    sign = _sign(memory, k)
    cavity = convert(overlap - ((spin ^ sign) - sign), np.int64)
    square = cavity * cavity
    power = cavity ^ cavity
    for binomial in memory.binomials:
        power = power * square + binomial
    if memory.order % 2 == 0:
        power = power * cavity
    return (power ^ sign) - sign


@inlined
def _powers_field(memory, site, total, spin):
    return convert(total, np.float32)


@inlined
def _powers_weight(memory, overlaps, lane, size):
    rows, lanes = overlaps.shape
    total = full(0, np.int64, WIDTH)
    for row in range(rows):
        overlap = convert(load(overlaps, row * lanes + lane, WIDTH), np.int64)
        power = overlap
        for _ in range(memory.order - 1):
            power = power * overlap
        total = total + power
    return convert(total, np.float64)


@inlined
def _steps_less(memory, k, overlap, turned):
    return overlap - turned * at(memory.patterns, k)


def _steps(kind):
    """What perceptrons do with overlaps of one type of integers."""
    sign = np.iinfo(kind).bits - 1

    @inlined
    def term(memory, k, overlap, spin):
        xi = at(memory.patterns, k)
        cavity, none = overlap - convert(spin, kind) * xi, overlap ^ overlap
        return select((cavity > -2) & (cavity < 1), none + xi, none)

    @inlined
    def turn(turned):
        return convert(turned, kind)

    @inlined
    def weight(memory, overlaps, lane, size):
        rows, lanes = overlaps.shape
        wrong = full(0, np.int64, WIDTH)
        for row in range(rows):
            wrong = wrong - convert(load(overlaps, row * lanes + lane, WIDTH) >> sign, np.int64)
        return convert(wrong, np.float64)

    return Kernels(kind, kind, 64, term, _steps_less, _powers_field, turn, weight)


KERNELS = {
    Halves: Kernels(np.int32, np.int32, 64, _halves_term, _halves_less, _hebb_field, _halves_turn, _halves_weight),
    Wholes: Kernels(np.int32, np.int32, 64, _wholes_term, _wholes_less, _hebb_field, _wholes_turn, _wholes_weight),
    Factors: Kernels(
        np.float32, np.float32, 64, _factors_term, _factors_less, _factors_field, _factors_turn, _factors_weight
    ),
    Powers: Kernels(np.int32, np.int64, 16, _powers_term, _wholes_less, _powers_field, _wholes_turn, _powers_weight),
    Steps: _steps(np.int16),
    WideSteps: _steps(np.int32),
}


def _gathering(kernels, width):
    """The function that brings overlaps of `width` lanes up to date and sums up the field of a site."""
    zero, term, less, field = kernels.total, kernels.term, kernels.less, kernels.field

    @inlined
    def gather(plan, state, site, lane):
        memory, (rows, lanes) = plan.memory, state.overlaps.shape
        spin = convert(load(state.spins, site * lanes + lane, width), np.int32)
        total = full(0, zero, width)
        first = site * rows
        if state.pending[1] != 0:
            before, turned = state.pending[0] * rows, load(state.turned, lane, width)
            for row in range(rows):
                place = row * lanes + lane
                overlap = less(memory, before + row, load(state.overlaps, place, width), turned)
                store(state.overlaps, place, overlap)
                total = total + term(memory, first + row, overlap, spin)
        else:
            for row in range(rows):
                overlap = load(state.overlaps, row * lanes + lane, width)
                total = total + term(memory, first + row, overlap, spin)
        store(state.fields, lane, field(memory, site, total, spin) + at(plan.scaled_fields, site))

    return gather


def _attempting(kernels):
    """The kernels of an engine's sweep for one kind of memory."""
    narrow, wide, turn, less = WIDTH, kernels.wide, kernels.turn, kernels.less
    gather, gather_wide = _gathering(kernels, narrow), _gathering(kernels, wide)

    @inlined
    def gather_fields(plan, state, site):
        lanes = state.scale.size
        if lanes % wide == 0:
            for lane in range(0, lanes, wide):
                gather_wide(plan, state, site, lane)
        else:
            for lane in range(0, lanes, narrow):
                gather(plan, state, site, lane)

    @inlined
    def attempt(plan, state, rule, site, shift):
        """An attempt at a site in all lanes, decided by the 32 bits of `state.words` from bit `shift` on."""
        gather_fields(plan, state, site)
        lanes, flips = state.scale.size, np.uint64(0)
        for lane in range(0, lanes, narrow):
            words = convert(load(state.words, lane, narrow) >> shift, np.uint32)
            spin = load(state.spins, site * lanes + lane, narrow)
            exponent = load(state.fields, lane, narrow) * load(state.scale, lane, narrow)
            exponent = pushed(plan, state, exponent, lane, narrow)
            new = aligned(exponent, spin, narrow) if rule == ALIGN else decide(rule, exponent, spin, words, narrow)
            store(state.spins, site * lanes + lane, new)
            turned = spin - new
            store(state.turned, lane, turn(convert(turned, np.int32)))
            flips |= nonzero(turned)
        state.pending[0] = site
        state.pending[1] = flips != 0

    @inlined
    def settle(plan, state):
        """Bring the overlaps up to date."""
        rows, lanes = state.overlaps.shape
        if state.pending[1] != 0:
            for row in range(rows):
                for lane in range(0, lanes, narrow):
                    overlap, place = load(state.overlaps, row * lanes + lane, narrow), row * lanes + lane
                    turned = load(state.turned, lane, narrow)
                    store(state.overlaps, place, less(plan.memory, state.pending[0] * rows + row, overlap, turned))
        state.pending[1] = 0

    return gather_fields, attempt, settle


ATTEMPTS = {kind: _attempting(kernels) for kind, kernels in KERNELS.items()}
