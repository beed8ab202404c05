"""Simulated quantum annealing as a dimod sampler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import dimod
import numpy as np

from fastgibbs.integrations.dimod.problems import SWEEPS, answer, entropy_of, keywords, pair, spins_of
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.schedules import beta_range as worth_annealing
from fastgibbs.models import TransverseIsing, checks
from fastgibbs.types import ArrayLike, Seed


class QuantumAnnealingSampler(dimod.Sampler):  # type: ignore[misc]
    """Simulated quantum annealing of E(x), by `fastgibbs.anneal` of worldlines in a transverse field that fades.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import QuantumAnnealingSampler
    >>> bqm = dimod.BinaryQuadraticModel.from_ising({"a": 1}, {("a", "b"): -1, ("b", "c"): 1})
    >>> float(QuantumAnnealingSampler().sample(bqm, num_reads=4, num_sweeps=100, seed=1).first.energy)
    -3.0
    """

    parameters = keywords("num_reads", "num_sweeps", "num_slices", "beta", "gamma_range", "seed", "threads")
    properties: Mapping[str, Any] = MappingProxyType({})

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        num_reads: int = 1,
        num_sweeps: int = SWEEPS,
        num_slices: int = 32,
        beta: float | None = None,
        gamma_range: ArrayLike | None = None,
        seed: Seed = None,
        threads: int | None = None,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """The lowest slices of `num_reads` annealings from gamma_range[0] to gamma_range[1], in equal steps.

        Args:
            bqm: SPIN or BINARY, with labels of any kind.
            num_reads: independent annealings.
            num_sweeps: in each of which all worldlines are drawn once.
            num_slices: of imaginary time.
            beta: inverse temperature, by default that at which annealing ends, `fastgibbs.beta_range(model)[1]`.
            gamma_range: the transverse field at first and at last, by default from the largest sum of |h_i| + |J_ij| of
                a spin down to 0.
            seed, threads: as `fastgibbs.anneal` has them.
            kwargs: are ignored with a warning, as dimod's samplers do.

        `info` has beta, gamma_range, num_sweeps, num_slices, engine, seed and timing. ValueError or TypeError names a
        bad argument.
        """
        began = time.perf_counter_ns()
        self.remove_unknown_kwargs(**kwargs)
        entropy = entropy_of(seed)
        num_reads = checks.integer("num_reads", num_reads)
        model, labels = spins_of(bqm)
        if not labels:
            return answer(bqm, labels, model, np.empty((num_reads, 0), np.int8), {"seed": entropy}, began)
        at = worth_annealing(model)[1] if beta is None else checks.finite_number("beta", beta)
        first, last = (max(model.field_bound, 1e-3), 0.0) if gamma_range is None else pair("gamma_range", gamma_range)
        quantum = TransverseIsing(model, gamma=max(first, last), slices=num_slices)
        options: dict[str, Any] = dict(beta=at, sweeps=num_sweeps, reads=num_reads, seed=entropy, threads=threads)
        sampling = time.perf_counter_ns()
        run = anneal(quantum, gammas=np.linspace(first, last, checks.integer("num_sweeps", num_sweeps)), **options)
        ended = time.perf_counter_ns()
        info = dict(beta=at, gamma_range=[first, last], num_sweeps=num_sweeps, num_slices=num_slices)
        info |= dict(engine=run.engine, seed=entropy)
        return answer(bqm, labels, model, run.states[np.argsort(run.read)], info, began, sampling, ended)
