"""Files as a careful program treats them: links, modes, names, pipes, locks, sizes; and the memory that is left."""

import gzip
import json
import os
import resource
import stat
import struct
import subprocess
import sys
import textwrap
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.io import archive, held, read_archive, read_idx, read_rudy, replace_file, write_archive, write_rudy
from fastgibbs.models import resources

MODEL = fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, 2.0])
TINY = dict(beta=0.5, sweeps=3, chains=2, engine="sparse")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


def test_a_link_stays_and_what_it_points_to_is_written(path, tmp_path):
    for target in (tmp_path / "there.npz", tmp_path / "not yet.npz"):
        path.unlink(missing_ok=True)
        path.symlink_to(target.name)
        for seed in (1, 1):
            fg.sample(MODEL, checkpoint=path, seed=seed, **TINY)
        assert path.is_symlink() and not target.is_symlink()
        assert read_archive(target).kind == "checkpoint"
        (tmp_path / "there.npz").unlink(missing_ok=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["not yet.npz", "run.npz"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_a_mode_stays(path, mode):
    replace_file(path, b"old")
    path.chmod(mode)
    replace_file(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


def test_a_new_file_has_the_mode_of_any_other(path, tmp_path):
    replace_file(path, b"")
    (tmp_path / "other").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("length", [1, 215, 250, 255])
def test_a_name_of_any_length_is_written(tmp_path, length):
    path = tmp_path / ("x" * length)
    fg.sample(MODEL, checkpoint=path, seed=1, **TINY).save(tmp_path / ("y" * length))
    assert len(list(tmp_path.iterdir())) == 2


def test_a_relative_path_is_meant_from_where_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def leaving(states):
        os.chdir(tmp_path / "elsewhere")
        return states[:, 0]

    fg.sample(MODEL, checkpoint="run.npz", seed=1, observe={"first": leaving}, **TINY)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["elsewhere", "run.npz"]
    assert not list((tmp_path / "elsewhere").iterdir())


READERS = {
    "archive": read_archive,
    "load": fg.load,
    "idx": read_idx,
    "rudy": read_rudy,
    "checkpoint": lambda path: fg.sample(MODEL, checkpoint=path, **TINY),
    "replace": lambda path: replace_file(path, b""),
    "save": lambda path: write_rudy(path, MODEL),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link to a pipe"])
def test_what_is_no_file_is_refused_at_once_and_left_alone(tmp_path, reader, kind):
    path = Path("/dev/zero") if kind == "device" else tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    if kind.endswith("pipe"):
        os.mkfifo(tmp_path / "a pipe")
        path = tmp_path / "a pipe"
    if kind.startswith("link"):
        (tmp_path / "thing").symlink_to(path)
        path = tmp_path / "thing"
    before = path.stat().st_mode
    with pytest.raises(ValueError, match=rf"{path} is a {kind.split()[-1]}: give the path of a file"):
        READERS[reader](path)
    assert path.stat().st_mode == before


@pytest.mark.parametrize("reader", ["archive", "load", "idx", "rudy"])
@pytest.mark.parametrize("path", [None, 3, b"bytes", ["a"]], ids=str)
def test_a_path_that_is_none_is_a_type_error(reader, path):
    with pytest.raises(TypeError, match=r"path is .*: give the path of a file"):
        READERS[reader](path)


HOLDING = """
    import sys, time
    from fastgibbs.io import held
    with held(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
"""


def test_another_process_on_the_same_file_is_told_and_a_killed_one_holds_nothing(path):
    command = [sys.executable, "-c", textwrap.dedent(HOLDING), str(path)]
    environment = os.environ | {"PYTHONPATH": str(Path(fg.__file__).parents[1])}
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=rf"run\.npz is in use by another run, of process {process.pid}"):
            fg.sample(MODEL, checkpoint=path, **TINY)
        with pytest.raises(ValueError, match="is in use by another run"):
            fg.anneal(MODEL, sweeps=3, checkpoint=path)
    finally:
        process.kill()
        process.communicate()
    fg.sample(MODEL, checkpoint=path, **TINY)
    assert [file.name for file in path.parent.iterdir()] == ["run.npz"]


def test_two_threads_on_the_same_file_are_told_and_a_refused_run_holds_nothing(path):
    heard = []

    def run():
        try:
            fg.sample(MODEL, checkpoint=path, **TINY)
        except ValueError as error:
            heard.append(str(error))

    with held(path):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert len(heard) == 1 and "is in use by another run" in heard[0]
    path.write_text("nothing of the kind")
    for _ in range(2):  # the first traceback is still there when the second call is made
        with pytest.raises(ValueError, match="damaged or not an archive"):
            fg.sample(MODEL, checkpoint=path, **TINY)
    assert [file.name for file in path.parent.iterdir()] == ["run.npz"]


def test_parts_of_dead_writers_are_removed_and_those_of_living_ones_left(path, tmp_path):
    with archive.replacing(path) as file:
        (living,) = tmp_path.iterdir()
        dead = living.with_name(living.name[:18] + "0123456789abcdef.partial")
        dead.write_bytes(b"half")
        replace_file(path, b"one")
        assert sorted(tmp_path.iterdir()) == sorted([living, path])
        file.write(b"other")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"other"


def rewritten(path, compression=zipfile.ZIP_STORED, about=lambda about: None, **members):
    """The archive with other members, a changed header and a right checksum."""
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()} | members
    header = json.loads(content["header.json"])
    about(header)
    content["header.json"] = json.dumps(header).encode()
    del content["sha256"]
    digest = archive.hashlib.sha256()
    for name, part in content.items():
        digest.update(f"{name}\0".encode())
        digest.update(part)
    content["sha256"] = digest.hexdigest().encode()
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, part in content.items():
            file.writestr(name, part)


@pytest.mark.parametrize("version", ["0.2", "99.0.1", "0.1.1.dev0"])
def test_a_checkpoint_of_a_later_version_is_refused(path, version):
    fg.sample(MODEL, checkpoint=path, seed=1, **TINY)
    rewritten(path)
    fg.sample(MODEL, checkpoint=path, seed=1, **TINY)
    rewritten(path, about=lambda about: about["versions"].update(fastgibbs=version))
    with pytest.raises(ValueError, match=f"run.npz was written by fastgibbs {version}, this is {fg.__version__}"):
        fg.sample(MODEL, checkpoint=path, seed=1, **TINY)


def test_the_version_is_that_of_the_project():
    assert f'version = "{fg.__version__}"' in (Path(fg.__file__).parents[1] / "pyproject.toml").read_text()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def npy(shape, dtype="f8", order="False", content=b""):
    """A .npy file of any header."""
    header = f"{{'descr': '{dtype}', 'fortran_order': {order}, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def test_no_more_is_unpacked_than_a_file_has_bytes(path, tmp_path):
    fg.sample(MODEL, checkpoint=path, seed=1, **TINY)
    before = peak()
    rewritten(path, zipfile.ZIP_DEFLATED, **{"bomb.npy": b"\0" * 2**27})
    assert path.stat().st_size < 2**20
    bombed = peak()  # it took memory to make it
    with pytest.raises(ValueError, match=r"bomb\.npy declares 134217856|archives are not compressed"):
        read_archive(path)
    for shape in ("(1000000000000,)", "(-1, -8)", "(2, 3)", "(1099511627776, 0, 3)", "3"):
        write_archive(path, "sample", {}, {})
        rewritten(path, **{"energy.npy": npy(shape)})
        if ", 0," not in shape:
            with pytest.raises(ValueError, match=r"run\.npz: energy\.npy holds no array"):
                read_archive(path)
    for header in (npy("(1,)", "O", content=b"\0" * 8), b"", b"\x93NUMPY\x09\x00", npy("(1,)", "f8, x")):
        rewritten(path, **{"energy.npy": header})
        with pytest.raises(ValueError, match=r"run\.npz: energy\.npy holds no array"):
            read_archive(path)
    content = struct.pack(">BBBBI", 0, 0, 8, 1, 10) + b"\0" * 2**27
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(content))
    made = peak()
    with pytest.raises(ValueError, match=r"bomb\.gz holds more bytes of numbers, its header \(10,\) announces 10"):
        read_idx(tmp_path / "bomb.gz")
    assert peak() - made < 20 and bombed >= before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (struct.pack(">BBBBIIII", 0, 0, 8, 4, 0, *[2**32 - 1] * 3), "which no array can have"),
        (struct.pack(">BBBB", 0, 0, 8, 65) + b"\0" * 260, "announces 65 axes: an array has at most 64"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 2**32 - 1), "too few bytes of numbers"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 3) + b"1234", "more bytes of numbers"),
        (struct.pack(">BBBBI", 0, 0, 7, 1, 3), "type 7 of the numbers is unknown"),
        (b"\0\0", "is no IDX file"),
        (b"", "is no IDX file"),
        (struct.pack(">BBBB", 0, 0, 8, 3), "ends in its header"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_that_announce_what_they_do_not_hold_are_refused(tmp_path, content, words, packed):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(ValueError) as caught:
        read_idx(path)
    assert str(path) in str(caught.value) and words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n3 2\n# another\n1 2 1\n  # and one more 7\n2 3 -2\n# the end\n",
        "\ufeff3 2\n1 2 1\n2 3 -2\n",
        "\ufeff# \u00b5\r\n3 2\r\n1 2 1\r\n2 3 -2\r\n",
    ],
)
def test_rudy_files_have_comments_and_byte_order_marks(tmp_path, text):
    (tmp_path / "graph").write_text(text, encoding="utf-8", newline="")
    assert [part.tolist() for part in read_rudy(tmp_path / "graph").bonds] == [[0, 1], [1, 2], [-1.0, 2.0]]


