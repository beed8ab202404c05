"""`python -m fastgibbs warm`: what it has compiled no ordinary call compiles again."""

import subprocess
import sys

IN_ONE = """
import numpy as np
import fastgibbs as fg
from fastgibbs import jit, warm

warm.run()
asked, load = [], jit._Cache.load_overload


def loading(cache, *signature):  # what this process has not met yet, whether another test has compiled it or not
    asked.append(cache._function.__qualname__)
    return load(cache, *signature)


jit._Cache.load_overload = loading
rng = np.random.default_rng(1)
glasses = [fg.random_regular(20, degree, seed=1) for degree in (3, 5, 8, 12)]
memory = fg.Hopfield(rng.choice(np.array([-1, 1], np.int8), (4, 30)))
machine, data = fg.RBM.random(9, 4, seed=1), rng.integers(0, 2, (30, 9))
models = [fg.lattice((6, 6), h=0.1), fg.lattice((5, 5, 5)), fg.edwards_anderson((5, 5), "gaussian", seed=2)]
models += [*glasses, fg.sherrington_kirkpatrick(30, seed=1), memory, machine]
for model in models:
    for few in (1, 70):
        fg.sample(model, beta=0.4, sweeps=3, chains=few, rule="metropolis", threads=1)
        fg.anneal(model, sweeps=3, reads=few, threads=1)
    fg.temper(model, betas=[0.1, 0.3, 0.5], sweeps=3, threads=1)
fg.sample(models[0], beta=0.4, sweeps=3, record="bins", threads=2)
fg.anneal(glasses, sweeps=3, threads=1)
fg.anneal(models[0], population=True, sweeps=20, threads=1)
fg.anneal(models[:4], sweeps=3, threads=1)
fg.recall(memory, np.ones(30))
fg.log_z(models[0])
fg.train(machine, data, epochs=2)
fg.log_likelihood(machine, data)
print(asked)
"""


def test_after_it_ordinary_calls_compile_nothing():
    said = subprocess.run([sys.executable, "-c", IN_ONE], capture_output=True, text=True, check=True).stdout
    assert "compiled in" in said
    assert said.splitlines()[-1] == "[]"
