"""Contests on a noisy machine: contenders in turn, many rounds, medians and ratios; what is kept and what must hold.

A contender is a job: a function that does its work from what a user has at hand, conversion and set-up included, and
returns a `Run`. A contest runs its jobs in turn, prints rates and ratios, keeps them for `--save`, and holds them to
floors.py. A job whose library is missing leaves its own column empty and nothing else.
"""

import contextlib
import functools
import importlib
import itertools
import json
import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import floors
import machine
import numpy as np
import pytest

import fastgibbs as fg

UNITS = {"updates per ns": 1e9, "rows per us": 1e6, "calls per ms": 1e3, "s": 1.0, "samples per s": 1.0}
UNITS |= {"round trips per s": 1.0, "sites per us": 1e6, "calls per s": 1.0}
RECORDS = {}  # of the contests of this session, by title: what `save` writes


class Run(NamedTuple):
    """What a job has done."""

    amount: float  # updates, rows or calls
    kernel: float | None = None  # seconds of it without conversion and set-up, by the clock; None: all of them
    energies: np.ndarray | None = None


class MissingPeer(ImportError):
    """A library that is not installed."""


def peer(name):
    """The module of a peer."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPeer(name) from error


def ours(verb, build, **kwargs):
    """The job of a verb of fastgibbs on the model that `build()` makes of what the user has; one thread, new seeds."""
    seeds = itertools.count(1)

    def job():
        result = verb(build(), **dict(seed=next(seeds), threads=1) | kwargs)
        energies = result.energy[np.argsort(result.read)] if hasattr(result, "read") else None  # as run, not sorted
        return Run(result.timing.updates_per_second * result.timing.kernel, result.timing.kernel, energies)

    return job


def matrix(model):
    """The couplings as a matrix, if most pairs are coupled; else None."""
    i, j, values = model.bonds
    if values.size < model.n**2 // 4:
        return None
    J = np.zeros((model.n, model.n))
    J[i, j] = J[j, i] = values
    return J


def given(model):
    """Builds the model again from what a user has: the matrix of its couplings, or its edges."""
    J, bonds = matrix(model), model.bonds
    return lambda: fg.Ising.from_edges(model.n, *bonds) if J is None else fg.Ising(J)


def call(function):
    """The job of a function that is called whole."""

    def job():
        function()
        return Run(1)

    return job


@contextlib.contextmanager
def one_core():
    """Keep this thread, and the threads it starts, on one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _timed(job, clock):
    """Amount per second in kernels and of all, and energies.

    Seconds of kernels, that a library tells by the wall, are turned into those of `clock` by the same share.
    """
    wall, began = time.perf_counter(), clock()
    run = job()
    total, wall = clock() - began, time.perf_counter() - wall
    kernel = total if run.kernel is None else run.kernel * total / wall
    return run.amount / kernel, run.amount / total, run.energies


class Outcome(NamedTuple):
    """Of each contender: rates in kernels and of all (2, rounds), and the energies found."""

    rates: dict
    energies: dict

    def ratio(self, name, other, whole=False):
        """Median over the rounds of the ratio of two rates."""
        return float(np.median(self.rates[name][int(whole)] / self.rates[other][int(whole)]))


def compete(title, jobs, *, unit="updates per ns", rounds=5, work=None, threads=1):
    """Run a contest, print and keep it, and hold it to its floors; the first of `jobs`, name -> job, is ours.

    The first call of each, which may compile or fill caches, is not counted. On one thread, on one core, time is that
    of the processor, which others on the machine change least; on several, that of the clock. `work`: what an update
    takes, for the limit of the machine.
    """
    with one_core() if threads == 1 else contextlib.nullcontext():
        outcome, missing = _rounds(jobs, rounds, time.process_time if threads == 1 else time.perf_counter, UNITS[unit])
    record = keep(title, **_record(title, unit, outcome, missing, work))
    _show(title, record)
    failed = [floor for floor in record["floors"] if floor["ratio"] < floor["least"]]
    assert not failed, failed
    return outcome


def _rounds(jobs, rounds, clock, scale):
    rates, energies, missing = {}, {}, []
    for name, job in jobs.items():
        try:
            job()
            rates[name], energies[name] = np.empty((2, rounds)), []
        except MissingPeer:
            missing.append(name)
    for k in range(rounds):
        for name in rates:
            *pair, found = _timed(jobs[name], clock)
            rates[name][:, k] = np.array(pair) / scale
            energies[name].append(found)
    return Outcome(rates, energies), missing


