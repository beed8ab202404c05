"""The default schedule of `anneal` against the best of a scan over (hot, cold, linear or geometric): mean energies.

    python -m pytest bench/bench_schedules.py -s

Every model is annealed by 1000 sweeps with each schedule of the scan; the best of them is run again with other seeds,
and so is the default, with 1000 sweeps and with 1150. Ends of the scan are in units of the mean of what flips cost at
local minima. G1 and G14 are read from the folder GSET.
"""

import os
from pathlib import Path

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.methods.descent import flip_costs

READS, SWEEPS = 128, 1000
HOTS, COLDS = (0.7, 1.4, 2.5, 3.8, 5.0), (4.5, 6, 8.5, 12, 17)


def partition(n, seed):
    """Numbers that two sides share: J_ij = -a_i a_j."""
    numbers = np.random.default_rng(seed).uniform(size=n)
    J = -np.outer(numbers, numbers)
    np.fill_diagonal(J, 0)
    return fg.Ising(J)


def tour(cities, seed, penalty=2.0):
    """The travelling salesman: x_it = 1 if city i is visited at time t, penalties for two at a time or twice."""
    places = np.random.default_rng(seed).random((cities, 2))
    distances = np.hypot(*(places[:, None] - places[None]).T)
    once, after = 1 - np.eye(cities), np.roll(np.eye(cities), 1, axis=1)
    Q = penalty * (np.kron(np.eye(cities), once) + np.kron(once, np.eye(cities)))
    Q += np.kron(distances, after + after.T) / 2
    return fg.BoltzmannMachine(-Q, np.full(cities**2, 2 * penalty))


def machine():
    rng = np.random.default_rng(3)
    return fg.RBM(rng.normal(size=(64, 32)), rng.normal(size=64), rng.normal(size=32))


def toroidal(side, seed):
    """A toroidal Gaussian graph in whole numbers, as those of DIMACS."""
    i, j, J = fg.edwards_anderson((side,) * 3, "gaussian", seed=seed).bonds
    return fg.Ising.from_edges(side**3, i, j, np.rint(1e5 * J))


def gset(name):
    """A graph of the G-set, or None where GSET names no folder of them."""
    folder = os.environ.get("GSET")
    return fg.read_rudy(Path(folder) / f"{name}.txt") if folder else None


MODELS = {
    "EA 2D +-J": lambda: fg.edwards_anderson((16, 16), seed=1),
    "EA 2D Gaussian": lambda: fg.edwards_anderson((16, 16), "gaussian", seed=1),
    "EA 3D +-J": lambda: fg.edwards_anderson((8, 8, 8), seed=1),
    "EA 3D Gaussian": lambda: fg.edwards_anderson((8, 8, 8), "gaussian", seed=1),
    "3-regular +-J": lambda: fg.random_regular(300, 3, seed=1),
    "3-regular Gaussian": lambda: fg.random_regular(300, 3, "gaussian", seed=1),
    "6-regular +-J": lambda: fg.random_regular(300, 6, seed=1),
    "6-regular Gaussian": lambda: fg.random_regular(300, 6, "gaussian", seed=1),
    "SK Gaussian": lambda: fg.sherrington_kirkpatrick(256, seed=1),
    "SK +-J": lambda: fg.sherrington_kirkpatrick(256, "bimodal", seed=1),
    "SK Gaussian, 1024": lambda: fg.sherrington_kirkpatrick(1024, seed=1),
    "SK +-J, 1024": lambda: fg.sherrington_kirkpatrick(1024, "bimodal", seed=1),
    "G1": lambda: gset("G1"),
    "G14": lambda: gset("G14"),
    "toroidal Gaussian": lambda: toroidal(8, 1),
    "number partitioning": lambda: partition(64, 1),
    "Hopfield, alpha 0.3": lambda: fg.Hopfield(np.random.default_rng(2).choice([-1, 1], (60, 200))),
    "RBM": machine,
    "tour of 10": lambda: tour(10, 1),
}


def mean(model, seeds=(1,), **kwargs):
    """Mean energy of the reads and its error."""
    reads = READS if model.n < 1000 else READS // 4
    energies = np.concatenate([fg.anneal(model, reads=reads, seed=seed, **kwargs).energy for seed in seeds])
    return energies.mean(), energies.std() / np.sqrt(energies.size)


@pytest.mark.parametrize("name", MODELS)
def test_the_default_schedule_is_near_the_best_of_a_scan(name):
    model = MODELS[name]()
    if model is None:
        pytest.skip("GSET names no folder of G1.txt and G14.txt")
    cost = flip_costs(model).mean()
    tried = {}
    for kind in (fg.linear, fg.geometric):
        for hot in HOTS:
            for cold in (cold for cold in COLDS if cold > hot):
                tried[kind.__name__, hot, cold] = mean(model, betas=kind(hot / cost, cold / cost), sweeps=SWEEPS)[0]
    kind, hot, cold = min(tried, key=tried.get)
    seeds = 2, 3, 4
    best, error = mean(model, seeds, betas=getattr(fg, kind)(hot / cost, cold / cost), sweeps=SWEEPS)
    print(f"\n{name}: best {best:.6g} +- {error:.2g} ({kind} {hot} to {cold})", end="")
    for sweeps in (SWEEPS, 115 * SWEEPS // 100):
        ours, own_error = mean(model, seeds, sweeps=sweeps)
        z = (ours - best) / max(np.hypot(error, own_error), 1e-12 * abs(best))
        print(f"; default, {sweeps} sweeps: {ours:.6g} +- {own_error:.2g} (z {z:.1f})", end="", flush=True)
    assert ours < 0.5 * (max(tried.values()) + best)  # far better than a schedule of the scan that does not suit it
