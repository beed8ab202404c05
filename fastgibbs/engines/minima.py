"""Minima of several models, one after the other in one call: what flips cost there, and the way down to them.

Arrays of all models lie end to end: of model k the sites sites[k] ... sites[k + 1] - 1, and its entries likewise.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.descents import LANES, Descending, RowTerms, Units, descend, find_units, turn_clusters
from fastgibbs.engines.vectors import at
from fastgibbs.jit import called, inlined, njit

READS = 16  # states below which flips are looked at
ROUNDING = 2.0**-40  # of what a flip may cost: less is rounding
_SHORT, _LONG = (float(np.iinfo(kind).max) for kind in (np.int16, np.int32))


class Several(NamedTuple):
    """The energies of several models."""

    sites: np.ndarray  # int64 (models + 1,)
    entries: np.ndarray  # int64 (models + 1,)
    rows: RowTerms  # of all; a row tells its entries and neighbours from 0 in each model, and all sites are free


class Scratch(NamedTuple):
    """What the way down takes, of the largest model."""

    short: Descending  # fields in 16 bits, where they are whole numbers
    long: Descending  # fields in 32 bits, of the same states
    units: Units
    shares: np.ndarray  # float64 (n, READS)
    counts: np.ndarray  # int64 (READS,)
    turned: np.ndarray  # int8 (LANES, n)
    moved: np.ndarray  # bool (LANES,)
    clusters: np.ndarray  # int32 (2, n)


def scratch(n: int) -> Scratch:
    """Of models of up to n sites."""
    states, marks = np.empty((n, LANES), np.int8), np.empty(n, np.uint8)
    short, long = (Descending(states, np.empty((n, LANES), kind), marks) for kind in (np.int16, np.int32))
    units = Units(np.empty(n), np.empty(n, np.int32))
    of_clusters = np.empty((LANES, n), np.int8), np.empty(LANES, np.bool_), np.empty((2, n), np.int32)
    return Scratch(short, long, units, np.empty((n, READS)), np.empty(READS, np.int64), *of_clusters)


@inlined
def rows_of(several, k):
    """The energy of a model row by row."""
    first, last, entry, end = several.sites[k], several.sites[k + 1], several.entries[k], several.entries[k + 1]
    rows = several.rows
    return RowTerms(
        rows.indptr[first + k : last + k + 1],
        rows.indices[entry:end],
        rows.couplings[entry:end],
        rows.fields[first:last],
        rows.free[: last - first],
        rows.low,
    )


@inlined
def _units_of(scratch, n):
    return Units(scratch.units.scales[:n], scratch.units.bounds[:n])


@inlined
def _block_of(block, n):
    return Descending(block.states[:n], block.sums[:n], block.marks[:n])


@called
def _descend(rows, scratch, count, most):
    """Take `count` states of the scratch down; whether their fields are in 16 bits."""
    n, magnitudes = rows.fields.size, rows.couplings.view(np.int64)
    units = _units_of(scratch, n)
    if find_units(rows, magnitudes, units, _SHORT):
        descend(rows, units, _block_of(scratch.short, n), count, most)
        return True
    find_units(rows, magnitudes, units, _LONG)
    descend(rows, units, _block_of(scratch.long, n), count, most)
    return False


@njit
def flip_costs(several, spins, scratch, most, costs):
    """Write what flips cost at minima below `spins`, int8 (sites, READS), after at most `most` passes.

    D_i = S_i sqrt(r_i r), S_i = |h_i| + sum_j |J_ij|; r_i S_i is the mean of costs above 0, each read counting one over
    the sites that it has such costs at, and r the mean of r_i above 0. `costs`: float64 (sites,).
    """
    for k in range(several.sites.size - 1):
        rows, first = rows_of(several, k), several.sites[k]
        for site in range(rows.fields.size):
            for read in range(LANES):
                up = read < READS and spins[first + site, read] > 0
                scratch.short.states[site, read] = 1 if up else rows.low
        own = costs[first : several.sites[k + 1]]
        if _descend(rows, scratch, READS, most):
            _find_costs(rows, scratch, scratch.short.sums, own)
        else:
            _find_costs(rows, scratch, scratch.long.sums, own)


@called
def _find_costs(rows, scratch, sums, costs):
    scratch.counts[:] = 0
    for site in range(costs.size):
        size, degree = 0.0, rows.indptr[site + 1] - rows.indptr[site]
        for k in range(rows.indptr[site], rows.indptr[site + 1]):
            size += abs(at(rows.couplings, k))
        size += abs(rows.fields[site])
        costs[site] = size
        descends = degree == 0 and rows.indices.size > 0  # it finds its value at the end
        for read in range(READS):
            number = abs(np.int64(sums[site, read]))
            share = 0.0
            if number > scratch.units.bounds[site] and not descends and size > 0:
                share = (1 - rows.low) * (number / scratch.units.scales[site]) / size
            share = share if share >= ROUNDING else 0.0
            scratch.shares[site, read] = share
            scratch.counts[read] += share > 0
    total, felt = 0.0, 0
    for site in range(costs.size):
        share = 0.0
        for read in range(READS):
            if scratch.shares[site, read] > 0:
                share += scratch.shares[site, read] / scratch.counts[read]
        scratch.shares[site, 0] = share
        total += share
        felt += share > 0
    mean = total / max(felt, 1)
    for site in range(costs.size):
        costs[site] *= np.sqrt(scratch.shares[site, 0]) * np.sqrt(mean)


@called
def quench(rows, spins, scratch, domains):
    """Take spins (n, lanes) of -1 and 1 down until no flip lowers them, nor that of a cluster if `domains` may turn."""
    n, lanes = spins.shape
    for first in range(0, lanes, LANES):
        count = min(LANES, lanes - first)
        for site in range(n):
            for read in range(LANES):
                up = read < count and spins[site, first + read] > 0
                scratch.short.states[site, read] = 1 if up else -1
        _descend(rows, scratch, count, 2**62)
        moved = domains
        scratch.moved[:] = True
        while moved:
            moved = False
            for read in range(count):
                for site in range(n):
                    scratch.turned[read, site] = scratch.short.states[site, read]
            states = scratch.turned[:count, :n]
            turn_clusters(rows, states, scratch.moved[:count], scratch.clusters[0, :n], scratch.clusters[1, :n])
            for read in range(count):
                moved |= scratch.moved[read]
                for site in range(n):
                    scratch.short.states[site, read] = states[read, site]
            if moved:
                _descend(rows, scratch, count, 2**62)
        for site in range(n):
            for read in range(count):
                spins[site, first + read] = scratch.short.states[site, read]


@njit
def asked(costs, hot, cold, most, sums, betas):
    """Write betas that part what sites ask for in equal shares: N(beta) = sum_i min(max(0, (beta D_i - hot) / (cold - hot)), 1).

    `costs`: D_i > 0 ascending, float64 (n,); `sums` float64 (n + 1,) is scratch. The first beta is hot / D_n, the last
    cold / D_1, `most` at most: N(beta_s) = n s / (sweeps - 1), at the least such beta.
    """
    n, sweeps = costs.size, betas.size
    sums[0] = 0.0
    for site in range(n):
        sums[site + 1] = sums[site] + costs[site]
    begun, ended = n, n  # sites from here on ask for beta or less; for less
    beta = min(hot / costs[n - 1], most)
    for s in range(sweeps - 1):
        share = n * (s / (sweeps - 1))
        while ended > 0:
            begins = hot / costs[begun - 1] if begun > 0 else np.inf
            event = min(begins, cold / costs[ended - 1], most)
            rate, asking = (sums[ended] - sums[begun]) / (cold - hot), hot * (ended - begun) / (cold - hot)
            if n - ended + event * rate - asking >= share:
                if rate > 0:
                    beta = max(beta, min((share - (n - ended) + asking) / rate, event))
                break
            beta = max(beta, event)
            if begins <= event:
                begun -= 1
            else:
                ended -= 1
        betas[s] = beta
    betas[sweeps - 1] = min(cold / costs[0], most) if sweeps > 1 else beta
