"""What becomes of a campaign whose workers break, die, are late, or are taken by somebody else."""

import os
import signal
import time
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import pytest
from test_campaigns import ARGUMENTS, Later, campaign, contents, of, tasks

import fastgibbs as fg
from fastgibbs.campaigns import driving, plans
from fastgibbs.io import held
from fastgibbs.threads import stoppable


class Breaking(Later):
    """An executor whose answers are errors after so many calls."""

    def __init__(self, calls, error):
        self.left, self.error = calls, error

    def submit(self, function, *arguments):
        self.left -= 1
        if self.left >= 0:
            return super().submit(function, *arguments)
        answer = Future()
        answer.set_exception(self.error)
        return answer


def test_what_was_done_is_there_when_an_executor_breaks(tmp_path):
    with pytest.raises(RuntimeError, match=r"executor broke \(no memory\).*next call goes on"):
        campaign(tasks(4), tmp_path, executor=Breaking(3, BrokenExecutor("no memory")))
    assert len(contents(tmp_path)) == 2  # the first call compiles
    assert campaign(tasks(4), tmp_path).done.all()


def test_a_worker_that_dies_of_a_task_is_a_failure_of_that_task(tmp_path):
    run = campaign(tasks(2), tmp_path, executor=Breaking(2, ConnectionError("worker died three times")))
    assert run.done.tolist() == [True, False] and "died three times" in run.failed[1]


def test_a_task_that_somebody_else_runs_is_left_to_them(tmp_path):
    asked = tasks(2)
    campaign(asked[:1], tmp_path)
    path = of(asked[1], tmp_path, ".npz")
    path.parent.mkdir(exist_ok=True)
    with held(path):
        run = campaign(asked, tmp_path)
    assert run.done.tolist() == [True, False] and not run.failed
    assert campaign(asked, tmp_path).done.all()


def test_an_executor_never_holds_more_than_a_window_of_tasks(tmp_path, monkeypatch):
    monkeypatch.setattr(driving, "WINDOW", 3)
    waiting, most = [], []

    class Counting(ThreadPoolExecutor):
        def submit(self, *call):
            answer = super().submit(*call)
            waiting.append(answer)
            most.append(sum(not one.done() for one in waiting))
            return answer

    with Counting(1) as executor:
        assert campaign(tasks(12), tmp_path, executor=executor).done.all()
    assert max(most) <= 3 and len(waiting) == 13


@pytest.mark.filterwarnings("ignore")  # of dask's own
def test_dask_goes_on_when_a_worker_is_killed_inside_a_kernel_and_another_joins_late(tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra dask")
    asked = tasks(6, sweeps=20_000)
    long = fg.Task(asked[0].model, "temper", asked[0].arguments | {"sweeps": 600_000, "thin": 1000}, 9)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        cluster.get_client() as client,
        ThreadPoolExecutor(1) as beside,
    ):
        (victim,) = client.run(os.getpid).values()

        def disturb():
            given_up = time.monotonic() + 120
            while not of(long, tmp_path / "dask", ".checkpoint.npz").exists() and time.monotonic() < given_up:
                time.sleep(0.01)
            os.kill(victim, signal.SIGKILL)  # its nanny starts another, which joins late

        disturbed = beside.submit(disturb)
        run = campaign([long, *asked], tmp_path / "dask", executor=client.get_executor(), every=0.05)
        disturbed.result()
        assert victim not in client.run(os.getpid).values()
    assert run.done.all()
    campaign([long, *asked], tmp_path / "own")
    assert contents(tmp_path / "dask") == contents(tmp_path / "own")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_was_forked_during_a_run_ends_by_the_signals_that_the_run_hears(number):
    """As workers do whose pool is broken: a pool waits until they have ended."""
    with stoppable([signal.SIGTERM]):
        child = os.fork()
        if not child:
            try:
                time.sleep(60)
            finally:
                os._exit(3)  # by a KeyboardInterrupt
        time.sleep(0.1)
        os.kill(child, number)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (-signal.SIGTERM if number == signal.SIGTERM else 3)


def test_a_task_that_fails_before_it_is_submitted_stops_no_other(tmp_path):
    """No short run of it can be made to compile its kernels."""
    bad = [fg.Task(tasks(1)[0].model, "temper", ARGUMENTS | {"thin": thin}, 1) for thin in (0, "two", 401)]
    run = campaign([*bad, *tasks(2)], tmp_path, executor=Later())
    assert run.done.tolist() == [False] * 3 + [True] * 2 and list(run.failed) == [0, 1, 2]
    assert "0 tasks" not in str(plans.plan(run))


@pytest.mark.parametrize("what", ["garbage", "of another run", "cut"])
def test_a_damaged_checkpoint_is_set_aside_and_costs_its_own_time_alone(what, tmp_path):
    long, other = (tasks(1, sweeps=sweeps, burn_in=burn_in)[0] for sweeps, burn_in in ((900, 50), (400, 60)))
    for task in (other, tasks(1)[0]):
        campaign([task], tmp_path, every=0.0)
    path = of(long, tmp_path, ".checkpoint.npz")
    content = of(other, tmp_path, ".checkpoint.npz").read_bytes() if what == "of another run" else path.read_bytes()
    path.write_bytes({"garbage": b"PK and so on", "cut": content[:-200]}.get(what, content))
    run = campaign([long], tmp_path)
    assert run.done.all(), run.failed
    assert run[0].energy.tobytes() == long.run().energy.tobytes()
    assert len(list(tmp_path.rglob("*.damaged"))) == 1
