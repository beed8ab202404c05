"""Files as a careful program treats them: opened only if they are files, written whole or not at all, held by one run.

A new file is written beside the old one and then takes its name. Links stay links, and modes stay as they were.
"""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from fastgibbs.models import checks
from fastgibbs.types import PathLike

try:
    import fcntl
except ImportError:  # nothing is locked
    fcntl = None  # type: ignore[assignment]  # the checker sees a POSIX


def absolute(name: str, path: PathLike) -> str:
    """The path `name` of a file as it is meant now, whatever the working folder is later.

    TypeError and ValueError as `checks.path`; ValueError also if a folder, a pipe or a device stands there.
    """
    path = os.path.abspath(os.fsdecode(checks.path(name, path)))
    _mode(path)
    return path


def opened(path: PathLike) -> BinaryIO:
    """The file at `path`, open for reading bytes; ValueError at once if it is a folder, a pipe or a device."""
    path = os.fsdecode(checks.path("path", path))
    _mode(path)
    # should a pipe take its place now, opening does not wait for somebody who writes to it
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))


def _mode(path: str) -> int | None:
    """The permissions of the file at `path`, or None if nothing is found there; ValueError if it is no file."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # opening it says why
        return None
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise ValueError(f"{path} is {kinds.get(stat.S_IFMT(mode), 'a device')}: give the path of a file")
    return stat.S_IMODE(mode)


@contextmanager
def replacing(path: PathLike, durable: bool = True) -> Iterator[BinaryIO]:
    """A binary file to write into, which takes the name `path` when the block ends, and is gone if the block fails.

    The bytes are on disk before the name, and the name before this returns: whoever opens `path`, after a crash too,
    finds all of the old file or all of the new one. Unless it is `durable`, that takes no time, and holds whatever
    becomes of the process, but not of the machine. Where `path` is a link, what it points to is replaced. A killed
    process may leave a `.*.partial` file beside it, which the next one that writes to `path` removes.

    An OSError of a full disk or a read-only folder names `path` and the reason; ValueError if no file stands there.
    """
    path = os.fsdecode(checks.path("path", path))
    target, mode = os.path.realpath(path), _mode(path)
    folder = os.path.dirname(target)
    try:
        _remove_dead(target)
        with _partial(target, 0o666 if mode is None else 0o600) as file:
            try:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                if mode is not None:
                    os.chmod(file.name, mode)
                os.replace(file.name, target)
            finally:
                with suppress(FileNotFoundError):
                    os.remove(file.name)
    except OSError as error:
        raise untouched(error, path) from error
    if durable and hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened
        entry = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(entry)
        finally:
            os.close(entry)


def writable(path: PathLike) -> None:
    """OSError or ValueError now if no file could be written to `path` later; nothing there changes."""
    target = os.path.realpath(absolute("path", path))
    try:
        with _partial(target, 0o600) as file:
            os.remove(file.name)
    except OSError as error:
        raise untouched(error, path) from error


def untouched(error: OSError, path: PathLike) -> OSError:
    """The same error, which says that it cost nothing of what stood at `path`."""
    reason = f"{error.strerror or error}; nothing was written, what stood there is untouched"
    return OSError(error.errno, reason, path)


def replace_file(path: PathLike, content: bytes, durable: bool = True) -> None:
    """Write `content` to `path` whole or not at all, as `replacing` does."""
    with replacing(path, durable) as file:
        file.write(content)


@contextmanager
def held(path: PathLike) -> Iterator[None]:
    """Hold `path` for one run as long as the block lasts: ValueError if another run holds it, in any process.

    The lock is one of the system on a small file beside `path`, and ends with the process however that ends. Where the
    system or the disk has no locks, nothing is held.
    """
    path = os.fsdecode(checks.path("path", path))
    name = _beside(os.path.realpath(path), ".lock")
    while True:
        try:
            file = os.open(name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; a run cannot be saved there", path) from error
        try:
            if _lock(file) is False:
                raise ValueError(f"{path} is in use by another run, of process {_number(file)}: give another path")
            if not is_at(file, name):  # that run has just ended
                continue
            with suppress(OSError):  # a full disk
                os.truncate(file, 0)
                os.write(file, str(os.getpid()).encode())
            try:
                return (yield)
            finally:
                with suppress(OSError):
                    os.remove(name)
        finally:
            os.close(file)


def _number(file: int) -> str:
    """The process that a lock names."""
    return os.pread(file, 20, 0).decode("ascii", "replace") or "unknown"


def is_at(file: int, name: PathLike, size: int | None = None) -> bool:
    """Whether an open file still has this name, which others may have removed or replaced, and this size."""
    try:
        mine = os.fstat(file)
        return os.path.samestat(mine, os.stat(name)) and size in (None, mine.st_size)
    except OSError:
        return False


def _lock(file: int) -> bool | None:
    """Lock an open file until it is closed: whether that was possible, or None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a disk without locks
        return None
    return True


def _partial(target: str, mode: int) -> BinaryIO:
    """A new file beside `target`, open for writing, and locked, lest it is taken for one of the dead."""
    while True:
        name = _beside(target, f"-{uuid.uuid4().hex[:16]}.partial")
        file = open(name, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115 - it is returned
        if _lock(file.fileno()) is not False and is_at(file.fileno(), name):
            return file
        file.close()


def _beside(target: str, suffix: str) -> str:
    """A hidden name beside `target`, short however long that is, and its own."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}{suffix}")


def _remove_dead(target: str) -> None:
    """Remove what writers to `target` left that have died: the living hold a lock."""
    folder, start = os.path.split(_beside(target, "-"))
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(start) and name.endswith(".partial"):
                with suppress(OSError), open(os.path.join(folder, name), "r+b") as file:
                    if _lock(file.fileno()):
                        os.remove(file.name)
