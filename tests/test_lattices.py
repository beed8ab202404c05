"""Lattices against their edges: every mix of borders, small sides, and those that are the same from every site."""

import copy
import itertools
import pickle
import tracemalloc

import numpy as np
import pytest
from test_models import all_states, energies_of_bonds, refused

from fastgibbs.models import (
    Ising,
    edwards_anderson,
    lattice,
    random_regular,
    resources,
    sherrington_kirkpatrick,
    triangular,
)
from fastgibbs.models.lattices import Lattice


def neighbour_bonds(shape, steps, periodic, J):
    """One bond for every site and step, walking the sites one by one; steps over an open border are left out."""
    bonds = []
    for site in itertools.product(*map(range, shape)):
        for step in steps:
            end = [x + dx for x, dx in zip(site, step, strict=True)]
            if any(not wrap and x >= side for x, side, wrap in zip(end, shape, periodic, strict=True)):
                continue
            end = tuple(x % side for x, side in zip(end, shape, strict=True))
            bonds.append((np.ravel_multi_index(site, shape), np.ravel_multi_index(end, shape), J))
    return bonds


def axis_steps(dimensions):
    return np.eye(dimensions, dtype=int).tolist()


TRIANGULAR = [(1, 0), (0, 1), (1, 1)]
SHAPES = [(1,), (2,), (5,), (1, 1), (1, 2), (2, 2), (2, 3), (1, 4), (3, 3), (1, 2, 3), (2, 2, 2), (2, 1, 3), (1, 1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_lattice_has_one_bond_a_site_and_axis_for_every_mix_of_borders(shape):
    n = int(np.prod(shape))
    h = np.random.default_rng(6).standard_normal(n)
    steps = axis_steps(len(shape))
    for periodic in itertools.product([False, True], repeat=len(shape)):
        model = lattice(shape, J=-0.7, h=h, periodic=periodic)
        expected = energies_of_bonds(n, neighbour_bonds(shape, steps, periodic, -0.7), h)
        np.testing.assert_allclose(model.energy(all_states(n)), expected, rtol=0, atol=1e-12)
        assert model.shape == shape


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 2), (3, 3)])
def test_triangular_lattice_adds_the_diagonal(shape):
    n, steps = int(np.prod(shape)), TRIANGULAR
    for periodic in itertools.product([False, True], repeat=2):
        model = triangular(shape, J=1.5, h=0.25, periodic=periodic)
        expected = energies_of_bonds(n, neighbour_bonds(shape, steps, periodic, 1.5), np.full(n, 0.25))
        np.testing.assert_allclose(model.energy(all_states(n)), expected, rtol=0, atol=1e-12)


def test_small_periodic_sides_have_double_bonds_and_self_bonds():
    assert lattice((2,)).bonds[2].tolist() == [2.0]
    assert lattice((1,)).offset == -1.0
    assert lattice((2, 1), J=3.0).offset == -6.0
    assert edwards_anderson((1, 1), p=1.0).offset == -2.0
    double = [edwards_anderson((2,), seed=seed).couplings.tolist() for seed in range(40)]
    assert {tuple(couplings) for couplings in double} == {(2.0, 2.0), (-2.0, -2.0), ()}


def test_a_large_lattice_has_six_neighbours_and_the_energy_of_its_ground_state():
    model = lattice((20, 20, 20), h=np.ones((20, 20, 20)))
    assert (np.diff(model.indptr) == 6).all()
    assert model.energy(np.ones(8000, np.int8)) == -3 * 8000 - 8000


# --- lattices that are the same from every site

CSR = ["indptr", "indices", "couplings", "fields"]
UNIFORM = [
    *[(lattice, shape, axis_steps(len(shape))) for shape in [(3,), (8,), (3, 3), (4, 7), (3, 4, 5), (3, 5, 4, 3)]],
    *[(triangular, shape, TRIANGULAR) for shape in [(3, 3), (4, 6), (5, 4)]],
]


@pytest.mark.parametrize("chunk", [2**16, 30, 1])
@pytest.mark.parametrize("build, shape, steps", UNIFORM)
def test_a_lattice_is_bit_for_bit_the_model_of_its_edges(monkeypatch, build, shape, steps, chunk):
    monkeypatch.setattr("fastgibbs.models.lattices._CHUNK", chunk)
    rng, n = np.random.default_rng(13), int(np.prod(shape))
    i, j, _ = zip(*neighbour_bonds(shape, steps, [True] * len(shape), 1.0), strict=True)
    for J, h in [(0.3, 0.1), (-0.7, 0.0), (2, -3)]:
        model, expected = build(shape, J, h), Ising.from_edges(n, i, j, J, np.full(n, h), shape=shape)
        assert type(model) is Lattice
        assert not set(CSR) & set(vars(model))
        states = rng.choice([-1, 1], (5, n))
        assert model.energy(states).tolist() == expected.energy(states).tolist()
        for part, wanted in zip(model.bonds, expected.bonds, strict=True):
            assert part.dtype == wanted.dtype and np.array_equal(part, wanted)
        assert repr(model) == repr(expected)
        assert not set(CSR) & set(vars(model)), "energy, bonds or repr built the CSR arrays"
        for name in CSR:
            array, wanted = getattr(model, name), getattr(expected, name)
            assert array.dtype == wanted.dtype and np.array_equal(array, wanted) and array.flags.c_contiguous
            assert getattr(model, name) is array
        for name in ("n", "shape", "offset", "coupling", "field", "degree", "bond_count"):
            value, wanted = getattr(model, name), getattr(expected, name)
            assert value == wanted and type(value) is type(wanted), name


