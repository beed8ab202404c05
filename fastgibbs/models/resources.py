"""What this process may use of its machine: cores and memory, less what its containers and its own limits leave out."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from os.path import join

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]  # the checker sees a POSIX

_PROC, _CGROUPS = "/proc", "/sys/fs/cgroup"  # texts: a pathlib.Path takes longer than the file that it names
_TOLD = "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"  # the latter may be a list, a number for each level of nesting


def cores() -> int:
    """The least of the cores it may run on, the CPU quotas of its cgroups, rounded up, and what _TOLD say; 1 or more.

    A variable that holds no whole number above 0 says nothing.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = (os.environ.get(name, "").partition(",")[0].strip() for name in _TOLD)
    numbers = [int(text) for text in told if text.isdecimal() and len(text) < 10]
    return max(1, min([count, *map(math.ceil, _quotas()), *(number for number in numbers if number)]))


def memory() -> float:
    """Bytes that it can still get: of the machine, its cgroups and its own limit; infinity if nothing tells."""
    free = [math.inf, *_left()]
    try:
        for line in _read(_PROC, "meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                free.append(int(line.split()[1]) * 1024)
    except OSError:
        if hasattr(os, "sysconf"):
            free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    if resource is not None and (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
        with suppress(OSError):  # no /proc to tell how much is taken
            limit -= int(_read(_PROC, "self/statm").split()[0]) * resource.getpagesize()
        free.append(limit)
    return max(0, min(free))


def _read(*path: str) -> str:
    with open(join(*path)) as file:
        return file.read()


def _quotas() -> Iterator[float]:
    """The CPUs that each cgroup may use, where that is limited."""
    for group, version in _groups("cpu"):
        try:
            if version == 1:
                texts = [_read(group, f"cpu.cfs_{name}_us") for name in ("quota", "period")]
            else:
                texts = _read(group, "cpu.max").split()
            quota, period = map(int, texts)
        except (OSError, ValueError):  # not seen from inside, or "max"
            continue
        if quota > 0 and period > 0:
            yield quota / period


def _left() -> Iterator[int]:
    """Bytes between limit and use of each cgroup; pages that are only cached are not counted as used."""
    for group, version in _groups("memory"):
        if version == 1:
            names, idle = ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file "
        else:
            names, idle = ("memory.max", "memory.current"), "inactive_file "
        try:
            limit, used = (int(_read(group, name)) for name in names)
            lines = _read(group, "memory.stat").splitlines()
        except (OSError, ValueError):
            continue
        yield limit - used + sum(int(line.split()[1]) for line in lines if line.startswith(idle))


def _groups(controller: str) -> Iterator[tuple[str, int]]:
    """The folders of each cgroup of this process and of those around it that may limit this, and their version."""
    try:
        own = _read(_PROC, "self/cgroup").splitlines()
    except OSError:  # another system
        return
    for line in own:
        _, controllers, inside = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        roots = (controllers, controller) if controllers else ("", "unified")
        # In a container the paths may be those of the machine, and then only the mounted root is there.
        parts = [part for part in inside.split("/") if part not in ("", ".", "..")]
        for depth in range(len(parts) + 1):
            for root in dict.fromkeys(roots):
                yield join(_CGROUPS, root, *parts[:depth]), 1 if controllers else 2
