"""Descent to states that no flip of a site lowers, nor of a domain, in sums that do not lose small fields.

Fields are kept for all sites and lanes in whole numbers of a unit of each site, and flips change them: what no rounding
touches is never off by more than couplings are when they are rounded once. Where that may be as much as the field, it
is summed in float64 with the error of every addition beside it (Ogita, Rump and Oishi, SIAM J. Sci. Comput. 26, 1955
(2005), algorithm 4.4): signs of fields are right unless 106 bits cannot tell them.
"""

import math
from typing import NamedTuple

import numpy as np

from fastgibbs.engines.vectors import at, bits, convert, full, load, select, spread, store, trailing_zeros
from fastgibbs.jit import called, inlined, njit

LANES = 64  # states that descend together
FEW = 16  # of which fields are found in less time


class RowTerms(NamedTuple):
    """An energy -1/2 s.J.s - h.s in rows, of values s of `low` or 1, and the sites that may flip."""

    indptr: np.ndarray  # int64 (n + 1,)
    indices: np.ndarray  # int32 (nnz,)
    couplings: np.ndarray  # float64 (nnz,)
    fields: np.ndarray  # float64 (n,)
    free: np.ndarray  # int32
    low: int


class Units(NamedTuple):
    """What fields are counted in: numbers round(scale J) for couplings J of a site."""

    scales: np.ndarray  # float64 (n,)
    bounds: np.ndarray  # int32 (n,): more units than rounding may be off by, 0 where numbers are whole


class Descending(NamedTuple):
    """States that descend together."""

    states: np.ndarray  # int8 (n, LANES)
    sums: np.ndarray  # int16 or int32 (n, LANES): fields, in units
    marks: np.ndarray  # uint8 (n,): whether a field has changed since its site was looked at


