"""What `rule="spiking"` and `refractory=` ask of a run, and what neurons may have counted where one was saved."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgibbs.engines.contract import RULES
from fastgibbs.engines.spiking import MOST
from fastgibbs.methods.continuing import Before
from fastgibbs.models import checks
from fastgibbs.types import AnyArray


def asked_refractory(rule: str, refractory: int | None, clusters: str | None, before: Before) -> int | None:
    """The sweeps that a spike lasts, or None by other rules; ValueError or TypeError where they do not fit.

    A run that goes on has those of the run `before`.
    """
    checks.choice("rule", rule, RULES)
    if rule != "spiking":
        if refractory is not None:
            raise ValueError(
                f"refractory is {checks.shown(refractory)}, and rule {rule!r}: give rule='spiking', or leave it out"
            )
        return None
    if clusters is not None:
        raise ValueError(f"clusters is {clusters!r}: neurons that spike are not turned in clusters, leave them out")
    if before.left and before.result.rule != "spiking":
        raise ValueError(
            f"rule is 'spiking', and start is of a run by {before.result.rule!r}, whose spins count no sweeps: give "
            "states, as in start=result.states"
        )
    (refractory,) = before.same(refractory=refractory)
    if refractory is None:
        raise TypeError(f"refractory is missing: by rule='spiking' a spike lasts 1 to {MOST} sweeps, say how many")
    return checks.integer("refractory", refractory, 1, MOST)


def counted(found: AnyArray, fresh: AnyArray, done: int, owners: tuple[Any, ...]) -> AnyArray:
    """The rule for what neurons count (rules.py): 1 to tau where they are on, else 0; clamped ones do not."""
    *_, block, state, neurons = owners
    on, swept = state.spins > 0, np.isin(np.arange(len(found)), block.plan.free)[:, None]
    right = (found >= on) & (found <= on * neurons.refractory) & (swept | (found == fresh))
    if not right.all():
        site, lane = np.argwhere(~right)[0]
        told = f"1 to {neurons.refractory} where a neuron is on, else 0, and a clamped one does not count"
        raise ValueError(f"is {found[site, lane]} at [{site}, {lane}]: {told}")
    return found
