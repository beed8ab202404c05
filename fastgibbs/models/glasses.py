"""Ising models with random couplings: Edwards-Anderson, Sherrington-Kirkpatrick and random regular graphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from fastgibbs.models import cells, checks
from fastgibbs.models.edges import assemble, edges, sides
from fastgibbs.models.ising import DENSE_BYTES, Ising
from fastgibbs.types import Disorder, FloatArray, IntArray, Seed, Shape


def edwards_anderson(
    shape: Shape,
    disorder: Disorder = "bimodal",
    p: float = 0.5,
    mean: float = 0.0,
    width: float = 1.0,
    seed: Seed = None,
    periodic: bool | Sequence[bool] = True,
) -> Ising:
    """E(s) = -sum_<ij> J_ij s_i s_j on the hypercubic lattice of `lattice`, every bond drawn independently.

    `disorder`: "bimodal", J = +1 with probability `p` and -1 otherwise, or "gaussian", J of mean `mean` and
    standard deviation `width`. The double bonds of a periodic side of 2 are drawn apart and add up;
    self-bonds go to the offset. `seed`: None, an integer, a SeedSequence or a Generator. TypeError or
    ValueError names the bad argument and value. Edwards and Anderson, J. Phys. F 5, 965 (1975).

    >>> import fastgibbs as fg
    >>> glass = fg.edwards_anderson((4, 4, 4), seed=1)
    >>> glass, glass.coupling
    (Ising(n=64, bonds=192, fields=0), 1.0)
    """
    shape = sides(shape)
    p, mean = checks.finite_number("p", p), checks.finite_number("mean", mean)
    width = checks.finite_number("width", width)
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}: give a probability between 0 and 1")
    if width < 0:
        raise ValueError(f"width is {width}: give a standard deviation of at least 0")
    rng = checks.generator(seed)
    cell = cells.known("hypercubic", shape, 1)
    bonds = edges(shape, cell, np.ones(len(cell.joined())), periodic)
    checks.require_range(8.0 * bonds.i.size * (abs(mean) + 10 * width), "couplings of this mean and width")
    J = _draw(rng, disorder, bonds.i.size, p=p, mean=mean, width=width)
    return assemble(bonds._replace(J=J), 0.0)


def sherrington_kirkpatrick(n: int, disorder: Disorder = "gaussian", seed: Seed = None) -> Ising:
    """E(s) = -sum_{i<j} J_ij s_i s_j on the complete graph, J of mean 0 and variance 1/n.

    `disorder`: "gaussian", or "bimodal" for J = +-1/sqrt(n). `seed` as in `edwards_anderson`. ValueError if
    the n (n-1) couplings would not fit in memory. Sherrington and Kirkpatrick, Phys. Rev. Lett. 35, 1792
    (1975).

    >>> import fastgibbs as fg
    >>> model = fg.sherrington_kirkpatrick(100, seed=1)
    >>> print(f"{model}, J of variance {model.couplings.var():.3f}")
    Ising(n=100, bonds=4950, fields=0), J of variance 0.010
    """
    n = checks.integer("n", n)
    checks.require_memory(DENSE_BYTES * n * n, f"a Sherrington-Kirkpatrick model of {n} spins")
    J = np.zeros((n, n))
    J[np.tri(n, k=-1, dtype=bool).T] = _draw(checks.generator(seed), disorder, n * (n - 1) // 2) / np.sqrt(n)
    J += J.T
    return Ising(J)


def random_regular(
    n: int, degree: int, disorder: Disorder | Literal["ferromagnet"] = "bimodal", seed: Seed = None
) -> Ising:
    """E(s) = -sum_<ij> J_ij s_i s_j on a random simple graph in which every site has `degree` neighbours.

    `disorder`: "bimodal", J = +-1; "gaussian", J of mean 0 and variance 1; "ferromagnet", J = 1. `seed` as in
    `edwards_anderson`. The graph pairs n * degree half-bonds at random (Bollobas, European J. Combin. 1, 311
    (1980)) and switches each loop or double bond with random bonds until none is left: nearly uniform for
    degree << n. ValueError unless 0 <= degree < n and n * degree is even.

    >>> import fastgibbs as fg
    >>> graph = fg.random_regular(20, 3, seed=1)
    >>> graph, graph.degree
    (Ising(n=20, bonds=30, fields=0), 3)
    """
    n, degree = checks.integer("n", n), checks.integer("degree", degree, minimum=0)
    if degree >= n:
        raise ValueError(f"degree is {degree}: a simple graph of n = {n} sites has degrees below {n}")
    if n * degree % 2:
        raise ValueError(f"n * degree is {n} * {degree}, odd: every bond takes two half-bonds, give an even product")
    checks.require_memory(200 * n * max(degree, 1), f"a random regular graph of {n} sites and degree {degree}")
    rng = checks.generator(seed)
    if 2 * degree < n:
        i, j = _paired(n, degree, rng)
    else:  # a dense graph is the complement of a sparse one, where a switch can always be found
        missing = np.eye(n, dtype=bool)
        missing[_paired(n, n - 1 - degree, rng)] = True
        i, j = np.nonzero(np.triu(~(missing | missing.T)))
    return Ising.from_edges(n, i, j, _draw(rng, disorder, i.size, ("bimodal", "gaussian", "ferromagnet")))


def _paired(n: int, degree: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Sites (i, j) of the bonds of a random simple graph of this degree, 2 * degree < n."""
    start, end = rng.permutation(np.repeat(np.arange(n), degree)).reshape(2, -1)
    bonds = start.size
    keys = np.minimum(start, end) * n + np.maximum(start, end)
    ordered = np.sort(keys)
    doubles = ordered[1:][ordered[1:] == ordered[:-1]]
    unfit = np.flatnonzero((start == end) | np.isin(keys, doubles))
    switched: Counter[int] = Counter()  # how many more bonds of each key there are than at first

    def key(a: int, b: int) -> int:
        return min(a, b) * n + max(a, b)

    def copies(a: int, b: int) -> int:
        first, last = ordered.searchsorted([key(a, b), key(a, b) + 1])
        return int(last - first) + switched[key(a, b)]

    for bond in unfit.tolist():  # a switch makes no other bond unfit
        # (a, b), (c, d) -> (a, c), (b, d). At most 2 degree^2 of the n * degree directed bonds (c, d) are
        # unfit because a is c or its neighbour, or b is d or its neighbour: there is always one that fits.
        # Two loops become a double bond, which is then switched in its turn.
        while (a := int(start[bond])) == (b := int(end[bond])) or copies(a, b) > 1:
            other, reverse = divmod(int(rng.integers(2 * bonds)), 2)
            c, d = (int(site) for site in ((end[other], start[other]) if reverse else (start[other], end[other])))
            if a == c or b == d or copies(a, c) or copies(b, d):
                continue
            switched.subtract([key(a, b), key(c, d)])
            switched.update([key(a, c), key(b, d)])
            start[bond], end[bond], start[other], end[other] = a, c, b, d
    return start, end


def _draw(
    rng: np.random.Generator,
    disorder: str,
    size: int,
    names: tuple[str, ...] = ("bimodal", "gaussian"),
    p: float = 0.5,
    mean: float = 0.0,
    width: float = 1.0,
) -> FloatArray:
    checks.choice("disorder", disorder, names)
    if disorder == "bimodal":
        return np.where(rng.random(size) < p, 1.0, -1.0)
    if disorder == "gaussian":
        return rng.normal(mean, width, size)
    return np.ones(size)
