"""Points of a run: the beta and the extra field b of every chain, E_b(s) = E(s) - b sum_i s_i, in every sweep."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastgibbs.methods.jobs import Length
from fastgibbs.models import checks
from fastgibbs.models.protocols import Protocol
from fastgibbs.types import ArrayLike, FloatArray, IntArray


class Points(NamedTuple):
    """Sweep s of a run is made at row (s - 1) mod rows, each chain in its column; one row or column stands for all."""

    betas: FloatArray  # float64 (rows or 1, chains or 1)
    fields: FloatArray | None  # float64 (rows or 1, chains or 1), or None in the model's own field
    chains: int

    def shown(self, values: FloatArray) -> FloatArray:
        """Betas or fields as results have them: float64 (chains,), or (rows, chains) of a protocol."""
        return np.broadcast_to(
            values[0] if len(values) == 1 else values, (*values.shape[: len(values) > 1], self.chains)
        )

    def of(self, first: int, last: int) -> tuple[FloatArray, FloatArray | None, IntArray]:
        """Of chains `first` ... `last - 1` distinct betas and fields, (rungs,), and which each has, (rows, chains)."""
        count = min(last, self.chains) - first
        parts = [of if of.shape[1] == 1 else of[:, first:last] for of in self if isinstance(of, np.ndarray)]
        if self.fields is None:
            betas, places = np.unique(parts[0], return_inverse=True)
            return betas, None, np.broadcast_to(places.reshape(parts[0].shape), (len(parts[0]), count))
        betas, fields = (np.resize(of, (self.rows, of.shape[1])) for of in parts)
        points, places = np.unique(betas + 1j * fields, return_inverse=True)
        shape = np.broadcast_shapes(betas.shape, fields.shape)
        return points.real.copy(), points.imag.copy(), np.broadcast_to(places.reshape(shape), (self.rows, count))

    def saved(self, models: int) -> dict[str, object]:
        """What a run that goes on has in common with one that was saved: the points of each model's chains."""
        given = dict(beta=self.betas) | ({} if self.fields is None else dict(field=self.fields))
        return {name: np.split(self.shown(values), models, axis=-1) for name, values in given.items()}

    @property
    def rows(self) -> int:
        """From one beginning to the next: a period of both."""
        return int(np.lcm(len(self.betas), 1 if self.fields is None else len(self.fields)))

    @property
    def driven(self) -> bool:
        """Whether any sweep is made at another point than the one before."""
        return self.rows > 1


def asked_points(
    beta: ArrayLike | Protocol, field: ArrayLike | Protocol | None, chains: int | None, models: int, length: Length
) -> Points:
    """The points that a user asks for; ValueError or TypeError, naming the argument, where they do not fit."""
    given = {"beta": _rows("beta", beta, length)} | ({} if field is None else {"field": _rows("field", field, length)})
    count = None if chains is None else checks.integer("chains", chains)
    for name, (values, of_each) in given.items():
        if of_each:
            if count is not None and count != values.shape[1]:
                told = f"chains is {count}" if chains is not None else f"there are {count} chains"
                raise ValueError(f"{told} but {name} holds {values.shape[1]} values: give one {name} per chain")
            count = values.shape[1]
    if count is None:
        count = models if models > 1 else 64
    if count % models:
        raise ValueError(f"chains is {count}: give a multiple of the {models} models")
    return Points(given["beta"][0], given["field"][0] if field is not None else None, count)


def _rows(name: str, value: ArrayLike | Protocol, length: Length) -> tuple[FloatArray, bool]:
    """Values as float64 (rows, chains or 1), and whether each chain has its own."""
    found = checks.inverse_temperatures if name == "beta" else checks.finite_array
    if not isinstance(value, Protocol):
        values = found(name, value)
        if values.ndim > 1 or values.size == 0:
            raise ValueError(
                f"{name} has shape {values.shape}: give a number, a 1-D array, one per chain, or a protocol"
            )
        return values.reshape(1, -1).copy(), values.ndim == 1
    values = found(f"the values of {name}", value.values)
    period, burn_in, sweeps = value.period, length.burn_in, length.sweeps
    if length.at is None and period != burn_in + sweeps and (burn_in % period or sweeps % period):
        raise ValueError(
            f"{name} has a period of {period} sweeps, burn_in and sweeps are {burn_in} and {sweeps}: give whole "
            f"periods, or a protocol of all {burn_in + sweeps}"
        )
    return values.reshape(period, -1).copy(), values.ndim == 2


def require_chance(rule: str, scan: str, points: Points, start: object) -> None:
    """ValueError where Metropolis leaves nothing to chance."""
    for beta in (0.0, np.inf) if rule == "metropolis" else ():
        there = (points.betas == beta).any(axis=0)
        if not there.any():
            continue
        where = f"beta is {beta:g} in chain {int(there.argmax())}: there Metropolis "
        if beta == np.inf:
            raise ValueError(
                f'{where}leaves nothing to chance, and turns every spin without field at each visit; use rule="gibbs"'
            )
        if scan == "sequential" or start is not None:
            raise ValueError(f'{where}flips every spin that the scan visits, in all chains alike; use rule="gibbs"')


def require_still(clusters: str | None, points: Points) -> None:
    """ValueError where cluster moves would not know the points of a run."""
    if clusters is not None and (points.driven or points.fields is not None):
        raise ValueError(
            f"clusters is {clusters!r}: cluster moves take one beta per chain, and the model's own field; give a model "
            "in the field, and no protocol"
        )
