"""What a block finds again by itself when its spins and places are brought back, and no checkpoint holds."""

from typing import Any

import numpy as np

from fastgibbs.engines import lowest, multispin, overlap
from fastgibbs.engines.memories import Halves

_SITES = 4096  # whose overlaps are added up at once


def renew(part: Any) -> None:
    """Compute again what follows from the rest of a block: places, scales, ghosts, overlaps, hashes."""
    if hasattr(part, "ladders") and hasattr(part, "plan"):
        part.ladders.rungs[part.ladders.lane_at] = np.arange(part.ladders.betas.size)
    if hasattr(part, "chains") and hasattr(part, "lane_at"):  # scales go from lane to lane with the rungs
        part.chains.scale[part.lane_at] = np.sort(part.chains.scale[part.lane_at], axis=1)[:, ::-1]  # -beta
    if isinstance(getattr(part, "plan", None), multispin.MultispinPlan):
        multispin.show_ghosts(part.plan, part.state.spins)
    if isinstance(getattr(part, "plan", None), overlap.OverlapPlan):
        _add_overlaps(part.plan.memory, part.state)
    if isinstance(part, lowest.Lowest):
        lowest.renew(part)
    for value in part if isinstance(part, tuple) else ():
        if isinstance(value, tuple):
            renew(value)


def _add_overlaps(memory: Any, state: Any) -> None:
    patterns = memory.patterns.view(np.int16) if isinstance(memory, Halves) else memory.patterns
    sums = np.zeros((patterns.shape[1], state.spins.shape[1]))
    for first in range(0, len(patterns), _SITES):  # whole numbers far below 2^53
        sums += patterns[first : first + _SITES].T.astype(float) @ state.spins[first : first + _SITES].astype(float)
    if isinstance(memory, Halves):
        state.overlaps[:] = sums.T.astype(np.int16).copy().view(np.int32).T
    else:
        state.overlaps[:] = sums
