"""Simulated annealing on one thread, against dwave-samplers: throughput at equal quality, and time to the ground state.

    python -m pytest bench/bench_annealing.py -s

Both anneal with Metropolis over the same betas.
"""

import bench_multispin
import bench_sparse
import numpy as np
import pytest
from contest import compete, given, no_worse, one_core, ours
from peers import dwave

import fastgibbs as fg

SWEEPS, BETAS = 1000, (0.1, 3.0)


def annealing(build, reads, sweeps=SWEEPS, betas=BETAS, **kwargs):
    return ours(fg.anneal, build, betas=fg.linear(*betas), sweeps=sweeps, reads=reads, rule="metropolis", **kwargs)


def test_annealing_of_the_bimodal_glass():
    def build():
        return fg.edwards_anderson((10, 10, 10), seed=1)

    jobs = {f"fastgibbs {reads} reads": annealing(build, reads) for reads in (512, 64)}
    jobs["dwave-samplers"] = dwave(build(), BETAS, 64, SWEEPS)
    no_worse(
        compete("annealing, 3D EA +-J L=10", jobs, rounds=5, work=bench_multispin.work(6)), peers=["dwave-samplers"]
    )


WEIGHTED = [
    (weights, *size)
    for weights in ("max-cut", "small integers", "Gaussian")
    for size in ((2000, 6), (1000, 20), (800, 48))
]


@pytest.mark.parametrize(("weights", "n", "degree"), WEIGHTED)
def test_annealing_of_weighted_graphs(weights, n, degree):
    """Random regular graphs; "max-cut": J = -1 on every bond, "small integers": J = -2, -1, 1 or 2."""
    i, j, J = fg.random_regular(n, degree, "gaussian", seed=1).bonds
    integers = np.random.default_rng(1).choice([-2.0, -1.0, 1.0, 2.0], J.size)
    model = fg.Ising.from_edges(n, i, j, {"max-cut": -1.0, "small integers": integers, "Gaussian": J}[weights])
    betas = (0.1, 3.0 if degree == 6 else 1.5)
    jobs = {"fastgibbs": annealing(given(model), 64, betas=betas), "dwave-samplers": dwave(model, betas, 64, SWEEPS)}
    words = weights == "max-cut" and degree == 6  # in the bits of words
    work = (bench_multispin if words else bench_sparse).work(degree)
    outcome = compete(f"annealing, {weights}, {degree}-regular, {n} sites", jobs, rounds=3, work=work)
    no_worse(outcome, peers=["dwave-samplers"])


def time_to_ground(job, ground, runs, reads):
    """Seconds until a read has found the ground state with 99 %: T log(0.01) / log(1 - p), T the time of a read."""
    done = [job() for _ in range(runs)]
    p = np.mean(np.concatenate([run.energies for run in done]) <= ground)
    each = sum(run.kernel for run in done) / (runs * reads)
    return np.inf if p == 0 else each * max(1.0, np.log(0.01) / np.log1p(-min(p, 1 - 1e-9)))


def test_time_to_the_ground_state():
    """Four +-J glasses of 8^3; each side takes its best of a scan over sweeps and the coldest beta."""
    scan = [(sweeps, last) for sweeps in (100, 300, 1000, 3000) for last in (1.5, 2.0, 3.0)]
    ratios = []
    with one_core():
        for seed in range(4):
            model = fg.edwards_anderson((8, 8, 8), seed=seed)
            ground = fg.anneal(model, sweeps=20_000, reads=512, seed=99).energy[0]
            sides = {
                "fastgibbs": lambda sweeps, last, model=model: (
                    annealing(lambda: model, 512, sweeps, (0.1, last)),
                    512,
                ),
                "dwave-samplers": lambda sweeps, last, model=model: (dwave(model, (0.1, last), 128, sweeps), 128),
            }
            best = {}
            for name, side in sides.items():
                times = {}
                for setting in scan:
                    job, reads = side(*setting)
                    times[setting] = time_to_ground(job, ground, 1, reads)
                setting = min(times, key=times.get)
                job, reads = side(*setting)
                best[name] = time_to_ground(job, ground, 4, reads), setting
            ratios.append(best["dwave-samplers"][0] / best["fastgibbs"][0])
            shown = "; ".join(f"{name} {seconds * 1e3:.2f} ms at {at}" for name, (seconds, at) in best.items())
            print(f"  sample {seed}, E = {ground:.0f}: {shown}; {ratios[-1]:.0f}x")
    print(f"  time to the ground state, median ratio {np.median(ratios):.0f}, least {min(ratios):.0f}")
    assert min(ratios) >= 10
