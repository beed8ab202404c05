"""Models as they are trained: parameters and chains in arrays, and the two phases of a step.

A learner is made from a model and a `Setting`. It has `block`, a NamedTuple of all arrays that a step changes;
`positive(units, coefficients, rows)`, which takes the states of data, and `negative()`, which takes those of the model;
`move(step)`, along the difference, which returns its norm; `parameters()`, float64, `load` of such, and the `model` of
them; `chains()`, int8 states; `compile()` before the first step and `close()` after the last; `bytes_per_weight`, about
and `kernel`, the last that it compiles, or None. `train` knows nothing else of how a model is trained. These are the
learners of RBMs; those of other machines are in boltzmann.py.

The centred gradient with offsets mu and lambda is, in the parameters of the model as it is,

    dW = <(v - mu)(h - lambda)^T>_data - <(v - mu)(h - lambda)^T>_model
    da = <v>_data - <v>_model - dW lambda,    db = <h>_data - <h>_model - dW^T mu

mu is the mean of the data, lambda follows the mean of the hidden units given data, a hundredth of the way each step;
offsets of 0 give the plain gradient (Melchior, Fischer, Wiskott, J. Mach. Learn. Res. 17 (99), 1 (2016)).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import gradients
from fastgibbs.engines.gradients import Chains, Step, whole
from fastgibbs.engines.layered import UNITS, WIDE
from fastgibbs.engines.streams import SWAP, random_ups, stream_state
from fastgibbs.learning import exact
from fastgibbs.models import RBM

FOLLOWING = 0.01  # share of the way that lambda goes in a step
RUNGS = 10  # of a tempered ladder, from beta 0 to 1 in equal steps


class Setting(NamedTuple):
    """What a learner is told beside its model."""

    method: str
    steps: int
    chains: int  # persistent ones, or ladders, or as many as a batch has rows
    batch_size: int
    rows: int  # of the data
    centered: bool
    mean: np.ndarray  # float64 (V,): of the data
    entropy: int
    threads: int


class Weights(NamedTuple):
    """Parameters as kernels want them, and their velocities (see engines/gradients.py)."""

    weights: np.ndarray  # float32 (H', V')
    tiles: np.ndarray  # float32 (H' / UNITS, V'', UNITS)
    visible_bias: np.ndarray  # float32 (V'',)
    hidden_bias: np.ndarray  # float32 (H',)
    velocity: np.ndarray  # float32 (H', V')
    visible_velocity: np.ndarray  # float64 (V,)
    hidden_velocity: np.ndarray  # float64 (H,)
    offsets: np.ndarray  # float32 (H',) and up to a whole vector: lambda


class Sampled(NamedTuple):
    """What a step changes."""

    parameters: Weights
    shown: Chains  # lanes of data; of CD those of the model too
    chains: Chains  # of the model
    lane_at: np.ndarray  # int64 (ladders, rungs): the lane at every rung
    swaps: np.ndarray  # uint64 (ladders, 4): streams
    round: np.ndarray  # int64 (1,): swap rounds done


class SampledRBM:
    """An RBM trained by CD, PCD or tempered chains, in float32.

    CD: chains start at each batch, h | v, then `steps` times v | h, h | v (Hinton, Neural Comput. 14, 1771 (2002)).
    PCD: chains go on from step to step (Tieleman, ICML 2008). Tempering: ladders of RUNGS chains go on, neighbours are
    exchanged after each h | v, and those at beta = 1 are the model's (Desjardins et al., AISTATS 2010). Units are
    drawn, and in the sums hidden ones stand for themselves by their means given the visible ones.
    """

    bytes_per_weight, kernel = 20, gradients.move

    def __init__(self, rbm, setting: Setting):
        method, steps, chains, batch_size, _, centered, mean, entropy, threads = setting
        V, H = self.visible, self.hidden = rbm.weights.shape
        self.method, self.steps, self.threads = method, steps, threads
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        rows, tiles, columns = whole(H, UNITS), whole(H, UNITS) // UNITS, whole(V, WIDE)
        parameters = Weights(
            np.zeros((rows, columns), np.float32),
            np.zeros((tiles, whole(V, UNITS), UNITS), np.float32),
            np.zeros(whole(V, UNITS), np.float32),
            np.zeros(rows, np.float32),
            np.zeros((rows, columns), np.float32),
            np.zeros(V),
            np.zeros(H),
            np.zeros(whole(rows, gradients.GROUP), np.float32),
        )
        shown = gradients.chains_of(V, H, batch_size, entropy)
        ladders, self.betas = np.arange(chains)[:, None], np.ones(1)
        if method == "cd":
            model = shown
        else:
            if method == "tempering":
                self.betas = np.linspace(0.0, 1.0, RUNGS)
                ladders = np.arange(chains * RUNGS).reshape(chains, RUNGS)
            model = gradients.chains_of(V, H, ladders.size, entropy)
            for lane in range(ladders.size):
                bits = np.unpackbits(random_ups(entropy, lane, V + H), bitorder="little")
                model.spins[:V, lane] = bits[:V]
                model.spins[whole(V, UNITS) : whole(V, UNITS) + H, lane] = bits[V : V + H]
            model.scale[: ladders.size] = np.tile(gradients.MINUS_LOG2E * self.betas, chains)
        swaps = np.array([stream_state(entropy, SWAP, *divmod(ladder, 64)) for ladder in range(chains)])
        self.block = Sampled(parameters, shown, model, ladders.copy(), swaps, np.zeros(1, np.int64))
        self.load(rbm.weights, rbm.visible_bias, rbm.hidden_bias)
        self.centered = centered
        self.mu = np.zeros(columns, np.float32)
        if centered:
            self.mu[:V] = mean
            x = rbm.hidden_bias + np.einsum("i,ij->j", mean, rbm.weights)
            parameters.offsets[:H] = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
        most = batch_size + chains + gradients.GROUP  # kernels write, and read, whole groups
        self.v, self.h = (np.zeros((most, size), np.float32) for size in (columns, parameters.offsets.size))
        self.ones, self.coefficients = np.ones(most, np.float32), np.zeros(most, np.float32)
        self.dots = np.zeros(most, np.float32)
        self.scratch = np.zeros((threads, UNITS, WIDE), np.float32)
        self.norms = np.zeros(tiles)
        self.sums = tuple(np.zeros((3, size), np.float32) for size in (columns, parameters.offsets.size))
        self.shown_count = self.count = 0
        self.total = 0.0

    def compile(self):
        """Compile the kernels, or load them: each is called once with nothing to do."""
        p, chains, nothing = self.block.parameters, self.block.chains, Step(0.0, 0.0, 0.0, 0.0)
        none, (dv, *_), (dh, *_) = np.arange(0), *self.sums
        gradients.put_columns(self.v, 0, self.visible, self.ones, chains.spins)
        gradients.draw_hidden(p.tiles, p.hidden_bias, chains, self.hidden, True, 0, 0)
        gradients.draw_visible(p.tiles, p.visible_bias, chains, self.visible, 0, 0)
        gradients.swap(chains, p.visible_bias, self.visible, self.block.lane_at[:0], self.betas, self.block.swaps, 0)
        gradients.take_rows(chains.spins, self.visible, none, self.ones, self.v, 0)
        gradients.take_first_rows(chains.spins, self.visible, 0, self.ones, self.v, 0)
        gradients.add_up(self.coefficients, self.v, 0, 0, dv)
        gradients.projections(self.v, 0, self.mu, self.dots)
        arguments = p.weights, p.velocity, p.tiles, self.v, self.h, 0, dv, dh, self.mu, p.offsets, nothing, self.norms
        gradients.move(*arguments, self.scratch[0], 0, 0)

    def load(self, W, a, b):
        """Take the parameters W (V, H), a and b."""
        p, (V, H) = self.block.parameters, W.shape
        p.weights[:H, :V] = W.T
        padded = np.pad(np.float32(W), ((0, p.tiles.shape[1] - V), (0, len(p.weights) - H)))
        p.tiles[:] = padded.reshape(len(padded), -1, UNITS).swapaxes(0, 1)
        p.visible_bias[:V], p.hidden_bias[:H] = a, b

    def parameters(self):
        """W (V, H), a and b as they are now, float64."""
        p = self.block.parameters
        parts = p.weights[: self.hidden, : self.visible].T, p.visible_bias[: self.visible], p.hidden_bias[: self.hidden]
        return tuple(part.astype(np.float64) for part in parts)

    def model(self, parameters):
        """The RBM of such parameters."""
        return RBM(*parameters)

    def chains(self):
        """The states of the model's chains at beta = 1, int8 (chains, V + H)."""
        spins, first = self.block.chains.spins, whole(self.visible, UNITS)
        lanes = self.block.lane_at[:, -1]
        layers = spins[: self.visible, lanes], spins[first : first + self.hidden, lanes]
        return np.concatenate(layers).T.astype(np.int8)

    def positive(self, units, coefficients, rows):
        """Take data: `units` (B, V) of 0 and 1, each with its coefficient, float32 (B,)."""
        count, shown, p = len(units), self.block.shown, self.block.parameters
        self.v[:count, : self.visible] = units
        gradients.put_columns(self.v, count, self.visible, self.ones, shown.spins)
        draws = self.method == "cd"
        self._by_lanes(gradients.draw_hidden, p.tiles, p.hidden_bias, shown, self.hidden, draws, count=count)
        self.coefficients[:count] = coefficients
        gradients.take_first_rows(shown.means, self.hidden, count, self.coefficients, self.h, 0)
        self.shown_count = self.count = count
        self.total = coefficients.sum(dtype=np.float64)

    def negative(self):
        """Take the model: the chains after `steps` steps. Coefficients sum to minus those of the data."""
        p, chains, shown = self.block.parameters, self.block.chains, self.shown_count
        lanes = np.arange(shown)
        count = shown if self.method == "cd" else self.block.lane_at.size
        for step in range(self.steps):
            self._by_lanes(gradients.draw_visible, p.tiles, p.visible_bias, chains, self.visible, count=count)
            draws = self.method != "cd" or step + 1 < self.steps
            self._by_lanes(gradients.draw_hidden, p.tiles, p.hidden_bias, chains, self.hidden, draws, count=count)
            if self.method != "cd":
                lanes = self.block.lane_at[:, -1].copy()  # before they are exchanged: their means are those at beta = 1
            if self.method == "tempering":
                number = int(self.block.round[0])
                gradients.swap(
                    chains, p.visible_bias, self.visible, self.block.lane_at, self.betas, self.block.swaps, number
                )
                self.block.round[0] += 1
        factors = self.coefficients[shown : shown + lanes.size]
        factors[:] = -self.coefficients[:shown] if self.method == "cd" else -self.total / lanes.size
        if self.method == "tempering":
            gradients.take_rows(chains.spins, self.visible, lanes, self.ones, self.v, shown)
            gradients.take_rows(chains.means, self.hidden, lanes, factors, self.h, shown)
        else:
            gradients.take_first_rows(chains.spins, self.visible, lanes.size, self.ones, self.v, shown)
            gradients.take_first_rows(chains.means, self.hidden, lanes.size, factors, self.h, shown)
        self.count = shown + lanes.size

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        p, (V, H), n = self.block.parameters, (self.visible, self.hidden), self.count
        (dv, twice_v, _), (dh, twice_h, seen) = self.sums
        mu, lam = self.mu, p.offsets
        gradients.add_up(self.coefficients, self.v, 0, n, dv)
        gradients.add_up(self.ones, self.h, 0, n, dh)
        da, db = dv[:V].astype(np.float64), dh[:H].astype(np.float64)
        if self.centered:
            # dW lambda and dW^T mu, from the states: sum_n v_n (h_n.lambda) and so on
            gradients.projections(self.h, n, lam, self.dots)
            gradients.add_up(self.dots, self.v, 0, n, twice_v)
            gradients.projections(self.v, n, mu, self.dots)
            gradients.add_up(self.dots, self.h, 0, n, twice_h)
            wide_mu, wide_lam = mu[:V].astype(np.float64), lam[:H].astype(np.float64)
            along_v = twice_v[:V] - wide_mu * (db * wide_lam).sum() - da * (wide_lam**2).sum()
            along_h = twice_h[:H] - db * (wide_mu**2).sum() - wide_lam * (da * wide_mu).sum()
        arguments = p.weights, p.velocity, p.tiles, self.v, self.h, n, dv, dh, mu, lam, step, self.norms
        shares = _shares(len(p.tiles), self.threads, 1)
        self._together([(gradients.move, *arguments, self.scratch[k], *share) for k, share in enumerate(shares)])
        if self.centered:
            da, db = da - along_v, db - along_h
            gradients.add_up(self.ones, self.h, 0, self.shown_count, seen)
            lam += np.float32(FOLLOWING) * (seen - np.float32(self.total) * lam)
        for bias, velocity, change in (
            (p.visible_bias[:V], p.visible_velocity, da),
            (p.hidden_bias[:H], p.hidden_velocity, db),
        ):
            velocity *= step.momentum
            velocity += step.rate * change
            bias += velocity
        return float(np.sqrt(self.norms.sum() + (da**2).sum() + (db**2).sum()))

    def close(self):
        """End its threads."""
        if self.pool:
            self.pool.shutdown()

    def _by_lanes(self, kernel, *arguments, count):
        """Call a kernel for the lanes that hold the first `count` chains."""
        shares = _shares(whole(count, gradients.GROUP), self.threads, WIDE)
        self._together([(kernel, *arguments, *share) for share in shares])

    def _together(self, calls):
        if len(calls) == 1:
            calls[0][0](*calls[0][1:])
            return
        for call in [self.pool.submit(*call) for call in calls]:
            call.result()


