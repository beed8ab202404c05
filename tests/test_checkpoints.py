"""Checkpoints: a run that was stopped, killed or damaged goes on to the same bytes, or says why it cannot."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import threads
from fastgibbs.io import files, read_archive, write_archive
from fastgibbs.methods import checkpoints, running

GLASS, WEIGHTED = fg.edwards_anderson((5, 5, 5), seed=1), fg.edwards_anderson((4, 4, 4), "gaussian", seed=1)
LATTICE, MACHINE = fg.lattice((128, 64)), fg.RBM(np.random.default_rng(1).normal(size=(9, 5)))
DISORDER = [fg.edwards_anderson((4, 4, 4), seed=k) for k in range(3)]
SHOWN = np.random.default_rng(2).random((64, 9))
GRAPH = fg.BoltzmannMachine(np.triu(np.full((14, 14), 0.1), 1) + np.tril(np.full((14, 14), 0.1), -1), visible=range(9))
OBSERVE = {"staggered": np.resize([1.0, -1.0], 125), "first": lambda states: states[:, 0]}
DENSE = fg.sherrington_kirkpatrick(40, seed=1)
MEMORY = fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (3, 30)))
SAMPLE = dict(sweeps=2000, burn_in=100, thin=10)
RUNS = {
    "sample multispin": (fg.sample, GLASS, SAMPLE | dict(beta=np.linspace(0.1, 1, 600), keep_states=True)),
    "sample sparse": (fg.sample, WEIGHTED, SAMPLE | dict(beta=0.7, chains=70, scan="random", rule="metropolis")),
    "sample strips": (fg.sample, LATTICE, SAMPLE | dict(sweeps=20_000, beta=0.4, chains=2)),
    "sample disorder": (fg.sample, DISORDER, SAMPLE | dict(sweeps=20_000, beta=0.4, chains=300)),
    "sample observed": (fg.sample, GLASS, SAMPLE | dict(beta=np.linspace(0.1, 1, 600), observe=OBSERVE)),
    "sample coloured": (fg.sample, WEIGHTED, SAMPLE | dict(sweeps=20_000, beta=0.7, chains=3, clamp={3: 1})),
    "sample machine": (fg.sample, MACHINE, SAMPLE | dict(sweeps=20_000, beta=1.0, start=np.ones(14, int))),
    "sample dense": (fg.sample, DENSE, SAMPLE | dict(sweeps=20_000, beta=0.7, chains=70, engine="dense")),
    "sample overlap": (fg.sample, MEMORY, SAMPLE | dict(sweeps=20_000, beta=0.7, chains=70, engine="overlap")),
    "anneal multispin": (fg.anneal, GLASS, dict(sweeps=3000, reads=600)),
    "anneal sparse": (fg.anneal, WEIGHTED, dict(sweeps=3000, reads=70, rule="gibbs")),
    "anneal population": (fg.anneal, GLASS, dict(sweeps=2000, reads=600, population=True, resample_every=7)),
    "anneal population sparse": (fg.anneal, WEIGHTED, dict(sweeps=900, reads=70, population=True, keep=3)),
    "temper multispin": (fg.temper, GLASS, dict(sweeps=2000, thin=10, rungs=7, ladders=40, clusters=True)),
    "temper coloured": (fg.temper, GLASS, dict(sweeps=9000, betas=[0.1, 0.9], ladders=2, clusters=True)),
    "temper sparse": (
        fg.temper,
        WEIGHTED,
        dict(sweeps=20_000, thin=10, burn_in=0, betas=[0.1, 0.3, 0.6, 1.0], ladders=4),
    ),
    "temper grown": (fg.temper, GLASS, dict(sweeps=2000, thin=10)),
    "temper observed": (fg.temper, GLASS, dict(sweeps=2000, thin=10, rungs=7, ladders=4, observe=OBSERVE)),
    "train": (fg.train, MACHINE, dict(data=SHOWN, epochs=2000, batch_size=20, likelihood_every=500)),
    "train graph": (fg.train, GRAPH, dict(data=SHOWN, epochs=1000, batch_size=20, chains=80)),
    "train tempering": (fg.train, MACHINE, dict(data=SHOWN, method="tempering", epochs=1000, momentum=0.5, l2=1e-3)),
    "temper disorder": (fg.temper, DISORDER, dict(sweeps=1000, betas=[0.1, 0.3, 0.6, 1.0], ladders=30)),
}
BY_RUN = pytest.mark.parametrize("name", RUNS)


def everything(result, name="result"):
    """Yield (name, array) of all that a result holds; blocks and timing tell how it was computed, not what."""
    if isinstance(result, list | tuple) and not hasattr(result, "_asdict"):
        for k, one in enumerate(result):
            yield from everything(one, f"{name}[{k}]")
    elif hasattr(result, "_asdict") or hasattr(result, "__dataclass_fields__"):
        fields = result._asdict() if hasattr(result, "_asdict") else vars(result)
        for field, value in fields.items():
            if field == "model" and isinstance(result, fg.TrainResult):
                parts = vars(value).items()
                yield from ((f"{name}.{key}", part) for key, part in parts if isinstance(part, np.ndarray))
            elif field not in ("_blocks", "_state", "timing", "model", "interrupted"):
                yield from everything(value, f"{name}.{field}")
        if isinstance(result, fg.SampleResult):
            yield f"{name}.states", result.states
            if result._blocks[0].record.samples.size:
                yield f"{name}.samples", result.samples
    elif isinstance(result, dict):
        for key, value in result.items():
            yield from everything(value, f"{name}[{key}]")
    else:
        yield name, np.asarray(result)


def same(one, other):
    one, other = dict(everything(one)), dict(everything(other))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def interrupted(result):
    return (result[0] if isinstance(result, list) else result).interrupted


def stop_after(reports):
    """A progress callable that stops the run at the report of this number."""
    left = [reports]

    def progress(done, total):
        left[0] -= 1
        return left[0] < 0

    return progress


@BY_RUN
def test_a_run_that_was_stopped_again_and_again_ends_with_the_same_bytes(name, tmp_path, monkeypatch):
    """Chunks are short and reports come often, so that a stop falls anywhere; threads change from call to call."""
    run, model, kwargs = RUNS[name]
    whole = run(model, seed=5, **kwargs)
    monkeypatch.setattr(running, "CHUNK_SECONDS", 0.0005)
    monkeypatch.setattr(threads, "TICK_SECONDS", 0.002)
    kwargs = kwargs | dict(checkpoint=tmp_path / "run.npz", every=0.005)
    calls, left = 0, True
    while left:  # each call goes further, so that also a machine with other things to do comes to the end
        seed = 5 if calls == 0 else None  # the file knows it
        result = run(model, seed=seed, threads=1 + calls % 3, progress=stop_after(int(1.2**calls) - 1), **kwargs)
        calls, left = calls + 1, interrupted(result)
    assert calls > 1
    same(result, whole)
    same(run(model, **kwargs), whole)


@BY_RUN
def test_saving_changes_nothing(name, tmp_path):
    run, model, kwargs = RUNS[name]
    same(run(model, seed=5, checkpoint=tmp_path / "run.npz", every=0, **kwargs), run(model, seed=5, **kwargs))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (dict(model=fg.edwards_anderson((5, 5, 5), seed=2)), "model"),
        (dict(model=fg.edwards_anderson((5, 5, 5), seed=1).to_ising(), beta=0.4), "beta"),
        (dict(beta=np.full(64, 0.5 + 1e-15)), "beta"),
        (dict(seed=6), "seed"),
        (dict(sweeps=299), "sweeps"),
        (dict(burn_in=1), "burn_in"),
        (dict(thin=2), "thin"),
        (dict(rule="metropolis"), "rule"),
        (dict(engine="sparse"), "engine"),
        (dict(start=np.ones(125, int)), "start"),
        (dict(keep_states=True), "keep_states"),
        (dict(chains=65), "beta"),
        (dict(observe={"staggered": np.ones(125)}), "observe"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_run_is_refused_by_the_name_of_what_differs(change, name, tmp_path):
    kwargs = dict(model=GLASS, beta=0.5, sweeps=300, seed=5, checkpoint=tmp_path / "run.npz")
    fg.sample(**kwargs)
    before = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(ValueError, match=rf"run.npz was written with .*{name}.*, this run has .*{name}"):
        fg.sample(**kwargs | change)
    assert (tmp_path / "run.npz").read_bytes() == before


LONGER = {
    "sample multispin": (fg.sample, GLASS, dict(beta=0.5, chains=300, burn_in=7, thin=3, keep_states=True)),
    "sample sparse": (fg.sample, GLASS, dict(beta=[0.3, 0.9], thin=3, engine="sparse", observe=OBSERVE)),
    "sample coloured": (fg.sample, GLASS, dict(beta=[0.3, 0.9], thin=3, engine="coloured", observe=OBSERVE)),
    "sample machine": (fg.sample, MACHINE, dict(beta=1.0, chains=20, rule="gibbs")),
    "temper multispin": (fg.temper, GLASS, dict(betas=[0.1, 0.4, 0.9], ladders=4, burn_in=20, clusters=True)),
    "temper sparse": (
        fg.temper,
        GLASS,
        dict(betas=[0.1, 0.4, 0.9], ladders=3, burn_in=20, thin=4, engine="sparse", observe=OBSERVE),
    ),
}


@pytest.mark.parametrize("name", LONGER)
def test_a_run_goes_on_to_more_sweeps_as_if_so_many_had_been_asked_for(name, tmp_path):
    """Also where the number before was no multiple of thin, and where the run before was stopped."""
    run, model, kwargs = LONGER[name]
    path = tmp_path / "run.npz"
    for sweeps in (40, 41, 90):
        longer = run(model, sweeps=sweeps, seed=5, checkpoint=path, **kwargs)
    same(longer, run(model, sweeps=90, seed=5, **kwargs))
    stops = dict(progress=lambda done, total: done > 0)
    run(model, sweeps=10**5, seed=6, checkpoint=path.with_name("b.npz"), **kwargs | stops)
    with pytest.raises(ValueError, match="was written with sweeps=100000, this run has sweeps=90"):
        run(model, sweeps=90, seed=6, checkpoint=path.with_name("b.npz"), **kwargs)


MANY = [fg.edwards_anderson((4, 4, 4), seed=k) for k in range(6)]
LONGER_LISTS = {
    "sample multispin": (fg.sample, dict(beta=0.5, burn_in=7, thin=3, keep_states=True), 50),
    "sample observed": (fg.sample, dict(beta=0.5, observe={"first": lambda states: states[:, 0]}), 40),
    "sample bins": (fg.sample, dict(beta=0.5, record="bins", observe={"one": np.resize([1.0, 0.0], 64)}), 50),
    "temper multispin": (fg.temper, dict(betas=[0.1, 0.4, 0.9], ladders=10, burn_in=20, clusters=True), None),
    "temper bins": (fg.temper, dict(betas=[0.1, 0.4, 0.9], ladders=10, burn_in=20, record="bins"), None),
    "temper odd": (fg.temper, dict(betas=[0.1, 0.4, 0.9], ladders=7, burn_in=20, overlap_every=3), None),
}


@pytest.mark.parametrize("name", LONGER_LISTS)
def test_a_run_goes_on_with_more_models_as_if_so_many_had_been_given(name, tmp_path, monkeypatch):
    """Also on other threads, after stops, and to more sweeps; blocks that hold old models alone are not run again."""
    run, kwargs, chains = LONGER_LISTS[name]
    path, begun, restore = tmp_path / "run.npz", [], checkpoints.Checkpoint.restore
    kwargs |= dict(checkpoint=path, seed=5)

    def watched(*arguments):
        begun.append(restore(*arguments))
        return begun[-1]

    def go_on(models, threads, **more):
        given = {} if chains is None else dict(chains=chains * models)
        return run(MANY[:models], threads=threads, **kwargs | given | more)

    monkeypatch.setattr(checkpoints.Checkpoint, "restore", watched)
    monkeypatch.setattr(threads, "TICK_SECONDS", 0.002)
    go_on(3, 2, sweeps=30)
    go_on(4, 1, sweeps=30)
    assert 0 < sum(done > 0 for done in begun[1]) < len(begun[1])
    assert interrupted(go_on(6, 3, sweeps=10**5, thin=1, progress=stop_after(3), checkpoint=tmp_path / "other.npz"))
    longer = go_on(6, 3, sweeps=60)
    assert 0 < sum(done > 0 for done in begun[3]) < len(begun[3])
    same(longer, go_on(6, 1, sweeps=60, checkpoint=None))
    same(go_on(6, 2, sweeps=60), longer)
    assert min(begun[-1]) == 60 + kwargs.get("burn_in", 0)


def test_a_run_that_was_stopped_with_more_models_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "TICK_SECONDS", 0.002)
    kwargs = dict(beta=0.5, checkpoint=tmp_path / "run.npz", seed=5, every=0, thin=50)
    fg.sample(MANY[:2], chains=300, sweeps=100, **kwargs)
    calls, left = 0, True
    while left:
        stops = stop_after(int(1.2**calls))
        result = fg.sample(MANY[:4], chains=600, sweeps=20_000, threads=1 + calls % 3, progress=stops, **kwargs)
        calls, left = calls + 1, interrupted(result)
    assert calls > 1
    same(result, fg.sample(MANY[:4], chains=600, sweeps=20_000, **kwargs | dict(checkpoint=None)))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (dict(model=MANY[:2], chains=100), "model"),
        (dict(model=[MANY[1], *MANY[:3]], chains=200), "model"),
        (dict(model=MANY[:4], chains=240), "beta"),
        (dict(model=MANY[:4], chains=200, beta=0.6), "beta"),
        (dict(model=MANY[:4], chains=200, thin=3), "thin"),
        (dict(model=MANY[:4], chains=200, clamp={3: np.ones(200)}), "clamp"),
        (dict(model=MANY[:4], chains=200, start=np.ones(64)), "start"),
    ],
    ids=str,
)
def test_a_checkpoint_of_other_models_is_refused(change, name, tmp_path):
    kwargs = dict(model=MANY[:3], chains=150, beta=0.5, sweeps=30, seed=5, checkpoint=tmp_path / "run.npz")
    fg.sample(**kwargs)
    with pytest.raises(ValueError, match=rf"run\.npz was written with .*{name}.*, this run has .*{name}"):
        fg.sample(**kwargs | change)


def test_a_ladder_that_was_adapted_gets_no_more_models(tmp_path):
    kwargs = dict(sweeps=100, rungs=4, burn_in=10, seed=5, checkpoint=tmp_path / "run.npz")
    fg.temper(MANY[:2], **kwargs)
    with pytest.raises(ValueError, match=r"was written with another model, this run has another model"):
        fg.temper(MANY[:3], **kwargs)


def test_a_ladder_that_was_adapted_does_not_go_on_to_more_sweeps(tmp_path):
    path = tmp_path / "run.npz"
    fg.temper(GLASS, sweeps=100, rungs=4, burn_in=10, seed=5, checkpoint=path)
    with pytest.raises(ValueError, match="was written with sweeps=100, this run has sweeps=200"):
        fg.temper(GLASS, sweeps=200, rungs=4, burn_in=10, seed=5, checkpoint=path)


@pytest.mark.parametrize(
    "change",
    [dict(betas=fg.linear(0.1, 2)), dict(reads=65), dict(rule="metropolis"), dict(scan="random", engine="sparse")],
    ids=str,
)
def test_an_annealing_checkpoint_of_another_run_is_refused(change, tmp_path):
    kwargs = dict(sweeps=100, seed=5, checkpoint=tmp_path / "run.npz", engine=change.get("engine", "auto"))
    fg.anneal(GLASS, **kwargs)
    with pytest.raises(ValueError, match=r"was written with (reads|rule|scan|another betas)"):
        fg.anneal(GLASS, **kwargs | change)


@pytest.mark.parametrize(
    "change", [dict(ladders=4), dict(clusters=True), dict(swap_every=2), dict(overlap_every=3), dict(rungs=5)], ids=str
)
def test_a_tempering_checkpoint_of_another_run_is_refused(change, tmp_path):
    kwargs = dict(sweeps=100, rungs=4, seed=5, checkpoint=tmp_path / "run.npz")
    fg.temper(GLASS, **kwargs)
    (name,) = change
    with pytest.raises(ValueError, match=f"was written with {name}"):
        fg.temper(GLASS, **kwargs | change)


def test_a_checkpoint_of_another_method_or_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    result = fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)
    with pytest.raises(ValueError, match="method='sample'"):
        fg.anneal(GLASS, sweeps=10, seed=5, checkpoint=path)
    result.save(path)
    with pytest.raises(ValueError, match="holds a sample, not a checkpoint"):
        fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)
    path.write_text("nothing of the kind")
    with pytest.raises(ValueError, match="damaged or not an archive"):
        fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)


def test_a_checkpoint_of_another_format_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    monkeypatch.setattr("fastgibbs.io.archive.FORMAT", 99)
    write_archive(path, "checkpoint", {}, {})
    monkeypatch.undo()
    with pytest.raises(ValueError, match="has format 99, this version of fastgibbs reads format 1"):
        fg.sample(GLASS, beta=0.5, sweeps=10, checkpoint=path)


def test_what_is_saved_while_a_run_goes_on_is_where_its_states_are(tmp_path, monkeypatch):
    """Copies of the file, as it would be left if the process died: each goes on to the bytes of the whole run."""
    monkeypatch.setattr(threads, "TICK_SECONDS", 0.002)
    monkeypatch.setattr(running, "CHUNK_SECONDS", 0.002)
    path, kwargs, left = tmp_path / "run.npz", dict(beta=0.5, sweeps=20_000, thin=1000, chains=256, seed=5), {}

    def keep(done, total):
        if path.exists() and len(left) < 4:
            of_blocks = tuple(block["done"] for block in read_archive(path)[2]["blocks"])
            if min(of_blocks) > 0 and of_blocks not in left:
                left[of_blocks] = shutil.copy(path, tmp_path / f"{len(left)}.npz")

    whole = fg.sample(fg.lattice((32, 32)), progress=keep, checkpoint=path, every=0, threads=1, **kwargs)
    assert min(map(min, left)) < 20_000
    for copy in left.values():
        again = fg.sample(fg.lattice((32, 32)), checkpoint=copy, **kwargs)
        np.testing.assert_array_equal(again.states, whole.states)
        np.testing.assert_array_equal(again.energy, whole.energy)


def test_a_setting_that_only_the_file_or_only_the_run_has_is_named(tmp_path):
    """As a version with more settings, or with fewer, might write it."""
    path, kwargs = tmp_path / "run.npz", dict(beta=0.5, sweeps=10, seed=5)
    fg.sample(GLASS, checkpoint=path, **kwargs)
    _, arrays, header, _ = read_archive(path)
    write_archive(path, "checkpoint", arrays, header | {"settings": header["settings"] | {"twist": 3}})
    with pytest.raises(ValueError, match="was written with twist=3, this run has twist=None"):
        fg.sample(GLASS, checkpoint=path, **kwargs)
    fewer = {name: value for name, value in header["settings"].items() if name != "rule"}
    write_archive(path, "checkpoint", arrays, header | {"settings": fewer})
    with pytest.raises(ValueError, match="was written with rule=None, this run has rule='gibbs'"):
        fg.sample(GLASS, checkpoint=path, **kwargs)


@pytest.mark.parametrize("change", [lambda spins: {}, lambda spins: {"block0.state.spins": spins[:, None]}])
def test_a_checkpoint_with_other_arrays_is_refused(change, tmp_path):
    """As a version with another engine might write it."""
    path = tmp_path / "run.npz"
    fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)
    _, arrays, header, _ = read_archive(path)
    arrays |= change(arrays.pop("block0.state.spins"))
    write_archive(path, "checkpoint", arrays, header)
    with pytest.raises(ValueError, match=r"does not hold state\.spins of block 0: another version wrote it"):
        fg.sample(GLASS, beta=0.5, sweeps=10, seed=5, checkpoint=path)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        (dict(checkpoint=3), TypeError, "checkpoint is 3: give the path of a file"),
        (dict(checkpoint="run.npz", every="often"), TypeError, "every"),
        (dict(checkpoint="run.npz", every=-1), ValueError, "every is -1: give seconds"),
        (dict(checkpoint="missing/run.npz"), OSError, "missing/run.npz"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(kwargs, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        fg.sample(GLASS, beta=0.5, sweeps=10, **kwargs)
    assert list(tmp_path.iterdir()) == []


def test_flipped_bytes_are_noticed_or_harmless(tmp_path):
    """A thousand, one at a time; some bytes of a zip, such as its dates, mean nothing."""
    path, kwargs = tmp_path / "run.npz", dict(beta=0.5, sweeps=30, chains=3, seed=5)
    whole = fg.sample(GLASS, checkpoint=path, **kwargs)
    content, rng = path.read_bytes(), np.random.default_rng(1)
    noticed = 0
    for place, bit in zip(rng.integers(len(content), size=1000), rng.integers(8, size=1000), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(bit)
        path.write_bytes(damaged)
        try:
            saved = read_archive(path, "checkpoint")
        except ValueError:
            noticed += 1
        else:
            assert saved.header["blocks"][0]["done"] == 30
            same(fg.sample(GLASS, checkpoint=path, **kwargs), whole)
    assert noticed > 900


def test_a_disk_that_fills_up_while_a_run_goes_on_costs_no_more_than_the_checkpoint(tmp_path, monkeypatch):
    path, kwargs = tmp_path / "run.npz", dict(beta=0.5, sweeps=20_000, chains=600, seed=5)
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 2:  # the file and the folder of the first one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.warns(RuntimeWarning, match=r"no checkpoint was written: .*No space left.*run\.npz"):
        result = fg.sample(GLASS, checkpoint=path, every=0, **kwargs)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    monkeypatch.undo()
    assert read_archive(path, "checkpoint").header["blocks"][0]["done"] == 0
    same(fg.sample(GLASS, checkpoint=path, **kwargs), result)


def test_a_full_disk_at_the_beginning_is_an_error(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fg.sample(GLASS, beta=0.5, sweeps=10, checkpoint=tmp_path / "run.npz")


def child(script, **kwargs):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], text=True, **kwargs)


LONG = """
    import sys
    import fastgibbs as fg
    model = fg.edwards_anderson((5, 5, 5), seed=1)
    runs = {
        "sample": (fg.sample, dict(beta=0.5, sweeps=10**7, thin=10**4)),
        "anneal": (fg.anneal, dict(betas=[0.5], sweeps=10**6)),
        "temper": (fg.temper, dict(betas=[0.2, 0.5, 1.0], sweeps=10**7, thin=10**4)),
        "train": (fg.train, dict(data=[[0, 1, 0], [1, 1, 0]], epochs=10**5, likelihood_every=0)),
    }
    run, kwargs = runs[sys.argv[1]]
    model = fg.RBM([[0.1, -0.1]] * 3) if run is fg.train else model
    print("ready", flush=True)
    run(model, seed=5, checkpoint=sys.argv[2], every=0.2, **kwargs)
    print("went on")
