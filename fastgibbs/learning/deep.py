"""Deep, semi-supervised and conditional machines as they are trained: an RBM some of whose units are held.

Its sides are what an RBM calls visible and hidden; in the data the visible units of either are held and the free ones
are drawn given these, in sweeps of both sides. The gradient and its centring are those of an RBM (see machines.py), of
all units of the first side as they were drawn and of those of the second by their means; mu of free units follows
their mean given data as lambda does (Montavon and Mueller, in Neural Networks: Tricks of the Trade, 2nd ed., 621
(2012)). With units that are given, which the model holds too, it is the gradient of the log-probability of the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import holding
from fastgibbs.engines.gradients import Step
from fastgibbs.engines.holding import Held, Walk
from fastgibbs.engines.inputs import UNITS
from fastgibbs.engines.phases import LayerChains, Weights, whole
from fastgibbs.engines.streams import START, stream
from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.learning.machines import Estimation, SampledRBM, Three, coupled, given_columns
from fastgibbs.models import RBM
from fastgibbs.models.free_units import Sides
from fastgibbs.types import AnyArray, FloatArray, IntArray


class SampledSides(NamedTuple):
    """What a step changes."""

    parameters: Weights
    shown: LayerChains  # lanes of data; of CD those of the model too
    chains: LayerChains  # of the model
    lane_at: IntArray  # int64 (ladders, rungs): the lane at every rung
    swaps: AnyArray  # uint64 (ladders, 4): streams of those that swap
    round: IntArray  # int64 (1,): swap rounds done
    hidden: AnyArray  # uint8 (N, F / 8): free units of the first side of every row, if both sides have some
    mu: FloatArray  # float32 (V'',): offsets of the first side


class SampledDeep(SampledRBM):
    """A machine with hidden units on both sides, or with visible ones on the second, trained by CD, PCD or tempering.

    In the data, free units of both sides are drawn in `steps` sweeps from where those of the first side were when this
    row was shown last (Neal, Artif. Intell. 56, 71 (1992)); those of one side alone, at once. Chains of the model are
    those of an RBM, but that given units are held at those of the data.
    """

    def __init__(self, rbm: RBM, estimation: Estimation) -> None:
        super().__init__(rbm, estimation)
        couples = coupled(rbm)
        self.sides, self.units = rbm.sides, rbm.visible
        self.given, self.columns = given_columns(rbm, estimation.given)
        free, second = self.sides.free.size, self.sides.second_free.size
        self.both = free > 0 < second
        self.data_steps = self.steps if self.both else min(free, 1)
        generator = np.random.Generator(stream(estimation.entropy, START, tile=1))
        kept = (estimation.rows, -(-free // 8) if self.both else 0)
        self.block = SampledSides._make([*self.block, generator.integers(256, size=kept, dtype=np.uint8), self.sums.mu])
        lanes = len(self.block.shown.means)
        self.data, self.model_held = Holding(self.sides, lanes), Holding(self.given, lanes)
        self.at_once, self.apart = self.at_once and couples is None, np.zeros_like(self.block.parameters.tiles)
        if couples is not None:
            (columns, rows, _), (V, H) = self.apart.shape, couples.shape
            padded = np.pad(np.float32(1 - couples), ((0, rows - V), (0, columns * GROUP - H)))
            self.apart[:] = padded.reshape(rows, columns, GROUP).swapaxes(0, 1)
        self.places = np.argwhere(self.apart.any(axis=2))

    def _compile_draws(self) -> None:
        if self.method == "tempering":
            super()._compile_draws()
        nothing = Walk(0, False, 0, False)
        holding.draw_held(self.layers, self.block.shown, self.rows, self.data.held, nothing, 0, 0)
        if self.places.size:
            holding.leave_out(self.block.parameters, self.rows, 0, self.sums, self.apart, self.places[:0])

    def model(self, parameters: Three) -> RBM:
        """The machine of such parameters."""
        return RBM(*parameters, self.units)

    def _show(self, units: AnyArray, rows: IntArray) -> None:
        count, v, chains = len(units), self.rows.v, self.block.shown.spins
        self.shown_rows = rows
        v[:count, self.sides.first] = units[:, self.sides.columns]
        self.data.fill(units)
        if self.both:
            bits = np.unpackbits(self.block.hidden[rows], axis=1, count=self.sides.free.size)
            v[:count, self.sides.free] = bits
        if self.columns.size:
            given = units[:, self.columns]
            self.model_held.fill(given)
            first = given[:, self.given.columns]
            v[count : 2 * count, self.given.first] = first
            chains[self.given.first, :count] = first.T

    def _draw(self, shown: int, count: int) -> None:
        """Draw both phases, rows of the model after those of data."""
        b, cd = self.block, self.method == "cd"
        self._walk(b.shown, self.data, Walk(0, True, self.data_steps, cd), shown)
        if self.both:
            free = self.rows.v[:shown, self.sides.free] > 0
            b.hidden[self.shown_rows] = np.packbits(free, axis=1)
        if self.method == "tempering":
            self._draw_ladders()
        else:
            self._walk(b.chains, self.model_held, Walk(shown, False, self.steps, not cd), count)

    def _walk(self, chains: LayerChains, held: Holding, walk: Walk, count: int) -> None:
        self._shared(holding.draw_held, self.layers, chains, self.rows, held.held, walk, count=count)

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        norm = super().move(step)
        if self.following:
            shown, free, mu = self.shown_count, self.sides.free, self.block.mu
            mean = np.einsum("n,ni->i", self.rows.coefficients[:shown], self.rows.v[:shown, free])
            mu[free] += np.float32(self.following) * (mean - np.float32(self.total) * mu[free])
        return norm

    def _keep_apart(self) -> None:
        """Take pairs that are not coupled out of the gradient, and leave their weights 0."""
        if not self.places.size:
            return
        p = self.block.parameters
        holding.leave_out(p, self.rows, self.count, self.sums, self.apart, self.places)
        for part in (p.tiles, p.velocity):
            part[self.apart > 0] = 0


class Holding:
    """What holds the visible units of some sides in `lanes` lanes."""

    def __init__(self, sides: Sides, lanes: int) -> None:
        free, begin, end = sides.free, 0, 0
        if free.size:
            begin = int(free[0]) // UNITS * UNITS
            end = min(whole(int(free[-1]) + 1, UNITS), free.size + sides.first.size)
        inside = (sides.first >= begin) & (sides.first < end)
        self.columns, self.second_columns = sides.columns[inside], sides.second_columns
        first, second = (np.array(units, np.int64) for units in (sides.first[inside], sides.second))
        v, h = (np.zeros((lanes, units.size), np.float32) for units in (first, second))
        self.held = Held(first, second, v, h, begin, end)

    def fill(self, values: AnyArray) -> None:
        """Hold these, rows of visible units."""
        self.held.v[: len(values)], self.held.h[: len(values)] = values[:, self.columns], values[:, self.second_columns]
