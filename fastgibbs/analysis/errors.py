"""What a record of draws is worth: autocorrelation, effective sample size, error bars.

Records are float arrays (chains, draws) of one observable, chains independent and at equilibrium.
"""

import numpy as np


def autocorrelation_time(record) -> float:
    """Integrated autocorrelation time tau = 1 + 2 sum_{t=1}^{M} rho(t), in draws.

    rho is the autocorrelation about the mean of all chains, averaged over chains; the window M is the smallest with
    M >= 5 tau(M) (Sokal, Monte Carlo Methods in Statistical Mechanics, 1996, section 3). The mean of N draws has the
    variance of N / tau independent ones. A record that never changes has tau = 1. Trust it where a chain is longer
    than 50 tau.

    Raises ValueError if there is no draw.
    """
    record = _record(record)
    draws = record.shape[1]
    deviation = record - record.mean()
    size = 2 ** int(np.ceil(np.log2(2 * draws)))  # zeros keep the end of a chain from meeting its beginning
    spectrum = np.abs(np.fft.rfft(deviation, size, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum.mean(axis=0), size)[:draws] / np.arange(draws, 0, -1)
    if covariance[0] <= 0:
        return 1.0
    times = 2 * np.cumsum(covariance / covariance[0]) - 1
    enough = np.arange(draws) >= 5 * times
    return float(max(times[enough.argmax() if enough.any() else -1], 1.0))


def effective_sample_size(record) -> float:
    """The number of independent draws worth as much for the mean: chains x draws / tau."""
    record = _record(record)
    return record.size / autocorrelation_time(record)


def jackknife(statistic, *records) -> tuple[float, float]:
    """`statistic(*records)` and its standard error, leaving out one chain at a time.

    error^2 = (K - 1) / K sum_k (x_k - mean x)^2, with x_k the statistic without chain k of K (Efron, The Jackknife,
    1982, eq. 3.1). For a mean this is the spread of the chains' means over sqrt(K): it assumes nothing about
    autocorrelation, but rests on K numbers only, so take 16 chains or more.

    Raises ValueError with fewer than two chains.
    """
    records = [_record(record) for record in records]
    chains = len(records[0])
    if chains < 2:
        raise ValueError("record has 1 chain: error bars from the spread of chains need at least 2")
    left_out = np.array([statistic(*(np.delete(r, k, axis=0) for r in records)) for k in range(chains)])
    error = np.sqrt((chains - 1) / chains * ((left_out - left_out.mean()) ** 2).sum())
    return float(statistic(*records)), float(error)


def _record(record) -> np.ndarray:
    record = np.atleast_2d(np.asarray(record, np.float64))
    if record.ndim != 2 or record.size == 0:
        raise ValueError(f"record has shape {record.shape}: give (chains, draws) with at least one draw")
    return record
