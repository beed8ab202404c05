"""The restricted Boltzmann machine: a bipartite energy of visible and hidden units."""

from __future__ import annotations

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.energy import Energy, Quadratic
from fastgibbs.models.ising import Ising
from fastgibbs.models.logistic import logistic, summed_out
from fastgibbs.models.rows import Rows, RowsLike
from fastgibbs.types import ArrayLike, FloatArray, IntArray, Seed


class RBM(Energy):
    """E(v, h) = -a.v - b.h - v.W.h, with units v in {0, 1}^V and h in {0, 1}^H.

    `weights` is W, (V, H); `visible_bias` a, (V,), and `hidden_bias` b, (H,), are zero by default; kept as
    float64, read-only. `n` = `n_visible` + `n_hidden`. A joint state is (..., n), visible units first.
    TypeError on anything that is not real numbers; ValueError on a NaN, an infinity or a wrong shape.
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

    def __init__(
        self, weights: ArrayLike, visible_bias: ArrayLike | None = None, hidden_bias: ArrayLike | None = None
    ) -> None:
        weights = checks.finite_array("weights", weights).copy()
        if weights.ndim != 2:
            raise ValueError(f"weights has shape {weights.shape}: give (V, H), one row per visible unit")
        attributes = {"weights": weights}
        biases = {"visible_bias": visible_bias, "hidden_bias": hidden_bias}
        for (name, bias), size in zip(biases.items(), weights.shape, strict=True):
            attributes[name] = np.zeros(size) if bias is None else checks.finite_array(name, bias, (size,)).copy()
        most = sum(checks.largest(array) * array.size for array in attributes.values())
        checks.require_range(4 * most, "weights and biases (visible_bias, hidden_bias)")
        self.__setstate__({"n": sum(weights.shape)} | attributes)

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
        rng, bias = checks.generator(seed), None
        if data is not None:
            rows = Rows(data, n_visible)
            least = 1 / (rows.count + 2)
            mean = np.clip(rows.mean, least, 1 - least)
            bias = np.log(mean / (1 - mean))
        return cls(rng.normal(scale=0.01, size=(n_visible, n_hidden)), bias)

    @property
    def n_visible(self) -> int:
        """The number of visible units, V."""
        return self.weights.shape[0]

    @property
    def visible(self) -> IntArray:
        """The visible units, int64 (V,): the first of all."""
        return np.arange(self.n_visible)

    @property
    def n_enumerated(self) -> int:
        """The number of units of the smaller layer."""
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
        if h is None:
            v, h = np.split(checks.units("v", v, self.n), [self.n_visible], axis=-1)
        v = checks.units("v", v, self.n_visible).astype(np.float64)
        h = checks.units("h", h, self.n_hidden).astype(np.float64)
        return -(v @ self.visible_bias) - h @ self.hidden_bias - (v @ self.weights * h).sum(axis=-1)

    def free_energy(self, v: ArrayLike) -> FloatArray:
        """F(v) = -log sum_h exp(-E(v, h)) = -a.v - sum_j log(1 + exp(b_j + sum_i v_i W_ij)), at beta = 1.

        `v`: (..., V) units, or probabilities; float64 in the shape of the leading axes. Errors as for `hidden_means`.

        >>> import fastgibbs as fg
        >>> rbm = fg.RBM([[2.0], [-1.0]])
        >>> rbm.free_energy([[0, 0], [1, 0]]).round(3).tolist()
        [-0.693, -2.127]
        """
        return -self.log_marginal(v)

    def log_marginal(self, v: ArrayLike, beta: float = 1.0) -> FloatArray:
        """log sum_h exp(-beta E(v, h)) = beta a.v + sum_j log(1 + exp(beta x_j)), x = b + W v; as for `free_energy`."""
        v = checks.grey("v", v, self.n_visible)
        return beta * (v @ self.visible_bias) + summed_out(beta * (v @ self.weights + self.hidden_bias))

    def hidden_means(self, v: ArrayLike) -> FloatArray:
        """p(h_j = 1 | v) = 1 / (1 + exp(-b_j - sum_i v_i W_ij)): what a machine makes of its data, as features.

        `v`: (..., V) units of 0 and 1, or probabilities, which stand for them; float64 (..., H).
        TypeError if they are not real numbers, ValueError at one outside [0, 1] or on a wrong last axis.

        >>> import fastgibbs as fg
        >>> fg.RBM([[2.0], [-1.0]]).hidden_means([[1, 0], [1, 0.5]]).round(3).tolist()
        [[0.881], [0.818]]
        """
        return logistic(checks.grey("v", v, self.n_visible) @ self.weights + self.hidden_bias)

    def visible_means(self, h: ArrayLike) -> FloatArray:
        """p(v_i = 1 | h) = 1 / (1 + exp(-a_i - sum_j W_ij h_j)), of `h` (..., H), float64 (..., V); as `hidden_means`.

        >>> import fastgibbs as fg
        >>> fg.RBM([[2.0], [-1.0]]).visible_means([[1]]).round(3).tolist()
        [[0.881, 0.269]]
        """
        return logistic(checks.grey("h", h, self.n_hidden) @ self.weights.T + self.visible_bias)

    def uncoupled(self) -> RBM:
        """The machine of the same biases without weights."""
        return RBM(np.zeros_like(self.weights), self.visible_bias, self.hidden_bias)

    def interpolated(self, other: RBM, t: float) -> RBM:
        """The machine of energy (1 - t) E + t E_other."""
        names = "weights", "visible_bias", "hidden_bias"
        return RBM(*((1 - t) * getattr(self, name) + t * getattr(other, name) for name in names))

    def quadratic(self) -> Quadratic:
        """The energy of the units, row by row, visible ones first."""
        V, H = self.weights.shape
        indptr = np.concatenate([np.arange(V) * H, V * H + np.arange(H + 1) * V])
        indices = np.concatenate([np.tile(np.arange(V, V + H), V), np.tile(np.arange(V), H)]).astype(np.int32)
        couplings = np.concatenate([self.weights.ravel(), self.weights.T.ravel()])
        fields = np.concatenate([self.visible_bias, self.hidden_bias])
        for array in (indptr, indices, couplings, fields):
            array.flags.writeable = False
        return Quadratic(indptr, indices, couplings, fields, 0.0, 0)

    def to_ising(self) -> Ising:
        """The same energy of the spins s = 2x - 1, visible then hidden: J = W/4, h = bias/2 + sums of W/4."""
        i, j = np.indices(self.weights.shape)
        a, b, W = self.visible_bias, self.hidden_bias, self.weights
        fields = np.concatenate([a / 2 + W.sum(axis=1) / 4, b / 2 + W.sum(axis=0) / 4])
        offset = -(a.sum() / 2 + b.sum() / 2 + W.sum() / 4)
        return Ising.from_edges(self.n, i.ravel(), j.ravel() + self.n_visible, W.ravel() / 4, fields, offset)

    def __repr__(self) -> str:
        return f"RBM(n_visible={self.n_visible}, n_hidden={self.n_hidden})"
