"""What an engine is: a plan (constant arrays), a state (arrays that sweeps change) and the functions below.

Drivers call these stubs. Each engine gives its own body for its own plan type by `numba.extending.overload`, chosen
when a driver is compiled for that plan, at no cost when it runs.
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
    """Write every lane's energy and sum of spins, float64 (lanes,)."""
    raise NotImplementedError("only compiled drivers call this")


def snapshot(plan, state, words):
    """Write every spin as one bit, uint16 (n, lanes // 16): bit b of word g is lane 16 g + b."""
    raise NotImplementedError("only compiled drivers call this")
