"""The cache of compiled kernels: damage is noticed and mended, and the package works where no cache can be."""

import os
import shutil
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path

import pytest

import fastgibbs as fg

PACKAGE = Path(fg.__file__).parent
KERNEL = """
    from fastgibbs.jit import njit

    @njit
    def doubled(x):
        return 2 * x
"""
CALL = """
    import sys
    sys.path.insert(0, {folder!r})
    from kernel import doubled
    assert doubled({value}) == 2 * {value}
    print(sum(doubled.stats.cache_hits.values()))
"""


def child(script, **environment):
    """What a new process says on stdout and stderr; it must end well."""
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)} | environment
    environment = {name: value for name, value in environment.items() if value is not None}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def called(folder, cache, value=3, **environment):
    """A small kernel is called in a new process: hits of the cache, and what was said on stderr."""
    out, said = child(CALL.format(folder=str(folder), value=value), **{"NUMBA_CACHE_DIR": str(cache)} | environment)
    return int(out), said


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """The folder of a small kernel, and of a cache that holds it."""
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "kernel.py").write_text(textwrap.dedent(KERNEL))
    assert called(folder, folder / "cache") == (0, "")
    return folder


@pytest.fixture
def hits(kernel, tmp_path):
    """A function that calls the kernel, whose cache is `cache` in the folder of this test."""
    return partial(called, kernel, tmp_path / "cache")


@pytest.fixture
def filled(kernel, tmp_path):
    """That cache, when it holds the kernel."""
    return Path(shutil.copytree(kernel / "cache", tmp_path / "cache"))


def damaged(content, how):
    match how:
        case "empty":
            return b""
        case "cut":
            return content[: len(content) // 2]
        case "a bit flipped":  # in the middle of the machine code, or of the name of a file
            place = len(content) // 2
            return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("how", ["empty", "cut", "a bit flipped"])
def test_a_damaged_cache_is_rebuilt_with_one_warning_that_names_it(hits, filled, suffix, how):
    (file,) = filled.rglob(f"*{suffix}")
    file.write_bytes(damaged(file.read_bytes(), how))
    found, said = hits()
    assert found == 0
    assert said.count("RuntimeWarning") == 1 and "is damaged: kernels are compiled again" in said
    assert str(filled / "fastgibbs") in said
    assert hits() == (1, "")


def test_a_kernel_in_the_file_of_another_is_not_run(hits, filled):
    """As two processes may leave it that compile for different types at once."""
    assert hits(3.5)[0] == 0
    one, other = sorted(filled.rglob("*.nbc"))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert hits(3) == (0, "")
    assert hits(3) == (1, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into any folder")
def test_a_read_only_cache_serves_what_it_has_and_says_that_it_cannot_grow(hits, filled):
    folders = [filled, *(path for path in filled.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    try:
        assert hits(3) == (1, "")
        found, said = hits(3.5)
        assert found == 0
        assert said.count("RuntimeWarning") == 1 and "cannot be written (Permission denied)" in said
    finally:
        for folder in folders:
            folder.chmod(0o700)


def test_a_full_disk_costs_the_cache_alone(hits, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))")
    found, said = hits(PYTHONPATH=f"{tmp_path}{os.pathsep}{PACKAGE.parent}", PYTHONDONTWRITEBYTECODE="1")
    assert found == 0
    assert said.count("RuntimeWarning") == 1 and "cannot be written (File too large)" in said
    assert not [path for path in (tmp_path / "cache").rglob("*") if ".tmp." in path.name]


NOWHERE = """
    import pwd

    def unknown(uid):
        raise KeyError(uid)

    pwd.getpwuid = unknown
    import fastgibbs as fg
    from fastgibbs import jit
    print(jit.CACHE_FOLDER, fg.exact.spectrum(fg.lattice((3, 3))).ground_energy)
"""


def test_a_user_without_home_or_passwd_entry_imports_the_package(tmp_path):
    out, said = child(NOWHERE, HOME=None, NUMBA_CACHE_DIR=None, XDG_CACHE_HOME=None)
    assert (out, said) == ("None -18.0", "")


@pytest.mark.parametrize("named", ["", __file__])  # no folder, and a file where one should be
def test_a_kernel_runs_without_any_cache(kernel, named):
    found, said = called(kernel, named, HOME="relative-and-missing", XDG_CACHE_HOME="/proc/none")
    assert found == 0 and "cannot be written" in said


SAMPLED = """
    import fastgibbs as fg
    import numba

    @numba.njit
    def own(x):
        return x

    model = fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, 2.0])
    result = fg.sample(model, beta=0.5, sweeps=3, chains=2, seed=1, engine="sparse")
    print(result.energy.sum(), hasattr(own, "py_func"))
"""


def test_kernels_are_compiled_also_where_numba_is_told_not_to(tmp_path):
    """Compiled afresh, and with the variable, which goes on to hold for the user's own functions."""
    plain, _ = child(SAMPLED)
    interpreted, said = child(SAMPLED, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="1")
    assert said == ""
    assert plain.split()[0] == interpreted.split()[0]
    assert (plain.split()[1], interpreted.split()[1]) == ("True", "False")
