"""What campaigns cost: tasks of 50 ms on two workers, 10^5 tasks that are done, 10^6 results as files and as shards.

python bench/campaigns.py [overhead | recognise | million] [--folder FOLDER] [--count N]
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import statistics
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fastgibbs as fg
from fastgibbs.campaigns import driving, files

BETAS = [0.2, 0.4, 0.6, 0.8, 1.0, 1.2]
WORKERS = 2


def tasks(count: int, sweeps: int, first: int = 0) -> list[fg.Task]:
    arguments = {"betas": BETAS, "burn_in": 100, "sweeps": sweeps, "thin": 50, "ladders": 2}
    recipes = [{"recipe": "edwards_anderson", "shape": (6, 6, 6), "seed": first + k} for k in range(count)]
    return [fg.Task(recipe, "temper", arguments, seed=recipe["seed"]) for recipe in recipes]


def sweeps_of(seconds: float) -> int:
    """Sweeps of a task that takes so long, of CPU time."""
    sweeps = 1000
    tasks(1, sweeps)[0].run()
    while True:
        asked = tasks(8, sweeps)
        began = time.process_time()
        for task in asked:
            task.run()
        took = (time.process_time() - began) / len(asked)
        if abs(took / seconds - 1) < 0.1:
            return sweeps
        sweeps = int(sweeps * seconds / took)


def overhead(folder: Path, count: int = 1000, rounds: int = 5) -> None:
    """The same tasks as a campaign and as bare calls on a pool of two threads, in turn: ratios of wall and CPU time."""
    sweeps = sweeps_of(0.05)
    wall, cpu = [], []
    for k in range(rounds):
        asked, times = tasks(count, sweeps, k * count), {}
        for how in ("bare", "campaign")[:: 1 if k % 2 else -1]:
            began = time.perf_counter(), time.process_time()
            if how == "bare":
                with ThreadPoolExecutor(WORKERS) as executor:
                    list(executor.map(fg.Task.run, asked))
            else:
                fg.campaign(asked, folder / f"overhead{k}", progress=False)
            times[how] = time.perf_counter() - began[0], time.process_time() - began[1]
        wall.append(times["campaign"][0] / times["bare"][0])
        cpu.append(times["campaign"][1] / times["bare"][1])
        print(f"{count} tasks, {times['bare'][1] / count * 1e3:.1f} ms of CPU each: {times}", flush=True)
    told = [
        f"{name} {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        for name, ratios in (("wall", wall), ("CPU", cpu))
    ]
    print(f"campaign / bare calls, medians of {rounds} rounds: {', '.join(told)}")


class Nobody:
    """An executor that is asked for nothing."""

    def submit(self, *call: object) -> None:
        raise AssertionError("a task was not recognised")


def recognise(folder: Path, count: int = 10**5) -> None:
    """The time in which a call finds that all is done, with tasks made and named anew; files are stand-ins."""
    result = tasks(1, 200)[0].run()
    asked = tasks(count, 200)
    content, entries = files.packed(asked[0], result), {}
    for task in asked:
        path = files.path_of(str(folder / "done"), task.digest, files.RESULT)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(content)
        told = os.stat(path)
        entries[task.digest] = files.Entry(told.st_size, told.st_mtime_ns, task.length)
    files.remember(str(folder / "done"), entries)
    for _ in range(3):
        began = time.perf_counter(), time.process_time()
        again = tasks(count, 200)
        made = time.perf_counter() - began[0]
        run = fg.campaign(again, folder / "done", Nobody(), progress=False)
        wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        print(f"{run}: {wall:.2f} s, {cpu:.2f} s of CPU; of it {made:.2f} s to make the tasks", flush=True)


def million(folder: Path, count: int = 10**6) -> None:
    """Results of 1 kB: a file each, in folders by two digits, or a hundred shards, each written whole."""
    content, shard = os.urandom(1000), max(count // 100, 1)
    names = [f"{k * 2654435761 % 2**64:016x}" * 4 for k in range(count)]

    def told(what: str, began: tuple[float, float]) -> None:
        wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
        print(f"{what}: {wall:.1f} s, {cpu:.1f} s of CPU, {1e6 * wall / count:.0f} us each", flush=True)

    began = time.perf_counter(), time.process_time()
    for k in range(256):
        os.makedirs(folder / "files/tasks" / f"{k:02x}", exist_ok=True)
    for name in names:
        path = files.path_of(str(folder / "files"), name, files.RESULT)
        with open(path + ".partial", "wb") as file:
            file.write(content)
        os.replace(path + ".partial", path)
    told("a file each, written and renamed", began)
    began = time.perf_counter(), time.process_time()
    found = files.scan(str(folder / "files"))
    told(f"{len(found)} files found, with sizes and times", began)
    began = time.perf_counter(), time.process_time()
    files.remember(str(folder / "files"), {name: files.Entry(*told_, 0) for name, told_ in found.items()})
    told("and remembered in the index", began)
    began = time.perf_counter(), time.process_time()
    known = files.known(str(folder / "files"))
    told(f"{len(known)} of them known by the next call", began)
    began = time.perf_counter(), time.process_time()
    os.makedirs(folder / "shards", exist_ok=True)
    for first in range(0, count, shard):
        whole = io.BytesIO()
        for name in names[first : first + shard]:
            whole.write(f"{name} {len(content)} {zlib.crc32(content)}\n".encode() + content)
        path = folder / "shards" / f"{first:09d}"
        with open(f"{path}.partial", "wb") as file:
            file.write(whole.getvalue())
            os.fsync(file.fileno())
        os.replace(f"{path}.partial", path)
    told(f"in {count // shard} shards, written whole", began)
    began = time.perf_counter(), time.process_time()
    places = {}
    for path in (folder / "shards").iterdir():
        with open(path, "rb") as file:
            while head := file.readline().split():
                places[head[0]] = path, file.tell(), int(head[1])
                file.seek(int(head[1]), os.SEEK_CUR)
    told(f"{len(places)} results found in shards", began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "recognise", "million"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--count", type=int, help="of tasks, by default 1000, 10^5 or 10^6")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="campaigns-", dir=options.folder))
    print(f"{WORKERS} workers, window of {driving.WINDOW} tasks")
    try:
        {"overhead": overhead, "recognise": recognise, "million": million}[options.what](
            root, *([options.count] if options.count else [])
        )
    finally:
        shutil.rmtree(root)
