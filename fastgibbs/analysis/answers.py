"""What annealing has found, in a few lines for people, and whether to believe it."""

from __future__ import annotations

from typing import Any

from fastgibbs.analysis.reports import Report, with_error
from fastgibbs.types import IntArray

MANY = 9  # batches: more are not listed
FAMILIES = 100  # that a population has in effect, if it is to be believed (Wang, Machta, Katzgraber, 2015)
FEWEST = 2  # reads that came to the lowest energy: where one alone did, others may have missed lower ones too


def answer(result: Any) -> Report:
    """The report of an AnnealResult: its answer, the chance and time to find it again, and what was run."""
    reads, stopped = result.energy.size, (result.done < result.sweeps).any()
    repeat = f"seed={result.seed}, sweeps={_listed(result.sweeps) if len(result.sweeps) < MANY else 'result.sweeps'}"
    lines = [
        repr(result),
        "",
        f"{reads} reads {_made(result)}, beta {result.betas[0]:.4g} to {result.betas[-1]:.4g} "
        f"(T {result.temperature[0]:.4g} to {result.temperature[-1]:.4g}){_faded(result)}, rule {result.rule!r}, "
        f"scan {result.scan!r}",
        f"engine {result.engine!r}, {result.timing.total:.3g} s in all, {result.timing.kernel:.3g} s in kernels",
        f"stopped on the way, so not to be repeated: seed={result.seed}" if stopped else f"to repeat: {repeat}",
    ]
    if not reads:
        return Report(lines, {}, {}, ["WARNING: the run was stopped before any read had begun."])
    hits, ground = int(result.ground_counts.sum()), len(result.ground_states)
    facts = {"lowest energy": f"{result.energy[0]:.12g}, in {hits} of {reads} reads; distinct states: {ground}"}
    facts |= _of_trials(result) if result.population is None else _of_population(result.population, reads)
    problems = []
    if result.interrupted and not stopped:
        problems.append("fewer sweeps were made than were asked for.")
    if stopped:
        problems.append("the run was stopped before its last sweep: the reads of that batch may not be cold.")
    if hits < FEWEST:
        problems.append("one read alone came to this energy: there may be lower ones; give more sweeps or reads.")
    if result.population is not None and result.population.rho[-1:].max(initial=1) > reads / FAMILIES:
        problems.append(f"fewer than {FAMILIES} families are left: errors are too small; give more reads, or sweeps.")
    good = "Several reads came to this energy; if it is not the lowest there is, success and time are of no use."
    if result.population is not None:
        good = f"{FAMILIES} families or more are left, so that errors are to be believed."
    return Report(lines, facts, {}, [f"WARNING: {problem}" for problem in problems] or [good])


def _of_trials(result: Any) -> dict[str, str]:
    """What reads are worth that have nothing to do with each other."""
    rate, low, high = result.success()
    seconds, soonest, latest = result.time_to_solution()
    return {
        "success": f"{rate:.3g} of the reads, {low:.3g} to {high:.3g} by Wilson's interval of 95 %",
        "time to solution": f"{seconds:.3g} s for 99 %, {soonest:.3g} to {latest:.3g} s",
    }


def _of_population(population: Any, reads: int) -> dict[str, str]:
    """What a population tells at the last beta that it came to."""
    if not population.betas.size:
        return {}
    beta, rho, entropy = population.betas[-1], population.rho[-1], population.family_entropy[-1]
    return {
        f"at beta {beta:.4g}": f"log Z {with_error(population.log_z[-1], population.log_z_error[-1])}, "
        f"<E> {with_error(population.energy[-1], population.energy_error[-1])}",
        "families": f"{reads / rho:.4g} in effect: rho_t {rho:.4g} of {reads} reads, S_f {entropy:.3g}",
    }


def _faded(result: Any) -> str:
    """From which field worldlines were annealed, and to which."""
    if result.slices is None:
        return ""
    return f", Gamma {result.gammas[0]:.4g} to {result.gammas[-1]:.4g} in {result.slices} slices"


def _made(result: Any) -> str:
    """How many sweeps were made, and in how many batches."""
    if len(result.sweeps) == 1:
        of = f"{result.done[0]} of " if result.done[0] < result.sweeps[0] else ""
        return f"of {of}{result.sweeps[0]} sweeps"
    return f"that were cooled {len(result.sweeps)} times, by {_listed(result.done)} sweeps"


def _listed(numbers: IntArray) -> str:
    """Numbers in words: all of them if they are few."""
    if len(numbers) == 1:
        return str(numbers[0])
    return f"[{', '.join(map(str, numbers if len(numbers) < MANY else [*numbers[:3], '...', numbers[-1]]))}]"
