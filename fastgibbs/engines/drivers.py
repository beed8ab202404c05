"""Loops over sweeps that work for every engine: what is advanced, measured, exchanged and recorded, and when."""

import functools
from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import acceptance
from fastgibbs.engines.binning import RunningBins, keep
from fastgibbs.engines.clusters import Clusters
from fastgibbs.engines.contract import FOLLOWED, LANE_GROUP, MEASURED, SEQUENTIAL, UNMEASURED
from fastgibbs.engines.entries import measure, opened, retain, snapshot, sweep
from fastgibbs.engines.entries import tell as tell_draw
from fastgibbs.engines.lowest import note
from fastgibbs.engines.moves import due, move, sweeps_too, tell
from fastgibbs.engines.observables import Observables, measure_observables, observables
from fastgibbs.engines.replicas import add_overlaps
from fastgibbs.engines.streams import chance
from fastgibbs.jit import called, njit

READ_GROUP = 16  # reads whose energies are added up before they join the others: blocks are whole groups


def driver(kernel):
    """A kernel of a block of any engine, as Python calls it: with plan and state in the block's place."""
    compiled = njit(kernel)

    @functools.wraps(kernel)
    def call(plan, state, *arguments):
        return compiled(opened(plan, state), *arguments)

    return call


class Moves(NamedTuple):
    """What an attempt is, which sites a sweep visits, and cluster moves beside sweeps, if chains make any."""

    rule: int
    scan: int
    clusters: Clusters | None = None


class Times(NamedTuple):
    """When draws are made: after every thin-th sweep past burn_in, or after chosen ones."""

    burn_in: int
    thin: int
    at: np.ndarray  # int64 (draws,), sweeps past burn_in, ascending; (0,) unless they are chosen


@called
def draw_after(times, done):
    """The number of the draw that is made after so many sweeps, or -1 if there is none."""
    past = done - times.burn_in
    if past <= 0:
        return -1
    if times.at.size == 0:
        return past // times.thin - 1 if past % times.thin == 0 else -1
    first, last = 0, times.at.size - 1
    while first < last:
        middle = (first + last) // 2
        if times.at[middle] < past:
            first = middle + 1
        else:
            last = middle
    return first if times.at[first] == past else -1


def times(burn_in: int, thin: int, at=()) -> Times:
    """Every thin-th sweep past burn_in, or `at` these if there are any."""
    chosen = np.array(at, np.int64)
    chosen.flags.writeable = False
    return Times(burn_in, thin, chosen)


class Record(NamedTuple):
    """What is recorded of a block, and when.

    Where there are bins, a draw is added to them, and records have one row, of the last.
    """

    times: Times
    energies: np.ndarray  # float64 (draws, chains), of a ladder by rung
    magnetizations: np.ndarray  # float64 (draws, chains), likewise
    observables: Observables
    samples: np.ndarray  # uint16 (draws or 0, sites of a lane, lanes // 16): the states of every draw, if they are kept
    bins: RunningBins | None


def record(
    times: Times, shape, weights, lanes: int, strips: int = 1, keeps: bool = False, told: int = 0, bits=1
) -> Record:
    """Room for `shape` = (draws, chains) of a block of so many lanes; `weights` float64 (observables, n).

    Of every spin of a draw that is kept one bit says whether it is up, and one of two whether it has spiked.
    After observables come `told` numbers that the engine, and cluster moves, tell.
    """
    draws, chains = shape
    samples = draws if keeps else 0, bits * weights.shape[1] // strips, lanes // LANE_GROUP
    of_weights = observables(weights, strips, lanes, draws, chains, told)
    rows = np.empty(shape), np.empty(shape)
    return Record(times, *rows, of_weights, np.empty(samples, np.uint16), None)


def no_record(n: int, lanes: int) -> Record:
    """Of a block of n sites from which nothing is to be recorded."""
    return record(times(2**62, 1), (0, lanes), np.empty((0, n)), lanes)


