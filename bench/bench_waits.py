"""What a user waits for beside the sweeps: a first call, the answer to Ctrl-C, a file.

    python -m pytest bench/bench_waits.py -s

Seconds are this machine's, and nothing is asserted of them.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from fastgibbs.io import pack_spins, write_archive

FIRST = """
import time
began = time.perf_counter()
import fastgibbs as fg
imported = time.perf_counter()
fg.sample(fg.lattice((8, 8)), beta=0.4, sweeps=3, chains=16, seed=1, engine="{engine}")
print(imported - began, time.perf_counter() - imported)
"""


def child(command, **environment):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout


def test_the_first_call_of_a_process_with_no_kernel_compiled_and_with_all(tmp_path):
    print("\nengine      import, then the first call: cold | from the cache (s)")
    for engine in ("sparse", "multispin", "dense"):
        command = [sys.executable, "-c", FIRST.format(engine=engine)]
        runs = [child(command, NUMBA_CACHE_DIR=str(tmp_path / engine)).split() for _ in range(4)]
        imported, warm = np.median(np.float64(runs[1:]), axis=0)
        print(f"{engine:12}{imported:.2f}   {float(runs[0][1]):.1f} | {warm:.2f}")


def test_answers_to_ctrl_c_at_random_moments_of_all_verbs():
    """Each verb meets 25 storms, half of one signal and half of four."""
    storms = Path(__file__).parents[1] / "tests" / "storms.py"
    trials = [json.loads(line) for line in child([sys.executable, str(storms), "400", "2"]).splitlines()]
    print(f"\n{'verb':24}stopped   lost   seconds from the first signal to the answer: median, worst")
    for name in dict.fromkeys(trial["name"] for trial in trials):
        mine = [trial for trial in trials if trial["name"] == name and trial["seconds"] is not None]
        seconds = [trial["seconds"] for trial in mine]
        lost = sum(trial["lost"] for trial in mine)
        print(f"{name:24}{len(mine):7}{lost:7}   {np.median(seconds):.3f}, {max(seconds):.3f}")
    assert not any(trial["lost"] for trial in trials)


def test_saving_sixteen_million_spins(tmp_path):
    states = np.random.default_rng(5).choice(np.array([-1, 1], np.int8), (256, 65536))
    seconds = []
    for _ in range(7):
        began = time.process_time()
        write_archive(tmp_path / "spins.npz", "sample", {"states": pack_spins(states)}, {})
        seconds.append(time.process_time() - began)
    print(f"\n256 x 65536 spins packed and written: {1000 * np.median(seconds):.0f} ms of CPU")
