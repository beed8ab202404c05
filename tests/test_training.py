"""Training: kernels against the layered engine and NumPy, gradients against enumeration, optima that are reached."""

import copy
import gzip
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES, contract, layered, phases
from fastgibbs.engines.gradients import Step
from fastgibbs.jit import njit
from fastgibbs.learning import data as learning_data
from fastgibbs.learning import epochs as learning_epochs
from fastgibbs.learning import history as learning_history
from fastgibbs.learning import machines, training
from fastgibbs.models import resources
from fastgibbs.results.parts import ENERGY_METHODS

RNG = np.random.default_rng(5)
SMALL = fg.RBM(RNG.normal(size=(8, 6)) * 0.6, RNG.normal(size=8) * 0.3, RNG.normal(size=6) * 0.3)
STRONG = fg.RBM(SMALL.weights * 4, SMALL.visible_bias * 4, SMALL.hidden_bias * 4)
ROWS = (RNG.random((40, 8)) < np.linspace(0.2, 0.8, 8)).astype(np.uint8)
CHAINS = 4096
RBM_PARTS = "weights", "visible_bias", "hidden_bias"
FALSE_ALARM = 4.5  # |z| of one of 62 numbers above it: 62 x 7e-6, 4e-4 a test


def bars_and_stripes(side=4):
    """All pictures of whole rows or whole columns, uint8 (2^(side + 1), side^2)."""
    lines = np.arange(2**side)[:, None] >> np.arange(side) & 1
    rows = np.repeat(lines, side, axis=1)
    return np.concatenate([rows, np.tile(lines, side)]).astype(np.uint8)


@njit
def update_layer(plan, state, hidden):
    layered.update_layers(plan, state, contract.GIBBS, hidden, not hidden, False)


def learner(rbm=SMALL, method="pcd", steps=1, chains=CHAINS, batch_size=CHAINS, centered=False, threads=1, seed=3):
    mean = ROWS.mean(axis=0) if rbm is SMALL else np.full(rbm.n_visible, 0.3)
    setting = machines.Estimation(method, steps, chains, batch_size, len(ROWS), centered, mean, seed, threads)
    return machines.SampledRBM(rbm, setting)


def everything(result):
    names = ("weights", "biases") if isinstance(result.model, fg.BoltzmannMachine) else RBM_PARTS
    parts = (getattr(result.model, name) for name in names)
    return b"".join(np.ascontiguousarray(part).tobytes() for part in (*parts, *result.history, result.chains))


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


def machine(visible, hidden, joined):
    """A Boltzmann machine of small weights, all coupled if `joined`, hidden units otherwise to visible ones alone."""
    n = visible + hidden
    i, j = np.triu_indices(n, 1)
    keep = joined | (i < visible) & (j >= visible)
    weights = np.random.default_rng(2).normal(size=keep.sum()) * 0.1
    return fg.BoltzmannMachine.from_edges(n, i[keep], j[keep], weights, None, np.arange(visible)[::-1])


KINDS = {
    "RBM": lambda visible, hidden: fg.RBM(np.random.default_rng(2).normal(size=(visible, hidden)) * 0.1),
    "machine": lambda visible, hidden: machine(visible, hidden, joined=True),
    "machine in layers": lambda visible, hidden: machine(visible, hidden, joined=False),
}


def best(data, rbm, **kwargs):
    rates = np.geomspace(0.3, 0.01, 6000)
    settings = dict(epochs=6000, learning_rate=rates, batch_size=32, likelihood_every=0, seed=7)
    return fg.log_likelihood(fg.train(rbm, data, **(settings | kwargs)).model, data).value


def test_bars_and_stripes_are_learnt_as_well_as_by_the_exact_gradient():
    data = bars_and_stripes()
    rbm = fg.RBM(np.random.default_rng(2).normal(size=(16, 8)) * 0.1)
    along_exact = best(data, rbm, method="exact")
    assert along_exact > -4.2  # of log 32 = 3.47 at best and 16 log 2 = 11.1 at first
    for method, chains in (("pcd", 512), ("tempering", 128)):
        assert abs(best(data, rbm, method=method, chains=chains) / along_exact - 1) < 0.02, method
    assert best(data, rbm, method="cd") < 1.02 * along_exact  # biased: it stays below


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_the_same_seed_gives_the_same_bytes_at_any_number_of_threads(method, kind, monkeypatch):
    monkeypatch.setattr(machines, "SHARED", 0)
    visible, hidden = (8, 4) if method == "exact" and kind != "RBM" else (70, 14)
    model, data = KINDS[kind](visible, hidden), np.random.default_rng(3).random((150, visible))
    settings = dict(method=method, epochs=2, batch_size=100, momentum=0.5, seed=7)
    runs = [fg.train(model, data, threads=threads, **settings) for threads in (1, 2, 3)]
    assert everything(runs[0]) == everything(runs[1]) == everything(runs[2])
    assert everything(fg.train(model, data, **(settings | dict(seed=8)))) != everything(runs[0])


