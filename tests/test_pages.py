"""Pages to send: whole, closed to the world, right where they say how to repeat a run."""

import base64
import dataclasses
import html.parser
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from test_results import GLASS, MACHINE, RUNS

import fastgibbs as fg
from fastgibbs.analysis.reports import Report
from fastgibbs.pages.page import Picture, gallery, page
from fastgibbs.pages.pictures import names
from fastgibbs.pages.scripts import cells, rendered

MORE = {
    "of a lattice": lambda: fg.sample(
        fg.lattice((4, 4), h=0.5), beta=np.repeat([0.2, 0.4], 3), sweeps=40, burn_in=3, thin=2, seed=1
    ),
    "in bins": lambda: fg.sample(GLASS, beta=[0.3, 0.4], sweeps=200, seed=1, record="bins"),
    "at sweeps": lambda: fg.sample(GLASS, beta=0.4, chains=3, at=[1, 2, 4, 8], seed=1),
    "driven": lambda: fg.sample(GLASS, beta=0.4, chains=3, sweeps=16, field=fg.oscillating(1.0, 8), seed=1),
    "in fields": lambda: fg.sample(GLASS, beta=0.4, field=[0.0, 0.5], sweeps=30, seed=1),
    "annealed by a schedule": lambda: fg.anneal(GLASS, betas=fg.linear(0, 3), sweeps=6, reads=10, seed=1),
    "a population": lambda: fg.anneal(GLASS, population=True, sweeps=40, resample_every=2, reads=64, seed=1),
    "an adapted ladder": lambda: fg.temper(GLASS, sweeps=200, seed=1),
    "a ladder in bins": lambda: fg.temper(GLASS, betas=[0.1, 0.3], sweeps=200, seed=1, record="bins"),
}
ALL = {name: RUNS[name] for name in ("sample", "sample clamped", "sample several", "anneal", "anneal to T = 0")} | MORE
ALL |= {name: RUNS[name] for name in ("temper", "temper one ladder", "recall warm", "train", "sample stopped")}
CURVES = ["energy_curve", "heat_capacity_curve", "magnetization_curve", "susceptibility_curve"]
MEANS = [f"curve {name}" for name in ("energy", "magnetization", "heat_capacity", "susceptibility")]
TOLD = ["curve binder", "curve tau"]
TRACES = ["energy_trace", "magnetization_trace"]
SHOWN = {  # functions of fastgibbs.plots, and what they draw, in order
    "sample": TRACES,
    "of a lattice": [*CURVES, *TRACES, *TOLD],
    "in fields": [*MEANS, *TRACES, *TOLD],
    "driven": ["curve magnetization", "curve energy", *TRACES],
    "at sweeps": ["curve energy", "curve magnetization", *TRACES],
    "temper one ladder": [*CURVES, *TRACES, *TOLD, "swap_rates", "replica_flow"],
    "anneal": ["annealing_trace", "read_histogram"],
    "a population": [
        *("annealing_trace", "read_histogram"),
        *(f"curve {name}" for name in ("log_z", "energy", "rho", "family_entropy")),
    ],
    "train": ["training_history", "curve reconstruction", "curve gradient_norm"],
    "recall warm": ["overlap_trace", "recall_histogram"],
    "sample stopped": [],
}
DOCS = Path(fg.__file__).parent / "docs"
VOID = {"meta"}


