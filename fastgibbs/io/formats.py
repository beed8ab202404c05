"""Problems in files, ours and of other programs: one `read` that knows each by how it begins, one `write`."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, get_args

from fastgibbs.io import bqms, qubos, rudy
from fastgibbs.io.archive import read_archive, write_archive
from fastgibbs.io.files import opened, replacing
from fastgibbs.io.models import from_archive, to_archive
from fastgibbs.io.text import Text, text_of
from fastgibbs.models import Energy, checks, foreign
from fastgibbs.types import PathLike, Problem

FormatName = Literal["rudy", "biqmac", "mqlib", "qbsolv", "qplib", "spinglass", "coo", "bqm", "npz"]


class Format(NamedTuple):
    """How a text file is read and written, what names of such files end with, and the number of its first site."""

    read: Callable[[Text], Energy]
    lines: Callable[[Any], Iterator[str]]
    endings: tuple[str, ...]
    first: int = 1


FORMATS = {
    "rudy": Format(rudy.read_cut, rudy.cut_lines, (".rudy", ".rud", ".mc", ".txt")),
    "biqmac": Format(qubos.read_biqmac, qubos.biqmac_lines, (".sparse", ".bq")),
    "mqlib": Format(qubos.read_mqlib, qubos.mqlib_lines, ()),
    "qbsolv": Format(qubos.read_qbsolv, qubos.qbsolv_lines, (".qubo",), 0),
    "qplib": Format(qubos.read_qplib, qubos.qplib_lines, (".qplib",)),
    "spinglass": Format(rudy.read_spinglass, rudy.spinglass_lines, (".sg", ".gsg")),
    "coo": Format(bqms.read_coo, bqms.coo_lines, (".coo",), 0),
    "bqm": Format(bqms.read_bqm, bqms.bqm_lines, (".json",), 0),
}
NAMES = get_args(FormatName)
_ZIP = b"PK\x03\x04"
_TYPE = re.compile(r"[A-Z]{3}\b")
_ENDINGS = {ending: name for name, one in FORMATS.items() for ending in one.endings} | {".npz": "npz"}


def read(path: PathLike, format: FormatName | None = None) -> Energy:
    """The problem of a file, gzipped or not, with the energy that the file's own program makes small.

    | format | known by | E(x), sites from 1 but for "qbsolv" and "coo" |
    |---|---|---|
    | "rudy" | `n m` | sum w s_i s_j, so that cuts are large: rudy, the G-set, Biq Mac's .mc, graphs of MQLib |
    | "biqmac" | `n m` and .sparse or .bq | x.Q.x, of one half of the symmetric Q |
    | "mqlib" | - | -x.Q.x, of one half of Q: QUBOs of MQLib |
    | "qbsolv" | `p qubo` | sum q_ij x_i x_j |
    | "qplib" | its type in line 2 | 1/2 sum h_ij x_i x_j + b.x + q, or minus it; QBN and LBN, without constraints |
    | "spinglass" | `type:`, or `n m` and .sg or .gsg | -sum J_ij s_i s_j |
    | "coo" | `# vartype=` | sum c_ij x_i x_j, (i, i) linear: dimod's lists of coordinates |
    | "bqm" | `{` | the JSON of a dimod BinaryQuadraticModel |
    | "npz" | a zip | a model that `fastgibbs.save` wrote |

    A head of `n m` does not say what follows, so that the ending of the name does, or `format`. Energies of spins are
    `Ising` models, those of units 0 and 1 `Polynomial`s. ValueError names the file, the line and what is wrong there,
    or says that it is of none of these formats; OSError if it cannot be opened.

    >>> import fastgibbs as fg
    >>> from pathlib import Path
    >>> _ = Path("small.sparse").write_text("# x.Q.x\\n2 3\\n1 1 -3\\n1 2 2\\n2 2 -3\\n")
    >>> fg.read("small.sparse").energy([[1, 0], [1, 1]]).tolist()
    [-3.0, -2.0]
    """
    return recognised(path, format)[0]


def recognised(path: PathLike, format: FormatName | None = None) -> tuple[Energy, str]:
    """What `read` returns, and the name of the format that the file has."""
    if format is not None:
        checks.choice("format", format, NAMES)
    with opened(path) as file:
        zipped = file.read(len(_ZIP)) == _ZIP
    if format == "npz" or (zipped and format is None):
        return from_archive(path, read_archive(path)), "npz"
    with text_of(path) as text:
        name = format or _recognised(path, text)
        return FORMATS[name].read(text), name


def write(model: Problem, path: PathLike, format: FormatName | None = None) -> None:
    """Write a model, or what holds one, to a file, whole or not at all; `read` makes it again, with every bit.

    `format`: as in `read`, by default as the name of the file ends (`.mc`, `.sparse`, `.qubo`, `.qplib`, `.sg`, `.coo`,
    `.json`, `.npz`; `.txt` is "rudy"); it is gzipped if that is `.gz` after all. Labels are kept by "npz" and "bqm",
    numbers by "coo". ValueError where the format has no place for something: fields, an offset, units or spins.

    >>> import fastgibbs as fg
    >>> problem = fg.as_model({(0, 0): -1.0, (0, 1): 0.1})
    >>> fg.write(problem, "problem.qubo.gz")
    >>> fg.read("problem.qubo.gz") == problem
    True
    """
    name = os.fsdecode(checks.path("path", path)).lower()
    name, packed = name.removesuffix(".gz"), name.endswith(".gz")
    chosen = _ENDINGS.get(os.path.splitext(name)[1]) if format is None else checks.choice("format", format, NAMES)
    if chosen is None:
        raise ValueError(f"{path} ends with none of {', '.join(_ENDINGS)}: give format, one of {', '.join(NAMES)}")
    given = read(model) if isinstance(model, str | os.PathLike) else foreign.taken("model", model)
    model = checks.model("model", given, worldlines=True)
    if chosen == "npz":
        write_archive(path, "model", *to_archive([model]))
        return
    parts = FORMATS[chosen].lines(model)
    with replacing(path) as file:
        if packed:
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as stream:
                stream.writelines(part.encode() for part in parts)
        else:
            file.writelines(part.encode() for part in parts)


def _recognised(path: PathLike, text: Text) -> str:
    """The format of a text; ValueError if it is none that is known, or one that its name contradicts."""
    lines = [line.strip() for line in text.head()]
    ending = os.path.splitext(os.fsdecode(path).lower().removesuffix(".gz"))[1]
    if any(bqms.VARTYPE.match(line) for line in lines[:1000]):
        return "coo"
    said = [line for line in lines if line and line[0] not in "#!%"]
    first = next((line for line in said if line.split()[0] != "c"), "")
    words = first.split()
    if first.startswith("{"):
        return "bqm"
    if words[:2] == ["p", "qubo"]:
        return "qbsolv"
    if len(said) > 2 and _TYPE.fullmatch(said[1].split()[0]) and said[2].split()[0].lower() in ("minimize", "maximize"):
        return "qplib"
    if ":" in first and first.partition(":")[0].strip().lower() in ("type", "size", "name"):
        return "spinglass"
    if len(words) == 2 and all(word.isdigit() for word in words):
        of_name = _ENDINGS.get(ending, "rudy")
        if of_name not in ("rudy", "biqmac", "spinglass"):
            raise ValueError(
                f"{path} begins with `n m`, {first!r}, as no file of format {of_name!r} does: give the right format, "
                '"rudy", "biqmac", "mqlib" or "spinglass"'
            )
        return of_name
    if ending in _ENDINGS and ending != ".npz":  # which says what is wrong with it
        return _ENDINGS[ending]
    shown = checks.shown(first) if first else "nothing"
    raise ValueError(f"{path}, line 1: it begins with {shown}, as no format does: {', '.join(NAMES)}")
