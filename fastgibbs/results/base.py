"""What every result can do: be saved and shown, and become a table of another library."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, dataclass_transform

import numpy as np

from fastgibbs import integrations
from fastgibbs.analysis.reports import Report, shown
from fastgibbs.fields import Field, described, fields
from fastgibbs.integrations.tables import Table
from fastgibbs.io import write_archive
from fastgibbs.models import checks
from fastgibbs.results.parts import take_apart
from fastgibbs.types import IntArray, PathLike

if TYPE_CHECKING:
    import dimod
    import pandas
    import xarray

T = TypeVar("T")
SITES = "int64 (clamped,)", "The sites that kept their values, ascending; `states` tells which."
BEGUN = 'How it began: "random", by spins of its own, from "states", or where another "run" stood; None of old files.'
CHOSEN = "int64 (chosen,)", "The sweep of every draw, where these were chosen, by `at`; none otherwise."


@dataclass_transform(eq_default=False, frozen_default=True)
def run_result(cls: type[T]) -> type[T]:
    """The class as a frozen dataclass that is equal to itself alone, and so hashed, its docstring with its fields."""
    return described(dataclasses.dataclass(frozen=True, repr=False, eq=False)(cls))


def no_sites() -> IntArray:
    """Where nothing was clamped, or chosen."""
    return np.empty(0, np.int64)


class Ended(Protocol):
    """What a run has taken (see methods/running.py)."""

    @property
    def compiling(self) -> float:
        """Seconds spent compiling."""

    @property
    def seconds(self) -> float:
        """Seconds in kernels."""


@described
class Timing(NamedTuple):
    """How long a run took."""

    compile: Annotated[float, "Seconds spent compiling, or loading compiled code."]
    kernel: Annotated[float, "Seconds in kernels."]
    total: Annotated[float, "Seconds in all."]
    updates_per_second: Annotated[float, "Single-spin attempts per second in kernels."]

    @classmethod
    def of(cls, end: Ended, updates: int, began: float) -> Timing:
        """The timing of a run that has come to an `end` (see methods/running.py) and was begun at this time."""
        seconds = time.perf_counter() - began
        return cls(end.compiling, end.seconds, seconds, updates / max(end.seconds, 1e-9))


class Result:
    """The base of all that runs return: SampleResult, AnnealResult, TemperResult, RecallResult, TrainResult and
    IsingFit.

    Of a class: KIND, what its archives are called; `report()` and `table()`.
    """

    if TYPE_CHECKING:  # what each of them has of its own
        KIND: ClassVar[str]
        model: Any
        seed: int
        interrupted: bool

        def report(self) -> Report:
            """What it has to say."""

        def table(self) -> Table:
            """Its records as named arrays."""

    def save(self, path: PathLike) -> None:
        """Write this result and its model to one archive, which `fastgibbs.load` reads; whole or not at all.

        It is an .npz without pickle, under a checksum; states take one bit a spin. OSError names path and reason.

        >>> import fastgibbs as fg
        >>> fg.sample(fg.lattice((8, 8)), beta=0.4, sweeps=10, seed=1).save("run.npz")
        """
        write_archive(path, self.KIND, *take_apart(self._values()))

    def summary(self) -> str:
        """What it has to say, and whether to believe it (see `fastgibbs.analysis.summary`).

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2] * 8, sweeps=1000, seed=1)
        >>> print(run.summary().splitlines()[-1])
        Every chain is at least 50 tau long, and no R-hat is above 1.01.
        """
        return str(self.report())

    def to_xarray(self) -> xarray.Dataset:
        """A plain `xarray.Dataset`, which ArviZ takes as it is (see `fastgibbs.integrations.xarray.to_xarray`).

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.4], sweeps=50, seed=1)
        >>> dict(run.to_xarray().sizes)
        {'chain': 1, 'draw': 50, 'beta': 2}
        """
        return integrations.to_xarray(self)

    def to_dataframe(self) -> pandas.DataFrame:
        """A long `pandas.DataFrame` (see `fastgibbs.integrations.pandas.to_dataframe`).

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((8, 8)), beta=[0.2, 0.4], sweeps=50, seed=1)
        >>> run.to_dataframe().shape
        (100, 5)
        """
        return integrations.to_dataframe(self)

    def to_sampleset(self) -> dimod.SampleSet:
        """A `dimod.SampleSet` of its states (see `fastgibbs.integrations.bqm.to_sampleset`).

        >>> import fastgibbs as fg
        >>> run = fg.anneal(fg.lattice((2, 2)), reads=2, seed=1)
        >>> float(run.to_sampleset().first.energy)
        -8.0
        """
        return integrations.to_sampleset(self)

    def _ends(self) -> str:
        """What its repr ends with, if there is anything to say."""
        clamped = len(getattr(self, "clamped", ()))
        return (f", clamped={clamped}" if clamped else "") + (", interrupted" if self.interrupted else "")

    def _settings(self) -> dict[str, int | float | str]:
        """The model, and all numbers and texts among the fields, as attributes of a table: the seed is text."""
        values = {field.name: getattr(self, field.name) for field in fields(type(self))}
        found = {name: value for name, value in values.items() if isinstance(value, int | float | str)}
        found = {name: int(value) if isinstance(value, bool) else value for name, value in found.items()}  # netCDF
        return {"model": repr(self.model), **found, "seed": str(self.seed)}

    def _values(self) -> dict[str, Any]:
        """All that an archive holds of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(type(self))}

    @classmethod
    def _stored(cls) -> list[Field]:
        """What they are."""
        return fields(cls)

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        """The result of such values; ValueError if no run returns it."""
        model, sites = values["model"], values.get("clamped", no_sites())
        if isinstance(model, tuple) and not hasattr(cls, "model_number"):
            raise ValueError(f"it holds {len(model)} models, not one")
        n = (model[0] if isinstance(model, tuple) else model).n
        if (np.diff(sites, prepend=-1) < 1).any() or sites.max(initial=-1) >= n:
            raise ValueError(f"clamped sites are {checks.shown(sites)}: give some of 0 to {n - 1}, ascending")
        return cls(**values)

    def _repr_html_(self) -> str:
        return shown(self)
