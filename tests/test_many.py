"""Several Ising models in one call of `sample` or `anneal`: each has the bytes of a run of its own."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
import scipy.stats
from test_annealed_states import lone, pair, parts

import fastgibbs as fg
from fastgibbs import exact


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


def differences(one, other, without=("timing", "model", "_blocks")):
    """The names of the fields that are not the same, but for times, and of the states at the end of chains."""
    names = [field.name for field in dataclasses.fields(one)] + ["states"] * isinstance(one, fg.SampleResult)
    for name in (name for name in names if name not in without):
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


@pytest.mark.parametrize(
    "given",
    [
        dict(beta=0.7, sweeps=20),
        dict(beta=[0.5, 1.0, -0.3, 0.5, 0.0], sweeps=31, burn_in=4, thin=3, keep_states=True),
        dict(beta=1.0, chains=70, sweeps=9, rule="metropolis", scan="random", keep_states=True),
    ],
)
def test_the_chains_of_several_models_have_the_bytes_of_a_run_of_their_own(given):
    results = fg.sample(MODELS, seed=5, threads=2, **given)
    assert len(results) == len(MODELS)
    for model, result in zip(MODELS, results, strict=True):
        alone = fg.sample(model, seed=result.seed, engine=result.engine, threads=1, **given)
        assert result.model is model
        assert list(differences(result, alone)) == []
        if "keep_states" in given:
            np.testing.assert_array_equal(result.samples, alone.samples)
            np.testing.assert_array_equal(result.energy, model.energy(result.samples))


def test_at_temperature_0_chains_of_several_models_go_downhill():
    models = [fg.edwards_anderson((4, 4), seed=1), fg.random_regular(20, 3, seed=1)]
    for model, result in zip(models, fg.sample(models, beta=np.inf, sweeps=100, seed=1), strict=True):
        flipped = result.states[:, None] * (1 - 2 * np.eye(model.n, dtype=np.int8))
        assert (model.energy(flipped) >= result.energy[:, -1:]).all()


def p_value(energies, model, beta):
    """Of the numbers of draws at each energy, a whole number, if they are independent draws at this beta."""
    levels, which = np.unique(model.energy(exact.states(model.n)), return_inverse=True)
    expected = energies.size * np.bincount(which, exact.spectrum(model).probabilities(beta))
    found = np.bincount(np.searchsorted(levels, energies), minlength=levels.size)
    place = np.unique(np.where(expected < 10, -1, np.arange(levels.size)), return_inverse=True)[1]
    found, expected = (np.bincount(place, of) for of in (found, expected))  # rare ones together
    return scipy.stats.chisquare(found, expected).pvalue


def test_draws_of_several_models_have_the_law_that_enumeration_gives_and_no_other():
    """False alarms: 1 in 10^6 seeds; at a beta that is 5 % off each model fails as it should."""
    models = [fg.random_regular(n, 3, seed=n) for n in (6, 8, 10)]
    for model, result in zip(
        models, fg.sample(models, beta=0.4, chains=20_000, sweeps=30, thin=30, seed=1), strict=True
    ):
        assert p_value(result.energy.ravel(), model, 0.4) > 3e-7
        assert p_value(result.energy.ravel(), model, 0.42) < 3e-7


def test_models_that_share_a_graph_and_their_weights_but_for_signs_are_one_run_and_others_are_not():
    glasses = [fg.edwards_anderson((3, 3), seed=seed) for seed in (1, 2)]
    run = dict(beta=0.5, sweeps=2, seed=1)
    assert fg.sample(glasses, **run).model == tuple(glasses)
    assert fg.sample(glasses[:1], **run).energy.shape == (64, 2)
    for others in (
        [*glasses, fg.lattice((9,))],
        [fg.edwards_anderson((3, 3), "gaussian", seed=seed) for seed in (1, 2)],
        [fg.lattice((3, 3), h=h) for h in (0.1, 0.2)],
    ):
        results = fg.sample(others, **run)
        assert [result.energy.shape for result in results] == [(64, 2)] * len(others)


def test_a_result_of_several_is_saved_like_any_other_and_no_run_goes_on_from_it(tmp_path):
    results = fg.sample(MODELS[4:6], beta=[0.5, 1.0], sweeps=6, keep_states=True, seed=2)
    results[1].save(tmp_path / "run.npz")
    loaded = fg.load(tmp_path / "run.npz")
    assert list(differences(loaded, results[1])) == []
    np.testing.assert_array_equal(loaded.samples, results[1].samples)
    assert len(results[1].by_beta()) == 2
    with pytest.raises(ValueError, match="one of several results, which have none"):
        fg.sample(MODELS[5], beta=[0.5, 1.0], sweeps=6, start=results[1])


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


def test_chains_of_several_models_that_are_stopped_have_the_draws_made_by_then():
    model = random_graph(200, "normal", 1)
    given = dict(beta=0.5, chains=20, thin=10)
    results = fg.sample([model] * 40, sweeps=2000, seed=3, threads=1, progress=lambda done, total: done > 0, **given)
    draws = [result.energy.shape[1] for result in results]
    assert draws == sorted(draws, reverse=True)
    assert draws[0] > 0
    assert draws[-1] == 0
    for result in results:
        assert result.interrupted == (result.energy.shape[1] < 200)
        assert np.isin(result.states, (-1, 1)).all()
    begun = next(result for result in results if result.interrupted and result.energy.size)
    alone = fg.sample(model, sweeps=2000, seed=begun.seed, engine="sparse", **given)
    np.testing.assert_array_equal(begun.energy, alone.energy[:, : begun.energy.shape[1]])
    stopped = fg.sample([model] * 2, beta=0.5, chains=20, sweeps=9, seed=4, progress=lambda *_: True, threads=1)[1]
    assert np.isin(stopped.states, (-1, 1)).all()


def test_all_of_a_run_is_heard():
    heard = []
    fg.anneal(MODELS, sweeps=20, reads=3, threads=2, progress=lambda *of_run: heard.append(of_run))
    assert heard[-1] == (20 * len(MODELS), 20 * len(MODELS))
    fg.sample(
        MODELS, beta=1.0, sweeps=20, burn_in=3, chains=3, threads=2, progress=lambda *of_run: heard.append(of_run)
    )
    assert heard[-1] == (23 * len(MODELS), 23 * len(MODELS))


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


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (dict(model=[*MODELS[:5], np.eye(3)]), TypeError, "at index 5"),
        (dict(start=np.ones(9)), ValueError, "start is"),
        (dict(strips=2), ValueError, "strips is 2"),
        (dict(record="bins"), ValueError, "record is 'bins'"),
        (dict(observe={"m": [1.0]}), ValueError, "observe is"),
        (dict(clamp={0: 1}), ValueError, "clamp is"),
        (dict(checkpoint="run.npz"), ValueError, "checkpoint is"),
        (dict(clusters="wolff"), ValueError, "clusters is 'wolff'"),
        (dict(cluster_every=0), ValueError, "cluster_every is 0"),
        (dict(sweeps=0), ValueError, "sweeps is 0"),
        (dict(thin=11), ValueError, "thin is 11"),
        (dict(chains=0), ValueError, "chains is 0"),
        (dict(beta=[1.0, 2.0], chains=3), ValueError, "chains is 3"),
        (dict(beta=np.nan), ValueError, "beta"),
        (dict(beta=1e308), ValueError, "beta times"),
        (dict(beta=[1, 0], rule="metropolis"), ValueError, "beta is 0 in chain 1"),
        (dict(engine="dense"), ValueError, "engine 'dense' cannot run this: it runs one model"),
        (dict(engine="gpu"), ValueError, "engine is 'gpu'"),
        (dict(rule="heat"), ValueError, "rule is"),
        (dict(scan="odd"), ValueError, "scan is"),
        (dict(threads=0), ValueError, "threads is 0"),
        (dict(keep_states=1), TypeError, "keep_states is 1"),
        (dict(progress=3), TypeError, "progress"),
        (dict(seed=-1), ValueError, "seed is -1"),
    ],
)
def test_what_chains_of_several_models_cannot_have_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        fg.sample(**(dict(model=MODELS[:5], beta=1.0, sweeps=10) | given))


def test_too_many_chains_are_refused_before_anything_is_made_of_them():
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="1000000000 chains of 5 models"):
            fg.sample(MODELS[:5], beta=1.0, sweeps=10, chains=10**9)
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


def test_the_model_whose_fields_float32_would_lose_is_named():
    drowned = fg.Ising.from_edges(3, [0, 1], [1, 2], [1e9, -1e9], [0.0, 0.3, 0.0])
    assert fg.anneal(drowned, betas=[1.0], reads=1, seed=1).engine != "sparse"
    with pytest.raises(ValueError, match=r"model\[1\].*site 1"):
        fg.anneal([MODELS[5], drowned], betas=[1.0], reads=1)
    with pytest.raises(ValueError, match=r"model\[1\].*site 1"):
        fg.sample([MODELS[5], drowned], beta=1.0, sweeps=1)
