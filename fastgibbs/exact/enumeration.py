"""Exact thermodynamics of small models from all their states, a block of states at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from itertools import islice
from typing import TypeVar

import numpy as np

from fastgibbs.exact.blocks import MOST_LEVELS, MOST_LISTED, TOO_MANY, blocks_of
from fastgibbs.exact.sums import Moments, dense, energies_of, mix, spins_of
from fastgibbs.io.problems import problem
from fastgibbs.models import checks
from fastgibbs.models.energy import as_energy
from fastgibbs.threads import on_threads, stoppable
from fastgibbs.types import ArrayLike, FloatArray, IntArray, ModelLike, Problem, States

T = TypeVar("T")
_TASKS = 64  # that each thread takes, one after the other


def spectrum(model: Problem, threads: int | None = None) -> Spectrum:
    """Z(beta) = sum_s exp(-beta E(s)) over every state, and what follows from it: a `Spectrum`.

    `model`: of up to 30 spins if it has an Ising form or is a `Polynomial`, otherwise of up to 20, by `model.energy`;
    of an RBM the smaller layer has up to 25 units (the larger one is summed analytically). `threads`: how many to use,
    by default the cores of this process; the results do not depend on it. Nothing is computed before it is asked for.
    ValueError if there are more; TypeError if `model` is none; TypeError or ValueError if `threads` is not a positive
    integer.

    >>> import fastgibbs as fg
    >>> small = fg.exact.spectrum(fg.lattice((4, 4)))
    >>> print(f"log Z = {small.log_z(0.4):.3f}, ground energy {small.ground_energy}")
    log Z = 14.561, ground energy -32.0
    """
    model = problem("model", model)
    threads = checks.thread_count(threads)
    running, blocks = as_energy(model).n_enumerated, blocks_of(model)
    if running > blocks.most:
        raise ValueError(
            f"{checks.shown(model)} has {running} {blocks.what}, 2^{running} states: at most {blocks.most} are "
            "enumerated"
        )
    return Spectrum(model, threads)


def states(n: int) -> States:
    """The 2^n spin states as int8 (2^n, n): s_k = +1 in state b where bit k of b is set, otherwise -1.

    ValueError for more than 20 spins, TypeError if n is not an integer.

    >>> import fastgibbs as fg
    >>> fg.exact.states(2).tolist()
    [[-1, -1], [1, -1], [-1, 1], [1, 1]]
    """
    n = checks.integer("n", n, minimum=0)
    if n > MOST_LISTED:
        raise ValueError(f"n is {n}: 2^{n} states are too many to write out, give at most {MOST_LISTED}")
    return spins_of(np.arange(2**n), n)


class Spectrum:
    """log Z(beta) = log sum_s exp(-beta E(s)), exact, and its derivatives; k_B = 1. Built by `spectrum`.

    `beta`: a finite number or an array of any sign, in units of 1/E; results are totals in the shape of beta.
    Models of integer couplings and fields are enumerated once; others once per call that brings new betas.

    >>> import fastgibbs as fg
    >>> fg.exact.spectrum(fg.lattice((4, 4))).energy([0.2, 0.4]).round(3).tolist()
    [-7.298, -22.066]
    """

    def __init__(self, model: ModelLike, threads: int) -> None:
        self._model = model
        self._threads = threads
        self._blocks = blocks_of(model)(model)
        self._known: dict[float, Moments] = {}  # beta: (reference energy, log sum, mean excess, variance), as in mix

    def log_z(self, beta: ArrayLike) -> FloatArray:
        """log Z = log sum_s exp(-beta E(s)).

        >>> import fastgibbs as fg
        >>> import numpy as np
        >>> spectrum = fg.exact.spectrum(fg.lattice((2,)))  # a bond, and the same again
        >>> float(spectrum.log_z(0.0) / np.log(2))
        2.0
        """
        beta, reference, log_sum, _, _ = self._moments(beta)
        return log_sum - beta * reference

    def energy(self, beta: ArrayLike) -> FloatArray:
        """<E> = -d log Z/d beta.

        >>> import fastgibbs as fg
        >>> spectrum = fg.exact.spectrum(fg.lattice((4, 4)))
        >>> spectrum.energy([0.2, 0.4, 10.0]).round(3).tolist()
        [-7.298, -22.066, -32.0]
        >>> spectrum.heat_capacity(0.4).round(3).tolist()
        13.0
        """
        _, reference, _, excess, _ = self._moments(beta)
        return reference + excess

    def heat_capacity(self, beta: ArrayLike) -> FloatArray:
        """C = beta^2 (<E^2> - <E>^2)."""
        beta, _, _, _, variance = self._moments(beta)
        return beta**2 * variance

    def entropy(self, beta: ArrayLike) -> FloatArray:
        """S = log Z + beta <E>, in nats.

        >>> import fastgibbs as fg
        >>> spectrum = fg.exact.spectrum(fg.lattice((4, 4)))
        >>> spectrum.entropy([0.0, 10.0]).round(3).tolist()  # 16 log 2, and log 2 of two ground states
        [11.09, 0.693]
        """
        beta, _, log_sum, excess, _ = self._moments(beta)
        return log_sum + beta * excess

    def free_energy(self, beta: ArrayLike) -> FloatArray:
        """F = -log Z/beta; ValueError at beta = 0, where it is infinite.

        >>> import fastgibbs as fg
        >>> spectrum = fg.exact.spectrum(fg.lattice((4, 4)))
        >>> spectrum.free_energy([1.0, 10.0]).round(3).tolist()
        [-32.699, -32.069]
        """
        checked = checks.finite_array("beta", beta)
        if not checked.all():
            raise ValueError(
                f"beta is {checks.shown(beta)}: the free energy -log Z/beta is infinite at beta = 0, use log_z"
            )
        return -self.log_z(checked) / checked

    def probabilities(self, beta: float) -> FloatArray:
        """p(s) = exp(-beta E(s))/Z of every state, float64 (2^n,), in the order of `states(n)`.

        A set bit is a spin +1, or a unit 1 of an RBM (visible units first). `beta`: a number.
        ValueError for more than 20 spins.

        >>> import fastgibbs as fg
        >>> machine = fg.RBM([[2.0]])
        >>> fg.exact.spectrum(machine).probabilities(1.0).round(3).tolist()  # (0, 0), (1, 0), (0, 1), (1, 1)
        [0.096, 0.096, 0.096, 0.711]
        """
        beta = checks.finite_number("beta", beta)
        if self._model.n > MOST_LISTED:
            raise ValueError(
                f"{checks.shown(self._model)} has {self._model.n} spins: probabilities are listed up to {MOST_LISTED}"
            )
        if as_energy(self._model).has_ising_form:
            ising = self._model.to_ising()
            energies = energies_of(dense(ising), ising.fields)
        else:
            energies = np.concatenate(self._per_block(self._blocks.energies))
        exponent = -beta * energies
        weights = np.exp(exponent - exponent.max())
        return weights / weights.sum()

    def density_of_states(self) -> tuple[FloatArray, IntArray]:
        """g(E): the energy levels, float64 ascending, and how many states each has, int64.

        ValueError unless all couplings and fields are integers (the offset is free) spanning at most 2^20 levels.

        >>> import fastgibbs as fg
        >>> levels, counts = fg.exact.spectrum(fg.lattice((4, 4))).density_of_states()
        >>> levels[:3].tolist(), counts[:3].tolist()
        ([-32.0, -24.0, -20.0], [2, 32, 64])
        """
        if self._blocks.grid is None:
            raise ValueError(
                f"{checks.shown(self._model)} has no density of states: that needs an Ising form whose couplings "
                f"and fields, or a Polynomial whose coefficients, are integers, with at most {MOST_LEVELS} levels"
            )
        energies, counts = self._levels
        return energies + self._blocks.offset, counts.copy()

    @property
    def ground_energy(self) -> float:
        """min_s E(s)."""
        return float(self._minima.min() + self._blocks.offset)

    @cached_property
    def ground_states(self) -> States:
        """All states of energy min_s E(s), int8 (g, n), in the units of the model.

        Energies of non-integer models count as equal within 1e-13 of the largest |E| their parameters allow, or have.
        ValueError for more than 2^20 states.

        >>> import fastgibbs as fg
        >>> spectrum = fg.exact.spectrum(fg.lattice((3,), J=-1.0))  # a frustrated ring
        >>> spectrum.ground_energy, len(spectrum.ground_states)
        (-1.0, 6)
        """
        ceiling = self._minima.min() + self._blocks.rounding
        found, total = [], 0
        for block in np.flatnonzero(self._minima <= ceiling):
            for spins in self._blocks.below(int(block), ceiling):
                total += len(spins)
                if total > 2**MOST_LISTED:
                    raise ValueError(TOO_MANY)
                found.append(spins)
        ground_states = self._model.from_spins(np.concatenate(found))
        ground_states.flags.writeable = False  # kept for the next call
        return ground_states

    @cached_property
    def _minima(self) -> FloatArray:
        return np.array(self._per_block(self._blocks.minimum))

    @cached_property
    def _levels(self) -> tuple[FloatArray, IntArray]:
        lowest, step, bins = self._blocks.grid
        counts, adding = np.zeros(bins, np.int64), threading.Lock()

        def add(block: int) -> None:
            first, part = self._blocks.counts(block)
            with adding:
                counts[first : first + part.size] += part

        self._per_block(add)
        occupied = np.flatnonzero(counts)
        return lowest + step * occupied, counts[occupied]

    def _moments(self, beta: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """beta as an array, then reference energy, log sum, excess and variance (see `mix`) in its shape."""
        beta = checks.finite_array("beta", beta)
        new = [one for one in dict.fromkeys(beta.ravel().tolist()) if one not in self._known]
        if new and self._blocks.grid:
            energies, counts = self._levels
            for one in new:
                self._known[one] = mix(one, energies, np.log(counts))
        elif new:
            parts = np.array(self._per_block(lambda block: self._blocks.moments(block, new)))
            for one, columns in zip(new, parts.transpose(1, 2, 0), strict=True):
                self._known[one] = mix(one, *columns)
        table = np.array([self._known[one] for one in beta.ravel().tolist()]).reshape(*beta.shape, 4)
        reference, log_sum, excess, variance = np.moveaxis(table, -1, 0)
        return beta[()], (reference + self._blocks.offset)[()], log_sum[()], excess[()], variance[()]

    def _per_block(self, function: Callable[[int], T]) -> list[T]:
        """[function(block) for every block], on all threads; KeyboardInterrupt if it is stopped."""
        if self._blocks.count == 1:  # it takes less time than a thread
            return [function(0)]
        results: dict[int, T] = {}
        waiting = iter(range(self._blocks.count))

        def work() -> None:
            while not asked:
                with taking:
                    blocks = list(islice(waiting, share))
                if not blocks:
                    return
                for block in blocks:
                    if asked:
                        return
                    results[block] = function(block)

        taking, share = threading.Lock(), -(-self._blocks.count // (_TASKS * self._threads))
        with stoppable() as asked:
            on_threads(work, min(self._threads, self._blocks.count))
            if asked:
                raise KeyboardInterrupt
        return [results[block] for block in range(self._blocks.count)]
