"""Models as they are trained: parameters and chains in arrays, and the two phases of a step.

A learner is made from a model and an `Estimation`. It has `block`, a NamedTuple of all arrays that a step changes;
`heat(beta)`, which makes exp(-beta E) the law of both phases; `positive(units, coefficients, rows)`, which takes the
states of data, and `negative()`, which takes those of the model; `move(step)`, along their difference, without the
factor beta, which returns its norm; `parameters()`, float64, `load` of such, and the `model` of them; `chains()`, int8
states; `compile()` before the first step and `close()` after the last; and `bytes_per_weight`, about. `train` knows
nothing else of how a model is trained. These are the learners of RBMs; those of other machines are in deep.py,
boltzmann.py and helmholtz.py.

The centred gradient with offsets mu and lambda is, in the parameters of the model as it is,

    dW = <(v - mu)(h - lambda)^T>_data - <(v - mu)(h - lambda)^T>_model
    da = <v>_data - <v>_model - dW lambda,    db = <h>_data - <h>_model - dW^T mu

mu is the mean of the data, lambda follows the mean of the hidden units given data, a hundredth of the way each step;
offsets of 0 give the plain gradient (Melchior, Fischer, Wiskott, J. Mach. Learn. Res. 17 (99), 1 (2016)).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import gradients, phases
from fastgibbs.engines.gradients import Step
from fastgibbs.engines.inputs import TALL, UNITS, WIDE
from fastgibbs.engines.layouts import aligned
from fastgibbs.engines.phases import LayerChains, LayerRows, Layers, Weights, whole
from fastgibbs.engines.streams import SWAP, random_ups, stream_state
from fastgibbs.engines.vectors import LANE_GROUP as GROUP
from fastgibbs.learning import exact
from fastgibbs.models import RBM
from fastgibbs.models.free_units import Sides
from fastgibbs.models.logistic import logistic
from fastgibbs.threads import Team
from fastgibbs.types import AnyArray, FloatArray, IntArray, States

FOLLOWING = 0.01  # share of the way that lambda goes in a step
RUNGS = 10  # of a tempered ladder, from beta 0 to 1 in equal steps
SHARED = 2**23  # products of units in a layer of all chains: fewer take less time than threads need to start together

Three = tuple[FloatArray, FloatArray, FloatArray]  # W, a and b


class Estimation(NamedTuple):
    """How the gradient of a model is estimated: all that a learner is told beside it."""

    method: str
    steps: int
    chains: int  # persistent ones, or ladders, or as many as a batch has rows
    batch_size: int
    rows: int  # of the data
    centered: bool
    mean: FloatArray  # float64 (visible,): of the data
    entropy: int  # of its streams
    threads: int
    given: tuple[int, ...] = ()  # visible units that are held in the model too, ascending

    @property
    def batches(self) -> int:
        """Steps of an epoch."""
        return -(-self.rows // self.batch_size)

    @property
    def lanes(self) -> int:
        """Those of data and of the model."""
        return self.batch_size + self.chains * (RUNGS if self.method == "tempering" else 1)


class SampledLayers(NamedTuple):
    """What a step changes."""

    parameters: Weights
    shown: LayerChains  # lanes of data; of CD those of the model too
    chains: LayerChains  # of the model
    lane_at: IntArray  # int64 (ladders, rungs): the lane at every rung
    swaps: AnyArray  # uint64 (ladders, 4): streams of those that swap
    round: IntArray  # int64 (1,): swap rounds done


class SampledRBM:
    """An RBM trained by CD, PCD or tempered chains, in float32.

    CD: chains start at each batch, h | v, then `steps` times v | h, h | v (Hinton, Neural Comput. 14, 1771 (2002)).
    PCD: chains go on from step to step (Tieleman, ICML 2008). Tempering: ladders of RUNGS chains go on, neighbours are
    exchanged after each h | v, and those at beta = 1 are the model's (Desjardins et al., AISTATS 2010). Units are
    drawn, and in the sums hidden ones stand for themselves by their means given the visible ones.
    """

    bytes_per_weight = 20

    def __init__(self, rbm: RBM, estimation: Estimation) -> None:
        method, chains, batch_size, entropy = (
            getattr(estimation, name) for name in ("method", "chains", "batch_size", "entropy")
        )
        V, H = self.visible, self.hidden = rbm.weights.shape
        self.method, self.steps = method, estimation.steps
        self.team = Team(estimation.threads if estimation.lanes * V * H >= SHARED else 1)
        rows, columns = whole(V, UNITS), whole(H, GROUP)
        wide_rows, wide_columns = whole(rows, 64), whole(columns, TALL)  # words, for lists of units, and vectors
        parameters = Weights(
            aligned((columns // GROUP, rows, GROUP), np.float32),
            np.zeros(rows, np.float32),
            np.zeros(columns, np.float32),
            aligned((columns // GROUP, rows, GROUP), np.float32),
            np.zeros(V),
            np.zeros(H),
            np.zeros(wide_columns, np.float32),
        )
        shown = phases.chains_of(V, H, batch_size, entropy)
        ladders, self.rungs, swaps = np.arange(chains)[:, None], np.ones(1), np.zeros((0, 4), np.uint64)
        if method == "cd":
            model = shown
        else:
            if method == "tempering":
                swaps = stream_state(entropy, SWAP, *np.divmod(range(chains), 64))
                self.rungs = np.linspace(0.0, 1.0, RUNGS)
                ladders = np.arange(chains * RUNGS).reshape(chains, RUNGS)
            model = phases.chains_of(V, H, ladders.size, entropy)
            words = random_ups(entropy, range(ladders.size), V + H).astype("<u8")
            bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little").T
            model.spins[:V, : ladders.size] = bits[:V]
            model.spins[whole(V, UNITS) : whole(V, UNITS) + H, : ladders.size] = bits[V : V + H]
        self.block: Any = SampledLayers(parameters, shown, model, ladders.copy(), swaps, np.zeros(1, np.int64))
        self.heat(1.0)
        self.layers = Layers(*parameters[:3], V, H)
        self.load(rbm.weights, rbm.visible_bias, rbm.hidden_bias)
        most = batch_size + chains + GROUP  # kernels write, and read, whole groups
        self.rows = LayerRows(
            np.zeros((batch_size + len(model.means) + GROUP, wide_rows), np.float32),
            aligned((wide_columns // TALL, most, TALL), np.float32),
            np.zeros(most, np.float32),
            np.ones(most, np.float32),
        )
        self.sums = gradients.sums_of(rows, wide_rows, wide_columns, most)
        self.drawn = tuple(map(tuple, (self.layers, shown, model, self.rows)))  # as `draw_phases` takes them
        self.moved = tuple(map(tuple, (parameters, self.rows, self.sums)))  # as `learn` does
        self.at_once = self.team.size == 1
        self.following = FOLLOWING if estimation.centered else 0.0
        if estimation.centered:
            self.sums.mu[:V], parameters.offsets[:H] = first_offsets(rbm, estimation.mean)
        self.shown_count = self.count = 0
        self.total = 0.0

    def compile(self) -> None:
        """Compile the kernels that it calls, or load them: each is called once with nothing to do."""
        p, rows, sums, nothing = self.block.parameters, self.rows, self.sums, Step(0.0, 0.0, 0.0, 0.0)
        self._compile_draws()
        still = p._replace(visible_velocity=p.visible_velocity[:0], hidden_velocity=p.hidden_velocity[:0])
        if self.at_once:
            sums = sums._replace(squares=sums.squares[:0])
            gradients.learn(tuple(still), tuple(rows), 0, 0, tuple(sums), tuple(nothing), 0.0, 0.0)
        else:
            gradients.add_up(rows, 0, 0, p.offsets, sums)
            gradients.move(p, rows, 0, sums, nothing, 0, 0)
            gradients.move_biases(still, sums, nothing, 0.0, 0.0)

    def heat(self, beta: float) -> None:
        """Take exp(-beta E) for the law of the model; the rungs of ladders are at shares of beta."""
        b = self.block
        self.betas = beta * self.rungs
        b.shown.scale[:] = phases.MINUS_LOG2E * beta
        b.chains.scale[b.lane_at] = phases.MINUS_LOG2E * self.betas

    def _compile_draws(self) -> None:
        b, rows, none = self.block, self.rows, np.arange(0)
        if self.method == "tempering":
            phases.draw_hidden(self.layers, b.chains, rows.v, 0, True, 0, 0)
            phases.draw_visible(self.layers, b.chains, rows.v, 0, 0, 0, 0, 0)
            phases.swap(b.chains, b.parameters.visible_bias, self.visible, b.lane_at[:0], self.betas, b.swaps, 0)
            phases.take_rows(rows.v, self.visible, none, rows.ones, rows.v, 0)
            phases.take_rows(b.chains.means, self.hidden, none, rows.ones, rows.h, 0)
        else:
            phases.draw_phases(*self.drawn, (0, 0, 0, True), 0, 0)

    def load(self, W: AnyArray, a: AnyArray, b: AnyArray) -> None:
        """Take the parameters W (V, H), a and b."""
        p, (V, H) = self.block.parameters, W.shape
        padded = np.pad(np.float32(W), ((0, len(p.visible_bias) - V), (0, len(p.hidden_bias) - H)))
        p.tiles[:] = padded.reshape(len(padded), -1, GROUP).swapaxes(0, 1)
        p.visible_bias[:V], p.hidden_bias[:H] = a, b

    def parameters(self) -> Three:
        """W (V, H), a and b as they are now, float64."""
        p, V, H = self.block.parameters, self.visible, self.hidden
        W = p.tiles.swapaxes(0, 1).reshape(len(p.visible_bias), -1)
        parts = W[:V, :H], p.visible_bias[:V], p.hidden_bias[:H]
        W, a, b = (part.astype(np.float64) for part in parts)
        return W, a, b

    def model(self, parameters: Three) -> RBM:
        """The RBM of such parameters."""
        return RBM(*parameters)

    def chains(self) -> States:
        """The states of the model's chains at beta = 1, int8 (chains, V + H)."""
        spins, first = self.block.chains.spins, whole(self.visible, UNITS)
        lanes = self.block.lane_at[:, -1]
        layers = spins[: self.visible, lanes], spins[first : first + self.hidden, lanes]
        return np.concatenate(layers).T.astype(np.int8)

    def positive(self, units: AnyArray, coefficients: AnyArray, rows: IntArray) -> None:
        """Take data: `units` (B, visible) of 0 and 1, each with its coefficient, float32 (B,), `rows` of all data."""
        count = self.shown_count = len(units)
        self._show(units, rows)
        self.rows.coefficients[:count] = coefficients
        self.total = float(np.add.reduce(coefficients, dtype=np.float64))

    def _show(self, units: AnyArray, rows: IntArray) -> None:
        self.rows.v[: len(units), : self.visible] = units

    def negative(self) -> None:
        """Take the model: the chains after `steps` steps. Coefficients sum to minus those of the data."""
        b, factors, shown, cd = self.block, self.rows.coefficients, self.shown_count, self.method == "cd"
        count = shown if cd else len(b.lane_at)
        self.count = shown + count
        factors[shown : self.count] = -factors[:shown] if cd else -self.total / count
        self._draw(shown, count)

    def _draw(self, shown: int, count: int) -> None:
        """Draw both phases, rows of the model after those of data."""
        if self.method != "tempering":
            each = shown, count, self.steps, self.method == "cd"
            self._shared(phases.draw_phases, *self.drawn, each, count=max(shown, count))
            return
        self._shared(phases.draw_hidden, self.layers, self.block.shown, self.rows.v, 0, False, count=shown)
        taken = np.arange(shown)
        phases.take_rows(self.block.shown.means, self.hidden, taken, self.rows.coefficients, self.rows.h, 0)
        self._draw_ladders()

    def _draw_ladders(self) -> None:
        """The model, with swaps of neighbours after each step; rows are of the lanes at beta = 1 before the last."""
        b, layers, shown, lane_at = self.block, self.layers, self.shown_count, self.block.lane_at
        v, h, factors, ones = self.rows
        for _ in range(self.steps):
            self._shared(phases.draw_visible, layers, b.chains, v, shown, 0, self.visible, count=lane_at.size)
            self._shared(phases.draw_hidden, layers, b.chains, v, shown, True, count=lane_at.size)
            lanes, number = lane_at[:, -1].copy(), int(b.round[0])
            phases.swap(b.chains, layers.visible_bias, self.visible, lane_at, self.betas, b.swaps, number)
            b.round[0] += 1
        phases.take_rows(v, self.visible, shown + lanes, ones, v, shown)  # in place: lanes of ladder k are after row k
        phases.take_rows(b.chains.means, self.hidden, lanes, factors[shown : self.count], h, shown)

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        p, rows, sums, shown, count = self.block.parameters, self.rows, self.sums, self.shown_count, self.count
        if self.at_once:
            weights, of_rows, of_sums = self.moved
            return gradients.learn(weights, of_rows, shown, count, of_sums, tuple(step), self.total, self.following)
        gradients.add_up(rows, shown, count, p.offsets, sums)
        self._shared(gradients.move, p, rows, count, sums, step, count=len(sums.squares), unit=1)
        self._keep_apart()
        return gradients.move_biases(p, sums, step, self.total, self.following)

    def _keep_apart(self) -> None:
        """There are no pairs that are not coupled."""

    def close(self) -> None:
        """End its threads."""
        self.team.close()

    def _shared(self, kernel: Any, *arguments: Any, count: int, unit: int = WIDE) -> None:
        """Call a kernel as `shared` does."""
        shared(self.team, kernel, *arguments, count=count, unit=unit)


