"""What proves the gradients of Boltzmann machines: finite differences, the RBM's own formula, enumeration, training."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import BoltzmannMachine, exact
from fastgibbs.learning.boltzmann import exact_gradient, sampled_gradient

N, VISIBLE = 7, [5, 0, 3, 2]
LEFT, RIGHT = np.triu_indices(N, 1)
RNG = np.random.default_rng(1)
W, B = RNG.normal(size=LEFT.size), RNG.normal(size=N)
DATA = RNG.integers(0, 2, (40, 4)) | np.array([1, 0, 0, 1])


def machine(weights=W, biases=B):
    return BoltzmannMachine.from_edges(N, LEFT, RIGHT, weights, biases, VISIBLE)


def test_the_exact_gradient_is_that_of_finite_differences():
    found, step = exact_gradient(machine(), DATA, LEFT, RIGHT), 1e-5
    for k in range(LEFT.size):
        e = step * np.eye(LEFT.size)[k]
        sides = [fg.log_likelihood(machine(W + t * e), DATA).value for t in (1, -1)]
        assert found.weights[k] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-8)
    for k in range(N):
        e = step * np.eye(N)[k]
        sides = [fg.log_likelihood(machine(W, B + t * e), DATA).value for t in (1, -1)]
        assert found.biases[k] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-8)


def test_pairs_that_are_not_coupled_yet_have_a_gradient_too():
    found = exact_gradient(BoltzmannMachine(np.zeros((3, 3))), [[1, 1, 0], [1, 1, 1]], [0, 0], [1, 2])
    np.testing.assert_allclose(found.weights, [1 - 0.25, 0.5 - 0.25], rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.biases, [0.5, 0.5, 0.0], rtol=0, atol=1e-15)


def test_an_rbm_has_its_own_gradient():
    """<v h>_data with h = 1 / (1 + exp(-b - v.W)), minus <v h> by enumeration."""
    rbm = fg.RBM(RNG.normal(size=(4, 3)), RNG.normal(size=4), RNG.normal(size=3))
    i, j = (part.ravel() for part in np.indices((4, 3)))
    biases = np.concatenate([rbm.visible_bias, rbm.hidden_bias])
    same = BoltzmannMachine.from_edges(7, i, j + 4, rbm.weights.ravel(), biases, range(4))
    found = exact_gradient(same, DATA, i, j + 4)
    h = 1 / (1 + np.exp(-rbm.hidden_bias - DATA @ rbm.weights))
    x, p = (exact.states(7) + 1) // 2, exact.spectrum(rbm).probabilities(1.0)
    expected = DATA.T @ h / len(DATA) - (x[:, :4] * p[:, None]).T @ x[:, 4:]
    np.testing.assert_allclose(found.weights.reshape(4, 3), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.biases[4:], h.mean(axis=0) - p @ x[:, 4:], rtol=0, atol=1e-12)


def test_gradients_of_large_weights_are_finite():
    found = exact_gradient(machine(300 * W, 300 * B), DATA, LEFT, RIGHT)
    assert np.isfinite(found.weights).all() and np.isfinite(found.biases).all()


def estimates(model, data=DATA):
    """The gradient 64 times over, from 40 chains each that have come to rest: float64 (64, pairs + n)."""
    chains = fg.sample(model, beta=1.0, sweeps=50, chains=40, seed=3).states
    found = []
    for seed in range(64):
        gradient, chains = sampled_gradient(model, data, chains, LEFT, RIGHT, steps=20, seed=seed)
        found.append(np.concatenate(gradient))
    return np.array(found)


def largest_z(found, truth):
    spread = found.std(axis=0, ddof=1)
    assert (spread[: LEFT.size] > 0).sum() > 15
    moving = spread > 0
    np.testing.assert_allclose(found[0, ~moving], truth[~moving], rtol=0, atol=1e-12)
    return np.abs((found.mean(axis=0) - truth)[moving] / (spread[moving] / 8)).max()


def test_sampled_gradients_are_the_exact_one_in_the_mean():
    """64 estimates of 28 numbers: |z| < 4.7 has a false-alarm rate of 4e-4 at 63 degrees of freedom."""
    truth = np.concatenate(exact_gradient(machine(), DATA, LEFT, RIGHT))
    assert largest_z(estimates(machine()), truth) < 4.7
    # broken twins: 20 % too strong a machine, visible units in another order
    assert largest_z(estimates(machine(1.2 * W, 1.2 * B)), truth) > 4.7
    assert largest_z(estimates(machine(), DATA[:, ::-1]), truth) > 4.7


def train(gradient_of, updates):
    weights, biases = 0.3 * W, np.zeros(N)
    for k in range(updates):
        gradient, rate = gradient_of(machine(weights, biases), k), 0.3 / (1 + 4 * k / updates)
        weights, biases = weights + rate * gradient.weights, biases + rate * gradient.biases
    return machine(weights, biases)


def test_persistent_chains_train_to_the_likelihood_of_the_exact_gradient():
    data = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 1, 1]], 25, axis=0)
    chains = [np.random.default_rng(5).integers(0, 2, (200, N))]

    def sampled(model, k):
        gradient, chains[0] = sampled_gradient(model, data, chains[0], LEFT, RIGHT, steps=2, seed=k)
        return gradient

    def exactly(model, k):
        return exact_gradient(model, data, LEFT, RIGHT)

    first, best, found = (
        fg.log_likelihood(train(*way), data).value for way in [(exactly, 0), (exactly, 400), (sampled, 400)]
    )
    assert first + 1 < best < -np.log(4)  # the entropy of the data bounds it
    assert found > best - 0.02 * abs(best)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: exact_gradient(fg.lattice((4,)), DATA, LEFT, RIGHT), TypeError, "give a BoltzmannMachine"),
        (lambda: exact_gradient(machine(), DATA[:0], LEFT, RIGHT), ValueError, r"data has shape \(0, 4\)"),
        (lambda: exact_gradient(machine(), DATA[:, :3], LEFT, RIGHT), ValueError, r"data has shape \(40, 3\)"),
        (lambda: exact_gradient(machine(), 2 * DATA, LEFT, RIGHT), ValueError, r"data\[0, 0\] is 2"),
        (lambda: exact_gradient(machine(), DATA, LEFT, RIGHT + 1), ValueError, r"j\[5\] is 7"),
        (lambda: exact_gradient(machine(), DATA, LEFT[:2], RIGHT), ValueError, "i has 2 units and j has 21"),
        (lambda: sampled_gradient(machine(), DATA, np.zeros((3, 5)), LEFT, RIGHT), ValueError, r"shape \(3, 5\)"),
        (lambda: exact_gradient(BoltzmannMachine(np.zeros((30, 30))), np.zeros((1, 30)), [], []), ValueError, "2.30"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