@driver
def advance(block, rungs, moves, record, first, last, crew):
    """Run sweeps `first` ... `last - 1` of a block, and record what there is room for.

    `rungs`: int64 (rows, lanes), of sweeps 0, 1 ... in turn. Stopping at any sweep and going on later changes nothing.
    Every worker of a crew makes this call.
    """
    for done in range(first + 1, last + 1):
        number = draw_after(record.times, done)
        records = number >= 0
        moves_clusters = due(moves.clusters, done)
        if sweeps_too(moves.clusters):
            counts = MEASURED if records and not moves_clusters else UNMEASURED
            sweep(block, rungs[(done - 1) % len(rungs)], moves.rule, moves.scan, counts, crew)
        if moves_clusters:
            move(moves.clusters, block)
        if records:
            draw = min(number, len(record.energies) - 1)
            measure(block, record.energies[draw], record.magnetizations[draw], crew)
            if crew.worker == 0:
                weights, values = record.observables.weights, record.observables.record[draw]
                if len(record.samples) > 0 or len(weights) > 0:
                    packed = record.samples[draw] if len(record.samples) > 0 else record.observables.packed
                    snapshot(block, packed)
                    measure_observables(record.observables, packed, values)
                if len(values) > len(weights):
                    tell_draw(block, rungs[(done - 1) % len(rungs)], values, len(weights))
                tell(moves.clusters, values)
                keep(record.bins, number, record.energies[draw], record.magnetizations[draw], values)


class Reads(NamedTuple):
    """What the annealing runs of a block have found; lanes beyond `count` fill it up."""

    moves: Moves
    count: int
    rungs: np.ndarray  # int64 (lanes,): this sweep's number, in every lane
    energies: np.ndarray  # float64 (lanes,): at the last sweep
    magnetizations: np.ndarray  # float64 (lanes,)
    best: np.ndarray  # float64 (lanes,): the lowest energy so far
    better: np.ndarray  # uint8 (lanes,): whether the last sweep lowered it
    kept: np.ndarray  # like the state's spins: the state of the lowest energy
    lowest: np.ndarray  # float64 (sweeps, groups): least energy of each group of reads
    sums: np.ndarray  # float64 (sweeps, groups): sum of their energies


def anneal(plan, state, reads, lowest, first, last, crew):
    """Run sweeps `first` ... `last - 1` of a block, sweep s at rung s, and keep the best state of every read.

    A table that has room keeps the lowest states of all reads besides.
    """
    table = lowest if lowest.energies.size else None
    anneal_reads(opened(plan, state, reads.kept), reads._replace(kept=None), table, first, last, crew)


@njit
def anneal_reads(block, reads, lowest, first, last, crew):
    """`anneal` of a block that was opened; `lowest` None if no table is kept, and `reads.kept` None."""
    for done in range(first, last):
        reads.rungs[:] = done
        sweep(block, reads.rungs, reads.moves.rule, reads.moves.scan, FOLLOWED, crew)
        measure(block, reads.energies, reads.magnetizations, crew)
        improved = False
        reads.lowest[done] = np.inf
        reads.sums[done] = 0.0
        for lane in range(reads.count):
            energy, group = reads.energies[lane], lane // READ_GROUP
            reads.sums[done, group] += energy
            reads.lowest[done, group] = min(reads.lowest[done, group], energy)
            better = energy < reads.best[lane]
            reads.better[lane] = better
            if better:
                reads.best[lane] = energy
                improved = True
        if improved:
            retain(block, reads.better)
        note(lowest, block, reads.energies, reads.count)


class LogWeights(NamedTuple):
    """What the lanes of a block weigh that are taken along betas, and by what rule."""

    betas: np.ndarray  # float64 (rungs,)
    rule: int
    rungs: np.ndarray  # int64 (lanes,)
    logs: np.ndarray  # float64 (lanes,): log w
    changes: np.ndarray  # float64 (lanes,): of log p*_{k+1} / p*_k by the sweep at p_{k+1}, summed over k
    energies: np.ndarray  # float64 (lanes,)
    magnetizations: np.ndarray  # float64 (lanes,)


@driver
def anneal_weights(block, weights, first, last, crew):
    """From rung k = `first` to `last`: log w -= (beta_{k+1} - beta_k) E, then a sweep at rung k + 1, all lanes alike.

    Changes are -(beta_{k+1} - beta_k) (E' - E), E' being the energy after that sweep, of all but the last k.
    """
    betas, energies = weights.betas, weights.energies
    for done in range(first, last):
        before = betas[done] - betas[done - 1] if done > 0 else 0.0
        for lane in range(energies.size):
            weights.changes[lane] += before * energies[lane]
        measure(block, energies, weights.magnetizations, crew)
        for lane in range(energies.size):
            weights.changes[lane] -= before * energies[lane]
            weights.logs[lane] -= (betas[done + 1] - betas[done]) * energies[lane]
        weights.rungs[:] = done + 1
        sweep(block, weights.rungs, weights.rule, SEQUENTIAL, MEASURED, crew)


