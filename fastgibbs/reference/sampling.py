"""Sampling with any of the twins: each lane at one beta for all of the run.

A twin is a module with `start`, `sweep` and `energies`.
"""

import numpy as np


def as_models(model):
    """A list of models: the one given, or those of a sequence."""
    return [model] if hasattr(model, "to_ising") else list(model)


def energies(models, spins):
    """E(s) of every lane, float64 (lanes,). `models`: one for all or one a lane; `spins`: int8 (lanes, n)."""
    if len(models) == 1:
        return models[0].to_ising().energy(spins)
    return np.array([one.to_ising().energy(s) for one, s in zip(models, spins, strict=True)])


def sample(sweep, state, model, beta, sweeps, burn_in, thin, energies=energies):
    """Draws from p(s) ~ exp(-beta E(s)): `burn_in` sweeps, then `sweeps`, each thin-th recorded.

    `sweep`, `state` and `energies`: of a twin, `state.spins` being int8 (lanes, n), changed in place; `model`: a
    model, or a sequence of them, one a lane; `beta`: a number or (lanes,), in inverse units of J.
    Returns energies and magnetisations per spin, float64 (lanes, draws), then the final states, int8 (lanes, n),
    in the model's own units; draws = sweeps // thin.
    """
    models = as_models(model)
    lanes, n = state.spins.shape
    betas = np.broadcast_to(np.asarray(beta, np.float64), lanes)
    energy = np.empty((lanes, sweeps // thin))
    magnetization = np.empty((lanes, sweeps // thin))
    for _ in range(burn_in):
        sweep(state, betas)
    for done in range(1, sweeps + 1):
        sweep(state, betas)
        if done % thin == 0:
            energy[:, done // thin - 1] = energies(models, state.spins)
            magnetization[:, done // thin - 1] = state.spins.sum(axis=1, dtype=np.float64) / max(n, 1)
    return energy, magnetization, models[0].from_spins(state.spins)
