"""The square lattice, ferro- and antiferromagnetic: exact on every n x m torus, and in the infinite lattice."""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, getcontext, localcontext
from typing import NamedTuple

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.edges import sides
from fastgibbs.types import ArrayLike, FloatArray, Shape

CRITICAL_BETA = math.log(1 + math.sqrt(2)) / 2  # sinh(2 beta |J|) = 1: the infinite lattice orders here

_COLD, _FROZEN = Decimal(30), Decimal(200)  # |K| where excitations weigh less than e^-120, and than any float


@checks.by_contents
class Torus(NamedTuple):
    """log Z, the mean energy and the heat capacity (k_B = 1): totals, floats or arrays in the shape of beta.

    >>> import fastgibbs as fg
    >>> print(f"{fg.exact.torus((2, 2), beta=0.0).log_z / 4:.6f}")  # log 2 a site
    0.693147
    """

    log_z: FloatArray
    energy: FloatArray
    heat_capacity: FloatArray


def torus(shape: Shape, beta: ArrayLike, J: float = 1.0) -> Torus:
    """Z = sum_s exp(beta J sum_<ij> s_i s_j) on the periodic n x m square lattice: a `Torus`.

    `shape`: (n, m), any sides (2 has double bonds, 1 self-bonds, as in `models.lattice`). `beta`: a number or an
    array, in units of 1/J; `J`: a number; either may be negative. The heat capacity is beta^2 var E. Right to the
    last digits of a float at every size and temperature, by decimal arithmetic. A beta takes milliseconds, but up to
    a minute for a cold antiferromagnet of large odd side, whose sectors cancel to thousands of digits.
    TypeError or ValueError if the sides are not two positive integers or beta or J are not finite.
    Source: B. Kaufman, Phys. Rev. 76, 1232 (1949).

    >>> import fastgibbs as fg
    >>> print(f"{fg.exact.torus((64, 64), beta=0.4).energy / 64**2:.6f}")
    -1.106083
    """
    shape = sides(shape)
    if len(shape) != 2:
        raise ValueError(f"shape is {shape}: a square lattice has two sides")
    beta, J = checks.finite_array("beta", beta), checks.finite_number("J", J)
    n, m = sorted(shape)
    values = [_torus(n, m, Decimal(one), Decimal(J)) for one in beta.ravel().tolist()]
    table = np.array(values).reshape(*beta.shape, 3)
    return Torus(table[..., 0][()], table[..., 1][()], table[..., 2][()])


def onsager_energy(beta: ArrayLike, J: float = 1.0) -> FloatArray:
    """u = -J coth 2K [1 + (2/pi) (2 tanh^2 2K - 1) K1(k)], k = 2 sinh 2K / cosh^2 2K, K = beta J: per site.

    `beta`: a number or an array, in units of 1/J; `J`: a number, of either sign (u depends on |J| only). The result
    has the shape of beta. TypeError or ValueError if they are not finite numbers.
    Source: L. Onsager, Phys. Rev. 65, 117 (1944), eq. 116.

    >>> import fastgibbs as fg
    >>> fg.exact.onsager_energy([0.2, fg.exact.CRITICAL_BETA]).round(6).tolist()
    [-0.428229, -1.414214]
    """
    beta, J = checks.finite_array("beta", beta), checks.finite_number("J", J)
    t = np.tanh(2 * beta * J)
    y = 2 * t**2 - 1
    # (2/pi) K1 = 1/agm(1, |y|). Where y < 0 the bracket is (agm - |y|)/agm, agm - |y| = t^2 - c_2 - c_3 - ... with
    # c_n the half differences of the means; the sum runs over c_n/t, so that K = 0 neither cancels nor divides.
    agm, g, c, tail = (1 + np.abs(y)) / 2, np.sqrt(np.abs(y)), t, 0.0
    for _ in range(12):  # enough for any |y| a float can take
        agm, g = (agm + g) / 2, np.sqrt(agm * g)
        c = c**2 * t / (4 * agm)
        tail = tail + c
    disordered = (t - tail) / agm
    ordered = (1 + y / agm) / np.where(y < 0, 1, t)
    return (-J * np.where(y < 0, disordered, ordered))[()]


def onsager_magnetization(beta: ArrayLike, J: float = 1.0) -> FloatArray:
    """m = (1 - sinh^-4 2K)^(1/8) for |K| > ln(1 + sqrt 2)/2 and 0 below, K = beta J: per site.

    The magnetisation of the infinite lattice in a vanishing field; the staggered one for K < 0. `beta`: a number or
    an array, in units of 1/J; `J`: a number. The result has the shape of beta. TypeError or ValueError if they are
    not finite numbers. Source: C. N. Yang, Phys. Rev. 85, 808 (1952), eq. 96.

    >>> import fastgibbs as fg
    >>> fg.exact.onsager_magnetization([0.4, 0.5]).round(6).tolist()
    [0.0, 0.911319]
    """
    beta, J = checks.finite_array("beta", beta), checks.finite_number("J", J)
    K = np.maximum(np.abs(beta * J), CRITICAL_BETA)
    inverse_sinh = 2 * np.exp(-2 * K) / -np.expm1(-4 * K)  # sinh itself would overflow
    return np.where(K > CRITICAL_BETA, np.maximum(1 - inverse_sinh**4, 0) ** 0.125, 0.0)[()]


