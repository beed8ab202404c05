"""Hopfield memories without sampling: few patterns at any size exactly, many in the replica-symmetric limit.

P patterns part the sites in 2^P classes of equal columns (xi_i^1 ... xi_i^P), and E depends on the sums of the classes
only. Turning all spins where xi_i^1 = -1, columns c and -c become one class. For P = 3 four are left, of sums a, b, c
and d:

    M_1 = (a + b) + (c + d),   M_2 = (a + b) - (c + d),   M_3 = (a - b) + (c - d)

so that for u = a + b and w = c + d the sum over the rest is a product of matrices, A_u(v) K(v + x) B_w(x).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np

from fastgibbs.fields import described
from fastgibbs.models import Hopfield, checks
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray

MOST_PATTERNS = 3
MOST_SITES = 1000
_MOST = 300.0  # logarithm of how much weights in one matrix product may differ: all stays far above the least float64


@checks.by_contents
@described
class Memory(NamedTuple):
    """Exact numbers of a Hopfield memory; overlaps are m_mu = M_mu / N.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> fg.exact.hopfield(fg.Hopfield(np.ones((1, 100))), beta=2.0).overlap2.round(4).tolist()
    [0.9133]
    """

    log_z: Annotated[float, "log Z, in nats."]
    energy: Annotated[float, "<E>."]
    magnetization: Annotated[float, "<sum_i s_i> / N."]
    overlap: Annotated[FloatArray, "float64 (P,)", "<m_mu>."]
    overlap_abs: Annotated[FloatArray, "float64 (P,)", "<|m_mu|>."]
    overlap2: Annotated[FloatArray, "float64 (P,)", "<m_mu^2>."]
    overlap4: Annotated[FloatArray, "float64 (P,)", "<m_mu^4>."]


def hopfield(model: Hopfield, beta: float) -> Memory:
    """log Z, energy and overlaps of up to 3 patterns by the sum over classes of sites.

    `model`: Hopfield by the Hebb rule, of any order, in a uniform field, up to 1000 sites; `beta`: a number.
    TypeError at another model, ValueError at another rule, more patterns or sites, or a field that differs from site to
    site.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> memory = fg.exact.hopfield(fg.Hopfield(np.ones((1, 100))), beta=2.0)
    >>> print(f"<|m|> = {memory.overlap_abs[0]:.4f}")
    <|m|> = 0.9551
    """
    if not isinstance(model, Hopfield):
        raise TypeError(f"model is {checks.shown(model)}: give a Hopfield model")
    count, n = model.patterns.shape
    if model.rule != "hebb":
        raise ValueError(f'rule is {model.rule!r}: energies are sums over patterns by rule="hebb" only')
    if not 1 <= count <= MOST_PATTERNS or n > MOST_SITES:
        raise ValueError(f"{model!r}: give 1 to {MOST_PATTERNS} patterns of at most {MOST_SITES} sites")
    if model.field is None:
        raise ValueError("field differs from site to site: give one field to all")
    beta = checks.finite_number("beta", beta)
    overlaps, energy = np.empty((4, count)), count / 2 if model.order == 2 else 0.0
    for first in range(count):
        log_weights, M, spins = _joint(
            model, beta, beta * model.field, [first, *(mu for mu in range(count) if mu != first)]
        )
        top = log_weights.max()
        weights = np.exp(log_weights - top)
        log_z = float(top + math.log(weights.sum())) - (beta * count / 2 if model.order == 2 else 0.0)
        weights /= weights.sum()
        m = M / n
        overlaps[:, first] = [(weights * f).sum() for f in (m, np.abs(m), m**2, m**4)]
        energy += float((weights * _energy(model, M)).sum())
    magnetization = float((weights * spins).sum()) / n
    energy -= model.field * magnetization * n
    return Memory(log_z, energy, magnetization, *overlaps)


def _energy(model: Hopfield, M: AnyArray) -> FloatArray:
    """What a pattern of overlap M adds to E: -M^n / (n N^(n-1)), up to the constant of order 2."""
    return -model.n / model.order * (M / model.n) ** model.order


def _joint(model: Hopfield, beta: float, x: float, order: list[int]) -> tuple[FloatArray, IntArray, FloatArray]:
    """By u and w, all (u, w): logarithms of weights, up to a constant of E, M_1 and the mean of sum_i s_i.

    `x`: beta h. `order`: the patterns as numbers 1, 2, 3; the others' part of E that depends on (u, w) alone is in the
    weights.
    """
    patterns = model.patterns[order].astype(np.int64)
    gauge = patterns[0]
    second, third = (patterns[k] * gauge if k < len(patterns) else np.ones(model.n) for k in (1, 2))
    classes = [
        _class_weights(int((here & (gauge > 0)).sum()), int((here & (gauge < 0)).sum()), x)
        for here in ((second == s) & (third == t) for s in (1, -1) for t in (1, -1))
    ]
    A, A_spins, u = _pair(*classes[:2])
    B, B_spins, w = _pair(*classes[2:])
    M_1, M_2 = u[:, None] + w, u[:, None] - w
    log_K = np.zeros(model.n + 1)
    if len(patterns) > 2:
        log_K = -beta * _energy(model, 2 * np.arange(model.n + 1) - model.n)
    log_weights, spins = _product(A, A_spins, log_K, B, B_spins)
    log_weights -= beta * _energy(model, M_1)
    if len(patterns) > 1:
        log_weights -= beta * _energy(model, M_2)
    return log_weights, M_1, spins


def _class_weights(up: int, down: int, x: float) -> tuple[FloatArray, FloatArray]:
    """Of sites where xi^1 = 1 (`up` of them) and -1, by the number of spins along xi^1: log weights, mean sum of spins.

    Spin s has the weight exp(x s).
    """
    along, against = _binomial(up, x), _binomial(down, -x)
    log_weights, spins = np.full(up + down + 1, -np.inf), np.zeros(up + down + 1)
    for k, weight in enumerate(against):
        here = slice(k, k + up + 1)
        log_weights[here] = np.logaddexp(log_weights[here], along + weight)
    for k, weight in enumerate(against):
        here = slice(k, k + up + 1)
        sums = (2 * np.arange(up + 1) - up) - (2 * k - down)
        spins[here] += np.exp(along + weight - log_weights[here]) * sums
    return log_weights, spins


def _binomial(n: int, x: float) -> FloatArray:
    """log(binomial(n, k) exp(x (2 k - n))), k = 0 ... n."""
    log_factorials = np.array([math.lgamma(k + 1) for k in range(n + 1)])
    return log_factorials[-1] - log_factorials - log_factorials[::-1] + x * (2 * np.arange(n + 1) - n)


def _pair(
    one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Two classes together: log weights and mean sums of spins by (u, v), the sum and difference; and the values."""
    (log_a, spins_a), (log_b, spins_b) = one, other
    i, j = np.indices((log_a.size, log_b.size))
    size = log_a.size + log_b.size - 1
    log_weights, spins = np.full((size, size), -np.inf), np.zeros((size, size))
    place = i + j, i - j + log_b.size - 1
    log_weights[place] = log_a[:, None] + log_b
    spins[place] = spins_a[:, None] + spins_b
    return log_weights, spins, 2 * np.arange(size) - (size - 1)


