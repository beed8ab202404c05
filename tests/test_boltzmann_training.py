"""Boltzmann machines that learn: gradients against differences and enumeration, steps against the RBM's, optima."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import BoltzmannMachine, exact
from fastgibbs.engines.gradients import Step
from fastgibbs.engines.moments import add_moments
from fastgibbs.engines.streams import random_ups
from fastgibbs.learning import gradient
from fastgibbs.learning.boltzmann import ExactMachine, SampledMachine
from fastgibbs.learning.history import pseudo_likelihood
from fastgibbs.learning.machines import Estimation

N, VISIBLE = 7, [5, 0, 3, 2]
LEFT, RIGHT = np.triu_indices(N, 1)
RNG = np.random.default_rng(1)
W, B = RNG.normal(size=LEFT.size), RNG.normal(size=N)
DATA = RNG.integers(0, 2, (40, 4)) | np.array([1, 0, 0, 1])
SHARES = np.full(40, 1 / 40, np.float32)


def machine(weights=W, biases=B, visible=VISIBLE):
    return BoltzmannMachine.from_edges(N, LEFT, RIGHT, weights, biases, visible)


def setting(method="pcd", steps=1, chains=40, batch_size=40, centered=False, threads=1, seed=3):
    return Estimation(method, steps, chains, batch_size, 40, centered, DATA.mean(axis=0), seed, threads)


def test_the_exact_gradient_is_that_of_finite_differences():
    found, step = gradient(machine(), DATA), 1e-5
    assert not np.diag(found.weights).any()
    for k in range(LEFT.size):
        e = step * np.eye(LEFT.size)[k]
        sides = [fg.log_likelihood(machine(W + t * e), DATA).value for t in (1, -1)]
        slope = pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-8)
        assert found.weights[LEFT[k], RIGHT[k]] == slope
        assert found.weights[RIGHT[k], LEFT[k]] == slope
    for k in range(N):
        e = step * np.eye(N)[k]
        sides = [fg.log_likelihood(machine(W, B + t * e), DATA).value for t in (1, -1)]
        assert found.biases[k] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-8)


def test_pairs_that_are_not_coupled_have_a_gradient_too():
    found = gradient(BoltzmannMachine(np.zeros((3, 3))), [[1, 1, 0], [1, 1, 1]])
    expected = [[0, 1 - 0.25, 0.5 - 0.25], [1 - 0.25, 0, 0.5 - 0.25], [0.5 - 0.25, 0.5 - 0.25, 0]]
    np.testing.assert_allclose(found.weights, expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(found.biases, [0.5, 0.5, 0.0], rtol=0, atol=1e-15)


def bipartite(rbm):
    """The same energy as a Boltzmann machine, visible units first."""
    V, H = rbm.weights.shape
    i, j = (part.ravel() for part in np.indices((V, H)))
    biases = np.concatenate([rbm.visible_bias, rbm.hidden_bias])
    return BoltzmannMachine.from_edges(V + H, i, j + V, rbm.weights.ravel(), biases, range(V))


RESTRICTED = fg.RBM(RNG.normal(size=(4, 3)), RNG.normal(size=4), RNG.normal(size=3))


def test_an_rbm_has_its_own_gradient():
    found, own = gradient(bipartite(RESTRICTED), DATA), gradient(RESTRICTED, DATA)
    np.testing.assert_allclose(found.weights[:4, 4:], own.weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.biases, np.concatenate(own[1:]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("centered", [True, False])
def test_an_rbm_is_trained_the_same_as_a_machine_of_its_graph(centered):
    """Along the exact gradient, with momentum, pulls and row weights, to rounding errors."""
    settings = dict(method="exact", epochs=20, batch_size=15, learning_rate=0.2, momentum=0.6, l1=0.01, l2=0.02, seed=4)
    settings |= dict(centered=centered, weights=np.arange(40) % 3)
    one, other = (fg.train(model, DATA, **settings) for model in (RESTRICTED, bipartite(RESTRICTED)))
    expected = bipartite(one.model)
    np.testing.assert_allclose(other.model.weights, expected.weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(other.model.biases, expected.biases, rtol=0, atol=1e-12)
    for name in ("pseudo_likelihood", "log_likelihood", "gradient_norm"):
        np.testing.assert_allclose(getattr(other.history, name), getattr(one.history, name), rtol=1e-10)


def test_gradients_of_large_weights_are_finite():
    found = gradient(machine(300 * W, 300 * B), DATA)
    assert np.isfinite(found.weights).all() and np.isfinite(found.biases).all()


@pytest.mark.parametrize(("n", "lanes"), [(1, 16), (5, 64), (40, 48)])
def test_moments_are_sums_over_lanes(n, lanes):
    spins, coefficients = (2 * RNG.integers(0, 2, (n, lanes)) - 1).astype(np.int8), RNG.normal(size=lanes)
    i, j = (part.astype(np.int32) for part in np.triu_indices(n))
    found, x = np.ones(i.size), (spins + 1) // 2
    for first, last in ((0, i.size // 2), (i.size // 2, i.size)):
        add_moments(spins, coefficients, i, j, first, last, np.empty(16), found)
    np.testing.assert_allclose(found, 1 + (x[i] * x[j]) @ coefficients, rtol=1e-12)


def estimates(model, method="pcd", data=DATA):
    """<x_i x_j> and <x_i> of data less model, 64 times over, from 40 chains that have come to rest: (64, pairs + n)."""
    one = SampledMachine(model, setting(method, steps=20))
    found, rows = [], np.arange(40)
    for _ in range(67):
        one.positive(data, SHARES, rows)
        one.negative()
        found.append(one.seen - one.known)
    return np.array(found[3:])


def largest_z(found, truth):
    spread = found.std(axis=0, ddof=1)
    moving = spread > 0
    assert moving.sum() > 15
    np.testing.assert_allclose(found[0, ~moving], truth[~moving], rtol=0, atol=1e-7)
    return np.abs((found.mean(axis=0) - truth)[moving] / (spread[moving] / 8)).max()


def exactly(model, data=DATA):
    found = gradient(model, data)
    return np.concatenate([found.weights[LEFT, RIGHT], found.biases])


@pytest.mark.parametrize("method", ["pcd", "tempering"])
def test_sampled_gradients_are_the_exact_one_in_the_mean(method):
    """64 estimates of 28 numbers: |z| < 4.7 has a false-alarm rate of 4e-4 at 63 degrees of freedom."""
    truth = exactly(machine())
    assert largest_z(estimates(machine(), method), truth) < 4.7
    # broken twins: 20 % too strong a machine, visible units in another order
    assert largest_z(estimates(machine(1.2 * W, 1.2 * B), method), truth) > 4.7
    assert largest_z(estimates(machine(), method, DATA[:, ::-1]), truth) > 4.7


@pytest.mark.parametrize("method", ["pcd", "tempering"])
def test_data_chains_and_ladders_draw_apart(method):
    """Neither lanes nor swaps share a stream, and rows' hidden units begin with no chain's start."""
    one = SampledMachine(machine(), setting(method, chains=70))
    blocks = one.block.shown + one.block.chains
    lanes = np.concatenate([block.state.streams for block in blocks], axis=1).T
    swaps = np.concatenate([block.ladders.streams for block in blocks])
    for streams in (lanes, swaps):
        assert len(np.unique(streams, axis=0)) == len(streams)
    first = np.resize(one.block.hidden, 8)
    assert (random_ups(3, range(70), 64).view(np.uint8) != first).any(axis=1).all()


def sweep_matrix(model):
    """p(x -> x') of one Gibbs sweep over all units in order, (2^n, 2^n)."""
    x = (exact.states(model.n) + 1) // 2
    p = 1 / (1 + np.exp(-model.inputs(x)))
    whole = np.eye(len(x))
    for i in range(model.n):
        up, down = np.arange(len(x)) | 1 << i, np.arange(len(x)) & ~(1 << i)
        step = np.zeros_like(whole)
        step[np.arange(len(x)), up], step[np.arange(len(x)), down] = p[:, i], 1 - p[:, i]
        whole = whole @ step
    return x, whole


@pytest.mark.parametrize("steps", [1, 2])
def test_contrastive_divergence_agrees_with_enumeration(steps):
    """Hidden units that are not coupled to each other are drawn exactly given the data; then whole sweeps."""
    free = [5, 0, 3, 2, 1]  # 4 and 6 are hidden
    weights = np.where((LEFT == 4) & (RIGHT == 6), 0.0, W)
    model = machine(weights, B, free)
    data = np.column_stack([DATA, RNG.integers(0, 2, 40)])
    x, whole = sweep_matrix(model)
    given = np.exp(-model.energy(x))
    law = np.zeros(len(x))
    for row in data:
        fits = (x[:, free] == row).all(axis=1)
        law += fits * given / given[fits].sum() / len(data)
    i, j = np.concatenate([LEFT, np.arange(N)]), np.concatenate([RIGHT, np.arange(N)])
    keep = weights != 0
    keep = np.concatenate([keep, np.ones(N, bool)])
    one = SampledMachine(model, setting("cd", steps, chains=40))
    found, rows = [], np.arange(40)
    for _ in range(400):
        one.positive(data, SHARES, rows)
        one.negative()
        found.append(np.concatenate([one.seen, one.known]))

    def expected(more):
        laws = law, law @ np.linalg.matrix_power(whole, steps + more)
        return np.concatenate([(p @ (x[:, i] * x[:, j]))[keep] for p in laws])

    found = np.array(found)
    error = found.std(axis=0, ddof=1) / 20
    moving = error > 1e-9
    np.testing.assert_allclose(found[0, ~moving], expected(0)[~moving], rtol=0, atol=1e-6)
    z = [np.abs((found.mean(axis=0) - expected(more))[moving] / error[moving]).max() for more in (0, 1, 1000)]
    # |z| < 4.5 of some 50 numbers: a false-alarm rate of 4e-4
    assert z[0] < 4.5
    assert z[1] > 4.5  # a sweep too many is seen
    assert z[2] > 4.5  # and so is its bias


@pytest.mark.parametrize("method", ["cd", "pcd", "tempering"])
def test_sampled_and_exact_learners_move_alike(method):
    """The same sums over states move parameters the same way, whoever found them."""
    exactly_, sampled = ExactMachine(machine(), setting(centered=True)), SampledMachine(machine(), setting(method))
    sampled.centered, sampled.own.offsets[:] = True, exactly_.own.offsets
    for _ in range(3):
        exactly_.positive(DATA, SHARES, np.arange(40))
        exactly_.negative()
        sampled.seen, sampled.known, sampled.total = exactly_.seen, exactly_.known, exactly_.total
        norms = [one.move(Step(0.1, 0.5, 0.01, 0.02)) for one in (exactly_, sampled)]
        assert norms[0] == norms[1] > 0
    for one, other in zip(exactly_.own, sampled.own, strict=True):
        np.testing.assert_array_equal(one, other)


def test_persistent_chains_train_to_the_likelihood_of_the_exact_gradient():
    data = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0], [0, 1, 1, 1]], 25, axis=0)
    model = machine(0.3 * W, np.zeros(N))
    settings = dict(epochs=800, batch_size=50, learning_rate=np.geomspace(0.3, 0.02, 800), likelihood_every=800, seed=2)
    along_exact = fg.train(model, data, method="exact", **settings).history.log_likelihood[-1]
    assert fg.log_likelihood(model, data).value + 1 < along_exact < -np.log(4)  # the entropy of the data bounds it
    for method, chains in (("pcd", 200), ("tempering", 50)):
        found = fg.train(model, data, method=method, steps=2, chains=chains, **settings).history.log_likelihood[-1]
        assert found > 1.02 * along_exact, method
    # without units to explain them the four rows cannot be learnt
    alone = BoltzmannMachine.from_edges(4, [0], [1], 0.1)
    assert fg.train(alone, data, method="pcd", chains=200, **settings).history.log_likelihood[-1] < 1.05 * along_exact


