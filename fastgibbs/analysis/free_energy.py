"""log Z along a tempering ladder, from the energies drawn at its rungs."""

from typing import NamedTuple

import numpy as np

from fastgibbs.analysis.ladders import ascending, energy_record
from fastgibbs.models import checks

_FEWEST_BLOCKS = 32
_MOST_STEPS = 100
_TOLERANCE = 1e-12


@checks.by_contents
class LogZ(NamedTuple):
    """log Z at every rung by three estimators, and their standard errors: float64 (rungs,) each."""

    bar: np.ndarray
    bar_error: np.ndarray
    forward: np.ndarray
    forward_error: np.ndarray
    backward: np.ndarray
    backward_error: np.ndarray


def log_z(betas, energies, reference):
    """log Z at every rung, gap by gap, c = log Z(b') / Z(b) with d = b' - b and means over draws at b and b': a `LogZ`.

    forward   c = log <exp(-d E)>_b, the stepping stone (Xie et al., Syst. Biol. 60, 150 (2011))
    backward  c = -log <exp(d E)>_b', the same from the cold side: the two err in opposite directions
    bar       <f(c + d E)>_b = <f(-c - d E)>_b' with f(x) = 1 / (1 + exp(x)), of least variance (Bennett, J. Comput.
              Phys. 22, 245 (1976), eq. 12; Shirts, Bair, Hooker and Pande, Phys. Rev. Lett. 91, 140601 (2003))

    `betas` (rungs,) ascending; `energies` (ladders, rungs, draws), totals and not per site, in units of 1/beta;
    `reference` is log Z at betas[0]: n log 2 for n spins at beta = 0.
    Errors are jackknifed: each ladder's draws are cut in contiguous blocks, 32 or more in all where there are draws
    enough, and a block is left out at all rungs at once, since replicas carry correlations from rung to rung. A block
    must be long compared with the time of a round trip. Forward and backward are biased, and their errors too small,
    where swaps in a gap are all but always rejected.
    ValueError names the argument that is not as above, or if there is only one draw in all.
    """
    betas, energies = ascending(betas), energy_record(energies)
    reference = checks.finite_number("reference", reference)
    ladders, rungs, draws = energies.shape
    if rungs != betas.size:
        raise ValueError(f"energies has shape {energies.shape}: give (ladders, rungs, draws) with {betas.size} rungs")
    if ladders * draws < 2:
        raise ValueError("energies has 1 draw: error bars need at least 2")
    blocks = min(draws, -(-_FEWEST_BLOCKS // ladders))
    edges = np.arange(blocks) * draws // blocks
    log_sizes = np.log(np.tile(np.diff(edges, append=draws), ladders))

    # Of each estimator and gap the log ratio from all draws, then from all but one block: (estimator, gap, 1 + blocks).
    steps = np.empty((3, rungs - 1, 1 + log_sizes.size))
    count = _with_and_without(log_sizes)
    for gap, width in enumerate(np.diff(betas)):
        hot, cold = -width * energies[:, gap], -width * energies[:, gap + 1]
        steps[0, gap] = _bennett(hot, cold, edges)
        steps[1, gap] = _with_and_without(_log_sums(hot, edges)) - count
        steps[2, gap] = count - _with_and_without(_log_sums(-cold, edges))
    cumulated = np.zeros((3, rungs, 1 + log_sizes.size))
    np.cumsum(steps, axis=1, out=cumulated[:, 1:])
    left_out = cumulated[:, :, 1:]
    errors = np.sqrt((log_sizes.size - 1) * left_out.var(axis=2))
    (bar, forward, backward), (bar_error, forward_error, backward_error) = reference + cumulated[:, :, 0], errors
    return LogZ(bar, bar_error, forward, forward_error, backward, backward_error)


@checks.by_contents
class IntegratedLogZ(NamedTuple):
    """log Z at every rung, its standard error, and what half the rungs would change: float64 (rungs,) each."""

    value: np.ndarray
    error: np.ndarray
    quadrature: np.ndarray


def integrated_log_z(betas, energies, reference):
    """log Z(beta) = reference - integral of <E>: thermodynamic integration, an `IntegratedLogZ`.

    Between rungs d apart, V = -d<E>/dbeta being the variance of E, it is (<E> + <E>') d / 2 + (V' - V) d^2 / 12: the
    trapezoidal rule with its end correction, wrong in the order d^5. `quadrature` compares it with the same on every
    second rung (and the last), some 16 times as wrong: a bound, and no part of `error`, which is jackknifed over blocks
    of draws as in `log_z`. Arguments and errors as there.
    Kirkwood, J. Chem. Phys. 3, 300 (1935); Abramowitz and Stegun, Handbook of Mathematical Functions, 25.4.2.
    """
    betas, energies = ascending(betas), energy_record(energies)
    reference = checks.finite_number("reference", reference)
    ladders, rungs, draws = energies.shape
    if rungs != betas.size:
        raise ValueError(f"energies has shape {energies.shape}: give (ladders, rungs, draws) with {betas.size} rungs")
    if ladders * draws < 2:
        raise ValueError("energies has 1 draw: error bars need at least 2")
    blocks = min(draws, -(-_FEWEST_BLOCKS // ladders))
    edges = np.arange(blocks) * draws // blocks
    counts = np.tile(np.diff(edges, append=draws), ladders)[:, None]
    middle = energies.mean(axis=(0, 2))
    distance = energies - middle[:, None]
    sums = [np.add.reduceat(d, edges, axis=2).swapaxes(1, 2).reshape(-1, rungs) for d in (distance, distance**2)]
    count, first, second = (np.vstack([part.sum(axis=0), part.sum(axis=0) - part]) for part in (counts, *sums))
    mean, variance = middle + first / count, second / count - (first / count) ** 2

    def integrals(chosen):
        """Of <E> up to each of the chosen rungs: (1 + blocks, rungs)."""
        d, f, V = np.diff(betas[chosen]), mean[:, chosen], variance[:, chosen]
        steps = (f[:, 1:] + f[:, :-1]) * d / 2 + np.diff(V, axis=1) * d**2 / 12
        return np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))

    value = reference - integrals(np.arange(rungs))
    quadrature = np.zeros(rungs)
    for last in range(2, rungs):
        half = np.unique(np.append(np.arange(0, last, 2), last))
        quadrature[last] = abs(reference - integrals(half)[0, -1] - value[0, last])
    error = np.sqrt((len(value) - 2) * value[1:].var(axis=0))
    return IntegratedLogZ(value[0], error, quadrature)


def _bennett(hot, cold, edges):
    """Bennett's c of one gap, from exponents u = -d E (ladders, draws) at both rungs: with and without each block.

    c is the root of g(c) = log sum_hot p - log sum_cold (1 - p), with p = 1 / (1 + exp(c - u)) the chance that a draw
    is from the cold rung; in logarithms, g has a root even where no energies are common to both. Newton's method finds
    it, and the same last step from the sums without a block, to second order in what the block changes.
    """
    low, high = min(hot.min(), cold.min()), max(hot.max(), cold.max())
    c = (hot.mean() + cold.mean()) / 2  # the trapezoid of thermodynamic integration
    for _ in range(_MOST_STEPS):
        log_p, log_q = -np.logaddexp(0, c - hot), -np.logaddexp(0, cold - c)
        terms = (log_p, 2 * log_p + c - hot, log_q, 2 * log_q + cold - c)
        p, p_slope, q, q_slope = (_with_and_without(_log_sums(term, edges)) for term in terms)
        slope = np.exp(p_slope - p) + np.exp(q_slope - q)
        steps = (p - q) / np.maximum(slope, _TOLERANCE)  # 0 where the draws leave c open: then the error is huge
        if abs(steps[0]) <= _TOLERANCE * (1 + abs(c)):
            break
        low, high = (c, high) if steps[0] > 0 else (low, c)
        newton = c + steps[0]
        c = newton if low < newton < high else (low + high) / 2
    return c + steps


def _log_sums(exponents, edges):
    """log sum exp of each block, from `edges`, of each ladder: (ladders, draws) to (ladders x blocks,)."""
    top = np.maximum.reduceat(exponents, edges, axis=1)
    shifted = exponents - np.repeat(top, np.diff(edges, append=exponents.shape[1]), axis=1)
    return (top + np.log(np.add.reduceat(np.exp(shifted), edges, axis=1))).ravel()


def _with_and_without(log_parts):
    """The log of the sum of all parts, then of all but each: (1 + parts,), without subtracting."""
    before = np.logaddexp.accumulate(np.append(-np.inf, log_parts))
    after = np.logaddexp.accumulate(np.append(-np.inf, log_parts[::-1]))[::-1]
    return np.append(before[-1], np.logaddexp(before[:-1], after[1:]))
