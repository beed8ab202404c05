"""What annealing has found, in a few lines for people, and whether to believe it."""

FEWEST = 2  # reads that came to the lowest energy: where one alone did, others may have missed lower ones too


def answer(result) -> list[str]:
    """The lines of `summary` of an AnnealResult: its answer, the chance and time to find it again, and what was run."""
    reads = result.energy.size
    made = f"{result.trace_min.size} of {result.betas.size}" if result.interrupted else f"{result.betas.size}"
    lines = [
        repr(result),
        "",
        f"{reads} reads of {made} sweeps, beta {result.betas[0]:.4g} to {result.betas[-1]:.4g}, rule {result.rule!r}, "
        f"scan {result.scan!r}",
        f"engine {result.engine!r}, {result.timing.total:.3g} s in all, {result.timing.kernel:.3g} s in kernels",
        f"to repeat: seed={result.seed}",
        "",
    ]
    if not reads:
        return [*lines, "WARNING: the run was stopped before any read had begun."]
    hits, ground = int(result.ground_counts.sum()), len(result.ground_states)
    rate, low, high = result.success()
    seconds, soonest, latest = result.time_to_solution()
    lines += [
        f"lowest energy     {result.energy[0]:.12g}, in {hits} of {reads} reads, {ground} distinct states",
        f"success           {rate:.3g} of the reads, {low:.3g} to {high:.3g} by Wilson's interval of 95 %",
        f"time to solution  {seconds:.3g} s for 99 %, {soonest:.3g} to {latest:.3g} s",
    ]
    problems = []
    if result.interrupted:
        problems.append("the run was stopped before the last sweep: its reads are not cold.")
    if hits < FEWEST:
        problems.append("one read alone came to this energy: there may be lower ones; give more sweeps or reads.")
    good = "Several reads came to this energy; if it is not the lowest there is, success and time are of no use."
    return [*lines, "", *([f"WARNING: {problem}" for problem in problems] or [good])]
