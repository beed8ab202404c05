"""What an engine is: a file with a plan (constant arrays), a state (arrays that sweeps change) and these functions.

Python calls `refusal(models, scan, strips, tolerance)`, `strips(models, chains)`, `prepare(models, strips, free)`,
`cut(lanes, threads)`, `start(prepared, lanes, ups, entropy, betas, rule)`, `crew(plan)` and `spins(plan, state)` of its
file. Models are Ising models, or what the user gave if the file says NATIVE = True. `tolerance` is by how much rounding
may change local fields (precision.py). A rung is one of the `betas` of a block. Sweeps visit the sites `free` alone,
all by default; the spins of other sites stay as they start.
Compiled drivers call the stubs below: each engine gives its own body for its own plan type by
`numba.extending.overload`, chosen when a driver is compiled for that plan, at no cost when it runs.
"""

from typing import NamedTuple

import numpy as np

LANE_GROUP = 16  # a block's lanes are a multiple of this: float32 lanes of the widest registers there are

GIBBS, METROPOLIS = 0, 1
UNMEASURED, MEASURED, FOLLOWED = 0, 1, 2
ALIGN = 2  # of engines for memories: along the field, and as it was where there is none - beta = infinity
SEQUENTIAL, RANDOM = 0, 1
RULES = {"gibbs": GIBBS, "metropolis": METROPOLIS}
SCANS = {"sequential": SEQUENTIAL, "random": RANDOM}


def free_sites(n: int, free) -> np.ndarray:
    """The sites that sweeps visit, int32, read-only: `free`, or all n if that is None."""
    sites = np.arange(n, dtype=np.int32) if free is None else np.array(free, np.int32)
    sites.flags.writeable = False
    return sites


class Crew(NamedTuple):
    """One of the threads that advance a block together, each by a call of its own."""

    worker: int
    workers: int
    gate: np.ndarray  # uint64 (1,): where they wait for each other (gates.py)
    late: int  # how often it offers its core to others after each meeting: 0, but in tests of the gates


def sweep(plan, state, rungs, rule, scan, counts, crew):
    """Advance every lane by one sweep, an attempt a free site, each at the beta of its rung, `rungs` int64 (lanes,).

    `counts` is MEASURED if `measure` comes next; FOLLOWED if it does after every sweep, nothing but energies is asked,
    and they may be followed from flip to flip; otherwise UNMEASURED. Some engines count as they sweep.
    """
    raise NotImplementedError("only compiled drivers call this")


def measure(plan, state, energies, magnetizations, crew):
    """Write every chain's energy and sum of spins, float64 (chains,): a lane's, or that of a chain's strips."""
    raise NotImplementedError("only compiled drivers call this")


def snapshot(plan, state, words):
    """Write every spin as one bit, uint16 (sites of a lane, lanes // 16): bit b of word g is lane 16 g + b."""
    raise NotImplementedError("only compiled drivers call this")


def restore(plan, state, words):
    """Set every spin as `snapshot` wrote it, in a block without strips."""
    raise NotImplementedError("only compiled drivers call this")


def retain(plan, state, kept, better):
    """Copy the spins of the lanes that `better`, uint8 (lanes,), marks to `kept`, an array like `state.spins`."""
    raise NotImplementedError("only compiled drivers call this")
