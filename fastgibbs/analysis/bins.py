"""Draws that were not kept: of each chain sums in bins of time, and a histogram of its energies (engines/binning.py).

`Bins` is what a result has of them, `Binned` one quantity of it: a record that the statistics of this package take in
place of one of all draws, and `Levels` the energies, for reweighting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple, NoReturn

import numpy as np

from fastgibbs.fields import described
from fastgibbs.models import checks
from fastgibbs.types import ArrayLike, FloatArray, IntArray

_ROUNDING = 1e-13  # of a mean square: a variance below it is none
_NO_ARRAY = '.means has the means of bins, and record="draws" keeps every draw'


@described
@dataclass(frozen=True, eq=False, repr=False)
class Binned:
    """A record of x in bins of consecutive draws: of each bin the sums of x - x0 and of (x - x0)^2.

    The functions of `fastgibbs.analysis` take it like an array of all draws. `record[k]` is that of chain k, and
    `record / n` of x / n; of a magnetization, abs(record) is that of |m| and record**2 of m^2. Chains may have several
    axes, as (ladders, rungs). It is no array: TypeError where one is asked for.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((4, 4)), beta=0.3, sweeps=100, chains=2, seed=1, record="bins")
    >>> run.energy, run.energy.means.shape
    (Binned(chains=(2,), draws=100, in bins of 4), (2, 25))
    """

    first: Annotated[FloatArray, "float64 (chains,)", "x0, at the first draw of each chain."]
    sums: Annotated[FloatArray, "float64 (chains, times)", "Sums of x - x0."]
    squares: Annotated[FloatArray, "float64 (chains, times)", "Sums of (x - x0)^2."]
    counts: Annotated[IntArray, "int64 (times,)", "Draws in each bin: as many in all, but fewer in the last."]
    magnitude: Annotated[Any, "The record of |x|, a Binned, or None."] = None
    square: Annotated[Any, "The record of x^2, a Binned, or None."] = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(chains, draws)."""
        return *self.first.shape, int(self.counts.sum())

    @property
    def size(self) -> int:
        """Draws of all chains."""
        return int(self.first.size * self.counts.sum())

    @property
    def means(self) -> FloatArray:
        """The mean of x in every bin, float64 (chains, times)."""
        return self.first[..., None] + self.sums / self.counts

    @property
    def mean_squares(self) -> FloatArray:
        """The mean of x^2 in every bin, float64 (chains, times)."""
        return self.about(0.0).squares / self.counts

    @property
    def width(self) -> int:
        """Draws in a full bin."""
        return int(self.counts[0]) if self.counts.size else 1

    def full(self) -> Binned:
        """The record of the full bins alone."""
        return self.part(0, int((self.counts == self.width).sum()))

    def part(self, first: int, last: int) -> Binned:
        """The record of bins `first` ... `last - 1`."""
        here = slice(first, last)
        return Binned(self.first, self.sums[..., here], self.squares[..., here], self.counts[here])

    def about(self, centre: FloatArray | float) -> Binned:
        """The record of x - `centre`, a number or one per chain, with x0 = 0."""
        d = np.broadcast_to(self.first - centre, self.first.shape)[..., None]
        sums, squares = self.sums + d * self.counts, self.squares + d * (2 * self.sums + d * self.counts)
        noise = _ROUNDING * (self.squares + d**2 * self.counts)
        return Binned(np.zeros(self.first.shape), sums, np.where(squares > noise, squares, 0.0), self.counts)

    def mean(self) -> float:
        """The mean of all draws of all chains."""
        return float(self.first.mean() + self.sums.sum() / self.size)

    def chain_means(self) -> FloatArray:
        """The mean of each chain, float64 (chains,).

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((4, 4)), beta=0.3, sweeps=100, chains=2, seed=1, record="bins")
        >>> record = run.energy
        >>> record.shape, record.size, record.width, record.means.shape, record.mean_squares.shape
        ((2, 100), 200, 4, (2, 25), (2, 25))
        >>> bool(record.mean() == record.chain_means().mean()), record.chain_variances().shape
        (True, (2,))
        """
        return self.first + self.sums.sum(axis=-1) / self.counts.sum()

    def chain_variances(self) -> FloatArray:
        """The variance of each chain about its own mean, float64 (chains,)."""
        return self.about(self.chain_means()).squares.sum(axis=-1) / self.counts.sum()

    def rows(self, pieces: int) -> Binned:
        """Every chain in so many equal stretches of full bins, each a chain of one bin; 1: whole, and of all bins.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((4, 4)), beta=0.3, sweeps=100, chains=2, seed=1, record="bins")
        >>> record = run.energy
        >>> record.full().shape, record.part(0, 5).shape, record.halves().shape
        ((2, 100), (2, 20), (4, 48))
        >>> record.rows(5).shape, record.reshape(1, 2).shape, record.about(-10.0).first.tolist()
        ((10, 20), (1, 2, 100), [0.0, 0.0])
        """
        part = self if pieces == 1 else self.full()
        length = part.counts.size // pieces
        sums, squares = (
            values[..., values.shape[-1] % pieces :].reshape(-1, length if pieces > 1 else values.shape[-1]).sum(axis=1)
            for values in (part.sums, part.squares)
        )
        count = self.width * length if pieces > 1 else int(self.counts.sum())
        return Binned(np.repeat(self.first, pieces), sums[:, None], squares[:, None], np.array([count]))

    def halves(self) -> Binned:
        """The first and the second half of the full bins of each chain, as 2 chains, without a bin in the middle."""
        full = self.full()
        n = full.counts.size // 2
        sums, squares = (
            np.stack([values[:, :n], values[:, full.counts.size - n :]], axis=1).reshape(-1, n)
            for values in (full.sums, full.squares)
        )
        return Binned(np.repeat(self.first, 2), sums, squares, full.counts[:n])

    def reshape(self, *axes: int) -> Binned:
        """The same with other axes of chains."""
        times = self.counts.size
        return self._each(
            lambda part: (part.first.reshape(axes), *(x.reshape(*axes, times) for x in (part.sums, part.squares)))
        )

    def __getitem__(self, chains: Any) -> Binned:
        if isinstance(chains, tuple) and len(chains) > self.first.ndim:
            raise IndexError(f"the last axis of {self!r} is of bins: {_NO_ARRAY}")
        return self._each(lambda part: (part.first[chains], part.sums[chains], part.squares[chains]))

    def __truediv__(self, n: float) -> Binned:
        parts = Binned(self.first / n, self.sums / n, self.squares / n**2, self.counts)
        square = None if self.square is None else self.square / n**2
        return replace(parts, magnitude=None if self.magnitude is None else self.magnitude / n, square=square)

    def __abs__(self) -> Binned:
        if self.magnitude is None:
            raise TypeError(f"{self!r} does not tell |x|: {_NO_ARRAY}")
        return self.magnitude

    def __pow__(self, power: float) -> Binned:
        if self.square is None or power != 2:
            raise TypeError(f"{self!r} does not tell x^{power}: {_NO_ARRAY}")
        return self.square

    def _each(self, change: Callable[[Binned], tuple[FloatArray, ...]]) -> Binned:
        """The record, and those that it holds, with other sums."""
        others = (other and other._each(change) for other in (self.magnitude, self.square))
        first, sums, squares = change(self)
        return Binned(first, sums, squares, self.counts, *others)

    def __len__(self) -> int:
        return len(self.first)

    def __bool__(self) -> bool:
        return True

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Binned:
        if ufunc is np.absolute and method == "__call__" and not kwargs:
            return abs(self)
        raise TypeError(f"np.{ufunc.__name__} of {self!r}: {_NO_ARRAY}")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self!r} is no array: {_NO_ARRAY}")

    def __repr__(self) -> str:
        return f"Binned(chains={self.first.shape}, draws={self.shape[-1]}, in bins of {self.width})"


