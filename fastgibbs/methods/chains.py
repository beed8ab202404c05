"""Independent chains packed into blocks of lanes: the job of `sample`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastgibbs.analysis.bins import Bins
from fastgibbs.engines import binning
from fastgibbs.engines.bonds import Bonds
from fastgibbs.engines.clusters import Places, clusters, told
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.drivers import advance, record
from fastgibbs.methods import binned, restoring
from fastgibbs.methods.jobs import Job, Length, first_sweep
from fastgibbs.methods.moving import bonds_of_clusters
from fastgibbs.methods.points import Points
from fastgibbs.methods.settings import Setting, numbered
from fastgibbs.results.lanes import Left, by_lane, joined, unpacked
from fastgibbs.results.sampled import ChainBlock
from fastgibbs.types import AnyArray, FloatArray, States


@dataclass(frozen=True)
class Chains(Job):
    """Chains of a setting at their points; of several models, chain k runs number k * models // chains."""

    setting: Setting
    points: Points
    length: Length
    start: States | None  # int8 (chains, n), or None for spins at random
    seed: int  # of their streams
    weights: FloatArray  # float64 (observables, n): of linear observables
    keeps: bool  # whether the states of all draws are kept
    in_bins: bool = False  # whether bins are kept in place of draws
    before: tuple[Left, ...] = ()
    clusters: str | None = None  # the kind of cluster moves
    cluster_every: int | None = None  # sweeps from one to the next; 0 if there are no others, None without moves

    RECORDS = "record.energies", "record.magnetizations", "record.observables.record", "record.samples"

    @property
    def lanes(self) -> int:
        """Those of all chains."""
        return self.chains * self.setting.strips

    @property
    def chains(self) -> int:
        """How many there are."""
        return self.points.chains

    def lanes_of(self, models: int) -> int:
        """Each has as many chains."""
        return self.lanes // self.models * models

    @property
    def told(self) -> tuple[str, ...]:
        """What the engine and cluster moves tell, by name: observables that follow those of weights."""
        return *self.engine.told, *told(self.clusters)

    @cached_property
    def bins(self) -> binning.RunningBins:
        """Those of all chains, if they are kept."""
        return binning.bins(self.chains, len(self.weights) + len(self.told))

    @cached_property
    def cluster_bonds(self) -> tuple[list[Any], Bonds]:
        """The models whose clusters move, and the bonds that these are made of."""
        return bonds_of_clusters(self.setting)

    @cached_property
    def prepared(self) -> Any:
        """The plan that all blocks share."""
        models = self.setting.models
        if len(models) > 1:
            models = [self.model(models, chain) for chain in range(self.chains)]
        return self.setting.prepare(models)

    def model(self, models: list[Any], chain: int) -> Any:
        """That of a chain."""
        return models[chain * len(models) // self.chains]

    def block(self, lanes: range) -> ChainBlock:
        """A block of lanes; those beyond the last chain fill it up: up, at its points, and seen by nobody."""
        strips = self.setting.strips
        columns = range(lanes.start // strips, lanes.stop // strips)
        chains = numbered(columns, self.chains)
        betas, fields, inside = self.points.of(columns.start, columns.stop)
        count = inside.shape[1]
        of_lanes = np.repeat(inside[:, -1:], len(lanes), axis=1)
        of_lanes[:, : count * strips] = np.repeat(inside, strips, axis=1)
        if self.points.driven:
            of_lanes = np.roll(of_lanes, first_sweep(self), axis=0)  # of all sweeps, those of runs before too
        spins = None if self.start is None else self.start[columns.start : columns.stop]
        plan, state = self.setting.start(self.prepared, lanes, chains, (betas, fields), self.seed, spins)
        shape = 1 if self.in_bins else self.length.draws, len(columns)
        keeps, bits = (self.keeps, len(self.told)), 1 if self.setting.refractory is None else 2
        room = record(self.length.times, shape, self.weights, len(lanes), strips, *keeps, bits)
        if self.in_bins:
            room = room._replace(bins=binned.part(self.bins, columns.start, columns.start + count))
        block = ChainBlock(count, plan, state, of_lanes, room)
        if self.clusters is None or self.cluster_every is None:
            return block
        mine = np.arange(count)
        of_chains = self.points.shown(self.points.betas)[columns.start : columns.stop]
        of_model = (columns.start + mine) * self.models // self.chains
        places = Places(len(lanes), mine, of_chains, mine[:, None], of_model)
        asked: dict[str, Any] = dict(kind=self.clusters, every=self.cluster_every)
        return block._replace(clusters=clusters(*self.cluster_bonds, places, columns.start, self.seed, **asked))

    def kept(self, blocks: list[ChainBlock], done: list[int], names: Iterable[str]) -> Bins:
        """What the bins of all chains have kept after so many sweeps of each block."""
        draws = [(block.chains, self.length.rows(of_block)) for block, of_block in zip(blocks, done, strict=True)]
        return binned.kept(self.bins, draws, self.setting.n, names)

    def advance(self, block: ChainBlock, first: int, last: int, crew: Crew) -> None:
        """Run sweeps `first` ... `last - 1` of a block."""
        moves = self.setting.moves._replace(clusters=block.clusters)
        advance(block.plan, block.state, block.rungs, moves, block.record, first, last, crew)

    def crew(self, block: ChainBlock) -> int:
        """As many as the engine says; clusters are the work of one."""
        return self.engine.crew(block.plan) if self.clusters is None else 1

    def attempts(self, block: ChainBlock) -> int:
        """One a free site in every chain."""
        return block.chains * self.setting.attempts

    def states(self, blocks: list[ChainBlock], draw: int) -> States:
        """The states of a draw, int8 (chains, n), in the model's units, of chains that keep them."""
        lanes = unpacked([self._words(block, draw, draw + 1) for block in blocks], self.lanes)
        return self.setting.given[0].from_spins(joined(lanes, self.chains, self.setting.strips))

    def _words(self, block: ChainBlock, first: int, last: int) -> AnyArray:
        """The packed spins of draws that a block keeps, uint16 (draws, sites of a lane, lanes // 16)."""
        return block.record.samples[first:last, : self.setting.n // self.setting.strips]

    def check(self, block: ChainBlock, lanes: range, done: int) -> None:
        """ValueError unless the records of a block that was saved fit its states: at a draw, or those that are kept."""
        draws, strips, found = self.rows(done), self.setting.strips, block.record
        first, count = lanes.start // strips, block.chains * strips
        models = [self.model(self.setting.given, chain) for chain in range(first, first + block.chains)]
        restoring.check_records(found, self.length.rows(done), self.setting, len(self.engine.told))
        energies, magnetizations = (of[:draws, : block.chains].T for of in (found.energies, found.magnetizations))
        if len(found.samples):
            packed = [self._words(block, 0, draws)]
            states = lambda: joined(unpacked(packed, count), block.chains, strips, (draws,))  # noqa: E731
            restoring.check_draws(energies, magnetizations, models, states)
        if draws and self.length.at_draw(done):
            spins = self.engine.spins
            states = lambda: joined(by_lane([spins(block.plan, block.state)], count), block.chains, strips)  # noqa: E731
            restoring.check_draws(energies[:, -1], magnetizations[:, -1], models, states)
