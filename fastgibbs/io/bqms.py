"""The text files of dimod: its list of coordinates, and its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np

from fastgibbs.io.models import kept_label, label_of
from fastgibbs.io.text import Table, Text, lines
from fastgibbs.models import Energy, checks, foreign
from fastgibbs.types import ModelLike

VARTYPE = re.compile(r"#\s*vartype\s*=\s*(\w+)", re.IGNORECASE)
_TERM = Table("a term, `i j c`,", "term", 0, None, None)


def read_coo(text: Text) -> Energy:
    """E(x) = sum c_ij x_i x_j, (i, i) linear; `# vartype=SPIN` or BINARY, then lines `i j c`; variables are numbers.

    Those that are named are the variables, with their numbers as labels if these are not 0 to n - 1.
    """
    said = {found[1].upper() for line in text.head() if (found := VARTYPE.match(line.strip()))}
    kind = foreign.VARTYPES.get(said.pop()) if len(said) == 1 else None
    if kind is None:
        text.refuse("no line `# vartype=SPIN` or `# vartype=BINARY`, and one alone, tells what the variables are", 1)
    rows = text.rows(_TERM)
    labels, places = np.unique(np.concatenate([rows.i, rows.j]), return_inverse=True)
    i, j = places.reshape(2, -1)
    own = i == j
    try:
        linear = np.bincount(i[own], rows.w[own], labels.size).astype(np.float64)
        model = foreign.quadratic(kind, linear, i[~own], j[~own], rows.w[~own], 0.0)
    except ValueError as error:
        raise ValueError(f"{text.path}: {error}") from None
    return foreign.named(model, labels.tolist())


def coo_lines(model: ModelLike) -> Iterator[str]:
    """The lines of a list of coordinates: every bit of every number, and a line for every variable."""
    kind, linear, (i, j, c), offset = foreign.as_quadratic("model", model)
    if offset:
        raise ValueError(f"offset is {offset}: the coo format has no place for it")
    labels = foreign.names_of(model)
    for label in labels:
        if isinstance(label, bool) or not isinstance(label, int | np.integer) or label < 0:
            raise ValueError(
                f"label {checks.shown(label)}: the coo format holds numbers of at least 0, drop the labels"
            )
    names, sites = np.array(labels, np.int64).reshape(len(labels)), np.arange(linear.size)
    yield f"# vartype={foreign.CALLED[kind]}\n"
    yield from lines(0, names[sites], names[sites], linear)
    yield from lines(0, names[i], names[j], c)


def read_bqm(text: Text) -> Energy:
    """The BinaryQuadraticModel in the JSON of dimod, of its `to_serializable()`, with its labels and offset."""
    try:
        held = json.loads(text.rest())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{text.path}: damaged JSON: {error}") from None
    kind = held.get("type") if isinstance(held, dict) else None
    if kind != "BinaryQuadraticModel":
        raise ValueError(f"{text.path}: type is {checks.shown(kind)}: give the JSON of a BinaryQuadraticModel of dimod")
    if held.get("use_bytes"):
        raise ValueError(f"{text.path}: its numbers are bytes: write to_serializable(use_bytes=False)")
    try:
        names = ("linear_biases", "quadratic_head", "quadratic_tail", "quadratic_biases", "variable_labels")
        linear, _, _, c, labels = (held[name] for name in names)
        vartype = held["variable_type"]
        if not isinstance(vartype, str) or vartype not in foreign.VARTYPES:
            raise ValueError(f"variable_type is {checks.shown(vartype)}: give SPIN or BINARY")
        if not isinstance(labels, list):
            raise ValueError(f"variable_labels is {checks.shown(labels)}: give a list")
        biases = checks.finite_array("linear_biases", linear if linear else np.zeros(0), (len(labels),))
        heads, tails = (checks.indices(name, held[name], len(labels)) for name in names[1:3])
        pairs = checks.finite_array("quadratic_biases", c if c else np.zeros(0), heads.shape)
        if heads.shape != tails.shape or (heads == tails).any():
            raise ValueError("quadratic_head and quadratic_tail: give two different variables for each bias")
        offset = checks.finite_number("offset", held["offset"])
        model = foreign.quadratic(foreign.VARTYPES[vartype], biases, heads, tails, pairs, offset)
        return foreign.named(model, [label_of(label) for label in labels])
    except KeyError as error:
        raise ValueError(f"{text.path}: no {error} in this JSON of a BinaryQuadraticModel") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{text.path}: {error}") from None


def bqm_lines(model: ModelLike) -> Iterator[str]:
    """The JSON of a BinaryQuadraticModel, which dimod's `from_serializable` takes; labels must be JSON."""
    kind, linear, (i, j, c), offset = foreign.as_quadratic("model", model)
    labels = [kept_label(f"labels[{site}]", label) for site, label in enumerate(foreign.names_of(model))]
    about = {"type": "BinaryQuadraticModel", "version": {"bqm_schema": "3.0.0"}, "use_bytes": False}
    about |= {"index_type": "int32", "bias_type": "float64", "num_variables": linear.size, "num_interactions": c.size}
    about |= {"variable_labels": labels, "variable_type": foreign.CALLED[kind], "offset": offset, "info": {}}
    about |= {"linear_biases": linear.tolist(), "quadratic_biases": c.tolist()}
    yield json.dumps(about | {"quadratic_head": i.tolist(), "quadratic_tail": j.tolist()}, allow_nan=False)
