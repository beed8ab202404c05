"""Gibbs steps v -> h -> v of an RBM of 784 and 500 units, 512 chains, on one thread.

    python -m pytest bench/bench_rbm.py -s

Floor of a BLAS: two products of 512 x 784 x 500 are 0.40 G multiply-adds each step; with 16 float32 an operation and two
of these a cycle, that is 12.5 M cycles, 3 ms at 4.2 GHz. Half the units are 0, whose terms are left out: half of that,
and a branch for every 64 units of a chain. A unit's decision takes some 35 operations of 16 lanes, half a SFC64 step
among them: 657 k units, 0.5 M cycles or 4 % on top.
"""

import time

import numpy as np
import pytest
from contest import contest, one_core, report

import fastgibbs as fg

V, H, CHAINS, STEPS = 784, 500, 512, 20
RNG = np.random.default_rng(1)
RBM = fg.RBM(RNG.normal(size=(V, H)) * 0.05, RNG.normal(size=V) * 0.1, RNG.normal(size=H) * 0.1)
W, A, B = (np.float32(part) for part in (RBM.weights, RBM.visible_bias, RBM.hidden_bias))
WT = np.ascontiguousarray(W.T)
START = (RNG.random((CHAINS, V)) < 0.5).astype(np.float32)


def ours(threads=1, steps=STEPS, chains=CHAINS, model=RBM, **kwargs):
    def run():
        options = dict(thin=steps, engine="layered") | kwargs
        result = fg.sample(model, beta=1.0, sweeps=steps, chains=chains, seed=2, threads=threads, **options)
        return result.timing.updates_per_second / 1e9

    return run


def timed(step, state):
    """A contender from a function that makes one step from a state to the next."""

    def run():
        here, began = state, time.perf_counter()
        for _ in range(STEPS):
            here = step(here)
        np.asarray(here)  # of libraries that compute later
        return CHAINS * (V + H) * STEPS / (time.perf_counter() - began) / 1e9

    return run


def products():
    """The two matrix products of a step and nothing else."""
    hidden, visible = np.empty((CHAINS, H), np.float32), START.copy()
    units = (RNG.random((CHAINS, H)) < 0.5).astype(np.float32)

    def step(v):
        np.dot(v, W, out=hidden)
        np.dot(units, WT, out=visible)
        return START

    return timed(step, START)


def plain_numpy():
    generator = np.random.default_rng(3)

    def draw(x):
        return (generator.random(x.shape, np.float32) * (1 + np.exp(-x)) < 1).astype(np.float32)

    return timed(lambda v: draw(draw(v @ W + B) @ WT + A), START)


def scikit_learn():
    module = pytest.importorskip("sklearn.neural_network", reason="the peers come with the extra [bench]")
    machine = module.BernoulliRBM(n_components=H, random_state=np.random.RandomState(3))
    machine.components_, machine.intercept_hidden_, machine.intercept_visible_ = WT, B, A
    return timed(lambda v: machine.gibbs(v).astype(np.float32), START)


def torch(draw):
    """As rbms does it with `draw` "bernoulli"; with "rand", the faster way."""
    module = pytest.importorskip("torch", reason="the peers come with the extra [bench]")
    module.set_num_threads(1)
    weights, a, b = (module.from_numpy(part) for part in (W, A, B))

    def sampled(x):
        p = module.sigmoid(x)
        return module.bernoulli(p) if draw == "bernoulli" else (module.rand_like(p) < p).float()

    return timed(lambda v: sampled(sampled(v @ weights + b) @ weights.T + a), module.from_numpy(START))


def jax():
    module = pytest.importorskip("jax", reason="the peers come with the extra [bench]")
    numbers = module.numpy

    @module.jit
    def step(state):
        v, key = state
        key, for_hidden, for_visible = module.random.split(key, 3)
        p = module.nn.sigmoid(v @ W + B)
        h = (module.random.uniform(for_hidden, p.shape) < p).astype(numbers.float32)
        p = module.nn.sigmoid(h @ WT + A)
        return (module.random.uniform(for_visible, p.shape) < p).astype(numbers.float32), key

    def run():
        state, began = (numbers.asarray(START), module.random.key(1, impl="rbg")), time.perf_counter()
        for _ in range(STEPS):
            state = step(state)
        state[0].block_until_ready()
        return CHAINS * (V + H) * STEPS / (time.perf_counter() - began) / 1e9

    return run


