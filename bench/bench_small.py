"""What newcomers meet first: ten spins, many small models, one chain, one read; end to end, against a plain loop.

    python -m pytest bench/bench_small.py -s

Calls are whole, with everything that Python does; the second of ours also makes the model anew.

Limit of one chain or few reads, counted for 16 sites of a colour in AVX2: the streams take 28 instructions, fields to
float32 28, decisions of two registers 100, spins and flips 12: 10.5 a site; and a flip costs 6 a neighbour and 10: with
six neighbours and a quarter of all spins turning, 22 a site in all, 2.2 ns at 4 a cycle and 2.6 GHz.
"""

import numpy as np
import pytest
from bench_annealing import annealing
from contest import call, compete, given, ours
from peers import dwave, mcising, plain, plain_tempering

import fastgibbs as fg
from fastgibbs.benchmark import CRITICAL

CALLS = dict(unit="calls per ms", rounds=25)


def regular(n, degree, kind, seed=1):
    return fg.random_regular(n, degree, kind, seed=seed)


VERBS = {  # each with its peers
    "anneal 64 x 100": (
        lambda model, **one: fg.anneal(model, betas=fg.linear(0.1, 3.0), sweeps=100, reads=64, **one),
        lambda model: {
            "dwave-samplers": dwave(model, (0.1, 3.0), 64, 100),
            "plain loop": plain(model, np.linspace(0.1, 3, 100), 64),
        },
    ),
    "sample 64 x 100": (
        lambda model, **one: fg.sample(model, beta=1.0, sweeps=100, chains=64, **one),
        lambda model: {"plain loop": plain(model, [1.0] * 100, 64)},
    ),
    "temper 4 x 100": (
        lambda model, **one: fg.temper(model, betas=[0.2, 0.5, 1.0, 2.0], sweeps=100, burn_in=0, **one),
        lambda model: {"plain loop": plain_tempering(model, [0.2, 0.5, 1.0, 2.0], 100)},
    ),
}


@pytest.mark.parametrize("kind", ["bimodal", "gaussian"])
@pytest.mark.parametrize("name", VERBS)
def test_ten_spins(name, kind):
    (verb, peers), model = VERBS[name], regular(10, 4, kind)
    fresh = given(model)
    jobs = {
        "fastgibbs": call(lambda: verb(model, seed=1, threads=1)),
        "fastgibbs, new model": call(lambda: verb(fresh(), seed=1, threads=1)),
        **{peer: call(job) for peer, job in peers(model).items()},
    }
    compete(f"n=10 {kind}, {name}", jobs, **CALLS)


def test_two_hundred_models_of_twenty_spins():
    """A call is all of them, from their edges; ours in one call of the verb, and in one each."""
    models = [regular(20, 4, "gaussian", seed) for seed in range(200)]

    def each(make):
        jobs = [make(model) for model in models]
        return call(lambda: [job() for job in jobs])

    makes, options = [given(model) for model in models], dict(betas=fg.linear(0.1, 3.0), rule="metropolis")
    jobs = {
        "fastgibbs": call(lambda: fg.anneal([make() for make in makes], reads=10, sweeps=100, threads=1, **options)),
        "fastgibbs, a call each": each(lambda model: annealing(given(model), 10, 100)),
        "dwave-samplers": each(lambda model: dwave(model, (0.1, 3.0), 10, 100)),
        "plain loop": each(lambda model: plain(model, np.linspace(0.1, 3, 100), 10)),
    }
    compete("200 models of n=20, anneal 10 x 100 each", jobs, unit="calls per ms", rounds=5)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_one_small_lattice(side):
    sweeps = 500_000 // side**2
    options = dict(beta=CRITICAL, sweeps=sweeps, chains=1, seed=1, threads=1)
    jobs = {
        "fastgibbs": call(lambda: fg.sample(fg.lattice((side, side)), **options)),
        "mcising": call(mcising(side, 1 / CRITICAL, 500_000)),
        "plain loop": call(plain(fg.lattice((side, side)), [CRITICAL] * sweeps)),
    }
    compete(f"small 2D L={side}, one chain, 5e5 updates", jobs, **CALLS)


ONE = {  # model, sweeps
    "EA Gaussian L=10": (lambda: fg.edwards_anderson((10,) * 3, "gaussian", seed=1), 1000),
    "SK Gaussian N=1024": (lambda: fg.sherrington_kirkpatrick(1024, seed=1), 100),
    "3-regular Gaussian, 10^4 sites": (lambda: regular(10_000, 3, "gaussian"), 100),
    "3-regular +-J, 10^4 sites": (lambda: regular(10_000, 3, "bimodal"), 100),
}


@pytest.mark.parametrize("name", ONE)
def test_one_chain(name):
    build, sweeps = ONE[name]
    model = build()
    jobs = {
        "fastgibbs": call(ours(fg.sample, given(model), beta=1.0, sweeps=sweeps, chains=1)),
        "dwave-samplers": call(dwave(model, (1.0, 1.0), 1, sweeps)),
        "plain loop": call(plain(model, [1.0] * sweeps)),
    }
    compete(f"{name}, one chain", jobs, unit="calls per ms", rounds=5)


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("reads", [1, 10])
def test_few_reads(name, reads):
    build, sweeps = ONE[name]
    model = build()
    jobs = {
        "fastgibbs": call(annealing(given(model), reads, sweeps)),
        "dwave-samplers": call(dwave(model, (0.1, 3.0), reads, sweeps)),
        "plain loop": call(plain(model, np.linspace(0.1, 3, sweeps), reads)),
    }
    compete(f"{name}, annealing of {reads}", jobs, unit="calls per ms", rounds=3)
