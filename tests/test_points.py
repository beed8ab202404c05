"""Fields beside the model's own, and protocols: twins, laws, runs that go on, and what is refused."""

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines import ENGINES
from fastgibbs.reference import coloured, dense, multispin, overlap, sampling, sparse, sparse64, terms

RING = fg.lattice((6,))
GLASS = fg.edwards_anderson((3, 3, 3), "gaussian", seed=1)
SIGNS = fg.edwards_anderson((4, 4, 3), "bimodal", seed=2)
MEMORY = fg.Hopfield(np.random.default_rng(1).choice([-1, 1], (3, 25)))
TWINS = {
    "sparse": (sparse, GLASS, 20),
    "sparse64": (sparse64, GLASS, 20),
    "dense": (dense, fg.sherrington_kirkpatrick(33, seed=3), 20),
    "dense of few": (dense, fg.sherrington_kirkpatrick(33, seed=3), 3),
    "coloured": (coloured, GLASS, 3),
    "overlap": (overlap, MEMORY, 20),
    "multispin": (multispin, SIGNS, 70),
    "multispin in a field": (multispin, fg.lattice((4, 4), J=0.7, h=0.3), 70),
}
WAVE = fg.oscillating(0.4, period=4)


def equal(result, twin):
    energy, magnetization, states = twin
    np.testing.assert_allclose(result.energy, energy, rtol=1e-12)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", TWINS)
def test_trajectories_in_fields_of_chains_and_along_protocols_equal_the_twins(name, rule):
    twin, model, chains = TWINS[name]
    rng, kwargs = np.random.default_rng(3), dict(sweeps=8, burn_in=4, rule=rule, seed=5)
    betas, fields = rng.choice([0.3, 0.9, 40.0, -0.6], chains), rng.choice([0.0, 0.25, -1.3, 2.0], chains)
    engine = dict(engine=name.split()[0], threads=1)
    for beta, field in (
        (betas, fields),
        (0.7, rng.normal(size=(4, chains))),
        (rng.choice([0.2, 1.5], (2, chains)), WAVE.values[:, None]),
    ):
        driven = [fg.protocol(np.squeeze(of)) if np.ndim(of) == 2 else of for of in (beta, field)]
        result = fg.sample(model, beta=driven[0], field=driven[1], chains=chains, **kwargs, **engine)
        equal(result, sampling.recorded(twin, twin.start(model, chains, 5, rule), model, beta, 8, 4, 1, field))
