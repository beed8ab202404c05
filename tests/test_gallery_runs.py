"""The runs that ship, against exact results: max-cut, glasses, cumulants, memories, digits."""

import csv
import re
import sys
import time

import numpy as np
import pytest
from test_gallery import CUBES, CUT, GLASS, MEMORY, SQUARES

import fastgibbs as fg
from fastgibbs.__main__ import main
from fastgibbs.gallery import runs

DRIVEN = """
run = "stochastic_resonance"
ring = 4
size = 4
temperatures = [4.0, 1.5]
amplitude = 0.3
period = 8
periods = 50
warm = 10
chains = 256
seed = 3
"""
LOOPS = """
run = "hysteresis"
size = 4
temperature = 1.5
amplitude = 2.0
periods = [16, 8]
cycles = 3
chains = 64
seed = 4
"""


CHAIN = """
run = "quantum_ising"
size = 24
temperature = 1.5
gammas = [0.5, 2.0]
slices = 6
sweeps = 1500
burn_in = 100
chains = 32
side = 4
annealings = [5, 60]
reads = 32
seed = 2
"""

SPIKES = """
run = "spiking_digits"
hidden = 5
epochs = 3
batch_size = 300
steps = 1
learning_rates = [0.1, 0.1]
method = "pcd"
refractories = [1, 3]
shown = 3
window = 30
chains = 16
burn_in = 100
sweeps = 2000
seed = 5
"""


@pytest.fixture
def regular():
    """A 3-regular graph of 14 sites as a max-cut instance, and its largest cut."""
    i, j, _ = fg.random_regular(14, 3, "ferromagnet", seed=5).bonds
    graph = fg.Ising.from_edges(14, i, j, -1.0)
    return graph, (21 - fg.exact.spectrum(graph).ground_energy) / 2


def test_maxcut_stops_at_the_best_cut_of_a_small_graph_with_a_side_that_makes_it(regular, tmp_path, capsys):
    graph, best = regular
    fg.write_rudy(tmp_path / "graph.txt", graph)
    known = CUT.replace("best_known = 0", f"best_known = {best}")
    (tmp_path / "cut.toml").write_text(known.replace("seconds = 3", "seconds = 60"))  # of which it may have to compile
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


RANDOM = """
run = "landscape"
sizes = [6, 8]
samples = 12
orders = [3]
tree_size = 8
tree_order = 3
valleys = 5
seed = 9
"""


