"""All kernels compiled once, so that no later call waits: `python -m fastgibbs warm`.

But for those of energies and engines of one's own, which are compiled with what these say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from fastgibbs.engines import ENGINES
from fastgibbs.engines.clusters import KINDS
from fastgibbs.engines.replicas import HOUDAYER
from fastgibbs.jit import CACHE_FOLDER
from fastgibbs.learning import train
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.log_z import log_likelihood, log_z
from fastgibbs.methods.recall import recall
from fastgibbs.methods.running import bar
from fastgibbs.methods.sampling import sample
from fastgibbs.methods.settings import choose_engine
from fastgibbs.methods.tempering import temper
from fastgibbs.models import (
    RBM,
    BoltzmannMachine,
    Energy,
    Helmholtz,
    Hopfield,
    Ising,
    Perceptron,
    Polynomial,
    TransverseIsing,
    edwards_anderson,
    lattice,
    sherrington_kirkpatrick,
)
from fastgibbs.results.parts import ENERGY_METHODS

_RNG = np.random.default_rng(0)
_PATTERNS = _RNG.choice(np.array([-1, 1], np.int8), (3, 12))
_GLASS, _GAUSSIAN = edwards_anderson((4, 4, 4), seed=0), edwards_anderson((4, 4), "gaussian", seed=0)
MODELS: tuple[Energy, ...] = (  # each with kernels of its own on some engine
    lattice((8, 8)),
    lattice((8, 8), h=0.5),
    _GLASS,
    Ising.from_edges(5, [0, 1, 2], [1, 2, 3], [1, 2, 3]),
    _GAUSSIAN,
    sherrington_kirkpatrick(24, seed=0),
    Hopfield(_PATTERNS),
    Hopfield(_PATTERNS, rule="pseudoinverse"),
    Hopfield(_PATTERNS, order=3),
    Hopfield(_PATTERNS, order=5),
    Perceptron(_PATTERNS),
    Polynomial({(0, 1, 2): 1.0, (1, 2, 3, 4): -0.5}),
    RBM.random(12, 6, seed=0),
)


def calls() -> Iterator[Callable[[], object]]:
    """Short calls that need all kernels between them."""
    short: dict[str, Any] = dict(sweeps=2, seed=0)
    betas = [0.2, 0.4]
    for model in MODELS:
        for engine in (name for name in ENGINES if _runs(name, model)):
            of = short | dict(engine=engine)
            yield partial(sample, model, beta=0.5, chains=64, keep_states=True, **of)
            yield partial(anneal, model, reads=16, **of)
            yield partial(temper, model, betas=betas, ladders=2, **of)
        yield partial(log_z, model, steps=2, seed=0)
    yield partial(sample, TransverseIsing(_GLASS, gamma=1.0, slices=4), beta=0.5, keep_states=True, **short)
    yield partial(sample, _GLASS, beta=0.5, record="bins", **short)
    yield partial(temper, _GLASS, betas=betas, ladders=1, record="bins", **short)
    for record in ("draws", "bins"):
        yield partial(sample, _GLASS, beta=0.5, clusters="swendsen-wang", record=record, **short)
    yield partial(sample, _GLASS, beta=0.5, clusters="wolff", **short)
    yield partial(temper, _GLASS, betas=betas, ladders=1, **short)
    for kind in (HOUDAYER, *KINDS):
        yield partial(temper, _GLASS, betas=betas, ladders=2, clusters=kind, **short)
    for model in (_GLASS, _GAUSSIAN):
        yield partial(anneal, model, keep=2, **short)
    yield partial(anneal, _GLASS, population=True, resample_every=1, **short)
    yield partial(anneal, [_GLASS, _GAUSSIAN], **short)
    yield partial(sample, [_GLASS, _GAUSSIAN], beta=0.5, keep_states=True, **short)
    for model in (one for one in MODELS if isinstance(one, Hopfield)):
        yield partial(recall, model, _PATTERNS)
    data = _RNG.integers(0, 2, (20, 12))
    machine = RBM.random(12, 6, seed=0)
    for method in ENERGY_METHODS:
        yield partial(train, machine, data, method=method, epochs=1, seed=0)
    yield partial(log_likelihood, machine, data, seed=0)
    yield partial(train, Helmholtz.random((12, 6), seed=0), data, method="wake-sleep", epochs=1, seed=0)
    yield partial(train, BoltzmannMachine(np.zeros((6, 6))), data[:, :6], epochs=1, seed=0)


def _runs(name: str, model: Energy) -> bool:
    """Whether an engine runs a model."""
    try:
        choose_engine(name, [model], "sequential", 1, 64)
    except ValueError:
        return False
    return True


def run() -> None:
    """Make all calls, with a bar."""
    began, todo = time.perf_counter(), list(calls())
    with bar("call") as report:
        for number, call in enumerate(todo):
            report(number, len(todo))
            call()
        report(len(todo), len(todo))
    print(f"compiled in {time.perf_counter() - began:.0f} s; kernels are kept in {CACHE_FOLDER}")
