"""Models as arrays and numbers, the form in which archives hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgibbs.io.archive import Archive, pack_spins, unpack_spins
from fastgibbs.models import (
    RBM,
    BoltzmannMachine,
    Energy,
    Helmholtz,
    Hopfield,
    Ising,
    Perceptron,
    Polynomial,
    TransverseIsing,
    checks,
)
from fastgibbs.models.cells import Cell, located
from fastgibbs.models.lattices import Lattice, lattice
from fastgibbs.types import ModelLike, PathLike, Shape, States

_LAYERED = "generative", "recognition", "biases", "recognition_biases"


def take_apart(model: ModelLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays, and JSON values, from which `put_together` builds the model.

    Of somebody else's class it is the arguments of its constructor. TypeError at a model that is no `Energy`, and at a
    label that is no number, text, None or tuple of such.
    """
    arrays, numbers = _parts(model)
    labels = getattr(model, "labels", None)
    if labels is not None:
        numbers["labels"] = [kept_label(f"labels[{site}]", label) for site, label in enumerate(labels)]
    return arrays, numbers


def to_archive(models: Sequence[ModelLike]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arrays and the header of an archive of models."""
    arrays: dict[str, Any] = {}
    header: dict[str, Any] = {"models": []}
    for k, model in enumerate(models):
        parts, numbers = take_apart(model)
        arrays |= {f"model{k}.{name}": array for name, array in parts.items()}
        header["models"].append(numbers)
    return arrays, header


def from_archive(path: PathLike, archive: Archive) -> Energy:
    """The model of an archive of one; ValueError if it holds something else."""
    if archive.kind != "model":
        raise ValueError(f"{path} holds a {archive.kind}, not a model: fastgibbs.load reads results")
    try:
        (numbers,) = archive.header["models"]
        return put_together(numbers, archive.arrays, "model0.")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds a model that nobody saved: {type(error).__name__}: {error}") from error


def kept_label(name: str, label: Any) -> Any:
    """A label as a JSON value; TypeError if it is none that files keep."""
    label = label.item() if isinstance(label, np.generic) else label
    if isinstance(label, tuple):
        return [kept_label(name, part) for part in label]
    if label is None or isinstance(label, str | int | float):
        return label
    raise TypeError(f"{name} is {checks.shown(label)}: files keep numbers, texts, None and tuples of such")


def label_of(value: Any) -> Any:
    """What `kept_label` has kept."""
    return tuple(map(label_of, value)) if isinstance(value, list) else value


def _parts(model: ModelLike) -> tuple[dict[str, Any], dict[str, Any]]:
    match model:
        case Lattice():
            cell = dict(zip(("vectors", "basis", "bonds"), model.cell.__reduce__()[1], strict=True))
            return {}, {"type": "Lattice", "sides": model.sides, **cell, "J": model.J, "h": model.h}
        case Ising():
            arrays = {**dict(zip("ijJ", model.bonds, strict=True)), "fields": model.fields}
            numbers = {"type": "Ising", "n": model.n, "offset": model.offset, "shape": model.shape}
            if model.geometry is not None:
                *numbers["geometry"], sites = model.geometry
                arrays |= {} if sites is None else {"sites": sites}
            return arrays, numbers
        case Hopfield():
            numbers = {"type": "Hopfield", "n": model.n, "rule": model.rule, "order": model.order}
            return {"patterns": pack_spins(model.patterns), "field": model.fields}, numbers
        case Perceptron():
            return {"patterns": pack_spins(model.patterns)}, {"type": "Perceptron", "n": model.n}
        case RBM():
            names = ("weights", "visible_bias", "hidden_bias", *(() if model.restricted else ("visible",)))
            return {name: getattr(model, name) for name in names}, {"type": "RBM"}
        case Helmholtz():
            parts = {f"{name}.{k}": part for name in _LAYERED for k, part in enumerate(getattr(model, name))}
            return parts, {"type": "Helmholtz", "layers": model.layers}
        case BoltzmannMachine():
            i, j, J = model.to_ising().bonds
            arrays = {"i": i, "j": j, "W": 4 * J, "biases": model.biases, "visible": model.visible}
            return arrays, {"type": "BoltzmannMachine", "n": model.n}
        case Polynomial():
            arrays = {name: getattr(model, name) for name in ("sites", "degrees", "coefficients")}
            return arrays, {"type": "Polynomial", "n": model.n, "kind": model.kind, "offset": model.offset}
        case TransverseIsing():
            arrays, numbers = take_apart(model.model)
            arrays = {f"model.{name}": array for name, array in arrays.items()} | {"gamma": model.gamma}
            return arrays, {"type": "TransverseIsing", "slices": model.slices, "model": numbers}
        case Energy():
            arguments = model.arguments()
            arrays = {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}
            numbers = {name: value for name, value in arguments.items() if name not in arrays}
            numbers = {k: value.item() if isinstance(value, np.generic) else value for k, value in numbers.items()}
            return arrays, {"type": _name_of(type(model)), "arguments": numbers}
    raise TypeError(f"model is {checks.shown(model)}: to be saved, its class must be one of fastgibbs.Energy")


def _name_of(kind: type) -> str:
    """What the class of somebody else's model is called in archives."""
    return f"{kind.__module__}.{kind.__qualname__}"


def put_together(numbers: dict[str, Any], arrays: dict[str, Any], prefix: str = "") -> Energy:
    """The model that was taken apart into these values, and these arrays under names that begin with `prefix`.

    They are checked like arguments, and before memory is taken: ValueError or TypeError says what no model has.
    """
    parts = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    numbers = dict(numbers)
    if "labels" in numbers:
        labels = [label_of(value) for value in numbers.pop("labels")]
        return put_together(numbers, parts).with_labels(labels)
    kind: Any = numbers.pop("type", None)
    n: Any = numbers.get("n")
    of_sites = {"Ising": "fields", "Hopfield": "field", "BoltzmannMachine": "biases"}.get(kind)
    if of_sites is not None and (type(n) is not int or parts[of_sites].shape != (n,)):
        raise ValueError(f"n is {n!r}, {of_sites} has shape {parts[of_sites].shape}: give (n,)")
    match kind:
        case "Lattice":
            return _lattice(**numbers)
        case "Ising":
            if "geometry" in numbers:
                numbers["geometry"] = located(numbers["geometry"], parts.pop("sites", None), n)
            return Ising.from_edges(**parts, **numbers)
        case "Hopfield":
            return Hopfield(_patterns(parts.pop("patterns"), numbers.pop("n", None)), **parts, **numbers)
        case "Perceptron":
            return Perceptron(_patterns(parts.pop("patterns"), numbers.pop("n", None)), **parts, **numbers)
        case "RBM":
            return RBM(**parts)
        case "Helmholtz":
            return _helmholtz(parts, **numbers)
        case "BoltzmannMachine":
            return BoltzmannMachine.from_edges(**parts, **numbers)
        case "Polynomial":
            return Polynomial.from_arrays(**parts, **numbers)
        case "TransverseIsing":
            return TransverseIsing(put_together(numbers.pop("model"), parts, "model."), parts["gamma"], **numbers)
    known = Energy.__subclasses__()
    for one in known:  # which grows
        known.extend(one.__subclasses__())
    for one in reversed(known):  # of one name, the last
        if _name_of(one) == kind and not kind.startswith("fastgibbs."):
            return one(**parts, **numbers["arguments"])
    raise ValueError(f"type is {kind!r}: no model has it; a class of your own must be imported before its models")


def _patterns(packed: Any, n: Any) -> States:
    """Patterns of n spins from their bits."""
    if type(n) is not int or packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != -(-n // 8):
        raise ValueError(f"patterns are {packed.dtype} of shape {packed.shape}: give a bit for each of {n!r}")
    return unpack_spins(packed, n)


def _lattice(sides: Shape, vectors: Any, basis: Any, bonds: Any, J: float, h: float) -> Lattice:
    """The lattice of this cell."""
    J, h = checks.finite_number("J", J), checks.finite_number("h", h)
    model = lattice(sides, J, h, cell=Cell(vectors, basis, bonds))
    if not isinstance(model, Lattice):
        raise ValueError(f"sides are {sides} and J is {J}: a Lattice has J other than 0, and no bond twice")
    return model


def _helmholtz(parts: dict[str, Any], layers: Any) -> Helmholtz:
    """The Helmholtz machine of these layers."""
    count = len(layers)
    found = ([parts[f"{name}.{k}"] for k in range(count - (name != "biases"))] for name in _LAYERED)
    model = Helmholtz(*found)
    if model.layers != tuple(layers):
        raise ValueError(f"layers are {layers}: the arrays have {model.layers}")
    return model


def digest(model: ModelLike) -> str:
    """SHA-256 of all that makes the model, in hexadecimal: the same for equal models alone."""
    arrays, numbers = take_apart(model)
    found = hashlib.sha256(json.dumps(numbers).encode())
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype} {array.shape}\0".encode())
        found.update(array)
    return found.hexdigest()
