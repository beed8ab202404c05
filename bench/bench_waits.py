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
import pytest
from contest import keep

from fastgibbs.io import pack_spins, write_archive

FIRST = """
import json, sys, time
began = time.process_time()
import numpy as np
import fastgibbs as fg
seconds = {"import": time.process_time() - began}
models = {
    "multispin": lambda: fg.lattice((8, 8)),
    "sparse": lambda: fg.edwards_anderson((4, 4), "gaussian", seed=1),
    "dense": lambda: fg.sherrington_kirkpatrick(32, seed=1),
    "overlap": lambda: fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (3, 40))),
    "layered": lambda: fg.RBM(np.zeros((6, 4))),
}
engine, model = sys.argv[1], models[sys.argv[1]]()
options = dict(seed=1, engine=engine)
verbs = {
    "sample": lambda: fg.sample(model, beta=0.4, sweeps=3, chains=16, **options),
    "anneal": lambda: fg.anneal(model, sweeps=3, reads=16, **options),
    "temper": lambda: fg.temper(model, betas=[0.1, 0.5], sweeps=3, burn_in=0, **options),
}
if engine == "overlap":
    verbs["recall"] = lambda: fg.recall(model, model.patterns, seed=1)
if engine == "layered":
    verbs["train"] = lambda: fg.train(model, np.ones((8, 6)), epochs=1, seed=1)
    verbs["log_z"] = lambda: fg.log_z(model, steps=10, seed=1)
for name in sys.argv[2:] or verbs:
    began = time.process_time()
    verbs[name]()
    seconds[name] = time.process_time() - began
print(json.dumps(seconds))
"""


def child(command, **environment):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout


@pytest.mark.parametrize("engine", ["multispin", "sparse", "dense", "overlap", "layered"])
def test_first_calls_of_a_process_with_no_kernel_compiled_and_with_all(tmp_path, engine):
    """CPU seconds; the verbs one after the other, each with what those before it have compiled; `anneal` also alone."""

    def first(*verbs, cache=tmp_path / "all"):
        command = [sys.executable, "-c", FIRST, engine, *verbs]
        return json.loads(child(command, NUMBA_CACHE_DIR=str(cache)))

    runs = {"cold": first(), "warm": first(), "cold, alone": first("anneal", cache=tmp_path / "one")}
    print()
    for name, seconds in runs.items():
        print(f"{engine}, {name}: " + ", ".join(f"{verb} {value:.2f}" for verb, value in seconds.items()))
    keep(f"first calls, {engine}", unit="s of CPU", rows=runs)


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
