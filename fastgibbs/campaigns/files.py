"""The directory of a campaign: a file for each task, by its digest, and an index of those that were found sound.

DIRECTORY/tasks/AB/REST.npz               the result of the task whose digest is ABREST: an archive of its own
DIRECTORY/tasks/AB/REST.checkpoint.npz    how far a long one is
DIRECTORY/tasks/AB/REST.failed.txt        the traceback of one that failed
DIRECTORY/index.npy                       size and time of files that were read and found whole: a cache
DIRECTORY/calls.jsonl                     what each call was: versions, commit, machine, tasks

A result is there from one moment on, when its file takes its name. It has a checksum; one that was damaged later is
set aside by whoever reads it, and computed again.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from fastgibbs.campaigns.tasks import Task
from fastgibbs.io import Archive, read_archive, replace_file
from fastgibbs.io.archive import pack
from fastgibbs.methods.log_z import Estimate
from fastgibbs.models import checks
from fastgibbs.results import parts
from fastgibbs.results.base import Timing
from fastgibbs.results.saving import loaded

INDEX, CALLS = "index.npy", "calls.jsonl"
RESULT, CHECKPOINT, FAILED, DAMAGED = ".npz", ".checkpoint.npz", ".failed.txt", ".damaged"
_FOLDER = 2  # digits of a digest that name one
_NOBODY = Timing(0.0, 0.0, 0.0, 0.0)  # the same bytes, whoever takes however long
_INDEX = np.dtype([("digest", "S64"), ("size", "<i8"), ("time", "<i8"), ("length", "<i8")])


class Entry(NamedTuple):
    """What tells a file that was found whole from one that has changed since."""

    size: int  # bytes
    time: int  # of its last change, in ns
    length: int  # of the task that it is of


def path_of(directory: str, digest: str, suffix: str) -> str:
    """The file of a task."""
    return os.path.join(directory, "tasks", digest[:_FOLDER], digest[_FOLDER:] + suffix)


def packed(task: Task, result: Any) -> bytes:
    """The file of a task's result: the same bytes for the same numbers, however long they took."""
    arrays: dict[str, Any]
    if isinstance(result, Estimate):
        kind, arrays, header = "estimate", {"numbers": np.hstack(result[:-1])}, {"method": result.method}
    else:
        kind, (arrays, header) = result.KIND, parts.take_apart(result._values() | {"timing": _NOBODY})
    content = io.BytesIO()
    pack(content, kind, arrays, header | {"task": task.told | {"digest": task.digest, "length": task.length}})
    return content.getvalue()


def write(directory: str, task: Task, result: Any) -> Entry:
    """Write the result of a task, whole or not at all."""
    path = path_of(directory, task.digest, RESULT)
    replace_file(path, packed(task, result), durable=False)  # what a machine loses is computed again
    return _entry(path, task.length)


def read(directory: str, task: Task) -> Any:
    """The result of a task. FileNotFoundError if it is not there; ValueError if it is damaged, and then set aside."""
    path = path_of(directory, task.digest, RESULT)
    try:
        archive, length = _archived(path, task)
        if length != task.length:
            raise LookupError(f"{path} is of {length} sweeps, asked for are {task.length}: call campaign again")
        if archive.kind != "estimate":
            return loaded(path, archive)
        return _estimate(**archive.arrays, **archive.header)
    except ValueError as error:
        raise ValueError(f"{error}; {set_aside(path)}") from error


def _estimate(numbers: Any, method: Any) -> Estimate:
    """log Z as it was kept; ValueError if it is none."""
    if numbers.shape != (6,) or not isinstance(method, str):
        raise ValueError(f"it holds no estimate of log Z: numbers of shape {numbers.shape}, method {method!r}")
    value, error, low, high, chains, quadrature = numbers.tolist()
    return Estimate(value, error, (low, high), chains, quadrature, method)


def set_aside(path: str) -> str:
    """Give a damaged file another name; what was done, in words."""
    with suppress(OSError):
        os.replace(path, path + DAMAGED)
        return f"it was set aside as {os.path.basename(path)}{DAMAGED}, and the next call computes it again"
    return "remove it, and the next call computes it again"


def sound(directory: str, task: Task) -> Entry | None:
    """The file of a task, of whatever length, if it is whole; None if there is none, or it is damaged and set aside."""
    path = path_of(directory, task.digest, RESULT)
    try:
        _, length = _archived(path, task)
        return _entry(path, length)
    except FileNotFoundError:
        return None
    except ValueError:
        set_aside(path)
        return None


def _archived(path: str, task: Task) -> tuple[Archive, int]:
    """The archive of a task's result without what it says of the task, and how long that was."""
    archive = read_archive(path)
    told = archive.header.pop("task", None)
    if not isinstance(told, dict) or told.get("digest") != task.digest:
        raise ValueError(f"{path} is of another task")
    return archive, checks.integer(f"{path}: length", told.get("length"), 0)


def _entry(path: str, length: int) -> Entry:
    found = os.stat(path)
    return Entry(found.st_size, found.st_mtime_ns, length)


def scan(directory: str) -> dict[str, tuple[int, int]]:
    """Size and time of the results that are there, by digest."""
    found = {}
    for folder in _folders(os.path.join(directory, "tasks")):
        with os.scandir(folder.path) as files:
            for file in files:
                name = file.name
                if name.endswith(RESULT) and "." not in (stem := name[: -len(RESULT)]):
                    told = file.stat()
                    found[folder.name + stem] = told.st_size, told.st_mtime_ns
    return found


def _folders(path: str) -> Iterator[os.DirEntry[str]]:
    with suppress(FileNotFoundError), os.scandir(path) as folders:
        yield from (folder for folder in folders if len(folder.name) == _FOLDER)


def known(directory: str) -> dict[str, Entry]:
    """Results that are there as the index has them; others must be read."""
    there = scan(directory)
    found = {}
    with suppress(OSError, ValueError):  # none, or damaged: it is a cache
        index = np.load(os.path.join(directory, INDEX), allow_pickle=False)
        if index.dtype == _INDEX and index.ndim == 1:
            names = index["digest"].astype("U64").tolist()
            entries = zip(index["size"].tolist(), index["time"].tolist(), index["length"].tolist(), strict=True)
            for name, entry in zip(names, entries, strict=True):
                if there.get(name) == entry[:2]:
                    found[name] = Entry(*entry)
    return found


def remember(directory: str, entries: dict[str, Entry]) -> None:
    """Add to the index."""
    entries = known(directory) | entries
    index = np.empty(len(entries), _INDEX)
    index["digest"] = list(entries)
    for k, name in enumerate(("size", "time", "length")):
        index[name] = [entry[k] for entry in entries.values()]
    content = io.BytesIO()
    np.save(content, index, allow_pickle=False)
    replace_file(os.path.join(directory, INDEX), content.getvalue())
