"""What stands on training: in-painting against enumeration, pictures of what was learnt, the runs that ship."""

import csv
import gzip
import os
import sys
from dataclasses import replace

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact, plots
from fastgibbs.__main__ import main
from fastgibbs.learning import fill_in

RNG = np.random.default_rng(5)
RBM = fg.RBM(RNG.normal(size=(6, 4)), RNG.normal(size=6), RNG.normal(size=4))
DIGITS = """
run = "rbm_digits"
hidden = 6
epochs = 40
batch_size = 10
steps = 1
learning_rates = [0.2, 0.05]
method = "pcd"
held_out = 0.3
seed = 1
"""
MNIST = """
run = "rbm_mnist"
input = ""
hidden = 18
epochs = 4
batch_size = 20
steps = 1
learning_rates = [0.1, 0.05]
method = "cd"
likelihood_every = 2
seed = 1
"""
DREAMS = """
run = "dreams"
layers = [12, 10]
hidden = 8
epochs = 60
rbm_epochs = 20
batch_size = 20
steps = 1
momentum = 0.9
learning_rates = [0.1, 0.05]
draws = 20
held_out = 0.3
seed = 1
"""


def conditional(v, known):
    """P(v_i = 1 | the known units of v), by enumeration, float64 (V,)."""
    states = (exact.states(6) + 1) // 2
    logs = -RBM.free_energy(states)
    p = np.exp(logs - logs.max()) * (states[:, known] == v[known]).all(axis=1)
    return p @ states / p.sum()


def test_what_is_filled_in_is_the_conditional_mean_by_enumeration():
    known = np.array([True, False, True, False, False, True])
    v = np.array([1, 0, 0, 1, 1, 1], np.uint8)
    found = fill_in(RBM, np.tile(v, (512, 1)), known, sweeps=60, averaged=20, seed=3)
    error = found.std(axis=0, ddof=1) / np.sqrt(512)
    np.testing.assert_array_equal(found[:, known], v[known] + np.zeros((512, 1)))
    free = ~known
    assert (np.abs(found.mean(axis=0) - conditional(v, known))[free] < 4.5 * error[free]).all()  # 2e-5 to fail
    drawn = np.sqrt(conditional(v, known) * (1 - conditional(v, known)) / 20)  # of a mean of 20 independent draws
    assert (found.std(axis=0, ddof=1)[free] < drawn[free]).all()
    other = np.where(known, 1 - v, v)
    assert (np.abs(found.mean(axis=0) - conditional(other, known))[free] > 4.5 * error[free]).any()


def test_the_last_sweeps_are_those_averaged():
    """The same chains: sums over sweeps 1 ... 7 less those over 1 ... 4 are sums over 5 ... 7."""
    known, rows = np.array([True, False, True, False, False, True]), (exact.states(6)[:32] + 1) // 2
    last, whole, first = (fill_in(RBM, rows, known, sweeps=s, averaged=a, seed=3) for s, a in ((7, 3), (7, 7), (4, 4)))
    np.testing.assert_allclose(3 * last, 7 * whole - 4 * first, rtol=0, atol=1e-12)


def test_rows_are_filled_in_from_their_own_known_units_at_any_number_of_threads():
    known = np.array([True, False, True, False, False, True])
    rows = np.tile((exact.states(6)[[3, 20, 41, 62]] + 1) // 2, (256, 1))
    found, again = (fill_in(RBM, rows, known, sweeps=60, averaged=20, seed=3, threads=threads) for threads in (1, 3))
    np.testing.assert_allclose(again, found, rtol=0, atol=1e-12)
    for k in range(4):
        of_row = found[k::4][:, ~known]
        error = of_row.std(axis=0, ddof=1) / 16
        assert (np.abs(of_row.mean(axis=0) - conditional(rows[k], known)[~known]) < 4.5 * error).all()
    np.testing.assert_array_equal(fill_in(RBM, rows[:4], np.ones(6, bool), sweeps=2), rows[:4])
    one = fill_in(RBM, rows[0], known, sweeps=20, averaged=40, seed=1)
    assert one.shape == (1, 6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(rbm=3), TypeError, "give an RBM"),
        (dict(states=np.zeros((0, 6))), ValueError, r"states has shape \(0, 6\)"),
        (dict(known=np.ones((2, 6), bool)), ValueError, r"known has shape \(2, 6\): give \(6,\)"),
        (dict(states=np.full((2, 6), 2)), ValueError, r"states\[0, 0\] is 2"),
        (dict(known=np.ones(6)), TypeError, "known has dtype float64: give bools"),
        (dict(sweeps=0), ValueError, "sweeps is 0"),
    ],
)
def test_bad_input_to_fill_in_is_named(change, error, message):
    with pytest.raises(error, match=message):
        fill_in(**(dict(rbm=RBM, states=np.zeros((2, 6)), known=np.ones(6, bool)) | change))


