"""Whole trainings: what they learn, the same bytes from any threads and any stop, what they are shown and tell."""

from itertools import pairwise

import numpy as np
import pytest
from test_training import CHAINS, FALSE_ALARM, ROWS, SMALL, learner, scores

import fastgibbs as fg
from fastgibbs.learning import data as learning_data
from fastgibbs.learning import epochs as learning_epochs
from fastgibbs.learning import history as learning_history
from fastgibbs.learning import machines
from fastgibbs.results.parts import ENERGY_METHODS

RBM_PARTS = "weights", "visible_bias", "hidden_bias"


def bars_and_stripes(side=4):
    """All pictures of whole rows or whole columns, uint8 (2^(side + 1), side^2)."""
    lines = np.arange(2**side)[:, None] >> np.arange(side) & 1
    rows = np.repeat(lines, side, axis=1)
    return np.concatenate([rows, np.tile(lines, side)]).astype(np.uint8)


def everything(result):
    names = ("weights", "biases") if isinstance(result.model, fg.BoltzmannMachine) else RBM_PARTS
    parts = (getattr(result.model, name) for name in names)
    return b"".join(np.ascontiguousarray(part).tobytes() for part in (*parts, *result.history, result.chains))


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
