"""Runs that go on from a result in memory: as if so many sweeps had been asked for at once, or refused in words."""

import pickle

import numpy as np
import pytest
from test_checkpoints import DENSE, DISORDER, GLASS, LATTICE, MACHINE, MEMORY, OBSERVE, WEIGHTED, same

import fastgibbs as fg
from fastgibbs.methods import running
from fastgibbs.methods.chains import Chains

STAGGERED = {"staggered": np.resize([1.0, -1.0], 64)}
SAMPLES = {
    "multispin": (GLASS, dict(beta=np.linspace(0.1, 1, 600), keep_states=True)),
    "strips": (LATTICE, dict(beta=0.4, chains=2)),
    "sparse": (WEIGHTED, dict(beta=0.7, chains=70, scan="random", rule="metropolis", observe=STAGGERED)),
    "disorder": (DISORDER, dict(beta=0.4, chains=300)),
    "clamped": (GLASS, dict(beta=0.5, chains=70, clamp={3: 1, 8: -1}, observe=OBSERVE)),
    "dense": (DENSE, dict(beta=0.7, chains=70, engine="dense")),
    "coloured": (WEIGHTED, dict(beta=0.7, chains=2, observe=STAGGERED)),
    "overlap": (MEMORY, dict(beta=0.7, chains=70, engine="overlap")),
    "machine": (MACHINE, dict(beta=1.0, chains=20, start=np.ones(14, int))),
}
LADDER = dict(betas=[0.05, 0.1, 0.2, 0.3])
TEMPERS = {
    "multispin": (GLASS, LADDER | dict(ladders=40, clusters=True, swap_every=3)),
    "sparse": (WEIGHTED, LADDER | dict(ladders=3, thin=4, observe=STAGGERED)),
    "coloured": (WEIGHTED, LADDER | dict(thin=4, observe=STAGGERED)),
    "disorder": (DISORDER, LADDER | dict(ladders=30, overlap_every=5)),
}


def in_parts(run, model, kwargs, sizes):
    """Results of runs of so many sweeps, each from the one before, on one, two, three ... threads."""
    found = [run(model, sweeps=sizes[0], seed=5, threads=1, **kwargs)]
    kwargs = {name: value for name, value in kwargs.items() if name not in ("start", "chains", "ladders", "betas")}
    for k, sweeps in enumerate(sizes[1:]):
        found.append(run(model, sweeps=sweeps, start=found[-1], threads=2 + k, **kwargs))
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_chains_go_on_to_the_draws_of_one_run(name):
    model, kwargs = SAMPLES[name]
    whole = fg.sample(model, sweeps=100, seed=5, **kwargs)
    parts = in_parts(fg.sample, model, kwargs, (50, 1, 49))
    for field in ("energy", "magnetization", *(["samples"] if "keep_states" in kwargs else [])):
        joined = np.concatenate([getattr(part, field) for part in parts], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, field), err_msg=field)
    for observed, values in whole.observables.items():
        joined = np.concatenate([part.observables[observed] for part in parts], axis=1)
        np.testing.assert_array_equal(joined, values, err_msg=observed)
    np.testing.assert_array_equal(parts[-1].states, whole.states)
    settings = ("seed", "engine", "strips", "burn_in")
    assert [getattr(parts[-1], one) for one in settings] == [getattr(whole, one) for one in settings]