def test_rows_find_their_hidden_units_where_they_left_them():
    """Hidden units that hold each other fast forget their start only over many showings."""
    pair = BoltzmannMachine.from_edges(3, [0, 1, 0], [1, 2, 2], [0.1, 14.0, 0.1], [0.0, -7.0, -7.0], [0])
    one = SampledMachine(pair, Estimation("pcd", 1, 4, 20, 40, False, np.array([0.5]), 3, 1))
    v, order = np.zeros((40, 1)), np.arange(40)

    def shown(rows):
        one.positive(v[rows], np.full(20, 0.05, np.float32), rows)
        return [np.unpackbits(one.block.hidden[rows], axis=1, count=2)][0]

    before = shown(order[:20])
    shown(order[20:])
    after = shown(order[:20][::-1])[::-1]
    assert (before[:, 0] == before[:, 1]).mean() > 0.9
    assert 3 < before[:, 0].sum() < 17
    assert (before == after).mean() > 0.9


def test_a_unit_is_reconstructed_from_all_others():
    model = machine(visible=range(N))
    x = RNG.integers(0, 2, (30, N))
    result = fg.train(model, x, method="exact", epochs=1, learning_rate=1e-12, seed=1)
    means = 1 / (1 + np.exp(-model.inputs(x)))
    assert result.history.reconstruction[0] == pytest.approx(((x - means) ** 2).mean(), rel=1e-9)
    assert result.history.pseudo_likelihood[0] == pytest.approx(
        np.log(np.where(x == 1, means, 1 - means)).sum(axis=1).mean(), rel=1e-9
    )
    assert result.history.log_likelihood[0] == pytest.approx(fg.log_likelihood(model, x).value, rel=1e-9)


