"""Paths of distributions from one of independent units to a model, and chains annealed along them.

A path has distributions p_0 ... p_K, of which log p*_k is known and log Z_0 = `log_z`. `block` gives a block of lanes
at states of p_0, and `advance` takes it along: log w += log p*_{k+1} - log p*_k, then a sweep at p_{k+1}.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines import ENGINES, drivers, layered
from fastgibbs.engines.contract import Crew
from fastgibbs.engines.streams import START, stream
from fastgibbs.methods.jobs import Job, begin, through
from fastgibbs.methods.running import ALONE, running
from fastgibbs.methods.settings import NOBODY, Setting, numbered, tolerable
from fastgibbs.models import RBM, checks
from fastgibbs.models.energy import as_energy
from fastgibbs.models.logistic import logistic
from fastgibbs.types import ArrayLike, FloatArray, States

FOLLOWED = 64  # sweeps of a path whose changes are measured, where that takes as long as a sweep


class WalkBlock(NamedTuple):
    """Lanes that are annealed together."""

    chains: int  # that were asked for
    plan: Any
    state: Any
    weights: drivers.LogWeights


class Annealed(NamedTuple):
    """What chains bring from the path's one end to the other."""

    log_weights: FloatArray  # float64 (chains,)
    distance: float  # sum_k <log p*_{k+1} / p*_k>_{k+1} - <log p*_{k+1} / p*_k>_k


@dataclass(frozen=True)
class Walk(Job):
    """Chains that are taken along a path, from spins `starts`, int8 (chains, n), of p_0, or from spins at random."""

    path: AnyPath
    chains: int
    starts: States | None
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

    def block(self, lanes: range) -> WalkBlock:
        """A block of lanes, those beyond the last chain idle."""
        chains = numbered(lanes, self.chains)
        spins = None if self.starts is None else self.starts[lanes.start : lanes.stop]
        betas = self.path.betas
        plan, state = self.setting.start(self.path.prepared, lanes, chains, betas, self.seed, spins)
        rungs, zeros = np.zeros(len(lanes), np.int64), np.zeros((4, len(lanes)))
        inside = int((chains != NOBODY).sum())
        return WalkBlock(inside, plan, state, drivers.LogWeights(betas, self.setting.moves.rule, rungs, *zeros))

    def advance(self, block: WalkBlock, first: int, last: int, crew: Crew) -> None:
        """Take a block from p_first to p_last."""
        self.path.advance(block, first, last, crew)

    def attempts(self, block: WalkBlock) -> int:
        """One a site in every chain."""
        return block.chains * self.setting.attempts


def annealed(path: AnyPath, chains: int, starts: States | None, seed: int) -> Annealed:
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

    def __init__(self, setting: Setting, betas: FloatArray) -> None:
        self.setting = setting
        self.betas = np.append(betas, betas[-1])  # one step more, of no weight, measures what the last sweep changed
        self.prepared = setting.engine.prepare(setting.models, 1)
        self.log_z = setting.n * np.log(2)

    def reversed(self) -> Temperatures:
        """The same path from p_K to p_0."""
        path = copy.copy(self)
        path.betas = np.append(self.betas[-2::-1], self.betas[0])
        return path

    def to_spins(self, states: ArrayLike) -> States:
        """Spins int8 (chains, n) of states of the model."""
        return np.atleast_2d(self.setting.given[0].to_spins(states))

    def draw(self, chains: int, entropy: int) -> None:
        """None: every spin at random."""
        return None

    def advance(self, block: WalkBlock, first: int, last: int, crew: Crew) -> None:
        """Take a block from p_first to p_last."""
        drivers.anneal_weights(*block[1:], first, last, crew)


