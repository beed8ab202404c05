"""Ising models with random couplings or graphs: on lattices, on the complete graph, on random ones, of long range."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import numpy as np

from fastgibbs.models import cells, checks
from fastgibbs.models import edges as edges_of
from fastgibbs.models.cells import Cell
from fastgibbs.models.csr import DENSE_BYTES, check_size
from fastgibbs.models.ising import Ising
from fastgibbs.types import ArrayLike, Couplings, Disorder, FloatArray, IntArray, LatticeName, Periodic, Seed, Shape

Bonds = Disorder | Literal["ferromagnet"]
_BONDS = "bimodal", "gaussian", "ferromagnet"


def edwards_anderson(
    shape: Shape | int,
    disorder: Disorder = "bimodal",
    p: float = 0.5,
    mean: float = 0.0,
    width: float = 1.0,
    seed: Seed = None,
    periodic: Periodic = True,
    cell: LatticeName | Cell = "hypercubic",
    *,
    J: Couplings = 1.0,
    bonds: float = 1.0,
    sites: float = 1.0,
    h: ArrayLike = 0.0,
    h_width: float = 0.0,
) -> Ising:
    """E(s) = -sum_<ij> J_ij s_i s_j - sum_i h_i s_i on a lattice of `lattice`, every bond drawn independently.

    `shape`, `periodic` and `cell` are those of `lattice`. `disorder`: "bimodal", J_ij = +J with probability `p` and -J
    otherwise, or "gaussian", J times a number of mean `mean` and standard deviation `width`; `J` as in `lattice`, one
    or one for each kind of bonds. The bonds that meet on a small side are drawn apart and add up; self-bonds go to the
    offset.

    `bonds`, `sites`: the probability that a bond, a site is there; sites that are not leave no spin, and `model.shape`
    is None. `h`: a number, or an array of the sites or of the shape of the whole lattice; `h_width`: the standard
    deviation of Gaussian numbers of mean 0 that are added to it, site by site. `seed`: None, an integer, a SeedSequence
    or a Generator; the same seed draws the same J_ij at every `bonds`, `sites` and `h`. TypeError or ValueError names
    the bad argument and value. Edwards and Anderson, J. Phys. F 5, 965 (1975).

    >>> import fastgibbs as fg
    >>> glass = fg.edwards_anderson((4, 4, 4), seed=1)
    >>> glass, glass.coupling
    (Ising(n=64, bonds=192, fields=0), 1.0)
    >>> fg.edwards_anderson((8, 8), p=1.0, sites=0.75, h_width=0.5, cell="honeycomb", seed=1)  # a diluted magnet
    Ising(n=101, bonds=119, fields=101)
    """
    shape = edges_of.sides((shape,) if isinstance(shape, int) else shape)
    p, bonds, sites = (_probability(name, one) for name, one in (("p", p), ("bonds", bonds), ("sites", sites)))
    mean = checks.finite_number("mean", mean)
    width, h_width = _deviation("width", width), _deviation("h_width", h_width)
    rng = checks.generator(seed)
    cell = cells.known(cell, shape, cells.shells(J))
    shape = edges_of.sides(shape, len(cell.basis))
    edges = edges_of.edges(shape, cell, cells.couplings(J, cell.joined()), periodic)
    largest = checks.largest(edges.J) * (abs(mean) + 10 * width)
    checks.require_range(8.0 * edges.i.size * largest, "couplings of this mean and width")
    fields = edges_of.fields_of(h, edges.geometry)
    values = edges.J * _draw(rng, disorder, edges.i.size, p=p, mean=mean, width=width)
    there = None
    if bonds < 1:
        values *= rng.random(values.size) < bonds
    if sites < 1:
        there = rng.random(fields.size) < sites
    if h_width:
        fields = fields + rng.normal(0.0, h_width, fields.size)
    return edges_of.assemble(edges._replace(J=values), fields, there)


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


def power_law(n: int, sigma: float, disorder: Bonds = "ferromagnet", seed: Seed = None) -> Ising:
    """E(s) = -sum_{i<j} J_ij s_i s_j on a ring, J_ij = c e_ij / r^sigma with r = min(|i - j|, n - |i - j|).

    `disorder`: "ferromagnet", e = 1 and c = 1; "gaussian", e of mean 0 and variance 1, or "bimodal", e = +-1, with c
    such that sum_j J_ij^2 is 1 in the mean, whatever `sigma` is: 0 is the Sherrington-Kirkpatrick model, and the glass
    is of long range up to 1. `sigma`: at least 0. `seed` as in `edwards_anderson`. All pairs are coupled: ValueError if
    they would not fit in memory. Kotliar, Anderson and Stein, Phys. Rev. B 27, 602 (1983); Dyson, Commun. Math. Phys.
    12, 91 (1969).

    >>> import fastgibbs as fg
    >>> chain = fg.power_law(64, sigma=1.5)
    >>> print(chain, chain.energy([1] * 64).round(6))
    Ising(n=64, bonds=2016, fields=0) -144.563224
    """
    n, sigma = checks.integer("n", n), checks.finite_number("sigma", sigma)
    if sigma < 0:
        raise ValueError(f"sigma is {sigma}: give an exponent of at least 0")
    checks.require_memory(6 * DENSE_BYTES * n * n, f"a power-law chain of {n} spins, all pairs coupled,")
    distance = np.arange(1, n)
    J = np.minimum(distance, n - distance) ** -sigma
    if disorder != "ferromagnet" and n > 1:
        J /= math.sqrt((J**2).sum())
    i, j = np.triu_indices(n, 1)
    values = J[j - i - 1] * _draw(checks.generator(seed), disorder, i.size, _BONDS)
    ring = edges_of.geometry((n,), cells.known("chain", (n,), 1), edges_of.boundaries(True, 1))
    return Ising.from_edges(n, i, j, values, shape=(n,), geometry=ring)


def viana_bray(n: int, connectivity: float, disorder: Bonds = "bimodal", seed: Seed = None) -> Ising:
    """E(s) = -sum_<ij> J_ij s_i s_j on a random graph, each pair of sites coupled with probability connectivity/(n-1).

    A site has `connectivity` neighbours in the mean, 0 to n - 1, their number being Poisson's for large n. `disorder`:
    "bimodal", J = +-1; "gaussian", J of mean 0 and variance 1; "ferromagnet", J = 1. `seed` as in `edwards_anderson`.
    Viana and Bray, J. Phys. C 18, 3037 (1985).

    >>> import fastgibbs as fg
    >>> graph = fg.viana_bray(1000, 3.0, seed=1)
    >>> graph, graph.degree
    (Ising(n=1000, bonds=1480, fields=0), 12)
    """
    n, connectivity = checks.integer("n", n), checks.finite_number("connectivity", connectivity)
    check_size(n)
    if not 0 <= connectivity <= n - 1:
        raise ValueError(f"connectivity is {connectivity}: give a mean number of neighbours from 0 to n - 1 = {n - 1}")
    checks.require_memory(600 * n * connectivity, f"a graph of {n} sites and {connectivity} neighbours each")
    rng, pairs = checks.generator(seed), n * (n - 1) // 2
    count = int(rng.binomial(pairs, connectivity / (n - 1))) if n > 1 else 0
    pair = np.sort(rng.choice(pairs, count, replace=False, shuffle=False)) if count else np.empty(0, np.int64)
    # Pair k of j = 1, 2, ... and i < j is k = j (j - 1) / 2 + i; the root may be off by one.
    j = ((1 + np.sqrt(1 + 8.0 * pair)) / 2).astype(np.int64)
    j += (j * (j + 1) // 2 <= pair).astype(np.int64) - (j * (j - 1) // 2 > pair)
    return Ising.from_edges(n, pair - j * (j - 1) // 2, j, _draw(rng, disorder, count, _BONDS))


def random_regular(n: int, degree: int, disorder: Bonds = "bimodal", seed: Seed = None) -> Ising:
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
    return Ising.from_edges(n, i, j, _draw(rng, disorder, i.size, _BONDS))


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


def _probability(name: str, value: float) -> float:
    value = checks.finite_number(name, value)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}: give a probability between 0 and 1")
    return value


def _deviation(name: str, value: float) -> float:
    value = checks.finite_number(name, value)
    if value < 0:
        raise ValueError(f"{name} is {value}: give a standard deviation of at least 0")
    return value


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
