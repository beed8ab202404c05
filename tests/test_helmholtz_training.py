"""Trainings of Helmholtz machines: what they learn, the same bytes from any stop, files, and what is refused."""

import re
from itertools import pairwise

import numpy as np
import pytest
from test_helmholtz import MODEL, ROWS, G, R, everything, machine, moved

import fastgibbs as fg
from fastgibbs.learning import helmholtz
from fastgibbs.learning.helmholtz import SampledHelmholtz
from fastgibbs.methods import directed, running


def bars():
    """Rows of a 4 x 4 picture, one bar each, and none: 9 pictures."""
    lines = np.eye(4, dtype=np.uint8)
    return np.concatenate([np.repeat(lines, 4, axis=1), np.tile(lines, 4), np.zeros((1, 16), np.uint8)])


SETTINGS = dict(method="wake-sleep", batch_size=9, momentum=0.8, l2=1e-4, learning_rate=0.2, seed=5)


def test_bars_are_learnt_to_near_the_best_there_is():
    data = np.repeat(bars(), 4, axis=0)
    run = fg.train(fg.Helmholtz.random((16, 10, 6), data, seed=1), data, epochs=1500, **SETTINGS | dict(l2=0))
    history, found = run.history, fg.log_likelihood(run.model, data)
    assert found.error == 0
    assert -3.2 < found.value < -np.log(9)  # -2.2 at best, of independent units -8.3
    assert history.bound[-1] < found.value
    assert history.bound[-1] > history.bound[0] + 4
    assert np.isnan(history.pseudo_likelihood).all()
    assert "bound" in run.summary()
    dreams = fg.learning.dream(run.model, 400, seed=1)[:, :16]
    known = (dreams[:, None] == bars()).all(axis=2).any(axis=1)
    assert known.mean() > 0.6


START = fg.Helmholtz.random((16, 10, 4), bars(), seed=1)


def test_a_training_is_the_same_at_any_threads_from_a_start_and_from_a_checkpoint(monkeypatch, tmp_path):
    data, settings = np.repeat(bars(), 3, axis=0) * 0.9, SETTINGS | dict(history_every=1, likelihood_every=2)
    whole = fg.train(START, data, epochs=6, threads=1, **settings)
    path = tmp_path / "run.npz"
    stopped = fg.train(START, data, epochs=6, checkpoint=path, callback=lambda epoch, *_: epoch == 2, **settings)
    assert (stopped.interrupted, stopped.epochs) == (True, 2)
    monkeypatch.setattr(helmholtz, "SHARED", 1)
    assert everything(fg.train(START, data, epochs=6, threads=2, checkpoint=path, **settings)) == everything(whole)
    first = fg.train(START, data, epochs=2, **settings)
    settings.pop("seed")
    second = fg.train(first.model, data, epochs=4, start=first, **settings)
    assert everything(second) == everything(whole)
    assert np.isfinite(whole.history.log_likelihood[[1, 3, 5]]).all()
    assert whole.chains.shape == (9, 30)
    assert (whole.history.log_likelihood[[1, 3, 5]] > whole.history.bound[[1, 3, 5]]).all()


def test_a_training_that_is_stopped_within_an_epoch_goes_on_from_there(monkeypatch):
    data, made, real = np.repeat(bars(), 3, axis=0), [], SampledHelmholtz.positive
    whole = fg.train(START, data, epochs=4, **SETTINGS)

    def positive(self, *shown):
        made.append(1)
        if len(made) == 5:
            fg.stop()
        return real(self, *shown)

    with monkeypatch.context() as patch:
        patch.setattr(running, "CHUNK_SECONDS", 1e-9)
        patch.setattr(SampledHelmholtz, "positive", positive)
        stopped = fg.train(START, data, epochs=4, **SETTINGS)
    assert (stopped.interrupted, stopped.epochs) == (True, 1)
    settings = {name: value for name, value in SETTINGS.items() if name != "seed"}
    on = fg.train(stopped.model, data, epochs=3, start=stopped, **settings)
    assert on.model == whole.model
    np.testing.assert_array_equal(on.chains, whole.chains)


def test_rows_that_do_not_count_teach_nothing():
    """Also not their hidden layers, drawn and followed; others count as they are told."""
    weights, models = np.array([0, 2, 1, 0, 1, 1, 2, 1, 1]), []
    for other in (0, 1):
        data = np.where(weights[:, None] > 0, bars(), other)
        models.append(fg.train(START, data, epochs=3, weights=weights, **SETTINGS).model)
    assert models[0] == models[1]
    assert models[0] != fg.train(START, data, epochs=3, weights=weights > 0, **SETTINGS).model


def test_machines_and_trainings_are_kept_in_files(tmp_path):
    run = fg.train(START, bars(), epochs=3, **SETTINGS)
    for thing in (run.model, run, MODEL):
        fg.save(thing, tmp_path / "kept.npz")
        back = fg.load(tmp_path / "kept.npz")
        assert everything(back) == everything(thing) if thing is run else back == thing
    assert moved(MODEL, "recognition", 1, (0, 0), 1e-9) != MODEL
    assert hash(MODEL) == hash(moved(MODEL, "recognition", 1, (0, 0), 0.0))
    with pytest.raises(ValueError, match="read-only"):
        MODEL.generative[0][0, 0] = 1


def test_a_training_that_diverges_returns_the_last_machine_that_was_well():
    with pytest.warns(RuntimeWarning, match="diverged in epoch"):
        run = fg.train(START, bars(), epochs=30, **SETTINGS | dict(learning_rate=1e6))
    assert run.diverged
    assert all(np.isfinite(array).all() for array in run.model.generative)


