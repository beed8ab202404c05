"""Protocols: a number for every sweep of a run, a beta or a field beside the model's, repeated period by period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fastgibbs.models import checks
from fastgibbs.types import AnyArray, ArrayLike, FloatArray

Waveform = Literal["cosine", "square", "triangle"]
WAVEFORMS: dict[str, Any] = {  # of t = 0 ... 1 in a period, from 1 at t = 0 to -1 at t = 1/2
    "cosine": lambda t: np.cos(2 * np.pi * t),
    "square": lambda t: np.where((t < 0.25) | (t >= 0.75), 1.0, -1.0),
    "triangle": lambda t: np.abs(4 * t - 2) - 1,
}


@dataclass(frozen=True, eq=False)
class Protocol:
    """What sweeps 1, 2, ... of a run go through, one row each, from the first again after the last.

    `values`: float64 (period,), alike in all chains, or (period, chains), read-only.

    >>> import fastgibbs as fg
    >>> fg.protocol([0.2, 0.2, 1.0])
    Protocol(period=3)
    """

    values: FloatArray

    @property
    def period(self) -> int:
        """Sweeps from one beginning to the next.

        >>> import fastgibbs as fg
        >>> fg.oscillating(amplitude=0.5, period=8).period
        8
        """
        return len(self.values)

    def __repr__(self) -> str:
        chains = f", chains={self.values.shape[1]}" if self.values.ndim == 2 else ""
        return f"Protocol(period={self.period}{chains})"


def protocol(values: ArrayLike) -> Protocol:
    """The betas, or the fields, of sweeps 1, 2, ..., repeated: (period,), or (period, chains), one column per chain.

    `sample(beta=...)` and `sample(field=...)` take it. A burn-in and the sweeps after it are whole periods each; or the
    protocol is as long as both together, which is a schedule: a quench, a ramp. ValueError or TypeError where `values`
    are no numbers, or of another shape.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> quench = fg.protocol(np.repeat([0.1, 1.0], [20, 100]))
    >>> run = fg.sample(fg.lattice((16, 16)), beta=quench, burn_in=20, sweeps=100, seed=1)
    >>> run.energy[:, [0, -1]].mean(axis=0).round() / 256 < -1.2
    array([False,  True])
    """
    values = checks.inverse_temperatures("values", values).copy()
    if values.ndim not in (1, 2) or 0 in values.shape:
        raise ValueError(f"values has shape {values.shape}: give (period,), or (period, chains)")
    values.flags.writeable = False
    return Protocol(values)


def fundamental(values: ArrayLike) -> AnyArray:
    """X = 2 / P sum_t v_t exp(2 pi i t / P), complex (...,), of v_t (..., P) at t = 1 ... P of a period.

    >>> import numpy as np
    >>> from fastgibbs.models.protocols import fundamental
    >>> print(f"{abs(fundamental(0.5 * np.cos(np.pi / 4 * np.arange(1, 9)))):.3f}")
    0.500
    """
    values = np.asarray(values)
    steps = values.shape[-1]
    return 2 / steps * (values @ np.exp(2j * np.pi * np.arange(1, steps + 1) / steps))


def oscillating(amplitude: ArrayLike, period: int, phase: float = 0.0, waveform: Waveform = "cosine") -> Protocol:
    """amplitude w(t / period + phase / 2 pi) at sweep t = 1, 2, ..., w(x) = cos 2 pi x: a field that comes and goes.

    `amplitude`: a number, or one per chain, (chains,); `period`: in sweeps, at least 2; `phase`: in radians;
    `waveform`: "cosine", "square" (1, and -1 in the middle half of a period) or "triangle" (straight from 1 to -1 and
    back). ValueError or TypeError, naming the argument.

    >>> import fastgibbs as fg
    >>> fg.oscillating(2.0, period=6).values.round(3).tolist()
    [1.0, -1.0, -2.0, -1.0, 1.0, 2.0]
    """
    amplitude = checks.finite_array("amplitude", amplitude)
    period, phase = checks.integer("period", period, minimum=2), checks.finite_number("phase", phase)
    checks.choice("waveform", waveform, WAVEFORMS)
    if amplitude.ndim > 1 or amplitude.size == 0:
        raise ValueError(f"amplitude has shape {amplitude.shape}: give a number, or one per chain")
    checks.require_memory(8 * period * (5 + 3 * amplitude.size), f"a protocol of {period} sweeps", "give fewer")
    wave = WAVEFORMS[waveform]((np.arange(1, period + 1) / period + phase / (2 * np.pi)) % 1.0)
    return protocol(np.multiply.outer(wave, amplitude))
