"""Pictures of runs: traces, curves against temperature, swaps and overlaps of ladders, reads, each with its numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import plots
from fastgibbs.plots import style

pytestmark = pytest.mark.usefixtures("no_picture_shown")
TEMPERATURES = 1.5, 2.5, 4.0  # of `sampled`


@pytest.mark.parametrize(
    ("draw", "name", "divisor"), [(plots.energy_trace, "energy", 64), (plots.magnetization_trace, "magnetization", 1)]
)
def test_a_trace_shows_every_draw_at_its_sweep_and_shades_burn_in(sampled, draw, name, divisor):
    ax = draw(sampled, chains=[7, 0, 6])
    for line, chain in zip(ax.lines, (7, 0, 6), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), 30 + 2 * np.arange(1, 22))
        np.testing.assert_array_equal(line.get_ydata(), getattr(sampled, name)[chain] / divisor)
    assert ax.lines[0].get_color() == ax.lines[2].get_color() != ax.lines[1].get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["2.5", "1.5", "burn-in"]
    assert ax.patches[0].get_extents().width > 0
    assert ax.patches[0].get_width() == 30
    assert draw(sampled, burn_in=50).patches[0].get_width() == 50
    assert not draw(sampled, burn_in=0).patches


def test_a_trace_of_tempering_counts_rungs_within_ladders(tempered):
    ax = plots.energy_trace(tempered, chains=[2 * 5 + 3])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), tempered.energy[2, 3] / 16)
    few = plots.energy_trace(tempered)
    assert len(few.lines) == 4 * 3  # three ladders of the four rungs below infinite temperature
    assert few.get_legend().get_texts()[0].get_text() == "0.5"
    hot = plots.energy_trace(tempered, chains=[0])
    assert hot.get_legend().get_texts()[0].get_text() == "inf"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chains": [15]}, r"chains\[0\] is 15"),
        ({"chains": [0.5]}, "chains has dtype float64"),
        ({"burn_in": -1}, "burn_in is -1"),
    ],
)
def test_a_chain_or_burn_in_that_does_not_exist_is_named(sampled, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        plots.energy_trace(sampled, **arguments)


MEANS = {
    "energy_curve": lambda e, m, T: e.mean() / 64,
    "heat_capacity_curve": lambda e, m, T: (np.mean(e**2) - np.mean(e) ** 2) / T**2 / 64,
    "magnetization_curve": lambda e, m, T: np.abs(m).mean(),
    "susceptibility_curve": lambda e, m, T: 64 * (np.mean(m**2) - np.mean(np.abs(m)) ** 2) / T,
}


@pytest.mark.parametrize("name", MEANS)
def test_a_curve_shows_the_means_of_all_chains_at_a_temperature(sampled, name):
    ax = getattr(plots, name)(sampled)
    container = ax.containers[0]
    T, means = container.lines[0].get_data()
    np.testing.assert_allclose(T, TEMPERATURES)
    pooled = zip(sampled.energy.reshape(3, -1), sampled.magnetization.reshape(3, -1), TEMPERATURES, strict=True)
    np.testing.assert_allclose(means, [MEANS[name](*one) for one in pooled])
    bars = [np.ptp(bar[:, 1]) / 2 for bar in container.lines[2][0].get_segments()]
    assert np.all(np.array(bars) > 0)
    if name == "energy_curve":  # 20 rows: the last 20 of a chain's 21 draws in 4 parts
        rows = sampled.energy[:, 1:].reshape(3, 20, 5).mean(axis=2) / 64
        np.testing.assert_allclose(bars, rows.std(axis=1, ddof=1) / np.sqrt(20))


def test_a_curve_of_tempering_leaves_infinite_temperature_out(tempered):
    T, means = plots.energy_curve(tempered).containers[0].lines[0].get_data()
    np.testing.assert_allclose(T, [0.5, 1, 2, 10])
    np.testing.assert_allclose(means, tempered.energy.mean(axis=(0, 2))[:0:-1] / 16)


def test_exact_curves_are_those_of_the_very_lattice(sampled):
    (critical, torus, *_) = plots.energy_curve(sampled).lines
    assert critical.get_xdata()[0] == pytest.approx(2.269185, abs=1e-6)
    T, exact = torus.get_data()
    assert (T[0], T[-1]) == pytest.approx((1.5, 4.0))
    np.testing.assert_allclose(exact, fg.exact.torus((8, 8), 1 / T).energy / 64)
    T, exact = plots.heat_capacity_curve(sampled).lines[1].get_data()
    np.testing.assert_allclose(exact, fg.exact.torus((8, 8), 1 / T).heat_capacity / 64)
    T, exact = plots.magnetization_curve(sampled).lines[1].get_data()
    np.testing.assert_allclose(exact, fg.exact.onsager_magnetization(1 / T))


@pytest.mark.parametrize(
    "model",
    [
        fg.lattice((8, 8), J=-1.0),
        fg.lattice((8, 8), h=0.1),
        fg.lattice((4, 4, 4)),
        fg.triangular((8, 8)),
        fg.lattice((8, 8), periodic=False),
        fg.RBM(np.ones((60, 4))),
    ],
)
def test_no_exact_curve_is_drawn_for_any_other_model(sampled, model):
    ax = plots.energy_curve(replace(sampled, model=model))
    assert len(ax.lines) == len(plots.temperature_curve([1.0], [1.0], [1.0]).lines)  # those of the error bars


def test_a_stronger_coupling_shifts_the_exact_curve_with_the_temperature(sampled):
    critical, torus, *_ = plots.energy_curve(replace(sampled, model=fg.lattice((8, 8), J=1.5))).lines
    assert critical.get_xdata()[0] == pytest.approx(1.5 * 2.269185, abs=1e-6)
    T, exact = torus.get_data()
    np.testing.assert_allclose(exact, fg.exact.torus((8, 8), 1 / T, 1.5).energy / 64)


def test_a_critical_temperature_out_of_sight_is_not_marked(sampled):
    ax = plots.energy_curve(replace(sampled, model=fg.lattice((8, 8), J=2.0)))
    assert ax.lines[0].get_label() == "exact torus"


def test_one_chain_of_one_draw_is_a_point_without_an_error_bar():
    one = fg.sample(fg.lattice((4, 4)), beta=0.5, chains=1, sweeps=1, seed=1)
    for draw in (plots.energy_curve, plots.susceptibility_curve, plots.energy_trace):
        figure, ax = plots.figure()
        draw(one, ax=ax)
        figure.canvas.draw()
    assert plots.energy_curve(one).containers[0].lines[0].get_ydata() == one.energy[0] / 16


def test_draws_of_different_models_are_not_pooled():
    models = [fg.edwards_anderson((4, 4), seed=k) for k in range(2)]
    result = fg.sample(models, beta=0.5, sweeps=8, seed=1)
    with pytest.raises(ValueError, match="result holds 2 models"):
        plots.energy_curve(result)
    assert plots.energy_trace(result).lines


def test_any_curve_against_temperature_shows_its_values_and_a_line():
    ax = plots.temperature_curve([1, 2], [3, 4], [0.1, np.nan], line=([1, 3], [5, 6], "reweighted"), critical=1.5)
    np.testing.assert_array_equal(ax.containers[0].lines[0].get_data(), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(ax.lines[1].get_data(), [[1, 3], [5, 6]])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["T$_c$", "reweighted", "sampled"]
    assert ax.get_xscale() == "linear"
    assert plots.temperature_curve([1, 20], [3, 4]).get_xscale() == "log"
    with pytest.raises(ValueError, match=r"values has shape \(3,\): give one per temperature, \(2,\)"):
        plots.temperature_curve([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"errors has shape \(1,\)"):
        plots.temperature_curve([1, 2], [1, 2], [1])
    with pytest.raises(ValueError, match=r"temperatures has shape \(\): give a 1-D array"):
        plots.temperature_curve(1.0, 2.0)


def ladder(**changes):
    """What `temper` returns, in as far as its pictures look."""
    base = {"betas": np.array([0, 0.5, 1]), "acceptance": np.array([0.5, 0.4]), "flow": np.array([1, 0.6, 0])}
    base |= {"gammas": None, "barrier": SimpleNamespace(density=np.array([1.0, 1.2]))}
    return SimpleNamespace(**(base | changes))


def test_swaps_and_flow_stand_at_their_temperatures():
    ax = plots.swap_rates(ladder())
    np.testing.assert_allclose(ax.lines[0].get_data(), [[4, 4 / 3], [0.5, 0.4]])
    np.testing.assert_allclose(ax.figure.axes[1].lines[0].get_data(), [[4, 4 / 3], [1.0, 1.2]])
    ax = plots.replica_flow(ladder())
    np.testing.assert_allclose(ax.lines[0].get_data(), [[2, 1], [0.6, 0]])  # infinite temperature has no place


def test_swaps_and_flow_of_a_ladder_in_gamma_stand_at_gamma():
    quantum = fg.TransverseIsing(fg.lattice((4,)), gamma=1.0, slices=8)
    run = fg.temper(quantum, betas=2.0, gammas=[2.0, 1.2, 0.7], sweeps=40, seed=1)
    ax, flow = plots.swap_rates(run), plots.replica_flow(run)
    np.testing.assert_allclose(ax.lines[0].get_data(), [[1.6, 0.95], run.acceptance])
    np.testing.assert_allclose(ax.figure.axes[1].lines[0].get_data(), [[1.6, 0.95], (1 - run.acceptance) / [0.8, 0.5]])
    np.testing.assert_allclose(flow.lines[0].get_data(), [run.gammas, run.flow])
    assert all("Gamma" in drawn.get_xlabel() for drawn in (ax, flow))


def overlaps(histogram, draws=None, field=0.0):
    histogram = np.asarray(histogram)
    draws = histogram.sum(axis=(1, 2)) if draws is None else np.array(draws)
    return ladder(
        betas=np.array([0.5, 1.0])[: histogram.shape[1]],
        overlap=SimpleNamespace(histogram=histogram, draws=draws),
        model=fg.lattice((3, 3), h=field),
    )


def test_overlaps_have_integral_1_and_are_averaged_with_their_mirror_image_unless_there_is_a_field():
    q, p = plots.overlap_distribution(overlaps([[[3, 0, 0, 1]]]), 2.0).lines[0].get_data()
    np.testing.assert_allclose(q, [-1, -1 / 3, 1 / 3, 1])
    np.testing.assert_allclose(p * 2 / 3, [1 / 2, 0, 0, 1 / 2], atol=1e-12)
    p = plots.overlap_distribution(overlaps([[[3, 0, 0, 1]]], field=0.1), 2.0).lines[0].get_ydata()
    np.testing.assert_allclose(p * 2 / 3, [3 / 4, 0, 0, 1 / 4], atol=1e-12)
    many = plots.overlap_distribution(overlaps(np.ones((1, 1, 513), int))).lines[0]
    assert many.get_ydata().size == 61
    np.testing.assert_allclose(many.get_ydata() * 513 / 512, 0.5)  # a flat histogram stays flat in fewer bins


def test_the_band_of_overlaps_is_the_standard_error_over_pairs():
    pairs = [[[3, 0, 0, 1]], [[0, 2, 2, 0]], [[1, 0, 1, 2]], [[0, 0, 0, 0]]]
    ax = plots.overlap_distribution(overlaps(pairs), 2.0)
    each = np.array([[1 / 2, 0, 0, 1 / 2], [0, 1 / 2, 1 / 2, 0], [3 / 8, 1 / 8, 1 / 8, 3 / 8]]) * 3 / 2
    mean, error = each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), mean)
    corners = ax.collections[0].get_paths()[0].vertices
    for q, low, high in zip((-1, -1 / 3, 1 / 3, 1), mean - error, mean + error, strict=True):
        at = corners[np.isclose(corners[:, 0], q), 1]
        assert (at.min(), at.max()) == pytest.approx((low, high))
    assert not plots.overlap_distribution(overlaps(pairs[:1]), 2.0).collections


def test_overlaps_are_of_the_nearest_rungs(tempered):
    ax = plots.overlap_distribution(tempered, [0.6, 0.9, 1.1, 1e9])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0.5", "1", "10"]
    assert len(plots.overlap_distribution(tempered).lines) == 4


@pytest.mark.parametrize(
    ("temperatures", "message"), [([1.0, 0.0], "temperatures holds 0.0"), ([], "has shape"), ([np.nan], "is nan")]
)
def test_temperatures_that_are_none_are_named(tempered, temperatures, message):
    with pytest.raises(ValueError, match=message):
        plots.overlap_distribution(tempered, temperatures)


def test_overlaps_that_were_not_measured_are_asked_for(tempered):
    with pytest.raises(ValueError, match="ladders=2 or more and overlap_every above 0"):
        plots.overlap_distribution(replace(tempered, overlap=None))


def test_annealing_shows_both_traces_against_sweeps(annealed):
    mean, lowest = plots.annealing_trace(annealed).lines
    np.testing.assert_array_equal(mean.get_data(), [np.arange(1, 13), annealed.trace_mean])
    np.testing.assert_array_equal(lowest.get_data(), [np.arange(1, 13), annealed.trace_min])
    stopped = replace(annealed, trace_mean=annealed.trace_mean[:5], trace_min=annealed.trace_min[:5])
    np.testing.assert_array_equal(plots.annealing_trace(stopped).lines[0].get_ydata(), annealed.trace_mean[:5])


def test_the_histogram_counts_the_reads_at_every_level(annealed):
    ax = plots.read_histogram(annealed)
    levels, counts = np.unique(annealed.energy, return_counts=True)
    assert len(levels) > 1
    np.testing.assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in ax.patches], levels)
    np.testing.assert_array_equal([bar.get_height() for bar in ax.patches], counts)
    assert ax.get_title(loc="left") == f"{counts[0]} of 32 reads at {levels[0]:g} J"


@pytest.mark.parametrize(
    "energy", [np.random.default_rng(1).normal(size=300), np.full(5, -0.3), np.array([-1, -1 + 1e-15]), [7.0]]
)
def test_the_histogram_holds_every_read_whatever_the_energies(annealed, energy):
    result = replace(annealed, energy=np.sort(energy), ground_counts=np.array([1]))
    figure, ax = plots.figure()
    plots.read_histogram(result, ax=ax)
    figure.canvas.draw()
    assert sum(bar.get_height() for bar in ax.patches) == len(energy)
    assert len(ax.patches) <= 60


def test_colours_are_different_however_many():
    for count in (1, 7, 8, 40):
        assert len({tuple(color) if not isinstance(color, str) else color for color in style.colors(count)}) == count


def test_a_long_trace_can_be_drawn():
    values = np.random.default_rng(1).normal(size=(1, 300_000))
    result = SimpleNamespace(
        model=fg.lattice((8, 8)), beta=np.ones(1), energy=values, magnetization=values, burn_in=0, thin=1
    )
    figure, ax = plots.figure()
    plots.energy_trace(result, ax=ax)
    figure.canvas.draw()
