"""What proves the layered engine: its inputs and energies, exact stationarity, the twin's bits, exact invariance."""

import numpy as np
import pytest
from probe import assert_one_sweep_leaves_the_law, block, z_score
from test_proofs import CHAINS, LEVEL

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES, contract, drivers, inputs, layered, precision
from fastgibbs.jit import njit
from fastgibbs.methods import running
from fastgibbs.methods.entropy import run_entropy
from fastgibbs.reference import layered as twin
from fastgibbs.reference import sampling
from fastgibbs.testing.laws import draw_exactly, pvalue


def machine(n_visible, n_hidden, scale=1.0, seed=1, biases=True):
    rng = np.random.default_rng(seed)
    parts = (rng.normal(size=shape) * scale for shape in ((n_visible, n_hidden), n_visible, n_hidden))
    W, a, b = parts
    return fg.RBM(W, a, b) if biases else fg.RBM(W)


SMALL = {
    "4x3": machine(4, 3),
    "3x5": machine(3, 5, 2.0),
    "no biases": machine(4, 3, biases=False),
    "one unit each": machine(1, 1),
    "no hidden units": fg.RBM(np.zeros((5, 0)), [0.3, -2.0, 0.0, 1.0, -0.5]),
    "no visible units": fg.RBM(np.zeros((0, 3)), hidden_bias=[0.3, -2.0, 0.0]),
    "zero weights": fg.RBM(np.zeros((3, 3)), -np.zeros(3), [0.0, 1.0, -0.0]),
    "huge units": machine(4, 3, 1e200),
    "tiny units": machine(4, 3, 1e-200),
}
UNITS_OF = {"huge units": 1e200, "tiny units": 1e-200}


# The twin


MODELS = SMALL | {
    "9x6": machine(9, 6),
    "13x29": machine(13, 29, 0.5),
    "64x20": machine(64, 20, 0.3),
    "100x120": machine(100, 120, 0.1),  # of tall tiles, neither the last of which is full, nor the last word
    "integers": fg.RBM(np.random.default_rng(3).integers(-2, 3, (12, 7)), np.ones(12)),
    "empty": fg.RBM(np.zeros((0, 0))),
}


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_trajectories_equal_the_numpy_twins_bit_for_bit(name, rule):
    """75 chains: a block of the widest registers and one of groups of 16, on machines that have both."""
    model = MODELS[name]
    betas = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, -0.7], np.linspace(0.2, 2.0, 68)])
    betas /= UNITS_OF.get(name, 1.0)
    kwargs = dict(sweeps=20, burn_in=3, thin=2, rule=rule, seed=5)
    result = fg.sample(model, beta=betas, engine="layered", threads=1, **kwargs)
    energy, magnetization, states = sampling.sample(twin, model, betas, chains=betas.size, **kwargs)
    np.testing.assert_array_equal(result.states, states)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("held", [0.3, 0.9, "visible", "hidden", "all"])
@pytest.mark.parametrize("shape", [(64, 20), (130, 250)])
def test_trajectories_with_held_units_equal_the_twins_in_tiles_of_either_kind(shape, held, rule):
    model, rng = machine(*shape, 0.3), np.random.default_rng(7)
    n, visible = model.n, np.arange(model.n) < model.n_visible
    layers = {"visible": visible, "hidden": ~visible, "all": np.ones(n, bool)}
    mask = rng.random(n) < held if isinstance(held, float) else layers[held]
    values = rng.integers(0, 2, (75, n))
    kwargs = dict(beta=np.linspace(0.2, 2.0, 75), seed=5, rule=rule, engine="layered", threads=1)
    result = fg.sample(model, sweeps=10, start=values, clamp=(mask, values), **kwargs)
    free = np.flatnonzero(~mask)
    spins = np.int8(2 * values - 1)
    state = twin.start(model, 75, run_entropy(5, "sample", spins), rule, spins=spins, free=free)
    for _ in range(10):
        twin.sweep(state, kwargs["beta"])
    np.testing.assert_array_equal(result.states, (state.spins + 1) // 2)


@pytest.mark.parametrize("chains", [1, 16, 17, 64, 80, 200])
def test_a_chain_is_the_same_however_many_chains_and_threads_there_are(chains, monkeypatch):
    model = MODELS["13x29"]
    kwargs = dict(beta=0.7, sweeps=21, thin=3, seed=3, keep_states=True)
    many = fg.sample(model, chains=200, threads=1, **kwargs)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)
    for threads in (1, 2, 5):
        few = fg.sample(model, chains=chains, threads=threads, **kwargs)
        assert few.engine == "layered"
        np.testing.assert_array_equal(few.samples, many.samples[:chains])
        np.testing.assert_array_equal(few.energy, many.energy[:chains])
    np.testing.assert_array_equal(many.states, many.samples[:, -1])
    np.testing.assert_allclose(many.energy, model.energy(many.samples), rtol=0, atol=precision.energy_error(model))


