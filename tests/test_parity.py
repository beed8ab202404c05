"""The sparse engine and its NumPy twin give the same bits."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.reference import sparse as twin

RNG = np.random.default_rng(1)
MODELS = {
    "ring": fg.lattice((9,)),
    "torus odd": fg.lattice((5, 4), h=0.3),
    "triangular": fg.triangular((4, 3), J=-1.0),
    "EA gaussian": fg.edwards_anderson((3, 3, 3), "gaussian", seed=1),
    "EA +-J": fg.edwards_anderson((4, 4, 3), "bimodal", seed=2),
    "SK": fg.sherrington_kirkpatrick(33, seed=3),
    "random regular": fg.random_regular(20, 3, "bimodal", seed=4),
    "Hopfield": fg.Hopfield(RNG.choice([-1, 1], (3, 25))),
    "RBM": fg.RBM(RNG.normal(size=(9, 6)), RNG.normal(size=9), RNG.normal(size=6)),
    "isolated": fg.Ising(np.zeros((4, 4)), [0.3, -2.0, 0.0, 1e5]),
    "one spin": fg.Ising(np.zeros((1, 1)), [0.4]),
    "empty": fg.Ising(np.zeros((0, 0))),
}


@pytest.mark.parametrize("scan", ["sequential", "random"])
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MODELS)
def test_trajectories_equal_the_numpy_twins_bit_for_bit(name, rule, scan):
    model = MODELS[name]
    betas = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, -0.7], np.linspace(0.2, 2.0, 13)])
    kwargs = dict(sweeps=40, burn_in=3, thin=2, rule=rule, scan=scan, seed=5)
    result = fg.sample(model, beta=betas, threads=1, **kwargs)
    energy, magnetization, states = twin.sample(model, betas, chains=betas.size, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


def test_every_bit_pattern_gives_the_twins_exp2():
    """All exponents from 0 to -126 that a decision can meet, at a spacing of 2^-16."""
    t = np.arange(0, 126 * 2**16 + 1, dtype=np.float32) / np.float32(-(2**16))
    values = twin.exp2(t)
    np.testing.assert_allclose(values, np.exp2(t.astype(np.float64)), rtol=2e-7)
    assert values[0] == 1.0
