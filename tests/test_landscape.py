"""Minima, valleys and saddles by enumeration, and where descents end."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from strangers.budget import Budget

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.exact import landscape
from fastgibbs.methods.descent import quenched

RNG = np.random.default_rng(5)
RING = fg.edwards_anderson((12,), "gaussian", seed=1)
MODELS = {
    "Gaussian": fg.sherrington_kirkpatrick(7, seed=2),
    "+-J": fg.edwards_anderson((3, 3), seed=1),  # plateaus
    "in a field": fg.lattice((2, 4), h=1.0, periodic=False),  # saddles at the energy of minima
    "tenths": fg.Ising.from_edges(7, *fg.random_regular(7, 4, seed=1).bonds[:2], 0.1 * RNG.integers(-2, 3, 14)),
    "products": fg.Polynomial({(0, 1, 2): 1.0, (2, 3, 4): -1.0, (1, 3, 5, 6): 2.0, (0, 6): 1.0}),
    "units": fg.Polynomial({(0, 1, 2): 1.5, (2, 3, 4): -1.0, (1, 3, 5): 2.0, (5, 6): -1.0}, "binary"),
    "memories": fg.Hopfield(RNG.choice([-1, 1], (2, 7)), order=3),
    "machine": fg.RBM(RNG.normal(size=(4, 3)), RNG.normal(size=4)),
    "budget": Budget(6, 3),
    "flat": fg.Ising(np.zeros((3, 3))),
}
BY_MODEL = pytest.mark.parametrize("name", MODELS)


def neighbours(n):
    return np.arange(2**n)[:, None] ^ 1 << np.arange(n)


def all_of(model):
    states = model.from_spins(exact.states(model.n))
    return states, model.energy(states)


def as_numbers(model, states):
    return (model.to_spins(states) > 0) @ (1 << np.arange(model.n))


# Minima


@BY_MODEL
def test_minima_are_the_states_that_no_flip_lowers(name):
    model = MODELS[name]
    _, energies = all_of(model)
    costs = energies[neighbours(model.n)] - energies[:, None]
    expected = np.flatnonzero((costs >= -1e-12).all(axis=1))
    found = exact.minima(model)
    np.testing.assert_array_equal(np.sort(as_numbers(model, found.states)), expected)
    np.testing.assert_allclose(found.energies, model.energy(found.states), rtol=0, atol=1e-12)
    assert (np.diff(found.energies) >= 0).all()
    strict = (costs > 1e-12).all(axis=1)
    np.testing.assert_array_equal(found.strict, strict[as_numbers(model, found.states)])


def weak_bonds(ring):
    """w: bonds of a ring whose |J| is below that of both neighbours."""
    i, j, J = ring.bonds
    size = np.zeros(ring.n)
    size[np.where(j == i + 1, i, j)] = np.abs(J)
    return int(((size < np.roll(size, 1)) & (size < np.roll(size, -1))).sum())


def test_a_gaussian_ring_has_two_to_the_weak_bonds_minima():
    """Of 400 rings (1/n) log2 of their number is 1/3 on average, as a bond is weakest of three: within 4.5 errors."""
    logs = []
    for seed in range(400):
        ring = fg.edwards_anderson((12,), "gaussian", seed=seed)
        logs.append(np.log2(len(exact.minima(ring).states)) / 12)
        assert logs[-1] * 12 == weak_bonds(ring)
    error = np.std(logs, ddof=1) / 20
    assert abs(np.mean(logs) - 1 / 3) < 4.5 * error < 0.02
    assert len(exact.minima(RING).states) == 16


def test_a_whole_glass_is_looked_at_in_blocks():
    """More spins than a block of enumeration has; the lowest is that of the spectrum."""
    glass = fg.edwards_anderson((17,), "gaussian", seed=3)
    found = exact.minima(glass)
    assert len(found.states) == 2 ** weak_bonds(glass)
    assert found.energies[0] == pytest.approx(exact.spectrum(glass).ground_energy, abs=1e-12)


# Valleys


def flooded(model):
    """Energies, and of every two states the lowest level at which a path connects them, (2^n, 2^n)."""
    _, energies = all_of(model)
    energies = energies.round(10)
    level = np.full((energies.size, energies.size), np.inf)
    for height in np.unique(energies):
        under = energies <= height
        component = np.arange(energies.size)
        changed = True
        while changed:
            changed = False
            for k in range(model.n):
                other = np.arange(energies.size) ^ 1 << k
                least = np.where(under & under[other], np.minimum(component, component[other]), component)
                changed |= bool((least != component).any())
                component = least
        together = (component[:, None] == component) & under[:, None] & under
        level[together & (level == np.inf)] = height
    return energies, level


def tree_holds(model):
    """Compare with the flood: valleys are the sets of connected equal states that nothing lower is connected to."""
    energies, level = flooded(model)
    found = exact.barriers(model)
    bottoms = [s for s in range(energies.size) if not (energies[level[s] <= energies[s]] < energies[s]).any()]
    sets = {frozenset(np.flatnonzero(level[s] <= energies[s])) for s in bottoms}
    numbers = as_numbers(model, found.states)
    assert len(numbers) == len(sets)
    assert {next(one for one in sets if number in one) for number in numbers.tolist()} == sets
    np.testing.assert_allclose(found.energies, energies[numbers], rtol=0, atol=1e-9)
    for one, other in itertools.product(range(len(numbers)), repeat=2):
        assert found.saddle(one, other) == pytest.approx(level[numbers[one], numbers[other]], abs=1e-9)
    assert found.into[0] == -1 and found.saddles[0] == np.inf
    assert (found.energies[found.into[1:]] <= found.energies[1:]).all()
    assert (found.barriers > 1e-12).all()


@BY_MODEL
def test_the_tree_has_the_saddle_between_every_two_valleys(name):
    tree_holds(MODELS[name])


def test_trees_of_many_random_energies_are_right():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        terms = {tuple(rng.permutation(6)[: rng.integers(1, 4)].tolist()): rng.integers(-2, 3) for _ in range(8)}
        tree_holds(fg.Polynomial({key: float(c) for key, c in terms.items()}, ["spin", "binary"][seed % 2], 6))


def test_a_tree_whose_paths_lack_the_flips_of_a_site_is_found(monkeypatch):
    """The broken twin."""
    glass, passes = fg.p_spin(8, 3, seed=1), landscape._passes
    tree_holds(glass)
    monkeypatch.setattr(landscape, "_passes", lambda energies, labels, n: passes(energies, labels, n - 1))
    with pytest.raises(AssertionError):
        tree_holds(glass)


def test_a_thousand_passes_are_looked_at_in_parts(monkeypatch):
    whole = exact.barriers(fg.p_spin(10, 3, seed=1))
    monkeypatch.setattr(landscape, "_EDGES", 7)
    assert exact.barriers(fg.p_spin(10, 3, seed=1)) == whole
    assert len(whole.states) > 5


# Descents


@BY_MODEL
def test_every_descent_ends_in_a_minimum(name):
    model = MODELS[name]
    states, energies = all_of(model)
    found, minima = fg.quench(model, states), exact.minima(model)
    ends = as_numbers(model, found.states)
    assert set(ends.tolist()) <= set(as_numbers(model, minima.states).tolist())
    stable = np.isin(np.arange(energies.size), as_numbers(model, minima.states))
    np.testing.assert_array_equal(ends[found.basin[stable]], np.flatnonzero(stable))  # where a descent begins, it ends
    assert (found.energies[found.basin] <= energies + 1e-12).all()
    np.testing.assert_array_equal(found.counts, np.bincount(found.basin))
    np.testing.assert_allclose(found.energies, model.energy(found.states), rtol=0, atol=1e-12)
    assert (np.diff(found.energies) >= 0).all()
    threaded = fg.quench(model, states, threads=2)
    assert all(np.array_equal(one, other) for one, other in zip(threaded, found, strict=True))


def test_domains_do_not_turn():
    """What ends an annealing goes further: on a ring it leaves the ground states alone."""
    starts = exact.states(12)
    found = fg.quench(RING, starts)
    assert len(found.states) == 16
    assert len(np.unique(quenched(RING, starts), axis=0)) == 2  # the broken twin


def test_states_of_any_shape_are_taken():
    samples = fg.sample(RING, beta=0.5, sweeps=10, chains=3, keep_states=True, seed=1).samples
    found = fg.quench(RING, samples)
    assert found.basin.shape == (3, 10)
    assert fg.quench(RING, samples[0, 0]).basin == 0
    assert fg.quench(RING, np.empty((0, 12), np.int8)).states.shape == (0, 12)


# What is refused


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (TypeError, lambda: exact.minima(3), "model is 3: give a model"),
        (ValueError, lambda: exact.minima(fg.lattice((27,))), "has 27 variables, 2\\^27 states: give at most 26"),
        (ValueError, lambda: exact.minima(Budget(21, 2)), "has 21 variables, 2\\^21 states: give at most 20"),
        (ValueError, lambda: exact.barriers(fg.lattice((21,))), "give at most 20"),
        (ValueError, lambda: exact.barriers(RING).saddle(0, 16), "a valley is 16: give an integer of at most 15"),
        (TypeError, lambda: fg.quench(3, [1]), "model is 3: give a model"),
        (ValueError, lambda: fg.quench(RING, np.ones(11)), "the last axis must hold the 12 sites"),
        (ValueError, lambda: fg.quench(RING, np.zeros(12)), "give spins of -1 and"),
        (ValueError, lambda: fg.quench(RING, np.ones(12), threads=0), "threads is 0"),
    ],
)
def test_what_cannot_be_is_said(error, call, message):
    with pytest.raises(error, match=message):
        call()


# Triangles of overlaps


def exact_triangles(model, beta, within):
    """The share of isosceles triangles, gap and spread of three independent states of the Boltzmann law, of all."""
    states = exact.states(model.n).astype(float)
    p, q = exact.spectrum(model).probabilities(beta), states @ states.T / model.n
    found = np.zeros(3)
    for a in range(len(states)):
        sides = np.stack(np.broadcast_arrays(q[a][:, None], q[a][None, :], q), axis=-1)
        if model.even:
            size, sign = np.sort(np.abs(sides), axis=-1), np.sign(sides.prod(axis=-1))
            size[..., 0] *= np.where(sign < 0, -1, 1)
            sides = size
        sides = np.sort(sides, axis=-1)
        gap, spread = sides[..., 1] - sides[..., 0], sides[..., 2] - sides[..., 1]
        found += [(p[a] * np.outer(p, p) * values).sum() for values in (gap <= within + 1e-12, gap, spread)]
    return found


@pytest.mark.parametrize("h", [0.0, 0.4])
def test_triangles_of_replicas_are_those_of_the_boltzmann_law(h):
    """Within 4.5 jackknifed errors, a two-sided rate of 7e-6 each if they are normal."""
    model = fg.lattice((6,), h=h)
    run = fg.temper(model, betas=[0.1, 1.0], adapt=False, sweeps=60, ladders=96, seed=3)
    for rung, beta, other in ((-1, 1.0, 0.1), (0, 0.1, 1.0)):
        found = fg.analysis.ultrametricity(run, rung, within=0.4)
        assert found.overlaps.shape == (96 * 95 * 94 // 6, 3)
        assert (np.diff(found.overlaps, axis=1) <= 0).all()
        values = np.array([found.isosceles, found.gap, found.spread])
        errors = np.array([found.isosceles_error, found.gap_error, found.spread_error])
        assert (abs(values - exact_triangles(model, beta, 0.4)) < 4.5 * errors).all()
        assert (abs(values - exact_triangles(model, other, 0.4)) > 4.5 * errors).any()  # the broken twin


def test_mirror_images_are_one_replica():
    run = fg.temper(fg.sherrington_kirkpatrick(10, seed=2), betas=[0.5, 1.5], sweeps=20, ladders=6, seed=3)
    states = run.states.copy()
    states[::2] *= -1
    assert fg.analysis.ultrametricity(replace(run, states=states)) == fg.analysis.ultrametricity(run)


def test_a_jackknife_of_triangles_leaves_one_replica_out():
    run = fg.temper(fg.sherrington_kirkpatrick(10, seed=2), betas=[0.5, 1.5], sweeps=20, ladders=6, seed=3)
    without = [replace(run, states=np.delete(run.states, k, axis=0)) for k in range(6)]
    gaps = np.array([fg.analysis.ultrametricity(one).gap for one in without])
    expected = np.sqrt(5 / 6 * ((gaps - gaps.mean()) ** 2).sum())
    assert fg.analysis.ultrametricity(run).gap_error == pytest.approx(expected, rel=1e-12)


def test_triangles_of_what_has_none_are_refused():
    run = fg.temper(fg.sherrington_kirkpatrick(5, seed=2), betas=[0.5, 1.5], sweeps=2, ladders=3, seed=3)
    with pytest.raises(TypeError, match=r"tempered is 3: give what fastgibbs\.temper returns"):
        fg.analysis.ultrametricity(3)
    with pytest.raises(ValueError, match="tempered has 3 ladders"):
        fg.analysis.ultrametricity(run)
    with pytest.raises(ValueError, match="rung is 2: give an integer of at most 1"):
        fg.analysis.ultrametricity(run, 2)
    with pytest.raises(ValueError, match=r"within is -1\.0"):
        fg.analysis.ultrametricity(run, within=-1.0)


# Pictures


def test_a_tree_is_drawn_with_every_valley_at_its_bottom_and_every_saddle():
    pytest.importorskip("matplotlib")
    tree = exact.barriers(fg.p_spin(10, 3, seed=1))
    _, ax = fg.plots.figure()
    assert fg.plots.disconnectivity(tree, ax=ax, colors="red") is ax
    (lines,) = ax.collections
    segments = np.array(lines.get_segments())
    levels = [round(y, 9) for y in segments[:, :, 1].ravel().tolist()]
    for level in [*tree.energies, *tree.saddles[1:]]:
        assert round(float(level), 9) in levels
    flat = segments[segments[:, 0, 1] == segments[:, 1, 1]]
    assert len(flat) == len(tree.energies) - 1  # one line a saddle
    _, ax = fg.plots.figure()
    fg.plots.disconnectivity(tree, 3, ax=ax)
    assert len(ax.collections[0].get_segments()) == 3 * 2 + 1
    alone = fg.plots.disconnectivity(exact.barriers(fg.Ising(np.zeros((2, 2)))), ax=fg.plots.figure()[1])
    assert len(alone.collections[0].get_segments()) == 1
    with pytest.raises(TypeError, match=r"valleys is 3: give what fastgibbs\.exact\.barriers returns"):
        fg.plots.disconnectivity(3)
    with pytest.raises(ValueError, match="most is 0"):
        fg.plots.disconnectivity(tree, 0)


def test_lines_of_a_tree_do_not_cross():
    """No stem of a valley passes a level bar that does not end on it."""
    pytest.importorskip("matplotlib")
    for seed in range(5):
        tree = exact.barriers(fg.p_spin(10, 4, seed=seed))
        _, ax = fg.plots.figure()
        segments = np.array(fg.plots.disconnectivity(tree, ax=ax).collections[0].get_segments())
        bars = segments[segments[:, 0, 1] == segments[:, 1, 1]]
        stems = segments[segments[:, 0, 0] == segments[:, 1, 0]]
        for (x, low), (_, high) in stems.tolist():
            left, right = bars[:, :, 0].min(axis=1), bars[:, :, 0].max(axis=1)
            level = bars[:, 0, 1]
            assert not ((level > low) & (level < high) & (left < x) & (x < right)).any()
