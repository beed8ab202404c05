"""A temperature of the model in training: laws by scaled parameters, bit for bit, and trainings that go on."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.learning import boltzmann, epochs, machines, training
from fastgibbs.methods import running

RNG = np.random.default_rng(5)
RBM = fg.RBM(RNG.normal(size=(8, 6)) * 0.6, RNG.normal(size=8) * 0.3, RNG.normal(size=6) * 0.3)
_W = np.triu(RNG.normal(size=(11, 11)) * 0.4, 1)
MACHINE = fg.BoltzmannMachine(_W + _W.T, RNG.normal(size=11) * 0.3, visible=range(8))  # hidden units coupled
ROWS = (RNG.random((40, 8)) < np.linspace(0.2, 0.8, 8)).astype(np.uint8)
DEEP = fg.RBM(*(getattr(RBM, part) for part in ("weights", "visible_bias", "hidden_bias")), visible=[0, 1, 2, 3, 9, 10])
MODELS = [pytest.param(RBM, id="RBM"), pytest.param(DEEP, id="deep"), pytest.param(MACHINE, id="BoltzmannMachine")]


def rows(model):
    return ROWS[:, : model.n_visible]


SETTINGS = dict(batch_size=15, seed=3, threads=1)


def parameters(model):
    parts = ("weights", "visible_bias", "hidden_bias") if isinstance(model, fg.RBM) else ("weights", "biases")
    return [np.asarray(getattr(model, part)) for part in parts]


def times(model, beta):
    """The model of energy beta E."""
    if isinstance(model, fg.RBM):
        return fg.RBM(*(beta * part for part in parameters(model)), visible=model.visible)
    i, j, J = model.to_ising().bonds
    return fg.BoltzmannMachine.from_edges(model.n, i, j, 4 * beta * J, beta * model.biases, model.visible)


def everything(result):
    return b"".join(part.tobytes() for part in (*parameters(result.model), *result.history, result.chains))


def scaled_apart(model, method, monkeypatch):
    """Trainings at beta = 1/2, and at 1 with all that it stands for: parameters, rates and pulls; the same streams."""
    monkeypatch.setattr(training, "run_entropy", lambda *of: 77)
    settings = SETTINGS | dict(method=method, epochs=3, momentum=0.5, centered=False)
    at_half = fg.train(model, rows(model), beta=0.5, learning_rate=0.25, l1=0.01, l2=0.02, **settings)
    return at_half, fg.train(times(model, 0.5), rows(model), learning_rate=0.0625, l1=0.02, l2=0.08, **settings)


@pytest.mark.parametrize("method", ["pcd", "cd", "tempering", "exact"])
@pytest.mark.parametrize("model", MODELS)
def test_a_training_at_a_beta_is_that_of_beta_times_the_parameters_bit_for_bit(model, method, monkeypatch):
    """W at beta and r is beta W at 1 and beta^2 r; halving changes no bit of a number but its exponent."""
    one, other = scaled_apart(times(model, 2.0), method, monkeypatch)
    found, expected = parameters(one.model), parameters(other.model)
    assert not all((a == 0.5 * b).all() for a, b in zip(found, parameters(times(model, 2.0)), strict=True))
    pairs = zip(found, expected, strict=True)
    np.testing.assert_array_equal(one.chains, other.chains)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)
    for name, record in one.history._asdict().items():
        factor = 0.5 if name == "gradient_norm" else 1  # g of log p by W is half of that by W / 2
        np.testing.assert_array_equal(record, factor * getattr(other.history, name))


@pytest.mark.parametrize(("model", "method"), [(RBM, "pcd"), (RBM, "exact"), (MACHINE, "cd")])
@pytest.mark.parametrize("broken", ["cold", "factor"])
def test_phases_at_another_beta_and_a_gradient_without_its_factor_are_seen(model, method, broken, monkeypatch):
    if broken == "factor":
        monkeypatch.setattr(epochs, "scaled", lambda step, rate, beta: step._replace(rate=rate))
    else:
        for learner in (machines.SampledRBM, machines.ExactRBM, boltzmann._Machine):
            real = learner.heat
            monkeypatch.setattr(learner, "heat", lambda self, beta, real=real: real(self, 1.0))
    one, other = scaled_apart(times(model, 2.0), method, monkeypatch)
    assert np.abs(parameters(one.model)[0] - parameters(other.model)[0]).max() > 1e-3


@pytest.mark.parametrize("beta", [0.3, 1.0, 1.7])
def test_a_step_goes_along_the_slope_of_the_log_likelihood_at_beta(beta):
    run = fg.train(RBM, ROWS, method="exact", beta=beta, epochs=1, batch_size=40, learning_rate=0.01, centered=False)
    values = []
    for change in (1e-5, -1e-5):
        W = RBM.weights.copy()
        W[3, 2] += change
        values.append(fg.log_likelihood(fg.RBM(W, RBM.visible_bias, RBM.hidden_bias), ROWS, beta=beta).value)
    moved = run.model.weights[3, 2] / beta - RBM.weights[3, 2]
    assert moved / 0.01 == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-7)


@pytest.mark.parametrize("model", MODELS)
def test_the_history_is_of_the_law_at_the_beta_of_its_epoch(model):
    seen = []
    run = fg.train(
        model,
        rows(model),
        beta=fg.geometric(2, 0.5),
        epochs=4,
        learning_rate=0.02,
        likelihood_every=1,
        callback=lambda epoch, now, history: seen.append((now, history.log_likelihood[-1])) and None,
        **SETTINGS,
    )
    for now, likelihood in seen:
        assert fg.log_likelihood(now, rows(model)).value == pytest.approx(likelihood, rel=1e-9)
    assert run.history.log_likelihood.tolist() == [likelihood for _, likelihood in seen]
    for part, last in zip(parameters(run.model), parameters(seen[-1][0]), strict=True):
        np.testing.assert_array_equal(part, last)


def test_a_beta_of_1_and_none_at_all_are_the_same_and_schedules_are_what_they_say():
    settings = SETTINGS | dict(epochs=4)
    plain = everything(fg.train(RBM, ROWS, **settings))
    assert everything(fg.train(RBM, ROWS, beta=1, **settings)) == plain
    ways = fg.linear(0.4, 1), np.linspace(0.4, 1, 4), lambda epoch: 0.4 + 0.2 * epoch
    found = [
        everything(fg.train(RBM, ROWS, beta=np.round(way, 12) if k == 1 else way, **settings))
        for k, way in enumerate(ways)
    ]
    assert found[0] != plain
    np.testing.assert_allclose(*(np.frombuffer(one[: 8 * 48]) for one in found[:2]), rtol=1e-5)
    np.testing.assert_allclose(*(np.frombuffer(one[: 8 * 48]) for one in found[1:]), rtol=1e-5)


@pytest.mark.parametrize("method", ["pcd", "cd", "tempering", "exact"])
@pytest.mark.parametrize("model", MODELS)
def test_annealed_learning_goes_on_from_checkpoints_and_results_to_the_same_bytes(model, method, tmp_path):
    betas = np.array([0.3, 0.3, 0.8, 1.3, 0.6])
    settings = SETTINGS | dict(method=method, learning_rate=0.1, history_every=1)
    whole = fg.train(model, rows(model), beta=betas, epochs=5, **settings)
    path, stops = tmp_path / "c.npz", 0
    for count in (3, 5):  # more epochs, and stops at the end of some
        while True:
            part = fg.train(
                model,
                rows(model),
                beta=betas[:count],
                epochs=count,
                checkpoint=path,
                callback=lambda epoch, *_: epoch in (1, 4),
                **settings | dict(threads=2),
            )
            stops += part.interrupted
            if not part.interrupted:
                break
    assert stops == 2
    assert everything(part) == everything(whole)
    with pytest.raises(ValueError, match="betas"):
        fg.train(model, rows(model), beta=betas[::-1], epochs=5, checkpoint=path, **settings)
    start = fg.train(model, rows(model), beta=betas[:3], epochs=3, **settings)
    more = settings | dict(seed=None)
    assert everything(fg.train(start.model, rows(model), beta=betas[3:], epochs=2, start=start, **more)) == everything(
        whole
    )
    beyond = fg.train(start.model, rows(model), epochs=2, start=start, **more)  # at the last beta of the start
    assert everything(beyond) == everything(
        fg.train(start.model, rows(model), beta=betas[2], epochs=2, start=start, **more)
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_training_stopped_within_an_epoch_has_the_beta_of_that_epoch(model, monkeypatch):
    betas, rates = [0.5, 2.0, 1.0], [0.1, 0.1, 0.1]
    settings, made = SETTINGS | dict(history_every=0), []
    whole = fg.train(model, rows(model), beta=betas, learning_rate=rates, epochs=3, **settings)
    real = epochs.Training._step

    def step(self, epoch, batch):
        made.append(epoch)
        real(self, epoch, batch)
        if len(made) == 4:
            fg.stop()

    with monkeypatch.context() as patch:
        patch.setattr(running, "CHUNK_SECONDS", 1e-9)
        patch.setattr(epochs.Training, "_step", step)
        part = fg.train(model, rows(model), beta=betas, learning_rate=rates, epochs=3, **settings)
    assert (part.interrupted, part.epochs, made[-1]) == (True, 1, 1)
    assert part._state.beta == 2.0
    before = parameters(fg.train(model, rows(model), beta=0.5, learning_rate=0.1, epochs=1, **settings).model)
    moved = [np.abs(one - 4 * other).max() for one, other in zip(parameters(part.model), before, strict=True)]
    assert max(moved) < 1.0  # a step or two at twice the beta from four times the weights
    left = settings | dict(seed=None, beta=betas[1:], learning_rate=rates[1:], epochs=2)
    assert everything(fg.train(part.model, rows(model), start=part, **left)) == everything(whole)


def test_a_training_that_diverges_returns_the_law_of_the_last_epoch_that_was_well():
    settings = SETTINGS | dict(history_every=1)
    good = fg.train(RBM, ROWS, beta=[0.5, 0.25], epochs=2, learning_rate=0.1, **settings)
    with pytest.warns(RuntimeWarning, match="diverged in epoch 3"):
        lost = fg.train(RBM, ROWS, beta=[0.5, 0.25, 4.0], epochs=3, learning_rate=[0.1, 0.1, 1e30], **settings)
    for one, other in zip(parameters(lost.model), parameters(good.model), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.warns(RuntimeWarning, match="diverged in epoch 1"):
        lost = fg.train(RBM, ROWS, beta=4.0, epochs=1, learning_rate=1e30, **settings)
    np.testing.assert_allclose(lost.model.weights, RBM.weights, rtol=1e-7)


@pytest.mark.parametrize(
    ("beta", "message"),
    [
        (0.0, r"beta is 0.0 in epoch 0: give numbers above 0"),
        (-1.0, r"beta is -1.0 in epoch 0"),
        (np.inf, "beta"),
        ([0.5, 1.0], r"beta has shape \(2,\): give a number, or one per epoch, \(3,\)"),
        (fg.linear(0, 1), "beta is 0.0 in epoch 0"),
        (lambda epoch: 2.0 - epoch, "beta is 0.0 in epoch 2"),
    ],
)
def test_a_bad_beta_is_named(beta, message):
    with pytest.raises(ValueError, match=message):
        fg.train(RBM, ROWS, beta=beta, epochs=3)


def test_a_beta_that_the_engine_has_no_digits_for_is_refused():
    large = fg.RBM(100 * RBM.weights)
    fg.train(large, ROWS, epochs=1, beta=1e-3, history_every=0, seed=1)
    with pytest.raises(ValueError, match='that these betas allow; method="exact" sums in float64'):
        fg.train(large, ROWS, epochs=1, beta=1e4)


def test_annealed_learning_reaches_the_data():
    """A law of two states: log(1/2) at best, from whatever beta it comes."""
    data = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    rbm = fg.RBM.random(4, 2, data, seed=1)
    run = fg.train(rbm, data, method="exact", beta=fg.linear(0.2, 1), epochs=1000, learning_rate=0.3, seed=1)
    assert np.log(0.5) - 0.1 < fg.log_likelihood(run.model, data).value < np.log(0.5)
