"""Simulated annealing on one thread, against dwave-samplers: throughput at equal quality, and time to the ground state.

    python -m pytest bench/bench_annealing.py -s

Both anneal with Metropolis over the same betas. The conversion of the problem is not counted against the peer.
"""

import numpy as np
import pytest
from contest import contest, one_core, report

import fastgibbs as fg

GLASS = fg.edwards_anderson((10, 10, 10), seed=1)
SWEEPS, BETAS = 1000, (0.1, 3.0)


class Annealer:
    """Anneals over and over, each time with another seed; keeps the energies it found."""

    def __init__(self, model, reads, sweeps=SWEEPS, betas=BETAS):
        self.model, self.reads, self.sweeps, self.betas = model, reads, sweeps, betas
        self.energies, self.seed = [], 0

    def __call__(self):
        """Anneal once; updates per ns."""
        self.seed += 1
        seconds, energies = self.anneal()
        self.energies.append(energies)
        return self.reads * self.sweeps * self.model.n / seconds / 1e9

    def quality(self):
        """Mean energy of the reads, and mean of the least energies of every 64 of them, with standard errors."""
        energies = np.concatenate(self.energies)
        least = energies.reshape(-1, 64).min(axis=1)
        return [(e.mean(), e.std(ddof=1) / np.sqrt(e.size)) for e in (energies, least)]


class Ours(Annealer):
    def anneal(self):
        result = fg.anneal(
            self.model,
            betas=fg.linear(*self.betas),
            sweeps=self.sweeps,
            reads=self.reads,
            rule="metropolis",
            seed=self.seed,
            threads=1,
        )
        return result.timing.kernel, result.energy[np.argsort(result.read)]  # as they were run, not sorted


class Dwave(Annealer):
    def anneal(self):
        samplers = pytest.importorskip("dwave.samplers", reason="the peers come with the extra [bench]")
        couplings = {(int(a), int(b)): -float(c) for a, b, c in zip(*self.model.bonds, strict=True)}
        done = samplers.SimulatedAnnealingSampler().sample_ising(
            {},
            couplings,
            num_reads=self.reads,
            num_sweeps=self.sweeps,
            beta_range=list(self.betas),
            beta_schedule_type="linear",
            seed=self.seed,
        )
        return done.info["timing"]["sampling_ns"] / 1e9, done.record.energy


def compete(benchmark, title, contenders, floors, rounds=5):
    """Rates in turn; each of ours must beat the peer's rate by its floor, at energies that are no worse."""
    with one_core():
        rates = contest(contenders, rounds)
        benchmark.pedantic(next(iter(contenders.values())), rounds=1)
    report(title, rates, benchmark)
    peer = contenders["dwave-samplers"].quality()
    for name, floor in floors.items():
        for what, mine, theirs in zip(("mean", "best of 64"), contenders[name].quality(), peer, strict=True):
            print(f"  {name}: {what} {mine[0]:.2f} +- {mine[1]:.2f}; peer {theirs[0]:.2f} +- {theirs[1]:.2f}")
            assert mine[0] - theirs[0] <= 3 * np.hypot(mine[1], theirs[1]), name
        assert np.median(rates[name] / rates["dwave-samplers"]) >= floor, name


def test_annealing_of_the_bimodal_glass(benchmark):
    contenders = {f"fastgibbs {reads} reads": Ours(GLASS, reads) for reads in (512, 64)}
    contenders["dwave-samplers"] = Dwave(GLASS, 64)
    floors = {"fastgibbs 512 reads": 80, "fastgibbs 64 reads": 40}
    compete(benchmark, "annealing, 3D EA +-J L=10, 1000 sweeps", contenders, floors)


WEIGHTED = [
    (weights, *size)
    for weights in ("max-cut", "small integers", "gaussian")
    for size in ((2000, 6), (1000, 20), (800, 48))
]


@pytest.mark.parametrize(("weights", "n", "degree"), WEIGHTED)
def test_annealing_of_weighted_graphs(benchmark, weights, n, degree):
    """Random regular graphs; "max-cut": J = -1 on every bond, "small integers": J = -2, -1, 1 or 2."""
    i, j, J = fg.random_regular(n, degree, "gaussian", seed=1).bonds
    integers = np.random.default_rng(1).choice([-2.0, -1.0, 1.0, 2.0], J.size)
    model = fg.Ising.from_edges(n, i, j, {"max-cut": -1.0, "small integers": integers, "gaussian": J}[weights])
    betas = (0.1, 3.0 if degree == 6 else 1.5)
    contenders = {"fastgibbs": Ours(model, 64, betas=betas), "dwave-samplers": Dwave(model, 64, betas=betas)}
    compete(benchmark, f"annealing, {weights}, {degree}-regular, {n} sites", contenders, {"fastgibbs": 8}, rounds=3)


def time_to_ground(annealer, ground, runs):
    """Seconds until a read has found the ground state with 99 %: T log(0.01) / log(1 - p), T the time of a read."""
    seconds = sum(annealer.reads * annealer.sweeps * annealer.model.n / (annealer() * 1e9) for _ in range(runs))
    p = np.mean(np.concatenate(annealer.energies) <= ground)
    each = seconds / (runs * annealer.reads)
    return np.inf if p == 0 else each * max(1.0, np.log(0.01) / np.log1p(-min(p, 1 - 1e-9)))


def test_time_to_the_ground_state(benchmark):
    """Ten +-J glasses of 8^3; each side takes its best of a scan over sweeps and the coldest beta."""
    scan = [(sweeps, last) for sweeps in (100, 300, 1000, 3000) for last in (1.5, 2.0, 3.0)]
    ratios = []
    with one_core():
        for seed in range(10):
            model = fg.edwards_anderson((8, 8, 8), seed=seed)
            ground = fg.anneal(model, sweeps=20_000, reads=512, seed=99).energy[0]
            best = {}
            for side, reads in ((Ours, 512), (Dwave, 128)):
                times = {s: time_to_ground(side(model, reads, s[0], (0.1, s[1])), ground, 1) for s in scan}
                at = min(times, key=times.get)
                best[side] = time_to_ground(side(model, reads, at[0], (0.1, at[1])), ground, 4), at
            ratios.append(best[Dwave][0] / best[Ours][0])
            mine, peers = (f"{t * 1e3:.2f} ms at {s}" for t, s in (best[Ours], best[Dwave]))
            print(f"  sample {seed}, E = {ground:.0f}: fastgibbs {mine}; dwave-samplers {peers}; {ratios[-1]:.0f}x")
        benchmark.pedantic(lambda: None, rounds=1)
    print(f"  time to the ground state, median ratio {np.median(ratios):.0f}, least {min(ratios):.0f}")
    assert min(ratios) >= 10
