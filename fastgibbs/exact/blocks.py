"""The states of small models in blocks, and the energies of each: what enumeration goes through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastgibbs.exact.sums import Moments, dense, energies_of, linear_sums, mix, product_sums, spins_of
from fastgibbs.models import RBM, Polynomial, checks
from fastgibbs.models.energy import as_energy
from fastgibbs.types import FloatArray, IntArray, ModelLike, States

_BLOCK = 15  # log2 of the numbers held for a block of states: 256 KB, which a core keeps in its own cache
MOST_LISTED = 20  # log2 of the most states that are written out
MOST_LEVELS = 2**20
TOO_MANY = f"more than 2^{MOST_LISTED} ground states: too many to list"


def blocks_of(model: ModelLike) -> Any:
    """The class of the blocks in which the states of a model are enumerated."""
    if isinstance(model, RBM):
        return _LayerBlocks
    if isinstance(model, Polynomial):
        return _ProductBlocks
    return _SpinBlocks if as_energy(model).has_ising_form else _EnergyBlocks


def every_energy(model: ModelLike) -> tuple[FloatArray, float]:
    """E of all states, float64 (2^n,), in the order of `states`, and by how much equal ones may differ by rounding."""
    kind = _SpinBlocks if isinstance(model, RBM) else blocks_of(model)
    blocks = kind(model)
    energies = np.concatenate([blocks.energies(block) for block in range(blocks.count)])
    return energies + blocks.offset, blocks.rounding


def _unit(numbers: FloatArray, largest: float) -> int | None:
    """The greatest whole number that all are multiples of, at least 1; None if they, or sums of them, are not whole."""
    if largest >= 2**53 or (numbers != np.rint(numbers)).any():
        return None
    return max(1, int(np.gcd.reduce(numbers.astype(np.int64), initial=0)))


class _SpinBlocks:
    """The states of an Ising model. In a block the low spins run through all their states, the high ones stand.

    E = E(low) + E(high) - low.(J high): two small tables and a sum over spins, so that no rounding accumulates.
    `grid` is (lowest, step, bins) of the energies if couplings and fields are integers, otherwise None.
    """

    most, what = 30, "spins"

    def __init__(self, model: Any) -> None:
        ising = model.to_ising()
        self.n, self.offset = ising.n, ising.offset
        low = self.low = min(ising.n, _BLOCK)
        J, h = dense(ising), ising.fields
        self.cross = J[:low, low:]
        self.low_energies = energies_of(J[:low, :low], h[:low])
        self.high_energies = energies_of(J[low:, low:], h[low:])
        self.count = self.high_energies.size

        parameters = np.concatenate([ising.couplings, h])
        largest = np.abs(ising.couplings).sum() / 2 + np.abs(h).sum()
        unit = _unit(parameters, largest)
        self.rounding = 0.0 if unit else 1e-13 * largest
        self.grid: tuple[float, int, int] | None = None
        if unit:
            bins = int(largest) // unit + 1
            self.grid = (-largest, 2 * unit, bins) if bins <= MOST_LEVELS else None

    def energies(self, block: int) -> FloatArray:
        high = spins_of(np.array([block]), self.n - self.low)[0]
        return self.low_energies + (self.high_energies[block] - linear_sums(self.cross @ high))

    def minimum(self, block: int) -> float:
        return self.energies(block).min()

    def counts(self, block: int) -> tuple[int, IntArray]:
        """The level of the block's lowest energy, and how many of its states have that and each higher one."""
        assert self.grid is not None, "who has none is not asked"
        lowest, step, _ = self.grid
        levels = ((self.energies(block) - lowest) / step).astype(np.intp)
        first = levels.min()
        return first, np.bincount(levels - first)

    def moments(self, block: int, betas: list[float]) -> list[Moments]:
        energies = self.energies(block)
        return [mix(beta, energies) for beta in betas]

    def below(self, block: int, ceiling: float) -> Iterator[States]:
        rows = np.flatnonzero(self.energies(block) <= ceiling)
        yield spins_of((block << self.low) + rows, self.n)


