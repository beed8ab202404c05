"""The law over the whole grid: every engine by enumeration, over all pairs of the options that a user can reach.

Engines and their twins share plans - layouts, colourings, strips, ghosts - so that neither sees a fault there. A case
is a small model and a value of every option. Its draws must have the Boltzmann law, chain by chain that of the chain's
own model, beta and clamped sites: chi-square tests over all states and over all energies. At every recorded draw
energies, magnetisations and observables must be those of the state.

The cases of an engine, some 480 in all, hold every pair of values of two options that may go together, twice.
"""

import itertools
from collections import Counter
from functools import cache

import numpy as np
import pytest
from strangers.budget import Budget
from strangers.triplets import Triplets

import fastgibbs as fg
from fastgibbs import exact
from fastgibbs.engines import graphs
from fastgibbs.engines.precision import energy_error
from fastgibbs.methods.settings import ENGINES
from fastgibbs.testing.laws import chi_square

FALSE_ALARM = 1e-3  # of all chi-square tests together
DRAWS, APART = 4096, 32  # of the Gibbs rule: draws that are tested, so many sweeps apart that they hardly correlate
CHAINS, SWEEPS = 2048, 9  # of Metropolis, which may never forget: more chains, from draws, whose ends are tested
REACH = 1.4  # |beta| times the strongest local field, so that sweeps forget


def glass(sites, steps, seed=None, shape=None, **rest):
    """Every site of a ring coupled to those that many steps further on, J = 1, or +-1 at random."""
    i = np.tile(np.arange(sites), len(steps))
    j = (i + np.repeat(steps, sites)) % sites
    J = 1.0 if seed is None else np.random.default_rng(seed).choice([-1.0, 1.0], i.size)
    return fg.Ising.from_edges(sites, i, j, J, shape=shape, **rest)


def several(models):
    """The models with energies that lie apart."""
    return [fg.Ising.from_edges(m.n, *m.bonds, m.fields, offset=3.0 * k, shape=m.shape) for k, m in enumerate(models)]


