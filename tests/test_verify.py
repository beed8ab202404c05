"""`check_engine` and `python -m fastgibbs verify`: right engines pass, and each broken one fails by its fault."""

import copy
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scalar_engine
from scalar_engine import Scalar
from scipy import stats

import fastgibbs as fg
from fastgibbs import info, testing, verify
from fastgibbs.__main__ import main
from fastgibbs.methods.settings import ENGINES
from fastgibbs.testing import laws

TWINS = {name: importlib.import_module(f"fastgibbs.reference.{name}") for name in ENGINES}
GAUSSIAN = {"Gaussian": testing.MODELS["Gaussian"]}
DENSE, MULTISPIN, OVERLAP, SPARSE = (ENGINES[name] for name in ("dense", "multispin", "overlap", "sparse"))


def changed(engine, **functions):
    """An engine with other functions in place of its own."""
    engine = copy.copy(engine)
    vars(engine).update(functions)
    return engine


def hotter(engine):
    """An engine that is 5 % off in beta."""
    return changed(
        engine,
        start=lambda plan, lanes, ups, seed, betas, rule: engine.start(plan, lanes, ups, seed, 0.95 * betas, rule),
    )


@pytest.mark.parametrize("name", ENGINES)
def test_a_wrong_beta_is_found_in_every_engine_by_enumeration_alone(name):
    with pytest.raises(AssertionError, match="sweeps change the Boltzmann law"):
        testing.check_engine(hotter(ENGINES[name]))


@pytest.mark.parametrize("name", ENGINES)
def test_a_wrong_twin_is_found(name):
    twin = TWINS[name]
    wrong = SimpleNamespace(**vars(twin) | dict(sweep=lambda state, betas: twin.sweep(state, 1.05 * betas)))
    with pytest.raises(AssertionError, match=r"spins after sweep \d+ are not the twin's"):
        testing.check_engine(ENGINES[name], twin=wrong)


def test_a_strangers_engine_is_proven():
    models = {name: testing.MODELS[name] for name in ("+-J in a field", "Gaussian")}
    assert testing.check_engine(Scalar(), models) > 1e-6


FOUND = {
    "SNAPSHOT": "spins that site 0 alone is swept are not as they were",
    "RESTORE": "`restore` sets other spins",
    "RETAIN": "`retain` keeps other spins",
    "STALE": "sweeps change the Boltzmann law",
    "ENERGY": "the energy of draw",
    "SUM": "sums of spins are not those of the states",
    "SITE": "is decided as if",
    "SHARED": "at beta = 0 a sweep leaves",
    "DRAWS": "of draws after five sweeps are not",
    "SPENT": "goes on from restored spins otherwise",
}


@pytest.mark.parametrize("fault", FOUND)
def test_a_fault_of_a_strangers_engine_is_named(fault):
    with pytest.raises(AssertionError, match=FOUND[fault]):
        testing.check_engine(Scalar(getattr(scalar_engine, fault)), GAUSSIAN)


def after_start(engine, change):
    """An engine whose blocks are changed when they have started, `change(plan, state)` giving the plan."""

    def start(*args):
        plan, state = engine.start(*args)
        return change(plan, state) or plan, state

    return changed(engine, start=start)


def stale_fields(plan, state):
    state.stale[:] = 0
    state.fields[:] = plan.lowest


def stale_overlaps(plan, state):
    state.overlaps[:] = 0


def one_coupling(plan, state):
    couplings = plan.scaled_couplings.copy()
    couplings[0] *= 1.01
    couplings.flags.writeable = False  # as those of plans are: no kernel is compiled for it
    return plan._replace(scaled_couplings=couplings)


def one_stream(plan, state):
    state.streams[:] = state.streams[:, :1]


