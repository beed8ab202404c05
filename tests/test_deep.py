"""Deep, semi-supervised and conditional machines: an RBM of which any units are visible, against sums and twins."""

import csv
import sys
from itertools import product

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import BoltzmannMachine
from fastgibbs.__main__ import main
from fastgibbs.gallery.rbm_digits import pictures
from fastgibbs.learning import epochs, gradient
from fastgibbs.learning.deep import Holding, SampledDeep
from fastgibbs.learning.machines import Estimation, ExactRBM

RNG = np.random.default_rng(12)
W1, W2 = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
A, B = RNG.normal(size=5) * 0.5, RNG.normal(size=4) * 0.5
DEEP = fg.RBM(np.vstack([W1, W2.T]), A, B, visible=range(3))  # layers of 3, 4 and 2 units
MIXED = fg.RBM(RNG.normal(size=(4, 5)), RNG.normal(size=4), RNG.normal(size=5), visible=[7, 2, 0, 4])
FOUR = fg.RBM.deep((3, 2, 2, 2), seed=3)  # whose first and last layers are not coupled
FOUR = fg.RBM(60 * FOUR.weights, RNG.normal(size=5), RNG.normal(size=4), range(3))
MACHINES = {"deep": DEEP, "mixed": MIXED, "four layers": FOUR}
ROWS = RNG.integers(0, 2, (40, 4)) | np.array([1, 0, 0, 1])
PARTS = "weights", "visible_bias", "hidden_bias"
ALARM = 4.7  # |z| of some 30 numbers from 64 estimates: a false-alarm rate of 4e-4


def rows_of(model):
    return ROWS[:, : model.n_visible]


def as_graph(rbm):
    """The same energy and visible units as a Boltzmann machine."""
    V, H = rbm.weights.shape
    i, j = np.nonzero(rbm.weights)
    biases = np.concatenate([rbm.visible_bias, rbm.hidden_bias])
    return BoltzmannMachine.from_edges(V + H, i, j + V, rbm.weights[i, j], biases, rbm.visible)


def test_a_machine_of_layers_has_the_sums_of_its_layers():
    """E(v, h, g) = -a.v - b.h - c.g - v.W1.h - h.W2.g: log Z, and the sum over h and g of every v."""
    logs = {}
    for v in product((0, 1), repeat=3):
        sums = [
            A[:3] @ v + B @ h + A[3:] @ g + v @ W1 @ h + h @ W2 @ g
            for h in map(np.array, product((0, 1), repeat=4))
            for g in map(np.array, product((0, 1), repeat=2))
        ]
        logs[v] = np.logaddexp.reduce(sums)
    np.testing.assert_allclose(DEEP.log_marginal(list(logs)), list(logs.values()), rtol=1e-13)
    np.testing.assert_allclose(DEEP.free_energy([list(logs)]), [-np.array(list(logs.values()))], rtol=1e-13)
    assert fg.log_z(DEEP, method="exact").value == pytest.approx(np.logaddexp.reduce(list(logs.values())), rel=1e-13)


@pytest.mark.parametrize("name", MACHINES)
def test_it_is_the_boltzmann_machine_of_its_graph(name):
    model, data = MACHINES[name], rows_of(MACHINES[name])
    graph = as_graph(model)
    x = RNG.integers(0, 2, (6, model.n))
    np.testing.assert_allclose(model.energy(x), graph.energy(x), rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.inputs(x), graph.inputs(x), rtol=0, atol=1e-12)
    for beta in (1.0, 0.3):
        np.testing.assert_allclose(model.log_marginal(data, beta), graph.log_marginal(data, beta), rtol=0, atol=1e-12)
    assert fg.log_likelihood(model, data).value == pytest.approx(fg.log_likelihood(graph, data).value, abs=1e-12)
    assert fg.pseudo_likelihood(model, data) == pytest.approx(fg.pseudo_likelihood(graph, data), abs=1e-12)
    one, other = gradient(model, data), gradient(graph, data)
    V = len(model.weights)
    np.testing.assert_allclose(one.weights, other.weights[:V, V:], rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.concatenate(one[1:]), other.biases, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MACHINES)