def test_inputs_are_those_of_the_energy():
    """E(x_i = 0) - E(x_i = 1) = b_i + sum_j W_ij x_j."""
    model = machine()
    x = RNG.integers(0, 2, (5, 3, N))
    found = model.inputs(x)
    for i in range(N):
        sides = [np.where(np.arange(N) == i, value, x) for value in (0, 1)]
        np.testing.assert_allclose(found[..., i], model.energy(sides[0]) - model.energy(sides[1]), atol=1e-12)


def test_the_pseudo_likelihood_of_a_large_machine_is_estimated_without_bias(monkeypatch):
    model, v = machine(), DATA.astype(np.int8)
    monkeypatch.setattr("fastgibbs.learning.history.TERMS", 2 * 40 * (model.weights.size + N))  # two of four units
    found = np.array([pseudo_likelihood(model, v, seed) for seed in range(400)])
    truth = fg.pseudo_likelihood(model, DATA)
    z = [(found.mean() * scale - truth) / (found.std(ddof=1) / 20) for scale in (1, 7 / 8)]
    assert abs(z[0]) < 4.5 < abs(z[1])


def chain_of_hidden(hidden):
    """One visible unit, and hidden ones that are coupled in a row."""
    n = hidden + 1
    return BoltzmannMachine.from_edges(n, np.arange(hidden), np.arange(1, n), 0.1, None, [0])


