"""Summaries of results: the numbers of the functions they stand for, in columns, and warnings only where due."""

import itertools

import numpy as np
import pytest
from test_analysis import autoregressive
from test_reweighting import TORUS, sampled

import fastgibbs as fg
from fastgibbs import analysis
from fastgibbs.analysis.records import by_beta
from fastgibbs.analysis.reports import aligned, with_error


@pytest.fixture(scope="module")
def result():
    return fg.sample(TORUS, beta=np.repeat([0.0, 0.2, 0.3, -0.2], 16), sweeps=2000, burn_in=100, thin=2, seed=1)


def rows(text):
    """The table as dictionaries."""
    lines = text.splitlines()
    rule = next(k for k, line in enumerate(lines) if line.startswith("---"))
    ends = [k for k in range(len(lines[rule])) if lines[rule][k] == "-" and lines[rule][k + 1 : k + 2] in ("", " ")]
    begins = [0, *(end + 1 for end in ends[:-1])]
    cut = [[line[a : b + 1].strip() for a, b in zip(begins, ends, strict=True)] for line in lines[rule - 1 :]]
    rows = itertools.takewhile(lambda row: row[0], cut[2:])
    return [dict(zip(cut[0], row, strict=True)) for row in rows]


def value(cell):
    return float(cell.partition("(")[0])


def test_a_summary_shows_what_the_functions_of_analysis_say(result):
    table = rows(result.summary())
    assert [row["beta"] for row in table] == ["-0.2", "0", "0.2", "0.3"]
    assert [row["T"] for row in table] == ["-5", "inf", "5", "3.3333"]
    for row in table:
        beta = float(row["beta"])
        energy, m = (record[result.beta == beta] for record in (result.energy, result.magnetization))
        assert row["chains"] == "16"
        assert row["E/N"] == with_error(*analysis.standard_error(energy / TORUS.n)[:2])
        assert row["|m|"] == with_error(*analysis.standard_error(abs(m))[:2])
        assert row["C/N"] == with_error(*analysis.heat_capacity(energy, beta, TORUS.n))
        assert row["chi"] == with_error(*analysis.susceptibility(m, beta, TORUS.n))
        assert row["U"] == with_error(*analysis.binder_cumulant(m))
        tau = max(analysis.autocorrelation_time(energy), analysis.autocorrelation_time(abs(m)))
        assert (row["tau"], row["ESS"]) == (f"{tau:.1f}", f"{energy.size / tau:.0f}")
        assert row["R-hat"] == f"{max(analysis.split_r_hat(energy), analysis.split_r_hat(abs(m))):.4f}"
    assert result.summary().startswith(repr(result))


def test_a_good_run_has_no_warning(result):
    assert "WARNING" not in result.summary()
    assert result.summary().endswith("Every chain is at least 50 tau long, and no R-hat is above 1.01.")


def test_chains_that_are_too_short_are_named_with_how_much_more_they_need():
    energy = np.concatenate([autoregressive(0.9, 16, 400), autoregressive(0.0, 16, 400)])
    text = sampled(energy, np.ones((32, 400)), np.repeat([0.3, 0.4], 16)).summary()
    (warning,) = [line for line in text.splitlines() if "WARNING" in line and "shorter" in line]
    tau = analysis.autocorrelation_time(energy[:16])
    assert f"shorter than 50 tau at one beta, worst at beta = 0.3 with {400 / tau:.1f}" in warning
    assert float(warning.split("give ")[1].split(" x")[0]) * 400 / tau >= 50


def tables(chains, tau, draws, count, seed, offsets=0.0):
    """Summaries of well-mixed chains whose records are autoregressive, or about offsets in standard deviations."""
    rho = (tau - 1) / (tau + 1)
    spread = np.reshape(np.resize(offsets, chains), (-1, 1)) / np.sqrt(1 - rho**2)
    for k in range(count):
        energy, m = (autoregressive(rho, chains, draws, seed=[seed, k, which]) + spread for which in (0, 1))
        yield sampled(energy, m, np.full(chains, 0.3)).summary()


MIXED = [(4, 1), (4, 9), (4, 50), (16, 9), (64, 1), (64, 3)]


def test_good_chains_of_60_tau_are_warned_of_in_one_table_of_50_at_most():
    """360 tables, 1 in 100 expected and 7 allowed: 4 % of seeds would fail. R-hat alone warns of more than half."""
    texts = [text for chains, tau in MIXED for text in tables(chains, tau, 60 * tau, 60, 1)]
    assert sum("WARNING" in text for text in texts) <= 7
    assert not any("Every chain is at least" in text for text in texts if float(rows(text)[0]["R-hat"]) > 1.01)
    assert sum(float(rows(text)[0]["R-hat"]) > 1.01 for text in texts) > 180  # the broken twin


@pytest.mark.parametrize(("chains", "tau"), MIXED)
def test_chains_stuck_in_two_wells_are_found(chains, tau):
    for text in tables(chains, tau, 60 * tau, 10, 2, [0.75, -0.75]):
        assert "WARNING: chains disagree, R-hat is above 1.01" in text


@pytest.mark.parametrize("tau", [1, 9])
def test_64_chains_of_40_tau_are_too_short_and_of_60_are_not(tau):
    assert all("WARNING: chains are shorter than 50 tau" in text for text in tables(64, tau, 40 * tau, 10, 3))
    assert not any("shorter than 50 tau" in text for text in tables(64, tau, 60 * tau, 10, 4))


