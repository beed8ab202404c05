"""Descent to states that no flip of a site lowers, nor of a domain, in sums that do not lose small fields.

The error of every addition is a float64, and they are summed beside the field (Ogita, Rump and Oishi, SIAM J. Sci.
Comput. 26, 1955 (2005), algorithm 4.4): signs of fields are right unless 106 bits cannot tell them.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.jit import njit


class Terms(NamedTuple):
    """An energy -1/2 s.J.s - h.s in rows, of values s of `low` or 1, and the sites that may flip."""

    indptr: np.ndarray  # int64 (n + 1,)
    indices: np.ndarray  # int32 (nnz,)
    couplings: np.ndarray  # float64 (nnz,)
    fields: np.ndarray  # float64 (n,)
    least: np.ndarray  # float64 (n,): below it the sign of a field is not known
    free: np.ndarray  # int32
    low: int


@njit
def descend(terms, states, sums, errors, most):
    """Turn sites along their fields, one after the other, pass by pass, until a pass changes nothing, or `most` passes.

    `states`: int8 (n, lanes), changed in place; `sums` and `errors` float64 (lanes,) are scratch. A site without field
    stays as it is, so each flip lowers the energy and the passes come to an end.
    """
    lanes = states.shape[1]
    changed, passes = True, 0
    while changed and passes < most:
        changed, passes = False, passes + 1
        for number in range(terms.free.size):
            site = terms.free[number]
            for lane in range(lanes):
                sums[lane] = terms.fields[site]
                errors[lane] = 0.0
            for k in range(terms.indptr[site], terms.indptr[site + 1]):
                neighbor, coupling = terms.indices[k], terms.couplings[k]
                for lane in range(lanes):
                    term = coupling * states[neighbor, lane]
                    total = sums[lane] + term
                    added = total - sums[lane]
                    errors[lane] += (sums[lane] - (total - added)) + (term - added)
                    sums[lane] = total
            least = terms.least[site]
            for lane in range(lanes):
                field = sums[lane] + errors[lane]
                old = states[site, lane]
                new = np.int8(1) if field > least else np.int8(terms.low) if field < -least else old
                states[site, lane] = new
                changed |= new != old


@njit
def turn_clusters(terms, states, clusters, queue):
    """Turn clusters of spins that satisfied bonds connect where that lowers the energy; whether any has turned.

    `states`: int8 (reads, n) of -1 and 1, changed in place; `clusters` and `queue`, int32 (n,), are scratch. The bonds
    around a cluster are not satisfied: without fields each one gains. So domains go, whose walls no single flip moves.
    """
    turned = False
    for read in range(len(states)):
        spins = states[read]
        clusters[:] = -1
        for site in terms.free:
            clusters[site] = 0
        number = 0
        for start in terms.free:
            if clusters[start] != 0:
                continue
            number += 1
            clusters[start], queue[0] = number, start
            size, done, gain, bound = 1, 0, 0.0, 0.0
            while done < size:
                site = queue[done]
                done += 1
                for k in range(terms.indptr[site], terms.indptr[site + 1]):
                    neighbor = terms.indices[k]
                    if clusters[neighbor] == 0 and terms.couplings[k] * spins[site] * spins[neighbor] > 0:
                        clusters[neighbor], queue[size] = number, neighbor
                        size += 1
            for done in range(size):
                site = queue[done]
                gain -= terms.fields[site] * spins[site]
                bound += abs(terms.fields[site])
                for k in range(terms.indptr[site], terms.indptr[site + 1]):
                    if clusters[terms.indices[k]] != number:
                        gain -= terms.couplings[k] * spins[site] * spins[terms.indices[k]]
                        bound += abs(terms.couplings[k])
            if size > 1 and gain > 2.0**-40 * bound:
                turned = True
                for done in range(size):
                    spins[queue[done]] = -spins[queue[done]]
    return turned
