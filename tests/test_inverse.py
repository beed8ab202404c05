"""Couplings found from samples, against enumeration: slopes, maxima, errors over many data sets, graphs, bad input."""

import csv
import itertools

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.__main__ import main
from fastgibbs.learning import pseudolikelihood, spreads
from fastgibbs.learning.conditionals import rows_of, slopes


def glass(n=6, beta=0.7, seed=3):
    """A model of all pairs with fields, at beta = 1."""
    rng = np.random.default_rng(seed)
    J = np.triu(rng.normal(size=(n, n)), 1) * beta / np.sqrt(n)
    return fg.Ising(J + J.T, 0.2 * rng.normal(size=n))


def drawn(model, count, seed):
    """Independent exact samples."""
    p = fg.exact.spectrum(model).probabilities(1.0)
    return fg.exact.states(model.n)[np.random.default_rng(seed).choice(p.size, count, p=p)]


def whole(model, samples=1e12):
    """All states, and how often each of so many samples is there on average."""
    return fg.exact.states(model.n), samples * fg.exact.spectrum(model).probabilities(1.0)


def matrix(model):
    J = np.zeros((model.n, model.n))
    i, j, values = model.bonds
    J[i, j] = J[j, i] = values
    return J


def numbers(model, J, h):
    i, j, _ = model.bonds
    return np.concatenate([J[i, j], h])


def test_the_slopes_are_those_of_finite_differences_of_the_pseudo_likelihood():
    model, rng = glass(4), np.random.default_rng(1)
    data, weights = drawn(model, 50, 2), rng.random(50)
    rows = rows_of(data, weights)
    J, h = matrix(model), model.fields

    def value(J, h):
        each = fg.analysis.pseudo_likelihoods(fg.Ising(J, h), data)
        return weights @ each / weights.sum()

    found = slopes(rows, J, h)
    assert found.value == pytest.approx(value(J, h), rel=1e-12)
    step = 1e-5
    for i in range(4):
        at = np.eye(4)[i] * step
        assert (value(J, h + at) - value(J, h - at)) / (2 * step) == pytest.approx(found.fields[i], abs=1e-8)
        for j in range(i):
            change = np.zeros((4, 4))
            change[i, j] = change[j, i] = step
            slope = (value(J + change, h) - value(J - change, h)) / (2 * step)
            assert slope == pytest.approx(found.couplings[i, j], abs=1e-8)
            assert abs(slope - found.couplings[i, j] / 2) > 1e-3  # that of one spin alone is another


@pytest.mark.parametrize("beta", [0.3, 1.5])
def test_of_all_states_by_their_probabilities_the_couplings_come_back(beta):
    model = glass(5, beta)
    states, weights = whole(model)
    fit = fg.fit_ising(states, weights=weights)
    np.testing.assert_allclose(fit.couplings, model.bonds[2], atol=1e-7)
    np.testing.assert_allclose(fit.model.fields, model.fields, atol=1e-7)
    assert fit.pairs_missed < 1e-7 and fit.means_missed < 1e-7
    entropy = fg.exact.spectrum(model).entropy(1.0)
    assert fit.log_likelihood == pytest.approx(-entropy, abs=1e-9)
    naive = fg.fit_ising(states, "mean_field", weights=weights)
    assert np.abs(naive.couplings - model.bonds[2]).max() > 0.01  # mean field is not exact


def test_mean_field_is_the_inverse_of_the_covariance_and_good_where_couplings_are_weak():
    misses = []
    for beta in (0.2, 0.1):
        model = glass(6, beta)
        states, weights = whole(model)
        fit = fg.fit_ising(states, "mean_field", weights=weights)
        np.testing.assert_allclose(
            fit.couplings, -np.linalg.inv(np.cov(states.T, aweights=weights, ddof=0))[fit.i, fit.j], atol=1e-9
        )
        misses.append(np.abs(fit.couplings - model.bonds[2]).max())
    assert misses[1] < misses[0] / 3  # by the square of beta