def test_the_exact_gradient_is_the_slope_of_the_exact_log_likelihood(name):
    model, data = MACHINES[name], rows_of(MACHINES[name])
    parts = model.weights, model.visible_bias, model.hidden_bias
    for k, slope in enumerate(gradient(model, data)):
        for index in np.ndindex(slope.shape):
            values = []
            for change in (1e-5, -1e-5):
                moved = [part.copy() for part in parts]
                moved[k][index] += change
                values.append(fg.log_likelihood(fg.RBM(*moved, model.visible), data).value)
            assert (values[0] - values[1]) / 2e-5 == pytest.approx(slope[index], abs=1e-8)


def learner(model, method="pcd", steps=5, centered=False, batch_size=40, chains=40, threads=1, given=()):
    mean = rows_of(model).mean(axis=0)[: model.n_visible] if model.n_visible <= 4 else np.full(model.n_visible, 0.4)
    setting = Estimation(method, steps, chains, batch_size, 40, centered, mean, 3, threads, given)
    return SampledDeep(model, setting)


def states(one, first, last):
    """The first side and the means of the second of rows `first` ... `last - 1`, and their coefficients."""
    c = one.rows.coefficients[first:last, None].astype(float)
    h = one.rows.h[:, first:last].swapaxes(0, 1).reshape(last - first, -1)[:, : one.hidden] / c
    return one.rows.v[first:last, : one.visible].astype(float), h, c


def moments(one):
    """sum_n c_n of v h^T, v and h, over data and model."""
    v, h, c = states(one, 0, one.count)
    return np.concatenate([((c * v).T @ h).ravel(), (c * v).sum(axis=0), (c * h).sum(axis=0)])


def largest_z(found, truth):
    spread = found.std(axis=0, ddof=1)
    moving = spread > 1e-6
    assert moving.sum() > 15
    np.testing.assert_allclose(found[0, ~moving], truth[~moving], rtol=0, atol=1e-6)
    return np.abs((found.mean(axis=0) - truth)[moving] / (spread[moving] / 8)).max()


PAIRS = np.array(list(product((0, 1), repeat=2)))
XOR = np.repeat(np.column_stack([PAIRS, PAIRS.sum(axis=1) == 1]), [40, 10, 5, 25], axis=0).astype(np.uint8)


def test_the_conditional_likelihood_and_its_gradient_are_those_of_sums():
    """log p(y | x) = log sum_h p*(x, y, h) - log sum_{y, h} p*(x, y, h)."""
    data, given = rows_of(MIXED), [7, 0]
    x = (np.arange(2**9)[:, None] >> np.arange(9)) & 1
    p = np.exp(-MIXED.energy(x))
    both, alone = (
        [p[(x[:, units] == row).all(axis=1)].sum() for row in data[:, columns]]
        for units, columns in (([7, 2, 0, 4], [0, 1, 2, 3]), ([7, 0], [0, 2]))
    )
    found = fg.log_likelihood(MIXED, data, given=given)
    assert found.value == pytest.approx(np.log(np.divide(both, alone)).mean(), rel=1e-12)
    assert found.error == 0 and not found.bound

    def moved(rate):
        run = fg.train(
            MIXED,
            data,
            method="exact",
            epochs=1,
            batch_size=40,
            learning_rate=rate,
            centered=False,
            given=given,
            seed=1,
        )
        return run.model

    for part, own in (
        ("weights", MIXED.weights),
        ("visible_bias", MIXED.visible_bias),
        ("hidden_bias", MIXED.hidden_bias),
    ):
        slope = getattr(moved(1e-6), part) - own
        for index in np.ndindex(own.shape):
            values = []
            for change in (1e-5, -1e-5):
                parts = {name: getattr(MIXED, name).copy() for name in PARTS}
                parts[part][index] += change
                values.append(fg.log_likelihood(fg.RBM(**parts, visible=MIXED.visible), data, given=given).value)
            assert (values[0] - values[1]) / 2e-5 == pytest.approx(slope[index] / 1e-6, abs=1e-7)


