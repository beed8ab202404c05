"""What `log_z` and the likelihoods promise: enumeration within their own errors, the same bytes, errors at the door."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import analysis, exact
from fastgibbs.methods import paths
from fastgibbs.methods.log_z import METHODS
from fastgibbs.methods.settings import settled
from fastgibbs.reference import layered, multispin, sparse


def bars_and_stripes(side):
    """All images of whole rows, or of whole columns, uint8 (2^(side + 1) - 2, side^2)."""
    rows = np.repeat((np.arange(2**side)[:, None] >> np.arange(side) & 1)[:, :, None], side, axis=2)
    return np.unique(np.concatenate([rows, rows.swapaxes(1, 2)]).reshape(-1, side * side), axis=0)


def trained(data, n_hidden, epochs, batch=100, rate=0.05):
    """An RBM trained by persistent contrastive divergence in plain NumPy, and the machine after every eighth epoch."""
    rng, (count, n_visible) = np.random.default_rng(0), data.shape
    W, a, b = rng.normal(size=(n_visible, n_hidden)) * 0.01, np.zeros(n_visible), np.zeros(n_hidden)
    fantasy, path = (rng.random((batch, n_visible)) < 0.5) * 1.0, []
    for epoch in range(epochs):
        for _ in range(count // batch):
            v = data[rng.integers(0, count, batch)]
            h = rng.random((batch, n_hidden)) < 1 / (1 + np.exp(-(fantasy @ W + b)))
            fantasy = (rng.random((batch, n_visible)) < 1 / (1 + np.exp(-(h @ W.T + a)))) * 1.0
            there, here = (1 / (1 + np.exp(-(units @ W + b))) for units in (v, fantasy))
            step = rate * (1 - epoch / epochs) / batch
            W += step * (v.T @ there - fantasy.T @ here)
            a += step * (v - fantasy).sum(axis=0)
            b += step * (there - here).sum(axis=0)
        if epoch % 8 == 7:
            path.append(fg.RBM(W, a, b))
    return path


IMAGES = bars_and_stripes(8)
PATH = trained(IMAGES, 20, 400)
TRAINED = PATH[-1]
SMALL_RBM = fg.RBM(*(np.random.default_rng(3).normal(size=size) for size in ((8, 6), 8, 6)))
MODELS = {
    "EA +-J": (fg.edwards_anderson((4, 3), seed=1), 1.2),
    "in a field": (fg.lattice((4, 3), h=0.3), 0.4),
    "EA gaussian": (fg.edwards_anderson((4, 3), "gaussian", seed=1), 1.0),
    "offset": (fg.Ising.from_edges(6, [0, 1, 2, 3, 4], [1, 2, 3, 4, 5], 1.0, np.linspace(-1, 1, 6), offset=3.5), 0.7),
    "Hopfield": (fg.Hopfield(np.random.default_rng(9).choice([-1, 1], (2, 12))), 1.2),
    "RBM": (SMALL_RBM, 1.0),
    "RBM at beta 0.6": (SMALL_RBM, 0.6),
    "RBM at beta -0.5": (SMALL_RBM, -0.5),
}


def known(model, beta):
    return float(exact.spectrum(model).log_z(beta))


def drawn(model, beta, count, seed=1):
    """Independent states, exactly distributed: (count, n)."""
    spectrum = exact.spectrum(model)
    index = np.random.default_rng(seed).choice(2**model.n, count, p=spectrum.probabilities(beta))
    return model.from_spins(exact.states(model.n)[index])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_every_method_agrees_with_enumeration_within_its_own_error(name, method):
    """4.5 standard errors, and the quadrature's bound; 5 % off in beta it is somewhere else."""
    model, beta = MODELS[name]
    if beta < 0 and method in ("tempering", "integration"):
        pytest.skip("their ladders ascend from 0")
    start = drawn(model, beta, 400) if method == "reverse" else None
    found = fg.log_z(model, method=method, beta=beta, steps=400, start=start, seed=2)
    assert found.method == method
    off = abs(found.value - known(model, beta))
    assert off <= 4.5 * found.error + found.quadrature + 1e-9
    assert found.error < 0.05
    assert found.interval[0] <= found.value <= found.interval[1]
    assert abs(found.value - known(model, 1.05 * beta)) > off + 4.5 * found.error
    assert (found.error == 0) == (method == "exact")