@njit
def find_units(terms, magnitudes, units, most):
    """Write units in which no field is above `most`; in 16 bits only while all terms are whole. Whether it has.

    The unit of a site is its first term, if the others are multiples of it, or a power of two. `magnitudes`: the bits
    of couplings as int64; without the sign they are ordered as magnitudes are, and a loop over them is vectorised.
    """
    for site in range(terms.fields.size):
        first, last = terms.indptr[site], terms.indptr[site + 1]
        largest, count = np.int64(0), last - first + 1.0
        for k in range(first, last):
            largest = max(largest, at(magnitudes, k) & np.int64(2**63 - 1))
        exponent = (largest >> 52) - 1022  # all are below 2^exponent
        if terms.fields[site] != 0:
            exponent = max(exponent, math.frexp(terms.fields[site])[1])
        unit = abs(at(terms.couplings, first) if last > first else terms.fields[site])
        scale, whole = 1.0, False
        if unit > 2.0**-1000:
            multiple = math.ldexp(1.0, min(exponent - math.frexp(unit)[1] + 1, 30))  # the largest term, or more
            scale = 1 / unit
            whole = count * multiple <= min(most, 2.0**24) and _whole(terms, site, unit, scale)
        if not whole:
            scale = math.ldexp(1.0, min(math.frexp(most / 2 / count)[1] - 1 - exponent, 1000))
            whole = _whole(terms, site, 1 / scale, scale)
        if not whole and most < 2.0**16:
            return False
        units.scales[site] = scale
        units.bounds[site] = 0 if whole else np.int32((last - first + 3) // 2)
    return True


@called
def _whole(terms, site, unit, scale):
    """Whether all terms of a site are whole multiples of `unit`, to the last bit; of a power of two, or below 2^24."""
    mantissa, exponent = math.frexp(unit)
    high = math.ldexp(np.float64(np.float32(mantissa)), exponent)
    low = unit - high  # so that products with numbers are exact
    number = np.rint(terms.fields[site] * scale)
    off = (terms.fields[site] - number * high) - number * low != 0
    for k in range(terms.indptr[site], terms.indptr[site + 1]):
        term = at(terms.couplings, k)
        number = np.rint(term * scale)
        off |= (term - number * high) - number * low != 0
    return not off


@njit
def descend(terms, units, block, count, most):
    """Turn sites along their fields, one after the other, pass by pass, until a pass changes nothing, or `most` passes.

    The first `count` lanes of a block, in place. A site without field stays as it is, so each flip lowers the energy
    and the passes come to an end. From the second pass on only sites are looked at whose fields have changed.
    """
    _find_fields(terms, units, block, count)
    block.marks[:] = 1
    given = np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(LANES - count)
    changed, passes = True, 0
    while changed and passes < most:
        changed, passes = False, passes + 1
        for number in range(terms.free.size):
            site = at(terms.free, number)
            if at(block.marks, site) != 0:
                block.marks[site] = 0
                up = bits(load(block.states, site * LANES, LANES) > 0)
                turning = (_wanted(terms, units, block, site, up, given) ^ up) & given
                if turning != 0:
                    changed = True
                    _turn(terms, units, block, site, turning & ~up, turning & up)


@inlined
def _number(terms, units, k, site):
    """Coupling k in units of a site."""
    return np.int32(np.rint(at(terms.couplings, k) * at(units.scales, site)))


@called
def _find_fields(terms, units, block, count):
    """Fields of the first `count` lanes."""
    for site in range(terms.fields.size):
        if count <= FEW:
            _find_field(terms, units, block, site, FEW)
        else:
            _find_field(terms, units, block, site, LANES)


@inlined
def _find_field(terms, units, block, site, width):
    """Fields as they are counted from values up or not: h + J.low + sum over those that are up of J (1 - low)."""
    start = np.int32(np.rint(terms.fields[site] * units.scales[site]))
    total = full(0, block.sums.dtype, width)
    for k in range(terms.indptr[site], terms.indptr[site + 1]):
        number = _number(terms, units, k, site)
        start += np.int32(number * terms.low)
        values = load(block.states, at(terms.indices, k) * LANES, width)
        up = select(values > 0, full(-1, np.int8, width), full(0, np.int8, width))
        total = total + (convert(up, block.sums.dtype) & np.int32(number * (1 - terms.low)))
    store(block.sums, site * LANES, total + start)


@inlined
def _wanted(terms, units, block, site, up, given):
    """The lanes, as bits, in which a site goes or stays up."""
    field, bound = load(block.sums, site * LANES, LANES), at(units.bounds, site)
    rising, falling = bits(field > bound), bits(field < -bound)
    wanted = rising | (up & ~falling)
    unknown = ~(rising | falling) & given if bound > 0 else np.uint64(0)
    while unknown != 0:
        lane = trailing_zeros(unknown)
        unknown &= unknown - np.uint64(1)
        sign, bit = _sign(terms, block, site, lane), np.uint64(1) << np.uint64(lane)
        wanted = wanted | bit if sign > 0 else wanted & ~bit if sign < 0 else wanted
    return wanted


@called
def _sign(terms, block, site, lane):
    """The sign of the field of a site, 0 where it cannot be known."""
    total, error, size = terms.fields[site], 0.0, 0.0
    for k in range(terms.indptr[site], terms.indptr[site + 1]):
        coupling = at(terms.couplings, k)
        term, then = coupling * block.states[terms.indices[k], lane], total
        total = then + term
        added = total - then
        error += (then - (total - added)) + (term - added)
        size += abs(coupling)
    field, degree = total + error, terms.indptr[site + 1] - terms.indptr[site]
    least = (degree + 1.0) ** 2 * 2.0**-105 * (abs(terms.fields[site]) + size)
    return 1 if field > least else -1 if field < -least else 0


@called
def _turn(terms, units, block, site, risen, fallen):
    """Turn a site where it rises or falls, and add what that changes to the fields of its neighbours."""
    turned = risen | fallen
    alone = turned & (turned - np.uint64(1)) == 0
    lane = trailing_zeros(turned)
    more, less = spread(risen, block.sums.dtype, LANES), spread(fallen, block.sums.dtype, LANES)
    values = load(block.states, site * LANES, LANES)
    values = select(spread(risen, np.int8, LANES) < 0, full(1, np.int8, LANES), values)
    values = select(spread(fallen, np.int8, LANES) < 0, full(terms.low, np.int8, LANES), values)
    store(block.states, site * LANES, values)
    for k in range(terms.indptr[site], terms.indptr[site + 1]):
        neighbor = at(terms.indices, k)
        number = np.int32(_number(terms, units, k, neighbor) * (1 - terms.low))
        block.marks[neighbor] = 1
        if alone:
            block.sums[neighbor, lane] += number if risen != 0 else -number
        else:
            field = load(block.sums, neighbor * LANES, LANES)
            store(block.sums, neighbor * LANES, field + (more & number) - (less & number))


@njit
def turn_clusters(terms, states, moved, clusters, queue):
    """Turn clusters of spins that satisfied bonds connect where that lowers the energy.

    `states`: int8 (reads, n) of -1 and 1, changed in place, where `moved`, uint8 (reads,), is set; it says then whether
    any has turned. `clusters` and `queue`, int32 (n,), are scratch. The bonds around a cluster are not satisfied:
    without fields each one gains. So domains go, whose walls no single flip moves.
    """
    for read in range(len(states)):
        if moved[read]:
            moved[read] = _turn_clusters_of(terms, states[read], clusters, queue)


@called
def _turn_clusters_of(terms, spins, clusters, queue):
    turned, number, left = False, 0, terms.free.size
    clusters[:] = -1
    for site in terms.free:
        clusters[site] = 0
    for start in terms.free:
        if clusters[start] == 0:
            number += 1
            size = _find_cluster(terms, spins, clusters, queue, start, number, left)
            left -= size
            if size > 1 and _gains(terms, spins, clusters, queue, number, size):
                turned = True
                for done in range(size):
                    spins[queue[done]] = -spins[queue[done]]
    return turned


@called
def _find_cluster(terms, spins, clusters, queue, start, number, left):
    """Write the sites of a cluster to `queue`, and its number to `clusters`, 0 of `left` sites before; its size."""
    clusters[start], queue[0] = number, start
    size, done = 1, 0
    while done < size < left:
        if left - size >= size - done:
            site = queue[done]
            done += 1
            for k in range(terms.indptr[site], terms.indptr[site + 1]):
                neighbor = terms.indices[k]
                if clusters[neighbor] == 0 and terms.couplings[k] * spins[site] * spins[neighbor] > 0:
                    clusters[neighbor], queue[size] = number, neighbor
                    size += 1
        else:  # of the two sides the smaller looks for the other
            done = size
            for site in terms.free:
                if clusters[site] == 0:
                    for k in range(terms.indptr[site], terms.indptr[site + 1]):
                        neighbor = terms.indices[k]
                        if clusters[neighbor] == number and terms.couplings[k] * spins[site] * spins[neighbor] > 0:
                            clusters[site], queue[size] = number, site
                            size += 1
                            break
    return size


@called
def _gains(terms, spins, clusters, queue, number, size):
    """Whether the energy is lower when a cluster, of the first `size` sites of `queue`, has turned."""
    gain, bound = 0.0, 0.0
    for done in range(size):
        gain -= terms.fields[queue[done]] * spins[queue[done]]
        bound += abs(terms.fields[queue[done]])
    few = 2 * size < spins.size  # or the others are, and see the bonds around it from outside
    for done in range(size if few else spins.size):
        site = queue[done] if few else done
        if few or clusters[site] != number:
            for k in range(terms.indptr[site], terms.indptr[site + 1]):
                if (clusters[terms.indices[k]] == number) != few:
                    gain -= terms.couplings[k] * spins[site] * spins[terms.indices[k]]
                    bound += abs(terms.couplings[k])
    return gain > 2.0**-40 * bound