@pytest.mark.parametrize("method", ["pseudolikelihood", "mean_field"])
def test_errors_are_those_of_many_sets_of_samples(method):
    """40 sets of 2000: the mean of z^2 over 21 numbers of each. Its standard deviation over the sets is measured;
    bounds of 4.5 of it have a false alarm of 1 in 10^5. Errors by the curvature alone are refused."""
    model = glass()
    states, weights = whole(model)
    known = fg.fit_ising(states, method, weights=weights)  # what the method comes to with all samples
    squares, naive = [], []
    for seed in range(40):
        data = drawn(model, 2000, seed)
        fit = fg.fit_ising(data, method)
        off = np.concatenate([fit.couplings - known.couplings, fit.model.fields - known.model.fields])
        errors = np.concatenate([fit.couplings_error, fit.fields_error])
        squares.append(((off / errors) ** 2).mean())
        if method == "pseudolikelihood":
            naive.append(((off / _by_curvature(data, fit)) ** 2).mean())
        else:
            naive.append(((off * np.sqrt(2000)) ** 2).mean())  # 1 / sqrt N, of spins without couplings
    for values, honest in ((squares, True), (naive, False)):
        score = (np.mean(values) - 1) / (np.std(values, ddof=1) / np.sqrt(40))
        assert (abs(score) < 4.5) == honest, (score, np.mean(values))


def _by_curvature(data, fit):
    """sqrt(diag(A^-1) / N), from finite differences of the slopes."""
    rows, size = rows_of(data, np.ones(len(data))), fit.couplings.size
    x = np.concatenate([fit.couplings, fit.model.fields])

    def gradient(x):
        J = np.zeros((fit.model.n, fit.model.n))
        J[fit.i, fit.j] = J[fit.j, fit.i] = x[:size]
        found = slopes(rows, J, x[size:])
        return np.concatenate([found.couplings[fit.i, fit.j], found.fields])

    A = [(gradient(x - at) - gradient(x + at)) / 2e-5 for at in 1e-5 * np.eye(x.size)]
    return np.sqrt(np.diag(np.linalg.inv(A)) / len(data))


def test_errors_of_the_likelihood_are_those_of_a_pair():
    """Of two spins without fields var J = 1 / (N (1 - c^2)), c = tanh J."""
    states, weights = whole(fg.Ising([[0.0, 0.6], [0.6, 0.0]]), samples=1000)
    pair = np.array([0]), np.array([1])
    found = spreads.of_likelihood(rows_of(states, weights), *pair)
    assert found[0] == pytest.approx(1 / np.sqrt(1000 * (1 - np.tanh(0.6) ** 2)), rel=1e-9)


def test_couplings_that_l1_leaves_are_those_of_the_kinks():
    model = glass(8, 1.0)
    rows = rows_of(drawn(model, 3000, 5), np.ones(3000))
    i, j = np.triu_indices(8, 1)
    none = pseudolikelihood.Numbers.none(rows.means)
    found = pseudolikelihood.fitted(pseudolikelihood.Fit(rows, 0.02, lambda: False), i, j, 0.1, none)
    J = found.J
    slope = slopes(rows, found.matrix(), found.h).couplings[i, j] - 0.02 * J
    assert found.converged and 0 < (J != 0).sum() < J.size
    assert (np.abs(slope[J == 0]) <= 0.1).all()
    np.testing.assert_allclose(slope[J != 0], 0.1 * np.sign(J[J != 0]), atol=1e-4)


def test_the_path_finds_the_bonds_of_a_lattice_and_their_couplings():
    lattice = fg.lattice((3, 4), J=0.3, h=0.1)
    fit = fg.fit_ising(drawn(lattice, 10_000, 1), l1="path")
    bonds = set(zip(*lattice.bonds[:2], strict=True))
    assert set(zip(fit.i, fit.j, strict=True)) == bonds
    assert np.abs((fit.couplings - 0.3) / fit.couplings_error).max() < 4.5
    assert fit.path.bonds[0] == 0 and fit.path.bonds[-1] > len(bonds)  # less l1 takes noise for bonds
    assert fit.l1 == fit.path.l1[fit.path.bic.argmin()]
    again = fg.fit_ising(drawn(lattice, 10_000, 1), l1=fit.l1)
    assert set(zip(again.i, again.j, strict=True)) == bonds
    free = fg.fit_ising(drawn(lattice, 10_000, 1))
    assert free.couplings_error.mean() > fit.couplings_error.mean()


