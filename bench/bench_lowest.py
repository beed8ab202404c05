"""What it costs to keep the lowest states of an annealing: time with keep=20 over time without, one core.

    python -m pytest bench/bench_lowest.py -s

Medians of runs that take turns, 64 reads, default schedule and rule.
"""

import numpy as np
import pytest

import fastgibbs as fg


def max_cut():
    i, j = np.triu_indices(800, 1)
    edges = np.random.default_rng(1).permutation(i.size)[:19176]
    return fg.Ising.from_edges(800, i[edges], j[edges], -1.0)


MODELS = {
    "max-cut like G1, n=800, degree 48": (max_cut, 1000),
    "EA 3D +-J L=10": (lambda: fg.edwards_anderson((10, 10, 10), seed=1), 1000),
    "EA 3D Gaussian L=10": (lambda: fg.edwards_anderson((10, 10, 10), "gaussian", seed=1), 300),
    "SK 256": (lambda: fg.sherrington_kirkpatrick(256, seed=1), 1000),
    "ring of 16": (lambda: fg.lattice((16,)), 10_000),
    "Hopfield n=500, 25 patterns": (
        lambda: fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (25, 500))),
        300,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_time_with_the_lowest_states_kept(benchmark, name):
    build, sweeps = MODELS[name]
    model = build()
    times = {0: [], 20: []}
    for turn in range(10):
        for keep, seconds in times.items():
            result = fg.anneal(model, sweeps=sweeps, keep=keep, seed=turn // 2, threads=1)
            seconds.append(result.timing.kernel)
    without, kept = np.median(times[0][1:]), np.median(times[20][1:])
    benchmark.pedantic(lambda: None, rounds=1)
    print(f"\n{name}, {result.engine}: {without:.4f} s without, {kept:.4f} s with: {kept / without:.3f}")
