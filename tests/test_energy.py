"""What a model is: the base of all, and energies that nobody has thought of."""

import copy
import doctest
import pickle

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.methods.descent import flip_costs, quenched
from fastgibbs.models import energy
from fastgibbs.reference import annealing

RNG = np.random.default_rng(7)
J = np.triu(RNG.normal(size=(6, 6)), 1)
SHIPPED = {
    "Ising": (fg.Ising(J + J.T, RNG.normal(size=6)), -1, True),
    "lattice": (fg.lattice((3, 3)), -1, True),
    "Hopfield": (fg.Hopfield(RNG.choice([-1, 1], (2, 6))), -1, True),
    "Hopfield of order 3": (fg.Hopfield(RNG.choice([-1, 1], (2, 6)), order=3), -1, False),
    "RBM": (fg.RBM(RNG.normal(size=(3, 2))), 0, True),
    "BoltzmannMachine": (fg.BoltzmannMachine(J + J.T), 0, True),
}


class Count(fg.Energy):
    """E(x) = |sum_i x_i - k| of units 0 and 1: of the plainest kind, only to be enumerated."""

    low = 0

    def __init__(self, n, k=1.5, weights=None):
        super().__init__(n, k=k, weights=np.ones(n) if weights is None else weights)

    def energy(self, states):
        return np.abs((self.to_spins(states) + 1) // 2 @ self.weights - self.k)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_model_says_what_it_is(name):
    model, low, has_form = SHIPPED[name]
    assert isinstance(model, fg.Energy)
    assert (model.low, model.has_ising_form) == (low, has_form)
    spins = exact.states(model.n)
    states = model.from_spins(spins)
    assert sorted(np.unique(states)) == [low, 1]
    np.testing.assert_array_equal(model.to_spins(states), spins)
    assert model.energy(states).shape == (2**model.n,)
    assert model.energy(states[0]) == pytest.approx(model.energy(states)[0])
    if has_form:
        np.testing.assert_allclose(model.to_ising().energy(spins), model.energy(states), atol=1e-12)


class Units(fg.Energy):
    """E(x) = -x.W.x / 2 of units 0 and 1, run by its Ising form; the last ones may be hidden."""

    low = 0

    def __init__(self, W, hidden=0):
        super().__init__(len(W), W=np.array(W), hidden=hidden)

    n_visible = property(lambda self: self.n - self.hidden)

    def energy(self, states):
        x = (self.to_spins(states) + 1) / 2
        return -((x @ self.W) * x).sum(axis=-1) / 2

    def log_marginal(self, v, beta=1.0):
        h = (exact.states(self.hidden) + 1) // 2
        states = np.concatenate(
            [np.repeat(v[..., None, :], len(h), -2), np.broadcast_to(h, (*v.shape[:-1], *h.shape))], -1
        )
        return np.logaddexp.reduce(-beta * self.energy(states), axis=-1)

    def to_ising(self):
        return fg.BoltzmannMachine(self.W).to_ising()


class Own:
    """The same by a class of its own, that has nothing but what every model must have."""

    def __init__(self, model):
        self.n, self.energy, self.to_ising = model.n, model.energy, model.to_ising
        self.to_spins, self.from_spins = model.to_spins, model.from_spins


W = RNG.normal(size=(8, 8))
UNITS = Units(W + W.T - np.diag(2 * W.diagonal()))
MODELS = {name: model for name, (model, *_) in SHIPPED.items()} | {
    "hidden units": fg.BoltzmannMachine(UNITS.W, visible=[0, 2, 3, 6]),
    "Storkey": fg.Hopfield(RNG.choice([-1, 1], (2, 6)), rule="storkey"),
    "pseudo-inverse": fg.Hopfield(RNG.choice([-1, 1], (2, 7)), rule="pseudoinverse", field=0.3),
    "units": UNITS,
    "units, some hidden": Units(UNITS.W, 3),
    "no way to run it": Count(5),
}


@pytest.mark.parametrize("name", MODELS)
def test_visible_states_have_the_weight_of_all_that_they_are_part_of(name):
    model = MODELS[name]
    assert model.n_visible + model.n_hidden == model.n >= model.n_enumerated
    visible = np.where(exact.states(model.n_visible) > 0, 1, model.low)
    for beta in (1.0, 0.7, -0.4):
        total = np.logaddexp.reduce(model.log_marginal(visible, beta))
        assert total == pytest.approx(exact.spectrum(model).log_z(beta), rel=1e-12)
        logs = model.log_marginal(visible[::3], beta)
        turned = np.where(np.eye(model.n_visible, dtype=bool), 1 + model.low - visible[::3, None], visible[::3, None])
        expected = -np.logaddexp(0, model.log_marginal(turned, beta) - logs[:, None]).sum(axis=1).mean()
        assert fg.pseudo_likelihood(model, visible[::3], beta) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].has_ising_form])
def test_rows_are_the_energy_in_the_values_that_they_say(name):
    model = MODELS[name]
    rows = model.quadratic()
    x = np.where(exact.states(model.n) > 0, 1.0, rows.low)
    J = np.zeros((model.n, model.n))
    np.add.at(J, (np.repeat(np.arange(model.n), np.diff(rows.indptr)), rows.indices), rows.couplings)
    expected = rows.offset - ((x @ J) * x).sum(axis=1) / 2 - x @ rows.fields
    np.testing.assert_allclose(model.energy(model.from_spins(exact.states(model.n))), expected, atol=1e-12)
    assert not any(array.flags.writeable for array in rows[:4])


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].batch_invariant])
def test_energies_are_those_of_each_state_alone_where_a_model_says_so(name):
    model = MODELS[name]
    states = model.from_spins(exact.states(model.n))
    np.testing.assert_array_equal(model.energy(states), [model.energy(state) for state in states])


