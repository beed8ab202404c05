"""What every result can do: be saved, and become a table of another library."""

from dataclasses import dataclass
from functools import partial

from fastgibbs import integrations

run_result = partial(dataclass, frozen=True, repr=False, eq=False)  # of a run: equal to itself alone, and so hashed


class Result:
    """The base of SampleResult, AnnealResult and TemperResult."""

    def save(self, path):
        """Write this result and its model to one archive, which `fastgibbs.load` reads; whole or not at all.

        It is an .npz without pickle, under a checksum; states take one bit a spin. OSError names path and reason.
        """
        from fastgibbs.methods.storage import save  # which builds results

        save(self, path)

    def to_xarray(self):
        """A plain `xarray.Dataset`, which ArviZ takes as it is (see `fastgibbs.integrations.xarray.to_xarray`)."""
        return integrations.to_xarray(self)

    def to_dataframe(self):
        """A long `pandas.DataFrame` (see `fastgibbs.integrations.pandas.to_dataframe`)."""
        return integrations.to_dataframe(self)
