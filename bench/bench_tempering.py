"""Parallel tempering on one thread, against peapods: 24 temperatures, swaps and energies at every sweep.

    python -m pytest bench/bench_tempering.py -s

Limit: that of the sweeps themselves (bench_multispin.py). On top of them, for each sweep of a ladder of 24 rungs: 12
swaps of about 20 ns (an exponential and a random number), the transposed thresholds of a word of 64 lanes, 0.3 us, and
the counts of up spins and broken bonds, a tenth of the sweep.

Cluster moves are worth what round trips of replicas they save: of the same ladder on the same glasses, so many a second
of processor time. What a move of a pair of replicas takes is counted in sites, against peapods.
"""

import itertools
import time

import bench_multispin
import bench_sparse
import numpy as np
import pytest
from contest import Run, compete, on_two_threads, ours, peer
from peers import peapods

import fastgibbs as fg

BETAS = 1 / np.linspace(0.2, 2.0, 24)[::-1]


def tempering(kind, ladders, updates=2e8, **kwargs):
    sweeps = int(updates / (1000 * ladders * BETAS.size))
    options = dict(betas=BETAS, sweeps=sweeps, ladders=ladders, burn_in=0, overlap_every=0)
    return ours(fg.temper, lambda: fg.edwards_anderson((10, 10, 10), kind, seed=1), **options | kwargs)


def one_ladder(kind):
    """Of peapods: swapped at every sweep, energies taken at every sweep."""
    return peapods(kind, 1 / BETAS[::-1], 200, pt_interval=1, warmup_ratio=0.0)


def test_tempering_of_the_bimodal_glass():
    sweeps = int(2e8 / (1000 * 20 * BETAS.size))
    jobs = {
        "fastgibbs 20 ladders": tempering("bimodal", 20),
        "fastgibbs 2 ladders": tempering("bimodal", 2),
        "fastgibbs 20 ladders, sweeps alone": tempering("bimodal", 20, swap_every=sweeps, thin=sweeps),
        "fastgibbs 20 ladders, overlaps every 10": tempering("bimodal", 20, overlap_every=10),
        "peapods": one_ladder("bimodal"),
    }
    compete("tempering, 3D EA +-J L=10, 24 rungs", jobs, work=bench_multispin.work(6))


def test_tempering_of_the_gaussian_glass():
    jobs = {"fastgibbs 2 ladders": tempering("gaussian", 2, updates=3e7), "peapods": one_ladder("gaussian")}
    compete("tempering, 3D EA Gaussian L=10, 24 rungs", jobs, work=bench_sparse.work(6))


def test_two_threads_on_ladders():
    on_two_threads(
        "tempering, 3D EA +-J L=10, 40 ladders, two threads",
        lambda threads: tempering("bimodal", 40, updates=5e8, threads=threads),
    )


GLASSES = {  # shape, least and largest beta
    "2D L=16": ((16, 16), 0.3, 2.5),
    "3D L=6": ((6, 6, 6), 0.2, 1.5),
    "3D L=8": ((8, 8, 8), 0.2, 1.3),
}
MOVES = {  # kind, and sweeps from one to the next
    "alone": (None, None),
    **{f"houdayer, every {every}": ("houdayer", every) for every in (1, 10)},
    **{f"{kind}, every {every}": (kind, every) for kind in ("joerg", "cmr", "swendsen-wang") for every in (10, 100)},
}


def trips(shape, couplings, betas, kind, every, seconds=0.5):
    """Round trips of four ladders of 16 rungs on three glasses, each for so long."""
    kwargs = dict(betas=betas, ladders=4, threads=1, overlap_every=0, clusters=kind, cluster_every=every)
    seeds = itertools.count(1)

    def job():
        done = took = 0
        for number in range(3):
            model, seed = fg.edwards_anderson(shape, couplings, seed=number), next(seeds)
            trial = fg.temper(model, sweeps=200, burn_in=0, seed=seed, **kwargs).timing.kernel / 200
            sweeps = max(200, int(seconds / trial))
            run = fg.temper(model, sweeps=sweeps, thin=sweeps, burn_in=sweeps // 10, seed=seed, **kwargs)
            done, took = done + run.round_trips.sum(), took + run.timing.kernel
        return Run(done, took)

    return job


@pytest.mark.parametrize("couplings", ["bimodal", "gaussian"])
@pytest.mark.parametrize("name", GLASSES)
def test_round_trips_with_cluster_moves(name, couplings):
    shape, first, last = GLASSES[name]
    betas = np.linspace(first, last, 16)
    jobs = {how: trips(shape, couplings, betas, *asked) for how, asked in MOVES.items()}
    compete(f"round trips, {name}, {couplings}", jobs, unit="round trips per s", rounds=3)


def moved(couplings, kind):
    """Sites of pairs of replicas at 16 rungs, in what a run with moves at every sweep takes beyond one without."""
    model, betas = fg.edwards_anderson((8, 8, 8), couplings, seed=1), np.linspace(0.2, 1.3, 16)
    kwargs = dict(betas=betas, ladders=2, sweeps=500, burn_in=0, thin=500, overlap_every=0, threads=1, seed=1)

    def job():
        with_moves, without = (fg.temper(model, clusters=one, **kwargs).timing.kernel for one in (kind, None))
        return Run(500 * 16 * model.n, with_moves - without)

    return job


def moved_by_peapods(couplings, kind):
    def run(**kwargs):
        temperatures = 1 / np.linspace(1.3, 0.2, 16)
        glass = peer("peapods").Ising((8, 8, 8), couplings=couplings, temperatures=temperatures, n_replicas=2)
        began = time.perf_counter()
        glass.sample(300, sequential=True, pt_interval=1, warmup_ratio=0.0, **kwargs)
        return time.perf_counter() - began

    def job():
        asked = dict(overlap_cluster_update_interval=1, overlap_cluster_build_mode=kind, overlap_cluster_mode="sw")
        return Run(300 * 16 * 8**3, run(**asked) - run())

    return job


@pytest.mark.parametrize("couplings", ["bimodal", "gaussian"])
@pytest.mark.parametrize(("kind", "theirs"), [("houdayer", "houdayer"), ("joerg", "jorg"), ("cmr", "cmr")])
def test_moves_of_two_replicas(couplings, kind, theirs):
    """Houdayer's turns one cluster here, all of them there."""
    jobs = {"fastgibbs": moved(couplings, kind), "peapods": moved_by_peapods(couplings, theirs)}
    compete(f"moves of two replicas, {kind}, {couplings}", jobs, unit="sites per us", rounds=3)
