"""Barriers, equalised ladders and the verdict on equilibration, against the exact energy law of small models."""

import numpy as np
import pytest
from scipy import stats
from scipy.interpolate import PchipInterpolator

import fastgibbs as fg
from fastgibbs import analysis
from fastgibbs.analysis import rungs as module

LEVELS, COUNTS = fg.exact.spectrum(fg.lattice((4, 4))).density_of_states()


def energy_law(beta, levels=LEVELS, counts=COUNTS):
    """p(E) at beta, for each level."""
    weights = counts * np.exp(-beta * (levels - levels.min()))
    return weights / weights.sum()


def exact_rejections(betas, levels=LEVELS, counts=COUNTS):
    """1 - <min(1, exp((b' - b)(E' - E)))> of each gap, E at b and E' at b' independent."""
    laws = [energy_law(beta, levels, counts) for beta in betas]
    rise = np.minimum(levels[None, :] - levels[:, None], 0)
    return np.array(
        [laws[i] @ -np.expm1((betas[i + 1] - betas[i]) * rise) @ laws[i + 1] for i in range(len(betas) - 1)]
    )


def run(seed, ladders=4, draws=1000, keep=0.5, betas=(0.0, 0.2, 0.4, 0.6, 1.2)):
    """Energies (ladders, rungs, draws), exact at every rung; a draw is kept with probability `keep`: tau = 3 at 0.5."""
    rng = np.random.default_rng(seed)
    energies = np.empty((ladders, len(betas), draws))
    for rung, beta in enumerate(betas):
        fresh = rng.random((ladders, draws)) >= keep
        last_fresh = np.maximum.accumulate(np.where(fresh, np.arange(draws), 0), axis=1)
        drawn = rng.choice(LEVELS, (ladders, draws), p=energy_law(beta))
        energies[:, rung] = np.take_along_axis(drawn, last_fresh, axis=1)
    return energies


def problems(energies, round_trips=10, n=16):
    verdict = analysis.equilibration(energies, np.full(energies.shape[:2], round_trips), n)
    assert verdict.reached == (not verdict.problems)
    return verdict.problems


def test_exact_rejections_are_the_golden_ones():
    assert 1 - exact_rejections([0.40, 0.44])[0] == pytest.approx(0.8150933086, abs=1e-10)
    assert 1 - exact_rejections([0.3, 0.5])[0] == pytest.approx(0.2214857203, abs=1e-10)


def test_barriers_of_a_fine_ladder_are_the_integral_and_the_local_barrier():
    coarse, fine = np.linspace(0, 1, 501), np.linspace(0, 1, 1001)
    found = analysis.barrier(fine, exact_rejections(fine))
    missing = (found.total - analysis.barrier(coarse, exact_rejections(coarse)).total) / 3  # it falls with the step^2
    assert found.total + missing == pytest.approx(2.35419941, abs=1e-8)
    law = energy_law(fg.exact.CRITICAL_BETA)
    local = law @ abs(LEVELS[:, None] - LEVELS) @ law / 2
    assert local == pytest.approx(4.22905311, abs=1e-8)
    middles = (fine[1:] + fine[:-1]) / 2
    assert np.interp(fg.exact.CRITICAL_BETA, middles, found.density) == pytest.approx(local, rel=1e-5)


def test_the_local_barrier_is_per_beta_and_not_per_gap():
    found = analysis.barrier([0.0, 0.1, 0.4], [0.2, 0.3])
    assert found.total == 0.5
    np.testing.assert_allclose(found.density, [2.0, 1.0])
    np.testing.assert_array_equal(found.rejections, [0.2, 0.3])


@pytest.mark.parametrize("model", [fg.lattice((4, 4)), fg.edwards_anderson((4, 4), seed=3)], ids=["ising", "glass"])
@pytest.mark.parametrize("rungs", [3, 8, 20])
def test_equalized_ladders_reject_equally_after_a_few_rounds(model, rungs):
    law = fg.exact.spectrum(model).density_of_states()
    betas = np.linspace(0.0, 2.0, 11)
    assert np.ptp(exact_rejections(betas, *law)) > 0.3
    for _ in range(10):
        betas = analysis.equalized(betas, exact_rejections(betas, *law), rungs)
    assert betas.shape == (rungs,)
    assert (betas[0], betas[-1]) == (0.0, 2.0)
    assert np.ptp(exact_rejections(betas, *law)) < 2e-3


def test_a_ladder_of_equal_rejections_stays_as_it_is():
    betas = np.array([0.0, 0.1, 0.3, 0.35, 1.0])
    np.testing.assert_allclose(analysis.equalized(betas, np.full(4, 0.4), 5), betas, atol=1e-14)


