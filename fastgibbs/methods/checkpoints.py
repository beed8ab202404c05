"""Checkpoints: a run is saved to one archive from time to time, and a later call goes on from it to the same bytes.

A run is a list of blocks that know nothing of each other: NamedTuples, nested, whose arrays change as they are
advanced, all but those of a plan. A checkpoint holds these arrays, the sweeps that each block had done, and the
settings of the run, which must be the same when it goes on. Every block is copied by the thread that advanced it,
between two chunks, so that nobody waits; the file is written meanwhile.
"""

import hashlib
import threading
import time
import warnings
from pathlib import Path

import numpy as np

from fastgibbs.engines.streams import entropy_of
from fastgibbs.io import digest, read_archive, write_archive
from fastgibbs.models import checks


class Checkpoint:
    """The file at `path`, written about every `every` seconds by a run of these settings; `path` None writes nothing.

    `settings`: name -> a number, text, bool or None, an array, or a list of models. `seed` among them is the entropy of
    the run, or None for that of the file, or a fresh one; `settings["seed"]` tells.

    If the file is there, the run goes on from it: ValueError, naming the setting, if it was written with another one;
    ValueError also if it is damaged, holds no checkpoint, or has a format that this version does not know. OSError if
    nothing can be written.
    """

    def __init__(self, path, every, method: str, settings: dict):
        self.every = checks.finite_number("every", every)
        if self.every < 0:
            raise ValueError(f"every is {every}: give seconds between two checkpoints, at least 0")
        self.path = None if path is None else Path(checks.path("checkpoint", path))
        self.settings = settings if path is None else {"method": method} | {k: _plain(v) for k, v in settings.items()}
        self.stage, self.arrays, self.saved = {}, {}, None
        self._copies, self._due, self._written = {}, threading.Event(), time.monotonic()
        if path is not None and self.path.exists():
            self._read()
        if self.settings["seed"] is None:
            self.settings["seed"] = entropy_of(None)

    def _read(self):
        _, arrays, header, _ = read_archive(self.path, "checkpoint")
        mine, theirs = self.settings, header["settings"]
        if mine["seed"] is None:
            mine["seed"] = theirs.get("seed")
        for name in {**mine, **theirs}:
            if mine.get(name) != theirs.get(name):
                raise ValueError(
                    f"{self.path} was written with {_told(name, theirs)}, this run has {_told(name, mine)}: give the "
                    "same, or another checkpoint"
                )
        self.stage, self.saved = header["stage"], header["blocks"]
        self.arrays = {name: array for name, array in arrays.items() if not name.startswith("block")}
        self._blocks = {name: array for name, array in arrays.items() if name.startswith("block")}

    def enter(self, stage: dict, arrays: dict):
        """The run has come to a stage, which JSON values and arrays describe: the blocks that follow belong to it."""
        self.stage, self.arrays = stage, arrays

    def lanes(self, cut: list[range]) -> list[range]:
        """The lanes of each block: as the checkpoint has them, or as they were cut for this run."""
        return cut if self.saved is None else [range(*block["lanes"]) for block in self.saved]

    def restore(self, blocks: list, cut: list[range], records: dict) -> list[int]:
        """Bring blocks that have just been started to where the checkpoint has them; the sweeps that each has done.

        `records`: names of the arrays whose rows are written one after the other -> the rows after a number of sweeps.
        """
        self.records, self.cut = records, cut
        if self.saved is None:
            return [0] * len(blocks)
        for k, block in enumerate(blocks):
            for name, array in changing(block):
                saved = self._blocks.pop(f"block{k}.{name}", None)
                alike = saved is not None and (saved.dtype, saved.shape[1:]) == (array.dtype, array.shape[1:])
                if not alike or len(saved) > len(array):
                    raise ValueError(f"{self.path} does not hold {name} of block {k}: another version wrote it")
                array[: len(saved)] = saved
        done = [block["done"] for block in self.saved]
        self.saved = None
        return done

    def began(self, blocks: list, done: list[int]):
        """Write a first checkpoint, so that a file that cannot be written is known before anything is computed."""
        if self.path is not None:
            self._copies = {k: (done[k], self._copied(block, done[k])) for k, block in enumerate(blocks)}
            self._write()

    def saw(self, index: int, block, done: int):
        """A block has come to `done` sweeps and rests: copy it, if a checkpoint is due. Called by any thread."""
        if self._due.is_set() and index not in self._copies:
            self._copies[index] = done, self._copied(block, done)

    def attend(self, blocks: list, done: list[int], sweeps: int):
        """Called again and again while blocks are advanced: ask for copies when it is time, write them when all are."""
        if self.path is None:
            return
        if self._due.is_set():
            for index, block in enumerate(blocks):
                if done[index] == sweeps:
                    self.saw(index, block, sweeps)
            if len(self._copies) == len(blocks):
                self._due.clear()
                self._write(keeps_going=True)
        elif time.monotonic() - self._written >= self.every:
            self._copies = {}
            self._due.set()

    def ended(self, blocks: list, done: list[int]):
        """No block is advanced any more: write where they have come to."""
        if self.path is not None:
            self._due.clear()
            self._copies = {k: (done[k], self._copied(block, done[k])) for k, block in enumerate(blocks)}
            self._write(keeps_going=True)

    def _copied(self, block, done):
        rows = {name: count(done) for name, count in self.records.items()}
        return {name: array[: rows.get(name)].copy() for name, array in changing(block)}

    def _write(self, keeps_going=False):
        """Write the copies; one that cannot be written does not end a run that keeps going."""
        copies, self._copies = self._copies, {}
        arrays = {f"block{k}.{name}": array for k in copies for name, array in copies[k][1].items()}
        blocks = [{"done": copies[k][0], "lanes": [lanes.start, lanes.stop]} for k, lanes in enumerate(self.cut)]
        header = {"settings": self.settings, "stage": self.stage, "blocks": blocks}
        try:
            write_archive(self.path, "checkpoint", self.arrays | arrays, header)
        except OSError as error:
            if not keeps_going:
                raise
            warnings.warn(f"no checkpoint was written: {error}", RuntimeWarning, stacklevel=2)
        self._written = time.monotonic()


NONE = Checkpoint(None, 0.0, "", {"seed": 0})  # of a run that is not saved


def changing(block, prefix=""):
    """Yield (dotted name, array) of all arrays of nested tuples that sweeps may change: none of a plan's."""
    named = block._asdict() if hasattr(block, "_asdict") else {str(k): value for k, value in enumerate(block)}
    for name, value in named.items():
        if isinstance(value, np.ndarray) and value.flags.writeable:
            yield prefix + name, value
        elif isinstance(value, tuple) and name != "plan":
            yield from changing(value, f"{prefix}{name}.")


def _plain(value):
    """A setting as JSON holds it: arrays and models as a digest."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)} {hashlib.sha256(np.ascontiguousarray(value)).hexdigest()}"
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return f"{value!r} {digest(value)}" if hasattr(value, "to_ising") else value


def _told(name, settings) -> str:
    """A setting in a message: its value if that is short."""
    value = repr(settings.get(name))
    return f"{name}={value}" if len(value) < 40 else f"another {name}"
