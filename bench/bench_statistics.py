"""What records are worth, in seconds of one core: 64 chains of 10^6 draws; and reweighting against pymbar.

    python -m pytest bench/bench_statistics.py -s

The statistics take two Fourier transforms of 2048 points for every 1024 draws: the yardstick beside them. pymbar solves
the same equations for the same free energies; ours brings 32 more solutions, for the errors of seven curves.
"""

import warnings

import numpy as np
import pytest
from contest import Run, call, compete, peer

import fastgibbs as fg
from fastgibbs import analysis


def test_statistics_of_64_chains_of_a_million_draws():
    record = np.cumsum(np.random.default_rng(1).normal(size=(64, 10**6)), axis=1)
    record[:, 50:] -= record[:, :-50].copy()  # sums of 50 numbers: tau = 50

    def statistics():
        mean = analysis.standard_error(record)
        assert mean.tau == pytest.approx(50, rel=0.05) and analysis.split_r_hat(record) < 1.01

    def transforms():
        for _ in range(record.size // 1024 // 1000 * 2):
            np.fft.rfft(record[0, : 1000 * 1024 // 2].reshape(-1, 1024), 2048)
            np.fft.rfft(record[1, : 1000 * 1024 // 2].reshape(-1, 1024), 2048)

    jobs = {"mean, error, tau, ESS and R-hat": call(statistics), "transforms alone": call(transforms)}
    compete("statistics of 64 x 10^6 draws", jobs, unit="calls per ms", rounds=3)


def test_reweighting_against_pymbar():
    betas = np.array([0.0, 0.1, 0.2, 0.3, 0.36, 0.4, 0.44, 0.48])
    result = fg.sample(fg.lattice((12, 12)), beta=np.repeat(betas, 64), sweeps=4000, burn_in=500, thin=20, seed=1)
    found = {}

    def ours():
        curve = analysis.reweight(result, betas[1:])
        found["ours"] = 144 * (curve.betas * curve.free_energy + np.log(2))

    def theirs():
        pymbar = peer("pymbar")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f = pymbar.MBAR(*result.to_u_kn()).f_k
        found["theirs"] = f[1:] - f[0]
        return Run(1)

    compete("reweighting of 8 betas", {"fastgibbs": call(ours), "pymbar": theirs}, unit="calls per ms", rounds=3)
    if "theirs" in found:
        np.testing.assert_allclose(found["ours"], found["theirs"], atol=0.1)
