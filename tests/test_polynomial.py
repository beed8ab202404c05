"""Products of any number of variables: the model, its engine beside the twin and enumeration, p-spin glasses."""

import copy
import itertools
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from probe import z_score
from strangers.triplets import Triplets

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES
from fastgibbs.reference import annealing, sampling, tempering
from fastgibbs.reference import polynomial as twin

RNG = np.random.default_rng(8)
TRIPLES = np.array([RNG.choice(10, 3, replace=False) for _ in range(15)])
J = RNG.normal(size=15)
GLASS = fg.Polynomial.from_arrays(10, TRIPLES, -J)
TERMS = {(0, 1, 2): 1.5, (1, 2): -2.0, (0,): 1.0, (): 3.0, (5, 3, 4, 2): -1.0, (0, 1, 2, 3, 4, 5, 6): 0.3}
MODELS = {"triples": GLASS, "spins": fg.Polynomial(TERMS), "units": fg.Polynomial(TERMS, "binary", n=8)}
LEVEL = 4.5  # standard errors: a two-sided false-alarm rate of 2e-5 in each test with 128 chains or more


# The model


@pytest.mark.parametrize("kind", ["spin", "binary"])
def test_energies_are_sums_of_products(kind):
    model = fg.Polynomial(TERMS, kind, n=8)
    states = model.from_spins(exact.states(8))
    expected = [sum(Fraction(c) * math.prod(x[i] for i in key) for key, c in TERMS.items()) for x in states.tolist()]
    np.testing.assert_allclose(model.energy(states), [float(e) for e in expected], rtol=0, atol=1e-14)
    assert model.energy(states.reshape(4, 64, 8)).shape == (4, 64)
    assert model.energy(states[3]) == model.energy(states)[3]
    fg.testing.check_energy(model)


def test_the_known_glass_has_its_ground_energy_and_sum_of_states():
    """Numbers computed beforehand, by another program."""
    spectrum = exact.spectrum(GLASS)
    found = spectrum.ground_energy, spectrum.log_z(1.0), spectrum.energy(1.0)
    np.testing.assert_allclose(found, (-9.9842908673, 12.5849162038, -8.5052514978), rtol=0, atol=1e-9)


def test_terms_of_the_same_sites_add_up_and_zeros_are_left_out():
    model = fg.Polynomial.from_arrays(5, [[0, 1, 2], [2, 0, 1], [1, 2, 3], [3, 1, 2]], [1.0, 0.5, 2.0, -2.0])
    assert model.terms == {(0, 1, 2): 1.5}
    assert model == fg.Polynomial({(2, 1, 0): 1.5}, n=5) != fg.Polynomial({(2, 1, 0): 1.5})
    mixed = fg.Polynomial.from_arrays(4, [3, 0, 1, 2], [1.0, 2.0, 4.0], degrees=[1, 0, 3], offset=0.5)
    assert mixed.terms == {(): 2.5, (3,): 1.0, (0, 1, 2): 4.0}
    assert fg.Polynomial(mixed.terms) == mixed
    assert fg.Polynomial({}).energy(np.empty((2, 0))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "terms"), [("spin", {(1,): 1.0, (): 2.0, (2,): 3.0}), ("binary", {(0, 1): 1.0, (3,): 2.0, (2,): 3.0})]
)
def test_a_site_that_is_named_twice_is_reduced_and_said(kind, terms):
    with pytest.warns(UserWarning, match=r"sites \(0, 0, 1\) names site 0 more than once"):
        model = fg.Polynomial({(0, 1, 0): 1.0, (3, 3): 2.0, (2, 2, 2): 3.0}, kind)
    assert model.terms == terms
    assert model.n == 4


@pytest.mark.parametrize("kind", ["spin", "binary"])
def test_pairs_have_an_ising_form_that_the_other_engines_run(kind):
    model = fg.Polynomial({(0, 1): 1.5, (1, 2): -2.0, (0,): 1.0, (): 3.0, (3,): -0.25}, kind)
    ising, states = model.to_ising(), model.from_spins(exact.states(4))
    np.testing.assert_allclose(ising.energy(exact.states(4)), model.energy(states), rtol=0, atol=1e-14)
    assert fg.sample(model, beta=0.5, sweeps=1, chains=64, seed=1).engine == "sparse"
    assert model.has_ising_form and not model.even


