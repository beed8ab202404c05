"""The dense engine on Sherrington-Kirkpatrick glasses, one thread, against openjij, dwave-samplers and bifurcation.

    python -m pytest bench/bench_dense.py -s

Floor, for N = 1024, 64 lanes and an acceptance of 0.28, the mean of an anneal from beta = 0.1 to 3: an attempt is
decided in 5 cycles (as in bench_sparse.py, without the gather), and moves 0.28 flips of N sums. In registers of 512
bits, two reads a cycle, these are 0.28 N / 16 / 2 = 9 cycles in 32 bits and 4.5 in 16; each field goes from the second
cache and back once a panel of 64 attempts, 2 N 4 / 64 = 128 bytes or 4 cycles (2), J comes from the third once for all
lanes, N 4 / 64 = 64 bytes or 4 cycles (2). Energies of Gaussian couplings take the sums and the traffic again. At
2.6 GHz, if nothing overlapped: 118 attempts/us between measurements and 65 with one a sweep; 190 with 16 bits.
"""

import time

import numpy as np
import pytest
from bench_annealing import Annealer, Dwave, Ours
from contest import contest, one_core, report

import fastgibbs as fg

N, READS = 1024, 64
WHAT = ("mean", "best of 64")
GAUSSIAN = fg.sherrington_kirkpatrick(N, "gaussian", seed=1)
BIMODAL = fg.sherrington_kirkpatrick(N, "bimodal", seed=1)


class Openjij(Annealer):
    """Its own time of each read, summed; without a seed, since with one all its reads are the same."""

    def anneal(self):
        openjij = pytest.importorskip("openjij", reason="the peers come with the extra [bench]")
        couplings = {(int(a), int(b)): -float(c) for a, b, c in zip(*self.model.bonds, strict=True)}
        betas = dict(beta_min=self.betas[0], beta_max=self.betas[1])
        options = dict(num_sweeps=self.sweeps, num_reads=self.reads, sparse=False, **betas)
        done = openjij.SASampler().sample_ising({}, couplings, **options)
        return done.info["list_exec_times"].sum() / 1e6, done.energies


def test_annealing_of_the_dense_glass(benchmark):
    contenders = {
        "fastgibbs, Gaussian": Ours(GAUSSIAN, READS),
        "fastgibbs, +-J": Ours(BIMODAL, READS),
        "openjij": Openjij(GAUSSIAN, READS),
        "dwave-samplers": Dwave(GAUSSIAN, READS),
    }
    with one_core():
        rates = contest(contenders, rounds=3)
        benchmark.pedantic(contenders["fastgibbs, Gaussian"], rounds=1)
    ratios = report("annealing, SK N=1024, 1000 sweeps, beta 0.1 -> 3", rates, benchmark)
    quality = {name: contender.quality() for name, contender in contenders.items()}
    for name, values in quality.items():
        shown = (f"{what} E/N {e / N:.4f} +- {error / N:.4f}" for what, (e, error) in zip(WHAT, values, strict=True))
        print(f"  {name}: {', '.join(shown)}")
    for peer in ("openjij", "dwave-samplers"):
        for what, mine, theirs in zip(WHAT, quality["fastgibbs, Gaussian"], quality[peer], strict=True):
            assert mine[0] <= theirs[0] + 3 * np.hypot(mine[1], theirs[1]), (peer, what)
    assert ratios["openjij"] >= 3
    assert ratios["dwave-samplers"] >= 10
    assert ratios["fastgibbs, +-J"] <= 1 / 1.5


def test_best_energy_in_the_time_of_simulated_bifurcation(benchmark):
    """64 agents and 1000 steps on one core, both modes; ours: tempering for as many seconds."""
    torch = pytest.importorskip("torch", reason="the peers come with the extra [bench]")
    bifurcation = pytest.importorskip("simulated_bifurcation", reason="the peers come with the extra [bench]")
    J = np.zeros((N, N), np.float32)
    i, j, values = GAUSSIAN.bonds
    J[i, j] = J[j, i] = values
    with one_core():
        torch.set_num_threads(1)
        for mode in ("ballistic", "discrete"):
            torch.manual_seed(1)
            began = time.perf_counter()
            options = dict(domain="spin", agents=64, max_steps=1000, mode=mode, verbose=False)
            spins, _ = bifurcation.minimize(torch.from_numpy(-0.5 * J), early_stopping=False, **options)
            seconds = time.perf_counter() - began
            theirs = GAUSSIAN.energy(np.rint(spins.numpy()).astype(np.int8).ravel()) / N
            betas = 1 / np.linspace(0.1, 1.2, 32)[::-1]
            warm = dict(betas=betas, ladders=2, overlap_every=0, seed=3, threads=1, burn_in=0)
            rate = fg.temper(GAUSSIAN, sweeps=50, **warm).timing
            rate = fg.temper(GAUSSIAN, sweeps=50, **warm).timing
            result = fg.temper(GAUSSIAN, sweeps=int(50 * seconds / rate.total), **warm)
            ours = result.energy.min() / N
            print(f"\n{mode}: simulated-bifurcation {theirs:.4f} in {seconds:.2f} s", end="; ")
            print(f"tempering {ours:.4f} in {result.timing.total:.2f} s, {result.energy.shape[2]} sweeps")
            assert ours <= theirs
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("disorder", ["gaussian", "bimodal"])
@pytest.mark.parametrize(("n", "chains"), [(128, 64), (256, 64), (1024, 64), (1024, 16), (2048, 64)])
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_dense_and_sparse_engines(benchmark, beta, n, chains, disorder):
    model, sweeps = fg.sherrington_kirkpatrick(n, disorder, seed=1), max(2, 20_000_000 // n // chains // (1 + n // 256))

    def run(engine):
        def rate():
            kwargs = dict(beta=beta, sweeps=sweeps, chains=chains, seed=2, threads=1, engine=engine)
            return fg.sample(model, **kwargs).timing.updates_per_second / 1e9

        return rate

    with one_core():
        rates = contest({"dense": run("dense"), "sparse": run("sparse")}, rounds=3)
        benchmark.pedantic(run("dense"), rounds=1)
    report(f"SK {disorder}, N={n}, {chains} chains, beta {beta}", rates, benchmark)
    assert np.median(rates["dense"] / rates["sparse"]) > 1