"""


def done_in(path):
    """The sweeps that all blocks of a checkpoint have done."""
    return min(block["done"] for block in read_archive(path, "checkpoint").header["blocks"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("method", ["sample", "anneal", "temper", "train"])
def test_a_signal_that_ends_a_process_ends_it_when_the_run_is_saved(method, number, tmp_path):
    path = tmp_path / "run.npz"
    command = [sys.executable, "-c", textwrap.dedent(LONG), method, str(path)]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    while not path.exists() or not done_in(path):
        time.sleep(0.01)
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (-number, "")
    assert done_in(path) > 0


def test_a_handler_of_ones_own_hears_sigterm_after_the_run_is_saved(tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        result = fg.sample(
            GLASS,
            beta=0.5,
            sweeps=10**7,
            thin=10**4,
            checkpoint=tmp_path / "run.npz",
            progress=lambda done, total: heard or signal.raise_signal(signal.SIGTERM),
        )
        assert heard == [signal.SIGTERM]
        assert result.interrupted
        assert signal.getsignal(signal.SIGTERM).__name__ == "<lambda>"
    finally:
        signal.signal(signal.SIGTERM, before)


KILLED = """
    import os, random, signal, sys, time
    import fastgibbs as fg
    from fastgibbs import threads
    from fastgibbs.io import read_archive
    from fastgibbs.methods import running
    from test_checkpoints import same
    from test_growing import torn_bytes
    model, path = fg.edwards_anderson((5, 5, 5), seed=1), sys.argv[1]
    run, kwargs = {
        "sample": (fg.sample, dict(beta=0.5, sweeps=10**6, thin=50_000, keep_states=True)),
        "temper": (fg.temper, dict(betas=[0.2, 0.5, 1.0], sweeps=3 * 10**5, thin=3000, observe={"m": [1.0] * 125})),
    }[sys.argv[2]]
    kwargs["seed"] = 5
    whole = run(model, **kwargs)
    running.CHUNK_SECONDS = 0.001
    threads.TICK_SECONDS = 0.001
    random.seed(1)
    places, cut_short, torn = set(), 0, 0
    kills = 0
    enough = lambda: len(places) > 3 and cut_short and torn
    while kills < 100 or (kills < 500 and not enough()):
        kills += 1
        pid = os.fork()
        if pid == 0:
            while True:  # a run that has ended is saved twice more each time
                run(model, checkpoint=path, every=0, threads=1, **kwargs)
        time.sleep(random.uniform(0.01, 0.06) * (1 + kills // 100))  # a busy machine comes less far between two kills
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        left = [name for name in os.listdir(os.path.dirname(path)) if name.endswith(".partial")]
        assert len(left) <= 1
        cut_short += len(left)
        if os.path.exists(path):
            places.add(read_archive(path, "checkpoint").header["blocks"][0]["done"])
            torn += torn_bytes(path) > 0
    assert os.path.exists(path)
    same(run(model, checkpoint=path, **kwargs), whole)
    print(len(places), cut_short, torn, os.listdir(os.path.dirname(path)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork, which makes a hundred processes cheap")
@pytest.mark.parametrize("method", ["sample", "temper"])
def test_a_hundred_kills_during_back_to_back_saving_leave_a_readable_checkpoint(method, tmp_path):
    here, path = str(Path(__file__).parent), str(tmp_path / "run.npz")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), path, method]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path])}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=240, env=environment, check=True)
    places, cut_short, torn, left = done.stdout.split(maxsplit=3)
    assert int(places) > 3  # it was killed while it went on, too
    assert int(cut_short) > 0  # and in the middle of writing, which leaves a part beside the good one, for a while
    assert int(torn) > 0  # or at its end
    assert left == "['run.npz']\n"


