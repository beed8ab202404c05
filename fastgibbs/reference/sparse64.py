"""The sparse64 engine in NumPy: the sparse engine's sweeps with local fields that are exact, but for one rounding."""

from functools import partial

import numpy as np

from fastgibbs.reference import sparse

energies, sweep = sparse.energies, sparse.sweep
start = partial(sparse.start, kind=np.float64)
