"""The sums of the sparse engine: local fields in whole numbers of 8 bits, in float32, or as if in 104 bits; energies.

Spins are int8, or float32 where they fit a core's cache: then J s is a factor of one instruction, multiply and add.
"""

import numpy as np
from numba import types

from fastgibbs.engines.shuffles import alternating
from fastgibbs.engines.vectors import add_product, at, bitcast, convert, full, load, select, store
from fastgibbs.jit import by_types, inlined

_SIGN, _SIGN64 = -(2**31), -(2**63)
_LONG_ONE = np.float32(1.875)  # the upper 32 bits of the float64 1.0, which the float32 1.0 has not
_UPPER = np.uint64(0xFFFFFFFF00000000)
_EXACT = 2**20  # spins whose sum float32 holds


@by_types
def signs(spins):
    """Lanes of spins as int32 whose sign bits are theirs."""
    if spins.dtype is types.float32:
        return lambda spins: bitcast(spins, np.int32)
    return lambda spins: convert(spins, np.int32)


@by_types
def like(signs, spins):
    """The spins of these signs, lanes of the type of `spins`."""
    if spins.dtype is types.float32:
        width = spins.width
        return lambda signs, spins: select(signs < 0, full(-1.0, np.float32, width), full(1.0, np.float32, width))
    return lambda signs, spins: convert(signs >> 31 | 1, np.int8)


@by_types
def numbers(spins):
    """Lanes of spins as float32."""
    return (lambda spins: spins) if spins.dtype is types.float32 else (lambda spins: convert(spins, np.float32))


def floating(width):
    """The function that adds up h_i and J_ij s_j over `unit` in `width` lanes, as the type of a plan's numbers says."""

    def short(plan, spins, site, lane):
        field = full(at(plan.scaled_fields, site), np.float32, width)
        for k in range(at(plan.indptr, site), at(plan.indptr, site + 1)):
            other = load(spins, at(plan.indices, k) * spins.shape[1] + lane, width)
            field = add_product(field, at(plan.scaled_couplings, k), other)
        return field

    def turning(plan, spins, site, lane):
        field = full(at(plan.scaled_fields, site), np.float32, width)
        for k in range(at(plan.indptr, site), at(plan.indptr, site + 1)):
            spin = convert(load(spins, at(plan.indices, k) * spins.shape[1] + lane, width), np.int32)
            coupling = bitcast(full(at(plan.scaled_couplings, k), np.float32, width), np.int32)
            field = field + bitcast(coupling ^ (spin & _SIGN), np.float32)
        return field

    def exact(plan, spins, site, lane):
        # The error of every addition is a float64, and they are summed beside the field (Ogita, Rump and Oishi, SIAM
        # J. Sci. Comput. 26, 1955 (2005), algorithm 4.4).
        field, errors = full(at(plan.scaled_fields, site), np.float64, width), full(0.0, np.float64, width)
        for k in range(at(plan.indptr, site), at(plan.indptr, site + 1)):
            spin = convert(load(spins, at(plan.indices, k) * spins.shape[1] + lane, width), np.int64)
            coupling = bitcast(full(at(plan.scaled_couplings, k), np.float64, width), np.int64)
            term = bitcast(coupling ^ (spin & _SIGN64), np.float64)
            total = field + term
            added = total - field
            errors = errors + ((field - (total - added)) + (term - added))
            field = total
        return field + errors

    @by_types
    def float_sum(plan, spins, site, lane):
        if spins.dtype is types.float32:
            return short
        return turning if plan[plan.fields.index("scaled_fields")].dtype is types.float32 else exact

    return float_sum


def whole(width):
    """The function that adds up whole numbers J s of `width` lanes."""

    @inlined
    def whole_sum(plan, spins, total, first, end, lane):
        """total - sum of (J - J s) over entries `first` ... `end - 1`: with s = +-1 in 8 bits, J - J s = 2 J & s."""
        lanes = spins.shape[1]
        sums = full(total, np.int8, width)
        for k in range(first, end):
            sums = sums - (
                full(at(plan.doubled, k), np.int8, width) & load(spins, at(plan.indices, k) * lanes + lane, width)
            )
        return sums

    return whole_sum


_MOST, _LEAST = 64, 16
_whole_most, _whole_least = whole(_MOST), whole(_LEAST)


@inlined
def add_whole(plan, spins, total, site, sums, count):
    """Write total - sum of (J - J s) over the entries of a site to `count` numbers, of lanes or of lines of these."""
    first, end, most = at(plan.indptr, site), at(plan.indptr, site + 1), count - count % _MOST
    for lane in range(0, most, _MOST):
        store(sums, lane, _whole_most(plan, spins, total, first, end, lane))
    for lane in range(most, count, _LEAST):
        store(sums, lane, _whole_least(plan, spins, total, first, end, lane))


@by_types
def gather(plan, state, site):
    """Write the whole numbers of a site's local fields to `state.sums`, if they are what it takes."""

    def nothing(plan, state, site):
        pass

    def whole_numbers(plan, state, site):
        if plan.step > 0:
            add_whole(plan, state.spins, at(plan.row_sums, site), site, state.sums, state.spins.shape[1])

    return nothing if state[state.fields.index("spins")].dtype is types.float32 else whole_numbers


