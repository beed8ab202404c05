"""Reweighting against exact laws, Kaufman's torus and pymbar: values, error bars, and twins that must miss."""

import dataclasses
import logging
import warnings

import numpy as np
import pytest
from scipy import stats

import fastgibbs as fg
from fastgibbs import analysis
from fastgibbs.results.base import Timing

SQUARE = fg.lattice((4, 4))
NAMES = ("energy", "heat_capacity", "magnetization", "susceptibility", "binder", "entropy", "free_energy")


def law():
    """E and m of the 4 x 4 torus, and the number of states of each pair."""
    states = fg.exact.states(16)
    pairs, counts = np.unique([SQUARE.energy(states), states.mean(axis=1)], axis=1, return_counts=True)
    return *pairs, counts


E, M, COUNTS = law()


def probabilities(beta):
    weights = COUNTS * np.exp(-beta * (E - E.min()))
    return weights / weights.sum()


def exact(beta):
    """The seven quantities of `Reweighted` on the 4 x 4 torus, in order."""
    p = probabilities(beta)
    e, m, m2, m4 = p @ E, p @ abs(M), p @ M**2, p @ M**4
    log_z = np.log(COUNTS @ np.exp(-beta * (E - E.min()))) - beta * E.min()
    return (
        e / 16,
        beta**2 * (p @ E**2 - e**2) / 16,
        m,
        16 * beta * (m2 - m**2),
        1 - m4 / (3 * m2**2),
        (log_z + beta * e) / 16,
        -log_z / (16 * beta),
    )


def drawn(betas, chains, draws, keep=0.0, seed=1):
    """A SampleResult of exact draws at each beta; a draw is kept with probability `keep`."""
    rng = np.random.default_rng(seed)
    which = [rng.choice(E.size, (chains, draws), p=probabilities(beta)) for beta in betas]
    fresh = rng.random((len(betas), chains, draws)) >= keep
    last = np.maximum.accumulate(np.where(fresh, np.arange(draws), 0), axis=2)
    which = np.concatenate(np.take_along_axis(np.array(which), last, axis=2))
    return sampled(E[which], M[which], np.repeat(betas, chains))


def sampled(energy, magnetization, beta, model=SQUARE):
    rest = dict(seed=0, engine="exact", strips=1, rule="gibbs", scan="sequential", burn_in=0, thin=1)
    timing = Timing(0.0, 0.0, 0.0, 0.0)
    arrays = dict(energy=energy, magnetization=magnetization, observables={}, beta=beta)
    return fg.SampleResult(model, **arrays, timing=timing, interrupted=False, _blocks=[], **rest)


def values(found):
    return np.array([getattr(found, name) for name in NAMES])


def errors(found):
    return np.array([getattr(found, f"{name}_error") for name in NAMES])


BETAS, BETWEEN = np.array([0.0, 0.15, 0.3, 0.5]), np.array([0.05, 0.22, 0.4, 0.52])
EXACT = np.transpose([exact(beta) for beta in BETWEEN])


@pytest.mark.parametrize(("chains", "draws", "keep"), [(64, 60, 0.0), (3, 4000, 0.8)])
def test_95_percent_intervals_cover_the_truth_as_often(chains, draws, keep):
    """120 runs, the second of tau = 9 and blocks of 375 draws. Student's t of 31; 28 x 2 counts, each falsely below 102
    or at 120 in all once in 10^5."""
    covered = np.zeros(EXACT.shape)
    for seed in range(120):
        found = analysis.reweight(drawn(BETAS, chains, draws, keep, seed), BETWEEN)
        covered += abs(values(found) - EXACT) < stats.t.ppf(0.975, 31) * errors(found)
    assert (covered >= 102).all(), covered
    assert covered.mean() < 118


def test_errors_that_take_correlated_draws_as_independent_cover_too_little():
    """The broken twin: mixed in time, draws of tau = 9 look independent and errors are 3 times too small."""
    covered = np.zeros(EXACT.shape)
    for seed in range(60):
        result = drawn(BETAS, 3, 1000, 0.8, seed)
        rng = np.random.default_rng(seed)
        order = rng.permuted(np.tile(np.arange(1000), (12, 1)), axis=1)
        mixed = [np.take_along_axis(record, order, axis=1) for record in (result.energy, result.magnetization)]
        found = analysis.reweight(sampled(*mixed, result.beta), BETWEEN)
        covered += abs(values(found) - EXACT) < stats.t.ppf(0.975, 31) * errors(found)
    assert (covered < 45).all()


