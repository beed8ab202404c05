"""Models as arrays and numbers, the form in which archives hold them."""

import hashlib
import json

from fastgibbs.io.archive import pack_spins, unpack_spins
from fastgibbs.models import RBM, BoltzmannMachine, Hopfield, Ising
from fastgibbs.models.lattices import Lattice


def take_apart(model) -> tuple[dict, dict]:
    """Arrays, and JSON values, from which `put_together` builds the model. TypeError at another type of model."""
    match model:
        case Lattice():
            return {}, {"type": "Lattice", "shape": model.shape, "steps": model.steps, "J": model.J, "h": model.h}
        case Ising():
            arrays = {**dict(zip("ijJ", model.bonds, strict=True)), "fields": model.fields}
            return arrays, {"type": "Ising", "n": model.n, "offset": model.offset, "shape": model.shape}
        case Hopfield():
            numbers = {"type": "Hopfield", "n": model.n, "rule": model.rule, "order": model.order}
            return {"patterns": pack_spins(model.patterns), "field": model.fields}, numbers
        case RBM():
            return {name: getattr(model, name) for name in ("weights", "visible_bias", "hidden_bias")}, {"type": "RBM"}
        case BoltzmannMachine():
            i, j, J = model.to_ising().bonds
            arrays = {"i": i, "j": j, "W": 4 * J, "biases": model.biases, "visible": model.visible}
            return arrays, {"type": "BoltzmannMachine", "n": model.n}
    raise TypeError(f"model is {model!r}: only Ising, Hopfield, RBM and BoltzmannMachine models can be saved")


def put_together(numbers: dict, arrays: dict, prefix: str = ""):
    """The model that was taken apart into these values, and these arrays under names that begin with `prefix`."""
    parts = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    numbers = dict(numbers)
    if numbers.get("shape"):
        numbers["shape"] = tuple(numbers["shape"])
    match numbers.pop("type"):
        case "Lattice":
            return Lattice(**numbers | {"steps": tuple(map(tuple, numbers["steps"]))})
        case "Ising":
            return Ising.from_edges(**parts, **numbers)
        case "Hopfield":
            return Hopfield(unpack_spins(parts.pop("patterns"), numbers.pop("n")), **parts, **numbers)
        case "RBM":
            return RBM(**parts)
        case "BoltzmannMachine":
            return BoltzmannMachine.from_edges(**parts, **numbers)


def digest(model) -> str:
    """SHA-256 of all that makes the model, in hexadecimal: the same for equal models alone."""
    arrays, numbers = take_apart(model)
    found = hashlib.sha256(json.dumps(numbers).encode())
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype} {array.shape}\0".encode())
        found.update(array)
    return found.hexdigest()
