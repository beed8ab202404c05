"""What annealing has found, and what it is worth: the lowest states, chances of success, the time to a solution."""

from __future__ import annotations

from dataclasses import field
from html import escape
from math import inf, log1p, nan, sqrt
from statistics import NormalDist
from typing import Annotated, NamedTuple

import numpy as np

from fastgibbs import analysis
from fastgibbs.analysis.answers import answer
from fastgibbs.analysis.reports import Report, aligned
from fastgibbs.engines.energies import energies
from fastgibbs.engines.lowest import Lowest, hashes, unpacked
from fastgibbs.fields import described
from fastgibbs.integrations.tables import Coordinates, Table, Variables
from fastgibbs.models import Ising, checks
from fastgibbs.models.bounds import most_energy
from fastgibbs.models.energy import as_energy
from fastgibbs.results.base import BEGUN, SITES, Result, Timing, no_sites, run_result
from fastgibbs.results.lanes import distinct
from fastgibbs.types import FloatArray, IntArray, ModelLike, States

TIE = 2.0**-44  # of the largest energy there may be: energies nearer to a target are equal to it, but for rounding
_SHOWN = 64  # sites of a state


@checks.by_contents
@described
class LowestStates(NamedTuple):
    """Distinct states, lowest energy first; it prints as a table, spins as + and -, units as 1 and 0."""

    energy: Annotated[FloatArray, "float64 (k,)", "Their energies, ascending."]
    states: Annotated[States, "int8 (k, n)", "In the model's own units."]
    counts: Annotated[IntArray, "int64 (k,)", "In how many reads each was seen."]

    def __repr__(self) -> str:
        signs = "01" if (self.states == 0).any() else "-+"
        shown = [
            "".join(signs[int(value > 0)] for value in state[:_SHOWN]) + " ..." * (state.size > _SHOWN)
            for state in self.states
        ]
        width = max(map(len, shown), default=0)
        columns = {
            "energy": [f"{energy + 0.0:.10g}" for energy in self.energy],
            "reads": [str(count) for count in self.counts],
            "state": [state.ljust(width) for state in shown],
        }
        return "\n".join(aligned(columns))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


@described
class Success(NamedTuple):
    """The share of reads that came to a target, and its 95 % interval."""

    rate: Annotated[float, "The share."]
    low: Annotated[float, "The low end of the interval."]
    high: Annotated[float, "The high end."]


@described
class TimeToSolution(NamedTuple):
    """The time until a target is found, and its 95 % interval."""

    seconds: Annotated[float, "Seconds."]
    low: Annotated[float, "The low end of the interval, in seconds."]
    high: Annotated[float, "The high end."]


@described
class Population(NamedTuple):
    """What a population of reads tells of the law at each of its temperatures, with standard errors.

    Errors come from what differs between families, which have nothing to do with one another: they are right as long
    as there are many, R / rho of them in effect. exp(log_z) is without bias, in the mean of runs; so are means of runs
    that are weighted by it, while those of one run are off by some 1 / R (Machta, 2010).
    """

    betas: Annotated[FloatArray, "float64 (temperatures,)", "The inverse temperatures that were come to, from 0 on."]
    log_z: Annotated[FloatArray, "float64 (temperatures,)", "log Z; clamped sites are not summed over."]
    log_z_error: Annotated[FloatArray, "float64 (temperatures,), or inf", "Its error."]
    energy: Annotated[FloatArray, "float64 (temperatures,)", "<E>, the mean of all reads after the sweeps there."]
    energy_error: Annotated[FloatArray, "float64 (temperatures,), or inf", "Its error."]
    rho: Annotated[
        FloatArray,
        "float64 (temperatures,)",
        "rho_t = R sum_f n_f^2, of the shares n_f of R reads that families have: R / rho families in effect. An error "
        "is at most that of as many independent draws. Equilibrium is in doubt unless R is well above 100 rho.",
    ]
    family_entropy: Annotated[FloatArray, "float64 (temperatures,)", "S_f = -sum_f n_f log n_f."]
    families: Annotated[
        IntArray, "int64 (reads,)", "Of `last_states`, the number of the first read that each descends from."
    ]


