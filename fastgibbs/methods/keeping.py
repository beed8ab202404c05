"""What follows from a model alone, kept with it: it is laid out once, however many runs it has.

Models of the package are frozen, so what was made of one stays right as long as it lives, and goes with it. One value
is kept of each kind, the last, none of more than MOST_KEPT bytes, and none of somebody else's class, whose attributes
may change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastgibbs.models.checks import Frozen
from fastgibbs.types import ModelLike

T = TypeVar("T")
MOST_KEPT = 2**25


def kept(model: ModelLike, kind: str, key: object, make: Callable[[Any], T]) -> T:
    """`make(model)`, or what that has returned before, if it was called last for this kind with an equal key."""
    if not isinstance(model, Frozen) or not type(model).__module__.startswith("fastgibbs."):
        return make(model)
    of_model = model._kept
    if kind in of_model and of_model[kind][0] == key:
        found: T = of_model[kind][1]
        return found
    twin = object.__new__(type(model))  # nothing that is kept refers to what it is kept with
    vars(twin).update(model.__getstate__())
    made = make(twin)
    for name, value in vars(twin).items():  # built when they were asked for
        vars(model).setdefault(name, value)
    if _nbytes(made) <= MOST_KEPT:
        of_model[kind] = key, made
    return made


def _nbytes(value: object) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    return sum(map(_nbytes, value)) if isinstance(value, tuple) else 0
