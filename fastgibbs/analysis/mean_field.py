"""log Z and magnetizations without sampling: naive mean field, a lower bound, and TAP, which corrects it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fastgibbs.io.problems import problem
from fastgibbs.models import checks
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, Problem

_MOST_STEPS = 10_000
_TOLERANCE = 1e-10


@checks.by_contents
class MeanField(NamedTuple):
    """log Z, which "naive" never overestimates; <s_i>, float64 (n,), of an RBM <x_i>; whether they have settled.

    >>> import fastgibbs as fg
    >>> found = fg.mean_field(fg.lattice((4, 4), h=0.1), beta=0.1)
    >>> found.converged, found.means[:2].round(4).tolist()
    (True, [0.0167, 0.0167])
    """

    log_z: float
    means: FloatArray
    converged: bool


def mean_field(
    model: Problem, *, beta: float = 1.0, method: Literal["naive", "tap"] = "naive", start: ArrayLike | None = None
) -> MeanField:
    """log Z = max_m -beta E(m) + sum_i S(m_i), S(m) = -sum_{+-} (1 +- m)/2 log((1 +- m)/2): a `MeanField`.

    At the maximum m_i = tanh(beta f_i), f_i = h_i + sum_j J_ij m_j. Every m gives a lower bound of log Z, as <E> of
    independent spins of means m is E(m) (Gibbs, Bogoliubov and Feynman). With c_i = 1 - m_i^2, "tap" adds
    (beta^2 / 2) sum_{i<j} J_ij^2 c_i c_j, at m_i = tanh(beta f_i - beta^2 m_i sum_j J_ij^2 c_j): closer where couplings
    are weak and many, and no bound (Thouless, Anderson and Palmer, Phil. Mag. 35, 593 (1977); of an RBM: Gabrie, Tramel
    and Krzakala, NeurIPS 2015).

    Args:
        model: any that has an Ising form; units 0 and 1 are treated as spins s = 2 x - 1.
        beta: inverse temperature.
        method: "naive" or "tap".
        start: means (n,) in the model's own units to begin from, by default the middle. Where there are several maxima
            it decides which is found; exactly in the middle of two, neither.

    Means move half way to their new values at a time, which settles where whole steps alternate; `converged` says
    whether they did, within 10^-10 and 10^4 steps. ValueError or TypeError, naming the argument.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((4, 4), h=0.5)
    >>> print(f"{fg.mean_field(model, beta=0.4).log_z:.2f}, at most {fg.exact.spectrum(model).log_z(0.4):.2f}")
    16.48, at most 16.58
    """
    model = problem("model", model)
    beta = checks.finite_number("beta", beta)
    checks.choice("method", method, ("naive", "tap"))
    ising = model.to_ising()
    low = int(model.from_spins(np.full(ising.n, -1, np.int8)).min(initial=1))  # of the model's units: -1 or 0
    m = np.zeros(ising.n) if start is None else _as_spins(start, ising.n, low)
    rows = np.repeat(np.arange(ising.n), np.diff(ising.indptr))
    J, tap = beta * ising.couplings, float(method == "tap")

    def sums(weights: FloatArray, values: FloatArray) -> AnyArray:
        return np.bincount(rows, weights * values[ising.indices], ising.n)

    for _ in range(_MOST_STEPS):
        reaction = m * sums(J * J, 1 - m * m) if tap else 0.0
        step = np.tanh(beta * ising.fields + sums(J, m) - reaction) - m
        converged = bool(np.abs(step).max(initial=0.0) <= _TOLERANCE)
        m += step if converged else step / 2
        if converged:
            break
    energy = -(m @ sums(J, m)) / 2 - beta * (ising.fields @ m) + beta * ising.offset
    correction = tap * ((1 - m * m) @ sums(J * J, 1 - m * m)) / 4
    means = m if low == -1 else (1 + m) / 2
    return MeanField(float(_entropy(m) - energy + correction), means, converged)


def _as_spins(start: ArrayLike, n: int, low: int) -> FloatArray:
    start = checks.finite_array("start", start, (n,))
    bad = (start < low) | (start > 1)
    if bad.any():
        where = bad.argmax()
        raise ValueError(f"start[{where}] is {start[where]}: give means from {low} to 1")
    return start.copy() if low == -1 else 2 * start - 1


def _entropy(m: FloatArray) -> float:
    p = np.clip(np.concatenate([1 + m, 1 - m]) / 2, 1e-300, 1.0)
    return -(p * np.log(p)).sum()
