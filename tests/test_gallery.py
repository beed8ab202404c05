"""The runs that ship: configured by TOML, written whole, checked against exact results."""

import csv
import re
import subprocess
import sys
import time
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


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_list_names_every_built_in_run_with_what_it_does(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("ising2d", "maxcut", "spinglass3d"):
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


@pytest.fixture
def regular():
    """A 3-regular graph of 14 sites as a max-cut instance, and its largest cut."""
    i, j, _ = fg.random_regular(14, 3, "ferromagnet", seed=5).bonds
    graph = fg.Ising.from_edges(14, i, j, -1.0)
    return graph, (21 - fg.exact.spectrum(graph).ground_energy) / 2


def test_maxcut_stops_at_the_best_cut_of_a_small_graph_with_a_side_that_makes_it(regular, tmp_path, capsys):
    graph, best = regular
    fg.write_rudy(tmp_path / "graph.txt", graph)
    (tmp_path / "cut.toml").write_text(CUT.replace("best_known = 0", f"best_known = {best}"))
    arguments = ["--input", str(tmp_path / "graph.txt"), "--output", str(tmp_path / "out"), "--quiet"]
    assert main(["run", str(tmp_path / "cut.toml"), *arguments]) == 0
    assert re.search(
        rf"best cut {best:g}, by annealing after [\d.]+ s and \d+ sweeps; best known {best:g}", capsys.readouterr().out
    )
    with np.load(tmp_path / "out" / "result.npz") as saved:
        i, j, _ = graph.bonds
        assert (saved["side"][i] != saved["side"][j]).sum() == best == saved["cut"]


def test_maxcut_anneals_and_tempers_in_ever_longer_rounds_until_the_time_is_up(regular, tmp_path):
    graph, best = regular
    fg.write_rudy(tmp_path / "graph.txt", graph)
    settings = dict(input=str(tmp_path / "graph.txt"), reads=3, ladders=2, rungs=4)
    module, config = runs.configure("maxcut", seconds=60, best_known=best, **settings)
    warm = module.Search(graph, config, False, time.perf_counter(), np.random.SeedSequence(1))
    module.anneal_round(warm, 100)  # whatever is to be compiled
    module.temper_round(warm, 100, module.ladder(warm))
    module, config = runs.configure("maxcut", seconds=1.0, **settings)
    began = time.perf_counter()
    rows = list(csv.DictReader(module.run(config, False).files["table.csv"].decode().splitlines()))
    assert 0.5 < time.perf_counter() - began < 3
    assert [row["method"] for row in rows[:4]] == ["anneal", "temper"] * 2
    assert [row["sweeps"] for row in rows[:4]] == ["1000", "1000", "2000", "2000"]
    assert max(float(row["best cut"]) for row in rows) == best


@pytest.mark.parametrize(
    ("graph", "ladders"), [(fg.random_regular(60, 3, seed=1), 3), (fg.random_regular(60, 20, seed=1), 4)]
)
def test_tempering_goes_back_to_the_state_of_its_lowest_energy(graph, ladders):
    module, config = runs.configure("maxcut", ladders=ladders, rungs=6)
    search = module.Search(graph, config, False, time.perf_counter(), np.random.SeedSequence(4))
    module.temper_round(search, 300, module.ladder(search))
    ((_, _, cut, *_),) = search.rows
    i, j, couplings = graph.bonds
    assert search.cut == cut == -couplings[search.side[i] != search.side[j]].sum()


def test_spinglass3d_tells_what_enumeration_tells_and_draws_it(tmp_path, capsys):
    (tmp_path / "glass.toml").write_text(GLASS)
    assert main(["run", str(tmp_path / "glass.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"barrier Lambda = \d+\.\d+", shown)
    assert re.search(r"round trips of a replica: \d+ to \d+", shown)
    assert "No sign of disequilibrium." in shown
    assert (tmp_path / "out" / "spinglass3d.png").read_bytes().startswith(b"\x89PNG")
    spectrum = fg.exact.spectrum(fg.edwards_anderson((3, 3, 3), seed=2))
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines()))
    assert [float(row["T"]) for row in (rows[0], rows[-1])] == [np.inf, 1.0]
    assert [float(row["flow f"]) for row in (rows[0], rows[-1])] == [1, 0]
    for row in rows:
        beta = 1 / float(row["T"])
        assert abs(float(row["E/N"]) - spectrum.energy(beta) / 27) < 4.5 * float(row["error E"])
        assert abs(float(row["log Z"]) - spectrum.log_z(beta)) < 4.5 * float(row["error"]) + 1e-9


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        (GLASS, ("ladders = 4", "ladders = 1"), "ladders is 1"),
        (GLASS, ("coldest = 1.0", "coldest = 0"), "coldest is 0"),
        (GLASS, ("[2.5, 1.0]", "[2.5, -1.0]"), "shown holds -1.0"),
        (GLASS, ("rungs = 5", "rungs = 1"), "rungs is 1"),
        (GLASS, ("thin = 4", "thin = 9000"), "thin is 9000"),
        (CUT, ("seconds = 3", "seconds = 0"), "seconds is 0"),
        (CUT, ("reads = 3", "reads = 0"), "reads is 0"),
        (CUT, ("ladders = 3", "ladders = 0"), "ladders is 0"),
        (CUT, ("rungs = 4", "rungs = 1"), "rungs is 1"),
        (CUT, ("best_known = 0", 'best_known = "many"'), "best_known is 'many'"),
    ],
)
def test_a_bad_glass_or_cut_is_named_and_nothing_is_written(text, change, message, tmp_path, capsys):
    (tmp_path / "bad.toml").write_text(text.replace(*change))
    assert main(["run", str(tmp_path / "bad.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["ising2d", "spinglass3d"])
def test_the_picture_of_a_run_is_stored_beside_it_and_small(name):
    picture = (runs.HERE / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 150_000


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


def test_plots_of_tempering_show_what_they_are_given():
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures need the extra [plot]")
    pyplot.switch_backend("agg")
    ax = plots.overlap_distribution([[3, 0, 0, 1], [0, 1, 1, 0]], [1.0, 2.0])
    q, p = ax.lines[0].get_data()
    np.testing.assert_allclose(q, [-1, -1 / 3, 1 / 3, 1])
    np.testing.assert_allclose(p * 2 / 3, [1 / 2, 0, 0, 1 / 2], atol=1e-12)  # P(q) = P(-q), of integral 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1.00", "2.00"]
    many = plots.overlap_distribution(np.ones((1, 513)), [1.0]).lines[0]
    np.testing.assert_allclose(many.get_ydata() * 513 / 512, 0.5)  # a flat histogram stays flat in fewer bins

    _, ax = pyplot.subplots()
    assert plots.swap_rates([0, 0.5, 1], [0.5, 0.4], [1.0, 1.2], ax) is ax
    np.testing.assert_allclose(ax.lines[0].get_data(), [[4, 4 / 3], [0.5, 0.4]])
    np.testing.assert_allclose(ax.figure.axes[1].lines[0].get_ydata(), [1.0, 1.2])
    ax = plots.replica_flow([0, 0.5, 1], [1, 0.6, 0])
    np.testing.assert_allclose(ax.lines[0].get_data(), [[2, 1], [0.6, 0]])  # infinite temperature has no place
    assert "J/k" in ax.get_xlabel()
    pyplot.close("all")
