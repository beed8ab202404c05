"""Steps of training: phases to the bits of the engine, gradients and chains against enumeration."""

import copy

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES, contract, layered, phases
from fastgibbs.engines.gradients import Step
from fastgibbs.jit import njit
from fastgibbs.learning import machines

RNG = np.random.default_rng(5)
SMALL = fg.RBM(RNG.normal(size=(8, 6)) * 0.6, RNG.normal(size=8) * 0.3, RNG.normal(size=6) * 0.3)
STRONG = fg.RBM(SMALL.weights * 4, SMALL.visible_bias * 4, SMALL.hidden_bias * 4)
ROWS = (RNG.random((40, 8)) < np.linspace(0.2, 0.8, 8)).astype(np.uint8)
CHAINS = 4096
FALSE_ALARM = 4.5  # |z| of one of 62 numbers above it: 62 x 7e-6, 4e-4 a test


@njit
def update_layer(plan, state, hidden):
    layered.update_layers(plan, state, contract.GIBBS, hidden, not hidden, False)


def learner(rbm=SMALL, method="pcd", steps=1, chains=CHAINS, batch_size=CHAINS, centered=False, threads=1, seed=3):
    mean = ROWS.mean(axis=0) if rbm is SMALL else np.full(rbm.n_visible, 0.3)
    setting = machines.Estimation(method, steps, chains, batch_size, len(ROWS), centered, mean, seed, threads)
    return machines.SampledRBM(rbm, setting)


def scores(samples, expected):
    """(mean - expected) / its standard error, for independent `samples` (chains, ...)."""
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    return (samples.mean(axis=0) - expected) / error


def hidden_rows(one, first, last):
    """Means times coefficients of rows `first` ... `last - 1`: (rows, H)."""
    h = one.rows.h[:, first:last]
    return h.swapaxes(0, 1).reshape(h.shape[1], -1)[:, : one.hidden]


def products(one, first, last):
    """v h^T of rows `first` ... `last - 1`, without their coefficients: (rows, V H + V + H)."""
    v = one.rows.v[first:last, : one.visible].astype(np.float64)
    h = hidden_rows(one, first, last) / one.rows.coefficients[first:last, None].astype(np.float64)
    return np.concatenate([(v[:, :, None] * h[:, None]).reshape(len(v), -1), v, h], axis=1)


def flat(parts):
    return np.concatenate([np.ravel(part) for part in parts])


