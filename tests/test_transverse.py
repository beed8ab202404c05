"""Quantum spins: exact answers against values computed beforehand and all worldlines, and what no model can be."""

import copy
import json
import pickle

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs import io
from fastgibbs.exact import states

RING = fg.TransverseIsing(fg.lattice((6,)), gamma=1.0)


def glass():
    """A ring of eight with chords and fields, all random."""
    rng = np.random.default_rng(7)
    J, h = np.concatenate([rng.normal(size=8), rng.normal(size=4)]), 0.3 * rng.normal(size=8)
    i, j = np.concatenate([np.arange(8), np.arange(4)]), np.concatenate([(np.arange(8) + 1) % 8, np.arange(4) + 4])
    return fg.TransverseIsing(fg.Ising.from_edges(8, i, j, J, h), gamma=0.7)


def law(quantum, beta):
    """All states of a few worldlines, int8 (2^n, n), their shares of Z_M and log Z_M."""
    spins = states(quantum.n)
    lines = quantum.worldlines(spins)
    dt = beta / quantum.slices
    equal = lines == np.roll(lines, -1, axis=-1)
    g = dt * quantum.gamma[:, None]
    elements = np.where(equal, np.cosh(g), np.sinh(g)).prod(axis=(-2, -1))
    weights = np.exp(-beta * quantum.energy(spins)) * elements
    return spins, weights / weights.sum(), np.log(weights.sum())


def test_a_ring_has_the_means_that_were_computed_beforehand():
    found = fg.exact.transverse(RING, 2.0)
    expected = dict(log_z=15.944467304592544, energy=-7.573141903457251, heat_capacity=0.5846670665)
    expected |= dict(zz=0.6890964249140853, x=0.5730938923287906, m2=0.706399576603348, abs_m=0.7897097365781405)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-9), name
    assert found.kinks == 0
    assert fg.exact.transverse(RING, 400.0).energy == pytest.approx(-7.727406610312546, abs=1e-9)
    k = np.pi * (2 * np.arange(6) + 1) / 6  # free fermions
    assert -np.sqrt(2 - 2 * np.cos(k)).sum() == pytest.approx(-7.727406610312546, abs=1e-9)


@pytest.mark.parametrize(
    "slices, log_z, zz, m2, along_time, x",
    [
        (4, 16.6845522886, 0.7754544031, 0.7739263024, 0.7630380665, 0.6637523622),
        (8, 16.1459700406, 0.7141270579, 0.7251315666, 0.8155369569, 0.5989096525),
        (16, 15.9960150967, 0.6956104975, 0.7112160394, 0.8849524748, 0.5797841803),
        (32, 15.9574300824, 0.6907417465, 0.7076123734, 0.9357876812, 0.5747819750),
        (64, 15.9477127803, 0.6895088183, 0.7067033240, 0.9660856139, 0.5735168946),
    ],
)
def test_a_ring_in_slices_has_the_means_that_were_computed_beforehand(slices, log_z, zz, m2, along_time, x):
    found = fg.exact.transverse(RING, 2.0, slices)
    mine = found.log_z, found.zz, found.m2, 1 - 2 * found.kinks, found.x
    np.testing.assert_allclose(mine, (log_z, zz, m2, along_time, x), rtol=0, atol=1e-9)


def test_a_glass_has_the_means_that_were_computed_beforehand():
    found = fg.exact.transverse(glass(), 3.0)
    mine = found.log_z, found.energy, found.zz, found.x
    expected = 25.500222235594546, -8.36754945079841, -0.22986810553233192, 0.4949788644032288
    np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-9)
    in_slices = [fg.exact.transverse(glass(), 3.0, slices).x for slices in (8, 32)]
    np.testing.assert_allclose(in_slices, (0.5341194809, 0.4975658993), rtol=0, atol=1e-9)


def test_energy_and_heat_capacity_in_slices_are_those_that_were_computed_beforehand():
    found = fg.exact.transverse(fg.TransverseIsing(fg.lattice((3,)), 1.0), 1.5, 4)
    np.testing.assert_allclose(found[:3], (6.5476930597, -4.1625452034, 1.33426), rtol=0, atol=5e-6)
    np.testing.assert_allclose(found[:2], (6.5476930597, -4.1625452034), rtol=0, atol=1e-9)


