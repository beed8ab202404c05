"""The runs that ship: configured by TOML, written whole, checked against exact results."""

import csv
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import plots
from fastgibbs.__main__ import main
from fastgibbs.gallery import runs
from fastgibbs.methods.sampling import ENGINES

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


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_list_names_every_built_in_run_with_what_it_does(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("ising2d", "maxcut"):
        assert re.search(rf"^{name} +\w+", shown, re.MULTILINE)


def test_bench_times_every_engine(capsys, monkeypatch):
    monkeypatch.setattr("fastgibbs.benchmark.UPDATES", 1e6)
    assert main(["bench"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {engine for line in lines[1:] for engine in ("sparse", "multispin") if f" {engine} " in line} == set(ENGINES)
    assert all(float(line.split()[-1]) > 0 for line in lines[1:])


@pytest.mark.parametrize("name", runs.BUILT_IN)
def test_every_built_in_configuration_is_valid(name):
    module, config = runs.configure(name)
    assert isinstance(config, module.Config)


def test_a_users_own_file_runs_and_its_table_agrees_with_kaufman(small, tmp_path, capsys):
    folder = tmp_path / "out"
    assert main(["run", str(small), "--output", str(folder), "--quiet"]) == 0
    assert "8 x 8 torus" in capsys.readouterr().out
    assert sorted(p.name for p in folder.iterdir()) == ["configuration.toml", "ising2d.png", "result.npz", "table.csv"]
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
    runs.carry_out(str(small), str(tmp_path / "a"), progress=False)
    runs.carry_out(str(tmp_path / "a" / "configuration.toml"), str(tmp_path / "b"), progress=False)
    for name in ("table.csv", "configuration.toml"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert "numba" in (tmp_path / "a" / "configuration.toml").read_text().splitlines()[0]
    assert tomllib.loads((tmp_path / "a" / "configuration.toml").read_text()) == tomllib.loads(SMALL)


def test_a_run_without_matplotlib_says_that_there_is_no_picture(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    text = runs.carry_out(str(small), str(tmp_path / "out"), progress=False)
    assert 'pip install "fastgibbs[plot]"' in text
    assert not (tmp_path / "out" / "ising2d.png").exists()


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


def test_maxcut_finds_the_best_cut_of_a_small_graph_and_a_side_that_makes_it(tmp_path, capsys):
    graph = fg.Ising.from_edges(14, *fg.random_regular(14, 3, "ferromagnet", seed=5).bonds[:2], -1.0)
    fg.write_rudy(tmp_path / "graph.txt", graph)
    arguments = ["run", "maxcut", "--input", str(tmp_path / "graph.txt"), "--output", str(tmp_path / "out"), "--quiet"]
    assert main(arguments) == 0
    best = (21 - fg.exact.spectrum(graph).ground_energy) / 2
    assert f"best cut {best:g}," in capsys.readouterr().out
    with np.load(tmp_path / "out" / "result.npz") as saved:
        i, j, _ = graph.bonds
        assert (saved["side"][i] != saved["side"][j]).sum() == best == saved["cuts"].max()


def test_the_command_line_answers_as_a_module():
    done = subprocess.run([sys.executable, "-m", "fastgibbs", "list"], capture_output=True, text=True, check=True)
    assert "ising2d" in done.stdout


def test_plots_draw_on_the_axes_they_are_given_and_on_new_ones():
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures need the extra [plot]")
    pyplot.switch_backend("agg")
    _, ax = pyplot.subplots()
    spins = np.random.default_rng(1).choice([-1, 1], 12)
    assert plots.spin_image(spins, (3, 4), ax=ax) is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), spins.reshape(3, 4))
    curve = plots.temperature_curve([1, 2], [3, 4], [0.1, 0.1], ([1, 2], [3, 4]), 2.269)
    assert curve is not ax
    assert curve.get_xlabel() == "temperature T / J"
    pyplot.close("all")
