"""Annealing in batches: as they were asked for, or as a clock allows."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines.drivers import READ_GROUP
from fastgibbs.methods import annealing, pacing
from fastgibbs.methods.running import Advanced

GLASS = fg.edwards_anderson((4, 4, 4), seed=1)
WEIGHTED = fg.edwards_anderson((4, 4, 4), "gaussian", seed=1)
BY_MODEL = pytest.mark.parametrize("model", [GLASS, WEIGHTED], ids=["multispin", "sparse"])


def same(one, other):
    for field in dataclasses.fields(one):
        if field.name != "timing":
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


# Batches


@BY_MODEL
def test_the_best_of_several_batches_counts(model):
    """The first is the run of one batch; the others have other random numbers, also those of as many sweeps."""
    result = fg.anneal(model, sweeps=[4, 6, 6], reads=40, seed=3)
    np.testing.assert_array_equal(result.sweeps, [4, 6, 6])
    np.testing.assert_array_equal(result.done, [4, 6, 6])
    assert not result.interrupted
    first = fg.anneal(model, sweeps=4, reads=40, seed=3)
    best, states = np.empty(40), np.empty((40, model.n), np.int8)
    best[first.read], states[first.read] = first.energy, first.states
    own = {}
    for number, sweeps in ((1, [4, 6]), (2, [4, 6, 6])):
        own[number] = fg.anneal(model, sweeps=sweeps, reads=40, seed=3)
        later = np.empty(40)
        later[own[number].read] = own[number].energy
        assert (later <= best).all()
        assert (later < best).any()
        best = later
    same(result, own[2])
    np.testing.assert_array_equal(result.energy, model.energy(result.states))


def test_traces_are_of_the_batch_that_saw_the_lowest_energy():
    result = fg.anneal(WEIGHTED, sweeps=(2, 200, 3), reads=READ_GROUP, seed=1)
    assert result.betas.size == result.trace_min.size == result.trace_mean.size == 200
    np.testing.assert_array_equal(result.betas, fg.beta_schedule(WEIGHTED, 200))
    assert result.trace_min[-1] < result.trace_mean[0] / 2
    early = fg.anneal(WEIGHTED, betas=fg.linear(20, 0), sweeps=(200, 2), reads=READ_GROUP, seed=1)
    assert early.betas.size == 200


def test_each_batch_begins_at_the_start():
    ground = fg.anneal(WEIGHTED, reads=16, seed=1)
    up = np.ones((4, WEIGHTED.n), np.int8)
    low = fg.anneal(WEIGHTED, betas=[50.0], sweeps=[1, 1, 1], start=ground.states[0], reads=4, seed=2)
    np.testing.assert_array_equal(low.energy, ground.energy[0])
    high = fg.anneal(WEIGHTED, betas=[0.0], sweeps=[1, 2], start=up, reads=4, seed=2)
    assert (high.energy <= WEIGHTED.energy(up[0])).all()


def test_batches_are_the_same_on_any_number_of_threads():
    one, two = (fg.anneal(GLASS, sweeps=[3, 5], reads=200, seed=1, threads=k) for k in (1, 2))
    same(one, two)


def test_a_stop_keeps_the_batches_before_it():
    result = fg.anneal(GLASS, sweeps=[50, 10**6, 7], reads=40, seed=2, progress=lambda done, total: done > 50)
    assert result.interrupted
    assert result.sweeps.tolist() == [50, 10**6]
    assert result.done[0] == 50 and result.done[1] < 10**6
    assert (np.sort(result.energy) <= np.sort(fg.anneal(GLASS, sweeps=50, reads=40, seed=2).energy)).all()


def test_progress_hears_of_the_sweeps_of_all_batches():
    heard = []
    fg.anneal(GLASS, sweeps=[30, 40], reads=4, seed=1, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (70, 70)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


# Against a clock


@BY_MODEL
def test_what_a_clock_allowed_can_be_made_again(model):
    result = fg.anneal(model, time_limit=0.2, reads=40, seed=5)
    assert result.sweeps[0] == pacing.FIRST
    assert result.sweeps.size > 1
    complete = result.done == result.sweeps
    assert complete[:-1].all()
    assert result.interrupted == (not complete[-1])
    again = fg.anneal(model, sweeps=result.sweeps[complete], reads=40, seed=5)
    if complete.all():
        same(result, again)
    else:  # the machine was slower than it had been
        assert (np.sort(result.energy) <= np.sort(again.energy)).all()


@BY_MODEL
def test_sweeps_that_fit_are_made_as_if_there_were_no_limit(model):
    same(fg.anneal(model, sweeps=300, time_limit=600, seed=1), fg.anneal(model, sweeps=300, seed=1))
    same(fg.anneal(model, sweeps=7, time_limit=600, seed=1), fg.anneal(model, sweeps=7, seed=1))


@pytest.mark.parametrize("sweeps", [10**7, 10**9, 10**12])
def test_sweeps_that_do_not_fit_are_not_begun(sweeps):
    """What a run of a shorter limit, or of no sweeps given, does: cooled batches."""
    result = fg.anneal(GLASS, sweeps=sweeps, time_limit=0.1, seed=1)
    assert result.interrupted
    assert result.sweeps.max() < 10**7
    assert "WARNING: fewer sweeps" in result.summary() or (result.done < result.sweeps).any()
    assert result.energy[0] == fg.anneal(GLASS, seed=1).energy[0]


def test_a_target_that_the_descent_meets_ends_the_run():
    """At beta = 0 no sweep sees a ground state of 64 spins, and many descents end there."""
    ground = fg.anneal(WEIGHTED, seed=1).energy[0]
    result = fg.anneal(WEIGHTED, betas=[0.0], sweeps=[2] * 500, reads=64, target_energy=ground + 1e-9, seed=1)
    assert result.energy[0] <= ground + 1e-9 < result.trace_min.min()
    assert 0 < result.sweeps.size < 500
    assert result.interrupted
    np.testing.assert_array_equal(result.sweeps, result.done)


def test_a_target_below_any_energy_is_never_met():
    same(fg.anneal(GLASS, sweeps=20, target_energy=-1e6, seed=1), fg.anneal(GLASS, sweeps=20, seed=1))


# The pace itself, by a clock of ours


class Clock:
    """Seconds that pass as sweeps are made: `each` a sweep, `rest` besides in every batch."""

    def __init__(self, each, rest=0.0, compiling=0.0):
        self.now, self.each, self.rest, self.compiling = 0.0, each, rest, compiling

    def perf_counter(self):
        return self.now

    def make(self, sweeps):
        self.now += sweeps * self.each + self.rest + self.compiling
        end = Advanced([sweeps], False, self.compiling, sweeps * self.each)
        self.compiling = 0.0
        return SimpleNamespace(sweeps=(sweeps,), done=(sweeps,), end=end)


def paced(monkeypatch, clock, limit, sweeps=None):
    """The sweeps of all batches, and the seconds that they took, without those of compiling."""
    monkeypatch.setattr(pacing, "time", clock)
    pace, made, compiling = pacing.Pace(sweeps, limit, 64), [], clock.compiling
    pace.begin()
    while True:
        made.append(pace.sweeps)
        if not pace.goes_on(clock.make(pace.sweeps)):
            return made, clock.now - compiling


@pytest.mark.parametrize("rest", [0.0, 0.01])
@pytest.mark.parametrize("compiling", [0.0, 30.0])
def test_batches_grow_and_the_last_takes_what_is_left(monkeypatch, rest, compiling):
    longest = 0
    for limit in np.geomspace(0.3, 300, 60):
        made, seconds = paced(monkeypatch, Clock(1e-3, rest, compiling), limit)
        assert seconds <= limit
        assert seconds >= 0.8 * min(limit, 1e-3 * pacing.LONGEST)
        assert made[:-1] == [pacing.FIRST * pacing.GROWTH**k for k in range(len(made) - 1)]
        assert max(made) >= 0.4 * sum(made)
        assert max(made) >= 0.8 * longest  # a fifth is lost where another batch begins to fit
        longest = max(longest, max(made))


def test_no_batch_is_longer_than_its_traces_may_be(monkeypatch):
    made, seconds = paced(monkeypatch, Clock(1e-6), 20.0)
    assert max(made) == pacing.LONGEST
    assert seconds > 17
    monkeypatch.setattr(pacing.resources, "memory", lambda: 164 * 4 * 100.0)
    made, _ = paced(monkeypatch, Clock(1e-6), 0.1)
    assert max(made) == 100


def test_a_machine_too_slow_for_a_second_batch_makes_one(monkeypatch):
    assert paced(monkeypatch, Clock(1.0), 1.0)[0] == [16]
    assert paced(monkeypatch, Clock(1e-3, rest=50.0), 60.0)[0] == [16]


def test_sweeps_asked_for_are_the_last_batch(monkeypatch):
    assert paced(monkeypatch, Clock(1e-3), 10.0, sweeps=1000)[0] == [16, 1000]
    assert paced(monkeypatch, Clock(1e-3), 10.0, sweeps=16)[0] == [16]
    assert paced(monkeypatch, Clock(1e-3), 10.0, sweeps=3)[0] == [3]
    made, _ = paced(monkeypatch, Clock(1e-3), 0.9, sweeps=1000)
    assert made[0] == 16 and 1000 not in made and max(made) > 400


def test_the_numbers_of_batches_are_those_of_a_run_without_a_clock(monkeypatch):
    clock = Clock(1e-3)
    monkeypatch.setattr(pacing, "time", clock)
    pace = pacing.Pace(None, 10.0, 64)
    pace.begin()
    numbers = [pace.number]
    while pace.goes_on(clock.make(pace.sweeps)):
        numbers.append(pace.number)
    assert numbers == list(range(len(numbers)))
    assert annealing.Pace is pacing.Pace
