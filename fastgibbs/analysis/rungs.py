"""How hard a tempering ladder is to climb, where its rungs belong, and whether a run on it has equilibrated.

Betas ascend; gap i lies between rungs i and i + 1; energies are records (ladders, rungs, draws).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.analysis.bins import Binned
from fastgibbs.analysis.errors import autocorrelation_time, tau_and_window
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, FloatArray

_FALSE_ALARMS = 0.01  # the chance that `equilibration` complains about the energies of a good run
_FEWEST_DRAWS = 64
_FEWEST_TAU = 10
_FEWEST_ROUND_TRIPS = 10
_MANY_LADDERS = 16  # from here on their spread gives the errors; that of fewer is too uncertain to convict
_STEP, _FINE = 0.5, 1000  # d s of a gap of `refined`, and the points at which it takes s
_ROUNDING = 1e-12  # of the largest energy: differences below it are no physics


@checks.by_contents
class Barrier(NamedTuple):
    """The global barrier Lambda, and of each gap the local barrier lambda(beta) and the rejection rate.

    >>> import fastgibbs as fg
    >>> fg.analysis.barrier([0.0, 0.5, 1.0], [0.2, 0.4]).density.tolist()
    [0.4, 0.8]
    """

    total: float
    density: FloatArray
    rejections: FloatArray


class Equilibration(NamedTuple):
    """Whether no sign of disequilibrium was found; `problems` holds one sentence for each.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> energies = np.random.default_rng(1).normal(size=(2, 3, 1000))
    >>> fg.analysis.equilibration(energies, np.zeros((2, 3), int), n=64).reached  # without a round trip
    False
    """

    reached: bool
    problems: tuple[str, ...]


def barrier(betas: ArrayLike, rejections: ArrayLike) -> Barrier:
    """Lambda = sum_i r_i and lambda_i = r_i / (beta_{i+1} - beta_i): a `Barrier`.

    `betas` (rungs,) ascending, in units of 1/E; `rejections` (rungs - 1,), the mean of 1 - min(1, exp(dbeta dE)) over
    the swaps tried in each gap. On a fine ladder lambda_i is lambda(beta) = <|E - E'|> / 2, of two independent energies
    at beta, and Lambda its integral. ValueError names the argument that is not so.
    Syed, Bouchard-Cote, Deligiannidis and Doucet, J. R. Stat. Soc. B 84, 321 (2022), sections 4 and 5.

    >>> import fastgibbs as fg
    >>> print(f"{fg.analysis.barrier([0.0, 0.5, 1.0], [0.2, 0.4]).total:.1f}")
    0.6
    """
    betas, rejections = _gaps(betas, rejections)
    return Barrier(float(rejections.sum()), rejections / np.diff(betas), rejections.copy())


def equalized(betas: ArrayLike, rejections: ArrayLike, rungs: int) -> FloatArray:
    """beta_k with Lambda(beta_k) = k Lambda / (rungs - 1): betas (rungs,) between the same ends, of equal rejections.

    Lambda(beta_i) = sum_{j < i} r_j is inverted by monotone cubic interpolation (Fritsch and Carlson, SIAM J. Numer.
    Anal. 17, 238 (1980)), with the slopes of Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5, 300 (1984): weighted
    harmonic means, the simplest that never overshoot. Gaps that reject less than 1e-6 count as 1e-6, so that Lambda
    increases. Repeat with the rejections of the new ladder until they are equal.
    `betas` and `rejections` as in `barrier`, `rungs` at least 2: otherwise ValueError. Source as in `barrier`.

    >>> import fastgibbs as fg
    >>> fg.analysis.equalized([0.0, 0.5, 1.0], [0.1, 0.5], rungs=4).round(2).tolist()
    [0.0, 0.68, 0.92, 1.0]
    """
    betas, rejections = _gaps(betas, rejections)
    rungs = checks.integer("rungs", rungs, minimum=2)
    cumulated = np.concatenate([[0.0], np.cumsum(np.maximum(rejections, 1e-6))])
    result = _monotone_cubic(cumulated, betas, np.linspace(0.0, cumulated[-1], rungs))
    result[[0, -1]] = betas[[0, -1]]
    return result


def refined(betas: ArrayLike, deviations: ArrayLike, most: int) -> FloatArray:
    """The betas of a ladder and others between them, such that d s is at most 1/2 in all gaps: at most `most` of them.

    d is the width of a gap and s the standard deviation of E in it, from `deviations` (rungs,) at the betas: so narrow,
    energies at both ends overlap, and <E> is smooth. In between, s falls from either end s_i at a distance x as
    s_i / (1 + s_i x), no faster than 1 / x, or like a geometric mean if that is more. If they would be more than `most`
    betas, all gaps are wider alike.
    ValueError names the argument that is not so.

    >>> import fastgibbs as fg
    >>> fg.analysis.refined([0.0, 1.0], [1.0, 1.0], most=10).round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    betas = ascending(betas)
    deviations = checks.finite_array("deviations", deviations, betas.shape)
    if (deviations < 0).any():
        raise ValueError(f"deviations[{deviations.argmin()}] is {deviations.min()}: give 0 or more")
    most = checks.integer("most", most, minimum=betas.size)
    t = np.linspace(0.0, 1.0, _FINE)
    near = t**2 * (3 - 2 * t)  # dense at both ends
    x = betas[:-1, None] + np.diff(betas)[:, None] * near
    left, right = deviations[:-1, None], deviations[1:, None]
    s = np.maximum(left / (1 + left * (x - x[:, :1])), right / (1 + right * (x[:, -1:] - x)))
    s = np.maximum(s, left ** (1 - near) * right**near)
    lengths = np.pad(np.cumsum((s[:, 1:] + s[:, :-1]) / 2 * np.diff(x), axis=1), ((0, 0), (1, 0)))
    step = _STEP
    while (parts := np.maximum(np.ceil(lengths[:, -1] / step), 1).astype(int)).sum() >= most > betas.size:
        step *= 1.1
    cuts = [np.interp(np.arange(1, k) * at[-1] / k, at, x) for k, at, x in zip(parts, lengths, x, strict=True)]
    return np.sort(np.concatenate([betas, *cuts]))