class Page(html.parser.HTMLParser):
    """What stands on a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.open, self.text, self.warnings = [], [], [], "", []
        self.feed(path.read_text("utf-8"))
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.open += [] if tag in VOID else [(tag, dict(attrs).get("class"))]

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.text += data if self.open and self.open[-1][0] == "pre" else f" {data} "
        if self.open and self.open[-1][1] == "warning":
            self.warnings.append(data)

    @property
    def pictures(self):
        sources = [value for name, value in self.attributes if name == "src"]
        return [base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True) for source in sources]


@pytest.fixture(scope="module")
def results():
    return {name: run() for name, run in ALL.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "report.html"


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_has_all_that_a_summary_says_and_asks_for_nothing_from_elsewhere(results, name, path):
    fg.report(results[name], path)
    written, told = Page(path), results[name].report()
    words = " ".join(written.text.split())
    for line in [
        *told.lines,
        *told.facts.values(),
        *told.notes,
        *(cell for column in told.table.values() for cell in column),
    ]:
        assert " ".join(line.split()) in words
    assert written.warnings == [note for note in told.notes if note.startswith("WARNING")]
    assert f"seed {results[name].seed} " in words
    assert np.__version__ in words
    assert not {"script", "link", "iframe", "a"} & set(written.tags)
    assert not {"href", "srcset", "onload", "onerror"} & {attribute for attribute, _ in written.attributes}
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in dict(written.attributes)["content"]
    assert "url(" not in path.read_text("utf-8")
    image = pytest.importorskip("PIL.Image", reason="pictures need matplotlib, which brings it")
    assert [" ".join(chosen) for chosen in names(results[name])] == SHOWN[name]
    assert len(written.pictures) == len(SHOWN[name])
    for png in written.pictures:
        assert len(np.unique(np.asarray(image.open(io.BytesIO(png)).convert("L")))) > 10


def test_curves_and_traces_of_bins_are_near_those_of_all_draws():
    pytest.importorskip("matplotlib", reason="pictures need it")
    options = dict(beta=np.repeat([0.2, 0.4], 4), sweeps=256, seed=1)
    one, other = (fg.sample(GLASS, record=record, **options) for record in ("draws", "bins"))
    for draw in (fg.plots.energy_curve, fg.plots.heat_capacity_curve, fg.plots.susceptibility_curve):
        heights = [draw(result, ax=fg.plots.figure()[1]).containers[0][0].get_ydata() for result in (one, other)]
        np.testing.assert_allclose(*heights, rtol=1e-12)
    every, means = (fg.plots.energy_trace(result, ax=fg.plots.figure()[1]).lines[0] for result in (one, other))
    x, y = means.get_data()
    width = other.energy.width
    np.testing.assert_allclose(y, every.get_ydata().reshape(-1, width).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(x, every.get_xdata().reshape(-1, width).mean(axis=1), rtol=1e-12)


def test_a_list_has_a_row_for_each_and_a_section_for_the_first_twelve(results, path):
    runs = [results["anneal"], results["train"], *[results["recall warm"]] * 12]
    fg.report(runs, path)
    written = Page(path)
    assert written.text.count("How to repeat result") == 12
    assert written.text.count(repr(results["recall warm"])) == 12 + 10
    assert "Results 12 to 13 are in the first table alone" in written.text


def test_what_has_a_report_and_is_no_result_has_a_page(path):
    found = fg.log_z(GLASS, steps=20, chains=50, seed=1)
    fg.report([found, fg.learning.information(MACHINE)], path)
    text = Page(path).text
    assert f"{found.interval[0]:.8g} to {found.interval[1]:.8g}" in text
    assert f"{found.effective_chains:.4g}" in text
    assert "I(v; h)" in text
    assert not found.report().notes
    assert found._repr_html_() == found.report().html()
    assert "WARNING" in found._replace(effective_chains=3.0).report().notes[0]


def test_names_are_no_markup(results, path):
    nasty = "</pre><script>alert('1 & 2')</script>"

    class Named(fg.Ising):
        def __repr__(self):
            return nasty

    fg.report(dataclasses.replace(results["anneal"], model=Named(np.zeros((12, 12)))), path)
    assert "<script" not in path.read_text("utf-8")
    assert nasty in Page(path).text
    sections = [
        (nasty, gallery([Picture(f'"{nasty}\udcff', b"")])),
        ("", Report([nasty], {nasty: nasty}, {nasty: [nasty]}, [nasty]).html()),
    ]
    path.write_bytes(page(nasty, sections))
    assert "<script" not in path.read_text("utf-8")
    assert {"section", "h1", "h2", "table"} <= set(Page(path).tags)


@pytest.mark.parametrize("result", [3, [], (), None, "run.npz", fg.SampleResult, [3]])
def test_what_is_no_result_is_refused_in_words(result, path):
    with pytest.raises((TypeError, ValueError), match=r"result.* (is|empty) .*give what sample, anneal"):
        fg.report(result, path)
    assert not path.exists()


def test_a_page_is_written_whole_or_not_at_all(results, path, monkeypatch):
    path.write_text("old")
    with pytest.raises(ValueError, match="a folder"):
        fg.report(results["anneal"], path.parent)
    with pytest.raises(TypeError, match="path is 3"):
        fg.report(results["anneal"], 3)
    monkeypatch.setattr("fastgibbs.pages.reporting.lines", lambda result: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fg.report(results["anneal"], path)
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_without_matplotlib_a_page_says_what_is_missing(results, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    fg.report(results["anneal"], path)
    written = Page(path)
    assert not written.pictures
    assert 'No pictures: pictures need matplotlib: pip install "fastgibbs[plot]"' in written.text
    assert re.search(r"lowest energy +-16", written.text)


@pytest.mark.parametrize("name", ["sample", "of a lattice", "temper one ladder", "anneal", "train", "recall warm"])
def test_a_notebook_shows_the_first_picture_small(results, name, monkeypatch):
    image = pytest.importorskip("PIL.Image", reason="pictures need matplotlib, which brings it")
    shown = results[name]._repr_html_()
    assert len(shown) < 40_000
    found = re.findall(r'<img alt="[^"]+" src="data:image/png;base64,([^"]+)"/>', shown)
    assert len(found) == bool(SHOWN.get(name))
    for png in found:
        assert max(image.open(io.BytesIO(base64.b64decode(png))).size) <= 310
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert results[name]._repr_html_() == results[name].report().html()


def test_a_notebook_draws_no_trace_of_many_draws(monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need it")
    run = fg.sample(GLASS, beta=0.4, chains=3, sweeps=9, seed=1)
    assert "<img" in run._repr_html_()
    monkeypatch.setattr("fastgibbs.pages.pictures._MOST_DRAWS", 8)
    assert "<img" not in run._repr_html_()


def test_a_notebook_draws_no_curve_of_a_large_torus(results, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need it")
    run = results["of a lattice"]
    assert re.findall(r'<img alt="(.*?)"', run._repr_html_())[0].startswith("&lt;E&gt; / N against T")
    monkeypatch.setattr("fastgibbs.pages.pictures._LARGEST_TORUS", 3)
    assert re.findall(r'<img alt="(.*?)"', run._repr_html_())[0].startswith("E / N of every draw against sweeps")


@pytest.mark.parametrize("name", ["physicist", "optimiser", "learner"])
def test_a_script_of_each_user_runs_and_is_a_page(name, path):
    pytest.importorskip("matplotlib", reason="it draws pictures")
    if name == "learner":
        pytest.importorskip("sklearn", reason="it has the digits")
    path.write_bytes(rendered(DOCS / f"{name}.py"))
    written, script = Page(path), (DOCS / f"{name}.py").read_text()
    assert written.tags.count("h2") == 1 + script.count("# ## ")
    assert len(written.pictures) >= 2
    assert all(cell.lines in written.text for cell in cells(script) if not cell.is_text)


def test_a_script_shows_what_it_prints_and_what_ends_a_cell(tmp_path, path):
    script = tmp_path / "script.py"
    script.write_text(
        '"""Not shown."""\n\n# %% [markdown]\n# # A <title>\n#\n# Words of `code & such`.\n# More.\n\n'
        "# %%\nx = 3  # a comment\nprint('<b>')\n\n# %% [markdown]\n# ## Next\n# %%\nprint(x)\n[x, '<i>']\n"
        "# %%\nx = 4\n"
    )
    assert [cell.is_text for cell in cells(script.read_text())] == [True, False, True, False, False]
    path.write_bytes(rendered(script))
    written = Page(path)
    assert " ".join(written.text.split()).endswith(
        "A <title> What this is Words of code & such . More. x = 3 # a comment print('<b>')<b> "
        "Next print(x) [x, '<i>']3 [3, '<i>']x = 4"
    )
    assert {"p", "code", "pre"} <= set(written.tags) and not {"b", "i", "title2"} & set(written.tags)
    script.write_text("# %%\n1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        rendered(script)
