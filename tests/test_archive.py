"""Archives never lie: exact round trips, every damage found, no half file after failures and kills."""

import errno
import json
import os
import resource
import subprocess
import sys
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.io import pack_spins, read_archive, replace_file, unpack_spins, write_archive
from fastgibbs.results.sampled import SampleResult

RNG = np.random.default_rng(1)
ARRAYS = {
    "energy": RNG.normal(size=(3, 5)),
    "states": RNG.integers(0, 256, (4, 9), np.uint8),
    "scalar": np.array(7),
    "empty": np.empty((0, 3), np.uint16),
    "fortran": np.asfortranarray(RNG.normal(size=(2, 3, 4))),
    "every other": np.arange(10, dtype=np.int16)[::2],
    "flags": np.array([True, False]),
    "record": np.array([(1, 2.5)], dtype=[("count", "i4"), ("mean", "f8")]),
    "big-endian": np.arange(3, dtype=">u4"),
}
HEADER = {"seed": 2**127 + 1, "beta": 0.1 + 0.2, "name": "\u03b2", "nested": [{"a": None}, True]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


def assert_same(one, other):
    assert (one.kind, one.header, one.versions) == (other.kind, other.header, other.versions)
    assert list(one.arrays) == list(other.arrays)
    for name, array in one.arrays.items():
        assert other.arrays[name].dtype == array.dtype
        assert other.arrays[name].shape == array.shape
        assert other.arrays[name].tobytes() == array.tobytes()


def test_what_is_written_is_read_back_exactly(path):
    write_archive(path, "checkpoint", ARRAYS, HEADER)
    archive = read_archive(path, "checkpoint")
    assert (archive.kind, archive.header) == ("checkpoint", HEADER)
    assert archive.versions["numpy"] == np.__version__
    assert list(archive.arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert archive.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(archive.arrays[name], array)
    assert [file.name for file in path.parent.iterdir()] == ["run.npz"]


def test_the_same_content_gives_the_same_bytes(path):
    write_archive(path, "sample", ARRAYS, HEADER)
    first = path.read_bytes()
    write_archive(path, "sample", ARRAYS, HEADER)
    assert path.read_bytes() == first


def test_numpy_alone_reads_the_arrays_and_any_unzip_the_header(path):
    write_archive(path, "sample", ARRAYS, HEADER)
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["energy"], ARRAYS["energy"])
    with zipfile.ZipFile(path) as file:
        assert json.loads(file.read("header.json"))["header"] == HEADER


def test_no_byte_flip_and_no_truncation_is_accepted_with_other_content(path):
    write_archive(path, "sample", ARRAYS, HEADER)
    content, original = path.read_bytes(), read_archive(path)
    rng = np.random.default_rng(2)
    damages = [content[:length] for length in rng.integers(0, len(content), 200)]
    for place, flip in zip(rng.integers(0, len(content), 1000), rng.integers(1, 256, 1000), strict=True):
        damages.append(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
    refused = 0
    for damaged in damages:
        path.write_bytes(damaged)
        try:
            assert_same(read_archive(path), original)  # dates of the zip, and such
        except ValueError as error:
            assert str(path) in str(error)
            assert "damaged" in str(error)
            refused += 1
    assert refused > 800


def rewritten(path, changes):
    """The same zip with other members, whose own check sums fit."""
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in changes(members).items():
            file.writestr(name, content)


@pytest.mark.parametrize(
    "changes",
    [
        lambda members: members | {"energy.npy": members["energy.npy"][:-1] + b"\x01"},
        lambda members: members | {"energy.npy": members["empty.npy"], "empty.npy": members["energy.npy"]},
        lambda members: {name: content for name, content in members.items() if name != "energy.npy"},
        lambda members: members | {"more.npy": members["energy.npy"]},
        lambda members: members | {"header.json": members["header.json"].replace(b"sample", b"temper")},
        lambda members: members | {"header.json": members["header.json"].replace(b"true", b"null")},
        lambda members: members | {"sha256": b"0" * 64},
        lambda members: members | {"sha256": b"\xff"},
        lambda members: {name: content for name, content in members.items() if name != "sha256"},
        lambda members: {name: content for name, content in members.items() if name != "header.json"},
        lambda members: members | {"header.json": b"[]"},
    ],
)
def test_content_that_was_changed_on_purpose_is_refused(path, changes):
    write_archive(path, "sample", ARRAYS, HEADER)
    rewritten(path, lambda members: members)
    assert read_archive(path).header == HEADER
    rewritten(path, changes)
    with pytest.raises(ValueError, match=r"run\.npz is damaged"):
        read_archive(path)


def test_files_that_are_no_archives_are_refused(path):
    np.savez(path, energy=np.zeros(3))
    with pytest.raises(ValueError, match="not an archive of fastgibbs"):
        read_archive(path)
    path.write_text("hello")
    with pytest.raises(ValueError, match="not an archive of fastgibbs"):
        read_archive(path)
    with pytest.raises(FileNotFoundError, match="absent"):
        read_archive(path.parent / "absent")


def test_an_unknown_format_and_a_wrong_kind_are_refused_by_name(path, monkeypatch):
    write_archive(path, "sample", ARRAYS, HEADER)
    with pytest.raises(ValueError, match=r"run\.npz holds a sample, not a checkpoint"):
        read_archive(path, "checkpoint")
    with pytest.raises(ValueError, match=r"run\.npz holds a checkpoint, not a result"):
        write_archive(path, "checkpoint", ARRAYS, HEADER)
        fg.load(path)
    monkeypatch.setattr("fastgibbs.io.archive.FORMAT", 99)
    write_archive(path, "sample", ARRAYS, HEADER)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"run\.npz has format 99, this version of fastgibbs reads format 1"):
        read_archive(path)


def test_what_cannot_be_archived_is_refused_and_nothing_is_written(path):
    with pytest.raises(ValueError, match=r"kind is 'samples'.*did you mean 'sample'"):
        write_archive(path, "samples", {}, {})
    with pytest.raises(TypeError, match="array 'models' has dtype object"):
        write_archive(path, "sample", {"models": np.array([None])}, {})
    with pytest.raises(TypeError, match="int64"):
        write_archive(path, "sample", {}, {"burn_in": np.int64(3)})
    with pytest.raises(ValueError, match="JSON"):
        write_archive(path, "sample", {}, {"beta": float("nan")})
    assert list(path.parent.iterdir()) == []


@contextmanager
def file_size_limit():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def failing(name, error):
    def fail(*_, **__):
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name, fail)
        yield


