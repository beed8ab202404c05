"""Writing that never leaves half a file: into a new file beside the old one, which then takes its name."""

import os
import uuid
from contextlib import contextmanager

from fastgibbs.models import checks


@contextmanager
def replacing(path):
    """A binary file to write into, which takes the name `path` when the block ends, and is gone if the block fails.

    The bytes are on disk before the name, and the name before this returns: whoever opens `path`, after a crash too,
    finds all of the old file or all of the new one. A killed process may leave a `*.partial` file beside it. An OSError
    of a full disk or a read-only folder names `path` and the reason.
    """
    path = os.fspath(checks.path("path", path))
    partial = f"{path}.{uuid.uuid4().hex}.partial"
    try:
        try:
            with open(partial, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            if os.path.exists(partial):
                os.remove(partial)
    except OSError as error:
        reason = f"{error.strerror or error}; nothing was written, what stood there is untouched"
        raise OSError(error.errno, reason, path) from error
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened
        folder = os.open(os.path.dirname(path) or ".", os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def replace_file(path, content: bytes):
    """Write `content` to `path` whole or not at all, as `replacing` does."""
    with replacing(path) as file:
        file.write(content)
