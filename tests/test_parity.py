"""Every engine and its NumPy twin give the same bits."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgibbs as fg
from fastgibbs.engines import ENGINES, multispin
from fastgibbs.engines.arithmetic import exp2, exp64
from fastgibbs.engines.bitslices import PART
from fastgibbs.engines.contract import LANE_GROUP
from fastgibbs.engines.vectors import load, store
from fastgibbs.jit import njit
from fastgibbs.reference import coloured as coloured_twin
from fastgibbs.reference import multispin as multispin_twin
from fastgibbs.reference import sampling
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
    result = fg.sample(model, beta=betas, engine="sparse", threads=1, **kwargs)
    energy, magnetization, states = sampling.sample(twin, model, betas, chains=betas.size, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", [*MODELS, "70 of a colour"])
def test_coloured_trajectories_equal_the_twins(name, rule):
    """Of few chains and of more than a block, of colours of few sites and of more than are decided together."""
    model = MODELS.get(name, fg.random_regular(140, 5, "gaussian", seed=1))
    for betas in (
        np.array([0.7]),
        np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, -0.7], np.linspace(0.2, 2.0, 63)]),
    ):
        kwargs = dict(sweeps=30, burn_in=3, thin=2, rule=rule, seed=5)
        result = fg.sample(model, beta=betas, engine="coloured", threads=1, **kwargs)
        energy, magnetization, states = sampling.sample(coloured_twin, model, betas, chains=betas.size, **kwargs)
        np.testing.assert_array_equal(result.energy, energy)
        np.testing.assert_array_equal(result.magnetization, magnetization)
        np.testing.assert_array_equal(result.states, states)


def test_every_bit_pattern_gives_the_twins_exp2():
    """All exponents from 0 to -126 that a decision can meet, at a spacing of 2^-16."""
    t = np.arange(0, 126 * 2**16 + 1, dtype=np.float32) / np.float32(-(2**16))
    values = twin.exp2(t)
    np.testing.assert_allclose(values, np.exp2(t.astype(np.float64)), rtol=2e-7)
    assert values[0] == 1.0


@njit
def exponentials(t, powers, x, values):
    for k in range(0, t.size, LANE_GROUP):
        store(powers, k, exp2(load(t, k, LANE_GROUP)))
    for k in range(x.size):
        values[k] = exp64(x[k])


def test_the_kernels_exponentials_are_the_twins_to_the_last_bit():
    """Decisions tell apart no two exponentials that differ in their last bits: trajectories do not show them."""
    t, x = np.linspace(-126, 0, 2**20, dtype=np.float32), np.linspace(-700, 0, 2**18)
    powers, values = np.empty_like(t), np.empty_like(x)
    exponentials(t, powers, x, values)
    np.testing.assert_array_equal(powers, twin.exp2(t))
    np.testing.assert_array_equal(values, multispin_twin.exp64(x))


MULTISPIN = {
    "ring": fg.lattice((9,)),
    "torus even": fg.lattice((4, 6)),
    "torus odd": fg.lattice((5, 4)),
    "torus in a field": fg.lattice((4, 4), J=0.7, h=0.3),
    "antiferromagnet": fg.lattice((4, 3), J=-2.0),
    "triangular": fg.triangular((4, 3), J=-1.0),
    "cubic": fg.lattice((3, 4, 3)),
    "EA +-J": fg.edwards_anderson((4, 4, 3), "bimodal", seed=2),
    "open EA +-J": fg.edwards_anderson((3, 4, 3), "bimodal", seed=3, periodic=False),
    "diluted": fg.Ising.from_edges(30, *np.random.default_rng(5).permutation(30).reshape(2, 15), [1, -1, 1] * 5),
    "3-regular": fg.random_regular(20, 3, "bimodal", seed=4),
    "6-regular": fg.random_regular(21, 6, "bimodal", seed=5),
    "isolated in a field": fg.Ising(np.zeros((4, 4)), [0.3] * 4),
    "one spin": fg.Ising([[0]]),
    "empty": fg.Ising(np.zeros((0, 0))),
}


def parity(model, betas, chains, **kwargs):
    kwargs = dict(sweeps=30, burn_in=3, thin=2, rule="gibbs", seed=5) | kwargs
    result = fg.sample(model, beta=betas, chains=chains, engine="multispin", threads=1, **kwargs)
    energy, magnetization, states = sampling.sample(multispin_twin, model, betas, chains=chains, **kwargs)
    np.testing.assert_array_equal(result.energy, energy)
    np.testing.assert_array_equal(result.magnetization, magnetization)
    np.testing.assert_array_equal(result.states, states)


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize("name", MULTISPIN)
def test_multispin_trajectories_equal_the_twins(name, rule):
    betas = np.concatenate([[1e-3, 0.1, 0.44, 1.0, 3.0, 50.0, -0.7], np.linspace(0.2, 2.0, 63)])
    parity(MULTISPIN[name], betas, 70, rule=rule, strips=1)


@pytest.mark.parametrize("beta", [0.0, 0.1, 0.44, 1.0, 3.0])
@pytest.mark.parametrize("name", ["torus odd", "torus in a field", "EA +-J", "3-regular", "open EA +-J"])
def test_multispin_trajectories_equal_the_twins_at_one_beta(name, beta):
    parity(MULTISPIN[name], beta, 5, strips=1)


def of_degree(d, h):
    """A random graph of which a tenth of the bonds is missing: cells of several degrees, d the largest."""
    bonds = fg.random_regular(26, d, seed=d).bonds
    kept = np.random.default_rng(d).random(len(bonds[0])) < 0.9
    i, j = bonds[0][kept], bonds[1][kept]
    return fg.Ising.from_edges(26, i, j, np.resize([1.0, -1.0, 1.0], len(i)), np.full(26, h))


@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
@pytest.mark.parametrize(("degree", "h"), [(2, 0.5), (3, 1.0), (4, -0.3), (7, 0.0), (8, 0.5), (12, 0.0), (12, 2.0)])
def test_lanes_at_one_beta_do_what_they_do_among_others(degree, h, rule):
    """Their thresholds are looked up, those of lanes at several betas put together: in both ways the same bytes."""
    model = of_degree(degree, h)
    for beta in (0.05, 0.4, -0.7):
        kwargs = dict(sweeps=400, thin=50, engine="multispin", threads=1, rule=rule, seed=3)
        alone = fg.sample(model, beta=beta, chains=64, **kwargs)
        among = fg.sample(model, beta=[beta] * 64 + [1.0], chains=65, **kwargs)
        np.testing.assert_array_equal(alone.states, among.states[:64])
        np.testing.assert_array_equal(alone.energy, among.energy[:64])


@pytest.mark.parametrize("chains", [64, 129, 300, 512])
def test_blocks_of_any_width_equal_the_twin(chains):
    parity(MULTISPIN["EA +-J"], 0.8, chains, sweeps=6, strips=1)
    parity(MULTISPIN["open EA +-J"], 0.8, chains, sweeps=6, strips=1)


@pytest.mark.parametrize(
    ("model", "strips", "chains"),
    [
        (fg.lattice((64, 6)), 32, 2),
        (fg.lattice((128, 4)), 64, 3),
        (fg.lattice((12, 5), h=0.2), 4, 20),
        (fg.edwards_anderson((8, 4, 3), seed=6), 4, 17),
        (fg.triangular((6, 6)), 2, 7),
        (fg.lattice((8, 6), periodic=(True, False)), 4, 3),
    ],
)
@pytest.mark.parametrize("rule", ["gibbs", "metropolis"])
def test_lattices_in_strips_equal_the_twin(model, strips, chains, rule):
    parity(model, np.linspace(0.2, 0.9, chains), chains, strips=strips, rule=rule)


@pytest.mark.parametrize("model", [fg.lattice((128, 128)), fg.edwards_anderson((20, 30, 30), seed=1)])
def test_colours_cut_in_several_tiles_equal_the_twin(model):
    parity(model, 0.44, 1, sweeps=3, burn_in=0, thin=1, strips=1)


def test_tiles_of_eight_cells_equal_the_twin(monkeypatch):
    """8 tiles a colour and some 100 numbers that need more than 14 bits: each tile has streams of its own for those."""
    monkeypatch.setattr(multispin, "TILE_CELLS", 8)
    monkeypatch.setattr(multispin_twin, "TILE", 8)
    parity(fg.lattice((16, 8)), 0.3, 64, sweeps=200, strips=1)


@pytest.mark.parametrize("shape", [(64, 64), (33, 33), (4096,)])
def test_counts_hold_every_spin_up_and_every_bond_unsatisfied(shape):
    """An antiferromagnet in a field that overcomes it: what is counted a vector at a time is as much as can be."""
    model = fg.lattice(shape, J=-1.0, h=100.0)
    result = fg.sample(model, beta=1.0, sweeps=2, chains=3, start=np.ones(model.n), engine="multispin", strips=1)
    assert (result.magnetization == 1).all()
    np.testing.assert_array_equal(result.energy, model.bond_count - 100.0 * model.n)


def test_disorder_samples_in_one_word_equal_the_twin():
    models = [fg.edwards_anderson((4, 3, 3), seed=seed) for seed in range(66)]
    parity(models, np.linspace(0.2, 1.5, 66), 66)


def test_what_sweeps_read_and_write_begins_with_a_cache_line():
    """Registers that straddle two lines take twice as long: which arrays do is otherwise left to the allocator."""
    engine = ENGINES["multispin"]
    model = MULTISPIN["EA +-J"]
    ups = np.ones((512, model.n), np.uint8)
    _, state = engine.start(engine.prepare([model], 1), range(512), [(0, ups)], 0, np.array([0.5]), 0)
    for name in ("spins", "streams", "planes", "scratch", "counters", "numbers", "rare"):
        assert getattr(state, name).ctypes.data % 64 == 0, name


OTHER_PARTS = """
import numba
from numba.core.registry import cpu_target

