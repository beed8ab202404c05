"""What others do with the same problems: jobs for contests, each with its conversion, and plain loops in Numba."""

import itertools
import time

import numba
import numpy as np
from contest import Run, matrix, peer


def terms(model):
    """The couplings as others have them, {(i, j): w}, whose energy is sum w s_i s_j."""
    return {(i, j): -c for i, j, c in zip(*(values.tolist() for values in model.bonds), strict=True)}


def dwave(model, betas, reads=16, sweeps=300):
    """Simulated annealing of dwave-samplers, Metropolis at `betas` from first to last, linear; kernels as it says."""
    seeds = itertools.count(1)

    def job():
        sampler = peer("dwave.samplers").SimulatedAnnealingSampler()
        options = dict(num_reads=reads, num_sweeps=sweeps, beta_range=list(betas), beta_schedule_type="linear")
        done = sampler.sample_ising({}, terms(model), seed=next(seeds), **options)
        return Run(reads * sweeps * model.n, done.info["timing"]["sampling_ns"] / 1e9, done.record.energy)

    return job


def openjij(model, betas, reads=64, sweeps=1000):
    """Its own time of each read, summed; without a seed, since with one all its reads are the same."""

    def job():
        sampler = peer("openjij").SASampler()
        options = dict(num_sweeps=sweeps, num_reads=reads, sparse=False, beta_min=betas[0], beta_max=betas[1])
        done = sampler.sample_ising({}, terms(model), **options)
        return Run(reads * sweeps * model.n, done.info["list_exec_times"].sum() / 1e6, done.energies)

    return job


def mcising(side, temperature, updates=20_000_000):
    """Metropolis on the square lattice."""
    sweeps = max(2, round(updates / side**2))

    def job():
        simulation = peer("mcising").IsingSimulation(side, 1.0, 0.0, 0.0, 0.0, 1)
        began = time.perf_counter()
        simulation.sweep(sweeps, temperature=temperature)
        return Run(sweeps * side**2, time.perf_counter() - began)

    return job


def peapods(couplings, temperatures, sweeps, **kwargs):
    """Metropolis on the cube L = 10, one replica at each temperature."""

    def job():
        glass = peer("peapods").Ising((10, 10, 10), couplings=couplings, temperatures=temperatures)
        began = time.perf_counter()
        glass.sample(sweeps, sweep_mode="metropolis", sequential=True, **kwargs)
        return Run(sweeps * 1000 * len(temperatures), time.perf_counter() - began)

    return job


@numba.njit
def _sum_fields(first, neighbors, couplings, spins, betas):
    """Metropolis sweeps, one at each beta."""
    for beta in betas:
        for i in range(spins.size):
            field = 0.0
            for k in range(first[i], first[i + 1]):
                field += couplings[k] * spins[neighbors[k]]
            cost = 2 * spins[i] * field
            if cost <= 0 or np.random.random() < np.exp(-beta * cost):  # noqa: NPY002
                spins[i] = -spins[i]


@numba.njit
def _keep_fields(couplings, fields, spins, betas):
    """The same, where fields are kept and a flip adds a row."""
    for beta in betas:
        for i in range(spins.size):
            cost = 2 * spins[i] * fields[i]
            if cost <= 0 or np.random.random() < np.exp(-beta * cost):  # noqa: NPY002
                spins[i] = -spins[i]
                change, row = 2 * spins[i], couplings[i]
                for j in range(spins.size):
                    fields[j] += change * row[j]


@numba.njit
def _swap(first, neighbors, couplings, spins, betas, sweeps):
    """Tempering: a sweep at each rung, then neighbouring rungs swap their spins."""
    energies = np.zeros(betas.size)
    for t in range(sweeps):
        for r in range(betas.size):
            _sum_fields(first, neighbors, couplings, spins[r], betas[r : r + 1])
            energies[r] = 0.0
            for i in range(spins.shape[1]):
                for k in range(first[i], first[i + 1]):
                    energies[r] -= couplings[k] * spins[r, neighbors[k]] * spins[r, i] / 2
        for r in range(t % 2, betas.size - 1, 2):
            gain = (betas[r + 1] - betas[r]) * (energies[r + 1] - energies[r])
            if gain >= 0 or np.random.random() < np.exp(gain):  # noqa: NPY002
                for i in range(spins.shape[1]):
                    spins[r, i], spins[r + 1, i] = spins[r + 1, i], spins[r, i]


def _rows(model):
    """First neighbour of each site, neighbours and couplings of all, without fields."""
    i, j, J = model.bonds
    ends, others = np.concatenate((i, j)), np.concatenate((j, i))
    order = np.argsort(ends, kind="stable")
    first = np.concatenate(([0], np.cumsum(np.bincount(ends, minlength=model.n))))
    return first, others[order], np.concatenate((J, J))[order].astype(float)


def plain(model, betas, chains=1):
    """The loop of 20 lines that one writes oneself, one chain after the other: a Metropolis sweep at each of `betas`.

    With fields kept where most pairs are coupled.
    """
    betas, rng = np.array(betas, float), np.random.default_rng(1)
    given = matrix(model)

    def job():
        if given is None:
            rows = _rows(model)
        else:
            J = given.astype(np.float32)
        began = time.perf_counter()
        for _ in range(chains):
            spins = rng.choice([-1.0, 1.0], model.n)
            if given is None:
                _sum_fields(*rows, spins, betas)
            else:
                spins = spins.astype(np.float32)
                _keep_fields(J, J @ spins, spins, betas)
        return Run(chains * betas.size * model.n, time.perf_counter() - began)

    return job


def plain_tempering(model, betas, sweeps):
    """One ladder of the same."""
    betas, rng = np.array(betas, float), np.random.default_rng(1)

    def job():
        rows = _rows(model)
        began = time.perf_counter()
        _swap(*rows, rng.choice([-1.0, 1.0], (betas.size, model.n)), betas, sweeps)
        return Run(sweeps * betas.size * model.n, time.perf_counter() - began)

    return job