def _product(
    A: FloatArray, A_spins: FloatArray, log_K: FloatArray, B: FloatArray, B_spins: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """log sum_vx A_u(v) K(v + x) B_w(x) by (u, w), and the mean of A_spins + B_spins; A, B and K are logarithms.

    `log_K` by the index of v + x, the sum of those of v and x. It is taken piece by piece, each divided by the
    exponential exp(tilt (v + x)) through its ends, which A and B take in: so what float64 drops of a piece is nothing
    beside the rest of the sum.
    """
    v, x = np.arange(len(A)), np.arange(len(B))
    log_parts, parts = [], []
    for piece in _pieces(log_K):
        tilt = (log_K[piece[-1]] - log_K[piece[0]]) / max(len(piece) - 1, 1)
        tilted = np.full(log_K.size, -np.inf)
        tilted[piece] = log_K[piece] - tilt * piece
        tops = [tilted.max(), *(np.max(part, axis=1, keepdims=True) for part in (A + tilt * v, B + tilt * x))]
        K = np.exp(tilted - tops[0])[v[:, None] + x]
        one, other = np.exp(A + tilt * v - tops[1]), np.exp(B + tilt * x - tops[2]).T
        sums, spins = one @ K @ other, (one * A_spins) @ K @ other + one @ K @ (other * B_spins.T)
        with np.errstate(divide="ignore"):
            log_parts.append(np.log(sums) + (tops[0] + tops[1] + tops[2].T))
            parts.append(np.divide(spins, sums, out=np.zeros(sums.shape), where=sums > 0))
    log_sums = np.logaddexp.reduce(log_parts)
    return log_sums, sum(np.exp(log_part - log_sums) * part for log_part, part in zip(log_parts, parts, strict=True))


def _pieces(log_K: FloatArray) -> list[IntArray]:
    """The indices of K cut into pieces that leave their exponential by at most a factor of exp(300)."""
    count = 1
    while True:
        pieces = np.array_split(np.arange(log_K.size), count)
        chords = [np.interp(piece, piece[[0, -1]], log_K[piece[[0, -1]]]) for piece in pieces]
        if max(np.ptp(log_K[piece] - chord) for piece, chord in zip(pieces, chords, strict=True)) <= _MOST:
            return pieces
        count *= 2


def _load(y: float) -> float:
    return (math.erf(y) / y - 2 / math.sqrt(math.pi) * math.exp(-y * y)) ** 2 / 2


def _bisected(rises: Callable[[float], bool], low: float, high: float) -> float:
    """Where a function of y turns from True to False."""
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) else (low, middle)
    return low


