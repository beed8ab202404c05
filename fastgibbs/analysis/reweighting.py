"""Observables as continuous functions of temperature, from the draws at a few: histograms reweighted, one or many."""

from __future__ import annotations

import warnings
from typing import Annotated, Any, NamedTuple

import numpy as np

from fastgibbs.analysis.errors import autocorrelation_time
from fastgibbs.analysis.records import ByBeta, Group, by_beta
from fastgibbs.analysis.thermodynamics import magnitude
from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray

_BLOCKS = 32  # of the jackknife, which then knows its error to 13 %
_FEWEST_DRAWS = 100  # that a reweighted mean should rest on
_MOST_OF_IT = 0.9  # of the weight at a beta
_MOST_STEPS = 100
_TOLERANCE = 1e-10
_REACH = 1.0  # of the width of a cell times a change of beta


@checks.by_contents
@described
class Reweighted(NamedTuple):
    """Means at each beta and their standard errors; all are per site, with k_B = 1.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, chains=16, sweeps=1000, burn_in=100, seed=1)
    >>> found = fg.analysis.reweight(run, [0.39, 0.41])
    >>> print(found.energy.round(2), found.binder.round(2))
    [-1.14 -1.28] [0.48 0.55]
    """

    betas: Annotated[FloatArray, "float64 (betas,)", "Where they are."]
    energy: Annotated[FloatArray, "float64 (betas,)", "<E> / n."]
    energy_error: Annotated[FloatArray, "float64 (betas,)", "Its error."]
    heat_capacity: Annotated[FloatArray, "float64 (betas,)", "beta^2 (<E^2> - <E>^2) / n."]
    heat_capacity_error: Annotated[FloatArray, "float64 (betas,)", "Its error."]
    magnetization: Annotated[FloatArray, "float64 (betas,)", "<|m|>."]
    magnetization_error: Annotated[FloatArray, "float64 (betas,)", "Its error."]
    susceptibility: Annotated[FloatArray, "float64 (betas,)", "beta n (<m^2> - <|m|>^2)."]
    susceptibility_error: Annotated[FloatArray, "float64 (betas,)", "Its error."]
    binder: Annotated[FloatArray, "float64 (betas,)", "1 - <m^4> / (3 <m^2>^2)."]
    binder_error: Annotated[FloatArray, "float64 (betas,)", "Its error."]
    entropy: Annotated[FloatArray, "float64 (betas,)", "(log Z + beta <E>) / n."]
    entropy_error: Annotated[FloatArray, "float64 (betas,)", "Its error."]
    free_energy: Annotated[FloatArray, "float64 (betas,)", "-log Z / (beta n); infinite at beta = 0."]
    free_energy_error: Annotated[FloatArray, "float64 (betas,)", "Its error."]
    effective_draws: Annotated[
        FloatArray,
        "float64 (betas,)",
        "(sum w)^2 / sum w^2 of the weights: the draws that the means rest on.",
    ]


class PooledDraws(NamedTuple):
    """Draws of all betas, those of one block side by side: float64 (draws,) but for the counts."""

    energy: FloatArray
    moments: FloatArray
    """|m|, m^2 and m^4, float64 (draws, 3)."""
    weight: FloatArray
    """1, or how many draws an entry stands for."""
    sizes: AnyArray
    """Entries of each block, int64 (blocks,)."""
    counts: AnyArray
    """Sums of weights of each block at each beta, (blocks, betas)."""
    mean_energies: FloatArray
    """At each beta, float64 (betas,)."""


