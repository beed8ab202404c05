"""`log_z` and `log_likelihood`: log Z of a model, annealed, tempered, integrated or enumerated, and what follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np

from fastgibbs import analysis, exact
from fastgibbs.analysis.reports import Report, shown, with_error
from fastgibbs.engines import ENGINES
from fastgibbs.engines.streams import ADAPT, entropy_of
from fastgibbs.fields import described
from fastgibbs.io.problems import problem, problems
from fastgibbs.methods import directed
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.methods.ladders import MAX_RUNGS
from fastgibbs.methods.paths import Models, RBMPath, Temperatures, annealed
from fastgibbs.methods.sampling import sample
from fastgibbs.methods.settings import settled, tolerable
from fastgibbs.methods.tempering import temper
from fastgibbs.models import RBM, Helmholtz, checks
from fastgibbs.models.energy import as_energy
from fastgibbs.models.logistic import MOST_HIDDEN
from fastgibbs.threads import stoppable
from fastgibbs.types import ArrayLike, FloatArray, ModelLike, Problem, Seed

Method = Literal["ais", "reverse", "tempering", "integration", "exact"]
METHODS = get_args(Method)
SMALL = 16  # units of a smaller layer, or spins, up to which a likelihood enumerates
CONFIDENCE = 0.95
FEWEST_RUNGS = 16
FEWEST_CHAINS = 10  # in effect: of fewer, neither log Z nor its error is to be trusted
DRAWS = 100  # of hidden units for each row


@described
class Estimate(NamedTuple):
    """log Z, and how far to trust it.

    >>> import fastgibbs as fg
    >>> found = fg.log_z(fg.lattice((4, 4)), beta=0.4, method="exact")
    >>> print(f"{found.value:.3f} +- {found.error}")
    14.561 +- 0.0
    """

    value: Annotated[float, "log Z, in nats."]
    error: Annotated[float, "Its standard error; 0 if it is exact, infinite if the draws do not tell."]
    interval: Annotated[
        tuple[float, float], "Of 95 % confidence, if the error is normal: of annealing, with many effective chains."
    ]
    effective_chains: Annotated[
        float, "Of annealing, (sum w)^2 / sum w^2: how many chains carry the result. Otherwise not a number."
    ]
    quadrature: Annotated[
        float, "Of integration, a bound on the bias of its rule, which is not in the error. Otherwise 0."
    ]
    method: Annotated[str, "The method that gave it."]

    def report(self) -> Report:
        """The same in words, and whether to believe it.

        >>> import fastgibbs as fg
        >>> type(fg.log_z(fg.lattice((4, 4)), method="exact").report()).__name__
        'Report'
        """
        facts = {
            "log Z": f"{with_error(self.value, self.error)} nats",
            "95 % interval": "{:.8g} to {:.8g}".format(*self.interval),
        }
        if not math.isnan(self.effective_chains):
            facts["chains in effect"] = f"{self.effective_chains:.4g}"
        if self.quadrature:
            facts["bias, at most"] = f"{self.quadrature:.2g}"
        few = self.effective_chains < FEWEST_CHAINS
        notes = [f"WARNING: fewer than {FEWEST_CHAINS} chains carry it: give more steps."] if few else []
        return Report([f"log Z by method={self.method!r}"], facts, {}, notes)

    def _repr_html_(self) -> str:
        return shown(self)


class Likelihood(NamedTuple):
    """The mean log-likelihood of a state in nats, the standard error that log Z gives it, and log Z.

    `bound`: whether the mean-field bound (`RBM.log_bound`) stands for the sum over hidden units, so that but for the
    error of log Z the log-likelihood is at least `value`.
    Of a Helmholtz machine, whose log Z is 0, the error is that of its draws, of which `effective_draws` carry a row's
    likelihood in the mean, (sum w)^2 / sum w^2; otherwise these are not a number.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> found = fg.log_likelihood(fg.RBM(np.zeros((3, 2))), [[0, 1, 1]])
    >>> print(f"{found.value:.3f}, log Z = {found.log_z.value:.3f}")
    -2.079, log Z = 3.466
    """

    value: float
    error: float
    log_z: Estimate
    bound: bool = False
    effective_draws: float = math.nan

    def report(self) -> Report:
        """The same in words.

        >>> import fastgibbs as fg
        >>> list(fg.log_likelihood(fg.RBM([[2.0], [-1.0]]), [[1, 0], [0, 0]]).report().facts)
        ['log-likelihood', 'log Z']
        """
        at_least = "at least " if self.bound else ""
        facts = {"log-likelihood": f"{at_least}{with_error(self.value, self.error)} nats a state"}
        facts["log Z"] = f"{with_error(self.log_z.value, self.log_z.error)} nats"
        if not math.isnan(self.effective_draws):
            facts["draws in effect"] = f"{self.effective_draws:.4g} a state"
        return Report([f"log-likelihood by method={self.log_z.method!r}"], facts, {}, self.log_z.report().notes)

    def _repr_html_(self) -> str:
        return shown(self)


def log_z(
    model: Problem | Sequence[Problem],
    *,
    method: Method = "ais",
    beta: float = 1.0,
    steps: int | None = None,
    chains: int | None = None,
    data: ArrayLike | None = None,
    start: ArrayLike | None = None,
    seed: Seed = None,
    threads: int | None = None,
) -> Estimate:
    """log Z = log sum_s exp(-beta E(s)), or of an RBM sum over v and h: an `Estimate`.

    "ais": chains pass distributions p_0 ... p_K, one sweep at each; log Z_K = log Z_0 + log mean w with log w = sum_k
    log p*_k(s_{k-1}) / p*_{k-1}(s_{k-1}), s_{k-1} the state after the sweep at p_{k-1} (Neal, Stat. Comput. 11, 125
    (2001)). Low in the mean. An RBM starts at independent units of its first side, the second summed out (Salakhutdinov
    and Murray, ICML 2008); other models at beta 0.
    "reverse": the same from `start`, states of the model at `beta`, back to p_0: high in the mean if they are
    independent draws. If both agree, neither is far off (Burda, Grosse and Salakhutdinov, AISTATS 2015).
    "tempering": Bennett's ratios on a ladder from beta 0 (`TemperResult.log_z`).
    "integration": log Z_0 - integral of <E> (`fastgibbs.analysis.integrated_log_z`) on a ladder of its own, where E
    varies by no more than 1 / (beta' - beta) at neighbouring rungs.
    "exact": every state (`fastgibbs.exact.spectrum`).
    Of a Helmholtz machine at beta = 1 it is 0 by construction, whatever the method.

    Args:
        model: any (`fastgibbs.Energy`); for "ais" and "reverse" also a sequence of models with an Ising form, as met
            in training: the path to the last of them, from independent units with the biases of the first. From one
            model to the next, E_i to E_{i+1}, it leads by energies (1 - t) E_i + t E_{i+1}, t = 1 / steps ... 1. The
            noise between checkpoints makes a path longer: a few of them need fewer steps than many.
        method: one of the above.
        beta: inverse temperature, above 0 for "tempering" and "integration".
        steps: K, by default 1000; of a sequence, from each model to the next, by default as many as make 1000 or more
            in all; of tempering, the recorded sweeps, by default 2000.
        chains: independent chains, by default 100, or ladders, by default 8.
        data: for annealing an RBM: states (N, V) of its first side, whose mean units p_0 takes; by default those of a
            short run of it.
        start: for "reverse": states (chains, n), for an RBM also of its first side alone, (chains, V).
        seed: None, an int, a numpy SeedSequence or a numpy Generator (which is advanced).
        threads: threads to run on; by default the cores this process may use. It never changes the result.

    Raises ValueError or TypeError, naming the argument, before anything is run; KeyboardInterrupt if it is stopped.

    >>> import fastgibbs as fg
    >>> model = fg.lattice((4, 4))
    >>> print(f"{fg.log_z(model, beta=0.4, seed=1).value:.1f} {fg.log_z(model, beta=0.4, method='exact').value:.1f}")
    14.6 14.6
    """
    path = problems("model", model)
    checks.choice("method", method, METHODS)
    beta, threads = checks.finite_number("beta", beta), checks.thread_count(threads)
    annealing = method in ("ais", "reverse")
    if len(path) > 1 and not annealing:
        raise ValueError(f'model is a sequence of {len(path)}: give one model to method={method!r}, or use "ais"')
    if (start is None) == (method == "reverse"):
        raise ValueError(f'start is {"missing" if start is None else "given"}: method="reverse" needs it, no other')
    if data is not None and (not annealing or len(path) > 1 or not isinstance(path[0], RBM)):
        raise ValueError("data is given: it is for annealing a single RBM")
    if len(path) == 1 and as_energy(path[0]).normalized and beta == 1:
        return NONE
    if method == "exact":
        value = float(exact.spectrum(path[0], threads).log_z(beta))
        return Estimate(value, 0.0, (value, value), math.nan, 0.0, method)
    steps = checks.integer("steps", (-(-1000 // len(path)) if annealing else 2000) if steps is None else steps)
    fewest = 2 if method == "ais" else 1  # an error needs two
    chains = None if chains is None else checks.integer("chains", chains, minimum=fewest)
    lanes = chains or (100 if annealing else 8)
    if annealing:
        needed = lanes * (40 * path[0].n + 200) + 100 * steps * len(path)
        checks.require_memory(needed, f"an annealing of chains={lanes} and steps={steps}", "give fewer")
    with stoppable():  # whatever stops one of its runs stops those that follow
        if not annealing:
            return _tempered(path[0], method, beta, steps, lanes, seed, threads)
        seed = entropy_of(seed)
        if len(path) > 1 or isinstance(model, list | tuple):
            stations: Models | RBMPath | Temperatures = Models(path, beta, steps, threads)
        elif beta and ENGINES["layered"].refusal(path, "sequential", 1, tolerable(beta)) is None:
            rbm: Any = path[0]
            visible = _marginals(rbm, beta, data, run_entropy(seed, "log_z"), threads)
            stations = RBMPath(rbm, beta, visible, steps, threads)
        else:
            asked: dict[str, Any] = dict(
                rule="gibbs", chains=lanes, clamp=None, threads=threads, tolerance=tolerable(beta)
            )
            stations = Temperatures(settled(path, "auto", **asked), np.linspace(0.0, beta, steps + 1))
        if start is not None:
            spins = stations.to_spins(start)
            if not len(spins):
                raise ValueError("start is empty: give at least one state")
            if chains is not None and chains != len(spins):
                raise ValueError(f"chains is {chains} but start holds {len(spins)} states: give one state per chain")
            own = run_entropy(seed, "log_z", spins)
            mean, error, effective = analysis.log_mean(*annealed(stations.reversed(), len(spins), spins, own))
            return _estimate(stations.log_z - mean, error, method, effective)
        own = run_entropy(seed, "log_z")
        mean, error, effective = analysis.log_mean(*annealed(stations, lanes, None, own))
        return _estimate(stations.log_z + mean, error, method, effective)


NONE = Estimate(0.0, 0.0, (0.0, 0.0), math.nan, 0.0, "exact")  # log Z of what is normalised


_estimated = log_z  # which an argument of `log_likelihood` hides


def log_likelihood(
    model: Problem,
    data: ArrayLike,
    *,
    beta: float = 1.0,
    log_z: float | Estimate | None = None,
    draws: int | None = None,
    given: ArrayLike | None = None,
    seed: Seed = None,
    threads: int | None = None,
) -> Likelihood:
    """(1 / N) sum_n log p(data_n): -beta E(s) - log Z, or with hidden units log sum_h exp(-beta E(v, h)) - log Z.

    `data`: (N, n) states in the model's own units, with hidden units visible ones (N, V). `log_z`: a number or an
    `Estimate` if it is known; by default it is enumerated for up to 16 units of an RBM's smaller layer, or spins, and
    annealed for more. Of an RBM with more than 20 hidden units on both sides `RBM.log_bound` takes the place of the sum
    over these, and the result says so.
    `given`: indices of visible units of an RBM, of which the probability is not told, but that of the other visible
    units given these: their log Z is the mean over data of the logarithm of the sum over all others, always exact.
    `draws`, of a Helmholtz machine at beta = 1: log p(v) is the log of the mean of p(v, h) / q(h | v) over so many
    hidden layers h from q for each row, low in the mean; the error says by how much, and is infinite if fewer than 20
    draws, or half of them, carry a row's mean. By default 100; up to 16 hidden units are summed over instead.
    Raises ValueError or TypeError, naming the argument.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> rbm = fg.RBM(np.zeros((3, 2)))
    >>> print(f"{fg.log_likelihood(rbm, [[0, 1, 1]]).value:.3f}")  # every state is as likely: log 1/8
    -2.079
    """
    model = problem("model", model)
    beta = checks.finite_number("beta", beta)
    if 0 in checks.real_array("data", data).shape[:-1]:
        raise ValueError("data is empty: give at least one row")
    if draws is not None and not isinstance(model, Helmholtz):
        raise ValueError(f"draws is {draws}: it is for a Helmholtz machine, {checks.shown(model)} has none")
    if given is not None:
        return _given(model, data, beta, log_z, given)
    if isinstance(model, Helmholtz):
        return _by_recognition(model, data, beta, log_z, draws, seed)
    logs, bound = _numerators(model, data, beta)
    if log_z is None:
        small = as_energy(model).n_enumerated
        method: Method = "exact" if small <= SMALL else "ais"
        of_data = data if isinstance(model, RBM) and model.restricted and method == "ais" else None
        log_z = _estimated(model, method=method, beta=beta, data=of_data, seed=seed, threads=threads)
    elif not isinstance(log_z, Estimate):
        number = checks.finite_number("log_z", log_z)
        log_z = Estimate(number, 0.0, (number, number), math.nan, 0.0, "given")
    return Likelihood(float(logs.mean()) - log_z.value, log_z.error, log_z, bound)


def _numerators(model: ModelLike, data: ArrayLike, beta: float) -> tuple[FloatArray, bool]:
    """log p* of data, hidden units summed out, or its bound where they are too many; and whether it is the bound."""
    if isinstance(model, RBM) and model.summed_hidden > MOST_HIDDEN:
        return model.log_bound(data, beta), True
    return analysis.log_weights(model, data, beta), False


def _given(model: Any, data: ArrayLike, beta: float, log_z: object, given: ArrayLike) -> Likelihood:
    """The mean log-probability of the visible units that are not given."""
    if log_z is not None:
        raise ValueError("log_z and given are given: the probability of units given others needs no log Z")
    units = given_units(model, given)
    v = checks.units("data", data, model.n_visible)
    conditions = model.with_visible(units).log_marginal(v[..., np.isin(model.visible, units)], beta)
    value = float(conditions.mean())
    found = Estimate(value, 0.0, (value, value), math.nan, 0.0, "exact")
    return Likelihood(float(model.log_marginal(v, beta).mean()) - value, 0.0, found)


def given_units(model: object, given: ArrayLike) -> tuple[int, ...]:
    """`given` in the order of the data; TypeError or ValueError unless it holds visible units of an RBM, not all."""
    if not isinstance(model, RBM):
        raise TypeError(f"given is given, model is {checks.shown(model)}: give an RBM")
    units = checks.different("given", given, model.n)
    strange = ~np.isin(units, model.visible)
    if strange.any():
        k = int(strange.argmax())
        raise ValueError(f"given[{k}] is {units[k]}: give visible units of {model!r}")
    if units.size == model.n_visible:
        raise ValueError(f"given holds all {units.size} visible units: leave some to tell the probability of")
    return tuple(int(unit) for unit in model.visible if unit in units)


def _by_recognition(
    machine: Helmholtz,
    data: ArrayLike,
    beta: float,
    log_z: float | Estimate | None,
    draws: int | None,
    seed: Seed,
) -> Likelihood:
    """`log_likelihood` of a Helmholtz machine, by draws from q or by all states of its hidden units."""
    if beta != 1 or log_z is not None:
        name, value = ("beta", beta) if beta != 1 else ("log_z", log_z)
        raise ValueError(f"{name} is {value}: a Helmholtz machine has log Z = 0, at beta = 1; leave it out")
    v = checks.rows(checks.units("data", data, machine.n_visible))
    if draws is None and machine.n_hidden <= SMALL:
        return Likelihood(float(machine.log_marginal(v).mean()), 0.0, NONE)
    directed.check(machine)
    draws = DRAWS if draws is None else checks.integer("draws", draws, minimum=2)  # an error needs two
    checks.require_memory(40 * draws * len(v), f"draws={draws} for each of {len(v)} rows", "give fewer")
    value, error, effective = directed.likelihood(machine, v, draws, run_entropy(entropy_of(seed), "likelihood"))
    return Likelihood(value, error, NONE, effective_draws=effective)


def _tempered(
    model: ModelLike, method: str, beta: float, sweeps: int, ladders: int, seed: Seed, threads: int | None
) -> Estimate:
    if beta <= 0:
        raise ValueError(f"beta is {beta}: method={method!r} needs a ladder from 0 to a beta above 0")
    kwargs: dict[str, Any] = dict(ladders=ladders, threads=threads, overlap_every=0)
    seed = run_entropy(entropy_of(seed), "log_z")
    other = entropy_of(np.random.SeedSequence(seed, spawn_key=(ADAPT,)))
    ends = [0.0, beta]
    pilot = temper(model, betas=ends, rungs=FEWEST_RUNGS, sweeps=max(sweeps // 8, 1), seed=other, **kwargs)
    if pilot.interrupted:
        raise KeyboardInterrupt
    if method == "tempering":
        rungs = min(max(analysis.enough_rungs(pilot.barrier.total), FEWEST_RUNGS), MAX_RUNGS)
        result = temper(model, betas=ends, rungs=rungs, sweeps=sweeps, seed=seed, **kwargs)
    else:
        betas = analysis.refined(pilot.betas, pilot.energy.std(axis=(0, 2)), MAX_RUNGS)
        result = temper(model, betas=betas, sweeps=sweeps, seed=seed, **kwargs)
    if result.interrupted:
        raise KeyboardInterrupt
    if method == "tempering":
        return _estimate(result.log_z.bar[-1], result.log_z.bar_error[-1], method)
    integrated = analysis.integrated_log_z(result.betas, result.energy, model.n * math.log(2))
    return _estimate(integrated.value[-1], integrated.error[-1], method, quadrature=integrated.quadrature[-1])


def _estimate(
    value: float, error: float, method: str, effective: float = math.nan, quadrature: float = 0.0
) -> Estimate:
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * error
    interval = float(value - reach), float(value + reach)
    return Estimate(float(value), float(error), interval, float(effective), float(quadrature), method)


def _marginals(rbm: RBM, beta: float, data: ArrayLike | None, entropy: int, threads: int | None) -> FloatArray:
    """logit p(v_i = 1), float64 (V,), of the data or of a short run, from counts with one more of each value."""
    V = len(rbm.weights)
    if data is None:
        other = entropy_of(np.random.SeedSequence(entropy, spawn_key=(ADAPT,)))  # independent of the annealing
        data = sample(rbm, beta=beta, sweeps=50, thin=50, seed=other, threads=threads).states[:, :V]
    data = checks.rows(checks.units("data", data, V))
    ones = data.sum(axis=0, dtype=np.float64)
    return np.log(ones + 1) - np.log(len(data) - ones + 1)
