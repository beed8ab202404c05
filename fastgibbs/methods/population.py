"""Reads as one population, which keeps the law of Boltzmann from temperature to temperature: a job of `anneal`.

Between two betas read r weighs w_r = exp(-(beta' - beta) E_r), and as many copies of it go on as its weight says. A
family are the reads that descend from one of the first. What a family adds to log Z and to a mean is what errors are
taken from: reads of one family are alike, and families have nothing to do with one another.

Sources: Hukushima and Iba, AIP Conf. Proc. 690, 200 (2003); Machta, Phys. Rev. E 82, 026704 (2010); Wang, Machta and
Katzgraber, Phys. Rev. E 92, 063307 (2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fastgibbs.engines import resampling
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.streams import RESAMPLE, stream
from fastgibbs.engines.vectors import LANE_GROUP
from fastgibbs.methods import restoring
from fastgibbs.methods.cooling import Batch, Cooling, Members, ReadBlock
from fastgibbs.methods.descent import flip_costs
from fastgibbs.methods.jobs import Begun, Ran
from fastgibbs.methods.running import Meetings
from fastgibbs.methods.schedules import COLD, Schedule, asked_for, felt, stretched
from fastgibbs.methods.settings import Clamp, check_betas
from fastgibbs.models import checks
from fastgibbs.models.bounds import most_energy
from fastgibbs.results.annealed import Population
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray, ModelLike

READS = 1024  # of a population that was told nothing
RESAMPLE_EVERY = 10  # sweeps, likewise
_COLUMNS = ("log_z", "log_z_error", "energy", "energy_error", "rho", "family_entropy")


def asked_population(
    resample_every: int | None,
    reads: int,
    sweeps: tuple[int, ...],
    clamp: Clamp | None,
    unasked: dict[str, object],
) -> int:
    """The sweeps from one resampling to the next; ValueError or TypeError names what a population cannot have."""
    for name, value in unasked.items():
        if value is not None:
            raise ValueError(f"{name} is given: a population begins at beta 0 and is cooled once, it goes without")
    if len(sweeps) > 1:
        raise ValueError(f"sweeps is {sweeps}: a population is cooled once, give a number")
    if reads < 2:
        raise ValueError(f"reads is {reads}: a population has at least 2, better thousands")
    checks.require_memory(100 * reads, f"a population of {reads} reads")
    if clamp is not None and (clamp.spins != clamp.spins[:, :1]).any():
        site, read = np.argwhere(clamp.spins != clamp.spins[:, :1])[0].tolist()
        raise ValueError(
            f"clamp has another value for site {clamp.sites[site]} in read {read} than in read 0: a population has one "
            "law, give one value"
        )
    return checks.integer("resample_every", RESAMPLE_EVERY if resample_every is None else resample_every)


def heating(
    betas: ArrayLike | Schedule | None, model: ModelLike, sweeps: int, every: int
) -> tuple[Callable[[int], FloatArray], float]:
    """The function that gives the beta of each sweep, as many alike as `every` says, and the coldest of them."""
    temperatures = -(-sweeps // every)
    if temperatures < 2:
        raise ValueError(
            f"sweeps is {sweeps} and resample_every {every}: a population is resampled between temperatures, give "
            f"more than {every} sweeps"
        )
    if betas is None:
        _, cold, costs = felt(0.0, COLD, flip_costs(model))
        each = asked_for(temperatures, 0.0, cold, costs)[0]
    elif isinstance(betas, Schedule):
        _ascending(np.array([betas.first, betas.last]), model, f"betas is {betas}: ")
        each = betas.betas(temperatures)
    else:
        each = stretched(_ascending(checks.finite_array("betas", betas), model), temperatures)
    return lambda sweeps: np.repeat(each, every)[:sweeps], float(each[-1])


def _ascending(betas: FloatArray, model: ModelLike, told: str = "") -> FloatArray:
    """`betas`; ValueError unless they ascend from 0."""
    if betas.ndim != 1 or betas.size < 2:
        raise ValueError(f"betas has shape {betas.shape}: give a population two or more in a 1-D array, from 0 on")
    if betas[0] != 0:
        raise ValueError(f"{told}betas[0] is {betas[0]:g}: a population begins at 0, where every state is as likely")
    if (bad := betas[1:] <= betas[:-1]).any():
        where = int(bad.argmax()) + 1
        raise ValueError(f"{told}betas[{where}] is {betas[where]:g} after {betas[where - 1]:g}: give betas that ascend")
    check_betas("betas", betas, [model])
    return betas


@dataclass(frozen=True)
class Populating(Cooling):
    """Reads that are resampled every so many sweeps."""

    every: int = 0

    @property
    def meetings(self) -> Meetings:
        """After the sweeps at each beta."""
        return Meetings(self.every, self._meet)

    @property
    def temperatures(self) -> int:
        """How many there are."""
        return -(-self.sweeps // self.every)

    def block(self, lanes: range) -> ReadBlock:
        """A block of lanes, each the first of its family; the first block has the record of all."""
        block = super().block(lanes)
        record = np.zeros((self.temperatures if lanes.start == 0 else 0, len(_COLUMNS)))
        record[:1] = self.setting.attempts * math.log(2), 0, 0, 0, 1, math.log(self.reads)
        members = Members(np.arange(lanes.start, lanes.stop), np.zeros(len(lanes)), np.zeros(len(lanes)), record)
        return block._replace(members=members)

    def advance(self, block: ReadBlock, first: int, last: int, crew: Crew) -> bool:
        """Run sweeps `first` ... `last - 1` of a block; whether one of its reads has come down to the target."""
        if first == last:
            _compile(block, self.setting.n)
        stops = super().advance(block, first, last, crew)
        if first < last:
            _members(block).energies[:] = block.reads.energies
        return stops

    def _meet(self, blocks: list[ReadBlock], done: int) -> None:
        """Write down what the reads of a beta say, and give the next beta the reads that it asks for."""
        step, record = (done - 1) // self.every, _members(blocks[0]).record
        energies, families = _of_all(blocks, "energies"), _of_all(blocks, "families")
        of_families = 1 - record[step, 4] / self.reads  # what is left of a variance between families
        mean = _total(energies) / self.reads
        sums = np.bincount(families, energies - mean, self.reads)
        record[step, 2:4] = mean, _error(sums / self.reads, of_families)
        if done == self.sweeps:
            return
        gap, least, weights = self.betas[done] - self.betas[done - 1], float(energies.min()), np.empty(self.reads)
        total = resampling.weigh(energies, least, gap, weights)
        influence = _of_all(blocks, "influence")
        influence += np.bincount(families, weights * (self.reads / total) - 1, self.reads) / self.reads
        sources = np.empty(self.reads, np.int64)
        uniform = np.random.Generator(stream(self.streams, RESAMPLE, step)).random()
        resampling.choose(weights, total, uniform, np.argsort(energies, kind="stable"), sources)
        _hand_on(blocks, sources, self.setting.n)
        families = families[sources]
        for name, values in (("energies", energies[sources]), ("families", families), ("influence", influence)):
            _give_all(blocks, name, values)
        shares = np.bincount(families, minlength=self.reads) / self.reads
        shares = shares[shares > 0]
        rho = self.reads * _total(shares**2)
        log_z = record[step, 0] + math.log(total / self.reads) - gap * least
        error = _error(influence, 1 - rho / self.reads)
        record[step + 1] = log_z, error, 0, 0, rho, -_total(shares * np.log(shares))

    def outcome(self, begun: Begun, ran: Ran) -> Batch:
        """What came of it."""
        made, record = min(ran.end.done), _members(ran.blocks[0]).record
        rows = record[: self.temperatures if made == self.sweeps else made // self.every]
        columns = {name: column.copy() for name, column in zip(_COLUMNS, rows.T, strict=True)}
        betas, families = self.betas[:: self.every][: len(rows)], _of_all(ran.blocks, "families")
        return super().outcome(begun, ran)._replace(population=Population(betas=betas, **columns, families=families))

    def check(self, block: ReadBlock, lanes: range, done: int) -> None:
        """ValueError unless a block that was saved is as a run leaves it."""
        super().check(block, lanes, done)
        members, count = _members(block), block.reads.count
        if (members.families[:count] >= self.reads).any():
            raise ValueError(f"cannot be of this run: members.families has a number of {self.reads} or more")
        restoring.check_record("members.influence", members.influence, self.temperatures)
        written = members.record[: done // self.every]
        energy = most_energy(self.model)
        log_z = self.model.n * math.log(2) + self.betas[-1] * energy
        for column, low, most in (
            *((0, -log_z, log_z), (1, 0, math.inf), (2, -energy, energy), (3, 0, math.inf)),
            *((4, 1, self.reads), (5, 0, math.log(self.reads))),
        ):
            slack = restoring.ROUNDING * (most if most < math.inf else 0)
            if not ((written[:, column] >= low - slack) & (written[:, column] <= most + slack)).all():
                raise ValueError(f"cannot be of this run: members.record has a {_COLUMNS[column]} that none has")
        if done:
            spins = self.engine.spins(block.plan, block.state)
            restoring.check_draws(members.energies[:count], None, [self.model] * count, lambda: spins.T[:count])


def _members(block: ReadBlock) -> Members:
    """Those of a block, which it has."""
    assert block.members is not None
    return block.members


def _of_all(blocks: list[ReadBlock], name: str) -> AnyArray:
    """An array of the members of all blocks, (reads,)."""
    return np.concatenate([getattr(_members(block), name)[: block.reads.count] for block in blocks])


def _give_all(blocks: list[ReadBlock], name: str, values: AnyArray) -> None:
    """Write it."""
    first = 0
    for block in blocks:
        mine = getattr(_members(block), name)[: block.reads.count]
        mine[:] = values[first : first + mine.size]
        first += mine.size


def _total(values: FloatArray) -> float:
    """The sum, one number after the other, the same on any machine."""
    return float(np.add.accumulate(values)[-1])


def _error(of_families: FloatArray, left: float) -> float:
    """The error of what families have added, float64 (reads,); infinite where one alone is left."""
    return math.sqrt(_total(of_families**2) / left) if left > 0 else math.inf


def _hand_on(blocks: list[ReadBlock], sources: IntArray, sites: int) -> None:
    """Give each read the state of its source, int64 (reads,)."""
    of_blocks = [np.empty((sites, block.reads.energies.size // LANE_GROUP), np.uint16) for block in blocks]
    for block, words in zip(blocks, of_blocks, strict=True):
        resampling.carry_states(block.plan, block.state, words, False)
    every = np.concatenate(of_blocks, axis=1)
    resampling.move(every, sources, np.empty_like(sources))
    first = 0
    for block, words in zip(blocks, of_blocks, strict=True):
        words[:] = every[:, first : first + words.shape[1]]
        first += words.shape[1]
        resampling.carry_states(block.plan, block.state, words, True)


def _compile(block: ReadBlock, sites: int) -> None:
    """Compile what a meeting does, which changes nothing of the block."""
    one, words = np.zeros(1), np.zeros((sites, block.reads.energies.size // LANE_GROUP), np.uint16)
    sources = np.zeros(1, np.int64)
    resampling.weigh(one, 0.0, 0.0, one.copy())
    resampling.choose(one + 1, 1.0, 0.0, sources, sources)
    resampling.move(words, sources, sources.copy())
    resampling.carry_states(block.plan, block.state, words, False)
