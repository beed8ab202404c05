"""Sampling with any of the twins: each lane at one beta and field for all of the run, or at others in every sweep.

A twin is a module with `start`, `sweep` and `energies`.
"""

from __future__ import annotations

import numpy as np

from fastgibbs.models import Ising
from fastgibbs.models.energy import as_energy
from fastgibbs.types import ModelLike


def as_models(model):
    """A list of models: the one given, or those of a sequence."""
    return [model] if hasattr(model, "to_ising") else list(model)


def own(model):
    """The model that a `Whole` stands for, or the model itself."""
    return getattr(model, "model", model)


def energies(models, spins, free=None):
    """E(s) of every lane, float64 (lanes,). `models`: one for all or one a lane; `spins`: int8 (lanes, n).

    `free`: the sites that are visited, which change how some engines add up.
    """
    if len(models) == 1:
        return models[0].to_ising().energy(spins)
    return np.array([one.to_ising().energy(s) for one, s in zip(models, spins, strict=True)])


class Whole(Ising):
    """A model without couplings as the twins of the methods want it: its own energy, and all pairs of sites as bonds.

    It is in a field unless E(-s) = E(s).
    """

    model: ModelLike

    def __init__(self, model):
        n = model.n
        everyone = Ising(np.ones((n, n)) - np.eye(n), np.full(n, 0.0 if as_energy(model).even else 1.0))
        self.__setstate__({**vars(everyone), "model": model})

    def energy(self, states):
        """The energy of the model."""
        return self.model.energy(states)

    def to_spins(self, states):
        """The spins of the model's states."""
        return self.model.to_spins(states)

    def from_spins(self, spins):
        """The model's states of these spins."""
        return self.model.from_spins(spins)


def sample(twin, model, beta, *, chains, rule, seed, sweeps, burn_in=0, thin=1, **options):
    """`recorded` draws of `chains` lanes, from the twin's `start` with this rule and seed, and more `options`."""
    return recorded(twin, twin.start(model, chains, seed, rule, **options), model, beta, sweeps, burn_in, thin)


def recorded(twin, state, model, beta, sweeps, burn_in, thin, field=None):
    """Draws from p(s) ~ exp(-beta E(s)): `burn_in` sweeps, then `sweeps`, each thin-th recorded.

    `state`: of the twin, `state.spins` being int8 (lanes, n), changed in place; `model`: a model, or a sequence of
    them, one a lane; `beta`: a number or (lanes,), in inverse units of J, or (rows, lanes or 1), of sweeps in turn;
    `field`: likewise, beside the model's; energies are without.
    Returns energies and magnetisations per spin, float64 (lanes, draws), then the final states, int8 (lanes, n),
    in the model's own units; draws = sweeps // thin.
    """
    models = as_models(model)
    lanes, n = state.spins.shape
    betas = np.asarray(beta, np.float64)
    energy, magnetization = np.empty((2, lanes, sweeps // thin))
    for draw in draws(twin.sweep, state, betas, sweeps, burn_in, thin, field):
        energy[:, draw] = twin.energies(models, state.spins, getattr(state, "free", None))
        magnetization[:, draw] = state.spins.sum(axis=1, dtype=np.float64) / max(n, 1)
    return energy, magnetization, models[0].from_spins(state.spins)


def observe(sweep, state, weights, beta, sweeps, burn_in, thin, strips=1):
    """w.s at the draws of `sample`, float64 (observables, lanes, draws).

    `weights`: float64 (observables, n); `strips` that a lattice is cut into; other arguments are those of `recorded`.
    """
    betas = np.asarray(beta, np.float64)
    values = np.empty((len(weights), len(state.spins), sweeps // thin))
    for draw in draws(sweep, state, betas, sweeps, burn_in, thin):
        values[..., draw] = linear(weights, state.spins, strips)
    return values


def draws(sweep, state, betas, sweeps, burn_in, thin, field=None):
    """Make the sweeps of `recorded`, and give the number of each draw as soon as `state` is there."""
    lanes, betas, fields = len(state.spins), np.atleast_2d(betas), np.atleast_2d(0.0 if field is None else field)
    for done in range(1 - burn_in, sweeps + 1):
        at = [np.broadcast_to(rows[(done + burn_in - 1) % len(rows)], lanes) for rows in (betas, fields)]
        if field is None:
            sweep(state, at[0])
        else:
            sweep(state, *at)
        if done > 0 and done % thin == 0:
            yield done // thin - 1


def linear(weights, spins, strips=1):
    """w.s = sum_i w_i s_i of every lane, float64 (observables, lanes), one term after the other from 0.0.

    `weights`: float64 (observables, n); `spins`: int8 (lanes, n). A lattice in strips, n / strips sites in a row, is
    the sum of what its strips are, added in the same way.
    """
    (lanes, n), count = spins.shape, len(weights)
    of_strips = np.zeros((count, lanes, strips))
    for q in range(n // strips):
        of_strips += weights[:, None, q :: n // strips] * spins[:, q :: n // strips]
    total = np.zeros((count, lanes))
    for strip in range(strips):
        total += of_strips[..., strip]
    return total
