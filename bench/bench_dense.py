"""The dense engine on Sherrington-Kirkpatrick glasses, one thread, against openjij, dwave-samplers and bifurcation.

    python -m pytest bench/bench_dense.py -s

Limit, for N = 1024, 64 lanes and an acceptance of 0.28, the mean of an anneal from beta = 0.1 to 3: a decision as in
bench_sparse.py, and 0.28 flips of N sums in 32 bits. Each field goes from the second cache and back once a panel of 64
attempts, 2 N 4 / 64 = 128 bytes, and J comes once for all lanes, N 4 / 64 = 64 bytes. Energies of Gaussian couplings
take the sums and the traffic again.
"""

import time

import numpy as np
import pytest
from bench_annealing import BETAS, SWEEPS, annealing
from contest import compete, given, matrix, no_worse, one_core, ours
from machine import Work
from peers import dwave, openjij

import fastgibbs as fg

N, READS = 1024, 64


def work(acceptance):
    return Work(words=0.5, bits=33 * 32 + acceptance * N * 32, l2=3 * N / 16)


def sk(kind="gaussian", n=N):
    return fg.sherrington_kirkpatrick(n, kind, seed=1)


def test_annealing_of_the_dense_glass():
    jobs = {
        "fastgibbs": annealing(given(sk()), READS),
        "openjij": openjij(sk(), BETAS, READS, SWEEPS),
        "dwave-samplers": dwave(sk(), BETAS, READS, SWEEPS),
    }
    outcome = compete("annealing, SK Gaussian N=1024", jobs, rounds=2, work=work(0.28))
    no_worse(outcome, peers=["openjij", "dwave-samplers"])


def test_fields_of_whole_numbers_take_half_as_many_bits():
    jobs = {f"fastgibbs {kind}": annealing(given(sk(kind)), READS) for kind in ("bimodal", "gaussian")}
    compete("annealing, SK +-J N=1024", jobs, rounds=3)


def test_best_energy_in_the_time_of_simulated_bifurcation():
    """64 agents and 1000 steps on one core, both modes; ours: tempering for as many seconds."""
    torch = pytest.importorskip("torch", reason="the peers come with the extra [bench]")
    bifurcation = pytest.importorskip("simulated_bifurcation", reason="it is in no extra: its versions bind torch's")
    model = sk()
    J = matrix(model).astype(np.float32)
    with one_core():
        torch.set_num_threads(1)
        for mode in ("ballistic", "discrete"):
            torch.manual_seed(1)
            began = time.perf_counter()
            options = dict(domain="spin", agents=64, max_steps=1000, mode=mode, verbose=False)
            spins, _ = bifurcation.minimize(torch.from_numpy(-0.5 * J), early_stopping=False, **options)
            seconds = time.perf_counter() - began
            theirs = model.energy(np.rint(spins.numpy()).astype(np.int8).ravel()) / N
            betas = 1 / np.linspace(0.1, 1.2, 32)[::-1]
            warm = dict(betas=betas, ladders=2, overlap_every=0, seed=3, threads=1, burn_in=0)
            fg.temper(model, sweeps=50, **warm)  # compiles
            rate = fg.temper(model, sweeps=50, **warm).timing
            result = fg.temper(model, sweeps=int(50 * seconds / rate.total), **warm)
            found = result.energy.min() / N
            print(f"\n{mode}: simulated-bifurcation {theirs:.4f} in {seconds:.2f} s", end="; ")
            print(f"tempering {found:.4f} in {result.timing.total:.2f} s, {result.energy.shape[2]} sweeps")
            assert found <= theirs


@pytest.mark.parametrize("kind", ["gaussian", "bimodal"])
@pytest.mark.parametrize(("n", "chains"), [(128, 64), (256, 64), (1024, 64), (1024, 16), (2048, 64)])
@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_dense_and_sparse_engines(beta, n, chains, kind):
    sweeps = max(2, 10_000_000 // n // chains // (1 + n // 256))
    options = dict(beta=beta, sweeps=sweeps, chains=chains)
    jobs = {engine: ours(fg.sample, given(sk(kind, n)), engine=engine, **options) for engine in ("dense", "sparse")}
    compete(f"dense or sparse: SK {kind}, N={n}, {chains} chains, beta {beta}", jobs, rounds=3)
