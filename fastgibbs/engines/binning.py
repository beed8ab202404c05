"""Draws that are not kept: sums in bins of time that double, and histograms of energy whose bins double.

Of chain c, E', M', A', Y' and X' are its energy E, sum of spins M, A = |M|, Y = M^2 and observables X, each minus what
it was at the chain's first draw. The number of draws and the draws decide all that is here, and not where a run stops.

Time. After D draws a bin has w draws, w the least power of two with D < BINS w. Bin b < D // w has the sums of E',
E'^2, Y', Y'^2, A', M', E' Y', and of X' and X'^2 of each observable, over draws b w ... (b + 1) w - 1; the other draws
are in the open bin. When bin BINS - 1 is full, bins 2 b and 2 b + 1 become bin b, and w doubles.

Energy. Cell i modulo CELLS has the number of draws with i = floor(E' / width), and their sums of E', A, Y and Y^2. The
width is 0, where all E' are 0 and i = 0, or the least power of two at which the cells that were met, of i = low ...
high, are at most CELLS: as it doubles, cells 2 i and 2 i + 1 become cell i.
"""

from typing import NamedTuple

import numpy as np

from fastgibbs.jit import called, gives, inlined, stub

BINS = 32  # even; of D >= BINS draws at least half are full: 16 rows of a jackknife
CELLS = 32  # a power of two; of more than two energies the widest range leaves at least half of them in use
SUMS, COLUMNS = 7, 5
TINY, HUGE = 2.0**-1000, 2.0**1000  # E' beyond them is in cell 0: no energy that models allow


class RunningBins(NamedTuple):
    """Of every chain of a block."""

    first: np.ndarray  # float64 (chains, 2 + observables): E, M and X at the first draw
    sums: np.ndarray  # float64 (chains, SUMS + 2 observables, BINS)
    open: np.ndarray  # float64 (chains, SUMS + 2 observables): of the open bin
    cells: np.ndarray  # float64 (chains, CELLS, COLUMNS)
    width: np.ndarray  # float64 (chains,)
    range: np.ndarray  # int64 (chains, 2): low, high


def bins(chains: int, observables: int) -> RunningBins:
    """Room for the draws of so many chains."""
    sums = SUMS + 2 * observables
    return RunningBins(
        np.zeros((chains, 2 + observables)),
        np.zeros((chains, sums, BINS)),
        np.zeros((chains, sums)),
        np.zeros((chains, CELLS, COLUMNS)),
        np.zeros(chains),
        np.zeros((chains, 2), np.int64),
    )


@stub
def keep(bins, draw, energies, magnetizations, observables):
    """Add a draw to bins, if there are any."""


@gives(keep, RunningBins)
def _keep(bins, draw, energies, magnetizations, observables):
    add_draw(bins, draw, energies, magnetizations, observables)


def bin_width(draws: int) -> int:
    """w, of so many draws."""
    width = 1
    while draws >= BINS * width:
        width *= 2
    return width


_bin_width = called(bin_width)


@called
def add_draw(bins, draw, energies, magnetizations, observables):
    """Add draw number `draw` of every chain: E and M, float64 (chains or more,), and X, float64 (observables, ...)."""
    if draw == 0:
        for chain in range(len(bins.first)):
            bins.first[chain, 0], bins.first[chain, 1] = energies[chain], magnetizations[chain]
            for number in range(len(observables)):
                bins.first[chain, 2 + number] = observables[number, chain]
    _add_sums(bins.open, bins.first, energies, magnetizations)
    _add_observables(bins.open, bins.first, observables)
    _add_cells(bins.cells, bins.width, bins.range, bins.first, energies, magnetizations)
    width = _bin_width(draw)
    if (draw + 1) % width == 0:
        for chain in range(len(bins.first)):
            _close(bins.sums[chain], bins.open[chain], draw // width, draw + 1 == BINS * width)


@called
def _add_sums(sums, first, energies, magnetizations):
    for chain in range(len(first)):
        M, M0 = magnetizations[chain], first[chain, 1]
        e, y = energies[chain] - first[chain, 0], M * M - M0 * M0
        sums[chain, 0] += e
        sums[chain, 1] += e * e
        sums[chain, 2] += y
        sums[chain, 3] += y * y
        sums[chain, 4] += abs(M) - abs(M0)
        sums[chain, 5] += M - M0
        sums[chain, 6] += e * y


@called
def _add_observables(sums, first, observables):
    for number in range(len(observables)):
        for chain in range(len(first)):
            x = observables[number, chain] - first[chain, 2 + number]
            sums[chain, SUMS + 2 * number] += x
            sums[chain, SUMS + 2 * number + 1] += x * x


@called
def _add_cells(cells, widths, ranges, first, energies, magnetizations):
    for chain in range(len(first)):
        e, M = energies[chain] - first[chain, 0], magnetizations[chain]
        number = _cell(cells[chain], widths, ranges, chain, e)
        cells[chain, number, 0] += 1.0
        cells[chain, number, 1] += e
        cells[chain, number, 2] += abs(M)
        cells[chain, number, 3] += M * M
        cells[chain, number, 4] += (M * M) * (M * M)


@called
def _close(bins, sums, number, merges):
    """The open bin becomes bin `number`, and all are merged if it was the last."""
    for k in range(sums.size):
        bins[k, number] = sums[k]
        sums[k] = 0.0
        if merges:
            for bin_ in range(BINS // 2):
                bins[k, bin_] = bins[k, 2 * bin_] + bins[k, 2 * bin_ + 1]
            bins[k, BINS // 2 :] = 0.0


@inlined
def _cell(cells, widths, ranges, chain, e):
    """The cell of E' = `e`, after the width has doubled as often as it must."""
    width, index = widths[chain], np.int64(0)
    if abs(e) < CELLS * width:
        index = np.int64(np.floor(e / width))
        if index < ranges[chain, 0] or index > ranges[chain, 1]:
            index = _widened(cells, widths, ranges[chain], chain, e)
    elif TINY < abs(e) < HUGE:
        index = _widened(cells, widths, ranges[chain], chain, e)
    return index & (CELLS - 1)


@called
def _widened(cells, widths, range_, chain, e):
    """The cell of an E' that may be out of the range: width and range are changed as they must."""
    width, low, high = widths[chain], range_[0], range_[1]
    if width == 0.0:
        width = 1.0
        while width * CELLS <= abs(e):
            width *= 2.0
        while width * CELLS > 2.0 * abs(e):
            width *= 0.5
    index = np.int64(0)
    while True:
        if abs(e) < 2.0 * CELLS * width:  # or it is no whole number that int64 holds
            index = np.int64(np.floor(e / width))
            if max(high, index) - min(low, index) < CELLS:
                break
        _double(cells, low, high)
        low, high, width = low >> 1, high >> 1, width * 2.0
    widths[chain], range_[0], range_[1] = width, min(low, index), max(high, index)
    return index


@called
def _double(cells, low, high):
    """Cells 2 i and 2 i + 1 become cell i, from the one that stays where it is outwards: none is in the way."""
    for number in range(1, high + 1):
        _move(cells, number, number >> 1)
    for number in range(-2, low - 1, -1):
        _move(cells, number, number >> 1)


@called
def _move(cells, number, to):
    """Add one cell to another, and empty it."""
    for column in range(COLUMNS):
        cells[to & (CELLS - 1), column] += cells[number & (CELLS - 1), column]
        cells[number & (CELLS - 1), column] = 0.0
