"""Disorder: couplings of glasses follow their laws, on every lattice and graph, and a seed fixes them."""

import hashlib
import math

import numpy as np
import pytest
from scipy import stats
from test_cells import adjacency
from test_models import refused

import fastgibbs as fg
from fastgibbs.models import (
    cells,
    edges,
    edwards_anderson,
    lattice,
    random_regular,
    sherrington_kirkpatrick,
)
from fastgibbs.models.ising import Ising


def test_edwards_anderson_couplings_follow_their_law():
    bimodal = edwards_anderson((60, 60), p=0.8, seed=1).bonds[2]
    assert set(bimodal.tolist()) == {-1.0, 1.0}
    assert abs((bimodal == 1).mean() - 0.8) < 5 * np.sqrt(0.16 / bimodal.size)
    gaussian = edwards_anderson((60, 60), "gaussian", mean=2.0, width=0.5, seed=1).bonds[2]
    assert abs(gaussian.mean() - 2) < 5 * 0.5 / np.sqrt(gaussian.size)
    assert abs(gaussian.std() - 0.5) < 5 * 0.5 / np.sqrt(2 * gaussian.size)
    assert (edwards_anderson((4, 4), p=1.0, seed=1).couplings == 1).all()
    assert (edwards_anderson((4, 4), "gaussian", mean=1.5, width=0, seed=1).couplings == 1.5).all()


def test_edwards_anderson_lives_on_the_lattice():
    glass = edwards_anderson((3, 4, 3), seed=2, periodic=(True, False, True))
    clean = lattice((3, 4, 3), periodic=(True, False, True))
    assert np.array_equal(glass.indices, clean.indices) and np.array_equal(glass.indptr, clean.indptr)
    assert glass.shape == (3, 4, 3)


@pytest.mark.parametrize("disorder", ["gaussian", "bimodal"])
def test_sherrington_kirkpatrick_is_complete_with_variance_one_over_n(disorder):
    model = sherrington_kirkpatrick(100, disorder, seed=3)
    J = model.bonds[2]
    assert J.size == 100 * 99 // 2
    assert abs(100 * (J**2).mean() - 1) < 5 * np.sqrt(2 / J.size)
    if disorder == "bimodal":
        assert set(J.tolist()) == {-0.1, 0.1}
    assert sherrington_kirkpatrick(1).couplings.size == 0


@pytest.mark.parametrize(
    "n, degree", [(1, 0), (4, 0), (2, 1), (3, 2), (4, 2), (5, 2), (4, 3), (6, 3), (7, 4), (8, 5), (9, 8), (30, 14)]
)
def test_random_regular_graph_is_simple_and_regular_for_every_seed(n, degree):
    for seed in range(60):
        model = random_regular(n, degree, "ferromagnet", seed)
        assert (np.diff(model.indptr) == degree).all()
        assert (model.couplings == 1).all()


@pytest.mark.parametrize(("size", "digest"), [((1000, 6), "9ea20110"), ((60, 25), "279b79d7"), ((9, 4), "99ab20d0")])
def test_random_regular_graph_of_a_seed_stays_the_same(size, digest):
    """Also where half of the bonds have to be switched."""
    assert hashlib.sha256(random_regular(*size, seed=1).indices.tobytes()).hexdigest()[:8] == digest


def test_random_regular_graph_breaks_up_loops_that_have_only_loops_to_switch_with(monkeypatch):
    class Loops(np.random.Generator):
        def permutation(self, half_bonds):
            return half_bonds.reshape(-1, 2).T.ravel()

    model = random_regular(5, 2, "ferromagnet", Loops(np.random.PCG64(1)))
    assert (np.diff(model.indptr) == 2).all() and (model.couplings == 1).all()


def test_random_regular_graph_draws_its_couplings_and_differs_between_seeds():
    assert set(random_regular(40, 3, seed=1).couplings.tolist()) == {-1.0, 1.0}
    assert len(set(random_regular(40, 3, "gaussian", seed=1).bonds[2].tolist())) == 60
    assert not np.array_equal(random_regular(40, 3, seed=1).indices, random_regular(40, 3, seed=2).indices)
    assert (np.diff(random_regular(20_000, 6, seed=1).indptr) == 6).all()