@pytest.mark.parametrize("model", [UNITS, Own(UNITS)], ids=["of our base", "of its own"])
def test_units_with_an_ising_form_come_down_to_minima(model):
    starts = (exact.states(8)[::5] + 1) // 2
    ends = quenched(model, starts)
    turned = np.where(np.eye(8, dtype=bool), 1 - ends[:, None], ends[:, None])
    assert (model.energy(turned) >= model.energy(ends)[:, None]).all()
    np.testing.assert_array_equal(ends, [annealing.quenched(UNITS, start) for start in starts])
    costs = flip_costs(model)
    assert costs.all()
    np.testing.assert_allclose(costs, flip_costs(UNITS.to_ising()))


def test_an_attribute_does_not_hide_behind_a_property_of_all_models():
    with pytest.raises(AttributeError, match="'n_visible' is a property of Hides: call the attribute otherwise"):
        type("Hides", (fg.Energy,), {"__init__": lambda self: super(type(self), self).__init__(3, n_visible=2)})()


def test_a_strangers_model_is_frozen_and_compares_by_what_it_holds():
    weights = np.arange(4.0)
    model = Count(4, 2.0, weights)
    weights[0] = 5
    assert model.weights[0] == 0
    assert model == Count(4, 2.0, np.arange(4.0)) != Count(4, 2.5, np.arange(4.0))
    assert hash(model) == hash(Count(4, 2.0, np.arange(4.0)))
    with pytest.raises(AttributeError, match="frozen"):
        model.k = 3
    with pytest.raises(ValueError, match="read-only"):
        model.weights[0] = 1
    with pytest.raises(AttributeError, match=r"Early is frozen: give 'k' to super\(\).__init__\(n, k=...\)"):
        type("Early", (fg.Energy,), {"__init__": lambda self: setattr(self, "k", 3)})()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin == model and not twin.weights.flags.writeable


@pytest.mark.parametrize(
    "model",
    [Count(16, 7.5), fg.Hopfield(RNG.choice([-1, 1], (3, 11)), field=0.2, order=3), Count(1), Count(0)],
    ids=["two blocks", "order 3", "one", "none"],
)
def test_any_energy_is_enumerated(model):
    spectrum = exact.spectrum(model, threads=2)
    states = (2 * (np.arange(2**model.n)[:, None] >> np.arange(model.n) & 1) - 1).astype(np.int8)
    energies = model.energy(model.from_spins(states))
    for beta in (0.0, 0.7, -1.3):
        weights = np.exp(-beta * energies)
        mean = (weights * energies).sum() / weights.sum()
        assert spectrum.log_z(beta) == pytest.approx(np.log(weights.sum()), rel=1e-13)
        assert spectrum.energy(beta) == pytest.approx(mean, rel=1e-12, abs=1e-13)
        variance = (weights * (energies - mean) ** 2).sum() / weights.sum()
        assert spectrum.heat_capacity(beta) == pytest.approx(beta**2 * variance, rel=1e-10, abs=1e-13)
        np.testing.assert_allclose(spectrum.probabilities(beta), weights / weights.sum(), rtol=1e-12)
        assert fg.log_z(model, method="exact", beta=beta).value == spectrum.log_z(beta)
    assert spectrum.ground_energy == energies.min()
    lowest = model.from_spins(states[np.isclose(energies, energies.min(), rtol=0, atol=1e-12)])
    np.testing.assert_array_equal(spectrum.ground_states, lowest)
    with pytest.raises(ValueError, match="no density of states"):
        spectrum.density_of_states()


def test_each_state_is_asked_once():
    asked = []

    class Watched(Count):
        def energy(self, states):
            asked.append(len(states))
            return super().energy(states)

    spectrum = exact.spectrum(Watched(16))
    for beta in (0.5, 0.6):
        spectrum.energy(beta)
    assert sum(asked) == 2**16


def test_a_likelihood_of_any_energy_is_exact():
    model, data = Count(6), RNG.integers(0, 2, (5, 6))
    found = fg.log_likelihood(model, data, beta=0.4)
    assert found.log_z.method == "exact"
    assert found.value == pytest.approx(-0.4 * model.energy(data).mean() - exact.spectrum(model).log_z(0.4))


def test_what_an_energy_cannot_do_is_said():
    with pytest.raises(ValueError, match=r"Count\(n=21\) has 21 variables and no Ising form, 2\^21 states: at most 20"):
        exact.spectrum(Count(21))
    with pytest.raises(ValueError, match=r"Count\(n=4\) has no Ising form"):
        fg.mean_field(Count(4))
    with pytest.raises(NotImplementedError, match="Energy has no method energy"):
        fg.Energy(3).energy([1, 1, 1])
    with pytest.raises(TypeError, match=r"n is 2\.5"):
        Count(2.5, weights=np.ones(2))

    class Wrong(Count):
        def energy(self, states):
            return np.full(len(states), np.nan)

    with pytest.raises(ValueError, match=r"model.energy\(states\)\[0\] is nan"):
        exact.spectrum(Wrong(3)).log_z(1.0)


def test_what_the_base_shows_runs_as_it_stands():
    assert doctest.testmod(energy).failed == 0
