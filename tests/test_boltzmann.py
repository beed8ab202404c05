"""What proves Boltzmann machines: enumeration, the RBM as a special case, sampling with hidden and clamped units."""

import pickle

import numpy as np
import pytest
import scipy.sparse

import fastgibbs as fg
from fastgibbs import BoltzmannMachine, analysis, exact
from fastgibbs.io import digest


def symmetric(n, seed=1, scale=1.0, share=1.0):
    rng = np.random.default_rng(seed)
    W = np.triu(rng.normal(size=(n, n)) * scale * (rng.random((n, n)) < share), 1)
    return W + W.T


def all_units(n):
    return (exact.states(n) + 1) // 2


W, B = symmetric(8), np.random.default_rng(2).normal(size=8)
MACHINES = {
    "all visible": BoltzmannMachine(W, B),
    "coupled hidden units": BoltzmannMachine(W, B, [6, 0, 3, 4]),
    "hidden units in groups": BoltzmannMachine(symmetric(8, 3, share=0.3), B, [7, 2]),
    "all hidden": BoltzmannMachine(W, B, []),
    "no weights": BoltzmannMachine(np.zeros((4, 4)), [0.3, -2.0, 0.0, 1.0], [1, 2]),
    "large weights": BoltzmannMachine(300 * W, 300 * B, [0, 1, 2, 3, 4]),
}
RBM = fg.RBM(np.random.default_rng(4).normal(size=(5, 3)), [0.5, -1, 0, 0.2, 0.1], [1, -0.5, 0])


def as_machine(rbm):
    weights = np.zeros((rbm.n, rbm.n))
    weights[: rbm.n_visible, rbm.n_visible :] = rbm.weights
    return BoltzmannMachine(
        weights + weights.T, np.concatenate([rbm.visible_bias, rbm.hidden_bias]), np.arange(rbm.n_visible)
    )


def double_loop(machine, x):
    weights, biases = (
        scipy.sparse.csr_array((machine.weights, machine.indices, machine.indptr)).toarray(),
        machine.biases,
    )
    energy = -sum(biases[i] * x[i] for i in range(machine.n))
    return energy - sum(weights[i, j] * x[i] * x[j] for i in range(machine.n) for j in range(i))


