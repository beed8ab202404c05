"""The sparse engine with local fields as if summed in 104 bits, where float32 would lose small fields (precision.py).

Plans and kernels are the sparse engine's (sparse.py); numbers are float64, and so are the fields that energies follow.
"""

import numpy as np

from fastgibbs.engines import precision, sparse

FOLLOWS = sparse.FOLLOWS
BITS = 104  # of a float64 sum and its rounding errors; of d terms no more than 106 - log2 d, lest errors round too
strips, cut, crew, spins = sparse.strips, sparse.cut, sparse.crew, sparse.spins
at_betas, start = sparse.at_betas, sparse.start


def refusal(models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
    """Why the engine cannot run these Ising models, or None if it can."""
    if why := sparse.refusal(models, scan, strips):
        return why
    (model,) = models
    bits = np.minimum(BITS, 106 - np.ceil(np.log2(np.maximum(np.diff(model.indptr), 1))))
    why = precision.refusal(model, sparse.unit_of(model), bits, tolerance)
    return why and f"{why}: no engine has more bits, give couplings of nearer magnitudes or smaller betas"


def prepare(models: list, strips: int, free=None) -> sparse.SparsePlan:
    """The plan of an Ising model, which all blocks share."""
    return sparse.prepare(models, strips, free, np.float64)
