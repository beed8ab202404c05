"""What the descent promises: the twin's bits in whatever units fields are counted, on any threads."""

import numpy as np
import pytest
from numba import typeof

import fastgibbs as fg
from fastgibbs.methods import descent
from fastgibbs.methods.descent import quenched
from fastgibbs.reference import annealing as twin


def glass(values, fields=None, n=24, degree=6):
    """A random graph whose couplings and fields are drawn from `values`, a function of a generator and a shape."""
    rng = np.random.default_rng(3)
    i, j, _ = fg.random_regular(n, degree, seed=2).bonds
    return fg.Ising.from_edges(n, i, j, values(rng, i.size), None if fields is None else fields(rng, n))


def star(*couplings, field=0.0):
    """A site in a field with neighbours of one bond each."""
    count = len(couplings)
    fields = np.zeros(count + 1)
    fields[0] = field
    return fg.Ising.from_edges(count + 1, [0] * count, range(1, count + 1), np.array(couplings, float), fields)


def of(*values):
    return lambda rng, count: rng.choice(values, count)


def normal(scale):
    return lambda rng, count: scale * rng.normal(size=count)


def mixed(rng, count):
    return rng.normal(size=count) * 10.0 ** rng.integers(-7, 8, count)


TINY = 5e-324
MODELS = {
    "+-1": glass(of(-1.0, 1.0)),
    "tenths, whose fields are often 0": glass(of(-0.1, 0.1)),
    "tenths that are no multiples of another": glass(of(-0.3, 0.1, 0.2), of(0.0, 0.1)),
    "five tenths, rounded, beside a half": star(*[0.1] * 5, -0.5),
    "thirds in fields": glass(of(-1 / 3, 1 / 3, 2 / 3), of(0.0, 1 / 3)),
    "whole numbers": glass(
        lambda rng, count: rng.integers(-3, 4, count), lambda rng, count: rng.integers(-2, 3, count)
    ),
    "near the most that 16 bits hold": star(1, *[127.0] * 250, field=-1),
    "more than 16 bits hold": star(1, *[127.0] * 299, field=-1),
    "normal": glass(normal(1.0), normal(0.1)),
    "normal, large": glass(normal(1e300), normal(1e300)),
    "normal, small": glass(normal(1e-300), normal(1e-310)),
    "the smallest numbers": glass(of(-TINY, TINY, 3 * TINY), of(0.0, TINY)),
    "numbers of all sizes": glass(mixed, mixed),
    "large beside small": glass(of(1e12, -1e12, 1.0, -1.0), of(1e-3, -1e-3)),
    "fields far below what cancels": glass(of(-1.0, 1.0), normal(1e-12)),
    "a field of one bit": star(1, -1, 1, -1, field=2.0**-40),
    "units": fg.BoltzmannMachine(np.ones((9, 9)) - np.eye(9), np.full(9, -4 + 1e-11)),
    "an RBM of tenths": fg.RBM(np.random.default_rng(1).choice([-0.1, 0.1], (12, 9)), [0.0] * 12, [0.1] * 9),
    "a lone spin": fg.Ising.from_edges(1, [], [], [], [-1e-3]),
}


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if isinstance(model, fg.Ising)])
def test_what_is_compiled_for_the_end_of_a_run_is_what_its_model_needs(name):
    model = MODELS[name]
    for free in (None, np.arange(model.n // 2)):
        small = descent.like(model, free)
        (*mine, kind, domains), (*theirs, their_kind, their_domains) = (
            descent._how(one, sites) for one, sites in ((model, free), (small, None))
        )
        assert [typeof(part) for part in mine] == [typeof(part) for part in theirs]
        assert (kind, domains.size > 0) == (their_kind, their_domains.size > 0)


@pytest.mark.parametrize("name", MODELS)
def test_states_descend_as_the_twins_do_in_any_units(name):
    model, rng = MODELS[name], np.random.default_rng(5)
    starts = rng.choice(np.array([-1, 1], np.int8), (66, model.n))  # more than descend together
    starts[:3] = [[1], [-1], [1]]
    starts[2, 0] = -1
    starts = model.from_spins(starts)
    found = quenched(model, starts)
    some = [0, 1, 2, 3, 63, 64, 65]
    np.testing.assert_array_equal(found[some], [twin.quenched(model, state) for state in starts[some]])
    for threads in (2, 3, 100):
        np.testing.assert_array_equal(found, quenched(model, starts, threads=threads))
    for count in (0, 1, 5):
        np.testing.assert_array_equal(found[:count], quenched(model, starts[:count]))


@pytest.mark.parametrize("name", MODELS)
def test_clamped_sites_stay_and_the_others_descend_around_them(name):
    """Fields that clamped sites make of a smaller model lead to the same states."""
    model, rng = MODELS[name], np.random.default_rng(6)
    states = model.from_spins(rng.choice(np.array([-1, 1], np.int8), (66, model.n)))
    free = np.flatnonzero(rng.random(model.n) < 0.7)
    found = quenched(model, states, free)
    held = np.setdiff1d(np.arange(model.n), free)
    np.testing.assert_array_equal(found[:, held], states[:, held])
    for site in free:
        cost = twin._cost_by_row(model.quadratic())
        assert all(cost(site, state) >= 0 for state in found[:3])
    np.testing.assert_array_equal(quenched(model, states, np.array([], int)), states)
    np.testing.assert_array_equal(quenched(model, found, free), found)


@pytest.mark.parametrize("n", [2**15 - 1, 2**15])
@pytest.mark.parametrize("rule", ["hebb", "pseudoinverse"])
def test_large_memories_are_recalled(n, rule):
    """Up to 2^15 - 1 spins an overlap fits 16 bits."""
    rng = np.random.default_rng(7)
    patterns = np.stack([np.ones(n, np.int8), rng.choice(np.array([-1, 1], np.int8), n)])
    model = fg.Hopfield(patterns, rule=rule)
    starts = np.repeat(patterns, [40, 26], axis=0)
    starts[:, [0, 7, n - 1]] *= -1
    np.testing.assert_array_equal(quenched(model, starts, threads=2), np.repeat(patterns, [40, 26], axis=0))


MEMORIES = {
    "no pattern": fg.Hopfield(np.ones((0, 5), int), field=[1.0, -1.0, 0.0, 1e-300, -1e300]),
    "one": fg.Hopfield(np.ones((1, 12), int), field=-0.9),
    "odd": fg.Hopfield(np.random.default_rng(3).choice([-1, 1], (7, 30)), field=1e-9),
    "glassy": fg.Hopfield(np.random.default_rng(4).choice([-1, 1], (20, 30))),
    "pseudo-inverse in fields": fg.Hopfield(
        np.random.default_rng(5).choice([-1, 1], (6, 30)), rule="pseudoinverse", field=np.linspace(-0.5, 0.5, 30)
    ),
    "order 5": fg.Hopfield(np.random.default_rng(6).choice([-1, 1], (9, 30)), order=5, field=0.01),
}


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_descend_as_the_twins_do(name):
    model, rng = MEMORIES[name], np.random.default_rng(5)
    starts = rng.choice(np.array([-1, 1], np.int8), (66, model.n))
    found = quenched(model, starts, threads=2)
    some = [0, 1, 63, 64, 65]
    np.testing.assert_array_equal(found[some], [twin.quenched(model, state) for state in starts[some]])
    free = np.arange(1, model.n, 2)
    held = quenched(model, starts, free)
    np.testing.assert_array_equal(held[:, ::2], starts[:, ::2])
    cost = twin._cost_by_overlaps(model)
    assert all(cost(site, state) >= 0 for site in free for state in held[:3])
