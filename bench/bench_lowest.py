"""What it costs to keep the lowest states of an annealing: time with keep=20 over time without, one core.

    python -m pytest bench/bench_lowest.py -s

64 reads, default schedule and rule.
"""

import numpy as np
import pytest
from contest import compete, ours

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
def test_time_with_the_lowest_states_kept(name):
    build, sweeps = MODELS[name]
    model = build()
    jobs = {f"keep={keep}": ours(fg.anneal, lambda: model, sweeps=sweeps, keep=keep) for keep in (20, 0)}
    compete(f"lowest states kept: {name}", jobs, rounds=9)
