"""log Z along a ladder against enumeration: values, error bars, and estimators that must miss it."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

import fastgibbs as fg
from fastgibbs import analysis

MODELS = {"ising": fg.lattice((4, 4)), "glass": fg.edwards_anderson((4, 4), seed=3)}
SPECTRA = {name: fg.exact.spectrum(model) for name, model in MODELS.items()}
BETAS = np.array([0.0, 0.2, 0.4, 0.6, 0.9])


def run(name, seed, ladders=2, draws=500, keep=0.0, betas=BETAS):
    """Energies (ladders, rungs, draws), exact at every rung; a draw is kept with probability `keep`."""
    rng = np.random.default_rng(seed)
    levels, counts = SPECTRA[name].density_of_states()
    energies = np.empty((ladders, len(betas), draws))
    for rung, beta in enumerate(betas):
        law = counts * np.exp(-beta * (levels - levels.min()))
        fresh = rng.random((ladders, draws)) >= keep
        last_fresh = np.maximum.accumulate(np.where(fresh, np.arange(draws), 0), axis=1)
        drawn = rng.choice(levels, (ladders, draws), p=law / law.sum())
        energies[:, rung] = np.take_along_axis(drawn, last_fresh, axis=1)
    return energies


def estimators(found):
    """(estimate, error) of bar, forward and backward."""
    return zip(found[0::2], found[1::2], strict=True)


def bennett(hot, cold, width):
    """log Z(b') / Z(b) as the root of Bennett's equation, for any draws."""
    return brentq(lambda c: expit(-width * hot - c).sum() - expit(c + width * cold).sum(), -100, 100, xtol=1e-13)


@pytest.mark.parametrize("name", MODELS)
def test_log_z_is_the_enumerated_one_within_its_error(name):
    exact = SPECTRA[name].log_z(BETAS)
    found = analysis.log_z(BETAS, run(name, 1, draws=20_000), 16 * np.log(2))
    for estimate, error in estimators(found):
        assert estimate.dtype == error.dtype == np.float64
        assert (estimate[0], error[0]) == (16 * np.log(2), 0.0)
        assert (abs(estimate - exact)[1:] < 4 * error[1:]).all()
        assert error[-1] < 0.03
    assert (found.bar_error[1:] < np.minimum(found.forward_error, found.backward_error)[1:]).all()


@pytest.mark.parametrize("broken", ["per spin", "sign of beta", "rungs reversed", "5 % of beta"])
def test_broken_estimators_miss_log_z(broken):
    energies = run("ising", 1, draws=20_000)
    betas = BETAS
    if broken == "per spin":
        energies = energies / 16
    elif broken == "sign of beta":
        energies = -energies
    elif broken == "rungs reversed":
        energies = energies[:, ::-1]
    else:
        betas = 1.05 * BETAS
    exact = SPECTRA["ising"].log_z(BETAS)
    for estimate, error in estimators(analysis.log_z(betas, energies, 16 * np.log(2))):
        assert abs(estimate - exact)[-1] > 6 * error[-1]


@pytest.mark.parametrize(("name", "ladders", "draws", "keep"), [("ising", 2, 500, 0.0), ("glass", 3, 1500, 0.8)])
def test_95_percent_intervals_cover_the_truth_as_often(name, ladders, draws, keep):
    """200 runs; the second has tau = 9 and blocks of 136 draws. The gaps are narrow: few draws of large weight."""
    betas = np.linspace(0, 0.9, 7)
    exact = SPECTRA[name].log_z(betas)
    covered = np.zeros((3, 7))
    for seed in range(200):
        found = analysis.log_z(betas, run(name, seed, ladders, draws, keep, betas), exact[0])
        covered += [abs(estimate - exact) < 1.96 * error for estimate, error in estimators(found)]
    assert (covered[:, 1:] >= 180).all() and (covered[:, 1:] <= 198).all(), covered


def test_errors_that_take_correlated_draws_as_independent_cover_too_little():
    """The broken twin: shuffled in time, draws of tau = 9 look independent and the intervals are 3 times too narrow."""
    exact = SPECTRA["glass"].log_z(BETAS)
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        energies = rng.permutation(run("glass", seed, 1, 4500, 0.8), axis=2)
        found = analysis.log_z(BETAS, energies, exact[0])
        covered += abs(found.bar - exact)[-1] < 1.96 * found.bar_error[-1]
    assert covered < 75


@pytest.mark.parametrize(("ladders", "draws", "blocks"), [(2, 401, 16), (1, 40, 32), (40, 25, 1), (3, 5, 5)])
def test_bar_and_its_errors_are_those_of_solving_again_without_each_block(ladders, draws, blocks):
    energies = run("glass", 5, ladders, draws)
    blocks_of_one = np.split(np.arange(draws), np.arange(1, blocks) * draws // blocks)
    masks = [np.ones((ladders, draws), bool)]
    for ladder in range(ladders):
        for part in blocks_of_one:
            masks.append(np.ones((ladders, draws), bool))
            masks[-1][ladder, part] = False
    solved = [
        [bennett(energies[:, i][keep], energies[:, i + 1][keep], BETAS[i + 1] - BETAS[i]) for i in range(4)]
        for keep in masks
    ]
    everything, *left_out = np.cumsum(solved, axis=1)
    found = analysis.log_z(BETAS, energies, 0.0)
    np.testing.assert_allclose(found.bar[1:], everything, rtol=1e-10)
    expected = np.sqrt((len(left_out) - 1) * np.var(left_out, axis=0))
    np.testing.assert_allclose(found.bar_error[1:], expected, rtol=0.01)


def test_forward_and_backward_errors_are_those_of_leaving_out_each_block():
    energies = run("ising", 6, ladders=1, draws=64)
    widths = np.diff(BETAS)[:, None]

    def log_ratios(kept):
        forward = np.log(np.exp(-widths * kept[:-1]).mean(axis=1))
        backward = -np.log(np.exp(widths * kept[1:]).mean(axis=1))
        return np.cumsum([forward, backward], axis=1)

    left_out = np.array([log_ratios(np.delete(energies[0], [2 * k, 2 * k + 1], axis=1)) for k in range(32)])
    errors = np.sqrt(31 * left_out.var(axis=0))
    found = analysis.log_z(BETAS, energies, 0.0)
    np.testing.assert_allclose([found.forward[1:], found.backward[1:]], log_ratios(energies[0]), rtol=1e-12)
    np.testing.assert_allclose([found.forward_error[1:], found.backward_error[1:]], errors, rtol=1e-10)


def test_bar_is_found_from_any_overlap():
    """Normal energies: log Z(b') / Z(b) = -d <E> + d^2 var / 2, so that at unit variance c = (u + u') / 2 exactly."""
    rng = np.random.default_rng(7)
    for distance in (1.0, 40.0, 3000.0):
        hot, cold = rng.normal(0, 1, 100), rng.normal(-distance, 1, 100)
        mirrored = np.stack([np.append(hot, -distance - cold), np.append(cold, -distance - hot)])
        found = analysis.log_z([0.0, 1.0], mirrored[None], 0.0)
        assert found.bar[1] == pytest.approx(distance / 2, rel=1e-12)
        assert (0 < found.bar_error[1] < np.inf) if distance == 1 else found.bar_error[1] == np.inf
    wide = rng.normal(0, 1e5, (1, 2, 500))
    assert analysis.log_z([0.0, 1.0], wide, 0.0).bar[1] == pytest.approx(
        brentq(lambda c: expit(-wide[0, 0] - c).sum() - expit(c + wide[0, 1]).sum(), -1e6, 1e6), rel=1e-9
    )


def test_a_ratio_that_the_draws_leave_open_has_a_huge_error():
    """No energy lies between -2000 and 2000, and as many below and above at both betas: any c there will do."""
    energies = np.repeat([-2000.0, 2000.0], 32)
    found = analysis.log_z([0.0, 1.0], np.stack([energies, energies])[None], 0.0)
    assert abs(found.bar[1]) < 2000 and found.bar_error[1] > 1000


def test_constant_energies_give_log_z_exactly():
    found = analysis.log_z([0.0, 0.5, 2.0], np.full((1, 3, 10), -3.0), 1.0)
    for estimate, error in estimators(found):
        np.testing.assert_allclose(estimate, [1.0, 2.5, 7.0])
        np.testing.assert_allclose(error, 0.0, atol=1e-12)


@pytest.mark.parametrize(
    ("betas", "shape", "message"),
    [
        ([0.0, 0.5, 0.4], (2, 3, 9), r"betas\[2\] is 0.4 after 0.5"),
        ([0.0, 0.5], (2, 3, 9), "with 2 rungs"),
        ([0.0], (2, 1, 9), "betas has shape"),
        ([0.0, 1.0], (2, 9), "energies has shape"),
        ([0.0, 1.0], (2, 2, 0), "energies has shape"),
        ([0.0, 1.0], (1, 2, 1), "energies has 1 draw"),
    ],
)
def test_bad_arguments_are_refused(betas, shape, message):
    with pytest.raises(ValueError, match=message):
        analysis.log_z(betas, np.zeros(shape), 0.0)


def test_ratios_of_one_draw_are_refused_by_their_name():
    with pytest.raises(ValueError, match="ups has 1 draw"):
        analysis.log_z_of_ratios(np.zeros((1, 2, 1)), np.zeros((1, 2, 1)), 0.0)


def test_nan_is_refused():
    energies = np.zeros((1, 2, 5))
    energies[0, 1, 4] = np.nan
    with pytest.raises(ValueError, match=r"energies\[0, 1, 4\] is nan"):
        analysis.log_z([0.0, 1.0], energies, 0.0)
    with pytest.raises(ValueError, match="reference is nan"):
        analysis.log_z([0.0, 1.0], np.zeros((1, 2, 5)), np.nan)
