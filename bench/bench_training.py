"""Training an RBM: CD-1 epochs of 784 and 500 units against a plain NumPy loop and scikit-learn, PCD to -145 nats.

And what beginners train, 6 and 3 units or digits of 8 x 8, against the NumPy class of every textbook.

    MNIST=folder python -m pytest bench/bench_training.py -s

Limit: a row takes five products of 784 x 500 and 1784 decisions. Terms of units that are 0 may be left out: of two
products the share of the row that is 1 counts (without MNIST, rows are random), and half of the three others.

Of digits, 64 and 16 units, a step of 100 rows takes 80 decisions in 7 vectors of chains, 8 us of the 14 ns each that
they take in sampling too, 0.5 M multiply-adds, 5 us, and 200 means, 2 us: a limit of some 15 us in kernels, beside
6 us for two calls of kernels and 10 us of Python that chooses, copies and counts rows.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from contest import Run, call, compete, one_core, peer
from machine import Work

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

    def job():
        for first in range(0, len(images), batch_size):
            v = images[first : first + batch_size]
            p = sigmoid(v @ W + b)
            w = draw(sigmoid(draw(p) @ W.T + a))
            q = sigmoid(w @ W + b)
            W[:] += rate * (v.T @ p - w.T @ q) / len(v)
            a[:] += rate * (v - w).mean(axis=0)
            b[:] += rate * (p - q).mean(axis=0)
        return Run(len(rows))

    return job


def training(rows, batch_size, threads=1):
    W, share = np.random.default_rng(1).normal(scale=0.01, size=(V, H)), len(rows) / 60_000
    options = dict(method="cd", epochs=1, batch_size=batch_size, likelihood_every=0, seed=1, threads=threads)

    def job():
        with pytest.MonkeyPatch.context() as patched:  # the history takes the share of the epoch that is timed
            patched.setattr(data, "MONITORED", round(data.MONITORED * share))
            patched.setattr(history, "TERMS", round(history.TERMS * share))
            result = fg.train(fg.RBM(W), rows, **options)
        return Run(len(rows), result.timing.kernel)

    return job


def scikit_learn(rows, batch_size):
    def job():
        network = peer("sklearn.neural_network")
        machine = network.BernoulliRBM(n_components=H, batch_size=batch_size, n_iter=1, random_state=1)
        machine.fit(rows.astype(np.float32))
        return Run(len(rows))

    return job


@pytest.mark.parametrize("batch_size", [128, 10])
def test_an_epoch_of_contrastive_divergence(batch_size):
    rows = rows_of(60_000 // 8 if batch_size == 128 else 2000)
    jobs = {
        "fastgibbs": training(rows, batch_size),
        "scikit-learn, float32": scikit_learn(rows, batch_size),
        "NumPy, float32": plain(rows, np.float32, batch_size),
        "NumPy, float64": plain(rows, np.float64, batch_size),
    }
    work = Work(products=(2 * rows.mean() + 3 * 0.5) * V * H, words=0.5 * (2 * H + V), bits=33 * 32 * (2 * H + V))
    title = f"CD-1, RBM 784 x 500, batches of {batch_size}, {'MNIST' if FOLDER.is_dir() else 'random rows'}"
    compete(title, jobs, unit="rows per us", work=work, rounds=3)


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
def test_what_beginners_train(name):
    """With no history, and with that of the defaults."""
    data, hidden, epochs, batch_size = small_job(name)
    visible = data.shape[1]
    W = np.random.default_rng(1).normal(scale=0.01, size=(visible, hidden))
    settings = dict(method="cd", epochs=epochs, batch_size=batch_size, learning_rate=0.1, seed=1, threads=1)
    jobs = {
        "fastgibbs, no history": call(lambda: fg.train(fg.RBM(W), data, history_every=0, **settings)),
        "fastgibbs": call(lambda: fg.train(fg.RBM(W), data, **settings)),
        "NumPy, as in textbooks": call(lambda: Textbook(visible, hidden, 0.1).fit(data * 1.0, epochs, batch_size)),
    }
    title = f"{name}: CD-1, RBM {visible} x {hidden}, {epochs} epochs of {len(data)} rows"
    compete(title, jobs, unit="calls per ms", rounds=15)


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


def test_mnist_to_145_nats():
    if not FOLDER.is_dir():
        pytest.skip("set MNIST to a folder with the four IDX files")
    images, test, epochs, batch_size = mnist("train"), mnist("t10k"), 10, 128
    rates, rng = np.geomspace(0.2, 0.02, epochs), np.random.default_rng(1)
    m = np.clip(images.mean(axis=0), 1e-3, 1 - 1e-3)
    first = fg.RBM(rng.normal(scale=0.01, size=(V, 16)), np.log(m / (1 - m)))
    with one_core():
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
    reached = [fg.log_likelihood(rbm, test).value for rbm in (result.model, fg.RBM(W, a, b))]
    print(f"\nMNIST 784 x 16, PCD-1, {epochs} epochs: fastgibbs {reached[0]:.2f} nats in {seconds:.1f} s, ", end="")
    print(f"NumPy {reached[1]:.2f} nats in {plain_seconds:.1f} s: {plain_seconds / seconds:.2f}")
    assert reached[0] >= -145
    assert plain_seconds >= 2 * seconds
