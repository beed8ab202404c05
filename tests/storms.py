"""Signals at random moments of runs of every verb; as a script it prints what became of each run, a JSON line a trial.

`python tests/storms.py TRIALS SEED`: half of the trials get one Ctrl-C, half a storm of four.
"""

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback

import numpy as np

import fastgibbs as fg

GLASS = fg.edwards_anderson((4, 4, 4), "gaussian", seed=1)
MACHINE = fg.RBM(np.random.default_rng(1).normal(size=(9, 5)))
GRAPH = fg.BoltzmannMachine(0.1 * (np.ones((12, 12)) - np.eye(12)), visible=range(9))
DATA = np.random.default_rng(2).random((64, 9))
MEMORY = fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (20, 400)))
LAYERS = fg.RBM(np.random.default_rng(5).normal(size=(22, 400)))
LONG = dict(sweeps=10**7, thin=10**4, engine="sparse")
WITH_PROGRESS = {
    "sample": lambda **run: fg.sample(GLASS, beta=0.5, **LONG, **run),
    "sample many": lambda **run: fg.sample(GLASS, beta=0.5, chains=3200, **LONG, **run),
    "sample one lattice": lambda **run: fg.sample(
        fg.lattice((128, 128)), beta=0.4, chains=1, sweeps=10**7, thin=10**4, **run
    ),
    "sample observed": lambda **run: fg.sample(GLASS, beta=0.5, observe={"f": lambda s: s[:, 0]}, **LONG, **run),
    "sample saved": lambda **run: fg.sample(
        GLASS, beta=0.5, checkpoint=os.path.join(run.pop("folder"), "sample.npz"), every=0.02, **LONG, **run
    ),
    "anneal": lambda **run: fg.anneal(GLASS, betas=[0.5], sweeps=10**6, engine="sparse", **run),
    "anneal by the clock": lambda **run: fg.anneal(GLASS, time_limit=60, engine="sparse", **run),
    "anneal a population, saved": lambda **run: fg.anneal(
        GLASS,
        population=True,
        sweeps=10**6,
        checkpoint=os.path.join(run.pop("folder"), "population.npz"),
        every=0.02,
        engine="sparse",
        **run,
    ),
    "temper": lambda **run: fg.temper(GLASS, **LONG, **run),
    "temper saved": lambda **run: fg.temper(
        GLASS, checkpoint=os.path.join(run.pop("folder"), "temper.npz"), every=0.02, **LONG, **run
    ),
    "train": lambda **run: fg.train(MACHINE, DATA, epochs=10**5, likelihood_every=0, **run),
    "train graph": lambda **run: fg.train(GRAPH, DATA, epochs=10**5, **run),
}
WITHOUT = {  # whose answer is whole or none
    "recall": lambda **run: fg.recall(MEMORY, MEMORY.patterns, beta=1.0, sweeps=10**5, threads=run["threads"]),
    "log_z ais": lambda **run: fg.log_z(GLASS, method="ais", steps=10**6, threads=run["threads"]),
    "log_z tempering": lambda **run: fg.log_z(GLASS, method="tempering", steps=2 * 10**5, threads=run["threads"]),
    "likelihood": lambda **run: fg.log_likelihood(
        fg.RBM(np.ones((40, 30))), np.ones((3, 40)), threads=run["threads"], seed=1
    ),
    "fill in": lambda **run: fg.learning.fill_in(MACHINE, DATA > 0.5, np.arange(9) < 4, sweeps=10**6, averaged=1),
    "spectrum": lambda **run: fg.exact.spectrum(LAYERS, threads=run["threads"]).log_z(1.0),
}


class Storm(threading.Thread):
    """Sends Ctrl-C `count` times from `delay` seconds on, unless the run has ended by then."""

    def __init__(self, delay, count):
        super().__init__(daemon=True)
        self.gaps = [delay, *(random.uniform(0, 0.06) for _ in range(count - 1))][:count]
        self.first, self.over = None, False
        self.start()

    def run(self):
        """Wait and send."""
        for gap in self.gaps:
            time.sleep(gap)
            if self.over:
                return
            self.first = self.first or time.perf_counter()
            os.kill(os.getpid(), signal.SIGINT)


def stopped_often(call, most):
    """Call again and again, at most `most` times under a Ctrl-C, until a run is whole: it, and how often it was not."""
    for stops in range(most + 1):
        storm, result = Storm(random.uniform(0.001, 0.15), stops < most), None
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            result = call()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        storm.over = True
        storm.join()
        if result is not None and not result.interrupted:
            return result, stops
    raise RuntimeError("the last run was stopped by nobody")


def trial(name, threads, count, folder):
    """Run a verb under a storm: what became of it."""
    drawn, result, inside, error = [], None, False, None
    run = dict(threads=threads)
    if name in WITH_PROGRESS:
        run["progress"] = lambda done, total: drawn.append(done) if done else None
        if "saved" in name:
            run["folder"] = folder
    call = (WITH_PROGRESS | WITHOUT)[name]
    storm = Storm(random.uniform(0, 0.2), count)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = call(**run)
        ended = time.perf_counter()
        storm.over = True
    except KeyboardInterrupt as caught:
        ended = time.perf_counter()
        error = caught
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    storm.over = True
    storm.join()
    if error is not None:
        inside = any("fastgibbs" in frame.filename for frame in traceback.extract_tb(error.__traceback__))
    lost = inside and result is None and len(drawn) > 0
    seconds = None if storm.first is None else ended - storm.first
    returned = result is not None and not isinstance(result, float)
    return dict(
        name=name,
        threads=threads,
        signals=count,
        drew=bool(drawn),
        returned=returned,
        interrupted=bool(getattr(result, "interrupted", False)),
        lost=bool(lost),
        seconds=seconds,
        valid=not returned or all(np.isfinite(values).all() for values in recorded(result)),
    )


def recorded(result):
    """The numbers of a result that a stop must not spoil."""
    for name in ("energy", "magnetization", "trace_mean", "overlaps", "states", "chains"):
        value = getattr(result, name, None)
        if isinstance(value, np.ndarray):
            yield value
    yield from getattr(result, "observables", {}).values()


def main(trials, seed):
    """Print a line a trial."""
    random.seed(seed)
    names = [*WITH_PROGRESS, *WITHOUT]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as folder:
        for k in range(trials):
            threads = random.choice([1, 2, 3, 16, 200] if names[k % len(names)] == "sample many" else [1, 2, 3])
            found = trial(names[k % len(names)], threads, 1 if k // len(names) % 2 else 4, folder)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
