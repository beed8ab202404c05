"""Results as `xarray.Dataset`. Needs xarray."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastgibbs.integrations.tables import Coordinates, Table, Tabular, table

if TYPE_CHECKING:
    import xarray


def to_xarray(result: Tabular) -> xarray.Dataset:
    """The records of a result as a plain `xarray.Dataset`, which ArviZ takes as it is: chains of one law a dimension.

    SampleResult: energy and magnetization (chain, draw), and then beta, field and model, the number of each, where
    there are several; chains count from 0 at each. TemperResult: the same (chain, draw, rung), a chain for each
    ladder, beta a coordinate of rung. AnnealResult: energy (read), trace_min and trace_mean (sweep), beta a
    coordinate of sweep. RecallResult: overlaps (cue, sweep, pattern), converged and sweeps_needed coordinates of cue.
    TrainResult: the columns of its history (epoch). Observables stand beside the energy. Of a run that kept bins, bin
    takes the place of draw, with draws, how many each has, as a coordinate: means of energy, energy2 = E^2,
    magnetization, magnetization_abs = |m|, magnetization2, magnetization4 and observables. The settings of the run are
    attributes, the seed as text.

    ImportError if xarray is missing; TypeError at another result; ValueError where some betas, fields or models have
    more chains than others: `to_dataframe` takes those.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, sweeps=10, seed=1)
    >>> dict(run.to_xarray().energy.sizes)
    {'chain': 64, 'draw': 10}
    """
    try:
        import xarray
    except ImportError as error:
        raise ImportError("to_xarray needs xarray: pip install 'fastgibbs[xarray]'") from error
    flat = table(result)
    if flat.coordinates.get("beta", ("",))[0] == "chain":
        flat = _by_law(flat)
    return xarray.Dataset(flat.variables, flat.coordinates, flat.attributes)


def _by_law(flat: Table) -> Table:
    """A table whose chains run at one beta, field and model each, with these as axes where there are several."""
    numbers, laws = dict(flat.coordinates), {}
    for name in ("beta", "field", "model"):
        if name in numbers:
            values, place = np.unique(numbers.pop(name)[1], return_inverse=True)
            laws[name] = values, place
    size = tuple(values.size for values, _ in laws.values())
    law = np.ravel_multi_index([place for _, place in laws.values()], size)
    chains = np.bincount(law, minlength=np.prod(size))
    if (chains != chains[0]).any():
        raise ValueError(
            f"a Dataset needs as many chains for each beta, field and model, here there are {chains.min()} to "
            f"{chains.max()}: use to_dataframe, or sample them apart"
        )
    order = np.argsort(law, kind="stable").reshape(*size, -1)
    several = [name for name, values in zip(laws, size, strict=True) if values > 1]
    order = order.reshape(*(values for values in size if values > 1), -1)
    coordinates: Coordinates = {"chain": ("chain", np.arange(chains[0]))}
    coordinates |= {name: number for name, number in numbers.items() if number[0] in ("draw", "bin")}
    for name, (values, _) in laws.items():
        coordinates[name] = (name, values) if name in several else ((), values[0])
    variables = {}
    for name, ((_, draw, *others), values) in flat.variables.items():
        by_law = np.moveaxis(values[order], range(len(several)), range(2, 2 + len(several)))
        variables[name] = ("chain", draw, *several, *others), by_law
    return Table(variables, coordinates, flat.attributes)