@pytest.mark.parametrize("shape", [(8, 6), (13, 7), (65, 31), (3, 1), (100, 64), (62, 70)])
@pytest.mark.parametrize("chains", [3, 5, 70, 100])
def test_layers_are_drawn_to_the_bits_of_the_layered_engine(shape, chains):
    rbm = fg.RBM(RNG.normal(size=shape), RNG.normal(size=shape[0]), RNG.normal(size=shape[1]))
    one = learner(rbm, chains=chains, batch_size=1)
    V, lanes = rbm.n_visible, range(phases.whole(chains, 16))
    visible, hidden = np.split(one.block.chains.spins.T[:, : phases.whole(V, 6) + rbm.n_hidden], [V], axis=1)
    start = np.concatenate([visible, hidden[:, phases.whole(V, 6) - V :]], axis=1)
    plan = ENGINES["layered"].prepare([rbm], 1)
    ups = [(0, np.uint8(start))]
    plan, state = ENGINES["layered"].start(plan, lanes, ups, 3, np.ones(1), contract.GIBBS)
    state.scale[:] = plan.scales[0]
    for _ in range(3):
        one.positive(np.zeros((1, V)), np.ones(1, np.float32), np.arange(1))
        one.negative()
        update_layer(plan, state, False)  # first, as chains go on
        update_layer(plan, state, True)
        np.testing.assert_array_equal(one.chains(), state.spins[:, :chains].T > 0)
    v, h = one.chains()[:, :V].astype(float), one.chains()[:, V:].astype(float)
    x = v @ rbm.weights + rbm.hidden_bias
    np.testing.assert_allclose(one.block.chains.means[:chains, : rbm.n_hidden], 1 / (1 + np.exp(-x)), rtol=2e-5)
    np.testing.assert_allclose(one.block.chains.energies[:chains], -(h * x).sum(axis=1), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("method", ["cd", "pcd", "tempering"])
@pytest.mark.parametrize("chains", [12, 20, 30])
def test_rows_are_those_of_the_data_and_then_of_the_chains_whatever_their_numbers(method, chains):
    count = 20 if method == "cd" else chains
    one = learner(method=method, chains=count, batch_size=20)
    coefficients = np.linspace(0.03, 0.07, 20).astype(np.float32)
    one.positive(ROWS[:20], coefficients, np.arange(20))
    one.negative()
    v, h, c = one.rows.v[: 20 + count, :8], hidden_rows(one, 0, 20 + count), one.rows.coefficients[: 20 + count]
    np.testing.assert_array_equal(v[:20], ROWS[:20])
    if method != "tempering":  # whose last swap moves states to other rungs
        np.testing.assert_array_equal(v[20:], one.chains()[:, :8])
    np.testing.assert_array_equal(c[:20], coefficients)
    np.testing.assert_allclose(c[20:], -coefficients if method == "cd" else -coefficients.sum() / count, rtol=1e-6)
    means = 1 / (1 + np.exp(-v @ SMALL.weights - SMALL.hidden_bias))
    np.testing.assert_allclose(h, c[:, None] * means, rtol=2e-6)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("shape", [(8, 6), (70, 13), (65, 65), (62, 130)])
def test_a_step_moves_parameters_by_the_formula(shape, centered):
    """Two steps with momentum, l1 and l2, in float64 NumPy from the states that the kernels drew."""
    rbm = fg.RBM(RNG.normal(size=shape) * 0.1, RNG.normal(size=shape[0]), RNG.normal(size=shape[1]))
    one = learner(rbm, chains=30, batch_size=20, centered=centered)
    W, a, b = one.parameters()
    velocities = [np.zeros_like(part) for part in (W, a, b)]
    mu, lam = np.zeros(shape[0]), np.zeros(shape[1])
    if centered:
        mu[:] = 0.3
        lam = 1 / (1 + np.exp(-(b + mu @ W)))
    step = Step(0.3, 0.7, 0.02, 0.05)
    for _ in range(2):
        one.positive(RNG.random((20, shape[0])) < 0.4, np.full(20, 1 / 20, np.float32), np.arange(20))
        one.negative()
        v, h = one.rows.v[:50, : shape[0]].astype(float), hidden_rows(one, 0, 50).astype(float)
        c = one.rows.coefficients[:50].astype(float)
        norm = one.move(step)
        seen = h[:20].sum(axis=0)
        h = h / c[:, None]
        dW = np.einsum("n,ni,nj->ij", c, v - mu, h - lam)
        da, db = c @ v - dW @ lam, c @ h - dW.T @ mu
        assert norm == pytest.approx(np.sqrt((dW**2).sum() + (da**2).sum() + (db**2).sum()), rel=1e-5)
        changes = dW - 0.02 * np.sign(W) - 0.05 * W, da, db
        velocities = [0.7 * velocity + 0.3 * change for velocity, change in zip(velocities, changes, strict=True)]
        W, a, b = (part + velocity for part, velocity in zip((W, a, b), velocities, strict=True))
        for now, expected in zip(one.parameters(), (W, a, b), strict=True):
            np.testing.assert_allclose(now, expected, atol=3e-6)
        W, a, b = one.parameters()
        if centered:
            lam += 0.01 * (seen - lam)
    tiles = one.block.parameters.tiles.swapaxes(0, 1).reshape(one.block.parameters.tiles.shape[1], -1)
    assert not tiles[shape[0] :].any()  # what fills up stays 0
    assert not tiles[:, shape[1] :].any()


def test_the_exact_gradient_is_the_slope_of_the_exact_log_likelihood():
    for rbm in (SMALL, fg.RBM(SMALL.weights.T, SMALL.hidden_bias, SMALL.visible_bias)):
        rows = ROWS[:, : rbm.n_visible]
        parts = rbm.weights, rbm.visible_bias, rbm.hidden_bias
        for k, slope in enumerate(fg.learning.gradient(rbm, rows)):
            for index in np.ndindex(slope.shape):
                values = []
                for change in (1e-5, -1e-5):
                    moved = [part.copy() for part in parts]
                    moved[k][index] += change
                    values.append(fg.log_likelihood(fg.RBM(*moved), rows).value)
                assert (values[0] - values[1]) / 2e-5 == pytest.approx(slope[index], abs=1e-8)


@pytest.mark.parametrize("shape", [(9, 12), (12, 9)])
def test_sums_over_states_in_parts_are_those_of_all_at_once(shape, monkeypatch):
    parts = RNG.normal(size=shape) * 3, RNG.normal(size=shape[0]), RNG.normal(size=shape[1])
    whole = machines.exact.of_model(*parts)
    monkeypatch.setattr(machines.exact, "_PART", 12 * 50)  # 11 parts of 50 states, the last of 12
    for one, other in zip(machines.exact.of_model(*parts), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def contrast(rbm, rows, steps):
    """What CD expects of v h^T, v and h in its chains after `steps` steps from `rows`, by enumeration."""
    v, h = ((exact.states(n) + 1) // 2 for n in rbm.weights.shape)
    x, y = v @ rbm.weights + rbm.hidden_bias, h @ rbm.weights.T + rbm.visible_bias
    p = np.exp((h @ x.T).T - np.logaddexp(0, x).sum(axis=1)[:, None])
    q = np.exp((v @ y.T).T - np.logaddexp(0, y).sum(axis=1)[:, None])
    start = np.bincount(rows @ (1 << np.arange(rbm.n_visible)), minlength=len(v)) / len(rows)
    law = start @ np.linalg.matrix_power(p @ q, steps)
    means = 1 / (1 + np.exp(-x))
    return flat(((law[:, None] * v).T @ means, law @ v, law @ means))


@pytest.mark.parametrize("steps", [1, 3])
def test_contrastive_divergence_agrees_with_enumeration(steps):
    rows = ROWS[np.arange(CHAINS) % len(ROWS)]
    one = learner(method="cd", steps=steps)
    one.positive(rows, np.full(CHAINS, 1 / CHAINS, np.float32), np.arange(CHAINS))
    one.negative()
    shown = products(one, 0, CHAINS).mean(axis=0)
    np.testing.assert_allclose(shown, contrast(SMALL, rows, 0), atol=1e-6)
    found = products(one, CHAINS, 2 * CHAINS)
    assert np.abs(scores(found, contrast(SMALL, rows, steps))).max() < FALSE_ALARM
    assert np.abs(scores(found, contrast(SMALL, rows, steps + 1))).max() > FALSE_ALARM  # a step too many is seen
    assert np.abs(scores(found, contrast(SMALL, rows, 1000))).max() > FALSE_ALARM  # and so is its bias


@pytest.mark.parametrize("method", ["pcd", "tempering"])
def test_chains_and_ladders_start_apart_and_draw_apart(method):
    rbm = fg.RBM(np.zeros((40, 30)))
    one = learner(rbm, method, chains=70, batch_size=1)
    lanes = 70 * (10 if method == "tempering" else 1)
    starts, streams = one.block.chains.spins[:, :lanes].T, one.block.chains.streams[:, :lanes].T
    swaps = one.block.swaps, 70 if method == "tempering" else 0
    for numbers, count in ((starts[:, :40], lanes), (starts[:, 42:], lanes), (streams, lanes), swaps):
        assert len(numbers) == count
        assert len(np.unique(numbers, axis=0)) == count
    bits = starts[:, :30] == starts[:, 42:72]  # visible units 0 ... 29 and all hidden ones, half of them alike
    assert abs(bits.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(bits.size)


def model_means(rbm=SMALL):
    return flat(machines.exact.of_model(rbm.weights, rbm.visible_bias, rbm.hidden_bias))


def drawn(method, chains=CHAINS, rbm=SMALL, steps=60):
    one = learner(rbm, method, steps, chains, batch_size=1)
    one.positive(ROWS[:1], np.ones(1, np.float32), np.arange(1))
    one.negative()
    return products(one, 1, 1 + chains)


@pytest.mark.parametrize(("method", "rbm"), [("pcd", SMALL), ("tempering", SMALL), ("tempering", STRONG)])
def test_chains_draw_from_the_model(method, rbm):
    """Of 61 rounds of exchange the last is one of rungs 8 and 9: the lanes at beta = 1 are those before it."""
    assert np.abs(scores(drawn(method, CHAINS, rbm, steps=61), model_means(rbm))).max() < FALSE_ALARM


def test_ladders_that_exchange_the_wrong_way_are_seen(monkeypatch):
    real = phases.swap

    def broken(chains, bias, visible, lane_at, betas, streams, number):
        real(chains, bias, visible, lane_at, betas[::-1].copy(), streams, number)

    monkeypatch.setattr(phases, "swap", broken)
    assert np.abs(scores(drawn("tempering", CHAINS, STRONG), model_means(STRONG))).max() > FALSE_ALARM


def test_exchanges_by_the_free_energies_of_beta_1_are_seen(monkeypatch):
    """p = min(1, exp((beta' - beta)(F(v') - F(v)))), F(v) = -a.v - sum_j log(1 + exp(x_j)): a rule that is in use.

    Chains at beta draw from exp(-beta E(v, h)), whose sum over h is not exp(-beta F(v)).
    """
    rbm, rng = fg.RBM(3 * SMALL.weights, 3 * SMALL.visible_bias, 3 * SMALL.hidden_bias), np.random.default_rng(9)

    def broken(chains, bias, visible, lane_at, betas, streams, number):
        v = chains.spins[:visible].T.astype(float)
        F = -v @ rbm.visible_bias - np.logaddexp(0, v @ rbm.weights + rbm.hidden_bias).sum(axis=1)
        for rung in range(number % 2, betas.size - 1, 2):
            a, b = lane_at[:, rung].copy(), lane_at[:, rung + 1].copy()
            gain = (betas[rung + 1] - betas[rung]) * (F[b] - F[a])
            swaps = rng.random(a.size) < np.exp(np.minimum(gain, 0))
            lane_at[swaps, rung], lane_at[swaps, rung + 1] = b[swaps], a[swaps]
            chains.scale[a[swaps]], chains.scale[b[swaps]] = chains.scale[b[swaps]], chains.scale[a[swaps]]

    z = []
    for rule in (phases.swap, broken):
        monkeypatch.setattr(phases, "swap", rule)
        z.append(np.abs(scores(drawn("tempering", 4 * CHAINS, rbm), model_means(rbm))).max())
    assert z[0] < FALSE_ALARM < z[1] / 2


def test_means_at_another_temperature_than_1_are_seen(monkeypatch):
    """The states exchanged into beta = 1 have means of the rung that they come from."""
    real = phases.draw_hidden

    def broken(layers, chains, *rest):
        scale = chains.scale.copy()
        chains.scale[scale == scale.min()] *= np.float32(8 / 9)
        real(layers, chains, *rest)
        chains.scale[:] = scale

    monkeypatch.setattr(phases, "draw_hidden", broken)
    assert np.abs(scores(drawn("tempering"), model_means())).max() > FALSE_ALARM


def test_ladders_reach_what_single_chains_do_not():
    """Two states far apart, one with 3/4 of the weight: chains at beta = 1 stay where they began."""
    W = np.full((12, 4), 2.0)
    W[:6] *= -1
    rbm = fg.RBM(W, np.where(np.arange(12) < 6, 4.0, -4.0), np.full(4, np.log(3) / 4))
    v, _ = machines.exact.of_model(rbm.weights, rbm.visible_bias, rbm.hidden_bias)[1:]
    means = {}
    for method, chains in (("pcd", CHAINS), ("tempering", 512)):
        one = learner(rbm, method, steps=200, chains=chains, batch_size=1)
        one.positive(np.zeros((1, 12)), np.ones(1, np.float32), np.arange(1))
        one.negative()
        found = one.rows.v[1 : 1 + chains, :12].astype(float)
        means[method] = np.abs(scores(found, v)).max()
    assert means["tempering"] < FALSE_ALARM < means["pcd"]


def test_learners_do_not_share_what_they_change():
    one = learner(batch_size=4, chains=4)
    other = copy.deepcopy(one.parameters())
    learner(batch_size=4, chains=4, seed=9).load(*(part + 1 for part in other))
    for now, before in zip(one.parameters(), other, strict=True):
        np.testing.assert_array_equal(now, before)
