"""A result as one table for people: what was measured at each temperature, and whether to believe it."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.analysis.errors import (
    FEWEST_DRAWS,
    LARGEST_R_HAT,
    Mean,
    blocks,
    disagreement,
    split_r_hat,
    standard_error,
)
from fastgibbs.analysis.quantum import QuantumMeans, of_group
from fastgibbs.analysis.records import ByBeta, Group, by_beta, first_model, sites_of
from fastgibbs.analysis.reports import Report, Reporting, with_error
from fastgibbs.analysis.response import by_phase
from fastgibbs.analysis.thermodynamics import binder_cumulant, heat_capacity, magnitude, susceptibility, temperature
from fastgibbs.models import checks
from fastgibbs.types import FloatArray

FEWEST_TAU = 50  # autocorrelation times in a chain: of fewer, tau itself is not to be trusted (Sokal 1996)
FALSE_ALARMS = 0.005  # the chance of a warning about good chains of GOOD_TAU or more, were tau's noise log-normal
GOOD_TAU = 60
_ROW_TAU = 10  # in a row of a jackknife: of shorter ones the errors are too small
_TOLD = "cluster_m2", "cluster_size"  # by moves of clusters
_WHOLE = 0.95  # of the sites in the cluster of a random one, on average: there moves turn all spins alike


def summary(result: Reporting) -> str:
    """What a result has to say, and whether to believe it: its `summary()`.

    Of a SampleResult (model by model, if several) and a TemperResult a table, one row per beta, and warnings. E, C and
    chi are per site. tau, in draws, is the longer autocorrelation time of E and |m|, ESS the smaller number of
    independent draws of all chains, R-hat the larger; C, the connected chi and the Binder cumulant U are those of
    `heat_capacity`, `susceptibility` and `binder_cumulant`. 0.4321(12) is 0.4321 +- 0.0012.

    It warns where chains are shorter than 50 tau; where R-hat is above 1.01 and chains disagree by more than their
    autocorrelation explains (`disagreement`), as chains stuck in different places do; and of what `equilibration` finds
    in a TemperResult. The limits leave room for the noise of tau in few chains (Bonferroni over the rows): good chains
    of 60 tau are warned of in about 1 table of 100, and in 1 of 50 at most, of any tau and 4 to 64 chains. It notes
    where errors of C, chi and U rest on stretches of chains shorter than 10 tau and are 5 to 8 % too small, as those of
    fewer than 16 short chains do. Chains at beta = inf draw from no law: they have no C and chi and are not judged. Of
    a run that kept bins in place of draws, all of it is of these bins. Of a run with cluster moves it has what they
    tell of <m^2>, and warns where the cluster of a site holds more than 95 % of all sites on average. Of quantum
    spins it has the means of `quantum`, E and C of all of H.

    Of a driven run it has averages by phase: there is no stationary law that C, chi and R-hat could be of. In a field b
    beside the model's own E is without it, and C is of E - b sum_i s_i; bins do not tell it.

    Of an AnnealResult it gives a few lines instead: the lowest energy, in how many reads and states, the chance and the
    time to come to it again, and what was run; it warns of runs that were stopped and of energies that one read found.
    Of a RecallResult it gives the memories that cues came to, of a TrainResult rows of its history. TypeError at
    anything else.

    >>> import fastgibbs as fg
    >>> run = fg.anneal(fg.lattice((4, 4)), seed=1)
    >>> print(fg.analysis.summary(run).splitlines()[0])
    AnnealResult(Ising(n=16, bonds=32, fields=0), reads=64, lowest=-32 in 64, engine='multispin')
    """
    checks.able("result", result, "report", "what sample, anneal, temper, recall, train or fit_ising returned")
    return str(result.report())


def by_temperature(result: ByBeta) -> Report:
    """The report of a result that has records by beta: a SampleResult or a TemperResult (see `summary`)."""
    if getattr(result, "driven", False):
        return by_phase(result)
    groups = by_beta(result)
    draws = groups[0].energy.shape[1]
    if draws < FEWEST_DRAWS:
        return Report(
            [repr(result), f"no table: there are {draws} draws, at least {FEWEST_DRAWS} are needed"], {}, {}, []
        )
    model = first_model(result)
    n = sites_of(model)
    magnitudes = [magnitude(group.magnetization) for group in groups]
    quantum = [of_group(group, model) for group in groups] if getattr(model, "by_worldlines", False) else []
    if quantum:
        magnitudes = [group.observables["abs_m"] for group in groups]
        groups = [group._replace(energy=group.observables["total_energy"]) for group in groups]
    worth = _worth(groups, magnitudes, n)
    columns = _columns(groups, worth, quantum, n)
    if not isinstance(result.model, tuple):
        del columns["model"]
    if getattr(result, "field", None) is None and getattr(result, "fields", None) is None:
        del columns["field"]
    if getattr(result, "gammas", None) is None:
        del columns["Gamma"]
    told = [[standard_error(g.observables[name]) for name in _TOLD] for g in groups if set(_TOLD) <= set(g.observables)]
    if told:
        columns["<m^2>"] = [with_error(m2.mean, m2.error) for m2, _ in told]
    others = [
        *(result.equilibration.problems if hasattr(result, "equilibration") else ()),
        *_percolating(np.array([group.beta for group in groups]), np.array([size.mean for _, size in told])),
    ]
    about = f"{draws} draws a chain, every {result.thin} sweeps{_binned(groups[0])}; tau in draws; (12) is the error "
    return Report([repr(result), f"{about}of the last digits"], {}, columns, _verdict(groups, worth, others))


class _Worth(NamedTuple):
    """What the records of E and |m| in every row are worth."""

    energies: list[Mean]  # per site
    ms: list[Mean]
    tau: FloatArray  # float64 (rows,): the longer one
    r_hats: FloatArray  # float64 (rows,): the larger one
    scores: FloatArray  # float64 (rows,), of `disagreement`: the larger one


def _worth(groups: list[Group], magnitudes: list[Any], n: int) -> _Worth:
    energies = [standard_error(group.energy / n) for group in groups]
    ms = [standard_error(magnitude) for magnitude in magnitudes]
    tau = [max(e.tau, m.tau) for e, m in zip(energies, ms, strict=True)]
    r_hats, scores = (
        np.array([max(of(group.energy), of(m)) for group, m in zip(groups, magnitudes, strict=True)])
        for of in (split_r_hat, disagreement)
    )
    return _Worth(energies, ms, np.array(tau), r_hats, scores)


def _columns(groups: list[Group], worth: _Worth, quantum: list[QuantumMeans], n: int) -> dict[str, list[str]]:
    """The table, but for what clusters tell; `quantum`: of quantum spins their means, else none."""
    means = list(zip(worth.energies, worth.ms, strict=True))
    columns = {
        "beta": [f"{group.beta:.6g}" for group in groups],
        "T": [f"{temperature(group.beta):.5g}" for group in groups],
        "field": [f"{group.field:.5g}" for group in groups],
        "Gamma": [f"{of.gamma:.5g}" for of in quantum],
        "model": [str(group.model) for group in groups],
        "chains": [str(len(group.energy)) for group in groups],
        "tau": [f"{one:.1f}" for one in worth.tau],
        "ESS": [f"{min(e.effective_draws, m.effective_draws):.0f}" for e, m in means],
        "R-hat": [f"{one:.4f}" for one in worth.r_hats],
        "E/N": [with_error(e.mean, e.error) for e, _ in means],
        "|m|": [with_error(m.mean, m.error) for _, m in means],
        "C/N": [
            "-" if g.beta == np.inf or (g.bins and g.field) else with_error(*heat_capacity(felt(g, n), g.beta, n))
            for g in groups
        ],
        "chi": ["-" if g.beta == np.inf else with_error(*susceptibility(g.magnetization, g.beta, n)) for g in groups],
        "U": [with_error(*binder_cumulant(group.magnetization)) for group in groups],
    }
    if quantum:
        columns["C/N"] = [with_error(*np.divide(of.heat_capacity, n)) for of in quantum]
        columns["U"] = [with_error(*of.binder) for of in quantum]
        columns["<x>"] = [with_error(of.x.mean, of.x.error) for of in quantum]
        columns["<zz>"] = [with_error(of.zz.mean, of.zz.error) for of in quantum]
    return columns


def _verdict(groups: list[Group], worth: _Worth, others: list[str]) -> list[str]:
    """Whether to believe the table, in notes and warnings; `others`: more to warn of."""
    betas, chains = (np.array(of) for of in zip(*((group.beta, len(group.energy)) for group in groups), strict=True))
    _, _, tau, r_hats, scores = worth
    lengths, warm = groups[0].energy.shape[1] / tau, betas < np.inf
    limit = NormalDist().inv_cdf(1 - FALSE_ALARMS / (4 * len(groups)))  # two records a row, and two signs
    noise = limit / np.sqrt(3 * chains)
    problems = [
        *_too_short(betas[warm], lengths[warm], noise[warm]),
        *_disagreeing(betas[warm], r_hats[warm], scores[warm], limit),
        *others,
    ]
    good = f"Every chain is at least {FEWEST_TAU} tau long, and no R-hat is above {LARGEST_R_HAT}."
    if lengths[warm].min(initial=np.inf) < FEWEST_TAU or r_hats[warm].max(initial=1.0) > LARGEST_R_HAT:
        good = "No sign that anything is wrong, as far as so few draws can show it."
    rows = np.array([blocks(group.energy).shape for group in groups])
    cut = (rows[:, 0] > chains) & (rows[:, 1] < _ROW_TAU * tau)
    return [
        *_notes(betas[cut & warm]),
        *([] if warm.all() else ["Chains at beta = inf go down and stay there: where depends on their starts."]),
        *([f"WARNING: {problem}" for problem in problems] or ([good] if warm.any() else [])),
    ]


def felt(group: Group, n: int) -> Any:
    """The energies in the field beside the model's own."""
    return group.energy - group.field * n * group.magnetization if group.field else group.energy


