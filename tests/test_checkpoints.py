"""Checkpoints: a run that was stopped goes on to the same bytes, to more sweeps and with more models."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import threads
from fastgibbs.io import read_archive, write_archive
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
    "train graph": (fg.train, GRAPH, dict(data=SHOWN, epochs=250, batch_size=20, chains=80)),
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
