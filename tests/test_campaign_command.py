"""`python -m fastgibbs campaign FILE.toml`: plans, parts, signals, and what is wrong with a file."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from test_campaigns import contents

import fastgibbs as fg
from fastgibbs.__main__ import main
from fastgibbs.campaigns import plans
from fastgibbs.commands import verbs

SHIPPED = (verbs.HERE / "campaign.toml").read_text().replace("samples = 16", "samples = 2").replace("4000", "400")
FEW = """
[model]
recipe = "edwards_anderson"
shape = [4, 4]
[temper]
betas = [0.5, 1.0]
burn_in = 50
sweeps = 400
seed = 7
[grid]
samples = 3
"""


@pytest.fixture
def few(tmp_path):
    path = tmp_path / "few.toml"
    path.write_text(FEW)
    return path


def command(path, *options):
    return main(["campaign", str(path), "--output", str(path.parent / "out"), "--quiet", *options])


def test_the_shipped_file_is_run_to_averages_of_both_sizes(tmp_path, capsys):
    path = tmp_path / "campaign.toml"
    path.write_text(SHIPPED)
    assert command(path) == 0
    said = capsys.readouterr().out
    assert "4 tasks of temper" in said and "core hours" in said and "Campaign(4 of 4 tasks done)" in said
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("2 samples of") == 2 and "shape = (6, 6)" in page and "samples = 2" in page
    call = json.loads((tmp_path / "out/calls.jsonl").read_text())
    assert (call["tasks"], call["left"]) == (4, 4) and {"commit", "host", "numba", "began"} <= call.keys()


def test_a_dry_run_says_what_it_costs_and_runs_nothing(few, capsys):
    assert command(few, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "3, of which 3 are left" in said and "MB" in said and "nothing was run" in said
    assert not (few.parent / "out").exists()


def test_a_plan_is_near_what_tasks_cost(few):
    """Of bytes, which are the same every time."""
    task = fg.Task({"recipe": "lattice", "shape": (4, 4)}, "sample", {"beta": 0.4, "sweeps": 9000, "thin": 3}, 1)
    run = fg.campaign([task], few.parent / "one", progress=False)
    (path,) = (few.parent / "one").glob("tasks/*/*")
    assert plans.cost(task).bytes == pytest.approx(path.stat().st_size, rel=0.01)
    assert plans.cost(fg.Task(run[0].model, "log_z", {"method": "exact"}, 1)) is None
    assert "0 are left" in str(plans.plan(run))


def test_parts_share_a_folder_and_the_last_writes_the_page(few, capsys):
    assert command(few, "--part", "2/2") == 0
    assert len(contents(few.parent / "out")) == 1 and not (few.parent / "out/report.html").exists()
    assert "1 of all 3 tasks are done" in capsys.readouterr().out
    assert command(few, "--part", "1/2") == 0
    assert len(contents(few.parent / "out")) == 3 and (few.parent / "out/report.html").exists()


def test_tasks_of_more_samples_and_sweeps_are_those_that_were_there(few):
    """Seeds are of what a task is, and of no other."""
    assert command(few) == 0
    before = contents(few.parent / "out")
    few.write_text(FEW.replace("samples = 3", "samples = 4"))
    assert command(few) == 0
    after = contents(few.parent / "out")
    assert len(after) == 4 and before.items() <= after.items()
    few.write_text(FEW.replace("samples = 3", "samples = 4").replace("400", "500"))
    assert command(few) == 0
    longer = contents(few.parent / "out")
    assert longer.keys() == after.keys() and longer != after


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_leaves_a_checkpoint_that_the_next_submission_goes_on_from(number, tmp_path, swept):
    """The signal takes its course when all is saved."""
    arguments = {"betas": [0.5, 1.0], "sweeps": 400_000, "burn_in": 50, "thin": 1000}
    long = fg.Task({"recipe": "edwards_anderson", "shape": (4, 4), "seed": 5}, "temper", arguments, 5)
    heard, before = [], signal.signal(number, lambda *_: heard.append(list(tmp_path.rglob("*.checkpoint.npz"))))
    try:
        run = fg.campaign([long], tmp_path, progress=lambda *_: swept and not heard and os.kill(os.getpid(), number))
    finally:
        signal.signal(number, before)
    assert not run.done.any() and len(heard) == 1 and len(heard[0]) == 1
    whole = fg.campaign([long], tmp_path, progress=False)
    assert whole[0].energy.tobytes() == long.run().energy.tobytes()


def test_the_shipped_array_of_jobs_goes_on_from_where_a_signal_ended_it(few):
    """As SLURM runs it: in the folder of the submission, a process a part, the signal to the shell of the job."""
    few.write_text(FEW.replace("400", "600_000\nthin = 1000"))
    script, out = verbs.HERE.parent / "docs/campaign.slurm", few.parent / "results/few"
    of_slurm = os.environ | {"PYTHONPATH": str(verbs.HERE.parents[1]), "SLURM_ARRAY_TASK_COUNT": "2"}

    def begun(part):
        job = ["bash", str(script), few.name]
        return subprocess.Popen(job, cwd=few.parent, env=of_slurm | {"SLURM_ARRAY_TASK_ID": part})

    with begun("1") as job:
        while not (out / "tasks").exists():
            assert job.poll() is None
            time.sleep(0.01)
        job.send_signal(signal.SIGUSR1)
    assert job.returncode == -signal.SIGUSR1 and len(contents(out)) < 2
    for part in ("1", "2"):
        with begun(part) as job:
            pass
        assert job.returncode == 0
    assert len(contents(out)) == 3 and (out / "report.html").exists()


def test_a_campaign_with_a_task_that_fails_ends_with_status_1(few, capsys):
    few.write_text(FEW + "[grid.temper]\nrule = ['gibbs', 'metropolis', 'glauber']\n")
    assert command(few) == 1
    said = capsys.readouterr().out
    assert "Campaign(6 of 9 tasks done)" in said and "rule is 'glauber'" in said


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[temper]", "[tempr]", "no section of a verb"),
        ("[grid]", "[sample]\nbeta = 1.0\n[grid]", r"\[temper\] and \[sample\]"),
        ("[grid]", "[grids]", "a section is 'grids'.*'grid'"),
        ("seed = 7", "", r"\[temper\]: missing key 'seed'"),
        ("seed = 7", "seed = -7", "seed is -7"),
        ("recipe =", "recip =", r"\[model\]: give recipe"),
        ('"edwards_anderson"', '"edwards"', "recipe is 'edwards'"),
        ("samples = 3", "samples = 0", r"\[grid\]: samples is 0"),
        ("samples = 3", "sample = 3", r"\[grid\]: a key is 'sample'"),
        ("samples = 3", "[grid.model]\nshape = [[4, 4]]\nseed = [1]", "shape is given here and in"),
        ("samples = 3", "[grid.model]\nseed = 1", "give a list of the values"),
        ("samples = 3", "[grid.model]\nseed = [1, 1]", r"tasks\[1\] is the run of tasks\[0\]"),
        ("samples = 3", "samples = 3\n[output]\nfoldr = 'x'", r"\[output\]: a key is 'foldr'"),
        ("betas = [0.5, 1.0]", "bettas = [0.5, 1.0]", "argument is 'bettas'.*'betas'"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_before_anything_is_run(old, new, told, few, capsys):
    few.write_text(FEW.replace(old, new))
    assert command(few) == 2
    error = capsys.readouterr().err
    assert few.name in error
    assert re.search(told, error), error
    assert not (few.parent / "out").exists()


@pytest.mark.parametrize("part", ["3/2", "0/2", "2", "a/b", "1/0", "-1/2"])
def test_a_part_is_one_of_so_many(part, few, capsys):
    assert command(few, f"--part={part}") == 2
    assert "give K/N" in capsys.readouterr().err