def test_every_two_regular_graph_of_five_sites_is_equally_likely():
    # 2-regular graphs on 5 sites are the 12 pentagons.
    counts = {}
    for seed in range(1200):
        graph = tuple(random_regular(5, 2, "ferromagnet", seed).indices.tolist())
        counts[graph] = counts.get(graph, 0) + 1
    assert len(counts) == 12
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 31.3  # chi-square, 11 dof, p = 1e-3


@pytest.mark.parametrize(
    "build",
    [
        lambda seed: edwards_anderson((4, 4), "gaussian", seed=seed),
        lambda seed: sherrington_kirkpatrick(12, seed=seed),
        lambda seed: random_regular(12, 3, "gaussian", seed=seed),
    ],
)
def test_a_seed_in_any_form_fixes_the_disorder(build):
    couplings = build(5).couplings
    for seed in (np.int64(5), np.random.SeedSequence(5), np.random.default_rng(5)):
        assert np.array_equal(build(seed).couplings, couplings)
    assert not np.array_equal(build(6).couplings, couplings)
    assert not np.array_equal(build(None).couplings, build(None).couplings)


def test_a_glass_on_any_lattice_has_its_bonds_and_draws_them_one_by_one():
    model = fg.edwards_anderson((4, 4), p=0.3, seed=5, cell="kagome", periodic=(True, False))
    plain = fg.lattice((4, 4), cell="kagome", periodic=(True, False))
    assert np.array_equal(model.indices, plain.indices) and model.coupling == 1.0
    own = edges.edges((4, 4), cells.known("kagome", (4, 4), 1), np.ones(6), (True, False))
    drawn = np.where(np.random.default_rng(5).random(own.i.size) < 0.3, 1.0, -1.0)
    assert model == Ising.from_edges(48, own.i, own.j, drawn, shape=(4, 4, 3), geometry=plain.geometry)
    shells = fg.edwards_anderson((5, 5), J=(1.0, 0.5), seed=1)
    assert set(np.abs(shells.couplings)) == {1.0, 0.5} and shells.degree == 8


def test_dilution_takes_bonds_and_sites_away_and_leaves_the_others():
    whole = fg.edwards_anderson((30, 30), "gaussian", seed=3)
    thin = fg.edwards_anderson((30, 30), "gaussian", seed=3, bonds=0.7)
    few = fg.edwards_anderson((30, 30), "gaussian", seed=3, sites=0.6, h=np.arange(900.0))
    J_of = {(i, j): J for i, j, J in zip(*map(np.ndarray.tolist, whole.bonds), strict=True)}
    assert all(J_of[i, j] == J for i, j, J in zip(*map(np.ndarray.tolist, thin.bonds), strict=True))
    there = few.fields.astype(int)
    i, j, J = few.bonds
    assert [J_of[a, b] for a, b in zip(there[i].tolist(), there[j].tolist(), strict=True)] == J.tolist()
    assert few.shape is None and np.array_equal(few.positions, whole.positions[there])
    assert len(J) == sum(a in set(there) and b in set(there) for a, b in J_of)
    # Counts of independent draws: a false alarm in a million.
    assert abs(thin.bond_count - 0.7 * 1800) < 4.9 * math.sqrt(1800 * 0.21)
    assert abs(few.n - 0.6 * 900) < 4.9 * math.sqrt(900 * 0.24)
    assert fg.edwards_anderson((4, 4), bonds=0.0, seed=1).bond_count == 0
    assert fg.edwards_anderson((4, 4), sites=0.0, seed=1).n == 0
    assert fg.edwards_anderson((4, 4), sites=1.0, seed=1).shape == (4, 4)