@pytest.mark.parametrize(
    ("trouble", "error", "reason"),
    [
        (file_size_limit, OSError, "File too large"),
        (lambda: failing("os.fsync", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))), OSError, "No space left"),
        (lambda: failing("os.replace", PermissionError(errno.EACCES, "Permission denied")), PermissionError, "denied"),
        (lambda: failing("builtins.open", OSError(errno.EROFS, "Read-only file system")), OSError, "Read-only"),
        (lambda: failing("os.fsync", KeyboardInterrupt()), KeyboardInterrupt, None),
    ],
    ids=["a file too large", "a full disk", "a protected folder", "a read-only disk", "Ctrl-C"],
)
def test_a_write_that_fails_leaves_the_old_file_and_names_path_and_reason(path, trouble, error, reason):
    write_archive(path, "sample", ARRAYS, HEADER)
    before = path.read_bytes()
    big = {"states": np.zeros(10**6, np.uint8)}
    with trouble(), pytest.raises(error, match=reason) as caught:
        write_archive(path, "sample", big, {})
    if error is not KeyboardInterrupt:
        assert str(path) in str(caught.value)
        assert "what stood there is untouched" in str(caught.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["run.npz"]
    write_archive(path, "sample", big, {})
    assert read_archive(path).arrays["states"].size == 10**6


def test_a_folder_that_is_not_there_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"absent.run\.npz"):
        write_archive(path.parent / "absent" / "run.npz", "sample", {}, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into any folder")
def test_a_protected_folder_keeps_its_file(path):
    replace_file(path, b"old")
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=r"run\.npz"):
            replace_file(path, b"new")
    finally:
        path.parent.chmod(0o700)
    assert path.read_bytes() == b"old"


