"""Max-cut instances on disk: exact round trips, real instances where present, and every malformed file."""

import time
from pathlib import Path

import numpy as np
import pytest

from fastgibbs.io import read_rudy, write_rudy
from fastgibbs.models import Ising, edwards_anderson, lattice, random_regular, sherrington_kirkpatrick

GSET = Path(__file__).parents[2] / "shared" / "data" / "gset"


def write(folder, text):
    path = folder / "instance.txt"
    path.write_text(text)
    return path


def test_energy_of_the_file_is_the_cut_of_every_state(tmp_path):
    edges = [(1, 2, 1), (2, 3, -1), (1, 4, 2.5), (3, 4, 1)]
    model = read_rudy(write(tmp_path, "4 4 \n1 2\n2 3 -1\n\n1 4 2.5\n4 3 1\n"))
    total = sum(w for _, _, w in edges)
    for bits in range(16):
        state = [1 if bits >> k & 1 else -1 for k in range(4)]
        cut = sum(w for i, j, w in edges if state[i - 1] != state[j - 1])
        assert (total - model.energy(state)) / 2 == cut


def test_repeated_edges_add_up_and_isolated_sites_remain(tmp_path):
    model = read_rudy(write(tmp_path, "5 2\n1 2 1\n2 1 2\n"))
    assert model.n == 5
    assert [part.tolist() for part in model.bonds] == [[0], [1], [-3.0]]


@pytest.mark.parametrize(
    "model",
    [
        sherrington_kirkpatrick(30, seed=1),
        edwards_anderson((5, 6), seed=2),
        random_regular(20, 3, "gaussian", seed=3),
        lattice((3, 3), J=1e300),
        lattice((3, 3), J=-5e-324),
        Ising(np.zeros((4, 4))),
        Ising(np.zeros((0, 0))),
    ],
)
def test_what_is_written_is_read_back_exactly(tmp_path, model):
    path = tmp_path / "model.txt"
    write_rudy(path, model)
    back = read_rudy(path)
    assert back.n == model.n
    for name in ("indptr", "indices", "couplings"):
        assert np.array_equal(getattr(back, name), getattr(model, name))
    assert [file.name for file in tmp_path.iterdir()] == ["model.txt"]


def test_integers_are_written_as_integers_and_floats_by_repr(tmp_path):
    path = tmp_path / "model.txt"
    write_rudy(path, Ising.from_edges(3, [0, 1], [1, 2], [-1.0, 0.1]))
    assert path.read_text() == "3 2\n1 2 1\n2 3 -0.1\n"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write(tmp_path, "2 1\n1 2 7\n")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_rudy(path, lattice((4, 4)))
    assert path.read_text() == "2 1\n1 2 7\n"
    assert list(tmp_path.iterdir()) == [path]


def test_fields_and_an_offset_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"fields\[2\] is -3\.0"):
        write_rudy(tmp_path / "m", Ising.from_edges(3, [0], [1], 1.0, [0, 0, -3]))
    with pytest.raises(ValueError, match=r"offset is 2\.0"):
        write_rudy(tmp_path / "m", Ising.from_edges(3, [0], [1], 1.0, offset=2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("", 1, ["empty"]),
        ("3\n1 2\n", 1, ["'3'", "n m"]),
        ("3 x\n", 1, ["'3 x'", "n m"]),
        ("-3 1\n1 2\n", 1, ["'-3 1'", "n m"]),
        ("3 2\n1 2 1\n", 2, ["1 edges", "announces 2"]),
        ("3 1\n1 2 1\n2 3 1\n", 3, ["2 edges", "announces 1"]),
        ("3 2\n1 2 1\n1 4 1\n", 3, ["1 4", "1 to 3"]),
        ("3 1\n0 2 1\n", 2, ["0 2", "1 to 3"]),
        ("3 1\n1 two 1\n", 2, ["'1 two 1'"]),
        ("3 1\n1 2.0 1\n", 2, ["'1 2.0 1'"]),
        ("3 1\n1 2 heavy\n", 2, ["'1 2 heavy'"]),
        ("3 1\n1\n", 2, ["'1'"]),
        ("3 1\n1 2 3 4\n", 2, ["'1 2 3 4'"]),
        ("3 2\n1 2\n\n2 2 1\n", 4, ["2 2", "self-loop"]),
        ("3 1\n1 2 nan\n", 2, ["1 2", "nan"]),
        ("3 1\n1 2 -inf\n", 2, ["1 2", "-inf"]),
        ("3 1\n1 2 \u00b5\n", 2, ["1 2"]),
    ],
)
def test_malformed_files_are_refused_with_file_line_and_value(tmp_path, text, line, words):
    path = tmp_path / "instance.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        read_rudy(path)
    for word in [str(path), f"line {line}:", *words]:
        assert word in str(caught.value)


def test_twenty_thousand_edges_are_read_in_a_blink(tmp_path):
    path = tmp_path / "big.txt"
    write_rudy(path, random_regular(5000, 8, seed=1))
    start = time.process_time()
    assert read_rudy(path).couplings.size == 2 * 20_000
    assert time.process_time() - start < 0.2


@pytest.mark.skipif(not GSET.is_dir(), reason="the G-set instances are not on this machine")
@pytest.mark.parametrize("name, n, m", [("G1", 800, 19176), ("G11", 800, 1600), ("G22", 2000, 19990)])
def test_gset_instances_are_read_whole(name, n, m):
    model = read_rudy(GSET / f"{name}.txt")
    assert model.n == n and model.couplings.size == 2 * m
    weights = np.loadtxt(GSET / f"{name}.txt", skiprows=1)[:, 2]
    # All spins up cut nothing: E = W.
    assert model.energy(np.ones(n, np.int8)) == weights.sum()
