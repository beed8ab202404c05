"""Trainings that go on: from a checkpoint to more epochs, and from a result in memory, to the bytes of one training."""

import copy
import pickle

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.learning import boltzmann, deep, epochs, machines
from fastgibbs.methods import running
from fastgibbs.results.parts import ENERGY_METHODS

RNG = np.random.default_rng(4)
ROWS = RNG.random((50, 6)) < np.linspace(0.2, 0.8, 6)
RBM = fg.RBM(RNG.normal(size=(6, 4)) * 0.3)
COUPLED = np.triu(RNG.normal(size=(9, 9)) * 0.2, 1)  # hidden units too
MACHINE = fg.BoltzmannMachine(COUPLED + COUPLED.T, visible=range(6))
DEEP = fg.RBM(RNG.normal(size=(7, 5)) * 0.3, visible=[11, 1, 0, 3, 9, 4])
KINDS = {"RBM": RBM, "machine": MACHINE, "deep": DEEP}
LEARNERS = {  # the classes whose steps are counted
    ("RBM", True): machines.ExactRBM,
    ("RBM", False): machines.SampledRBM,
    ("machine", True): boltzmann.ExactMachine,
    ("machine", False): boltzmann.SampledMachine,
    ("deep", True): machines.ExactRBM,
    ("deep", False): deep.SampledDeep,
}


def rate(epoch):
    """One that is another in every epoch."""
    return 0.2 / (1 + epoch)


SETTINGS = dict(batch_size=20, momentum=0.8, l2=1e-3, steps=2, learning_rate=rate, history_every=1, likelihood_every=1)


def everything(result):
    """What a result holds, in bytes."""
    biases = ("biases",) if isinstance(result.model, fg.BoltzmannMachine) else ("visible_bias", "hidden_bias")
    parts = (getattr(result.model, name) for name in ("weights", *biases))
    return b"".join(np.ascontiguousarray(part).tobytes() for part in (*parts, *result.history, result.chains))


def stopped_at_step(patch, kind, method, step):
    """Let trainings stop right after so many steps, in the middle of an epoch."""
    owner, made = LEARNERS[kind, method == "exact"], []
    real = owner.positive

    def positive(self, *data):
        made.append(1)
        if len(made) == step:
            fg.stop()
        return real(self, *data)

    patch.setattr(running, "CHUNK_SECONDS", 1e-9)
    patch.setattr(owner, "positive", positive)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_more_epochs_go_on_from_a_checkpoint_as_if_all_had_been_asked_for_at_once(method, kind, tmp_path):
    """Also where the row of the last epoch would not have been one, or not with a log-likelihood."""
    model, settings = KINDS[kind], SETTINGS | dict(method=method, seed=5, history_every=3, likelihood_every=2)
    path, seen = tmp_path / "run.npz", []
    first = fg.train(model, ROWS, epochs=5, checkpoint=path, callback=lambda epoch, *_: epoch == 2, **settings)
    assert first.interrupted
    for count in (5, 9, 13):
        found = fg.train(
            model,
            ROWS,
            epochs=count,
            threads=1 + count % 2,
            checkpoint=path,
            callback=lambda *told: seen.append(told),
            **settings,
        )
        assert everything(found) == everything(fg.train(model, ROWS, epochs=count, **settings))
        assert found.history.epoch.tolist() == [
            e for e in range(1, count + 1) if e % 3 == 0 or e % 2 == 0 or e == count
        ]
    assert [epoch for epoch, *_ in seen] == list(range(3, 14))
    with pytest.raises(ValueError, match="written with epochs=13, this run has epochs=9"):
        fg.train(model, ROWS, epochs=9, checkpoint=path, **settings)


def test_a_row_that_gets_a_likelihood_as_the_last_alone_is_another_in_a_longer_training(tmp_path):
    settings = SETTINGS | dict(seed=5, likelihood_every=4, checkpoint=tmp_path / "run.npz")
    short = fg.train(RBM, ROWS, epochs=6, **settings).history
    long = fg.train(RBM, ROWS, epochs=9, **settings).history
    assert np.flatnonzero(np.isfinite(short.log_likelihood)).tolist() == [3, 5]
    assert np.flatnonzero(np.isfinite(long.log_likelihood)).tolist() == [3, 7, 8]
    np.testing.assert_array_equal(short.reconstruction, long.reconstruction[:6])


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ({}, {}, r"learning_rate of block 0 is 0\.15\S* at \[1\]: this run has another there; default rates fall over"),
        (dict(learning_rate=[0.1, 0.2, 0.1, 0.2, 0.1]), dict(learning_rate=0.1), r"learning_rate .* is 0\.2 at \[1\]"),
        (dict(learning_rate=0.1), dict(learning_rate=0.1, epochs=500), "history_every=1, this run has history_every=3"),
        (dict(momentum=0.1), {}, r"momentum=0\.1, this run has momentum=0\.0"),
        (dict(epochs=8, learning_rate=0.1), dict(epochs=7, learning_rate=0.1), "epochs=8, this run has epochs=7"),
    ],
)
def test_what_a_checkpoint_does_not_go_on_to_is_named(first, then, message, tmp_path):
    path = tmp_path / "run.npz"
    fg.train(RBM, ROWS, seed=1, checkpoint=path, **(dict(epochs=5) | first))
    with pytest.raises(ValueError, match=message):
        fg.train(RBM, ROWS, seed=1, checkpoint=path, **(dict(epochs=10) | then))


