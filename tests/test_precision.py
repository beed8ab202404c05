"""Small fields under large couplings that cancel: every engine has the right law, or names the site and who has it."""

import math
from fractions import Fraction

import numpy as np
import pytest
from probe import fields

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import precision
from fastgibbs.methods.settings import ENGINES, choose_engine, tolerable
from fastgibbs.reference import annealing as annealing_twin
from fastgibbs.reference import sampling
from fastgibbs.reference import sparse64 as twin
from fastgibbs.reference import tempering as tempering_twin
from fastgibbs.testing.laws import draw_exactly, pvalue


def pair_of(J, h=1.0):
    """A spin in a field h between two neighbours whose couplings cancel where these are alike."""
    return fg.Ising.from_edges(3, [0, 1], [1, 2], [J, -J], [0.0, h, 0.0])


def penalized(penalty, n=8, seed=1):
    """penalty (sum x - 2)^2 and a cost for each x of the order of 1: an optimisation problem as people write it."""
    cost = np.random.default_rng(seed).normal(size=n)
    i, j = np.triu_indices(n, 1)
    J = np.full(i.size, -penalty / 2)
    return fg.Ising.from_edges(n, i, j, J, -cost / 2 - penalty * (n - 4) / 2)


@pytest.mark.parametrize("J", [1e3, 1.6e7, 3e7, 1e9, 1e12, 1e20, 1e31])
def test_every_engine_has_the_right_law_of_a_spin_between_couplings_that_cancel_or_names_it(J):
    """64,000 draws of tanh 1: 5 standard errors, on each engine that takes it; "auto" finds one up to 1e27."""
    ran = []
    for engine in ("auto", *ENGINES):
        kwargs = dict(beta=1.0, sweeps=1000, chains=64, clamp={0: 1, 2: 1}, seed=1, engine=engine, keep_states=True)
        try:
            result = fg.sample(pair_of(J), **kwargs)
        except ValueError as error:
            if engine in ("sparse", "dense", "sparse64"):
                assert "site 1 add up to" in str(error)
                assert str(error).endswith("engine 'sparse64' can") == (J < 1e27)
            continue
        ran.append(engine)
        assert abs(result.samples[..., 1].mean() - np.tanh(1)) < 5 / math.cosh(1) / math.sqrt(64_000), engine
    assert ("auto" in ran) == ("sparse64" in ran) == (J < 1e27)
    assert ("sparse" in ran) == (J < 1.6e7)
    assert ("dense" in ran) == (J < 1e12)


CHAINS, LEVEL = 16_384, 1e-4  # a false alarm in 10,000 runs of each


def between(J, n=5):
    """A small glass each of whose n spins is also coupled by J and -J to two spins that are pinned up."""
    glass = fg.sherrington_kirkpatrick(n, seed=1)
    i, j, small = glass.bonds
    bonds = (
        np.append(i, [range(n)] * 2),
        np.append(j, np.repeat([n, n + 1], n)),
        np.append(small, np.repeat([J, -J], n)),
    )
    h = np.random.default_rng(2).normal(size=n)
    model = fg.Ising.from_edges(n + 2, *bonds, np.append(h, [20.0 * n * J] * 2))
    return model, fg.Ising.from_edges(n, i, j, small, h)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize(("J", "engine"), [(1e3, "sparse"), (4e6 / 3, "sparse64"), (1e20 / 3, "sparse64")])
def test_large_couplings_that_cancel_leave_the_law_of_the_small_ones(J, engine, rule):
    """From exact draws, five sweeps: the states of the small ones are distributed as before."""
    model, small = between(J)
    p, states = draw_exactly(small, 0.4, np.random.default_rng(2), CHAINS)
    start = np.pad(states, ((0, 0), (0, 2)), constant_values=1)
    result = fg.sample(model, beta=0.4, sweeps=5, chains=CHAINS, start=start, rule=rule, seed=3)
    assert result.engine == engine
    assert (result.states[:, small.n :] == 1).all() and (result.states != start).any(axis=1).mean() > 0.5
    assert pvalue(small, result.states[:, : small.n], p) > LEVEL


