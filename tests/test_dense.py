"""What proves the dense engine: its own probabilities, its twin, the sparse engine, exact results, its energies."""

import numpy as np
import pytest
from probe import assert_one_sweep_leaves_the_law, fields, z_score

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES
from fastgibbs.methods.settings import choose_engine
from fastgibbs.models import resources
from fastgibbs.reference import annealing as annealing_twin
from fastgibbs.reference import dense as twin
from fastgibbs.reference import sampling
from fastgibbs.reference import tempering as tempering_twin
from fastgibbs.testing.laws import draw_exactly, pvalue

RNG = np.random.default_rng(1)


def integers(n, largest, seed, field=0):
    """Couplings -largest ... largest between all pairs, in eighths, and such fields."""
    rng = np.random.default_rng(seed)
    J = np.triu(rng.integers(-largest, largest + 1, (n, n)), 1) / 8
    return fg.Ising(J + J.T, rng.integers(-field, field + 1, n) / 8)


def boltzmann_machine(n, seed):
    rng = np.random.default_rng(seed)
    J = np.triu(rng.normal(size=(n, n)), 1) / np.sqrt(n)
    return fg.Ising(J + J.T, rng.normal(size=n), offset=1.5)


def wide(n):
    """Local fields of one site a thousand times as large as the others."""
    machine = boltzmann_machine(n, 3)
    return fg.Ising.from_edges(n, *machine.bonds, np.append(machine.fields[:-1], 1234.5))


SMALL = {
    "SK": fg.sherrington_kirkpatrick(6, seed=3),
    "SK +-J": fg.sherrington_kirkpatrick(7, "bimodal", seed=3),
    "Boltzmann machine": boltzmann_machine(6, 4),
    "integers": integers(6, 5, 1, field=3),
    "large integers": integers(6, 50_000, 1),
    "Hopfield": fg.Hopfield([[1, 1, -1, 1, -1, 1], [1, -1, -1, 1, 1, 1]]),
    "ring": fg.lattice((7,)),
    "isolated": fg.Ising(np.zeros((3, 3)), [0.3, -2.0, 0.0]),
    "one spin": fg.Ising(np.zeros((1, 1)), [0.4]),
    "wide": wide(7),
    "huge units": fg.edwards_anderson((5,), "gaussian", width=1e200, seed=5),
    "tiny units": fg.edwards_anderson((5,), "gaussian", width=1e-200, seed=5),
}
KINDS = {
    "SK +-J": np.int16,
    "integers": np.int16,
    "Hopfield": np.int16,
    "isolated": np.int16,
    "large integers": np.int32,
    "SK": np.int32,
    "wide": np.int64,
}


def energies(model):
    """The Ising energies of all states without the offset, which no flip changes."""
    ising = model.to_ising()
    return ising.energy(exact.states(model.n)) - ising.offset


@pytest.mark.parametrize("name", KINDS)
def test_fields_are_the_smallest_integers_that_hold_them(name):
    assert ENGINES["dense"].prepare([SMALL[name].to_ising()], 1).doubled.dtype == KINDS[name]


@pytest.mark.parametrize("name", SMALL)
def test_flip_cost_equals_the_energy_difference(name):
    model = SMALL[name]
    spins, energy = exact.states(model.n), energies(model)
    cost = 2 * spins * fields(model, spins, "dense")
    flipped = np.arange(2**model.n)[:, None] ^ (1 << np.arange(model.n))
    difference = energy[flipped] - energy[:, None]
    if name in ("ring", "integers", "large integers"):
        np.testing.assert_array_equal(cost, difference)
    else:
        np.testing.assert_allclose(cost, difference, rtol=0, atol=2.0**-22 * np.abs(energy).max())


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.5, -0.8])
def test_one_sweep_leaves_the_boltzmann_distribution_unchanged(name, rule, beta):
    beta /= {"huge units": 1e200, "tiny units": 1e-200, "large integers": 1e4}.get(name, 1.0)
    assert_one_sweep_leaves_the_law("dense", SMALL[name], beta, rule, 1e-6)