def test_only_machines_that_are_worth_it_are_shared_among_threads(monkeypatch):
    assert learner(chains=4, batch_size=4, threads=3).team.size == 1
    monkeypatch.setattr(machines, "SHARED", 8 * 8 * 6)
    shared = learner(chains=4, batch_size=4, threads=3)
    shared.close()
    assert shared.team.size == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_a_training_that_was_stopped_anywhere_goes_on_to_the_same_bytes(method, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(machines, "SHARED", 0)
    visible, hidden = (8, 4) if method == "exact" and kind != "RBM" else (20, 6)
    model, data = KINDS[kind](visible, hidden), np.random.default_rng(3).random((90, visible))
    settings = dict(method=method, epochs=5, batch_size=20, momentum=0.5, l1=1e-4, seed=7)
    whole = fg.train(model, data, **settings)
    stops = 0
    for call in range(20):
        left = [call]

        def callback(epoch, model, history, left=left):
            left[0] -= 1
            return left[0] < 0

        result = fg.train(
            model, data, threads=1 + call % 2, checkpoint=tmp_path / "c.npz", callback=callback, **settings
        )
        stops += result.interrupted
        if not result.interrupted:
            break
    assert stops >= 2
    assert everything(result) == everything(whole)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    settings = dict(epochs=1, checkpoint=tmp_path / "c.npz", seed=1)
    fg.train(SMALL, ROWS, **settings)
    with pytest.raises(ValueError, match="another data"):
        fg.train(SMALL, 1 - ROWS, **settings)


def test_data_of_every_kind_train_the_same(tmp_path):
    sparse = pytest.importorskip("scipy.sparse", reason="scipy comes with the extra [dev]")
    np.save(tmp_path / "rows.npy", ROWS)
    kinds = ROWS, ROWS.astype(bool), ROWS.astype(np.float32), ROWS.tolist(), np.asfortranarray(ROWS)
    kinds += sparse.csr_matrix(ROWS), sparse.coo_array(ROWS), np.load(tmp_path / "rows.npy", mmap_mode="r")
    results = [everything(fg.train(SMALL, kind, epochs=2, seed=1)) for kind in kinds]
    assert len(set(results)) == 1


def test_probabilities_are_drawn_anew_whenever_they_are_shown():
    rows = np.tile(np.linspace(0, 1, 8), (CHAINS, 1))
    one = learning_data.Data(rows, 8)
    first, second = (one.units(np.arange(CHAINS), 1, 0, 1, batch) for batch in (0, 1))
    assert (first != second).any()
    found = np.concatenate([first, second])
    assert not found[:, 0].any()
    assert found[:, -1].all()
    assert np.abs(scores(found[:, 1:-1], rows[0, 1:-1])).max() < FALSE_ALARM


def test_a_unit_of_probability_0_is_never_1_and_one_of_probability_1_always(monkeypatch):
    """At the ends of what is drawn: the first word of a stream of zeros is 0, that of another all ones."""
    for first, units in ((0, [False, True, True]), (2**64 - 1, [False, False, True])):

        def beginning(*address, first=first):
            return np.array([first, 0, 0, 0], np.uint64)

        monkeypatch.setattr(learning_data, "stream_state", beginning)
        for k, p in enumerate((0.0, 0.5, 1.0)):
            assert learning_data.Data([[p], [0.5]], 1).units([0], 1, 0)[0, 0] == units[k]


def test_a_training_is_judged_by_rows_from_all_of_the_data_drawn_once():
    """Row k holds the bits of k, then eight probabilities of 1/2."""
    rows = np.concatenate([np.arange(1500)[:, None] >> np.arange(11) & 1, np.full((1500, 8), 0.5)], axis=1)
    one = learning_data.Data(rows, 19)
    found = one.monitored(7)
    np.testing.assert_array_equal(found, one.monitored(7))
    numbers = found[:, :11].astype(int) @ (1 << np.arange(11))
    assert len(np.unique(numbers)) == 1000
    spread = np.sqrt(1500**2 / 12 / 1000 / 3)  # of the mean of 1000 numbers of 1500
    assert abs(numbers.mean() - 749.5) < 4.5 * spread < 250
    shown = one.units(numbers, 7, 0, 1, 0)[:, 11:]
    assert abs((found[:, 11:] == shown).mean() - 0.5) < 4.5 * 0.5 / np.sqrt(8000)  # not as the first batch draws them


def test_by_default_there_are_as_many_chains_as_rows_of_a_batch_or_an_eighth_as_many_ladders():
    for method, count in (("pcd", 24), ("cd", 24), ("tempering", 3), ("exact", 0)):
        assert len(fg.train(SMALL, ROWS[:24], method=method, batch_size=24, epochs=1, seed=1).chains) == count


def test_every_epoch_shows_each_row_once_in_a_new_order_in_batches_that_are_means(monkeypatch):
    """90 rows in batches of 20: the last has 10, and every row of it counts for a tenth."""
    shown, norms = [], []
    positive, move = machines.ExactRBM.positive, machines.ExactRBM.move

    def positive_too(one, units, coefficients, rows):
        shown.append((rows.copy(), np.array(units), coefficients.copy()))
        return positive(one, units, coefficients, rows)

    def move_too(one, step):
        norms.append(move(one, step))
        return norms[-1]

    monkeypatch.setattr(machines.ExactRBM, "positive", positive_too)
    monkeypatch.setattr(machines.ExactRBM, "move", move_too)
    settings = dict(method="exact", epochs=3, batch_size=20, seed=7)
    result = fg.train(SMALL, np.full((90, 8), 0.5), weights=np.arange(90) % 4, **settings)
    epochs = [shown[k : k + 5] for k in (0, 5, 10)]
    orders = [np.concatenate([rows for rows, _, _ in epoch]) for epoch in epochs]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(90))
    weights = np.arange(90) % 4 / (np.arange(90) % 4).mean()
    for (rows, _, coefficients), size in zip(shown, [20, 20, 20, 20, 10] * 3, strict=True):
        np.testing.assert_allclose(coefficients, weights[rows] / size, rtol=1e-6)
    # units of 50 %: in a batch of 20 x 8, or in two orders of 90 rows, no two are alike by chance
    firsts = [units[:10].tobytes() for _, units, _ in shown]
    assert len(set(firsts)) == 15
    assert not any((one == other).mean() > 0.2 for one, other in pairwise(orders))
    np.testing.assert_allclose(result.history.gradient_norm, np.reshape(norms, (3, 5)).mean(axis=1), rtol=1e-12)


