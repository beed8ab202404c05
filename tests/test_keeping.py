"""What is kept with a model: as long as it lives, of it alone, never too much, and never seen in a result."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines.sparse import Sparse
from fastgibbs.methods import keeping
from fastgibbs.methods.keeping import kept

RUNS = {
    "sample": lambda model, **kwargs: fg.sample(model, beta=0.7, sweeps=9, chains=3, seed=1, **kwargs).energy,
    "anneal": lambda model, **kwargs: fg.anneal(model, sweeps=9, reads=3, seed=1, **kwargs).states,
    "temper": lambda model, **kwargs: fg.temper(model, betas=[0.3, 0.7], sweeps=9, seed=1, **kwargs).energy,
}


def glass(seed=1):
    return fg.edwards_anderson((4, 4), "gaussian", seed=seed)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_model_that_has_run_gives_the_bytes_of_a_fresh_one(run):
    model = glass()
    for _ in range(2):
        for kwargs in ({}, {"clamp": {3: 1}}, {"clamp": {5: 1}}, {"engine": "sparse64"}):
            np.testing.assert_array_equal(run(model, **kwargs), run(glass(), **kwargs))


def test_a_model_is_prepared_once_for_runs_alike(monkeypatch):
    prepare, calls = Sparse.prepare, []

    def counted(*arguments, **named):
        calls.append(1)
        return prepare(*arguments, **named)

    monkeypatch.setattr(Sparse, "prepare", counted)
    model = glass()
    for _ in range(3):
        fg.sample(model, beta=0.5, sweeps=2, seed=1, engine="sparse")
        fg.anneal(model, sweeps=2, seed=1, engine="sparse")
    assert len(calls) == 1
    fg.sample(model, beta=0.5, sweeps=2, seed=1, engine="sparse", clamp={0: 1})
    assert len(calls) == 2


def test_an_engine_is_asked_once_whether_it_can_run_a_model_and_again_after_it_could_not(monkeypatch):
    refusal, asked, why = Sparse.refusal, [], ["there is no memory"]

    def counted(*arguments):
        asked.append(1)
        return why[0] if why else refusal(*arguments)

    monkeypatch.setattr(Sparse, "refusal", counted)
    model, how = glass(), dict(beta=0.5, sweeps=2, seed=1, engine="sparse")
    with pytest.raises(ValueError, match="there is no memory"):
        fg.sample(model, **how)
    why.clear()
    fg.sample(model, **how)
    asked.clear()
    model = glass()
    for _ in range(3):
        fg.sample(model, **how)
    assert len(asked) == 1
    fg.sample(model, **how | dict(scan="random"))
    assert len(asked) == 2


def test_equality_hash_copies_and_pickles_know_nothing_of_what_is_kept():
    model, fresh = glass(), glass()
    fg.anneal(model, sweeps=9, seed=1)
    assert model == fresh and hash(model) == hash(fresh)
    assert vars(model)["_kept"]
    for other in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other == fresh
        assert "_kept" not in vars(other)


@pytest.mark.parametrize(
    "model", [glass(), fg.edwards_anderson((4, 4), seed=1), fg.lattice((8, 8)), fg.lattice((3, 3)), fg.RBM(np.eye(3))]
)
def test_a_model_goes_at_once_with_all_that_is_kept_of_it(model):
    model = copy.copy(model)
    for run in RUNS.values():
        run(model)
    gone = weakref.ref(model)
    gc.collect()
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()


def test_one_value_of_a_kind_is_kept_and_none_that_is_large(monkeypatch):
    model, made = glass(), []

    def make(twin):
        assert twin == model and twin is not model
        made.append(1)
        return np.zeros(10), (np.zeros(6),)

    for key, count in [(1, 1), (1, 1), (2, 2), (2, 2), (1, 3)]:
        kept(model, "test", key, make)
        assert len(made) == count
    monkeypatch.setattr(keeping, "MOST_KEPT", 127)
    for count in (4, 5):
        kept(model, "other", 1, make)
        assert len(made) == count


def test_nothing_is_kept_of_somebody_elses_model():
    class Mine(fg.Ising):
        pass

    model, made = Mine([[0, 1.0], [1.0, 0]]), []
    for count in (1, 2):
        kept(model, "test", 1, lambda given: made.append(given))
        assert made == [model] * count
    assert "_kept" not in vars(model)


def test_what_is_built_on_the_way_is_built_once():
    model = fg.lattice((3, 3))
    kept(model, "test", 1, lambda twin: twin.indptr.size)
    assert "indptr" in vars(model)
