"""Pictures: drawn on the Axes they are given, with the data they are given, and nothing shown or left behind."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import plots

pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures need the extra [plot]")
pytestmark = pytest.mark.usefixtures("no_picture_shown")


def empty(result):
    """The same run, stopped before it had anything."""
    if hasattr(result, "trace_min"):
        none = np.empty(0)
        return replace(result, energy=none, trace_min=none, trace_mean=none, ground_counts=none.astype(int))
    overlap = getattr(result, "overlap", None)
    none = {"energy": result.energy[..., :0], "magnetization": result.magnetization[..., :0], "interrupted": True}
    return replace(
        result, **none, **({"overlap": overlap._replace(draws=np.zeros_like(overlap.draws))} if overlap else {})
    )


SAMPLES = "energy_trace", "magnetization_trace", "energy_curve", "heat_capacity_curve"
SAMPLES += "magnetization_curve", "susceptibility_curve"
LADDERS = "swap_rates", "replica_flow", "overlap_distribution"
READS = "annealing_trace", "read_histogram"
PICTURES = [
    *((name, kind) for name in SAMPLES for kind in ("sampled", "tempered")),
    *((name, "tempered") for name in LADDERS),
    *((name, "annealed") for name in READS),
]


@pytest.fixture
def drawn(request):
    """The function of this name and the result of that kind."""
    name, kind = request.param
    return getattr(plots, name), request.getfixturevalue(kind)


@pytest.mark.parametrize("drawn", PICTURES, indirect=True)
def test_a_picture_is_drawn_on_the_axes_it_is_given_without_another_figure(drawn):
    draw, result = drawn
    figure, ax = plots.figure()
    assert draw(result, ax=ax) is ax
    figure.canvas.draw()
    assert ax.get_xlabel() and ax.get_ylabel()
    assert ax.lines or ax.patches
    assert not pyplot.get_fignums()


@pytest.mark.parametrize("drawn", PICTURES, indirect=True)
def test_a_picture_without_axes_is_drawn_on_new_ones_and_leaves_the_old_alone(drawn):
    draw, result = drawn
    _, old = pyplot.subplots()
    ax = draw(result)
    assert ax is not old
    assert ax.figure.number in pyplot.get_fignums()
    assert not old.lines and not old.patches and not old.get_xlabel()


@pytest.mark.parametrize("drawn", PICTURES, indirect=True)
def test_a_picture_of_a_run_without_draws_is_labelled_and_says_so(drawn):
    draw, result = drawn
    if draw in (plots.swap_rates, plots.replica_flow):
        return  # they have rungs, whatever was drawn
    figure, ax = plots.figure()
    draw(empty(result), ax=ax)
    figure.canvas.draw()
    assert ax.get_xlabel() and ax.get_ylabel()
    assert not ax.lines and not ax.patches
    assert "no " in ax.texts[0].get_text()


@pytest.mark.parametrize("drawn", PICTURES, indirect=True)
def test_a_keyword_for_matplotlib_reaches_the_data(drawn):
    draw, result = drawn
    ax = draw(result, color="#123456")
    data = [line for line in [*ax.lines, *ax.patches] if line.get_label() not in ("T$_c$", "exact torus")]
    colors = [line.get_facecolor() if hasattr(line, "get_facecolor") else line.get_color() for line in data]
    assert any(pyplot.matplotlib.colors.same_color(color, "#123456") for color in colors)


@pytest.mark.parametrize("drawn", PICTURES, indirect=True)
@pytest.mark.parametrize("wrong", [3, [1.0, 2.0], "models"])
def test_what_is_no_result_is_named_with_what_to_give(drawn, wrong):
    draw, result = drawn
    if wrong == "models":
        with pytest.raises(TypeError, match="result is a list of 2: give one of them"):
            draw([result, result])
    else:
        with pytest.raises(TypeError, match=r"result is .*give (what fastgibbs\.\w+|one of them)"):
            draw(wrong)
    assert not pyplot.get_fignums()


@pytest.mark.parametrize("drawn", PICTURES, indirect=True)
def test_axes_that_are_none_are_refused(drawn):
    draw, result = drawn
    with pytest.raises(TypeError, match="give one matplotlib Axes"):
        draw(result, ax=plots.figure(1, 2)[1])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        *((name, "annealed") for name in (*SAMPLES, *LADDERS)),
        *((name, "sampled") for name in (*LADDERS, *READS)),
        *((name, "tempered") for name in READS),
    ],
)
def test_a_result_of_another_verb_is_refused(name, other, request):
    with pytest.raises(TypeError, match=r"give what fastgibbs\.\w+"):
        getattr(plots, name)(request.getfixturevalue(other))


def test_importing_the_package_and_its_pictures_leaves_matplotlib_out():
    code = "import sys, fastgibbs, fastgibbs.plots, fastgibbs.gallery.ising2d; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_drawing_on_given_axes_leaves_pyplot_out():
    code = """
