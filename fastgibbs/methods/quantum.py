"""Simulated quantum annealing: worldlines whose transverse field is taken away."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from fastgibbs.methods.cooling import Cooling
from fastgibbs.methods.schedules import Schedule, stretched
from fastgibbs.models import TransverseIsing, checks
from fastgibbs.types import ArrayLike, FloatArray, ModelLike, States

_PART = 2**22  # spins of slices whose energies are computed at once


@dataclass(frozen=True)
class Fading(Cooling):
    """Reads of worldlines at one beta, of which the fields fade: what they find are states of the classical model."""

    strengths: FloatArray = field(default_factory=lambda: np.empty(0))  # float64 (sweeps,): of all Gamma

    @property
    def worldlines(self) -> TransverseIsing:
        """The model in its field."""
        model: TransverseIsing = self.setting.models[0]
        return model

    @property
    def model(self) -> ModelLike:
        """The classical model."""
        return self.worldlines.model

    @cached_property
    def prepared(self) -> Any:
        """The plan that all blocks share."""
        return self.setting.prepare(self.setting.models)._replace(strengths=self.strengths)

    def states_of(self, spins: States) -> States:
        """Of each read the slice of the lowest energy, int8 (reads, sites)."""
        quantum, found = self.worldlines, []
        step = max(1, _PART // max(1, quantum.n))
        for first in range(0, len(spins), step):
            slices = np.ascontiguousarray(quantum.worldlines(spins[first : first + step]).swapaxes(1, 2))
            energies = quantum.ising.energy(slices)
            found.append(slices[np.arange(len(slices)), energies.argmin(axis=1)])
        return self.model.from_spins(np.concatenate(found))


def fields(model: TransverseIsing, gammas: ArrayLike | Schedule | None, sweeps: int) -> FloatArray:
    """The largest Gamma at every sweep, float64 (sweeps,), as a user asks for them: see `anneal`.

    ValueError or TypeError names what cannot be.
    """
    largest = checks.largest(model.gamma)
    if largest == 0:
        raise ValueError(f"{checks.shown(model)} has gamma = 0 at every site: give a field that can be taken away")
    if gammas is None:
        return np.linspace(largest, 0.0, sweeps)
    if isinstance(gammas, Schedule):
        return gammas.betas(sweeps)
    given = checks.finite_array("gammas", gammas)
    if given.ndim != 1 or given.size == 0:
        raise ValueError(f"gammas has shape {given.shape}: give a 1-D array, a schedule or None")
    checks.refuse("gammas", given, given < 0, "give fields of at least 0")
    return stretched(given, sweeps)