def test_what_all_verbs_ask_of_a_model_is_right():
    for model in MODELS.values():
        energies = model.energy(model.from_spins(exact.states(model.n)))
        index = np.arange(energies.size)
        costs = np.array([energies[index ^ 1 << k] - energies for k in range(model.n)])
        assert np.abs(costs).max() <= 2 * model.field_bound + 1e-12
        assert model.even == bool(np.allclose(energies, energies[::-1], rtol=0, atol=1e-12))
    assert fg.Polynomial({(0, 1, 2, 3): 1.0, (2, 3): 1.0}).even


def test_it_is_frozen_and_stays_so_in_copies():
    GLASS.entries  # noqa: B018 - built when it is asked for
    for other in (GLASS, copy.deepcopy(GLASS), pickle.loads(pickle.dumps(GLASS))):
        assert other == GLASS and hash(other) == hash(GLASS)
        for array in (other.sites, other.degrees, other.coefficients, *other.entries):
            assert not array.flags.writeable


@pytest.mark.parametrize(
    ("error", "build", "message"),
    [
        (TypeError, lambda: fg.Polynomial([[0, 1]]), "terms is .*give a dict of tuples"),
        (TypeError, lambda: fg.Polynomial({0: 1.0}), r"key 0: give tuples of sites, \(i,\) of one"),
        (TypeError, lambda: fg.Polynomial({(0, 1.0): 1.0}), r"a site of \(0, 1.0\) is 1.0: give an integer"),
        (ValueError, lambda: fg.Polynomial({(0, -1): 1.0}), r"a site of \(0, -1\) is -1: .* at least 0"),
        (TypeError, lambda: fg.Polynomial({(0, 1): "a"}), r"terms\[\(0, 1\)\] has dtype"),
        (ValueError, lambda: fg.Polynomial({(0, 1): np.nan}), r"terms\[\(0, 1\)\] is nan"),
        (ValueError, lambda: fg.Polynomial({(0, 5): 1.0}, n=5), r"key \(0, 5\): give site indices from 0 to 4"),
        (ValueError, lambda: fg.Polynomial({(0,): 1.0}, "units"), "kind is 'units': give one of 'spin', 'binary'"),
        (ValueError, lambda: fg.Polynomial({(0,): 1e308, (1,): 1e308}), "coefficients and offset may add up to more"),
        (ValueError, lambda: fg.Polynomial({(2**40,): 1.0}), "n is 1099511627777: site indices are 32-bit"),
        (ValueError, lambda: fg.Polynomial.from_arrays(3, [0, 1], 1.0), r"sites has shape \(2,\): give \(terms, p\)"),
        (ValueError, lambda: fg.Polynomial.from_arrays(3, [0, 1], 1.0, degrees=[1]), "give one site after the other"),
        (ValueError, lambda: fg.Polynomial.from_arrays(3, [[0, 3]], 1.0), r"sites\[1\] is 3: give site indices from 0"),
        (ValueError, lambda: fg.Polynomial.from_arrays(3, [[0, 1]], [1.0, 2.0]), "a number or one per term"),
        (ValueError, lambda: GLASS.to_ising(), 'terms of 3 variables and no Ising form: "polynomial" runs it'),
        (ValueError, lambda: GLASS.energy(np.zeros(10)), r"states\[0\] is 0.0: give spins of -1 and \+1"),
        (ValueError, lambda: fg.p_spin(5, 6), "p is 6: give at most n = 5"),
        (ValueError, lambda: fg.p_spin(5, 0), "p is 0: give an integer of at least 1"),
        (ValueError, lambda: fg.p_spin(10**5, 5), "p-spin model of n = 100000, p = 5"),
        (ValueError, lambda: fg.p_spin(10**12, 10**11), "p-spin model of n = 1000000000000, p = 100000000000"),
        (ValueError, lambda: fg.p_spin(5, 3, "flat"), "disorder is 'flat'"),
    ],
)
def test_what_cannot_be_is_said(error, build, message):
    with pytest.raises(error, match=message):
        build()


