"""Linear observables w.s of every chain of a block, from its packed spins: whatever the engine, one kernel."""

from typing import NamedTuple

import numpy as np

from fastgibbs.engines.contract import LANE_GROUP
from fastgibbs.engines.vectors import at, flags, full, load, select, store
from fastgibbs.jit import called, inlined

_WIDE = 64  # lanes whose sums grow side by side: one addition need not wait for the one before
_SITES = 256  # whose weights and words are read once from far away, and then by all lanes


class Observables(NamedTuple):
    """The weights of a block's observables, room to add up and to record them; all empty if there are none."""

    weights: np.ndarray  # float64 (observables, sites of a lane, 1 or more): those of lane k are in column k % columns
    strips: int
    packed: np.ndarray  # uint16 (sites of a lane, lanes // 16): what snapshots fill
    sums: np.ndarray  # float64 (lanes,)
    by_lane: np.ndarray  # float64 (observables and what is told, chains): of a draw recorded in another order
    record: np.ndarray  # float64 (draws, observables and what else is told, chains that are recorded)


def observables(weights, strips: int, lanes: int, draws: int, recorded: int, told: int = 0) -> Observables:
    """Room for `draws` draws of `recorded` chains of a block; `weights` float64 (observables, n).

    After observables come `told` numbers that others write.
    """
    count, n = weights.shape
    of_lanes = np.array(weights.reshape(count, strips, n // strips).swapaxes(1, 2), order="C")
    if strips > 1:
        of_lanes = np.tile(of_lanes, max(1, LANE_GROUP // strips))
    return Observables(
        of_lanes,
        strips,
        np.empty((n // strips if count else 0, lanes // LANE_GROUP), np.uint16),
        np.empty(lanes),
        np.empty((count + told, lanes // strips)),
        np.empty((draws, count + told, recorded)),
    )


def _adding(width):
    """The function that adds terms in `width` lanes."""
    parts = width // LANE_GROUP

    @inlined
    def add(observables, number, words, first, last, lane):
        """Add w_i s_i, i = `first` ... `last - 1` in turn, to the sums of lanes `lane` ... `lane + width - 1`."""
        _, sites, columns = observables.weights.shape
        groups, column = words.shape[1], lane % columns
        total = load(observables.sums, lane, width)
        for site in range(first, last):
            place = (number * sites + site) * columns + column
            if columns == 1:
                w = full(at(observables.weights, place), np.float64, width)
            else:
                w = load(observables.weights, place, width)
            ups = flags(load(words, site * groups + lane // LANE_GROUP, parts))
            total = total + select(ups, w, w * -1)
        store(observables.sums, lane, total)

    return add


_add_wide, _add = _adding(_WIDE), _adding(LANE_GROUP)


@called
def measure_observables(observables, words, values):
    """Write every chain's w.s, float64 (observables, chains), of packed spins uint16 (sites of a lane, lanes // 16).

    Terms are added site after site, of a lattice in strips in each strip, and then the strips one after the other.
    """
    _, sites, columns = observables.weights.shape
    sums, strips = observables.sums, observables.strips
    for number in range(len(observables.weights)):
        sums[:] = 0.0
        for first in range(0, sites, _SITES):
            last = min(first + _SITES, sites)
            if sums.size % _WIDE == 0 and (columns == 1 or columns == _WIDE):
                for lane in range(0, sums.size, _WIDE):
                    _add_wide(observables, number, words, first, last, lane)
            else:
                for lane in range(0, sums.size, LANE_GROUP):
                    _add(observables, number, words, first, last, lane)
        for chain in range(values.shape[1]):
            total = 0.0
            for lane in range(chain * strips, (chain + 1) * strips):
                total += sums[lane]
            values[number, chain] = total
