"""Compilation: once, cached on disk, never stale, never again because a number or dtype changed; and memory."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
    result = fg.sample(model, beta=0.4, sweeps=3, chains=16, seed=1, progress={progress}, engine="{engine}")
print(sum(hold.stats.cache_hits.values()), result.energy.sum(), len(compiled.buffer))
"""


def fresh_process(cache, source=PACKAGE.parent, progress=False, engine="sparse"):
    """Of the first sample in a new process: cache hits, an energy, what was said on stderr, how often it compiled."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", SAMPLE.format(progress=progress, engine=engine)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=source)
    hits, energy, compiled = done.stdout.split()
    return int(hits), float(energy), done.stderr, int(compiled)


def test_a_kernel_is_compiled_once_and_then_comes_from_the_cache(tmp_path):
    hits, energy, said, compiled = fresh_process(tmp_path, progress=True)
    assert hits == 0 and "compiling (once)" in said and compiled
    hits, again, said, compiled = fresh_process(tmp_path, progress=True)
    assert hits == 1 and "compiling" not in said and not compiled
    assert again == energy


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
    assert abs(result.magnetization[0, -1]) < 1

small, large = 512, 32768
"""
TAKEN = """
import fastgibbs as fg

def kilobytes(name):  # ru_maxrss counts the parent's memory too
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])
{run}
run(small)
before = kilobytes("VmRSS")
run(large)
print((kilobytes("VmHWM") - before) / 1000)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system does not tell a process its peak memory"
)
@pytest.mark.parametrize(("run", "megabytes"), [(MILLION, 265), (BILLION, 430)], ids=["million", "billion"])
def test_a_million_spins_in_32_chains_and_a_billion_in_one_take_little_memory(run, megabytes):
    """Beside what a small run takes: Python, Numba and compiling are 180 to 280 MB, as the machine has it."""
    done = subprocess.run([sys.executable, "-c", TAKEN.format(run=run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < megabytes


def test_an_edited_callee_in_another_file_is_never_served_stale(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "copy" / "fastgibbs", ignore=shutil.ignore_patterns("__pycache__"))
    first = fresh_process(tmp_path / "cache", tmp_path / "copy")
    assert fresh_process(tmp_path / "cache", tmp_path / "copy")[:2] == (1, first[1])
    arithmetic = tmp_path / "copy" / "fastgibbs" / "engines" / "arithmetic.py"
    before = arithmetic.stat()
    arithmetic.write_text(arithmetic.read_text().replace("^ bitcast(spare,", "^ -1 ^ bitcast(spare,"))
    os.utime(arithmetic, (before.st_atime, before.st_mtime))
    edited = fresh_process(tmp_path / "cache", tmp_path / "copy")
    assert edited[0] == 0
    assert edited[1] != first[1]


OUTSIDE = {  # a label, a docstring and a check
    "plots/traces.py": ('"magnetisation per site m"', '"m"'),
    "models/ising.py": ("The model itself.", "This model."),
    "methods/recall.py": ("beta <= 0", "not beta > 0"),
}


def test_an_edit_outside_the_engines_compiles_nothing(tmp_path):
    package, cache = tmp_path / "copy" / "fastgibbs", tmp_path / "cache"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    energy = fresh_process(cache, package.parent)[1]
    kernels = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")}
    for name, (old, new) in OUTSIDE.items():
        before = (package / name).read_text()
        assert before.count(old) == 1, f"{name} no longer has {old}"
        (package / name).write_text(before.replace(old, new))
    assert fresh_process(cache, package.parent) == (1, energy, "", 0)
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb?")} == kernels


def test_a_cache_folder_that_cannot_be_written_only_costs_time(tmp_path):
    (tmp_path / "fastgibbs").write_text("a file stands where the folder should be")
    assert fresh_process(tmp_path)[0] == 0


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


WIDE = """
import fastgibbs as fg
from fastgibbs.engines.entries import hold
fg.sample(fg.lattice((4, 4)), beta=0.4, sweeps=1, engine="{engine}")
(assembly,) = hold.inspect_asm().values()
print(assembly.count("%ymm") + assembly.count("%zmm"))
"""


@pytest.mark.parametrize("engine", ["sparse", "multispin", "dense"])
def test_the_hot_loop_uses_the_machines_wide_registers(tmp_path, engine):
    features = Path("/proc/cpuinfo")
    if not features.exists() or "avx2" not in features.read_text():
        pytest.skip("this CPU has no AVX2, so there are no wide registers to look for")
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}  # cached code cannot be inspected
    script = WIDE.format(engine=engine)
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 300
