"""Whether rounding can drown a local field: where large couplings cancel, what is left of them is small.

A sum in floating point of unit roundoff u is off by about u S, S = |h_i| + sum_j |J_ij|: each addition rounds by at
most u times what has been added up so far, at random. An error e in the field changes the log odds of a spin by
2 beta e: beta and S decide together whether it matters, whatever the couplings are. So a run has a `tolerance`, in
units of energy, that an engine compares with its e at every site, and it refuses the model, naming the site, where e is
larger. At beta = infinity the tolerance is 0: signs of fields must be right, and zeros exact.

Two kinds of sites are safe at any beta. Where all terms are whole multiples of a step and S is at most 1/u steps, sums
are exact. And where one term outweighs all others together, the field cannot be small: an error of RELATIVE times the
least it can be changes the probability of a flip, at least 2^-126, by a factor of 1 +- 1e-4 at most.
"""

import numpy as np

from fastgibbs.models import checks

RELATIVE = 2.0**-20
FLOAT32, FLOAT64 = 22, 51  # bits of the exponent of a field beside that of an extra one: products are rounded too
SMALLEST = 2.0**-92  # of the unit: below it a scaled field times a clipped scale (arithmetic.py) may end before 2^-126


def whole_steps(values) -> np.ndarray:
    """The largest power of two of which each number is a whole multiple, and infinity of 0: float64."""
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    return np.where(whole == 0, np.inf, np.ldexp((whole & -whole).astype(np.float64), exponents - 53))


def power_of_two(*parts) -> float:
    """The power of two at or below the largest |x| of some arrays, or 1 if all are zero: a unit for float32 numbers."""
    largest = max(checks.largest(part) for part in parts)
    return float(2.0 ** (np.frexp(largest)[1] - 1)) if largest > 0 else 1.0


def field_sizes(model) -> np.ndarray:
    """|h_i| + sum_j |J_ij| of each site of an Ising model, that no local field exceeds: float64 (n,)."""
    rows = np.repeat(np.arange(model.n), np.diff(model.indptr))
    return np.abs(model.fields) + np.bincount(rows, np.abs(model.couplings), model.n)


def field_parts(model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each site of an Ising model the sum, the largest and the step of its |h_i| and |J_ij|: float64 (n,)."""
    rows, J = np.repeat(np.arange(model.n), np.diff(model.indptr)), np.abs(model.couplings)
    largest, steps = np.abs(model.fields), whole_steps(model.fields)
    np.maximum.at(largest, rows, J)
    np.minimum.at(steps, rows, whole_steps(J))
    return field_sizes(model), largest, steps


def drowned(sums, largest, errors, tolerance) -> str | None:
    """Which site's field may be off by more than `tolerance`, in words, or None: arrays (n,).

    `largest`: of each site's terms, one that no state leaves out: a field is 2 largest - sum or more.
    """
    least = np.maximum(2 * largest - sums, 0.0)
    harmed = errors > np.maximum(tolerance, RELATIVE * least)
    if not harmed.any():
        return None
    site = int(harmed.argmax())
    return (
        f"J and h of site {site} add up to {sums[site]:.3g}, and where they cancel its field is off by "
        f"{errors[site]:.1g}, more than the {tolerance:.1g} that these betas allow"
    )


def rounded(sums, steps, bits, unit: float) -> np.ndarray:
    """The errors of sums of numbers over `unit` with `bits` bits: float64 (n,)."""
    with np.errstate(over="ignore"):  # no sum is more than what overflows
        inexact = sums > steps * 2.0**bits
    return np.where(inexact, sums * 2.0**-bits, 0.0) + np.where(steps < SMALLEST * unit, SMALLEST * unit, 0.0)


def refusal(model, unit: float, bits, tolerance: float) -> str | None:
    """Why sums of `bits` bits, a number or (n,), cannot stand for the fields of an Ising model, or None if they can."""
    most = checks.largest(model.couplings) * model.degree + checks.largest(model.fields)
    if max(most * checks.largest(2.0**-bits), SMALLEST * unit) <= tolerance:
        return None
    sums, largest, steps = field_parts(model)
    return drowned(sums, largest, rounded(sums, steps, bits, unit), tolerance)


def refusal_of_fields(model, fields, bits: int, tolerance: float) -> str | None:
    """Why exponents of `bits` bits cannot stand for those of extra `fields` beside those of a model's own, or None."""
    largest = checks.largest(fields) + (model.field_bound or 0.0)
    if largest * 2.0**-bits <= tolerance:
        return None
    if model.has_ising_form and not model.by_overlaps:
        ising = model.to_ising()
        parts = ising.couplings, ising.fields, fields
        if largest <= 2.0**bits * min(whole_steps(part).min(initial=np.inf) for part in parts):
            return None  # sums are exact
    return (
        f"where local fields and the extra one, together up to {largest:.3g}, cancel, they are off by "
        f"{largest * 2.0**-bits:.1g}, more than the {tolerance:.1g} that these betas allow"
    )


def refusal_of_layers(rbm, unit: float, bits: int, tolerance: float) -> str | None:
    """The same of inputs of an RBM's units, then of those too that one term decides: energies are made of inputs."""
    W, biases = np.abs(rbm.weights), np.abs(np.concatenate([rbm.visible_bias, rbm.hidden_bias]))
    sums = biases + np.concatenate([W.sum(axis=1), W.sum(axis=0)])
    if max(checks.largest(sums) * 2.0**-bits, SMALLEST * unit) <= tolerance:
        return None
    steps = whole_steps(rbm.weights)
    steps = np.concatenate([steps.min(axis=1, initial=np.inf), steps.min(axis=0, initial=np.inf)])
    steps, nothing = np.minimum(steps, whole_steps(biases)), np.zeros(rbm.n)
    largest = np.maximum(biases, np.concatenate([W.max(axis=1, initial=0), W.max(axis=0, initial=0)]))
    alone = RELATIVE * (2 * largest - sums) > sums * 2.0**-bits  # an input is large, or without it
    without = np.where(alone, sums - largest, sums)
    why = drowned(without, nothing, rounded(without, steps, bits, unit), tolerance)
    return why or drowned(sums, nothing, rounded(sums, steps, bits, unit), tolerance)


def following_error(model, sweeps: int, chunk: int) -> float:
    """By how much an energy may be off that float32 followed for so many sweeps, a chunk of changes at a time.

    A change of site i has d_i rounded additions, each off by 2 u S_i at most; the k-th sum of a chunk rounds by u times
    the sum of k changes at most, all squares of a chunk by (2 u S_i)^2 chunk (chunk + 1) / 2 for each. Errors at random
    end beyond 8 roots of all squares once in 10^13 (Hoeffding). Couplings round once for all: at both ends u S_i each.
    """
    sums, roundings = field_sizes(model), sweeps * (np.diff(model.indptr) + chunk * (chunk + 1) / 2)
    largest = checks.largest(sums)
    at_random = largest * np.sqrt((roundings * (sums / (largest or 1.0)) ** 2).sum())
    return 2.0**-24 * (16 * float(at_random) + 2 * float(sums.sum()))


def energy_error(rbm) -> float:
    """By how much a measured energy of an RBM may be off: n 2^-24 of the sum of all |W|, |a| and |b|."""
    parts = rbm.weights, rbm.visible_bias, rbm.hidden_bias
    return rbm.n * 2.0**-24 * sum(float(np.abs(part).sum()) for part in parts)
