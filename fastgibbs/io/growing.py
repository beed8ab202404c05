"""Archives that grow: a run under way adds to its file what is new, part after part, and no part is ever changed.

Each part is an archive of its own, behind a frame, one line of 64 bytes that says how long it is. The frame is written
when all else is on disk; until then zeros stand there, or the file ends, and readers end there too. So each part is
there from one moment on, whenever the process or the machine dies, and damage is not taken for an unfinished part.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import IO, Any, NamedTuple

from fastgibbs.io.archive import FRAME, MORE, framed, pack
from fastgibbs.io.files import is_at, replacing, untouched
from fastgibbs.types import AnyArray, PathLike

Arrays = dict[str, AnyArray]


class _Stream(NamedTuple):
    """A file of which a zip knows no more than that it can be written to: its places count from here."""

    file: IO[bytes]

    def write(self, content: Any) -> int:
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


class Growing:
    """The archive of this `kind` at `path`, written again and again by one run: whole, or what is new of it."""

    def __init__(self, path: PathLike, kind: str) -> None:
        self.path, self.kind = path, kind
        self._file: int | None = None  # the descriptor of what was written last
        self._end = self._dead = self._last = 0  # bytes: of the file, of what later parts replace, and of the last part
        self._rows: dict[str, int] = {}
        self._header: dict[str, Any] = {}  # what stands in the file

    def close(self) -> None:
        """Let go of the file; the next writing is whole."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def write(self, arrays: Arrays, records: Arrays, header: dict[str, Any]) -> None:
        """Write arrays and header, and records that hold what they held the last time, and more rows after it.

        Appended are arrays and new rows; but all is written anew where the file would be more than half out of date,
        or is no longer the one that was written. Errors as of `write_archive`; what was whole before stays so.
        """
        dead, end = self._dead + self._last, self._end + self._last
        if self._file is None or 2 * dead > end or not is_at(self._file, self.path, self._end):
            return self._write_whole(arrays, records, header)
        new = {name: record[self._rows[name] :] for name, record in records.items()}
        new = {f"{name}{MORE}": rows for name, rows in new.items() if len(rows)}
        changed = {name: value for name, value in header.items() if self._header.get(name) != value}
        try:
            with open(self._file, "wb", closefd=False) as file:
                frame, end = self._put(file, self._end, arrays | new, changed)
            os.fsync(self._file)
            os.pwrite(self._file, frame, self._end)
            os.fsync(self._file)
        except BaseException as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            if isinstance(error, OSError):
                raise untouched(error, self.path) from error
            raise
        self._dead = dead
        self._wrote(end, new, records, header)

    def _write_whole(self, arrays: Arrays, records: Arrays, header: dict[str, Any]) -> None:
        self.close()
        with replacing(self.path) as file:
            self._file = os.dup(file.fileno())
            frame, end = self._put(file, 0, arrays | records, header)
            file.seek(0)
            file.write(frame)
        self._end = self._dead = 0
        self._wrote(end, records, records, header)

    def _put(self, file: IO[bytes], start: int, arrays: Arrays, header: dict[str, Any]) -> tuple[bytes, int]:
        """Write a part, but for its frame, which is returned with the place where the next part begins."""
        file.seek(start + FRAME)
        pack(_Stream(file), self.kind, arrays, header)
        length = file.tell() - start - FRAME
        file.write(b"\0" * (-length % FRAME))  # no frame lies in two sectors of a disk
        return framed(start, length), file.tell()

    def _wrote(self, end: int, new: Arrays, records: Arrays, header: dict[str, Any]) -> None:
        self._last = end - self._end - sum(rows.nbytes for rows in new.values())
        self._end = end
        self._rows, self._header = {name: len(record) for name, record in records.items()}, header