import sys, numpy as np
from fastgibbs import plots
figure, ax = plots.figure()
plots.spin_image(np.ones((3, 3)), ax=ax)
plots.temperature_curve([1, 20], [3, 4], [0.1, 0.1], ax=plots.figure()[1])
figure.canvas.draw()
assert 'matplotlib.pyplot' not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_raster_marks_every_spike_of_a_chain_at_its_sweep():
    machine = fg.RBM(np.random.default_rng(1).normal(size=(4, 3)))
    options = dict(beta=1.0, sweeps=40, burn_in=7, thin=2, chains=3, seed=1, rule="spiking", refractory=3)
    run = fg.sample(machine, keep_states=True, **options)
    ax = plots.raster(run, chain=2, neurons=[5, 0], color="red")
    (line,) = ax.get_lines()
    marked = set(zip(*line.get_data(), strict=True))
    assert marked == {(9 + 2 * k, row) for k, row in zip(*np.nonzero(run.spikes[2][:, [5, 0]]), strict=True)}
    assert len(marked) > 3
    assert (line.get_color(), ax.get_xlim(), ax.get_ylim()) == ("red", (8, 48), (-1, 2))
    for change, error, told in (
        (dict(chain=3), ValueError, "chain is 3: give an integer of at most 2"),
        (dict(neurons=[7]), ValueError, "neurons"),
        (dict(result=[run]), TypeError, "result is a list of 1: give one of them"),
        (dict(result=fg.sample(machine, beta=1.0, sweeps=2, seed=1)), ValueError, "give a run by rule='spiking'"),
    ):
        arguments = dict(result=run) | change
        with pytest.raises(error, match=told):
            plots.raster(arguments.pop("result"), **arguments)


@pytest.mark.parametrize("draw", [plots.figure, lambda: plots.spin_image([[1]])])
def test_without_matplotlib_the_extra_is_named(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"fastgibbs\[plot\]"):
        draw()


def test_an_image_holds_the_spins():
    spins = np.random.default_rng(1).choice([-1, 1], 12)
    ax = plots.spin_image(spins, (3, 4))
    np.testing.assert_array_equal(ax.images[0].get_array(), spins.reshape(3, 4))
    ax = plots.spin_image(spins.reshape(2, 6), cmap="cividis")
    np.testing.assert_array_equal(ax.images[0].get_array(), spins.reshape(2, 6))
    assert ax.images[0].get_cmap().name == "cividis"


@pytest.mark.parametrize(
    ("spins", "shape", "message"),
    [
        (np.ones(12), None, r"shape is \(12,\)"),
        (np.ones((2, 2, 3)), None, r"shape is \(2, 2, 3\)"),
        (np.ones(12), (5, 3), r"spins has 12 sites: shape \(5, 3\) asks for 15"),
        (np.zeros((2, 2)), None, r"spins\[0, 0\] is 0"),
    ],
)
def test_an_image_of_what_is_no_lattice_of_spins_is_refused(spins, shape, message):
    with pytest.raises(ValueError, match=message):
        plots.spin_image(spins, shape)