@pytest.mark.parametrize("name", TEMPERS)
def test_ladders_go_on_to_the_draws_of_one_run(name):
    """Parity of swap rounds, trips between the ends and clusters go on, too; what is counted adds up."""
    model, kwargs = TEMPERS[name]
    whole = fg.temper(model, sweeps=240, burn_in=20, seed=5, **kwargs)
    first = fg.temper(model, sweeps=100, burn_in=20, seed=5, threads=1, **kwargs)
    rest = {name: value for name, value in kwargs.items() if name not in ("betas", "ladders")}
    second = fg.temper(model, sweeps=20, start=first, threads=2, **rest)
    third = fg.temper(model, sweeps=120, start=second, threads=3, **rest)
    runs = [one if isinstance(one, list) else [one] for one in (whole, first, second, third)]
    for whole, *parts in zip(*runs, strict=True):
        for field in ("energy", "magnetization"):
            joined = np.concatenate([getattr(part, field) for part in parts], axis=2)
            np.testing.assert_array_equal(joined, getattr(whole, field), err_msg=field)
        for observed, values in whole.observables.items():
            joined = np.concatenate([part.observables[observed] for part in parts], axis=2)
            np.testing.assert_array_equal(joined, values, err_msg=observed)
        np.testing.assert_array_equal(parts[-1].states, whole.states)
        for field in ("restarts", "round_trips"):
            np.testing.assert_array_equal(sum(getattr(part, field) for part in parts), getattr(whole, field))
        histogram = sum(part.overlap.histogram for part in parts)
        np.testing.assert_array_equal(histogram, whole.overlap.histogram)
        assert whole.round_trips.sum() > parts[0].round_trips.sum() > 0
        assert [part.burn_in for part in parts] == [20, 0, 0]


def test_a_ladder_that_was_adapted_goes_on():
    first = fg.temper(GLASS, sweeps=200, burn_in=10, seed=5)
    second = fg.temper(GLASS, sweeps=20, burn_in=10, start=first)
    third = fg.temper(GLASS, sweeps=20, start=fg.temper(GLASS, sweeps=10, start=first))
    np.testing.assert_array_equal(second.betas, first.betas)
    np.testing.assert_array_equal(second.energy, third.energy)
    assert (second.adaptation, second.burn_in, third.burn_in) == ((), 10, 0)


def test_chains_go_on_at_other_betas_by_other_rules_and_never_draw_a_number_twice():
    """Annealed by hand; a second run at the same beta is another than the first."""
    result = fg.sample(WEIGHTED, beta=0.0, sweeps=10, chains=70, seed=5)
    means = [result.energy.mean()]
    for beta, rule in ((0.3, "gibbs"), (0.8, "metropolis"), (2.0, "gibbs")):
        result = fg.sample(WEIGHTED, beta=beta, sweeps=10, rule=rule, start=result, burn_in=20, engine="auto")
        np.testing.assert_allclose(result.energy[:, -1], WEIGHTED.energy(result.states), rtol=1e-12)
        means.append(result.energy.mean())
        assert (result.beta == beta).all() and result.beta.size == 70
    assert (np.diff(means) < 0).all()
    once = fg.sample(GLASS, beta=0.0, sweeps=10, seed=5)
    twice = fg.sample(GLASS, beta=0.0, sweeps=10, start=once)
    assert len({row.tobytes() for row in np.concatenate([once.energy.T, twice.energy.T])}) == 20


@pytest.mark.parametrize("verb", ["sample", "temper"])
def test_a_run_goes_on_with_draws_in_bins_and_from_bins(verb):
    run, kwargs = {"sample": (fg.sample, dict(beta=0.5)), "temper": (fg.temper, LADDER | dict(burn_in=5))}[verb]
    ways = []
    for first, second in (("draws", "bins"), ("bins", "bins"), ("bins", "draws")):
        start = run(GLASS, sweeps=20, seed=5, record=first, **kwargs)
        ways.append(run(GLASS, sweeps=20, record=second, start=start, **kwargs))
    same(ways[0], ways[1])
    same(ways[2], run(GLASS, sweeps=20, start=run(GLASS, sweeps=20, seed=5, **kwargs), **kwargs))


@pytest.mark.parametrize("verb", ["sample", "temper"])
def test_a_result_is_left_as_it_is_and_may_be_gone_on_from_again(verb):
    run, kwargs = {"sample": (fg.sample, dict(beta=0.5)), "temper": (fg.temper, LADDER)}[verb]
    first = run(GLASS, sweeps=20, seed=5, **kwargs)
    before = pickle.dumps((first._blocks, first.states))
    one, other = (run(GLASS, sweeps=20, start=first, **kwargs) for _ in range(2))
    same(one, other)
    assert pickle.dumps((first._blocks, first.states)) == before
    same(run(GLASS, sweeps=20, start=pickle.loads(pickle.dumps(first)), **kwargs), one)


