"""What `clusters=` and `cluster_every=` ask of a run: which cluster moves, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastgibbs.engines.bonds import Bonds, bonds_of
from fastgibbs.engines.clusters import ALONE, KINDS
from fastgibbs.engines.replicas import HOUDAYER
from fastgibbs.methods.keeping import kept
from fastgibbs.methods.settings import Setting
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy
from fastgibbs.types import ModelLike


def of_chains(clusters: str | None, every: int | None, models: list[ModelLike]) -> int | None:
    """Sweeps from one move of chains to the next, 0 if there are no others, None if there are no moves.

    ValueError or TypeError where they cannot be made.
    """
    every = _every(clusters, every, 1, 0)
    if clusters is not None:
        _require_bonds(clusters, ALONE, models)
    return every


def of_ladders(
    clusters: str | None, every: int | None, models: list[ModelLike], ladders: int, swap_every: int
) -> int | None:
    """Sweeps from one move of ladders to the next, None if there are no moves; ValueError or TypeError likewise."""
    every = _every(clusters, every, swap_every, 1)
    if clusters is not None and as_energy(models[0]).by_worldlines:
        raise ValueError(f"clusters is {clusters!r}: ladders of worldlines exchange rungs alone, leave clusters out")
    if clusters is not None and clusters != HOUDAYER:
        _require_bonds(clusters, (HOUDAYER, *KINDS), models)
    if clusters is not None and clusters not in ALONE and ladders < 2:
        raise ValueError(f"clusters is {clusters!r}, moves of two ladders: give ladders=2 or more")
    return every


def _every(clusters: str | None, every: int | None, default: int, minimum: int) -> int | None:
    """Sweeps from one move to the next, None if there are no moves."""
    asked = None if every is None else checks.integer("cluster_every", every, minimum)
    if clusters is None and asked is not None:
        raise ValueError(f"cluster_every is {asked}, and clusters is None: say which moves to make")
    return asked if clusters is None or asked is not None else default


def _require_bonds(clusters: str, kinds: Iterable[str], models: list[ModelLike]) -> None:
    """ValueError or TypeError unless moves are of these kinds, and all models have bonds."""
    checks.choice("clusters", clusters, tuple(kinds))
    for model in models:
        if not as_energy(model).has_ising_form:
            raise ValueError(f"clusters is {clusters!r}: {checks.shown(model)} has no bonds, for it has no Ising form")


def bonds_of_clusters(setting: Setting) -> tuple[list[Any], Bonds]:
    """The models of a setting in their Ising form, and the bonds that clusters are made of."""
    models, held = [as_energy(model).to_ising() for model in setting.given], setting.clamped
    if len(models) > 1:
        return models, bonds_of(models, held)
    return models, kept(models[0], "bonds", held.tobytes(), lambda model: bonds_of([model], held))
