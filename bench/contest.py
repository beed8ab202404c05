"""Measuring contenders against each other on a noisy machine: in turn, many rounds, medians and ratios."""

import os
from contextlib import contextmanager

import numpy as np
import pytest


@contextmanager
def one_core():
    """Keep this thread, and the threads it starts, on one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def contest(contenders, rounds=7):
    """Rates of each contender, name -> (rounds,): A B C A B C ..., so that a drift of the machine hits all alike.

    A contender is a function that does its work and returns its rate in spin updates per nanosecond. The first call of
    each, which may compile or fill caches, is not counted.
    """
    for contender in contenders.values():
        contender()
    rates = {name: np.empty(rounds) for name in contenders}
    for k in range(rounds):
        for name, contender in contenders.items():
            rates[name][k] = contender()
    return rates


def dwave(model, beta, reads=16, sweeps=300):
    """Attempts per ns of kernel time alone: the conversion of the problem is not counted against it."""
    samplers = pytest.importorskip("dwave.samplers", reason="the peers come with the extra [bench]")
    couplings = {(int(a), int(b)): -float(c) for a, b, c in zip(*model.bonds, strict=True)}
    kwargs = dict(num_reads=reads, num_sweeps=sweeps, beta_range=[beta, beta], beta_schedule_type="linear", seed=3)
    sampler = samplers.SimulatedAnnealingSampler()

    def run():
        done = sampler.sample_ising({}, couplings, **kwargs)
        return reads * sweeps * model.n / done.info["timing"]["sampling_ns"]

    return run


def report(title, rates, benchmark=None):
    """Print medians, spreads and the ratio of the first contender to each, and keep them with the benchmark."""
    first = next(iter(rates.values()))
    print(f"\n{title}: updates per ns, median (min .. max); ratio of the first to each, median of the rounds")
    for name, values in rates.items():
        ratio = np.median(first / values)
        print(f"  {name:44} {np.median(values):8.4f} ({values.min():.4f} .. {values.max():.4f})  {ratio:7.2f}")
        if benchmark is not None:
            benchmark.extra_info[name] = {"updates_per_ns": float(np.median(values)), "ratio": float(ratio)}
    return {name: float(np.median(first / values)) for name, values in rates.items()}