WRONG = [
    (lambda: fg.Helmholtz([], []), ValueError, r"generative is \[\]: give a sequence of matrices"),
    (lambda: fg.Helmholtz(3, R), ValueError, "generative is 3: give a sequence"),
    (lambda: fg.Helmholtz(G, R[:1]), ValueError, "recognition has 1 matrices, generative 2"),
    (lambda: fg.Helmholtz([G[0], G[0]], R), ValueError, r"generative\[1\] has shape \(4, 3\): give \(3, \.\.\.\)"),
    (lambda: fg.Helmholtz(G, G), ValueError, r"recognition\[0\] has shape \(4, 3\).*: give \(3, 4\)"),
    (lambda: fg.Helmholtz([np.zeros((4, 0))], [np.zeros((0, 4))]), ValueError, "layers of .* at least one unit"),
    (lambda: fg.Helmholtz([np.zeros(4)], [np.zeros(4)]), ValueError, r"generative\[0\] has shape \(4,\)"),
    (lambda: fg.Helmholtz(G, R, [np.zeros(4)]), ValueError, r"biases is .*: give a sequence of 3 arrays"),
    (lambda: fg.Helmholtz(G, R, None, [np.zeros(3), np.zeros(3)]), ValueError, r"recognition_biases\[1\]"),
    (lambda: fg.Helmholtz([[[np.nan]]], [[[0.0]]]), ValueError, r"generative\[0\].*nan"),
    (lambda: fg.Helmholtz([[["a"]]], [[[0.0]]]), TypeError, r"generative\[0\]"),
    (lambda: fg.Helmholtz.random((4,)), ValueError, r"layers is \(4,\): give the units of two layers or more"),
    (lambda: fg.Helmholtz.random((4, 0)), ValueError, r"layers\[1\] is 0"),
    (lambda: fg.Helmholtz.random((4, 2.5)), TypeError, r"layers\[1\] is 2\.5"),
    (lambda: fg.Helmholtz.random((4, 2), np.zeros((3, 5))), ValueError, r"data has shape \(3, 5\): give \(N, 4\)"),
    (lambda: MODEL.energy(np.zeros(5)), ValueError, r"states has shape \(5,\)"),
    (lambda: MODEL.energy(np.full(12, 2)), ValueError, "states"),
    (
        lambda: machine((3, 21), np.random.default_rng(1)).log_marginal([0, 1, 1]),
        ValueError,
        "21 hidden units, at most 20 are summed over",
    ),
    (lambda: fg.train(MODEL, ROWS), ValueError, "method is 'pcd', .*'wake-sleep' trains a Helmholtz machine"),
    (lambda: fg.train(MODEL, ROWS, method="exact"), ValueError, "method is 'exact'"),
    (
        lambda: fg.train(fg.RBM(np.zeros((5, 2))), ROWS, method="wake-sleep"),
        ValueError,
        "is 'wake-sleep', model RBM",
    ),
    (lambda: fg.train(MODEL, ROWS, method="wake sleep"), ValueError, "method is 'wake sleep'"),
    (lambda: fg.train(MODEL, ROWS, method="wake-sleep", chains=3), ValueError, "chains is 3"),
    (lambda: fg.train(MODEL, ROWS, method="wake-sleep", steps=2), ValueError, "steps is 2"),
    (lambda: fg.train(MODEL, ROWS[:, :4], method="wake-sleep"), ValueError, r"data has shape \(30, 4\): give \(N, 5\)"),
    (lambda: fg.train(MODEL, ROWS * np.nan, method="wake-sleep"), ValueError, r"data\[0, 0\] is nan"),
    (lambda: fg.log_likelihood(MODEL, ROWS, draws=1), ValueError, "draws is 1"),
    (lambda: fg.log_likelihood(MODEL, ROWS, beta=0.5), ValueError, r"beta is 0\.5: a Helmholtz machine has log Z = 0"),
    (lambda: fg.log_likelihood(MODEL, ROWS, log_z=3.0), ValueError, r"log_z is 3\.0"),
    (lambda: fg.log_likelihood(MODEL, ROWS[:, :4]), ValueError, r"data has shape \(30, 4\)"),
    (
        lambda: fg.log_likelihood(fg.RBM(np.zeros((5, 2))), ROWS, draws=10),
        ValueError,
        "draws is 10: it is for",
    ),
    (
        lambda: fg.sample(MODEL, beta=1.0, sweeps=10),
        ValueError,
        "without chains: by fastgibbs",
    ),
    (lambda: fg.learning.dream(MODEL, 0), ValueError, "count is 0"),
    (lambda: fg.learning.dream(fg.RBM(np.zeros((5, 2))), 3), TypeError, r"machine is RBM\(.*fastgibbs\.sample"),
    (lambda: fg.learning.dream(machine((5, 3), np.random.default_rng(1), 1e7), 3), ValueError, "from layer 1 to 0"),
    (lambda: fg.learning.gradient(MODEL, ROWS), TypeError, "give an RBM or a BoltzmannMachine"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=[re.sub(r"\W+", " ", w[2])[:40] for w in WRONG])
def test_what_is_wrong_is_named_before_anything_is_compiled(call, error, message, monkeypatch):
    for name in ("draw", "learn", "err", "follow"):
        monkeypatch.setattr(directed.directed, name, None)
    with pytest.raises(error, match=message):
        call()


def test_probabilities_are_drawn_anew_whenever_they_are_shown():
    seen, real = [], SampledHelmholtz.positive
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SampledHelmholtz, "positive", lambda self, *told: seen.append(told[0]) or real(self, *told))
        fg.train(START, np.full((9, 16), 0.5), epochs=3, **SETTINGS)
    assert all((one != other).any() for one, other in pairwise(seen))