def test_a_single_histogram_reaches_nearby_betas_and_warns_of_those_out_of_reach():
    found = analysis.reweight(drawn([0.4], 64, 400), [0.36, 0.4, 0.45])
    truth = np.transpose([exact(beta) for beta in found.betas])
    # log Z is relative to that at 0.4
    log_z = -0.4 * exact(0.4)[-1]
    truth[5] -= log_z
    truth[6] += log_z / found.betas
    known = errors(found) > 0
    assert known[:5].all()
    assert (abs(values(found) - truth) < 4.5 * errors(found) + 1e-12).all()
    assert (found.effective_draws > 10_000).all()
    assert found.effective_draws[1] == pytest.approx(64 * 400)  # all draws weigh the same there
    with pytest.warns(UserWarning, match=r"fewer than 100 draws at 1 of 2 betas, on \d+ at beta = -0.2"):
        far = analysis.reweight(drawn([0.4], 64, 400), [0.38, -0.2])
    assert far.effective_draws[1] < 100 < far.effective_draws[0]


TORUS = fg.lattice((12, 12))
LADDER = np.array([0.0, 0.1, 0.2, 0.3, 0.36, 0.4, 0.44, 0.48])
OFF = np.array([0.05, 0.15, 0.25, 0.33, 0.38, 0.42, 0.46])


def kaufman(betas):
    """E, C, S and F per site."""
    known = fg.exact.torus(TORUS.shape, betas)
    entropy = known.log_z + betas * known.energy
    return np.array([known.energy, known.heat_capacity, entropy, -known.log_z / betas]) / TORUS.n


def scores(found):
    order = [NAMES.index(name) for name in ("energy", "heat_capacity", "entropy", "free_energy")]
    return (values(found)[order] - kaufman(OFF)) / errors(found)[order]


LIMIT = stats.t.isf(1e-4 / (2 * 28), 31)  # the largest of 28 scores exceeds it once in 10^4 runs


@pytest.fixture(scope="module")
def chains():
    return fg.sample(TORUS, beta=np.repeat(LADDER, 64), sweeps=6000, burn_in=500, thin=12, seed=5)


@pytest.fixture(scope="module")
def ladders():
    return fg.temper(TORUS, betas=LADDER, sweeps=24_000, ladders=16, thin=12, seed=6)


@pytest.mark.parametrize("result", ["chains", "ladders"])
def test_curves_between_the_sampled_temperatures_are_kaufmans(result, request):
    result = request.getfixturevalue(result)
    found = analysis.reweight(result, OFF)
    assert abs(scores(found)).max() < LIMIT
    assert (found.energy_error < 0.002).all() and (found.heat_capacity_error < 0.02).all()
    assert (found.entropy_error < 0.001).all() and (found.free_energy_error < 0.001).all()


@pytest.mark.parametrize("broken", ["2 % of beta", "per site", "one rung astray", "wrong reference"])
def test_broken_twins_miss_kaufmans_curves(chains, broken):
    if broken == "2 % of beta":
        chains = dataclasses.replace(chains, beta=1.02 * chains.beta)
    elif broken == "per site":
        chains = dataclasses.replace(chains, energy=chains.energy / TORUS.n)
    elif broken == "one rung astray":
        chains = dataclasses.replace(chains, beta=np.where(chains.beta == 0.36, 0.37, chains.beta))
    else:
        chains = dataclasses.replace(chains, beta=np.where(chains.beta == 0, 1e-3, chains.beta))
    assert abs(scores(analysis.reweight(chains, OFF))).max() > 2 * LIMIT


def test_the_magnetization_between_sampled_temperatures_is_that_of_a_run_there(chains):
    """5 x 3 scores, false alarm 10^-4."""
    found = analysis.reweight(chains, OFF[-3:])
    direct = fg.sample(TORUS, beta=np.repeat(OFF[-3:], 64), sweeps=6000, burn_in=500, thin=4, seed=7)
    there = [(b, direct.magnetization[direct.beta == b]) for b in OFF[-3:]]
    for name, estimates in {
        "magnetization": [analysis.standard_error(abs(m))[:2] for _, m in there],
        "susceptibility": [analysis.susceptibility(m, b, TORUS.n) for b, m in there],
        "binder": [analysis.binder_cumulant(m) for _, m in there],
    }.items():
        value, error = np.transpose(estimates)
        total = np.hypot(error, getattr(found, f"{name}_error"))
        assert (abs(getattr(found, name) - value) < 4.5 * total).all()


def pymbar():
    for name in ("pymbar.mbar_solvers", "pymbar.timeseries"):  # banners on import
        logging.getLogger(name).setLevel(logging.ERROR)
    return pytest.importorskip("pymbar", reason="pymbar comes with the extra [free-energy]")