def test_gibbs_steps_against_the_products_alone_and_the_peers(benchmark):
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="the peers come with the extra [bench]")
    with one_core(), threadpoolctl.threadpool_limits(1):
        contenders = {
            "fastgibbs gibbs": ours(),
            "fastgibbs metropolis": ours(rule="metropolis"),
            "fastgibbs, measured each sweep": ours(thin=1),
            "the two products alone, by NumPy's BLAS": products(),
            "numpy": plain_numpy(),
            "jax": jax(),
            "torch, rand < p": torch("rand"),
            "torch, bernoulli, as rbms": torch("bernoulli"),
            "scikit-learn": scikit_learn(),
        }
        rates = contest(contenders)
        benchmark.pedantic(contenders["fastgibbs gibbs"], rounds=3)
    ratios = report("RBM 784 x 500, 512 chains, one core", rates, benchmark)
    assert ratios["the two products alone, by NumPy's BLAS"] >= 1
    assert min(ratios[name] for name in ("numpy", "jax", "torch, rand < p")) >= 1.15
    assert min(ratios[name] for name in ("torch, bernoulli, as rbms", "scikit-learn")) >= 1.8


@pytest.mark.parametrize("chains", [64, 256])
@pytest.mark.parametrize("shape", [(784, 500), (784, 16), (64, 20), (16, 8)])
def test_recording_every_sweep_against_none(benchmark, shape, chains):
    """Energies are sums over the inputs of the last half-step: V + H additions in float64 beside 2 V H products."""
    rng = np.random.default_rng(1)
    machine = fg.RBM(rng.normal(size=shape) * 0.05, rng.normal(size=shape[0]) * 0.1)
    steps = max(20, min(4000, 2**30 // (shape[0] * (shape[1] + 40) * chains)))
    with one_core():
        contenders = {
            name: ours(steps=steps, chains=chains, model=machine, thin=thin)
            for name, thin in (("recorded each sweep", 1), ("recorded once", steps))
        }
        rates = contest(contenders, rounds=21)
        benchmark.pedantic(contenders["recorded each sweep"], rounds=1)
    ratio = report(f"RBM {shape[0]} x {shape[1]}, {chains} chains", rates, benchmark)["recorded once"]
    assert ratio >= (0.85 if shape[0] > 16 else 0.6)  # of 24 units, records are as many numbers as states


def test_two_threads(benchmark):
    contenders = {f"{t} threads": ours(t, steps=200) for t in (2, 1)}
    rates = contest(contenders)
    benchmark.pedantic(contenders["2 threads"], rounds=1)
    assert report("RBM 784 x 500, 512 chains", rates, benchmark)["1 threads"] >= 1.6


@pytest.mark.parametrize("shape", [(16, 8), (64, 20), (784, 16), (200, 200)])
@pytest.mark.parametrize("chains", [1, 64])
def test_layers_at_once_beat_single_spins(benchmark, shape, chains):
    machine = fg.RBM(np.random.default_rng(1).normal(size=shape) * 0.1)
    steps = max(10, 30_000_000 // (shape[0] * shape[1] * max(chains, 16)))

    def of(engine):
        def run():
            result = fg.sample(
                machine, beta=1.0, sweeps=steps, thin=steps, chains=chains, seed=2, threads=1, engine=engine
            )
            return result.timing.updates_per_second / 1e9

        return run

    with one_core():
        rates = contest({engine: of(engine) for engine in ("layered", "sparse")})
        benchmark.pedantic(of("layered"), rounds=1)
    assert report(f"RBM {shape[0]} x {shape[1]}, {chains} chains", rates, benchmark)["sparse"] >= 1