@pytest.mark.parametrize("sites, slices", [(1, 4), (2, 1), (2, 3), (3, 2), (3, 4), (4, 3)])
def test_means_in_slices_are_those_over_all_worldlines(sites, slices):
    """Of random couplings, fields and transverse fields; derivatives of log Z_M by differences."""
    rng, beta = np.random.default_rng(sites), 1.3
    i, j = np.triu_indices(sites, 1)
    model = fg.Ising.from_edges(sites, i, j, rng.normal(size=i.size), rng.normal(size=sites), offset=0.5)
    quantum = fg.TransverseIsing(model, rng.uniform(0.3, 1.5, sites), slices)
    found, (spins, p, log_z) = fg.exact.transverse(quantum, beta, slices), law(quantum, beta)
    lines = quantum.worldlines(spins).astype(float)
    m = lines.mean(axis=-2)
    expected = dict(log_z=log_z, m2=p @ (m**2).mean(axis=-1), m4=p @ (m**4).mean(axis=-1))
    expected |= dict(abs_m=p @ np.abs(m).mean(axis=-1))
    expected |= dict(kinks=p @ (lines != np.roll(lines, -1, axis=-1)).mean(axis=(-2, -1)))
    expected |= dict(zz=p @ (lines[:, i] * lines[:, j]).mean(axis=(-2, -1)) if i.size else 0.0)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12), name
    step = 1e-3
    logs = np.array([law(quantum, beta + k * step)[2] for k in range(-2, 3)])
    assert found.energy == pytest.approx(-(logs @ [1, -8, 0, 8, -1]) / (12 * step), abs=1e-8)
    assert found.heat_capacity == pytest.approx(beta**2 * (logs @ [-1, 16, -30, 16, -1]) / (12 * step**2), abs=1e-6)
    stronger = [fg.TransverseIsing(model, quantum.gamma + sign * step, slices) for sign in (1, -1)]
    by_field = np.subtract(*(law(one, beta)[2] for one in stronger)) / (2 * step * beta * sites)
    assert found.x == pytest.approx(by_field, abs=1e-5)


def test_many_slices_are_continuous_time_and_no_field_is_the_classical_model():
    quantum, beta = glass(), 1.2
    v1, v2, exact = (np.array(fg.exact.transverse(quantum, beta, slices)) for slices in (32, 64, None))
    np.testing.assert_allclose(((4 * v2 - v1) / 3)[:-1], exact[:-1], rtol=0, atol=1e-4)
    assert (np.abs(v2 - exact)[:-1] < np.abs(v1 - exact)[:-1] / 3.5).all()
    classical = fg.exact.spectrum(quantum.model)
    still = fg.TransverseIsing(quantum.model, 0.0)
    for slices in (1, 5, None):
        found = fg.exact.transverse(still, beta, slices)
        assert found.log_z == pytest.approx(classical.log_z(beta), abs=1e-9)
        assert found.energy == pytest.approx(classical.energy(beta), abs=1e-9)
        assert found.heat_capacity == pytest.approx(classical.heat_capacity(beta), abs=1e-9)
        assert found.x == found.kinks == 0


def test_the_energy_is_the_mean_over_slices_and_worldlines_lie_side_by_side():
    quantum = fg.TransverseIsing(fg.Ising([[0, 1], [1, 0]], [0.5, 0], offset=2.0), [1.0, 0.0], slices=3)
    state = np.array([1, 1, -1, 1, -1, -1])
    assert quantum.worldlines(state).tolist() == [[1, 1, -1], [1, -1, -1]]
    slices = quantum.worldlines(state).T
    assert quantum.energy(state) == pytest.approx(quantum.model.energy(slices).mean())
    assert quantum.energy(np.tile(state, (2, 4, 1))).shape == (2, 4)
    assert quantum.n == 6 and quantum.sites == 2 and not quantum.even and RING.even
    assert repr(quantum) == "TransverseIsing(Ising(n=2, bonds=1, fields=1), gamma=0...1, slices=3)"


