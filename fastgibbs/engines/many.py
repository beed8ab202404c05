"""Sampling and annealing of several Ising models by the sparse engine, one after the other in one call.

A model has the plan, the random streams and the sweeps of a run of its own, and so its bytes; it stays in a core's
cache. Spins of all are float32, which give the bits that whole numbers do (sparse.py).
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import pushes, scales
from fastgibbs.engines.contract import LANE_GROUP, free_sites
from fastgibbs.engines.descents import RowTerms
from fastgibbs.engines.drivers import READ_GROUP, Moves, Reads, Record, Times, advance, anneal_reads
from fastgibbs.engines.entries import ROOM, hold
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.observables import Observables, observables
from fastgibbs.engines.sparse import MOST_FOLLOWED, SparsePlan, SparseState
from fastgibbs.engines.sparse_draws import CHUNK
from fastgibbs.engines.streams import ORDER, START, SWEEP, begin, mixed, next_word
from fastgibbs.jit import called, inlined, njit


class Plans(NamedTuple):
    """The plans of all models (`sparse.SparsePlan`), one after the other."""

    starts: np.ndarray  # int64 (models + 1,): the first site of each
    indptr: np.ndarray  # int64 (sites + 1,)
    upper: np.ndarray  # int64 (sites,)
    indices: np.ndarray  # int32 (entries,): sites of a model from 0
    couplings: np.ndarray  # float64 (entries,): in units of `coupling_units`
    fields: np.ndarray  # float64 (sites,)
    coupling_units: np.ndarray  # float64 (models,)
    field_units: np.ndarray  # float64 (models,)
    offsets: np.ndarray  # float64 (models,)
    scaled_couplings: np.ndarray  # float32 (entries,)
    scaled_fields: np.ndarray  # float32 (sites,)
    units: np.ndarray  # float64 (models,)
    nothing: np.ndarray  # int8 (0,): in place of whole numbers
    free: np.ndarray  # int32 (n of the largest,)


class Runs(NamedTuple):
    """What the chains or reads of all models start from, and where they are."""

    moves: Moves
    count: int  # chains or reads of each
    sweeps: int
    scales: np.ndarray  # float32 (models, rungs)
    pushes: np.ndarray  # float32 (models, rungs): of no extra field
    pools: np.ndarray  # uint32 (models, 4): of their streams
    key: np.uint32
    addresses: np.ndarray  # uint32 (count + lanes + 1, 4): of first spins, of sweeps, of orders
    spins: np.ndarray  # float32 (sites, lanes)


class Found(NamedTuple):
    """What the reads of all models come to."""

    kept: np.ndarray  # float32 (sites, lanes): the best states
    best: np.ndarray  # float64 (models, lanes)
    lowest: np.ndarray  # float64 (models, sweeps, groups)
    sums: np.ndarray  # float64 (models, sweeps, groups)


class Draws(NamedTuple):
    """What is recorded of the chains of all models, and when (`drivers.Record`)."""

    times: Times
    rungs: np.ndarray  # int64 (1, lanes)
    energies: np.ndarray  # float64 (models, draws, lanes)
    magnetizations: np.ndarray  # float64 (models, draws, lanes)
    samples: np.ndarray  # uint16 (draws * sites or 0, lanes // 16): model after model, draw after draw
    nothing: Observables


# in one kernel, not made machine code on their own
_hold, _begin_streams, _advance, _anneal_reads = (
    called(kernel) for kernel in (hold.py_func, begin.py_func, advance.__wrapped__, anneal_reads.py_func)
)


class Desk(NamedTuple):
    """Where one thread works on one model at a time."""

    room: np.ndarray  # uint64 (words,): the block of the model
    states: np.ndarray  # uint64 (count + lanes + 1, 4): streams as they begin
    streams: np.ndarray  # what follows is as in SparseState,
    order: np.ndarray
    uniforms: np.ndarray
    scale: np.ndarray
    push: np.ndarray
    sums: np.ndarray
    followed: np.ndarray
    changes: np.ndarray
    age: np.ndarray
    rungs: np.ndarray  # and in Reads
    energies: np.ndarray
    magnetizations: np.ndarray
    better: np.ndarray


def rows(models: list) -> RowTerms:
    """The energies of Ising models as one of all their sites."""
    sizes, entries = np.array([one.n for one in models]), np.array([one.indices.size for one in models])
    indptr = np.concatenate([[0], *(one.indptr[1:] for one in models)])
    indptr[1:] += np.repeat(np.cumsum(entries) - entries, sizes)
    indices, couplings, fields = (
        np.concatenate([getattr(one, name) for one in models]) for name in ("indices", "couplings", "fields")
    )
    indices += np.repeat(np.cumsum(sizes) - sizes, entries).astype(np.int32)
    for array in (indptr, indices, couplings, fields):
        array.flags.writeable = False  # as those of models are, so that one compilation serves all
    return RowTerms(indptr, indices, couplings, fields, free_sites(fields.size, None), -1)


def plans(models: list, terms: RowTerms) -> Plans:
    """The plans of Ising models, whose `rows` are these."""
    count, (indptr, indices, couplings, fields, *_) = np.array([one.n for one in models]), terms
    starts = np.concatenate([[0], np.cumsum(count)])
    of_site, rows = np.repeat(np.arange(len(models)), count), np.repeat(np.arange(fields.size), np.diff(indptr))
    of_entry = of_site[rows]
    largest = np.zeros(len(models))
    np.maximum.at(largest, of_entry, np.abs(couplings))
    np.maximum.at(largest, of_site, np.abs(fields))
    units = np.where(largest > 0, 2.0 ** (np.frexp(largest)[1] - 1.0), 1.0)
    coupling_units, field_units, offsets = (
        np.array([getattr(one, name) for one in models], np.float64)
        for name in ("coupling_unit", "field_unit", "offset")
    )
    found = Plans(
        starts,
        indptr,
        indptr[:-1] + np.bincount(rows[indices < rows], minlength=fields.size),
        indices - starts[of_entry].astype(np.int32),
        couplings / coupling_units[of_entry],
        fields / field_units[of_site],
        coupling_units,
        field_units,
        offsets,
        (couplings / units[of_entry]).astype(np.float32),
        (fields / units[of_site]).astype(np.float32),
        units,
        np.empty(0, np.int8),
        free_sites(count.max(), None),
    )
    for array in found:
        array.flags.writeable = False
    return found


def runs(plans: Plans, moves: Moves, count: int, sweeps: int, betas, entropies) -> Runs:
    """All before the first sweep: `betas` float64 (models, rungs), the entropy of the streams of each model."""
    lanes = -(-count // LANE_GROUP) * LANE_GROUP
    pools = np.array([mixed(entropy)[0] for entropy in entropies], np.uint32).reshape(-1, 4)
    numbers = np.concatenate([np.arange(count), np.arange(lanes), [0]])
    addresses = np.zeros((numbers.size, 4), np.uint32)
    addresses[:, 0] = np.repeat([START, SWEEP, ORDER], [count, lanes, 1])
    addresses[:, 1], addresses[:, 3] = np.divmod(numbers, 64)
    factors, spins = scales(betas, plans.units[:, None]), aligned((plans.fields.size, lanes), np.float32)
    return Runs(
        moves, count, sweeps, factors, pushes(factors, None, 1.0), pools, mixed(entropies[0])[1], addresses, spins
    )


def found(runs: Runs) -> Found:
    """Room for what reads come to."""
    of_groups = len(runs.scales), runs.sweeps, -(-runs.count // READ_GROUP)
    best = np.full((len(runs.scales), runs.spins.shape[1]), np.inf)
    return Found(aligned(runs.spins.shape, np.float32), best, np.zeros(of_groups), np.zeros(of_groups))


def draws(runs: Runs, rungs, times: Times, count: int, keeps: bool) -> Draws:
    """Room for `count` draws of chains at `rungs`, int64 (chains,), and for their states if it `keeps` them."""
    sites, lanes = runs.spins.shape
    of_lanes = np.full(lanes, rungs[-1])
    of_lanes[: runs.count] = rungs
    records = (np.empty((len(runs.scales), count, lanes)) for _ in range(2))
    samples = np.empty((count * sites if keeps else 0, lanes // LANE_GROUP), np.uint16)
    return Draws(times, of_lanes[None], *records, samples, observables(np.empty((0, 0)), 1, lanes, count, lanes))


def desk(runs: Runs) -> Desk:
    """For one thread."""
    lanes = runs.spins.shape[1]
    return Desk(
        np.empty(ROOM, np.uint64),
        np.empty(runs.addresses.shape, np.uint64),
        aligned((4, lanes), np.uint64),
        np.empty(4, np.uint64),
        aligned((CHUNK + 1, lanes), np.float32),
        aligned(lanes, np.float32),
        aligned(lanes, np.float32),
        aligned(lanes, np.int8),
        aligned(lanes, np.float64),
        aligned(lanes, np.float32),
        np.full(1, MOST_FOLLOWED),
        np.zeros(lanes, np.int64),
        np.empty(lanes),
        np.empty(lanes),
        np.zeros(lanes, np.uint8),
    )


@inlined
def _plan_of(plans, runs, k):
    first, last = plans.starts[k], plans.starts[k + 1]
    return SparsePlan(
        plans.indptr[first : last + 1],
        plans.upper[first:last],
        plans.indices,
        plans.couplings,
        plans.fields[first:last],
        plans.coupling_units[k],
        plans.field_units[k],
        plans.offsets[k],
        plans.scaled_couplings,
        plans.scaled_fields[first:last],
        plans.units[k],
        runs.scales[k],
        runs.pushes[k],
        0.0,  # no whole numbers
        plans.nothing,
        plans.nothing,
        plans.nothing,
        plans.nothing,
        plans.free[: last - first],
    )


@called
def _begin(runs, desk, k, spins):
    """Streams and spins of a model before its first sweep."""
    (n, lanes), states = spins.shape, desk.states
    _begin_streams(runs.pools[k], runs.key, runs.addresses, states)
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


@inlined
def _open(plans, runs, desk, k, done, spins, kept):
    """Make the desk's room the block of a model that has done so many sweeps."""
    if done == 0:
        _begin(runs, desk, k, spins)
    followed = desk.followed, desk.changes, desk.age
    state = SparseState(
        spins, desk.streams, desk.order, desk.uniforms, desk.scale, desk.push, desk.sums, *followed, None
    )
    _hold(_plan_of(plans, runs, k), state, kept, desk.room)


