"""Helmholtz machines as they are trained, by wake and sleep: the third kind of learner (see machines.py).

A step shows states of data, whose hidden layers are drawn upwards, h ~ q(h | v), and dreams as many, x ~ p(x), drawn
downwards, both with the parameters as they are. Then every layer learns to tell the one that it was drawn given,

    dG_l = <(x_l - p_l) (x_l+1 - mu_l+1)^T>_wake,    dR_l = <(x_l+1 - q_l+1) (x_l - mu_l)^T>_sleep

p_l = sigma(b_l + G_l x_l+1), q_l+1 = sigma(r_l + R_l x_l), and biases alike, db_l = <x_l - p_l> - dG_l mu_l+1. With
offsets mu of 0 these are the slopes of <log p(v, h)>_wake, as of the bound, and of <log q(h | v)>_sleep (Hinton, Dayan,
Frey, Neal, Science 268, 1158 (1995)). mu_0 is the mean of the data; those of hidden layers follow their means awake.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.engines import directed
from fastgibbs.engines.directed import Net
from fastgibbs.engines.gradients import Step
from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.learning.machines import FOLLOWING, SHARED, Estimation, shared
from fastgibbs.methods.directed import Directed, machine_of
from fastgibbs.models import Helmholtz
from fastgibbs.models.logistic import logistic
from fastgibbs.threads import Team
from fastgibbs.types import AnyArray, FloatArray, IntArray, States


class Parameters(NamedTuple):
    """All numbers of a machine, and what the last step added to them: parts of a `Net`."""

    weights: AnyArray
    biases: AnyArray
    velocity: AnyArray
    bias_velocity: AnyArray
    offsets: AnyArray


class Asleep(NamedTuple):
    """What a step changes."""

    parameters: Parameters
    streams: AnyArray  # uint64 (4, lanes)
    dreams: AnyArray  # float32: all layers of the rows dreamed last


class SampledHelmholtz:
    """A Helmholtz machine trained by wake and sleep, in float32."""

    bytes_per_weight = 40

    def __init__(self, machine: Helmholtz, estimation: Estimation) -> None:
        self.size = estimation.batch_size
        largest = max(one.size for one in machine.generative)
        self.team = Team(estimation.threads if self.size * largest >= SHARED else 1)
        self.directed = Directed(machine, self.size, estimation.entropy)
        net: Net = self.directed.net
        self.block = Asleep(Parameters(*net[:5]), net.streams, net.rows[1])
        self.awake, self.asleep, self.factors = self.directed.awake, self.directed.asleep, net.factors
        self.visible, self.passages = self.awake[0][:, : machine.n_visible], len(net.passages)
        self.offsets, self.following = self.directed.offsets(), FOLLOWING if estimation.centered else 0.0
        if estimation.centered:
            mean = estimation.mean
            for k, offset in enumerate(self.offsets[:-1]):
                if k:
                    mean = logistic(
                        np.einsum("ji,i->j", machine.recognition[k - 1], mean) + machine.recognition_biases[k - 1]
                    )
                offset[: mean.size] = mean
        self.count, self.total = 0, 0.0

    def compile(self) -> None:
        """Compile the kernels that it calls, or load them: each is called once with nothing to do."""
        net, nothing = self.directed.plain, (0.0, 0.0, 0.0, 0.0)
        directed.draw(net, 0, 0, 0, 0)
        if self.team.size == 1:
            directed.learn(net, 0, 0, 0, nothing, 0.0, 0.0)
        else:
            still = tuple(self.directed.net._replace(passages=np.zeros_like(self.directed.net.passages[:1])))
            directed.err(still, 0, 0, 0)
            directed.add_up(still, 0, 0)
            directed.move(still, 0, 0, nothing, 0, 0)
            directed.follow(still, 0, 0, nothing, 0.0, 0.0)

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
        """Take data: `units` (B, V) of 0 and 1, each with its coefficient, float32 (B,)."""
        self.count = len(units)
        self.visible[: self.count] = units
        self.factors[0, : self.count] = coefficients
        self.total = float(np.add.reduce(coefficients, dtype=np.float64))

    def negative(self) -> None:
        """Draw the hidden layers of data, and dream as many states, with coefficients that sum to those of the data."""
        self.factors[1, : self.count] = self.total / self.count
        shared(self.team, directed.draw, self.directed.plain, 0, self.passages, count=self.count)

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        net, count, plain, last = self.directed.plain, self.count, tuple(step), (self.total, self.following)
        if self.team.size == 1:
            return float(directed.learn(net, 0, self.passages, count, plain, *last))
        square = 0.0
        for number, passage in enumerate((*self.directed.up, *self.directed.down)):
            blocks = -(-self.directed.sizes[passage.source] // GROUP)
            shared(self.team, directed.err, net, number, count=count)
            directed.add_up(net, number, count)
            shared(self.team, directed.move, net, number, count, plain, count=blocks, unit=1)
            square += directed.follow(net, number, count, plain, *last)
        return float(np.sqrt(square))

    def close(self) -> None:
        """End its threads."""
        self.team.close()
