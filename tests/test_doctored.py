"""Checkpoints that were doctored, with a right checksum, are refused in words or change nothing: nothing is trusted.

Each kind of run is tried in a process of its own, so that a kernel that leaves its arrays is seen as a crash.
"""

import functools
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.io import read_archive, write_archive
from fastgibbs.methods import running

GLASS = fg.edwards_anderson((4, 4), "gaussian", seed=1)
BITS = fg.edwards_anderson((4, 4), seed=1)
MACHINE = fg.RBM(np.random.default_rng(1).normal(size=(7, 5)))
DREAMER = fg.Helmholtz.random((7, 5, 3), seed=1)
GRAPH = fg.BoltzmannMachine(np.triu(np.full((9, 9), 0.1), 1) + np.tril(np.full((9, 9), 0.1), -1), visible=range(5))
DATA = np.random.default_rng(2).integers(0, 2, (20, 7))
ON = dict(data=DATA, batch_size=8, method="tempering", learning_rate=0.1)
OBSERVE = {"staggered": np.resize([1.0, -1.0], 16), "first": lambda states: states[:, 0]}
BINS = dict(record="bins", observe={"staggered": OBSERVE["staggered"]})


@functools.cache
def begun():
    return fg.train(MACHINE, **ON, seed=5, epochs=3)


def going_on(model, **kwargs):
    """A training that goes on from the result of another, whose model it takes."""
    return fg.train(begun().model, start=begun(), **kwargs)


RUNS = {
    "sample": (fg.sample, GLASS, dict(beta=0.5, sweeps=4000, chains=70, thin=2, engine="sparse", observe=OBSERVE)),
    "clamped": (fg.sample, BITS, dict(beta=0.5, sweeps=4000, chains=70, keep_states=True, clamp={3: 1, 8: -1})),
    "coloured": (fg.sample, GLASS, dict(beta=0.5, sweeps=4000, chains=3, engine="coloured", clamp={3: 1, 8: -1})),
    "anneal": (fg.anneal, GLASS, dict(sweeps=4000, reads=40, engine="sparse", keep=20, clamp={3: 1})),
    "population": (fg.anneal, GLASS, dict(sweeps=800, reads=40, engine="sparse", population=True)),
    "temper": (fg.temper, GLASS, dict(sweeps=4000, ladders=4, clusters=True, engine="sparse", observe=OBSERVE)),
    "sample bins": (fg.sample, GLASS, dict(beta=0.5, sweeps=4000, chains=70, engine="sparse") | BINS),
    "temper bins": (fg.temper, GLASS, dict(sweeps=4000, betas=[0.1, 0.5, 1.0], ladders=4, engine="sparse") | BINS),
    "adapt": (fg.temper, GLASS, dict(sweeps=40_000, ladders=4, engine="sparse", observe=OBSERVE)),
    "train": (
        fg.train,
        MACHINE,
        dict(data=DATA, epochs=100, batch_size=8, method="tempering", momentum=0.5, information_every=20),
    ),
    "train on": (going_on, MACHINE, dict(epochs=100, **ON)),
    "dreams": (fg.train, DREAMER, dict(data=DATA, epochs=80, batch_size=8, method="wake-sleep", momentum=0.5)),
    "graph": (fg.train, GRAPH, dict(data=DATA[:, :5], epochs=20, batch_size=8, method="pcd", likelihood_every=0)),
}
WRONG = {  # by the kind of numbers: what no array of a checkpoint holds
    "f": [np.nan, np.inf, -1e300],
    "i": [10**9, -1, 2**62],
    "u": [],
}
FREE = ("block0.learner.hidden", "block0.record.samples")  # where any bits are states
HEADERS = [
    *(("done", value) for value in (10**12, -(10**6), 2.5, None, "3", True, [], {})),
    *(("lanes", value) for value in ([0, 10**9], [64, 0], [0, -64], None, [0], "0", [0, 1e300], [16, 64])),
    *(("cuts", value) for value in ([], None, 3, [3], [[1]], [[2, 1]], [[0, 1]], [[1, 1], [1, 1]], [[True, 1]])),
    *(("cuts", [[1, value]]) for value in (0, -1, None, 2.5, "1", 10**30)),
    *(("seed", value) for value in (-1, None, "x", 2.5, 6)),
    *(("stage", value) for value in (None, [], "x")),
    *(("rounds", value) for value in (3, [3], [[64, 16, 0.1, 0.5, 2]], [[64, 10**9, 0.1, 0.5]], [[2**70, 16, 1, 1]])),
    *(("rounds", [[64, 16, value, 0.5]]) for value in ("x", -1, 1e300)),
    *(("blocks", value) for value in ([], None, {}, [3], "x")),
]


def header_doctored(header, key, value):
    header = header | {"settings": dict(header["settings"]), "blocks": [dict(block) for block in header["blocks"]]}
    if key in ("done", "lanes"):
        header["blocks"][0][key] = value
    elif key == "seed":
        header["settings"]["seed"] = value
    elif key == "rounds":
        header["stage"] = {"rounds": value}
    else:
        header[key] = value
    return header


