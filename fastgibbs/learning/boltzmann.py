"""Boltzmann machines on any graph as they are trained: the second kind of learner (see machines.py).

The gradient is that of the pairs that the graph couples; others stay uncoupled. With offsets mu, of all units,

    dW_ij = <(x_i - mu_i)(x_j - mu_j)>_data - <(x_i - mu_i)(x_j - mu_j)>_model
    db_i = <x_i>_data - <x_i>_model - sum_j dW_ij mu_j

mu is the mean of the data, and that of hidden units follows their mean given data; offsets of 0 give the plain gradient
(Ackley, Hinton and Sejnowski, Cogn. Sci. 9, 147 (1985), eq. (8); Montavon and Mueller, in Neural Networks: Tricks of
the Trade, 2nd ed., 621 (2012)).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import drivers, sparse
from fastgibbs.engines.gradients import Step
from fastgibbs.engines.moments import add_moments
from fastgibbs.engines.streams import START, SWEEP, entropy_of, stream
from fastgibbs.engines.vectors import LANE_GROUP
from fastgibbs.learning import exact
from fastgibbs.learning.machines import FOLLOWING, RUNGS, Estimation, shift
from fastgibbs.methods import settings
from fastgibbs.methods.jobs import Length, begin
from fastgibbs.methods.ladders import Ladders
from fastgibbs.methods.running import ALONE
from fastgibbs.models import BoltzmannMachine
from fastgibbs.models.logistic import logistic
from fastgibbs.threads import Team
from fastgibbs.types import AnyArray, FloatArray, IntArray, States

NEVER = 2**62  # sweeps

Two = tuple[FloatArray, FloatArray]  # W and b


class Parameters(NamedTuple):
    """What a step moves, float64."""

    weights: FloatArray  # (pairs,), those of coupled units i < j, row by row
    biases: FloatArray  # (n,)
    velocity: FloatArray  # (pairs,)
    bias_velocity: FloatArray  # (n,)
    offsets: FloatArray  # (n,): mu


class _Machine:
    """What exact and sampled training share: parameters, and how they are moved along `seen` less `known`.

    `seen` and `known` are <x_i x_j> of all pairs and then <x_i> of all units, float64 (pairs + n,), of data and model,
    both with the coefficients of the data, which add up to `total`.
    """

    seen: FloatArray
    known: FloatArray
    bytes_per_weight = 64  # of which there are two a pair

    def __init__(self, machine: BoltzmannMachine, estimation: Estimation) -> None:
        self.n, self.visible, self.hidden = machine.n, machine.visible, machine.hidden
        self.rows = np.repeat(np.arange(machine.n, dtype=np.int32), np.diff(machine.indptr))  # of every entry of W
        self.above = self.rows < machine.indices
        self.i, self.j = self.rows[self.above], machine.indices[self.above]
        self.centered = estimation.centered
        offsets = np.zeros(machine.n)
        if estimation.centered:
            offsets[self.visible], offsets[self.hidden] = estimation.mean, 0.5
            offsets[self.hidden] = logistic(machine.inputs(offsets))[self.hidden]
        numbers = machine.weights[self.above], machine.biases
        copies = (part.copy() for part in numbers)
        self.own = Parameters._make([*copies, *(np.zeros_like(part) for part in numbers), offsets])
        self.total, self.beta = 0.0, 1.0

    def heat(self, beta: float) -> None:
        """Take exp(-beta E) for the law of the model."""
        self.beta = beta

    def load(self, weights: FloatArray, biases: FloatArray) -> None:
        """Take the parameters W (pairs,) and b (n,)."""
        self.own.weights[:], self.own.biases[:] = weights, biases

    def parameters(self) -> Two:
        """W (pairs,) and b (n,) as they are now."""
        return self.own.weights.copy(), self.own.biases.copy()

    def model(self, parameters: Two) -> BoltzmannMachine:
        """The Boltzmann machine of such parameters."""
        weights, biases = parameters
        return BoltzmannMachine.from_edges(self.n, self.i, self.j, weights, biases, self.visible)

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        p, i, j, mu = self.own, self.i, self.j, self.own.offsets
        G, d = np.split(self.seen - self.known, [i.size])
        dW = G - mu[i] * d[j] - d[i] * mu[j]
        db = d - np.bincount(i, dW * mu[j], self.n) - np.bincount(j, dW * mu[i], self.n)
        pull = step.l2 * p.weights + step.l1 * np.sign(p.weights)
        shift(p.weights, p.velocity, dW - pull, step)
        shift(p.biases, p.bias_velocity, db, step)
        if self.centered:
            of_hidden = self.seen[i.size :][self.hidden]
            mu[self.hidden] += FOLLOWING * (of_hidden - self.total * mu[self.hidden])
        return float(np.sqrt((dW**2).sum() + (db**2).sum()))


class ExactMachine(_Machine):
    """A Boltzmann machine trained along the exact gradient."""

    def __init__(self, machine: BoltzmannMachine, estimation: Estimation) -> None:
        super().__init__(machine, estimation)
        self.block = self.own
        self.states = exact.AllStates(self.n, self.visible)

    def compile(self) -> None:
        """Nothing is compiled."""

    def chains(self) -> States:
        """There are none: int8 (0, n)."""
        return np.empty((0, self.n), np.int8)

    def positive(self, units: AnyArray, coefficients: AnyArray, rows: IntArray) -> None:
        """Take data: `units` (B, V) of 0 and 1, each with its coefficient."""
        self.total = coefficients.sum(dtype=np.float64)
        self.seen = self._moments(self.states.given_visible, units, coefficients)

    def negative(self) -> None:
        """Take the model."""
        self.known = self.total * self._moments(self.states.of_model)

    def close(self) -> None:
        """Nothing to end."""

    def _moments(self, of: Callable[..., Two], *data: AnyArray) -> FloatArray:
        W = np.zeros((self.n, self.n))
        W[self.i, self.j] = W[self.j, self.i] = self.beta * self.own.weights
        products, units = of(W, self.beta * self.own.biases, *data)
        return np.concatenate([products[self.i, self.j], units])


class SampledGraph(NamedTuple):
    """What a step changes."""

    parameters: Parameters
    shown: tuple[Any, ...]  # blocks of lanes of data, their visible units clamped
    chains: tuple[Any, ...]  # blocks of ladders of the model, of one rung or RUNGS
    hidden: AnyArray  # uint8 (N, H / 8): hidden units of every row as they were drawn last, if they are coupled
    sweeps: IntArray  # int64 (1,): that the model's chains have made


class SampledMachine(_Machine):
    """A Boltzmann machine trained by CD, PCD or tempered chains that the sparse engine sweeps.

    In the data visible units are clamped, and hidden ones are drawn given them: in one sweep if they are not coupled to
    each other, otherwise in `steps` sweeps from where they were when this row was shown last (Neal, Artif. Intell. 56,
    71 (1992)). Chains of the model make `steps` sweeps with all units free: of CD from the states of the data, of PCD
    and tempering from where they were (Tieleman, ICML 2008; Salakhutdinov, NIPS 2009).
    """

    def __init__(self, machine: BoltzmannMachine, estimation: Estimation) -> None:
        super().__init__(machine, estimation)
        self.method, self.steps = estimation.method, estimation.steps
        self.team = Team(estimation.threads)
        self.coupled = machine.coupled_hidden > 1
        rungs = np.linspace(0.0, 1.0, RUNGS) if estimation.method == "tempering" else np.ones(1)
        clamp = settings.Clamp(np.sort(self.visible), np.ones((self.visible.size, 1), np.int8), self.hidden)
        entropy = entropy_of(np.random.SeedSequence(estimation.entropy, spawn_key=(SWEEP,)))
        shown = _started(machine, np.ones(1), estimation.batch_size, clamp, entropy)
        chains = _started(machine, rungs, estimation.chains, None, estimation.entropy)
        generator = np.random.Generator(stream(estimation.entropy, START, tile=1))
        width = -(-self.hidden.size // 8) if self.coupled else 0
        hidden = generator.integers(256, size=(estimation.rows, width), dtype=np.uint8)
        self.block = SampledGraph(self.own, shown, chains, hidden, np.zeros(1, np.int64))
        self.shares, self.chain_shares = (
            [np.zeros(block.ladders.rungs.size) for block in blocks] for blocks in (shown, chains)
        )
        ends = np.cumsum([0] + [share.size for share in self.shares])
        self.parts = [slice(*ends[k : k + 2]) for k in range(len(shown))]  # of a batch, in every block
        self.pair_of = np.empty(self.rows.size, np.int64)  # of every entry of W
        self.pair_of[self.above] = np.arange(self.i.size)
        transposed = np.lexsort((self.rows, machine.indices))  # as W_ij, so W_ji
        self.pair_of[~self.above] = self.pair_of[transposed][~self.above]
        units = np.arange(self.n, dtype=np.int32)  # x_i is x_i x_i
        self.first, self.second = np.concatenate([self.i, units]), np.concatenate([self.j, units])
        self.seen, self.known = np.zeros((2, self.first.size))
        self.cuts = np.linspace(0, self.first.size, self.team.size + 1).astype(int)
        self.scratch = np.zeros((self.team.size, LANE_GROUP))

    def compile(self) -> None:
        """Compile the kernels, or load them: each is called once with nothing to do."""
        block = self.block.shown[0]
        drivers.temper(block.plan, block.state, block.ladders, block.pairs, block.record, 0, 0, ALONE)
        add_moments(block.state.spins, self.shares[0], self.first, self.second, 0, 0, self.scratch[0], self.seen)

    def chains(self) -> States:
        """The states of the model's chains at beta = 1, int8 (chains, n)."""
        spins = [block.state.spins[:, block.ladders.lane_at[:, -1]] for block in self.block.chains]
        return (np.concatenate(spins, axis=1).T > 0).astype(np.int8)

    def positive(self, units: AnyArray, coefficients: AnyArray, rows: IntArray) -> None:
        """Take data: `units` (B, V) of 0 and 1, each with its coefficient, which are `rows` of all data."""
        W, b, shown = self.beta * self.own.weights, self.beta * self.own.biases, self.block.shown
        J = W[self.pair_of] / 4
        self.numbers = J, b / 2 + np.bincount(self.rows, J, self.n), -(b.sum() / 2 + W.sum() / 4)
        self.total = coefficients.sum(dtype=np.float64)
        for block, share, part in zip(shown, self.shares, self.parts, strict=True):
            mine, spins = rows[part], block.state.spins
            share[:] = 0
            share[: mine.size] = coefficients[part]
            spins[self.visible, : mine.size] = 2 * np.int8(units[part]).T - 1
            if self.coupled:
                ones = np.unpackbits(self.block.hidden[mine], axis=1, count=self.hidden.size).view(np.int8)
                spins[self.hidden, : mine.size] = 2 * ones.T - 1
        self._sweep(shown, 0, self.steps if self.coupled else min(self.hidden.size, 1))
        if self.coupled:
            for block, part in zip(shown, self.parts, strict=True):
                mine = rows[part]
                self.block.hidden[mine] = np.packbits(block.state.spins[self.hidden, : mine.size].T > 0, axis=1)
        self._add_up(shown, self.shares, self.seen)

    def negative(self) -> None:
        """Take the model: the chains after `steps` sweeps, with coefficients that add up to those of the data."""
        done, chains, shares = int(self.block.sweeps[0]), self.block.chains, self.chain_shares
        if self.method == "cd":
            shares = self.shares
            for block, data in zip(chains, self.block.shown, strict=True):
                block.state.spins[:] = data.state.spins
        self._sweep(chains, done, done + self.steps)
        self.block.sweeps[0] += self.steps
        if self.method != "cd":
            count = sum(len(block.ladders.lane_at) for block in chains)
            for block, share in zip(chains, shares, strict=True):
                share[:] = 0
                share[block.ladders.lane_at[:, -1]] = self.total / count
        self._add_up(chains, shares, self.known)

    def close(self) -> None:
        """End its threads."""
        self.team.close()

    def _sweep(self, blocks: tuple[Any, ...], first: int, last: int) -> None:
        """Run sweeps `first` ... `last - 1` of all blocks with the parameters as they are."""
        plan = sparse.with_numbers(blocks[0].plan, *self.numbers)
        self.team.call([(drivers.temper, *block._replace(plan=plan), first, last, ALONE) for block in blocks])

    def _add_up(self, blocks: tuple[Any, ...], shares: list[FloatArray], moments: FloatArray) -> None:
        """`moments` = the sums over all lanes of all blocks, one block after the other."""

        def add(scratch: FloatArray, first: int, last: int) -> None:
            for block, share in zip(blocks, shares, strict=True):
                add_moments(block.state.spins, share, self.first, self.second, first, last, scratch, moments)

        moments[:] = 0
        self.team.call([(add, *part) for part in zip(self.scratch, self.cuts[:-1], self.cuts[1:], strict=True)])


def _started(
    machine: BoltzmannMachine, betas: FloatArray, count: int, clamp: settings.Clamp | None, entropy: int
) -> tuple[Any, ...]:
    """Blocks of `count` ladders with a rung at each of `betas`, which record nothing."""
    chosen = settings.Setting([machine], [machine.to_ising()], "sparse", "gibbs", "sequential", 1, clamp, 1)
    swap_every = 1 if betas.size > 1 else NEVER
    return tuple(begin(Ladders(chosen, betas, Length(0, NEVER, 1), count, swap_every, 0, None, None, entropy)).blocks)
