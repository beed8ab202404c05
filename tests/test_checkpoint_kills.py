"""Runs that are ended at any moment, by a signal, a kill or Ctrl-C, leave a checkpoint from which they go on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from test_checkpoints import GLASS

import fastgibbs as fg
from fastgibbs.io import read_archive


def child(script, **kwargs):
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], text=True, **kwargs)


LONG = """
    import sys
    import fastgibbs as fg
    model = fg.edwards_anderson((5, 5, 5), seed=1)
    runs = {
        "sample": (fg.sample, dict(beta=0.5, sweeps=10**7, thin=10**4)),
        "anneal": (fg.anneal, dict(betas=[0.5], sweeps=10**6)),
        "temper": (fg.temper, dict(betas=[0.2, 0.5, 1.0], sweeps=10**7, thin=10**4)),
        "train": (fg.train, dict(data=[[0, 1, 0], [1, 1, 0]], epochs=10**5, likelihood_every=0)),
    }
    run, kwargs = runs[sys.argv[1]]
    model = fg.RBM([[0.1, -0.1]] * 3) if run is fg.train else model
    print("ready", flush=True)
    run(model, seed=5, checkpoint=sys.argv[2], every=0.2, **kwargs)
    print("went on")
"""


def done_in(path):
    """The sweeps that all blocks of a checkpoint have done."""
    return min(block["done"] for block in read_archive(path, "checkpoint").header["blocks"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("method", ["sample", "anneal", "temper", "train"])
def test_a_signal_that_ends_a_process_ends_it_when_the_run_is_saved(method, number, tmp_path):
    path = tmp_path / "run.npz"
    command = [sys.executable, "-c", textwrap.dedent(LONG), method, str(path)]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    while not path.exists() or not done_in(path):
        time.sleep(0.01)
    process.send_signal(number)
    said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (-number, "")
    assert done_in(path) > 0


def test_a_handler_of_ones_own_hears_sigterm_after_the_run_is_saved(tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        result = fg.sample(
            GLASS,
            beta=0.5,
            sweeps=10**7,
            thin=10**4,
            checkpoint=tmp_path / "run.npz",
            progress=lambda done, total: heard or signal.raise_signal(signal.SIGTERM),
        )
        assert heard == [signal.SIGTERM]
        assert result.interrupted
        assert signal.getsignal(signal.SIGTERM).__name__ == "<lambda>"
    finally:
        signal.signal(signal.SIGTERM, before)


KILLED = """
    import os, random, signal, sys, time
    import fastgibbs as fg
    from fastgibbs import threads
    from fastgibbs.io import read_archive
    from fastgibbs.methods import running
    from test_checkpoints import same
    from test_growing import torn_bytes
    model, path = fg.edwards_anderson((5, 5, 5), seed=1), sys.argv[1]
    run, kwargs = {
        "sample": (fg.sample, dict(beta=0.5, sweeps=10**6, thin=50_000, keep_states=True)),
        "temper": (fg.temper, dict(betas=[0.2, 0.5, 1.0], sweeps=3 * 10**5, thin=3000, observe={"m": [1.0] * 125})),
    }[sys.argv[2]]
    kwargs["seed"] = 5
    whole = run(model, **kwargs)
    running.CHUNK_SECONDS = 0.001
    threads.TICK_SECONDS = 0.001
    random.seed(1)
    places, cut_short, torn = set(), 0, 0
    kills = 0
    enough = lambda: len(places) > 3 and cut_short and torn
    while kills < 100 or (kills < 500 and not enough()):
        kills += 1
        pid = os.fork()
        if pid == 0:
            while True:  # a run that has ended is saved twice more each time
                run(model, checkpoint=path, every=0, threads=1, **kwargs)
        time.sleep(random.uniform(0.01, 0.06) * (1 + kills // 100))  # a busy machine comes less far between two kills
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        left = [name for name in os.listdir(os.path.dirname(path)) if name.endswith(".partial")]
        assert len(left) <= 1
        cut_short += len(left)
        if os.path.exists(path):
            places.add(read_archive(path, "checkpoint").header["blocks"][0]["done"])
            torn += torn_bytes(path) > 0
    assert os.path.exists(path)
    same(run(model, checkpoint=path, **kwargs), whole)
    print(len(places), cut_short, torn, os.listdir(os.path.dirname(path)))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork, which makes a hundred processes cheap")
@pytest.mark.parametrize("method", ["sample", "temper"])
def test_a_hundred_kills_during_back_to_back_saving_leave_a_readable_checkpoint(method, tmp_path):
    here, path = str(Path(__file__).parent), str(tmp_path / "run.npz")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), path, method]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, *sys.path])}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=240, env=environment, check=True)
    places, cut_short, torn, left = done.stdout.split(maxsplit=3)
    assert int(places) > 3  # it was killed while it went on, too
    assert int(cut_short) > 0  # and in the middle of writing, which leaves a part beside the good one, for a while
    assert int(torn) > 0  # or at its end
    assert left == "['run.npz']\n"


STORMY = """
    import sys
    sys.path.insert(0, {tests!r})
    from storms import stopped_often
    from test_checkpoints import RUNS, fg, same
    run, model, kwargs = RUNS[{name!r}]
    kwargs = kwargs | dict(sweeps=20_000) | (dict() if run is fg.anneal else dict(thin=100))
    whole = run(model, seed=5, **kwargs)
    result, stops = stopped_often(lambda: run(model, seed=5, checkpoint={path!r}, every=0.05, threads=1, **kwargs), 20)
    same(result, whole)
    print(stops)
"""


@pytest.mark.parametrize("name", ["sample multispin", "anneal multispin", "temper grown"])
def test_interrupts_at_random_times_leave_a_run_that_goes_on(name, tmp_path):
    """Ctrl-C may come before the run begins, as a KeyboardInterrupt, or end it early with a partial result."""
    script = STORMY.format(tests=str(Path(__file__).parent), name=name, path=str(tmp_path / "run.npz"))
    process = child(script, stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert int(said) > 0
