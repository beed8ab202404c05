"""Checkpoints of other runs, damaged ones and full disks are told by what is wrong, and cost nothing else."""

import errno
import os
import shutil
from typing import NamedTuple

import numpy as np
import pytest
from test_checkpoints import GLASS, same

import fastgibbs as fg
from fastgibbs import threads
from fastgibbs.io import files, read_archive, write_archive
from fastgibbs.methods import checkpoints, running


@pytest.mark.parametrize(
    "change", [dict(ladders=4), dict(clusters=True), dict(swap_every=2), dict(overlap_every=3), dict(rungs=5)], ids=str
)
def test_a_tempering_checkpoint_of_another_run_is_refused(change, tmp_path):
    kwargs = dict(sweeps=100, rungs=4, seed=5, checkpoint=tmp_path / "run.npz")
    fg.temper(GLASS, **kwargs)
    (name,) = change
    with pytest.raises(ValueError, match=f"was written with {name}"):
        fg.temper(GLASS, **kwargs | change)


def test_a_checkpoint_of_another_method_or_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    result = fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)
    with pytest.raises(ValueError, match="method='sample'"):
        fg.anneal(GLASS, sweeps=10, seed=5, checkpoint=path)
    result.save(path)
    with pytest.raises(ValueError, match="holds a sample, not a checkpoint"):
        fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)
    path.write_text("nothing of the kind")
    with pytest.raises(ValueError, match="damaged or not an archive"):
        fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)


def test_a_checkpoint_of_another_format_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    monkeypatch.setattr("fastgibbs.io.archive.FORMAT", 99)
    write_archive(path, "checkpoint", {}, {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="has format 99, this version of fastgibbs reads format 1"):
        fg.sample(GLASS, beta=0.5, sweeps=10, checkpoint=path)


def test_what_is_saved_while_a_run_goes_on_is_where_its_states_are(tmp_path, monkeypatch):
    """Copies of the file, as it would be left if the process died: each goes on to the bytes of the whole run."""
    monkeypatch.setattr(threads, "TICK_SECONDS", 0.002)
    monkeypatch.setattr(running, "CHUNK_SECONDS", 0.002)
    path, kwargs, left = tmp_path / "run.npz", dict(beta=0.5, sweeps=20_000, thin=1000, chains=256, seed=5), {}

    def keep(done, total):
        if path.exists() and len(left) < 4:
            of_blocks = tuple(block["done"] for block in read_archive(path)[2]["blocks"])
            if min(of_blocks) > 0 and of_blocks not in left:
                left[of_blocks] = shutil.copy(path, tmp_path / f"{len(left)}.npz")

    whole = fg.sample(fg.lattice((32, 32)), progress=keep, checkpoint=path, every=0, threads=1, **kwargs)
    assert min(map(min, left)) < 20_000
    for copy in left.values():
        again = fg.sample(fg.lattice((32, 32)), checkpoint=copy, **kwargs)
        np.testing.assert_array_equal(again.states, whole.states)
        np.testing.assert_array_equal(again.energy, whole.energy)


@pytest.mark.parametrize("change", [lambda spins: {}, lambda spins: {"block0.state.spins": spins[:, None]}])
def test_a_checkpoint_with_other_arrays_is_refused(change, tmp_path):
    """As a version with another engine might write it."""
    path = tmp_path / "run.npz"
    fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)
    _, arrays, header, _ = read_archive(path)
    arrays |= change(arrays.pop("block0.state.spins"))
    write_archive(path, "checkpoint", arrays, header)
    with pytest.raises(ValueError, match=r"does not hold state\.spins of block 0: another version wrote it"):
        fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        (dict(checkpoint=3), TypeError, "checkpoint is 3: give the path of a file"),
        (dict(checkpoint="run.npz", every="often"), TypeError, "every"),
        (dict(checkpoint="run.npz", every=-1), ValueError, "every is -1: give seconds"),
        (dict(checkpoint="missing/run.npz"), OSError, "missing/run.npz"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(kwargs, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        fg.sample(GLASS, beta=0.5, sweeps=10, **kwargs)
    assert list(tmp_path.iterdir()) == []


def test_flipped_bytes_are_noticed_or_harmless(tmp_path):
    """A thousand, one at a time; some bytes of a zip, such as its dates, mean nothing."""
    path, kwargs = tmp_path / "run.npz", dict(beta=0.5, sweeps=30, chains=3, seed=5)
    whole = fg.sample(GLASS, checkpoint=path, **kwargs)
    content, rng = path.read_bytes(), np.random.default_rng(1)
    noticed = 0
    for place, bit in zip(rng.integers(len(content), size=1000), rng.integers(8, size=1000), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(bit)
        path.write_bytes(damaged)
        try:
            saved = read_archive(path, "checkpoint")
        except ValueError:
            noticed += 1
        else:
            assert saved.header["blocks"][0]["done"] == 30
            same(fg.sample(GLASS, checkpoint=path, **kwargs), whole)
    assert noticed > 900


def test_a_disk_that_fills_up_while_a_run_goes_on_costs_no_more_than_the_checkpoint(tmp_path, monkeypatch):
    path, kwargs = tmp_path / "run.npz", dict(beta=0.5, sweeps=20_000, chains=600, seed=5)
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:  # the file and the folder of the first one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.warns(RuntimeWarning, match=r"no checkpoint was written: .*No space left.*run\.npz"):
        result = fg.sample(GLASS, checkpoint=path, every=0, **kwargs)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    monkeypatch.undo()
    assert read_archive(path, "checkpoint").header["blocks"][0]["done"] == 0
    same(fg.sample(GLASS, checkpoint=path, **kwargs), result)


def test_a_full_disk_at_the_beginning_is_an_error(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fg.sample(GLASS, beta=0.5, sweeps=10, checkpoint=tmp_path / "run.npz")


class Rows(NamedTuple):
    energies: np.ndarray


class Block(NamedTuple):
    record: Rows
    norms: np.ndarray


def test_checkpoints_of_blocks_at_different_sweeps_are_consistent(tmp_path):
    """Each block is copied where it is, with the rows it has written by then."""
    checkpoint = checkpoints.Checkpoint(tmp_path / "unused", 0, "sample", {"seed": 1})
    blocks = [Block(Rows(np.arange(6.0)), np.zeros(2)), Block(Rows(np.arange(6.0)), np.ones(2))]
    cut = [range(0, 64), range(64, 128)]
    checkpoint.restore(blocks, cut, {"record.energies": lambda done: done // 2}, 12, None)
    checkpoint.attend(blocks, [0, 0], 12)
    checkpoint.saw(0, blocks[0], 4)
    blocks[0].norms[:] = 9  # it goes on
    checkpoint.saw(0, blocks[0], 6)
    checkpoint.saw(1, blocks[1], 8)
    (done_0, copy_0), (done_1, copy_1) = checkpoint._copies[0], checkpoint._copies[1]
    assert (done_0, done_1) == (4, 8)
    assert copy_0["record.energies"].tolist() == [0, 1] and copy_1["record.energies"].tolist() == [0, 1, 2, 3]
    assert copy_0["norms"].tolist() == [0, 0] and copy_1["norms"].tolist() == [1, 1]
