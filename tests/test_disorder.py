"""Averages over samples of the disorder against enumeration, their errors against known laws, and crossings."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from binned import binned

import fastgibbs as fg
from fastgibbs import analysis
from fastgibbs.analysis import disorder

BETAS = np.array([0.3, 0.8, 1.5])
NAMES = "energy", "heat_capacity", "q_abs", "q2", "q4", "link", "qk2"
RATIOS = "binder", "xi", "xi_ratio"


SAMPLES = [
    *(fg.edwards_anderson((3, 3), "gaussian", seed=seed) for seed in range(3)),
    fg.edwards_anderson((3, 3), "gaussian", bonds=2 / 3, seed=3),
    fg.lattice((3, 3), J=0.7),
]
SIGNS = [*(fg.edwards_anderson((3, 3), seed=seed) for seed in range(4)), fg.lattice((3, 3))]


STATES = fg.exact.states(9).astype(float)
EQUAL = ((9 + STATES @ STATES.T) / 2).astype(int).ravel()  # sites at which two states are


def enumerated(model, beta):
    """What `Moments` hold, by name, and the law of the number of sites that two replicas have equal."""
    energy = model.energy(STATES)
    p = np.exp(-beta * (energy - energy.min()))
    p /= p.sum()
    i, j, _ = model.bonds
    link = ((p @ (STATES[:, i] * STATES[:, j])) ** 2).mean()
    squared = (STATES.T * p @ STATES) ** 2  # <s_i s_j>^2
    qk2 = np.mean(
        [(squared * np.cos(2 * np.pi / 3 * (r[:, None] - r))).sum() / 81 for r in np.indices((3, 3)).reshape(2, 9)]
    )
    mean = p @ energy
    law, q = np.bincount(EQUAL, np.outer(p, p).ravel(), 10), np.linspace(-1, 1, 10)
    found = dict(energy=mean / 9, heat_capacity=beta**2 * (p @ energy**2 - mean**2) / 9, link=link, qk2=qk2)
    return found | dict(q_abs=law @ abs(q), q2=law @ q**2, q4=law @ q**4), law


def exact_average(models, betas=BETAS):
    each = [[enumerated(model, beta) for beta in betas] for model in models]
    found = {name: np.mean([[told[name] for told, _ in of] for of in each], axis=0) for name in NAMES}
    found["binder"] = (3 - found["q4"] / found["q2"] ** 2) / 2
    found["xi"] = np.sqrt(found["q2"] / found["qk2"] - 1) / (2 * np.sin(np.pi / 3))
    found["xi_ratio"] = found["xi"] / 3
    found["distribution"] = np.mean([[law for _, law in of] for of in each], axis=0) * 9 / 2
    return found


def split(results, average_of):
    """Averages without one pair of ladders of every sample at a time, and their jackknifed errors."""
    pairs = len(results[0].overlap.draws)
    left_out = []
    for pair in range(pairs):
        kept = np.delete(np.arange(pairs), pair)
        ladders = np.sort(np.concatenate([2 * kept, 2 * kept + 1]))
        left_out.append(average_of([_part(result, ladders, kept) for result in results]))
    return {
        name: np.sqrt((pairs - 1) * np.var([getattr(one, name) for one in left_out], axis=0))
        for name in (*NAMES, *RATIOS, "distribution")
    }


class _part:
    """Some ladders of a result, as far as averages ask."""

    def __init__(self, result, ladders, pairs):
        self.told = result.model, result.betas, result.energy[ladders]
        self.overlaps = {name: values[pairs] for name, values in result.overlap._asdict().items()}

    def replicas(self):
        return [disorder.replicas(*self.told, self.overlaps, True)]


@pytest.mark.parametrize("models", [SAMPLES, SIGNS], ids=["weights and dilution", "signs"])
def test_averages_over_tempered_samples_are_those_of_enumeration(models):
    """60 scores from 32 pairs, of which one above 5 is a false alarm of 10^-3 (Student's t, Bonferroni)."""
    results = fg.temper(models, betas=BETAS, sweeps=4000, burn_in=50, ladders=64, overlap_every=2, thin=2, seed=7)
    found, known = analysis.disorder_average(results), exact_average(models)
    errors, count = split(results, analysis.disorder_average), 0
    broken = exact_average(models[1:]), exact_average(models, 1.05 * BETAS)  # other samples, betas that are 5 % off
    for name, error in errors.items():
        seen = error > 0  # some values of q are too rare to be seen
        scores = (getattr(found, name) - known[name])[seen] / error[seen]
        assert np.abs(scores).max() < 5, name
        count += scores.size
        if name != "distribution":
            assert all(np.abs((getattr(found, name) - wrong[name]) / error).max() > 6 for wrong in broken), name
    assert count <= 60
    ratios = (3 - found.of_samples.q4 / found.of_samples.q2**2) / 2  # whose mean is something else
    assert np.abs((ratios.mean(axis=0) - known["binder"]) / errors["binder"]).max() > 6
    np.testing.assert_allclose(found.susceptibility, 9 * found.q2)
    np.testing.assert_allclose((found.distribution.sum(axis=1) * 2 / 9), 1)
    np.testing.assert_array_equal(found.distribution, found.distribution[:, ::-1])


def test_averages_over_sampled_chains_are_those_of_enumeration():
    """20 scores from 128 pairs at two betas: above 4.5 once in 10^4 tries."""
    kwargs = dict(beta=np.repeat(BETAS[:2], 64), sweeps=400, burn_in=50, thin=4, keep_states=True)
    parts = []
    for k in range(8):
        results = fg.sample(SAMPLES, seed=k, **kwargs)
        parts.append(analysis.disorder_average(results))
    known = exact_average(SAMPLES, BETAS[:2])
    for name in (*NAMES, *RATIOS):
        values = np.array([getattr(part, name) for part in parts])
        scores = (values.mean(axis=0) - known[name]) / (values.std(axis=0, ddof=1) / np.sqrt(8))
        assert np.abs(scores).max() < 8, name  # Student's t of 7 degrees: 10^-4 each
    assert parts[0].equilibrated.all()


# Errors


CHAIN = fg.lattice((64,))


class Sample:
    """What a sample of given moments would return."""

    def __init__(self, moments, betas):
        rest = dict(
            model=CHAIN, qk2=np.full(len(betas), np.nan), histogram=np.ones((len(betas), 2), int), equilibrated=True
        )
        self.told = disorder.Replicas(betas=betas, **moments, **rest)

    def replicas(self):
        return [self.told]


def made_up(q2, q4, betas):
    """An average over samples of moments (samples, rungs); energies are normal of mean -1 and deviation 1."""
    energies = np.random.default_rng(q2.size).normal(-1, 1, q2.shape)
    rest = {name: np.zeros(len(betas)) for name in ("heat_capacity", "q_abs", "link")}
    samples = [Sample(dict(energy=e, q2=a, q4=b) | rest, betas) for e, a, b in zip(energies, q2, q4, strict=True)]
    return analysis.disorder_average(samples)


def normal_moments(rng, mean2, mean4, samples, rungs=2):
    """q^2 and q^4 of samples, normal and correlated: (samples, rungs) each."""
    common = rng.normal(size=(samples, rungs))
    return mean2 + 0.1 * mean2 * common, mean4 + 0.2 * mean4 * common + 0.05 * mean4 * rng.normal(size=common.shape)


def test_errors_are_those_of_the_normal_law_that_samples_are_drawn_from():
    """400 averages over 100 samples: their spread, known to 3.5 % (4 sigma 14 %), is what the mean error says."""
    rng, betas, samples = np.random.default_rng(1), np.array([0.5, 1.0]), 100
    q2, q4 = 0.3, 0.15
    averages = [made_up(*normal_moments(rng, q2, q4, samples), betas) for _ in range(400)]
    g = np.array([one.binder for one in averages])
    slope2, slope4 = q4 / q2**3, -1 / (2 * q2**2)  # of g = (3 - q4 / q2^2) / 2
    common, own = slope2 * 0.1 * q2 + slope4 * 0.2 * q4, slope4 * 0.05 * q4
    known = np.hypot(common, own) / np.sqrt(samples)
    for spread in (g.std(axis=0), np.mean([one.binder_error for one in averages], axis=0)):
        np.testing.assert_allclose(spread, known, rtol=0.14)
    np.testing.assert_allclose(np.mean([one.q2_error for one in averages], axis=0), 0.1 * q2 / 10, rtol=0.02)
    np.testing.assert_allclose(np.mean([one.energy_error for one in averages], axis=0), 0.1, rtol=0.14)
    wrong = np.sqrt(samples) * known  # the spread of samples is not the error of their mean
    assert np.all(abs(g.std(axis=0) / wrong - 1) > 0.5)


def test_an_error_of_the_jackknife_is_that_of_the_bootstrap():
    rng = np.random.default_rng(2)
    average = made_up(*normal_moments(rng, 0.3, 0.15, 400), np.array([0.5, 1.0]))
    weights = rng.multinomial(400, np.full(400, 1 / 400), 4000) / 400
    np.testing.assert_allclose(average.resampled("binder", weights).std(axis=0), average.binder_error, rtol=0.06)


def lines(rng, slope, samples, betas, spread=0.02):
    """An average whose g is 0.6 + slope (beta - 0.9), samples of which are all up or down by so much."""
    g = 0.6 + slope * (betas - 0.9) + rng.normal(0, spread, (samples, 1))
    q2 = np.full(g.shape, 0.3)
    return made_up(q2, (3 - 2 * g) * q2**2, betas)


def test_crossings_of_averages_are_where_lines_cross_and_errors_cover_them():
    """200 pairs of lines: 68 % within one error; below 54 % or above 81 % once in 10^5 tries."""
    rng, betas = np.random.default_rng(3), np.array([0.0, 0.7, 0.8, 0.85, 0.95, 1.0])
    found = [analysis.binder_crossing(lines(rng, 0.5, 50, betas), lines(rng, 1.0, 80, betas)) for _ in range(200)]
    T, dT, g, dg = np.transpose(found)
    assert 0.54 < (abs(T - 1 / 0.9) < dT).mean() < 0.81
    assert 0.54 < (abs(g - 0.6) < dg).mean() < 0.81
    dbeta = 0.02 * np.sqrt(1 / 50 + 1 / 80) / 0.5
    assert np.median(dT) == pytest.approx(dbeta / 0.9**2, rel=0.1)
    assert (abs(T - 1 / 0.91) < dT).mean() < 0.54  # the broken twin


def test_lengths_cross_where_they_are_made_to_and_samples_that_are_no_lattices_have_none():
    """Where xi / L of the two sizes are equal, by moments that are known: false alarm of 4.5 errors 10^-5."""
    betas, averages = np.array([0.7, 0.8, 0.9, 1.0]), []
    for side, slope, rng in ((64, 0.5, np.random.default_rng(5)), (32, 0.25, np.random.default_rng(6))):
        ratio = 0.6 + slope * (betas - 0.85) + rng.normal(0, 0.01, (100, 1))
        q2 = np.full(ratio.shape, 0.3)
        qk2 = q2 / (1 + (2 * side * np.sin(np.pi / side) * ratio) ** 2)
        moments = disorder.Moments(*np.zeros((3, *q2.shape)), q2, q2**2, np.zeros(q2.shape), qk2)
        averages.append(made_up(q2, q2**2, betas)._replace(side=side, of_samples=moments))
    found = analysis.xi_crossing(*averages)
    assert abs(found.temperature - 1 / 0.85) < 4.5 * found.temperature_error < 0.1
    assert abs(found.value - 0.6) < 4.5 * found.value_error < 0.05
    with pytest.raises(ValueError, match="first is of samples that are no lattices"):
        analysis.xi_crossing(made_up(q2, q2**2, betas), averages[0])
    with pytest.raises(TypeError, match="second is None: give what disorder_average returned"):
        analysis.xi_crossing(averages[0], None)


def test_curves_that_cross_in_few_resamples_have_infinite_errors_and_those_that_do_not_are_refused():
    rng, betas = np.random.default_rng(4), np.array([0.8, 0.9, 1.0])
    one, other = lines(rng, 0.5, 50, betas), lines(rng, 0.5, 50, betas)
    shifted = made_up(one.of_samples.q2, one.of_samples.q4 + 0.01, betas)
    with pytest.raises(ValueError, match=r"Binder cumulants do not cross between beta = 0\.8 and 1: give more samples"):
        analysis.binder_crossing(one, shifted)
    gap = other.binder - one.binder  # the same at all betas
    level = made_up(other.of_samples.q2, other.of_samples.q4 + 2 * 0.09 * (gap + np.array([-2e-4, 0, 2e-4])), betas)
    assert analysis.binder_crossing(one, level).temperature_error == np.inf
    with pytest.raises(ValueError, match="the same betas"):
        analysis.binder_crossing(one, lines(rng, 0.5, 50, betas + 0.1))
    curve = analysis.reweight(fg.sample(fg.lattice((4, 4)), beta=0.4, sweeps=200, seed=1), betas)
    with pytest.raises(TypeError, match="first and second are DisorderAverage and Reweighted: give two of"):
        analysis.binder_crossing(one, curve)


# The relation of energy and link overlap


def test_gaussian_samples_have_no_relation_left_and_others_and_hot_ones_have():
    """Of 60 samples of 16 sites and J of deviation 1.3, three scores: above 4.5 once in 4 10^4 tries."""
    betas = np.array([0.3, 0.8, 1.5])
    models = [fg.edwards_anderson((4, 4), "gaussian", width=1.3, seed=seed) for seed in range(60)]
    run = fg.temper(models, betas=betas, sweeps=400, burn_in=100, overlap_every=1, seed=1)
    average = analysis.disorder_average(run, width=1.3)
    scores = average.relation / average.relation_error
    assert np.abs(scores).max() < 4.5
    wrong = analysis.disorder_average(run, width=1.0)
    assert (wrong.relation / wrong.relation_error).min() < -6
    hot = analysis.disorder_average(
        fg.temper(models, betas=betas, sweeps=1, burn_in=0, swap_every=2, overlap_every=1), width=1.3
    )
    assert (hot.relation / hot.relation_error)[-1] > 6  # E is above, and comes down
    assert "relation" in average.summary()
    assert analysis.disorder_average(run).relation is None


# What there is to say, and bad input


def test_samples_that_look_unequilibrated_are_counted_and_named():
    glasses = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(3)]
    average = analysis.disorder_average(fg.temper(glasses, betas=[0.2, 0.5, 4.0], sweeps=100, seed=1))
    assert not average.equilibrated.any()
    assert "3 of them not at equilibrium" in average.summary()
    assert "samples 0, 1, 2 show signs" in average.summary()
    assert average.summary() == analysis.summary(average)