# The engine


def test_the_suite_for_engines_proves_this_one():
    fg.testing.check_engine(ENGINES["polynomial"], MODELS, twin=twin)


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_trajectories_equal_the_twins_bit_for_bit(name, rule, scan):
    model = MODELS[name]
    betas = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, 1e3, -0.7], np.linspace(0.2, 2.0, 70)])
    kwargs = dict(sweeps=20, burn_in=3, thin=2, rule=rule, scan=scan, seed=5)
    result = fg.sample(model, beta=betas, threads=1, **kwargs)
    assert result.engine == "polynomial"
    energy, magnetization, states = sampling.sample(twin, model, betas, chains=betas.size, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


def test_tempering_and_annealing_equal_the_twins_bit_for_bit():
    for model in MODELS.values():
        betas = np.array([0.0, 0.3, 0.8, 2.0])
        kwargs = dict(sweeps=20, burn_in=4, thin=2, swap_every=2, overlap_every=4, clusters=True, rule="gibbs", seed=3)
        found = fg.temper(model, betas=betas, ladders=4, **kwargs)
        expected = tempering.temper(twin, sampling.Whole(model), betas, 4, **kwargs)
        np.testing.assert_array_equal(found.energy, expected.energies)
        np.testing.assert_array_equal(found.overlap.histogram, expected.histogram)
        cooled = fg.anneal(model, betas=betas, sweeps=betas.size, reads=20, seed=3, keep=5)
        cold = annealing.anneal(twin, sampling.Whole(model), betas, 20, "gibbs", 3, keep=5)
        order = np.argsort(cooled.read)
        np.testing.assert_array_equal(cooled.states[order], cold.best_states)
        np.testing.assert_array_equal(cooled.energy[order], cold.best_energies)
        np.testing.assert_array_equal(cooled.kept_energy, cold.lowest[0])


@pytest.mark.parametrize("name", ["triples", "units"])
def test_a_tempered_energy_is_the_enumerated_one(name):
    model, betas = MODELS[name], np.array([0.3, 1.0])
    spectrum = exact.spectrum(model)
    result = fg.temper(model, betas=betas, sweeps=400, ladders=128, adapt=False, overlap_every=0, seed=4)
    for rung, beta in enumerate(betas):
        assert abs(z_score(result.energy[:, rung], spectrum.energy(beta))) < LEVEL
        assert abs(z_score(result.energy[:, rung], spectrum.energy(1.1 * beta + 0.1))) > LEVEL  # the broken twin


@pytest.mark.parametrize("name", ["triples", "units"])
def test_log_z_is_the_enumerated_one(name):
    model = MODELS[name]
    expected = exact.spectrum(model).log_z(1.0)
    assert fg.log_z(model, method="exact").value == expected
    found = fg.log_z(model, method="tempering", seed=2)
    assert abs(found.value - expected) < LEVEL * found.error < 0.5


def test_annealing_finds_ground_states():
    for model in MODELS.values():
        spectrum, found = exact.spectrum(model), fg.anneal(model, reads=64, sweeps=100, seed=1)
        assert found.energy[0] == pytest.approx(spectrum.ground_energy, abs=1e-12)
        ground = {state.tobytes() for state in spectrum.ground_states}
        assert {state.tobytes() for state in found.ground_states} <= ground


def test_it_makes_the_draws_of_no_other_model():
    """The same terms by an author's own functions, on another engine: the same law, and the same descent."""
    other = Triplets(10, TRIPLES, J)
    np.testing.assert_allclose(other.energy(exact.states(10)), GLASS.energy(exact.states(10)), rtol=0, atol=1e-13)
    np.testing.assert_allclose(fg.beta_schedule(GLASS, 20), fg.beta_schedule(other, 20), rtol=1e-9)


def test_fields_that_rounding_drowns_are_left_to_the_engine_of_any_energy():
    model = fg.Polynomial({(0, 1, 2): 1e12, (0, 1, 3): 1e12, (0, 2, 3): 1e-3})
    assert fg.sample(model, beta=1.0, sweeps=1, seed=1).engine == "terms"
    with pytest.raises(ValueError, match=r"'polynomial' cannot run this: J and h of site 0 .* engine 'terms' can"):
        fg.sample(model, beta=1.0, sweeps=1, engine="polynomial")
    with pytest.raises(ValueError, match="'polynomial' cannot run this: the model is no Polynomial"):
        fg.sample(fg.lattice((3, 3)), beta=1.0, sweeps=1, engine="polynomial")


def test_a_run_goes_on_from_its_checkpoint_to_the_same_bytes(tmp_path, monkeypatch):
    path, kwargs = tmp_path / "run.npz", dict(beta=0.7, sweeps=60_000, chains=70, thin=6000, seed=1)
    whole = fg.sample(GLASS, **kwargs)
    monkeypatch.setattr("fastgibbs.methods.running.CHUNK_SECONDS", 0.0)  # chunks of one sweep
    assert fg.sample(GLASS, **kwargs, checkpoint=path, progress=lambda done, total: True).interrupted
    again = fg.sample(GLASS, **kwargs, checkpoint=path)
    np.testing.assert_array_equal(again.energy, whole.energy)
    np.testing.assert_array_equal(again.states, whole.states)


# p-spin glasses


def test_a_p_spin_glass_has_every_term_once_and_energies_of_variance_n_over_2():
    for n, p in ((7, 3), (6, 6), (5, 1), (8, 2)):
        model = fg.p_spin(n, p, seed=1)
        assert list(model.terms) == list(itertools.combinations(range(n), p))
    model = fg.p_spin(60, 3, seed=1)
    expected = math.comb(60, 3) * math.factorial(3) / (2 * 60**2)
    assert (model.coefficients**2).sum() == pytest.approx(expected, rel=0.05)  # of 34220 squares: 6 errors
    signs = fg.p_spin(9, 4, "bimodal", seed=2)
    np.testing.assert_allclose(np.unique(signs.coefficients), [-math.sqrt(24 / 1458), math.sqrt(24 / 1458)])
    assert fg.p_spin(9, 3, seed=4) == fg.p_spin(9, 3, seed=4) != fg.p_spin(9, 3, seed=5)


# Enumeration


@pytest.mark.parametrize("kind", ["spin", "binary"])
@pytest.mark.parametrize("whole", [True, False])
def test_enumeration_block_by_block_is_that_of_the_energies(kind, whole):
    """More variables than a block has, so that some stand."""
    rng = np.random.default_rng(3)
    keys = [tuple(rng.permutation(17)[: rng.integers(1, 6)].tolist()) for _ in range(40)]
    terms = {key: float(rng.integers(-3, 4)) if whole else rng.normal() for key in keys}
    model = fg.Polynomial(terms | {(): 0.25}, kind, 17)
    energies, spectrum = model.energy(model.from_spins(exact.states(17))), exact.spectrum(model)
    assert spectrum.ground_energy == pytest.approx(energies.min(), abs=1e-12)
    lowest = (model.from_spins(exact.states(17)[energies <= energies.min() + 1e-9])).tolist()
    assert sorted(lowest) == sorted(spectrum.ground_states.tolist())
    weights = np.exp(-0.4 * (energies - energies.min()))
    assert spectrum.log_z(0.4) == pytest.approx(np.log(weights.sum()) - 0.4 * energies.min(), rel=1e-13)
    np.testing.assert_allclose(spectrum.probabilities(0.4), weights / weights.sum(), rtol=1e-10)
    if whole:
        levels, counts = spectrum.density_of_states()
        expected = np.unique(energies, return_counts=True)
        np.testing.assert_array_equal(levels, expected[0])
        np.testing.assert_array_equal(counts, expected[1])
    else:
        with pytest.raises(ValueError, match="whose coefficients, are integers"):
            spectrum.density_of_states()


def test_what_is_too_large_to_enumerate_is_refused():
    with pytest.raises(ValueError, match=r"has 31 spins, 2\^31 states: at most 30 are"):
        exact.spectrum(fg.Polynomial({(0, 1, 30): 1.0}))
