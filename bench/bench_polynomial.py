"""Terms of three spins: the engine "polynomial" beside openjij's sampler of high-order terms, one thread.

    python -m pytest bench/bench_polynomial.py -s

Limit of an attempt at a spin of 12 terms, in lanes of 8 bits: 24 loads and XORs; in lanes of 32 bits four operations a
term, 48 in all, and what an attempt of the sparse engine takes. Planted 3-regular XORSAT: a state that makes every
product +1 is known, and single flips hardly find it (Jones et al., arXiv:2006.03030).
"""

import itertools
import time

import numpy as np
from contest import MissingPeer, Run, compete, ours, peer
from machine import Work

import fastgibbs as fg

N, TERMS, CHAINS, SWEEPS, BETA = 500, 2000, 64, 600, 1.0
PLANTED = 48


def triples():
    rng = np.random.default_rng(1)
    return np.array([rng.choice(N, 3, replace=False) for _ in range(TERMS)]), rng.normal(size=TERMS)


def planted(n, seed):
    """n triples of n spins, each spin in three, signs by a state: the model and its ground energy, -n."""
    rng = np.random.default_rng(seed)
    while True:
        sites = rng.permutation(np.repeat(np.arange(n), 3)).reshape(n, 3)
        if all(len(set(one)) == 3 for one in sites.tolist()):
            break
    state = rng.choice([-1, 1], n)
    return fg.Polynomial.from_arrays(n, sites, -state[sites].prod(axis=1).astype(float)), -float(n)


def openjij(model, beta, reads, sweeps):
    """Its annealing of high-order terms at beta to beta; time of the call, of which building the model is little."""
    seeds = itertools.count(1)

    def job():
        sampler = peer("openjij").SASampler()
        terms = {key: c for key, c in model.terms.items() if key}
        began = time.perf_counter()
        options = dict(vartype="SPIN", num_sweeps=sweeps, num_reads=reads, beta_min=beta[0], beta_max=beta[1])
        done = sampler.sample_hubo(terms, seed=next(seeds), **options)
        return Run(reads * sweeps * model.n, time.perf_counter() - began, np.asarray(done.energies))

    return job


def test_terms_of_three_spins_against_openjij():
    def model(kind="spin"):
        return fg.Polynomial.from_arrays(N, *triples(), kind=kind)

    run = dict(beta=BETA, sweeps=SWEEPS, chains=CHAINS, thin=SWEEPS)
    jobs = {
        "fastgibbs": ours(fg.sample, model, **run),
        "fastgibbs units": ours(fg.sample, lambda: model("binary"), **run),
        "fastgibbs measured": ours(fg.sample, model, **run | dict(thin=1)),
        "openjij": openjij(model(), (BETA, BETA), 4, 100),
    }
    compete("2000 terms of 3 of 500 spins, 64 chains", jobs, work=Work(words=0.25, bits=24 * 8 + 52 * 32, products=14))


def test_planted_xorsat_is_solved_by_tempering_beside_openjij():
    """Of eight instances, how many each solves in about the same time: printed, with times; ours are asserted."""
    solved, seconds = {"fastgibbs": 0, "openjij": 0}, {"fastgibbs": 0.0, "openjij": 0.0}
    tempering = dict(betas=np.geomspace(0.3, 3, 16), ladders=4, adapt=False, threads=1, seed=1)
    fg.temper(planted(PLANTED, 0)[0], **tempering, sweeps=10)  # compiles
    for seed in range(8):
        model, ground = planted(PLANTED, seed)
        began = time.perf_counter()
        run = fg.temper(model, **tempering, sweeps=20_000)
        seconds["fastgibbs"] += time.perf_counter() - began
        solved["fastgibbs"] += run.energy.min() == ground
        try:
            found = openjij(model, (0.3, 3.0), 16, 4000)()
        except MissingPeer as missing:
            print(f"openjij: {missing}")
            continue
        seconds["openjij"] += found.kernel
        solved["openjij"] += np.min(found.energies) <= ground + 1e-9
    print("".join(f"\n{name}: {solved[name]} of 8 solved in {seconds[name]:.1f} s" for name in solved))
    assert solved["fastgibbs"] == 8
