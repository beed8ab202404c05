"""What `observe` records: the twin's bits, w.s of the states that were there, functions called on those states."""

import os
import signal

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import drivers
from fastgibbs.engines.precision import energy_error
from fastgibbs.methods import chains
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sampling as sampling_twin
from fastgibbs.reference import sparse as sparse_twin
from fastgibbs.reference import tempering as tempering_twin

WEIGHTED = fg.edwards_anderson((4, 4, 3), "gaussian", seed=2)
GLASS = fg.edwards_anderson((4, 4, 3), seed=2)
RBM = fg.RBM(np.random.default_rng(4).normal(size=(7, 5)), np.linspace(-1, 1, 7))
LADDER = np.linspace(0.1, 2.0, 5)


def kinds(n):
    """Weights of all kinds by name."""
    rng = np.random.default_rng(n)
    return {
        "normal": rng.normal(size=n),
        "magnetisation": np.full(n, 1 / max(n, 1)),
        "staggered": (-1.0) ** np.arange(n),
        "one site": np.eye(1, n, n // 2).ravel(),
        "none": np.zeros(n),
        "huge and tiny": rng.normal(size=n) * 10.0 ** rng.integers(-200, 200, n),
        "integers": rng.integers(-3, 4, n),
    }


def twins(twin, model, weights, betas, strips=1, **kwargs):
    schedule = {name: kwargs.pop(name) for name in ("sweeps", "burn_in", "thin")}
    seed, rule, chains = kwargs.pop("seed"), kwargs.pop("rule"), kwargs.pop("chains")
    arguments = kwargs if twin is sparse_twin else dict(strips=strips)
    state = twin.start(model, chains, seed, rule, **arguments)
    return sampling_twin.observe(twin.sweep, state, weights, betas, **schedule, strips=strips)


def parity(engine, twin, model, chains, **change):
    kwargs = dict(sweeps=9, burn_in=2, thin=2, rule="gibbs", seed=5, chains=chains) | change
    betas = np.linspace(0.1, 1.5, chains)
    first = model[0] if isinstance(model, list) else model
    weights = kinds(first.n)
    result = fg.sample(model, beta=betas, engine=engine, observe=weights, **kwargs)
    expected = twins(twin, model, np.array(list(weights.values())), betas, **kwargs)
    assert list(result.observables) == list(weights)
    for values, name in zip(expected, weights, strict=True):
        assert result.observables[name].dtype == np.float64
        assert result.observables[name].shape == (chains, 4)
        np.testing.assert_array_equal(result.observables[name], values, err_msg=name)
    assert np.unique(result.observables["normal"]).size > 1 or first.n == 0


SPARSE = {
    "EA gaussian": WEIGHTED,
    "Hopfield": fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (3, 25))),
    "RBM": RBM,
    "one spin": fg.Ising([[0]], [0.4]),
    "empty": fg.Ising(np.zeros((0, 0))),
    "more sites than are read at once": fg.edwards_anderson((600,), "gaussian", seed=1),
}


@pytest.mark.parametrize("chains", [1, 20, 64, 130])
@pytest.mark.parametrize("name", SPARSE)
def test_observables_of_the_sparse_engine_equal_the_twins_bit_for_bit(name, chains):
    parity("sparse", sparse_twin, SPARSE[name], chains)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_observables_of_a_random_scan_equal_the_twins(rule):
    parity("sparse", sparse_twin, WEIGHTED, 20, scan="random", rule=rule)


@pytest.mark.parametrize("chains", [1, 70, 129, 300])
@pytest.mark.parametrize("model", [GLASS, fg.lattice((5, 4), h=0.3), fg.lattice((17, 16))], ids=str)
def test_observables_of_the_multispin_engine_equal_the_twins_bit_for_bit(model, chains):
    parity("multispin", multispin_twin, model, chains, strips=1)