@run_result
class AnnealResult(Result):
    """What `anneal` returns: the best state seen in each read, lowest energy first.

    >>> import fastgibbs as fg
    >>> glass = fg.edwards_anderson((8, 8), seed=1)
    >>> run = fg.anneal(glass, seed=1)
    >>> run.energy[:3].tolist(), glass.energy(run.states[:3]).tolist()
    ([-94.0, -94.0, -94.0], [-94.0, -94.0, -94.0])
    """

    KIND = "anneal"
    model: Annotated[ModelLike, "The model."]
    energy: Annotated[FloatArray, "float64 (reads,)", "The lowest energy that each read has seen, ascending."]
    states: Annotated[States, "int8 (reads, n)", "The states of these energies, in the model's own units."]
    last_states: Annotated[
        States, "int8 (reads, n)", "The states of the same reads at the end of the schedule, before the descent."
    ]
    read: Annotated[
        IntArray, "int64 (reads,)", "The number of each read: energy[np.argsort(read)] is in the order of the reads."
    ]
    ground_states: Annotated[States, "int8 (candidates, n)", "The distinct states of the lowest energy."]
    ground_counts: Annotated[IntArray, "int64 (candidates,)", "In how many reads each of them was the best."]
    kept_energy: Annotated[
        FloatArray,
        "float64 (kept,)",
        "The lowest energies of distinct states that any read was in, ascending: none by keep=0.",
    ]
    kept_states: Annotated[States, "int8 (kept, n)", "The states of these energies."]
    kept_counts: Annotated[IntArray, "int64 (kept,)", "In how many reads each of them was seen."]
    trace_min: Annotated[
        FloatArray,
        "float64 (sweeps made,)",
        "Least energy of all reads after every sweep. The sparse engine follows energies from flip to flip, in float32 "
        "steps: where couplings are no whole multiples of one number, traces and the choice of the best state are off "
        "by 10^-8 sum |J| or so, at most 10^-6 (64 (d + 136) sum_i S_i^2)^(1/2), S_i = |h_i| + sum_j |J_ij|; on the "
        "layered engine by as much as `SampleResult.energy` says. `energy` is that of the states.",
    ]
    trace_mean: Annotated[FloatArray, "float64 (sweeps made,)", "Mean energy of all reads after every sweep."]
    betas: Annotated[
        FloatArray,
        "float64 (sweeps,), or inf",
        "The schedule: beta of every sweep. Of several batches it is that of the first to see the lowest energy, and "
        "so are the traces and `last_states`.",
    ]
    sweeps: Annotated[
        IntArray,
        "int64 (batches,)",
        "The sweeps of each batch. If `done` is the same, `anneal(..., sweeps=result.sweeps, seed=result.seed)`, "
        "without limit and target, gives these bytes again.",
    ]
    done: Annotated[
        IntArray,
        "int64 (batches,)",
        "How many of them all reads made: fewer if the run was stopped there.",
    ]
    attempts: Annotated[
        float,
        "Single-spin attempts that a read has made, on average: all its sweeps times the sites that are not clamped.",
    ]
    seed: Annotated[int, "Pass it as `seed` to get the same bytes again."]
    engine: Annotated[str, "The engine that ran it."]
    rule: Annotated[str, '"gibbs" or "metropolis".']
    scan: Annotated[str, '"sequential" or "random".']
    timing: Annotated[Timing, "Seconds, and attempts per second."]
    interrupted: Annotated[
        bool,
        "True if fewer sweeps were made than asked for, or the last batch was stopped; what was seen by then is here.",
    ]
    clamped: Annotated[IntArray, *SITES] = field(default_factory=no_sites)
    gammas: Annotated[
        FloatArray, "float64 (gammas,)", "Of an annealing of worldlines the largest Gamma at every sweep, else none."
    ] = field(default_factory=lambda: np.empty(0))
    slices: Annotated[int | None, "Of worldlines, else None."] = None
    population: Annotated[Population | None, "By population=True what it tells, else None."] = None
    start: Annotated[str | None, BEGUN] = None

    @property
    def temperature(self) -> FloatArray:
        """T = 1 / beta of each sweep, float64 (sweeps,), inf at beta = 0 (see `fastgibbs.analysis.temperature`).

        >>> import fastgibbs as fg
        >>> run = fg.anneal(fg.edwards_anderson((8, 8), seed=1), seed=1)
        >>> run.temperature.shape, run.seconds_per_read > 0
        ((1000,), True)
        """
        return analysis.temperature(self.betas)

    @property
    def seconds_per_read(self) -> float:
        """The seconds in kernels that a read took, among those that ran beside it on all threads.

        NaN if a checkpoint had the whole run.
        """
        return self.attempts / self.timing.updates_per_second if self.timing.updates_per_second else nan

    def lowest(self, k: int = 10) -> LowestStates:
        """The `k` lowest distinct states, in order of energy, or as many as there are.

        By `anneal(..., keep=K)`, the K lowest states that any read was in after any sweep, or came to in the descent at
        the end, and in how many reads each was seen; of states of one energy some, and always the same. By keep=0, the
        best states of the reads, and of how many reads each was the best. ValueError, TypeError if k is no whole number
        above 0.

        >>> import fastgibbs as fg
        >>> fg.anneal(fg.lattice((4, 4)), seed=1).lowest(2)
        energy  reads             state
        ------  -----  ----------------
           -32     24  ----------------
           -32     40  ++++++++++++++++
        """
        k = checks.integer("k", k)
        if self.kept_energy.size:
            return LowestStates(self.kept_energy[:k], self.kept_states[:k], self.kept_counts[:k])
        first, _, counts = distinct(self.states)
        order = np.argsort(self.energy[first], kind="stable")[:k]
        return LowestStates(self.energy[first][order], self.states[first][order], counts[order])

    def success(self, target: float | None = None) -> Success:
        """The share p of reads whose energy is at most `target`, and Wilson's interval of 95 % for its mean.

        Its ends are (p + z^2/2N -+ z sqrt(p (1 - p)/N + z^2/4N^2)) / (1 + z^2/N), for N reads and z = 1.96 (Wilson,
        J. Am. Stat. Assoc. 22, 209 (1927)): an interval also where all reads, or none, have come there. `target` may be
        any finite energy; those within 2^-44 of the largest |E| that couplings and fields allow count as equal, so that
        rounding does not matter. None is the lowest energy of this result, which is optimistic: some read has always
        come there, and there may be lower energies. NaN, 0 and 1 without any read. ValueError, TypeError at a target
        that is no finite number.

        >>> import fastgibbs as fg
        >>> glass = fg.edwards_anderson((8, 8), seed=1)
        >>> share = fg.anneal(glass, reads=100, sweeps=20, seed=1).success()
        >>> print(f"{share.rate:.2f}, of {share.low:.2f} to {share.high:.2f}")
        0.12, of 0.07 to 0.20
        """
        if self.population is not None:
            raise ValueError("result is of a population, whose reads are related: count runs of other seeds instead")
        target = self.energy.min(initial=inf) if target is None else checks.finite_number("target", target)
        reads = self.energy.size
        most = min(most_energy(self.model), checks.largest(self.energy))
        hits = int((self.energy <= target + TIE * most).sum())
        return Success(hits / reads, *_wilson(hits, reads)) if reads else Success(nan, 0.0, 1.0)

    def time_to_solution(self, target: float | None = None, confidence: float = 0.99) -> TimeToSolution:
        """The time that reads like these take to come to `target` with probability c, `confidence`, at least once.

        t_read max(1, ln(1 - c) / ln(1 - p)), p = `success(target)`: infinite if no read has come there. The interval is
        that of p: its low end is finite always. t_read is `seconds_per_read`, the time that kernels took on all threads
        together, over the number of reads: with threads=1 the core time of a read, which benchmarks report, else the
        time of a read among many. It leaves out compiling, setting up and the descent at the end. NaN where that time
        is not known. ValueError, TypeError at a target that is no finite number, or a confidence outside (0, 1).

        Source: Ronnow et al., Science 345, 420 (2014).

        >>> import fastgibbs as fg
        >>> glass = fg.edwards_anderson((8, 8), seed=1)
        >>> fg.anneal(glass, seed=1).time_to_solution(target=-1000.0).seconds  # no read came so low
        inf
        """
        confidence = checks.finite_number("confidence", confidence)
        if not 0 < confidence < 1:
            raise ValueError(f"confidence is {confidence:g}: give a probability above 0 and below 1")
        rate, low, high = self.success(target)
        return TimeToSolution(*(self.seconds_per_read * _repeats(p, confidence) for p in (rate, high, low)))

    def report(self) -> Report:
        """The lowest energy, the chance and the time to find it."""
        return answer(self)

    def table(self) -> Table:
        """Energies as named arrays, (read,), and traces, (sweep,), to which beta belongs; of a population (step,).

        >>> import fastgibbs as fg
        >>> run = fg.anneal(fg.edwards_anderson((8, 8), seed=1), seed=1)
        >>> sorted(run.table().variables), list(run.report().table)
        (['energy', 'trace_mean', 'trace_min'], [])
        """
        sweeps = self.trace_min.size
        variables: Variables = {"energy": (("read",), self.energy)}
        variables |= {"trace_min": (("sweep",), self.trace_min), "trace_mean": (("sweep",), self.trace_mean)}
        places: Coordinates = {"read": ("read", self.read), "sweep": ("sweep", np.arange(sweeps))}
        places |= {"beta": ("sweep", self.betas[:sweeps])}
        if self.population is not None:
            betas, *columns, _ = self.population
            names = self.population._fields[1:-1]
            variables |= {f"population_{n}": (("step",), column) for n, column in zip(names, columns, strict=True)}
            places |= {"step": ("step", np.arange(betas.size)), "population_beta": ("step", betas)}
        return Table(variables, places, self._settings())

    def __repr__(self) -> str:
        lowest = f"lowest={self.energy.min(initial=np.inf):g} in {self.ground_counts.sum()}"
        return f"AnnealResult({self.model!r}, reads={self.energy.size}, {lowest}, engine={self.engine!r}{self._ends()})"


