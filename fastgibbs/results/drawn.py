"""What results of draws share: records of all draws, or bins in place of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgibbs.analysis.bins import Binned, Bins
from fastgibbs.analysis.records import Group
from fastgibbs.integrations.tables import Table, of_draws
from fastgibbs.results.base import Result
from fastgibbs.types import IntArray

KEPT = 'The records in bins that stand for those of all draws, by `record="bins"`; else None.'


IN_BINS: dict[str, Any] = dict.fromkeys(("energy", "magnetization", "observables"))
"""What such a result is given in place of records."""


class Drawn(Result):
    """A result with records of draws; with `bins` they are made of these when asked for: no result holds both."""

    RECORDS = tuple(IN_BINS)

    if TYPE_CHECKING:
        bins: Bins | None
        burn_in: int
        thin: int
        energy: Any  # an array or Binned
        magnetization: Any
        observables: dict[str, Any]

    def __post_init__(self) -> None:
        if self.bins is not None:
            for name in self.RECORDS:
                vars(self).pop(name)

    def __getattr__(self, name: str) -> Any:
        bins = vars(self).get("bins")
        if bins is None or name not in self.RECORDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        record = getattr(bins, name)
        if name == "observables":
            return {key: of.reshape(*self._axes) for key, of in record.items()}
        return record.reshape(*self._axes)

    @property
    def drawn_at(self) -> IntArray:
        """The sweeps after which draws were made, int64 (draws,).

        >>> import fastgibbs as fg
        >>> fg.sample(fg.lattice((8, 8)), beta=0.4, sweeps=40, burn_in=10, thin=10, seed=1).drawn_at.tolist()
        [20, 30, 40, 50]
        """
        return self.burn_in + self.thin * np.arange(1, self.energy.shape[-1] + 1)

    @property
    def _axes(self) -> tuple[int, ...]:
        """The chains of its records."""
        return self.bins.first.shape[:1] if self.bins is not None else ()

    def _values(self) -> dict[str, Any]:
        values = super()._values()
        return values if self.bins is None else {k: v for k, v in values.items() if k not in self.RECORDS}

    @classmethod
    def _with_records(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The values of an archive, whose records may be bins."""
        bins, here = values.get("bins"), [name for name in cls.RECORDS[:2] if name in values]
        if len(here) != (2 if bins is None else 0):
            raise ValueError(f"it holds {' and '.join(here) or 'no records'}{'' if bins is None else ' beside bins'}")
        if bins is None:
            return {"observables": {}} | values
        check(bins, values["interrupted"])
        return values | IN_BINS

    def _group(self, beta: float, model: int, records: Any, bins: Any = None) -> Group:
        """Some chains, by the index of their records, and of their bins where that is another."""
        if self.bins is None:
            observed = {name: values[records] for name, values in self.observables.items()}
            return Group(beta, model, self.energy[records], self.magnetization[records], observables=observed)
        return Group.of(beta, model, self.bins.of(records if bins is None else bins))

    def _drawn(self, axes: tuple[str, ...], order: Callable[[Any], Any], places: dict[str, Any]) -> Table:
        """The table of records, `order` of axes applied; of bins, their means, with "bin" in place of "draw"."""
        if self.bins is None:
            found = {"energy": self.energy, "magnetization": self.magnetization} | self.observables
        else:
            m = self.magnetization
            axes = tuple("bin" if axis == "draw" else axis for axis in axes)
            found = {"energy": self.energy.means, "energy2": self.energy.mean_squares, "magnetization": m.means}
            found |= {"magnetization_abs": abs(m).means, "magnetization2": (m**2).means}
            found |= {"magnetization4": (m**2).mean_squares}
            found |= {name: record.means for name, record in self.observables.items()}
            places = places | {"draws": ("bin", self.bins.counts)}
        return of_draws(axes, {name: order(values) for name, values in found.items()}, places, self._settings())

    def _kept(self) -> str:
        """What its repr says of bins."""
        return "" if self.bins is None else f", in bins of {self.energy.width}"


def check(bins: Bins, interrupted: bool) -> None:
    """ValueError unless a run may have kept such bins; histograms of one that was stopped may have more draws."""
    counts, draws, sums = bins.counts, bins.draws, 7 + 2 * len(bins.names)
    full = counts[:-1]
    right = (counts > 0).all() and (full == counts[:1]).all() and (counts[-1:] <= counts[:1]).all()
    if not right or bins.sums.shape[1] != sums or bins.first.shape[1] != 2 + len(bins.names):
        raise ValueError(f"bins of {counts.tolist()} draws with {bins.sums.shape[1]} sums are none of a run")
    if bins.cells.shape[2] != 5 or (bins.cells[:, :, 0] < 0).any():
        raise ValueError("histograms of bins count fewer draws than none")
    counted = bins.cells[:, :, 0].sum(axis=1)
    if (counted < draws).any() or (not interrupted and (counted > draws).any()):
        raise ValueError(f"a histogram of bins counts other than {draws} draws")
    exponents = np.frexp(bins.width)[0]
    if ((exponents != 0.5) & (bins.width != 0)).any() or (bins.width < 0).any():
        raise ValueError(f"bins have a width of {bins.width.max():g}: give powers of two")
    if len(set(bins.names)) < len(bins.names):
        raise ValueError(f"bins have the observables {bins.names}: give different names")
    checked = [bins.energy, bins.magnetization, abs(bins.magnetization), bins.magnetization**2]
    for record in [*checked, *bins.observables.values()]:
        _require_possible(record)


def _require_possible(record: Binned) -> None:
    """ValueError if a variance is negative."""
    floor = record.sums**2 / record.counts
    if (record.squares < floor - 1e-6 * (floor + record.squares.max(initial=0))).any():
        raise ValueError("a sum of squares in bins is less than its draws can have")
