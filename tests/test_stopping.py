"""One way to stop: at any moment, from any thread, by any signal, and nothing that was drawn is lost."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from interrupts import ctrl_c

import fastgibbs as fg
from fastgibbs import threads
from fastgibbs.methods import running

MODEL = fg.lattice((32, 32))
FOREVER = dict(beta=0.4, sweeps=10**8, thin=10**4, seed=1)


def child(script, *arguments, **kwargs):
    """What a process said on stdout, and its exit status."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | kwargs.pop("env", {})
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=240, env=environment, **kwargs)
    return done.stdout, done.returncode


def test_two_hundred_storms_over_all_verbs_lose_nothing():
    """Half of them one Ctrl-C, half four; what had something to return has returned it, and no run hangs."""
    command = [sys.executable, str(Path(__file__).with_name("storms.py")), "208", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, env=environment)
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len(trials)) == (0, 208)
    assert not [trial for trial in trials if trial["lost"]]
    assert all(trial["valid"] for trial in trials)
    assert sum(trial["drew"] and trial["interrupted"] for trial in trials) > 40  # that had something to lose


def test_a_run_in_another_thread_is_stopped_by_request():
    results, begun = [], threading.Event()

    def run():
        results.append(fg.sample(MODEL, progress=lambda done, total: done and begun.set(), **FOREVER))

    runs = [threading.Thread(target=run) for _ in range(2)]
    for thread in runs:
        thread.start()
    begun.wait()
    fg.stop()
    for thread in runs:
        thread.join()
    assert [result.interrupted for result in results] == [True, True]
    assert fg.sample(MODEL, **FOREVER | dict(sweeps=10**4)).interrupted is False  # what was asked is over


def test_a_stop_is_heard_by_the_runs_that_a_training_makes(monkeypatch):
    """The likelihood of this machine is annealed after an epoch; the epoch is recorded when the training goes on.

    All kernels are compiled, so that the training runs in this thread, and its progress is reported by the annealing.
    """
    likelihood, outcome = fg.learning.epochs.log_likelihood, []

    def watched(*arguments, **named):
        outcome.append("begun")
        given_up = time.monotonic() + 60
        try:
            while time.monotonic() < given_up:  # a fast machine is done with one before anybody asks
                likelihood(*arguments, **named)
        except KeyboardInterrupt:
            outcome.append("stopped")
            raise

    monkeypatch.setattr(fg.learning.epochs, "log_likelihood", watched)
    model, data = fg.RBM(np.zeros((300, 300))), np.ones((8, 300))
    kwargs = dict(epochs=2, batch_size=8, likelihood_every=1, seed=1)
    fg.train(model, data, **kwargs | dict(epochs=1, likelihood_every=0))
    result = fg.train(model, data, progress=lambda done, total: bool(outcome), **kwargs)
    assert outcome == ["begun", "stopped"]
    assert result.interrupted
    assert result.epochs == 0


def test_a_training_stopped_while_an_epoch_is_recorded_goes_on_to_the_same_bytes(tmp_path, monkeypatch):
    model, data = fg.RBM(np.random.default_rng(1).normal(size=(20, 18))), np.random.default_rng(2).random((30, 20))
    kwargs = dict(epochs=3, likelihood_every=1, seed=1)
    whole = fg.train(model, data, **kwargs)
    likelihood, calls = fg.learning.epochs.log_likelihood, []

    def interrupted(*arguments, **named):
        calls.append(1)
        if len(calls) % 2:
            fg.stop()
        return likelihood(*arguments, **named)

    monkeypatch.setattr(fg.learning.epochs, "log_likelihood", interrupted)
    path = tmp_path / "run.npz"
    epochs = [fg.train(model, data, checkpoint=path, **kwargs).epochs for _ in range(4)]
    assert epochs == [0, 1, 2, 3]
    result = fg.train(model, data, checkpoint=path, **kwargs)
    np.testing.assert_array_equal(result.model.weights, whole.model.weights)
    np.testing.assert_array_equal(result.history, whole.history)


COMPILING = """
    import os, signal, sys, threading, time
    import fastgibbs as fg
    from fastgibbs.engines.entries import hold
    from fastgibbs.methods import running

    class Watched:
        def write(self, text):
            if "compiling" in text:
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        def flush(self):
            pass

    sys.stderr = Watched()
    result = fg.sample(fg.lattice((4, 4)), beta=0.4, sweeps=10, seed=1, progress=True, engine="multispin")
    print(result.interrupted, result.energy.shape, len(hold.signatures))
"""


def test_ctrl_c_is_answered_while_a_kernel_compiles(tmp_path):
    """The run has returned, empty, when the kernel is not compiled yet."""
    said, status = child(COMPILING, env={"NUMBA_CACHE_DIR": str(tmp_path)}, stderr=subprocess.DEVNULL)
    assert (said, status) == ("True (64, 0) 0\n", 0)