def stopped(run, model, **kwargs):
    """A result of a run on one thread that was stopped after some sweeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "CHUNK_SECONDS", 1e-9)
        patch.setattr("fastgibbs.threads.TICK_SECONDS", 0.002)
        result = run(model, progress=lambda done, total: done > 0, threads=1, **kwargs)
    assert result.interrupted
    return result


def test_a_run_that_was_stopped_goes_on_if_all_its_chains_stand_at_the_same_sweep():
    result = stopped(fg.sample, WEIGHTED, beta=0.5, chains=10, sweeps=10_000, seed=5)
    done = result.energy.shape[1]
    rest = fg.sample(WEIGHTED, beta=0.5, sweeps=10_000 - done, start=result)
    whole = fg.sample(WEIGHTED, beta=0.5, chains=10, sweeps=10_000, seed=5)
    np.testing.assert_array_equal(np.concatenate([result.energy, rest.energy], axis=1), whole.energy)


@pytest.mark.parametrize("verb", ["sample", "temper"])
def test_a_run_that_goes_on_is_saved_as_any_other(verb, tmp_path):
    run, kwargs = {"sample": (fg.sample, dict(beta=0.5, chains=10)), "temper": (fg.temper, LADDER)}[verb]
    first = run(WEIGHTED, sweeps=30, seed=5, **kwargs)
    whole = run(WEIGHTED, sweeps=5000, start=first, **kwargs)
    path = tmp_path / "run.npz"
    stopped(run, WEIGHTED, sweeps=5000, start=first, checkpoint=path, **kwargs)
    seen = []
    result = run(WEIGHTED, sweeps=5000, start=first, checkpoint=path, progress=lambda *now: seen.append(now), **kwargs)
    same(result, whole)
    assert seen[-1] == (5000, 5000) and {total for _, total in seen} == {5000}  # sweeps of this run
    longer = run(WEIGHTED, sweeps=6000, start=first, checkpoint=path, **kwargs)
    same(longer, run(WEIGHTED, sweeps=6000, start=first, **kwargs))
    with pytest.raises(ValueError, match=r"run\.npz was written with seed=5"):
        run(WEIGHTED, sweeps=6000, start=run(WEIGHTED, sweeps=30, seed=6, **kwargs), checkpoint=path, **kwargs)


@pytest.mark.parametrize("verb", ["sample", "temper"])
def test_a_result_keeps_what_it_takes_to_go_on_and_no_record_twice(verb):
    run, kwargs = {"sample": (fg.sample, dict(beta=0.5)), "temper": (fg.temper, LADDER)}[verb]
    short, long = (run(GLASS, sweeps=sweeps, seed=5, **kwargs) for sweeps in (1000, 9000))
    more = len(pickle.dumps(long)) - len(pickle.dumps(short))
    records = sum(sign * one.energy.nbytes + sign * one.magnetization.nbytes for one, sign in ((long, 1), (short, -1)))
    assert records <= more < records + 1000


@pytest.fixture(scope="module")
def sampled():
    return fg.sample(GLASS, beta=0.5, chains=70, sweeps=5, seed=5, clamp={3: 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(model=fg.edwards_anderson((5, 5, 5), seed=2)), "model is not that of start: give the same, 1 in number"),
        (dict(model=[GLASS, GLASS], chains=70), "model is not that of start"),
        (dict(chains=71), "chains is 71, and start is of a run with 70: give the same, or leave it out"),
        (dict(beta=np.full(71, 0.5)), "chains is 70 but beta holds 71 values"),
        (dict(engine="sparse"), "engine is sparse, and start is of a run with multispin"),
        (dict(strips=2), "strips is 2, and start is of a run with 1"),
        (dict(seed=6), "seed is 6, and start is of a run with 5"),
        (dict(clamp=None), r"clamp is of sites \[\], that of start of \[3\]: give the same values"),
        (dict(clamp={3: -1}), "clamp is of sites"),
        (dict(beta=0.0, rule="metropolis"), "Metropolis flips every spin"),
    ],
    ids=str,
)
def test_chains_that_cannot_go_on_say_why(change, message, sampled):
    kwargs = dict(model=GLASS, beta=0.5, sweeps=5, start=sampled, clamp={3: 1})
    with pytest.raises(ValueError, match=message):
        fg.sample(**kwargs | change)


@pytest.fixture(scope="module")
def tempered():
    return fg.temper(DISORDER, sweeps=5, burn_in=0, seed=5, ladders=3, **LADDER)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(model=DISORDER[:2]), "model is not that of start: give the same, 3 in number"),
        (dict(model=DISORDER[::-1]), "model is not that of start"),
        (dict(betas=[0.1, 0.2, 0.3, 0.4]), "betas is .*, and start is of a run with"),
        (dict(ladders=2), "ladders is 2, and start is of a run with 3"),
        (dict(engine="sparse"), "engine is sparse, and start is of a run with multispin"),
        (dict(seed=6), "seed is 6, and start is of a run with 5"),
        (dict(overlap_every=0), r"start has pairs.streams of shape \(3, 4\), this run of \(0, 4\)"),
        (dict(rungs=7), "rungs is 7 but betas holds 4"),
        (dict(clamp={3: 1}), r"clamp is of sites \[3\]"),
    ],
    ids=str,
)
def test_ladders_that_cannot_go_on_say_why(change, message, tempered):
    with pytest.raises(ValueError, match=message):
        fg.temper(**dict(model=DISORDER, sweeps=5, start=tempered) | change)


def test_results_of_other_runs_and_other_things_are_no_start(sampled, tempered, tmp_path):
    with pytest.raises(ValueError, match="start holds results of several runs"):
        other = fg.temper(DISORDER, sweeps=5, burn_in=0, seed=5, ladders=3, **LADDER)
        fg.temper(DISORDER, sweeps=5, start=[*tempered[:2], other[2]])
    annealed = fg.anneal(GLASS, sweeps=5, reads=3)
    with pytest.raises(TypeError, match="AnnealResult: give what sample returned, or states, as in"):
        fg.sample(GLASS, beta=0.5, sweeps=5, start=annealed)
    with pytest.raises(TypeError, match=r"start is a SampleResult: give states, as in start=result\.states"):
        fg.anneal(GLASS, sweeps=5, start=sampled)
    for wrong in (sampled, [], [3], np.ones(125)):
        with pytest.raises(TypeError, match="give what temper returned"):
            fg.temper(GLASS, sweeps=5, start=wrong)
    assert fg.sample(GLASS, beta=0.5, sweeps=5, chains=3, start=annealed.states).energy.shape == (3, 5)


def at_different_sweeps():
    """A result of a hundred blocks on one thread, stopped as about half of them have been advanced twice."""
    calls, advance = [], Chains.advance

    def stopping(*arguments):
        calls.append(advance(*arguments))
        return len(calls) > 150

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Chains, "advance", stopping)
        result = fg.sample(WEIGHTED, beta=0.5, chains=6400, sweeps=2000, seed=5, threads=1)
    assert len({block.left.done for block in result._blocks}) > 1
    return result


def test_a_result_that_was_loaded_or_stopped_at_different_sweeps_is_no_start(sampled, tempered, tmp_path):
    for result, verb, kwargs in ((sampled, fg.sample, dict(beta=0.5)), (tempered[0], fg.temper, {})):
        result.save(tmp_path / "saved.npz")
        with pytest.raises(ValueError, match="start was loaded from a file, without random streams"):
            verb(result.model, sweeps=5, start=fg.load(tmp_path / "saved.npz"), **kwargs)
    with pytest.raises(ValueError, match=r"start was stopped, its blocks after \d+ to \d+ sweeps"):
        fg.sample(WEIGHTED, beta=0.5, sweeps=5, start=at_different_sweeps())
