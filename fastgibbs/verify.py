"""Whether this machine computes what it should: every engine against its NumPy twin and enumeration, for
`python -m fastgibbs verify`.

The laws of right engines would fail once in 10,000 tables. But seeds are fixed, and one seed gives the same bits on any
machine: what fails is a fault, of this package, of the compiler or of the machine.
"""

from __future__ import annotations

import importlib
import time

from fastgibbs import testing
from fastgibbs.engines import ENGINES
from fastgibbs.jit import compilations
from fastgibbs.models import Energy, lattice
from fastgibbs.types import Engine

FALSE_ALARM = 1e-4  # of the whole table
LARGE: dict[str, dict[str, Energy]] = {"multispin": {"128 x 128": lattice((128, 128))}}  # of blocks that crews share
ROW = "{:10} {:20} {:11} {:11} {}"


def run() -> bool:
    """Print a table of what is proven, as it is; returns whether all of it is."""
    began, failed = time.perf_counter(), 0
    table = [(name, engine, case) for name, engine in ENGINES.items() for case in _cases(name, engine)]
    print(ROW.format("engine", "model", "rule", "scan", "p-value of the law"), flush=True)
    with compilations(lambda: print("kernels are compiled, once: a minute", flush=True)):
        for name, engine, case in table:
            failed += not _holds(name, engine, case, FALSE_ALARM / len(table))
    seconds = time.perf_counter() - began
    print(f"{failed} of {len(table)} FAILED" if failed else f"all {len(table)} hold", f"({seconds:.0f} s)", flush=True)
    return not failed


def _holds(name: str, engine: Engine, case: testing.Case, false_alarm: float) -> bool:
    """Print a row of the table."""
    twin = importlib.import_module(f"fastgibbs.reference.{name}")
    try:
        p = testing.check_case(engine, case, twin, false_alarm)
    except Exception as error:  # whatever an engine does
        found, holds = f"FAILED: {type(error).__name__}: {str(error).partition(chr(10))[0]}", False
    else:
        found, holds = "-" if p is None else f"{p:.3f}", True
    print(ROW.format(name, case.name, case.rule, case.scan, found), flush=True)
    return holds


def _cases(name: str, engine: Engine) -> list[testing.Case]:
    return testing.cases(engine, testing.MODELS | LARGE.get(name, {}))
