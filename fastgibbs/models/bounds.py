"""How large the energies of a model may be."""

from __future__ import annotations

import numpy as np

from fastgibbs.models.energy import field_bound
from fastgibbs.types import ModelLike


def most_energy(model: ModelLike) -> float:
    """A bound on |E|, infinite if nothing tells; units of 0 and 1 have at most twice that of fields and couplings."""
    field = field_bound(model)
    return np.inf if field is None else 2 * model.n * field + abs(getattr(model, "offset", 0.0))
