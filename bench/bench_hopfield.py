"""The overlap engine on Hopfield memories, 64 chains that start at a pattern, one thread.

    python -m pytest bench/bench_hopfield.py -s

Limit, for 64 lanes of one attempt, in products of 16 bits: a pass over P overlaps, P 16 bits, loads them once and each
pattern once, 2.5 P bytes a lane; where a lane has flipped it also writes them. On top of it 33 operations of 32 bits
for the random number, the exponential and the decision.
"""

import os
import subprocess
import sys
import time

import numba
import numpy as np
import pytest
from contest import Run, compete, ours
from machine import Work

import fastgibbs as fg

CASES = {
    "N=10000 P=200 T=0.5": (10_000, 200, 0.5),
    "N=4000 P=200 T=1.2": (4000, 200, 1.2),
    "N=1000 P=100 T=0.6": (1000, 100, 0.6),
    "N=1000 P=50 T=0.3": (1000, 50, 0.3),
}


def memory(n, count, **kwargs):
    return fg.Hopfield(np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (count, n)), **kwargs)


def sampling(build, T, engine="auto", sweeps=None, chains=64):
    model = build()
    sweeps = sweeps or max(2, 20_000_000 // model.n // 64)
    options = dict(beta=1 / T, engine=engine, sweeps=sweeps, thin=sweeps, chains=chains, start=model.patterns[0])
    return ours(fg.sample, build, **options)


@numba.njit
def _cached_sweep(J, spins, fields, beta):
    """Gibbs sweep of one chain: a rejected attempt reads one number, an accepted one adds a row of J."""
    for i in range(spins.size):
        up = np.random.random() * (1 + np.exp(-2 * beta * fields[i])) < 1  # noqa: NPY002
        new = np.float32(1) if up else np.float32(-1)
        if new != spins[i]:
            change = new - spins[i]
            spins[i] = new
            row = J[i]
            for j in range(spins.size):
                fields[j] += change * row[j]


def cached(model, T):
    """The yardstick: dense float32 couplings and kept fields, in Numba."""
    xi, sweeps = model.patterns.astype(np.float32), max(2, 400_000 // model.n)

    def job():
        J = xi.T @ xi / np.float32(model.n)
        np.fill_diagonal(J, 0)
        spins = xi[0].copy()
        fields = J @ spins
        began = time.perf_counter()
        for _ in range(sweeps):
            _cached_sweep(J, spins, fields, 1 / T)
        return Run(sweeps * model.n, time.perf_counter() - began)

    return job


@pytest.mark.parametrize("name", CASES)
def test_overlap_engine_against_a_cached_dense_field(name):
    n, count, T = CASES[name]
    jobs = {"overlap": sampling(lambda: memory(n, count), T, "overlap"), "kept fields": cached(memory(n, count), T)}
    compete(f"Hopfield {name}", jobs, work=Work(words=0.5, bits=16 * count + 33 * 32, l1=2.5 * count))


@pytest.mark.parametrize(("n", "count", "T"), [(1000, 50, 0.3), (1000, 200, 1.0), (1000, 500, 0.3), (60, 500, 2.0)])
def test_auto_is_not_slower_than_the_better_engine(n, count, T):
    engines = "auto", "overlap", "dense", "sparse"
    jobs = {engine: sampling(lambda: memory(n, count), T, engine) for engine in engines}
    compete(f"Hopfield, auto: N={n} P={count} T={T}", jobs)


def test_the_other_rules():
    jobs = {
        "Hebb": sampling(lambda: memory(1000, 50), 0.3),
        "pseudo-inverse": sampling(lambda: memory(1000, 50, rule="pseudoinverse"), 0.3),
        "order 3": sampling(lambda: memory(1000, 50, order=3), 0.3),
        "order 4": sampling(lambda: memory(1000, 50, order=4), 0.3),
        "Hebb, N = 40000": sampling(lambda: memory(40_000, 50), 0.3),
    }
    compete("Hopfield, P=50, other rules", jobs)


MEASURED = """
import sys
import numpy as np
import fastgibbs as fg
n, count, chains = map(int, sys.argv[1:])
fg.sample(fg.Hopfield(np.ones((2, 20))), beta=1.0, sweeps=1, engine="overlap")
fg.sample(fg.Hopfield(np.ones((2, 40000), np.int8)), beta=1.0, sweeps=1, engine="overlap")
def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
open("/proc/self/clear_refs", "w").write("5")  # the peak is counted from here
before = kilobytes("VmRSS")
model = fg.Hopfield(np.random.default_rng(1).integers(0, 2, (count, n), np.int8) * np.int8(2) - np.int8(1))
result = fg.sample(model, beta=2.0, sweeps=2, chains=chains, start=model.patterns[0], seed=1, threads=1)
print((kilobytes("VmHWM") - before) / 1024, result.timing.updates_per_second / 1e9)
"""


@pytest.mark.parametrize(("n", "count", "most"), [(10_000, 200, 50), (100_000, 1000, 2000)])
def test_memory(n, count, most):
    """MB that a model, its patterns and a run of 64 chains add to a process."""
    arguments = [sys.executable, "-c", MEASURED, str(n), str(count), "64"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=os.environ)
    megabytes, rate = map(float, done.stdout.split())
    print(f"\nN={n} P={count}, 64 chains: {megabytes:.0f} MB, {rate:.4f} updates per ns")
    assert megabytes < most
