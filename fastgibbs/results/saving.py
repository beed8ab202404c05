"""Archives of results and models: `save` and `load`."""

from __future__ import annotations

from fastgibbs.io import Archive, read_archive, write_archive
from fastgibbs.models import Energy, checks
from fastgibbs.results import parts
from fastgibbs.results.annealed import AnnealResult
from fastgibbs.results.base import Result
from fastgibbs.results.fitted import IsingFit
from fastgibbs.results.recalled import RecallResult
from fastgibbs.results.sampled import SampleResult
from fastgibbs.results.tempered import TemperResult
from fastgibbs.results.trained import TrainResult
from fastgibbs.types import ModelLike, PathLike

RESULTS = {cls.KIND: cls for cls in (SampleResult, AnnealResult, TemperResult, RecallResult, TrainResult, IsingFit)}


def save(thing: ModelLike | Result, path: PathLike) -> None:
    """Write a model, or a result with its model, to one archive at `path`, whole or not at all; `load` reads it.

    It is an .npz without pickle, under a checksum. TypeError at anything else, and at a model that is none of this
    package; OSError names path and reason.

    >>> import fastgibbs as fg
    >>> fg.save(fg.lattice((8, 8)), "model.npz")
    >>> fg.load("model.npz")
    Ising(n=64, bonds=128, fields=0)
    """
    if isinstance(thing, Result):
        thing.save(path)
    else:
        right = "a model, or what sample, anneal, temper, recall, train or fit_ising returned"
        checks.able("thing", thing, "to_spins", right)
        write_archive(path, "model", *parts.take_apart({"model": thing}))


def load(path: PathLike) -> Energy | Result:
    """The model or result that `save`, or the method `save` of a result, wrote to `path`.

    ValueError if the file is damaged, of a format that this version does not know, or holds neither, or a result that
    no run can have returned.

    >>> import fastgibbs as fg
    >>> fg.sample(fg.lattice((8, 8)), beta=0.4, sweeps=10, seed=1).save("run.npz")
    >>> fg.load("run.npz").energy.shape
    (64, 10)
    """
    archive = read_archive(path)
    archive.header.pop("task", None)  # of a campaign, which knows it
    return loaded(path, archive)


def loaded(path: PathLike, archive: Archive) -> Energy | Result:
    """The model or result that an archive at `path` holds; errors as of `load`."""
    kind, arrays, header, _ = archive
    if kind not in RESULTS and kind != "model":
        raise ValueError(f"{path} holds a {kind}, not a result")
    cls = RESULTS.get(kind)
    try:
        if cls is None:
            model = parts.put_together([], arrays, header, set())["model"]
            if isinstance(model, tuple):
                raise ValueError("it holds several")
            return model
        return cls._of(parts.put_together(cls._stored(), arrays, header, parts.optional(cls)))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = "a model that nobody saved" if cls is None else f"a {kind} that no run returns"
        raise ValueError(f"{path} holds {what}: {type(error).__name__}: {error}") from error
