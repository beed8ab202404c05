"""What training refuses before anything runs, and files of data."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from test_training import ROWS, SMALL

import fastgibbs as fg
from fastgibbs.learning import training
from fastgibbs.models import resources

BAD = np.full((3, 8), 0.5)
BAD[2, 5] = np.nan


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(data=BAD), ValueError, r"data\[2, 5\] is nan: give units or probabilities"),
        (dict(data=np.eye(8) * 2), ValueError, r"data\[0, 0\] is 2.0"),
        (dict(data=-ROWS.astype(int)), ValueError, r"data\[0, \d\] is -1"),
        (dict(data=ROWS * 255), ValueError, r"is 255: give units"),
        (dict(data=ROWS[:0]), ValueError, "data is empty"),
        (dict(data=ROWS[:, :7]), ValueError, r"data has shape \(40, 7\): give \(N, 8\)"),
        (dict(data=ROWS[0]), ValueError, r"data has shape \(8,\)"),
        (dict(data=np.full((2, 8), "x")), TypeError, "data has dtype <U1"),
        (dict(model=fg.lattice((4, 4))), TypeError, "give an RBM, a BoltzmannMachine or a Helmholtz machine"),
        (dict(model=fg.RBM(np.zeros((8, 0)))), ValueError, "at least one visible unit, and an RBM one hidden unit"),
        (dict(method="pdc"), ValueError, "did you mean 'pcd'"),
        (dict(steps=0), ValueError, "steps is 0"),
        (dict(epochs=0), ValueError, "epochs is 0"),
        (dict(epochs=10**12), ValueError, "a history of 1000000000000 epochs needs"),
        (dict(batch_size=0), ValueError, "batch_size is 0"),
        (dict(chains=0), ValueError, "chains is 0"),
        (dict(chains=5, method="cd"), ValueError, "has no chains of its own"),
        (dict(learning_rate=0), ValueError, "learning_rate is 0.0 in epoch 0"),
        (dict(learning_rate=[0.1, 0.2]), ValueError, r"give a number, or one per epoch, \(10,\)"),
        (dict(learning_rate=lambda epoch: 1.0 - epoch), ValueError, "learning_rate is 0.0 in epoch 1"),
        (dict(learning_rate=np.nan), ValueError, "learning_rate is nan"),
        (dict(momentum=1), ValueError, "momentum is 1.0"),
        (dict(l1=-1), ValueError, "l1 is -1.0"),
        (dict(l2=np.inf), ValueError, "l2 is inf"),
        (dict(weights=np.ones(3)), ValueError, r"weights has shape \(3,\)"),
        (dict(weights=-np.ones(40)), ValueError, "weights holds -1.0"),
        (dict(callback=3), TypeError, "callback is 3"),
        (dict(likelihood_every=-1), ValueError, "likelihood_every is -1"),
        (
            dict(model=fg.RBM(np.zeros((20, 18))), data=np.zeros((2, 20)), method="exact"),
            ValueError,
            r"2\^18 states of its smaller layer, at most 2\^16",
        ),
    ],
)
def test_bad_input_is_named_before_anything_runs(change, error, message, monkeypatch):
    monkeypatch.setattr(training, "running", lambda *_: pytest.fail("it ran"))
    with pytest.raises(error, match=message):
        fg.train(**(dict(model=SMALL, data=ROWS) | change))


def test_too_many_chains_for_this_machine_are_refused(monkeypatch):
    monkeypatch.setattr(resources, "memory", lambda: 2**20)
    with pytest.raises(ValueError, match="100000 chains and batches of 40 needs"):
        fg.train(SMALL, ROWS, chains=100_000)


def idx(array, kind=8):
    head = bytes([0, 0, kind, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize(
    ("kind", "dtype"), [(8, np.uint8), (9, np.int8), (11, np.int16), (12, np.int32), (13, "f4"), (14, "f8")]
)
def test_idx_files_are_read_gzipped_or_not(kind, dtype, tmp_path):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "plain").write_bytes(idx(array, kind))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(array, kind)))
    for name in ("plain", "packed.gz"):
        found = fg.read_idx(tmp_path / name)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no IDX file"),
        (b"\x89PNG....", "is no IDX file: it begins with"),
        (idx(np.zeros((2, 3), np.uint8), 10), "type 10 of the numbers is unknown"),
        (idx(np.zeros((2, 3), np.uint8))[:9], "ends in its header"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"holds too few bytes of numbers, its header \(2, 3\) announces 6"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "holds more bytes of numbers"),
        (gzip.compress(idx(np.zeros((2, 3), np.uint8)), mtime=0)[:-9], "damaged gzip stream"),
    ],
)
def test_a_damaged_idx_file_is_refused(content, message, tmp_path):
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        fg.read_idx(tmp_path / "bad")


def test_mnist_is_read_as_it_is():
    folder = Path(os.environ.get("MNIST", "nowhere"))
    if not folder.is_dir():
        pytest.skip("set MNIST to a folder with the four IDX files to read them")
    images = fg.read_idx(folder / "train-images-idx3-ubyte")
    assert images.shape == (60000, 28, 28)
    assert (images > 127).mean() == pytest.approx(0.132, abs=0.001)
    assert fg.read_idx(folder / "t10k-labels-idx1-ubyte").shape == (10000,)
