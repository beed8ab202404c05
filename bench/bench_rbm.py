"""Gibbs steps v -> h -> v of an RBM of 784 and 500 units, 512 chains, on one thread.

    python -m pytest bench/bench_rbm.py -s

Limit: two products of 784 x 500 are 0.78 M multiply-adds for 1284 units, of which half have a unit that is 0 and may be
left out; a unit's decision takes half a SFC64 step and some 33 operations of 32 bits.
"""

import functools

import numpy as np
import pytest
from contest import Run, compete, on_two_threads, ours, peer
from machine import Work

import fastgibbs as fg

V, H, CHAINS, STEPS = 784, 500, 512, 20
RNG = np.random.default_rng(1)
RBM = fg.RBM(RNG.normal(size=(V, H)) * 0.05, RNG.normal(size=V) * 0.1, RNG.normal(size=H) * 0.1)
W, A, B = (np.float32(part) for part in (RBM.weights, RBM.visible_bias, RBM.hidden_bias))
WT = np.ascontiguousarray(W.T)
START = (RNG.random((CHAINS, V)) < 0.5).astype(np.float32)


def work(visible, hidden):
    return Work(words=0.5, bits=33 * 32, products=visible * hidden / (visible + hidden))


def sampling(model=RBM, steps=STEPS, chains=CHAINS, **kwargs):
    def build():
        return fg.RBM(model.weights, model.visible_bias, model.hidden_bias)

    options = dict(beta=1.0, sweeps=steps, thin=steps, chains=chains, engine="layered")
    return ours(fg.sample, build, **options | kwargs)


def stepping(step, state):
    """A job from a function that makes one step from a state to the next."""

    def job():
        here = state
        for _ in range(STEPS):
            here = step(here)
        np.asarray(here)  # of libraries that compute later
        return Run(CHAINS * (V + H) * STEPS)

    return job


def products():
    """The two matrix products of a step and nothing else."""
    hidden, visible = np.empty((CHAINS, H), np.float32), START.copy()
    units = (RNG.random((CHAINS, H)) < 0.5).astype(np.float32)

    def step(v):
        np.dot(v, W, out=hidden)
        np.dot(units, WT, out=visible)
        return START

    return stepping(step, START)


def plain_numpy():
    generator = np.random.default_rng(3)

    def draw(x):
        return (generator.random(x.shape, np.float32) * (1 + np.exp(-x)) < 1).astype(np.float32)

    return stepping(lambda v: draw(draw(v @ W + B) @ WT + A), START)


def scikit_learn():
    def job():
        machine = peer("sklearn.neural_network").BernoulliRBM(n_components=H, random_state=np.random.RandomState(3))
        machine.components_, machine.intercept_hidden_, machine.intercept_visible_ = WT, B, A
        return stepping(lambda v: machine.gibbs(v).astype(np.float32), START)()

    return job


def torch(draw):
    """As rbms does it with `draw` "bernoulli"; with "rand", the faster way."""

    def job():
        module = peer("torch")
        module.set_num_threads(1)
        weights, a, b = (module.from_numpy(part) for part in (W, A, B))

        def sampled(x):
            p = module.sigmoid(x)
            return module.bernoulli(p) if draw == "bernoulli" else (module.rand_like(p) < p).float()

        return stepping(lambda v: sampled(sampled(v @ weights + b) @ weights.T + a), module.from_numpy(START))()

    return job


@functools.cache
def jax_step():
    module = peer("jax")

    @module.jit
    def step(state):
        v, key = state
        key, for_hidden, for_visible = module.random.split(key, 3)
        p = module.nn.sigmoid(v @ W + B)
        h = (module.random.uniform(for_hidden, p.shape) < p).astype(np.float32)
        p = module.nn.sigmoid(h @ WT + A)
        return (module.random.uniform(for_visible, p.shape) < p).astype(np.float32), key

    return step


def jax():
    def job():
        step, module = jax_step(), peer("jax")
        state = module.numpy.asarray(START), module.random.key(1, impl="rbg")
        for _ in range(STEPS):
            state = step(state)
        state[0].block_until_ready()
        return Run(CHAINS * (V + H) * STEPS)

    return job


def test_gibbs_steps_against_the_products_alone_and_the_peers():
    jobs = {
        "fastgibbs": sampling(),
        "fastgibbs metropolis": sampling(rule="metropolis"),
        "fastgibbs, measured each sweep": sampling(thin=1),
        "the two products alone": products(),
        "numpy": plain_numpy(),
        "jax": jax(),
        "torch, rand < p": torch("rand"),
        "torch, bernoulli, as rbms": torch("bernoulli"),
        "scikit-learn": scikit_learn(),
    }
    compete("RBM 784 x 500, 512 chains", jobs, work=work(V, H))


@pytest.mark.parametrize("chains", [64, 256])
@pytest.mark.parametrize("shape", [(784, 500), (784, 16), (64, 20), (16, 8)])
def test_recording_every_sweep_against_none(shape, chains):
    """Energies are sums over the inputs of the last half-step: V + H additions in float64 beside 2 V H products."""
    rng = np.random.default_rng(1)
    machine = fg.RBM(rng.normal(size=shape) * 0.05, rng.normal(size=shape[0]) * 0.1)
    steps = max(20, min(4000, 2**29 // (shape[0] * (shape[1] + 40) * chains)))
    jobs = {
        name: sampling(machine, steps, chains, thin=thin)
        for name, thin in (("recorded each sweep", 1), ("recorded once", steps))
    }
    compete(f"RBM {shape[0]} x {shape[1]}, {chains} chains, recording", jobs, rounds=15)


def test_two_threads():
    on_two_threads("RBM 784 x 500, 512 chains, two threads", lambda threads: sampling(steps=100, threads=threads))


@pytest.mark.parametrize("shape", [(16, 8), (64, 20), (784, 16), (200, 200)])
@pytest.mark.parametrize("chains", [1, 64])
def test_layers_at_once_beat_single_spins(shape, chains):
    machine = fg.RBM(np.random.default_rng(1).normal(size=shape) * 0.1)
    steps = max(20, 100_000_000 // (shape[0] * shape[1] * max(chains, 16)))
    jobs = {engine: sampling(machine, steps, chains, engine=engine) for engine in ("layered", "sparse")}
    compete(f"layered or sparse: RBM {shape[0]} x {shape[1]}, {chains} chains", jobs, rounds=3)
