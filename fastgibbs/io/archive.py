"""Archives: arrays and a header in one .npz without pickle, under a checksum, written whole or not at all.

Members of the zip, none compressed: header.json, one NAME.npy an array, and last sha256: the hex digest over the name,
a zero byte and the bytes of each member before it. `numpy.load` reads the arrays of any archive, but of one that still
grows (`io/growing.py`), which is several in a file. A checksum is against damage: who reads an archive checks what it
holds like arguments.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastgibbs.io.files import opened, replacing
from fastgibbs.models import checks
from fastgibbs.types import AnyArray, PathLike, States

Bits = NDArray[np.uint8]
VERSION = "0.1.0"  # of fastgibbs
FORMAT = 1
FRAME = 64  # bytes before each part of an archive that grows
MORE = "+"  # ends the names of arrays whose rows come after those of earlier parts
_BEGINS = b"fastgibbs part "
KINDS = ("sample", "anneal", "temper", "recall", "train", "fit_ising", "model", "checkpoint", "estimate")


class Archive(NamedTuple):
    """What an archive holds."""

    kind: str
    arrays: dict[str, AnyArray]
    header: dict[str, Any]
    versions: dict[str, str]
    """Of the packages that it was written with."""


class _Hashed(NamedTuple):
    """A member of the zip that is being written; its bytes are hashed as they pass."""

    file: IO[bytes]
    digest: Any  # of hashlib, whose type has no public name

    def write(self, content: bytes) -> None:
        self.digest.update(content)
        self.file.write(content)


def write_archive(path: PathLike, kind: str, arrays: dict[str, AnyArray], header: dict[str, Any]) -> None:
    """Write arrays and a header of JSON values to `path`: whole or not at all, the same bytes for the same content.

    `kind`: one of KINDS. TypeError if an array holds Python objects or a header value is not JSON; ValueError at
    another kind; OSError names path and reason, and leaves what stood there.
    """
    with replacing(path) as file:
        pack(file, kind, arrays, header)


def pack(file: Any, kind: str, arrays: dict[str, AnyArray], header: dict[str, Any]) -> None:
    """Write an archive into an open file; errors as of `write_archive`."""
    checks.choice("kind", kind, KINDS)
    arrays = {name: np.asanyarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"array {name!r} has dtype {array.dtype}: Python objects are not archived")
    values = {"format": FORMAT, "kind": kind, "versions": _versions(), "header": header}
    about = json.dumps(values, indent=1, allow_nan=False).encode()
    digest = hashlib.sha256()
    members: dict[str, bytes | AnyArray] = {"header.json": about}
    members |= {f"{name}.npy": array for name, array in arrays.items()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            digest.update(f"{name}\0".encode())
            # a ZipInfo of its own is dated 1980, a bare name today
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as member:
                hashed = _Hashed(member, digest)
                if isinstance(content, bytes):
                    hashed.write(content)
                else:
                    np.lib.format.write_array(hashed, content, allow_pickle=False)
        archive.writestr(zipfile.ZipInfo("sha256"), digest.hexdigest())


def read_archive(path: PathLike, kind: str | None = None) -> Archive:
    """What was written to `path` as an archive of this `kind`, if one is given; of one that grows, all that is whole.

    ValueError if a single bit of the content differs from what was written, at a format that this version does not
    know, and at another kind, naming it. No member is larger than the file, whatever size it declares. OSError if the
    file cannot be opened.
    """
    whole: Archive | None = None
    more: dict[str, list[AnyArray]] = {}
    with opened(path) as file:
        for part in _parts(path, file):
            found = _unpacked(path, part, kind)
            if whole is not None:
                for name in [name for name in found.arrays if name.endswith(MORE)]:
                    more.setdefault(name.removesuffix(MORE), []).append(found.arrays.pop(name))
                found = found._replace(arrays=whole.arrays | found.arrays, header=whole.header | found.header)
            whole = found
    assert whole is not None, "a file has a part, or is none"
    for name, rows in more.items():
        try:
            whole.arrays[name] = np.concatenate([whole.arrays[name], *rows])
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path} is damaged: its parts do not fit, in {name} ({error})") from error
    return whole


def framed(start: int, length: int) -> bytes:
    """The frame of a part of so many bytes, which stands at byte `start` of a file."""
    told = _BEGINS + b"%020d " % length
    digest = hashlib.sha256(told + b"%d" % start).hexdigest().encode()
    return told + digest[: FRAME - len(told) - 1] + b"\n"


def _parts(path: PathLike, file: BinaryIO) -> Iterator[IO[bytes]]:
    """Yield the parts of an archive that grows, or the whole file, if no frame stands at its beginning."""
    size, start = os.fstat(file.fileno()).st_size, 0
    begins = file.read(len(_BEGINS))
    grows = begins == _BEGINS
    if not grows and begins[:2] != b"PK":  # as zips begin, while zipfile would look for one at the end
        raise ValueError(f"{path} is damaged or not an archive of fastgibbs (it begins with {begins!r})")
    while grows and start < size:
        file.seek(start)
        frame = file.read(FRAME)
        if not frame.strip(b"\0"):  # the next part was not finished
            return
        digits = frame[len(_BEGINS) : len(_BEGINS) + 20]
        length = int(digits) if digits.isdigit() else -1
        content = file.read(max(0, min(length, size)))
        if frame != framed(start, length) or len(content) != length:
            raise ValueError(f"{path} is damaged: the part at byte {start} is not as its frame says")
        yield io.BytesIO(content)
        start += FRAME + length + -length % FRAME
    if not grows:
        file.seek(0)
        yield file


def _unpacked(path: PathLike, file: IO[bytes], kind: str | None) -> Archive:
    """The archive in an open file."""
    try:
        members = _members(file)
        about, written = json.loads(members["header.json"]), members.pop("sha256").decode()
        version = about["format"]
    except MemoryError:
        raise
    except Exception as error:  # zipfile alone raises eight kinds on damaged bytes
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} is damaged or not an archive of fastgibbs ({reason})") from error
    if version != FORMAT:  # before the checksum, which may differ in another format
        raise ValueError(f"{path} has format {version!r}, this version of fastgibbs reads format {FORMAT}")
    digest = hashlib.sha256()
    for name, content in members.items():
        digest.update(f"{name}\0".encode())
        digest.update(content)
    if digest.hexdigest() != written:
        raise ValueError(f"{path} is damaged: its content does not fit its checksum")
    found, header, versions = (about.get(name) for name in ("kind", "header", "versions"))
    if kind not in (None, found):
        raise ValueError(f"{path} holds a {found}, not a {kind}")
    if found not in KINDS or not isinstance(header, dict) or not isinstance(versions, dict):
        raise ValueError(f"{path} holds a {found!r}: give one of {', '.join(KINDS)}, with a header and versions")
    del members["header.json"]
    arrays = {}
    for name in list(members):
        try:
            arrays[name.removesuffix(".npy")] = _array(members.pop(name))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: {name} holds no array ({error})") from error
    return Archive(found, arrays, header, versions)


def _members(file: IO[bytes]) -> dict[str, bytes]:
    """The members of an open zip; ValueError, before any is read, unless they are what `pack` writes."""
    with zipfile.ZipFile(file) as archive:
        left = file.seek(0, os.SEEK_END)
        for info in archive.infolist():
            left -= info.file_size
            if info.compress_type != zipfile.ZIP_STORED or left < 0:
                raise ValueError(f"{info.filename} declares {info.file_size} bytes: archives are not compressed")
        if len(set(archive.namelist())) < len(archive.namelist()):
            raise ValueError("two members have the same name")
        return {name: archive.read(name) for name in archive.namelist()}


def _array(content: bytes) -> AnyArray:
    """The array of a .npy file; ValueError if it holds other bytes than its header declares, or Python objects."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ValueError(f"its version is {version}")
    shape, fortran, dtype = read(stream)
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or dtype.hasobject or size != len(content) - stream.tell():
        raise ValueError(f"its header declares {dtype} of shape {shape}, {len(content) - stream.tell()} bytes follow")
    array = np.frombuffer(bytearray(memoryview(content)[stream.tell() :]), dtype)  # which may be written
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def pack_spins(states: AnyArray) -> Bits:
    """One bit a spin along the last axis, set where it is 1: (..., n) to uint8 (..., n / 8 rounded up).

    `states`: all of -1 and 1, or all of 0 and 1. Site i is bit i % 8 of byte i // 8. ValueError at another value.
    """
    ups = states == 1
    low = -1 if states.min(initial=1) == -1 else 0
    if not (ups | (states == low)).all():
        raise ValueError("states hold other values than -1 and 1, or 0 and 1")
    return np.packbits(ups, axis=-1, bitorder="little")


def unpack_spins(packed: Bits, n: int, low: int = -1) -> States:
    """The states of n sites that `pack_spins` packed, int8 (..., n): 1 where a bit is set, elsewhere `low`, -1 or 0."""
    states = np.unpackbits(packed, axis=-1, count=n, bitorder="little").view(np.int8)
    states *= np.int8(1 - low)
    states += np.int8(low)
    return states


@cache
def _versions() -> dict[str, str]:
    return {"fastgibbs": VERSION} | {package: metadata.version(package) for package in ("numpy", "numba")}
