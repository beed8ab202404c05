"""Helmholtz machines as they are trained, by wake and sleep: the third kind of learner (see machines.py).

A step shows states of data, whose hidden layers are drawn upwards, h ~ q(h | v), and dreams as many, x ~ p(x), drawn
downwards, both with the parameters as they are. Then every layer learns to tell the one that it was drawn given,

    dG_l = <(x_l - p_l) (x_l+1 - mu_l+1)^T>_wake,    dR_l = <(x_l+1 - q_l+1) (x_l - mu_l)^T>_sleep

p_l = sigma(b_l + G_l x_l+1), q_l+1 = sigma(r_l + R_l x_l), and biases alike, db_l = <x_l - p_l> - dG_l mu_l+1. With
offsets mu of 0 these are the slopes of <log p(v, h)>_wake, as of the bound, and of <log q(h | v)>_sleep (Hinton, Dayan,
Frey, Neal, Science 268, 1158 (1995)). mu_0 is the mean of the data; those of hidden layers follow their means awake.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import directed, gradients
from fastgibbs.engines.gradients import Step, Sums
from fastgibbs.engines.inputs import TALL
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.phases import LayerRows, whole
from fastgibbs.learning.machines import FOLLOWING, SHARED, Estimation, shared
from fastgibbs.methods.directed import Directed, Parameters, Passage, machine_of
from fastgibbs.models import Helmholtz
from fastgibbs.models.logistic import logistic
from fastgibbs.threads import Team
from fastgibbs.types import AnyArray, FloatArray, IntArray, States


class Asleep(NamedTuple):
    """What a step changes."""

    parameters: Parameters
    streams: AnyArray  # uint64 (4, lanes)
    dreams: AnyArray  # float32: all layers of the rows dreamed last


class Learning(NamedTuple):
    """A passage and what moves its weights."""

    passage: Passage
    target: AnyArray  # rows of the target's units
    rows: tuple[Any, ...]  # `LayerRows` and `Sums`, as kernels take them
    sums: tuple[Any, ...]
    following: float


class SampledHelmholtz:
    """A Helmholtz machine trained by wake and sleep, in float32."""

    bytes_per_weight = 40

    def __init__(self, machine: Helmholtz, estimation: Estimation) -> None:
        self.size = estimation.batch_size
        largest = max(one.size for one in machine.generative)
        self.team = Team(estimation.threads if self.size * largest >= SHARED else 1)
        self.directed = Directed(machine, self.size, estimation.entropy)
        dreams = self.directed.rows()
        self.block = Asleep(self.directed.parameters, self.directed.streams, dreams)
        self.awake, self.asleep = self.directed.layers(self.directed.rows()), self.directed.layers(dreams)
        self.factors = np.zeros((2, self.directed.most), np.float32)  # coefficients of data and of dreams
        self.offsets = self.directed.offsets()
        if estimation.centered:
            mean = estimation.mean
            for k, offset in enumerate(self.offsets[:-1]):
                if k:
                    mean = logistic(
                        np.einsum("ji,i->j", machine.recognition[k - 1], mean) + machine.recognition_biases[k - 1]
                    )
                offset[: mean.size] = mean
        self.learning = [  # the wake phase last, in which offsets follow
            *(self._learning(one, self.asleep, self.factors[1], False) for one in self.directed.up),
            *(self._learning(one, self.awake, self.factors[0], estimation.centered) for one in self.directed.down),
        ]
        self.count, self.total = 0, 0.0

    def _learning(self, passage: Passage, layers: list[AnyArray], factors: AnyArray, follows: bool) -> Learning:
        source, most = layers[passage.source], self.directed.most
        columns, rows = whole(self.directed.sizes[passage.target], TALL), passage.weights.tiles.shape[1]
        h = aligned((columns // TALL, most, TALL), np.float32)
        sums = gradients.sums_of(rows, source.shape[1], columns, most)._replace(mu=self.offsets[passage.source])
        of_rows = LayerRows(source, h, factors, np.ones(most, np.float32))
        return Learning(passage, layers[passage.target], tuple(of_rows), tuple(sums), FOLLOWING if follows else 0.0)

    def compile(self) -> None:
        """Compile the kernels that it calls, or load them: each is called once with nothing to do."""
        passage, target, rows, sums, _ = self.learning[0]
        nothing = tuple(Step(0.0, 0.0, 0.0, 0.0))
        weights = passage.weights
        still = weights._replace(hidden_velocity=weights.hidden_velocity[:0])
        sums = Sums(*sums)._replace(squares=Sums(*sums).squares[:0])
        directed.draw(passage.layers, passage.chains, rows[0], target, 0, 0)
        if self.team.size == 1:
            directed.learn(
                passage.layers, passage.chains, tuple(still), rows, target, 0, tuple(sums), nothing, 0.0, 0.0
            )
        else:
            directed.err(passage.layers, passage.chains, rows, target, 0, 0)
            directed.add_up(rows, 0, tuple(sums))
            gradients.move(still, LayerRows(*rows), 0, sums, Step(*nothing), 0, 0)
            directed.follow(tuple(still), rows, 0, tuple(sums), nothing, 0.0, 0.0)

    def heat(self, beta: float) -> None:
        """Beta is 1: layers have no energy that it scales."""

    def load(self, *parameters: AnyArray) -> None:
        """Take the parameters."""
        self.directed.load(*parameters)

    def parameters(self) -> tuple[FloatArray, ...]:
        """All weights and biases as they are now, float64."""
        return self.directed.numbers()

    def model(self, parameters: tuple[FloatArray, ...]) -> Helmholtz:
        """The machine of such parameters."""
        return machine_of(parameters)

    def chains(self) -> States:
        """The states dreamed last, int8 (batch_size, n)."""
        return self.directed.states(self.asleep, self.size)

    def positive(self, units: AnyArray, coefficients: AnyArray, rows: IntArray) -> None:
        """Take data: `units` (B, V) of 0 and 1, each with its coefficient, float32 (B,); draw their hidden layers."""
        self.count = len(units)
        self.awake[0][: self.count, : self.directed.sizes[0]] = units
        self.factors[0, : self.count] = coefficients
        self.total = float(np.add.reduce(coefficients, dtype=np.float64))
        self._draw(self.directed.up, self.awake)

    def negative(self) -> None:
        """Dream as many states, with coefficients that sum to those of the data."""
        self.factors[1, : self.count] = self.total / self.count
        self._draw(self.directed.down, self.asleep)

    def _draw(self, passages: list[Passage], layers: list[AnyArray]) -> None:
        for source, target, _, of_layers, chains in passages:
            shared(self.team, directed.draw, of_layers, chains, layers[source], layers[target], count=self.count)

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        square, plain = 0.0, tuple(step)
        for passage, target, rows, sums, following in self.learning:
            of_layers, chains, weights = passage.layers, passage.chains, tuple(passage.weights)
            last = sums, plain, self.total, following
            if self.team.size == 1:
                norm = directed.learn(of_layers, chains, weights, rows, target, self.count, *last)
            else:
                shared(self.team, directed.err, of_layers, chains, rows, target, count=self.count)
                directed.add_up(rows, self.count, sums)
                of_sums = Sums(*sums)
                moved = passage.weights, LayerRows(*rows), self.count, of_sums, step
                shared(self.team, gradients.move, *moved, count=len(of_sums.squares), unit=1)
                norm = directed.follow(weights, rows, self.count, *last)
            square += norm**2
        return float(np.sqrt(square))

    def close(self) -> None:
        """End its threads."""
        self.team.close()