def to_u_kn(result: ByBeta) -> tuple[FloatArray, IntArray]:
    """u_kn[k, i] = beta_k E_i and N_k, what `pymbar.MBAR(u_kn, N_k)` takes: float64 (betas, draws), int64 (betas,).

    Of a SampleResult, its chains grouped by beta, or a TemperResult; betas are the distinct ones, ascending, and draws
    stand in their order. Draws are a whole tau of E and |m| apart, the longer at that beta, so that they are nearly
    independent: pymbar's errors take them as such. pip install 'fastgibbs[free-energy]' brings pymbar.

    TypeError at another result; ValueError if it is of several models, has no draw, or the array would not fit.
    Source: Shirts and Chodera, J. Chem. Phys. 129, 124105 (2008), eq. 11.

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> u_kn, N_k = fg.analysis.to_u_kn(run)
    >>> u_kn.shape == (3, N_k.sum())
    True
    """
    groups = _groups(result)
    if groups[0].bins is not None:
        raise ValueError('result has bins in place of draws: sample with record="draws"')
    energies = [group.energy[:, at].ravel() for group, at in zip(groups, _spaced(groups, 1), strict=True)]
    counts = np.array([energy.size for energy in energies])
    checks.require_memory(8 * len(groups) * counts.sum(), f"u_kn of {len(groups)} betas x {counts.sum()} draws")
    return np.multiply.outer([group.beta for group in groups], np.concatenate(energies)), counts


def reweight(result: ByBeta, betas: ArrayLike) -> Reweighted:
    """<A>_beta = sum_i w_i A_i / sum_i w_i, w_i = exp(-beta E_i) / sum_k N_k exp(f_k - beta_k E_i): a `Reweighted`.

    i runs over the draws of a SampleResult or TemperResult at all its beta_k, N_k of them at each, and
    exp(-f_k) = sum_i exp(-beta_k E_i) / sum_j N_j exp(f_j - beta_j E_i) is Z(beta_k): the estimate of least variance
    (MBAR). A result at one beta is a single histogram, w_i = exp(-(beta - beta_1) E_i).

    `betas`: any, a number or an array, best within the range of the result's. log Z is n log 2 at beta = 0 if the
    result has draws there; otherwise log Z(b) = 0 at the smallest beta b, so that entropies lack log Z(b) / n and free
    energies -log Z(b) / (beta n).

    Draws are half a tau apart (closer ones add next to nothing). Errors are jackknifed: chains are cut in 32 blocks
    of consecutive draws, the same at all betas, since replicas of a ladder carry correlations from rung to rung; f_k
    is solved for again without each. That holds for ratios and for correlated draws, which the asymptotic covariance
    of independent ones does not; a block, chains x draws / 32, should be long against tau. f_k are those of pymbar,
    which is not needed here; see `to_u_kn` for its other estimators.

    Of a run that kept bins in place of draws, draws are the cells of its histograms (`Bins.levels`), as many as they
    have of them half a tau apart, and blocks are chains: errors rest on the spread of chains, of which 16 know it to
    18 %. A cell of width w is known by its mean and variance: at w |beta - beta_k| = 1 this changes what reweighting
    does to <E> by a thousandth, to C by a hundredth, and nearer by less, as the third power of that.

    Warns (UserWarning) where a mean rests on fewer than 100 draws: the range of reweighting ends there; where at a
    beta below all of the result's draws of the highest energy carry nine tenths of the weight, since cold draws of one
    energy all weigh the same at any beta, however many states lie above; and where w |beta - beta_k| > 1. TypeError
    or ValueError names an argument that is not as above, or two neighbouring betas whose energies do not overlap.

    Sources: Ferrenberg and Swendsen, Phys. Rev. Lett. 61, 2635 (1988) and 63, 1195 (1989); Shirts and Chodera,
    J. Chem. Phys. 129, 124105 (2008), eqs. 9 to 11.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=np.repeat([0.38, 0.42], 16), sweeps=1000, burn_in=100, seed=1)
    >>> print(fg.analysis.reweight(run, [0.39, 0.40, 0.41]).energy.round(2))
    [-1.16 -1.23 -1.3 ]
    """
    groups = _groups(result)
    wanted = np.atleast_1d(checks.finite_array("betas", betas)).copy()
    if wanted.ndim != 1 or wanted.size == 0:
        raise ValueError(f"betas has shape {wanted.shape}: give a number or a 1-D array")
    n = max(result.model.n, 1)
    sampled = np.array([group.beta for group in groups])
    draws, reach = (_in_blocks(groups), np.inf) if groups[0].bins is None else _in_cells(groups)
    memory = 24 * sampled.size * draws.energy.size
    checks.require_memory(memory, f"reweighting {sampled.size} betas x {draws.energy.size} draws")
    reference = int((sampled == 0).argmax())
    a = _solve(sampled, draws, reference)
    log_mixture, p = _mixture(a[0], sampled, draws.energy)
    log_z, means, effective = _means(wanted, draws, a, log_mixture, p)
    if sampled[reference] == 0:
        log_z = log_z + n * np.log(2)

    poor = effective < _FEWEST_DRAWS
    if poor.any():
        where = effective.argmin()
        warnings.warn(
            f"reweighted means rest on fewer than {_FEWEST_DRAWS} draws at {poor.sum()} of {poor.size} betas, on "
            f"{effective[where]:.0f} at beta = {wanted[where]:g}: sample nearer to them, or longer",
            stacklevel=2,
        )

    far = np.abs(wanted[:, None] - sampled).min(axis=1) > reach
    if far.any():
        warnings.warn(
            f"at {far.sum()} of {far.size} betas, as at beta = {wanted[far][0]:g}, histograms are too coarse for "
            f"reweighted means: it is farther than {reach:.3g} from the betas of the result; sample nearer to it, or "
            'with record="draws"',
            stacklevel=2,
        )

    blind = _carried_by_the_highest(wanted[wanted < sampled[0]], draws, log_mixture)
    if blind.size:
        warnings.warn(
            f"at beta = {blind.min():g}, below those of the result, means rest on draws of the highest energy "
            "that was met, and not on those above, which hardly any draw tells of: sample nearer to it",
            stacklevel=2,
        )

    centre = _mean_energy(draws)
    e, e2, m, m2, m4 = np.moveaxis(means, 2, 0)
    beta = wanted[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):  # F at beta = 0, U where m is always 0
        quantities = (
            (e + centre) / n,
            beta**2 * (e2 - e**2) / n,
            m,
            beta * n * (m2 - m**2),
            np.where(m2 > 0, 1 - m4 / (3 * m2**2), 0.0),
            (log_z + beta * (e + centre)) / n,
            -log_z / (beta * n),
        )
        blocks = len(draws.counts)
        errors = [np.sqrt((blocks - 1) * quantity[:, 1:].var(axis=1)) for quantity in quantities]
        errors = [np.where(np.isnan(error), np.inf, error) for error in errors]
    pairs = [part for quantity, error in zip(quantities, errors, strict=True) for part in (quantity[:, 0], error)]
    return Reweighted._make([wanted, *pairs, effective])


