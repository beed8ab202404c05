"""The response of driven chains: what of their draws comes back with the period of the protocol, and how late."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.records import first_model, sites_of
from fastgibbs.analysis.reports import Report, with_error
from fastgibbs.analysis.thermodynamics import temperature
from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.types import AnyArray, FloatArray

_BESIDE = 8  # frequencies on each side of the drive's, between which the noise is read off
_PERIODS = 4  # of fewer no noise can be told
_ROWS = 8  # phases of a drive that a summary shows, at most


@described
class Response(NamedTuple):
    """The response of each drive of a run, in the order of their first chains: one row for all chains at the same.

    Of chain c, X_c = 2 / D sum_d v_d exp(2 pi i t_d / period) over its D draws v_d after sweeps t_d, and B is the same
    of what drives it. Errors are those between chains, NaN of one.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> waves = fg.oscillating([0.1, 0.2], period=8)
    >>> run = fg.sample(fg.lattice((4, 4)), beta=0.2, field=waves, sweeps=8000, burn_in=80, seed=1)
    >>> (fg.analysis.response(run).amplitude / np.array([0.1, 0.2])).round(1).tolist()
    [0.4, 0.4]
    """

    beta: Annotated[FloatArray, "float64 (drives,)", "Inverse temperature, its mean over a period."]
    chains: Annotated[AnyArray, "int64 (drives,)", "How many."]
    mean: Annotated[FloatArray, "float64 (drives,)", "Of all draws."]
    mean_error: Annotated[FloatArray, "float64 (drives,)", "Its error."]
    amplitude: Annotated[FloatArray, "float64 (drives,)", "|X|, X the mean over chains."]
    amplitude_error: Annotated[FloatArray, "float64 (drives,)", "Its error."]
    lag: Annotated[FloatArray, "float64 (drives,)", "arg(X / B), in radians from -pi to pi."]
    lag_error: Annotated[FloatArray, "float64 (drives,)", "Its error."]
    in_phase: Annotated[FloatArray, "float64 (drives,)", "|X| cos(lag)."]
    in_phase_error: Annotated[FloatArray, "float64 (drives,)", "Its error."]
    quadrature: Annotated[FloatArray, "float64 (drives,)", "|X| sin(lag)."]
    quadrature_error: Annotated[FloatArray, "float64 (drives,)", "Its error."]
    signal_to_noise: Annotated[
        FloatArray,
        "float64 (drives,)",
        "Power at the frequency of the drive over the mean power at up to 8 on each side of it; NaN of fewer than 4 "
        "periods.",
    ]
    signal_to_noise_error: Annotated[FloatArray, "float64 (drives,)", "Its error."]
    area: Annotated[
        FloatArray,
        "float64 (drives,)",
        "Of the loop, -sum_k (v_k + v_{k+1}) (b_{k+1} - b_k) / 2 over the draws k of a period, b what drives.",
    ]
    area_error: Annotated[FloatArray, "float64 (drives,)", "Its error."]
    sweeps: Annotated[AnyArray, "int64 (phases,)", "Sweeps of a period after which draws were made, from 1."]
    drive: Annotated[FloatArray, "float64 (drives, phases)", "The field of those sweeps, or beta."]
    curve: Annotated[FloatArray, "float64 (drives, phases)", "Mean of the draws after each of them."]
    curve_error: Annotated[FloatArray, "float64 (drives, phases)", "Its error."]


def response(run: Any, period: int | None = None) -> Response:
    """How the mean spin of a driven run follows its field; where beta alone is driven, how E per site follows that.

    `run`: a SampleResult of `sample(..., field=protocol)` or `beta=`; `period`: in sweeps, by default that of the
    protocol, of which it may be a part. A period holds a whole number of draws, at least 3, and a run whole periods; of
    one that was stopped those that are whole. A run of "bins" has no draws. ValueError or TypeError otherwise.

    Signal-to-noise: Gammaitoni, Haenggi, Jung, Marchesoni, Rev. Mod. Phys. 70, 223 (1998), section II.

    >>> import fastgibbs as fg
    >>> drive = fg.oscillating(0.1, period=40)
    >>> run = fg.sample(fg.lattice((6,)), beta=1 / 1.2, field=drive, burn_in=400, sweeps=4000, seed=1)
    >>> found = fg.analysis.response(run)
    >>> print(f"{found.amplitude[0]:.2f}, lag {found.lag[0]:.1f}")  # exactly 0.2388 and 0.787
    0.23, lag 0.8
    """
    if not getattr(checks.able("run", run, "by_beta", "what sample returned"), "driven", False):
        raise ValueError("run is not driven: give that of sample(..., field=fastgibbs.oscillating(...)), or beta=")
    if run.at.size:
        raise ValueError("run has draws at chosen sweeps: sample with sweeps in place of at")
    if run.bins is not None:
        raise ValueError("run keeps bins, which mix phases: sample with record='draws'")
    driven = following(run)
    period = len(driven) if period is None else checks.integer("period", period)
    if len(driven) % period or period % run.thin or period // run.thin < 3:
        raise ValueError(
            f"period is {period}: give a part of the {len(driven)} sweeps of the protocol, of 3 draws or more, one "
            f"every {run.thin} sweeps"
        )
    draws, per_site = period // run.thin, sites_of(first_model(run))  # of a period
    values = run.magnetization if driven is run.field else run.energy / per_site
    whole = values.shape[1] // draws * draws
    if not whole:
        raise ValueError(f"run has {values.shape[1]} draws, a period {draws}: give whole periods")
    sweeps = (run.drawn_at[:draws] - 1) % period + 1
    betas = run.beta if run.beta.ndim > 1 else run.beta[None]
    found = []
    for chains in drives(run):
        drive = driven[:, chains[0]].reshape(-1, period).mean(axis=0)[sweeps - 1]
        numbers, curves = _followed(values[chains, :whole].reshape(len(chains), -1, draws), sweeps / period, drive)
        order = np.argsort(sweeps)
        found.append(((betas[:, chains[0]].mean(), len(chains), *numbers), [of[order] for of in curves]))
    beta, count, *told = np.array([of for of, _ in found]).T
    drive, curve, error = np.swapaxes([of for _, of in found], 0, 1)
    return Response(beta, count.astype(np.int64), *told, np.sort(sweeps), drive, curve, error)  # type: ignore[call-arg]


def drives(run: Any) -> list[AnyArray]:
    """The chains of each drive, in the order of their first: those of one model at the same points in all sweeps."""
    given = [np.atleast_2d(of) for of in (run.beta, run.field) if of is not None]
    found: dict[tuple[int | bytes, ...], list[int]] = {}
    for chain, model in enumerate(run.model_number.tolist()):
        found.setdefault((model, *(of[:, chain].tobytes() for of in given)), []).append(chain)
    return [np.array(chains) for chains in found.values()]


def _followed(values: FloatArray, times: FloatArray, drive: FloatArray) -> tuple[list[float], list[FloatArray]]:
    """What a Response has of one drive, from `mean` to `area_error`, and drive, curve and its error.

    `values`: float64 (chains, periods, phases); `times` (phases,) in periods.
    """
    chains, periods, phases = values.shape
    waves = np.exp(2j * np.pi * times) * (2 / phases)
    of_chains = values.mean(axis=1)
    X, B = of_chains @ waves, drive @ waves
    turned = X * np.exp(-1j * np.angle(B)) if abs(B) > 0 else X
    mean = turned.mean()
    along = turned * np.exp(-1j * np.angle(mean))
    loops = -((of_chains + np.roll(of_chains, -1, axis=1)) * (np.roll(drive, -1) - drive)).sum(axis=1) / 2
    told = [
        (of_chains.mean(), _error(of_chains.mean(axis=1))),
        (abs(mean), _error(along.real)),
        (np.angle(mean), _error(along.imag) / abs(mean) if abs(mean) > 0 else np.nan),
        (mean.real, _error(turned.real)),
        (mean.imag, _error(turned.imag)),
        _signal(values.reshape(chains, -1), periods),
        (loops.mean(), _error(loops)),
    ]
    errors = [_error(of_chains[:, phase]) for phase in range(phases)]
    return [float(one) for pair in told for one in pair], [drive, of_chains.mean(axis=0), np.array(errors)]


def _signal(records: FloatArray, periods: int) -> tuple[float, float]:
    """The signal-to-noise ratio of records (chains, draws) and its error, leaving out one chain at a time."""
    chains, draws = records.shape
    beside = min(_BESIDE, (periods - 1) // 2)  # short of 0 and of the second harmonic
    if periods < _PERIODS:
        return np.nan, np.nan
    steps = np.arange(draws)[:, None] * np.arange(periods - beside, periods + beside + 1) % draws
    power = np.abs((records - records.mean(axis=1, keepdims=True)) @ np.exp(2j * np.pi / draws * steps)) ** 2
    signal, noise = power[:, beside], np.delete(power, beside, axis=1).mean(axis=1)
    ratio = signal.sum() / noise.sum() if noise.sum() > 0 else np.nan
    if chains < 2:
        return float(ratio), np.nan
    without = (signal.sum() - signal) / np.maximum(noise.sum() - noise, 1e-300)
    return float(ratio), float(np.sqrt((chains - 1) * without.var()))


def _error(values: FloatArray) -> float:
    """Of the mean of what chains have, (chains,)."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def by_phase(result: Any) -> Report:
    """The report of a driven run: of each drive what was averaged over its chains, and periods, at some phases."""
    period, sweeps = len(following(result)), phases(result)
    lines = [repr(result), f"driven with a period of {period} sweeps: averages by phase, and no stationary law"]
    if not sweeps.size:
        return Report(lines, {}, {}, ["No table: it is of draws at the same phases of one or more periods."])
    shown = np.unique(np.linspace(0, sweeps.size - 1, min(_ROWS, sweeps.size)).round().astype(int))
    rows = [row for chains in drives(result) for row in _rows(result, chains, sweeps, shown)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Report(lines, {}, columns, ["Amplitude, lag, noise and loop: fastgibbs.analysis.response."])


def following(result: Any) -> AnyArray:
    """What follows the protocol: the field if it does, or beta."""
    driven: AnyArray = result.field if result.field is not None and result.field.ndim > 1 else result.beta
    return driven


def phases(result: Any) -> AnyArray:
    """The sweeps of the draws of one period, from 1 on, or those chosen; none where periods have draws at others."""
    period, draws = len(following(result)), 0 if result.bins is not None else result.energy.shape[1]
    if period % result.thin or not draws:
        return np.empty(0, np.int64)
    if result.at.size:
        return result.drawn_at
    first = result.drawn_at[: period // result.thin]
    return (first - 1) % period + 1 if draws >= period // result.thin else first[:0]


def of_phases(record: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """Means of draws (chains, draws) at each of `count` phases of whole periods, their errors between chains or NaN."""
    whole = record.shape[1] // count * count
    means = record[:, :whole].reshape(len(record), -1, count).mean(axis=1)
    return means.mean(axis=0), np.array([_error(values) for values in means.T])


def _rows(result: Any, chains: AnyArray, sweeps: AnyArray, shown: AnyArray) -> list[dict[str, str]]:
    """Of the chains of a drive a row for each phase that is shown."""
    n, rows = sites_of(first_model(result)), []
    energy, m = (of_phases(of[chains], sweeps.size) for of in (result.energy / n, result.magnetization))
    for phase in shown.tolist():
        beta, field = (
            0.0 if of is None else np.atleast_2d(of)[(sweeps[phase] - 1) % len(np.atleast_2d(of)), chains[0]]
            for of in (result.beta, result.field)
        )
        rows.append(
            {
                "sweep": str(sweeps[phase]),
                "beta": f"{beta:.6g}",
                "T": f"{temperature(beta):.5g}",
                "field": f"{round(float(field), 12):.5g}",
                "chains": str(len(chains)),
                "E/N": with_error(energy[0][phase], energy[1][phase]),
                "m": with_error(m[0][phase], m[1][phase]),
            }
        )
    return rows
