"""What annealing has found, and what it is worth."""

import numpy as np

from fastgibbs.results.base import Result, Timing, run_result


@run_result
class AnnealResult(Result):
    """What `anneal` returns: the best state seen in each read, lowest energy first."""

    model: object
    energy: np.ndarray
    """The lowest energy that each read has seen, ascending, float64 (reads,)."""
    states: np.ndarray
    """The states of these energies, int8 (reads, n), in the model's own units."""
    last_states: np.ndarray
    """The states of the same reads at the end of the schedule, before the descent, int8 (reads, n)."""
    read: np.ndarray
    """The number of each read: energy[np.argsort(read)] is in the order of the reads, int64 (reads,)."""
    ground_states: np.ndarray
    """The distinct states of the lowest energy, int8 (candidates, n)."""
    ground_counts: np.ndarray
    """In how many reads each of them was the best, int64 (candidates,)."""
    trace_min: np.ndarray
    """Least energy of all reads after every sweep, float64 (sweeps,).

    The sparse engine follows energies from flip to flip, in float32 steps: where couplings are no whole multiples of
    one number, traces and the choice of the best state are off by up to 10^-6 sum |J|, 10^-9 in large models; `energy`
    is that of the states."""
    trace_mean: np.ndarray
    """Mean energy of all reads after every sweep, float64 (sweeps,)."""
    betas: np.ndarray
    """The schedule: beta of every sweep, float64 (sweeps,). Of several batches it is that of the first to see the
    lowest energy, and so are the traces and `last_states`."""
    sweeps: np.ndarray
    """The sweeps of each batch, int64 (batches,). If `done` is the same, `anneal(..., sweeps=result.sweeps,
    seed=result.seed)`, without limit and target, gives these bytes again."""
    done: np.ndarray
    """How many of them all reads made, int64 (batches,): fewer if the run was stopped there."""
    seed: int
    """Pass it as `seed` to get the same bytes again."""
    engine: str
    rule: str
    scan: str
    timing: Timing
    interrupted: bool
    """True if fewer sweeps were made than asked for, or the last batch was stopped; what was seen by then is here."""

    def __repr__(self):
        stopped = ", interrupted" if self.interrupted else ""
        lowest = f"lowest={self.energy.min(initial=np.inf):g} in {self.ground_counts.sum()}"
        return f"AnnealResult({self.model!r}, reads={self.energy.size}, {lowest}, engine={self.engine!r}{stopped})"