def adding(width):
    """The function that gives local fields of `width` lanes, after `gather`."""
    float_sum = floating(width)

    def floats(plan, state, site, lane):
        return float_sum(plan, state.spins, site, lane)

    def either(plan, state, site, lane):
        if plan.step > 0:
            field = convert(load(state.sums, lane, width), np.float32) * np.float32(plan.step / plan.unit)
            return convert(field, plan.scaled_fields.dtype)
        return float_sum(plan, state.spins, site, lane)

    @by_types
    def local_field(plan, state, site, lane):
        """h_i + sum_j J_ij s_j in units of `unit`, float32 or float64 lanes."""
        return floats if state[state.fields.index("spins")].dtype is types.float32 else either

    return local_field


@inlined
def _evens(numbers):
    """The lanes 0, 2, ... of float32 +-_LONG_ONE as float64 +-1."""
    return bitcast(bitcast(numbers, np.uint64) << 32, np.float64)


@inlined
def _odds(numbers):
    """The lanes 1, 3, ..., likewise."""
    return bitcast(bitcast(numbers, np.uint64) & _UPPER, np.float64)


def measuring(width):
    """The functions that measure `width` lanes: in float64, one bond after the other as `Ising.energy`; whole numbers.

    Sums of whole numbers are exact, and so the same as in any other order.
    """
    half, whole_sum = width // 2, whole(width)

    @inlined
    def add_bonds(plan, spins, lane):
        """Sums of J_ij s_i s_j of the even lanes and of the odd ones."""
        n, lanes = spins.shape
        evens, odds = full(0.0, np.float64, half), full(0.0, np.float64, half)
        for i in range(n):
            own = numbers(load(spins, i * lanes + lane, width)) * _LONG_ONE
            for k in range(at(plan.upper, i), at(plan.indptr, i + 1)):
                both = own * numbers(load(spins, at(plan.indices, k) * lanes + lane, width))
                evens = add_product(evens, at(plan.couplings, k), _evens(both))
                odds = add_product(odds, at(plan.couplings, k), _odds(both))
        return evens, odds

    @inlined
    def add_fields(plan, spins, lane, magnetizations):
        """Sums of h_i s_i, likewise; those of s_i are written."""
        n, lanes = spins.shape
        evens, odds, total = full(0.0, np.float64, half), full(0.0, np.float64, half), full(0.0, np.float64, width)
        for first in range(0, n, _EXACT):
            part = full(0.0, np.float32, width)
            for i in range(first, min(first + _EXACT, n)):
                own = numbers(load(spins, i * lanes + lane, width))
                part = part + own
                if at(plan.fields, i) != 0:
                    evens = add_product(evens, at(plan.fields, i), _evens(own * _LONG_ONE))
                    odds = add_product(odds, at(plan.fields, i), _odds(own * _LONG_ONE))
            total = total + convert(part, np.float64)
        store(magnetizations, lane, total)
        return evens, odds

    @inlined
    def measure(plan, spins, lane, energies, magnetizations):
        even_bonds, odd_bonds = add_bonds(plan, spins, lane)
        even_fields, odd_fields = add_fields(plan, spins, lane, magnetizations)
        evens = full(plan.offset, np.float64, half) - even_bonds * plan.coupling_unit - even_fields * plan.field_unit
        odds = full(plan.offset, np.float64, half) - odd_bonds * plan.coupling_unit - odd_fields * plan.field_unit
        first, second = alternating(evens, odds)
        store(energies, lane, first)
        store(energies, lane + half, second)

    @inlined
    def measure_whole(plan, spins, lane, energies, magnetizations):
        n, lanes = spins.shape
        bonds, fields, total = full(0, np.int32, width), full(0, np.int32, width), full(0, np.int32, width)
        for i in range(n):
            spin = load(spins, i * lanes + lane, width)
            upper = whole_sum(plan, spins, at(plan.upper_sums, i), at(plan.upper, i), at(plan.indptr, i + 1), lane)
            bonds = bonds + convert(upper - ((upper + upper) & spin), np.int32)
            own = full(at(plan.own, i), np.int8, width)
            fields = fields + convert(own - ((own + own) & spin), np.int32)
            total = total + convert(spin, np.int32)
        energy = full(plan.offset, np.float64, width) - convert(bonds, np.float64) * plan.step
        store(energies, lane, energy - convert(fields, np.float64) * plan.step)
        store(magnetizations, lane, convert(total, np.float64))

    def either(plan, spins, lane, energies, magnetizations):
        if plan.step > 0:
            measure_whole(plan, spins, lane, energies, magnetizations)
        else:
            measure(plan, spins, lane, energies, magnetizations)

    def floats(plan, spins, lane, energies, magnetizations):
        measure(plan, spins, lane, energies, magnetizations)

    @by_types
    def measure_lanes(plan, spins, lane, energies, magnetizations):
        return floats if spins.dtype is types.float32 else either

    return measure_lanes
