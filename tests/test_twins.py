"""What proves the NumPy twins by themselves: conserved energies, exact stationarity, packing, tiles, enumeration."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.reference import multispin, sampling, sparse, tempering
from fastgibbs.reference.annealing import anneal
from fastgibbs.reference.streams import CLUSTER, START, SWAP, SWEEP, below, run_entropy, stream
from fastgibbs.reference.tempering import temper

ENGINES = {"sparse": sparse, "multispin": multispin}
TEMPER = dict(sweeps=12, burn_in=4, thin=2, swap_every=2, overlap_every=4, clusters=True, rule="gibbs", seed=5)


def words(count, *address, seed=5):
    """The first words of a stream, by NumPy's own generator."""
    return np.random.SFC64(np.random.SeedSequence(seed, spawn_key=address)).random_raw(count)


def same(one, other):
    for name, a, b in zip(one._fields, one, other, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


# Tempering: swaps


def test_swaps_leave_the_joint_law_as_it_is():
    """The exact transition matrix of the swap of two rungs, over the 64 joint states of 3 spins each."""
    energy = fg.edwards_anderson((3,), "gaussian", seed=1).energy(exact.states(3))
    betas = np.array([0.4, 1.7])
    law = np.exp(-betas[0] * energy[:, None] - betas[1] * energy).ravel()
    law /= law.sum()

    def off_balance(gap):
        T = np.zeros((64, 64))
        for a in range(8):
            for b in range(8):
                p = tempering.swap_probability(gap, energy[b] - energy[a])
                T[8 * a + b, 8 * b + a] += p
                T[8 * a + b, 8 * a + b] += 1 - p
        return np.abs(law @ T - law).max()

    assert off_balance(betas[1] - betas[0]) < 1e-16
    assert off_balance(1.05 * (betas[1] - betas[0])) > 1e-4


@pytest.mark.parametrize("first", [0, 1])
def test_replicas_exchange_rungs_where_their_word_is_below_p(first):
    betas, energies = np.linspace(0.1, 1.0, 7), np.random.default_rng(2).normal(scale=4, size=7)
    start = np.random.default_rng(3).permutation(7)
    outcomes = set()
    for ladder in range(40):
        rungs, expected = start.copy(), start.copy()
        gaps, probabilities = tempering.swap(stream(5, SWAP, ladder), betas, energies, rungs, first)
        assert gaps == list(range(first, 6, 2))
        for r, p, word in zip(gaps, probabilities, words(3, SWAP, ladder, 0, 0), strict=True):
            a, b = start.tolist().index(r), start.tolist().index(r + 1)
            assert p == pytest.approx(
                min(1, np.exp((betas[r + 1] - betas[r]) * (energies[b] - energies[a]))), rel=1e-15
            )
            if (int(word) >> 11) * 2.0**-53 < p:
                expected[[a, b]] = r + 1, r
        np.testing.assert_array_equal(rungs, expected)
        outcomes.add(tuple(rungs))
    assert len(outcomes) > 1


def test_trips_are_counted_from_end_to_end():
    """One replica of two walks 0, 1, 0, 1, 0: each return to the hot end after a restart is a round trip."""
    labels, trips, restarts, hot, cold = np.zeros((5, 2), np.int64)
    for step in range(5):
        rungs = np.array([step % 2, 1 - step % 2])
        tempering.count_trips(rungs, labels, trips, restarts, hot, cold)
    assert restarts.tolist() == [2, 2]
    assert trips.tolist() == [2, 1]  # the other starts at the cold end: its first way up is no round trip
    assert hot.tolist() == [5, 0]
    assert cold.tolist() == [0, 5]


def test_a_replica_in_the_middle_keeps_the_label_of_its_last_end():
    labels, trips, restarts, hot, cold = np.zeros((5, 3), np.int64)
    for rungs in ([0, 1, 2], [1, 0, 2], [2, 0, 1]):
        tempering.count_trips(np.array(rungs), labels, trips, restarts, hot, cold)
    assert labels.tolist() == [2, 1, 2]
    assert restarts.tolist() == [1, 0, 0]
    assert hot.tolist() == [3, 1, 0]
    assert cold.tolist() == [0, 1, 3]


# Tempering: cluster moves


CLUSTERS = {
    "EA +-J": fg.edwards_anderson((4, 4), seed=1),
    "EA +-J 3D": fg.edwards_anderson((3, 3, 3), seed=2),
    "EA +-J open": fg.edwards_anderson((5, 3), seed=3, periodic=False),
    "in a field": fg.lattice((4, 4), h=0.5),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_cluster_moves_conserve_the_energy_of_the_pair_and_every_overlap(name):
    model, rng = CLUSTERS[name], np.random.default_rng(4)
    one = stream(5, CLUSTER)
    moved = 0
    for density in np.repeat([0.02, 0.1, 0.25, 0.5, 0.75, 0.9], 30):
        a = rng.choice(np.array([-1, 1], np.int8), model.n)
        b = np.where(rng.random(model.n) < density, -a, a)
        before = a.copy(), b.copy()
        tempering.move_cluster(model, a, b, one)
        np.testing.assert_array_equal(a * b, before[0] * before[1])
        assert model.energy(a) + model.energy(b) == model.energy(before[0]) + model.energy(before[1])
        np.testing.assert_array_equal(a != before[0], b != before[1])
        moved += (a != before[0]).any()
    assert moved > 30


def test_a_cluster_is_a_whole_connected_part_and_starts_at_the_drawn_site():
    model = fg.edwards_anderson((5, 5), seed=6, periodic=False)
    a = np.ones(25, np.int8)
    parts = [[0], [2, 3], [12, 16, 17]]  # 12-17-16 is connected, of the 5x5 sites in C order
    b = a.copy()
    b[np.concatenate(parts)] = -1
    sites = sorted(np.concatenate(parts))
    for pair in range(12):
        site = sites[below(stream(5, CLUSTER, pair), len(sites))]
        flipped_a, flipped_b = a.copy(), b.copy()
        tempering.move_cluster(model, flipped_a, flipped_b, stream(5, CLUSTER, pair))
        expected = next(part for part in parts if site in part)
        assert np.flatnonzero(flipped_a != a).tolist() == np.flatnonzero(flipped_b != b).tolist() == expected


def test_clusters_of_the_commoner_sign_move_only_in_a_field_and_none_above_the_percolation_threshold():
    """Mean degree 4: at most 5 of 16 sites."""

    def moves(model, opposite):
        a = np.ones(16, np.int8)
        b = a.copy()
        b[:opposite] = -1
        tempering.move_cluster(model, a, b, stream(5, CLUSTER))
        return sorted(np.flatnonzero(a == -1))

    free, in_field = fg.lattice((4, 4)), fg.lattice((4, 4), h=0.1)
    assert moves(free, 0) == []
    assert moves(free, 5) == moves(in_field, 5) == [0, 1, 2, 3, 4]
    assert moves(free, 6) == moves(free, 10) == []
    assert moves(free, 11) == [11, 12, 13, 14, 15]
    assert moves(in_field, 11) == moves(in_field, 16) == []
    assert moves(free, 16) == []


def test_overlaps_fall_in_their_bins_and_links_count_bonds():
    model = fg.edwards_anderson((2, 3), seed=1, periodic=False)
    a = np.random.default_rng(7).choice(np.array([-1, 1], np.int8), 6)
    b = a.copy()
    b[0] *= -1  # a corner: 2 of 7 bonds
    histogram, moments = np.zeros(7, np.int64), np.zeros(6)
    tempering.add_overlap(model, a, b, histogram, moments)
    tempering.add_overlap(model, a, -b, histogram, moments)
    assert histogram.tolist() == [0, 1, 0, 0, 0, 1, 0]
    q, link = 4 / 6, 3 / 7
    np.testing.assert_allclose(moments, [0, 2 * q, 2 * q**2, 2 * q**4, 2 * link, 2 * link**2], rtol=1e-15)


def test_overlaps_of_many_spins_share_bins():
    model = fg.Ising.from_edges(2002, [0], [1], 1.0)
    a, histogram = np.ones(2002, np.int8), np.zeros(1001, np.int64)
    for opposite in (0, 1, 2, 2001, 2002):
        b = a.copy()
        b[:opposite] = -1
        tempering.add_overlap(model, a, b, histogram, np.zeros(6))
    assert np.flatnonzero(histogram).tolist() == [0, 999, 1000]
    assert histogram[[0, 999, 1000]].tolist() == [2, 1, 2]


# Tempering: packing and runs


def test_ladders_are_packed_in_the_fewest_words_that_fill_nine_lanes_in_ten():
    for rungs in range(1, 257):
        filled = {w: (32 * w // rungs) * rungs / (32 * w) for w in (1, 2, 4, 8)}
        words, ladders = tempering.packing(rungs)
        assert ladders == 2 * (32 * words // rungs) >= 2
        if max(filled.values()) >= 0.9:
            assert filled[words] >= 0.9
            assert all(filled[w] < 0.9 for w in filled if w < words)
        else:
            assert filled[words] == max(filled.values())
            assert all(filled[w] < filled[words] for w in filled if w < words)
    assert tempering.packing(24) == (4, 10)
    assert tempering.packing(64) == (2, 2)
    assert tempering.packing(256) == (8, 2)
    with pytest.raises(ValueError, match="257 rungs"):
        tempering.packing(257)


def test_ladders_start_at_their_lanes():
    lane = tempering.lanes_of(1, 11, 24)
    assert lane[:, 0].tolist() == [0, 24, 48, 72, 96, 120, 144, 168, 192, 216, 256]
    np.testing.assert_array_equal(lane - lane[:, :1], np.tile(np.arange(24), (11, 1)))
    assert tempering.lanes_of(3, 3, 24)[:, 0].tolist() == [0, 24, 48, 96, 120, 144, 192, 216, 256]
    assert tempering.lanes_of(3, 1, 24)[:, 0].tolist() == [0, 24, 48]
    at_first = TEMPER | dict(sweeps=0, burn_in=0)
    result = temper(sparse, fg.lattice((3, 3)), [0.0] * 24, 11, **at_first)
    for r in range(24):
        bits = int(words(1, START, (256 + r) // 64, 0, (256 + r) % 64, seed=run_entropy(5, "temper"))[0])
        assert result.states[10, r].tolist() == [2 * (bits >> i & 1) - 1 for i in range(9)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_ladder_is_the_same_whichever_others_run(engine):
    model, betas = fg.edwards_anderson((4, 3), seed=3), np.linspace(0.2, 1.5, 13)
    many = temper(ENGINES[engine], model, betas, 6, **TEMPER)
    few = temper(ENGINES[engine], model, betas, 2, **TEMPER)
    for name, of_many, of_few in zip(many._fields, many, few, strict=True):
        np.testing.assert_array_equal(of_many[: len(of_few)], of_few, err_msg=name)


@pytest.mark.parametrize(("engine", "disorder"), [("sparse", "gaussian"), ("multispin", "bimodal")])
def test_samples_are_laid_out_as_the_ladders_of_one_model(engine, disorder):
    engine, betas = ENGINES[engine], np.linspace(0.2, 1.5, 13)
    model, other = (fg.edwards_anderson((4, 3), disorder, seed=seed) for seed in (3, 4))
    alone = temper(engine, model, betas, 6, **TEMPER)
    same(temper(engine, [model] * 3, betas, 2, **TEMPER), alone)
    mixed = temper(engine, [other, model, other], betas, 2, **TEMPER)
    np.testing.assert_array_equal(mixed.energies[2:4], alone.energies[2:4])
    np.testing.assert_array_equal(mixed.moments[1], alone.moments[1])
    np.testing.assert_array_equal(mixed.energies[:2, :, -1], other.energy(mixed.states[:2]))


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_run_counts_adds_up(engine):
    model, betas = fg.edwards_anderson((4, 3), seed=3), np.linspace(0.2, 1.5, 5)
    result = temper(ENGINES[engine], model, betas, 3, **TEMPER | dict(sweeps=41))
    rounds = 20  # of sweeps 6, 8, ..., 44: that of sweep 4 belongs to the burn-in, k = s/2 - 1 is even in ten of them
    assert result.energies.shape == result.magnetizations.shape == (3, 5, 20)
    assert result.attempts.tolist() == [[rounds // 2] * 4] * 3
    assert (result.acceptance_sum <= result.attempts).all()
    assert (result.hot_visits + result.cold_visits <= rounds).all()
    assert (result.hot_visits[:, 0] == rounds).all()
    assert (result.cold_visits[:, -1] == rounds).all()
    assert (result.round_trips <= result.restarts).all()
    assert result.histogram.shape == (1, 5, 13)
    assert (result.histogram.sum(axis=2) == 10).all()
    assert result.moments.shape == (1, 5, 6 + 2)  # and |q(k)|^2 along two axes


@pytest.mark.parametrize(("engine", "clusters"), [("sparse", False), ("sparse", True), ("multispin", True)])
def test_tempered_energies_agree_with_enumeration(engine, clusters):
    """Four z-scores a case, from pairs of ladders, which cluster moves couple: below 5 in size."""
    model, betas = fg.lattice((4, 4)), np.array([0.25, 0.35, 0.45, 0.6])
    schedule = dict(sweeps=100, burn_in=30, thin=1, swap_every=1, overlap_every=0, rule="gibbs", seed=8)
    result = temper(ENGINES[engine], model, betas, 64, clusters=clusters, **schedule)
    pairs = result.energies.mean(axis=2).reshape(32, 2, 4).mean(axis=1)
    error = pairs.std(axis=0, ddof=1) / np.sqrt(32)
    expected = exact.spectrum(model).energy(betas)
    assert (np.abs(pairs.mean(axis=0) - expected) < 5 * error).all()
    assert (np.abs(pairs.mean(axis=0) - exact.spectrum(model).energy(1.1 * betas)) > 5 * error).any()


def test_hidden_units_come_back_as_units():
    rbm = fg.RBM(np.random.default_rng(1).normal(size=(4, 3)))
    result = temper(sparse, rbm, [0.5, 1.0], 2, **TEMPER)
    assert set(np.unique(result.states)) == {0, 1}
    np.testing.assert_allclose(result.energies[..., -1], rbm.energy(result.states), rtol=1e-12)


# Annealing


@pytest.mark.parametrize("engine", ENGINES)
def test_annealing_finds_the_enumerated_ground_state(engine):
    model = fg.edwards_anderson((4, 4), seed=9)
    result = anneal(ENGINES[engine], model, np.linspace(0.1, 3.0, 60), 20, "gibbs", 3)
    assert result.best_energies.min() == exact.spectrum(model).ground_energy
    np.testing.assert_array_equal(result.best_energies, model.energy(result.best_states))
    np.testing.assert_array_equal(result.energies, model.energy(result.states))
    assert (result.best_energies <= result.energies).all()
    assert result.best_energies.min() == result.trace_min.min()
    assert result.trace_min[-1] == result.energies.min()
    np.testing.assert_allclose(result.trace_mean[-1], result.energies.mean(), rtol=1e-14)


@pytest.mark.parametrize("engine", ENGINES)
def test_annealing_at_one_beta_is_sampling(engine):
    """For so many sweeps that every read has been at the ground state, which no descent leaves."""
    model = fg.edwards_anderson((4, 4), seed=9)
    kwargs = dict(chains=70, sweeps=100, rule="metropolis", seed=run_entropy(3, "anneal"))
    energy, _, states = sampling.sample(ENGINES[engine], model, 0.5, **kwargs)
    result = anneal(ENGINES[engine], model, [0.5] * 100, 70, "metropolis", 3)
    np.testing.assert_array_equal(result.states, states)
    np.testing.assert_array_equal(result.best_energies, energy.min(axis=1))
    np.testing.assert_array_equal(result.trace_min, energy.min(axis=0))


@pytest.mark.parametrize("engine", ENGINES)
def test_reads_start_where_they_are_told(engine):
    """At a huge beta nothing leaves the ground state."""
    model = fg.lattice((4, 4))
    start = np.ones((3, 16))
    start[1] = -1
    result = anneal(ENGINES[engine], model, [50.0] * 4, 3, "gibbs", 3, start=start)
    np.testing.assert_array_equal(result.states, start)
    np.testing.assert_array_equal(result.best_states, start)
    assert result.trace_mean.tolist() == [-32.0] * 4
    one = anneal(ENGINES[engine], model, [50.0] * 4, 3, "gibbs", 3, start=start[1])
    np.testing.assert_array_equal(one.states, [start[1]] * 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_of_equally_good_states_the_first_is_kept(engine):
    free = fg.Ising(np.zeros((20, 20)))
    many, one = (anneal(ENGINES[engine], free, [0.0] * sweeps, 5, "gibbs", 3) for sweeps in (6, 1))
    np.testing.assert_array_equal(many.best_states, one.states)
    assert (many.states != one.states).any()


# Tiles of the multi-spin twin


def test_each_tile_of_a_group_draws_from_its_own_streams():
    """At beta = 0 a lane is up where the first of the 14 bits drawn for it is 0: the words show in the spins."""
    model = fg.lattice((132, 130), periodic=False)
    state = multispin.start(model, 70, 5, "gibbs")
    multispin.sweep(state, np.zeros(70))
    x, y = np.divmod(np.arange(model.n), 130)
    degree, parity = np.diff(model.indptr), (x + y) % 2
    assert [np.count_nonzero((degree == 4) & (parity == colour)) for colour in (0, 1)] == [8320, 8320]
    # of each degree: how many places a tile holds, and the number of the first; 8320 = 2 x 4160
    for d, size, first in [(2, 8, 0), (3, 264, 1), (4, 4160, 2)]:
        for colour in (0, 1):
            sites = np.flatnonzero((degree == d) & (parity == colour))
            tile, place = np.divmod(np.arange(sites.size), size)
            for word, lanes in enumerate((64, 6)):
                drawn = np.empty(sites.size, np.uint64)
                for t in range(tile.max() + 1):
                    for slot in range(8):
                        of_slot = (tile == t) & (place % 8 == slot)
                        before = 14 * (colour_rows(first + t) if colour else 0)
                        address = (SWEEP, word, first + t, slot)
                        drawn[of_slot] = words(before + 14 * of_slot.sum(), *address)[before::14]
                bits = drawn[:, None] >> np.arange(lanes, dtype=np.uint64) & 1
                np.testing.assert_array_equal(state.spins[64 * word : 64 * word + lanes, sites].T == 1, bits == 0)


def colour_rows(tile):
    """How many numbers each slot has drawn by the end of colour 0: corners, edges, two tiles of the bulk."""
    return (1, 33, 520, 520)[tile]


def test_a_group_is_cut_in_tiles_of_whole_rows():
    """P places, T = min(64, max(1, P // 4096)) tiles of 8 ceil(P / 8T): the last is the shorter one, none is empty."""
    for n, places, tiles, size in [(5, 8, 1, 8), (8191, 8192, 2, 4096), (12295, 12296, 3, 4104), (8184, 8184, 1, 8184)]:
        (group,) = multispin.groups(fg.Ising.from_edges(n, [], [], []), 1, range(n))
        assert (group.first_tile, group.size) == (0, size)
        assert multispin.tile_of(group, places - 8) == tiles - 1
