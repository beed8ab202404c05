"""The bins of a run that keeps these in place of draws: what a result has of them, and what a checkpoint may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

import numpy as np

from fastgibbs.analysis.bins import Bins
from fastgibbs.engines import binning
from fastgibbs.methods.observing import Observed
from fastgibbs.models import checks
from fastgibbs.types import FloatArray

Recording = Literal["draws", "bins"]
RECORDS = get_args(Recording)
_ROUNDING = 1e-6  # of what sums may be
_NBYTES = 8 * (binning.BINS + 1)


def nbytes(observables: int) -> int:
    """Memory of a chain with so many observables."""
    return _NBYTES * (binning.SUMS + 2 * observables) + 8 * (binning.CELLS * binning.COLUMNS + observables + 5)


def require_memory(what: str, chains: int, of_draws: int, observables: int, in_bins: bool, rest: int) -> None:
    """ValueError unless there is memory for what chains keep, `of_draws` bytes each or bins, and `rest` beside."""
    of_bins = nbytes(observables)
    smaller = not in_bins and of_bins < of_draws
    instead = 'give record="bins", which keeps no draw' if smaller else "give fewer"
    needed = chains * (of_bins if in_bins else of_draws) + rest
    checks.require_memory(needed, what, f"{instead}, or use a machine with more memory")


def checked(record: str, observed: Observed, keep_states: bool = False, chosen: bool = False) -> bool:
    """Whether `record` asks for bins; ValueError at another word, and at what bins cannot tell.

    `chosen`: whether draws are made at sweeps of the user's choice.
    """
    checks.choice("record", record, RECORDS)
    if record == "bins" and keep_states:
        raise ValueError('keep_states is True: record="bins" keeps no draw, use record="draws"')
    if record == "bins" and chosen:
        raise ValueError('at is given: record="bins" adds up what changes with time, use record="draws"')
    if record == "bins" and observed.functions:
        raise ValueError(
            f"observe[{checks.shown(next(iter(observed.functions)))}] is a function, which needs the states of all "
            'draws: give weights, or use record="draws"'
        )
    return record == "bins"


def part(bins: binning.RunningBins, first: int, last: int) -> binning.RunningBins:
    """Those of chains `first` ... `last - 1`, in the same memory."""
    return binning.RunningBins(*(array[first:last] for array in bins))


def kept(bins: binning.RunningBins, draws: list[tuple[int, int]], sites: int, names: Iterable[str]) -> Bins:
    """What the chains of all blocks have kept; `draws`: how many chains a block has, and how many draws of each.

    Of blocks that were stopped after different numbers of draws it is the full bins that all of them have, as wide as
    the widest; their histograms have all draws.
    """
    width = max(binning.bin_width(number) for _, number in draws)
    alike = len({number for _, number in draws}) == 1
    full, first = min(number for _, number in draws) // width, 0
    for chains, number in draws:
        mine, own = part(bins, first, first + chains), binning.bin_width(number)
        if alike and number % width:
            mine.sums[:, :, full] = mine.open
        while own < width:
            half = binning.BINS // 2
            mine.sums[:, :, :half] = mine.sums[:, :, ::2] + mine.sums[:, :, 1::2]
            own *= 2
        first += chains
    counts = np.full(full, width)
    if alike and draws[0][1] % width:
        counts = np.append(counts, draws[0][1] % width)
    return Bins(counts, bins.first, bins.sums[:, :, : counts.size], bins.cells, bins.width, sites, tuple(names))


def check(bins: binning.RunningBins, draws: int, most: float, sites: int, weights: FloatArray) -> None:
    """ValueError unless a block may have kept these of so many draws.

    `most`: of |E|; `weights`: of |X|, (observables,).
    """
    for name, right in _rules(bins, draws, most, sites, weights):
        if not np.all(right):
            raise ValueError(f"cannot be of this run: {name} of its bins are not those of {draws} draws")


def _rules(
    bins: binning.RunningBins, draws: int, most: float, sites: int, weights: FloatArray
) -> Iterator[tuple[str, Any]]:
    """Yield (what, whether it may be so): each alone, then what they say of each other."""
    first, sums, open_, cells, widths, range_ = bins
    width, rounding = binning.bin_width(draws), 1 + 1e-9
    own = [2 * most, 4 * most**2, sites**2, sites**4, sites, 2 * sites, 2 * most * sites**2]
    limits = np.append(own, np.column_stack([2 * weights, 4 * weights**2]).ravel())
    yield "first numbers", abs(first) <= np.concatenate([[most, sites], weights]) * rounding
    yield "first numbers", draws > 0 or not first.any()
    yield "sums", abs(sums) <= width * limits[:, None] * rounding
    yield "sums", ~sums[:, :, draws // width :].any()
    yield "sums of the open bin", abs(open_) <= draws % width * limits * rounding
    squares = [1, 3, *range(binning.SUMS + 1, sums.shape[1], 2)]
    yield "sums of squares", (sums[:, squares] >= 0).all() and (open_[:, squares] >= 0).all()
    yield "widths of cells", (np.frexp(widths)[0] == 0.5) | (widths == 0)
    low, high = range_.T[..., None]
    yield "ranges of cells", (low <= 0) & (high >= 0) & (high - low < binning.CELLS)

    counts, filled = cells[:, :, 0], cells[:, :, 0] > 0
    number = (np.arange(binning.CELLS) - low) % binning.CELLS + low  # of each cell
    ends = filled & ((number == low) | (number == high))
    yield "counts of cells", (counts == np.floor(counts)) & (counts >= 0)
    yield "counts of cells", counts.sum(axis=1) == draws
    yield "empty cells", ~cells[~filled].any() and (~filled | (number <= high)).all()
    yield "ranges of cells", draws == 0 or (ends.sum(axis=1) == 1 + (high > low)[:, 0]).all()
    means = cells[:, :, 1] / np.where(filled, counts, 1)
    slack = _ROUNDING * (1 + abs(number)) * widths[:, None]
    below, above = number * widths[:, None] - slack, (number + 1) * widths[:, None] + slack
    yield "energies of cells", (means >= below) & (means <= above) | ~filled
    yield (
        "magnetizations of cells",
        (cells[:, :, 2:] >= 0) & (cells[:, :, 2:] <= counts[..., None] * [sites, sites**2, sites**4]),
    )

    E, Y, YY, A = (sums[:, k].sum(axis=1) + open_[:, k] for k in (0, 2, 3, 4))
    y = first[:, 1] ** 2
    both = [E, A + draws * abs(first[:, 1]), Y + draws * y, YY + 2 * y * Y + draws * y**2]
    scale = [binning.CELLS * widths.max(initial=0.0), sites, sites**2, sites**4]
    for total, size, of_cells in zip(both, scale, cells[:, :, 1:].sum(axis=1).T, strict=True):
        yield "sums and cells", abs(total - of_cells) <= _ROUNDING * draws * size