@pytest.mark.parametrize("data", [None, IMAGES], ids=["own marginals", "data"])
def test_annealing_a_trained_machine_of_64_and_20_units_errs_by_less_than_a_twentieth_nat(data):
    """1000 temperatures, 100 chains."""
    for seed in range(4):
        found = fg.log_z(TRAINED, data=data, seed=seed)
        assert abs(found.value - known(TRAINED, 1.0)) < 0.05
        assert found.effective_chains > 80


def test_intervals_cover_as_often_as_they_say_and_half_as_wide_they_do_not():
    """40 seeds, of which 38 are expected inside: 33 or less have a probability of 3e-3, and the seeds are fixed."""
    model, found = SMALL_RBM, []
    found = [fg.log_z(model, steps=20, seed=seed) for seed in range(40)]
    value, error = (np.array([getattr(one, name) for one in found]) for name in ("value", "error"))
    low, high = np.array([one.interval for one in found]).T
    truth = known(model, 1.0)
    assert 34 <= np.count_nonzero((low <= truth) & (truth <= high)) <= 40
    assert np.count_nonzero(abs(value - truth) < (high - low) / 4 * 0.8) < 34
    assert 0.7 < value.std(ddof=1) / np.sqrt((error**2).mean()) < 1.4  # 11 % expected


def test_few_steps_are_low_forwards_and_high_backwards():
    model, beta = MODELS["EA gaussian"][0], 2.0
    starts = drawn(model, beta, 400).reshape(40, 10, -1)
    truth = known(model, beta)
    low = [fg.log_z(model, beta=beta, steps=3, chains=10, seed=seed).value for seed in range(40)]
    back = dict(beta=beta, steps=3, method="reverse")
    high = [fg.log_z(model, start=start, seed=seed, **back).value for seed, start in enumerate(starts)]
    assert np.mean(low) < truth - 0.1
    assert np.mean(high) > truth + 0.1


# Paths of models


FEW = PATH[9::10]  # 5 of 50 checkpoints


def test_training_checkpoints_serve_as_a_path_within_a_twentieth_nat():
    """5 models and 1000 sweeps: |error| has a standard deviation of 0.02."""
    truth = known(TRAINED, 1.0)
    for seed in range(4):
        found = fg.log_z(FEW, seed=seed)
        assert abs(found.value - truth) < 0.05
        assert found.error < 0.03
        assert found.effective_chains > 80
    start = fg.temper(TRAINED, betas=[0, 1], rungs=12, sweeps=300, ladders=100, overlap_every=0, seed=2).states[:, -1]
    back = fg.log_z(FEW, method="reverse", start=start, seed=1)
    assert abs(back.value - truth) < 4.5 * back.error < 0.2
    visible = fg.log_z(FEW, method="reverse", start=start[:, : TRAINED.n_visible], seed=1)
    assert visible == back  # hidden units of the start are never read
    other = fg.log_z(FEW[:-1], seed=0)  # the broken twin leads to another model
    assert abs(other.value - truth) > 10 * other.error


@pytest.mark.parametrize(("path", "steps"), [(PATH, 1), (FEW, 20)], ids=["50 models", "5 models of 20 steps"])
def test_intervals_along_checkpoints_cover_as_often_as_they_say(path, steps):
    """40 seeds of 100 sweeps: 33 or less inside have a probability of 3e-3, and the seeds are fixed."""
    found = [fg.log_z(path, steps=steps, seed=seed) for seed in range(40)]
    low, high = np.array([one.interval for one in found]).T
    truth = known(TRAINED, 1.0)
    assert np.count_nonzero((low <= truth) & (truth <= high)) >= 34


def test_few_checkpoints_with_steps_between_beat_many_at_the_same_sweeps():
    """Noise of the gradients makes a path longer than it need be."""
    few, many = ([fg.log_z(p, steps=s, seed=k).value for k in range(20)] for p, s in ((FEW, 20), (PATH, 2)))
    truth = known(TRAINED, 1.0)
    rms_few, rms_many = (np.sqrt(np.mean((np.array(values) - truth) ** 2)) for values in (few, many))
    assert rms_few < 0.1
    assert rms_few < 0.6 * rms_many