def test_a_path_leaves_out_what_is_within_its_errors_of_none():
    """Of this glass the best l1 leaves a pair besides that is no bond, to make up for what it shrinks."""
    glass = fg.edwards_anderson((3, 4), "gaussian", periodic=False, seed=3)
    i, j, J = glass.bonds
    fit = fg.fit_ising(drawn(fg.Ising.from_edges(12, i, j, 0.6 * J), 3000, 3), l1="path")
    true, found = set(zip(i, j, strict=True)), set(zip(fit.i, fit.j, strict=True))
    assert set(zip(*fit.path.graphs[fit.path.bic.argmin()], strict=True)) - true
    assert found <= true and len(found) == 15
    assert (np.abs(fit.couplings / fit.couplings_error) > 3).all()


def test_weights_are_how_often_a_row_was_drawn():
    data, times = drawn(glass(), 300, 1), np.random.default_rng(2).integers(4, size=300)
    for method in ("pseudolikelihood", "mean_field"):
        once, repeated = fg.fit_ising(data, method, weights=times), fg.fit_ising(np.repeat(data, times, axis=0), method)
        assert once.samples == times.sum()
        np.testing.assert_allclose(once.couplings, repeated.couplings, rtol=1e-9)
        np.testing.assert_allclose(once.fields_error, repeated.fields_error, rtol=1e-9)


def test_a_graph_and_l2_bind_couplings():
    model = fg.lattice((6,), J=0.4)
    data = drawn(model, 500, 1).reshape(5, 100, 6)
    fit = fg.fit_ising(data, graph=model)
    assert fit.model.bond_count == 6
    pulled = fg.fit_ising(data, graph=model, l2=0.5)
    assert (np.abs(pulled.couplings) < np.abs(fit.couplings)).all()
    assert (pulled.couplings_error < fit.couplings_error).all()


def test_persistent_chains_meet_the_moments_and_come_again_by_their_seed():
    model = glass(6, 1.0)
    data = drawn(model, 4000, 2)
    fit = fg.fit_ising(data, "pcd", seed=1, threads=1)
    off = np.concatenate([fit.couplings - model.bonds[2], fit.model.fields - model.fields])
    errors = np.concatenate([fit.couplings_error, fit.fields_error])
    assert np.abs(off / errors).max() < 4.5
    assert max(fit.means_missed, fit.pairs_missed) < 0.5 / np.sqrt(4000)  # below what samples know of moments
    assert fit.log_likelihood > fg.fit_ising(data).log_likelihood - 2e-4
    again = fg.fit_ising(data, "pcd", seed=1, threads=2)
    np.testing.assert_array_equal(again.couplings, fit.couplings)


def test_it_says_what_it_found():
    data = drawn(glass(), 500, 1)
    told = fg.fit_ising(data, l1=[0.3, 0.05]).summary()
    for words in ("log-likelihood", "moments missed", "2 graphs of", "strongest of", "IsingFit(Ising(n=6"):
        assert words in told
    many = np.random.default_rng(1).choice([-1, 1], size=(400, 92))
    fit = fg.fit_ising(many, l2=1.0)
    assert np.isnan(fit.couplings_error).all() and "No errors: 4186 couplings are more" in fit.summary()
    assert np.isnan(fit.log_likelihood)
    assert fg.fit_ising([[1], [1], [-1]]).model.fields[0] == pytest.approx(np.arctanh(1 / 3))


SMALL = """
run = "inverse_ising"
side = 3
temperature = 2.0
samples = [500, 4000]
graph_side = 3
graph_samples = 2000
chains = 200
thin = 20
seed = 5
"""