@pytest.mark.parametrize(
    "line", ["1_0 2 1", "1 2 1_0", "\u0661 2 1", "\uff11 2 1", "1 2 \u0663", "1 2 1e999", "1 2 0x1"]
)
def test_rudy_files_hold_plain_numbers(tmp_path, line):
    (tmp_path / "graph").write_text(f"20 1\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: "):
        read_rudy(tmp_path / "graph")
    (tmp_path / "graph").write_text("\uff13 1\n1 2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1: "):
        read_rudy(tmp_path / "graph")


def change_model(header, **numbers):
    header["header"]["models"][0].update(numbers)


@pytest.fixture(scope="module")
def results():
    return {"sample": fg.sample(MODEL, seed=1, **TINY), "lattice": fg.sample(fg.lattice((4, 4)), seed=1, **TINY)}


DOCTORED = [
    ("lattice", lambda about: change_model(about, shape=[2**20, 2**20])),
    ("lattice", lambda about: change_model(about, shape=[2**15, 2**16])),
    ("lattice", lambda about: change_model(about, shape=[2, 8])),
    ("lattice", lambda about: change_model(about, steps=[[1, 0], [0, 2]])),
    ("lattice", lambda about: change_model(about, J=None)),
    ("lattice", lambda about: change_model(about, h=[1] * 16)),
    ("sample", lambda about: change_model(about, n=2**31 - 1)),
    ("sample", lambda about: change_model(about, n=-3)),
    ("sample", lambda about: change_model(about, n="3")),
    ("sample", lambda about: change_model(about, type="Potts")),
    ("sample", lambda about: change_model(about, more=3)),
    ("sample", lambda about: change_model(about, offset="x")),
    ("sample", lambda about: about["header"].pop("models")),
    ("sample", lambda about: about["header"].pop("seed")),
    ("sample", lambda about: about["header"].update(strips=10**9)),
    ("sample", lambda about: about["header"].update(thin=0)),
    ("sample", lambda about: about["header"].update(seed=2.5)),
    ("sample", lambda about: about["header"].update(engine="magic")),
    ("sample", lambda about: about["header"].update(timing=[1, 2])),
    ("sample", lambda about: about["header"].update(models=3)),
    ("sample", lambda about: about.update(kind="temper")),
]


