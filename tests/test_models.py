"""Energies against double loops over all states, and the shapes and types that are valid."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse

from fastgibbs.models import (
    RBM,
    Hopfield,
    Ising,
    edwards_anderson,
    lattice,
)


def all_states(n, values=(-1, 1)):
    return np.array(list(itertools.product(values, repeat=n)), np.int8).reshape(len(values) ** n, n)


def energies_of_bonds(n, bonds, fields):
    """E(s) = -sum of J s_i s_j over a plain list of (i, j, J), i == j allowed, minus h.s, over all states."""
    return np.array(
        [-sum(J * s[i] * s[j] for i, j, J in bonds) - sum(map(float, fields * s)) for s in all_states(n).astype(float)]
    )


def random_symmetric(n, seed, density=1.0):
    rng = np.random.default_rng(seed)
    J = np.triu(rng.standard_normal((n, n)) * (rng.random((n, n)) < density), 1)
    return J + J.T


# --- energies


@pytest.mark.parametrize("density", [1.0, 0.4, 0.0])
def test_dense_sparse_and_edges_give_the_model_of_the_double_loop(density):
    n, rng = 7, np.random.default_rng(1)
    J, h = random_symmetric(n, 2, density), rng.standard_normal(n)
    bonds = [(i, j, J[i, j]) for i in range(n) for j in range(i + 1, n)]
    expected = energies_of_bonds(n, bonds, h) + 0.75
    i, j = np.triu_indices(n, 1)
    shuffled = rng.permutation(i.size)
    models = [
        Ising(J, h, 0.75),
        Ising(scipy.sparse.csr_array(J), h, 0.75),
        Ising(scipy.sparse.coo_matrix(J), h, 0.75),
        Ising.from_edges(n, j[shuffled], i[shuffled], J[i, j][shuffled], h, 0.75),
    ]
    for model in models:
        np.testing.assert_allclose(model.energy(all_states(n)), expected, rtol=0, atol=1e-13)
        for name in ("indptr", "indices", "couplings"):
            array, first = getattr(model, name), getattr(models[0], name)
            assert array.dtype == first.dtype and np.array_equal(array, first)
    csr = scipy.sparse.csr_array(J)
    csr.eliminate_zeros()
    assert np.array_equal(models[0].indptr, csr.indptr)
    assert np.array_equal(models[0].indices, csr.indices)
    assert np.array_equal(models[0].couplings, csr.data)


@pytest.mark.parametrize("chunk", [2**20, 7, 1])
def test_energy_is_the_sequential_sum_bit_for_bit(monkeypatch, chunk):
    monkeypatch.setattr("fastgibbs.models.ising._CHUNK", chunk)
    n, rng = 40, np.random.default_rng(3)
    model = Ising(random_symmetric(n, 4, 0.5), rng.standard_normal(n), offset=0.1)
    states = rng.choice([-1, 1], (6, n))
    for state, energy in zip(states.tolist(), model.energy(states).tolist(), strict=True):
        bond_sum = field_sum = 0.0
        for i in range(n):
            for entry in range(model.indptr[i], model.indptr[i + 1]):
                j = model.indices[entry]
                if j > i:
                    bond_sum += float(model.couplings[entry]) * state[i] * state[j]
        for i in range(n):
            field_sum += float(model.fields[i]) * state[i]
        assert energy == (0.1 - bond_sum) - field_sum


def test_bonds_are_the_upper_triangle_row_by_row():
    J = random_symmetric(9, 5, 0.5)
    i, j, couplings = Ising(J).bonds
    rows, columns = np.nonzero(np.triu(J))
    assert np.array_equal(i, rows) and np.array_equal(j, columns) and np.array_equal(couplings, J[rows, columns])


def test_duplicate_bonds_add_up_in_either_direction_and_cancelled_ones_vanish():
    model = Ising.from_edges(4, [0, 1, 0, 2, 3], [1, 0, 1, 3, 2], [1.0, 0.5, 0.25, 2.0, -2.0])
    assert [part.tolist() for part in model.bonds] == [[0], [1], [1.75]]
    entries = ([1.0, 0.5, 1.5], ([0, 0, 1], [1, 1, 0]))
    assert [part.tolist() for part in Ising(scipy.sparse.coo_array(entries, shape=(2, 2))).bonds] == [[0], [1], [1.5]]


def test_one_coupling_serves_every_edge():
    assert Ising.from_edges(3, [0, 1], [1, 2], -2).bonds[2].tolist() == [-2.0, -2.0]


def test_hopfield_energy_is_the_hebb_double_loop_and_its_ising_model():
    patterns = np.random.default_rng(7).choice([-1, 1], (3, 8))
    model, states = Hopfield(patterns), all_states(8)
    xi = patterns.tolist()
    hebb = [(i, j, sum(x[i] * x[j] for x in xi) / 8) for i in range(8) for j in range(i + 1, 8)]
    expected = energies_of_bonds(8, hebb, np.zeros(8))
    np.testing.assert_allclose(model.energy(states), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.to_ising().energy(states), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.overlaps(states), states.astype(float) @ patterns.T / 8, rtol=0, atol=1e-15)


def test_hopfield_overlaps_do_not_overflow_int8(monkeypatch):
    monkeypatch.setattr("fastgibbs.models.hopfield._CHUNK", 64)
    model = Hopfield(np.ones((2, 300), np.int8))
    state = np.ones(300, np.int8)
    assert model.overlaps(state).tolist() == [1.0, 1.0]
    assert model.energy(state) == -(2 * 300**2 - 600) / 600


def test_hopfield_without_patterns_has_no_energy():
    model = Hopfield(np.empty((0, 3)))
    assert model.energy(all_states(3)).tolist() == [0.0] * 8
    assert model.overlaps(np.ones(3)).shape == (0,)
    assert model.to_ising().couplings.size == 0


@pytest.fixture
def rbm():
    rng = np.random.default_rng(8)
    return RBM(rng.standard_normal((4, 3)), rng.standard_normal(4), rng.standard_normal(3))


def rbm_double_loop(rbm, v, h):
    a, b, W = rbm.visible_bias.tolist(), rbm.hidden_bias.tolist(), rbm.weights.tolist()
    energy = -sum(a[i] * v[i] for i in range(4)) - sum(b[j] * h[j] for j in range(3))
    return energy - sum(v[i] * W[i][j] * h[j] for i in range(4) for j in range(3))


def test_rbm_energy_is_the_double_loop_and_its_ising_model(rbm):
    states = all_states(7, (0, 1))
    expected = [rbm_double_loop(rbm, x[:4], x[4:]) for x in states.tolist()]
    np.testing.assert_allclose(rbm.energy(states), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rbm.energy(states[:, :4], states[:, 4:]), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(rbm.to_ising().energy(rbm.to_spins(states)), expected, rtol=0, atol=1e-12)


def test_rbm_energy_broadcasts_visible_against_hidden_units(rbm):
    v, h = all_states(4, (0, 1)), all_states(3, (0, 1))
    energies = rbm.energy(v[:, None], h[None])
    assert energies.shape == (16, 8)
    assert energies[5, 6] == pytest.approx(rbm_double_loop(rbm, v[5].tolist(), h[6].tolist()), abs=1e-12)


def test_rbm_free_energy_is_the_explicit_sum_over_hidden_units(rbm):
    v, h = all_states(4, (0, 1)), all_states(3, (0, 1))
    explicit = [-np.log(sum(np.exp(-rbm_double_loop(rbm, x, y)) for y in h.tolist())) for x in v.tolist()]
    np.testing.assert_allclose(rbm.free_energy(v), explicit, rtol=0, atol=1e-12)


def test_means_of_a_layer_are_those_of_its_conditional_law(rbm):
    """Also of one given layer that is known by probabilities alone, which stand for its units."""
    every = np.array(list(itertools.product((0, 1), repeat=3)))
    v = np.array([0, 1, 1, 0])
    p = np.exp(-rbm.energy(np.tile(v, (8, 1)), every))
    np.testing.assert_allclose(rbm.hidden_means(v), p / p.sum() @ every, rtol=1e-12)
    every, h = np.array(list(itertools.product((0, 1), repeat=4))), np.array([1, 0, 1])
    p = np.exp(-rbm.energy(every, np.tile(h, (16, 1))))
    np.testing.assert_allclose(rbm.visible_means(h), p / p.sum() @ every, rtol=1e-12)
    grey = np.array([[0.2, 1.0, 0.5, 0.0]])
    x = rbm.hidden_bias + grey[0] @ rbm.weights
    np.testing.assert_allclose(rbm.hidden_means(grey), 1 / (1 + np.exp(-x[None])), rtol=1e-12)
    expected = -rbm.visible_bias @ grey[0] - np.log1p(np.exp(x)).sum()
    np.testing.assert_allclose(rbm.free_energy(grey), [expected], rtol=1e-12)


def test_rbm_free_energy_is_stable_for_large_weights():
    model = RBM([[5000.0, -5000.0]])
    assert model.free_energy([1]) == -5000.0
    assert model.free_energy([0]) == pytest.approx(-2 * np.log(2), rel=1e-15)


def test_spins_and_states_of_every_model_are_each_others_reverse(rbm):
    for model in (lattice((7,)), Hopfield(np.ones((1, 7))), rbm):
        spins = all_states(7)
        states = model.from_spins(spins)
        assert states.dtype == np.int8 and model.to_spins(states).dtype == np.int8
        assert np.array_equal(model.to_spins(states), spins)
        np.testing.assert_allclose(model.energy(states), model.to_ising().energy(spins), rtol=0, atol=1e-12)
    assert rbm.from_spins([-1, 1, 1, -1, 1, -1, 1]).tolist() == [0, 1, 1, 0, 1, 0, 1]
    ising = lattice((3,))
    assert ising.to_ising() is ising


# --- what is valid


@pytest.mark.parametrize(
    "model",
    [
        Ising(np.zeros((0, 0)), offset=2.0),
        Ising.from_edges(0, [], [], 1.0, [], 2.0),
        Ising(scipy.sparse.coo_array((0, 0)), offset=2.0),
    ],
)
def test_the_empty_model_has_its_offset_for_energy(model):
    assert model.n == 0 and model.bonds[0].size == 0
    assert model.energy([]) == 2.0
    assert model.energy(np.empty((3, 0))).tolist() == [2.0, 2.0, 2.0]


def test_one_spin_isolated_spins_and_zero_couplings_are_models():
    assert Ising([[0]], [0.5]).energy([[1], [-1]]).tolist() == [-0.5, 0.5]
    isolated = Ising.from_edges(5, [1], [3], 2.0)
    assert np.diff(isolated.indptr).tolist() == [0, 1, 0, 1, 0]
    assert isolated.energy([1, 1, 1, -1, -1]) == 2.0
    assert lattice((4, 4), J=0.0).couplings.size == 0
    assert Ising(np.zeros((3, 3))).energy(np.ones(3)) == 0.0


@pytest.mark.parametrize("dtype", ["i1", "i8", ">i4", "f2", "f4", ">f8", "f8"])
def test_states_of_any_number_type_and_layout_give_the_same_energies(dtype, rbm):
    ising, states = Ising(random_symmetric(7, 9)), all_states(7)
    assert np.array_equal(ising.energy(states.astype(dtype)), ising.energy(states))
    units = all_states(7, (0, 1))
    assert np.array_equal(rbm.energy(units.astype(dtype)), rbm.energy(units))
    patterns = all_states(7)[:3]
    assert np.array_equal(Hopfield(patterns.astype(dtype)).energy(states), Hopfield(patterns).energy(states))


def test_states_may_be_strided_read_only_batched_or_single():
    model, states = Ising(random_symmetric(6, 10)), all_states(6)
    energies = model.energy(states)
    assert np.array_equal(model.energy(np.asfortranarray(states)), energies)
    assert np.array_equal(model.energy(states[::-2]), energies[::-2])
    states.flags.writeable = False
    assert np.array_equal(model.energy(states.reshape(4, 16, 6)), energies.reshape(4, 16))
    assert isinstance(model.energy(states[3]), float) and model.energy(states[3]) == energies[3]
    assert model.energy(states[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", ["i1", "i8", ">i4", "f4", ">f8"])
def test_couplings_of_any_number_type_and_layout_give_the_same_model(dtype):
    J = np.rint(3 * random_symmetric(6, 11))
    model = Ising(J, J[0])
    for other in (
        Ising(J.astype(dtype), J[0].astype(dtype)),
        Ising(np.repeat(J, 2, axis=1).astype(dtype)[:, ::2], np.repeat(J[0], 2).astype(dtype)[::2]),
        Ising(J.tolist(), J[0].tolist()),
    ):
        for name in ("couplings", "indices", "fields"):
            assert np.array_equal(getattr(other, name), getattr(model, name))
            assert getattr(other, name).dtype.isnative and getattr(other, name).flags.c_contiguous
    i, j, values = model.bonds
    edges = Ising.from_edges(np.int32(6), i.astype(">i8"), j.astype("u1"), values.astype(dtype))
    assert np.array_equal(edges.couplings, model.couplings)


def test_models_are_frozen_and_stay_so_in_copies_and_pickles(rbm):
    arrays = ["indptr", "indices", "couplings", "fields", "patterns", "weights", "visible_bias", "hidden_bias"]
    for model in (edwards_anderson((3, 3), seed=1), lattice((3, 4), h=0.5), Hopfield(np.ones((2, 4))), rbm):
        for twin in (model, copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            names = [name for name in arrays if hasattr(twin, name)]
            assert names
            for name in names:
                array = getattr(twin, name)
                assert np.array_equal(array, getattr(model, name))
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
                with pytest.raises(AttributeError, match=name):
                    setattr(twin, name, array)
            with pytest.raises(AttributeError, match="frozen"):
                twin.anything = 1
            with pytest.raises(AttributeError, match="frozen"):
                del twin.weights
            assert repr(twin) == repr(model)


def test_models_do_not_change_with_the_arrays_they_were_built_from():
    J, h, W, a, xi = random_symmetric(3, 12), np.ones(3), np.ones((2, 2)), np.ones(2), np.ones((1, 3), np.int8)
    ising, machine, hopfield = Ising(J, h), RBM(W, a, a), Hopfield(xi)
    before = ising.energy(np.ones(3)), machine.energy(np.ones(4)), hopfield.energy(np.ones(3))
    J[:], h[:], W[:], a[:], xi[:] = 5, 5, 5, 5, -1
    xi[0, 0] = 1
    assert (ising.energy(np.ones(3)), machine.energy(np.ones(4)), hopfield.energy(np.ones(3))) == before


def test_reprs_are_short():
    assert repr(lattice((64, 64))) == "Ising(n=4096, bonds=8192, fields=0)"
    assert repr(lattice((64, 64), h=-1)) == "Ising(n=4096, bonds=8192, fields=4096)"
    assert repr(lattice((3,), h=[0, 1, 2])) == "Ising(n=3, bonds=3, fields=2)"
    assert repr(Hopfield(np.ones((2, 5)))) == "Hopfield(n=5, patterns=2)"
    assert repr(RBM(np.ones((3, 2)))) == "RBM(n_visible=3, n_hidden=2)"


# --- what is refused


def refused(error, call, *words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value), f"{word!r} not in {caught.value}"


def test_units_other_than_zero_and_one_are_refused_with_their_index(rbm):
    refused(ValueError, lambda: rbm.energy([0, 1, 0, 1, 0, 1, -1]), "v[6] is -1", "0 and 1")
    refused(ValueError, lambda: rbm.energy([0, 1, 0, 1], [0, 1, 2]), "h[2] is 2")
    refused(ValueError, lambda: rbm.energy([0, 1, 0, 1]), "v has shape (4,)", "7")
    refused(ValueError, lambda: rbm.free_energy([[0, 1, 1.5, 1]]), "v[0, 2] is 1.5", "probabilities")
    refused(ValueError, lambda: rbm.hidden_means([[0, 1, np.nan, 1]]), "v[0, 2] is nan")
    refused(ValueError, lambda: rbm.hidden_means([[0, 1, 1]]), "v has shape (1, 3)", "(..., 4)")
    refused(ValueError, lambda: rbm.visible_means([0, -1, 0]), "h[1] is -1")
    refused(TypeError, lambda: rbm.visible_means("0"), "h")
    refused(ValueError, lambda: rbm.to_spins([0, 1, 0, 1, 0, 1, -1]), "states[6] is -1")
    refused(ValueError, lambda: rbm.from_spins([1, 1, 0, 1, 1, 1, 1]), "spins[2] is 0")
    assert rbm.energy([True] * 7) == rbm.energy([1] * 7)