def test_equalized_interpolates_the_inverse_of_the_barrier_as_scipy_does():
    rng = np.random.default_rng(5)
    for size in (2, 3, 4, 12, 13):
        betas, rejections = np.cumsum(rng.random(size)), rng.random(size - 1)
        if size == 13:  # down to those that count as 1e-6
            rejections = 10.0 ** np.arange(-9, 3)[rng.permutation(12)] / 100
        cumulated = np.append(0.0, np.cumsum(np.maximum(rejections, 1e-6)))
        expected = PchipInterpolator(cumulated, betas)(np.linspace(0, cumulated[-1], 31))
        np.testing.assert_allclose(analysis.equalized(betas, rejections, 31), expected, rtol=1e-12)


def test_equalized_betas_ascend_whatever_the_rejections():
    rng = np.random.default_rng(6)
    for _ in range(500):
        size = rng.integers(2, 12)
        rejections = rng.random(size - 1) ** rng.integers(1, 40) * (rng.random(size - 1) < 0.7)
        betas = np.cumsum(rng.random(size) + 1e-3)
        found = analysis.equalized(betas, rejections, rng.integers(2, 40))
        assert (np.diff(found) > 0).all()
        assert (found[0], found[-1]) == (betas[0], betas[-1])


def test_gaps_that_never_reject_keep_the_ladder():
    np.testing.assert_allclose(analysis.equalized([0.0, 0.1, 1.0], [0.0, 0.0], 3), [0.0, 0.1, 1.0])


def test_enough_rungs_are_twice_the_barrier_and_one():
    assert [analysis.enough_rungs(total) for total in (0, 0.3, 1.0, 2.35, 10.5)] == [2, 2, 3, 6, 22]
    betas = np.linspace(0, 1, 30)
    rungs = analysis.enough_rungs(exact_rejections(betas).sum())
    for _ in range(10):
        betas = analysis.equalized(betas, exact_rejections(betas), rungs)
    assert exact_rejections(betas).mean() == pytest.approx(0.45, abs=0.07)


@pytest.mark.parametrize("ladders", [1, 4, 16])
def test_a_good_run_passes_99_times_in_100(ladders):
    """At 1 %, more than 7 of 200 have probability 1e-3."""
    assert sum(bool(problems(run(seed, ladders))) for seed in range(200)) <= 7


def test_a_good_run_is_judged_by_the_autocorrelation_time():
    """The broken twin: without tau, runs of tau = 9 fail often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_tau_within", lambda energies, rounding: np.ones(energies.shape[1]))
        careless = sum(bool(problems(run(seed, keep=0.8))) for seed in range(40))
    assert careless > 20
    assert sum(bool(problems(run(seed, keep=0.8))) for seed in range(40)) <= 4


def test_a_rare_long_excitation_is_no_problem():
    """One stay of 30 draws in a single bin, of an else frozen rung: it shows no tau in the last half."""
    energies = run(8, ladders=1)
    energies[0, 4] = -32.0
    energies[0, 4, 150:180] = -24.0
    assert problems(energies) == ()
    energies[0, 4, 125:250:2] = -24.0  # 63 stays of one draw
    assert "moved" in problems(energies)[0]


def test_ladders_of_few_autocorrelation_times_still_agree():
    """Last halves of 11 tau: subtracting each ladder's mean hides a third of tau, and would fail 1 run in 7."""
    disagree = [any("others" in p for p in problems(run(seed, 32, 200, 0.8))) for seed in range(100)]
    assert sum(disagree) <= 5


def test_deviations_of_many_ladders_are_judged_by_their_spread():
    energies = run(9, ladders=16)
    energies[:, 2] += energies[:, 2].std() * np.linspace(0, 1, 1000)
    changes = energies[:, 2, 500:].mean(axis=1) - energies[:, 2, 125:250].mean(axis=1)
    p = stats.ttest_1samp(changes, 0).pvalue
    assert f"by {stats.norm.isf(p / 2):.1f} standard errors (3.9 allowed)" in problems(energies)[0]


@pytest.mark.parametrize("ladders", [1, 2, 4, 16])
def test_energies_that_relax_late_are_a_problem(ladders):
    energies = run(1, ladders, draws=4000, keep=0.0)
    energies[:, 3] += energies[:, 3].std() * np.exp(-np.arange(4000) / 1000)
    found = problems(energies)
    assert len(found) == 2
    assert found[0].startswith("Rung 3: the mean energy per site moved from")
    assert "in draws 501 to 1000" in found[0] and "in draws 1001 to 2000" in found[1]


def test_a_lasting_drift_of_a_single_ladder_is_a_problem():
    energies = run(2, ladders=1)
    energies[:, 2] += 10 * energies[:, 2].std() * np.linspace(1, 0, 1000)
    assert any(p.startswith("Rung 2: the last half, 500 draws, is") for p in problems(energies))


