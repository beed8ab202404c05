"""Spins in a transverse field on one thread: time of a spin of a slice, at fixed temperature and field.

    python -m pytest bench/bench_quantum.py -s

A 3-regular +-J glass of 500 sites, beta J = beta Gamma = 4, 32 slices. dwave-samplers draws worldlines in continuous
time: one of its updates counts as 32, those of a worldline. openjij flips spins of slices one by one, and returns the
slice of the lowest energy, so that no mean can be had of it.
"""

import numpy as np
from contest import Run, compete, peer
from peers import terms

import fastgibbs as fg

SITES, SLICES, BETA = 500, 32, 4.0
GLASS = fg.random_regular(SITES, 3, seed=1)
TERMS = terms(GLASS)


def ours(sweeps, slices=SLICES, gamma=1.0, thin=None):
    model = fg.TransverseIsing(GLASS, gamma, slices)

    def job():
        run = fg.sample(model, beta=BETA, sweeps=sweeps, thin=thin or sweeps, threads=1)
        return Run(run.timing.updates_per_second * run.timing.kernel, run.timing.kernel)

    return job


def dwave(sweeps, reads=4):
    """Its own time of the sampling."""

    def job():
        sampler, fields = peer("dwave.samplers").PathIntegralAnnealingSampler(), np.full(sweeps, BETA)
        done = sampler.sample_ising(
            {}, TERMS, num_reads=reads, beta_schedule_type="custom", Hp_field=fields, Hd_field=fields, num_sweeps=sweeps
        )
        return Run(reads * sweeps * SITES * SLICES, done.info["timing"]["sampling_ns"] / 1e9)

    return job


def openjij(sweeps, reads=4):
    """Its own time of each read, summed; `sparse`, as it is fastest."""

    def job():
        options = dict(num_reads=reads, trotter=SLICES, schedule=[[0.5, BETA, sweeps]], sparse=True)
        done = peer("openjij").SQASampler().sample_ising({}, TERMS, beta=BETA, gamma=1.0, **options)
        return Run(reads * sweeps * SITES * SLICES, done.info["list_exec_times"].sum() / 1e6)

    return job


def test_worldlines_of_a_glass():
    jobs = {
        "fastgibbs": ours(30),
        "fastgibbs, measured each sweep": ours(30, thin=1),
        "fastgibbs, 128 slices": ours(8, slices=128),
        "fastgibbs, fields of two kinds": ours(30, gamma=np.arange(SITES) % 2 + 0.5),
        "dwave-samplers": dwave(100),
        "openjij": openjij(100),
    }
    compete("transverse field, 3-regular +-J, 32 slices", jobs)