TWICE = 2
RNG = np.random.default_rng(1)
MULTISPIN = {  # few degrees, since each compiles kernels of its own
    "ring": fg.lattice((8,)),
    "ring in a field": fg.lattice((12,), J=-1.0, h=0.5),
    "rings of +-J": several([glass(8, [1], seed, (8,)) for seed in (1, 2)]),
    "torus": fg.lattice((4, 4)),
    "torus odd": fg.lattice((3, 4)),
    "torus in a field": fg.lattice((4, 3), J=0.5, h=-0.25),
    "prism": fg.lattice((6, 2), J=-1.0, periodic=(True, False)),
    "cylinder": fg.lattice((4, 3), periodic=(True, False)),
    "open +-J": fg.edwards_anderson((4, 3), seed=2, periodic=False),
    "+-J": fg.edwards_anderson((4, 3), seed=2),
    "several +-J": several([fg.edwards_anderson((4, 3), seed=seed) for seed in (3, 4, 5)]),
    "steps 1 and 2": glass(16, [1, 2], 6, (16,)),
    "steps 1 and 4": glass(12, [1, 4], 7, (12, 1), fields=np.full(12, 0.5)),
    "some of them alone": fg.Ising.from_edges(
        11, [0, 1, 2, 3, 0, 4, 4], [1, 2, 3, 0, 2, 5, 0], [1, -1, 1, 1, -1, 1, 1]
    ),
    "triangular": fg.triangular((4, 3), J=-1.0),
    "triangular even": fg.triangular((4, 4)),
    "steps to 6": glass(16, range(1, 7), 8, (16,)),
    "complete": several(
        [fg.Ising(np.triu(m, 1) + np.triu(m, 1).T, np.full(13, 0.5)) for m in RNG.choice([-1.0, 1.0], (2, 13, 13))]
    ),
}
ANY = {
    "whole numbers": fg.Ising.from_edges(
        9, *RNG.permuted(np.tile(np.arange(9), (14, 1)), axis=1)[:, :2].T, 2.0, range(9)
    ),
    "+-J": MULTISPIN["+-J"],
    "real": fg.Ising.from_edges(
        10, *fg.random_regular(10, 4, seed=1).bonds[:2], RNG.normal(size=20), RNG.normal(size=10), 2.5
    ),
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
    "students": fg.Perceptron(np.random.default_rng(4).choice([-1, 1], (12, 9))),
    "undecided students": fg.Perceptron(np.random.default_rng(5).choice([-1, 1], (11, 8))),
}
MACHINES = {
    "7 and 4": fg.RBM(RNG.normal(size=(7, 4)), RNG.normal(size=7), RNG.normal(size=4)),
    "2 and 8": fg.RBM(RNG.normal(size=(2, 8)), RNG.normal(size=2), np.zeros(8)),
}
STRANGERS = {
    "triplets": Triplets(9, RNG.permuted(np.tile(np.arange(9), (14, 1)), axis=1)[:, :3], RNG.normal(size=14)),
    "budget": Budget(10, 4),
}
MODELS = {"multispin": MULTISPIN, "sparse": ANY, "dense": ANY, "overlap": MEMORIES, "layered": MACHINES}
PRODUCTS = {
    "spins": fg.Polynomial.from_arrays(9, STRANGERS["triplets"].triples, RNG.normal(size=14)),
    "of many": fg.Polynomial({(0, 1, 2, 3, 4): 1.0, (2, 3, 4): -1.0, (5, 6): 1.0, (7,): 0.5, (0, 7, 5, 1): -1.0}),
    "units": fg.Polynomial({(0, 1, 2, 3): -2.0, (1, 4, 5): 1.5, (2, 6): 1.0, (7,): -0.5, (): 3.0}, "binary", 9),
}
MODELS |= {"terms": STRANGERS, "coloured": ANY, "polynomial": PRODUCTS}
OPTIONS = {
    "rule": ["gibbs", "metropolis", "spiking"],
    "scan": ["sequential", "random"],
    "strips": [1, 2, 4, 8],
    "chains": [3, 66, 132, 300, 576],  # 1 to 9 words of a lane for each chain, and more of strips
    "betas": ["one", "both signs", "in fields"],  # of both signs, and each chain in one beside the model's
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
    models = [model if module.native else model.to_ising() for model in as_list(MODELS[engine][name])]
    return module.refusal(models, scan, strips) is None


def valid(engine, name, rule, scan, strips, chains, betas, clamp, start, thin, threads):
    """Whether these go together."""
    if (strips > 1 and clamp != "nothing") or (rule == "metropolis" and start != "drawn"):
        return False
    if rule not in ENGINES[engine].rules or (betas == "in fields" and not ENGINES[engine].field_bits):
        return False
    return taken(engine, name, scan, strips)


def cases(engine):
    """Names of models and options: every pair of values of two of them that may go together, at least TWICE."""
    rng, kinds = np.random.default_rng(2), [list(MODELS[engine]), *OPTIONS.values()]
    seen, chosen = Counter(), []
    for (i, one), (j, other) in itertools.combinations(enumerate(kinds), 2):
        for pair in itertools.product(one, other):
            for numbers in rng.integers([len(values) for values in kinds], size=(300, len(kinds))).tolist():
                if seen[(i, pair[0]), (j, pair[1])] >= TWICE:
                    break
                case = [values[number] for values, number in zip(kinds, numbers, strict=True)]
                case[i], case[j] = pair
                if valid(engine, *case):  # never, if these do not go together
                    chosen.append(case)
                    seen.update(itertools.combinations(enumerate(case), 2))
    return chosen


GRID = {engine: cases(engine) for engine in MODELS}
LEVEL = FALSE_ALARM / (2 * sum(map(len, GRID.values())))


@cache
def enumerated(engine, name, k):
    """Model k of a list: its states, their energies and sums of spins."""
    model = as_list(MODELS[engine][name])[k]
    spins = exact.states(model.n)
    return model.from_spins(spins), model.energy(model.from_spins(spins)), spins.sum(axis=1)


def boltzmann(energies, beta, allowed):
    weights = np.exp(-beta * energies + abs(beta) * np.abs(energies).max()) * allowed
    return weights / weights.sum()


def clamped_sites(model, clamp):
    match clamp:
        case "nothing":
            return []
        case "a site":
            return [model.n // 2]
        case "by chain":
            return [model.n - 1, 0]
        case "a colour" if isinstance(model, fg.Hopfield) or not model.has_ising_form:
            return list(range(0, model.n, 2))
        case "a colour":
            colour = graphs.cells([model.to_ising()]).colours()
            return np.flatnonzero(colour == colour.max() // 2).tolist()


def strongest(model):
    """The strongest local field of the model's spins, or of Hopfield models of higher order what is like it."""
    if getattr(model, "order", 2) > 2:
        return len(model.patterns)
    if not model.has_ising_form:
        energies = model.energy(model.from_spins(exact.states(model.n)))
        return max(np.abs(energies - energies[np.arange(energies.size) ^ 1 << k]).max() for k in range(model.n)) / 2
    ising = model.to_ising()
    rows = np.repeat(np.arange(ising.n), np.diff(ising.indptr))
    return (np.abs(ising.fields) + np.bincount(rows, np.abs(ising.couplings), ising.n)).max()


def run(engine, name, rule, scan, strips, chains, betas, clamp, start, thin, threads):
    """Run a case; AssertionError where what is recorded is not that of the states. P-values of states and energies."""
    models, seed = as_list(MODELS[engine][name]), 1 + len(name) + chains + 7 * strips + thin
    model, rng = models[0], np.random.default_rng(seed)
    sites = clamped_sites(model, clamp)
    chains += CHAINS if rule == "metropolis" else 0
    chains = -(-chains // len(models)) * len(models)
    sweeps = SWEEPS if rule == "metropolis" else 3 * -(-DRAWS * APART // (3 * chains))
    of_chain = np.arange(chains) * len(models) // chains
    beta = REACH / strongest(model)
    scales = [1.0] if betas == "one" else [1.0, -0.7, -0.9 if rule == "metropolis" else 0.0]
    beta = rng.choice(scales, chains) * beta
    fields = rng.choice([0.0, 0.3, -0.5], chains) * strongest(model) * (betas == "in fields")
    low = model.from_spins(-np.ones(model.n, np.int8))[0]
    values = rng.choice([low, 1], (chains if clamp == "by chain" else 1, len(sites)))
    values = np.broadcast_to(values, (chains, len(sites)))
    states, _, sums = enumerated(engine, name, 0)

    kinds, kind = np.unique(np.column_stack([of_chain, beta, fields, values]), axis=0, return_inverse=True)
    laws = []
    for number, beta_of_kind, field, *held in kinds:
        _, energies, _ = enumerated(engine, name, int(number))
        allowed = (states[:, sites] == held).all(axis=1)
        laws.append((energies, boltzmann(energies - field * sums, beta_of_kind, allowed)))
    begin = None
    if start == "drawn":
        begin = np.empty((chains, model.n), np.int8)
        for k, (_, p) in enumerate(laws):
            begin[kind.ravel() == k] = states[rng.choice(p.size, (kind == k).sum(), p=p)]

    weights = rng.normal(size=model.n)
    result = fg.sample(
        models if len(models) > 1 else model,
        beta=beta if betas != "one" else beta[0],
        field=fields if betas == "in fields" else None,
        sweeps=sweeps,
        chains=chains,
        burn_in=0 if start == "drawn" else 2 * APART,
        thin=thin,
        rule=rule,
        refractory=3 if rule == "spiking" else None,
        scan=scan,
        start=begin,
        seed=seed,
        threads=threads,
        engine=engine,
        strips=strips if engine == "multispin" and not sites else None,
        keep_states=True,
        observe={"w": weights},
        clamp={site: values[:, k] if clamp == "by chain" else values[0, k] for k, site in enumerate(sites)},
    )
    assert (result.engine, result.strips) == (engine, strips)
    samples = result.samples
    spins = model.to_spins(samples)
    index = np.packbits(np.pad(spins > 0, ((0, 0), (0, 0), (0, 16 - model.n))), axis=2, bitorder="little")
    index = index.view("<u2")[..., 0]
    np.testing.assert_array_equal(result.states, samples[:, -1])
    np.testing.assert_array_equal(result.magnetization, sums[index] / model.n)
    energies = np.array([enumerated(engine, name, k)[1] for k in range(len(models))])[of_chain[:, None], index]
    if engine in ("multispin", "sparse") and isinstance(model, fg.Ising):
        np.testing.assert_array_equal(result.energy, energies)
    else:
        atol = energy_error(model) if engine == "layered" else 1e-12 * np.abs(energies).max()
        np.testing.assert_allclose(result.energy, energies, rtol=0, atol=atol)
    np.testing.assert_allclose(result.observables["w"], spins @ weights, rtol=0, atol=1e-12)
    assert (samples[:, :, sites] == values[:, None]).all()

    tested = index[:, :: -(sweeps if rule == "metropolis" else -(-APART // thin))]
    by_state, by_energy = [], []
    for k, (energies, p) in enumerate(laws):
        counts = np.bincount(tested[kind.ravel() == k].ravel(), minlength=p.size).astype(float)
        _, level = np.unique(energies.round(9), return_inverse=True)
        by_state.append((counts, p * counts.sum()))
        by_energy.append([np.bincount(level, array) for array in by_state[-1]])
    return chi_square(by_state), chi_square(by_energy)


def check(engine, case):
    p = run(engine, *case)
    assert min(p) >= LEVEL, f"{engine} {case}: p-values {p} of states and energies"
    return min(p)


@pytest.fixture(scope="module")
def smallest():
    """P-values of all cases; at the end of the module their number and the smallest is printed (-rP, -s)."""
    found = []
    yield found
    print(f"\n{len(found)} cases, smallest p-value of two each {min(found, default=1):.1e}, refused below {LEVEL:.1e}")


@pytest.mark.parametrize(("engine", "name"), [(engine, name) for engine in MODELS for name in MODELS[engine]])
def test_draws_have_their_law_and_what_is_recorded_is_that_of_the_states(engine, name, smallest):
    smallest += [check(engine, case) for case in GRID[engine] if case[0] == name]