def test_weights_count_rows_as_often():
    twice = np.repeat(ROWS[:20], np.arange(20) % 3, axis=0)
    settings = dict(method="exact", epochs=20, batch_size=100, seed=1)
    one = fg.train(SMALL, twice, **settings).model
    other = fg.train(SMALL, ROWS[:20], weights=np.arange(20) % 3, **settings).model
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-12)


def test_what_is_pulled_to_zero_goes_there():
    settings = dict(method="exact", epochs=300, batch_size=40, learning_rate=0.1, seed=1)
    free, l1, l2 = (fg.train(SMALL, ROWS, **settings, **pull).model for pull in ({}, dict(l1=0.02), dict(l2=0.05)))
    assert np.abs(l1.weights).sum() < 0.7 * np.abs(free.weights).sum()
    assert (l2.weights**2).sum() < 0.7 * (free.weights**2).sum()


def test_a_callback_sees_every_epoch_and_may_stop_and_the_history_is_right():
    seen = []

    def callback(epoch, model, history):
        seen.append((epoch, model.weights.copy(), len(history.reconstruction)))
        return epoch == 3

    result = fg.train(SMALL, ROWS, epochs=9, seed=1, callback=callback)
    assert [(epoch, length) for epoch, _, length in seen] == [(1, 1), (2, 2), (3, 3)]
    assert result.interrupted
    assert result.epochs == 3
    np.testing.assert_array_equal(seen[-1][1], result.model.weights)
    history = result.history
    assert all(len(record) == 3 for record in history)
    model = result.model
    assert history.log_likelihood[-1] == fg.log_likelihood(model, ROWS).value
    assert history.log_likelihood_error[-1] == 0
    assert history.pseudo_likelihood[-1] == fg.pseudo_likelihood(model, ROWS)
    means = 1 / (1 + np.exp(-(ROWS @ model.weights + model.hidden_bias)))
    again = 1 / (1 + np.exp(-(means @ model.weights.T + model.visible_bias)))
    assert history.reconstruction[-1] == pytest.approx(((ROWS - again) ** 2).mean(), rel=1e-12)


