"""What reports are made of: aligned tables, CSV, NumPy archives and PNG pictures, all as text or bytes."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastgibbs.pages.pictures import picture
from fastgibbs.types import AnyArray

__all__ = ["Columns", "Pixels", "archive", "comma_separated", "picture", "table"]

Pixels = NDArray[np.uint8]
Columns = Mapping[str, tuple[str, Sequence[Any] | AnyArray]]  # of each heading a format and the values


def table(columns: Columns) -> str:
    """Aligned text."""
    cells = [[name, *(format(value, form) for value in values)] for name, (form, values) in columns.items()]
    widths = [max(map(len, column)) for column in cells]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in zip(*cells, strict=True))


def comma_separated(columns: Columns) -> bytes:
    """The same columns as CSV at full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(np.asarray(values).tolist() for _, values in columns.values()), strict=True))
    return text.getvalue().encode()


def archive(**arrays: Any) -> bytes:
    """A NumPy .npz file of the arrays."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
