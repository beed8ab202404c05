"""Entropies of the layers of an RBM: check values, enumeration of all joint states, chains, errors, and bad input."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.learning import entropies, information

RNG = np.random.default_rng(4)
W = RNG.normal(size=(6, 4))
RBM = fg.RBM(W, 0.3 * RNG.normal(size=6), 0.3 * RNG.normal(size=4))
ROWS = (RNG.random((20, 6)) < 0.4).astype(np.uint8)
ROWS[3] = ROWS[7]  # equal rows count twice
NAMES = entropies.Entropies._fields


def entropy(p):
    p = p[p > 0]
    return -(p * np.log(p)).sum()


def units(n):
    return np.arange(2**n)[:, None] >> np.arange(n) & 1


def of_joint(p):
    """All six from p(v, h), (2^V, 2^H)."""
    v, h, both = entropy(p.sum(axis=1)), entropy(p.sum(axis=0)), entropy(p)
    return np.array([v, h, both, both - h, both - v, v + h - both])


def model_law(rbm, beta=1.0):
    v, h = (units(n) for n in rbm.weights.shape)
    p = np.exp(-beta * rbm.energy(v[:, None], h[None]))
    return p / p.sum()


def data_law(rbm, rows, beta=1.0):
    """q(v) p(h | v)."""
    p = model_law(rbm, beta)
    q = np.bincount(rows @ (1 << np.arange(rbm.n_visible)), minlength=len(p)) / len(rows)
    return q[:, None] * p / p.sum(axis=1, keepdims=True)


def test_a_small_machine_has_the_values_that_were_computed_beforehand():
    found = information(RBM)
    assert found.log_z == pytest.approx(8.8460210949, abs=5e-11)
    known = dict(joint=4.9034211622, visible=3.3569549388, hidden=1.7837752708, mutual=0.2373090474)
    for name, value in known.items():
        assert getattr(found.model, name) == pytest.approx(value, abs=5e-11)
    assert found.model_error == (0,) * 6
    assert (found.data, found.data_error, found.activity, found.log_z_error) == (None, None, None, 0)
    assert np.isnan(found.disagreement)


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0, 3.0])
@pytest.mark.parametrize("transposed", [False, True])
def test_all_is_that_of_the_joint_law_by_enumeration(beta, transposed):
    rbm = fg.RBM(W.T, RBM.hidden_bias, RBM.visible_bias) if transposed else RBM
    rows = ROWS[:, : rbm.n_visible]
    found = information(rbm, rows, beta=beta)
    np.testing.assert_allclose(found.model, of_joint(model_law(rbm, beta)), rtol=0, atol=1e-12)
    law = data_law(rbm, rows, beta)
    np.testing.assert_allclose(found.data, of_joint(law), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.activity, law.sum(axis=0) @ units(rbm.n_hidden), rtol=1e-12)
    assert found.data_error == (0,) * 6
    assert found.log_z == pytest.approx(np.log(np.exp(-beta * rbm.energy(units(10))).sum()), rel=1e-12)


def test_strong_machines_overflow_nothing_and_parts_of_states_are_those_of_all(monkeypatch):
    strong = fg.RBM(400 * W, 400 * RBM.visible_bias, 400 * RBM.hidden_bias)
    found = information(strong, ROWS)
    assert found.model == pytest.approx((0,) * 6, abs=1e-9)
    whole = information(RBM, ROWS)
    monkeypatch.setattr(entropies, "_PART", 4 * 5)  # blocks of 5 states of 6 units, 3 of 4
    for one, other in zip(information(RBM, ROWS), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def scores(small, monkeypatch, seeds=24, data=ROWS, **settings):
    """(found - exact) / error of model and data where there is an error, (seeds, 12); NaN, or inf, elsewhere."""
    monkeypatch.setattr(entropies, "SMALL", small)
    truth = np.concatenate([of_joint(model_law(RBM)), of_joint(data_law(RBM, ROWS))])
    z = []
    for seed in range(seeds):
        found = information(RBM, data, seed=seed, **settings)
        value, error = np.array(found.model + found.data), np.array(found.model_error + found.data_error)
        exact = np.where(np.abs(value - truth) < 1e-12, np.nan, np.inf)
        z.append(np.where(error > 0, (value - truth) / np.where(error > 0, error, 1), exact))
    return np.array(z)


def right(z):
    """Whether mean and spread of columns of normal scores are: a chance of 1e-4 a column for each to be said wrong."""
    z = z[:, ~np.isnan(z).all(axis=0)]
    assert z.size
    low, high = np.array([0.49, 1.59]) if len(z) == 24 else (0, np.inf)  # of sqrt(chi^2_24 / 24)
    rms = np.sqrt((z**2).mean(axis=0))
    return np.abs(z.mean(axis=0)).max() * np.sqrt(len(z)) < 4 and low < rms.min() and rms.max() < high


def test_one_layer_summed_and_the_other_drawn_agree_with_all_states(monkeypatch):
    z = scores(5, monkeypatch, chains=20)  # hidden units are summed
    assert right(z)
    assert np.isfinite(z).all(axis=0).tolist() == [True, False, False, False, True, True] + 6 * [False]
    real = entropies._sums
    monkeypatch.setattr(entropies, "_sums", lambda x: real(x if x.shape[1] != 4 else 1.05 * x))
    assert not right(scores(5, monkeypatch, chains=20))  # a broken twin: inputs are a twentieth too large


def test_chains_agree_with_all_states_within_errors_that_take_in_log_z(monkeypatch):
    settings, real = dict(chains=20, sweeps=100, threads=1), entropies.estimated

    def quick(*arguments, **named):
        return real(*arguments, **named, steps=40, chains=16)

    monkeypatch.setattr(entropies, "estimated", quick)
    z = scores(2, monkeypatch, **settings)
    assert right(z)
    assert np.isfinite(z).all(axis=0).tolist() == 6 * [True] + [False, True, False, True, False, True]
    monkeypatch.setattr(entropies, "estimated", lambda *of, **named: quick(*of, **named)._replace(error=0.0))
    assert not right(scores(2, monkeypatch, **settings))  # a broken twin: log Z is taken for exact


def test_a_known_log_z_leaves_the_errors_of_chains(monkeypatch):
    exact = fg.log_z(RBM, method="exact")
    z = scores(2, monkeypatch, log_z=exact, chains=20, sweeps=100, threads=1)
    assert right(z)
    assert right(scores(2, monkeypatch, log_z=exact.value, chains=20, sweeps=100, threads=1))
    assert not right(scores(2, monkeypatch, log_z=exact.value + 0.2, chains=20, sweeps=100, threads=1))
    found = information(RBM, log_z=exact._replace(error=0.5), chains=20, sweeps=100, seed=1)
    free = information(RBM, log_z=exact, chains=20, sweeps=100, seed=1)
    for name, takes in zip(NAMES, (1, 1, 1, 0, 0, 1), strict=True):
        own, with_log_z = getattr(free.model_error, name), getattr(found.model_error, name)
        assert with_log_z == pytest.approx(np.hypot(own, 0.5 * takes), rel=1e-12)
    identities = found.model
    assert identities.joint == pytest.approx(identities.visible + identities.hidden_given_visible, rel=1e-12)
    assert identities.joint == pytest.approx(identities.hidden + identities.visible_given_hidden, rel=1e-12)
    assert identities.mutual == pytest.approx(identities.hidden - identities.hidden_given_visible, rel=1e-9)


def test_the_same_seed_gives_the_same_at_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(entropies, "SMALL", 2)
    settings = dict(chains=20, sweeps=50)
    one, other, third = (information(RBM, ROWS, seed=s, threads=t, **settings) for s, t in ((1, 1), (1, 2), (2, 1)))
    assert one == other
    assert one != third


def test_chains_that_stay_where_they_began_are_told(monkeypatch):
    monkeypatch.setattr(entropies, "SMALL", 2)
    settings = dict(start=np.repeat([[0], [1]], 4, axis=0) * np.ones(10), chains=8, sweeps=100, seed=1, threads=1)
    apart = fg.RBM(np.full((6, 4), 9.0), np.full(6, -17.5), np.full(4, -27.0))  # all units 1, or by e^-3 all 0
    lost, good = information(apart, **settings), information(RBM, **settings)
    assert "WARNING: the model's chains disagree" in lost.summary()
    assert "WARNING" not in good.summary()
    assert good.disagreement < entropies.LARGEST_SCORE < lost.disagreement


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(rbm=fg.lattice((4,))), TypeError, "give an RBM"),
        (dict(rbm=fg.BoltzmannMachine(np.zeros((3, 3)))), TypeError, r"rbm is .*: give an RBM"),
        (dict(rbm=fg.RBM(np.zeros((3, 0)))), ValueError, "at least one visible and one hidden unit"),
        (dict(rbm=fg.RBM.deep((3, 6, 3), seed=1), data=ROWS), ValueError, "data is given: .* not the first side"),
        (dict(data=np.full((2, 6), 2)), ValueError, r"data\[0, 0\] is 2"),
        (dict(data=np.zeros((0, 6))), ValueError, r"data has shape \(0, 6\): give \(N, 6\)"),
        (dict(data=np.zeros(6)), ValueError, r"data has shape \(6,\)"),
        (dict(beta=-0.5), ValueError, "beta is -0.5: give an inverse temperature of at least 0"),
        (dict(beta=np.inf), ValueError, "beta"),
        (dict(chains=0), ValueError, "chains is 0"),
        (dict(sweeps=0), ValueError, "sweeps is 0"),
        (dict(log_z="ais"), TypeError, "log_z"),
        (dict(log_z=np.nan), ValueError, "log_z"),
        (dict(threads=0), ValueError, "threads is 0"),
        (dict(seed=-1), ValueError, "seed"),
    ],
)
def test_bad_input_is_named(change, error, message):
    with pytest.raises(error, match=message):
        information(**(dict(rbm=RBM) | change))


WIDE = fg.RBM(0.3 * RNG.normal(size=(20, 5)))
PICTURES = (RNG.random((30, 20)) < np.linspace(0.2, 0.8, 20)).astype(np.uint8)
TRAINING = dict(batch_size=10, seed=3, learning_rate=0.1, history_every=0)


def test_a_training_tells_what_hidden_units_know_every_so_many_epochs():
    told = fg.train(RBM, ROWS, epochs=7, information_every=3, **TRAINING)
    assert told.information.epoch.tolist() == [3, 6]
    for epoch, row in zip((3, 6), zip(*told.information[1:], strict=True), strict=True):
        model = fg.train(RBM, ROWS, epochs=epoch, **TRAINING).model
        _, hidden, _, _, _, mutual = of_joint(model_law(model))
        _, data_hidden, _, _, _, data_mutual = of_joint(data_law(model, ROWS))
        np.testing.assert_allclose(row, (hidden, 0, mutual, 0, data_hidden, 0, data_mutual, 0), rtol=1e-9, atol=1e-12)
    assert "After epoch 6 I(v; h) is" in told.summary()
    none = fg.train(RBM, ROWS, epochs=7, **TRAINING)
    assert none.information is None
    np.testing.assert_array_equal(none.model.weights, told.model.weights)
    np.testing.assert_array_equal(none.chains, told.chains)


def test_information_is_the_same_by_a_checkpoint_a_start_and_any_threads(tmp_path):
    settings = TRAINING | dict(information_every=2)
    whole = fg.train(WIDE, PICTURES, epochs=5, threads=1, **settings)
    assert (whole.information.mutual_error > 0).all()
    assert (whole.information.data_mutual_error == 0).all()
    path = tmp_path / "c.npz"
    for count in (3, 3, 5):
        found = fg.train(WIDE, PICTURES, epochs=count, checkpoint=path, threads=2, **settings)
    assert found.information == whole.information
    start = fg.train(WIDE, PICTURES, epochs=3, **settings)
    more = settings | dict(seed=None, epochs=2, start=start)
    assert fg.train(start.model, PICTURES, **more).information == whole.information
    assert fg.train(start.model, PICTURES, **more | dict(information_every=0)).information == start.information
    late = fg.train(WIDE, PICTURES, epochs=3, **TRAINING)
    later = fg.train(late.model, PICTURES, **more | dict(start=late)).information
    assert [record.tolist() for record in later] == [record[1:].tolist() for record in whole.information]
    with pytest.raises(ValueError, match="information_every"):
        fg.train(WIDE, PICTURES, epochs=5, checkpoint=path, **TRAINING)


def test_a_result_with_information_is_kept(tmp_path):
    told = fg.train(WIDE, PICTURES, epochs=2, information_every=1, **TRAINING)
    told.save(tmp_path / "told.npz")
    assert fg.load(tmp_path / "told.npz").information == told.information
    none = fg.train(WIDE, PICTURES, epochs=2, **TRAINING)
    none.save(tmp_path / "none.npz")
    assert fg.load(tmp_path / "none.npz").information is None
    with np.load(tmp_path / "none.npz") as held:
        assert not [name for name in held if "information" in name]


@pytest.mark.parametrize(
    ("model", "often", "message"),
    [
        (RBM, -1, "information_every is -1"),
        (fg.BoltzmannMachine(np.zeros((6, 6))), 2, "information_every is 2: .* has no hidden layer, as an RBM has"),
        (fg.RBM.deep((6, 3, 2), seed=1), 2, "information_every is 2: .* has no hidden layer, as an RBM has"),
    ],
)
def test_information_that_nobody_can_have_is_refused(model, often, message):
    with pytest.raises(ValueError, match=message):
        fg.train(model, ROWS, epochs=2, information_every=often)
