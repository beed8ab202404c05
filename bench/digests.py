"""Digests of what fixed runs draw, a line each: of any Python, Numba and NumPy the same, as bench/matrix.sh checks."""

import hashlib

import numpy as np

import fastgibbs as fg
from fastgibbs.testing import MODELS


def show(name, *arrays):
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    print(f"{name:40} {digest.hexdigest()[:20]}", flush=True)


def main():
    for name, model in MODELS.items():
        for engine in ["auto"] if name != "Gaussian" else ["sparse", "coloured", "dense", "sparse64"]:
            drawn = fg.sample(model, beta=0.7, sweeps=50, chains=70, engine=engine, seed=1)
            show(f"sample {name}, {drawn.engine}", drawn.energy, drawn.states)
    glass, machine = MODELS["Gaussian"], MODELS["machine"]
    annealed = fg.anneal(glass, sweeps=50, reads=70, seed=1)
    show("anneal", annealed.energy, annealed.states, annealed.trace_mean)
    tempered = fg.temper(glass, sweeps=200, seed=1)
    show("temper", tempered.betas, tempered.energy, tempered.states)
    data = np.random.default_rng(1).integers(0, 2, (30, machine.n_visible))
    trained = fg.train(machine, data, epochs=3, history_every=0, seed=1).model
    show("train", trained.weights, trained.visible_bias, trained.hidden_bias)


if __name__ == "__main__":
    main()
