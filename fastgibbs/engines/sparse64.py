"""The sparse engine with local fields as if summed in 104 bits, where float32 would lose small fields (precision.py).

Plans and kernels are the sparse engine's (sparse.py); numbers are float64, and so are the fields that energies follow.
"""

import numpy as np

from fastgibbs.engines import precision, sparse

BITS = 104  # of a float64 sum and its rounding errors; of d terms no more than 106 - log2 d, lest errors round too


class Sparse64(sparse.Sparse):
    """The engine as Python calls it."""

    name = "sparse64"
    kind = np.float64

    def refusal(self, models, scan: str, strips: int, tolerance: float = np.inf) -> str | None:
        """Why the engine cannot run these Ising models, or None if it can."""
        if why := super().refusal(models, scan, strips):
            return why
        (model,) = models
        bits = np.minimum(BITS, 106 - np.ceil(np.log2(np.maximum(np.diff(model.indptr), 1))))
        why = precision.refusal(model, sparse.unit_of(model), bits, tolerance)
        return why and f"{why}: no engine has more bits, give couplings of nearer magnitudes or smaller betas"
