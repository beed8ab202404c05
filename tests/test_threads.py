"""Threads are those that the process may use."""

import os

import pytest

from fastgibbs.models import checks, resources


@pytest.fixture
def machine(monkeypatch):
    """16 cores, no limits; `machine(path, text)` writes a file under a root of its own."""
    files = {"/proc/self/cgroup": ""}
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)

    def read(*path):
        if os.path.join(*path) in files:
            return files[os.path.join(*path)]
        raise FileNotFoundError(path)

    monkeypatch.setattr(resources, "_read", read)
    return files


def test_threads_are_the_cores_of_the_process_where_nothing_limits_them(machine):
    assert checks.thread_count(None) == 16
    assert checks.thread_count(40) == 40


@pytest.mark.parametrize("name", ["NUMBA_NUM_THREADS", "OMP_NUM_THREADS"])
@pytest.mark.parametrize(
    ("value", "threads"),
    [("3", 3), (" 3 ", 3), ("4,2", 4), ("64", 16), ("0", 16), ("-1", 16), ("", 16), ("many", 16), ("2.5", 16)],
)
def test_threads_are_no_more_than_a_variable_says(machine, monkeypatch, name, value, threads):
    monkeypatch.setenv(name, value)
    assert checks.thread_count(None) == threads
    monkeypatch.setenv("OMP_NUM_THREADS" if name.startswith("NUMBA") else "NUMBA_NUM_THREADS", "2")
    assert checks.thread_count(None) == 2


OWN = "/sys/fs/cgroup"
GROUPS = {
    "v2": ("0::/a/b", {f"{OWN}/a/b/cpu.max": "300000 100000"}, 3),
    "v2 without a limit": ("0::/a", {f"{OWN}/a/cpu.max": "max 100000"}, 16),
    "v2, a parent": ("0::/a/b", {f"{OWN}/a/b/cpu.max": "max 100000", f"{OWN}/a/cpu.max": "200000 100000"}, 2),
    "v2, the tightest": ("0::/a/b", {f"{OWN}/a/b/cpu.max": "900000 100000", f"{OWN}/a/cpu.max": "400000 50000"}, 8),
    "v2, a part of a core": ("0::/", {f"{OWN}/cpu.max": "20000 100000"}, 1),
    "v2, two and a half": ("0::/", {f"{OWN}/cpu.max": "250000 100000"}, 3),
    "v2, seen from outside": ("0::/../../host/pod", {f"{OWN}/cpu.max": "200000 100000"}, 2),
    "hybrid": ("1:cpu:/x\n0::/a", {f"{OWN}/unified/a/cpu.max": "500000 100000"}, 5),
    "v1": (
        "4:cpu,cpuacct:/x/y\n3:memory:/z",
        {f"{OWN}/cpu,cpuacct/x/cpu.cfs_quota_us": "600000", f"{OWN}/cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
        6,
    ),
    "v1 in a container": (
        "2:cpu:/docker/0123",
        {f"{OWN}/cpu/cpu.cfs_quota_us": "150000", f"{OWN}/cpu/cpu.cfs_period_us": "100000"},
        2,
    ),
    "v1 without a limit": (
        "2:cpu:/",
        {f"{OWN}/cpu/cpu.cfs_quota_us": "-1", f"{OWN}/cpu/cpu.cfs_period_us": "100000"},
        16,
    ),
    "a group of something else": ("2:cpuset:/", {f"{OWN}/cpuset/cpu.max": "100000 100000"}, 16),
    "nonsense": ("0::/", {f"{OWN}/cpu.max": "none"}, 16),
}


@pytest.mark.parametrize("name", GROUPS)
def test_threads_are_no_more_than_the_quota_of_a_cgroup(machine, name):
    groups, files, threads = GROUPS[name]
    machine |= files | {"/proc/self/cgroup": groups + "\n"}
    assert resources.cores() == threads