@njit
def sample(plans, runs, drawn, desk, first, last, crew):
    """Run sweeps `first` ... `last - 1` of all models, those of a model one after the other (`drivers.advance`)."""
    rows = drawn.energies.shape[1]
    while first < last:
        k = first // runs.sweeps
        done = first - k * runs.sweeps
        end = min(runs.sweeps, done + last - first)
        begin, n = plans.starts[k], plans.starts[k + 1] - plans.starts[k]
        spins = runs.spins[begin : begin + n]
        _open(plans, runs, desk, k, done, spins, spins)
        kept = rows if len(drawn.samples) > 0 else 0
        samples = drawn.samples[kept * begin : kept * (begin + n)].reshape(kept, n, drawn.samples.shape[1])
        energies, magnetizations = drawn.energies[k], drawn.magnetizations[k]
        record = Record(drawn.times, energies, magnetizations, drawn.nothing, samples, None)
        _advance(desk.room, drawn.rungs, runs.moves, record, done, end, crew)
        first += end - done


@njit
def anneal(plans, runs, found, desk, first, last, crew):
    """Run sweeps `first` ... `last - 1` of all models, those of a model one after the other (`drivers.anneal`)."""
    while first < last:
        k = first // runs.sweeps
        done = first - k * runs.sweeps
        end = min(runs.sweeps, done + last - first)
        mine = slice(plans.starts[k], plans.starts[k + 1])
        _open(plans, runs, desk, k, done, runs.spins[mine], found.kept[mine])
        reads = Reads(
            runs.moves,
            runs.count,
            desk.rungs,
            desk.energies,
            desk.magnetizations,
            found.best[k],
            desk.better,
            None,
            found.lowest[k],
            found.sums[k],
        )
        _anneal_reads(desk.room, reads, None, done, end, crew)
        first += end - done


@njit
def energies(plans, states, found):
    """Write energies of states int8 (reads, sites), float64 (models, reads): the bits of `Ising.energy`."""
    for k in range(len(found)):
        for read in range(found.shape[1]):
            first, bonds, fields = plans.starts[k], 0.0, 0.0
            for i in range(first, plans.starts[k + 1]):
                for entry in range(plans.upper[i], plans.indptr[i + 1]):
                    both = states[read, i] * states[read, first + plans.indices[entry]]
                    bonds += plans.couplings[entry] * both
                fields += plans.fields[i] * states[read, i]
            found[k, read] = plans.offsets[k] - bonds * plans.coupling_units[k] - fields * plans.field_units[k]
