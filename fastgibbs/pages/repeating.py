"""How to repeat a run: the lines of Python that give the same bytes, as far as a result knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgibbs.engines.clusters import TOLD
from fastgibbs.methods.schedules import beta_schedule
from fastgibbs.models import lattice
from fastgibbs.models.lattices import Lattice
from fastgibbs.types import AnyArray

_LISTED = 16  # numbers that are written out: more are taken from the archive of the result
_OVERLAP_EVERY = 10  # where nobody asks for another
_TRAINED = (
    *("data", "steps", "chains", "batch_size", "learning_rate", "momentum", "l1", "l2", "beta", "centered"),
    *("weights", "given", "start", "history_every", "likelihood_every", "information_every", "callback"),
)  # arguments that a TrainResult does not hold
Told = Iterator[tuple[str, str]]  # names and values, as they are written


def lines(result: Any) -> str:
    """Python that runs the result's verb again with its seed; what it takes from the result itself is `run`.

    What the result does not hold is `...` there, with a word of what it was; other lines say what is not the same.
    """
    if result.KIND in ("sample", "temper") and not result.energy.shape[-1]:
        return "# the run was stopped before its first draw"
    model, recipe = _recipe(result)
    arguments, missing = dict(_arguments(result)), dict(_missing(result))
    recipe += [f"{name} = ...  # {what}: a result does not hold it" for name, what in missing.items()]
    given = {"recall": [model, "cues"], "train": [model, "data"], "fit_ising": ["samples"]}.get(result.KIND, [model])
    arguments |= {name: name for name in missing if name not in given}
    call = ",\n    ".join([*given, *(f"{name}={value}" for name, value in arguments.items())])
    needs_run = any("run." in text for text in (call, *recipe))
    archive = ['run = fg.load("run.npz")  # what run.save("run.npz") has written'] if needs_run else []
    imports = [*(["import numpy as np"] if "np." in call else []), "import fastgibbs as fg"]
    notes = [f"# {note}" for note in _notes(result)]
    return "\n".join([*imports, "", *notes, *archive, *recipe, f"again = fg.{result.KIND}(\n    {call},\n)"])


def _recipe(result: Any) -> tuple[str, list[str]]:
    """The name of the model in a call, and the lines that make it where these are short."""
    model = result.model
    if result.KIND in ("train", "fit_ising") or getattr(result, "slices", None) is not None:
        return "model", []
    if getattr(result, "together", None):
        return "models", []
    if type(model) is Lattice and model == lattice(model.sides, model.J, h=model.h):
        field = f", h={float(model.h)!r}" if model.h else ""
        return "model", [f"model = fg.lattice({model.sides!r}, J={float(model.J)!r}{field})"]
    return ("list(run.model)" if isinstance(model, tuple) else "run.model"), []


def _missing(result: Any) -> Told:
    """What a call needs and a result does not hold, and what that is."""
    if result.KIND == "train":
        yield from (("model", "as it was before it was trained"), ("data", "what it was trained on"))
    if getattr(result, "slices", None) is not None:
        yield "model", f"the TransverseIsing model, of {result.slices} slices, whose classical part is run.model"
    if result.KIND == "fit_ising":
        yield "samples", "the states that it was fitted to"
    if result.KIND == "recall":
        yield "cues", "spins (n,) or (cues, n)"
    if getattr(result, "together", None):
        yield "models", f"all {result.together} of the call, in order, this one being a part of what came of it"
    if getattr(result, "start", None) == "states":
        yield "start", "the states that it began with, (n,) or one for each chain or read"
    if getattr(result, "start", None) == "run":
        yield "start", "what the call returned that this one went on from"
    if result.KIND == "anneal" and len(result.sweeps) > 1 and not _is_default(result):
        yield "betas", "its array or schedule, of which run.betas is what one of several batches has made"


def _notes(result: Any) -> Iterator[str]:
    """What else is not the same, or need not be."""
    if getattr(result, "start", "") is None:
        yield "a file of an earlier version does not tell whether there was a start: give the same, if there was one"
    if result.KIND == "train":
        yield f"a result does not hold {', '.join(_TRAINED)}:"
        yield "give the same, where they were given"
    if result.KIND == "fit_ising":
        yield "a result does not hold graph and weights: give the same, where they were given"
    observed = [name for name in getattr(result, "observables", None) or () if name not in _told_anyway(result)]
    if observed:
        yield f"it observed {', '.join(map(repr, observed))}, by weights or functions, which a result does not hold:"
        yield "give observe={...} to have them again; all else is the same without"
    if result.KIND == "temper" and result.overlap is not None and not _overlap_every(result):
        yield f"overlaps were measured {result.overlap.draws[0]} times: give overlap_every as it was, to have the same"
    if not result.interrupted:
        return
    if result.KIND != "anneal":
        made = "more sweeps, of which its own are the first" if _made(result) != _drawn(result) else "its sweeps alone"
        yield f"the run was stopped: this makes {made}" if result.KIND != "train" else "the training was stopped"
    elif (result.done != result.sweeps).any():
        yield f"a batch was stopped after {result.done[-1]} of {result.sweeps[-1]} sweeps: this makes them all"


def _told_anyway(result: Any) -> tuple[str, ...]:
    """Observables that nobody need ask for."""
    return tuple(result.observables) if getattr(result.model, "by_worldlines", False) else TOLD


def _arguments(result: Any) -> Told:
    """All arguments that the result tells and are not the default."""
    yield from _OF[result.KIND](result)
    if getattr(result, "clamped", np.empty(0)).size:
        yield "clamp", _clamp(result)
    for name in ("rule", "scan", "engine"):
        if hasattr(result, name) and not (name == "engine" and result.KIND == "recall"):
            yield name, _text(getattr(result, name))
    yield "seed", str(result.seed)


def _clamp(result: Any) -> str:
    """The sites that kept their values, and these, of each chain or read where they differ."""
    sites = result.clamped
    values = result.states.reshape(-1, result.states.shape[-1])[:, sites]
    if (values != values[:1]).any():
        order = "np.argsort(run.read)" if result.KIND == "anneal" else ":"
        return f"{{i: run.states[{order}, i] for i in run.clamped.tolist()}}"
    if sites.size > _LISTED:
        return f"{{i: run.states{'[0]' * (result.states.ndim - 1)}[i] for i in run.clamped.tolist()}}"
    return repr(dict(zip(sites.tolist(), values[0].tolist(), strict=True)))


def _of_sample(result: Any) -> Told:
    if result.beta.ndim > 1:
        yield "beta", "fg.protocol(run.beta)"
    else:
        yield "beta", _numbers(result.beta, "run.beta")
    if result.field is not None:
        yield "field", "fg.protocol(run.field)" if result.field.ndim > 1 else _numbers(result.field, "run.field")
    yield "chains", str(result.beta.shape[-1])
    if result.at.size:
        yield "at", "run.at"
    else:
        yield "sweeps", str(_made(result))
        yield from _counts(result, burn_in=0, thin=1)
    if result.engine == "multispin":
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


def _of_temper(result: Any) -> Told:
    adapted = bool(result.adaptation)
    fixed = adapted and {one.rungs for one in result.adaptation} == {result.betas.size}  # else no ladder was given
    ends = [0, -1] if fixed else slice(None)
    if result.gammas is not None:
        yield "betas", repr(float(result.betas[0]))
        yield "gammas", _numbers(result.gammas[ends], "run.gammas", whole=True)
    elif fixed or not adapted:
        yield "betas", _numbers(result.betas[ends], "run.betas", whole=True)
    if fixed:
        yield "rungs", str(result.betas.size)
    if result.fields is not None:
        yield "fields", _numbers(result.fields, "run.fields", whole=True)
    yield "sweeps", str(_made(result))
    yield "burn_in", str(result.burn_in)
    yield "ladders", str(len(result.states))
    yield from _counts(result, thin=1, swap_every=1)
    if result.clusters is not None:
        yield "clusters", _text(result.clusters)
        yield "cluster_every", str(result.cluster_every)
    if result.overlap is None and len(result.states) > 1 and not getattr(result.model, "by_worldlines", False):
        yield "overlap_every", "0"
    elif result.overlap is not None and _overlap_every(result) not in (0, _OVERLAP_EVERY):
        yield "overlap_every", str(_overlap_every(result))
    if result.bins is not None:
        yield "record", '"bins"'


def _of_anneal(result: Any) -> Told:
    single = len(result.sweeps) == 1
    if result.slices is not None:
        yield "beta", repr(float(result.betas[0]))
        yield "gammas", "run.gammas"
    elif result.population is not None:
        every = int((result.betas == result.betas[0]).sum())
        yield "betas", f"run.betas[::{every}]"
        yield from (("population", "True"), ("resample_every", str(every)))
    elif single and not _is_default(result):
        yield "betas", "run.betas"
    yield "sweeps", str(result.sweeps[0]) if single else str(result.sweeps.tolist())
    yield "reads", str(result.energy.size)
    if result.kept_energy.size:
        yield "keep", str(result.kept_energy.size)


def _of_recall(result: Any) -> Told:
    yield "beta", "np.inf" if result.beta == np.inf else repr(result.beta)
    yield "sweeps", str(result.overlaps.shape[1])


def _of_train(result: Any) -> Told:
    yield "method", _text(result.method)
    yield "epochs", str(result.epochs)


def _of_fit(result: Any) -> Told:
    yield "method", _text(result.method)
    if result.path is not None:
        yield "l1", _numbers(result.path.l1, "run.path.l1", whole=True)
    elif result.l1:
        yield "l1", repr(result.l1)
    yield "l2", repr(result.l2)


_OF = {"sample": _of_sample, "temper": _of_temper, "anneal": _of_anneal, "recall": _of_recall, "train": _of_train}
_OF |= {"fit_ising": _of_fit}


def _is_default(result: Any) -> bool:
    """Whether annealing went by the schedule of `beta_schedule`."""
    if result.slices is not None or result.population is not None:
        return True  # their betas are told otherwise
    return np.array_equal(result.betas, beta_schedule(result.model, result.betas.size))


def _drawn(result: Any) -> int:
    """The sweeps from the end of burn-in to the last draw, or those of a recall."""
    return int(result.thin * result.energy.shape[-1]) if hasattr(result, "thin") else result.overlaps.shape[1]


def _made(result: Any) -> int:
    """Sweeps that give at least its draws: what a ladder was adapted in, and whole periods of a protocol, ask for."""
    drawn = _drawn(result)
    if result.KIND == "temper" and len(result.adaptation) > 1:
        return max(drawn, 8 * result.adaptation[-2].sweeps)
    if result.KIND == "sample" and result.driven and not result.at.size:
        periods = [len(of) for of in (result.beta, result.field) if of is not None and of.ndim > 1]
        period = int(np.lcm.reduce(periods))
        return -(-(result.burn_in + drawn) // period) * period - result.burn_in
    return drawn


def _overlap_every(result: Any) -> int:
    """The sweeps between measurements of overlaps, or 0 if their number leaves it open."""
    measured, made = int(result.overlap.draws[0]), _drawn(result)
    if measured == made // _OVERLAP_EVERY:
        return _OVERLAP_EVERY
    fitting = range(made // (measured + 1) + 1, made // max(measured, 1) + 1)
    return fitting[0] if len(fitting) == 1 else 0


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
