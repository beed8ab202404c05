"""The Hopfield energy, kept as its patterns: overlaps in place of an N x N coupling matrix."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.csr import DENSE_BYTES
from fastgibbs.models.energy import Energy
from fastgibbs.models.ising import Ising, field_sums
from fastgibbs.types import ArrayLike, FloatArray, IntArray, States

MemoryRule = Literal["hebb", "pseudoinverse", "storkey"]
RULES = get_args(MemoryRule)
_CHUNK = 2**22  # entries of patterns or states cast to float32 at once; below 2^24, sums of +-1 are exact
_DEPENDENT = 1e-9  # share of a pattern's square that is left over by the patterns before it


class Hopfield(Energy):
    """E(s) = -1/2 s.J.s - h.s with J_ij = (1/N) sum_mu xi_i^mu xi_j^mu and J_ii = 0, s in {-1, +1}^N.

    `patterns` is xi: (P, N) spins of -1 and +1, P >= 0, N >= 1, correlated or not; kept as int8, read-only.
    `field` is h, a number or (N,), zero by default. `rule` says how J is made of the patterns:

    - "hebb", as above;
    - "pseudoinverse": J = (1/N) sum_{mu nu} xi_i^mu (Q^-1)_{mu nu} xi_j^nu, Q_{mu nu} = (1/N) sum_i xi_i^mu xi_i^nu,
      J_ii = 0: every pattern is a fixed point up to P < N. ValueError names patterns that depend linearly on others;
    - "storkey": J_ij grows pattern by pattern by (1/N) (xi_i xi_j - xi_i h_ji - h_ij xi_j), h_ij = sum_{k != i, j}
      J_ik xi_k. This J has not rank P, so the model keeps its N x N couplings.

    `order` n > 2, with "hebb", is the dense associative memory E(s) = -1/(n N^(n-1)) sum_mu M_mu^n - h.s with
    M_mu = sum_i xi_i^mu s_i; n = 2 is the Hebb rule, whose J_ii = 0 adds the constant P/2. ValueError if P N^n does not
    fit 63 bits.

    Attributes, all read-only: `n`, `patterns`, `rule`, `order`, `fields` float64 (N,), `field`, the h of all sites or
    None if there are several, and `inverse`, Q^-1 of the pseudo-inverse rule or None.
    TypeError if patterns are not numbers; ValueError on another shape or at an entry that is not +-1.
    Hopfield, Proc. Natl. Acad. Sci. 79, 2554 (1982); normalised as in Amit, Gutfreund and Sompolinsky, Phys. Rev. A 32,
    1007 (1985). Personnaz, Guyon and Dreyfus, J. Physique Lett. 46, 359 (1985); Storkey, ICANN 97, 451 (1997); Krotov
    and Hopfield, NIPS 29, 1172 (2016).

    >>> import fastgibbs as fg
    >>> memory = fg.Hopfield([[1, 1, 1, 1, -1, -1, -1, -1], [1, -1, 1, -1, 1, -1, 1, -1]])
    >>> print(memory.energy(memory.patterns[0]))
    -3.0
    """

    batch_invariant = fully_connected = True

    patterns: States
    rule: MemoryRule
    order: int
    fields: FloatArray
    field: float | None
    inverse: FloatArray | None
    _storkey: Ising

    def __init__(
        self, patterns: ArrayLike, rule: MemoryRule = "hebb", field: ArrayLike | None = None, order: int = 2
    ) -> None:
        patterns = checks.spins("patterns", patterns)
        if patterns.ndim != 2 or patterns.shape[1] == 0:
            raise ValueError(f"patterns has shape {patterns.shape}: give (P, N), one pattern of N >= 1 spins a row")
        count, n = patterns.shape
        checks.choice("rule", rule, RULES)
        order = checks.integer("order", order, minimum=2)
        if order > 2 and rule != "hebb":
            raise ValueError(f'order is {order} and rule {rule!r}: an order above 2 goes with rule="hebb"')
        most = sum(max(count, 1) * n**power < 2**63 for power in range(1, 64))
        if n > 1 and order > most:
            raise ValueError(
                f"order is {order}: sums of M^{order} reach P N^{order} and do not fit 63 bits: give an order of at "
                f"most {most}"
            )
        fields = checks.finite_array("field", 0.0 if field is None else field)
        if fields.shape not in ((), (n,)):
            raise ValueError(f"field has shape {fields.shape}: give a number or one per site, ({n},)")
        fields = np.broadcast_to(fields, n).copy()
        attributes = {
            "n": n,
            "patterns": patterns.copy(),
            "rule": rule,
            "order": order,
            "fields": fields,
            "field": float(fields[0]) if (fields == fields[0]).all() else None,
            "inverse": _inverse(_products(patterns, patterns) / n) if rule == "pseudoinverse" else None,
        }
        if rule == "storkey":
            checks.require_memory((DENSE_BYTES + 16) * n**2, f"the Storkey rule for {n} spins")
            attributes["_storkey"] = Ising(_storkey(patterns), fields)
        self.__setstate__(attributes)

    @property
    def has_ising_form(self) -> bool:
        """Whether `to_ising` gives one: up to terms of two spins."""
        return self.order == 2

    @property
    def by_overlaps(self) -> bool:
        """Whether E is one of fields and the M_mu: by all rules but Storkey's."""
        return self.rule != "storkey"

    @property
    def even(self) -> bool:
        """Whether E(-s) = E(s): the order is even, and no spin is in a field."""
        return self.order % 2 == 0 and self.field == 0

    @property
    def field_bound(self) -> float:
        """A bound on |h_i| + sum_j |J_ij| of all spins, or of higher order on half of what a flip costs."""
        return checks.largest(self.fields) + len(self.patterns)

    @property
    def field_unit(self) -> float:
        """`field`, or 1 if it is None or zero: what field energies are counted in."""
        return self.field or 1.0

    @property
    def energy_unit(self) -> float:
        """1/N, or 1/(n N^(n-1)) of order n: half the cost of a flip is a whole number of these, if the rule is Hebb's.

        A number of energies, float64.
        """
        return 1 / self.n if self.order == 2 else 1 / (self.order * self.n ** (self.order - 1))

    def energy(self, states: ArrayLike) -> FloatArray:
        """E(s) of `states` (..., N), float64 in the shape of the leading axes; with M_mu = sum_i xi_i^mu s_i it is

        -(sum_mu M_mu^2 - N P) / (2N), or with pseudo-inverse -(sum_mu M_mu sum_nu (Q^-1)_{mu nu} M_nu - N P) / (2N),
        or of order n - sum_mu M_mu^n / (n N^(n-1)), minus the field energy as in `Ising.energy`. The M_mu and their
        powers are exact integers; sums of other numbers start at 0.0 and add one term after the other. No N x N array
        is built. Of the Storkey rule it is the energy of its Ising form. Errors as for `Ising.energy`.
        """
        if self.rule == "storkey":
            return self._storkey.energy(states)
        sums = self.sums(states)
        if self.order > 2:
            energy = -((sums**self.order).sum(axis=-1) / float(self.order * self.n ** (self.order - 1)))
        elif self.inverse is None:
            energy = -(((sums * sums).sum(axis=-1) - self.patterns.size) / (2 * self.n))
        else:
            inner = np.zeros(sums.shape)
            for nu, row in enumerate(self.inverse):  # symmetric
                inner += row * sums[..., nu, None]
            total = np.zeros(sums.shape[:-1])
            for mu in range(len(self.inverse)):
                total += sums[..., mu] * inner[..., mu]
            energy = -((total - self.patterns.size) / (2 * self.n))
        if self.field != 0:
            spins = np.reshape(states, (-1, self.n))
            energy -= (self.field_unit * field_sums(self, spins)).reshape(energy.shape)
        return energy[()]

    def overlaps(self, states: ArrayLike) -> FloatArray:
        """m_mu(s) = (1/N) sum_i xi_i^mu s_i, float64 (..., P), of `states` (..., N). Errors as in `energy`.

        >>> import fastgibbs as fg
        >>> fg.Hopfield([[1, 1, 1, 1], [1, -1, 1, -1]]).overlaps([1, 1, 1, -1]).tolist()
        [0.5, 0.5]
        """
        return self.sums(states) / self.n

    def sums(self, states: ArrayLike) -> IntArray:
        """M_mu(s) = sum_i xi_i^mu s_i, int64 (..., P), of `states` (..., N). Errors as in `energy`.

        >>> import fastgibbs as fg
        >>> memory = fg.Hopfield([[1, 1, 1, 1], [1, -1, 1, -1]])
        >>> memory.sums([1, 1, 1, -1]).tolist(), memory.energy_unit, memory.field_unit
        ([2, 2], 0.25, 1.0)
        """
        return sums_of(self.patterns, states)

    def to_ising(self) -> Ising:
        """The same energy as an `Ising` model; ValueError if its N (N-1) couplings do not fit in memory.

        ValueError too if the order is above 2: there is no Ising form of terms of n spins.
        """
        if self.order > 2:
            raise ValueError(f'{self!r} has terms of {self.order} spins and no Ising form: engine "overlap" runs it')
        if self.rule == "storkey":
            return self._storkey
        checks.require_memory(DENSE_BYTES * self.n**2, f"the coupling matrix of {self!r}")
        patterns = self.patterns.astype(np.float64)
        J = patterns.T @ (patterns if self.inverse is None else self.inverse @ patterns)
        if self.inverse is not None:
            J = (J + J.T) / 2  # rounding differs on the two sides
        np.fill_diagonal(J, 0.0)
        J /= self.n
        return Ising(J, self.fields)

    def __repr__(self) -> str:
        rule = "" if self.rule == "hebb" else f", rule={self.rule!r}"
        field = "" if self.field == 0 else f", fields={np.count_nonzero(self.fields)}"
        order = "" if self.order == 2 else f", order={self.order}"
        return f"Hopfield(n={self.n}, patterns={len(self.patterns)}{rule}{field}{order})"


