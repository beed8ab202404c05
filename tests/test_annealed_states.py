"""What annealing finds by default where ground states are known, and the descent at its end."""

import numpy as np
import pytest
from test_annealing import BIG_WEIGHTED, GLASS, MACHINE, WEIGHTED, parity

import fastgibbs as fg
from fastgibbs.methods.descent import quenched
from fastgibbs.reference import annealing as twin
from fastgibbs.reference import sparse
from fastgibbs.results.annealed import energy_of_each

# Easy models, by default


def parts(*models):
    """The disjoint union of Ising models."""
    firsts = np.cumsum([0, *(model.n for model in models)])
    bonds = [model.bonds for model in models]
    i, j = (np.concatenate([part[k] + first for part, first in zip(bonds, firsts, strict=False)]) for k in (0, 1))
    J, h = np.concatenate([part[2] for part in bonds]), np.concatenate([model.fields for model in models])
    return fg.Ising.from_edges(int(firsts[-1]), i, j, J, h)


def ring(n, J=1.0):
    return fg.Ising.from_edges(n, np.arange(n), (np.arange(n) + 1) % n, J)


def chain(n, J=1.0):
    return fg.Ising.from_edges(n, np.arange(n - 1), np.arange(1, n), J)


def lone(*fields):
    return fg.Ising.from_edges(len(fields), [], [], [], np.array(fields, float))


def pair(J):
    return fg.Ising.from_edges(2, [0], [1], float(J))


def ladder(length, rungs):
    sites = np.arange(length - 1)
    i = np.concatenate([sites, sites + length, np.arange(length)])
    j = np.concatenate([sites + 1, sites + length + 1, np.arange(length) + length])
    return fg.Ising.from_edges(2 * length, i, j, np.repeat([1.0, rungs], [2 * length - 2, length]))


def tree(n, seed):
    rng = np.random.default_rng(seed)
    return fg.Ising.from_edges(n, [rng.integers(k) for k in range(1, n)], range(1, n), rng.normal(size=n - 1))


NORMAL = np.random.default_rng(5).normal(size=200)
EASY = {  # whose ground states satisfy all bonds and fields
    "ring": ring(16),
    "ring beside a lone spin": parts(ring(16), lone(0.5)),
    "ring beside a stronger pair": parts(ring(16), pair(5)),
    "rings on three scales": parts(ring(16), ring(16, 10), ring(16, 0.01)),
    "a ring a thousand times weaker": parts(ring(16), ring(16, 1e-3)),
    "many kinds": parts(ring(10), chain(8, 0.3), ladder(6, 2.0), lone(1, -0.01, 3), pair(-7)),
    "fields of two sizes": lone(*[1e-3] * 20, *[1.0] * 80),
    "normal fields": lone(*NORMAL[:100]),
    "fields of all sizes": lone(*np.exp(4 * NORMAL[:100])),
    "chain": chain(12),
    "ladder": ladder(8, 1.0),
    "ladder of weak rungs": ladder(8, 0.3),
    "tree": tree(15, 1),
    "pairs of all sizes": parts(*(pair(10.0**k) for k in range(-3, 4))),
    "ferromagnet in a weak field": fg.lattice((4, 4), h=0.02),
    "ferromagnet in a very weak field": fg.lattice((4, 4), h=-1e-4),
    "all to all in a weak field": fg.Ising(np.ones((12, 12)) - np.eye(12), [0.01] * 12),
    "ferromagnet beside a strong field": parts(fg.lattice((4, 4), h=0.01), lone(10)),
    "long ring": ring(64),
    "long chain": chain(200, NORMAL[:199]),
    "large tree": tree(200, 3),
    "large ferromagnet": fg.lattice((8, 8)),
}


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("name", EASY)
def test_easy_models_are_solved_by_default_at_any_scale(name, scale):
    model = EASY[name]
    model = fg.Ising.from_edges(model.n, *model.bonds[:2], scale * model.bonds[2], scale * model.fields)
    ground = -np.abs(model.bonds[2]).sum() - np.abs(model.fields).sum()
    start = None if model.field == 0 or model.degree == 0 else -np.sign(model.fields + (model.fields == 0))
    result = fg.anneal(model, start=start, seed=1)
    assert (result.energy <= ground * (1 - 1e-12)).sum() >= 60