@pytest.fixture
def pyplot():
    module = pytest.importorskip("matplotlib.pyplot", reason="pictures need the extra [plot]")
    module.switch_backend("agg")
    return module


def canvas(ax):
    return np.ma.filled(ax.images[0].get_array().astype(float), np.nan)


def test_filters_are_the_weights_of_units_strongest_first_each_by_its_own_scale(pyplot):
    W = np.zeros((6, 3))
    W[:, 1], W[:, 2] = [4, 0, 0, 0, 0, -2], 0.1
    _, ax = plots.figure()
    assert plots.filters(fg.RBM(W), (2, 3), count=2, ax=ax) is ax
    expected = [[1, 0, 0, np.nan, 1, 1, 1], [0, 0, -0.5, np.nan, 1, 1, 1]]
    np.testing.assert_allclose(canvas(ax), expected)
    assert not pyplot.get_fignums()
    assert plots.filters(fg.RBM(W), (2, 3), cmap="gray").images[0].get_cmap().name == "gray"
    assert pyplot.get_fignums()


def test_fantasies_show_the_visible_part_of_states(pyplot):
    states = np.arange(20).reshape(2, 10) % 2
    np.testing.assert_array_equal(
        canvas(plots.fantasies(states, (2, 3))), canvas(plots.fantasies(states[:, :6], (2, 3)))
    )
    assert "no images" in plots.fantasies(states[:0], (2, 3)).texts[0].get_text()


def test_inpaintings_hide_what_was_not_given(pyplot):
    data, filled = np.ones((1, 6)), np.full((1, 6), 0.7)
    known = np.array([True] * 3 + [False] * 3)
    shown = canvas(plots.inpaintings(data, known, filled, (2, 3)))
    np.testing.assert_allclose(shown[3:5], [[1, 1, 1], [0.35, 0.35, 0.35]])
    np.testing.assert_allclose(shown[6:], 0.7)


def test_a_history_is_drawn_where_it_is_known(pyplot):
    data = RNG.random((30, 6)) < 0.5
    result = fg.train(RBM, data, epochs=6, likelihood_every=3, seed=1)
    _, ax = plots.figure()
    assert plots.training_history(result, ax=ax, linewidth=3) is ax
    likelihood, pseudo = ax.lines
    np.testing.assert_array_equal(likelihood.get_xdata(), [3, 6])
    np.testing.assert_array_equal(likelihood.get_ydata(), result.history.log_likelihood[[2, 5]])
    np.testing.assert_array_equal(pseudo.get_ydata(), result.history.pseudo_likelihood)
    assert likelihood.get_linewidth() == 3
    few = plots.training_history(fg.train(RBM, data, epochs=7, history_every=3, seed=1))
    assert [line.get_xdata().tolist() for line in few.lines] == [[3, 6, 7]] * 2
    none = fg.train(RBM, data, epochs=2, history_every=0, seed=1)
    assert "no epoch is in the history" in plots.training_history(none).texts[0].get_text()
    nothing = replace(result, epochs=0, history=type(result.history)(*(record[:0] for record in result.history)))
    assert "no epoch" in plots.training_history(nothing).texts[0].get_text()


