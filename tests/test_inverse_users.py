"""Fits of couplings as users meet them: sparse graphs, what samples may be, results kept and shown, fits stopped."""

from types import SimpleNamespace

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.learning import conditionals, pseudolikelihood
from fastgibbs.learning.conditionals import rows_of, slopes
from fastgibbs.learning.pseudolikelihood import Fit, Numbers


def chain(n, rows, J, seed=1):
    """Exact samples of an open chain of spins and the chain itself."""
    rng = np.random.default_rng(seed)
    turned = np.where(rng.random((rows, n - 1)) < 1 / (1 + np.exp(2 * J)), -1, 1)
    spins = np.cumprod(np.concatenate([rng.choice([-1, 1], (rows, 1)), turned], axis=1), axis=1)
    return spins.astype(np.int8), fg.lattice((n,), J=J, periodic=False)


def test_a_sparse_graph_has_the_couplings_and_errors_that_whole_matrices_give(monkeypatch):
    samples, line = chain(40, 2000, 0.6)
    near = fg.fit_ising(samples, graph=line, l2=0.01)
    monkeypatch.setattr(pseudolikelihood, "is_sparse", lambda *given: False)
    wide = fg.fit_ising(samples, graph=line, l2=0.01)
    assert near.pseudo_likelihood == pytest.approx(wide.pseudo_likelihood, abs=5e-6)
    np.testing.assert_allclose(near.couplings, wide.couplings, atol=1e-3)
    np.testing.assert_allclose(near.fields_error, wide.fields_error, rtol=1e-3)
    score = (fg.fit_ising(samples, graph=line).couplings - 0.6) / near.couplings_error
    assert np.abs(score).max() < 4.5


def test_blocks_of_neighbors_are_the_curvature_of_finite_differences():
    samples, line = chain(6, 200, 0.5)
    rows, (i, j, _) = rows_of(samples, np.ones(200)), line.bonds
    near = pseudolikelihood.Neighbors(rows, i, j, rows.means)
    x = np.random.default_rng(1).normal(size=11) / 3
    sums = near.sums(x)
    steps = 1e-6 * np.eye(11)
    slope = [(near.sums(x + step).value - near.sums(x - step).value) / 2e-6 for step in steps]
    np.testing.assert_allclose(sums.slopes, slope, atol=1e-8)
    curvature = [(near.sums(x - step).slopes - near.sums(x + step).slopes) / 2e-6 for step in steps]
    np.testing.assert_allclose(near.matrix(sums.curvature), curvature, atol=1e-7)
    solved = near.solved(sums.curvature, np.zeros(11), np.arange(1.0, 12.0))
    np.testing.assert_allclose(np.array(curvature) @ solved, np.arange(1.0, 12.0), rtol=1e-2)


def test_pairs_that_were_left_out_on_the_way_do_not_want_to_be_coupled():
    samples, line = chain(20, 2000, 0.5)
    rows, (i, j) = rows_of(samples, np.ones(2000)), np.triu_indices(20, 1)
    wanted = pseudolikelihood.slopes_of_none(rows, i, j)
    found, left = pseudolikelihood.chosen(Fit(rows, 0.0, lambda: False), i, j, 0.1, Numbers.none(rows.means), wanted)
    slope = slopes(rows, found.matrix(), found.h).couplings[i, j]
    J = found.of(i, j)
    np.testing.assert_array_equal(slope, left)
    assert (np.abs(slope[J == 0]) < 0.1 + 1e-4).all() and 0 < (J != 0).sum() < 100
    np.testing.assert_allclose(slope[J != 0], 0.1 * np.sign(J[J != 0]), atol=1e-4)
    fit = fg.fit_ising(samples, l1="path")
    assert set(zip(fit.i, fit.j, strict=True)) == set(zip(*line.bonds[:2], strict=True))


