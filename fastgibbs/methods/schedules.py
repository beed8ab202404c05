"""Inverse temperatures of a run: schedules, the range that a model asks for, and how long it asks for each of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import asking
from fastgibbs.io.problems import problem
from fastgibbs.methods.descent import costs_of_any, flip_costs, random_spins
from fastgibbs.methods.keeping import kept
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy
from fastgibbs.types import FloatArray, ModelLike, Problem

HOT, COLD = 3.3, 9.5  # beta times what a flip costs, where annealing begins and ends (bench/bench_schedules.py)
MOST_BETA = 1e300  # what a model asks for whose couplings are as small as numbers get


class Schedule(NamedTuple):
    """Inverse temperatures from `first` to `last`, in equal steps or in equal ratios."""

    kind: str
    first: float
    last: float

    def betas(self, sweeps: int) -> FloatArray:
        """One beta per sweep, float64 (sweeps,); TypeError or ValueError unless they are 1 or more."""
        spaced = np.linspace if self.kind == "linear" else np.geomspace
        sweeps = checks.integer("sweeps", sweeps)
        checks.require_memory(24 * sweeps, f"a schedule of {sweeps} sweeps", "give fewer")
        return spaced(self.first, self.last, sweeps)


def stretched(given: FloatArray, sweeps: int) -> FloatArray:
    """`given`, float64 (k,), as one number per sweep, (sweeps,): in straight lines from each to the next."""
    places = np.arange(sweeps) * (given.size - 1) / max(sweeps - 1, 1)
    return np.interp(places, np.arange(given.size), given)


def linear(first: float, last: float) -> Schedule:
    """beta_s = first + (last - first) s / (sweeps - 1). ValueError unless both are finite and at least 0.

    >>> import fastgibbs as fg
    >>> fg.linear(0.0, 3.0).betas(4).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    return Schedule("linear", *_ends(first, last))


def geometric(first: float, last: float) -> Schedule:
    """beta_s = first (last / first)^(s / (sweeps - 1)). ValueError unless both are finite and above 0.

    >>> import fastgibbs as fg
    >>> fg.geometric(0.1, 10.0).betas(3).round(6).tolist()
    [0.1, 1.0, 10.0]
    """
    first, last = _ends(first, last)
    for name, beta in (("first", first), ("last", last)):
        if beta == 0:
            raise ValueError(f"{name} is 0: a geometric schedule never leaves or reaches 0, use fastgibbs.linear")
    return Schedule("geometric", first, last)


def beta_range(model: Problem, hot: float = HOT, cold: float = COLD) -> tuple[float, float]:
    """The hottest and the coldest beta worth annealing a model at: the ends of `beta_schedule`, which see.

    ValueError unless 0 < hot < cold, both finite.

    >>> import fastgibbs as fg
    >>> print("from {:.3f} to {:.3f}".format(*fg.beta_range(fg.lattice((8, 8)))))
    from 0.499 to 1.736
    """
    hot, cold, costs = _knobs(model, hot, cold)
    with np.errstate(over="ignore"):
        return min(float(hot / costs[-1]), MOST_BETA), min(float(cold / costs[0]), MOST_BETA)


def beta_schedule(model: Problem, sweeps: int = 1000, hot: float = HOT, cold: float = COLD) -> FloatArray:
    """The betas that `anneal` goes through by default, ascending, float64 (sweeps,).

    Site i asks for beta from hot / D_i to cold / D_i, D_i being what its flip costs at the local minima that 16 random
    states descend to, on average, drawn half way to what it costs elsewhere for the same |h_i| + sum_j |J_ij|: from
    e^-hot to e^-cold, that is how often such a flip is accepted.
    Each beta gets sweeps in proportion to the sites that ask for it, sum_i of the parts of their ranges below beta_s
    being n s / (sweeps - 1): where all D_i are alike beta grows linearly, and
    parts of a model on scales of their own are cooled one after the other. Gaps much smaller than D_i are left to the
    descent at the end. ValueError unless 0 < hot < cold, both finite.

    >>> import fastgibbs as fg
    >>> fg.beta_schedule(fg.lattice((8, 8)), sweeps=4).round(3).tolist()
    [0.499, 0.883, 1.223, 1.736]
    """
    sweeps = checks.integer("sweeps", sweeps)
    checks.require_memory(16 * sweeps, f"a schedule of {sweeps} sweeps", "give fewer")
    return cooling(model, sweeps, hot, cold)[0].copy()


def cooling(model: Problem, sweeps: int, hot: float = HOT, cold: float = COLD) -> tuple[FloatArray, float]:
    """The betas of `beta_schedule`, and the one that nine tenths of them are below. Kept with the model."""
    model = problem("model", model)
    return kept(model, "cooling", (sweeps, hot, cold), lambda twin: asked_for(sweeps, *_knobs(twin, hot, cold)))