def test_a_path_leads_from_one_graph_to_another():
    rng = np.random.default_rng(3)
    dense = fg.sherrington_kirkpatrick(12, seed=3)
    models = [
        fg.edwards_anderson((4, 3), "gaussian", seed=1),
        fg.Ising.from_edges(12, *dense.bonds, rng.normal(size=12), offset=-2.0),
    ]
    found = fg.log_z(models, beta=0.8, seed=4, chains=1024)
    assert abs(found.value - known(models[1], 0.8)) < 4.5 * found.error < 0.2
    for t in (0.25, 1.0):
        between, states = models[0].interpolated(models[1], t), exact.states(12)[::97]
        expected = (1 - t) * models[0].energy(states) + t * models[1].energy(states)
        np.testing.assert_allclose(between.energy(states), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("models", [FEW[:2], [m for m, _ in (MODELS["EA gaussian"], MODELS["in a field"])]])
def test_weights_of_stations_are_ratios_of_the_models_between(models):
    """And the way back has the opposite ones."""
    path = paths.Models(models, 0.7, 3, 1)
    spins = np.random.default_rng(1).choice([-1, 1], (models[0].n, 16)).astype(np.int8)
    for k in range(6):
        i, j = divmod(k, 3)
        here, there = (path.models[i].interpolated(path.models[i + 1], t / 3) for t in (j, j + 1))
        states = there.from_spins(spins.T)[:, : there.n_visible if isinstance(there, fg.RBM) else None]
        expected = analysis.log_weights(there, states, 0.7) - analysis.log_weights(here, states, 0.7)
        np.testing.assert_allclose(path.ratios(k, spins), expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(path.reversed().ratios(5 - k, spins), -expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["EA gaussian", "offset", "Hopfield", "RBM"])
def test_a_path_of_scaled_models_leads_to_the_last(name):
    model, beta = MODELS[name]
    ising = model.to_ising()
    shares = np.linspace(0, 1, 101)[1:]
    if name == "RBM":
        models = [fg.RBM(t * model.weights, model.visible_bias, model.hidden_bias) for t in shares]
    else:
        i, j, J = ising.bonds
        models = [fg.Ising.from_edges(ising.n, i, j, t * J, ising.fields, ising.offset) for t in shares]
    found = fg.log_z(models, beta=beta, seed=4)
    assert abs(found.value - known(model, beta)) < 4.5 * found.error
    assert found.error < 0.05
    start = drawn(model, beta, 300)
    back = fg.log_z(models, beta=beta, method="reverse", start=start, seed=4)
    assert abs(back.value - known(model, beta)) < 4.5 * back.error


def test_uncoupled_models_need_no_annealing():
    for model in (fg.Ising(np.zeros((3, 3)), [0.3, -2.0, 0.0]), fg.RBM(np.zeros((3, 2)), [0.5, 1, -2], [0.3, 0])):
        found = fg.log_z([model], beta=0.8, seed=1)
        assert found.value == pytest.approx(known(model, 0.8), abs=1e-12)
        assert found.error < 1e-12


# Weights, bit for bit


@pytest.mark.parametrize(
    ("engine", "model", "twin"),
    [
        ("sparse", MODELS["EA gaussian"][0], sparse),
        ("multispin", MODELS["EA +-J"][0], multispin),
        ("layered", SMALL_RBM, layered),
    ],
)
def test_weights_along_temperatures_equal_a_plain_loops(engine, model, twin):
    betas = np.linspace(0, 1.3, 31)
    setting = settled([model], engine, rule="gibbs", chains=70, clamp=None, threads=2, tolerance=np.inf)
    weights = paths.annealed(paths.Temperatures(setting, betas), 70, None, 5).log_weights
    state, expected = twin.start(model, 70, 5, "gibbs"), np.zeros(70)
    for k in range(30):
        expected -= (betas[k + 1] - betas[k]) * twin.energies([model], state.spins)
        twin.sweep(state, np.full(70, betas[k + 1]))
    np.testing.assert_array_equal(weights, expected)


@pytest.mark.parametrize(
    "path", [MODELS["EA gaussian"][0], SMALL_RBM, PATH[-3:]], ids=["temperatures", "RBM", "models"]
)
def test_threads_and_chunks_change_nothing(path, monkeypatch):
    kwargs = dict(steps=10, chains=150, seed=3)
    reference = fg.log_z(path, threads=1, **kwargs)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)
    for threads in (1, 2, 3):
        np.testing.assert_equal(fg.log_z(path, threads=threads, **kwargs), reference)


def test_a_weight_taken_after_the_sweep_would_be_wrong(monkeypatch):
    """The broken twin: log w += log p*_{k+1}(s_{k+1}) - log p*_k(s_{k+1})."""
    advance = paths.RBMPath.advance

    def late(self, block, first, last, crew):
        for k in range(first, last):
            before = block.weights.logs.copy()
            advance(self, block, k, k + 1, crew)
            block.weights.logs[:] = before + self.ratios(k, self.setting.engine.spins(block.plan, block.state))

    monkeypatch.setattr(paths.RBMPath, "advance", late)
    found = fg.log_z(SMALL_RBM, steps=5, chains=4000, seed=1)
    assert abs(found.value - known(SMALL_RBM, 1.0)) > 6 * found.error


# Integration


def test_integration_of_a_two_level_system_is_right_and_its_bound_holds():
    """E = 0 or 1: <E> = 1 / (1 + exp(beta)), log Z = log(1 + exp(-beta)); the sample has these frequencies exactly."""
    for rungs in (3, 5, 9):
        betas = np.linspace(0, 4, rungs) ** 1.5
        share = 1 / (1 + np.exp(betas))
        energies = (np.linspace(0, 1, 20_000) < share[:, None]).astype(float)
        energies = np.random.default_rng(1).permuted(energies, axis=1)[None]
        found = analysis.integrated_log_z(betas, energies, np.log(2))
        off = np.abs(found.value - np.log1p(np.exp(-betas)))
        assert (off <= found.quadrature + 2e-4)[2:].all()
        trapezoid = np.log(2) - np.trapezoid(share, betas)
        assert off[-1] < abs(trapezoid - np.log1p(np.exp(-betas[-1]))) / 4
        assert 0 < found.error[-1] < 0.03
        assert found.error[0] == found.quadrature[0] == 0
    assert found.quadrature[-1] < 0.02


def test_integration_has_errors_that_repeats_confirm():
    """64 independent records: the spread of the results against their mean error."""
    rng, betas = np.random.default_rng(1), np.linspace(0, 3, 7)
    energies = (rng.random((64, 4, 7, 200)) < 1 / (1 + np.exp(betas))[:, None]).astype(float)
    found = [analysis.integrated_log_z(betas, part, np.log(2)) for part in energies]
    value, error = (np.array([getattr(one, name)[-1] for one in found]) for name in ("value", "error"))
    assert 0.75 < value.std(ddof=1) / np.sqrt((error**2).mean()) < 1.3


# Likelihoods


@pytest.mark.parametrize("name", ["EA gaussian", "offset", "Hopfield", "RBM", "RBM at beta 0.6", "RBM at beta -0.5"])
def test_likelihoods_equal_brute_force(name):
    model, beta = MODELS[name]
    machine = isinstance(model, fg.RBM)
    states = exact.states(model.n)
    p = exact.spectrum(model).probabilities(beta)
    data = drawn(model, beta, 50)
    if machine:
        p, data = p.reshape(2**6, 2**8).sum(axis=0), data[:, :8]
        states = (exact.states(8) + 1) // 2
    width = data.shape[1]
    up = data > 0
    index = up @ (1 << np.arange(width))
    found = fg.log_likelihood(model, data, beta=beta)
    assert found.value == pytest.approx(np.log(p[index]).mean(), abs=1e-10)
    assert found.error == 0
    assert fg.log_likelihood(model, data, beta=beta, log_z=1.0).value == pytest.approx(
        found.value + known(model, beta) - 1.0
    )
    flipped = p[index[:, None] ^ (1 << np.arange(width))]
    pseudo = np.log(p[index][:, None] / (p[index][:, None] + flipped)).sum(axis=1).mean()
    assert fg.pseudo_likelihood(model, data, beta=beta) == pytest.approx(pseudo, abs=1e-10)
    by_row = [fg.pseudo_likelihood(model, row[None], beta=beta) for row in data]
    np.testing.assert_allclose(fg.analysis.pseudo_likelihoods(model, data, beta), by_row, rtol=1e-12)
    every = np.sum(p * analysis.log_weights(model, states if machine else model.from_spins(states), beta))
    assert every - known(model, beta) == pytest.approx(np.sum(p * np.log(p)), abs=1e-10)


def test_the_likelihood_of_a_big_machine_is_annealed_and_carries_the_error():
    """Errors are 0.010 to 0.041 nat with eight seeds."""
    found = fg.log_likelihood(TRAINED, IMAGES, seed=1)
    exactly = fg.log_likelihood(TRAINED, IMAGES, log_z=fg.log_z(TRAINED, method="exact"))
    assert found.log_z.method == "ais"
    assert abs(found.value - exactly.value) < 4.5 * found.error
    assert found.error < 0.05
    assert exactly.error == 0


def test_weights_that_span_many_orders_have_a_mean():
    mean, error, effective = analysis.log_mean([-1e4, -1e4 + np.log(3)])
    assert mean == pytest.approx(-1e4 + np.log(2))
    assert error == pytest.approx(np.sqrt(np.expm1(np.log(3) ** 2 / 2) / 2))  # of log-normal weights
    assert effective == pytest.approx(16 / 10)
    _, error, _ = analysis.log_mean(np.log([1, 1, 1, 1, 1, 6]))
    assert error == pytest.approx(np.std([1, 1, 1, 1, 1, 6], ddof=1) / (11 / 6) / np.sqrt(6))  # to first order


def test_errors_of_means_that_few_weights_carry_cover_what_was_not_drawn():
    """log w normal of variance 4, 100 weights, 400 means: 1.96 standard errors to first order are far too short."""
    logs = np.random.default_rng(1).normal(-2.0, 2.0, (400, 100))  # log mean 0
    means, errors = np.array([analysis.log_mean(one)[:2] for one in logs]).T
    w = np.exp(logs)
    first_order = w.std(axis=1, ddof=1) / w.mean(axis=1) / 10
    assert np.mean(abs(means) < 1.96 * errors) > 0.9
    assert np.mean(abs(means) < 1.96 * first_order) < 0.85


# Bad input


@pytest.mark.parametrize(
    ("model", "kwargs", "message"),
    [
        (3, {}, "model is 3"),
        (SMALL_RBM, dict(method="aiss"), "did you mean 'ais'"),
        (SMALL_RBM, dict(beta=np.nan), "beta"),
        (SMALL_RBM, dict(steps=0), "steps is 0"),
        (SMALL_RBM, dict(chains=1), "chains is 1: give an integer of at least 2"),
        (SMALL_RBM, dict(chains=10**12), "chains=1000000000000 and steps=1000 needs"),
        (fg.lattice((3, 3)), dict(steps=10**12), "chains=100 and steps=1000000000000 needs"),
        (SMALL_RBM, dict(steps=10**12, method="tempering"), "8 ladders needs"),
        ([SMALL_RBM] * 2, dict(steps=10**12), "steps=1000000000000 needs"),
        (SMALL_RBM, dict(method="reverse"), "start is missing"),
        (fg.lattice((3, 3)), dict(method="reverse", start=np.zeros((0, 9))), "start is empty"),
        (SMALL_RBM, dict(start=np.zeros((2, 14))), "start is given"),
        (SMALL_RBM, dict(method="reverse", start=np.zeros((2, 9))), "start|states"),
        (SMALL_RBM, dict(method="reverse", start=np.zeros((2, 14)), chains=3), "chains is 3 but start holds 2"),
        (SMALL_RBM, dict(method="tempering", beta=-1), "beta is -1"),
        (SMALL_RBM, dict(data=np.full((2, 8), 0.5)), r"data\[0, 0\] is 0.5"),
        (SMALL_RBM, dict(data=np.zeros((2, 7))), "data has shape"),
        (fg.lattice((3, 3)), dict(data=np.zeros((2, 9))), "data is given"),
        ([SMALL_RBM, TRAINED], {}, r"model\[1\] is RBM"),
        ([fg.RBM(np.zeros((3, 4))), fg.RBM(np.zeros((4, 3)))], {}, "give models of one shape"),
        ([SMALL_RBM] * 2, dict(method="exact"), "model is a sequence of 2"),
        (fg.RBM(np.zeros((40, 30))), dict(method="exact"), r"2\^30 states"),
    ],
)
def test_bad_input_is_named(model, kwargs, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fg.log_z(model, **kwargs)


@pytest.mark.parametrize("model", [SMALL_RBM, fg.lattice((2, 4)), fg.Helmholtz.random((8, 2), seed=1)])
def test_of_no_data_there_is_no_likelihood(model):
    with pytest.raises(ValueError, match="data is empty: give at least one row"):
        fg.log_likelihood(model, np.zeros((0, 8)))