def test_couplings_that_a_state_of_three_spins_would_bound_are_refused_where_no_row_has_it():
    """Pairs of three that are never all equal have all their four states; still their couplings go to infinity."""
    states = fg.exact.states(4)
    some = states[np.abs(states[:, :3].sum(axis=1)) < 3]
    with pytest.raises(ValueError, match=r"the coupling of spins . and . has no bound.*give l2"):
        fg.fit_ising(some)
    assert np.abs(fg.fit_ising(some, l2=0.01).couplings).max() < 10
    assert np.abs(fg.fit_ising(states).couplings).max() < 1e-6


def test_too_few_rows_are_named_before_anything_is_fitted(monkeypatch):
    monkeypatch.setattr(pseudolikelihood, "fitted", None)
    noise = np.random.default_rng(1).choice([-1, 1], (50, 60))
    with pytest.raises(ValueError, match="50 different rows are too few for the 59 couplings of spin 0"):
        fg.fit_ising(np.tile(noise, (5, 1)))
    with pytest.raises(ValueError, match=r"spins 0 and 1 are never \+1 and -1 in one row"):
        fg.fit_ising([[1, 1], [-1, 1], [-1, -1]])
    with pytest.raises(ValueError, match="at least 2 in all"):
        fg.fit_ising(noise, weights=np.full(50, 1 / 50))


NAMES = ["a", "b", "c", "d", "e"]


