"""What a call of a campaign was: a line of JSON in its directory."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime

from fastgibbs import info
from fastgibbs.campaigns.files import CALLS
from fastgibbs.campaigns.tasks import Task


def note(directory: str, tasks: list[Task], left: int) -> None:
    """Add a line on a call that has so many of its tasks left to run; each result tells its own seeds."""
    names = hashlib.sha256("\n".join(task.digest for task in tasks).encode()).hexdigest()
    told = {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "tasks": len(tasks),
        "left": left,
        "digest": names,
        "host": platform.node(),
        "process": os.getpid(),
        "commit": _commit(),
        **info.machine(),
    }
    line = json.dumps(told, ensure_ascii=False) + "\n"
    file = os.open(os.path.join(directory, CALLS), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def _commit() -> str | None:
    """The commit of the working folder, if it is one of git, and whether files differ from it."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "describe", "--always", "--abbrev=40", "--dirty"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return found.stdout.strip()
    return None
