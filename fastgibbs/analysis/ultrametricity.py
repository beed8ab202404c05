"""Triangles of overlaps: whether replicas of a glass are ordered like the leaves of a tree."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy
from fastgibbs.types import FloatArray, IntArray

_MOST = 2**22  # triangles


@checks.by_contents
@described
class Triangles(NamedTuple):
    """What the overlaps of every three replicas say; errors are jackknifed over replicas.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.sherrington_kirkpatrick(16, seed=1), betas=[0.5, 1.0], sweeps=100, ladders=16, seed=1)
    >>> found = fg.analysis.ultrametricity(run)
    >>> found.overlaps.shape, 0 <= found.isosceles <= 1
    ((560, 3), True)
    """

    overlaps: Annotated[
        FloatArray, "float64 (triangles, 3)", "Of each the largest overlap, the middle one and the smallest."
    ]
    isosceles: Annotated[float, "The share of triangles whose two smaller overlaps are `within` of each other."]
    isosceles_error: Annotated[float, "Its error."]
    gap: Annotated[
        float, "The mean difference of these two, which is 0 where all triangles are isosceles with a short base."
    ]
    gap_error: Annotated[float, "Its error."]
    spread: Annotated[
        float, "The mean difference of the largest overlap and the middle one: without any, all are equilateral."
    ]
    spread_error: Annotated[float, "Its error."]


def ultrametricity(tempered: Any, rung: int = -1, within: float = 0.1) -> Triangles:
    """Overlaps q_ab = (1/n) s^a.s^b of every three ladders at one rung, by the states at the end: `Triangles`.

    In an ultrametric space the two smaller of q_12, q_23 and q_13 are equal. Ladders are independent, so that three of
    them are three draws; average what they say over models. Where E(-s) = E(s) a replica and its mirror image count as
    one: the two larger |q| are positive, and the smallest has the sign of the product of all three.

    Args:
        tempered: a `TemperResult` of 4 ladders or more.
        rung: which, by default the coldest.
        within: the difference up to which two overlaps count as equal; they are multiples of 2 / n apart.

    Raises TypeError on another result, ValueError on too few ladders, no such rung or a negative difference.

    Source: Mezard, Parisi, Sourlas, Toulouse, Virasoro, J. Physique 45, 843 (1984).

    >>> import fastgibbs as fg
    >>> glass = fg.sherrington_kirkpatrick(64, seed=1)
    >>> run = fg.temper(glass, betas=[0.5, 1.0, 1.5, 2.0], sweeps=1000, ladders=16, seed=1)
    >>> found = fg.analysis.ultrametricity(run)
    >>> found.gap_error < found.gap < found.spread
    True
    """
    if not (hasattr(tempered, "betas") and hasattr(tempered, "states") and getattr(tempered.states, "ndim", 0) == 3):
        raise TypeError(f"tempered is {checks.shown(tempered)}: give what fastgibbs.temper returns for one model")
    ladders, rungs, n = tempered.states.shape
    rung = checks.integer("rung", rung, -rungs, rungs - 1)
    within = checks.finite_number("within", within)
    if within < 0:
        raise ValueError(f"within is {within}: give a difference of at least 0")
    count = ladders * (ladders - 1) * (ladders - 2) // 6
    if ladders < 4:
        raise ValueError(f"tempered has {ladders} ladders: triangles with errors need at least 4")
    if count > _MOST:
        raise ValueError(f"tempered has {ladders} ladders, {count} triangles: at most {_MOST} are looked at")
    model = as_energy(tempered.model)
    spins = model.to_spins(tempered.states[:, rung]).astype(np.float64)
    q = spins @ spins.T / max(n, 1)
    members = _triples(ladders)
    i, j, k = members.T
    sides = np.sort(_sides(np.stack([q[i, j], q[j, k], q[i, k]], axis=1), model.even), axis=1)[:, ::-1]
    gaps, spreads = sides[:, 1] - sides[:, 2], sides[:, 0] - sides[:, 1]
    of_each = (gaps <= within + 1e-12).astype(np.float64), gaps, spreads
    (isosceles, error), (gap, gap_error), (spread, spread_error) = (_jackknifed(x, members, ladders) for x in of_each)
    return Triangles(sides, isosceles, error, gap, gap_error, spread, spread_error)


def _triples(count: int) -> IntArray:
    """All i < j < k below a number, int64 (triples, 3)."""
    i, j = np.triu_indices(count, 1)
    more = count - 1 - j
    third = np.arange(more.sum()) - np.repeat(np.cumsum(more) - more, more) + np.repeat(j, more) + 1
    return np.stack([np.repeat(i, more), np.repeat(j, more), third], axis=1)


def _sides(q: FloatArray, even: bool) -> FloatArray:
    """The overlaps (triangles, 3) of replicas; of those that may be mirrored so that two are positive."""
    if not even:
        return q
    size, sign = np.sort(np.abs(q), axis=1), np.sign(q.prod(axis=1))
    size[:, 0] *= np.where(sign < 0, -1, 1)
    return size


def _jackknifed(values: FloatArray, members: IntArray, count: int) -> tuple[float, float]:
    """The mean of a number of every triple, and its error, leaving out one member at a time."""
    of_member = np.zeros(count)
    for column in members.T:
        of_member += np.bincount(column, values, count)
    left_out = (values.sum() - of_member) / (len(values) * (count - 3) / count)
    return float(values.mean()), float(np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum()))
