"""Results in the types of other libraries, each imported only where it is used."""

from fastgibbs.integrations.pandas import to_dataframe
from fastgibbs.integrations.xarray import to_xarray

__all__ = ["to_dataframe", "to_xarray"]