def test_a_chain_that_is_given_units_draws_the_others_from_their_conditional_law():
    """CD of many steps forgets its start: v h^T, v and h of the model are those of exact sums, given units held."""
    given = (7, 0)
    one, data = learner(MIXED, "cd", steps=30, given=given), rows_of(MIXED)
    exact = ExactRBM(MIXED, Estimation("exact", 1, 40, 40, 40, False, data.mean(axis=0), 3, 1, given))
    found = []
    for _ in range(64):
        for each in (one, exact):
            each.positive(data, np.full(40, 1 / 40, np.float32), np.arange(40))
            each.negative()
        found.append(moments(one))
        v, h, _ = states(one, 40, 80)
        np.testing.assert_array_equal(v[:, 0], data[:, 2])
        np.testing.assert_array_equal(h[:, 3], data[:, 0])
        np.testing.assert_array_equal(one.chains()[:, [7, 0]], data[:, [0, 2]])
    truth = np.concatenate([(a - b).ravel() for a, b in zip(exact.seen, exact.known, strict=True)])
    assert largest_z(np.array(found[10:]) * 1.0, truth) < ALARM * np.sqrt(64 / 54)


@pytest.mark.parametrize(("method", "shape", "label"), [("cd", (3, 6), 2), ("exact", (8, 5), 8)])
def test_a_machine_learns_labels_given_what_they_label(method, shape, label):
    """p(label | pair) of exclusive or, however rare a pair is; the label is of either side."""
    start = fg.RBM(np.random.default_rng(1).normal(size=shape), visible=[0, 1, label])
    settings = dict(epochs=1000, batch_size=80, learning_rate=1.0, likelihood_every=1000, steps=3, seed=1)
    found = fg.train(start, XOR, method=method, given=[0, 1], **settings)
    assert found.history.log_likelihood[-1] > -0.1 > -0.5 > fg.log_likelihood(start, XOR, given=[0, 1]).value
    labels = fg.learning.fill_in(found.model, np.column_stack([PAIRS, [0] * 4]), [True, True, False], seed=1)
    np.testing.assert_array_equal(labels[:, 2] > 0.5, [0, 1, 1, 0])


@pytest.mark.parametrize("name", MACHINES)
def test_the_bound_is_below_the_sum_and_is_it_where_one_side_is_given(name):
    model, data = MACHINES[name], rows_of(MACHINES[name])
    for beta in (1.0, 0.4):
        assert (model.log_bound(data, beta) < model.log_marginal(data, beta)).all()
    tight = model.with_visible(range(len(model.weights)))
    v = RNG.integers(0, 2, (5, tight.n_visible))
    np.testing.assert_allclose(tight.log_bound(v), tight.log_marginal(v), rtol=1e-13)
    weak = fg.RBM(0.1 * model.weights, model.visible_bias, model.hidden_bias, model.visible)
    np.testing.assert_allclose(weak.log_bound(data), weak.log_marginal(data), rtol=0, atol=0.01)
    one, other = ([np.split(part, [12]) for part in (model.log_bound(data), data)] for _ in range(2))
    np.testing.assert_allclose(model.log_bound(other[1][1]), one[0][1], rtol=0, atol=1e-5)


def test_a_machine_too_large_to_sum_over_is_bounded_and_says_so():
    data = RNG.integers(0, 2, (30, 10))
    start = fg.RBM.deep((10, 22, 21), data, seed=1)
    with pytest.raises(ValueError, match=r"21 hidden units or more on either side, 2\^21 states"):
        start.log_marginal(data)
    found = fg.log_likelihood(start, data, log_z=1.0)
    assert found.bound and found.value == pytest.approx(start.log_bound(data).mean() - 1)
    run = fg.train(start, data, epochs=2, likelihood_every=2, seed=1)
    known = fg.log_likelihood(run.model, data, seed=1)
    assert abs(run.history.log_likelihood[-1] - known.value) < 5 * (known.error + run.history.log_likelihood_error[-1])
    assert np.isnan(run.history.pseudo_likelihood).all()
    assert np.isnan(fg.train(start, data, epochs=2, seed=1).history.log_likelihood).all()


