"""What results say to people: in a notebook, in summaries, of clamps and of temperatures."""

import dataclasses
import html.parser

import numpy as np
import pytest
from test_results import GLASS, LOOP, MEMORY, RUNS, made
from test_summaries import rows

import fastgibbs as fg
from fastgibbs import analysis


@pytest.fixture
def results():
    return made()


class Page(html.parser.HTMLParser):
    """The texts of a page and its tags, all of which are closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@LOOP
def test_a_notebook_shows_what_repr_and_summary_say(results, name):
    text, page = results[name].summary(), Page(results[name]._repr_html_())
    assert text.startswith(repr(results[name]))
    assert text == analysis.summary(results[name])
    assert page.texts[0] == repr(results[name])
    lines = [line for line in text.splitlines() if line.strip("- ")]  # without the rule below the headings
    assert sorted(" ".join(page.texts).split()) == sorted(" ".join(lines).split())
    assert set(page.tags) <= {"div", "code", "table", "tr", "th", "td", "img"}
    assert page.tags.count("img") <= 1


def test_a_long_table_is_cut_in_a_notebook_and_nowhere_else():
    result = fg.sample(GLASS, beta=np.linspace(0, 1, 60), sweeps=8, seed=1)
    page = Page(result._repr_html_())
    assert page.tags.count("tr") == 1 + 12 + 1 + 12
    assert len(result.summary().splitlines()) > 60


def test_names_are_no_markup(results):
    class Named(fg.Ising):
        def __repr__(self):
            return "<script>alert('1 & 2')</script>"

    shown = dataclasses.replace(results["anneal"], model=Named(np.zeros((12, 12))))
    assert "<script" in repr(shown)
    assert "<script" not in shown._repr_html_()
    assert "&lt;script&gt;alert(&#x27;1 &amp; 2&#x27;)" in shown._repr_html_()


@pytest.mark.parametrize(
    ("name", "sites"),
    [("sample", []), ("sample clamped", [2, 7]), ("sample an RBM", [0]), ("anneal", [3]), ("temper", [0, 3])],
)
def test_results_say_what_was_clamped(results, name, sites):
    result = results[name]
    assert result.clamped.dtype == np.int64
    assert result.clamped.tolist() == sites
    assert (f", clamped={len(sites)}" in repr(result)) == bool(sites)
    if name == "sample clamped":
        np.testing.assert_array_equal(result.states[:, sites], [[-1, 1], [-1, -1], [-1, 1]])


def test_a_summary_of_a_recall_tells_the_memories_that_cues_came_to():
    cues = np.concatenate([MEMORY.patterns[[1, 1, 1]], -MEMORY.patterns[[2]]])
    text = fg.recall(fg.Hopfield(MEMORY.patterns), cues, sweeps=4, seed=1).summary()
    assert [(row["memory"], row["cues"], row["reversed"]) for row in rows(text)] == [("1", "3", "0"), ("2", "1", "1")]
    assert "WARNING" not in text


def test_a_summary_of_a_training_has_its_first_and_its_last_epoch(results):
    table = rows(results["train"].summary())
    assert (table[0]["epoch"], table[-1]["epoch"], len(table)) == ("1", "30", 12)
    assert "no table" in results["train without history"].summary()
    assert "no table" in results["train without history"]._repr_html_()


@pytest.mark.parametrize("name", [name for name in RUNS if not name.startswith("train")])
def test_results_say_at_which_temperature_they_were_drawn(results, name):
    betas = results[name].betas if hasattr(results[name], "betas") else results[name].beta
    T = results[name].temperature
    assert np.shape(T) == np.shape(betas)
    for beta, one in zip(np.ravel(betas), np.ravel(T), strict=True):
        assert one == (np.inf if beta == 0 else 0.0 if beta == np.inf else 1 / beta)


def test_temperature_is_infinite_at_beta_zero_of_either_sign_and_negative_below():
    assert fg.analysis.temperature([0.0, -0.0, -2.0, np.inf, 1e-320]).tolist() == [np.inf, np.inf, -0.5, 0.0, np.inf]
    with pytest.raises(ValueError, match="beta"):
        fg.analysis.temperature([np.nan])
