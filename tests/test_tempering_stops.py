"""A run of `temper` that is stopped, by Ctrl-C or a callable, returns what was done."""

import os
import signal

import numpy as np
import pytest
from interrupts import ctrl_c
from test_tempering import GLASS, LADDER

import fastgibbs as fg

BIG = fg.edwards_anderson((8, 8, 8), seed=1)
FOREVER = dict(betas=np.linspace(0.1, 1, 8), sweeps=10**6, burn_in=0, thin=100, ladders=8, seed=1)


def is_a_valid_part(result, ladders=8):
    assert result.interrupted
    assert "interrupted" in repr(result)
    draws = result.energy.shape[2]
    assert 0 < draws < 10_000
    finished = fg.temper(BIG, **FOREVER | dict(sweeps=100 * draws, ladders=ladders))
    assert not finished.interrupted
    np.testing.assert_array_equal(result.energy, finished.energy)
    np.testing.assert_array_equal(result.magnetization, finished.magnetization)
    assert result.states.shape == finished.states.shape
    assert (result.round_trips >= finished.round_trips).all()
    assert (result.overlap.draws >= finished.overlap.draws).all()
    assert (result.overlap.histogram.sum(axis=2) == result.overlap.draws[:, None]).all()
    np.testing.assert_allclose(result.acceptance, finished.acceptance, atol=0.2)
    assert np.isfinite(result.log_z.bar).all()


@pytest.mark.parametrize(("ladders", "threads"), [(8, 1), (100, 2)])
def test_ctrl_c_returns_what_was_done(ladders, threads):
    is_a_valid_part(fg.temper(BIG, threads=threads, progress=ctrl_c(), **FOREVER | dict(ladders=ladders)), ladders)


def test_a_progress_callable_hears_of_sweeps_and_stops_the_run_by_returning_true():
    heard = []

    def stop_at_the_third(done, total):
        heard.append((done, total))
        return len(heard) == 3

    is_a_valid_part(fg.temper(BIG, progress=stop_at_the_third, **FOREVER))
    assert {total for _, total in heard} == {10**6}
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


def test_a_progress_callable_hears_the_end():
    heard = []
    fg.temper(GLASS, betas=LADDER, sweeps=30, burn_in=5, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (35, 35)


def test_a_run_stopped_before_its_first_draw_is_empty_and_valid():
    result = fg.temper(BIG, progress=lambda done, total: True, **FOREVER | dict(burn_in=10**6))
    assert result.interrupted
    assert result.energy.shape == result.magnetization.shape == (8, 8, 0)
    np.testing.assert_array_equal(np.abs(result.states), 1)
    assert (result.acceptance == 0).all()
    assert (result.overlap.draws == 0).all()
    assert "draws=0" in repr(result)


@pytest.mark.parametrize("call", [1, 3])
def test_a_callable_that_returns_true_once_stops_the_run_also_while_the_ladder_is_built(call):
    heard = []

    def stop(done, total):
        heard.append(done)
        return len(heard) == call

    result = fg.temper(GLASS, sweeps=500_000, thin=100, seed=1, progress=stop)
    assert result.interrupted
    assert result.energy.shape[:2] == (2, result.betas.size)


def test_ctrl_c_while_the_ladder_is_built_returns_a_valid_result():
    reports = []

    def send(done, total):
        reports.append(done)
        assert done == 0, "the ladder was built before the third report"
        if len(reports) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    result = fg.temper(BIG, sweeps=10**6, thin=1000, ladders=20, seed=1, progress=send)
    assert result.interrupted
    assert result.energy.shape[:2] == result.states.shape[:2] == (20, result.betas.size)
    assert np.isfinite(result.energy).all()