def test_annealing_gives_log_z_whichever_units_are_visible():
    exact = fg.log_z(MIXED, method="exact").value
    for found in (fg.log_z(MIXED, seed=1), fg.log_z([MIXED, MIXED], steps=100, seed=1)):
        assert abs(found.value - exact) < 4.5 * found.error


def test_units_that_are_not_known_are_filled_in_on_either_side():
    """Against the conditional law by enumeration: 4.5 standard errors of 400 chains that draw 100 times."""
    known, row = np.array([False, True, True, False]), np.array([0, 1, 0, 1])
    x = (np.arange(2**9)[:, None] >> np.arange(9)) & 1
    p = np.exp(-MIXED.energy(x)) * (x[:, [2, 0]] == [1, 0]).all(axis=1)
    expected = (p @ x / p.sum())[MIXED.visible]
    filled = fg.learning.fill_in(MIXED, np.tile(row, (400, 1)), known, sweeps=150, seed=1)
    np.testing.assert_array_equal(filled[:, known], np.tile(row[known], (400, 1)))
    error = filled[:, ~known].std(axis=0, ddof=1) / 20
    assert (np.abs(filled[:, ~known].mean(axis=0) - expected[~known]) < 4.5 * error).all()


def test_what_is_visible_is_part_of_the_model_and_is_kept(tmp_path):
    plain = fg.RBM(DEEP.weights, A, B)
    assert plain != DEEP == fg.RBM(DEEP.weights, A, B, [0, 1, 2]) and plain == fg.RBM(DEEP.weights, A, B, range(5))
    for model in (plain, DEEP, MIXED):
        fg.save(model, tmp_path / "model.npz")
        assert fg.load(tmp_path / "model.npz") == model
    run = fg.train(MIXED, rows_of(MIXED), epochs=2, seed=1)
    run.save(tmp_path / "run.npz")
    assert fg.load(tmp_path / "run.npz").model == run.model
    np.testing.assert_array_equal(run.model.visible, MIXED.visible)
    assert fg.RBM.deep((5, 3), seed=1) == fg.RBM.random(5, 3, seed=1)


def test_probabilities_are_drawn_from_and_runs_do_not_hang_on_threads():
    data = np.tile([[0.2, 0.8, 0.5, 0.1]], (64, 1))
    start = fg.RBM.deep((4, 300, 200), data, seed=1)  # layers that threads share
    runs = [
        fg.train(start, data, epochs=2, batch_size=64, chains=96, seed=1, threads=t, history_every=0) for t in (1, 3)
    ]
    assert runs[0].model == runs[1].model
    np.testing.assert_array_equal(runs[0].chains, runs[1].chains)


RUN = """
run = "deep_digits"
hidden = [6, 4]
epochs = 20
batch_size = 50
steps = 1
learning_rates = [0.2, 0.05]
likelihood_every = 10
held_out = 0.3
seed = 1
"""