def test_models_are_equal_by_what_they_hold():
    assert fg.TransverseIsing(fg.lattice((6,)), np.ones(6)) == RING and hash(RING) == hash(
        fg.TransverseIsing(fg.lattice((6,)), 1.0)
    )
    for other in (
        fg.TransverseIsing(fg.lattice((6,)), 1.5),
        fg.TransverseIsing(fg.lattice((7,)), 1.0),
        fg.TransverseIsing(fg.lattice((6,)), 1.0, slices=33),
    ):
        assert other != RING


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(gamma=-1.0), ValueError, "gamma is -1.0: give fields of at least 0"),
        (dict(gamma=[1, 1, -2.5]), ValueError, r"gamma\[2\] is -2.5: give fields of at least 0"),
        (dict(gamma=np.nan), ValueError, "gamma is nan: give finite numbers"),
        (dict(gamma=np.inf), ValueError, "gamma is inf: give finite numbers"),
        (dict(gamma="strong"), TypeError, "gamma"),
        (dict(gamma=None), TypeError, "gamma"),
        (dict(gamma=[1.0, 1.0]), ValueError, r"gamma has shape \(2,\): give a number or one per site, \(3,\)"),
        (dict(slices=0), ValueError, "slices is 0: give an integer of at least 1"),
        (dict(slices=8.0), TypeError, "slices is 8.0: give an integer"),
        (dict(slices=2**31), ValueError, "slices is 2147483648: 3 sites have at most"),
        (dict(model=fg.RBM(np.zeros((2, 2)))), ValueError, "its units are 0 and 1: give its to_ising()"),
        (dict(model=fg.Hopfield(np.ones((1, 3)), order=3)), ValueError, "it has no Ising form"),
        (dict(model=RING), TypeError, "model is TransverseIsing"),
        (dict(model=3), TypeError, "model is 3: give a model"),
    ],
)
def test_what_no_model_has_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        fg.TransverseIsing(**dict(model=fg.lattice((3,)), gamma=1.0) | arguments)


def test_an_infinite_chain_is_that_of_free_fermions():
    """Beside a ring of 8 where that is infinite, to 10^-5, at three fields; and its known limits."""
    for gamma, J in ((1.0, 1.0), (0.5, -0.8), (1.7, 0.6)):
        ring = fg.exact.transverse(fg.TransverseIsing(fg.lattice((8,), J=J), gamma), 0.15)
        chain = fg.exact.transverse_chain(0.15, gamma, J)
        np.testing.assert_allclose(chain, (ring.energy / 8, ring.x, ring.zz), rtol=0, atol=1e-5)
    assert fg.exact.transverse_chain(1e4, 1.0).energy == pytest.approx(-4 / np.pi, abs=1e-6)
    found = fg.exact.transverse_chain(0.7, np.array([0.0, 1e-9, 50.0]))
    np.testing.assert_allclose(found.zz[:2], np.tanh(0.7), atol=1e-9)
    np.testing.assert_allclose(found.x[2], np.tanh(35.0), atol=1e-3)
    for arguments, message in ((dict(beta=0.0), "beta is 0.0"), (dict(beta=1.0, gamma=np.nan), "gamma is nan")):
        with pytest.raises(ValueError, match=message):
            fg.exact.transverse_chain(**dict(gamma=1.0) | arguments)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(model=fg.lattice((3,))), TypeError, "give a TransverseIsing model"),
        (dict(model=fg.TransverseIsing(fg.lattice((13,)), 1.0)), ValueError, "has 13 sites: at most 12"),
        (dict(beta=-1.0), ValueError, "beta is -1.0: give a number of at least 0"),
        (dict(beta=np.inf), ValueError, "beta is inf: give finite numbers"),
        (dict(slices=0), ValueError, "slices is 0"),
    ],
)
def test_exact_answers_name_what_they_cannot_take(arguments, error, message):
    with pytest.raises(error, match=message):
        fg.exact.transverse(**dict(model=RING, beta=1.0) | arguments)


@pytest.mark.parametrize("quantum", [RING, glass(), fg.TransverseIsing(fg.Hopfield(np.ones((2, 3))), [0.0, 1, 2], 5)])
def test_models_are_taken_apart_and_put_together(quantum):
    arrays, numbers = io.take_apart(quantum)
    under = {f"model0.{name}": array for name, array in arrays.items()}
    assert io.put_together(json.loads(json.dumps(numbers)), under, "model0.") == quantum
    assert copy.deepcopy(quantum) == quantum == pickle.loads(pickle.dumps(quantum))


@pytest.mark.parametrize(
    "verb",
    [
        lambda model: fg.anneal([model, model]),
        lambda model: fg.log_z(model),
        lambda model: fg.log_likelihood(model, np.ones((1, model.n))),
        lambda model: fg.train(model, np.ones((4, model.n))),
        lambda model: fg.recall(model, np.ones((4, model.n))),
        lambda model: fg.mean_field(model),
        lambda model: fg.pseudo_likelihood(model, np.ones((4, model.n))),
        lambda model: fg.beta_range(model),
        lambda model: fg.beta_schedule(model, 10),
        lambda model: fg.exact.spectrum(model),
        lambda model: fg.sample([model, model], beta=1.0, sweeps=1),
        lambda model: fg.testing.check_energy(model),
    ],
)
def test_verbs_that_would_take_the_energy_for_an_exponent_refuse(verb):
    with pytest.raises(TypeError, match="TransverseIsing"):
        verb(RING)
