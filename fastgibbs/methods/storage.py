"""Results with their models as archives: `load`, and `save` for the results themselves."""

import dataclasses

import numpy as np

from fastgibbs.engines import contract
from fastgibbs.io import pack_spins, put_together, read_archive, take_apart, unpack_spins, write_archive
from fastgibbs.methods.answers import AnnealResult
from fastgibbs.methods.blocks import ENGINES, Timing
from fastgibbs.methods.sampling import Block, SampleResult
from fastgibbs.methods.tempering import Overlap, Round, TemperResult
from fastgibbs.models import checks

RESULTS = {"sample": SampleResult, "anneal": AnnealResult, "temper": TemperResult}
COLD = {"sample": "beta", "anneal": "betas"}  # which may be inf
STATES = ("states", "last_states", "ground_states", "kept_states")
_PAIRS = dict.fromkeys((f"overlap.{name}" for name in Overlap._fields), "f8 pairs rungs")
SHAPES = {  # type and axes of the arrays of a result; an axis of one name has one size
    "sample": dict(energy="f8 chains draws", magnetization="f8 chains draws", beta="f8 chains")
    | dict(observables="f8 chains draws ...", states="u1 chains bytes", samples="u2 kept sites groups"),
    "anneal": dict(energy="f8 best", read="i8 best", states="u1 best bytes", last_states="u1 best bytes")
    | dict(
        ground_states="u1 candidates bytes",
        ground_counts="i8 candidates",
        kept_energy="f8 kept",
        kept_states="u1 kept bytes",
        kept_counts="i8 kept",
        trace_min="f8 seen",
        trace_mean="f8 seen",
        betas="f8 schedule",
        sweeps="i8 batches",
        done="i8 batches",
    ),
    "temper": dict(energy="f8 ladders rungs draws", magnetization="f8 ladders rungs draws", betas="f8 rungs")
    | dict(observables="f8 ladders rungs draws ...", states="u1 ladders rungs bytes", acceptance="f8 gaps")
    | dict(round_trips="i8 ladders rungs", restarts="i8 ladders rungs", flow="f8 rungs")
    | _PAIRS
    | {"overlap.draws": "i8 pairs", "overlap.histogram": "i8 pairs rungs bins"},
}


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

    ValueError if the file is damaged, of a format that this version does not know, or holds no result, or one that no
    run can have returned.
    """
    kind, arrays, header, _ = read_archive(path)
    if kind not in RESULTS:
        raise ValueError(f"{path} holds a {kind}, not a result")
    try:
        return _result(kind, arrays, header)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds a {kind} that no run returns: {type(error).__name__}: {error}") from error


def _result(kind: str, arrays: dict, header: dict):
    sizes = _check_arrays(kind, arrays)
    _check_numbers(header)
    models = []
    for k, numbers in enumerate(header.pop("models")):
        models.append(put_together(numbers, arrays, f"model{k}."))
        if sizes["bytes"] != -(-models[k].n // 8):
            raise ValueError(f"states take {sizes['bytes']} bytes: model {k} has {models[k].n} sites, a bit each")
    values = {name: array for name, array in arrays.items() if "." not in name} | header
    values |= {"model": models[0] if len(models) == 1 else tuple(models), "timing": Timing(*header["timing"])}
    for name in STATES:
        if name in values:
            values[name] = unpack_spins(values[name], models[0].n, models[0].low)
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
    draws, sites, groups = samples.shape
    needed = sizes["chains"] * values["strips"]
    if draws not in (0, sizes["draws"]) or sites * values["strips"] != models[0].n or not needed <= 16 * groups < 2**31:
        raise ValueError(f"samples have shape {samples.shape}, of {sizes} and {values['strips']} strips")
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


def _check_arrays(kind: str, arrays: dict) -> dict[str, int]:
    """The sizes that the arrays of a result agree on; ValueError if they do not, or at a number that is not finite."""
    sizes = {}
    for name, array in arrays.items():
        part = name.partition(".")[0]
        dtype, *axes = SHAPES[kind].get(name, SHAPES[kind].get(part, "")).split() or [array.dtype.str]
        known = {axis: size for axis, size in zip(axes, array.shape, strict=False) if axis != "..."}
        right = len(known) == array.ndim or axes[-1:] == ["..."]
        if axes and not (right and array.dtype == dtype and len(known) == len(set(axes) - {"..."})):
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}: give {dtype} ({', '.join(axes)})")
        for axis, size in known.items():
            if sizes.setdefault(axis, size) != size:
                raise ValueError(f"{name} has {size} {axis}: others have {sizes[axis]}")
        cold = (array == np.inf) & (name == COLD.get(kind))
        if array.dtype.kind == "f" and part != "observables" and not (np.isfinite(array) | cold).all():
            raise ValueError(f"{name} holds a number that is not finite")
    return sizes


def _check_numbers(header: dict):
    """ValueError or TypeError at a number of a header that no result has."""
    least = {"seed": 0, "burn_in": 0, "thin": 1, "swap_every": 1, "strips": 1}
    for name, value in header.items():
        if name in least:
            checks.integer(name, value, least[name], np.inf)
    checks.flag("interrupted", header["interrupted"])
    checks.choice("engine", header["engine"], ENGINES)
    checks.choice("rule", header["rule"], contract.RULES)
    checks.choice("scan", header.get("scan", "sequential"), contract.SCANS)
    for value in header["timing"]:
        checks.finite_number("timing", value)
    checks.finite_number("attempts", header.get("attempts", 0))