@pytest.mark.parametrize("name", sorted(MACHINES.keys() - {"no weights"}))
def test_the_energy_is_the_double_loop_and_that_of_the_ising_form(name):
    machine = MACHINES[name]
    x = all_units(machine.n)
    expected = [double_loop(machine, row) for row in x.tolist()]
    np.testing.assert_allclose(machine.energy(x), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(machine.to_ising().energy(machine.to_spins(x)), machine.energy(x))
    np.testing.assert_array_equal(machine.from_spins(machine.to_spins(x)), x)


@pytest.mark.parametrize("beta", [0.7, -0.4, 0.0])
@pytest.mark.parametrize("name", MACHINES)
def test_marginals_are_sums_over_the_hidden_units(name, beta):
    machine = MACHINES[name]
    v = all_units(machine.n_visible)
    x = all_units(machine.n)
    exponents = -beta * machine.energy(x)
    expected = [np.logaddexp.reduce(exponents[(x[:, machine.visible] == row).all(axis=1)]) for row in v]
    np.testing.assert_allclose(machine.log_marginal(v, beta), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(analysis.log_weights(machine, v, beta), machine.log_marginal(v, beta))
    np.testing.assert_array_equal(machine.free_energy(v), -machine.log_marginal(v))
    assert machine.log_marginal(v[0], beta) == machine.log_marginal(v, beta)[0]
    assert machine.log_marginal(v[:, None]).shape == (len(v), 1)


@pytest.mark.parametrize("name", MACHINES)
def test_likelihoods_are_those_of_enumeration(name):
    machine = MACHINES[name]
    spectrum = exact.spectrum(machine)
    x, p = all_units(machine.n), spectrum.probabilities(0.8)
    np.testing.assert_allclose(spectrum.log_z(0.8), np.logaddexp.reduce(-0.8 * machine.energy(x)), rtol=1e-13)
    data = np.random.default_rng(5).integers(0, 2, (30, machine.n_visible))
    marginal = np.array([p[(x[:, machine.visible] == row).all(axis=1)].sum() for row in data])
    found = fg.log_likelihood(machine, data, beta=0.8)
    assert found.log_z.method == "exact"
    if marginal.all():  # with large weights, some underflow
        assert found.value == pytest.approx(np.log(marginal).mean(), abs=1e-10)
    v = all_units(machine.n_visible)
    logs = machine.log_marginal(v, 0.8)
    number = data @ (1 << np.arange(machine.n_visible))
    expected = 0.0
    for k in range(machine.n_visible):
        expected -= np.logaddexp(0, logs[number ^ 1 << k] - logs[number]).mean()
    assert fg.pseudo_likelihood(machine, data, 0.8) == pytest.approx(expected, rel=1e-12)


def test_an_rbm_is_a_special_case():
    machine, x, v = as_machine(RBM), all_units(8), all_units(5)
    np.testing.assert_allclose(machine.energy(x), RBM.energy(x), rtol=0, atol=1e-12)
    np.testing.assert_allclose(machine.free_energy(v), RBM.free_energy(v), rtol=0, atol=1e-12)
    assert fg.log_z(machine, method="exact").value == pytest.approx(fg.log_z(RBM, method="exact").value, abs=1e-12)
    ours, theirs = fg.log_likelihood(machine, v), fg.log_likelihood(RBM, v)
    assert ours.value == pytest.approx(theirs.value, abs=1e-12)
    assert fg.pseudo_likelihood(machine, v) == pytest.approx(fg.pseudo_likelihood(RBM, v), abs=1e-12)
    np.testing.assert_array_equal(exact.spectrum(machine).ground_states, exact.spectrum(RBM).ground_states)
    # hidden units that ignore each other are summed out however many there are
    wide = fg.RBM(np.random.default_rng(6).normal(size=(4, 200)) / 10)
    np.testing.assert_allclose(as_machine(wide).free_energy(all_units(4)), wide.free_energy(all_units(4)), atol=1e-10)


@pytest.mark.parametrize("engine", ["sparse", "dense"])
def test_visible_units_have_their_marginal_law(engine):
    """64 chains; z-scores of four means and the energy, two-sided rate 1e-4 each."""
    machine = MACHINES["coupled hidden units"]
    kwargs = dict(sweeps=2000, burn_in=50, chains=64, engine=engine, seed=1)
    observe = {f"unit {k}": lambda x, site=site: x[:, site] for k, site in enumerate(machine.visible)}

    def scores(beta):
        result = fg.sample(machine, beta=beta, observe=observe, **kwargs)
        np.testing.assert_allclose(result.energy[:, -1], machine.energy(result.states), rtol=0, atol=1e-6)
        chains = [result.observables[name].mean(axis=1) for name in observe] + [result.energy.mean(axis=1)]
        return [(c.mean() - e) / (c.std(ddof=1) / 8) for c, e in zip(chains, expected, strict=True)]

    v, p = all_units(4), np.exp(machine.log_marginal(all_units(4)))
    expected = [*(p @ v / p.sum()), exact.spectrum(machine).energy(1.0)]
    assert np.abs(scores(1.0)).max() < 3.9
    assert np.abs(scores(1.05)).max() > 3.9  # the broken twin


def test_hidden_units_given_clamped_visible_ones_have_their_conditional_law():
    machine = MACHINES["coupled hidden units"]
    v = np.random.default_rng(7).integers(0, 2, (4, 4))
    clamp = {site: np.repeat(v[:, k], 64) for k, site in enumerate(machine.visible.tolist())}
    result = fg.sample(machine, beta=1.0, sweeps=1000, burn_in=20, clamp=clamp, chains=256, seed=2)
    chain = result.energy.mean(axis=1).reshape(4, 64)
    x = all_units(8)
    energy = machine.energy(x)
    for k in range(4):
        inside = (x[:, machine.visible] == v[k]).all(axis=1)
        p = np.exp(-energy[inside])
        z = (chain[k].mean() - p @ energy[inside] / p.sum()) / (chain[k].std(ddof=1) / 8)
        assert abs(z) < 3.9
        others = chain[(k + 1) % 4]
        assert abs(others.mean() - chain[k].mean()) / (others.std(ddof=1) / 8) > 3.9


def test_auto_takes_the_dense_engine_for_many_pairs_and_the_sparse_one_for_few():
    kwargs = dict(beta=1.0, sweeps=1, chains=9)
    assert fg.sample(BoltzmannMachine(symmetric(120)), **kwargs).engine == "dense"
    assert fg.sample(BoltzmannMachine(symmetric(120, share=0.05)), **kwargs).engine == "sparse"


def test_every_verb_and_every_log_z_runs_on_it():
    machine = MACHINES["coupled hidden units"]
    truth = exact.spectrum(machine).log_z(1.0)
    for method in ("ais", "tempering", "integration"):
        found = fg.log_z(machine, method=method, steps=400, seed=1)
        assert abs(found.value - truth) < 4.5 * found.error + found.quadrature
    path = [BoltzmannMachine(t * W, B, machine.visible) for t in np.linspace(0.05, 1, 20)]
    found = fg.log_z(path, steps=4, chains=400, seed=1)
    assert abs(found.value - truth) < 4.5 * found.error
    draws = np.random.default_rng(3).choice(256, 400, p=exact.spectrum(machine).probabilities(1.0))
    found = fg.log_z(path, method="reverse", steps=4, start=all_units(8)[draws], seed=1)
    assert abs(found.value - truth) < 4.5 * found.error
    result = fg.anneal(machine, sweeps=200, seed=1)
    np.testing.assert_array_equal(result.ground_states, exact.spectrum(machine).ground_states)
    assert fg.mean_field(machine).log_z <= truth


def test_saved_results_pickles_and_digests_hold_the_machine(tmp_path):
    machine = MACHINES["hidden units in groups"]
    result = fg.sample(machine, beta=1.0, sweeps=2, chains=3, seed=1)
    result.save(tmp_path / "result.npz")
    loaded = fg.load(tmp_path / "result.npz")
    np.testing.assert_array_equal(loaded.states, result.states)
    for other in (loaded.model, pickle.loads(pickle.dumps(machine))):
        assert digest(other) == digest(machine)
        for name in ("indptr", "indices", "weights", "biases", "visible", "hidden"):
            np.testing.assert_array_equal(getattr(other, name), getattr(machine, name))
    assert digest(BoltzmannMachine(W, B, [0, 1])) != digest(BoltzmannMachine(W, B, [1, 0]))
    i, j = np.triu_indices(8, 1)
    edges = BoltzmannMachine.from_edges(8, i, j, W[i, j], B, [0, 1])
    assert digest(edges) == digest(BoltzmannMachine(W, B, [0, 1]))
    assert digest(BoltzmannMachine(scipy.sparse.csr_array(W), B, [0, 1])) == digest(edges)


def test_a_machine_is_frozen():
    machine = MACHINES["all visible"]
    with pytest.raises(ValueError, match="read-only"):
        machine.biases[0] = 1
    with pytest.raises(AttributeError, match="frozen"):
        machine.visible = [0]
    assert repr(MACHINES["coupled hidden units"]) == "BoltzmannMachine(n_visible=4, n_hidden=4)"


def with_entry(array, index, value):
    array = array.copy()
    array[index] = value
    return array


REFUSED = [
    (lambda: BoltzmannMachine(with_entry(W, (1, 2), np.nan)), ValueError, r"weights\[1, 2\] is nan"),
    (lambda: BoltzmannMachine(with_entry(W, (1, 2), 7)), ValueError, r"weights\[1, 2\] is 7.0 but weights\[2, 1\]"),
    (lambda: BoltzmannMachine(with_entry(W, (1, 1), 7)), ValueError, r"weights\[1, 1\] is 7.0.*W_ii/2 in biases"),
    (lambda: BoltzmannMachine(W[:3]), ValueError, r"weights has shape \(3, 8\)"),
    (lambda: BoltzmannMachine("W"), TypeError, "weights"),
    (lambda: BoltzmannMachine(W, B[:3]), ValueError, r"biases has shape \(3,\): give shape \(8,\)"),
    (lambda: BoltzmannMachine(W, with_entry(B, 3, np.inf)), ValueError, r"biases\[3\] is inf"),
    (lambda: BoltzmannMachine(W, B, [0, 8]), ValueError, r"visible\[1\] is 8"),
    (lambda: BoltzmannMachine(W, B, [0, 3, 0]), ValueError, "visible holds 0 more than once"),
    (lambda: BoltzmannMachine(W, B, [0.5]), TypeError, "visible"),
    (lambda: MACHINES["all visible"].energy(np.full(8, 2)), ValueError, r"states\[0\] is 2"),
    (lambda: MACHINES["all visible"].free_energy(np.zeros(7)), ValueError, r"shape \(7,\)"),
    (lambda: fg.log_likelihood(MACHINES["coupled hidden units"], np.zeros((2, 8))), ValueError, r"shape \(2, 8\)"),
    (lambda: BoltzmannMachine(symmetric(30), None, [0, 1]).free_energy([0, 1]), ValueError, "28 hidden .* 2.28 states"),
    (lambda: fg.log_z(BoltzmannMachine(symmetric(40)), method="exact"), ValueError, r"40 spins, 2\^40 states"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_bad_input_is_refused_by_name_and_value(call, error, message):
    with pytest.raises(error, match=message):
        call()
