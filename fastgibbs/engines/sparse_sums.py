"""The sums of the sparse engine: local fields in whole numbers of 8 bits, in float32, or as if in 104 bits."""

import numpy as np
from numba import types

from fastgibbs.engines.vectors import at, bitcast, convert, full, load, store
from fastgibbs.jit import implements, inlined

_SIGN, _SIGN64 = -(2**31), -(2**63)


@inlined
def turned(numbers, spins):
    """The float64 lanes times spins, int64, which changes signs alone."""
    return bitcast(bitcast(numbers, np.int64) ^ (spins & _SIGN64), np.float64)


def _floating(width):
    """The function that adds up h_i and J_ij s_j over `unit` in `width` lanes, as the type of a plan's numbers says."""

    def float_sum(plan, spins, site, first, end, lane):
        raise NotImplementedError("only compiled kernels call this")

    def short(plan, spins, site, first, end, lane):
        field = full(at(plan.scaled_fields, site), np.float32, width)
        for k in range(first, end):
            spin = convert(load(spins, at(plan.indices, k) * spins.shape[1] + lane, width), np.int32)
            coupling = bitcast(full(at(plan.scaled_couplings, k), np.float32, width), np.int32)
            field = field + bitcast(coupling ^ (spin & _SIGN), np.float32)
        return field

    def exact(plan, spins, site, first, end, lane):
        # The error of every addition is a float64, and they are summed beside the field (Ogita, Rump and Oishi, SIAM
        # J. Sci. Comput. 26, 1955 (2005), algorithm 4.4).
        field, errors = full(at(plan.scaled_fields, site), np.float64, width), full(0.0, np.float64, width)
        for k in range(first, end):
            spin = convert(load(spins, at(plan.indices, k) * spins.shape[1] + lane, width), np.int64)
            term = turned(full(at(plan.scaled_couplings, k), np.float64, width), spin)
            total = field + term
            added = total - field
            errors = errors + ((field - (total - added)) + (term - added))
            field = total
        return field + errors

    @implements(float_sum)
    def chosen(plan, spins, site, first, end, lane):
        return short if plan[plan.fields.index("scaled_fields")].dtype == types.float32 else exact

    return float_sum


def adding(width):
    """The functions that add up whole numbers J s, and write local fields, of `width` lanes."""
    float_sum = _floating(width)

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

    @inlined
    def write_fields(plan, state, site, lane):
        """h_i + sum_j J_ij s_j in units of `unit`, float32 or float64."""
        spins = state.spins
        first, end = at(plan.indptr, site), at(plan.indptr, site + 1)
        if plan.step > 0:
            sums = whole_sum(plan, spins, at(plan.row_sums, site), first, end, lane)
            field = convert(sums, np.float32) * np.float32(plan.step / plan.unit)
            store(state.fields, lane, convert(field, state.fields.dtype))
        else:
            store(state.fields, lane, float_sum(plan, spins, site, first, end, lane))

    return whole_sum, write_fields