def test_errors_from_short_stretches_of_few_chains_are_noted():
    for chains, draws, noted in ((2, 600, True), (2, 3000, False), (16, 600, False)):
        (text,) = tables(chains, 9, draws, 1, 5)
        assert ("Errors of C, chi and U at one beta are 5 to 8 % too small" in text) == noted


def test_a_score_of_disagreement_is_a_normal_one():
    """1000 records of 16 chains of 60 tau: 5 % beyond 1.64, within 4 standard errors of 5 %."""
    records = [autoregressive(0.8, 16, 540, seed=[6, k]) for k in range(1000)]
    assert 0.022 < np.mean([analysis.disagreement(record) > 1.645 for record in records]) < 0.078
    wide = [record + np.resize([0.3, -0.3], 16)[:, None] for record in records[:100]]  # of a spread of 1.67
    assert np.mean([analysis.disagreement(record) > 1.645 for record in wide]) > 0.3
    assert analysis.disagreement(np.ones((3, 10))) == -np.inf
    assert analysis.disagreement(np.ones((3, 10)) * np.arange(3)[:, None]) == np.inf


def test_chains_that_disagree_are_named():
    energy = np.random.default_rng(1).normal(size=(32, 10_000))
    beta = np.repeat([0.3, 0.4], 16)
    assert "WARNING" not in sampled(energy, np.ones(energy.shape), beta).summary()
    energy[5] += 1
    text = sampled(energy, np.ones(energy.shape), beta).summary()
    assert "chains disagree, R-hat is above 1.01, at one beta, worst at beta = 0.3" in text


def test_a_tempering_is_summed_up_rung_by_rung_with_the_signs_of_disequilibrium():
    glass = fg.edwards_anderson((4, 4), seed=1)
    tempered = fg.temper(glass, betas=[0.2, 0.5, 0.9], sweeps=4000, ladders=16, seed=1)
    table = rows(tempered.summary())
    assert [row["beta"] for row in table] == ["0.2", "0.5", "0.9"]
    for rung, row in enumerate(table):
        assert value(row["E/N"]) == pytest.approx(tempered.energy[:, rung].mean() / 16, abs=1e-3)
    assert "WARNING" not in tempered.summary()
    short = fg.temper(glass, betas=[0.2, 0.9, 6.0], sweeps=40, ladders=2, seed=1)
    for problem in short.equilibration.problems:
        assert f"WARNING: {problem}" in short.summary()


def test_models_of_a_sequence_have_rows_of_their_own():
    glasses = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(3)]
    result = fg.sample(glasses, beta=0.7, chains=48, sweeps=1000, seed=1)
    table = rows(result.summary())
    assert [row["model"] for row in table] == ["0", "1", "2"]
    for k, row in enumerate(table):
        mine = result.energy[16 * k : 16 * k + 16] / 16
        assert row["E/N"] == with_error(*analysis.standard_error(mine)[:2])


def test_a_run_that_was_stopped_at_once_has_no_table():
    assert "no table: there are 3 draws" in fg.sample(TORUS, beta=0.1, sweeps=3, seed=1).summary()


def test_a_frozen_run_is_summed_up():
    text = fg.sample(TORUS, beta=50.0, sweeps=100, chains=4, start=np.ones(TORUS.n), seed=1).summary()
    (row,) = rows(text)
    assert (row["E/N"], row["|m|"], row["tau"], row["R-hat"]) == ("-2", "1", "1.0", "1.0000")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.43214, 0.0012, "0.4321(12)"),
        (-1.5, 0.0999, "-1.50(10)"),
        (12.345, 4.51, "12.3(4.5)"),
        (1234.5, 36.0, "1234(36)"),
        (123456.0, 1234.0, "123456(1234)"),
        (0.5, 0.0, "0.5"),
        (0.5, np.inf, "0.5(?)"),
        (np.nan, 0.1, "nan"),
        (2.0, 9.96e-4, "2.0000(10)"),
    ],
)
def test_errors_are_shown_in_two_digits(value, error, text):
    assert with_error(value, error) == text


def test_columns_are_aligned_at_their_decimal_points():
    assert aligned({"a": ["1.25(3)", "10", "-2.5"], "long heading": ["x", "yy", "1.0"]}) == [
        "       a  long heading",
        "--------  ------------",
        " 1.25(3)           x",
        "10                yy",
        "-2.5               1.0",
    ]


def test_records_of_a_ladder_are_those_of_its_rungs():
    result = fg.temper(fg.lattice((4, 4)), betas=[0.1, 0.3, 0.6], sweeps=20, ladders=3, seed=1, overlap_every=0)
    groups = by_beta(result)
    assert [group.beta for group in groups] == [0.1, 0.3, 0.6]
    for rung, group in enumerate(groups):
        np.testing.assert_array_equal(group.energy, result.energy[:, rung])
        np.testing.assert_array_equal(group.magnetization, result.magnetization[:, rung])


@pytest.mark.parametrize("other", [TORUS, None, fg.SampleResult, "a result", {}], ids=repr)
def test_other_things_are_refused(other):
    with pytest.raises(TypeError, match="give what sample, anneal, temper, recall, train or fit_ising returned"):
        analysis.summary(other)
    with pytest.raises(TypeError, match="give a SampleResult or a TemperResult"):
        by_beta(other)
