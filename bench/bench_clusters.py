"""Independent samples of m^2 of the square lattice at Tc per second: cluster moves, single spins, and mcising's.

    python -m pytest bench/bench_clusters.py -s

So many independent draws would have the error of what a run has measured: var(m^2) / error^2. The estimate that
Swendsen-Wang moves tell has a smaller error than m^2 itself; single spins start from states that these moves left.
"""

import functools
import itertools
import time

import numpy as np
import pytest
from contest import Run, compete, peer

import fastgibbs as fg
from fastgibbs.benchmark import CRITICAL


def samples(squares, told=None):
    """Independent draws of m^2, (chains, draws), that its mean, or that of what is told, is worth."""
    return squares.var() / fg.analysis.standard_error(squares if told is None else told).error ** 2


@functools.lru_cache(3)
def begun(side, chains):
    """States that cluster moves have left."""
    options = dict(sweeps=50, thin=50, seed=0, clusters="swendsen-wang")
    return fg.sample(fg.lattice((side, side)), beta=CRITICAL, chains=chains, **options).states


def ours(side, chains, sweeps, tells=True, **kwargs):
    """Chains that go on from there, each round with another seed."""
    model, seeds = fg.lattice((side, side)), itertools.count(1)

    def job():
        start = begun(side, chains)
        options = dict(beta=CRITICAL, sweeps=sweeps, chains=chains, threads=1, seed=next(seeds), start=start)
        run = fg.sample(model, **options | kwargs)
        told = run.observables["cluster_m2"] if tells and run.clusters else None
        return Run(samples(run.magnetization**2, told), run.timing.kernel)

    return job


def mcising(side, sweeps):
    seeds = itertools.count(1)

    def job():
        simulation = peer("mcising").IsingSimulation(side, 1.0, 0.0, 0.0, 0.0, next(seeds), algorithm="swendsen_wang")
        simulation.sweep(20, temperature=1 / CRITICAL)
        began = time.perf_counter()
        found = simulation.production_sweeps(sweeps, 1, temperature=1 / CRITICAL, store_configs=False)
        took = time.perf_counter() - began
        return Run(samples(np.asarray(found["magnetizations"])[None] ** 2), took)

    return job


@pytest.mark.parametrize(
    ("side", "chains", "sweeps", "theirs", "single"),
    [(64, 64, 400, 6000, 40_000), (256, 16, 200, 600, 20_000), (1024, 8, 50, 40, None)],
)
def test_square_lattice_at_tc(side, chains, sweeps, theirs, single):
    jobs = {
        "fastgibbs": ours(side, chains, sweeps, clusters="swendsen-wang", cluster_every=0),
        "fastgibbs, m^2 itself": ours(side, chains, sweeps, tells=False, clusters="swendsen-wang", cluster_every=0),
        "fastgibbs, sweeps beside": ours(side, chains, sweeps, clusters="swendsen-wang"),
        "fastgibbs, one chain": ours(side, 1, 2 * sweeps, clusters="swendsen-wang", cluster_every=0),
        "fastgibbs, wolff": ours(side, chains, 2 * sweeps, clusters="wolff", cluster_every=0),
        "mcising": mcising(side, theirs),
    }
    if single:
        jobs["fastgibbs, single spins"] = ours(side, 64, single, thin=20)
    compete(f"clusters, 2D L={side} at Tc", jobs, unit="samples per s", rounds=3)
