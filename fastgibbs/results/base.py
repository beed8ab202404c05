"""What every result can do: be saved, and become a table of another library."""

import time
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from fastgibbs import integrations

run_result = partial(dataclass, frozen=True, repr=False, eq=False)  # of a run: equal to itself alone, and so hashed


class Timing(NamedTuple):
    """Seconds spent compiling (or loading compiled code), in kernels, and in all; attempts per kernel second."""

    compile: float
    kernel: float
    total: float
    updates_per_second: float

    @classmethod
    def of(cls, end, updates: int, began: float):
        """The timing of a run that has come to an `end` (see methods/running.py) and was begun at this time."""
        seconds = time.perf_counter() - began
        return cls(end.compiling, end.seconds, seconds, updates / max(end.seconds, 1e-9))


class Result:
    """The base of SampleResult, AnnealResult and TemperResult."""

    def save(self, path):
        """Write this result and its model to one archive, which `fastgibbs.load` reads; whole or not at all.

        It is an .npz without pickle, under a checksum; states take one bit a spin. OSError names path and reason.
        """
        from fastgibbs.results.archives import save  # which builds results

        save(self, path)

    def to_xarray(self):
        """A plain `xarray.Dataset`, which ArviZ takes as it is (see `fastgibbs.integrations.xarray.to_xarray`)."""
        return integrations.to_xarray(self)

    def to_dataframe(self):
        """A long `pandas.DataFrame` (see `fastgibbs.integrations.pandas.to_dataframe`)."""
        return integrations.to_dataframe(self)