@described
class Levels(NamedTuple):
    """Energies of chains as points with weights: a cell of a histogram is two, at its mean -+ what its draws deviate.

    So it has its mean and, on the average of all cells of a chain, its variance; |m|, m^2 and m^4 go from one point to
    the other as from cell to cell.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((4, 4)), beta=0.3, sweeps=100, chains=2, seed=1, record="bins")
    >>> levels = run.bins.levels()
    >>> bool(abs((levels.count * levels.energy).sum() / levels.count.sum() - run.energy.mean()) < 1e-12)
    True
    >>> levels.reshape(1, 2).energy.shape
    (1, 2, 64)
    """

    energy: Annotated[FloatArray, "float64 (chains, points)", "E."]
    count: Annotated[  # type: ignore[assignment]  # not how often an entry is there
        FloatArray, "float64 (chains, points)", "The draws that a point stands for, or 0."
    ]
    moments: Annotated[FloatArray, "float64 (chains, points, 3)", "Means of |m|, m^2 and m^4."]
    width: Annotated[float, "Of the widest cell."]

    def reshape(self, *axes: int) -> Levels:
        """The same with other axes of chains."""
        energy, count = (values.reshape(*axes, -1) for values in (self.energy, self.count))
        return Levels(energy, count, self.moments.reshape(*energy.shape, 3), self.width)


