"""Ladders of several models at the same betas: a job for each plan, whose blocks lie side by side.

Models that differ in the signs of their couplings alone share a plan, and the words of the multi-spin engine; any
others have plans and random streams of their own, and share threads and the ladder. A sweep of a model then takes as
long as alone: weights that differ from lane to lane would be read from memory lane by lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fastgibbs.engines import ENGINES
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.streams import ADAPT, entropy_of
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.jobs import Job, Length
from fastgibbs.methods.ladders import Gathered, LadderBlock, Ladders
from fastgibbs.methods.observing import Observed
from fastgibbs.methods.settings import Setting, require_ising, settled
from fastgibbs.models import checks
from fastgibbs.results.lanes import Left
from fastgibbs.types import FloatArray, IntArray, ModelLike, States


def groups(models: list[ModelLike], engine: str, observed: Observed) -> list[list[ModelLike]]:
    """Models that share a plan: all, where they differ in signs alone; else each is by itself.

    TypeError or ValueError at several models that are not Ising models of one size, or that functions are to observe
    though each has a plan of its own.
    """
    if len(models) == 1:
        return [models]
    require_ising(models)
    for k, one in enumerate(models):
        if one.n != models[0].n:
            raise ValueError(f"model[{k}] has {one.n} sites and model[0] has {models[0].n}: give models of one size")
    if engine in ("auto", "multispin") and ENGINES["multispin"].refusal(models, "sequential", 1) is None:
        return [models]
    if observed.functions:
        raise ValueError(
            f"observe[{checks.shown(next(iter(observed.functions)))}] is a function: of models that differ in more "
            "than signs of couplings give weights"
        )
    return [[one] for one in models]


def settled_each(plans: list[list[ModelLike]], engines: list[str], chains: int, **common: Any) -> list[Setting]:
    """The setting of each plan (`settings.settled`), of so many `chains` of each model; ValueError names the model."""
    found = []
    for k, (own, engine) in enumerate(zip(plans, engines, strict=True)):
        try:
            found.append(settled(own, engine, chains=chains * len(own), **common))
        except ValueError as error:
            raise error if len(plans) == 1 else ValueError(f"model[{k}]: {error}") from None
    return found


def seeds_of(entropy: int, models: int) -> list[int]:
    """The seed of each of several models that share nothing; that of one is the entropy itself."""
    return [entropy] if models == 1 else [run_entropy(entropy, f"temper model {k}") for k in range(models)]


@dataclass(frozen=True)
class Several(Job):
    """Jobs of as many ladders at the same betas, whose lanes follow one another: of one or more models each."""

    jobs: tuple[Ladders, ...]
    before: tuple[Left, ...] = ()
    in_bins: bool = False

    RECORDS = Ladders.RECORDS

    @property
    def setting(self) -> Setting:
        """That of the first: all have its rule, sites and threads."""
        return self.jobs[0].setting

    @property
    def length(self) -> Length:
        """Of each."""
        return self.jobs[0].length

    @property
    def ladder(self) -> FloatArray:
        """That of all (`Ladders.ladder`)."""
        return self.jobs[0].ladder

    @property
    def models(self) -> int:
        """Of all jobs."""
        return sum(job.models for job in self.jobs)

    @cached_property
    def ends(self) -> IntArray:
        """The lane after the last of each job, after none of them 0: int64 (jobs + 1,)."""
        return np.cumsum([0, *(job.cut(0, job.lanes, 1)[-1].stop for job in self.jobs)])

    @property
    def lanes(self) -> int:
        """Up to the last ladder."""
        return self.lanes_of(self.models)

    def lanes_of(self, models: int) -> int:
        """Up to the last ladder of so many models."""
        return self.jobs[0].lanes_of(models) if len(self.jobs) == 1 else int(self.ends[models])

    def cut(self, first: int, last: int, threads: int) -> list[range]:
        """Lanes `first` ... `last - 1` in blocks, each of one job."""
        if len(self.jobs) == 1:
            return self.jobs[0].cut(first, last, threads)
        inside = [k for k, begin in enumerate(self.ends[:-1].tolist()) if first <= begin < last]
        each = -(-threads // max(len(inside), 1))
        return [lanes for k in inside for lanes in self.jobs[k].cut(int(self.ends[k]), int(self.ends[k + 1]), each)]

    def _own(self, lanes: range) -> tuple[Ladders, range]:
        """The job of a block, and which of its lanes these are."""
        k = 0 if len(self.jobs) == 1 else int(self.ends.searchsorted(lanes.start, "right")) - 1
        return self.jobs[k], range(lanes.start - int(self.ends[k]), lanes.stop - int(self.ends[k]))

    def block(self, lanes: range) -> LadderBlock:
        """The block of these lanes."""
        job, own = self._own(lanes)
        return job.block(own)

    def advance(self, block: LadderBlock, first: int, last: int, crew: Crew) -> None:
        """Run sweeps `first` ... `last - 1` of a block; of none, compile for all engines."""
        self.jobs[0].advance(block, first, last, crew)
        if first == last:
            others = {job.setting.name: job for job in self.jobs if job.setting.name != self.setting.name}
            for job in others.values():
                job.advance(job.block(job.cut(0, job.lanes, 1)[0]), first, last, crew)

    def attempts(self, block: LadderBlock) -> int:
        """One a free site in every replica."""
        return self.jobs[0].attempts(block)

    def go_on(self, block: LadderBlock, left: Left) -> None:
        """Replicas are where they were."""
        self.jobs[0].go_on(block, left)

    def check(self, block: LadderBlock, lanes: range, done: int) -> None:
        """ValueError unless a block that was saved has records that fit its states."""
        job, own = self._own(lanes)
        job.check(block, own, done)

    def at(self, ladder: FloatArray, starts: Sequence[States] | None) -> Several:
        """The same along another ladder, from such states of each job, int8 (ladders, rungs, n), or random ones."""
        given = [None] * len(self.jobs) if starts is None else starts
        return replace(self, jobs=tuple(job.at(ladder, own) for job, own in zip(self.jobs, given, strict=True)))

    def trial(self, number: int, length: Length) -> Several:
        """A run in which the ladder is tried: nothing but swaps is of interest, and all random numbers are its own."""
        alone: dict[str, Any] = dict(length=length, overlap_every=0, weights=None, keeps=False, in_bins=False)
        seeds = [np.random.SeedSequence(job.seed, spawn_key=(ADAPT, number)) for job in self.jobs]
        jobs = [replace(job, **alone, seed=entropy_of(own)) for job, own in zip(self.jobs, seeds, strict=True)]
        return replace(self, jobs=tuple(jobs), in_bins=False)

    def gathered(self, blocks: list[LadderBlock], draws: int, done: list[int]) -> list[Gathered]:
        """What the blocks of each job hold, of so many draws, after so many sweeps of each block.

        The list lets go of the blocks, so that no record is held twice.
        """
        found, first = [], 0
        for job in self.jobs:
            last, ladders = first, 0
            while ladders < job.count:
                ladders += len(blocks[last].ladders.lane_at)
                last += 1
            found.append(Gathered(job, blocks[first:last], draws, done[first:last]))
            first = last
        blocks.clear()
        return found
