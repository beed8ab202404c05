"""Several Ising models in one call of `anneal`: each has the bytes of a run of its own."""

import dataclasses

import numpy as np
import pytest
from test_annealed_states import lone, pair, parts

import fastgibbs as fg


def random_graph(n, kind, seed):
    rng = np.random.default_rng(seed)
    i, j = np.array(np.triu_indices(n, 1))[:, rng.random(n * (n - 1) // 2) < 0.3]
    return fg.Ising.from_edges(n, i, j, rng.choice([-1, 1], i.size) if kind == "signs" else rng.normal(size=i.size))


MODELS = [
    lone(0.0),  # one site
    lone(0.3),
    fg.Ising(np.zeros((3, 3))),
    fg.Ising(np.zeros((0, 0))),
    fg.edwards_anderson((4, 4), seed=1),
    fg.edwards_anderson((4, 4), "gaussian", seed=1),
    fg.lattice((6, 6), h=0.5),
    parts(pair(1.0), pair(-2.5), lone(0.1, -0.2)),
    fg.Ising.from_edges(5, [0, 1, 2], [1, 2, 4], [1, -1, 1], offset=0.1),
    fg.Ising.from_edges(70, range(69), range(1, 70), 1e-30 * np.random.default_rng(2).normal(size=69)),  # a chain
    random_graph(70, "normal", 3),
    *(random_graph(20, kind, seed) for kind in ("signs", "normal") for seed in (1, 2)),
    fg.edwards_anderson((3, 3), seed=2).interpolated(fg.Ising.from_edges(9, [], [], [], [0.25] * 9), 0.5),
]


def differences(one, other):
    """The names of the fields that are not the same, but for times."""
    for name in (field.name for field in dataclasses.fields(one) if field.name not in ("timing", "model")):
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, np.ndarray):
            alike = mine.dtype == theirs.dtype and mine.shape == theirs.shape and mine.tobytes() == theirs.tobytes()
        else:
            alike = type(mine) is type(theirs) and mine == theirs
        if not alike:
            yield name


@pytest.mark.parametrize(
    "given",
    [
        dict(reads=10, sweeps=60),
        dict(reads=70, sweeps=70, rule="metropolis", scan="random"),  # more lanes than a block, words of 64 sites
        dict(reads=5, sweeps=20, betas=[0, 1, np.inf]),
        dict(reads=5, sweeps=1, betas=fg.linear(0, 2)),
    ],
)
def test_each_of_several_models_has_the_bytes_of_a_run_of_its_own(given):
    results = fg.anneal(MODELS, seed=5, threads=2, **given)
    assert len(results) == len(MODELS)
    for model, result in zip(MODELS, results, strict=True):
        alone = fg.anneal(model, seed=result.seed, engine=result.engine, threads=1, **given)
        assert result.model is model
        assert list(differences(result, alone)) == []


def test_results_depend_neither_on_threads_nor_on_the_models_that_follow_and_models_share_no_random_numbers():
    twice = [MODELS[-2], MODELS[-2], *MODELS]
    results = fg.anneal(twice, reads=4, sweeps=30, seed=7, threads=3)
    for result, alone in zip(results, fg.anneal(twice[:3], reads=4, sweeps=30, seed=7, threads=1), strict=False):
        assert list(differences(result, alone)) == []
    assert results[0].trace_mean.tobytes() != results[1].trace_mean.tobytes()
    assert len({result.seed for result in results}) == len(results)


def test_a_run_that_is_stopped_returns_what_each_model_has_seen_by_then():
    model = random_graph(200, "normal", 1)
    heard = []

    def stop(done, total):
        heard.append((done, total))
        return done > 0

    results = fg.anneal([model] * 40, sweeps=4000, seed=3, threads=1, progress=stop)
    done = [int(result.done[0]) for result in results]
    assert done == sorted(done, reverse=True)
    assert 0 < sum(done) < 4000 * 40
    assert heard[-1] == (sum(done), 4000 * 40)
    for result, sweeps in zip(results, done, strict=True):
        assert result.interrupted == (sweeps < 4000)
        assert result.trace_min.size == result.trace_mean.size == sweeps
        assert result.energy.size == (64 if sweeps else 0)
        np.testing.assert_array_equal(result.energy, model.energy(result.states))
    begun = next(result for result in results if result.interrupted and result.energy.size)
    betas = begun.betas[: begun.done[0]]
    alone = fg.anneal(model, betas=betas, sweeps=betas.size, seed=begun.seed, engine="sparse")
    assert {"states", "last_states", "trace_min"}.isdisjoint(differences(begun, alone))


def test_all_of_a_run_is_heard():
    heard = []
    fg.anneal(MODELS, sweeps=20, reads=3, threads=2, progress=lambda *of_run: heard.append(of_run))
    assert heard[-1] == (20 * len(MODELS), 20 * len(MODELS))


def test_more_sites_than_indices_can_tell_are_refused_together():
    with pytest.raises(ValueError, match="sites in all"):
        fg.anneal([fg.Ising.from_edges(2**20, [], [], [])] * 2049)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (dict(model=[]), TypeError, "model is"),
        (dict(model=[MODELS[0], np.eye(3)]), TypeError, "at index 1"),
        (dict(model=[MODELS[0], fg.RBM([[1.0]])]), TypeError, r"model\[1\] is RBM.*to_ising"),
        (dict(start=[1]), ValueError, "start is"),
        (dict(time_limit=1.0), ValueError, "time_limit is 1.0"),
        (dict(target_energy=0.0), ValueError, "target_energy is 0.0"),
        (dict(keep=3), ValueError, "keep is 3"),
        (dict(clamp={0: 1}), ValueError, "clamp is"),
        (dict(checkpoint="run.npz"), ValueError, "checkpoint is"),
        (dict(sweeps=[10, 20]), ValueError, r"sweeps is \[10, 20\]"),
        (dict(sweeps=0), ValueError, "sweeps is 0"),
        (dict(reads=0), ValueError, "reads is 0"),
        (dict(engine="dense"), ValueError, "engine is 'dense'"),
        (dict(rule="heat"), ValueError, "rule is"),
        (dict(scan="odd"), ValueError, "scan is"),
        (dict(threads=0), ValueError, "threads is 0"),
        (dict(betas=[-1.0]), ValueError, r"betas\[0\] is -1"),
        (dict(betas=[1e308]), ValueError, "betas times"),
        (dict(progress=3), TypeError, "progress"),
        (dict(seed=-1), ValueError, "seed is -1"),
        (dict(reads=10**8, sweeps=1), ValueError, "100000000 reads of 5 models"),
    ],
)
def test_what_several_models_cannot_have_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        fg.anneal(**(dict(model=MODELS[:5]) | given))


def test_the_model_whose_fields_float32_would_lose_is_named():
    drowned = fg.Ising.from_edges(3, [0, 1], [1, 2], [1e9, -1e9], [0.0, 0.3, 0.0])
    assert fg.anneal(drowned, betas=[1.0], reads=1, seed=1).engine != "sparse"
    with pytest.raises(ValueError, match=r"model\[1\].*site 1"):
        fg.anneal([MODELS[5], drowned], betas=[1.0], reads=1)
