"""The Helmholtz machine: layers of units that generate data downwards, and recognise them upwards."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.energy import Energy
from fastgibbs.models.logistic import MOST_HIDDEN, numbered, summed_out
from fastgibbs.models.rows import Rows, RowsLike
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, IntArray, Seed

_PART = 2**22  # numbers held at once

Parts = tuple[FloatArray, ...]


class Helmholtz(Energy):
    """p(x_0 ... x_L) = p(x_L) prod_l p(x_l | x_l+1), layers of units in {0, 1}, x_0 the visible one.

    Given the layer above units are independent, p(x_l = 1 | x_l+1) = sigma(b_l + G_l x_l+1), those on top are so from
    the start, sigma(b_L), with sigma(x) = 1 / (1 + exp(-x)). Hidden layers given data are guessed upwards by
    q(x_l+1 = 1 | x_l) = sigma(r_l + R_l x_l), and for any q

    log p(v) >= sum_h q(h | v) (log p(v, h) - log q(h | v)), the bound, in nats.

    `generative`: the G_l, (n_l, n_l+1), and `recognition`: the R_l, (n_l+1, n_l), from the visible layer up, a row a
    unit that is drawn; `biases`: the b_l, (n_l,), of all layers, and `recognition_biases`: the r_l, (n_l+1,), 0 by
    default; kept as tuples of float64 arrays, read-only. `layers` are the n_l. A joint state is (..., n), layer after
    layer, visible units first.
    `energy` is -log p, so that Z = 1. It is learned by `fastgibbs.train(..., method="wake-sleep")` and drawn from by
    `fastgibbs.learning.dream`.
    TypeError on anything that is not real numbers; ValueError on a NaN, an infinity or a wrong shape.
    Hinton, Dayan, Frey, Neal, Science 268, 1158 (1995).

    >>> import fastgibbs as fg
    >>> machine = fg.Helmholtz([[[2.0], [-1.0]]], [[[1.0, -1.0]]])  # two visible units, and a hidden one
    >>> machine, machine.log_marginal([[1, 0], [0, 1]]).round(3).tolist()
    (Helmholtz(layers=(2, 1)), [-0.805, -1.959])
    """

    low = 0
    normalized = True
    layers: tuple[int, ...]
    generative: Parts
    recognition: Parts
    biases: Parts
    recognition_biases: Parts

    def __init__(
        self,
        generative: Sequence[ArrayLike],
        recognition: Sequence[ArrayLike],
        biases: Sequence[ArrayLike] | None = None,
        recognition_biases: Sequence[ArrayLike] | None = None,
    ) -> None:
        below, above = _matrices("generative", generative), _matrices("recognition", recognition)
        if len(above) != len(below):
            raise ValueError(f"recognition has {len(above)} matrices, generative {len(below)}: give one each a layer")
        layers = (len(below[0]), *(G.shape[1] for G in below))
        for k, (G, R) in enumerate(zip(below, above, strict=True)):
            if G.shape[0] != layers[k]:
                raise ValueError(f"generative[{k}] has shape {G.shape}: give ({layers[k]}, ...), as the one below ends")
            if R.shape != G.shape[::-1]:
                raise ValueError(
                    f"recognition[{k}] has shape {R.shape}, generative[{k}] {G.shape}: give {G.shape[::-1]}"
                )
        if not all(layers):
            raise ValueError(f"generative makes layers of {layers} units: give at least one unit to each")
        own, guessed = _biases("biases", biases, layers), _biases("recognition_biases", recognition_biases, layers[1:])
        arrays = {"generative": below, "recognition": above, "biases": own, "recognition_biases": guessed}
        most = sum(checks.largest(array) * array.size for group in arrays.values() for array in group)
        checks.require_range(4 * most, "weights and biases (generative, recognition, biases, recognition_biases)")
        self.__setstate__({"n": sum(layers), "layers": layers} | arrays)

    @classmethod
    def random(cls, layers: Sequence[int], data: RowsLike | None = None, *, seed: Seed = None) -> Helmholtz:
        """A machine to start a training from: weights normal with deviation 0.01, biases of hidden units 0.

        `layers`: units of each layer, from the visible one up, two layers or more. Visible biases are log(m / (1 - m))
        of the means m of `data`, (N, layers[0]) as `train` takes it, kept 1/(N + 2) away from 0 and 1; without data 0.
        `seed`: None, an int, a numpy SeedSequence or Generator. TypeError or ValueError names a bad argument.

        >>> import fastgibbs as fg
        >>> machine = fg.Helmholtz.random((6, 3, 2), data=[[1, 1, 1, 0, 0, 0], [0, 1, 1, 1, 0, 0]], seed=1)
        >>> machine, machine.biases[0].round(2).tolist()
        (Helmholtz(layers=(6, 3, 2)), [0.0, 1.1, 1.1, 0.0, -1.1, -1.1])
        """
        if isinstance(layers, str) or not isinstance(layers, Sequence | np.ndarray) or len(layers) < 2:
            raise ValueError(f"layers is {checks.shown(layers)}: give the units of two layers or more, as (64, 32, 8)")
        sizes = [checks.integer(f"layers[{k}]", size) for k, size in enumerate(layers)]
        pairs, rng = list(itertools.pairwise(sizes)), checks.generator(seed)
        needed = 40 * sum(map(math.prod, pairs))
        checks.require_memory(needed, f"a machine of layers {checks.shown(sizes)}", "give narrower layers")
        biases = [np.zeros(size) for size in sizes]
        if data is not None:
            biases[0] = Rows(data, sizes[0]).log_odds
        generative = [rng.normal(scale=0.01, size=pair) for pair in pairs]
        return cls(generative, [rng.normal(scale=0.01, size=pair[::-1]) for pair in pairs], biases)

    @property
    def n_visible(self) -> int:
        """The number of visible units, those of the lowest layer."""
        return self.layers[0]

    @property
    def visible(self) -> IntArray:
        """The visible units, int64 (V,): the first of all."""
        return np.arange(self.n_visible)

    @property
    def weights(self) -> FloatArray:
        """All generative and then all recognition weights, one after the other."""
        return np.concatenate([part.ravel() for part in (*self.generative, *self.recognition)])

    def passages(self) -> Iterator[tuple[int, int, FloatArray, FloatArray]]:
        """Yield (l, m, W, b) of each layer m drawn given layer l by inputs W x_l + b, downwards and upwards.

        >>> import fastgibbs as fg
        >>> machine = fg.Helmholtz.random((4, 3, 2), seed=1)
        >>> [(given, drawn, W.shape, b.shape) for given, drawn, W, b in machine.passages()]
        [(1, 0, (4, 3), (4,)), (2, 1, (3, 2), (3,)), (0, 1, (3, 4), (3,)), (1, 2, (2, 3), (2,))]
        >>> machine.visible.tolist(), machine.weights.shape
        ([0, 1, 2, 3], (36,))
        """
        for k, (G, b) in enumerate(zip(self.generative, self.biases, strict=False)):
            yield k + 1, k, G, b
        for k, (R, r) in enumerate(zip(self.recognition, self.recognition_biases, strict=True)):
            yield k, k + 1, R, r

    def energy(self, states: ArrayLike) -> FloatArray:
        """-log p(x_0 ... x_L) of joint `states` (..., n): float64 in the shape of the leading axes, at least 0.

        TypeError if they are not numbers, ValueError at a unit that is not 0 or 1 or on a wrong last axis.
        """
        x = self._split(states)
        inputs = [x[k + 1] @ G.T + b for k, (G, b) in enumerate(zip(self.generative, self.biases, strict=False))]
        return -_sum_of(_log_probability(x[k], y) for k, y in enumerate([*inputs, self.biases[-1]]))

    def log_recognition(self, states: ArrayLike) -> FloatArray:
        """log q(x_1 ... x_L | x_0) of joint `states` (..., n), float64; errors as for `energy`.

        The mean of -energy - log_recognition over hidden layers drawn from q is the bound on log p(v).

        >>> import fastgibbs as fg
        >>> machine = fg.Helmholtz.random((3, 2), seed=1)
        >>> print(f"{machine.log_recognition([0, 1, 1, 0, 1]):.2f}")  # of two units, fair coins but for 0.01
        -1.39
        """
        x = self._split(states)
        pairs = zip(self.recognition, self.recognition_biases, strict=True)
        return _sum_of(_log_probability(x[k + 1], x[k] @ R.T + r) for k, (R, r) in enumerate(pairs))

    def log_marginal(self, v: ArrayLike, beta: float = 1.0) -> FloatArray:
        """log sum_h p(v, h)^beta, at beta = 1 log p(v), over all states of up to 20 hidden units: float64 (...).

        `v`: visible states (..., V). ValueError with more hidden units; other errors as for `energy`.
        """
        if self.n_hidden > MOST_HIDDEN:
            raise ValueError(
                f"{self!r} has {self.n_hidden} hidden units, at most {MOST_HIDDEN} are summed over: "
                "fastgibbs.log_likelihood draws them from q"
            )
        v = checks.units("v", v, self.n_visible)
        rows = checks.rows(v).astype(np.float64)
        total = np.full(len(rows), -np.inf)
        step = max(1, _PART // max(1, len(rows), self.n))
        for first in range(0, 2**self.n_hidden, step):
            number = np.arange(first, min(first + step, 2**self.n_hidden))
            states = np.zeros((number.size, self.n), np.int8)
            states[:, self.n_visible :] = numbered(number, self.n_hidden)
            inputs = states[:, self.n_visible :][:, : self.layers[1]] @ self.generative[0].T + self.biases[0]
            logs = rows @ inputs.T - self.energy(states)  # with no visible unit on
            top = logs.max(axis=1, keepdims=True)
            total = np.logaddexp(total, top[:, 0] * beta + np.log(np.exp(beta * (logs - top)).sum(axis=1)))
        return total.reshape(v.shape[:-1])[()]

    def _split(self, states: ArrayLike) -> list[AnyArray]:
        """The layers of joint states, float64."""
        x = checks.units("states", states, self.n).astype(np.float64)
        return np.split(x, np.cumsum(self.layers)[:-1], axis=-1)

    def __repr__(self) -> str:
        return f"Helmholtz(layers={self.layers})"


def _sum_of(terms: Iterable[FloatArray]) -> FloatArray:
    return functools.reduce(np.add, terms)


def _log_probability(x: AnyArray, inputs: FloatArray) -> FloatArray:
    """sum_i log p(x_i) of units with these inputs."""
    return (x * inputs).sum(axis=-1) - summed_out(inputs)


def _matrices(name: str, given: Sequence[ArrayLike]) -> Parts:
    """The matrices of all layers, float64 copies."""
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray) or not len(given):
        raise ValueError(f"{name} is {checks.shown(given)}: give a sequence of matrices, one for each two layers")
    found = tuple(checks.finite_array(f"{name}[{k}]", one).copy() for k, one in enumerate(given))
    for k, one in enumerate(found):
        if one.ndim != 2:
            raise ValueError(f"{name}[{k}] has shape {one.shape}: give a matrix, a row a unit that is drawn")
    return found


def _biases(name: str, given: Sequence[ArrayLike] | None, layers: tuple[int, ...]) -> Parts:
    """The biases of these layers, float64 copies; 0 if none are given."""
    if given is None:
        return tuple(np.zeros(size) for size in layers)
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray) or len(given) != len(layers):
        sizes = ", ".join(f"({size},)" for size in layers)
        raise ValueError(f"{name} is {checks.shown(given)}: give a sequence of {len(layers)} arrays, {sizes}")
    return tuple(
        checks.finite_array(f"{name}[{k}]", one, (size,)).copy()
        for k, (one, size) in enumerate(zip(given, layers, strict=True))
    )
