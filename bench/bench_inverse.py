"""Couplings from samples: a fit of all together against logistic regressions of each spin from the others.

    python -m pytest bench/bench_inverse.py -s

Regressions find each J_ij twice, and the mean of both is taken; none of them has errors, ours has.

Limits, counted for n spins in N rows. All pairs: a step takes the fields and the slopes of all rows, two products of
matrices, 4 N n^2 operations, 0.8 s of a core at 50 a ns for n = 1000 and N = 10^4, and some 20 steps are made. A sparse
graph: two exponentials or logarithms a spin and row, 10^7 of each a step, 0.2 s, and six of Newton's steps; its errors
then are three products of matrices of the p = 4000 numbers, (N + 5 p) p^2, 0.5 10^12 operations, 10 s of a core.
"""

import numpy as np
import pytest
from contest import call, compete, peer

import fastgibbs as fg


def newton(samples, neighbors, steps=8):
    """The plain way: for each spin Newton's steps to the couplings with its neighbours, then means of pairs."""
    n = samples.shape[1]
    J, s = np.zeros((n, n)), samples.astype(np.float64)
    for i in range(n):
        x = np.column_stack([s[:, neighbors[i]], np.ones(len(s))])
        w = np.zeros(x.shape[1])
        for _ in range(steps):
            t = np.tanh(x @ w)
            w += np.linalg.solve(x.T @ ((1 - t * t)[:, None] * x), x.T @ (s[:, i] - t))
        J[i, neighbors[i]] = w[:-1]
    return (J + J.T) / 2


def regressions(samples, neighbors):
    """The same by scikit-learn."""
    n = samples.shape[1]
    J = np.zeros((n, n))
    for i in range(n):
        told = peer("sklearn.linear_model").LogisticRegression(C=1e6).fit(samples[:, neighbors[i]], samples[:, i])
        J[i, neighbors[i]] = told.coef_[0] / 2
    return (J + J.T) / 2


def rms(J, model, beta):
    i, j, values = model.bonds
    true = np.zeros((model.n, model.n))
    true[i, j] = true[j, i] = beta * values
    pairs = np.triu_indices(model.n, 1)
    return np.sqrt(((J - true)[pairs] ** 2).mean())


def matrix(fit):
    J = np.zeros((fit.model.n, fit.model.n))
    J[fit.i, fit.j] = J[fit.j, fit.i] = fit.couplings
    return J


def test_all_pairs_of_a_small_glass():
    glass = fg.edwards_anderson((4, 4), "gaussian", seed=1)
    p = fg.exact.spectrum(glass).probabilities(0.5)
    samples = fg.exact.states(16)[np.random.default_rng(1).choice(p.size, 20_000, p=p)]
    others = [np.delete(np.arange(16), i) for i in range(16)]
    ways = {
        "fastgibbs": lambda: matrix(fg.fit_ising(samples)),
        "scikit-learn": lambda: regressions(samples, others),
        "NumPy, spin by spin": lambda: newton(samples, others),
    }
    compete(
        "couplings of 16 spins, 20,000 rows",
        {name: call(way) for name, way in ways.items()},
        unit="calls per s",
        rounds=5,
    )
    found = rms(ways["fastgibbs"](), glass, 0.5)
    print(f"  rms errors: fastgibbs {found:.4f}, NumPy {rms(ways['NumPy, spin by spin'](), glass, 0.5):.4f}")
    assert found <= 0.021


@pytest.mark.parametrize("known", [True, False], ids=["a graph", "all pairs"])
def test_a_thousand_spins_of_degree_six(known):
    model = fg.random_regular(1000, 6, "gaussian", seed=1)
    options = dict(sweeps=500, burn_in=500, thin=50, chains=1000, keep_states=True, seed=1)
    samples = fg.sample(model, beta=0.3, **options).samples.reshape(-1, 1000)
    jobs = {"fastgibbs": call(lambda: fg.fit_ising(samples, graph=model if known else None))}
    if known:  # all pairs take others hours
        near = [
            np.concatenate([model.bonds[1][model.bonds[0] == i], model.bonds[0][model.bonds[1] == i]])
            for i in range(1000)
        ]
        jobs["NumPy, spin by spin"] = call(lambda: newton(samples, near))
        jobs["scikit-learn"] = call(lambda: regressions(samples, near))
    compete(
        f"couplings of 1000 spins, 10^4 rows, {'a graph' if known else 'all pairs'}", jobs, unit="calls per s", rounds=1
    )