STRIPS = [
    (fg.lattice((64, 6)), 32, 2),
    (fg.lattice((128, 4)), 64, 3),
    (fg.lattice((12, 5), h=0.2), 4, 20),
    (fg.edwards_anderson((8, 4, 3), seed=6), 4, 17),
    (fg.triangular((6, 6)), 2, 70),
    (fg.lattice((32, 40)), 16, 5),
    (fg.lattice((16, 40)), 8, 9),
]


@pytest.mark.parametrize(("model", "strips", "chains"), STRIPS)
def test_observables_of_lattices_in_strips_equal_the_twins(model, strips, chains):
    parity("multispin", multispin_twin, model, chains, strips=strips)


def test_observables_of_disorder_samples_equal_the_twins():
    parity("multispin", multispin_twin, [fg.edwards_anderson((4, 3, 3), seed=seed) for seed in range(66)], 66)


@pytest.mark.parametrize("keep_states", [False, True])
@pytest.mark.parametrize(
    ("model", "kwargs"),
    [
        (WEIGHTED, dict(chains=70)),
        (WEIGHTED, dict(chains=20, scan="random")),
        (GLASS, dict(chains=70)),
        (RBM, dict(chains=5)),
        (fg.lattice((16, 6)), dict(chains=5, strips=8)),
        (fg.lattice((16, 6)), dict(chains=5, strips=1)),
        ([fg.edwards_anderson((4, 3, 3), seed=seed) for seed in range(3)], dict(chains=9)),
    ],
)
def test_observables_are_those_of_the_states_that_were_drawn(model, kwargs, keep_states):
    first = model[0] if isinstance(model, list) else model
    weights = {"w": np.random.default_rng(1).normal(size=first.n), "mean": np.full(first.n, 1 / first.n)}
    kwargs = dict(beta=0.6, sweeps=20, burn_in=3, thin=3, seed=4) | kwargs
    plain = fg.sample(model, keep_states=True, **kwargs)
    result = fg.sample(model, keep_states=keep_states, observe=weights, **kwargs)
    np.testing.assert_array_equal(result.energy, plain.energy)  # observing changes nothing
    spins = first.to_spins(plain.samples)
    np.testing.assert_allclose(result.observables["w"], spins @ weights["w"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.observables["mean"], result.magnetization, rtol=0, atol=1e-14)
    assert plain.observables == {}


@pytest.mark.parametrize(
    ("model", "kwargs"),
    [
        (WEIGHTED, dict(chains=300)),
        (GLASS, dict(chains=600)),
        (fg.lattice((1024, 512)), dict(chains=1, strips=64, sweeps=6, thin=2)),
    ],
    ids=["sparse", "multispin", "a crew on one lattice"],
)
def test_observables_are_the_same_at_any_number_of_threads_and_any_chunking(model, kwargs, monkeypatch):
    w = np.random.default_rng(1).normal(size=model.n)
    observe = {"w": w, "f": lambda states: states[:, ::7].astype(float) @ w[::7]}
    kwargs = dict(beta=0.5, sweeps=30, thin=3, seed=3, observe=observe) | kwargs
    reference = fg.sample(model, threads=1, **kwargs).observables
    runs = [fg.sample(model, threads=2, **kwargs).observables]
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    runs.append(fg.sample(model, threads=2, **kwargs).observables)
    for name in observe:
        for run in runs:
            np.testing.assert_array_equal(run[name], reference[name])


# Tempering


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize(("ladders", "rungs"), [(1, 33), (5, 13), (4, 100)])
@pytest.mark.parametrize(
    ("model", "twin"), [(WEIGHTED, sparse_twin), (GLASS, multispin_twin)], ids=["sparse", "multispin"]
)
def test_observables_by_rung_equal_the_twins_bit_for_bit(model, twin, ladders, rungs, clusters):
    betas, weights = np.linspace(0.05, 2.5, rungs), kinds(model.n)
    kwargs = dict(sweeps=8, burn_in=3, thin=2, swap_every=1, overlap_every=4, rule="gibbs", seed=3)
    kwargs["clusters"] = clusters and ladders > 1
    result = fg.temper(model, betas=betas, ladders=ladders, observe=weights, **kwargs)
    expected = tempering_twin.temper(twin, model, betas, ladders, weights=list(weights.values()), **kwargs)
    np.testing.assert_array_equal(result.energy, expected.energies)
    for values, name in zip(expected.observables.swapaxes(0, 1), weights, strict=True):
        np.testing.assert_array_equal(result.observables[name], values, err_msg=name)


@pytest.mark.parametrize("model", [WEIGHTED, GLASS, RBM], ids=["sparse", "multispin", "RBM"])
@pytest.mark.parametrize("threads", [1, 2])
def test_observables_by_rung_are_those_of_the_states_there(model, threads):
    w = np.random.default_rng(1).normal(size=model.n)
    observe = {"energy of states": model.energy, "w": w, "states": lambda states: states, "m": np.full(model.n, 0.5)}
    kwargs = dict(betas=LADDER, sweeps=12, burn_in=5, thin=3, ladders=30, seed=1, threads=threads)
    result = fg.temper(model, observe=observe, **kwargs)
    assert list(result.observables) == list(observe)
    assert result.observables["w"].shape == result.energy.shape == (30, 5, 4)
    states = result.observables["states"]
    assert states.shape == (30, 5, 4, model.n)
    np.testing.assert_array_equal(states[:, :, -1], result.states)
    atol = energy_error(model) if model is RBM else 1e-12
    np.testing.assert_allclose(result.observables["energy of states"], result.energy, rtol=0, atol=atol)
    spins = model.to_spins(states.astype(np.int8))
    np.testing.assert_allclose(result.observables["w"], spins @ w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(2 * result.observables["m"] / model.n, result.magnetization, rtol=0, atol=1e-14)
    plain = fg.temper(model, **kwargs)
    np.testing.assert_array_equal(plain.energy, result.energy)
    assert plain.observables == {}


def test_observables_of_disorder_samples_come_with_their_own_results():
    models = [fg.edwards_anderson((4, 4), seed=seed) for seed in range(3)]
    w = np.random.default_rng(1).normal(size=16)
    observe = {"w": w, "f": lambda states: states @ w}
    for result in fg.temper(models, betas=LADDER, sweeps=6, ladders=3, seed=1, observe=observe):
        np.testing.assert_allclose(result.observables["w"][..., -1], result.states @ w, rtol=0, atol=1e-12)
        np.testing.assert_allclose(result.observables["w"], result.observables["f"], rtol=0, atol=1e-12)


def test_a_ladder_that_is_adapted_is_observed_in_the_run_alone():
    calls = []
    result = fg.temper(GLASS, sweeps=600, seed=7, observe={"m": np.ones(48), "f": lambda s: calls.append(s) or s[:, 0]})
    assert result.adaptation
    assert result.observables["m"].shape == result.observables["f"].shape == result.energy.shape
    assert len(calls) == 601  # each draw, and once before the run


# Functions


@pytest.mark.parametrize("model", [WEIGHTED, RBM, fg.lattice((16, 6))], ids=["spins", "units", "strips"])
def test_functions_see_the_states_of_every_draw_in_the_models_units(model):
    observe = {
        "states": lambda states: states,
        "sum": lambda states: states.sum(axis=1),
        "any": lambda states: (states[:, :2] == 1).any(axis=1).tolist(),
        "nothing": lambda states: np.empty((len(states), 0)),
    }
    kwargs = dict(beta=0.5, sweeps=9, thin=2, chains=5, seed=2)
    kept = fg.sample(model, keep_states=True, **kwargs)
    result = fg.sample(model, observe=observe, **kwargs)
    np.testing.assert_array_equal(result.observables["states"], kept.samples)
    np.testing.assert_array_equal(result.observables["sum"], kept.samples.sum(axis=2))
    np.testing.assert_array_equal(result.observables["any"], (kept.samples[..., :2] == 1).any(axis=2))
    assert result.observables["nothing"].shape == (5, 4, 0)
    assert {values.dtype for values in result.observables.values()} == {np.dtype(np.float64)}
    np.testing.assert_array_equal(result.states, kept.states)
    with pytest.raises(ValueError, match="samples were not kept"):
        _ = result.samples
    both = fg.sample(model, observe=observe, keep_states=True, **kwargs)
    np.testing.assert_array_equal(both.samples, kept.samples)


def after(calls, then):
    """A function that does `then(states)` once it was called `calls` times."""
    count = [0]

    def function(states):
        count[0] += 1
        return then(states) if count[0] > calls else states[:, 0]

    return function


def fail(states):
    raise RuntimeError("mine")


def run(method, model, **kwargs):
    kwargs = dict(sweeps=6, seed=1) | kwargs
    return method(model, **(dict(beta=0.5, chains=8) if method is fg.sample else dict(betas=LADDER)) | kwargs)


VERBS = pytest.mark.parametrize("method", [fg.sample, fg.temper], ids=["sample", "temper"])


@VERBS
@pytest.mark.parametrize("calls", [0, 1, 3])
def test_an_error_in_a_function_comes_out(method, calls):
    with pytest.raises(RuntimeError, match="mine"):
        run(method, WEIGHTED, observe={"f": after(calls, fail)})


@VERBS
def test_a_function_that_changes_its_mind_about_the_shape_is_refused(method):
    with pytest.raises(ValueError, match=r"observe\['f'\] returned shape \(\d+, 2\): give \(\d+,\)"):
        run(method, WEIGHTED, observe={"f": after(2, lambda states: states[:, :2])})


@VERBS
def test_a_function_cannot_change_the_states(method):
    with pytest.raises(ValueError, match="read-only"):
        run(method, WEIGHTED, observe={"f": lambda states: states.sort()})


@VERBS
def test_ctrl_c_in_a_function_keeps_the_draws_that_were_evaluated(method):
    def interrupt(states):
        os.kill(os.getpid(), signal.SIGINT)
        return states[:, 0]

    observe = {"w": np.arange(48.0), "f": after(4, interrupt), "g": lambda states: states[:, 1]}
    result = run(method, WEIGHTED, observe=observe)
    finished = run(method, WEIGHTED, observe={"w": observe["w"], "f": lambda states: states[:, 0], "g": observe["g"]})
    assert result.interrupted
    assert not finished.interrupted
    assert result.energy.shape[-1] == 3
    np.testing.assert_array_equal(result.energy, finished.energy[..., :3])
    for name in observe:
        np.testing.assert_array_equal(result.observables[name], finished.observables[name][..., :3])


@VERBS
def test_a_run_that_is_stopped_has_the_observables_of_its_draws(method):
    model = fg.lattice((32, 32))
    observe = {"w": np.arange(1024.0), "f": lambda states: states @ np.arange(1024.0)}
    forever = dict(sweeps=10**6, burn_in=0, thin=100, observe=observe)
    result = run(method, model, **forever, progress=lambda done, total: done > 300)
    draws = result.energy.shape[-1]
    assert result.interrupted
    assert 0 < draws < 10**4
    assert result.observables["w"].shape == result.energy.shape
    np.testing.assert_array_equal(result.observables["w"], result.observables["f"])  # whole numbers


# The law

SMALL = fg.Ising.from_edges(9, *fg.edwards_anderson((3, 3), "gaussian", seed=1).bonds, np.linspace(-0.5, 1, 9))
UNIFORM = fg.Ising.from_edges(9, *fg.edwards_anderson((3, 3), seed=5).bonds, np.full(9, 0.2))


@pytest.mark.parametrize(("engine", "model"), [("sparse", SMALL), ("multispin", UNIFORM)])
def test_moments_of_an_observable_equal_enumeration(engine, model):
    """<w.s> and <(w.s)^2>, |z| < 4.5 from 256 chains: 24 scores in all, missed by chance once in 4000.

    The broken twin has the weights in reverse, and must fail the most of them.
    """
    w, betas = np.random.default_rng(2).normal(size=9) + np.arange(9) / 4, np.array([0.2, 0.6, 1.0])
    values, in_reverse = exact.states(9) @ w, exact.states(9) @ w[::-1]
    result = fg.sample(
        model, beta=np.repeat(betas, 256), sweeps=2000, burn_in=50, thin=2, seed=1, observe={"w": w, "back": w[::-1]}
    )
    broken = 0
    for k, beta in enumerate(betas):
        p = np.exp(-beta * (model.energy(exact.states(9)) - model.energy(exact.states(9)).min()))
        p /= p.sum()
        for power in (1, 2):
            for name, of_states in (("w", values), ("back", in_reverse)):
                means = (result.observables[name][256 * k : 256 * (k + 1)] ** power).mean(axis=1)
                error = means.std(ddof=1) / 16
                assert abs(means.mean() - p @ of_states**power) < 4.5 * error
                other = in_reverse if name == "w" else values
                broken += abs(means.mean() - p @ other**power) > 4.5 * error
    assert result.engine == engine
    assert broken > 6


# Errors

BAD = {
    "a list": ([np.ones(48)], TypeError, r"observe is a list: give a dict of names to weights \(48,\) or functions"),
    "a name that is no str": ({1: np.ones(48)}, TypeError, "observe has the name 1: give a str"),
    "the energy's name": ({"energy": np.ones(48)}, ValueError, "observe has the name 'energy'"),
    "the magnetisation's name": ({"magnetization": np.ones(48)}, ValueError, "observe has the name 'magnetization'"),
    "the name of an axis": ({"draw": np.ones(48)}, ValueError, "observe has the name 'draw'"),
    "an empty name": ({"": np.ones(48)}, ValueError, "observe has the name ''"),
    "a name of control characters": ({"a\0": np.ones(48)}, ValueError, "give a printable one"),
    "too few weights": ({"m": np.ones(47)}, ValueError, r"observe\['m'\] has shape \(47,\): give shape \(48,\)"),
    "weights of two dimensions": ({"m": np.ones((2, 48))}, ValueError, r"observe\['m'\] has shape \(2, 48\)"),
    "a NaN": ({"m": [0.0] * 47 + [np.nan]}, ValueError, r"observe\['m'\]\[47\] is nan"),
    "an infinity": ({"m": [np.inf] * 48}, ValueError, r"observe\['m'\]\[0\] is inf"),
    "complex weights": ({"m": np.ones(48) * 1j}, TypeError, r"observe\['m'\] has dtype complex128: give real numbers"),
    "text": ({"m": "staggered"}, TypeError, r"observe\['m'\] has dtype"),
    "one value for all chains": ({"f": np.mean}, ValueError, r"observe\['f'\] returned shape \(\): give \(\d+, ...\)"),
    "another axis first": ({"f": np.transpose}, ValueError, r"observe\['f'\] returned shape \(48, \d+\)"),
    "complex values": ({"f": lambda s: s * 1j}, TypeError, r"observe\['f'\] returned dtype complex128"),
    "nothing": ({"f": lambda s: None}, TypeError, r"observe\['f'\] returned dtype object"),
}


@VERBS
@pytest.mark.parametrize("name", BAD)
def test_a_bad_observe_is_refused_before_anything_compiles(method, name, monkeypatch):
    observe, error, message = BAD[name]
    monkeypatch.setattr(chains, "advance", None)
    monkeypatch.setattr(drivers, "temper", None)
    with pytest.raises(error, match=message):
        run(method, WEIGHTED, observe=observe)


@VERBS
def test_states_for_functions_that_do_not_fit_in_memory_are_refused_before_anything_compiles(method, monkeypatch):
    monkeypatch.setattr(chains, "advance", None)
    monkeypatch.setattr(drivers, "temper", None)
    monkeypatch.setattr("fastgibbs.models.resources.memory", lambda: 2**25)
    model = fg.lattice((64, 64))
    with pytest.raises(ValueError, match=r"GiB are available"):
        run(method, model, sweeps=10**4, observe={"f": lambda states: states[:, 0]})