def test_float32_sums_lose_that_law(monkeypatch):
    """The broken twin: the sparse engine, made to run it."""
    monkeypatch.setattr(precision, "drowned", lambda *args: None)
    model, small = between(4e7 / 3)
    p, states = draw_exactly(small, 0.4, np.random.default_rng(2), CHAINS)
    start = np.pad(states, ((0, 0), (0, 2)), constant_values=1)
    result = fg.sample(model, beta=0.4, sweeps=5, chains=CHAINS, start=start, seed=3, engine="sparse")
    assert pvalue(small, result.states[:, : small.n], p) < 1e-12


@pytest.mark.parametrize(
    "model",
    [
        fg.edwards_anderson((4, 4, 4), "gaussian", seed=1),
        fg.edwards_anderson((4, 4), "gaussian", width=1e12, seed=1),
        fg.sherrington_kirkpatrick(1000, seed=1),
        fg.random_regular(300, 50, "gaussian", seed=1),
        fg.lattice((8, 8), h=0.3),
        fg.Ising.from_edges(3, [0, 1], [1, 2], [1e6, -1e6], [0, 3.0, 0]),  # whole numbers, which float32 holds
        fg.Ising.from_edges(3, [0, 1], [1, 2], [1.5, -1.0], [1e20, 0, 1e-20]),  # a pinned spin
        fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (100, 1000)), field=0.3),
        fg.RBM(np.random.default_rng(1).normal(size=(784, 500)), np.full(784, -3.0)),
        penalized(100.0),
    ],
    ids=[
        "EA",
        "EA in large units",
        "SK",
        "50-regular",
        "lattice",
        "whole numbers",
        "pinned",
        "Hopfield",
        "RBM",
        "QUBO",
    ],
)
def test_models_that_people_run_run_where_they_ran(model):
    beta = 5.0 / max(1.0, np.abs(model.to_ising().couplings).max() if model.n < 100 else 1.0)
    tight, loose = (choose_engine("auto", [model], "sequential", None, 64, t)[0] for t in (tolerable(beta), np.inf))
    assert tight == loose != "sparse64"


def test_the_default_annealing_of_glasses_runs_where_it_ran():
    for model in (fg.edwards_anderson((6, 6, 6), "gaussian", seed=1), fg.random_regular(500, 20, "gaussian", seed=1)):
        assert fg.anneal(model, sweeps=1, reads=8, seed=1).engine == "sparse"
    assert fg.anneal(penalized(1e7 * 1.1), betas=fg.geometric(1e-6, 5), sweeps=2, reads=8, seed=1).engine == "sparse64"


def test_sites_of_one_large_term_are_safe_and_the_check_is_made_site_by_site():
    refused = pair_of(3e7).fields
    assert "site 1 " in ENGINES["sparse"].refusal([pair_of(3e7)], "sequential", 1, tolerable(1.0))
    assert ENGINES["sparse"].refusal([pair_of(3e7)], "sequential", 1, tolerable(1e-7)) is None
    pinned = fg.Ising.from_edges(3, [0, 1], [1, 2], [3e7, -3e6], refused)
    assert ENGINES["sparse"].refusal([pinned], "sequential", 1, tolerable(1.0)) is None
    many = fg.Ising.from_edges(5, [0, 1, 3, 4], [1, 2, 4, 2], [1.0, 1.0, 3e7, -3e7], np.full(5, 0.1))
    assert "site 2 " in ENGINES["sparse"].refusal([many], "sequential", 1, tolerable(1.0)) or "site 4 " in ENGINES[
        "sparse"
    ].refusal([many], "sequential", 1, tolerable(1.0))


def test_steps_are_the_largest_powers_of_two_of_which_numbers_are_whole_multiples():
    values = [0.0, 1.0, 3.0, 12.0, 0.75, -40.0, 0.1, 2.0**-1000, 3e300]
    for value, step in zip(values, precision.whole_steps(values), strict=True):
        if value == 0:
            assert step == np.inf
        else:
            ratio = Fraction(value) / Fraction(step)
            assert ratio.denominator == 1 and ratio.numerator % 2 == 1


