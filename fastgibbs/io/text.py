"""Text files of numbers, gzipped or not, read a piece at a time: lines one by one, and long tables at once."""

from __future__ import annotations

import gzip
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

import numpy as np

from fastgibbs.io.files import opened
from fastgibbs.models import checks
from fastgibbs.models.csr import MAX_SITES
from fastgibbs.types import AnyArray, FloatArray, PathLike, Sites

_PIECE = 2**22  # bytes read at once
_LONGEST = 2**20  # bytes of a line
_AT_ONCE = 2**16  # lines
_PLAIN = np.zeros(256, bool)
_PLAIN[list(b"0123456789+-.eE \t\r\n")] = True  # what tables of numbers are made of
_NO_INTEGER = np.isin(np.arange(256), list(b".eE"))
_MARK = b"\xef\xbb\xbf"  # of byte order


class Rows(NamedTuple):
    """Lines `i j w` of a table."""

    i: Sites  # from 0
    j: Sites
    w: FloatArray

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """One after the other."""
        empty = cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))
        return cls(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))


class Table(NamedTuple):
    """What the lines of a table are."""

    what: str  # that errors call a line
    noun: str  # that they call its pair of sites
    first: int  # the number of the first site
    n: int | None  # of sites, if that is known
    loops: str | None  # why i = j is wrong, if it is
    unit: bool = False  # whether w may be missing, which is then 1


