"""Loops over sweeps that work for every engine: what is advanced, measured, exchanged and recorded, and when."""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.arithmetic import exp64
from fastgibbs.engines.contract import (
    FOLLOWED,
    MEASURED,
    SEQUENTIAL,
    UNMEASURED,
    measure,
    restore,
    retain,
    snapshot,
    sweep,
)
from fastgibbs.engines.lowest import note
from fastgibbs.engines.observables import measure_observables
from fastgibbs.engines.overlaps import add_overlaps, exchange_clusters
from fastgibbs.engines.streams import next_word
from fastgibbs.jit import called, njit

READ_GROUP = 16  # reads whose energies are added up before they join the others: blocks are whole groups


@njit
def advance(
    plan, state, rungs, rule, scan, first, last, burn_in, thin, energies, magnetizations, observables, samples, crew
):
    """Run sweeps `first` ... `last - 1` of a block; after every thin-th past burn_in, record a draw.

    `energies` and `magnetizations` are float64 (draws, lanes); `samples` uint16 (draws or 0, n, lanes // 16)
    receives packed spins if it has room, `observables` what it has weights for.
    Stopping at any sweep and going on later changes nothing.
    Every worker of a crew makes this call.
    """
    for done in range(first + 1, last + 1):
        records = done > burn_in and (done - burn_in) % thin == 0
        sweep(plan, state, rungs, rule, scan, MEASURED if records else UNMEASURED, crew)
        if records:
            draw = (done - burn_in) // thin - 1
            measure(plan, state, energies[draw], magnetizations[draw], crew)
            if crew.worker == 0 and (len(samples) > 0 or len(observables.weights) > 0):
                packed = samples[draw] if len(samples) > 0 else observables.packed
                snapshot(plan, state, packed)
                measure_observables(observables, packed, observables.record[draw])


class Reads(NamedTuple):
    """What the annealing runs of a block have found; lanes beyond `count` fill it up."""

    count: int
    rungs: np.ndarray  # int64 (lanes,): this sweep's number, in every lane
    energies: np.ndarray  # float64 (lanes,): at the last sweep
    magnetizations: np.ndarray  # float64 (lanes,)
    best: np.ndarray  # float64 (lanes,): the lowest energy so far
    better: np.ndarray  # uint8 (lanes,): whether the last sweep lowered it
    kept: np.ndarray  # like the state's spins: the state of the lowest energy
    lowest: np.ndarray  # float64 (sweeps, groups): least energy of each group of reads
    sums: np.ndarray  # float64 (sweeps, groups): sum of their energies


@njit
def anneal(plan, state, reads, lowest, rule, scan, first, last, crew):
    """Run sweeps `first` ... `last - 1` of a block, sweep s at rung s, and keep the best state of every read.

    A table that has room keeps the lowest states of all reads besides.
    """
    for done in range(first, last):
        reads.rungs[:] = done
        sweep(plan, state, reads.rungs, rule, scan, FOLLOWED, crew)
        measure(plan, state, reads.energies, reads.magnetizations, crew)
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
            retain(plan, state, reads.kept, reads.better)
        if lowest.energies.size > 0:
            note(plan, state, lowest, reads.energies, reads.count)


@njit
def anneal_weights(plan, state, rungs, betas, rule, first, last, log_weights, changes, energies, magnetizations, crew):
    """From rung k = `first` to `last`: log w -= (beta_{k+1} - beta_k) E, then a sweep at rung k + 1, all lanes alike.

    `changes` get -(beta_{k+1} - beta_k) (E' - E), E' being the energy after that sweep, of all but the last k.
    `log_weights`, `changes`, `energies` and `magnetizations` are float64 (lanes,).
    """
    for done in range(first, last):
        before = betas[done] - betas[done - 1] if done > 0 else 0.0
        for lane in range(log_weights.size):
            changes[lane] += before * energies[lane]
        measure(plan, state, energies, magnetizations, crew)
        for lane in range(log_weights.size):
            changes[lane] -= before * energies[lane]
            log_weights[lane] -= (betas[done + 1] - betas[done]) * energies[lane]
        rungs[:] = done + 1
        sweep(plan, state, rungs, rule, SEQUENTIAL, MEASURED, crew)


class Ladders(NamedTuple):
    """The ladders of a block: replica r of ladder g is lane `first_lane[g] + r` and moves from rung to rung."""

    betas: np.ndarray  # float64 (rungs,)
    burn_in: int
    thin: int
    swap_every: int
    overlap_every: int
    first_lane: np.ndarray  # int64 (ladders,)
    rungs: np.ndarray  # int64 (lanes,): the rung of every lane
    lane_at: np.ndarray  # int64 (ladders, rungs): the lane at every rung
    streams: np.ndarray  # uint64 (ladders, 4)
    energies: np.ndarray  # float64 (lanes,)
    magnetizations: np.ndarray  # float64 (lanes,)
    acceptance: np.ndarray  # float64 (ladders, rungs - 1): sums of swap probabilities
    attempts: np.ndarray  # int64 (ladders, rungs - 1)
    labels: np.ndarray  # int8 (ladders, rungs): the end where each replica was last, HOT or COLD, or 0
    restarts: np.ndarray  # int64 (ladders, rungs): how often each replica came from the hot end to the cold one
    round_trips: np.ndarray  # int64 (ladders, rungs): and back to the hot one
    visits: np.ndarray  # int64 (2, ladders, rungs): how often a replica labelled hot, or cold, was at each rung