def test_landscape_counts_the_minima_and_draws_the_trees(tmp_path, capsys):
    """Of the ring within 5 errors of theory; of random energies more than of p = 3, of that more than of SK."""
    (tmp_path / "random.toml").write_text(RANDOM)
    assert main(["run", str(tmp_path / "random.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "theory: ring 0.2310, SK 0.1992 of large n" in capsys.readouterr().out
    rows = csv_of(tmp_path / "out" / "table.csv")
    assert [row["n"] for row in rows] == ["6", "8"]
    for row in rows:
        assert abs(float(row["Gaussian ring"]) - np.log(2) / 3) < 5 * float(row["error Gaussian ring"]) < 0.2
        n = int(row["n"])
        assert float(row["random energies"]) == pytest.approx(np.log(2**n / (n + 1)) / n)
    assert float(rows[1]["SK"]) < float(rows[1]["p = 3"]) < float(rows[1]["p = n/2"])
    assert (tmp_path / "out" / "landscape.png").read_bytes().startswith(b"\x89PNG")


LEARNED = """
run = "generalization"
n = 9
loads = [1.0, 2.0]
temperatures = [1.0, 0.5]
coldest = 0.1
samples = 3
sweeps = 2000
rates = [0.004, 0.008]
batches = [2, 8]
steps = 4000
students = 16
seed = 3
"""


def test_generalization_reports_theory_and_finds_the_temperature_of_sgd(tmp_path, capsys):
    """As much as rate / batch says, within 5 errors or 5 %; half as much, or as the root of the batch, is not."""
    (tmp_path / "learned.toml").write_text(LEARNED)
    assert main(["run", str(tmp_path / "learned.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "3 teachers of 9 weights" in capsys.readouterr().out
    for row in csv_of(tmp_path / "out" / "loads.csv"):
        theory = fg.exact.learning_curve(float(row["P/N"]), [1.0, 0.5, 0.0])
        assert [float(row[f"theory {T}"]) for T in ("1", "0.5", "0.1")] == theory.error.tolist()
        assert float(row["log Z 1"]) > float(row["log Z 0.5"]) > float(row["log Z 0.1"]) > -0.02
        assert row["teachers"] == "3"
    for row in csv_of(tmp_path / "out" / "noise.csv"):
        T, error, theory = (float(row[name]) for name in ("T", "error T", "T theory"))
        assert abs(T - theory) < max(5 * error, 0.05 * theory) < theory / 4
        assert 0 < float(row["wrong"]) < 0.5
    assert (tmp_path / "out" / "generalization.png").read_bytes().startswith(b"\x89PNG")


def test_students_of_generalization_have_the_enumerated_errors_and_volumes():
    """Of three teachers, |z| < 4.5 of two ladders would say nothing: within 0.02, and off by more at 1.3 T."""
    module, config = runs.configure("generalization", n=9, sweeps=20_000)
    betas = np.array([1.0, 2.0, 10.0])
    for seed in range(3):
        lesson = fg.teacher(9, 12, seed=seed)
        errors, volumes = module._taught(config, lesson, betas, np.random.default_rng(seed))
        spectrum = fg.exact.spectrum(fg.Perceptron(lesson.inputs, lesson.labels))
        wrong = np.arccos(fg.exact.states(9) @ lesson.teacher / 9) / np.pi
        known = np.array([spectrum.probabilities(beta) @ wrong for beta in betas])
        np.testing.assert_allclose(errors, known, rtol=0, atol=0.02)
        np.testing.assert_allclose(volumes, spectrum.log_z(betas) / 9, rtol=0, atol=0.02)
        assert np.abs(volumes[:2] - spectrum.log_z(betas[:2] / 1.3) / 9).min() > 0.02


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


def test_stochastic_resonance_finds_the_exact_response_of_the_ring(tmp_path, capsys):
    """Four scores of two rings: false alarm 10^-4. The torus follows a ring of as many neighbours at T = 50 only."""
    (tmp_path / "driven.toml").write_text(DRIVEN)
    assert main(["run", str(tmp_path / "driven.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "The ring of 4 follows best at T = 1.5" in capsys.readouterr().out
    table = csv_of(tmp_path / "out" / "table.csv")
    drive = fg.oscillating(0.3, 8)
    for row, T in zip(table, (1.5, 4.0), strict=True):
        exact = fg.exact.driven(fg.lattice((4,)), 1 / T, drive, order=[0, 2, 1, 3])
        assert float(row["|X| exact"]) == pytest.approx(exact.amplitude, abs=1e-9)
        assert abs(float(row["|X| ring"]) - exact.amplitude) < 4.5 * float(row["error"])
        assert abs(float(row["|X| ring"]) - 1.25 * exact.amplitude) > 4.5 * float(row["error"])  # the broken twin
    assert (tmp_path / "out" / "stochastic_resonance.png").read_bytes().startswith(b"\x89PNG")


def test_hysteresis_reports_loops_whose_areas_are_those_of_their_curves(tmp_path, capsys):
    (tmp_path / "loops.toml").write_text(LOOPS)
    assert main(["run", str(tmp_path / "loops.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "Square lattice of 4^2 at T = 1.5 J" in capsys.readouterr().out
    for row in csv_of(tmp_path / "out" / "table.csv"):
        curve = csv_of(tmp_path / "out" / f"loop{row['period']}.csv")
        field, m = (np.array([float(one[name]) for one in curve]) for name in ("field", "m"))
        assert len(curve) == int(row["period"]) and field.min() == -2 and field.max() == 2
        shoelace = 0.5 * (field * np.roll(m, -1) - np.roll(field, -1) * m).sum()
        assert float(row["area"]) == pytest.approx(shoelace, abs=1e-9) and shoelace > 0
        assert -2 < -float(row["coercive field"]) < 0
    assert (tmp_path / "out" / "hysteresis.png").read_bytes().startswith(b"\x89PNG")


def test_quantum_ising_extrapolates_to_free_fermions_and_anneals_both_ways(tmp_path, capsys):
    """24 sites are infinite at this temperature, to 10^-5: six scores, false alarm 10^-5."""
    (tmp_path / "chain.toml").write_text(CHAIN)
    assert main(["run", str(tmp_path / "chain.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert "extrapolated from 6 and 12 slices" in capsys.readouterr().out
    for row in csv_of(tmp_path / "out" / "table.csv"):
        exact = fg.exact.transverse_chain(1 / 1.5, float(row["Gamma/J"]))
        for name, value in (("E/N", exact.energy), ("x", exact.x), ("zz", exact.zz)):
            assert abs(float(row[name]) - value) < 5 * float(row[f"error {name}"]) < 0.03
    annealed = csv_of(tmp_path / "out" / "annealing.csv")
    for name in ("quantum", "thermal"):
        first, last = (float(row[name]) for row in annealed)
        assert 0 <= last <= first
    assert (tmp_path / "out" / "quantum_ising.png").read_bytes().startswith(b"\x89PNG")


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


def test_spiking_digits_have_the_law_of_the_heat_bath_and_forget_more_slowly(tmp_path):
    (tmp_path / "spikes.toml").write_text(SPIKES)
    assert main(["run", str(tmp_path / "spikes.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    gibbs, one, three = csv.DictReader((tmp_path / "out" / "table.csv").read_text().splitlines())
    assert [row["rule"] for row in (gibbs, one, three)] == ["heat bath", "spikes of 1", "spikes of 3"]
    assert gibbs["E"] == one["E"] and gibbs["tau of E"] == one["tau of E"]  # a spike of one sweep is the heat bath
    assert abs(float(three["off"])) < 4.5 and float(three["units off, rms"]) < 1.6
    assert float(three["tau of E"]) > 1.5 * float(gibbs["tau of E"])
    with np.load(tmp_path / "out" / "result.npz") as saved:
        assert saved["spikes"].shape == (30, 69) and saved["spikes"].any()
    assert (tmp_path / "out" / "spiking_digits.png").read_bytes().startswith(b"\x89PNG")


def test_digits_are_replaced_by_random_pictures_without_scikit_learn(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    (tmp_path / "memory.toml").write_text(MEMORY.replace("samples = 3", "samples = 2"))
    found = runs.carry_out(runs.shipped(str(tmp_path / "memory.toml")), str(tmp_path / "out"), progress=False)
    assert "10 random pictures" in found.text


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
        (LEARNED, ("loads = [1.0, 2.0]", "loads = [2.0, 1.0]"), "loads is [2.0, 1.0]"),
        (LEARNED, ("loads = [1.0, 2.0]", "loads = [1.0]"), "loads is [1.0]"),
        (LEARNED, ("n = 9", "n = 8"), "n is 8"),
        (LEARNED, ("coldest = 0.1", "coldest = 0.5"), "coldest is 0.5"),
        (LEARNED, ("temperatures = [1.0, 0.5]", "temperatures = [1.0, 0.0]"), "temperatures is [1.0, 0.0]"),
        (LEARNED, ("batches = [2, 8]", "batches = []"), "batches is []"),
        (LEARNED, ("samples = 3", "samples = 1"), "samples is 1"),
        (LEARNED, ("steps = 4000", "steps = 0"), "steps is 0"),
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
        (SPIKES, ("shown = 3", "shown = 2"), "shown is 2: give one of refractories, [1, 3]"),
        (SPIKES, ("[1, 3]", "[128, 3]"), "refractories: one is 128"),
        (SPIKES, ("chains = 16", "chains = 15"), "chains is 15"),
        (SPIKES, ("window = 30", "window = 5"), "window is 5"),
    ],
)
def test_a_bad_glass_or_cut_is_named_and_nothing_is_written(text, change, message, tmp_path, capsys):
    (tmp_path / "bad.toml").write_text(text.replace(*change))
    assert main(["run", str(tmp_path / "bad.toml"), "--output", str(tmp_path / "out"), "--quiet"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
