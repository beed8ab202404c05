"""Models as graphs of networkx. Needs networkx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastgibbs.io.problems import problem
from fastgibbs.models import foreign
from fastgibbs.types import Problem

if TYPE_CHECKING:
    import networkx


def to_networkx(model: Problem) -> networkx.Graph:
    """The model as a `networkx.Graph` of its labels, E = offset + sum_i bias_i x_i + sum_<ij> bias_ij x_i x_j.

    "bias" of every node and edge, "vartype" of the nodes, "SPIN" or "BINARY", as dimod names them, and "offset" of the
    graph: `fastgibbs.as_model` takes it back. ImportError if networkx is missing; ValueError at terms of more than two
    variables.

    >>> import fastgibbs as fg
    >>> fg.to_networkx(fg.Ising([[0, 1], [1, 0]]).with_labels("ab")).edges["a", "b"]
    {'bias': -1.0}
    """
    try:
        import networkx
    except ImportError as error:
        raise ImportError("to_networkx needs networkx: pip install 'fastgibbs[networkx]'") from error
    kind, linear, (i, j, c), offset = foreign.as_quadratic("model", model := problem("model", model))
    labels, vartype = foreign.names_of(model), foreign.CALLED[kind]
    graph = networkx.Graph(offset=offset)
    for label, bias in zip(labels, linear.tolist(), strict=True):
        graph.add_node(label, bias=bias, vartype=vartype)
    for a, b, bias in zip(i.tolist(), j.tolist(), c.tolist(), strict=True):
        graph.add_edge(labels[a], labels[b], bias=bias)
    return graph