BREAKING = """
    import os, signal
    import numpy as np
    from numba.core import event
    import fastgibbs as fg
    from fastgibbs.engines import energies

    class Listener(event.Listener):
        def on_start(self, _):
            os.kill(os.getpid(), signal.SIGINT)
        def on_end(self, _):
            pass

    model, states = fg.lattice((4, 4)), np.ones((1, 16))
    try:
        with event.install_listener("numba:compile", Listener()):
            energies.energies(model, states)
    except KeyboardInterrupt:
        print(len(energies._add_terms.signatures), energies.energies(model, states))
"""


def test_ctrl_c_outside_a_run_waits_for_what_compiles(tmp_path):
    """Numba that was broken off while it fills its tables compiles nothing more in this process."""
    said, status = child(BREAKING, env={"NUMBA_CACHE_DIR": str(tmp_path)})
    assert (said, status) == ("1 [-32.]\n", 0)


def test_a_thread_that_cannot_start_leaves_the_work_to_the_others(monkeypatch):
    """Of crews as of workers, and of the threads of a training."""
    lattice, forest = fg.lattice((128, 128)), fg.edwards_anderson((4, 4, 4), "gaussian", seed=1)
    machine = fg.BoltzmannMachine(0.1 * (np.ones((6, 6)) - np.eye(6)), visible=range(4))
    runs = [
        lambda count: fg.sample(lattice, beta=0.4, sweeps=50, chains=1, seed=1, threads=count).energy,
        lambda count: fg.sample(forest, beta=0.4, sweeps=50, chains=640, seed=1, threads=count).energy,
        lambda count: fg.train(machine, np.eye(4), epochs=3, seed=1, threads=count).model.weights,
        lambda count: fg.exact.spectrum(fg.lattice((4, 4), h=0.1), threads=count).log_z(1.0),
    ]
    whole = [run(1) for run in runs]
    start, left = threading.Thread.start, [0]

    def few(thread):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", few)
    for run, alone in zip(runs, whole, strict=True):
        for count in (0, 1, 2, 3):
            left[0] = count
            np.testing.assert_array_equal(run(8), alone)


DAEMON = """
    import threading
    import fastgibbs as fg
    begun = threading.Event()
    forever = dict(beta=0.4, sweeps=10**8, thin=10**4, threads=3, progress=lambda done, total: done and begun.set())
    threading.Thread(target=fg.sample, args=(fg.lattice((32, 32)),), kwargs=forever, daemon=True).start()
    begun.wait()
    print("over")
"""


def test_a_daemon_thread_does_not_keep_its_process():
    assert child(DAEMON) == ("over\n", 0)


def test_a_signal_takes_its_course_when_the_run_has_ended():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        result = fg.sample(MODEL, progress=ctrl_c(), **FOREVER)
        assert signal.getsignal(signal.SIGINT).__name__ == "<lambda>"
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.interrupted
    assert heard == [signal.SIGINT]


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = fg.sample(MODEL, progress=ctrl_c(), **FOREVER | dict(sweeps=10**5))
    finally:
        signal.signal(signal.SIGINT, before)
    assert not result.interrupted


def test_an_error_of_somebodys_handler_comes_out_and_leaves_no_thread_behind():
    def alarm(number, frame):
        raise TimeoutError("mine")

    before = signal.signal(signal.SIGALRM, alarm)
    known = set(threading.enumerate())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(TimeoutError, match="mine"):
            fg.sample(MODEL, threads=2, **FOREVER)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for thread in set(threading.enumerate()) - known:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("count", [1, 3])
def test_after_a_stop_no_thread_begins_more_than_the_chunk_it_is_at(count, monkeypatch):
    monkeypatch.setattr(threads, "TICK_SECONDS", 0.01)
    asked, after = [], []

    def advance(block, first, last, crew):
        if asked and last > first:
            after.append(block)
        threading.Event().wait(0.0001 * (last - first))

    def progress(done, total):
        if done > 100 and not asked:
            fg.stop()
            asked.append(done)

    with running.running(progress) as run:
        end = run.advance(advance, list(range(9)), [0] * 9, 10**6, count)
    assert end.interrupted
    assert len(after) <= count


def test_fast_blocks_beside_slow_ones_never_ask_for_more_sweeps_than_there_are():
    asked = []

    def advance(block, first, last, crew):
        asked.append(last - first)
        if block % 3000 == 1:
            threading.Event().wait(0.03 * (last > first))

    with running.running() as run:
        end = run.advance(advance, list(range(6000)), [0] * 6000, 50, 1)
    assert end.done == [50] * 6000
    assert max(asked) <= 50


def test_exact_sums_are_stopped_too():
    """2^22 states of 400 units each are minutes of work, in pieces of milliseconds."""
    spectrum = fg.exact.spectrum(fg.RBM(np.zeros((22, 400))), threads=2)
    outcome = []

    def run():
        try:
            spectrum.log_z(1.0)
        except KeyboardInterrupt:
            outcome.append("stopped")

    thread = threading.Thread(target=run)
    thread.start()
    while not threads._under_way:
        threading.Event().wait(0.001)
    fg.stop()
    thread.join()
    assert outcome == ["stopped"]
