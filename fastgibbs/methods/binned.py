"""The bins of a run that keeps these in place of draws: what a result has of them, and what a checkpoint may hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np

from fastgibbs.analysis.bins import Bins
from fastgibbs.engines import binning
from fastgibbs.methods.observing import Observed
from fastgibbs.models import checks
from fastgibbs.types import FloatArray

Recording = Literal["draws", "bins"]
RECORDS = get_args(Recording)
_ROUNDING = 1e-6  # of what sums may be
ADVICE = 'give record="bins", which keeps no draw, or use a machine with more memory'
_NBYTES = 8 * (binning.BINS + 1)


def nbytes(observables: int) -> int:
    """Memory of a chain with so many observables."""
    return _NBYTES * (binning.SUMS + 2 * observables) + 8 * (binning.CELLS * binning.COLUMNS + observables + 5)


def checked(record: str, observed: Observed, keep_states: bool = False) -> bool:
    """Whether `record` asks for bins; ValueError at another word, and at what bins cannot tell."""
    checks.choice("record", record, RECORDS)
    if record == "bins" and keep_states:
        raise ValueError('keep_states is True: record="bins" keeps no draw, use record="draws"')
    if record == "bins" and observed.functions:
        raise ValueError(
            f"observe[{checks.shown(next(iter(observed.functions)))}] is a function, which needs the states of all "
            'draws: give weights, or use record="draws"'
        )
    return record == "bins"


def part(bins: binning.Bins, first: int, last: int) -> binning.Bins:
    """Those of chains `first` ... `last - 1`, in the same memory."""
    return binning.Bins(*(array[first:last] for array in bins))


def kept(bins: binning.Bins, draws: list[tuple[int, int]], sites: int, names: Iterable[str]) -> Bins:
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


def check(bins: binning.Bins, draws: int, most: float, sites: int, weights: FloatArray) -> None:
    """ValueError unless a block may have kept these of so many draws.

    `most`: of |E|; `weights`: of |X|, (observables,).
    """
    width = binning.bin_width(draws)
    first, low, high = bins.first, *bins.range.T[..., None]
    number = (np.arange(binning.CELLS) - low) % binning.CELLS + low  # of each cell
    counts, filled = bins.cells[:, :, 0], bins.cells[:, :, 0] > 0
    limits = np.array([2 * most, 4 * most**2, sites**2, sites**4, sites, 2 * sites, 2 * most * sites**2])
    limits = np.append(limits, np.column_stack([2 * weights, 4 * weights**2]).ravel())[:, None]
    sums, open_ = bins.sums, bins.open
    E, A, Y = (sums[:, k].sum(axis=1) + open_[:, k] for k in (0, 4, 2))
    of_cells = bins.cells.sum(axis=1)
    firsts = np.concatenate([[most, sites], weights])
    energies = np.where(filled, bins.cells[:, :, 1] / np.where(filled, counts, 1), 0.0)
    lowest, highest = number * bins.width[:, None], (number + 1) * bins.width[:, None]
    slack = _ROUNDING * (bins.width[:, None] + abs(lowest))
    scale = _ROUNDING * draws

    right = {
        "first": (abs(first) <= firsts * (1 + 1e-9)).all() and (draws > 0 or not first.any()),
        "sums": (abs(sums) <= width * limits * (1 + 1e-9)).all() and not sums[:, :, draws // width :].any(),
        "open": (abs(open_) <= draws % width * limits[:, 0] * (1 + 1e-9)).all(),
        "squares": (sums[:, [1, 3]] >= 0).all() and (open_[:, [1, 3]] >= 0).all(),
        "width": ((np.frexp(bins.width)[0] == 0.5) | (bins.width == 0)).all(),
        "range": ((low <= 0) & (high >= 0) & (high - low < binning.CELLS)).all(),
        "counts": (counts == np.floor(counts)).all() and (counts >= 0).all() and (of_cells[:, 0] == draws).all(),
        "cells": not bins.cells[~filled].any() and (filled <= (number <= high)).all(),
        "ends": draws == 0 or (filled[number == low].all() and filled[number == high].all()),
        "energies": ((energies >= lowest - slack) & (energies <= highest + slack) | ~filled).all(),
        "E": (abs(of_cells[:, 1] - E) <= scale * (2 * min(most, abs(first[:, 0]).max(initial=0) + 1e300))).all(),
        "A": (abs(of_cells[:, 2] - A - draws * abs(first[:, 1])) <= scale * sites).all(),
        "Y": (abs(of_cells[:, 3] - Y - draws * first[:, 1] ** 2) <= scale * sites**2).all(),
    }
    for name, fits in right.items():
        if not fits:
            raise ValueError(f"cannot be of this run: {name} of its bins are not those of {draws} draws")
