"""Results as named arrays with named axes, the form that every table library starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fastgibbs.models import checks
from fastgibbs.types import AnyArray

Coordinates = dict[str, tuple[str | tuple[str, ...], AnyArray]]
Variables = dict[str, tuple[tuple[str, ...], AnyArray]]
Attributes = dict[str, int | float | str]


@dataclass(frozen=True, eq=False)
class Table:
    """Arrays by name, each with the names of its axes; the first of them has a row in a frame for each entry."""

    variables: Variables
    coordinates: Coordinates
    attributes: Attributes
    """The run's settings; the seed is text, since it may exceed 64 bits."""


class Tabular(Protocol):
    """Any result: what has a table of itself."""

    def table(self) -> Table:
        """Its records as named arrays."""


def table(result: Tabular) -> Table:
    """The records of what a run returned. TypeError at anything that has no `table()` of its own."""
    right = "a SampleResult, a TemperResult, an AnnealResult, a RecallResult, a TrainResult or an IsingFit"
    return checks.able("result", result, "table", right).table()


def long(flat: Table) -> dict[str, AnyArray]:
    """Columns by name, of one row for each entry of the first array; arrays of more axes go entry by entry."""
    axes, first = next(iter(flat.variables.values()))
    columns = {}
    for name, (axis, values) in flat.coordinates.items():
        if axis in axes:
            along = values.reshape([-1 if axis == other else 1 for other in axes])
            columns[name] = np.broadcast_to(along, first.shape).ravel()
    for name, (of, values) in flat.variables.items():
        if of[: len(axes)] == axes:
            for place in np.ndindex(values.shape[len(axes) :]):
                label = f"[{', '.join(map(str, place))}]" if place else ""
                columns[name + label] = values[..., *place].ravel()
    return columns


def of_draws(axes: tuple[str, ...], records: dict[str, AnyArray], places: Coordinates, attributes: Attributes) -> Table:
    """The table of records with these axes, which are numbered; `places`: more coordinates.

    Records of more axes, as of functions that return arrays, have NAME_dim_0, NAME_dim_1 ... besides.
    """
    numbers = {axis: (axis, np.arange(size)) for axis, size in zip(axes, records["energy"].shape, strict=True)}
    variables = {}
    for name, values in records.items():
        variables[name] = (*axes, *(f"{name}_dim_{k}" for k in range(values.ndim - len(axes)))), values
    return Table(variables, {**numbers, **places}, attributes)