class _ProductBlocks(_SpinBlocks):
    """The states of a polynomial. With the high variables as they stand it is one of the low ones: see `product_sums`.

    Energies are counted without the offset.
    """

    def __init__(self, model: Polynomial) -> None:
        self.n, self.offset, self.of_spins = model.n, model.offset, model.kind == "spin"
        self.low = min(model.n, _BLOCK)
        self.count = 2 ** (model.n - self.low)
        c = self.coefficients = model.coefficients
        bits = np.repeat(np.arange(c.size), model.degrees)
        masks = np.zeros(c.size, np.int64)
        np.bitwise_or.at(masks, bits, 1 << model.sites.astype(np.int64))
        self.low_masks, self.high_masks = masks & (2**self.low - 1), masks >> self.low
        largest = np.abs(c).sum()
        unit = _unit(c, largest)
        self.rounding, self.grid = 0.0 if unit else 1e-13 * largest, None
        if unit:
            step, lowest = (2 * unit, -largest) if self.of_spins else (unit, c[c < 0].sum())
            bins = int((largest - lowest if self.of_spins else largest) // step) + 1
            self.grid = (float(lowest), step, bins) if bins <= MOST_LEVELS else None

    def energies(self, block: int) -> FloatArray:
        if self.of_spins:
            weights = self.coefficients * (1 - 2.0 * (np.bitwise_count(self.high_masks & ~block) & 1))
        else:
            weights = self.coefficients * (self.high_masks & ~block == 0)
        table: FloatArray = np.bincount(self.low_masks, weights, 2**self.low).astype(np.float64)  # ints of no terms
        return product_sums(table, self.of_spins)


class _EnergyBlocks(_SpinBlocks):
    """The states of any model, by its own energy, which is asked for each state once."""

    most, what = 20, "variables and no Ising form"
    offset, grid = 0.0, None

    def __init__(self, model: ModelLike) -> None:
        self.model, self.n, self.low = model, model.n, min(model.n, _BLOCK)
        self.count = 2 ** (model.n - self.low)
        self.known: dict[int, FloatArray] = {}

    def energies(self, block: int) -> FloatArray:
        if block not in self.known:
            states = self.model.from_spins(spins_of((block << self.low) + np.arange(2**self.low), self.n))
            self.known[block] = checks.finite_array("model.energy(states)", self.model.energy(states), (len(states),))
        return self.known[block]

    @property
    def rounding(self) -> float:  # type: ignore[override]  # nobody writes it
        return 1e-13 * max(np.abs(energies).max() for energies in self.known.values())


class _LayerBlocks:
    """The states of an RBM: those of its smaller layer in blocks, each summed over the larger layer analytically.

    Given the small layer the units of the other are independent: unit i, of input x_i, adds -x_i or 0 to the energy.
    """

    most, what = 25, "units in the smaller layer"
    offset, grid = 0.0, None

    def __init__(self, rbm: RBM) -> None:
        self.visible_runs = rbm.weights.shape[0] <= rbm.weights.shape[1]
        W, bias, other_bias = rbm.weights, rbm.visible_bias, rbm.hidden_bias
        if not self.visible_runs:
            W, bias, other_bias = W.T, other_bias, bias
        self.n, width = W.shape
        low = self.low = min(self.n, max(0, _BLOCK - width.bit_length()))
        units = (spins_of(np.arange(2**low), low) + 1) // 2
        self.low_inputs = other_bias + units @ W[:low]
        self.low_energies = -(units @ bias[:low])
        self.high_weights, self.high_bias = W[low:], bias[low:]
        self.count = 2 ** (self.n - low)
        self.rounding = 1e-13 * sum(np.abs(part).sum() for part in (W, bias, other_bias))

    def inputs(self, block: int) -> tuple[FloatArray, FloatArray]:
        """The inputs (states, width) of the larger layer, and the energies (states,) of the smaller layer alone."""
        high = (spins_of(np.array([block]), self.n - self.low)[0] + 1) // 2
        return self.low_inputs + high @ self.high_weights, self.low_energies - high @ self.high_bias

    def minimum(self, block: int) -> float:
        inputs, energies = self.inputs(block)
        return (energies - np.maximum(inputs, 0).sum(axis=1)).min()

    def moments(self, block: int, betas: list[float]) -> list[Moments]:
        inputs, energies = self.inputs(block)
        gaps = np.abs(inputs)
        results = []
        for beta in betas:
            # Each unit is counted from its likelier value: of low energy, or of high energy where beta < 0.
            sign = 1 if beta >= 0 else -1
            reference = energies - sign * np.maximum(sign * inputs, 0).sum(axis=1)
            boltzmann = np.exp(-abs(beta) * gaps)
            unlikely = boltzmann / (1 + boltzmann)
            excess = sign * (gaps * unlikely).sum(axis=1)
            variance = (gaps**2 * unlikely * (1 - unlikely)).sum(axis=1)
            results.append(mix(beta, reference, np.log1p(boltzmann).sum(axis=1), excess, variance))
        return results

    def below(self, block: int, ceiling: float) -> Iterator[States]:
        inputs, energies = self.inputs(block)
        for row in np.flatnonzero(energies - np.maximum(inputs, 0).sum(axis=1) <= ceiling):
            free = np.flatnonzero(np.abs(inputs[row]) <= self.rounding)  # units of no input: either value will do
            if free.size > MOST_LISTED:
                raise ValueError(TOO_MANY)
            other = np.tile(np.where(inputs[row] > 0, 1, -1).astype(np.int8), (2**free.size, 1))
            other[:, free] = spins_of(np.arange(2**free.size), free.size)
            running = spins_of(np.full(2**free.size, (block << self.low) + row), self.n)
            yield np.concatenate([running, other] if self.visible_runs else [other, running], axis=1)
