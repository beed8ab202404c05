"""Inverse temperatures of a run: schedules, and the range that a model asks for."""

from typing import NamedTuple

import numpy as np

from fastgibbs.models import Hopfield, checks

MOST_BETA = 1e300  # what a model asks for whose couplings are as small as numbers get


class Schedule(NamedTuple):
    """Inverse temperatures from `first` to `last`, in equal steps or in equal ratios."""

    kind: str
    first: float
    last: float

    def betas(self, sweeps: int) -> np.ndarray:
        """One beta per sweep, float64 (sweeps,)."""
        return {"linear": np.linspace, "geometric": np.geomspace}[self.kind](self.first, self.last, sweeps)


def linear(first, last) -> Schedule:
    """beta_s = first + (last - first) s / (sweeps - 1). ValueError unless both are finite and at least 0."""
    return Schedule("linear", *_ends(first, last, 0.0))


def geometric(first, last) -> Schedule:
    """beta_s = first (last / first)^(s / (sweeps - 1)). ValueError unless both are finite and above 0."""
    first, last = _ends(first, last, 0.0)
    for name, beta in (("first", first), ("last", last)):
        if beta == 0:
            raise ValueError(f"{name} is 0: a geometric schedule never leaves or reaches 0, use fastgibbs.linear")
    return Schedule("geometric", first, last)


def beta_range(model) -> tuple[float, float]:
    """The hottest and the coldest beta worth running a model at.

    Hottest: the strongest local field F = max_i (|h_i| + sum_j |J_ij|) is overcome half the time, exp(-2 beta F) = 1/2.
    Coldest: the smallest excitation D of one spin happens once in 10^4 sweeps of all n spins, n exp(-beta D) = 10^-4.
    D = 2 min_i f_i, with f_i the smallest positive field that site i can feel if its couplings and field are whole
    multiples of one unit; otherwise f_i is its weakest coupling or field, and D the median over sites, since a few
    weak bonds do not decide how cold is cold.

    Of a Hopfield model no N x N array is built: F is a bound, and f_i the least positive multiple of 1/N that a Hebb
    field without h can be.
    """
    if isinstance(model, Hopfield) and model.rule != "storkey":
        smallest = (2 - len(model.patterns) * (model.n - 1) % 2) / model.n
        return _ends_of(_strongest_field(model), smallest, model.n)
    ising = model.to_ising()
    strengths = np.abs(ising.couplings)
    sites = np.repeat(np.arange(ising.n), np.diff(ising.indptr))
    own = np.abs(ising.fields)
    total = own + np.bincount(sites, strengths, ising.n)
    felt = total > 0
    if not felt.any():
        return _ends_of(0.0, 1.0, ising.n)
    values = np.unique(np.concatenate([strengths, own[own > 0]]))
    unit = _common_unit(values)
    if unit:
        smallest = np.where(np.rint(total / unit) % 2 == 1, unit, 2 * unit)[felt].min()
    else:
        weakest = np.where(own > 0, own, np.inf)
        np.minimum.at(weakest, sites, strengths)
        smallest = np.median(weakest[felt])
    return _ends_of(total.max(), smallest, ising.n)


def _ends_of(strongest, smallest, n: int) -> tuple[float, float]:
    """The two ends of `beta_range`, given F and f."""
    if strongest == 0:
        return 1.0, 1.0
    with np.errstate(over="ignore"):
        ends = np.log(2) / (2 * np.float64(strongest)), np.log(1e4 * n) / (2 * np.float64(smallest))
    return tuple(min(float(beta), MOST_BETA) for beta in ends)


def _strongest_field(model: Hopfield) -> float:
    """A bound on the local fields max_i (|h_i| + sum_j |J_ij|) of a Hopfield model of rank P.

    (sum_j |J_ij|)^2 <= N sum_j J_ij^2 (Cauchy and Schwarz), and sum_j J_ij^2 with the diagonal is (1/N) xi_i.Q.xi_i by
    the Hebb rule and J_ii by the pseudo-inverse rule. Of order n > 2, |f_i| <= sum_mu |m_mu|^(n-1) <= sum_mu m_mu^2,
    at most the largest eigenvalue of Q.
    """
    patterns, n = model.patterns, model.n
    Q = model.sums(patterns) / n
    if model.order > 2:
        couplings = np.linalg.eigvalsh(Q)[-1:]
    else:
        squared = np.empty(n)
        for first in range(0, n, 4096):
            xi = patterns[:, first : first + 4096].astype(np.float64)
            if model.inverse is None:
                squares, diagonal = (xi * (Q @ xi)).sum(axis=0) / n, len(patterns) / n
            else:
                squares = diagonal = (xi * (model.inverse @ xi)).sum(axis=0) / n
            squared[first : first + 4096] = squares - diagonal**2
        couplings = np.sqrt(n * np.maximum(squared, 0.0))
    return float((np.abs(model.fields) + couplings.max(initial=0.0)).max())


def _common_unit(values: np.ndarray) -> float:
    """The largest number of which all values are whole multiples, up to 1000-fold; 0.0 if there is none."""
    unit = values[0]
    for value in values[1:]:
        while value > 1e-9 * values[-1]:
            unit, value = value, unit % value  # Euclid
            if unit < values[-1] / 1000:
                return 0.0
    multiples = values / unit
    return float(unit) if np.abs(multiples - np.rint(multiples)).max() < 1e-9 else 0.0


def _ends(first, last, least):
    ends = checks.finite_number("first", first), checks.finite_number("last", last)
    for name, beta in zip(("first", "last"), ends, strict=True):
        if beta < least:
            raise ValueError(f"{name} is {beta}: give an inverse temperature of at least {least}")
    return ends
