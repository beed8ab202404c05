"""Results with their models as archives: `load`, and `save` for the results themselves."""

import dataclasses

import numpy as np

from fastgibbs.io import pack_spins, put_together, read_archive, take_apart, unpack_spins, write_archive
from fastgibbs.methods.annealing import AnnealResult
from fastgibbs.methods.blocks import Timing
from fastgibbs.methods.sampling import Block, SampleResult
from fastgibbs.methods.tempering import Overlap, Round, TemperResult
from fastgibbs.models import RBM, BoltzmannMachine, checks

RESULTS = {"sample": SampleResult, "anneal": AnnealResult, "temper": TemperResult}
STATES = ("states", "ground_states")


def save(result, path):
    """Write a result and its model to one archive at `path`, whole or not at all; states take one bit a spin.

    Arrays have the names of the result's fields; `modelK.NAME` are those of its models, `overlap.NAME` those of its
    overlap, `observables.NAME` what was observed, `samples` the words (draws, sites of a lane, lanes // 16) of the
    states kept. All else is in the header.

    TypeError at another result, or a model that is none of this package; OSError names path and reason.
    """
    kind = next((kind for kind, cls in RESULTS.items() if isinstance(result, cls)), None)
    if kind is None:
        raise TypeError(f"result is {checks.shown(result)}: give what sample, anneal or temper returned")
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    models = values.pop("model")
    arrays, header = {}, {"models": []}
    for k, model in enumerate(models if isinstance(models, tuple) else [models]):
        parts, numbers = take_apart(model)
        arrays |= {f"model{k}.{name}": array for name, array in parts.items()}
        header["models"].append(numbers)
    if kind == "sample":
        draws = result.energy.shape[1]
        values["samples"] = np.concatenate([block.samples[:draws] for block in values.pop("_blocks")], axis=2)
        values["states"] = result.states
    values |= {f"observables.{name}": array for name, array in values.pop("observables", {}).items()}
    if kind == "temper" and (overlap := values.pop("overlap")) is not None:
        values |= {f"overlap.{name}": array for name, array in overlap._asdict().items()}
    values |= {name: pack_spins(values[name]) for name in STATES if name in values}
    for name, value in values.items():
        (arrays if isinstance(value, np.ndarray) else header)[name] = value
    write_archive(path, kind, arrays, header)


def load(path):
    """The result that `save` wrote to `path`: a SampleResult, an AnnealResult or a TemperResult.

    ValueError if the file is damaged, of a format that this version does not know, or holds no result.
    """
    kind, arrays, header, _ = read_archive(path)
    if kind not in RESULTS:
        raise ValueError(f"{path} holds a {kind}, not a result")
    models = [put_together(numbers, arrays, f"model{k}.") for k, numbers in enumerate(header.pop("models"))]
    values = {name: array for name, array in arrays.items() if "." not in name} | header
    values |= {"model": models[0] if len(models) == 1 else tuple(models), "timing": Timing(*header["timing"])}
    for name in STATES:
        if name in values:
            low = 0 if isinstance(models[0], RBM | BoltzmannMachine) else -1
            values[name] = unpack_spins(values[name], models[0].n, low)
    if kind != "anneal":
        observed = {name.partition(".")[::2]: array for name, array in arrays.items()}
        values["observables"] = {name: array for (of, name), array in observed.items() if of == "observables"}
    if kind == "temper":
        values["adaptation"] = tuple(Round(*numbers) for numbers in header["adaptation"])
        parts = {name: arrays.get(f"overlap.{name}") for name in Overlap._fields}
        values["overlap"] = None if parts["q"] is None else Overlap(**parts)
    if kind != "sample":
        return RESULTS[kind](**values)
    states, samples = values.pop("states"), values.pop("samples")
    block = Block(
        values["beta"].size,
        plan=(),
        state=(),
        rungs=None,
        energies=None,
        magnetizations=None,
        observables=None,
        samples=samples,
    )
    result = SampleResult(**values, _blocks=[block])
    vars(result)["states"] = states  # what the cached property would ask the engine for
    return result
