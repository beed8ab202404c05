"""Lattices from a cell: the named ones, neighbour shells, boundaries, and where sites are."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from test_models import all_states, energies_of_bonds, refused

import fastgibbs as fg
from fastgibbs.engines import graphs
from fastgibbs.io.models import digest, put_together, take_apart
from fastgibbs.models import cells, edges
from fastgibbs.models.ising import Ising
from fastgibbs.models.lattices import Lattice

# name, shape, sites of a cell, neighbours, sites in the next two shells, triangles a site, shortest loop, bipartite
NAMED = [
    ("chain", (7,), 1, 2, [2, 2], 0, 7, False),
    ("chain", (8,), 1, 2, [2, 2], 0, 8, True),
    ("square", (6, 6), 1, 4, [4, 4], 0, 4, True),
    ("cubic", (6, 6, 6), 1, 6, [12, 8], 0, 4, True),
    ("hypercubic", (4, 4, 4, 4), 1, 8, [24, 32], 0, 4, True),
    ("triangular", (6, 6), 1, 6, [6, 6], 2, 3, False),
    ("honeycomb", (5, 5), 2, 3, [6, 3], 0, 6, True),
    ("kagome", (5, 5), 3, 4, [4, 6], 2 / 3, 3, False),
    ("checkerboard", (5, 5), 2, 6, None, 2, 3, False),
    ("bcc", (5, 5, 5), 2, 8, [6, 12], 0, 4, True),
    ("fcc", (4, 4, 4), 4, 12, [6, 24], 8, 3, False),
    ("diamond", (3, 3, 3), 8, 4, [12, 12], 0, 6, True),
    ("pyrochlore", (3, 3, 3), 16, 6, [12, 12], 2, 3, False),
]


def separations(model):
    """The distance of the first sites, one cell of them, from all sites, by the shortest way around: (sites, n)."""
    positions, periods = model.positions, model.periods
    first = model.shape[-1] if len(model.shape) > len(periods) else 1
    apart = positions[None] - positions[:first, None]
    turns = np.array(list(itertools.product((-1, 0, 1), repeat=len(periods)))) @ periods
    return np.min([np.linalg.norm(apart + turn, axis=2) for turn in turns], axis=0)


def adjacency(model):
    A = np.zeros((model.n, model.n))
    i, j, J = model.bonds
    A[i, j] = A[j, i] = J
    return A


def girth(A):
    """The length of the shortest loop through site 0: two shortest ways from it meet."""
    neighbors = [np.flatnonzero(row) for row in A]
    depth, parent, front, best = {0: 0}, {0: -1}, [0], math.inf
    for site in front:
        for other in neighbors[site]:
            if other not in depth:
                depth[other], parent[other] = depth[site] + 1, site
                front.append(other)
            elif other != parent[site]:
                best = min(best, depth[site] + depth[other] + 1)
    return best


@pytest.mark.parametrize(
    "name, shape, sites, degree, further, triangles, loop, bipartite", NAMED, ids=[f"{row[0]}{row[1]}" for row in NAMED]
)
def test_a_named_lattice_is_what_its_name_says(name, shape, sites, degree, further, triangles, loop, bipartite):
    model = fg.lattice(shape, cell=name)
    assert type(model) is Lattice and model.n == sites * math.prod(shape)
    assert model.shape == (shape if sites == 1 else (*shape, sites))
    assert (model.degree, model.bond_count) == (degree, model.n * degree // 2)
    assert model.positions.shape == (model.n, len(shape)) and model.positions.dtype == np.float64
    A, apart = adjacency(model), separations(model)
    assert (A.sum(axis=0) == degree).all()
    assert np.trace(A @ A @ A) / 6 / model.n == pytest.approx(triangles)
    assert girth(A) == loop
    eigenvalues = np.linalg.eigvalsh(A)  # of a bipartite graph they come in pairs
    assert np.allclose(eigenvalues, -eigenvalues[::-1], atol=1e-9) == bipartite
    near = np.abs(apart - 1) < 1e-9
    assert apart[apart > 1e-9].min() == pytest.approx(1)
    if further is None:
        assert (near.sum(axis=1) == 4).all() and set(apart[A[: len(apart)] > 0].round(6)) == {1.0, 1.414214}
        return
    assert np.array_equal(near, A[: len(apart)] > 0), "the bonds are not those of the nearest neighbours"
    if name != "hypercubic":  # whose sides are short
        J = (1.0, -0.5, 0.25)
        farther = fg.lattice(tuple(max(side, 7 - 3 * (sites > 4)) for side in shape), J, cell=name)
        apart, A = separations(farther), adjacency(farther)[:sites]
        distances = np.unique(apart[apart > 1e-9].round(9))[:3]
        for distance, one, count in zip(distances, J, [degree, *further], strict=True):
            assert np.array_equal(np.abs(apart - distance) < 1e-8, one == A) and ((one == A).sum(axis=1) == count).all()


def test_the_named_lattices_are_those_of_the_functions():
    assert (
        fg.lattice((4, 5), -0.5, 2.0) == fg.lattice((4, 5), -0.5, 2.0, cell="square") == fg.lattice((4, 5), (-0.5,), 2)
    )
    assert fg.lattice((4, 5, 3), cell="cubic") == fg.lattice((4, 5, 3), cell="hypercubic")
    assert fg.lattice(9) == fg.lattice((9,)) == fg.lattice((9,), cell="chain")
    assert fg.triangular((4, 5)) == fg.lattice((4, 5), cell="triangular") != fg.lattice((4, 5))
    own = fg.Cell([[1, 0], [0, 1]], [[0, 0]], [(0, 0, (1, 0)), (0, 0, np.array([0, 1]))])
    assert fg.lattice((4, 5), cell=own) == fg.lattice((4, 5)) and hash(own) == hash(copy.deepcopy(own))


def walked(shape, sites, bonds, J, periodic):
    """The bonds (i, j, J) of every cell, each walked to its end one turn around an axis after the other."""
    found = []
    for at in itertools.product(*map(range, shape)):
        for (start, end, offset), one in zip(bonds, J, strict=True):
            x = [a + b for a, b in zip(at, offset, strict=True)]
            while (axis := next((a for a, s in enumerate(shape) if not 0 <= x[a] < s), None)) is not None:
                twisted = [a for a, s in enumerate(shape) if not 0 <= x[a] < s and isinstance(periodic[a], tuple)]
                axis = twisted[0] if twisted else axis
                turn = 1 if x[axis] >= shape[axis] else -1
                x[axis] -= turn * shape[axis]
                if periodic[axis] is False:
                    one = 0.0
                if periodic[axis] == "antiperiodic":
                    one = -one
                if isinstance(periodic[axis], tuple):
                    x = [a + turn * shift for a, shift in zip(x, periodic[axis], strict=True)]
            i, j = (np.ravel_multi_index(place, shape) * sites + site for place, site in ((at, start), (tuple(x), end)))
            found.append((int(i), int(j), one))
    return found


BOUNDARIES = [
    [True],
    ["antiperiodic"],
    [False],
    [True, True],
    [True, False],
    ["antiperiodic", False],
    ["antiperiodic", "antiperiodic"],
    [True, (1, 0)],
    [(0, -2), True],
    [(0, 1), "antiperiodic"],
    [True, "antiperiodic", (5, 1, 0)],
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("periodic", BOUNDARIES, ids=str)
def test_any_cell_with_any_borders_has_the_bonds_that_a_walk_finds(periodic, seed):
    rng, axes = np.random.default_rng(seed), len(periodic)
    while True:
        shape, sites = tuple(rng.integers(1, 6, axes).tolist()), int(rng.integers(1, 4))
        if math.prod(shape) * sites <= 11:
            break
    bonds = unlike(rng, axes, sites)
    J, kinds = rng.standard_normal(len(bonds)), rng.permutation(len(bonds))
    cell = fg.Cell(np.eye(axes), rng.random((sites, axes)), [(*bond, k) for bond, k in zip(bonds, kinds, strict=True)])
    n = math.prod(shape) * sites
    h = rng.standard_normal(n)
    model = fg.lattice(shape, J[np.argsort(kinds)], h, periodic, cell)
    expected = energies_of_bonds(n, walked(shape, sites, bonds, J, periodic), h)
    np.testing.assert_allclose(model.energy(all_states(n)), expected, rtol=0, atol=1e-12)


def test_bonds_that_meet_add_up():
    assert fg.lattice((1, 1), cell="honeycomb").bonds[2].tolist() == [3.0]
    assert fg.lattice((1, 1), cell="honeycomb", periodic=(True, "antiperiodic")).bonds[2].tolist() == [1.0]
    assert fg.lattice((2, 2, 2), cell="bcc") != fg.lattice((1, 2, 2), cell="bcc")
    assert set(fg.lattice((1, 2, 2), cell="bcc").couplings) == {2.0}
    assert fg.lattice((1, 1, 1), cell="fcc").coupling == 4.0
    assert fg.lattice((2,), periodic="antiperiodic").bond_count == 0  # J - J
    assert type(fg.lattice((1, 1, 1), cell="pyrochlore")) is Lattice and fg.lattice((4,), J=(1, 1)).coupling is None


def test_each_bond_of_a_kind_may_have_a_J_of_its_own():
    model = fg.lattice((3, 4), J=[(1.0, 0.25)])
    i, j, J = model.bonds
    same_row = i // 4 == j // 4
    assert set(J[same_row]) == {0.25} and set(J[~same_row]) == {1.0}
    honeycomb = fg.lattice((3, 3), J=[(1, 2, 3), 0.5], cell="honeycomb")
    assert sorted(np.unique(honeycomb.bonds[2], return_counts=True)[1].tolist()) == [9, 9, 9, 54]
    villain = fg.lattice((4, 2), J=(1, -1), cell=ODD)
    assert villain.coupling == 1.0 and villain.bonds[2].sum() == 4 * 2 * 2 * 2 - 2 * 4 * 2


ODD = fg.Cell([[1, 0], [0, 2]], [[0, 0], [0, 1]], [(0, 1, (0, 0)), (1, 0, (0, 1)), (0, 0, (1, 0)), (1, 1, (1, 0), 1)])


@pytest.mark.parametrize("strips", [1, 2, 4])
@pytest.mark.parametrize(
    "name, shape", [("honeycomb", (4, 3)), ("bcc", (4, 2, 3)), ("diamond", (4, 2, 2)), ("cubic", (8, 4, 4))]
)
def test_a_lattice_of_two_colours_is_laid_out_from_its_cell_as_from_its_bonds(name, shape, strips):
    model = fg.lattice(shape, -1.0, cell=name)
    stored = Ising.from_edges(model.n, *model.bonds, shape=model.shape)
    found, wanted = (graphs.layout(graphs.cells([one], strips), strips) for one in (model, stored))
    assert isinstance(found.graph, graphs.Box) and isinstance(wanted.graph, graphs.Cells)
    for name in ("position", "cell", "groups", "ghost_keys", "ghost_places", "ghosts"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    end, rows = found.cell.size, np.zeros(1, np.int64)
    ends = [np.stack([place.neighbors(0, end), place.signs(0, end, rows)[0]], axis=2) for place in (found, wanted)]
    for one, other in zip(*ends, strict=True):
        assert sorted(one.tolist()) == sorted(other.tolist())


@pytest.mark.parametrize("seed", range(8))
def test_two_colours_are_found_where_there_are_two(seed):
    rng = np.random.default_rng(seed)
    for _ in range(20):
        axes, sites = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        cell = fg.Cell(np.eye(axes), rng.random((sites, axes)), unlike(rng, axes, sites))
        shape = tuple(rng.integers(2, 5, axes).tolist())
        found = cells.two_colours(cell, shape)
        i, j = edges.edges(shape, cell, np.ones(len(cell.bonds)), True)[:2]
        if found is None:
            continue
        odd, colour = found, np.zeros(1, int)
        for side, one in zip(shape, odd, strict=False):
            colour = (colour[:, None] + one * np.arange(side)).ravel()
        colour = (colour[:, None] + odd[axes:]).ravel() % 2
        assert colour[0] == 0 and (colour[i] != colour[j]).all()


def unlike(rng, axes, sites):
    """A few bonds, none twice."""
    found = [(0, sites - 1, (1,) * axes)]
    for _ in range(2 * sites):
        start, end = sorted(rng.integers(0, sites, 2).tolist())
        offset = tuple(rng.integers(-2, 3, axes).tolist())
        if (start, end, offset) not in found and (start, end, tuple(-x for x in offset)) not in found:
            found += [(start, end, offset)] * (start != end or any(offset))
    return found


@pytest.mark.parametrize(
    "shape, periodic",
    [
        ((4, 5), True),
        ((4, 5), (True, (1, 0))),
        ((4, 5), ((0, -2), "antiperiodic")),
        ((3, 4, 5), (True, (2, 0, 0), (1, 0, 0))),
    ],
)
def test_neighbours_are_next_to_each_other_around_every_boundary(shape, periodic):
    name = "triangular" if len(shape) == 2 else "cubic"
    model = fg.lattice(shape, periodic=periodic, cell=name)
    i, j, _ = model.bonds
    turns = np.array(list(itertools.product((-1, 0, 1), repeat=len(shape)))) @ model.periods
    apart = model.positions[j] - model.positions[i]
    assert np.allclose(np.min([np.linalg.norm(apart + turn, axis=1) for turn in turns], axis=0), 1)


def test_an_antiperiodic_ring_has_one_broken_bond():
    assert fg.exact.spectrum(fg.lattice(8, periodic="antiperiodic")).ground_energy == -6
    assert fg.exact.spectrum(fg.lattice(7, J=-1.0, periodic="antiperiodic")).ground_energy == -7


# --- what is kept

PLACED = [
    fg.lattice((4, 4), -1.0, 0.5, cell="honeycomb"),
    fg.lattice((3, 3), (1.0, 0.5), cell="kagome", periodic=(False, "antiperiodic")),
    fg.lattice((4, 4), periodic=(True, (1, 0))),
    fg.edwards_anderson((3, 3, 3), sites=0.7, bonds=0.9, cell="bcc", h_width=1.0, seed=1),
    fg.power_law(8, 1.2, "gaussian", seed=2),
]


@pytest.mark.parametrize("model", PLACED, ids=repr)
def test_positions_are_kept_in_copies_pickles_and_files(model, tmp_path):
    fg.save(model, tmp_path / "model.npz")
    arrays, numbers = take_apart(model)
    twins = [copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), put_together(numbers, arrays)]
    for twin in (*twins, fg.load(tmp_path / "model.npz")):
        assert twin == model and hash(twin) == hash(model) and type(twin) is type(model)
        assert np.array_equal(twin.positions, model.positions) and np.array_equal(twin.periods, model.periods)
        assert digest(twin) == digest(model)
    bare = Ising.from_edges(model.n, *model.bonds, model.fields, model.offset, model.shape)
    assert bare.positions is None and bare.periods is None and bare != model and digest(bare) != digest(model)


def test_models_that_differ_in_where_their_sites_are_differ():
    built = [
        fg.lattice((4, 6), periodic=False),
        fg.lattice((4, 6), periodic=(False, False), cell=fg.Cell(2 * np.eye(2), [[0, 0]])),
    ]
    assert built[0] != built[1] and np.array_equal(2 * built[0].positions, built[1].positions)
    assert np.array_equal(built[0].indices, built[1].indices)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(geometry=[(4, 5), ((1.0, 0.0), (0.0, 1.0)), ((0.0, 0.0),), ((4.0, 0.0), (0.0, 4.0))]), ("sides", "16")),
        (dict(geometry=[(4, 4), ((1.0, 0.0), (0.0, 1.0)), ((0.0, 0.0),), ((4.0, 0.0),)]), ("periods", "(2, 2)")),
        (dict(geometry=[(4,), ((1.0, 0.0), (0.0, 1.0)), ((0.0, 0.0),), ((4.0, 0.0), (0.0, 4.0))]), ("sides",)),
        (dict(geometry=[1]), ("geometry",)),
        (dict(sites=np.arange(15)), ("sites", "16")),
        (dict(sites=np.arange(16)[::-1]), ("sites", "ascending")),
    ],
)
def test_files_that_place_no_sites_are_refused(change, words):
    arrays, numbers = take_apart(fg.lattice((4, 4), periodic=False))
    arrays |= {name: value for name, value in change.items() if name == "sites"}
    numbers |= {name: value for name, value in change.items() if name != "sites"}
    with pytest.raises((TypeError, ValueError)) as caught:
        put_together(numbers, arrays)
    assert all(word in str(caught.value) for word in words)


# --- what no lattice is made of

SQUARE = np.eye(2)
ONE = [[0.0, 0.0]]


@pytest.mark.parametrize(
    "error, arguments, words",
    [
        (ValueError, ([[1, 2, 3]], [[0, 0]]), ("basis has shape (1, 2)", "(sites, 3)")),
        (ValueError, ([1, 2], ONE), ("vectors has shape (2,)",)),
        (ValueError, ([[1], [1]], [[0]]), ("vectors has shape (2, 1)", "not more axes than dimensions")),
        (ValueError, ([[1, 1], [2, 2]], ONE), ("vectors", "depend")),
        (ValueError, ([[1, np.nan], [2, 2]], ONE), ("vectors[0, 1] is nan",)),
        (ValueError, (SQUARE, np.zeros((0, 2))), ("basis has shape (0, 2)",)),
        (TypeError, (SQUARE, ONE, []), ("bonds is []",)),
        (TypeError, (SQUARE, ONE, "bonds"), ("bonds is 'bonds'",)),
        (TypeError, (SQUARE, ONE, [(0, 0)]), ("bonds[0] is (0, 0)",)),
        (ValueError, (SQUARE, ONE, [(0, 0, (1, 0)), (0, 1, (0, 1))]), ("bonds[1][1] is 1", "1 sites")),
        (ValueError, (SQUARE, ONE, [(-1, 0, (1, 0))]), ("bonds[0][0] is -1",)),
        (TypeError, (SQUARE, ONE, [(0.0, 0, (1, 0))]), ("bonds[0][0] is 0.0",)),
        (ValueError, (SQUARE, ONE, [(0, 0, (1,))]), ("bonds[0][2] is (1,)", "2 whole numbers")),
        (TypeError, (SQUARE, ONE, [(0, 0, (1, 0.5))]), ("bonds[0][2][1] is 0.5",)),
        (ValueError, (SQUARE, ONE, [(0, 0, (0, 0))]), ("bonds[0]", "itself")),
        (ValueError, (SQUARE, ONE, [(0, 0, (1, 0)), (0, 0, (-1, 0))]), ("bonds[1] is bonds[0] again",)),
        (ValueError, (SQUARE, [[0, 0], [0.5, 0]], [(0, 1, (1, 0)), (1, 0, (-1, 0))]), ("bonds[1] is bonds[0] again",)),
        (ValueError, (SQUARE, ONE, [(0, 0, (1, 0), 1)]), ("no bond of kind 0",)),
        (ValueError, (SQUARE, ONE, [(0, 0, (1, 0), -1)]), ("bonds[0][3] is -1",)),
    ],
)
def test_what_is_no_cell_is_refused(error, arguments, words):
    refused(error, lambda: fg.Cell(*arguments), *words)


@pytest.mark.parametrize(
    "error, arguments, words",
    [
        (ValueError, dict(shape=(3, 3), cell="kagomé"), ("cell is 'kagom", "did you mean 'kagome'")),
        (ValueError, dict(shape=(3, 3), cell=3), ("cell is 3", "'honeycomb'")),
        (ValueError, dict(shape=(3, 3), cell="fcc"), ("shape is (3, 3)", "fcc", "3 axes")),
        (ValueError, dict(shape=(3,), cell=fg.Cell(SQUARE, ONE)), ("shape is (3,)", "2 axes")),
        (ValueError, dict(shape=(3, 3), cell=fg.Cell(SQUARE, [[0, 0], [1, 2]])), ("basis[1]", "where", "site 0")),
        (ValueError, dict(shape=(2**16, 2**15 - 1), cell="honeycomb"), ("shape is (65536, 32767)", "4294836224 sites")),
        (ValueError, dict(shape=(3, 3), J=[]), ("J is empty",)),
        (ValueError, dict(shape=(3, 3), J=(1, [1, 2, 3])), ("J[1] has shape (3,)", "(2,)")),
        (ValueError, dict(shape=(3, 3), J=(1, np.nan)), ("J[1] is nan",)),
        (TypeError, dict(shape=(3, 3), J=(1, "2")), ("J[1]", "real numbers")),
        (ValueError, dict(shape=(3, 3), J=(1, 2, 3), cell="checkerboard"), ("J has 3 entries", "give 2")),
        (ValueError, dict(shape=(2,) * 20, J=(1, 2)), ("J has 2 entries", "20 axes")),
        (TypeError, dict(shape=(3, 3), periodic=(True, "open")), ("periodic is (True, 'open')", "antiperiodic")),
        (TypeError, dict(shape=(3, 3), periodic=1), ("periodic is 1",)),
        (ValueError, dict(shape=(3, 3), periodic=(True, (1,))), ("periodic[1] is (1,)", "2 axes")),
        (ValueError, dict(shape=(3, 3), periodic=(True, (0, 1))), ("periodic[1][1] is 1", "axis 1 is the same")),
        (ValueError, dict(shape=(3, 3), periodic=(False, (1, 0))), ("periodic[1][0] is 1", "axis 0 is open")),
        (ValueError, dict(shape=(3, 3), periodic=((0, 2), (1, 0))), ("periodic[0][1] is 2", "axis 1 is twisted")),
        (TypeError, dict(shape=(3, 3), periodic=(True, (0.5, 0))), ("periodic[1][0] is 0.5",)),
    ],
)
def test_what_no_lattice_has_is_refused(error, arguments, words):
    refused(error, lambda: fg.lattice(**arguments), *words)
    if "J" not in arguments or "nan" not in words[0]:
        refused(error, lambda: fg.edwards_anderson(**arguments, seed=1), *words)
