"""The law over the whole grid: every engine by enumeration, over all pairs of the options that a user can reach.

Engines and their twins share plans - layouts, colourings, strips, ghosts - so that neither sees a fault there. A case
is a small model and a value of every option. Its draws must have the Boltzmann law, chain by chain that of the chain's
own model, beta and clamped sites: chi-square tests over all states and over all energies. At every recorded draw
energies, magnetisations and observables must be those of the state.

The cases of an engine hold every pair of values of two options that may go together.
"""

import itertools
from functools import cache, partial

import numpy as np
import pytest
from scipy import stats

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import contract, graphs, multispin
from fastgibbs.methods.blocks import ENGINES

FALSE_ALARM = 1e-3  # of all chi-square tests together
DRAWS, APART = 8192, 16  # draws that are tested, so many sweeps apart that they are independent
REACH = 1.4  # |beta| times the strongest local field, so that sweeps forget


def glass(sites, steps, seed=None, shape=None, **rest):
    """Every site of a ring coupled to those that many steps further on, J = 1, or +-1 at random."""
    i = np.tile(np.arange(sites), len(steps))
    j = (i + np.repeat(steps, sites)) % sites
    J = 1.0 if seed is None else np.random.default_rng(seed).choice([-1.0, 1.0], i.size)
    return fg.Ising.from_edges(sites, i, j, J, shape=shape, **rest)


def several(models):
    """The models with energies that lie apart."""
    return [
        fg.Ising.from_edges(m.n, *m.bonds, m.fields, offset=3.0 * k, shape=m.shape) for k, m in enumerate(models)
    ]


RNG = np.random.default_rng(1)
MULTISPIN = {  # few degrees, since each compiles kernels of its own
    "ring": fg.lattice((8,)),
    "ring in a field": fg.lattice((12,), J=-1.0, h=0.5),
    "rings of +-J": several([glass(8, [1], seed, (8,)) for seed in (1, 2)]),
    "torus": fg.lattice((4, 4)),
    "torus odd": fg.lattice((3, 4)),
    "torus in a field": fg.lattice((4, 3), J=0.5, h=-0.25),
    "cylinder": fg.lattice((4, 3), periodic=(True, False)),
    "open +-J": fg.edwards_anderson((4, 3), seed=2, periodic=False),
    "+-J": fg.edwards_anderson((4, 3), seed=2),
    "several +-J": several([fg.edwards_anderson((4, 3), seed=seed) for seed in (3, 4, 5)]),
    "steps 1 and 2": glass(16, [1, 2], 6, (16,)),
    "steps 1 and 4": glass(12, [1, 4], 7, (12, 1), fields=np.full(12, 0.5)),
    "some of them alone": fg.Ising.from_edges(11, [0, 1, 2, 3, 0, 4, 4], [1, 2, 3, 0, 2, 5, 0], [1, -1, 1, 1, -1, 1, 1]),
    "triangular": fg.triangular((4, 3), J=-1.0),
    "triangular even": fg.triangular((4, 4)),
    "steps to 6": glass(16, range(1, 7), 8, (16,)),
    "complete": several([fg.Ising(np.triu(m, 1) + np.triu(m, 1).T) for m in RNG.choice([-1.0, 1.0], (2, 13, 13))]),
}
ANY = {
    "whole numbers": fg.Ising.from_edges(9, *RNG.permuted(np.tile(np.arange(9), (14, 1)), axis=1)[:, :2].T, 2.0, range(9)),
    "+-J": MULTISPIN["+-J"],
    "real": fg.Ising.from_edges(10, *fg.random_regular(10, 4, seed=1).bonds[:2], RNG.normal(size=20), RNG.normal(size=10), 2.5),
    "complete": fg.sherrington_kirkpatrick(9, seed=3),
    "units": fg.BoltzmannMachine(np.triu(m := RNG.normal(size=(8, 8)), 1) + np.triu(m, 1).T, RNG.normal(size=8)),
    "alone": fg.Ising(np.zeros((3, 3)), [0.5, -1.0, 0.0]),
}
XI = RNG.choice([-1, 1], (5, 9))
MEMORIES = {
    "Hebb": fg.Hopfield(XI[:4]),
    "Hebb, odd": fg.Hopfield(XI, field=RNG.normal(size=9)),
    "pseudo-inverse": fg.Hopfield(XI[:3], "pseudoinverse", 0.2),
    "order 3": fg.Hopfield(XI[:3], field=0.3, order=3),
    "order 4": fg.Hopfield(XI, order=4),
}
MACHINES = {
    "7 and 4": fg.RBM(RNG.normal(size=(7, 4)), RNG.normal(size=7), RNG.normal(size=4)),
    "2 and 8": fg.RBM(RNG.normal(size=(2, 8)), RNG.normal(size=2), np.zeros(8)),
}
MODELS = {"multispin": MULTISPIN, "sparse": ANY, "dense": ANY, "overlap": MEMORIES, "layered": MACHINES}
OPTIONS = {
    "rule": ["gibbs", "metropolis"],
    "scan": ["sequential", "random"],
    "strips": [1, 2, 4, 8],
    "chains": [3, 66, 132, 300, 576],  # 1 to 9 words of a lane for each chain, and more of strips
    "betas": ["one", "both signs"],
    "clamp": ["nothing", "a site", "a colour", "by chain"],
    "start": ["drawn", "at random"],
    "thin": [1, 3],
    "threads": [1, 3],
}


def as_list(models):
    return models if isinstance(models, list) else [models]


@cache
def taken(engine, name, scan, strips):
    """Whether the engine runs these models."""
    module = ENGINES[engine]
    models = [model if getattr(module, "NATIVE", False) else model.to_ising() for model in as_list(MODELS[engine][name])]
    return module.refusal(models, scan, strips) is None


def valid(engine, name, rule, scan, strips, chains, betas, clamp, start, thin, threads):
    """Whether these go together. Metropolis may mix slowly, or not at all: it starts at draws, to leave their law."""
    if (strips > 1 and clamp != "nothing") or (rule == "metropolis" and start != "drawn"):
        return False
    return taken(engine, name, scan, strips)


def cases(engine):
    """Names of models and options: every pair of values of two of them that may go together at least once."""
    rng, kinds = np.random.default_rng(2), [list(MODELS[engine]), *OPTIONS.values()]
    seen, chosen = set(), []
    for (i, one), (j, other) in itertools.combinations(enumerate(kinds), 2):
        for pair in itertools.product(one, other):
            for _ in range(0 if ((i, pair[0]), (j, pair[1])) in seen else 400):  # in vain if they do not
                case = [values[rng.integers(len(values))] for values in kinds]
                case[i], case[j] = pair
                if valid(engine, *case):
                    seen |= set(itertools.combinations(enumerate(case), 2))
                    chosen.append(case)
                    break
    return chosen


GRID = {engine: cases(engine) for engine in MODELS}