def test_information_is_drawn_where_it_is_told(pyplot):
    data = RNG.random((30, 6)) < 0.5
    result = fg.train(RBM, data, epochs=6, information_every=3, seed=1)
    _, ax = plots.figure()
    assert plots.information_history(result, ax=ax, linewidth=3) is ax
    told = result.information
    for line, values in zip(ax.lines, (told.data_hidden, told.hidden, told.data_mutual, told.mutual), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [3, 6])
        np.testing.assert_array_equal(line.get_ydata(), values)
        assert line.get_linewidth() == 3
    none = fg.train(RBM, data, epochs=2, seed=1)
    assert "give information_every" in plots.information_history(none).texts[0].get_text()


def test_bad_input_to_pictures_is_named(pyplot):
    for draw, arguments, error, message in (
        (plots.filters, (3, (2, 3)), TypeError, "model"),
        (plots.filters, (RBM, (2, 2)), ValueError, r"shape is \(2, 2\): give \(rows, columns\) of 6"),
        (plots.filters, (RBM, (6,)), ValueError, r"shape is \(6,\)"),
        (plots.fantasies, (np.zeros((2, 5)), (2, 3)), ValueError, r"shape is \(2, 3\)"),
        (
            plots.inpaintings,
            (np.zeros((1, 6)), True, np.zeros((2, 6)), (2, 3)),
            ValueError,
            r"filled has shape \(2, 6\)",
        ),
        (plots.training_history, (3,), TypeError, "give what fastgibbs.train returns"),
        (plots.information_history, (3,), TypeError, "give what fastgibbs.train returns"),
    ):
        with pytest.raises(error, match=message):
            draw(*arguments)
    with pytest.raises(TypeError, match="give one matplotlib Axes"):
        plots.filters(RBM, (2, 3), ax=3)


def carried_out(text, folder, *more):
    (folder / "run.toml").write_text(text)
    return main(["run", str(folder / "run.toml"), "--output", str(folder / "out"), "--quiet", *more])


