"""Parallel tempering as a dimod sampler."""

from __future__ import annotations

from typing import Any

import dimod

from fastgibbs.integrations.dimod.problems import SWEEPS, Sampler, ends_of, keywords
from fastgibbs.methods.tempering import temper
from fastgibbs.models import Ising
from fastgibbs.types import ArrayLike, Seed, States


class TemperingSampler(Sampler):
    """Parallel tempering of E(x), by `fastgibbs.temper`: draws at the coldest of its temperatures.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import TemperingSampler
    >>> bqm = dimod.BinaryQuadraticModel.from_qubo({("x", "x"): 1, ("x", "y"): -3, ("y", "y"): 1})
    >>> float(TemperingSampler().sample(bqm, num_reads=4, num_sweeps=100, beta_range=[0.1, 20], seed=1).first.energy)
    -1.0
    """

    parameters = keywords("num_reads", "num_sweeps", "beta_range", "num_rungs", "seed", "engine", "threads")

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

        def draw(model: Ising, reads: int, entropy: int) -> tuple[States, dict[str, Any]]:
            rungs: dict[str, Any] = {} if num_rungs is None else dict(rungs=num_rungs)
            options: dict[str, Any] = dict(seed=entropy, engine=engine, threads=threads, overlap_every=0)
            ends = ends_of(model, beta_range)
            if beta_range is None and ends[0] == ends[1]:  # all states are alike
                ends = 0.0, ends[1]
            run = temper(model, betas=ends, sweeps=num_sweeps, ladders=reads, **options, **rungs)
            return run.states[:, -1], dict(betas=run.betas, num_sweeps=num_sweeps, engine=run.engine)

        return self._answered(bqm, num_reads, seed, kwargs, draw)
