"""Results as arrays and JSON values, the form in which archives hold them, by what their fields say of themselves.

An array has the name of its field; those of a field that is a dict or a NamedTuple of arrays are FIELD.NAME, and those
of model k modelK.NAME. Spins take one bit each. All else is in the header, but for None.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

import numpy as np

from fastgibbs import io
from fastgibbs.engines import ENGINES, contract
from fastgibbs.engines.clusters import KINDS
from fastgibbs.engines.replicas import HOUDAYER
from fastgibbs.fields import Field, fields
from fastgibbs.models import Energy, checks
from fastgibbs.types import AnyArray

Arrays = dict[str, AnyArray]
Values = dict[str, Any]
EnergyMethod = Literal["pcd", "cd", "tempering", "exact"]  # of training a machine with an energy
TrainMethod = EnergyMethod | Literal["wake-sleep"]
ENERGY_METHODS = get_args(EnergyMethod)
METHODS = (*ENERGY_METHODS, "wake-sleep")
FitMethod = Literal["pseudolikelihood", "mean_field", "pcd"]  # of finding couplings
FIT_METHODS: tuple[FitMethod, ...] = get_args(FitMethod)
CHOICES: dict[str, Collection[str]] = {
    "engine": ENGINES,
    "rule": contract.RULES,
    "scan": contract.SCANS,
    "method": {*METHODS, *FIT_METHODS},
    "clusters": (HOUDAYER, *KINDS),
    "start": ("random", "states", "run"),
}
LEAST = {"thin": 1, "swap_every": 1, "strips": 1, "rungs": 2, "together": 1}  # of numbers that are not at least 0
_SHAPE = re.compile(r"(\w+) \((.*?),?\)(.*)")


def take_apart(values: Values) -> tuple[Arrays, Values]:
    """Arrays, and a header of JSON values, from which `put_together` builds the values of a result with its `model`."""
    models = values["model"]
    arrays, header = io.to_archive(models if isinstance(models, tuple) else [models])
    for name, value in values.items():
        if name != "model":
            _take(name, value, arrays, header)
    return arrays, header


def _take(name: str, value: Any, arrays: Arrays, header: Values) -> None:
    if hasattr(value, "_asdict") and isinstance(value[0], np.ndarray):
        value = value._asdict()
    if isinstance(value, np.ndarray):
        arrays[name] = io.pack_spins(value) if value.dtype == np.int8 else value
    elif isinstance(value, dict):
        for key, part in value.items():
            _take(f"{name}.{key}", part, arrays, header)
    elif value is not None:
        header[name] = str(value) if value == math.inf or value != value else value  # JSON has neither


def put_together(of: list[Field], arrays: Arrays, header: Values, optional: set[str]) -> Values:
    """The values that were taken apart, each as its field tells; `optional`: fields that may be missing.

    They are checked like arguments, and before memory is taken: ValueError, TypeError, LookupError, AttributeError or
    ArithmeticError say what no result holds.
    """
    arrays, header = dict(arrays), dict(header)
    values: Values = {}
    models = [_model(numbers, _under(f"model{k}", arrays)) for k, numbers in enumerate(header.pop("models"))]
    values["model"] = models[0] if len(models) == 1 else tuple(models)
    sizes = {"n": models[0].n, "patterns": len(getattr(models[0], "patterns", ()))}
    if any(model.n != models[0].n for model in models):
        raise ValueError(f"models have {[model.n for model in models]} sites: give as many to each"[:200])
    for field in of:
        if field.name == "model":
            continue
        if not any(name.partition(".")[0] == field.name for name in (*arrays, *header)) and field.name in optional:
            continue
        values[field.name] = _value(field, arrays, header, sizes, models[0].low)
    for name, size in sizes.items():
        if name.endswith(" - 1") and size != sizes[name.removesuffix(" - 1")] - 1:
            raise ValueError(f"there are {size} {name}")
    if arrays or header:
        raise ValueError(f"it holds {min([*arrays, *header])}, which no such result has")
    return values


def _model(numbers: Values, arrays: Arrays) -> Energy:
    """The model of these values, all of which it holds, and no others."""
    model = io.put_together(numbers, arrays)
    right = io.take_apart(model)[0].keys()
    if arrays.keys() != right:
        raise ValueError(f"a model holds {', '.join(arrays)}: give {', '.join(right)}")
    return model


def _under(name: str, arrays: Arrays) -> Arrays:
    """The arrays NAME.KEY by key, which are taken out."""
    found = {key: arrays[key] for key in list(arrays) if key.startswith(f"{name}.")}
    return {key.removeprefix(f"{name}."): arrays.pop(key) for key in found}


def _value(field: Field, arrays: Arrays, header: Values, sizes: dict[str, int], low: int) -> Any:
    name, kind, shape, _ = field
    if kind is np.ndarray:
        return _array(name, arrays.pop(name), shape, sizes, low)
    if get_origin(kind) is dict:
        return {key: _array(f"{name}.{key}", array, shape, sizes, low) for key, array in _under(name, arrays).items()}
    if isinstance(kind, UnionType):  # or None
        if not any(key.partition(".")[0] == name for key in (*arrays, *header)):
            return None
        (kind,) = set(get_args(kind)) - {NoneType}
        if get_origin(kind) is np.ndarray:
            return _array(name, arrays.pop(name), shape, sizes, low)
    if kind == tuple[str, ...]:
        names = header.pop(name)
        if not all(isinstance(one, str) for one in names):
            raise TypeError(f"{name} are {checks.shown(names)}: give texts")
        return tuple(names)
    if get_origin(kind) is tuple:
        return tuple(_numbers(get_args(kind)[0], numbers) for numbers in header.pop(name))
    if hasattr(kind, "_fields") and fields(kind)[0].type is np.ndarray:
        parts = [of for of in fields(kind) if f"{name}.{of.name}" in arrays or f"{name}.{of.name}" in header]
        if not {of.name for of in fields(kind)} <= {of.name for of in parts} | set(kind._field_defaults):
            raise ValueError(f"{name} holds {[of.name for of in parts]}: give {', '.join(kind._fields)}")
        values = (_value(of._replace(name=f"{name}.{of.name}"), arrays, header, sizes, low) for of in parts)
        return kind(**{of.name: value for of, value in zip(parts, values, strict=True)})
    if hasattr(kind, "_fields"):
        return _numbers(kind, header.pop(name))
    return _number(name, kind, header.pop(name), shape)


def _array(name: str, array: AnyArray, shape: str, sizes: dict[str, int], low: int) -> AnyArray:
    """An array as its field has it; its axes agree with the `sizes` known so far, which it adds to."""
    dtype, named, beyond = _SHAPE.findall(shape)[0]
    several = [named, *re.findall(r"^ or \((.*?)\)", beyond)]
    axes, spins = next((one for one in several if one.count(",") + 1 == array.ndim), named).split(", "), dtype == "int8"
    found = dict(zip(axes, array.shape, strict=False))
    known = {axis: size for axis, size in found.items() if axis != "..."}
    right = array.ndim == len(axes) or (axes[-1] == "..." and array.ndim >= len(axes) - 1)
    if not right or array.dtype != ("uint8" if spins else dtype):
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}: give {shape}")
    if spins:
        if known[axes[-1]] != -(-sizes["n"] // 8):
            raise ValueError(f"{name} takes {known[axes[-1]]} bytes: there are {sizes['n']} sites, a bit each")
        known[axes[-1]] = sizes["n"]
    for axis, size in known.items():
        if sizes.setdefault(axis, size) != size:
            raise ValueError(f"{name} has {size} {axis}: others have {sizes[axis]}")
    if array.dtype.kind == "f" and "..." not in axes:
        allowed = ("NaN" in beyond) & np.isnan(array) | ("inf" in beyond) & (array == np.inf)
        if not (np.isfinite(array) | allowed).all():
            raise ValueError(f"{name} holds a number that is not finite")
    return io.unpack_spins(array, sizes["n"], low) if spins else array


def _numbers(kind: Any, values: Any) -> Any:
    """A NamedTuple of numbers."""
    return kind(*(_number(of.name, of.type, value, "") for of, value in zip(fields(kind), values, strict=True)))


def _number(name: str, kind: Any, value: Any, shape: str) -> Any:
    """A number, a flag or a text of a header, of its type."""
    if kind is bool:
        return checks.flag(name, value)
    if kind is int:
        return checks.integer(name, value, LEAST.get(name, 0), math.inf)
    if kind is float:
        odd = value in ("inf", "nan") and value in shape.lower()
        return float(value) if odd else checks.finite_number(name, value)
    checks.choice(name, value, CHOICES[name])
    return value


def optional(cls: Any) -> set[str]:
    """The fields of a result that have a default, and those that another may stand for."""
    return set(getattr(cls, "RECORDS", ())) | {
        field.name for field in dataclasses.fields(cls) if field.default_factory is not dataclasses.MISSING
    }
