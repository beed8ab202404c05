"""What all samplers do: a problem comes as spins, keywords are checked, and states go back as a `SampleSet`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import dimod
import numpy as np

from fastgibbs.engines import streams
from fastgibbs.engines.energies import energies
from fastgibbs.integrations.bqm import require_names
from fastgibbs.methods.schedules import beta_range as worth_annealing
from fastgibbs.models import Ising, checks, foreign
from fastgibbs.types import ArrayLike, Seed, States

SWEEPS = 1000
_MOST_SEED = 2**64  # as many bits as a machine word has


def keywords(*names: str, **options: list[str]) -> Mapping[str, list[str]]:
    """What a sampler takes, and which of its properties says what that may be."""
    return MappingProxyType({name: list[str]() for name in names} | options)


def spins_of(bqm: Any) -> tuple[Ising, list[Any]]:
    """A problem as a model of spins, and its labels, site by site."""
    if not all(hasattr(bqm, name) for name in ("vartype", "to_numpy_vectors", "variables")):
        raise TypeError(f"bqm is {checks.shown(bqm)}: give a dimod.BinaryQuadraticModel")
    labels, terms = foreign.vectors("bqm", bqm)
    require_names("bqm", labels)
    model: Any = foreign.quadratic("spin", *(terms if bqm.vartype is dimod.SPIN else foreign.spins_of_units(terms)))
    return model, labels


def entropy_of(seed: Seed) -> int:
    """The integer of a seed; TypeError or ValueError names one that is none."""
    if seed is not None and not isinstance(seed, int | np.integer | np.random.SeedSequence | np.random.Generator):
        raise TypeError(f"seed is {checks.shown(seed)}: give an integer from 0 to 2^64 - 1, or None")
    found = streams.entropy_of(seed)
    if isinstance(seed, int | np.integer) and found >= _MOST_SEED:
        raise ValueError(f"seed is {found}: give an integer from 0 to 2^64 - 1, or None")
    return found


def pair(name: str, value: ArrayLike) -> tuple[float, float]:
    """Two numbers of at least 0."""
    given = checks.finite_array(name, value)
    if given.shape != (2,) or given.min() < 0:
        raise ValueError(f"{name} is {checks.shown(value)}: give two numbers of at least 0")
    return float(given[0]), float(given[1])


def ends_of(model: Ising, beta_range: ArrayLike | None) -> tuple[float, float]:
    """The first and the last beta, those that the problem asks for by default."""
    return worth_annealing(model) if beta_range is None else pair("beta_range", beta_range)


class Sampler(dimod.Sampler):  # type: ignore[misc]
    """What samplers have in common that begin anywhere and are not asked meanwhile."""

    properties: Mapping[str, Any] = MappingProxyType({})

    def _answered(
        self, bqm: Any, num_reads: int, seed: Seed, kwargs: dict[str, Any], draw: Callable[..., tuple[States, Any]]
    ) -> dimod.SampleSet:
        """Of `draw(model, reads, entropy)` the states (reads, n), and what `info` tells beside entropy and times."""
        began = time.perf_counter_ns()
        self.remove_unknown_kwargs(**kwargs)
        entropy, reads = entropy_of(seed), checks.integer("num_reads", num_reads)
        model, labels = spins_of(bqm)
        sampling = time.perf_counter_ns()
        found, info = draw(model, reads, entropy) if labels else (np.empty((reads, 0), np.int8), {})
        return answer(bqm, labels, model, found, info | {"seed": entropy}, began, sampling, time.perf_counter_ns())


def answer(
    bqm: Any, labels: list[Any], model: Ising, spins: States, info: dict[str, Any], *times: int
) -> dimod.SampleSet:
    """The states as dimod has them, in the problem's own units; `times` at which the three parts of the call began."""
    states = spins if bqm.vartype is dimod.SPIN else (spins > 0).view(np.int8)
    energy = energies(model, spins) if labels else np.full(len(spins), float(bqm.offset))
    found = dimod.SampleSet.from_samples(
        (states, labels), vartype=bqm.vartype, energy=energy, info=info, sort_labels=False
    )
    names = ("preprocessing_ns", "sampling_ns", "postprocessing_ns")
    found.info["timing"] = dict(zip(names, np.diff([*times, time.perf_counter_ns()]).tolist(), strict=True))
    return found
