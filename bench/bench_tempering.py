"""Parallel tempering on one thread, against peapods: 24 temperatures, swaps and energies at every sweep.

    python -m pytest bench/bench_tempering.py -s

Limit: that of the sweeps themselves (bench_multispin.py). On top of them, for each sweep of a ladder of 24 rungs: 12
swaps of about 20 ns (an exponential and a random number), the transposed thresholds of a word of 64 lanes, 0.3 us, and
the counts of up spins and broken bonds, a tenth of the sweep.
"""

import bench_multispin
import bench_sparse
import numpy as np
from contest import compete, on_two_threads, ours
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
