"""Paths of distributions from one of independent units to a model, and chains annealed along them.

A path has distributions p_0 ... p_K, of which log p*_k is known and log Z_0 = `log_z`. `block` gives a block of lanes
at states of p_0, and `advance` takes it along: log w += log p*_{k+1} - log p*_k, then a sweep at p_{k+1}.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, drivers, layered
from fastgibbs.engines.streams import START, stream
from fastgibbs.methods.blocks import Setting, tolerable
from fastgibbs.methods.run import Job, begin, through
from fastgibbs.methods.running import ALONE, running
from fastgibbs.models import RBM, Ising, checks
from fastgibbs.models.logistic import logistic

FOLLOWED = 64  # sweeps of a path whose changes are measured, where that takes as long as a sweep


class Block(NamedTuple):
    """Lanes that are annealed together."""

    chains: int  # that were asked for
    plan: tuple
    state: tuple
    weights: drivers.Weights


class Annealed(NamedTuple):
    """What chains bring from the path's one end to the other."""

    log_weights: np.ndarray  # float64 (chains,)
    distance: float  # sum_k <log p*_{k+1} / p*_k>_{k+1} - <log p*_{k+1} / p*_k>_k


@dataclass(frozen=True)
class Walk(Job):
    """Chains that are taken along a path, from spins `starts`, int8 (chains, n), of p_0, or from spins at random."""

    path: object
    chains: int
    starts: np.ndarray | None
    seed: int  # of their streams

    @property
    def setting(self) -> Setting:
        """The path's."""
        return self.path.setting

    @property
    def lanes(self) -> int:
        """A lane a chain."""
        return self.chains

    @property
    def sweeps(self) -> int:
        """A step each."""
        return self.path.betas.size - 1

    def block(self, lanes: range) -> Block:
        """A block of lanes, those beyond the last chain idle."""
        chains = [chain if chain < self.chains else None for chain in lanes]
        betas = self.path.betas
        plan, state = self.setting.start(self.path.prepared, lanes, chains, betas, self.seed, self.starts)
        rungs, zeros = np.zeros(len(lanes), np.int64), np.zeros((4, len(lanes)))
        inside = sum(chain is not None for chain in chains)
        return Block(inside, plan, state, drivers.Weights(betas, self.setting.moves.rule, rungs, *zeros))

    def advance(self, block: Block, first: int, last: int, crew):
        """Take a block from p_first to p_last."""
        self.path.advance(block, first, last, crew)

    def attempts(self, block: Block) -> int:
        """One a site in every chain."""
        return block.chains * self.setting.attempts


def annealed(path, chains: int, starts, seed: int) -> Annealed:
    """Chains taken along a path, from spins `starts` int8 (chains, n) of p_0, or from its own draws.

    If every sweep came to rest, the distance would be the sum of the Jeffreys divergences of neighbours on the path,
    and the variance of log w.
    """
    starts = path.draw(chains, seed) if starts is None else starts
    with running() as under_way:
        blocks, end, _ = through(under_way, begin(Walk(path, chains, starts, seed)))
    if end.interrupted:
        raise KeyboardInterrupt
    log_weights, changes = (
        np.concatenate([getattr(block.weights, name)[: block.chains] for block in blocks])
        for name in ("logs", "changes")
    )
    return Annealed(log_weights, float(changes.mean()))


class Temperatures:
    """p_k(s) ~ exp(-beta_k E(s)), k = 0 ... K, of any model on any engine; beta_0 = 0."""

    def __init__(self, setting: Setting, betas):
        self.setting = setting
        self.betas = np.append(betas, betas[-1])  # one step more, of no weight, measures what the last sweep changed
        self.prepared = setting.engine.prepare(setting.models, 1)
        self.log_z = setting.n * np.log(2)

    def reversed(self):
        """The same path from p_K to p_0."""
        path = copy.copy(self)
        path.betas = np.append(self.betas[-2::-1], self.betas[0])
        return path

    def to_spins(self, states):
        """Spins int8 (chains, n) of states of the model."""
        return np.atleast_2d(self.setting.given[0].to_spins(states))

    def draw(self, chains, entropy):
        """None: every spin at random."""
        return None

    def advance(self, block, first, last, crew):
        """Take a block from p_first to p_last."""
        drivers.anneal_weights(*block[1:], first, last, crew)


