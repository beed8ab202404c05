"""Curves: every column of a summary with its errors, against what was varied; and what draws each result."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_results import RUNS

import fastgibbs as fg
from fastgibbs import plots
from fastgibbs.pages.pictures import names
from fastgibbs.plots.curves import curves

pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures need the extra [plot]")
pyplot.switch_backend("agg")

SQUARE, GLASS = fg.lattice((4, 4)), fg.edwards_anderson((4, 4), seed=1)
HEADINGS = {"energy": "E/N", "magnetization": "|m|", "heat_capacity": "C/N", "susceptibility": "chi", "binder": "U"}
HEADINGS |= {"tau": "tau", "effective_draws": "ESS", "r_hat": "R-hat", "cluster_m2": "<m^2>", "x": "<x>", "zz": "<zz>"}
CHAIN = fg.TransverseIsing(fg.lattice((6,)), 1.0, 8)
SHORT = dict(sweeps=64, burn_in=8, seed=1)
DRAWN = {
    "temperatures": lambda: fg.sample(SQUARE, beta=np.repeat([0.4, 0.2, 0.3], 4), **SHORT),
    "fields": lambda: fg.sample(SQUARE, beta=0.4, field=np.repeat([0.2, -0.1, 0.3], 4), **SHORT),
    "clusters": lambda: fg.sample(SQUARE, beta=np.repeat([0.4, 0.2], 4), clusters="swendsen-wang", **SHORT),
    "bins": lambda: fg.sample(SQUARE, beta=np.repeat([0.4, 0.2], 4), record="bins", **SHORT),
    "ladder": lambda: fg.temper(GLASS, betas=[0.2, 0.5, 1.0], **SHORT),
    "quantum": lambda: fg.sample(CHAIN, beta=np.repeat([1.0, 2.0], 4), **SHORT),
    "Gammas": lambda: fg.temper(CHAIN, betas=np.full(3, 2.0), gammas=[1.5, 1.0, 0.5], **SHORT),
}
ALONG = {"fields": "field", "Gammas": "Gamma"}


@pytest.fixture(scope="module")
def results():
    return {name: run() for name, run in DRAWN.items()}


@pytest.fixture(autouse=True)
def nothing_left():
    yield
    assert not pyplot.get_fignums()


def drawn(result, name):
    """The Axes of a curve, and x, y and the heights of the bars of each of its lines, NaN where there are none."""
    _, ax = plots.figure()
    assert plots.curve(result, name, ax=ax) is ax
    found = []
    for container in ax.containers:
        x, y = container.lines[0].get_data()
        segments = container.lines[2][0].get_segments()
        found.append((x, y, np.array([np.ptp(bar[:, 1]) / 2 if len(bar) else np.nan for bar in segments])))
    return ax, found


def number(cell):
    """The value and the error of a cell of a table."""
    value, _, error = cell.partition("(")
    digits = len(value.partition(".")[2]) if "." not in error else 0
    return float(value), float(error.rstrip(")?") or "nan") * 10.0**-digits if error else 0.0


@pytest.mark.parametrize("name", DRAWN)
def test_a_curve_shows_the_column_of_the_summary_with_its_errors(results, name):
    result = results[name]
    table = result.report().table
    along = np.array([float(cell) for cell in table[ALONG.get(name, "T")]])
    order = np.argsort(along)
    told = {what: heading for what, heading in HEADINGS.items() if heading in table}
    assert set(told) <= set(curves(result))
    for what, heading in told.items():
        ax, ((x, y, bars),) = drawn(result, what)
        values, errors = np.array([number(table[heading][row]) for row in order]).T
        np.testing.assert_allclose(x, along[order], rtol=1e-4)
        for shown, value, error, bar in zip(y, values, errors, bars, strict=True):
            rounded = {"ESS": 0.51, "tau": 0.051}.get(heading, 1e-4 * abs(value))
            assert shown == pytest.approx(value, abs=max(error / 10, rounded))
            if error:
                assert bar == pytest.approx(error, rel=0.06)
            else:
                assert heading in ("tau", "ESS", "R-hat") or bar == 0 or abs(bar) < 1e-6
        assert ax.get_ylabel() and ax.get_xlabel().startswith(
            {"field": "field b", "Gamma": "transverse"}.get(ALONG.get(name), "temperature")
        )


def test_what_differs_besides_has_a_line_each(results):
    betas, fields = np.tile([0.2, 0.3, 0.4], 2), np.repeat([0.1, 0.3], 3)
    run = fg.sample(SQUARE, beta=betas, field=fields, **SHORT)
    ax, lines = drawn(run, "magnetization")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0.1", "0.3"]
    assert ax.get_legend().get_title().get_text() == "field b (J)"
    for (x, y, _), chains in zip(lines, (slice(3), slice(3, 6)), strict=True):
        np.testing.assert_allclose(x, 1 / run.beta[chains][::-1])
        np.testing.assert_allclose(y, np.abs(run.magnetization[chains]).mean(axis=1)[::-1])
    path = fg.sample(SQUARE, beta=[0.2, 0.3, 0.4], field=[0.3, 0.2, 0.1], **SHORT)
    ((x, *_),) = drawn(path, "energy")[1]
    np.testing.assert_allclose(x, [2.5, 1 / 0.3, 5])
    models = fg.sample([GLASS, fg.edwards_anderson((4, 4), seed=2)], beta=[0.2, 0.4] * 2, **SHORT)
    ax, lines = drawn(models, "energy")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "1"] and len(lines) == 2


def test_infinite_and_zero_temperature_have_no_place():
    run = fg.sample(GLASS, beta=[0.0, 0.5, 1.0, np.inf], **SHORT)
    for name in ("energy", "heat_capacity", "tau"):
        ((x, *_),) = drawn(run, name)[1]
        np.testing.assert_allclose(x, [1, 2])


def test_an_observed_quantity_is_drawn_by_its_name():
    run = fg.sample(SQUARE, beta=[0.2, 0.4], observe={"x": np.eye(16)[0], "two": lambda s: s[:, :2]}, **SHORT)
    assert "two" not in curves(run)
    ax, ((_, y, _),) = drawn(run, "x")
    assert ax.get_ylabel() == "x"
    np.testing.assert_allclose(y, run.observables["x"].mean(axis=1)[::-1])


def test_a_driven_run_is_drawn_by_its_phases_beside_the_field():
    waves = fg.protocol(np.repeat(fg.oscillating([0.3, 0.6], 8).values, 3, axis=1))
    run = fg.sample(SQUARE, beta=0.3, field=waves, **SHORT)
    found = fg.analysis.response(run)
    ax, lines = drawn(run, "magnetization")
    for k, (x, y, bars) in enumerate(lines):
        np.testing.assert_array_equal(x, found.sweeps)
        np.testing.assert_allclose(y, found.curve[k])
        np.testing.assert_allclose(bars, found.curve_error[k])
    other = ax.figure.axes[-1]
    np.testing.assert_allclose([line.get_ydata() for line in other.lines], run.field[:, [0, 3]].T)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0.3", "0.6"]
    ax, ((x, y, bars),) = drawn(found, "amplitude")
    assert ax.get_xlabel() == "amplitude of the drive"
    np.testing.assert_allclose(x, np.ptp(found.drive, axis=1) / 2)
    np.testing.assert_allclose((y, bars), (found.amplitude, found.amplitude_error))


def test_draws_at_chosen_sweeps_are_drawn_sweep_by_sweep():
    run = fg.sample(SQUARE, beta=[0.2, 0.4] * 3, at=[1, 3, 40], seed=1)
    ax, lines = drawn(run, "energy")
    assert ax.get_xscale() == "log" and len(lines) == 2
    np.testing.assert_array_equal(lines[0][0], [1, 3, 40])
    np.testing.assert_allclose(lines[0][1], run.energy[::2].mean(axis=0) / 16)
    np.testing.assert_allclose(lines[0][2], run.energy[::2].std(axis=0, ddof=1) / 16 / np.sqrt(3))


def test_what_was_found_is_drawn_against_what_it_stands_beside():
    run = fg.anneal(GLASS, population=True, sweeps=40, resample_every=2, reads=64, seed=1)
    warm = run.population.betas > 0
    ax, ((x, y, bars),) = drawn(run, "log_z")
    np.testing.assert_allclose(x, 1 / run.population.betas[warm][::-1])
    np.testing.assert_allclose((y, bars), (run.population.log_z[warm][::-1], run.population.log_z_error[warm][::-1]))
    assert drawn(run, "energy")[0].get_ylabel() == "energy E (J)"
    trained = RUNS["train"]()
    _, ((x, y, _),) = drawn(trained, "gradient_norm")
    np.testing.assert_array_equal((x, y), (trained.history.epoch, trained.history.gradient_norm))
    ladders = [fg.edwards_anderson((4, 4), seed=k) for k in range(3)]
    average = fg.analysis.disorder_average(fg.temper(ladders, betas=[0.2, 0.5, 1.0], ladders=2, **SHORT))
    ax, ((x, y, bars),) = drawn(average, "binder")
    np.testing.assert_allclose((x, y, bars), ([1, 2, 5], average.binder[::-1], average.binder_error[::-1]))
    assert ax.get_ylabel() == "Binder ratio g"
    assert "relation" not in curves(average) and "distribution" not in curves(average)


def test_what_has_no_curve_is_named(results):
    with pytest.raises(ValueError, match=r"name is 'bindr': give one of 'energy'.*did you mean 'binder'"):
        plots.curve(results["temperatures"], "bindr")
    with pytest.raises(TypeError, match=r"result is AnnealResult.*of which there are no curves: give a"):
        plots.curve(RUNS["anneal"](), "energy")
    with pytest.raises(TypeError, match="result is 3, of which there are no curves"):
        plots.curve(3, "energy")
    with pytest.raises(TypeError, match="give one matplotlib Axes"):
        plots.curve(results["ladder"], "energy", ax=plots.figure(1, 2)[1])
    stopped = replace(results["temperatures"], energy=np.empty((12, 0)), magnetization=np.empty((12, 0)))
    assert "no draws" in drawn(stopped, "binder")[0].texts[0].get_text()


def reporting():
    """One of everything that has a report."""
    samples = np.sign(np.random.default_rng(1).normal(size=(50, 3)) + 0.1)
    machine = fg.RBM(np.eye(3))
    yield from (RUNS[name]() for name in ("sample", "anneal", "temper one ladder", "recall", "train"))
    yield fg.learning.information(machine, np.eye(3))
    yield fg.fit_ising(samples)
    glasses = [fg.edwards_anderson((4, 4), seed=k) for k in range(3)]
    yield fg.analysis.disorder_average(fg.temper(glasses, betas=[0.2, 0.5, 1.0], ladders=2, **SHORT))
    yield fg.log_z(machine, method="exact")
    yield fg.log_likelihood(machine, np.eye(3))


NUMBERS = "Estimate", "Likelihood"  # one number each, of which there is no picture


def test_every_class_with_a_report_has_pictures_and_is_shown_in_notebooks():
    trees = [ast.parse(path.read_text()) for path in Path(fg.__file__).parent.rglob("*.py")]
    classes = {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(part, ast.FunctionDef) and part.name == "report" for part in node.body)
    }
    found = {type(one).__name__: one for one in reporting()}
    assert classes - {"Result", "Reporting", "Campaign"} == set(
        found
    )  # results of a campaign have reports of their own
    for name, result in found.items():
        chosen = list(names(result))
        assert bool(chosen) == (name not in NUMBERS), name
        for function, *what in chosen:
            figure, ax = plots.figure()
            getattr(plots, function)(result, *what, ax=ax)
            figure.canvas.draw()
            assert ax.get_ylabel() and (ax.lines or ax.patches), (name, function)
        shown = result._repr_html_()
        assert shown.startswith(result.report().html()) and shown.count("<img") == (name not in NUMBERS)


def test_couplings_stand_with_their_errors_strongest_first():
    fit = fg.fit_ising(np.sign(np.random.default_rng(1).normal(size=(60, 4)) @ np.tri(4) + 0.1))
    _, ax = plots.figure()
    y = plots.fitted_couplings(fit, ax=ax).containers[0].lines[0].get_ydata()
    order = np.argsort(-np.abs(fit.couplings))
    np.testing.assert_array_equal(y, fit.couplings[order])
    assert [label.get_text() for label in ax.get_xticklabels()] == [f"{fit.i[k]}, {fit.j[k]}" for k in order]
    bars = [np.ptp(bar[:, 1]) / 2 for bar in ax.containers[0].lines[2][0].get_segments()]
    np.testing.assert_allclose(bars, fit.couplings_error[order])
    _, ax = plots.figure()
    assert plots.fitted_couplings(fit, most=2, ax=ax).containers[0].lines[0].get_xdata().size == 2
    with pytest.raises(TypeError, match=r"give what fastgibbs\.fit_ising returns"):
        plots.fitted_couplings(3)


def test_entropies_and_memories_have_a_bar_each():
    found = fg.learning.information(fg.RBM(np.eye(3)), np.eye(3))
    _, ax = plots.figure()
    plots.entropies(found, ax=ax)
    np.testing.assert_allclose([bar.get_height() for bar in ax.patches], [*found.model, *found.data])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["model", "data"]
    with pytest.raises(TypeError, match=r"give what fastgibbs\.learning\.information returns"):
        plots.entropies(3)
    recalled = RUNS["recall warm"]()
    _, ax = plots.figure()
    plots.recall_histogram(recalled, ax=ax)
    nearest = np.abs(recalled.overlaps[:, -1]).argmax(axis=1)
    assert [bar.get_height() for bar in ax.patches] == np.bincount(nearest, minlength=3).tolist()
    _, ax = plots.figure()
    assert (
        "no sweeps"
        in plots.recall_histogram(replace(recalled, overlaps=np.empty((3, 0, 3))), ax=ax).texts[0].get_text()
    )


def test_models_and_what_was_found_are_tables_in_notebooks():
    model = fg.as_model({("<b>", "<b>"): 1.0, ("<b>", "y"): -3.0})
    shown = {"a": SQUARE._repr_html_(), "m": model._repr_html_()}
    assert "E(s) = -J sum_&lt;ij&gt;" in shown["a"] and "(4, 4)" in shown["a"] and "geometry" not in shown["a"]
    assert "&lt;b&gt;" in shown["m"] and "<b>" not in shown["m"]
    run = fg.anneal(GLASS, reads=20, sweeps=20, seed=1)
    share = run.success()
    assert f'<td style="text-align: left">{share.rate:.6g}</td>' in share._repr_html_()
    assert run.lowest(2)._repr_html_() == f"<pre>{run.lowest(2)!r}</pre>"
    found = fg.analysis.reweight(fg.sample(SQUARE, beta=0.4, **SHORT), np.linspace(0.38, 0.42, 20))
    assert f"(20,), {found.energy.min():.5g} to {found.energy.max():.5g}" in found._repr_html_()
    assert "all 1" in fg.TransverseIsing(SQUARE, 1.0)._repr_html_()
