"""The runs that ship: configured by TOML, written whole, checked against exact results."""

import base64
import csv
import html
import os
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.__main__ import main
from fastgibbs.engines import ENGINES
from fastgibbs.gallery import runs
from fastgibbs.methods import checkpoints, running

SMALL = """
run = "ising2d"
size = 8
temperatures = [1.5, 2.269, 4]
chains = 24
burn_in = 200
sweeps = 600
thin = 2
seed = 3
"""


GLASS = """
run = "spinglass3d"
size = 3
coldest = 1.0
rungs = 5
ladders = 4
burn_in = 500
sweeps = 8000
thin = 4
shown = [2.5, 1.0]
seed = 2
"""
CUT = """
run = "maxcut"
input = ""
best_known = 0
seconds = 3
reads = 3
ladders = 3
rungs = 4
seed = 7
"""
SQUARES = """
run = "binder2d"
sizes = [4, 8]
temperatures = [2.5, 2.2]
chains = 32
sweeps = [4000, 8000]
thin = [4, 8]
seed = 5
"""
CUBES = """
run = "ising3d"
sizes = [3, 4, 6]
temperatures = [4.3, 4.5, 4.7]
chains = 32
sweeps = [4000, 4000, 4000]
thin = [4, 4, 8]
seed = 6
"""

