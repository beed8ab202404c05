"""`python -m fastgibbs warm`: what it has compiled no ordinary call compiles again."""

import os
import subprocess
import sys

ORDINARY = """
import numpy as np
from numba.core import event
import fastgibbs as fg

rng = np.random.default_rng(1)
glasses = [fg.random_regular(20, degree, seed=1) for degree in (3, 5, 8, 12)]
memory = fg.Hopfield(rng.choice(np.array([-1, 1], np.int8), (4, 30)))
machine, data = fg.RBM.random(9, 4, seed=1), rng.integers(0, 2, (30, 9))
models = [fg.lattice((6, 6), h=0.1), fg.lattice((5, 5, 5)), fg.edwards_anderson((5, 5), "gaussian", seed=2)]
models += [*glasses, fg.sherrington_kirkpatrick(30, seed=1), memory, machine]
with event.install_recorder("numba:compile") as compiled:
    for model in models:
        for few in (1, 70):
            fg.sample(model, beta=0.4, sweeps=3, chains=few, rule="metropolis", threads=1)
            fg.anneal(model, sweeps=3, reads=few, threads=1)
        fg.temper(model, betas=[0.1, 0.3, 0.5], sweeps=3, threads=1)
    fg.sample(models[0], beta=0.4, sweeps=3, record="bins", threads=2)
    fg.anneal(glasses, sweeps=3, threads=1)
    fg.anneal(models[:4], sweeps=3, threads=1)
    fg.recall(memory, np.ones(30))
    fg.log_z(models[0])
    fg.train(machine, data, epochs=2)
    fg.log_likelihood(machine, data)
print([one.data["dispatcher"].py_func.__qualname__ for _, one in compiled.buffer if one.is_start])
"""


def test_after_it_ordinary_calls_compile_nothing(tmp_path):
    def said(*command):
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}  # its own: other tests compile too
        return subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=True)

    assert "compiled in" in said("-m", "fastgibbs", "warm").stdout
    assert said("-c", ORDINARY).stdout == "[]\n"