def test_fields_of_a_glass_are_uniform_given_or_gaussian():
    assert fg.edwards_anderson((4, 4), h=0.5, seed=1).field == 0.5
    h = np.random.default_rng(1).standard_normal((4, 4))
    assert np.array_equal(fg.edwards_anderson((4, 4), h=h, seed=1).fields, h.ravel())
    fields = fg.edwards_anderson((100, 100), p=1.0, h=2.0, h_width=0.5, seed=1).fields
    assert abs(fields.mean() - 2) < 4.9 * 0.005 and abs(fields.std() - 0.5) < 4.9 * 0.5 / math.sqrt(2e4)


def test_viana_bray_couples_every_pair_alike():
    """Degrees against Poisson's law, and pairs of a small graph one by one: a false alarm in 10^4 each."""
    degrees = np.diff(fg.viana_bray(20000, 2.5, "ferromagnet", seed=1).indptr)
    seen = np.bincount(np.minimum(degrees, 9), minlength=10)
    expected = stats.poisson.pmf(np.arange(10), 2.5)
    expected[9] = 1 - expected[:9].sum()
    # The sum of degrees is twice the number of bonds: fluctuations are those of pairs, at most twice Poisson's.
    assert stats.chi2.sf(((seen - 20000 * expected) ** 2 / (2 * 20000 * expected)).sum(), 9) > 1e-4
    counts = np.zeros((6, 6))
    for seed in range(2000):
        i, j, _ = fg.viana_bray(6, 2.0, seed=seed).bonds
        counts[i, j] += 1
    pairs = counts[np.triu_indices(6, 1)]
    assert stats.chi2.sf(((pairs - 800) ** 2 / (2000 * 0.4 * 0.6)).sum(), 15) > 1e-4
    complete = fg.viana_bray(40, 39, "gaussian", seed=1)
    assert complete.bond_count == 780 and complete.degree == 39 and fg.viana_bray(1, 0).n == 1
    assert fg.viana_bray(3, 0).bond_count == 0


def test_power_law_chains_decay_with_the_distance_around_the_ring():
    ring = fg.power_law(9, 1.5)
    i, j, J = ring.bonds
    assert np.allclose(J, np.minimum(j - i, 9 - j + i) ** -1.5) and ring.bond_count == 36 and ring.shape == (9,)
    glass = adjacency(fg.power_law(400, 0.7, "gaussian", seed=1))
    r = np.minimum(np.arange(1, 400), 400 - np.arange(1, 400.0))
    assert abs((glass**2).sum(axis=0).mean() - 1) < 4.9 * math.sqrt(2 * (r**-2.8).sum() / (r**-1.4).sum() ** 2 / 200)
    signs = fg.power_law(50, 0.0, "bimodal", seed=1)
    assert signs.coupling == pytest.approx(1 / 7) and signs.bond_count == 1225
    assert fg.power_law(1, 2.0).bond_count == 0


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: fg.edwards_anderson((3, 3), bonds=1.5), ("bonds is 1.5", "probability")),
        (lambda: fg.edwards_anderson((3, 3), sites=-0.5), ("sites is -0.5", "probability")),
        (lambda: fg.edwards_anderson((3, 3), h_width=-1.0), ("h_width is -1.0", "standard deviation")),
        (lambda: fg.edwards_anderson((3, 3), h=[1.0, 2.0], h_width=1.0), ("h has shape (2,)", "(9,)", "(3, 3)")),
        (lambda: fg.viana_bray(10, 9.5), ("connectivity is 9.5", "n - 1 = 9")),
        (lambda: fg.viana_bray(10, -1), ("connectivity is -1",)),
        (lambda: fg.viana_bray(10, 2, "glass"), ("disorder is 'glass'",)),
        (lambda: fg.power_law(10, -1.0), ("sigma is -1.0",)),
        (lambda: fg.power_law(10, 1.0, "glass"), ("disorder is 'glass'",)),
        (lambda: fg.power_law(10**6, 1.0), ("power-law chain of 1000000 spins", "GiB")),
    ],
)
def test_disorder_that_is_none_is_refused(call, words):
    refused(ValueError, call, *words)