PARITY = {
    "SK": fg.sherrington_kirkpatrick(33, seed=3),
    "SK of several panels": fg.sherrington_kirkpatrick(150, seed=3),
    "SK +-J": fg.sherrington_kirkpatrick(131, "bimodal", seed=3),
    "Boltzmann machine": boltzmann_machine(65, 4),
    "integers": integers(64, 3, 1, field=3),
    "wide": wide(140),
    "large integers": integers(66, 50_000, 1, field=10_000),
    "Hopfield": fg.Hopfield(RNG.choice([-1, 1], (3, 25))),
    "RBM": fg.RBM(RNG.normal(size=(9, 6)), RNG.normal(size=9), RNG.normal(size=6)),
    "EA +-J": fg.edwards_anderson((4, 4, 3), "bimodal", seed=2),
    "isolated": fg.Ising(np.zeros((4, 4)), [0.3, -2.0, 0.0, 1e5]),
    "one spin": fg.Ising(np.zeros((1, 1)), [0.4]),
    "empty": fg.Ising(np.zeros((0, 0))),
}
BETAS = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, -0.7], np.linspace(0.2, 2.0, 13)])


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", PARITY)
def test_trajectories_equal_the_numpy_twins_bit_for_bit(name, rule, scan):
    model = PARITY[name]
    kwargs = dict(sweeps=40, burn_in=3, thin=2, rule=rule, scan=scan, seed=5)
    result = fg.sample(model, beta=BETAS, engine="dense", threads=1, **kwargs)
    energy, magnetization, states = sampling.sample(twin, model, BETAS, chains=BETAS.size, **kwargs)
    np.testing.assert_array_equal(result.states, states)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_allclose(result.energy, energy, rtol=1e-13, atol=1e-13 * np.abs(energy).max(initial=0))
    state = twin.start(model, BETAS.size, 5, rule, spins=model.to_ising().to_spins(model.to_spins(states)))
    np.testing.assert_array_equal(result.energy[:, -1:], twin.state_energies(state)[:, None])
    few = fg.sample(model, beta=BETAS[:3], engine="dense", threads=1, **kwargs)  # one lane after the other
    for name in ("energy", "magnetization", "states"):
        np.testing.assert_array_equal(getattr(few, name), getattr(result, name)[:3])


def test_a_long_run_goes_on_from_its_checkpoint_whatever_became_of_lanes_that_nobody_asked_for(tmp_path):
    """Up, as these lanes start, is where the local fields of this model are largest."""
    i, j = np.triu_indices(12, 1)
    model = fg.Ising.from_edges(12, i, j, np.random.default_rng(3).uniform(0.5, 1.5, i.size))
    kwargs = dict(beta=0.0, chains=5, sweeps=20_000, engine="dense", checkpoint=tmp_path / "run.npz")
    first = fg.sample(model, seed=1, **kwargs)
    np.testing.assert_array_equal(fg.sample(model, **kwargs).energy, first.energy)


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("ladders", [2, 30])
def test_energies_are_those_of_the_states_whichever_sweeps_are_measured(ladders, clusters):
    """Some sweeps are measured one after the other, some are not, and clusters turn without a sweep."""
    model = PARITY["SK of several panels"]
    if clusters:  # which need few neighbours
        i, j, _ = fg.random_regular(150, 3, seed=3).bonds
        model = fg.Ising.from_edges(150, i, j, np.random.default_rng(3).uniform(0.5, 1.5, i.size))
    assert len(ENGINES["dense"].prepare([model], 1).fine) == model.n
    rough = fg.Ising.from_edges(model.n, *model.bonds[:2], np.round(model.bonds[2], 7))
    kwargs = dict(sweeps=60, thin=2, swap_every=3, clusters=clusters, overlap_every=0, engine="dense", seed=4)
    run = fg.temper(model, betas=[0.8, 1.2], ladders=ladders, observe={"E": model.energy, "E'": rough.energy}, **kwargs)
    np.testing.assert_allclose(run.energy, run.observables["E"], rtol=1e-12)
    assert (abs(run.energy / run.observables["E'"] - 1) > 1e-11).mean() > 0.99  # steps alone would be seen


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize(
    "model",
    [integers(150, 1, 2), integers(70, 3, 1, field=3), fg.sherrington_kirkpatrick(64, "bimodal", seed=1)],
    ids=["+-1 and 0", "fields", "SK +-J"],
)
def test_whole_number_couplings_give_the_twins_bytes_and_the_exact_energies(model, rule, scan):
    kwargs = dict(sweeps=40, rule=rule, scan=scan, seed=5)
    result = fg.sample(model, beta=BETAS, engine="dense", keep_states=True, **kwargs)
    energy, magnetization, states = sampling.sample(twin, model, BETAS, chains=BETAS.size, **kwargs)
    for found, expected in ((result.energy, energy), (result.magnetization, magnetization), (result.states, states)):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(result.energy, model.energy(result.samples))