class Exchanges(NamedTuple):
    """The ladders of a block: replica r of ladder g is lane `first_lane[g] + r` and moves from rung to rung."""

    betas: np.ndarray  # float64 (rungs,)
    pushes: np.ndarray  # float64 (rungs, numbers): beta b of a field b beside the model's, or what an engine says
    norms: np.ndarray  # float64 (rungs,): likewise (`contract.Exponents`)
    rule: int
    burn_in: int
    swap_every: int
    overlap_every: int
    first_lane: np.ndarray  # int64 (ladders,)
    rungs: np.ndarray  # int64 (lanes,): the rung of every lane
    lane_at: np.ndarray  # int64 (ladders, rungs): the lane at every rung
    streams: np.ndarray  # uint64 (ladders, 4)
    energies: np.ndarray  # float64 (lanes,)
    magnetizations: np.ndarray  # float64 (lanes,)
    sums: np.ndarray  # float64 (numbers, lanes): what pushes multiply, as `measure` leaves it
    acceptance: np.ndarray  # float64 (ladders, rungs - 1): sums of swap probabilities
    attempts: np.ndarray  # int64 (ladders, rungs - 1)
    labels: np.ndarray  # int8 (ladders, rungs): where each replica was last, HOT, COLD or FROM_HOT, or 0
    restarts: np.ndarray  # int64 (ladders, rungs): how often each replica came from the hot end to the cold one
    round_trips: np.ndarray  # int64 (ladders, rungs): and back to the hot one
    visits: np.ndarray  # int64 (2, ladders, rungs): how often a replica labelled hot, or cold, was at each rung
    lanes_of_draws: np.ndarray  # int64 (draws or 0, ladders, rungs): the lane at every rung, if states are kept
    clusters: Clusters | None = None  # cluster moves beside sweeps, if there are any but those that pairs exchange
    ratios: int = -1  # the row of the first of two log ratios of weights, if draws tell them


HOT, COLD, FROM_HOT = 1, 2, 3  # ends of a ladder: the hot one, the cold one, and that of who came from the hot one


def temper(plan, state, ladders, pairs, record, first, last, crew):
    """Run sweeps `first` ... `last - 1` of a block of ladders, and swap, exchange, record and compare in between.

    Energies, magnetisations and observables are recorded by rung, (draws, ladders * rungs), and states by lane.
    """
    compared = pairs if len(pairs.ladders) > 0 else None
    moves = pairs if pairs.every > 0 else ladders.clusters
    _temper(opened(plan, state), ladders._replace(clusters=None), moves, compared, record, first, last, crew)