def test_the_run_that_ships_finds_couplings_better_with_samples_and_most_bonds(tmp_path, capsys):
    (tmp_path / "small.toml").write_text(SMALL)
    assert main(["run", str(tmp_path / "small.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "of 12 bonds" in capsys.readouterr().out
    few, many = csv.DictReader((tmp_path / "out" / "errors.csv").read_text().splitlines())
    for method in ("pseudo-likelihood", "pcd"):
        assert float(many[method]) < float(few[method])
        assert 0.5 < float(many[method]) / float(many["its errors"]) < 2
    assert float(many["mean field"]) > 2 * float(many["pseudo-likelihood"])
    assert (tmp_path / "out" / "inverse_ising.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("side = 3", "side = 5"), "side is 5: give an integer of at most 4"),
        (("2.0", "0.0"), "temperature is 0"),
        (("[500, 4000]", "[4000, 500]"), "ascending"),
    ],
)
def test_a_bad_configuration_of_it_is_named(change, message, tmp_path, capsys):
    (tmp_path / "bad.toml").write_text(SMALL.replace(*change, 1))
    assert main(["run", str(tmp_path / "bad.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 2
    assert message in capsys.readouterr().err


ALL_OF_THREE = list(itertools.product((-1, 1), repeat=3))
GOOD = [[1, 1, -1], [1, -1, 1], [-1, 1, 1], [-1, -1, -1], [1, 1, 1], [-1, 1, -1]]


@pytest.mark.parametrize(
    ("samples", "given", "message"),
    [
        (np.array(GOOD) > 0, {}, "bools, or units of 0 and 1: give spins of -1 and"),
        ((np.array(GOOD) + 1) // 2, {}, "bools, or units of 0 and 1"),
        ([[1, 2], [-1, 1]], {}, r"samples\[0, 1\] is 2"),
        ([1, -1], {}, r"samples has shape \(2,\)"),
        ([[1, -1]], {}, "1 rows: give at least 2"),
        (np.ones((4, 0)), {}, "n of at least 1"),
        ([[1, 1, -1], [1, -1, 1], [1, 1, 1]], {}, r"spin 0 is \+1 in every row"),
        ([[1, 1], [-1, -1], [1, 1]], {}, "spins 0 and 1 are equal in every row"),
        ([[1, -1], [-1, 1], [1, -1]], {}, "spins 0 and 1 are opposite in every row"),
        ([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, -1]], {}, "spins 0 and 2 are never -1 and \\+1"),
        ([[*row, 1 if sum(row) > 0 else -1] for row in ALL_OF_THREE], {}, "the others tell spin 3"),
        ([[1, 1], [-1, -1], [1, 1]], {"method": "mean_field"}, "has no inverse"),
        (GOOD, {"method": "pseudo"}, "method is 'pseudo'"),
        (GOOD, {"l1": -1.0}, "l1 is -1"),
        (GOOD, {"l1": "bic"}, "l1 is 'bic'"),
        (GOOD, {"l2": -1.0}, "l2 is -1"),
        (GOOD, {"l2": np.nan}, "l2 is nan"),
        (GOOD, {"weights": [1, 1]}, r"weights has shape \(2,\)"),
        (GOOD, {"weights": [1, 1, 1, 1, 1, -1]}, "weights are from -1"),
        (GOOD, {"weights": [0] * 6}, "0 in all: give how often"),
        (GOOD, {"graph": fg.lattice((4,))}, "graph has 4 sites: samples have 3 spins"),
        (GOOD, {"graph": fg.lattice((3,)), "method": "mean_field"}, "leave out graph and l1"),
        (GOOD, {"l1": "path", "method": "mean_field"}, "leave out graph and l1"),
    ],
)
def test_bad_input_is_named(samples, given, message):
    with pytest.raises(ValueError, match=message):
        fg.fit_ising(samples, **given)


def test_l2_bounds_what_has_no_bound():
    fit = fg.fit_ising([[1, 1], [-1, -1], [1, 1]], l2=0.1)
    assert 0 < fit.couplings[0] < 10