@pytest.mark.parametrize("J", [8_388_607.0, 8_388_608.0])
def test_whole_numbers_are_exact_up_to_2_24_steps(J):
    """2 J + 1 is 2^24 - 1 of them, and one more than 2^24."""
    assert (ENGINES["sparse"].refusal([pair_of(J)], "sequential", 1, tolerable(1.0)) is None) == (2 * J + 1 <= 2**24)


HARD = {
    "cancelling": pair_of(1e20),
    "penalties": penalized(1e9 / 3),
    "magnitudes": fg.Ising.from_edges(
        6, [0, 1, 2, 3, 4, 0], [1, 2, 3, 4, 5, 3], 10.0 ** np.array([0, 5, 12, 12, 3, -3]) / 3, np.linspace(-1, 1, 6)
    ),
    "glass": fg.edwards_anderson((3, 3), "gaussian", seed=1),
    "whole numbers": fg.edwards_anderson((3, 3), "bimodal", seed=1),
}


@pytest.mark.parametrize("name", HARD)
def test_fields_of_104_bits_are_those_of_exact_sums(name):
    model = HARD[name].to_ising()
    spins = exact.states(model.n)[:: max(1, 2**model.n // 64)]
    found = fields(model, spins, "sparse64")
    for k, s in enumerate(spins.tolist()):
        for i in range(model.n):
            row = slice(model.indptr[i], model.indptr[i + 1])
            terms = [Fraction(J) * s[j] for J, j in zip(model.couplings[row], model.indices[row], strict=True)]
            true = float(Fraction(model.fields[i]) + sum(terms))
            assert found[k, i] == pytest.approx(true, rel=1e-15, abs=0)


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", HARD)
def test_trajectories_of_sparse64_equal_the_twins(name, rule, scan):
    betas = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 5.0, -0.7], np.linspace(0.2, 2.0, 13)])
    kwargs = dict(sweeps=30, burn_in=3, thin=3, rule=rule, scan=scan, seed=5)
    result = fg.sample(HARD[name], beta=betas, engine="sparse64", threads=1, **kwargs)
    energy, magnetization, states = sampling.sample(twin, HARD[name], betas, chains=betas.size, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


def test_annealing_and_tempering_of_sparse64_equal_the_twins():
    model = HARD["penalties"]
    result = fg.anneal(model, betas=fg.linear(0.1, 2), sweeps=70, reads=20, seed=3, engine="sparse64")
    expected = annealing_twin.anneal(twin, model, result.betas, 20, result.rule, 3)
    in_order = np.argsort(result.read)
    np.testing.assert_array_equal(result.states[in_order], expected.best_states)
    np.testing.assert_array_equal(result.energy[in_order], expected.best_energies)
    kwargs = dict(sweeps=24, burn_in=6, thin=3, swap_every=2, overlap_every=0, clusters=False, rule="gibbs", seed=3)
    betas = np.linspace(0.0, 2.0, 5)
    result = fg.temper(model, betas=betas, ladders=2, engine="sparse64", **kwargs)
    expected = tempering_twin.temper(twin, model, betas, 2, **kwargs)
    np.testing.assert_array_equal(result.states, expected.states)


# Other places where float32 stands for a coupling


def test_a_pseudo_inverse_of_nearly_dependent_patterns_is_refused_by_its_factors_and_right_elsewhere():
    """Factors of 1e4 that cancel to fields below 1."""
    rng = np.random.default_rng(1)
    patterns = rng.choice([-1, 1], (2, 20_000))
    patterns = np.vstack([patterns, patterns[0]])
    patterns[2, 0] *= -1
    model = fg.Hopfield(patterns, rule="pseudoinverse")
    assert "site" in ENGINES["overlap"].refusal([model], "sequential", 1, tolerable(20.0))
    assert (
        ENGINES["overlap"].refusal([fg.Hopfield(patterns[:2], rule="pseudoinverse")], "sequential", 1, tolerable(20.0))
        is None
    )


def test_a_field_that_cancels_those_of_patterns_is_refused_by_float32():
    patterns = np.ones((1, 200))
    harmless, lost = fg.Hopfield(patterns, field=-0.3), fg.Hopfield(np.ones((3000, 200)), field=-2985.1234)
    assert ENGINES["overlap"].refusal([harmless], "sequential", 1, tolerable(5.0)) is None
    assert "site 0 add up to" in ENGINES["overlap"].refusal([lost], "sequential", 1, tolerable(10.0))
    assert choose_engine("auto", [lost], "sequential", None, 64, tolerable(10.0))[0] in ("dense", "sparse64")


def machine(w):
    """Weights that cancel in hidden unit 0 where both visible units are on, beside a bias of 1."""
    return fg.RBM([[w, 0.3], [-w, 0.2]], [0.0, 0.0], [1.0, 0.5])


def test_an_rbm_whose_weights_cancel_runs_in_its_ising_form():
    assert ENGINES["layered"].refusal([machine(1e3)], "sequential", 1, tolerable(1.0)) is None
    assert "site 2 add up to" in ENGINES["layered"].refusal([machine(3e7)], "sequential", 1, tolerable(1.0))
    for w in (1e3, 3e7):
        result = fg.sample(machine(w), beta=1.0, sweeps=1000, chains=64, clamp={0: 1, 1: 1}, seed=1, keep_states=True)
        assert result.engine == ("layered" if w == 1e3 else "sparse64")
        p = 1 / (1 + np.exp(-1.0))
        assert abs(result.samples[..., 2].mean() - p) < 5 * math.sqrt(p * (1 - p) / 64_000)
        found = fg.log_z(machine(w), seed=1)
        states = exact.states(4)
        assert found.value == pytest.approx(float(exact.spectrum(machine(w)).log_z(1.0)), rel=0.2)
        assert len(states) == 16


def test_sampled_training_names_the_unit_whose_weights_cancel():
    for model in (machine(3e7), fg.BoltzmannMachine([[0, 3e7, -3e7], [3e7, 0, 0], [-3e7, 0, 0]], [1.0, 0, 0])):
        with pytest.raises(ValueError, match=r'site . add up to.*method="exact"'):
            fg.train(model, np.ones((4, model.n_visible)), epochs=1)


def test_paths_of_models_take_the_engine_that_can():
    clear, hard = pair_of(1.0), pair_of(3e7)
    found = fg.log_z([clear, hard], steps=50, beta=1.0, seed=1)
    assert np.isfinite(found.value)
    with pytest.raises(ValueError, match=r"model\[1\] is .* site 1 add up to"):
        fg.log_z([clear, pair_of(1e31)], steps=5, beta=1.0, seed=1)


@pytest.mark.parametrize("h", [0.0, 0.3])
def test_uniform_couplings_refuse_only_where_a_field_can_be_lost(h):
    model = fg.lattice((4, 4), J=1.0 / 3, h=h)
    assert choose_engine("auto", [model], "sequential", None, 64, tolerable(1e6))[0] == "multispin"
    assert (choose_engine("auto", [model], "sequential", None, 64, tolerable(1e15))[0] == "multispin") == (h == 0)


def test_fields_that_dense_rounds_away_are_named():
    """Steps of the largest field over 2^31 hold J = 1e12 and not h = 1: they did, and lost it."""
    assert ENGINES["dense"].refusal([pair_of(1e12)], "sequential", 1, tolerable(1e-12)) is None
    assert "site 1 " in ENGINES["dense"].refusal([pair_of(1e12)], "sequential", 1, tolerable(1.0))
    for model in (fg.sherrington_kirkpatrick(200, seed=1), fg.Ising(0.1 * (1 - np.eye(150)), np.full(150, 0.3))):
        assert ENGINES["dense"].refusal([model], "sequential", 1, tolerable(100.0)) is None
