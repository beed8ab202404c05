"""`python -m pytest bench --save FILE` keeps the contests of a run; libraries of matrices run on one thread, like ours.

Where kernels are compiled for less than the machine has, those libraries keep to AVX2, too, but NumPy's own loops.
"""

import os

for _library in ("OPENBLAS", "MKL"):  # OMP_NUM_THREADS would tell fastgibbs, too
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # read when NumPy is imported
if "-avx512f" in os.environ.get("NUMBA_CPU_FEATURES", "").split(","):
    os.environ |= {"OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}

import contest  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--save", metavar="FILE", help="add this run's contests to a JSON file, as in bench/results")


def pytest_sessionfinish(session):
    path = session.config.getoption("--save")
    if path and contest.RECORDS:
        contest.save(path)
