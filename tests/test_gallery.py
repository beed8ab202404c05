"""The runs that ship: configured by TOML, written whole, checked against exact results."""

import csv
import os
import re
import subprocess
import sys
import time
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
    for name in ("binder2d", "hopfield_capacity", "ising2d", "ising3d", "maxcut", "spinglass3d"):
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
    files = ["configuration.toml", "ising2d.png", "ising2d_traces.png", "result.npz", "table.csv"]
    assert sorted(p.name for p in folder.iterdir()) == files
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


@pytest.mark.parametrize("configuration", [SMALL, SQUARES], ids=["ising2d", "binder2d"])
def test_a_run_without_matplotlib_says_that_there_is_no_picture(configuration, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (tmp_path / "run.toml").write_text(configuration)
    text = runs.carry_out(str(tmp_path / "run.toml"), str(tmp_path / "out"), progress=False)
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
    assert (tmp_path / "out" / "maxcut.png").read_bytes().startswith(b"\x89PNG")


def test_maxcut_anneals_and_tempers_in_ever_longer_rounds_until_the_time_is_up(regular, tmp_path):
    graph, best = regular
    fg.write_rudy(tmp_path / "graph.txt", graph)
    settings = dict(input=str(tmp_path / "graph.txt"), reads=3, ladders=2, rungs=4)
    module, config = runs.configure("maxcut", seconds=60, best_known=best, **settings)
    warm = module.Search(graph, config, False, time.perf_counter(), np.random.SeedSequence(1))
    module.anneal_round(warm, 100)  # whatever is to be compiled
    module.temper_round(warm, 100, module.ladder(warm))
    module, config = runs.configure("maxcut", seconds=1.0, **settings)
    rows = list(csv.DictReader(module.run(config, False, lambda part: None).files["table.csv"].decode().splitlines()))
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


def csv_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_binder2d_finds_the_enumerated_cumulants_and_where_they_cross(tmp_path, capsys):
    """Two scores at the sampled temperatures, four of 201 on the curve: false alarm 10^-4."""
    (tmp_path / "squares.toml").write_text(SQUARES)
    assert main(["run", str(tmp_path / "squares.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert "known: Tc = 2.269185, Uc = 0.61069" in shown
    states = fg.exact.states(16)
    energy, m = fg.lattice((4, 4)).energy(states), states.mean(axis=1)

    def exact(T):
        weights = np.exp(-(energy - energy.min()) / T)
        return 1 - weights @ m**4 * weights.sum() / (3 * (weights @ m**2) ** 2)

    table = csv_of(tmp_path / "out" / "table.csv")
    assert [(row["L"], row["T"]) for row in table] == [("4", "2.5"), ("4", "2.2"), ("8", "2.5"), ("8", "2.2")]
    for row in table[:2]:
        assert abs(float(row["U"]) - exact(float(row["T"]))) < 4.5 * float(row["error U"])
    curve = csv_of(tmp_path / "out" / "curves.csv")
    assert len(curve) == 201
    for row in curve[::50]:
        assert abs(float(row["U 4"]) - exact(float(row["T"]))) < 4.5 * float(row["error U 4"])
        assert abs(float(row["U 4"]) - exact(1.02 * float(row["T"]))) > 4.5 * float(row["error U 4"])  # the broken twin

    (crossing,) = csv_of(tmp_path / "out" / "crossings.csv")
    above = [float(row["T"]) > float(crossing["T"]) for row in curve]
    assert above == [float(row["U 4"]) > float(row["U 8"]) for row in curve]
    assert 0 < float(crossing["error T"]) < 0.02
    assert float(crossing["off Tc"]) == pytest.approx((float(crossing["T"]) - 2.269185314) / float(crossing["error T"]))
    assert (tmp_path / "out" / "binder2d.png").read_bytes().startswith(b"\x89PNG")


def test_ising3d_finds_the_cumulant_of_the_enumerated_cube(tmp_path, capsys):
    """<m^2> and <m^4> of the 3 x 3 x 3 torus at K = 0.22165462, enumerated: one score, false alarm 10^-5."""
    (tmp_path / "cubes.toml").write_text(CUBES)
    assert main(["run", str(tmp_path / "cubes.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "known: Tc = 4.511523, Uc = 0.46548" in capsys.readouterr().out
    curve = csv_of(tmp_path / "out" / "curves.csv")
    T, U, error = (np.array([float(row[name]) for row in curve])[::-1] for name in ("T", "U 3", "error U 3"))
    found, error = (np.interp(1 / 0.22165462, np.sort(T), values[np.argsort(T)]) for values in (U, error))
    assert abs(found - (1 - 0.2676860019 / (3 * 0.4230020799**2))) < 4.5 * error < 0.02
    pairs = [(row["L"], row["and"]) for row in csv_of(tmp_path / "out" / "crossings.csv")]
    assert pairs == [("3", "4"), ("4", "6")]


def test_hopfield_capacity_agrees_with_the_theory_of_many_spins_and_draws_it(tmp_path, capsys):
    (tmp_path / "memory.toml").write_text(MEMORY)
    assert main(["run", str(tmp_path / "memory.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "the theory's last load is 0.137906" in capsys.readouterr().out
    assert (tmp_path / "out" / "hopfield_capacity.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((tmp_path / "out" / "loads.csv").read_text().splitlines()))
    for row in rows[:2]:
        assert abs(float(row["N = 1000"]) - float(row["N = oo"])) < 0.004
    assert float(rows[2]["N = oo"]) == 0
    assert float(rows[2]["N = 1000"]) < 0.5
    warm, hot = csv.DictReader((tmp_path / "out" / "temperatures.csv").read_text().splitlines())
    assert abs(float(warm["N = 1000"]) - float(warm["N = oo"])) < 0.01
    assert float(hot["N = 1000"]) < 0.3
    with np.load(tmp_path / "out" / "result.npz") as saved:
        hebb, inverse = (saved["recalled"] == saved["patterns"]).all(axis=2).sum(axis=1)
    assert inverse > hebb


def test_digits_are_replaced_by_random_pictures_without_scikit_learn(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    (tmp_path / "memory.toml").write_text(MEMORY.replace("samples = 3", "samples = 2"))
    assert "10 random pictures" in runs.carry_out(str(tmp_path / "memory.toml"), str(tmp_path / "out"), progress=False)


@pytest.mark.parametrize(
    ("text", "change", "message"),
    [
        (SQUARES, ("[4, 8]", "[8, 4]"), "sizes is [8, 4]"),
        (SQUARES, ("[4, 8]", "[8]"), "sizes is [8]"),
        (SQUARES, ("thin = [4, 8]", "thin = [4]"), "thin is [4]"),
        (SQUARES, ("[4000, 8000]", "[4000]"), "sweeps is [4000]"),
        (SQUARES, ("[2.5, 2.2]", "[2.5, 0.0]"), "temperatures holds 0.0"),
        (SQUARES, ("chains = 32", "chains = 0"), "chains is 0"),
        (SQUARES, ("[4000, 8000]", "[40, 8000]"), "10 draws of L = 4"),
        (SQUARES, ("[2.5, 2.2]", "[3.5, 3.2]"), "do not cross"),
        (MEMORY, ("sizes = [100, 1000]", "sizes = [0]"), "sizes holds 0"),
        (MEMORY, ("loads = [0.05,", "loads = [-0.05,"), "loads holds -0.05"),
        (MEMORY, ("noise = 0.1", "noise = 1.5"), "noise is 1.5"),
        (MEMORY, ("samples = 3", "samples = 1"), "samples is 1"),
        (MEMORY, ("load = 0.05", "load = -1.0"), "alpha is -1"),
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


PICTURES = (
    "binder2d",
    "hopfield_capacity",
    "ising2d",
    "ising2d_traces",
    "ising3d",
    "maxcut",
    "rbm_digits",
    "spinglass3d",
)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_gallery_is_stored_beside_its_run_small_and_shown(name):
    picture = (runs.HERE / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 150_000
    assert f"(fastgibbs/gallery/{name}.png)" in (runs.HERE.parents[1] / "README.md").read_text()


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
        assert main(["run", str(path), "--output", str(tmp_path / "part"), "--quiet"]) in (0, 2)
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
