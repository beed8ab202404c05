"""Problems of units 0 and 1 in the files of Biq Mac, MQLib, qbsolv and QPLIB."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastgibbs.io.rudy import counted
from fastgibbs.io.text import Rows, Table, Text, is_count, lines, number, plain
from fastgibbs.models import Energy, checks, foreign
from fastgibbs.models.csr import MAX_SITES
from fastgibbs.types import FloatArray, ModelLike, Sites

_ENTRY = "an entry, `i j q`,"
_SENSES = {"minimize": 1.0, "maximize": -1.0}


def read_biqmac(text: Text) -> Energy:
    """E(x) = x.Q.x, to be made small; `n m`, then m lines `i j Q_ij` of one half of the symmetric Q, sites from 1."""
    return _of_half(text, 1.0)


def read_mqlib(text: Text) -> Energy:
    """E(x) = -x.Q.x, since x.Q.x is to be made large; `n m`, then m lines `i j Q_ij` of one half of the symmetric Q."""
    return _of_half(text, -1.0)


def biqmac_lines(model: ModelLike) -> Iterator[str]:
    """The lines of one half of the Q of a model."""
    return _half_lines(model, "biqmac", 1.0)


def mqlib_lines(model: ModelLike) -> Iterator[str]:
    """The lines of one half of minus the Q of a model."""
    return _half_lines(model, "mqlib", -1.0)


def read_qbsolv(text: Text) -> Energy:
    """E(x) = sum q_ij x_i x_j; `p qubo 0 n diagonals couplers`, then lines `i j q`, sites from 0, diagonals first."""
    text.comments = "c#"
    belongs = "the header, `p qubo 0 n diagonals couplers`, belongs"
    words = (line := text.line(belongs)).split()
    counts = [int(word) for word in words[3:] if is_count(word)]
    if words[:2] != ["p", "qubo"] or len(words) != 6 or len(counts) != 3:
        text.misplaced(line, belongs)
    n, diagonals, couplers = counts
    rows = text.rows(Table(_ENTRY, "entry", 0, n, None))
    own = int(np.count_nonzero(rows.i == rows.j))
    if (own, rows.w.size - own) != (diagonals, couplers):
        text.refuse(
            f"the file ends after {own} diagonals and {rows.w.size - own} couplers, its header announces {diagonals} "
            f"and {couplers}"
        )
    return _model(text, n, rows)


def qbsolv_lines(model: ModelLike) -> Iterator[str]:
    """The lines of a QUBO for qbsolv."""
    linear, (i, j, c), _ = _of_units(model, "qbsolv")
    own = np.flatnonzero(linear)
    yield f"p qubo 0 {linear.size} {own.size} {c.size}\n"
    yield from lines(0, own, own, linear[own])
    yield from lines(0, i, j, c)


def read_qplib(text: Text) -> Energy:
    """E(x) = 1/2 sum_ij h_ij x_i x_j + b.x + q, or minus it if that is to be made large; without constraints."""
    text.comments = "#!%"
    text.line("the name of the problem belongs")
    kind = _word(text, "the type, as QBN, belongs")
    if len(kind) != 3 or kind[0] not in "LDCQ" or kind[1] != "B" or kind[2] not in "NB":
        text.refuse(f"type is {kind!r}: only problems of binary variables without constraints, QBN or LBN, are read")
    sense = _word(text, "`minimize` or `maximize` belongs").lower()
    if sense not in _SENSES:
        text.misplaced(sense, "`minimize` or `maximize` belongs")
    n = _count(text, "the number of variables")
    if n > MAX_SITES:
        text.refuse(f"{n} variables: at most {MAX_SITES} can be held")
    checks.require_memory(150 * n, f"{text.path}, of {n} variables,")
    terms = _count(text, "the number of quadratic terms") if kind[0] != "L" else 0
    rows = text.rows(Table("a term, `i j h`,", "term", 1, n, None), terms)
    linear = np.full(n, _value(text, "the default of linear coefficients"))
    for site, b in _listed(text, n, "linear coefficients"):
        linear[site] = b
    offset = _value(text, "the constant of the objective")
    _value(text, "the value of infinity")
    for what in ("start values", "dual values"):
        _value(text, f"the default of {what}")
        list(_listed(text, n, what))
    own = np.arange(n, dtype=np.int32)
    rows = Rows.joined([rows._replace(w=rows.w / 2), Rows(own, own, linear)])
    return _model(text, n, rows._replace(w=_SENSES[sense] * rows.w), _SENSES[sense] * offset)


def qplib_lines(model: ModelLike) -> Iterator[str]:
    """The lines of a problem for QPLIB, type QBN."""
    linear, (i, j, c), offset = _of_units(model, None)
    own = np.flatnonzero(linear)
    yield f"fastgibbs\nQBN\nminimize\n{linear.size} # variables\n{c.size} # quadratic terms\n"
    yield from lines(1, j, i, 2 * c)
    yield f"0 # default of linear coefficients\n{own.size} # others\n"
    yield "".join(f"{site + 1} {number(b)}\n" for site, b in zip(own.tolist(), linear[own].tolist(), strict=True))
    yield f"{number(offset)} # constant\n1e+300 # infinity\n" + "0 # default\n0 # others\n" * 2
    yield "0 # names of variables\n0 # names of constraints\n"


def _of_half(text: Text, sign: float) -> Energy:
    n, rows = counted(text, _ENTRY, "entry", "entries", None, unit=False)
    keys = np.minimum(rows.i, rows.j).astype(np.int64) * n + np.maximum(rows.i, rows.j)
    order = np.argsort(keys, kind="stable")
    twice = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    if twice.size:
        i, j = divmod(int(keys[order][twice[0]]), n)
        raise ValueError(
            f"{text.path}: entry {i + 1} {j + 1} is given more than once: Q is symmetric, give one of each pair, which "
            "counts twice"
        )
    factor = np.where(rows.i == rows.j, sign, 2 * sign)
    return _model(text, n, rows._replace(w=factor * rows.w))


def _half_lines(model: ModelLike, name: str, sign: float) -> Iterator[str]:
    linear, (i, j, c), _ = _of_units(model, name)
    own = np.flatnonzero(linear)
    yield f"{linear.size} {own.size + c.size}\n"
    yield from lines(1, own, own, sign * linear[own])
    yield from lines(1, i, j, sign / 2 * c)


def _model(text: Text, n: int, rows: Rows, offset: float = 0.0) -> Energy:
    """The model of units with terms w x_i x_j, where (i, i) is x_i."""
    own = rows.i == rows.j
    try:
        checks.require_memory(100 * n + 150 * rows.w.size, f"a model of n = {n} sites and {rows.w.size} terms")
        linear = np.bincount(rows.i[own], rows.w[own], n).astype(np.float64)
        return foreign.quadratic("binary", linear, rows.i[~own], rows.j[~own], rows.w[~own], offset)
    except ValueError as error:
        raise ValueError(f"{text.path}: {error}") from None


def _of_units(model: ModelLike, name: str | None) -> tuple[FloatArray, tuple[Sites, Sites, FloatArray], float]:
    """Linear terms, pairs and the offset of a model of units; ValueError at spins, and at an offset for `name`."""
    kind, linear, pairs, offset = foreign.as_quadratic("model", model)
    if kind == "spin":
        raise ValueError(
            f"model is {checks.shown(model)}, of spins: this format is of units 0 and 1, give "
            "as_model(to_qubo(model)[0]), and keep the offset"
        )
    if name is not None and offset:
        raise ValueError(f"offset is {offset}: the {name} format has no place for it")
    return linear, pairs, offset


def _word(text: Text, belongs: str) -> str:
    """The first word of the next line."""
    return text.line(belongs).split()[0]


def _value(text: Text, what: str) -> float:
    word = _word(text, f"{what} belongs")
    try:
        if not plain(word):
            raise ValueError
        value = float(word)
    except ValueError:
        text.misplaced(word, f"{what} belongs")
    if not np.isfinite(value):
        text.refuse(f"{what} is {value}: give a finite number")
    return value


def _count(text: Text, what: str) -> int:
    word = _word(text, f"{what} belongs")
    if not is_count(word):
        text.misplaced(word, f"{what} belongs")
    return int(word)


def _listed(text: Text, n: int, what: str) -> Iterator[tuple[int, float]]:
    """Yield the sites, from 0, and values of a list that begins with how many it holds."""
    for _ in range(_count(text, f"the number of {what} that differ")):
        words = (line := text.line(f"one of the {what}, `i b`, belongs")).split("#")[0].split()
        try:
            if not all(map(plain, words)):
                raise ValueError
            site, value = int(words[0]), float(words[1])
        except (ValueError, IndexError):
            text.misplaced(line, f"one of the {what}, `i b`, belongs")
        if not 1 <= site <= n or not np.isfinite(value):
            text.misplaced(line, f"one of the {what}, of a site from 1 to {n}, belongs")
        yield site - 1, value
