"""Which run may go on from the result of another, with its states, random streams and places as that has left them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgibbs.io import digest
from fastgibbs.methods.settings import Setting
from fastgibbs.models import checks
from fastgibbs.results.base import Result
from fastgibbs.results.lanes import Left
from fastgibbs.types import States

_OR = {"sample": ", or states, as in start=result.states", "temper": ""}


_THEIRS = {  # what a run had, by the name of an argument, and what that is where nobody asks for it
    "engine": (lambda result: result.engine, "auto"),
    "strips": (lambda result: result.strips, None),
    "chains": (lambda result: result.beta.shape[-1], None),
    "betas": (lambda result: result.betas, None),
    "fields": (lambda result: result.fields, None),
    "gammas": (lambda result: result.gammas, None),
    "ladders": (lambda result: len(result.states), None),
    "clusters": (lambda result: result.clusters, None),
    "cluster_every": (lambda result: result.cluster_every, None),
    "refractory": (lambda result: result.refractory, None),
    "seed": (lambda result: result.seed, None),
}


class Before:
    """A run before, of whose models this one has the same; `start`: what it returned, one result or a list of them.

    If that is None, there was none. TypeError if it is something else than `kind`; ValueError if it cannot go on, and
    why.
    """

    left: tuple[Left, ...] = ()
    """Where it has left its blocks."""

    def __init__(self, start: Any, kind: type[Result], models: list[Any]) -> None:
        if start is None:
            return
        self.results = start if isinstance(start, list) else [start]
        for result in self.results or [None]:
            if not isinstance(result, kind):
                told = type(result).__name__
                raise TypeError(f"start is, or holds, {told}: give what {kind.KIND} returned{_OR[kind.KIND]}")
        self.result, self._or = self.results[0], _OR[kind.KIND]
        places = [self._left_of(result) for result in self.results]
        self.left = places[0]
        ladders = sum(len(left.arrays.get("ladders.lane_at", ())) for left in self.left)
        if ladders and ladders != sum(len(result.states) for result in self.results):
            raise ValueError(f"start holds {len(self.results)} of the results of a run of several models: give all")
        theirs = [one for result in self.results for one in _several(result.model)]
        if len(theirs) != len(models) or not all(map(_same, models, theirs)):
            raise ValueError(f"model is not that of start: give the same, {len(theirs)} in number{self._or}")

    def _left_of(self, result: Any) -> tuple[Left, ...]:
        found = tuple(block if isinstance(block, Left) else block.left for block in result._blocks)
        if not found or None in found:
            told = "start was loaded from a file, without random streams, or is one of several results, which have none"
            raise ValueError(f"{told}: give a fresh one{self._or}")
        if any(one is not other for one, other in zip(result._blocks, self.result._blocks, strict=False)):
            raise ValueError("start holds results of several runs: give those of one run, as it returned them")
        if len({left.done for left in found}) > 1:  # later draws would not be of the same sweep in all chains
            first, *_, last = sorted(left.done for left in found)
            raise ValueError(f"start was stopped, its blocks after {first} to {last} sweeps: give another{self._or}")
        return found

    @property
    def done(self) -> int:
        """Sweeps made until there, by runs before that one too."""
        return self.left[0].done if self.left else 0

    def same(self, **asked: Any) -> list[Any]:
        """What the run before had of each of these, if it is not asked for, or asked for again; else ValueError.

        What is asked for, if there was none.
        """
        return [self._same(name, mine) for name, mine in asked.items()] if self.left else list(asked.values())

    def _same(self, name: str, mine: Any) -> Any:
        of_result, unasked = _THEIRS[name]
        theirs, again = of_result(self.result), type(mine) is not type(unasked) or mine != unasked
        if again and not np.array_equal(mine, theirs):
            raise ValueError(f"{name} is {mine}, and start is of a run with {theirs}: give the same, or leave it out")
        return theirs

    def of_each(self, name: str, otherwise: list[Any]) -> list[Any]:
        """What the results before have by this name, if they are as many as `otherwise`, which it is if not."""
        alike = self.left and len(self.results) == len(otherwise)
        return [getattr(result, name) for result in self.results] if alike else otherwise

    def states(self) -> States:
        """The states it ended with, spins or units, int8 (chains or replicas, n)."""
        return np.concatenate([checks.rows(result.states) for result in self.results])

    def require_clamp(self, setting: Setting) -> None:
        """ValueError unless the same sites are clamped to the same spins."""
        if not self.left:
            return
        spins, mine = setting.given[0].to_spins(self.states()), setting.clamped
        alike = np.array_equal(mine, self.result.clamped)
        if not alike or (mine.size and (setting.clamp is not None and (setting.clamp.spins != spins[:, mine].T).any())):
            raise ValueError(f"clamp is of sites {mine}, that of start of {self.result.clamped}: give the same values")


def _several(model: Any) -> list[Any]:
    return list(model) if isinstance(model, tuple) else [model]


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and digest(one) == digest(other))
