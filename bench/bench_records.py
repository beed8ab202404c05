"""Memory of a run that keeps bins: samples x rungs x ladders x sweeps of a 3D +-J glass, with a checkpoint.

python bench/bench_records.py [samples] [rungs] [ladders] [sweeps] [side] [every]
"""

import os
import resource
import sys
import tempfile
import time

import numpy as np

import fastgibbs as fg


def main(samples=1000, rungs=24, ladders=4, sweeps=100_000, side=4, every=60):
    models = [fg.edwards_anderson((side,) * 3, seed=k) for k in range(samples)]
    print(f"models: {peak():.0f} MB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path, began = os.path.join(folder, "run.npz"), time.perf_counter()
        options = dict(betas=np.linspace(0.1, 1.1, rungs), sweeps=sweeps, burn_in=sweeps // 5, ladders=ladders, seed=1)
        options |= dict(checkpoint=path, every=every, record="bins")
        results = fg.temper(models, **options)
        print(f"{time.perf_counter() - began:.0f} s, checkpoint {os.path.getsize(path) / 1e6:.0f} MB")
    print(f"run: {peak():.0f} MB")
    print(results[0].summary())
    print(f"first summary: {peak():.0f} MB")


def peak() -> float:
    """Peak resident memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
