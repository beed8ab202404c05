"""Parallel tempering on one thread, against peapods: 24 temperatures, swaps and energies at every sweep.

    python -m pytest bench/bench_tempering.py -s

Floor: the sweeps themselves (bench_multispin.py), 9 updates/ns at 480 lanes of 512. On top of them, for each sweep of a
ladder of 24 rungs: 12 swaps of about 20 ns (an exponential and a random number), the transposed thresholds of a word
of 64 lanes, 0.3 us, and the counts of up spins and broken bonds, a tenth of the sweep.
"""

import time

import numpy as np
import pytest
from contest import contest, one_core, report

import fastgibbs as fg

BETAS = 1 / np.linspace(0.2, 2.0, 24)[::-1]
GLASS = fg.edwards_anderson((10, 10, 10), seed=1)
GAUSSIAN = fg.edwards_anderson((10, 10, 10), "gaussian", seed=1)


def ours(model, ladders, updates=2e8, threads=1, **kwargs):
    sweeps = int(updates / (model.n * ladders * BETAS.size))
    kwargs = dict(betas=BETAS, sweeps=sweeps, ladders=ladders, burn_in=0, seed=2, overlap_every=0) | kwargs

    def run():
        return fg.temper(model, threads=threads, **kwargs).timing.updates_per_second / 1e9

    return run


def peapods(couplings):
    """One ladder, swapped at every sweep, energies taken at every sweep."""
    module = pytest.importorskip("peapods", reason="the peers come with the extra [bench]")
    glass = module.Ising((10, 10, 10), couplings=couplings, temperatures=1 / BETAS[::-1])
    sweeps = 200

    def run():
        began = time.perf_counter()
        glass.sample(sweeps, sweep_mode="metropolis", pt_interval=1, warmup_ratio=0.0, sequential=True)
        return sweeps * 1000 * BETAS.size / (time.perf_counter() - began) / 1e9

    return run


def test_tempering_of_the_bimodal_glass(benchmark):
    sweeps = int(2e8 / (1000 * 20 * BETAS.size))
    contenders = {
        "fastgibbs 20 ladders": ours(GLASS, 20),
        "fastgibbs 2 ladders": ours(GLASS, 2),
        "fastgibbs 20 ladders, sweeps alone": ours(GLASS, 20, swap_every=sweeps, thin=sweeps),
        "fastgibbs 20 ladders, overlaps every 10": ours(GLASS, 20, overlap_every=10),
        "peapods": peapods("bimodal"),
    }
    with one_core():
        rates = contest(contenders)
        benchmark.pedantic(contenders["fastgibbs 2 ladders"], rounds=1)
    ratios = report("tempering, 3D EA +-J L=10, 24 rungs", rates, benchmark)
    assert ratios["peapods"] >= 80
    assert np.median(rates["fastgibbs 2 ladders"] / rates["peapods"]) >= 40
    assert 1 / ratios["fastgibbs 20 ladders, sweeps alone"] <= 1.35


def test_tempering_of_the_gaussian_glass(benchmark):
    contenders = {"fastgibbs": ours(GAUSSIAN, 2, updates=3e7), "peapods": peapods("gaussian")}
    with one_core():
        rates = contest(contenders)
        benchmark.pedantic(contenders["fastgibbs"], rounds=1)
    assert report("tempering, 3D EA Gaussian L=10, 24 rungs, 2 ladders", rates, benchmark)["peapods"] >= 8


def test_two_threads_on_ladders(benchmark):
    contenders = {f"{t} threads": ours(GLASS, 40, updates=1e9, threads=t) for t in (2, 1)}
    rates = contest(contenders)
    benchmark.pedantic(contenders["2 threads"], rounds=1)
    assert report("tempering, 3D EA +-J L=10, 40 ladders", rates, benchmark)["1 threads"] >= 1.6
