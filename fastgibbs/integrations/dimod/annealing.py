"""Simulated annealing as a dimod sampler, with the keywords of dwave-samplers' annealer."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import dimod
import numpy as np

from fastgibbs.integrations.dimod.problems import SWEEPS, answer, ends_of, entropy_of, keywords, pair, spins_of
from fastgibbs.methods.annealing import anneal
from fastgibbs.methods.schedules import beta_schedule as worth_following
from fastgibbs.models import Ising, checks
from fastgibbs.types import ArrayLike, FloatArray, Seed, States

_FIRST, _AT_ONCE = 1, 64  # reads between two questions whether to go on
_RULES = {"Metropolis": "metropolis", "Gibbs": "gibbs"}
_SCHEDULES = ("linear", "geometric", "custom")


class AnnealingSampler(dimod.Sampler, dimod.Initialized):  # type: ignore[misc]
    """Simulated annealing of E(x), by `fastgibbs.anneal`: the keywords and answers of dwave-samplers' annealer.

    >>> import dimod
    >>> from fastgibbs.integrations.dimod import AnnealingSampler
    >>> bqm = dimod.BinaryQuadraticModel.from_ising({"a": 1}, {("a", "b"): -1, ("b", "c"): 1})
    >>> found = AnnealingSampler().sample(bqm, num_reads=10, seed=1)
    >>> float(found.first.energy), {label: int(value) for label, value in found.first.sample.items()}
    (-3.0, {'a': -1, 'b': -1, 'c': 1})
    """

    parameters = keywords(
        *("beta_range", "num_reads", "num_sweeps", "num_sweeps_per_beta", "seed", "interrupt_function"),
        *("beta_schedule", "initial_states", "initial_states_generator", "randomize_order"),
        *("proposal_acceptance_criteria", "time_limit", "engine", "threads"),
        beta_schedule_type=["beta_schedule_options"],
    )
    properties: Mapping[str, Any] = MappingProxyType({"beta_schedule_options": _SCHEDULES})

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
        entropy = entropy_of(seed)
        if interrupt_function is not None and not callable(interrupt_function):
            raise TypeError(f"interrupt_function is {checks.shown(interrupt_function)}: give a callable, or None")
        checks.choice("proposal_acceptance_criteria", proposal_acceptance_criteria, tuple(_RULES))
        model, labels = spins_of(bqm)
        betas = _betas(model, beta_range, num_sweeps, num_sweeps_per_beta, beta_schedule_type, beta_schedule)
        start, reads = self._start(bqm, labels, initial_states, initial_states_generator, num_reads, entropy)
        if not betas.size and start is None:
            start, _ = self._start(bqm, labels, (np.empty((0, len(labels))), labels), "random", reads, entropy)
        options: dict[str, Any] = dict(rule=_RULES[proposal_acceptance_criteria], engine=engine, threads=threads)
        options |= dict(scan="random" if checks.flag("randomize_order", randomize_order) else "sequential")
        options |= dict(betas=betas, sweeps=betas.size, time_limit=time_limit)
        sampling = time.perf_counter_ns()
        if betas.size or start is None:
            found, used = _read(model, reads, start, entropy, interrupt_function, options)
        else:
            found, used = start, ""
        ended = time.perf_counter_ns()
        info = dict(beta_range=betas[[0, -1]].tolist() if betas.size else [], beta_schedule_type=beta_schedule_type)
        info |= dict(betas=betas, num_sweeps=betas.size, engine=used, seed=entropy)
        return answer(bqm, labels, model, found, info, began, sampling, ended)

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
        if ends is not None and pair("beta_range", ends) != (betas[0], betas[-1]):
            raise ValueError(f"beta_range is {checks.shown(ends)}: beta_schedule has other ends, leave it out")
        return np.repeat(betas, each)
    if given is not None:
        raise ValueError(f'beta_schedule is given: it goes with beta_schedule_type="custom", not {kind!r}')
    sweeps = checks.integer("num_sweeps", SWEEPS if sweeps is None else sweeps, minimum=0)
    if sweeps % each:
        raise ValueError(f"num_sweeps is {sweeps}: give a multiple of num_sweeps_per_beta, {each}")
    if kind == "geometric" and ends is None:
        return np.repeat(worth_following(model, sweeps // each) if sweeps else np.empty(0), each)
    first, last = ends_of(model, ends)
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