RINGS = "ring", "ring beside a lone spin", "ring beside a stronger pair", "rings on three scales"


@pytest.mark.parametrize("name", RINGS)
def test_the_sweeps_themselves_solve_rings_and_sequential_metropolis_does_not(name, undescended):
    model = EASY[name]
    ground = -np.abs(model.bonds[2]).sum() - np.abs(model.fields).sum()
    solved = [
        (fg.anneal(model, seed=1, engine="sparse", **kwargs).energy <= ground * (1 - 1e-12)).sum()
        for kwargs in (dict(), dict(scan="random", rule="metropolis"), dict(rule="metropolis"))
    ]
    assert min(solved[:2]) >= 60 > 50 >= solved[2]


@pytest.mark.parametrize("rule", ["metropolis", "gibbs"])
def test_random_scans_equal_the_twins(rule):
    result = fg.anneal(WEIGHTED, sweeps=25, reads=17, seed=3, engine="sparse", rule=rule, scan="random")
    parity(result, twin.anneal(sparse, WEIGHTED, result.betas, 17, rule, 3, scan="random"))
    assert result.scan == "random"
    assert (result.trace_mean != fg.anneal(WEIGHTED, sweeps=25, reads=17, seed=3, rule=rule).trace_mean).all()
    for engine, model in (("multispin", GLASS), ("layered", MACHINE)):
        with pytest.raises(ValueError, match="it scans"):
            fg.anneal(model, engine=engine, scan="random")


# The descent


def costs(model, states):
    """What it costs to flip each site of each state, float64 (n, states)."""
    low, energies = states.min(initial=0), model.energy(states)
    flipped = np.repeat(states[None], model.n, axis=0)
    sites = np.arange(model.n)
    flipped[sites, :, sites] = (1 + low) - flipped[sites, :, sites] if low == 0 else -flipped[sites, :, sites]
    return model.energy(flipped) - energies


def machine(n):
    weights = np.triu(np.random.default_rng(6).normal(size=(n, n)), 1)
    return fg.BoltzmannMachine(weights + weights.T, np.random.default_rng(7).normal(size=n))


PATTERNS = np.random.default_rng(3).choice([-1, 1], (9, 40))
DESCENDING = {
    "multispin": fg.edwards_anderson((6, 6, 6), seed=1),
    "in a uniform field": fg.triangular((6, 6), J=-1.0, h=0.5),
    "sparse": fg.edwards_anderson((6, 6, 6), "gaussian", seed=1),
    "dense": fg.sherrington_kirkpatrick(120, seed=1),
    "layered": MACHINE,
    "units": machine(12),
    "hebb": fg.Hopfield(PATTERNS, field=0.01),
    "pseudo-inverse": fg.Hopfield(PATTERNS, rule="pseudoinverse"),
    "storkey": fg.Hopfield(PATTERNS, rule="storkey"),
    "order 3": fg.Hopfield(PATTERNS, order=3),
    "order 4 in a field": fg.Hopfield(PATTERNS, order=4, field=np.linspace(-0.01, 0.01, 40)),
}


@pytest.mark.parametrize("sweeps", [1, 20])
@pytest.mark.parametrize("name", DESCENDING)
def test_no_flip_lowers_a_state_that_is_returned(name, sweeps):
    model = DESCENDING[name]
    result = fg.anneal(model, sweeps=sweeps, reads=70, seed=2)
    rounding = 1e-13 * np.abs(result.energy).max()
    assert (costs(model, result.states) >= -rounding).all()
    assert (costs(model, result.last_states) < -rounding).any() or sweeps > 1  # of other states it is not true
    np.testing.assert_array_equal(result.energy, [model.energy(state) for state in result.states])
    assert (result.energy <= model.energy(result.last_states) + rounding).all()


@pytest.mark.parametrize("name", DESCENDING)
def test_states_descend_as_the_twins_do(name):
    model = DESCENDING[name]
    states = model.from_spins(np.random.default_rng(8).choice([-1, 1], (3, model.n)).astype(np.int8))
    np.testing.assert_array_equal(quenched(model, states), [twin.quenched(model, state) for state in states])


