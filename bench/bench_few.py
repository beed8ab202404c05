"""One chain, one read: against the loop that a user of Numba would write, and dwave-samplers, on one core.

    python -m pytest bench/bench_few.py -s

Whole calls, set-up included, kernels warm. The loop keeps local fields and adds a flip to those of its neighbours, in
float64, with NumPy's generator; it gets couplings as arrays, and dwave-samplers a problem of its own kind.

Floor of the coloured engine, counted for 16 sites in AVX2: the streams 28 instructions, fields to float32 28, decisions
of two registers 100, spins and flips 12: 10.5 a site; and a flip costs 6 a neighbour and 10: with six neighbours and a
quarter of all spins turning, 22 a site in all, 2.2 ns at 4 a cycle and 2.6 GHz.
"""

import time

import numba
import numpy as np
import pytest
from contest import contest, one_core, report

import fastgibbs as fg

GLASS = fg.edwards_anderson((10, 10, 10), "gaussian", seed=1), 1000
REGULAR = fg.random_regular(10_000, 3, seed=1), 1000
DENSE = fg.sherrington_kirkpatrick(1024, seed=1), 100


@numba.njit
def loop(indptr, indices, J, h, betas, rng):
    """Energies of all sweeps of one chain by Metropolis' rule."""
    spins, fields = np.where(rng.random(h.size) < 0.5, 1.0, -1.0), h.copy()
    energies, energy = np.empty(betas.size), 0.0
    for i in range(h.size):
        for k in range(indptr[i], indptr[i + 1]):
            fields[i] += J[k] * spins[indices[k]]
        energy -= 0.5 * spins[i] * (fields[i] + h[i])
    for sweep in range(betas.size):
        for i in range(h.size):
            cost = 2 * spins[i] * fields[i]
            if cost <= 0 or rng.random() < np.exp(-betas[sweep] * cost):
                spins[i] = -spins[i]
                energy += cost
                for k in range(indptr[i], indptr[i + 1]):
                    fields[indices[k]] += 2 * spins[i] * J[k]
        energies[sweep] = energy
    return energies


def rate(work, attempts):
    def run():
        began = time.perf_counter()
        work()
        return attempts / (time.perf_counter() - began) / 1e9

    return run


def contenders(model, sweeps):
    """One chain at beta = 0.8, and one read along the betas of the default schedule."""
    dimod = pytest.importorskip("dimod", reason="the peers come with the extra [bench]")
    sampler = pytest.importorskip("dwave.samplers", reason="the peers come with the extra [bench]")
    sampler = sampler.SimulatedAnnealingSampler()
    i, j, J = (part.tolist() for part in model.bonds)
    problem = dimod.BinaryQuadraticModel.from_ising({}, {(a, b): -c for a, b, c in zip(i, j, J, strict=True)})
    rows = model.indptr, model.indices, model.couplings, model.fields
    kwargs = dict(num_reads=1, beta_schedule_type="custom", num_sweeps_per_beta=1, seed=1)
    ours = dict(sweeps=sweeps, seed=1, threads=1)
    for name, betas, work in (
        ("one chain", np.full(sweeps, 0.8), lambda betas: fg.sample(model, beta=0.8, chains=1, **ours)),
        ("one read", fg.beta_schedule(model, sweeps), lambda betas: fg.anneal(model, betas=betas, reads=1, **ours)),
    ):
        works = {
            "fastgibbs": lambda betas=betas, work=work: work(betas),
            "a loop": lambda betas=betas: loop(*rows, betas, np.random.default_rng(1)),
            "dwave-samplers": lambda betas=betas: sampler.sample(problem, beta_schedule=betas, **kwargs),
        }
        yield name, {of: rate(one, model.n * sweeps) for of, one in works.items()}


@pytest.mark.parametrize(("model", "sweeps", "least"), [(*GLASS, 2), (*REGULAR, 2)], ids=["glass", "3-regular"])
def test_few_chains_against_a_loop_and_a_peer(model, sweeps, least):
    with one_core():
        for name, works in contenders(model, sweeps):
            ratios = report(f"{model!r}, {name}", contest(works))
            assert min(ratios["a loop"], ratios["dwave-samplers"]) >= least


def test_one_chain_of_a_dense_model_against_a_peer():
    with one_core():
        for name, works in contenders(*DENSE):
            ratios = report(f"{DENSE[0]!r}, {name}", contest(works))
            assert ratios["dwave-samplers"] >= 2
