"""Models out of what other libraries hold problems in, known by what they have: none of these is imported.

All that comes from outside is a sum of terms to be made small, E(x) = offset + sum_k c_k prod_{i in k} x_i, with plus
signs, as dimod, QUBOs and files have it; what fastgibbs has constructors for has minus signs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import chain
from numbers import Real
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np

from fastgibbs.models import checks
from fastgibbs.models.csr import square
from fastgibbs.models.energy import Energy, as_energy
from fastgibbs.models.ising import Ising
from fastgibbs.models.polynomial import KINDS, Polynomial, without_noise
from fastgibbs.types import AnyArray, FloatArray, IntArray, ModelLike, Sites

Kind = Literal["spin", "binary"]
Labels = tuple[Hashable, ...]
VARTYPES: dict[Any, Kind] = {"SPIN": "spin", "BINARY": "binary"}  # as dimod calls them
CALLED = {kind: name for name, kind in VARTYPES.items()}


def taken(name: str, value: Any, kind: Kind | None = None) -> Any:
    """The model that `value` holds: of other libraries, a dict or, of a known `kind`, a matrix; all else as it is."""
    if kind is not None:
        checks.choice("kind", kind, KINDS)
    if isinstance(value, type):
        return value
    if checks.is_model(value):
        _agreed(name, value, "spin" if getattr(value, "low", -1) else "binary", kind)
        return value
    held_as_matrix = hasattr(value, "tocoo")  # a sparse one may be a dict, too
    if isinstance(value, Mapping) and not held_as_matrix:
        said = _vartype(value)
        return of_terms(name, value, _agreed(name, value, said, kind) if said else kind or "binary")
    if hasattr(value, "to_numpy_vectors") and (said := _vartype(value)):
        return _of_bqm(name, value, _agreed(name, value, said, kind))
    if all(callable(getattr(value, method, None)) for method in ("is_directed", "nodes", "edges", "adjacency")):
        return _of_graph(name, value, kind)
    if held_as_matrix or ((hasattr(value, "__array__") or isinstance(value, list | tuple)) and _ndim(value) == 2):
        return _of_matrix(name, value, kind)
    return value


def quadratic(kind: Kind, linear: FloatArray, i: AnyArray, j: AnyArray, c: FloatArray, offset: float) -> Energy:
    """offset + sum_i linear_i x_i + sum_k c_k x_i(k) x_j(k), i(k) != j(k): an `Ising`, or of units a `Polynomial`."""
    n = linear.size
    if kind == "spin":
        return Ising.from_edges(n, i, j, 0.0 - c, 0.0 - linear, offset)
    own = np.flatnonzero(linear)
    sites = np.concatenate([own, np.stack([i, j], axis=1).ravel()])
    degrees = np.repeat([1, 2], [own.size, c.size])
    return Polynomial.from_arrays(n, sites, np.concatenate([linear[own], c]), kind, degrees, offset)


def as_quadratic(
    name: str, model: ModelLike, kind: Kind | None = None
) -> tuple[Kind, FloatArray, tuple[Sites, Sites, FloatArray], float]:
    """Of a model the kind of its variables, or the `kind` asked for, linear (n,), (i, j, c) with i < j, and the offset.

    What `quadratic` builds again. ValueError at terms of more than two variables, or if there is no Ising form.
    """
    energy = as_energy(checks.model(name, model))
    own: Kind = "binary" if getattr(model, "low", -1) == 0 else "spin"
    kind = kind or own
    if isinstance(model, Polynomial) and model.kind == kind and model.has_ising_form:
        linear, ends, degrees = np.zeros(model.n), np.cumsum(model.degrees), model.degrees
        linear[model.sites[ends[degrees == 1] - 1]] = model.coefficients[degrees == 1]
        last = ends[degrees == 2] - 1
        return kind, linear, (model.sites[last - 1], model.sites[last], model.coefficients[degrees == 2]), model.offset
    ising = energy.to_ising()
    i, j, J = ising.bonds
    linear, c, offset = 0.0 - ising.fields, 0.0 - J, ising.offset
    if kind == "binary":  # s = 2 x - 1
        offset += float(c.sum() - linear.sum())
        linear = 2 * (linear - np.bincount(i, c, ising.n) - np.bincount(j, c, ising.n))
        c = 4 * c
    return kind, linear, (i, j, c), offset


def names_of(model: ModelLike) -> Labels:
    """What its variables are called, by their numbers if by nothing else."""
    return getattr(model, "labels", None) or tuple(range(model.n))


def named(model: Energy, labels: Sequence[Hashable]) -> Energy:
    """The model with these names of its sites, but where they are the numbers of these."""
    return model if list(labels) == list(range(model.n)) else model.with_labels(labels)


def of_terms(name: str, terms: Mapping[Any, Any], kind: Kind) -> Energy:
    """E(x) = sum_k c_k prod_{i in k} x_i of a dict of tuples of labels to numbers c_k; () is the offset.

    Of units (i, i) is (i,), as in every QUBO. TypeError or ValueError at the first key or number that is wrong.
    """
    for key in terms:
        if not isinstance(key, tuple | frozenset):
            raise TypeError(f"{name} has the key {checks.shown(key)}: give tuples of labels, (i, j), or (i,) of one")
    keys = [key if isinstance(key, tuple) else tuple(sorted(key, key=repr)) for key in terms]
    flat = list(chain.from_iterable(keys))
    if any(isinstance(label, bool | np.bool_) for label in flat):
        key = next(key for key in keys if any(isinstance(label, bool | np.bool_) for label in key))
        raise TypeError(f"{name} has the key {checks.shown(key)}: a bool is no label, give numbers or names")
    labels = ordered(flat)
    c = _numbers(name, list(terms.values()), keys)
    place = {label: site for site, label in enumerate(labels)}
    sites = np.array([place[label] for label in flat], np.int64)
    degrees = np.array(list(map(len, keys)), np.int64)
    if kind == "binary":
        sites, degrees = _without_squares(sites, degrees)
    model: Energy = Polynomial.from_arrays(len(labels), sites, c, kind, degrees)
    return named(model.to_ising() if kind == "spin" and model.has_ising_form else model, labels)


def ordered(labels: Iterable[Any]) -> list[Any]:
    """The distinct ones: if they are the numbers 0 to n - 1 these, otherwise in the order in which they come."""
    distinct = list(dict.fromkeys(labels))
    if all(isinstance(label, int | np.integer) for label in distinct) and set(distinct) == set(range(len(distinct))):
        return list(range(len(distinct)))
    return distinct


def _without_squares(sites: IntArray, degrees: IntArray) -> tuple[IntArray, IntArray]:
    """The same terms, of pairs of one site only the one."""
    ends = np.cumsum(degrees)
    pairs = np.flatnonzero(degrees == 2)
    squares = pairs[sites[ends[pairs] - 1] == sites[ends[pairs] - 2]]
    degrees = degrees.copy()
    degrees[squares] = 1
    return np.delete(sites, ends[squares] - 1), degrees


def _vartype(value: Any) -> Kind | None:
    """What a dimod-like object says of its variables, if it says it of all at once."""
    return _kind_of(getattr(value, "vartype", None))


def _kind_of(vartype: Any) -> Kind | None:
    """The kind that dimod, or its name for it, means."""
    return VARTYPES.get(getattr(vartype, "name", vartype if isinstance(vartype, str) else None))


def _agreed(name: str, value: Any, said: Kind, kind: Kind | None) -> Kind:
    """`said`; ValueError if another kind was asked for."""
    if kind not in (None, said):
        raise ValueError(
            f"kind is {kind!r} and {name} is {checks.shown(value)}, whose variables are {said}: leave kind out, and "
            "states are in their units"
        )
    return said


def _ndim(value: Any) -> int:
    """The number of axes, 0 of what is ragged."""
    try:
        return np.ndim(value)
    except ValueError:
        return 0


def _of_bqm(name: str, bqm: Any, kind: Kind) -> Energy:
    """The model of a dimod `BinaryQuadraticModel`."""
    labels, terms = vectors(name, bqm)
    return named(quadratic(kind, *terms), labels)


class Terms(NamedTuple):
    """offset + sum_i linear_i x_i + sum_k c_k x_i(k) x_j(k)."""

    linear: FloatArray
    i: AnyArray
    j: AnyArray
    c: FloatArray
    offset: float


def vectors(name: str, bqm: Any) -> tuple[list[Any], Terms]:
    """The labels of a dimod `BinaryQuadraticModel`, and its terms in their order."""
    labels = ordered(bqm.variables)
    offset = float(_numbers(name, [bqm.offset], [()])[0])  # what comes with the vectors is cut to their type
    try:
        linear, (i, j, c), _ = bqm.to_numpy_vectors(variable_order=labels)
    except OverflowError:
        raise ValueError(f"{name}[()] is {offset} and the linear biases are integers: give them as floats") from None
    linear = _numbers(name, linear, [(label,) for label in labels] if _odd(linear) else ())
    c = _numbers(name, c, [(labels[a], labels[b]) for a, b in zip(i, j, strict=True)] if _odd(c) else ())
    return labels, Terms(linear, i, j, c, offset)


def spins_of_units(terms: Terms) -> Terms:
    """The same sum of spins s = 2x - 1 in place of units x."""
    linear, i, j, c, offset = terms
    n, J = linear.size, c / 4
    fields = without_noise(linear / 2 + (np.bincount(i, J, n) + np.bincount(j, J, n)), i, j, J)
    return Terms(fields, i, j, J, offset + float(linear.sum()) / 2 + float(J.sum()))


def _of_graph(name: str, graph: Any, kind: Kind | None) -> Energy:
    """E(x) = sum_i b_i x_i + sum_<ij> w_ij x_i x_j of a networkx graph, w and b its attributes "weight" or "bias".

    An edge without has w = 1, a node without b = 0; parallel edges add up; `graph.graph["offset"]` is the offset. A
    UserWarning tells of edges of a node to itself, and of numbers by other names.
    """
    if graph.is_directed():
        raise ValueError(f"{name} is {checks.shown(graph)}, which is directed: give its to_undirected()")
    nodes = list(graph.nodes(data=True))
    said = _kind_of_nodes(name, graph, nodes)
    kind = _agreed(name, graph, said, kind) if said else kind or "spin"
    labels = ordered(node for node, _ in nodes)
    place = {label: site for site, label in enumerate(labels)}
    linear = np.zeros(len(labels))
    linear[[place[node] for node, _ in nodes]] = _attributes(name, [((node,), data) for node, data in nodes], 0.0)
    edges = [((a, b), data) for a, b, data in graph.edges(data=True)]
    ends = np.array([(place[a], place[b]) for (a, b), _ in edges], np.int64).reshape(len(edges), 2)
    c, loops = _attributes(name, edges, 1.0), ends[:, 0] == ends[:, 1]
    offset = float(_numbers(name, [graph.graph.get("offset", 0.0)], [()])[0])
    if loops.any():
        where = "s^2 = 1 adds it to the offset" if kind == "spin" else "x^2 = x adds it to the bias of the node"
        label = labels[ends[loops][0, 0]]
        warnings.warn(
            f"{name}: the node {checks.shown(label)} has an edge to itself: {where}", UserWarning, stacklevel=5
        )
        if kind == "spin":
            offset += float(c[loops].sum())
        else:
            np.add.at(linear, ends[loops, 0], c[loops])
        ends, c = ends[~loops], c[~loops]
    return named(quadratic(kind, linear, ends[:, 0], ends[:, 1], c, offset), labels)


def _kind_of_nodes(name: str, graph: Any, nodes: list[tuple[Any, Mapping[str, Any]]]) -> Kind | None:
    """What "vartype" of a graph or its nodes tells; ValueError at one that is none, and at two."""
    found = {}
    for place, data in [("graph", graph.graph), *nodes]:
        if (vartype := data.get("vartype")) is not None:
            kind = _kind_of(vartype)
            if kind is None:
                raise ValueError(
                    f"{name}: vartype of {checks.shown(place)} is {checks.shown(vartype)}: give 'SPIN' or 'BINARY'"
                )
            found[kind] = place
    if len(found) > 1:
        raise ValueError(f"{name} is {checks.shown(graph)}, of SPIN and of BINARY nodes: give a graph of one kind")
    return next(iter(found), None)


def _attributes(name: str, each: list[tuple[tuple[Any, ...], Mapping[str, Any]]], default: float) -> FloatArray:
    """The attribute "weight" or "bias" of every node or edge, or what it is without."""
    strange = None
    for key, data in each:
        if "weight" in data and "bias" in data and not np.array_equal(data["weight"], data["bias"]):
            raise ValueError(
                f"{name}[{checks.shown(key)}] has weight {checks.shown(data['weight'])} and bias "
                f"{checks.shown(data['bias'])}: give one of them"
            )
        if data and strange is None and "weight" not in data and "bias" not in data:
            of = (Real,) if len(key) == 2 else (float, np.floating)  # integers of nodes are groups, or colours
            strange = next(((key, other) for other, value in data.items() if isinstance(value, of)), None)
    if strange is not None:
        key, other = strange
        warnings.warn(
            f"{name}[{checks.shown(key)}] has {checks.shown(other)} and no weight or bias, which alone are read: "
            f"{default:g} is taken",
            UserWarning,
            stacklevel=6,
        )
    return _numbers(name, [data.get("weight", data.get("bias", default)) for _, data in each], [key for key, _ in each])


def _of_matrix(name: str, matrix: Any, kind: Kind | None) -> Energy:
    """E(x) = x.Q.x of units 0 and 1, whatever half of Q is used; of spins `Ising(matrix)`."""
    if kind is None:
        shape = checks.shown(getattr(matrix, "shape", None) or np.shape(matrix))
        raise TypeError(
            f"{name} is a matrix of shape {shape}, which may be a QUBO or couplings: give "
            'as_model(Q, kind="binary") for E = x.Q.x of units 0 and 1, Ising(J, h) for E = -1/2 s.J.s - h.s of spins'
        )
    if hasattr(matrix, "columns") and hasattr(matrix, "index"):
        labels, numbers = _unframed(name, matrix)
        return named(_of_matrix(name, numbers, kind), labels)
    if kind == "spin":
        return Ising(matrix)
    if hasattr(matrix, "tocoo"):
        n, entries = square(name, matrix), matrix.tocoo()
        i, j = checks.indices(f"{name}.row", entries.row, n), checks.indices(f"{name}.col", entries.col, n)
        if i.shape != j.shape:
            raise ValueError(f"{name}.row has {i.size} entries and {name}.col has {j.size}")
        c = checks.finite_array(f"{name}.data", entries.data, i.shape)
    else:
        dense = checks.finite_array(name, matrix)
        n = square(name, dense)
        i, j = (sites.astype(np.int32) for sites in np.nonzero(dense))
        c = dense[i, j]
    own = i == j
    linear = np.bincount(i[own], c[own], n).astype(np.float64)
    return quadratic("binary", linear, i[~own], j[~own], c[~own], 0.0)


def _unframed(name: str, frame: Any) -> tuple[list[Any], AnyArray]:
    """The labels of the rows and columns of a pandas frame, and its numbers in their order."""
    rows, columns = list(frame.index), list(frame.columns)
    labels = ordered(rows)
    if not len(set(columns)) == len(columns) == len(rows) == len(labels) or set(columns) != set(rows):
        raise ValueError(
            f"{name} has rows {checks.shown(rows)} and columns {checks.shown(columns)}: give both the same labels"
        )
    at = [{label: place for place, label in enumerate(own)} for own in (rows, columns)]
    return labels, np.asarray(frame)[np.ix_(*([of[label] for label in labels] for of in at))]


def _odd(values: AnyArray) -> bool:
    """Whether some of them are no finite floats."""
    return values.dtype.kind not in "iuf" or not np.isfinite(values).all()


def _numbers(name: str, values: Any, keys: Sequence[tuple[Any, ...]]) -> FloatArray:
    """The values as float64 (k,); TypeError or ValueError, naming its key, at the first that is no finite number."""
    try:
        array = np.asarray(values) if len(values) else np.zeros(0)
    except ValueError:  # ragged
        array = np.zeros(0, object)
    if array.dtype.kind not in "biuf" or array.ndim != 1:  # fractions, and integers of many digits, are numbers
        for value, key in zip(values, keys, strict=True):
            if not isinstance(value, Real) or isinstance(value, np.timedelta64):
                _refuse(TypeError, name, key, value)
        array = np.array([_float(value) for value in values])
    with np.errstate(over="ignore"):  # a long double may become infinite
        array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        bad = int(np.isfinite(array).argmin())
        _refuse(ValueError, name, keys[bad], values[bad])
    return array


def _float(value: Any) -> float:
    """The number, infinite if no float is as large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _refuse(error: type[Exception], name: str, key: tuple[Any, ...], value: Any) -> NoReturn:
    value = value.item() if isinstance(value, np.generic) else value
    raise error(f"{name}[{checks.shown(key)}] is {checks.shown(value)}: give a finite number")
