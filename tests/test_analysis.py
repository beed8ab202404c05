"""Autocorrelation times, error bars, R-hat and thermodynamics of records against what is known."""

import warnings

import numpy as np
import pytest
from emcee.autocorr import integrated_time

from fastgibbs import analysis


def autoregressive(rho, chains, draws, seed=1):
    """x_t = rho x_{t-1} + noise from its stationary law: tau = (1 + rho) / (1 - rho) exactly."""
    noise = np.random.default_rng(seed).normal(size=(draws, chains))
    x = np.empty((draws, chains))
    x[0] = noise[0] / np.sqrt(1 - rho**2)
    for t in range(1, draws):
        x[t] = rho * x[t - 1] + noise[t]
    return x.T


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_an_autoregressive_process(rho):
    record = autoregressive(rho, chains=64, draws=4000)
    exact = (1 + rho) / (1 - rho)
    assert analysis.autocorrelation_time(record) == pytest.approx(exact, rel=0.03)
    assert analysis.effective_sample_size(record) == pytest.approx(record.size / exact, rel=0.03)


@pytest.mark.parametrize(("rho", "chains", "draws"), [(0.9, 1, 20_000), (0.99, 1, 50_000), (0.6, 8, 1500)])
def test_autocorrelation_time_agrees_with_emcee(rho, chains, draws):
    """emcee averages the walkers' autocorrelations about their own means: the same to tau / draws."""
    record = autoregressive(rho, chains, draws)
    theirs = integrated_time(record.T[:, :, None], has_walkers=True)[0]
    assert analysis.autocorrelation_time(record) == pytest.approx(theirs, rel=0.02)
    thinned = analysis.autocorrelation_time(record[:, ::2])  # the broken twin: another record
    assert thinned != pytest.approx(theirs, rel=0.02)


def direct_autocorrelation_time(record):
    """Sokal's sum, lag by lag."""
    x = record - record.mean()
    draws = x.shape[1]
    covariance = [(x[:, : draws - lag] * x[:, lag:]).mean() for lag in range(draws)]
    tau = 2 * np.cumsum(covariance) / covariance[0] - 1
    return tau[np.flatnonzero(np.arange(draws) >= 5 * tau)[0]]


@pytest.mark.parametrize("lags", [4, 64, 1024])
@pytest.mark.parametrize(("chains", "draws"), [(1, 700), (3, 1024), (5, 333)])
def test_autocorrelation_time_is_sokals_sum_however_the_record_is_cut(lags, chains, draws, monkeypatch):
    monkeypatch.setattr("fastgibbs.analysis.errors._LAGS", lags)
    record = 1e3 + autoregressive(0.8, chains, draws)
    assert analysis.autocorrelation_time(record) == pytest.approx(direct_autocorrelation_time(record), rel=1e-9)


def test_a_record_that_never_changes_or_alternates_has_tau_1():
    assert analysis.autocorrelation_time(np.ones((3, 50))) == 1.0
    assert analysis.autocorrelation_time(np.resize([1.0, -1.0], 1000)) == 1.0


def test_a_large_mean_changes_neither_tau_nor_the_heat_capacity():
    record = autoregressive(0.8, chains=8, draws=2000)
    shifted = 2.0**30 + np.round(record * 2**20) / 2**20  # without rounding
    assert analysis.autocorrelation_time(shifted) == pytest.approx(analysis.autocorrelation_time(record), rel=1e-3)
    np.testing.assert_allclose(
        analysis.heat_capacity(shifted, 0.5, 9), analysis.heat_capacity(record, 0.5, 9), rtol=1e-3
    )


def test_chains_that_disagree_have_a_long_autocorrelation_time():
    stuck = np.random.default_rng(2).normal(size=(8, 500)) + np.arange(8)[:, None]
    assert analysis.autocorrelation_time(stuck) > 100


def coverage(errors_of, records, truth=0.0):
    """The share of records whose mean is within one error of the truth."""
    return np.mean([abs(record.mean() - truth) < errors_of(record) for record in records])


def test_standard_errors_cover_the_truth_as_often_as_they_should():
    """500 records of tau = 9: 68 % within one error, 1 false alarm in 10^4 at 4 sigma; independent draws would not."""
    records = autoregressive(0.8, 500 * 8, draws=400).reshape(500, 8, 400)
    assert 0.60 < coverage(lambda r: analysis.standard_error(r).error, records) < 0.77
    assert coverage(lambda r: r.std() / np.sqrt(r.size), records) < 0.4  # the broken twin: tau = 1


