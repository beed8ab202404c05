"""The multi-spin engine on one thread, against mcising (2D ferromagnet) and dwave-samplers (3D +-J glass).

    python -m pytest bench/bench_multispin.py -s

Limit: 64 decisions take 14 words of SFC64, each of them two operations that join what is known of three words
(decided, undecided, a threshold that is looked up), and each neighbour three more (sign, adder); without AVX-512 an
operation joins two.
What is missing from it goes to the lanes left undecided, one vector in 32: a mispredicted branch and 64 bits more.
"""

import pytest
from contest import compete, given, on_two_threads, ours
from machine import REGISTERS, Work
from peers import dwave, mcising, plain

import fastgibbs as fg
from fastgibbs.benchmark import CRITICAL

MEASURED = ", measured each sweep"


def work(degree):
    joined = 1 if REGISTERS == 512 else 2
    return Work(words=14 / 64, bits=(2 * 14 + 3 * degree) * joined)


def sampling(build, beta, chains, updates=3e8, **kwargs):
    sweeps = max(2, int(updates / build().n / chains))
    options = dict(beta=beta, sweeps=sweeps, chains=chains, thin=sweeps, engine="multispin")
    return ours(fg.sample, build, **options | kwargs)


@pytest.mark.parametrize("side", [256, 1024])
def test_one_lattice_at_tc(side):
    def build():
        return fg.lattice((side, side))

    jobs = {
        "fastgibbs": sampling(build, CRITICAL, 1),
        "fastgibbs" + MEASURED: sampling(build, CRITICAL, 1, thin=1),
        "mcising": mcising(side, 1 / CRITICAL),
    }
    compete(f"2D L={side} at Tc, one chain", jobs, work=work(4))


def test_many_small_lattices_at_tc():
    model = fg.lattice((64, 64))
    jobs = {}
    for chains in (512, 64):
        jobs[f"fastgibbs {chains} chains"] = sampling(lambda: fg.lattice((64, 64)), CRITICAL, chains)
        jobs[f"fastgibbs {chains} chains" + MEASURED] = sampling(lambda: fg.lattice((64, 64)), CRITICAL, chains, thin=1)
    jobs["plain loop"] = plain(model, [CRITICAL] * 200)
    compete("2D L=64 at Tc", jobs, work=work(4))


@pytest.mark.parametrize(("side", "beta"), [(10, 0.3), (10, 0.9), (10, 1.6), (10, 2.0), (10, 3.0), (16, 0.9)])
def test_spin_glass(side, beta):
    """At low temperatures most outcomes are certain, and the limit, of all words drawn, is none."""

    def build():
        return fg.edwards_anderson((side,) * 3, seed=1)

    jobs = {
        "fastgibbs 512 chains": sampling(build, beta, 512),
        "fastgibbs 64 chains": sampling(build, beta, 64),
        "fastgibbs metropolis": sampling(build, beta, 512, rule="metropolis"),
        "fastgibbs 512 chains" + MEASURED: sampling(build, beta, 512, thin=1),
        "fastgibbs 64 chains" + MEASURED: sampling(build, beta, 64, thin=1),
        "dwave-samplers": dwave(build(), (beta, beta)),
    }
    compete(f"3D EA +-J L={side}, beta = {beta}", jobs, work=work(6) if beta < 1 else None)


@pytest.mark.parametrize("degree", [3, 6])
def test_random_regular_graph(degree):
    model = fg.random_regular(100_000, degree, seed=1)
    jobs = {
        "fastgibbs 512 chains": sampling(given(model), 0.9, 512, 1e9),
        "fastgibbs 512 chains" + MEASURED: sampling(given(model), 0.9, 512, 1e9, thin=1),
        "plain loop": plain(model, [0.9] * 20),
    }
    compete(f"{degree}-regular +-J, 10^5 sites", jobs, rounds=3, work=work(degree))


def test_a_million_sites():
    """Neighbours are anywhere in memory, the more the larger the graph."""
    jobs = {
        f"fastgibbs 10^{power} sites": sampling(given(fg.random_regular(10**power, 6, seed=1)), 0.9, 512, 1e9)
        for power in (6, 4)
    }
    jobs["plain loop"] = plain(fg.random_regular(10**6, 6, seed=1), [0.9])
    compete("6-regular +-J, 10^6 sites", jobs, rounds=3, work=work(6)._replace(lines=7 / 512))


def test_a_billion_spins():
    """One sweep of the giant takes as long as a thousand of the other."""
    jobs = {
        f"fastgibbs L={side}": sampling(lambda side=side: fg.lattice((side, side)), CRITICAL, 1, updates=4e9)
        for side in (32768, 1024)
    }
    compete("2D at Tc, one chain of 10^9", jobs, rounds=3, work=work(4))


def test_two_threads_on_one_lattice():
    on_two_threads(
        "2D L=4096 at Tc, one chain, two threads",
        lambda threads: sampling(lambda: fg.lattice((4096, 4096)), CRITICAL, 1, updates=1e9, threads=threads),
    )


def test_two_threads_on_chains():
    on_two_threads(
        "3D EA +-J L=10, 1024 chains, two threads",
        lambda threads: sampling(
            lambda: fg.edwards_anderson((10,) * 3, seed=1), 0.9, 1024, updates=1e9, threads=threads
        ),
    )