@pytest.mark.parametrize("name", MODELS)
def test_recorded_energies_are_off_by_no_more_than_is_said(name):
    model, unit = MODELS[name], UNITS_OF.get(name, 1.0)
    kwargs = dict(beta=0.5 / unit, sweeps=30, chains=64, seed=3, keep_states=True, engine="layered")
    result = fg.sample(model, **kwargs)
    if name == "integers":
        np.testing.assert_array_equal(result.energy, model.energy(result.samples))
    off = np.abs(result.energy - model.energy(result.samples)).max()
    parts = np.abs(model.weights).sum(), np.abs(model.visible_bias).sum(), np.abs(model.hidden_bias).sum()
    assert off <= precision.energy_error(model) == pytest.approx(model.n * 2.0**-24 * sum(parts), rel=1e-12)
    assert off <= 1e-7 * sum(parts)  # as the documentation says of random weights


def test_equal_weights_round_the_same_way_and_stay_within_what_is_said():
    model = fg.RBM(np.full((30, 2000), 0.1), np.full(30, 0.1))
    result = fg.sample(model, beta=0.01, sweeps=3, chains=16, seed=1, keep_states=True, engine="layered")
    off = np.abs(result.energy - model.energy(result.samples)).max()
    assert 1e-8 * np.abs(result.energy).max() < off <= precision.energy_error(model)


@njit
def measured_twice(plan, state, rungs, words, found, crew):
    """Energies and sums of spins: right after a sweep; added up anew; of states that were put there."""
    contract.sweep(plan, state, rungs, contract.GIBBS, contract.SEQUENTIAL, contract.MEASURED, crew)
    contract.measure(plan, state, found[0, 0], found[0, 1], crew)
    contract.snapshot(plan, state, words[0])
    contract.sweep(plan, state, rungs, contract.GIBBS, contract.SEQUENTIAL, contract.UNMEASURED, crew)
    contract.snapshot(plan, state, words[1])
    contract.measure(plan, state, found[1, 0], found[1, 1], crew)
    contract.measure(plan, state, found[2, 0], found[2, 1], crew)
    contract.restore(plan, state, words[0])
    contract.measure(plan, state, found[3, 0], found[3, 1], crew)


@pytest.mark.parametrize("held", [False, True])
def test_energies_are_those_of_the_units_however_they_came_there(held):
    """Before a sweep, right after one that was to be measured or not, again, and after units were put there."""
    model, rng = MODELS["13x29"], np.random.default_rng(4)
    free = np.flatnonzero(rng.random(model.n) < 0.5) if held else np.arange(model.n)
    states = rng.integers(0, 2, (80, model.n))
    plan = ENGINES["layered"].prepare([model], 1, free)
    plan, state = ENGINES["layered"].start(plan, range(80), [(0, np.uint8(states))], 0, np.ones(1), 0)
    found, words = np.empty((4, 2, 80)), np.empty((2, model.n, 5), np.uint16)
    rungs = np.zeros(80, np.int64)
    weights = drivers.LogWeights(np.ones(3), contract.GIBBS, rungs, *np.zeros((2, 80)), *found[0])
    drivers.anneal_weights(plan, state, weights, 0, 1, running.ALONE)
    np.testing.assert_array_equal(found[0, 0], twin.energies([model], np.int8(2 * states - 1), free))
    measured_twice(plan, state, rungs, words, found, running.ALONE)
    for numbers, seen in zip(found, words[[0, 1, 1, 0]], strict=True):
        up = np.unpackbits(seen.view(np.uint8), axis=1, bitorder="little").T
        np.testing.assert_array_equal(numbers[0], twin.energies([model], np.int8(2 * up.astype(int) - 1), free))
        np.testing.assert_array_equal(numbers[1], 2.0 * up.sum(axis=1) - model.n)
        np.testing.assert_allclose(numbers[0], model.energy(up), rtol=0, atol=1e-5)


