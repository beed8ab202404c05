"""Parallel tempering as a dimod sampler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import dimod
import numpy as np

from fastgibbs.integrations.dimod.problems import SWEEPS, answer, ends_of, entropy_of, keywords, spins_of
from fastgibbs.methods.tempering import temper
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, Seed


class TemperingSampler(dimod.Sampler):  # type: ignore[misc]
    """Parallel tempering of E(x), by `fastgibbs.temper`: draws at the coldest of its temperatures.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import TemperingSampler
    >>> bqm = dimod.BinaryQuadraticModel.from_qubo({("x", "x"): 1, ("x", "y"): -3, ("y", "y"): 1})
    >>> float(TemperingSampler().sample(bqm, num_reads=4, num_sweeps=100, beta_range=[0.1, 20], seed=1).first.energy)
    -1.0
    """

    parameters = keywords("num_reads", "num_sweeps", "beta_range", "num_rungs", "seed", "engine", "threads")
    properties: Mapping[str, Any] = MappingProxyType({})

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        num_reads: int = 8,
        num_sweeps: int = SWEEPS,
        beta_range: ArrayLike | None = None,
        num_rungs: int | None = None,
        seed: Seed = None,
        engine: str = "auto",
        threads: int | None = None,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """The states at the coldest rung of `num_reads` ladders, after `num_sweeps` sweeps of every rung.

        Args:
            bqm: SPIN or BINARY, with labels of any kind.
            num_reads: ladders, each with replicas of its own.
            num_sweeps: of each replica, of which the first tenth adapts the ladder.
            beta_range: the hottest and the coldest beta, by default `fastgibbs.beta_range` of the problem.
            num_rungs, seed, engine, threads: as `fastgibbs.temper` has `rungs` and those.
            kwargs: are ignored with a warning, as dimod's samplers do.

        `info` has betas, num_sweeps, engine, seed and timing. ValueError or TypeError names a bad argument.
        """
        began = time.perf_counter_ns()
        self.remove_unknown_kwargs(**kwargs)
        entropy = entropy_of(seed)
        num_reads = checks.integer("num_reads", num_reads)
        model, labels = spins_of(bqm)
        if not labels:
            return answer(bqm, labels, model, np.empty((num_reads, 0), np.int8), {"seed": entropy}, began)
        ends = ends_of(model, beta_range)
        options: dict[str, Any] = {} if num_rungs is None else dict(rungs=num_rungs)
        sampling = time.perf_counter_ns()
        run = temper(
            model,
            betas=ends,
            sweeps=num_sweeps,
            ladders=num_reads,
            seed=entropy,
            engine=engine,
            threads=threads,
            overlap_every=0,
            **options,
        )
        ended = time.perf_counter_ns()
        info = dict(betas=run.betas, num_sweeps=num_sweeps, engine=run.engine, seed=entropy)
        return answer(bqm, labels, model, run.states[:, -1], info, began, sampling, ended)
