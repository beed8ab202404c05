"""How to repeat a run: the lines of Python that give the same bytes, as far as a result knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgibbs.methods.schedules import beta_schedule
from fastgibbs.models import lattice
from fastgibbs.models.lattices import Lattice
from fastgibbs.types import AnyArray

_LISTED = 16  # numbers that are written out: more are taken from the archive of the result
_UNKNOWN = {
    "sample": ("start", "observe"),
    "temper": ("start", "observe", "overlap_every"),
    "anneal": ("start", "target_energy", "keep"),
    "recall": ("cues",),
    "train": ("data", "steps", "chains", "batch_size", "learning_rate"),
    "fit_ising": ("samples", "graph", "weights"),
}  # arguments that results do not hold


def lines(result: Any) -> str:
    """Python that runs the result's verb again with its seed; what it takes from the result itself is `run`.

    A line says which arguments the result does not hold.
    """
    if result.KIND in ("sample", "temper") and not result.energy.shape[-1]:
        return "# the run was stopped before its first draw"
    model, recipe = _recipe(result.model)
    arguments = dict(_arguments(result))
    if result.KIND == "train":
        model, recipe = "model", ["model = ...  # as it was before it was trained"]
    given = {"recall": [model, "cues"], "train": [model, "data"], "fit_ising": ["samples"]}.get(result.KIND, [model])
    call = ",\n    ".join([*given, *(f"{name}={value}" for name, value in arguments.items())])
    needs_run = any("run." in text for text in (call, *recipe))
    archive = ['run = fg.load("run.npz")  # what run.save("run.npz") has written'] if needs_run else []
    imports = [*(["import numpy as np"] if "np." in call else []), "import fastgibbs as fg"]
    unknown = ", ".join(_UNKNOWN[result.KIND])
    notes = [f"# a result does not hold {unknown}: give the same, where they were given"]
    if result.KIND == "temper":
        notes.append("# if it was one of several models in a call, which differ in signs alone: give all of them")
    if result.interrupted:
        notes.append("# the run was stopped: this makes the sweeps that it had made")
    return "\n".join([*imports, "", *notes, *archive, *recipe, f"again = fg.{result.KIND}(\n    {call},\n)"])


def _recipe(model: Any) -> tuple[str, list[str]]:
    """The name of the model in a call, and the lines that make it where these are short."""
    if type(model) is Lattice and model == lattice(model.sides, model.J, h=model.h):
        field = f", h={model.h!r}" if model.h else ""
        return "model", [f"model = fg.lattice({model.sides!r}, J={model.J!r}{field})"]
    return ("list(run.model)" if isinstance(model, tuple) else "run.model"), []


def _arguments(result: Any) -> Iterator[tuple[str, str]]:
    """Names and values, as they are written, of all arguments that the result tells and are not the default."""
    yield from _OF[result.KIND](result)
    if getattr(result, "clamped", np.empty(0)).size:
        whole = "run.states[0, 0, i]" if result.KIND == "temper" else "run.states[:, i]"
        yield "clamp", f"{{i: {whole} for i in run.clamped.tolist()}}"
    for name in ("rule", "scan", "engine"):
        if hasattr(result, name) and (name, result.KIND) not in (("engine", "recall"),):
            yield name, _text(getattr(result, name))
    yield "seed", str(result.seed)


def _of_sample(result: Any) -> Iterator[tuple[str, str]]:
    if result.driven:
        yield "beta", "fg.protocol(run.beta)" if result.beta.ndim > 1 else "run.beta"
    else:
        yield "beta", _numbers(result.beta, "run.beta")
    if result.field is not None:
        yield "field", "fg.protocol(run.field)" if result.field.ndim > 1 else _numbers(result.field, "run.field")
    yield "chains", str(result.beta.shape[-1])
    if result.at.size:
        yield "at", "run.at"
    else:
        yield "sweeps", str(result.thin * result.energy.shape[1])
        yield from _counts(result, burn_in=0, thin=1)
    if result.strips > 1:
        yield "strips", str(result.strips)
    if result.refractory is not None:
        yield "refractory", str(result.refractory)
    if result.clusters is not None:
        yield "clusters", _text(result.clusters)
        yield "cluster_every", str(result.cluster_every)
    if result.bins is not None:
        yield "record", '"bins"'
    elif result._blocks[0].record.samples.size:
        yield "keep_states", "True"


def _of_temper(result: Any) -> Iterator[tuple[str, str]]:
    if result.gammas is not None:
        yield "betas", repr(float(result.betas[0]))
        yield "gammas", _numbers(result.gammas, "run.gammas", whole=True)
    elif not result.adaptation:
        yield "betas", _numbers(result.betas, "run.betas", whole=True)
    elif result.adaptation[0].rungs == result.betas.size:  # else neither was given
        yield "betas", _numbers(result.betas[[0, -1]], "run.betas[[0, -1]]", whole=True)
        yield "rungs", str(result.betas.size)
    if result.fields is not None:
        yield "fields", _numbers(result.fields, "run.fields", whole=True)
    ladders, _, draws = result.energy.shape
    yield "sweeps", str(result.thin * draws)
    yield "burn_in", str(result.burn_in)
    yield "ladders", str(ladders)
    yield from _counts(result, thin=1, swap_every=1)
    if result.clusters is not None:
        yield "clusters", _text(result.clusters)
        yield "cluster_every", str(result.cluster_every)
    if result.overlap is None and ladders > 1:
        yield "overlap_every", "0"
    if result.bins is not None:
        yield "record", '"bins"'


def _of_anneal(result: Any) -> Iterator[tuple[str, str]]:
    single = len(result.sweeps) == 1
    if result.slices is not None:
        yield "beta", repr(float(result.betas[0]))
        yield "gammas", "run.gammas"
    elif result.population is not None:
        every = int((result.betas == result.betas[0]).sum())
        yield "betas", f"run.betas[::{every}]"
        yield from (("population", "True"), ("resample_every", str(every)))
    elif single and not np.array_equal(result.betas, beta_schedule(result.model, int(result.sweeps[0]))):
        yield "betas", "run.betas"
    yield "sweeps", str(result.sweeps[0]) if single else str(result.sweeps.tolist())
    yield "reads", str(result.energy.size)


def _of_recall(result: Any) -> Iterator[tuple[str, str]]:
    yield "beta", "np.inf" if result.beta == np.inf else repr(result.beta)
    yield "sweeps", str(result.overlaps.shape[1])


def _of_train(result: Any) -> Iterator[tuple[str, str]]:
    yield "method", _text(result.method)
    yield "epochs", str(result.epochs)


def _of_fit(result: Any) -> Iterator[tuple[str, str]]:
    yield "method", _text(result.method)
    if result.path is not None:
        yield "l1", _numbers(result.path.l1, "run.path.l1", whole=True)
    elif result.l1:
        yield "l1", repr(result.l1)
    yield "l2", repr(result.l2)


_OF = {"sample": _of_sample, "temper": _of_temper, "anneal": _of_anneal, "recall": _of_recall, "train": _of_train}
_OF |= {"fit_ising": _of_fit}


def _counts(result: Any, **defaults: int) -> Iterator[tuple[str, str]]:
    for name, default in defaults.items():
        if getattr(result, name) != default:
            yield name, str(getattr(result, name))


def _text(value: str) -> str:
    return f'"{value}"'


def _numbers(values: AnyArray, name: str, whole: bool = False) -> str:
    """Numbers written out: one for all, a few that are repeated, or a few; of more the `name`."""
    different = values[np.append(True, values[1:] != values[:-1])]
    count = -(-values.size // different.size)
    listed = f"[{', '.join(map(_number, different))}]"
    if not whole and different.size == 1:
        return _number(values[0])
    if different.size > _LISTED:
        return name
    if different.size == values.size:
        return listed
    return f"np.repeat({listed}, {count})" if np.array_equal(np.repeat(different, count), values) else name


def _number(value: float) -> str:
    return "np.inf" if value == np.inf else repr(float(value))