def enough_rungs(total: float) -> int:
    """max(2, ceil(2 Lambda) + 1): the number of rungs at which a barrier Lambda = `total` rejects half of all swaps.

    For a given number of cores this brings the most round trips: more ladders then pay better than more rungs.
    ValueError if `total` is negative. Source as in `barrier`, section 5.

    >>> import fastgibbs as fg
    >>> fg.analysis.enough_rungs(4.6)
    11
    """
    total = checks.finite_number("total", total)
    if total < 0:
        raise ValueError(f"total is {total}: a barrier is a sum of rejection rates, 0 or more")
    return max(2, int(np.ceil(2 * total)) + 1)


def equilibration(energies: ArrayLike, round_trips: ArrayLike, n: int) -> Equilibration:
    """Whether a tempering run looks equilibrated: an `Equilibration`, with a sentence for each sign that it is not.

    1. At every rung the last half of the draws, (N/2, N], is 10 autocorrelation times long.
    2. At every rung its mean energy is that over draws (N/8, N/4] and that over (N/4, N/2].
    3. At every rung its mean energy in each ladder is that in the others (no test of a single ladder).
    4. Every replica made 10 round trips.

    `energies` (ladders, rungs, draws), totals, or a record in bins (`Binned`), of which N/8, N/4 and N/2 are ends of
    bins; `round_trips`, integers (ladders, rungs), of each replica; `n`, the number of sites: the sentences speak of
    energies per site. Fewer than 64 draws are a problem too.

    Errors are sqrt(var tau / draws), with var and tau within ladders and averaged over them; in 2 they are the spread
    between ladders where there are 16 or more. Deviations follow Student's t, of draws / (10 tau) degrees of freedom
    (the noise of tau: Madras and Sokal, J. Stat. Phys. 50, 109 (1988), eq. 3.19) or of ladders - 1, and are brought to
    normal scores. Their limit is such that one good run in 100 or fewer fails 2 or 3 at any rung (Bonferroni), where
    the last half is longer than 50 tau. In few ladders a slow drift is hard to tell from a long tau: better give 16.
    ValueError or TypeError names the argument that is not as above.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> energies = np.random.default_rng(1).normal(size=(2, 3, 1000))
    >>> fg.analysis.equilibration(energies, np.full((2, 3), 20), n=64)
    Equilibration(reached=True, problems=())
    """
    energies = energies if isinstance(energies, Binned) else energy_record(energies)
    ladders, rungs, draws = energies.shape
    round_trips = checks.integers("round_trips", round_trips)
    if round_trips.shape != (ladders, rungs):
        raise ValueError(f"round_trips has shape {round_trips.shape}: give (ladders, rungs), here {(ladders, rungs)}")
    n = checks.integer("n", n)

    problems = []
    if draws < _FEWEST_DRAWS:
        problems.append(f"There are {draws} draws: at least {_FEWEST_DRAWS} are needed to judge a run.")
    else:
        problems += _unequal_means(energies / n)
    if round_trips.min() < _FEWEST_ROUND_TRIPS:
        ladder, replica = np.unravel_index(round_trips.argmin(), round_trips.shape)
        problems.append(
            f"{(round_trips < _FEWEST_ROUND_TRIPS).sum()} of {round_trips.size} replicas made fewer than "
            f"{_FEWEST_ROUND_TRIPS} round trips, replica {replica} of ladder {ladder} only {round_trips.min()}."
        )
    return Equilibration(not problems, tuple(problems))


