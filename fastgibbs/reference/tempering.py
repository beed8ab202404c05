"""Parallel tempering with any of the twins: a replica a lane; a swap exchanges the rungs of two, never their spins."""

import math
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.models.energy import as_energy
from fastgibbs.models.waves import smallest_waves, turns
from fastgibbs.reference.arithmetic import exp64
from fastgibbs.reference.clusters import Moves, cmr, joerg, swendsen_wang, wolff
from fastgibbs.reference.sampling import as_models, linear
from fastgibbs.reference.streams import CLUSTER, LANES, SWAP, below, fraction, run_entropy, stream

MOST_WORDS = 8  # that a block holds
ENOUGH = 0.9  # of the lanes in use
MOST_BINS = 1001  # of an overlap histogram
KINDS: dict[str, Any] = {"swendsen-wang": (swendsen_wang, 3), "wolff": (wolff, 2), "joerg": (joerg, 0), "cmr": (cmr, 0)}
PAIRED = "joerg", "cmr"  # of two replicas; of each, the function, and how many numbers it tells
HOT, COLD = 1, 2  # labels: the end of the ladder that a replica saw last, 0 at first


class Tempering(NamedTuple):
    """Of G ladders, R rungs (0 is the hottest) and D draws, P pairs of ladders; counts are int64, the rest float64."""

    energies: np.ndarray  # (G, R, D), by rung
    magnetizations: np.ndarray  # (G, R, D), per spin
    states: np.ndarray  # (G, R, n) int8, by rung at the end, in the model's own units
    acceptance_sum: np.ndarray  # (G, R - 1), of the probabilities to swap rungs r and r + 1
    attempts: np.ndarray  # (G, R - 1)
    round_trips: np.ndarray  # (G, R), by replica: hot end to cold end and back
    restarts: np.ndarray  # (G, R), by replica: hot end to cold end
    hot_visits: np.ndarray  # (G, R), by rung: swap rounds that left a replica of this label there
    cold_visits: np.ndarray  # (G, R)
    histogram: np.ndarray  # (P, R, bins), of the overlap
    moments: np.ndarray  # (P, R, 6 + waves), sums of q, |q|, q^2, q^4, link, link^2 and |q(k)|^2
    observables: np.ndarray  # (G, K, R, D), w.s by rung
    told: np.ndarray  # (G, 0, 2 or 3, R, D), what the last cluster moves of chains told