def test_where_hidden_units_are_too_many_to_sum_over_the_history_says_so():
    result = fg.train(chain_of_hidden(21), [[0], [1]], epochs=2, seed=1)
    assert np.isnan(result.history.pseudo_likelihood).all()
    assert np.isnan(result.history.log_likelihood).all()
    assert np.isfinite(result.history.reconstruction).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(data=DATA[:0]), ValueError, "data is empty"),
        (dict(data=DATA[:, :3]), ValueError, r"data has shape \(40, 3\): give \(N, 4\)"),
        (dict(data=2 * DATA), ValueError, r"data\[0, 0\] is 2"),
        (dict(model=machine(visible=[]), data=np.zeros((3, 0))), ValueError, "at least one visible unit"),
        (
            dict(model=chain_of_hidden(16), data=[[1]], method="exact"),
            ValueError,
            r"2\^17 states of its units, at most 2\^16 are enumerated",
        ),
        (
            dict(model=chain_of_hidden(21), data=[[1]], likelihood_every=1),
            ValueError,
            r"21 hidden units that are coupled to each other, 2\^21 states",
        ),
    ],
)
def test_bad_input_is_named_before_anything_runs(change, error, message, monkeypatch):
    monkeypatch.setattr("fastgibbs.learning.training.running", lambda *_: pytest.fail("it ran"))
    with pytest.raises(error, match=message):
        fg.train(**(dict(model=machine(), data=DATA) | change))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gradient(fg.lattice((4,)), DATA), TypeError, "give an RBM or a BoltzmannMachine"),
        (lambda: gradient(machine(), DATA[:0]), ValueError, r"data has shape \(0, 4\)"),
        (lambda: gradient(machine(), DATA[:, :3]), ValueError, r"data has shape \(40, 3\)"),
        (lambda: gradient(RESTRICTED, DATA[:, :3]), ValueError, r"data has shape \(40, 3\)"),
        (lambda: gradient(machine(), 2 * DATA), ValueError, r"data\[0, 0\] is 2"),
        (lambda: gradient(BoltzmannMachine(np.zeros((30, 30))), np.zeros((1, 30))), ValueError, "2.30"),
        (lambda: machine().inputs(np.zeros(5)), ValueError, r"states has shape \(5,\): give \(\.\.\., 7\)"),
    ],
)
def test_a_wrong_argument_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
