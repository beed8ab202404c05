"""What a record of draws is worth: autocorrelation, effective sample size, error bars, agreement of chains.

Records are float arrays (chains, draws) of one observable, chains independent and at equilibrium. Every result pools
the chains; give `record[k]` for chain k alone. TypeError or ValueError if a record is not of real, finite numbers.
A record in bins (`Binned`) is taken like one of all draws: what needs their order, as tau does, then sees whole bins,
and the draws of the last bin, if it is not full, count in means and variances alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.analysis.bins import Binned, Record, RecordLike
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, FloatArray, IntArray

FEWEST_DRAWS = 4  # of which split R-hat can be had
LARGEST_R_HAT = 1.01  # above, chains are too short or disagree (Vehtari et al., Bayesian Anal. 16, 667 (2021))
LARGEST_SCORE = 2.6  # of `disagreement`: 1 in 100 of chains that agree has more
_FEWEST_ROWS = 16  # a jackknife of fewer does not know its own error to 20 %
_LAGS = 1024  # the first window tried for tau; its transforms stay in a core's own cache
_ROUNDING = 1e-12  # of the mean: a smaller spread is no physics


class Mean(NamedTuple):
    """A mean, its standard error, the independent draws that it is worth and the autocorrelation time behind them.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> fg.analysis.standard_error(np.zeros((4, 100)))
    Mean(mean=0.0, error=0.0, effective_draws=400.0, tau=1.0)
    """

    mean: float
    error: float
    effective_draws: float
    tau: float


@checks.by_contents
class Binning(NamedTuple):
    """Bin sizes in draws, int64 (levels,), the error of the mean from bins of each, and the error of that error.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> fg.analysis.binning(np.arange(8.0).reshape(1, 8)).sizes.tolist()
    [1, 2, 4]
    """

    sizes: IntArray
    errors: FloatArray
    uncertainties: FloatArray


def autocorrelation_time(record: ArrayLike) -> float:
    """Integrated autocorrelation time tau = 1 + 2 sum_{t=1}^{M} rho(t), in draws.

    rho is the autocorrelation about the mean of all chains, averaged over chains; the window M is the smallest with
    M >= 5 tau(M) (Sokal, Monte Carlo Methods in Statistical Mechanics, 1996, section 3). The mean of N draws has the
    variance of N / tau independent ones. A record that never changes has tau = 1. Trust it where a chain is longer
    than 50 tau. Of bins of w draws, w var(means of bins) / var(draws) times the same sum over lags of whole bins, with
    M w >= 5 tau(M).

    Raises ValueError if there is no draw.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print(f"{fg.analysis.autocorrelation_time(run.energy):.1f} draws")
    8.8 draws
    """
    return tau_and_window(_record(record))[0]


def effective_sample_size(record: ArrayLike) -> float:
    """The number of independent draws worth as much for the mean: chains x draws / tau.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print(f"{fg.analysis.effective_sample_size(run.energy):.0f} of {run.energy.size} draws")
    1810 of 16000 draws
    """
    record = _record(record)
    return record.size / tau_and_window(record)[0]


def standard_error(record: ArrayLike) -> Mean:
    """The mean of all draws and its Monte Carlo error sqrt(var / (n_eff - 1)), n_eff = chains x draws / tau: a `Mean`.

    var is the mean square distance from that mean and tau the `autocorrelation_time`; one effective draw is spent on
    the mean (Sokal, Monte Carlo Methods in Statistical Mechanics, 1996, section 3). The error is infinite where
    n_eff <= 1, as for a single draw.

    Raises ValueError if there is no draw.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> found = fg.analysis.standard_error(run.energy / 64)
    >>> print(f"{found.mean:.3f} +- {found.error:.3f}, exact {fg.exact.torus((8, 8), 0.4).energy / 64:.3f}")
    -1.212 +- 0.008, exact -1.222
    """
    record = _record(record)
    (tau, _), mean = tau_and_window(record), record.mean()
    variance = _mean_square(record, mean)
    effective = record.size / tau
    error = np.sqrt(variance / (effective - 1)) if effective > 1 else np.inf
    return Mean(float(mean), float(error), effective, tau)


def split_r_hat(record: ArrayLike) -> float:
    """R-hat = sqrt(((n - 1) W / n + B / n) / W) of the two halves of every chain, each of n draws.

    W is the mean variance within a half, B / n the variance of the halves' means; the middle draw of an odd number is
    left out. Chains that agree have R-hat - 1 near (tau - 1) / draws, which is above 0.01 in chains shorter than 100
    tau: `disagreement` tells those from chains that disagree. A record that never changes has R-hat = 1; chains that
    never change and differ have an infinite one.

    Raises ValueError with fewer than 4 draws. Source: Gelman et al., Bayesian Data Analysis, 3rd edition, 2013, 11.4.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print(f"{fg.analysis.split_r_hat(run.energy):.3f}")
    1.009
    """
    halves, within, between = _split(record)
    if within == 0:
        return 1.0 if between == 0 else np.inf
    return float(np.sqrt((1 - 1 / halves.shape[1]) * (1 + between / within)))


def disagreement(record: ArrayLike) -> float:
    """How far the means of the halves of all chains are spread beyond what autocorrelation explains: a normal score.

    Of m halves of n draws that agree, F = n s^2 / (var tau) follows Fisher's law of m - 1 and m n / (10 tau) degrees of
    freedom, s^2 being the variance of their means, and var and tau those within halves. The score is as improbable as F
    (Paulson, Ann. Math. Stat. 13, 233 (1942)): at most 1 in 100 of chains of 60 tau that agree have one above 2.6.
    Chains that never change have infinite scores, below 0 if all are alike.

    Raises ValueError with fewer than 4 draws.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print(f"{fg.analysis.disagreement(run.energy):.1f}")
    0.4
    """
    halves, within, between = _split(record)
    if within == 0:
        return -np.inf if between == 0 else np.inf
    tau, window = tau_and_window(halves)
    lost = (window + 1) / halves.shape[1]  # to the means that were taken off
    freedoms = len(halves) - 1, halves.size / window
    root = np.cbrt(between * halves.shape[1] / (within * tau) * max(1 - lost, 0.1))
    a, b = 2 / (9 * np.array(freedoms))
    return float(((1 - b) * root - (1 - a)) / np.sqrt(b * root**2 + a))


def agree(record: RecordLike) -> bool:
    """Whether R-hat is at most 1.01, or what it is more is noise."""
    return split_r_hat(record) <= LARGEST_R_HAT or disagreement(record) <= LARGEST_SCORE


def binning(record: ArrayLike) -> Binning:
    """error(b) = sqrt(var of the means of bins of b draws / (number of bins - 1)), b = 1, 2, 4, ...: a `Binning`.

    Bins lie within chains, and draws that fill none are left out. Where bins are long against tau the errors level
    off at the error of the mean; error(1) takes draws as independent. Each is uncertain by error / sqrt(2 (bins - 1)).

    Of a record in bins, b begins at their width. Raises ValueError if there are fewer than two draws, or full bins.
    Source: Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989), eqs. 26 to 28.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print(fg.analysis.binning(run.energy / 64).errors.round(4))
    [0.0026 0.0034 0.0044 0.0055 0.0067 0.0075 0.0078 0.0082 0.0087 0.0122]
    """
    record = _record(record)
    bins, width = (record.full().means, record.width) if isinstance(record, Binned) else (record, 1)
    if bins.size < 2:
        raise ValueError(f"record has 1 {'draw' if bins is record else 'full bin'}: error bars need at least 2")
    sizes: list[int] = []
    errors, counts = [], []
    while bins.size >= 2:
        sizes.append(width * 2 ** len(sizes))
        errors.append(bins.std(ddof=1) / np.sqrt(bins.size))
        counts.append(bins.size)
        even = bins.shape[1] // 2 * 2
        bins = (bins[:, 0:even:2] + bins[:, 1:even:2]) / 2
    found = np.array(errors)
    return Binning(np.array(sizes), found, found / np.sqrt(2 * (np.array(counts) - 1)))


def jackknife(statistic: Callable[..., float], *records: ArrayLike) -> tuple[float, float]:
    """`statistic(*records)` and its standard error, leaving out one chain at a time.

    error^2 = (K - 1) / K sum_k (x_k - mean x)^2, with x_k the statistic without chain k of K (Efron, The Jackknife,
    1982, eq. 3.1). For a mean this is the spread of the chains' means over sqrt(K): it assumes nothing about
    autocorrelation, but rests on K numbers only, so take 16 chains or more.

    Raises ValueError with fewer than two chains, and where records have other numbers of them.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> record = np.arange(16.0).reshape(16, 1)  # 16 chains of one draw
    >>> print("{:.3f} +- {:.3f}".format(*fg.analysis.jackknife(lambda rows: rows.mean() ** 2, record)))
    56.250 +- 17.857
    """
    checked = [_record(record) for record in records]
    chains, *others = (len(record) for record in checked)
    if set(others) - {chains}:
        raise ValueError(f"records have {[chains, *others]} chains: give as many in each")
    if chains < 2:
        raise ValueError("record has 1 chain: error bars from the spread of chains need at least 2")
    left_out = np.array([statistic(*(np.delete(r, k, axis=0) for r in checked)) for k in range(chains)])
    error = np.sqrt((chains - 1) / chains * ((left_out - left_out.mean()) ** 2).sum())
    return float(statistic(*checked)), float(error)


def jackknifed(statistic: Callable[..., FloatArray], *rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A statistic of means over the first axis of each of `rows`, and its error as of `jackknife`, inf of one row."""
    count, means = len(rows[0]), [values.mean(axis=0) for values in rows]
    value = statistic(*means)
    if count < 2:
        return value, np.full(np.shape(value), np.inf)
    without = [mean + (mean - values) / (count - 1) for mean, values in zip(means, rows, strict=True)]
    left_out = statistic(*without)
    spread = ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0)
    return value, np.sqrt((count - 1) / count * spread)


