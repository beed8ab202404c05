"""Models and results in the types of other libraries, each imported only where it is used."""

from fastgibbs.integrations.bqm import to_bqm, to_sampleset
from fastgibbs.integrations.networkx import to_networkx
from fastgibbs.integrations.pandas import to_dataframe
from fastgibbs.integrations.qubo import to_qubo
from fastgibbs.integrations.scipy import to_scipy
from fastgibbs.integrations.xarray import to_xarray

__all__ = ["to_bqm", "to_dataframe", "to_networkx", "to_qubo", "to_sampleset", "to_scipy", "to_xarray"]