def _binned(group: Group) -> str:
    return "" if group.bins is None else f", kept in bins of {group.bins.energy.width}"


def _percolating(betas: FloatArray, sizes: FloatArray) -> list[str]:
    whole = betas[: sizes.size][sizes > _WHOLE]
    if not whole.size:
        return []
    return [
        f"the cluster of a site holds {sizes.max():.1%} of all sites on average at {_places(whole)}: cluster moves "
        "turn all spins alike, or none, and chains mix by single-spin sweeps alone."
    ]


def _notes(betas: FloatArray) -> list[str]:
    if not betas.size:
        return []
    return [
        f"Errors of C, chi and U at {_places(betas)} are 5 to 8 % too small: they rest on stretches of chains shorter "
        f"than {_ROW_TAU} tau."
    ]


def _too_short(betas: FloatArray, lengths: FloatArray, noise: FloatArray) -> list[str]:
    """`noise`: of the logarithm of tau in chains of GOOD_TAU, at the limit (Madras and Sokal 1988, eq. 3.19)."""
    short = lengths < np.minimum(FEWEST_TAU, GOOD_TAU * np.exp(-noise))
    if not short.any():
        return []
    worst = lengths.argmin()
    return [
        f"chains are shorter than {FEWEST_TAU} tau at {_places(betas[short])}, worst at beta = {betas[worst]:g} "
        f"with {lengths[worst]:.1f}: errors are guesses; give {_rounded_up(FEWEST_TAU / lengths[worst])} x the sweeps."
    ]


def _disagreeing(betas: FloatArray, r_hats: FloatArray, scores: FloatArray, limit: float) -> list[str]:
    bad = (r_hats > LARGEST_R_HAT) & (scores > limit)
    if not bad.any():
        return []
    worst = np.where(bad, scores, -np.inf).argmax()
    return [
        f"chains disagree, R-hat is above {LARGEST_R_HAT}, at {_places(betas[bad])}, worst at beta = {betas[worst]:g} "
        f"with {r_hats[worst]:.3f}, {scores[worst]:.1f} standard errors from chains that agree: they remember their "
        "starts; give a longer burn_in and more sweeps."
    ]


def _places(betas: FloatArray) -> str:
    """How many betas, and between which."""
    distinct = np.unique(betas)
    if distinct.size == 1:
        return "one beta"
    return f"{distinct.size} betas from {distinct[0]:g} to {distinct[-1]:g}"


def _rounded_up(factor: float) -> str:
    """A factor above 1 in one or two digits, not below it."""
    return f"{np.ceil(factor * 10) / 10:g}" if factor < 10 else f"{np.ceil(factor):g}"
