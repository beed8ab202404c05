"""Archives that grow: what was whole last is read, whoever dies or fails meanwhile, and only news is written."""

import json
import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.io import Growing, growing, read_archive, write_archive
from fastgibbs.io.archive import FRAME
from fastgibbs.methods import checkpoints

RNG = np.random.default_rng(1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


@contextmanager
def grown(path):
    file = Growing(path, "checkpoint")
    yield file
    file.close()


def contents(number: int, state=50, rows=7):
    """Arrays, records and header of a run after so many steps."""
    rng = np.random.default_rng(number)
    arrays = {"state": rng.integers(0, 9, state), "betas": np.arange(3.0)}
    records = {"energies": np.arange(2.0 * rows * number).reshape(-1, 2), "none": np.empty((0, 3), np.uint16)}
    return arrays, records, {"number": number, "settings": "the same", "even": number % 2 == 0}


def holds(path, number, **kwargs):
    arrays, records, header = contents(number, **kwargs)
    found = read_archive(path, "checkpoint")
    assert found.header == header
    assert found.arrays.keys() == arrays.keys() | records.keys()
    for name, array in (arrays | records).items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


@pytest.mark.parametrize("kwargs", [dict(state=0, rows=100), dict(state=3000, rows=1), dict(state=50, rows=0)], ids=str)
def test_what_was_written_last_is_read(path, kwargs):
    steps = np.cumsum(np.random.default_rng(2).integers(0, 4, 30))
    with grown(path) as file:
        for number in steps.tolist():
            file.write(*contents(number, **kwargs))
            holds(path, number, **kwargs)
        write_archive(path, "checkpoint", {}, {"other": 1})  # by somebody else
        file.write(*contents(100, **kwargs))
        holds(path, 100, **kwargs)
        path.unlink()
        file.write(*contents(101, **kwargs))
        holds(path, 101, **kwargs)
    with grown(path) as file:
        file.write(*contents(3, **kwargs))
    holds(path, 3, **kwargs)
    assert list(path.parent.iterdir()) == [path]


def test_at_most_half_of_a_file_is_out_of_date(path):
    for kwargs in (dict(state=10_000, rows=0), dict(state=10_000, rows=1000), dict(state=10_000, rows=20_000)):
        with grown(path) as file:
            for number in range(40):
                file.write(*contents(number, **kwargs))
                arrays, records, _ = contents(number, **kwargs)
                whole = sum(array.nbytes for array in (arrays | records).values())
                assert path.stat().st_size < 2.05 * whole + 5000


def test_links_and_modes_stay(path, tmp_path):
    there = tmp_path / "there.npz"
    path.symlink_to(there.name)
    there.write_bytes(b"")
    there.chmod(0o440)
    with grown(path) as file:
        sizes = []
        for number in range(9):
            file.write(*contents(number))
            sizes.append(there.stat().st_size)
    assert len(set(np.sign(np.diff(sizes)))) == 2  # it grew, and was written anew
    assert path.is_symlink() and there.stat().st_mode & 0o777 == 0o440
    holds(there, 8)


def three_parts(path):
    """A file of three parts: its bytes, and where each part ends."""
    ends = []
    with grown(path) as file:
        for number in (1, 2, 3):
            file.write(*contents(number, state=10, rows=500))
            ends.append(path.stat().st_size)
    assert ends == sorted(set(ends))
    return path.read_bytes(), ends


def test_a_part_that_was_not_finished_is_as_if_it_were_not_there(path):
    """As a kill leaves it: its frame is written when all else is on disk. What is torn is never taken for damage."""
    whole, ends = three_parts(path)
    begins = [0, *ends]
    for k in (1, 2):
        body = whole[begins[k] + FRAME : ends[k]]
        for length in [0, 1, FRAME - 1, *RNG.integers(len(body), size=30).tolist(), len(body)]:
            path.write_bytes(whole[: ends[k - 1]] + (b"\0" * FRAME + body)[: FRAME + length])
            holds(path, k, state=10, rows=500)
        path.write_bytes(whole[: ends[k - 1]] + b"\0" * (FRAME // 2))
        holds(path, k, state=10, rows=500)


def test_a_file_that_was_cut_or_put_together_wrongly_is_refused(path):
    whole, (one, two, three) = three_parts(path)
    for length in [1, FRAME, *RNG.integers(1, three, 40).tolist(), three - FRAME]:
        end = next(end for end in (one, two, three) if length <= end)
        if whole[length:end].strip(b"\0"):  # zeros fill up a part
            path.write_bytes(whole[:length])
            with pytest.raises(ValueError, match=r"run\.npz is damaged"):
                read_archive(path)
    for wrong in (whole[:one] + whole[two:], whole[one:two], whole + whole[one:two], whole + b"more"):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"run\.npz is damaged"):
            read_archive(path)


def test_flipped_bytes_are_noticed_or_harmless(path):
    whole, ends = three_parts(path)
    noticed = 0
    for place in RNG.integers(len(whole), size=1000).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(RNG.integers(8))
        path.write_bytes(damaged)
        try:
            read_archive(path)
        except ValueError as error:
            assert str(path) in str(error)
            noticed += 1
        else:
            holds(path, 3, state=10, rows=500)
    assert noticed > 900
    for place in [*range(FRAME), *range(ends[0], ends[0] + FRAME)]:  # of a frame, all are noticed
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"run\.npz is damaged"):
            read_archive(path)


def test_parts_that_do_not_fit_are_refused(path):
    with grown(path) as file:
        for rows in (np.zeros((5, 2)), np.zeros((7, 3))):
            file.write({}, {"energies": rows}, {})
    with pytest.raises(ValueError, match=r"run\.npz is damaged: its parts do not fit, in energies"):
        read_archive(path)


@pytest.mark.parametrize("trouble", ["a file too large", "a full disk", "Ctrl-C"])
def test_a_part_that_cannot_be_written_leaves_the_file_as_it_was(path, trouble, monkeypatch):
    with grown(path) as file:
        file.write(*contents(3))
        before = path.read_bytes()
        if trouble == "a file too large":
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        else:
            error = KeyboardInterrupt() if trouble == "Ctrl-C" else OSError(28, "No space left")

            def fail(_):
                raise error

            monkeypatch.setattr(growing.os, "fsync", fail)
        try:
            with pytest.raises((OSError, KeyboardInterrupt)) as caught:
                file.write(*contents(4, rows=10_000))
        finally:
            if trouble == "a file too large":
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        monkeypatch.undo()
        assert trouble == "Ctrl-C" or (str(path) in str(caught.value) and "untouched" in str(caught.value))
        assert path.read_bytes() == before
        file.write(*contents(5))
    holds(path, 5)


def test_all_of_a_part_is_on_disk_before_its_frame(path, monkeypatch):
    calls, fsync, pwrite = [], os.fsync, os.pwrite
    with grown(path) as file:
        file.write(*contents(3))
        end = path.stat().st_size
        monkeypatch.setattr("os.fsync", lambda file: (calls.append(path.stat().st_size), fsync(file)))
        monkeypatch.setattr("os.pwrite", lambda *given: (calls.append(given[2]), pwrite(*given)))
        file.write(*contents(4))
    assert calls == [path.stat().st_size, end, path.stat().st_size]


def torn_bytes(path) -> int:
    """How many bytes of a part that was not finished a file ends with."""
    content, start = Path(path).read_bytes(), 0
    while content[start : start + 15] == b"fastgibbs part ":
        length = int(content[start + 15 : start + 35])
        start += FRAME + length + -length % FRAME
    return len(content) - start if start else 0


KILLS = """
import os, random, signal, sys, time
import numpy as np
from fastgibbs.io import Growing, read_archive
from test_growing import torn_bytes

path, last = sys.argv[1], 0
rows = np.arange(400 * 300.0).reshape(-1, 300)


def write(file, k):
    file.write({"state": np.full(20_000, k % 256, np.uint8)}, {"energies": rows[: k % 400]}, {"number": k})


write(Growing(path, "checkpoint"), 0)
random.seed(3)
torn = grew = 0
for _ in range(100):
    writer = os.fork()
    if not writer:
        file, k = Growing(path, "checkpoint"), last
        while True:
            k += 1
            write(file, k)
    time.sleep(random.uniform(0.001, 0.06))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    archive = read_archive(path, "checkpoint")
    number = archive.header["number"]
    assert number >= last
    assert (archive.arrays["state"] == number % 256).all()
    assert (archive.arrays["energies"] == rows[: number % 400]).all()
    torn += torn_bytes(path) > 0
    grew += number > last + 1
    last = number
print(torn, grew)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork, which makes many processes cheap")
def test_a_writer_that_is_killed_at_any_moment_leaves_what_it_wrote_last(path):
    places = [str(Path(fg.__file__).parents[1]), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    command = [sys.executable, "-c", KILLS, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=240, env=environment, check=True)
    torn, grew = map(int, done.stdout.split())
    assert torn > 0  # it died in the middle of a part
    assert grew > 3


class Rows(NamedTuple):
    energies: np.ndarray


class Block(NamedTuple):
    record: Rows
    norms: np.ndarray


def bytes_written() -> int:
    """What this process has written to files so far."""
    with open("/proc/self/io") as file:
        return int(dict(line.split(": ") for line in file)["wchar"])


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="this system does not count what a process writes")
def test_a_hundred_checkpoints_write_each_row_once_and_the_state_a_hundred_times(path, monkeypatch):
    """In all: once when they were drawn, and once more when the run has ended, into one whole archive."""
    monkeypatch.setattr(growing.os, "fsync", lambda file: None)
    blocks = [Block(Rows(RNG.random((1000, 500))), np.zeros(2000)) for _ in range(2)]
    checkpoint = checkpoints.Checkpoint(path, 0, "sample", {"seed": 1})
    checkpoint.restore(blocks, [range(0, 64), range(64, 128)], {"record.energies": lambda done: done}, 1000, None)
    before = bytes_written()
    checkpoint.began(blocks, [0, 0])
    for done in range(10, 1001, 10):
        checkpoint.attend(blocks, [done, done], 2000)
        for index, block in enumerate(blocks):
            block.norms[:] = done
            checkpoint.saw(index, block, done)
            rows = checkpoint._copies[index][1]["record.energies"]
            assert np.shares_memory(rows, block.record.energies)  # they are not copied
        checkpoint.attend(blocks, [done, done], 2000)
        if done == 500:
            found = read_archive(path).arrays
            np.testing.assert_array_equal(found["block1.record.energies"], blocks[1].record.energies[:500])
            np.testing.assert_array_equal(found["block1.norms"], np.full(2000, 500.0))
    checkpoint.ended(blocks, [1000, 1000], 1000)
    checkpoint.release()
    written = bytes_written() - before
    rows, state = 2 * blocks[0].record.energies.nbytes, 2 * blocks[0].norms.nbytes
    about = 1000 + len(json.dumps(read_archive(path).header))
    assert rows + 100 * state < written < 2 * rows + 102 * (state + about + 1200)
    assert written < (100 * state + 50 * rows) / 5  # what whole files would take
    found = read_archive(path).arrays
    np.testing.assert_array_equal(found["block0.record.energies"], blocks[0].record.energies)
