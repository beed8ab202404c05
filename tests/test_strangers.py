"""Energies of somebody else, in one file each: `strangers/triplets.py` and `strangers/budget.py`."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from strangers.budget import Budget
from strangers.triplets import Triplets

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines.terms import TermsPlan
from fastgibbs.jit import fingerprint
from fastgibbs.reference import terms as twin
from fastgibbs.reference import tempering

HERE, ROOT = Path(__file__).parent / "strangers", Path(fg.__file__).parents[1]
RNG = np.random.default_rng(1)
GLASS = Triplets(9, [RNG.permutation(9)[:3] for _ in range(14)], RNG.normal(size=14))
MODELS = {"triplets": GLASS, "budget": Budget(10, 4)}
LEVEL = 4.5  # standard errors: a two-sided false-alarm rate of 2e-5 in each test with 128 chains or more


def z_score(draws, expected):
    """How many standard errors the mean of independent chains (chains, ...) is from what is expected."""
    means = draws.reshape(len(draws), -1).mean(axis=1)
    return abs(means.mean() - expected) / (means.std(ddof=1) / np.sqrt(means.size))


# What a stranger writes


@pytest.mark.parametrize("name", ["triplets", "budget"])
def test_an_energy_is_a_file_of_at_most_40_lines(name):
    assert len((HERE / f"{name}.py").read_text().splitlines()) <= 40


# The engine and its twin


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_trajectories_equal_the_twins_bit_for_bit(name, rule, scan):
    model = MODELS[name]
    betas = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, 1e300, -0.7], np.linspace(0.2, 2.0, 12)])
    kwargs = dict(sweeps=20, burn_in=3, thin=2, rule=rule, scan=scan, seed=5)
    result = fg.sample(model, beta=betas, threads=1, **kwargs)
    assert result.engine == "terms"
    energy, magnetization, states = twin.sample(model, betas, chains=betas.size, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


@pytest.mark.parametrize("name", MODELS)
def test_tempering_equals_the_twin_bit_for_bit(name):
    model, betas = MODELS[name], np.array([0.0, 0.3, 0.8, 2.0])
    kwargs = dict(sweeps=20, burn_in=4, thin=2, swap_every=2, overlap_every=4, clusters=True, rule="gibbs", seed=3)
    result = fg.temper(model, betas=betas, ladders=4, **kwargs)
    expected = tempering.temper(twin, twin.Whole(model), betas, 4, **kwargs)
    np.testing.assert_array_equal(result.energy, expected.energies)
    np.testing.assert_array_equal(result.states, expected.states)
    np.testing.assert_array_equal(result.round_trips, expected.round_trips)
    np.testing.assert_array_equal(result.overlap.histogram, expected.histogram)


# The law


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_a_tempered_energy_is_the_enumerated_one(name, rule):
    model, betas = MODELS[name], np.array([0.1, 0.4, 0.9])
    spectrum = exact.spectrum(model)
    kwargs = dict(sweeps=400, ladders=128, adapt=False, rule=rule, overlap_every=0, seed=4)
    result = fg.temper(model, betas=betas, **kwargs)
    for rung, beta in enumerate(betas):
        assert z_score(result.energy[:, rung], spectrum.energy(beta)) < LEVEL
        assert z_score(result.energy[:, rung], spectrum.energy(1.1 * beta + 0.1)) > LEVEL  # the broken twin


@pytest.mark.parametrize("name", MODELS)
def test_log_z_is_the_enumerated_one(name):
    """Within 4.5 errors, a two-sided rate of 7e-6 if they are normal; none of the methods knows the answer of others."""
    model = MODELS[name]
    expected = fg.log_z(model, method="exact", beta=0.8)
    assert expected.value == exact.spectrum(model).log_z(0.8)
    for method in ("ais", "tempering"):
        found = fg.log_z(model, method=method, beta=0.8, steps=500, seed=2)
        assert abs(found.value - expected.value) < 4.5 * found.error < 0.5
