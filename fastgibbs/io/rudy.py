"""Max-cut instances in the rudy format, in which the G-set, Biq Mac's .mc and MQLib's graphs come, and spin glasses."""

from __future__ import annotations

from collections.abc import Iterator

from fastgibbs.io.files import replacing
from fastgibbs.io.text import Rows, Table, Text, is_count, lines, text_of
from fastgibbs.models import Ising
from fastgibbs.types import PathLike

_CUT = 'is a self-loop, which no state can cut (of a QUBO, say which: format="biqmac" or "mqlib")'
_SELF = "couples a spin to itself"
_AXES = {"pm": 2, "gauss": 2, "pm3": 3, "gauss3": 3, "sk": 1}  # of the server's lattices


def read_rudy(path: PathLike) -> Ising:
    """E(s) = sum_<ij> w_ij s_i s_j, the max-cut instance of the file as an `Ising` model with J = -w.

    A state cuts the bonds whose spins differ: `fastgibbs.cut(model, s)` = (W - E(s)) / 2 with W the sum of the weights,
    so that the ground state is the largest cut. The file holds `n m`, then m lines `i j w` with sites from 1;
    an absent w is 1; repeated edges add up; lines that begin with # are comments. ValueError names file, line
    and value: not a number, a NaN or infinity, a site out of range, a self-loop, a wrong count of edges. Format:
    rudy, the graph generator of G. Rinaldi, as in Helmberg and Rendl, SIAM J. Optim. 10, 673 (2000).

    >>> import fastgibbs as fg
    >>> fg.write_rudy("triangle.txt", fg.Ising.from_edges(3, [0, 1, 0], [1, 2, 2], J=-1.0))
    >>> print(fg.cut(fg.read_rudy("triangle.txt"), [1, 1, -1]))
    2.0
    """
    with text_of(path) as text:
        return read_cut(text)


def write_rudy(path: PathLike, model: Ising) -> None:
    """Write the bonds of an `Ising` model as max-cut weights w = -J, which `read_rudy` reads back exactly.

    The file appears whole or not at all. ValueError if the model has fields or an offset, which the format
    has no place for; TypeError if it is another model.

    >>> import fastgibbs as fg
    >>> fg.write_rudy("instance.txt", fg.random_regular(20, 3, seed=1))
    >>> fg.read_rudy("instance.txt")
    Ising(n=20, bonds=30, fields=0)
    """
    with replacing(path) as file:
        for part in cut_lines(model):
            file.write(part.encode("ascii"))


def read_cut(text: Text) -> Ising:
    """A max-cut instance."""
    n, rows = counted(text, "an edge, `i j` or `i j w`,", "edge", "edges", _CUT)
    return ising(text, n, rows, -1.0)


def cut_lines(model: Ising) -> Iterator[str]:
    """The lines of a max-cut instance."""
    yield from _bonds(model, f"{_couplings(model, 'rudy').n} {model.bond_count}\n", -1.0)


def read_spinglass(text: Text) -> Ising:
    """E(s) = -sum_<ij> J_ij s_i s_j: `n m` or lines `type: gauss3`, `size: L`, then lines `i j J` with sites from 1."""
    said: dict[str, str] = {}
    for line in text.headers(":"):
        key, _, value = (part.strip() for part in line.partition(":"))
        if not key.isalpha() or key.lower() in said:
            text.misplaced(line, "one of `type:`, `size:`, `name:`, each once, or a bond, `i j J`, belongs")
        said[key.lower()] = value
    if not said:
        n, rows = counted(text, "a bond, `i j J`,", "bond", "bonds", _SELF, unit=False)
        return ising(text, n, rows, 1.0)
    sites, kind, size = None, said.get("type"), said.get("size", "")
    if kind is not None:
        if kind not in _AXES:
            text.refuse(f"type is {kind!r}: it is one of {', '.join(_AXES)}")
        if not is_count(size):
            text.refuse(f"size is {size!r}: the side of the lattice, or the number of spins of type sk, belongs there")
        sites = int(size) ** _AXES[kind]
    rows = text.rows(Table("a bond, `i j J`,", "bond", 1, sites, _SELF))
    n = int(max(rows.i.max(initial=-1), rows.j.max(initial=-1))) + 1 if sites is None else sites
    return ising(text, n, rows, 1.0)


def spinglass_lines(model: Ising) -> Iterator[str]:
    """The lines of a spin glass, of whatever graph: "sk" to the server."""
    head = f"type: sk\nsize: {_couplings(model, 'spinglass').n}\nname: couplings\n\n"
    yield from _bonds(model, head, 1.0)


def counted(text: Text, what: str, noun: str, nouns: str, loops: str | None, unit: bool = True) -> tuple[int, Rows]:
    """n, and the rows of a file that holds `n m` and then m of them, and nothing else."""
    belong = f"the numbers of sites and {nouns}, `n m`, belong"
    words = (line := text.line(belong)).split()
    if len(words) != 2 or not all(map(is_count, words)):
        text.misplaced(line, belong)
    n, m = map(int, words)
    rows = text.rows(Table(what, noun, 1, n, loops, unit))
    if rows.w.size != m:
        text.refuse(f"the file ends after {rows.w.size} {nouns}, its header announces {m}")
    return n, rows


def ising(text: Text, n: int, rows: Rows, sign: float) -> Ising:
    """The model of bonds with J = sign w."""
    try:
        return Ising.from_edges(n, rows.i, rows.j, sign * rows.w)
    except ValueError as error:  # too many sites, or too large weights
        raise ValueError(f"{text.path}: {error}") from None


def _couplings(model: Ising, name: str) -> Ising:
    """The model; TypeError or ValueError if it has more than couplings of spins."""
    if not isinstance(model, Ising):
        raise TypeError(f"model is {model!r}: give an Ising model")
    if model.fields.any():
        site = (model.fields != 0).argmax()
        raise ValueError(f"fields[{site}] is {model.fields[site]}: the {name} format holds couplings only")
    if model.offset:
        raise ValueError(f"offset is {model.offset}: the {name} format holds couplings only")
    return model


def _bonds(model: Ising, head: str, sign: float) -> Iterator[str]:
    yield head
    yield from lines(1, *model.bonds[:2], sign * model.bonds[2])