@pytest.mark.parametrize("result", ["chains", "ladders"])
def test_pymbar_takes_u_kn_as_it_is_and_finds_the_exact_free_energies(result, request):
    """Independent draws: pymbar's own errors hold; 7 scores, false alarm 10^-4."""
    u_kn, counts = request.getfixturevalue(result).to_u_kn()
    assert u_kn.shape == (8, counts.sum()) and u_kn.dtype == np.float64
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it passes options that scipy does not know
        found = pymbar().MBAR(u_kn[:, ::4], counts_of_every_fourth(counts)).compute_free_energy_differences()
    log_z = fg.exact.torus(TORUS.shape, LADDER).log_z
    scores = (found["Delta_f"][0, 1:] + log_z[1:] - log_z[0]) / found["dDelta_f"][0, 1:]
    assert abs(scores).max() < 4.5


def counts_of_every_fourth(counts):
    ends = np.append(0, np.cumsum(counts))
    return np.diff(-(-ends // 4))


def test_free_energies_are_those_of_pymbar():
    """Draws without memory are all used by both, so that the equations are the same."""
    result = drawn(BETAS, 16, 50, seed=3)
    u_kn, counts = result.to_u_kn()
    assert counts.tolist() == [800] * 4
    np.testing.assert_array_equal(u_kn, np.multiply.outer(BETAS, result.energy.ravel()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mbar = pymbar().MBAR(u_kn, counts)
        theirs = mbar.compute_perturbed_free_energies(np.multiply.outer(BETWEEN, result.energy.ravel()))
    found = analysis.reweight(result, np.append(BETAS[1:], BETWEEN))
    f = 16 * (found.betas * found.free_energy + np.log(2))
    np.testing.assert_allclose(f[:3], mbar.f_k[1:] - mbar.f_k[0], atol=1e-6)
    np.testing.assert_allclose(np.diff(f[3:]), np.diff(theirs["Delta_f"][0]), atol=1e-6)


def test_draws_in_u_kn_are_a_whole_autocorrelation_time_apart():
    result = drawn(BETAS, 4, 5000, keep=0.8)
    u_kn, counts = result.to_u_kn()
    ends = np.cumsum(counts)[:-1]
    for k, mine in enumerate(np.split(u_kn[2], ends)):
        record = mine.reshape(4, -1)
        records = (result.energy[4 * k : 4 * k + 4], abs(result.magnetization[4 * k : 4 * k + 4]))
        tau = max(map(analysis.autocorrelation_time, records))
        assert record.shape[1] == -(-5000 // round(tau))
        assert 7 < tau < 13 and analysis.autocorrelation_time(record) < 1.5
        assert set(mine) <= set(0.3 * result.energy[4 * k : 4 * k + 4].ravel())


def test_jackknife_errors_are_those_of_solving_again_without_each_block():
    result = drawn(BETAS, 32, 40, seed=4)
    left_out = []
    for k in range(32):
        kept = np.arange(result.beta.size) % 32 != k
        without = sampled(result.energy[kept], result.magnetization[kept], result.beta[kept])
        left_out.append(values(analysis.reweight(without, BETWEEN)))
    expected = np.sqrt(31 * np.var(left_out, axis=0))
    np.testing.assert_allclose(errors(analysis.reweight(result, BETWEEN)), expected, rtol=0.01)


def test_chains_that_differ_in_number_and_signs_of_beta_are_pooled():
    """Every beta has its own number of chains, one is negative; 7 x 2 scores, false alarm 10^-3."""
    parts = [drawn([beta], chains, 300, seed=k) for k, (beta, chains) in enumerate([(0.3, 9), (-0.2, 20), (0.0, 5)])]
    result = sampled(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("energy", "magnetization", "beta"))
    )
    found = analysis.reweight(result, [-0.1, 0.2])
    truth = np.transpose([exact(beta) for beta in found.betas])
    assert (abs(values(found) - truth) < 4.5 * errors(found)).all()


def test_infinite_temperature_is_known_exactly():
    for chains, draws in ((16, 200), (15, 47)):  # in blocks of 100, of 22 and 23
        found = analysis.reweight(drawn(BETAS, chains, draws), 0.0)
        assert abs(found.entropy - np.log(2)) < 1e-10 and found.entropy_error < 1e-5
        assert found.free_energy == -np.inf


def test_energies_of_any_size_are_reweighted():
    """In units in which beta is 10^-6, E reaches 10^7 and more; and the offset of a model changes F alone."""
    result = drawn(BETAS, 16, 100)
    units = sampled(1e6 * (result.energy + 1e3), result.magnetization, 1e-6 * result.beta)
    found, scaled = analysis.reweight(result, BETWEEN), analysis.reweight(units, 1e-6 * BETWEEN)
    for name in ("heat_capacity", "magnetization", "binder", "entropy"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(found, name), rtol=1e-6)
    np.testing.assert_allclose(scaled.free_energy, 1e6 * (found.free_energy + 1e3 / 16), rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: analysis.reweight(drawn([0.1], 2, 9), [[0.1]]), ValueError, "betas has shape"),
        (lambda: analysis.reweight(drawn([0.1], 2, 9), []), ValueError, "betas has shape"),
        (lambda: analysis.reweight(drawn([0.1], 2, 9), [np.nan]), ValueError, r"betas\[0\] is nan"),
        (lambda: analysis.reweight(drawn([0.1], 2, 0), 0.1), ValueError, "no draws"),
        (
            lambda: analysis.reweight(drawn([0.1, 0.2], 1, 1), 0.1),
            ValueError,
            "too few independent draws at beta = 0.1",
        ),
        (lambda: analysis.reweight(drawn([0.0, 9.0], 4, 9), 0.1), ValueError, "beta = 0 and 9 do not overlap"),
        (
            lambda: analysis.reweight(drawn([0.0, 0.6], 4, 9), 0.1),
            ValueError,
            "beta = 0 and 0.6 do not overlap",
        ),  # by 0.2
        (lambda: analysis.reweight(SQUARE, 0.1), TypeError, "give a SampleResult or a TemperResult"),
        (lambda: analysis.to_u_kn(fg.anneal(SQUARE, sweeps=3, seed=1)), TypeError, "give a SampleResult"),
    ],
)
def test_bad_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_draws_of_several_models_are_not_pooled():
    glasses = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(2)]
    result = fg.sample(glasses, beta=0.4, sweeps=10, seed=1)
    with pytest.raises(ValueError, match="2 models"):
        result.to_u_kn()


def test_binder_curves_cross_where_two_lines_do():
    def line(slope, error):
        found = analysis.reweight(drawn([0.4], 16, 100), np.linspace(0.3, 0.5, 11))
        return found._replace(binder=0.6 + slope * (found.betas - 0.41), binder_error=np.full(11, error))

    small, large = line(1.0, 0.01), line(3.0, 0.02)
    found = analysis.binder_crossing(small, large)
    assert found.temperature == pytest.approx(1 / 0.41)
    assert found.value == pytest.approx(0.6)
    assert found.temperature_error == pytest.approx(np.hypot(0.01, 0.02) / 2 / 0.41**2)
    assert found.value_error == pytest.approx(np.hypot(3 * 0.01, 0.02) / 2)
    shift = (small.binder - large.binder) * np.exp(-(((small.betas - 0.41) / 0.04) ** 2))
    for noise in (3e-3 * (small.betas > 0.495), -3e-3 * (small.betas < 0.305)):  # another crossing, behind or before
        noisy = small._replace(binder=large.binder + shift + noise)
        crossings = np.count_nonzero(np.diff(np.sign(noisy.binder - large.binder)))
        assert crossings >= 2
        assert analysis.binder_crossing(noisy, large).temperature == pytest.approx(1 / 0.41)
    with pytest.raises(ValueError, match=r"do not cross between beta = 0\.3 and 0\.5"):
        analysis.binder_crossing(small, small._replace(binder=small.binder + 1))
    with pytest.raises(ValueError, match="the same betas"):
        analysis.binder_crossing(small, large._replace(betas=large.betas + 0.1))


def test_errors_of_a_crossing_cover_it():
    """200 pairs of curves with noise of known size: 68 % within one error, 1 false alarm in 10^5 at 4.5 sigma."""
    rng = np.random.default_rng(8)
    flat = analysis.reweight(drawn([0.4], 16, 100), np.linspace(0.3, 0.5, 11))
    found = []
    for _ in range(200):
        noise = rng.normal(0, [[0.002], [0.004]])
        pair = [
            flat._replace(binder=0.6 + slope * (flat.betas - 0.41) + shift, binder_error=np.full(11, size))
            for slope, shift, size in zip((1.0, 3.0), noise, (0.002, 0.004), strict=True)
        ]
        found.append(analysis.binder_crossing(*pair))
    T, dT, U, dU = np.transpose(found)
    for covered in (abs(T - 1 / 0.41) < dT, abs(U - 0.6) < dU):
        assert 0.53 < covered.mean() < 0.83
    assert (abs(T - 1 / 0.41) < dT / 2).mean() < 0.53  # the broken twin: half the error


def test_cold_draws_of_one_energy_say_that_they_know_nothing_of_hotter_states():
    """All weigh the same, as if 6400 draws told the law at beta 0.3."""
    model = fg.lattice((4, 4))
    result = fg.sample(model, beta=4.0, sweeps=100, chains=64, start=np.ones(16), seed=1)
    with pytest.warns(UserWarning, match="highest energy that was met"):
        analysis.reweight(result, 0.3)
    analysis.reweight(result, [4.0, 5.0])
    analysis.reweight(fg.sample(model, beta=0.4, sweeps=1000, burn_in=100, chains=64, seed=1), [0.35, 0.45])
