"""Energies of somebody else, in one file each: `strangers/triplets.py` and `strangers/budget.py`."""

import os
import subprocess
import sys
import types
from pathlib import Path

import numba
import numpy as np
import pytest
from probe import z_score
from strangers.budget import Budget
from strangers.triplets import Triplets

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES
from fastgibbs.fingerprints import fingerprint
from fastgibbs.methods.descent import quenched
from fastgibbs.methods.schedules import coldest
from fastgibbs.reference import annealing, sampling, tempering
from fastgibbs.reference import terms as twin

HERE, ROOT = Path(__file__).parent / "strangers", Path(fg.__file__).parents[1]
RNG = np.random.default_rng(1)
GLASS = Triplets(9, [RNG.permutation(9)[:3] for _ in range(14)], RNG.normal(size=14))
MODELS = {"triplets": GLASS, "budget": Budget(10, 4)}
LEVEL = 4.5  # standard errors: a two-sided false-alarm rate of 2e-5 in each test with 128 chains or more


# What a stranger writes


@pytest.mark.parametrize("name", ["triplets", "budget"])
def test_an_energy_is_a_file_of_at_most_40_lines(name):
    assert len((HERE / f"{name}.py").read_text().splitlines()) <= 40


def test_an_energy_that_no_file_holds_runs_in_every_process(tmp_path):
    """Numba cannot find its functions again: they are compiled anew, and what else is cached stays."""
    script = tmp_path / "told.py"
    source = (HERE / "triplets.py").read_text()
    script.write_text(
        f"names = {{'__name__': 'nowhere'}}\nexec({source!r}, names)\nimport fastgibbs as fg\n"
        "model = names['Triplets'](3, [[0, 1, 2]], [1.0])\n"
        "print(fg.sample(model, beta=1.0, sweeps=20, seed=1).energy.sum())\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    told = []
    for _ in range(2):
        run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        told.append(run.stdout)
    assert told[0] == told[1]


# The engine and its twin


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_trajectories_equal_the_twins_bit_for_bit(name, rule, scan):
    model = MODELS[name]
    betas = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, 1e300, -0.7], np.linspace(0.2, 2.0, 12)])
    kwargs = dict(sweeps=20, burn_in=3, thin=2, rule=rule, scan=scan, seed=5)
    result = fg.sample(model, beta=betas, threads=1, **kwargs)
    assert result.engine == "terms"
    energy, magnetization, states = sampling.sample(twin, model, betas, chains=betas.size, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


@pytest.mark.parametrize("name", MODELS)
def test_the_suite_for_engines_proves_this_one(name):
    fg.testing.check_engine(ENGINES["terms"], {name: MODELS[name]}, twin=twin)


@pytest.mark.parametrize("name", MODELS)
def test_tempering_equals_the_twin_bit_for_bit(name):
    model, betas = MODELS[name], np.array([0.0, 0.3, 0.8, 2.0])
    kwargs = dict(sweeps=20, burn_in=4, thin=2, swap_every=2, overlap_every=4, clusters=True, rule="gibbs", seed=3)
    result = fg.temper(model, betas=betas, ladders=4, **kwargs)
    expected = tempering.temper(twin, sampling.Whole(model), betas, 4, **kwargs)
    np.testing.assert_array_equal(result.energy, expected.energies)
    np.testing.assert_array_equal(result.states, expected.states)
    np.testing.assert_array_equal(result.round_trips, expected.round_trips)
    np.testing.assert_array_equal(result.overlap.histogram, expected.histogram)


# The law


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_a_tempered_energy_is_the_enumerated_one(name, rule):
    model, betas = MODELS[name], np.array([0.1, 0.4, 0.9])
    spectrum = exact.spectrum(model)
    kwargs = dict(sweeps=400, ladders=128, adapt=False, rule=rule, overlap_every=0, seed=4)
    result = fg.temper(model, betas=betas, **kwargs)
    for rung, beta in enumerate(betas):
        assert abs(z_score(result.energy[:, rung], spectrum.energy(beta))) < LEVEL
        assert abs(z_score(result.energy[:, rung], spectrum.energy(1.1 * beta + 0.1))) > LEVEL  # the broken twin


@pytest.mark.parametrize("name", MODELS)
def test_log_z_is_the_enumerated_one(name):
    """Within 4.5 errors, a two-sided rate of 7e-6 if they are normal."""
    model = MODELS[name]
    expected = fg.log_z(model, method="exact", beta=0.8)
    assert expected.value == exact.spectrum(model).log_z(0.8)
    for method in ("ais", "tempering"):
        found = fg.log_z(model, method=method, beta=0.8, steps=500, seed=2)
        assert abs(found.value - expected.value) < 4.5 * found.error < 0.5


@pytest.mark.parametrize("n", [0, 1, 2])
def test_the_smallest_models_run(n):
    model = Budget(n, 0.3)
    result = fg.sample(model, beta=1.0, sweeps=3, chains=5, seed=1)
    np.testing.assert_allclose(result.energy[:, -1], model.energy(result.states))


def test_what_cannot_be_run_is_said_before_anything_compiles():
    bare = type("Bare", (Budget,), {"flips": lambda self: None})(6, 2)
    for verb in (fg.anneal, fg.temper, lambda model: fg.sample(model, beta=1.0, sweeps=1), fg.log_z):
        with pytest.raises(ValueError, match=r"Bare\(n=6\) has no Ising form, nor says what a flip costs"):
            verb(bare)
    with pytest.raises(ValueError, match="'sparse' cannot run this: the model has no Ising form; engine 'terms' can"):
        fg.sample(GLASS, beta=1.0, sweeps=1, engine="sparse")
    with pytest.raises(ValueError, match="engine 'terms' cannot run this: at beta = inf the rounding of a cost would"):
        fg.sample(GLASS, beta=np.inf, sweeps=1)
    with pytest.raises(ValueError, match="'terms' cannot run this: the model does not say what a flip costs"):
        fg.sample(fg.lattice((3, 3)), beta=1.0, sweeps=1, engine="terms")
    with pytest.raises(ValueError, match="it runs one model at a time"):
        fg.sample([GLASS, GLASS], beta=1.0, sweeps=1)


def test_pseudo_likelihoods_of_any_energy_are_those_of_its_flips():
    data = MODELS["budget"].from_spins(exact.states(10)[::37])
    turned = np.where(np.eye(10, dtype=bool), 1 - data[:, None], data[:, None])
    costs = MODELS["budget"].energy(turned) - MODELS["budget"].energy(data)[:, None]
    expected = -np.logaddexp(0, -0.7 * costs).sum(axis=1).mean()
    assert fg.pseudo_likelihood(MODELS["budget"], data, beta=0.7) == pytest.approx(expected, rel=1e-13)


# Annealing


@pytest.mark.parametrize("name", MODELS)
def test_annealing_equals_the_twin_bit_for_bit(name):
    model, betas = MODELS[name], np.linspace(0.1, 2.0, 6)
    result = fg.anneal(model, betas=betas, sweeps=betas.size, reads=20, seed=3, keep=5)
    expected = annealing.anneal(twin, sampling.Whole(model), betas, 20, "gibbs", 3, keep=5)
    order = np.argsort(result.read)
    np.testing.assert_array_equal(result.states[order], expected.best_states)
    np.testing.assert_array_equal(result.energy[order], expected.best_energies)
    np.testing.assert_array_equal(result.trace_mean, expected.trace_mean)
    np.testing.assert_array_equal(result.last_states[order], expected.states)
    np.testing.assert_allclose(result.kept_energy, expected.lowest[0], atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_annealing_finds_the_enumerated_ground_states_by_a_schedule_of_its_own(name):
    model, spectrum = MODELS[name], exact.spectrum(MODELS[name])
    result = fg.anneal(model, reads=64, sweeps=100, seed=1)
    assert result.energy[0] == pytest.approx(spectrum.ground_energy, abs=1e-12)
    found = {state.tobytes() for state in result.ground_states}
    assert found <= {state.tobytes() for state in spectrum.ground_states}
    stopped = fg.anneal(model, reads=4, sweeps=10**6, seed=1, target_energy=spectrum.ground_energy + 1e-12)
    assert stopped.done[0] < 10**6


def test_a_schedule_may_end_at_infinity():
    result = fg.anneal(GLASS, betas=[0.3, np.inf], sweeps=60, reads=32, seed=1)
    assert np.isfinite(result.trace_mean).all() and (np.diff(result.trace_mean[-5:]) <= 1e-12).all()


@pytest.mark.parametrize("name", MODELS)
def test_no_flip_lowers_what_the_descent_returns(name):
    model = MODELS[name]
    states = model.from_spins(exact.states(model.n))
    ends = quenched(model, states)
    energies = model.energy(ends)
    assert (energies <= model.energy(states) + 1e-12).all()
    for site in range(model.n):
        turned = ends.copy()
        turned[:, site] = np.where(ends[:, site] == 1, model.low, 1)
        assert (model.energy(turned) >= energies - 1e-12).all()
    held = quenched(model, states, np.arange(3))
    np.testing.assert_array_equal(held[:, 3:], states[:, 3:])


def test_what_a_model_asks_for_goes_with_its_unit():
    """Betas to anneal and to temper at, of the same energy in other units."""
    other = Triplets(9, GLASS.triples, 1000 * GLASS.J)
    np.testing.assert_allclose(fg.beta_schedule(GLASS, 50), 1000 * fg.beta_schedule(other, 50), rtol=1e-9)
    assert coldest(GLASS) == pytest.approx(1000 * coldest(other), rel=1e-9)
    assert 0.5 < coldest(GLASS) < 100
    assert coldest(Triplets(3, np.empty((0, 3), int), [])) == 1.0


# What is kept


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("verb", ["sample", "temper"])
def test_a_result_is_saved_with_its_model(name, verb, tmp_path):
    model = MODELS[name]
    runs = {"sample": dict(beta=0.7, sweeps=4, chains=3), "temper": dict(betas=[0.0, 0.4], sweeps=4)}
    result = getattr(fg, verb)(model, seed=1, **runs[verb])
    result.save(tmp_path / "result.npz")
    again = fg.load(tmp_path / "result.npz")
    assert again.model == model and type(again.model) is type(model)
    np.testing.assert_array_equal(again.energy, result.energy)
    np.testing.assert_array_equal(again.states, result.states)


LONG = {
    "sample": dict(beta=0.7, sweeps=40_000, chains=70, thin=4000),
    "anneal": dict(sweeps=20_000, reads=70),
    "temper": dict(betas=[0.1, 0.5, 0.9], sweeps=10_000, ladders=16, thin=1000),
}


@pytest.mark.parametrize(("verb", "name"), [(verb, "triplets") for verb in LONG] + [("sample", "budget")])
def test_a_run_goes_on_from_its_checkpoint_to_the_same_bytes(verb, name, tmp_path):
    model, path = MODELS[name], tmp_path / "run.npz"
    run, kwargs = getattr(fg, verb), LONG[verb] | dict(seed=1)
    whole = run(model, **kwargs)
    assert run(model, **kwargs, checkpoint=path, progress=lambda done, total: True).interrupted
    again = run(model, **kwargs, checkpoint=path)
    assert not again.interrupted
    np.testing.assert_array_equal(again.energy, whole.energy)
    np.testing.assert_array_equal(again.states, whole.states)
    other = Triplets(9, GLASS.triples, 2 * GLASS.J) if name == "triplets" else Budget(10, 5)
    with pytest.raises(ValueError, match="was written with another model"):
        run(other, **kwargs, checkpoint=path)


def test_what_is_loaded_is_of_a_class_that_is_known_here(tmp_path):
    fg.sample(GLASS, beta=1.0, sweeps=1, seed=1).save(tmp_path / "glass.npz")
    script = f"import fastgibbs as fg; fg.load({str(tmp_path / 'glass.npz')!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment(tmp_path))
    assert "'strangers.triplets.Triplets': no model has it; a class of your own must be imported" in done.stderr

    class Forgetful(fg.Energy):
        def __init__(self, n, width):
            super().__init__(n)

        def energy(self, states):
            return np.zeros(np.shape(states)[:-1])

        def flips(self):
            return fg.Flips(lambda spins, site: 0.0)

    result = fg.sample(Forgetful(3, 2.0), beta=1.0, sweeps=1)
    with pytest.raises(TypeError, match=r"Forgetful\(n=3\) keeps no attribute 'width'"):
        result.save(tmp_path / "other.npz")


# Kernels that are cached


def environment(folder, **more):
    paths = os.pathsep.join(map(str, (folder, ROOT, HERE.parent)))
    return os.environ | {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": paths} | more


PARTS = {
    "own": "import numpy as np\nimport fastgibbs as fg\nimport helper\nfrom helper import twice\n\nK = 1.0\n",
    "cost": "def cost(spins, site, h):\n    return K * twice(h[site] * spins[site]) * helper.SCALE\n",
    "class": """
class Field(fg.Energy):
    def __init__(self, h):
        super().__init__(len(h), h=np.array(h, float))

    def energy(self, states):
        return -helper.SCALE * K * self.to_spins(states) @ self.h * twice(0.5)

    def flips(self):
        return fg.Flips(cost, (self.h,))
""",
    "helper": "import numba\nSCALE = 1.0\n\n@numba.njit\ndef twice(x):\n    return 2 * x\n",
}
RUN = """
from fastgibbs.engines import ENGINES, terms
plan = ENGINES["terms"].prepare([Field([0.5, 1.0])], 1)
plan, state = ENGINES["terms"].start(plan, range(16), [(0, np.ones((16, 2), np.uint8))], 0, np.ones(1), 0)
costs = np.empty((2, 16))
terms.descend(plan, state, costs, np.zeros(16), 0)
print(sum(terms.descend.stats.cache_hits.values()), costs[0, 0], costs[1, 0])
"""


def test_a_module_may_run_the_energy_it_holds_while_it_is_imported(tmp_path):
    """Threads that compile import that module again: they waited for ever, with a full cache too."""
    run = "import fastgibbs as fg\nfound = fg.sample(Field([1.0, 2.0]), beta=1.0, sweeps=3, seed=1).energy.shape\n"
    (tmp_path / "helper.py").write_text(PARTS["helper"])
    (tmp_path / "own.py").write_text(PARTS["own"] + PARTS["cost"] + PARTS["class"] + run)
    for _ in range(2):
        command = [sys.executable, "-c", "import own; print(own.found)"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path, timeout=200
        )
        assert done.stdout.strip() == "(64, 3)", done.stderr


@pytest.fixture
def run(tmp_path):
    """A function that asks a kernel, in a new process, what flips of two spins in fields cost; hits of the cache."""

    def run(as_script=False, **edits):
        parts = PARTS | {name: edit(PARTS[name]) for name, edit in edits.items()}
        (tmp_path / "helper.py").write_text(parts["helper"])
        own = parts["own"] + parts["cost"] + parts["class"]
        (tmp_path / "own.py").write_text(own + RUN if as_script else own)
        command = [sys.executable] + (["own.py"] if as_script else ["-c", "from own import Field, np\n" + RUN])
        done = subprocess.run(command, capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        hits, *costs = done.stdout.split()
        return int(hits), *map(float, costs)

    return run


def test_an_edited_cost_is_never_served_stale_and_an_unedited_one_never_compiles_again(run):
    """Edited: the function, one that it calls in another file; and what is none of these."""
    assert run() == (0, 1.0, 2.0)
    beside = {"cost": lambda text: "# further down\n\n" + text, "class": lambda text: text + "    more = 3\n"}
    assert run(**beside) == (1, 1.0, 2.0)
    assert run(as_script=True) == (0, 1.0, 2.0)  # the same in another module: that of the cached one is not imported
    own = {"cost": lambda text: text.replace("K *", "2 * K *"), "class": lambda text: text.replace("K *", "2 * K *")}
    assert run(**own) == (0, 2.0, 4.0)
    assert run(helper=lambda text: text.replace("2 * x", "4 * x")) == (0, 2.0, 4.0)


def test_a_fingerprint_tells_functions_apart_by_what_they_do():
    def build(power, array, inner):
        def function(spins, site):
            return inner(spins[site]) ** power + array[site] + len(spins) + np.sqrt(2.0)

        return function

    @numba.njit
    def same(x):
        return x + K

    @numba.njit
    def edited(x):
        return x - K

    K = 1.0
    arguments = 2, np.arange(3), same
    assert fingerprint(build(*arguments)) == fingerprint(build(*arguments))
    others = [(3, *arguments[1:]), (2, np.arange(3.0), same), (2, np.arange(1, 4), same), (2, np.arange(3), edited)]
    found = {fingerprint(build(*one)) for one in [arguments, *others]}
    assert len(found) == 5
    K = 2.0
    assert fingerprint(build(*arguments)) not in found
    unknown = fingerprint(build(object(), *arguments[1:]))
    assert unknown != fingerprint(build(object(), *arguments[1:]))


def test_a_fingerprint_follows_numbers_of_modules():
    """Numba makes constants of them: of one as of the function's own globals, not of others of the same name."""
    names = {"helper": (helper := types.ModuleType("helper")), "np": np}
    helper.K, helper.inner = 1.0, types.ModuleType("helper.inner")
    helper.inner.K = 2.0
    exec("def cost(spins, site):\n    return helper.K * helper.inner.K * np.sqrt(2.0) * spins.size", names)
    before = fingerprint(names["cost"])
    names["size"] = 3
    assert fingerprint(names["cost"]) == before
    for module in (helper, helper.inner):
        module.K += 1
        assert fingerprint(names["cost"]) != before
        module.K -= 1
    assert fingerprint(names["cost"]) == before
