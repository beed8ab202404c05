"""Numbers at the bounds of their types and one beyond: where integers are chosen, steps kept, probabilities cut off."""

import numpy as np
import pytest
from probe import block, fields, flip_probabilities

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import ENGINES, contract, gradients, phases, sparse
from fastgibbs.engines.inputs import TALL
from fastgibbs.engines.memories import Halves, Wholes


@pytest.mark.parametrize("leaves", [126, 127, 128, 129])
def test_sums_of_8_bits_end_at_127(leaves):
    star = fg.Ising.from_edges(leaves + 1, np.zeros(leaves, int), np.arange(1, leaves + 1), 1.0)
    assert (ENGINES["sparse"].prepare([star], 1).step > 0) == (leaves <= 127)
    states = np.ones((3, leaves + 1), np.int8)
    states[1] = -1
    states[2, 1] = -1
    np.testing.assert_array_equal(fields(star, states)[:, 0], [leaves, -leaves, leaves - 2])


@pytest.mark.parametrize("chains", [5, 64 + 32])
def test_spins_of_four_bytes_and_of_one_give_the_same_bytes(monkeypatch, chains):
    """In lanes of 32, 64 and 16 at once, with fields, an offset and an odd number of sites."""
    glass = fg.edwards_anderson((3, 3, 3), "gaussian", seed=1)
    model = fg.Ising.from_edges(27, *glass.bonds, np.linspace(-1, 1, 27), offset=0.3)
    found = []
    for most, kind in ((sparse.CACHE, np.float32), (0, np.int8)):
        monkeypatch.setattr(sparse, "CACHE", most)
        assert block("sparse", model, np.ones((chains, 27)))[1].spins.dtype == kind
        found.append(fg.sample(model, beta=0.7, sweeps=9, chains=chains, seed=2, engine="sparse", keep_states=True))
    for name in ("energy", "magnetization", "samples"):
        np.testing.assert_array_equal(*(getattr(result, name) for result in found))


def test_a_plan_with_other_numbers_is_the_plan_of_the_other_model():
    """From whole numbers over a unit of 4 to others in units of 1: nothing of the scale or the step may stay."""
    whole = fg.Ising.from_edges(4, [0, 1, 2], [1, 2, 3], [4.0, -8.0, 12.0], [4.0, 0, 0, -4.0])
    rng = np.random.default_rng(1)
    J, h = rng.normal(size=3), rng.normal(size=4)
    other = fg.Ising.from_edges(4, [0, 1, 2], [1, 2, 3], J, h, offset=0.5)
    before = ENGINES["sparse"].prepare([whole], 1)
    assert before.step > 0 and before.unit != 1
    betas = np.array([0.3, 1.5])
    plan = sparse.with_numbers(ENGINES["sparse"].at_betas(before, betas), other.couplings.copy(), h.copy(), 0.5)
    assert plan.step == 0
    np.testing.assert_allclose(plan.scales * plan.unit, -2 * np.log2(np.e) * betas * plan.unit, rtol=1e-6)
    np.testing.assert_allclose(plan.scaled_couplings * plan.unit, other.couplings, rtol=1e-7)
    np.testing.assert_allclose(plan.scaled_fields * plan.unit, other.fields, rtol=1e-7)
    assert all(part.size == 0 for part in (plan.doubled, plan.row_sums, plan.upper_sums, plan.own))
    np.testing.assert_array_equal(plan.couplings * plan.coupling_unit, other.couplings)
    assert plan.offset == 0.5


@pytest.mark.parametrize(
    ("largest", "kind"),
    [(2**15 - 1, np.int16), (2**15, np.int32), (2**31 - 1, np.int32), (2**31, np.int32), (2**31 + 1, np.int32)],
)
def test_dense_fields_fit_their_integers_and_energies_are_the_models(largest, kind):
    """The field of both sites is up to `largest` steps of 1; from 2^31 on, steps are wider and rounded."""
    model = fg.Ising.from_edges(2, [0], [1], float(largest - 1), [1.0, -1.0])
    plan = ENGINES["dense"].prepare([model], 1)
    assert plan.doubled.dtype == kind
    assert (plan.grain * plan.unit == 1) == (largest < 2**31)
    states = exact.states(2)
    result = fg.sample(model, beta=0.0, sweeps=20, chains=16, seed=1, engine="dense", keep_states=True)
    energy = model.energy(result.samples)
    np.testing.assert_allclose(result.energy, energy, rtol=0, atol=0 if largest < 2**31 else 1e-6 * largest / 2**31)
    true = model.fields + np.where(np.arange(2) == 0, states[:, 1:], states[:, :1]) * model.couplings[0]
    np.testing.assert_allclose(fields(model, states, "dense"), true, rtol=1e-6)


