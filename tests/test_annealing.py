"""What `anneal` promises: the twin's bits however it is run, exact ground states, stops without loss."""

from types import SimpleNamespace

import numpy as np
import pytest
from interrupts import ctrl_c

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines.precision import energy_error
from fastgibbs.reference import annealing as twin
from fastgibbs.reference import coloured, layered, multispin, sparse

GLASS = fg.edwards_anderson((4, 4, 3), seed=2)  # for the multi-spin engine
WEIGHTED = fg.edwards_anderson((4, 4, 3), "gaussian", seed=2)
IN_FIELD = fg.Ising.from_edges(16, *fg.edwards_anderson((4, 4), seed=1).bonds, np.linspace(-1, 1, 16))
RBM = fg.RBM(np.random.default_rng(4).normal(size=(9, 5)), np.linspace(-1, 1, 9), [0.5, 0.0, -0.5, 1.0, 0.2])
MACHINE = fg.RBM(*(np.random.default_rng(5).normal(size=size) for size in ((27, 21), 27, 21)))
ENGINES = {"sparse": (WEIGHTED, sparse), "multispin": (GLASS, multispin), "layered": (MACHINE, layered)}
ENGINES["coloured"] = WEIGHTED, coloured
BY_ENGINE = pytest.mark.parametrize(
    ("engine", "model", "twin_engine"), [(name, *ENGINES[name]) for name in ENGINES], ids=list(ENGINES)
)


def same(a, b):
    for name in (
        "energy",
        "states",
        "last_states",
        "read",
        "ground_states",
        "ground_counts",
        "trace_min",
        "trace_mean",
        "betas",
    ):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


# The twin


def parity(result, expected):
    """`result` of the engine against `expected` of the twin: every read, every trace, and the sorting on top."""
    in_order = np.argsort(result.read)
    np.testing.assert_array_equal(result.energy[in_order], expected.best_energies)
    np.testing.assert_array_equal(result.states[in_order], expected.best_states)
    np.testing.assert_array_equal(result.last_states[in_order], expected.states)
    np.testing.assert_array_equal(result.trace_min, expected.trace_min)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)
    assert (np.diff(result.energy) >= 0).all()


@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
@pytest.mark.parametrize("reads", [1, 17, 70])
@BY_ENGINE
def test_reads_equal_the_twins_bit_for_bit(engine, model, twin_engine, reads, rule):
    result = fg.anneal(model, sweeps=25, reads=reads, seed=3, engine=engine, rule=rule)
    parity(result, twin.anneal(twin_engine, model, result.betas, reads, rule, 3))


@pytest.mark.parametrize("reads", [5, 64])  # half a register of lanes, and all
def test_energies_that_are_followed_are_measured_again_as_the_twin_does(reads):
    result = fg.anneal(WEIGHTED, sweeps=150, reads=reads, seed=3, engine="sparse")
    expected = twin.anneal(sparse, WEIGHTED, result.betas, reads, result.rule, 3)
    parity(result, expected)
    once = SimpleNamespace(**vars(sparse))
    once.followed = lambda models, state, t: sparse.followed(models, state, min(t, 1))  # at the first sweep alone
    broken = twin.anneal(once, WEIGHTED, result.betas, reads, result.rule, 3)
    np.testing.assert_array_equal(broken.trace_mean[:64], expected.trace_mean[:64])
    assert (broken.trace_mean[64:] != expected.trace_mean[64:]).any()


@BY_ENGINE
def test_several_blocks_equal_the_twin(engine, model, twin_engine):
    result = fg.anneal(model, sweeps=5, reads=600, seed=3, engine=engine, threads=2)
    parity(result, twin.anneal(twin_engine, model, result.betas, 600, result.rule, 3))


@pytest.mark.parametrize("model", [RBM, IN_FIELD, fg.sherrington_kirkpatrick(20, seed=3)])
def test_other_models_equal_the_twin(model):
    result = fg.anneal(model, betas=fg.linear(0, 2), sweeps=25, reads=20, seed=3, engine="sparse")
    expected = twin.anneal(sparse, model, result.betas, 20, result.rule, 3)
    np.testing.assert_array_equal(result.states[np.argsort(result.read)], expected.best_states)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)