def test_spins_are_drawn_where_their_sites_are():
    model = fg.lattice((4, 5), cell="kagome")
    spins = np.random.default_rng(1).choice([-1, 1], model.n)
    ax = plots.spin_image(spins, positions=model.positions, cmap="cividis")
    (discs,) = ax.collections
    np.testing.assert_array_equal(discs.get_array(), spins)
    np.testing.assert_array_equal(discs.get_offsets(), model.positions)
    assert discs.get_cmap().name == "cividis" and discs.get_clim() == (-1, 1)
    ax.figure.canvas.draw()
    low, high = ax.viewLim.min, ax.viewLim.max
    assert (low < model.positions.min(axis=0)).all() and (high > model.positions.max(axis=0)).all()
    with pytest.raises(ValueError, match=r"spins has 60 sites: positions has 59"):
        plots.spin_image(spins, positions=model.positions[1:])
    with pytest.raises(ValueError, match=r"positions has shape \(27, 3\)"):
        plots.spin_image(np.ones(27), positions=fg.lattice((3, 3, 3)).positions)


def test_binder_cumulants_are_drawn_with_their_bands_and_the_critical_point():
    _, ax = pyplot.subplots()
    line = [2.0, 2.5], [0.64, 0.5], [0.01, 0.02]
    crossing = plots.binder_crossing({8: line, 16: line}, {8: line, 16: line}, (2.269, 0.611), ax=ax)
    assert crossing is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["infinite lattice", "L = 8", "L = 16"]
    band = ax.collections[0].get_paths()[0].vertices
    assert {(2.0, 0.63), (2.0, 0.65), (2.5, 0.48), (2.5, 0.52)} <= {(x, round(y, 9)) for x, y in band.tolist()}
    assert plots.binder_crossing({8: line}).lines[0].get_ydata().tolist() == [0.64, 0.5]
    assert "J/k" in ax.get_xlabel()


def test_plots_of_memories_show_what_they_are_given():
    _, ax = pyplot.subplots()
    theory = [0.1, 0.2], [1, 0]
    curves = plots.recall_curves([0.1, 0.2], [[1, 0.5]], [[0.1, 0.1]], ["N = 9"], theory, 0.14, ax=ax)
    assert curves is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["N to infinity", "N = 9"]
    critical, line, curve = ax.lines[:3]
    assert critical.get_xdata() == [0.14, 0.14]
    np.testing.assert_array_equal(line.get_data(), theory)
    np.testing.assert_array_equal(np.asarray(curve.get_data(), float), [[0.1, 0.2], [1, 0.5]])
    states = np.random.default_rng(1).choice([-1, 1], (2, 3, 6))
    ax = plots.recall_images(states, ["cue", "recalled"], (2, 3))
    image = ax.images[0].get_array()
    np.testing.assert_array_equal(image[3:5, 4:7], states[1, 1].reshape(2, 3))
    assert image.shape == (5, 11)
    assert image.mask[2].all()
    with pytest.raises(ValueError, match=r"shape is \(1, 3\): give \(rows, columns\) of 6 pixels in all"):
        plots.recall_images(states, ["cue", "recalled"], (1, 3))


def test_an_overlap_trace_has_the_mean_of_all_cues_and_lines_of_twelve():
    rng = np.random.default_rng(1)
    memory = fg.Hopfield(rng.choice([-1, 1], (3, 20)), field=0.01)
    run = fg.recall(memory, rng.choice([-1, 1], (15, 20)), sweeps=5, seed=1)
    *cues, mean = plots.overlap_trace(run, ax=plots.figure()[1]).lines
    largest = np.abs(run.overlaps).max(axis=2)
    assert len(cues) == 12
    np.testing.assert_array_equal(mean.get_data(), [np.arange(1, 6), largest.mean(axis=0)])
    np.testing.assert_array_equal(cues[3].get_ydata(), largest[3])
    assert not plots.overlap_trace(replace(run, overlaps=run.overlaps[:, :0]), ax=plots.figure()[1]).lines
    with pytest.raises(TypeError, match=r"give what fastgibbs\.recall returns"):
        plots.overlap_trace(3)


def test_the_history_of_a_helmholtz_machine_has_its_bound():
    data = np.eye(4, dtype=int)
    run = fg.train(fg.RBM.random(4, 2, data, seed=1), data, epochs=3, likelihood_every=0, seed=1)
    bound = np.array([-9.0, -8.0, -7.0])
    unknown = np.full(3, np.nan)
    history = run.history._replace(bound=bound, pseudo_likelihood=unknown, log_likelihood=unknown)
    (line,) = plots.training_history(replace(run, history=history), ax=plots.figure()[1]).lines
    assert line.get_label() == "bound"
    np.testing.assert_array_equal(line.get_data(), [[1, 2, 3], bound])