def test_the_pseudo_likelihood_of_a_large_machine_is_estimated_without_bias(monkeypatch):
    monkeypatch.setattr(learning_history, "TERMS", 2 * len(ROWS) * SMALL.n_hidden)  # two of eight units of each row
    found = np.array([learning_history.pseudo_likelihood(SMALL, ROWS.astype(np.int8), seed) for seed in range(400)])
    assert abs(scores(found, fg.pseudo_likelihood(SMALL, ROWS))) < FALSE_ALARM
    assert abs(scores(found * 7 / 8, fg.pseudo_likelihood(SMALL, ROWS))) > FALSE_ALARM
    flipped = fg.analysis.log_weights(SMALL, ROWS[:, None] ^ np.eye(8, dtype=np.uint8))
    terms = -np.logaddexp(0, flipped - fg.analysis.log_weights(SMALL, ROWS)[:, None])
    variance = 8**2 / 2 * terms.var(axis=1).sum() / len(ROWS) ** 2  # where every row has units of its own
    assert found.var(ddof=1) == pytest.approx(variance, rel=4.5 * np.sqrt(2 / 399))


def test_exact_likelihoods_are_as_frequent_as_the_smaller_layer_lets_them():
    """Every time where 2^small * large is at most 2^12; else in a quarter of the time, twice at least, or never."""

    def every(shape, products):
        model = fg.RBM(np.zeros(shape)) if isinstance(shape, tuple) else fg.BoltzmannMachine(np.zeros((shape, shape)))
        return learning_history.affordable(model, 100, 1, products)

    for shape, products, expected in (
        ((512, 3), 1, 1),
        ((513, 3), 1, 0),
        ((18, 17), 10**12, 0),
        (8, 1, 1),
        (9, 1, 0),
        (17, 10**12, 0),
    ):
        assert every(shape, products) == expected
        if isinstance(shape, tuple):
            assert every(shape[::-1], products) == expected
    term = 4 * learning_history.TERM * 2**8 * 100  # that one of a hundred epochs pays for
    assert [every((8, 100), share * term // 100) for share in (100, 50, 2)] == [1, 2, 50]
    assert every((8, 100), 2 * term // 100 - 1) == 0


def test_likelihoods_of_large_machines_are_annealed_when_asked_for(monkeypatch):
    rbm, data, seeds = fg.RBM(np.zeros((20, 18))), np.random.default_rng(1).random((30, 20)) < 0.5, {1}
    real = learning_epochs.log_likelihood

    def noted(*arguments, seed, **others):
        seeds.add(seed)
        return real(*arguments, seed=seed, **others)

    monkeypatch.setattr(learning_epochs, "log_likelihood", noted)
    result = fg.train(rbm, data, epochs=4, likelihood_every=2, seed=1)
    assert len(seeds) == 3  # the training and each of them with random numbers of its own
    np.testing.assert_array_equal(np.isnan(result.history.log_likelihood), [True, False, True, False])
    assert result.history.log_likelihood_error[1] > 0


@pytest.mark.parametrize("model", [SMALL, machine(8, 4, joined=True)])
@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_a_training_that_diverges_says_when_and_returns_what_was_well(method, model):
    rates = np.array([0.1, 0.1, 1e9, 0.1])
    with pytest.warns(RuntimeWarning, match=r"diverged in epoch 3: the model after epoch 2 .* 1e\+09 there"):
        result = fg.train(model, ROWS, method=method, epochs=4, learning_rate=rates, seed=1)
    assert result.diverged
    assert result.epochs == 2
    good = fg.train(
        model, ROWS, method=method, epochs=4, learning_rate=np.full(4, 0.1), seed=1, callback=lambda e, *_: e == 2
    )
    np.testing.assert_array_equal(result.model.weights, good.model.weights)
    with pytest.warns(RuntimeWarning, match="epoch 1: the model after epoch 0"):
        result = fg.train(model, ROWS, method=method, epochs=50, learning_rate=1e30, momentum=0.9, l2=1e5, seed=1)
    np.testing.assert_allclose(result.model.weights, model.weights, atol=1e-6)


BAD = np.full((3, 8), 0.5)
BAD[2, 5] = np.nan


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(data=BAD), ValueError, r"data\[2, 5\] is nan: give units or probabilities"),
        (dict(data=np.eye(8) * 2), ValueError, r"data\[0, 0\] is 2.0"),
        (dict(data=-ROWS.astype(int)), ValueError, r"data\[0, \d\] is -1"),
        (dict(data=ROWS * 255), ValueError, r"is 255: give units"),
        (dict(data=ROWS[:0]), ValueError, "data is empty"),
        (dict(data=ROWS[:, :7]), ValueError, r"data has shape \(40, 7\): give \(N, 8\)"),
        (dict(data=ROWS[0]), ValueError, r"data has shape \(8,\)"),
        (dict(data=np.full((2, 8), "x")), TypeError, "data has dtype <U1"),
        (dict(model=fg.lattice((4, 4))), TypeError, "give an RBM, a BoltzmannMachine or a Helmholtz machine"),
        (dict(model=fg.RBM(np.zeros((8, 0)))), ValueError, "at least one visible unit, and an RBM one hidden unit"),
        (dict(method="pdc"), ValueError, "did you mean 'pcd'"),
        (dict(steps=0), ValueError, "steps is 0"),
        (dict(epochs=0), ValueError, "epochs is 0"),
        (dict(batch_size=0), ValueError, "batch_size is 0"),
        (dict(chains=0), ValueError, "chains is 0"),
        (dict(chains=5, method="cd"), ValueError, "has no chains of its own"),
        (dict(learning_rate=0), ValueError, "learning_rate is 0.0 in epoch 0"),
        (dict(learning_rate=[0.1, 0.2]), ValueError, r"give a number, or one per epoch, \(10,\)"),
        (dict(learning_rate=lambda epoch: 1.0 - epoch), ValueError, "learning_rate is 0.0 in epoch 1"),
        (dict(learning_rate=np.nan), ValueError, "learning_rate is nan"),
        (dict(momentum=1), ValueError, "momentum is 1.0"),
        (dict(l1=-1), ValueError, "l1 is -1.0"),
        (dict(l2=np.inf), ValueError, "l2 is inf"),
        (dict(weights=np.ones(3)), ValueError, r"weights has shape \(3,\)"),
        (dict(weights=-np.ones(40)), ValueError, "weights holds -1.0"),
        (dict(callback=3), TypeError, "callback is 3"),
        (dict(likelihood_every=-1), ValueError, "likelihood_every is -1"),
        (
            dict(model=fg.RBM(np.zeros((20, 18))), data=np.zeros((2, 20)), method="exact"),
            ValueError,
            r"2\^18 states of its smaller layer, at most 2\^16",
        ),
    ],
)
def test_bad_input_is_named_before_anything_runs(change, error, message, monkeypatch):
    monkeypatch.setattr(training, "running", lambda *_: pytest.fail("it ran"))
    with pytest.raises(error, match=message):
        fg.train(**(dict(model=SMALL, data=ROWS) | change))