def test_the_bytes_reach_the_disk_before_the_name_and_the_name_before_the_call_returns(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda file: (calls.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file)))
    monkeypatch.setattr("os.replace", lambda *names: (calls.append("replace"), replace(*names)))
    replace_file(path, b"content")
    assert len(calls) == 3
    assert calls[0].endswith(".partial")
    assert calls[1:] == ["replace", str(path.parent)]


# One process imports once and forks a hundred writers, so that the moments of their deaths lie within writes.
KILLS = """
import os, random, signal, sys, time
import numpy as np
from fastgibbs.io import read_archive, write_archive

path, last, cut_short = sys.argv[1], 0, 0
write = lambda k: write_archive(path, "checkpoint", {"states": np.full(200_000, k % 256, np.uint8)}, {"number": k})
write(last)
random.seed(3)
for _ in range(100):
    writer = os.fork()
    if not writer:
        while True:
            last += 1
            write(last)
    time.sleep(random.uniform(0.001, 0.05))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    partial = [name for name in os.listdir(os.path.dirname(path)) if name.endswith(".partial")]
    assert len(partial) <= 1  # the next writer removes what this one has left
    cut_short += len(partial)
    archive = read_archive(path, "checkpoint")
    assert archive.header["number"] >= last
    assert (archive.arrays["states"] == archive.header["number"] % 256).all()
    last = archive.header["number"]
write(last)
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
print(last, cut_short)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_hundred_kills_in_mid_write_leave_a_whole_archive_each(path):
    run = subprocess.run([sys.executable, "-c", KILLS, str(path)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    written, cut_short = map(int, run.stdout.split())
    assert written > 100
    assert cut_short > 20  # kills that hit a write


@pytest.mark.parametrize("low", [-1, 0])
@pytest.mark.parametrize("shape", [(13,), (3, 8), (2, 3, 17), (0, 5), (4, 0)])
def test_packed_spins_come_back_at_one_bit_each(low, shape):
    states = np.random.default_rng(4).choice(np.array([low, 1], np.int8), shape)
    packed = pack_spins(states)
    assert packed.dtype == np.uint8
    assert packed.shape == (*shape[:-1], -(-shape[-1] // 8))
    back = unpack_spins(packed, shape[-1], low)
    assert back.dtype == np.int8
    np.testing.assert_array_equal(back, states)


@pytest.mark.parametrize("states", [[-1, 0, 1], [0, 2], [-1, 2], [-2, 1]])
def test_spins_that_one_bit_cannot_hold_are_refused(states):
    with pytest.raises(ValueError, match="other values than"):
        pack_spins(np.array(states, np.int8))


def test_sixteen_million_spins_take_two_megabytes(path):
    states = np.random.default_rng(5).choice(np.array([-1, 1], np.int8), (256, 65536))
    write_archive(path, "sample", {"states": pack_spins(states)}, {})
    assert path.stat().st_size < 2**21 + 10_000
    np.testing.assert_array_equal(unpack_spins(read_archive(path).arrays["states"], 65536), states)


GLASS = fg.edwards_anderson((3, 4), seed=1)
MODELS = {
    "glass": GLASS,
    "gaussian glass in a field": fg.Ising.from_edges(5, [0, 1, 3], [1, 2, 0], [0.1, -2.5, 1e-300], np.arange(5), 0.7),
    "no bonds": fg.Ising(np.zeros((3, 3))),
    "lattice": fg.lattice((3, 5), J=-0.3, h=0.1),
    "triangular": fg.triangular((3, 4)),
    "Hopfield": fg.Hopfield(np.random.default_rng(6).choice([-1, 1], (3, 13))),
    "Hopfield in a field": fg.Hopfield(np.eye(4, 11) * 2 - 1, field=np.arange(11)),
    "pseudo-inverse": fg.Hopfield(np.eye(3, 9) * 2 - 1, rule="pseudoinverse", field=0.1),
    "Storkey": fg.Hopfield(np.eye(3, 9) * 2 - 1, rule="storkey"),
    "dense memory": fg.Hopfield(np.eye(3, 9) * 2 - 1, order=3),
    "perceptron": fg.Perceptron(np.eye(3, 9) * 2 - 1),
    "polynomial": fg.Polynomial({(0, 2, 1): 0.1, (3,): -2.0, (): 0.7, (0, 1): 1e-300}, n=6),
    "products of units": fg.Polynomial({(0, 2, 1): 0.1, (3,): -2.0}, "binary"),
    "RBM": fg.RBM(np.random.default_rng(7).normal(size=(4, 3)), np.ones(4)),
}


def assert_equal_fields(one, other):
    assert type(one) is type(other)
    for name, value in vars(one).items():
        if isinstance(value, fg.Ising):  # of a model of another kind
            assert_equal_fields(value, getattr(other, name))
        elif name not in ("_blocks", "model", "_kept"):
            np.testing.assert_equal(getattr(other, name), value, err_msg=name)
            assert type(getattr(other, name)) is type(value), name


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_comes_back_as_it_was(path, model):
    result = fg.sample(model, beta=[0.3, 0.5], sweeps=6, burn_in=2, thin=2, seed=8, keep_states=True)
    result.save(path)
    back = fg.load(path)
    assert isinstance(back, SampleResult)
    assert_equal_fields(model, back.model)
    assert_equal_fields(result, back)
    np.testing.assert_array_equal(back.states, result.states)
    np.testing.assert_array_equal(back.samples, result.samples)
    again = fg.sample(back.model, beta=back.beta, sweeps=6, burn_in=2, thin=2, seed=back.seed)
    np.testing.assert_array_equal(again.energy, result.energy)


def test_many_blocks_and_strips_come_back_and_are_saved_again_with_the_same_bytes(path):
    result = fg.sample(fg.lattice((8, 6)), beta=0.4, chains=30, strips=4, sweeps=3, seed=9, keep_states=True, threads=2)
    result.save(path)
    content, back = path.read_bytes(), fg.load(path)
    np.testing.assert_array_equal(back.samples, result.samples)
    np.testing.assert_array_equal(back.model.energy(back.samples), result.energy)
    back.save(path)
    assert path.read_bytes() == content


def test_a_result_of_several_models_without_samples_comes_back(path):
    models = [fg.edwards_anderson((3, 4), seed=seed) for seed in range(3)]
    result = fg.sample(models, beta=0.5, chains=6, sweeps=2, seed=None)
    result.save(path)
    back = fg.load(path)
    for one, other in zip(models, back.model, strict=True):
        assert_equal_fields(one, other)
    assert_equal_fields(result, back)
    np.testing.assert_array_equal(back.states, result.states)
    with pytest.raises(ValueError, match="samples were not kept"):
        _ = back.samples


@pytest.mark.parametrize("model", [GLASS, MODELS["RBM"]], ids=["glass", "RBM"])
def test_an_annealing_comes_back(path, model):
    result = fg.anneal(model, sweeps=5, reads=10, seed=10)
    result.save(path)
    assert_equal_fields(result, fg.load(path))


@pytest.mark.parametrize("ladders", [1, 2])
def test_a_tempering_comes_back_with_its_overlaps_and_adaptation(path, ladders):
    result = fg.temper(GLASS, rungs=3, sweeps=600, ladders=ladders, seed=11)
    assert (result.overlap is None) == (ladders == 1)
    assert result.adaptation
    result.save(path)
    back = fg.load(path)
    assert_equal_fields(result, back)
    np.testing.assert_equal(back.log_z, result.log_z)


@pytest.mark.parametrize("thing", [3, None, fg.SampleResult, fg.Ising, np.ones(3), [GLASS], {"a": GLASS}])
def test_only_models_and_results_are_saved(path, thing):
    with pytest.raises(TypeError, match="sample, anneal, temper, recall, train or fit_ising returned"):
        fg.save(thing, path)
    assert not path.exists()
