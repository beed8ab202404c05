"""Energies that the sparse engine follows from flip to flip: within their bound after many sweeps, or exact."""

import numpy as np
import pytest
from probe import block

import fastgibbs as fg
from fastgibbs.engines import ENGINES, sparse
from fastgibbs.engines.contract import FOLLOWED, GIBBS, SEQUENTIAL, Crew
from fastgibbs.engines.entries import measure, opened, sweep
from fastgibbs.jit import njit
from fastgibbs.methods.cooling import energy_error

CREW = Crew(0, 1, np.zeros(1, np.uint64), 0)
RNG = np.random.default_rng(1)
LANES = 80  # registers of 64 and of 16 lanes


@njit
def follow(block, sweeps, rungs, energies, sums, crew):
    for _ in range(sweeps):
        sweep(block, rungs, GIBBS, SEQUENTIAL, FOLLOWED, crew)
        measure(block, energies, sums, crew)


def errors(model, beta, rounds, change=lambda plan: plan):
    """Followed energies less those of the states, before each of so many measurements: float64 (rounds, lanes)."""
    states = RNG.choice([-1, 1], (LANES, model.n))
    plan, state = block("sparse", model, states, beta)
    plan = change(plan)
    room, found = opened(plan, state), []
    for _ in range(rounds):
        energies, sums = np.empty(LANES), np.empty(LANES)
        follow(room, sparse.MOST_FOLLOWED, np.zeros(LANES, np.int64), energies, sums, CREW)
        assert state.followed[0] == sparse.MOST_FOLLOWED - 1
        found.append(energies - model.energy(ENGINES["sparse"].spins(plan, state).T))
    return np.array(found)


def graph(n, degree, couplings, fields=None, offset=0.0):
    i, j, _ = fg.random_regular(n, degree, seed=2).bonds
    return fg.Ising.from_edges(n, i, j, couplings(i.size), None if fields is None else fields(n), offset)


def normal(k):
    return RNG.normal(size=k)


HARD = {
    "all spins free": (graph(200, 6, normal), 0.0),
    "a cold glass": (graph(200, 6, normal), 2.0),
    "many neighbours": (graph(60, 48, normal), 0.1),
    "couplings of all sizes": (graph(100, 6, RNG.standard_cauchy), 0.1),
    "large fields": (graph(100, 6, normal, lambda n: 1e4 * normal(n)), 1e-4),
    "a large offset": (graph(100, 6, normal, offset=1e6 / 3), 0.2),
    "a hub": (fg.Ising.from_edges(301, np.zeros(300, int), np.arange(1, 301), normal(300)), 0.0),
    "spins of a byte": (graph(1800, 6, normal), 0.3),
}


@pytest.mark.parametrize("name", HARD)
def test_followed_energies_are_within_their_bound(name):
    model, beta = HARD[name]
    bound = energy_error(ENGINES["sparse"], model)
    found = np.abs(errors(model, beta, 10))
    assert found.max() > 0
    assert found.max() < bound


def half_of_the_bits(plan):
    """Couplings of 12 bits: what they would be off by, were partial sums kept in half precision."""
    cut = (plan.scaled_couplings.view(np.int32) & -(2**12)).view(np.float32)
    cut.flags.writeable = False
    return plan._replace(scaled_couplings=cut)


@pytest.mark.parametrize("name", ["all spins free", "many neighbours", "spins of a byte"])
def test_the_bound_is_none_of_fewer_bits(name):
    model, beta = HARD[name]
    assert np.abs(errors(model, beta, 10, half_of_the_bits)).max() > energy_error(ENGINES["sparse"], model)


@pytest.mark.parametrize(("offset", "off"), [(0.0, 0.0), (-2.5, 0.0), (1e9 / 3, 1e-6)])
def test_energies_of_whole_numbers_are_followed_exactly_but_for_the_last_bit_of_an_offset(offset, off):
    model = graph(300, 6, lambda k: RNG.choice([-2.0, -1.0, 1.0, 2.0], k), lambda n: RNG.integers(-3, 4, n), offset)
    assert ENGINES["sparse"].prepare([model], 1).step > 0
    assert np.abs(errors(model, 0.3, 10)).max() <= off