def test_records_in_bins_have_the_same_averages():
    run = tempered()[0]
    draws, bins = (
        disorder.replicas(run.model, run.betas, energies, run.overlap._asdict(), True).moments
        for energies in (run.energy, binned(run.energy))
    )
    for name, values in draws.items():
        np.testing.assert_allclose(values, bins[name], rtol=1e-9, err_msg=name)


@cache
def tempered():
    return fg.temper(SAMPLES[:2], betas=BETAS, sweeps=20, seed=1)


KEPT = dict(sweeps=20, keep_states=True, seed=1)
BAD = {
    "one sample": (lambda: tempered()[:1], ValueError, "results has 1 samples of the disorder: give 2 or more"),
    "no sample": (lambda: [], ValueError, "results has 0 samples"),
    "a result that is no list": (lambda: tempered()[0], ValueError, "results has 1 samples"),
    "models": (lambda: SAMPLES, TypeError, r"results\[0\] is Ising.*what temper or sample returned"),
    "None": (lambda: [tempered()[0], None], TypeError, r"results\[1\] is None"),
    "no overlaps": (
        lambda: [tempered()[0], replace(tempered()[1], overlap=None)],
        ValueError,
        r"results\[1\]: there are no overlaps: temper with ladders=2",
    ),
    "overlaps never measured": (lambda: fg.temper(SAMPLES[:2], betas=BETAS, sweeps=5), ValueError, "no overlaps"),
    "other betas": (
        lambda: [tempered()[0], fg.temper(SAMPLES[1], betas=2 * BETAS, sweeps=20)],
        ValueError,
        r"results\[1\] is at other betas than results\[0\]",
    ),
    "other betas of several models": (
        lambda: [fg.sample([fg.edwards_anderson((4, 4))] * 2, beta=b, chains=4, **KEPT) for b in (0.5, 0.6)],
        ValueError,
        r"results\[1\].model\[0\] is at other betas than results\[0\].model\[0\]",
    ),
    "other sizes": (
        lambda: [tempered()[0], fg.temper(fg.edwards_anderson((3, 4)), betas=BETAS, sweeps=20)],
        ValueError,
        r"results\[1\] is of 12 sites, shape \(3, 4\), results\[0\] of 9, shape \(3, 3\)",
    ),
    "other lattices": (
        lambda: [tempered()[0], fg.temper(fg.edwards_anderson((9,)), betas=BETAS, sweeps=20)],
        ValueError,
        r"results\[1\] is of 9 sites, shape \(9,\)",
    ),
    "states not kept": (
        lambda: fg.sample(SAMPLES[:2], beta=0.5, chains=2, sweeps=20),
        ValueError,
        r"results\[0\]: samples were not kept",
    ),
    "chains without a partner": (
        lambda: fg.sample(SAMPLES[:2], beta=0.5, chains=3, **KEPT),
        ValueError,
        r"results\[0\]: there are 3 chains of 20 draws at beta = 0.5: give pairs",
    ),
    "chains at T = 0": (
        lambda: [replace(run, beta=np.full(2, np.inf)) for run in fg.sample(SAMPLES[:2], beta=0.5, chains=2, **KEPT)],
        ValueError,
        r"results\[0\]: there are chains at beta = inf",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_averaged_is_refused_by_name(name):
    given, error, message = BAD[name]
    with pytest.raises(error, match=message):
        analysis.disorder_average(given())


@pytest.mark.parametrize(
    ("width", "results", "error", "message"),
    [
        (0.0, tempered, ValueError, "width is 0.0: give the standard deviation"),
        ("one", tempered, TypeError, "width"),
        (
            1.0,
            lambda: [replace(run, model=fg.lattice((3, 3), h=0.1)) for run in tempered()],
            ValueError,
            r"width is 1.0, and the model of results\[0\] has fields",
        ),
    ],
)
def test_a_width_that_cannot_be_is_refused(width, results, error, message):
    with pytest.raises(error, match=message):
        analysis.disorder_average(results(), width=width)
