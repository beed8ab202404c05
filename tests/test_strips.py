"""Lattices cut into strips: right or refused, as many as are worth it, and coloured only where that is right."""

import itertools

import numpy as np
import pytest
from test_grid import MULTISPIN, as_list, glass, several

import fastgibbs as fg
from fastgibbs.engines import graphs, multispin
from fastgibbs.methods.settings import ENGINES
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sampling


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
