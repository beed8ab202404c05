"""Proofs of a model of your own: what all verbs rely on, asked of every state of a small one."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgibbs import exact
from fastgibbs.engines import ENGINES
from fastgibbs.io.problems import problem
from fastgibbs.methods.descent import turn
from fastgibbs.methods.sampling import sample
from fastgibbs.models import Energy, Flips, checks
from fastgibbs.models.energy import as_energy
from fastgibbs.reference.terms import flip_costs, turned_sums
from fastgibbs.testing.laws import draw_exactly, pvalue
from fastgibbs.types import ArrayLike, FloatArray, IntArray, ModelLike, Problem, States

MOST = 12  # variables, all of whose flips are looked at
CLOSE = 1e-10  # of the largest energy: more than rounding in float64, less than in float32
CHAINS, SWEEPS = 16_384, 3
SIGMAS = 5.0
LEVEL = 3e-7  # at this rate each test refuses a right model; as seeds are fixed, one that passes always does


def _cost(spins: States, site: int, n: int) -> float:
    a, b, d, e = spins[site - 2], spins[site - 1], spins[(site + 1) % n], spins[(site + 2) % n]
    return 2.0 * spins[site] * (a * b + b * d + d * e)


class Triples(Energy):
    """E(s) = -sum_i s_i s_{i+1} s_{i+2} on a ring, as somebody would write it who has no engine for it."""

    def energy(self, states: ArrayLike) -> FloatArray:
        """E(s) of states (..., n)."""
        s = self.to_spins(states)
        return -(s * np.roll(s, 1, axis=-1) * np.roll(s, 2, axis=-1)).sum(axis=-1, dtype=np.float64)

    def flips(self) -> Flips:
        """What a flip costs, by the three terms of a site."""
        return Flips(_cost, (self.n,))


def check_energy(model: Problem, beta: float | None = None) -> None:
    """AssertionError, which says what is wrong, unless a model of up to 12 variables is right.

    That is: states and spins are each other's, energies are finite and of one state at a time as of many, and either
    `to_ising()` has the same ones or `flips()` their differences, in Python and compiled, at all states; running sums
    follow every flip; what else the model says of itself is so, from `even` to `log_marginal`; states drawn from the
    enumerated law at `beta` still have it after sweeps by both rules, with the energies on record; and runs from random
    states come to the enumerated mean energy. `beta`: by default one over the standard deviation of E. Give a model
    with all kinds of terms that your class has.
    ValueError if there are more variables, TypeError if `model` is none.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> class Budget(fg.Energy):  # E(s) = (sum_i s_i - 1)^2, at most 4
    ...     def energy(self, states):
    ...         return np.minimum((self.to_spins(states).sum(axis=-1) - 1.0) ** 2, 4.0)
    >>> fg.testing.check_energy(Budget(5))  # says nothing: it is right
    """
    model = as_energy(problem("model", model))
    if not 1 <= model.n <= MOST:
        raise ValueError(f"{checks.shown(model)} has {model.n} variables: give a model of 1 to {MOST}")
    spins = exact.states(model.n)
    energies = _checked_energies(model, spins)
    if model.has_ising_form:
        form = np.asarray(model.to_ising().energy(spins))
        _require_close("to_ising().energy(spins)", form, "energy(states)", energies, spins, energies)
    _check_claims(model, spins, energies)
    if model.flips() is not None:
        _check_flips(model, spins, energies)
    if beta is None:
        largest = checks.largest(energies) or 1.0
        beta = 1 / ((energies / largest).std() or 1.0) / largest
    beta = checks.finite_number("beta", beta)
    engine = "terms" if model.flips() else "sparse" if model.has_ising_form else None
    for rule, scan in (("gibbs", "sequential"), ("metropolis", "random")) if engine else ():
        if beta or rule == "gibbs":  # at beta = 0 Metropolis flips whatever is visited
            _check_law(model, energies, dict(beta=beta, rule=rule, scan=scan, engine=engine, seed=1))


def _checked_energies(model: Energy, spins: States) -> FloatArray:
    """The energies of all states, found to be what `Energy.energy` says."""
    states = model.from_spins(spins)
    require(np.array_equal(model.to_spins(states), spins), "to_spins(from_spins(spins)) are other spins")
    energies = np.asarray(model.energy(states))
    require(energies.shape == (len(spins),), f"energy(states) of {states.shape} has shape {energies.shape}: give (k,)")
    require(energies.dtype == np.float64, f"energy(states) has dtype {energies.dtype}: give float64")
    bad = ~np.isfinite(energies)
    k = int(bad.argmax())
    require(not bad.any(), f"the energy of {states[k].tolist()} is {energies[k]}: give finite numbers")
    alone = [np.asarray(model.energy(state)) for state in states]
    require(alone[0].shape == (), f"energy(state) of ({model.n},) has shape {alone[0].shape}: give a number")
    _require_close("the energy of a state alone", np.array(alone), "among others", energies, states, energies)
    alike = np.array_equal(alone, energies) or not model.batch_invariant
    require(alike, "batch_invariant is True: energies of states alone have other last bits")
    return energies


def _check_claims(model: Energy, spins: States, energies: FloatArray) -> None:
    """AssertionError unless what a model may say of itself is so."""
    if model.even:
        _require_close("even is True: the energy", energies, "of the opposite state", energies[::-1], spins, energies)
    if model.field_bound is not None:
        bound, most = model.field_bound, checks.largest(energies[_flipped(model)] - energies[:, None])
        require(most <= 2 * bound + CLOSE * np.abs(energies).max(), f"field_bound is {bound}: a flip costs {most:.12g}")
    if model.n_hidden:
        visible = np.where(exact.states(model.n_visible) > 0, 1, model.low)
        found, expected = (np.logaddexp.reduce(logs) for logs in (model.log_marginal(visible), -energies))
        what = f"log_marginal(v) of all {len(visible)} visible states adds up to {found:.12g}"
        require(np.isclose(found, expected, CLOSE, CLOSE), f"{what}, log Z is {expected:.12g}")


def _flipped(model: ModelLike) -> IntArray:
    """The number of the state that each flip of each state leads to, (2^n, n)."""
    return np.arange(2**model.n)[:, None] ^ 1 << np.arange(model.n)


def _check_flips(model: ModelLike, spins: States, energies: FloatArray) -> None:
    """AssertionError unless costs are differences of energies at all states, and sums those of the state."""
    expected = energies[_flipped(model)] - energies[:, None]
    found = np.array([flip_costs(model, one, range(model.n)) for one in spins])
    for site in range(model.n):
        name = f"flips().cost of site {site}"
        _require_close(name, found[:, site], "the change of energy(states)", expected[:, site], spins, energies)
    flips = as_energy(model).flips()
    if flips is not None and flips.turn is not None:
        for one in spins:
            for site in range(model.n):
                followed, expected = turned_sums(model, one, site)
                what = f"flips().turn of site {site} makes the sums {followed.tolist()} at {one.tolist()}"
                require(np.allclose(followed, expected, CLOSE, CLOSE), f"{what}, they are {expected.tolist()} there")
    compiled = turn(model.from_spins(spins), model, ENGINES["terms"].prepare([model], 1), 0).T
    for site in range(model.n):
        name = f"flips().cost of site {site}, compiled,"
        _require_close(name, compiled[:, site], "in Python", found[:, site], spins, energies)


def _check_law(model: ModelLike, energies: FloatArray, how: dict[str, Any]) -> None:
    """AssertionError unless sweeps leave the enumerated law as it is, and come to it."""
    p, start = draw_exactly(model, how["beta"], np.random.default_rng(1), CHAINS)
    run = sample(model, sweeps=SWEEPS, chains=CHAINS, start=start, **how)
    states, told = model.to_spins(run.states), f'"{how["rule"]}" at beta = {how["beta"]:.4g}:'
    expected = energies[(states > 0) @ (1 << np.arange(model.n))]
    _require_close("an energy on record", run.energy[:, -1], "energy(states)", expected, states, energies)
    chance = pvalue(model, run.states, p)
    require(chance > LEVEL, f"{told} {SWEEPS} sweeps change the enumerated law: p = {chance:.0e}")
    run = sample(model, sweeps=400, burn_in=100, chains=128, thin=4, **how)
    means, mean = run.energy.mean(axis=1), p @ energies
    rounding = CLOSE * max(np.abs(energies).max(), np.finfo(np.float64).tiny)  # which may be all of a constant
    sigmas = abs(means.mean() - mean) / max(means.std(ddof=1) / np.sqrt(means.size), rounding)
    require(sigmas < SIGMAS, f"{told} <E> = {means.mean():.6g} is {sigmas:.1f} errors from the exact {mean:.6g}")


def require(right: object, otherwise: str) -> None:
    """AssertionError unless it is right; also where Python is told to leave assertions out."""
    if not right:
        raise AssertionError(otherwise)


def _require_close(
    name: str, found: FloatArray, other: str, expected: FloatArray, states: States, energies: FloatArray
) -> None:
    """AssertionError at the first state where two numbers differ by more than rounding."""
    wrong = ~(np.abs(found - expected) <= CLOSE * np.abs(energies).max())
    if wrong.any():
        k = int(wrong.argmax())
        raise AssertionError(f"{name} is {found[k]:.12g} at {states[k].tolist()}, {other} {expected[k]:.12g}")
