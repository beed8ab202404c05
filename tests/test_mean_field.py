"""What mean fields promise: a bound, its own maximum, exactness without couplings, TAP to the order it is good for."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact

MODELS = {
    "torus": fg.lattice((4, 3), h=0.1),
    "EA gaussian": fg.edwards_anderson((4, 3), "gaussian", seed=1),
    "SK": fg.sherrington_kirkpatrick(11, seed=3),
    "Hopfield": fg.Hopfield(np.random.default_rng(9).choice([-1, 1], (2, 12))),
    "RBM": fg.RBM(*(np.random.default_rng(3).normal(size=size) for size in ((7, 5), 7, 5))),
    "offset": fg.Ising.from_edges(6, [0, 1, 2, 3, 4], [1, 2, 3, 4, 5], 1.0, np.linspace(-1, 1, 6), offset=3.5),
}


def exact_means(model, beta):
    p = exact.spectrum(model).probabilities(beta)
    return p @ model.from_spins(exact.states(model.n))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("beta", [0.1, 0.5, 1.0, 2.0, -0.7])
def test_the_naive_mean_field_is_a_lower_bound_from_any_start(name, beta):
    model = MODELS[name]
    rng, truth = np.random.default_rng(1), exact.spectrum(model).log_z(beta)
    low = 0 if name == "RBM" else -1
    for start in (None, *rng.uniform(low, 1, (4, model.n))):
        found = fg.mean_field(model, beta=beta, start=start)
        assert found.log_z <= truth + 1e-9
        assert ((found.means >= low) & (found.means <= 1)).all()


@pytest.mark.parametrize("name", MODELS)
def test_no_means_nearby_give_a_better_bound(name):
    """The formula written out: entropy minus beta E of independent units, at the means found and around them."""
    model, beta = MODELS[name], 0.4
    found = fg.mean_field(model, beta=beta, start=np.full(model.n, 0.6))
    assert found.converged
    states = exact.states(model.n)
    energy = model.energy(model.from_spins(states))

    def bound(means):
        up = means if name == "RBM" else (1 + means) / 2
        p = np.where(states > 0, up, 1 - up).prod(axis=1)
        return -(p * np.log(p)).sum() - beta * (p @ energy)

    best = bound(found.means)
    assert found.log_z == pytest.approx(best, abs=1e-10)
    for direction in np.random.default_rng(2).normal(size=(20, model.n)):
        assert bound(np.clip(found.means + 1e-3 * direction, 1e-6, 1 - 1e-6 if name == "RBM" else 1)) <= best


def test_units_without_couplings_are_exact():
    for model in (fg.Ising(np.zeros((3, 3)), [0.3, -2.0, 40.0], 1.5), fg.RBM(np.zeros((3, 2)), [0.5, 1, -2], [0.3, 0])):
        for method in ("naive", "tap"):
            found = fg.mean_field(model, beta=1.3, method=method)
            assert found.log_z == pytest.approx(exact.spectrum(model).log_z(1.3), abs=1e-9)
            np.testing.assert_allclose(found.means, exact_means(model, 1.3), atol=1e-9)


@pytest.mark.parametrize("name", ["EA gaussian", "SK", "RBM", "torus"])
def test_tap_is_wrong_in_the_third_order_of_beta_and_the_naive_field_in_the_second(name):
    model = MODELS[name]
    errors = {}
    for method in ("naive", "tap"):
        errors[method] = [
            abs(fg.mean_field(model, beta=beta, method=method).log_z - exact.spectrum(model).log_z(beta))
            for beta in (0.02, 0.04)
        ]
    assert np.log2(errors["naive"][1] / errors["naive"][0]) == pytest.approx(2, abs=0.15)
    assert np.log2(errors["tap"][1] / errors["tap"][0]) > 2.8
    assert errors["tap"][1] < errors["naive"][1] / 20


@pytest.mark.parametrize("method", ["naive", "tap"])
@pytest.mark.parametrize("name", ["EA gaussian", "SK"])
def test_means_are_the_slope_of_log_z_by_the_fields(name, method):
    """beta m_i = d log Z / d h_i, since log Z is stationary in the means: its last term and theirs belong together."""
    ising, beta, step = MODELS[name].to_ising(), 0.6, 1e-4
    h = np.random.default_rng(4).normal(size=ising.n)

    def found(fields):
        result = fg.mean_field(fg.Ising.from_edges(ising.n, *ising.bonds, fields), beta=beta, method=method)
        assert result.converged
        return result

    means = found(h).means
    for i in range(ising.n):
        moved = step * (np.arange(ising.n) == i)
        slope = (found(h + moved).log_z - found(h - moved).log_z) / (2 * step)
        assert slope == pytest.approx(beta * means[i], abs=1e-6)


def test_tap_means_are_closer_than_naive_ones():
    model, beta = MODELS["RBM"], 0.5
    far = {
        method: np.abs(fg.mean_field(model, beta=beta, method=method).means - exact_means(model, beta)).max()
        for method in ("naive", "tap")
    }
    assert far["tap"] < far["naive"] / 3


def test_an_ordered_phase_is_found_from_a_start_that_leans_that_way():
    """The square lattice at twice the mean-field transition: m = tanh(4 beta m)."""
    found = fg.mean_field(fg.lattice((6, 6)), beta=0.5, start=np.full(36, 0.1))
    assert found.means == pytest.approx(np.tanh(4 * 0.5 * found.means))
    assert found.means.min() > 0.9
    assert found.log_z > fg.mean_field(fg.lattice((6, 6)), beta=0.5).log_z + 5


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (dict(method="bethe"), "method is 'bethe'"),
        (dict(beta=np.inf), "beta"),
        (dict(start=np.zeros(3)), "start has shape"),
        (dict(start=np.full(9, 1.5)), r"start\[0\] is 1.5"),
    ],
)
def test_bad_input_is_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        fg.mean_field(fg.lattice((3, 3)), **kwargs)


def test_something_else_than_a_model_is_refused():
    with pytest.raises(TypeError, match="model is 3"):
        fg.mean_field(3)
