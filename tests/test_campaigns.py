"""Campaigns: each task once, whole, by whoever works, to the same bytes; and what becomes of files and of faults."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from interrupts import ctrl_c

import fastgibbs as fg
from fastgibbs.campaigns import files
from fastgibbs.methods.checkpoints import Checkpoint

ARGUMENTS = {"betas": [0.5, 1.0], "sweeps": 400, "burn_in": 50}


def glass(seed):
    return {"recipe": "edwards_anderson", "shape": (4, 4), "seed": seed}


def tasks(count=3, **changed):
    return [fg.Task(glass(k), "temper", ARGUMENTS | changed, seed=k) for k in range(count)]


def campaign(asked, folder, **named):
    return fg.campaign(asked, folder, progress=named.pop("progress", False), **named)


def contents(folder):
    """Bytes of all results, by name."""
    return {path.name: path.read_bytes() for path in folder.rglob("tasks/*/*") if path.name.count(".") == 1}


class Idle:
    """An executor that nobody may ask for anything."""

    def submit(self, *call):
        raise AssertionError(f"was asked for {call}")


class Answer:
    def result(self):
        return self.found


class Later:
    """An executor whose answers have `result` and nothing else."""

    def submit(self, function, *arguments):
        answer = Answer()
        answer.found = function(*arguments)
        return answer


def of(task, folder, suffix):
    return Path(files.path_of(str(folder), task.digest, suffix))


def test_results_are_those_of_the_verbs_and_a_second_call_computes_nothing(tmp_path):
    asked = [*tasks(2), fg.Task(fg.lattice((4, 4)), "log_z", {"method": "exact", "beta": 0.4}, 0)]
    run = campaign(asked, tmp_path)
    again = campaign(asked, tmp_path, executor=Idle())
    assert len(run) == 3 and run.done.all() and again.done.all() and not run.failed and not run.interrupted
    for k, task in enumerate(asked[:2]):
        direct = fg.temper(fg.edwards_anderson((4, 4), seed=k), **ARGUMENTS, seed=k)
        for one in (run[k], again[k], fg.load(of(task, tmp_path, ".npz"))):
            assert one.energy.tobytes() == direct.energy.tobytes() and (one.states == direct.states).all()
    assert repr(again[2]) == repr(fg.log_z(fg.lattice((4, 4)), method="exact", beta=0.4))


def test_the_same_bytes_come_of_any_executor(tmp_path):
    campaign(tasks(), tmp_path / "own")
    with ThreadPoolExecutor(3) as threads:
        campaign(tasks(), tmp_path / "threads", executor=threads)
    campaign([*tasks()][::-1], tmp_path / "later", executor=Later())
    found = contents(tmp_path / "own")
    assert len(found) == 3
    assert found == contents(tmp_path / "threads") == contents(tmp_path / "later")


def test_what_is_new_is_all_that_is_computed(tmp_path):
    campaign(tasks(2), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("tasks/*/*")}
    run = campaign(tasks(4), tmp_path)
    assert run.done.all() and len(contents(tmp_path)) == 4
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_a_digest_is_that_of_the_run_whatever_it_is_written_like():
    """Golden ones, since every process hashes texts in an order of its own."""
    task = fg.Task(glass(1), "temper", ARGUMENTS, 2)
    assert task.digest == "8cc21f1895024e28d8590e606363632fca973d0258002f647f8feac544d4325e"
    clamped = {"beta": 0.1, "sweeps": 10, "clamp": {3: 1, 1: -1}, "observe": {"second": [0] * 16, "first": [1] * 16}}
    model = fg.Ising.from_edges(16, [0, 1], [1, 2], [0.25, -1.5])
    assert (
        fg.Task(model, "sample", clamped, 5).digest
        == "fb75cdea4a1a5e1bfb990b54b2be9189f98baa1fc61303f3036ca938cd545ed5"
    )
    alike = [
        fg.Task(glass(np.int64(1)) | {"shape": [4, 4]}, "temper", ARGUMENTS | {"betas": np.array([0.5, 1])}, 2),
        fg.Task(glass(1) | {"disorder": "bimodal"}, "temper", ARGUMENTS | {"thin": 1, "threads": 3}, np.uint8(2)),
        fg.Task(glass(1), "temper", dict(reversed(ARGUMENTS.items())) | {"burn_in": 50.0}, 2),
    ]
    assert {one.digest for one in alike} == {task.digest} and set(alike) == {task}
    longer = fg.Task(glass(1), "temper", ARGUMENTS | {"sweeps": 500}, 2)
    assert longer.digest == task.digest and longer != task
    others = [
        fg.Task(glass(2), "temper", ARGUMENTS, 2),
        fg.Task(glass(1), "temper", ARGUMENTS, 3),
        fg.Task(glass(1), "temper", ARGUMENTS | {"burn_in": 51}, 2),
        fg.Task(glass(1), "temper", ARGUMENTS | {"betas": [0.5, 1.01]}, 2),
        fg.Task(fg.edwards_anderson((4, 4), seed=1), "temper", ARGUMENTS, 2),
        fg.Task(glass(1), "anneal", {"sweeps": 400}, 2),
        fg.Task(glass(1), "anneal", {"sweeps": 401}, 2),
        fg.Task(glass(1), "temper", {"sweeps": 400}, 2),
        fg.Task(glass(1), "temper", {"sweeps": 402}, 2),  # whose ladder adapts, by other rounds
        fg.Task(glass(1), "temper", {"betas": [0.5, 1.0], "sweeps": 500}, 2),  # of which a fifth is burn-in
    ]
    assert len({one.digest for one in (*others, task)}) == len(others) + 1


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((glass(1), "tempr", ARGUMENTS, 1), "verb is 'tempr'.*'temper'"),
        ((glass(1), "temper", ARGUMENTS | {"seed": 1}, 1), "argument is 'seed'"),
        ((glass(1), "temper", ARGUMENTS | {"progress": True}, 1), "argument is 'progress'"),
        ((glass(1), "temper", ARGUMENTS | {"observe": {"m": print}}, 1), "observe is .*plain data"),
        ((glass(1), "temper", [0.5], 1), "arguments is"),
        ((glass(1), "temper", ARGUMENTS | {"sweeps": 0}, 1), "sweeps is 0"),
        ((glass(1), "sample", {"sweeps": 10}, 1), "missing argument 'beta'"),
        ((glass(1), "temper", ARGUMENTS, None), "seed is None"),
        ((glass(1), "temper", ARGUMENTS, -1), "seed is -1"),
        (({"recipe": "edwards_andersen", "shape": (4, 4)}, "temper", ARGUMENTS, 1), "'edwards_anderson'"),
        (({"recipe": "edwards_anderson", "shape": (4, 4)}, "temper", ARGUMENTS, 1), "missing argument 'seed'"),
        (({"recipe": "lattice", "shape": (4, 4), "seed": 1}, "temper", ARGUMENTS, 1), "argument is 'seed'"),
        ((3, "temper", ARGUMENTS, 1), "given is 3"),
        ((glass(1), "temper"), "missing"),
    ],
)
def test_what_is_no_task_is_told_by_its_number_before_anything_is_run(parts, told, tmp_path):
    with pytest.raises((TypeError, ValueError), match=rf"tasks\[1\].*{told}"):
        campaign([*tasks(1), parts], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_same_task_twice_and_what_is_no_folder_or_executor_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"tasks\[2\] is the run of tasks\[0\]"):
        campaign([*tasks(2), *tasks(1, sweeps=500)], tmp_path)
    with pytest.raises(TypeError, match=r"tasks\[0\] is 'temper'"):
        campaign(["temper"], tmp_path)
    with pytest.raises(TypeError, match="executor is 4"):
        campaign(tasks(), tmp_path, executor=4)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file"):
        campaign(tasks(), tmp_path / "file")
    assert len(campaign([], tmp_path)) == 0


def test_a_task_that_fails_stops_no_other_and_is_tried_again(tmp_path, monkeypatch):
    bad = fg.Task(glass(7), "temper", ARGUMENTS | {"rule": "metropolis", "betas": [0.0, 1.0]}, 7)
    run = campaign([bad, *tasks()], tmp_path)
    assert run.done.tolist() == [False, True, True, True]
    assert list(run.failed) == [0] and "Metropolis flips" in run.failed[0] and "Traceback" in run.failed[0]
    with pytest.raises(RuntimeError, match=r"tasks\[0\] failed: ValueError: betas\[0\] is 0"):
        run[0]
    assert [one.seed for one in run.finished()] == [0, 1, 2]
    real = fg.Task.run
    monkeypatch.setattr(fg.Task, "run", lambda task, **more: tasks(1)[0].run() if task == bad else real(task, **more))
    mended = campaign([bad, *tasks()], tmp_path)
    assert mended.done.all() and not mended.failed


def flipped(path):
    """The file with another byte, of the same size and time."""
    told, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


@pytest.mark.parametrize("what", ["cut", "empty", "flipped", "another's", "index gone and flipped", "index cut"])
def test_files_that_are_not_whole_are_found_and_computed_again(what, tmp_path):
    asked = tasks()
    right = [one.energy for one in campaign(asked, tmp_path)]
    path, index = of(asked[1], tmp_path, ".npz"), tmp_path / files.INDEX
    if what == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "another's":
        path.write_bytes(of(asked[2], tmp_path, ".npz").read_bytes())
    elif what == "index cut":
        index.write_bytes(index.read_bytes()[:100])
    else:
        flipped(path)
        if what != "flipped":
            index.unlink()
    run = campaign(asked, tmp_path)
    if what == "flipped":  # as only whoever reads it can know
        with pytest.raises(ValueError, match=r"damaged.*set aside"):
            run[1]
        run = campaign(asked, tmp_path)
    assert all((one.energy == other).all() for one, other in zip(run, right, strict=True))
    assert len(list(tmp_path.rglob("*.damaged"))) == (what != "index cut")


def test_more_sweeps_go_on_from_a_checkpoint_and_fewer_are_refused(tmp_path, monkeypatch):
    campaign(tasks(2), tmp_path, every=0.0)
    begun, restore = [], Checkpoint.restore
    monkeypatch.setattr(Checkpoint, "restore", lambda *a, **k: begun.append(restore(*a, **k)) or begun[-1])
    run = campaign(tasks(2, sweeps=600), tmp_path, every=0.0)
    assert begun and {done for blocks in begun for done in blocks} == {450}
    for k, task in enumerate(run.tasks):
        assert run[k].energy.tobytes() == task.run().energy.tobytes()
    shorter = campaign(tasks(2), tmp_path)
    assert not shorter.done.any() and "holds 600 sweeps" in shorter.failed[0]
    assert campaign(tasks(2, sweeps=600), tmp_path, executor=Idle()).done.all()
    with pytest.raises(LookupError, match="of 600 sweeps, asked for are 700"):
        fg.Campaign(tasks(1, sweeps=700), str(tmp_path), [True], False)[0]


def test_short_runs_leave_no_checkpoint_and_are_begun_again_for_more_sweeps(tmp_path):
    campaign(tasks(2), tmp_path)
    assert not list(tmp_path.rglob("*.checkpoint.npz"))
    run = campaign(tasks(2, sweeps=600), tmp_path)
    assert run[1].energy.tobytes() == run.tasks[1].run().energy.tobytes()


@pytest.mark.parametrize("how", ["callable", "Ctrl-C"])
def test_a_campaign_that_is_stopped_leaves_checkpoints_and_the_next_call_goes_on(how, tmp_path, swept):
    asked = tasks(4, sweeps=20_000)
    long = fg.Task(glass(9), "temper", ARGUMENTS | {"sweeps": 400_000, "thin": 1000}, 9)
    stop = ctrl_c() if how == "Ctrl-C" else lambda done, total: 0 < done < total
    checkpoint = of(long, tmp_path, ".checkpoint.npz")

    def progress(done, total):  # stopped when the long one has begun to sweep
        return str(checkpoint) in swept and stop(done, total)

    run = campaign([asked[0], long, *asked[1:]], tmp_path, progress=progress)
    assert run.interrupted and run.done[0] and not run.done[1] and "interrupted" in repr(run)
    with pytest.raises(RuntimeError, match=r"tasks\[1\] has not been run"):
        run[1]
    assert checkpoint.exists()
    whole = campaign([asked[0], long, *asked[1:]], tmp_path)
    assert whole.done.all()
    assert whole[1].energy.tobytes() == long.run().energy.tobytes()


def test_parts_of_a_campaign_are_read_as_it_is(tmp_path):
    asked = [fg.Task(glass(k) | {"shape": (4, side)}, "temper", ARGUMENTS, k) for side in (4, 5) for k in (1, 2)]
    run = campaign(asked, tmp_path)
    sizes = run.by("shape")
    assert list(sizes) == [(4, 4), (4, 5)] and [len(part) for part in sizes.values()] == [2, 2]
    assert [part[0].model.n for part in sizes.values()] == [16, 20]
    average = fg.analysis.disorder_average(sizes[4, 5])
    assert average.energy.tolist() == fg.analysis.disorder_average([run[2], run[3]]).energy.tolist()
    assert [one.seed for one in run[1:3]] == [2, 1] and run[-1].seed == 2
    with pytest.raises(ValueError, match="no task has such an argument"):
        run.by("size")
    with pytest.raises(IndexError):
        run[4]


def test_tables_and_reports_tell_of_all_tasks(tmp_path):
    pytest.importorskip("pandas", reason="a frame needs it")
    asked = [fg.Task(glass(k) | {"shape": (4, side)}, "temper", ARGUMENTS, k) for side in (4, 5) for k in (1, 2)]
    run = campaign(asked[:3], tmp_path)
    run = fg.Campaign(asked, run.directory, [True, True, True, False], False)
    frame = fg.integrations.to_dataframe(run)
    assert list(frame.columns) == ["task", "shape", "chain", "draw", "rung", "beta", "energy", "magnetization"]
    assert len(frame) == 3 * run[0].energy.size and set(frame["shape"]) == {"(4, 4)", "(4, 5)"}
    last = frame[frame.task == 2]["energy"].to_numpy()
    assert sorted(last.tolist()) == sorted(run[2].energy.ravel().tolist())
    assert run.report().table["state"] == ["done", "done", "done", "not run"]
    fg.report(run, tmp_path / "page.html")
    assert "(4, 5)" in (tmp_path / "page.html").read_text()
    with pytest.raises(ValueError, match="no task has been run"):
        run[3:].table()
