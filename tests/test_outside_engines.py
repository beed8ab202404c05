"""Engines of somebody else, in one file each: what `register` asks, what then runs, and kernels that are cached."""

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from scalar_engine import Scalar, ScalarState

import fastgibbs as fg
from fastgibbs.engines import ENGINES, contract, register
from fastgibbs.jit import gives

ROOT = Path(fg.__file__).parents[1]
GLASS = fg.edwards_anderson((3, 3), "gaussian", seed=1)
LOOPS = re.findall(r"```python\n(.*?)```", (ROOT / "fastgibbs" / "docs" / "extending.md").read_text(), re.DOTALL)[2]


@pytest.fixture
def scalar():
    with mock.patch.dict(ENGINES):
        yield register(Scalar())


# What a stranger registers


class Nameless(contract.Engine):
    pass


class Bodiless(Scalar):
    name, plan = "bodiless", ScalarState


class Automatic(Scalar):
    name = "auto"


class Another(Scalar):
    name = "sparse"


@pytest.mark.parametrize(
    ("engine", "error", "said"),
    [
        (Scalar, TypeError, r"class .*Scalar'> is no engine: derive its class from .*Engine, and give an instance"),
        (Nameless(), TypeError, r"Nameless lacks name, plan, prepare\(\), start\(\)"),
        (Bodiless(), TypeError, r"lacks a body of sweep, by gives\(sweep, ScalarState\), a body of measure, by"),
        (Automatic(), ValueError, "name is 'auto' of Automatic: give an identifier other than 'auto'"),
        (Another(), ValueError, "name is 'sparse' of Another: Sparse has it"),
    ],
)
def test_what_an_engine_lacks_is_said_before_it_is_registered(engine, error, said):
    before = dict(ENGINES)
    with pytest.raises(error, match=said):
        register(engine)
    assert before == ENGINES


def test_a_body_with_other_arguments_is_refused():
    with pytest.raises(TypeError, match=r"sweep\(plan, state, rungs\): sweep has \(plan, state, rungs, rule"):

        @gives(contract.sweep, ScalarState)
        def sweep(plan, state, rungs):
            pass


def test_an_engine_registers_again_as_a_cell_runs_again(scalar):
    other = Scalar()
    assert register(other) is ENGINES["scalar"] is other


# What then runs

LONG = {
    "sample": dict(beta=0.5, sweeps=60_000, thin=6000),
    "anneal": dict(sweeps=60_000),
    "temper": dict(betas=[0.1, 0.5, 0.9], sweeps=60_000, ladders=16, thin=6000),
}


@pytest.mark.parametrize("verb", ["sample", "anneal", "temper"])
def test_verbs_run_a_registered_engine_and_checkpoints_resume_it(scalar, verb, tmp_path):
    run, kwargs = getattr(fg, verb), LONG[verb] | dict(seed=1, engine="scalar")
    path, whole = tmp_path / "run.npz", run(GLASS, **kwargs)
    assert whole.engine == "scalar"
    assert run(GLASS, **kwargs, checkpoint=path, progress=lambda done, total: True).interrupted
    again = run(GLASS, **kwargs, checkpoint=path)
    np.testing.assert_array_equal(again.energy, whole.energy)
    np.testing.assert_array_equal(GLASS.energy(again.states).ravel(), GLASS.energy(whole.states).ravel())
    whole.save(tmp_path / "result.npz")
    assert fg.load(tmp_path / "result.npz").engine == "scalar"


def test_auto_asks_a_registered_engine_last(scalar):
    assert list(ENGINES)[-1] == "scalar"
    assert fg.sample(GLASS, beta=0.5, sweeps=1).engine == "sparse"
    with mock.patch.dict(ENGINES, {"scalar": scalar}, clear=True):
        assert fg.sample(GLASS, beta=0.5, sweeps=1).engine == "scalar"
    with pytest.raises(ValueError, match="engine 'scalar' cannot run this: it scans in sequence"):
        fg.sample(GLASS, beta=0.5, sweeps=1, scan="random", engine="scalar")


# Kernels that are cached