class LadderSamples(NamedTuple):
    """The states of every draw of a block of ladders, or nothing."""

    packed: np.ndarray  # uint16 (draws or 0, n, lanes // 16)
    lane_at: np.ndarray  # int64 (draws or 0, ladders, rungs)


HOT, COLD = 1, 2


@njit
def temper(plan, state, ladders, pairs, rule, first, last, energies, magnetizations, observables, samples, crew):
    """Run sweeps `first` ... `last - 1` of a block of ladders, and swap, exchange, record and compare in between.

    `energies` and `magnetizations` are float64 (draws, ladders * rungs), by rung, and so is the record of
    `observables`; `samples`, if there is room, gets the spins of every draw by lane and the lane at every rung.
    """
    for done in range(first + 1, last + 1):
        past = done - ladders.burn_in
        swaps = done % ladders.swap_every == 0
        records = past > 0 and past % ladders.thin == 0
        measures = swaps or records
        sweep(plan, state, ladders.rungs, rule, SEQUENTIAL, MEASURED if measures else UNMEASURED, crew)
        if swaps and pairs.clusters:
            snapshot(plan, state, pairs.packed)
            exchange_clusters(pairs, ladders.lane_at)
            restore(plan, state, pairs.packed)
        if measures:
            measure(plan, state, ladders.energies, ladders.magnetizations, crew)
        if swaps:
            _swap(ladders, done // ladders.swap_every - 1, past > 0)
        if records:
            draw = past // ladders.thin - 1
            for ladder in range(len(ladders.lane_at)):
                for rung in range(ladders.betas.size):
                    lane = ladders.lane_at[ladder, rung]
                    energies[draw, ladder * ladders.betas.size + rung] = ladders.energies[lane]
                    magnetizations[draw, ladder * ladders.betas.size + rung] = ladders.magnetizations[lane]
            if len(samples.packed) > 0 or len(observables.weights) > 0:
                packed = samples.packed[draw] if len(samples.packed) > 0 else observables.packed
                snapshot(plan, state, packed)
                measure_observables(observables, packed, observables.by_lane)
                _record_observables(ladders, observables, samples, draw)
        if ladders.overlap_every > 0 and past > 0 and past % ladders.overlap_every == 0 and len(pairs.ladders) > 0:
            snapshot(plan, state, pairs.packed)
            add_overlaps(pairs, ladders.lane_at)


@called
def _record_observables(ladders, observables, samples, draw):
    """Record a draw's observables by rung and, if its states are kept, the lane at every rung."""
    for ladder in range(len(ladders.lane_at)):
        for rung in range(ladders.betas.size):
            lane = ladders.lane_at[ladder, rung]
            if len(samples.lane_at) > 0:
                samples.lane_at[draw, ladder, rung] = lane
            for number in range(len(observables.weights)):
                value = observables.by_lane[number, lane]
                observables.record[draw, number, ladder * ladders.betas.size + rung] = value


@called
def _swap(ladders, number, counts):
    """Swap round `number`: neighbouring rungs, the lower one even or odd in turn, exchange their replicas.

    p = min(1, exp((beta_{r+1} - beta_r) (E_{r+1} - E_r))) (Syed et al., J. R. Stat. Soc. B 84, 321 (2022), section 2).
    """
    rungs = ladders.betas.size
    for ladder in range(len(ladders.lane_at)):
        lane_at = ladders.lane_at[ladder]
        for rung in range(number % 2, rungs - 1, 2):
            a, b = lane_at[rung], lane_at[rung + 1]
            gain = (ladders.betas[rung + 1] - ladders.betas[rung]) * (ladders.energies[b] - ladders.energies[a])
            p = 1.0
            if gain < 0:
                p = exp64(max(gain, -700.0))
            if np.float64(next_word(ladders.streams[ladder]) >> np.uint64(11)) * 2.0**-53 < p:
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
    if labels[hot] == COLD and ladders.restarts[ladder, hot] > 0:
        ladders.round_trips[ladder, hot] += 1
    labels[hot] = HOT
    if labels[cold] == HOT:
        ladders.restarts[ladder, cold] += 1
    labels[cold] = COLD
    for rung in range(last + 1):
        label = labels[ladders.lane_at[ladder, rung] - first_lane]
        if label > 0:
            ladders.visits[label - 1, ladder, rung] += 1
