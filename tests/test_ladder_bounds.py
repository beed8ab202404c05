"""log Z along ladders good and bad: every error that is given covers what is wrong, and one that cannot be known is."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import analysis, exact
from fastgibbs.analysis.free_energy import _integrals
from fastgibbs.methods import log_z, paths

RNG = np.random.default_rng(1)
MODELS = {
    "a spin in a field": fg.Ising(np.zeros((1, 1)), [1.0]),
    "spins in unlike fields": fg.Ising(np.zeros((3, 3)), [1.0, 0.1, 3.0]),
    "frustrated triangle": fg.lattice((3,), J=-1.0),
    "ring": fg.lattice((12,)),
    "4 x 4": fg.lattice((4, 4)),
    "glass": fg.edwards_anderson((4, 4), "gaussian", seed=1),
    "Hopfield": fg.Hopfield(RNG.choice([-1, 1], (2, 12))),
    "RBM": fg.RBM(*(RNG.normal(size=size) for size in ((8, 6), 8, 6))),
    "RBM of large weights": fg.RBM(4 * RNG.normal(size=(7, 5))),
    "degenerate": fg.Ising(np.zeros((4, 4))),
}


class Law:
    """The levels of a model, how many states each has, and draws at any beta."""

    def __init__(self, model):
        energies = model.energy(model.from_spins(exact.states(model.n)))
        self.levels, self.counts = np.unique(np.round(energies, 9), return_counts=True)

    def probabilities(self, beta):
        logs = np.log(self.counts) - np.multiply.outer(beta, self.levels)
        p = np.exp(logs - logs.max(axis=-1, keepdims=True))
        return p / p.sum(axis=-1, keepdims=True)

    def moments(self, betas):
        """<E> and var E at each beta."""
        p = self.probabilities(betas)
        mean = p @ self.levels
        return mean, (p * (self.levels - mean[:, None]) ** 2).sum(axis=1)

    def log_z(self, betas):
        logs = np.log(self.counts) - np.multiply.outer(betas, self.levels)
        return np.logaddexp.reduce(logs, axis=-1)

    def draws(self, betas, ladders, draws, seed):
        rng, p = np.random.default_rng(seed), self.probabilities(np.asarray(betas))
        of_rungs = [rng.choice(self.levels, (ladders, draws), p=row) for row in p]
        return np.stack(of_rungs, axis=1)


LAWS = {name: Law(model) for name, model in MODELS.items()}


def ladders(rungs, top, seed):
    """Betas from 0 to the top: even, geometric, with one wide gap at the end, and random ones."""
    rng = np.random.default_rng(seed)
    yield np.linspace(0, top, rungs)
    yield np.append(0, np.geomspace(top / 50, top, rungs - 1))
    yield np.append(np.linspace(0, top / 6, rungs - 1), top)
    for share in (1.0, 1.0, 0.5, 0.2):
        yield np.concatenate([[0], np.sort(rng.random(rungs - 2)) * top * share, [top]])


@pytest.mark.parametrize("name", MODELS)
def test_the_rule_of_integration_is_off_by_less_than_its_bound_on_any_ladder(name):
    """From exact means and variances, so that nothing but the rule errs; half the bound, the twin, is not enough."""
    law = LAWS[name]
    for rungs in (4, 6, 8, 12, 16, 24, 40):
        for top in (1.0, 3.0, 8.0):
            for betas in ladders(rungs, top, rungs):
                value, bound = _integrals(np.diff(betas), *law.moments(betas))
                off = np.abs(np.cumsum(value) + np.diff(law.log_z(betas)).cumsum())
                assert (off <= np.cumsum(bound) + 1e-3).all(), betas


def test_what_half_the_rungs_would_change_is_no_bound_and_two_rungs_have_one():
    """The ladder that ends in one wide gap: both rules see the same gap."""
    law, betas = LAWS["4 x 4"], np.append(np.linspace(0, 1, 15), 8.0)
    found = analysis.integrated_log_z(betas, law.draws(betas, 4, 500, 1), 16 * np.log(2))
    off = abs(found.value[-1] - law.log_z(betas)[-1])
    assert off < found.quadrature[-1] + 3 * found.error[-1]
    two = analysis.integrated_log_z([0.0, 2.0], law.draws([0.0, 2.0], 4, 500, 1), 16 * np.log(2))
    assert abs(two.value[-1] - law.log_z([2.0])[0]) < two.quadrature[-1]


def test_bounds_of_narrow_ladders_are_small():
    for name, law in LAWS.items():
        betas = analysis.refined(np.linspace(0, 2, 5), np.sqrt(law.moments(np.linspace(0, 2, 5))[1]), 256)
        betas = analysis.refined(betas, np.sqrt(law.moments(betas)[1]), 256)
        assert betas.size < 120
        found = analysis.integrated_log_z(betas, law.draws(betas, 8, 2000, 1), law.log_z([0.0])[0])
        assert found.quadrature[-1] < 0.1, name
        assert np.abs(found.value - law.log_z(betas)).max() < 4.5 * found.error[-1] + 0.02


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ["integration", "bar"])
def test_errors_from_draws_cover_what_is_wrong_on_any_ladder(name, method):
    """|error| within 3 (error + bound), in every case, of bar within 4.5: with 4,000 exact draws a rung."""
    law = LAWS[name]
    for rungs in (4, 8, 16, 40):
        for top in (1.0, 3.0, 8.0):
            for k, betas in enumerate(ladders(rungs, top, rungs)):
                energies = law.draws(betas, 8, 500, 100 * rungs + k)
                reference = law.log_z([0.0])[0]
                truth = law.log_z(betas)
                if method == "integration":
                    found = analysis.integrated_log_z(betas, energies, reference)
                    off, error = np.abs(found.value - truth), found.error + found.quadrature
                else:
                    found = analysis.log_z(betas, energies, reference)
                    off, error = np.abs(found.bar - truth), 1.5 * found.bar_error
                assert (off[-1] <= 3 * error[-1] + 1e-2).all(), betas


def test_a_gap_that_no_draw_bridges_has_an_infinite_error_from_there_on():
    """The two-dimensional ferromagnet of 256 spins, from beta 0 to 1: swaps are as likely as e^-200."""
    result = fg.temper(fg.lattice((16, 16)), betas=[0.0, 0.1, 1.0, 1.05], sweeps=400, ladders=4, seed=1)
    for error in (result.log_z.bar_error, result.log_z.forward_error, result.log_z.backward_error):
        assert np.isfinite(error[:2]).all() and np.isinf(error[2:]).all()
    law = LAWS["4 x 4"]
    near = analysis.log_z([0.0, 0.3], law.draws([0.0, 0.3], 4, 500, 1), 0.0)
    assert np.isfinite(near.bar_error).all()


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("beta", [0.4, 3.0, 8.0])
def test_log_z_integrates_tori_on_a_ladder_of_its_own(size, beta):
    model = fg.lattice((size, size))
    truth = float(exact.spectrum(model).log_z(beta)) if size == 4 else float(exact.torus((size, size), beta).log_z)
    found = fg.log_z(model, method="integration", beta=beta, steps=400, seed=1)
    assert abs(found.value - truth) < 3 * (found.error + found.quadrature)
    assert found.error + found.quadrature < 0.3
    bar = fg.log_z(model, method="tempering", beta=beta, steps=400, seed=1)
    assert abs(bar.value - truth) < 4.5 * bar.error < 1


def test_refined_ladders_keep_their_betas_and_have_gaps_as_narrow_as_asked():
    betas, s = np.array([0.0, 0.5, 8.0]), np.array([4.0, 2.0, 0.0])
    found = analysis.refined(betas, s, 256)
    assert np.isin(betas, found).all() and (np.diff(found) > 0).all()
    assert np.diff(found)[0] * 4 < 0.6 and np.diff(found)[found[:-1] >= 0.5][0] * 2 < 0.8
    assert analysis.refined(betas, 1e4 * s, 40).size <= 40
    np.testing.assert_array_equal(analysis.refined(betas, np.zeros(3), 3), betas)
    with pytest.raises(ValueError, match=r"deviations\[2\] is -3"):
        analysis.refined(betas, [1.0, -1.0, -3.0], 9)


def test_annealing_in_too_few_steps_has_an_infinite_error_even_where_all_weights_agree():
    """From the two ground states back to beta 0 at one leap: weights are equal, and tell nothing."""
    model, start = fg.lattice((8, 8)), np.ones((100, 64))
    truth = float(exact.torus((8, 8), 3.0).log_z)
    for steps in (1, 3, 10):
        found = fg.log_z(model, method="reverse", beta=3.0, steps=steps, start=start, seed=1)
        assert abs(found.value - truth) > 1 and found.error > abs(found.value - truth)
    for steps in (1, 3, 10, 1000):
        found = fg.log_z(model, beta=3.0, steps=steps, seed=1)
        assert abs(found.value - truth) < 3 * found.error
    machine = fg.RBM(np.full((20, 20), 0.5), np.full(20, -5.0), np.full(20, -5.0))
    start = np.ones((100, 40))
    truth = float(exact.spectrum(machine).log_z(2.0))
    for steps in (1, 3, 10):
        found = fg.log_z(machine, method="reverse", beta=2.0, steps=steps, start=start, seed=1)
        assert abs(found.value - truth) < 3 * found.error


# Factors that windows of coverage cannot tell


def test_intervals_are_the_95_percent_ones_of_a_normal_error():
    found = fg.log_z(MODELS["4 x 4"], beta=0.5, steps=50, seed=1)
    low, high = found.interval
    assert high - found.value == pytest.approx(found.value - low) == pytest.approx(1.959964 * found.error, rel=1e-6)


@pytest.mark.parametrize("method", ["ais", "reverse"])
def test_errors_of_annealing_are_those_of_the_mean_of_its_weights(method, monkeypatch):
    """And not half of them."""
    logs = np.log([1.0, 2.0, 3.0, 1.5, 2.5])
    monkeypatch.setattr(log_z, "annealed", lambda *args: paths.Annealed(logs, 0.0))
    start = np.ones((5, 16)) if method == "reverse" else None
    found = fg.log_z(MODELS["4 x 4"], method=method, start=start, seed=1)
    mean, error, _ = analysis.log_mean(logs)
    assert found.error == error
    sign = -1 if method == "reverse" else 1
    assert found.value == pytest.approx(16 * np.log(2) + sign * mean)


def test_a_sweep_on_the_path_of_an_rbm_is_made_at_the_station_it_leads_to():
    """Without couplings, visible units are drawn at exp(((1 - t) a0 + t beta a).v): 4096 of each, 5 standard errors."""
    machine, a0, seen = fg.RBM(np.zeros((4, 2)), [2.0, -1.0, 0.5, 0.0]), np.array([-1.0, 1.0, 0.0, 3.0]), []

    class Watched(paths.RBMPath):
        def ratios(self, k, spins):
            if k == 1:
                seen.append(spins[:4] > 0)
            return super().ratios(k, spins)

    paths.annealed(Watched(machine, 0.7, a0, 2, 1), 4096, None, 5)
    ones = np.concatenate(seen[::2], axis=1)  # every second call is after the sweep at p_2
    assert ones.shape == (4, 4096)
    p = 1 / (1 + np.exp(-(a0 + 0.7 * machine.visible_bias) / 2))
    assert (np.abs(ones.mean(axis=1) - p) < 5 * np.sqrt(p * (1 - p) / 4096)).all()
