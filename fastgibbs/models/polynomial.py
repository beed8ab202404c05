"""Energies of products of any number of variables: p-spin glasses, XORSAT, and binary optimisation of high order."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.csr import check_size
from fastgibbs.models.energy import Energy, Flips
from fastgibbs.models.ising import Ising
from fastgibbs.types import AnyArray, ArrayLike, Disorder, FloatArray, IntArray, Mask, Seed, Sites

KINDS = {"spin": -1, "binary": 0}
_CHUNK = 2**16  # products that are made at once
_ROUNDING = 2.0**-48  # of what is added up to a field: below it nothing is known


class Entries(NamedTuple):
    """The terms site by site: the field of a site is f_i = sum_k numbers_k (the product of the others of entry k)."""

    first: IntArray  # int64 (n + 1,): where the entries of each site begin
    starts: IntArray  # int64 (entries + 1,): where the others of each entry begin
    others: Sites  # int32
    numbers: FloatArray  # float64 (entries,): -c, or -c / 2 of units, so that a flip costs 2 s_i f_i


class Polynomial(Energy):
    """E(x) = offset + sum_k c_k prod_{i in k} x_i, of spins -1 and 1 or, with kind="binary", of units 0 and 1.

    `terms`: a dict of tuples of sites to coefficients c; terms of the same sites add up, and () is the offset. `n`: the
    number of variables, by default as many as the sites that are named. `from_arrays` takes many terms at once.
    A site that a term names twice is left out of it, since s^2 = 1 (of units once, x^2 = x); a UserWarning says so.

    Attributes, all read-only: `n`; `kind`; `low`, -1 or 0; `sites` int32, those of all terms one after the other,
    ascending in each; `degrees` int64 (terms,), how many each has, ascending; `coefficients` float64 (terms,);
    `offset`; and `degree`, the largest of `degrees`.

    TypeError on what is no dict, no tuple of integers or no real number; ValueError on another kind, a site that is
    out of range, a NaN or an infinity, or where energies might overflow.

    >>> import fastgibbs as fg
    >>> parity = fg.Polynomial({(0, 1, 2): -1.0, (2, 3): 0.5, (0,): 0.25})
    >>> parity.energy([1, 1, 1, -1]).tolist(), fg.anneal(parity, seed=1).energy[0].tolist()
    (-1.25, -1.75)
    """

    batch_invariant = True

    kind: Literal["spin", "binary"]
    sites: Sites
    degrees: IntArray
    coefficients: FloatArray
    offset: float
    degree: int

    def __init__(
        self,
        terms: Mapping[tuple[int, ...], float],
        kind: Literal["spin", "binary"] = "spin",
        n: int | None = None,
    ) -> None:
        if not isinstance(terms, Mapping):
            raise TypeError(
                f"terms is {checks.shown(terms)}: give a dict of tuples of sites to coefficients; "
                "Polynomial.from_arrays takes arrays"
            )
        for key, value in terms.items():
            if not isinstance(key, tuple):
                raise TypeError(f"terms has the key {checks.shown(key)}: give tuples of sites, (i,) of one")
            for site in key:
                checks.integer(f"terms: a site of {checks.shown(key)}", site, minimum=0)
            checks.finite_number(f"terms[{checks.shown(key)}]", value)
        named = [site for key in terms for site in key]
        n = max(named, default=-1) + 1 if n is None else checks.integer("n", n, minimum=0)
        if named and max(named) >= n:
            key = next(key for key in terms if max(key, default=-1) >= n)
            raise ValueError(f"terms has the key {checks.shown(key)}: give site indices from 0 to {n - 1}")
        degrees = np.array([len(key) for key in terms], np.int64)
        self._fill(n, np.array(named, np.int64), degrees, np.array(list(terms.values()), np.float64), kind, 0.0)

    @staticmethod
    def from_arrays(
        n: int,
        sites: ArrayLike,
        coefficients: ArrayLike,
        kind: Literal["spin", "binary"] = "spin",
        degrees: ArrayLike | None = None,
        offset: float = 0.0,
    ) -> Polynomial:
        """The model of n >= 0 variables with terms c_k prod_{i in k} x_i, k = 0, 1, ...; repeated terms add up.

        `sites`: (terms, p), the sites of terms of p variables each; or, of any, those of one term after the other, with
        `degrees` (terms,), how many each has. `coefficients`: a number or (terms,). Errors as for the class.

        >>> import fastgibbs as fg
        >>> fg.Polynomial.from_arrays(4, [[0, 1, 2], [1, 2, 3]], [1.0, -2.0]).energy([1, 1, 1, 1]).tolist()
        -1.0
        """
        n = checks.integer("n", n, minimum=0)
        listed = checks.integers("sites", sites) if np.size(sites) else np.empty(np.shape(sites), np.int64)
        if degrees is None:
            if listed.ndim != 2:
                raise ValueError(f"sites has shape {listed.shape}: give (terms, p), or with degrees a 1-D array")
            lengths = np.full(len(listed), listed.shape[1], np.int64)
        else:
            lengths = checks.integers("degrees", degrees) if np.size(degrees) else np.empty(0, np.int64)
            lengths = lengths.astype(np.int64)
            if lengths.ndim != 1 or (lengths < 0).any() or listed.shape != (lengths.sum(),):
                raise ValueError(
                    f"sites has shape {listed.shape} and degrees {lengths.shape}, of sum {lengths.sum()}: give one "
                    "site after the other, and how many each term has"
                )
        flat = checks.indices("sites", listed.ravel(), n)
        values = checks.finite_array("coefficients", coefficients)
        if values.shape not in ((), lengths.shape):
            raise ValueError(f"coefficients has shape {values.shape}: give a number or one per term, {lengths.shape}")
        model = Polynomial.__new__(Polynomial)
        model._fill(n, flat.astype(np.int64), lengths, np.broadcast_to(values, lengths.shape), kind, offset)
        return model

    def _fill(
        self, n: int, sites: IntArray, degrees: IntArray, coefficients: FloatArray, kind: Any, offset: float
    ) -> None:
        checks.choice("kind", kind, KINDS)
        check_size(n)
        largest = int(degrees.max(initial=0))
        checks.require_memory(
            50 * n + (60 + 4 * largest) * sites.size, f"a model of n = {n} sites and {degrees.size} terms"
        )
        offset = checks.finite_number("offset", offset)
        most = checks.largest(coefficients) * coefficients.size + abs(offset)
        checks.require_range(4 * most, "coefficients and offset")
        sites, degrees = _reduced(sites, degrees, kind == "spin")
        parts = [_merged(sites, degrees, coefficients, d) for d in np.unique(degrees).tolist()]
        if parts and not parts[0][0].shape[1]:
            offset += float(parts.pop(0)[1].sum())
        attributes = {
            "n": n,
            "kind": kind,
            "low": KINDS[kind],
            "sites": np.concatenate([np.empty(0, np.int32), *(rows.ravel() for rows, _ in parts)]).astype(np.int32),
            "degrees": np.concatenate(
                [np.empty(0, np.int64), *(np.full(len(rows), rows.shape[1]) for rows, _ in parts)]
            ),
            "coefficients": np.concatenate([np.empty(0), *(values for _, values in parts)]),
            "offset": offset + 0.0,  # no -0.0
        }
        self.__setstate__(attributes | {"degree": int(attributes["degrees"].max(initial=0))})

    @property
    def terms(self) -> dict[tuple[int, ...], float]:
        """The terms as a dict of tuples of sites to coefficients, that of () the offset.

        >>> import fastgibbs as fg
        >>> model = fg.Polynomial({(0, 1, 2): -1.0, (0,): 0.5}, kind="spin")
        >>> model.terms, type(model.entries).__name__
        ({(0,): 0.5, (0, 1, 2): -1.0}, 'Entries')
        """
        ends = np.cumsum(self.degrees).tolist()
        sites, coefficients = self.sites.tolist(), self.coefficients.tolist()
        listed = {
            tuple(sites[end - d : end]): c for end, d, c in zip(ends, self.degrees.tolist(), coefficients, strict=True)
        }
        return ({(): self.offset} if self.offset else {}) | listed

    @property
    def has_ising_form(self) -> bool:
        """Whether no term has more than two variables: then all engines run it."""
        return self.degree <= 2

    @property
    def even(self) -> bool:
        """Whether E(-s) = E(s): all terms have an even number of spins."""
        return self.kind == "spin" and not (self.degrees % 2).any()

    @property
    def field_bound(self) -> float:
        """A bound on half of what a flip costs: the largest sum of |c| of a site's terms, of units half of it."""
        sums = np.bincount(self.sites, np.repeat(np.abs(self.coefficients), self.degrees), self.n)
        return float(sums.max(initial=0.0)) * (1.0 if self.low else 0.5)

    def energy(self, states: ArrayLike) -> FloatArray:
        """E of `states` (..., n), float64 in the shape of the leading axes: offset + c_0 prod + c_1 prod + ...

        Terms are added one after the other, so that a compiled loop gives the same bits. TypeError if the states are
        not numbers, ValueError at one that is not -1 or 1, or by kind 0 or 1.
        """
        values = (checks.spins if self.low else checks.units)("states", states, self.n)
        rows = values.reshape(math.prod(values.shape[:-1]), self.n)
        energies = np.full(len(rows), self.offset)
        for sites, coefficients in self._groups():
            step = max(1, _CHUNK // len(sites))
            for first in range(0, len(rows), step):
                some = rows[first : first + step]
                product = some.take(sites[:, 0], axis=1)
                for column in sites.T[1:]:
                    product *= some.take(column, axis=1)
                terms = coefficients * product
                terms[:, 0] += energies[first : first + step]
                energies[first : first + step] = np.add.accumulate(terms, axis=1)[:, -1]
        return energies.reshape(values.shape[:-1])[()]

    def _groups(self) -> Iterator[tuple[Sites, FloatArray]]:
        """Yield sites (terms, p) and coefficients (terms,) of terms of one degree p, at most _CHUNK of them."""
        ends = np.cumsum(self.degrees)
        for d in np.unique(self.degrees).tolist():
            first, last = np.searchsorted(self.degrees, [d, d + 1])
            for k in range(first, last, _CHUNK):
                end = min(k + _CHUNK, last)
                yield self.sites[ends[k] - d : ends[end - 1]].reshape(-1, d), self.coefficients[k:end]

    @cached_property
    def entries(self) -> Entries:
        """The terms site by site, as engines read them: an `Entries`."""
        terms, factor = 0, -1.0 if self.low else -0.5
        parts: list[tuple[AnyArray, ...]] = [(np.empty(0, np.int64),) * 3 + (np.empty(0, np.int32), np.empty(0))]
        for sites, coefficients in self._groups():
            count, d = sites.shape
            numbers = np.arange(terms, terms + count)
            for a in range(d):
                others = np.delete(sites, a, axis=1).ravel()
                parts.append((sites[:, a], numbers, np.full(count, d - 1), others, factor * coefficients))
            terms += count
        site, term, lengths, others, numbers = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((term, site))
        begins, lengths = (np.cumsum(lengths) - lengths)[order], lengths[order]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(begins - starts[:-1], lengths) + np.arange(starts[-1])
        first = np.concatenate([[0], np.cumsum(np.bincount(site, minlength=self.n))])
        found = Entries(first, starts, others[places].astype(np.int32), numbers[order])
        for array in found:
            array.flags.writeable = False
        return found

    def flips(self) -> Flips:
        """What a flip costs, 2 s_i f_i, from the terms of the site."""
        return Flips(_cost, (*self.entries, self.low))

    def to_ising(self) -> Ising:
        """The same energy as an `Ising` model; ValueError if a term has more than two variables."""
        if self.degree > 2:
            raise ValueError(f'{self!r} has terms of {self.degree} variables and no Ising form: "polynomial" runs it')
        fields, offset, pairs, J = np.zeros(self.n), self.offset, np.empty((0, 2), np.int32), np.empty(0)
        for sites, c in self._groups():
            share = c * (1.0 if self.low else 0.5 ** sites.shape[1])  # of the product of spins
            if sites.shape[1] == 2:
                pairs, J = np.concatenate([pairs, sites]), np.concatenate([J, -share])
            if sites.shape[1] == 1 or not self.low:
                np.subtract.at(fields, sites.ravel(), np.repeat(share, sites.shape[1]))
            offset += 0.0 if self.low else float(share.sum())
        i, j = pairs.T
        if not self.low:
            fields = without_noise(fields, i, j, J)
        ising = Ising.from_edges(self.n, i, j, J, fields, offset)
        return ising if self.labels is None else ising.with_labels(self.labels)

    def __repr__(self) -> str:
        kind = "" if self.kind == "spin" else f", kind={self.kind!r}"
        return f"Polynomial(n={self.n}, terms={self.degrees.size}, degree={self.degree}{kind})"


def without_noise(fields: FloatArray, i: Sites, j: Sites, J: FloatArray) -> FloatArray:
    """Fields of spins made of units, 0 where all of one but rounding cancels: a field of 10^-16 is one to a descent."""
    reach = np.bincount(i, np.abs(J), fields.size) + np.bincount(j, np.abs(J), fields.size)
    return np.where(np.abs(fields) <= _ROUNDING * reach, 0.0, fields)


def _cost(spins: Any, site: int, first: Any, starts: Any, others: Any, numbers: Any, low: int) -> float:
    """2 s_i f_i."""
    field = 0.0
    for k in range(first[site], first[site + 1]):
        value = numbers[k]
        for place in range(starts[k], starts[k + 1]):
            if low == 0:
                value *= spins[others[place]] > 0
            else:
                value *= spins[others[place]]
        field += value
    return float(2 * spins[site] * field)


def _reduced(sites: IntArray, degrees: IntArray, of_spins: bool) -> tuple[IntArray, IntArray]:
    """Terms whose sites are ascending and differ, and how many each has; a UserWarning where one named a site twice."""
    term = np.repeat(np.arange(degrees.size), degrees)
    order = np.lexsort((sites, term))
    sites = sites[order]
    starts = np.flatnonzero(np.append(True, (sites[1:] != sites[:-1]) | (term[1:] != term[:-1]))[: sites.size])
    times = np.diff(np.append(starts, sites.size))
    if (times == 1).all():
        return sites, degrees
    which = int(starts[(times > 1).argmax()])
    rule = "s^2 = 1, and pairs of it are left out" if of_spins else "x^2 = x, and it is taken once"
    warnings.warn(
        f"terms: that of the sites {checks.shown(tuple(sites[term == term[which]].tolist()))} names site "
        f"{sites[which]} more than once: {rule}",
        UserWarning,
        stacklevel=4,
    )
    kept = starts[times % 2 == 1] if of_spins else starts
    return sites[kept], np.bincount(term[kept], minlength=degrees.size)


def _merged(sites: IntArray, degrees: IntArray, coefficients: FloatArray, degree: int) -> tuple[IntArray, FloatArray]:
    """The terms of one degree, sites (terms, degree) in ascending order, and their coefficients; zeros are left out."""
    mine: Mask = degrees == degree
    rows, values = sites[np.repeat(mine, degrees)].reshape(np.count_nonzero(mine), degree), coefficients[mine]
    if not degree:
        return rows[:1], values.sum(keepdims=True)
    order = np.lexsort(rows.T[::-1])
    rows, values = rows[order], values[order]
    first = np.flatnonzero(np.append(True, (rows[1:] != rows[:-1]).any(axis=1)))
    rows, values = rows[first], np.add.reduceat(values, first)
    return rows[values != 0], values[values != 0]


def p_spin(n: int, p: int = 3, disorder: Disorder = "gaussian", seed: Seed = None) -> Polynomial:
    """E(s) = -sum_{i1 < ... < ip} J_i1...ip s_i1 ... s_ip, J of mean 0 and variance p! / (2 n^(p-1)).

    So E has the variance n / 2, nearly, as in the random energy model, which is the limit of large p: there
    E_0 / n = -sqrt(ln 2). At p = 2 it is the Sherrington-Kirkpatrick model. `disorder`: "gaussian", or "bimodal" for J
    of two values. `seed` as in `edwards_anderson`. ValueError unless 1 <= p <= n, or if the terms do not fit in memory.
    Derrida, Phys. Rev. B 24, 2613 (1981); Gross and Mezard, Nucl. Phys. B 240, 431 (1984).

    >>> import fastgibbs as fg
    >>> fg.p_spin(20, 3, seed=1)
    Polynomial(n=20, terms=1140, degree=3)
    """
    n, p = checks.integer("n", n), checks.integer("p", p)
    if p > n:
        raise ValueError(f"p is {p}: give at most n = {n}")
    checks.choice("disorder", disorder, ("gaussian", "bimodal"))
    count = min(math.comb(n, min(p, n - p, 64)), 2**64)  # of as many as that, or more, no memory holds the terms
    checks.require_memory(count * (60 * p + 8 * p * p), f"a p-spin model of n = {n}, p = {p}, {count} terms")
    rng = checks.generator(seed)
    J = rng.normal(size=count) if disorder == "gaussian" else rng.choice([-1.0, 1.0], count)
    return Polynomial.from_arrays(n, _subsets(n, p), -J * math.sqrt(math.factorial(p) / (2 * n ** (p - 1))))


def _subsets(n: int, p: int) -> Sites:
    """All p of n sites, int32 (n over p, p), each ascending, in lexical order."""
    rows = np.arange(n, dtype=np.int32)[:, None]
    for _ in range(p - 1):  # each is followed by every larger site
        last = rows[:, -1]
        more = n - 1 - last
        step = np.arange(more.sum()) - np.repeat(np.cumsum(more) - more, more)
        rows = np.column_stack([np.repeat(rows, more, axis=0), np.repeat(last, more) + 1 + step]).astype(np.int32)
    return rows
