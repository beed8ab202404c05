"""`python -m pytest bench --save FILE` keeps the contests of a run; BLAS runs on one thread, like ours."""

import os

for _library in ("OPENBLAS", "MKL"):  # OMP_NUM_THREADS would tell fastgibbs, too
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")  # read when NumPy is imported

import contest  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--save", metavar="FILE", help="add this run's contests to a JSON file, as in bench/results")


def pytest_sessionfinish(session):
    path = session.config.getoption("--save")
    if path and contest.RECORDS:
        contest.save(path)