@pytest.mark.parametrize("build, shape, steps", UNIFORM)
def test_neighbors_are_one_step_ahead_and_behind(build, shape, steps):
    model, sites = build(shape), np.random.default_rng(14).permutation(int(np.prod(shape)))
    assert model.cell.bonds == tuple((0, 0, tuple(step), 0) for step in steps)
    neighbors = model.neighbors(sites)
    assert neighbors.dtype == np.int64
    for site, row in zip(sites, neighbors.tolist(), strict=True):
        moved = [np.unravel_index(site, shape) + sign * np.array(step) for step in steps for sign in (1, -1)]
        assert row == [np.ravel_multi_index(tuple(end % shape), shape) for end in moved]
    assert model.neighbors(sites[:0]).shape == (0, 2 * len(steps))
    for outside in (-1, model.n):
        with pytest.raises(ValueError, match=str(outside)):
            model.neighbors([0, outside])


@pytest.mark.parametrize(
    "arguments",
    [
        dict(shape=(2, 3)),
        dict(shape=(3, 1)),
        dict(shape=(3, 4), periodic=(True, False)),
        dict(shape=(3, 4), h=np.zeros((3, 4))),
        dict(shape=(3, 4), J=0.0),
    ],
)
def test_a_lattice_that_differs_from_site_to_site_stores_its_bonds(arguments):
    for build in (lattice, triangular):
        assert type(build(**arguments)) is Ising
    assert type(lattice((3, 4), h=np.array(0.5), periodic=(True, np.True_))) is Lattice
    assert type(Lattice.from_edges(2, [0], [1], 1.0)) is Ising


def test_the_arrays_of_a_lattice_stay_out_of_its_pickle_and_copies():
    model = triangular((30, 40), J=-2.0, h=0.5)
    small = pickle.dumps(model)
    arrays = [getattr(model, name) for name in CSR]
    assert pickle.dumps(model) == small and len(small) < 300
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(small)):
        assert type(twin) is Lattice and not set(CSR) & set(vars(twin))
        assert all(np.array_equal(getattr(twin, name), array) for name, array in zip(CSR, arrays, strict=True))


def test_a_lattice_of_a_billion_sites_is_cheap_and_its_arrays_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(resources, "memory", lambda: 4 * 2**30)
    tracemalloc.start()
    try:
        model = lattice((2**15, 2**15), h=0.5)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4000 and peak < 2**20
    assert model.n == 2**30 and model.bond_count == 2**31
    assert model.neighbors([2**30 - 1]).tolist() == [[2**15 - 1, 2**30 - 1 - 2**15, 2**30 - 2**15, 2**30 - 2]]
    for name in CSR:
        refused(ValueError, lambda name=name: getattr(model, name), f"array {name}", "(32768, 32768)", "4.0 GiB")


SHARED = [
    # model, coupling, field, degree, bond_count
    (lambda: Ising(np.zeros((0, 0))), 1.0, 0.0, 0, 0),
    (lambda: Ising(np.zeros((3, 3))), 1.0, 0.0, 0, 0),
    (lambda: Ising(np.zeros((2, 2)), [0.5, 0.5]), 1.0, 0.5, 0, 0),
    (lambda: Ising([[0, -2, 0], [-2, 0, 2], [0, 2, 0]], [1, 1, -1]), 2.0, None, 2, 2),
    (lambda: Ising([[0, 1, 0], [1, 0, 2], [0, 2, 0]], [-3] * 3), None, -3.0, 2, 2),
    (lambda: Ising.from_edges(4, [0, 0, 0], [1, 2, 3], 0.25), 0.25, 0.0, 3, 3),
    (lambda: lattice((4, 5), J=-0.5, h=2), 0.5, 2.0, 4, 40),
    (lambda: lattice((2, 4)), None, 0.0, 3, 12),
    (lambda: lattice((2, 2), h=1), 2.0, 1.0, 2, 4),
    (lambda: lattice((1,)), 1.0, 0.0, 0, 0),
    (lambda: lattice((4, 5), periodic=False), 1.0, 0.0, 4, 31),
    (lambda: lattice((3, 3), J=0, h=1), 1.0, 1.0, 0, 0),
    (lambda: lattice((3,), h=[0, 1, 1]), 1.0, None, 2, 3),
    (lambda: triangular((3, 5), J=3), 3.0, 0.0, 6, 45),
    (lambda: edwards_anderson((3, 4, 5), seed=1), 1.0, 0.0, 6, 180),
    (lambda: edwards_anderson((3, 3), "gaussian", seed=1), None, 0.0, 4, 18),
    (lambda: sherrington_kirkpatrick(16, "bimodal", seed=1), 0.25, 0.0, 15, 120),
    (lambda: random_regular(10, 3, seed=1), 1.0, 0.0, 3, 15),
]


@pytest.mark.parametrize("build, coupling, field, degree, bond_count", SHARED)
def test_what_all_bonds_and_sites_share_is_known(build, coupling, field, degree, bond_count):
    model = build()
    assert (model.coupling, model.field) == (coupling, field)
    assert (model.degree, model.bond_count) == (degree, bond_count)
    assert model.coupling_unit == (1.0 if coupling is None else coupling)
    assert model.field_unit == (field if field else 1.0)
    assert all(type(value) in (float, type(None)) for value in (model.coupling, model.field))
    assert type(model.degree) is type(model.bond_count) is int