def _shares(count, threads, unit):
    """0 ... count cut into at most `threads` ranges (first, last), whole units but for the last."""
    each = whole(-(-count // threads), unit)
    return [(first, min(first + each, count)) for first in range(0, count, each)]


class Exact(NamedTuple):
    """What a step of exact training changes, float64."""

    weights: np.ndarray  # (V, H)
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    velocity: np.ndarray
    visible_velocity: np.ndarray
    hidden_velocity: np.ndarray
    offsets: np.ndarray


class ExactRBM:
    """An RBM trained along the exact gradient, in float64."""

    bytes_per_weight, kernel = 40, None

    def __init__(self, rbm, setting: Setting):
        centered, mean = setting.centered, setting.mean
        parts = rbm.weights, rbm.visible_bias, rbm.hidden_bias
        offsets = np.zeros(rbm.n_hidden)
        if centered:
            x = rbm.hidden_bias + np.einsum("i,ij->j", mean, rbm.weights)
            offsets = 1 / (1 + np.exp(-np.clip(x, -700, 700)))
        self.block = Exact(*(part.copy() for part in parts), *(np.zeros_like(part) for part in parts), offsets)
        self.centered, self.mu = centered, mean if centered else np.zeros(rbm.n_visible)

    def compile(self):
        """Nothing is compiled."""

    def load(self, *parameters):
        """Take the parameters W (V, H), a and b."""
        for own, given in zip(self.block[:3], parameters, strict=True):
            own[:] = given

    def parameters(self):
        """W (V, H), a and b as they are now."""
        return tuple(part.copy() for part in self.block[:3])

    def model(self, parameters):
        """The RBM of such parameters."""
        return RBM(*parameters)

    def chains(self):
        """There are none: int8 (0, V + H)."""
        return np.empty((0, sum(self.block.weights.shape)), np.int8)

    def positive(self, units, coefficients, rows):
        """Take data: `units` (B, V) of 0 and 1, each with its coefficient."""
        coefficients = coefficients.astype(np.float64)
        self.seen = exact.of_data(*self.block[:3], units.astype(np.float64), coefficients)
        self.total = coefficients.sum()

    def negative(self):
        """Take the model."""
        self.known = exact.of_model(*self.block[:3])

    def move(self, step: Step) -> float:
        """Move all parameters along the gradient; its norm."""
        b, mu, lam = self.block, self.mu, self.block.offsets
        G, dv, dh = (one - self.total * other for one, other in zip(self.seen, self.known, strict=True))
        dW = G - mu[:, None] * dh - dv[:, None] * lam
        da, db = dv - (dW * lam).sum(axis=1), dh - (dW * mu[:, None]).sum(axis=0)
        pull = step.l2 * b.weights + step.l1 * np.sign(b.weights)
        for own, velocity, change in ((b[0], b[3], dW - pull), (b[1], b[4], da), (b[2], b[5], db)):
            velocity *= step.momentum
            velocity += step.rate * change
            own += velocity
        if self.centered:
            lam += FOLLOWING * (self.seen[2] - self.total * lam)
        return float(np.sqrt((dW**2).sum() + (da**2).sum() + (db**2).sum()))

    def close(self):
        """Nothing to end."""