def arrays_doctored(name, array, rng):
    """Yield (what was done, the array) for an array of a checkpoint; None where it is gone."""
    if array.size:
        for value in WRONG.get(array.dtype.kind, []):
            if name.endswith(("log_likelihood_error", "information")) and value == np.inf:
                continue  # of an estimate that knows nothing
            if array.dtype == np.int8 and value == -1 and "kept" not in name:
                continue  # a spin like others, unless the energy of this very sweep is on record
            if array.dtype.kind == "i":
                value = max(np.iinfo(array.dtype).min, min(value, np.iinfo(array.dtype).max))
            changed = array.copy()
            changed.flat[rng.integers(array.size)] = value
            yield f"one is {value}", changed
        if name not in FREE and array.dtype == np.int8:
            yield "one is 5", np.where(np.arange(array.size).reshape(array.shape) == 3, np.int8(5), array)
        if array.dtype == np.uint64 and "spins" not in name and "kept" not in name:
            yield "zeros", np.zeros_like(array)
            yield "ones", np.full_like(array, 2**64 - 1)
        if array.dtype == np.uint16 and name not in FREE:
            yield "other bits", array ^ np.uint16(0x5A5A)
        if array.dtype == np.uint8 and name not in FREE:
            yield "other bits", array ^ np.uint8(0x5A)
        if "lane_at" in name or "first_lane" in name:
            yield "all alike", np.full_like(array, array.flat[0])
        if name.endswith("energies") and "state" not in name:
            yield "1e9", np.where(np.arange(array.size).reshape(array.shape) == 1, 1e9, array)
            yield "all a little more", array + 0.01
    yield "another type", array.astype(np.float32 if array.dtype != np.float32 else np.float64)
    yield "one more axis", array[..., None]
    yield "shorter", array[: len(array) - 1] if len(array) else np.zeros((1, *array.shape[1:]), array.dtype)
    yield "gone", None


def doctored(arrays, header):
    """Yield (what was done, arrays, header), always the same ones."""
    rng = np.random.default_rng(1)
    for key, value in HEADERS:
        yield f"{key} = {value}", arrays, header_doctored(header, key, value)
    for name, array in arrays.items():
        for what, changed in arrays_doctored(name, array, rng):
            rest = {other: mine for other, mine in arrays.items() if other != name}
            yield f"{name}: {what}", rest if changed is None else rest | {name: changed}, header
    yield "one more array", arrays | {"block0.ladders.rungs": np.full(64, 10**9)}, header
    yield "one more block", arrays | {"block77.ladders.rungs": np.full(64, 10**9)}, header


def content(result):
    """What a result holds, in bytes."""
    found = []
    if isinstance(result, fg.TrainResult):
        found = [result.model.weights, result.chains, *result.history, *(result.information or ())]
    if not found:
        names = ("energy", "magnetization", "states", "trace_min", "trace_mean", "restarts", "round_trips", "betas")
        names += "kept_energy", "kept_states", "kept_counts"
        if getattr(result, "bins", None) is not None:
            return b"".join(np.asarray(part).tobytes() for part in (*result.bins[:5], result.states))
        found = [getattr(result, name) for name in names if hasattr(result, name)]
        found += list(getattr(result, "population", None) or ())
        found += list(getattr(result, "observables", {}).values())
    return b"".join(np.asarray(part).tobytes() for part in found)


def stopped_half_way(name, path):
    """A checkpoint of a run, after some of it: chunks are so short that it is not done when it is first asked."""
    run, model, kwargs = RUNS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "CHUNK_SECONDS", 1e-9)
        patch.setattr("fastgibbs.threads.TICK_SECONDS", 0.002)
        stops = lambda done, total: done > 0 or name == "adapt"  # noqa: E731 - adaptation counts no sweeps
        assert run(model, seed=5, checkpoint=path, progress=stops, threads=2, **kwargs).interrupted


def tried(name, folder):
    """Try all doctored checkpoints of a run; prints how many were refused, and how many changed nothing."""
    os.fsync = lambda descriptor: None  # as in conftest.py
    run, model, kwargs = RUNS[name]
    path = Path(folder) / "run.npz"
    whole = content(run(model, seed=5, **kwargs))
    stopped_half_way(name, path)
    original = path.read_bytes()
    _, arrays, header, _ = read_archive(path, "checkpoint")
    assert content(run(model, seed=5, checkpoint=path, **kwargs)) == whole
    counts, before = {"refused": 0, "harmless": 0}, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for what, changed, told in doctored(arrays, header):
        print(what, file=sys.stderr, flush=True)  # the last line, should this process die
        path.write_bytes(original)
        write_archive(path, "checkpoint", changed, told)
        try:
            result = run(model, seed=None if "seed" in what else 5, checkpoint=path, **kwargs)
        except ValueError as error:
            assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 700, error
            counts["refused"] += 1
        else:
            assert content(result) == whole, f"{what} was taken without a word"
            counts["harmless"] += 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(counts["refused"], counts["harmless"], grown // 1024)


@pytest.mark.parametrize("name", RUNS)
def test_doctored_checkpoints_are_refused_or_change_nothing(name, tmp_path):
    script = f"import test_doctored; test_doctored.tried({name!r}, {str(tmp_path)!r})"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(fg.__file__).parents[1]), str(Path(__file__).parent)])
    }
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, harmless, megabytes = map(int, done.stdout.split())
    print(f"{name}: {refused} refused, {harmless} harmless, {megabytes} MB more")
    assert refused >= 60
    assert megabytes < 100
