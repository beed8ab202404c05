"""What this machine can do at best, measured by small kernels: random words, operations, bytes; and what it is.

    python bench/machine.py

A limit is what no code of a given amount of work can beat on one core: its random words, its operations on registers
and its products at the measured rates one after the other, or its loads, whichever takes longer.
"""

import functools
import json
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np

from fastgibbs.engines.streams import stepped
from fastgibbs.engines.vectors import add_product, at, full, load, store
from fastgibbs.jit import njit, target
from fastgibbs.models import resources

CPU, REGISTERS = target()
WORDS = REGISTERS // 32  # 64-bit lanes of two registers: what they do waits less for what they did
WIDE = 2 * WORDS
FLOATS = REGISTERS // 4  # 32-bit lanes of eight registers
LINE = 8  # words of a line of the cache
ROUNDS = 25  # the best counts: it was not disturbed
PACKAGES = ("numba", "numpy", "dwave-samplers", "mcising", "openjij", "peapods", "scikit-learn", "torch", "jax")


class Work(NamedTuple):
    """What one update takes. `bits`: operations on registers, each times the bits of a lane that it works on."""

    words: float = 0  # random, of 64 bits
    bits: float = 0
    products: float = 0  # multiply-adds in float32
    l1: float = 0  # bytes read
    l2: float = 0
    memory: float = 0
    lines: float = 0  # of 64 bytes, at random places in memory


class Rates(NamedTuple):
    """The same of one core, per ns."""

    words: float
    bits: float
    products: float
    l1: float
    l2: float
    memory: float
    lines: float


@njit
def _words(streams, steps):
    """Those of streams, their state in registers."""
    a, b, c = load(streams, 0, WORDS), load(streams, WORDS, WORDS), load(streams, 2 * WORDS, WORDS)
    counter, found = load(streams, 3 * WORDS, WORDS), full(0, np.uint64, WORDS)
    for _ in range(steps):
        word, a, b, c, counter = stepped(a, b, c, counter)
        found = found ^ word
    store(streams, 0, found)


@njit
def _operations(words, steps):
    """Four sums and differences of bits, none of which waits for more than the one before."""
    a, b, c, d = load(words, 0, WORDS), load(words, 1, WORDS), load(words, 2, WORDS), load(words, 3, WORDS)
    for _ in range(steps):
        a = a + b
        b = b ^ c
        c = c + d
        d = d ^ a
    store(words, 0, a ^ b ^ c ^ d)


@njit
def _products(numbers, steps):
    total, lanes = load(numbers, 0, FLOATS), full(at(numbers, 3), np.float32, FLOATS)
    for k in range(steps):
        total = add_product(total, at(numbers, k & 7), lanes)
    store(numbers, 0, total)


@njit
def _reads(array, repeats):
    found = full(0, np.uint64, WIDE)
    for _ in range(repeats):
        for first in range(0, array.size, WIDE):
            found = found ^ load(array, first, WIDE)
        store(array, 0, found)


@njit
def _lines(array, positions):
    found = full(0, np.uint64, LINE)
    for k in range(positions.size):
        found = found ^ load(array, LINE * np.int64(at(positions, k)), LINE)
    store(array, 0, found)


def _best(kernel, array, argument, amount):
    """`amount` over the least ns of many calls."""
    least = np.inf
    kernel(array, argument)
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        kernel(array, argument)
        least = min(least, time.perf_counter_ns() - began)
    return amount / least


def _reading(size):
    repeats = max(1, 2**24 // size)
    return _best(_reads, np.ones(size // 8, np.uint64), repeats, size * repeats)


@functools.cache
def rates() -> Rates:
    """Of one core; takes a few seconds, compiling included."""
    rng, steps, large = np.random.default_rng(1), 100_000, 2**26
    positions = rng.integers(0, large // LINE // 8, 2**18).astype(np.int32)
    return Rates(
        words=_best(_words, rng.integers(0, 2**63, 4 * WORDS, np.uint64), steps, WORDS * steps),
        bits=_best(_operations, rng.integers(0, 2**63, 4 * WORDS, np.uint64), steps, 4 * 64 * WORDS * steps),
        products=_best(_products, rng.random(2 * FLOATS, np.float32), steps, FLOATS * steps),
        l1=_reading(2**14),
        l2=_reading(2**18),
        memory=_reading(2**27),
        lines=_best(_lines, np.ones(large // 8, np.uint64), positions, positions.size),
    )


def limit(work: Work) -> float:
    """Updates per ns of one core that nothing of this work can beat."""
    each = Work(*(amount / rate for amount, rate in zip(work, rates(), strict=True)))
    return 1 / max(each.words + each.bits + each.products, each.l1 + each.l2 + each.memory + each.lines)


def arithmetic(threads: int) -> int:
    """Run 100 ms of operations shared by so many threads; how many steps that are."""
    steps = 2**25
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(_operations, np.ones(4 * WORDS, np.uint64), steps // threads)
    return steps


def describe() -> dict:
    """What a record has to say of the machine and of what ran on it."""
    return {
        "processor": _processor(),
        "compiled_for": CPU,
        "registers": REGISTERS,
        "native": numba.config.CPU_NAME is None,  # else compiled as for another processor
        "cores": resources.cores(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "rates_per_ns": {name: float(f"{rate:.4g}") for name, rate in rates()._asdict().items()},
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    print(json.dumps(describe(), indent=2))
