"""Pictures of correlations, and moving ones."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import analysis, plots

pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures need the extra [plot]")
pytestmark = pytest.mark.usefixtures("no_picture_shown")
MODEL = fg.lattice((8, 8))
WAVES = fg.waves(MODEL, [[a, b] for a in range(5) for b in range(-3, 5)])


@pytest.fixture(scope="module")
def run():
    return fg.sample(MODEL, beta=[0.2, 0.4] * 4, sweeps=60, observe=WAVES, keep_states=True, seed=1)


def points(ax):
    """x and y of every line with error bars."""
    return [container.lines[0].get_data() for container in ax.containers]


def test_structure_factors_and_correlations_stand_at_their_lengths(run):
    S, C = analysis.structure_factor(run), analysis.correlations(run)
    ax = plots.structure_factor(S)
    x, y = points(ax)[0]
    assert (np.diff(x) >= 0).all() and sorted(y) == pytest.approx(sorted(S.mean[0]))
    x, y = points(plots.correlations(C, temperatures=2.5, ax=plots.figure()[1]))[0]
    seen = C.mean[1] > C.error[1]
    assert list(x) == C.r[seen].tolist() and list(y) == C.mean[1, seen].tolist()


def test_a_map_has_every_wave_and_its_mirror_image(run):
    S = analysis.structure_factor(run)
    mesh = plots.structure_map(S, 1).collections[0]
    grid = np.ma.filled(mesh.get_array(), np.nan)
    m = S.m + 4
    np.testing.assert_array_equal(grid[tuple(m.T)], S.mean[1])
    np.testing.assert_array_equal(grid[tuple((8 - m).T)], S.mean[1])
    with pytest.raises(ValueError, match="a map is of two axes"):
        ring = fg.lattice((8,))
        plots.structure_map(analysis.structure_factor(fg.sample(ring, beta=1, sweeps=9, observe=fg.waves(ring, [1]))))
    with pytest.raises(ValueError, match="group is 2"):
        plots.structure_map(S, 2)


def test_two_times_have_a_line_for_each_wait():
    found = analysis.two_time(fg.sample(MODEL, beta=1.0, at=[1, 2, 4, 8], keep_states=True, seed=1))
    lines = points(plots.two_time(found))
    assert [list(x) for x, _ in lines] == [[1, 3, 7], [2, 6], [4]]
    assert list(lines[1][1]) == found.mean[0, 1, 2:].tolist()
    alone = analysis.two_time(fg.sample(MODEL, beta=1.0, at=[1], keep_states=True, seed=1))
    assert "no two draws" in [text.get_text() for text in plots.two_time(alone).texts]


def test_lengths_of_every_size_are_drawn_against_temperature(run):
    found = analysis.correlation_length(run)
    lines = points(plots.length_crossing({8: found}, critical=2.269))
    np.testing.assert_allclose(lines[0], [1 / found.beta, found.ratio])


@pytest.mark.parametrize("name", ["structure_factor", "structure_map", "correlations", "two_time"])
def test_what_analysis_did_not_find_is_named(name, run):
    with pytest.raises(TypeError, match=r"found is .*give what fastgibbs\.analysis"):
        getattr(plots, name)(run)
    with pytest.raises(TypeError, match="found is 3"):
        plots.length_crossing(3)
    with pytest.raises(TypeError, match=r"found\[8\] is 3, without beta"):
        plots.length_crossing({8: 3})


def test_groups_at_infinite_temperature_alone_are_no_lines():
    hot = fg.sample(MODEL, beta=[0.0] * 4, sweeps=20, observe=WAVES, keep_states=True, seed=1)
    for temperatures in (None, [1.0]):
        for ax in (
            plots.structure_factor(analysis.structure_factor(hot), temperatures),
            plots.correlations(analysis.correlations(hot), temperatures),
        ):
            assert [text.get_text() for text in ax.texts] == ["no draws at finite T"]


@pytest.mark.parametrize("name", ["length_crossing", "binder_crossing", "glass_crossing"])
def test_no_sizes_are_axes_without_lines(name):
    ax = getattr(plots, name)({})
    assert not ax.lines and ax.get_legend() is None


def test_a_movie_has_the_spins_of_every_frame(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="pictures need the extra [plot]")
    spins = np.random.default_rng(1).choice([-1, 1], (5, 6, 7))
    plots.movie(spins, tmp_path / "plain.gif", scale=3)
    plots.movie(spins.reshape(5, 42), tmp_path / "told.gif", (6, 7), labels=list("abcde"), seconds=0.25)
    with image.open(tmp_path / "plain.gif") as movie:
        assert (movie.n_frames, movie.size) == (5, (21, 18))
        for number in range(5):
            movie.seek(number)
            seen = np.asarray(movie.convert("L"))
            np.testing.assert_array_equal(np.where(seen[1::3, 1::3] < 128, 1, -1), spins[number])
    with image.open(tmp_path / "told.gif") as movie:
        assert (movie.n_frames, movie.size, movie.info["duration"]) == (5, (14, 30), 250)
        seen = np.asarray(movie.convert("L"))
        np.testing.assert_array_equal(np.where(seen[18::2, ::2] < 128, 1, -1), spins[0])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(states=np.zeros((2, 3, 3))), ValueError, r"states\[0, 0, 0\] is 0"),
        (dict(states=np.ones((2, 9))), ValueError, r"states has shape \(2, 9\): give \(frames, rows, columns\)"),
        (dict(states=np.ones((2, 9)), shape=(3, 4)), ValueError, "9 sites a frame"),
        (dict(states=np.ones((0, 3, 3))), ValueError, "states has shape"),
        (dict(labels=["one"]), ValueError, "labels has 1 texts: .* 2 frames"),
        (dict(scale=0), ValueError, "scale is 0"),
        (dict(scale=10**6), ValueError, "too many pixels"),
        (dict(seconds=0), ValueError, "seconds is 0"),
        (dict(path=3), TypeError, "path is 3"),
    ],
)
def test_what_makes_no_movie_is_refused(change, error, message, tmp_path):
    arguments = dict(states=np.ones((2, 3, 3)), path=tmp_path / "x.gif") | change
    with pytest.raises(error, match=message):
        plots.movie(**arguments)


def test_without_pillow_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r"fastgibbs\[plot\]"):
        plots.movie(np.ones((2, 3, 3)), tmp_path / "x.gif")
