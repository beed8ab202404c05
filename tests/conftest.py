"""Fixtures that several files of tests share."""

import importlib
import os
import signal
import sys

import pytest

for _library in ("OPENBLAS", "MKL"):  # before NumPy is imported; OMP_NUM_THREADS would tell fastgibbs, too
    os.environ[f"{_library}_NUM_THREADS"] = "1"  # threads of BLAS wait for each other where workers share the cores

os.fsync = lambda descriptor: None  # no test cuts the power, and tests of files wait for disks as long as they compute
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: processes of tests inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What begins first: files that compile in folders of their own, while `verify` of CI compiles for all; the one that
# compiles what is left, for all; then what takes longest, so that workers end together.
FIRST = ["jit", "outside_engines", "strangers", "cache", "warm", "checkpoint_kills", "stopping", "doctored", "proofs"]
FIRST += ["tempering_twin", "overlap", "dense", "cluster_ladders", "log_z", "clusters", "checkpoints", "parity"]
FIRST += ["learning_runs", "ladder_bounds", "grid", "gates", "described", "gallery_runs", "campaign_command", "gallery"]
FIRST += ["layered", "clamping", "kept_bins", "annealing", "reweighting", "training_runs", "examples", "training"]


def pytest_configure(config):
    """Workers get files in the order of their tests, not those of the most tests first."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Files of FIRST come first, in its order."""
    ranks = {f"test_{name}.py": rank for rank, name in enumerate(FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


@pytest.fixture
def undescended(monkeypatch):
    """Runs return the best states that they have seen, without the descent at the end."""
    monkeypatch.setattr("fastgibbs.methods.cooling.quenched", lambda model, states, *rest: states)


@pytest.fixture
def swept(monkeypatch):
    """The paths of checkpoints whose runs have begun to sweep in this process, as text."""
    kind = importlib.import_module("fastgibbs.methods.checkpoints").Checkpoint
    paths, saw = set(), kind.saw
    monkeypatch.setattr(kind, "saw", lambda self, *told: (saw(self, *told), paths.add(self.path)))
    return paths


@pytest.fixture(autouse=True)
def pictures_end_with_their_test():
    """What pyplot keeps is seen by no other test."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def no_picture_shown(monkeypatch):
    """Pictures are drawn for files, and a test that shows one fails."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="pictures need the extra [plot]")
    pyplot.switch_backend("agg")
    monkeypatch.setattr(pyplot, "show", lambda *_, **__: pytest.fail("a picture was shown"))


@pytest.fixture(scope="session")
def fg():
    """The package, which the process that only hands out tests need not wait for."""
    return importlib.import_module("fastgibbs")


@pytest.fixture(scope="session")
def sampled(fg):
    """Five chains of a lattice at each of three temperatures."""
    betas = [1 / T for T in (1.5, 2.5, 4.0) for _ in range(5)]
    return fg.sample(fg.lattice((8, 8), h=0.0), beta=betas, sweeps=42, burn_in=30, thin=2, seed=1)


@pytest.fixture(scope="session")
def tempered(fg):
    """Six ladders of a glass, from infinite temperature down."""
    glass = fg.edwards_anderson((4, 4), seed=1)
    return fg.temper(glass, betas=[0, 0.1, 0.5, 1.0, 2.0], sweeps=400, ladders=6, burn_in=10, thin=4, seed=1)


@pytest.fixture(scope="session")
def annealed(fg):
    """Reads of a glass on a random graph."""
    return fg.anneal(fg.random_regular(20, 3, seed=3), sweeps=12, reads=32, seed=1)