def _mean_energy(draws: PooledDraws) -> float:
    return (draws.energy * draws.weight).sum() / draws.weight.sum()


def _groups(result: ByBeta) -> list[Group]:
    """The records of a result of one model, beta by beta."""
    groups = by_beta(result)
    if getattr(result.model, "by_worldlines", False):
        raise TypeError(f"result is of {checks.shown(result.model)}, whose law is not exp(-beta E)")
    if isinstance(result.model, tuple):
        raise ValueError(f"result is of {len(result.model)} models: give a result of one, whose draws can be pooled")
    if any(group.field for group in groups):
        raise ValueError(
            "result has chains in fields beside the model's, which their energies are without: sample a "
            "model in the field"
        )
    if groups[0].energy.shape[1] == 0:
        raise ValueError("result has no draws")
    if groups[-1].beta == np.inf:
        raise ValueError("result has chains at beta = inf, which draw from no law: give a result without them")
    return groups


def _spaced(groups: list[Group], per_tau: float) -> list[IntArray]:
    """Of each group the draws, int64, that are tau / per_tau apart, counted back from the last."""
    kept = []
    for group in groups:
        tau = _tau(group)
        draws = group.energy.shape[1]
        kept.append(np.arange(draws - 1, -1, -max(round(tau / per_tau), 1))[::-1])
    return kept


def _tau(group: Group) -> float:
    """The longer autocorrelation time of E and |m|."""
    return max(autocorrelation_time(group.energy), autocorrelation_time(magnitude(group.magnetization)))


