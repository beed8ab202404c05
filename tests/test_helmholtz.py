"""Helmholtz machines: laws and bounds against enumeration, wake and sleep against their twin, likelihoods."""

from itertools import pairwise

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines.gradients import Step
from fastgibbs.learning import helmholtz
from fastgibbs.learning.helmholtz import SampledHelmholtz
from fastgibbs.learning.machines import Estimation
from fastgibbs.methods import directed
from fastgibbs.reference import helmholtz as twin

RNG = np.random.default_rng(5)
FALSE_ALARM = 4.5  # |z| of one of at most 60 numbers above it: 60 x 7e-6, 4e-4 a test
PARTS = "generative", "recognition", "biases", "recognition_biases"


def machine(layers, rng=RNG, scale=1.0):
    """One of normal parameters."""
    pairs = list(pairwise(layers))
    return fg.Helmholtz(
        [rng.normal(size=pair) * scale for pair in pairs],
        [rng.normal(size=pair[::-1]) * scale for pair in pairs],
        [rng.normal(size=size) * scale for size in layers],
        [rng.normal(size=size) * scale for size in layers[1:]],
    )


def published():
    """The machine and the rows of the check values: c, W, b, R and r are drawn in this order."""
    rng = np.random.default_rng(11)
    c, W, b, R, r = (rng.normal(size=size) for size in (3, (4, 3), 4, (3, 4), 3))
    return fg.Helmholtz([W], [R], [b, c], [r]), np.array([1, 6, 6, 11, 3])[:, None] >> np.arange(4) & 1


def units(n):
    """All states of n units."""
    return (exact.states(n) + 1) // 2


def guessed(model, v):
    """Joint states of rows v with all hidden layers, and log w and q of each: (rows, 2^H, n), (rows, 2^H) twice."""
    hidden = units(model.n_hidden)
    x = np.concatenate([np.repeat(v, len(hidden), axis=0), np.tile(hidden, (len(v), 1))], axis=1)
    log_q = model.log_recognition(x)
    shape = len(v), len(hidden)
    return x.reshape(*shape, -1), (-model.energy(x) - log_q).reshape(shape), np.exp(log_q).reshape(shape)


def bounds(model, v):
    """The bound on log p(v) of each row, by enumeration."""
    _, log_w, q = guessed(model, v)
    return (log_w * q).sum(axis=1)


def moved(model, part, k, index, change):
    arrays = {name: [array.copy() for array in getattr(model, name)] for name in PARTS}
    arrays[part][k][index] += change
    return fg.Helmholtz(**arrays)


MODEL, ROWS = machine((5, 4, 3)), RNG.integers(0, 2, (30, 5)).astype(np.uint8)


def test_the_published_machine_has_its_published_numbers():
    model, rows = published()
    assert model.log_marginal(rows).mean() == pytest.approx(-2.6316230525, abs=1e-10)
    assert bounds(model, rows).mean() == pytest.approx(-4.7749759256, abs=1e-10)
    awake, asleep = gradients(model, rows)
    assert awake[0][1, 2] == pytest.approx(-0.028224803, abs=1e-9)
    assert asleep[0][0, 3] == pytest.approx(0.136578618, abs=1e-9)


def split(model, x):
    return np.split(x.astype(float), np.cumsum(model.layers)[:-1], axis=-1)


def errors_of(model, x):
    """Terms of the slopes of log p by all G and b, and of log q by all R and r, of joint states x: a list of each."""
    layers = split(model, x)
    awake, asleep, biases, guesses = [], [], [], []
    for k, (G, b) in enumerate(zip(model.generative, model.biases, strict=False)):
        e = layers[k] - 1 / (1 + np.exp(-(layers[k + 1] @ G.T + b)))
        awake.append(e[..., :, None] * layers[k + 1][..., None, :])
        biases.append(e)
    biases.append(layers[-1] - 1 / (1 + np.exp(-model.biases[-1])))
    for k, (R, r) in enumerate(zip(model.recognition, model.recognition_biases, strict=True)):
        e = layers[k + 1] - 1 / (1 + np.exp(-(layers[k] @ R.T + r)))
        asleep.append(e[..., :, None] * layers[k][..., None, :])
        guesses.append(e)
    return awake + biases, asleep + guesses


