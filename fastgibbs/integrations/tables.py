"""Results as named arrays with named axes, the form that every table library starts from."""

import dataclasses
from typing import NamedTuple

import numpy as np

from fastgibbs.models import checks


class Table(NamedTuple):
    """Arrays by name, each with the names of its axes."""

    variables: dict[str, tuple[tuple[str, ...], np.ndarray]]
    coordinates: dict[str, tuple[str, np.ndarray]]
    attributes: dict[str, int | str]
    """The run's settings; the seed is text, since it may exceed 64 bits."""


def table(result) -> Table:
    """The records of a SampleResult, a TemperResult or an AnnealResult. TypeError at anything else.

    Axes: (chain, draw), with beta, and the number of the model if there are several, coordinates of chain; (chain,
    draw, rung), with chain the ladder and beta a coordinate of rung; (read,) and (sweep,), with beta a coordinate of
    sweep. Observables of functions that return arrays have the axes NAME_dim_0, NAME_dim_1 ... besides.
    """
    match type(result).__name__:  # the classes stand on a floor above
        case "SampleResult":
            axes, places = ("chain", "draw"), {"beta": ("chain", result.beta)}
            if isinstance(result.model, tuple):
                places["model"] = "chain", result.model_number
            records = {"energy": result.energy, "magnetization": result.magnetization} | result.observables
        case "TemperResult":
            axes, places = ("chain", "draw", "rung"), {"beta": ("rung", result.betas)}
            records = {"energy": result.energy, "magnetization": result.magnetization} | result.observables
            records = {name: values.swapaxes(1, 2) for name, values in records.items()}
        case "AnnealResult":
            traces = {"trace_min": (("sweep",), result.trace_min), "trace_mean": (("sweep",), result.trace_mean)}
            sweeps = result.trace_min.size
            return Table(
                {"energy": (("read",), result.energy), **traces},
                {
                    "read": ("read", result.read),
                    "sweep": ("sweep", np.arange(sweeps)),
                    "beta": ("sweep", result.betas[:sweeps]),
                },
                _attributes(result),
            )
        case _:
            raise TypeError(f"result is {checks.shown(result)}: give a SampleResult, a TemperResult or an AnnealResult")
    numbers = {axis: (axis, np.arange(size)) for axis, size in zip(axes, records["energy"].shape, strict=True)}
    variables = {}
    for name, values in records.items():
        variables[name] = (*axes, *(f"{name}_dim_{k}" for k in range(values.ndim - len(axes)))), values
    return Table(variables, {**numbers, **places}, _attributes(result))


def _attributes(result) -> dict[str, int | str]:
    fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    settings = {name: value for name, value in fields.items() if isinstance(value, int | str)}
    settings["interrupted"] = int(result.interrupted)  # netCDF knows no bools
    return {"model": repr(result.model), **settings, "seed": str(result.seed)}
