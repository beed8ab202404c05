"""Training an RBM: CD-1 epochs of 784 and 500 units against a plain NumPy loop and scikit-learn, PCD to -145 nats.

And what beginners train, 6 and 3 units or digits of 8 x 8, against the NumPy class of every textbook.

    MNIST=folder python -m pytest bench/bench_training.py -s

Floor: an update has five products of 128 x 784 x 500, 0.25 G multiply-adds; with 32 of them a cycle, that is 7.8 M
cycles, 1.9 ms at 4.2 GHz. Four of them leave out the terms of visible units that are 0, and go on with half as many
additions a cycle: of MNIST a fifth remains, of random rows half. Rates are rows per microsecond over part of an epoch.
Without MNIST, rows are random.

Of digits, 64 and 16 units, a step of 100 rows takes 80 decisions in 7 vectors of chains, 8 us of the 14 ns each that
they take in sampling too, 0.5 M multiply-adds, 5 us, and 200 means, 2 us: a floor of some 15 us in kernels, beside
6 us for two calls of kernels and 10 us of Python that chooses, copies and counts rows.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from contest import contest, one_core, report

import fastgibbs as fg
from fastgibbs.learning import data, history

V, H = 784, 500
FOLDER = Path(os.environ.get("MNIST", "nowhere"))


def mnist(part):
    return (fg.read_idx(FOLDER / f"{part}-images-idx3-ubyte").reshape(-1, V) > 127).astype(np.uint8)


def rows_of(count):
    if FOLDER.is_dir():
        return mnist("train")[:count]
    return (np.random.default_rng(1).random((count, V)) < 0.13).astype(np.uint8)


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def plain(rows, dtype, batch_size, rate=0.05):
    """The loop that everyone writes first."""
    images, rng = rows.astype(dtype), np.random.default_rng(1)
    W, a, b = rng.normal(scale=0.01, size=(V, H)).astype(dtype), np.zeros(V, dtype), np.zeros(H, dtype)
    uniform = rng.random if dtype is np.float32 else np.random.rand

    def draw(p):
        u = uniform(p.shape, dtype) if dtype is np.float32 else uniform(*p.shape)
        return (u < p).astype(dtype)

    def run():
        began = time.perf_counter()
        for first in range(0, len(images), batch_size):
            v = images[first : first + batch_size]
            p = sigmoid(v @ W + b)
            w = draw(sigmoid(draw(p) @ W.T + a))
            q = sigmoid(w @ W + b)
            W[:] += rate * (v.T @ p - w.T @ q) / len(v)
            a[:] += rate * (v - w).mean(axis=0)
            b[:] += rate * (p - q).mean(axis=0)
        return len(rows) / (time.perf_counter() - began) / 1e6

    return run


def ours(rows, batch_size, threads=1):
    rbm, share = fg.RBM(np.random.default_rng(1).normal(scale=0.01, size=(V, H))), len(rows) / 60_000

    def run():
        result = fg.train(
            rbm, rows, method="cd", epochs=1, batch_size=batch_size, likelihood_every=0, seed=1, threads=threads
        )
        return len(rows) / result.timing.kernel / 1e6

    def of_its_share():
        with pytest.MonkeyPatch.context() as patched:  # the history takes the share of the epoch that is timed
            patched.setattr(data, "MONITORED", round(data.MONITORED * share))
            patched.setattr(history, "TERMS", round(history.TERMS * share))
            return run()

    return of_its_share


def scikit_learn(rows, batch_size):
    module = pytest.importorskip("sklearn.neural_network", reason="the peers come with the extra [bench]")
    images = rows.astype(np.float32)

    def run():
        machine = module.BernoulliRBM(n_components=H, batch_size=batch_size, n_iter=1, random_state=1)
        began = time.perf_counter()
        machine.fit(images)
        return len(rows) / (time.perf_counter() - began) / 1e6

    return run


@pytest.mark.parametrize("batch_size", [128, 10])
def test_an_epoch_of_contrastive_divergence(benchmark, batch_size):
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="the peers come with the extra [bench]")
    rows = rows_of(60_000 // 8 if batch_size == 128 else 2000)
    with one_core(), threadpoolctl.threadpool_limits(1):
        contenders = {
            "fastgibbs": ours(rows, batch_size),
            "scikit-learn, float32": scikit_learn(rows, batch_size),
            "NumPy, float32": plain(rows, np.float32, batch_size),
            "NumPy, float64": plain(rows, np.float64, batch_size),
        }
        rates = contest(contenders, rounds=5)
        benchmark.pedantic(contenders["fastgibbs"], rounds=1)
    ratios = report(f"CD-1, 784 x 500, batches of {batch_size}, one core (rows per us)", rates, benchmark)
    assert ratios["scikit-learn, float32"] >= (2 if batch_size == 128 else 3)
    assert ratios["NumPy, float32"] >= 1.6
    assert ratios["NumPy, float64"] >= 2


class Textbook:
    """An RBM as courses write it: CD-1 in float64, and the squared error of the reconstruction after every epoch."""

    def __init__(self, visible, hidden, rate):
        self.rng, self.rate = np.random.default_rng(1), rate
        self.W = self.rng.normal(scale=0.01, size=(visible, hidden))
        self.a, self.b = np.zeros(visible), np.zeros(hidden)

    def hidden(self, v):
        return 1 / (1 + np.exp(-(v @ self.W + self.b)))

    def visible(self, h):
        return 1 / (1 + np.exp(-(h @ self.W.T + self.a)))

    def drawn(self, p):
        return (self.rng.random(p.shape) < p).astype(float)

    def learn(self, v):
        p = self.hidden(v)
        w = self.visible(self.drawn(p))
        q = self.hidden(self.drawn(w))
        self.W += self.rate * (v.T @ p - w.T @ q) / len(v)
        self.a += self.rate * (v - w).mean(axis=0)
        self.b += self.rate * (p - q).mean(axis=0)
        return ((v - w) ** 2).mean()

    def fit(self, data, epochs, batch_size):
        errors = []
        for _ in range(epochs):
            rows = self.rng.permutation(data) if batch_size < len(data) else data
            batches = range(0, len(rows), batch_size)
            errors.append(np.mean([self.learn(rows[first : first + batch_size]) for first in batches]))
        return errors


def small_job(name):
    """Data (N, V) and the hidden units, epochs and rows a batch of what a beginner trains first."""
    if name == "textbook":
        return np.random.default_rng(2).integers(0, 2, (100, 6)), 3, 100, 100
    datasets = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")
    return (datasets.load_digits().data > 7).astype(int), 16, 20, 100


@pytest.mark.parametrize("name", ["textbook", "digits"])
def test_what_beginners_train(benchmark, name):
    """With no history, and with that of the defaults."""
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="the peers come with the extra [bench]")
    data, hidden, epochs, batch_size = small_job(name)
    visible = data.shape[1]
    rbm = fg.RBM(np.random.default_rng(1).normal(scale=0.01, size=(visible, hidden)))
    settings = dict(method="cd", epochs=epochs, batch_size=batch_size, learning_rate=0.1, seed=1, threads=1)

    def timed(job):
        def run():
            began = time.process_time()  # of all threads: milliseconds by the clock are those of other processes too
            job()
            return len(data) * epochs / (time.process_time() - began) / 1e6

        return run

    with one_core(), threadpoolctl.threadpool_limits(1):
        contenders = {
            "fastgibbs, no history": timed(lambda: fg.train(rbm, data, history_every=0, **settings)),
            "fastgibbs": timed(lambda: fg.train(rbm, data, **settings)),
            "NumPy, as in textbooks": timed(lambda: Textbook(visible, hidden, 0.1).fit(data * 1.0, epochs, batch_size)),
        }
        rates = contest(contenders, rounds=15)
        benchmark.pedantic(contenders["fastgibbs, no history"], rounds=1)
    report(f"{name}: CD-1, {visible} x {hidden}, {epochs} epochs, one core (rows per us of CPU time)", rates, benchmark)


def centered_loop(images, W, a, b, rates, chains, rng):
    """PCD-1 with the centred gradient in plain NumPy float32, in place."""
    mu, lam = images.mean(axis=0, dtype=np.float32), np.full(b.size, 0.5, np.float32)
    v = (rng.random((chains, V), np.float32) < 0.5).astype(np.float32)
    for rate in rates:
        order = rng.permutation(len(images))
        for first in range(0, len(images), chains):
            shown = images[order[first : first + chains]].astype(np.float32)
            p, q = sigmoid(shown @ W + b), sigmoid(v @ W + b)
            h = (rng.random(q.shape, np.float32) < q).astype(np.float32)
            v = (rng.random(v.shape, np.float32) < sigmoid(h @ W.T + a)).astype(np.float32)
            q = sigmoid(v @ W + b)
            dW = (shown - mu).T @ (p - lam) / len(shown) - (v - mu).T @ (q - lam) / chains
            da = shown.mean(axis=0) - v.mean(axis=0) - dW @ lam
            db = p.mean(axis=0) - q.mean(axis=0) - dW.T @ mu
            lam += np.float32(0.01) * (p.mean(axis=0) - lam)
            W += np.float32(rate) * dW
            a += np.float32(rate) * da
            b += np.float32(rate) * db


def test_mnist_to_145_nats(benchmark):
    if not FOLDER.is_dir():
        pytest.skip("set MNIST to a folder with the four IDX files")
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="the peers come with the extra [bench]")
    images, test, epochs, batch_size = mnist("train"), mnist("t10k"), 10, 128
    rates, rng = np.geomspace(0.2, 0.02, epochs), np.random.default_rng(1)
    m = np.clip(images.mean(axis=0), 1e-3, 1 - 1e-3)
    first = fg.RBM(rng.normal(scale=0.01, size=(V, 16)), np.log(m / (1 - m)))
    with one_core(), threadpoolctl.threadpool_limits(1):
        fg.train(first, images[:batch_size], epochs=1, batch_size=batch_size, seed=2, threads=1)  # compiled
        began = time.perf_counter()
        result = fg.train(
            first,
            images,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=rates,
            likelihood_every=0,
            seed=2,
            threads=1,
        )
        seconds = time.perf_counter() - began
        W, a, b = (np.float32(part) for part in (first.weights, first.visible_bias, first.hidden_bias))
        began = time.perf_counter()
        centered_loop(images, W, a, b, rates, batch_size, rng)
        plain_seconds = time.perf_counter() - began
    benchmark.pedantic(lambda: None, rounds=1)
    reached = [fg.log_likelihood(rbm, test).value for rbm in (result.model, fg.RBM(W, a, b))]
    print(f"\nMNIST 784 x 16, PCD-1, {epochs} epochs: fastgibbs {reached[0]:.2f} nats in {seconds:.1f} s, ", end="")
    print(f"NumPy {reached[1]:.2f} nats in {plain_seconds:.1f} s: {plain_seconds / seconds:.2f}")
    assert reached[0] >= -145
    assert plain_seconds >= 2 * seconds
