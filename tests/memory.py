"""What memory a process of its own takes, beside what it takes anyway."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOLD = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")


def kilobytes(name):
    """A line of this process's status: VmRSS is what it takes, VmHWM the most so far; ru_maxrss counts the parent's."""
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1])


def taken(first, then, result="0"):
    """Bytes that a script takes at most while it does `then`, beside all that it took after `first`; and a number.

    Python, Numba and compiling, which come first, are 110 to 280 MB, as the machine has it.
    """
    script = f"""
import fastgibbs as fg
from memory import kilobytes
{first}
before = kilobytes("VmRSS")
{then}
print((kilobytes("VmHWM") - before) * 1024, {result})
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]
