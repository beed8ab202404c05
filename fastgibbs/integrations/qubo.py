"""Models as QUBOs, plain dicts."""

from __future__ import annotations

from collections.abc import Hashable

from fastgibbs.io.problems import problem
from fastgibbs.models import foreign
from fastgibbs.types import Problem

Qubo = dict[tuple[Hashable, Hashable], float]


def to_qubo(model: Problem) -> tuple[Qubo, float]:
    """({(a, b): Q_ab}, offset) with E = offset + sum Q_ab x_a x_b of units 0 and 1, a and b labels, (a, a) linear.

    Of a model of spins x = (1 + s) / 2. `fastgibbs.as_model` takes the dict back. ValueError at terms of more than two
    variables.

    >>> import fastgibbs as fg
    >>> fg.to_qubo(fg.Ising([[0, 1], [1, 0]]).with_labels("ab"))
    ({('a', 'a'): 2.0, ('b', 'b'): 2.0, ('a', 'b'): -4.0}, -1.0)
    """
    _, linear, (i, j, c), offset = foreign.as_quadratic("model", model := problem("model", model), "binary")
    labels = foreign.names_of(model)
    Q: Qubo = {(label, label): value for label, value in zip(labels, linear.tolist(), strict=True)}
    Q |= {(labels[a], labels[b]): value for a, b, value in zip(i.tolist(), j.tolist(), c.tolist(), strict=True)}
    return Q, offset
