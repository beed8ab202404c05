"""What a training tells of itself: rows of its history, what they cost, warnings, and starts that need none."""

from itertools import pairwise

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.learning import advice, machines
from fastgibbs.learning import data as learning_data
from fastgibbs.learning import epochs as learning_epochs
from fastgibbs.learning import history as learning_history
from fastgibbs.results.parts import ENERGY_METHODS

RNG = np.random.default_rng(5)
SMALL = fg.RBM(RNG.normal(size=(8, 6)) * 0.6, RNG.normal(size=8) * 0.3, RNG.normal(size=6) * 0.3)
ROWS = (RNG.random((40, 8)) < np.linspace(0.2, 0.8, 8)).astype(np.uint8)
RBM_PARTS = "weights", "visible_bias", "hidden_bias"


def bars_and_stripes(side=4):
    """All different pictures of whole rows or whole columns, uint8 (2^(side + 1) - 2, side^2)."""
    lines = np.arange(2**side)[:, None] >> np.arange(side) & 1
    pictures = np.concatenate([np.repeat(lines, side, axis=1), np.tile(lines, side)])
    return np.unique(pictures, axis=0).astype(np.uint8)


def monitors_counted(monkeypatch):
    """Calls of everything that a history is made of, and of the models that it takes: name -> number."""
    counts = dict.fromkeys(("reconstruction", "pseudo_likelihood", "log_likelihood", "model"), 0)

    def counted(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **named):
            counts[name] += 1
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, call)

    for name in ("reconstruction", "pseudo_likelihood", "log_likelihood"):
        counted(learning_epochs, name)
    counted(machines.SampledRBM, "model")
    return counts


@pytest.mark.parametrize(
    ("settings", "rows", "likelihoods"),
    [
        ({}, np.r_[3:600:3, 600], 200),
        (dict(history_every=0), [], 0),
        (dict(history_every=250), [250, 500, 600], 3),
        (dict(history_every=250, likelihood_every=0), [250, 500, 600], 0),
        (dict(history_every=250, likelihood_every=400), [250, 400, 500, 600], 2),
        (dict(history_every=700), [600], 1),
    ],
)
def test_monitors_are_called_for_rows_alone_and_a_model_is_built_for_them(settings, rows, likelihoods, monkeypatch):
    counts = monitors_counted(monkeypatch)
    result = fg.train(SMALL, ROWS, epochs=600, seed=1, **settings)
    np.testing.assert_array_equal(result.history.epoch, np.unique(rows))
    assert all(len(record) == len(np.unique(rows)) for record in result.history)
    assert np.isfinite(result.history.log_likelihood).sum() == likelihoods
    asked = len(np.unique(rows))
    expected = dict(reconstruction=asked, pseudo_likelihood=asked, log_likelihood=likelihoods, model=asked + 1)
    assert counts == expected  # one more model is that of the result


def test_a_callback_gets_a_model_whatever_the_history(monkeypatch):
    counts, seen = monitors_counted(monkeypatch), []
    fg.train(SMALL, ROWS, epochs=7, history_every=3, seed=1, callback=lambda *found: seen.append(found))
    assert [epoch for epoch, _, _ in seen] == list(range(1, 8))
    assert [history.epoch.tolist() for _, _, history in seen] == [[], [], [3], [3], [3], [3, 6], [3, 6, 7]]
    assert counts["model"] == 8
    assert counts["reconstruction"] == 3


@pytest.mark.parametrize("epochs", [1, 2, 199, 200, 201, 399, 1001])
def test_a_history_has_at_most_200_rows_and_ends_with_the_last_epoch(epochs):
    history = fg.train(SMALL, ROWS, epochs=epochs, batch_size=40, seed=1).history
    assert min(epochs, 100) <= history.epoch.size <= 200
    assert history.epoch[-1] == epochs
    assert not any(np.isnan(record).any() for record in history[:-1])
    assert np.isnan(history.bound).all()  # which directed machines have