@pytest.mark.parametrize("number", range(len(DOCTORED)))
def test_doctored_results_are_refused_without_taking_memory(results, path, number):
    name, change = DOCTORED[number]
    results[name].save(path)
    rewritten(path, about=change)
    before = peak()
    with pytest.raises(ValueError, match=r"run\.npz holds a (sample|temper) that no run returns"):
        fg.load(path)
    assert peak() - before < 100


@pytest.mark.parametrize("name", ["energy", "magnetization", "beta", "states", "samples", "model0.fields", "model0.i"])
def test_arrays_of_a_result_that_do_not_fit_are_refused(results, path, name):
    results["sample"].save(path)
    kind, arrays, header, _ = read_archive(path)
    fewer = arrays[name][:0] if name != "samples" else arrays[name][:, :0]  # of which there may be none
    for wrong in (arrays[name][..., None], arrays[name].astype(complex), fewer, np.zeros((2**20, 0, 7))):
        write_archive(path, kind, arrays | {name: wrong}, header)
        with pytest.raises(ValueError, match=r"run\.npz holds a sample that no run returns"):
            fg.load(path)


def test_memory_is_what_the_containers_of_this_process_have_left(tmp_path, monkeypatch):
    """Nested ones too, in both versions of control groups; pages that are only cached are not counted as used."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   8000 kB\n")
    (proc / "self/statm").write_text("1 1 1 1 1 1 1\n")
    monkeypatch.setattr(resources, "_PROC", proc)
    monkeypatch.setattr(resources, "_CGROUPS", groups)
    assert resources.memory() == 8_192_000
    (proc / "self/cgroup").write_text("7:cpu,memory:/old\n0::/outer/inner\n")
    outer, old = groups / "outer", groups / "memory" / "old"
    for folder in (outer / "inner", old):
        folder.mkdir(parents=True)
        (folder / "memory.stat").write_text("anon 5\ninactive_file 1000\ntotal_inactive_file 2000\n")
    (outer / "memory.stat").write_text("inactive_file 0\n")
    for folder, limit, used in ((outer / "inner", "max", 3), (outer, "1000000", 400_000)):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
    assert resources.memory() == 600_000
    (old / "memory.limit_in_bytes").write_text("500000\n")
    (old / "memory.usage_in_bytes").write_text("100000\n")
    assert resources.memory() == 402_000


def test_memory_is_what_the_limit_on_this_process_leaves():
    script = """
        import resource
        from fastgibbs.models import checks, resources
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
        left = resources.memory()
        assert 0 < left < 2**33, left
        try:
            checks.require_memory(2**33, "it")
        except ValueError as error:
            print(error)
    """
    environment = os.environ | {"PYTHONPATH": str(Path(fg.__file__).parents[1])}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert "it needs 8.0 GiB" in done.stdout
