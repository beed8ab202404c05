"""Stopping, progress and threads: nothing is lost, and a stop takes effect quickly."""

import io
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from interrupts import ctrl_c

import fastgibbs as fg
from fastgibbs import threads as on
from fastgibbs.jit import njit
from fastgibbs.methods.running import bar, running
from fastgibbs.models import checks

MODEL, BIG = fg.lattice((64, 64)), fg.lattice((128, 128))
FOREVER = dict(beta=0.4, sweeps=10**7, thin=100, seed=1)  # 4 * 10^10 attempts a chain


@pytest.mark.parametrize(("chains", "threads"), [(1, 1), (64, 1), (300, 2)])
def test_ctrl_c_returns_what_was_done(chains, threads):
    result = fg.sample(MODEL, chains=chains, threads=threads, progress=ctrl_c(), **FOREVER)
    assert result.interrupted
    draws = result.energy.shape[1]
    assert 0 < draws < 100_000
    finished = fg.sample(MODEL, chains=chains, **FOREVER | dict(sweeps=100 * draws))
    np.testing.assert_array_equal(result.energy, finished.energy)
    assert not finished.interrupted


def test_a_progress_callable_hears_of_sweeps_and_stops_the_run_by_returning_true():
    heard = []

    def stop_at_the_third(done, total):
        heard.append((done, total))
        return len(heard) == 3

    result = fg.sample(MODEL, progress=stop_at_the_third, **FOREVER)
    assert result.interrupted
    assert {total for _, total in heard} == {10**7}
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert heard[-1][0] < 10**7


def test_a_progress_callable_hears_the_end():
    heard = []
    fg.sample(MODEL, beta=0.4, sweeps=30, burn_in=5, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (35, 35)


@pytest.mark.parametrize(("chains", "count"), [(64, 1), (640, 2), (1, 2)])  # one worker, two, a crew
def test_an_error_in_a_progress_callable_comes_out_and_stops_the_threads(chains, count):
    kwargs = FOREVER | dict(chains=chains, threads=count, strips=1)
    fg.sample(BIG, **kwargs | dict(sweeps=100))  # compiles
    before = set(threading.enumerate())

    def fail(done, total):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as error:  # whose traceback holds all that was under way
        fg.sample(BIG, progress=fail, **kwargs)
    for thread in set(threading.enumerate()) - before:  # it has returned, and ends
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert error.traceback


def test_a_bar_that_draws_itself_learns_of_totals_and_keeps_its_clock(monkeypatch):
    module = pytest.importorskip("tqdm.auto", reason="the bar needs tqdm, of the extra [plot]")
    lengths, bars = [], []

    class Widget(module.tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, file=io.StringIO(), **kwargs)
            bars.append(self)

        def reset(self, total=None):
            lengths.append(total)
            super().reset(total)

    monkeypatch.setattr(module, "tqdm", Widget)
    with bar() as report:
        began = bars[0].start_t
        for done, total in ((0, 10), (5, 10), (5, 20), (6, 20)):
            report(done, total)
            assert (bars[0].n, bars[0].total, bars[0].start_t) == (done, total, began)
    assert lengths == [10, 20]


@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_true_draws_a_bar_or_a_plain_line(with_tqdm, capsys, monkeypatch):
    if with_tqdm:
        pytest.importorskip("tqdm", reason="the bar needs the extra [tqdm]")
    else:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    fg.sample(MODEL, beta=0.4, sweeps=40, progress=True)
    shown = capsys.readouterr().err
    assert "40/40" in shown
    assert ("%" in shown) == with_tqdm


@pytest.mark.parametrize(("blocks", "threads"), [(1, 8), (5, 1)])
def test_one_worker_takes_no_thread_unless_it_has_to_compile(blocks, threads):
    """So Ctrl-C is answered while it does."""

    @njit
    def kernel():
        return 0

    def advance(block, first, last, crew):
        kernel()
        mine.append(threading.current_thread() is threading.main_thread())

    mine, heard = [], []
    for compiled in (False, True):
        with running(lambda done, total: heard.append(done)) as run:
            end = run.advance(advance, list(range(blocks)), [0] * blocks, 100, threads)
        assert end.done == [100] * blocks
        assert set(mine) == {compiled}
        assert heard[-1] == 100
        mine.clear()


def test_blocks_progress_evenly_and_all_finish():
    blocks = list(range(5))
    done = dict.fromkeys(blocks, 0)
    spread = []

    def advance(block, first, last, crew):
        if first == last:  # a real one compiles
            return
        assert done[block] == first
        time.sleep(0.001 * (last - first))
        done[block] = last
        spread.append(max(done.values()) - min(done.values()))

    with running() as run:
        end = run.advance(advance, blocks, [0] * 5, 200, 2)
    assert end.done == [200] * 5
    assert not end.interrupted
    assert max(spread) < 150  # a chunk is about 50 sweeps here


def test_an_error_in_a_block_comes_out():
    def advance(block, first, last, crew):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), running() as run:
        run.advance(advance, [0, 1], [0, 0], 10, 2)


def test_threads_default_to_the_cores_of_this_process_at_most():
    assert 1 <= checks.thread_count(None) <= len(os.sched_getaffinity(0))


@pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="this system has no SIGUSR2")
def test_a_signal_that_takes_longer_than_the_wait_does_not_end_the_ticks():
    """A SimpleQueue whose time is over when the handler returns waits for ever: ticks, and stops, went unheard."""
    heard, ticks, waits, enough = [], [], threading.Event(), threading.Event()

    def slowly(number, frame):
        time.sleep(2 * on.TICK_SECONDS)
        heard.append(len(ticks))

    def tick():
        ticks.append(None)
        waits.set()
        if heard and len(ticks) > heard[0] + 2:
            enough.set()

    def work():
        waits.wait()
        time.sleep(on.TICK_SECONDS / 10)  # until it waits again
        os.kill(os.getpid(), signal.SIGUSR2)
        assert enough.wait(30)

    before = signal.signal(signal.SIGUSR2, slowly)
    try:
        with on.stoppable():
            on.on_threads(work, 1, tick=tick)
    finally:
        signal.signal(signal.SIGUSR2, before)
