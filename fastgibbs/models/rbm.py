"""The restricted Boltzmann machine: a bipartite energy of visible and hidden units; deep ones are such machines too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.energy import Energy, Quadratic
from fastgibbs.models.free_units import Given, Sides
from fastgibbs.models.ising import Ising
from fastgibbs.models.logistic import MOST_HIDDEN, logistic, summed_out
from fastgibbs.models.rows import Rows, RowsLike
from fastgibbs.types import ArrayLike, FloatArray, Seed, Sites


class RBM(Energy):
    """E(v, h) = -a.v - b.h - v.W.h, with units v in {0, 1}^V and h in {0, 1}^H.

    `weights` is W, (V, H); `visible_bias` a, (V,), and `hidden_bias` b, (H,), are zero by default; kept as
    float64, read-only. `n` = V + H. A joint state is (..., n), v first.

    `visible`: the indices, from 0 to n - 1, of the units that data shows, in the order in which data holds them; by
    default all of v. Others are hidden. So v and h are but the two sides of a bipartite graph, and either may hold
    units of both kinds: a machine of layers has the even ones on the first side and the odd ones on the second
    (`RBM.deep`; Salakhutdinov and Hinton, AISTATS 2009). Where hidden units are on both sides, or visible ones on the
    second, pairs of weight 0 are not coupled, and no training couples them.

    TypeError on anything that is not real numbers; ValueError on a NaN, an infinity or a wrong shape, and at an index
    out of range or given twice.
    Smolensky, in Parallel Distributed Processing 1, 194 (1986); Hinton, Neural Comput. 14, 1771 (2002).

    >>> import fastgibbs as fg
    >>> rbm = fg.RBM([[2.0], [-1.0]], visible_bias=[0.5, 0.5])  # two visible units, and a hidden one
    >>> rbm.energy([[1, 0, 1], [1, 1, 1]]).tolist()
    [-2.5, -2.0]
    """

    low = 0
    weights: FloatArray
    visible_bias: FloatArray
    hidden_bias: FloatArray
    visible: Sites

    def __init__(
        self,
        weights: ArrayLike,
        visible_bias: ArrayLike | None = None,
        hidden_bias: ArrayLike | None = None,
        visible: ArrayLike | None = None,
    ) -> None:
        weights = checks.finite_array("weights", weights).copy()
        if weights.ndim != 2:
            raise ValueError(f"weights has shape {weights.shape}: give (V, H), one row per visible unit")
        attributes: dict[str, Any] = {"weights": weights}
        biases = {"visible_bias": visible_bias, "hidden_bias": hidden_bias}
        for (name, bias), size in zip(biases.items(), weights.shape, strict=True):
            attributes[name] = np.zeros(size) if bias is None else checks.finite_array(name, bias, (size,)).copy()
        most = sum(checks.largest(array) * array.size for array in attributes.values())
        checks.require_range(4 * most, "weights and biases (visible_bias, hidden_bias)")
        n, first = sum(weights.shape), np.arange(len(weights), dtype=np.int32)
        visible = first if visible is None else checks.different("visible", visible, n)
        self.__setstate__({"n": n, "visible": visible} | attributes)

    @classmethod
    def random(cls, n_visible: int, n_hidden: int, data: RowsLike | None = None, *, seed: Seed = None) -> RBM:
        """A machine to start a training from: weights normal with deviation 0.01, hidden biases 0.

        Visible biases are log(m / (1 - m)) of the means m of `data`, so that the machine knows its units, if not yet
        how they go together; m is kept 1/(N + 2) away from 0 and 1. Without data they are 0. `data`: (N, n_visible) as
        `train` takes it; `seed`: None, an int, a numpy SeedSequence or Generator. TypeError or ValueError names a bad
        argument. Hinton, in Neural Networks: Tricks of the Trade, 2nd ed., 599 (2012), section 8.

        >>> import fastgibbs as fg
        >>> rbm = fg.RBM.random(6, 3, data=[[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0]], seed=1)
        >>> rbm, rbm.visible_bias.round(2).tolist()
        (RBM(n_visible=6, n_hidden=3), [0.0, 1.1, 1.1, 0.0, -1.1, -1.1])
        """
        n_visible, n_hidden = checks.integer("n_visible", n_visible), checks.integer("n_hidden", n_hidden)
        return cls.deep((n_visible, n_hidden), data, seed=seed)

    @classmethod
    def deep(cls, layers: Sequence[int], data: RowsLike | None = None, *, seed: Seed = None) -> RBM:
        """A machine of layers to start a training from, each coupled to the next; the first is visible.

        `layers`: their widths, two or more. Layers 0, 2, ... are v, one after the other, and layers 1, 3, ... are h:
        unit k of layer 0 is unit k of the machine. Weights, biases, `data` and `seed` are as of `random`, to which it
        comes of two layers. TypeError or ValueError names a bad argument.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM.deep((6, 4, 3), seed=1)
        >>> machine, machine.weights.shape, machine.visible.tolist()
        (RBM(n_visible=6, n_hidden=7), (9, 4), [0, 1, 2, 3, 4, 5])
        """
        given = checks.integers("layers", layers)
        if given.ndim != 1 or given.size < 2:
            raise ValueError(f"layers is {checks.shown(layers)}: give two widths or more, of the visible layer first")
        widths = [checks.integer(f"layers[{k}]", width) for k, width in enumerate(given)]
        rng, n_visible = checks.generator(seed), widths[0]
        V, H = sum(widths[::2]), sum(widths[1::2])
        checks.require_memory(32 * V * H, f"a machine of {V} x {H} weights", "give narrower layers")
        W, bias, first, second = np.zeros((V, H)), np.zeros(V), 0, 0
        for k, (width, following) in enumerate(pairwise(widths)):
            if k % 2 == 0:
                W[first : first + width, second : second + following] = rng.normal(scale=0.01, size=(width, following))
                first += width
            else:
                W[first : first + following, second : second + width] = rng.normal(scale=0.01, size=(following, width))
                second += width
        if data is not None:
            bias[:n_visible] = Rows(data, n_visible).log_odds
        return cls(W, bias, visible=np.arange(n_visible))

    @property
    def n_visible(self) -> int:
        """The number of visible units."""
        return self.visible.size

    @cached_property
    def sides(self) -> Sides:
        """Which units of the two sides are visible, which free, and which columns of data are whose.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[2.0], [-1.0]], visible=[2, 0])
        >>> machine.sides._fields
        ('first', 'second', 'columns', 'second_columns', 'free', 'second_free')
        """
        return Sides.of(self.visible, self.weights.shape)

    @cached_property
    def restricted(self) -> bool:
        """Whether v is what data holds, in its order: then hidden units are independent given the visible ones."""
        return np.array_equal(self.visible, np.arange(len(self.weights)))

    @property
    def n_enumerated(self) -> int:
        """The number of units of the smaller side."""
        return min(self.weights.shape)

    @property
    def field_bound(self) -> float:
        """A bound on |h_i| + sum_j |J_ij| of all units as spins, and on their inputs."""
        biases = max(checks.largest(bias) for bias in (self.visible_bias, self.hidden_bias))
        return checks.largest(self.weights) * self.n + biases

    def energy(self, v: ArrayLike, h: ArrayLike | None = None) -> FloatArray:
        """E(v, h) = -a.v - b.h - v.W.h, float64 in the shape of the leading axes, which broadcast.

        `v`: (..., V) and `h`: (..., H) units of 0 and 1; without `h`, `v` holds joint states (..., V + H).
        TypeError if they are not numbers, ValueError at a unit that is not 0 or 1 or on a wrong last axis.
        """
        V, H = self.weights.shape
        if h is None:
            v, h = np.split(checks.units("v", v, self.n), [V], axis=-1)
        v = checks.units("v", v, V).astype(np.float64)
        h = checks.units("h", h, H).astype(np.float64)
        return -(v @ self.visible_bias) - h @ self.hidden_bias - (v @ self.weights * h).sum(axis=-1)

    def inputs(self, states: ArrayLike) -> FloatArray:
        """a + W h and b + v W of every unit, float64 (..., n): p(unit = 1 | the others) = 1 / (1 + exp(-input)).

        `states`: (..., n), units or their means. TypeError or ValueError on anything else.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[2.0], [-1.0]], visible_bias=[0.5, 0.5])
        >>> machine.inputs([1, 0, 1]).tolist()
        [2.5, -0.5, 2.0]
        """
        states = checks.finite_array("states", states)
        if states.shape[-1:] != (self.n,):
            raise ValueError(f"states has shape {states.shape}: give (..., {self.n})")
        v, h = np.split(states, [len(self.weights)], axis=-1)
        return np.concatenate([h @ self.weights.T + self.visible_bias, v @ self.weights + self.hidden_bias], axis=-1)

    def free_energy(self, v: ArrayLike) -> FloatArray:
        """F(v) = -log sum_h exp(-E(v, h)) over hidden units h, at beta = 1, of visible units `v` (..., V).

        = -a.v - sum_j log(1 + exp(b_j + sum_i v_i W_ij)) if all of one side are visible and the others hidden.
        Of such machines `v` may be probabilities. float64 in the shape of the leading axes; errors as for
        `log_marginal`.

        >>> import fastgibbs as fg
        >>> rbm = fg.RBM([[2.0], [-1.0]])
        >>> rbm.free_energy([[0, 0], [1, 0]]).round(3).tolist()
        [-0.693, -2.127]
        """
        return -self.log_marginal(v)

    def log_marginal(self, v: ArrayLike, beta: float = 1.0) -> FloatArray:
        """log sum_h exp(-beta E(v, h)) over hidden units h, of visible units `v` (..., V): as for `free_energy`.

        Hidden units on both sides are coupled: the states of those of one side are summed over. ValueError if both
        sides have more than 20, of which `log_bound` tells; others as for `energy`.
        """
        if not self.restricted:
            if self.summed_hidden > MOST_HIDDEN:
                raise ValueError(
                    f"{self!r} has {self.summed_hidden} hidden units or more on either side, 2^{self.summed_hidden} "
                    f"states for every visible one: at most {MOST_HIDDEN} are summed over; log_bound bounds the sum"
                )
            return self._given(v, beta).log_sum().reshape(np.shape(v)[:-1])
        v = checks.grey("v", v, self.n_visible)
        return beta * (v @ self.visible_bias) + summed_out(beta * (v @ self.weights + self.hidden_bias))

    def log_bound(self, v: ArrayLike, beta: float = 1.0) -> FloatArray:
        """A lower bound on `log_marginal`, of any number of hidden units: that of independent ones, a mean field.

        It is the sum itself where hidden units are on one side alone. Salakhutdinov and Hinton, AISTATS 2009.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[1.0], [0.5]], visible=[0])
        >>> print(machine.log_marginal([[1]]).round(4), machine.log_bound([[1]]).round(4))
        [2.2192] [2.214]
        """
        return self._given(v, beta).bound().reshape(np.shape(v)[:-1])

    @property
    def summed_hidden(self) -> int:
        """Hidden units whose states are summed over given the visible ones: those of the side that has fewer."""
        return min(self.sides.free.size, self.sides.second_free.size)

    def _given(self, v: ArrayLike, beta: float) -> Given:
        """What is left at beta of the machine given rows of visible units."""
        v = checks.units("v", v, self.n_visible)
        parts = beta * self.weights, beta * self.visible_bias, beta * self.hidden_bias
        return Given.of(*parts, self.sides, checks.rows(v))

    def with_visible(self, visible: ArrayLike) -> RBM:
        """The machine of the same energy of which these units are visible.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[2.0], [-1.0]])
        >>> machine.restricted, machine.summed_hidden
        (True, 0)
        >>> turned = machine.with_visible([2])  # the hidden unit alone
        >>> turned.n_visible, turned.restricted, turned.summed_hidden
        (1, False, 0)
        """
        return RBM(self.weights, self.visible_bias, self.hidden_bias, visible)

    def hidden_means(self, v: ArrayLike) -> FloatArray:
        """p(h_j = 1 | v) = 1 / (1 + exp(-b_j - sum_i v_i W_ij)): what a machine makes of its data, as features.

        `v`: (..., V) units of 0 and 1, or probabilities, which stand for them; float64 (..., H).
        TypeError if they are not real numbers, ValueError at one outside [0, 1], on a wrong last axis, or of a machine
        with hidden units on both sides, which `sample` draws.

        >>> import fastgibbs as fg
        >>> fg.RBM([[2.0], [-1.0]]).hidden_means([[1, 0], [1, 0.5]]).round(3).tolist()
        [[0.881], [0.818]]
        """
        self._require_restricted("hidden_means")
        return logistic(checks.grey("v", v, self.n_visible) @ self.weights + self.hidden_bias)

    def visible_means(self, h: ArrayLike) -> FloatArray:
        """p(v_i = 1 | h) = 1 / (1 + exp(-a_i - sum_j W_ij h_j)), of `h` (..., H), float64 (..., V); as `hidden_means`.

        >>> import fastgibbs as fg
        >>> fg.RBM([[2.0], [-1.0]]).visible_means([[1]]).round(3).tolist()
        [[0.881, 0.269]]
        """
        self._require_restricted("visible_means")
        return logistic(checks.grey("h", h, self.n_hidden) @ self.weights.T + self.visible_bias)

    def _require_restricted(self, name: str) -> None:
        if not self.restricted:
            raise ValueError(f"{self!r} has hidden units that are coupled: {name} knows none; sample them with clamp=")

    def uncoupled(self) -> RBM:
        """The machine of the same biases without weights.

        >>> import fastgibbs as fg
        >>> fg.RBM([[2.0]], [0.5]).uncoupled().weights.tolist()
        [[0.0]]
        """
        return RBM(np.zeros_like(self.weights), self.visible_bias, self.hidden_bias, self.visible)

    def interpolated(self, other: RBM, t: float) -> RBM:
        """The machine of energy (1 - t) E + t E_other.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[2.0]])
        >>> machine.uncoupled().interpolated(machine, 0.25).weights.tolist()
        [[0.5]]
        """
        names = "weights", "visible_bias", "hidden_bias"
        parts = ((1 - t) * getattr(self, name) + t * getattr(other, name) for name in names)
        weights, visible_bias, hidden_bias = parts
        return RBM(weights, visible_bias, hidden_bias, self.visible)

    def quadratic(self) -> Quadratic:
        """The energy of the units, row by row."""
        V, H = self.weights.shape
        indptr = np.concatenate([np.arange(V) * H, V * H + np.arange(H + 1) * V])
        indices = np.concatenate([np.tile(np.arange(V, V + H), V), np.tile(np.arange(V), H)]).astype(np.int32)
        couplings = np.concatenate([self.weights.ravel(), self.weights.T.ravel()])
        fields = np.concatenate([self.visible_bias, self.hidden_bias])
        for array in (indptr, indices, couplings, fields):
            array.flags.writeable = False
        return Quadratic(indptr, indices, couplings, fields, 0.0, 0)

    def to_ising(self) -> Ising:
        """The same energy of the spins s = 2x - 1, v then h: J = W/4, h = bias/2 + sums of W/4."""
        i, j = np.indices(self.weights.shape)
        a, b, W = self.visible_bias, self.hidden_bias, self.weights
        fields = np.concatenate([a / 2 + W.sum(axis=1) / 4, b / 2 + W.sum(axis=0) / 4])
        offset = -(a.sum() / 2 + b.sum() / 2 + W.sum() / 4)
        return Ising.from_edges(self.n, i.ravel(), j.ravel() + len(a), W.ravel() / 4, fields, offset)

    def __repr__(self) -> str:
        return f"RBM(n_visible={self.n_visible}, n_hidden={self.n_hidden})"