def _record(title, unit, outcome, missing, work):
    first = next(iter(outcome.rates))
    rows = {
        name: {
            "rate": _short(np.median(kernel)),
            "least": _short(kernel.min()),
            "most": _short(kernel.max()),
            "end_to_end": _short(np.median(whole)),
            "ratio": _short(outcome.ratio(first, name)),
            "ratio_end_to_end": _short(outcome.ratio(first, name, whole=True)),
        }
        for name, (kernel, whole) in outcome.rates.items()
    }
    found = [
        {"of": one, "against": other, "ratio": _short(outcome.ratio(one, other)), "least": least}
        for one, other, least in floors.of(title, list(rows), machine.REGISTERS)
    ]
    limit = None if work is None else _short(machine.limit(work) * 1e9 / UNITS[unit])
    return {"unit": unit, "limit": limit, "rows": rows, "missing": missing, "floors": found}


def _short(value):
    return float(f"{value:.4g}")


def _show(title, record):
    limit = "" if record["limit"] is None else f"; limit of the machine {record['limit']:.3g}"
    print(f"\n{title}: {record['unit']} in kernels (least .. most), end to end; ratio of the first to each{limit}")
    for name, row in record["rows"].items():
        spread = f"({row['least']:.4g} .. {row['most']:.4g})"
        ratios = f"{row['ratio']:8.2f} {row['ratio_end_to_end']:8.2f}"
        print(f"  {name:44} {row['rate']:8.4g} {spread:22} {row['end_to_end']:8.4g}  {ratios}")
    for name in record["missing"]:
        print(f"  {name} is not installed")
    for floor in record["floors"]:
        print(f"  {floor['of']} / {floor['against']}: {floor['ratio']:.3g}, at least {floor['least']:g}")


def no_worse(outcome, peers, groups=64):
    """Each of ours finds energies no worse than those of `peers`: the mean, and the least of every `groups` reads."""
    quality = {}
    for name, found in outcome.energies.items():
        energies = np.concatenate(found)
        least = energies.reshape(-1, min(groups, energies.size)).min(axis=1)
        quality[name] = [(e.mean(), e.std(ddof=1) / np.sqrt(e.size)) for e in (energies, least)]
        print(f"  {name}: mean {quality[name][0][0]:.2f} +- {quality[name][0][1]:.2f}, least {quality[name][1][0]:.2f}")
    for other in quality.keys() & set(peers):
        for name in (name for name in quality if name.startswith("fastgibbs")):
            for mine, theirs in zip(quality[name], quality[other], strict=True):
                assert mine[0] - theirs[0] <= 3 * np.hypot(mine[1], theirs[1]), (name, other)


def on_two_threads(title, job_on):
    """How much faster a job is on two threads, against arithmetic alone in the same rounds; `job_on(threads)`.

    Where arithmetic alone does not gain in three of four rounds, others have the second core, and nothing is judged.
    """
    if machine.resources.cores() < 2:
        pytest.skip("one core")
    jobs = {"2 threads": job_on(2), "1 thread": job_on(1)}
    jobs |= {f"arithmetic on {t}": (lambda t=t: Run(machine.arithmetic(t))) for t in (2, 1)}
    rates = compete(title, jobs, threads=2, rounds=9).rates
    gain, alone = (rates[two][1] / rates[one][1] for two, one in (list(jobs)[:2], list(jobs)[2:]))
    print(f"  two threads gain {np.median(gain):.2f}, arithmetic alone {np.median(alone):.2f}")
    if np.quantile(alone, 0.25) < floors.FREE:
        pytest.skip(f"others are at work: two threads of arithmetic alone gain {np.median(alone):.2f}")
    assert np.median(gain / alone) >= floors.TWO_THREADS


def keep(title, **record):
    """Keep what was measured for `--save`; returns it."""
    RECORDS[title] = record | {"commit": commit()}
    return RECORDS[title]


@functools.cache
def commit():
    """The commit of the tree that runs, marked where files differ from it; None without git."""
    try:
        where = ["git", "-C", str(Path(__file__).parent)]
        found = subprocess.run([*where, "describe", "--always", "--dirty"], capture_output=True, text=True, check=True)
        return found.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def save(path):
    """Write the machine and the contests of this session; earlier ones of the same machine and versions stay."""
    path, what = Path(path), machine.describe()
    kept = json.loads(path.read_text()) if path.exists() else {}
    same = all(
        kept.get("machine", {}).get(key) == what[key] for key in ("processor", "compiled_for", "registers", "versions")
    )
    contests = (kept["contests"] if kept and same else {}) | RECORDS
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": what, "contests": dict(sorted(contests.items()))}, indent=1) + "\n")