def asked_for(sweeps: int, hot: float, cold: float, costs: FloatArray) -> tuple[FloatArray, float]:
    """`cooling` of a model of such costs, ascending, float64 (k,), k > 0."""
    if hot == cold:  # nothing asks for any
        return np.full(sweeps, hot), hot
    betas, tenths, sums = np.empty(sweeps), np.empty(11), np.empty(costs.size + 1)
    asking.ask(costs, hot, cold, MOST_BETA, sums, betas)
    asking.ask(costs, hot, cold, MOST_BETA, sums, tenths)
    return betas, float(tenths[9])


def _knobs(model: Problem, hot: float, cold: float) -> tuple[float, float, FloatArray]:
    """`hot` and `cold`, and ascending what flips cost, where it is more than 0; 1s where that is nowhere."""
    model = problem("model", model)
    hot, cold = checks.finite_number("hot", hot), checks.finite_number("cold", cold)
    if not 0 < hot < cold:
        raise ValueError(f"hot is {hot} and cold {cold}: give numbers above 0, the hot one smaller")
    return felt(hot, cold, flip_costs(model))


def felt(hot: float, cold: float, costs: FloatArray) -> tuple[float, float, FloatArray]:
    """`hot` and `cold`, and those of the costs that are more than 0, ascending; 1s where there are none."""
    costs = np.sort(costs[costs > 0])
    return (hot, cold, costs) if costs.size else (1.0, 1.0, np.ones(1))


def coldest(model: ModelLike) -> float:
    """The coldest beta worth tempering a model at.

    The smallest excitation D of one spin happens once in 10^4 sweeps of all n spins, n exp(-beta D) = 10^-4.
    D = 2 min_i f_i, with f_i the smallest positive field that site i can feel if its couplings and field are whole
    multiples of one unit; otherwise f_i is its weakest coupling or field, and D the median over sites, since a few
    weak bonds do not decide how cold is cold.

    Of a model without an Ising form, 2 f_i is the least that a flip costs at the minima that random states come to.
    Of a Hopfield model no N x N array is built: f_i is the least positive multiple of 1/N that a Hebb field without h
    can be.
    """
    model = as_energy(model)
    if model.by_overlaps:
        patterns: Any = getattr(model, "patterns")  # noqa: B009 - which such a model has
        smallest = (2 - len(patterns) * (model.n - 1) % 2) / model.n
        return _freezing(smallest, model.n)
    if not model.has_ising_form:
        costs = costs_of_any(model, random_spins(model.n))
        costs = np.where(costs > 0, costs, np.inf).min(axis=0)
        return _freezing(np.median(costs[costs < np.inf]) / 2, model.n) if (costs < np.inf).any() else 1.0
    ising = model.to_ising()
    strengths = np.abs(ising.couplings)
    sites = np.repeat(np.arange(ising.n), np.diff(ising.indptr))
    own = np.abs(ising.fields)
    total = own + np.bincount(sites, strengths, ising.n)
    coupled = total > 0
    if not coupled.any():
        return 1.0
    values = np.unique(np.concatenate([strengths, own[own > 0]]))
    unit = _common_unit(values)
    if unit:
        smallest = np.where(np.rint(total / unit) % 2 == 1, unit, 2 * unit)[coupled].min()
    else:
        weakest = np.where(own > 0, own, np.inf)
        np.minimum.at(weakest, sites, strengths)
        smallest = np.median(weakest[coupled])
    return _freezing(smallest, ising.n)


def _freezing(smallest: float, n: int) -> float:
    """The beta of `coldest`, given f."""
    with np.errstate(over="ignore"):
        return min(float(np.log(1e4 * n) / (2 * np.float64(smallest))), MOST_BETA)


def _common_unit(values: FloatArray) -> float:
    """The largest number of which all values are whole multiples, up to 1000-fold; 0.0 if there is none."""
    unit = values[0]
    for value in values[1:]:
        while value > 1e-9 * values[-1]:
            unit, value = value, unit % value  # Euclid
            if unit < values[-1] / 1000:
                return 0.0
    multiples = values / unit
    return float(unit) if np.abs(multiples - np.rint(multiples)).max() < 1e-9 else 0.0


def _ends(first: float, last: float) -> tuple[float, float]:
    ends = checks.finite_number("first", first), checks.finite_number("last", last)
    for name, beta in zip(("first", "last"), ends, strict=True):
        if beta < 0:
            raise ValueError(f"{name} is {beta}: give an inverse temperature of at least 0")
    return ends
