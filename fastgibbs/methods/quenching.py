"""`quench`: the minima below given states, and how many states lie above each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.io.problems import problem
from fastgibbs.methods.descent import quenched
from fastgibbs.models import checks
from fastgibbs.models.checks import by_contents
from fastgibbs.models.energy import as_energy, require_flips
from fastgibbs.results.lanes import distinct
from fastgibbs.types import ArrayLike, FloatArray, IntArray, Problem, States


@by_contents
class Basins(NamedTuple):
    """The minima that states came down to, ascending in energy.

    >>> import fastgibbs as fg
    >>> found = fg.quench(fg.lattice((4, 4)), [[1] * 15 + [-1], [-1] * 16, [1] * 16])
    >>> found.energies.tolist(), found.counts.tolist(), found.basin.tolist()
    ([-32.0, -32.0], [1, 2], [1, 0, 1])
    """

    states: States  # int8 (minima, n), in the model's units
    energies: FloatArray  # float64 (minima,)
    counts: IntArray  # int64 (minima,): how many of the states came down to each
    basin: IntArray  # int64, in the shape of the leading axes of the states: which minimum each came down to


def quench(model: Problem, states: ArrayLike, *, threads: int | None = None) -> Basins:
    """The minima below states: sites turn, one after the other, where that lowers E, until no single flip does.

    The descent is at zero temperature, in the order of the sites, pass after pass; where a flip costs nothing the site
    stays as it is. So every end is a state of which no flip lowers E, one of `fastgibbs.exact.minima`: strict minima,
    and on plateaus the state where it came to rest.

    Args:
        model: any (`fastgibbs.Energy`).
        states: (n,) or (..., n) in the model's units, as `result.samples` or `result.states`.
        threads: threads to run on; by default the cores this process may use. It never changes the result.

    Returns `Basins`. Raises ValueError or TypeError, naming the argument, before anything is compiled.

    >>> import numpy as np
    >>> import fastgibbs as fg
    >>> glass = fg.sherrington_kirkpatrick(100, seed=1)
    >>> run = fg.sample(glass, beta=0.5, sweeps=100, chains=64, seed=1)
    >>> valleys = fg.quench(glass, run.states)
    >>> len(valleys.states), bool((valleys.energies <= glass.energy(run.states).max()).all())
    (64, True)
    """
    model = as_energy(problem("model", model))
    require_flips(model)
    threads = checks.thread_count(threads)
    spins = model.to_spins(states)
    starts = checks.rows(spins)
    ends = quenched(model, model.from_spins(starts), None, threads, False)
    first, which, counts = distinct(model.to_spins(ends))
    energies = np.asarray(model.energy(ends[first]), np.float64).reshape(first.size)
    order = np.argsort(energies, kind="stable")
    numbers = np.argsort(order)
    return Basins(ends[first][order], energies[order], counts[order], numbers[which].reshape(spins.shape[:-1])[()])