TOY = """
from typing import NamedTuple
import helper
import numpy as np
from fastgibbs.engines.contract import restore, snapshot
from fastgibbs.engines.carrying import carry
from fastgibbs.jit import gives

K = 1

class Plan(NamedTuple):
    a: int
    b: int

class State(NamedTuple):
    spins: np.ndarray

@gives(snapshot, Plan)
def _snapshot(plan, state, words):
    words[0, 0] = K + helper.twice(plan.a)

@gives(restore, Plan)
def _restore(plan, state, words):
    pass
"""
HELPER = "from fastgibbs.jit import inlined\n\n@inlined\ndef twice(x):\n    return 2 * x\n"
RUN = """
import sys
from {module} import Plan, State, carry, np
words, (one, other, kept) = np.zeros((1, 1), np.uint16), np.ones((3, 1, 16), np.int8)
carry(Plan(3, 5), State(one), words, State(other), kept, np.zeros(16, np.uint8))
print(sum(carry.stats.cache_hits.values()), words[0, 0])
"""


def child(folder, script):
    """What a new process prints; it warns of nothing."""
    environment = dict(NUMBA_CACHE_DIR=str(folder / "cache"), PYTHONPATH=f"{folder}{os.pathsep}{ROOT}")
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return tuple(done.stdout.split())


@pytest.fixture
def carried(tmp_path):
    """A function that has a kernel compiled for a toy's plan in a new process: hits of the cache, what it writes."""

    def run(toy=TOY, helper=HELPER, module="toy"):
        (tmp_path / f"{module}.py").write_text(toy)
        (tmp_path / "helper.py").write_text(helper)
        return child(tmp_path, RUN.format(module=module))

    return run


def test_an_edited_engine_is_never_served_stale_and_an_unedited_one_never_compiles_again(carried):
    """Edited: a body, a number and a function of another file that it reads, the order of fields."""
    assert carried() == ("0", "7")
    assert carried() == ("1", "7")
    assert carried(TOY + "\n# further down\nmore = 3\n") == ("1", "7")
    assert carried(TOY.replace("K + ", "K - ")) == ("0", str(2**16 - 5))
    assert carried(TOY.replace("K = 1", "K = 2")) == ("0", "8")
    assert carried(helper=HELPER.replace("2 * x", "4 * x")) == ("0", "13")
    assert carried(TOY.replace("    a: int\n    b: int\n", "    b: int\n    a: int\n")) == ("0", "11")
    assert carried(TOY + "\ngives(snapshot, Plan)(_restore)\n") == ("0", "0")
    assert carried() == ("1", "7")


def test_engines_of_equal_names_share_no_kernel_and_none_needs_the_others_file(carried, tmp_path):
    assert carried() == ("0", "7")
    assert carried(TOY.replace("K = 1", "K = 3"), module="other") == ("0", "9")
    (tmp_path / "toy.py").unlink()
    assert carried(TOY.replace("K = 1", "K = 3"), module="other") == ("1", "9")


def test_an_engine_that_nobody_finds_again_is_compiled_in_every_process(tmp_path):
    script = f"names = {{'__name__': 'nowhere'}}\nexec({TOY!r}, names)\nglobals().update(names)\n" + RUN.replace(
        "from {module} import Plan, State, carry, np\n", ""
    )
    (tmp_path / "helper.py").write_text(HELPER)
    assert child(tmp_path, script) == child(tmp_path, script) == ("0", "7")


def test_the_engine_of_the_page_is_compiled_once_and_a_process_without_it_reads_the_cache(tmp_path):
    engine, _ = LOOPS.split("fg.testing.check_engine")
    (tmp_path / "loops.py").write_text("import numpy as np\nimport fastgibbs as fg\n" + engine)
    run = "import {}fastgibbs as fg\nfrom fastgibbs.engines.entries import hold\n"
    run += "r = fg.sample(fg.lattice((3, 3)), beta=0.4, sweeps=3, seed=1, engine={!r})\n"
    run += "print(sum(hold.stats.cache_hits.values()), r.energy.sum())"
    first = child(tmp_path, run.format("loops, ", "loops"))
    assert first[0] == "0"
    assert child(tmp_path, run.format("loops, ", "loops")) == ("1", first[1])
    assert child(tmp_path, run.format("", "sparse"))[0] == "0"
    assert child(tmp_path, run.format("", "sparse"))[0] == "1"


def test_a_kernel_of_a_strangers_file_follows_what_it_calls_in_another(tmp_path):
    (tmp_path / "own.py").write_text(
        "import helper\nfrom fastgibbs.jit import njit\n\n@njit\ndef tripled(x):\n    return x + helper.twice(x)\n"
    )
    script = "from own import tripled\nx = tripled(3)\nprint(sum(tripled.stats.cache_hits.values()), x)"
    told = []
    for helper in (HELPER, HELPER, HELPER.replace("2 * x", "4 * x")):
        (tmp_path / "helper.py").write_text(helper)
        told.append(child(tmp_path, script))
    assert told == [("0", "9"), ("1", "9"), ("0", "15")]
