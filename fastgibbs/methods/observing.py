"""What `observe` asks of a run: weights, for the kernels, and functions, for the states of the draws.

A function sees the states of all chains at once, draw after draw, when the run has ended: blocks advance at different
rates, so before that the chains are never at the same draw. Until then the states wait at one bit a spin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.engines.clusters import TOLD
from fastgibbs.models import checks
from fastgibbs.threads import Asked
from fastgibbs.types import AnyArray, ArrayLike, FloatArray, ModelLike, States

Observe = Mapping[str, ArrayLike | Callable[[States], ArrayLike]]  # weights, or a function of states (chains, n)
TAKEN = "energy", "magnetization", "beta", "chain", "draw", "rung", *TOLD  # names that results have in tables


class Observed(NamedTuple):
    """Observables by name, and how much of each chain a draw of it takes."""

    names: tuple[str, ...]
    weights: dict[str, FloatArray]
    functions: dict[str, Callable[..., Any]]
    shapes: dict[str, tuple[int, ...]]
    """What a function returns for each chain."""

    def matrix(self, n: int) -> FloatArray:
        """The weights of all linear observables, float64 (observables, n)."""
        return np.array(list(self.weights.values())).reshape(len(self.weights), n)

    def nbytes(self, n: int) -> int:
        """Memory of a draw of one chain."""
        values = sum(int(np.prod(shape, dtype=np.int64)) for shape in self.shapes.values())
        return 8 * (len(self.weights) + values) + (n // 8 if self.functions else 0)


def asked(observe: Observe | None, model: ModelLike, chains: int) -> Observed:
    """`observe` checked; functions are called once, on random states, to learn what they return."""
    if observe is None:
        observe = {}
    if not isinstance(observe, dict):
        raise TypeError(
            f"observe is a {type(observe).__name__}: give a dict of names to weights ({model.n},) or functions"
        )
    weights: dict[str, FloatArray] = {}
    functions: dict[str, Callable[..., Any]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, value in observe.items():
        if not isinstance(name, str):
            raise TypeError(f"observe has the name {checks.shown(name)}: give a str")
        if name in TAKEN or not name or not name.isprintable():
            raise ValueError(
                f"observe has the name {checks.shown(name)}: give a printable one other than {', '.join(TAKEN)}"
            )
        if callable(value):
            functions[name] = value
        else:
            weights[name] = checks.finite_array(_told(name), value, (model.n,))
    if functions:
        checks.require_memory(3 * chains * model.n, f"the states of {chains} chains")
        spins = 2 * np.random.default_rng(0).integers(0, 2, (chains, model.n), np.int8) - 1
        for name, values in _called(functions, model.from_spins(spins)).items():
            if values.shape[:1] != (chains,):
                raise ValueError(
                    f"{_told(name)} returned shape {values.shape}: give ({chains}, ...), the first axis the chains"
                )
            shapes[name] = values.shape[1:]
    return Observed(tuple(observe), weights, functions, shapes)


def evaluated(
    observed: Observed, states: Callable[[int], States], chains: int, draws: int, asked: Asked
) -> tuple[dict[str, FloatArray], int]:
    """What the functions return, float64 (chains, draws, ...), and the draws that were evaluated.

    `states(draw)`: those of a draw, (chains, n), in the model's own units. These are all draws, also of a run that was
    stopped, unless it is `asked` to stop only now.
    """
    found = {name: np.empty((chains, draws, *observed.shapes[name])) for name in observed.functions}
    if not found:
        return {}, draws
    done, stopped = 0, bool(asked)
    try:
        asked.raises = True
        for draw in range(draws):
            for name, values in _called(observed.functions, states(draw)).items():
                shape = (chains, *observed.shapes[name])
                if values.shape != shape:
                    raise ValueError(f"{_told(name)} returned shape {values.shape}: give {shape}, as on other draws")
                found[name][:, draw] = values
            if asked and not stopped:
                break
            done += 1
    except KeyboardInterrupt:
        pass
    finally:
        asked.raises = False
    return {name: values[:, :done] for name, values in found.items()}, done


def _told(name: str) -> str:
    """An observable in a message."""
    return f"observe[{checks.shown(name)}]"


def _called(functions: dict[str, Callable[..., Any]], states: States) -> dict[str, AnyArray]:
    """What each function returns on these states, which none may change."""
    states.flags.writeable = False
    found = {}
    for name, function in functions.items():
        value = function(states)
        try:
            values = np.asarray(value)
        except ValueError:
            shown = checks.shown(value)
            raise TypeError(f"{_told(name)} returned {shown}, ragged: give an array of real numbers") from None
        if values.dtype.kind not in "biuf":
            raise TypeError(f"{_told(name)} returned dtype {values.dtype}: give real numbers")
        if checks.masked(value):
            raise TypeError(f"{_told(name)} returned masked entries: give numbers in their place")
        found[name] = values
    return found