cpu_target.target_context  # instructions are those of this machine
features, numba.config.CPU_FEATURES = numba.config.CPU_FEATURES, "" if {part} == 8 else "+avx512f"
import test_parity as of

numba.config.CPU_FEATURES = features
assert {{of.PART, {part}}} == {{4, 8}}
of.parity(of.MULTISPIN["EA +-J"], of.np.linspace(0.2, 1.5, 70), 70, strips=1, rule="metropolis")
of.parity(of.MULTISPIN["EA +-J"], 0.8, 512, sweeps=6, strips=1)
of.parity([of.fg.edwards_anderson((4, 3, 3), seed=seed) for seed in range(66)], 0.6, 66, sweeps=6)
of.parity(of.fg.lattice((12, 5, 4)), of.np.linspace(0.1, 0.5, 17), 17, strips=4)
"""


def test_parts_of_four_and_of_eight_words_give_the_same_bytes(tmp_path):
    """The twin's: those that this machine would not choose, in a process that takes it for another one."""
    path = os.pathsep.join(
        str(Path(folder).resolve()) for folder in (Path(fg.__file__).parents[1], Path(__file__).parent)
    )
    environment = os.environ | {"PYTHONPATH": path, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", OTHER_PARTS.format(part=PART)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


def test_the_twins_exponential_is_right():
    x = -np.linspace(0, 700, 100_001)
    np.testing.assert_allclose(multispin_twin.exp64(x), np.exp(x), rtol=4e-16)
