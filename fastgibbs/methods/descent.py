"""States taken down to local minima, and what flips cost there: no single flip lowers what `quenched` returns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastgibbs.engines import ENGINES, contract, terms
from fastgibbs.engines.asking import READS, ROUNDING, find_shares
from fastgibbs.engines.descents import LANES, Descending, RowTerms, Units, descend, find_units, turn_clusters
from fastgibbs.engines.remembering import Factors, Halves, Powers, Wholes, add_overlaps, remember
from fastgibbs.methods.keeping import kept
from fastgibbs.models import Energy, Hopfield, Ising
from fastgibbs.models.energy import as_energy, require_flips
from fastgibbs.threads import Team
from fastgibbs.types import AnyArray, FloatArray, IntArray, ModelLike, Sites, States

_SITES = 64  # of a memory whose costs are found at once
_ENTRIES = 2**22  # patterns x sites x states at once
_LOOPS = 3  # neighbours of a site: with as many or more, satisfied bonds leave no domains but the whole
_IN_FIELDS = 64  # neighbours: with more it takes too long
_TURNS, _ALL = 8, 2**62  # passes that come near a minimum, and as many as there are


def quenched(
    model: ModelLike,
    states: States,
    free: IntArray | Sites | None = None,
    threads: int = 1,
    domains: bool = True,
) -> States:
    """What is left of `states` (reads, n), in the model's units, when sites have turned along their fields, in order.

    A site without field stays as it is, and so do sites that are not `free`; passes go on until one changes nothing.
    Then, of `domains`, clusters of spins that satisfied bonds connect turn where that lowers E, and sites again, while
    any do: where there are few loops, or fields, in which all of a model may be the wrong way up. `threads` never
    change the result.
    Without an Ising form sites turn where the model says that it lowers E.
    """
    model = as_energy(model)
    quench: Callable[..., object]
    how: tuple[Any, ...]
    if model.by_overlaps:
        quench, how = _remember, (model, contract.free_sites(model.n, free))
    elif not model.has_ising_form:
        quench, how = turn, (model, ENGINES["terms"].prepare([model], 1, free), _ALL)
    else:
        rows, units, kind, clusters = _kept(model, free)
        if rows.low != model.low:
            return model.from_spins(quenched(model.to_ising(), model.to_spins(states), free, threads, domains))
        quench, how = _quench, (rows, units, kind, clusters if domains else clusters[:0])
    return _in_parts(states, quench, how, threads)


def like(model: Ising, free: IntArray | Sites | None) -> Ising:
    """A small model that is `quenched` by the same kernels, compiled for the same types."""
    _, _, kind, domains = _kept(model, free)
    return _small(np.dtype(kind), domains.size > 0)


@cache
def _small(kind: np.dtype[Any], turns: bool) -> Ising:
    """A model with fields of a kind, in which domains turn or do not."""
    i, j = np.triu_indices(3 if turns else 4, 1)
    return Ising.from_edges(4, i, j, 1.0 if kind == np.int16 else np.pi ** np.arange(i.size))


def quenched_rows(rows: RowTerms, starts: IntArray, states: States, threads: int) -> States:
    """`quenched` states (reads, sites) of several Ising models, that begin at `starts`, in the rows of all."""
    entries = rows.indptr[starts]
    in_fields = np.diff(np.concatenate([[0], np.cumsum(rows.fields != 0)])[starts]) > 0
    turn = _domains_turn(np.diff(entries), np.diff(starts), in_fields)
    domains = contract.free_sites(rows.fields.size, np.flatnonzero(np.repeat(turn, np.diff(starts))))
    return _in_parts(states, _quench, (rows, *units_of(rows), domains), threads)


def _in_parts(states: States, quench: Callable[..., object], how: tuple[Any, ...], threads: int) -> States:
    """States (reads, n) that are quenched, up to LANES at once."""
    found = states.copy()
    parts = [found[first : first + LANES] for first in range(0, len(found), LANES)]
    team = Team(min(threads, len(parts)))
    try:
        team.call([(quench, part, *how) for part in parts])
    finally:
        team.close()
    return found


def _kept(model: Energy, free: IntArray | Sites | None) -> tuple[RowTerms, Units, DTypeLike, Sites]:
    """`_how`, found once."""
    return kept(model, "descent", None if free is None else free.tobytes(), lambda twin: _how(twin, free))


def _how(model: Energy, free: IntArray | Sites | None) -> tuple[RowTerms, Units, DTypeLike, Sites]:
    """How a model is `quenched`: its energy row by row, units and kind of its fields, and where domains turn."""
    rows = _terms(model, free)
    turn = rows.low == -1 and _domains_turn(rows.indices.size, model.n, rows.fields.any())
    return rows, *units_of(rows), rows.free if turn else rows.free[:0]


def _domains_turn(entries: Any, sites: Any, in_fields: Any) -> Any:
    """Whether domains turn in models of so many entries and sites, arrays or numbers."""
    return entries < np.where(in_fields, _IN_FIELDS, _LOOPS) * sites


def _quench(states: States, rows: RowTerms, units: Units, kind: DTypeLike, domains: Sites) -> None:
    """`quenched` of states (up to LANES, n), changed in place."""
    _descend(rows, units, kind, states, _ALL)
    moved, (clusters, queue) = np.full(len(states), domains.size > 0), np.empty((2, states.shape[1]), np.int32)
    while moved.any():
        turn_clusters(rows._replace(free=domains), states, moved, clusters, queue)
        some = states[moved]
        _descend(rows, units, kind, some, _ALL)
        states[moved] = some


def _descend(rows: RowTerms, units: Units, kind: DTypeLike, states: States, most: int) -> AnyArray:
    """At most `most` passes over the sites of states (up to LANES, n), changed in place; their fields, (n, LANES)."""
    n = states.shape[1]
    lanes = np.full((n, LANES), rows.low, np.int8)
    lanes[:, : len(states)] = states.T
    block = Descending(lanes, np.empty((n, LANES), kind), np.empty(n, np.uint8))
    descend(rows, units, block, len(states), most)
    states[...] = lanes[:, : len(states)].T
    return block.sums


def turn(states: States, model: ModelLike, plan: terms.TermsPlan, most: int) -> FloatArray:
    """At most `most` passes over the sites of states (reads, n), changed in place; what flips cost then, (n, reads)."""
    ups = (model.to_spins(states) > 0).view(np.uint8)
    plan, state = ENGINES["terms"].start(plan, range(len(states)), [(0, ups)], 0, np.zeros(1), contract.GIBBS)
    costs, least = np.empty(states.T.shape), np.zeros(len(states))
    terms.descend(plan, state, costs, least, 0)
    least[:] = 2.0**-40 * np.abs(costs).max(axis=0, initial=0.0)  # less is rounding
    terms.descend(plan, state, costs, least, most)
    states[...] = model.from_spins(state.spins.T)
    return costs


def units_of(rows: RowTerms) -> tuple[Units, DTypeLike]:
    """What fields are counted in, and the kind of number that holds them."""
    units = Units(np.empty(rows.fields.size), np.empty(rows.fields.size, np.int32))
    for kind in (np.int16, np.int32):
        if find_units(rows, rows.couplings.view(np.int64), units, float(np.iinfo(kind).max)):
            break
    return units, kind


def _terms(model: Energy, free: IntArray | Sites | None) -> RowTerms:
    """The energy of a model row by row."""
    indptr, indices, couplings, fields, _, low = model.quadratic()
    return RowTerms(indptr, indices, couplings, fields, contract.free_sites(fields.size, free), low)


def flip_costs(model: ModelLike) -> FloatArray:
    """D_i = S_i sqrt(r_i r), what a flip of each site costs at a local minimum, in units of E: float64 (n,).

    S_i = |h_i| + sum_j |J_ij|, and r_i S_i is the mean of what flips cost, where they do, at minima below 16 random
    states; r is the mean of r_i. So what few minima say of a site is half made up for by what they say of all.
    The same numbers at every call; 0 where a flip is free in all of them, and where sites are coupled also at those
    that are not: they find their value in the descent.
    """
    own: Any = as_energy(model)
    if own.has_ising_form and not own.by_overlaps:
        rows, units, kind, _ = _kept(own, None)
        return costs_of_rows(rows, units, kind, np.array([0, rows.fields.size]))
    spins = random_spins(own.n)
    costs = _costs_of_memory(own, spins) if own.by_overlaps else costs_of_any(own, spins)
    costs[costs < ROUNDING] = 0.0
    shares = (costs / np.maximum((costs > 0).sum(axis=0), 1)).sum(axis=0)  # all sites have about the same S_i
    return _half_way(np.ones(own.n), shares)


def costs_of_rows(rows: RowTerms, units: Units, kind: DTypeLike, starts: IntArray) -> FloatArray:
    """`flip_costs` of the sites of several models, that begin at `starts`, int64 (models + 1,), in the rows of all."""
    sizes = np.diff(starts).tolist()
    of_size = {n: np.where(random_spins(n) > 0, 1, rows.low).astype(np.int8) for n in set(sizes)}
    states = np.concatenate([of_size[n] for n in sizes], axis=1)
    _descend(rows, units, kind, states, _TURNS)
    sizes_of_sites, shares = np.empty((2, starts[-1]))
    find_shares(rows, np.ascontiguousarray(states.T), sizes_of_sites, shares, np.empty(READS))
    degrees = np.diff(rows.indptr)
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if rows.indptr[last] > rows.indptr[first]:
            shares[first:last][degrees[first:last] == 0] = 0.0
        shares[first:last] = _half_way(sizes_of_sites[first:last], shares[first:last])
    return shares


def _half_way(sizes: FloatArray, shares: FloatArray) -> FloatArray:
    """S_i sqrt(r_i r) of a model."""
    return sizes * np.sqrt(shares) * np.sqrt(shares[shares > 0].mean()) if shares.any() else shares


def random_spins(n: int) -> States:
    """The spins below which flips are looked at, int8 (READS, n)."""
    return np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (READS, n))


def costs_of_any(model: Energy, spins: States) -> FloatArray:
    """What flips cost at local minima below spins (reads, n), as a model without an Ising form says: (reads, n)."""
    require_flips(model)
    costs = np.abs(turn(model.from_spins(spins), model, ENGINES["terms"].prepare([model], 1), _TURNS).T)
    return np.where(costs > 2.0**-40 * costs.max(initial=0.0), costs, 0.0)  # less is rounding


def _costs_of_memory(model: Hopfield, spins: States) -> FloatArray:
    """What flips cost near local minima, float64 (reads, n): all sites that would lower E have turned at once."""
    step = _ENTRIES // (len(spins) * max(1, len(model.patterns)))
    parts = [slice(first, first + step) for first in range(0, model.n, step)]
    for _ in range(_TURNS):
        sums = model.sums(spins)
        costs = np.concatenate([2 * _half_costs(model, part, spins[:, part], sums) for part in parts], axis=1)
        spins = np.where(costs < 0, -spins, spins)
    return np.abs(costs)


def _remember(states: States, model: Hopfield, free: IntArray | Sites) -> None:
    """`quenched` of states (up to LANES, n) of a Hopfield model, by its overlaps, changed in place."""
    unsure = 2.0**-50 * np.abs(model.fields) + (0.0 if model.inverse is None else 2.0**-40)
    lanes = np.ones((model.n, LANES), np.int8)
    lanes[:, : len(states)] = states.T
    memory = _memory(model, lanes)
    remember(memory, model.fields, model.energy_unit, unsure, free, lanes, len(states))
    states[...] = lanes[:, : len(states)].T


def _memory(model: Hopfield, lanes: States) -> Factors | Powers | Wholes | Halves:
    """The patterns of a Hopfield model and their overlaps with states (n, LANES), as `remember` reads them."""
    patterns, count = np.ascontiguousarray(model.patterns.T), len(model.patterns)
    sums = np.empty((count, LANES), np.int32)
    add_overlaps(patterns, lanes, sums)
    if model.inverse is not None:
        factors = np.ascontiguousarray((model.inverse @ model.patterns).T)
        return Factors(patterns, factors, sums.astype(np.float64), (factors * patterns).sum(axis=1))
    if model.order > 2:
        return Powers(patterns, sums.astype(np.int64), model.order)
    if model.n >= 2**15:
        return Wholes(patterns, sums, count)
    rows = -(-count // 2)
    halves, overlaps = np.zeros((model.n, 2 * rows), np.int16), np.zeros((rows, 2, LANES), np.int16)
    halves[:, :count], overlaps.reshape(2 * rows, LANES)[:count] = patterns, sums
    overlaps = np.ascontiguousarray(overlaps.transpose(0, 2, 1))
    return Halves(halves, halves.view(np.int32), overlaps, overlaps.view(np.int32)[..., 0], count)


def _half_costs(model: Hopfield, sites: slice, spins: States, sums: IntArray) -> FloatArray:
    """Half of what flips of `sites` cost, float64 (reads, sites), given their spins and all sums M_mu (reads, P).

    By the Hebb rule whole numbers of `energy_unit`, but for the field.
    """
    xi = model.patterns[:, sites].astype(np.float64)
    if model.order > 2:
        flipped = sums[:, :, None] - 2 * spins[:, None, :].astype(np.int64) * model.patterns[:, sites]
        gain = (flipped**model.order - sums[:, :, None] ** model.order).sum(axis=1) / 2
    else:
        weights = xi if model.inverse is None else model.inverse @ xi
        gain = (xi * weights).sum(axis=0) - spins * (sums @ weights)
    return spins * model.fields[sites] - gain * model.energy_unit