@pytest.mark.parametrize("count", [0, 1, 16, 37])
@pytest.mark.parametrize("units", ["one", "many"])
def test_energies_of_states_have_the_bits_of_the_models(units, count):
    rng = np.random.default_rng(5)
    i, j = np.triu_indices(30, 1)
    J = np.full(i.size, 0.3) * rng.choice([-1, 1], i.size) if units == "one" else rng.normal(size=i.size)
    model = fg.Ising.from_edges(30, i, j, J, np.full(30, 0.7) if units == "one" else rng.normal(size=30), offset=1.1)
    states = rng.choice(np.array([-1, 1], np.int8), (count, 30))
    np.testing.assert_array_equal(energy_of_each(model, states), model.energy(states))
    backwards = fg.Ising.from_edges(30, 29 - i, 29 - j, J, model.fields[::-1], offset=1.1)
    if units == "many" and count > 1:  # in another order they have others
        assert (energy_of_each(backwards, states[:, ::-1].copy()) != model.energy(states)).any()


def test_sites_without_field_and_clamped_sites_stay_in_the_descent():
    model = fg.Ising.from_edges(5, [0, 1], [1, 2], 1.0)
    states = np.array([[1, 1, -1, 1, -1], [1, -1, 1, -1, 1]], np.int8)
    np.testing.assert_array_equal(quenched(model, states), [[1, 1, 1, 1, -1], [-1, -1, -1, -1, 1]])
    np.testing.assert_array_equal(quenched(model, states, np.array([1, 3])), [[1, 1, -1, 1, -1], [1, 1, 1, -1, 1]])
    held = fg.anneal(WEIGHTED, sweeps=2, reads=5, seed=1, clamp={3: -1, 20: [1, -1, 1, -1, 1]})
    np.testing.assert_array_equal(held.states[:, 3], -1)
    np.testing.assert_array_equal(held.states[np.argsort(held.read), 20], [1, -1, 1, -1, 1])
    free = np.setdiff1d(np.arange(48), [3, 20])
    assert (costs(WEIGHTED, held.states)[free] >= -1e-12).all()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_small_fields_decide_the_descent_among_large_couplings_that_cancel(scale):
    """As Ising.energy cannot tell: 10^-20 beside 1 - 1 is lost in a float64."""
    model = fg.Ising.from_edges(3, [0, 1], [1, 2], [scale, -scale], [0, 1e-20 * scale, 0])
    states = np.array([[1, -1, 1], [-1, -1, -1]], np.int8)
    np.testing.assert_array_equal(quenched(model, states, np.array([1]))[:, 1], [1, 1])


def test_domains_turn_in_the_descent_where_a_graph_has_few_loops():
    """No single flip moves the walls of a chain; clamped sites and fields hold domains that they favour."""
    rng = np.random.default_rng(4)
    chain_, circle = chain(60, rng.normal(size=59)), ring(30)
    for model in (chain_, circle, parts(chain_, circle, lone(0.3))):
        starts = rng.choice([-1, 1], (20, model.n)).astype(np.int8)
        found = quenched(model, starts)
        np.testing.assert_allclose(model.energy(found), -np.abs(model.bonds[2]).sum() - np.abs(model.fields).sum())
        np.testing.assert_array_equal(found, [twin.quenched(model, state) for state in starts])
    held = fg.Ising.from_edges(6, range(5), range(1, 6), 1.0, [0, 0, 0, 0.6, 0.6, 0])
    states = np.array([[-1, -1, -1, 1, 1, 1]], np.int8)
    np.testing.assert_array_equal(quenched(held, states), [[1] * 6])
    np.testing.assert_array_equal(quenched(held, states, np.arange(1, 6)), states)
    np.testing.assert_array_equal(quenched(held, -states), [[1] * 6])


def test_a_run_that_was_stopped_at_once_descends_too():
    result = fg.anneal(BIG_WEIGHTED, progress=lambda done, total: True, seed=1, sweeps=10**5, reads=4)
    assert result.interrupted
    assert (costs(BIG_WEIGHTED, result.states) >= -1e-9).all()