@pytest.mark.parametrize("scikit_learn", [True, False])
def test_digits_are_learnt_better_and_better_and_told_exactly(scikit_learn, tmp_path, capsys, monkeypatch):
    if scikit_learn:
        pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    else:
        monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert carried_out(DIGITS, tmp_path) == 0
    said = capsys.readouterr().out
    assert ("digits of 8 x 8" if scikit_learn else "bars and stripes of 8 x 8") in said
    assert "nats a row, exactly" in said
    assert not list((tmp_path / "out").glob("*checkpoint*"))
    rows = list(csv.DictReader((tmp_path / "out" / "training.csv").read_text().splitlines()))
    assert len(rows) == 40
    assert float(rows[-1]["log-likelihood"]) > float(rows[0]["log-likelihood"]) + 0.5
    assert (tmp_path / "out" / "rbm_digits.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "out" / "result.npz") as saved:
        model = fg.RBM(saved["weights"], saved["visible_bias"], saved["hidden_bias"])
        unseen = fg.log_likelihood(model, saved["examples"]).value
        assert saved["filled"].shape == saved["examples"].shape
        np.testing.assert_array_equal(saved["filled"][:, :32], saved["examples"][:, :32])
    assert np.isfinite(unseen)


def test_dreams_of_both_machines_are_drawn_and_told_in_nats(tmp_path, capsys):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    assert carried_out(DREAMS, tmp_path) == 0
    assert "bound of the Helmholtz machine: -" in capsys.readouterr().out
    told = list(csv.DictReader((tmp_path / "out" / "likelihoods.csv").read_text().splitlines()))
    assert [row["machine, rows"].split("(")[0] for row in told] == ["Helmholtz"] * 2 + ["RBM"] * 2
    assert all(-25.2 < float(row["log p"]) < -15 for row in told)  # independent pixels have -25.1
    bounds = [float(row["bound"]) for row in csv.DictReader((tmp_path / "out" / "bounds.csv").read_text().splitlines())]
    assert len(bounds) == 60
    assert bounds[0] + 1 < bounds[-1] < float(told[0]["log p"]) + 3 * float(told[0]["error"])
    assert (tmp_path / "out" / "dreams.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "out" / "result.npz") as saved:
        assert saved["dreams"].shape == saved["rbm_dreams"].shape == (50, 64)


def test_the_shipped_digits_reach_what_they_should(tmp_path, capsys):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    assert main(["run", "rbm_digits", "--output", str(tmp_path), "--quiet"]) == 0
    found = float(capsys.readouterr().out.split("held out: ")[1].split()[0])
    assert found > -18.7  # -25.1 for independent pixels


def files(folder, pack=False):
    """IDX files of random pictures, as MNIST has them."""
    folder.mkdir()
    for split, count in (("train", 90), ("t10k", 30)):
        pixels = np.where(RNG.random((count, 5, 4)) < 0.3, 200, 20).astype(np.uint8)
        content = bytes([0, 0, 8, 3]) + np.array(pixels.shape, ">u4").tobytes() + pixels.tobytes()
        name = folder / f"{split}-images-idx3-ubyte"
        (name.with_suffix(".gz") if pack else name).write_bytes(gzip.compress(content) if pack else content)
    return str(folder)


@pytest.mark.parametrize("pack", [False, True])
def test_a_folder_of_idx_files_is_learnt_and_told_with_an_error(pack, tmp_path, capsys):
    assert carried_out(MNIST, tmp_path, "--input", files(tmp_path / "data", pack)) == 0
    said = capsys.readouterr().out
    assert "trained on 90 digits of 5 x 4 pixels by cd" in said
    assert "of 30 rows held out" in said and "by annealing, error" in said
    rows = list(csv.DictReader((tmp_path / "out" / "training.csv").read_text().splitlines()))
    assert [row["log-likelihood"] == "nan" for row in rows] == [True, False, True, False]


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        (DIGITS, ("hidden = 6", "hidden = 0"), "hidden is 0"),
        (DIGITS, ("epochs = 40", "epochs = 0"), "epochs is 0"),
        (DIGITS, ("0.3", "1.0"), "held_out is 1.0"),
        (DIGITS, ("[0.2, 0.05]", "[0.2]"), "learning_rates is [0.2]"),
        (DIGITS, ('"pcd"', '"pdc"'), "did you mean 'pcd'"),
        (MNIST, ("", ""), "input is empty: give --input"),
        (MNIST, ('input = ""', 'input = "nowhere"'), "there is no such file, gzipped or not"),
        (MNIST, ("likelihood_every = 2", "likelihood_every = -2"), "likelihood_every is -2"),
    ],
)
def test_a_bad_run_is_named_and_nothing_is_written(text, change, message, tmp_path, capsys):
    assert carried_out(text.replace(*change), tmp_path) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_stopped_run_goes_on_to_the_same_files(tmp_path, capsys, monkeypatch):
    from fastgibbs.methods import checkpoints, running

    for part in ("whole", "part"):
        (tmp_path / part).mkdir()
    assert carried_out(DIGITS, tmp_path / "whole") == 0

    def stopping(checkpoint, blocks, done, sweeps):
        if sum(done):
            fg.stop()

    with monkeypatch.context() as patched:
        patched.setattr(running, "CHUNK_SECONDS", 0.001)
        patched.setattr("fastgibbs.threads.TICK_SECONDS", 0.02)
        patched.setattr(checkpoints.Checkpoint, "attend", stopping)
        carried_out(DIGITS, tmp_path / "part")
    assert len(list((tmp_path / "part" / "out").glob("*.checkpoint.npz"))) == 1
    capsys.readouterr()
    assert carried_out(DIGITS, tmp_path / "part") == 0
    one, other = ((tmp_path / part / "out" / "training.csv").read_bytes() for part in ("whole", "part"))
    assert one == other


def test_mnist_is_learnt(tmp_path, capsys):
    folder = os.environ.get("MNIST")
    if not folder:
        pytest.skip("set MNIST to a folder with the four IDX files to learn them")
    text = MNIST.replace("hidden = 18", "hidden = 16").replace("batch_size = 20", "batch_size = 128")
    assert carried_out(text.replace('"cd"', '"pcd"'), tmp_path, "--input", folder) == 0
    found = float(capsys.readouterr().out.split("held out: ")[1].split()[0])
    assert found > -155  # -206.0 for independent pixels