def blocks(record: RecordLike) -> Any:
    """Rows (rows, draws) for a jackknife: the chains, or equal stretches of each where there are fewer than 16.

    There are then 16 rows or more, if there are draws enough; the first draws of a chain that fill no row are left
    out. A row should be long against tau. Of a record in bins they are of whole bins, and in bins.

    Raises ValueError if there is no draw.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> fg.analysis.blocks(np.zeros((4, 1000))).shape
    (16, 250)
    """
    record = _record(record)
    chains, draws = record.shape
    if isinstance(record, Binned):
        return record.rows(min(record.full().counts.size, -(-_FEWEST_ROWS // chains)))
    pieces = min(draws, -(-_FEWEST_ROWS // chains))
    return record[:, draws % pieces :].copy().reshape(chains * pieces, -1)


def moments(rows: Any, centre: float) -> FloatArray:
    """The means of x - `centre` and of its square in each of the rows that `blocks` gives: float64 (rows, 2)."""
    if isinstance(rows, Binned):
        rows = rows.about(centre)
        return np.stack([rows.sums.sum(axis=1), rows.squares.sum(axis=1)], axis=1) / rows.counts.sum()
    return np.array([((row - centre).mean(), ((row - centre) ** 2).mean()) for row in rows])


def _mean_square(record: Record, centre: float) -> float:
    """The mean square distance of all draws from a number."""
    if isinstance(record, Binned):
        return float(record.about(centre).squares.sum() / record.size)
    return np.mean([((chain - centre) ** 2).mean() for chain in record])


def _split(record: RecordLike) -> tuple[Any, float, float]:
    """The halves of all chains about their own means, (2 chains, draws // 2), their mean variance, and that of means.

    Variances that are only rounding are 0.
    """
    record = _record(record)
    halves = record.halves() if isinstance(record, Binned) else _halves(record)
    if halves.shape[1] < 2:
        raise ValueError(f"record has {record.shape[1]} draws a chain: the halves of split R-hat need at least 2 each")
    if isinstance(halves, Binned):
        means = halves.chain_means()
        halves = halves.about(means)
        within = _mean_square(halves, 0.0)
    else:
        means = halves.mean(axis=1)
        halves -= means[:, None]
        within = (halves**2).mean()
    rounding, between = (_ROUNDING * np.abs(means).max()) ** 2, means.var(ddof=1)
    within, between = (float(variance) if variance > rounding else 0.0 for variance in (within, between))
    return halves, within, between


def _halves(record: FloatArray) -> FloatArray:
    n = record.shape[1] // 2
    return np.stack([record[:, :n], record[:, record.shape[1] - n :]], axis=1).reshape(-1, n)


def tau_and_window(record: Record) -> tuple[float, float]:
    """The autocorrelation time, and the draws whose correlations it adds up: 5 tau on either side, or whole bins.

    Of `record` in bins, the variance of the draws is that of the full ones about the mean of these.
    """
    bins: Any = record
    width, variance = 1, None
    in_bins = isinstance(record, Binned)
    if isinstance(record, Binned):
        full = record.full()
        record, bins, width = full, full.means, full.width
        variance = _mean_square(full, full.mean())
    draws, mean = bins.shape[1], bins.mean()
    lags = min(_LAGS, 1 << draws.bit_length())
    while True:
        covariance = _autocovariance(bins, mean, lags)
        variance = covariance[0] if variance is None else variance
        if min(variance, covariance[0]) <= (_ROUNDING * mean) ** 2:
            return 1.0, float(width) if in_bins else 10.0
        times = width * covariance[0] / variance * (2 * np.cumsum(covariance / covariance[0]) - 1)
        enough = np.arange(covariance.size) * width >= 5 * times
        if enough.any() or lags >= draws:
            last = enough.argmax() if enough.any() else times.size - 1
            tau = float(max(times[last], 1.0))
            return tau, float(width * (2 * last + 1)) if in_bins else 10 * tau
        lags *= 16


def _autocovariance(record: FloatArray, mean: float, lags: int) -> FloatArray:
    """The mean over t and chains of (x_t - mean) (x_{t+l} - mean), of all lags l < `lags` that the chains have.

    A chain is cut in pieces of `lags` draws (a power of two) and a draw meets those of its own piece and of the next.
    Padded with as many zeros, a piece has the transform X, and together with the next X + (-1)^k X', since half a
    period apart.
    """
    draws = record.shape[1]
    pieces = np.zeros((-(-draws // lags), lags))
    signs = np.ones(lags + 1)
    signs[1::2] = -1
    spectrum = np.zeros(lags + 1, complex)
    for chain in record:
        np.subtract(chain, mean, out=pieces.reshape(-1)[:draws])
        transforms = np.fft.rfft(pieces, 2 * lags, axis=1)
        spectrum += np.vecdot(transforms, transforms, axis=0)  # type: ignore[call-overload]  # NumPy's stubs know no axis
        spectrum += signs * np.vecdot(transforms[:-1], transforms[1:], axis=0)  # type: ignore[call-overload]  # as above
    known = min(draws, lags)
    return np.fft.irfft(spectrum, 2 * lags)[:known] / (len(record) * np.arange(draws, draws - known, -1))


def _record(record: RecordLike) -> Record:
    if isinstance(record, Binned):
        if record.first.ndim != 1 or not record.size:
            raise ValueError(f"record has shape {record.shape}: give (chains, draws) with at least one draw")
        return record
    record = np.atleast_2d(checks.finite_array("record", record))
    if record.ndim != 2 or record.size == 0:
        raise ValueError(f"record has shape {record.shape}: give (chains, draws) with at least one draw")
    return record
