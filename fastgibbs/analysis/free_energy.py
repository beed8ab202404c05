"""log Z along a tempering ladder, from the energies drawn at its rungs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.analysis.bins import Levels
from fastgibbs.analysis.rungs import ascending, energy_record
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, FloatArray, IntArray

_FEWEST_BLOCKS = 32
_MOST_STEPS = 100
_TOLERANCE = 1e-12


@checks.by_contents
class LogZ(NamedTuple):
    """log Z at every rung by three estimators, and their standard errors, which may be infinite: float64 (rungs,).

    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> print(run.log_z.forward.round(1), run.log_z.backward.round(1))
    [44.4 47.1 56. ] [44.4 47.4 57.4]
    """

    bar: FloatArray
    bar_error: FloatArray
    forward: FloatArray
    forward_error: FloatArray
    backward: FloatArray
    backward_error: FloatArray


def log_z(
    betas: ArrayLike,
    energies: ArrayLike | Levels,
    reference: float,
    fields: ArrayLike | None = None,
    sums: ArrayLike | None = None,
) -> LogZ:
    """log Z at every rung, gap by gap, c = log Z(b') / Z(b) with d = b' - b and means over draws at b and b': a `LogZ`.

    forward   c = log <exp(-d E)>_b, the stepping stone (Xie et al., Syst. Biol. 60, 150 (2011))
    backward  c = -log <exp(d E)>_b', the same from the cold side: the two err in opposite directions
    bar       <f(c + d E)>_b = <f(-c - d E)>_b' with f(x) = 1 / (1 + exp(x)), of least variance (Bennett, J. Comput.
              Phys. 22, 245 (1976), eq. 12; Shirts, Bair, Hooker and Pande, Phys. Rev. Lett. 91, 140601 (2003))

    `betas` (rungs,) ascending; `energies` (ladders, rungs, draws), totals and not per site, in units of 1/beta;
    `reference` is log Z at betas[0]: n log 2 for n spins at beta = 0. Where rungs have `fields` b, (rungs,), beside the
    model's, `sums` are sum_i s_i, like energies: in the place of d E is then d E - (b' beta' - b beta) sum_i s_i, and
    betas need not ascend.
    Errors are jackknifed: each ladder's draws are cut in contiguous blocks, 32 or more in all where there are draws
    enough, and a block is left out at all rungs at once, since replicas carry correlations from rung to rung. A block
    must be long compared with the time of a round trip. Of `Levels` (ladders, rungs, points), which stand for draws
    that were not kept, a block is a ladder, and two or more are needed. Forward and backward are biased, and their
    errors too small or even 0, where one rung hardly meets states that the other does: trust bar, and take them for
    bounds.

    From the first gap on in which no draw could be from either rung - the sum of p (1 - p) over all draws, p the chance
    that one is from the cold rung, is below 1 - the draws do not tell the ratio, and all errors are infinite.
    ValueError names the argument that is not as above, or if there is only one draw in all.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> print(fg.analysis.log_z(run.betas, run.energy, 64 * np.log(2)).bar.round(1))
    [44.4 47.  56.6]
    """
    betas = ascending(betas) if fields is None else checks.finite_array("betas", betas)
    weights: FloatArray | None = None
    if isinstance(energies, Levels):
        weights, energies = energies.count, energies.energy
        if len(energies) < 2:
            raise ValueError("energies has levels of 1 ladder: error bars need at least 2")
    else:
        energies = _drawn("energies", energies)
    if energies.shape[1] != betas.size:
        raise ValueError(f"energies has shape {energies.shape}: give (ladders, rungs, draws) with {betas.size} rungs")
    widths = np.diff(betas)[:, None]
    ups, downs = -widths * energies[:, :-1], widths * energies[:, 1:]
    if sums is not None:
        pushes = np.zeros(betas.size) if fields is None else checks.finite_array("fields", fields, betas.shape)
        of_sums, widths = checks.finite_array("sums", sums, energies.shape), np.diff(betas * pushes)[:, None]
        ups, downs = ups + widths * of_sums[:, :-1], downs - widths * of_sums[:, 1:]
    return _along(ups, downs, reference, weights)


def log_z_of_ratios(ups: ArrayLike, downs: ArrayLike, reference: float) -> LogZ:
    """log Z at every rung, as `log_z`, whatever the laws w_r(s) / Z_r of the rungs: a `LogZ`.

    `ups` and `downs`, (ladders, rungs, draws): of each draw at rung r log w_{r+1}(s) / w_r(s) and
    log w_{r-1}(s) / w_r(s), what there is beyond the ends not being read; `reference` is log Z at rung 0. Estimators,
    errors and what is refused are those of `log_z`.

    >>> import fastgibbs as fg
    >>> quantum = fg.TransverseIsing(fg.lattice((6,)), gamma=1.0, slices=16)
    >>> run = fg.temper(quantum, betas=2.0, gammas=[1.0, 0.8], sweeps=1000, seed=1)
    >>> told = run.observables
    >>> print(fg.analysis.log_z_of_ratios(told["log_up"], told["log_down"], 0.0).bar.round(1))
    [ 0.  -1.2]
    """
    ups = _drawn("ups", ups)
    downs = checks.finite_array("downs", downs, ups.shape)
    return _along(ups[:, :-1], downs[:, 1:], reference, None)


def _drawn(name: str, record: ArrayLike) -> FloatArray:
    """What `energy_record` makes of it; ValueError of one draw."""
    found = energy_record(record, name)
    if len(found) * found.shape[2] < 2:
        raise ValueError(f"{name} has 1 draw: error bars need at least 2")
    return found


def _blocks(ladders: int, draws: int) -> tuple[IntArray, IntArray]:
    """Where the blocks of a jackknife begin in each ladder, and the draws of all of them, (ladders x blocks,)."""
    count = min(draws, -(-_FEWEST_BLOCKS // ladders))
    edges = np.arange(count) * draws // count
    return edges, np.tile(np.diff(edges, append=draws), ladders)


def _along(ups: FloatArray, downs: FloatArray, reference: float, weights: FloatArray | None) -> LogZ:
    """`LogZ` of log ratios (ladders, gaps, draws), of the draws at the lower rung of each gap and at the upper one.

    `weights`: how many draws each stands for, (ladders, rungs, draws), of levels.
    """
    reference = checks.finite_number("reference", reference)
    ladders, gaps, draws = ups.shape
    if weights is None:
        edges, sizes = _blocks(ladders, draws)
        logs = np.zeros((1, gaps + 1, 1))
    else:
        edges, sizes = np.zeros(1, np.int64), weights[:, 0].sum(axis=1)
        with np.errstate(divide="ignore"):
            logs = np.log(weights)
    log_sizes = np.log(sizes)

    # Of each estimator and gap the log ratio from all draws, then from all but one block: (estimator, gap, 1 + blocks).
    steps, shared = np.empty((3, gaps, 1 + log_sizes.size)), np.empty(gaps)
    count = _with_and_without(log_sizes)
    for gap in range(gaps):
        hot, cold = ups[:, gap], -downs[:, gap]
        of_hot, of_cold = logs[:, gap], logs[:, gap + 1]
        steps[0, gap], shared[gap] = _bennett(hot, cold, of_hot, of_cold, edges)
        steps[1, gap] = _with_and_without(_log_sums(of_hot + hot, edges)) - count
        steps[2, gap] = count - _with_and_without(_log_sums(of_cold - cold, edges))
    cumulated = np.zeros((3, gaps + 1, 1 + log_sizes.size))
    np.cumsum(steps, axis=1, out=cumulated[:, 1:])
    left_out = cumulated[:, :, 1:]
    errors = np.sqrt((log_sizes.size - 1) * left_out.var(axis=2))
    values = reference + cumulated[:, :, 0]
    errors[:, 1:][:, np.logical_or.accumulate(shared < 1)] = np.inf
    (bar, forward, backward), (bar_error, forward_error, backward_error) = values, errors
    return LogZ(bar, bar_error, forward, forward_error, backward, backward_error)


@checks.by_contents
class IntegratedLogZ(NamedTuple):
    """log Z at every rung, its standard error, and a bound on the bias of the rule: float64 (rungs,) each.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> found = fg.analysis.integrated_log_z(run.betas, run.energy, 64 * np.log(2))
    >>> print(found.error.round(1), found.quadrature.round(1))
    [0.  0.  0.1] [0.  0.4 4.8]
    """

    value: FloatArray
    error: FloatArray
    quadrature: FloatArray


def integrated_log_z(betas: ArrayLike, energies: ArrayLike, reference: float) -> IntegratedLogZ:
    """log Z(beta) = reference - integral of <E>: thermodynamic integration, an `IntegratedLogZ`.

    <E> falls in beta, by its variance V = -d<E>/dbeta. So between rungs d apart the integral lies between <E>' d and
    <E> d, whatever the model. Inside, it is taken as (<E> + <E>') d / 2 + (V' - V) d^2 / 12, the trapezoidal rule with
    its end correction, wrong in the order d^5.

    `quadrature` bounds the bias: in each gap it is the distance to the farther end of that bracket, times

        r^(3/2) + (d s)^3 / 100, at most 1, with r = |1 - (V + V') d / 2 (<E> - <E>')| and s^2 the largest of V, V' and
        their mean (<E> - <E>') / d,

    both of the order that the rule's error has in the bracket where a gap is narrow. r is what the trapezoid of V is
    off by, and all that two rungs tell of what lies between them; it may be 0 by chance, and then the second term
    stands for skewness, of order 1, that they do not see. It held for every ladder tried, of 4 to 40 rungs, even,
    geometric, random or with one wide gap; halving the rungs, which sees no single wide gap, does not.
    `error` is jackknifed over blocks of draws as in `log_z`, and the bound is no part of it. Arguments and errors as
    there.
    Kirkwood, J. Chem. Phys. 3, 300 (1935); Abramowitz and Stegun, Handbook of Mathematical Functions, 25.4.2.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> run = fg.temper(fg.lattice((8, 8)), betas=[0.0, 0.2, 0.4], sweeps=1000, seed=1)
    >>> print(fg.analysis.integrated_log_z(run.betas, run.energy, 64 * np.log(2)).value.round(1))
    [44.4 47.  56.7]
    """
    betas, energies = ascending(betas), _drawn("energies", energies)
    reference = checks.finite_number("reference", reference)
    ladders, rungs, draws = energies.shape
    if rungs != betas.size:
        raise ValueError(f"energies has shape {energies.shape}: give (ladders, rungs, draws) with {betas.size} rungs")
    edges, sizes = _blocks(ladders, draws)
    middle = energies.mean(axis=(0, 2))
    distance = energies - middle[:, None]
    sums = [np.add.reduceat(d, edges, axis=2).swapaxes(1, 2).reshape(-1, rungs) for d in (distance, distance**2)]
    count, first, second = (np.vstack([part.sum(axis=0), part.sum(axis=0) - part]) for part in (sizes[:, None], *sums))
    means = middle + first / count
    integrals, bounds = _integrals(np.diff(betas), means, np.maximum(second / count - (first / count) ** 2, 0.0))
    value = reference - np.pad(np.cumsum(integrals, axis=1), ((0, 0), (1, 0)))
    error = np.sqrt((len(value) - 2) * value[1:].var(axis=0))
    return IntegratedLogZ(value[0], error, np.append(0.0, np.cumsum(bounds[0])))


def _integrals(d: FloatArray, f: FloatArray, V: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The integrals of f = <E> over gaps of widths d, and bounds on their biases, from f and V (..., rungs)."""
    top, bottom = np.maximum(f[..., :-1], f[..., 1:]), np.minimum(f[..., :-1], f[..., 1:])
    rule = (top + bottom) * d / 2 + np.diff(V, axis=-1) * d**2 / 12
    value = np.clip(rule, bottom * d, top * d)
    farther = np.maximum(value - bottom * d, top * d - value)
    fall, trapezoid = f[..., :-1] - f[..., 1:], (V[..., :-1] + V[..., 1:]) * d / 2
    seen = fall > np.finfo(np.float64).tiny  # without a fall, the draws of both rungs say nothing of the gap
    off = np.where(seen, np.abs(1 - trapezoid / np.where(seen, fall, 1.0)), 1.0)
    largest = np.maximum(np.maximum(V[..., :-1], V[..., 1:]), np.maximum(fall, 0.0) / d)
    return value, np.minimum(off**1.5 + (d * np.sqrt(largest)) ** 3 / 100, 1.0) * farther


def _bennett(
    hot: FloatArray, cold: FloatArray, of_hot: FloatArray, of_cold: FloatArray, edges: IntArray
) -> tuple[FloatArray, float]:
    """Bennett's c of one gap, from exponents u = -d E (ladders, draws) at both rungs: with and without each block.

    `of_hot` and `of_cold`: the logarithms of how many draws each stands for.

    And the sum of p (1 - p) of all draws: how many could be from either rung.

    c is the root of g(c) = log sum_hot p - log sum_cold (1 - p), with p = 1 / (1 + exp(c - u)) the chance that a draw
    is from the cold rung; in logarithms, g has a root even where no energies are common to both. Newton's method finds
    it, and the same last step from the sums without a block, to second order in what the block changes.
    """
    low, high = min(hot.min(), cold.min()), max(hot.max(), cold.max())
    c = (hot.mean() + cold.mean()) / 2  # the trapezoid of thermodynamic integration
    for _ in range(_MOST_STEPS):
        log_p, log_q = -np.logaddexp(0, c - hot), -np.logaddexp(0, cold - c)
        terms = (log_p + of_hot, 2 * log_p + c - hot + of_hot, log_q + of_cold, 2 * log_q + cold - c + of_cold)
        p, p_slope, q, q_slope = (_with_and_without(_log_sums(term, edges)) for term in terms)
        slope = np.exp(p_slope - p) + np.exp(q_slope - q)
        steps = (p - q) / np.maximum(slope, _TOLERANCE)  # 0 where the draws leave c open: then the error is huge
        if abs(steps[0]) <= _TOLERANCE * (1 + abs(c)):
            break
        low, high = (c, high) if steps[0] > 0 else (low, c)
        newton = c + steps[0]
        c = newton if low < newton < high else (low + high) / 2
    return c + steps, np.exp(p_slope[0]) + np.exp(q_slope[0])


def _log_sums(exponents: FloatArray, edges: IntArray) -> FloatArray:
    """log sum exp of each block, from `edges`, of each ladder: (ladders, draws) to (ladders x blocks,)."""
    top = np.maximum.reduceat(exponents, edges, axis=1)
    shifted = exponents - np.repeat(top, np.diff(edges, append=exponents.shape[1]), axis=1)
    return (top + np.log(np.add.reduceat(np.exp(shifted), edges, axis=1))).ravel()


def _with_and_without(log_parts: FloatArray) -> FloatArray:
    """The log of the sum of all parts, then of all but each: (1 + parts,), without subtracting."""
    before = np.logaddexp.accumulate(np.append(-np.inf, log_parts))
    after = np.logaddexp.accumulate(np.append(-np.inf, log_parts[::-1]))[::-1]
    return np.append(before[-1], np.logaddexp(before[:-1], after[1:]))
