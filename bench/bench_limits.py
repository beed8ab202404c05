"""What `anneal(time_limit=...)` finds in 1, 3 and 9 seconds: a longer limit is never worse.

    python -m pytest bench/bench_limits.py -s

Mean lowest energy, and that of the reads, over seeds, with errors. G1 is read from the folder GSET: its best known cut,
11624, is an energy of -4072.
"""

import itertools

import numpy as np
import pytest
from bench_schedules import gset

import fastgibbs as fg

LIMITS, SEEDS = (1, 3, 9), range(4)


MODELS = {
    "G1": lambda: gset("G1"),
    "EA 3D +-J, L = 10": lambda: fg.edwards_anderson((10, 10, 10), seed=1),
    "SK 1024": lambda: fg.sherrington_kirkpatrick(1024, seed=1),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_longer_limit_is_never_worse(name):
    model = MODELS[name]()
    if model is None:
        pytest.skip("GSET names no folder of G1.txt")
    fg.anneal(model, sweeps=2)  # compiles
    rows = []
    for limit in LIMITS:
        results = [fg.anneal(model, time_limit=limit, seed=seed) for seed in SEEDS]
        lowest, reads = (
            np.array(found) for found in zip(*[(r.energy[0], r.energy.mean()) for r in results], strict=True)
        )
        rows.append([(x.mean(), x.std(ddof=1) / np.sqrt(x.size)) for x in (lowest, reads)])
        print(
            f"\n{name}, {limit} s: lowest {rows[-1][0][0]:.8g} +- {rows[-1][0][1]:.2g}, reads {rows[-1][1][0]:.8g} +- "
            f"{rows[-1][1][1]:.2g}; {results[0].sweeps.tolist()} sweeps, {results[0].timing.total:.2f} s",
            end="",
            flush=True,
        )
    for shorter, longer in itertools.pairwise(rows):
        for (before, error), (after, own) in zip(shorter, longer, strict=True):
            assert after <= before + 3 * np.hypot(error, own) + 1e-9 * abs(before)
