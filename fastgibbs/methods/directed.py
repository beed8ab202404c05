"""Helmholtz machines as compiled kernels have them: their layers drawn upwards or downwards, in lanes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, directed, phases
from fastgibbs.engines.inputs import TALL, UNITS
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.phases import LayerChains, Layers, Weights, whole
from fastgibbs.engines.streams import lane_streams
from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.methods.settings import tolerable
from fastgibbs.models import RBM, Helmholtz
from fastgibbs.threads import stoppable
from fastgibbs.types import AnyArray, FloatArray, States

BLOCK = 1024  # rows that are drawn at once
FEWEST = 20  # effective draws of a row that tell how far its likelihood is off


class Parameters(NamedTuple):
    """Numbers of all passages, one after the other."""

    weights: AnyArray  # float32
    biases: AnyArray  # float32
    velocity: AnyArray  # float32, as the weights
    bias_velocity: AnyArray  # float64
    offsets: AnyArray  # float32: mu of all layers


class Passage(NamedTuple):
    """How the units of a layer, the target, are drawn given another one, the source, or on top given none."""

    source: int
    target: int
    weights: Weights  # parts of all parameters
    layers: tuple[Any, ...]  # `Layers` and `LayerChains`, as kernels take them
    chains: tuple[Any, ...]


class Directed:
    """A Helmholtz machine and the lanes that its layers are drawn in, which share one stream each.

    Passages lead upwards, from layer l to l + 1, and downwards, from l + 1 to l, the first of them from a layer of no
    units above the top one.
    """

    def __init__(self, machine: Helmholtz, lanes: int, entropy: int, first: int = 0) -> None:
        """Lanes of the streams from `first` on."""
        self.sizes = (*machine.layers, 0)
        self.most = whole(lanes, GROUP) + GROUP  # kernels write, and read, whole groups
        # nothing is drawn from the last sixteen: they tell a checkpoint of another seed
        self.streams = lane_streams(entropy, range(first, first + self.most))
        top = len(machine.layers)
        ways = [(k, k + 1) for k in range(top - 1)] + [(k + 1, k) for k in range(top - 1, -1, -1)]
        shapes = [(whole(self.sizes[way[1]], GROUP) // GROUP, whole(self.sizes[way[0]], UNITS), GROUP) for way in ways]
        units = [self.sizes[target] for _, target in ways]
        count, filled = sum(map(math.prod, shapes)), sum(tiles * GROUP for tiles, *_ in shapes)
        self.parameters = Parameters(
            aligned(count, np.float32),
            aligned(filled, np.float32),
            aligned(count, np.float32),
            np.zeros(sum(units)),
            aligned(sum(map(self._columns, self.sizes)), np.float32),
        )
        weights, velocity = (carved(flat, shapes) for flat in (self.parameters.weights, self.parameters.velocity))
        biases = carved(self.parameters.biases, [(tiles * GROUP,) for tiles, _, _ in shapes])
        moving = carved(self.parameters.bias_velocity, [(size,) for size in units])
        passages = [
            self._passage(
                way, Weights(W, np.zeros(0, np.float32), b, v, np.zeros(0), moved, self._zeros(way[1])), lanes
            )
            for way, W, b, v, moved in zip(ways, weights, biases, velocity, moving, strict=True)
        ]
        self.up, self.down = passages[: top - 1], passages[top - 1 :]
        self.load(*parameters_of(machine))

    def _columns(self, size: int) -> int:
        return whole(whole(size, UNITS), TALL)

    def _zeros(self, layer: int) -> AnyArray:
        return np.zeros(whole(self.sizes[layer], TALL), np.float32)

    def _passage(self, way: tuple[int, int], weights: Weights, lanes: int) -> Passage:
        S, T = (self.sizes[layer] for layer in way)
        chains: LayerChains = phases.chains_of(S, T, lanes, 0)._replace(streams=self.streams)
        return Passage(*way, weights, tuple(Layers(*weights[:3], S, T)), tuple(chains))

    def rows(self) -> AnyArray:
        """Rows of units of all layers, which `layers` tells apart, float32, all 0."""
        return aligned(self.most * sum(map(self._columns, self.sizes)), np.float32)

    def layers(self, rows: AnyArray) -> list[AnyArray]:
        """The layers of rows, (most, units and more)."""
        return list(carved(rows, [(self.most, self._columns(size)) for size in self.sizes]))

    def offsets(self) -> list[AnyArray]:
        """mu of all layers, parts of the parameters."""
        return list(carved(self.parameters.offsets, [(self._columns(size),) for size in self.sizes]))

    def states(self, layers: Sequence[AnyArray], count: int) -> States:
        """The joint states of the first `count` lanes, int8 (count, n)."""
        parts = [rows[:count, :size] for rows, size in zip(layers, self.sizes, strict=True)]
        return np.concatenate(parts, axis=1).astype(np.int8)

    def climb(self, layers: Sequence[AnyArray], count: int) -> None:
        """Draw hidden layers of `count` lanes upwards, given the visible one."""
        for passage in self.up:
            directed.draw(passage.layers, passage.chains, layers[passage.source], layers[passage.target], 0, count)

    def descend(self, layers: Sequence[AnyArray], count: int) -> None:
        """Draw all layers of `count` lanes downwards."""
        for passage in self.down:
            directed.draw(passage.layers, passage.chains, layers[passage.source], layers[passage.target], 0, count)

    def load(self, *parameters: AnyArray) -> None:
        """Take the parameters, in the order of `parameters_of`."""
        given = iter(parameters)
        top = len(self.sizes) - 1
        downwards = self.down[::-1]  # from the visible layer up
        for passage in (*downwards[: top - 1], *self.up):
            tiles, matrix = passage.weights.tiles, next(given).T
            padded = np.zeros((tiles.shape[1], len(tiles) * GROUP), np.float32)
            padded[: len(matrix), : matrix.shape[1]] = matrix
            tiles[:] = padded.reshape(len(padded), -1, GROUP).swapaxes(0, 1)
        for passage in (*downwards, *self.up):
            passage.weights.hidden_bias[: self.sizes[passage.target]] = next(given)

    def numbers(self) -> tuple[AnyArray, ...]:
        """The parameters as they are, float64, in the order of `parameters_of`."""
        top, downwards, found = len(self.sizes) - 1, self.down[::-1], []
        for passage in (*downwards[: top - 1], *self.up):
            tiles, S, T = passage.weights.tiles, self.sizes[passage.source], self.sizes[passage.target]
            found.append(tiles.swapaxes(0, 1).reshape(tiles.shape[1], -1)[:S, :T].T.astype(np.float64))
        for passage in (*downwards, *self.up):
            found.append(passage.weights.hidden_bias[: self.sizes[passage.target]].astype(np.float64))
        return tuple(found)


def check(machine: Helmholtz) -> None:
    """ValueError unless inputs of units, sums in float32, are as right as the law of a sampled machine must be."""
    for source, target, weights, bias in machine.passages():
        form = RBM(weights.T, None, bias)
        if why := ENGINES["layered"].refusal([form], "sequential", 1, tolerable(1.0)):
            raise ValueError(f"model is {machine!r}: from layer {source} to {target} {why}")


def dreamed(machine: Helmholtz, count: int, entropy: int) -> States:
    """States drawn downwards, int8 (count, n): row k by stream k."""
    found = np.empty((count, machine.n), np.int8)
    for first in range(0, count, BLOCK):
        part = found[first : first + BLOCK]
        lanes = Directed(machine, len(part), entropy, first)
        layers = lanes.layers(lanes.rows())
        lanes.descend(layers, len(part))
        part[:] = lanes.states(layers, len(part))
    return found


def recognized(machine: Helmholtz, v: States, draws: int, entropy: int, first: int = 0) -> Iterator[States]:
    """Yield joint states of rows `v`, int8 (rows, n), hidden layers drawn upwards: row k by stream first + k."""
    lanes = Directed(machine, len(v), entropy, first)
    layers = lanes.layers(lanes.rows())
    layers[0][: len(v), : machine.n_visible] = v
    for _ in range(draws):
        lanes.climb(layers, len(v))
        yield lanes.states(layers, len(v))


def weighed(machine: Helmholtz, v: States, draws: int, entropy: int) -> FloatArray:
    """log w = log p(v, h) - log q(h | v) of hidden layers h drawn from q, float64 (draws, rows).

    The mean of w is p(v), that of log w the bound. KeyboardInterrupt if it is stopped.
    """
    found = np.empty((draws, len(v)))
    with stoppable() as asked:
        for first in range(0, len(v), BLOCK):
            part = slice(first, first + BLOCK)
            for row, x in zip(found, recognized(machine, v[part], draws, entropy, first), strict=True):
                if asked:
                    raise KeyboardInterrupt
                row[part] = -machine.energy(x) - machine.log_recognition(x)
    return found


def likelihood(machine: Helmholtz, v: States, draws: int, entropy: int) -> tuple[float, float, float]:
    """The mean over rows of log mean w, its error, and how many draws carry it, (sum w)^2 / sum w^2, in the mean.

    log mean w is low in the mean: at least by what all draws give more than half of them, and by what log-normal
    weights of the same logarithms would give more, <log w> + var(log w) / 2. The error is the larger of these and the
    standard error of the draws, in quadrature; infinite if fewer than 20 draws, or half of them, carry the mean.
    """
    logs = weighed(machine, v, draws, entropy)
    w = np.exp(logs - logs.max(axis=0))
    effective = float((w.sum(axis=0) ** 2 / (w**2).sum(axis=0)).mean())
    value, *halves = (_log_mean(part) for part in (logs, *np.array_split(logs, 2)))
    normal = float((logs.mean(axis=0) + logs.var(axis=0, ddof=1) / 2).mean())
    missing = max(value - sum(halves) / 2, normal - value)
    spread = float((w.var(axis=0, ddof=1) / w.mean(axis=0) ** 2).sum()) / (draws * len(v) ** 2)
    return value, math.sqrt(spread + missing**2) if effective >= min(FEWEST, draws / 2) else math.inf, effective


def _log_mean(logs: FloatArray) -> float:
    """The mean over rows of log mean w, of log w (draws, rows)."""
    top = logs.max(axis=0)
    return float((top + np.log(np.exp(logs - top).mean(axis=0))).mean())


def parameters_of(machine: Helmholtz) -> tuple[AnyArray, ...]:
    """All parameters: generative and recognition weights, and then biases."""
    return (*machine.generative, *machine.recognition, *machine.biases, *machine.recognition_biases)


def machine_of(parameters: Sequence[AnyArray]) -> Helmholtz:
    """The machine of such parameters."""
    pairs = len(parameters) // 4  # L of G, R and r, L + 1 of b
    ends = np.cumsum([pairs, pairs, pairs + 1])
    return Helmholtz(*(parameters[a:b] for a, b in zip((0, *ends), (*ends, None), strict=True)))


def carved(flat: AnyArray, shapes: Sequence[tuple[int, ...]]) -> Iterator[AnyArray]:
    """Yield arrays of these shapes, one after the other, which are parts of a flat one."""
    first = 0
    for shape in shapes:
        size = math.prod(shape)
        yield flat[first : first + size].reshape(shape)
        first += size
