"""How fast this machine is: spin updates per nanosecond of every engine, for `python -m fastgibbs bench`."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from fastgibbs.methods.sampling import sample
from fastgibbs.models import (
    RBM,
    Hopfield,
    Polynomial,
    TransverseIsing,
    checks,
    edwards_anderson,
    lattice,
    random_regular,
    sherrington_kirkpatrick,
)
from fastgibbs.testing.energies import Triples
from fastgibbs.types import States

CRITICAL = math.log(1 + math.sqrt(2)) / 2
UPDATES = 8e8  # attempts of one timing of a kernel that makes 4 updates per ns
_gaussian = partial(edwards_anderson, (10,) * 3, "gaussian", seed=1)
CASES = (  # title, engine, model, beta, chains
    ("square lattice L=1024 at Tc, one chain", "multispin", lambda: lattice((1024, 1024)), CRITICAL, 1),
    ("square lattice L=64 at Tc, 1024 chains", "multispin", lambda: lattice((64, 64)), CRITICAL, 1024),
    ("EA +-J L=10, beta = 1, 1024 chains", "multispin", lambda: edwards_anderson((10,) * 3, seed=1), 1.0, 1024),
    ("6-regular +-J, 10^4 sites, 1024 chains", "multispin", lambda: random_regular(10_000, 6, seed=1), 1.0, 1024),
    ("EA Gaussian L=10, beta = 1, 128 chains", "sparse", _gaussian, 1.0, 128),
    ("EA Gaussian L=10, beta = 1, one chain", "coloured", _gaussian, 1.0, 1),
    ("EA Gaussian L=10, summed in 104 bits", "sparse64", _gaussian, 1.0, 128),
    ("SK Gaussian N=1024, beta = 1, 128 chains", "dense", lambda: sherrington_kirkpatrick(1024, seed=1), 1.0, 128),
    ("Hopfield N=10^4, P=200, T=0.5, 128 chains", "overlap", lambda: Hopfield(_patterns(200, 10_000)), 2.0, 128),
    ("RBM of 784 and 500 units, 512 chains", "layered", lambda: _machine(784, 500), 1.0, 512),
    ("2000 products of 3 of 500 spins, 128 chains", "polynomial", lambda: _products(500, 2000), 1.0, 128),
    ("3-regular +-J, N=500 in 32 slices", "worldline", lambda: _worldlines(500, 32), 2.0, 64),
    ("ring of triples, 10^4 sites, 128 chains", "terms", lambda: Triples(10_000), 1.0, 128),
)


def _patterns(count: int, n: int) -> States:
    return np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (count, n))


def _products(n: int, count: int) -> Polynomial:
    rng = np.random.default_rng(1)
    triples = [rng.choice(n, 3, replace=False) for _ in range(count)]
    return Polynomial.from_arrays(n, triples, rng.normal(size=count))


def _machine(n_visible: int, n_hidden: int) -> RBM:
    return RBM(np.random.default_rng(1).normal(scale=0.05, size=(n_visible, n_hidden)))


def _worldlines(sites: int, slices: int) -> TransverseIsing:
    return TransverseIsing(random_regular(sites, 3, seed=1), gamma=1.0, slices=slices)


def run() -> str:
    """Time every case on one thread and on all, three times, and return a table of the medians."""
    threads = sorted({1, checks.thread_count(None)})
    lines = [f"{'spin updates per ns':42}  engine     " + "".join(f"{f'{t} threads':>11}" for t in threads)]
    for title, engine, build, beta, chains in CASES:
        model, rates = build(), []
        for count in threads:
            sweeps = max(2, int(UPDATES / (1 if engine == "multispin" else 8) / (model.n * chains)))
            kwargs: dict[str, Any] = dict(
                beta=beta, sweeps=sweeps, thin=sweeps, chains=chains, engine=engine, threads=count, seed=1
            )
            sample(model, **kwargs | dict(sweeps=1, thin=1))
            rates.append(np.median([sample(model, **kwargs).timing.updates_per_second for _ in range(3)]) / 1e9)
        lines.append(f"{title:42}  {engine:11}" + "".join(f"{rate:11.2f}" for rate in rates))
    return "\n".join(lines)