@checks.by_contents
@described
class Bins(NamedTuple):
    """What `record="bins"` keeps of draws: E, S = sum_i s_i, A = |S|, Y = S^2 and observables X of each chain.

    A prime stands for the difference from the chain's first draw. Of ladders, chains are the rungs of ladder 0, then
    those of ladder 1 ... As records: `energy`, `magnetization` and `observables`, which the functions of
    `fastgibbs.analysis` take.

    >>> import fastgibbs as fg
    >>> run = fg.sample(fg.lattice((4, 4)), beta=0.3, sweeps=100, chains=2, seed=1, record="bins")
    >>> run.bins.draws, run.bins.counts.size, run.bins.cells.shape
    (100, 25, (2, 32, 5))
    """

    counts: Annotated[IntArray, "int64 (times,)", "Draws in each bin: as many in all, but fewer in the last."]
    first: Annotated[FloatArray, "float64 (chains, quantities)", "E, S and the observables at the first draw."]
    sums: Annotated[
        FloatArray,
        "float64 (chains, sums, times)",
        "Sums over each bin of E', E'^2, Y', Y'^2, A', S', E' Y', and X' and X'^2 of each observable.",
    ]
    cells: Annotated[
        FloatArray,
        "float64 (chains, cells, columns)",
        "A histogram of energies: in cell i modulo cells the number of draws with i = floor(E' / width), and their "
        "sums of E', A, Y and Y^2.",
    ]
    width: Annotated[FloatArray, "float64 (chains,)", "The width of these cells; 0 if all energies are the same."]
    sites: Annotated[int, "The number of sites."]
    names: Annotated[tuple[str, ...], "The observables, by name."]

    @property
    def draws(self) -> int:
        """Draws of each chain."""
        return int(self.counts.sum())

    @property
    def energy(self) -> Binned:
        """The record of E."""
        return self._record(self.first[:, 0], 0)

    @property
    def magnetization(self) -> Binned:
        """The record of m = S / n, which has those of |m| and m^2."""
        S, (Y, A, M) = self.first[:, 1], (self.sums[:, k] for k in (2, 4, 5))
        magnitude = Binned(abs(S), A, Y - 2 * abs(S)[:, None] * A, self.counts)
        square = self._record(S**2, 2)
        record = Binned(S, M, Y - 2 * S[:, None] * M, self.counts, magnitude, square)
        return record / max(self.sites, 1)

    @property
    def energy_m2(self) -> FloatArray:
        """The mean of E m^2 in every bin, float64 (chains, times)."""
        E, Y = self.energy, self._record(self.first[:, 1] ** 2, 2)
        changes = self.sums[:, 6] / self.counts + E.sums / self.counts * Y.first[:, None]
        return (changes + E.first[:, None] * Y.means) / max(self.sites, 1) ** 2

    @property
    def observables(self) -> dict[str, Binned]:
        """The records of w.s of each observable, by name."""
        return {name: self._record(self.first[:, 2 + k], 7 + 2 * k) for k, name in enumerate(self.names)}

    def _record(self, first: FloatArray, k: int) -> Binned:
        return Binned(first, self.sums[:, k], self.sums[:, k + 1], self.counts)

    def of(self, chains: Any) -> Bins:
        """Those of some chains: an index, a slice or a mask.

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((4, 4)), beta=0.3, sweeps=100, chains=2, seed=1, record="bins")
        >>> run.bins.draws, run.bins.energy, run.bins.magnetization, run.bins.energy_m2.shape
        (100, Binned(chains=(2,), draws=100, in bins of 4), Binned(chains=(2,), draws=100, in bins of 4), (2, 25))
        >>> run.bins.of([0]).energy, list(run.bins.observables)
        (Binned(chains=(1,), draws=100, in bins of 4), [])
        """
        parts = {name: getattr(self, name)[chains] for name in ("first", "sums", "cells", "width")}
        return self._replace(**parts)

    def levels(self) -> Levels:
        """The energies of every chain as weighted points, float64 (chains, 2 cells).

        >>> import fastgibbs as fg
        >>> run = fg.sample(fg.lattice((4, 4)), beta=0.3, sweeps=100, chains=2, seed=1, record="bins")
        >>> levels = run.bins.levels()
        >>> levels.energy.shape, levels.reshape(1, 2).energy.shape
        ((2, 64), (1, 2, 64))
        """
        count, sums, n = self.cells[..., 0], self.cells[..., 1], max(self.sites, 1)
        filled = count > 0
        per = np.where(filled, count, 1.0)
        means = np.where(filled, sums / per, np.inf)  # empty cells come last
        order = np.argsort(means, axis=1)
        count, means, filled = (np.take_along_axis(values, order, axis=1) for values in (count, means, filled))
        moments = self.cells[..., 2:] / per[..., None] / np.array([n, n**2, n**4], float)
        moments = np.take_along_axis(moments, order[..., None], axis=1)
        means = np.where(filled, means, 0.0)
        known = self.sums[:, 1].sum(axis=1) / max(self.draws, 1)
        within = known - (count * means**2).sum(axis=1) / np.maximum(count.sum(axis=1), 1)
        spread = np.sqrt(np.where(within > _ROUNDING * known, within, 0.0))[:, None]
        energy = np.concatenate([means - spread, means + spread], axis=1)
        both = np.empty((*energy.shape, 3))
        cells = means.shape[1]
        for chain, used in enumerate(filled.sum(axis=1)):
            x, y = means[chain, :used], moments[chain, :used]
            for k in range(3):
                half = np.interp(x + spread[chain], x, y[:, k]) - np.interp(x - spread[chain], x, y[:, k])
                both[chain, :used, k], both[chain, cells : cells + used, k] = y[:, k] - half / 2, y[:, k] + half / 2
            both[chain, used:cells], both[chain, cells + used :] = 0.0, 0.0
        return Levels(energy + self.first[:, :1], np.tile(count / 2, (1, 2)), both, float(self.width.max(initial=0.0)))


Record = FloatArray | Binned
RecordLike = ArrayLike | Binned