class _Stations:
    """A path whose p_k differ by more than a temperature: `ratios` gives log p*_{k+1} / p*_k, `plan` a sweep's."""

    def draw(self, chains, entropy):
        """Independent units, each 1 with probability 1 / (1 + exp(-logit)): spins int8 (chains, n)."""
        up = logistic(self.logits)
        draws = [
            np.random.Generator(stream(entropy, START, *divmod(k, 64))).random(self.setting.n) for k in range(chains)
        ]
        return np.where(np.array(draws) < up, 1, -1).astype(np.int8)

    def advance(self, block, first, last, crew):
        """Take a block from p_first to p_last."""
        steps = self.betas.size - 1
        each = -(-steps // FOLLOWED)
        if first == last:  # compiles
            self._sweep(block, block.plan, 0)
        for k in range(first, last):
            ratios, follows = self.ratios(k, self.setting.engine.spins(block.plan, block.state)), k % each == 0
            block.weights.logs[:] += ratios
            if k + 1 < steps or follows:
                spins = self._swept(block, k + 1)
                if follows:  # this sweep stands for those up to the next that is followed
                    block.weights.changes[:] += min(each, steps - k) * (self.ratios(k, spins) - ratios)

    def _swept(self, block, k):
        """The spins after a sweep at p_k, or at beta 0, where sweeps forget the biases of p_0, other draws from it."""
        if self.betas[k] == 0:
            return self.draw(block.weights.rungs.size, 0).T
        block.weights.rungs[:] = k
        self._sweep(block, self.plan(k, block.plan), 1)
        return self.setting.engine.spins(block.plan, block.state)

    def _sweep(self, block, plan, sweeps):
        rungs = block.weights.rungs
        nothing = drivers.no_record(self.setting.n, rungs.size)
        drivers.advance(plan, block.state, rungs, self.setting.moves, nothing, 0, sweeps, ALONE)


class RBMPath(_Stations):
    """p_t(v) ~ exp(((1 - t) a0 + t beta a).v) prod_j (1 + exp(t beta x_j)), x = b + W v: at t = k / K, k = 0 ... K.

    Hidden units are summed out in the weights, and drawn in the sweeps, at inverse temperature t beta with the
    visible bias a + (1 - t) a0 / (t beta).
    """

    def __init__(self, rbm, beta, a0, steps, threads):
        self.rbm, self.beta, self.a0 = rbm, beta, a0
        self.setting = Setting([rbm], [rbm], "layered", "gibbs", "sequential", 1, None, threads)
        self.prepared = layered.prepare([rbm], 1)
        self.t = np.linspace(0.0, 1.0, steps + 1)
        self.betas = self.t * beta
        self.logits = np.concatenate([a0, np.zeros(rbm.n_hidden)])
        self.log_z = np.logaddexp(0, self.logits).sum()

    def reversed(self):
        """The same path from p_K to p_0."""
        path = copy.copy(self)
        path.t, path.betas = self.t[::-1].copy(), self.betas[::-1].copy()
        return path

    def to_spins(self, states):
        """Spins int8 (chains, V + H) of joint states, or of visible ones with hidden units that are never read."""
        return _visible_too(self.rbm, states)

    def ratios(self, k, spins):
        """log p*_{k+1}(v) - log p*_k(v), float64 (lanes,), of spins int8 (n, lanes)."""
        v = (spins[: self.rbm.n_visible] > 0).astype(np.float64)
        x = self.rbm.hidden_bias[:, None] + self.rbm.weights.T @ v
        step = self.t[k + 1] - self.t[k]
        hidden = np.logaddexp(0, self.betas[k + 1] * x) - np.logaddexp(0, self.betas[k] * x)
        return step * ((self.beta * self.rbm.visible_bias - self.a0) @ v) + hidden.sum(axis=0)

    def plan(self, k, plan):
        """The plan of a sweep at p_k."""
        share = (1 - self.t[k]) / self.betas[k] if self.betas[k] else 0.0
        return layered.with_visible_bias(plan, self.rbm.visible_bias + share * self.a0)


class Models(_Stations):
    """p_k(s) ~ exp(-beta ((1 - t) E_i(s) + t E_{i+1}(s))), k = steps i + j, t = j / steps, j = 0 ... steps - 1.

    E_1 ... are the models, RBMs with hidden units summed out in the weights, and E_0 is model 1 uncoupled. A mean of
    energies is the energy of mean parameters: that is what sweeps run.
    """

    def __init__(self, models, beta, steps, threads):
        first, shown = models[0], [checks.shown(model) for model in models]
        for k, model in enumerate(models):
            if isinstance(model, RBM) != isinstance(first, RBM) or model.n != first.n:
                raise ValueError(f"model[{k}] is {shown[k]} and model[0] {shown[0]}: give models of one kind and size")
            if isinstance(model, RBM) and model.n_visible != first.n_visible:
                raise ValueError(f"model[{k}] is {shown[k]} and model[0] {shown[0]}: give machines of one shape")
        if isinstance(first, RBM):
            uncoupled = RBM(np.zeros_like(first.weights), first.visible_bias, first.hidden_bias)
            fields, shift = np.concatenate([first.visible_bias, first.hidden_bias]), 0.0
        else:
            models = [model.to_ising() for model in models]
            ising = models[0]
            uncoupled = Ising.from_edges(ising.n, [], [], [], ising.fields, ising.offset)
            fields, shift = 2 * ising.fields, -ising.fields.sum() - ising.offset
        engine = _that_can(["layered"] if isinstance(first, RBM) else ["sparse", "sparse64"], models, beta)
        self.setting = Setting([first], [uncoupled], engine, "gibbs", "sequential", 1, None, threads)
        self.models, self.beta, self.steps = [uncoupled, *models], beta, steps
        self.betas = np.full(len(models) * steps + 1, beta)
        self.prepared = self.setting.engine.prepare([uncoupled], 1)
        self.logits = beta * fields
        self.log_z = np.logaddexp(0, self.logits).sum() + beta * shift

    def reversed(self):
        """The same path from p_K to p_0."""
        path = copy.copy(self)
        path.models = self.models[::-1]
        return path

    def to_spins(self, states):
        """Spins int8 (chains, n) of states of the models."""
        (first,) = self.setting.given
        if isinstance(first, RBM):
            return _visible_too(first, states)
        return np.atleast_2d(first.to_spins(states))

    def ratios(self, k, spins):
        """log p*_{k+1}(s) - log p*_k(s), float64 (lanes,), of spins int8 (n, lanes)."""
        i, j = divmod(k, self.steps)
        here, there = self.models[i : i + 2]
        if not isinstance(here, RBM):
            return -self.beta / self.steps * (there.energy(spins.T) - here.energy(spins.T))
        v = (spins[: here.n_visible] > 0).astype(np.float64)
        x, y = (rbm.hidden_bias[:, None] + rbm.weights.T @ v for rbm in (here, there))
        before, after = (np.logaddexp(0, self.beta * (x + t / self.steps * (y - x))) for t in (j, j + 1))
        return self.beta / self.steps * ((there.visible_bias - here.visible_bias) @ v) + (after - before).sum(axis=0)

    def plan(self, k, plan):
        """The plan of a sweep at p_k."""
        i, j = divmod(k, self.steps)
        model = between(*self.models[i : i + 2], j / self.steps) if j else self.models[i]
        return self.setting.engine.at_betas(self.setting.engine.prepare([model], 1), self.betas)


def _that_can(engines: list[str], models: list, beta: float) -> str:
    """The first engine that can run all models; ValueError says why none can."""
    for engine in engines:
        refusals = [ENGINES[engine].refusal([model], "sequential", 1, tolerable(beta)) for model in models]
        if not any(refusals):
            return engine
    k = next(k for k, why in enumerate(refusals) if why)
    raise ValueError(f"model[{k}] is {models[k]!r}: {refusals[k]}")


def between(one, other, t):
    """The model of energy (1 - t) E_one + t E_other."""

    def mean(a, b):
        return (1 - t) * a + t * b

    if isinstance(one, RBM):
        names = "weights", "visible_bias", "hidden_bias"
        return RBM(*(mean(getattr(one, name), getattr(other, name)) for name in names))
    (i, j, J), (i2, j2, J2) = one.bonds, other.bonds
    bonds = np.concatenate([i, i2]), np.concatenate([j, j2]), np.concatenate([(1 - t) * J, t * J2])
    return Ising.from_edges(one.n, *bonds, mean(one.fields, other.fields), mean(one.offset, other.offset))


def _visible_too(rbm, states):
    """Spins of joint states (chains, V + H), or of visible ones (chains, V); hidden units, never read, are all up."""
    states = np.atleast_2d(states)
    if states.shape[-1] == rbm.n_visible != rbm.n:
        states = checks.units("start", states, rbm.n_visible)
        states = np.concatenate([states, np.ones((len(states), rbm.n_hidden), np.int8)], axis=1)
    spins = rbm.to_spins(states)
    spins[:, rbm.n_visible :] = 1
    return spins
