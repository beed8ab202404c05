"""Temperature; and heat capacity, susceptibility and Binder cumulant of records at one, with errors.

Records are float arrays (chains, draws), chains independent and at equilibrium; results pool the chains, and
`record[k]` is chain k alone. Errors are jackknifed over the rows of `analysis.blocks`: chains, or stretches of each
where there are fewer than 16, which must be long against tau: of stretches below 10 tau they are 5 to 8 % too small.
Records in bins (`Binned`) are taken like those of all draws.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgibbs.analysis.bins import Binned, RecordLike
from fastgibbs.analysis.errors import blocks, jackknife, moments
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, FloatArray


def temperature(beta: ArrayLike) -> FloatArray:
    """T = 1 / beta with k_B = 1, in the units of the energy: inf at beta = 0, and 0 at beta = inf.

    `beta`: a number or an array; returns float64 of its shape. TypeError or ValueError unless these are numbers.

    >>> import fastgibbs as fg
    >>> fg.analysis.temperature([0.0, 0.5, 2.0]).tolist()
    [inf, 2.0, 0.5]
    """
    beta = checks.inverse_temperatures("beta", beta)
    with np.errstate(over="ignore"):  # of the smallest numbers
        return np.divide(1.0, beta, out=np.full(beta.shape, np.inf), where=beta != 0)


def heat_capacity(energy: ArrayLike, beta: float, n: int) -> tuple[float, float]:
    """C = beta^2 (<E^2> - <E>^2) / n, per site with k_B = 1, and its error.

    `energy` (chains, draws): totals, in units of 1/beta; `n`: the number of sites. TypeError or ValueError names the
    argument that is not so, or if there are fewer than 2 draws.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print("{:.2f} +- {:.2f}".format(*fg.analysis.heat_capacity(run.energy, beta=0.4, n=64)))
    1.13 +- 0.01
    """
    beta, n = checks.finite_number("beta", beta), checks.integer("n", n)
    rows = blocks(energy)
    return jackknife(
        lambda rows: beta**2 * (rows[:, 1].mean() - rows[:, 0].mean() ** 2) / n,
        moments(rows, rows.mean()),
    )


def susceptibility(magnetization: ArrayLike, beta: float, n: int, *, connected: bool = True) -> tuple[float, float]:
    """chi = beta n (<m^2> - <|m|>^2), per site, and its error; chi = beta n <m^2> with connected=False.

    The first, connected form is small on either side of a transition and is a lattice's finite-size stand-in for the
    susceptibility of the ordered phase; the second is d<m>/dh at h = 0 above Tc, where <m> = 0 by symmetry, and of
    order n below. `magnetization` (chains, draws): m, the mean spin, of either sign; `n`: the number of sites.
    TypeError or ValueError names the argument that is not so, or if there are fewer than 2 draws.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print("{:.2f} +- {:.2f}".format(*fg.analysis.susceptibility(run.magnetization, beta=0.4, n=64)))
    1.85 +- 0.05
    """
    beta, n, connected = checks.finite_number("beta", beta), checks.integer("n", n), checks.flag("connected", connected)
    return jackknife(
        lambda rows: beta * n * (rows[:, 1].mean() - (rows[:, 0].mean() ** 2 if connected else 0.0)),
        moments(blocks(magnitude(magnetization)), 0.0),
    )


def binder_cumulant(magnetization: ArrayLike) -> tuple[float, float]:
    """U = 1 - <m^4> / (3 <m^2>^2), and its error: 0 of a Gaussian m far above Tc, 2/3 of m = +-m0 far below.

    Other conventions: the ratio Q = <m^4> / <m^2>^2 = 3 (1 - U), g = (3 - Q) / 2 = 3 U / 2, and <m^2>^2 / <m^4> = 1/Q.
    At Tc of a large periodic square U = 0.61069 (Salas and Sokal, J. Stat. Phys. 98, 551 (2000)), of a cube 0.46548
    (Hasenbusch, Phys. Rev. B 82, 174433 (2010)). `magnetization` (chains, draws): m, of either sign. U is 0 where m is
    always 0. TypeError or ValueError if it is not such a record, or has fewer than 2 draws.
    Source: K. Binder, Z. Phys. B 43, 119 (1981).

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> print("{:.3f} +- {:.3f}".format(*fg.analysis.binder_cumulant(run.magnetization)))
    0.514 +- 0.008
    """
    return jackknife(cumulant, moments(blocks(_numbers(magnetization) ** 2), 0.0))


def cumulant(rows: FloatArray) -> float:
    """U of the means of m^2 and m^4 in rows (rows, 2)."""
    second, fourth = rows.mean(axis=0)
    return 1 - fourth / (3 * second**2) if second else 0.0


def magnitude(magnetization: RecordLike) -> Any:
    """The record of |m|."""
    return abs(_numbers(magnetization))


def _numbers(record: RecordLike) -> Any:
    return record if isinstance(record, Binned) else checks.finite_array("record", record)