@njit
def _temper(block, ladders, moves, compared, record, first, last, crew):
    for done in range(first + 1, last + 1):
        past, number = done - ladders.burn_in, draw_after(record.times, done)
        swaps, records = done % ladders.swap_every == 0, number >= 0
        measures, moves_clusters = swaps or records, due(moves, done)
        counts = MEASURED if measures and not moves_clusters else UNMEASURED
        sweep(block, ladders.rungs, ladders.rule, SEQUENTIAL, counts, crew)
        if moves_clusters:
            move(moves, block)
        if measures:
            measure(block, ladders.energies, ladders.magnetizations, crew)
        if swaps:
            _swap(ladders, done // ladders.swap_every - 1, past > 0)
        if records:
            draw = min(number, len(record.energies) - 1)
            _record_rungs(ladders, ladders.energies, record.energies[draw])
            _record_rungs(ladders, ladders.magnetizations, record.magnetizations[draw])
            weights, values = record.observables.weights, record.observables.record[draw]
            if len(record.samples) > 0 or len(weights) > 0:
                packed = record.samples[draw] if len(record.samples) > 0 else record.observables.packed
                snapshot(block, packed)
                measure_observables(record.observables, packed, record.observables.by_lane)
                for which in range(len(weights)):
                    _record_rungs(ladders, record.observables.by_lane[which], values[which])
            if len(record.samples) > 0:
                for ladder in range(len(ladders.lane_at)):
                    for rung in range(ladders.betas.size):
                        ladders.lanes_of_draws[draw, ladder, rung] = ladders.lane_at[ladder, rung]
            if ladders.ratios >= 0:
                _tell_rungs(ladders, block, record.observables, values)
            tell(moves, values)
            keep(record.bins, number, record.energies[draw], record.magnetizations[draw], values)
        if ladders.overlap_every > 0 and past > 0 and past % ladders.overlap_every == 0:
            add_overlaps(compared, block)


@called
def _record_rungs(ladders, by_lane, by_rung):
    """Copy numbers of lanes to the places of their rungs, ladder after ladder."""
    for ladder in range(len(ladders.lane_at)):
        for rung in range(ladders.betas.size):
            by_rung[ladder * ladders.betas.size + rung] = by_lane[ladders.lane_at[ladder, rung]]


@called
def _tell_rungs(ladders, block, observables, by_rung):
    """Record what the engine tells of a draw, and the log ratios of its weights at the rungs next to its own."""
    first, by_lane, last = len(observables.weights), observables.by_lane, ladders.betas.size - 1
    tell_draw(block, ladders.rungs, by_lane, first)
    for lanes in ladders.lane_at:
        for rung in range(last + 1):
            by_lane[ladders.ratios, lanes[rung]] = _log_ratio(ladders, lanes[rung], rung, min(rung + 1, last))
            by_lane[ladders.ratios + 1, lanes[rung]] = _log_ratio(ladders, lanes[rung], rung, max(rung - 1, 0))
    for row in range(first, ladders.ratios + 2):
        _record_rungs(ladders, by_lane[row], by_rung[row])


@called
def _log_ratio(ladders, lane, rung, other):
    """log of the weight that a replica has at another rung, over that at this one."""
    ratio = ladders.norms[other] - ladders.norms[rung]
    ratio -= (ladders.betas[other] - ladders.betas[rung]) * ladders.energies[lane]
    for k in range(len(ladders.sums)):
        ratio += (ladders.pushes[other, k] - ladders.pushes[rung, k]) * ladders.sums[k, lane]
    return ratio


@called
def _swap(ladders, number, counts):
    """Swap round `number`: neighbouring rungs, the lower one even or odd in turn, exchange their replicas.

    p = min(1, exp((beta_{r+1} - beta_r) (E_{r+1} - E_r))) (Syed et al., J. R. Stat. Soc. B 84, 321 (2022), section 2);
    in fields the exponent has -(beta_{r+1} b_{r+1} - beta_r b_r) (M_{r+1} - M_r) besides, M being sum_i s_i, and in
    general as much of each number that weights depend on (`contract.Exponents`).
    """
    rungs = ladders.betas.size
    for ladder in range(len(ladders.lane_at)):
        lane_at = ladders.lane_at[ladder]
        for rung in range(number % 2, rungs - 1, 2):
            a, b = lane_at[rung], lane_at[rung + 1]
            gain = (ladders.betas[rung + 1] - ladders.betas[rung]) * (ladders.energies[b] - ladders.energies[a])
            for k in range(len(ladders.sums)):
                turned = ladders.sums[k, b] - ladders.sums[k, a]
                gain -= (ladders.pushes[rung + 1, k] - ladders.pushes[rung, k]) * turned
            p = acceptance(gain)
            if chance(ladders.streams[ladder], p):
                lane_at[rung], lane_at[rung + 1] = b, a
                ladders.rungs[a], ladders.rungs[b] = rung + 1, rung
            if counts:
                ladders.acceptance[ladder, rung] += p
                ladders.attempts[ladder, rung] += 1
        if counts:
            _follow(ladders, ladder)


@called
def _follow(ladders, ladder):
    """Label the replicas at the ends of a ladder, and count who is where."""
    last, first_lane = ladders.betas.size - 1, ladders.first_lane[ladder]
    labels = ladders.labels[ladder]
    hot, cold = ladders.lane_at[ladder, 0] - first_lane, ladders.lane_at[ladder, last] - first_lane
    if labels[hot] == FROM_HOT:
        ladders.round_trips[ladder, hot] += 1
    labels[hot] = HOT
    if labels[cold] == HOT:
        ladders.restarts[ladder, cold] += 1
        labels[cold] = FROM_HOT
    elif labels[cold] == 0:
        labels[cold] = COLD
    for rung in range(last + 1):
        label = labels[ladders.lane_at[ladder, rung] - first_lane]
        if label > 0:
            ladders.visits[min(label, COLD) - 1, ladder, rung] += 1