def _in_blocks(groups: list[Any]) -> PooledDraws:
    """The draws of all groups, half a tau apart, block by block."""
    blocks = min(_BLOCKS, min(group.energy.size for group in groups))
    labels, energies, magnetizations, counts = [], [], [], []
    for group, kept in zip(groups, _spaced(groups, 2), strict=True):
        chains, draws = group.energy.shape
        label = (np.arange(chains)[:, None] * draws + kept) * blocks // (chains * draws)
        labels.append(label.ravel())
        energies.append(group.energy[:, kept].ravel())
        magnetizations.append(group.magnetization[:, kept].ravel())
        counts.append(np.bincount(label.ravel(), minlength=blocks))
        if counts[-1].max() == kept.size * chains:
            raise ValueError(f"result has too few independent draws at beta = {group.beta:g}: run longer")
    order = np.argsort(np.concatenate(labels), kind="stable")
    means = np.array([energy.mean() for energy in energies])
    m, per_block = np.abs(np.concatenate(magnetizations)[order]), np.transpose(counts)
    moments = np.stack([m, m**2, m**4], axis=1)
    return PooledDraws(
        np.concatenate(energies)[order], moments, np.ones(m.size), per_block.sum(axis=1), per_block, means
    )


def _in_cells(groups: list[Any]) -> tuple[PooledDraws, float]:
    """The cells of all groups, a block for each chain, and how far from their betas they may be reweighted."""
    blocks = min(len(group.energy) for group in groups)
    if blocks < 2:
        raise ValueError(
            "result has bins of 1 chain at a beta: errors are of their spread, give 2 chains or more, or 16"
        )
    labels, points, counts, means, width = [], [], [], [], 0.0
    for group in groups:
        chains = len(group.energy)
        levels, tau = group.bins.levels(), _tau(group)
        weight = levels.count / max(tau / 2, 1)
        label = np.repeat(np.arange(chains) * blocks // chains, levels.energy.shape[1])
        filled = weight.ravel() > 0
        labels.append(label[filled])
        columns = levels.energy.reshape(-1, 1), levels.moments.reshape(-1, 3), weight.reshape(-1, 1)
        points.append(np.concatenate(columns, axis=1)[filled])
        counts.append(np.bincount(label, weight.ravel(), minlength=blocks))
        means.append(group.energy.mean())
        width = max(width, levels.width)
    of_points = np.concatenate(labels)
    table = np.concatenate(points)[np.argsort(of_points, kind="stable")]
    draws = PooledDraws(
        table[:, 0], table[:, 1:4], table[:, 4], np.bincount(of_points), np.transpose(counts), np.array(means)
    )
    return draws, _REACH / width if width else np.inf


def _solve(betas: FloatArray, draws: PooledDraws, reference: int) -> FloatArray:
    """a_k = log N_k + f_k of all draws, then without each block: float64 (1 + blocks, betas), f = 0 at `reference`.

    The root of N_k = sum_i p_ik, with p_ik the shares of beta_k in the mixture at E_i, is the minimum of a convex
    function: Newton's method, halving steps that climb, from the trapezoids of thermodynamic integration. One more step
    with the sums that lack a block gives the root without it, to second order in what it changes.
    """
    blocks, counts, weight = draws.sizes, draws.counts.sum(axis=0), draws.weight
    free = np.flatnonzero(np.arange(betas.size) != reference)
    a = np.log(counts)
    a[1:] += np.cumsum(np.diff(betas) * (draws.mean_energies[1:] + draws.mean_energies[:-1]) / 2)
    log_mixture, p = _mixture(a, betas, draws.energy)
    for _ in range(_MOST_STEPS):
        _require_overlap(betas, p, weight)
        sums, root = (p * weight).sum(axis=1), p * np.sqrt(weight)
        hessian = np.diag(sums) - root @ root.T
        step = np.zeros(betas.size)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], (counts - sums)[free])
        loss = (log_mixture * weight).sum() - counts @ a
        while True:
            log_mixture, p = _mixture(a + step, betas, draws.energy)
            if (log_mixture * weight).sum() - counts @ (a + step) <= loss + _TOLERANCE * abs(loss) or not step.any():
                break
            step /= 2
        a = a + step
        if np.abs(step).max() <= _TOLERANCE:
            break

    ends = np.cumsum(blocks)[:-1]
    sums = np.array([part.sum(axis=1) for part in np.split(p * weight, ends, axis=1)])
    products = np.array([part @ part.T for part in np.split(p * np.sqrt(weight), ends, axis=1)])
    hessians = products - products.sum(axis=0)
    hessians[:, range(betas.size), range(betas.size)] += sums.sum(axis=0) - sums
    steps = np.zeros((blocks.size, betas.size))
    inside = hessians[:, free[:, None], free]
    steps[:, free] = np.linalg.solve(inside, (sums - draws.counts)[:, free, None])[..., 0]
    a = np.concatenate([a[None], a + steps])
    counts = np.concatenate([counts[None], counts - draws.counts])
    return a - (a - np.log(counts))[:, [reference]]