def gradients(model, rows):
    """The expected steps awake, of the mean over rows, and asleep, by enumeration."""
    x, _, q = guessed(model, rows)
    awake = [np.einsum("nh,nh...->...", q, term) / len(rows) for term in errors_of(model, x)[0]]
    everything = units(model.n)
    p = np.exp(-model.energy(everything))
    return awake, [np.einsum("s,s...->...", p, term) for term in errors_of(model, everything)[1]]


def test_steps_awake_are_slopes_of_the_bound_and_asleep_of_the_guesses_of_dreams():
    """E_q[log p] is the bound but for the entropy of q, which generative parameters do not change."""
    everything = units(MODEL.n)
    p = np.exp(-MODEL.energy(everything))
    names = {"generative": 0, "biases": 2, "recognition": 0, "recognition_biases": 2}
    for name, first in names.items():
        asleep = name.startswith("recognition")
        slopes = gradients(MODEL, ROWS)[asleep]
        for k, array in enumerate(getattr(MODEL, name)):
            for index in np.ndindex(array.shape):
                values = []
                for change in (1e-5, -1e-5):
                    other = moved(MODEL, name, k, index, change)
                    value = p @ other.log_recognition(everything) if asleep else bounds(other, ROWS).mean()
                    values.append(value)
                assert (values[0] - values[1]) / 2e-5 == pytest.approx(slopes[first + k][index], abs=1e-8)


@pytest.mark.parametrize("layers", [(1, 1), (4, 3), (5, 4, 3), (2, 3, 3, 2)])
def test_probabilities_sum_to_1_and_bounds_are_below_them(layers):
    model = machine(layers, scale=2.0)
    v = units(model.n_visible)
    log_p = model.log_marginal(v)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(guessed(model, v)[2].sum(axis=1), 1, rtol=1e-12)
    assert (bounds(model, v) < log_p).all()
    assert exact.spectrum(model).log_z(1.0) == pytest.approx(0, abs=1e-12)
    assert model.log_marginal(v[:, None]).shape == (len(v), 1)
    by_states = -0.7 * model.energy(guessed(model, v)[0])
    np.testing.assert_allclose(model.log_marginal(v, 0.7), np.logaddexp.reduce(by_states, axis=1), rtol=1e-12)


def test_marginals_summed_in_parts_are_those_summed_at_once(monkeypatch):
    whole = MODEL.log_marginal(ROWS)
    monkeypatch.setattr(fg.models.helmholtz, "_PART", 30 * 50)  # 3 parts of states, the last one smaller
    np.testing.assert_allclose(MODEL.log_marginal(ROWS), whole, rtol=1e-13)


def test_log_z_is_0_by_construction():
    for method in ("ais", "exact", "tempering"):
        found = fg.log_z(machine((30, 20)), method=method)
        assert (found.value, found.error) == (0.0, 0.0)
    assert fg.log_likelihood(MODEL, ROWS).log_z.value == 0


def right_guesses(weights=(2.0, -1.0, 0.5), c=0.3):
    """A machine of one hidden unit whose q is the posterior: log p(h = 1 | v) / p(h = 0 | v) is linear in v."""
    G, b = np.array(weights)[:, None], np.array([0.1, -0.2, 0.4])
    r = c - (np.logaddexp(0, G[:, 0] + b) - np.logaddexp(0, b)).sum()
    return fg.Helmholtz([G], [G.T], [b, [c]], [[r]])


def test_where_q_is_the_posterior_the_bound_is_tight_and_every_draw_tells_all():
    model, v = right_guesses(), units(3)
    np.testing.assert_allclose(bounds(model, v), model.log_marginal(v), atol=1e-12)
    found = fg.log_likelihood(model, v, draws=10, seed=1)
    assert found.value == pytest.approx(model.log_marginal(v).mean(), abs=1e-12)
    assert found.effective_draws == pytest.approx(10)
    assert found.error < 1e-12


