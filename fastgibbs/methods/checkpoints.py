"""Checkpoints: a run is saved to one archive from time to time, and a later call goes on from it to the same bytes.

A run is a list of blocks that know nothing of each other: NamedTuples, nested, whose arrays change as they are
advanced, all but those of a plan. A checkpoint holds what rules.py lists of these arrays, the sweeps that each
block had done, and the settings of the run, which must be the same when it goes on. Every block is copied by the thread
that advanced it, between two chunks, so that nobody waits, but for its records: rows that are written stay as they are.
The file is written meanwhile, and while the run goes on it grows by what is new (`io/growing.py`). As long as the call
lasts, it is held: another run on it is refused.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fastgibbs.engines.streams import entropy_of
from fastgibbs.io import VERSION, Growing, absolute, digest, held, read_archive, write_archive
from fastgibbs.methods import restoring
from fastgibbs.models import checks
from fastgibbs.types import AnyArray

P = ParamSpec("P")
R = TypeVar("R")
_here = threading.local()  # .checkpoint: the last one that this thread has begun


def holding(verb: Callable[P, R]) -> Callable[P, R]:
    """The verb, whose checkpoint is released by the end of its run, or here if it fails before that.

    When it returns, nothing is called any more: a Ctrl-C there would cost the result.
    """

    @wraps(verb)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if kwargs.get("checkpoint") is not None:  # before any function of the user's may change the folder
            given: Any = kwargs["checkpoint"]
            kwargs["checkpoint"] = absolute("checkpoint", given)
        _here.checkpoint = NONE
        try:
            return verb(*args, **kwargs)
        except BaseException:
            _here.checkpoint.release()
            raise

    return call


@contextmanager
def patient() -> Iterator[None]:
    """Checkpoints that this thread begins meanwhile write nothing of a run that ends before the first is due."""
    _here.patient = True
    try:
        yield
    finally:
        _here.patient = False


class Checkpoint:
    """The file at `path`, written about every `every` seconds by a run of these settings; `path` None writes nothing.

    `settings`: name -> a number, text, bool or None, an array, or a list of models. `seed` among them is the entropy of
    the run, or None for that of the file, or a fresh one; `settings["seed"]` tells. `grows`: names of settings that may
    be larger than when the file was written, or lists that may be longer, since the run until then was the same.

    If the file is there, the run goes on from it: ValueError, naming the setting, if it was written with another one;
    ValueError also if it is damaged, holds no checkpoint or what no run can have written, or was written by a later
    version; and if another run holds the file. OSError if nothing can be written.
    """

    def __init__(self, path, every, method: str, settings: dict, grows: tuple = ()):
        self.every = checks.finite_number("every", every)
        if self.every < 0:
            raise ValueError(f"every is {every}: give seconds between two checkpoints, at least 0")
        self.path: Any = None if path is None else absolute("checkpoint", path)  # a str, or None for no file
        self.settings = settings if path is None else {"method": method} | {k: _plain(v) for k, v in settings.items()}
        self.stage: dict[str, Any] = {}
        self.arrays: dict[str, AnyArray] = {}
        self.cuts: list[Any] = []
        self._kept: list[range] | None = None
        self.saved = self._lock = None
        self._copies: dict[int, Any] = {}
        self._rooms: dict[int, dict[str, np.ndarray]] = {}
        self._due, self._written, self._met = threading.Event(), time.monotonic(), threading.Lock()
        _here.checkpoint = self
        self._waits = self.path is not None and getattr(_here, "patient", False) and not os.path.exists(self.path)
        if self.path is not None:
            self._file, self._lock = Growing(self.path, "checkpoint"), held(self.path)
            self._lock.__enter__()
            if os.path.exists(self.path):
                self._read(grows)
        if self.settings["seed"] is None:
            self.settings["seed"] = entropy_of(None)

    def release(self):
        """Let other runs have the file, and go of what this one had, its model too."""
        if getattr(_here, "checkpoint", None) is self:
            _here.checkpoint = NONE
        self._copies, self._rooms, self._rows, self.records = {}, {}, {}, {}
        lock, self._lock = self._lock, None
        if lock is not None:
            self._file.close()
            lock.__exit__(None, None, None)

    def _read(self, grows: tuple):
        _, arrays, header, versions = read_archive(self.path, "checkpoint")
        version = str(versions.get("fastgibbs", VERSION))
        if _numbers(version) > _numbers(VERSION):
            raise ValueError(f"{self.path} was written by fastgibbs {version}, this is {VERSION}: use that version")
        theirs: Any = header.get("settings")
        blocks: Any = header.get("blocks")
        mine = self.settings
        parts = isinstance(theirs, dict), isinstance(header.get("stage"), dict), isinstance(blocks, list)
        if not all(parts) or not isinstance(header.get("cuts"), list) or not all(isinstance(b, dict) for b in blocks):
            raise ValueError(f"{self.path} has no settings, stage, cuts and blocks: another version wrote it")
        if mine["seed"] is None:
            mine["seed"] = self._checked(checks.integer, "seed", theirs.get("seed"), 0, math.inf)
        models = theirs.get("model")
        for name in grows:
            if isinstance(mine[name], list):
                grown = isinstance(theirs.get(name), list) and mine[name][: len(theirs[name])] == theirs[name] != []
            else:
                grown = mine[name] > self._checked(checks.integer, name, theirs.get(name))
            if grown:
                theirs[name] = mine[name]
        for name in {**mine, **theirs}:
            if mine.get(name) != theirs.get(name):
                raise ValueError(
                    f"{self.path} was written with {_told(name, theirs)}, this run has {_told(name, mine)}: give the "
                    "same, or another checkpoint"
                )
        self.stage, self.saved = header["stage"], blocks
        for cut in header["cuts"]:
            most, threads = cut if isinstance(cut, list) and len(cut) == 2 else (None, None)
            most = self._checked(checks.integer, "cuts", most, self.cuts[-1][0] + 1 if self.cuts else 1, len(models))
            self.cuts.append([most, self._checked(checks.integer, "threads", threads)])
        if self.cuts and self.cuts[-1][0] != len(models):
            raise ValueError(f"{self.path} cannot be of this run: cuts are {self.cuts}, of {len(models)} models")
        self.arrays = {name: array for name, array in arrays.items() if not name.startswith("block")}
        self._blocks = {name: array for name, array in arrays.items() if name.startswith("block")}

    def _checked(self, check, *arguments):
        """What a check of an argument returns of something read; ValueError names the file."""
        try:
            return check(*arguments)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.path} cannot be of this run: {error}") from None

    def enter(self, stage: dict, arrays: dict):
        """The run has come to a stage, which JSON values and arrays describe: the blocks that follow belong to it."""
        self.stage, self.arrays = stage, arrays

    def cut(self, job) -> list[range]:
        """The lanes of each block of a job, as its engine's `cut` has them for the threads that the run began with.

        Models that were added later lie in blocks of their own, and so do the last of those before, if these did not
        fill their block: there such blocks are begun anew.
        """
        if self.path is None:
            return job.cut(0, job.lanes, job.threads)
        if self.saved is None:
            self.cuts = []  # another stage has other lanes
        self._saved_cut = kept = _cut(job, self.cuts)
        if not self.cuts or self.cuts[-1][0] < job.models:
            kept = _full(kept, job, self.cuts)
            self.cuts.append([job.models, job.threads])
        self._kept = kept
        return _cut(job, self.cuts)

    def restore(
        self, blocks: list, cut: list[range], records: dict, sweeps: int, check, first: int = 0, final: bool = True
    ) -> list[int]:
        """Bring blocks that have just been started to where the checkpoint has them; the sweeps that each has done.

        `records`: names of the arrays whose rows are written one after the other -> the rows after a number of sweeps,
        of `sweeps` in all, of which runs before have done the `first`. `check(block, lanes, done)` raises ValueError if
        a block is not as a run leaves it. `final`: whether such rows stay as they are, so that each is saved once.
        """
        begun = [first] * len(blocks)
        if self.path is None:
            return begun
        self._rows, self.records, self._cut = records, records if final else {}, cut
        if self.saved is None:
            return begun
        whole, kept = (self._saved_cut, self._kept) if self._kept is not None else (cut, cut)
        if [told.get("lanes") for told in self.saved] != _ends(whole):
            raise ValueError(f"{self.path} cannot be of this run, whose blocks have the lanes {_ends(whole)}"[:400])
        for k, told in enumerate(self.saved):
            done = self._checked(checks.integer, f"done of block {k}", told.get("done"), first, sweeps)
            prefix = f"block{k}."
            found = {name: array for name, array in self._blocks.items() if name.startswith(prefix)}
            found = {name.removeprefix(prefix): self._blocks.pop(name) for name in found}
            if k >= len(kept):
                continue
            try:
                rows = {name: count(done) for name, count in records.items()}
                restoring.fill(blocks[k], f"block {k}", found, done, rows)
                check(blocks[k], cut[k], done)
            except ValueError as error:
                raise ValueError(f"{self.path} {error}") from None
            begun[k] = done
        if self._blocks:
            raise ValueError(f"{self.path} holds {min(self._blocks)}, which this run has not: another version wrote it")
        self.saved = None
        return begun

    def began(self, blocks: list, done: list[int]):
        """Write a first checkpoint, so that a file that cannot be written is known before anything is computed."""
        if self.path is not None and not self._waits:
            self._file.close()  # nothing of these blocks stands there
            self._rooms = {}
            self._copies = {k: (done[k], self._saved(block, done[k])) for k, block in enumerate(blocks)}
            self._write(self._file.write)

    def saw(self, index: int, block, done: int):
        """A block has come to `done` sweeps and rests: copy it, if a checkpoint is due. Called by any thread."""
        if self._due.is_set() and index not in self._copies:
            room = self._rooms.setdefault(index, {})  # of the copies before, which have been written
            saved = self._saved(block, done)
            for name in saved.keys() - self.records.keys():
                if name not in room or room[name].shape != saved[name].shape:  # as of rows that are not final
                    room[name] = np.empty_like(saved[name])
                np.copyto(room[name], saved[name])
            self._copies[index] = done, saved | room

    def met(self, blocks: list, done: int):
        """All blocks have met at `done` sweeps: copies from before do not go with those that come."""
        with self._met:
            if self._due.is_set():
                self._copies = {}
                for index, block in enumerate(blocks):
                    self.saw(index, block, done)

    def attend(self, blocks: list, done: list[int], sweeps: int | None):
        """Called again and again while blocks are advanced: ask for copies when it is time, write them when all are.

        `sweeps`: where a block rests for good; None if blocks wait for one another there.
        """
        if self.path is None:
            return
        if self._due.is_set():
            for index, block in enumerate(blocks):
                if done[index] == sweeps:
                    self.saw(index, block, sweeps)
            with self._met:
                if len(self._copies) == len(blocks):
                    self._due.clear()
            if not self._due.is_set():
                self._keep_going()
        elif time.monotonic() - self._written >= self.every:
            self._copies = {}
            self._due.set()

    def ended(self, blocks: list, done: list[int], sweeps: int):
        """No block is advanced any more: write where they have come to; as one whole archive if that is the end."""
        early = self._waits and time.monotonic() - self._written < self.every
        if self.path is not None and not (early and min(done) == sweeps):
            self._due.clear()
            self._rooms = {}
            self._copies = {k: (done[k], self._saved(block, done[k])) for k, block in enumerate(blocks)}
            self._keep_going(whole=min(done) == sweeps)

    def _saved(self, block, done):
        """What is saved of a block at rest: its arrays, and the rows of its records, which nobody changes any more."""
        rows = {name: count(done) for name, count in self._rows.items()}
        return {name: array[: rows.get(name)] for name, array in restoring.saved(block)}

    def _keep_going(self, whole=False):
        """Write the copies; a run goes on if they cannot be written."""
        try:
            self._write(self._write_whole if whole else self._file.write)
        except OSError as error:
            warnings.warn(f"no checkpoint was written: {error}", RuntimeWarning, stacklevel=2)

    def _write(self, write):
        copies, self._copies = self._copies, {}
        parts = {f"block{k}.{name}": array for k in copies for name, array in copies[k][1].items()}
        records = {name: array for name, array in parts.items() if name.partition(".")[2] in self.records}
        arrays = {name: array for name, array in parts.items() if name not in records}
        blocks = [{"done": copies[k][0], "lanes": lanes} for k, lanes in enumerate(_ends(self._cut))]
        header = {"settings": self.settings, "stage": self.stage, "cuts": self.cuts, "blocks": blocks}
        try:
            write(self.arrays | arrays, records, header)
            self._waits = False
        finally:
            self._written = time.monotonic()

    def _write_whole(self, arrays: dict, records: dict, header: dict):
        write_archive(self.path, "checkpoint", arrays | records, header)


NONE = Checkpoint(None, 0.0, "", {"seed": 0})  # of a run that is not saved


def _cut(job, cuts: list[list[int]]) -> list[range]:
    """The lanes of each block of a job, whose models came together by and by, [so many, threads] at a time."""
    blocks: list[range] = []
    for k, (models, threads) in enumerate(cuts):
        blocks = _full(blocks, job, cuts[:k])
        begins = blocks[-1].stop if blocks else 0
        blocks += job.cut(begins, job.lanes_of(models), threads)
    return blocks


def _full(blocks: list[range], job, cuts: list[list[int]]) -> list[range]:
    """The first blocks, in which there is no room for more models."""
    return [lanes for lanes in blocks if lanes.stop <= job.lanes_of(cuts[-1][0])]


def _ends(cut: list[range]) -> list[list[int]]:
    return [[lanes.start, lanes.stop] for lanes in cut]


def _numbers(version: str) -> list[int]:
    """What versions are compared by: the numbers of 0.1.0 and the like."""
    return [int(number) for number in re.findall(r"\d+", version[:50])]


def _plain(value):
    """A setting as JSON holds it: arrays and models as a digest."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {hashlib.sha256(np.ascontiguousarray(value).data).hexdigest()}"
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return f"{value!r} {digest(value)}" if hasattr(value, "to_spins") else value


def _told(name, settings) -> str:
    """A setting in a message: its value if that is short."""
    value = repr(settings.get(name))
    return f"{name}={value}" if len(value) < 40 else f"another {name}"