def _mixture(a: FloatArray, betas: FloatArray, energy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """log sum_k exp(a_k - beta_k E_i), (draws,), and the share of every term in the sum, (betas, draws)."""
    shares = a[:, None] - np.multiply.outer(betas, energy)
    top = shares.max(axis=0)
    shares = np.exp(shares - top)
    total = shares.sum(axis=0)
    return top + np.log(total), shares / total


def _require_overlap(betas: FloatArray, p: FloatArray, weight: FloatArray) -> None:
    """ValueError unless one draw or more could be from either side of each gap between betas."""
    below = np.cumsum(p, axis=0)[:-1]
    shared = (below * (1 - below) * weight).sum(axis=1)
    if (shared < 1).any():
        gap = shared.argmin()
        raise ValueError(
            f"energies at beta = {betas[gap]:g} and {betas[gap + 1]:g} do not overlap: sample betas between them"
        )


def _carried_by_the_highest(below: FloatArray, draws: PooledDraws, log_mixture: FloatArray) -> FloatArray:
    """Of betas below all others those at which draws of the highest energy have 0.9 of the weight."""
    highest = draws.energy == draws.energy.max()
    logs = [
        np.logaddexp.reduce((np.log(draws.weight) - beta * draws.energy - log_mixture)[part])
        for beta in below
        for part in (highest, ...)
    ]
    top, all_ = np.reshape(logs, (-1, 2)).T
    return below[top - all_ > np.log(_MOST_OF_IT)]


def _means(
    wanted: FloatArray, draws: PooledDraws, a: FloatArray, log_mixture: FloatArray, p: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """log Z (wanted, 1 + blocks) and the means of E - its mean, its square, |m|, m^2, m^4 (wanted, 1 + blocks, 5).

    The first are of all draws, the others lack a block each. And the effective draws (wanted,). `log_mixture` and `p`:
    those of all draws.
    """
    energy = draws.energy - _mean_energy(draws)
    values = np.column_stack([np.ones_like(energy), energy, energy**2, draws.moments])
    changes = np.exp(a - a[0])
    ends = np.cumsum(draws.sizes)
    blocks = [slice(*between) for between in zip(np.append(0, ends[:-1]), ends, strict=True)]

    def log_weights(block: slice) -> FloatArray:
        return -np.multiply.outer(draws.energy[block], wanted) - log_mixture[block, None]

    highest = np.max([log_weights(block).max(axis=0, initial=-np.inf) for block in blocks], axis=0)
    sums, squares = np.zeros((wanted.size, len(a) * values.shape[1])), np.zeros(wanted.size)
    for number, block in enumerate(blocks):
        weights = np.exp(log_weights(block) - highest)
        factors = 1 / (p[:, block].T @ changes.T)  # by which a draw weighs more where others are left out
        factors[:, 1 + number] = 0.0
        weight = draws.weight[block, None]
        squares += (weights**2 * weight).sum(axis=0)
        weights *= weight
        sums += weights.T @ (factors[:, :, None] * values[block, None]).reshape(len(weights), -1)
    sums = sums.reshape(wanted.size, len(a), -1)
    with np.errstate(divide="ignore", invalid="ignore"):  # one block may hold all the weight
        log_z = np.log(sums[..., 0]) + highest[:, None]
        return log_z, sums[..., 1:] / sums[..., :1], sums[:, 0, 0] ** 2 / squares