class _Stations:
    """A path whose p_k differ by more than a temperature: `ratios` gives log p*_{k+1} / p*_k, `plan` a sweep's."""

    setting: Setting
    betas: FloatArray
    logits: FloatArray  # of independent units at p_0
    log_z: float
    prepared: Any

    def ratios(self, k: int, spins: States) -> FloatArray:
        """log p*_{k+1} - log p*_k, float64 (lanes,), of spins int8 (n, lanes)."""
        raise NotImplementedError

    def plan(self, k: int, plan: Any) -> Any:
        """The plan of a sweep at p_k."""
        raise NotImplementedError

    def draw(self, chains: int, entropy: int) -> States:
        """Independent units, each 1 with probability 1 / (1 + exp(-logit)): spins int8 (chains, n)."""
        up = logistic(self.logits)
        draws = [
            np.random.Generator(stream(entropy, START, *divmod(k, 64))).random(self.setting.n) for k in range(chains)
        ]
        return np.where(np.array(draws) < up, 1, -1).astype(np.int8)

    def advance(self, block: WalkBlock, first: int, last: int, crew: Crew) -> None:
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

    def _swept(self, block: WalkBlock, k: int) -> States:
        """The spins after a sweep at p_k, or at beta 0, where sweeps forget the biases of p_0, other draws from it."""
        if self.betas[k] == 0:
            return self.draw(block.weights.rungs.size, 0).T
        block.weights.rungs[:] = k
        self._sweep(block, self.plan(k, block.plan), 1)
        return self.setting.engine.spins(block.plan, block.state)

    def _sweep(self, block: WalkBlock, plan: Any, sweeps: int) -> None:
        rungs = block.weights.rungs
        nothing = drivers.no_record(self.setting.n, rungs.size)
        drivers.advance(plan, block.state, rungs[None], self.setting.moves, nothing, 0, sweeps, ALONE)


class RBMPath(_Stations):
    """p_t(v) ~ exp(((1 - t) a0 + t beta a).v) prod_j (1 + exp(t beta x_j)), x = b + W v: at t = k / K, k = 0 ... K.

    Hidden units are summed out in the weights, and drawn in the sweeps, at inverse temperature t beta with the
    visible bias a + (1 - t) a0 / (t beta).
    """

    def __init__(self, rbm: RBM, beta: float, a0: FloatArray, steps: int, threads: int) -> None:
        self.rbm, self.beta, self.a0 = rbm, beta, a0
        self.setting = Setting([rbm], [rbm], "layered", "gibbs", "sequential", 1, None, threads)
        self.prepared = self.setting.engine.prepare([rbm], 1)
        self.t = np.linspace(0.0, 1.0, steps + 1)
        self.betas = self.t * beta
        self.logits = np.concatenate([a0, np.zeros(rbm.weights.shape[1])])
        self.log_z = np.logaddexp(0, self.logits).sum()

    def reversed(self) -> RBMPath:
        """The same path from p_K to p_0."""
        path = copy.copy(self)
        path.t, path.betas = self.t[::-1].copy(), self.betas[::-1].copy()
        return path

    def to_spins(self, states: ArrayLike) -> States:
        """Spins int8 (chains, V + H) of joint states, or of visible ones with hidden units that are never read."""
        return _visible_too(self.rbm, states)

    def ratios(self, k: int, spins: States) -> FloatArray:
        """log p*_{k+1}(v) - log p*_k(v), float64 (lanes,), of spins int8 (n, lanes)."""
        v = (spins[: len(self.a0)] > 0).astype(np.float64)
        x = self.rbm.hidden_bias[:, None] + self.rbm.weights.T @ v
        step = self.t[k + 1] - self.t[k]
        hidden = np.logaddexp(0, self.betas[k + 1] * x) - np.logaddexp(0, self.betas[k] * x)
        return step * ((self.beta * self.rbm.visible_bias - self.a0) @ v) + hidden.sum(axis=0)

    def plan(self, k: int, plan: Any) -> Any:
        """The plan of a sweep at p_k."""
        share = (1 - self.t[k]) / self.betas[k] if self.betas[k] else 0.0
        return layered.with_visible_bias(plan, self.rbm.visible_bias + share * self.a0)