STORMY = """
    import sys
    sys.path.insert(0, {tests!r})
    from storms import stopped_often
    from test_checkpoints import RUNS, fg, same
    run, model, kwargs = RUNS[{name!r}]
    kwargs = kwargs | dict(sweeps=20_000) | (dict() if run is fg.anneal else dict(thin=100))
    whole = run(model, seed=5, **kwargs)
    result, stops = stopped_often(lambda: run(model, seed=5, checkpoint={path!r}, every=0.05, threads=1, **kwargs), 20)
    same(result, whole)
    print(stops)
"""


@pytest.mark.parametrize("name", ["sample multispin", "anneal multispin", "temper grown"])
def test_interrupts_at_random_times_leave_a_run_that_goes_on(name, tmp_path):
    """Ctrl-C may come before the run begins, as a KeyboardInterrupt, or end it early with a partial result."""
    script = STORMY.format(tests=str(Path(__file__).parent), name=name, path=str(tmp_path / "run.npz"))
    process = child(script, stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert int(said) > 0


class Rows(NamedTuple):
    energies: np.ndarray


class Block(NamedTuple):
    record: Rows
    norms: np.ndarray


def test_checkpoints_of_blocks_at_different_sweeps_are_consistent(tmp_path):
    """Each block is copied where it is, with the rows it has written by then."""
    checkpoint = checkpoints.Checkpoint(tmp_path / "unused", 0, "sample", {"seed": 1})
    blocks = [Block(Rows(np.arange(6.0)), np.zeros(2)), Block(Rows(np.arange(6.0)), np.ones(2))]
    cut = [range(0, 64), range(64, 128)]
    checkpoint.restore(blocks, cut, {"record.energies": lambda done: done // 2}, 12, None)
    checkpoint.attend(blocks, [0, 0], 12)
    checkpoint.saw(0, blocks[0], 4)
    blocks[0].norms[:] = 9  # it goes on
    checkpoint.saw(0, blocks[0], 6)
    checkpoint.saw(1, blocks[1], 8)
    (done_0, copy_0), (done_1, copy_1) = checkpoint._copies[0], checkpoint._copies[1]
    assert (done_0, done_1) == (4, 8)
    assert copy_0["record.energies"].tolist() == [0, 1] and copy_1["record.energies"].tolist() == [0, 1, 2, 3]
    assert copy_0["norms"].tolist() == [0, 0] and copy_1["norms"].tolist() == [1, 1]
