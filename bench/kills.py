"""Kills workers and drivers of campaigns at random, and proves that nothing is lost and nothing finished done again.

python bench/kills.py [--kills 100] [--seed 1]: campaigns of short tasks, each call of which runs in a process that is
killed (SIGKILL) after a random time, or whose worker is: threads of its own, or a pool of two processes. Orphans of a
killed driver work on beside the next one. A result that is there must never be written again, and at the end all must
be the bytes of a run that nobody has killed. `--executors` has the same tasks run by threads, spawned processes, loky
and dask.distributed, and compares bytes; a worker of dask is killed inside a kernel, and another joins late.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import fastgibbs as fg

ARGUMENTS = {"betas": [0.5, 1.0], "sweeps": 200_000, "burn_in": 50, "thin": 1000, "ladders": 2}
EVERY = 0.05  # seconds between checkpoints


def tasks(count: int, first: int = 0, **changed: object) -> list[fg.Task]:
    recipes = [{"recipe": "edwards_anderson", "shape": (4, 4), "seed": first + k} for k in range(count)]
    return [fg.Task(recipe, "temper", ARGUMENTS | changed, seed=recipe["seed"]) for recipe in recipes]


def results(folder: Path) -> dict[str, Path]:
    return {path.parent.name + path.name: path for path in folder.glob("tasks/*/*.npz") if path.name.count(".") == 1}


def drive(asked: list[fg.Task], folder: Path, pool: bool) -> int:
    """A driver in a process of its own, forked, since it would take seconds to import all anew."""
    if pid := os.fork():
        return pid
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        if pool:
            with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as executor:
                fg.campaign(asked, folder, executor, progress=False, every=EVERY)
        else:
            fg.campaign(asked, folder, progress=False, every=EVERY)
    finally:
        os._exit(0)


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == pid


def kill_many(kills: int, seed: int) -> None:
    """The trial that the first lines describe."""
    chance, root = random.Random(seed), Path(tempfile.mkdtemp(prefix="kills-"))
    tasks(1)[0].run()  # loads the kernels, which all drivers inherit
    done = dict.fromkeys(("driver", "worker", "group", "too late"), 0)
    seen: dict[str, tuple[int, int]] = {}
    lot, asked, began = 0, tasks(40), time.monotonic()
    drivers: list[int] = []
    while sum(done.values()) - done["too late"] < kills:
        folder = root / str(lot)
        pool = chance.random() < 0.5
        pid = drive(asked, folder, pool)
        drivers.append(pid)
        time.sleep(chance.uniform(0.05, 1.5))
        workers = children(pid)
        victim = chance.choice(["worker", "driver", "group"]) if pool and workers else "driver"
        if ended(pid):
            done["too late"] += 1
        else:
            done[victim] += 1
            if victim == "group":
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(chance.choice(workers) if victim == "worker" else pid, signal.SIGKILL)
            until = time.monotonic() + 60
            while not ended(pid):
                if time.monotonic() > until:
                    raise AssertionError(f"driver {pid} hangs after its {victim} was killed")
                time.sleep(0.01)
        there = {}
        for name, path in results(folder).items():
            told = path.stat()
            there[name] = told.st_ino, told.st_mtime_ns
        for name, written in seen.items():
            assert name in there, f"{name} is lost"
            assert there[name] == written, f"{name} was computed twice"
        seen = there
        if len(there) == len(asked):
            whole(asked, folder)
            lot, seen = lot + 1, {}
            asked = tasks(40, 40 * lot)
    for _ in range(600):  # orphans of killed drivers end, or hold a task each
        run = fg.campaign(asked, root / str(lot), progress=False, every=EVERY)
        if run.done.all():
            break
        time.sleep(0.1)
    whole(asked, root / str(lot))
    print(
        f"{sum(done.values())} calls in {time.monotonic() - began:.0f} s: {done}; {lot + 1} campaigns of 40 tasks whole"
    )
    for pid in drivers:  # workers of a pool whose driver was killed wait for ever
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(root)


def whole(asked: list[fg.Task], folder: Path) -> None:
    """All results are the bytes of runs that nobody has killed; no failure was recorded."""
    run = fg.campaign(asked, folder, progress=False)
    assert run.done.all() and not run.failed, run.failed
    for task, result in zip(asked[::8], run[::8], strict=True):
        direct = task.run()
        assert result.energy.tobytes() == direct.energy.tobytes() and (result.states == direct.states).all()


def executors() -> None:
    """The same bytes from all of them."""
    from distributed import LocalCluster
    from loky import get_reusable_executor

    root, asked = Path(tempfile.mkdtemp(prefix="executors-")), tasks(24)

    def by(name: str, executor: object) -> dict[str, bytes]:
        began = time.monotonic()
        run = fg.campaign(asked, root / name, executor, progress=False, every=EVERY)
        assert run.done.all(), (name, run.failed)
        found = {key: path.read_bytes() for key, path in results(root / name).items()}
        print(f"{name}: {len(found)} tasks in {time.monotonic() - began:.1f} s", flush=True)
        return found

    found = [by("own", None)]
    with ThreadPoolExecutor(3) as executor:
        found.append(by("threads", executor))
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as executor:
        found.append(by("spawned", executor))
    found.append(by("loky", get_reusable_executor(2)))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        cluster.get_client() as client,
    ):
        pids = list(client.run(os.getpid).values())

        def disturb() -> None:
            while not list((root / "dask").glob("tasks/*/*.checkpoint.npz")):  # a kernel is under way
                time.sleep(0.01)
            os.kill(pids[0], signal.SIGKILL)
            cluster.scale(3)

        with ThreadPoolExecutor(1) as beside:
            disturbed = beside.submit(disturb)
            found.append(by("dask", client.get_executor()))
            disturbed.result()
        later = set(client.run(os.getpid).values())
        print(
            f"dask: worker {pids[0]} of {pids} killed; at the end {len(later)}, of these {len(later - set(pids))} new"
        )
    assert all(one == found[0] for one in found)
    print("the same bytes from all")
    shutil.rmtree(root)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--executors", action="store_true")
    options = parser.parse_args()
    if options.executors:
        executors()
    else:
        kill_many(options.kills, options.seed)