# d/dy (erf(y) / y - 2 / sqrt(pi) exp(-y^2)) = 0
_CRITICAL = _bisected(lambda y: math.erf(y) < 2 * y / math.sqrt(math.pi) * math.exp(-y * y) * (1 + 2 * y * y), 1.0, 3.0)
CRITICAL_LOAD = _load(_CRITICAL)  # 0.137906


def retrieval_overlap(alpha: ArrayLike, temperature: ArrayLike = 0.0) -> FloatArray:
    """m(alpha, T) of the Hebb rule at load alpha = P / N, N to infinity, in replica symmetry; 0 where there is none.

    T = 0: m = erf(y) with y the largest solution of sqrt(2 alpha) = erf(y) / y - (2 / sqrt(pi)) exp(-y^2), up to
    alpha_c = 0.137906. T > 0, with <...> over a normal z: m = <tanh beta (m + sqrt(alpha r) z)>, q = <tanh^2 ...>,
    r = q / (1 - beta (1 - q))^2, solved by iteration from m = 1.
    `alpha` and `temperature`: numbers of at least 0 or arrays that broadcast; float64 in their shape.
    Amit, Gutfreund and Sompolinsky, Phys. Rev. Lett. 55, 1530 (1985); Ann. Phys. 173, 30 (1987).

    >>> import fastgibbs as fg
    >>> fg.exact.retrieval_overlap([0.05, 0.1, 0.15]).round(4).tolist()
    [1.0, 0.998, 0.0]
    """
    pairs, shape = at_points(alpha, temperature)
    return np.reshape([_warm(*pair) if pair[1] else _cold(pair[0]) for pair in pairs], shape)[()]


def at_points(alpha: ArrayLike, temperature: ArrayLike) -> tuple[list[tuple[float, float]], tuple[int, ...]]:
    """Loads and temperatures, broadcast, in pairs, and their shape; ValueError at one below 0."""
    alpha, temperature = checks.finite_array("alpha", alpha), checks.finite_array("temperature", temperature)
    for name, value in (("alpha", alpha), ("temperature", temperature)):
        if (value < 0).any():
            raise ValueError(f"{name} is {value}: give numbers of at least 0")
    alpha, temperature = np.broadcast_arrays(alpha, temperature)
    return list(zip(alpha.ravel().tolist(), temperature.ravel().tolist(), strict=True)), alpha.shape


def _cold(alpha: float) -> float:
    return 0.0 if alpha > CRITICAL_LOAD else math.erf(_bisected(lambda y: _load(y) > alpha, _CRITICAL, 1e9))


def _warm(alpha: float, temperature: float) -> float:
    z = np.linspace(-8, 8, 4001)  # tanh is steep at low temperature: an even grid, not Gauss's
    weights = np.exp(-z * z / 2)
    weights /= weights.sum()
    m, q = 1.0, 1.0
    for _ in range(20_000):
        r = q / (1 - (1 - q) / temperature) ** 2
        t = np.tanh((m + math.sqrt(alpha * r) * z) / temperature)
        before, m, q = m, float(weights @ t), float(weights @ (t * t))
        if abs(m - before) < 1e-12 or m < 1e-6 or (1 - q) >= temperature:
            break
    return m if m >= 1e-4 and 1 - q < temperature else 0.0