def test_too_many_chains_for_this_machine_are_refused(monkeypatch):
    monkeypatch.setattr(resources, "memory", lambda: 2**20)
    with pytest.raises(ValueError, match="100000 chains and batches of 40 needs"):
        fg.train(SMALL, ROWS, chains=100_000)


def idx(array, kind=8):
    head = bytes([0, 0, kind, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(
    ("kind", "dtype"), [(8, np.uint8), (9, np.int8), (11, np.int16), (12, np.int32), (13, "f4"), (14, "f8")]
)
def test_idx_files_are_read_gzipped_or_not(kind, dtype, tmp_path):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "plain").write_bytes(idx(array, kind))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(array, kind)))
    for name in ("plain", "packed.gz"):
        found = fg.read_idx(tmp_path / name)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file"),
        (b"\x89PNG....", "is no IDX file: it begins with"),
        (idx(np.zeros((2, 3), np.uint8), 10), "type 10 of the numbers is unknown"),
        (idx(np.zeros((2, 3), np.uint8))[:9], "ends in its header"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"holds too few bytes of numbers, its header \(2, 3\) announces 6"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "holds more bytes of numbers"),
        (gzip.compress(idx(np.zeros((2, 3), np.uint8)), mtime=0)[:-9], "damaged gzip stream"),
    ],
)
def test_a_damaged_idx_file_is_refused(content, message, tmp_path):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        fg.read_idx(tmp_path / "bad")


def test_mnist_is_read_as_it_is():
    folder = Path(os.environ.get("MNIST", "nowhere"))
    if not folder.is_dir():
        pytest.skip("set MNIST to a folder with the four IDX files to read them")
    images = fg.read_idx(folder / "train-images-idx3-ubyte")
    assert images.shape == (60000, 28, 28)
    assert (images > 127).mean() == pytest.approx(0.132, abs=0.001)
    assert fg.read_idx(folder / "t10k-labels-idx1-ubyte").shape == (10000,)


def test_learners_do_not_share_what_they_change():
    one = learner(batch_size=4, chains=4)
    other = copy.deepcopy(one.parameters())
    learner(batch_size=4, chains=4, seed=9).load(*(part + 1 for part in other))
    for now, before in zip(one.parameters(), other, strict=True):
        np.testing.assert_array_equal(now, before)
