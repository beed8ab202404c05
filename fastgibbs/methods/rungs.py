"""The points of a ladder, as a user asks `temper` for them: betas, betas in fields, or transverse fields."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.methods.adapting import FIRST_RUNGS
from fastgibbs.methods.ladders import MAX_RUNGS
from fastgibbs.methods.schedules import coldest
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, FloatArray


class Rungs(NamedTuple):
    """The points of a ladder to begin with."""

    betas: FloatArray  # float64 (rungs,)
    fields: FloatArray | None = None  # float64 (rungs,): beside the model's
    gammas: FloatArray | None = None  # float64 (rungs,): of worldlines, the largest Gamma
    grows: bool = False  # whether the number of rungs may change
    adapt: bool = False  # whether there is adaptation at all


def asked_rungs(
    betas: ArrayLike | None,
    fields: ArrayLike | None,
    gammas: ArrayLike | None,
    rungs: int | None,
    adapt: bool,
    clusters: object,
    model: Any,
) -> Rungs:
    """What a user asks for, with these cluster moves; ValueError or TypeError names what cannot be."""
    if rungs is not None:
        rungs = checks.integer("rungs", rungs, minimum=2)
        if rungs > MAX_RUNGS:
            raise ValueError(f"rungs is {rungs}: give at most {MAX_RUNGS}")
    if fields is not None:
        if clusters is not None:
            told = f"clusters is {clusters!r}: cluster moves know no field beside the model's"
            raise ValueError(f"{told}, leave them out")
        return _in_fields(betas, fields, gammas, rungs)
    if gammas is not None:
        return _in_gammas(betas, gammas, rungs, adapt, model)
    if betas is not None:
        found = _ladder("betas", betas, "inverse temperatures, ascending", "betas of at least 0, each above")
        return _spaced("betas", found, rungs, adapt)
    if getattr(model, "by_worldlines", False):
        raise ValueError("betas is None: of worldlines give a ladder of betas, or one number and gammas")
    return Rungs(np.linspace(0.0, coldest(model), rungs or FIRST_RUNGS), grows=rungs is None, adapt=adapt)


def _ladder(name: str, values: ArrayLike, what: str, right: str, sign: int = 1) -> FloatArray:
    """Values that ascend, or descend where `sign` is -1, float64 (rungs,)."""
    found = checks.finite_array(name, values).copy()
    if found.ndim != 1 or not 2 <= found.size <= MAX_RUNGS:
        raise ValueError(f"{name} has shape {found.shape}: give 2 to {MAX_RUNGS} {what}")
    bad = found < 0
    bad[1:] |= sign * np.diff(found) <= 0
    checks.refuse(name, found, bad, f"give {right} the one before")
    return found


def _spaced(name: str, ladder: FloatArray, rungs: int | None, adapt: bool) -> Rungs:
    """A ladder in betas as it is, or spaced between its two ends."""
    if rungs is None or rungs == ladder.size:
        return Rungs(ladder)
    if ladder.size > 2:
        raise ValueError(f"rungs is {rungs} but {name} holds {ladder.size}: give the two ends, or leave rungs out")
    return Rungs(np.linspace(ladder[0], ladder[1], rungs), adapt=adapt)


def _in_gammas(betas: ArrayLike | None, gammas: ArrayLike, rungs: int | None, adapt: bool, model: Any) -> Rungs:
    """A ladder in the transverse field, at one beta."""
    if not getattr(model, "by_worldlines", False):
        raise ValueError(f"gammas is given: it goes with a TransverseIsing model, and model is {checks.shown(model)}")
    if checks.largest(model.gamma) == 0:
        raise ValueError(f"{checks.shown(model)} has gamma = 0 at every site: give a field, which gammas scale")
    if betas is None:
        raise ValueError("betas is None: a ladder in gammas is at one beta, give a number")
    given = checks.finite_array("betas", betas)
    found = _ladder("gammas", gammas, "fields, descending", "fields of at least 0, each below", sign=-1)
    if given.shape not in ((), found.shape) or np.ptp(given) > 0:
        raise ValueError(f"betas is {checks.shown(betas)}: a ladder in gammas is at one beta, give a number")
    spaced = _spaced("gammas", found, rungs, adapt)
    return spaced._replace(betas=np.full(spaced.betas.size, given.flat[0]), gammas=spaced.betas)


def _in_fields(betas: ArrayLike | None, fields: ArrayLike, gammas: ArrayLike | None, rungs: int | None) -> Rungs:
    """Points in beta and a field beside the model's."""
    if gammas is not None:
        raise ValueError("gammas and fields are given: worldlines take no field beside the model's, leave fields out")
    if betas is None:
        raise ValueError("betas is missing: in fields give as many, or one number for all rungs")
    fields, given = checks.finite_array("fields", fields).copy(), checks.finite_array("betas", betas)
    if fields.ndim != 1 or not 2 <= fields.size <= MAX_RUNGS:
        raise ValueError(f"fields has shape {fields.shape}: give 2 to {MAX_RUNGS} fields, one per rung")
    if given.shape not in ((), fields.shape):
        raise ValueError(
            f"betas has shape {given.shape}, fields {fields.shape}: give as many, or one number for all rungs"
        )
    if rungs not in (None, fields.size):
        raise ValueError(f"rungs is {rungs} but fields holds {fields.size}: leave rungs out")
    found = np.broadcast_to(given, fields.shape).copy()
    checks.refuse("betas", found, found < 0, "give betas of at least 0")
    alike = (np.diff(found) == 0) & (np.diff(fields) == 0)
    if alike.any():
        where = int(alike.argmax())
        raise ValueError(f"rungs {where} and {where + 1} are at the same beta and field: leave one of them out")
    return Rungs(found, fields)
