"""Bins and histograms of draws that are not kept: bit for bit those of the twin, which has all draws."""

import numpy as np
import pytest

from fastgibbs.engines import binning
from fastgibbs.jit import njit
from fastgibbs.reference import binning as twin


@njit
def add_all(bins, energies, magnetizations, observables, first, last):
    """Add draws `first` ... `last - 1` of records (draws, ...)."""
    for draw in range(first, last):
        binning.add_draw(bins, draw, energies[draw], magnetizations[draw], observables[draw])


def kept(energies, magnetizations, observables, stops=()):
    """What the kernel keeps of records (chains, draws) and observables (K, chains, draws), stopped on its way."""
    chains, draws = energies.shape
    bins = binning.bins(chains, len(observables))
    by_draw = [np.ascontiguousarray(np.moveaxis(of, -1, 0)) for of in (energies, magnetizations, observables)]
    for first, last in zip((0, *stops), (*stops, draws), strict=True):
        add_all(bins, *by_draw, first, last)
    return bins


KINDS = {
    "of all scales": lambda rng, shape: rng.normal(size=shape) * np.array([1e-3, 1.0, 1e6])[:, None],
    "whole numbers": lambda rng, shape: rng.integers(-30, 30, shape) * 4.0,
    "without a variance": lambda rng, shape: rng.standard_cauchy(shape),
    "that fall": lambda rng, shape: rng.normal(size=shape) - np.linspace(0, 300, shape[1]),
    "that rarely change": lambda rng, shape: 0.1 * (rng.random(shape) < 0.01),
    "that never change": lambda rng, shape: np.full(shape, 0.1),
}


def records(kind, draws, seed=1):
    rng = np.random.default_rng([seed, draws])
    energies = KINDS[kind](rng, (3, draws))
    return energies, rng.integers(-40, 41, (3, draws)) * 1.0, rng.normal(size=(2, 3, draws))


def same(bins, energies, magnetizations, observables):
    """Whether the twin finds the same bytes."""
    full, rest = twin.bins(energies, magnetizations, observables)
    good = np.array_equal(full, bins.sums) and np.array_equal(rest, bins.open)
    for chain in range(len(energies)):
        cells, width, low, high = twin.cells(energies[chain], magnetizations[chain])
        good &= np.array_equal(cells, bins.cells[chain]) and width == bins.width[chain]
        good &= (low, high) == tuple(bins.range[chain])
    return good


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("draws", [1, 2, 31, 32, 33, 64, 127, 777])
def test_bins_are_those_of_the_twin_wherever_a_run_stops(kind, draws):
    made = records(kind, draws)
    assert same(kept(*made, stops=sorted({draws // 3, draws // 2})), *made)


def test_a_run_without_observables_keeps_the_rest_alike():
    energies, magnetizations, observables = records("of all scales", 100)
    bare = kept(energies, magnetizations, observables[:0])
    assert same(bare, energies, magnetizations, observables[:0])
    full = kept(energies, magnetizations, observables)
    assert np.array_equal(full.sums[:, : binning.SUMS], bare.sums) and np.array_equal(full.cells, bare.cells)


def rounded_up(draws):
    return 1 << max(-(-draws // twin.BINS) - 1, 0).bit_length()


ORIGINAL, QUANTITIES = twin.width_of_cells, twin.quantities
BROKEN = {  # what is wrong, and after how many draws it shows
    "a width that doubles late": ("width_of", rounded_up, 32),
    "sums in another order": ("in_turn", lambda terms: terms.sum(axis=-1), 992),
    "cells of half the width": ("width_of_cells", lambda least, most: ORIGINAL(least, most) / 2, 992),
    "quantities that are no differences": ("quantities", lambda e, m, x: QUANTITIES(e + 1, m, x) + 1, 992),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_twins_find_other_bytes(broken, monkeypatch):
    name, function, draws = BROKEN[broken]
    made = records("of all scales", draws)
    bins = kept(*made)
    assert same(bins, *made)
    monkeypatch.setattr(twin, name, function)
    assert not same(bins, *made)


def test_at_least_half_of_the_bins_are_full_and_every_draw_is_in_one():
    ones = np.ones((1, 3000))
    for draws in range(1, 3000):
        assert binning.bin_width(draws) == 1 or draws // binning.bin_width(draws) >= binning.BINS // 2
        assert draws // binning.bin_width(draws) < binning.BINS
    for draws in (1, 31, 32, 100, 2999):
        bins = kept(np.cumsum(ones, axis=1)[:, :draws], ones[:, :draws], np.empty((0, 1, draws)))
        width, full = binning.bin_width(draws), draws // binning.bin_width(draws)
        of_bins = (np.arange(full)[:, None] * width + np.arange(width)).sum(axis=1)
        assert np.array_equal(bins.sums[0, 0, :full], of_bins) and not bins.sums[0, 0, full:].any()
        assert bins.open[0, 0] == np.arange(full * width, draws).sum()
        assert bins.cells[0, :, 0].sum() == draws


def test_a_histogram_is_the_same_in_whatever_order_the_draws_came():
    rng = np.random.default_rng(3)
    energies, magnetizations = rng.integers(-300, 300, (1, 500)) * 2.0, rng.integers(-9, 9, (1, 500)) * 1.0
    none = np.empty((0, 1, 500))
    expected = kept(energies, magnetizations, none)
    for _ in range(5):
        order = np.append(0, rng.permutation(np.arange(1, 500)))
        found = kept(energies[:, order], magnetizations[:, order], none)
        for name in ("cells", "width", "range"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    filled = expected.cells[0, :, 0] > 0
    assert filled.sum() > binning.CELLS // 2
    number = np.floor(expected.cells[0, filled, 1] / expected.cells[0, filled, 0] / expected.width[0])
    assert np.array_equal(number.astype(int) % binning.CELLS, np.flatnonzero(filled))


def test_energies_of_any_size_stay_inside():
    """Also those that no model allows: no kernel leaves its arrays, or never ends."""
    energies = np.array([[0.0, 5e-324, 1e-300, -1e300, 1e308, 3.0, np.nan, np.inf, -np.inf, 1e17, 1.0] * 3])
    bins = kept(energies, np.zeros(energies.shape), np.empty((0, *energies.shape)))
    assert bins.cells[0, :, 0].sum() == energies.size
    assert bins.range[0, 0] <= 0 <= bins.range[0, 1] and np.ptp(bins.range[0]) < binning.CELLS
