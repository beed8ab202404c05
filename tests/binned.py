"""Records of draws put into bins, by the twin of what runs do."""

import numpy as np

from fastgibbs.analysis.bins import Binned, Bins
from fastgibbs.reference import binning


def bins_of(energy, magnetization, sites, observables=None) -> Bins:
    """What a run would keep of these draws, (chains, draws), m being means of so many sites."""
    observables = {} if observables is None else observables
    S = np.round(magnetization * sites)
    values = np.array(list(observables.values())).reshape(len(observables), *energy.shape)
    full, rest = binning.bins(energy, S, values)
    draws = energy.shape[1]
    width = binning.width_of(draws)
    counts = np.full(draws // width, width)
    if draws % width:
        counts = np.append(counts, draws % width)
        full[:, :, draws // width] = rest
    cells, widths, *_ = zip(*(binning.cells(*of_chain) for of_chain in zip(energy, S, strict=True)), strict=True)
    first = np.concatenate([energy[:, :1], S[:, :1], *values[:, :, :1]], axis=1)
    sums = full[:, :, : counts.size]
    return Bins(counts, first, sums, np.array(cells), np.array(widths), sites, tuple(observables))


def binned(record) -> Binned:
    """A record (..., draws) in bins, fast: the sums without the order in which runs add."""
    record = np.asarray(record)
    draws = record.shape[-1]
    edges = np.arange(0, draws, binning.width_of(draws))
    x = record - record[..., :1]
    sums, squares = (np.add.reduceat(values, edges, axis=-1) for values in (x, x**2))
    return Binned(record[..., 0], sums, squares, np.diff(edges, append=draws))
