"""What records are worth, in seconds of one core: 64 chains of 10^6 draws; and reweighting against pymbar.

    python -m pytest bench/bench_statistics.py -s

Floor of the statistics: two Fourier transforms of 2048 points for every 1024 draws, 0.4 s. pymbar solves the same
equations for the same free energies; ours brings 32 more solutions, for the errors of seven curves.
"""

import time
import warnings

import numpy as np
import pytest
from contest import one_core

import fastgibbs as fg
from fastgibbs import analysis


@pytest.mark.benchmark(timer=time.process_time)
def test_statistics_of_64_chains_of_a_million_draws(benchmark):
    record = np.cumsum(np.random.default_rng(1).normal(size=(64, 10**6)), axis=1)
    record[:, 50:] -= record[:, :-50].copy()  # sums of 50 numbers: tau = 50

    def statistics():
        return analysis.standard_error(record), analysis.split_r_hat(record)

    with one_core():
        mean, r_hat = benchmark.pedantic(statistics, rounds=3, warmup_rounds=1)
    assert mean.tau == pytest.approx(50, rel=0.05) and r_hat < 1.01
    print(f"\nmean, error, tau, ESS and R-hat of 64 x 10^6 draws: {benchmark.stats.stats.min:.2f} s")
    assert benchmark.stats.stats.min < 2


@pytest.mark.benchmark(timer=time.process_time)
def test_reweighting_against_pymbar(benchmark):
    pymbar = pytest.importorskip("pymbar", reason="pymbar comes with the extra [free-energy]")
    betas = np.array([0.0, 0.1, 0.2, 0.3, 0.36, 0.4, 0.44, 0.48])
    result = fg.sample(fg.lattice((12, 12)), beta=np.repeat(betas, 64), sweeps=4000, burn_in=500, thin=20, seed=1)
    u_kn, counts = result.to_u_kn()
    with one_core():
        began = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pymbar.MBAR(u_kn, counts).f_k
        solved = time.process_time() - began
        found = benchmark.pedantic(analysis.reweight, (result, betas[1:]), rounds=3, warmup_rounds=1)
    ours = 144 * (found.betas * found.free_energy + np.log(2))
    np.testing.assert_allclose(ours, theirs[1:] - theirs[0], atol=0.1)
    seconds = benchmark.stats.stats.min
    print(
        f"\n{counts.sum()} draws at 8 betas: reweight {seconds:.2f} s with errors, pymbar.MBAR {solved:.2f} s without"
    )
    assert solved > 3 * seconds