@BY_ENGINE
def test_a_given_start_equals_the_twins(engine, model, twin_engine):
    starts = model.from_spins(np.random.default_rng(5).choice([-1, 1], (20, model.n)))
    for start in (starts, starts[0]):
        kwargs = dict(betas=[0.8] * 4, sweeps=4, reads=20, seed=3, engine=engine)
        result = fg.anneal(model, start=start, **kwargs)
        parity(result, twin.anneal(twin_engine, model, [0.8] * 4, 20, result.rule, 3, start=start))
        assert (result.trace_mean != fg.anneal(model, **kwargs).trace_mean).all()


def test_a_start_in_units_is_that_start():
    start = np.random.default_rng(5).integers(0, 2, (3, RBM.n))
    result = fg.anneal(RBM, betas=[1e4], sweeps=1, reads=3, start=start, rule="gibbs", seed=1)
    assert set(np.unique(result.states)) <= {0, 1}
    assert (result.energy[np.argsort(result.read)] <= RBM.energy(start) + 1e-9).all()  # at this beta energies only fall
    lowest = exact.spectrum(RBM).ground_states
    stays = fg.anneal(RBM, betas=[1e4], sweeps=1, reads=3, start=lowest[0], seed=1)
    np.testing.assert_array_equal(stays.states, np.repeat(lowest[:1], 3, axis=0))


# The same bytes


@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
@BY_ENGINE
def test_threads_and_chunks_change_nothing(engine, model, twin_engine, rule, monkeypatch):
    kwargs = dict(sweeps=40, reads=1200, seed=3, engine=engine, rule=rule)
    reference = fg.anneal(model, threads=1, **kwargs)
    for threads in (2, 3):
        same(reference, fg.anneal(model, threads=threads, **kwargs))
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    same(reference, fg.anneal(model, threads=2, **kwargs))


@pytest.mark.parametrize("reads", [1, 2, 15, 16, 17, 64, 65, 513])
@BY_ENGINE
def test_the_first_reads_are_the_same_however_many_there_are(engine, model, twin_engine, reads):
    kwargs = dict(betas=fg.geometric(0.1, 1), sweeps=20, seed=3, engine=engine)
    many, few = fg.anneal(model, reads=600, **kwargs), fg.anneal(model, reads=reads, **kwargs)
    of_many, of_few = np.argsort(many.read)[:reads], np.argsort(few.read)
    np.testing.assert_array_equal(np.sort(few.read), np.arange(reads))
    np.testing.assert_array_equal(few.energy[of_few], many.energy[of_many])
    np.testing.assert_array_equal(few.states[of_few], many.states[of_many])


def test_the_seed_in_the_result_repeats_the_run():
    for seed in (None, 5, np.random.SeedSequence(5).spawn(3)[2], np.random.default_rng(5)):
        first = fg.anneal(GLASS, betas=[0.5], sweeps=3, reads=3, seed=seed)
        same(first, fg.anneal(GLASS, betas=[0.5], sweeps=3, reads=3, seed=first.seed))
    assert fg.anneal(GLASS, sweeps=1, seed=5).seed == 5
    assert fg.anneal(GLASS, sweeps=1).seed != fg.anneal(GLASS, sweeps=1).seed


# What is in the result


@pytest.mark.parametrize(
    "model", [GLASS, WEIGHTED, IN_FIELD, RBM, fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (3, 30)))]
)
def test_energies_are_the_models_and_sorted_and_reads_are_each_once(model):
    result = fg.anneal(model, betas=fg.linear(0.1, 0.6), sweeps=30, reads=70, seed=4)
    np.testing.assert_array_equal(result.energy, [model.energy(state) for state in result.states])
    np.testing.assert_array_equal(np.lexsort((result.read, result.energy)), np.arange(70))  # of equal ones by read
    np.testing.assert_array_equal(np.sort(result.read), np.arange(70))
    assert result.energy.dtype == np.float64
    assert result.states.dtype == np.int8
    assert result.trace_min.shape == result.trace_mean.shape == result.betas.shape == (30,)


def as_followed(energies, engine, model):
    """What they must be equal to: to 10^-6 sum |J| of the sparse engines, which follow energies, else to rounding."""
    off = (1e-6 if engine in ("sparse", "sparse64") else 1e-14) * np.abs(model.to_ising().couplings).sum()
    return pytest.approx(energies, rel=0, abs=energy_error(model) if engine == "layered" else off)


