"""How blocks are advanced: on threads, a chunk of sweeps at a time, with progress, and stopped without loss.

Kernels release the GIL and know nothing of threads. A worker takes the block that has waited longest, advances it by
about CHUNK_SECONDS and puts it back, so that blocks progress evenly at any number of threads, and a stop (Ctrl-C, or
a progress callable that returns True) takes effect within one chunk. Where chunks end never shows in the results.
Where there are fewer blocks than threads, several threads make a crew that advances one block together.
"""

import sys
import threading
import time
from collections import deque
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager

import numpy as np

from fastgibbs.engines.contract import Crew
from fastgibbs.methods.checkpoints import terminable

CHUNK_SECONDS = 0.02
ALONE = Crew(0, 1, np.zeros(1, np.uint64))


def run_blocks(
    advance, blocks: list, done: list[int], sweeps: int, threads: int, largest_crew: int, report, checkpoint
) -> tuple[list[int], bool]:
    """Call `advance(block, first, last, crew)` until every block has done `sweeps` sweeps or the run is stopped.

    `done`: sweeps that each block has done before. `report(done, sweeps)` hears the mean number of sweeps done ten
    times a second; both stop the run by returning True. Returns the sweeps done by each block, and whether the run was
    stopped before the end.
    """
    done = list(done)
    waiting = deque(index for index in range(len(blocks)) if done[index] < sweeps)
    stop = threading.Event()

    workers = max(1, min(threads // len(blocks), largest_crew))

    def advance_together(block, first, last):
        gate = np.zeros(1, np.uint64)
        try:
            others = [pool.submit(advance, block, first, last, Crew(k, workers, gate)) for k in range(1, workers)]
            stops = advance(block, first, last, Crew(0, workers, gate))
        except BaseException:
            gate[0] = 2**63  # nobody waits for a worker that will not come
            raise
        for other in others:
            other.result()
        return stops

    def work():
        chunk = 1
        while not stop.is_set():
            try:
                index = waiting.popleft()
            except IndexError:
                return
            last = min(done[index] + chunk, sweeps)
            began = time.perf_counter()
            if advance_together(blocks[index], done[index], last) is True:
                stop.set()
            seconds = max(time.perf_counter() - began, 1e-9)
            checkpoint.saw(index, blocks[index], last)
            done[index] = last
            chunk = max(1, int(chunk * min(CHUNK_SECONDS / seconds, 4)))
            if last < sweeps:
                waiting.append(index)

    leaders = min(threads, len(blocks))
    checkpoint.began(blocks, done)
    with terminable(checkpoint):
        with ThreadPoolExecutor(leaders * workers) as pool:
            work_done = [pool.submit(work) for _ in range(leaders)]
            try:
                while wait(work_done, timeout=0.1, return_when=FIRST_EXCEPTION).not_done:
                    if report(sum(done) // len(done), sweeps) is True:
                        break
                    checkpoint.attend(blocks, done, sweeps)
            except KeyboardInterrupt:
                pass
            finally:
                stop.set()
        for leader in work_done:
            leader.result()
        checkpoint.ended(blocks, done)
    report(sum(done) // len(done), sweeps)
    return done, min(done) < sweeps


@contextmanager
def reporting(progress):
    """A `report(done, total)` for `progress`: False, True (a tqdm bar, or a plain line) or a callable."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda done, total: None
    else:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            yield lambda done, total: print(f"\r{done}/{total} sweeps", end="", file=sys.stderr, flush=True)
            print(file=sys.stderr)
        else:
            with tqdm(unit="sweep", mininterval=0) as bar:

                def report(done, total):
                    bar.total = total
                    bar.update(done - bar.n)

                yield report