BROKEN = {
    "stale fields": (DENSE, after_start(DENSE, stale_fields), "is decided as if"),
    "stale overlaps": (OVERLAP, after_start(OVERLAP, stale_overlaps), "is decided as if"),
    "lanes of one stream": (
        SPARSE,
        after_start(SPARSE, one_stream),
        "draws by 2 threads",
    ),
    "streams by block": (
        SPARSE,
        changed(
            SPARSE, start=lambda plan, lanes, ups, seed, *rest: SPARSE.start(plan, lanes, ups, seed + len(lanes), *rest)
        ),
        "draws by 2 threads",
    ),
    "an offset": (SPARSE, after_start(SPARSE, lambda plan, state: plan._replace(offset=1.0)), "the energy of draw 0"),
    "a missing site": (
        SPARSE,
        changed(
            SPARSE,
            prepare=lambda models, strips, free=None: SPARSE.prepare(
                models, strips, [1, 2, 3, 4, 5] if free is None else free
            ),
        ),
        "at beta = 0",
    ),
    "a site too many": (
        SPARSE,
        changed(SPARSE, prepare=lambda models, strips, free=None: SPARSE.prepare(models, strips)),
        "that site 0 alone is swept",
    ),
    "a wrong coupling": (SPARSE, after_start(SPARSE, one_coupling), "is decided as if it cost"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_engine_fails_by_its_fault(name):
    engine, broken, fault = BROKEN[name]
    models = {"memories": testing.MODELS["memories"]} if engine is OVERLAP else GAUSSIAN
    testing.check_engine(engine, models, rules=["gibbs"])
    with pytest.raises(AssertionError, match=fault):
        testing.check_engine(broken, models, rules=["gibbs"])


def test_crews_that_do_not_wait_for_each_other_are_found(monkeypatch):
    """Each worker sweeps as if it were alone."""
    models = verify.LARGE["multispin"]
    assert testing.check_engine(MULTISPIN, models, rules=["gibbs"]) == 1.0
    crews = testing.blocks.Crew
    monkeypatch.setattr(testing.blocks, "Crew", lambda worker, workers, gate, late: crews(0, 1, gate, late))
    with pytest.raises(AssertionError, match="crews of 2 are not those of one thread"):
        testing.check_engine(MULTISPIN, models, rules=["gibbs"])


ODD = {
    "free": fg.Ising(np.zeros((4, 4))),
    "isolated": fg.Ising(np.zeros((3, 3)), [0.3, -2.0, 0.0]),
    "one spin": fg.Ising(np.zeros((1, 1)), [0.4]),
    "huge units": fg.edwards_anderson((5,), "gaussian", width=1e200, seed=5),
    "tiny units": fg.edwards_anderson((5,), "gaussian", width=1e-200, seed=5),
    "a large offset": fg.Ising.from_edges(3, [0, 1], [1, 2], [1.0, -0.3], offset=-1e6),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_models_are_no_false_alarm(name):
    assert testing.check_engine(SPARSE, {name: ODD[name]}, twin=TWINS["sparse"]) > 1e-6


def test_models_that_an_engine_refuses_are_left_out_and_all_of_them_an_error():
    assert {case.name for case in testing.cases(ENGINES["layered"])} == {"machine"}
    with pytest.raises(ValueError, match="it cannot run glass: the model is not an RBM"):
        testing.check_engine(ENGINES["layered"], {"glass": fg.lattice((3, 3))})


@pytest.fixture
def one_engine(monkeypatch):
    monkeypatch.setattr(verify, "ENGINES", {"layered": ENGINES["layered"]})
    return monkeypatch


def test_verify_prints_a_table_of_what_holds(one_engine, capsys):
    assert main(["verify"]) == 0
    header, *rows, last = capsys.readouterr().out.splitlines()[-4:]
    assert header.split()[:4] == ["engine", "model", "rule", "scan"]
    assert [row.split()[:4] for row in rows] == [
        ["layered", "machine", r, "sequential"] for r in ("gibbs", "metropolis")
    ]
    assert re.fullmatch(r"all 2 hold \(\d+ s\)", last)


def test_verify_names_what_fails_and_exits_with_1(one_engine, capsys):
    one_engine.setattr(verify, "ENGINES", {"layered": hotter(ENGINES["layered"])})
    assert main(["verify"]) == 1
    *rows, last = capsys.readouterr().out.splitlines()
    assert sum("FAILED: AssertionError: machine, " in row for row in rows) == 2
    assert last.startswith("2 of 2 FAILED")


def test_verify_goes_on_past_an_engine_that_raises(one_engine, capsys):
    one_engine.setattr(verify, "ENGINES", {"layered": changed(ENGINES["layered"], start=None)})
    assert main(["verify"]) == 1
    assert "FAILED: TypeError" in capsys.readouterr().out


def test_every_engine_has_a_twin_and_is_in_the_table():
    assert set(TWINS) == set(ENGINES) == {name for name in ENGINES if verify._cases(name, ENGINES[name])}


def test_info_names_the_machine_and_every_optional_package(capsys, monkeypatch):
    monkeypatch.setattr(info, "CACHE_FOLDER", None)
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    for line in ("fastgibbs", "numba", "numpy", "llvmlite", "Python", "cores", "memory", "kernels for", "cache"):
        assert re.search(rf"^{line} +\S", shown, re.MULTILINE)
    assert re.search(r"vectors of (128|256|512) bits", shown)
    extras = tomllib.loads((Path(fg.__file__).parents[1] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for extra in ("plot", "xarray", "free-energy"):
        for requirement in extras[extra]:
            assert re.search(rf"^{extra} .*{requirement.split('>')[0]} (\d|not found)", shown, re.MULTILINE)


def test_info_counts_the_cache_and_what_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "kernel.1.nbc").write_bytes(bytes(3 * 2**20))
    monkeypatch.setattr(info, "CACHE_FOLDER", tmp_path)
    monkeypatch.setattr(info, "EXTRAS", {"plot": ("no-such-package",)})
    assert f"{tmp_path}, 3.0 MiB" in info.report()
    assert "plot          no-such-package not found" in info.report()


def test_the_version_is_printed():
    done = subprocess.run([sys.executable, "-m", "fastgibbs", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fastgibbs {fg.__version__}\n"


# The tests of laws


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 255, 1023])
def test_the_chance_of_chi_square_is_scipys(freedom):
    for ratio in (0.01, 0.5, 0.9, 1.0, 1.1, 1.5, 3.0):
        expected = stats.chi2.sf(ratio * freedom, freedom)
        assert laws._beyond(ratio * freedom, freedom) == pytest.approx(expected, rel=1e-11)


def test_p_values_of_right_draws_are_uniform_and_those_of_wrong_ones_small():
    """At 1e-4 each: of one table of counts; and the doubled one of two gives less than x at a rate of x at most."""
    model, rng = testing.MODELS["Gaussian"], np.random.default_rng(1)
    p, _ = laws.draw_exactly(model, 0.7, rng, 1)
    counts = [rng.multinomial(4096, p).astype(float) for _ in range(400)]
    found = [laws.chi_square([(one, 4096 * p)]) for one in counts]
    assert stats.kstest(found, "uniform").pvalue > 1e-4
    doubled = np.array([laws.pvalue(model, laws.draw_exactly(model, 0.7, rng, 4096)[1], p) for _ in range(200)])
    assert stats.binomtest(int((doubled < 0.1).sum()), 200, 0.1, alternative="greater").pvalue > 1e-4
    assert laws.pvalue(model, laws.draw_exactly(model, 0.77, rng, 4 * 4096)[1], p) < 1e-6