@BY_ENGINE
def test_the_best_state_is_the_lowest_of_the_reads_trace_and_not_the_last(engine, model, twin_engine, undescended):
    """At a beta this hot, the last state of a read is seldom its best."""
    kwargs = dict(betas=[0.4] * 50, sweeps=50, seed=4, engine=engine)
    before_the_end = 0
    for seed in range(8):
        alone = fg.anneal(model, reads=1, **kwargs | dict(seed=seed))
        assert alone.energy[0] == as_followed(alone.trace_min.min(), engine, model)
        assert alone.energy[0] == model.energy(alone.states[0])
        np.testing.assert_array_equal(alone.trace_min, alone.trace_mean)
        before_the_end += alone.trace_min[-1] > alone.energy[0]
    assert before_the_end >= 6
    together = fg.anneal(model, reads=200, **kwargs)
    assert together.energy[0] == as_followed(together.trace_min.min(), engine, model)
    assert (together.trace_min <= together.trace_mean).all()
    for first in (1, 7, 31):  # of a run that ends earlier, the best so far
        prefix = fg.anneal(model, reads=200, **kwargs | dict(betas=[0.4] * first, sweeps=first))
        np.testing.assert_array_equal(prefix.trace_mean, together.trace_mean[:first])
        assert prefix.energy[0] == as_followed(together.trace_min[:first].min(), engine, model)
        later, earlier = together.energy[np.argsort(together.read)], prefix.energy[np.argsort(prefix.read)]
        assert np.maximum(later, earlier) == as_followed(earlier, engine, model)


GROUND = {
    "EA +-J": fg.edwards_anderson((4, 4), seed=7),
    "EA +-J 3D": fg.edwards_anderson((3, 3, 2), seed=7),
    "EA gaussian": fg.edwards_anderson((5, 4), "gaussian", seed=6),
    "in a field": IN_FIELD,
    "uniform, in a field": fg.triangular((4, 4), J=-1.0, h=0.5),
    "3-regular": fg.random_regular(20, 3, seed=8),
    "SK": fg.sherrington_kirkpatrick(16, seed=9),
    "Hopfield": fg.Hopfield(np.random.default_rng(9).choice([-1, 1], (2, 20))),
    "RBM": RBM,
}


@pytest.mark.parametrize("engine", ["auto", "sparse"])
@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
@pytest.mark.parametrize("name", GROUND)
def test_enumerated_ground_states_are_reached_with_the_default_schedule(name, rule, engine):
    model = GROUND[name]
    spectrum = exact.spectrum(model)
    result = fg.anneal(model, sweeps=300, reads=64, rule=rule, engine=engine, seed=1)
    assert result.energy[0] == pytest.approx(spectrum.ground_energy, rel=1e-12)
    known = {state.tobytes() for state in spectrum.ground_states}
    assert {state.tobytes() for state in result.ground_states} <= known


@pytest.mark.parametrize(("name", "share"), [("EA +-J", 0.5), ("3-regular", 0.5), ("Hopfield", 1.0)])
def test_ground_states_are_distinct_and_counted(name, share):
    """`share`: of the ground states, how many 1000 reads find at least; the rarest of many may be missing."""
    model = GROUND[name]
    result = fg.anneal(model, sweeps=300, reads=1000, seed=1)
    candidates = [state.tobytes() for state in result.ground_states]
    assert len(set(candidates)) == len(candidates) >= share * len(exact.spectrum(model).ground_states)
    lowest = [state.tobytes() for state in result.states[result.energy == result.energy[0]]]
    assert result.ground_counts.tolist() == [lowest.count(state) for state in candidates]
    assert result.ground_counts.sum() == len(lowest) > 500
    np.testing.assert_array_equal(result.ground_states, np.unique(result.ground_states, axis=0))


def test_a_schedule_that_stays_hot_does_not_find_the_ground_state():
    """The broken twin of the tests above: what they assert is not true of any run."""
    model = fg.edwards_anderson((4, 4, 4), seed=1)
    cold, hot = (fg.anneal(model, betas=fg.linear(0, last), sweeps=300, seed=1) for last in (3, 0.1))
    assert hot.energy.mean() > cold.energy.mean()
    assert hot.trace_mean[-1] > cold.trace_mean[-1] + 50