def _wilson(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's interval for a probability, 95 %."""
    z, p = NormalDist().inv_cdf(0.975), hits / trials
    centre, width = p + z**2 / (2 * trials), z * sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    return (centre - width) / scale if hits else 0.0, (centre + width) / scale if hits < trials else 1.0


def _repeats(p: float, confidence: float) -> float:
    """How many reads find with probability `confidence` what one finds with probability p; at least one."""
    if p <= 0:
        return inf
    return max(1.0, log1p(-confidence) / log1p(-p)) if p < 1 else 1.0


def energy_of_each(model: ModelLike, states: States) -> FloatArray:
    """E of each of the states (k, n), float64 (k,), the same whichever others are with it."""
    if type(model) is Ising:
        return energies(model, states)
    if as_energy(model).batch_invariant:
        return model.energy(states)
    return np.array([model.energy(state) for state in states])


def lowest_states(model: ModelLike, tables: list[Lowest]) -> LowestStates:
    """The K lowest distinct states of the tables of all blocks, each of K entries and other reads."""
    if not tables[0].energies.size:
        return LowestStates(np.empty(0), np.empty((0, model.n), np.int8), np.empty(0, np.int64))
    filled = [table.energies < inf for table in tables]
    packed = np.concatenate([table.states[mine] for table, mine in zip(tables, filled, strict=True)])
    reads = [table.reads[mine].sum(axis=1, dtype=np.int64) for table, mine in zip(tables, filled, strict=True)]
    _, first, which = np.unique(hashes(tables[0].words, packed), return_index=True, return_inverse=True)
    states = model.from_spins(unpacked(packed[first], model.n))
    found = energy_of_each(model, states)
    counts = np.bincount(which, np.concatenate(reads), first.size).astype(np.int64)
    order = np.argsort(found, kind="stable")[: tables[0].energies.size]  # by hash among equals
    return LowestStates(found[order], states[order], counts[order])