def shared(team: Team, kernel: Any, *arguments: Any, count: int, unit: int = WIDE) -> None:
    """Call a kernel for 0 ... count, lanes or others, each thread for a range (first, last) of whole units."""
    if team.size == 1 or not count:
        return kernel(*arguments, 0, count)
    each = whole(-(-count // team.size), unit)
    firsts = range(0, count, each)
    team.call([(kernel, *arguments, first, min(first + each, count)) for first in firsts])


def first_offsets(rbm: RBM, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Offsets mu (V,) and lambda (H,) to start from: the data's `mean`, and what hidden units come to given it."""
    sides, mu = rbm.sides, np.full(len(rbm.weights), 0.5)
    mu[sides.first] = mean[sides.columns]
    lam = logistic(rbm.hidden_bias + np.einsum("i,ij->j", mu, rbm.weights))
    lam[sides.second] = mean[sides.second_columns]
    mu[sides.free] = logistic(rbm.visible_bias + np.einsum("ij,j->i", rbm.weights, lam))[sides.free]
    return mu, lam


def given_columns(rbm: RBM, given: tuple[int, ...]) -> tuple[Sides, IntArray]:
    """The sides of a machine of which these units alone are visible, and the columns of data that tell them."""
    columns = {unit: column for column, unit in enumerate(rbm.visible.tolist())}
    return Sides.of(np.array(given, int), rbm.weights.shape), np.array([columns[unit] for unit in given], int)


def coupled(rbm: RBM) -> FloatArray | None:
    """Float64 (V, H): 1 where units are coupled, 0 where they stay apart; None if all are."""
    if rbm.restricted or rbm.weights.all():
        return None
    return (rbm.weights != 0).astype(np.float64)


def shift(own: FloatArray, velocity: FloatArray, change: AnyArray, step: Step) -> None:
    """velocity <- momentum velocity + rate change, own <- own + velocity, in place."""
    velocity *= step.momentum
    velocity += step.rate * change
    own += velocity


class Exact(NamedTuple):
    """What a step of exact training changes, float64."""

    weights: FloatArray  # (V, H)
    visible_bias: FloatArray
    hidden_bias: FloatArray
    velocity: FloatArray
    visible_velocity: FloatArray
    hidden_velocity: FloatArray
    offsets: FloatArray  # lambda
    mu: FloatArray


class ExactRBM:
    """An RBM, also a deep one, trained along the exact gradient, in float64."""

    bytes_per_weight = 40

    def __init__(self, rbm: RBM, estimation: Estimation) -> None:
        parts = rbm.weights, rbm.visible_bias, rbm.hidden_bias
        mu, lam = first_offsets(rbm, estimation.mean) if estimation.centered else map(np.zeros, rbm.weights.shape)
        copies = [part.copy() for part in parts]
        self.block = Exact._make([*copies, *(np.zeros_like(part) for part in parts), lam, mu])
        self.rbm, self.centered, self.coupled = rbm, estimation.centered, coupled(rbm)
        self.given, self.columns = given_columns(rbm, estimation.given)
        self.beta = 1.0

    def compile(self) -> None:
        """Nothing is compiled."""

    def heat(self, beta: float) -> None:
        """Take exp(-beta E) for the law of the model."""
        self.beta = beta

    def load(self, *parameters: AnyArray) -> None:
        """Take the parameters W (V, H), a and b."""
        for own, given in zip(self.block[:3], parameters, strict=True):
            own[:] = given

    def parameters(self) -> Three:
        """W (V, H), a and b as they are now."""
        W, a, b = (part.copy() for part in self.block[:3])
        return W, a, b

    def model(self, parameters: Three) -> RBM:
        """The RBM of such parameters."""
        return RBM(*parameters, self.rbm.visible)

    def chains(self) -> States:
        """There are none: int8 (0, V + H)."""
        return np.empty((0, sum(self.block.weights.shape)), np.int8)

    def positive(self, units: AnyArray, coefficients: AnyArray, rows: IntArray) -> None:
        """Take data: `units` (B, visible) of 0 and 1, each with its coefficient."""
        coefficients = coefficients.astype(np.float64)
        if self.rbm.restricted:
            self.seen = exact.of_data(*self._at_beta(), units.astype(np.float64), coefficients)
        else:
            self.seen = exact.of_rows(*self._at_beta(), self.rbm.sides, units, coefficients)
        self.total, self.held = coefficients.sum(), (units[:, self.columns], coefficients)

    def negative(self) -> None:
        """Take the model, with the coefficients of the data."""
        if self.columns.size:
            self.known = exact.of_rows(*self._at_beta(), self.given, *self.held)
        else:
            G, v, h = exact.of_model(*self._at_beta())
            self.known = self.total * G, self.total * v, self.total * h

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        b, mu, lam, free = self.block, self.block.mu, self.block.offsets, self.rbm.sides.free
        G, dv, dh = (one - other for one, other in zip(self.seen, self.known, strict=True))
        dW = G - mu[:, None] * dh - dv[:, None] * lam
        if self.coupled is not None:
            dW *= self.coupled
        da, db = dv - (dW * lam).sum(axis=1), dh - (dW * mu[:, None]).sum(axis=0)
        pull = step.l2 * b.weights + step.l1 * np.sign(b.weights)
        for own, velocity, change in zip(b[:3], b[3:6], (dW - pull, da, db), strict=True):
            shift(own, velocity, change, step)
        if self.centered:
            lam += FOLLOWING * (self.seen[2] - self.total * lam)
            mu[free] += FOLLOWING * (self.seen[1] - self.total * mu)[free]
        return float(np.sqrt((dW**2).sum() + (da**2).sum() + (db**2).sum()))

    def close(self) -> None:
        """Nothing to end."""

    def _at_beta(self) -> Three:
        """W, a and b whose law at beta = 1 is that of the parameters at theirs."""
        b = self.block
        return self.beta * b.weights, self.beta * b.visible_bias, self.beta * b.hidden_bias
