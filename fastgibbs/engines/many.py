"""Annealing of several Ising models by the sparse engine, one after the other in one call: each stays in its core's cache.

A model has the plan, the random streams and the sweeps of a run of its own, and so the same bytes. Spins of all are
float32, which give the bits that whole numbers do (sparse.py).
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import minima, precision, sparse
from fastgibbs.engines.arithmetic import scales
from fastgibbs.engines.contract import LANE_GROUP, Crew
from fastgibbs.engines.drivers import READ_GROUP, Moves, Reads, anneal_reads
from fastgibbs.engines.entries import ROOM, hold, measure
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.minima import Several
from fastgibbs.engines.sparse import CHUNK, MOST_FOLLOWED, SparsePlan, SparseState
from fastgibbs.engines.streams import ORDER, START, SWEEP, begin, mixed, next_word
from fastgibbs.jit import called, inlined, njit


class Plans(NamedTuple):
    """The plans of all models (`sparse.SparsePlan`), end to end as in `minima.Several`."""

    several: Several
    upper: np.ndarray  # int64 (sites,)
    couplings: np.ndarray  # float64 (entries,): in units of `coupling_units`
    fields: np.ndarray  # float64 (sites,)
    coupling_units: np.ndarray  # float64 (models,)
    field_units: np.ndarray  # float64 (models,)
    offsets: np.ndarray  # float64 (models,)
    scaled_couplings: np.ndarray  # float32 (entries,)
    scaled_fields: np.ndarray  # float32 (sites,)
    units: np.ndarray  # float64 (models,)
    steps: np.ndarray  # float64 (models,)
    nothing: np.ndarray  # int8 (0,): in place of whole numbers


class Runs(NamedTuple):
    """What the reads of all models start from and come to."""

    moves: Moves
    count: int  # reads of each
    sweeps: int
    scales: np.ndarray  # float32 (models, sweeps)
    pools: np.ndarray  # uint32 (models, 4): of their streams
    key: np.uint32
    addresses: np.ndarray  # uint32 (reads + lanes + 1, 4): of first spins, of sweeps, of orders
    spins: np.ndarray  # float32 (sites, lanes)
    kept: np.ndarray  # float32 (sites, lanes): the best states
    best: np.ndarray  # float64 (models, lanes)
    lowest: np.ndarray  # float64 (models, sweeps, groups)
    sums: np.ndarray  # float64 (models, sweeps, groups)


class Desk(NamedTuple):
    """Where one thread works on one model at a time."""

    room: np.ndarray  # uint64 (words,): the block of the model
    states: np.ndarray  # uint64 (reads + lanes + 1, 4): streams as they begin
    streams: np.ndarray  # what follows is as in SparseState,
    order: np.ndarray
    uniforms: np.ndarray
    scale: np.ndarray
    sums: np.ndarray
    followed: np.ndarray
    age: np.ndarray
    rungs: np.ndarray  # and in Reads
    energies: np.ndarray
    magnetizations: np.ndarray
    better: np.ndarray


def several(models: list) -> Several:
    """The energies of Ising models."""
    sites, entries = (np.cumsum([0, *sizes]) for sizes in ([m.n for m in models], [m.indices.size for m in models]))
    parts = [[getattr(one, name) for one in models] for name in ("indptr", "indices", "couplings", "fields")]
    rows = [np.concatenate(part) for part in parts]
    rows.append(np.arange(np.diff(sites).max(), dtype=np.int32))
    for array in rows:
        array.flags.writeable = False
    return Several(sites, entries, minima.RowTerms(*rows, -1))


def plans(models: list, joined: Several) -> Plans:
    """The plans of Ising models."""
    rows, count = joined.rows, np.diff(joined.sites)
    within = np.ones(rows.indptr.size - 1, bool)
    within[joined.sites[1:-1] + np.arange(len(models) - 1)] = False  # where one model ends and the next begins
    starts = rows.indptr[:-1][within]
    degrees = rows.indptr[1:][within] - starts
    of_site = np.repeat(np.arange(len(models)), count)
    site_of_entry = np.repeat(np.arange(of_site.size), degrees)
    of_entry = of_site[site_of_entry]
    lower = rows.indices < site_of_entry - joined.sites[of_entry]
    upper = starts + np.bincount(site_of_entry[lower], minlength=of_site.size)
    J, h = np.abs(rows.couplings), np.abs(rows.fields)
    largest = np.zeros(len(models))
    np.maximum.at(largest, of_entry, J)
    np.maximum.at(largest, of_site, h)
    exponents = np.frexp(largest)[1]
    units = np.where(largest > 0, 2.0 ** (exponents - 1.0), 1.0)
    steps = np.full(len(models), np.inf)
    np.minimum.at(steps, of_entry, precision.whole_steps(J))
    np.minimum.at(steps, of_site, precision.whole_steps(h))
    steps = np.minimum(steps, 2.0 ** (exponents - 1.0))
    most = np.zeros(len(models))
    np.maximum.at(most, of_site, h + np.bincount(site_of_entry, J, of_site.size))
    whole = (steps >= 2.0 ** (exponents - 7.0)) & (steps > 0) & (most <= 127 * steps) & (count <= 2**24)
    coupling_units, field_units, offsets = (
        np.array([getattr(one, name) for one in models], np.float64)
        for name in ("coupling_unit", "field_unit", "offset")
    )
    arrays = [
        upper,
        rows.couplings / coupling_units[of_entry],
        rows.fields / field_units[of_site],
        coupling_units,
        field_units,
        offsets,
        (rows.couplings / units[of_entry]).astype(np.float32),
        (rows.fields / units[of_site]).astype(np.float32),
        units,
        np.where(whole, steps, 0.0),
        np.empty(0, np.int8),
    ]
    for array in arrays:
        array.flags.writeable = False
    return Plans(joined, *arrays)


def runs(plans: Plans, moves: Moves, reads: int, betas, entropies) -> Runs:
    """The reads of all models before the first sweep: betas float64 (models, sweeps), the entropy of the streams of each."""
    models, sweeps = betas.shape
    lanes, groups, sites = -(-reads // LANE_GROUP) * LANE_GROUP, -(-reads // READ_GROUP), plans.fields.size
    pools = np.array([mixed(entropy)[0] for entropy in entropies], np.uint32).reshape(models, 4)
    numbers = np.concatenate([np.arange(reads), np.arange(lanes), [0]])
    addresses = np.zeros((numbers.size, 4), np.uint32)
    addresses[:, 0] = np.repeat([START, SWEEP, ORDER], [reads, lanes, 1])
    addresses[:, 1], addresses[:, 3] = np.divmod(numbers, 64)
    return Runs(
        moves,
        reads,
        sweeps,
        scales(betas, plans.units[:, None]),
        pools,
        mixed(entropies[0])[1],
        addresses,
        spins=aligned((sites, lanes), np.float32),
        kept=aligned((sites, lanes), np.float32),
        best=np.full((models, lanes), np.inf),
        lowest=np.zeros((models, sweeps, groups)),
        sums=np.zeros((models, sweeps, groups)),
    )


def desk(runs: Runs) -> Desk:
    """For one thread."""
    lanes = runs.best.shape[1]
    return Desk(
        np.empty(ROOM, np.uint64),
        np.empty(runs.addresses.shape, np.uint64),
        aligned((4, lanes), np.uint64),
        np.empty(4, np.uint64),
        aligned((CHUNK, lanes), np.float32),
        aligned(lanes, np.float32),
        aligned(lanes, np.int8),
        aligned(lanes, np.float64),
        np.full(1, MOST_FOLLOWED),
        np.zeros(lanes, np.int64),
        np.empty(lanes),
        np.empty(lanes),
        np.zeros(lanes, np.uint8),
    )


@inlined
def _plan_of(plans, runs, k):
    rows = minima.rows_of(plans.several, k)
    first, last = plans.several.sites[k], plans.several.sites[k + 1]
    entry, end = plans.several.entries[k], plans.several.entries[k + 1]
    return SparsePlan(
        rows.indptr,
        plans.upper[first:last],
        rows.indices,
        plans.couplings[entry:end],
        plans.fields[first:last],
        plans.coupling_units[k],
        plans.field_units[k],
        plans.offsets[k],
        plans.scaled_couplings[entry:end],
        plans.scaled_fields[first:last],
        plans.units[k],
        runs.scales[k],
        plans.steps[k],
        plans.nothing,
        plans.nothing,
        plans.nothing,
        plans.nothing,
        rows.free,
    )


@inlined
def _open(plans, runs, desk, k, spins):
    """Make the room of a desk the block of a model with these spins."""
    state = SparseState(
        spins, desk.streams, desk.order, desk.uniforms, desk.scale, desk.sums, desk.followed, desk.age
    )
    hold(_plan_of(plans, runs, k), state, runs.kept[plans.several.sites[k] : plans.several.sites[k + 1]], desk.room)


@called
def _begin(runs, desk, k, spins):
    """Streams and spins of a model before its first sweep."""
    (n, lanes), states = spins.shape, desk.states
    begin(runs.pools[k], runs.key, runs.addresses, states)
    for lane in range(lanes):
        for place in range(4):
            desk.streams[place, lane] = states[runs.count + lane, place]
        word = ~np.uint64(0)
        for site in range(n):
            if lane < runs.count:
                word = next_word(states[lane]) if site & 63 == 0 else word >> np.uint64(1)
            spins[site, lane] = 1.0 if word & np.uint64(1) else -1.0
    for place in range(4):
        desk.order[place] = states[runs.count + lanes, place]
    desk.age[0] = MOST_FOLLOWED


@njit
def anneal(plans, runs, desk, first, last, crew):
    """Run sweeps `first` ... `last - 1` of all models, those of a model one after the other (`drivers.anneal`)."""
    while first < last:
        k = first // runs.sweeps
        done = first - k * runs.sweeps
        end = min(runs.sweeps, done + last - first)
        spins = runs.spins[plans.several.sites[k] : plans.several.sites[k + 1]]
        if done == 0:
            _begin(runs, desk, k, spins)
        _open(plans, runs, desk, k, spins)
        of_model = Reads(
            runs.moves,
            runs.count,
            desk.rungs,
            desk.energies,
            desk.magnetizations,
            runs.best[k],
            desk.better,
            None,
            runs.lowest[k],
            runs.sums[k],
        )
        anneal_reads(desk.room, of_model, None, done, end, crew)
        first += end - done


@njit
def settle(plans, runs, desk, scratch, domains, seen, states, last_states, crew):
    """Take the best states of the models that were `seen` down to minima, and write their energies to `runs.best`.

    `domains`: bool (models,), whether clusters may turn. States, int8 (sites * reads,), are written read by read, model
    after model: the best, and the last.
    """
    for k in range(seen.size):
        if seen[k]:
            first, last = plans.several.sites[k], plans.several.sites[k + 1]
            kept = runs.kept[first:last]
            minima.quench(minima.rows_of(plans.several, k), kept[:, : runs.count], scratch, domains[k])
            _open(plans, runs, desk, k, kept)
            desk.age[0] = MOST_FOLLOWED
            measure(desk.room, runs.best[k], desk.magnetizations, crew)
            place = first * runs.count
            for read in range(runs.count):
                for site in range(first, last):
                    states[place] = np.int8(runs.kept[site, read])
                    last_states[place] = np.int8(runs.spins[site, read])
                    place += 1