def test_the_result_says_what_was_run_and_how_fast():
    result = fg.anneal(WEIGHTED, sweeps=20, reads=9, rule="gibbs", seed=1)
    assert (result.model, result.engine, result.rule, result.interrupted) == (WEIGHTED, "sparse", "gibbs", False)
    assert fg.anneal(GLASS, sweeps=1).engine == "multispin"
    assert result.timing.updates_per_second == pytest.approx(9 * 48 * 20 / result.timing.kernel)
    assert result.timing.total >= result.timing.kernel + result.timing.compile
    assert repr(result) == (
        f"AnnealResult(Ising(n=48, bonds=144, fields=0), reads=9, lowest={result.energy[0]:g} in "
        f"{result.ground_counts.sum()}, engine='sparse')"
    )


# Stopping


BIG, BIG_WEIGHTED = fg.edwards_anderson((10, 10, 10), seed=1), fg.edwards_anderson((10, 10, 10), "gaussian", seed=1)
LONG = dict(betas=[0.6], sweeps=200_000, reads=256, seed=1)
BY_MODEL = pytest.mark.parametrize("model", [BIG, BIG_WEIGHTED], ids=["multispin", "sparse"])


def is_a_valid_part(result, reads=256):
    """What was seen by then is what a run of so many sweeps sees; blocks that were ahead have seen a little more."""
    model, seen = result.model, result.trace_min.size
    assert result.interrupted
    assert "interrupted" in repr(result)
    assert 0 < seen == result.trace_mean.size < LONG["sweeps"]
    assert (np.diff(result.energy) >= 0).all()
    np.testing.assert_array_equal(result.energy, model.energy(result.states))
    finished = fg.anneal(model, **LONG | dict(sweeps=seen, reads=reads))
    assert not finished.interrupted
    np.testing.assert_array_equal(result.trace_min, finished.trace_min)
    np.testing.assert_array_equal(result.trace_mean, finished.trace_mean)
    np.testing.assert_array_equal(np.sort(result.read), np.arange(reads))
    earlier, later = finished.energy[np.argsort(finished.read)], result.energy[np.argsort(result.read)]
    assert (later <= earlier).all()
    assert (later == earlier).mean() >= 64 / 256  # at least the block that came least far, 64 reads or more
    assert result.betas.size == LONG["sweeps"]


def test_a_time_limit_that_is_not_reached_changes_nothing():
    kwargs = LONG | dict(sweeps=20)
    result = fg.anneal(BIG, time_limit=600, target_energy=-1e9, **kwargs)
    assert not result.interrupted
    same(result, fg.anneal(BIG, **kwargs))


@BY_MODEL
def test_a_target_stops_the_run_as_soon_as_it_is_met(model, undescended):
    target = fg.anneal(model, **LONG | dict(sweeps=200)).energy[0]
    result = fg.anneal(model, target_energy=target, **LONG)
    assert result.energy[0] <= target
    assert result.trace_min.size < LONG["sweeps"] / 10  # a chunk of 20 ms too many at most
    is_a_valid_part(result)


def test_a_stop_before_all_blocks_have_begun_leaves_out_their_reads():
    """On one thread the first block alone has made a sweep when the limit is over."""
    kwargs = dict(betas=[0.6], reads=1200, seed=1)
    result = fg.anneal(GLASS, time_limit=1e-9, threads=1, sweeps=1000, **kwargs)
    assert result.interrupted
    assert 0 < result.energy.size < 1200
    np.testing.assert_array_equal(np.sort(result.read), np.arange(result.energy.size))
    np.testing.assert_array_equal(result.energy, GLASS.energy(result.states))
    assert result.trace_min.size == 0
    whole = fg.anneal(GLASS, sweeps=1, **kwargs)
    at = np.argsort(whole.read)[result.read]
    np.testing.assert_array_equal(result.energy, whole.energy[at])
    np.testing.assert_array_equal(result.states, whole.states[at])


@pytest.mark.parametrize(("reads", "threads"), [(256, 1), (1000, 2)])
def test_ctrl_c_returns_what_was_seen(reads, threads, undescended):
    is_a_valid_part(fg.anneal(BIG, threads=threads, progress=ctrl_c(), **LONG | dict(reads=reads)), reads)


def test_a_progress_callable_hears_of_sweeps_and_stops_the_run_by_returning_true(undescended):
    heard = []

    def stop_at_the_third(done, total):
        heard.append((done, total))
        return len(heard) == 3

    is_a_valid_part(fg.anneal(BIG, progress=stop_at_the_third, **LONG))
    assert {total for _, total in heard} == {LONG["sweeps"]}
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_progress_callable_hears_the_end():
    heard = []
    fg.anneal(GLASS, sweeps=30, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (30, 30)