def test_labels_come_back_and_tell_which_spin_of_a_graph_is_which():
    samples, line = chain(5, 1000, 0.5)
    plain = fg.fit_ising(samples, graph=line)
    rows = SimpleNamespace(sample=(samples[:, ::-1] + 1) // 2, num_occurrences=np.ones(1000))
    sets = SimpleNamespace(record=rows, variables=NAMES[::-1], vartype=SimpleNamespace(name="BINARY"))
    fit = fg.fit_ising(sets, graph=line.with_labels(NAMES))
    assert fit.model.labels == tuple(NAMES[::-1]) and fit.i.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(fit.couplings[::-1], plain.couplings, atol=1e-9)
    assert "\nb  a  0." in fit.summary()
    frame = SimpleNamespace(columns=NAMES, to_numpy=lambda: samples)
    assert fg.fit_ising(frame).model.labels == tuple(NAMES)
    assert fg.fit_ising(samples, graph=line.with_labels(NAMES)).model.labels == tuple(NAMES)
    numbered = SimpleNamespace(columns=[4, 3, 2, 1, 0], to_numpy=lambda: samples)
    assert fg.fit_ising(numbered).model.labels is None
    np.testing.assert_allclose(fg.fit_ising(numbered, graph=line).couplings[::-1], plain.couplings, atol=1e-9)
    with pytest.raises(ValueError, match="graph has the site 'x'"):
        fg.fit_ising(frame, graph=line.with_labels("abcdx"))


def test_draws_of_a_run_are_taken_if_they_are_of_one_law():
    glass = fg.edwards_anderson((3, 3), seed=1).with_labels("abcdefghi")
    options = dict(sweeps=40, burn_in=10, chains=64, keep_states=True, seed=1, threads=1)
    run = fg.sample(glass, beta=0.4, **options)
    fit = fg.fit_ising(run, l2=1e-3)
    assert fit.model.labels == glass.labels
    np.testing.assert_array_equal(fit.couplings, fg.fit_ising(run.samples, l2=1e-3).couplings)
    with pytest.raises(ValueError, match="several temperatures"):
        fg.fit_ising(fg.sample(glass, beta=np.linspace(0.2, 0.4, 64), **options))
    with pytest.raises(ValueError, match=r"call sample.*keep_states=True"):
        fg.fit_ising(fg.sample(glass, beta=0.4, **options | {"keep_states": False}))
    with pytest.raises(TypeError, match="whose states are no draws of one law"):
        fg.fit_ising(fit)


@pytest.mark.parametrize("given", [{}, {"l1": [0.3, 0.1]}, {"method": "mean_field"}, {"l2": 0.1}], ids=str)
def test_a_fit_is_saved_and_shown_as_other_results_are(given, tmp_path):
    pytest.importorskip("matplotlib")
    samples, line = chain(6, 500, 0.5)
    fit = fg.fit_ising(samples, **given)
    fit.save(tmp_path / "fit.npz")
    again = fg.load(tmp_path / "fit.npz")
    assert isinstance(again, fg.IsingFit) and again.summary() == fit.summary() and again.path == fit.path
    assert again.couplings.tobytes() == fit.couplings.tobytes() and again.model == fit.model
    assert fit.table().variables["J"][1] is fit.couplings
    fg.report(again, tmp_path / "fit.html")
    page = (tmp_path / "fit.html").read_text()
    assert page.count("<figure>") == 2 + ("l1" in given) and "fg.fit_ising(" in page and "<img" in fit._repr_html_()
    ax = fg.plots.fitted_couplings(fit, line, ax=fg.plots.figure()[1])
    assert ax.get_xlabel() == "true J / T"
    assert fg.plots.fitted_moments(fit, ax=fg.plots.figure()[1]).lines
    with pytest.raises(ValueError, match="true has 4 sites: the fit has 6"):
        fg.plots.fitted_couplings(fit, fg.lattice((4,)))
    with pytest.raises(TypeError, match="true is 3, without n"):
        fg.plots.fitted_couplings(fit, 3)


def test_what_moments_are_missed_is_known_of_few_spins_alone():
    small, large = (fg.fit_ising(chain(n, 2000, 0.4)[0]) for n in (4, 17))
    assert small.pairs_missed < 0.03 and small.moments.size == 10
    assert np.isnan(large.pairs_missed) and np.isnan(large.log_likelihood) and not large.moments.size


def test_few_samples_for_many_couplings_are_warned_of_by_how_much_these_are_too_large():
    """Of 30 spins of all pairs in 300 rows couplings are some 15 % too large, measured over chains: 0.13 to 0.17."""
    samples, line = chain(30, 300, 0.4)
    fit = fg.fit_ising(samples)
    assert fit.excess == pytest.approx(0.149, abs=1e-3) and "some 15% too large" in fit.summary()
    assert "too large" not in fg.fit_ising(samples, graph=line).summary()


def test_a_fit_that_is_stopped_returns_what_it_has_come_to(monkeypatch):
    samples, _ = chain(20, 1000, 0.5)
    heard = []
    fit = fg.fit_ising(samples, l1="path", progress=lambda *done: heard.append(done) or len(heard) == 4)
    assert heard == [(k, 20) for k in range(1, 5)] and fit.path.l1.size == 4
    assert fit.interrupted and np.isnan(fit.couplings_error).all() and "stopped" in fit.summary()
    assert fit.couplings.size == fit.path.bonds[fit.path.bic.argmin()]
    chains = fg.fit_ising(samples[:, :4], "pcd", progress=lambda *done: True, seed=1, threads=1)
    assert chains.interrupted and chains.seed == 1
    calls, before = [], slopes

    def stopping(*given):
        calls.append(1)
        if len(calls) == 3:
            fg.stop()
        return before(*given)

    for module in (pseudolikelihood, conditionals):
        monkeypatch.setattr(module, "slopes", stopping)
    stopped = fg.fit_ising(samples)
    assert stopped.interrupted and not stopped.converged and "interrupted" in repr(stopped)


def test_errors_at_both_ends_cover_what_they_say():
    """Of 1600 errors of independent pairs 68.3 % hold the truth within one and 95.4 % within two; bounds of 4.5
    standard deviations of such shares have a false alarm of 1 in 10^5."""
    within = []
    for seed in range(40):
        samples, line = chain(41, 1500, 0.4, seed)
        fit = fg.fit_ising(samples, graph=line)
        within.append(np.abs(fit.couplings - 0.4) / fit.couplings_error)
    for bound, share in ((1, 0.6827), (2, 0.9545)):
        seen = (np.array(within) < bound).mean()
        assert abs(seen - share) < 4.5 * np.sqrt(share * (1 - share) / 1600)
        assert abs((np.array(within) < bound / 1.3).mean() - share) > 4.5 * np.sqrt(share * (1 - share) / 1600)
