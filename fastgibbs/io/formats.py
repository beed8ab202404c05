"""Problems in files of other programs: one `read` that knows each by how it begins, one `write`."""

from __future__ import annotations

import zipfile

from fastgibbs.io.archive import read_archive
from fastgibbs.io.files import opened
from fastgibbs.io.models import put_together
from fastgibbs.io.rudy import read_rudy
from fastgibbs.models import Energy
from fastgibbs.types import PathLike


def read(path: PathLike) -> Energy:
    """The problem of a file: a model that `fastgibbs.save` wrote, or a max-cut instance as `read_rudy` takes it.

    >>> import fastgibbs as fg
    >>> fg.save(fg.lattice((8, 8)), "model.npz")
    >>> fg.read("model.npz")
    Ising(n=64, bonds=128, fields=0)
    """
    with opened(path) as file:
        if not zipfile.is_zipfile(file):
            return read_rudy(path)
    archive = read_archive(path, "model")
    return put_together(archive.header["models"][0], {k.removeprefix("model0."): v for k, v in archive.arrays.items()})
