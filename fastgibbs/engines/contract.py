"""What an engine is: a file with a plan (constant arrays), a state (arrays that sweeps change) and these functions.

Python calls `refusal(models, scan, strips)`, `strips(models, chains)`, `prepare(models, strips)`,
`cut(lanes, threads)`, `start(prepared, lanes, spins, entropy)` and `spins(plan, state)` of the engine's file.
Compiled drivers call the stubs below: each engine gives its own body for its own plan type by
`numba.extending.overload`, chosen when a driver is compiled for that plan, at no cost when it runs.
"""

LANE_GROUP = 16  # a block's lanes are a multiple of this: float32 lanes of the widest registers there are

GIBBS, METROPOLIS = 0, 1
SEQUENTIAL, RANDOM = 0, 1
RULES = {"gibbs": GIBBS, "metropolis": METROPOLIS}
SCANS = {"sequential": SEQUENTIAL, "random": RANDOM}


def sweep(plan, state, betas, rule, scan):
    """Advance every lane by one sweep of n attempts at its own beta, `betas` float64 (lanes,)."""
    raise NotImplementedError("only compiled drivers call this")


def measure(plan, state, energies, magnetizations):
    """Write every chain's energy and sum of spins, float64 (chains,): a lane's, or that of a chain's strips."""
    raise NotImplementedError("only compiled drivers call this")


def snapshot(plan, state, words):
    """Write every spin as one bit, uint16 (sites of a lane, lanes // 16): bit b of word g is lane 16 g + b."""
    raise NotImplementedError("only compiled drivers call this")
