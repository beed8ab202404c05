"""Recipes: functions that make models of numbers and texts, by name, as files and tasks say which model is meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastgibbs.models.glasses import edwards_anderson, power_law, random_regular, sherrington_kirkpatrick, viana_bray
from fastgibbs.models.lattices import lattice, triangular
from fastgibbs.models.polynomial import p_spin

RECIPES: dict[str, Callable[..., Any]] = {
    recipe.__name__: recipe
    for recipe in (
        lattice,
        triangular,
        edwards_anderson,
        sherrington_kirkpatrick,
        random_regular,
        viana_bray,
        power_law,
        p_spin,
    )
}