def test_dense_steps_leave_room_for_the_rounding_of_all_couplings():
    """Four terms that add up to just below 2^31, each rounded up: their sum is beyond it."""
    terms = np.array([2.0**29 - 3, 2.0**29, 2.0**29, 2.0**29]) + 0.6
    assert terms.sum() < 2**31 <= np.rint(terms).sum() - 1
    model = fg.Ising.from_edges(5, [0] * 4, [1, 2, 3, 4], terms)
    plan = ENGINES["dense"].prepare([model], 1)
    assert plan.doubled.dtype == np.int32
    assert plan.lowest[0] * plan.grain * plan.unit == pytest.approx(-terms.sum(), rel=1e-8)
    found = fields(model, np.array([[1, 1, 1, 1, 1], [1, -1, -1, -1, -1]], np.int8), "dense")
    np.testing.assert_allclose(found[:, 0], [terms.sum(), -terms.sum()], rtol=1e-6)


@pytest.mark.parametrize(("n", "kind"), [(2**15 - 1, Halves), (2**15, Wholes)])
def test_overlaps_of_16_bits_end_at_32767_sites(n, kind):
    prepared = ENGINES["overlap"].prepare([fg.Hopfield(np.ones((1, n), np.int8))], 1)
    assert type(prepared.plan.memory) is kind
    _, state = ENGINES["overlap"].start(
        prepared, range(16), [(0, np.ones((16, n), np.uint8))], 0, np.ones(1), contract.GIBBS
    )
    assert (state.overlaps[0] == n).all()


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_flips_rarer_than_a_uniform_can_be_never_happen(rule):
    """The least uniform is 2^-33: below it, and however cold, no word of random bits flips a spin along its field."""
    model = fg.Ising(np.zeros((1, 1)), [1.0])
    for beta in (11.0, 11.5, 12.0, 15.0, 20.0, 40.0, 44.0, 100.0, 1e4, 1e30):
        flip = flip_probabilities(model, np.array([[1], [-1]], np.int8), beta, rule)[:, 0]
        expected = np.exp(-2 * beta)
        if expected < 2.0**-33:
            assert flip[0] == 0.0, beta
            assert flip[1] == 1.0, beta
        else:
            assert 0 < flip[0] < 2.0**-30, beta


def test_lambda_follows_the_mean_of_hidden_units_whatever_the_coefficients_add_up_to():
    """A last batch of half the rows: sums of h, with coefficients that add up to 1/2, and lambda itself as often."""
    V, H = 6, 16
    rng = np.random.default_rng(1)
    sums = gradients.Sums(
        np.zeros((2, V), np.float32),
        np.zeros((3, TALL), np.float32),
        np.zeros(V, np.float32),
        np.zeros(16, np.float32),
        np.zeros(16, np.float32),
        np.zeros((2, 16, 16), np.float32),
        np.zeros((1, TALL), np.float32),
        np.zeros((1, V), np.uint64),
        np.zeros((V, TALL), np.float32),
    )
    mean, lam, whole, following = rng.random(H), rng.random(TALL).astype(np.float32), 0.5, 0.1
    sums.h[2, :H] = whole * mean
    before, tiles = lam[:H].copy(), np.zeros((1, V, H), np.float32)
    biases, velocities = (np.zeros(V, np.float32), np.zeros(H, np.float32)), (np.zeros(V), np.zeros(H))
    weights = phases.Weights(tiles, *biases, tiles, *velocities, lam)
    gradients.move_biases(weights, sums, gradients.Step(0.1, 0.0, 0.0, 0.0), whole, following)
    np.testing.assert_allclose(lam[:H], before + following * whole * (mean - before), rtol=1e-5)