def test_a_standard_error_is_that_of_the_effective_draws():
    record = autoregressive(0.8, chains=8, draws=400)
    found = analysis.standard_error(record)
    assert found.tau == analysis.autocorrelation_time(record)
    assert found.effective_draws == analysis.effective_sample_size(record) == record.size / found.tau
    assert (found.mean, found.error) == pytest.approx(
        (record.mean(), record.std() / np.sqrt(found.effective_draws - 1)), rel=1e-12
    )
    assert analysis.standard_error([3.0]) == (3.0, np.inf, 1.0, 1.0)


def arviz():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its next version once a day
        return pytest.importorskip("arviz", reason="arviz is not installed")


@pytest.mark.parametrize("draws", [4, 5, 100, 201])
def test_split_r_hat_is_that_of_arviz(draws):
    record = autoregressive(0.7, chains=5, draws=draws) + np.arange(5)[:, None]
    middle = np.delete(record, draws // 2, axis=1) if draws % 2 else record  # arviz keeps it in the second half
    assert analysis.split_r_hat(record) == pytest.approx(float(arviz().rhat(middle, method="split")), rel=1e-12)
    unsplit = float(arviz().rhat(middle, method="identity"))  # the broken twin
    assert analysis.split_r_hat(record) != pytest.approx(unsplit, rel=1e-6)


def test_split_r_hat_tells_chains_that_agree_from_those_that_drift_or_differ():
    good = autoregressive(0.5, chains=16, draws=2000)
    assert analysis.split_r_hat(good) < 1.003
    assert analysis.split_r_hat(good + np.linspace(0, 1, 2000)) > 1.01
    assert analysis.split_r_hat(good + np.linspace(0, 1, 16)[:, None]) > 1.01
    assert analysis.split_r_hat(np.ones((3, 10))) == 1.0
    assert analysis.split_r_hat(np.ones((3, 10)) * np.arange(3)[:, None]) == np.inf
    with pytest.raises(ValueError, match="3 draws a chain"):
        analysis.split_r_hat(np.ones((2, 3)))


def test_binning_errors_level_off_at_the_error_of_the_mean():
    """tau = 19: from bins of 256 draws on, within 4 of the errors' own errors; too short bins are far below."""
    record = autoregressive(0.9, chains=32, draws=2**13)
    exact = np.sqrt(1 / (1 - 0.81) * 19 / record.size)
    found = analysis.binning(record)
    np.testing.assert_array_equal(found.sizes, 2 ** np.arange(found.sizes.size))
    long = (found.sizes >= 256) & (found.sizes <= 2**13)
    assert (abs(found.errors - exact)[long] < 4 * found.uncertainties[long]).all()
    assert found.errors[0] == pytest.approx(record.std(ddof=1) / np.sqrt(record.size))
    np.testing.assert_allclose(found.uncertainties, found.errors / np.sqrt(2 * (32 * 2**13 // found.sizes - 1)))
    assert found.errors[0] + 4 * found.uncertainties[0] < exact / 4
    shuffled = np.random.default_rng(5).permutation(record, axis=1)  # the broken twin: no correlation is left
    wrong = analysis.binning(shuffled)
    assert (wrong.errors[long] + 4 * wrong.uncertainties[long] < exact).any()


def test_bins_lie_within_chains():
    record = np.arange(14.0).reshape(2, 7)
    found = analysis.binning(record)
    np.testing.assert_array_equal(found.sizes, [1, 2, 4])
    pairs = (record[:, 0:6:2] + record[:, 1:6:2]) / 2
    assert found.errors[1] == pytest.approx(pairs.std(ddof=1) / np.sqrt(6))
    with pytest.raises(ValueError, match="1 draw"):
        analysis.binning([1.0])


@pytest.mark.parametrize(
    ("shape", "rows"), [((64, 10), (64, 10)), ((16, 3), (16, 3)), ((3, 61), (18, 10)), ((1, 5), (5, 1))]
)
def test_blocks_are_chains_or_stretches_of_each(shape, rows):
    record = np.arange(np.prod(shape), dtype=float).reshape(shape)
    found = analysis.blocks(record)
    assert found.shape == rows
    np.testing.assert_array_equal(found.reshape(shape[0], -1), record[:, shape[1] - found.size // shape[0] :])
    np.testing.assert_array_equal(np.diff(found, axis=1), 1)


def test_jackknife_of_a_mean_is_the_spread_of_chain_means():
    record = autoregressive(0.8, chains=20, draws=100)
    value, error = analysis.jackknife(np.mean, record)
    assert value == pytest.approx(record.mean())
    assert error == pytest.approx(record.mean(axis=1).std(ddof=1) / np.sqrt(20))


def test_jackknife_errors_cover_the_truth_as_often_as_they_should():
    """The variance of 400 records of 32 chains: 68 % within one error, 1 false alarm in 10^5 at 5 sigma of 400."""
    records = np.random.default_rng(3).normal(size=(400, 32, 20))
    covered = [abs(v - 1) < e for v, e in (analysis.jackknife(np.var, r) for r in records)]
    assert 0.57 < np.mean(covered) < 0.79


M, P = np.array([-0.9, -0.5, 0.1, 0.5]), np.array([0.1, 0.2, 0.375, 0.325])  # a law of m
THERMODYNAMICS = {
    "C": (lambda e, m: analysis.heat_capacity(e, 0.4, 16), 0.4**2 * 9 / 16),
    "chi": (lambda e, m: analysis.susceptibility(m, 0.4, 16), 6.4 * (P @ M**2 - (P @ abs(M)) ** 2)),
    "chi above Tc": (lambda e, m: analysis.susceptibility(m, 0.4, 16, connected=False), 6.4 * P @ M**2),
    "U": (lambda e, m: analysis.binder_cumulant(m), 1 - P @ M**4 / (3 * (P @ M**2) ** 2)),
}


def thermal(records, chains, draws, seed=1):
    """Energies of mean -20 and variance 9, and m from its law, (records, chains, draws); both have tau = 4."""
    rng = np.random.default_rng(seed)
    energy = -20 + 3 * 0.8 * autoregressive(0.6, records * chains, draws, seed)
    fresh = rng.random(energy.shape) >= 0.6
    last = np.maximum.accumulate(np.where(fresh, np.arange(draws), 0), axis=1)
    m = np.take_along_axis(rng.choice(M, energy.shape, p=P), last, axis=1)
    return energy.reshape(records, chains, draws), m.reshape(records, chains, draws)


@pytest.mark.parametrize("name", THERMODYNAMICS)
@pytest.mark.parametrize(("chains", "draws"), [(32, 100), (2, 1600)])
def test_thermodynamics_are_the_known_moments_as_often_as_their_errors_say(name, chains, draws):
    """300 records: 68 % within one error; 1 false alarm in 10^5 at 4.5 sigma, for each of 8 tests."""
    estimate, exact = THERMODYNAMICS[name]

    def covered(energies, ms):
        found = np.array([estimate(energy, m) for energy, m in zip(energies, ms, strict=True)])
        return (abs(found[:, 0] - exact) < found[:, 1]).mean()

    records = thermal(300, chains, draws)
    assert 0.56 < covered(*records) < 0.80
    rng = np.random.default_rng(2)  # the broken twin: draws are mixed within a record, and taken as independent
    mixed = [rng.permuted(record.reshape(300, -1), axis=1).reshape(record.shape) for record in records]
    assert covered(*mixed) < 0.56


def test_the_binder_cumulant_runs_from_0_to_two_thirds():
    gaussian = np.random.default_rng(6).normal(size=(64, 4000))
    value, error = analysis.binder_cumulant(gaussian)
    assert abs(value) < 4 * error < 0.02
    assert analysis.binder_cumulant(np.sign(gaussian)) == (pytest.approx(2 / 3), pytest.approx(0, abs=1e-14))
    assert analysis.binder_cumulant(np.zeros((4, 4))) == (0.0, 0.0)


def test_thermodynamics_of_one_chain_are_those_of_its_stretches():
    (energy,), (m,) = thermal(1, 32, 200)
    assert analysis.heat_capacity(energy[3], 0.4, 16)[0] == pytest.approx(0.01 * energy[3, 8:].var())
    assert analysis.binder_cumulant(m[3])[1] > 2 * analysis.binder_cumulant(m)[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: analysis.heat_capacity(np.ones((4, 4)), np.nan, 4), "beta is nan"),
        (lambda: analysis.heat_capacity(np.ones((4, 4)), 1.0, 0), "n is 0"),
        (lambda: analysis.susceptibility(np.ones((4, 4)), 1.0, -1), "n is -1"),
        (lambda: analysis.binder_cumulant(np.full((2, 2), np.inf)), r"record\[0, 0\] is inf"),
        (lambda: analysis.binder_cumulant([[1.0]]), "at least 2"),
        (lambda: analysis.jackknife(np.add, np.ones((4, 5)), np.ones((3, 5))), r"records have \[4, 3\] chains"),
    ],
)
def test_bad_records_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("record", [np.empty((3, 0)), np.ones((2, 2, 2))])
def test_records_of_the_wrong_shape_are_refused(record):
    with pytest.raises(ValueError, match="record has shape"):
        analysis.autocorrelation_time(record)


def test_error_bars_from_one_chain_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        analysis.jackknife(np.mean, np.ones(10))
