"""Structure factors, of spins and of overlaps, and the correlation lengths that they tell.

Errors are jackknifed over the rows of `analysis.blocks`: chains, or stretches of each where there are fewer than 16.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.errors import blocks, jackknifed, moments
from fastgibbs.analysis.records import by_beta, first_model, keys
from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.models.waves import factors, fitting, observed_waves, places, smallest_waves, turns
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray

_SAME = 1e-9  # lengths of two k, in units of the longer
_PART = 2**22  # spins that are summed at once


@checks.by_contents
@described
class StructureFactor(NamedTuple):
    """S(k) of each group of chains and each wave vector, k = 0 first, and its standard error.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((8, 8))
    >>> run = fg.sample(model, beta=[0.2, 0.4], sweeps=100, observe=fg.waves(model, [1, 0]), seed=1)
    >>> found = fg.analysis.structure_factor(run)
    >>> found.m.tolist(), found.mean.shape
    ([[0, 0], [1, 0]], (2, 2))
    """

    beta: Annotated[FloatArray, "float64 (groups,), or inf", "Inverse temperature of each group, ascending."]
    model: Annotated[IntArray, "int64 (groups,)", "Which of several models its chains run."]
    m: Annotated[IntArray, "int64 (waves, axes)", "k . period / 2 pi along each axis of the lattice."]
    k: Annotated[FloatArray, "float64 (waves, dimensions)", "The wave vectors, over the unit of positions."]
    mean: Annotated[FloatArray, "float64 (groups, waves)", "S(k), per site."]
    error: Annotated[FloatArray, "float64 (groups, waves), or inf", "Its error, inf where there is one row."]


@checks.by_contents
@described
class CorrelationLength(NamedTuple):
    """The second-moment correlation length xi of each group of chains, xi / L, and their standard errors.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((8, 8))
    >>> run = fg.sample(model, beta=[0.2, 0.4], sweeps=100, observe=fg.waves(model, [[1, 0], [0, 1]]), seed=1)
    >>> fg.analysis.correlation_length(run).xi.shape
    (2,)
    """

    beta: Annotated[FloatArray, "float64 (groups,), or inf", "Inverse temperature of each group, ascending."]
    model: Annotated[IntArray, "int64 (groups,)", "Which of several models its chains run."]
    k: Annotated[float, "|k| of the waves taken."]
    xi: Annotated[FloatArray, "float64 (groups,)", "xi, in the unit of positions."]
    xi_error: Annotated[FloatArray, "float64 (groups,), or inf", "Its error."]
    ratio: Annotated[FloatArray, "float64 (groups,)", "xi / L with L = 2 pi / |k|."]
    ratio_error: Annotated[FloatArray, "float64 (groups,), or inf", "Its error."]


class _Rows(NamedTuple):
    """S(k) in each row of a jackknife, of each group."""

    beta: FloatArray
    model: IntArray
    m: IntArray  # int64 (waves, axes)
    rows: list[FloatArray]  # float64 (rows, waves) of each group
    k: FloatArray  # float64 (waves, dimensions)


def structure_factor(result: Any) -> StructureFactor:
    """S(k) = <|sum_i s_i exp(-i k.r_i)|^2> / n of the waves that a result has observed, and S(0) = n <m^2>.

    `result`: what `sample` or `temper` returned with observe=`fastgibbs.waves(model, k)`, other observables beside;
    by record="bins" too. A `StructureFactor`: a group is the chains of one beta and model, or a rung of all ladders.

    TypeError if it is no such result; ValueError if it has observed no waves, half of one, or has fewer than 2 draws.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((16, 16))
    >>> run = fg.sample(model, beta=0.4, sweeps=1000, burn_in=100, observe=fg.waves(model, [[1, 0], [2, 0]]), seed=1)
    >>> found = fg.analysis.structure_factor(run)
    >>> print(found.mean[0].round(1))
    [52.6  8.8  2.8]
    """
    return _estimated(_of_spins(result))


def correlation_length(result: Any) -> CorrelationLength:
    """xi = 1 / (2 sin(|k| / 2)) sqrt(S(0) / S(k) - 1), and xi / L: a `CorrelationLength`.

    k is the shortest of the waves that `result` has observed (see `structure_factor`), S(k) the mean over all of that
    length: observe `fastgibbs.waves(model, fastgibbs.smallest_waves(model))`. |k| is over the unit of positions, the
    distance of nearest neighbours; 2 sin(|k| / 2) is the lattice's |k| along the axes of hypercubic ones, and |k| on
    any as it falls. 0 where S(0) is not above S(k). Above Tc xi is the correlation length but for corrections, below
    it grows with L; xi / L of all sizes cross at Tc (Cooper, Freedman, Preston, Nucl. Phys. B 210, 210 (1982)).

    TypeError and ValueError as of `structure_factor`.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((16, 16))
    >>> observe = fg.waves(model, fg.smallest_waves(model))
    >>> run = fg.sample(model, beta=0.4, sweeps=1000, burn_in=100, observe=observe, seed=1)
    >>> found = fg.analysis.correlation_length(run)
    >>> print(f"xi = {found.xi[0]:.2f} +- {found.xi_error[0]:.2f}")
    xi = 5.66 +- 0.13
    """
    return _length(_of_spins(result))


def overlap_structure_factor(result: Any, k: ArrayLike | None = None) -> StructureFactor:
    """chi_SG(k) = n <|q(k)|^2>, q(k) = (1/n) sum_i s_i^a s_i^b exp(-i k.r_i), of pairs of replicas a and b.

    `result`: what `sample(..., keep_states=True)` returned, whose chains 0 and 1, 2 and 3 ... of one beta and model are
    pairs; or what `temper` did, with its pairs of ladders, at k = 0 and the smallest k along each axis alone, and
    errors from the spread of pairs, inf of one. `k`: as in `fastgibbs.waves`, None for the smallest along each axis.
    A `StructureFactor` with k = 0 first. Averages over samples of the disorder are yours, or those of
    `fastgibbs.analysis.disorder_average`.

    TypeError or ValueError at a model without positions, a k that does not fit, states or overlaps that there are not,
    or one chain where pairs are needed.

    >>> import fastgibbs as fg
    >>> glass = fg.edwards_anderson((6, 6), seed=1)
    >>> run = fg.sample(glass, beta=1.0, sweeps=1000, burn_in=100, thin=10, keep_states=True, seed=1)
    >>> fg.analysis.overlap_structure_factor(run).mean.round(1).tolist()
    [[9.0, 1.9, 2.5]]
    """
    return _estimated(_of_overlaps(result, k))


def overlap_correlation_length(result: Any) -> CorrelationLength:
    """xi = 1 / (2 sin(|k| / 2)) sqrt(chi_SG(0) / chi_SG(k) - 1) of overlaps: a `CorrelationLength`.

    k is the shortest of the smallest along each axis; all else as in `overlap_structure_factor` and
    `correlation_length`. Of one sample of the disorder: averages of chi_SG(k) over samples come before the ratio.
    Source: Ballesteros et al., Phys. Rev. B 62, 14237 (2000).

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.edwards_anderson((6, 6), seed=1), betas=[0.5, 1.0], ladders=8, sweeps=1000, seed=1)
    >>> fg.analysis.overlap_correlation_length(run).xi.round(1).tolist()
    [0.6, 1.9]
    """
    return _length(_of_overlaps(result, None))


def _of_spins(result: Any) -> _Rows:
    groups = by_beta(result)
    model = first_model(result)
    found, n = places("result.model", model), max(model.n, 1)
    named = {m: names for m, names in observed_waves(groups[0].observables).items() if any(m)}
    axes = len(found.periods)
    if not named or any(len(m) != axes for m in named):
        raise ValueError("result observed no waves: give observe=fg.waves(model, k) to sample or temper")
    m = np.array([(0,) * axes, *named])
    k = m @ found.reciprocal
    for (_, names), wave in zip(named.items(), turns(model, k[1:]), strict=True):
        needed = 1 + bool(np.abs(factors(wave)[1]).max(initial=0.0) > _SAME)
        if len(names) != needed:
            raise ValueError(f"result has observed {', '.join(names)} alone: give all that fg.waves(model, k) has")
    rows = []
    for group in groups:
        first = moments(blocks(group.magnetization), 0.0)[:, 1] * n
        others = [
            sum(moments(blocks(group.observables[name]), 0.0)[:, 1] for name in names) / n for names in named.values()
        ]
        rows.append(np.stack([first, *others], axis=1))
    return _Rows(*keys(groups), m, rows, k)


def _of_overlaps(result: Any, k: ArrayLike | None) -> _Rows:
    if isinstance(result, list | tuple):
        raise TypeError(f"result is a {type(result).__name__} of {len(result)}: give one of them")
    groups, model = by_beta(result), first_model(result)
    found, n = places("result.model", model), max(model.n, 1)
    m = fitting("k", smallest_waves(model) if k is None else k, model)
    m = np.concatenate([np.zeros((1, m.shape[1]), np.int64), m[m.any(axis=1)]])
    vectors = m @ found.reciprocal
    if hasattr(result, "packed"):
        rows = [_of_pairs(words, n, turns(model, vectors)) for words in _pairs(result, groups)]
        return _Rows(*keys(groups), m, rows, vectors)
    if k is not None:
        raise ValueError(f"k is {checks.shown(k)}: a TemperResult has the smallest k alone, leave it out")
    if result.overlap is None or result.overlap.qk2.shape[2] != len(m) - 1:
        raise ValueError("result has no overlaps at k: temper with ladders=2 or more and overlap_every above 0")
    values = np.concatenate([result.overlap.q2[..., None], result.overlap.qk2], axis=2) * n
    return _Rows(*keys(groups), m, list(values.swapaxes(0, 1)), vectors)


def _pairs(result: Any, groups: list[Any]) -> list[AnyArray]:
    """The packed spins of the chains of each group, uint64 (chains, draws, words), an even number of them."""
    words, found = result.packed, []
    for group in groups:
        mine = words[group.chains]
        if len(mine) < 2 or not mine.shape[1]:
            raise ValueError(
                f"result has {len(mine)} chains of {mine.shape[1]} draws at beta = {group.beta:g}: give pairs of chains"
            )
        found.append(mine[: len(mine) // 2 * 2])
    return found


def _of_pairs(words: AnyArray, n: int, waves: FloatArray) -> FloatArray:
    """n |q(k)|^2 in the rows of a jackknife, float64 (rows, waves), of pairs of chains; `waves`: turns (waves, n)."""
    cosines, sines = factors(waves)
    of_draws = np.empty((len(words) // 2, words.shape[1], len(waves)))
    each = max(1, _PART // max(n, 1))
    for pair in range(len(of_draws)):
        for first in range(0, words.shape[1], each):
            part = slice(first, first + each)
            unequal = (words[2 * pair, part] ^ words[2 * pair + 1, part]).astype("<u8").view(np.uint8)
            products = 1.0 - 2.0 * np.unpackbits(unequal, axis=1, count=n, bitorder="little")
            of_draws[pair, part] = (products @ cosines.T) ** 2 + (products @ sines.T) ** 2
    rows = [moments(blocks(of_draws[..., wave]), 0.0)[:, 0] for wave in range(len(waves))]
    return np.stack(rows, axis=1) / n


def _estimated(found: _Rows) -> StructureFactor:
    both = [jackknifed(np.asarray, rows) for rows in found.rows]
    mean, error = (np.array(values) for values in zip(*both, strict=True))
    return StructureFactor(found.beta, found.model, found.m, found.k, mean, error)


def _length(found: _Rows) -> CorrelationLength:
    lengths = np.linalg.norm(found.k, axis=1)
    k = float(lengths[1:].min(initial=np.inf))
    if not np.isfinite(k):
        raise ValueError("result.model has one cell along each axis: there is no k to compare with k = 0")
    shortest = lengths[1:] <= k * (1 + _SAME)

    def xi(means: FloatArray) -> FloatArray:
        at_k = means[..., 1:][..., shortest].mean(axis=-1)
        above = np.divide(means[..., 0], at_k, out=np.ones_like(at_k), where=at_k > 0) - 1
        return np.sqrt(np.maximum(above, 0.0)) / (2 * abs(np.sin(k / 2)))

    value, error = np.array([jackknifed(xi, rows) for rows in found.rows]).T
    sides = k / (2 * np.pi)
    return CorrelationLength(found.beta, found.model, k, value, error, value * sides, error * sides)