class _Stretch(NamedTuple):
    """Some draws of all ladders, from number `first` to `last`, `length` of them."""

    first: int
    last: int
    length: int
    means: FloatArray  # float64 (ladders, rungs)
    variances: FloatArray  # float64 (ladders, rungs)
    tau: FloatArray  # float64 (rungs,)
    freedom: FloatArray  # float64 (rungs,): of these in each ladder


def _stretches(energies: Any, rounding: float) -> list[_Stretch]:
    """The draws (N/2, N], (N/8, N/4] and (N/4, N/2], or as near to them as bins end."""
    binned = isinstance(energies, Binned)
    whole = energies.full() if binned else energies
    count, width = (whole.counts.size, whole.width) if binned else (energies.shape[2], 1)
    found: list[_Stretch] = []
    for first, last in ((count // 2, count), (count // 8, count // 4), (count // 4, count // 2)):
        part = whole.part(first, last) if binned else energies[:, :, first:last]
        means = part.chain_means() if binned else part.mean(axis=2)
        variances = part.chain_variances() if binned else part.var(axis=2)
        ends = first * width + 1, last * width, (last - first) * width
        if binned and found:
            tau, freedom = found[0].tau, found[0].freedom  # a few bins tell nothing of it
        elif binned:
            tau, freedom = _tau_of_bins(part)
        else:
            tau = _tau_within(part, rounding)
            freedom = ends[2] / (10 * tau)
        found.append(_Stretch(*ends, means, variances, tau, freedom))
    return found


def _unequal_means(energies: Any) -> list[str]:
    """The sentences about mean energies: records too short, drifts, and ladders that differ from the others."""
    problems = []
    ladders, rungs, _ = energies.shape
    largest = np.abs(energies.means if isinstance(energies, Binned) else energies).max()
    rounding = _ROUNDING * largest + np.finfo(np.float64).tiny
    half, *earlier = _stretches(energies, rounding)
    length, means, variances, tau = half.length, half.means, half.variances, half.tau
    slowest = tau.argmax()
    if length < _FEWEST_TAU * tau[slowest]:
        problems.append(
            f"Rung {slowest}: the last half, {length} draws, is {length / tau[slowest]:.1f} autocorrelation times long "
            f"({_FEWEST_TAU} needed)."
        )
    compared = rungs * (2 + (ladders if ladders > 1 else 0))
    limit = NormalDist().inv_cdf(1 - _FALSE_ALARMS / (2 * compared))

    for bin_ in earlier:
        changes = means - bin_.means
        if ladders >= _MANY_LADDERS:
            error, freedom = changes.std(axis=0, ddof=1) / np.sqrt(ladders), ladders - 1
        else:
            # The larger of two: a rung that is hardly ever excited may show none of it in the bin or in the half.
            longer = np.maximum(bin_.tau, tau)
            variance = np.maximum(bin_.variances.mean(axis=0), variances.mean(axis=0))
            error = np.sqrt(variance * longer / ladders * (1 / bin_.length + 1 / length))
            freedom = ladders * np.minimum(half.freedom, length * bin_.freedom / bin_.length)
        scores = _normal_score(changes.mean(axis=0) / (error + rounding), freedom)
        for r in np.flatnonzero(scores > limit):
            problems.append(
                f"Rung {r}: the mean energy per site moved from {bin_.means[:, r].mean():.6g} in draws {bin_.first} to "
                f"{bin_.last} to {means[:, r].mean():.6g} in the last half, by {scores[r]:.1f} standard errors "
                f"({limit:.1f} allowed)."
            )

    if ladders > 1:
        others = (means.sum(axis=0) - means) / (ladders - 1)
        variance = np.maximum(variances, variances.mean(axis=0))
        error = np.sqrt(variance * tau / length * ladders / (ladders - 1))
        scores = _normal_score((means - others) / (error + rounding), ladders * half.freedom)
        for r in np.flatnonzero(scores.max(axis=0) > limit):
            k = scores[:, r].argmax()
            problems.append(
                f"Rung {r}: the mean energy per site is {means[k, r]:.6g} in ladder {k} and {others[k, r]:.6g} in the "
                f"others, {scores[k, r]:.1f} standard errors apart ({limit:.1f} allowed)."
            )
    return problems


def _tau_within(energies: FloatArray, rounding: float) -> FloatArray:
    """Autocorrelation time at each rung about each ladder's own mean; the factor makes up for subtracting that mean."""
    centred = energies - energies.mean(axis=2, keepdims=True)
    centred[np.abs(centred) < rounding] = 0.0
    tau = np.array([autocorrelation_time(centred[:, r]) for r in range(energies.shape[1])])
    return tau * (1 + 10 * tau / energies.shape[2])  # the window is 5 tau on either side


def _tau_of_bins(energies: Binned) -> tuple[FloatArray, FloatArray]:
    """The same of bins, and the degrees of freedom that it has in each ladder."""
    centred = energies.about(energies.chain_means())
    found = np.array([tau_and_window(centred[:, r]) for r in range(energies.shape[1])])
    tau, lost = found[:, 0], found[:, 1] / energies.shape[2]
    return tau / np.maximum(1 - lost, 0.1), 1 / lost


def _normal_score(t: FloatArray, freedom: FloatArray | float) -> FloatArray:
    """|z| as improbable as |t| in Student's t (Wallace, Ann. Math. Stat. 30, 1121 (1959)); at 5 degrees 3 % low."""
    return (8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(t**2 / freedom))


def ascending(betas: ArrayLike) -> FloatArray:
    """`betas` as float64 (rungs,); ValueError unless there are two or more and they ascend."""
    betas = checks.finite_array("betas", betas)
    if betas.ndim != 1 or betas.size < 2:
        raise ValueError(f"betas has shape {betas.shape}: give (rungs,) with at least 2 rungs")
    falls = np.diff(betas) <= 0
    if falls.any():
        i = falls.argmax()
        raise ValueError(f"betas[{i + 1}] is {betas[i + 1]} after {betas[i]}: give betas that ascend")
    return betas


def energy_record(energies: ArrayLike, name: str = "energies") -> FloatArray:
    """`energies` as float64 (ladders, rungs, draws); ValueError unless finite, with a draw and two or more rungs."""
    energies = checks.finite_array(name, energies)
    if energies.ndim != 3 or energies.size == 0 or energies.shape[1] < 2:
        raise ValueError(
            f"{name} has shape {energies.shape}: give (ladders, rungs, draws) with at least 2 rungs and a draw"
        )
    return energies


def _gaps(betas: ArrayLike, rejections: ArrayLike) -> tuple[FloatArray, FloatArray]:
    betas = ascending(betas)
    rejections = checks.finite_array("rejections", rejections, (betas.size - 1,))
    if rejections.min() < 0 or rejections.max() > 1:
        raise ValueError(f"rejections run from {rejections.min()} to {rejections.max()}: give rates from 0 to 1")
    return betas, rejections


def _monotone_cubic(x: FloatArray, y: FloatArray, at: FloatArray) -> FloatArray:
    """The piecewise cubic through (x, y), both ascending, at the points `at` from x[0] to x[-1]."""
    h, slope = np.diff(x), np.diff(y) / np.diff(x)
    d = np.concatenate([slope[:1], np.empty(slope.size - 1), slope[-1:]])
    if slope.size > 1:
        w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        d[1:-1] = (w1 + w2) / (w1 / slope[:-1] + w2 / slope[1:])
        # At the ends the slope of the parabola through three points, where it ascends.
        d[0] = max(0.0, slope[0] + (slope[0] - slope[1]) * h[0] / (h[0] + h[1]))
        d[-1] = max(0.0, slope[-1] + (slope[-1] - slope[-2]) * h[-1] / (h[-1] + h[-2]))
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, h.size - 1)
    t = (at - x[k]) / h[k]
    return y[k] + h[k] * t * (1 - t) * ((1 - t) * d[k] - t * d[k + 1]) + (y[k + 1] - y[k]) * t**2 * (3 - 2 * t)
