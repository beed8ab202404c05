"""The sparse64 engine in NumPy: the sparse engine's sweeps with local fields that are exact, but for one rounding."""

from functools import partial

import numpy as np

from fastgibbs.reference import sampling, sparse

energies, sweep = sparse.energies, sparse.sweep
start = partial(sparse.start, kind=np.float64)


def sample(model, beta, sweeps, chains, burn_in, thin, rule, scan, seed):
    """`sampling.sample` of `chains` lanes, from the `start` with these arguments."""
    return sampling.sample(sweep, start(model, chains, seed, rule, scan=scan), model, beta, sweeps, burn_in, thin)
