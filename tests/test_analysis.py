"""Autocorrelation times, effective sample sizes and error bars against what is known."""

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


def test_autocorrelation_time_agrees_with_emcee():
    record = autoregressive(0.9, chains=1, draws=20_000)[0]
    assert analysis.autocorrelation_time(record) == pytest.approx(integrated_time(record)[0], rel=0.02)


def test_a_record_that_never_changes_or_alternates_has_tau_1():
    assert analysis.autocorrelation_time(np.ones((3, 50))) == 1.0
    assert analysis.autocorrelation_time(np.resize([1.0, -1.0], 1000)) == 1.0


def test_chains_that_disagree_have_a_long_autocorrelation_time():
    stuck = np.random.default_rng(2).normal(size=(8, 500)) + np.arange(8)[:, None]
    assert analysis.autocorrelation_time(stuck) > 100


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


@pytest.mark.parametrize("record", [np.empty((3, 0)), np.ones((2, 2, 2))])
def test_records_of_the_wrong_shape_are_refused(record):
    with pytest.raises(ValueError, match="record has shape"):
        analysis.autocorrelation_time(record)


def test_error_bars_from_one_chain_are_refused():
    with pytest.raises(ValueError, match="at least 2"):
        analysis.jackknife(np.mean, np.ones(10))
