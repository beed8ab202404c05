"""Correlations of spins at a distance, C(r) along an axis of a lattice, of the states that a run has kept."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.errors import blocks, jackknifed, moments
from fastgibbs.analysis.records import by_beta, first_model, keys
from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.types import AnyArray, FloatArray, IntArray

_PART = 2**21  # spins that are transformed at once


@checks.by_contents
@described
class Correlations(NamedTuple):
    """C(r) of each group of chains, and its standard error.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.4], sweeps=100, keep_states=True, seed=1)
    >>> found = fg.analysis.correlations(run)
    >>> found.r.tolist(), found.mean.shape
    ([0.0, 1.0, 2.0, 3.0, 4.0], (2, 5))
    """

    beta: Annotated[FloatArray, "float64 (groups,), or inf", "Inverse temperature of each group, ascending."]
    model: Annotated[IntArray, "int64 (groups,)", "Which of several models its chains run."]
    r: Annotated[FloatArray, "float64 (distances,)", "Distances, in the unit of positions: 0, 1 ... cells."]
    mean: Annotated[FloatArray, "float64 (groups, distances)", "C(r)."]
    error: Annotated[FloatArray, "float64 (groups, distances)", "Its error, jackknifed."]


def correlations(result: Any, *, axis: int = 0, connected: bool = False, periodic: bool = True) -> Correlations:
    """C(r) = <s_i s_j> of sites r cells apart along an axis, the mean over i; less <|m|>^2 with connected=True.

    `result`: what `sample(..., keep_states=True)` returned, of a lattice with all its sites. `axis`: of the lattice, an
    int from 0. `periodic`: distances go around the axis, up to half of it; False takes pairs within the lattice alone,
    as an open axis asks for. <|m|>^2 stands for <s_i> <s_j> in the ordered phase, as in `susceptibility`. A
    `Correlations`; errors are jackknifed over chains, or stretches of each where there are fewer than 16. Sums over the
    sites are made by FFT, and whole numbers.

    TypeError or ValueError if states were not kept, at a model whose sites have no positions or are missing, at another
    axis, or with fewer than 2 draws.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((16, 16)), beta=0.4, sweeps=500, burn_in=100, keep_states=True, seed=1)
    >>> fg.analysis.correlations(run).mean[0, :4].round(2).tolist()
    [1.0, 0.57, 0.39, 0.29]
    """
    words = checks.able("result", result, "packed", "what sample(..., keep_states=True) returned").packed
    connected, periodic = checks.flag("connected", connected), checks.flag("periodic", periodic)
    groups, model = by_beta(result), first_model(result)
    geometry = getattr(model, "geometry", None)
    if geometry is None or geometry.sites is not None:
        why = "have no positions" if geometry is None else "are not all there"
        raise ValueError(
            f"result is of {checks.shown(model)}, whose sites {why}: give one of a lattice with all its sites"
        )
    sides = (*geometry.sides, len(geometry.basis))
    axis = checks.integer("axis", axis, 0, len(geometry.sides) - 1)
    length = sides[axis]
    r = np.arange(length // 2 + 1 if periodic else length)
    pairs = model.n if periodic else model.n // length * (length - r)
    means, errors = [], []
    for group in groups:
        found = _sums(words[group.chains], model.n, sides, axis, r.size, periodic) / pairs
        rows = [moments(blocks(found[..., one]), 0.0)[:, 0] for one in r]
        rows.append(moments(blocks(np.abs(group.magnetization)), 0.0)[:, 0] * connected)
        mean, error = jackknifed(lambda of: of[..., :-1] - of[..., -1:] ** 2, np.stack(rows, axis=1))
        means.append(mean)
        errors.append(error)
    unit = float(np.linalg.norm(geometry.vectors[axis]))
    return Correlations(*keys(groups), unit * r, np.array(means), np.array(errors))


def _sums(words: AnyArray, n: int, sides: tuple[int, ...], axis: int, count: int, periodic: bool) -> FloatArray:
    """The sums over i of s_i s_j, j being 0 ... `count` - 1 cells further: float64 (chains, draws, count).

    `words`: packed spins, uint64 (chains, draws, words).
    """
    chains, draws, _ = words.shape
    found, each = np.empty((chains, draws, count)), max(1, _PART // max(n, 1))
    size = sides[axis] if periodic else 2 * sides[axis]
    for chain in range(chains):
        for first in range(0, draws, each):
            part = words[chain, first : first + each].astype("<u8").view(np.uint8)
            spins = 2.0 * np.unpackbits(part, axis=1, count=n, bitorder="little") - 1.0
            lines = np.moveaxis(spins.reshape(-1, *sides), axis + 1, -1).reshape(len(spins), -1, sides[axis])
            power = (np.abs(np.fft.rfft(lines, size, axis=2)) ** 2).sum(axis=1)
            found[chain, first : first + each] = np.rint(np.fft.irfft(power, size, axis=1)[:, :count])
    return found