def _torus(n: int, m: int, beta: Decimal, J: Decimal) -> tuple[float, float, float]:
    """log Z, energy and heat capacity at one beta, from Z at x = e^{2|K|}, K = beta J, and a step to either side."""
    with localcontext(Context(prec=1600, Emax=MAX_EMAX, Emin=MIN_EMIN)) as context:  # holds a product of two floats
        K = beta * J
        if K == 0:
            self_bonds = n * m * ((n == 1) + (m == 1))
            return n * m * math.log(2), float(-J * self_bonds), 0.0
        frozen = abs(K) > _FROZEN
        near = _COLD.copy_sign(K) if frozen else K
        small = max(0, -near.adjusted())  # |K| is of order 10^-small
        step = Decimal(1).scaleb(-20 - small)
        context.prec = 100 + small
        x = (2 * abs(near)).exp()  # to so many digits: Z is then computed for this x as if it were exact
        context.prec = _digits(n, m, near, small)
        cosines = _cosines(n)
        below, middle, above = (
            _partition_function(n, m, K < 0, one, cosines) for one in (x / (1 + step), x, x * (1 + step))
        )
        # with log(1 + step) = step, right to 20 digits: d log Z/dK and d^2 log Z/dK^2
        slope = 2 * (above - below) / (above + below) / step * Decimal(1).copy_sign(K)
        curvature = 4 * (above * below / middle**2 - 1) / step**2
        context.prec = 50
        log_z = (+middle).ln() + (K - near) * slope
        return float(log_z), float(-J * slope), 0.0 if frozen else float(K**2 * curvature)


def _digits(n: int, m: int, K: Decimal, small: int) -> int:
    """Decimal digits of Z that leave at least 17 good ones in log Z and in both its derivatives."""
    digits = 80 + 4 * len(str(n * m)) + 3 * small  # for the squared step, and for x - 1
    e_folds = min(8 * abs(K), Decimal(780))  # the heat capacity falls as e^-8K, and below any float
    if K < 0 and (n % 2 or m % 2):
        e_folds += 2 * (n + m) * abs(K)  # frustration: the sectors cancel
    return digits + int(float(e_folds) / math.log(10))


def _partition_function(n: int, m: int, antiferro: bool, x: Decimal, cosines: list[Decimal]) -> Decimal:
    """Z = (1/2) (2 sinh 2|K|)^(nm/2) times the sum of four sectors, one of them with a minus sign; x = e^{2|K|}.

    A sector is prod_p 2 cosh(m gamma_p/2) or prod_p 2 sinh(m gamma_p/2), over the momenta p = pi k/n with k even
    (periodic) or k odd (antiperiodic); sinh and cosh stand for the periodic and antiperiodic other direction.
    cosh gamma_p = cosh^2 2K / sinh 2|K| - cos p, and gamma_0 = -2|K| - log tanh|K| has a sign of its own. The doubly
    periodic sector is the negative one. K < 0 shifts all momenta by pi, which swaps the two sets of an odd side.
    """
    two_sinh = x - 1 / x
    base = (x + 1 / x) ** 2 / (2 * two_sinh)
    plus, minus, scale = [Decimal(1)] * 2, [Decimal(1)] * 2, [Decimal(1)] * 2
    for k, cosine in enumerate(cosines):
        cosh = base - cosine
        y = (cosh + (cosh**2 - 1).sqrt() if k else (x + 1) / (x - 1) / x) ** m  # e^{m gamma_p}
        times = 1 if k in (0, n) else 2  # p and -p
        plus[k % 2] *= (y + 1) ** times
        minus[k % 2] *= (y - 1) ** times
        scale[k % 2] *= y**times
    negative = (n % 2, m % 2) if antiferro else (0, 0)
    total = Decimal(0)
    for p, q in (0, 0), (0, 1), (1, 0), (1, 1):
        sector = (plus if q else minus)[p] / scale[p].sqrt()
        total += -sector if (p, q) == negative else sector
    return total * (two_sinh ** (n * m)).sqrt() / 2


def _cosines(n: int) -> list[Decimal]:
    """cos(pi k/n), k = 0, ..., n, to the precision of the context."""
    epsilon = Decimal(10) ** -getcontext().prec
    # pi by the arithmetic-geometric mean (Brent 1976, Salamin 1976)
    a, g, rest, power = Decimal(1), Decimal("0.5").sqrt(), Decimal("0.25"), 1
    while (a - g) ** 2 > epsilon:
        a, g, half = (a + g) / 2, (a * g).sqrt(), (a - g) / 2
        rest -= power * half**2
        power *= 2
    angle = (a + g) ** 2 / (4 * rest) / n
    term = cosine = Decimal(1)
    order = 0
    while abs(term) > epsilon:
        order += 2
        term *= -(angle**2) / (order * (order - 1))
        cosine += term
    cosines = [Decimal(1), cosine]
    while len(cosines) <= n:
        cosines.append(2 * cosine * cosines[-1] - cosines[-2])
    return cosines
