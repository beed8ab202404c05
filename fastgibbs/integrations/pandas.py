"""Results as long `pandas.DataFrame`. Needs pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastgibbs.integrations.tables import Tabular, long, table

if TYPE_CHECKING:
    import pandas


def to_dataframe(result: Tabular) -> pandas.DataFrame:
    """The records of a result as a `pandas.DataFrame` with one row per energy, overlap or epoch.

    Columns: chain, draw, beta, field if one was given, model (the number, where there are several), energy,
    magnetization of a SampleResult; chain, draw, rung, beta, field or gamma of a ladder in these, energy, magnetization
    of a TemperResult, a chain for each ladder; read and energy of an AnnealResult; cue, sweep, pattern, converged,
    sweeps_needed and overlaps of a RecallResult; epoch and the other columns of the history of a TrainResult.
    Observables follow by name, those that are arrays entry by entry, as NAME[0], NAME[1] ... The settings of the run
    are in `.attrs`, the seed as text.

    ImportError if pandas is missing; TypeError at another result.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((8, 8)), beta=0.4, sweeps=10, seed=1)
    >>> run.to_dataframe().columns.tolist()
    ['chain', 'draw', 'beta', 'energy', 'magnetization']
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install 'fastgibbs[xarray]', which brings it") from error
    flat = table(result)
    frame = pandas.DataFrame(long(flat))
    frame.attrs = flat.attributes
    return frame
