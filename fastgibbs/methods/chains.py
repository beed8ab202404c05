"""Independent chains packed into blocks of lanes: the job of `sample`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastgibbs.engines.drivers import advance, record
from fastgibbs.methods import restoring
from fastgibbs.methods.blocks import Setting
from fastgibbs.methods.run import Job, Length
from fastgibbs.results.lanes import by_lane, joined, unpacked
from fastgibbs.results.sampled import Block


@dataclass(frozen=True)
class Chains(Job):
    """Chains of a setting, each at its own beta; of several models, chain k runs number k * models // chains."""

    setting: Setting
    betas: np.ndarray  # float64 (chains,)
    length: Length
    start: np.ndarray | None  # int8 (chains, n), or None for spins at random
    seed: int  # of their streams
    weights: np.ndarray  # float64 (observables, n): of linear observables
    keeps: bool  # whether the states of all draws are kept

    RECORDS = "record.energies", "record.magnetizations", "record.observables.record", "record.samples"

    @property
    def lanes(self) -> int:
        """Those of all chains."""
        return self.betas.size * self.setting.strips

    @cached_property
    def prepared(self):
        """The plan that all blocks share."""
        models = self.setting.models
        if len(models) > 1:
            models = [self.model(models, chain) for chain in range(self.betas.size)]
        return self.engine.prepare(models, self.setting.strips, self.setting.free)

    def model(self, models: list, chain: int):
        """That of a chain."""
        return models[chain * len(models) // self.betas.size]

    def block(self, lanes: range) -> Block:
        """A block of lanes; those beyond the last chain fill it up: up, at the first beta, and seen by nobody."""
        strips = self.setting.strips
        columns = range(lanes.start // strips, lanes.stop // strips)
        chains = [chain if chain < self.betas.size else None for chain in columns]
        rungs, inside = np.unique(self.betas[columns.start : columns.stop], return_inverse=True)
        of_lanes = np.zeros(len(lanes), np.int64)
        of_lanes[: inside.size * strips] = np.repeat(inside, strips)
        plan, state = self.setting.start(self.prepared, lanes, chains, rungs, self.seed, self.start)
        shape = self.length.draws, len(columns)
        kept = record(self.length.burn_in, self.length.thin, shape, self.weights, len(lanes), strips, self.keeps)
        return Block(inside.size, plan, state, of_lanes, kept)

    def advance(self, block: Block, first: int, last: int, crew):
        """Run sweeps `first` ... `last - 1` of a block."""
        advance(block.plan, block.state, block.rungs, self.setting.moves, block.record, first, last, crew)

    def crew(self, block: Block) -> int:
        """As many as the engine says."""
        return self.engine.crew(block.plan)

    def attempts(self, block: Block) -> int:
        """One a free site in every chain."""
        return block.chains * self.setting.attempts

    def states(self, blocks: list[Block], draw: int) -> np.ndarray:
        """The states of a draw, int8 (chains, n), in the model's units, of chains that keep them."""
        lanes = unpacked([block.record.samples[draw : draw + 1] for block in blocks], self.lanes)
        return self.setting.given[0].from_spins(joined(lanes, self.betas.size, self.setting.strips))

    def check(self, block: Block, lanes: range, done: int):
        """ValueError unless the records of a block that was saved fit its states: at a draw, or those that are kept."""
        draws, strips, kept = self.rows(done), self.setting.strips, block.record
        first, count = lanes.start // strips, block.chains * strips
        models = [self.model(self.setting.given, chain) for chain in range(first, first + block.chains)]
        restoring.check_records(kept, draws, self.setting)
        energies, magnetizations = (of[:draws, : block.chains].T for of in (kept.energies, kept.magnetizations))
        if len(kept.samples):
            packed = [kept.samples[:draws]]
            states = lambda: joined(unpacked(packed, count), block.chains, strips, (draws,))  # noqa: E731
            restoring.check_draws(energies, magnetizations, models, states)
        if draws and self.length.at_draw(done):
            spins = self.engine.spins
            states = lambda: joined(by_lane([spins(block.plan, block.state)], count), block.chains, strips)  # noqa: E731
            restoring.check_draws(energies[:, -1], magnetizations[:, -1], models, states)
