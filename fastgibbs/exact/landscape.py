"""Minima and barriers of small energies, from all states: what no single flip lowers, and what lies between.

Two states are neighbours where one variable differs. A minimum is a state without a lower neighbour; it is strict if
all neighbours are higher. Where neighbours have equal energies they form a plateau: then a valley is a connected set of
states of one energy of which none has a lower neighbour, and counts once.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from fastgibbs.exact.blocks import every_energy
from fastgibbs.exact.sums import spins_of
from fastgibbs.fields import described
from fastgibbs.io.problems import problem
from fastgibbs.models import Polynomial, checks
from fastgibbs.models.energy import as_energy
from fastgibbs.types import FloatArray, IntArray, Mask, ModelLike, Problem, States

_MOST_BY_ENERGY, _MOST_MINIMA, _MOST_BARRIERS = 20, 26, 20  # variables
_LISTED = 2**22  # minima that are written out
_EDGES = 2**16  # sorted ones that are looked at at once


@checks.by_contents
@described
class Minima(NamedTuple):
    """The minima of an energy, ascending in energy.

    >>> import fastgibbs as fg
    >>> found = fg.exact.minima(fg.lattice((2, 3), periodic=False))
    >>> found.energies.tolist(), found.strict.sum().tolist()
    ([-7.0, -7.0, -3.0, -3.0, -3.0, -3.0, -1.0, -1.0], 2)
    """

    states: Annotated[States, "int8 (minima, n)", "In the model's units."]
    energies: Annotated[FloatArray, "float64 (minima,)", "Their energies, ascending."]
    strict: Annotated[Mask, "bool (minima,)", "Whether all neighbours are higher; else the minimum is on a plateau."]


@checks.by_contents
@described
class Valleys(NamedTuple):
    """The tree of an energy: its valleys, ascending in energy, and where each joins a lower one, as the level rises.

    >>> import fastgibbs as fg
    >>> tree = fg.exact.barriers(fg.lattice((2, 3), periodic=False))
    >>> tree.energies.tolist(), tree.into.tolist(), tree.saddles.tolist()
    ([-7.0, -7.0], [-1, 0], [inf, -1.0])
    """

    states: Annotated[States, "int8 (valleys, n)", "One of the states at the bottom of each, in the model's units."]
    energies: Annotated[FloatArray, "float64 (valleys,)", "Those of the bottoms, ascending."]
    into: Annotated[
        IntArray, "int64 (valleys,)", "The valley that it joins, which is no higher; -1 of the first, which joins none."
    ]
    saddles: Annotated[FloatArray, "float64 (valleys,), or inf", "The energy at which it does; inf of the first."]

    @property
    def barriers(self) -> FloatArray:
        """What it takes to leave a valley for one that is no higher: saddle - bottom, float64 (valleys,)."""
        return self.saddles - self.energies

    def saddle(self, one: int, other: int) -> float:
        """The lowest energy that a path of single flips from one valley to another must climb to.

        >>> import fastgibbs as fg
        >>> ring = fg.lattice((4,))
        >>> valleys = fg.exact.barriers(ring)
        >>> valleys.barriers.tolist(), valleys.saddle(0, 1)
        ([inf, 4.0], 0.0)
        """
        one, other = (checks.integer("a valley", k, 0, len(self.energies) - 1) for k in (one, other))
        highest = max(self.energies[one], self.energies[other])
        while one != other:
            if self.saddles[one] > self.saddles[other]:
                one, other = other, one
            highest, one = max(highest, self.saddles[one]), int(self.into[one])
        return float(highest)


def minima(model: Problem) -> Minima:
    """All states of which no single flip lowers E, as `Minima`: where there are plateaus, every such state of each.

    These are the states where `fastgibbs.quench` may end. Energies count as equal within 1e-13 of the largest that the
    parameters allow, or have. `model`: of up to 26 variables if it has an Ising form or is a `Polynomial`, otherwise of
    up to 20; 2^26 states take half a minute and a gigabyte. ValueError if there are more, or more than 2^22 minima;
    TypeError if `model` is none.

    >>> import fastgibbs as fg
    >>> found = fg.exact.minima(fg.edwards_anderson((12,), "gaussian", seed=1))
    >>> len(found.states), found.strict.all().tolist()
    (16, True)
    """
    model = problem("model", model)
    energies, rounding = _energies(model, _MOST_MINIMA)
    stable, strict = np.ones((2, energies.size), bool)
    for bit in range(model.n):
        down, up = np.moveaxis(energies.reshape(-1, 2, 2**bit), 1, 0)
        rise = up - down
        for flipped, rises in ((0, rise), (1, -rise)):
            stable.reshape(-1, 2, 2**bit)[:, flipped] &= rises >= -rounding
            strict.reshape(-1, 2, 2**bit)[:, flipped] &= rises > rounding
    found = np.flatnonzero(stable)
    if found.size > _LISTED:
        raise ValueError(f"{checks.shown(model)} has {found.size} minima: more than {_LISTED} are too many to list")
    found = found[np.argsort(energies[found], kind="stable")]
    return Minima(model.from_spins(spins_of(found, model.n)), energies[found], strict[found])


def barriers(model: Problem) -> Valleys:
    """The valleys of an energy and the saddles between them, as `Valleys`: the tree that a rising level makes of them.

    A path goes by single flips. Of two valleys that join, the one of the higher bottom goes into the other.
    Energies count as equal as in `minima`; valleys without a barrier are none. `model`: of up to 20 variables.
    ValueError if there are more; TypeError if `model` is none.

    Source: Becker and Karplus, J. Chem. Phys. 106, 1495 (1997).

    >>> import fastgibbs as fg
    >>> tree = fg.exact.barriers(fg.sherrington_kirkpatrick(10, seed=1))
    >>> print(len(tree.states), f"{tree.saddle(0, 1):.3f}", f"{tree.barriers[1]:.3f}")
    8 -3.189 1.927
    """
    model = problem("model", model)
    energies, rounding = _energies(model, _MOST_BARRIERS)
    bottoms, labels = _descents(energies, model.n, rounding)
    ends, heights = _passes(energies, labels, model.n)
    into, saddles = _joined(energies[bottoms], ends, heights)
    flat = saddles <= energies[bottoms] + rounding
    while (through := (into >= 0) & flat[into]).any():
        into[through] = into[into[through]]
    order = np.flatnonzero(~flat)
    order = order[np.argsort(energies[bottoms[order]], kind="stable")]
    numbers = np.full(bottoms.size + 1, -1)
    numbers[order] = np.arange(order.size)
    states = model.from_spins(spins_of(bottoms[order], model.n))
    return Valleys(states, energies[bottoms[order]], numbers[into[order]], saddles[order])


def _energies(model: ModelLike, most: int) -> tuple[FloatArray, float]:
    """`every_energy` of a model of at most so many variables; ValueError or TypeError otherwise."""
    fast = as_energy(model).has_ising_form or isinstance(model, Polynomial)
    most = most if fast else min(most, _MOST_BY_ENERGY)
    if model.n > most:
        raise ValueError(f"{checks.shown(model)} has {model.n} variables, 2^{model.n} states: give at most {most}")
    checks.require_memory(32 * 2**model.n, f"all states of {checks.shown(model)}", "give a smaller model")
    return every_energy(model)


def _descents(energies: FloatArray, n: int, rounding: float) -> tuple[IntArray, IntArray]:
    """The states without a lower neighbour, and for every state the number of the one that steepest descent ends in."""
    lowest, target = energies - rounding, np.arange(energies.size)
    for bit in range(n):
        other = energies.reshape(-1, 2, 2**bit)[:, ::-1].ravel()
        lower = other < lowest
        lowest[lower] = other[lower]
        target[lower] = np.flatnonzero(lower) ^ 1 << bit
    while (further := target[target]).tobytes() != target.tobytes():
        target = further
    return np.unique(target, return_inverse=True)


def _passes(energies: FloatArray, labels: IntArray, n: int) -> tuple[IntArray, FloatArray]:
    """Pairs of basins that touch, int64 (pairs, 2), and the lowest pass between them, float64 (pairs,), ascending.

    No path between minima climbs less than one that goes down to the minimum of each basin that it comes through.
    """
    keys, heights, size = np.empty(0, np.int64), np.empty(0), int(labels.max()) + 1
    for bit in range(n):
        one, other = np.moveaxis(labels.reshape(-1, 2, 2**bit), 1, 0).reshape(2, -1)
        height = np.maximum(*np.moveaxis(energies.reshape(-1, 2, 2**bit), 1, 0).reshape(2, -1))
        apart = one != other
        key = np.minimum(one, other)[apart] * size + np.maximum(one, other)[apart]
        keys, heights = np.concatenate([keys, key]), np.concatenate([heights, height[apart]])
        order = np.lexsort((heights, keys))
        keys, heights = keys[order], heights[order]
        first = np.append(True, keys[1:] != keys[:-1])[: keys.size]
        keys, heights = keys[first], heights[first]
    order = np.argsort(heights, kind="stable")
    return np.stack(np.divmod(keys[order], size), axis=1), heights[order]


def _joined(bottoms: FloatArray, ends: IntArray, heights: FloatArray) -> tuple[IntArray, FloatArray]:
    """Which lower basin each joins, or -1, and at which height: pass after pass, by union-find (Kruskal)."""
    into, saddles = np.full(bottoms.size, -1), np.full(bottoms.size, np.inf)
    root = np.arange(bottoms.size)
    rank = np.empty(bottoms.size, np.int64)
    rank[np.argsort(bottoms, kind="stable")] = root
    for first in range(0, heights.size, _EDGES):
        while (further := root[root]).tobytes() != root.tobytes():
            root = further
        some = slice(first, first + _EDGES)
        apart = root[ends[some, 0]] != root[ends[some, 1]]
        parents = root.tolist()
        for one, other, height in zip(*ends[some][apart].T.tolist(), heights[some][apart].tolist(), strict=True):
            while parents[one] != one:
                parents[one] = one = parents[parents[one]]
            while parents[other] != other:
                parents[other] = other = parents[parents[other]]
            if one != other:
                higher, lower = (one, other) if rank[one] > rank[other] else (other, one)
                parents[higher], into[higher], saddles[higher] = lower, lower, height
        root = np.array(parents, np.int64)
    return into, saddles
