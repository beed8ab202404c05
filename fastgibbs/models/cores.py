"""How many threads this process may keep busy: its cores, its containers' share of them, and what it was told."""

import math
import os
from pathlib import Path, PurePosixPath

_TOLD = "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"  # the latter may be a list, a number for each level of nesting
_MOUNTED = Path("/sys/fs/cgroup")


def usable() -> int:
    """The least of the cores it may run on, the CPU quotas of its cgroups, rounded up, and what _TOLD say; 1 or more.

    A variable that holds no whole number above 0 says nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = (os.environ.get(name, "").partition(",")[0].strip() for name in _TOLD)
    numbers = [int(text) for text in told if text.isdecimal() and len(text) < 10]
    return max(1, min([cores, *map(math.ceil, _quotas()), *(number for number in numbers if number)]))


def _quotas():
    """The CPUs that each cgroup of this process, and each around it, may use, where that is limited."""
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # another system
        return
    for line in own:
        _, controllers, inside = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # In a container the paths may be those of the machine, and then only the mounted root is there.
        parts = [part for part in PurePosixPath(inside).parts if part not in ("/", "..")]
        for depth in range(len(parts) + 1):
            group = PurePosixPath(*parts[:depth])
            if controllers:
                limits = (_numbers(_MOUNTED / name / group / "cpu.cfs_{}_us") for name in (controllers, "cpu"))
            else:
                limits = (_numbers(_MOUNTED / name / group / "cpu.max") for name in ("", "unified"))
            yield from (quota / period for quota, period in filter(None, limits) if quota > 0 and period > 0)


def _numbers(path):
    """Quota and period in microseconds, or None if there is no limit; {} in a path stands for either."""
    try:
        if "{}" in path.name:
            texts = [Path(str(path).format(name)).read_text() for name in ("quota", "period")]
        else:
            texts = path.read_text().split()
        quota, period = map(int, texts)
    except (OSError, ValueError):  # no such group, or "max"
        return None
    return quota, period