@pytest.mark.parametrize("batch_size", [15, 40])
@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_no_history_changes_what_is_learnt(method, batch_size, tmp_path):
    """Nor what a row says: it is the same whichever others there are, at any threads, and after a stop."""
    settings = dict(method=method, epochs=9, batch_size=batch_size, seed=1)
    whole = fg.train(SMALL, ROWS, **settings)
    for every, threads in ((0, 2), (2, 1), (4, 2)):
        path, stops = tmp_path / f"{every}.npz", 0
        while True:
            result = fg.train(
                SMALL,
                ROWS,
                history_every=every,
                threads=threads,
                checkpoint=path,
                callback=lambda epoch, *_: epoch in (3, 4, 8),
                **settings,
            )
            stops += result.interrupted
            if not result.interrupted:
                break
        assert stops == 3
        np.testing.assert_array_equal(result.chains, whole.chains)
        for name in RBM_PARTS:
            np.testing.assert_array_equal(getattr(result.model, name), getattr(whole.model, name))
        assert result.history.epoch.tolist() == {0: [], 2: [2, 4, 6, 8, 9], 4: [4, 8, 9]}[every]
        for mine, theirs in zip(result.history, whole.history, strict=True):
            np.testing.assert_array_equal(mine, theirs[result.history.epoch - 1])


def test_a_checkpoint_of_another_history_is_refused(tmp_path):
    settings = dict(epochs=4, checkpoint=tmp_path / "c.npz", seed=1)
    fg.train(SMALL, ROWS, history_every=2, **settings)
    with pytest.raises(ValueError, match="history_every=2, this run has history_every=1"):
        fg.train(SMALL, ROWS, **settings)


def test_rows_are_shuffled_only_if_a_batch_does_not_hold_them_all(monkeypatch):
    orders, order = [], learning_data.Data.order
    monkeypatch.setattr(learning_data.Data, "order", lambda *found: orders.append(found[-1]) or order(*found))
    fg.train(SMALL, ROWS, epochs=5, batch_size=40, seed=1)
    assert orders == []
    fg.train(SMALL, ROWS, epochs=5, batch_size=39, seed=1)
    assert orders == [0, 1, 2, 3, 4]


def test_probabilities_in_one_batch_are_drawn_in_every_epoch():
    seen, rows = [], np.tile(np.linspace(0.1, 0.9, 8), (40, 1))
    with pytest.MonkeyPatch.context() as patched:
        positive = machines.SampledRBM.positive
        patched.setattr(
            machines.SampledRBM,
            "positive",
            lambda self, units, *rest: seen.append(units) or positive(self, units, *rest),
        )
        fg.train(SMALL, rows, epochs=4, seed=1)
    assert len(seen) == 4
    assert all((one != other).any() for one, other in pairwise(seen))


def history_of(log_likelihood, error=0.0, pseudo=-1.0):
    values = np.array(log_likelihood, float)
    pseudo = np.broadcast_to(np.array(pseudo, float), values.shape)
    nothing = np.zeros(values.size)
    return learning_history.History(
        1 + np.arange(values.size), nothing, pseudo, nothing, values, nothing + error, nothing * np.nan
    )


def test_a_training_that_ends_below_its_best_is_told_of():
    nan = np.nan
    for worse in ([-9, -4.0, -5.1], [-4.0, nan, -5.1], [-40, -30.0, -31.6]):
        assert "ends 1." in advice.fall(history_of(worse))
    assert "-4 after epoch 2: lower learning_rate" in advice.fall(history_of([-9, -4.0, -5.1]))
    assert "ends 2 nats" in advice.fall(history_of([nan] * 3, pseudo=[-5, -3, -5]))
    for fine in ([-9, -5.1, -4.0], [-9, -4.0, -4.9], [-40, -30, -31.4], [], [nan] * 3):
        assert advice.fall(history_of(fine)) is None
    assert advice.fall(history_of([-9, -4.0, -5.1], error=0.3)) is None  # no more than three errors
    assert advice.fall(history_of([nan] * 3, pseudo=nan)) is None