def test_rates_of_epochs_that_have_not_begun_may_be_others(tmp_path):
    kwargs = dict(seed=1, batch_size=20, checkpoint=tmp_path / "run.npz")
    fg.train(RBM, ROWS, epochs=2, learning_rate=0.1, **kwargs)
    rates = [0.1, 0.1, 0.3, 0.2]
    found = fg.train(RBM, ROWS, epochs=4, learning_rate=rates, **kwargs)
    whole = fg.train(RBM, ROWS, epochs=4, learning_rate=rates, seed=1, batch_size=20)
    assert everything(found) == everything(whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_a_training_goes_on_from_its_result_as_if_it_had_never_ended(method, kind):
    model, settings = KINDS[kind], SETTINGS | dict(method=method)
    whole, seen = fg.train(model, ROWS, epochs=9, seed=5, **settings), []
    result = fg.train(model, ROWS, epochs=3, seed=5, threads=2, **settings)
    for count in (2, 4):
        before = everything(result)
        more = [
            fg.train(result.model, ROWS, start=result, epochs=count, callback=callback, **settings)
            for callback in (None, lambda *told: seen.append(told))
        ]
        assert everything(more[0]) == everything(more[1])  # nothing of the start was changed
        assert everything(result) == before
        result = more[1]
    assert (result.epochs, result.seed) == (9, 5)
    assert [(epoch, len(history.epoch)) for epoch, _, history in seen] == [(e, e) for e in range(4, 10)]
    assert everything(result) == everything(whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_a_result_that_was_stopped_within_an_epoch_goes_on_with_the_rest_of_it(method, kind, tmp_path):
    model, settings = KINDS[kind], SETTINGS | dict(method=method)
    whole = fg.train(model, ROWS, epochs=6, seed=5, **settings)
    with pytest.MonkeyPatch.context() as patch:
        stopped_at_step(patch, kind, method, 8)
        stopped = fg.train(model, ROWS, epochs=6, seed=5, **settings)
    assert (stopped.interrupted, stopped.epochs) == (True, 2)
    path, kwargs = tmp_path / "run.npz", dict(start=stopped, **settings)
    assert everything(fg.train(stopped.model, ROWS, epochs=4, **kwargs)) == everything(whole)
    with pytest.MonkeyPatch.context() as patch:  # once more, by a checkpoint of what goes on
        stopped_at_step(patch, kind, method, 3)
        assert fg.train(stopped.model, ROWS, epochs=3, checkpoint=path, **kwargs).epochs == 3
    assert fg.train(stopped.model, ROWS, epochs=3, checkpoint=path, **kwargs).epochs == 5
    assert everything(fg.train(stopped.model, ROWS, epochs=4, checkpoint=path, **kwargs)) == everything(whole)
    with pytest.raises(ValueError, match="another model"):
        fg.train(whole.model, ROWS, start=whole, epochs=4, checkpoint=path, **settings)
    with pytest.raises(ValueError, match=r"data has 49 rows, start had 50, (whose hidden units|in an epoch of which)"):
        fg.train(stopped.model, ROWS[1:], epochs=4, **kwargs)


def test_an_epoch_that_was_being_recorded_is_recorded_when_its_result_goes_on(monkeypatch):
    settings = SETTINGS | dict(likelihood_every=1)
    whole, real, left = fg.train(RBM, ROWS, epochs=3, seed=5, **settings), epochs.log_likelihood, [1]

    def interrupted(*arguments, **named):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(epochs, "log_likelihood", interrupted)
        stopped = fg.train(RBM, ROWS, epochs=3, seed=5, **settings)
    assert (stopped.epochs, stopped.history.epoch.tolist()) == (1, [1])
    assert everything(fg.train(stopped.model, ROWS, start=stopped, epochs=2, **settings)) == everything(whole)


def test_copies_and_pickles_of_a_result_go_on_too():
    result = fg.train(MACHINE, ROWS, epochs=2, seed=5, **SETTINGS)
    more = [
        fg.train(one.model, ROWS, start=one, epochs=1, **SETTINGS)
        for one in (result, copy.deepcopy(result), pickle.loads(pickle.dumps(result)))
    ]
    assert len(set(map(everything, more))) == 1


@pytest.mark.parametrize("method", ENERGY_METHODS)
def test_chains_and_momentum_go_on_over_other_data_and_settings(method):
    """A part of the data at a time, also one of fewer rows than a batch."""
    parts, result = np.split(ROWS, [20, 40]), None
    for k, part in enumerate(parts):
        before = result
        model = RBM if result is None else result.model
        kwargs = dict(method=method, epochs=1, batch_size=20, learning_rate=0.1, momentum=0.5, steps=1 + k % 2)
        result = fg.train(model, part, start=result, seed=5 if result is None else None, **kwargs)
        if before is not None:
            np.testing.assert_array_equal(before.history.epoch, result.history.epoch[:k])
            anew = fg.train(model, part, seed=5, **kwargs)
            assert (anew.model.weights != result.model.weights).any()  # without momentum, and other chains
    assert result.epochs == len(result.history.epoch) == 3
    assert len(result.chains) == {"exact": 0, "tempering": 2}.get(method, 20)


def test_without_a_rate_a_start_goes_on_at_the_last_one():
    result = fg.train(RBM, ROWS, epochs=3, seed=5)
    found, expected = (
        fg.train(result.model, ROWS, start=result, epochs=2, **rates) for rates in ({}, dict(learning_rate=0.01))
    )
    assert everything(found) == everything(expected)


@pytest.fixture(scope="module")
def start():
    return fg.train(RBM, ROWS, epochs=2, batch_size=20, seed=5, history_every=0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(start=3), TypeError, "start is 3: give what train returned"),
        (dict(start=RBM), TypeError, "give what train returned"),
        (dict(model=RBM), ValueError, r"not that of start: give start\.model"),
        (dict(model=MACHINE), ValueError, r"not that of start: give start\.model"),
        (dict(method="cd"), ValueError, "method is 'cd', start has 'pcd': give the same"),
        (dict(centered=False), ValueError, "centered is False, start has True: give the same"),
        (dict(batch_size=128), ValueError, "batch_size is 128, start has batches of 20: give the same"),
        (dict(batch_size=10), ValueError, "batch_size is 10, start has batches of 20"),
        (dict(batch_size=0), ValueError, "batch_size is 0"),
        (dict(chains=21), ValueError, "chains is 21, start has 20: give as many"),
        (dict(seed=6), ValueError, "seed is 6: the random streams of start go on, whose seed is 5"),
        (dict(learning_rate=lambda epoch: 3.0 - epoch), ValueError, r"learning_rate is 0\.0 in epoch 3"),
    ],
)
def test_what_must_be_that_of_the_start_is_named(start, change, error, message):
    with pytest.raises(error, match=message):
        fg.train(**(dict(model=start.model, data=ROWS, start=start, batch_size=20) | change))


