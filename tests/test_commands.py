"""The command line for problems of one's own: `solve` a file, `sample` and `temper` what a TOML describes."""

import gzip
import html
import io
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from test_gallery import CUT

import fastgibbs as fg
from fastgibbs.__main__ import main
from fastgibbs.commands import verbs
from fastgibbs.io import held
from fastgibbs.methods import running


@pytest.fixture
def small(tmp_path):
    """A folder with a graph of 14 sites, and its largest cut."""
    i, j, _ = fg.random_regular(14, 3, "ferromagnet", seed=5).bonds
    graph = fg.Ising.from_edges(14, i, j, -1.0)
    fg.write(graph, tmp_path / "small.txt")
    return tmp_path, (21 - fg.exact.spectrum(graph).ground_energy) / 2


@pytest.fixture
def glass(tmp_path):
    """A file of 8 x 8 spins, each bond of which one state satisfies."""
    i, j, _ = fg.lattice((8, 8)).bonds
    signs = np.random.default_rng(3).choice([-1.0, 1.0], 64)
    fg.write(fg.Ising.from_edges(64, i, j, signs[i] * signs[j]), tmp_path / "glass.sg")
    return tmp_path / "glass.sg"


@contextmanager
def begun(command, **streams):
    """The command line in a process that no failure of the test leaves behind."""
    run = [sys.executable, "-m", "fastgibbs", *command]
    with subprocess.Popen(run, stderr=subprocess.PIPE, text=True, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(path):
    return json.loads(path.read_text(), parse_constant=lambda _: pytest.fail("no number of JSON"))


def test_every_command_tells_its_options_and_a_description_what_it_may_say(capsys):
    for command in ("solve", "sample", "temper", "anneal", "run", "list", "verify", "bench", "warm", "info"):
        with pytest.raises(SystemExit, match=r"^0$"):
            main([command, "--help"])
        said = capsys.readouterr().out
        assert "--debug" in said
        if command in verbs.VERBS:
            assert (verbs.HERE / f"{command}.toml").read_text() in said
            assert all(recipe in said for recipe in verbs.RECIPES)


def test_solve_finds_the_largest_cut_of_a_small_graph_and_knows_that_none_is_larger(small, capsys):
    folder, best = small
    assert main(["solve", str(folder / "small.txt"), "--output", str(folder / "sol.json")]) == 0
    said, found = capsys.readouterr().out, answer(folder / "sol.json")
    assert f"best cut {best:g}, energy {found['energy']:g}" in said and "no other is better" in said
    assert (found["cut"], found["proven"], found["labels"]) == (best, True, [*range(1, 15)])
    graph = fg.read(folder / "small.txt")
    assert fg.cut(graph, found["state"]) == best and graph.energy(found["state"]) == found["energy"]
    assert found["provenance"]["file"] == str(folder / "small.txt") and "numba" in found["provenance"]["versions"]


def test_solve_anneals_what_is_larger_and_its_answer_says_how_to_get_it_again(glass, capsys):
    sol = glass.parent / "sol.json"
    assert main(["solve", str(glass), "--time", "1", "--seed", "4", "--output", str(sol)]) == 0
    said, found = capsys.readouterr(), answer(sol)
    assert "best energy -128" in said.out and "energy -128" in said.err
    assert (found["energy"], found["proven"], "cut" in found) == (-128.0, False, False)
    again = eval(found["provenance"]["repeat"], {"fg": fg})
    assert again.states[0].tolist() == found["state"] and again.energy[0] == -128
    assert found["provenance"]["repeat"] in said.out
    told = html.unescape((glass.parent / "sol.html").read_text())
    assert all(line.removeprefix("to repeat: ") in told for line in said.out.splitlines()[:-1])
    assert f"found = {found['provenance']['repeat']}" in told
    assert len(re.findall("data:image/png;base64,", told)) == 1
    assert said.out.splitlines()[-1] == f"written to {sol} and {glass.parent / 'sol.html'}"


def test_solve_stops_at_a_target_and_says_so(glass, capsys):
    assert main(["solve", str(glass), "--time", "500", "--target", "-128", "--quiet"]) == 0
    said = capsys.readouterr()
    assert "target -128 reached" in said.out and said.err == ""


def test_solve_has_the_labels_of_the_file_and_the_units_of_the_problem(tmp_path, monkeypatch, capsys):
    (tmp_path / "pair.coo").write_text("# vartype=BINARY\n3 3 -1.5\n3 8 2.0\n8 8 -1.0\n")
    (tmp_path / "pair.qubo").write_text("p qubo 0 2 2 1\n0 0 -1.5\n1 1 -1\n0 1 2\n")
    (tmp_path / "empty.txt").write_text("0 0\n")
    for name, energy, labels, state in (
        ("pair.coo", -1.5, [3, 8], [1, 0]),
        ("pair.qubo", -1.5, [0, 1], [1, 0]),
        ("empty.txt", 0.0, [], []),
    ):
        assert main(["solve", str(tmp_path / name), "--output", str(tmp_path / "s.json"), "--restart"]) == 0
        found = answer(tmp_path / "s.json")
        assert (found["energy"], found["labels"], found["state"]) == (energy, labels, state)
    capsys.readouterr()
    packed = gzip.compress((tmp_path / "pair.qubo").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert main(["solve", "-"]) == 0
    assert "state: 0:1 1:0" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"2 1\n1 2 nan\n")))
    assert main(["solve", "-"]) == 2
    assert "standard input, line 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["missing.txt"], "missing.txt: No such file or directory"),
        (["."], ". is a folder: give the path of a file"),
        (["nan.txt"], "nan.txt, line 2: edge 1 2 has weight nan"),
        (["other.dat"], "other.dat, line 1: it begins with 'hello', as no format does"),
        (["small.txt", "--format", "coo"], "small.txt, line 1: no line `# vartype=SPIN`"),
        (["small.txt", "--time", "0"], "--time is 0: give seconds above 0"),
        (["small.txt", "--time=-1"], "--time is -1: give seconds above 0"),
        (["small.txt", "--time", "nan"], "--time is nan"),
        (["small.txt", "--target", "inf"], "--target is inf"),
        (["small.txt", "--reads", "0"], "--reads is 0: give an integer of at least 1"),
        (["small.txt", "--threads", "0"], "--threads is 0"),
        (["small.txt", "--seed", "-1"], "--seed is -1"),
        (["small.txt", "--output", "."], "is a folder: give the path of a file"),
        (["small.txt", "--output", "sol.html"], "--output is sol.html: that is where the report goes"),
        (["small.txt", "--output", "old.json"], "old.html is there already: give another --output, or --restart"),
        (["small.txt", "--output", "no/sol.json"], "no/sol.json: No such file or directory; nothing was written"),
        (["small.txt", "--output", "nan.txt"], "nan.txt is there already: give another --output, or --restart"),
    ],
)
def test_solve_refuses_what_is_wrong_in_one_line_before_it_begins(options, words, small, capsys, monkeypatch):
    monkeypatch.chdir(small[0])
    monkeypatch.setattr("fastgibbs.commands.solve.spectrum", lambda *_: pytest.fail("it has begun"))
    (small[0] / "nan.txt").write_text("2 1\n1 2 nan\n")
    (small[0] / "other.dat").write_text("hello\n")
    (small[0] / "old.html").write_text("")
    before = sorted(small[0].iterdir())
    assert main(["solve", *options]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and said.out == ""
    assert sorted(small[0].iterdir()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_solve_that_is_interrupted_gives_what_it_has_found(number, glass):
    sol = glass.parent / "sol.json"
    command = ["solve", str(glass), "--time", "1000", "--output", str(sol)]
    with begun(command, stdout=subprocess.PIPE) as process:
        while "energy" not in (line := process.stderr.readline()):
            assert line, "it ended by itself"
        process.send_signal(number)
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (130 if number == signal.SIGINT else -number, False)
    assert answer(sol)["provenance"]["interrupted"]
    assert answer(sol)["energy"] == fg.read(glass).energy(answer(sol)["state"])
    assert "then interrupted" in said
    assert "WARNING: the search was stopped early." in (glass.parent / "sol.html").read_text()


def test_two_runs_do_not_write_to_one_place(small, tmp_path, capsys):
    sol, out = tmp_path / "sol.json", tmp_path / "out"
    with held(sol):
        assert main(["solve", str(small[0] / "small.txt"), "--output", str(sol)]) == 2
    out.mkdir()
    with held(out / "configuration.toml"):
        assert main(["run", "ising2d", "--output", str(out)]) == 2
    said = capsys.readouterr()
    assert said.err.count("is in use by another run") == said.err.count("\n") == 2 and said.out == ""
    assert not list(out.parent.glob("sol.*")) and not list(out.glob("*"))


def test_a_head_that_many_formats_have_is_told(small, tmp_path, capsys):
    for name, told in (("small.txt", True), ("small.rud", False), ("small.txt --format rudy", False)):
        file, *options = name.split()
        (tmp_path / file).write_bytes((small[0] / "small.txt").read_bytes())
        assert main(["solve", str(tmp_path / file), *options]) == 0
        assert ("give --format mqlib, biqmac or spinglass" in capsys.readouterr().out) == told


def test_what_nobody_reads_or_has_room_for_ends_without_a_traceback(tmp_path):
    def status(command, **streams):
        with begun(command, **streams) as process:
            if process.stdout:
                process.stdout.close()
            return process.stderr.read(), process.wait(60)

    assert status(["list"], stdout=subprocess.PIPE) == ("", 141)
    with open("/dev/full", "w") as full:
        assert status(["list"], stdout=full) == ("fastgibbs: No space left on device\n", 2)
    odd = tmp_path / os.fsdecode(b"n\xff\xc3\xa4.qubo")
    odd.write_text("p qubo 0 2 2 1\n0 0 -1.5\n1 1 -1\n0 1 2\n")
    command = ["solve", str(odd), "--output", str(tmp_path / os.fsdecode(b"\xfe.json"))]
    for locale in ({"PYTHONIOENCODING": "ascii:strict"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}):
        with open(tmp_path / "out", "w") as out:
            assert status([*command, "--restart"], stdout=out, env=os.environ | locale) == ("", 0)
        assert "best energy -1.5" in (tmp_path / "out").read_text("ascii", "replace")


def test_a_fault_is_one_line_and_debug_shows_where(small, capsys, monkeypatch):
    file = str(small[0] / "small.txt")
    monkeypatch.setattr("fastgibbs.commands.solve.spectrum", lambda *_: {}["lost"])
    assert main(["solve", file]) == 1
    assert capsys.readouterr().err == "fastgibbs: KeyError: 'lost'; --debug shows where\n"
    with pytest.raises(KeyError):
        main(["solve", file, "--debug"])
    with pytest.raises(FileNotFoundError):
        main(["solve", "missing.txt", "--debug"])


def test_ctrl_c_outside_of_a_run_is_one_line_too(small, capsys, monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastgibbs.commands.solve.recognised", pressed)
    assert main(["solve", str(small[0] / "small.txt")]) == 130
    assert capsys.readouterr().err == "fastgibbs: interrupted\n"


@pytest.mark.parametrize("made", [0, 300], ids=["at once", "on the way"])
def test_max_cut_that_is_stopped_before_its_time_says_so_by_its_status(made, tmp_path, capsys, monkeypatch):
    def stopping_late(search, done=0, total=0):
        if done >= made and total:
            fg.stop()
        return False

    monkeypatch.setattr("fastgibbs.gallery.maxcut.Search.late", stopping_late)
    monkeypatch.setattr(running, "CHUNK_SECONDS", 0.0005)
    monkeypatch.setattr("fastgibbs.threads.TICK_SECONDS", 0.0)
    (tmp_path / "cut.toml").write_text(CUT)
    assert main(["run", str(tmp_path / "cut.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 130
    said = capsys.readouterr()
    assert "best cut" in said.out or (not made and "interrupted before" in said.err)