def test_chains_that_hardly_move_are_told_of():
    mean = np.array([0.5, 0.5, 0.0, 1.0])  # two rows differ in a quarter of the units
    assert "hardly move: 0.002 of their visible units" in advice.stillness(0.002, mean, 1000)
    assert advice.stillness(0.003, mean, 1000) is None
    assert advice.stillness(0.0, mean, 400) is None  # 4 changes may fail to come
    assert advice.stillness(0.0, np.array([0.0, 1.0]), 10**6) is None  # data that never change


def test_persistent_chains_at_too_high_a_rate_warn_and_the_defaults_do_not():
    """Bars and stripes of 4 x 4, 16 hidden units: chains freeze, and the data get lost."""
    data = bars_and_stripes()
    start = fg.RBM.random(16, 16, data, seed=1)
    with pytest.warns(RuntimeWarning) as said:
        lost = fg.train(start, data, epochs=5000, learning_rate=0.2, chains=30, seed=1)
    assert any("nats a row below its best" in str(warning.message) for warning in said)
    assert fg.log_likelihood(lost.model, data).value < -7
    found = fg.train(start, data, epochs=1500, seed=1)
    assert fg.log_likelihood(found.model, data).value > -4.8  # log 30 = 3.40 is the best, 16 log 2 = 11.1 the first


@pytest.mark.parametrize("kind", ["RBM", "machine"])
def test_chains_in_two_states_far_apart_warn_and_free_ones_do_not(kind):
    for W, warns in ((20.0, True), (0.2, False)):
        model = fg.RBM(np.full((8, 6), W), np.full(8, -3 * W), np.full(6, -4 * W))  # all units 0, or all 1
        if kind == "machine":
            i, j = (part.ravel() for part in np.indices((8, 6)))
            biases = np.repeat([-3 * W, -4 * W], [8, 6])
            model = fg.BoltzmannMachine.from_edges(14, 13 - i, j, W, biases[::-1], range(6, 14))
        settings = dict(epochs=6, learning_rate=1e-9, chains=500, seed=1)
        if warns:
            with pytest.warns(RuntimeWarning, match="the chains hardly move: 0 of their visible units"):
                fg.train(model, ROWS, **settings)
        else:
            fg.train(model, ROWS, **settings)
        fg.train(model, ROWS, method="cd", **(settings | dict(chains=None)))


def test_a_random_start_knows_the_units_of_the_data():
    rows = np.array([[0, 1, 1, 0], [0, 1, 0, 1], [0, 1, 0, 0]])
    rbm = fg.RBM.random(4, 300, rows, seed=3)
    expected = np.log([1 / 4, 4, 1 / 2, 1 / 2])  # of 1/5, 4/5, 1/3 and 1/3
    np.testing.assert_allclose(rbm.visible_bias, expected, rtol=1e-12)
    assert not rbm.hidden_bias.any()
    assert 0.009 < rbm.weights.std() < 0.011  # 1200 numbers: 5 sigma
    assert rbm == fg.RBM.random(4, 300, rows.astype(bool), seed=np.random.default_rng(3))
    assert rbm != fg.RBM.random(4, 300, rows, seed=4)
    np.testing.assert_array_equal(fg.RBM.random(4, 300, seed=3).weights, rbm.weights)
    assert not fg.RBM.random(4, 300, seed=3).visible_bias.any()
    np.testing.assert_allclose(fg.RBM.random(4, 2, rows * 0.5 + 0.2, seed=1).visible_bias[2], np.log(11 / 19))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 3), ValueError, "n_visible is 0"),
        ((3, 2.5), TypeError, "n_hidden is 2.5"),
        ((3, 2, np.zeros((5, 4))), ValueError, r"data has shape \(5, 4\): give \(N, 3\)"),
        ((3, 2, [[0, 1, 2]]), ValueError, r"data\[0, 2\] is 2"),
        ((3, 2, np.zeros((0, 3))), ValueError, "data is empty"),
    ],
)
def test_bad_input_to_a_random_start_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        fg.RBM.random(*arguments, seed=1)
    with pytest.raises(ValueError, match="seed is -1"):
        fg.RBM.random(3, 2, seed=-1)