def adding(width, held):
    """The kernel that adds up the inputs of hidden units, (units, lanes), `width` lanes at once."""
    add_inputs, (take_units, _, _) = inputs.adding(width, held), layered.drawing(width, held)

    @njit
    def add(plan, state, found):
        lanes = state.spins.shape[1]
        for lane in range(0, lanes, width):
            take_units(plan, state, lane, 1)
            for tile in range(plan.hidden_tiles.shape[0]):
                add_inputs(plan.hidden_tiles, plan.hidden_bias, state.units, 0, tile, lane, lanes, state.inputs, 0)
                for k in range(inputs.UNITS * width):
                    found[tile * inputs.UNITS + k // width, lane + k % width] = state.inputs[k]

    return add


def test_inputs_are_float32_sums_in_order_whatever_the_width_of_the_registers():
    model = machine(301, 14, 0.1)
    states = np.random.default_rng(2).integers(0, 2, (inputs.WIDE, model.n))
    plan, state = block("layered", model, states, 1.0)
    wide, narrow = np.empty((2, 18, inputs.WIDE), np.float32)
    for width, found in ((inputs.WIDE, wide), (16, narrow)):
        adding(width, False)(plan, state, found)
    v = states[:, :301].T > 0
    scaled = [np.float32(part / plan.unit) for part in (model.hidden_bias, model.weights)]
    np.testing.assert_array_equal(wide, narrow)
    np.testing.assert_array_equal(wide[:14], twin.inputs(*scaled, v))
    exactly = model.hidden_bias[:, None] + model.weights.T @ v
    np.testing.assert_allclose(wide[:14] * plan.unit, exactly, rtol=0, atol=1e-5)
    backwards = twin.inputs(scaled[0], scaled[1][::-1], v[::-1])
    assert (backwards != twin.inputs(*scaled, v)).any()  # the order shows in the bits


def test_inputs_go_on_from_the_terms_of_held_units():
    """Held terms first, then those of free units, both in ascending order."""
    model = machine(301, 14, 0.1)
    rng = np.random.default_rng(2)
    states = rng.integers(0, 2, (32, model.n))
    free = np.flatnonzero(rng.random(model.n) < 0.5)
    plan = ENGINES["layered"].prepare([model], 1, free)
    plan, state = ENGINES["layered"].start(plan, range(32), [(0, np.uint8(states))], 0, np.ones(1), 0)
    found = np.empty((18, 32), np.float32)
    adding(16, True)(plan, state, found)
    v, h = free[free < 301], free[free >= 301] - 301
    b, W = (np.float32(part / plan.unit) for part in (model.hidden_bias, model.weights))
    order = np.concatenate([np.delete(np.arange(301), v), v])
    expected = twin.inputs(b[h], W[order][:, h], states[:, order].T > 0)
    np.testing.assert_array_equal(found[: h.size], expected)
    assert (twin.inputs(b[h], W[:, h], states[:, :301].T > 0) != expected).any()  # the order shows in the bits


# The law


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.5, -0.8])
def test_one_sweep_leaves_the_boltzmann_distribution_unchanged(name, rule, beta):
    assert_one_sweep_leaves_the_law("layered", SMALL[name], beta / UNITS_OF.get(name, 1.0), rule, 1e-6)


INVARIANT = {  # of a heat capacity near 3, so that 5 % of beta shows
    "4x3": (machine(4, 3, 3.0), 1.0),
    "3x5": (machine(3, 5, 3.0, biases=False), 1.0),
    "negative beta": (machine(3, 5, 3.0), -1.2),
}


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", INVARIANT)
def test_exactly_drawn_states_stay_exactly_distributed(name, rule):
    """Chi-square over states and over energies, false alarms at 1e-4 each."""
    model, beta = INVARIANT[name]
    p, start = draw_exactly(model, beta, np.random.default_rng(11), CHAINS)
    kwargs = dict(chains=CHAINS, rule=rule, start=start, seed=12, engine="layered")
    assert pvalue(model, fg.sample(model, beta=beta, sweeps=3, **kwargs).states, p) > LEVEL
    assert pvalue(model, fg.sample(model, beta=1.05 * beta, sweeps=30, **kwargs).states, p) < LEVEL


