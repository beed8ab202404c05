"""Max-cut instances in the rudy format of the G-set."""

from __future__ import annotations

import io
import math
from typing import NoReturn

import numpy as np

from fastgibbs.io.files import opened, replace_file
from fastgibbs.models import Ising
from fastgibbs.types import PathLike


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

    def refuse(number: int, problem: str) -> NoReturn:
        raise ValueError(f"{path}, line {number}: {problem}")

    n = m = None
    number, i, j, weights = 0, [], [], []
    with opened(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace") as text:
        for number, line in enumerate(text, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if n is None:
                if len(words) != 2 or not all(_plain(word) and word.isdigit() and len(word) < 20 for word in words):
                    refuse(number, f"{line.strip()!r} stands where the numbers of sites and edges, `n m`, belong")
                n, m = map(int, words)
                continue
            try:
                if not all(map(_plain, words)):
                    raise ValueError
                first, second, *rest = words
                start, end, weight = int(first), int(second), float(*rest) if rest else 1.0
            except (ValueError, TypeError):
                refuse(number, f"{line.strip()!r} stands where an edge, `i j` or `i j w`, belongs")
            if not (1 <= start <= n and 1 <= end <= n):
                refuse(number, f"edge {start} {end} leaves the sites 1 to {n}")
            if start == end:
                refuse(number, f"edge {start} {end} is a self-loop, which no state can cut")
            if not math.isfinite(weight):
                refuse(number, f"edge {start} {end} has weight {weight}: give a finite number")
            i.append(start - 1)
            j.append(end - 1)
            weights.append(weight)
    if n is None:
        refuse(1, "the file is empty, the numbers of sites and edges, `n m`, belong here")
    if len(weights) != m:
        refuse(number, f"the file ends after {len(weights)} edges, its header announces {m}")
    try:
        return Ising.from_edges(n, i, j, -np.array(weights))
    except ValueError as error:  # too many sites, or too large weights
        raise ValueError(f"{path}: {error}") from None


def _plain(word: str) -> bool:
    """Whether a word is none of those that only Python takes for numbers, such as 1_0."""
    return word.isascii() and "_" not in word


def write_rudy(path: PathLike, model: Ising) -> None:
    """Write the bonds of an `Ising` model as max-cut weights w = -J, which `read_rudy` reads back exactly.

    The file appears whole or not at all. ValueError if the model has fields or an offset, which the format
    has no place for; TypeError if it is another model.

    >>> import fastgibbs as fg
    >>> fg.write_rudy("instance.txt", fg.random_regular(20, 3, seed=1))
    >>> fg.read_rudy("instance.txt")
    Ising(n=20, bonds=30, fields=0)
    """
    if not isinstance(model, Ising):
        raise TypeError(f"model is {model!r}: give an Ising model")
    if model.fields.any():
        site = (model.fields != 0).argmax()
        raise ValueError(f"fields[{site}] is {model.fields[site]}: the rudy format holds couplings only")
    if model.offset:
        raise ValueError(f"offset is {model.offset}: the rudy format holds couplings only")
    edges = [f"{model.n} {model.couplings.size // 2}"]
    for i, j, J in zip(*(part.tolist() for part in model.bonds), strict=True):
        edges.append(f"{i + 1} {j + 1} {int(-J) if J.is_integer() else -J}")
    replace_file(path, "\n".join([*edges, ""]).encode("ascii"))
