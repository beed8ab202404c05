"""What the bench says of itself holds: tables are of the runs kept, floors of contests."""

import contextlib
import importlib
import json
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def of_bench(monkeypatch):
    """Imports a module of bench/, that none of a like name here may hide."""
    monkeypatch.syspath_prepend(BENCH)
    yield importlib.import_module
    for name in ("contest", "floors", "machine", "report"):
        sys.modules.pop(name, None)


def test_the_tables_of_speed_are_those_that_the_runs_kept_make(of_bench):
    report = of_bench("report")
    pages = [path.read_text() for path in report.SHOWN]
    assert [name for page in pages for _, name, _ in report.MARKS.findall(page)] == ["first", "slower", "whole"]
    assert [report.written(page, report.results()) for page in pages] == pages


def test_a_contest_that_another_wins_on_one_machine_is_told(of_bench):
    report = of_bench("report")
    runs = [
        {
            "machine": {"registers": registers},
            "contests": {
                "lost": {"rows": {"fastgibbs": {}, "a": {"ratio_end_to_end": ratio}, "b": {"ratio_end_to_end": 2}}},
                "won": {"rows": {"fastgibbs": {}, "fastgibbs, else": {"ratio_end_to_end": 0.5}}},
                "of parts": {"rows": {"dense": {}, "sparse": {"ratio_end_to_end": 0.5}}},
            },
        }
        for registers, ratio in ((512, 3), (256, 0.7))
    ]
    assert report.slower(runs).splitlines()[2:] == ["| lost | 3 x a | 0.7 x a |"]


def test_every_row_of_the_readme_is_one_of_the_whole_table(of_bench):
    report = of_bench("report")
    assert set(report.FIRST) <= {contest for _, contest, _ in report.ROWS}


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


def test_a_missing_peer_leaves_its_own_column_empty_and_no_other(of_bench, capsys):
    contest = of_bench("contest")
    jobs = {
        "fastgibbs": lambda: contest.Run(1),
        "absent": lambda: contest.peer("no_such_module"),
        "other": lambda: contest.Run(1),
    }
    contest.compete("nobody's", jobs, rounds=1)
    record = contest.RECORDS["nobody's"]
    assert (list(record["rows"]), record["missing"]) == (["fastgibbs", "other"], ["absent"])
    assert "absent is not installed" in capsys.readouterr().out


def test_an_error_of_ours_is_no_missing_peer(of_bench):
    contest = of_bench("contest")

    def job():
        import no_such_module  # noqa: F401

    with pytest.raises(ModuleNotFoundError):
        contest.compete("nobody's", {"fastgibbs": job}, rounds=1)


def test_seconds_of_kernels_by_the_wall_are_a_share_of_the_processors(of_bench, monkeypatch):
    contest = of_bench("contest")
    wall, processor = iter([0.0, 10.0]), iter([0.0, 4.0])
    monkeypatch.setattr(contest, "time", SimpleNamespace(perf_counter=lambda: next(wall)))
    kernel, whole, _ = contest._timed(lambda: contest.Run(8, kernel=5.0), lambda: next(processor))
    assert (kernel, whole) == (8 / 2, 8 / 4)


def test_a_contest_below_its_floor_fails_and_is_kept(of_bench, monkeypatch):
    contest, floors = of_bench("contest"), of_bench("floors")
    monkeypatch.setattr(floors, "FLOORS", (("nobody's", "fastgibbs", "other", 1e9, 1e9),))
    monkeypatch.setattr(contest.machine, "REGISTERS", 256)
    jobs = {"fastgibbs": lambda: contest.Run(1), "other": lambda: contest.Run(1)}
    with pytest.raises(AssertionError, match="least"):
        contest.compete("nobody's", jobs, rounds=1)
    assert contest.RECORDS["nobody's"]["floors"][0]["least"] == 1e9


def test_floors_with_a_wildcard_are_of_the_same_contender(of_bench, monkeypatch):
    floors = of_bench("floors")
    monkeypatch.setattr(floors, "FLOORS", (("*", "*, slow", "*", 0.5, None),))
    assert list(floors.of("any", ["a", "b", "a, slow"], 256)) == [("a, slow", "a", 0.5)]
    assert not list(floors.of("any", ["a", "b", "a, slow"], 512))


@pytest.mark.parametrize(("ours", "alone", "says"), [(1, 1, "skipped"), (2, 2, None), (1, 2, "failed")])
def test_threads_are_judged_where_a_second_core_is_free(of_bench, monkeypatch, ours, alone, says):
    """Gains of two threads, of ours and of arithmetic."""
    contest = of_bench("contest")
    gains = {"2 threads": ours, "1 thread": 1, "arithmetic on 2": alone, "arithmetic on 1": 1}
    rates = {name: np.full((2, 9), float(gain)) for name, gain in gains.items()}
    monkeypatch.setattr(contest, "compete", lambda *args, **kwargs: contest.Outcome(rates, {}))
    monkeypatch.setattr(contest.machine.resources, "cores", lambda: 2)
    outcomes = {"skipped": pytest.skip.Exception, "failed": AssertionError}
    with pytest.raises(outcomes[says]) if says else contextlib.nullcontext():
        contest.on_two_threads("nobody's", lambda threads: None)