@pytest.mark.parametrize("ladders", [2, 4, 16])
def test_a_ladder_that_disagrees_is_a_problem(ladders):
    energies = run(3, ladders)
    energies[1, 2] = run(4, ladders, betas=(0.3, 0.4))[1, 0]  # rung 2 of ladder 1 is too hot
    (found,) = problems(energies)
    assert found.startswith("Rung 2: the mean energy per site is")
    assert "in ladder 1 and" in found or ladders == 2


def test_ladders_frozen_in_different_states_are_a_problem_and_equal_ones_are_not():
    frozen = run(5)
    frozen[:, 4] = -32.0 + 1e-14
    frozen[2, 4] = -32.0
    assert problems(frozen) == ()
    frozen[2, 4] = -24.0
    (found,) = problems(frozen)
    assert "is -1.5 in ladder 2 and -2 in the others" in found
    assert problems(np.zeros((3, 2, 100))) == ()


def test_replicas_that_did_not_travel_are_a_problem():
    round_trips = np.full((4, 5), 10)
    round_trips[3, 2], round_trips[0, 0] = 4, 9
    verdict = analysis.equilibration(run(6), round_trips, 16)
    assert verdict == (
        False,
        ("2 of 20 replicas made fewer than 10 round trips, replica 2 of ladder 3 only 4.",),
    )


def test_too_few_draws_are_a_problem_not_an_error():
    (found,) = problems(run(7, draws=63))
    assert found == "There are 63 draws: at least 64 are needed to judge a run."
    assert problems(run(7, draws=64, keep=0.0)) == ()


@pytest.mark.parametrize("freedom", [1, 3, 15, 200])
def test_normal_scores_are_as_improbable_as_students_t(freedom):
    t = np.array([-3.0, 0.5, 2.0, 8.0, 40.0])
    exact = stats.norm.isf(stats.t.sf(abs(t), freedom))
    np.testing.assert_allclose(module._normal_score(t, freedom), exact, rtol=0.1 / freedom)


@pytest.mark.parametrize(
    ("betas", "rejections", "message"),
    [
        ([0.0, 0.2, 0.2], [0.1, 0.1], r"betas\[2\] is 0.2 after 0.2"),
        ([0.3, 0.1], [0.1], r"betas\[1\] is 0.1 after 0.3"),
        ([0.5], [], "betas has shape"),
        ([0.0, np.nan], [0.1], r"betas\[1\] is nan"),
        ([0.0, 1.0], [0.1, 0.1], "rejections has shape"),
        ([0.0, 1.0], [1.2], "rejections run from"),
        ([0.0, 1.0, 2.0], [0.1, np.nan], r"rejections\[1\] is nan"),
    ],
)
def test_bad_ladders_are_refused(betas, rejections, message):
    with pytest.raises(ValueError, match=message):
        analysis.barrier(betas, rejections)
    with pytest.raises(ValueError, match=message):
        analysis.equalized(betas, rejections, 3)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="rungs is 1"):
        analysis.equalized([0.0, 1.0], [0.5], 1)
    with pytest.raises(ValueError, match="total is -1"):
        analysis.enough_rungs(-1)


def test_bad_records_are_refused():
    trips, energies = np.full((2, 3), 10), np.zeros((2, 3, 100))
    energies[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"energies\[1, 2, 3\] is nan"):
        analysis.equilibration(energies, trips, 16)
    with pytest.raises(ValueError, match="energies has shape"):
        analysis.equilibration(np.zeros((2, 1, 100)), trips, 16)
    with pytest.raises(ValueError, match="round_trips has shape"):
        analysis.equilibration(np.zeros((2, 4, 100)), trips, 16)
    with pytest.raises(TypeError, match="round_trips has dtype float64"):
        analysis.equilibration(np.zeros((2, 3, 100)), trips / 2, 16)
    with pytest.raises(ValueError, match="n is 0"):
        analysis.equilibration(np.zeros((2, 3, 100)), trips, 0)


@pytest.mark.parametrize("ladders", [2, 3, 8])
def test_ladders_apart_are_so_many_standard_errors_apart(ladders):
    """The mean of one ladder less that of the others has the variance of a mean times L / (L - 1)."""
    energies = np.random.default_rng(3).normal(size=(ladders, 2, 40_000))
    energies[0] += 0.2
    (found, *_) = [problem for problem in problems(energies) if "in ladder 0" in problem or ladders == 2]
    half = energies[:, :, 20_000:].mean(axis=2)
    apart = (half[0] - half[1:].mean(axis=0)) / np.sqrt(1 / 20_000 * ladders / (ladders - 1))
    score = float(found.split("others, ")[1].split(" standard")[0])
    assert min(abs(score / apart - 1)) < 0.1  # sqrt(L / (L - 1)) is 1.41, 1.22 and 1.07