def temper(
    engine,
    model,
    betas,
    ladders,
    *,
    sweeps,
    burn_in,
    thin,
    swap_every,
    overlap_every,
    clusters,
    rule,
    seed,
    weights=(),
    cluster_every=None,
    fields=None,
    gammas=None,
):
    """Draws from prod_r exp(-beta_r E(s_r)): replicas sweep, each at the beta of its rung, and exchange rungs.

    `engine`: a twin, the module; `model`: a model, or a sequence of them on one graph (samples), each with `ladders`
    ladders: ladder g is of sample g // ladders. `betas`: (R,), ascending, in inverse units of J, ValueError above 256.
    `fields`: of each rung one beside the model's, (R,), or None: rungs are then points, in any order.
    `gammas`: of worldlines, (R,), the largest Gamma at each rung, or None; their weights are the twin's `kink_weights`.
    There are `burn_in` sweeps, then `sweeps`, each thin-th recorded; after every swap_every-th there are swaps, before
    them, after every cluster_every-th (by default swap_every), moves of `clusters`: "houdayer", as True, or a
    key of KINDS, these after the first sweep of so many. Every overlap_every-th, unless 0, the ladders 2p and
    2p + 1 of a sample are compared.
    `rule`: "gibbs" or "metropolis", KeyError on another; `seed`: of `streams.run_entropy`; `weights`: (K, n),
    w.s is observed. A `Tempering`.
    Hukushima and Nemoto, J. Phys. Soc. Jpn. 65, 1604 (1996); labels: Katzgraber et al., J. Stat. Mech. P03018 (2006).
    """
    samples, entropy = as_models(model), run_entropy(seed, "temper")
    models = [one for one in samples for _ in range(ladders)]  # one a ladder
    isings = [one if as_energy(one).by_worldlines else one.to_ising() for one in models]
    betas = np.asarray(betas, np.float64)
    n, G, R = samples[0].n, len(isings), betas.size
    pairs = [(g, g + 1) for first in range(0, G, ladders) for g in range(first, first + ladders - 1, 2)]
    lane = lanes_of(len(samples), ladders, R)  # of every replica
    of_lanes = [models[0]] * (LANES * (lane.max() // LANES + 1))  # whole words
    for one, lanes in zip(models, lane, strict=True):
        of_lanes[lanes[0] : lanes[-1] + 1] = [one] * R
    state = engine.start(of_lanes, len(of_lanes), entropy, rule)
    swap_streams = [stream(entropy, SWAP, g) for g in range(G)]
    cluster_streams = [stream(entropy, CLUSTER, p) for p in range(len(pairs))]

    rungs = np.tile(np.arange(R), (G, 1))  # of every replica
    at = lane.copy()  # the lane at every rung
    labels = np.zeros((G, R), np.int64)  # of every replica
    round_trips, restarts, hot_visits, cold_visits = np.zeros((4, G, R), np.int64)
    acceptance_sum, attempts = np.zeros((G, R - 1)), np.zeros((G, R - 1), np.int64)
    energies, magnetizations = np.empty((2, G, R, sweeps // thin))
    weights = np.reshape(np.array(weights, np.float64), (len(weights), n))
    observables = np.empty((G, len(weights), R, sweeps // thin))
    histogram = np.zeros((len(pairs), R, min(n + 1, MOST_BINS)), np.int64)
    waves = planes_of_waves(samples[0])
    moments = np.zeros((len(pairs), R, 6 + len(waves)))
    every = swap_every if cluster_every is None else cluster_every
    clusters = "houdayer" if clusters is True else clusters
    moves = None if clusters in (False, None, "houdayer") else Moving(clusters, isings, entropy, lane, pairs)
    told = np.empty((G, moves.told if moves else 0, R, sweeps // thin))

    for s in range(1, burn_in + sweeps + 1):
        lane_betas = np.full(len(of_lanes), betas[0])  # idle lanes stay at the first rung
        lane_betas[at] = betas
        if fields is None and gammas is None:
            engine.sweep(state, lane_betas)
        else:
            given = gammas if fields is None else fields
            of_rungs = np.full(len(of_lanes), given[0])
            of_rungs[at] = given
            engine.sweep(state, lane_betas, of_rungs)
        counted = s - burn_in  # sweeps since the burn-in
        if clusters == "houdayer" and s % every == 0:
            for (a, b), one in zip(pairs, cluster_streams, strict=True):
                for r in range(R):
                    move_cluster(isings[a], state.spins[at[a, r]], state.spins[at[b, r]], one)
        if moves and (s - 1) % every == 0:
            last = moves.make(state.spins, at, betas)
        if s % swap_every == 0:
            for g in range(G):
                energy = engine.energies([models[g]], state.spins[lane[g]])
                besides = () if fields is None else (betas * fields, state.spins[lane[g]].sum(axis=1, dtype=float))
                if as_energy(models[g]).by_worldlines:
                    besides = engine.kink_weights(models[g], state.spins[lane[g]], betas, gammas)
                tried, p = swap(swap_streams[g], betas, energy, rungs[g], (s // swap_every - 1) % 2, *besides)
                at[g, rungs[g]] = lane[g]
                if counted > 0:
                    acceptance_sum[g, tried] += p
                    attempts[g, tried] += 1
                    count_trips(rungs[g], labels[g], round_trips[g], restarts[g], hot_visits[g], cold_visits[g])
        if counted > 0 and counted % thin == 0:
            draw = counted // thin - 1
            for g in range(G):
                energies[g, :, draw] = engine.energies([models[g]], state.spins[at[g]])
                observables[g, ..., draw] = linear(weights, state.spins[at[g]])
            if told.size:
                told[..., draw] = last
            magnetizations[..., draw] = state.spins[at].sum(axis=2, dtype=np.float64) / max(n, 1)
        if overlap_every > 0 and counted > 0 and counted % overlap_every == 0:
            for p, (a, b) in enumerate(pairs):
                for r in range(R):
                    two = state.spins[at[a, r]], state.spins[at[b, r]]
                    add_overlap(isings[a], *two, histogram[p, r], moments[p, r, :6])
                    moments[p, r, 6:] += [squared_wave(wave, *two) for wave in waves]

    return Tempering(
        energies,
        magnetizations,
        samples[0].from_spins(state.spins[at]),
        acceptance_sum,
        attempts,
        round_trips,
        restarts,
        hot_visits,
        cold_visits,
        histogram,
        moments,
        observables,
        told,
    )


class Moving:
    """Cluster moves of one kind, of every ladder, or of pairs of them, (a, b)."""

    def __init__(self, kind, models, entropy, lane, pairs):
        self.move, self.told = KINDS[kind]
        self.of = pairs if kind in PAIRED else [(g,) for g in range(len(models))]
        self.moves = [Moves(models[one[0]], entropy, lane[one[0]].tolist()) for one in self.of]

    def make(self, spins, at, betas):
        """Move spins, int8 (lanes, n), at every rung; what is told, float64 (G, 0, 2 or 3, R)."""
        found = []
        for moves, ladders in zip(self.moves, self.of, strict=True):
            mine = [spins[at[g]] for g in ladders]
            found.append(self.move(moves, *mine, betas))
            for g, moved in zip(ladders, mine, strict=True):
                spins[at[g]] = moved
        return np.array(found) if self.told else None


def packing(rungs):
    """(w, L): a block of w words, the fewest of 1, 2, 4, 8 whose L ladders of R rungs, as many pairs as fit, fill 9/10.

    If none do, the fewest that fill the most. ValueError above 256 rungs.
    """
    if 2 * rungs > MOST_WORDS * LANES:
        raise ValueError(f"betas has {rungs} rungs: a ladder has at most {MOST_WORDS * LANES // 2}")
    fitting = {words: LANES * words // (2 * rungs) * 2 for words in (1, 2, 4, 8)}
    filled = {words: fitting[words] * rungs / (LANES * words) for words in fitting}
    words = next((words for words in filled if filled[words] >= ENOUGH), max(filled, key=lambda words: filled[words]))
    return words, fitting[words]


def lanes_of(samples, ladders, rungs):
    """The lane of replica r of every ladder, (k // L) 64 w + (k % L) R + r with (w, L) the `packing`: int (G, R).

    k counts ladders, and one that is left out after each sample of an odd number of ladders above 1.
    """
    words, in_block = packing(rungs)
    sample, number = np.divmod(np.arange(samples * ladders), ladders)
    block, place = np.divmod(sample * (ladders + ladders % 2 if ladders > 1 else 1) + number, in_block)
    return (block * LANES * words + place * rungs)[:, None] + np.arange(rungs)


def swap_probability(beta_gap, energy_gap, push_gap=0.0, sum_gap=0.0):
    """min(1, exp(x)), x = (beta_{r+1} - beta_r) (E_b - E_a), of the replicas a at rung r and b at rung r + 1.

    In fields b_r beside the model's less (beta_{r+1} b_{r+1} - beta_r b_r) (M_b - M_a), of sums of spins M; or less
    the sum of as many such products as gaps hold.
    """
    x = beta_gap * energy_gap - np.sum(push_gap * sum_gap)
    return 1.0 if x >= 0 else float(exp64(np.maximum(x, -700.0)))


def swap(stream, betas, energies, rungs, first, pushes=None, sums=None):
    """A swap round of one ladder, in place: the gaps r = first, first + 2, ... in turn; returns lists of r and of p.

    `stream`: uint64 (4, 1), one word a gap; `betas`: (R,), by rung; `energies` and `rungs`: (R,), by replica, the
    rungs being exchanged where u < p. In fields `pushes`: beta b by rung, and `sums` of spins by replica; or (R, K).
    """
    pushes, sums = (np.zeros(betas.size) if of is None else of for of in (pushes, sums))
    gaps, probabilities = list(range(first, betas.size - 1, 2)), []
    for r in gaps:
        a, b = np.flatnonzero(rungs == r)[0], np.flatnonzero(rungs == r + 1)[0]
        gaps_of = betas[r + 1] - betas[r], energies[b] - energies[a], pushes[r + 1] - pushes[r], sums[b] - sums[a]
        p = swap_probability(*gaps_of)
        if fraction(stream) < p:
            rungs[a], rungs[b] = r + 1, r
        probabilities.append(p)
    return gaps, probabilities


def count_trips(rungs, labels, round_trips, restarts, hot_visits, cold_visits):
    """Counts of one ladder after a swap round, in place: trips by replica, labels met by rung; int64, all (R,).

    A replica is hot since it was at rung 0, cold since it was at rung R - 1: a restart is hot turning cold, a round
    trip is cold turning hot again after a restart.
    """
    for replica in np.flatnonzero(rungs == 0):
        if labels[replica] == COLD and restarts[replica] > 0:
            round_trips[replica] += 1
        labels[replica] = HOT
    for replica in np.flatnonzero(rungs == rungs.size - 1):
        if labels[replica] == HOT:
            restarts[replica] += 1
        labels[replica] = COLD
    hot_visits[rungs] += labels == HOT
    cold_visits[rungs] += labels == COLD


def add_overlap(model, a, b, histogram, moments):
    """q = sum_i s_i^a s_i^b / n and link = sum_{i<j} s_i^a s_j^a s_i^b s_j^b / bonds of two replicas, added in place.

    `a` and `b`: int8 (n,); `histogram`: int64 (bins,), of k = n (1 + q) / 2 = 0..n in bin k bins // (n + 1);
    `moments`: float64 (6,), of q, |q|, q^2, q^4, link, link^2.
    """
    agree = a * b
    Q = int(agree.sum(dtype=np.int64))
    histogram[(Q + model.n) // 2 * histogram.size // (model.n + 1)] += 1
    i, j, _ = model.bonds
    q = Q / max(model.n, 1)
    link = int((agree[i] * agree[j]).sum(dtype=np.int64)) / max(i.size, 1)
    moments += [q, abs(q), q * q, (q * q) * (q * q), link, link * link]


def planes_of_waves(model):
    """Of the smallest k along each axis of more than one cell of a lattice (sites of each plane, cos k.r, sin k.r).

    Planes of equal k.r come by k.r modulo 2 pi; cosines and sines are rounded to 2^-40.
    """
    if getattr(model, "geometry", None) is None:
        return []
    waves = []
    for wave in turns(model, smallest_waves(model)):
        whole = np.round(wave * 2**20).astype(np.int64) % 2**20  # of one plane but for rounding
        _, first, planes = np.unique(whole, return_index=True, return_inverse=True)
        angles = [2 * math.pi * float(wave[site]) for site in first]
        waves.append((planes, *([round(f(x) * 2**40) / 2**40 for x in angles] for f in (math.cos, math.sin))))
    return waves


def squared_wave(wave, a, b):
    """|q(k)|^2, q(k) = (1/n) sum_i s_i^a s_i^b exp(-i k.r_i), plane after plane of a `wave`; `a`, `b`: int8 (n,)."""
    planes, cosines, sines = wave
    real = imaginary = 0.0
    for total, cosine, sine in zip(np.bincount(planes, a * b).tolist(), cosines, sines, strict=True):
        real += total * cosine
        imaginary += total * sine
    return (real * real + imaginary * imaginary) / (float(a.size) * a.size)


def move_cluster(model, a, b, stream):
    """Flip in both replicas one cluster of sites with q_i = s_i^a s_i^b = -1: E_a + E_b and all q_i stay.

    `a` and `b`: int8 (n,), changed in place; `stream`: uint64 (4, 1), which picks the site where the cluster starts.
    Without a field the rarer sign of q takes the place of -1. Nothing moves where as many sites percolate: above
    1/(d - 1) of all, d the mean degree (Bethe lattice: Fisher and Essam, J. Math. Phys. 2, 609 (1961)).
    Houdayer, Eur. Phys. J. B 22, 479 (2001); Zhu, Ochoa and Katzgraber, PRL 115, 077201 (2015).
    """
    q = a * b
    sites = np.flatnonzero(q == -1)
    if not model.fields.any() and 2 * sites.size > model.n:
        sites = np.flatnonzero(q == 1)
    degree = model.couplings.size / max(model.n, 1)
    if sites.size > 0 and sites.size * (degree - 1.0) < model.n:
        cluster = connected(model, sites, sites[below(stream, sites.size)])
        a[cluster] *= -1
        b[cluster] *= -1


def connected(model, sites, first):
    """Those of `sites` that bonds between them join to site `first`: a list."""
    left, cluster = set(sites.tolist()) - {int(first)}, [int(first)]
    for i in cluster:  # it grows as it is read
        around = left.intersection(model.indices[model.indptr[i] : model.indptr[i + 1]].tolist())
        left -= around
        cluster.extend(around)
    return cluster