MEMORY = """
run = "hopfield_capacity"
sizes = [100, 1000]
loads = [0.05, 0.10, 0.30]
samples = 3
cues = 16
sweeps = 30
load = 0.05
temperatures = [0.4, 0.9]
noise = 0.1
seed = 4
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_list_names_every_built_in_run_with_what_it_does(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in (
        "binder2d",
        "generalization",
        "hopfield_capacity",
        "hysteresis",
        "inverse_ising",
        "ising3d",
        "landscape",
        "maxcut",
        "quantum_ising",
    ):
        assert re.search(rf"^{name} +\w+", shown, re.MULTILINE)


def test_bench_times_every_engine(capsys, monkeypatch):
    monkeypatch.setattr("fastgibbs.benchmark.UPDATES", 1e6)
    assert main(["bench"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {engine for line in lines[1:] for engine in ENGINES if f" {engine} " in line} == set(ENGINES)
    assert all(float(line.split()[-1]) > 0 for line in lines[1:])


@pytest.mark.parametrize("name", runs.BUILT_IN)
def test_every_built_in_configuration_is_valid(name):
    module, config = runs.configure(name)
    assert isinstance(config, module.Config)


def test_a_users_own_file_runs_and_its_table_agrees_with_kaufman(small, tmp_path, capsys):
    folder = tmp_path / "out"
    assert main(["run", str(small), "--output", str(folder), "--quiet"]) == 0
    assert "8 x 8 torus" in capsys.readouterr().out
    files = ["configuration.toml", "ising2d.png", "ising2d_traces.png", "report.html", "result.npz", "table.csv"]
    assert sorted(p.name for p in folder.iterdir()) == files
    page = (folder / "report.html").read_text("utf-8")
    assert all(
        base64.b64encode((folder / name).read_bytes()).decode() in page for name in files if name.endswith("png")
    )
    assert html.escape((folder / "configuration.toml").read_text()) in page
    assert "8 x 8 torus" in page
    rows = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    for row, T in zip(rows, (1.5, 2.269, 4), strict=True):
        known = fg.exact.torus((8, 8), 1 / T)
        assert float(row["T"]) == T
        assert float(row["exact E"]) == pytest.approx(known.energy / 64)
        assert abs(float(row["z"])) < 4.5
        assert float(row["z"]) == pytest.approx((float(row["E/N"]) - known.energy / 64) / float(row["error E"]))
        assert abs(float(row["C/N"]) - known.heat_capacity / 64) < 4.5 * float(row["error C"])
    with np.load(folder / "result.npz") as saved:
        assert saved["energy"].shape == (72, 300)
        np.testing.assert_array_equal(fg.lattice((8, 8)).energy(saved["states"]), saved["energy"][:, -1])


def test_the_resolved_configuration_runs_again_to_the_same_bytes(small, tmp_path):
    runs.carry_out(runs.shipped(str(small)), str(tmp_path / "a"), progress=False)
    runs.carry_out(runs.shipped(str(tmp_path / "a" / "configuration.toml")), str(tmp_path / "b"), progress=False)
    for name in ("table.csv", "configuration.toml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "numba" in (tmp_path / "a" / "configuration.toml").read_text().splitlines()[0]
    assert tomllib.loads((tmp_path / "a" / "configuration.toml").read_text()) == tomllib.loads(SMALL)


@pytest.mark.parametrize("configuration", [SMALL, SQUARES], ids=["ising2d", "binder2d"])
def test_a_run_without_matplotlib_says_that_there_is_no_picture(configuration, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (tmp_path / "run.toml").write_text(configuration)
    text = runs.carry_out(runs.shipped(str(tmp_path / "run.toml")), str(tmp_path / "out"), progress=False).text
    assert 'pip install "fastgibbs[plot]"' in text
    assert not list((tmp_path / "out").glob("*.png"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("size", "sise"), "'sise'.*did you mean 'size'"),
        (("size = 8", "size = 8.5"), "size is 8.5: give int"),
        (("size = 8", "size = true"), "size is True: give int"),
        (("seed = 3", ""), "missing key 'seed'"),
        (("[1.5, 2.269, 4]", "[]"), r"temperatures is \[\]"),
        (("[1.5, 2.269, 4]", '["hot"]'), "temperatures is"),
        (("[1.5, 2.269, 4]", "[1.5, 0.0]"), "temperatures holds 0.0"),
        (("chains = 24", "chains = 0"), "chains"),
        (("sweeps = 600", "sweeps = 0"), "sweeps is 0"),
        (('"ising2d"', '"ising3"'), "run is 'ising3'.*'ising2d'"),
        (("size = 8", "size = = 8"), "not valid TOML"),
    ],
)
def test_a_bad_configuration_is_named_and_nothing_is_written(small, tmp_path, capsys, change, message):
    small.write_text(SMALL.replace(*change))
    assert main(["run", str(small), "--output", str(tmp_path / "out"), "--quiet"]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("source", ["ising2", "missing.toml"])
def test_an_unknown_run_is_an_error_with_status_2(source, capsys):
    assert main(["run", source]) == 2
    assert source in capsys.readouterr().err


PICTURES = (
    "binder2d",
    "deep_digits",
    "dreams",
    "generalization",
    "hopfield_capacity",
    "hysteresis",
    "inverse_ising",
    "quantum_ising",
    "ising2d",
    "ising2d_traces",
    "ising3d",
    "landscape",
    "maxcut",
    "rbm_digits",
    "spiking_digits",
    "spinglass3d",
    "spinglass_binder",
    "spinglass_binder2d",
    "stochastic_resonance",
)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_gallery_is_stored_beside_its_run_small_and_shown(name):
    picture = (runs.HERE / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 150_000
    assert f"(../gallery/{name}.png)" in (runs.HERE.parent / "docs" / "gallery.md").read_text()


LONGER = {"sweeps = 600": "sweeps = 200_000", "thin = 2": "thin = 100"}
LONGER |= {"sweeps = 8000": "sweeps = 200_000", "thin = 4": "thin = 100"}


@pytest.mark.parametrize("configuration", [SMALL, GLASS], ids=["ising2d", "spinglass3d"])
def test_a_stopped_run_goes_on_by_itself_to_the_same_files(configuration, tmp_path, capsys, monkeypatch):
    for short, long in LONGER.items():
        configuration = configuration.replace(short, long)
    path = tmp_path / "run.toml"
    path.write_text(configuration)
    assert main(["run", str(path), "--output", str(tmp_path / "whole"), "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "goes on" not in said
    assert not list((tmp_path / "whole").glob("*checkpoint*"))  # it has ended

    with monkeypatch.context() as patched:
        patched.setattr(running, "CHUNK_SECONDS", 0.0005)
        patched.setattr("fastgibbs.threads.TICK_SECONDS", 0.003)
        patched.setattr(checkpoints.Checkpoint, "attend", stopping)
        assert main(["run", str(path), "--output", str(tmp_path / "part"), "--quiet"]) == 130
    heard = capsys.readouterr()
    assert "the same command goes on" in heard.out + heard.err
    assert len(list((tmp_path / "part").glob("*.checkpoint.npz"))) == 1
    assert main(["run", str(path), "--output", str(tmp_path / "part"), "--quiet"]) == 0
    assert not list((tmp_path / "part").glob("*checkpoint*"))
    for file in (tmp_path / "whole").iterdir():
        if file.suffix == ".csv":
            assert (tmp_path / "part" / file.name).read_bytes() == file.read_bytes(), file.name


def stopping(checkpoint, blocks, done, sweeps):
    """In place of looking after a checkpoint: the run is asked to stop as soon as something is done."""
    if sum(done):
        fg.stop()


def test_resume_of_nothing_or_of_another_run_is_refused(small, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["run", str(small), "--output", out, "--resume"]) == 2
    assert "holds no checkpoint: there is nothing to resume" in capsys.readouterr().err
    (tmp_path / "out").mkdir()
    fg.sample(fg.lattice((4, 4)), beta=1.0, sweeps=2, checkpoint=tmp_path / "out" / "chains.checkpoint.npz")
    assert main(["run", str(small), "--output", out, "--resume", "--quiet"]) == 2
    assert "was written with another model" in capsys.readouterr().err
    before = (tmp_path / "out" / "chains.checkpoint.npz").read_bytes()
    assert main(["run", str(small), "--output", out, "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "was written with another model" in said and "--restart" in said
    assert (tmp_path / "out" / "chains.checkpoint.npz").read_bytes() == before
    assert main(["run", str(small), "--output", out, "--quiet", "--restart"]) == 0
    assert not list((tmp_path / "out").glob("*checkpoint*"))


def test_results_are_replaced_only_when_that_is_asked(small, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["run", str(small), "--output", out, "--quiet"]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    capsys.readouterr()
    assert main(["run", str(small), "--output", out, "--quiet"]) == 2
    assert "holds the results of an earlier run: give another --output, or --restart" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert main(["run", str(small), "--output", out, "--quiet", "--resume", "--restart"]) == 2
    assert main(["run", str(small), "--output", out, "--quiet", "--restart"]) == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("seconds = inf", "seconds is inf: give a finite number"),
        ("seconds = nan", "seconds is nan: give a finite number"),
        ("seconds = -1e999", "seconds is -inf: give a finite number"),
        (f"seconds = {10**400}", "seconds is 1000"),
        (f"seconds = {'9' * 5000}", "is not valid TOML"),
        ("seconds = true", "seconds is True: give a finite number"),
        ("seconds = " + "[" * 5000, "is not valid TOML"),
        ('input = "a\\u0000b"', "input is 'a\\x00b': give a printable str"),
        ("input = 3", "input is 3: give a printable str"),
    ],
)
def test_a_bad_value_is_refused_by_file_key_and_kind(line, words, tmp_path, capsys):
    (tmp_path / "cut.toml").write_text(f'run = "maxcut"\n{line}\n')
    assert main(["run", str(tmp_path / "cut.toml"), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path / "cut.toml") in said and words in said
    assert not (tmp_path / "out").exists()


def test_any_name_of_a_file_is_written_to_a_configuration_that_is_read_again(tmp_path):
    _, config = runs.configure("maxcut", input='\U0001f600 "quoted" \\ \u00b5.txt')
    (tmp_path / "again.toml").write_bytes(b"\xef\xbb\xbf" + runs._resolved("maxcut", config))
    assert runs.configure(str(tmp_path / "again.toml"))[1] == config
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(ValueError, match=r"pipe\.toml is a pipe: give the path of a file"):
        runs.configure(str(tmp_path / "pipe.toml"))


def test_the_command_line_answers_as_a_module():
    done = subprocess.run([sys.executable, "-m", "fastgibbs", "list"], capture_output=True, text=True, check=True)
    assert "ising2d" in done.stdout