def test_the_shipped_run_compares_both_machines_on_rows_held_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)  # bars and stripes, which are fewer
    (tmp_path / "run.toml").write_text(RUN)
    assert main(["run", str(tmp_path / "run.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "bars and stripes" in capsys.readouterr().out
    assert (tmp_path / "out" / "deep_digits.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines()))
    assert [row["machine"] for row in rows] == ["shallow", "deep"]
    data = np.random.default_rng(1).permutation(pictures()[0])
    unseen = data[: round(0.3 * len(data))]
    curve = list(csv.DictReader((tmp_path / "out" / "training.csv").read_text().splitlines()))
    with np.load(tmp_path / "out" / "result.npz") as saved:
        for row in rows:
            name = row["machine"]
            model = fg.RBM(*(saved[f"{name}.{part}"] for part in (*PARTS, "visible")))
            assert model.n_hidden == int(row["hidden"])
            assert saved[f"{name}.dreams"].shape == (50, 64)
            assert float(curve[-1][name]) > float(curve[0][name]) > 64 * np.log(0.5)
            exact = fg.log_likelihood(model, unseen)  # log Z of at most 10 units
            assert abs(float(row["held out"]) - exact.value) < 4.5 * float(row["error"]) < 1
    monkeypatch.setattr("fastgibbs.gallery.deep_digits.train", lambda *_, **__: pytest.fail("it ran"))
    (tmp_path / "run.toml").write_text(RUN.replace("[6, 4]", "[6]"))
    assert main(["run", str(tmp_path / "run.toml"), "--output", str(tmp_path / "none"), "--quiet"]) != 0
    assert "hidden is [6]: give two layers or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fg.RBM(W1, visible=[0, 7]), ValueError, r"visible\[1\] is 7: give site indices from 0 to 6"),
        (lambda: fg.RBM(W1, visible=[0, -1]), ValueError, r"visible\[1\] is -1"),
        (lambda: fg.RBM(W1, visible=[0, 1, 0]), ValueError, "visible holds 0 more than once"),
        (lambda: fg.RBM(W1, visible=[0.5]), TypeError, "visible"),
        (lambda: fg.RBM.deep((3,)), ValueError, r"layers is \(3,\): give two widths or more"),
        (lambda: fg.RBM.deep((3, 0, 2)), ValueError, r"layers\[1\] is 0: give an integer of at least 1"),
        (lambda: fg.RBM.deep((3, 2.5)), TypeError, "layers"),
        (lambda: fg.RBM.deep(7), (TypeError, ValueError), "layers"),
        (lambda: fg.RBM.deep((3, 2), ROWS), ValueError, r"data has shape \(40, 4\): give \(N, 3\)"),
        (lambda: DEEP.log_marginal(ROWS), ValueError, "the last axis must hold the 3"),
        (lambda: DEEP.log_bound(ROWS), ValueError, "the last axis must hold the 3"),
        (lambda: DEEP.inputs(ROWS), ValueError, r"states has shape \(40, 4\): give \(\.\.\., 9\)"),
        (lambda: fg.log_likelihood(DEEP, ROWS), ValueError, "the last axis must hold the 3"),
        (lambda: gradient(DEEP, ROWS), ValueError, r"data has shape \(40, 4\)|the last axis must hold the 3"),
        (lambda: fg.train(DEEP, ROWS), ValueError, r"data has shape \(40, 4\): give \(N, 3\)"),
        (lambda: fg.train(fg.RBM(W1, visible=[]), np.zeros((2, 0))), ValueError, "at least one visible unit"),
        (lambda: fg.train(MIXED, ROWS, given=[0]), ValueError, "chains of method='pcd' are those of no row"),
        (lambda: fg.train(MIXED, ROWS, method="cd", given=[0, 1]), ValueError, r"given\[1\] is 1: give visible units"),
        (lambda: fg.train(MIXED, ROWS, method="cd", given=[0, 0]), ValueError, "given holds 0 more than once"),
        (lambda: fg.train(MIXED, ROWS, method="cd", given=[0, 2, 4, 7]), ValueError, "given holds all 4 visible units"),
        (lambda: fg.train(as_graph(MIXED), ROWS, method="cd", given=[0]), TypeError, "give an RBM"),
        (lambda: fg.log_likelihood(MIXED, ROWS, given=[0], log_z=1.0), ValueError, "needs no log Z"),
    ],
)
def test_a_wrong_argument_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_start_goes_on_with_the_units_it_was_given():
    first = fg.train(MIXED, ROWS, method="cd", given=[0], epochs=1, seed=1)
    with pytest.raises(ValueError, match=r"given is \(\), start has \(0,\): give the same"):
        fg.train(first.model, ROWS, method="cd", epochs=1, start=first)
    assert epochs.learner_of(MIXED, "cd") is SampledDeep
    assert Holding(MIXED.sides, 1).held.end == 4
