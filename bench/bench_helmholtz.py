"""Wake and sleep of Helmholtz machines against the same schedule in plain NumPy: 784, 200 and 50 units, and digits.

    python -m pytest bench/bench_helmholtz.py -s

Limit: a row takes six products of each two layers, one upwards awake to draw, one downwards to learn, as many asleep,
and two gradients; rows of a batch, or units, share the sums of any four terms, a fourth of all additions.
"""

from itertools import pairwise

import numpy as np
import pytest
from contest import Run, compete
from machine import Work

import fastgibbs as fg


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain(data, layers, epochs, dtype, batch_size=100, rate=0.1):
    """The loop that everyone writes first, with both phases of a step as the parameters are."""
    rng, pairs = np.random.default_rng(1), list(pairwise(layers))
    data = data.astype(dtype)
    G, R = ([rng.normal(scale=0.01, size=pair).astype(dtype) for pair in pairs] for _ in range(2))
    b, r = [np.zeros(size, dtype) for size in layers], [np.zeros(size, dtype) for size in layers[1:]]
    top, rate = len(pairs), dtype(rate)

    def draw(p):
        return (rng.random(p.shape, dtype) < p).astype(dtype)

    def step(v):
        x, share = [v], rate / len(v)
        for k in range(top):
            x.append(draw(sigmoid(x[k] @ R[k] + r[k])))
        y = [draw(np.broadcast_to(sigmoid(b[top]), (len(v), layers[top])))]
        for k in reversed(range(top)):
            y.insert(0, draw(sigmoid(y[0] @ G[k].T + b[k])))
        for k in range(top):
            e = x[k] - sigmoid(x[k + 1] @ G[k].T + b[k])
            f = y[k + 1] - sigmoid(y[k] @ R[k] + r[k])
            G[k] += share * (e.T @ x[k + 1])
            b[k] += share * e.sum(axis=0)
            R[k] += share * (y[k].T @ f)
            r[k] += share * f.sum(axis=0)
        b[top] += share * (x[top] - sigmoid(b[top])).sum(axis=0)

    def job():
        for _ in range(epochs):
            rows = rng.permutation(data)
            for first in range(0, len(rows), batch_size):
                step(rows[first : first + batch_size])
        return Run(epochs * len(data))

    return job


def training(data, layers, epochs, batch_size=100):
    machine = fg.Helmholtz.random(layers, data, seed=1)
    settings = dict(method="wake-sleep", epochs=epochs, batch_size=batch_size, learning_rate=0.1, history_every=0)
    settings |= dict(centered=False)  # as the other loops

    def job():
        run = fg.train(machine, data, seed=1, threads=1, **settings)
        return Run(epochs * len(data), run.timing.kernel)

    return job


@pytest.mark.parametrize(("layers", "rows", "epochs"), [((784, 200, 50), 5000, 3), ((64, 32, 8), 1800, 50)])
def test_wake_and_sleep(layers, rows, epochs):
    data = (np.random.default_rng(1).random((rows, layers[0])) < 0.2).astype(np.uint8)
    jobs = {
        "fastgibbs": training(data, layers, epochs),
        "NumPy, float32": plain(data, layers, epochs, np.float32),
        "NumPy, float64": plain(data, layers, epochs, np.float64),
    }
    products = 0.25 * 6 * sum(one * other for one, other in pairwise(layers))
    drawn = 2 * sum(layers) - layers[0]
    work = Work(products=products, words=0.5 * drawn, bits=33 * 32 * drawn)
    compete(f"wake and sleep, {' - '.join(map(str, layers))}, batches of 100", jobs, unit="rows per us", work=work)
