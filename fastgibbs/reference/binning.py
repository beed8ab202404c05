"""Bins of time and of energy, from the records of all draws: the twin of what runs keep in place of these."""

from __future__ import annotations

from typing import Any

import numpy as np

BINS, CELLS = 32, 32


def width_of(draws):
    """The least power of two w with draws < BINS w."""
    return 1 << max(draws // BINS, 0).bit_length()


def quantities(energies, magnetizations, observables):
    """E', E'^2, Y', Y'^2, A', M', E' Y', and X' and X'^2 of each X in turn: float64 (chains, sums, draws).

    `energies` E and `magnetizations` M (sums of spins), (chains, draws), A = |M|, Y = M^2; `observables` X, (K, chains,
    draws). A prime stands for the difference from the first draw.
    """
    e, a, y, m = (x - x[:, :1] for x in (energies, abs(magnetizations), magnetizations**2, magnetizations))
    x = [power for values in observables for power in (values - values[:, :1], (values - values[:, :1]) ** 2)]
    return np.stack([e, e * e, y, y * y, a, m, e * y, *x], axis=1)


def sum_of(terms, begin, width):
    """Draws begin ... begin + width - 1 of `terms` (..., draws) added up: one by one, by halves where w was smaller."""
    if width > width_of(begin):
        return sum_of(terms, begin, width // 2) + sum_of(terms, begin + width // 2, width // 2)
    return in_turn(terms[..., begin : begin + width])


def in_turn(terms):
    """The sum along the last axis, one term after the other."""
    total = np.zeros(terms.shape[:-1])
    for k in range(terms.shape[-1]):
        total = total + terms[..., k]
    return total


def bins(energies, magnetizations, observables):
    """The sums of `quantities` in every full bin, (chains, sums, BINS), and in the open one, (chains, sums)."""
    terms = quantities(energies, magnetizations, observables)
    draws = terms.shape[2]
    width, found = width_of(draws), np.zeros((*terms.shape[:2], BINS))
    for number in range(draws // width):
        found[..., number] = sum_of(terms, number * width, width)
    return found, in_turn(terms[..., draws // width * width :])


def cells(energies, magnetizations):
    """Of one chain, (draws,): the sums of 1, E', A, Y, Y^2 by cell, (CELLS, 5); the width; the lowest and highest cell.

    Cell i is row i modulo CELLS.
    """
    found: dict[Any, Any] = {}
    width = 0.0
    e, a, y = energies - energies[0], abs(magnetizations), magnetizations**2
    for draw in range(len(e)):
        before, width = width, width_of_cells(e[: draw + 1].min(), e[: draw + 1].max())
        while 0 < before < width:
            found = {i: found.get(2 * i, 0) + found.get(2 * i + 1, 0) for i in {i // 2 for i in found}}
            before *= 2
        cell = int(np.floor(e[draw] / width)) if width else 0
        found[cell] = found.get(cell, 0) + np.array([1.0, e[draw], a[draw], y[draw], y[draw] ** 2])
    rows = np.zeros((CELLS, 5))
    for cell, sums in found.items():
        rows[cell % CELLS] = sums
    return rows, width, min(found, default=0), max(found, default=0)


def width_of_cells(least, most):
    """The least power of two w at which floor(least / w) ... floor(most / w) are at most CELLS cells; 0 if both are 0.

    `least` is at most 0 and `most` at least 0.
    """
    if most == least:
        return 0.0
    width = 2.0 ** np.floor(np.log2((most - least) / CELLS) - 1)
    while np.floor(most / width) - np.floor(least / width) >= CELLS:
        width *= 2
    return width
