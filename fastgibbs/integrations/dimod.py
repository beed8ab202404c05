"""dimod's samplers by fastgibbs: annealing, tempering and quantum annealing of binary quadratic models. Needs dimod.

`from fastgibbs.integrations.dimod import AnnealingSampler` takes the place of dwave-samplers' annealer.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

try:
    import dimod
except ImportError as error:
    raise ImportError("fastgibbs.integrations.dimod needs dimod: pip install 'fastgibbs[dimod]'") from error

from fastgibbs.engines.energies import energies
from fastgibbs.engines.streams import entropy_of
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.schedules import beta_range as worth_annealing
from fastgibbs.methods.schedules import beta_schedule as worth_following
from fastgibbs.methods.tempering import temper
from fastgibbs.models import Ising, TransverseIsing, checks, foreign
from fastgibbs.types import ArrayLike, FloatArray, Seed, States

SWEEPS = 1000
_MOST_SEED = 2**64  # as many bits as a machine word has
_FIRST, _AT_ONCE = 1, 64  # reads between two questions whether to go on
_RULES = {"Metropolis": "metropolis", "Gibbs": "gibbs"}
_SCHEDULES = ("linear", "geometric", "custom")


def _keywords(*names: str, **options: list[str]) -> Mapping[str, list[str]]:
    """What a sampler takes, and which of its properties says what that may be."""
    return MappingProxyType(dict.fromkeys(names, []) | options)


class AnnealingSampler(dimod.Sampler, dimod.Initialized):  # type: ignore[misc]
    """Simulated annealing of E(x), by `fastgibbs.anneal`: the keywords and answers of dwave-samplers' annealer.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import AnnealingSampler
    >>> bqm = dimod.BinaryQuadraticModel.from_ising({"a": 1}, {("a", "b"): -1, ("b", "c"): 1})
    >>> found = AnnealingSampler().sample(bqm, num_reads=10, seed=1)
    >>> found.first.energy, {label: int(value) for label, value in found.first.sample.items()}
    (-3.0, {'a': -1, 'b': -1, 'c': 1})
    """

    parameters = _keywords(
        *("beta_range", "num_reads", "num_sweeps", "num_sweeps_per_beta", "seed", "interrupt_function"),
        *("beta_schedule", "initial_states", "initial_states_generator", "randomize_order"),
        *("proposal_acceptance_criteria", "time_limit", "engine", "threads"),
        beta_schedule_type=["beta_schedule_options"],
    )
    properties = MappingProxyType({"beta_schedule_options": _SCHEDULES})

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        beta_range: ArrayLike | None = None,
        num_reads: int | None = None,
        num_sweeps: int | None = None,
        num_sweeps_per_beta: int = 1,
        beta_schedule_type: str = "geometric",
        seed: Seed = None,
        interrupt_function: Callable[[], object] | None = None,
        beta_schedule: ArrayLike | None = None,
        initial_states: Any = None,
        initial_states_generator: str = "random",
        randomize_order: bool = False,
        proposal_acceptance_criteria: str = "Metropolis",
        time_limit: float | None = None,
        engine: str = "auto",
        threads: int | None = None,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """States at the end of `num_reads` coolings, in the order of the reads.

        Args:
            bqm: SPIN or BINARY, with labels of any kind.
            beta_range: the first and the last beta; by default a "geometric" schedule is `fastgibbs.beta_schedule`,
                which goes where the problem asks for time, and a linear one between the ends of that.
            num_reads: by default as many as there are initial states, or 1.
            num_sweeps: by default 1000, or as long as `beta_schedule`; 0 returns the initial states.
            num_sweeps_per_beta: sweeps at each beta.
            beta_schedule_type: "geometric" or "linear" between the ends of `beta_range`, or "custom", `beta_schedule`.
            seed: None, an int from 0 to 2^64 - 1, a SeedSequence or a Generator; the first k reads are the same however
                many there are, by one engine.
            interrupt_function: called after the first read, and then after every 64; True, or an exception, ends the
                sampling, and the reads that are done are returned.
            beta_schedule: betas of at least 0, inf among them.
            initial_states, initial_states_generator: where reads begin, as `dimod.Initialized` has it.
            randomize_order: draw the sites of a sweep with replacement.
            proposal_acceptance_criteria: "Metropolis" or "Gibbs".
            time_limit: seconds: reads are cooled again, ever more slowly, until they are over, and the lowest state of
                each read is returned.
            engine, threads: as `fastgibbs.anneal` has them.
            kwargs: are ignored with a warning, as dimod's samplers do.

        `info` has beta_range, beta_schedule_type, betas, num_sweeps, engine, seed and timing, in nanoseconds.
        ValueError or TypeError names a bad argument.
        """
        began = time.perf_counter_ns()
        self.remove_unknown_kwargs(**kwargs)
        entropy = _entropy(seed)
        if interrupt_function is not None and not callable(interrupt_function):
            raise TypeError(f"interrupt_function is {checks.shown(interrupt_function)}: give a callable, or None")
        checks.choice("proposal_acceptance_criteria", proposal_acceptance_criteria, tuple(_RULES))
        model, labels = _spins(bqm)
        betas = _betas(model, beta_range, num_sweeps, num_sweeps_per_beta, beta_schedule_type, beta_schedule)
        start, reads = self._start(bqm, labels, initial_states, initial_states_generator, num_reads, entropy)
        if not betas.size and start is None:
            start, _ = self._start(bqm, labels, (np.empty((0, len(labels))), labels), "random", reads, entropy)
        options: dict[str, Any] = dict(rule=_RULES[proposal_acceptance_criteria], engine=engine, threads=threads)
        options |= dict(scan="random" if checks.flag("randomize_order", randomize_order) else "sequential")
        options |= dict(betas=betas, sweeps=betas.size, time_limit=time_limit)
        sampling = time.perf_counter_ns()
        found, used = (start, "") if not betas.size else _read(model, reads, start, entropy, interrupt_function, options)
        ended = time.perf_counter_ns()
        info = dict(beta_range=betas[[0, -1]].tolist() if betas.size else [], beta_schedule_type=beta_schedule_type)
        info |= dict(betas=betas, num_sweeps=betas.size, engine=used, seed=entropy)
        return _answer(bqm, labels, model, found, info, began, sampling, ended)

    def _start(
        self, bqm: Any, labels: list[Any], initial_states: Any, generator: str, num_reads: int | None, entropy: int
    ) -> tuple[States | None, int]:
        """Spins (reads, n) to begin from, or None for random ones, and the number of reads."""
        if initial_states is None and generator == "random":
            if num_reads is not None and not isinstance(num_reads, int | np.integer):
                raise TypeError(f"num_reads is {checks.shown(num_reads)}: give an integer of at least 1")
            return None, checks.integer("num_reads", 1 if num_reads is None else num_reads)
        given = dict(initial_states=initial_states, initial_states_generator=generator, num_reads=num_reads)
        parsed = self.parse_initial_states(bqm, **given, seed=entropy % 2**32)
        states = parsed.initial_states.change_vartype("SPIN", inplace=False)
        order = [states.variables.index(label) for label in labels]
        return np.ascontiguousarray(states.record.sample[:, order], np.int8), int(parsed.num_reads)


class TemperingSampler(dimod.Sampler):  # type: ignore[misc]
    """Parallel tempering of E(x), by `fastgibbs.temper`: draws at the coldest of its temperatures.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import TemperingSampler
    >>> bqm = dimod.BinaryQuadraticModel.from_qubo({("x", "x"): 1, ("x", "y"): -3, ("y", "y"): 1})
    >>> TemperingSampler().sample(bqm, num_reads=4, num_sweeps=100, beta_range=[0.1, 20], seed=1).first.energy
    -1.0
    """

    parameters = _keywords("num_reads", "num_sweeps", "beta_range", "num_rungs", "seed", "engine", "threads")
    properties = MappingProxyType({})

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        num_reads: int = 8,
        num_sweeps: int = SWEEPS,
        beta_range: ArrayLike | None = None,
        num_rungs: int | None = None,
        seed: Seed = None,
        engine: str = "auto",
        threads: int | None = None,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """The states at the coldest rung of `num_reads` ladders, after `num_sweeps` sweeps of every rung.

        Args:
            bqm: SPIN or BINARY, with labels of any kind.
            num_reads: ladders, each with replicas of its own.
            num_sweeps: of each replica, of which the first tenth adapts the ladder.
            beta_range: the hottest and the coldest beta, by default `fastgibbs.beta_range` of the problem.
            num_rungs, seed, engine, threads: as `fastgibbs.temper` has `rungs` and those.
            kwargs: are ignored with a warning, as dimod's samplers do.

        `info` has betas, num_sweeps, engine, seed and timing. ValueError or TypeError names a bad argument.
        """
        began = time.perf_counter_ns()
        self.remove_unknown_kwargs(**kwargs)
        entropy = _entropy(seed)
        num_reads = checks.integer("num_reads", num_reads)
        model, labels = _spins(bqm)
        if not labels:
            return _answer(bqm, labels, model, np.empty((num_reads, 0), np.int8), {"seed": entropy}, began)
        ends = _ends(model, beta_range)
        options: dict[str, Any] = {} if num_rungs is None else dict(rungs=num_rungs)
        sampling = time.perf_counter_ns()
        run = temper(
            model,
            betas=ends,
            sweeps=num_sweeps,
            ladders=num_reads,
            seed=entropy,
            engine=engine,
            threads=threads,
            overlap_every=0,
            **options,
        )
        ended = time.perf_counter_ns()
        info = dict(betas=run.betas, num_sweeps=num_sweeps, engine=run.engine, seed=entropy)
        return _answer(bqm, labels, model, run.states[:, -1], info, began, sampling, ended)


class QuantumAnnealingSampler(dimod.Sampler):  # type: ignore[misc]
    """Simulated quantum annealing of E(x), by `fastgibbs.anneal` of worldlines in a transverse field that fades.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import QuantumAnnealingSampler
    >>> bqm = dimod.BinaryQuadraticModel.from_ising({"a": 1}, {("a", "b"): -1, ("b", "c"): 1})
    >>> QuantumAnnealingSampler().sample(bqm, num_reads=4, num_sweeps=100, seed=1).first.energy
    -3.0
    """

    parameters = _keywords("num_reads", "num_sweeps", "num_slices", "beta", "gamma_range", "seed", "threads")
    properties = MappingProxyType({})

    def sample(
        self,
        bqm: dimod.BinaryQuadraticModel,
        num_reads: int = 1,
        num_sweeps: int = SWEEPS,
        num_slices: int = 32,
        beta: float | None = None,
        gamma_range: ArrayLike | None = None,
        seed: Seed = None,
        threads: int | None = None,
        **kwargs: Any,
    ) -> dimod.SampleSet:
        """The lowest slices of `num_reads` annealings from gamma_range[0] to gamma_range[1], in equal steps.

        Args:
            bqm: SPIN or BINARY, with labels of any kind.
            num_reads: independent annealings.
            num_sweeps: in each of which all worldlines are drawn once.
            num_slices: of imaginary time.
            beta: inverse temperature, by default that at which annealing ends, `fastgibbs.beta_range(model)[1]`.
            gamma_range: the transverse field at first and at last, by default from the largest sum of |h_i| + |J_ij| of
                a spin down to 0.
            seed, threads: as `fastgibbs.anneal` has them.
            kwargs: are ignored with a warning, as dimod's samplers do.

        `info` has beta, gamma_range, num_sweeps, num_slices, engine, seed and timing. ValueError or TypeError names a
        bad argument.
        """
        began = time.perf_counter_ns()
        self.remove_unknown_kwargs(**kwargs)
        entropy = _entropy(seed)
        num_reads = checks.integer("num_reads", num_reads)
        model, labels = _spins(bqm)
        if not labels:
            return _answer(bqm, labels, model, np.empty((num_reads, 0), np.int8), {"seed": entropy}, began)
        at = worth_annealing(model)[1] if beta is None else checks.finite_number("beta", beta)
        first, last = (max(model.field_bound, 1e-3), 0.0) if gamma_range is None else _pair("gamma_range", gamma_range)
        quantum = TransverseIsing(model, gamma=max(first, last), slices=num_slices)
        options: dict[str, Any] = dict(beta=at, sweeps=num_sweeps, reads=num_reads, seed=entropy, threads=threads)
        sampling = time.perf_counter_ns()
        run = anneal(quantum, gammas=np.linspace(first, last, checks.integer("num_sweeps", num_sweeps)), **options)
        ended = time.perf_counter_ns()
        info = dict(beta=at, gamma_range=[first, last], num_sweeps=num_sweeps, num_slices=num_slices)
        info |= dict(engine=run.engine, seed=entropy)
        return _answer(bqm, labels, model, run.states[np.argsort(run.read)], info, began, sampling, ended)


def default_beta_range(
    bqm: dimod.BinaryQuadraticModel, max_single_qubit_excitation_rate: float = 0.01, scale_T_with_N: bool = True
) -> list[float]:
    """The range that dwave-samplers takes by default, for `beta_range`, so that runs of it are repeated as they were.

    [log 2 / (2 max_i f_i), log(N / rate) / (2 min_i g_i)], f_i the sum and g_i the least of the |h_i|, |J_ij| of spin i
    that are not 0, N how many spins have the least g_i, or 1. Of a problem without biases [0.1, 1], with a warning.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import default_beta_range
    >>> [round(beta, 3) for beta in default_beta_range(dimod.BinaryQuadraticModel.from_ising({}, {"ab": 1}))]
    [0.347, 2.649]
    """
    spins = bqm.change_vartype("SPIN", inplace=False)
    return _default_ising_beta_range(spins.linear, spins.quadratic, max_single_qubit_excitation_rate, scale_T_with_N)


def _default_ising_beta_range(
    h: Any, J: Any, max_single_qubit_excitation_rate: float = 0.01, scale_T_with_N: bool = True
) -> list[float]:
    rate = checks.finite_number("max_single_qubit_excitation_rate", max_single_qubit_excitation_rate)
    if not 0 < rate < 1:
        raise ValueError(f"max_single_qubit_excitation_rate is {rate}: give a number between 0 and 1")
    total: dict[Any, float] = {}
    least: dict[Any, float] = {}
    for labels, bias in [*(((label,), bias) for label, bias in h.items()), *J.items()]:
        for label in labels if bias else ():
            total[label] = total.get(label, 0.0) + abs(bias)
            least[label] = min(least.get(label, np.inf), abs(bias))
    if not total:
        warnings.warn("no bias differs from 0: all states are alike, at any beta", UserWarning, stacklevel=3)
        return [0.1, 1.0]
    smallest = min(least.values())
    count = list(least.values()).count(smallest) if scale_T_with_N else 1
    return [float(np.log(2) / (2 * max(total.values()))), float(np.log(count / rate) / (2 * smallest))]


def _spins(bqm: Any) -> tuple[Ising, list[Any]]:
    """A problem as a model of spins, and its labels, site by site."""
    if not all(hasattr(bqm, name) for name in ("change_vartype", "to_numpy_vectors", "variables")):
        raise TypeError(f"bqm is {checks.shown(bqm)}: give a dimod.BinaryQuadraticModel")
    spins = bqm if bqm.vartype is dimod.SPIN else bqm.change_vartype("SPIN", inplace=False)
    model: Any = foreign.taken("bqm", spins)
    return model, list(foreign.ordered(bqm.variables))


def _entropy(seed: Seed) -> int:
    """The integer of a seed; TypeError or ValueError names one that is none."""
    if seed is not None and not isinstance(seed, int | np.integer | np.random.SeedSequence | np.random.Generator):
        raise TypeError(f"seed is {checks.shown(seed)}: give an integer from 0 to 2^64 - 1, or None")
    found = entropy_of(seed)
    if isinstance(seed, int | np.integer) and found >= _MOST_SEED:
        raise ValueError(f"seed is {found}: give an integer from 0 to 2^64 - 1, or None")
    return found


def _pair(name: str, value: ArrayLike) -> tuple[float, float]:
    """Two numbers of at least 0."""
    given = checks.finite_array(name, value)
    if given.shape != (2,) or given.min() < 0:
        raise ValueError(f"{name} is {checks.shown(value)}: give two numbers of at least 0")
    return float(given[0]), float(given[1])


def _ends(model: Ising, beta_range: ArrayLike | None) -> tuple[float, float]:
    return worth_annealing(model) if beta_range is None else _pair("beta_range", beta_range)


def _betas(
    model: Ising, ends: ArrayLike | None, sweeps: int | None, each: int, kind: str, given: ArrayLike | None
) -> FloatArray:
    """The beta of every sweep, float64 (sweeps,)."""
    checks.choice("beta_schedule_type", kind, _SCHEDULES)
    if not isinstance(each, int | np.integer):
        raise TypeError(f"num_sweeps_per_beta is {checks.shown(each)}: give an integer of at least 1")
    each = checks.integer("num_sweeps_per_beta", each)
    if kind == "custom":
        try:
            betas = checks.inverse_temperatures("beta_schedule", given)
        except TypeError as error:
            raise ValueError(str(error)) from None
        if betas.ndim != 1 or not betas.size or betas.min() < 0:
            raise ValueError(f"beta_schedule is {checks.shown(given)}: give one or more numbers of at least 0")
        if sweeps not in (None, betas.size * each):
            raise ValueError(f"num_sweeps is {sweeps}: beta_schedule has {betas.size} betas of {each}, leave it out")
        if ends is not None and _pair("beta_range", ends) != (betas[0], betas[-1]):
            raise ValueError(f"beta_range is {checks.shown(ends)}: beta_schedule has other ends, leave it out")
        return np.repeat(betas, each)
    if given is not None:
        raise ValueError(f'beta_schedule is given: it goes with beta_schedule_type="custom", not {kind!r}')
    sweeps = checks.integer("num_sweeps", SWEEPS if sweeps is None else sweeps, minimum=0)
    if sweeps % each:
        raise ValueError(f"num_sweeps is {sweeps}: give a multiple of num_sweeps_per_beta, {each}")
    if kind == "geometric" and ends is None:
        return np.repeat(worth_following(model, sweeps // each) if sweeps else np.empty(0), each)
    first, last = _ends(model, ends)
    if kind == "geometric" and not min(first, last):
        raise ValueError(f"beta_range is {checks.shown(ends)}: a geometric schedule never leaves or reaches 0")
    if sweeps == each:
        return np.full(each, last)  # one temperature is the last
    spaced = np.linspace if kind == "linear" else np.geomspace
    return np.repeat(spaced(first, last, sweeps // each), each)


def _read(
    model: Ising,
    reads: int,
    start: States | None,
    entropy: int,
    asks: Callable[[], object] | None,
    options: dict[str, Any],
) -> tuple[States, str]:
    """The states of the reads that were done, and the engine."""
    found: list[States] = []
    used = ""
    for seed, some in _portions(reads, entropy, asks is not None):
        run = anneal(model, reads=len(some), seed=seed, start=None if start is None else start[some], **options)
        states = run.last_states if options["time_limit"] is None else run.states
        found.append(states[np.argsort(run.read)])
        used = run.engine
        if run.interrupted or (asks is not None and _says_stop(asks)):
            break
    return np.concatenate(found), used


def _portions(reads: int, entropy: int, asked: bool) -> Iterator[tuple[Seed, range]]:
    """The seed and the numbers of reads that are made at once."""
    if not asked:
        yield entropy, range(reads)
        return
    first, count = 0, _FIRST
    while first < reads:
        yield np.random.SeedSequence(entropy, spawn_key=(first,)), range(first, min(first + count, reads))
        first, count = first + count, _AT_ONCE


def _says_stop(asks: Callable[[], object]) -> bool:
    """What a user's function says; one that fails says stop, with a warning, so that what was done is kept."""
    try:
        return asks() is True
    except Exception as error:
        warnings.warn(f"interrupt_function raised {error!r}: the sampling ends", RuntimeWarning, stacklevel=4)
        return True


def _answer(
    bqm: Any, labels: list[Any], model: Ising, spins: States, info: dict[str, Any], *times: int
) -> dimod.SampleSet:
    """The states as dimod has them, in the problem's own units; `times` at which what `info` tells of began."""
    states = spins if bqm.vartype is dimod.SPIN else (spins + 1) // 2
    energy = energies(model, spins) if labels else np.full(len(spins), float(bqm.offset))
    found = dimod.SampleSet.from_samples(
        (states, labels), vartype=bqm.vartype, energy=energy, info=info, sort_labels=False
    )
    names = ("preprocessing_ns", "sampling_ns", "postprocessing_ns")[-len(times) :]
    found.info["timing"] = dict(zip(names, np.diff([*times, time.perf_counter_ns()]).tolist(), strict=True))
    return found
