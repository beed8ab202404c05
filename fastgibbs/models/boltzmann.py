"""The general Boltzmann machine: an energy of units 0 and 1 on any graph, some of them visible."""

from __future__ import annotations

import math

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.csr import symmetric_csr
from fastgibbs.models.energy import Energy, Quadratic
from fastgibbs.models.ising import Ising
from fastgibbs.models.logistic import MOST_HIDDEN, numbered
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray, Matrix, Sites

_CHUNK = 2**22  # exponents held at once


class BoltzmannMachine(Energy):
    """E(x) = -1/2 x.W.x - b.x, with W symmetric of zero diagonal and units x in {0, 1}^n.

    `weights` is W, exactly symmetric: a dense (n, n) array, or a SciPy-like sparse matrix (whatever has `.tocoo()`).
    `biases` is b, (n,), zero by default. `visible`: the indices of the visible units, in the order in which data holds
    them, by default all; the others are hidden. A state is (..., n), all units in the order of W.

    Attributes, all read-only: `n`; `indptr` int64 (n+1,), `indices` int32 (nnz,) and `weights` float64 (nnz,), the CSR
    form of W; `biases` float64 (n,); `visible` int32 (V,) and `hidden` int32 (H,), ascending; `hidden_groups`, tuples
    of those hidden units that couplings between hidden units connect.

    TypeError on anything that is not real numbers; ValueError on a NaN or infinity, a wrong shape, a nonzero diagonal,
    an asymmetric W, or an index out of range or given twice.
    Ackley, Hinton and Sejnowski, Cogn. Sci. 9, 147 (1985).

    >>> import fastgibbs as fg
    >>> machine = fg.BoltzmannMachine([[0, 1, 2], [1, 0, 0], [2, 0, 0]], visible=[1, 2])
    >>> print(machine.energy([1, 0, 1]), machine.hidden)
    -2.0 [0]
    """

    low = 0
    batch_invariant = True

    indptr: IntArray
    indices: Sites
    weights: FloatArray
    biases: FloatArray
    visible: Sites
    hidden: Sites
    hidden_groups: tuple[tuple[int, ...], ...]
    _ising: Ising

    def __init__(self, weights: Matrix, biases: ArrayLike | None = None, visible: ArrayLike | None = None) -> None:
        self._fill(*symmetric_csr("weights", weights, "since x_i x_i = x_i, put W_ii/2 in biases[i]"), biases, visible)

    @staticmethod
    def from_edges(
        n: int,
        i: ArrayLike,
        j: ArrayLike,
        W: ArrayLike,
        biases: ArrayLike | None = None,
        visible: ArrayLike | None = None,
    ) -> BoltzmannMachine:
        """The machine of n units with terms -W_k x_i(k) x_j(k), k = 0, 1, ...; repeated pairs add up.

        Arguments and errors as for `Ising.from_edges`, W in place of J.

        >>> import fastgibbs as fg
        >>> machine = fg.BoltzmannMachine.from_edges(3, [0, 0], [1, 2], W=[1.0, 2.0], visible=[1, 2])
        >>> print(machine.energy([1, 0, 1]))
        -2.0
        """
        n = checks.integer("n", n, minimum=0)
        i, W = checks.indices("i", i, n), checks.finite_array("W", W)
        if W.shape not in ((), i.shape):
            raise ValueError(f"W has shape {W.shape}: give a number or one per pair, {i.shape}")
        checks.require_range(4 * checks.largest(W) * max(2 * i.size, 1), "W")
        graph = Ising.from_edges(n, i, j, W)
        model = BoltzmannMachine.__new__(BoltzmannMachine)
        model._fill(graph.indptr, graph.indices, graph.couplings, biases, visible)
        return model

    def _fill(
        self, indptr: IntArray, indices: Sites, weights: FloatArray, biases: ArrayLike | None, visible: ArrayLike | None
    ) -> None:
        n = indptr.size - 1
        biases = np.zeros(n) if biases is None else checks.finite_array("biases", biases, (n,)).copy()
        visible = np.arange(n, dtype=np.int32) if visible is None else checks.different("visible", visible, n)
        most = checks.largest(weights) * weights.size + checks.largest(biases) * n
        checks.require_range(4 * most, "weights and biases")
        hidden = np.setdiff1d(np.arange(n, dtype=np.int32), visible)
        rows = np.repeat(np.arange(n), np.diff(indptr))
        above = rows < indices
        offset = -(biases.sum() / 2 + weights[above].sum() / 4)
        fields = biases / 2 + np.bincount(rows, weights, n) / 4
        ising = Ising.from_edges(n, rows[above], indices[above], weights[above] / 4, fields, offset)
        self.__setstate__(
            {
                "n": n,
                "indptr": indptr,
                "indices": indices,
                "weights": weights,
                "biases": biases,
                "visible": visible,
                "hidden": hidden,
                "_ising": ising,
                "hidden_groups": _coupled(indptr, indices, hidden),
            }
        )

    @property
    def n_visible(self) -> int:
        """The number of visible units, V."""
        return self.visible.size

    @property
    def coupled_hidden(self) -> int:
        """The most hidden units that are coupled to each other: 1 if none are, 0 if there are no hidden units."""
        return max((len(group) for group in self.hidden_groups), default=0)

    def energy(self, states: ArrayLike) -> FloatArray:
        """E(x) of `states` (..., n), float64 in the shape of the leading axes: that of the spins of the Ising form.

        TypeError if they are not numbers, ValueError at a unit that is not 0 or 1 or on a wrong last axis.
        """
        return self._ising.energy(self.to_spins(states))

    def log_marginal(self, v: ArrayLike, beta: float = 1.0) -> FloatArray:
        """log sum_h exp(-beta E(v, h)), unnormalised log-probabilities of visible units `v` (..., V): float64 (...).

        Hidden units that no path of hidden units connects are independent given v: each such group is summed over by
        itself. ValueError if a group has more than 20, with the number of states that it has; others as for `energy`.

        >>> import fastgibbs as fg
        >>> machine = fg.BoltzmannMachine.from_edges(3, [0, 0], [1, 2], W=[1.0, 2.0], visible=[1, 2])
        >>> machine.log_marginal([[0, 0], [1, 1]]).round(3).tolist()
        [0.693, 3.049]
        """
        v = checks.units("v", v, self.n_visible)
        largest = self.coupled_hidden
        if largest > MOST_HIDDEN:
            raise ValueError(
                f"{self!r} has {largest} hidden units that are coupled to each other, 2^{largest} states for every "
                f"visible one: at most {MOST_HIDDEN} are summed over"
            )
        states = np.zeros((math.prod(v.shape[:-1]), self.n), np.int8)
        states[:, self.visible] = v.reshape(len(states), self.n_visible)
        total = -beta * self.energy(states)  # no hidden unit is on
        for group in self.hidden_groups:
            x = np.stack([self._inputs(unit, states) for unit in group], axis=1)
            if len(group) == 1:
                total += np.logaddexp(0, beta * x[:, 0])
                continue
            h = numbered(np.arange(2 ** len(group)), len(group))
            own = (h @ self._block(group) * h).sum(axis=1) / 2
            rows = max(1, _CHUNK // len(h))
            for first in range(0, len(x), rows):
                exponents = beta * (x[first : first + rows] @ h.T + own)
                top = exponents.max(axis=1, keepdims=True)
                total[first : first + rows] += top[:, 0] + np.log(np.exp(exponents - top).sum(axis=1))
        return total.reshape(v.shape[:-1])

    def inputs(self, states: ArrayLike) -> FloatArray:
        """x_i = b_i + sum_j W_ij x_j of every unit, float64 (..., n): p(x_i = 1 | the others) = 1 / (1 + exp(-x_i)).

        `states`: (..., n), units or their means. TypeError or ValueError on anything else.

        >>> import fastgibbs as fg
        >>> machine = fg.BoltzmannMachine([[0, 2], [2, 0]], [1, -1])
        >>> machine.inputs([1, 0]).tolist()
        [1.0, 1.0]
        """
        states = checks.finite_array("states", states)
        if states.shape[-1:] != (self.n,):
            raise ValueError(f"states has shape {states.shape}: give (..., {self.n})")
        rows = checks.rows(states)
        x = [self._inputs(unit, rows) for unit in range(self.n)]
        return np.stack(x, axis=1).reshape(states.shape) if x else states.copy()

    def free_energy(self, v: ArrayLike) -> FloatArray:
        """F(v) = -log sum_h exp(-E(v, h)) of visible units `v` (..., V), at beta = 1. Errors as for `log_marginal`.

        >>> import fastgibbs as fg
        >>> machine = fg.BoltzmannMachine([[0, 2], [2, 0]], [1, -1], visible=[0])
        >>> machine.free_energy([[0], [1]]).round(3).tolist(), machine.coupled_hidden
        ([-0.313, -2.313], 1)
        """
        return -self.log_marginal(v)

    def _inputs(self, unit: int, states: AnyArray) -> FloatArray:
        """b_i + sum_j W_ij x_j of one unit in every state, float64 (states,)."""
        row = slice(self.indptr[unit], self.indptr[unit + 1])
        return self.biases[unit] + states[:, self.indices[row]] @ self.weights[row]

    def _block(self, group: tuple[int, ...]) -> FloatArray:
        """The weights between the units of a group, float64 (units, units)."""
        place = {unit: k for k, unit in enumerate(group)}
        block = np.zeros((len(group), len(group)))
        for k, unit in enumerate(group):
            for entry in range(self.indptr[unit], self.indptr[unit + 1]):
                other = place.get(int(self.indices[entry]))
                if other is not None:
                    block[k, other] = self.weights[entry]
        return block

    def to_ising(self) -> Ising:
        """The same energy of the spins s = 2x - 1: J = W/4, h_i = b_i/2 + sum_j W_ij/4."""
        return self._ising

    def quadratic(self) -> Quadratic:
        """The energy of the units, row by row."""
        return Quadratic(self.indptr, self.indices, self.weights, self.biases, 0.0, 0)

    def __repr__(self) -> str:
        return f"BoltzmannMachine(n_visible={self.n_visible}, n_hidden={self.n_hidden})"


def _coupled(indptr: IntArray, indices: Sites, hidden: Sites) -> tuple[tuple[int, ...], ...]:
    """The hidden units in groups, tuples of ascending numbers: those that a path of hidden units connects."""
    left, groups = set(hidden.tolist()), []
    for first in hidden.tolist():
        if first not in left:
            continue
        left.remove(first)
        group = [first]
        for unit in group:  # which grows
            near = left.intersection(indices[indptr[unit] : indptr[unit + 1]].tolist())
            left -= near
            group.extend(near)
        groups.append(tuple(sorted(group)))
    return tuple(groups)