def test_likelihoods_by_draws_are_right_within_their_errors():
    model, rng = machine((6, 5, 12), np.random.default_rng(8), 0.3), np.random.default_rng(9)
    v = rng.integers(0, 2, (40, 6))
    truth = model.log_marginal(v).mean()
    found = [fg.log_likelihood(model, v, draws=200, seed=seed) for seed in range(20)]
    z = np.array([(one.value - truth) / one.error for one in found])
    assert np.abs(z).max() < 4
    assert all(20 < one.effective_draws < 200 for one in found)
    assert fg.log_likelihood(model, v, seed=1) == fg.log_likelihood(model, v, draws=100, seed=1)  # 17 hidden units
    assert fg.log_likelihood(model, v, draws=5000, seed=1).error < np.median([one.error for one in found])
    far = fg.log_likelihood(machine((6, 5, 12), scale=2.0), v, draws=200, seed=1)
    assert far.effective_draws < 10
    assert far.error == np.inf
    few = [fg.log_likelihood(model, v, draws=4, seed=seed).value for seed in range(20)]
    assert np.mean(few) + 2 * np.std(few) / 20**0.5 < truth  # low in the mean
    assert fg.log_likelihood(MODEL, ROWS).value == pytest.approx(MODEL.log_marginal(ROWS).mean(), abs=1e-12)
    assert np.isnan(fg.log_likelihood(MODEL, ROWS).effective_draws)


def test_likelihoods_whose_rows_are_drawn_in_parts_are_those_of_all_at_once(monkeypatch):
    found = fg.log_likelihood(MODEL, ROWS, draws=5, seed=1)
    monkeypatch.setattr(directed, "BLOCK", 16)
    assert fg.log_likelihood(MODEL, ROWS, draws=5, seed=1) == found


def test_more_draws_than_memory_holds_are_refused_before_any_is_made():
    with pytest.raises(ValueError, match=r"draws=1000000000000 for each of \d+ rows needs .*: give fewer"):
        fg.log_likelihood(MODEL, ROWS, draws=10**12)


def frequencies(x):
    return np.bincount(x.astype(np.int64) @ (1 << np.arange(x.shape[1])), minlength=2 ** x.shape[1])


def off(counts, p):
    """The chi-square of counts, less its degrees of freedom, in its standard deviations; cells of 5 or more."""
    expected = counts.sum() * p
    large = expected >= 5
    cells = np.append(counts[large], counts[~large].sum()), np.append(expected[large], expected[~large].sum())
    return (((cells[0] - cells[1]) ** 2 / cells[1]).sum() - large.sum()) / np.sqrt(2 * large.sum())


def test_dreams_have_the_law_of_the_machine():
    model = machine((4, 3, 2), np.random.default_rng(2))
    everything = units(model.n)
    counts = frequencies(fg.learning.dream(model, 20_000, seed=1))
    assert off(counts, np.exp(-model.energy(everything))) < FALSE_ALARM
    for part, k in (("generative", 0), ("generative", 1), ("biases", 1), ("biases", 2)):
        other = moved(model, part, k, np.s_[:], 0.2)
        assert off(counts, np.exp(-other.energy(everything))) > FALSE_ALARM, part


def test_a_dream_is_the_same_however_many_are_asked_for(monkeypatch):
    many = fg.learning.dream(MODEL, 200, seed=3)
    np.testing.assert_array_equal(fg.learning.dream(MODEL, 7, seed=3), many[:7])
    monkeypatch.setattr(directed, "BLOCK", 64)
    np.testing.assert_array_equal(fg.learning.dream(MODEL, 200, seed=3), many)
    assert (fg.learning.dream(MODEL, 200, seed=4) != many).any()
    assert len(np.unique(fg.learning.dream(fg.Helmholtz.random((40, 30)), 200, seed=3), axis=0)) == 200


