"""Compilation: once, cached on disk, never stale, never again because a number or dtype changed; and memory."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import memory
import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines.entries import hold

PACKAGE = Path(fg.__file__).parent
SAMPLE = """
from numba.core import event
with event.install_recorder("numba:compile") as compiled:
    import fastgibbs as fg
    from fastgibbs.engines.entries import hold
    model = fg.lattice((8, 8))
    result = fg.sample(model, beta=0.4, sweeps=3, chains=16, seed=1, progress=True, engine="{engine}")
assembly = "".join(hold.inspect_asm().values()) if compiled.buffer else ""
print(sum(hold.stats.cache_hits.values()), result.energy.sum(), len(compiled.buffer))
print(assembly.count("%ymm") + assembly.count("%zmm"))
"""


class First(NamedTuple):
    """The first sample of a process."""

    hits: int
    energy: float
    compiled: int  # how often
    wide: int  # wide registers named by what was compiled
    said: str


def first(cache, source=PACKAGE.parent, engine="sparse"):
    """The first sample in a new process."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", SAMPLE.format(engine=engine)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=source)
    hits, energy, compiled, wide = done.stdout.split()
    return First(int(hits), float(energy), int(compiled), int(wide), done.stderr)


class Copy(NamedTuple):
    """A copy of the package with a cache of its own, in which one process has compiled."""

    package: Path
    cache: Path
    begun: First

    def again(self):
        return first(self.cache, self.package.parent)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copied")
    package, cache = folder / "copy" / "fastgibbs", folder / "cache"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return Copy(package, cache, first(cache, package.parent))


def test_a_kernel_is_compiled_once_and_then_comes_from_the_cache(copied):
    assert copied.begun.hits == 0 and "compiling (once)" in copied.begun.said and copied.begun.compiled
    again = copied.again()
    assert (again.hits, again.compiled) == (1, 0) and "compiling" not in again.said
    assert again.energy == copied.begun.energy


OUTSIDE = {  # a label, a docstring and a check
    "plots/curves.py": ('"magnetisation per site <|m|>"', '"m"'),
    "models/ising.py": ("The model itself.", "This model."),
    "methods/recall.py": ("beta <= 0", "not beta > 0"),
}


def test_an_edit_outside_the_engines_compiles_nothing(copied):
    kernels = {path: path.stat().st_mtime_ns for path in copied.cache.rglob("*.nb?")}
    for name, (old, new) in OUTSIDE.items():
        before = (copied.package / name).read_text()
        assert before.count(old) == 1, f"{name} no longer has {old}"
        (copied.package / name).write_text(before.replace(old, new))
    again = copied.again()
    assert (again.hits, again.energy, again.compiled) == (1, copied.begun.energy, 0)
    assert {path: path.stat().st_mtime_ns for path in copied.cache.rglob("*.nb?")} == kernels


def test_an_edited_callee_in_another_file_is_never_served_stale(copied):
    arithmetic = copied.package / "engines" / "arithmetic.py"
    before, content = arithmetic.stat(), arithmetic.read_text()
    arithmetic.write_text(content.replace("^ bitcast(spare,", "^ -1 ^ bitcast(spare,"))
    os.utime(arithmetic, (before.st_atime, before.st_mtime))
    edited = copied.again()
    arithmetic.write_text(content)
    assert edited.hits == 0
    assert edited.energy != copied.begun.energy


@pytest.mark.parametrize("engine", ["sparse", "multispin", "dense"])
def test_the_hot_loop_uses_the_machines_wide_registers(copied, tmp_path, engine):
    """As it is compiled: cached code cannot be inspected."""
    features = Path("/proc/cpuinfo")
    if not features.exists() or "avx2" not in features.read_text():
        pytest.skip("this CPU has no AVX2, so there are no wide registers to look for")
    assert (copied.begun if engine == "sparse" else first(tmp_path, engine=engine)).wide > 300


MILLION = """
def run(side):
    model = fg.edwards_anderson((side, side, side), "gaussian", seed=1)
    result = fg.sample(model, beta=0.5, sweeps=4, chains=32, seed=1)
    assert (model.energy(result.states[:1]) == result.energy[:1, -1]).all()

small, large = 10, 100
"""
BILLION = """
def run(side):
    result = fg.sample(fg.lattice((side, side)), beta=0.3, sweeps=2, chains=1, seed=1)
    assert abs(result.magnetization[0, -1]) < 1e-3 * 32768 / side

small, large = 512, 32768
"""


@memory.TOLD
@pytest.mark.parametrize(("run", "megabytes"), [(MILLION, 265), (BILLION, 430)], ids=["million", "billion"])
def test_a_million_spins_in_32_chains_and_a_billion_in_one_take_little_memory(run, megabytes):
    taken, _ = memory.taken(f"{run}\nrun(small)", "run(large)")
    assert taken < megabytes * 1e6


def test_changing_any_number_size_or_dtype_compiles_nothing_new():
    """There is one kernel for whole numbers, whose spins are bytes, and one for others."""
    for disorder in ("bimodal", "gaussian"):
        fg.sample(fg.edwards_anderson((4, 4), disorder, seed=1), beta=0.4, sweeps=3, engine="sparse")
    signatures = len(hold.signatures)
    couplings = np.ones((4, 4)) - np.eye(4)
    frozen = couplings.copy()
    frozen.flags.writeable = False
    models = [
        fg.lattice((3, 5, 2), J=-2, h=0.5),
        fg.edwards_anderson((4, 4), "gaussian", seed=1),
        fg.Ising(couplings.astype(np.float32)),
        fg.Ising(couplings.astype(">i4")),
        fg.Ising(frozen[::-1, ::-1], [1, 2, 3, 4], offset=3),
        fg.Ising.from_edges(5, [0, 1], [1, 2], [1, 2]),
        fg.Hopfield(np.ones((2, 9), np.int64)),
        fg.RBM(np.ones((3, 2), np.float32)),
        fg.Ising(np.zeros((0, 0))),
    ]
    for model in models:
        sample_in_many_ways(model, "sparse")
    assert len(hold.signatures) == signatures


def test_multispin_models_of_one_degree_compile_once():
    """There is one kernel for each degree, folded for a uniform degree without a field, and one not folded."""
    fg.sample(fg.lattice((4, 4)), beta=0.4, sweeps=3, engine="multispin")
    signatures = len(hold.signatures)
    for model in (
        fg.lattice((3, 5), J=-2),
        fg.edwards_anderson((6, 4), seed=1),
        fg.random_regular(30, 4, seed=1),
        fg.lattice((128, 4), J=np.float32(0.5)),
        fg.lattice((4, 6)).to_ising(),
    ):
        sample_in_many_ways(model, "multispin")
    fg.sample([fg.edwards_anderson((6, 4), seed=k) for k in range(3)], beta=0.4, sweeps=3)
    assert len(hold.signatures) == signatures


def sample_in_many_ways(model, engine):
    for arguments in (
        dict(beta=1, sweeps=2),
        dict(beta=np.float32(0.3), sweeps=np.int32(4), thin=2, rule="metropolis"),
        dict(beta=np.linspace(0, 1, 70, dtype=">f4"), sweeps=2, keep_states=True),
        dict(beta=-0.5, sweeps=2, chains=1, threads=2, start=model.from_spins(np.ones(model.n, np.int8))),
    ):
        fg.sample(model, engine=engine, **arguments)
