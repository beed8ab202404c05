"""What the descent at the end of `anneal` costs, in sweeps of the same run: 64 reads, default schedule.

    python -m pytest bench/bench_descent.py -s

It starts from the last states of 300 sweeps; what a sweep takes is the mean over the run. Where clusters turn too,
a search in each read comes on top.
"""

import time

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.methods.descent import quenched

READS, SWEEPS, ROUNDS = 64, 300, 5


def regular(n, degree, kind=None, fields=None):
    """A random regular graph: J = -1 on all bonds, or as `kind` says."""
    i, j, J = fg.random_regular(n, degree, kind or "bimodal", seed=1).bonds
    return fg.Ising.from_edges(n, i, j, J if kind else -np.ones(J.size), fields)


def partition(n):
    numbers = np.random.default_rng(1).uniform(size=n)
    return fg.Ising(np.diag(numbers**2) - np.outer(numbers, numbers))


def memory(n, count):
    return fg.Hopfield(np.random.default_rng(2).choice([-1, 1], (count, n)))


def machine(visible, hidden):
    rng = np.random.default_rng(3)
    return fg.RBM(rng.normal(size=(visible, hidden)) / 10, rng.normal(size=visible), rng.normal(size=hidden))


NORMAL = np.random.default_rng(4).normal(size=1000)
FEW, MANY = 40, 200  # sweeps, on a busy machine
MODELS = {
    "max-cut, 48-regular": (lambda: regular(800, 48), FEW),
    "EA 3D +-J": (lambda: fg.edwards_anderson((10, 10, 10), seed=1), FEW),
    "EA 3D Gaussian": (lambda: fg.edwards_anderson((10, 10, 10), "gaussian", seed=1), FEW),
    "3-regular +-J": (lambda: fg.random_regular(1000, 3, seed=1), FEW),
    "3-regular Gaussian": (lambda: fg.random_regular(1000, 3, "gaussian", seed=1), FEW),
    "SK Gaussian, 256": (lambda: fg.sherrington_kirkpatrick(256, seed=1), FEW),
    "SK +-J, 256": (lambda: fg.sherrington_kirkpatrick(256, "bimodal", seed=1), FEW),
    "SK Gaussian, 1024": (lambda: fg.sherrington_kirkpatrick(1024, seed=1), FEW),
    "SK +-J, 1024": (lambda: fg.sherrington_kirkpatrick(1024, "bimodal", seed=1), FEW),
    "number partitioning, 64": (lambda: partition(64), FEW),
    "Hopfield, 100 of 1000": (lambda: memory(1000, 100), FEW),
    "Hopfield, 500 of 1000": (lambda: memory(1000, 500), MANY),
    "Hopfield, 100 of 5000": (lambda: memory(5000, 100), FEW),
    "Hopfield, 500 of 5000": (lambda: memory(5000, 500), FEW),
    "RBM, 784 x 500": (lambda: machine(784, 500), FEW),
    "chain, with clusters": (lambda: fg.Ising.from_edges(1000, range(999), range(1, 1000), NORMAL[:999]), MANY),
    "6-regular in fields, with clusters": (lambda: regular(1000, 6, "gaussian", 0.3 * NORMAL), MANY),
    "48-regular in fields, with clusters": (lambda: regular(800, 48, None, 0.3 * NORMAL[:800]), MANY),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_descent_costs_a_few_sweeps(name):
    build, most = MODELS[name]
    model = build()
    fg.anneal(model, betas=[1.0], sweeps=1, reads=READS)  # compiles
    for threads in (1, 2):
        result = fg.anneal(model, sweeps=SWEEPS, reads=READS, seed=1, threads=threads)
        sweep, seconds = result.timing.kernel / SWEEPS, []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            found = quenched(model, result.last_states, threads=threads)
            seconds.append(time.perf_counter() - begun)
        flips = (found != result.last_states).sum() / READS
        print(
            f"\n{name}, {result.engine}, {threads} threads: {min(seconds) * 1e3:.3f} ms, {flips:.1f} flips a read, "
            f"{min(seconds) / sweep:.1f} sweeps of {sweep * 1e3:.3f} ms",
            end="",
        )
        assert min(seconds) < most * sweep
