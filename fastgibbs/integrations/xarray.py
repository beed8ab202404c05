"""Results as `xarray.Dataset`. Needs xarray."""

from fastgibbs.integrations.tables import table


def to_xarray(result):
    """The records of a result as a plain `xarray.Dataset`, which ArviZ takes as it is.

    SampleResult: energy and magnetization (chain, draw), beta a coordinate of chain. TemperResult: the same (chain,
    draw, rung), a chain for each ladder, beta a coordinate of rung. AnnealResult: energy (read), trace_min and
    trace_mean (sweep), beta a coordinate of sweep. Observables stand beside the energy. The settings of the run are
    attributes, the seed as text.

    ImportError if xarray is missing; TypeError at another result.
    """
    try:
        import xarray
    except ImportError as error:
        raise ImportError("to_xarray needs xarray: pip install 'fastgibbs[xarray]'") from error
    return xarray.Dataset(*table(result))