def sums_of(patterns: States, states: ArrayLike) -> IntArray:
    """sum_i xi_i^mu s_i, int64 (..., P), of patterns (P, N) and `states` (..., N), which are checked."""
    states = checks.spins("states", states, patterns.shape[1])
    sums = _products(checks.rows(states), patterns)
    return sums.reshape(states.shape[:-1] + sums.shape[1:])


def _products(a: States, b: States) -> IntArray:
    """sum_i a_i b_i of spins (rows, N) and (others, N): exact, int64 (rows, others)."""
    sums = np.zeros((len(a), len(b)), np.int64)
    step = max(1, _CHUNK // max(*sums.shape, 1))
    for start in range(0, a.shape[1], step):
        sites = slice(start, start + step)
        sums += (a[:, sites].astype(np.float32) @ b[:, sites].T.astype(np.float32)).astype(np.int64)
    return sums


def _inverse(Q: FloatArray) -> FloatArray:
    """Q^-1, symmetric; ValueError names the first pattern that depends on those before it."""
    left = Q.copy()
    for k in range(len(Q)):
        if left[k, k] < _DEPENDENT:
            weights = np.linalg.solve(Q[:k, :k], Q[:k, k])
            others = np.flatnonzero(np.abs(weights) > 1e-6).tolist()
            raise ValueError(
                f"patterns[{k}] is a linear combination of patterns {others}: the pseudo-inverse rule needs linearly "
                "independent patterns, leave it out"
            )
        left[k + 1 :, k + 1 :] -= left[k + 1 :, k, None] * (left[k, k + 1 :] / left[k, k])
    inverse = np.linalg.inv(Q)
    return (inverse + inverse.T) / 2


def _storkey(patterns: States) -> FloatArray:
    """J of the Storkey rule, float64 (N, N), exactly symmetric."""
    n = patterns.shape[1]
    J = np.zeros((n, n))
    for xi in patterns.astype(np.float64):
        # sum_j (J_ij xi_j), of which h_ij leaves out its term j: xi_i h_ji = xi_i H_j - J_ij
        crossed = np.outer(xi, J @ xi)
        J += (np.outer(xi, xi) - (crossed + crossed.T) + 2 * J) / n
        np.fill_diagonal(J, 0.0)
    return J
