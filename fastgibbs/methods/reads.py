"""What a checkpoint of annealing may hold: records of reads and tables of the lowest states that fit together."""

from __future__ import annotations

import numpy as np

from fastgibbs.engines.drivers import READ_GROUP, Reads
from fastgibbs.engines.lowest import Lowest, unpacked
from fastgibbs.methods import restoring
from fastgibbs.methods.settings import Clamp
from fastgibbs.models.bounds import most_energy
from fastgibbs.types import ModelLike, States


def check_reads(reads: Reads, kept: States, model: ModelLike, done: int) -> None:
    """ValueError unless the records of reads that were saved fit the states that it kept, spins (n, lanes)."""
    most = most_energy(model)
    best = reads.best[: reads.count]
    seen = best < np.inf
    if done and not seen.all():
        raise ValueError(f"cannot be of this run: read {seen.argmin()} has no energy after {done} sweeps")
    restoring.check_draws(best[seen], None, [model] * int(seen.sum()), lambda: kept.T[: reads.count][seen])
    lowest, sums = reads.lowest[:done], reads.sums[:done]
    restoring.check_record("reads.lowest", lowest, most)
    sizes = np.bincount(np.arange(reads.count) // READ_GROUP)
    restoring.check_record("reads.sums", sums, most * sizes)
    least = np.minimum.reduceat(best, np.arange(0, reads.count, READ_GROUP)) if reads.count else best
    if (lowest < least).any() or (sums < lowest * sizes - restoring.ROUNDING * (most + 1) * sizes).any():
        raise ValueError("cannot be of this run: reads.lowest does not fit reads.best and reads.sums")


def check_lowest(table: Lowest, count: int, model: ModelLike, lanes: range, clamp: Clamp | None) -> None:
    """ValueError unless a table that was saved is as the first `count` lanes of a block leave it."""
    filled = table.energies < np.inf
    states, reads = table.states[filled], table.reads[:, :count] > 0
    spins = unpacked(states, table.words.size)
    restoring.check_draws(table.energies[filled], None, [model] * len(states), lambda: spins)
    if (reads.any(axis=1) != filled).any() or table.reads[:, count:].any():
        raise ValueError("cannot be of this run: lowest.reads does not fit lowest.energies")
    padded = (np.packbits(spins > 0, axis=1, bitorder="little") != states).any()
    if padded or len(np.unique(states, axis=0)) < len(states):
        raise ValueError("cannot be of this run: lowest.states are not distinct states")
    if clamp is not None:
        for state, mine in zip(spins, reads[filled], strict=True):
            chains = lanes.start + np.flatnonzero(mine) if clamp.spins.shape[1] > 1 else [0]
            if (state[clamp.sites, None] != clamp.spins[:, chains]).any():
                raise ValueError("cannot be of this run: lowest.states has a site that is clamped to another value")
