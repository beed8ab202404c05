"""The sparse engine on the 3D Gaussian Edwards-Anderson glass, L = 10, 64 chains at beta = 1, one thread.

    python -m pytest bench/bench_sparse.py -s

Limit of a spin of degree 6, in lanes of 32 bits: a quarter of a word of SFC64, ten multiply-adds, six of the field,
three of a power and one of the odds, and 16 operations that make the uniform (3), scale and clamp (3), raise to a power
(5), decide and store (5).
"""

import numpy as np
import pytest
from bench_multispin import MEASURED
from contest import compete, given, on_two_threads, ours
from machine import Work
from peers import dwave, peapods, plain

import fastgibbs as fg

L, CHAINS, SWEEPS, BETA = 10, 64, 300, 1.0


def glass():
    return fg.edwards_anderson((L, L, L), "gaussian", seed=1)


def work(degree):
    return Work(words=0.25, bits=16 * 32, products=degree + 4)


def sampling(build=glass, sweeps=SWEEPS, **kwargs):
    return ours(fg.sample, build, **dict(beta=BETA, sweeps=sweeps, chains=CHAINS, thin=sweeps) | kwargs)


def test_sparse_engine_against_its_peers():
    jobs = {
        "fastgibbs": sampling(),
        "fastgibbs metropolis": sampling(rule="metropolis"),
        "fastgibbs random scan": sampling(scan="random"),
        "fastgibbs" + MEASURED: sampling(thin=1),
        "dwave-samplers": dwave(glass(), (BETA, BETA), CHAINS, SWEEPS),
        "peapods": peapods("gaussian", np.full(CHAINS, 1 / BETA), SWEEPS, warmup_ratio=0.99),  # measures at the end
        "plain loop": plain(glass(), [BETA] * SWEEPS, 10),
    }
    compete("3D EA Gaussian L=10, 64 chains", jobs, work=work(6))


@pytest.mark.parametrize("chains", [128, 256])
def test_two_threads(chains):
    on_two_threads(
        f"3D EA Gaussian L=10, {chains} chains, two threads",
        lambda threads: sampling(chains=chains, threads=threads, sweeps=2000),
    )


OTHERS = {
    "2D lattice L=64": (lambda: fg.lattice((64, 64)), 4),
    "3-regular Gaussian, 10^4 sites": (lambda: fg.random_regular(10_000, 3, "gaussian", seed=1), 3),
    "SK Gaussian N=256": (lambda: fg.sherrington_kirkpatrick(256, seed=1), 255),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_models(name):
    build, degree = OTHERS[name]
    sweeps = max(2, 2_000_000 // build().n // CHAINS)
    jobs = {"fastgibbs": sampling(build, sweeps, engine="sparse"), "plain loop": plain(build(), [BETA] * sweeps, 4)}
    compete(f"{name}, 64 chains, sparse", jobs, work=work(degree))


def test_a_million_sites():
    jobs = {
        f"fastgibbs 10^{power} sites": sampling(
            given(fg.random_regular(10**power, 6, "gaussian", seed=1)),
            max(2, 2 * 10**6 // 10**power),
            engine="sparse",
        )
        for power in (6, 4)
    }
    jobs["plain loop"] = plain(fg.random_regular(10**6, 6, "gaussian", seed=1), [BETA])
    compete("6-regular Gaussian, 10^6 sites, 64 chains", jobs, rounds=3, work=work(6)._replace(lines=7 / CHAINS))
