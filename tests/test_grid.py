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
from fastgibbs.engines import contract, graphs, multispin
from fastgibbs.engines.precision import energy_error
from fastgibbs.methods import settings
from fastgibbs.methods.settings import ENGINES
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sampling
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


# Strips


def quotient(models, strips):
    """The cell graph by its definition, of any model that looks alike from strip to strip, right or not."""
    model = models[0]
    count = model.n // strips
    i, j, _ = model.bonds
    rows = [[] for _ in range(count)]
    for a, b in itertools.chain(zip(i.tolist(), j.tolist(), strict=True), zip(j.tolist(), i.tolist(), strict=True)):
        if a < count:
            rows[a].append((b % count, b // count))
    entries = [(q, *entry) for q, row in enumerate(rows) for entry in sorted(row)]
    J = [np.zeros((m.n, m.n), bool) for m in models]
    for m, matrix in zip(models, J, strict=True):
        i, j, couplings = m.bonds
        matrix[i, j] = matrix[j, i] = couplings < 0
    negative = [
        [matrix[t * count + q, (t + shift) % strips * count + r] for q, r, shift in entries] + [False]
        for matrix in J
        for t in range(strips)
    ]
    return graphs.Cells(
        np.cumsum([0, *map(len, rows)]),
        np.array([r for _, r, _ in entries] + [-1], np.int32),
        np.array([shift for _, _, shift in entries] + [0], np.int8),
        np.array(negative).reshape(len(negative), -1),
        np.arange(len(negative)),
    )


def right(model, strips):
    """Whether strips look alike, and no two sites that move together are neighbours, by the definition."""
    count, rest = divmod(model.n, strips)
    i, j, _ = (part.tolist() for part in model.bonds)
    both = set(zip(i + j, j + i, strict=True))
    moved = {((a + count) % model.n, (b + count) % model.n) for a, b in both}
    return not rest and count > 0 and both == moved and all((a - b) % count for a, b in both)


def lattices():
    """Of any sides from 1 on, steps along the first axis of any length, periodic or not."""
    for shape in [
        (1,),
        (2,),
        (3,),
        (4,),
        (8,),
        (16,),
        (128,),
        (1, 8),
        (2, 6),
        (4, 3),
        (8, 2),
        (16, 3),
        (6, 4),
        (5, 5),
        (4, 3, 3),
        (8, 4, 4),
    ]:
        yield fg.lattice(shape)
        yield fg.lattice(shape, periodic=False)
        yield fg.edwards_anderson(shape, seed=1)
        if len(shape) == 2:
            yield fg.triangular(shape)
            yield fg.lattice(shape, periodic=(True, False))
            yield fg.lattice(shape, periodic=(False, True))
    for side, width in [(8, 1), (16, 1), (16, 2), (256, 1), (12, 3)]:
        for steps in [(1, 2), (1, 3), (2,), (4,), (3, 4), (1, 2, 3), (side // 2 - 1,), (8,)]:
            shape = (side, width)
            if side > 2 * max(steps):
                yield glass(side * width, [width * step for step in steps], 5, shape)
    yield fg.Ising(np.zeros((0, 0)))
    yield fg.Ising(np.zeros((8, 8)))
    yield fg.random_regular(16, 3, seed=2)


@pytest.mark.parametrize("strips", [1, 2, 4, 8, 16, 32, 64])
def test_strips_are_right_or_refused(strips):
    taken_ones = 0
    for model in lattices():
        if model.coupling is None or model.degree > multispin.MAX_DEGREE:
            continue
        why = ENGINES["multispin"].refusal([model], "sequential", strips)
        assert (why is None) == (strips == 1 or right(model, strips)), (model, model.shape, why)
        if why is None:
            taken_ones += 1
            graph, plain = graphs.cells([model], strips), quotient([model], strips)
            colours, all_cells = graph.colours(), np.arange(model.n // strips)
            rows, shifts = graph.rows(all_cells)
            assert ((colours[rows] != colours[:, None]) | (rows < 0)).all()
            expected, expected_shifts = plain.rows(all_cells)
            for q in all_cells:  # in any order
                bonds = {*zip(rows[q].tolist(), shifts[q].tolist(), strict=True)}
                assert bonds == {*zip(expected[q].tolist(), expected_shifts[q].tolist(), strict=True)}
            if not isinstance(graph, graphs.Box):
                every = np.arange(strips)
                np.testing.assert_array_equal(graph.signs(all_cells, every), plain.signs(all_cells, every))
        else:
            most = int(why.split("; give ")[1].removesuffix(" at most"))
            assert most == max(s for s in (1, 2, 4, 8, 16, 32) if s < strips and (s == 1 or right(model, s)))
            with pytest.raises(ValueError, match=f"strips is {strips}: .*; give {most} at most"):
                fg.sample(model, beta=1.0, sweeps=1, chains=1, strips=strips, engine="multispin")
    assert taken_ones >= 1


@pytest.mark.parametrize(
    ("model", "chains", "strips"),
    [
        (fg.lattice((16, 16)), 1, 4),  # 64 cells fill a strip
        (fg.lattice((16, 64)), 1, 8),
        (fg.lattice((16, 64)), 9, 4),
        (fg.lattice((64, 64), periodic=(False, True)), 1, 1),
        (fg.lattice((64, 64), periodic=(True, False)), 1, 32),
        (glass(4096, [64, 128], shape=(64, 64)), 1, 16),
        (glass(4096, [64, 128, 192], 1, shape=(64, 64)), 1, 16),
        (glass(4096, [64, 512], 1, shape=(64, 64)), 1, 4),
        (glass(4096, [64, 31 * 64], 1, shape=(64, 64)), 2, 32),
        (glass(4096, [64, 32 * 64 - 1], 1, shape=(64, 64)), 1, 32),
        (fg.random_regular(4096, 3, seed=1), 1, 1),
        ([fg.edwards_anderson((64, 32), seed=seed) for seed in (1, 2)], 2, 32),
        ([fg.edwards_anderson((64, 32), seed=seed) for seed in (1, 2)], 32, 2),
    ],
)
def test_as_many_strips_are_cut_as_are_right_and_worth_it(model, chains, strips):
    models = as_list(model)
    assert ENGINES["multispin"].strips(models, chains) == strips
    assert strips == 1 or right(models[0], strips)


def test_a_cell_that_is_its_own_neighbour_gets_no_plan():
    for model, strips in [(fg.lattice((8,)), 8), (fg.lattice((4, 3)), 4), (glass(16, [1, 4], shape=(16,)), 4)]:
        with pytest.raises(ValueError, match="no colour that differs from those of its neighbours"):
            graphs.layout(quotient([model], strips), strips)


def test_more_colours_than_there_are_numbers_for_get_no_plan():
    assert np.unique(graphs.cells([fg.Ising(1.0 - np.eye(128))]).colours()).size == 128
    with pytest.raises(ValueError, match="cell 128 has no colour"):
        graphs.cells([fg.Ising(1.0 - np.eye(129))]).colours()


@pytest.mark.parametrize("strips", [1, 2, 4])
def test_parity_colours_lattices_only_where_neighbours_differ_in_it(strips):
    boxes = 0
    for build, *sides in [
        (fg.lattice, 4),
        (fg.lattice, 8),
        *itertools.product([fg.lattice, fg.triangular], [8, 12], [3, 4, 6]),
    ]:
        box = graphs.Box.of(model := build(tuple(sides)), strips)
        assert build is fg.lattice or box is None
        if box is not None:
            boxes += 1
            rows, _ = box.rows(np.arange(box.count))
            assert (box.colours()[rows] != box.colours()[:, None]).all(), (model.shape, strips)
    assert boxes >= 3


def test_the_multispin_engine_scans_in_order_alone():
    model = MULTISPIN["torus"]
    with pytest.raises(ValueError, match="engine 'multispin' cannot run this: it scans colour by colour"):
        fg.sample(model, beta=0.3, sweeps=1, scan="random", engine="multispin")
    assert fg.sample(model, beta=0.3, sweeps=1, scan="random", chains=2).engine == "sparse"


def test_next_nearest_layers_in_strips_have_the_energy_of_rings():
    """64 rings of 64 spins with bonds to the next and second next, by their transfer matrix; z of rate 1e-4."""
    model, beta = glass(4096, [64, 128], shape=(64, 64)), 0.35
    result = fg.sample(model, beta=beta, sweeps=4000, burn_in=200, thin=20, chains=1, seed=1, keep_states=True)
    assert (result.engine, result.strips) == ("multispin", 16)
    np.testing.assert_array_equal(result.energy, model.energy(result.samples))
    spins = result.samples.reshape(-1, 64, 64).astype(int)
    energy = -(spins * (np.roll(spins, 1, axis=1) + np.roll(spins, 2, axis=1))).sum(axis=1).mean(axis=0)

    def log_z(beta):
        step = np.zeros((4, 4))  # from spins a, b to b, c
        for a, b, c in itertools.product((0, 1), repeat=3):
            s, t, u = 2 * np.array([a, b, c]) - 1
            step[2 * a + b, 2 * b + c] = np.exp(beta * (t * u + s * u))
        return np.log(np.trace(np.linalg.matrix_power(step, 64)))

    exact_energy = -(log_z(beta + 1e-4) - log_z(beta - 1e-4)) / 2e-4
    assert abs(energy.mean() - exact_energy) < 3.9 * energy.std(ddof=1) / 8


@pytest.mark.parametrize("strips", [2, 4, None])
def test_several_models_in_strips_equal_the_twin(strips):
    models = several([fg.edwards_anderson((16, 8), seed=seed) for seed in (1, 2, 3)])
    kwargs = dict(sweeps=12, burn_in=2, thin=2, rule="gibbs", seed=5)
    result = fg.sample(models, beta=0.5, chains=18, strips=strips, keep_states=True, engine="multispin", **kwargs)
    assert result.strips == (strips or 2)
    per_chain = [models[k // 6] for k in range(18)]
    energy, _, states = sampling.sample(multispin_twin, per_chain, 0.5, chains=18, strips=result.strips, **kwargs)
    np.testing.assert_array_equal(result.states, states)
    np.testing.assert_array_equal(result.energy, energy)
    for k, model in enumerate(models):
        np.testing.assert_array_equal(result.energy[6 * k : 6 * k + 6], model.energy(result.samples[6 * k : 6 * k + 6]))


# Broken plans that the grid must find


def updates_itself(patch):
    colour = graphs.colours
    patch.setattr(ENGINES["multispin"], "refusal", lambda *_: None)
    patch.setattr(multispin, "cells", quotient)
    patch.setattr(graphs, "colours", lambda *arguments: min(colour(*arguments), -1))


def one_offset(patch):
    plan = multispin._plan
    patch.setattr(multispin, "_plan", lambda *a: (p := plan(*a))._replace(offsets=np.zeros_like(p.offsets)))


def sweeps_what_is_clamped(patch):
    layout = multispin.layout
    patch.setattr(multispin, "layout", lambda *a: (place := layout(*a))._replace(swept=place.swept + 1))


def signs_of_whole_graphs(patch):
    def joined(models, strips):
        negative = np.array([np.append(model.couplings < 0, False) for model in models])
        return graphs.cells(models, strips)._replace(negative=negative)

    patch.setattr(multispin, "cells", joined)


def parity_of_triangles(patch):
    def of(cls, model, strips):
        return cls(model, strips, np.repeat(np.int8([1, 0]), [len(model.sides), len(model.cell.basis)]))

    patch.setattr(graphs.Box, "of", classmethod(of))


def two_colours(patch):
    patch.setattr(graphs.Cells, "colours", lambda graph: np.arange(graph.indptr.size - 1, dtype=np.int8) % 2)


def all_of_the_largest_degree(patch):
    patch.setattr(
        graphs.Cells, "degrees", lambda graph: np.full(graph.indptr.size - 1, np.diff(graph.indptr).max(), np.int8)
    )


def ghosts_from_the_other_side(patch):
    layout = multispin.layout

    def turned(graph, strips, free):
        place = layout(graph, strips, free)
        place.ghosts[:, 1] = strips - place.ghosts[:, 1]
        return place

    patch.setattr(multispin, "layout", turned)


def signs_of_the_next_lane(patch):
    signs = multispin.signs
    patch.setattr(multispin, "signs", lambda place, lanes: signs(place, range(lanes.start + 1, lanes.stop + 1)))


def moves_every_site(patch):
    every = contract.free_sites
    patch.setattr(contract, "free_sites", lambda n, free: every(n, None))


def hotter(module):
    def broken(patch):
        start = module.start
        patch.setattr(module, "start", lambda *a: start(*a[:4], 0.8 * a[4], *a[5:]))

    return broken


def weaker(module):
    def broken(patch):
        start = module.start
        patch.setattr(module, "start", lambda *a: start(*a[:6], 0.5 * a[6]))

    return broken


def case(name, **options):
    defaults = {option: values[0] for option, values in OPTIONS.items()} | {"chains": 66}
    return [name, *(defaults | options).values()]


BROKEN = [
    (updates_itself, "multispin", case("ring", strips=8)),
    (updates_itself, "multispin", case("+-J", strips=4, rule="metropolis")),
    (updates_itself, "multispin", case("steps 1 and 2", strips=8)),
    (one_offset, "multispin", case("several +-J")),
    (one_offset, "multispin", case("several +-J", strips=2)),
    (sweeps_what_is_clamped, "multispin", case("torus", clamp="a colour")),
    (sweeps_what_is_clamped, "multispin", case("triangular", clamp="a colour", rule="metropolis")),
    (signs_of_whole_graphs, "multispin", case("several +-J", strips=2)),
    (parity_of_triangles, "multispin", case("triangular even")),
    (parity_of_triangles, "multispin", case("torus odd")),
    (two_colours, "multispin", case("triangular")),
    (two_colours, "multispin", case("complete", rule="metropolis")),
    (all_of_the_largest_degree, "multispin", case("cylinder")),
    (ghosts_from_the_other_side, "multispin", case("steps 1 and 2", strips=4)),
    (signs_of_the_next_lane, "multispin", case("+-J", strips=2)),
    (moves_every_site, "sparse", case("+-J", clamp="a colour")),
    (moves_every_site, "dense", case("real", clamp="a site", scan="random")),
    (moves_every_site, "layered", case("7 and 4", clamp="a colour")),
    *((hotter(ENGINES[engine]), engine, case(next(iter(MODELS[engine])))) for engine in MODELS),
    *(
        (weaker(ENGINES[engine]), engine, case(next(iter(MODELS[engine])), betas="in fields", chains=576))
        for engine in MODELS
        if ENGINES[engine].field_bits
    ),
]


@pytest.mark.parametrize(("broken", "engine", "case"), BROKEN, ids=[f"{b.__name__}-{c[0]}" for b, _, c in BROKEN])
def test_a_broken_plan_is_found(broken, engine, case, monkeypatch):
    monkeypatch.setattr(
        settings, "kept", lambda model, kind, key, make: make(model)
    )  # a right one is kept with the model
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        check(engine, case)
