"""Wave vectors of lattices, and cos k.r and sin k.r at their sites: what Fourier sums are made of."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.models import checks, foreign
from fastgibbs.types import ArrayLike, FloatArray, IntArray, ModelLike

_FITS = 1e-6  # how far k.period may be from a multiple of 2 pi, in multiples
_NO_SINE = 1e-9  # at a site: a smaller one is rounding
_NAME = re.compile(r"(?:cos|sin)\((-?\d+(?:, -?\d+)*)\)")  # of a wave among observables
_SAME = 2.0**20  # turns are the same in units of 1 / _SAME: more than rounding, less than any lattice has
_FINE = 2.0**40  # cosines are rounded to 1 / _FINE: beyond it machines may differ


class Places(NamedTuple):
    """Where the sites of a lattice are, and how it repeats."""

    positions: FloatArray  # float64 (n, dimensions)
    periods: FloatArray  # float64 (axes, dimensions), of an open axis the edge
    sides: tuple[int, ...]  # cells along each axis
    single: bool  # whether a cell has one site

    @property
    def reciprocal(self) -> FloatArray:
        """b with b_a . period_c = 2 pi delta_ac, float64 (axes, dimensions): every k that fits is a sum of these."""
        return np.asarray(2 * np.pi * np.linalg.pinv(self.periods).T, np.float64)


def places(name: str, model: ModelLike) -> Places:
    """Those of a model; TypeError if it is none, ValueError if it is no lattice."""
    model = checks.model(name, foreign.taken(name, model))
    geometry: Any = getattr(model, "geometry", None)
    if geometry is None:
        raise ValueError(f"{name} is {checks.shown(model)}, whose sites have no positions: give a lattice")
    periods = np.array(geometry.periods)
    return Places(geometry.positions(), periods, geometry.sides, len(geometry.basis) == 1)


def is_lattice(model: ModelLike) -> bool:
    """Whether its sites have positions."""
    return getattr(model, "geometry", None) is not None


def smallest_waves(model: ModelLike) -> FloatArray:
    """The smallest k along each axis of more than one cell of a lattice, float64 (waves, dimensions).

    b_a with b_a . period_c = 2 pi delta_ac: 2 pi / L along each axis of a hypercubic lattice. ValueError if the sites
    of the model have no positions.

    >>> import fastgibbs as fg
    >>> fg.smallest_waves(fg.lattice((4, 8))).round(3).tolist()
    [[1.571, 0.0], [0.0, 0.785]]
    """
    found = places("model", model)
    return found.reciprocal[[side > 1 for side in found.sides]]


def waves(model: ModelLike, k: ArrayLike) -> dict[str, FloatArray]:
    """Cosines and sines of k.r_i at all sites, by name, to observe: `fastgibbs.analysis.structure_factor` takes them.

    `k`: one or several wave vectors of a lattice that fit it, k . period = 2 pi m with a whole m for each axis: whole
    numbers m, (axes,) or (waves, axes), or vectors, floats (dimensions,) or (waves, dimensions). Those of m are called
    "cos(m)" and "sin(m)"; sines that are 0 at all sites are left out, and so is k = 0, which the magnetization tells.

    TypeError or ValueError at a model whose sites have no positions, a k that does not fit, and, where a cell has one
    site and S(k) repeats, one outside the zone, |m| <= L / 2 along each axis of L cells.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((8, 8))
    >>> list(fg.waves(model, [[1, 0], [4, 0]]))
    ['cos(1, 0)', 'sin(1, 0)', 'cos(4, 0)']
    >>> run = fg.sample(model, beta=0.4, sweeps=100, observe=fg.waves(model, [1, 0]), seed=1)
    """
    m = fitting("k", k, model)
    named = {}
    for one, wave in zip(m, turns(model, m @ places("model", model).reciprocal), strict=True):
        cosines, sines = factors(wave)
        multiples = ", ".join(map(str, one.tolist()))
        if one.any():
            named[f"cos({multiples})"] = cosines
        if np.abs(sines).max(initial=0.0) > _NO_SINE:
            named[f"sin({multiples})"] = sines
    return named


def observed_waves(names: Iterable[str]) -> dict[tuple[int, ...], list[str]]:
    """The waves among the names of observables, by m: the names of cosine and sine."""
    found: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        if match := _NAME.fullmatch(name):
            found.setdefault(tuple(map(int, match[1].split(", "))), []).append(name)
    return found


def fitting(name: str, k: ArrayLike, model: ModelLike) -> IntArray:
    """Wave vectors `k` as whole numbers m, int64 (waves, axes); TypeError or ValueError at what does not fit."""
    found, given = places("model", model), checks.real_array(name, k)
    axes, dimensions = found.periods.shape
    if given.dtype.kind == "b":
        raise TypeError(f"{name} has dtype bool: give whole numbers, or vectors of floats")
    whole = given.dtype.kind in "iu"
    if given.ndim not in (1, 2) or given.shape[-1] != (axes if whole else dimensions) or not given.size:
        raise ValueError(
            f"{name} has shape {given.shape}: give whole numbers (axes,) or (waves, axes) of {axes} axes, or vectors, "
            f"floats of {dimensions} dimensions"
        )
    of_waves = np.atleast_2d(checks.finite_array(name, given))
    exact = of_waves if whole else of_waves @ found.periods.T / (2 * np.pi)
    m = np.round(exact)
    if (bad := (np.abs(exact - m) > _FITS).any(axis=1)).any():
        first = int(bad.argmax())
        raise ValueError(
            f"{name}[{first}] is {of_waves[first].tolist()}, {exact[first].tolist()} of 2 pi over the periods of the "
            "lattice: give whole multiples, as integers m, or vectors that fit"
        )
    if not whole and np.abs(m @ found.reciprocal - of_waves).max() > _FITS * (1 + np.abs(of_waves).max()):
        raise ValueError(f"{name} leaves the {axes} axes of the lattice: give vectors along its periods")
    if found.single and (beyond := (2 * np.abs(m) > found.sides).any(axis=1)).any():
        first = int(beyond.argmax())
        raise ValueError(
            f"{name}[{first}] is outside the zone, {m[first].astype(int).tolist()} of 2 pi over the periods: give at "
            f"most half of the {found.sides} cells along each axis"
        )
    whole_m: IntArray = m.astype(np.int64)
    return whole_m


def turns(model: ModelLike, k: FloatArray) -> FloatArray:
    """k.r / 2 pi at every site but for whole numbers, float64 (waves, n), of `k` (waves, dimensions)."""
    found = places("model", model)
    return (k @ found.positions.T / (2 * np.pi)) % 1.0


def factors(of_turns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cosines and sines of so many turns, rounded so that every machine has the same."""
    angles = (2 * np.pi * of_turns).ravel().tolist()
    both = np.array([(math.cos(angle), math.sin(angle)) for angle in angles]).reshape(*of_turns.shape, 2)
    rounded = np.round(both * _FINE) / _FINE
    return rounded[..., 0], rounded[..., 1]


def planes(of_turns: FloatArray) -> tuple[list[IntArray], list[FloatArray]]:
    """Of each wave, the plane of equal k.r that every site lies in, int64 (n,), and the turns of each plane, ascending.

    `of_turns`: float64 (waves, n).
    """
    whole = np.round(of_turns * _SAME) % _SAME
    found = [np.unique(wave, return_index=True, return_inverse=True) for wave in whole]
    mine = [wave[first] for wave, (_, first, _) in zip(of_turns, found, strict=True)]
    return [which.reshape(-1) for _, _, which in found], mine