def learner(model, count, centered=False, threads=1, mean=0.3):
    means = np.full(model.n_visible, mean)
    return SampledHelmholtz(model, Estimation("wake-sleep", 1, count, count, count, centered, means, 5, threads))


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(("layers", "count"), [((7, 5, 3), 20), ((70, 33, 65, 9), 37), ((130, 70), 70), ((3, 1), 1)])
@pytest.mark.parametrize("threads", [1, 2])
def test_steps_are_those_of_the_twin_to_the_bit(layers, count, threads, centered, monkeypatch):
    monkeypatch.setattr(helmholtz, "SHARED", 1)  # threads share the smallest step
    model, rng = machine(layers, scale=0.5), np.random.default_rng(3)
    one = learner(model, count, centered, threads)
    mu = [row[:size].copy() for row, size in zip(one.offsets, (*layers, 0), strict=True)]
    assert any(part.any() for part in mu) == centered
    other = twin.start(model, count, 5, mu, 0.01 * centered)
    for shown in (count, max(1, count - 3), count):
        v, c = rng.random((shown, layers[0])) < 0.4, (rng.random(shown) / shown).astype(np.float32)
        one.positive(v, c, np.arange(shown))
        one.negative()
        one.move(Step(0.3, 0.7, 0.02, 0.05))
        for rows, drawn in zip((one.awake, one.asleep), twin.step(other, v.T, c, 0.3, 0.7, 0.02, 0.05), strict=True):
            for row, layer in zip(rows[:-1], drawn[:-1], strict=True):
                np.testing.assert_array_equal(row[:shown, : len(layer)].T, layer)
        down = other.down[::-1]
        expected = [*down[:-1], *other.up], [*down, *other.up]
        matrices = [passage.W.T for passage in expected[0]] + [passage.b for passage in expected[1]]
        for found, right in zip(one.parameters(), matrices, strict=True):
            np.testing.assert_array_equal(found.astype(np.float32), right)
        for row, right in zip(one.offsets, other.offsets, strict=True):
            np.testing.assert_array_equal(row[: len(right)], right)
    one.close()


def steps_of(patch=lambda one: None):
    """The terms of a step, of 4080 rows, and what enumeration expects: lists of arrays, awake and asleep."""
    count = 136 * len(ROWS)
    rows = np.tile(ROWS, (136, 1))
    one = learner(MODEL, count)
    patch(one)
    one.positive(rows, np.full(count, 1 / count, np.float32), np.arange(count))
    one.negative()
    awake, asleep = (one.directed.states(layers, count) for layers in (one.awake, one.asleep))
    return (errors_of(MODEL, awake)[0], errors_of(MODEL, asleep)[1]), gradients(MODEL, ROWS)


def worst(found, expected):
    """The largest |z| of means."""
    z = [
        (one.mean(axis=0) - right) / (one.std(axis=0) / np.sqrt(len(one)))
        for one, right in zip(found, expected, strict=True)
    ]
    return max(np.abs(part).max() for part in z)


def test_steps_agree_with_enumeration():
    for found, expected in zip(*steps_of(), strict=True):
        assert worst(found, expected) < FALSE_ALARM


def test_sleep_on_data_and_wake_of_dreams_are_seen():
    """Broken machines: one that learns to guess from the hidden layers it guessed, one that learns from its dreams."""

    def of_data(one):
        one.asleep = one.awake

    def of_dreams(one):
        real = one.negative
        one.awake = [row.copy() for row in one.awake]
        one.negative = lambda: (real(), setattr(one, "awake", one.asleep))

    (_, asleep), (_, expected) = steps_of(of_data)
    assert worst(asleep, expected) > 2 * FALSE_ALARM
    (awake, _), (expected, _) = steps_of(of_dreams)
    assert worst(awake, expected) > 2 * FALSE_ALARM


def test_the_bound_of_a_history_is_that_of_enumeration():
    v = ROWS.astype(np.int8)
    found = np.array([fg.learning.history.reconstruction(MODEL, v, seed, 1)[1] for seed in range(400)])
    z = (found.mean() - bounds(MODEL, ROWS).mean()) / (found.std(ddof=1) / 20)
    assert abs(z) < FALSE_ALARM
    assert (found.mean() - MODEL.log_marginal(ROWS).mean()) / (found.std(ddof=1) / 20) < -FALSE_ALARM


def everything(result):
    parts = (array for name in PARTS for array in getattr(result.model, name))
    return b"".join(np.ascontiguousarray(part).tobytes() for part in (*parts, *result.history, result.chains))


G, R = [np.zeros((4, 3)), np.zeros((3, 2))], [np.zeros((3, 4)), np.zeros((2, 3))]