class Models(_Stations):
    """p_k(s) ~ exp(-beta ((1 - t) E_i(s) + t E_{i+1}(s))), k = steps i + j, t = j / steps, j = 0 ... steps - 1.

    E_1 ... are the models, RBMs with hidden units summed out in the weights, and E_0 is model 1 uncoupled. A mean of
    energies is the energy of mean parameters: that is what sweeps run.
    """

    def __init__(self, models: list[Any], beta: float, steps: int, threads: int) -> None:
        sides = [model.weights.shape if isinstance(model, RBM) else () for model in models]
        shapes = [(model.n, as_energy(model).n_visible, side) for model, side in zip(models, sides, strict=True)]
        for k, shape in enumerate(shapes):
            if shape != shapes[0]:
                one, first = checks.shown(models[k]), checks.shown(models[0])
                raise ValueError(f"model[{k}] is {one} and model[0] {first}: give models of one shape")
        engine, taken = _that_can(models, beta)
        uncoupled = taken[0].uncoupled()
        self.setting = Setting(models[:1], [uncoupled], engine, "gibbs", "sequential", 1, None, threads)
        self.models, self.beta, self.steps = [uncoupled, *taken], beta, steps
        self.betas = np.full(len(models) * steps + 1, beta)
        self.prepared = self.setting.engine.prepare([uncoupled], 1)
        rows = uncoupled.quadratic()
        self.logits = beta * (1 - rows.low) * rows.fields
        self.log_z = np.logaddexp(0, self.logits).sum() + beta * (rows.low * rows.fields.sum() - rows.offset)

    def reversed(self) -> Models:
        """The same path from p_K to p_0."""
        path = copy.copy(self)
        path.models = self.models[::-1]
        return path

    def to_spins(self, states: ArrayLike) -> States:
        """Spins int8 (chains, n) of states of the models."""
        (first,) = self.setting.given
        return _visible_too(first, states) if isinstance(self.models[0], RBM) else np.atleast_2d(first.to_spins(states))

    def ratios(self, k: int, spins: States) -> FloatArray:
        """log p*_{k+1}(s) - log p*_k(s), float64 (lanes,), of spins int8 (n, lanes)."""
        i, j = divmod(k, self.steps)
        here, there = self.models[i : i + 2]
        if not isinstance(here, RBM):
            states = here.from_spins(spins.T)
            return -self.beta / self.steps * (there.energy(states) - here.energy(states))
        v = (spins[: len(here.weights)] > 0).astype(np.float64)
        x, y = (rbm.hidden_bias[:, None] + rbm.weights.T @ v for rbm in (here, there))
        before, after = (np.logaddexp(0, self.beta * (x + t / self.steps * (y - x))) for t in (j, j + 1))
        return self.beta / self.steps * ((there.visible_bias - here.visible_bias) @ v) + (after - before).sum(axis=0)

    def plan(self, k: int, plan: Any) -> Any:
        """The plan of a sweep at p_k."""
        i, j = divmod(k, self.steps)
        model = self.models[i].interpolated(self.models[i + 1], j / self.steps) if j else self.models[i]
        return self.setting.engine.at_betas(self.setting.engine.prepare([model], 1), self.betas)


AnyPath = Temperatures | RBMPath | Models


def _that_can(models: list[Any], beta: float) -> tuple[str, list[Any]]:
    """The first engine that can run all models, and these as it takes them; ValueError says why none can."""
    for engine in ("layered", "sparse", "sparse64"):
        taken = models if ENGINES[engine].native else [model.to_ising() for model in models]
        refusals = [ENGINES[engine].refusal([model], "sequential", 1, tolerable(beta)) for model in taken]
        if not any(refusals):
            return engine, taken
    k = next(k for k, why in enumerate(refusals) if why)
    raise ValueError(f"model[{k}] is {models[k]!r}: {refusals[k]}")


def _visible_too(rbm: Any, states: ArrayLike) -> States:
    """Spins of joint states (chains, V + H), or of their first sides (chains, V); the second, never read, is all up."""
    states, (V, H) = np.atleast_2d(states), rbm.weights.shape
    if states.shape[-1] == V != rbm.n:
        states = checks.units("start", states, V)
        states = np.concatenate([states, np.ones((len(states), H), np.int8)], axis=1)
    spins = rbm.to_spins(states)
    spins[:, V:] = 1
    return spins