def test_what_no_training_goes_on_from_says_why(start, tmp_path):
    start.save(tmp_path / "result.npz")
    loaded = fg.load(tmp_path / "result.npz")
    with pytest.raises(ValueError, match="was read from a file, which holds neither momentum nor random streams"):
        fg.train(loaded.model, ROWS, start=loaded, batch_size=20)
    more = fg.train(loaded.model, ROWS, start=start, batch_size=20, epochs=1)  # the same model, though another object
    assert more.epochs == 3
    with pytest.warns(RuntimeWarning, match="diverged in epoch 5"):
        lost = fg.train(more.model, ROWS, start=more, batch_size=20, epochs=2, learning_rate=[0.1, 1e30])
    assert (lost.diverged, lost.epochs) == (True, 4)
    with pytest.raises(ValueError, match="start diverged in epoch 5: train its model"):
        fg.train(lost.model, ROWS, start=lost, batch_size=20)


def test_a_training_that_diverged_stays_as_it_is_however_many_epochs_are_asked_for(tmp_path):
    settings = dict(batch_size=20, seed=5, momentum=0.5)
    rates = np.array([0.1, 0.1, 1e300, 0.1, 0.1])  # noticed within the epoch
    with pytest.warns(RuntimeWarning, match="diverged in epoch 3"):
        whole = fg.train(RBM, ROWS, epochs=5, learning_rate=rates, **settings)
    for count in (4, 4, 5):
        with pytest.warns(RuntimeWarning, match="diverged in epoch 3: the model after epoch 2"):
            found = fg.train(
                RBM, ROWS, epochs=count, learning_rate=rates[:count], checkpoint=tmp_path / "c.npz", **settings
            )
        assert everything(found) == everything(whole)
