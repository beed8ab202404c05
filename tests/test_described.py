"""Runs that a TOML describes at the command line: `sample`, `temper` and `anneal`."""

import csv
import functools
import re
import tomllib

import numpy as np
import pytest
from test_gallery import stopping

import fastgibbs as fg
from fastgibbs.__main__ import main
from fastgibbs.commands import verbs
from fastgibbs.methods import checkpoints, running

SAMPLE = """
[model]
recipe = "lattice"
shape = [4, 4]
h = 0.5
[sample]
beta = [0.2, 0.4]
chains_per_beta = 3
sweeps = 40
thin = 4
seed = 3
[output]
csv = true
"""
TEMPER = """
[model]
recipe = "edwards_anderson"
shape = [4, 4]
seed = 1
[temper]
betas = [0.2, 0.6, 1.0]
sweeps = 40
seed = 3
[temper.observe]
first = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
"""


@pytest.mark.parametrize("verb", ["sample", "temper", "anneal"])
def test_the_description_that_ships_is_valid_and_as_the_verb_reads_it(verb, tmp_path):
    text = (verbs.HERE / f"{verb}.toml").read_text()
    ready = verbs.described(verb, verbs.HERE / f"{verb}.toml")
    assert ready.configuration.decode() == text
    assert str(ready.folder) == tomllib.loads(text)["output"]["folder"]
    shorter = re.sub(r"(sweeps = |burn_in = )\d+_?\d+", r"\g<1>100", text)
    (tmp_path / "short.toml").write_text(shorter)
    assert main([verb, str(tmp_path / "short.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0


def test_sample_writes_the_result_of_the_call_that_its_description_stands_for(tmp_path, capsys):
    (tmp_path / "field.toml").write_text(SAMPLE)
    assert main(["sample", str(tmp_path / "field.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    model, betas = fg.lattice((4, 4), h=0.5), np.repeat([0.2, 0.4], 3)
    known = fg.sample(model, beta=betas, sweeps=40, thin=4, seed=3)
    found = fg.load(tmp_path / "out" / "result.npz")
    np.testing.assert_array_equal(found.energy, known.energy)
    assert found.model == model
    rows = list(csv.DictReader((tmp_path / "out" / "draws.csv").read_text().splitlines()))
    assert [float(row["energy"]) for row in rows] == known.energy.ravel().tolist()
    assert [float(row["beta"]) for row in rows] == np.repeat(betas, 10).tolist()
    assert (tmp_path / "out" / "summary.txt").read_text() == f"{found.summary()}\n"
    assert found.summary() in capsys.readouterr().out
    again = ["sample", str(tmp_path / "out" / "configuration.toml"), "--output", str(tmp_path / "again"), "--quiet"]
    assert main(again) == 0
    assert (tmp_path / "again" / "draws.csv").read_bytes() == (tmp_path / "out" / "draws.csv").read_bytes()


def test_temper_takes_observables_and_models_of_files_and_writes_what_is_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = fg.edwards_anderson((4, 4), seed=1)
    fg.write(model, "glass.sg")
    (tmp_path / "a.toml").write_text(TEMPER)
    of_file = TEMPER.replace('recipe = "edwards_anderson"\nshape = [4, 4]\nseed = 1', 'file = "glass.sg"')
    (tmp_path / "b.toml").write_text(of_file + '[output]\nfolder = "mine"\nnpz = false\ncsv = true\n')
    assert main(["temper", "a.toml", "--quiet"]) == main(["temper", "b.toml", "--quiet"]) == 0
    known = fg.temper(model, betas=[0.2, 0.6, 1.0], sweeps=40, seed=3, observe={"first": np.eye(16)[0]})
    found = fg.load("results/a/result.npz")
    np.testing.assert_array_equal(found.energy, known.energy)
    np.testing.assert_array_equal(found.observables["first"], known.observables["first"])
    files = ["configuration.toml", "draws.csv", "report.html", "summary.txt"]
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == files
    rows = list(csv.DictReader((tmp_path / "mine" / "draws.csv").read_text().splitlines()))
    assert [float(row["first"]) for row in rows] == known.observables["first"].swapaxes(1, 2).ravel().tolist()


def test_a_description_says_temperatures_starts_and_sites_in_words_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = SAMPLE.replace("beta = [0.2, 0.4]", 'temperatures = [5.0, 2.5]\nclamp = {3 = -1}\nstart = "down"')
    (tmp_path / "a.toml").write_text(words + "[sample.observe]\nfirst = [1" + ", 0" * 15 + "]\n")
    (tmp_path / "b.toml").write_text(words.replace('"down"', '"results/a/result.npz"\nobserve = "smallest_waves"'))
    assert main(["sample", "a.toml", "--quiet"]) == main(["sample", "b.toml", "--quiet"]) == 0
    model, down = fg.lattice((4, 4), h=0.5), -np.ones(16, int)
    options = dict(beta=np.repeat([1 / 5.0, 1 / 2.5], 3), sweeps=40, thin=4, seed=3, clamp={3: -1})
    known = fg.sample(model, start=down, observe={"first": np.eye(16)[0]}, **options)
    found = fg.load("results/a/result.npz")
    assert found.energy.tobytes() == known.energy.tobytes() and found.observables.keys() == known.observables.keys()
    waves = fg.waves(model, fg.smallest_waves(model))
    known, found = fg.sample(model, start=known.states, observe=waves, **options), fg.load("results/b/result.npz")
    assert found.energy.tobytes() == known.energy.tobytes() and found.observables.keys() == waves.keys()


def test_anneal_cools_a_file_whose_sites_are_numbered_as_it_numbers_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    i, j, _ = fg.random_regular(14, 3, "ferromagnet", seed=5).bonds
    fg.write(fg.Ising.from_edges(14, i, j, -1.0), "small.txt")
    (tmp_path / "a.toml").write_text(
        '[model]\nfile = "small.txt"\n[anneal]\nclamp = {1 = 1, 14 = -1}\ntemperatures = [3.0, 0.5]\n'
        "sweeps = 40\nreads = 8\nseed = 3\n[output]\ncsv = true\n"
    )
    assert main(["anneal", "a.toml", "--quiet"]) == 0
    known = fg.anneal(fg.read("small.txt"), betas=[1 / 3.0, 1 / 0.5], sweeps=40, reads=8, seed=3, clamp={0: 1, 13: -1})
    found = fg.load("results/a/result.npz")
    assert found.states.tobytes() == known.states.tobytes()
    rows = list(csv.DictReader((tmp_path / "results/a/draws.csv").read_text().splitlines()))
    assert [float(row["energy"]) for row in rows] == known.energy.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("shape = [4, 4]", "shape = [4, 4"), r"is not valid TOML: .*line \d"),
        (("shape", "shpae"), r"\[model\]: a key is 'shpae': give one of 'shape', .*did you mean 'shape'"),
        (("shape = [4, 4]", ""), r"\[model\]: missing key 'shape'"),
        (("shape = [4, 4]", "shape = [4, -4]"), r"\[model\]: shape"),
        (("h = 0.5", "h = nan"), r"\[model\]: h.* is nan"),
        (('"lattice"', '"latice"'), r"recipe is 'latice'.*did you mean 'lattice'"),
        (('recipe = "lattice"', ""), r"\[model\]: give recipe, one of lattice, .*, or file"),
        (('recipe = "lattice"\nshape = [4, 4]\nh = 0.5', "file = 3"), r"\[model\]: path is 3: give the path"),
        (('recipe = "lattice"\nshape = [4, 4]\nh = 0.5', 'file = "no.txt"'), r"no\.txt: No such file"),
        (('recipe = "lattice"', 'recipe = "edwards_anderson"'), r"\[model\]: missing key 'seed'"),
        (("sweeps = 40", "sweps = 40"), r"\[sample\]: a key is 'sweps'.*did you mean 'sweeps'"),
        (("beta = [0.2, 0.4]", "temperatures = [2, inf]"), r"\[sample\]: temperatures\[1\] is inf"),
        (("sweeps = 40", "temperatures = [2]\nsweeps = 40"), r"\[sample\]: temperatures and beta are given"),
        (("sweeps = 40", 'start = "left"\nsweeps = 40'), r"\[sample\]: start is 'left': give \"up\", \"down\" or"),
        (("sweeps = 40", "start = [1]\nsweeps = 40"), r"\[sample\]: start is \[1\]: give"),
        (("sweeps = 40", 'start = "no.npz"\nsweeps = 40'), r"no\.npz: No such file"),
        (
            ("sweeps = 40", "clamp = {16 = 1}\nsweeps = 40"),
            r"\[sample\]: clamp has the site '16': the model has 0 to 15",
        ),
        (("sweeps = 40", "clamp = {1 = 2}\nsweeps = 40"), r"\[sample\]: clamp\[1\] is 2: give -1 or 1"),
        (("sweeps = 40", "clamp = 3\nsweeps = 40"), r"\[sample\]: clamp is a int: give a dict"),
        (("sweeps = 40", 'observe = "x"\nsweeps = 40'), r"\[sample\]: observe is 'x': give one of 'smallest_waves'"),
        (("sweeps = 40", "sweeps = 4.5"), r"\[sample\]: sweeps is 4\.5: give an integer"),
        (("sweeps = 40", 'checkpoint = "a"'), r"\[sample\]: a key is 'checkpoint'"),
        (("seed = 3", ""), r"\[sample\]: missing key 'seed'"),
        (("beta = [0.2, 0.4]", ""), r"\[sample\]: missing key 'beta'"),
        (("[0.2, 0.4]", "[0.2, nan]"), r"\[sample\]: beta\[1\] is nan"),
        (("chains_per_beta = 3", "chains_per_beta = 0"), r"\[sample\]: chains_per_beta is 0"),
        (("chains_per_beta = 3", "chains_per_beta = 3\nchains = 6"), "without chains"),
        (("[output]", "[outptu]"), r"a section is 'outptu'.*did you mean 'output'"),
        (("[output]", "[temper]"), r"describes what to temper: python -m fastgibbs temper"),
        (("[model]", "model = 3\n[ising]"), r"model is 3: begin a section by \[model\]"),
        (("[sample]", "[sample.sample]"), r"\[sample\]: a key is 'sample'"),
        (("csv = true", "csv = 1"), r"\[output\]: csv is 1: give True or False"),
        (("csv = true", "folder = 1"), r"\[output\]: folder is 1"),
        (("csv = true", "cvs = true"), r"\[output\]: a key is 'cvs'.*did you mean 'csv'"),
    ],
)
def test_what_is_wrong_in_a_description_is_named_and_nothing_is_written(change, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert change[0] in SAMPLE
    (tmp_path / "field.toml").write_text(SAMPLE.replace(*change))
    assert main(["sample", "field.toml", "--output", "out", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert re.search(words, said) and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["field.toml"]


def test_run_says_which_command_takes_a_description(tmp_path, capsys):
    (tmp_path / "field.toml").write_text(SAMPLE)
    assert main(["run", str(tmp_path / "field.toml")]) == 2
    assert f"python -m fastgibbs sample {tmp_path / 'field.toml'}" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_to_is_refused_before_a_run_begins(tmp_path, capsys, monkeypatch):
    (tmp_path / "field.toml").write_text(SAMPLE)
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr("fastgibbs.gallery.maxcut.run", lambda *_: pytest.fail("it has begun"))
    begun = functools.wraps(fg.sample)(lambda *_, **__: pytest.fail("it has begun"))
    monkeypatch.setitem(verbs.VERBS, "sample", begun)
    for command in (["sample", str(tmp_path / "field.toml")], ["run", "maxcut"]):
        assert main([*command, "--output", str(tmp_path / "file")]) == 2
        assert f"{tmp_path / 'file'} is a file: give the folder to write to" in capsys.readouterr().err
        assert main([*command, "--output", str(tmp_path / "file" / "in")]) == 2
        assert f"{tmp_path / 'file' / 'in'}: Not a directory" in capsys.readouterr().err
    monkeypatch.setattr("fastgibbs.io.files._partial", lambda *_: (tmp_path / "no" / "such").open("xb"))
    assert main(["run", "maxcut", "--output", str(tmp_path / "out")]) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["field.toml", "file"]


@pytest.mark.parametrize(("verb", "text"), [("sample", SAMPLE), ("temper", TEMPER)])
def test_a_verb_that_is_stopped_goes_on_by_itself_and_only_restart_replaces(verb, text, tmp_path, capsys, monkeypatch):
    text = text.replace("thin = 4\n", "").replace("sweeps = 40", "sweeps = 200_000\nthin = 100")
    (tmp_path / "run.toml").write_text(text)
    out, command = tmp_path / "out", [verb, str(tmp_path / "run.toml"), "--quiet", "--output"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patched:
        patched.setattr(running, "CHUNK_SECONDS", 0.0005)
        patched.setattr("fastgibbs.threads.TICK_SECONDS", 0.003)
        patched.setattr(checkpoints.Checkpoint, "attend", stopping)
        assert main([*command, str(out)]) == 130
    said = capsys.readouterr()
    assert "the same command goes on" in said.out + said.err
    saved = (out / f"{verb}.checkpoint.npz").read_bytes()
    (tmp_path / "other.toml").write_text(text.replace("seed = 3", "seed = 4"))
    assert main([verb, str(tmp_path / "other.toml"), "--quiet", "--output", str(out)]) == 2
    said = capsys.readouterr().err
    assert f"[{verb}]: " in said and said.endswith(", or --restart\n")
    assert (out / f"{verb}.checkpoint.npz").read_bytes() == saved
    assert main([*command, str(out)]) == 0
    assert not list(out.glob("*checkpoint*"))
    found, known = fg.load(out / "result.npz"), fg.load(tmp_path / "whole" / "result.npz")
    np.testing.assert_array_equal(found.energy, known.energy)
    assert main([*command, str(out)]) == 2
    assert "give another --output, or --restart" in capsys.readouterr().err
    assert main([*command, str(out), "--restart"]) == 0
