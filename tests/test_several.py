"""Several Ising models in one call of `temper`: each has the bytes of a run of its own, at a ladder of all."""

import numpy as np
import pytest
from test_many import differences

import fastgibbs as fg

LADDER = np.linspace(0.2, 1.2, 6)
GAUSSIAN = [fg.edwards_anderson((4, 4), "gaussian", seed=seed) for seed in range(5)]
NOTHING = np.empty(0, int)


def diluted(seed):
    """+-J on three quarters of the bonds of a square: no two graphs are alike."""
    i, j, J = fg.edwards_anderson((4, 4), seed=seed).bonds
    kept = np.random.default_rng(seed).random(i.size) < 0.75
    return fg.Ising.from_edges(16, i[kept], j[kept], J[kept], shape=(4, 4))


MIXED = [  # for the multi-spin engine and the sparse one: +-J on graphs of one degree, and of several, weights, fields
    *(fg.random_regular(16, 3, seed=seed) for seed in range(2)),
    diluted(1),
    GAUSSIAN[0],
    fg.lattice((4, 4), h=np.linspace(-1, 1, 16)),
]
SUMS = {"first": np.eye(16)[0], "staggered": np.resize([1.0, -1.0], 16)}
CASES = {
    "weights": dict(model=GAUSSIAN),
    "several engines": dict(model=MIXED, thin=3),
    "one engine for all": dict(model=MIXED[:4], engine="sparse", rule="metropolis", ladders=3),
    "signs that need not run apart": dict(
        model=[fg.edwards_anderson((4, 4), seed=k) for k in range(2)], engine="sparse"
    ),
    "clusters": dict(model=GAUSSIAN[:2], clusters=True, ladders=4),
    "clamps and observables": dict(model=MIXED[1:3], clamp={3: 1, 7: -1}, observe=SUMS),
    "bins": dict(model=GAUSSIAN[:2], record="bins", observe=SUMS),
}


def alike(one, other):
    """Whether two results are the same, but for times and where they left their blocks."""
    told = {"observables", "overlap", "bins", "log_z"} | (
        {"energy", "magnetization"} if one.bins is not None else set()
    )
    same = not list(differences(one, other, ("timing", "model", "_blocks", *told)))
    for a, b in ((one.overlap, other.overlap), (one.bins, other.bins)):
        same &= (a is None and b is None) or all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    if one.bins is None:
        same &= all(np.array_equal(one.observables[name], other.observables[name]) for name in one.observables)
    return same


@pytest.mark.parametrize("name", CASES)
def test_each_of_several_models_has_the_bytes_of_a_run_of_its_own(name):
    given = dict(betas=LADDER, sweeps=30, overlap_every=2) | CASES[name]
    models = given.pop("model")
    results = fg.temper(models, seed=5, threads=2, **given)
    assert [result.model for result in results] == models
    assert len({result.seed for result in results}) == len(models)
    for model, result in zip(models, results, strict=True):
        alone = fg.temper(model, seed=result.seed, threads=1, **given)
        assert alike(result, alone)
        assert not alike(result, fg.temper(model, seed=result.seed + 1, threads=1, **given))  # it might
    if name == "several engines":
        assert [result.engine for result in results] == ["multispin"] * 2 + ["sparse"] * 3


def test_several_models_share_one_ladder_that_is_adapted_to_all():
    results = fg.temper(GAUSSIAN, betas=[0.1, 2.0], rungs=6, sweeps=2000, seed=1)
    assert len({result.betas.tobytes() for result in results}) == 1
    assert len({result.adaptation for result in results}) == 1
    acceptance = np.mean([result.acceptance for result in results], axis=0)
    assert np.ptp(acceptance) < 0.1
    assert (
        np.ptp(
            np.mean(
                [fg.temper(model, betas=np.linspace(0.1, 2.0, 6), sweeps=400, seed=2).acceptance for model in GAUSSIAN],
                axis=0,
            )
        )
        > 0.2
    )  # of a ladder that is not
    alone = fg.temper(GAUSSIAN[3], betas=results[3].betas, sweeps=2000, burn_in=400, seed=results[3].seed)
    assert not np.array_equal(alone.energy, results[3].energy)  # it begins where adaptation came to
    again = fg.temper(GAUSSIAN, betas=[0.1, 2.0], rungs=6, sweeps=2000, seed=1, threads=1)
    assert all(map(alike, results, again))


def test_signs_of_couplings_alone_are_one_run_and_anything_else_is_not():
    glasses = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(3)]
    together = fg.temper(glasses, betas=LADDER, sweeps=5, seed=1)
    assert {result.seed for result in together} == {1}
    apart = fg.temper([*glasses, MIXED[0]], betas=LADDER, sweeps=5, seed=1)
    assert len({result.seed for result in apart}) == 4
    assert {result.engine for result in apart} == {"multispin"}


@pytest.mark.parametrize("models", [GAUSSIAN, MIXED], ids=["one engine", "several"])
def test_a_run_of_several_models_goes_on(models):
    whole = fg.temper(models, betas=LADDER, sweeps=40, burn_in=4, seed=1)
    part = fg.temper(models, betas=LADDER, sweeps=25, burn_in=4, seed=1)
    rest = fg.temper(models, start=part, sweeps=15)
    for all_, first, last in zip(whole, part, rest, strict=True):
        assert np.array_equal(all_.energy, np.concatenate([first.energy, last.energy], axis=2))
        assert np.array_equal(all_.states, last.states)
        assert (first.seed, first.engine) == (last.seed, last.engine)
    with pytest.raises(ValueError, match=r"start holds 1 of the results of a run of several models: give all"):
        fg.temper(models[0], start=part[0], sweeps=15)
    with pytest.raises(ValueError, match=r"start holds 2 of the results"):
        fg.temper(models[:2], start=part[:2], sweeps=15)


def test_a_checkpoint_of_several_models_goes_on_with_more_of_them_and_more_sweeps(tmp_path):
    path = tmp_path / "ladders.npz"

    def stopped(done, total):
        return done > 10

    given = dict(betas=LADDER, burn_in=4, seed=1)
    fg.temper(GAUSSIAN[:3], sweeps=3000, checkpoint=path, progress=stopped, every=0, **given)
    fg.temper(GAUSSIAN[:3], sweeps=3000, checkpoint=path, **given)
    found = fg.temper(GAUSSIAN, sweeps=3020, checkpoint=path, threads=2, **given)
    assert all(map(alike, found, fg.temper(GAUSSIAN, sweeps=3020, **given)))
    assert all(map(alike, found, fg.temper(GAUSSIAN, sweeps=3020, checkpoint=path, **given)))


def test_a_checkpoint_of_models_that_shared_a_plan_is_not_gone_on_from_apart(tmp_path):
    glasses = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(3)]
    given = dict(betas=LADDER, sweeps=5, burn_in=1, seed=1, checkpoint=tmp_path / "ladders.npz")
    fg.temper(glasses, **given)
    with pytest.raises(ValueError, match="apart=None, this run has apart=True"):
        fg.temper([*glasses, diluted(1)], **given)