class Text:
    """The lines of a file; comments, which begin with one of `comments`, and blank lines are passed over."""

    def __init__(self, path: PathLike, stream: Any) -> None:
        self.path, self.number, self.comments = path, 0, "#"
        self._stream, self._ended = stream, False
        self._held, self._at = b"", 0  # what was read, and how much of it is used up
        self._fill()
        if self._held.startswith(_MARK):
            self._at = len(_MARK)

    def head(self) -> list[str]:
        """The first lines, as they are, which stay to be read."""
        return self._held[self._at : self._at + _LONGEST].decode("utf-8", "replace").splitlines()

    def refuse(self, problem: str, number: int | None = None) -> NoReturn:
        """ValueError that names the file and a line, by default that which was read last."""
        raise ValueError(f"{self.path}, line {max(1, self.number if number is None else number)}: {problem}")

    def misplaced(self, found: str, belongs: str) -> NoReturn:
        """`refuse` what was found where something else `belongs`."""
        self.refuse(f"{checks.shown(found)} stands where {belongs}")

    def line(self, what: str) -> str:
        """The next line that is no comment; ValueError, which tells what belongs there, if there is none."""
        for line in self._lines():
            return line
        self.refuse(f"the file {'ends' if self.number else 'is empty'}, {what} here")

    def headers(self, mark: str) -> Iterator[str]:
        """Yield the lines that are no comments and hold a `mark`, up to the first that does not, which stays."""
        for line in self._lines():
            if mark not in line:
                self._held, self._at = f"{line}\n".encode() + self._held[self._at :], 0
                self.number -= 1
                return
            yield line

    def rest(self) -> bytes:
        """All that is left."""
        rest, self._held, self._at = self._held[self._at :] + self._stream.read(), b"", 0
        return rest

    def rows(self, table: Table, count: int | None = None) -> Rows:
        """The next `count` lines of a table, or all that are left; ValueError at the first that is wrong."""
        parts: list[Rows] = []
        left = math.inf if count is None else count
        while left and self._ready():
            numbers, values = self._plain(table, left) or self._by_line(table, left)
            parts.append(self._checked(table, numbers, values))
            left -= len(values)
        if count is not None and left:
            self.refuse(f"the file ends after {count - int(left)} of {count} lines, each {table.what}")
        return Rows.joined(parts)

    def _fill(self) -> bool:
        """Read on, until there is a whole line more; whether there was anything."""
        self._held, self._at = self._held[self._at :], 0
        while not self._ended:
            piece = self._stream.read(_PIECE)
            self._ended = not piece
            self._held += piece
            if b"\n" in piece:
                return True
            if len(self._held) > _LONGEST:
                self.refuse(f"a line of more than {_LONGEST} characters, which is no table of numbers", self.number + 1)
        if self._held:  # the last line, which does not end
            self._held += b"\n"
        return bool(self._held)

    def _ready(self) -> bool:
        """Whether there is a whole line."""
        return self._held.find(b"\n", self._at) >= 0 or self._fill()

    def _lines(self) -> Iterator[str]:
        while self._ready():
            end = self._held.index(b"\n", self._at)
            shown = self._held[self._at : end].decode("utf-8", "replace").strip()
            self.number, self._at = self.number + 1, end + 1
            if shown and not shown.startswith(tuple(self.comments)):
                yield shown

    def _plain(self, table: Table, most: float) -> tuple[AnyArray, FloatArray] | None:
        """Line numbers and values (rows, 3) of the lines at hand, at most so many, if all hold plain numbers alike."""
        end = self._held.rfind(b"\n") + 1 - self._at
        text = np.frombuffer(self._held, np.uint8, end, self._at)
        if not _PLAIN[text].all():
            return None
        blank = text <= 32
        starts = np.flatnonzero(~blank & np.append(True, blank[:-1]))
        ends = np.flatnonzero(text == 10)
        words = np.diff(np.searchsorted(starts, ends), prepend=0)
        lines = np.flatnonzero(words)
        if lines.size > most:
            last = lines[int(most) - 1]
            ends, lines, end = ends[: last + 1], lines[: int(most)], int(ends[last]) + 1
            text, starts = text[:end], starts[: int(words[: last + 1].sum())]
        columns = int(words[lines[0]]) if lines.size else 0
        if columns not in ((2, 3) if table.unit else (3,)) or (words[lines] != columns).any():
            return None
        places = np.searchsorted(starts, np.flatnonzero(_NO_INTEGER[text]), "right") - 1
        if (places % columns < 2).any():
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)  # what NumPy up to 2.2 says, and returns the rest
                values = np.fromstring(text.tobytes().decode("ascii"), np.float64, sep=" ")
        except (ValueError, DeprecationWarning):  # a word that is no number
            return None
        if values.size != starts.size:
            return None
        numbers = self.number + 1 + lines
        self.number += ends.size
        self._at += end
        return numbers, values.reshape(-1, columns)

    def _by_line(self, table: Table, most: float) -> tuple[AnyArray, FloatArray]:
        """The same of lines that are looked at one after the other, at most a piece of them."""
        numbers: list[int] = []
        values: list[tuple[float, float, float]] = []
        for line in self._lines():
            words = line.split()
            try:
                if not all(map(plain, words)) or len(words) not in ((2, 3) if table.unit else (3,)):
                    raise ValueError
                i, j, *w = words
                values.append((int(i), int(j), float(*w) if w else 1.0))
            except (ValueError, OverflowError):
                self.misplaced(line, f"{table.what} belongs")
            numbers.append(self.number)
            if len(numbers) >= min(most, _AT_ONCE):
                break
        return np.array(numbers, np.int64), np.array(values, np.float64).reshape(-1, 3)

    def _checked(self, table: Table, numbers: AnyArray, values: FloatArray) -> Rows:
        """The values as rows of a table; ValueError at the first that it cannot have."""
        i, j = values[:, 0], values[:, 1]
        w = values[:, 2] if values.shape[1] == 3 else np.ones(len(values))
        last = MAX_SITES if table.n is None else table.first + table.n - 1
        outside = (np.minimum(i, j) < table.first) | (np.maximum(i, j) > last)
        bad = outside | ~np.isfinite(w) | ((i == j) if table.loops else False)
        if bad.any():
            row = int(bad.argmax())
            called = f"{table.noun} {i[row]:.0f} {j[row]:.0f}"
            if outside[row]:
                problem = f"{called} leaves the sites {table.first} to {last}"
            elif not np.isfinite(w[row]):
                problem = f"{called} has weight {w[row]}: give a finite number"
            else:
                problem = f"{called} {table.loops}"
            self.refuse(problem, int(numbers[row]))
        return Rows((i - table.first).astype(np.int32), (j - table.first).astype(np.int32), w.copy())


def plain(word: str) -> bool:
    """Whether a word is none of those that only Python takes for numbers, such as 1_0."""
    return word.isascii() and "_" not in word


def is_count(word: str) -> bool:
    """Whether a word is a whole number of at least 0, of less than 20 digits."""
    return word.isascii() and word.isdigit() and len(word) < 20


@contextmanager
def text_of(path: PathLike) -> Iterator[Text]:
    """The text of the file at `path`, unpacked if it is gzipped; ValueError if the stream is damaged."""
    with opened(path) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            with gzip.GzipFile(fileobj=file) if packed else file as stream:
                yield Text(path, stream)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}: damaged gzip stream: {error}") from None


def lines(first: int, i: AnyArray, j: AnyArray, w: FloatArray) -> Iterator[str]:
    """Lines `i j w`, some at once, sites from `first`; whole numbers without a point, others so that no bit is lost."""
    for k in range(0, w.size, _AT_ONCE):
        some = slice(k, k + _AT_ONCE)
        rows = zip((i[some] + first).tolist(), (j[some] + first).tolist(), w[some].tolist(), strict=True)
        yield "".join(f"{a} {b} {number(c)}\n" for a, b, c in rows)


def number(value: float) -> str:
    """The shortest text from which it is read back."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
