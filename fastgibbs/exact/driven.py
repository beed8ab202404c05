"""Driven systems, exactly: the law of all 2^n states after every sweep of a period, once it repeats itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np

from fastgibbs.exact.enumeration import states
from fastgibbs.fields import described
from fastgibbs.io.problems import problem
from fastgibbs.models import checks
from fastgibbs.models.protocols import Protocol, fundamental
from fastgibbs.types import ArrayLike, FloatArray, IntArray, Problem, Rule

MOST = 12  # sites
_VECTORS, _CYCLES, _CLOSE = 8, 20, 1e-13  # periods that one step of the search takes, steps, and when it ends


@described
class Driven(NamedTuple):
    """What a driven system comes to, period after period.

    >>> import fastgibbs as fg
    >>> found = fg.exact.driven(fg.lattice((6,)), beta=1 / 1.2, field=fg.oscillating(0.1, period=40))
    >>> print(f"{found.amplitude:.8f} {found.lag:.6f}")
    0.23694142 0.777244
    """

    magnetization: Annotated[FloatArray, "float64 (period,)", "Mean spin after sweeps t = 1 ... period."]
    energy: Annotated[FloatArray, "float64 (period,)", "Mean E(s), without the field beside the model's, likewise."]
    amplitude: Annotated[float, "|X|, X = 2 / period sum_t m_t exp(2 pi i t / period), of the mean spin m_t."]
    lag: Annotated[float, "arg X less that of the field, or of beta if that is driven, in radians."]
    area: Annotated[float, "Of the loop, -sum_t (m_t + m_{t+1}) (b_{t+1} - b_t) / 2; 0 in a constant field."]


def driven(
    model: Problem,
    beta: float | Protocol,
    field: float | Protocol = 0.0,
    *,
    order: ArrayLike | None = None,
    rule: Rule = "gibbs",
) -> Driven:
    """p_t = p_{t-1} W_t with p_0 = p_period, W_t the matrix of a sequential sweep at beta_t and b_t: a `Driven`.

    It is the cycle that such sweeps come to. A sweep visits the sites in `order`, one after the other.

    Args:
        model: any (`fastgibbs.Energy`) of up to 12 variables.
        beta: inverse temperature, or a protocol of it, one for all chains.
        field: b beside the model's own field, E(s) - b sum_i s_i, or a protocol of it.
        order: each site once, (n,), by default 0 ... n - 1. An engine that goes colour by colour has another: that of a
            run is `SampleResult.order`, and its part in the response is some per mille.
        rule: "gibbs" or "metropolis".

    Where there are several cycles, as by Metropolis on a ring without field, it is one that all states at once come to.
    Raises ValueError or TypeError, naming the argument; ValueError also where the cycle is not found, which is at
    temperatures at which chains would not come to it either.

    >>> import fastgibbs as fg
    >>> fg.exact.driven(fg.lattice((4,)), beta=0.5, field=0.1).magnetization.round(4)  # not driven: as Boltzmann has it
    array([0.1233])
    """
    model = problem("model", model)
    checks.choice("rule", rule, ("gibbs", "metropolis"))
    if model.n > MOST:
        raise ValueError(f"model has {model.n} variables: give {MOST} at most")
    sites = np.arange(model.n) if order is None else checks.integers("order", order)
    if sites.shape != (model.n,) or (np.sort(sites) != np.arange(model.n)).any():
        raise ValueError(f"order is {checks.shown(order)}: give each of the {model.n} sites once")
    betas, fields = _values("beta", beta), _values("field", field)
    period = int(np.lcm(betas.size, fields.size))
    betas, fields = np.resize(betas, period), np.resize(fields, period)
    spins = states(model.n)
    energies = np.asarray(model.energy(model.from_spins(spins)), np.float64)
    means = spins.sum(axis=1) / max(model.n, 1)

    def after(law: FloatArray, t: int) -> FloatArray:
        return _swept(law, energies, betas[t], fields[t], sites, rule)

    law = _cycle(after, np.full(2**model.n, 2.0**-model.n), period)
    magnetization, energy = np.empty((2, period))
    for t in range(period):
        law = after(law, t)
        magnetization[t], energy[t] = law @ means, law @ energies
    drive = fields if np.ptp(fields) > 0 else betas
    X, of_drive = fundamental(magnetization), fundamental(drive)
    lag = float(np.angle(X * of_drive.conjugate())) if abs(of_drive) > 0 else 0.0
    loop = (magnetization + np.roll(magnetization, -1)) * (np.roll(fields, -1) - fields) / 2
    return Driven(magnetization, energy, float(abs(X)), lag, float(-loop.sum()))


def _values(name: str, value: float | Protocol) -> FloatArray:
    """One for each sweep of a period."""
    if not isinstance(value, Protocol):
        return np.array([checks.finite_number(name, value)])
    if value.values.ndim > 1:
        raise ValueError(f"{name} has {value.values.shape[1]} chains: give a protocol of one, (period,)")
    return checks.finite_array(f"the values of {name}", value.values)


def _swept(law: FloatArray, energies: FloatArray, beta: float, b: float, sites: IntArray, rule: str) -> FloatArray:
    """The law of all states, bit i of a state's number being site i, after an attempt at each site in turn."""
    for site in sites.tolist():
        old, E = (of.reshape(-1, 2, 2**site) for of in (law, energies))
        down, up, x = old[:, 0], old[:, 1], beta * (E[:, 1] - E[:, 0] - 2 * b)  # what it costs to turn up
        if rule == "gibbs":
            rises = (down + up) * np.exp(-np.logaddexp(0.0, x))
            law = np.stack([down + up - rises, rises], axis=1).ravel()
        else:
            flow = down * np.exp(-np.maximum(x, 0.0)) - up * np.exp(np.minimum(x, 0.0))
            law = np.stack([down - flow, up + flow], axis=1).ravel()
    return law


def _cycle(after: Callable[[FloatArray, int], FloatArray], law: FloatArray, period: int) -> FloatArray:
    """The law that a period brings back, from any that it may begin with.

    Of laws x_0, x_1 ... a period apart the sum that changes least is where the search goes on: sum_k c_k x_k with
    sum_k c_k = 1 and the least |sum_k c_k (x_{k+1} - x_k)| (reduced rank extrapolation: Sidi, SIAM J. Numer. Anal. 23,
    197 (1986)), which leaves out the slowest modes, however slow they are.
    """
    for _ in range(_CYCLES):
        laws = [law]
        for _ in range(_VECTORS):
            for t in range(period):
                law = after(law, t)
            laws.append(law)
            if np.abs(laws[-1] - laws[-2]).sum() < _CLOSE:
                return law
        changes = np.diff(laws, axis=0)
        most = np.linalg.lstsq(np.diff(changes, axis=0).T, -changes[0], rcond=1e-12)[0]
        law = laws[0] + most @ changes[:-1]
        law = law / law.sum()
    raise ValueError("the law of a period still changes: give a higher temperature, or another rule")
