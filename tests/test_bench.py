"""What the bench says of itself holds: the README's table is that of the runs kept, and floors are of contests."""

import importlib
import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
README = (BENCH.parent / "README.md").read_text()


@pytest.fixture
def of_bench(monkeypatch):
    """Imports a module of bench/, that none of a like name here may hide."""
    monkeypatch.syspath_prepend(BENCH)
    yield importlib.import_module
    for name in ("floors", "report"):
        sys.modules.pop(name, None)


def test_the_table_of_speed_is_the_one_that_the_runs_kept_make(of_bench):
    report = of_bench("report")
    assert report.BEGIN + report.table(report.results()) + report.END in README


def test_both_kinds_of_machine_are_kept_whole_and_say_what_they_are(of_bench):
    runs = of_bench("report").results()
    assert [run["machine"]["registers"] for run in runs] == [512, 256]
    wide, narrow = (set(run["contests"]) for run in runs)
    assert wide == narrow
    for run in runs:
        assert {"processor", "compiled_for", "native", "versions", "rates_per_ns"} <= set(run["machine"])


def test_every_row_of_the_table_has_figures_of_both_machines(of_bench):
    report = of_bench("report")
    for run in report.results():
        for _, contest, peers in report.ROWS:
            assert contest in run["contests"], contest
            record = run["contests"][contest]
            assert set(peers) <= {*record["rows"], *record["missing"]}, (contest, peers)


def test_every_floor_is_of_a_contest_and_of_its_contenders(of_bench):
    floors = of_bench("floors")
    contests = json.loads((BENCH / "results" / "avx512.json").read_text())["contests"]
    for contest, one, other, *_ in floors.FLOORS:
        found = [title for title in contests if fnmatchcase(title, contest)]
        assert found, contest
        for title in found:
            record = contests[title]
            pairs = floors.of(title, [*record["rows"], *record["missing"]], 512)
            whose = [name for name, *_ in pairs if fnmatchcase(name, one)]
            assert whose, (title, one, other)


def test_no_floor_is_asked_of_a_machine_it_was_not_measured_on(of_bench):
    floors = of_bench("floors")
    assert list(floors.of("2D L=1024 at Tc, one chain", ["fastgibbs", "mcising"], 512))
    assert not list(floors.of("2D L=1024 at Tc, one chain", ["fastgibbs", "mcising"], 128))
