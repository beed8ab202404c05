"""The binary perceptron: students of +-1 weights whose energy is the number of examples that they get wrong."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.energy import Energy, Flips
from fastgibbs.models.hopfield import sums_of
from fastgibbs.types import ArrayLike, FloatArray, IntArray, Seed, States


class Perceptron(Energy):
    """E(s) = #{mu : M_mu < 0}, M_mu = sum_i xi_i^mu s_i: how many of P examples a student s in {-1, +1}^N gets wrong.

    `patterns` is xi, label times input: (P, N) of -1 and +1, P >= 0, N >= 1; kept as int8, read-only. With `labels`,
    (P,) of -1 and +1, the patterns are the inputs, and xi_mu is their product with label mu. A student's answer to an
    input is the sign of their overlap. That is never 0 if N is odd; if N is even, an example with M_mu = 0, on which
    the student is undecided, counts as right.

    At beta = 1/T learning is sampling of students, p(s) = exp(-beta E)/Z; Z(beta -> oo) is the number of students
    without error, Gardner's volume. So E is least, not zero, where there is none.

    Attributes, read-only: `n` and `patterns`. TypeError if these are not numbers; ValueError on another shape or at an
    entry that is not +-1.
    Gardner and Derrida, J. Phys. A 22, 1983 (1989); Gyorgyi, Phys. Rev. A 41, 7097 (1990); Krauth and Mezard,
    J. Physique 50, 3057 (1989).

    >>> import fastgibbs as fg
    >>> teacher, inputs, labels = fg.teacher(11, 14, seed=5)
    >>> students = fg.Perceptron(inputs, labels)
    >>> print(students, students.energy(teacher), fg.exact.spectrum(students).log_z(2.0).round(6))
    Perceptron(n=11, patterns=14) 0.0 0.832709
    """

    batch_invariant = True

    patterns: States

    def __init__(self, patterns: ArrayLike, labels: ArrayLike | None = None) -> None:
        patterns = checks.spins("patterns", patterns)
        if patterns.ndim != 2 or patterns.shape[1] == 0:
            raise ValueError(f"patterns has shape {patterns.shape}: give (P, N), one example of N >= 1 inputs a row")
        if labels is not None:
            signs = checks.spins("labels", labels)
            if signs.shape != patterns.shape[:1]:
                raise ValueError(f"labels has shape {signs.shape}: give one of each pattern, {patterns.shape[:1]}")
            patterns = patterns * signs[:, None]
        super().__init__(patterns.shape[1], patterns=patterns)

    @property
    def field_bound(self) -> float:
        """A bound on half of what a flip costs: that of all examples."""
        return len(self.patterns) / 2

    def sums(self, states: ArrayLike) -> IntArray:
        """M_mu(s) = sum_i xi_i^mu s_i, int64 (..., P), of `states` (..., N). Errors as in `energy`.

        >>> import fastgibbs as fg
        >>> examples = fg.Perceptron([[1, 1, 1], [1, -1, 1]], [1, -1])
        >>> examples.sums([1, 1, 1]).tolist()
        [3, -1]
        """
        return sums_of(self.patterns, states)

    def energy(self, states: ArrayLike) -> FloatArray:
        """How many examples students `states` (..., N) get wrong, float64 in the shape of the leading axes.

        TypeError if the states are not numbers, ValueError at one that is not -1 or 1.
        """
        return np.count_nonzero(self.sums(states) < 0, axis=-1).astype(np.float64)[()]

    def flips(self) -> Flips:
        """What a flip costs, from the M_mu, which flips change."""
        by_site = np.ascontiguousarray(self.patterns.T)
        return Flips(_cost, (by_site,), _turn, -self.patterns.sum(axis=1, dtype=np.int64))

    def __repr__(self) -> str:
        return f"Perceptron(n={self.n}, patterns={len(self.patterns)})"


def _cost(spins: Any, site: int, sums: Any, by_site: Any) -> float:
    """How many more examples are wrong."""
    change = 0
    for mu in range(sums.size):
        change += int(sums[mu] < 2 * spins[site] * by_site[site, mu]) - int(sums[mu] < 0)
    return float(change)


def _turn(spins: Any, site: int, sums: Any, by_site: Any) -> None:
    for mu in range(sums.size):
        sums[mu] -= 2 * spins[site] * by_site[site, mu]


class Teaching(NamedTuple):
    """Examples and who has answered them."""

    teacher: States  # int8 (n,)
    inputs: States  # int8 (examples, n)
    labels: States  # int8 (examples,): the teacher's answers


def teacher(n: int, examples: int, seed: Seed = None) -> Teaching:
    """A teacher of n weights +-1, random inputs, and the teacher's answers: `(teacher, inputs, labels)`, all int8.

    They are (n,), (examples, n) and (examples,). `n`: odd, so that the teacher is never undecided; `examples`: at
    least 0; `seed` as in `edwards_anderson`. ValueError if n is even, or if the inputs do not fit in memory.

    >>> import fastgibbs as fg
    >>> teacher, inputs, labels = fg.teacher(101, 150, seed=1)
    >>> fg.Perceptron(inputs, labels).energy([teacher, -teacher]).tolist()
    [0.0, 150.0]
    """
    n, examples = checks.integer("n", n), checks.integer("examples", examples, minimum=0)
    if n % 2 == 0:
        raise ValueError(f"n is {n}: give an odd number, so that the teacher has an answer to every input")
    checks.require_memory(9 * n * (examples + 1), f"{examples} examples of {n} inputs")
    rng, signs = checks.generator(seed), np.array([-1, 1], np.int8)
    weights, inputs = rng.choice(signs, n), rng.choice(signs, (examples, n))
    return Teaching(weights, inputs, np.sign(sums_of(inputs, weights)).astype(np.int8))