MIXED = {"SK": PARITY["SK"], "SK +-J": fg.sherrington_kirkpatrick(30, "bimodal", seed=3), "RBM": PARITY["RBM"]}


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MIXED)
def test_annealing_equals_the_twin(name, rule):
    model = MIXED[name]
    result = fg.anneal(model, betas=fg.linear(0.1, 2), sweeps=25, reads=70, seed=3, engine="dense", rule=rule)
    expected = annealing_twin.anneal(twin, model, result.betas, 70, rule, 3)
    in_order = np.argsort(result.read)
    np.testing.assert_array_equal(result.states[in_order], expected.best_states)
    np.testing.assert_allclose(result.energy[in_order], expected.best_energies, rtol=1e-13)
    np.testing.assert_allclose(result.trace_mean, expected.trace_mean, rtol=1e-12)
    np.testing.assert_allclose(result.trace_min, expected.trace_min, rtol=1e-12)


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("name", MIXED)
def test_tempering_equals_the_twin(name, clusters):
    """With clusters, spins are set from outside: fields must be built anew."""
    model, betas = MIXED[name], np.linspace(0.0, 2.0, 9)
    kwargs = dict(sweeps=24, burn_in=6, thin=3, swap_every=2, overlap_every=4, clusters=clusters, rule="gibbs", seed=3)
    result = fg.temper(model, betas=betas, ladders=4, engine="dense", **kwargs)
    expected = tempering_twin.temper(twin, model, betas, 4, **kwargs)
    np.testing.assert_array_equal(result.states, expected.states)
    np.testing.assert_array_equal(result.magnetization, expected.magnetizations)
    np.testing.assert_allclose(result.energy, expected.energies, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(result.restarts, expected.restarts)


@pytest.mark.parametrize("model", [PARITY["SK of several panels"], PARITY["SK +-J"]], ids=["SK", "SK +-J"])
def test_threads_chunks_and_other_chains_change_nothing(model, monkeypatch):
    kwargs = dict(beta=0.7, sweeps=30, seed=3, thin=3, engine="dense", scan="random")
    reference = fg.sample(model, chains=200, threads=1, **kwargs)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    for chains in (1, 17, 64, 200):
        few = fg.sample(model, chains=chains, threads=2, **kwargs)
        np.testing.assert_array_equal(few.energy, reference.energy[:chains])
        np.testing.assert_array_equal(few.states, reference.states[:chains])


CHAINS, LEVEL = 16_384, 1e-4  # each of the tests below raises a false alarm at this rate
INVARIANT = {
    "SK": (SMALL["SK"], 1.2),
    "SK +-J": (SMALL["SK +-J"], 1.0),
    "Boltzmann machine": (SMALL["Boltzmann machine"], 0.7),
    "ring": (fg.lattice((6,)), 0.5),
}


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", INVARIANT)
def test_exactly_drawn_states_stay_exactly_distributed(name, rule, scan):
    model, beta = INVARIANT[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    kwargs = dict(chains=CHAINS, rule=rule, scan=scan, start=start, seed=12, engine="dense")
    assert pvalue(model, fg.sample(model, beta=beta, sweeps=3, **kwargs).states, p) > LEVEL
    if name != "ring":  # the broken twin: 5 % off in beta
        assert pvalue(model, fg.sample(model, beta=1.08 * beta, sweeps=30, **kwargs).states, p) < LEVEL


def test_stale_fields_fail_the_invariance_test(monkeypatch):
    model, beta = INVARIANT["SK"]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    state = twin.start(model, CHAINS, 12, "gibbs", spins=start)
    fresh = twin.field
    for _ in range(3):
        before = state._replace(spins=state.spins.copy())
        monkeypatch.setattr(twin, "field", lambda _, i, before=before: fresh(before, i))
        twin.sweep(state, np.full(CHAINS, beta))
    assert pvalue(model, state.spins, p) < LEVEL
    monkeypatch.setattr(twin, "field", fresh)
    state = twin.start(model, CHAINS, 12, "gibbs", spins=start)
    for _ in range(3):
        twin.sweep(state, np.full(CHAINS, beta))
    assert pvalue(model, state.spins, p) > LEVEL


LONG = {
    "SK": (fg.sherrington_kirkpatrick(14, seed=6), 1.0),
    "SK +-J": (fg.sherrington_kirkpatrick(13, "bimodal", seed=6), 1.0),
    "Boltzmann machine": (boltzmann_machine(12, 7), 0.8),
    "Hopfield": (fg.Hopfield(np.random.default_rng(9).choice([-1, 1], (2, 14))), 1.2),
    "beta 0": (fg.sherrington_kirkpatrick(9, seed=6), 0.0),
}


@pytest.mark.parametrize(
    ("name", "rule", "scan"),
    [(name, "gibbs", "sequential") for name in LONG]
    + [(name, "metropolis", "random") for name in LONG if "0" not in name],
)
def test_long_runs_from_a_bad_start_match_enumeration(name, rule, scan):
    model, beta = LONG[name]
    kwargs = dict(sweeps=3000, chains=128, burn_in=300, rule=rule, scan=scan, start=np.ones(model.n), seed=15)
    expected = exact.spectrum(model).energy(beta)
    result = fg.sample(model, beta=beta, engine="dense", **kwargs)
    assert abs(z_score(result.energy, expected)) < 4.5  # two-sided rate 2e-5 with 128 chains
    if beta:
        broken = fg.sample(model, beta=1.05 * beta, engine="dense", **kwargs)
        assert abs(z_score(broken.energy, expected)) > 4.5


@pytest.mark.parametrize("disorder", ["gaussian", "bimodal"])
def test_energies_after_a_million_sweeps_are_the_models(disorder):
    model = fg.sherrington_kirkpatrick(12, disorder, seed=1)
    result = fg.sample(model, beta=0.5, sweeps=10**6, thin=10**5, chains=16, seed=4, keep_states=True, engine="dense")
    np.testing.assert_allclose(result.energy, model.energy(result.samples), rtol=1e-13)


def test_energies_of_a_large_model_are_the_models():
    model = fg.sherrington_kirkpatrick(512, seed=1)
    result = fg.sample(model, beta=1.5, sweeps=300, thin=100, chains=16, seed=4, keep_states=True, engine="dense")
    np.testing.assert_allclose(result.energy, model.energy(result.samples), rtol=1e-12)


def test_hot_sherrington_kirkpatrick_glasses_have_their_energy_to_order_one_over_n():
    """E/N = -(beta / 2) (1 - 1 / ((1 - beta^2) N)) + O(1/N^2): E/N = -(beta/2) (1 - 1/N) (1 - [<s_i s_j>^2]), by parts
    over Gaussian J, and [<s_i s_j>^2] = beta^2 / ((1 - beta^2) N). What beta sum J^2 / N is beyond its mean is taken
    off: it is most of the spread over samples. Without the correction the test fails.
    """
    n, beta, samples = 256, 0.5, 64
    values = []
    for seed in range(samples):
        model = fg.sherrington_kirkpatrick(n, seed=seed)
        result = fg.sample(model, beta=beta, sweeps=400, burn_in=20, chains=64, seed=seed)
        assert result.engine == "dense"
        squares = (model.bonds[2] ** 2).sum()
        values.append(result.energy.mean() / n + beta * (squares / n - (n - 1) / (2 * n)))
    error = np.std(values, ddof=1) / np.sqrt(samples)
    assert abs(np.mean(values) + beta / 2 * (1 - 1 / (1 - beta**2) / n)) < 4 * error + 2 * beta / n**2
    assert abs(np.mean(values) + beta / 2) > 5 * error


@pytest.mark.parametrize("disorder", ["gaussian", "bimodal"])
def test_annealing_and_tempering_find_the_enumerated_ground_state(disorder):
    model = fg.sherrington_kirkpatrick(24, disorder, seed=5)
    ground = exact.spectrum(model).ground_energy
    annealed = fg.anneal(model, betas=fg.linear(0.1, 5), sweeps=300, reads=64, seed=1, engine="dense")
    assert annealed.energy[0] == pytest.approx(ground, rel=1e-12)
    tempered = fg.temper(model, betas=np.linspace(0.2, 5, 16), sweeps=1000, seed=1, engine="dense")
    assert tempered.energy.min() == pytest.approx(ground, rel=1e-12)


def test_what_it_cannot_run_is_refused_before_anything_compiles(monkeypatch):
    model = fg.sherrington_kirkpatrick(512, seed=1)

    def why(models, strips=None):
        with pytest.raises(ValueError, match="engine 'dense' cannot run this") as refused:
            choose_engine("dense", models, "sequential", strips, 64)
        return str(refused.value)

    assert "one model at a time" in why([model, model])
    assert "strips" in why([fg.lattice((8, 8))], strips=2)
    J = np.triu(RNG.normal(size=(8, 8)), 1)
    J[0] *= 1e-12
    J[:, 0] *= 1e-12
    assert "site 0 are too small beside those of all sites" in why([fg.Ising(J + J.T)])
    monkeypatch.setattr(resources, "memory", lambda: 2**20)
    assert "the coupling matrix of Ising(n=512" in why([model])
    assert choose_engine("auto", [model], "sequential", None, 64)[0] == "sparse"


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        (fg.sherrington_kirkpatrick(256, seed=1), "dense"),
        (fg.sherrington_kirkpatrick(128, "bimodal", seed=1), "dense"),
        (fg.sherrington_kirkpatrick(64, seed=1), "sparse"),
        (fg.random_regular(800, 50, "gaussian", seed=1), "sparse"),
        (fg.edwards_anderson((4, 4, 4), "gaussian", seed=1), "sparse"),
        (fg.lattice((8, 8)), "multispin"),
    ],
)
def test_auto_takes_it_where_most_pairs_are_coupled(model, engine):
    assert fg.sample(model, beta=0.5, sweeps=1, chains=16, seed=1).engine == engine