def both_layers_at_once(model, states, beta, rng):
    """A broken twin: both layers decided from the state before the sweep."""
    v, h = np.split(states.astype(float), [model.n_visible], axis=1)
    inputs = np.concatenate([h @ model.weights.T + model.visible_bias, v @ model.weights + model.hidden_bias], axis=1)
    return (rng.random(states.shape) < 1 / (1 + np.exp(-beta * inputs))).astype(np.int8)


def test_layers_decided_from_stale_states_fail_the_invariance_test():
    rng = np.random.default_rng(13)
    model, beta = INVARIANT["3x5"]
    p, states = draw_exactly(model, beta, rng, CHAINS)
    for _ in range(3):
        states = both_layers_at_once(model, states, beta, rng)
    assert pvalue(model, states, p) < LEVEL


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_long_runs_from_a_bad_start_match_enumeration(rule):
    model, beta = machine(8, 5), 1.0
    kwargs = dict(sweeps=3000, burn_in=300, chains=128, rule=rule, start=np.ones(model.n), seed=15, engine="layered")
    expected = exact.spectrum(model).energy(beta)
    assert abs(z_score(fg.sample(model, beta=beta, **kwargs).energy, expected)) < 4.5  # two-sided rate 2e-5
    assert abs(z_score(fg.sample(model, beta=1.05 * beta, **kwargs).energy, expected)) > 4.5


def test_chains_at_their_own_betas_match_enumeration():
    model, betas = machine(8, 5), np.repeat([0.0, 0.5, 1.0, -0.5], 64)
    result = fg.sample(model, beta=betas, sweeps=2000, burn_in=100, seed=16, engine="layered")
    for beta in (0.0, 0.5, 1.0, -0.5):
        assert abs(z_score(result.energy[betas == beta], exact.spectrum(model).energy(beta))) < 4.5


# Through the verbs


def test_big_machines_run_layer_by_layer_and_single_spin_sweeps_stay_available():
    model = machine(20, 15)
    assert fg.sample(model, beta=1.0, sweeps=1, seed=1).engine == "layered"
    assert fg.anneal(model, sweeps=2, seed=1).engine == "layered"
    assert fg.temper(model, betas=[0, 1], sweeps=1, seed=1).engine == "layered"
    assert fg.sample(model, beta=1.0, sweeps=1, seed=1, engine="sparse").engine == "sparse"
    assert fg.sample(model, beta=1.0, sweeps=1, seed=1, scan="random").engine == "sparse"


@pytest.mark.parametrize(
    ("model", "kwargs", "message"),
    [
        (fg.lattice((4, 4)), {}, "the model is not an RBM"),
        (machine(3, 2), dict(scan="random"), "it scans layer by layer"),
        (machine(3, 2), dict(strips=2), "it does not cut lattices"),
        ([machine(3, 2), machine(3, 2)], {}, "it runs one model at a time"),
    ],
)
def test_what_it_cannot_run_is_refused(model, kwargs, message):
    with pytest.raises(ValueError, match=message):
        fg.sample(model, beta=1.0, sweeps=1, engine="layered", **kwargs)


def test_annealing_finds_the_ground_state():
    model = machine(14, 9)
    result = fg.anneal(model, sweeps=200, reads=64, seed=1, engine="layered")
    assert result.energy[0] == pytest.approx(exact.spectrum(model).ground_energy, abs=1e-12)
    np.testing.assert_allclose(result.energy, model.energy(result.states), rtol=0, atol=1e-12)


def test_a_target_is_met_by_the_energy_of_a_state_that_rounding_has_measured_above_it():
    for seed in range(6):
        model = machine(10, 6, seed=seed)
        ground = exact.spectrum(model).ground_energy
        result = fg.anneal(model, sweeps=3000, reads=16, betas=[3.0], target_energy=ground, seed=1, engine="layered")
        assert result.energy[0] == pytest.approx(ground, abs=1e-12)
        assert result.done.sum() < 3000
