"""Helmholtz machines as compiled kernels have them: their layers drawn upwards or downwards, in lanes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, directed
from fastgibbs.engines.directed import WORDS, Net
from fastgibbs.engines.fours import SPAN, TABLE
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.phases import MINUS_LOG2E, whole
from fastgibbs.engines.streams import lane_streams
from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.methods.settings import tolerable
from fastgibbs.models import RBM, Helmholtz
from fastgibbs.threads import stoppable
from fastgibbs.types import AnyArray, FloatArray, States

BLOCK = 1024  # rows that are drawn at once
FEWEST = 20  # effective draws of a row that tell how far its likelihood is off
FOUR = 4  # units of the source, whose sums are written down


class Passage(NamedTuple):
    """The parameters by which a layer, the target, is drawn given another one, the source, or on top given none."""

    source: int
    target: int
    tiles: AnyArray  # parts of all parameters
    bias: AnyArray


class Directed:
    """A Helmholtz machine and the lanes that its layers are drawn in, which share one stream each.

    Passages lead upwards, from layer l to l + 1, and then downwards, from l + 1 to l, the first of them from a layer of
    no units above the top one. `awake` and `asleep` are all layers, float32 (lanes and more, units and more).
    """

    def __init__(self, machine: Helmholtz, lanes: int, entropy: int, first: int = 0) -> None:
        """Lanes of the streams from `first` on."""
        sizes = self.sizes = (*machine.layers, 0)
        most = self.most = whole(lanes, GROUP) + GROUP  # kernels write, and read, whole groups
        top = self.top = len(machine.layers)
        ways = [(k, k + 1) for k in range(top - 1)] + [(k + 1, k) for k in range(top - 1, -1, -1)]
        columns = [whole(size, SPAN) for size in sizes]
        shapes = [(whole(sizes[m], GROUP) // GROUP, whole(sizes[k], FOUR), GROUP) for k, m in ways]
        weights, biases, moving, layers = (
            np.cumsum([0, *counts]).tolist()
            for counts in (
                map(math.prod, shapes),
                [tiles * GROUP for tiles, _, _ in shapes],
                [sizes[m] for _, m in ways],
                columns,
            )
        )
        passages = []
        for number, (k, m) in enumerate(ways):
            parts = shapes[number][1], weights[number], biases[number], moving[number], layers[k]
            places = most * layers[k], columns[k], most * layers[m], columns[m]
            passages.append(directed.Passage(sizes[k], sizes[m], k > m, *parts, *places))
        widest = max(columns)
        self.net = Net(
            aligned(weights[-1], np.float32),
            aligned(biases[-1], np.float32),
            aligned(weights[-1], np.float32),
            np.zeros(moving[-1]),
            aligned(layers[-1], np.float32),
            # nothing is drawn from the last sixteen: they tell a checkpoint of another seed
            lane_streams(entropy, range(first, first + most)),
            aligned((2, most * layers[-1]), np.float32),
            np.zeros((2, most), np.float32),
            np.full(GROUP, MINUS_LOG2E, np.float32),
            np.array(passages, np.int64),
            aligned((most, GROUP), np.float32),
            aligned((most, WORDS), np.uint64),
            np.zeros((most, widest // SPAN), np.uint64),
            np.zeros((whole(most, SPAN) // SPAN, widest), np.uint64),
            aligned((max(most, widest) // GROUP, TABLE), np.float32),
            aligned((widest // GROUP, most, GROUP), np.float32),
            aligned((widest, GROUP), np.float32),
            np.zeros((2, widest), np.float32),
            np.zeros(most, np.float32),
            np.zeros((2, GROUP, GROUP), np.float32),
            np.zeros((widest // GROUP, GROUP), np.float32),
        )
        self.plain = tuple(self.net)  # as kernels take it
        tiles = carved(self.net.weights, shapes)
        own = carved(self.net.biases, [(shape[0] * GROUP,) for shape in shapes])
        made = [Passage(*way, W, b) for way, W, b in zip(ways, tiles, own, strict=True)]
        self.up, self.down = made[: top - 1], made[top - 1 :]
        self.awake, self.asleep = (list(carved(rows, [(most, size) for size in columns])) for rows in self.net.rows)
        self.load(*parameters_of(machine))

    def offsets(self) -> list[AnyArray]:
        """mu of all layers, parts of the parameters."""
        return list(carved(self.net.offsets, [(rows.shape[1],) for rows in self.awake]))

    def states(self, layers: Sequence[AnyArray], count: int) -> States:
        """The joint states of the first `count` lanes, int8 (count, n)."""
        parts = [rows[:count, :size] for rows, size in zip(layers, self.sizes, strict=True)]
        return np.concatenate(parts, axis=1).astype(np.int8)

    def climb(self, count: int) -> None:
        """Draw hidden layers of `count` lanes upwards, awake, given the visible one."""
        directed.draw(self.plain, 0, len(self.up), 0, count)

    def descend(self, count: int) -> None:
        """Draw all layers of `count` lanes downwards, asleep."""
        directed.draw(self.plain, len(self.up), len(self.net.passages), 0, count)

    def load(self, *parameters: AnyArray) -> None:
        """Take the parameters, in the order of `parameters_of`."""
        given = iter(parameters)
        downwards = self.down[::-1]  # from the visible layer up
        for passage in (*downwards[: self.top - 1], *self.up):
            tiles, matrix = passage.tiles, next(given).T
            padded = np.zeros((tiles.shape[1], len(tiles) * GROUP), np.float32)
            padded[: len(matrix), : matrix.shape[1]] = matrix
            tiles[:] = padded.reshape(len(padded), -1, GROUP).swapaxes(0, 1)
        for passage in (*downwards, *self.up):
            passage.bias[: self.sizes[passage.target]] = next(given)

    def numbers(self) -> tuple[AnyArray, ...]:
        """The parameters as they are, float64, in the order of `parameters_of`."""
        downwards, found = self.down[::-1], []
        for passage in (*downwards[: self.top - 1], *self.up):
            tiles, S, T = passage.tiles, self.sizes[passage.source], self.sizes[passage.target]
            found.append(tiles.swapaxes(0, 1).reshape(tiles.shape[1], -1)[:S, :T].T.astype(np.float64, order="C"))
        for passage in (*downwards, *self.up):
            found.append(passage.bias[: self.sizes[passage.target]].astype(np.float64))
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
        lanes.descend(len(part))
        part[:] = lanes.states(lanes.asleep, len(part))
    return found


def recognized(machine: Helmholtz, v: States, draws: int, entropy: int, first: int = 0) -> Iterator[States]:
    """Yield joint states of rows `v`, int8 (rows, n), hidden layers drawn upwards: row k by stream first + k."""
    lanes = Directed(machine, len(v), entropy, first)
    lanes.awake[0][: len(v), : machine.n_visible] = v
    for _ in range(draws):
        lanes.climb(len(v))
        yield lanes.states(lanes.awake, len(v))


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
